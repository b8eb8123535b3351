//! `deploy.toml`: text in, values or problems out.
//!
//! [`load`] is the only function here that reads a file; everything else is pure. A [`Config`] that exists is right in
//! itself: its keys and values fit, its names are known, its holes can be filled. What a plugin thinks of its `with` is asked
//! with [`WithSchema`]; which steps run is asked with [`Config::steps_for`]; what is known only while a release is deployed is
//! filled with [`fill`].
//!
//! This room decides what may be written, not what can be honoured: an approval is read here and granted, or refused, by the
//! gate.

mod check;
mod document;
mod example;
mod explain;
mod holes;
mod nearest;
mod other;
mod select;
mod source;
mod template;
#[cfg(test)]
mod tests;
mod transient;
mod with_schema;
mod words;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use crate::freeze::Window;
use crate::policy::Confinement;
use crate::problem::{Code, Place, Problem};
use source::{Half, NOTHING_WAS_RUN, Source};

pub use document::{Approvers, Bind, DeploymentOwner, Keeping, OnCancel, OnFailure, Release, json_schema};
pub use example::{Key, example, keys};
pub use holes::{Hole, Holes, Unfilled, fill, fill_known, fill_text, holes_in, holes_in_text};
pub use nearest::{enumerated, listing, nearest};
pub(crate) use other::Written;
pub use select::Selection;
pub use template::template;
pub use transient::Pattern;
pub use with_schema::WithSchema;
pub use words::{
    AppName, ComponentName, Duration, EnvironmentName, PluginLocator, Size, StateName, StepId, VariableName,
};

/// A whole `deploy.toml`, in itself right.
#[derive(Debug, Clone)]
pub struct Config {
    /// The app's name.
    pub app: AppName,
    /// The CI variables that `${env.X}` may name.
    pub env: Vec<VariableName>,
    /// Where the version comes from.
    pub release: Release,
    /// What a cancelled run does; none leaves it to where it runs.
    pub on_cancel: Option<OnCancel>,
    /// How long the whole run may take.
    pub timeout: Option<Duration>,
    /// How many runs are kept for each environment and component: 1 to 100,000; `20` where nothing is said.
    pub keep_runs: u32,
    /// Where leases and journals are kept besides `.windlass`.
    pub store: Keeping,
    /// Whether programs are held to what was accepted for them.
    pub confinement: Confinement,
    /// The keys by one of which each plugin that is not built in has to be signed: in PEM, or files of these. None where nothing is
    /// demanded.
    pub signed_by: Vec<String>,
    /// The file with the authorities that are trusted besides the system's, relative to this one.
    pub ca_file: Option<String>,
    /// Texts for `${vars.X}`, in every environment.
    pub vars: BTreeMap<String, String>,
    /// In the order of the file. Never empty.
    pub environments: Vec<Environment>,
    /// In the order of the file, as they are written: without overlays, with all holes. Never empty, but of [`load_without_steps`].
    pub steps: Vec<Step>,
    /// The same for `[[finally]]`.
    pub finally: Vec<Step>,
    source: Arc<Source>,
}

/// One place that the app is deployed to.
#[derive(Debug, Clone)]
pub struct Environment {
    /// Its name, as the forge knows it.
    pub name: EnvironmentName,
    /// What it is called in the file: the same, unless one of many is meant that its table stands for.
    pub key: EnvironmentName,
    /// Whether it comes and goes.
    pub transient: bool,
    /// The names that it stands for, where they are many. Then nothing can be deployed to it itself.
    pub pattern: Option<Pattern>,
    /// What `*` stands for, where it is one of many.
    pub instance: Option<String>,
    /// Where it can be seen. Where it stands for many, with `${environment.instance}`.
    pub url: Option<String>,
    /// That as it is written.
    written_url: Option<String>,
    /// The environments that a commit has to be deployed to before this one. None of them waits for this one.
    pub after: Vec<EnvironmentName>,
    /// Who has to agree.
    pub approval: Option<Approval>,
    /// How long a run waits for another one, and how long its own claim holds.
    pub lease: Option<Lease>,
    /// Who makes the forge's deployment; none leaves it to the forge.
    pub deployment: Option<DeploymentOwner>,
    /// When nothing is deployed here, in the order of the file.
    pub freeze: Vec<Window>,
    /// Whether the forge's own freezes hold here, too.
    pub forge_freeze: bool,
    /// Whether branches that the forge does not protect are deployed to it.
    pub unprotected_branches: bool,
    /// Whether the pull or merge request is told of it.
    pub comment: bool,
    /// Texts for `${vars.X}`, in place of the app's.
    pub vars: BTreeMap<String, String>,
    /// What is merged over the `with` of steps, by their id, as it is written.
    pub overlays: BTreeMap<StepId, Value>,
}

/// Who has to agree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    /// How many people have to approve: 1 to 100.
    pub required: u32,
    /// Whether whoever started the run may approve it.
    pub own: bool,
    /// What an approval is for.
    pub bind: Bind,
    /// Whose approvals count; none means everybody's whom the forge lets.
    pub from: Option<Approvers>,
}

/// How long a run waits for another one, and how long its own claim holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// How long to wait for another run to end; `0s` where nothing is said.
    pub wait: Duration,
    /// How long a claim holds unless it is renewed; `15m` where nothing is said. Never zero.
    pub duration: Duration,
}

/// One step.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Its name, unique among steps and finally steps.
    pub id: StepId,
    /// What it runs.
    pub plugin: PluginLocator,
    /// The plugin's configuration: always a table.
    pub with: Value,
    /// Where it runs; none means everywhere.
    pub environments: Option<Vec<EnvironmentName>>,
    /// The part of the app that it belongs to.
    pub component: Option<ComponentName>,
    /// How long one attempt may take; `10m` where nothing is said. Never zero.
    pub timeout: Duration,
    /// How often and how soon it is tried again.
    pub retry: Retry,
    /// What its failure does to the run. Of no meaning in a finally step.
    pub on_failure: OnFailure,
    /// Whether it may be applied again when nobody knows how far it came.
    pub idempotent: bool,
    /// The name under which it shares its state with other steps of the same plugin; none means its own.
    pub state: Option<StateName>,
    /// The most that its log may hold; `64MiB` where nothing is said.
    pub output_limit: Size,
    /// Whether it is a finally step.
    pub is_finally: bool,
    /// Its place in its list.
    index: usize,
    /// Whose overlay is merged into `with`.
    overlay: Option<EnvironmentName>,
}

/// How often and how soon a step is tried again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retry {
    /// How often it is tried in all: 1 to 100; `1` where nothing is said.
    pub attempts: u32,
    /// How long to wait before the second attempt; each further wait is twice as long. `1s` where nothing is said.
    pub backoff: Duration,
}

impl Step {
    /// Whether it runs in an environment.
    #[must_use]
    pub fn runs_in(&self, environment: &str) -> bool {
        self.environments.as_ref().is_none_or(|names| names.iter().any(|name| name == environment))
    }

    /// Its JSON pointer.
    fn pointer(&self) -> String {
        format!("/{}/{}", if self.is_finally { "finally" } else { "step" }, self.index)
    }
}

/// The name of the file where none is named.
pub const FILE: &str = "deploy.toml";

/// Reads the config from a file.
///
/// # Errors
/// Where there is no such file, where it is not text, and with all that [`parse`] finds.
pub fn load(path: &Path) -> Result<Config, Vec<Problem>> {
    let (name, text) = read(path)?;
    parse(&name, &text)
}

/// The same for whoever adds a step, or only lists them: there may be none yet.
///
/// # Errors
/// As those of [`load`].
pub fn load_without_steps(path: &Path) -> Result<Config, Vec<Problem>> {
    let (name, text) = read(path)?;
    check::parse(Source::new(&name, &text), true)
}

/// The text of the file, and how messages call it.
fn read(path: &Path) -> Result<(String, String), Vec<Problem>> {
    let name = path.display().to_string();
    let bytes = std::fs::read(path).map_err(|error| {
        let missing = error.kind() == std::io::ErrorKind::NotFound;
        let problem = if missing {
            Problem::new(Code::ConfigNotFound, format!("there is no `{name}`"))
                .with_hint("run `windlass init` to write one, or name another with `--config FILE`")
        } else {
            Problem::new(Code::ConfigInvalid, format!("`{name}` cannot be read"))
                .because(&error)
                .with_hint("make it a file that whoever runs this may read")
        };
        vec![problem.with_note(NOTHING_WAS_RUN)]
    })?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let position = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..position].iter().filter(|byte| **byte == b'\n').count() + 1;
        let problem = Problem::new(Code::ConfigInvalid, format!("`{name}` is not UTF-8 text"))
            .because(format!("line {line}: {}", error.utf8_error()));
        vec![problem.with_note(NOTHING_WAS_RUN).with_hint("save it as UTF-8")]
    })?;
    Ok((name, text))
}

/// Reads the config from a text. `file` is how messages call it.
///
/// # Errors
/// All the mistakes that were found, in the order of the file.
pub fn parse(file: &str, text: &str) -> Result<Config, Vec<Problem>> {
    check::parse(Source::new(file, text), false)
}

impl Config {
    /// The environment of this name, or the only one.
    ///
    /// # Errors
    /// Where there is none of this name, or where none is named and there are several.
    pub fn environment(&self, name: Option<&str>) -> Result<&Environment, Problem> {
        let names = || self.environments.iter().map(|environment| environment.name.as_str());
        let problem = match (name, self.environments.as_slice()) {
            (None, [only]) => return Self::is_one(only),
            (None, _) => Problem::new(Code::Usage, "it is not said which environment is meant")
                .because(format!("`{}` has {}", self.source.file(), listing(names(), "and")))
                .with_hint("name one with `-e NAME`"),
            (Some(name), all) => match all.iter().find(|environment| environment.name == name) {
                Some(found) => return Self::is_one(found),
                None => Problem::new(Code::Usage, format!("there is no environment `{name}`"))
                    .because(format!("`{}` has {}", self.source.file(), listing(names(), "and")))
                    .with_hint(match nearest(name, names()) {
                        Some(near) => format!("write `-e {near}`"),
                        None => format!("add `[environments.{name}]`, or name one that is there"),
                    }),
            },
        };
        Err(problem.with_note(NOTHING_WAS_RUN))
    }

    /// The components that steps belong to, in the order of the file.
    #[must_use]
    pub fn components(&self) -> Vec<&ComponentName> {
        let mut components = vec![];
        for component in self.steps.iter().chain(&self.finally).filter_map(|step| step.component.as_ref()) {
            if !components.contains(&component) {
                components.push(component);
            }
        }
        components
    }

    /// Where a key of a step stands, for problems that others find: its value, or the step where it has no such key.
    #[must_use]
    pub fn place_of_step(&self, step: &Step, key: &str) -> Place {
        self.source.place(&source::join(&step.pointer(), key), Half::Value)
    }

    /// Where a key of an environment stands, in the same way.
    #[must_use]
    pub fn place_of_environment(&self, environment: &Environment, key: &str) -> Place {
        let pointer = source::join("/environments", environment.key.as_str());
        self.source.place(&source::join(&pointer, key), Half::Value)
    }

    /// Where a window of an environment's `freeze` stands.
    #[must_use]
    pub fn place_of_freeze(&self, environment: &Environment, index: usize) -> Place {
        let pointer = source::join("/environments", environment.key.as_str());
        self.source.place(&format!("{pointer}/freeze/{index}"), Half::Value)
    }

    /// Where a key of the top level stands, in the same way.
    #[must_use]
    pub fn place_of(&self, key: &str) -> Place {
        self.source.place(&source::join("", key), Half::Value)
    }

    /// Where `policy.signed-by` stands, in the same way.
    #[must_use]
    pub fn place_of_signers(&self) -> Place {
        self.source.place("/policy/signed-by", Half::Value)
    }

    /// Where `network.ca-file` stands, in the same way.
    #[must_use]
    pub fn place_of_authorities(&self) -> Place {
        self.source.place("/network/ca-file", Half::Value)
    }

    /// How messages call the file.
    #[must_use]
    pub fn file(&self) -> &str {
        self.source.file()
    }

    /// Its whole text.
    #[must_use]
    pub fn text(&self) -> &str {
        self.source.text()
    }
}
