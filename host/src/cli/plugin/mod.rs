//! `windlass plugin`: writing, trying, choosing and publishing plugins. One file for each command.

// module: add
mod build;
pub(super) mod find;
mod inspect;
// module: list
mod new;
// module: publish
mod test;
// module: update
// module: verify

use super::Failed;
use super::arguments::Common;
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
    // command: list
    // command: add
    // command: update
    // command: verify
    // command: publish
}

/// Does what was asked for.
pub(super) async fn plugin(common: &Common, command: &PluginCommand) -> Result<(), Failed> {
    match command {
        PluginCommand::New(arguments) => new::new(common, arguments),
        PluginCommand::Build(arguments) => build::build(common, arguments).await,
        PluginCommand::Test(arguments) => test::test(common, arguments).await,
        PluginCommand::Inspect(arguments) => inspect::inspect(common, arguments).await,
        // dispatch: list
        // dispatch: add
        // dispatch: update
        // dispatch: verify
        // dispatch: publish
    }
}
