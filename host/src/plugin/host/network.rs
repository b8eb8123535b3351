//! The ways out: HTTP, the TCP probe, and the stand-ins for secrets, which are replaced here.

use super::output::Output;
use super::reflection;
use super::{Services, State, broken_promise, locked};
use crate::event::Level;
use crate::network::{Addresses, Client, ConnectError, Limits, Route, SendError, Worker, probe_tcp};
use crate::plugin::bindings::windlass::plugin as interfaces;
use crate::plugin::bindings::windlass::plugin::types as wit;
use crate::policy::{Capability, Gate, Question, Secret, SecretUse};
use crate::secret::{Placeholders, Redactor};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use wasmtime_wasi_http::{Error as Refused, RequestOptions, WasiBody, WasiHttpHooks};

impl interfaces::secrets::Host for State {
    async fn placeholder(&mut self, name: String) -> wasmtime::Result<Result<Option<String>, wit::Failure>> {
        let capability = match self.ask(&Question::SecretPlaceholder { name: &name }) {
            Ok(capability) => capability,
            Err(failure) => return Ok(Err(failure)),
        };
        let mut placeholders = locked(&self.placeholders);
        let secrets = &self.services.secrets;
        let minted = match capability {
            Capability::Secret(Secret { usage: SecretUse::Header { origin }, .. }) => {
                placeholders.header(secrets, &name, &origin)
            }
            _ => placeholders.url(secrets, &name),
        };
        Ok(minted.map_err(|misuse| broken_promise("secret-misused", misuse.to_string())))
    }
}

fn connect_failure(error: &ConnectError) -> wit::Failure {
    let (kind, code) = match error {
        ConnectError::Refused { .. } => (wit::FailureKind::Denied, "address-refused"),
        ConnectError::NoSuchName { .. } => (wit::FailureKind::Unavailable, "dns"),
        ConnectError::ConnectionRefused { .. } => (wit::FailureKind::Unavailable, "connection-refused"),
        ConnectError::ResolveTimedOut { .. } | ConnectError::TimedOut { .. } => {
            (wit::FailureKind::Unavailable, "timed-out")
        }
        ConnectError::Unreachable { .. } => (wit::FailureKind::Unavailable, "unreachable"),
    };
    wit::Failure { kind, code: code.into(), message: error.to_string(), causes: vec![], hint: None, note: None }
}

impl interfaces::network::Host for State {
    async fn probe_tcp(
        &mut self,
        host: String,
        port: u16,
        timeout: u64,
    ) -> wasmtime::Result<Result<u64, wit::Failure>> {
        let question = Question::TcpProbe { host: &host, port };
        let granted = match self.ask(&question) {
            Ok(Capability::TcpProbe(probe)) => probe.addresses,
            Ok(_) => return Ok(Err(broken_promise("bug", "the gate answered with another kind of capability"))),
            Err(failure) => return Ok(Err(failure)),
        };
        let addresses = match Addresses::parse(&granted) {
            Ok(addresses) => addresses,
            Err(error) => return Ok(Err(broken_promise("invalid-addresses", error.to_string()))),
        };
        Ok(match probe_tcp(&host, port, &addresses, Duration::from_millis(timeout)).await {
            Ok(took) => Ok(u64::try_from(took.as_micros()).unwrap_or(u64::MAX)),
            Err(error) => {
                if matches!(error, ConnectError::Refused { .. }) {
                    locked(&self.gate).deny(&question.to_string());
                }
                Err(connect_failure(&error))
            }
        })
    }
}

/// Sends the guests' requests, if they may be sent.
pub(super) struct Egress {
    gate: Arc<Mutex<Gate>>,
    placeholders: Arc<Mutex<Placeholders>>,
    output: Arc<Mutex<Output>>,
    client: Client,
    redactor: Redactor,
}

/// A request that may be sent, with its secrets put in.
struct Allowed {
    request: http::Request<WasiBody>,
    route: Route,
    addresses: Addresses,
    asked: String,
}

impl Egress {
    pub(super) fn new(
        gate: Arc<Mutex<Gate>>,
        placeholders: Arc<Mutex<Placeholders>>,
        output: Arc<Mutex<Output>>,
        services: &Services,
    ) -> Self {
        let (client, redactor) = (services.client.clone(), services.redactor.clone());
        Self { gate, placeholders, output, client, redactor }
    }

    /// Says no, in words that whoever reads the log understands.
    fn refuse(&self, words: &str) -> Refused {
        locked(&self.output).message(Level::Error, words);
        Refused::HttpRequestDenied
    }

    fn allow(&self, mut request: http::Request<WasiBody>) -> Result<Allowed, Refused> {
        let method = request.method().as_str().to_owned();
        let placeholders = locked(&self.placeholders);
        let secret =
            placeholders.url_for(&request.uri().to_string()).map_err(|misuse| self.refuse(&misuse.to_string()))?;
        let secret = secret.map(|(name, url)| (name.to_owned(), url));
        let ask = |question: &Question<'_>| {
            let asked = question.to_string();
            match locked(&self.gate).ask(question) {
                Ok(capability) => Ok((capability, asked)),
                Err(denial) => Err(self.refuse(&format!("not allowed to {}: {}", denial.asked, denial.because))),
            }
        };
        let (capability, asked) = if let Some((name, url)) = &secret {
            let uri: http::Uri = url
                .as_str()
                .parse()
                .map_err(|_| self.refuse(&format!("the secret `{name}` is no URL that can be asked for")))?;
            *request.uri_mut() = uri;
            // It names the stand-in's host by now.
            request.headers_mut().remove(http::header::HOST);
            ask(&Question::SecretUrl { name, method: &method })?
        } else {
            let route = Route::of(request.uri()).map_err(|error| self.refuse(&error.to_string()))?;
            ask(&Question::Http {
                scheme: if route.secure { "https" } else { "http" },
                host: &route.host,
                port: route.port,
                method: &method,
                path: request.uri().path(),
            })?
        };
        let route = Route::of(request.uri()).map_err(|error| self.refuse(&error.to_string()))?;
        let granted = match capability {
            Capability::Http(http) => http.addresses,
            Capability::Secret(Secret { usage: SecretUse::Url { addresses, .. }, .. }) => addresses,
            _ => return Err(self.refuse("the gate answered with another kind of capability")),
        };
        let addresses = Addresses::parse(&granted).map_err(|error| self.refuse(&error.to_string()))?;
        let destination =
            url::Url::parse(&request.uri().to_string()).map_err(|error| self.refuse(&error.to_string()))?;
        for value in request.headers_mut().values_mut() {
            let Ok(text) = value.to_str() else { continue };
            for name in placeholders.names_in(text) {
                ask(&Question::SecretHeader { name: &name, origin: &destination.origin().ascii_serialization() })?;
            }
            let replaced = placeholders
                .substitute_header(text, &destination)
                .map_err(|misuse| self.refuse(&misuse.to_string()))?;
            if let Some(replaced) = replaced {
                let mut secret = http::HeaderValue::from_str(&replaced)
                    .map_err(|_| self.refuse("a secret has characters that no header can carry"))?;
                secret.set_sensitive(true);
                *value = secret;
            }
        }
        Ok(Allowed { request, route, addresses, asked })
    }
}

type Sent = Result<(http::Response<WasiBody>, Worker), Refused>;

impl WasiHttpHooks for Egress {
    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _: Box<dyn Future<Output = Result<(), Refused>> + Send>,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        let allowed = match self.allow(request) {
            Ok(allowed) => allowed,
            Err(refused) => return Box::new(std::future::ready(Err(refused))),
        };
        let client = self.client.clone();
        let (gate, output, redactor) = (self.gate.clone(), self.output.clone(), self.redactor.clone());
        Box::new(async move {
            let Allowed { request, route, addresses, asked } = allowed;
            let sent = client.send(request, &route, &addresses, Limits::default().with(options)).await;
            let (response, worker) = sent.map_err(|error| {
                if let SendError::Connect(ConnectError::Refused { .. }) = &error {
                    locked(&gate).deny(&asked);
                    locked(&output).message(Level::Error, &error.to_string());
                } else {
                    locked(&output).message(Level::Debug, &error.to_string());
                }
                error.for_guest()
            })?;
            Ok((reflection::clean(response, &redactor), worker))
        })
    }
}
