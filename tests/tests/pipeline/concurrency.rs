//! Two runs at once: one place is deployed to by one run at a time.

use super::{Step, order, outcomes, project, text, until};
use e2e::Project;

/// A script that waits for the file `go`.
const WAITS: &str = "touch waiting; while test ! -e go; do sleep 0.01; done; echo a >> order";

#[test]
fn the_second_of_two_runs_is_refused() {
    let project = project(&[Step::marks("a").run(WAITS)]);
    let first = project.start("run --format json");
    until("the first run", || project.has("waiting"));
    let second = project.windlass("run --format json").exits(21);
    assert_eq!(second.result()["reason"], "lease-held");
    assert_eq!(second.result()["outcome"], "blocked");
    assert!(second.stderr.contains("`shop` is being deployed to `staging` already"), "{}", second.stderr);
    assert!(second.stderr.contains("run `[run]` holds the lease"), "{}", second.stderr);
    assert!(second.stderr.contains("note: nothing was run"), "{}", second.stderr);
    let status = project.windlass("status --format json").exits(0).result();
    assert_eq!(status[0]["running"], true);
    project.write("go", "");
    let _ = project.finish(first).exits(0);
    assert_eq!(order(&project), "a");
    let _ = project.windlass("run").exits(0);
}

#[test]
fn another_component_is_another_place() {
    let project = project(&[
        Step::marks("a").run(WAITS).key("component = \"frontend\""),
        Step::marks("b").key("component = \"backend\""),
    ]);
    let first = project.start("run --component frontend");
    until("the first run", || project.has("waiting"));
    let _ = project.windlass("run --component backend").exits(0);
    assert_eq!(order(&project), "b");
    project.write("go", "");
    let _ = project.finish(first).exits(0);
}

#[test]
fn a_run_that_waited_for_another_is_planned_again() {
    let step = Step::marks("a").run(WAITS).unless("echo asked >> asked; grep -qx a order");
    // How often it was asked is told by a file, which what is run while planning cannot change otherwise.
    let text = text("policy.confinement = \"off\"", &[step])
        .replace("[environments.staging]", "[environments.staging]\nlease = { wait = \"5m\" }");
    let project = Project::with(&text).locked();
    let first = project.start("run --format json");
    until("the first run", || project.has("waiting"));
    let second = project.start("run --format json");
    until("the second plan", || project.read("asked").lines().count() == 2);
    project.write("go", "");
    assert_eq!(outcomes(&project.finish(first).exits(0)), "a succeeded");
    let second = project.finish(second).exits(0);
    assert_eq!(outcomes(&second), "a skipped", "{}", second.stderr);
    assert!(second.stderr.contains("another run came first, so this one is planned again"), "{}", second.stderr);
    assert_eq!(order(&project), "a");
}

#[test]
fn a_run_whose_process_is_gone_holds_no_lease() {
    let project = project(&[Step::marks("a").run(WAITS)]);
    let mut first = project.start("run");
    until("the first run", || project.has("waiting"));
    first.kill().expect("killed");
    let _ = first.wait();
    project.write("go", "");
    let status = project.windlass("status --format json").exits(0).result();
    assert_eq!(status[0]["running"], false);
    assert_eq!(status[0]["newest"]["outcome"], serde_json::Value::Null);
    let _ = project.windlass("run").exits(0);
}
