//! GitHub's official description of the operations that we use, as judge of what is sent and answered.
//!
//! It is stricter than the description where GitHub is: a field that is not described is a mistake, a status's description
//! has the length that the field's text gives, and a page has a hundred entries at most.

use jsonschema::Validator;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

/// Written by `scripts/github-description`.
const DESCRIPTION: &str = include_str!("../../fixtures/github-requests.json");

/// The most that GitHub lists at once.
const PAGE: u64 = 100;

/// A schema, compiled when it is first needed: there are many, and a test needs few.
#[derive(Debug)]
struct Schema {
    schema: Value,
    components: Arc<Value>,
    validator: OnceLock<Validator>,
}

impl Schema {
    fn mistakes(&self, value: &Value) -> Vec<String> {
        let validator = self.validator.get_or_init(|| {
            let mut schema = self.schema.clone();
            schema["components"] = (*self.components).clone();
            let options = jsonschema::options().should_validate_formats(true).offline();
            options.build(&schema).expect("the description is one of schemas")
        });
        validator.iter_errors(value).map(|error| format!("`{}`: {error}", error.instance_path())).collect()
    }
}

/// One method of one path.
#[derive(Debug)]
pub(super) struct Operation {
    /// GitHub's name of it: `repos/create-deployment`.
    pub(super) name: String,
    method: String,
    template: Vec<String>,
    /// The argument that may have slashes.
    long: Option<String>,
    request: Option<Schema>,
    answers: BTreeMap<u16, Option<Schema>>,
    query: BTreeMap<String, Schema>,
}

/// The whole description, read once.
fn document() -> &'static Value {
    static DOCUMENT: OnceLock<Value> = OnceLock::new();
    DOCUMENT.get_or_init(|| {
        let mut document: Value = serde_json::from_str(DESCRIPTION).expect("the description");
        let examples = document["x-examples"].take();
        translate(&mut document);
        document["x-examples"] = examples;
        document
    })
}

/// A whole answer of GitHub's own: `repository`, `run`, `job`, `pull` or `user`.
pub(super) fn example(name: &str) -> Value {
    let example = document()["x-examples"][name].clone();
    assert!(!example.is_null(), "there is no example `{name}`");
    example
}

/// The operations.
pub(super) fn operations() -> &'static [Operation] {
    static OPERATIONS: OnceLock<Vec<Operation>> = OnceLock::new();
    OPERATIONS.get_or_init(|| {
        let document = document();
        let components = Arc::new(document["components"].clone());
        let paths = document["paths"].as_object().expect("paths");
        let of = |(path, methods): (&String, &Value)| -> Vec<Operation> {
            let methods = methods.as_object().expect("methods");
            methods.iter().map(|(method, operation)| Operation::of(method, path, operation, &components)).collect()
        };
        paths.iter().flat_map(of).collect()
    })
}

/// What a reference stands for.
fn resolve(value: &Value) -> &Value {
    match value["$ref"].as_str() {
        Some(reference) => document().pointer(reference.trim_start_matches('#')).expect("what is referred to"),
        None => value,
    }
}

impl Operation {
    fn of(method: &str, path: &str, operation: &Value, components: &Arc<Value>) -> Self {
        let schema = |schema: Value| Schema { schema, components: Arc::clone(components), validator: OnceLock::new() };
        let content = |value: &Value| {
            Some(value["content"]["application/json"]["schema"].clone()).filter(|schema| !schema.is_null())
        };
        let parameters: Vec<&Value> = operation["parameters"].as_array().into_iter().flatten().map(resolve).collect();
        let name = |parameter: &Value| parameter["name"].as_str().expect("a name").to_owned();
        let answers = operation["responses"].as_object().expect("answers").iter();
        Self {
            name: operation["operationId"].as_str().expect("a name").to_owned(),
            method: method.to_ascii_uppercase(),
            template: path.split('/').skip(1).map(str::to_owned).collect(),
            long: parameters
                .iter()
                .find(|parameter| parameter["x-multi-segment"] == true && parameter["name"] == "ref")
                .map(|parameter| name(parameter)),
            request: content(&operation["requestBody"]).map(|body| schema(strict(&body, true))),
            answers: answers
                .map(|(status, answer)| (status.parse().expect("a status"), content(resolve(answer)).map(schema)))
                .collect(),
            query: parameters
                .iter()
                .filter(|parameter| parameter["in"] == "query")
                .map(|parameter| (name(parameter), schema(parameter["schema"].clone())))
                .collect(),
        }
    }

    /// The path's arguments, still percent-encoded, where a request is this operation's.
    pub(super) fn arguments(&self, method: &str, path: &str) -> Option<BTreeMap<String, String>> {
        let there: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
        let is_long = self.long.is_some() && there.len() >= self.template.len();
        if method != self.method || (there.len() != self.template.len() && !is_long) {
            return None;
        }
        let mut arguments = BTreeMap::new();
        for (place, wanted) in self.template.iter().enumerate() {
            let argument = wanted.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
            match argument {
                Some(name) if Some(name) == self.long.as_deref() => {
                    arguments.insert(name.to_owned(), there[place..].join("/"));
                }
                Some(name) => {
                    arguments.insert(name.to_owned(), there[place].to_owned());
                }
                None if wanted != there[place] => return None,
                None => {}
            }
        }
        Some(arguments)
    }

    /// What is wrong with a request.
    pub(super) fn mistakes(&self, query: &[(String, String)], body: &[u8]) -> Vec<String> {
        let mut mistakes = vec![];
        for (name, value) in query {
            let Some(schema) = self.query.get(name) else {
                mistakes.push(format!("there is no query parameter `{name}`"));
                continue;
            };
            let read = match schema.schema["type"].as_str() {
                Some("integer") => value.parse::<u32>().map_or_else(|_| json!(value), Value::from),
                Some("boolean") => value.parse::<bool>().map_or_else(|_| json!(value), Value::from),
                _ => json!(value),
            };
            if name == "per_page" && read.as_u64().is_none_or(|size| size == 0 || size > PAGE) {
                mistakes.push(format!("a page has 1 to {PAGE} entries, not {value}"));
            }
            mistakes.extend(schema.mistakes(&read).into_iter().map(|mistake| format!("`{name}`: {mistake}")));
        }
        match (&self.request, serde_json::from_slice::<Value>(body)) {
            (None, _) if body.is_empty() => {}
            (None, _) => mistakes.push("it has a body".into()),
            (Some(_), Err(error)) => mistakes.push(format!("its body is not JSON: {error}")),
            (Some(schema), Ok(body)) => mistakes.extend(schema.mistakes(&body)),
        }
        mistakes
    }

    /// What is wrong with an answer of the fake's own.
    pub(super) fn wrong_answer(&self, status: u16, body: &Value) -> Vec<String> {
        match self.answers.get(&status) {
            // Whatever is asked may be refused in these ways.
            None if matches!(status, 401 | 403 | 404 | 422 | 429) && body["message"].is_string() => vec![],
            None => vec![format!("answer: {status} is not described")],
            Some(None) => vec![],
            Some(Some(schema)) => schema.mistakes(body).into_iter().map(|it| format!("answer {it}")).collect(),
        }
    }
}

/// A request's schema with nothing in it but what is described, and nothing longer than its text says.
fn strict(schema: &Value, is_top: bool) -> Value {
    let mut schema = resolve(schema).clone();
    for key in ["anyOf", "oneOf", "allOf"] {
        for inner in schema[key].as_array_mut().into_iter().flatten() {
            *inner = strict(inner, is_top);
        }
    }
    if schema["items"].is_object() {
        schema["items"] = strict(&schema["items"], false);
    }
    if schema["properties"].is_object() {
        if is_top || schema["additionalProperties"].is_null() {
            schema["additionalProperties"] = false.into();
        }
        for (_, property) in schema["properties"].as_object_mut().into_iter().flatten() {
            *property = strict(property, false);
            if let Some(limit) = property["description"].as_str().and_then(limit) {
                property["maxLength"] = limit.into();
            }
        }
    }
    if let Value::Object(keys) = &mut schema {
        keys.retain(|_, value| !value.is_null());
    }
    schema
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
    if keys.get("nullable") != Some(&json!(true)) {
        return;
    }
    keys.remove("nullable");
    if let Some(values) = keys.get_mut("enum").and_then(Value::as_array_mut) {
        values.push(Value::Null);
    }
    match keys.get_mut("type") {
        Some(kind) => *kind = json!([kind.clone(), "null"]),
        None => {
            let schema = Value::Object(std::mem::take(keys));
            keys.insert("anyOf".to_owned(), json!([schema, { "type": "null" }]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Operation, operations};
    use serde_json::{Value, json};

    fn operation(name: &str) -> &'static Operation {
        operations().iter().find(|operation| operation.name == name).expect("it is described")
    }

    #[test]
    fn the_judge_knows_a_mistake_when_it_sees_one() {
        let status = operation("repos/create-deployment-status");
        let of = |body: Value| status.mistakes(&[], body.to_string().as_bytes()).join("\n");
        assert_eq!(of(json!({"state": "success", "description": "x".repeat(140)})), "");
        assert!(of(json!({"state": "success", "description": "x".repeat(141)})).contains("140"));
        assert!(of(json!({"state": "running"})).contains("running"));
        assert!(of(json!({"state": "success", "colour": "green"})).contains("colour"));
        assert!(of(json!({"description": "nothing"})).contains("state"));
        assert!(status.mistakes(&[], b"{").join("\n").contains("not JSON"));

        let create = operation("repos/create-deployment");
        let of = |body: Value| create.mistakes(&[], body.to_string().as_bytes()).join("\n");
        assert_eq!(of(json!({"ref": "main", "payload": {"any": ["thing"]}})), "");
        assert_eq!(of(json!({"ref": "main", "payload": "text"})), "");
        assert!(of(json!({"ref": "main", "payload": 3})).contains("payload"));

        let tree = operation("git/create-tree");
        let of = |body: Value| tree.mistakes(&[], body.to_string().as_bytes()).join("\n");
        assert_eq!(of(json!({"tree": [{"path": "a", "mode": "100644", "type": "blob", "content": ""}]})), "");
        assert!(of(json!({"tree": [{"path": "a", "mode": "100644", "kind": "blob"}]})).contains("kind"));

        let list = operation("repos/list-deployments");
        let query = |name: &str, value: &str| list.mistakes(&[(name.into(), value.into())], b"").join("\n");
        assert_eq!(query("page", "2") + &query("sha", "1") + &query("per_page", "100"), "");
        assert!(query("colour", "green").contains("colour"));
        assert!(query("per_page", "101").contains("100"));
        assert!(!list.mistakes(&[], b"{}").is_empty());
        assert!(!list.wrong_answer(200, &json!([{"id": 1}])).is_empty());
        assert!(!list.wrong_answer(201, &json!([])).is_empty());
    }

    #[test]
    fn paths_are_told_from_each_other() {
        let of = |method: &str, path: &str| {
            operations()
                .iter()
                .find_map(|operation| Some((operation.name.as_str(), operation.arguments(method, path)?)))
        };
        let (name, arguments) = of("GET", "/repos/acme/shop/git/ref/windlass/leases/shop").expect("a reference");
        assert_eq!((name, arguments["ref"].as_str()), ("git/get-ref", "windlass/leases/shop"));
        let (name, arguments) = of("DELETE", "/repos/acme/shop/environments/a%2Fb").expect("an environment");
        assert_eq!((name, arguments["environment_name"].as_str()), ("repos/delete-an-environment", "a%2Fb"));
        assert_eq!(of("GET", "/user").map(|(name, _)| name), Some("users/get-authenticated"));
        assert!(of("GET", "/repos/acme/shop/environments/a/b").is_none() && of("PUT", "/user").is_none());
    }
}
