//! The two compilers and what they share.
//!
//! The optimising one (Cranelift) makes what the cache keeps. The quick one (Winch) serves a run that finds nothing in the
//! cache. Each has an engine and a linker of its own, made when first needed.

use super::contract::{self, Prepared};
use super::host::{State, wasi};
use crate::problem::{Code, Problem};
use std::hash::{Hash, Hasher};
use std::sync::OnceLock;
use std::time::Duration;
use wasmtime::component::{Component, Linker};
use wasmtime::{Config, Engine, Strategy};

/// How often a running guest lets the host look at the clock, and so how exact a `timeout` is.
const TICK: Duration = Duration::from_millis(10);

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compiler {
    /// For a run that cannot wait.
    Quick,
    /// Whose code the cache keeps.
    Optimising,
}

impl Compiler {
    /// In one word.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Quick => "quick",
            Self::Optimising => "optimising",
        }
    }

    /// The one of this word.
    pub(super) fn of(word: &str) -> Option<Self> {
        [Self::Quick, Self::Optimising].into_iter().find(|compiler| compiler.word() == word)
    }

    const fn strategy(self) -> Strategy {
        match self {
            Self::Quick => Strategy::Winch,
            Self::Optimising => Strategy::Cranelift,
        }
    }
}

/// A compiler with everything that instances made by it need.
pub(super) struct Runtime {
    pub(super) engine: Engine,
    linker: Linker<State>,
    ticking: OnceLock<()>,
}

/// Both compilers, each made when first needed.
#[derive(Default)]
pub(super) struct Runtimes {
    optimising: OnceLock<Runtime>,
    quick: OnceLock<Runtime>,
}

fn bug(what: &str, error: &wasmtime::Error) -> Problem {
    Problem::new(Code::Bug, what).because(format!("{error:#}"))
}

impl Runtimes {
    /// The compiler whose code the cache keeps.
    pub(super) fn optimising(&self) -> Result<&Runtime, Problem> {
        self.of(Compiler::Optimising)
    }

    /// One of the two.
    pub(super) fn of(&self, compiler: Compiler) -> Result<&Runtime, Problem> {
        let cell = match compiler {
            Compiler::Quick => &self.quick,
            Compiler::Optimising => &self.optimising,
        };
        get_or_make(cell, compiler.strategy())
    }
}

fn get_or_make(cell: &OnceLock<Runtime>, strategy: Strategy) -> Result<&Runtime, Problem> {
    if cell.get().is_none() {
        let runtime =
            Runtime::new(strategy).map_err(|error| bug("the WebAssembly engine cannot be started", &error))?;
        let _ = cell.set(runtime);
    }
    cell.get().ok_or_else(|| Problem::new(Code::Bug, "the WebAssembly engine is gone"))
}

/// What both compilers have in common, and what code that was compiled elsewhere has to agree with.
fn config(strategy: Strategy, target: &str) -> Config {
    let mut config = Config::new();
    // For unwinders of others, which never come by here: it would have to be registered each time that a plugin is loaded.
    // Windows insists on it.
    if !target.contains("windows") {
        config.native_unwind_info(false);
    }
    config.strategy(strategy).epoch_interruption(true).wasm_component_model(true);
    // A trap is shown by the names of functions, which are in the name section: no map from machine code to the component's
    // instructions, and no lines.
    config.generate_address_map(false).wasm_backtrace_details(wasmtime::WasmBacktraceDetails::Disable);
    config.wasm_backtrace_max_frames(Some(super::backtrace::KEPT));
    config
}

/// The optimising compiler for any machine of a target, which may be another one than this: no processor's own instructions
/// beyond what each has.
pub(super) fn ahead(target: &str) -> wasmtime::Result<Engine> {
    let mut config = config(Strategy::Cranelift, target);
    config.target(target)?.cranelift_opt_level(wasmtime::OptLevel::SpeedAndSize);
    Engine::new(&config)
}

/// A compiler alone, for a process that makes no instances.
pub(super) fn compiler_only(compiler: Compiler) -> wasmtime::Result<Engine> {
    Engine::new(&config(compiler.strategy(), env!("WINDLASS_TARGET")))
}

impl Runtime {
    fn new(strategy: Strategy) -> wasmtime::Result<Self> {
        let engine = Engine::new(&config(strategy, env!("WINDLASS_TARGET")))?;
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
        wasi::add_to_linker(&mut linker)?;
        super::host::link(&mut linker)?;
        wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
        contract::link(&mut linker)?;
        Ok(Self { engine, linker, ticking: OnceLock::new() })
    }

    /// A component, ready to be instantiated any number of times.
    pub(super) fn prepare(&self, component: &Component) -> wasmtime::Result<Prepared> {
        Prepared::new(&self.linker, component)
    }

    /// Let guests of this engine be interrupted from now on.
    pub(super) fn tick(&self) {
        self.ticking.get_or_init(|| {
            let engine = self.engine.weak();
            // A thread and not a task: a guest that never yields would keep a task from running.
            std::thread::spawn(move || {
                while let Some(engine) = engine.upgrade() {
                    engine.increment_epoch();
                    drop(engine);
                    std::thread::sleep(TICK);
                }
            });
        });
    }

    /// What compiled code depends on beside the component: wasmtime's version, its settings and the processor.
    pub(super) fn compatibility(&self) -> u64 {
        let mut hasher = std::hash::DefaultHasher::new();
        self.engine.precompile_compatibility_hash().hash(&mut hasher);
        hasher.finish()
    }
}
