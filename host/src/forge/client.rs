//! One request after the other, each with its limits, all of them with one deadline. The same for every forge: what differs is
//! the [`Wire`].

use super::answer::{Answer, Failure, Meaning, Peer};
use crate::problem::{Code, Problem};
use async_trait::async_trait;
use http::{Method, StatusCode};
use jiff::{SignedDuration, Timestamp};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// The largest answer that is read, in bytes. A hundred deployments are some 300 KB.
pub(super) const LARGEST: usize = 8 << 20;

/// How long closing a deployment that will not be run is tried.
pub(super) const CLOSING: Duration = Duration::from_secs(5);

/// How long and how often a forge is asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// For one request, in full. GitHub itself gives up on a request after 10 seconds.
    pub(super) attempt: Duration,
    /// For one that makes something, in full. Longer: one that is given up and arrives late may make it a second time.
    pub(super) write: Duration,
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
            write: Duration::from_secs(40),
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

impl Unusable {
    /// As a person is told of it.
    pub(super) fn problem(self, peer: Peer) -> Problem {
        Problem::new(Code::Usage, format!("deployments cannot be shown on {}", peer.name()))
            .because(self.cause)
            .with_note("nothing was run")
            .with_hint(self.hint)
    }
}

/// What is sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Request<'a> {
    /// GET, POST, PATCH or PUT.
    pub(super) method: &'a Method,
    /// From the API's address on, with its query: `/projects/1/deployments?page=1`.
    pub(super) route: &'a str,
    /// JSON, unless something is read.
    pub(super) body: Option<&'a Value>,
    /// A file, in place of JSON.
    pub(super) file: Option<&'a str>,
}

/// How one forge's requests are sent.
#[async_trait]
pub(super) trait Wire: std::fmt::Debug + Send + Sync {
    /// One request and its whole answer, without our token in it; or why there is none.
    async fn send(&self, request: Request<'_>) -> Result<Answer, String>;
}

/// The API of one forge, spoken to with one token.
#[derive(Debug)]
pub(super) struct Client {
    /// Which one.
    peer: Peer,
    /// As the CI says it.
    api: String,
    wire: Box<dyn Wire>,
    patience: Patience,
    /// How far the forge's clock is ahead of ours, by its last answer.
    ahead: Mutex<SignedDuration>,
}

impl Client {
    /// A client. Nothing is sent.
    pub(super) fn new(peer: Peer, api: &str, wire: impl Wire + 'static, patience: Patience) -> Self {
        Self { peer, api: api.to_owned(), wire: Box::new(wire), patience, ahead: Mutex::default() }
    }

    /// The time by the forge's clock, as its answers say it, and by ours before the first one.
    pub(super) fn now(&self) -> Timestamp {
        let (now, ahead) = (Timestamp::now(), *self.ahead.lock().unwrap_or_else(PoisonError::into_inner));
        now.checked_add(ahead).unwrap_or(now)
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

    /// One request and its whole answer, or why there is none.
    async fn attempt(&self, request: Request<'_>, until: Instant) -> Result<Answer, String> {
        let most = if request.method == Method::POST { self.patience.write } else { self.patience.attempt };
        let time = most.min(until.saturating_duration_since(Instant::now()));
        let sent = tokio::time::timeout(time, self.wire.send(request)).await;
        let answer = sent.unwrap_or_else(|_| Err(format!("no answer within {:.1} s", time.as_secs_f32())));
        if let Some(date) = answer.as_ref().ok().and_then(Answer::date) {
            // Said to the second: what is less is our clock's as well as its.
            let ahead = date.duration_since(Timestamp::now());
            let ahead = if ahead.abs() < SignedDuration::from_secs(2) { SignedDuration::ZERO } else { ahead };
            *self.ahead.lock().unwrap_or_else(PoisonError::into_inner) = ahead;
        }
        answer
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
            if let Some(read) = self.send(&Method::GET, route, None, StatusCode::OK).await? {
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
        self.send(&Method::POST, route, Some(body), StatusCode::CREATED).await
    }

    /// Changes what is there from what it was, and answers with what it is. `None` where nobody knows whether it was: look before
    /// sending it again.
    pub(super) async fn patch<T: DeserializeOwned>(&mut self, route: &str, body: &Value) -> Result<Option<T>, Failure> {
        self.send(&Method::PATCH, route, Some(body), StatusCode::OK).await
    }

    /// As [`Effort::post`], where what is done has another answer than that something was made.
    pub(super) async fn post_for<T: DeserializeOwned>(
        &mut self,
        route: &str,
        body: &Value,
        good: StatusCode,
    ) -> Result<Option<T>, Failure> {
        self.send(&Method::POST, route, Some(body), good).await
    }

    /// Reads what may be anything, and asks once: what is there is not the forge's to answer for.
    pub(super) async fn once(&mut self, route: &str) -> Result<String, Failure> {
        let mut failure = Failure::new(self.client.peer, &self.client.api);
        let request = Request { method: &Method::GET, route, body: None, file: None };
        match self.client.attempt(request, self.deadline).await {
            Ok(answer) if answer.status == StatusCode::OK => return Ok(answer.body),
            Ok(answer) => failure.answer = Some(answer),
            Err(cause) => failure.cause = Some(cause),
        }
        Err(failure)
    }

    /// Where something is that the forge keeps elsewhere.
    pub(super) async fn location(&mut self, route: &str) -> Result<String, Failure> {
        loop {
            if let Some(answer) = self.exchange(&Method::GET, route, None, StatusCode::FOUND).await? {
                let location = answer.headers.get(http::header::LOCATION).and_then(|value| value.to_str().ok());
                return location.map(str::to_owned).ok_or_else(|| Failure {
                    cause: Some("its answer does not say where it is".into()),
                    ..Failure::new(self.client.peer, &self.client.api)
                });
            }
        }
    }

    /// Changes what is there to what `body` says. What was sent and not answered is sent again: it changes nothing twice.
    pub(super) async fn put<T: DeserializeOwned>(&mut self, route: &str, body: &Value) -> Result<T, Failure> {
        loop {
            if let Some(changed) = self.send(&Method::PUT, route, Some(body), StatusCode::OK).await? {
                return Ok(changed);
            }
        }
    }

    /// Reads what is no JSON.
    pub(super) async fn get_text(&mut self, route: &str) -> Result<String, Failure> {
        loop {
            let request = Request { method: &Method::GET, route, body: None, file: None };
            if let Some(answer) = self.exchange_of(request, StatusCode::OK).await? {
                return Ok(answer.body);
            }
        }
    }

    /// Puts a file there. What was sent and not answered is sent again: it is the same file.
    pub(super) async fn put_text(&mut self, route: &str, text: &str) -> Result<(), Failure> {
        loop {
            let request = Request { method: &Method::PUT, route, body: None, file: Some(text) };
            if self.exchange_of(request, StatusCode::CREATED).await?.is_some() {
                return Ok(());
            }
        }
    }

    /// Deletes. What is not there is deleted.
    pub(super) async fn delete(&mut self, route: &str) -> Result<(), Failure> {
        loop {
            let request = Request { method: &Method::DELETE, route, body: None, file: None };
            match self.exchange_of(request, StatusCode::NO_CONTENT).await {
                Ok(Some(_)) => return Ok(()),
                Ok(None) => {}
                Err(failure) if failure.status() == Some(StatusCode::NOT_FOUND) => return Ok(()),
                Err(failure) => return Err(failure),
            }
        }
    }

    /// Sends until there is an answer that can be read. `None` where there was none and a pause was made.
    async fn send<T: DeserializeOwned>(
        &mut self,
        method: &Method,
        route: &str,
        body: Option<&Value>,
        good: StatusCode,
    ) -> Result<Option<T>, Failure> {
        let Some(answer) = self.exchange(method, route, body, good).await? else { return Ok(None) };
        let text = if answer.status == StatusCode::NO_CONTENT { "null" } else { &answer.body };
        match serde_json::from_str(text) {
            Ok(value) => Ok(Some(value)),
            Err(error) => {
                let mut failure = Failure::new(self.client.peer, &self.client.api);
                failure.cause = Some(format!("its answer cannot be read: {error}"));
                failure.answer = Some(Answer { body: String::new(), ..answer });
                self.in_doubt |= body.is_some();
                failure.in_doubt = self.in_doubt;
                self.rest(None, failure).await?;
                Ok(None)
            }
        }
    }

    /// Sends until there is an answer to go by. `None` where there was none and a pause was made.
    async fn exchange(
        &mut self,
        method: &Method,
        route: &str,
        body: Option<&Value>,
        good: StatusCode,
    ) -> Result<Option<Answer>, Failure> {
        self.exchange_of(Request { method, route, body, file: None }, good).await
    }

    async fn exchange_of(&mut self, request: Request<'_>, good: StatusCode) -> Result<Option<Answer>, Failure> {
        let body = request.body;
        loop {
            let mut failure = Failure::new(self.client.peer, &self.client.api);
            let attempted = self.client.attempt(request, self.deadline).await;
            let now = self.client.now().as_second();
            let meaning = match attempted {
                Err(cause) => {
                    failure.cause = Some(cause);
                    Meaning::Doubtful(None)
                }
                Ok(answer) => match answer.meaning(good, now) {
                    Meaning::Done => return Ok(Some(answer)),
                    meaning => {
                        failure.answer = Some(answer);
                        meaning
                    }
                },
            };
            let (wait, doubtful) = match meaning {
                Meaning::Later(wait) => (wait.or_else(|| self.client.peer.limit()), false),
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

    /// Waits as long as the forge asks, or a while of our own. Gives up where that is past the deadline.
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

/// The words of the innermost cause: the outer ones are layers of the library that sends.
pub(super) fn root(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string().lines().next().unwrap_or_default().to_owned()
}
