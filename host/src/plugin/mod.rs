//! Plugins: finding, checking, compiling and calling them. The only room that knows wasmtime.
//!
//! [`Plugins::load`] turns a locator into a [`Plugin`]; [`Plugin::call`] runs one function of it in a fresh instance,
//! behind a [`Gate`](crate::policy::Gate), under [`Limits`]. What the plugin sees of the run comes through
//! [`Surroundings`], which the caller implements.

mod backtrace;
mod builtin;
mod cache;
mod call;
mod compile;
mod component;
mod contract;
mod convert;
mod engine;
mod fetch;
mod host;
mod imports;
mod inspect;
mod load;
mod outside;
mod publish;
mod signature;
mod stop;

pub use builtin::compile_for;
pub use cache::fill;
pub use call::{Answer, Call, CallFailure, Effect, Function, Intent, Limits, Outcome, Verdict};
pub use compile::{COMMAND as COMPILE_COMMAND, compile_in_child};
pub(crate) use component::read as read_component;
pub use contract::{CONTRACT, CONTRACTS};
pub use convert::{Failure, Kind};
pub use host::{Deployment, EffectKey, LiveRelease, Services, StepState, Surroundings};
pub use imports::Imports;
pub use load::{Plugin, Plugins};
pub use outside::{Asked, Outside, StandIn};
pub use publish::{About, Published, publish};
pub use signature::{Keys, Signer};
pub use stop::Stop;

mod bindings {
    wasmtime::component::bindgen!({
        path: "../wit/v0.1.0",
        world: "step",
        imports: { default: async | trappable },
        exports: { default: async },
        with: { "windlass:plugin/database.connection": crate::plugin::host::OpenConnection },
    });
}

/// The SHA-256 of the contract's text, in hex.
pub const CONTRACT_DIGEST: &str = builtin::CONTRACT_DIGEST;

/// The names of the built-in plugins.
#[must_use]
pub fn built_in_names() -> Vec<&'static str> {
    builtin::COMPONENTS.iter().map(|plugin| plugin.name).collect()
}
