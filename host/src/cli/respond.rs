//! `approvals respond`: answering a custom deployment protection rule of GitHub from a workflow, with the plan as its report.

use super::arguments::{Common, Respond};
use super::project::Project;
use super::{Failed, say};
use crate::approval::{self, Answer};
use crate::forge::{Forge, ProtectionRule};
use crate::plan::PlanFile;
use crate::policy::visible;
use crate::problem::{Code, Problem};
use crate::report::{self, Style};
use serde::Deserialize;
use std::path::PathBuf;

/// The most characters that GitHub takes as a comment.
const COMMENT: usize = 1024;

/// What GitHub sends to the App that owns the rule (`deployment_protection_rule`), as far as it is read.
#[derive(Debug, Deserialize)]
struct Requested {
    environment: String,
    deployment_callback_url: String,
    #[serde(default)]
    deployment: Option<Deployment>,
}

#[derive(Debug, Deserialize)]
struct Deployment {
    sha: String,
}

/// As the App hands it on to a workflow, with a `repository_dispatch`.
#[derive(Debug, Deserialize)]
struct Dispatched {
    client_payload: Requested,
}

/// `windlass approvals respond`
pub(super) async fn respond(common: &Common, arguments: &Respond) -> Result<(), Failed> {
    let project = Project::load(common)?;
    let requested = requested(&project, arguments)?;
    let forge = project.forge()?;
    let Forge::GitHub(github) = &*forge else {
        return Err(refused("there is no deployment protection rule to answer", "only GitHub has them".into())
            .with_hint("run it in a workflow, or with `--forge github`")
            .into());
    };
    let rule = github.protection_rule(&requested.environment, &requested.deployment_callback_url)?;
    let file = arguments.plan.as_deref().map(super::deploy::read_plan).transpose()?;
    if let Some(file) = &file {
        is_about(file, &rule, &requested)?;
    } else if arguments.state != Some(Answer::Rejected) {
        return Err(refused("there is no plan to answer with", "`--plan` is not given".into())
            .with_hint("give it the file that `windlass plan -o FILE` made in the run that waits, with `--plan FILE`")
            .into());
    }
    let comment = comment(arguments.comment.as_deref(), file.as_ref());
    github.respond(&rule, arguments.state, &comment).await?;
    let word = arguments.state.map_or("reported", Answer::word);
    say(&format!("{word}: run {} for `{}`\n{comment}\n", rule.run, visible(&rule.environment)));
    Ok(())
}

fn refused(what: &str, cause: String) -> Problem {
    Problem::new(Code::Usage, what).because(cause).with_note("nothing was changed")
}

/// What is asked.
fn requested(project: &Project, arguments: &Respond) -> Result<Requested, Problem> {
    let hint = "give it what GitHub sent as `deployment_protection_rule`, with `--event FILE`";
    let path = arguments
        .event
        .clone()
        .or_else(|| project.variables.get(crate::variable::GITHUB_EVENT_PATH).map(PathBuf::from));
    let path = path.ok_or_else(|| {
        refused("it is not known what is asked", "neither `--event` nor `GITHUB_EVENT_PATH` is set".into())
            .with_hint(hint)
    })?;
    let name = path.display().to_string();
    let unreadable = |cause: String| refused(&format!("the event in `{name}` cannot be read"), cause).with_hint(hint);
    let text = std::fs::read_to_string(&path).map_err(|error| unreadable(error.to_string()))?;
    let dispatched = serde_json::from_str::<Dispatched>(&text).map(|dispatched| dispatched.client_payload);
    dispatched.or_else(|_| serde_json::from_str::<Requested>(&text)).map_err(|error| unreadable(error.to_string()))
}

/// That a plan is what the rule was asked about: of that run, environment and commit.
fn is_about(file: &PlanFile, rule: &ProtectionRule, requested: &Requested) -> Result<(), Problem> {
    let mut causes = Vec::new();
    let of = file.ci.as_ref().filter(|ci| ci.forge == "github").map(|ci| ci.run.as_str());
    if of != Some(rule.run.as_str()) {
        causes.push(format!("it was made in run `{}`, and run `{}` waits", of.unwrap_or("none"), rule.run));
    }
    if !approval::is_same(&file.plan.environment, &requested.environment) {
        causes.push(format!("it is for `{}`, and `{}` waits", file.plan.environment, visible(&requested.environment)));
    }
    if let Some(deployment) = requested.deployment.as_ref().filter(|it| it.sha != file.plan.commit) {
        causes.push(format!("it is of commit `{}`, and `{}` waits", file.plan.commit, visible(&deployment.sha)));
    }
    if causes.is_empty() {
        return Ok(());
    }
    let problem = Problem::new(Code::PlanDrifted, "the plan is not of the deployment that waits");
    Err(causes
        .into_iter()
        .fold(problem, Problem::because)
        .with_note("nothing was changed")
        .with_hint("give it the plan that a job of that run has made"))
}

/// What is said with the answer: the comment, and the plan as far as there is room for it.
fn comment(given: Option<&str>, file: Option<&PlanFile>) -> String {
    let mut text = given.unwrap_or_default().to_owned();
    if let Some(file) = file {
        if !text.is_empty() {
            text.push_str("\n\n");
        }
        text.push_str(&format!("windlass plan {}\n", approval::digits(&file.digest)));
        text.push_str(&report::plan(&file.plan, false, Style::plain()));
    }
    let text = text.trim_end();
    if text.chars().count() <= COMMENT {
        return text.to_owned();
    }
    let kept: String = text.chars().take(COMMENT - 2).collect();
    // A line that is cut says something else.
    let whole = kept.rsplit_once('\n').map_or(kept.as_str(), |(whole, _)| whole);
    format!("{whole}\n…")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_is_no_longer_than_github_takes_and_ends_with_a_whole_line() {
        assert_eq!(comment(Some("looks good"), None), "looks good");
        let long = comment(Some(&"0123456789\n".repeat(200)), None);
        assert!(long.chars().count() <= COMMENT && long.ends_with("0123456789\n…"), "{long}");
    }
}
