//! Whether what the fake answers is what GitLab answers, by the examples of the description: nothing that they do not have, and
//! everything of the kind that it has there.

use super::{DESCRIPTION, Operation};
use crate::server::Answer;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// What answers have that the examples have not: what GitLab has in its paid editions, and what newer versions have besides.
const BESIDES: [&str; 7] = [
    "approvals",
    "approval_summary",
    "approval_rules",
    "artifacts_file",
    "pending_approval_count",
    "type",
    "updated_at",
];

/// What is answered where all goes well.
#[derive(Debug, Deserialize)]
pub(super) struct Right {
    status: u16,
    /// The name of an example, in brackets where it is a list of those.
    example: Option<String>,
}

#[derive(Deserialize)]
struct Example {
    value: Value,
}

fn example(name: &str) -> &'static Value {
    #[derive(Deserialize)]
    struct Description {
        examples: BTreeMap<String, Example>,
    }
    static EXAMPLES: OnceLock<BTreeMap<String, Example>> = OnceLock::new();
    let examples =
        EXAMPLES.get_or_init(|| serde_json::from_str::<Description>(DESCRIPTION).expect("the description").examples);
    &examples.get(name).expect("such an example").value
}

/// What is wrong with an answer of the fake's own.
pub(super) fn mistakes(operation: &Operation, answer: &Answer) -> Vec<String> {
    let (status, bytes) = answer.parts();
    let right = &operation.answer;
    let body: Value = serde_json::from_slice(bytes).unwrap_or_default();
    if status >= 400 {
        let says = !body["message"].is_null() || body["error"].is_string();
        return if says { vec![] } else { vec![format!("answer: {status} without a word")] };
    }
    if status != right.status {
        return vec![format!("answer: {status} is not {}", right.status)];
    }
    let mut found = vec![];
    match right.example.as_deref().map(|name| (name.strip_prefix('['), name)) {
        None => {}
        Some((Some(name), _)) => {
            let name = name.trim_end_matches(']');
            match body.as_array() {
                Some(items) => items.iter().for_each(|item| compare(item, example(name), name, &mut found)),
                None => found.push("answer: it is no list".into()),
            }
        }
        Some((None, name)) => compare(&body, example(name), name, &mut found),
    }
    found
}

fn compare(value: &Value, example: &Value, at: &str, found: &mut Vec<String>) {
    match (value, example) {
        (Value::Null, _) | (_, Value::Null) => {}
        (Value::Object(value), Value::Object(example)) => {
            for (name, value) in value {
                match example.get(name) {
                    Some(example) => compare(value, example, &format!("{at}.{name}"), found),
                    None if BESIDES.contains(&name.as_str()) || name == "web_url" => {}
                    None => found.push(format!("answer: `{at}` has no `{name}`")),
                }
            }
        }
        (Value::Array(value), Value::Array(example)) => {
            if let Some(example) = example.first() {
                value.iter().for_each(|value| compare(value, example, at, found));
            }
        }
        (Value::String(_), Value::String(_))
        | (Value::Bool(_), Value::Bool(_))
        | (Value::Number(_), Value::Number(_)) => {}
        _ => found.push(format!("answer: `{at}` is not of the kind of `{example}`")),
    }
}
