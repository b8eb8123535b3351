//! Whether a run may begin: the order of environments, freezes, and approval. That nobody else deploys the same thing is
//! [`crate::lease`]'s.

mod freeze;
mod order;

pub use freeze::Freezes;
pub use order::{Before, Whereabouts};

use crate::approval::{self, Case, Standing, Where};
use crate::config::{Approval, Bind};
use crate::event::{Approver, Subject};
use crate::policy::visible;
use crate::problem::{Code, Problem};

/// That a plan may be run as far as people are concerned. `case` is what was asked, and what was said to it.
///
/// # Errors
/// [`Code::ApprovalMissing`] with who has agreed and what does not count, [`Code::ApprovalRejected`].
pub fn approval(rule: &Approval, case: &Case) -> Result<Vec<Approver>, Problem> {
    let Subject { app, environment, version, .. } = &case.request.subject;
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
        Standing::Waiting { approved, ignored } => {
            let mut problem = Problem::new(
                Code::ApprovalMissing,
                format!("environment `{environment}` demands an approval of this plan"),
            )
            .because(format!("{} of {} people have approved it", approved.len(), rule.required));
            for (decision, why) in ignored {
                problem = problem.because(format!("what `{}` said does not count: {why}", visible(&decision.by)));
            }
            Err(problem.with_note("nothing was run").with_hint(how(rule, case)))
        }
    }
}

/// How somebody approves what is asked.
fn how(rule: &Approval, case: &Case) -> String {
    let short = approval::short(&case.request.digest);
    let who = if rule.own { "" } else { ", by another person" };
    let comment = if rule.bind == Bind::Comment { format!(", with `{short}` in the comment") } else { String::new() };
    match case.at {
        Where::Here => {
            let options = case.request.subject.place().options();
            format!("`windlass approve {options} {short}` approves it{who}; then say this again")
        }
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
