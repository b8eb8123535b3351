//! Signals while something is under way: what is written down of them, and when.

use super::*;
use serde_json::json;

/// A revert that waits for the file `go`.
fn slow_revert(id: &str) -> Step {
    Step::marks(id)
        .reverted_by(&format!("touch reverting; while test ! -e go; do sleep 0.01; done; echo -{id} >> order"))
}

fn story_has(project: &Project, event: &str) -> bool {
    let text = std::fs::read_to_string(journal_of(project, &newest(project))).unwrap_or_default();
    text.contains(&format!("\"event\":\"{event}\""))
}

#[test]
fn a_signal_is_written_down_at_once() {
    let project = project(&[slow_revert("a"), Step::marks("b").run(&stuck("child", "exit 0"))]);
    let run = project.start("run --format json");
    until("the child", || project.has("child"));
    signal("INT", run.id());
    until("the revert", || project.has("reverting"));
    // The run is far from its end.
    assert!(story_has(&project, "run-cancelled") && story_has(&project, "step-cancelled"));
    assert!(!story_has(&project, "run-finished"));
    project.write("go", "");
    let output = project.finish(run).exits(12);
    assert_eq!(output.result()["outcome"], "cancelled");
    assert_eq!(order(&project), "a -b -a");
    let cancelled = events_named(&project, &newest(&project), "run-cancelled");
    assert_eq!(cancelled, [json!({ "event": "run-cancelled", "times": 1 })]);
    let turned = &events_named(&project, &newest(&project), "run-turned")[0];
    assert_eq!(turned["step"], json!(null), "no step failed");
}

#[test]
fn a_second_signal_is_written_down_and_what_was_not_taken_back_can_be() {
    let project = project(&[Step::marks("a"), slow_revert("b"), Step::marks("c").run(&stuck("child", "exit 0"))]);
    let run = project.start("run --format json");
    until("the child", || project.has("child"));
    signal("INT", run.id());
    until("the revert", || project.has("reverting"));
    signal("TERM", run.id());
    let output = project.finish(run).exits(11);
    assert_eq!(
        (&output.result()["outcome"], &output.result()["reason"]),
        (&json!("rollback-failed"), &json!("revert-failed"))
    );
    let run = newest(&project);
    let times: Vec<_> =
        events_named(&project, &run, "run-cancelled").iter().map(|event| event["times"].clone()).collect();
    assert_eq!(times, [1, 2]);
    let failed = &events_named(&project, &run, "revert-failed")[0];
    assert_eq!((&failed["step"], &failed["trouble"]["code"]), (&json!("b"), &json!("cancelled")));
    assert_eq!(order(&project), "a b -c");
    project.write("go", "");
    let _ = project.windlass("rollback").exits(0);
    assert_eq!(order(&project), "a b -c -b -a");
}

#[test]
fn taking_back_after_a_signal_is_ended_where_signals_mean_something_else() {
    let project = project(&[Step::marks("a"), slow_revert("b"), Step::marks("c").run(&stuck("child", "exit 0"))]);
    let run = project.start("run");
    until("the child", || project.has("child"));
    signal("INT", run.id());
    until("the revert", || project.has("reverting"));
    kill(run);
    project.write("go", "");
    let run = newest(&project);
    let output = project.windlass_with(&format!("resume {run} --format json"), &[("CI", "true")]).exits(12);
    assert_eq!((&output.result()["outcome"], &output.result()["reason"]), (&json!("cancelled"), &json!("cancelled")));
    assert_eq!(outcomes(&output), "a reverted, b reverted, c reverted");
    assert!(order(&project).ends_with("-a"), "{}", order(&project));
}

#[test]
fn a_rollback_that_was_asked_for_is_cut_short_by_a_second_signal_only() {
    let project = project(&[Step::marks("a"), slow_revert("b")]);
    let _ = project.windlass("run").exits(0);
    let run = project.start("rollback --format json");
    until("the revert", || project.has("reverting"));
    signal("TERM", run.id());
    until("the signal to be written down", || story_has(&project, "run-cancelled"));
    assert!(!story_has(&project, "revert-failed"), "to be taken back is what was asked for");
    signal("TERM", run.id());
    let _ = project.finish(run).exits(11);
    assert_eq!(order(&project), "a b");
    project.write("go", "");
    let _ = project.windlass("rollback").exits(0);
    assert_eq!(order(&project), "a b -b -a");
}

#[test]
fn a_run_that_goes_on_can_be_cancelled_again() {
    let last = Step::marks("c").run(&stuck("child-c", "echo c >> order")).unless("grep -qx c order");
    let project = project(&[Step::marks("a"), stuck_step("b"), last]);
    let run = cut_off(&project, "run", "child");
    let mut command = project.command(["resume", &run, "--commit", e2e::COMMIT, "--format", "json"]);
    command.env("CI", "true").stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let resumed = command.spawn().expect("the binary runs");
    until("the child", || project.has("child-c"));
    signal("TERM", resumed.id());
    let output = project.finish(resumed).exits(12);
    assert_eq!(output.result()["reason"], "cancelled-unfinished");
    let _ = project.windlass(&format!("resume {run}")).exits(0);
    assert_eq!(order(&project), "a b c");
}

#[test]
fn whoever_waits_for_a_lease_can_stop_waiting() {
    let waits = "touch waiting; while test ! -e go; do sleep 0.01; done; echo a >> order";
    let environment = "[environments.staging]\nlease = { wait = \"10m\" }\n";
    let project = Project::with(&text_with("", environment, &[Step::marks("a").run(waits)])).locked();
    let first = project.start("run");
    until("the first run", || project.has("waiting"));
    let second = start_waiting(&project, &format!("run --format json --commit {}", e2e::COMMIT));
    signal("INT", second.id());
    let output = project.finish(second).exits(12);
    assert_eq!(output.result()["outcome"], "cancelled");
    assert!(project.read("told").contains("note: nothing was run"), "{}", project.read("told"));
    project.write("go", "");
    let _ = project.finish(first).exits(0);
    assert_eq!(order(&project), "a");
}

/// Children begin with what the system does at this signal, also where whoever started the tests ignores it: what is ignored is
/// inherited, and what is handled is not.
fn hang_ups_are_not_ignored() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let _entered = runtime.enter();
    drop(tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup()).expect("a handler"));
}

#[test]
fn a_terminal_that_goes_away_cancels_unless_it_was_asked_not_to() {
    hang_ups_are_not_ignored();
    // Under `nohup` a process begins with the signal ignored.
    for (words, ignored) in [("exec", false), ("trap '' HUP; exec", true)] {
        let project = project(&[Step::marks("a"), Step::marks("b").run(&stuck("child", "exit 0"))]);
        let run = project.command(["run", "--commit", e2e::COMMIT]);
        let mut command = Command::new("sh");
        command.current_dir(project.path()).env_clear();
        command.envs(run.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.args(["-c", &format!("{words} \"$0\" \"$@\"")]).arg(run.get_program()).args(run.get_args());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let run = command.spawn().expect("a shell");
        until("the child", || project.has("child"));
        signal("HUP", run.id());
        if ignored {
            std::thread::sleep(std::time::Duration::from_millis(300));
            assert!(!story_has(&project, "run-cancelled"));
            signal("TERM", run.id());
        }
        let _ = project.finish(run).exits(12);
        assert_eq!(order(&project), "a -b -a");
    }
}

#[test]
fn a_signal_while_it_is_looked_what_became_of_a_step_changes_nothing() {
    let unless = "touch probing; while test -e child -a ! -e go; do sleep 0.01; done; grep -qx b order";
    let step = Step::marks("b").run(&stuck("child", "echo b >> order")).unless(unless);
    // That it looks is told by a file, which what only looks cannot make otherwise.
    let config = e2e::steps::text("policy.confinement = \"off\"", &[Step::marks("a"), step]);
    let project = e2e::Project::with(&config).locked();
    let run = cut_off(&project, "run", "child");
    std::fs::remove_file(project.path().join("probing")).expect("it was planned");
    let before = journals(&project);
    let resumed = project.start(&format!("resume {run} --commit {}", e2e::COMMIT));
    until("the probe", || project.has("probing"));
    signal("TERM", resumed.id());
    let _ = project.finish(resumed).exits(12);
    assert_eq!(journals(&project), before);
    project.write("go", "");
    let _ = project.windlass(&format!("resume {run}")).exits(0);
    assert_eq!(order(&project), "a b");
}
