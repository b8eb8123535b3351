//! `reap`, and closing what a dead run left open, which the next run does too.

use super::arguments::{Common, Format};
use super::conduct::{announcement, deployed, tell};
use super::project::Project;
use super::session::GITHUB_TOKEN;
use super::{Failed, print};
use crate::config;
use crate::event::{Event, Place, RunOutcome, StepOutcome};
use crate::forge::{Forge, State};
use crate::history::{self, PastRun, PastStep};
use crate::journal::Journal;
use crate::lease;
use crate::problem::{Code, Exit, Problem};
use crate::process;
use crate::report::{self, Style};
use crate::secret::Secrets;
use serde_json::json;

/// `windlass reap`
pub(super) async fn reap(common: &Common) -> Result<(), Failed> {
    let project = Project::load(common)?;
    if let Some(name) = &common.environment {
        project.config.environment(Some(name))?;
    }
    let here = |place: &Place| {
        common.environment.as_ref().is_none_or(|name| place.environment == *name)
            && common.component.as_ref().is_none_or(|name| place.component.as_ref() == Some(name))
    };
    let token =
        Secrets::from_environment([GITHUB_TOKEN.to_owned()], |name| project.variables.get(name).map(str::to_owned));
    let mut closed = Vec::new();
    let mut problems = Vec::new();
    let mut told = true;
    for past in history::runs(&project.journals)? {
        // One that cannot be read keeps nobody from closing the others.
        let past = match past {
            Ok(past) if past.outcome.is_none() && here(&past.subject.place()) => past,
            Ok(_) => continue,
            Err(problem) => {
                problems.push(problem);
                continue;
            }
        };
        // Nothing has to be told to a forge that was never told of the run.
        let forge = if past.deployment.is_some() {
            Forge::choose(common.forge, &project.facts, token.get(GITHUB_TOKEN))?
        } else {
            Forge::Local
        };
        match close(&project, &forge, &past.run, None).await {
            Ok(Some(one)) => {
                told &= one.told;
                closed.push(one);
            }
            Ok(None) => {}
            Err(problem) => problems.push(problem),
        }
    }
    let mut freed = Vec::new();
    for place in project.leases.places().await? {
        if here(&place)
            && let Some(holder) = lease::release_dead(&*project.leases, &place).await?
        {
            freed.push((place, holder));
        }
    }
    match common.format {
        Format::Human => print(&report::reaped(
            closed.iter().map(|one| (&one.past, one.ended.as_slice())),
            &freed,
            Style::of_stdout(),
        )),
        Format::Json => {
            let runs = closed.iter().map(|one| {
                json!({
                    "run": one.past.run, "environment": one.past.subject.environment,
                    "component": one.past.subject.component,
                    "ended": one.ended.iter().map(|left| json!({ "process": left.process, "program": left.program })).collect::<Vec<_>>(),
                })
            });
            let leases = freed.iter().map(|(place, holder)| {
                json!({ "environment": place.environment, "component": place.component, "run": holder.run })
            });
            print(&format!(
                "{}\n",
                json!({
                    "schema": "windlass.reap/1", "runs": runs.collect::<Vec<_>>(), "leases": leases.collect::<Vec<_>>(),
                })
            ));
        }
    }
    if !problems.is_empty() {
        return Err(problems.into());
    }
    if told { Ok(()) } else { Err(Failed::Said(Exit::Unreported)) }
}

/// A run whose process is gone, and what was found of it.
pub(super) struct Closed {
    pub(super) past: PastRun,
    pub(super) ended: Vec<process::Leftover>,
    pub(super) told: bool,
}

impl Closed {
    /// In one line.
    pub(super) fn told(&self) -> String {
        let past = &self.past;
        let of = |outcome| past.steps.iter().filter(move |step| step.outcome == outcome).map(|step| step.id.as_str());
        let unknown: Vec<&str> = of(StepOutcome::Unknown).collect();
        let mut text = format!("run `{}` before this one was cut off", past.run);
        if !unknown.is_empty() {
            text.push_str(&format!(", and nobody knows what became of {}", config::listing(unknown, "and")));
        }
        text.push_str(&ended(&self.ended));
        text
    }
}

/// What was still at work, for the end of a sentence.
pub(super) fn ended(leftovers: &[process::Leftover]) -> String {
    if leftovers.is_empty() {
        return String::new();
    }
    let names = leftovers.iter().map(|left| format!("{} ({})", left.program, left.process));
    format!("; what was still at work for it was ended: {}", config::listing(names, "and"))
}

/// End what is still at work for a run whose process is gone, so that nothing changes while the truth is found out.
pub(super) async fn quiet(run: &str) -> Result<Vec<process::Leftover>, Problem> {
    let ended = process::end_leftovers(run).await;
    let Some(left) = process::leftovers(run).into_iter().next() else { return Ok(ended) };
    Err(Problem::new(Code::RunAlive, format!("something is still at work for run `{run}`"))
        .because(format!("process {} (`{}`) cannot be ended from here", left.process, left.program))
        .with_note("nothing else was changed")
        .with_hint("end it, as its owner or as an administrator, and try again"))
}

/// Close what a run has left open whose process is gone: nothing is at work for it any more, its journal says that it is
/// over, and the forge shows it. None where the process lives, or another one has closed it.
pub(super) async fn close(
    project: &Project,
    forge: &Forge,
    run: &str,
    by: Option<&str>,
) -> Result<Option<Closed>, Problem> {
    let (mut journal, record) = match Journal::reopen(&project.journals, run) {
        Err(problem) if problem.code == Code::RunAlive => return Ok(None),
        reopened => reopened?,
    };
    let Some(past) = history::of_record(record, run)?.filter(|past| past.outcome.is_none()) else { return Ok(None) };
    let ended = quiet(run).await?;
    let (outcome, reason) = come_to(&past);
    let finished =
        Event::RunFinished { outcome, reason: Some(reason.word().to_owned()), changed: past.changed, duration_ms: 0 };
    journal.append_all(&[Event::RunReaped { actor: project.actor(), run: by.map(str::to_owned) }, finished])?;
    let created = deployed(&past).filter(|_| forge.name() == past.forge);
    let announcement = announcement(project, None, &past.subject, &past.run, &past.plan);
    let state = if outcome == RunOutcome::Succeeded { State::Success } else { State::Error };
    let told = tell(forge, created.as_ref(), &announcement, state, "the run was cut off").await;
    Ok(Some(Closed { past, ended, told }))
}

/// What a run came to that was cut off, as far as its journal proves it, and the word for why it is over.
fn come_to(past: &PastRun) -> (RunOutcome, Code) {
    let mut steps = past.steps.iter().filter(|step| !step.finally);
    let unknown = steps.clone().any(|step| step.outcome == StepOutcome::Unknown);
    let outcome = match &past.turned {
        // Only what comes after the steps was cut off: the release is live.
        None if steps.all(PastStep::is_done) => RunOutcome::Succeeded,
        None => RunOutcome::Failed,
        Some(_) => RunOutcome::RollbackFailed,
    };
    (outcome, if unknown { Code::StepUnknown } else { Code::CutOff })
}
