//! A step whose schema is short and never done with: each definition asks for the one before it twice.

use windlass_plugin::{Capability, Failure, Intent, Outcome, Step};

/// Whose configuration cannot be checked.
pub struct SchemaBomb;

/// Anything.
#[derive(serde::Deserialize)]
pub struct Config {}

impl schemars::JsonSchema for Config {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SchemaBomb".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let mut definitions = serde_json::Map::new();
        definitions.insert("d0".to_owned(), serde_json::json!({ "type": "object" }));
        for number in 1..=60 {
            let before = format!("#/$defs/d{}", number - 1);
            let twice = serde_json::json!({ "allOf": [{ "$ref": before }, { "$ref": before }] });
            definitions.insert(format!("d{number}"), twice);
        }
        schemars::json_schema!({ "$defs": definitions, "$ref": "#/$defs/d60" })
    }
}

impl Step for SchemaBomb {
    const NAME: &'static str = "schema-bomb";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const SUMMARY: &'static str = "Has a schema that is never done with.";
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

windlass_plugin::export!(SchemaBomb);
