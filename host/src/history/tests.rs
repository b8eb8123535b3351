use super::*;
use crate::event::{Event, StepEntry, StepOutcome, Subject, Trouble, Verdict, Witness};
use crate::journal::{Directory, Journal, Memory};
use serde_json::json;

fn here() -> Place {
    subject("staging").place()
}

fn subject(environment: &str) -> Subject {
    Subject {
        app: "shop".into(),
        environment: environment.into(),
        component: None,
        commit: "a".repeat(40),
        reference: None,
        version: "1.0.0".into(),
        actor: None,
    }
}

fn begin(store: &dyn Store, run: &str, environment: &str) -> Journal {
    let mut journal = Journal::create(store, run).expect("a journal");
    let step = |id: &str, finally| StepEntry { id: id.into(), plugin: "command@0.1.0".into(), finally };
    let started = Event::RunStarted {
        schema: crate::event::SCHEMA.into(),
        windlass: "0.1.0".into(),
        run: run.into(),
        subject: Box::new(subject(environment)),
        plan: "sha256:00".into(),
        forge: "local".into(),
        steps: vec![step("a", false), step("b", false), step("z", true)],
        process: 1,
        job: None,
        url: None,
    };
    journal.append(&started).expect("an event");
    journal
}

fn finished(outcome: RunOutcome, changed: bool) -> Event {
    Event::RunFinished { outcome, reason: None, changed, duration_ms: 1 }
}

fn run(store: &dyn Store, run: &str, events: &[Event]) -> PastRun {
    let mut journal = begin(store, run, "staging");
    events.iter().for_each(|event| journal.append(event).expect("an event"));
    replay(store, run).expect("no trouble").expect("a run")
}

fn started(step: &str, attempt: u32) -> Event {
    Event::StepStarted { step: step.into(), attempt }
}

fn record(step: &str) -> Event {
    Event::RecordAppended { step: step.into(), attempt: 1, record: (&json!({ "of": step })).into() }
}

fn succeeded(step: &str) -> Event {
    Event::StepSucceeded {
        step: step.into(),
        attempt: 1,
        summary: String::new(),
        outputs: [("name".to_owned(), "value".to_owned())].into(),
        findings: vec![],
        report: vec![],
        usages: vec![],
        duration_ms: 5,
        changed: true,
    }
}

#[test]
fn a_run_that_was_cut_off_before_its_first_event_stands_in_nobodys_way() {
    let project = tempfile::tempdir().expect("a directory");
    let store = Directory::of(project.path());
    begin(&store, "1", "staging").append(&finished(RunOutcome::Succeeded, true)).expect("an event");
    // Killed before the file, before its first byte, and in its first line.
    let directory = project.path().join(".windlass/runs");
    std::fs::create_dir(directory.join("2")).expect("a directory");
    drop(Journal::create(&store, "3").expect("a journal"));
    drop(Journal::create(&store, "4").expect("a journal"));
    std::fs::write(directory.join("4").join("journal.jsonl"), "{\"seq\":0,\"at\":").expect("half a line");
    let names: Vec<String> = runs(&store).expect("runs").map(|run| run.expect("a run").run).collect();
    assert_eq!(names, ["1"]);
    let live = live(&store, &here()).expect("no trouble").expect("a release");
    assert_eq!(live.run, "1");
    begin(&store, "5", "staging").append(&Event::NoteAdded { text: "x".into() }).expect("an event");
    let newest = runs(&store).expect("runs").next().expect("one").expect("a run");
    assert_eq!((newest.run.as_str(), newest.outcome), ("5", None));
}

#[test]
fn a_journal_that_was_changed_is_never_passed_over() {
    let store = Memory::default();
    drop(begin(&store, "1", "staging"));
    let text = String::from_utf8(store.read("1").expect("the journal")).expect("text").replace("staging", "another");
    store.put("1", text.as_bytes());
    let problem = live(&store, &here()).expect_err("a changed journal");
    assert_eq!(problem.code, Code::JournalInvalid);
    assert!(problem.note.is_some() && problem.hint.is_some());
}

#[test]
fn what_is_cut_off_is_unknown_until_somebody_says_what_became_of_it() {
    let store = Memory::default();
    let past = run(&store, "1", &[started("a", 1), record("a"), succeeded("a"), started("b", 2), record("b")]);
    assert_eq!(past.step("a").expect("a step").outcome, StepOutcome::Succeeded);
    assert_eq!(past.step("a").expect("a step").outputs()["name"], "value");
    let cut = past.step("b").expect("a step");
    assert!(cut.is_cut_off() && cut.is_left());
    assert_eq!((cut.outcome, cut.attempts), (StepOutcome::Unknown, 2));
    assert_eq!(past.step("z").expect("a step").outcome, StepOutcome::NotRun);
    assert!(past.changed && past.can_go_on());
    for (verdict, outcome) in [
        (Verdict::Done, StepOutcome::Succeeded),
        (Verdict::NotDone, StepOutcome::NotRun),
        (Verdict::Partly, StepOutcome::NotRun),
        (Verdict::Unknown, StepOutcome::Unknown),
    ] {
        let probed = Event::StepProbed {
            step: "b".into(),
            attempt: 1,
            verdict,
            by: Witness::Plugin,
            cause: None,
            usages: vec![],
        };
        let past = run(&store, "2", &[started("b", 1), record("b"), probed]);
        assert_eq!(past.step("b").expect("a step").outcome, outcome);
    }
}

#[test]
fn a_revert_that_was_cut_off_is_unknown_in_another_way() {
    let store = Memory::default();
    let revert = |step: &str| Event::RevertStarted { step: step.into() };
    let reverted = Event::StepReverted {
        step: "b".into(),
        summary: String::new(),
        report: vec![],
        usages: vec![],
        duration_ms: 1,
    };
    let events = [
        started("a", 1),
        record("a"),
        succeeded("a"),
        started("b", 1),
        record("b"),
        Event::RunTurned { step: Some("b".into()) },
        revert("b"),
        reverted,
        revert("a"),
    ];
    let past = run(&store, "1", &events);
    let step = past.step("a").expect("a step");
    assert_eq!((step.outcome, step.reverting, step.is_cut_off()), (StepOutcome::Unknown, true, false));
    assert_eq!(past.left().map(|step| step.id.as_str()).collect::<Vec<_>>(), ["a"]);
    assert_eq!(past.turned, Some(Turned::Failure(Some("b".into()))));
    assert!(past.can_go_on());
}

#[test]
fn a_run_goes_on_after_its_end_where_something_is_left_of_it() {
    let store = Memory::default();
    let resumed = Event::RunResumed { windlass: "0.1.0".into(), actor: None, process: 2, job: None, forge: None };
    let ends = |outcome| [started("a", 1), record("a"), succeeded("a"), finished(outcome, true)];
    for (outcome, can) in [
        (RunOutcome::Succeeded, false),
        (RunOutcome::Failed, true),
        (RunOutcome::Cancelled, true),
        (RunOutcome::RolledBack, false),
        (RunOutcome::Blocked, false),
    ] {
        assert_eq!(run(&store, "1", &ends(outcome)).can_go_on(), can, "{outcome:?}");
    }
    let mut events = ends(RunOutcome::Cancelled).to_vec();
    events.push(resumed);
    assert_eq!(run(&store, "1", &events).outcome, None);
    events.push(finished(RunOutcome::Succeeded, false));
    let past = run(&store, "1", &events);
    assert_eq!((past.outcome, past.changed, past.duration_ms), (Some(RunOutcome::Succeeded), true, Some(2)));
}

#[test]
fn a_release_that_was_taken_back_is_not_live() {
    let store = Memory::default();
    let release = [started("a", 1), record("a"), succeeded("a"), finished(RunOutcome::Succeeded, true)];
    run(&store, "1", &release);
    let mut events = release.to_vec();
    events.push(Event::RollbackStarted {
        windlass: "0.1.0".into(),
        actor: None,
        process: 2,
        job: None,
        to: Some("1".into()),
        keep: vec![],
    });
    run(&store, "2", &events);
    assert_eq!(live(&store, &here()).expect("no trouble").expect("a release").run, "1", "it is no longer sure");
    events.push(finished(RunOutcome::RolledBack, true));
    let past = run(&store, "2", &events);
    assert_eq!(past.turned, Some(Turned::Asked { to: Some("1".into()), keep: vec![] }));
    assert_eq!(live(&store, &here()).expect("no trouble").expect("a release").run, "1");
}

#[test]
fn ids_sort_like_runs_whatever_the_clock_says() {
    let store = Memory::default();
    let mut last = String::new();
    for _ in 0..50 {
        let id = next_id(&store);
        assert_eq!(id.len(), 26);
        assert!(id > last, "{id} after {last}");
        store.put(&id, b"");
        last = id;
    }
    // The clock was in the far future once.
    store.put("29991231T235959999Z-ffffff", b"");
    let id = next_id(&store);
    assert!(id.starts_with("30000101T000000000Z-"), "{id}");
    store.put(&id, b"");
    assert!(next_id(&store).starts_with("30000101T000000001Z-"));
}

#[test]
fn the_oldest_runs_are_forgotten_and_never_one_that_is_needed() {
    let store = Memory::default();
    let release = [started("a", 1), record("a"), succeeded("a"), finished(RunOutcome::Succeeded, true)];
    let failure = [started("a", 1), finished(RunOutcome::Failed, false)];
    let left = [started("a", 1), record("a"), finished(RunOutcome::Cancelled, true)];
    let names = |store: &Memory| store.runs().expect("runs");
    for (name, events) in [
        ("01", &release[..]),
        ("02", &release),
        ("03", &release),
        ("04", &left),
        ("05", &failure),
        ("06", &failure),
        ("07", &failure[..1]),
        ("08", &failure),
    ] {
        run(&store, name, events);
    }
    begin(&store, "00", "production").append(&finished(RunOutcome::Failed, false)).expect("an event");
    assert_eq!(prune(&store, &here(), 20).expect("pruned"), Vec::<String>::new());
    // The live one and the one before, what is left after it, and what has not ended, stay.
    assert_eq!(prune(&store, &here(), 1).expect("pruned"), ["01", "05", "06"]);
    assert_eq!(names(&store), ["00", "02", "03", "04", "07", "08"], "another place is not touched");
    assert_eq!(prune(&store, &here(), 1).expect("pruned"), Vec::<String>::new());
}

#[test]
fn what_had_nothing_to_do_is_forgotten_and_never_what_a_rollback_needs() {
    let store = Memory::default();
    let release = [started("a", 1), record("a"), succeeded("a"), finished(RunOutcome::Succeeded, true)];
    let idle = [Event::StepSkipped { step: "a".into() }, finished(RunOutcome::Succeeded, false)];
    let left = [started("a", 1), record("a"), finished(RunOutcome::Failed, true)];
    for (name, events) in [
        ("01", &release[..]),
        ("02", &release),
        ("03", &idle),
        ("04", &idle),
        ("05", &left),
        ("06", &release),
        ("07", &idle),
        ("08", &idle),
        ("09", &idle),
    ] {
        run(&store, name, events);
    }
    // Live is 09, which is what 06 made of it; to take that back, 05 has to go too, and then 04 is live, which 02 made.
    assert_eq!(prune(&store, &here(), 1).expect("pruned"), ["01", "03", "07", "08"]);
    assert_eq!(prune(&store, &here(), 1).expect("pruned"), Vec::<String>::new());
}

#[test]
fn a_run_that_ended_with_a_failure_tries_again_what_failed() {
    let store = Memory::default();
    let trouble =
        Trouble { code: "step-failed".into(), detail: None, what: "no".into(), causes: vec![], note: None, hint: None };
    let failed = |step: &str| Event::StepFailed {
        step: step.into(),
        attempt: 1,
        trouble: Box::new(trouble.clone()),
        usages: vec![],
        report: vec![],
        duration_ms: 1,
        again: false,
    };
    let resumed = Event::RunResumed { windlass: "0.1.0".into(), actor: None, process: 2, job: None, forge: None };
    let ended = |reason: &str| Event::RunFinished {
        outcome: RunOutcome::Failed,
        reason: Some(reason.into()),
        changed: false,
        duration_ms: 1,
    };
    let again = |end: Option<Event>| {
        let mut events = vec![started("a", 1), failed("a"), started("b", 1), failed("b")];
        events.extend(end);
        events.push(resumed.clone());
        let past = run(&store, "1", &events);
        ["a", "b"].map(|step| past.step(step).expect("a step").again)
    };
    // What failed before was tolerated, or it would not have come to the second.
    assert_eq!(again(Some(ended("step-failed"))), [false, true]);
    // Cut off, it has not yet done what it does after a failure.
    for end in [None, Some(ended("cut-off")), Some(ended("lease-lost")), Some(ended("journal-unwritable"))] {
        assert_eq!(again(end), [false, false]);
    }
}

#[test]
fn a_deployment_in_doubt_is_untold_until_it_is_known_and_shown() {
    let store = Memory::default();
    let doubted = Event::DeploymentDoubted { forge: "github".into() };
    let created = |forge: Option<&str>| Event::DeploymentCreated {
        id: "7".into(),
        url: None,
        adopted: false,
        forge: forge.map(str::to_owned),
    };
    let told = Event::DeploymentTold { outcome: RunOutcome::Blocked };
    let ended = finished(RunOutcome::Blocked, false);

    let past = run(&store, "1", &[doubted.clone(), ended.clone()]);
    assert!(past.is_untold() && past.may_have_deployment());
    assert_eq!(past.forge, "github");
    // It was looked for, and there is none.
    let past = run(&store, "2", &[doubted.clone(), ended.clone(), told.clone()]);
    assert!(!past.is_untold());
    // There is one, and its end is not shown yet.
    let past = run(&store, "3", &[doubted, ended.clone(), created(None)]);
    assert!(past.is_untold() && !past.may_have_deployment());
    // It is where it was made, wherever the run was begun; a journal of before does not say.
    assert_eq!(run(&store, "4", &[created(Some("gitlab")), ended.clone(), told]).forge, "gitlab");
    assert_eq!(run(&store, "5", &[created(None), ended]).forge, "local");
    let old = Event::from_json(r#"{"event":"deployment-created","id":"7","url":null}"#);
    assert_eq!(old.expect("an event of before"), created(None));
}
