//! `status`, `history`, `init`, `schema`, `explain` and `completions`: what only tells.

use super::arguments::{Arguments, Common, Completions, Explain, Format, History, Init, Schema};
use super::project::{self, Project};
use super::{Failed, print, say};
use crate::event::{RunOutcome, StepOutcome};
use crate::history::{self, PastRun};
use crate::plugin::{Plugins, built_in_names};
use crate::problem::{Code, Problem};
use crate::{config, gate};
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
    let steps: Vec<_> =
        run.steps.iter().map(|(id, plugin, outcome)| json!({"id": id, "plugin": plugin, "outcome": outcome})).collect();
    json!({
        "run": run.run, "app": run.subject.app, "environment": run.subject.environment, "component": run.subject.component,
        "commit": run.subject.commit, "version": run.subject.version, "actor": run.subject.actor, "plan": run.plan,
        "started": run.started, "last": run.last, "outcome": run.outcome, "reason": run.reason, "changed": run.changed,
        "duration_ms": run.duration_ms, "problem": run.problem, "steps": steps,
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
    for run in history::runs(&project.directory)? {
        let run = run?;
        if wanted(&run) {
            runs.push(run);
        }
        if runs.len() == arguments.count {
            break;
        }
    }
    if common.format == Format::Json {
        print(&format!("{}\n", serde_json::Value::from(runs.iter().map(as_json).collect::<Vec<_>>())));
        return Ok(());
    }
    if runs.is_empty() {
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
    Ok(())
}

/// `windlass status`
pub(super) fn status(common: &Common) -> Result<(), Failed> {
    let project = Project::load(common)?;
    let config = &project.config;
    if let Some(name) = &common.environment {
        config.environment(Some(name))?;
    }
    let mut runs = Vec::new();
    for run in history::runs(&project.directory)? {
        runs.push(run?);
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
            let here: Vec<&PastRun> = runs
                .iter()
                .filter(|run| history::same_place(&run.subject, config.app.as_str(), name, component.as_deref()))
                .collect();
            // A component that was never deployed here is no news; neither is the whole where only components are.
            if here.is_empty() && (component.is_some() || components.len() > 1) {
                continue;
            }
            let live = here.iter().find(|run| run.outcome == Some(RunOutcome::Succeeded));
            let held = gate::is_held(&project.directory, config.app.as_str(), name, component.as_deref());
            let next = advice(name, here.first().copied(), held);
            places.push(json!({
                "environment": name, "component": component, "url": environment.url,
                "live": live.map(|run| as_json(run)), "newest": here.first().map(|run| as_json(run)), "running": held, "next": next,
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
            if let Some(run) = here.first()
                && (run.outcome != Some(RunOutcome::Succeeded) || held)
            {
                let state = if held && run.outcome.is_none() { "running" } else { word(run.outcome) };
                let _ = writeln!(text, "  newest  {} {state}, {} since {}", run.run, run.subject.version, run.started);
                if let Some(problem) = &run.problem {
                    let _ = writeln!(text, "          {problem}");
                }
                for (id, _, outcome) in &run.steps {
                    if matches!(outcome, StepOutcome::Unknown | StepOutcome::RevertFailed | StepOutcome::Cancelled) {
                        let _ =
                            writeln!(text, "          step `{id}`: {}", json!(outcome).as_str().unwrap_or_default());
                    }
                }
            }
            let _ = writeln!(text, "  next    {next}");
        }
    }
    match common.format {
        Format::Human => print(&text),
        Format::Json => print(&format!("{}\n", serde_json::Value::from(places))),
    }
    Ok(())
}

/// Whether a cancelled run says that there is nothing to clean up.
fn left_nothing(run: &PastRun) -> bool {
    run.reason.as_deref() == Some(Code::Cancelled.word())
}

/// What a person should do now.
fn advice(environment: &str, newest: Option<&PastRun>, held: bool) -> String {
    match newest.map(|run| run.outcome) {
        _ if held => "wait for the run to end".into(),
        None => format!("`windlass run -e {environment}` deploys for the first time"),
        Some(Some(RunOutcome::Succeeded)) => "nothing".into(),
        Some(Some(RunOutcome::RolledBack | RunOutcome::Blocked)) => {
            format!("mend what failed and `windlass run -e {environment}`; it is as it was before")
        }
        Some(Some(RunOutcome::Failed)) => format!("mend what failed and `windlass run -e {environment}`"),
        Some(Some(RunOutcome::RollbackFailed)) => "a person has to look: not everything could be taken back".into(),
        Some(Some(RunOutcome::Cancelled)) if newest.is_some_and(left_nothing) => {
            format!("`windlass run -e {environment}` when you are ready; the cancelled run left nothing behind")
        }
        Some(Some(RunOutcome::Cancelled)) => {
            format!("look at what the cancelled run left, and `windlass run -e {environment}`")
        }
        Some(None) => "the run was cut off: look at the steps that are unknown before you deploy again".into(),
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
    ("10", "The run failed, and everything that it had done was taken back. What was live before is live."),
];

/// `windlass completions`
pub(super) fn completions(arguments: &Completions) -> Result<(), Failed> {
    let mut bytes = Vec::new();
    clap_complete::generate(arguments.shell, &mut Arguments::command(), "windlass", &mut bytes);
    print(&String::from_utf8_lossy(&bytes));
    Ok(())
}
