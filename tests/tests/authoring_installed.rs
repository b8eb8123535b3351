//! Writing a plugin in JavaScript and Python, from nothing: three commands, the second of which installs what the project pins.
#![cfg(unix)]

use e2e::languages::online;
use e2e::{Output, Project};

fn three_commands(language: &str, installs: &str) {
    let project = online(Project::new());
    let _ = project.windlass(&format!("plugin new greet-it --lang {language} --directory .")).exits(0);
    let output = project.windlass("plugin build").exits(0);
    assert!(output.stderr.starts_with(&format!("installing what {installs}\n")), "{}", output.all());
    assert!(output.stderr.contains("built greet-it@0.1.0, "), "{}", output.all());
    let output = project.windlass("plugin test").exits(0);
    assert!(output.raw_stdout.contains("7 cases of greet-it@0.1.0: 7 ok, 0 failed"), "{}", output.all());

    // What is installed is not installed again, unless something else is pinned.
    let output = project.windlass("plugin build").exits(0);
    assert!(output.stderr.starts_with("built greet-it@0.1.0, "), "{}", output.all());

    // And it is deployed with, and taken back.
    let project = project.locked();
    let output = project.windlass("run").exits(0);
    assert!(output.stderr.contains("✓ flag: set `new-checkout` to `on`"), "{}", output.all());
    assert_eq!(project.read("flags/new-checkout"), "on\n");
    let _ = project.windlass("rollback").exits(0);
    assert!(!project.has("flags/new-checkout"), "it is taken back");
}

#[test]
fn from_nothing_to_passing_cases_in_javascript() {
    three_commands("js", "`package-lock.json` names into `node_modules`");
}

#[test]
fn from_nothing_to_passing_cases_in_python() {
    three_commands("python", "`requirements.txt` names into `.venv`");
}

/// Where there is no tool at all, what is missing is all said at once, with what installs it.
#[cfg(target_os = "linux")]
#[test]
fn tools_that_are_missing_are_named_with_what_installs_them() {
    let empty = tempfile::tempdir().expect("a directory");
    let without = |language: &str| -> Output {
        let project = Project::new();
        let _ = project.windlass(&format!("plugin new greet-it --lang {language} --directory .")).exits(0);
        project.windlass_with("plugin build", &[("PATH", empty.path().to_str().expect("a path"))]).exits(2)
    };
    let debian = std::path::Path::new("/etc/debian_version").exists();
    let output = without("js");
    let (hint, other) =
        ("sudo apt-get install nodejs npm\n", "install Node 20 or newer: https://nodejs.org/en/download\n");
    assert_eq!(
        output.stderr,
        format!(
            "error: plugins in JavaScript cannot be built here\n  \
             Caused by: `node` is missing: it runs what makes a component of JavaScript\n             \
             `npm` is missing: it installs what `package-lock.json` names\n\
             note: nothing was built\nhint: {}",
            if debian { hint } else { other }
        )
    );
    let output = without("python");
    let (hint, other) = (
        "sudo apt-get install python3 python3-venv\n",
        "install Python 3.10 or newer: https://www.python.org/downloads/\n",
    );
    assert_eq!(
        output.stderr,
        format!(
            "error: plugins in Python cannot be built here\n  \
             Caused by: `python3` with `venv` and `pip` is missing: it installs what `requirements.txt` names into `.venv`, and runs it\n\
             note: nothing was built\nhint: {}",
            if debian { hint } else { other }
        )
    );
}

/// Reads and writes more files than may be open at once.
const MANY: &str = r#"
import { capability, files, intent, step } from "../windlass-sdk/javascript/windlass.js";

const describe = { name: "greet-it", version: "0.1.0", summary: "Uses many files.", config: { type: "object" } };
const requires = () => [capability.directory("var", { access: "write", during: ["apply"] })];
const plan = () => [intent.changes("many", "use many files")];

function apply() {
  let same = 0;
  for (let index = 0; index < 1000; index++) {
    const path = `var/${index}`;
    files.write(path, String(index));
    if (files.exists(path) && files.read(path) === String(index)) same++;
  }
  return { summary: "used many files", outputs: { same: String(same), listed: String(files.list("var").length) } };
}

export const lifecycle = step({ describe, requires, plan, apply, probe: () => "unknown", revert: () => "nothing" });
"#;

#[test]
fn a_plugin_in_javascript_uses_a_thousand_files() {
    let project = Project::new();
    let _ = project.windlass("plugin new greet-it --lang js --directory .").exits(0);
    e2e::languages::equip(&project.path(), e2e::languages::Installed::JavaScript);
    project.write("src/plugin.js", MANY);
    project.write(
        "cases.toml",
        "[[case]]\nname = \"many\"\ncall = [\"apply\"]\nconfig = {}\nfiles = { \"var/0\" = \"\" }\n\n[case.expect.apply]\n\
         outcome = \"used many files\"\noutputs = { same = \"1000\", listed = \"1000\" }\n",
    );
    let output = project.windlass("plugin test").exits(0);
    assert!(output.raw_stdout.contains("1 case of greet-it@0.1.0: 1 ok, 0 failed"), "{}", output.all());
}

/// A project keeps its SDK in its repository, or is given that of the Windlass that builds it.
#[test]
fn a_project_without_the_sdk_is_given_it() {
    let project = e2e::languages::copied("purge-cdn");
    assert!(!project.has("windlass-sdk"));
    let output = project.windlass("plugin build").exits(0);
    assert!(output.stderr.starts_with("wrote `windlass-sdk`, which was not there\n"), "{}", output.all());
    assert_eq!(
        project.read("windlass-sdk/javascript/windlass.js"),
        std::fs::read_to_string(e2e::workspace().join("sdk/javascript/windlass.js")).expect("a file")
    );
    let output = project.windlass("plugin build").exits(0);
    assert!(output.stderr.starts_with("built purge-cdn@1.0.0, "), "{}", output.all());
}

/// What is installed into the project is run there, from wherever it is built.
#[test]
fn a_project_in_python_is_built_by_its_directory() {
    let project = Project::new();
    let _ = project.windlass("plugin new greet-it --lang python").exits(0);
    e2e::languages::equip(&project.path().join("greet-it"), e2e::languages::Installed::Python);
    let output = project.windlass("plugin build greet-it").exits(0);
    assert_eq!(output.stdout, "greet-it/build/greet-it.wasm\n", "{}", output.all());
}

/// A package of plain Python that `requirements.txt` names by its file is in the component, and none that only this machine has.
#[test]
fn packages_are_those_that_the_project_names() {
    let project = online(Project::new());
    let _ = project.windlass("plugin new greet-it --lang python --directory .").exits(0);
    let wheel = "wheels/greeting_words-1.0-py3-none-any.whl";
    let make = format!(
        "import os, zipfile\n\
         os.makedirs('wheels')\n\
         info = 'greeting_words-1.0.dist-info/'\n\
         with zipfile.ZipFile('{wheel}', 'w') as wheel:\n    \
             wheel.writestr('greeting_words.py', 'WORDS = \"set a flag\"\\n')\n    \
             wheel.writestr(info + 'METADATA', 'Metadata-Version: 2.1\\nName: greeting-words\\nVersion: 1.0\\n')\n    \
             wheel.writestr(info + 'WHEEL', 'Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')\n    \
             wheel.writestr(info + 'RECORD', '')\n"
    );
    let made = std::process::Command::new("python3").current_dir(project.path()).args(["-c", &make]).status();
    assert!(made.expect("python3").success());
    project.write("requirements.txt", &format!("{}./{wheel}\n", project.read("requirements.txt")));
    let source = project.read("src/plugin.py");
    let source = source.replace("from windlass import", "import greeting_words\nfrom windlass import");
    project
        .write("src/plugin.py", &source.replace("\"Sets a feature flag, and sets it back.\"", "greeting_words.WORDS"));
    let _ = project.windlass("plugin build").exits(0);
    let output = project.windlass("plugin inspect build/greet-it.wasm").exits(0);
    assert!(output.stdout.contains("set a flag"), "{}", output.all());

    // A Python of this machine that has a package of its own says where that is, to whoever asks.
    let project = Project::new();
    let _ = project.windlass("plugin new greet-it --lang python --directory .").exits(0);
    e2e::languages::equip(&project.path(), e2e::languages::Installed::Python);
    project.write("machine/packages/only_here.py", "");
    let packages = project.path().join("machine/packages");
    project.write(
        "machine/python3",
        &format!("#!/bin/sh\ncase \"$*\" in *getsitepackages*) echo '{}' ;; esac\n", packages.display()),
    );
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(project.path().join("machine/python3"), mode).expect("a mode");
    let source =
        project.read("src/plugin.py").replace("from windlass import", "import only_here\nfrom windlass import");
    project.write("src/plugin.py", &source);
    let path = format!("{}:{}", project.path().join("machine").display(), std::env::var("PATH").expect("a path"));
    let variables = [("PATH", path.as_str()), ("PYTHONPATH", packages.to_str().expect("a path"))];
    let output = project.windlass_with("plugin build", &variables).exits(2);
    assert!(output.stderr.contains("ModuleNotFoundError: No module named 'only_here'\n"), "{}", output.all());
}

/// What a build that was cut off has left is not taken for what it would have made: `venv` writes `pyvenv.cfg` before it installs
/// pip, and pip a package before the next one.
#[test]
fn an_environment_that_was_cut_off_is_made_anew() {
    let project = online(Project::new());
    let _ = project.windlass("plugin new greet-it --lang python --directory .").exits(0);
    let home = project.path().join("home");
    let program = |name: &str, text: &str| {
        project.write(&format!("home/{name}"), text);
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(home.join(name), mode).expect("executable");
    };
    // The Python of this machine, which is cut off as soon as it has begun to make an environment.
    let begins = "#!/bin/sh\ncase $2 in venv) mkdir -p .venv/bin && : >.venv/pyvenv.cfg && kill -9 $$ ;; esac\n";
    program("python3", begins);
    let path = format!("{}:{}", home.display(), std::env::var("PATH").expect("a path"));
    let output = project.windlass_with("plugin build", &[("PATH", &path)]).exits(2);
    assert!(output.stderr.contains("`python3` ended with signal: 9"), "{}", output.all());
    assert!(project.has(".venv/pyvenv.cfg"));
    let _ = project.windlass("plugin build").exits(0);

    // The same of pip, when something else was named, and when it has written the one program and not yet what that needs.
    let last = project.path().join(".venv/windlass-installed");
    std::fs::File::open(&last).expect("a file").set_modified(std::time::UNIX_EPOCH).expect("a time");
    std::fs::rename(project.path().join(".venv/bin/python"), project.path().join("real")).expect("renamed");
    program("python3", "#!/bin/sh\n");
    project.write(".venv/bin/python", "#!/bin/sh\nkill -9 $$\n");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(project.path().join(".venv/bin/python"), mode).expect("executable");
    let output = project.windlass_with("plugin build", &[("PATH", &path)]).exits(2);
    assert!(output.stderr.contains("`.venv/bin/python` ended with signal: 9"), "{}", output.all());
    assert!(project.has(".venv/bin/componentize-py") && !last.exists());
    let _ = project.windlass("plugin build").exits(0);
    assert!(last.exists());
}
