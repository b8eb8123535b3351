//! Steps that are small shell scripts, and projects made of them.
//!
//! Most leave a line in the file `order`; `-x` is what takes `x` back.

use crate::{Output, Project};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// A step that runs a script with `sh -c`.
#[derive(Debug, Clone)]
pub struct Step {
    id: String,
    run: String,
    revert: Option<String>,
    unless: Option<String>,
    with: Vec<String>,
    keys: Vec<String>,
    finally: bool,
}

/// Lets a step go on that [waits](Step::waits), whatever comes of the test.
#[derive(Debug)]
pub struct Go<'a>(pub &'a Project);

impl Drop for Go<'_> {
    fn drop(&mut self) {
        let _ = std::fs::write(self.0.path().join("go"), "");
    }
}

impl Step {
    /// A step that waits for the file `go`, and says so by the file `waiting`.
    #[must_use]
    pub fn waits(id: &str) -> Self {
        Self::marks(id).run(&format!("touch waiting; while test ! -e go; do sleep 0.01; done; echo {id} >> order"))
    }

    /// A step that does nothing but this script.
    #[must_use]
    pub fn of(id: &str, run: &str) -> Self {
        Self { id: id.into(), run: run.into(), revert: None, unless: None, with: vec![], keys: vec![], finally: false }
    }

    /// A step that leaves its line, and another one when it is taken back.
    #[must_use]
    pub fn marks(id: &str) -> Self {
        Self::of(id, &format!("echo {id} >> order")).reverted_by(&format!("echo -{id} >> order"))
    }

    /// A step that leaves its line and fails then.
    #[must_use]
    pub fn fails(id: &str) -> Self {
        Self::marks(id).run(&format!("echo {id} >> order; exit 3"))
    }

    /// A finally step that leaves its line.
    #[must_use]
    pub fn finally(id: &str) -> Self {
        Self { finally: true, ..Self::of(id, &format!("echo {id} >> order")) }
    }

    /// With another script.
    #[must_use]
    pub fn run(mut self, script: &str) -> Self {
        self.run = script.into();
        self
    }

    /// With a script that takes it back.
    #[must_use]
    pub fn reverted_by(mut self, script: &str) -> Self {
        self.revert = Some(script.into());
        self
    }

    /// With a script that succeeds where the step is done already.
    #[must_use]
    pub fn unless(mut self, script: &str) -> Self {
        self.unless = Some(script.into());
        self
    }

    /// With one more line of its `with`.
    #[must_use]
    pub fn with(mut self, line: &str) -> Self {
        self.with.push(line.into());
        self
    }

    /// With one more line of the step itself.
    #[must_use]
    pub fn key(mut self, line: &str) -> Self {
        self.keys.push(line.into());
        self
    }
}

impl std::fmt::Display for Step {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let section = if self.finally { "finally" } else { "step" };
        writeln!(formatter, "\n[[{section}]]\nid = \"{}\"\nplugin = \"command\"", self.id)?;
        for key in &self.keys {
            writeln!(formatter, "{key}")?;
        }
        // Lists and texts of JSON are lists and texts of TOML.
        writeln!(formatter, "[{section}.with]\nrun = {}", json!(["sh", "-c", self.run]))?;
        if let Some(script) = &self.revert {
            writeln!(formatter, "revert = {}", json!(["sh", "-c", script]))?;
        }
        if let Some(script) = &self.unless {
            writeln!(formatter, "unless = {}", json!(["sh", "-c", script]))?;
        }
        self.with.iter().try_for_each(|line| writeln!(formatter, "{line}"))
    }
}

/// What stands above the steps; `TOP` is for what else stands at the top level.
pub const HEAD: &str = "schema = 1\napp = \"shop\"\nTOP\n[environments.staging]\n";

/// A `deploy.toml` with these steps; `top` stands at its top level.
#[must_use]
pub fn text(top: &str, steps: &[Step]) -> String {
    let steps: String = steps.iter().map(ToString::to_string).collect();
    format!("{}{steps}", HEAD.replace("TOP", top))
}

/// The same with these environments.
#[must_use]
pub fn text_with(top: &str, environments: &str, steps: &[Step]) -> String {
    text(top, steps).replacen("[environments.staging]\n", environments, 1)
}

/// A project with these steps, accepted.
#[must_use]
pub fn project(steps: &[Step]) -> Project {
    Project::with(&text("", steps)).locked()
}

/// The lines that the steps have left.
#[must_use]
pub fn order(project: &Project) -> String {
    if project.has("order") {
        project.read("order").split_whitespace().collect::<Vec<_>>().join(" ")
    } else {
        String::new()
    }
}

/// The outcomes of the steps, as the result has them: `a succeeded, b failed`.
///
/// # Panics
/// Where it has none.
#[must_use]
pub fn outcomes(output: &Output) -> String {
    let result = output.result();
    let step = |step: &Value| {
        format!("{} {}", step["id"].as_str().unwrap_or_default(), step["outcome"].as_str().unwrap_or_default())
    };
    result["steps"].as_array().expect("steps").iter().map(step).collect::<Vec<_>>().join(", ")
}

/// Waits until something is so, as often as it takes within a minute.
///
/// # Panics
/// Where it does not come about.
#[track_caller]
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < deadline, "{what} did not come about within a minute");
        std::thread::sleep(Duration::from_millis(5));
    }
}
