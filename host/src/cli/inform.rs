//! `status`, `history`, `init`, `schema`, `explain` and `completions`: what only tells.

use super::arguments::{Arguments, Common, Completions, Explain, Format, History, Init, Schema};
use super::project::{self, Project};
use super::{Failed, print, say};
use crate::event::{Place, RunOutcome, StepOutcome};
use crate::history::{self, PastRun, Turned};
use crate::journal::Store as _;
use crate::plugin::{Plugins, built_in_names};
use crate::problem::{Code, Problem};
use crate::{config, lease};
use clap::CommandFactory;
use serde_json::json;
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
        "duration_ms": run.duration_ms, "problem": run.problem.as_ref().map(|problem| &problem.what), "steps": steps,
    })
}

/// `windlass history`
pub(super) fn history(common: &Common, arguments: &History) -> Result<(), Failed> {
    let project = Project::load(common)?;
    let wanted = |run: &PastRun| {
        common.environment.as_deref().is_none_or(|name| run.subject.environment == name)
            && common.component.as_deref().is_none_or(|name| run.subject.component.as_deref() == Some(name))
    };
    let mut runs = Vec::new();
    // One that cannot be read hides no other.
    let mut problems = Vec::new();
    for run in history::runs(&project.journals)? {
        match run {
            Ok(run) if wanted(&run) => runs.push(run),
            Ok(_) => {}
            Err(problem) => problems.push(problem),
        }
        if runs.len() == arguments.count {
            break;
        }
    }
    if common.format == Format::Json {
        print(&format!("{}\n", serde_json::Value::from(runs.iter().map(as_json).collect::<Vec<_>>())));
        return told(problems);
    }
    if runs.is_empty() && problems.is_empty() {
        say("nothing was deployed yet\n");
    }
    let mut text = String::new();
    for run in &runs {
        let took = run.duration_ms.map(|took| crate::words::span(Duration::from_millis(took))).unwrap_or_default();
        let place = match &run.subject.component {
            Some(component) => format!("{} ({component})", run.subject.environment),
            None => run.subject.environment.clone(),
        };
        let changed =
            if run.outcome == Some(RunOutcome::Succeeded) && !run.changed { " (nothing changed)" } else { "" };
        let _ = writeln!(
            text,
            "{}  {:<12} {:<10} {}  {}{changed}  {took}",
            run.run,
            place,
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
    let project = Project::load(common)?;
    let config = &project.config;
    if let Some(name) = &common.environment {
        config.environment(Some(name))?;
    }
    let mut runs = Vec::new();
    let mut problems = Vec::new();
    for run in history::runs(&project.journals)? {
        match run {
            Ok(run) => runs.push(run),
            Err(problem) => problems.push(problem),
        }
    }
    let mut components: Vec<Option<String>> = vec![None];
    components.extend(config.components().into_iter().map(|component| Some(component.as_str().to_owned())));
    let mut places = Vec::new();
    let mut text = String::new();
    for environment in &config.environments {
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
            let live = here.iter().find(|run| run.outcome == Some(RunOutcome::Succeeded));
            let holder = match lease::standing(&*project.leases, &place).await {
                Ok(lease::Standing::Held { holder, alive, .. }) if alive != Some(false) => Some(holder),
                Ok(_) => None,
                Err(problem) => {
                    problems.push(problem);
                    None
                }
            };
            let newest = here.first().copied();
            // What came after the release that is live, and is not settled, is what somebody has to know of.
            let since = || here.iter().copied().take_while(|run| run.outcome != Some(RunOutcome::Succeeded));
            let open = since().find(|run| is_open(run));
            let shown = open.or(newest);
            // One whose lease was taken away is under way until it has noticed.
            let lives = shown.is_some_and(|run| run.outcome.is_none() && project.journals.is_held(&run.run));
            let is_newest = shown.map(|run| &run.run) == newest.map(|run| &run.run);
            let next = advice(&place, shown, is_newest, holder.is_some() || lives);
            places.push(json!({
                "environment": name, "component": component, "url": environment.url,
                "live": live.map(|run| as_json(run)), "newest": newest.map(as_json), "open": open.map(as_json),
                "running": holder.is_some() || lives, "holder": holder, "next": next,
            }));
            let title = component.as_ref().map_or_else(|| name.to_owned(), |component| format!("{name} ({component})"));
            let _ = writeln!(text, "{title}");
            let _ = match live {
                Some(run) => writeln!(
                    text,
                    "  live    {} ({}) since {}{}",
                    run.subject.version,
                    crate::words::short(&run.subject.commit),
                    run.last,
                    environment.url.as_ref().map(|url| format!(" at {url}")).unwrap_or_default()
                ),
                None => writeln!(text, "  live    nothing that is known of"),
            };
            if let Some(run) = shown
                && (run.outcome != Some(RunOutcome::Succeeded) || holder.is_some())
            {
                write_run(&mut text, run, lives || holder.as_ref().is_some_and(|holder| holder.run == run.run));
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
        Format::Json => print(&format!("{}\n", serde_json::Value::from(places))),
    }
    told(problems)
}

/// Whether something about a run is not settled: it has not ended, or has left something that was not taken back, or what is
/// live again since it was taken back is not as it must be.
fn is_open(run: &PastRun) -> bool {
    matches!(run.outcome, None | Some(RunOutcome::RollbackFailed)) || run.left().next().is_some()
}

/// Whether a run ended only in that somebody else closed it, because its process was gone.
fn was_closed(run: &PastRun) -> bool {
    [Code::CutOff, Code::StepUnknown].iter().any(|code| run.reason.as_deref() == Some(code.word()))
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
    if let Some(problem) = &run.problem {
        let _ = writeln!(text, "          {}", problem.what);
    }
    if let Some(unproven) = &run.unproven {
        let _ = writeln!(text, "          what is live again is not as it must be: {}", unproven.what);
    }
    for step in &run.steps {
        let state = match step.outcome {
            StepOutcome::Unknown if under_way && step.reverting => "is being taken back",
            StepOutcome::Unknown if under_way => "is at work",
            StepOutcome::Unknown if step.reverting => "taking it back was cut off",
            StepOutcome::Unknown => "it was cut off, and nobody knows how far it came",
            StepOutcome::RevertFailed => "could not be taken back",
            StepOutcome::Cancelled => "cancelled",
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
pub(super) fn advice(place: &Place, run: Option<&PastRun>, is_newest: bool, held: bool) -> String {
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
            let kept = run.steps.iter().filter(|step| step.kept).map(|step| format!("`{}`", step.id));
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
            format!("a person has to look: what is live again does not pass its checks; {rollback} makes them again")
        }
        // What came after it would be in the way of going on.
        _ if !is_newest => format!("a later run came after it; {rollback} takes back what it left"),
        _ if !left && !run.can_go_on() => format!("mend what failed and {again}"),
        Some(RunOutcome::Failed) if !left && run.reason.as_deref() != Some(Code::CutOff.word()) => {
            format!("mend what failed and {again}, or go on with {resume}")
        }
        _ if left => format!("{resume} goes on with it, {rollback} takes back what it did"),
        _ => format!("{resume} goes on with it, {again} begins again"),
    }
}

/// `windlass init`
pub(super) fn init(common: &Common, arguments: &Init) -> Result<(), Failed> {
    let path = &common.config;
    let directory = std::path::absolute(project::directory(path)).unwrap_or_default();
    let name = directory.file_name().map(|name| name.to_string_lossy().into_owned());
    let app = arguments.app.clone().or(name).unwrap_or_else(|| "app".into());
    let refused = |error: std::io::Error| {
        let exists = error.kind() == std::io::ErrorKind::AlreadyExists;
        let cause = if exists { "there is one already, and it stays as it is".to_owned() } else { error.to_string() };
        Problem::new(Code::Usage, format!("`{}` cannot be written", path.display()))
            .because(cause)
            .with_note("nothing was changed")
            .with_hint("name another file with `--config FILE`")
    };
    let mut file = std::fs::File::create_new(path).map_err(refused)?;
    std::io::Write::write_all(&mut file, config::template(&app).as_bytes()).map_err(refused)?;
    say(&format!(
        "wrote {}\nnext: edit it, then `windlass lock`, and `windlass plan`; keep `.windlass/` out of version control\n",
        path.display()
    ));
    Ok(())
}

/// `windlass schema`
pub(super) async fn schema(arguments: &Schema) -> Result<(), Failed> {
    let schema = match &arguments.plugin {
        None => config::json_schema(),
        Some(name) => {
            let plugins = Plugins::default();
            let plugin = if built_in_names().contains(&name.as_str()) || !name.contains(['/', '.']) {
                plugins.load_built_in(name).await?
            } else {
                plugins.load_file(name, std::path::Path::new(""), |_| Ok(())).await?
            };
            plugin.schema().clone()
        }
    };
    print(&format!("{}\n", serde_json::to_string_pretty(&schema).unwrap_or_default()));
    Ok(())
}

/// `windlass explain`
pub(super) fn explain(arguments: &Explain) -> Result<(), Failed> {
    let describe = |code: &Code| format!("{} (exit {})\n  {}\n", code.word(), code.exit() as u8, code.explanation());
    let Some(asked) = &arguments.code else {
        print(&Code::ALL.iter().map(describe).collect::<Vec<_>>().join("\n"));
        return Ok(());
    };
    let found: Vec<String> = Code::ALL
        .iter()
        .filter(|code| code.word() == asked || asked.parse() == Ok(code.exit() as u8))
        .map(describe)
        .collect();
    if !found.is_empty() {
        print(&found.join("\n"));
        return Ok(());
    }
    if let Some((_, text)) = EXITS.iter().find(|(exit, _)| *exit == asked) {
        print(&format!("exit {asked}\n  {text}\n"));
        return Ok(());
    }
    let problem = Problem::new(Code::Usage, format!("there is no code `{asked}`"));
    Err(match config::nearest(asked, Code::ALL.iter().map(|code| code.word())) {
        Some(near) => problem.with_hint(format!("did you mean `{near}`?")),
        None => problem.with_hint("`windlass explain` lists them all"),
    }
    .into())
}

/// Exit codes that no problem has, because a run ends with them that had another one.
const EXITS: &[(&str, &str)] = &[
    ("0", "Succeeded; also when a step with `on_failure = \"continue\"` failed: the result says so."),
    (
        "10",
        "The run failed, and everything that it had done was taken back, but for what its plan said cannot be: the end of the run names that.",
    ),
];

/// `windlass completions`
pub(super) fn completions(arguments: &Completions) -> Result<(), Failed> {
    let mut bytes = Vec::new();
    clap_complete::generate(arguments.shell, &mut Arguments::command(), "windlass", &mut bytes);
    print(&String::from_utf8_lossy(&bytes));
    Ok(())
}
