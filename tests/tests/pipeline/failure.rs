//! A step that fails: what is taken back, in which order, and how the run ends.

use super::{Step, order, outcomes, project};

#[test]
fn what_was_done_is_taken_back_in_reverse_order_from_the_failing_step_on() {
    let project =
        project(&[Step::marks("a"), Step::marks("b"), Step::fails("c"), Step::marks("d"), Step::finally("z")]);
    let output = project.windlass("run --format json").exits(10);
    assert_eq!(order(&project), "a b c -c -b -a z");
    assert_eq!(outcomes(&output), "a reverted, b reverted, c reverted, d not-run, z succeeded");
    let result = output.result();
    assert_eq!(result["outcome"], "rolled-back");
    assert_eq!(result["reason"], "step-failed");
    let story: Vec<String> = project.story().into_iter().filter(|line| !line.starts_with("record-appended")).collect();
    assert_eq!(
        story,
        [
            "run-started",
            "run-planned",
            "lease-taken",
            "step-started a",
            "step-succeeded a",
            "step-started b",
            "step-succeeded b",
            "step-started c",
            "step-failed c",
            "run-turned c",
            "revert-started c",
            "step-reverted c",
            "revert-started b",
            "step-reverted b",
            "revert-started a",
            "step-reverted a",
            "step-started z",
            "step-succeeded z",
            "run-finished",
        ]
    );
    assert!(
        output.stderr.contains("exit 10: `windlass explain step-failed` and `windlass explain 10` say more"),
        "{}",
        output.stderr
    );
}

#[test]
fn a_step_may_say_that_nothing_is_taken_back() {
    let project = project(&[Step::marks("a"), Step::fails("b").key("on_failure = \"stop\""), Step::marks("c")]);
    let output = project.windlass("run --format json").exits(13);
    assert_eq!(order(&project), "a b");
    assert_eq!(output.result()["outcome"], "failed");
    assert_eq!(output.result()["reason"], "step-failed");
    assert_eq!(outcomes(&output), "a succeeded, b failed, c not-run");
}

#[test]
fn a_step_may_fail_without_failing_the_run() {
    let project = project(&[Step::marks("a"), Step::fails("b").key("on_failure = \"continue\""), Step::marks("c")]);
    let output = project.windlass("run --format json").exits(0);
    assert_eq!(order(&project), "a b c");
    assert_eq!(output.result()["outcome"], "succeeded");
    assert_eq!(output.result()["reason"], "step-failed", "the result says so");
    assert_eq!(outcomes(&output), "a succeeded, b failed, c succeeded");
}

#[test]
fn a_tolerated_failure_is_taken_back_when_a_later_step_fails() {
    let project = project(&[Step::fails("a").key("on_failure = \"continue\""), Step::fails("b")]);
    let output = project.windlass("run --format json").exits(10);
    assert_eq!(order(&project), "a b -b -a");
    assert_eq!(outcomes(&output), "a reverted, b reverted");
}

#[test]
fn where_nothing_was_changed_nothing_is_taken_back() {
    for effect in ["reads", "checks"] {
        let look = Step::of("look", "exit 1").with(&format!("effect = \"{effect}\""));
        let project = project(&[look, Step::marks("a"), Step::finally("z")]);
        let output = project.windlass("run --format json").exits(13);
        assert_eq!(order(&project), "", "no effect began, so the finally step has nothing to tell of");
        assert_eq!(outcomes(&output), "look failed, a not-run, z not-run");
        assert_eq!(output.result()["outcome"], "failed");
    }
}

#[test]
fn what_cannot_be_taken_back_is_not_said_to_be() {
    let project = project(&[Step::of("mail", "echo mail >> order"), Step::marks("a"), Step::fails("b")]);
    let output = project.windlass("run --format json").exits(10);
    assert_eq!(order(&project), "mail a b -b -a");
    assert_eq!(outcomes(&output), "mail succeeded, a reverted, b reverted");
    assert!(
        output.stderr.contains("mail: not taken back: it cannot be taken back, as its plan said; "),
        "{}",
        output.stderr
    );
}

#[test]
fn a_revert_that_fails_is_a_persons_business_and_stops_no_other() {
    let stuck = Step::marks("b").reverted_by("echo -b >> order; exit 1");
    let project = project(&[Step::marks("a"), stuck, Step::fails("c"), Step::finally("z")]);
    let output = project.windlass("run --format json").exits(11);
    assert_eq!(order(&project), "a b c -c -b -a z");
    assert_eq!(outcomes(&output), "a reverted, b revert-failed, c reverted, z succeeded");
    assert_eq!(output.result()["outcome"], "rollback-failed");
    assert_eq!(output.result()["reason"], "revert-failed");
    let status = project.windlass("status").exits(0).stdout;
    assert!(
        status.contains(
            "step `b`: could not be taken back\n          `sh -c 'echo -b >> order; exit 1'` ended with exit code 1"
        ),
        "{status}"
    );
    assert!(status.contains("a person has to look"), "{status}");
    // What is reported as the reason of it all is what failed first.
    let history = project.windlass("history --format json").exits(0).result();
    let problem = history[0]["problem"].as_str().expect("a problem").to_owned();
    assert!(problem.contains("echo c >> order; exit 3"), "{problem}");
}

#[test]
fn a_finally_step_that_fails_is_a_note() {
    let broken = Step::finally("y").run("echo y >> order; exit 1");
    let project = project(&[Step::marks("a"), broken, Step::finally("z")]);
    let output = project.windlass("run --format json").exits(0);
    assert_eq!(order(&project), "a y z");
    assert_eq!(outcomes(&output), "a succeeded, y failed, z succeeded");
    assert!(output.stderr.contains("note: finally step `y` failed, which changes nothing"), "{}", output.stderr);
    assert_eq!(output.result()["outcome"], "succeeded");
    assert!(project.story().contains(&"note-added".to_owned()));
}

#[test]
fn what_was_live_before_stays_live_after_a_run_that_came_to_nothing() {
    let project = project(&[Step::marks("a").run("test ! -e broken && echo a >> order")]);
    let _ = project.windlass("run --release-version 1.0.0").exits(0);
    project.write("broken", "");
    let _ = project.windlass("run --release-version 2.0.0").exits(10);
    let status = project.windlass("status --format json").exits(0).result();
    assert_eq!(status[0]["live"]["version"], "1.0.0");
    assert_eq!(status[0]["newest"]["version"], "2.0.0");
    assert_eq!(status[0]["newest"]["outcome"], "rolled-back");
}
