//! From facts to a plan: plugins are loaded, their configurations checked, their requests held against the lock, and each
//! is asked what it would do. Nothing is changed here.

mod accept;
mod again;
mod back;
mod held;
mod look;
mod proxied;
mod resolve;
mod resume;
mod step;

pub use accept::{lock_missing, locked_steps};
pub use again::plan_of;
pub use back::{Check, lasting, open_end, taken_back};
pub use resolve::{Pins, Resolved, may_be_accepted, resolve, wanted};
pub use resume::{Probed, Resumed, Settled, resume};
pub use step::PreparedStep;

use crate::ci::{Doubt, WorkingTree};
use crate::config::{Config, Holes, Selection};
use crate::event::{Listener, StepOutcome, Subject};
use crate::history::PastRun;
use crate::lock::{LockedStep, LockedSteps};
use crate::plan::{Plan, PlannedStep, SCHEMA};
use crate::plugin::{Answer, Deployment, Effect, Function, Intent, LiveRelease, Services, StepState};
use crate::policy::{Capability, Phase, Usage};
use crate::problem::{Code, Problem};
use crate::process::Means;
use crate::secret::Secrets;
use accept::accept_all;
use proxied::proxied;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What is known before anything is planned.
#[derive(Debug, Clone)]
pub struct Facts {
    /// Who, where and what.
    pub subject: Subject,
    /// What differs from the commit, where the working tree of a laptop is deployed.
    pub working_tree: Option<WorkingTree>,
    /// Why secrets are withheld, and nothing may be changed from here.
    pub withheld: Option<Doubt>,
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

/// That nothing is run, because what is checked out may be nobody's whom the project trusts.
#[must_use]
pub fn withheld(environment: &str, doubt: &Doubt) -> Problem {
    let problem = Problem::new(Code::Withheld, format!("nothing is deployed to `{environment}` from here"))
        .because(doubt)
        .with_note("secrets were withheld, and nothing was run");
    problem.with_hint(match doubt {
        Doubt::Fork | Doubt::Unknown | Doubt::Another => "merge it first; `windlass plan` shows what would be done",
        Doubt::Unprotected => {
            "deploy from the default branch, a tag or a protected branch; where its other branches are meant to be \
             deployed, as review apps are, set `unprotected_branches = true` in the environment"
        }
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
                working_tree: facts.working_tree.clone(),
                withheld: facts.withheld.as_ref().map(ToString::to_string),
                proxied: Vec::new(),
                version: facts.subject.version.clone(),
                contract: format!("{}@sha256:{}", crate::plugin::CONTRACT, crate::plugin::CONTRACT_DIGEST),
                steps: Vec::new(),
                finally: Vec::new(),
                confinement: None,
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
        let capabilities = self.plan.steps.iter().chain(&self.plan.finally).flat_map(|step| &step.capabilities);
        self.plan.proxied = proxied(&self.services, capabilities.clone());
        self.plan.confinement = held::lacks(self.services.confinement, Means::here(), capabilities).map(str::to_owned);
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
                    summary: match self.facts.withheld {
                        Some(_) => format!("the secret `{missing}` is withheld, so what is to be done is not known"),
                        None => format!("the secret `{missing}` is not set here, so what is to be done is not known"),
                    },
                    detail: None,
                    effect: Effect::Unknown,
                });
                return Ok(planned);
            }
            (planned.intents, planned.usages) = self.intents(step, config, listener).await.map_err(|mut problem| {
                problem.note.get_or_insert("nothing was run".into());
                Problem { code: Code::PlanFailed, ..problem }.at_step(id)
            })?;
        }
        Ok(planned)
    }

    /// Checks that every secret is there that a run cannot do without, and that they are not withheld.
    ///
    /// # Errors
    /// [`Code::Withheld`], or [`Code::SecretMissing`] for each step that lacks one.
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
        if let Some(doubt) = &self.facts.withheld {
            return Err(vec![withheld(&self.facts.subject.environment, doubt)]);
        }
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

    /// Ask a step what it would do. The second value is what it used and was denied.
    ///
    /// # Errors
    /// The step's own failure.
    pub async fn intents(
        &self,
        step: &PreparedStep,
        config: &str,
        listener: &Arc<dyn Listener>,
    ) -> Result<(Vec<Intent>, Vec<Usage>), Problem> {
        let (answer, usages) = self.ask(step, Function::Plan, config, &[], listener).await;
        match answer? {
            Answer::Intents(intents) => Ok((intents.into_iter().map(|intent| self.clean(intent)).collect(), usages)),
            _ => Err(Problem::new(Code::Bug, "`plan` was answered with something else")),
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
