//! `windlass rollback`: what runs have done is taken back, newest first, from what they recorded.

use super::*;
use serde_json::json;

#[test]
fn the_newest_release_is_taken_back_and_the_one_before_is_live() {
    let project = project(&[versioned("a"), versioned("b"), Step::finally("z")]);
    let first = release(&project, "1");
    let second = release(&project, "2");
    assert_eq!(order(&project), "a-1 b-1 z a-2 b-2 z");
    let output = project.windlass("rollback --format json").exits(0);
    assert_eq!(order(&project), "a-1 b-1 z a-2 b-2 z -b-2 -a-2 z");
    let result = output.result();
    assert_eq!(
        (&result["run"], &result["outcome"], &result["reason"]),
        (&json!(second), &json!("rolled-back"), &json!(null))
    );
    assert_eq!(outcomes(&output), "a reverted, b reverted, z succeeded");
    assert_eq!(live(&project).as_deref(), Some("1"));
    assert_eq!(status(&project)["next"], "`windlass run -e staging` when you are ready; it is as it was before");
    let started = &events_named(&project, &second, "rollback-started")[0];
    assert_eq!(started["to"], json!(first));
    // Said twice, it is done once.
    let before = everything(&project);
    let output = project.windlass("rollback --format json").exits(2);
    assert_eq!(output.result()["reason"], "not-resumable");
    assert!(output.stderr.contains("what came last in `staging` is taken back already"), "{}", output.stderr);
    assert_eq!(everything(&project), before);
    assert_eq!(order(&project), "a-1 b-1 z a-2 b-2 z -b-2 -a-2 z");
    assert_eq!(live(&project).as_deref(), Some("1"));
    // And it can be deployed again.
    release(&project, "3");
    assert_eq!(live(&project).as_deref(), Some("3"));
}

#[test]
fn several_releases_are_taken_back_to_one_of_before() {
    let project = project(&[versioned("a"), versioned("b"), Step::finally("z")]);
    let first = release(&project, "1");
    for version in ["2", "3"] {
        release(&project, version);
    }
    let output = project.windlass(&format!("rollback --to {first} --format json")).exits(0);
    assert_eq!(order(&project), "a-1 b-1 z a-2 b-2 z a-3 b-3 z -b-3 -a-3 -b-2 -a-2 z", "and told once, at the end");
    assert_eq!(output.result()["outcome"], "rolled-back");
    assert_eq!(live(&project).as_deref(), Some("1"));
}

#[test]
fn a_rollback_that_was_cut_off_between_two_runs_goes_on_to_where_it_was_going() {
    let check = Step::of("live", "echo live-${deployment.version} >> order").with("effect = \"checks\"");
    for to in [true, false] {
        let project = project(&[versioned("a"), check.clone()]);
        let first = release(&project, "1");
        // Without `--to` the runs of one version are one release.
        let versions = if to { ["2", "3"] } else { ["2", "2"] };
        let runs = versions.map(|version| release(&project, version));
        let older = std::fs::read(journal_of(&project, &runs[0])).expect("a journal");
        let words = if to { format!("rollback --to {first}") } else { "rollback".to_owned() };
        let _ = project.windlass(&words).exits(0);
        let done = order(&project);
        let between = done.strip_suffix(" -a-2 live-1").expect("the older run was the last").to_owned();
        std::fs::write(journal_of(&project, &runs[0]), older).expect("a journal");
        project.write("order", &format!("{}\n", between.replace(' ', "\n")));
        let next = status(&project)["next"].as_str().unwrap_or_default().to_owned();
        let goes_on = "not all was taken back that was to be: `windlass rollback -e staging` goes on with that";
        assert_eq!(next, goes_on);
        let _ = project.windlass("rollback").exits(0);
        assert_eq!((order(&project), live(&project).as_deref()), (done, Some("1")));
        let _ = project.windlass("rollback").exits(2);
    }
}

#[test]
fn a_rollback_over_several_runs_that_was_cut_off_in_the_first_goes_on_to_where_it_was_going() {
    for again in ["rollback", "resume", "fails"] {
        let revert = if again == "fails" {
            "test -e mended || { touch reverting; exit 1; }; echo -b-${deployment.version} >> order".to_owned()
        } else {
            stuck("reverting", "echo -b-${deployment.version} >> order")
        };
        let project = project(&[versioned("a"), versioned("b").reverted_by(&revert)]);
        let first = release(&project, "1");
        for version in ["2", "3"] {
            release(&project, version);
        }
        let words = format!("rollback --to {first}");
        let third = newest(&project);
        if again == "fails" {
            let _ = project.windlass(&words).exits(11);
            project.write("mended", "");
        } else {
            cut_off(&project, &words, "reverting");
        }
        if again == "resume" {
            let _ = project.windlass(&format!("resume {third}")).exits(0);
            let next = status(&project)["next"].as_str().unwrap_or_default().to_owned();
            assert!(next.starts_with("not all was taken back that was to be"), "{next}");
        }
        let _ = project.windlass("rollback").exits(0);
        assert_eq!(live(&project).as_deref(), Some("1"), "{again}");
        assert!(order(&project).ends_with("-b-2 -a-2"), "{again}: {}", order(&project));
        let output = project.windlass(&words).exits(2);
        assert!(output.stderr.contains("run `[run]` is live in `staging` already"), "{}", output.stderr);
    }
}

#[test]
fn a_run_that_is_no_release_is_nothing_to_go_back_to() {
    let environments = "[environments.staging]\n[environments.production]\n";
    let project =
        Project::with(&text_with("", environments, &[versioned("a").run("test ! -e broken && echo a >> order")]))
            .locked();
    let _ = project.windlass("run -e production").exits(0);
    let elsewhere = newest(&project);
    let _ = project.windlass("run -e staging").exits(0);
    project.write("broken", "");
    let _ = project.windlass("run -e staging").exits(10);
    let failed = newest(&project);
    let before = everything(&project);
    for (run, reason, part) in [
        (elsewhere.as_str(), "not-resumable", "it deployed elsewhere"),
        (&failed, "not-resumable", "it was taken back"),
        ("nosuch", "run-not-found", "there is no run `nosuch`"),
    ] {
        let output = project.windlass(&format!("rollback -e staging --to {run} --format json")).exits(2);
        assert_eq!(output.result()["reason"], reason);
        assert!(output.stderr.contains(part), "{}", output.stderr);
    }
    assert_eq!(everything(&project), before);
}

#[test]
fn a_run_that_had_nothing_to_do_is_no_release_of_its_own() {
    let step = Step::of("a", "touch done-${deployment.version}")
        .reverted_by("rm done-${deployment.version}")
        .unless("test -e done-${deployment.version}");
    let project = project(&[step]);
    for version in ["1", "2", "2"] {
        release(&project, version);
    }
    let _ = project.windlass("rollback").exits(0);
    assert!(project.has("done-1") && !project.has("done-2"));
    assert_eq!(live(&project).as_deref(), Some("1"));
    // The same with a target that is named.
    let project = Project::with(&project.read("deploy.toml")).locked();
    let first = release(&project, "1");
    for version in ["2", "2"] {
        release(&project, version);
    }
    let _ = project.windlass(&format!("rollback --to {first}")).exits(0);
    assert_eq!(live(&project).as_deref(), Some("1"));
}

#[test]
fn what_would_be_taken_back_can_be_seen_before() {
    let project = project(&[versioned("a"), versioned("b")]);
    let first = release(&project, "1");
    let second = release(&project, "2");
    let (before, done) = (everything(&project), order(&project));
    insta::assert_snapshot!(project.windlass("rollback --dry-run").all(), @"
    exit: Some(0)
    --- stdout
    rollback: shop in staging to 1 (0123456789)
      [run] 2
      ◂ b  take back what `command@0.1.0` recorded
      ◂ a  take back what `command@0.1.0` recorded

    2 to take back, then the checks of what is live again
    --- stderr

    nothing was changed
    ");
    let output = project.windlass("rollback --dry-run --format json").exits(0);
    let plan = output.result();
    assert_eq!((&plan["schema"], &plan["to"]), (&json!("windlass.rollback/1"), &json!(first)));
    assert_eq!(plan["runs"][0]["run"], json!(second));
    assert_eq!(
        plan["runs"][0]["steps"],
        json!([{ "id": "b", "plugin": "command@0.1.0" }, { "id": "a", "plugin": "command@0.1.0" }])
    );
    assert_eq!(everything(&project), before);
    assert_eq!(order(&project), done);
}

#[test]
fn what_cannot_be_taken_back_is_refused_before_anything_is() {
    let mail = Step::of("mail", "echo mail >> order");
    let project = project(&[versioned("a"), mail, versioned("b")]);
    release(&project, "1");
    let second = release(&project, "2");
    let (before, done) = (everything(&project), order(&project));
    for words in ["rollback --format json", "rollback --dry-run --format json"] {
        let output = project.windlass(words).exits(11);
        assert_eq!(output.result()["reason"], "rollback-refused");
        for part in [
            "error: step `mail` of run `[run]` cannot be taken back",
            "Caused by: its plan said that this cannot be: run `sh -c 'echo mail >> order'`",
            "note: nothing was changed",
            "`--keep mail`",
        ] {
            assert!(output.stderr.contains(part), "{part}: {}", output.stderr);
        }
        assert_eq!(everything(&project), before);
    }
    let output = project.windlass("rollback --keep male").exits(2);
    assert!(output.stderr.contains("there is no step `male` whose work could be kept"), "{}", output.stderr);
    assert!(output.stderr.contains("`a`, `mail` and `b`"), "{}", output.stderr);
    assert_eq!(everything(&project), before);
    assert_eq!(order(&project), done);
    let output = project.windlass("rollback --keep mail --format json").exits(0);
    assert_eq!(order(&project), format!("{done} -b-2 -a-2"));
    assert_eq!(outcomes(&output), "a reverted, mail succeeded, b reverted");
    assert!(output.stderr.contains("note: `mail` was not taken back"), "{}", output.stderr);
    assert_eq!(events_named(&project, &second, "rollback-started")[0]["keep"], json!(["mail"]));
    assert_eq!(live(&project).as_deref(), Some("1"));
}

#[test]
fn a_step_that_is_gone_from_the_configuration_is_not_forgotten() {
    let project = project(&[versioned("a"), versioned("b")]);
    release(&project, "1");
    project.write("deploy.toml", &text("", &[versioned("a")]));
    let _ = project.windlass("lock").exits(0);
    let before = everything(&project);
    let output = project.windlass("rollback --format json").exits(11);
    assert_eq!(output.result()["reason"], "rollback-refused");
    assert!(output.stderr.contains("step `b` of run `[run]` cannot be taken back from here"), "{}", output.stderr);
    assert!(output.stderr.contains(&format!("hint: check out commit `{}`", e2e::COMMIT)), "{}", output.stderr);
    assert_eq!(everything(&project), before);
    let _ = project.windlass("rollback --keep b").exits(0);
    assert_eq!(order(&project), "a-1 b-1 -a-1");
    // Nobody is asked about it again.
    let kept = &events_named(&project, &newest(&project), "step-kept")[0];
    assert_eq!(kept["step"], "b");
    let _ = project.windlass("rollback").exits(2);
    release(&project, "2");
    let _ = project.windlass("rollback").exits(0);
    assert_eq!(order(&project), "a-1 b-1 -a-1 a-2 -a-2");
}

#[test]
fn what_is_taken_back_is_what_was_done_then() {
    let project = project(&[versioned("a")]);
    release(&project, "1");
    // The way to take it back is another one by now. What was recorded counts; the lock still has to accept it.
    let lock = project.read("deploy.lock");
    project.write("deploy.toml", &text("", &[versioned("a").reverted_by("echo other >> order")]));
    let output = project.windlass("rollback").exits(0);
    assert_eq!(order(&project), "a-1 -a-1", "{}", output.stderr);
    let project = Project::with(&text("", &[versioned("a")])).file("deploy.lock", &lock);
    release(&project, "1");
    project.write("deploy.toml", &text("", &[versioned("a").reverted_by("echo other >> order")]));
    let _ = project.windlass("lock").exits(0);
    let output = project.windlass("rollback").exits(22);
    assert_eq!(order(&project), "a-1", "{}", output.stderr);
}

#[test]
fn a_revert_that_fails_is_tried_again_alone() {
    let step = versioned("b").reverted_by("test -e mended && echo -b-${deployment.version} >> order");
    let project = project(&[versioned("a"), step, versioned("c")]);
    release(&project, "1");
    let second = release(&project, "2");
    let done = order(&project);
    let output = project.windlass("rollback --format json").exits(11);
    assert_eq!(
        (&output.result()["outcome"], &output.result()["reason"]),
        (&json!("rollback-failed"), &json!("revert-failed"))
    );
    assert_eq!(outcomes(&output), "a reverted, b revert-failed, c reverted");
    assert_eq!(order(&project), format!("{done} -c-2 -a-2"));
    let next = status(&project)["next"].as_str().unwrap_or_default().to_owned();
    assert!(next.contains("a person has to look") && next.contains("`windlass rollback -e staging`"), "{next}");
    project.write("mended", "");
    let output = project.windlass("rollback --format json").exits(0);
    assert_eq!(output.result()["run"], json!(second), "it is still the second release that is taken back");
    assert_eq!(order(&project), format!("{done} -c-2 -a-2 -b-2"));
    assert_eq!(live(&project).as_deref(), Some("1"));
}

#[test]
fn what_began_it_stays_the_problem() {
    let stubborn = Step::marks("b").reverted_by("test -e mended && echo -b >> order");
    let project = project(&[Step::marks("a"), stubborn, Step::fails("c")]);
    let _ = project.windlass("run").exits(11);
    let problem = || {
        let history = project.windlass("history --format json").exits(0).result();
        history[0]["problem"].as_str().expect("a problem").to_owned()
    };
    assert!(problem().contains("echo c >> order; exit 3"), "{}", problem());
    let _ = project.windlass("rollback").exits(11);
    assert!(problem().contains("echo c >> order; exit 3"), "{}", problem());
    project.write("mended", "");
    let _ = project.windlass("rollback").exits(0);
    assert!(problem().contains("echo c >> order; exit 3"), "{}", problem());
    assert_eq!(order(&project), "a b c -c -a -b");
}

#[test]
fn a_newer_run_that_cannot_be_taken_back_keeps_the_older_ones() {
    let step =
        versioned("a").reverted_by("test ! -e stuck-${deployment.version} && echo -a-${deployment.version} >> order");
    let project = project(&[step]);
    let first = release(&project, "1");
    let second = release(&project, "2");
    let third = release(&project, "3");
    project.write("stuck-3", "");
    let _ = project.windlass(&format!("rollback --to {first}")).exits(11);
    assert_eq!(order(&project), "a-1 a-2 a-3");
    assert!(events_named(&project, &second, "rollback-started").is_empty());
    assert_eq!(events_named(&project, &third, "revert-failed").len(), 1);
}

#[test]
fn an_older_run_that_could_not_be_taken_back_is_not_hidden_by_a_newer_one_that_was() {
    let step =
        versioned("a").reverted_by("test ! -e stuck-${deployment.version} && echo -a-${deployment.version} >> order");
    let project = project(&[step]);
    let first = release(&project, "1");
    let second = release(&project, "2");
    release(&project, "3");
    project.write("stuck-2", "");
    let output = project.windlass(&format!("rollback --to {first} --format json")).exits(11);
    assert_eq!(output.result()["reason"], "revert-failed");
    assert_eq!(order(&project), "a-1 a-2 a-3 -a-3");
    let status = status(&project);
    assert_eq!(status["open"]["run"], second.as_str(), "the newest is settled");
    let next = status["next"].as_str().unwrap_or_default();
    assert!(next.contains("`windlass rollback -e staging` tries the rest again"), "{next}");
    std::fs::remove_file(project.path().join("stuck-2")).expect("it is there");
    let _ = project.windlass("rollback").exits(0);
    assert_eq!(order(&project), "a-1 a-2 a-3 -a-3 -a-2");
    assert_eq!(live(&project).as_deref(), Some("1"));
}

#[test]
fn a_run_that_was_cut_off_is_taken_back() {
    let project = project(&[versioned("a"), Step::marks("b").run(&stuck("child", "exit 0"))]);
    project.write("child", "");
    release(&project, "1");
    std::fs::remove_file(project.path().join("child")).expect("it is there");
    let run = cut_off(&project, "run --release-version 2", "child");
    let output = project.windlass("rollback --format json").exits(0);
    assert_eq!(output.result()["run"], json!(run));
    assert_eq!(order(&project), "a-1 a-2 -b -a-2");
    assert_eq!(live(&project).as_deref(), Some("1"));
}

#[test]
fn a_rollback_that_was_cut_off_goes_on() {
    for again in ["rollback", "resume"] {
        let step = versioned("b").reverted_by(&stuck("reverting", "echo -b-${deployment.version} >> order"));
        let project = project(&[versioned("a"), step, versioned("c")]);
        release(&project, "1");
        let second = release(&project, "2");
        let done = order(&project);
        assert_eq!(cut_off(&project, "rollback", "reverting"), second);
        assert_eq!(order(&project), format!("{done} -c-2"));
        let next = status(&project)["next"].as_str().unwrap_or_default().to_owned();
        assert!(next.contains("goes on taking it back"), "{next}");
        let words = if again == "resume" { format!("resume {second}") } else { again.to_owned() };
        let output = project.windlass(&format!("{words} --format json")).exits(0);
        assert_eq!(output.result()["outcome"], "rolled-back");
        assert_eq!(order(&project), format!("{done} -c-2 -b-2 -a-2"));
        assert_eq!(live(&project).as_deref(), Some("1"));
    }
}

#[test]
fn a_run_that_is_under_way_is_not_taken_back() {
    let waits = "touch waiting; while test ! -e go; do sleep 0.01; done; echo a >> order";
    let project = project(&[Step::marks("a").run(waits)]);
    let first = project.start("run");
    until("the run", || project.has("waiting"));
    let output = project.windlass("rollback --format json").exits(21);
    assert_eq!(output.result()["reason"], "lease-held");
    project.write("go", "");
    let _ = project.finish(first).exits(0);
    assert_eq!(order(&project), "a");
}

#[test]
fn what_was_taken_back_is_planned_and_done_again() {
    let guarded = |id: &str| {
        let done = format!("{id}-${{deployment.version}}");
        versioned(id).unless(&format!("test \"$(grep -x -e {done} -e -{done} order | tail -n 1)\" = {done}"))
    };
    let project = project(&[guarded("a"), guarded("b")]);
    release(&project, "1");
    release(&project, "2");
    let _ = project.windlass("rollback").exits(0);
    let plan = project.windlass("plan --release-version 2 --format json").exits(0).result();
    let intents = |step: usize| plan["plan"]["steps"][step]["intents"].as_array().map(Vec::len);
    assert_eq!((intents(0), intents(1)), (Some(1), Some(1)));
    release(&project, "2");
    assert_eq!(order(&project), "a-1 b-1 a-2 b-2 -b-2 -a-2 a-2 b-2");
    assert_eq!(live(&project).as_deref(), Some("2"));
}

#[test]
fn a_step_that_stays_needs_no_secret() {
    let step = Step::marks("a").with("secrets = { TOKEN = { secret = \"PRODUCTION_TOKEN\" } }").reverted_by("exit 0");
    let project = Project::with(&text("", &[step])).variable("PRODUCTION_TOKEN", "hunter2-hunter2").locked();
    let _ = project.windlass("run").exits(0);
    let project = project.variable("PRODUCTION_TOKEN", "");
    let _ = project.windlass("rollback").exits(2);
    let _ = project.windlass("rollback --keep a").exits(0);
    assert_eq!(order(&project), "a");
}
