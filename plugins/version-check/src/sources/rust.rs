//! `rust-toolchain.toml`, `rust-toolchain` and `Cargo.toml`.

use super::{Ask, Asks, Found, Role, only_line};
use crate::document::{self, Node, Value};
use crate::requirement::{Requirement, rust};
use crate::tool::Tool;

/// Either toolchain file. The one without an ending is a bare channel or TOML.
pub(super) fn toolchain(asks: &mut Asks, file: &str, text: &str) {
    if !file.ends_with(".toml") && !text.contains('[') {
        if let Some(found) = only_line(asks, Tool::Rust, file, text) {
            asks.add(Tool::Rust, Role::Pin, file, &found, rust::channel);
        }
        return;
    }
    match document::toml(file, text) {
        Ok(tree) => asks.add_text(
            Tool::Rust,
            Role::Pin,
            file,
            tree.get(&["toolchain", "channel"]),
            "toolchain.channel",
            rust::channel,
        ),
        Err(failure) => asks.failures.push(failure),
    }
}

/// `Cargo.toml`. What is inherited from a workspace elsewhere is left to `cargo metadata`.
pub(super) fn manifest(asks: &mut Asks, file: &str, text: &str) {
    match document::toml(file, text) {
        Ok(tree) => {
            let own = tree.get(&["package", "rust-version"]).filter(|node| !matches!(node.value, Value::Table(_)));
            asks.add_text(Tool::Rust, Role::Range, file, own, "rust-version", rust::minimum);
            let shared: Option<&Node> = tree.get(&["workspace", "package", "rust-version"]);
            asks.add_text(Tool::Rust, Role::Range, file, shared, "workspace.package.rust-version", rust::minimum);
        }
        Err(failure) => asks.failures.push(failure),
    }
}

impl Asks {
    /// Note what a key asks for, if it is there; it has to be a string.
    pub(super) fn add_text(
        &mut self,
        tool: Tool,
        role: Role,
        file: &str,
        node: Option<&Node>,
        key: &'static str,
        read: impl FnOnce(&str) -> Result<Requirement, String>,
    ) {
        let Some(node) = node else { return };
        let (text, is_text) = match &node.value {
            Value::Text(text) | Value::Other(text) => (text.as_str(), matches!(node.value, Value::Text(_))),
            _ => ("it", false),
        };
        let found = Found { text, line: node.line, key: Some(key) };
        self.add(
            tool,
            role,
            file,
            &found,
            |text| if is_text { read(text) } else { Err(format!("`{text}` is not a string")) },
        );
    }

    /// Note the `rust-version` that cargo tells of a member of the workspace, unless a manifest asks for as much itself.
    pub(crate) fn add_rust_version(&mut self, file: &str, line: u32, text: &str) {
        let Ok(Requirement::RustMinimum(minimum)) = rust::minimum(text) else { return };
        let known =
            |ask: &Ask| matches!(ask.requirement, Requirement::RustMinimum(_)) && rust::at_least(&minimum, &ask.text);
        if !self.all.iter().any(known) {
            self.add(Tool::Rust, Role::Range, file, &Found { text, line, key: Some("rust-version") }, rust::minimum);
        }
    }
}
