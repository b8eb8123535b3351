//! `windlass rollback`: that what is taken back is what was done then, by what did it, within what is accepted now.

use super::*;
use e2e::probe::{Probe, config};
use serde_json::json;

#[test]
fn a_step_that_used_outputs_is_taken_back_with_them() {
    let first = Step::of("a", "exit 4").with("success = [4]").with("effect = \"changes\"");
    let output = "${steps.a.outputs.exit-code}";
    let second =
        Step::marks("b").run(&format!("echo b-{output} >> order")).reverted_by(&format!("echo -b-{output} >> order"));
    let project = project(&[first, second]);
    release(&project, "1");
    let _ = project.windlass("rollback").exits(0);
    assert_eq!(order(&project), "b-4 -b-4");
}

#[test]
fn a_secret_that_is_missing_lets_nothing_be_taken_back() {
    let project = project(&[versioned("a").with("secrets = { TOKEN = { secret = \"TOKEN\" } }"), versioned("b")]);
    let token = [("TOKEN", "hunter2-hunter2")];
    let _ = project.windlass_with("run", &token).exits(0);
    let (before, done) = (journals(&project), order(&project));
    let output = project.windlass("rollback --format json").exits(2);
    assert_eq!(output.result()["reason"], "secret-missing");
    assert_eq!(journals(&project), before);
    assert_eq!(order(&project), done);
    let output = project.windlass_with("rollback", &token).exits(0);
    assert!(order(&project).ends_with("-a-0123456789"), "{}", order(&project));
    project.keeps_secret(token[0].1, &[&output]);
}

#[test]
fn only_the_plugin_that_did_the_work_takes_it_back() {
    let guest = Probe::new().applies(json!({ "do": "record", "value": "1" })).step("guest");
    let project = Project::with(&config(&[guest])).guest("probe").locked();
    release(&project, "1");
    let path = project.path().join("probe.wasm");
    let original = std::fs::read(&path).expect("the guest");
    // A custom section with an empty name: another file that does the same.
    std::fs::write(&path, [&original[..], &[0, 1, 0]].concat()).expect("the guest");
    let _ = project.windlass("lock").exits(0);
    let before = everything(&project);
    let output = project.windlass("rollback --format json").exits(22);
    assert_eq!(output.result()["reason"], "not-accepted");
    assert!(output.stderr.contains("the plugin of step `guest` is not the one that did the work"), "{}", output.stderr);
    assert!(output.stderr.contains(&format!("hint: check out commit `{}`", e2e::COMMIT)), "{}", output.stderr);
    assert_eq!(everything(&project), before);
    std::fs::write(&path, original).expect("the guest");
    let _ = project.windlass("lock").exits(0);
    let _ = project.windlass("rollback").exits(0);
    assert_eq!(events_named(&project, &newest(&project), "step-reverted").len(), 1);
}

#[test]
fn the_release_that_is_live_is_no_way_back() {
    let project = project(&[versioned("a")]);
    release(&project, "1");
    let second = release(&project, "2");
    let output = project.windlass(&format!("rollback --to {second} --format json")).exits(2);
    assert_eq!(output.result()["reason"], "not-resumable");
    assert_eq!(order(&project), "a-1 a-2");
}

#[test]
fn what_a_step_recorded_in_several_attempts_is_taken_back_once() {
    let step = versioned("a")
        .run("echo x >> tries; test $(wc -l < tries) -ge 2 && echo a >> order")
        .key("retry = { attempts = 3, backoff = \"1ms\" }");
    let project = project(&[step]);
    release(&project, "1");
    assert_eq!(events_named(&project, &newest(&project), "record-appended").len(), 2);
    let _ = project.windlass("rollback").exits(0);
    assert_eq!(order(&project), "a -a-1");
}

#[test]
fn what_was_gone_on_with_is_taken_back_whole() {
    let project = project(&[versioned("a"), stuck_step("b"), versioned("c")]);
    let run = cut_off(&project, "run --release-version 1", "child");
    let _ = project.windlass(&format!("resume {run}")).exits(0);
    let _ = project.windlass("rollback").exits(0);
    assert_eq!(order(&project), "a-1 b c-1 -c-1 -b -a-1");
}
