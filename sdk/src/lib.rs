//! Write a Windlass step in Rust.
//!
//! A step is a type that implements [`Step`], exported with [`export!`], in a `cdylib` crate built for `wasm32-wasip2`:
//!
//! ```
//! use windlass_plugin::{Capability, Failure, Intent, Outcome, Step, deployment, log};
//!
//! /// Greets whoever deploys.
//! pub struct Greet;
//!
//! /// The step's `with`.
//! #[derive(serde::Deserialize, schemars::JsonSchema)]
//! #[serde(deny_unknown_fields)]
//! pub struct Config {
//!     /// Whom to greet.
//!     name: String,
//! }
//!
//! impl Step for Greet {
//!     const NAME: &'static str = "greet";
//!     const VERSION: &'static str = env!("CARGO_PKG_VERSION");
//!     const SUMMARY: &'static str = "Greets whoever deploys.";
//!     type Config = Config;
//!     type Record = ();
//!
//!     fn requires(_: &Config) -> Result<Vec<Capability>, Failure> {
//!         Ok(vec![])
//!     }
//!
//!     fn plan(config: &Config) -> Result<Vec<Intent>, Failure> {
//!         Ok(vec![Intent::reads("greet", format!("greet {}", config.name))])
//!     }
//!
//!     fn apply(config: &Config) -> Result<Outcome, Failure> {
//!         log::info(format!("hello {}, this is {}", config.name, deployment::current().app));
//!         Ok(Outcome::new(format!("greeted {}", config.name)))
//!     }
//! }
//!
//! windlass_plugin::export!(Greet);
//! # fn main() {}
//! ```
//!
//! The parts of the contract that WASI covers are `std`: files of granted directories through [`std::fs`], granted
//! variables through [`std::env`], time through [`std::time`]. HTTP is in [`http`]. The rest is in this crate, one module
//! per interface of `wit/v0.1.0/step.wit`, which documents each item.

mod capability;
mod config;
pub mod database;
mod failure;
pub mod http;
pub mod process;
#[cfg(all(feature = "testing", not(target_family = "wasm")))]
pub mod testing;

#[doc(hidden)]
pub mod __bindings {
    wit_bindgen::generate!({
        path: "../wit/v0.1.0",
        world: "step",
        pub_export_macro: true,
        export_macro_name: "export_component",
        default_bindings_module: "windlass_plugin::__bindings",
        additional_derives: [PartialEq],
    });
}

pub use __bindings::windlass::plugin::types::Failure;
pub use __bindings::windlass::plugin::types::{
    Access, Capability, Effect, FailureKind, Finding, Grant, Intent, Outcome, Phases, Ports, SecretUse, Severity,
    Verdict,
};
pub use capability::{ALL_PHASES, ExecRequest, HttpRequest};
pub use config::{Duration, SecretReference};

/// What is being deployed, where, and what is there now.
pub mod deployment {
    pub use crate::__bindings::windlass::plugin::deployment::Step as StepResult;
    pub use crate::__bindings::windlass::plugin::deployment::{Context, Live, Status, StepOutcome, current};
}

/// The values that earlier steps put out.
pub mod outputs {
    pub use crate::__bindings::windlass::plugin::outputs::get;
}

/// How far the step is, for whoever waits.
pub mod progress {
    pub use crate::__bindings::windlass::plugin::progress::update;
}

/// What goes into the summary of the run.
pub mod report {
    pub use crate::__bindings::windlass::plugin::report::{annotate, metric, table};
}

/// Look at the network without speaking on it.
pub mod network {
    pub use crate::__bindings::windlass::plugin::network::probe_tcp;
}

/// Stand-ins for granted secrets.
pub mod secrets {
    pub use crate::__bindings::windlass::plugin::secrets::placeholder;
}

/// Values that outlive a call.
pub mod state {
    pub use crate::__bindings::windlass::plugin::state::{get, set};
}

/// The step's log. Redacted and limited by the host, which says so where it cuts.
pub mod log {
    use crate::__bindings::windlass::plugin::log::{Level, write};

    /// For the plugin's author.
    pub fn debug(message: impl AsRef<str>) {
        write(Level::Debug, message.as_ref());
    }

    /// For whoever watches.
    pub fn info(message: impl AsRef<str>) {
        write(Level::Info, message.as_ref());
    }

    /// Worth a look.
    pub fn warn(message: impl AsRef<str>) {
        write(Level::Warn, message.as_ref());
    }

    /// Wrong.
    pub fn error(message: impl AsRef<str>) {
        write(Level::Error, message.as_ref());
    }
}

/// What a step leaves for its own [`Step::revert`] and [`Step::probe`].
pub mod record {
    use crate::{__bindings as bindings, Failure};

    /// Append one value to the journal. It is on disk when this returns.
    ///
    /// # Errors
    /// A `bug` where the value contains a secret, cannot be written as JSON, or it is not `apply` that calls.
    pub fn append(value: &impl serde::Serialize) -> Result<(), Failure> {
        let json = serde_json::to_string(value)
            .map_err(|error| Failure::bug("record-not-json", "a record could not be written as JSON").because(error))?;
        bindings::windlass::plugin::record::append(&json)
    }
}

/// A step of a deployment. All functions get the configuration checked against the schema of [`Step::Config`].
pub trait Step {
    /// The plugin's name, in kebab case.
    const NAME: &'static str;
    /// Its version, as semver.
    const VERSION: &'static str;
    /// What it does, in one line.
    const SUMMARY: &'static str;
    /// The step's `with`. Its JSON Schema is derived; doc comments become the descriptions that editors show.
    type Config: serde::de::DeserializeOwned + schemars::JsonSchema;
    /// What [`Step::apply`] appends with [`record::append`]; `()` where it appends nothing.
    type Record: serde::Serialize + serde::de::DeserializeOwned;

    /// What this configuration needs. A pure function: no host access, and holes such as `${deployment.version}` may
    /// still be open in texts.
    ///
    /// # Errors
    /// `misconfigured` where the schema could not say what is wrong.
    fn requires(config: &Self::Config) -> Result<Vec<Capability>, Failure>;

    /// What [`Step::apply`] would do now. Changes nothing. Nothing to do is an empty list, and then the step is skipped.
    ///
    /// # Errors
    /// Any: then there is no plan.
    fn plan(config: &Self::Config) -> Result<Vec<Intent>, Failure>;

    /// Do it. Append a record before each effect.
    ///
    /// # Errors
    /// Any: then what the records say is taken back.
    fn apply(config: &Self::Config) -> Result<Outcome, Failure>;

    /// What became of an `apply` that was cut off after these records. Changes nothing. Without it nobody knows, and a run
    /// that is cut off in this step needs a person.
    ///
    /// # Errors
    /// Any, which counts as [`Verdict::Unknown`].
    fn probe(_config: &Self::Config, _records: Vec<Self::Record>) -> Result<Verdict, Failure> {
        Ok(Verdict::Unknown)
    }

    /// Take back what the records say, newest first. `records` are in the order they were appended. Without it a step that
    /// left records cannot be taken back; one whose records are nothing to take back says so in a `revert` of its own.
    ///
    /// # Errors
    /// Any: then a person is needed.
    fn revert(_config: &Self::Config, records: Vec<Self::Record>) -> Result<Outcome, Failure> {
        let left = match records.len() {
            0 => return Ok(Outcome::new("nothing to take back")),
            1 => "1 record".to_owned(),
            count => format!("{count} records"),
        };
        Err(Failure::bug("no-revert", "this plugin cannot take back what it did")
            .because(format!("it left {left}, and has no `revert`"))
            .with_note("what it did is as it was left")
            .with_hint("take it back by hand, and give the plugin a `revert`"))
    }
}

/// Export a type that implements [`Step`] as this crate's component.
#[macro_export]
macro_rules! export {
    ($step:ty) => {
        #[cfg(target_family = "wasm")]
        #[expect(unsafe_code, reason = "the exported functions that the component model calls")]
        const _: () = {
            struct Component;
            impl $crate::__bindings::exports::windlass::plugin::lifecycle::Guest for Component {
                fn describe() -> $crate::__bindings::exports::windlass::plugin::lifecycle::Description {
                    $crate::__glue::describe::<$step>()
                }
                fn requires(config: String) -> Result<Vec<$crate::Capability>, $crate::Failure> {
                    $crate::__glue::requires::<$step>(&config)
                }
                fn plan(config: String) -> Result<Vec<$crate::Intent>, $crate::Failure> {
                    $crate::__glue::plan::<$step>(&config)
                }
                fn apply(config: String) -> Result<$crate::Outcome, $crate::Failure> {
                    $crate::__glue::apply::<$step>(&config)
                }
                fn probe(config: String, records: Vec<String>) -> Result<$crate::Verdict, $crate::Failure> {
                    $crate::__glue::probe::<$step>(&config, &records)
                }
                fn revert(config: String, records: Vec<String>) -> Result<$crate::Outcome, $crate::Failure> {
                    $crate::__glue::revert::<$step>(&config, &records)
                }
            }
    $crate::__bindings::export_component!(Component with_types_in $crate::__bindings);
        };
    };
}

#[doc(hidden)]
pub mod __glue {
    use crate::__bindings::exports::windlass::plugin::lifecycle::Description;
    use crate::{Capability, Failure, Intent, Outcome, Step, Verdict, log};
    use serde::de::DeserializeOwned;

    /// A panic becomes a trap, whose text the host cannot see; so it is logged first.
    fn start() {
        std::panic::set_hook(Box::new(|panic| log::error(format!("the plugin panicked: {panic}"))));
    }

    fn read<T: DeserializeOwned>(json: &str, what: &str) -> Result<T, Failure> {
        serde_json::from_str(json).map_err(|error| {
            Failure::misconfigured("invalid-config", format!("{what} does not fit this plugin")).because(error)
        })
    }

    fn read_all<T: DeserializeOwned>(records: &[String]) -> Result<Vec<T>, Failure> {
        records.iter().map(|json| read(json, "a record")).collect()
    }

    pub fn describe<S: Step>() -> Description {
        Description {
            name: S::NAME.into(),
            version: S::VERSION.into(),
            summary: S::SUMMARY.into(),
            config_schema: schemars::schema_for!(S::Config).as_value().to_string(),
        }
    }

    pub fn requires<S: Step>(config: &str) -> Result<Vec<Capability>, Failure> {
        start();
        S::requires(&read(config, "the configuration")?)
    }

    pub fn plan<S: Step>(config: &str) -> Result<Vec<Intent>, Failure> {
        start();
        S::plan(&read(config, "the configuration")?)
    }

    pub fn apply<S: Step>(config: &str) -> Result<Outcome, Failure> {
        start();
        S::apply(&read(config, "the configuration")?)
    }

    pub fn probe<S: Step>(config: &str, records: &[String]) -> Result<Verdict, Failure> {
        start();
        S::probe(&read(config, "the configuration")?, read_all(records)?)
    }

    pub fn revert<S: Step>(config: &str, records: &[String]) -> Result<Outcome, Failure> {
        start();
        S::revert(&read(config, "the configuration")?, read_all(records)?)
    }
}

impl Intent {
    fn new(id: impl Into<String>, summary: impl Into<String>, effect: Effect) -> Self {
        Self { id: id.into(), summary: summary.into(), detail: None, effect }
    }

    /// Looks only. The step runs, and changes nothing.
    pub fn reads(id: impl Into<String>, summary: impl Into<String>) -> Self {
        Self::new(id, summary, Effect::Reads)
    }

    /// Looks at what is live, and fails where that is not as it must be. Changes nothing. Run once more after what a run
    /// did has been taken back.
    pub fn checks(id: impl Into<String>, summary: impl Into<String>) -> Self {
        Self::new(id, summary, Effect::Checks)
    }

    /// Changes something, and can take it back.
    pub fn changes(id: impl Into<String>, summary: impl Into<String>) -> Self {
        Self::new(id, summary, Effect::Changes)
    }

    /// Changes something that cannot be taken back.
    pub fn irreversible(id: impl Into<String>, summary: impl Into<String>) -> Self {
        Self::new(id, summary, Effect::Irreversible)
    }

    /// Could not be found out. A plan with one of these is incomplete.
    pub fn unknown(id: impl Into<String>, summary: impl Into<String>) -> Self {
        Self::new(id, summary, Effect::Unknown)
    }

    /// With more for a person to read.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }
}

impl Outcome {
    /// An outcome with one line for a person.
    pub fn new(summary: impl Into<String>) -> Self {
        Self { summary: summary.into(), outputs: vec![], findings: vec![] }
    }

    /// With a value for later steps.
    #[must_use]
    pub fn with_output(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.outputs.push((name.into(), value.into()));
        self
    }

    /// With something that was seen.
    #[must_use]
    pub fn with_finding(mut self, finding: Finding) -> Self {
        self.findings.push(finding);
        self
    }
}
