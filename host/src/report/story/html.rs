//! The story as one HTML file: nothing in it comes from elsewhere, no script is in it, and each text is escaped by the library that
//! writes it.

use super::timeline::timeline;
use super::words::{
    Fact, Mark, effect_word, parts, pieces, place, row_mark, run_word, severity, step_mark, step_word, time, took,
    work_mark, work_word,
};
use super::{Kind, PlanStory, Row, StepStory, Story, Table, Work};
use crate::report::verdict::Tone;
use base64::Engine as _;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest, Sha256};

const STYLE: &str = include_str!("style.css");

/// The story of a run.
#[must_use]
pub fn html(story: &Story) -> String {
    let (tone, sentence) = story.verdict();
    let tone = match tone {
        Tone::Good => Mark::Good,
        Tone::Open => Mark::Open,
        Tone::Bad => Mark::Bad,
    };
    // Nothing but this very style has an effect.
    let hash = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(STYLE.as_bytes()));
    let policy = format!("default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'");
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="referrer" content="no-referrer";
                title { (story.title()) ": " (run_word(story.outcome)) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header class=(tone.class()) {
                    p.kind { (story.title()) }
                    h1 { span.sign aria-hidden="true" { (tone.sign()) } " " (sentence) }
                }
                main {
                    (facts(story))
                    @if !story.is_well() { (next(story)) }
                    (troubles(story))
                    @if let Some(picture) = timeline(story) {
                        section { h2 { "When" } (picture) }
                    }
                    section {
                        h2 { "Steps" }
                        @for step in &story.steps { (step_of(step)) }
                        @for check in &story.checks_again {
                            details.step {
                                summary {
                                    (mark(work_mark(check.work.outcome)))
                                    span.name { (check.step) }
                                    span.word { "what is live again: " (work_word(check.work.outcome)) }
                                    span.took { (check.work.duration_ms.map(took).unwrap_or_default()) }
                                }
                                (work_of(&check.work))
                            }
                        }
                    }
                    (rows("Migrations", &story.migrations))
                    (rows("Checks", &story.checks))
                    @if let Some(plan) = &story.plan { (plan_of(plan)) }
                    (approvals(story))
                    (capabilities(story))
                    (notes(story))
                    @if story.is_well() { (next(story)) }
                }
                footer {
                    p { "Windlass " (story.windlass) " · run " code { (story.run) } " · last event " (time(&story.last)) }
                }
            }
        }
    };
    page.into_string()
}

/// A text in a line: what stands between backticks is code.
fn told(text: &str) -> Markup {
    html! {
        @for (is_code, piece) in pieces(text) {
            @if is_code { code { (piece) } } @else { (piece) }
        }
    }
}

fn mark(mark: Mark) -> Markup {
    html! { span class={"sign " (mark.class())} aria-hidden="true" { (mark.sign()) } }
}

/// A link, where the address is one of the web.
fn link(name: &str, address: &str) -> Markup {
    let is_web = url::Url::parse(address).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    html! {
        @if is_web { a href=(address) rel="noreferrer" { (name) } } @else { (name) }
    }
}

fn facts(story: &Story) -> Markup {
    html! {
        dl.facts {
            @for (name, fact) in story.facts() {
                div {
                    dt { (name) }
                    dd {
                        @match &fact {
                            Fact::Text(value) => { (told(value)) }
                            Fact::Code(value) => { code { (value) } }
                            Fact::Link(value, address) => { (link(value, address)) }
                        }
                    }
                }
            }
        }
    }
}

fn next(story: &Story) -> Markup {
    let standing = &story.standing;
    html! {
        @if standing.next.is_some() || !standing.commands.is_empty() {
            section.next {
                h2 { (story.next_title()) }
                @if let Some(next) = &standing.next { p { (told(next)) } }
                @for suggestion in &standing.commands {
                    p.command { code { (suggestion.command) } span { (suggestion.does) } }
                }
            }
        }
    }
}

fn troubles(story: &Story) -> Markup {
    let troubles = story.troubles();
    html! {
        @if !troubles.is_empty() {
            section {
                h2 { "What went wrong" }
                @for (place, trouble) in troubles {
                    h3 { (told(&place)) }
                    pre.trouble { (parts(trouble)) }
                }
            }
        }
    }
}

fn step_of(step: &StepStory) -> Markup {
    html! {
        details.step open[step_mark(step) == Mark::Bad] {
            summary {
                (mark(step_mark(step)))
                span.name { (step.id) }
                span.word { (step_word(step)) @if step.attempts > 1 { ", " (step.attempts) " attempts" } }
                span.took { (step.times()) }
                @if let Some(says) = step.in_short() { span.says { (told(&says)) } }
            }
            p.plugin { code { (step.plugin) } @if step.finally { " at the end, however it ends" } }
            @if let Some(said) = step.said_words() { p { (told(&said)) } }
            @for work in &step.work { (work_of(work)) }
        }
    }
}

fn work_of(work: &Work) -> Markup {
    let what = match work.kind {
        Kind::Apply => format!("attempt {}", work.attempt),
        Kind::Revert => "taking back".to_owned(),
        Kind::Check => "check".to_owned(),
    };
    html! {
        div.work {
            p.when {
                (mark(work_mark(work.outcome))) (what) ": " (work_word(work.outcome)) ", " (time(&work.started))
                @if let Some(length) = work.duration_ms { ", " (took(length)) }
            }
            @if let Some(summary) = &work.summary { p { (told(summary)) } }
            @if let Some(trouble) = &work.trouble { pre.trouble { (parts(trouble)) } }
            @for finding in &work.findings {
                p.finding {
                    span class={"severity " (severity(finding))} { (severity(finding)) } " " (told(&finding.message))
                    @if let Some(place) = place(finding) { " " code { (place) } }
                }
            }
            @for table in &work.tables { (table_of(table)) }
            @if !work.metrics.is_empty() {
                ul.metrics {
                    @for metric in &work.metrics { li { (metric.name) ": " strong { (figure(metric.value)) " " (metric.unit) } } }
                }
            }
        }
    }
}

fn figure(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn table_of(table: &Table) -> Markup {
    html! {
        div.scroll {
            table {
                caption { (table.title) }
                thead { tr { @for column in &table.columns { th { (column) } } } }
                tbody { @for row in &table.rows { tr { @for cell in row { td { (cell) } } } } }
            }
        }
    }
}

fn rows(title: &str, rows: &[Row]) -> Markup {
    html! {
        @if !rows.is_empty() {
            section {
                h2 { (title) }
                ul.rows {
                    @for row in rows {
                        li {
                            (mark(row_mark(row.outcome)))
                            span.name { (row.name) }
                            span.word { (row.results.join(", then ")) @if row.again { " (of what is live again)" } }
                            span.took { (row.step) }
                        }
                    }
                }
            }
        }
    }
}

fn plan_of(plan: &PlanStory) -> Markup {
    html! {
        section {
            h2 { "Plan" }
            @for warning in plan.differs.iter().chain(&plan.withheld).chain(&plan.confinement).chain(&plan.proxied) { p { "⚠ " (warning) } }
            details {
                summary { (plan.summary) }
                div.scroll {
                    table {
                        thead { tr { th { "step" } th { "effect" } th { "what" } } }
                        tbody {
                            @for step in &plan.steps {
                                @if step.finally || step.deferred || step.intents.is_empty() {
                                    tr {
                                        td { code { (step.id) } }
                                        td {}
                                        td {
                                            @if step.finally { "at the end, however it ends" }
                                            @else if step.deferred { "planned once the steps that it uses are done" }
                                            @else { "nothing to do" }
                                        }
                                    }
                                }
                                @for intent in &step.intents {
                                    tr { td { code { (step.id) } } td { (effect_word(intent.effect)) } td { (told(&intent.summary)) } }
                                }
                            }
                        }
                    }
                }
                p { code { (plan.digest) } }
            }
        }
    }
}

fn approvals(story: &Story) -> Markup {
    html! {
        @if let Some(approvals) = story.approvals.as_ref().filter(|approvals| !approvals.is_empty()) {
            section {
                h2 { "Approvals" }
                ul.rows {
                    @for approver in approvals {
                        li {
                            (mark(Mark::Good))
                            span.name { (approver.name) }
                            span.word { (approver.comment.as_deref().unwrap_or_default()) }
                            span.took { (approver.at.as_deref().map(time).unwrap_or_default()) }
                        }
                    }
                }
            }
        }
        @if let Some(freeze) = &story.freeze_override {
            section {
                h2 { "Freeze" }
                p { "Deployments were frozen by " (freeze.cause) @if let Some(until) = &freeze.until { " until " (until) } ". It was made all the same: " (freeze.reason) }
            }
        }
    }
}

fn capabilities(story: &Story) -> Markup {
    let denied = story.steps.iter().any(|step| !step.capabilities.denied.is_empty());
    html! {
        section {
            h2 { "Capabilities" }
            details open[denied] {
                summary { "granted, used and denied" }
                @for step in &story.steps {
                    @let all = &step.capabilities;
                    @if !(all.granted.is_empty() && all.used.is_empty() && all.denied.is_empty()) {
                        h3 { code { (step.id) } }
                        ul.capabilities {
                            @for it in &all.denied { li.denied { strong { "denied" } " " (told(&it.asked)) span.took { (it.times) "×" } } }
                            @for it in &all.used { li { strong { "used" } " " (told(&it.asked)) span.took { (it.times) "×" } } }
                            @for it in &all.granted { li.granted { "may " (told(it)) } }
                        }
                    }
                }
            }
        }
    }
}

fn notes(story: &Story) -> Markup {
    html! {
        @if !story.notes.is_empty() {
            section {
                h2 { "Notes" }
                ul.notes { @for note in &story.notes { li { span.took { (time(&note.at)) } " " (told(&note.text)) } } }
            }
        }
    }
}
