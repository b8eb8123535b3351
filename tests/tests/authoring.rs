//! Writing a plugin, from nothing: a new project, its build with the language's own tools, and a deployment that uses it.

use e2e::{Output, Project};
use serde_json::Value;
use std::path::Path;

/// A new plugin's project in this language. It is in a directory that is not the project's own.
fn written(language: &str) -> Project {
    let project = Project::new();
    let output = project.windlass(&format!("plugin new greet-it --lang {language} --directory .")).exits(0);
    assert_eq!(output.stdout, ".\n");
    project
}

fn built(project: &Project) -> Value {
    let output = project.windlass("plugin build --format json").exits(0);
    serde_json::from_str(&output.raw_stdout).unwrap_or_else(|error| panic!("{error}: {}", output.all()))
}

/// What a new project is good for at once: it is built, and its plugin is deployed with, and taken back.
fn lives(language: &str, component: &str) -> Project {
    let project = written(language);
    let output = project.windlass("plugin test --no-build").exits(2);
    assert!(output.stderr.starts_with("error: the plugin `greet-it` is not built\n"), "{}", output.all());
    assert!(output.stderr.contains("hint: run `windlass plugin build`"), "{}", output.all());
    // Two commands from nothing to a test that passes.
    let output = project.windlass("plugin test").exits(0);
    assert!(output.raw_stdout.contains("7 cases of greet-it@0.1.0: 7 ok, 0 failed"), "{}", output.all());
    let built = built(&project);
    assert_eq!(built["plugin"], "greet-it");
    assert_eq!(built["contract"], "0.1.0");
    assert_eq!(built["component"], format!("./{component}"));
    let bytes = std::fs::read(project.path().join(component)).expect("the component");
    assert_eq!(built["size"], bytes.len());
    assert_eq!(built["sha256"], sha256(&bytes));

    let project = project.locked();
    let output = project.windlass("run").exits(0);
    assert!(output.stderr.contains("✓ flag: set `new-checkout` to `on`"), "{}", output.all());
    assert_eq!(project.read("flags/new-checkout"), "on\n");
    let output = project.windlass("plan").exits(0);
    assert!(output.stdout.contains("flag"), "{}", output.all());
    let _ = project.windlass("rollback").exits(0);
    assert!(!project.has("flags/new-checkout"), "it is taken back");
    project
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest;
    hex::encode(sha2::Sha256::digest(bytes))
}

#[test]
fn a_new_plugin_in_c_is_built_and_runs() {
    let project = lives("c", "build/greet-it.wasm");
    // The same files give the same bytes.
    let first = std::fs::read(project.path().join("build/greet-it.wasm")).expect("a component");
    let _ = built(&project);
    assert!(first == std::fs::read(project.path().join("build/greet-it.wasm")).expect("a component"));
}

/// An example is what it adds to a new project, so that there is one SDK.
#[test]
fn the_example_in_c_keeps_a_file_within_its_budget() {
    let project = Project::new();
    let _ = project.windlass("plugin new size-budget --lang c --directory .").exits(0);
    let example = e2e::workspace().join("examples/plugins/size-budget");
    for file in ["src/plugin.c", "cases.toml", "windlass-plugin.toml"] {
        project.write(file, &std::fs::read_to_string(example.join(file)).expect("a file of the example"));
    }
    let built = built(&project);
    assert!(built["size"].as_u64().expect("a size") < 60_000, "{built}");
    let output = project.windlass("plugin test").exits(0);
    assert!(output.raw_stdout.contains("7 cases of size-budget@0.1.0: 7 ok, 0 failed"), "{}", output.all());
}

/// What a plugin in C has in the place of a library, with what is hard about texts, numbers and files.
#[test]
fn what_c_is_helped_with_does_what_it_says() {
    let project = Project::new();
    let _ = project.windlass("plugin new c-helper --lang c --directory .").exits(0);
    let fixture = e2e::workspace().join("tests/fixtures/c-helper");
    for (from, to) in [("plugin.c", "src/plugin.c"), ("cases.toml", "cases.toml")] {
        project.write(to, &std::fs::read_to_string(fixture.join(from)).expect("a file"));
    }
    let _ = built(&project);
    let output = project.windlass("plugin test").exits(0);
    assert!(output.raw_stdout.contains("5 cases of c-helper@0.1.0: 5 ok, 0 failed"), "{}", output.all());
}

#[test]
fn a_new_plugin_in_rust_is_built_and_runs() {
    let project = lives("rust", "target/wasm32-wasip2/release/greet_it.wasm");
    // What it was built from is kept with it: the same for everybody who builds it.
    assert!(project.has("Cargo.lock"));
    assert!(!project.read(".gitignore").contains("Cargo.lock"));
}

/// All below a directory, by path.
#[cfg(unix)]
fn below(directory: &Path) -> std::collections::BTreeMap<std::path::PathBuf, String> {
    let mut found = std::collections::BTreeMap::new();
    for entry in std::fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(below(&path));
        } else {
            found.insert(path.clone(), std::fs::read_to_string(&path).expect("a text"));
        }
    }
    found
}

/// What is there of an SDK that is not whole.
#[cfg(unix)]
fn begun(project: &Project) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(project.path()).expect("a directory");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut begun: Vec<_> = paths.filter(|path| path.to_string_lossy().contains("/.windlass-sdk-")).collect();
    begun.sort();
    begun
}

/// A build takes an SDK that is there as it is, so there is never half of one.
#[cfg(unix)]
#[test]
fn an_sdk_is_there_whole_or_not_at_all() {
    let project = written("c");
    let sdk = project.path().join("windlass-sdk");
    let whole = below(&sdk);
    std::fs::remove_dir_all(&sdk).expect("removed");
    // Killed while the tools are looked for, then before each file of it, and before it has its name.
    let mut kills = 0;
    while !sdk.exists() {
        kills += 1;
        assert!(kills < 100, "it is never there");
        let output = project.windlass_with("plugin build", &[("WINDLASS_FAULT", &kills.to_string())]);
        assert_ne!(output.code, Some(0), "kill {kills}: {}", output.all());
    }
    assert_eq!(below(&sdk), whole);
    // Each kill has left another part of it.
    let parts = begun(&project);
    assert_eq!(parts.len(), whole.len());
    // What has been left for long is gone with the next build; what somebody may be at work on, or is no such thing, is not.
    for path in &parts[1..] {
        std::fs::File::open(path).expect("a directory").set_modified(std::time::UNIX_EPOCH).expect("a time");
    }
    project.write(".windlass-sdk-notes/a", "mine");
    std::fs::File::open(project.path().join(".windlass-sdk-notes"))
        .expect("a directory")
        .set_modified(std::time::UNIX_EPOCH)
        .expect("a time");
    let _ = project.windlass("plugin build").exits(0);
    let mut left = vec![parts[0].clone(), project.path().join(".windlass-sdk-notes")];
    left.sort();
    assert_eq!(begun(&project), left);
    // A project that was cut off itself is one that can be built.
    let project = Project::new();
    let new = "plugin new greet-it --lang c --directory .";
    assert_ne!(project.windlass_with(new, &[("WINDLASS_FAULT", "2")]).code, Some(0));
    let _ = project.windlass("plugin build").exits(0);
}

#[test]
fn a_name_that_cannot_be_a_plugins_is_refused() {
    let project = Project::new();
    for (name, cause, hint) in [
        ("Greet_It", "a name is lower case letters and digits", "hint: try `greet-it`"),
        ("2fast", "begins with a letter", "hint: name it after what it does"),
        ("migrate", "there is a built-in plugin of that name", "hint: name it after what it does differently"),
    ] {
        let output = project.windlass(&format!("plugin new {name} --lang c")).exits(2);
        assert!(output.stderr.starts_with(&format!("error: `{name}` cannot be a plugin's name\n")), "{}", output.all());
        assert!(output.stderr.contains(cause) && output.stderr.contains(hint), "{}", output.all());
        assert!(output.stderr.contains("note: nothing was written"), "{}", output.all());
    }
    let output = project.windlass("plugin new greet --lang java").exits(2);
    assert!(output.stderr.contains("[possible values: rust, js, python, c]"), "{}", output.all());
    assert_eq!(std::fs::read_dir(project.path()).expect("the directory").count(), 0);
}

#[test]
fn what_is_there_is_not_overwritten() {
    let project = Project::new().file("greet-it/src/plugin.c", "mine");
    let output = project.windlass("plugin new greet-it --lang c").exits(2);
    assert_eq!(
        output.stderr,
        "error: the project `greet-it` cannot be written to `greet-it`\n  \
         Caused by: there is something in it, which stays as it is\n\
         note: nothing was written\n\
         hint: name an empty directory, or one that is not there yet, with `--directory`\n"
    );
    assert_eq!(project.read("greet-it/src/plugin.c"), "mine");
    assert!(!project.has("greet-it/windlass-plugin.toml"));
    let output = project.windlass("plugin new greet-it --lang c --directory other/place --format json").exits(0);
    let said: Value = serde_json::from_str(&output.raw_stdout).expect("JSON");
    assert_eq!(said["directory"], "other/place");
    let files = said["files"].as_array().expect("files");
    assert!(
        files.len() > 15
            && files.iter().all(|file| project.has(&format!("other/place/{}", file.as_str().expect("a path"))))
    );
}

/// Where there is no tool at all, what is missing is all said at once, with what installs it.
#[cfg(target_os = "linux")]
#[test]
fn tools_that_are_missing_are_named_with_what_installs_them() {
    let empty = tempfile::tempdir().expect("a directory");
    let without = |project: &Project| -> Output {
        project.windlass_with("plugin build", &[("PATH", empty.path().to_str().expect("a path"))]).exits(2)
    };
    let output = without(&written("c"));
    assert!(
        output.stderr.starts_with(
            "error: plugins in C cannot be built here\n  \
             Caused by: `clang` for `wasm32` is missing: it compiles the plugin\n             \
             `wasm-ld` is missing: it is the linker of clang for `wasm32`\n\
             note: nothing was built\nhint: "
        ),
        "{}",
        output.all()
    );
    let hint = if Path::new("/etc/debian_version").exists() {
        "sudo apt-get install clang lld\n"
    } else {
        "install clang and lld"
    };
    assert_eq!(output.stderr.matches(hint).count(), 1, "once: {}", output.all());
    let output = without(&written("rust"));
    assert!(
        output.stderr.starts_with(
            "error: plugins in Rust cannot be built here\n  \
             Caused by: `cargo` is missing: it builds the plugin\n             \
             the target `wasm32-wasip2` of Rust is needed, too: it is what plugins are compiled for\n\
             note: nothing was built\n\
             hint: curl --proto '=https' -sSf https://sh.rustup.rs | sh\n"
        ),
        "{}",
        output.all()
    );
    assert!(output.stderr.contains("rustup target add wasm32-wasip2\n"), "{}", output.all());
}

/// As `test` and `publish` have it.
#[test]
fn a_project_elsewhere_is_built_by_its_directory() {
    let project = Project::new();
    let _ = project.windlass("plugin new greet-it --lang c").exits(0);
    let output = project.windlass("plugin build greet-it").exits(0);
    assert_eq!(output.stdout, "greet-it/build/greet-it.wasm\n");
    assert_eq!(project.windlass("plugin build --directory greet-it").exits(0).stdout, output.stdout);
}

#[test]
fn a_project_file_that_is_wrong_says_where() {
    let project = Project::new();
    let output = project.windlass("plugin build").exits(2);
    assert!(output.stderr.starts_with("error: `./windlass-plugin.toml` cannot be read\n"), "{}", output.all());
    assert!(output.stderr.contains("`windlass plugin new NAME --lang rust` writes a project"), "{}", output.all());
    project.write("windlass-plugin.toml", "[plugin]\nname = \"greet\"\nlanguage = \"c\"\ncomponnent = \"a.wasm\"\n");
    let output = project.windlass("plugin build").exits(2);
    assert!(output.stderr.contains("windlass-plugin.toml:4:1"), "{}", output.all());
    assert!(output.stderr.contains("hint: did you mean `component`?"), "{}", output.all());
}

/// A build of the project's own takes the place of the language's, and what it leaves is looked at in the same way.
#[cfg(unix)]
#[test]
fn another_build_can_be_named() {
    let project = written("c");
    let component = "component = \"build/greet-it.wasm\"";
    let with = |build: &str| {
        let text = format!("[plugin]\nname = \"greet-it\"\nlanguage = \"c\"\n{component}\nbuild = {build}\n");
        project.write("windlass-plugin.toml", &text);
        project.windlass("plugin build")
    };
    let output = with("[\"sh\", \"-c\", \"echo building; echo to standard error >&2\"]").exits(2);
    let said = "running `sh -c echo building; echo to standard error >&2`, as `windlass-plugin.toml` says\n\
                building\nto standard error\nerror: the plugin `greet-it` was not built\n";
    assert!(output.stderr.starts_with(said), "{}", output.all());
    assert!(output.stderr.contains("`build/greet-it.wasm` is not there after the build"), "{}", output.all());
    let output = with("[\"sh\", \"-c\", \"exit 7\"]").exits(2);
    assert!(output.stderr.contains("`sh` ended with exit status: 7"), "{}", output.all());
    let output = with("[\"./no-such-program\"]").exits(2);
    assert!(output.stderr.contains("`./no-such-program` cannot be run"), "{}", output.all());
    assert_eq!(output.stdout, "");
}

/// A project of a plugin that is there already, and what builds it.
#[cfg(unix)]
fn with_build(script: &str) -> Project {
    let manifest = "[plugin]\nname = \"noop\"\nlanguage = \"rust\"\ncomponent = \"out/noop.wasm\"\n";
    let manifest = format!("{manifest}build = [\"sh\", \"build.sh\"]\n");
    let project = Project::new().guest("noop").file("windlass-plugin.toml", &manifest).file("build.sh", script);
    project.file("cases.toml", "[[case]]\nname = \"a\"\n")
}

/// Whether a process is there, which a build has left its id of.
#[cfg(unix)]
fn is_there(project: &Project, file: &str) -> bool {
    let id = project.read(file);
    let state =
        std::process::Command::new("ps").args(["-o", "stat=", "-p", id.trim()]).output().expect("ps runs").stdout;
    !state.is_empty() && !state.starts_with(b"Z")
}

/// What was built before is no result of a build that writes elsewhere, and is not lost where a build fails.
#[cfg(unix)]
#[test]
fn what_an_earlier_build_has_left_is_not_taken_for_this_ones() {
    let project = with_build("cp noop.wasm out/noop.wasm\n");
    let _ = project.windlass("plugin test").exits(0);
    for command in ["plugin test", "plugin build"] {
        project.write("build.sh", "cp noop.wasm out/elsewhere.wasm\n");
        let output = project.windlass(command).exits(2);
        for part in [
            "error: the plugin `noop` was not built\n",
            "`out/noop.wasm` is not there after the build",
            "note: the `out/noop.wasm` of an earlier build is still there, and was not looked at\n",
            "hint: set `component` in `windlass-plugin.toml` to the file that the build writes\n",
        ] {
            assert!(output.stderr.contains(part), "{part}: {}", output.all());
        }
        project.write("build.sh", "exit 1\n");
        let _ = project.windlass(command).exits(2);
        let names = std::fs::read_dir(project.path().join("out")).expect("a directory");
        let mut names: Vec<_> = names.map(|entry| entry.expect("an entry").file_name()).collect();
        names.sort();
        assert_eq!(names, ["elsewhere.wasm", "noop.wasm"]);
    }
    let _ = project.windlass("plugin test --no-build").exits(0);
}

/// A build that is killed has the earlier one out of the way; the next build finds it there.
#[cfg(unix)]
#[test]
fn what_a_killed_build_has_put_aside_is_found_again() {
    let project = with_build("exit 1\n").file("out/.noop.wasm.before", "an earlier one");
    let _ = project.windlass("plugin build").exits(2);
    assert_eq!(project.read("out/noop.wasm"), "an earlier one");
    assert!(!project.has("out/.noop.wasm.before"));
}

#[cfg(unix)]
#[test]
fn a_build_ends_with_its_tool_and_with_whoever_waits_for_it() {
    // Something holds the output for longer than the tool itself is there.
    let project = with_build("sleep 600 & echo $! >left\necho built\ncp noop.wasm out/noop.wasm\n");
    let output = project.windlass("plugin build").exits(0);
    assert!(output.stderr.contains("built\nwarning: what `sh` left running was ended\n"), "{}", output.all());
    assert!(!is_there(&project, "left"));

    // One that has no end.
    let project = with_build("sleep 600 & echo $! >left\necho $$ >tool.new\nmv tool.new tool\nwait\n");
    // Where the machine has much to do, it has not begun by then.
    for timeout in ["3s", "30s", "5m"] {
        let output = project.windlass(&format!("plugin build --timeout {timeout}")).exits(2);
        for part in [
            "error: the plugin `noop` was not built\n",
            "`sh` was not done when the build had taken [duration], and was ended\n",
            "hint: `plugin build --timeout` and `plugin test --build-timeout` give it more time\n",
        ] {
            assert!(output.stderr.contains(part), "{part}: {}", output.all());
        }
        if project.has("tool") {
            break;
        }
    }
    assert!(!is_there(&project, "left") && !is_there(&project, "tool"));
    let output = project.windlass("plugin test --build-timeout 500ms").exits(2);
    assert!(output.stderr.contains("and was ended\n"), "{}", output.all());

    // Also where it is only looked for, which runs nothing of the plugin.
    let project = written("rust").file("bin/cargo", "#!/bin/sh\nexec /bin/sleep 600\n");
    let program = project.path().join("bin/cargo");
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("executable");
    let path = project.path().join("bin").to_string_lossy().into_owned();
    let output = project.windlass_with("plugin build --timeout 500ms", &[("PATH", &path)]).exits(2);
    assert!(output.stderr.contains("`cargo` was not done when the build had taken [duration], "), "{}", output.all());

    // One that is told to end, and has last words.
    for (command, signal) in [("plugin build", "TERM"), ("plugin test", "INT")] {
        let project = with_build(
            "trap 'echo last words; exit 1' TERM\nsleep 600 & echo $! >left\necho $$ >tool.new\nmv tool.new tool\nwait\n",
        );
        let run = project.start(command);
        e2e::steps::until("the tool", || project.has("tool"));
        let told = std::process::Command::new("kill").args(["-s", signal, &run.id().to_string()]).status();
        assert!(told.expect("kill runs").success());
        let output = project.finish(run).exits(12);
        assert!(
            output.stderr.contains("last words\nerror: told to stop before the plugin `noop` was built\n"),
            "{}",
            output.all()
        );
        assert!(!is_there(&project, "left") && !is_there(&project, "tool"));
    }
}

/// Nobody is asked at the terminal: a tool that would is told at once that it cannot, and does not wait until it has no more time.
#[cfg(unix)]
#[test]
fn a_tool_that_asks_at_the_terminal_ends() {
    let project = with_build("printf 'passphrase: ' >/dev/tty && read -r answer </dev/tty\n");
    let terminal = e2e::terminal::Terminal::of(&project, &[]);
    terminal.types("$windlass plugin build; echo done");
    let screen = terminal.shows_text("hint: mend what it says above");
    assert!(screen.contains("/dev/tty: "), "{screen}");
    assert!(screen.contains("`sh` ended with exit status: "), "{screen}");
}

/// What a module does at its top level is looked at where modules are run, and not where their tools are looked for.
#[cfg(unix)]
#[test]
fn what_has_no_end_is_looked_for_where_it_is() {
    let project = written("js").file("bin/node", "#!/bin/sh\nexec /bin/sleep 600\n");
    let program = project.path().join("bin/node");
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("executable");
    let path = project.path().join("bin").to_string_lossy().into_owned();
    let output = project.windlass_with("plugin build --timeout 500ms", &[("PATH", &path)]).exits(2);
    let hint = "hint: `plugin build --timeout` and `plugin test --build-timeout` give it more time\n";
    assert!(output.stderr.contains("`node` was not done when") && output.stderr.ends_with(hint), "{}", output.all());

    // It is there, and so is what is installed; then it has no end.
    let node = "#!/bin/sh\ncase $1 in --version) ;; *) exec /bin/sleep 600 ;; esac\n";
    project.write("bin/node", node);
    project.write("bin/npm", "#!/bin/sh\nmkdir -p node_modules && : >node_modules/.package-lock.json\n");
    let npm = project.path().join("bin/npm");
    std::fs::set_permissions(&npm, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("executable");
    let path = format!("{path}:/usr/bin:/bin");
    let output = project.windlass_with("plugin build --timeout 5s", &[("PATH", &path)]).exits(2);
    assert!(output.stderr.contains("what stands at the top level of a module is run"), "{}", output.all());
}
