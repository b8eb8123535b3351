//! A contract that was never released, older than the first: what a module for a contract that is not the newest looks like, and
//! the proof that a plugin of one is loaded, planned, run and taken back beside those of the newest.
//!
//! It has fewer interfaces, no `probe`, a description without a summary, and no level of the log below `info`.

use super::Description;
use crate::plugin::bindings::windlass::plugin as newest;
use crate::plugin::host::State;
use wasmtime::Store;
use wasmtime::component::{HasSelf, Linker};

use bindings::windlass::plugin::{log, record};
pub(super) use bindings::{Step, StepPre};

/// Its version.
pub(super) const CONTRACT: &str = "0.0.9";

mod bindings {
    wasmtime::component::bindgen!({
        path: "../tests/guests/older/wit",
        world: "step",
        imports: { default: async | trappable },
        exports: { default: async },
        with: { "windlass:plugin/types": crate::plugin::bindings::windlass::plugin::types },
    });
}

/// What it imports. Its types are the newest contract's, and have nothing to link.
pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    log::add_to_linker::<State, HasSelf<State>>(linker, |state| state)?;
    record::add_to_linker::<State, HasSelf<State>>(linker, |state| state)
}

pub(super) async fn describe(step: &Step, store: &mut Store<State>) -> wasmtime::Result<Description> {
    let said = step.windlass_plugin_lifecycle().call_describe(store).await?;
    let summary = "A plugin of an older contract.".to_owned();
    Ok(Description { name: said.name, version: said.version, summary, config_schema: said.config_schema })
}

impl log::Host for State {
    async fn write(&mut self, level: log::Level, message: String) -> wasmtime::Result<()> {
        let level = match level {
            log::Level::Info => newest::log::Level::Info,
            log::Level::Error => newest::log::Level::Error,
        };
        newest::log::Host::write(self, level, message).await
    }
}

impl record::Host for State {
    async fn append(&mut self, json: String) -> wasmtime::Result<Result<(), newest::types::Failure>> {
        newest::record::Host::append(self, json).await
    }
}

mod tests {
    use super::CONTRACT;
    use crate::event::{Level, ReportItem, Verdict};
    use crate::network::{Client, Proxies, Trust};
    use crate::plugin::{
        Answer, Call, Deployment, EffectKey, Function, Limits, Plugin, Plugins, Services, Stop, Surroundings,
    };
    use crate::policy::{Gate, Phase};
    use crate::problem::Problem;
    use std::path::Path;
    use std::sync::{Arc, Mutex};

    /// Remembers what it is told.
    #[derive(Debug, Default)]
    struct Told(Mutex<Vec<String>>);

    impl Told {
        fn add(&self, text: String) {
            self.0.lock().expect("no panic").push(text);
        }
    }

    impl Surroundings for Told {
        fn deployment(&self) -> Deployment {
            unreachable!("the older contract has no such interface")
        }

        fn effect(&self) -> Option<EffectKey> {
            None
        }

        fn output(&self, _: &str, _: &str) -> Option<String> {
            None
        }

        fn append_record(&self, record: serde_json::Value) -> Result<(), Problem> {
            self.add(format!("record {record}"));
            Ok(())
        }

        fn state(&self, _: &str) -> Option<String> {
            None
        }

        fn set_state(&self, _: &str, _: &str) -> Result<(), Problem> {
            Ok(())
        }

        fn log(&self, level: Level, message: &str) {
            self.add(format!("{level:?} {message}"));
        }

        fn write(&self, _: &[u8]) {}

        fn progress(&self, _: &str, _: Option<u64>, _: Option<u64>) {}

        fn report(&self, _: ReportItem) {}
    }

    async fn call(plugin: &Plugin, function: Function, phase: Phase, told: &Arc<Told>) -> Answer {
        let call = Call {
            function,
            config: "{\"name\":\"x\"}",
            records: &["{\"made\":\"x\"}".to_owned()],
            gate: Gate::new(&[], phase),
            limits: Limits::default(),
            surroundings: told.clone(),
            services: Arc::new(Services::default()),
            stop: Stop::never(),
        };
        plugin.call(call).await.0.expect("an answer")
    }

    #[tokio::test]
    async fn a_plugin_of_an_older_contract_works_beside_one_of_the_newest() {
        let plugins = Plugins::new(Client::new(Trust::default(), Proxies::default()));
        let load = async |name: &str| {
            let file = e2e::guest(name);
            plugins.load_file(&file.to_string_lossy(), Path::new(""), |_| Ok(())).await.expect("loaded")
        };
        let newest = load("noop").await;
        let older = load("older").await;
        assert_eq!((newest.contract().as_str(), older.contract().as_str()), (super::super::CONTRACT, CONTRACT));
        assert_eq!((older.name(), older.version()), ("older", "3.1.4"));
        assert_eq!(older.requires("{\"name\":\"x\"}").await.expect("capabilities"), []);
        let told = Arc::new(Told::default());
        let Answer::Intents(intents) = call(&older, Function::Plan, Phase::Plan, &told).await else { panic!("a plan") };
        assert_eq!(intents[0].summary, "make x");
        let Answer::Outcome(outcome) = call(&older, Function::Apply, Phase::Apply, &told).await else {
            panic!("an outcome")
        };
        assert_eq!(outcome.summary, "made x");
        let Answer::Outcome(outcome) = call(&older, Function::Revert, Phase::Revert, &told).await else {
            panic!("an outcome")
        };
        assert_eq!(outcome.summary, "took back {\"made\":\"x\"}");
        assert_eq!(call(&older, Function::Probe, Phase::Plan, &told).await, Answer::Verdict(Verdict::Unknown));
        assert_eq!(*told.0.lock().expect("no panic"), ["record {\"made\":\"x\"}", "Info made x"]);
    }
}
