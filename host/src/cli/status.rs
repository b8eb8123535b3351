//! `status` and `history`: how things stand, what happened, and what a person should do now.

use super::arguments::{Common, Format, History};
use super::keeping::Wanted;
use super::project::Project;
use super::{Failed, print, print_json, say};
use crate::event::{Place, RunOutcome, StepOutcome};
use crate::history::{self, Back, PastRun, Turned};
use crate::journal::Store as _;
use crate::policy::visible;
use crate::problem::{Code, Problem};
use crate::report::story::{Standing, Suggestion};
use crate::{config, lease, prepare};
use serde_json::json;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

fn word(outcome: Option<RunOutcome>) -> &'static str {
    match outcome {
        None => "not ended",
        Some(RunOutcome::Succeeded) => "succeeded",
        Some(RunOutcome::Failed) => "failed",
        Some(RunOutcome::RolledBack) => "rolled-back",
        Some(RunOutcome::RollbackFailed) => "rollback-failed",
        Some(RunOutcome::Cancelled) => "cancelled",
        Some(RunOutcome::Blocked) => "blocked",
    }
}

fn as_json(run: &PastRun) -> serde_json::Value {
    let steps: Vec<_> = run
        .steps
        .iter()
        .map(|step| json!({"id": step.id, "plugin": step.plugin, "outcome": step.outcome, "attempts": step.attempts}))
        .collect();
    json!({
        "run": run.run, "app": run.subject.app, "environment": run.subject.environment, "component": run.subject.component,
        "commit": run.subject.commit, "version": run.subject.version, "actor": run.subject.actor, "plan": run.plan,
        "started": run.started, "last": run.last, "outcome": run.outcome, "reason": run.reason, "changed": run.changed,
        "duration_ms": run.duration_ms, "during_freeze": run.during_freeze, "problem": run.problem.as_ref().map(|problem| &problem.what), "steps": steps,
    })
}

/// `windlass history`
pub(super) async fn history(common: &Common, arguments: &History) -> Result<(), Failed> {
    let project = Project::load(common)?;
    if let Some(name) = &common.environment {
        project.config.environment(Some(name))?;
    }
    project.fetch_all(common, Wanted::Newest(arguments.count)).await;
    let mut runs = Vec::new();
    // One that cannot be read hides no other.
    let mut problems = Vec::new();
    for run in history::runs(&project.journals)? {
        match run {
            Ok(run) if common.covers(&run.subject.place()) => runs.push(run),
            Ok(_) => {}
            Err(problem) => problems.push(problem),
        }
        if runs.len() == arguments.count {
            break;
        }
    }
    problems.extend(project.keeping.all_apart(|place| common.covers(place))?);
    if common.format == Format::Json {
        print_json(&serde_json::Value::from(runs.iter().map(as_json).collect::<Vec<_>>()));
        return told(problems);
    }
    if runs.is_empty() && problems.is_empty() {
        say("nothing was deployed yet\n");
    }
    let mut text = String::new();
    for run in &runs {
        let took = run.duration_ms.map(|took| crate::words::span(Duration::from_millis(took))).unwrap_or_default();
        let changed =
            if run.outcome == Some(RunOutcome::Succeeded) && !run.changed { " (nothing changed)" } else { "" };
        let frozen =
            run.during_freeze.as_ref().map(|reason| format!("  in a freeze: {}", visible(reason))).unwrap_or_default();
        let _ = writeln!(
            text,
            "{}  {:<12} {:<10} {}  {}{changed}  {took}{frozen}",
            run.run,
            run.subject.place().title(),
            run.subject.version,
            crate::words::short(&run.subject.commit),
            word(run.outcome)
        );
    }
    print(&text);
    told(problems)
}

/// What could not be looked at, once the rest is shown.
fn told(problems: Vec<Problem>) -> Result<(), Failed> {
    if problems.is_empty() { Ok(()) } else { Err(problems.into()) }
}

/// `windlass status`
pub(super) async fn status(common: &Common) -> Result<(), Failed> {
    let mut project = Project::load(common)?;
    project.fetch_all(common, Wanted::State).await;
    let Known { runs, damaged, mut problems } = Known::of(&project)?;
    problems.extend(project.keeping.all_apart(|place| common.covers(place))?);
    // Of those that come and go there are the ones that something was deployed to.
    runs.iter().for_each(|run| project.config.instantiate(&run.subject.environment));
    let config = &project.config;
    if let Some(name) = &common.environment {
        config.environment(Some(name))?;
    }
    let mut components: Vec<Option<String>> = vec![None];
    components.extend(config.components().into_iter().map(|component| Some(component.as_str().to_owned())));
    let mut places = Vec::new();
    let mut text = String::new();
    for environment in config.environments.iter().filter(|environment| environment.pattern.is_none()) {
        let name = environment.name.as_str();
        if common.environment.as_deref().is_some_and(|wanted| wanted != name) {
            continue;
        }
        for component in &components {
            if common.component.is_some() && component != &common.component {
                continue;
            }
            let place = Place {
                app: config.app.as_str().to_owned(),
                environment: name.to_owned(),
                component: component.clone(),
            };
            let here: Vec<&PastRun> = runs.iter().filter(|run| run.subject.place() == place).collect();
            // A component that was never deployed here is no news; neither is the whole where only components are.
            if here.is_empty() && (component.is_some() || components.len() > 1) {
                continue;
            }
            let holder = match lease::standing(&*project.leases, &place).await {
                Ok(lease::Standing::Held { holder, alive, .. }) if alive != Some(false) => Some(holder),
                Ok(_) => None,
                Err(problem) => {
                    problems.push(problem);
                    None
                }
            };
            let Look { live, newest, open, shown, beside, unread, lives, next } =
                look(&project, &place, &here, &damaged, holder.as_ref());
            places.push(json!({
                "environment": name, "component": component, "url": environment.url,
                "live": live.map(as_json), "newest": newest.map(as_json), "open": open.map(as_json),
                "beside": beside.iter().copied().map(as_json).collect::<Vec<_>>(),
                "running": holder.is_some() || lives, "holder": holder, "next": next,
            }));
            let _ = writeln!(text, "{}", place.title());
            let _ = match live {
                Some(run) => writeln!(
                    text,
                    "  live    {} ({}) since {}{}",
                    run.subject.version,
                    crate::words::short(&run.subject.commit),
                    run.last,
                    environment.url.as_ref().map(|url| format!(" at {url}")).unwrap_or_default()
                ),
                None if unread => writeln!(text, "  live    not known: a later journal cannot be read"),
                None => writeln!(text, "  live    nothing that is known of"),
            };
            if let Some(run) = live {
                write_freeze(&mut text, run);
                if open.is_some_and(|open| open.left().next().is_some()) {
                    let _ = writeln!(text, "          but what a later run did is still there");
                }
            }
            // What is not settled, and what came after it.
            let after = newest.filter(|newest| shown.is_some_and(|shown| shown.run != newest.run));
            for run in shown.into_iter().chain(after) {
                if run.outcome != Some(RunOutcome::Succeeded) || holder.is_some() {
                    let is_shown = shown.is_some_and(|shown| shown.run == run.run);
                    let held = holder.as_ref().is_some_and(|holder| holder.run == run.run);
                    write_run(&mut text, run, held || (is_shown && lives));
                }
            }
            for run in beside {
                write_run(&mut text, run, run.outcome.is_none());
            }
            if let Some(holder) = &holder {
                let _ = writeln!(
                    text,
                    "  lease   held by run {} since {}, for {}, process {} on {}",
                    holder.run, holder.taken, holder.actor, holder.process, holder.machine
                );
            }
            let _ = writeln!(text, "  next    {next}");
        }
    }
    match common.format {
        Format::Human => print(&text),
        Format::Json => print_json(&serde_json::Value::from(places)),
    }
    told(problems)
}

/// What the journals of a project say, as far as they can be read.
struct Known {
    /// Newest first.
    runs: Vec<PastRun>,
    /// The names of those that cannot be read, oldest first.
    damaged: Vec<String>,
    /// Why not.
    problems: Vec<Problem>,
}

impl Known {
    fn of(project: &Project) -> Result<Self, Problem> {
        Ok(Self::read(project, history::names(&project.journals)?))
    }

    /// What those of one place say: of the others no more than their first lines are read.
    fn of_place(project: &Project, place: &Place) -> Result<Self, Problem> {
        Ok(Self::read(project, history::names_in(&project.journals, place)?))
    }

    fn read(project: &Project, names: impl IntoIterator<Item = String>) -> Self {
        let mut known = Self { runs: Vec::new(), damaged: Vec::new(), problems: Vec::new() };
        for name in names {
            match history::replay(&project.journals, &name) {
                Ok(run) => known.runs.extend(run),
                Err(problem) => {
                    known.problems.push(problem);
                    known.damaged.push(name);
                }
            }
        }
        known.damaged.reverse();
        known
    }
}

/// How things stand in one place.
struct Look<'a> {
    /// The run whose release is live.
    live: Option<&'a PastRun>,
    newest: Option<&'a PastRun>,
    /// The run that is not settled.
    open: Option<&'a PastRun>,
    /// The run that somebody has to know of.
    shown: Option<&'a PastRun>,
    /// Runs that lost their lease and were, or are, at work beside the release that is live.
    beside: Vec<&'a PastRun>,
    /// Whether there is a journal that cannot be read and may say what is live.
    unread: bool,
    /// Whether the run that is shown is under way.
    lives: bool,
    /// What to do next.
    next: String,
}

/// Look at the runs of a place, newest first; `damaged` are the names of those of any place whose journals cannot be read,
/// oldest first.
fn look<'a>(
    project: &Project,
    place: &Place,
    here: &[&'a PastRun],
    damaged: &[String],
    holder: Option<&lease::Holder>,
) -> Look<'a> {
    let live = here.iter().copied().find(|run| run.outcome == Some(RunOutcome::Succeeded));
    // What cannot be read may be the release that is live, unless a later one is.
    let unread = damaged.iter().rev().find(|run| live.is_none_or(|live| live.run < **run));
    let newest = here.first().copied();
    let is_at_work = |run: &PastRun| run.outcome.is_none() && project.journals.is_held(&run.run);
    let lost = |run: &PastRun| run.reason.as_deref() == Some(Code::LeaseLost.word());
    let is_beside = |run: &&PastRun| {
        let earlier = live.is_some_and(|live| run.run < live.run);
        let later_effect = live.is_some_and(|live| lost(run) && run.last > live.started);
        earlier && (later_effect || is_at_work(run))
    };
    let beside: Vec<&PastRun> = here.iter().copied().filter(is_beside).collect();
    // What came after the release that is live, and is not settled, is what somebody has to know of.
    let since = || here.iter().copied().take_while(|run| run.outcome != Some(RunOutcome::Succeeded));
    // What is wrong with a journal is said already.
    let short = history::falls_short(&project.journals, place).ok().flatten().is_some();
    let open = since().find(|run| is_open(run)).or(newest.filter(|_| short));
    let shown = open.or(newest);
    // One whose lease was taken away is under way until it has noticed.
    let lives = shown.is_some_and(is_at_work);
    let is_newest = shown.map(|run| &run.run) == newest.map(|run| &run.run);
    let options = place.options();
    let is_settled = shown.is_none_or(|run| run.outcome == Some(RunOutcome::RolledBack));
    let next = match (unread, beside.first()) {
        (Some(run), _) => {
            format!("restore the journal of run {run}, which came later: until then it is not known what is live")
        }
        (None, Some(run)) if run.outcome.is_none() => {
            format!("wait for run {}: its lease was taken away, and it is still at what it had begun", run.run)
        }
        (None, Some(run)) => format!(
            "a person has to look: run {} lost its lease, and had its last effect after what is live began; `windlass run {options} --force` deploys again",
            run.run
        ),
        (None, None) if short && is_settled && holder.is_none() => {
            format!("not all was taken back that was to be: `windlass rollback {options}` goes on with that")
        }
        (None, None) => advice(place, shown, is_newest, holder.is_some() || lives),
    };
    let unread = unread.is_some();
    Look { live: live.filter(|live| !unread && !live.stopped), newest, open, shown, beside, unread, lives, next }
}

/// What to do next in a place where a run has just ended.
pub(super) fn next(project: &Project, place: &Place) -> Result<String, Problem> {
    let Known { runs, damaged, .. } = Known::of_place(project, place)?;
    let here: Vec<&PastRun> = runs.iter().filter(|run| run.subject.place() == *place).collect();
    Ok(look(project, place, &here, &damaged, None).next)
}

/// How a run stands now, and what works for it. `holder` is who deploys there at this moment.
pub(super) fn standing(project: &Project, past: &PastRun, holder: Option<&lease::Holder>) -> Result<Standing, Problem> {
    let place = past.subject.place();
    let Known { runs, damaged, .. } = Known::of_place(project, &place)?;
    let here: Vec<&PastRun> = runs.iter().filter(|run| run.subject.place() == place).collect();
    let Look { live, next, .. } = look(project, &place, &here, &damaged, holder);
    let is_at_work = past.outcome.is_none() && project.journals.is_held(&past.run);
    Ok(Standing {
        live: live.is_some_and(|live| live.run == past.run),
        live_now: live.filter(|live| live.run != past.run).map(|live| {
            let subject = &live.subject;
            format!("{} at {}", subject.version, crate::words::short(&subject.commit))
        }),
        under_way: is_at_work || holder.is_some_and(|holder| holder.run == past.run),
        next: Some(next).filter(|next| next != "nothing"),
        // Whoever is at work there is in the way of either.
        commands: if holder.is_some() || is_at_work { vec![] } else { suggestions(project, past) },
    })
}

/// The commands that go on with a run, or take it back: those that would not refuse.
fn suggestions(project: &Project, past: &PastRun) -> Vec<Suggestion> {
    let journals = &project.journals;
    if project.keeping.must_agree(past).is_err() {
        return vec![];
    }
    let mut suggestions = Vec::new();
    if past.planned.is_some() && history::may_go_on(journals, past).is_ok() {
        let does = if past.turned.is_some() { "goes on taking it back" } else { "goes on with it" };
        suggestions.push(Suggestion { command: format!("windlass resume {}", past.run), does: does.into() });
    }
    let place = past.subject.place();
    let back = history::to_take_back(journals, &place, None).ok();
    // A person has to look first, where another machine may have done more than is known here.
    let is_open = |run: &PastRun| journals.was_fetched(&run.run) && prepare::open_end(run).is_some();
    let works = |back: &Back| back.runs.iter().any(|run| run.run == past.run) && !back.runs.iter().any(is_open);
    if let Some(Back { runs, to }) = back.filter(works) {
        let keep: BTreeSet<String> = runs.iter().flat_map(prepare::lasting).collect();
        let kept: String = keep.iter().map(|step| format!(" --keep {step}")).collect();
        let what = match runs.len() {
            1 => "takes back what it did".to_owned(),
            count => format!("takes back what it and {} more did", count - 1),
        };
        let but = match keep.len() {
            0 => String::new(),
            _ => format!(", but for {}, which cannot be", config::listing(&keep, "and")),
        };
        let then = match to {
            Some(to) => {
                format!(", so that {} ({}) is live again", to.subject.version, crate::words::short(&to.subject.commit))
            }
            None => "; no release from before is known".to_owned(),
        };
        suggestions.push(Suggestion {
            command: format!("windlass rollback {}{kept}", place.options()),
            does: format!("{what}{but}{then}"),
        });
    }
    suggestions
}

/// Whether something about a run is not settled: it has not ended, or has left something that was not taken back, or what is
/// live again since it was taken back is not proven to work.
fn is_open(run: &PastRun) -> bool {
    matches!(run.outcome, None | Some(RunOutcome::RollbackFailed)) || run.left().next().is_some()
}

/// Whether a run ended only in that somebody else closed it, because its process was gone.
fn was_closed(run: &PastRun) -> bool {
    [Code::CutOff, Code::StepUnknown].iter().any(|code| run.reason.as_deref() == Some(code.word()))
}

/// That deployments were frozen when it was made, and why it was made all the same.
fn write_freeze(text: &mut String, run: &PastRun) {
    if let Some(reason) = &run.during_freeze {
        let _ = writeln!(text, "          made in a freeze: {}", visible(reason));
    }
}

/// A run, and those of its steps that somebody has to know of.
fn write_run(text: &mut String, run: &PastRun, under_way: bool) {
    let state = match run.outcome {
        None if under_way && run.turned.is_some() => "is being taken back",
        None if under_way => "is under way",
        None => "was cut off",
        // Closed since then, it is what it was.
        Some(RunOutcome::Failed | RunOutcome::RollbackFailed) if was_closed(run) => "was cut off",
        outcome => word(outcome),
    };
    let _ = writeln!(text, "  run     {} {state}, {} since {}", run.run, run.subject.version, run.started);
    if run.outcome.is_none() {
        let _ = writeln!(text, "          it was heard of last at {}", run.last);
    }
    write_freeze(text, run);
    if let Some(problem) = &run.problem {
        let _ = writeln!(text, "          {}", problem.what);
    }
    if let Some(unproven) = &run.unproven {
        let _ = writeln!(text, "          it is not proven that what is live again works: {}", unproven.what);
    }
    let stands = run.outcome == Some(RunOutcome::RollbackFailed);
    for step in &run.steps {
        let state = match step.outcome {
            StepOutcome::Unknown if under_way && step.reverting => "is being taken back",
            StepOutcome::Unknown if under_way => "is at work",
            StepOutcome::Unknown if step.reverting => "taking it back was cut off",
            StepOutcome::Unknown => "it was cut off, and nobody knows how far it came",
            StepOutcome::RevertFailed => "could not be taken back",
            StepOutcome::Cancelled => "cancelled",
            // Beside one that could not be taken back.
            StepOutcome::Succeeded if stands && step.is_left() => "is still there",
            _ => continue,
        };
        let _ = writeln!(text, "          step `{}`: {state}", step.id);
        if let Some(trouble) = step.trouble.as_ref().filter(|_| step.outcome == StepOutcome::RevertFailed) {
            let _ = writeln!(text, "          {}", trouble.what);
        }
    }
}

/// Whether a cancelled run says that there is nothing to clean up.
fn left_nothing(run: &PastRun) -> bool {
    run.reason.as_deref() == Some(Code::Cancelled.word())
}

/// What a person should do now.
fn advice(place: &Place, run: Option<&PastRun>, is_newest: bool, held: bool) -> String {
    let options = place.options();
    let Some(run) = run else {
        return if held {
            "wait for the run to end".into()
        } else {
            format!("`windlass run {options}` deploys for the first time")
        };
    };
    if held {
        return "wait for the run to end".into();
    }
    let again = format!("`windlass run {options}`");
    let (resume, rollback) = (format!("`windlass resume {}`", run.run), format!("`windlass rollback {options}`"));
    let left = run.left().next().is_some();
    match run.outcome {
        // Nobody goes on with it, also not with taking it back: there is nothing to go by.
        _ if run.planned.is_none() && run.is_cut_off() => {
            format!("{again} begins again: the run was cut off before it did anything")
        }
        _ if is_newest && run.is_half_taken_back() => format!("{resume} goes on taking it back"),
        _ if run.is_half_taken_back() => format!("taking it back was cut off: {rollback} goes on with that"),
        Some(RunOutcome::Succeeded) => "nothing".into(),
        Some(RunOutcome::RolledBack) if run.steps.iter().any(|step| step.kept) => {
            let kept = run.steps.iter().filter(|step| step.kept).map(|step| &step.id);
            format!("{again} when you are ready; it is as it was before, but for {}", config::listing(kept, "and"))
        }
        Some(RunOutcome::RolledBack) if matches!(run.turned, Some(Turned::Asked { .. })) => {
            format!("{again} when you are ready; it is as it was before")
        }
        Some(RunOutcome::RolledBack | RunOutcome::Blocked) => {
            format!("mend what failed and {again}; it is as it was before")
        }
        Some(RunOutcome::Cancelled) if left_nothing(run) => {
            format!("{again} when you are ready; the cancelled run left nothing behind")
        }
        Some(RunOutcome::RollbackFailed) if left => {
            format!("a person has to look: not everything could be taken back; {rollback} tries the rest again")
        }
        Some(RunOutcome::RollbackFailed) => {
            format!(
                "a person has to look: it is not proven that what is live again works; {rollback} makes its checks again"
            )
        }
        // What came after it would be in the way of going on.
        _ if !is_newest && left => format!(
            "what run {} ({}) did before it ended is still there: {rollback} takes it back",
            run.run, run.subject.version
        ),
        _ if !left && !run.can_go_on() => format!("mend what failed and {again}"),
        Some(RunOutcome::Failed) if !left && run.reason.as_deref() != Some(Code::CutOff.word()) => {
            format!("mend what failed and {again}, or go on with {resume}")
        }
        _ if left => format!("{resume} goes on with it, {rollback} takes back what it did"),
        _ => format!("{resume} goes on with it, {again} begins again"),
    }
}
