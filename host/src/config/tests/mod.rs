//! Tests of the room as a whole: whole files in, values or problems out.

mod good;
mod mistakes;
mod with;

use super::{Config, parse};
use crate::problem::Problem;

/// One step and two environments; what is added comes at the end.
pub(super) const SMALL: &str = r#"schema = 1
app = "shop"
env = ["BUILD_NUMBER"]
vars = { region = "north" }
environments.staging.url = "https://staging.example"
environments.production.vars.size = "big"
[[step]]
id = "release"
plugin = "command"
"#;

pub(super) fn good(text: &str) -> Config {
    parse("deploy.toml", text).unwrap_or_else(|problems| panic!("{text}\n{}", shown(&problems).join("\n")))
}

/// `code line:column what / causes / hint` of each problem; the note is the same everywhere.
pub(super) fn shown(problems: &[Problem]) -> Vec<String> {
    let one = |problem: &Problem| {
        assert_eq!(problem.note.as_deref(), Some("nothing was run"), "{problem:?}");
        let (line, column) = problem.place.as_ref().map_or((0, 0), crate::problem::Place::line_and_column);
        let mut text = format!("{} {line}:{column} {}", problem.code.word(), problem.what);
        for more in problem.causes.iter().chain(&problem.hint) {
            text.push_str(" / ");
            text.push_str(more);
        }
        text
    };
    problems.iter().map(one).collect()
}
