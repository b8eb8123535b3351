//! The comment on a pull or merge request: one for each place, written once, changed from then on, and worth no exit code.

#![cfg(unix)]

use e2e::Project;
use e2e::github::{GitHub, JOB_TOKEN};
use e2e::gitlab::{self, GitLab};
use e2e::steps::{Step, text_with};

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
