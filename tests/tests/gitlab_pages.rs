//! What GitLab lists is read to its end, page by page: what is meant is found behind a thousand others.

#![cfg(unix)]

use e2e::Project;
use e2e::fault::Fault;
use e2e::gitlab::{self, GitLab, JOB, PERSON};
use e2e::runs::{cut_before, cut_off, stuck};
use e2e::server::Answer;
use e2e::steps::{Step, order, text, text_with};
use serde_json::Value;

/// How many others there are.
const MANY: u64 = 1000;

fn project(gitlab: &GitLab, text: &str) -> Project {
    let variables = gitlab.variables(None);
    variables.iter().fold(Project::with(text), |project, (name, value)| project.variable(name, value)).locked()
}

/// Deployments of another branch.
fn add_others(gitlab: &GitLab, status: &str) {
    for _ in 0..MANY {
        let _ = gitlab.add("staging", status, "topic", None);
    }
}

#[test]
fn a_deployment_that_was_never_answered_is_found_behind_a_thousand_later_ones() {
    let gitlab = GitLab::start();
    let text = text("store = \"local\"\n", &[Step::marks("a").run(&stuck("child", "exit 0"))]);
    let project = project(&gitlab, &text);
    let run = cut_off(&project, "run -e staging", "child");
    cut_before(&project, &run, "deployment-created");
    add_others(&gitlab, "running");
    let _ = project.windlass("reap").exits(0);
    assert_eq!(gitlab.states()[0], ["running", "failed"]);
    assert!(gitlab.states()[1..].iter().all(|states| states == &["running"]));
}

#[test]
fn one_that_was_not_answered_is_found_before_a_thousand_earlier_ones() {
    let gitlab = GitLab::start();
    add_others(&gitlab, "success");
    gitlab.fail("POST /deployments", Fault::After(Answer::new(502, "")));
    let _ = project(&gitlab, &text("", &[Step::marks("a")])).windlass("run -e staging").exits(0);
    assert_eq!(
        (gitlab.deployments().len(), gitlab.states().pop()),
        (1001, Some(vec!["running".into(), "success".into()]))
    );
}

#[test]
fn the_jobs_own_deployment_is_found_behind_hundreds_that_came_while_it_waited() {
    let gitlab = GitLab::start();
    let ours = gitlab.add("staging", "running", "main", Some(JOB));
    for job in 1..MANY {
        let _ = gitlab.add("staging", "success", "main", Some(JOB + job));
    }
    let project = project(&gitlab, &text("", &[Step::marks("a")])).variable("CI_ENVIRONMENT_NAME", "staging");
    let result = project.windlass("run -e staging --format json").exits(0).result();
    assert_eq!(result["deployment"]["id"], Value::from(ours.to_string()));
    let _ = gitlab.states();
}

#[test]
fn what_a_run_comes_after_is_found_behind_hundreds_that_failed() {
    let gitlab = GitLab::start();
    let environments = "[environments.staging]\n[environments.production]\nafter = [\"staging\"]\n";
    let project = project(&gitlab, &text_with("", environments, &[Step::marks("a")]));
    let _ = project.windlass("run -e staging").exits(0);
    for _ in 1..MANY {
        let _ = gitlab.add("staging", "failed", "topic", None);
    }
    let _ = project.windlass("run -e production").exits(0);
    let _ = gitlab.states();
}

#[test]
fn a_comment_is_found_behind_a_thousand_others() {
    let gitlab = GitLab::start();
    let others: Vec<(&str, &str)> = (1..MANY).map(|_| ("mallory", "LGTM")).collect();
    gitlab.add_request(11, &others);
    let text = text_with("", "[environments.staging]\ncomment = true\n", &[Step::marks("a")]);
    let project = project(&gitlab, &text).variable("CI_MERGE_REQUEST_IID", "11");
    let project = project.variable("GITLAB_TOKEN", gitlab::TOKEN);
    let _ = project.windlass("plan -e staging").exits(0);
    let _ = project.windlass("run -e staging").exits(0);
    let notes = gitlab.notes(11);
    assert_eq!((notes.len() as u64, notes[notes.len() - 1].0.as_str()), (MANY, PERSON));
    assert!(notes[notes.len() - 1].1.contains("- **outcome**: deployed, in run `"), "{:?}", notes.last());
    let _ = gitlab.states();
}

#[test]
fn a_thousand_environments_are_listed_and_the_last_of_them_is_stopped() {
    let gitlab = GitLab::start();
    for number in 0..MANY {
        gitlab.add_environment(&format!("review/{number}"), "stopped");
    }
    let _ = gitlab.add("review/last", "success", "main", None);
    let environments = "[environments.staging]\n[environments.review]\ntransient = true\nname = \"review/*\"\n";
    let project = project(&gitlab, &text_with("", environments, &[Step::marks("a")]));
    let output = project.windlass("environment list --format json").exits(0);
    let listed: Value = serde_json::from_str(&output.raw_stdout).expect("JSON");
    assert_eq!(listed["environments"].as_array().map(Vec::len), Some(1001));
    let output = project.windlass("environment stop review/last").exits(0);
    assert_eq!(output.stdout, "review/last was stopped\n");
    assert!(gitlab.environments().iter().all(|(_, state)| state == "stopped"));
    let _ = gitlab.states();
}

#[test]
fn a_freeze_is_found_behind_hundreds() {
    let gitlab = GitLab::start();
    for _ in 0..MANY {
        gitlab.freeze("0 0 29 2 *", "1 0 29 2 *");
    }
    gitlab.freeze("* * * * *", "0 0 1 1 *");
    let project = project(&gitlab, &text("", &[Step::marks("a")])).variable("GITLAB_TOKEN", gitlab::TOKEN);
    let output = project.windlass("run -e staging").exits(21);
    assert!(output.stderr.contains("freeze"), "{}", output.stderr);
    assert_eq!(order(&project), "");
    let _ = gitlab.states();
}

#[test]
fn a_journal_is_found_behind_a_thousand_of_other_components() {
    let gitlab = GitLab::start();
    for number in 0..MANY {
        gitlab.put_package("windlass.shop.staging.api", &format!("{number}"), "journal.jsonl", b"");
    }
    let text = text("", &[Step::marks("a")]);
    let _ = project(&gitlab, &text).windlass("run -e staging").exits(0);
    let status = project(&gitlab, &text).windlass("status").exits(0).stdout;
    assert!(status.contains("  live    ") && !status.contains("nothing that is known of"), "{status}");
    let _ = gitlab.states();
}

#[test]
fn a_lease_is_found_among_a_thousand() {
    let gitlab = GitLab::start();
    let text = text("", &[Step::marks("a").run(&stuck("child", "exit 0"))]);
    let first = project(&gitlab, &text).variable("GITLAB_TOKEN", gitlab::TOKEN);
    let _ = cut_off(&first, "run -e staging", "child");
    for number in 0..MANY {
        gitlab.add_file("windlass-leases", &format!("leases/aaa/{number}.md"), "no lease");
    }
    let second = project(&gitlab, &text).variable("GITLAB_TOKEN", gitlab::TOKEN);
    let output = second.windlass("lease status").exits(0);
    assert!(output.stdout.contains("staging"), "{}", output.all());
    let _ = gitlab.states();
}

#[test]
fn the_plan_of_the_last_of_a_thousand_jobs_is_found() {
    let gitlab = GitLab::start();
    gitlab.add_jobs(MANY - 1);
    gitlab.protect("production", &[("deployers", &[PERSON])]);
    let environments = "[environments.production]\napproval = { required = 1 }\n";
    let project = project(&gitlab, &text_with("", environments, &[Step::marks("a")]));
    for _ in 0..MANY {
        let _ = gitlab.add("production", "success", "main", Some(JOB));
    }
    let deployment = gitlab.add("production", "blocked", "main", Some(JOB));
    for _ in 0..MANY {
        let _ = gitlab.add("production", "success", "main", Some(JOB));
    }
    let _ = project.windlass("plan -e production -o windlass-plan.json").exits(0);
    gitlab.hand_on(7000, "windlass-plan.json", &project.read("windlass-plan.json"));
    let person = project.variable("GITLAB_TOKEN", gitlab::TOKEN);
    let _ = person.windlass("approve").exits(0);
    assert_eq!(gitlab.said(deployment).len(), 1);
    let _ = gitlab.states();
}
