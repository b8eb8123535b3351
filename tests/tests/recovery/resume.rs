//! `windlass resume`: a run goes on after its last proven step, and where nobody knows what that is, a person is asked.

use super::*;
use e2e::probe::{Probe, config};
use serde_json::json;

#[test]
fn a_run_that_was_killed_goes_on_after_its_last_proven_step() {
    let project = project(&[Step::marks("a"), stuck_step("b"), Step::marks("c"), Step::finally("z")]);
    let run = cut_off(&project, "run --release-version 1.0.0", "child");
    assert_eq!(order(&project), "a");
    let output = project.windlass(&format!("resume {run} --format json")).exits(0);
    assert_eq!(order(&project), "a b c z");
    assert_eq!(outcomes(&output), "a succeeded, b succeeded, c succeeded, z succeeded");
    let result = output.result();
    assert_eq!(result["schema"], "windlass.result/1");
    assert_eq!(
        (&result["run"], &result["outcome"], &result["reason"]),
        (&json!(run), &json!("succeeded"), &json!(null))
    );
    assert_eq!(result["plan"], events(&project, &run)[0]["plan"], "the plan is the one that it was begun with");
    let attempts: Vec<_> =
        result["steps"].as_array().expect("steps").iter().map(|step| step["attempts"].clone()).collect();
    assert_eq!(attempts, [1, 2, 1, 1], "attempts go on counting");
    assert_eq!(runs(&project).len(), 1, "it is the same run");
    let story = project.story();
    let resumed = story.iter().position(|event| event == "run-resumed").expect("it is written down");
    assert_eq!(
        story[resumed..],
        [
            "run-resumed",
            "lease-taken",
            "step-probed b",
            "step-planned b",
            "step-planned c",
            "step-started b",
            "record-appended b",
            "step-succeeded b",
            "step-started c",
            "record-appended c",
            "step-succeeded c",
            "step-started z",
            "record-appended z",
            "step-succeeded z",
            "run-finished"
        ]
    );
    let probed = &events_named(&project, &run, "step-probed")[0];
    assert_eq!(
        (&probed["verdict"], &probed["by"], &probed["attempt"]),
        (&json!("not-done"), &json!("plugin"), &json!(1))
    );
    assert_eq!(live(&project).as_deref(), Some("1.0.0"), "the version is the one that it was begun with");
}

#[test]
fn a_step_that_was_done_before_that_could_be_written_down_is_not_done_again() {
    let done = Step::marks("b").run("echo b >> order; echo $$ > child; exec sleep 600").unless("grep -qx b order");
    let project = project(&[Step::marks("a"), done, Step::marks("c")]);
    let run = cut_off(&project, "run", "child");
    let output = project.windlass(&format!("resume {run} --format json")).exits(0);
    assert_eq!(order(&project), "a b c");
    assert_eq!(outcomes(&output), "a succeeded, b succeeded, c succeeded");
    assert!(output.stderr.contains("was cut off, and is done (its plugin looked)"), "{}", output.stderr);
}

#[test]
fn a_step_is_not_done_again_because_its_unless_was_refused_something() {
    // It may change nothing, so what it needs for looking is refused to it.
    let unless = "echo \"sh: cannot create lock: Permission denied\" >&2; exit 2";
    let project = project(&[Step::marks("b").run(&stuck("child", "echo b >> order")).unless(unless)]);
    let run = cut_off(&project, "run", "child");
    let output = project.windlass(&format!("resume {run} --format json")).exits(11);
    assert_eq!(output.result()["reason"], "step-unknown");
    assert_eq!(order(&project), "");
}

#[test]
fn where_nobody_can_tell_a_person_has_to() {
    let unknown = || Step::marks("b").run(&stuck("child", "echo b >> order"));
    for (word, expected, verdict) in [("--done", "a c", "done"), ("--not-done", "a b c", "not-done")] {
        let project = project(&[Step::marks("a"), unknown(), Step::marks("c")]);
        let run = cut_off(&project, "run", "child");
        let output = project.windlass(&format!("resume {run} --format json")).exits(11);
        assert_eq!(output.result()["reason"], "step-unknown");
        for part in [
            "error: nobody can tell whether step `b` of run `[run]` did its work",
            "note: nothing was changed",
            "`windlass resume [run] --done b` or `--not-done b`",
        ] {
            assert!(output.stderr.contains(part), "{part}: {}", output.stderr);
        }
        // That it was asked is all that is written down.
        let probed = events_named(&project, &run, "step-probed");
        assert_eq!((probed.len(), &probed[0]["verdict"]), (1, &json!("unknown")));
        assert_eq!(probed[0]["cause"], "its plugin looked, and cannot tell");
        assert!(events_named(&project, &run, "run-resumed").is_empty());
        assert_eq!(order(&project), "a");
        let output = project.windlass(&format!("resume {run} {word} b --format json")).exits(0);
        assert_eq!(order(&project), expected);
        assert_eq!(outcomes(&output), "a succeeded, b succeeded, c succeeded");
        let probed = &events_named(&project, &run, "step-probed")[1];
        assert_eq!((&probed["verdict"], &probed["by"]), (&json!(verdict), &json!("person")));
    }
}

#[test]
fn a_person_can_only_tell_of_what_was_cut_off() {
    let project = project(&[Step::marks("a"), Step::marks("b").run(&stuck("child", "echo b >> order"))]);
    let run = cut_off(&project, "run", "child");
    let before = journals(&project);
    for (words, part) in [
        ("--done a", "step `a` of run `[run]` was not cut off"),
        ("--done nosuch", "step `nosuch` of run `[run]` was not cut off"),
        ("--done b --not-done b", "step `b` cannot be both done and not done"),
    ] {
        let output = project.windlass(&format!("resume {run} {words}")).exits(2);
        assert!(output.stderr.contains(part), "{}", output.stderr);
        assert!(output.stderr.contains("note: nothing was changed"), "{}", output.stderr);
    }
    assert_eq!(journals(&project), before);
    assert_eq!(order(&project), "a");
}

#[test]
fn what_cannot_be_said_ends_nothing_that_is_at_work() {
    let project = project(&[Step::marks("a").run(&stuck("child", "exit 0"))]);
    let run = project.start("run");
    until("the child", || project.has("child"));
    kill(run);
    let run = newest(&project);
    let before = journals(&project);
    let _ = project.windlass(&format!("resume {run} --done b")).exits(2);
    assert!(e2e::traces::runs(project.read("child").trim()), "it was ended");
    assert_eq!(journals(&project), before);
    // Where it comes to nothing for another reason, what was ended is written down.
    let _ = project.windlass(&format!("resume {run}")).exits(11);
    let notes = events_named(&project, &run, "note-added");
    assert!(
        notes[0]["text"].as_str().unwrap_or_default().contains("what was still at work for it was ended"),
        "{notes:?}"
    );
}

#[test]
fn what_is_idempotent_goes_on_by_itself() {
    let step = Step::marks("b").run(&stuck("child", "echo b >> order")).key("idempotent = true");
    let project = project(&[Step::marks("a"), step]);
    let run = cut_off(&project, "run", "child");
    let _ = project.windlass(&format!("resume {run}")).exits(0);
    assert_eq!(order(&project), "a b");
    let probed = &events_named(&project, &run, "step-probed")[0];
    assert_eq!((&probed["verdict"], &probed["by"]), (&json!("partly"), &json!("config")));
}

#[test]
fn a_step_that_became_unnecessary_is_skipped() {
    let project = project(&[stuck_step("a"), Step::marks("b").unless("test -e b-is-done")]);
    let run = cut_off(&project, "run", "child");
    project.write("b-is-done", "");
    let output = project.windlass(&format!("resume {run} --format json")).exits(0);
    assert_eq!(outcomes(&output), "a succeeded, b skipped");
    assert_eq!(order(&project), "a");
}

#[test]
fn what_cannot_be_gone_on_with_is_refused() {
    let failing = Step::marks("b").run("test ! -e broken && echo b >> order");
    let project = project(&[Step::marks("a"), failing]);
    let succeeded = release(&project, "1.0.0");
    let refused = |run: &str, code: i32, reason: &str, part: &str| {
        let before = everything(&project);
        let output = project.windlass(&format!("resume {run} --format json")).exits(code);
        assert_eq!(output.result()["reason"], reason, "{}", output.stderr);
        assert!(output.stderr.contains(part), "{}", output.stderr);
        assert!(output.stderr.contains("note: nothing was changed"), "{}", output.stderr);
        assert!(output.stderr.contains("hint: "), "{}", output.stderr);
        assert_eq!(everything(&project), before);
    };
    refused(&succeeded, 2, "not-resumable", "it succeeded");
    project.write("broken", "");
    let _ = project.windlass("run").exits(10);
    refused(&newest(&project), 2, "not-resumable", "what it did is taken back");
    for name in ["20200101T000000000Z-abcdef", "nosuch", "../../etc", ".", "a/b"] {
        refused(name, 2, "run-not-found", "there is no run");
    }
    assert_eq!(order(&project), "a b a -b -a");
}

#[test]
fn a_run_with_a_newer_one_after_it_is_over() {
    let project = project(&[Step::marks("a"), stuck_step("b")]);
    let run = cut_off(&project, "run", "child");
    let _ = project.windlass("run").exits(0);
    let before = journals(&project);
    let output = project.windlass(&format!("resume {run} --format json")).exits(2);
    assert_eq!(output.result()["reason"], "not-resumable");
    assert!(output.stderr.contains(&format!("run `{}` came after it", "[run]")), "{}", output.stderr);
    assert_eq!(journals(&project), before);
}

#[test]
fn a_run_that_is_still_alive_is_left_alone() {
    let waits = "touch waiting; while test ! -e go; do sleep 0.01; done; echo a >> order";
    let project = project(&[Step::marks("a").run(waits)]);
    let first = project.start("run --format json");
    until("the run", || project.has("waiting"));
    let output = project.windlass(&format!("resume {} --format json", newest(&project))).exits(21);
    assert_eq!(output.result()["reason"], "lease-held");
    project.write("go", "");
    let _ = project.finish(first).exits(0);
    assert_eq!(order(&project), "a");
}

#[test]
fn a_run_that_was_cancelled_in_ci_goes_on() {
    let project = project(&[Step::marks("a"), stuck_step("b"), Step::marks("c"), Step::finally("z")]);
    let mut command = project.command(["run", "--commit", e2e::COMMIT]);
    let run = command.env("CI", "true").stderr(std::process::Stdio::piped()).spawn().expect("the binary runs");
    until("the child", || project.has("child"));
    signal("TERM", run.id());
    let _ = project.finish(run).exits(12);
    assert_eq!(order(&project), "a z");
    let run = newest(&project);
    let output = project.windlass(&format!("resume {run} --format json")).exits(0);
    assert_eq!(order(&project), "a z b c z", "what is told at the end is told again: it has another end now");
    assert_eq!(outcomes(&output), "a succeeded, b succeeded, c succeeded, z succeeded");
    assert_eq!(status(&project)["newest"]["outcome"], "succeeded");
}

#[test]
fn taking_back_that_was_cut_off_goes_on() {
    let slow = Step::marks("b").reverted_by(&stuck("reverting", "echo -b >> order"));
    let project = project(&[Step::marks("a"), slow, Step::fails("c"), Step::marks("d"), Step::finally("z")]);
    let run = cut_off(&project, "run", "reverting");
    assert_eq!(order(&project), "a b c -c");
    let output = project.windlass(&format!("resume {run} --format json")).exits(10);
    assert_eq!(order(&project), "a b c -c -b -a z");
    assert_eq!(outcomes(&output), "a reverted, b reverted, c reverted, d not-run, z succeeded");
    assert_eq!(
        (&output.result()["outcome"], &output.result()["reason"]),
        (&json!("rolled-back"), &json!("step-failed"))
    );
    let history = project.windlass("history --format json").exits(0).result();
    let problem = history[0]["problem"].as_str().expect("a problem").to_owned();
    assert!(problem.contains("echo c >> order; exit 3"), "what began it stays the problem: {problem}");
}

#[test]
fn what_could_not_be_taken_back_is_tried_again() {
    let project = project(&[Step::marks("a").reverted_by("test -e mended && echo -a >> order"), Step::fails("b")]);
    let _ = project.windlass("run").exits(11);
    let run = newest(&project);
    project.write("mended", "");
    let output = project.windlass(&format!("resume {run} --format json")).exits(10);
    assert_eq!(outcomes(&output), "a reverted, b reverted");
    assert_eq!(order(&project), "a b -b -a");
}

#[test]
fn outputs_of_before_are_there() {
    let first = Step::of("a", "exit 4").with("success = [4]");
    let last = Step::of("c", "echo c-${steps.a.outputs.exit-code} >> order");
    let project = project(&[first, stuck_step("b"), last]);
    let run = cut_off(&project, "run", "child");
    let _ = project.windlass(&format!("resume {run}")).exits(0);
    assert_eq!(order(&project), "b c-4");
}

#[test]
fn a_lost_output_is_not_made_up() {
    // It is done, but with its process went what it put out, and a later step wants that.
    let first = Step::of("a", "echo a >> order; echo $$ > child; exec sleep 600").unless("grep -qx a order");
    let last = Step::of("b", "echo b-${steps.a.outputs.exit-code} >> order");
    let project = project(&[first, last]);
    let run = cut_off(&project, "run", "child");
    let output = project.windlass(&format!("resume {run}")).exits(11);
    assert!(output.stderr.contains("a later step uses its outputs, and those are lost"), "{}", output.stderr);
    assert_eq!(order(&project), "a");
}

#[test]
fn what_a_person_said_holds_also_where_the_process_that_heard_it_was_cut_off() {
    let first = Step::of("a", &format!("echo a >> order; {}", stuck("child", "exit 0"))).unless("grep -qx a order");
    let last = Step::of("b", "echo b-${steps.a.outputs.exit-code} >> order");
    for again in ["", " --not-done a"] {
        let project = project(&[first.clone(), last.clone()]);
        let run = cut_off(&project, "run", "child");
        let _ = project.windlass(&format!("resume {run} --not-done a")).exits(0);
        // As if it had ended before it began: of what it wrote down there is only what was said.
        cut_before(&project, &run, "step-succeeded");
        cut_before(&project, &run, "step-started");
        cut_before(&project, &run, "step-started");
        assert_eq!(events_named(&project, &run, "step-probed").len(), 1);
        project.write("order", "a\n");
        let _ = project.windlass(&format!("resume {run}{again}")).exits(0);
        assert_eq!(order(&project), "a a b-0");
    }
}

#[test]
fn state_of_before_is_there() {
    let set = json!({ "do": "state-set", "key": "k", "value": "kept" });
    let get = json!({ "do": "state-get", "key": "k" });
    let steps = [
        Probe::new().applies(set).setting("state = \"common\"").step("one"),
        stuck_step("b").to_string(),
        Probe::new().applies(get).setting("state = \"common\"").step("two"),
    ];
    let project = Project::with(&config(&steps)).guest("probe").locked();
    let run = cut_off(&project, "run", "child");
    let _ = project.windlass(&format!("resume {run}")).exits(0);
    let succeeded = events_named(&project, &run, "step-succeeded");
    assert_eq!(succeeded.last().expect("a step")["outputs"]["0"], "ok: kept");
}

#[test]
fn what_was_done_before_is_taken_back_where_a_later_step_fails() {
    let project = project(&[Step::marks("a"), stuck_step("b"), Step::fails("c")]);
    let run = cut_off(&project, "run", "child");
    let output = project.windlass(&format!("resume {run} --format json")).exits(10);
    assert_eq!(order(&project), "a b c -c -b -a");
    assert_eq!(outcomes(&output), "a reverted, b reverted, c reverted");
    let _ = project.windlass(&format!("resume {run}")).exits(2);
}

#[test]
fn retries_begin_anew_and_attempts_go_on_counting() {
    let then = "if test ! -e tried; then touch tried; exit 1; fi; echo b >> order";
    let step = Step::marks("b").run(&stuck("child", then)).unless("grep -qx b order");
    let project = project(&[step.key("retry = { attempts = 2, backoff = \"1ms\" }")]);
    let run = cut_off(&project, "run", "child");
    let output = project.windlass(&format!("resume {run} --format json")).exits(0);
    assert_eq!(output.result()["steps"][0]["attempts"], 3);
    let attempts: Vec<_> =
        events_named(&project, &run, "step-started").iter().map(|event| event["attempt"].clone()).collect();
    assert_eq!(attempts, [1, 2, 3]);
}

#[test]
fn a_run_that_stopped_at_a_failure_is_tried_again_there() {
    let looks = Step::of("b", "echo b >> tries; test -e mended").with("effect = \"reads\"");
    let changes = Step::marks("b").run("echo b >> tries; test -e mended").key("on_failure = \"stop\"");
    for step in [changes, looks] {
        // Where the failing step changed nothing and nothing was done before it, there was nothing to take back either.
        let project = project(&[Step::of("look", "true").with("effect = \"reads\""), step, Step::marks("c")]);
        let _ = project.windlass("run").exits(13);
        let run = newest(&project);
        let output = project.windlass(&format!("resume {run} --format json")).exits(13);
        assert_eq!(outcomes(&output), "look succeeded, b failed, c not-run");
        assert_eq!(project.read("tries").lines().count(), 2, "it was tried again: {}", output.stderr);
        project.write("mended", "");
        let output = project.windlass(&format!("resume {run} --format json")).exits(0);
        assert_eq!(outcomes(&output), "look succeeded, b succeeded, c succeeded");
        assert_eq!(output.result()["steps"][1]["attempts"], 3);
        assert_eq!(order(&project), "c");
    }
}

#[test]
fn what_was_tolerated_is_not_tried_again() {
    let tolerated = Step::marks("a").run("echo a >> tries; exit 1").key("on_failure = \"continue\"");
    let project = project(&[tolerated, stuck_step("b")]);
    let run = cut_off(&project, "run", "child");
    let output = project.windlass(&format!("resume {run} --format json")).exits(0);
    assert_eq!(outcomes(&output), "a failed, b succeeded");
    assert_eq!(output.result()["reason"], "step-failed", "the result says so");
    assert_eq!(project.read("tries").lines().count(), 1);
}

#[test]
fn the_time_of_a_run_counts_from_when_it_goes_on() {
    let steps = [Step::marks("a"), stuck_step("b"), Step::marks("c").run("echo c >> order; sleep 600")];
    let project = project(&steps);
    let run = cut_off(&project, "run", "child");
    // How long a run may take is no part of what it does.
    project.write("deploy.toml", &text("timeout = \"1500ms\"", &steps));
    let output = project.windlass(&format!("resume {run} --format json")).exits(10);
    assert_eq!(
        (&output.result()["outcome"], &output.result()["reason"]),
        (&json!("rolled-back"), &json!("step-timed-out"))
    );
    assert!(order(&project).ends_with("-a"), "{}", order(&project));
}

#[test]
fn a_run_that_is_killed_again_and_again_comes_to_its_end() {
    let steps: Vec<Step> = ["a", "b", "c", "d"]
        .iter()
        .map(|id| {
            Step::marks(id)
                .run(&stuck(&format!("child-{id}"), &format!("echo {id} >> order")))
                .unless(&format!("grep -qx {id} order"))
        })
        .collect();
    let project = project(&steps);
    let run = cut_off(&project, "run", "child-a");
    for id in ["b", "c", "d"] {
        let again = cut_off(&project, &format!("resume {run} --commit {}", e2e::COMMIT), &format!("child-{id}"));
        assert_eq!(again, run);
    }
    let _ = project.windlass(&format!("resume {run}")).exits(0);
    assert_eq!(order(&project), "a b c d");
    assert_eq!(events_named(&project, &run, "run-resumed").len(), 4);
}
