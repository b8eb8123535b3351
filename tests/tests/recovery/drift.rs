//! `windlass resume` where something is not what the run was begun with: each difference is named, and nothing is run.

use super::*;
use e2e::probe::{Probe, config};
use serde_json::json;

/// Refused with exit code 20, for this reason, with every journal as it was.
fn drifted(project: &Project, words: &str, parts: &[&str]) {
    let (before, done) = (journals(project), order(project));
    let output = project.windlass(&format!("{words} --format json")).exits(20);
    assert_eq!(output.result()["reason"], "plan-drifted");
    let name = "error: what is here now is not what run `[run]` was begun with";
    for part in parts.iter().copied().chain([name, "note: nothing was changed"]) {
        assert!(output.stderr.contains(part), "{part}: {}", output.stderr);
    }
    let other = output.stderr.contains("commit was `");
    let hint = if other { "hint: check out commit `" } else { "hint: undo what was changed in `deploy.toml`" };
    assert!(output.stderr.contains(hint), "{}", output.stderr);
    assert_eq!(journals(project), before);
    assert_eq!(order(project), done);
}

#[test]
fn another_commit_is_another_deployment() {
    let project = project(&[Step::marks("a"), stuck_step("b")]);
    let run = cut_off(&project, "run", "child");
    let other = "f".repeat(40);
    let cause = format!("commit was `{}` and is `{other}`", e2e::COMMIT);
    drifted(&project, &format!("resume {run} --commit {other}"), &[&cause]);
    let _ = project.windlass(&format!("resume {run}")).exits(0);
}

#[test]
fn the_commit_is_the_one_that_is_checked_out() {
    let project = project(&[Step::marks("a"), stuck_step("b")]);
    let first = project.commit();
    let run = cut_off(&project, &format!("run --commit {first}"), "child");
    let second = project.commit();
    drifted(&project, &format!("resume {run}"), &[&format!("commit was `{first}` and is `{second}`")]);
}

#[test]
fn another_configuration_is_named_step_by_step() {
    let steps = [Step::marks("a"), stuck_step("b"), Step::finally("z")];
    let project = project(&steps);
    let run = cut_off(&project, "run", "child");
    let [a, b, z] = &steps;
    let changes: [(&[Step], &[&str]); 4] = [
        // Also of a step that is done: what is taken back if a later one fails is what was planned.
        (&[a.clone().with("set = { MORE = \"1\" }"), b.clone(), z.clone()], &["step `a`: its configuration changed"]),
        (&[a.clone(), z.clone()], &["step `b` is gone"]),
        (&[a.clone(), b.clone(), Step::marks("c"), z.clone()], &["step `c` is new"]),
        (&[b.clone(), a.clone(), z.clone()], &["the steps are in another order"]),
    ];
    for (changed, parts) in changes {
        project.write("deploy.toml", &text("", changed));
        let _ = project.windlass("lock").exits(0);
        drifted(&project, &format!("resume {run}"), parts);
    }
    project.write("deploy.toml", &text("", &steps));
    let _ = project.windlass("lock").exits(0);
    let _ = project.windlass(&format!("resume {run}")).exits(0);
    assert_eq!(order(&project), "a b z");
}

#[test]
fn all_differences_are_named_at_once() {
    let project = project(&[Step::marks("a"), stuck_step("b")]);
    let run = cut_off(&project, "run", "child");
    let other = "f".repeat(40);
    project.write("deploy.toml", &text("", &[Step::marks("a").run("echo other >> order"), Step::marks("c")]));
    let _ = project.windlass("lock").exits(0);
    let parts = [
        "commit was `",
        "step `a`: its configuration changed",
        "step `a`: newly asked for: run `sh -c 'echo other >> order'`",
        "step `b` is gone",
        "step `c` is new",
    ];
    drifted(&project, &format!("resume {run} --commit {other}"), &parts);
}

#[test]
fn another_plugin_of_the_same_name_is_another_plugin() {
    let guest = Probe::new().applies(json!({ "do": "log", "level": "info", "text": "hello" })).step("guest");
    let project = Project::with(&config(&[guest, stuck_step("b").to_string()])).guest("probe").locked();
    let run = cut_off(&project, "run", "child");
    let path = project.path().join("probe.wasm");
    let original = std::fs::read(&path).expect("the guest");
    // A custom section with an empty name: another file that does the same.
    let changed = [&original[..], &[0, 1, 0]].concat();
    std::fs::write(&path, changed).expect("the guest");
    let _ = project.windlass("lock").exits(0);
    drifted(&project, &format!("resume {run}"), &["step `guest`: plugin was `", "or its bytes differ"]);
    std::fs::write(&path, original).expect("the guest");
    let _ = project.windlass("lock").exits(0);
    let _ = project.windlass(&format!("resume {run}")).exits(0);
}

#[test]
fn what_the_lock_accepts_no_more_is_not_done() {
    let steps = [Step::marks("a"), stuck_step("b")];
    let project = project(&steps);
    let run = cut_off(&project, "run", "child");
    let lock = project.read("deploy.lock");
    let narrower: Vec<&str> = lock.lines().filter(|line| !line.contains("grep -qx b order")).collect();
    project.write("deploy.lock", &narrower.join("\n"));
    let before = journals(&project);
    let output = project.windlass(&format!("resume {run} --format json")).exits(22);
    assert_eq!(output.result()["reason"], "not-accepted");
    assert_eq!(journals(&project), before);
    assert_eq!(order(&project), "a");
}

#[test]
fn the_variables_are_those_of_then() {
    let steps = [stuck_step("a"), Step::of("b", "echo ${env.BUILD} >> order")];
    let project = Project::with(&text("env = [\"BUILD\"]", &steps)).locked();
    let mut command = project.command(["run", "--commit", e2e::COMMIT]);
    let quiet = std::process::Stdio::null;
    let process = command.env("BUILD", "77").stdout(quiet()).stderr(quiet()).spawn().expect("the binary runs");
    until("the child", || project.has("child"));
    kill(process);
    end_child(&project, "child");
    // Another job has another number, and goes on with what the first one began.
    let _ = project.windlass_with(&format!("resume {}", newest(&project)), &[("BUILD", "78")]).exits(0);
    assert_eq!(order(&project), "a 77");
}
