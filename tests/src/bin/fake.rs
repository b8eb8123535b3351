//! A fake forge as a process, for tests that are not written in Rust: `fake github` or `fake gitlab`.
//!
//! Its first line are the variables of a job there, as JSON. Each line that it is given, and the end of them, it answers with a
//! line of what it keeps and was asked. Then it ends.

use e2e::github::GitHub;
use e2e::gitlab::GitLab;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Write;

fn main() -> std::io::Result<()> {
    let name = std::env::args().nth(1).unwrap_or_default();
    let (variables, kept): (_, Box<dyn Fn() -> Value>) = match name.as_str() {
        "github" => {
            let github = GitHub::start();
            (github.variables(), Box::new(move || github.kept()))
        }
        "gitlab" => {
            let gitlab = GitLab::start();
            (gitlab.variables(None), Box::new(move || gitlab.kept()))
        }
        _ => return Err(std::io::Error::other("which forge? `fake github` or `fake gitlab`")),
    };
    let variables: BTreeMap<&str, String> = variables.into_iter().collect();
    let say = |value: &Value| writeln!(std::io::stdout().lock(), "{value}");
    say(&serde_json::to_value(variables)?)?;
    for line in std::io::stdin().lines() {
        line?;
        say(&kept())?;
    }
    say(&kept())
}
