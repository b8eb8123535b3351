//! The keys of `deploy.toml` and of each plugin's `with`: a table for each table of theirs, from their JSON Schema.

use super::{json_of, list, one_line, paragraphs, table, text};
use crate::workspace;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Each schema, by what its blocks begin with.
pub(super) fn all() -> BTreeMap<String, Value> {
    let mut schemas = BTreeMap::from([("deploy.toml".to_owned(), json_of("schema"))]);
    for entry in std::fs::read_dir(workspace().join("plugins")).expect("the plugins") {
        let path = entry.expect("an entry").path();
        if path.join("Cargo.toml").is_file() {
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            schemas.insert(name.clone(), json_of(&format!("schema {name}")));
        }
    }
    schemas
}

/// A block for each table in them: of the schema itself, and of each definition that has more than one key.
pub(super) fn blocks(schemas: &BTreeMap<String, Value>, places: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut blocks = BTreeMap::new();
    for (name, schema) in schemas {
        let reader = Reader { name, schema, places };
        blocks.insert(format!("keys {name}"), reader.keys(schema));
        for (inner, definition) in schema["$defs"].as_object().into_iter().flatten() {
            if let Some(keys) = with_keys(definition).filter(|keys| has_several(keys)) {
                let about = paragraphs(text(definition, "description"));
                blocks.insert(reader.block(inner), format!("{about}\n\n{}", reader.keys(keys)));
            }
        }
    }
    blocks
}

/// What of a schema is a table with keys.
fn with_keys(schema: &Value) -> Option<&Value> {
    let either = |key: &str| list(schema, key).iter().find(|inner| inner["properties"].is_object());
    if schema["properties"].is_object() { Some(schema) } else { either("anyOf").or_else(|| either("oneOf")) }
}

fn has_several(schema: &Value) -> bool {
    schema["properties"].as_object().is_some_and(|keys| keys.len() > 1)
}

/// A table with one key, as it is written.
fn only_key(schema: &Value) -> String {
    let keys = schema["properties"].as_object().into_iter().flatten().map(|(key, _)| key.as_str());
    format!("`{{ {} = … }}`", keys.collect::<String>())
}

struct Reader<'a> {
    name: &'a str,
    schema: &'a Value,
    /// Where on the page each block is.
    places: &'a BTreeMap<String, String>,
}

impl<'a> Reader<'a> {
    fn block(&self, definition: &str) -> String {
        format!("keys {} {definition}", self.name)
    }

    fn keys(&self, schema: &Value) -> String {
        let none = Map::new();
        let keys = schema["properties"].as_object().unwrap_or(&none);
        let required = |key: &str| list(schema, "required").iter().any(|name| name == key);
        // Those that have to be there come first.
        let mut keys: Vec<_> = keys.iter().collect();
        keys.sort_by_key(|(key, _)| !required(key));
        let rows = keys.into_iter().map(|(key, value)| {
            let default = if required(key) { "required".to_owned() } else { default(&value["default"]) };
            vec![format!("`{key}`"), self.kind(value), default, self.meaning(value)]
        });
        table(&["key", "is", "default", "meaning"], rows)
    }

    /// The definition that a value is of, with its name.
    fn definition(&self, value: &'a Value) -> Option<(&'a str, &'a Value)> {
        let reference =
            value["$ref"].as_str().or_else(|| list(value, "anyOf").iter().find_map(|it| it["$ref"].as_str()));
        let name = reference?.strip_prefix("#/$defs/")?;
        Some((name, &self.schema["$defs"][name]))
    }

    /// What a value is, in a word or two.
    fn kind(&self, value: &Value) -> String {
        let Some((name, definition)) = self.definition(value) else { return self.plain(value) };
        let link = |word: &str| match self.places.get(&self.block(name)) {
            Some(place) => format!("[{word}]({place})"),
            None => word.to_owned(),
        };
        match with_keys(definition) {
            _ if matches!(name, "Duration") => "length of time".into(),
            _ if matches!(name, "Size") => "size".into(),
            Some(keys) if std::ptr::eq(keys, definition) && has_several(keys) => link("table"),
            Some(keys) if std::ptr::eq(keys, definition) => only_key(keys),
            Some(keys) if has_several(keys) => format!("text or {}", link("table")),
            Some(keys) => format!("text or {}", only_key(keys)),
            None => self.plain(definition),
        }
    }

    fn plain(&self, value: &Value) -> String {
        if let Some(either) = value["anyOf"].as_array().or(value["oneOf"].as_array()) {
            let mut kinds: Vec<String> = vec![];
            for kind in either.iter().map(|inner| self.kind(inner)).filter(|kind| kind != "nothing") {
                if !kinds.contains(&kind) {
                    kinds.push(kind);
                }
            }
            return match kinds.split_last() {
                Some((last, [])) => last.clone(),
                Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
                None => String::new(),
            };
        }
        let kinds = match &value["type"] {
            Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null"),
            kind => kind.as_str(),
        };
        match kinds {
            Some("string") => "text".into(),
            Some("integer" | "number") => "number".into(),
            Some("boolean") => "boolean".into(),
            Some("null") => "nothing".into(),
            Some("array") => self.several("list of", &value["items"]),
            Some("object") if value["additionalProperties"].is_object() => {
                self.several("table of", &value["additionalProperties"])
            }
            Some("object") => "table".into(),
            _ => "any value".into(),
        }
    }

    /// A list or a table of many.
    fn several(&self, what: &str, inner: &Value) -> String {
        match self.kind(inner).as_str() {
            "text" => format!("{what} texts"),
            "number" => format!("{what} numbers"),
            kind if kind.contains(" or ") && !kind.contains('[') => what.split(' ').next().unwrap_or_default().into(),
            kind if kind.starts_with('[') => format!("{what} {}", kind.replacen("table", "tables", 1)),
            kind => format!("{what} {kind}"),
        }
    }

    fn meaning(&self, value: &Value) -> String {
        let mut meaning = vec![one_line(text(value, "description"))];
        let (name, definition) = self.definition(value).unwrap_or(("", value));
        let inner = self.definition(&value["items"]).map_or(&value["items"], |(_, definition)| definition);
        let choices: Vec<&Value> = [definition, inner]
            .into_iter()
            .flat_map(|schema| list(schema, "oneOf"))
            .filter(|choice| choice["const"].is_string())
            .collect();
        let few = choices.len() < 6;
        let described = choices.iter().map(|choice| match text(choice, "description") {
            sentence if few => format!("`\"{}\"`: {sentence}", text(choice, "const")),
            _ => format!("`\"{}\"`", text(choice, "const")),
        });
        match described.collect::<Vec<_>>() {
            described if described.is_empty() => {}
            described if few => meaning.extend(described),
            described => meaning.push(format!("One of {}.", described.join(", "))),
        }
        // A text of one shape, which its definition describes.
        if definition["pattern"].is_string() && !matches!(name, "" | "Duration" | "Size") {
            meaning.push(text(definition, "description").to_owned());
            meaning.extend(definition["maxLength"].as_u64().map(|most| format!("At most {most} characters.")));
        }
        if let (Some(least), Some(most)) = (definition["minimum"].as_u64(), definition["maximum"].as_u64()) {
            meaning.push(format!("From {least} to {most}."));
        }
        meaning.join(" ")
    }
}

/// A default as it stands in TOML.
fn default(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Object(map) if map.is_empty() => "`{}`".into(),
        value => format!("`{value}`"),
    }
}
