//! What goes wrong with a first plugin, and what is said of it then: the cause and the next step. Each is a project that was written
//! by `windlass plugin new`, with one mistake made in it, built with the language's own tools.

use e2e::{Output, Project};

struct Beginner {
    language: &'static str,
    source: &'static str,
    project: Project,
}

/// A mistake in a text of the project's.
type Mistake<'a> = (&'a str, &'a str, &'a str);

impl Beginner {
    fn new(language: &'static str, source: &'static str) -> Self {
        let project = Project::new();
        let _ = project.windlass(&format!("plugin new greet --lang {language} --directory .")).exits(0);
        Self { language, source, project }
    }

    /// Makes a mistake, does something with it, and mends it again.
    fn with<T>(&self, (file, right, wrong): Mistake<'_>, work: impl FnOnce() -> T) -> T {
        let text = self.project.read(file);
        assert!(text.contains(right), "{}: `{right}` is not in {file}", self.language);
        self.project.write(file, &text.replace(right, wrong));
        let result = work();
        self.project.write(file, &text);
        result
    }

    fn does_not_build(&self, mistake: Mistake<'_>, said: &[&str]) {
        let output = self.with(mistake, || self.project.windlass("plugin build").exits(2));
        says(&output, said);
        assert_eq!(output.stdout, "", "{}", output.all());
    }

    /// A plugin with this in the place of what `plan` begins with: it is built, accepted, and fails while it plans.
    fn plans(&self, wrong: &str, said: &[&str]) {
        let right = match self.language {
            "rust" => "let now = read(flag)?;",
            _ => "if (!read_flag(flag, &now, failure)) return false;",
        };
        let output = self.with((self.source, right, wrong), || {
            let _ = self.project.windlass("plugin build").exits(0);
            let _ = self.project.windlass("lock").exits(0);
            self.project.windlass("plan").exits(2)
        });
        says(&output, said);
    }
}

fn says(output: &Output, parts: &[&str]) {
    for part in parts {
        assert!(output.stderr.contains(part), "`{part}` is not in {}", output.all());
    }
}

const PASSED_ON: &str =
    "hint: this is a bug in the plugin: mend it where this says, or report it to its author with this text\n";
const DENIED: &[&str] = &[
    "plugin `greet@0.1.0` was not allowed to run `./flag list`",
    "`deploy.lock` accepts only: run `./flag get new-checkout`",
    "hint: if it should be, the plugin has to ask for it in `requires`, for this phase; then run `windlass lock`",
];
const ENDLESS: &[&str] = &[
    "`plan` of plugin `greet@0.1.0` did not end within [duration]",
    "hint: give the step a longer `timeout` if it needs one; where it goes round without an end, that is a bug in the plugin\n",
];

/// What a configuration that does not fit is told, by the schema that the plugin has.
fn misconfigured(beginner: &Beginner) {
    let output = beginner.with(("deploy.toml", "value = \"on\"", "valeu = \"on\""), || {
        let _ = beginner.project.windlass("plugin build").exits(0);
        beginner.project.windlass("check").exits(2)
    });
    says(&output, &["valeu", "deploy.toml:", "hint: write `value`"]);
    let output =
        beginner.with(("deploy.toml", "value = \"on\"", "value = 1"), || beginner.project.windlass("check").exits(2));
    says(&output, &["deploy.toml:", "string"]);
}

fn hurried(beginner: &Beginner) {
    let text = beginner.project.read("deploy.toml");
    beginner.project.write("deploy.toml", &text.replace("[step.with]", "timeout = \"2s\"\n[step.with]"));
}

#[test]
fn in_rust() {
    let rust = Beginner::new("rust", "src/lib.rs");
    misconfigured(&rust);
    rust.does_not_build(
        ("src/lib.rs", "windlass_plugin::export!(Plugin);", ""),
        &[
            "it does not export `windlass:plugin/lifecycle`, so it is not a Windlass plugin",
            "in Rust `windlass_plugin::export!(YourType);` exports it",
        ],
    );
    rust.does_not_build(
        ("windlass-sdk/wit/v0.1.0/step.wit", "package windlass:plugin@0.1.0;", "package windlass:plugin@0.2.0;"),
        &["it wants contract 0.2.0, and this Windlass runs 0.1.0", "hint: take a newer Windlass"],
    );
    rust.does_not_build(
        ("windlass-sdk/wit/v0.1.0/step.wit", "  enum verdict {", "  enum verdict {\n    /// More.\n    perhaps,"),
        &[
            "it was built for a world that is not that of contract 0.1.0",
            "hint: build it against the `step.wit` of this Windlass",
            "`windlass-sdk/wit/v0.1.0/step.wit`",
        ],
    );
    rust.does_not_build(
        ("src/lib.rs", "let now = read(flag)?;", "let now = raed(flag)?;"),
        &[
            "src/lib.rs:",
            "cannot find function `raed`",
            "`cargo` ended with exit status: 101",
            "hint: mend what it says above",
        ],
    );
    rust.plans(
        "let now: String = None.expect(\"the flag store is missing\");",
        &[
            "plugin `greet@0.1.0` crashed in `plan`",
            "the plugin panicked: panicked at src/lib.rs:",
            "the flag store is missing",
            PASSED_ON,
        ],
    );
    rust.plans("let now = Command::new(PROGRAM).arguments([\"list\"]).capture()?.stdout_text();", DENIED);
    hurried(&rust);
    rust.plans("let now = loop { std::hint::spin_loop(); if flag == \"\" { break String::new(); } };", ENDLESS);
}

#[test]
fn in_c() {
    let c = Beginner::new("c", "src/plugin.c");
    misconfigured(&c);
    c.does_not_build(
        (
            "src/plugin.c",
            "bool windlass_plan(",
            "bool my_plan(windlass_string *, windlass_intents *, windlass_failure *);\n\nbool my_plan(",
        ),
        &[
            "undefined symbol: windlass_plan",
            "`clang` ended with exit status: 1",
            "nothing defines `windlass_plan`, which every plugin has",
            "hint: mend what it says above; a plugin defines the functions that `windlass.h` begins with",
        ],
    );
    // What may be left out is missed by nobody, so its misspelt name has to be.
    c.does_not_build(
        ("src/plugin.c", "bool windlass_revert(", "bool windlass_rever("),
        &[
            "src/plugin.c:",
            "no previous prototype for function 'windlass_rever'",
            "no function that Windlass calls is called `windlass_rever`; did you mean `windlass_revert`?",
            "hint: mend what it says above; a plugin defines the functions that `windlass.h` begins with",
        ],
    );
    c.does_not_build(
        ("src/plugin.c", "if (!read_flag(flag, &now, failure)) return false;", "puts(flag);"),
        &["src/plugin.c:", "error: ", "'puts'", "`clang` ended with exit status: 1"],
    );
    // Who builds it is its author.
    c.does_not_build(
        ("src/plugin.c", "windlass_text(\"0.1.0\")", "windlass_text(\"one\")"),
        &[
            "its version `one` is not a semantic version",
            "hint: this is a bug in the plugin: mend it, or report it to its author\n",
        ],
    );
    c.does_not_build(
        ("windlass-sdk/c/step.c", "windlass:plugin/log@0.1.0", "windlass:plugin/log@0.2.0"),
        &[
            "it imports `write` of `windlass:plugin/log@0.2.0`, which this Windlass has not",
            "hint: take `windlass-sdk/c` of this Windlass",
        ],
    );
    // Without the bindings nothing says which functions of the plugin are whose.
    let build = "component = \"build/greet.wasm\"\nbuild = [\"clang\", \"--target=wasm32\", \"-nostdlib\", \"-Wl,--no-entry\", \
                 \"-o\", \"build/greet.wasm\", \"windlass-sdk/c/libc.c\", \"-isystem\", \"windlass-sdk/c/include\"]";
    c.does_not_build(
        ("windlass-plugin.toml", "component = \"build/greet.wasm\"", build),
        &[
            "it does not export `cabi_realloc`",
            "hint: compile `windlass-sdk/c/step.c` and `windlass-sdk/c/windlass.c` along",
        ],
    );
    c.plans(
        "now = \"\"; WINDLASS_PANIC(\"the flag store is missing\");",
        &[
            "plugin `greet@0.1.0` crashed in `plan`",
            "the plugin panicked: at src/plugin.c:",
            "the flag store is missing",
            PASSED_ON,
        ],
    );
    c.plans(
        "windlass_completion completion; if (!windlass_run((const char *const[]){PROGRAM, \"list\", NULL}, &completion, failure)) \
         return false; now = completion.output;",
        DENIED,
    );
    c.plans(
        "now = \"\"; if (!windlass_write_file(\"flags/x\", \"\", 0, failure)) return false;",
        &["`flags/x` cannot be written\n", "hint: in `plan` every directory is read-only: do it in `apply`\n"],
    );
    c.plans(
        "now = \"\"; if (*flag != 0) return false;",
        &[
            "step `flag`: `windlass_plan` returned false and set no failure\n",
            "hint: say why with `return windlass_fail(failure, …)`, or return true\n",
        ],
    );
    hurried(&c);
    c.plans("now = \"\"; for (volatile int turn = 0;; turn++) {}", ENDLESS);
}

/// What is no component at all is told from one, whatever language it was to be.
#[test]
fn a_module_is_no_component() {
    let project = Project::new();
    let _ = project.windlass("plugin new greet --lang rust --directory .").exits(0);
    std::fs::write(project.path().join("a-module"), b"\0asm\x01\0\0\0").expect("a module");
    let text = project.read("windlass-plugin.toml");
    let line = text.lines().find(|line| line.starts_with("component")).expect("the component's place");
    project.write(
        "windlass-plugin.toml",
        &text.replace(line, "component = \"module.wasm\"\nbuild = [\"cp\", \"a-module\", \"module.wasm\"]"),
    );
    let output = project.windlass("plugin build").exits(2);
    says(
        &output,
        &[
            "it is a WebAssembly module, not a component",
            "hint: build it with `windlass plugin build`: in Rust for `wasm32-wasip2`, and of C that makes a component of the module",
        ],
    );
}
