//! The built-in `smoke-test` step: does the application answer, and as it must?
//!
//! This file is glue. What is expected is in [`check`], what an answer is worth in [`judge`], when to try again in
//! [`run`], and what is said about it in [`wording`].

pub mod check;
pub mod config;
pub mod judge;
pub mod run;
pub mod wording;

use windlass_plugin::{Capability, Failure, Intent, Outcome, Step, Verdict};

/// Looks at the deployed application from outside.
pub struct SmokeTest;

impl Step for SmokeTest {
    const NAME: &'static str = "smoke-test";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const SUMMARY: &'static str = "Checks over HTTP and TCP that the deployed application answers as it must.";
    type Config = config::Config;
    type Record = ();

    fn requires(config: &config::Config) -> Result<Vec<Capability>, Failure> {
        let mut capabilities: Vec<Capability> = vec![];
        for check in check::prepare(config)? {
            let capability = check.capability();
            if !capabilities.contains(&capability) {
                capabilities.push(capability);
            }
        }
        Ok(capabilities)
    }

    fn plan(config: &config::Config) -> Result<Vec<Intent>, Failure> {
        Ok(check::prepare(config)?.iter().map(check::Prepared::intent).collect())
    }

    fn apply(config: &config::Config) -> Result<Outcome, Failure> {
        apply(&check::prepare(config)?)
    }

    /// Looking leaves nothing behind, so that whatever was cut off can be looked at again.
    fn probe(_: &config::Config, _: Vec<()>) -> Result<Verdict, Failure> {
        Ok(Verdict::NotDone)
    }
}

#[cfg(not(target_family = "wasm"))]
fn apply(_: &[check::Prepared]) -> Result<Outcome, Failure> {
    Err(Failure::bug("no-host", "only a plugin in its host can send requests"))
}

#[cfg(target_family = "wasm")]
fn apply(checks: &[check::Prepared]) -> Result<Outcome, Failure> {
    use windlass_plugin::report;

    let findings = run::run(&mut host::Host::new(), checks)?;
    report::table("Checks", &wording::columns(), &wording::rows(checks, &findings));
    let mut slowest = std::time::Duration::ZERO;
    for (check, finding) in checks.iter().zip(&findings) {
        if let Some(judge::Verdict::Good(latency)) = finding.verdict {
            report::metric(&format!("latency of {}", check.name), latency.as_secs_f64() * 1_000.0, "ms");
            slowest = slowest.max(latency);
        }
    }
    match wording::failure(checks, &findings) {
        Some(failure) => Err(failure),
        None => Ok(Outcome::new(wording::summary(&findings))
            .with_output("checks", checks.len().to_string())
            .with_output("slowest-milliseconds", slowest.as_millis().to_string())),
    }
}

#[cfg(target_family = "wasm")]
mod host;

windlass_plugin::export!(crate::SmokeTest);
