//! `windlass plugin inspect`: who a plugin is, what it may be told, what it asks for, and what it imports.

use super::find::Finder;
use crate::cli::arguments::{Common, Format};
use crate::cli::session::fill_cache;
use crate::cli::{Failed, print, print_json};
use crate::config::{WithSchema, example, keys};
use crate::plugin::{CONTRACTS, Plugin};
use crate::policy::Capability;
use crate::problem::{Code, Problem};
use crate::report::{self, Inspected, Style};
use clap::Args;
use serde_json::{Value, json};

#[derive(Debug, Args)]
pub(in crate::cli) struct Inspect {
    /// A component's file, an `https` URL, an `oci` reference, or the name of a built-in plugin.
    #[arg(value_name = "PLUGIN")]
    plugin: String,
    /// The configuration to ask with, as JSON or as a file of it; otherwise an example is made of the plugin's schema.
    #[arg(long, value_name = "FILE|JSON")]
    with: Option<String>,
}

/// `windlass plugin inspect`
pub(super) async fn inspect(common: &Common, arguments: &Inspect) -> Result<(), Failed> {
    let finder = Finder::new(common)?;
    let plugin = finder.find(&arguments.plugin).await?;
    fill_cache(finder.plugins());
    let given = arguments.with.as_deref().map(given).transpose()?;
    let is_given = given.is_some();
    let with = given.unwrap_or_else(|| example(plugin.schema()));
    if is_given {
        fitting(&plugin, &with)?;
    }
    let asked = asked(&plugin, &with).await;
    if is_given && let Err(problem) = asked {
        return Err(problem.into());
    }
    let inspected = inspected(&arguments.plugin, &plugin, with, asked);
    match common.format {
        Format::Human => print(&report::inspected(&inspected, Style::of_stdout())),
        Format::Json => print_json(&json!(inspected).to_string()),
    }
    Ok(())
}

/// The configuration that somebody gives: JSON, or a file of it.
pub(super) fn given(text: &str) -> Result<Value, Problem> {
    let is_json = text.trim_start().starts_with('{');
    let wrong = |cause: String| {
        Problem::new(Code::Usage, "the configuration of `--with` cannot be read")
            .because(cause)
            .with_note("nothing was run")
            .with_hint("write it as `--with '{ \"key\": \"value\" }'`, or name a file with that in it")
    };
    let read = if is_json { Ok(text.to_owned()) } else { std::fs::read_to_string(text) };
    let text = read.map_err(|error| wrong(format!("`{text}`: {error}")))?;
    serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))
}

/// Holds a configuration that somebody gives against the plugin's schema, as a step's is. One that may take for ever is passed over:
/// nothing is granted here.
fn fitting(plugin: &Plugin, with: &Value) -> Result<(), Vec<Problem>> {
    if plugin.schema_may_explode() {
        return Ok(());
    }
    let schema = WithSchema::new(plugin.name(), plugin.schema().clone()).map_err(|problem| vec![problem])?;
    let problems = schema.check_value("--with", with);
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

/// What a plugin asks for with a configuration.
async fn asked(plugin: &Plugin, with: &Value) -> Result<Vec<Capability>, Problem> {
    plugin.requires(&with.to_string()).await.map_err(|failure| {
        let problem = failure.into_problem(&plugin.locked_name(), "requires").with_note("nothing was run");
        Problem { code: Code::StepConfigInvalid, ..problem }
    })
}

fn inspected(locator: &str, plugin: &Plugin, with: Value, asked: Result<Vec<Capability>, Problem>) -> Inspected {
    let (capabilities, unasked) = match asked {
        Ok(capabilities) => (Some(capabilities), None),
        Err(problem) => (None, Some(problem.what)),
    };
    Inspected {
        plugin: locator.to_owned(),
        name: plugin.name().to_owned(),
        version: plugin.version().to_owned(),
        summary: plugin.summary().to_owned(),
        contract: plugin.contract(),
        contracts: CONTRACTS,
        built_in: plugin.is_built_in(),
        sha256: plugin.digest().to_owned(),
        size: plugin.size(),
        keys: keys(plugin.schema()),
        schema: plugin.schema().clone(),
        with,
        capabilities,
        unasked,
        imports: plugin.imports(),
    }
}
