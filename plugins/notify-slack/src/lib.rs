//! The built-in `notify-slack` step: tells a channel about the deployment.
//!
//! This file is glue. What is written is in [`message`], who is told what and when in [`deliver`], and how Slack is spoken
//! to in [`slack`].

pub mod config;
pub mod deliver;
pub mod message;
#[cfg(not(target_family = "wasm"))]
pub mod sample;
pub mod slack;

use config::{Config, Route};
use deliver::Record;
use serde_json::Value;
use std::time::Duration;
use windlass_plugin::http::{Error, Request, Response};
use windlass_plugin::{Capability, Failure, Intent, Outcome, Step, Verdict, deployment, log, record, secrets, state};

/// Tells a Slack channel.
pub struct NotifySlack;

impl Step for NotifySlack {
    const NAME: &'static str = "notify-slack";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const SUMMARY: &'static str = "Tells a Slack channel about the deployment, in one message that is kept up to date.";
    type Config = Config;
    type Record = Record;

    fn requires(config: &Config) -> Result<Vec<Capability>, Failure> {
        config.capabilities()
    }

    fn plan(config: &Config) -> Result<Vec<Intent>, Failure> {
        deliver::plan(config, &deployment::current())
    }

    fn apply(config: &Config) -> Result<Outcome, Failure> {
        deliver::apply(&mut Host::new(config), config, &deployment::current())
    }

    fn probe(config: &Config, records: Vec<Record>) -> Result<Verdict, Failure> {
        let kept = match config.route()? {
            Route::Bot { channel, .. } => state::get(&deliver::key(&channel))?,
            Route::Webhook { .. } => None,
        };
        Ok(deliver::probe(&records, kept, &deployment::current()))
    }

    fn revert(config: &Config, records: Vec<Record>) -> Result<Outcome, Failure> {
        deliver::revert(&mut Host::new(config), config, &deployment::current(), &records)
    }
}

/// The host.
struct Host {
    timeout: Duration,
}

impl Host {
    fn new(config: &Config) -> Self {
        Self { timeout: config.timeout.map_or(Duration::from_secs(10), |timeout| timeout.0) }
    }
}

/// An error that calls the webhook so, and not by its stand-in.
fn without_stand_in(error: Error, stand_in: &str) -> Error {
    let stand_in = stand_in.trim_end_matches('/');
    let clean =
        |text: String| text.replace(&format!("`POST {stand_in}/`"), "the webhook").replace(stand_in, "the webhook");
    match error {
        Error::Denied(message) => Error::Denied(clean(message)),
        Error::Invalid(message) => Error::Invalid(clean(message)),
        Error::Unreachable { code, message } => Error::Unreachable { code, message: clean(message) },
    }
}

impl slack::Wire for Host {
    fn post(&mut self, url: &str, authorization: Option<&str>, body: &Value) -> Result<Response, Error> {
        let mut request = Request::post(url).timeout(self.timeout).keep(64 << 10);
        if let Some(authorization) = authorization {
            request = request.header("authorization", authorization);
        }
        let sent = request.json(body).map_err(|failure| Error::Invalid(failure.message))?.send();
        // A webhook's stand-in says nothing to anybody.
        if authorization.is_none() { sent.map_err(|error| without_stand_in(error, url)) } else { sent }
    }

    fn pause(&mut self, duration: Duration) {
        std::thread::sleep(duration);
    }

    fn say(&mut self, line: &str) {
        log::info(line);
    }
}

impl deliver::World for Host {
    fn placeholder(&mut self, secret: &str) -> Result<Option<String>, Failure> {
        secrets::placeholder(secret)
    }

    fn kept(&mut self, key: &str) -> Result<Option<String>, Failure> {
        state::get(key)
    }

    fn keep(&mut self, key: &str, value: &str) -> Result<(), Failure> {
        state::set(key, value)
    }

    fn record(&mut self, record: &Record) -> Result<(), Failure> {
        record::append(record)
    }
}

windlass_plugin::export!(crate::NotifySlack);

#[cfg(test)]
mod tests {
    use super::{Error, without_stand_in};

    #[test]
    fn a_stand_in_is_not_shown() {
        let refused = "`POST https://windlass-secret-0a.invalid/`: the connection was refused";
        let error = Error::Unreachable { code: "connection-refused", message: refused.into() };
        let error = without_stand_in(error, "https://windlass-secret-0a.invalid/");
        assert_eq!(error.to_string(), "the webhook: the connection was refused");
    }
}
