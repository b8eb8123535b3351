//! Slips of a plugin's author in JavaScript and Python: a value of a wrong kind, an answer that is none, a name that is not there, a
//! directory that is not. Each is a failure that says which it was, where WebAssembly by itself would have a trap without a word.
#![cfg(unix)]

use e2e::languages::{Installed, equip};
use e2e::{Output, Project};
use std::fmt::Write as _;

/// A function of the step, what it does, and the failure that a case expects of it.
type Slip = (&'static str, &'static str, Told);

enum Told {
    /// An exception with these words, and its place.
    Exception(&'static str),
    /// An exception with these words where something is to be changed while it is planned, and what was denied then.
    TooEarly(&'static str, &'static str),
    /// A failure with this code, message, cause and hint.
    Failure(&'static str, &'static str, &'static str, Option<&'static str>),
    /// It is no slip, and this is what it says.
    Fine(&'static str),
}
use Told::{Exception, Failure, Fine, TooEarly};

const ANSWER: &str = "wrong-answer";
const OUTCOME: &str = "`apply` returned something that is not a text, or an object with a `summary`";
const OUTPUT: &str = "`apply` returned an output that is not a text";
const INTENTS: &str = "`plan` returned something that is not a list made with `intent`";
const CAPABILITIES: &str = "`requires` returned something that is not a list made with `capability`";
const NO_PHASES: &str = "the capability `exec` does not say when it is needed";

const IN_JAVASCRIPT: &[Slip] = &[
    (
        "apply",
        "record.append(undefined)",
        Exception("TypeError: `value` of `record.append` has to be one that JSON has, and is `undefined`"),
    ),
    (
        "apply",
        "report.metric('x', 'y')",
        Exception("TypeError: `value` of `report.metric` has to be a number, and is the text `y`"),
    ),
    (
        "apply",
        "report.annotate({ severity: 'bad', code: 'a', message: 'b' })",
        Exception(
            "TypeError: `severity` of `a finding of report.annotate` has to be `notice`, `warning` or `error`, and is the text `bad`",
        ),
    ),
    (
        "apply",
        "new Failure('oops')",
        Exception(
            "TypeError: `kind` of `Failure` has to be `check-failed`, `misconfigured`, `unavailable`, `denied` or `bug`, and is the text `oops`",
        ),
    ),
    (
        "apply",
        "Failure.misconfigured('code')",
        Exception("TypeError: `message` of `Failure` has to be a text, and is `undefined`"),
    ),
    (
        "apply",
        "process.run('./a', 'b')",
        Exception("TypeError: `args` of `process.run` has to be a list of texts, and is the text `b`"),
    ),
    (
        "apply",
        "http.get('https://example.com/', { headrs: {} })",
        Exception(
            "TypeError: `http.request` knows no `headrs`, only `method`, `headers`, `body`, `json`, `timeout` and `keep`; did you mean `headers`?",
        ),
    ),
    (
        "apply",
        "files.write('written/x', undefined)",
        Exception("TypeError: `contents` of `files.write` has to be a text or a `Uint8Array`, and is `undefined`"),
    ),
    ("apply", "undefined", Failure(ANSWER, OUTCOME, "it is `undefined`", None)),
    (
        "apply",
        "({ summary: 'a', outputs: { path: { a: 1 } } })",
        Failure(ANSWER, OUTPUT, "`path` is an object", Some("make a text of it, for example with `String(…)`{*}")),
    ),
    ("plan", "undefined", Failure(ANSWER, INTENTS, "it is `undefined`", None)),
    (
        "plan",
        "intent.changes('a', 'b')",
        Failure(ANSWER, INTENTS, "it is one intent, and no list: write `[…]` around it", None),
    ),
    ("plan", "[intent.changes('a', 'b'), 'c']", Failure(ANSWER, INTENTS, "number 2 of the list is the text `c`", None)),
    (
        "requires",
        "[capability.directory(undefined, { during: ['plan'] })]",
        Exception("TypeError: `path` of `capability.directory` has to be a text, and is `undefined`"),
    ),
    (
        "requires",
        "[capability.directory('a', { access: 'rw', during: ['plan'] })]",
        Exception("TypeError: `access` of `capability.directory` has to be `read` or `write`, and is the text `rw`"),
    ),
    (
        "requires",
        "[capability.exec('./a', { during: 'plan' })]",
        Failure(
            "no-phases",
            NO_PHASES,
            "its `during` is the text `plan`, and a list of phases is wanted",
            Some("add `during`{*}"),
        ),
    ),
    (
        "requires",
        "[capability.exec('./a', { during: ['plna'] })]",
        Failure(
            "no-phases",
            NO_PHASES,
            "the text `plna` in its `during` is none of the phases",
            Some("add `during`{*}"),
        ),
    ),
    (
        "requires",
        "capability.exec('./a', { during: ['plan'] })",
        Failure(ANSWER, CAPABILITIES, "it is one capability, and no list: write `[…]` around it", None),
    ),
    // Directories: one that was asked for and is not there is no slip where it is only looked for.
    ("plan", "files.exists('absent/x') ? [] : [intent.changes('x', 'no')]", Fine("no")),
    ("plan", "files.exists('written/x') ? [] : [intent.changes('x', 'no')]", Fine("no")),
    ("apply", "files.write('written/x', 'a') ?? String(files.exists('written/x'))", Fine("true")),
    (
        "plan",
        "files.read('written/x')",
        Failure("file-no-entry", "`written/x` cannot be read", "the directory `written` is not there", None),
    ),
    (
        "plan",
        "files.write('written/x', 'a')",
        Failure(
            "file-read-only",
            "`written/x` cannot be written",
            "it may not be changed",
            Some("in `plan` every directory is read-only: do it in `apply`"),
        ),
    ),
    (
        "apply",
        "files.write('absent/x', 'a')",
        Failure(
            "file-read-only",
            "`absent/x` cannot be written",
            "it may not be changed",
            Some(
                r#"ask for it in `requires`: `capability.directory("absent", { access: "write", during: ["apply"] })`"#,
            ),
        ),
    ),
    (
        "apply",
        "files.write('other/x', 'a')",
        Failure(
            "directory-not-asked-for",
            "`other/x` cannot be written",
            "it is in no directory that the step was granted in this phase",
            Some(
                r#"ask for it in `requires`: `capability.directory("other", { access: "write", during: ["apply"] })`"#,
            ),
        ),
    ),
    (
        "requires",
        "files.read('other/x')",
        Failure(
            "directory-not-asked-for",
            "`other/x` cannot be read",
            "`requires` reaches no files",
            Some("do it in `plan` or `apply`"),
        ),
    ),
];

const IN_PYTHON: &[Slip] = &[
    (
        "apply",
        "Failure('bug', 'a', 'b')",
        Exception(
            "TypeError: `kind` of `Failure` is the text `bug`: write `Failure.misconfigured(code, message)`, or another of its kinds",
        ),
    ),
    (
        "apply",
        "process.run('./a', 'b')",
        Exception("TypeError: `arguments` of `process.run` has to be a list of texts, and is the text `b`"),
    ),
    (
        "apply",
        "None",
        Failure(ANSWER, "`apply` returned something that is not a text or an `outcome`", "it is `None`", None),
    ),
    (
        "apply",
        "outcome('a', {'path': {'a': 1}})",
        Failure(ANSWER, OUTPUT, "`path` is a dictionary", Some("make a text of it, for example with `str(…)`{*}")),
    ),
    ("plan", "None", Failure(ANSWER, INTENTS, "it is `None`", None)),
    (
        "plan",
        "intent.changes('a', 'b')",
        Failure(ANSWER, INTENTS, "it is one intent, and no list: write `[…]` around it", None),
    ),
    (
        "requires",
        "[capability.directory('a', access='rw', during=['plan'])]",
        Exception("TypeError: `access` of `capability.directory` has to be `read` or `write`, and is the text `rw`"),
    ),
    (
        "requires",
        "[capability.exec('./a', during='apply')]",
        Failure(
            "no-phases",
            NO_PHASES,
            "its `during` is the text `apply`, and a list of phases is wanted",
            Some("write for example `during=[\"apply\"]`{*}"),
        ),
    ),
    (
        "plan",
        "open('read/a', 'w')",
        TooEarly("PermissionError: [Errno 63] Operation not permitted: 'read/a'", "change `a` in the directory `read`"),
    ),
    ("apply", "outputs.get(1, 'a')", Exception("TypeError: `step` of `outputs.get` has to be a text, and is `1`")),
    ("plan", "[intent.changes('x', str(Path('absent/x').exists()))]", Fine("False")),
];

fn cases(slips: &[Slip]) -> String {
    let mut text = String::new();
    for (index, (function, code, told)) in slips.iter().enumerate() {
        let call = if *function == "requires" { "plan" } else { function };
        let _ = write!(
            text,
            "[[case]]\nname = {:?}\ncall = [{call:?}]\nconfig = {{ function = {function:?}, slip = {:?} }}\nfiles = {{ \"read/a\" = \"\" }}\n\n",
            format!("{function}: {code}"),
            format!("s{index}"),
        );
        let _ = match told {
            Fine(said) if call == "plan" => {
                writeln!(text, "[[case.expect.plan.intents]]\nid = \"x\"\neffect = \"changes\"\nsummary = {said:?}\n")
            }
            Fine(said) => writeln!(text, "[case.expect.{function}]\noutcome = {said:?}\n"),
            Exception(said) => writeln!(
                text,
                "[case.expect.{function}.failure]\nkind = \"bug\"\ncode = \"exception\"\ncauses = [{said:?}, \"at {{*}}\", \"at {{*}}\"]\n"
            ),
            TooEarly(said, denied) => writeln!(
                text,
                "[case.expect.{function}]\ndenied = [{denied:?}]\n\n[case.expect.{function}.failure]\ncauses = [{said:?}, \"at {{*}}\", \"at {{*}}\"]\n\
                 hint = \"in `plan` every directory is read-only: do it in `apply`\"\n"
            ),
            Failure(code, message, cause, hint) => {
                let hint = hint.map(|hint| format!("hint = {hint:?}\n")).unwrap_or_default();
                writeln!(
                    text,
                    "[case.expect.{function}.failure]\ncode = {code:?}\nmessage = {message:?}\ncauses = [{cause:?}]\n{hint}"
                )
            }
        };
    }
    text
}

fn written(language: &str, tools: Installed) -> Project {
    let project = Project::new();
    let _ = project.windlass(&format!("plugin new slips --lang {language} --directory .")).exits(0);
    equip(&project.path(), tools);
    project
}

fn all_told(project: &Project, slips: &[Slip]) {
    project.write("cases.toml", &cases(slips));
    let output = project.windlass("plugin test").exits(0);
    let passed = format!("{0} cases of slips@1.0.0: {0} ok, 0 failed", slips.len());
    assert!(output.raw_stdout.contains(&passed), "{}", output.all());
}

#[test]
fn in_javascript() {
    let project = written("js", Installed::JavaScript);
    let mut source = "import { Failure, capability, files, http, intent, process, record, report, step } from \"../windlass-sdk/javascript/windlass.js\";\n\
                      const describe = { name: \"slips\", version: \"1.0.0\", summary: \"Makes mistakes.\", config: { type: \"object\" } };\n\
                      const SLIPS = {\n"
        .to_owned();
    for (index, (_, code, _)) in IN_JAVASCRIPT.iter().enumerate() {
        let _ = writeln!(source, "  s{index}: () => {code},");
    }
    source.push_str(
        r#"};
function requires({ function: name, slip }) {
  if (name === "requires") return SLIPS[slip]();
  return [
    capability.directory("absent", { during: ["plan", "apply"] }),
    capability.directory("read", { during: ["plan", "apply"] }),
    capability.directory("written", { access: "write", during: ["plan", "apply"] }),
  ];
}
function plan({ slip }) {
  return SLIPS[slip]();
}
function apply({ slip }) {
  return SLIPS[slip]();
}
export const lifecycle = step({ describe, requires, plan, apply });
"#,
    );
    project.write("src/plugin.js", &source);
    all_told(&project, IN_JAVASCRIPT);
}

#[test]
fn in_python() {
    let project = written("python", Installed::Python);
    let mut source = "from pathlib import Path\n\nfrom windlass import Failure, capability, intent, outcome, outputs, process, step\n\nSLIPS = {\n".to_owned();
    for (index, (_, code, _)) in IN_PYTHON.iter().enumerate() {
        let _ = writeln!(source, "    \"s{index}\": lambda: {code},");
    }
    source.push_str(
        r#"}


def requires(config):
    if config["function"] == "requires":
        return SLIPS[config["slip"]]()
    return [capability.directory(name, during=["plan", "apply"]) for name in ("absent", "read")]


def plan(config):
    return SLIPS[config["slip"]]()


def apply(config):
    return SLIPS[config["slip"]]()


DESCRIBE = {"name": "slips", "version": "1.0.0", "summary": "Makes mistakes.", "config": {"type": "object"}}
Lifecycle = step(DESCRIBE, requires=requires, plan=plan, apply=apply)
"#,
    );
    project.write("src/plugin.py", &source);
    all_told(&project, IN_PYTHON);
}

/// What is said of a project of the template, with this in the place of that.
fn not_built(language: &str, good: &str, bad: &str) -> Output {
    let (source, tools) = match language {
        "js" => ("src/plugin.js", Installed::JavaScript),
        _ => ("src/plugin.py", Installed::Python),
    };
    let project = written(language, tools);
    let text = project.read(source);
    assert_eq!(text.matches(good).count(), 1, "`{good}` in {text}");
    project.write(source, &text.replace(good, bad));
    project.windlass("plugin build").exits(2)
}

/// What has no place in a step would never be called.
#[test]
fn a_key_that_is_misspelt() {
    let output = not_built("js", "probe, revert })", "prob: 1, rollback: revert })");
    assert!(
        output.stderr.starts_with(
            "Error: `step` knows no `prob`, only `describe`, `requires`, `plan`, `apply`, `probe` and `revert`; did you mean `probe`?\n"
        ),
        "{}",
        output.all()
    );
    let output = not_built("js", "probe, revert })", "probe, rollback: revert })");
    assert!(
        output.stderr.starts_with(
            "Error: `step` knows no `rollback`, only `describe`, `requires`, `plan`, `apply`, `probe` and `revert`\n    at "
        ),
        "{}",
        output.all()
    );
    let output = not_built("js", "  version: ", "  verison: ");
    assert!(output.stderr.contains("`describe` knows no `verison`, only "), "{}", output.all());
    let output = not_built("python", "probe=probe, revert=revert)", "probe=probe, rever=revert)");
    assert!(
        output.stderr.contains(
            "TypeError: `step` knows no `rever`, only `describe`, `requires`, `plan`, `apply`, `probe` and `revert`; did you mean `revert`?\n"
        ),
        "{}",
        output.all()
    );
}

#[test]
fn an_import_that_leads_nowhere() {
    let said = |bad: &str| {
        let output = not_built("js", "import { Failure, capability,", bad);
        output.stderr.lines().next().unwrap_or_default().to_owned()
    };
    assert_eq!(
        said("import { Failure, capabilty,"),
        "`windlass-sdk/javascript/windlass.js` exports no `capabilty`; did you mean `capability`?"
    );
    assert_eq!(
        said("import fs from \"node:fs\";\nimport { Failure, capability,"),
        "`src/plugin.js` imports `node:fs`, and a plugin has none of Node's modules: `windlass-sdk/javascript/README.md` says what there is"
    );
    assert_eq!(
        said("import deep from \"@left/pad/deep.js\";\nimport { Failure, capability,"),
        "`src/plugin.js` imports `@left/pad/deep.js`, and that package is not installed: `npm install @left/pad`"
    );
    assert_eq!(
        said("import { a } from \"./a.js\";\nimport { Failure, capability,"),
        "`src/plugin.js` imports `./a.js`, and there is no such file"
    );
}
