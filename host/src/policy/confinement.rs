//! Whether programs are held to what was accepted, beyond their name and arguments.

use super::{Capability, Ports};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whether programs are held to the files and ports that were accepted for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Confinement {
    /// Where the system can; where it cannot, the plan says so.
    #[default]
    WherePossible,
    /// Always: where the system cannot, nothing is run.
    Required,
    /// Never.
    Off,
}

/// What a step's programs have to be held to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// Also to ports, and not to files alone.
    pub ports: bool,
}

impl Held {
    /// What these capabilities say; none where no program is held to anything.
    pub fn of<'a>(capabilities: impl IntoIterator<Item = &'a Capability>) -> Option<Self> {
        let held = capabilities.into_iter().filter_map(|capability| match capability {
            Capability::Exec(exec) if !exec.is_unconfined() => Some(exec.connects != Ports::ANY),
            _ => None,
        });
        held.reduce(|one, other| one || other).map(|ports| Self { ports })
    }
}
