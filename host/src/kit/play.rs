//! One case, played: the real component in the real runtime, behind the real gate.

use super::cases::{Called, Case};
use super::compare::Difference;
use super::project::Project;
use super::read::{CaseFile, capabilities};
use super::stage::{Left, Stage};
use crate::config::WithSchema;
use crate::plugin::{Answer, Call, CallFailure, Limits, Outside, Plugin, Services, Stop};
use crate::policy::{Capability, Gate, Phase, Phases, Usage};
use crate::prepare::may_be_accepted;
use crate::problem::Problem;
use crate::secret::{Redactor, Secrets};
use serde_json::Value;
use std::sync::Arc;

/// What came of a case.
#[derive(Debug)]
pub(super) struct Played {
    /// `name@version` of the plugin.
    pub(super) plugin: String,
    /// Why the configuration does not fit.
    pub(super) refused: Vec<String>,
    /// What the plugin asks for.
    pub(super) requires: Option<Result<Vec<Capability>, CallFailure>>,
    /// What the case grants and the plugin does not ask for.
    pub(super) too_much: Vec<Capability>,
    /// The calls, in order.
    pub(super) calls: Vec<PlayedCall>,
    /// Why there were no more.
    pub(super) stopped: Option<String>,
    /// Records and state at the end.
    pub(super) left: Left,
    /// The project, as it is now.
    pub(super) project: Project,
    /// What the scene had not, or had in vain.
    pub(super) loose_ends: Vec<Difference>,
}

impl Played {
    /// What the plugin logged in those calls of which the case does not say it.
    pub(super) fn log(&self, case: &Case) -> Vec<String> {
        let is_said = |called| case.expect.of(called).is_some_and(|expected| expected.log.is_some());
        let calls = self.calls.iter().filter(|call| !is_said(call.called));
        calls.flat_map(|call| call.log.iter().map(|line| format!("{}: {line}", call.called.name()))).collect()
    }
}

/// What came of a call.
#[derive(Debug)]
pub(super) struct PlayedCall {
    pub(super) called: Called,
    pub(super) answer: Result<Answer, CallFailure>,
    pub(super) log: Vec<String>,
    pub(super) usages: Vec<Usage>,
}

/// What a case is played with.
pub(super) struct Play<'a> {
    pub(super) plugin: &'a Plugin,
    pub(super) schema: &'a WithSchema,
    pub(super) file: &'a CaseFile,
    /// Which of its cases.
    pub(super) index: usize,
    /// What comes of what the gate lets through.
    pub(super) outside: Outside,
    pub(super) client: crate::network::Client,
    pub(super) secrets: Secrets,
    /// What takes these out of what is said, and more.
    pub(super) redactor: Redactor,
    /// The job's environment.
    pub(super) environment: std::collections::BTreeMap<String, String>,
    /// How long a call may take, where the case does not say.
    pub(super) patience: std::time::Duration,
    /// Whether what is granted is done in the world: then nothing is that the case does not grant, whatever the plugin asks for by
    /// now.
    pub(super) is_in_world: bool,
}

/// Why nobody knows what a plugin asks for with the configuration of a case.
pub(super) enum Unasked {
    /// The configuration does not fit, for these reasons.
    Refused(Vec<String>),
    /// The plugin cannot say, or asks for what no lock may accept.
    Failed(CallFailure),
}

/// What a plugin asks for with the configuration of a case. It reaches nothing while it answers.
pub(super) async fn wanted(
    plugin: &Plugin,
    schema: &WithSchema,
    file: &CaseFile,
    index: usize,
) -> Result<Vec<Capability>, Unasked> {
    let wrong = file.written.check(schema, &format!("/case/{index}/config"));
    if !wrong.is_empty() {
        let line = |problem: Problem| match problem.hint {
            Some(hint) => format!("{} ({hint})", problem.what),
            None => problem.what,
        };
        return Err(Unasked::Refused(wrong.into_iter().map(line).collect()));
    }
    let config = Value::Object(file.cases[index].config.clone()).to_string();
    let wanted = plugin.requires(&config).await.map_err(Unasked::Failed)?;
    may_be_accepted(&wanted).map_err(|problem| Unasked::Failed(CallFailure::Refused(problem)))?;
    Ok(wanted)
}

/// Whether what a capability allows reaches nothing but the files of the case, which are nobody's.
pub(super) const fn stays_in_the_case(capability: &Capability) -> bool {
    matches!(capability, Capability::Directory(_))
}

const fn phase(called: Called) -> Phase {
    match called {
        Called::Plan | Called::Probe => Phase::Plan,
        Called::Apply => Phase::Apply,
        Called::Revert => Phase::Revert,
    }
}

impl Play<'_> {
    fn case(&self) -> &Case {
        &self.file.cases[self.index]
    }

    /// Plays it.
    ///
    /// # Errors
    /// Where its project cannot be made, with the place of what it cannot be made of.
    pub(super) async fn play(self) -> Result<Played, Problem> {
        let case = self.case();
        let beside = self.file.path.parent().unwrap_or_else(|| std::path::Path::new(""));
        let project = Project::make(case, beside).await.map_err(|unmade| {
            let (pointer, problem) = *unmade;
            problem.at(self.file.written.place(&format!("/case/{}{pointer}", self.index)))
        })?;
        let mut played = Played {
            plugin: self.plugin.locked_name(),
            refused: vec![],
            requires: None,
            too_much: vec![],
            calls: vec![],
            stopped: None,
            left: Left::with_state(case.state.clone()),
            project,
            loose_ends: vec![],
        };
        let wanted = match wanted(self.plugin, self.schema, self.file, self.index).await {
            Ok(wanted) => wanted,
            Err(Unasked::Refused(reasons)) => {
                played.refused = reasons;
                played.stopped = Some("the configuration does not fit".into());
                return Ok(played);
            }
            Err(Unasked::Failed(failure)) => {
                played.requires = Some(Err(failure));
                played.stopped = Some("`requires` failed".into());
                return Ok(played);
            }
        };
        let config = Value::Object(case.config.clone()).to_string();
        let granted = case.granted.as_deref().map(capabilities);
        if let Some(granted) = &granted {
            played.too_much = granted.iter().filter(|line| !is_asked_for(line, &wanted)).cloned().collect();
        }
        played.requires = Some(Ok(wanted.clone()));
        if !played.too_much.is_empty() {
            played.stopped = Some("`granted` has what no lock would have".into());
            return Ok(played);
        }
        let asked_for = || wanted.into_iter().filter(|it| !self.is_in_world || stays_in_the_case(it)).collect();
        self.calls(&config, &granted.unwrap_or_else(asked_for), &mut played).await;
        Ok(played)
    }

    async fn calls(&self, config: &str, granted: &[Capability], played: &mut Played) {
        let case = self.case();
        let services = Arc::new(Services {
            project: played.project.path().to_owned(),
            redactor: self.redactor.clone(),
            secrets: self.secrets.clone(),
            environment: self.environment.clone(),
            client: self.client.clone(),
            outside: self.outside.clone(),
            ..Services::default()
        });
        let usual = [Called::Plan, Called::Apply];
        let limits = Limits { time: case.timeout.as_ref().map_or(self.patience, |it| it.get()), ..Limits::default() };
        for called in case.call.as_deref().unwrap_or(&usual) {
            let stage = Arc::new(Stage::new(case, *called, std::mem::take(&mut played.left)));
            let given = match called {
                Called::Probe | Called::Revert => {
                    case.records.iter().chain(&stage.records()).map(Value::to_string).collect()
                }
                Called::Plan | Called::Apply => vec![],
            };
            let call = Call {
                function: called.function(),
                config,
                records: &given,
                gate: Gate::new(granted, phase(*called)),
                limits: limits.clone(),
                surroundings: stage.clone(),
                services: services.clone(),
                stop: Stop::never(),
            };
            let (answer, usages) = self.plugin.call(call).await;
            played.left = stage.take();
            let log = std::mem::take(&mut played.left.log);
            let log = log.iter().map(|line| played.project.clean(line)).collect();
            let is_over = *called == Called::Plan;
            let stopped = match &answer {
                Err(_) if is_over => Some("`plan` failed"),
                Ok(Answer::Intents(intents)) if intents.is_empty() => Some("`plan` had nothing to do"),
                _ => None,
            };
            played.calls.push(PlayedCall { called: *called, answer, log, usages });
            if let Some(stopped) = stopped {
                played.stopped = Some(stopped.to_owned());
                return;
            }
        }
    }
}

/// Whether a line is one that the plugin asks for, at least in the phases of the line.
fn is_asked_for(line: &Capability, wanted: &[Capability]) -> bool {
    let none = Phases::new();
    let same = wanted.iter().filter(|wanted| wanted.in_phases(&none) == line.in_phases(&none));
    let phases: Phases = same.flat_map(|wanted| wanted.phases().iter().copied()).collect();
    !line.phases().is_empty() && line.phases().is_subset(&phases)
}
