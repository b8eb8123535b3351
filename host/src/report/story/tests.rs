use super::*;
use crate::event::{Event, Job, ReportItem, Severity, StepEntry};
use crate::journal::{Journal, Memory};
use crate::plan::{Plan, PlanFile, PlannedStep};
use crate::plugin::Intent;
use crate::policy::Usage;
use crate::secret::{Redactor, Secrets};
use serde_json::json;

/// A text that means something to each form that it is told in.
const HOSTILE: &str = "<script>alert(1)</script> | `x` ```\n@everyone ]]> \u{1b}[31mred\u{1b}[0m & \"' \u{0} \u{202e}";

fn plan(steps: &[&str]) -> Plan {
    let step = |id: &&str| PlannedStep {
        id: (*id).to_owned(),
        plugin: "probe@1.2.3".into(),
        digest: "00".into(),
        with: json!({}),
        capabilities: vec![],
        intents: vec![Intent {
            id: "a".into(),
            summary: format!("do {HOSTILE}"),
            detail: None,
            effect: Effect::Changes,
        }],
        usages: vec![],
        deferred: false,
    };
    Plan {
        schema: crate::plan::SCHEMA.into(),
        app: "shop".into(),
        environment: "staging".into(),
        component: None,
        commit: "0123456789abcdef".into(),
        version: "1.0.0".into(),
        working_tree: None,
        withheld: None,
        proxied: vec![],
        contract: "0.1.0".into(),
        steps: steps.iter().map(step).collect(),
        finally: vec![],
        confinement: None,
    }
}

/// The journal of a run with these steps and events.
fn journal(steps: &[&str], events: impl IntoIterator<Item = Event>) -> Memory {
    let store = Memory::default();
    let mut journal = Journal::create(&store, "r1").expect("a journal");
    let plan = plan(steps);
    let entry = |id: &&str| StepEntry { id: (*id).to_owned(), plugin: "probe@1.2.3".into(), finally: false };
    let mut all = vec![
        Event::RunStarted {
            schema: crate::event::SCHEMA.into(),
            windlass: "0.1.0".into(),
            run: "r1".into(),
            subject: Box::new(Subject {
                app: "shop".into(),
                environment: "staging".into(),
                component: None,
                commit: "0123456789abcdef".into(),
                reference: Some("main".into()),
                version: "1.0.0".into(),
                actor: Some(HOSTILE.into()),
            }),
            plan: plan.digest(),
            forge: "local".into(),
            steps: steps.iter().map(entry).collect(),
            process: 1,
            job: None::<Job>,
            url: Some("https://staging.shop.example".into()),
        },
        Event::RunPlanned { plan: (&PlanFile::new(plan, None).to_json()).into(), variables: [].into(), force: false },
    ];
    all.extend(events);
    journal.append_all(&all).expect("events");
    store
}

fn told(store: &Memory) -> Story {
    Story::of(store, "r1", &Redactor::none()).expect("a story")
}

fn started(step: &str, attempt: u32) -> Event {
    Event::StepStarted { step: step.into(), attempt }
}

fn usage(asked: &str, allowed: bool) -> Usage {
    Usage { asked: asked.into(), allowed, times: 2, line: None }
}

fn table(columns: [&str; 2], rows: &[(&str, &str)]) -> ReportItem {
    ReportItem::Table {
        title: HOSTILE.into(),
        columns: columns.map(String::from).into(),
        rows: rows.iter().map(|(one, other)| vec![(*one).to_owned(), (*other).to_owned()]).collect(),
    }
}

fn succeeded(step: &str, report: Vec<ReportItem>) -> Event {
    Event::StepSucceeded {
        step: step.into(),
        attempt: 1,
        summary: HOSTILE.into(),
        outputs: [].into(),
        findings: vec![Finding {
            severity: Severity::Warning,
            code: "old".into(),
            message: HOSTILE.into(),
            file: Some("a.toml".into()),
            line: Some(3),
        }],
        report,
        usages: vec![usage("run `make`", true)],
        duration_ms: 1_500,
        changed: true,
    }
}

fn trouble() -> Box<Trouble> {
    Box::new(Trouble {
        code: "step-failed".into(),
        detail: None,
        what: format!("it failed: {HOSTILE}"),
        causes: vec![format!("first\n{HOSTILE}")],
        note: Some(HOSTILE.into()),
        hint: Some("mend it".into()),
    })
}

fn failed(step: &str, attempt: u32, again: bool) -> Event {
    Event::StepFailed {
        step: step.into(),
        attempt,
        trouble: trouble(),
        usages: vec![usage("run `make`", true), usage("reach `evil.example`", false)],
        report: vec![table(["check", "result"], &[("health", "not up"), ("products", "not tried")])],
        duration_ms: 10,
        again,
    }
}

fn finished(outcome: RunOutcome, reason: Option<&str>) -> Event {
    Event::RunFinished { outcome, reason: reason.map(str::to_owned), changed: true, duration_ms: 2_000 }
}

/// A run that migrated, failed its check, and was taken back.
fn taken_back() -> Story {
    told(&journal(
        &["schema", "healthy", "later"],
        [
            started("schema", 1),
            Event::RecordAppended { step: "schema".into(), attempt: 1, record: (&json!({})).into() },
            succeeded("schema", vec![table(["migration", "result"], &[("0001_a.sql", "applied")])]),
            started("healthy", 1),
            failed("healthy", 1, true),
            started("healthy", 2),
            failed("healthy", 2, false),
            Event::RunTurned { step: Some("healthy".into()) },
            Event::RevertStarted { step: "schema".into() },
            Event::StepReverted {
                step: "schema".into(),
                summary: "took back 1".into(),
                report: vec![table(["migration", "result"], &[("0001_a.sql", "taken back")])],
                usages: vec![],
                duration_ms: 20,
            },
            Event::CheckStarted { step: "healthy".into() },
            Event::CheckPassed {
                step: "healthy".into(),
                summary: "it holds".into(),
                report: vec![table(["check", "result"], &[("health", "holds")])],
                usages: vec![],
                duration_ms: 5,
            },
            Event::NoteAdded { text: HOSTILE.into() },
            finished(RunOutcome::RolledBack, Some("step-failed")),
        ],
    ))
}

#[test]
fn the_story_is_what_happened() {
    let story = taken_back();
    assert_eq!(story.verdict().1, "shop 1.0.0 was not deployed to staging; what was done is taken back");
    let outcomes: Vec<_> = story.steps.iter().map(|step| (step.id.as_str(), step.outcome, step.attempts)).collect();
    assert_eq!(
        outcomes,
        [("schema", StepOutcome::Reverted, 1), ("healthy", StepOutcome::Failed, 2), ("later", StepOutcome::NotRun, 0)]
    );
    let schema = &story.steps[0];
    assert_eq!(schema.summary.as_deref(), Some("took back 1"));
    assert_eq!(schema.work.iter().map(|work| work.kind).collect::<Vec<_>>(), [Kind::Apply, Kind::Revert]);
    assert_eq!(schema.duration_ms, 1_500);
    let healthy = &story.steps[1];
    assert_eq!(
        healthy.work.iter().map(|work| (work.attempt, work.outcome)).collect::<Vec<_>>(),
        [(1, WorkOutcome::TriedAgain), (2, WorkOutcome::Failed)]
    );
    // The same thing in two attempts is one.
    assert_eq!((healthy.capabilities.used.len(), healthy.capabilities.used[0].times), (1, 4));
    assert_eq!(healthy.capabilities.denied[0].asked, "reach `evil.example`");
    assert_eq!(story.migrations.len(), 1);
    assert_eq!(story.migrations[0].results, ["applied", "taken back"]);
    let checks: Vec<_> = story.checks.iter().map(|row| (row.name.as_str(), row.again, row.outcome)).collect();
    assert_eq!(
        checks,
        [
            ("health", false, RowOutcome::Failed),
            ("products", false, RowOutcome::Skipped),
            ("health", true, RowOutcome::Passed)
        ]
    );
    assert_eq!(story.checks_again.len(), 1);
    assert!(story.notes[0].text.starts_with("it turned round at `healthy`"), "{:?}", story.notes);
    assert_eq!(story.plan.as_ref().expect("a plan").steps.len(), 3);
}

#[test]
fn a_step_that_was_cut_off_is_not_known() {
    let story = told(&journal(&["a"], [started("a", 1)]));
    assert_eq!(story.outcome, None);
    assert_eq!((story.steps[0].outcome, story.steps[0].work[0].outcome), (StepOutcome::Unknown, WorkOutcome::Unknown));
    assert_eq!(story.verdict().1, "the deployment of shop 1.0.0 to staging was cut off");
    let alive = story.standing(Standing { under_way: true, ..Standing::default() });
    assert_eq!(alive.verdict().1, "shop 1.0.0 (0123456789) is being deployed to staging");
}

#[test]
fn in_markdown_it_is_text() {
    let page = markdown(&taken_back(), 900 << 10);
    // Outside of the block in which the error stands as it is.
    let outside: String = page.split("````").step_by(2).collect();
    assert!(!outside.contains("<script") && !outside.contains("@everyone") && !page.contains('\u{1b}'), "{page}");
    // Each table has as many cells in each row as in its head.
    let mut cells = 0;
    for line in page.lines() {
        let count = line.matches('|').count();
        if line.starts_with("| ---") {
            cells = count;
        } else if line.starts_with('|') && cells > 0 {
            assert_eq!(count, cells, "{line}");
        } else if !line.starts_with('|') {
            cells = 0;
        }
    }
    for says in
        ["❌ shop 1.0.0 was not deployed", "| ↩️ | `schema` |", "| ❌ | `healthy` |", "`0001_a.sql`", "⛔ denied"]
    {
        assert!(page.contains(says), "{says}: {page}");
    }
    // The error is as it was, but for what a terminal would obey, in a block that it does not end.
    assert!(page.contains("````text\nerror: it failed: <script>"), "{page}");
}

#[test]
fn in_html_it_is_text_and_nothing_is_fetched() {
    let page = html(&taken_back());
    assert!(!page.contains("<script") && !page.contains('\u{1b}') && !page.contains('\u{202e}'), "{page}");
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    let policy = "default-src 'none'; style-src 'sha256-";
    assert!(page.contains(policy), "{page}");
    for fetches in ["<link", "<img", "<iframe", " src=", "@import", "url(", " style=", " onclick"] {
        assert!(!page.contains(fetches), "{fetches}");
    }
    assert_eq!(page.matches("<svg").count(), 1);
    // The only addresses are those that a person may follow.
    let links: Vec<&str> = page.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert_eq!(links, ["https://staging.shop.example"]);
}

#[test]
fn an_address_that_is_none_is_no_link() {
    let mut story = taken_back();
    story.url = Some("javascript:alert(1)".into());
    assert!(!html(&story).contains("href=") && !markdown(&story, 100_000).contains("href="));
}

#[test]
fn in_junit_steps_reverts_and_checks_are_cases() {
    let xml = junit(&taken_back());
    assert!(!xml.contains('\u{0}') && !xml.contains('\u{1b}') && !xml.contains("<script"), "{xml}");
    let cases: Vec<&str> = xml.split("<testcase name=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert_eq!(
        cases,
        [
            "schema",
            "healthy",
            "later",
            "take back schema",
            "healthy (what is live again)",
            "healthy: health",
            "healthy: products",
            "healthy: health (what is live again)"
        ]
    );
    assert_eq!(xml.matches("<failure ").count(), 2, "{xml}");
    assert_eq!(xml.matches("<skipped ").count(), 2, "{xml}");
    assert!(xml.contains("name=\"shop.staging.steps\" id=\"0\" package=\"shop\""), "{xml}");
    // Whoever reads of the check alone is told what the step says of it.
    let check = xml.split("<testcase name=\"healthy: health\"").nth(1).expect("the check");
    assert!(check.split("</testcase>").next().is_some_and(|case| case.contains("hint: mend it")), "{check}");
}

#[test]
fn for_a_terminal_it_is_lines() {
    let text = human(&taken_back(), crate::report::Style::plain());
    assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'), "{text}");
    for says in
        ["✗ healthy  failed", "error: it failed: <script>", "↩ schema   taken back: took back 1", "hint: mend it"]
    {
        assert!(text.contains(says), "{says}: {text}");
    }
}

#[test]
fn what_became_a_secret_since_is_in_no_form() {
    let events =
        [started("a", 1), Event::NoteAdded { text: "the token is s3cr3t&value".into() }, failed("a", 1, false)];
    let store = journal(&["a"], events);
    let redactor = Secrets::from_environment(["TOKEN"], |_| Some("s3cr3t&value".to_owned())).redactor();
    let story = Story::of(&store, "r1", &redactor).expect("a story");
    let json = serde_json::to_string(&story).expect("JSON");
    let style = crate::report::Style::plain();
    for form in [json, markdown(&story, 900 << 10), html(&story), junit(&story), human(&story, style)] {
        assert!(!form.contains("s3cr3t"), "{form}");
    }
}

#[test]
fn a_run_of_many_steps_fits_on_the_page() {
    let names: Vec<String> = (0..5_000).map(|index| format!("step-{index}")).collect();
    let steps: Vec<&str> = names.iter().map(String::as_str).collect();
    let events = steps.iter().flat_map(|step| [started(step, 1), succeeded(step, vec![])]);
    let last = [failed("step-4999", 2, false), finished(RunOutcome::Failed, Some("step-failed"))];
    let story = told(&journal(&steps, events.chain(last)));
    let room = 900 << 10;
    let page = markdown(&story, room);
    assert!(page.len() <= room, "{}", page.len());
    assert!(page.len() > room / 2, "there is room for more: {}", page.len());
    assert!(page.contains(" of 5000 steps"), "{}", &page[..2_000]);
    // What went wrong is short, and is there.
    assert!(page.contains("error: it failed"), "{}", &page[..2_000]);
    assert!(markdown(&story, 10_000).len() <= 10_000);
    let few = story.steps.len();
    assert_eq!(html(&story).matches("<details class=\"step\"").count(), few);
    let plan = story.plan.as_ref().expect("a plan");
    assert!(plan_markdown(plan, "shop", 50_000).len() <= 50_000);
}
