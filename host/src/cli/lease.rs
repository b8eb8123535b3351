//! `lease status` and `lease release`.

use super::arguments::{Common, Format, Lease as Command, Release};
use super::project::Project;
use super::{Failed, print, print_json, say};
use crate::event::Place;
use crate::lease::{self, Holder, Released, Standing};
use crate::problem::{Code, Problem};
use serde_json::json;
use std::fmt::Write as _;

/// `windlass lease`
pub(super) async fn lease(common: &Common, command: &Command) -> Result<(), Failed> {
    let project = Project::load(common)?;
    match command {
        Command::Status => status(common, &project).await,
        Command::Release(arguments) => release(common, &project, arguments).await,
    }
}

async fn status(common: &Common, project: &Project) -> Result<(), Failed> {
    if let Some(name) = &common.environment {
        project.config.environment(Some(name))?;
    }
    let mut text = String::new();
    let mut places = Vec::new();
    let mut problems: Vec<Problem> = Vec::new();
    for place in project.leases.places().await? {
        if !common.covers(&place) {
            continue;
        }
        let standing = match lease::standing(&*project.leases, &place).await {
            Ok(standing) => standing,
            // One that cannot be read hides no other.
            Err(problem) => {
                problems.push(problem.with_note("what else there is is shown above; nothing was changed"));
                continue;
            }
        };
        let _ = writeln!(text, "{}", place.title());
        places.push(describe(&mut text, &place, &standing));
    }
    match common.format {
        Format::Json => print_json(&serde_json::Value::from(places)),
        Format::Human if text.is_empty() && problems.is_empty() => say("no lease was ever taken here\n"),
        Format::Human => print(&text),
    }
    if problems.is_empty() { Ok(()) } else { Err(problems.into()) }
}

/// One place, for a person and for a program.
fn describe(text: &mut String, place: &Place, standing: &Standing) -> serde_json::Value {
    let mut value = json!({ "environment": place.environment, "component": place.component });
    match standing {
        Standing::Free { number, released } => {
            let times = if *number == 1 { "once".to_owned() } else { format!("{number} times") };
            let _ = writeln!(text, "  free    it was taken {times}");
            if let Some(Released { run, by, actor, at, .. }) = released {
                let whose = run.as_ref().map_or_else(String::new, |run| format!(" from run {run}"));
                let who = actor.as_ref().map_or_else(String::new, |actor| format!(" for {actor}"));
                let _ = writeln!(text, "  broken  {at}{whose}{who}: {}", json!(by).as_str().unwrap_or_default());
            }
            value["number"] = json!(number);
            value["holder"] = serde_json::Value::Null;
            value["released"] = json!(released);
        }
        Standing::Held { holder, number, alive } => {
            let state = match alive {
                Some(true) => "its process lives",
                Some(false) => "its process is gone: the next run takes it over, and `windlass reap` gives it back",
                None => "whether its process lives cannot be seen from here",
            };
            let Holder { run, actor, machine, process, taken, expires, .. } = holder;
            let _ = writeln!(text, "  held    by run {run} since {taken}, for {actor}, process {process} on {machine}");
            let _ = writeln!(text, "          {state}; it expires at {expires} unless it is renewed");
            if let Some(job) = &holder.job {
                let _ = writeln!(
                    text,
                    "          it is a job of run {} on {}, and lives as long as that",
                    job.run, job.forge
                );
            }
            value["number"] = json!(number);
            value["holder"] = json!(holder);
            value["alive"] = json!(alive);
        }
    }
    value
}

async fn release(common: &Common, project: &Project, arguments: &Release) -> Result<(), Failed> {
    let place = project.place(common)?;
    let title = format!("the lease of `{}`", place.environment);
    let whose = if arguments.force {
        let actor = project.actor().unwrap_or_else(|| "somebody".to_owned());
        lease::release_by_force(&*project.leases, &place, &actor).await?
    } else {
        let dead = lease::release_dead(&*project.leases, &place).await?;
        if dead.is_none()
            && let Standing::Held { holder, .. } = lease::standing(&*project.leases, &place).await?
        {
            return Err(Problem::new(Code::LeaseHeld, format!("{title} is held"))
                .because(format!("run `{}` holds it since {}, and its process lives", holder.run, holder.taken))
                .with_note("nothing was changed")
                .with_hint("wait for it to end, or take it away with `--force`: the run stops before its next effect")
                .into());
        }
        dead
    };
    match whose {
        Some(holder) => say(&format!("{title} was taken from run {} and is free\n", holder.run)),
        None => say(&format!("{title} is free\n")),
    }
    Ok(())
}
