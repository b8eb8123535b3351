//! What a step sees while it is asked what it would do, or what became of it: the deployment, what is kept of it so far, and
//! nothing to write to.

use super::{Prepared, PreparedStep};
use crate::event::{Level, Listener, ReportItem};
use crate::history::PastRun;
use crate::plugin::{Answer, Call, Deployment, EffectKey, Function, Stop, Surroundings};
use crate::policy::{Phase, Usage};
use crate::problem::{Code, Problem};
use serde_json::Value;
use std::sync::Arc;

/// So many denials are told with the failure that they may have led to.
const DENIED: usize = 5;

impl Prepared {
    /// Ask a step something that changes nothing. The second value is what it used and was denied.
    ///
    /// # Errors
    /// The step's own failure.
    pub(super) async fn ask(
        &self,
        step: &PreparedStep,
        function: Function,
        config: &str,
        records: &[String],
        listener: &Arc<dyn Listener>,
    ) -> (Result<Answer, Problem>, Vec<Usage>) {
        let (answer, usages) = step
            .plugin
            .call(Call {
                function,
                config,
                records,
                gate: step.gate(Phase::Plan),
                limits: step.limits(None),
                surroundings: Arc::new(Looking::new(self, step, listener)),
                services: self.services.clone(),
                // There is nothing to put in order: whoever does not want to wait drops it.
                stop: Stop::never(),
            })
            .await;
        let answer = answer.map_err(|failure| {
            let problem = failure.into_problem(&step.plugin.locked_name(), function.name());
            // There is no plan that it could stand in.
            let denied =
                usages.iter().filter(|usage| !usage.allowed && !problem.what.contains(&usage.asked)).take(DENIED);
            let denied: Vec<String> = denied.map(|usage| format!("it was not allowed to {}", usage.asked)).collect();
            self.clean_problem(denied.into_iter().fold(problem, Problem::because))
        });
        (answer, usages)
    }
}

#[derive(Debug)]
struct Looking {
    step: String,
    state: String,
    deployment: Deployment,
    begun: Option<Arc<PastRun>>,
    listener: Arc<dyn Listener>,
}

impl Looking {
    fn new(prepared: &Prepared, step: &PreparedStep, listener: &Arc<dyn Listener>) -> Self {
        let id = step.step.id.as_str().to_owned();
        let begun = prepared.facts.begun.clone();
        let attempts = begun.as_deref().and_then(|run| run.step(&id)).map_or(1, |step| step.attempts.max(1));
        Self {
            state: step.step.state.as_ref().map_or_else(|| id.clone(), |name| name.as_str().to_owned()),
            step: id,
            deployment: Deployment { attempt: attempts, ..prepared.deployment() },
            begun,
            listener: listener.clone(),
        }
    }
}

impl Surroundings for Looking {
    fn deployment(&self) -> Deployment {
        self.deployment.clone()
    }

    fn effect(&self) -> Option<EffectKey> {
        None
    }

    fn output(&self, step: &str, name: &str) -> Option<String> {
        self.begun.as_deref()?.step(step)?.outputs().remove(name)
    }

    fn append_record(&self, _: Value) -> Result<(), Problem> {
        Err(Problem::new(Code::Bug, "a record was appended while only looking"))
    }

    fn state(&self, key: &str) -> Option<String> {
        self.begun.as_deref()?.state.get(&self.state)?.get(key).cloned()
    }

    fn set_state(&self, _: &str, _: &str) -> Result<(), Problem> {
        Err(Problem::new(Code::Bug, "state was set while only looking"))
    }

    fn log(&self, level: Level, message: &str) {
        // What a step says while it only looks, it says again while it runs; here only what needs a look.
        if level >= Level::Warn {
            self.listener.log(&self.step, level, message);
        }
    }

    fn write(&self, _: &[u8]) {}

    fn progress(&self, _: &str, _: Option<u64>, _: Option<u64>) {}

    fn report(&self, _: ReportItem) {}
}
