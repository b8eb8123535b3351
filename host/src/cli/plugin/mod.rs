//! `windlass plugin`: writing, trying, choosing and publishing plugins. One file for each command.

mod add;
mod build;
pub(super) mod find;
mod inspect;
mod licence;
mod list;
mod new;
mod publish;
mod test;
mod update;
mod used;
mod verify;

use super::Failed;
use super::arguments::Common;
use super::signals::unless_stopped_with;
use crate::problem::{Code, Problem};
use clap::Subcommand;

/// What can be done with a plugin.
#[derive(Debug, Subcommand)]
pub(super) enum PluginCommand {
    /// Write the project of a new plugin, in Rust, JavaScript, Python or C, that builds and passes its tests as it is.
    New(new::New),
    /// Build a plugin's component with its language's own tool, and look whether it is one that Windlass runs.
    Build(build::Build),
    /// Play a plugin's cases: canned answers in, what came of it compared with what was expected.
    Test(test::Test),
    /// Show who a plugin is, what it may be told, what it asks for, and what it imports and why that is harmless.
    Inspect(inspect::Inspect),
    /// List the plugins that `deploy.toml` names, and which of them `deploy.lock` accepts.
    List(list::List),
    /// Add a step with a plugin: resolve it, show what it asks for, and write `deploy.toml` and `deploy.lock`.
    Add(add::Add),
    /// Take what there is now of plugins whose tag or file moved, show what changed, and write `deploy.lock`.
    Update(update::Update),
    /// Get every plugin that `deploy.lock` names, and hold its digest, contract and signature against what is accepted.
    Verify,
    /// Put a plugin into a registry, so that others can add it, and sign it where asked to.
    Publish(publish::Publish),
}

/// Does what was asked for.
pub(super) async fn plugin(common: &Common, command: &PluginCommand) -> Result<(), Failed> {
    match command {
        PluginCommand::New(arguments) => new::new(common, arguments),
        PluginCommand::Build(arguments) => build::build(common, arguments).await,
        PluginCommand::Test(arguments) => test::test(common, arguments).await,
        PluginCommand::Inspect(arguments) => inspect::inspect(common, arguments).await,
        PluginCommand::List(arguments) => list::list(common, arguments).await,
        PluginCommand::Add(arguments) => add::add(common, arguments).await,
        PluginCommand::Update(arguments) => update::update(common, arguments).await,
        PluginCommand::Verify => verify::verify(common).await,
        PluginCommand::Publish(arguments) => {
            let stopped = || {
                Problem::new(Code::Cancelled, "told to stop before the plugin was published")
                    .with_note("what had been sent until then is there")
                    .with_hint("the same command again completes it")
            };
            unless_stopped_with(stopped, publish::publish(common, arguments)).await
        }
    }
}
