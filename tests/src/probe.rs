//! Projects whose one step is the guest `probe`, which does what its configuration says and tells what came of it.

use crate::{Output, Project};
use serde_json::{Value, json};

/// A step of the guest `probe`, being described.
#[derive(Debug, Clone, Default)]
pub struct Probe {
    with: serde_json::Map<String, Value>,
    step: Vec<String>,
}

impl Probe {
    /// A step that asks for nothing and does nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Asking for one more capability, in the words of `tests/guests/probe/src/grants.rs`.
    #[must_use]
    pub fn asks(self, capability: Value) -> Self {
        self.add("capabilities", capability)
    }

    /// Doing one more thing while planning, in the words of `tests/guests/probe/src/operation.rs`.
    #[must_use]
    pub fn plans(self, operation: Value) -> Self {
        self.add("plan", operation)
    }

    /// Doing one more thing.
    #[must_use]
    pub fn applies(self, operation: Value) -> Self {
        self.add("apply", operation)
    }

    /// Doing one more thing when it is taken back.
    #[must_use]
    pub fn reverts(self, operation: Value) -> Self {
        self.add("revert", operation)
    }

    /// Doing one more thing where no host may be reached.
    #[must_use]
    pub fn requires(self, operation: Value) -> Self {
        self.add("requires", operation)
    }

    /// Whose plan says that this is what it does to the world: `reads`, `checks`, `changes` (where nothing is said),
    /// `irreversible` or `unknown`.
    #[must_use]
    pub fn effect(mut self, effect: &str) -> Self {
        self.with.insert("effect".into(), effect.into());
        self
    }

    /// Which says, when it was cut off, that this became of it: `done`, `partly`, `not-done` or `unknown` (where nothing is
    /// said). With `fail` it cannot even look.
    #[must_use]
    pub fn says(mut self, verdict: &str) -> Self {
        self.with.insert("probe".into(), verdict.into());
        self
    }

    /// Leaving a record and failing, so that what [`Probe::reverts`] says is done.
    #[must_use]
    pub fn turns(self) -> Self {
        self.applies(json!({ "do": "record", "value": "1" })).applies(json!({ "do": "fail", "text": "it is time" }))
    }

    /// The first thing that fails fails the step.
    #[must_use]
    pub fn strict(mut self) -> Self {
        self.with.insert("strict".into(), Value::Bool(true));
        self
    }

    /// With one more line of `[[step]]`, for example `timeout = "1s"`.
    #[must_use]
    pub fn setting(mut self, line: &str) -> Self {
        self.step.push(line.to_owned());
        self
    }

    fn add(mut self, list: &str, value: Value) -> Self {
        let list = self.with.entry(list).or_insert_with(|| json!([]));
        list.as_array_mut().expect("a list").push(value);
        self
    }

    /// The step as `deploy.toml` has it.
    #[must_use]
    pub fn step(&self, id: &str) -> String {
        let with = toml(&Value::Object(self.with.clone()));
        format!("[[step]]\nid = \"{id}\"\nplugin = \"./probe.wasm\"\n{}\nwith = {with}\n", self.step.join("\n"))
    }

    /// A whole `deploy.toml` with this step alone.
    #[must_use]
    pub fn config(&self) -> String {
        config(&[self.step("probe")])
    }

    /// A project with this step alone, not locked.
    #[must_use]
    pub fn project(&self) -> Project {
        Project::with(&self.config()).guest("probe")
    }

    /// Runs it in a project of its own and says what each of `applies` came to, after checking that the step succeeded.
    #[must_use]
    pub fn results(&self) -> Vec<String> {
        let project = self.project().locked();
        let _ = project.windlass("run").exits(0);
        project.results()
    }
}

/// A whole `deploy.toml` with these steps.
#[must_use]
pub fn config(steps: &[String]) -> String {
    format!("schema = 1\napp = \"shop\"\n\n[environments.staging]\n\n{}", steps.join("\n"))
}

/// JSON as TOML writes it in one line.
fn toml(value: &Value) -> String {
    match value {
        Value::Array(values) => format!("[{}]", values.iter().map(toml).collect::<Vec<_>>().join(", ")),
        Value::Object(pairs) => {
            // A text of JSON is one of TOML, so keys are quoted the same way.
            let pair = |(key, value): (&String, &Value)| format!("{} = {}", Value::from(key.as_str()), toml(value));
            format!("{{ {} }}", pairs.iter().map(pair).collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

/// What the guest `probe` left.
impl Project {
    /// What each operation of `apply` came to, in order: `ok: …`, or `KIND: CODE: MESSAGE <- CAUSES`.
    #[must_use]
    pub fn results(&self) -> Vec<String> {
        let event = self.event("step-succeeded");
        let outputs = event["outputs"].as_object().cloned().unwrap_or_default();
        (0..outputs.len()).map(|index| outputs[&index.to_string()].as_str().expect("a text").to_owned()).collect()
    }

    /// What each operation of `plan` came to.
    #[must_use]
    pub fn planned(&self) -> Vec<String> {
        let output = self.windlass("plan --format json").exits(0);
        let plan = output.result()["plan"].clone();
        let intents = plan["steps"][0]["intents"].as_array().expect("intents").clone();
        intents.iter().skip(1).map(|intent| intent["summary"].as_str().expect("a text").to_owned()).collect()
    }

    /// What the operations of `revert` came to, in one text.
    #[must_use]
    pub fn reverted(&self) -> String {
        self.event("step-reverted")["summary"].as_str().expect("a text").to_owned()
    }

    /// The last event of this name in the newest run's journal.
    #[must_use]
    pub fn event(&self, name: &str) -> Value {
        let events = self.journal();
        let last = events.iter().rev().find(|event| event["event"] == name).cloned();
        last.unwrap_or_else(|| panic!("no {name} in {events:#?}"))
    }

    /// What was denied in the newest run: the texts of the usages that were not allowed.
    #[must_use]
    pub fn denied(&self) -> Vec<String> {
        let usages = |event: &Value| event["usages"].as_array().cloned().unwrap_or_default();
        let all: Vec<Value> = self.journal().iter().flat_map(usages).collect();
        all.iter()
            .filter(|usage| usage["allowed"] == false)
            .map(|usage| usage["asked"].as_str().expect("a text").to_owned())
            .collect()
    }

    /// Every file below the project with what it holds, to see whether something changed.
    #[must_use]
    pub fn files(&self) -> std::collections::BTreeMap<String, Vec<u8>> {
        let mut files = std::collections::BTreeMap::new();
        let mut directories = vec![self.path()];
        while let Some(directory) = directories.pop() {
            for entry in std::fs::read_dir(&directory).expect("a directory") {
                let path = entry.expect("an entry").path();
                let name = path.strip_prefix(self.path()).expect("below").to_string_lossy().into_owned();
                if path.is_symlink() {
                    files.insert(
                        name,
                        std::fs::read_link(&path).expect("a link").to_string_lossy().into_owned().into_bytes(),
                    );
                } else if path.is_dir() {
                    files.insert(format!("{name}/"), vec![]);
                    directories.push(path);
                } else {
                    files.insert(name, std::fs::read(&path).expect("a file"));
                }
            }
        }
        files
    }
}

impl Output {
    /// Everything that was written, as it was, on both streams.
    #[must_use]
    pub fn everything(&self) -> String {
        format!("{}{}", self.raw_stdout, self.stderr)
    }
}
