//! What a plugin reaches: the host's side of the contract, one file per interface group.
//!
//! Each function asks the [`Gate`] first. What comes from the run (deployment, records, state, log) comes through
//! [`Surroundings`]; what every call of a run has in common is in [`Services`].

mod database;
mod files;
pub(super) mod limits;
mod network;
mod output;
mod process;
mod reflection;
mod run;
pub(super) mod wasi;
mod watch;

#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub use database::OpenConnection;
pub use run::{Deployment, LiveRelease, StepState};
pub(super) use watch::link;

use super::bindings::windlass::plugin::types as wit;
use super::call::{Function, Limits};
use super::outside::Outside;
use super::stop::{Children, Stop};
use crate::event::{Level, ReportItem};
use crate::policy::{ASKED, Access, Confinement, Denial, Gate, Phase, Question};
use crate::problem::Problem;
use crate::secret::{Placeholders, Redactor, Secrets};
use output::Output;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

/// On which effect of which run a call is at work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EffectKey {
    /// The run's id.
    pub run: String,
    /// The step's id.
    pub step: String,
    /// From 1.
    pub attempt: u32,
}

/// What a call sees of the run that it is part of. Texts that reach it are redacted already.
pub trait Surroundings: std::fmt::Debug + Send + Sync {
    /// What is being deployed, where, and what is there now.
    fn deployment(&self) -> Deployment;
    /// What the call is at work on; none while planning, which has no effect.
    fn effect(&self) -> Option<EffectKey>;
    /// The output of an earlier step.
    fn output(&self, step: &str, name: &str) -> Option<String>;
    /// Keep a record of the effect that is about to come. On disk when it returns.
    ///
    /// # Errors
    /// The journal cannot be written: the call is ended.
    fn append_record(&self, record: serde_json::Value) -> Result<(), Problem>;
    /// A value of the step's state.
    fn state(&self, key: &str) -> Option<String>;
    /// Keep a value of the step's state. On disk when it returns.
    ///
    /// # Errors
    /// The journal cannot be written: the call is ended.
    fn set_state(&self, key: &str, value: &str) -> Result<(), Problem>;
    /// A message for the log.
    fn log(&self, level: Level, message: &str);
    /// What a child or the guest itself wrote, as it comes.
    fn write(&self, bytes: &[u8]);
    /// How far the step is.
    fn progress(&self, message: &str, done: Option<u64>, total: Option<u64>);
    /// Something for the run's report.
    fn report(&self, item: ReportItem);
}

/// What every call of a run has in common.
#[derive(Debug, Clone, Default)]
pub struct Services {
    /// The directory that holds `deploy.toml`.
    pub project: PathBuf,
    /// The secrets of the run.
    pub secrets: Secrets,
    /// What takes them out of texts.
    pub redactor: Redactor,
    /// The job's environment, read once, without what is a secret.
    pub environment: std::collections::BTreeMap<String, String>,
    /// What sends the guests' requests.
    pub client: crate::network::Client,
    /// Whether programs are held to what was accepted for them.
    pub confinement: Confinement,
    /// Where requests, programs and probes go that were allowed.
    pub outside: Outside,
}

/// The call was told to stop while it waited for a child, which has ended.
#[derive(Debug)]
pub(super) struct Stopped;

impl std::fmt::Display for Stopped {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("the call was told to stop")
    }
}

impl std::error::Error for Stopped {}

/// Something ended the call for a reason that is not the guest's.
#[derive(Debug)]
struct Ended;

impl std::fmt::Display for Ended {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("the host ended the call")
    }
}

impl std::error::Error for Ended {}

/// What the store of one call holds.
pub(super) struct State {
    table: ResourceTable,
    wasi: WasiCtx,
    /// The trees on disk that the guest may change.
    writable: Vec<PathBuf>,
    http: wasmtime_wasi_http::WasiHttpCtx,
    egress: network::Egress,
    limiter: limits::Limiter,
    gate: Arc<Mutex<Gate>>,
    placeholders: Arc<Mutex<Placeholders>>,
    places: watch::Places,
    output: Arc<Mutex<Output>>,
    surroundings: Option<Arc<dyn Surroundings>>,
    services: Arc<Services>,
    function: Option<Function>,
    plugin: String,
    stop: Stop,
    children: Children,
    fatal: Option<Problem>,
    /// What is left of [`KEPT`].
    kept: usize,
    /// What is left of [`REPORTED`].
    reported: usize,
    /// What is left of [`TOLD`].
    told: usize,
    /// What was said to the log, once.
    said: std::collections::BTreeSet<&'static str>,
}

/// The most that one call may put into the journal as records and state, in bytes.
const KEPT: usize = 64 << 20;
/// The most that one call may put into the run's report, in bytes.
const REPORTED: usize = 1 << 20;
/// The most that one call may say of its progress, in bytes.
const TOLD: usize = 4 << 20;

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    /// For `plan`, `apply`, `probe` and `revert`.
    pub(super) fn new(
        gate: Gate,
        limits: &Limits,
        surroundings: Arc<dyn Surroundings>,
        services: Arc<Services>,
        function: Function,
        plugin: &str,
        stop: Stop,
    ) -> Result<Self, Problem> {
        let state = Self::make(gate, limits, Some(surroundings), services, Some(function), plugin)?;
        Ok(Self { stop, ..state })
    }

    /// For `describe` and `requires`, which have no host.
    pub(super) fn without_host(limits: &Limits) -> Result<Self, Problem> {
        Self::make(Gate::new(&[], Phase::Plan), limits, None, Arc::default(), None, "")
    }

    fn make(
        gate: Gate,
        may_use: &Limits,
        surroundings: Option<Arc<dyn Surroundings>>,
        services: Arc<Services>,
        function: Option<Function>,
        plugin: &str,
    ) -> Result<Self, Problem> {
        let redactor = services.redactor.clone();
        let mut gate = gate.in_words(move |text| redactor.redact_within(text, ASKED).into_owned());
        let output = Arc::new(Mutex::new(Output::new(may_use.output, surroundings.clone(), services.redactor.clone())));
        let (wasi, writable) = files::context(&mut gate, &services, &output)?;
        let gate = Arc::new(Mutex::new(gate));
        let placeholders = Arc::<Mutex<Placeholders>>::default();
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits::RESOURCES);
        let mut http = wasmtime_wasi_http::WasiHttpCtx::new();
        http.set_field_size_limit(limits::HEADERS);
        Ok(Self {
            table,
            wasi,
            writable,
            http,
            egress: network::Egress::new(gate.clone(), placeholders.clone(), output.clone(), &services),
            limiter: limits::Limiter::new(may_use.memory),
            gate,
            placeholders,
            places: watch::Places::default(),
            output,
            surroundings,
            services,
            function,
            plugin: plugin.to_owned(),
            stop: Stop::never(),
            children: Children::default(),
            fatal: None,
            kept: KEPT,
            reported: REPORTED,
            told: TOLD,
            said: std::collections::BTreeSet::new(),
        })
    }

    pub(super) fn gate(&self) -> Arc<Mutex<Gate>> {
        self.gate.clone()
    }

    /// When the call is told to stop, and what it waits for.
    pub(super) fn stop(&self) -> (Stop, Children) {
        (self.stop.clone(), self.children.clone())
    }

    /// Hand on what the log still holds back.
    pub(super) fn finish(&mut self) {
        locked(&self.output).finish();
    }

    /// Why the host ended the call, if it did.
    pub(super) fn take_fatal(&mut self) -> Option<Problem> {
        self.fatal.take()
    }

    /// The last error that the plugin logged, which is what its panic hook says.
    pub(super) fn take_last_words(&mut self) -> Option<String> {
        locked(&self.output).take_last_error()
    }

    /// End the call: nothing may happen after this problem.
    pub(super) fn end<T>(&mut self, problem: Problem) -> wasmtime::Result<T> {
        self.fatal = Some(problem);
        Err(wasmtime::Error::new(Ended))
    }

    fn ask(&self, question: &Question<'_>) -> Result<crate::policy::Capability, wit::Failure> {
        locked(&self.gate).ask(question).map_err(|denial| self.denied(&denial))
    }

    fn denied(&self, denial: &Denial) -> wit::Failure {
        wit::Failure {
            kind: wit::FailureKind::Denied,
            code: "denied".into(),
            message: format!("plugin `{}` was not allowed to {}", self.plugin, denial.asked),
            causes: vec![denial.because.clone()],
            // What it asks for is all accepted, or it would not have been called.
            hint: Some(
                "if it should be, the plugin has to ask for it in `requires`, for this phase; then run `windlass lock` and have the \
                 change to `deploy.lock` reviewed"
                    .into(),
            ),
            note: None,
        }
    }

    fn changes_nothing(&self) -> bool {
        !matches!(self.function, Some(Function::Apply | Function::Revert))
    }
}

/// A refusal that is the plugin's own fault.
fn broken_promise(code: &str, message: impl Into<String>) -> wit::Failure {
    wit::Failure {
        kind: wit::FailureKind::Bug,
        code: code.into(),
        message: message.into(),
        causes: vec![],
        hint: Some("this is a bug in the plugin: mend it, or report it to its author".into()),
        note: None,
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl wasmtime_wasi_http::WasiHttpView for State {
    fn http(&mut self) -> wasmtime_wasi_http::WasiHttpCtxView<'_> {
        wasmtime_wasi_http::WasiHttpCtxView { hooks: &mut self.egress, table: &mut self.table, ctx: &mut self.http }
    }
}

impl wit::Host for State {}

/// Whether an access is for changing.
fn writes(access: Access) -> bool {
    access == Access::Write
}
