//! What GitHub keeps and says that is not to be taken at its word: journals that two machines wrote, the deployments that they
//! name, states from before, what may not be read, and clocks that differ.

#![cfg(unix)]

use e2e::fault::Fault;
use e2e::github::{GitHub, RUN};
use e2e::runs::{cut_off, events_named, journal_of, kill, newest, runs, stuck, with_event};
use e2e::server::{Answer, Request};
use e2e::steps::{Go, Step, order, text, text_with, until};
use e2e::{Output, Project};
use serde_json::json;

/// Another run of the workflow.
const NEXT: u64 = RUN + 1;
/// Where the journals are, and the lease.
const JOURNALS: &str = "refs/windlass/journals/shop/staging";
const LEASE: &str = "/git/ref/windlass/leases/shop/staging";

fn deploy(project: &Project) -> Output {
    project.windlass("run -e staging --format json")
}

fn missing() -> Answer {
    Answer::new(404, "{\"message\":\"Not Found\"}").header("content-type", "application/json")
}

/// Answers these requests as if there were nothing, so often.
fn hide(github: &GitHub, times: usize, is_hidden: impl Fn(&Request) -> bool + Send + 'static) {
    let mut left = times;
    github.draw(Some(Box::new(move |request| {
        let hides = left > 0 && is_hidden(request);
        left -= usize::from(hides);
        hides.then(|| Fault::Instead(missing()))
    })));
}

/// A run that was cut off on a first machine, whose job is over, and a second machine that knows of it.
fn left_behind(github: &GitHub, steps: &[Step]) -> (Project, Project, String) {
    github.add_run(NEXT, "ada");
    let first = github.machine(&text("", steps), RUN);
    let run = cut_off(&first, "run -e staging", "child");
    github.set_run(RUN, "completed", Some("cancelled"));
    (first, github.machine(&text("", steps), NEXT), run)
}

fn two() -> [Step; 2] {
    [Step::marks("a"), Step::marks("b").run(&stuck("child", "echo b >> order"))]
}

#[test]
fn a_run_that_two_machines_went_on_with_is_nobodys_to_go_on_with() {
    let github = GitHub::start();
    let (first, second, run) = left_behind(&github, &two());
    // The first one comes back, and takes it back without the forge; the second one goes on with it.
    let _ = first.windlass("rollback -e staging --forge local");
    assert_eq!(order(&first), "a -b -a");
    let second = second.file("child", "");
    let _ = second.windlass(&format!("resume {run} --not-done b")).exits(0);
    let kept = github.files(JOURNALS);
    for words in ["status", "history", "reap", "rollback -e staging", &format!("resume {run}")] {
        let output = first.windlass(words).exits(11);
        let says = |part: &str| assert!(output.stderr.contains(part), "{words}: {part}: {}", output.stderr);
        says("nobody can tell what run `[run]` did: its journal was written twice");
        says("the one here has ");
        says("the one on the forge has 9 more, the last of them `deployment-told` at ");
        says("journal.jsonl`");
        says("journal.forge.jsonl`");
        says("move the run's directory out of `.windlass/runs`");
    }
    assert!(first.windlass("status").stdout.contains("staging"), "the rest is shown all the same");
    // Without the forge it is known, too.
    let _ = first.windlass("rollback -e staging --forge local").exits(11);
    assert_eq!(order(&first), "a -b -a");
    assert_eq!(github.files(JOURNALS), kept, "neither replaces the other");
    // A person has looked, and goes by the forge's.
    std::fs::rename(first.path().join(format!(".windlass/runs/{run}")), first.path().join("aside")).expect("moved");
    assert!(first.windlass("status").exits(0).stdout.contains("  live    "));
    let _ = first.windlass("rollback -e staging").exits(0);
    assert_eq!(order(&second), "b", "on the machine that says it");
}

#[test]
fn a_new_deployment_is_nothing_that_a_run_written_twice_stands_in_the_way_of() {
    let github = GitHub::start();
    let (first, second, run) = left_behind(&github, &two());
    let _ = first.windlass("rollback -e staging --forge local");
    let second = second.file("child", "");
    let _ = second.windlass(&format!("resume {run} --not-done b")).exits(0);
    let _ = deploy(&first).exits(0);
    let third = github.machine(&text("", &two()), NEXT);
    let _ = third.windlass("status").exits(0);
    assert_eq!(runs(&third).len(), 2, "the new one is kept");
}

#[test]
fn who_only_closed_a_run_takes_what_the_other_wrote() {
    let github = GitHub::start();
    let (_first, second, run) = left_behind(&github, &two());
    hide(&github, usize::MAX, |request| request.method == "POST" && request.path.ends_with("/git/trees"));
    let _ = second.windlass("reap").exits(0);
    github.draw(None);
    let third = github.machine(&text("", &two()), NEXT);
    let _ = third.windlass("reap").exits(0);
    let _ = second.windlass("status").exits(0);
    let read = |project: &Project| std::fs::read(journal_of(project, &run)).expect("a journal");
    assert_eq!(read(&second), read(&third));
    assert!(second.has(&format!(".windlass/runs/{run}/journal.replaced.jsonl")));
}

#[test]
fn a_shorter_journal_is_never_put_in_the_place_of_a_longer_one() {
    let github = GitHub::start();
    let (first, second, run) = left_behind(&github, &two());
    let _ = second.windlass("reap").exits(0);
    let kept = github.files(JOURNALS);
    // The first has less, and a run of its own to send.
    let _ = deploy(&first.file("child", "")).exits(0);
    let name = format!("{run}.jsonl");
    assert_eq!(github.files(JOURNALS)[&name], kept[&name]);
}

#[test]
fn a_deployment_is_touched_only_where_it_says_itself_that_it_is_the_runs() {
    for words in ["reap", "rollback -e staging --keep b"] {
        let github = GitHub::start();
        let (first, second, run) = left_behind(&github, &two());
        let payload = json!({ "schema": "windlass.deployment/1", "run": "another", "app": "shop" });
        let other = github.add(&json!({ "environment": "staging", "payload": payload }));
        github.add_status(other, &json!({ "state": "success" }));
        let text = std::fs::read_to_string(journal_of(&first, &run)).expect("a journal");
        let forged = with_event(&text, "deployment-created", |event| event["id"] = json!(other.to_string()));
        github.put_file(JOURNALS, &format!("{run}.jsonl"), forged.as_bytes());
        let output = second.windlass(words);
        let said = format!("deployment {other} on github is not of run `[run]`, whatever its journal says");
        assert!(output.stderr.contains(&said), "{words}: {}", output.all());
        let states = github.statuses(other);
        assert_eq!(states.len(), 1, "{words}: it is left alone: {states:?}");
    }
}

#[test]
fn a_lease_that_is_not_shown_for_a_moment_is_not_lost() {
    let github = GitHub::start();
    let project = github.machine(&text("", &[Step::waits("a"), Step::marks("b")]), RUN);
    let child = project.start("run -e staging");
    let go = Go(&project);
    until("its step", || project.has("waiting"));
    // As it is looked at before the next effect, and as it is given back.
    hide(&github, 2, |request| request.method == "GET" && request.path.ends_with(LEASE));
    drop(go);
    let output = project.finish(child).exits(0);
    assert!(!output.stderr.contains("warning"), "{}", output.stderr);
    assert_eq!(order(&project), "a b");
    let lease = project.windlass("lease status").exits(0).stdout;
    assert!(lease.contains("free") && lease.contains("it was taken once"), "{lease}");
}

#[test]
fn a_run_that_is_not_shown_is_over_only_where_runs_are_shown_at_all() {
    let github = GitHub::start();
    let (_first, second, run) = left_behind(&github, &two());
    github.delete_run(RUN);
    hide(&github, usize::MAX, |request| request.path.contains("/actions/runs"));
    let reaped = second.windlass("reap").exits(21);
    assert!(reaped.stderr.contains("actions: read"), "{}", reaped.stderr);
    let held = deploy(&second).exits(21);
    assert!(held.stderr.contains("actions: read"), "{}", held.stderr);
    assert_eq!(github.states(), [["in_progress"]]);
    github.draw(None);
    let _ = second.windlass("reap").exits(0);
    assert_eq!(github.states(), [["in_progress", "error"]]);
    assert_eq!(events_named(&second, &run, "run-reaped").len(), 1);
}

#[test]
fn what_is_not_answered_as_a_refusal_to_write_leads_to_no_lease_of_this_machine_alone() {
    let written = "/git/refs/windlass/leases/shop/staging";
    for (method, part, is_first) in [
        ("POST", "/git/trees", true),
        ("POST", "/git/refs", true),
        ("PATCH", written, false),
        ("GET", "/git/commits/", false),
    ] {
        let github = GitHub::start();
        let text = text("", &[Step::marks("a")]);
        if !is_first {
            let _ = deploy(&github.machine(&text, RUN)).exits(0);
        }
        hide(&github, usize::MAX, move |request| request.method == method && request.path.contains(part));
        let project = github.machine(&text, RUN);
        let output = deploy(&project).exits(21);
        github.draw(None);
        assert!(output.stderr.contains("(404 Not Found)"), "{method} {part}: {}", output.all());
        assert!(!output.stderr.contains("on this machine only"), "{method} {part}: {}", output.stderr);
        assert_eq!(order(&project), "", "{method} {part}");
    }
}

#[test]
fn what_others_have_forgotten_is_not_sent_again() {
    let github = GitHub::start();
    let top = "keep_runs = 3\n";
    let first = github.machine(&text(top, &[Step::marks("a")]), RUN);
    for _ in 0..3 {
        let _ = deploy(&first).exits(0);
    }
    let old = runs(&first);
    for _ in 0..4 {
        let _ = deploy(&github.machine(&text(top, &[Step::marks("a")]), RUN)).exits(0);
    }
    let kept = github.files(JOURNALS);
    let is_kept =
        |files: &std::collections::BTreeMap<String, Vec<u8>>, run: &String| files.contains_key(&format!("{run}.jsonl"));
    assert!(!old.iter().any(|run| is_kept(&kept, run)), "{:?}", kept.keys());
    first.write("deploy.toml", &text(top, &[Step::waits("a")]));
    let first = first.locked();
    let child = first.start("run -e staging");
    let go = Go(&first);
    until("its step", || first.has("waiting"));
    let kept = github.files(JOURNALS);
    assert!(!old.iter().any(|run| is_kept(&kept, run)), "{:?}", kept.keys());
    drop(go);
    let _ = first.finish(child).exits(0);
}

#[test]
fn a_rollback_of_several_runs_on_a_laptop_is_not_closed_by_others() {
    let github = GitHub::start();
    // The newest is taken back at once; the one before it takes its time.
    let slow = "if test -e once; then touch waiting; while test ! -e go; do sleep 0.01; done; fi; touch once; echo -a >> order";
    let text = text("", &[Step::marks("a").reverted_by(slow)]);
    let laptop = github.laptop(&text);
    for version in ["1", "2", "3"] {
        let words = format!("run -e staging --forge github --release-version {version}");
        let _ = laptop.windlass(&words).exits(0);
    }
    let deployed = runs(&laptop);
    let child = laptop.start(&format!("rollback -e staging --forge github --to {}", deployed[0]));
    let go = Go(&laptop);
    until("the other one", || laptop.has("waiting"));
    let other = github.laptop(&text);
    let reaped = other.windlass("reap --forge github").exits(0);
    assert!(reaped.stdout.contains("nothing"), "{}", reaped.stdout);
    drop(go);
    let _ = laptop.finish(child).exits(0);
    for run in &deployed[1..] {
        assert!(events_named(&laptop, run, "run-reaped").is_empty());
    }
    let _ = other.windlass("status --forge github").exits(0);
}

#[test]
fn a_job_is_found_among_as_many_as_a_run_may_have() {
    let github = GitHub::start();
    github.add_run(NEXT, "ada");
    // A hundred are over before the one whose machine it is.
    github.add_jobs(RUN, 120, "elsewhere", "completed");
    github.add_jobs(RUN, 1, "ours", "in_progress");
    let first = github.machine(&text("", &[Step::waits("a")]), RUN).variable("RUNNER_NAME", "ours");
    let child = first.start("run -e staging");
    let go = Go(&first);
    until("its step", || first.has("waiting"));
    let second = github.machine(&text("", &[Step::marks("a")]), NEXT);
    let held = deploy(&second).exits(21);
    assert!(held.stderr.contains("holds the lease"), "{}", held.stderr);
    kill(child);
    drop(go);
    // The run of the workflow goes on with other jobs; this one is over.
    github.set_run(RUN, "completed", Some("failure"));
    github.set_status(RUN, "in_progress");
    let output = deploy(&second).exits(0);
    assert!(output.stderr.contains("a run before this one was cut off"), "{}", output.stderr);
}

#[test]
fn a_lease_expires_by_the_forges_clock() {
    let github = GitHub::start();
    let laptop = github.laptop(&text("", &[Step::waits("a")]));
    let child = laptop.start("run -e staging --forge github");
    let go = Go(&laptop);
    until("its step", || laptop.has("waiting"));
    kill(child);
    drop(go);
    let other = github.laptop(&text("", &[Step::marks("a")]));
    let held = other.windlass("run -e staging --forge github").exits(21);
    assert!(held.stderr.contains("holds the lease"), "{}", held.stderr);
    // By the clock of this machine there is a quarter of an hour left.
    github.set_clock(3600);
    let _ = other.windlass("run -e staging --forge github").exits(0);
    assert!(!events_named(&other, &newest(&other), "lease-taken")[0]["from"].is_null());
}

#[test]
fn a_machine_whose_clock_is_ahead_takes_no_lease_that_goes_on() {
    let github = GitHub::start();
    // It is the forge's clock that is behind: to both it is the same.
    github.set_clock(-3600);
    let environments = "[environments.staging]\nlease = { duration = \"30m\" }\n";
    let laptop = github.laptop(&text_with("", environments, &[Step::waits("a")]));
    let child = laptop.start("run -e staging --forge github");
    let go = Go(&laptop);
    until("its step", || laptop.has("waiting"));
    let other = github.laptop(&text("", &[Step::marks("a")]));
    let held = other.windlass("run -e staging --forge github").exits(21);
    assert!(held.stderr.contains("holds the lease"), "{}", held.stderr);
    drop(go);
    let _ = laptop.finish(child).exits(0);
}
