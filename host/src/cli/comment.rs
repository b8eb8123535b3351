//! Telling the pull or merge request what is planned and what came of it. Nothing that matters depends on whether that can be done.
//!
//! Plans and journals hold no secrets: what is written here has none either.

use super::conduct::Conduct;
use super::{say, status};
use crate::config::Environment;
use crate::forge::Forge;
use crate::plan::Plan;
use crate::report::comment::{Agreed, Comment, Ended, marker};
use crate::report::{self, Style};
use crate::{history, prepare};

/// Tell of what is planned.
pub(super) async fn planned(environment: &Environment, forge: &Forge, plan: &Plan, log_url: Option<&str>) {
    let agreed = environment.approval.as_ref().map_or(Agreed::Unneeded, |rule| Agreed::Needed(rule.required));
    write(environment, forge, &Comment { plan, agreed, ended: None, log_url }).await;
}

/// Tell of what came of a run, from its journal.
pub(super) async fn ended(conduct: &Conduct<'_>, run: &str) {
    if !conduct.environment.comment {
        return;
    }
    let project = conduct.project;
    let past = history::find(&project.journals, run);
    let Ok((past, plan)) = past.and_then(|past| prepare::plan_of(&past).map(|plan| (past, plan))) else { return };
    let Some(outcome) = past.outcome else { return };
    let next = status::next(project, &past.subject.place()).ok().filter(|next| next != "nothing");
    let ended = Ended {
        run,
        outcome,
        changed: past.changed,
        asked: matches!(past.turned, Some(history::Turned::Asked { .. })),
        problem: past.problem.as_ref().map(|problem| problem.what.as_str()),
        next: next.as_deref(),
    };
    let agreed = if past.approved { Agreed::By(&past.approvers) } else { Agreed::Unneeded };
    let log_url = project.facts.log_url.as_deref();
    write(conduct.environment, &conduct.forge, &Comment { plan: &plan, agreed, ended: Some(ended), log_url }).await;
}

async fn write(environment: &Environment, forge: &Forge, comment: &Comment<'_>) {
    if !environment.comment {
        return;
    }
    let plan = comment.plan;
    if let Err(problem) = forge.comment(&plan.commit, &marker(&plan.place()), &comment.text()).await {
        let told = report::problem(&problem, Style::of_stderr());
        say(&format!("\n{}", told.replacen("error:", "warning:", 1)));
    }
}
