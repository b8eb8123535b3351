//! A step that never says what it is: asked to describe itself, it computes for ever.

use std::hint::black_box;
use windlass_plugin::{Capability, Failure, Intent, Outcome, Step};

/// Never ends.
pub struct Endless;

/// What it says of itself has no end.
#[derive(serde::Deserialize)]
pub struct Config {}

impl schemars::JsonSchema for Config {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Endless".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let mut turns = 0_u64;
        while black_box(true) {
            turns = black_box(turns.wrapping_add(1));
        }
        schemars::json_schema!({ "description": turns.to_string() })
    }
}

impl Step for Endless {
    const NAME: &'static str = "endless";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const SUMMARY: &'static str = "Never ends.";
    type Config = Config;
    type Record = ();

    fn requires(_: &Config) -> Result<Vec<Capability>, Failure> {
        Ok(vec![])
    }

    fn plan(_: &Config) -> Result<Vec<Intent>, Failure> {
        Ok(vec![])
    }

    fn apply(_: &Config) -> Result<Outcome, Failure> {
        Ok(Outcome::new("did nothing"))
    }
}

windlass_plugin::export!(Endless);
