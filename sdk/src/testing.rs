//! Tests of a plugin: it is built, and played by `windlass plugin test` with cases that are written here in Rust.
//!
//! What is tested is the component that people will run, in the runtime that they run it in, behind the same gate. Only servers,
//! programs and ports are replaced, by the answers that a case gives. `docs/reference/cases.md` says what each part of a case
//! means; a case file in TOML does the same for every language.
//!
//! The program is `windlass` on the search path, or the one that the variable `WINDLASS` names. In `Cargo.toml`:
//!
//! ```toml
//! [dev-dependencies]
//! windlass-plugin = { version = "0.1", features = ["testing"] }
//! ```
//!
//! and in `tests/cases.rs`:
//!
//! ```no_run
//! use windlass_plugin::testing::{Case, Plugin};
//!
//! #[test]
//! fn it_greets() {
//!     let plugin = Plugin::build();
//!     Case::new("a greeting")
//!         .config(&serde_json::json!({ "name": "Ada" }))
//!         .deployment("app", "shop")
//!         .expect_intents(&[("greet", "reads", "greet Ada")])
//!         .expect_outcome("greeted Ada")
//!         .expect_log("apply", &["info: hello Ada, this is shop"])
//!         .expect_denied("apply", &[])
//!         .run(&plugin);
//!     Case::new("a misspelt key").config(&serde_json::json!({ "nmae": "Ada" })).expect_refused("write `name`").run(&plugin);
//! }
//! # fn main() {}
//! ```

use serde::Serialize;
use serde_json::{Map, Value, json};
use std::fs::OpenOptions;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command as Process;

/// A plugin's component.
#[derive(Debug, Clone)]
pub struct Plugin {
    component: PathBuf,
    windlass: PathBuf,
}

impl Plugin {
    /// The one in this file.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>) -> Self {
        let windlass = std::env::var_os("WINDLASS").unwrap_or_else(|| "windlass".into()).into();
        Self { component: path.into(), windlass }
    }

    /// Played by this program, whatever `WINDLASS` and the search path say.
    #[must_use]
    pub fn played_by(self, windlass: impl Into<PathBuf>) -> Self {
        Self { windlass: windlass.into(), ..self }
    }

    /// The one of the crate that is being tested, built for release.
    ///
    /// # Panics
    /// Where it cannot be built, with what `cargo` says.
    #[must_use]
    pub fn build() -> Self {
        let manifest = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from).unwrap_or_default().join("Cargo.toml");
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Process::new(cargo);
        command.args(["build", "--release", "--lib", "--target", "wasm32-wasip2"]);
        command.args(["--message-format", "json-render-diagnostics", "--manifest-path"]).arg(&manifest);
        let output = command.output().unwrap_or_else(|error| panic!("`cargo` cannot be run: {error}"));
        assert!(
            output.status.success(),
            "the plugin cannot be built (`rustup target add wasm32-wasip2` where the target is missing):\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let messages = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut files = messages.lines().rev().filter_map(|line| {
            let message: Value = serde_json::from_str(line).ok()?;
            let of_this = Path::new(message["manifest_path"].as_str()?) == manifest;
            let files = message["filenames"].as_array().filter(|_| of_this)?;
            files.iter().filter_map(Value::as_str).find(|file| file.ends_with(".wasm")).map(PathBuf::from)
        });
        let Some(file) = files.next() else {
            panic!("{} builds no component: it needs `crate-type = [\"cdylib\"]`", manifest.display());
        };
        Self::at(file)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.component
    }
}

/// A canned answer to a request.
#[derive(Debug, Clone)]
pub struct Http(Map<String, Value>);

impl Http {
    /// To this method and URL. What is answered is `200` and nothing else.
    #[must_use]
    pub fn new(method: &str, url: &str) -> Self {
        Self(Map::from_iter([("method".into(), method.into()), ("url".into(), url.into())]))
    }

    /// Which has to have this header, with secrets put in.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        table(&mut self.0, "headers").insert(name.into(), value.into());
        self
    }

    /// Which has to have this body.
    #[must_use]
    pub fn body(mut self, body: &str) -> Self {
        self.0.insert("body".into(), body.into());
        self
    }

    /// Which has to have this body, as JSON.
    ///
    /// # Panics
    /// Where it cannot be JSON.
    #[must_use]
    pub fn json(mut self, body: &impl Serialize) -> Self {
        self.0.insert("json".into(), value(body));
        self
    }

    /// How often it is answered.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.0.insert("times".into(), times.into());
        self
    }

    /// What is answered.
    #[must_use]
    pub fn answer(mut self, status: u16, body: &str) -> Self {
        let answer = table(&mut self.0, "answer");
        answer.insert("status".into(), status.into());
        answer.insert("body".into(), body.into());
        self
    }

    /// A header of the answer.
    #[must_use]
    pub fn answer_header(mut self, name: &str, value: &str) -> Self {
        table(table(&mut self.0, "answer"), "headers").insert(name.into(), value.into());
        self
    }

    /// Nobody answers: `dns`, `connection-refused`, `timed-out`, `unreachable`, `tls` or `closed`.
    #[must_use]
    pub fn fails(mut self, error: &str) -> Self {
        table(&mut self.0, "answer").insert("error".into(), error.into());
        self
    }
}

/// A canned result of a command.
#[derive(Debug, Clone)]
pub struct Command(Map<String, Value>);

impl Command {
    /// Of this program with these arguments, which ends with `0` and says nothing.
    #[must_use]
    pub fn new(program: &str, arguments: &[&str]) -> Self {
        Self(Map::from_iter([("program".into(), program.into()), ("arguments".into(), json!(arguments))]))
    }

    /// Which has to get this variable, with secrets put in.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        table(&mut self.0, "variables").insert(name.into(), value.into());
        self
    }

    /// How often it is answered.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.0.insert("times".into(), times.into());
        self
    }

    /// What it writes to standard output.
    #[must_use]
    pub fn stdout(mut self, text: &str) -> Self {
        table(&mut self.0, "answer").insert("stdout".into(), text.into());
        self
    }

    /// What it writes to standard error.
    #[must_use]
    pub fn stderr(mut self, text: &str) -> Self {
        table(&mut self.0, "answer").insert("stderr".into(), text.into());
        self
    }

    /// With which code it ends.
    #[must_use]
    pub fn code(mut self, code: i32) -> Self {
        table(&mut self.0, "answer").insert("code".into(), code.into());
        self
    }

    /// There is no such program.
    #[must_use]
    pub fn missing(mut self) -> Self {
        table(&mut self.0, "answer").insert("missing".into(), true.into());
        self
    }
}

/// A case. What is expected and not said is not looked at, but for failures and denials: those have to be said.
#[derive(Debug, Clone)]
#[must_use = "a case is played by `run`"]
pub struct Case(Map<String, Value>);

fn table<'a>(map: &'a mut Map<String, Value>, key: &str) -> &'a mut Map<String, Value> {
    let value = map.entry(key).or_insert_with(|| json!({}));
    value.as_object_mut().unwrap_or_else(|| panic!("`{key}` is no table"))
}

fn push(map: &mut Map<String, Value>, key: &str, item: Value) {
    let list = map.entry(key).or_insert_with(|| json!([]));
    list.as_array_mut().unwrap_or_else(|| panic!("`{key}` is no list")).push(item);
}

fn value(of: &impl Serialize) -> Value {
    serde_json::to_value(of).unwrap_or_else(|error| panic!("this cannot be JSON: {error}"))
}

impl Case {
    /// A case that shows this. It calls `plan`, and `apply` where there is something to do.
    pub fn new(name: &str) -> Self {
        Self(Map::from_iter([("name".into(), name.into())]))
    }

    /// The functions that are called, in order: of `plan`, `apply`, `probe` and `revert`.
    pub fn call(mut self, functions: &[&str]) -> Self {
        self.0.insert("call".into(), json!(functions));
        self
    }

    /// The step's `with`.
    ///
    /// # Panics
    /// Where it cannot be JSON.
    pub fn config(mut self, config: &impl Serialize) -> Self {
        self.0.insert("config".into(), value(config));
        self
    }

    /// What is granted: lines as `deploy.lock` has them, as JSON. Without this it is all that the plugin asks for.
    pub fn granted(mut self, lines: &[Value]) -> Self {
        self.0.insert("granted".into(), json!(lines));
        self
    }

    /// A secret with a value that is made up.
    pub fn secret(mut self, name: &str, value: &str) -> Self {
        table(&mut self.0, "secrets").insert(name.into(), value.into());
        self
    }

    /// A variable of the job's environment.
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        table(&mut self.0, "variables").insert(name.into(), value.into());
        self
    }

    /// What an earlier step has put out.
    pub fn output(mut self, step: &str, name: &str, value: &str) -> Self {
        table(table(&mut self.0, "outputs"), step).insert(name.into(), value.into());
        self
    }

    /// What the step has kept before.
    pub fn state(mut self, key: &str, value: &str) -> Self {
        table(&mut self.0, "state").insert(key.into(), value.into());
        self
    }

    /// A record that `probe` and `revert` get.
    ///
    /// # Panics
    /// Where it cannot be JSON.
    pub fn record(mut self, record: &impl Serialize) -> Self {
        push(&mut self.0, "records", value(record));
        self
    }

    /// A value of the deployment, for example `version`.
    pub fn deployment(mut self, key: &str, of: impl Into<Value>) -> Self {
        table(&mut self.0, "deployment").insert(key.into(), of.into());
        self
    }

    /// How long one call may take, for example `1s`.
    pub fn timeout(mut self, duration: &str) -> Self {
        self.0.insert("timeout".into(), duration.into());
        self
    }

    /// A file of the project. One that begins with `#!` is executable.
    pub fn file(mut self, path: &str, text: &str) -> Self {
        table(&mut self.0, "files").insert(path.into(), text.into());
        self
    }

    /// A SQLite file, made by these statements.
    pub fn database(mut self, path: &str, sql: &str) -> Self {
        push(&mut self.0, "database", json!({ "path": path, "sql": sql }));
        self
    }

    /// A canned answer to a request.
    pub fn http(mut self, http: Http) -> Self {
        push(&mut self.0, "http", Value::Object(http.0));
        self
    }

    /// A canned result of a command.
    pub fn command(mut self, command: Command) -> Self {
        push(&mut self.0, "command", Value::Object(command.0));
        self
    }

    /// What comes of looking at a port: `open`, `dns`, `connection-refused`, `timed-out` or `unreachable`.
    pub fn tcp_probe(mut self, host: &str, port: u16, answer: &str) -> Self {
        push(&mut self.0, "tcp-probe", json!({ "host": host, "port": port, "answer": answer }));
        self
    }

    fn expect(&mut self) -> &mut Map<String, Value> {
        table(&mut self.0, "expect")
    }

    fn expect_of(mut self, function: &str, key: &str, of: Value) -> Self {
        table(self.expect(), function).insert(key.into(), of);
        self
    }

    /// The configuration does not fit, and the errors have this text in them.
    pub fn expect_refused(mut self, text: &str) -> Self {
        self.expect().insert("refused".into(), text.into());
        self
    }

    /// All that the plugin asks for: lines as `deploy.lock` has them, as JSON.
    pub fn expect_requires(self, lines: &[Value]) -> Self {
        self.expect_of("requires", "capabilities", json!(lines))
    }

    /// All that `plan` means to do: ids, effects and summaries.
    pub fn expect_intents(self, intents: &[(&str, &str, &str)]) -> Self {
        let intent =
            |(id, effect, summary): &(&str, &str, &str)| json!({ "id": id, "effect": effect, "summary": summary });
        self.expect_of("plan", "intents", intents.iter().map(intent).collect())
    }

    /// What `apply` says of what it did.
    pub fn expect_outcome(self, summary: &str) -> Self {
        self.expect_of("apply", "outcome", summary.into())
    }

    /// All that `apply` puts out.
    pub fn expect_outputs(self, outputs: &[(&str, &str)]) -> Self {
        let outputs = outputs.iter().map(|(key, value)| ((*key).to_owned(), Value::from(*value)));
        self.expect_of("apply", "outputs", Value::Object(outputs.collect()))
    }

    /// What `revert` says of what it took back.
    pub fn expect_reverted(self, summary: &str) -> Self {
        self.expect_of("revert", "outcome", summary.into())
    }

    /// What `probe` finds out: `done`, `partly`, `not-done` or `unknown`.
    pub fn expect_verdict(self, verdict: &str) -> Self {
        self.expect_of("probe", "verdict", verdict.into())
    }

    /// A function fails, by whose fault and with which code.
    pub fn expect_failure(self, function: &str, kind: &str, code: &str) -> Self {
        self.expect_of(function, "failure", json!({ "kind": kind, "code": code }))
    }

    /// A function crashes, with this text in what is said of that.
    pub fn expect_trap(self, function: &str, text: &str) -> Self {
        self.expect_of(function, "trap", text.into())
    }

    /// A function takes too long.
    pub fn expect_timed_out(self, function: &str) -> Self {
        self.expect_of(function, "timed-out", true.into())
    }

    /// All lines of a function's log.
    pub fn expect_log(self, function: &str, lines: &[&str]) -> Self {
        self.expect_of(function, "log", json!(lines))
    }

    /// All that a function was allowed to do, and did.
    pub fn expect_used(self, function: &str, lines: &[&str]) -> Self {
        self.expect_of(function, "used", json!(lines))
    }

    /// All that was denied to a function.
    pub fn expect_denied(self, function: &str, lines: &[&str]) -> Self {
        self.expect_of(function, "denied", json!(lines))
    }

    /// All records that `apply` leaves.
    pub fn expect_records(mut self, records: &[Value]) -> Self {
        self.expect().insert("records".into(), json!(records));
        self
    }

    /// A file afterwards.
    pub fn expect_file(mut self, path: &str, text: &str) -> Self {
        table(self.expect(), "files").insert(path.into(), text.into());
        self
    }

    /// A file that is not there afterwards.
    pub fn expect_no_file(mut self, path: &str) -> Self {
        table(self.expect(), "files").insert(path.into(), false.into());
        self
    }

    /// What a query of a SQLite file answers afterwards, with `|` between the values of a row.
    pub fn expect_rows(mut self, path: &str, query: &str, rows: &[&str]) -> Self {
        push(self.expect(), "database", json!({ "path": path, "query": query, "rows": rows }));
        self
    }

    /// Plays it.
    ///
    /// # Panics
    /// Where it does not pass, with what was expected beside what came.
    pub fn run(&self, plugin: &Plugin) {
        if let Err(differences) = self.play(plugin) {
            panic!("{differences}");
        }
    }

    /// Plays it.
    ///
    /// # Errors
    /// Where it does not pass, what was expected beside what came.
    pub fn play(&self, plugin: &Plugin) -> Result<(), String> {
        let file = CaseFile::write(&format!("[[case]]\n{}", self.lines()))?;
        let mut command = Process::new(&plugin.windlass);
        command.args(["plugin", "test"]).arg(plugin.path()).arg("--cases").arg(&file.0);
        let output = command.output().map_err(|error| {
            let windlass = plugin.windlass.display();
            format!("`{windlass}` cannot be run ({error}): install Windlass, or name it in the variable `WINDLASS`")
        })?;
        let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() { Ok(()) } else { Err(said(&output.stdout) + &said(&output.stderr)) }
    }

    fn lines(&self) -> String {
        self.0.iter().map(|(key, value)| format!("{key} = {}\n", toml(value))).collect()
    }
}

/// JSON as TOML has it in one line. What is `null` is left out: TOML has none.
fn toml(value: &Value) -> String {
    match value {
        Value::Array(items) => {
            let items = items.iter().filter(|item| !item.is_null());
            format!("[{}]", items.map(toml).collect::<Vec<_>>().join(", "))
        }
        Value::Object(map) => {
            let pairs = map.iter().filter(|(_, value)| !value.is_null());
            // A text of JSON is one of TOML.
            let pairs = pairs.map(|(key, value)| format!("{} = {}", Value::from(key.as_str()), toml(value)));
            format!("{{ {} }}", pairs.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

/// A case file that is gone with this.
struct CaseFile(PathBuf);

impl CaseFile {
    /// Under a name that nobody else knows before, and only where there is nothing of that name: the directory is everybody's, and
    /// a link that somebody had put there would have another file written.
    fn write(text: &str) -> Result<Self, String> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        loop {
            // Each has keys of its own, which are random.
            let name = format!("windlass-cases-{:016x}.toml", RandomState::new().build_hasher().finish());
            let path = std::env::temp_dir().join(name);
            let mut file = match options.open(&path) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => continue,
                opened => opened.map_err(|error| unwritten(&path, &error))?,
            };
            let made = Self(path);
            file.write_all(text.as_bytes()).map_err(|error| unwritten(&made.0, &error))?;
            return Ok(made);
        }
    }
}

fn unwritten(path: &Path, error: &std::io::Error) -> String {
    format!("{} cannot be written: {error}", path.display())
}

impl Drop for CaseFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::{Case, CaseFile, Http};
    use serde_json::json;

    #[test]
    fn a_case_file_is_new_and_nobody_elses() {
        let (one, other) = (CaseFile::write("a").expect("a file"), CaseFile::write("b").expect("a file"));
        assert_ne!(one.0, other.0);
        assert_eq!(std::fs::read_to_string(&one.0).expect("a text"), "a");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(&one.0).expect("a file").permissions().mode() & 0o777, 0o600);
        }
        let path = one.0.clone();
        drop(one);
        assert!(!path.exists());
    }

    #[test]
    fn a_case_is_written_as_a_file_has_it() {
        let case = Case::new("a \"b\"\n")
            .config(&json!({ "a": null, "b": [1, "x"] }))
            .http(Http::new("POST", "https://a/").header("x-a", "b").answer(201, "{}"))
            .expect_outcome("done");
        assert_eq!(
            case.lines(),
            "config = { \"b\" = [1, \"x\"] }\n\
             expect = { \"apply\" = { \"outcome\" = \"done\" } }\n\
             http = [{ \"answer\" = { \"body\" = \"{}\", \"status\" = 201 }, \"headers\" = { \"x-a\" = \"b\" }, \
             \"method\" = \"POST\", \"url\" = \"https://a/\" }]\n\
             name = \"a \\\"b\\\"\\n\"\n"
        );
    }
}
