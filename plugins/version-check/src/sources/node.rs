//! `.nvmrc`, `.node-version` and `package.json`.

use super::{Asks, Found, Role, only_line};
use crate::document::{self, Node};
use crate::requirement::{Pin, Requirement, node};
use crate::tool::Tool;

/// `.nvmrc` or `.node-version`.
pub(super) fn version_file(asks: &mut Asks, file: &str, text: &str) {
    if let Some(found) = only_line(asks, Tool::Node, file, text) {
        asks.add(Tool::Node, Role::Pin, file, &found, node::version_file);
    }
}

/// `package.json`: Volta's pins, `packageManager`, `engines` and `devEngines`.
pub(super) fn package(asks: &mut Asks, file: &str, text: &str) {
    let tree = match document::json(file, text) {
        Ok(tree) => tree,
        Err(failure) => return asks.failures.push(failure),
    };
    for (tool, key) in
        [(Tool::Node, "volta.node"), (Tool::Npm, "volta.npm"), (Tool::Pnpm, "volta.pnpm"), (Tool::Yarn, "volta.yarn")]
    {
        asks.add_text(tool, Role::Pin, file, tree.get(&["volta", tool.name()]), key, node::version_file);
    }
    if let Some((node, text)) = tree.get(&["packageManager"]).and_then(|node| Some((node, node.text()?))) {
        package_manager(asks, file, node.line, text);
    }
    for (tool, key) in [
        (Tool::Node, "engines.node"),
        (Tool::Npm, "engines.npm"),
        (Tool::Pnpm, "engines.pnpm"),
        (Tool::Yarn, "engines.yarn"),
    ] {
        asks.add_text(tool, Role::Range, file, tree.get(&["engines", tool.name()]), key, node::range);
    }
    for (key, name) in [("runtime", "devEngines.runtime"), ("packageManager", "devEngines.packageManager")] {
        for engine in tree.get(&["devEngines", key]).map(Node::items).unwrap_or_default() {
            development_engine(asks, file, engine, name);
        }
    }
}

/// `pnpm@9.1.0+sha512…`. Others than the three (bun, vlt) are left alone.
fn package_manager(asks: &mut Asks, file: &str, line: u32, text: &str) {
    let (name, version) = text.split_once('@').unwrap_or((text, ""));
    let Some(tool) = Tool::by_name(name).filter(|tool| matches!(tool, Tool::Npm | Tool::Pnpm | Tool::Yarn)) else {
        return;
    };
    let found = Found { text: if version.is_empty() { text } else { version }, line, key: Some("packageManager") };
    asks.add(tool, Role::Pin, file, &found, |_| match version {
        "" => Err(format!("`{text}` names no version")),
        // A URL is allowed, and says nothing about the version.
        _ if version.contains("://") => Ok(Requirement::Unchecked("it is a URL")),
        _ => Pin::parse(version).map(Requirement::Pin),
    });
}

/// One entry of `devEngines`, as npm reads it: `onFail` is `error` where it is not said.
fn development_engine(asks: &mut Asks, file: &str, engine: &Node, key: &'static str) {
    let text = |key| engine.get(&[key]).and_then(Node::text);
    let Some(tool) = text("name").and_then(Tool::by_name) else { return };
    let role = match text("onFail") {
        Some("ignore") => return,
        Some("warn") => Role::Advice,
        _ => Role::Range,
    };
    asks.add_text(tool, role, file, engine.get(&["version"]), key, node::range);
}
