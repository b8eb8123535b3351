//! Telling the pull or merge request what is planned and what came of it. Nothing that matters depends on whether that can be done.
//!
//! Plans and journals hold no secrets that were known when they were written. What has become one since is taken out here.

use super::conduct::Conduct;
use super::session::Asking;
use super::{say, status};
use crate::config::Environment;
use crate::forge::Forge;
use crate::history;
use crate::prepare::{self, Prepared};
use crate::report::comment::{Agreed, Comment, Ended, marker};
use crate::report::{self, Style};

/// Tell of what is planned.
pub(super) async fn planned(asking: &Asking<'_>, forge: &Forge, prepared: &Prepared) {
    let environment = asking.environment;
    let comment = Comment {
        plan: &prepared.plan,
        agreed: environment.approval.as_ref().map_or(Agreed::Unneeded, |rule| Agreed::Needed(rule.required)),
        ended: None,
        log_url: asking.session.project.facts.log_url.as_deref(),
        redactor: &prepared.services.redactor,
    };
    write(environment, forge, &comment).await;
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
        during_freeze: past.during_freeze.as_deref(),
        next: next.as_deref(),
    };
    let comment = Comment {
        plan: &plan,
        agreed: if past.approved { Agreed::By(&past.approvers) } else { Agreed::Unneeded },
        ended: Some(ended),
        log_url: project.facts.log_url.as_deref(),
        redactor: &conduct.redactor,
    };
    write(conduct.environment, &conduct.forge, &comment).await;
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
