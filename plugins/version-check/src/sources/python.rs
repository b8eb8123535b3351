//! `.python-version`, `runtime.txt`, `Pipfile` and `pyproject.toml`.

use super::{Asks, Role, only_line};
use crate::document::{self, Value};
use crate::requirement::{Requirement, python};
use crate::tool::Tool;

/// `.python-version`. Of several lines the first is the one that `python3` is.
pub(super) fn version_file(asks: &mut Asks, file: &str, text: &str) {
    if let Some(found) = only_line(asks, Tool::Python, file, text) {
        asks.add(Tool::Python, Role::Pin, file, &found, python::version_file);
    }
}

/// `runtime.txt`, which others than Python use too.
pub(super) fn runtime(asks: &mut Asks, file: &str, text: &str) {
    let first = document::lines(text).next().map_or("", |(_, line)| line);
    if first.starts_with("python-") || first.starts_with(|c: char| c.is_ascii_digit()) {
        version_file(asks, file, text);
    }
}

/// `Pipfile`.
pub(super) fn pipfile(asks: &mut Asks, file: &str, text: &str) {
    match document::toml(file, text) {
        Ok(tree) => {
            let managed = |text: &str| Requirement::managed(Tool::Python, text);
            for (key, name) in
                [("python_full_version", "requires.python_full_version"), ("python_version", "requires.python_version")]
            {
                asks.add_text(Tool::Python, Role::Pin, file, tree.get(&["requires", key]), name, managed);
            }
        }
        Err(failure) => asks.failures.push(failure),
    }
}

/// `pyproject.toml`: the standard's key, and Poetry's older one.
pub(super) fn project(asks: &mut Asks, file: &str, text: &str) {
    match document::toml(file, text) {
        Ok(tree) => {
            let node = tree.get(&["project", "requires-python"]);
            asks.add_text(Tool::Python, Role::Range, file, node, "requires-python", python::specifiers);
            let poetry = tree.get(&["tool", "poetry", "dependencies", "python"]);
            let poetry = match poetry.map(|node| &node.value) {
                Some(Value::Table(_)) => poetry.and_then(|node| node.get(&["version"])),
                _ => poetry,
            };
            asks.add_text(Tool::Python, Role::Range, file, poetry, "tool.poetry.dependencies.python", python::poetry);
        }
        Err(failure) => asks.failures.push(failure),
    }
}
