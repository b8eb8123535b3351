//! A plugin of a contract that there is not yet.

#![allow(unsafe_code, clippy::allow_attributes_without_reason, reason = "the generated bindings are so")]

#[allow(missing_docs, reason = "they are in the contract")]
mod bindings {
    wit_bindgen::generate!({ path: "wit", world: "step" });
}

use bindings::exports::windlass::plugin::lifecycle::{Description, Guest};

struct Next;

impl Guest for Next {
    fn describe() -> Description {
        Description {
            name: "next".into(),
            version: "1.0.0".into(),
            summary: "Is ahead of its time.".into(),
            config_schema: "{}".into(),
            contact: "nobody".into(),
        }
    }
}

bindings::export!(Next with_types_in bindings);
