//! Whether a run may begin: the order of environments, freezes, and approval. That nobody else deploys the same thing is
//! [`crate::lease`]'s.

mod freeze;
mod order;

pub use freeze::Freezes;
pub use order::{Before, Whereabouts};

use crate::approval::{self, Case, Decision, Standing, Where};
use crate::config::{Approval, Bind, enumerated};
use crate::event::{Approver, Subject};
use crate::policy::visible;
use crate::problem::{Code, Problem};

/// That a plan may be run as far as people are concerned. `case` is what was asked, and what was said to it.
///
/// # Errors
/// [`Code::ApprovalMissing`] with who has agreed and what does not count, [`Code::ApprovalRejected`].
pub fn approval(rule: &Approval, case: &Case) -> Result<Vec<Approver>, Problem> {
    let Subject { app, environment, version, .. } = &case.request.subject;
    let missing =
        || Problem::new(Code::ApprovalMissing, format!("environment `{environment}` demands an approval of this plan"));
    match case.standing(rule) {
        Standing::Approved(by) => {
            Ok(by.into_iter().map(|it| Approver { name: it.by, at: it.at, comment: it.comment }).collect())
        }
        Standing::Rejected(decision) => {
            let at = decision.at.as_ref().map(|at| format!(" at {at}")).unwrap_or_default();
            let comment = decision.comment.as_ref().map(|text| format!(": {}", visible(text))).unwrap_or_default();
            let by = visible(&decision.by);
            Err(Problem::new(
                Code::ApprovalRejected,
                format!("{app} {version} is not to be deployed to `{environment}`"),
            )
            .because(format!("`{by}` rejected this plan{at}{comment}"))
            .with_note("nothing was run")
            .with_hint(format!("talk to `{by}`, who can approve it after all; another plan is asked for anew")))
        }
        Standing::Closed(why) => Err(missing().because(why).with_note("nothing was run").with_hint(ask(case))),
        Standing::Waiting { approved, ignored } => {
            let mut problem = missing().because(counted(&approved, rule));
            for (decision, why) in ignored {
                problem = problem.because(format!("what `{}` said does not count: {why}", visible(&decision.by)));
            }
            Err(problem.with_note("nothing was run").with_hint(how(rule, case)))
        }
    }
}

/// That people have to agree to whatever is planned for an environment.
#[must_use]
pub fn demanded(rule: &Approval, environment: &str) -> Problem {
    let people = if rule.required == 1 { "1 person has".to_owned() } else { format!("{} people have", rule.required) };
    Problem::new(Code::ApprovalMissing, format!("environment `{environment}` demands an approval of each plan"))
        .because(format!("{people} to agree{}", among(rule)))
}

/// How many of those that it takes agree, and who.
#[must_use]
pub fn counted(approved: &[Decision], rule: &Approval) -> String {
    let names: Vec<String> = approved.iter().map(|decision| format!("`{}`", visible(&decision.by))).collect();
    let who = if names.is_empty() { String::new() } else { format!(": {}", enumerated(names, "and")) };
    format!("{} of {} people have approved it{}{who}", approved.len(), rule.required, among(rule))
}

/// Out of whom, where not everybody counts.
fn among(rule: &Approval) -> String {
    let Some(from) = &rule.from else { return String::new() };
    let users = from.users.iter().map(|user| format!("`{user}`"));
    let teams = from.teams.iter().map(|team| format!("the team `{team}`"));
    format!(", out of {}", enumerated(users.chain(teams), "and"))
}

/// How it is asked.
fn ask(case: &Case) -> String {
    format!("`windlass run {}` asks for it", case.request.subject.place().options())
}

/// How somebody approves what is asked.
fn how(rule: &Approval, case: &Case) -> String {
    let short = approval::short(&case.request.digest);
    let who = if rule.own { "" } else { ", by another person" };
    let comment = if rule.bind == Bind::Comment { format!(", with `{short}` in the comment") } else { String::new() };
    let options = case.request.subject.place().options();
    match case.at {
        Where::Nowhere => ask(case),
        // Otherwise nobody could.
        Where::Here if !rule.own && case.askers.is_empty() => {
            format!("say who asks: `windlass run {options} --by NAME`")
        }
        Where::Here => format!("`windlass approve {options} {short}` approves it{who}; then say this again"),
        Where::GitHub => format!(
            "let a required reviewer of the environment approve the job{who}{comment}; to ask once more, or one more \
             person, let somebody run the job again whose approval is not needed"
        ),
        Where::GitLab => format!(
            "run the job again, let somebody who is in the environment's approval rules approve its new \
             deployment{who}{comment}, and start it then"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::approval::{Request, SCHEMA};

    fn case(at: Where, askers: &[&str]) -> Case {
        let subject = Subject {
            app: "shop".into(),
            environment: "production".into(),
            component: None,
            commit: "0123456789".into(),
            reference: None,
            version: "1".into(),
            actor: None,
        };
        let (schema, digest) = (SCHEMA.into(), format!("sha256:{}", "a".repeat(64)));
        let plan = (&serde_json::json!({})).into();
        let request = Request { schema, digest, subject, at: "2026-11-28T09:00:00.000Z".into(), plan };
        let askers = askers.iter().map(|asker| (*asker).to_owned()).collect();
        Case { request, at, askers, decisions: vec![], newer: None }
    }

    #[test]
    fn what_helps_is_what_can_be_done() {
        let hint = |at: Where, askers: &[&str], own: bool| {
            let rule = Approval { required: 1, own, bind: Bind::Plan, from: None };
            approval(&rule, &case(at, askers)).unwrap_err().hint.unwrap()
        };
        let approve = "`windlass approve -e production aaaaaaaaaaaa` approves it";
        assert_eq!(hint(Where::Here, &["ada"], false), format!("{approve}, by another person; then say this again"));
        assert_eq!(hint(Where::Here, &["ada"], true), format!("{approve}; then say this again"));
        // Of whom nobody is known to be another.
        assert_eq!(hint(Where::Here, &[], false), "say who asks: `windlass run -e production --by NAME`");
        assert_eq!(hint(Where::Here, &[], true), format!("{approve}; then say this again"));
        assert_eq!(hint(Where::Nowhere, &["ada"], false), "`windlass run -e production` asks for it");
    }
}
