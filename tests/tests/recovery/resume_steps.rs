//! `windlass resume`: what the steps find of before, and the places within a run where it can be cut off.

use super::*;
use e2e::probe::{Probe, config};
use serde_json::json;

#[test]
fn a_step_that_uses_outputs_and_was_cut_off_goes_on_with_them() {
    let first = Step::of("a", "exit 4").with("success = [4]");
    let output = "${steps.a.outputs.exit-code}";
    let second = Step::marks("b")
        .run(&stuck("child", &format!("echo b-{output} >> order")))
        .unless(&format!("grep -qx b-{output} order"))
        .reverted_by(&format!("echo -b-{output} >> order"));
    let project = project(&[first, second, Step::marks("c").run("test -e mended")]);
    let run = cut_off(&project, "run", "child");
    let output = project.windlass(&format!("resume {run}"));
    assert_eq!(output.code, Some(10), "{}", output.all());
    assert_eq!(order(&project), "b-4 -c -b-4");
}

#[test]
fn a_step_that_waited_for_another_try_is_tried_again() {
    let step =
        Step::marks("a").run("echo a >> tries; test -e mended").key("retry = { attempts = 2, backoff = \"10m\" }");
    let project = project(&[step]);
    let run = project.start("run");
    let failed = || {
        runs(&project).pop().is_some_and(|run| {
            std::fs::read_to_string(journal_of(&project, &run))
                .is_ok_and(|text| text.contains("\"event\":\"step-failed\""))
        })
    };
    until("the first failure", failed);
    kill(run);
    project.write("mended", "");
    let run = newest(&project);
    let output = project.windlass(&format!("resume {run} --format json")).exits(0);
    assert_eq!(outcomes(&output), "a succeeded");
    assert_eq!(output.result()["steps"][0]["attempts"], 2);
    assert_eq!(project.read("tries").lines().count(), 2);
}

#[test]
fn what_is_told_at_the_end_is_told_twice_only_where_that_does_no_harm() {
    for (key, expected) in [("idempotent = true", "a z y"), ("timeout = \"9m\"", "a y")] {
        let stuck_at_the_end = Step::finally("z").run(&stuck("child", "echo z >> order")).key(key);
        let project = project(&[Step::marks("a"), stuck_at_the_end, Step::finally("y")]);
        let run = cut_off(&project, "run", "child");
        let output = project.windlass(&format!("resume {run} --format json")).exits(0);
        assert_eq!(output.result()["outcome"], "succeeded");
        assert_eq!(order(&project), expected, "{}", output.stderr);
        let note = "finally step `z` was cut off, and is not run again: nobody knows how far it came";
        assert_eq!(output.stderr.contains(note), expected == "a y", "{}", output.stderr);
        assert!(live(&project).is_some());
    }
}

#[test]
fn what_failed_for_good_is_taken_back_where_the_run_was_cut_off_at_the_end() {
    // The finally step is under way when everything is taken back already.
    let stuck_at_the_end = Step::finally("z").run(&stuck("child", "echo z >> order")).key("idempotent = true");
    let project = project(&[Step::marks("a"), Step::fails("b"), stuck_at_the_end]);
    let run = cut_off(&project, "run", "child");
    assert_eq!(order(&project), "a b -b -a");
    let output = project.windlass(&format!("resume {run} --format json")).exits(10);
    assert_eq!(output.result()["reason"], "step-failed");
    assert_eq!(order(&project), "a b -b -a z");
}

#[test]
fn a_secret_that_is_missing_lets_nothing_run() {
    let step = stuck_step("a").with("secrets = { TOKEN = { secret = \"TOKEN\" } }");
    let project = project(&[step]);
    let mut command = project.command(["run", "--commit", e2e::COMMIT]);
    let quiet = std::process::Stdio::null;
    let process =
        command.env("TOKEN", "hunter2-hunter2").stdout(quiet()).stderr(quiet()).spawn().expect("the binary runs");
    until("the child", || project.has("child"));
    kill(process);
    end_child(&project, "child");
    let run = newest(&project);
    let before = journals(&project);
    let output = project.windlass(&format!("resume {run} --format json")).exits(2);
    assert_eq!(output.result()["reason"], "secret-missing");
    assert_eq!(journals(&project), before);
    assert_eq!(order(&project), "");
    let output = project.windlass_with(&format!("resume {run}"), &[("TOKEN", "hunter2-hunter2")]).exits(0);
    assert_eq!(order(&project), "a");
    project.keeps_secret("hunter2-hunter2", &[&output]);
}

#[test]
fn a_plugin_that_looks_decides() {
    for (verdict, exit, outcome) in [
        ("done", 0, "succeeded"),
        ("partly", 0, "succeeded"),
        ("not-done", 0, "succeeded"),
        ("unknown", 11, ""),
        ("fail", 11, ""),
    ] {
        let wait = json!({ "do": "exec", "program": "sh", "arguments": ["-c", stuck("child", "echo probe >> order")] });
        let capability = json!({
            "kind": "exec",
            "program": "sh",
            "arguments": ["-c", stuck("child", "echo probe >> order")],
            "phases": ["apply"],
        });
        let record = json!({ "do": "record", "value": "1" });
        let step = Probe::new().asks(capability).applies(record).applies(wait).says(verdict).step("probe");
        let project = Project::with(&config(&[step])).guest("probe").locked();
        let run = cut_off(&project, "run", "child");
        let output = project.windlass(&format!("resume {run} --format json")).exits(exit);
        if exit == 0 {
            assert_eq!(output.result()["steps"][0]["outcome"], outcome);
            assert_eq!(order(&project), if verdict == "done" { "" } else { "probe" }, "{verdict}");
            assert_eq!(events_named(&project, &run, "step-probed")[0]["verdict"], verdict);
        } else {
            assert_eq!(output.result()["reason"], "step-unknown");
            assert_eq!(order(&project), "");
        }
    }
}

#[test]
fn two_that_go_on_at_once_do_it_once() {
    let steps = [
        stuck_step("a"),
        Step::marks("b").run("touch waiting; while test ! -e go; do sleep 0.01; done; echo b >> order"),
    ];
    let environment = "[environments.staging]\nlease = { wait = \"5m\" }\n";
    let project = Project::with(&text_with("", environment, &steps)).locked();
    let run = cut_off(&project, "run", "child");
    let words = format!("resume {run} --commit {} --format json", e2e::COMMIT);
    let first = project.start(&words);
    until("the first", || project.has("waiting"));
    let second = start_waiting(&project, &words);
    project.write("go", "");
    let _ = project.finish(first).exits(0);
    let second = project.finish(second).exits(2);
    assert_eq!(second.result()["reason"], "not-resumable");
    assert!(project.read("told").contains("it succeeded"), "{}", project.read("told"));
    assert_eq!(order(&project), "a b");
}
