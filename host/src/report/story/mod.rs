//! The story of a run: one value, made of what its journal says and of nothing else, which is told in several forms. `read`
//! makes it; each form has a file of its own.
//!
//! Its texts are as they may be shown: the journal holds no secret, and what would colour or move something is taken out of them
//! here, once. What a form needs besides, such as escapes, is that form's.

mod html;
mod human;
mod junit;
mod markdown;
mod read;
#[cfg(test)]
mod tests;
mod text;
mod timeline;
mod words;

pub use html::html;
pub use human::human;
pub use junit::junit;
pub use markdown::{markdown, plan_markdown, problems_markdown};

use super::verdict::{Came, Tone};
use crate::event::{Approver, Finding, RunOutcome, StepOutcome, Subject, Trouble, Verdict, Witness};
use crate::plugin::Effect;
use crate::policy::Capability;
use serde::Serialize;

/// The version of the story as JSON.
pub const SCHEMA: &str = "windlass.report/1";

/// The story of a run.
#[derive(Debug, Clone, Serialize)]
pub struct Story {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// The run's id.
    pub run: String,
    /// The version of Windlass that began it.
    pub windlass: String,
    /// Who, where and what.
    #[serde(flatten)]
    pub subject: Subject,
    /// When it began, as RFC 3339 in UTC.
    pub started: String,
    /// When its last event was written.
    pub last: String,
    /// How long it was at work, all in all; none where it did not end.
    pub duration_ms: Option<u64>,
    /// What it came to; none where it did not end.
    pub outcome: Option<RunOutcome>,
    /// The stable word for why.
    pub reason: Option<String>,
    /// Whether it changed anything.
    pub changed: bool,
    /// Whether somebody asked for it to be taken back.
    pub taken_back: bool,
    /// What began its end, where something went wrong.
    pub problem: Option<Trouble>,
    /// Why it is not proven that what is live again works.
    pub unproven: Option<Trouble>,
    /// What was planned; none where it was cut off before that.
    pub plan: Option<PlanStory>,
    /// What was done, step by step, finally steps last.
    pub steps: Vec<StepStory>,
    /// The checks of the release that is live again since something was taken back.
    pub checks_again: Vec<CheckAgain>,
    /// What steps say of checks that they made.
    pub checks: Vec<Row>,
    /// What steps say of migrations.
    pub migrations: Vec<Row>,
    /// Who agreed to the plan; none where nobody had to.
    pub approvals: Option<Vec<Approver>>,
    /// Why it was made although deployments were frozen.
    pub freeze_override: Option<FreezeOverride>,
    /// Where the forge shows it.
    pub deployment: Deployment,
    /// Where what it deployed can be seen, where the environment says so.
    pub url: Option<String>,
    /// Who went on with it, took it back or closed it, and what else a person should know, in order.
    pub notes: Vec<Note>,
    /// How it stands now.
    pub standing: Standing,
}

/// What was planned.
#[derive(Debug, Clone, Serialize)]
pub struct PlanStory {
    /// Its digest.
    pub digest: String,
    /// What it comes to, in one line.
    pub summary: String,
    /// That the working tree is deployed, and is not the commit; none where it is.
    pub differs: Option<String>,
    /// Why secrets were withheld while it was made; none where they were not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub withheld: Option<String>,
    /// What programs could do beyond what was accepted for them; none where there was nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confinement: Option<String>,
    /// What is reached through a proxy, of which only names can be checked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub proxied: Vec<String>,
    /// Its steps, finally steps last.
    pub steps: Vec<PlannedStory>,
}

/// A step as it was planned.
#[derive(Debug, Clone, Serialize)]
pub struct PlannedStory {
    /// Its id.
    pub id: String,
    /// Its plugin, with version.
    pub plugin: String,
    /// Whether it comes at the end, however that is.
    pub finally: bool,
    /// Whether it was planned only once earlier steps were done.
    pub deferred: bool,
    /// What it meant to do.
    pub intents: Vec<IntentStory>,
}

/// One thing that a step meant to do.
#[derive(Debug, Clone, Serialize)]
pub struct IntentStory {
    /// Stable and exact.
    pub id: String,
    /// One line.
    pub summary: String,
    /// What it does to the world.
    pub effect: Effect,
}

/// What came of a step.
#[derive(Debug, Clone, Serialize)]
pub struct StepStory {
    /// Its id.
    pub id: String,
    /// Its plugin, with version.
    pub plugin: String,
    /// Whether it is one of `[[finally]]`.
    pub finally: bool,
    /// What came of it.
    pub outcome: StepOutcome,
    /// Whether it stays, because it cannot be taken back, or was to be kept.
    pub kept: bool,
    /// How often it was tried.
    pub attempts: u32,
    /// When it began first.
    pub started: Option<String>,
    /// How long it took, all in all, without being taken back.
    pub duration_ms: u64,
    /// What it says of itself last.
    pub summary: Option<String>,
    /// Why it failed, or could not be taken back.
    pub trouble: Option<Trouble>,
    /// What was found out about it where it was cut off.
    pub said: Option<Said>,
    /// Each time that it was at work, in order.
    pub work: Vec<Work>,
    /// What it might do, and did.
    pub capabilities: Capabilities,
}

/// What became of an attempt that was cut off.
#[derive(Debug, Clone, Serialize)]
pub struct Said {
    /// What.
    pub verdict: Verdict,
    /// Who says so.
    pub by: Witness,
}

/// What a piece of work was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// To do it.
    Apply,
    /// To take it back.
    Revert,
    /// To see whether what is live again is as it must be.
    Check,
}

/// What came of a piece of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum WorkOutcome {
    /// It was done.
    Succeeded,
    /// It was not.
    Failed,
    /// It was not, and was tried again.
    TriedAgain,
    /// It was cut short by a cancellation.
    Cancelled,
    /// It was done as far as it can be, and something stays.
    Kept,
    /// It is not known: it was cut off, or is under way.
    Unknown,
}

/// One time that a step was at work.
#[derive(Debug, Clone, Serialize)]
pub struct Work {
    /// What for.
    pub kind: Kind,
    /// Which attempt, from 1; 0 where nobody counts.
    pub attempt: u32,
    /// When it began.
    pub started: String,
    /// How long it took, as far as that is known.
    pub duration_ms: Option<u64>,
    /// What came of it.
    pub outcome: WorkOutcome,
    /// What it says of itself.
    pub summary: Option<String>,
    /// Why it failed.
    pub trouble: Option<Trouble>,
    /// What it saw.
    pub findings: Vec<Finding>,
    /// The tables that it put into the report.
    pub tables: Vec<Table>,
    /// The figures that it put into the report.
    pub metrics: Vec<Metric>,
}

/// A small table of a step's.
#[derive(Debug, Clone, Serialize)]
pub struct Table {
    /// Its title.
    pub title: String,
    /// Its columns.
    pub columns: Vec<String>,
    /// Its rows.
    pub rows: Vec<Vec<String>>,
}

/// A figure of a step's.
#[derive(Debug, Clone, Serialize)]
pub struct Metric {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: f64,
    /// Its unit.
    pub unit: String,
}

/// What a step might do, and did.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Capabilities {
    /// What `deploy.lock` accepted, in its words.
    pub granted: Vec<String>,
    /// What it asked for and got.
    pub used: Vec<Used>,
    /// What it asked for and did not get.
    pub denied: Vec<Used>,
}

/// What was asked for, and how often.
#[derive(Debug, Clone, Serialize)]
pub struct Used {
    /// What, in one line.
    pub asked: String,
    /// How often.
    pub times: u64,
    /// The line of `deploy.lock` that would have let it through, where one could.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<Box<Capability>>,
}

/// A check of the release that is live again.
#[derive(Debug, Clone, Serialize)]
pub struct CheckAgain {
    /// The step.
    pub step: String,
    /// What came of it.
    #[serde(flatten)]
    pub work: Work,
}

/// A check or a migration: a row of a table whose first column is named `check` or `migration` and another `result`.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// The step.
    pub step: String,
    /// What it is called.
    pub name: String,
    /// Whether it was made of what is live again.
    pub again: bool,
    /// What came of it, in the step's words. Of a migration that was taken back, both.
    pub results: Vec<String>,
    /// What came of it last, in ours.
    pub outcome: RowOutcome,
}

/// What came of a check or a migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RowOutcome {
    /// It is as it must be.
    Passed,
    /// Its turn never came.
    Skipped,
    /// It is not.
    Failed,
}

/// Why a run was made although deployments were frozen.
#[derive(Debug, Clone, Serialize)]
pub struct FreezeOverride {
    /// What froze them.
    pub cause: String,
    /// Until when.
    pub until: Option<String>,
    /// Why it was made all the same.
    pub reason: String,
}

/// Where a forge shows a run.
#[derive(Debug, Clone, Serialize)]
pub struct Deployment {
    /// The forge's name.
    pub forge: String,
    /// Its id there; none where there is none.
    pub id: Option<String>,
    /// Where a person sees it.
    pub url: Option<String>,
    /// Whether the forge was told how the run ended, where it has anything of it.
    pub told: bool,
}

/// Something that happened beside the steps.
#[derive(Debug, Clone, Serialize)]
pub struct Note {
    /// When.
    pub at: String,
    /// What, in one line.
    pub text: String,
}

/// How a run stands now. No journal of its own says that: it is what `windlass status` finds.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Standing {
    /// Whether what it deployed is live.
    pub live: bool,
    /// The release that is live, where it is another one, or was not deployed by this run: its version and commit, in one line.
    pub live_now: Option<String>,
    /// Whether it is under way.
    pub under_way: bool,
    /// What to do now in its environment, in words; none where there is nothing.
    pub next: Option<String>,
    /// The commands that work for it.
    pub commands: Vec<Suggestion>,
}

/// A command that works, as things stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Suggestion {
    /// Fit to be pasted into a shell.
    pub command: String,
    /// What it does.
    pub does: String,
}

impl Story {
    /// What it came to, in one sentence.
    fn verdict(&self) -> (Tone, String) {
        let came = Came {
            subject: &self.subject,
            outcome: self.outcome,
            changed: self.changed,
            asked: self.taken_back,
            unproven: self.unproven.is_some(),
            still: if self.outcome.is_none() { self.standing.under_way } else { self.standing.live },
            url: self.url.as_deref(),
        };
        came.sentence()
    }

    /// Whether nothing is to be done: what can be done is only for whom it proves bad later.
    const fn is_well(&self) -> bool {
        self.standing.live && self.standing.next.is_none()
    }

    /// What went wrong, with where: what began the run's end first.
    fn troubles(&self) -> Vec<(String, &Trouble)> {
        let mut troubles: Vec<(String, &Trouble)> = Vec::new();
        for step in &self.steps {
            let last = |kind| step.work.iter().rev().find(|work: &&Work| work.kind == kind);
            for (kind, what) in [(Kind::Apply, "step"), (Kind::Revert, "taking back step")] {
                if let Some(trouble) = last(kind).and_then(|work| work.trouble.as_ref()) {
                    troubles.push((format!("{what} `{}`", step.id), trouble));
                }
            }
        }
        for check in &self.checks_again {
            if let Some(trouble) = &check.work.trouble {
                troubles.push((format!("check `{}` of what is live again", check.step), trouble));
            }
        }
        troubles
    }
}
