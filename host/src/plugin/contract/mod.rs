//! The contracts that this host runs: what each links, and how a plugin of each is called.
//!
//! Everything else of the host knows only the newest one's types. A contract that is not the newest has its own bindings, its
//! functions are the host's own with their values put into the newest one's form, and what it lacks is answered here. So a new
//! contract is a folder in `wit/`, a module here for the one that it replaces, and an entry in each `match`; the compiler names the
//! places. `docs/design/contract.md` says when that is done.

#[cfg(test)]
mod older;

use super::bindings::exports::windlass::plugin::lifecycle::Description;
use super::bindings::windlass::plugin::types::{Capability, Failure, Intent, Outcome, Verdict};
use super::bindings::{Step, StepPre};
use super::host::State;
use crate::problem::{Code, Problem};
use wasmtime::Store;
use wasmtime::component::{Component, HasSelf, Linker};

/// The contract's version, as `wit/v0.1.0` has it: the newest.
pub const CONTRACT: &str = "0.1.0";

/// The contracts that this host runs, newest first.
#[cfg(not(test))]
pub const CONTRACTS: &[&str] = &[CONTRACT];

/// The same and one that is made up, so that a test shows a plugin of an older contract at work beside one of the newest.
#[cfg(test)]
pub const CONTRACTS: &[&str] = &[CONTRACT, older::CONTRACT];

/// What a plugin exports, before its contract's version.
pub(super) const LIFECYCLE: &str = "windlass:plugin/lifecycle@";

/// Lets plugins of every contract find what they import. Each name has its contract's version in it, so they are side by side.
pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    Step::add_to_linker::<State, HasSelf<State>>(linker, |state| state)?;
    #[cfg(test)]
    older::link(linker)?;
    Ok(())
}

/// That a component has the names of the contract and not its types.
pub(super) fn another_world(error: &wasmtime::Error) -> Problem {
    Problem::new(Code::PluginInvalid, "the plugin cannot be used")
        .because(format!("it was built for a world that is not that of contract {}", CONTRACT))
        .because(format!("{error:#}"))
        .with_note("nothing was run")
        .with_hint(
            "build it against the `step.wit` of this Windlass: `windlass plugin new` writes it into each project, as \
             `windlass-sdk/wit/v0.1.0/step.wit`",
        )
}

/// A component that is linked, by its contract.
pub(super) enum Prepared {
    V0_1(StepPre<State>),
    #[cfg(test)]
    Older(older::StepPre<State>),
}

/// An instance of one.
pub(super) enum Instance {
    V0_1(Step),
    #[cfg(test)]
    Older(older::Step),
}

/// What a function of a plugin's answers.
type Answer<T> = wasmtime::Result<Result<T, Failure>>;

impl Prepared {
    /// A component, ready to be instantiated any number of times.
    pub(super) fn new(linker: &Linker<State>, component: &Component) -> wasmtime::Result<Self> {
        let linked = linker.instantiate_pre(component)?;
        #[cfg(test)]
        if component.get_export_index(None, format!("{LIFECYCLE}{}", older::CONTRACT)).is_some() {
            return older::StepPre::new(linked).map(Self::Older);
        }
        StepPre::new(linked).map(Self::V0_1)
    }

    pub(super) fn component(&self) -> &Component {
        match self {
            Self::V0_1(pre) => pre.instance_pre().component(),
            #[cfg(test)]
            Self::Older(pre) => pre.instance_pre().component(),
        }
    }

    pub(super) async fn instantiate(&self, store: &mut Store<State>) -> wasmtime::Result<Instance> {
        match self {
            Self::V0_1(pre) => {
                let instance = pre.instance_pre().instantiate_async(&mut *store).await?;
                // What is exported is held to the contract's types only here.
                match Step::new(&mut *store, &instance) {
                    Ok(step) => Ok(Instance::V0_1(step)),
                    Err(error) => store.data_mut().end(another_world(&error)),
                }
            }
            #[cfg(test)]
            Self::Older(pre) => pre.instantiate_async(store).await.map(Instance::Older),
        }
    }
}

impl Instance {
    pub(super) async fn describe(&self, store: &mut Store<State>) -> wasmtime::Result<Description> {
        match self {
            Self::V0_1(step) => step.windlass_plugin_lifecycle().call_describe(store).await,
            #[cfg(test)]
            Self::Older(step) => older::describe(step, store).await,
        }
    }

    pub(super) async fn requires(&self, store: &mut Store<State>, config: &str) -> Answer<Vec<Capability>> {
        match self {
            Self::V0_1(step) => step.windlass_plugin_lifecycle().call_requires(store, config).await,
            #[cfg(test)]
            Self::Older(step) => step.windlass_plugin_lifecycle().call_requires(store, config).await,
        }
    }

    pub(super) async fn plan(&self, store: &mut Store<State>, config: &str) -> Answer<Vec<Intent>> {
        match self {
            Self::V0_1(step) => step.windlass_plugin_lifecycle().call_plan(store, config).await,
            #[cfg(test)]
            Self::Older(step) => step.windlass_plugin_lifecycle().call_plan(store, config).await,
        }
    }

    pub(super) async fn apply(&self, store: &mut Store<State>, config: &str) -> Answer<Outcome> {
        match self {
            Self::V0_1(step) => step.windlass_plugin_lifecycle().call_apply(store, config).await,
            #[cfg(test)]
            Self::Older(step) => step.windlass_plugin_lifecycle().call_apply(store, config).await,
        }
    }

    pub(super) async fn probe(&self, store: &mut Store<State>, config: &str, records: &[String]) -> Answer<Verdict> {
        match self {
            Self::V0_1(step) => step.windlass_plugin_lifecycle().call_probe(store, config, records).await,
            // It has no such function, and so no answer either.
            #[cfg(test)]
            Self::Older(_) => Ok(Ok(Verdict::Unknown)),
        }
    }

    pub(super) async fn revert(&self, store: &mut Store<State>, config: &str, records: &[String]) -> Answer<Outcome> {
        match self {
            Self::V0_1(step) => step.windlass_plugin_lifecycle().call_revert(store, config, records).await,
            #[cfg(test)]
            Self::Older(step) => step.windlass_plugin_lifecycle().call_revert(store, config, records).await,
        }
    }
}
