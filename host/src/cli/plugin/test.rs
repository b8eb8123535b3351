//! `windlass plugin test`: plays a plugin's cases.

use super::build::built;
use super::find::{Finder, client};
use crate::authoring::{self, Project};
use crate::ci::Variables;
use crate::cli::arguments::{Common, Format, LogLevel, duration};
use crate::cli::project;
use crate::cli::signals::unless_stopped_with;
use crate::cli::{Failed, print, print_json, say};
use crate::config::Duration;
use crate::files::rewrite;
use crate::forge;
use crate::kit::{self, CaseFile, Recorded, Results, World};
use crate::lock::Lock;
use crate::plugin::Plugin;
use crate::problem::{Code, Problem};
use crate::report::{self, Style};
use clap::Args;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What to test, and how.
#[derive(Debug, Args)]
pub(in crate::cli) struct Test {
    /// The plugin: its project's directory, a component's file, a URL or reference, or the name of a built-in one.
    #[arg(default_value = ".", value_name = "PLUGIN")]
    plugin: String,
    /// Play only the cases whose names have this text in them.
    #[arg(value_name = "NAME")]
    filter: Option<String>,
    /// The cases; `cases.toml` beside the plugin where nothing is said.
    #[arg(long, value_name = "FILE")]
    cases: Option<PathBuf>,
    /// Write what came into the cases as what is expected; of those without canned answers also what really answered.
    #[arg(long)]
    record: bool,
    /// Play with the component as it is, and do not build the project before.
    #[arg(long)]
    no_build: bool,
    /// How long building the project may take; what is at work for it then is ended.
    #[arg(long, value_name = "DURATION", default_value = authoring::TIMEOUT, value_parser = duration)]
    build_timeout: Duration,
    /// Write the results as JUnit XML, too.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

impl Test {
    /// Where the cases are, where nothing is said of that.
    fn cases(&self) -> PathBuf {
        let path = Path::new(&self.plugin);
        let beside = if path.is_dir() { path } else { path.parent().unwrap_or_else(|| Path::new("")) };
        let beside = beside.strip_prefix(".").unwrap_or(beside);
        self.cases.clone().unwrap_or_else(|| beside.join("cases.toml"))
    }

    /// The plugin: of a project, as it is built now.
    async fn plugin(&self, finder: &Finder) -> Result<Plugin, Vec<Problem>> {
        let directory = Path::new(&self.plugin);
        if !directory.is_dir() {
            let perhaps = |problems: Vec<Problem>| problems.into_iter().map(|it| self.perhaps_a_case(it)).collect();
            return finder.find(&self.plugin).await.map_err(perhaps);
        }
        let one = |problem| vec![problem];
        let project = Project::read(directory).map_err(one)?;
        if self.no_build {
            let component = project.built().map_err(one)?;
            return finder.find(&component.to_string_lossy()).await;
        }
        built(&project, finder.plugins(), &self.build_timeout).await.map(|built| built.plugin).map_err(one)
    }

    /// In a project, one word is most often meant as a case's name.
    fn perhaps_a_case(&self, problem: Problem) -> Problem {
        let plugin = &self.plugin;
        if problem.code == Code::PluginNotFound && self.filter.is_none() && Path::new(authoring::FILE).is_file() {
            return problem.with_hint(format!(
                "if it is the name of a case of this project: `windlass plugin test . \"{plugin}\"`"
            ));
        }
        problem
    }

    /// Plays the cases, or records them.
    async fn results(&self, common: &Common, plugin: &Plugin, file: &CaseFile) -> Result<Results, Failed> {
        let filter = self.filter.as_deref();
        if !self.record {
            let play = async { Ok(kit::run(plugin, file, filter).await?) };
            return unless_stopped_with(stopped, play).await;
        }
        let (directory, variables) = (project::directory(&common.config), Variables::of_process());
        // A forge's token is for Windlass, and for no plugin, as in a run. Others are for the cases that name them.
        let tokens: BTreeSet<String> = forge::TOKENS.map(str::to_owned).into();
        let world = World {
            client: client(common)?,
            variables: variables.without(&tokens),
            withheld: Lock::load(&directory)?.iter().flat_map(Lock::secret_names).collect(),
            secrets: project::secrets(&directory, &variables),
        };
        let stopped = || {
            let path = file.path.display();
            Problem::new(Code::Cancelled, "told to stop before the cases were recorded").with_note(format!(
                "what they had asked of the world until then is done; nothing is written to `{path}`"
            ))
        };
        let record = async { Ok(kit::record(plugin, file, filter, &world).await?) };
        let Recorded { results, text, unanswered, changed } = unless_stopped_with(stopped, record).await?;
        for what in unanswered {
            say(&format!("warning: {what}; this is written as what comes\n"));
        }
        if text != file.text {
            // Building and recording take their time.
            if std::fs::read_to_string(&file.path).ok().as_ref() != Some(&file.text) {
                return Err(Problem::new(Code::Usage, format!("`{}` was changed meanwhile", file.path.display()))
                    .with_note("it was left as it is, and nothing of the recording is kept")
                    .with_hint("record again")
                    .into());
            }
            rewrite(&file.path, text.as_bytes()).map_err(|error| unwritten(&file.path, &error))?;
            for (name, differences) in changed {
                say(&report::changed_case(&name, &differences, Style::of_stderr()));
            }
            say(&format!("wrote {}\n", file.path.display()));
        }
        Ok(results)
    }
}

/// That somebody had cases end that ask nobody.
fn stopped() -> Problem {
    Problem::new(Code::Cancelled, "told to stop before the cases were played")
        .with_note("nothing was asked of the world")
}

fn unwritten(path: &Path, error: &std::io::Error) -> Problem {
    Problem::new(Code::Usage, format!("`{}` cannot be written", path.display()))
        .because(error)
        .with_hint("name a file that can be written")
}

/// `windlass plugin test`
pub(in crate::cli) async fn test(common: &Common, arguments: &Test) -> Result<(), Failed> {
    crate::config::WithSchema::prepare();
    let began = jiff::Timestamp::now();
    let cases = arguments.cases();
    let file = CaseFile::load(&cases)?;
    let plugin = arguments.plugin(&Finder::new(common)?).await?;
    let results = arguments.results(common, &plugin, &file).await?;
    if results.cases.is_empty() {
        let filter = arguments.filter.as_deref().unwrap_or_default();
        let names = file.cases.iter().map(|case| case.name.as_str());
        let problem = Problem::new(Code::Usage, format!("no case has `{filter}` in its name"))
            .because(format!("`{}` has {}", cases.display(), crate::config::listing(names, "and")))
            .with_note("nothing was run");
        return Err(problem.with_hint("leave the name out to play all").into());
    }
    match common.format {
        Format::Human => print(&report::cases(&results, common.log == LogLevel::Debug, Style::of_stdout())),
        Format::Json => print_json(&report::cases_json(&results)),
    }
    let mut problems = Vec::new();
    let failed = results.failed();
    if failed > 0 {
        let (all, plugin) = (results.cases.len(), &results.plugin);
        let what = format!("{failed} of {all} cases of plugin `{plugin}` failed");
        let hint = "mend the plugin; or, where what came is right, the case: `--record` writes it";
        problems.push(Problem::new(Code::CasesFailed, what).with_hint(hint));
    }
    if let Some(path) = &arguments.junit {
        let text = report::cases_junit(&results, began);
        let cannot = |error| unwritten(path, &error).with_note("the results are those above, and in no file");
        problems.extend(std::fs::write(path, text).err().map(cannot));
    }
    if problems.is_empty() { Ok(()) } else { Err(problems.into()) }
}
