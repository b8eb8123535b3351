//! `windlass reap`: what dead runs left open is closed, and what lives is left alone.

use super::*;
use serde_json::json;

/// Two environments that tell their names.
const TWO: &str = "[environments.staging]\nvars = { name = \"staging\" }\n[environments.production]\nvars = { name = \"production\" }\n";

#[test]
fn a_dead_run_is_closed_and_its_lease_given_back() {
    let project = project(&[Step::marks("a"), Step::marks("b").run(&stuck("child", "echo b >> order"))]);
    let run = cut_off(&project, "run", "child");
    assert_eq!(project.windlass("lease status --format json").exits(0).result()[0]["alive"], false);
    insta::assert_snapshot!(project.windlass("reap").all(), @"
    exit: Some(0)
    --- stdout
    closed run [run] in staging: it was cut off at [time]
      nobody knows how far step `b` came
      next: `windlass status -e staging` says what to do
    gave back the lease of staging that run [run] held
    --- stderr
    ");
    let story = project.story();
    assert_eq!(story[story.len() - 2..], ["run-reaped", "run-finished"]);
    let finished = &events_named(&project, &run, "run-finished")[0];
    assert_eq!((&finished["outcome"], &finished["reason"]), (&json!("failed"), &json!("step-unknown")));
    let lease = project.windlass("lease status --format json").exits(0).result()[0].clone();
    assert_eq!(
        (&lease["holder"], &lease["released"]["by"], &lease["released"]["run"]),
        (&json!(null), &json!("dead"), &json!(run))
    );
    // It is closed, not forgotten: what was left of it can still be gone on with.
    let before = everything(&project);
    let again = project.windlass("reap").exits(0);
    assert_eq!(again.stdout, "nothing was left open\n");
    assert_eq!(everything(&project), before);
    let _ = project.windlass(&format!("resume {run} --not-done b")).exits(0);
    assert_eq!(order(&project), "a b");
}

#[test]
fn a_program_is_told_what_was_closed() {
    let project = project(&[stuck_step("a")]);
    let run = cut_off(&project, "run", "child");
    let result = project.windlass("reap --format json").exits(0).result();
    assert_eq!(
        result,
        json!({
            "schema": "windlass.reap/1",
            "runs": [{ "run": run, "environment": "staging", "component": null, "ended": [] }],
            "leases": [{ "environment": "staging", "component": null, "run": run }],
        })
    );
    let result = project.windlass("reap --format json").exits(0).result();
    assert_eq!(result, json!({ "schema": "windlass.reap/1", "runs": [], "leases": [] }));
}

#[test]
fn what_lives_is_left_alone() {
    let project = project(&[Step::waits("a")]);
    let run = project.start("run --format json");
    until("the run", || project.has("waiting"));
    for _ in 0..3 {
        let result = project.windlass("reap --format json").exits(0).result();
        assert_eq!((&result["runs"], &result["leases"]), (&json!([]), &json!([])));
    }
    project.write("go", "");
    let output = project.finish(run).exits(0);
    assert_eq!(outcomes(&output), "a succeeded");
    assert!(!project.story().contains(&"run-reaped".to_owned()));
}

#[test]
fn many_at_once_close_each_run_once() {
    let step = Step::marks("a").run(&stuck("child-${vars.name}", "exit 0"));
    let project = Project::with(&text_with("", TWO, &[step])).locked();
    let mut dead: Vec<String> = ["staging", "production"]
        .iter()
        .map(|name| cut_off(&project, &format!("run -e {name}"), &format!("child-{name}")))
        .collect();
    let reapers: Vec<Child> = (0..6).map(|_| project.start("reap --format json")).collect();
    let results: Vec<Value> = reapers.into_iter().map(|reaper| project.finish(reaper).exits(0).result()).collect();
    let closed = |list: &str| {
        let mut runs: Vec<String> = results
            .iter()
            .flat_map(|result| result[list].as_array().expect("a list").clone())
            .map(|one| one["run"].as_str().expect("a run").to_owned())
            .collect();
        runs.sort();
        runs
    };
    dead.sort();
    assert_eq!(closed("runs"), dead);
    assert_eq!(closed("leases"), dead);
    for run in &dead {
        assert_eq!(events_named(&project, run, "run-finished").len(), 1);
    }
}

#[test]
fn reaping_while_the_next_run_begins_disturbs_neither() {
    for round in 0..3 {
        let project = project(&[Step::marks("a"), stuck_step("b")]);
        let dead = cut_off(&project, "run", "child");
        let begin = |words: &str| project.start(words);
        let mut reapers: Vec<Child> = (0..round).map(|_| begin("reap")).collect();
        let run = begin("run --format json");
        reapers.extend((round..4).map(|_| begin("reap")));
        let output = project.finish(run).exits(0);
        reapers.into_iter().for_each(|reaper| drop(project.finish(reaper).exits(0)));
        assert_eq!(outcomes(&output), "a succeeded, b succeeded");
        assert_eq!(order(&project), "a a b");
        assert_eq!(events_named(&project, &dead, "run-reaped").len(), 1);
        assert_eq!(events_named(&project, &newest(&project), "run-reaped").len(), 0);
        let result = project.windlass("reap --format json").exits(0).result();
        assert_eq!((&result["runs"], &result["leases"]), (&json!([]), &json!([])));
    }
}

#[test]
fn one_environment_can_be_named() {
    let step = Step::marks("a").run(&stuck("child-${vars.name}", "exit 0"));
    let project = Project::with(&text_with("", TWO, &[step])).locked();
    let staging = cut_off(&project, "run -e staging", "child-staging");
    cut_off(&project, "run -e production", "child-production");
    let result = project.windlass("reap -e staging --format json").exits(0).result();
    assert_eq!((&result["runs"][0]["run"], result["runs"].as_array().map(Vec::len)), (&json!(staging), Some(1)));
    assert_eq!(result["leases"].as_array().map(Vec::len), Some(1));
    let _ = project.windlass("reap -e moon").exits(2);
}

#[test]
fn the_next_run_closes_what_was_cut_off_before_it() {
    let project = project(&[Step::marks("a"), stuck_step("b")]);
    let first = cut_off(&project, "run", "child");
    let _ = project.windlass("run").exits(0);
    let second = newest(&project);
    let reaped = &events_named(&project, &first, "run-reaped")[0];
    assert_eq!(reaped["run"], json!(second));
    let notes = events_named(&project, &second, "note-added");
    let note = notes[0]["text"].as_str().unwrap_or_default();
    assert!(note.contains(&format!("run `{first}` before this one was cut off")), "{note}");
    assert!(note.contains("nobody knows what became of `b`"), "{note}");
}
