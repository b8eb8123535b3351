//! What is tried again, how often, and what a step's own time means.

use super::{Step, order, outcomes, project, until};
use e2e::probe::Probe;
use e2e::server::Closed;
use serde_json::json;
use std::time::{Duration, Instant};

/// Fails until it has been run so many times.
fn succeeds_at(times: u32) -> String {
    format!("echo a >> order; test $(wc -l < order) -ge {times}")
}

#[test]
fn a_step_that_succeeds_at_the_third_try_has_succeeded() {
    let step = Step::marks("a").run(&succeeds_at(3)).key("retry = { attempts = 5, backoff = \"1ms\" }");
    let project = project(&[step, Step::marks("b")]);
    let output = project.windlass("run --format json").exits(0);
    assert_eq!(order(&project), "a a a b");
    assert_eq!(output.result()["steps"][0]["attempts"], 3);
    assert_eq!(outcomes(&output), "a succeeded, b succeeded");
    let attempts: Vec<_> = project
        .journal()
        .iter()
        .filter(|event| event["step"] == "a" && event["event"] != "record-appended")
        .map(|event| format!("{} {} {}", event["event"].as_str().unwrap_or_default(), event["attempt"], event["again"]))
        .collect();
    assert_eq!(
        attempts,
        [
            "step-started 1 null",
            "step-failed 1 true",
            "step-started 2 null",
            "step-failed 2 true",
            "step-started 3 null",
            "step-succeeded 3 null",
        ]
    );
}

#[test]
fn a_step_is_given_up_after_its_attempts_and_taken_back_once() {
    let step = Step::marks("a").run(&succeeds_at(9)).key("retry = { attempts = 3, backoff = \"1ms\" }");
    let project = project(&[step]);
    let output = project.windlass("run --format json").exits(10);
    assert_eq!(order(&project), "a a a -a");
    assert_eq!(output.result()["steps"][0]["attempts"], 3);
    assert_eq!(outcomes(&output), "a reverted");
}

#[test]
fn without_retry_a_step_is_tried_once() {
    let project = project(&[Step::marks("a").run(&succeeds_at(2))]);
    let output = project.windlass("run --format json").exits(10);
    assert_eq!(output.result()["steps"][0]["attempts"], 1);
}

#[test]
fn each_wait_is_twice_the_one_before() {
    let step = Step::marks("a").run(&succeeds_at(4)).key("retry = { attempts = 4, backoff = \"60ms\" }");
    let project = project(&[step]);
    let started = Instant::now();
    let _ = project.windlass("run").exits(0);
    assert!(started.elapsed() >= Duration::from_millis(60 + 120 + 240), "{:?}", started.elapsed());
}

#[test]
fn what_is_misconfigured_or_broken_is_not_tried_again() {
    for (operation, reason) in [
        (json!({ "do": "say", "text": "@no-such-file" }), "step-failed"),
        (json!({ "do": "panic", "text": "out of cheese" }), "step-trapped"),
    ] {
        let probe = Probe::new().applies(operation).strict().setting("retry = { attempts = 3, backoff = \"1ms\" }");
        let project = probe.project().locked();
        let output = project.windlass("run --format json").exits(13);
        assert_eq!(output.result()["steps"][0]["attempts"], 1, "{}", output.all());
        assert_eq!(output.result()["reason"], reason);
    }
}

#[test]
fn what_does_not_answer_is_tried_again() {
    let closed = Closed::new();
    let asked = json!({ "kind": "http", "host": "127.0.0.1", "port": closed.port(), "methods": ["GET"], "path": "/",
        "addresses": ["loopback"], "phases": ["apply"] });
    let ask = json!({ "do": "http", "url": format!("http://127.0.0.1:{}/", closed.port()) });
    let retry = "retry = { attempts = 3, backoff = \"1ms\" }";
    let project = Probe::new().asks(asked).applies(ask).strict().setting(retry).project().locked();
    let output = project.windlass("run --format json").exits(13);
    assert_eq!(output.result()["steps"][0]["attempts"], 3, "{}", output.all());
}

#[test]
fn what_was_not_accepted_is_not_tried_again() {
    let ask = json!({ "do": "exec", "program": "true" });
    let retry = "retry = { attempts = 3, backoff = \"1ms\" }";
    let project = Probe::new().applies(ask).strict().setting(retry).project().locked();
    let output = project.windlass("run --format json").exits(13);
    assert_eq!(output.result()["steps"][0]["attempts"], 1, "{}", output.all());
    assert_eq!(output.result()["reason"], "step-denied");
}

#[test]
fn a_step_that_takes_too_long_is_stopped_with_what_it_started() {
    let step = Step::marks("a").run("sleep 600 & echo $! > child; wait").key("timeout = \"300ms\"");
    let project = project(&[step]);
    let started = Instant::now();
    let output = project.windlass("run --format json").exits(10);
    assert!(started.elapsed() < Duration::from_secs(60));
    assert_eq!(output.result()["reason"], "step-timed-out");
    assert_eq!(outcomes(&output), "a reverted");
    let child = project.read("child").trim().to_owned();
    until("the child's end", || !std::path::Path::new("/proc").join(&child).exists());
}

#[test]
fn the_run_as_a_whole_has_a_deadline_which_taking_back_has_not() {
    let text = super::text(
        "timeout = \"1s\"",
        &[
            Step::marks("a").reverted_by("sleep 1.2; echo -a >> order"),
            Step::marks("b").run("sleep 600"),
            Step::marks("c"),
        ],
    );
    let project = e2e::Project::with(&text).locked();
    let output = project.windlass("run --format json").exits(10);
    assert_eq!(output.result()["reason"], "step-timed-out");
    assert_eq!(outcomes(&output), "a reverted, b reverted, c not-run");
    assert_eq!(order(&project), "-b -a".replace("-b", "a -b"));
}

#[test]
fn nothing_goes_on_once_the_time_of_the_run_is_over() {
    let goes_on = "on_failure = \"continue\"";
    let steps = [Step::marks("a").run("sleep 600").key(goes_on), Step::marks("b").key(goes_on)];
    let project = e2e::Project::with(&super::text("timeout = \"500ms\"", &steps)).locked();
    let output = project.windlass("run --format json").exits(10);
    assert_eq!(output.result()["reason"], "step-timed-out");
    assert_eq!(outcomes(&output), "a reverted, b not-run");
    assert!(output.stderr.contains("give the run a longer `timeout`"), "{}", output.stderr);
}
