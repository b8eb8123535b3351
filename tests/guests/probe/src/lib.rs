//! A step that does nothing, for measuring everything else. With `effect = "changes"` it says that it changes something.

use windlass_plugin::{Capability, Failure, Intent, Outcome, Step};

/// Does nothing.
pub struct Noop;

/// What it says of itself.
#[derive(serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Whether it says that it changes something; otherwise it only reads.
    #[serde(default)]
    changes: bool,
}

impl Step for Noop {
    const NAME: &'static str = "noop";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const SUMMARY: &'static str = "Does nothing.";
    type Config = Config;
    type Record = ();

    fn requires(_: &Config) -> Result<Vec<Capability>, Failure> {
        Ok(vec![])
    }

    fn plan(config: &Config) -> Result<Vec<Intent>, Failure> {
        Ok(vec![if config.changes {
            Intent::changes("noop", "do nothing")
        } else {
            Intent::reads("noop", "do nothing")
        }])
    }

    fn apply(_: &Config) -> Result<Outcome, Failure> {
        Ok(Outcome::new("did nothing"))
    }
}

windlass_plugin::export!(Noop);
