//! What is told of a run afterwards: `report`, the files beside its journal, and the page of the job. None of it changes what came
//! of a run: what cannot be written is said in one line.

use super::arguments::{Arguments as CommandLine, Command, Common, Format, Report as Arguments};
use super::conduct::outcome_of;
use super::keeping::Wanted;
use super::project::{Project, directory, secrets, warn_of_short};
use super::{Failed, print, say, status};
use crate::ci::{self, Variables};
use crate::config;
use crate::event::{Place, RunOutcome};
use crate::files::write_whole;
use crate::history::{self, PastRun};
use crate::lease::{self, Standing};
use crate::plan::Plan;
use crate::problem::{Code, Exit, Problem};
use crate::report::story::{self, PlanStory, Story};
use crate::report::{self, Style};
use crate::secret::Redactor;
use std::io::Write as _;
use std::path::Path;

/// How large the page of a job may become, in bytes. GitHub leaves out the whole of one that is larger than 1 MiB.
const PAGE: usize = 900 << 10;

/// Less room is not worth a beginning.
const SCRAP: usize = 4 << 10;

/// `windlass report`
pub(super) async fn report(common: &Common, arguments: &Arguments) -> Result<(), Failed> {
    let project = Project::load(common)?;
    let last = arguments.run == "last";
    project.fetch_all(common, if last { Wanted::Newest(1) } else { Wanted::Since(&arguments.run) }).await;
    let run = if last { newest(&project, common)? } else { arguments.run.clone() };
    let secrets = secrets(&project.directory, &project.variables);
    warn_of_short(&secrets);
    let redactor = secrets.redactor();
    let story = Story::of(&project.journals, &run, &redactor)?;
    let past = history::find(&project.journals, &run)?;
    let holder = match lease::standing(&*project.leases, &past.subject.place()).await {
        Ok(Standing::Held { holder, alive, .. }) if alive != Some(false) => Some(holder),
        Ok(_) => None,
        // Who holds it is no part of what happened.
        Err(problem) => {
            say(&report::problem(&problem, Style::of_stderr()));
            None
        }
    };
    let story = story.standing(status::standing(&project, &past, holder.as_ref())?);
    let Arguments { html, junit, markdown, .. } = arguments;
    let (file, text) = match (html, junit, markdown) {
        (Some(file), ..) => (file, story::html(&story)),
        (_, Some(file), _) => (file, story::junit(&story)),
        (.., Some(file)) => (file, story::markdown(&story, PAGE)),
        (None, None, None) => {
            match common.format {
                Format::Human => print(&story::human(&story, Style::of_stdout())),
                Format::Json => print(&format!("{}\n", serde_json::to_string(&story).unwrap_or_default())),
            }
            return Ok(project.keeping.must_agree(&past)?);
        }
    };
    if file.as_os_str() == "-" {
        print(&text);
    } else {
        write_whole(file, text.as_bytes()).map_err(|error| {
            Problem::new(Code::Usage, format!("the report cannot be written to `{}`", file.display()))
                .because(error)
                .with_note("nothing was changed")
                .with_hint("name another file, or `-` for standard output")
        })?;
    }
    Ok(project.keeping.must_agree(&past)?)
}

/// The newest run of those that the common options name.
fn newest(project: &Project, common: &Common) -> Result<String, Problem> {
    for run in history::names(&project.journals)? {
        match history::place_of(&project.journals, &run) {
            Some(place) if !common.covers(&place) => {}
            // A run that was cut off before its first line is none.
            None if history::replay(&project.journals, &run)?.is_none() => {}
            _ => return Ok(run),
        }
    }
    Err(Problem::new(Code::RunNotFound, "there is no run yet")
        .with_note("nothing was changed")
        .with_hint("`windlass run` deploys"))
}

/// Leave the report of a run beside its journal, and on the page of the job, now that its process has nothing more to do for it.
/// Where it never began there is none.
pub(super) fn ended(project: &Project, run: &str, redactor: &Redactor) {
    match told(project, run, redactor) {
        Ok(story) => {
            let denied: u64 =
                story.steps.iter().flat_map(|step| &step.capabilities.denied).map(|denied| denied.times).sum();
            let refused = match denied {
                0 => None,
                1 => Some("one thing that plugins asked for was refused".to_owned()),
                _ => Some(format!("{denied} things that plugins asked for were refused")),
            };
            if let Some(refused) = refused {
                say(&format!("note: {refused}; `windlass report {run}` says what\n"));
            }
            for (name, text) in [("report.html", story::html(&story)), ("junit.xml", story::junit(&story))] {
                if let Err(error) = project.journals.put_beside(run, name, text.as_bytes()) {
                    say(&format!("note: `{name}` of run {run} cannot be written: {error}\n"));
                }
            }
            summarize(&project.variables, |room| story::markdown(&story, room));
        }
        Err(problem) if problem.code == Code::RunNotFound => {}
        Err(problem) => say(&format!("note: there is no report of run {run}: {problem}\n")),
    }
}

fn told(project: &Project, run: &str, redactor: &Redactor) -> Result<Story, Problem> {
    let past: PastRun = history::find(&project.journals, run)?;
    let story = Story::of(&project.journals, run, redactor)?;
    // The lease is given back, and what there is now to say of the place is of this run.
    Ok(story.standing(status::standing(project, &past, None)?))
}

/// Show a plan on the page of the job.
pub(super) fn planned(project: &Project, plan: &Plan, redactor: &Redactor) {
    let title = format!("{} {} to {}", plan.app, plan.version, plan.place().title());
    let plan = PlanStory::of(plan, &plan.digest(), redactor);
    summarize(&project.variables, |room| story::plan_markdown(&plan, &title, room));
}

/// Show on the page of the job what a command ended with.
pub(super) fn refused(arguments: &CommandLine, problems: &[Problem], exit: Exit) {
    let common = &arguments.common;
    let what = match arguments.command {
        Command::Run(_) => Some("deployed to"),
        Command::Rollback(_) => Some("rolled back in"),
        _ => None,
    };
    let title = what.and_then(|what| {
        let config = config::load(&common.config).ok()?;
        let environment = match &common.environment {
            Some(name) => name.clone(),
            None => config.environment(None).ok()?.name.as_str().to_owned(),
        };
        let place = Place { app: config.app.to_string(), environment, component: common.component.clone() }.title();
        let outcome = match outcome_of(problems.first().map(|problem| problem.code)) {
            RunOutcome::Cancelled => "cancelled",
            _ => "blocked",
        };
        Some(format!("{} was not {what} {place}: {outcome}", config.app.as_str()))
    });
    mistaken(&title.unwrap_or_else(|| format!("windlass ended with exit {}", exit as u8)), &common.config, problems);
}

/// Show problems on the page of the job.
pub(super) fn mistaken(title: &str, config: &Path, problems: &[Problem]) {
    let variables = Variables::of_process();
    if ci::page(&variables).summary.is_some() {
        let redactor = secrets(&directory(config), &variables).redactor();
        summarize(&variables, |room| story::problems_markdown(title, problems, &redactor, room));
    }
}

/// Append to the page of the job what there is room for, where there is one.
fn summarize(variables: &Variables, text: impl FnOnce(usize) -> String) {
    let Some(file) = ci::page(variables).summary else { return };
    let there = std::fs::metadata(&file).map_or(0, |metadata| usize::try_from(metadata.len()).unwrap_or(usize::MAX));
    let room = PAGE.saturating_sub(there);
    if room < SCRAP {
        say(&format!("note: nothing is added to the page of the job: there are {there} bytes on it already\n"));
        return;
    }
    if let Err(error) = append(&file, &text(room)) {
        say(&format!("note: the page of the job (`{}`) cannot be written: {error}\n", file.display()));
    }
}

fn append(file: &Path, text: &str) -> std::io::Result<()> {
    std::fs::OpenOptions::new().append(true).create(true).open(file)?.write_all(text.as_bytes())
}
