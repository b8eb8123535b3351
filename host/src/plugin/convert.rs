//! Between the contract's words and ours.

use super::bindings::exports::windlass::plugin::lifecycle as exported;
use super::bindings::windlass::plugin::types as wit;
use super::call::{Effect, Intent, Outcome, Verdict};
use crate::event::{Finding, Severity};
use crate::policy::{
    Access, Capability, Database, Directory, Environment, Exec, Http, Phase, Phases, Ports, Secret, SecretUse, TcpProbe,
};
use crate::problem::{Code, Problem};
use crate::secret::Redactor;

/// Whose fault a failure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The check worked, and its answer is no.
    CheckFailed,
    /// The configuration or a file of the project is wrong.
    Misconfigured,
    /// Something needed did not answer or is not there.
    Unavailable,
    /// A capability was not granted.
    Denied,
    /// The plugin broke a promise.
    Bug,
}

impl Kind {
    /// Whether trying again may help.
    #[must_use]
    pub const fn may_pass(self) -> bool {
        matches!(self, Self::CheckFailed | Self::Unavailable)
    }
}

/// A plugin's failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Whose fault it is.
    pub kind: Kind,
    /// The plugin's word for it.
    pub code: String,
    /// What could not be done.
    pub message: String,
    /// Why.
    pub causes: Vec<String>,
    /// What helps.
    pub hint: Option<String>,
    /// The state of the world.
    pub note: Option<String>,
}

impl Failure {
    /// As a person is told of it.
    #[must_use]
    pub fn into_problem(self) -> Problem {
        let code = if self.kind == Kind::Denied { Code::StepDenied } else { Code::StepFailed };
        let is_missing = || std::iter::once(&self.message).chain(&self.causes).any(|said| says_missing(said));
        let hint = self.hint.clone().or_else(|| is_missing().then(|| UNSEEN.to_owned()));
        Problem {
            code,
            detail: Some(self.code),
            what: self.message,
            causes: self.causes,
            note: self.note,
            hint,
            place: None,
        }
    }
}

/// What helps where a file is there and a plugin does not see it: no call of the host's is made for that, so no denial says it.
const UNSEEN: &str =
    "a plugin sees only what a `directory` capability covers: if the file is there, `requires` has to ask for it";

/// Whether this is what the libraries of the languages say of a file that is not there: Rust's and Python's by the number that
/// WASI has for it, JavaScript's and C's in the words of their SDKs.
fn says_missing(said: &str) -> bool {
    ["(os error 44)", "[Errno 44]", "there is no such file"].iter().any(|words| said.contains(words))
}

/// A failure without secrets, and no longer than one may be.
pub(super) fn failure(failure: wit::Failure, redactor: &Redactor) -> Failure {
    let bounded = |text: String| redactor.redact_within(&text, TEXT).into_owned();
    let kind = match failure.kind {
        wit::FailureKind::CheckFailed => Kind::CheckFailed,
        wit::FailureKind::Misconfigured => Kind::Misconfigured,
        wit::FailureKind::Unavailable => Kind::Unavailable,
        wit::FailureKind::Denied => Kind::Denied,
        wit::FailureKind::Bug => Kind::Bug,
    };
    let wit::Failure { code, message, causes, hint, note, .. } = failure;
    Failure {
        kind,
        code: bounded(code),
        message: bounded(message),
        causes: causes.into_iter().take(CAUSES).map(bounded).collect(),
        hint: hint.map(bounded),
        note: note.map(bounded),
    }
}

/// The longest text of a failure, in bytes. It goes into the journal, and before a person.
const TEXT: usize = 64 << 10;
/// The most causes that a failure has.
const CAUSES: usize = 100;

pub(super) fn intent(intent: exported::Intent) -> Intent {
    let effect = match intent.effect {
        wit::Effect::Reads => Effect::Reads,
        wit::Effect::Checks => Effect::Checks,
        wit::Effect::Changes => Effect::Changes,
        wit::Effect::Irreversible => Effect::Irreversible,
        wit::Effect::Unknown => Effect::Unknown,
    };
    Intent { id: intent.id, summary: intent.summary, detail: intent.detail, effect }
}

pub(super) fn finding(finding: wit::Finding) -> Finding {
    let severity = match finding.severity {
        wit::Severity::Notice => Severity::Notice,
        wit::Severity::Warning => Severity::Warning,
        wit::Severity::Error => Severity::Error,
    };
    Finding { severity, code: finding.code, message: finding.message, file: finding.file, line: finding.line }
}

pub(super) fn outcome(outcome: exported::Outcome) -> Outcome {
    Outcome {
        summary: outcome.summary,
        outputs: outcome.outputs,
        findings: outcome.findings.into_iter().map(finding).collect(),
    }
}

pub(super) fn verdict(verdict: exported::Verdict) -> Verdict {
    match verdict {
        wit::Verdict::Done => Verdict::Done,
        wit::Verdict::Partly => Verdict::Partly,
        wit::Verdict::NotDone => Verdict::NotDone,
        wit::Verdict::Unknown => Verdict::Unknown,
    }
}

fn access(access: wit::Access) -> Access {
    match access {
        wit::Access::Read => Access::Read,
        wit::Access::Write => Access::Write,
    }
}

fn phases(flags: wit::Phases) -> Phases {
    [(wit::Phases::PLAN, Phase::Plan), (wit::Phases::APPLY, Phase::Apply), (wit::Phases::REVERT, Phase::Revert)]
        .into_iter()
        .filter(|(flag, _)| flags.contains(*flag))
        .map(|(_, phase)| phase)
        .collect()
}

pub(super) fn capability(capability: exported::Capability) -> Capability {
    let phases = phases(capability.phases);
    match capability.grant {
        wit::Grant::Exec(exec) => Capability::Exec(Exec {
            program: exec.program,
            arguments: exec.arguments,
            directory: exec.directory,
            variables: exec.variables,
            toolchains: exec.toolchains,
            background: exec.background,
            writes: exec.writes,
            connects: match exec.connects {
                wit::Ports::Any => Ports::ANY,
                wit::Ports::These(ports) => Ports::These(ports),
            },
            phases,
        }),
        wit::Grant::Http(http) => Capability::Http(Http {
            scheme: http.scheme,
            host: http.host,
            port: http.port,
            methods: http.methods,
            path: http.path,
            addresses: http.addresses,
            phases,
        }),
        wit::Grant::TcpProbe(probe) => {
            Capability::TcpProbe(TcpProbe { host: probe.host, port: probe.port, addresses: probe.addresses, phases })
        }
        wit::Grant::Directory(directory) => {
            Capability::Directory(Directory { path: directory.path, access: access(directory.access), phases })
        }
        wit::Grant::Environment(name) => Capability::Environment(Environment { name, phases }),
        wit::Grant::Database(database) => Capability::Database(Database {
            name: database.name,
            url: database.url,
            access: access(database.access),
            phases,
        }),
        wit::Grant::Secret(secret) => Capability::Secret(Secret {
            name: secret.name,
            usage: match secret.usage {
                wit::SecretUse::Header(origin) => SecretUse::Header { origin },
                wit::SecretUse::Url(url) => SecretUse::Url { methods: url.methods, addresses: url.addresses },
                wit::SecretUse::Database => SecretUse::Database,
                wit::SecretUse::ChildVariable(child) => {
                    SecretUse::ChildVariable { variable: child.variable, program: child.program }
                }
            },
            phases,
        }),
    }
}
