//! `windlass status`: how things stand, and what to do next, in whole.

use super::*;
use serde_json::json;

const WAITS: &str = "touch waiting; while test ! -e go; do sleep 0.01; done; echo a >> order";

/// What `status` says, without what differs from machine to machine.
fn told(project: &Project) -> String {
    let output = project.windlass("status").exits(0);
    assert_eq!(output.stderr, "");
    let line = |line: &str| match line.split_once("held by run ") {
        Some((before, _)) => format!("{before}held by run …"),
        None => line.to_owned(),
    };
    output.stdout.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn where_nothing_was_deployed_yet() {
    insta::assert_snapshot!(told(&project(&[Step::marks("a")])), @"
    staging
      live    nothing that is known of
      next    `windlass run -e staging` deploys for the first time
    ");
}

#[test]
fn while_a_run_is_under_way() {
    let project = project(&[Step::marks("a").run(WAITS).unless("grep -qx a order")]);
    let first = project.start("run");
    until("the run", || project.has("waiting"));
    insta::assert_snapshot!(told(&project), @"
    staging
      live    nothing that is known of
      run     [run] is under way, 0123456789 since [time]
              it was heard of last at [time]
              step `a`: is at work
      lease   held by run …
      next    wait for the run to end
    ");
    project.write("go", "");
    let _ = project.finish(first).exits(0);
    insta::assert_snapshot!(told(&project), @"
    staging
      live    0123456789 (0123456789) since [time]
      next    nothing
    ");
}

#[test]
fn after_a_run_that_was_cut_off() {
    let project = project(&[Step::marks("a"), Step::marks("b").run(&stuck("child", "echo b >> order"))]);
    cut_off(&project, "run --release-version 1.2.3", "child");
    insta::assert_snapshot!(told(&project), @"
    staging
      live    nothing that is known of
      run     [run] was cut off, 1.2.3 since [time]
              it was heard of last at [time]
              step `b`: it was cut off, and nobody knows how far it came
      next    `windlass resume [run]` goes on with it, `windlass rollback -e staging` takes back what it did
    ");
    // The same once it is closed.
    let _ = project.windlass("reap").exits(0);
    insta::assert_snapshot!(told(&project), @"
    staging
      live    nothing that is known of
      run     [run] was cut off, 1.2.3 since [time]
              step `b`: it was cut off, and nobody knows how far it came
      next    `windlass resume [run]` goes on with it, `windlass rollback -e staging` takes back what it did
    ");
}

#[test]
fn after_a_run_that_was_cancelled_in_ci() {
    let project = project(&[Step::marks("a"), Step::marks("b").run(&stuck("child", "echo b >> order"))]);
    let mut command = project.command(["run", "--commit", e2e::COMMIT]);
    let run = command.env("CI", "true").stderr(std::process::Stdio::piped()).spawn().expect("the binary runs");
    until("the child", || project.has("child"));
    signal("TERM", run.id());
    let _ = project.finish(run).exits(12);
    insta::assert_snapshot!(told(&project), @"
    staging
      live    nothing that is known of
      run     [run] cancelled, 0123456789 since [time]
              step `b`: cancelled
      next    `windlass resume [run]` goes on with it, `windlass rollback -e staging` takes back what it did
    ");
}

#[test]
fn after_a_run_that_stopped_at_a_failure() {
    let project = project(&[Step::marks("a"), Step::fails("b").key("on_failure = \"stop\"")]);
    let _ = project.windlass("run").exits(13);
    insta::assert_snapshot!(told(&project), @"
    staging
      live    nothing that is known of
      run     [run] failed, 0123456789 since [time]
              `sh -c 'echo b >> order; exit 3'` ended with exit code 3
      next    `windlass resume [run]` goes on with it, `windlass rollback -e staging` takes back what it did
    ");
}

#[test]
fn after_a_run_that_could_not_be_taken_back() {
    let project = project(&[Step::marks("a").reverted_by("exit 1"), Step::fails("b")]);
    let _ = project.windlass("run").exits(11);
    insta::assert_snapshot!(told(&project), @"
    staging
      live    nothing that is known of
      run     [run] rollback-failed, 0123456789 since [time]
              `sh -c 'echo b >> order; exit 3'` ended with exit code 3
              step `a`: could not be taken back
              `sh -c 'exit 1'` ended with exit code 1
      next    a person has to look: not everything could be taken back; `windlass rollback -e staging` tries the rest again
    ");
}

#[test]
fn after_a_run_that_was_taken_back() {
    let project = project(&[Step::marks("a"), Step::marks("b").run("test ! -e broken")]);
    release(&project, "1.0.0");
    project.write("broken", "");
    let _ = project.windlass("run --release-version 2.0.0").exits(10);
    insta::assert_snapshot!(told(&project), @"
    staging
      live    1.0.0 (0123456789) since [time]
      run     [run] rolled-back, 2.0.0 since [time]
              `sh -c 'test ! -e broken'` ended with exit code 1
      next    mend what failed and `windlass run -e staging`; it is as it was before
    ");
}

#[test]
fn while_a_run_is_taken_back_and_after_that_was_cut_off() {
    let slow = Step::marks("a").reverted_by(&stuck("reverting", "echo -a >> order"));
    let project = project(&[slow, Step::fails("b")]);
    let run = project.start("run");
    until("the revert", || project.has("reverting"));
    insta::assert_snapshot!(told(&project), @"
    staging
      live    nothing that is known of
      run     [run] is being taken back, 0123456789 since [time]
              it was heard of last at [time]
              `sh -c 'echo b >> order; exit 3'` ended with exit code 3
              step `a`: is being taken back
      lease   held by run …
      next    wait for the run to end
    ");
    kill(run);
    end_child(&project, "reverting");
    insta::assert_snapshot!(told(&project), @"
    staging
      live    nothing that is known of
      run     [run] was cut off, 0123456789 since [time]
              it was heard of last at [time]
              `sh -c 'echo b >> order; exit 3'` ended with exit code 3
              step `a`: taking it back was cut off
      next    `windlass resume [run]` goes on taking it back
    ");
}

#[test]
fn what_is_live_is_not_known_where_a_later_journal_cannot_be_read() {
    let project = project(&[versioned("a")]);
    release(&project, "1");
    let second = release(&project, "2");
    let good = std::fs::read(journal_of(&project, &second)).expect("a journal");
    let mut bad = good.clone();
    bad[good.len() / 2] ^= 1;
    std::fs::write(journal_of(&project, &second), &bad).expect("a journal");
    let output = project.windlass("status --format json").exits(11);
    let place = &output.result()[0];
    assert_eq!((&place["live"], &place["newest"]["version"]), (&json!(null), &json!("1")));
    let next = place["next"].as_str().unwrap_or_default();
    assert!(next.contains(&format!("restore the journal of run {second}")), "{next}");
    assert!(project.windlass("status").exits(11).stdout.contains("live    not known"));
    // One that a later release came after says nothing about it.
    std::fs::write(journal_of(&project, &second), &good).expect("a journal");
    release(&project, "3");
    std::fs::write(journal_of(&project, &second), &bad).expect("a journal");
    let output = project.windlass("status --format json").exits(11);
    assert_eq!(output.result()[0]["live"]["version"], "3");
}
