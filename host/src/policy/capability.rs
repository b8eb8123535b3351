//! The kinds of capability, as `deploy.lock` writes them.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// When a capability may be used. Probing a cut-off step counts as planning: it looks and does not touch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// While the plan is made. Nothing may change.
    Plan,
    /// While the step does its work.
    Apply,
    /// While its work is taken back.
    Revert,
}

impl Phase {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Apply => "apply",
            Self::Revert => "revert",
        }
    }
}

/// A set of phases.
pub type Phases = BTreeSet<Phase>;

/// Whether a thing may be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// Look only.
    Read,
    /// Look and change. Narrowed to [`Access::Read`] while planning.
    Write,
}

/// TCP ports: `"any"`, or a list of them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Ports {
    /// These, and none where there are none.
    These(Vec<u16>),
    /// Every port.
    Any(AnyPort),
}

/// The word for every port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AnyPort {
    /// `any`.
    Any,
}

impl Ports {
    /// Every port.
    pub const ANY: Self = Self::Any(AnyPort::Any);

    /// Whether there is none.
    #[must_use]
    pub fn is_none(&self) -> bool {
        matches!(self, Self::These(ports) if ports.is_empty())
    }
}

impl Default for Ports {
    fn default() -> Self {
        Self::These(vec![])
    }
}

/// Run one program.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Exec {
    /// A name for the search path, or a path relative to the project (with a slash).
    pub program: String,
    /// A pattern per argument: a literal, `*` for any one, a last `**` for any number more.
    #[serde(default)]
    pub arguments: Vec<String>,
    /// Relative to the project.
    #[serde(default = "project", skip_serializing_if = "is_project")]
    pub directory: String,
    /// Variables passed on or set.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variables: Vec<String>,
    /// Toolchains whose homes and caches are passed on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub toolchains: Vec<String>,
    /// Whether what it leaves running may stay.
    #[serde(default, skip_serializing_if = "is_false")]
    pub background: bool,
    /// Trees that the program may change besides those that the step may: relative to the project, or absolute.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub writes: Vec<String>,
    /// The TCP ports that it may connect to.
    #[serde(default, skip_serializing_if = "Ports::is_none")]
    pub connects: Ports,
    /// When.
    pub phases: Phases,
}

/// Send HTTP requests to one host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Http {
    /// `https` or `http`.
    pub scheme: String,
    /// The exact name or address.
    pub host: String,
    /// The port.
    pub port: u16,
    /// In upper case.
    pub methods: Vec<String>,
    /// Exactly this path, or a prefix where it ends in `/`.
    pub path: String,
    /// `public`, `private`, `loopback` or a CIDR; none means `public`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<String>,
    /// When.
    pub phases: Phases,
}

/// Learn whether a port accepts connections.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct TcpProbe {
    /// The exact name or address.
    pub host: String,
    /// The port.
    pub port: u16,
    /// As in [`Http`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<String>,
    /// When.
    pub phases: Phases,
}

/// See one directory tree.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Directory {
    /// Relative to the project.
    pub path: String,
    /// Whether it may be changed.
    pub access: Access,
    /// When.
    pub phases: Phases,
}

/// Read one environment variable.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Environment {
    /// Its name.
    pub name: String,
    /// When.
    pub phases: Phases,
}

/// Use one database.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Database {
    /// The connection's name; without `url` also the name of the secret that holds the URL.
    pub name: String,
    /// A URL without a password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Whether it may be changed.
    pub access: Access,
    /// When.
    pub phases: Phases,
}

/// The one thing a secret is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "as", rename_all = "kebab-case", deny_unknown_fields)]
pub enum SecretUse {
    /// In a header of a request to this origin.
    Header {
        /// For example `https://slack.com`.
        origin: String,
    },
    /// As the URL of a request.
    Url {
        /// In upper case.
        methods: Vec<String>,
        /// As in [`Http`].
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        addresses: Vec<String>,
    },
    /// As the URL of the database connection of the same name.
    Database,
    /// As a variable of a child process.
    ChildVariable {
        /// The variable's name.
        variable: String,
        /// The one program that gets it, as [`Exec::program`] names it; none for each that is granted.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        program: Option<String>,
    },
}

/// Use one secret for one thing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Secret {
    /// Its name.
    pub name: String,
    /// What for.
    pub usage: SecretUse,
    /// When.
    pub phases: Phases,
}

/// One thing that a plugin asks for, and when.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Capability {
    /// Run one program.
    Exec(Exec),
    /// Send HTTP requests to one host.
    Http(Http),
    /// Learn whether a port accepts connections.
    TcpProbe(TcpProbe),
    /// See one directory tree.
    Directory(Directory),
    /// Read one environment variable.
    Environment(Environment),
    /// Use one database.
    Database(Database),
    /// Use one secret for one thing.
    Secret(Secret),
}

fn project() -> String {
    ".".into()
}

pub(super) fn is_project(directory: &str) -> bool {
    directory == "."
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_false(flag: &bool) -> bool {
    !*flag
}

impl Exec {
    /// Whether nothing holds the program back: it may change every file that its user may, and connect anywhere.
    #[must_use]
    pub fn is_unconfined(&self) -> bool {
        self.connects == Ports::ANY && self.writes.iter().any(|tree| tree == EVERYTHING)
    }
}

/// The tree that every other one is in.
pub const EVERYTHING: &str = "/";

impl Capability {
    /// When it may be used.
    #[must_use]
    pub fn phases(&self) -> &Phases {
        match self {
            Self::Exec(Exec { phases, .. })
            | Self::Http(Http { phases, .. })
            | Self::TcpProbe(TcpProbe { phases, .. })
            | Self::Directory(Directory { phases, .. })
            | Self::Environment(Environment { phases, .. })
            | Self::Database(Database { phases, .. })
            | Self::Secret(Secret { phases, .. }) => phases,
        }
    }

    /// The same in one phase, and good for these addresses too; none where it is not about addresses.
    pub(super) fn with_address(&self, word: String, phase: Phase) -> Option<Self> {
        let mut same = self.in_phases(&[phase].into());
        let addresses = match &mut same {
            Self::Http(Http { addresses, .. })
            | Self::TcpProbe(TcpProbe { addresses, .. })
            | Self::Secret(Secret { usage: SecretUse::Url { addresses, .. }, .. }) => addresses,
            _ => return None,
        };
        // Without a word the public ones are meant.
        if addresses.is_empty() {
            addresses.push("public".into());
        }
        addresses.push(word);
        Some(same)
    }

    /// The same, good for these phases.
    #[must_use]
    pub fn in_phases(&self, phases: &Phases) -> Self {
        let mut same = self.clone();
        match &mut same {
            Self::Exec(Exec { phases: old, .. })
            | Self::Http(Http { phases: old, .. })
            | Self::TcpProbe(TcpProbe { phases: old, .. })
            | Self::Directory(Directory { phases: old, .. })
            | Self::Environment(Environment { phases: old, .. })
            | Self::Database(Database { phases: old, .. })
            | Self::Secret(Secret { phases: old, .. }) => old.clone_from(phases),
        }
        same
    }
}

#[cfg(test)]
mod tests {
    use super::Capability;

    #[test]
    fn a_capability_survives_being_written_and_read() {
        let text = r#"{"kind":"exec","program":"cargo","arguments":["fetch","--locked"],"phases":["apply"]}"#;
        let capability = serde_json::from_str::<Capability>(text).expect("a capability");
        assert_eq!(serde_json::to_string(&capability).expect("JSON"), text);
        assert!(
            serde_json::from_str::<Capability>(r#"{"kind":"exec","program":"a","phases":[],"shell":true}"#).is_err()
        );
    }
}
