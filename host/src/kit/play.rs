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
use crate::secret::Secrets;
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
    /// The job's environment.
    pub(super) environment: std::collections::BTreeMap<String, String>,
    /// How long a call may take, where the case does not say.
    pub(super) patience: std::time::Duration,
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
        let wrong = self.file.written.check(self.schema, &format!("/case/{}/config", self.index));
        if !wrong.is_empty() {
            let line = |problem: Problem| match problem.hint {
                Some(hint) => format!("{} ({hint})", problem.what),
                None => problem.what,
            };
            played.refused = wrong.into_iter().map(line).collect();
            played.stopped = Some("the configuration does not fit".into());
            return Ok(played);
        }
        let config = Value::Object(case.config.clone()).to_string();
        let requires = self
            .plugin
            .requires(&config)
            .await
            .and_then(|wanted| may_be_accepted(&wanted).map_err(CallFailure::Refused).map(|()| wanted));
        let wanted = match requires {
            Ok(wanted) => wanted,
            Err(failure) => {
                played.requires = Some(Err(failure));
                played.stopped = Some("`requires` failed".into());
                return Ok(played);
            }
        };
        let granted = case.granted.as_deref().map(capabilities);
        if let Some(granted) = &granted {
            played.too_much = granted.iter().filter(|line| !is_asked_for(line, &wanted)).cloned().collect();
        }
        played.requires = Some(Ok(wanted.clone()));
        if !played.too_much.is_empty() {
            played.stopped = Some("`granted` has what no lock would have".into());
            return Ok(played);
        }
        self.calls(&config, &granted.unwrap_or(wanted), &mut played).await;
        Ok(played)
    }

    async fn calls(&self, config: &str, granted: &[Capability], played: &mut Played) {
        let case = self.case();
        let services = Arc::new(Services {
            project: played.project.path().to_owned(),
            redactor: self.secrets.redactor(),
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
