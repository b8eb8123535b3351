//! What the command line can say, with the help that teaches it.

use super::plugin::PluginCommand;
use crate::approval;
use crate::config::Duration;
use crate::event::Place;
use crate::forge::{self, Choice};
use crate::problem::{Code, Exit, Problem};
use crate::variable;
use clap::builder::OsStringValueParser;
use clap::error::{ContextKind, ContextValue};
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// What stands below the list of commands.
fn more() -> String {
    let exits: String = Exit::ALL.iter().map(|exit| format!("\n  {:<2} {}", *exit as u8, exit.name())).collect();
    format!("{EXAMPLES}\n\nExit codes:{exits}")
}

const EXAMPLES: &str = "\
Examples:
  windlass init                    write a deploy.toml to begin with
  windlass lock                    accept what its plugins ask for; commit deploy.lock
  windlass plan -e staging         see everything that would happen
  windlass run -e staging          do it
  windlass status                  what is live, and what to do next
  windlass report last             what happened in the newest run
  windlass resume RUN              go on with a run that was cut off
  windlass rollback -e staging     go back to the release before";

/// Deploy from CI: planned, sandboxed, recorded, reversible, and the same on a laptop.
#[derive(Debug, Parser)]
#[command(name = "windlass", version, after_help = more(), max_term_width = 110)]
pub(super) struct Arguments {
    #[command(flatten)]
    pub(super) common: Common,
    #[command(subcommand)]
    pub(super) command: Command,
}

/// How results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people.
    Human,
    /// For programs: JSON; of `run`, `resume` and `rollback` the last line of standard output is the result.
    Json,
}

/// How much a run says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum LogLevel {
    /// Everything, for plugin authors.
    Debug,
    /// What happens.
    Info,
    /// Only what is worth a look.
    Warn,
    /// Only what is wrong.
    Error,
}

#[derive(Debug, Args)]
pub(super) struct Common {
    /// The configuration; everything else is relative to its directory.
    #[arg(long, global = true, value_name = "FILE", default_value = crate::config::FILE, help_heading = "Common options")]
    pub(super) config: PathBuf,
    /// The environment; not needed where there is only one.
    #[arg(short, long, global = true, value_name = "NAME", help_heading = "Common options")]
    pub(super) environment: Option<String>,
    /// The component, where the app has parts that are deployed by themselves.
    #[arg(long, global = true, value_name = "NAME", help_heading = "Common options")]
    pub(super) component: Option<String>,
    /// The forge that is told of the deployment.
    #[arg(long, global = true, value_name = "FORGE", default_value = "auto", help_heading = "Common options")]
    pub(super) forge: Choice,
    /// How results are written to standard output.
    #[arg(long, global = true, value_name = "FORMAT", default_value = "human", help_heading = "Common options")]
    pub(super) format: Format,
    /// How much is said on standard error.
    #[arg(long, global = true, value_name = "LEVEL", default_value = "info", help_heading = "Common options")]
    pub(super) log: LogLevel,
    /// How long a forge that does not answer is waited for in all.
    #[arg(
        long,
        global = true,
        value_name = "DURATION",
        env = variable::WINDLASS_FORGE_TIMEOUT,
        hide = true,
        value_parser = |text: &str| duration(text).map(|duration| duration.get())
    )]
    pub(super) forge_timeout: Option<std::time::Duration>,
    /// Internal messages, as a filter of the `tracing` crate, for example `windlass=debug`.
    #[arg(long, global = true, value_name = "FILTER", env = variable::WINDLASS_TRACE, hide = true)]
    pub(super) trace: Option<String>,
}

impl Arguments {
    /// What the process was started with. What is not said of how long to wait for a forge is filled in.
    pub(super) fn read() -> Result<Self, clap::Error> {
        let mut arguments = Self::try_parse()?;
        let usual = match &arguments.command {
            // Whoever waits for people waits for the forge meanwhile.
            Command::Approvals(approvals) if approvals.wait => approvals.timeout.get(),
            Command::Approvals(Approvals { command: None, .. })
            | Command::Check
            | Command::Environment(EnvironmentCommand::List)
            | Command::History(_)
            | Command::Lease(Lease::Status)
            | Command::Status => forge::READING,
            _ => forge::WRITING,
        };
        arguments.common.forge_timeout.get_or_insert(usual);
        Ok(arguments)
    }
}

/// Where the command line, which cannot be read, or the environment asks that what came of it be handed on to.
pub(super) fn reports_of_process() -> Option<PathBuf> {
    let words: Vec<OsString> = std::env::args_os().collect();
    let said = words.iter().enumerate().find_map(|(place, word)| match word.to_str()?.strip_prefix("--reports")? {
        "" => words.get(place + 1).cloned(),
        value => value.strip_prefix('=').map(OsString::from),
    });
    said.or_else(|| std::env::var_os(variable::WINDLASS_REPORTS)).filter(|path| !path.is_empty()).map(PathBuf::from)
}

/// Why the command line cannot be read, in the four parts that every problem has.
pub(super) fn mistake(error: &clap::Error) -> Problem {
    let text = error.render().to_string();
    let (said, rest) = text.split_once("\n\n").unwrap_or((&text, ""));
    let mut said = said.trim().lines();
    let what = said.next().unwrap_or_default().trim_start_matches("error: ").trim_end_matches(':');
    let tip = rest.lines().find_map(|line| line.trim().strip_prefix("tip: "));
    // Whoever writes a line for each argument, as for the action, forgets that no shell reads it.
    let word = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(word)) => word.split_once(' ').filter(|(name, _)| name.starts_with('-')),
        _ => None,
    };
    let hint = match (word, tip) {
        (Some((name, value)), _) => {
            format!(
                "`{name}` and `{value}` are two arguments: where each has a line, as in the action's `args`, give them two"
            )
        }
        (None, Some(tip)) => tip.to_owned(),
        (None, None) => "`windlass --help` and `windlass COMMAND --help` show what there is".to_owned(),
    };
    let problem = Problem::new(Code::Usage, what);
    said.map(str::trim).fold(problem, Problem::because).with_note("nothing was run").with_hint(hint)
}

impl Common {
    /// Whether a place is among those that were asked for: all, unless an environment or a component is named.
    pub(super) fn covers(&self, place: &Place) -> bool {
        self.environment.as_ref().is_none_or(|name| place.environment == *name)
            && self.component.as_ref().is_none_or(|name| place.component.as_ref() == Some(name))
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Write a `deploy.toml` to begin with.
    Init(Init),
    /// Check `deploy.toml`, its plugins' configurations and `deploy.lock`, and run nothing.
    Check,
    /// Accept what the plugins ask for: write `deploy.lock`, and show what changed in it.
    Lock(Lock),
    /// Show everything that would happen, and change nothing.
    Plan(Plan),
    /// Deploy: plan, check, do, and take back what was done if it fails.
    Run(Run),
    /// Go on with a run that was cut off, cancelled or stopped, after its last proven step.
    Resume(Resume),
    /// Take back what runs have done, newest first, so that the release before is live again.
    Rollback(Rollback),
    /// Show which plans wait for an approval, and what was said to them.
    Approvals(Approvals),
    /// Agree to a plan that waits for it.
    ///
    /// What is agreed to is this plan and no other: where anything has drifted from it, the run stops. On GitHub and GitLab the
    /// forge is told, with the token of a reviewer (`GITHUB_TOKEN`, `GITLAB_TOKEN`); where there is no forge, it is kept in
    /// `.windlass`.
    Approve(Answer),
    /// Say no to a plan that waits for an approval. Whoever asked for it withdraws it.
    Reject(Answer),
    /// Close what dead runs left open: journals, leases, programs, deployments.
    ///
    /// What is at work for a run whose process is gone is ended, its journal says that it is over, the forge shows it, and
    /// its lease is given back. Nothing goes on, and nothing is taken back but with `--finish`. A run that lives is left alone: safe
    /// at any time.
    Reap(Reap),
    /// Look at the leases, one for each app, environment and component, and break one.
    #[command(subcommand)]
    Lease(Lease),
    /// Look at the environments, and stop those that come and go.
    #[command(subcommand)]
    Environment(EnvironmentCommand),
    /// Show what is live in each environment, what is under way, and what to do next.
    Status,
    /// Show the runs, newest first.
    History(History),
    /// Tell what happened in a run, and what to do now.
    ///
    /// As text; on request as one HTML file, as JUnit XML or as Markdown. One of these at a time.
    Report(Report),
    /// Write, try, choose and publish plugins.
    #[command(subcommand)]
    Plugin(PluginCommand),
    /// Print the JSON Schema of `deploy.toml`, or of a plugin's configuration.
    Schema(Schema),
    /// Explain the word that an error, a result or an exit code is about.
    Explain(Explain),
    /// Print the completions for a shell.
    Completions(Completions),
}

#[derive(Debug, Args)]
pub(super) struct Init {
    /// The app's name; the directory's otherwise.
    #[arg(value_name = "APP")]
    pub(super) app: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct Lock {
    /// Write nothing, and fail with exit code 22 on any difference, which is printed as a table of Markdown: for CI, where a
    /// comment on the pull request can show it as it is.
    #[arg(long)]
    pub(super) check: bool,
    /// Write nothing, ask no plugin, and print what `deploy.lock` accepts more (`+`) and less (`-`) than at this commit, branch or
    /// tag: what a pull request widens, as a table of Markdown.
    #[arg(long, value_name = "COMMIT", conflicts_with = "check")]
    pub(super) against: Option<String>,
}

/// What is being released, where CI or git do not say it.
#[derive(Debug, Args)]
pub(super) struct Subject {
    /// The version, instead of the one that `release` in `deploy.toml` finds.
    #[arg(long, value_name = "VERSION")]
    pub(super) release_version: Option<String>,
    /// The commit, in full, where neither CI nor git knows it.
    #[arg(long, value_name = "SHA")]
    pub(super) commit: Option<String>,
}

/// Where what came of it is handed on to later jobs.
#[derive(Debug, Default, Args)]
pub(super) struct Reports {
    /// Write what later jobs and the forge's pages take into this directory: `deploy.env`, `annotations.json` and, of a run,
    /// `report.html` and `junit.xml`.
    #[arg(long, value_name = "DIR", env = variable::WINDLASS_REPORTS, value_parser = OsStringValueParser::new())]
    reports: Option<OsString>,
}

impl Reports {
    /// The directory. CI sets what it does not know to nothing.
    pub(super) fn directory(&self) -> Option<&Path> {
        self.reports.as_deref().filter(|path| !path.is_empty()).map(Path::new)
    }
}

#[derive(Debug, Args)]
pub(super) struct Plan {
    #[command(flatten)]
    pub(super) subject: Subject,
    #[command(flatten)]
    pub(super) reports: Reports,
    /// Keep the plan in a file, for `windlass run --plan FILE`.
    #[arg(short, long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
    /// Show each step's details and capabilities too.
    #[arg(long)]
    pub(super) full: bool,
}

#[derive(Debug, Args)]
pub(super) struct Run {
    #[command(flatten)]
    pub(super) subject: Subject,
    #[command(flatten)]
    pub(super) reports: Reports,
    /// Run only what this plan says, and stop with exit code 20 if anything has drifted from it.
    #[arg(long, value_name = "FILE")]
    pub(super) plan: Option<PathBuf>,
    /// Run steps that have nothing to do, too. Not with `--plan`, which says that they are not run.
    #[arg(long, conflicts_with = "plan")]
    pub(super) force: bool,
    /// Deploy although deployments are frozen, and write down why.
    #[arg(long, value_name = "REASON", value_parser = reason)]
    pub(super) during_freeze: Option<String>,
    /// Who you are, where your user's name does not say it. A forge knows by itself.
    #[arg(long, value_name = "NAME", value_parser = person)]
    pub(super) by: Option<String>,
    /// Plan and check, and stop before anything is changed.
    #[arg(long)]
    pub(super) dry_run: bool,
    /// At the end, say which lines of `deploy.lock` would have let through what was refused. Nothing is granted, and no file is
    /// changed. Not on a forge.
    #[arg(long, conflicts_with = "dry_run")]
    pub(super) suggest: bool,
}

#[derive(Debug, Args)]
pub(super) struct Resume {
    /// The run. `windlass status` names it.
    #[arg(value_name = "RUN")]
    pub(super) run: String,
    /// You looked: this step, which was cut off, has done its work. Can be given more than once.
    #[arg(long, value_name = "STEP")]
    pub(super) done: Vec<String>,
    /// You looked: this step, which was cut off, has done nothing, and is to be done again. Can be given more than once.
    #[arg(long, value_name = "STEP")]
    pub(super) not_done: Vec<String>,
    /// Go on although deployments are frozen, and write down why. Not needed where the run was begun so.
    #[arg(long, value_name = "REASON", value_parser = reason)]
    pub(super) during_freeze: Option<String>,
    #[command(flatten)]
    pub(super) subject: Subject,
    #[command(flatten)]
    pub(super) reports: Reports,
}

#[derive(Debug, Args)]
pub(super) struct Rollback {
    #[command(flatten)]
    pub(super) reports: Reports,
    /// The run whose release is to be live again. Otherwise what the newest runs left is taken back, or, where nothing is
    /// left, the release that is live: said twice, that is done once.
    #[arg(long, value_name = "RUN")]
    pub(super) to: Option<String>,
    /// Leave this step's work as it is, and take back the rest. Can be given more than once.
    #[arg(long, value_name = "STEP")]
    pub(super) keep: Vec<String>,
    /// You looked: from this step on, at which the journal of a run ends that another machine was lost with, nothing was done but
    /// what is recorded. Can be given more than once.
    #[arg(long, value_name = "STEP")]
    pub(super) recorded: Vec<String>,
    /// Show what would be taken back, and change nothing.
    #[arg(long)]
    pub(super) dry_run: bool,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Approvals {
    #[command(subcommand)]
    pub(super) command: Option<ApprovalsCommand>,
    /// Wait until nothing is open any more; exit code 21 unless all is approved. No lease is held meanwhile.
    #[arg(long)]
    pub(super) wait: bool,
    /// How long to wait.
    #[arg(long, value_name = "DURATION", default_value = "1h", requires = "wait", value_parser = duration)]
    pub(super) timeout: Duration,
}

#[derive(Debug, Subcommand)]
pub(super) enum ApprovalsCommand {
    /// Answer a custom deployment protection rule of GitHub from a workflow, with the plan as its report.
    ///
    /// The App that owns the rule hands what GitHub sent it on to a workflow, and gives it its installation's token as
    /// `GITHUB_TOKEN`: nobody else's answer counts. Without `--state` only a report of the plan is given.
    Respond(Respond),
}

#[derive(Debug, Args)]
pub(super) struct Respond {
    /// What GitHub sent to the App, as JSON, by itself or as the `client_payload` of a dispatch; `GITHUB_EVENT_PATH`
    /// otherwise.
    #[arg(long, value_name = "FILE")]
    pub(super) event: Option<PathBuf>,
    /// The plan that a job of the run that waits has made.
    #[arg(long, value_name = "FILE")]
    pub(super) plan: Option<PathBuf>,
    /// The answer.
    #[arg(long, value_name = "STATE")]
    pub(super) state: Option<approval::Answer>,
    /// Why.
    #[arg(short = 'm', long, value_name = "TEXT")]
    pub(super) comment: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct Answer {
    /// The plan's digest, or enough of its beginning; not needed where only one waits.
    #[arg(value_name = "DIGEST")]
    pub(super) digest: Option<String>,
    /// Who you are, where your user's name does not say it. A forge knows by the token.
    #[arg(long, value_name = "NAME", value_parser = person)]
    pub(super) by: Option<String>,
    /// For which approval rule of the environment, on GitLab, where you are in more than one.
    #[arg(long, value_name = "RULE")]
    pub(super) on_behalf: Option<String>,
    /// Let the job's own token say it, on GitLab. Any job of the pipeline can do that.
    #[arg(long)]
    pub(super) by_job: bool,
    /// Why.
    #[arg(short = 'm', long, value_name = "TEXT")]
    pub(super) comment: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct Reap {
    /// Take back, too, what a cancelled or cut-off run of this very CI job left, where `on_cancel` is `"rollback"`. For the end
    /// of a job, when the forge no longer counts the seconds.
    #[arg(long)]
    pub(super) finish: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum EnvironmentCommand {
    /// Show the environments: what is live in each, since when, and which come and go.
    List,
    /// Show that a transient environment is over, or all that are older than a while.
    ///
    /// What runs there is not touched: take it down before. On GitLab the environment's `on_stop` job is started.
    Stop(StopEnvironment),
}

#[derive(Debug, Args)]
pub(super) struct StopEnvironment {
    /// Its name, for example `review/feature-1`, here or with `-e`; not needed with `--older-than`.
    #[arg(value_name = "NAME")]
    pub(super) name: Option<String>,
    /// Only what has been live for longer than this: of all transient environments, where none is named. `12h`, `7d`.
    #[arg(long, value_name = "AGE", value_parser = age)]
    pub(super) older_than: Option<std::time::Duration>,
    /// Have the forge forget the environment, too. On GitHub that takes a token that may administer the repository.
    #[arg(long)]
    pub(super) delete: bool,
    /// Say what would be stopped, and change nothing.
    #[arg(long)]
    pub(super) dry_run: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum Lease {
    /// Show who holds which lease, since when, and whether that process lives.
    Status,
    /// Give back the lease of an environment for an owner that is dead; with `--force`, for any.
    Release(Release),
}

#[derive(Debug, Args)]
pub(super) struct Release {
    /// Also where the owner lives: it stops before its next effect. Who did this is written down.
    #[arg(long)]
    pub(super) force: bool,
}

#[derive(Debug, Args)]
pub(super) struct History {
    /// How many runs.
    #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 20)]
    pub(super) count: usize,
}

#[derive(Debug, Args)]
pub(super) struct Report {
    /// The run, or `last` for the newest one.
    #[arg(value_name = "RUN")]
    pub(super) run: String,
    /// Write it as one HTML file, which needs nothing else; `-` for standard output.
    #[arg(long, value_name = "FILE", group = "form")]
    pub(super) html: Option<PathBuf>,
    /// Write its steps and checks as JUnit XML; `-` for standard output.
    #[arg(long, value_name = "FILE", group = "form")]
    pub(super) junit: Option<PathBuf>,
    /// Write it as Markdown; `-` for standard output.
    #[arg(long, value_name = "FILE", group = "form")]
    pub(super) markdown: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Schema {
    /// A built-in plugin, or the path of one; of `deploy.toml` itself otherwise.
    #[arg(value_name = "PLUGIN")]
    pub(super) plugin: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct Explain {
    /// A word such as `step-failed`, or an exit code such as `10`; all of them otherwise.
    #[arg(value_name = "CODE")]
    pub(super) code: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct Completions {
    /// The shell.
    pub(super) shell: clap_complete::Shell,
}

/// In one line, and not empty.
fn reason(text: &str) -> Result<String, String> {
    line(text).ok_or_else(|| "say why".to_owned())
}

/// The name of somebody.
fn person(text: &str) -> Result<String, String> {
    line(text).ok_or_else(|| "say who".to_owned())
}

fn line(text: &str) -> Option<String> {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    (!line.is_empty()).then_some(line)
}

/// As a length of time, and in days: `7d`.
fn age(text: &str) -> Result<std::time::Duration, String> {
    if let Some(days) = text.strip_suffix('d') {
        let days: u32 = days.parse().map_err(|_| format!("`{text}` is not a number of days"))?;
        return Ok(std::time::Duration::from_secs(u64::from(days) * 24 * 60 * 60));
    }
    duration(text).map(|duration| duration.get())
}

/// `90s`, `10m`, `1h`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    Duration::try_from(text.to_owned())
}
