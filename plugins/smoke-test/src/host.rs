//! The checks' network and clock, as the host grants them.

use crate::check::{Prepared, Subject};
use crate::judge::{Answer, Verdict};
use crate::run::World;
use crate::wording;
use std::time::{Duration, Instant};
use windlass_plugin::http::{self, Error, Pending, Request};
use windlass_plugin::{log, network};

/// The most of a body that is looked at, in bytes. Many checks run at once, and memory is limited.
const BODY_LIMIT: usize = 1 << 20;

/// The host.
pub(crate) struct Host(Instant);

impl Host {
    pub(crate) fn new() -> Self {
        Self(Instant::now())
    }
}

impl World for Host {
    type Flight = Pending;

    fn now(&self) -> Duration {
        self.0.elapsed()
    }

    fn start(&mut self, check: &Prepared) -> Result<Pending, Answer> {
        let Subject::Http(subject) = &check.subject else {
            return Err(Answer::Http(Err(Error::Invalid("a TCP check has no request".into()))));
        };
        let configured = &subject.request;
        let mut request =
            Request::new(configured.method.word(), &subject.url).timeout(check.pace.timeout).keep(BODY_LIMIT);
        if !configured.headers.keys().any(|name| name.eq_ignore_ascii_case("user-agent")) {
            request = request.header("user-agent", concat!("windlass-smoke-test/", env!("CARGO_PKG_VERSION")));
        }
        if configured.json.is_some() && !configured.headers.keys().any(|name| name.eq_ignore_ascii_case("content-type"))
        {
            request = request.header("content-type", "application/json");
        }
        for (name, value) in &configured.headers {
            request = request.header(name, value);
        }
        match (&configured.body, &configured.json) {
            (Some(body), _) => request = request.body(body.as_str()),
            (None, Some(json)) => request = request.body(json.to_string()),
            (None, None) => {}
        }
        request.start().map_err(|error| Answer::Http(Err(error)))
    }

    fn look(&mut self, flight: &mut Pending) -> Option<Answer> {
        flight.poll().map(Answer::Http)
    }

    fn wait(&mut self, flights: &[&Pending], at_most: Duration) {
        http::wait_any(flights, Some(at_most));
    }

    fn probe(&mut self, host: &str, port: u16, timeout: Duration) -> Answer {
        let milliseconds = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
        Answer::Tcp(network::probe_tcp(host, port, milliseconds).map(Duration::from_micros))
    }

    fn tell(&mut self, check: &Prepared, news: &Verdict, tries: u32) {
        let line = wording::news(check, news, tries);
        if matches!(news, Verdict::Wrong { .. }) { log::warn(line) } else { log::info(line) }
    }
}
