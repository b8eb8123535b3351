//! The plan as a person reads it before approving it.

use super::{Style, harmless};
use crate::ci::WorkingTree;
use crate::lock::describe;
use crate::plan::{Plan, PlannedStep};
use crate::plugin::Effect;
use crate::policy::visible;
use crate::problem::Problem;
use std::fmt::Write as _;

/// What the plan comes to, in one line.
#[must_use]
pub fn plan_summary(plan: &Plan) -> String {
    let count =
        |effect| plan.steps.iter().flat_map(|step| &step.intents).filter(|intent| intent.effect == effect).count();
    let (changes, irreversible, unknown) =
        (count(Effect::Changes), count(Effect::Irreversible), count(Effect::Unknown));
    let deferred = plan.steps.iter().filter(|step| step.deferred).count();
    if !plan.changes() {
        return "nothing is going to change".into();
    }
    let mut parts = Vec::new();
    if changes > 0 {
        parts.push(format!("{changes} to change"));
    }
    if irreversible > 0 {
        parts.push(format!("{irreversible} that cannot be taken back"));
    }
    if unknown > 0 {
        parts.push(format!("{unknown} that could not be found out"));
    }
    if deferred > 0 {
        parts.push(format!("{deferred} planned once earlier steps are done"));
    }
    parts.join(", ")
}

/// The whole plan.
#[must_use]
pub fn plan(plan: &Plan, capabilities: bool, style: Style) -> String {
    let mut text = String::new();
    // A plan may be a file that somebody else wrote.
    let component = plan.component.as_ref().map(|component| format!(" ({})", visible(component))).unwrap_or_default();
    let _ = writeln!(
        text,
        "{} {}{component} {} at {} to {}",
        style.bold("plan:"),
        visible(&plan.app),
        style.bold(&visible(&plan.version)),
        visible(crate::words::short(&plan.commit)),
        style.bold(&visible(&plan.environment))
    );
    let width = plan.steps.iter().chain(&plan.finally).map(|step| step.id.chars().count()).max().unwrap_or_default();
    for step in &plan.steps {
        write_step(&mut text, step, width, capabilities, style);
    }
    for step in &plan.finally {
        let _ = writeln!(
            text,
            "  {} {:width$}  {}",
            style.dim("·"),
            visible(&step.id),
            style.dim("at the end, however it ends")
        );
        write_capabilities(&mut text, step, width, capabilities, style);
    }
    let _ = writeln!(text, "\n{}", plan_summary(plan));
    if let Some(tree) = &plan.working_tree {
        text.push_str(&not_the_commit(&plan.commit, tree, style));
    }
    if let Some(why) = &plan.withheld {
        let _ = writeln!(
            text,
            "{} secrets are withheld, and nothing may be changed: {}",
            style.yellow("note:"),
            visible(why)
        );
    }
    if let Some(lacks) = &plan.confinement {
        let _ = writeln!(text, "{} {}", style.yellow("note:"), visible(lacks));
    }
    for proxied in &plan.proxied {
        let _ = writeln!(text, "{} {}", style.yellow("note:"), visible(proxied));
    }
    if plan.is_incomplete() {
        let _ = writeln!(text, "{} the plan is incomplete: an approval cannot bind to it", style.yellow("note:"));
    }
    let _ = writeln!(text, "{}", style.dim(&plan.digest()));
    text
}

/// What keeps a run from beginning now.
#[must_use]
pub fn gate(environment: &str, unmet: &[Problem], style: Style) -> String {
    let mut text = format!("{} closed now\n", style.bold(&format!("gate of {environment}:")));
    for problem in unmet {
        let _ = writeln!(text, "  {} {}", style.yellow("!"), harmless(&problem.what));
        for cause in &problem.causes {
            let _ = writeln!(text, "      {}", harmless(cause));
        }
    }
    text
}

/// That the working tree is deployed, and is not the commit that it is called by.
#[must_use]
pub fn not_the_commit(commit: &str, tree: &WorkingTree, style: Style) -> String {
    format!("{} {}\n", style.yellow("warning:"), differs(commit, tree))
}

pub(super) fn differs(commit: &str, tree: &WorkingTree) -> String {
    format!("what is deployed is not commit {}: {tree} changed since", visible(crate::words::short(commit)))
}

/// The steps of a plan, and what they come to.
#[must_use]
pub fn plan_steps(plan: &Plan, style: Style) -> String {
    let mut text = String::new();
    let width = plan.steps.iter().map(|step| step.id.chars().count()).max().unwrap_or_default();
    for step in &plan.steps {
        write_step(&mut text, step, width, false, style);
    }
    let _ = writeln!(text, "\n{}", plan_summary(plan));
    text
}

fn write_step(text: &mut String, step: &PlannedStep, width: usize, capabilities: bool, style: Style) {
    let id = &*visible(&step.id);
    if step.deferred {
        let _ = writeln!(text, "  {} {id:width$}  planned once the steps that it uses are done", style.yellow("?"));
    } else if step.intents.is_empty() {
        let _ = writeln!(text, "  {} {id:width$}  {}", style.dim("-"), style.dim("nothing to do"));
    }
    for (index, intent) in step.intents.iter().enumerate() {
        let (mark, more) = match intent.effect {
            Effect::Reads | Effect::Checks => (style.dim("·"), ""),
            Effect::Changes => (style.green("~"), ""),
            Effect::Irreversible => (style.red("!"), "  (cannot be taken back)"),
            Effect::Unknown => (style.yellow("?"), "  (could not be found out)"),
        };
        let label = if index == 0 { id } else { "" };
        let _ = writeln!(text, "  {mark} {label:width$}  {}{more}", visible(&intent.summary));
        if let Some(detail) = intent.detail.as_ref().filter(|_| capabilities) {
            for line in harmless(detail).lines() {
                let _ = writeln!(text, "    {:width$}  {}", "", style.dim(&format!("| {line}")));
            }
        }
    }
    write_denied(text, step, width, style);
    write_capabilities(text, step, width, capabilities, style);
}

/// What a step was denied while it was planned. Whoever agrees to the plan should have seen it.
fn write_denied(text: &mut String, step: &PlannedStep, width: usize, style: Style) {
    let denied: Vec<_> = step.usages.iter().filter(|usage| !usage.allowed).collect();
    for usage in denied.iter().take(DENIED) {
        let words = format!("was denied while it was planned: {}", visible(&usage.asked));
        let _ = writeln!(text, "  {} {:width$}  {words}", style.red("×"), "");
    }
    if let Some(more) = denied.len().checked_sub(DENIED).filter(|more| *more > 0) {
        let _ = writeln!(text, "  {} {:width$}  and {more} other things", style.red("×"), "");
    }
}

/// So many denials of one step are told one by one.
const DENIED: usize = 20;

fn write_capabilities(text: &mut String, step: &PlannedStep, width: usize, capabilities: bool, style: Style) {
    if !capabilities {
        return;
    }
    for capability in &step.capabilities {
        let _ = writeln!(text, "    {:width$}  {}", "", style.dim(&format!("may {}", describe(capability))));
    }
    for usage in step.usages.iter().filter(|usage| usage.allowed) {
        let words = format!("did {}, {}×", visible(&usage.asked), usage.times);
        let _ = writeln!(text, "    {:width$}  {}", "", style.dim(&words));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::Intent;

    #[test]
    fn what_was_denied_is_shown_and_what_was_used_where_all_is() {
        let usage = |asked: &str, allowed| crate::policy::Usage { asked: asked.into(), allowed, times: 2, line: None };
        let step = PlannedStep {
            id: "step".into(),
            plugin: "probe@1.2.3".into(),
            digest: "00".into(),
            with: serde_json::Value::Null,
            capabilities: vec![],
            intents: vec![],
            usages: vec![usage("run `git status`", true), usage("run `rm -rf /`", false)],
            deferred: false,
        };
        let shown = |all| {
            let mut text = String::new();
            write_step(&mut text, &step, 0, all, Style::plain());
            text
        };
        let denied = "  - step  nothing to do\n  ×   was denied while it was planned: run `rm -rf /`\n";
        assert_eq!(shown(false), denied);
        assert_eq!(shown(true), format!("{denied}      did run `git status`, 2×\n"));
    }

    #[test]
    fn each_effect_has_its_mark() {
        let shown = |effect| {
            let intent = Intent { id: "a".into(), summary: "do it".into(), detail: None, effect };
            let step = PlannedStep {
                id: "step".into(),
                plugin: "probe@1.2.3".into(),
                digest: "00".into(),
                with: serde_json::Value::Null,
                capabilities: vec![],
                intents: vec![intent],
                usages: vec![],
                deferred: false,
            };
            let mut text = String::new();
            write_step(&mut text, &step, 0, false, Style::plain());
            text
        };
        assert_eq!(shown(Effect::Reads), "  · step  do it\n");
        assert_eq!(shown(Effect::Checks), "  · step  do it\n");
        assert_eq!(shown(Effect::Changes), "  ~ step  do it\n");
        assert_eq!(shown(Effect::Irreversible), "  ! step  do it  (cannot be taken back)\n");
        assert_eq!(shown(Effect::Unknown), "  ? step  do it  (could not be found out)\n");
    }
}
