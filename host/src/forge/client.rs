//! One request after the other, each with its limits, and all that a command asks with one: a forge that is dead is waited for
//! once, and not again with each question. The same for every forge: what differs is the [`Wire`].

use super::answer::{Answer, Failure, Meaning, Peer};
use crate::event::{Event, Listener};
use crate::problem::{Code, Problem};
use crate::words;
use async_trait::async_trait;
use http::{Method, StatusCode};
use jiff::{SignedDuration, Timestamp};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// The largest answer that is read, in bytes. A hundred deployments are some 300 KB.
pub(super) const LARGEST: usize = 8 << 20;

/// How long closing a deployment that will not be run is tried.
pub(super) const CLOSING: Duration = Duration::from_secs(5);

/// How long a command that reads waits in all for a forge that does not answer: somebody sits before it.
pub const READING: Duration = Duration::from_secs(15);

/// How long any other command does.
pub const WRITING: Duration = Duration::from_secs(60);

/// How long a question waits at most that comes after all of that was waited in vain. It is asked once.
const LEAST: Duration = Duration::from_secs(2);

/// How long an answer takes before it is said that it is waited for.
const SLOW: Duration = Duration::from_secs(5);

/// How long and how often a forge is asked, and who is told of the waiting.
#[derive(Debug, Clone)]
pub struct Patience {
    /// For one request, in full. GitHub itself gives up on a request after 10 seconds.
    pub(super) attempt: Duration,
    /// For one that makes something, in full. Longer: one that is given up and arrives late may make it a second time.
    pub(super) write: Duration,
    /// From the last answer to giving up, over all that is asked meanwhile.
    pub(super) total: Duration,
    /// The first pause of ours. Each further one is twice as long.
    pub(super) pause: Duration,
    /// The longest pause of ours.
    pub(super) longest: Duration,
    /// Who is told why something takes long; nobody where there is none.
    pub(super) listener: Option<Arc<dyn Listener>>,
}

impl Patience {
    /// This long in all.
    #[must_use]
    pub fn of(total: Duration, listener: Arc<dyn Listener>) -> Self {
        // Whoever waits for an hour is not told of it each eight seconds.
        let longest = (total / 60).clamp(Duration::from_secs(8), Duration::from_secs(60));
        Self { total, longest, listener: Some(listener), ..Self::default() }
    }
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            attempt: Duration::from_secs(10),
            write: Duration::from_secs(40),
            total: WRITING,
            pause: Duration::from_millis(500),
            longest: Duration::from_secs(8),
            listener: None,
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
    /// GET, POST, PATCH, PUT or DELETE.
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

impl<'a> Request<'a> {
    /// Without a body.
    const fn of(method: &'a Method, route: &'a str) -> Self {
        Self { method, route, body: None, file: None }
    }

    /// With JSON.
    const fn with(method: &'a Method, route: &'a str, body: &'a Value) -> Self {
        Self { method, route, body: Some(body), file: None }
    }
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
    /// How long it was waited since the last answer.
    in_vain: Mutex<Duration>,
}

impl Client {
    /// A client. Nothing is sent.
    pub(super) fn new(peer: Peer, api: &str, wire: impl Wire + 'static, patience: Patience) -> Self {
        let (ahead, in_vain) = (Mutex::default(), Mutex::default());
        Self { peer, api: api.to_owned(), wire: Box::new(wire), patience, ahead, in_vain }
    }

    /// The time by the forge's clock, as its answers say it, and by ours before the first one.
    pub(super) fn now(&self) -> Timestamp {
        let (now, ahead) = (Timestamp::now(), *self.ahead.lock().unwrap_or_else(PoisonError::into_inner));
        now.checked_add(ahead).unwrap_or(now)
    }

    /// The requests of one call, with all the time that is left.
    pub(super) fn effort(&self) -> Effort<'_> {
        self.effort_of(self.patience.total)
    }

    /// The requests of one call, with this much time at most.
    pub(super) fn effort_of(&self, time: Duration) -> Effort<'_> {
        let left = self.patience.total.saturating_sub(*self.in_vain());
        Effort {
            client: self,
            deadline: Instant::now() + time.min(left),
            is_last: left <= time,
            pause: self.patience.pause,
            in_doubt: false,
        }
    }

    /// What was waited in vain until now counts no more.
    pub(super) fn renew(&self) {
        *self.in_vain() = Duration::ZERO;
    }

    fn in_vain(&self) -> MutexGuard<'_, Duration> {
        self.in_vain.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failure(&self) -> Failure {
        Failure::new(self.peer, &self.api)
    }

    /// Say why it takes long.
    fn say(&self, text: String) {
        if let Some(listener) = &self.patience.listener {
            listener.event(&Event::NoteAdded { text });
        }
    }

    /// One request and its whole answer, or why there is none.
    async fn attempt(&self, request: Request<'_>, until: Instant) -> Result<Answer, String> {
        let most = if request.method == Method::POST { self.patience.write } else { self.patience.attempt };
        let least = LEAST.min(self.patience.total);
        let time = most.min(until.saturating_duration_since(Instant::now()).max(least));
        let slow = async {
            tokio::time::sleep(SLOW).await;
            let (name, left) = (self.peer.name(), words::span(time - SLOW.min(time)));
            self.say(format!("{name} has not answered for {}; waiting up to {left} more", words::span(SLOW)));
            std::future::pending::<Infallible>().await
        };
        let answer = async {
            tokio::select! {
                biased;
                answer = self.wire.send(request) => answer,
                never = slow => match never {},
            }
        };
        let answer = tokio::time::timeout(time, answer)
            .await
            .unwrap_or_else(|_| Err(format!("no answer within {}", words::span(time))));
        if let Some(date) = answer.as_ref().ok().and_then(Answer::date) {
            // Said to the second: what is less is our clock's as well as its.
            let ahead = date.duration_since(Timestamp::now());
            let ahead = if ahead.abs() < SignedDuration::from_secs(2) { SignedDuration::ZERO } else { ahead };
            *self.ahead.lock().unwrap_or_else(PoisonError::into_inner) = ahead;
        }
        answer
    }
}

/// The time since something was asked. It was in vain unless there is an answer.
struct Waiting<'client> {
    client: &'client Client,
    since: Instant,
    is_answered: bool,
}

impl<'client> Waiting<'client> {
    fn begin(client: &'client Client) -> Self {
        Self { client, since: Instant::now(), is_answered: false }
    }
}

/// Also where whoever asked waits no longer.
impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut in_vain = self.client.in_vain();
        *in_vain = if self.is_answered { Duration::ZERO } else { *in_vain + self.since.elapsed() };
    }
}

/// Sends until it is known what became of it; before it is sent again, it is looked for whether it was done. No function, because
/// the futures of such closures cannot move between threads.
macro_rules! exactly_once {
    ($effort:expr, $send:expr, $find:expr) => {
        loop {
            if let Some(done) = $send {
                break done;
            }
            let found = $find;
            $effort.settle();
            if let Some(found) = found {
                break found;
            }
        }
    };
}
pub(super) use exactly_once;

/// The requests of one call of the forge's interface, and how much time is left for them.
#[derive(Debug)]
pub(super) struct Effort<'client> {
    client: &'client Client,
    deadline: Instant,
    /// Whether that is the end of all the time that there is.
    is_last: bool,
    pause: Duration,
    /// Whether something was sent of which nobody knows what became.
    in_doubt: bool,
}

impl Effort<'_> {
    /// Reads. It may be asked again as often as there is time.
    pub(super) async fn get<T: DeserializeOwned>(&mut self, route: &str) -> Result<T, Failure> {
        self.again(Request::of(&Method::GET, route), StatusCode::OK, json).await
    }

    /// Reads what is no JSON.
    pub(super) async fn get_text(&mut self, route: &str) -> Result<String, Failure> {
        self.again(Request::of(&Method::GET, route), StatusCode::OK, |answer| Ok(answer.body.clone())).await
    }

    /// Reads what may be anything, and asks once: what is there is not the forge's to answer for.
    pub(super) async fn get_once(&mut self, route: &str) -> Result<String, Failure> {
        let mut waiting = Waiting::begin(self.client);
        let mut failure = self.client.failure();
        match self.client.attempt(Request::of(&Method::GET, route), self.deadline).await {
            Ok(answer) => {
                waiting.is_answered = true;
                if answer.status == StatusCode::OK {
                    return Ok(answer.body);
                }
                failure.answer = Some(answer);
            }
            Err(cause) => failure.cause = Some(cause),
        }
        Err(failure)
    }

    /// Where something is that the forge keeps elsewhere.
    pub(super) async fn location(&mut self, route: &str) -> Result<String, Failure> {
        let read = |answer: &Answer| {
            let location = answer.headers.get(http::header::LOCATION).and_then(|value| value.to_str().ok());
            Ok(location.map(str::to_owned))
        };
        let location = self.again(Request::of(&Method::GET, route), StatusCode::FOUND, read).await?;
        location.ok_or_else(|| Failure {
            cause: Some("its answer does not say where it is".into()),
            ..self.client.failure()
        })
    }

    /// Changes what is there to what `body` says. What was sent and not answered is sent again: it changes nothing twice.
    pub(super) async fn put<T: DeserializeOwned>(&mut self, route: &str, body: &Value) -> Result<T, Failure> {
        self.again(Request::with(&Method::PUT, route, body), StatusCode::OK, json).await
    }

    /// Puts a file there. What was sent and not answered is sent again: it is the same file.
    pub(super) async fn put_text(&mut self, route: &str, text: &str) -> Result<(), Failure> {
        let request = Request { file: Some(text), ..Request::of(&Method::PUT, route) };
        self.again(request, StatusCode::CREATED, |_| Ok(())).await
    }

    /// Deletes. What is not there is deleted.
    pub(super) async fn delete(&mut self, route: &str) -> Result<(), Failure> {
        let request = Request::of(&Method::DELETE, route);
        unless_absent(self.again(request, StatusCode::NO_CONTENT, |_| Ok(())).await).map(drop)
    }

    /// Makes what does no harm where it is made twice, or another time in vain. What was sent and not answered is sent again.
    pub(super) async fn post_again<T: DeserializeOwned>(&mut self, route: &str, body: &Value) -> Result<T, Failure> {
        Ok(exactly_once!(self, self.post(route, body).await?, None))
    }

    /// Writes, and answers with what was made. `None` where nobody knows whether it was: look before sending it again.
    pub(super) async fn post<T: DeserializeOwned>(&mut self, route: &str, body: &Value) -> Result<Option<T>, Failure> {
        self.post_for(route, body, StatusCode::CREATED).await
    }

    /// As [`Effort::post`], where what is done has another answer than that something was made.
    pub(super) async fn post_for<T: DeserializeOwned>(
        &mut self,
        route: &str,
        body: &Value,
        good: StatusCode,
    ) -> Result<Option<T>, Failure> {
        self.send(Request::with(&Method::POST, route, body), good, json).await
    }

    /// Changes what is there from what it was, and answers with what it is. `None` where nobody knows whether it was: look before
    /// sending it again.
    pub(super) async fn patch<T: DeserializeOwned>(&mut self, route: &str, body: &Value) -> Result<Option<T>, Failure> {
        self.send(Request::with(&Method::PATCH, route, body), StatusCode::OK, json).await
    }

    /// It was looked for: what became of the last that was sent is known now.
    pub(super) const fn settle(&mut self) {
        self.in_doubt = false;
    }

    /// Sends what may be sent as often as there is time.
    async fn again<T>(
        &mut self,
        request: Request<'_>,
        good: StatusCode,
        read: impl Fn(&Answer) -> Result<T, String>,
    ) -> Result<T, Failure> {
        loop {
            if let Some(done) = self.send(request, good, &read).await? {
                return Ok(done);
            }
        }
    }

    /// Sends until there is an answer to go by. `None` where there was none, nobody knows what it did, and a pause was made.
    async fn send<T>(
        &mut self,
        request: Request<'_>,
        good: StatusCode,
        read: impl Fn(&Answer) -> Result<T, String>,
    ) -> Result<Option<T>, Failure> {
        loop {
            let mut waiting = Waiting::begin(self.client);
            let mut failure = self.client.failure();
            let attempted = self.client.attempt(request, self.deadline).await;
            let now = self.client.now().as_second();
            let meaning = match attempted {
                Err(cause) => {
                    failure.cause = Some(cause);
                    Meaning::Doubtful(None)
                }
                Ok(answer) => {
                    let meaning = match answer.meaning(good, now) {
                        Meaning::Done => match read(&answer) {
                            Ok(done) => {
                                waiting.is_answered = true;
                                return Ok(Some(done));
                            }
                            Err(cause) => {
                                failure.cause = Some(cause);
                                Meaning::Doubtful(None)
                            }
                        },
                        meaning => meaning,
                    };
                    // What could not be read is not quoted either.
                    let body = if failure.cause.is_some() { String::new() } else { answer.body };
                    failure.answer = Some(Answer { body, ..answer });
                    meaning
                }
            };
            let (wait, is_doubtful) = match meaning {
                Meaning::Later(wait) => (wait.or_else(|| self.client.peer.limit()), false),
                Meaning::Doubtful(wait) => (wait, true),
                Meaning::Done | Meaning::Refused => {
                    waiting.is_answered = true;
                    failure.in_doubt = self.in_doubt;
                    return Err(failure);
                }
            };
            self.in_doubt |= is_doubtful && request.body.is_some();
            failure.in_doubt = self.in_doubt;
            self.rest(wait, failure).await?;
            if is_doubtful {
                return Ok(None);
            }
        }
    }

    /// Waits as long as the forge asks, or a while of our own. Gives up where that is past the deadline.
    async fn rest(&mut self, asked: Option<Duration>, mut failure: Failure) -> Result<(), Failure> {
        let own = jittered(self.pause);
        self.pause = (self.pause * 2).min(self.client.patience.longest);
        let wait = asked.unwrap_or(own).max(own);
        let end = Instant::now() + wait;
        if end >= self.deadline {
            if asked.is_none() && self.is_last {
                *self.client.in_vain() = self.client.patience.total;
            }
            failure.wait = asked;
            return Err(failure);
        }
        self.client.say(format!("{}; trying again in {}", failure.trouble(), words::span(wait)));
        tokio::time::sleep_until(end).await;
        Ok(())
    }
}

/// What an answer has in it. Where there is nothing, that is null.
fn json<T: DeserializeOwned>(answer: &Answer) -> Result<T, String> {
    let text = if answer.status == StatusCode::NO_CONTENT { "null" } else { &answer.body };
    serde_json::from_str(text).map_err(|error| format!("its answer cannot be read: {error}"))
}

/// What was asked for; none where there is no such thing.
#[expect(clippy::result_large_err, reason = "a failure is as large wherever a request fails, and that is rare")]
pub(super) fn unless_absent<T>(answered: Result<T, Failure>) -> Result<Option<T>, Failure> {
    match answered {
        Ok(found) => Ok(Some(found)),
        Err(failure) if failure.status() == Some(StatusCode::NOT_FOUND) => Ok(None),
        Err(failure) => Err(failure),
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
