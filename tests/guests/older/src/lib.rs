//! A plugin of a contract that was never released, older than the first.

#![allow(unsafe_code, clippy::allow_attributes_without_reason, reason = "the generated bindings are so")]

#[allow(missing_docs, reason = "they are in the contract")]
mod bindings {
    wit_bindgen::generate!({ path: "wit", world: "step" });
}

use bindings::exports::windlass::plugin::lifecycle::{Description, Guest};
use bindings::windlass::plugin::log::{self, Level};
use bindings::windlass::plugin::record;
use bindings::windlass::plugin::types::{Capability, Effect, Failure, Intent, Outcome};

struct Older;

fn outcome(summary: String) -> Outcome {
    Outcome { summary, outputs: vec![], findings: vec![] }
}

impl Guest for Older {
    fn describe() -> Description {
        Description { name: "older".into(), version: "3.1.4".into(), config_schema: "{}".into() }
    }

    fn requires(_: String) -> Result<Vec<Capability>, Failure> {
        Ok(vec![])
    }

    fn plan(_: String) -> Result<Vec<Intent>, Failure> {
        let (id, summary) = ("x".into(), "make x".into());
        Ok(vec![Intent { id, summary, detail: None, effect: Effect::Changes }])
    }

    fn apply(_: String) -> Result<Outcome, Failure> {
        record::append("{\"made\":\"x\"}")?;
        log::write(Level::Info, "made x");
        Ok(outcome("made x".into()))
    }

    fn revert(_: String, records: Vec<String>) -> Result<Outcome, Failure> {
        Ok(outcome(format!("took back {}", records.join(", "))))
    }
}

bindings::export!(Older with_types_in bindings);
