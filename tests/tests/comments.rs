//! The comment on a pull or merge request: one for each place, written once, changed from then on, and worth no exit code.

#![cfg(unix)]

use e2e::Project;
use e2e::github::{GitHub, JOB_TOKEN};
use e2e::gitlab::{self, GitLab};
use e2e::probe::Probe;
use e2e::steps::{Step, text_with};
use serde_json::json;

/// The number of the pull request.
const PULL: u64 = 7;

/// What a comment about staging begins with.
const MARKER: &str = "<!-- windlass:shop/staging/ -->";

fn project(variables: &[(&'static str, String)], environment: &str, steps: &[Step]) -> Project {
    let text = text_with("", &format!("[environments.staging]\n{environment}"), steps);
    let project = Project::with(&text);
    variables.iter().fold(project, |project, (name, value)| project.variable(name, value)).locked()
}

/// A GitHub with a pull request that the commit came with.
fn github() -> GitHub {
    let github = GitHub::start();
    github.add_pull(PULL, e2e::COMMIT);
    github
}

/// As in a job of the pull request.
const OF_PULL: (&str, &str) = ("GITHUB_REF", "refs/pull/7/merge");

#[test]
fn one_comment_tells_of_the_plan_and_then_of_what_came_of_it() {
    let github = github();
    let project = project(&github.variables(), "comment = true\n", &[Step::marks("a")]);
    let _ = project.windlass_with("plan -e staging", &[OF_PULL]).exits(0);
    let [(who, planned)] = github.comments(PULL).try_into().expect("one comment");
    assert_eq!(who, "github-actions[bot]");
    assert!(planned.starts_with(MARKER), "{planned}");
    assert!(planned.contains("- **outcome**: not run yet") && planned.contains("~ a  run"), "{planned}");
    // The job that deploys what was merged is not one of the pull request.
    let _ = project.windlass("run -e staging").exits(0);
    let [(_, deployed)] = github.comments(PULL).try_into().expect("the same comment");
    assert!(deployed.starts_with(MARKER) && deployed.contains("- **outcome**: deployed, in run `"), "{deployed}");
    let _ = project.windlass("rollback -e staging").exits(0);
    let [(_, back)] = github.comments(PULL).try_into().expect("the same comment");
    assert!(back.contains("taken back"), "{back}");
    github.is_right();
}

#[test]
fn a_job_that_a_comment_began_writes_to_the_pull_request_with_that_comment() {
    let github = github();
    github.add_pull(9, &e2e::COMMIT.replace('0', "f"));
    let project = project(&github.variables(), "comment = true\n", &[Step::marks("a")]);
    let issue = json!({ "number": 9, "pull_request": { "url": format!("{}/repos/acme/shop/pulls/9", github.api()) } });
    project.write("event.json", &json!({ "action": "created", "issue": issue }).to_string());
    let path = project.path().join("event.json");
    let event = [("GITHUB_EVENT_NAME", "issue_comment"), ("GITHUB_EVENT_PATH", path.to_str().expect("a path"))];
    let _ = project.windlass_with("plan -e staging", &event).exits(0);
    assert_eq!((github.comments(9).len(), github.comments(PULL).len()), (1, 0));
}

#[test]
fn a_comment_of_somebody_else_is_left_alone() {
    let github = github();
    github.add_comment(PULL, "mallory", MARKER);
    let project = project(&github.variables(), "comment = true\n", &[Step::marks("a")]);
    for _ in 0..2 {
        let _ = project.windlass_with("plan -e staging", &[OF_PULL]).exits(0);
    }
    let comments = github.comments(PULL);
    assert_eq!(comments.len(), 2, "{comments:?}");
    assert_eq!(comments[0], ("mallory".to_owned(), MARKER.to_owned()));
}

#[test]
fn what_cannot_be_written_is_a_warning() {
    let github = github();
    github.permit(
        JOB_TOKEN,
        &[("deployments", "write"), ("contents", "read"), ("pull_requests", "read"), ("issues", "read")],
    );
    let project = project(&github.variables(), "comment = true\n", &[Step::marks("a")]);
    let output = project.windlass("run -e staging --format json").exits(0);
    assert_eq!(output.result()["outcome"], "succeeded");
    assert!(output.stderr.contains("warning: GitHub refused to write the comment"), "{}", output.stderr);
    assert!(output.stderr.contains("note: nothing else depends on it"), "{}", output.stderr);
    assert!(github.comments(PULL).is_empty());
}

#[test]
fn nobody_is_told_who_did_not_ask_for_it() {
    let github = github();
    let project = project(&github.variables(), "", &[Step::marks("a")]);
    let _ = project.windlass_with("plan -e staging", &[OF_PULL]).exits(0);
    let _ = project.windlass("run -e staging").exits(0);
    assert!(github.comments(PULL).is_empty());
    assert!(!github.requests().iter().any(|line| line.contains("issues") || line.contains("pulls")));
}

#[test]
fn a_merge_request_has_one_comment_too() {
    let gitlab = GitLab::start();
    gitlab.add_request(11, &[("mallory", MARKER)]);
    let mut variables = gitlab.variables(None);
    variables.push(("CI_MERGE_REQUEST_IID", "11".into()));
    let project = project(&variables, "comment = true\n", &[Step::marks("a")]).variable("GITLAB_TOKEN", gitlab::TOKEN);
    let _ = project.windlass("plan -e staging").exits(0);
    let _ = project.windlass("run -e staging").exits(0);
    let notes = gitlab.notes(11);
    assert_eq!((notes.len(), notes[0].1.as_str()), (2, MARKER), "{notes:?}");
    assert!(notes[1].1.starts_with(MARKER) && notes[1].1.contains("- **outcome**: deployed, in run `"), "{notes:?}");
    assert_eq!(gitlab.states(), [["running", "success"]]);
}

#[test]
fn a_job_of_gitlab_cannot_write_one_and_says_what_can() {
    let gitlab = GitLab::start();
    gitlab.add_request(11, &[]);
    let mut variables = gitlab.variables(None);
    variables.push(("CI_MERGE_REQUEST_IID", "11".into()));
    let project = project(&variables, "comment = true\n", &[Step::marks("a")]);
    let output = project.windlass("run -e staging").exits(0);
    assert!(output.stderr.contains("warning: GitLab lets no job write the comment"), "{}", output.stderr);
    assert!(output.stderr.contains("set `GITLAB_TOKEN`"), "{}", output.stderr);
    assert!(gitlab.notes(11).is_empty());
}

#[test]
fn a_secret_in_what_a_step_says_is_not_in_the_comment_also_where_it_became_one_later() {
    let github = github();
    let (old, new) = ("token-of-yesterday", "token-of-today");
    let phases = json!(["plan", "apply", "revert"]);
    let probe = Probe::new()
        .asks(json!({ "kind": "secret-header", "name": "TOKEN", "origin": "https://api.shop.example", "phases": ["apply"] }))
        .asks(json!({ "kind": "directory", "path": "said", "phases": phases }))
        .plans(json!({ "do": "say", "text": "@said/text" }))
        .applies(json!({ "do": "record", "value": "1" }))
        .applies(json!({ "do": "fail", "text": "@said/text" }))
        .strict()
        .setting("on_failure = \"stop\"");
    let text = format!("schema = 1\napp = \"shop\"\n[environments.staging]\ncomment = true\n{}", probe.step("send"));
    let variables = github.variables();
    let project = Project::with(&text).guest("probe").file("said/text", &format!("it sent {old} and {new}"));
    let project = variables.iter().fold(project, |project, (name, value)| project.variable(name, value)).locked();
    let comment = |words: &str, token: &str, code: i32| {
        let output = project.windlass_with(words, &[("TOKEN", token)]).exits(code);
        let [(_, text)] = github.comments(PULL).try_into().unwrap_or_else(|_| panic!("one comment: {}", output.all()));
        text
    };
    let failed = comment("run -e staging", old, 13);
    assert_eq!(failed.matches(&format!("it sent *** and {new}")).count(), 2, "planned, and why it failed: {failed}");
    let back = comment("rollback -e staging", new, 0);
    assert!(back.contains("it sent *** and ***"), "as it was planned: {back}");
}
