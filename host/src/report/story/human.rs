//! The story for a terminal.

use super::words::{Fact, Mark, effect_word, parts, row_mark, severity, step_mark, step_word, time};
use super::{Story, words};
use crate::report::Style;
use std::fmt::Write as _;

fn painted(mark: Mark, style: Style) -> String {
    let sign = mark.sign();
    match mark {
        Mark::Good => style.green(sign),
        Mark::Bad => style.red(sign),
        Mark::Back | Mark::Open => style.yellow(sign),
        Mark::Nothing => style.dim(sign),
    }
}

/// The story of a run, in lines.
#[must_use]
pub fn human(story: &Story, style: Style) -> String {
    let (tone, sentence) = story.verdict();
    let mut text = format!("{}\n\n", tone.paint(&sentence, style));
    for (name, fact) in story.facts() {
        let value = match fact {
            Fact::Text(value) | Fact::Code(value) => value,
            Fact::Link(name, url) if name == url => url,
            Fact::Link(name, url) => format!("{name} ({url})"),
        };
        let _ = writeln!(text, "  {} {value}", style.dim(&format!("{name:<11}")));
    }
    write_plan(&mut text, story, style);
    write_steps(&mut text, story, style);
    let rows = story.migrations.iter().map(|row| (row, ""));
    write_rows(&mut text, "migrations", rows, style);
    let again = |again| if again { " (of what is live again)" } else { "" };
    write_rows(&mut text, "checks", story.checks.iter().map(|row| (row, again(row.again))), style);
    write_approvals(&mut text, story, style);
    write_capabilities(&mut text, story, style);
    if !story.notes.is_empty() {
        heading(&mut text, "notes", style);
        for note in &story.notes {
            let _ = writeln!(text, "  {}  {}", style.dim(&time(&note.at)), note.text);
        }
    }
    let standing = &story.standing;
    if let Some(next) = &standing.next {
        let _ = writeln!(text, "\n{} {next}", style.bold("next:"));
    }
    if !standing.commands.is_empty() {
        text.push('\n');
    }
    for suggestion in &standing.commands {
        let _ = writeln!(text, "{}  {}", style.bold(&suggestion.command), style.dim(&suggestion.does));
    }
    text
}

fn heading(text: &mut String, title: &str, style: Style) {
    let _ = writeln!(text, "\n{}", style.bold(title));
}

fn write_plan(text: &mut String, story: &Story, style: Style) {
    let Some(plan) = &story.plan else { return };
    heading(text, &format!("plan: {}", plan.summary), style);
    for warning in plan.differs.iter().chain(&plan.withheld) {
        let _ = writeln!(text, "  {} {warning}", style.yellow("warning:"));
    }
    for note in plan.confinement.iter().chain(&plan.proxied) {
        let _ = writeln!(text, "  {} {note}", style.yellow("note:"));
    }
    let width = plan.steps.iter().map(|step| step.id.chars().count()).max().unwrap_or_default();
    for step in &plan.steps {
        if step.finally {
            continue;
        }
        let id = &step.id;
        if step.deferred {
            let _ = writeln!(text, "  {id:width$}  planned once the steps that it uses are done");
        } else if step.intents.is_empty() {
            let _ = writeln!(text, "  {id:width$}  {}", style.dim("nothing to do"));
        }
        for (index, intent) in step.intents.iter().enumerate() {
            let id = if index == 0 { id } else { "" };
            let effect = style.dim(&format!("({})", effect_word(intent.effect)));
            let _ = writeln!(text, "  {id:width$}  {} {effect}", intent.summary);
        }
    }
}

fn write_steps(text: &mut String, story: &Story, style: Style) {
    heading(text, "steps", style);
    let width = story.steps.iter().map(|step| step.id.chars().count()).max().unwrap_or_default();
    for step in &story.steps {
        let id = &step.id;
        let mark = painted(step_mark(step), style);
        let mut more = step.times();
        if step.attempts > 1 {
            let _ = write!(more, ", {} attempts", step.attempts);
        }
        let says = step.summary.as_ref().map(|says| format!(": {says}")).unwrap_or_default();
        let said = step.said_words().map(|said| format!("; {said}")).unwrap_or_default();
        let _ = writeln!(text, "  {mark} {id:width$}  {}{says}{said} {}", step_word(step), style.dim(&more));
        for work in &step.work {
            if let Some(trouble) = &work.trouble {
                for line in parts(trouble).lines() {
                    let _ = writeln!(text, "      {line}");
                }
            }
            for finding in &work.findings {
                let place = words::place(finding).map(|place| format!(" ({place})")).unwrap_or_default();
                let _ = writeln!(text, "      {}: {}{place}", style.yellow(severity(finding)), finding.message);
            }
        }
    }
    for check in &story.checks_again {
        let what = check.work.summary.as_deref().unwrap_or(words::work_word(check.work.outcome));
        let mark = painted(words::work_mark(check.work.outcome), style);
        let _ = writeln!(text, "  {mark} {:width$}  what is live again: {what}", check.step);
        for line in
            check.work.trouble.iter().flat_map(|trouble| parts(trouble).lines().map(str::to_owned).collect::<Vec<_>>())
        {
            let _ = writeln!(text, "      {line}");
        }
    }
}

fn write_rows<'a>(
    text: &mut String,
    title: &str,
    rows: impl Iterator<Item = (&'a super::Row, &'static str)>,
    style: Style,
) {
    for (index, (row, more)) in rows.enumerate() {
        if index == 0 {
            heading(text, title, style);
        }
        let mark = painted(row_mark(row.outcome), style);
        let _ = writeln!(text, "  {mark} {}: {}{more}", row.name, row.results.join(", then "));
    }
}

fn write_approvals(text: &mut String, story: &Story, style: Style) {
    let Some(approvals) = story.approvals.as_ref().filter(|approvals| !approvals.is_empty()) else { return };
    heading(text, "approvals", style);
    for approver in approvals {
        let at = approver.at.as_deref().map(|at| format!(" at {}", time(at))).unwrap_or_default();
        let comment = approver.comment.as_ref().map(|comment| format!(": {comment}")).unwrap_or_default();
        let _ = writeln!(text, "  {}{at}{comment}", approver.name);
    }
}

fn write_capabilities(text: &mut String, story: &Story, style: Style) {
    let is_empty = |step: &&super::StepStory| {
        let all = &step.capabilities;
        all.granted.is_empty() && all.used.is_empty() && all.denied.is_empty()
    };
    for (index, step) in story.steps.iter().filter(|step| !is_empty(step)).enumerate() {
        if index == 0 {
            heading(text, "capabilities", style);
        }
        let _ = writeln!(text, "  {}", step.id);
        for denied in &step.capabilities.denied {
            let _ = writeln!(text, "    {} {} ({}×)", style.red("denied"), denied.asked, denied.times);
        }
        for used in &step.capabilities.used {
            let _ = writeln!(text, "    used   {} ({}×)", used.asked, used.times);
        }
        for granted in &step.capabilities.granted {
            let _ = writeln!(text, "    {}", style.dim(&format!("may    {granted}")));
        }
    }
}
