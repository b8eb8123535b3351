//! Files of version managers for many tools: `.tool-versions` (asdf, mise) and `mise.toml`.

use super::{Asks, Found, Role};
use crate::document::{self, Node, Value};
use crate::requirement::Requirement;
use crate::tool::Tool;

/// Read alternatives: the first that is installed is used, so any will do.
fn any_of<'a>(tool: Tool, versions: impl Iterator<Item = &'a str>) -> Result<Requirement, String> {
    let mut read = versions.map(|text| Requirement::managed(tool, text)).collect::<Result<Vec<_>, _>>()?;
    match read.len() {
        0 => Err("it stands there without a version".into()),
        1 => Ok(read.remove(0)),
        _ => Ok(Requirement::Any(read)),
    }
}

/// `.tool-versions`: a tool and its versions on each line.
pub(super) fn tool_versions(asks: &mut Asks, file: &str, text: &str) {
    for (line, text) in document::lines(text) {
        let (name, versions) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let Some(tool) = Tool::by_name(name) else { continue };
        let versions = versions.trim();
        let found = Found { text: versions, line, key: None };
        asks.add(tool, Role::Pin, file, &found, |versions| match versions {
            "" => Err(format!("`{name}` stands there without a version")),
            _ => any_of(tool, versions.split_whitespace()),
        });
    }
}

/// `mise.toml`: `[tools]` with a version, several, or a table with `version`.
pub(super) fn mise(asks: &mut Asks, file: &str, text: &str) {
    let tree = match document::toml(file, text) {
        Ok(tree) => tree,
        Err(failure) => return asks.failures.push(failure),
    };
    for (name, node) in tree.get(&["tools"]).map(Node::entries).unwrap_or_default() {
        let Some(tool) = Tool::by_name(name) else { continue };
        let versions: Vec<&str> = node.items().iter().filter_map(version).collect();
        let found = Found { text: &versions.join(" "), line: node.line, key: Some("tools") };
        asks.add(tool, Role::Pin, file, &found, |_| any_of(tool, versions.iter().copied()));
    }
}

/// A version as a string, as a bare number, or in a table.
fn version(node: &Node) -> Option<&str> {
    match &node.value {
        Value::Text(text) => Some(text),
        Value::Other(text) if text.starts_with(|c: char| c.is_ascii_digit()) => Some(text),
        Value::Table(_) => node.get(&["version"]).and_then(version),
        _ => None,
    }
}
