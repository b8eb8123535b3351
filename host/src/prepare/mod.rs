//! From facts to a plan: plugins are loaded, their configurations checked, their requests held against the lock, and each
//! is asked what it would do. Nothing is changed here.

mod again;
mod back;
mod look;
mod resolve;
mod resume;

pub use again::plan_of;
pub use back::{Check, open_end, taken_back};
pub use resolve::{Resolved, resolve, wanted};
pub use resume::{Probed, Resumed, Settled, resume};

use crate::config::{Config, Environment, Holes, Selection, Step, fill, fill_known};
use crate::event::{Listener, StepOutcome, Subject};
use crate::history::PastRun;
use crate::lock::{Lock, LockedStep, LockedSteps, not_accepted};
use crate::plan::{Plan, PlannedStep, SCHEMA};
use crate::plugin::{
    Answer, Call, Deployment, Effect, Function, Intent, Limits, LiveRelease, Plugin, Services, StepState, Stop,
};
use crate::policy::{Capability, Gate, Phase, SecretUse};
use crate::problem::{Code, Problem};
use crate::secret::Secrets;
use resolve::{no_overlaps, requires};
use std::collections::BTreeSet;
use std::sync::Arc;

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

/// What is known before anything is planned.
#[derive(Debug, Clone)]
pub struct Facts {
    /// Who, where and what.
    pub subject: Subject,
    /// The environment's URL.
    pub url: Option<String>,
    /// Where a person can watch.
    pub log_url: Option<String>,
    /// The run whose release is live now.
    pub live: Option<Arc<PastRun>>,
    /// The run that is gone on with or taken back, as far as it has come; none for a new one.
    pub begun: Option<Arc<PastRun>>,
    /// What the holes are filled with.
    pub holes: Holes,
}

/// A plan and all that is needed to run it.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// The plan.
    pub plan: Plan,
    /// The steps, in the order of the plan's.
    pub steps: Vec<PreparedStep>,
    /// The finally steps, in the order of the plan's.
    pub finally: Vec<PreparedStep>,
    /// Steps that the configuration has beside these where a run is taken back, and what the lock accepts of them.
    others: Vec<(Resolved, Result<LockedStep, Problem>)>,
    /// What is known.
    pub facts: Facts,
    /// What every call has in common.
    pub services: Arc<Services>,
}

/// That there is no lock.
#[must_use]
pub fn lock_missing() -> Problem {
    Problem::new(Code::LockMissing, "there is no `deploy.lock`")
        .because("nothing that a plugin asks for is accepted until it is")
        .with_note("nothing was run")
        .with_hint("run `windlass lock`, commit the file and have it reviewed")
}

/// What the lock accepts for one environment.
///
/// # Errors
/// [`Code::LockMissing`], [`Code::NotAccepted`].
pub fn locked_steps<'a>(lock: Option<&'a Lock>, environment: &Environment) -> Result<&'a LockedSteps, Problem> {
    let lock = lock.ok_or_else(lock_missing)?;
    lock.environments.get(environment.key.as_str()).ok_or_else(|| {
        Problem::new(Code::NotAccepted, format!("`deploy.lock` accepts nothing in environment `{}`", environment.key))
            .with_note("nothing was run")
            .with_hint("run `windlass lock`, and have the change to `deploy.lock` reviewed")
    })
}

/// The names of the secrets that these steps may use.
#[must_use]
pub fn secret_names(steps: &LockedSteps, selection: &Selection) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for step in selection.iter().filter_map(|step| steps.get(step.id.as_str())) {
        for capability in &step.capabilities {
            if let Capability::Secret(secret) = capability {
                names.insert(secret.name.clone());
            }
        }
    }
    names
}

/// The holes of a run, with the variables that `env` names.
///
/// # Errors
/// [`Code::ConfigInvalid`] where one of them is a secret.
pub fn holes(
    config: &Config,
    subject: &Subject,
    secrets: &BTreeSet<String>,
    values: &Secrets,
    lookup: impl Fn(&str) -> Option<String>,
) -> Result<Holes, Problem> {
    let mut holes =
        Holes { version: Some(subject.version.clone()), commit: Some(subject.commit.clone()), ..Holes::default() };
    for name in &config.env {
        if secrets.contains(name.as_str()) {
            return Err(Problem::new(Code::ConfigInvalid, format!("`env` names `{name}`, which is a secret"))
                .because("what is in `env` is put into texts, and secrets never are")
                .with_note("nothing was run")
                .with_hint(format!("take it out of `env`, and refer to it with `{{ secret = \"{name}\" }}`"))
                .at(config.place_of("env")));
        }
        let value = lookup(name.as_str());
        if let Some(secret) = value.as_deref().and_then(|value| values.within(value)) {
            return Err(Problem::new(Code::ConfigInvalid, format!("`env` names `{name}`, which has a secret in it"))
                .because(format!("its value is, or contains, that of the secret `{secret}`"))
                .with_note("nothing was run")
                .with_hint(format!("take it out of `env`, and refer to the secret with `{{ secret = \"{secret}\" }}`"))
                .at(config.place_of("env")));
        }
        if let Some(value) = value {
            holes.variables.insert(name.as_str().to_owned(), value);
        }
    }
    Ok(holes)
}

/// Make the plan of one deployment.
///
/// # Errors
/// Everything that is wrong; nothing was run.
pub async fn prepare(
    config: &Config,
    resolved: Vec<Resolved>,
    locked: &LockedSteps,
    facts: Facts,
    services: Arc<Services>,
    listener: &Arc<dyn Listener>,
) -> Result<Prepared, Vec<Problem>> {
    let mut prepared = Prepared::empty(facts, services);
    let accepted = accept_all(config, resolved, locked, &prepared.facts).await?;
    let mut problems = Vec::new();
    for step in accepted {
        let planned = match prepared.plan_step(&step, listener).await {
            Ok(planned) => planned,
            Err(problem) => {
                problems.push(problem);
                continue;
            }
        };
        prepared.push(step, planned);
    }
    if problems.is_empty() { Ok(prepared) } else { Err(problems) }
}

/// Everything that can be refused without asking a plugin to look at the world.
async fn accept_all(
    config: &Config,
    resolved: Vec<Resolved>,
    locked: &LockedSteps,
    facts: &Facts,
) -> Result<Vec<PreparedStep>, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut accepted = Vec::new();
    for resolved in resolved {
        match accept(config, &resolved, locked, facts).await {
            Ok(step) => accepted.push(step),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(accepted) } else { Err(problems) }
}

/// What the lock accepts for a step, if it accepts its plugin.
fn accepted<'a>(locked: &'a LockedSteps, environment: &str, resolved: &Resolved) -> Result<&'a LockedStep, Problem> {
    let id = resolved.step.id.as_str();
    let accepted = locked.get(id).ok_or_else(|| {
        not_accepted(
            environment,
            id,
            format!("step `{id}` is not accepted"),
            format!("`deploy.lock` does not have it in environment `{environment}`"),
        )
    })?;
    accepted.accepts_plugin(environment, id, resolved.step.plugin.as_str(), &resolved.plugin)?;
    Ok(accepted)
}

async fn accept(
    config: &Config,
    resolved: &Resolved,
    locked: &LockedSteps,
    facts: &Facts,
) -> Result<PreparedStep, Problem> {
    let accepted = accepted(locked, &facts.subject.environment, resolved)?;
    let (capabilities, config_text) = fill_step(config, resolved, accepted, facts).await?;
    Ok(PreparedStep {
        step: resolved.step.clone(),
        plugin: resolved.plugin.clone(),
        locked: accepted.clone(),
        capabilities,
        config: config_text,
    })
}

/// The capabilities and the configuration of a step with all holes filled that can be.
async fn fill_step(
    config: &Config,
    resolved: &Resolved,
    locked: &LockedStep,
    facts: &Facts,
) -> Result<(Vec<Capability>, Option<String>), Problem> {
    let id = resolved.step.id.as_str();
    let (with, deferred) = match fill(&resolved.step.with, &facts.holes) {
        Ok(with) => (with, false),
        Err(unfilled) if unfilled.is_deferred() => (fill_known(&resolved.step.with, &facts.holes), true),
        Err(unfilled) => {
            return Err(Problem::new(Code::ConfigInvalid, format!("step `{id}` uses a value that is not there"))
                .because(unfilled)
                .with_note("nothing was run")
                .with_hint("set the variable in the job, or take it out")
                .at(config.place_of_step(&resolved.step, "with")));
        }
    };
    // What stands in a hole was excused when the holes were open; what it is filled with is not.
    if !deferred && let Some(problem) = resolved.schema.check_filled(config, &resolved.step, &with).into_iter().next() {
        return Err(problem);
    }
    let capabilities = requires(config, resolved, &with).await?;
    locked.accepts(&facts.subject.environment, id, &facts.holes, &capabilities)?;
    Ok((capabilities, (!deferred).then(|| with.to_string())))
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
    fn missing_secret(&self, secrets: &Secrets, phases: &[Phase]) -> Option<&str> {
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

impl Prepared {
    /// Nothing yet.
    fn empty(facts: Facts, services: Arc<Services>) -> Self {
        Self {
            plan: Plan {
                schema: SCHEMA.into(),
                app: facts.subject.app.clone(),
                environment: facts.subject.environment.clone(),
                component: facts.subject.component.clone(),
                commit: facts.subject.commit.clone(),
                version: facts.subject.version.clone(),
                contract: format!("{}@sha256:{}", crate::plugin::CONTRACT, crate::plugin::CONTRACT_DIGEST),
                steps: Vec::new(),
                finally: Vec::new(),
            },
            steps: Vec::new(),
            finally: Vec::new(),
            others: Vec::new(),
            facts,
            services,
        }
    }

    /// One more step, at its end.
    fn push(&mut self, step: PreparedStep, planned: PlannedStep) {
        let (steps, plans) = if step.step.is_finally {
            (&mut self.finally, &mut self.plan.finally)
        } else {
            (&mut self.steps, &mut self.plan.steps)
        };
        steps.push(step);
        plans.push(planned);
    }

    async fn plan_step(&self, step: &PreparedStep, listener: &Arc<dyn Listener>) -> Result<PlannedStep, Problem> {
        let id = step.step.id.as_str();
        let mut planned = step.without_intents(&self.facts.holes);
        if let Some(config) = &step.config
            && !step.step.is_finally
        {
            if let Some(missing) = step.missing_secret(&self.services.secrets, &[Phase::Plan]) {
                // As in a pull request from a fork: a plan, but not a whole one.
                planned.intents.push(Intent {
                    id: format!("secret-missing:{missing}"),
                    summary: format!("the secret `{missing}` is not set here, so what is to be done is not known"),
                    detail: None,
                    effect: Effect::Unknown,
                });
                return Ok(planned);
            }
            planned.intents = self.intents(step, config, listener).await.map_err(|mut problem| {
                problem.note.get_or_insert("nothing was run".into());
                Problem { code: Code::PlanFailed, ..problem }.at_step(id)
            })?;
        }
        Ok(planned)
    }

    /// Checks that every secret is there that a run cannot do without.
    ///
    /// # Errors
    /// [`Code::SecretMissing`] for each step that lacks one.
    pub fn has_secrets(&self) -> Result<(), Vec<Problem>> {
        self.lacks(self.steps.iter().chain(&self.finally), &[Phase::Plan, Phase::Apply, Phase::Revert])
    }

    /// Checks that every secret is there that taking back what is left of a run, but for what is kept, cannot do without.
    ///
    /// # Errors
    /// As [`Prepared::has_secrets`].
    pub fn has_secrets_to_take_back(&self, keep: &[String]) -> Result<(), Vec<Problem>> {
        let begun = self.facts.begun.as_deref();
        let left = |step: &&PreparedStep| {
            let past = begun.and_then(|run| run.step(step.step.id.as_str()));
            past.is_some_and(|past| past.is_left() && !keep.contains(&past.id))
        };
        self.lacks(self.steps.iter().filter(left), &[Phase::Revert])
    }

    fn lacks<'a>(&self, steps: impl Iterator<Item = &'a PreparedStep>, phases: &[Phase]) -> Result<(), Vec<Problem>> {
        let problems: Vec<Problem> = steps
            .filter_map(|step| Some((step.step.id.as_str(), step.missing_secret(&self.services.secrets, phases)?)))
            .map(|(id, missing)| {
                Problem::new(Code::SecretMissing, format!("step `{id}` needs the secret `{missing}`"))
                    .because(format!("the environment variable `{missing}` is not set, or empty"))
                    .with_note("nothing was run")
                    .with_hint(format!("set `{missing}` in the environment; in CI, pass the secret to the job"))
            })
            .collect();
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    /// Ask a step what it would do.
    ///
    /// # Errors
    /// The step's own failure.
    pub async fn intents(
        &self,
        step: &PreparedStep,
        config: &str,
        listener: &Arc<dyn Listener>,
    ) -> Result<Vec<Intent>, Problem> {
        let surroundings = look::Looking::new(self, step, listener);
        let (answer, _) = step
            .plugin
            .call(Call {
                function: Function::Plan,
                config,
                records: &[],
                gate: step.gate(Phase::Plan),
                limits: step.limits(None),
                surroundings: Arc::new(surroundings),
                services: self.services.clone(),
                // It changes nothing, so there is nothing to put in order: whoever does not want to wait drops it.
                stop: Stop::never(),
            })
            .await;
        match answer {
            Ok(Answer::Intents(intents)) => Ok(intents.into_iter().map(|intent| self.clean(intent)).collect()),
            Ok(_) => Err(Problem::new(Code::Bug, "`plan` was answered with something else")),
            Err(failure) => Err(self.clean_problem(failure.into_problem(&step.plugin.locked_name(), "plan"))),
        }
    }

    fn clean(&self, mut intent: Intent) -> Intent {
        let redactor = &self.services.redactor;
        intent.id = redactor.redact(&intent.id).into_owned();
        intent.summary = redactor.redact(&intent.summary).into_owned();
        intent.detail = intent.detail.map(|detail| redactor.redact(&detail).into_owned());
        intent
    }

    /// A problem without secrets.
    #[must_use]
    pub fn clean_problem(&self, problem: Problem) -> Problem {
        let clean = |text: String| self.services.redactor.redact(&text).into_owned();
        Problem {
            what: clean(problem.what),
            causes: problem.causes.into_iter().map(clean).collect(),
            note: problem.note.map(clean),
            hint: problem.hint.map(clean),
            ..problem
        }
    }

    /// The deployment before this process does anything to it.
    #[must_use]
    pub fn deployment(&self) -> Deployment {
        let begun = self.facts.begun.as_deref();
        Deployment {
            subject: self.facts.subject.clone(),
            url: self.facts.url.clone(),
            run: begun.map(|run| run.run.clone()).unwrap_or_default(),
            attempt: 1,
            log_url: self.facts.log_url.clone(),
            live: self.facts.live.as_deref().map(|run| LiveRelease {
                run: run.run.clone(),
                commit: run.subject.commit.clone(),
                version: run.subject.version.clone(),
                at: run.last.clone(),
            }),
            outcome: None,
            problem: None,
            steps: if begun.is_some() { self.states() } else { Vec::new() },
        }
    }

    /// How far the steps have come before this process does anything to them.
    #[must_use]
    pub fn states(&self) -> Vec<StepState> {
        let begun = self.facts.begun.as_deref();
        let outcome = |id: &str| begun.and_then(|run| run.step(id)).map_or(StepOutcome::NotRun, |step| step.outcome);
        let state = |step: &PreparedStep| StepState {
            id: step.step.id.as_str().to_owned(),
            plugin: step.plugin.name().to_owned(),
            outcome: outcome(step.step.id.as_str()),
        };
        self.steps.iter().map(state).collect()
    }
}

impl Problem {
    /// Says which step a problem is about, where its own words do not.
    fn at_step(mut self, step: &str) -> Self {
        if !self.what.contains(&format!("`{step}`")) {
            self.what = format!("step `{step}`: {}", self.what);
        }
        self
    }
}
