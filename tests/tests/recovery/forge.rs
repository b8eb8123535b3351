//! What a forge shows after a run that was cut off, or that could not tell it how it ended: the real binary against a GitHub on
//! loopback that is held to the official description.

use super::*;
use e2e::github::{GitHub, JOB_TOKEN};

/// A project in a job of this GitHub's.
fn project_in(github: &GitHub, steps: &[Step]) -> Project {
    let project = Project::with(&text("store = \"local\"\n", steps));
    github.variables().iter().fold(project, |project, (name, value)| project.variable(name, value)).locked()
}

fn waits(then: &str) -> Step {
    Step::marks("a").run(&format!("touch waiting; while test ! -e go; do sleep 0.01; done; {then}"))
}

/// A run that cannot tell the forge how it ended.
fn untold(github: &GitHub, project: &Project, exit: i32) -> String {
    let run = project.start("run --format json");
    until("the step", || project.has("waiting"));
    github.expire(JOB_TOKEN);
    project.write("go", "");
    let _ = project.finish(run).exits(exit);
    github.expire(JOB_TOKEN);
    let run = newest(project);
    assert!(events_named(project, &run, "deployment-told").is_empty());
    run
}

#[test]
fn going_on_goes_on_with_the_same_deployment() {
    let github = GitHub::start();
    let project = project_in(&github, &[stuck_step("a")]);
    let run = cut_off(&project, "run", "child");
    let _ = project.windlass(&format!("resume {run}")).exits(0);
    assert_eq!(order(&project), "a");
    assert_eq!(events_named(&project, &run, "deployment-told").len(), 1);
    assert_eq!(github.states(), [["in_progress", "success"]]);
}

#[test]
fn what_is_taken_back_is_shown_as_no_longer_live() {
    let github = GitHub::start();
    let project = project_in(&github, &[Step::marks("a")]);
    let _ = project.windlass("run").exits(0);
    let _ = project.windlass("rollback").exits(0);
    assert_eq!(order(&project), "a -a");
    assert_eq!(github.states(), [["in_progress", "success", "failure"]]);
}

#[test]
fn reaping_closes_the_deployment_once() {
    let github = GitHub::start();
    let project = project_in(&github, &[stuck_step("a")]);
    let run = cut_off(&project, "run", "child");
    for _ in 0..2 {
        let _ = project.windlass("reap").exits(0);
    }
    assert_eq!(events_named(&project, &run, "deployment-told").len(), 1);
    assert_eq!(github.states(), [["in_progress", "error"]]);
}

#[test]
fn reaping_without_the_token_says_so_and_can_be_done_again() {
    let github = GitHub::start();
    let project = project_in(&github, &[stuck_step("a")]);
    let run = cut_off(&project, "run", "child");
    let output = project.windlass("reap --forge local").exits(14);
    assert!(output.stderr.contains("github was not told"), "{}", output.stderr);
    assert_eq!(events_named(&project, &run, "run-finished").len(), 1);
    let _ = project.windlass("reap").exits(0);
    assert_eq!(events_named(&project, &run, "run-finished").len(), 1, "it was closed before");
    assert_eq!(github.states(), [["in_progress", "error"]]);
}

#[test]
fn what_the_forge_was_not_told_is_told_by_reaping() {
    let github = GitHub::start();
    let project = project_in(&github, &[waits("echo a >> order")]);
    let run = untold(&github, &project, 14);
    for _ in 0..2 {
        let _ = project.windlass("reap").exits(0);
    }
    assert_eq!(events_named(&project, &run, "deployment-told").len(), 1);
    assert_eq!(github.states(), [["in_progress", "success"]]);
}

#[test]
fn what_the_forge_was_not_told_is_told_by_the_next_run_as_it_was() {
    let github = GitHub::start();
    let project = project_in(&github, &[waits("exit 3")]);
    let run = untold(&github, &project, 10);
    let _ = project.windlass("run").exits(10);
    assert_eq!(events_named(&project, &run, "deployment-told").len(), 1);
    assert_eq!(github.states(), [["in_progress", "failure"], ["in_progress", "failure"]]);
}
