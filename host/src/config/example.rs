//! What a JSON Schema says to a person: its keys, and an example that fits it.

use serde_json::{Map, Value, json};
use std::cell::Cell;

/// How deep references and tables are followed. A schema may contain itself.
const DEEPEST: usize = 8;

/// How many parts of a schema are looked at, whatever it says: a small one whose tables name each other has no end otherwise.
const MOST: usize = 10_000;

/// A whole schema, and how much of it may still be looked at.
struct Whole<'a> {
    schema: &'a Value,
    left: Cell<usize>,
}

impl<'a> Whole<'a> {
    const fn new(schema: &'a Value) -> Self {
        Self { schema, left: Cell::new(MOST) }
    }

    /// Whether one part more may be looked at.
    fn goes_on(&self) -> bool {
        let left = self.left.get();
        self.left.set(left.saturating_sub(1));
        left > 0
    }
}

/// One key of a configuration.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Key {
    /// Its name.
    pub name: String,
    /// What its value is, in a few words.
    pub kind: String,
    /// What its value has to be besides, in a few words each.
    pub limits: Vec<String>,
    /// Whether it has to be there.
    pub required: bool,
    /// What holds where it is not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    /// What it means, as the plugin says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// The keys that a schema names at its top, those that have to be there first.
#[must_use]
pub fn keys(schema: &Value) -> Vec<Key> {
    let whole = &Whole::new(schema);
    let top = resolved(whole, schema, 0);
    let Some(properties) = top["properties"].as_object() else { return Vec::new() };
    let mut keys: Vec<Key> = properties
        .iter()
        .map(|(name, property)| {
            let full = resolved(whole, property, 0);
            Key {
                name: name.clone(),
                kind: kind(whole, &full, 0),
                limits: limits(whole, &full, 0),
                required: is_required(&top, name),
                default: full.get("default").filter(|default| !default.is_null()).cloned(),
                description: full["description"].as_str().map(|text| text.replace('\n', " ")),
            }
        })
        .collect();
    keys.sort_by_key(|key| !key.required);
    keys
}

/// A configuration with what has to be in it: each value is the schema's own example or default where it has one.
#[must_use]
pub fn example(schema: &Value) -> Value {
    match made(&Whole::new(schema), schema, "", 0) {
        table @ Value::Object(_) => table,
        _ => json!({}),
    }
}

fn is_required(schema: &Value, name: &str) -> bool {
    schema["required"].as_array().is_some_and(|names| names.iter().any(|required| required == name))
}

/// A schema with what it refers to, and all of what it has to fit at once, put into it.
fn resolved(root: &Whole<'_>, schema: &Value, depth: usize) -> Value {
    let Value::Object(own) = schema else { return json!({}) };
    let mut result = Map::new();
    if depth < DEEPEST && root.goes_on() {
        let target = own.get("$ref").and_then(Value::as_str);
        let target = target.and_then(|path| root.schema.pointer(path.strip_prefix('#')?));
        let all = own.get("allOf").and_then(Value::as_array).into_iter().flatten();
        for part in target.into_iter().chain(all) {
            let Value::Object(part) = resolved(root, part, depth + 1) else { continue };
            merge(&mut result, part);
        }
    }
    merge(&mut result, own.clone());
    Value::Object(result)
}

/// Puts a schema's words over another's; properties and required keys add up.
fn merge(into: &mut Map<String, Value>, from: Map<String, Value>) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(Value::Object(there)), Value::Object(more)) if key == "properties" => there.extend(more),
            (Some(Value::Array(there)), Value::Array(more)) if key == "required" => there.extend(more),
            (_, value) => drop(into.insert(key, value)),
        }
    }
}

/// The alternatives of a schema that can be shown: without `null`.
fn alternatives(schema: &Value) -> Option<Vec<&Value>> {
    let list = schema.get("oneOf").or_else(|| schema.get("anyOf"))?.as_array()?;
    Some(list.iter().filter(|alternative| alternative["type"] != "null").collect())
}

/// The types that a schema names, without `null`.
fn types(schema: &Value) -> Vec<&str> {
    let types = match &schema["type"] {
        Value::Array(list) => list.iter().filter_map(Value::as_str).collect(),
        Value::String(only) => vec![only.as_str()],
        _ => vec![],
    };
    types.into_iter().filter(|name| *name != "null").collect()
}

fn kind(root: &Whole<'_>, schema: &Value, depth: usize) -> String {
    if let Some(only) = schema.get("const") {
        return only.to_string();
    }
    if let Some(list) = schema["enum"].as_array() {
        let list: Vec<String> = list.iter().filter(|value| !value.is_null()).map(Value::to_string).collect();
        return list.join(" or ");
    }
    if depth < DEEPEST
        && root.goes_on()
        && let Some(list) = alternatives(schema)
    {
        let mut kinds: Vec<String> = Vec::new();
        for alternative in list {
            let kind = kind(root, &resolved(root, alternative, depth), depth + 1);
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
        return kinds.join(" or ");
    }
    let names: Vec<String> = types(schema)
        .into_iter()
        .map(|name| match name {
            "array" if depth < DEEPEST && schema["items"].is_object() => {
                format!("list of {}", kind(root, &resolved(root, &schema["items"], depth), depth + 1))
            }
            "array" => "list".to_owned(),
            "object" => "table".to_owned(),
            "string" => "text".to_owned(),
            "integer" => "whole number".to_owned(),
            other => other.to_owned(),
        })
        .collect();
    if names.is_empty() { "anything".to_owned() } else { names.join(" or ") }
}

/// What a value has to be besides its type, as far as a schema says it in words of its own.
fn limits(root: &Whole<'_>, schema: &Value, depth: usize) -> Vec<String> {
    let mut said = Vec::new();
    let text = |key: &str| schema[key].as_str();
    let number = |key: &str| schema[key].as_number();
    if let Some(pattern) = text("pattern") {
        said.push(format!("matches `{pattern}`"));
    }
    // Of numbers it says how they are kept.
    if let Some(format) = text("format").filter(|_| types(schema).contains(&"string")) {
        said.push(format!("is a `{format}`"));
    }
    let mut between = |least: &str, most: &str, of: [&str; 2]| {
        let counted = |number: &serde_json::Number| format!("{number}{}", of[usize::from(number.as_u64() != Some(1))]);
        match (number(least), number(most)) {
            (Some(least), Some(most)) if least == most => said.push(format!("exactly {}", counted(most))),
            (Some(least), Some(most)) => said.push(format!("{least} to {}", counted(most))),
            (Some(least), None) => said.push(format!("at least {}", counted(least))),
            (None, Some(most)) => said.push(format!("at most {}", counted(most))),
            (None, None) => {}
        }
    };
    between("minimum", "maximum", ["", ""]);
    between("minLength", "maxLength", [" character", " characters"]);
    between("minItems", "maxItems", [" entry", " entries"]);
    said.extend(number("exclusiveMinimum").map(|least| format!("more than {least}")));
    said.extend(number("exclusiveMaximum").map(|most| format!("less than {most}")));
    said.extend(number("multipleOf").map(|step| format!("a multiple of {step}")));
    said.extend((schema["uniqueItems"] == true).then(|| "no entry twice".to_owned()));
    if depth == DEEPEST || !root.goes_on() {
        return said;
    }
    for (key, each) in [("items", "each entry"), ("additionalProperties", "each value"), ("propertyNames", "each key")]
    {
        if schema[key].is_object() {
            let of_each = limits(root, &resolved(root, &schema[key], depth), depth + 1);
            said.extend(of_each.into_iter().map(|limit| format!("{each}: {limit}")));
        }
    }
    for alternative in alternatives(schema).unwrap_or_default() {
        for limit in limits(root, &resolved(root, alternative, depth), depth + 1) {
            if !said.contains(&limit) {
                said.push(limit);
            }
        }
    }
    said
}

fn made(root: &Whole<'_>, schema: &Value, name: &str, depth: usize) -> Value {
    let schema = &resolved(root, schema, 0);
    let own = [schema["examples"].get(0), schema.get("const"), schema.get("default"), schema["enum"].get(0)];
    if let Some(value) = own.into_iter().flatten().find(|value| !value.is_null())
        && !name.is_empty()
    {
        return value.clone();
    }
    if depth >= DEEPEST || !root.goes_on() {
        return Value::Null;
    }
    if schema.get("properties").is_none()
        && let Some(first) = alternatives(schema).and_then(|list| list.first().copied())
    {
        return made(root, first, name, depth + 1);
    }
    let least = |key: &str| schema[key].as_u64().unwrap_or(0);
    match types(schema).first().copied() {
        Some("object") | None if schema["properties"].is_object() || name.is_empty() => {
            let wanted = schema["properties"].as_object().into_iter().flatten();
            let wanted = wanted.filter(|(key, _)| is_required(schema, key));
            Value::Object(wanted.map(|(key, value)| (key.clone(), made(root, value, key, depth + 1))).collect())
        }
        Some("object") => json!({}),
        Some("array") => {
            // Lists of lists are as long as they are deep, and no longer.
            let most = if depth < 2 { DEEPEST } else { 1 };
            let count = usize::try_from(least("minItems")).unwrap_or(0).min(most);
            Value::Array(vec![made(root, &schema["items"], name, depth + 1); count])
        }
        Some("integer" | "number") => schema.get("minimum").cloned().unwrap_or(json!(1)),
        Some("boolean") => json!(false),
        _ if schema["format"] == "uri" => json!("https://example.com/"),
        _ => json!(if name.is_empty() { "example" } else { name }),
    }
}

#[cfg(test)]
mod tests {
    use super::{example, keys};
    use serde_json::{Map, Value, json};

    #[test]
    fn a_schema_whose_tables_are_made_of_each_other_comes_to_an_end() {
        let names: Vec<String> = (0..100).map(|number| format!("k{number}")).collect();
        let keys_of = |to: &str| -> Map<String, Value> {
            names.iter().map(|name| (name.clone(), json!({ "$ref": format!("#/$defs/{to}") }))).collect()
        };
        let table = |to: &str| json!({ "type": "object", "required": names, "properties": keys_of(to) });
        let list = json!({ "type": "array", "minItems": 100, "items": { "$ref": "#/$defs/list" } });
        let either = json!({ "anyOf": vec![json!({ "$ref": "#/$defs/either" }); 100] });
        for to in ["table", "list", "either"] {
            let defined = json!({ "table": table("table"), "list": list, "either": either });
            let mut schema = table(to);
            schema["$defs"] = defined;
            assert_eq!(keys(&schema).len(), 100, "{to}");
            assert!(example(&schema).is_object(), "{to}");
        }
    }

    #[test]
    fn what_has_to_be_there_is_in_the_example_with_the_schemas_own_values() {
        let schema = json!({
            "type": "object",
            "required": ["url", "level", "many", "inner", "either", "named"],
            "properties": {
                "left-out": { "type": "string" },
                "url": { "type": "string", "examples": ["https://cdn.example.com"] },
                "level": { "enum": ["low", "high"] },
                "many": { "type": "array", "minItems": 1, "items": { "type": "integer", "minimum": 3 } },
                "inner": { "$ref": "#/$defs/inner" },
                "either": { "anyOf": [{ "type": "null" }, { "type": "boolean" }] },
                "named": { "type": "string" }
            },
            "$defs": {
                "inner": {
                    "type": "object", "required": ["again"], "properties": { "again": { "$ref": "#/$defs/text" } }
                },
                "text": { "type": ["string", "null"], "default": "so" }
            }
        });
        let expected = json!({
            "url": "https://cdn.example.com", "level": "low", "many": [3], "inner": { "again": "so" },
            "either": false, "named": "named"
        });
        assert_eq!(example(&schema), expected);
        let kinds: Vec<String> = keys(&schema).into_iter().map(|key| format!("{}: {}", key.name, key.kind)).collect();
        let expected = [
            "either: boolean",
            "inner: table",
            "level: \"low\" or \"high\"",
            "many: list of whole number",
            "named: text",
            "url: text",
            "left-out: text",
        ];
        assert_eq!(kinds, expected);
    }

    #[test]
    fn what_a_value_has_to_be_besides_is_said() {
        let schema = json!({
            "properties": {
                "a": { "type": "string", "pattern": "^[a-z]+$", "maxLength": 64, "format": "hostname" },
                "b": { "type": "integer", "format": "uint16", "minimum": 1, "maximum": 65535 },
                "c": { "type": "array", "minItems": 1, "uniqueItems": true, "items": { "$ref": "#/$defs/word" } },
                "d": { "anyOf": [{ "$ref": "#/$defs/word" }, { "type": "null" }, { "type": "number", "exclusiveMinimum": 0 }] },
                "e": { "type": "object", "propertyNames": { "minLength": 2 }, "additionalProperties": { "multipleOf": 5 } },
                "f": { "enum": ["low", "high"] }
            },
            "$defs": { "word": { "type": "string", "pattern": "^w$" } }
        });
        let limits: Vec<String> =
            keys(&schema).into_iter().map(|key| format!("{}: {}", key.name, key.limits.join(", "))).collect();
        let expected = [
            "a: matches `^[a-z]+$`, is a `hostname`, at most 64 characters",
            "b: 1 to 65535",
            "c: at least 1 entry, no entry twice, each entry: matches `^w$`",
            "d: matches `^w$`, more than 0",
            "e: each value: a multiple of 5, each key: at least 2 characters",
            "f: ",
        ];
        assert_eq!(limits, expected);
    }

    #[test]
    fn a_schema_that_contains_itself_has_an_end() {
        let schema = json!({
            "$ref": "#/$defs/tree",
            "$defs": {
                "tree": {
                    "type": "object", "required": ["left", "right"],
                    "properties": { "left": { "$ref": "#/$defs/tree" }, "right": { "$ref": "#/$defs/tree" } }
                },
            }
        });
        assert!(example(&schema)["left"]["right"].is_object());
        assert_eq!(keys(&schema).len(), 2);
        let turning = json!({ "$ref": "#/$defs/a", "$defs": { "a": { "$ref": "#/$defs/a" } } });
        assert_eq!(example(&turning), json!({}));
        assert_eq!(example(&json!(true)), json!({}));
    }
}
