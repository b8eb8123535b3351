//! Files of the project as text with places, and TOML and JSON as one tree in which every value knows its line.

use serde_json::value::RawValue;
use std::collections::BTreeMap;
use toml::de::{DeTable, DeValue};
use windlass_plugin::Failure;

/// A line of a file of the project.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// The file, relative to the project.
    pub file: String,
    /// The line, counted from 1.
    pub line: u32,
}

impl std::fmt::Display for Place {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}:{}", self.file, self.line)
    }
}

/// A value and the line that it begins on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    /// The line, counted from 1.
    pub line: u32,
    /// What it is.
    pub value: Value,
}

/// A value of either format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    /// A string.
    Text(String),
    /// An array.
    List(Vec<Node>),
    /// A table or object, in the file's order or by name.
    Table(Vec<(String, Node)>),
    /// Anything else, as it is written.
    Other(String),
}

impl Node {
    /// The value at the end of these keys.
    pub(crate) fn get(&self, keys: &[&str]) -> Option<&Self> {
        keys.iter().try_fold(self, |node, key| match &node.value {
            Value::Table(entries) => entries.iter().find(|(name, _)| name == key).map(|(_, node)| node),
            _ => None,
        })
    }

    /// The string that it is.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Its entries; none where it is no table.
    pub(crate) fn entries(&self) -> &[(String, Self)] {
        match &self.value {
            Value::Table(entries) => entries,
            _ => &[],
        }
    }

    /// Its items where it is a list, otherwise itself.
    pub(crate) fn items(&self) -> &[Self] {
        match &self.value {
            Value::List(items) => items,
            _ => std::slice::from_ref(self),
        }
    }
}

/// Line and column of a byte, both counted from 1, the column in characters.
fn position(text: &str, offset: usize) -> (u32, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (u32::try_from(line).unwrap_or(u32::MAX), column)
}

/// A file of the project that cannot be read as what it is.
pub(crate) fn unreadable(file: &str, format: &str, place: Option<(u32, usize)>, reason: &str) -> Failure {
    let place = place.map(|(line, column)| format!("{file}:{line}:{column}: ")).unwrap_or_default();
    // The libraries' messages may have several lines; a cause is one.
    let reason = reason.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(": ");
    Failure::misconfigured("manifest-unreadable", format!("`{file}` is not {format}"))
        .because(format!("{place}{reason}"))
        .with_hint(format!("correct `{file}`"))
}

/// Read TOML.
///
/// # Errors
/// `manifest-unreadable`, with line and column.
pub(crate) fn toml(file: &str, text: &str) -> Result<Node, Failure> {
    let table = DeTable::parse(text).map_err(|error| {
        unreadable(file, "TOML", error.span().map(|span| position(text, span.start)), error.message())
    })?;
    Ok(Node { line: 1, value: toml_table(text, table.get_ref()) })
}

fn toml_table(text: &str, table: &DeTable<'_>) -> Value {
    let entry = |(key, value): (&toml::Spanned<_>, &toml::Spanned<DeValue<'_>>)| {
        let key: &std::borrow::Cow<'_, str> = key.get_ref();
        (key.to_string(), toml_node(text, value))
    };
    Value::Table(table.iter().map(entry).collect())
}

fn toml_node(text: &str, node: &toml::Spanned<DeValue<'_>>) -> Node {
    let value = match node.get_ref() {
        DeValue::String(string) => Value::Text(string.to_string()),
        DeValue::Array(items) => Value::List(items.iter().map(|item| toml_node(text, item)).collect()),
        DeValue::Table(table) => toml_table(text, table),
        _ => Value::Other(text.get(node.span()).unwrap_or_default().into()),
    };
    Node { line: position(text, node.span().start).0, value }
}

/// How deep an object is looked into. What is read here is two levels down; a file can be nested far deeper.
const JSON_DEPTH: usize = 6;

/// Read JSON.
///
/// # Errors
/// `manifest-unreadable`, with line and column.
pub(crate) fn json(file: &str, text: &str) -> Result<Node, Failure> {
    let root: &RawValue = serde_json::from_str(text).map_err(|error| {
        let line = u32::try_from(error.line()).unwrap_or(u32::MAX);
        let message = error.to_string();
        // Said once is enough.
        let message = message.rsplit_once(" at line ").map_or(message.as_str(), |(message, _)| message);
        unreadable(file, "JSON", Some((line, error.column())), message)
    })?;
    Ok(json_node(text, root, JSON_DEPTH))
}

fn json_node(text: &str, raw: &RawValue, depth: usize) -> Node {
    let written = raw.get();
    // A raw value is a slice of the text it was read from: that is where its place comes from.
    let offset = (written.as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
    let other = || Value::Other(written.into());
    let value = match written.as_bytes().first() {
        Some(b'"') => serde_json::from_str(written).map_or_else(|_| other(), Value::Text),
        Some(b'{') if depth > 0 => serde_json::from_str::<BTreeMap<String, &RawValue>>(written).map_or_else(
            |_| other(),
            |map| Value::Table(map.into_iter().map(|(key, raw)| (key, json_node(text, raw, depth - 1))).collect()),
        ),
        Some(b'[') if depth > 0 => serde_json::from_str::<Vec<&RawValue>>(written).map_or_else(
            |_| other(),
            |items| Value::List(items.into_iter().map(|raw| json_node(text, raw, depth - 1)).collect()),
        ),
        _ => other(),
    };
    Node { line: position(text, offset).0, value }
}

/// The lines that say something: without comments (`#` to the end), without white space, with their numbers.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = (u32, &str)> {
    (1..)
        .zip(text.lines())
        .map(|(number, line)| (number, line.split('#').next().unwrap_or_default().trim()))
        .filter(|(_, line)| !line.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn toml_values_know_their_lines() {
        let text = "# head\n[package]\nname = \"shop\"\nversion.workspace = true\n\n[tools]\nnode = [\n  \"22\",\n  \"20\",\n]\n";
        let tree = toml("Cargo.toml", text).expect("valid");
        let name = tree.get(&["package", "name"]).expect("there");
        assert_eq!((name.line, name.text()), (3, Some("shop")));
        let inherited = tree.get(&["package", "version", "workspace"]).expect("there");
        assert_eq!((inherited.line, &inherited.value), (4, &Value::Other("true".into())));
        let items = tree.get(&["tools", "node"]).expect("there").items();
        assert_eq!(items.iter().map(|item| item.line).collect::<Vec<_>>(), [8, 9]);
    }

    #[test]
    fn json_values_know_their_lines() {
        let text =
            "{\n  \"name\": \"shop\",\n  \"engines\": {\n    \"npm\": 9,\n    \"node\": \"\\u003e=22\"\n  }\n}\n";
        let tree = json("package.json", text).expect("valid");
        let node = tree.get(&["engines", "node"]).expect("there");
        assert_eq!((node.line, node.text()), (5, Some(">=22")));
        assert_eq!(tree.get(&["engines", "npm"]).map(|node| &node.value), Some(&Value::Other("9".into())));
        assert_eq!(tree.get(&["name", "node"]), None);
    }

    #[test]
    fn what_is_malformed_is_named_with_its_place() {
        for (failure, place) in [
            (
                toml("a/Cargo.toml", "[package]\nversion = \"1.0.0\nname = 1\n").expect_err("open string"),
                "a/Cargo.toml:2:",
            ),
            (toml("x.toml", "a = 1\na = 2\n").expect_err("twice"), "x.toml:2:1: "),
            (json("package.json", "{\n  \"version\": 1.0.0\n}").expect_err("no number"), "package.json:2:"),
            (json("package.json", "").expect_err("empty"), "package.json:1:0: "),
            (json("package.json", "{} {}").expect_err("two"), "package.json:1:4: "),
        ] {
            assert_eq!(failure.code, "manifest-unreadable");
            assert!(failure.causes[0].starts_with(place), "{failure:?}");
            assert!(!failure.causes[0].contains('\n'), "{failure:?}");
        }
    }

    #[test]
    fn a_file_nested_deep_is_no_danger() {
        let depth = 100;
        let text = format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        assert!(json("package.json", &text).is_ok());
        assert!(json("package.json", &"[".repeat(100_000)).is_err());
        assert!(toml("x.toml", &format!("a = {}", "[".repeat(100_000))).is_err());
    }

    #[test]
    fn lines_are_without_comments() {
        let found: Vec<_> = lines("# one\n\n 22 # two\r\nv3\n").collect();
        assert_eq!(found, [(3, "22"), (4, "v3")]);
    }
}
