//! Runs that somebody stops: what becomes of the children, of what was done, and of the journal.

#![cfg(unix)]

use super::{Step, order, outcomes, project, text, until};
use e2e::Project;
use e2e::probe::Probe;
use serde_json::json;
use std::process::{Child, Command};

/// Sends a signal by its name.
fn signal(name: &str, process: u32) {
    let status = Command::new("sh").arg("-c").arg(format!("kill -{name} {process}")).status().expect("a shell");
    assert!(status.success(), "the process is there");
}

fn ended(project: &Project, file: &str) {
    let child = project.read(file).trim().to_owned();
    until("the child's end", || !std::path::Path::new("/proc").join(&child).exists());
}

/// A script that says its process's id, and then takes for ever.
fn for_ever(file: &str) -> String {
    format!("echo $$ > {file}.part && mv {file}.part {file}; sleep 600")
}

fn waits_for(project: &Project, file: &str) {
    until(file, || project.has(file));
}

fn started(project: &Project, variables: &[(&str, &str)]) -> Child {
    let mut command = project.command(["run", "--format", "json", "--commit", e2e::COMMIT]);
    command.envs(variables.iter().copied());
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().expect("the binary runs")
}

#[test]
fn in_ci_a_cancelled_run_stops_and_says_what_is_left() {
    for name in ["TERM", "INT"] {
        let project = project(&[
            Step::marks("a"),
            Step::marks("b").run(&for_ever("child")),
            Step::marks("c"),
            Step::finally("z"),
        ]);
        let run = started(&project, &[("CI", "true")]);
        waits_for(&project, "child");
        signal(name, run.id());
        let output = project.finish(run).exits(12);
        ended(&project, "child");
        assert_eq!(output.result()["outcome"], "cancelled");
        assert_eq!(output.result()["reason"], "cancelled-unfinished");
        assert_eq!(outcomes(&output), "a succeeded, b cancelled, c not-run, z succeeded");
        assert_eq!(order(&project), "a z");
        let story = project.story();
        assert!(story.contains(&"step-cancelled b".to_owned()), "{story:?}");
        assert_eq!(story.last().map(String::as_str), Some("run-finished"));
        let status = project.windlass("status").exits(0).stdout;
        assert!(status.contains("step `b`: cancelled"), "{status}");
        assert!(status.contains("goes on with it, `windlass rollback -e staging` takes back what it did"), "{status}");
    }
}

#[test]
fn on_a_laptop_a_cancelled_run_is_taken_back() {
    let project = project(&[Step::marks("a"), Step::marks("b").run(&for_ever("child"))]);
    let run = started(&project, &[]);
    waits_for(&project, "child");
    signal("INT", run.id());
    let output = project.finish(run).exits(12);
    ended(&project, "child");
    assert_eq!(order(&project), "a -b -a");
    assert_eq!(outcomes(&output), "a reverted, b reverted");
    assert_eq!(output.result()["outcome"], "cancelled");
    assert_eq!(output.result()["reason"], "cancelled", "nothing is left");
    let status = project.windlass("status").exits(0).stdout;
    assert!(status.contains("the cancelled run left nothing behind"), "{status}");
}

#[test]
fn what_a_cancellation_does_can_be_said() {
    for (word, ci, expected) in [("rollback", "true", "a -b -a"), ("stop", "", "a")] {
        let steps = [Step::marks("a"), Step::marks("b").run(&for_ever("child"))];
        let project = Project::with(&text(&format!("on_cancel = \"{word}\""), &steps)).locked();
        let run = started(&project, &[("CI", ci)]);
        waits_for(&project, "child");
        signal("TERM", run.id());
        let _ = project.finish(run).exits(12);
        assert_eq!(order(&project), expected);
    }
}

#[test]
fn a_second_signal_cuts_reverts_short() {
    let stuck = Step::marks("b").reverted_by(&for_ever("reverting"));
    let project = project(&[Step::marks("a"), stuck, Step::marks("c").run(&for_ever("child"))]);
    let run = started(&project, &[]);
    waits_for(&project, "child");
    signal("INT", run.id());
    waits_for(&project, "reverting");
    signal("INT", run.id());
    let output = project.finish(run).exits(11);
    ended(&project, "reverting");
    assert_eq!(order(&project), "a b -c");
    assert_eq!(outcomes(&output), "a succeeded, b revert-failed, c reverted");
    assert_eq!(output.result()["outcome"], "rollback-failed");
    assert_eq!(project.story().last().map(String::as_str), Some("run-finished"));
}

/// A run that is killed, in CI, while its step runs this script; the script says when by making the file `child`.
fn stopped(script: &str) -> (Project, e2e::Output) {
    let project = project(&[Step::marks("a").run(script), Step::marks("b")]);
    let run = started(&project, &[("CI", "true")]);
    waits_for(&project, "child");
    signal("TERM", run.id());
    let output = project.finish(run).exits(12);
    assert_eq!(outcomes(&output), "a cancelled, b not-run");
    (project, output)
}

#[test]
fn a_child_that_is_told_to_stop_has_its_last_words() {
    let (project, output) = stopped(&format!(
        "trap 'kill $!; echo bye >> order; echo these are my last words; exit 3' TERM; {} & wait",
        for_ever("child")
    ));
    assert_eq!(order(&project), "bye");
    assert!(output.stderr.contains("these are my last words"), "{}", output.stderr);
    assert!(!output.stderr.contains("was killed"), "{}", output.stderr);
}

#[test]
fn a_child_that_does_not_listen_is_killed_with_all_that_it_started() {
    let rest = "trap '' TERM; echo $$ > rest; while :; do sleep 600; done";
    let script = format!("trap '' TERM; sh -c \"{}\" & {}; sleep 600", rest.replace('$', "\\$"), for_ever("child"));
    let begin = std::time::Instant::now();
    let (project, output) = stopped(&format!("{script}; echo more >> order"));
    assert!(output.stderr.contains("`sh` did not end when it was asked to, and was killed"), "{}", output.stderr);
    assert!(begin.elapsed() < std::time::Duration::from_secs(60));
    ended(&project, "child");
    ended(&project, "rest");
    assert_eq!(order(&project), "");
}

#[test]
fn a_second_signal_kills_at_once() {
    let step =
        Step::marks("a").run("trap 'echo > asked' TERM; echo $$ > part; mv part child; while :; do sleep 0.1; done");
    let project = project(&[step]);
    let run = started(&project, &[("CI", "true")]);
    waits_for(&project, "child");
    signal("INT", run.id());
    waits_for(&project, "asked");
    signal("INT", run.id());
    let output = project.finish(run).exits(12);
    ended(&project, "child");
    assert_eq!(outcomes(&output), "a cancelled");
    // That is said of who had its time and did not use it.
    assert!(!output.stderr.contains("did not end when it was asked to"), "{}", output.stderr);
}

#[test]
fn who_is_told_to_stop_begins_nothing_more() {
    let exec = |program: &str| json!({ "kind": "exec", "program": program, "phases": ["apply"] });
    let project = Probe::new()
        .asks(exec("./first"))
        .asks(exec("./second"))
        .applies(json!({ "do": "exec", "program": "./first" }))
        .applies(json!({ "do": "record", "value": "1" }))
        .applies(json!({ "do": "exec", "program": "./second" }))
        .project()
        // It ends as if nothing had happened.
        .file("first", &format!("#!/bin/sh\ntrap 'kill $!; exit 0' TERM\n({}) & wait\n", for_ever("child")))
        .file("second", "#!/bin/sh\necho second >> order\n")
        .locked();
    let run = started(&project, &[("CI", "true")]);
    waits_for(&project, "child");
    signal("TERM", run.id());
    let output = project.finish(run).exits(12);
    assert_eq!(outcomes(&output), "probe cancelled");
    assert_eq!(order(&project), "");
    // Not even what takes no time.
    let story = project.story();
    assert!(!story.iter().any(|event| event.starts_with("record-appended")), "{story:?}");
}

#[test]
fn a_step_that_is_told_to_stop_is_not_tried_again() {
    let step = Step::marks("a")
        .run(&format!("echo try >> order; trap 'exit 1' TERM; ({}) & wait", for_ever("child")))
        .key("retry = { attempts = 3, backoff = \"1ms\" }");
    let project = project(&[step]);
    let run = started(&project, &[("CI", "true")]);
    waits_for(&project, "child");
    signal("TERM", run.id());
    let output = project.finish(run).exits(12);
    assert_eq!((order(&project).as_str(), &output.result()["steps"][0]["attempts"]), ("try", &json!(1)));
}

/// What is left by a host that was killed can be found by its marks.
#[cfg(target_os = "linux")]
#[test]
fn the_children_of_a_killed_host_go_on_and_say_whose_they_are() {
    let project = project(&[Step::marks("a").run(&for_ever("child"))]);
    let mut run = started(&project, &[]);
    waits_for(&project, "child");
    run.kill().expect("it runs");
    run.wait().expect("an end");
    let child: u32 = project.read("child").trim().parse().expect("an id");
    let environment = std::fs::read(format!("/proc/{child}/environ")).expect("it is alive");
    let status = std::fs::read_to_string(format!("/proc/{child}/stat")).expect("it is alive");
    // Its shell waits for what it started, so all of its group is ended here.
    let group = Command::new("sh").arg("-c").arg(format!("kill -KILL -{child}")).status().expect("a shell");
    assert!(group.success());
    assert!(!status.contains(") Z "), "{status}");
    let environment = String::from_utf8_lossy(&environment);
    let mut marks: Vec<&str> = environment.split('\0').filter(|pair| pair.starts_with("WINDLASS_")).collect();
    let runs = std::fs::read_dir(project.path().join(".windlass/runs")).expect("runs");
    let id = runs.map(|run| run.expect("a run").file_name()).next().expect("one run").to_string_lossy().into_owned();
    marks.sort_unstable();
    assert_eq!(marks, ["WINDLASS_ATTEMPT=1", format!("WINDLASS_RUN={id}").as_str(), "WINDLASS_STEP=a"]);
}

#[test]
fn nothing_is_left_where_nothing_was_changed() {
    let look = Step::of("look", &for_ever("child")).with("effect = \"reads\"");
    let project = project(&[look, Step::marks("a")]);
    let run = started(&project, &[("CI", "true")]);
    waits_for(&project, "child");
    signal("TERM", run.id());
    let output = project.finish(run).exits(12);
    assert_eq!(output.result()["reason"], "cancelled");
    assert_eq!(outcomes(&output), "look cancelled, a not-run");
}

#[test]
fn a_run_that_waits_for_another_try_can_be_cancelled() {
    let step = Step::marks("a").run("exit 1").key("retry = { attempts = 3, backoff = \"10m\" }");
    let project = project(&[step]);
    let run = started(&project, &[]);
    until("the first failure", || project.has(".windlass/runs") && journal_has(&project, "step-failed"));
    signal("TERM", run.id());
    let output = project.finish(run).exits(12);
    assert_eq!(order(&project), "-a");
    assert_eq!(output.result()["steps"][0]["attempts"], 1);
}

/// Whether a journal that is still being written has an event.
fn journal_has(project: &Project, event: &str) -> bool {
    let runs = std::fs::read_dir(project.path().join(".windlass/runs")).expect("runs");
    runs.filter_map(Result::ok).any(|run| {
        std::fs::read_to_string(run.path().join("journal.jsonl"))
            .is_ok_and(|text| text.contains(&format!("\"event\":\"{event}\"")))
    })
}
