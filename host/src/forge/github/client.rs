//! One request after the other, each with its limits, all of them with one deadline.
//!
//! octocrab builds and sends them. Its own retries are off: they send a POST again at once, whatever became of it.

use super::answer::{Answer, Failure, Meaning};
use crate::secret::{MASK, Secret};
use http::{HeaderValue, StatusCode, Uri};
use http_body_util::{BodyExt, Limited};
use octocrab::Octocrab;
use octocrab::service::middleware::retry::RetryConfig;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::time::Duration;
use tokio::sync::OnceCell;
use tokio::time::Instant;

/// The largest answer that is read, in bytes. A hundred deployments are some 300 KB.
const LARGEST: usize = 8 << 20;

/// How long and how often GitHub is asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// For one request, in full. GitHub itself gives up on a request after 10 seconds.
    pub(super) attempt: Duration,
    /// For everything that one call of the forge's interface sends.
    pub(super) total: Duration,
    /// The first pause of ours. Each further one is twice as long.
    pub(super) pause: Duration,
    /// The longest pause of ours.
    pub(super) longest: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            attempt: Duration::from_secs(15),
            total: Duration::from_secs(60),
            pause: Duration::from_millis(500),
            longest: Duration::from_secs(8),
        }
    }
}

/// What keeps a client from being made.
#[derive(Debug)]
pub(super) struct Unusable {
    /// Why.
    pub(super) cause: String,
    /// What helps.
    pub(super) hint: &'static str,
}

/// The API of one GitHub, spoken to with one token.
pub(super) struct Client {
    /// As the CI says it.
    api: String,
    /// Scheme, host and port.
    origin: Uri,
    /// `/api/v3` on Enterprise Server. Kept from octocrab, which leaves it out before a path that begins the same way.
    base: String,
    token: Secret,
    patience: Patience,
    /// Made at the first request: it needs tokio, and reads the machine's certificates.
    octocrab: OnceCell<Octocrab>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Client").field("api", &self.api).field("token", &self.token).finish_non_exhaustive()
    }
}

impl Client {
    pub(super) fn new(api: &str, token: Secret, patience: Patience) -> Result<Self, Unusable> {
        let no_address = || Unusable {
            cause: format!("`{api}` is not the address of an API"),
            hint: "set `GITHUB_API_URL` to an address such as `https://api.github.com`",
        };
        let uri: Uri = api.parse().map_err(|_| no_address())?;
        let (Some("http" | "https"), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(no_address());
        };
        // octocrab panics at a token that no header can carry.
        if HeaderValue::from_str(token.expose()).is_err() {
            return Err(Unusable {
                cause: "the token in `GITHUB_TOKEN` has characters that no token has".into(),
                hint: "set `GITHUB_TOKEN` to the token alone, without a line break",
            });
        }
        let origin = Uri::builder()
            .scheme(uri.scheme_str().unwrap_or("https"))
            .authority(authority.as_str())
            .path_and_query("/")
            .build();
        Ok(Self {
            api: api.to_owned(),
            origin: origin.map_err(|_| no_address())?,
            base: uri.path().trim_end_matches('/').to_owned(),
            token,
            patience,
            octocrab: OnceCell::new(),
        })
    }

    /// The requests of one call, with the whole of its time.
    pub(super) fn effort(&self) -> Effort<'_> {
        self.effort_of(self.patience.total)
    }

    /// The requests of one call, with this much time at most.
    pub(super) fn effort_of(&self, time: Duration) -> Effort<'_> {
        let time = time.min(self.patience.total);
        Effort { client: self, deadline: Instant::now() + time, pause: self.patience.pause, in_doubt: false }
    }

    async fn octocrab(&self) -> Result<&Octocrab, String> {
        let build = async || {
            Octocrab::builder()
                .base_uri(self.origin.clone())?
                .add_retry_config(RetryConfig::None)
                .set_connect_timeout(Some(self.patience.attempt))
                .personal_token(self.token.expose())
                .build()
        };
        self.octocrab.get_or_try_init(build).await.map_err(|error| root(&error))
    }

    /// One request and its whole answer, or why there is none.
    async fn attempt(&self, route: &str, body: Option<&Value>, until: Instant) -> Result<Answer, String> {
        let time = self.patience.attempt.min(until.saturating_duration_since(Instant::now()));
        let exchange = async {
            let octocrab = self.octocrab().await?;
            let route = format!("{}{route}", self.base);
            let response = match body {
                Some(body) => octocrab._post(route, Some(body)).await,
                None => octocrab._get(route).await,
            };
            let (parts, body) = response.map_err(|error| root(&error))?.into_parts();
            let bytes = Limited::new(body, LARGEST).collect().await.map_err(|error| root(&*error))?.to_bytes();
            // A mirror that sends back what it was sent must not get our token into an error.
            let body = String::from_utf8_lossy(&bytes).replace(self.token.expose(), MASK);
            Ok(Answer { status: parts.status, headers: parts.headers, body })
        };
        tokio::time::timeout(time, exchange)
            .await
            .unwrap_or_else(|_| Err(format!("no answer within {:.1} s", time.as_secs_f32())))
    }
}

/// The requests of one call of the forge's interface, and how much time is left for them.
#[derive(Debug)]
pub(super) struct Effort<'client> {
    client: &'client Client,
    deadline: Instant,
    pause: Duration,
    /// Whether something was sent of which nobody knows what became.
    in_doubt: bool,
}

impl Effort<'_> {
    /// Reads. It may be asked again as often as there is time.
    pub(super) async fn get<T: DeserializeOwned>(&mut self, route: &str) -> Result<T, Failure> {
        loop {
            if let Some(read) = self.send(route, None).await? {
                return Ok(read);
            }
        }
    }

    /// It was looked for: what became of the last that was sent is known now.
    pub(super) const fn settle(&mut self) {
        self.in_doubt = false;
    }

    /// Writes, and answers with what was made. `None` where nobody knows whether it was: look before sending it again.
    pub(super) async fn post<T: DeserializeOwned>(&mut self, route: &str, body: &Value) -> Result<Option<T>, Failure> {
        self.send(route, Some(body)).await
    }

    /// Sends until there is an answer to go by. `None` where there was none and a pause was made.
    async fn send<T: DeserializeOwned>(&mut self, route: &str, body: Option<&Value>) -> Result<Option<T>, Failure> {
        let good = if body.is_some() { StatusCode::CREATED } else { StatusCode::OK };
        loop {
            let mut failure = Failure { api: self.client.api.clone(), ..Failure::default() };
            let now = jiff::Timestamp::now().as_second();
            let meaning = match self.client.attempt(route, body, self.deadline).await {
                Err(cause) => {
                    failure.cause = Some(cause);
                    Meaning::Doubtful(None)
                }
                Ok(answer) => match answer.meaning(good, now) {
                    Meaning::Done => match serde_json::from_str(&answer.body) {
                        Ok(value) => return Ok(Some(value)),
                        Err(error) => {
                            let status = answer.status;
                            failure.cause = Some(format!("its answer cannot be read: {error}"));
                            failure.answer = Some(Answer { status, headers: answer.headers, body: String::new() });
                            Meaning::Doubtful(None)
                        }
                    },
                    meaning => {
                        failure.answer = Some(answer);
                        meaning
                    }
                },
            };
            let (wait, doubtful) = match meaning {
                Meaning::Later(wait) => (Some(wait), false),
                Meaning::Doubtful(wait) => (wait, true),
                Meaning::Done | Meaning::Refused => {
                    failure.in_doubt = self.in_doubt;
                    return Err(failure);
                }
            };
            self.in_doubt |= doubtful && body.is_some();
            failure.in_doubt = self.in_doubt;
            self.rest(wait, failure).await?;
            if doubtful {
                return Ok(None);
            }
        }
    }

    /// Waits as long as GitHub asks, or a while of our own. Gives up where that is past the deadline.
    async fn rest(&mut self, asked: Option<Duration>, mut failure: Failure) -> Result<(), Failure> {
        let own = jittered(self.pause);
        self.pause = (self.pause * 2).min(self.client.patience.longest);
        let end = Instant::now() + asked.unwrap_or(own).max(own);
        if end >= self.deadline {
            failure.wait = asked;
            return Err(failure);
        }
        tokio::time::sleep_until(end).await;
        Ok(())
    }
}

/// Three quarters to five quarters of it, so that jobs that failed together do not come back together.
fn jittered(pause: Duration) -> Duration {
    let share = getrandom::u32().unwrap_or_default() % 512;
    pause * (768 + share) / 1024
}

/// The words of the innermost cause: the outer ones are octocrab's layers.
fn root(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string().lines().next().unwrap_or_default().to_owned()
}
