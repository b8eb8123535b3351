//! The shape of `cases.toml`. The doc comments of the keys are what errors say of them.

use crate::config::Duration;
use crate::event::{RunOutcome, Severity, StepOutcome, Verdict};
use crate::plugin::{Effect, Function};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// A file of cases.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Document {
    /// The cases, in order.
    #[serde(rename = "case")]
    pub(super) cases: Vec<Case>,
}

/// One case: what a plugin is given, and what has to come of it.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Case {
    /// What the case shows, in one line; unique in the file.
    pub name: String,
    /// The functions that are called, in order. Left out, it is `plan`, and `apply` where `plan` has something to do.
    pub call: Option<Vec<Called>>,
    /// The step's `with`.
    #[serde(default)]
    pub config: Map<String, Value>,
    /// What is granted, in lines as `deploy.lock` has them. Left out, it is all that the plugin asks for, but never in the world.
    pub granted: Option<Vec<Map<String, Value>>>,
    /// Secrets by name, with values that are made up.
    #[serde(default)]
    pub secrets: BTreeMap<String, String>,
    /// The job's environment variables.
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
    /// What earlier steps put out, by their ids.
    #[serde(default)]
    pub outputs: BTreeMap<String, BTreeMap<String, String>>,
    /// What the step has kept before.
    #[serde(default)]
    pub state: BTreeMap<String, String>,
    /// The records that `probe` and `revert` get; those of an `apply` before them are added.
    #[serde(default)]
    pub records: Vec<Value>,
    /// What is being deployed, and where.
    #[serde(default)]
    pub deployment: DeploymentValues,
    /// How long one call may take.
    #[schemars(extend("default" = "10s"))]
    pub timeout: Option<Duration>,
    /// The project's files: a text, or `{ from = "FILE" }`.
    #[serde(default)]
    pub files: BTreeMap<String, GivenFile>,
    /// SQLite files.
    #[serde(default)]
    pub database: Vec<GivenDatabase>,
    /// Canned answers to requests, each given once unless it says `times`.
    #[serde(default)]
    pub http: Vec<CannedRequest>,
    /// Canned results of commands, each given once unless it says `times`.
    #[serde(default)]
    pub command: Vec<CannedCommand>,
    /// What comes of looking at a port.
    #[serde(default)]
    pub tcp_probe: Vec<CannedProbe>,
    /// What has to come of it.
    #[serde(default)]
    pub expect: Expect,
}

impl Case {
    /// Whether it has canned answers, and so is played without the world also where it is recorded.
    pub(super) const fn has_answers(&self) -> bool {
        !(self.http.is_empty() && self.command.is_empty() && self.tcp_probe.is_empty())
    }
}

/// A function of the plugin's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Called {
    /// What would it do?
    Plan,
    /// Do it.
    Apply,
    /// What became of an `apply` that was cut off?
    Probe,
    /// Take it back.
    Revert,
}

impl Called {
    /// All of them.
    pub(super) const ALL: [Self; 4] = [Self::Plan, Self::Apply, Self::Probe, Self::Revert];

    /// As the runtime has it.
    pub(super) const fn function(self) -> Function {
        match self {
            Self::Plan => Function::Plan,
            Self::Apply => Function::Apply,
            Self::Probe => Function::Probe,
            Self::Revert => Function::Revert,
        }
    }

    /// Its name.
    pub(super) const fn name(self) -> &'static str {
        self.function().name()
    }
}

/// What is being deployed, and where.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct DeploymentValues {
    /// The app's name.
    #[schemars(extend("default" = "app"))]
    pub app: Option<String>,
    /// The environment's name.
    #[schemars(extend("default" = "test"))]
    pub environment: Option<String>,
    /// The component, where one is deployed by itself.
    pub component: Option<String>,
    /// The environment's URL.
    pub url: Option<String>,
    /// The commit, in full.
    pub commit: Option<String>,
    /// The branch or tag.
    pub reference: Option<String>,
    /// Who started it.
    pub actor: Option<String>,
    /// The version that is being released.
    #[schemars(extend("default" = "1.0.0"))]
    pub version: Option<String>,
    /// The run's id. It is empty in `plan` all the same.
    #[schemars(extend("default" = "test-run"))]
    pub run: Option<String>,
    /// Which attempt this is, from 1.
    pub attempt: Option<u32>,
    /// Where a person can watch.
    pub log_url: Option<String>,
    /// What is live now.
    pub live: Option<LiveValues>,
    /// How the run came out, for steps in `[[finally]]`; none while it is going on.
    pub status: Option<Status>,
    /// Why it failed.
    pub problem: Option<String>,
    /// The run's steps.
    #[serde(default)]
    pub steps: Vec<StepValues>,
}

/// How a run came out.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    Running,
    Succeeded,
    Failed,
    RolledBack,
    RollbackFailed,
    Cancelled,
}

impl Status {
    pub(super) const fn outcome(self) -> Option<RunOutcome> {
        Some(match self {
            Self::Running => return None,
            Self::Succeeded => RunOutcome::Succeeded,
            Self::Failed => RunOutcome::Failed,
            Self::RolledBack => RunOutcome::RolledBack,
            Self::RollbackFailed => RunOutcome::RollbackFailed,
            Self::Cancelled => RunOutcome::Cancelled,
        })
    }
}

/// The release that is live.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LiveValues {
    /// The run that made it live.
    #[serde(default)]
    pub run: String,
    /// Its commit.
    pub commit: String,
    /// Its version.
    pub version: String,
    /// When that run ended, as RFC 3339 in UTC.
    #[serde(default)]
    pub at: String,
}

/// A step of the run.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StepValues {
    /// Its id.
    pub id: String,
    /// Its plugin's name.
    pub plugin: String,
    /// How it came out so far, for example `succeeded` or `not-run`.
    #[schemars(with = "String")]
    pub outcome: StepOutcome,
}

/// A file of the project.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum GivenFile {
    /// Its text. One that begins with `#!` is executable.
    Text(String),
    /// As another file, relative to the case file.
    From(Another),
}

/// Another file.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Another {
    /// The file, relative to the case file.
    pub from: String,
}

/// A SQLite file.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GivenDatabase {
    /// The file, relative to the project.
    pub path: String,
    /// Statements that make what is in it.
    pub sql: Option<String>,
    /// A file to begin with, relative to the case file.
    pub from: Option<String>,
}

/// A request, and what is answered.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CannedRequest {
    /// The method, in upper case.
    #[serde(default = "get")]
    #[schemars(extend("default" = "GET"))]
    pub method: String,
    /// The whole URL, with its query.
    pub url: String,
    /// Headers that have to be there, with secrets put in. Others are not looked at.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The body; left out, it is not looked at.
    pub body: Option<String>,
    /// The body as JSON; left out, it is not looked at.
    pub json: Option<Value>,
    /// How often it is answered.
    #[serde(default = "once")]
    #[schemars(extend("default" = 1))]
    pub times: u32,
    /// What is answered.
    #[serde(default)]
    pub answer: RequestAnswer,
}

fn get() -> String {
    "GET".into()
}

const fn once() -> u32 {
    1
}

/// An answer to a request.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestAnswer {
    /// The status.
    #[schemars(extend("default" = 200))]
    pub status: Option<u16>,
    /// The headers.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: Option<String>,
    /// The body as JSON.
    pub json: Option<Value>,
    /// Nobody answers, for this reason.
    pub error: Option<NoAnswer>,
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NoAnswer {
    Dns,
    ConnectionRefused,
    TimedOut,
    Unreachable,
    Tls,
    Closed,
}

/// A command, and how it ends.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CannedCommand {
    /// The program, as the plugin names it.
    pub program: String,
    /// All of its arguments.
    #[serde(default)]
    pub arguments: Vec<String>,
    /// The working directory; left out, it is not looked at.
    pub directory: Option<String>,
    /// Variables that it has to get, with secrets put in. Others are not looked at.
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
    /// What it has to read on its standard input; left out, it is not looked at.
    pub input: Option<String>,
    /// How often it is answered.
    #[serde(default = "once")]
    #[schemars(extend("default" = 1))]
    pub times: u32,
    /// How it ends.
    #[serde(default)]
    pub answer: CommandAnswer,
}

/// How a command ends.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CommandAnswer {
    /// Its exit code; `0` where nothing is said.
    #[schemars(extend("default" = 0))]
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Whether its own timeout ended it.
    #[serde(default)]
    pub timed_out: bool,
    /// What it writes to standard output.
    #[serde(default)]
    pub stdout: String,
    /// What it writes to standard error.
    #[serde(default)]
    pub stderr: String,
    /// There is no such program.
    #[serde(default)]
    pub missing: bool,
}

/// A port, and what comes of looking at it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CannedProbe {
    /// Its host.
    pub host: String,
    /// Its number.
    pub port: u16,
    /// How often it is answered.
    #[serde(default = "once")]
    #[schemars(extend("default" = 1))]
    pub times: u32,
    /// What comes of it.
    pub answer: ProbeAnswer,
}

/// What comes of looking at a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ProbeAnswer {
    Open,
    Dns,
    ConnectionRefused,
    TimedOut,
    Unreachable,
}

/// What has to come of a case. What is not said is not looked at; but a failure or a denial that is not said fails the case.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// The configuration does not fit the plugin's schema, and the errors have this text in them. Nothing is called then.
    pub refused: Option<String>,
    /// What the plugin asks for.
    pub requires: Option<ExpectRequires>,
    /// What comes of `plan`.
    pub plan: Option<ExpectCall>,
    /// What comes of `apply`.
    pub apply: Option<ExpectCall>,
    /// What comes of `probe`.
    pub probe: Option<ExpectCall>,
    /// What comes of `revert`.
    pub revert: Option<ExpectCall>,
    /// The records that `apply` leaves, all of them.
    pub records: Option<Vec<Value>>,
    /// What the step has kept at the end, all of it.
    pub state: Option<BTreeMap<String, String>>,
    /// Files afterwards: a text, `false` for none, or `{ sha256 = "…" }`. Others are not looked at.
    #[serde(default)]
    pub files: BTreeMap<String, ExpectFile>,
    /// What is in SQLite files afterwards.
    #[serde(default)]
    pub database: Vec<ExpectDatabase>,
}

impl Expect {
    /// What is expected of a function.
    pub(super) const fn of(&self, called: Called) -> Option<&ExpectCall> {
        match called {
            Called::Plan => self.plan.as_ref(),
            Called::Apply => self.apply.as_ref(),
            Called::Probe => self.probe.as_ref(),
            Called::Revert => self.revert.as_ref(),
        }
    }
}

/// What a plugin asks for.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExpectRequires {
    /// All of it, in lines as `deploy.lock` has them.
    pub capabilities: Option<Vec<Map<String, Value>>>,
    /// It cannot say, for this reason.
    pub failure: Option<ExpectFailure>,
}

/// What comes of a call.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ExpectCall {
    /// What `plan` means to do, all of it.
    pub intents: Option<Vec<ExpectIntent>>,
    /// What `apply` or `revert` says of what it did, in one line.
    pub outcome: Option<String>,
    /// What `apply` or `revert` puts out, all of it.
    pub outputs: Option<BTreeMap<String, String>>,
    /// What `apply` or `revert` saw, all of it.
    pub findings: Option<Vec<ExpectFinding>>,
    /// What `probe` found out.
    #[schemars(with = "Option<VerdictWord>")]
    pub verdict: Option<Verdict>,
    /// It fails, for this reason.
    pub failure: Option<ExpectFailure>,
    /// It crashes, with this text in what is said of that.
    pub trap: Option<String>,
    /// It takes too long.
    #[serde(default)]
    pub timed_out: bool,
    /// The lines of its log, all of them: `info: …` of what it says, and the bare line of what it or its programs print.
    pub log: Option<Vec<String>>,
    /// What was allowed and done, all of it.
    pub used: Option<Vec<String>>,
    /// What was denied, all of it.
    pub denied: Option<Vec<String>>,
}

/// What `probe` may find out.
#[derive(JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(dead_code, reason = "only its schema is used")]
enum VerdictWord {
    Done,
    Partly,
    NotDone,
    Unknown,
}

/// One intent.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExpectIntent {
    /// Its id.
    pub id: String,
    /// What it does to the world: `reads`, `checks`, `changes`, `irreversible` or `unknown`.
    #[schemars(with = "Option<String>")]
    pub effect: Option<Effect>,
    /// One line for a person.
    pub summary: Option<String>,
    /// More for a person.
    pub detail: Option<String>,
}

/// One finding.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExpectFinding {
    /// How much it matters: `notice`, `warning` or `error`.
    #[schemars(with = "Option<String>")]
    pub severity: Option<Severity>,
    /// Its word for programs.
    pub code: String,
    /// What was seen.
    pub message: Option<String>,
    /// In which file.
    pub file: Option<String>,
    /// In which line.
    pub line: Option<u32>,
}

/// A failure. What is not said is not looked at.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExpectFailure {
    /// Whose fault it is.
    pub kind: Option<FailureKind>,
    /// Its word for programs.
    pub code: Option<String>,
    /// What could not be done.
    pub message: Option<String>,
    /// Why, all of it.
    pub causes: Option<Vec<String>>,
    /// What helps.
    pub hint: Option<String>,
    /// The state of the world.
    pub note: Option<String>,
}

/// Whose fault a failure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    CheckFailed,
    Misconfigured,
    Unavailable,
    Denied,
    Bug,
}

/// A file afterwards.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum ExpectFile {
    /// Its text.
    Text(String),
    /// `false`: it is not there; `true`: it is.
    There(bool),
    /// Its digest.
    Digest(ExpectDigest),
}

/// A file's digest.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExpectDigest {
    /// Its SHA-256, in hex.
    pub sha256: String,
}

/// What is in a SQLite file.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExpectDatabase {
    /// The file, relative to the project.
    pub path: String,
    /// What is asked of it.
    pub query: String,
    /// The rows of the answer, each with `|` between its values.
    pub rows: Vec<String>,
}
