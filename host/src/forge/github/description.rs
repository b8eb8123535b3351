//! GitHub's official description of the operations that we use, as judge of what is sent and answered. For tests.
//!
//! It is stricter than the description in two places where GitHub is: a field that is not described is a mistake, and a
//! status's description has the length that the field's text gives.

use jsonschema::Validator;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// `tests/fixtures/github-requests.json`, written by `scripts/github-description`.
const DESCRIPTION: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/github-requests.json"));

/// One method of one path.
#[derive(Debug)]
pub(super) struct Operation {
    request: Option<Validator>,
    answers: BTreeMap<u16, Option<Validator>>,
    query: BTreeMap<String, Validator>,
}

/// Deployments: the whole list.
pub(super) const DEPLOYMENTS: &str = "/repos/{owner}/{repo}/deployments";

/// The statuses of one deployment.
pub(super) const STATUSES: &str = "/repos/{owner}/{repo}/deployments/{deployment_id}/statuses";

/// The operations by method and path.
pub(super) fn operations() -> BTreeMap<(String, String), Operation> {
    let mut document: Value = serde_json::from_str(DESCRIPTION).unwrap();
    document["paths"].as_object_mut().unwrap().retain(|path, _| [DEPLOYMENTS, STATUSES].contains(&path.as_str()));
    translate(&mut document);
    let mut operations = BTreeMap::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            operations.insert((method.to_ascii_uppercase(), path.clone()), Operation::of(operation, &document));
        }
    }
    operations
}

impl Operation {
    fn of(operation: &Value, document: &Value) -> Self {
        let resolve = |value: &Value| match value["$ref"].as_str() {
            Some(reference) => document.pointer(reference.trim_start_matches('#')).unwrap().clone(),
            None => value.clone(),
        };
        let validator = |schema: &Value| {
            let mut schema = schema.clone();
            schema["components"] = document["components"].clone();
            jsonschema::options().should_validate_formats(true).offline().build(&schema).unwrap()
        };
        let content = |value: &Value| {
            Some(value["content"]["application/json"]["schema"].clone()).filter(|schema| !schema.is_null())
        };
        let request = content(&operation["requestBody"]).map(|mut schema| {
            schema["additionalProperties"] = false.into();
            let description = &mut schema["properties"]["description"];
            if let Some(limit) = limit(description["description"].as_str().unwrap_or_default()) {
                description["maxLength"] = limit.into();
            }
            validator(&schema)
        });
        let answers = operation["responses"].as_object().unwrap().iter();
        let parameters = operation["parameters"].as_array().unwrap().iter().map(resolve);
        Self {
            request,
            answers: answers
                .map(|(status, answer)| {
                    (status.parse().unwrap(), content(&resolve(answer)).map(|schema| validator(&schema)))
                })
                .collect(),
            query: parameters
                .filter(|parameter| parameter["in"] == "query")
                .map(|parameter| (parameter["name"].as_str().unwrap().to_owned(), validator(&parameter["schema"])))
                .collect(),
        }
    }

    /// What is wrong with a request.
    pub(super) fn mistakes(&self, query: &[(String, String)], body: &str) -> Vec<String> {
        let mut mistakes = vec![];
        for (name, value) in query {
            match self.query.get(name) {
                None => mistakes.push(format!("there is no query parameter `{name}`")),
                Some(validator) => {
                    let read = value
                        .parse::<u32>()
                        .ok()
                        .filter(|_| name.contains("page"))
                        .map_or_else(|| json!(value), Value::from);
                    mistakes.extend(validator.iter_errors(&read).map(|error| format!("`{name}`: {error}")));
                }
            }
        }
        match (&self.request, serde_json::from_str::<Value>(body)) {
            (None, _) if body.is_empty() => {}
            (None, _) => mistakes.push("it has a body".into()),
            (Some(_), Err(error)) => mistakes.push(format!("its body is not JSON: {error}")),
            (Some(validator), Ok(body)) => {
                mistakes
                    .extend(validator.iter_errors(&body).map(|error| format!("`{}`: {error}", error.instance_path())));
            }
        }
        mistakes
    }

    /// What is wrong with an answer of the stub's own.
    pub(super) fn wrong_answer(&self, status: u16, body: &Value) -> Vec<String> {
        match self.answers.get(&status) {
            None => vec![format!("{status} is not described")],
            Some(None) => vec![],
            Some(Some(validator)) => validator
                .iter_errors(body)
                .map(|error| format!("answer `{}`: {error}", error.instance_path()))
                .collect(),
        }
    }
}

fn limit(text: &str) -> Option<u64> {
    text.split_once("maximum description length is ")?.1.split(' ').next()?.parse().ok()
}

/// OpenAPI 3.0 says `nullable` where JSON Schema has a type more.
fn translate(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(translate),
        Value::Object(keys) => {
            nullable(keys);
            keys.values_mut().for_each(translate);
        }
        _ => {}
    }
}

fn nullable(keys: &mut Map<String, Value>) {
    if keys.get("nullable") == Some(&json!(true)) {
        keys.remove("nullable");
        match keys.get_mut("type") {
            Some(kind) => *kind = json!([kind.clone(), "null"]),
            None => {
                let schema = Value::Object(std::mem::take(keys));
                keys.insert("anyOf".to_owned(), json!([schema, { "type": "null" }]));
            }
        }
    }
}

#[test]
fn the_judge_knows_a_mistake_when_it_sees_one() {
    let operations = operations();
    let status = &operations[&("POST".to_owned(), STATUSES.to_owned())];
    let list = &operations[&("GET".to_owned(), DEPLOYMENTS.to_owned())];
    let of = |body: Value| status.mistakes(&[], &body.to_string());
    assert_eq!(of(json!({"state": "success", "description": "x".repeat(140)})), Vec::<String>::new());
    assert!(of(json!({"state": "success", "description": "x".repeat(141)}))[0].contains("140"));
    assert!(of(json!({"state": "running"}))[0].contains("running"));
    assert!(of(json!({"state": "success", "colour": "green"}))[0].contains("colour"));
    assert!(of(json!({"description": "nothing"}))[0].contains("state"));
    assert!(status.mistakes(&[], "{")[0].contains("not JSON"));
    assert_eq!(list.mistakes(&[("page".into(), "2".into()), ("sha".into(), "1".into())], ""), Vec::<String>::new());
    assert!(list.mistakes(&[("colour".into(), "green".into())], "")[0].contains("colour"));
    assert!(!list.wrong_answer(200, &json!([{"id": 1}])).is_empty());
}
