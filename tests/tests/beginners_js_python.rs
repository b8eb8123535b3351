//! The errors that a beginner makes in JavaScript and Python: a new project, broken in one place. Each is told with its cause and
//! with what to do next, and nothing of the tools in between.
#![cfg(unix)]

use e2e::languages::{Installed, equip};
use e2e::{Output, Project};
use std::sync::OnceLock;

#[derive(Clone, Copy)]
struct Language {
    word: &'static str,
    source: &'static str,
    tools: Installed,
}

const JAVASCRIPT: Language = Language { word: "js", source: "src/plugin.js", tools: Installed::JavaScript };
const PYTHON: Language = Language { word: "python", source: "src/plugin.py", tools: Installed::Python };

impl Language {
    /// A new project with the first of these in its source, once, in place of the second.
    fn broken(self, good: &str, bad: &str) -> Project {
        let project = Project::new();
        let _ = project.windlass(&format!("plugin new greet-it --lang {} --directory .", self.word)).exits(0);
        equip(&project.path(), self.tools);
        let source = project.read(self.source);
        assert_eq!(source.matches(good).count(), 1, "`{good}` in {source}");
        project.write(self.source, &source.replace(good, bad));
        project
    }

    /// What is said when it is built.
    fn not_built(self, good: &str, bad: &str) -> Output {
        self.broken(good, bad).windlass("plugin build").exits(2)
    }

    /// A project whose plugin makes the mistake that its configuration names, built: each mistake is one of a beginner's, and a build
    /// takes seconds. It is one for all tests.
    fn mistaken(self) -> &'static Project {
        static BUILT: [OnceLock<Project>; 2] = [OnceLock::new(), OnceLock::new()];
        BUILT[usize::from(self.tools == Installed::Python)].get_or_init(|| {
            let project = match self.tools {
                Installed::JavaScript => {
                    let project = self.broken("  const now = read(flag);\n  if (now ===", IN_JAVASCRIPT);
                    let source = project.read(self.source);
                    project.write(
                        self.source,
                        &source.replace("import { Failure,", "import { Failure, files, http,").replace(
                            "export const lifecycle",
                            "const wait = async () => [];\n\nexport const lifecycle",
                        ),
                    );
                    project
                }
                Installed::Python => {
                    let project = self.broken("    now = read(flag)\n    if now ==", IN_PYTHON);
                    let source = project.read(self.source);
                    project.write(self.source, &source.replace("import Failure,", "import Failure, http,"));
                    project
                }
            };
            let _ = project.windlass("plugin build").exits(0);
            project
        })
    }

    /// What is said when it is planned with this mistake, and this line in the step.
    fn not_planned(self, mistake: &str, line: &str) -> Output {
        let built = self.mistaken();
        let project = Project::with(&format!(
            "schema = 1\napp = \"trial\"\n\n[environments.here]\n\n[[step]]\nid = \"flag\"\nplugin = \"./greet-it.wasm\"\n{line}\n\
             with = {{ flag = \"new-checkout\", value = \"{mistake}\" }}\n"
        ));
        std::fs::copy(built.path().join("build/greet-it.wasm"), project.path().join("greet-it.wasm"))
            .expect("a component");
        project.locked().windlass("plan").exits(2)
    }
}

const IN_JAVASCRIPT: &str = r#"  if (value === "exception") return flag.nothing.there;
  if (value === "answer") return flag;
  if (value === "promise") return wait();
  if (value === "program") process.run("./other", ["get", flag]);
  if (value === "request") http.get("https://example.com/");
  if (value === "file") files.read("secret.txt");
  if (value === "loop") for (;;);
  const now = read(flag);
  if (now ==="#;

const IN_PYTHON: &str = r#"    if value == "exception":
        return flag.nothing.there
    if value == "answer":
        return flag
    if value == "program":
        process.run("./other", ["get", flag])
    if value == "request":
        http.get("https://example.com/")
    while value == "loop":
        pass
    now = read(flag)
    if now =="#;

/// All of these are said, in this order.
fn says(output: &Output, parts: &[&str]) {
    let mut rest = output.stderr.as_str();
    for part in parts {
        let Some((_, after)) = rest.split_once(part) else { panic!("`{part}` is not in it: {}", output.all()) };
        rest = after;
    }
}

const MEND: &str = "hint: mend what it says above, and build again";

#[test]
fn an_export_that_is_missing() {
    let output = JAVASCRIPT.not_built("export const lifecycle", "export const lifecycles");
    says(
        &output,
        &[
            "Error: `src/plugin.js` exports no `lifecycle`, only `lifecycles`: write `export const lifecycle = step({ … })` in it\n",
            "error: the plugin `greet-it` was not built\n",
            MEND,
        ],
    );
    let output = PYTHON.not_built("Lifecycle = step(", "Life = step(");
    says(
        &output,
        &[
            "`src/plugin.py` has no `Lifecycle`: write `Lifecycle = step(…)` at its end\n",
            "error: the plugin `greet-it` was not built\n",
            MEND,
        ],
    );
}

#[test]
fn a_function_that_is_missing() {
    let output = JAVASCRIPT.not_built("requires, plan, apply,", "requires, apply,");
    says(&output, &["Error: the step has no function `plan`\n", "/src/plugin.js:", MEND]);
    let output = PYTHON.not_built("plan=plan, ", "");
    says(&output, &["/plugin.py\", line ", "TypeError: the step has no function `plan`\n", MEND]);
}

#[test]
fn a_source_that_cannot_be_read() {
    let output = JAVASCRIPT.not_built("if (now === value) return [];", "if (now === value return [];");
    says(&output, &["Error: ", "at /src/plugin.js:", MEND]);
    let output = PYTHON.not_built("if now == value:", "if now == value");
    says(&output, &["/plugin.py\", line ", "SyntaxError: expected ':'\n", MEND]);
}

#[test]
fn a_module_that_is_not_there() {
    let output = JAVASCRIPT.not_built("import { Failure", "import \"left-pad\";\nimport { Failure");
    says(
        &output,
        &["`src/plugin.js` imports `left-pad`, and that package is not installed: `npm install left-pad`\n", MEND],
    );
    let output = PYTHON.not_built("from windlass import", "import numpy\nfrom windlass import");
    says(&output, &["/plugin.py\", line ", "ModuleNotFoundError: No module named 'numpy'\n", MEND]);
}

/// A component of another world than Windlass's is a good component, and no plugin.
#[test]
fn a_wrong_world() {
    let world = "package my:greeter;\n\nworld mine {\n  export greet: func() -> string;\n}\n";
    let parts = [
        "error: plugin `build/greet-it.wasm` cannot be used\n",
        "Caused by: it does not export `windlass:plugin/lifecycle`, so it is not a Windlass plugin\n",
        "hint: of a plugin of your own: ",
        "a component that is built for the world `windlass:plugin/step` does\n",
    ];
    let project = JAVASCRIPT.broken("export const lifecycle", "export const lifecycle");
    project.write("own.wit", world);
    project.write("own.js", "export const greet = () => \"hello\";\n");
    let command = r#"["node_modules/.bin/componentize-qjs", "--sync", "--wit", "own.wit", "--js", "own.js", "--output", "build/greet-it.wasm"]"#;
    project.write("windlass-plugin.toml", &(project.read("windlass-plugin.toml") + &format!("build = {command}\n")));
    says(&project.windlass("plugin build").exits(2), &parts);

    let project = PYTHON.broken("Lifecycle = step(", "Lifecycle = step(");
    project.write("own.wit", world);
    project.write(
        "own_plugin.py",
        "import wit_world\n\n\nclass WitWorld(wit_world.WitWorld):\n    def greet(self):\n        return \"hello\"\n",
    );
    let command = r#"[".venv/bin/componentize-py", "-d", "own.wit", "-w", "mine", "componentize", "own_plugin", "-o", "build/greet-it.wasm"]"#;
    project.write("windlass-plugin.toml", &(project.read("windlass-plugin.toml") + &format!("build = {command}\n")));
    says(&project.windlass("plugin build").exits(2), &parts);
}

#[test]
fn an_exception_in_plan() {
    says(
        &JAVASCRIPT.not_planned("exception", ""),
        &[
            "error: step `flag`: `plan` of the plugin threw an exception\n",
            "Caused by: TypeError: cannot read property 'there' of undefined\n",
            "at plan (/src/plugin.js:",
            "hint: this is a bug in the plugin: mend it there, or throw a `Failure` where the step is to fail\n",
        ],
    );
    says(
        &PYTHON.not_planned("exception", ""),
        &[
            "error: step `flag`: `plan` of the plugin raised an exception\n",
            "Caused by: AttributeError: 'str' object has no attribute 'nothing'\n",
            "at plan (plugin.py:",
            "hint: this is a bug in the plugin: mend it there, or raise a `Failure` where the step is to fail\n",
        ],
    );
}

#[test]
fn an_answer_of_another_kind() {
    for language in [JAVASCRIPT, PYTHON] {
        let output = language.not_planned("answer", "");
        says(&output, &["`plan` returned something that is not a list made with `intent`\n"]);
    }
}

/// JavaScript's own: nothing there waits for a promise.
#[test]
fn a_function_that_is_asynchronous() {
    says(
        &JAVASCRIPT.not_planned("promise", ""),
        &[
            "error: step `flag`: `plan` returned a promise, and nothing here waits for one\n",
            "hint: write `plan` without `async`: every function of `windlass.js` returns its answer itself\n",
        ],
    );
}

#[test]
fn a_configuration_that_does_not_fit() {
    for language in [JAVASCRIPT, PYTHON] {
        let built = language.mistaken();
        let project =
            Project::new().file("deploy.toml", &built.read("deploy.toml").replace("flag = \"new", "flagg = \"new"));
        std::fs::create_dir(project.path().join("build")).expect("a directory");
        std::fs::copy(built.path().join("build/greet-it.wasm"), project.path().join("build/greet-it.wasm"))
            .expect("a component");
        let output = project.windlass("lock").exits(2);
        says(&output, &["`flagg`", "deploy.toml:", "hint: "]);
    }
}

#[test]
fn a_capability_that_was_not_asked_for() {
    let hint = "hint: if it should be, the plugin has to ask for it in `requires`, for this phase; then run `windlass lock` and \
                have the change to `deploy.lock` reviewed\n";
    for language in [JAVASCRIPT, PYTHON] {
        says(
            &language.not_planned("program", ""),
            &[
                "error: step `flag`: plugin `greet-it@0.1.0` was not allowed to run `./other get new-checkout`\n",
                "`deploy.lock` accepts only: run `./flag get new-checkout`",
                hint,
            ],
        );
        says(&language.not_planned("request", ""), &["`GET https://example.com/` was denied\n", hint]);
    }
    // A file has no words of its own in JavaScript, so the helper has; Python's are Python's.
    says(
        &JAVASCRIPT.not_planned("file", ""),
        &[
            "`secret.txt` cannot be read\n",
            "Caused by: it is in no directory that the step was granted in this phase\n",
            "hint: ask for it in `requires`: `capability.directory(",
        ],
    );
}

#[test]
fn an_endless_loop() {
    for language in [JAVASCRIPT, PYTHON] {
        says(
            &language.not_planned("loop", "timeout = \"1s\""),
            &[
                "`plan` of plugin `greet-it@0.1.0` did not end within ",
                "hint: give the step a longer `timeout` if it needs one",
            ],
        );
    }
}
