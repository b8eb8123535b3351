//! A fake forge as a process, for tests that are not written in Rust: `fake github` or `fake gitlab`.
//!
//! Its first line are the variables of a job there, as JSON. Each line that it is given are words that it is told, as a list, such
//! as `["protect", "production", "alice"]`, or none; it answers each, and the end of them, with a line of what it keeps and was
//! asked. Then it ends.

use e2e::github::{self, GitHub};
use e2e::gitlab::GitLab;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Write;

/// What a fake keeps, once it was told some words; none where it knows no such words.
type Told = Box<dyn Fn(&[&str]) -> Option<Value>>;

fn main() -> std::io::Result<()> {
    let name = std::env::args().nth(1).unwrap_or_default();
    let (variables, told): (_, Told) = match name.as_str() {
        "github" => {
            let github = GitHub::start();
            (github.variables(), Box::new(move |words| tell_github(&github, words).map(|()| github.kept())))
        }
        "gitlab" => {
            let gitlab = GitLab::start();
            (gitlab.variables(None), Box::new(move |words| tell_gitlab(&gitlab, words).map(|()| gitlab.kept())))
        }
        _ => return Err(std::io::Error::other("which forge? `fake github` or `fake gitlab`")),
    };
    let variables: BTreeMap<&str, String> = variables.into_iter().collect();
    let say = |value: &Value| writeln!(std::io::stdout().lock(), "{value}");
    say(&serde_json::to_value(variables)?)?;
    for line in std::io::stdin().lines().chain([Ok("[]".to_owned())]) {
        let line = line?;
        let words: Vec<&str> = serde_json::from_str(&line)?;
        let kept = told(&words).ok_or_else(|| std::io::Error::other(format!("no fake can be told {line}")))?;
        say(&kept)?;
    }
    Ok(())
}

/// None where there are no such words.
fn tell_github(github: &GitHub, words: &[&str]) -> Option<()> {
    match *words {
        [] => {}
        // What is deployed now.
        ["commit", sha] => github.set_commit(sha),
        // An environment whose jobs wait for one of these people, and the job's run does.
        ["protect", environment, ref reviewers @ ..] => {
            github.protect(environment, reviewers, false);
            github.wait_for(github::RUN, environment);
        }
        // What one of them says on GitHub's own page; the job that waited begins, and makes its deployment.
        ["decide", environment, login, state] => {
            github.decide(github::RUN, environment, login, state, "");
            github.add_of_job(environment, github::RUN, github::JOB, "in_progress");
        }
        // The job of an environment without reviewers begins, and makes its deployment; and how such a one ends.
        ["begin", environment] => {
            github.add_of_job(environment, github::RUN, github::JOB, "in_progress");
        }
        ["end", deployment, state] => {
            github.add_status(deployment.parse().ok()?, &serde_json::json!({ "state": state }))
        }
        // The job's token may read alone, as in a pull request from a fork.
        ["from a fork"] => {
            github.permit(github::JOB_TOKEN, &[("contents", "read"), ("deployments", "read"), ("actions", "read")])
        }
        _ => return None,
    }
    Some(())
}

/// None where there are no such words.
fn tell_gitlab(gitlab: &GitLab, words: &[&str]) -> Option<()> {
    match *words {
        [] => {}
        // The deployment of the job that deploys this commit there, which waits until one of these people agrees, or does not wait.
        ["deployment", commit, environment, job, ref people @ ..] => {
            if !people.is_empty() {
                gitlab.protect(environment, &[("deployers", people)]);
            }
            let status = if people.is_empty() { "running" } else { "blocked" };
            gitlab.add_of(commit, environment, status, "main", Some(job.parse().ok()?));
        }
        // That job ends, and its deployment with it.
        ["end", deployment, job, status] => {
            gitlab.end(deployment.parse().ok()?, status);
            gitlab.set_job(job.parse().ok()?, status);
        }
        // One of them agrees or does not, and somebody starts the job.
        ["say", deployment, who, what] => {
            let deployment = deployment.parse().ok()?;
            gitlab.say(deployment, who, what, "", None);
            gitlab.set(deployment, "running");
        }
        _ => return None,
    }
    Some(())
}
