//! The ways out: HTTP, the TCP probe, and the stand-ins for secrets, which are replaced here.

use super::output::Output;
use super::reflection;
use super::{Services, State, broken_promise, locked};
use crate::event::Level;
use crate::network::{Addresses, Client, ConnectError, Limits, Route, SendError, Worker};
use crate::plugin::bindings::windlass::plugin as interfaces;
use crate::plugin::bindings::windlass::plugin::types as wit;
use crate::plugin::outside::Outside;
use crate::policy::{Capability, Gate, Question, Secret, SecretUse};
use crate::secret::{Placeholders, Redactor, Secrets};
use http::header::{ACCEPT_ENCODING, IF_RANGE, RANGE};
use http_body_util::BodyExt;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime_wasi_http::{Error as Refused, RequestOptions, WasiBody, WasiHttpHooks};

/// The most requests that one call may have under way at once, until their answers are read or dropped. Each is a
/// connection, and so a file of this process.
const UNDER_WAY: usize = 100;

impl interfaces::secrets::Host for State {
    async fn placeholder(&mut self, name: String) -> wasmtime::Result<Result<Option<String>, wit::Failure>> {
        if let Err(failure) = self.ask(&Question::SecretPlaceholder { name: &name }) {
            return Ok(Err(failure));
        }
        // Good for all that the secret is granted for, and not only for what the gate found first.
        let origins: Vec<String> = locked(&self.gate)
            .granted()
            .filter_map(|capability| match capability {
                Capability::Secret(Secret { name: granted, usage: SecretUse::Header { origin }, .. })
                    if *granted == name =>
                {
                    Some(origin.clone())
                }
                _ => None,
            })
            .collect();
        let mut placeholders = locked(&self.placeholders);
        let secrets = &self.services.secrets;
        let minted = if origins.is_empty() {
            placeholders.url(secrets, &name)
        } else {
            placeholders.header(secrets, &name, &origins)
        };
        Ok(minted.map_err(|misuse| broken_promise("secret-misused", misuse.to_string())))
    }
}

fn connect_failure(error: &ConnectError) -> wit::Failure {
    let (kind, code) = match error {
        ConnectError::Refused { .. } | ConnectError::RefusedName { .. } => {
            (wit::FailureKind::Denied, "address-refused")
        }
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
            Ok(granted) => granted,
            Err(failure) => return Ok(Err(failure)),
        };
        let addresses = match &granted {
            Capability::TcpProbe(probe) => &probe.addresses,
            _ => return Ok(Err(broken_promise("bug", "the gate answered with another kind of capability"))),
        };
        let addresses = match Addresses::parse(addresses) {
            Ok(addresses) => addresses,
            Err(error) => return Ok(Err(broken_promise("invalid-addresses", error.to_string()))),
        };
        let client = &self.services.client;
        let probed = match self.services.outside.answering() {
            Some(stand_in) => Client::judge(&host, &addresses).and_then(|()| stand_in.probe(&host, port)),
            None => client.probe_tcp(&host, port, &addresses, Duration::from_millis(timeout)).await,
        };
        if let Some(listener) = self.services.outside.listening() {
            listener.probed(&host, port, probed.as_ref());
        }
        Ok(match probed {
            Ok(took) => Ok(u64::try_from(took.as_micros()).unwrap_or(u64::MAX)),
            Err(error) => {
                if error.is_refusal() {
                    locked(&self.gate).refuse_address(&question.to_string(), &granted, error.missing_address());
                }
                Err(connect_failure(&error))
            }
        })
    }
}

/// Sends the guests' requests, if they may be sent.
pub(super) struct Egress {
    record: Record,
    placeholders: Arc<Mutex<Placeholders>>,
    client: Client,
    redactor: Redactor,
    secrets: Secrets,
    under_way: Arc<Semaphore>,
    outside: Outside,
}

/// Where it is written down what was refused.
#[derive(Clone)]
struct Record {
    gate: Arc<Mutex<Gate>>,
    output: Arc<Mutex<Output>>,
}

impl Record {
    /// What the gate answers. Of a no the log says why.
    fn ask(&self, question: &Question<'_>) -> Result<Capability, Refused> {
        let answer = locked(&self.gate).ask(question);
        answer.map_err(|denial| {
            self.say(Level::Error, &format!("not allowed to {}: {}", denial.asked, denial.because));
            Refused::HttpRequestDenied
        })
    }

    /// A denial that is no matter of what was granted.
    fn deny(&self, asked: &str, because: &str) -> Refused {
        locked(&self.gate).deny(asked);
        self.say(Level::Error, &format!("not allowed to {asked}: {because}"));
        Refused::HttpRequestDenied
    }

    fn say(&self, level: Level, words: &str) {
        locked(&self.output).message(level, words);
    }
}

/// A request that may be sent, with its secrets put in.
struct Allowed {
    request: http::Request<WasiBody>,
    route: Route,
    addresses: Addresses,
    asked: String,
    granted: Capability,
    /// The names of the secrets that were put in.
    secrets: Vec<String>,
}

/// What a request asks for, as the record has it; without its query, which no capability says anything of.
fn asked_for(request: &http::Request<WasiBody>) -> String {
    let uri = request.uri();
    let (scheme, authority) =
        (uri.scheme_str().unwrap_or_default(), uri.authority().map_or("", |whole| whole.as_str()));
    crate::policy::visible(&format!("{} `{scheme}://{authority}{}`", request.method(), uri.path())).into_owned()
}

impl Egress {
    pub(super) fn new(
        gate: Arc<Mutex<Gate>>,
        placeholders: Arc<Mutex<Placeholders>>,
        output: Arc<Mutex<Output>>,
        services: &Services,
    ) -> Self {
        Self {
            record: Record { gate, output },
            placeholders,
            client: services.client.clone(),
            redactor: services.redactor.clone(),
            secrets: services.secrets.clone(),
            under_way: Arc::new(Semaphore::new(UNDER_WAY)),
            outside: services.outside.clone(),
        }
    }

    fn allow(&self, mut request: http::Request<WasiBody>) -> Result<Allowed, Refused> {
        let method = request.method().as_str().to_owned();
        let asked = asked_for(&request);
        let deny = |because: &dyn std::fmt::Display| self.record.deny(&asked, &because.to_string());
        let placeholders = locked(&self.placeholders);
        let secret = placeholders.url_for(&request.uri().to_string()).map_err(|misuse| deny(&misuse))?;
        let secret = secret.map(|(name, url)| (name.to_owned(), url));
        let mut secrets = vec![];
        let (granted, asked) = if let Some((name, url)) = &secret {
            let unfit = || format!("the secret `{name}` is no URL that can be asked for");
            *request.uri_mut() = url.as_str().parse().map_err(|_| deny(&unfit()))?;
            // It names the stand-in's host by now.
            request.headers_mut().remove(http::header::HOST);
            secrets.push(name.clone());
            let question = Question::SecretUrl { name, method: &method };
            (self.record.ask(&question)?, question.to_string())
        } else {
            let route = Route::of(request.uri()).map_err(|error| deny(&error))?;
            let question = Question::Http {
                scheme: if route.secure { "https" } else { "http" },
                host: &route.host,
                port: route.port,
                method: &method,
                path: request.uri().path(),
            };
            (self.record.ask(&question)?, question.to_string())
        };
        let deny = |because: &dyn std::fmt::Display| self.record.deny(&asked, &because.to_string());
        let route = Route::of(request.uri()).map_err(|error| deny(&error))?;
        let addresses = match &granted {
            Capability::Http(http) => &http.addresses,
            Capability::Secret(Secret { usage: SecretUse::Url { addresses, .. }, .. }) => addresses,
            _ => return Err(deny(&"the gate answered with another kind of capability")),
        };
        let addresses = Addresses::parse(addresses).map_err(|error| deny(&error))?;
        let destination = url::Url::parse(&request.uri().to_string()).map_err(|error| deny(&error))?;
        let origin = destination.origin().ascii_serialization();
        for value in request.headers_mut().values_mut() {
            let Ok(text) = value.to_str() else { continue };
            for name in placeholders.names_in(text) {
                self.record.ask(&Question::SecretHeader { name: &name, origin: &origin })?;
                secrets.push(name);
            }
            let replaced = placeholders.substitute_header(text, &destination).map_err(|misuse| {
                self.record.deny(&format!("use a stand-in in a header to `{origin}`"), &misuse.to_string())
            })?;
            if let Some(replaced) = replaced {
                let mut secret = http::HeaderValue::from_str(&replaced)
                    .map_err(|_| deny(&"a secret has characters that no header can carry"))?;
                secret.set_sensitive(true);
                *value = secret;
            }
        }
        if !secrets.is_empty() {
            // What comes back has to be readable, and whole, for a secret in it to be found.
            for name in [ACCEPT_ENCODING, RANGE, IF_RANGE] {
                request.headers_mut().remove(name);
            }
        }
        drop(placeholders);
        Ok(Allowed { request, route, addresses, asked, granted, secrets })
    }
}

/// Sends what was allowed: to where it leads, or to what stands in for that.
async fn send(
    outside: &Outside,
    client: &Client,
    request: http::Request<WasiBody>,
    route: &Route,
    addresses: &Addresses,
    limits: Limits,
) -> Result<(http::Response<WasiBody>, Worker), SendError> {
    let (answering, listening) = (outside.answering(), outside.listening());
    if answering.is_none() && listening.is_none() {
        return client.send(request, route, addresses, limits).await;
    }
    let (parts, body) = request.into_parts();
    let cut = |error: Refused| SendError::Closed { host: route.host.clone(), reason: error.to_string() };
    let body = body.collect().await.map_err(cut)?.to_bytes();
    let request = http::Request::from_parts(parts, body);
    let answer = match (answering, listening) {
        (Some(stand_in), _) => {
            Client::judge(&route.host, addresses)?;
            stand_in.request(&request)?
        }
        (None, listener) => {
            let sent = client.send(request.clone().map(http_body_util::Full::new), route, addresses, limits).await;
            let (parts, body) = match sent {
                Ok((answer, _)) => answer.into_parts(),
                Err(error) => {
                    listener.inspect(|listener| listener.heard(&request, Err(&error)));
                    return Err(error);
                }
            };
            let answer = http::Response::from_parts(parts, body.collect().await.map_err(cut)?.to_bytes());
            listener.inspect(|listener| listener.heard(&request, Ok(&answer)));
            answer
        }
    };
    let answer = answer.map(|body| http_body_util::Full::new(body).map_err(|never| match never {}).boxed_unsync());
    Ok((answer, Box::new(std::future::ready(Ok(())))))
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
        let (client, record, redactor) = (self.client.clone(), self.record.clone(), self.redactor.clone());
        let (secrets, under_way) = (self.secrets.clone(), Arc::clone(&self.under_way));
        let outside = self.outside.clone();
        Box::new(async move {
            let Allowed { request, route, addresses, asked, granted, secrets: put_in } = allowed;
            let limits = Limits::default().with(options);
            // One that waits for its turn holds no connection.
            let Ok(Ok(place)) = tokio::time::timeout(limits.first_byte, under_way.acquire_owned()).await else {
                let because = "the answers to others have to be read or dropped first";
                let _ = record.deny(&format!("have more than {UNDER_WAY} requests under way at once"), because);
                return Err(Refused::ConnectionLimitReached);
            };
            let sent = send(&outside, &client, request, &route, &addresses, limits).await;
            let (response, worker) = sent.map_err(|error| {
                if error.is_refusal() {
                    locked(&record.gate).refuse_address(&asked, &granted, error.missing_address());
                    record.say(Level::Error, &format!("not allowed to {asked}: {error}"));
                } else {
                    record.say(Level::Debug, &error.to_string());
                }
                error.for_guest()
            })?;
            if !put_in.is_empty()
                && let Some(coding) = reflection::coding(response.headers())
            {
                let because = format!(
                    "the answer to a request with a secret is coded as `{coding}`, so that no secret could be found in it"
                );
                let _ = record.deny(&format!("read the answer to {asked}"), &because);
                return Err(Refused::HttpResponseContentCoding(Some(coding)));
            }
            let response = response.map(|body| within_bounds(body, place, record, asked));
            // A name comes in small letters, however it was sent.
            let small = Secrets::from_environment(put_in, |name| Some(secrets.get(name)?.expose().to_lowercase()));
            Ok((reflection::clean(response, &redactor, &small.redactor()), worker))
        })
    }
}

/// The answer's body, which keeps its place among those under way. What is too large is written down as refused.
fn within_bounds(body: WasiBody, place: OwnedSemaphorePermit, record: Record, asked: String) -> WasiBody {
    body.map_err(move |error| {
        let _ = &place;
        match &error {
            Refused::HttpResponseBodySize(Some(most)) => {
                let bound = format!("read more than {} MiB of the answer to {asked}", most >> 20);
                let _ = record.deny(&bound, "no answer may be larger");
            }
            Refused::HttpResponseTimeout => {
                let because =
                    format!("no request may take longer than {}", crate::words::span(Limits::default().total));
                let _ = record.deny(&format!("go on reading the answer to {asked}"), &because);
            }
            _ => {}
        }
        error
    })
    .boxed_unsync()
}
