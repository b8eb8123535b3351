//! `windlass plugin test`: plays a plugin's cases.

use super::super::{Failed, print, print_json};
use crate::authoring::Project;
use crate::cli::arguments::{Common, Format};
use crate::kit::{self, CaseFile};
use crate::network::Client;
use crate::plugin::{Plugin, Plugins, built_in_names};
use crate::problem::{Code, Problem};
use crate::report::{self, Style};
use clap::Args;
use std::path::{Path, PathBuf};

/// What to test, and how.
#[derive(Debug, Args)]
pub(in crate::cli) struct Test {
    /// The plugin: its project's directory, a component's file, or the name of a built-in one.
    #[arg(default_value = ".", value_name = "PLUGIN")]
    plugin: String,
    /// Play only the cases whose names have this text in them.
    #[arg(value_name = "NAME")]
    filter: Option<String>,
    /// The cases; `cases.toml` beside the plugin where nothing is said.
    #[arg(long, value_name = "FILE")]
    cases: Option<PathBuf>,
    /// Write the results as JUnit XML, too.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

/// Where a plugin is.
enum Place {
    BuiltIn,
    File(PathBuf),
}

impl Test {
    /// The plugin, and where its cases are where nothing is said of that.
    fn place(&self) -> Result<(Place, PathBuf), Problem> {
        let path = Path::new(&self.plugin);
        if path.is_dir() {
            let component = Project::read(path)?.built()?;
            return Ok((Place::File(component), path.join("cases.toml")));
        }
        if built_in_names().contains(&self.plugin.as_str()) && !path.exists() {
            return Ok((Place::BuiltIn, PathBuf::from("cases.toml")));
        }
        let beside = path.parent().unwrap_or_else(|| Path::new(""));
        Ok((Place::File(path.to_owned()), beside.join("cases.toml")))
    }
}

async fn load(place: &Place, name: &str) -> Result<Plugin, Problem> {
    let plugins = Plugins::new(Client::default());
    match place {
        Place::BuiltIn => plugins.load_built_in(name).await,
        Place::File(file) => plugins.load_file(&file.to_string_lossy(), Path::new(""), |_| Ok(())).await,
    }
}

/// `windlass plugin test`
pub(in crate::cli) async fn test(common: &Common, arguments: &Test) -> Result<(), Failed> {
    crate::config::WithSchema::prepare();
    let began = jiff::Timestamp::now();
    let (place, cases) = arguments.place()?;
    let cases = arguments.cases.as_ref().unwrap_or(&cases);
    let file = CaseFile::load(cases)?;
    let plugin = load(&place, &arguments.plugin).await?;
    let results = kit::run(&plugin, &file, arguments.filter.as_deref()).await?;
    if results.cases.is_empty() {
        let filter = arguments.filter.as_deref().unwrap_or_default();
        let names = file.cases.iter().map(|case| case.name.as_str());
        let problem = Problem::new(Code::Usage, format!("no case has `{filter}` in its name"))
            .because(format!("`{}` has {}", cases.display(), crate::config::listing(names, "and")))
            .with_note("nothing was run");
        return Err(problem.with_hint("leave the name out to play all").into());
    }
    if let Some(path) = &arguments.junit {
        std::fs::write(path, report::cases_junit(&results, began)).map_err(|error| {
            Problem::new(Code::Usage, format!("`{}` cannot be written", path.display()))
                .because(error)
                .with_hint("name a file that can be written")
        })?;
    }
    match common.format {
        Format::Human => print(&report::cases(&results, Style::of_stdout())),
        Format::Json => print_json(&report::cases_json(&results)),
    }
    match results.failed() {
        0 => Ok(()),
        failed => {
            let (all, plugin) = (results.cases.len(), &results.plugin);
            let what = format!("{failed} of {all} cases of plugin `{plugin}` failed");
            Err(Problem::new(Code::CasesFailed, what)
                .with_hint("mend the plugin; or, where what came is right, the case")
                .into())
        }
    }
}
