//! Deployments to try messages on: for the tests, and for `examples/messages.rs`, whose output Slack's own Python library
//! checks.

use crate::config::Config;
use windlass_plugin::deployment::{Context, Live, Status, StepOutcome, StepResult};

/// A bot's configuration with everything in it that shows.
///
/// # Panics
/// Never: it is constant.
#[must_use]
pub fn config() -> Config {
    let token = windlass_plugin::SecretReference { secret: "SLACK_BOT_TOKEN".into() };
    Config {
        token: Some(token),
        webhook: None,
        channel: Some("#deploys".into()),
        title: None,
        text: Some("Release notes: *faster* search".into()),
        mention: vec!["U0123456789".into(), "@oncall".into(), "@here".into()],
        always: false,
        required: false,
        api: None,
        addresses: vec![],
        timeout: None,
    }
}

/// A deployment that stands like this.
#[must_use]
pub fn context(status: Status) -> Context {
    let step = |id: &str, plugin: &str, outcome| StepResult { id: id.into(), plugin: plugin.into(), outcome };
    let (schema, healthy) = match status {
        Status::Running => (StepOutcome::NotRun, StepOutcome::NotRun),
        Status::Succeeded => (StepOutcome::Succeeded, StepOutcome::Succeeded),
        Status::Failed => (StepOutcome::Succeeded, StepOutcome::Failed),
        Status::RolledBack => (StepOutcome::Reverted, StepOutcome::Failed),
        Status::RollbackFailed => (StepOutcome::RevertFailed, StepOutcome::Failed),
        Status::Cancelled => (StepOutcome::Succeeded, StepOutcome::Cancelled),
    };
    let failed = matches!(status, Status::Failed | Status::RolledBack | Status::RollbackFailed);
    Context {
        app: "shop".into(),
        environment: "production".into(),
        component: Some("backend".into()),
        url: Some("https://shop.example".into()),
        commit: "9f2c1e7ab34d5566778899aabbccddeeff001122".into(),
        reference: Some("main".into()),
        actor: Some("ada".into()),
        version: "1.4.0".into(),
        run: "01HRUN".into(),
        attempt: 1,
        log_url: Some("https://ci.example/runs/7?a=1&b=2".into()),
        live: Some(Live {
            run: "01HOLD".into(),
            commit: "41ab07cc34d5566778899aabbccddeeff0011223".into(),
            version: "1.3.2".into(),
            at: "2026-11-01T10:00:00Z".into(),
        }),
        status,
        problem: failed.then(|| "`GET https://shop.example/health` does not answer as it must".into()),
        steps: vec![step("schema", "migrate", schema), step("healthy", "smoke-test", healthy)],
    }
}

/// The same, with values that are as long and as hostile as can be.
#[must_use]
pub fn hostile(status: Status) -> Context {
    let hostile = "<!channel> & <https://evil.example|click> `*_~ @here ".repeat(200);
    let mut context = context(status);
    context.app.clone_from(&hostile);
    context.environment.clone_from(&hostile);
    context.component = Some(hostile.clone());
    context.version.clone_from(&hostile);
    context.commit.clone_from(&hostile);
    context.reference = Some(hostile.clone());
    context.actor = Some(hostile.clone());
    context.run.clone_from(&hostile);
    context.url = Some(format!("https://shop.example/{}", "|<>&".repeat(200)));
    context.log_url = Some(format!("https://ci.example/{}", "a".repeat(5_000)));
    context.problem = Some(hostile.clone());
    if let Some(live) = &mut context.live {
        live.version.clone_from(&hostile);
        live.commit.clone_from(&hostile);
    }
    context.steps = (0..300)
        .map(|index| StepResult {
            id: format!("step-{index}-{}", &hostile[..400]),
            plugin: "command".into(),
            outcome: if index == 299 { StepOutcome::Failed } else { StepOutcome::Reverted },
        })
        .collect();
    context
}

/// All that a deployment can be.
pub const STATUSES: [Status; 6] =
    [Status::Running, Status::Succeeded, Status::Failed, Status::RolledBack, Status::RollbackFailed, Status::Cancelled];
