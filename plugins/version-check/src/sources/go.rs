//! `.go-version`, `go.mod` and `go.work`.

use super::{Asks, Found, Role, only_line};
use crate::requirement::{Requirement, go};
use crate::tool::Tool;

/// `.go-version`.
pub(super) fn version_file(asks: &mut Asks, file: &str, text: &str) {
    if let Some(found) = only_line(asks, Tool::Go, file, text) {
        let read = |text: &str| Requirement::managed(Tool::Go, text.strip_prefix("go").unwrap_or(text));
        asks.add(Tool::Go, Role::Pin, file, &found, read);
    }
}

/// `go.mod` or `go.work`. The `go` line is a minimum that Go enforces; the `toolchain` line is a suggestion, which Go follows
/// by a download or, with `GOTOOLCHAIN=local`, not at all.
pub(super) fn module(asks: &mut Asks, file: &str, text: &str) {
    let mut in_block = false;
    for (line, text) in (1..).zip(text.lines()) {
        let text = text.split("//").next().unwrap_or_default().trim();
        let mut words = text.split_whitespace();
        match (in_block, words.next(), words.next()) {
            (true, Some(")"), _) => in_block = false,
            (false, _, _) if text.ends_with('(') => in_block = true,
            (false, Some("go"), Some(version)) => {
                let found = Found { text: version, line, key: Some("go") };
                asks.add(Tool::Go, Role::Range, file, &found, go::minimum);
            }
            (false, Some("toolchain"), Some(version)) if version != "default" => {
                let found = Found { text: version, line, key: Some("toolchain") };
                asks.add(Tool::Go, Role::Advice, file, &found, go::minimum);
            }
            _ => {}
        }
    }
}
