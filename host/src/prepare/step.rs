//! A step that is ready to be run: what it may do, and with which configuration.

use super::Facts;
use super::resolve::no_overlaps;
use crate::config::{Holes, Step, fill, fill_known};
use crate::lock::LockedStep;
use crate::plan::PlannedStep;
use crate::plugin::{Limits, Plugin};
use crate::policy::{Capability, Gate, Phase, SecretUse};
use crate::problem::{Code, Problem};
use crate::secret::Secrets;

/// A step that is ready to be run.
#[derive(Debug, Clone)]
pub struct PreparedStep {
    /// The step.
    pub step: Step,
    /// Its plugin.
    pub plugin: Plugin,
    /// What the lock accepts for it.
    pub locked: LockedStep,
    /// What it may do; of a deferred step, with holes for outputs.
    pub capabilities: Vec<Capability>,
    /// Its configuration as JSON, filled; none where it needs outputs that are not there yet.
    pub config: Option<String>,
}

impl PreparedStep {
    /// As it stands in the plan before it was asked what it would do.
    #[must_use]
    pub fn without_intents(&self, holes: &Holes) -> PlannedStep {
        let with = self
            .config
            .as_deref()
            .and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_else(|| fill_known(&self.step.with, holes));
        PlannedStep {
            id: self.step.id.as_str().to_owned(),
            plugin: self.plugin.locked_name(),
            digest: self.plugin.digest().to_owned(),
            with,
            capabilities: self.capabilities.clone(),
            intents: Vec::new(),
            usages: vec![],
            deferred: self.config.is_none(),
        }
    }

    /// The gate for one call of it.
    #[must_use]
    pub fn gate(&self, phase: Phase) -> Gate {
        Gate::new(&self.capabilities, phase)
    }

    /// The limits of one call of it, within what is left of the run.
    #[must_use]
    pub fn limits(&self, left: Option<std::time::Duration>) -> Limits {
        let time = self.step.timeout.get();
        Limits {
            time: left.map_or(time, |left| time.min(left)),
            output: self.step.output_limit.bytes(),
            ..Limits::default()
        }
    }

    /// Fill a deferred step, now that the outputs are there, and hold it against the lock once more.
    ///
    /// # Errors
    /// Where an output is still missing, or it now asks for more than it may.
    pub async fn fill_deferred(&mut self, facts: &Facts) -> Result<(), Problem> {
        let id = self.step.id.as_str();
        let with = fill(&self.step.with, &facts.holes).map_err(|unfilled| {
            Problem::new(Code::StepFailed, format!("step `{id}` uses an output that is not there")).because(unfilled)
        })?;
        let text = with.to_string();
        let capabilities = self
            .plugin
            .requires(&text)
            .await
            .map_err(|failure| failure.into_problem(&self.plugin.locked_name(), "requires"))?;
        let accepted = capabilities
            .iter()
            .try_for_each(Capability::check)
            .and_then(|()| no_overlaps(&capabilities))
            .and_then(|()| self.locked.accepts(&facts.subject.environment, id, &facts.holes, &capabilities));
        // Refused this late, it is a step that fails: others have been run already.
        accepted.map_err(|problem| Problem { code: Code::StepDenied, note: None, ..problem })?;
        self.capabilities = capabilities;
        self.config = Some(text);
        Ok(())
    }

    /// A secret that it needs in one of these phases and that is not set: a database's or a variable's. A header's or a
    /// URL's absence is the plugin's to handle.
    pub(super) fn missing_secret(&self, secrets: &Secrets, phases: &[Phase]) -> Option<&str> {
        self.capabilities.iter().find_map(|capability| match capability {
            Capability::Secret(secret)
                if matches!(secret.usage, SecretUse::Database | SecretUse::ChildVariable { .. })
                    && phases.iter().any(|phase| secret.phases.contains(phase))
                    && secrets.get(&secret.name).is_none() =>
            {
                Some(secret.name.as_str())
            }
            _ => None,
        })
    }
}
