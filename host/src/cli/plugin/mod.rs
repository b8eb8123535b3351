//! `windlass plugin`: writing, trying, choosing and publishing plugins. One file for each command.

// module: add
// module: build
pub(super) mod find;
mod inspect;
// module: list
// module: new
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
    // command: new
    // command: build
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
        // dispatch: new
        // dispatch: build
        PluginCommand::Test(arguments) => test::test(common, arguments).await,
        PluginCommand::Inspect(arguments) => inspect::inspect(common, arguments).await,
        // dispatch: list
        // dispatch: add
        // dispatch: update
        // dispatch: verify
        // dispatch: publish
    }
}
