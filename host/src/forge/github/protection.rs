//! Custom deployment protection rules: a gate that a GitHub App answers ("Creating custom deployment protection rules").

use super::GitHub;
use super::approvals::Pending;
use crate::approval::{Answer, is_same};
use crate::forge::answer::Failure;
use crate::forge::client::exactly_once;
use crate::problem::{Code, Problem};
use http::StatusCode;
use serde_json::{Value, json};

/// A rule that waits for an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProtectionRule {
    /// The environment.
    pub environment: String,
    /// The run of a workflow that waits.
    pub run: String,
}

impl GitHub {
    /// The rule that is answered at this address. Only an address of this repository's own API is one: our token goes there.
    ///
    /// # Errors
    /// [`Code::Usage`].
    pub fn protection_rule(&self, environment: &str, address: &str) -> Result<ProtectionRule, Problem> {
        let base = format!("{}/repos/{}/actions/runs/", self.api, self.repository);
        let run = || {
            let rest = address.get(base.len()..).filter(|_| address[..base.len()].eq_ignore_ascii_case(&base))?;
            let run = rest.strip_suffix("/deployment_protection_rule")?;
            Some(run.to_owned()).filter(|run| !run.is_empty() && run.bytes().all(|byte| byte.is_ascii_digit()))
        };
        let run = run().ok_or_else(|| {
            Problem::new(Code::Usage, "the deployment protection rule is not one of this repository")
                .because(format!("`{}` is not an address below `{base}`", crate::policy::visible(address)))
                .with_note("nothing was sent")
                .with_hint("set `GITHUB_REPOSITORY` and `GITHUB_API_URL` to the repository that the run is in")
        })?;
        Ok(ProtectionRule { environment: environment.to_owned(), run })
    }

    /// Answers a rule, or, without an answer, reports on it.
    ///
    /// # Errors
    /// [`Code::ForgeRefused`], also where the token is not one of the App that owns the rule.
    pub async fn respond(&self, rule: &ProtectionRule, answer: Option<Answer>, comment: &str) -> Result<(), Problem> {
        let mut body = json!({ "environment_name": rule.environment, "comment": comment });
        if let Some(answer) = answer {
            body["state"] = answer.word().into();
        }
        let route = format!("/repos/{}/actions/runs/{}/deployment_protection_rule", self.repository, rule.run);
        let action = format!("answer the deployment protection rule of run {}", rule.run);
        let mut effort = self.client.effort();
        let sent = async {
            let is_it = |pending: &Pending| is_same(&pending.environment.name, &rule.environment);
            exactly_once!(effort, effort.post_for::<Value>(&route, &body, StatusCode::NO_CONTENT).await?.map(drop), {
                // What was answered no longer waits, unless another rule keeps it: then the same is said once more.
                let waits: Vec<Pending> = effort.get(&self.pending_route(&rule.run)).await?;
                (answer.is_some() && !waits.iter().any(is_it)).then_some(())
            });
            Ok(())
        };
        sent.await.map_err(|failure: Failure| {
            let hint = "set `GITHUB_TOKEN` to an installation token of the App that owns the rule";
            failure.problem_hinted(Code::ForgeRefused, &action, hint).with_note("nothing was changed")
        })
    }
}
