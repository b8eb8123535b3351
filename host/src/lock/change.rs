//! What a lock would gain and lose, and how that is shown.

use super::{Lock, LockedSteps};
use crate::config::listing;
use crate::policy::{Capability, Phases, visible};
use serde::Serialize;
use std::fmt::Write as _;

/// What a lock would gain and lose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The environment.
    pub environment: String,
    /// The step.
    pub step: String,
    /// Whether it lets more happen.
    pub widens: bool,
    /// In one line.
    pub line: String,
}

impl Lock {
    /// What `wanted` has that this has not, and the other way round.
    #[must_use]
    pub fn changes_to(&self, wanted: &Self) -> Vec<Change> {
        let mut changes = Vec::new();
        let empty = LockedSteps::new();
        let names: std::collections::BTreeSet<&String> =
            self.environments.keys().chain(wanted.environments.keys()).collect();
        for environment in names {
            let old = self.environments.get(environment).unwrap_or(&empty);
            let new = wanted.environments.get(environment).unwrap_or(&empty);
            let ids: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
            for id in ids {
                let mut add = |widens: bool, line: String| {
                    changes.push(Change { environment: environment.clone(), step: id.clone(), widens, line });
                };
                for (widens, one, other) in [(false, old.get(id), new.get(id)), (true, new.get(id), old.get(id))] {
                    let Some(one) = one else { continue };
                    if other.is_none_or(|other| other.plugin != one.plugin || other.sha256 != one.sha256) {
                        let digest = one.sha256.as_ref().map(|digest| {
                            let short: String = digest.chars().take(12).collect();
                            format!(" (sha256 {}…)", visible(&short))
                        });
                        let plugin = visible(&one.plugin);
                        add(widens, format!("use the plugin `{plugin}`{}", digest.unwrap_or_default()));
                    }
                    let others = other.map(|other| other.capabilities.as_slice()).unwrap_or_default();
                    for capability in &one.capabilities {
                        if let Some(line) = beyond(capability, others) {
                            add(widens, line);
                        }
                    }
                }
            }
        }
        changes
    }
}

/// A capability and its phases in one line.
#[must_use]
pub fn describe(capability: &Capability) -> String {
    format!("{capability} ({})", words(capability.phases()))
}

/// What this capability lets happen that none of the others does; none where that is nothing. The same thing in more phases is
/// no more than these phases.
pub(super) fn beyond(capability: &Capability, others: &[Capability]) -> Option<String> {
    if others.contains(capability) {
        return None;
    }
    let elsewhere: Phases = others
        .iter()
        .filter(|other| other.in_phases(&Phases::new()) == capability.in_phases(&Phases::new()))
        .flat_map(|other| other.phases().iter().copied())
        .collect();
    let more: Phases = capability.phases().difference(&elsewhere).copied().collect();
    match (elsewhere.is_empty(), more.is_empty()) {
        (true, _) => Some(describe(capability)),
        (false, true) => None,
        (false, false) => Some(format!("{capability} (also {})", words(&more))),
    }
}

fn words(phases: &Phases) -> String {
    phases.iter().map(|phase| phase.word()).collect::<Vec<_>>().join(", ")
}

/// A list of changes as `windlass lock` shows it.
#[must_use]
pub fn render(changes: &[Change]) -> String {
    let mut text = String::new();
    let mut last = None;
    for change in changes {
        let here = (&change.environment, &change.step);
        if last != Some(here) {
            let _ = writeln!(text, "{} / {}", visible(&change.environment), visible(&change.step));
            last = Some(here);
        }
        let _ = writeln!(text, "  {} {}", if change.widens { '+' } else { '-' }, change.line);
    }
    let count = |widens| changes.iter().filter(|change| change.widens == widens).count();
    let _ = writeln!(text, "{}", listing_of(count(true), count(false)));
    text
}

/// A list of changes as a comment on a pull or merge request shows it, in the Markdown of both forges.
#[must_use]
pub fn table(changes: &[Change]) -> String {
    let mut text = String::from("| | environment | step | it may |\n| --- | --- | --- | --- |\n");
    for Change { environment, step, widens, line } in changes {
        let mark = if *widens { "➕ more" } else { "➖ less" };
        let _ =
            writeln!(text, "| {mark} | {} | {} | {} |", cell(&visible(environment)), cell(&visible(step)), cell(line));
    }
    let count = |widens| changes.iter().filter(|change| change.widens == widens).count();
    let _ = writeln!(text, "\n{}", listing_of(count(true), count(false)));
    text
}

/// A text in a cell of a table. What stands between backticks is code; the rest is text, whoever wrote it.
fn cell(line: &str) -> String {
    let mut text = String::new();
    let parts: Vec<&str> = line.split('`').collect();
    // With a backtick that has no other nobody knows what is code.
    let is_paired = parts.len() % 2 == 1;
    for (index, part) in parts.iter().enumerate() {
        if is_paired && index % 2 == 1 && !part.is_empty() {
            let _ = write!(text, "`{}`", part.replace('|', "\\|"));
            continue;
        }
        let tick = if !is_paired && index > 0 { "`" } else { "" };
        for character in tick.chars().chain(part.chars()) {
            if character.is_ascii_punctuation() && !".,-/()=+%;:".contains(character) {
                let _ = write!(text, "&#{};", u32::from(character));
            } else {
                text.push(character);
            }
            // Nobody is called by it.
            if matches!(character, '@' | '#') {
                text.push_str("&#8288;");
            }
        }
    }
    text
}

fn listing_of(more: usize, less: usize) -> String {
    let lines = |count: usize| if count == 1 { "1 line".to_owned() } else { format!("{count} lines") };
    listing([format!("{} more", lines(more)), format!("{} less", lines(less))], "and").replace('`', "")
}

#[cfg(test)]
mod tests {
    use super::super::LockedStep;
    use super::super::tests::{capability, lock};
    use super::*;

    #[test]
    fn changes_say_what_widens_and_what_narrows() {
        let mut wanted = lock();
        wanted.environments.get_mut("staging").expect("staging").get_mut("release").expect("release").capabilities =
            vec![capability(r#"{"kind":"environment","name":"BUILD","phases":["apply"]}"#)];
        let changes = lock().changes_to(&wanted);
        assert_eq!(changes.iter().map(|change| change.widens).collect::<Vec<_>>(), [false, true]);
        assert_eq!(changes[1].line, "read the variable `BUILD` (apply)");
        assert!(lock().changes_to(&lock()).is_empty());
    }

    #[test]
    fn one_phase_more_is_one_line() {
        let variable =
            |phases: &str| capability(&format!(r#"{{"kind":"environment","name":"BUILD","phases":{phases}}}"#));
        let of = |capabilities| {
            let step = LockedStep { plugin: "command@0.1.0".into(), sha256: None, capabilities };
            Lock::new([("staging".to_owned(), [("release".to_owned(), step)].into())].into())
        };
        let lines = |old: Vec<Capability>, new: Vec<Capability>| -> Vec<(bool, String)> {
            of(old).changes_to(&of(new)).into_iter().map(|change| (change.widens, change.line)).collect()
        };
        let (apply, both) = (variable(r#"["apply"]"#), variable(r#"["plan","apply"]"#));
        let also = "read the variable `BUILD` (also plan)".to_owned();
        assert_eq!(lines(vec![apply.clone()], vec![both.clone()]), [(true, also.clone())]);
        assert_eq!(lines(vec![both.clone()], vec![apply.clone()]), [(false, also)]);
        // In two lines or in one, it is the same.
        assert_eq!(lines(vec![both], vec![apply, variable(r#"["plan"]"#)]), []);
    }

    #[test]
    fn nothing_in_a_table_is_more_than_its_text() {
        let change = |line: &str| Change {
            environment: "staging".into(),
            step: "release".into(),
            widens: true,
            line: line.into(),
        };
        let text =
            table(&[change("run `sh -c 'a | b'` (apply)"), change("run `a` @acme/team <b>x</b> [y](http://z) `c")]);
        assert_eq!(
            text,
            "| | environment | step | it may |\n| --- | --- | --- | --- |\n\
             | ➕ more | staging | release | run `sh -c 'a \\| b'` (apply) |\n\
             | ➕ more | staging | release | run &#96;a&#96; &#64;&#8288;acme/team &#60;b&#62;x&#60;/b&#62; &#91;y&#93;(http://z) &#96;c |\n\
             \n2 lines more and 0 lines less\n"
        );
    }

    #[test]
    fn whatever_stands_in_a_lock_can_be_shown_in_one_line() {
        let mut old = lock();
        let step = old.environments.get_mut("staging").expect("staging").get_mut("release").expect("release");
        step.sha256 = Some("aééééééééééé\u{1b}".to_owned());
        step.plugin = "a\n  + b".to_owned();
        let text = render(&old.changes_to(&lock()));
        assert!(text.contains("- use the plugin `a\\n  + b` (sha256 aééééééééééé…)"), "{text}");
    }
}
