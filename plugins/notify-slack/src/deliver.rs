//! Which message goes where: posted, updated, put into the thread, or only into the log. The decisions are here and the
//! host is behind [`World`], so that all of it is tested without one.

use crate::config::{Config, Route};
use crate::message::{self, State};
use crate::slack::{Call, Trouble, Wire, call};
use serde::{Deserialize, Serialize};
use serde_json::json;
use windlass_plugin::deployment::{Context, Status, StepOutcome};
use windlass_plugin::{Failure, Finding, Intent, Outcome, Severity, Verdict};

/// What the decisions need of the host.
pub trait World: Wire {
    /// A secret's stand-in, or none where the secret is not set.
    ///
    /// # Errors
    /// Where it is not granted.
    fn placeholder(&mut self, secret: &str) -> Result<Option<String>, Failure>;
    /// What was kept under a key.
    ///
    /// # Errors
    /// Where it cannot be read.
    fn kept(&mut self, key: &str) -> Result<Option<String>, Failure>;
    /// Keep something under a key.
    ///
    /// # Errors
    /// Where it cannot be written.
    fn keep(&mut self, key: &str, value: &str) -> Result<(), Failure>;
    /// Write into the journal what is about to be done.
    ///
    /// # Errors
    /// Where it cannot be written; then it must not be done.
    fn record(&mut self, record: &Record) -> Result<(), Failure>;
}

/// What is sent next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, tag = "record", rename_all = "kebab-case")]
pub enum Record {
    /// A new message. Sent twice, it is there twice.
    Post {
        /// What it will say, and for which attempt.
        showing: String,
        /// Whether details go into its thread after that.
        details: bool,
    },
    /// The message that is there, with another text. Sent twice, it is the same.
    Update {
        /// What it will say, and for which attempt.
        showing: String,
        /// Whether its thread has to have details after that.
        details: bool,
    },
    /// The details, into the thread of the message. Sent twice, they are there twice.
    Details,
}

/// Where the message is, kept for whoever has something new to say. The steps of one `state` name share it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posted {
    /// Of which commit it speaks. A message of another is left alone.
    pub commit: String,
    /// The channel's id.
    pub channel: String,
    /// The message's id in the channel.
    pub ts: String,
    /// What it says, and for which attempt.
    pub showing: String,
    /// Whether its thread has the details.
    pub details: bool,
}

/// Under which key the message is kept.
#[must_use]
pub fn key(channel: &str) -> String {
    format!("slack:{channel}")
}

/// What the step would do now. Nothing where there is nothing new to announce.
///
/// # Errors
/// Where the configuration contradicts itself.
pub fn plan(config: &Config, context: &Context) -> Result<Vec<Intent>, Failure> {
    let route = config.route()?;
    if context.status == Status::Running && !config.always {
        let is_live = context.live.as_ref().is_some_and(|live| live.commit == context.commit);
        if is_live || matches!(route, Route::Webhook { .. }) {
            return Ok(vec![]);
        }
    }
    let id = match &route {
        Route::Bot { channel, .. } => format!("slack:{channel}"),
        Route::Webhook { secret } => format!("slack:webhook:{secret}"),
    };
    let verb = if context.status == Status::Running { "announce" } else { "report on" };
    let (app, version, environment) = (&context.app, &context.version, &context.environment);
    Ok(vec![Intent::changes(id, format!("{verb} `{app}` `{version}` for `{environment}` in {}", place(&route)))])
}

/// Send what there is to say.
///
/// # Errors
/// Where the configuration contradicts itself, the host refuses something, or a required message could not be sent.
pub fn apply(world: &mut impl World, config: &Config, context: &Context) -> Result<Outcome, Failure> {
    let route = config.route()?;
    let place = place(&route);
    let state = State::from(context.status);
    if matches!(route, Route::Webhook { .. }) && state == State::Deploying && !config.always {
        world.say(
            "not posted: what an incoming webhook posts cannot be updated, so it is left to the step in `[[finally]]`",
        );
        return Ok(Outcome::new("nothing posted yet: a webhook posts once, at the end"));
    }
    let Some(placeholder) = world.placeholder(route.secret())? else {
        let secret = route.secret();
        let what = format!("the message to {place} was not sent: the secret `{secret}` is not set");
        if config.required {
            return Err(Failure::misconfigured("slack-secret-missing", format!("{place} could not be told"))
                .because(format!("the secret `{secret}` is not set"))
                .with_hint(format!("set `{secret}` for this environment, or remove `required`")));
        }
        world.say(&format!("this message was not sent:\n{}", message::plain(config, context, state)));
        return Ok(Outcome::new(format!("{place} was not told")).with_finding(warning("slack-secret-missing", what)));
    };
    let mut delivery = Delivery { world, config, context, state, findings: vec![], recording: true };
    let sent = match &route {
        Route::Webhook { .. } => delivery.webhook(&placeholder),
        Route::Bot { channel, .. } => delivery.bot(&route, channel, &placeholder),
    };
    let findings = delivery.findings;
    match sent {
        Ok(posted) => {
            let mut outcome = Outcome::new(format!("told {place}: {}", state.words()));
            if let Some(posted) = posted {
                outcome = outcome.with_output("channel", posted.channel).with_output("ts", posted.ts);
            }
            outcome.findings = findings;
            Ok(outcome)
        }
        Err(Stop::Host(failure) | Stop::Slack(Trouble::Stopped(failure))) => Err(failure),
        Err(Stop::Slack(trouble)) if config.required => Err(trouble.failure(&place)),
        Err(Stop::Slack(trouble)) => {
            world.say(&format!("this message was not sent:\n{}", message::plain(config, context, state)));
            let mut outcome = Outcome::new(format!("{place} could not be told: {}", trouble.code()));
            outcome.findings = findings;
            Ok(outcome.with_finding(trouble_finding(&trouble, &place)))
        }
    }
}

/// The release that was announced is being taken back: say so in the announcement. The step in `[[finally]]` says how it
/// ended; where there is none, this is the last word. What a webhook posted stays.
///
/// # Errors
/// Only where the host refuses something; a message that cannot be sent is no reason for a rollback to fail.
pub fn revert(
    world: &mut impl World,
    config: &Config,
    context: &Context,
    records: &[Record],
) -> Result<Outcome, Failure> {
    let route = config.route()?;
    let place = place(&route);
    let nothing = Outcome::new("nothing to take back");
    let Route::Bot { channel, .. } = &route else { return Ok(nothing) };
    if records.is_empty() {
        return Ok(nothing);
    }
    let Some(posted) = read(world.kept(&key(channel))?, context) else { return Ok(nothing) };
    let Some(placeholder) = world.placeholder(route.secret())? else { return Ok(nothing) };
    let stuck = context.steps.iter().any(|step| step.outcome == StepOutcome::RevertFailed);
    let state = if stuck { State::RollbackFailed } else { State::RolledBack };
    let mut delivery = Delivery { world, config, context, state, findings: vec![], recording: false };
    match delivery.update(&route, &placeholder, channel, &posted) {
        Ok(_) => Ok(Outcome::new(format!("told {place}: {}", state.words()))),
        Err(Stop::Host(failure)) => Err(failure),
        Err(Stop::Slack(trouble)) => Ok(Outcome::new(format!("{place} could not be told: {}", trouble.code()))
            .with_finding(trouble_finding(&trouble, &place))),
    }
}

/// What became of a step that was cut off. What was sent is known only where Slack's answer was kept, so from a new
/// message, or from details in a thread, to its answer nobody can tell, and with an incoming webhook never. An update is
/// different: a second one of the same message is none that anybody sees.
#[must_use]
pub fn probe(records: &[Record], kept: Option<String>, context: &Context) -> Verdict {
    let last = records.iter().rev().find_map(|record| match record {
        Record::Post { showing, details } => Some((true, showing, *details)),
        Record::Update { showing, details } => Some((false, showing, *details)),
        Record::Details => None,
    });
    let Some((is_new, showing, details)) = last else { return Verdict::NotDone };
    let Some(posted) = read(kept, context) else { return Verdict::Unknown };
    let lacks_details = details && !posted.details;
    match posted.showing == *showing {
        // What is kept is an older message, which could not be updated.
        false if is_new => Verdict::Unknown,
        _ if lacks_details && records.contains(&Record::Details) => Verdict::Unknown,
        true if !lacks_details => Verdict::Done,
        _ => Verdict::Partly,
    }
}

fn place(route: &Route) -> String {
    match route {
        Route::Bot { channel, .. } => format!("`{channel}`"),
        Route::Webhook { .. } => "the webhook's channel".into(),
    }
}

fn read(kept: Option<String>, context: &Context) -> Option<Posted> {
    let posted: Posted = serde_json::from_str(&kept?).ok()?;
    (posted.commit == context.commit).then_some(posted)
}

fn warning(code: &str, message: String) -> Finding {
    Finding { severity: Severity::Warning, code: code.into(), message, file: None, line: None }
}

fn trouble_finding(trouble: &Trouble, place: &str) -> Finding {
    let hint = trouble.hint(place).map_or(String::new(), |hint| format!("; {hint}"));
    let again = match trouble {
        Trouble::Lost(_) => "; the message may be there all the same, so it was not sent again",
        _ => "",
    };
    warning(trouble.code(), format!("{}{again}{hint}", trouble.what()))
}

/// Why a delivery ended early.
enum Stop {
    Host(Failure),
    Slack(Trouble),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Host(failure)
    }
}

impl From<Trouble> for Stop {
    fn from(trouble: Trouble) -> Self {
        Self::Slack(trouble)
    }
}

struct Delivery<'a, W> {
    world: &'a mut W,
    config: &'a Config,
    context: &'a Context,
    state: State,
    findings: Vec<Finding>,
    /// The journal takes records only from `apply`.
    recording: bool,
}

impl<W: World> Delivery<'_, W> {
    fn webhook(&mut self, url: &str) -> Result<Option<Posted>, Stop> {
        let mut message = message::announcement(self.config, self.context, self.state);
        let mentions = message::mentions(self.config).filter(|_| self.state.is_failure());
        let body = if mentions.is_some() {
            message.blocks.extend(mentions);
            message.body_with_mentions()
        } else {
            message.body()
        };
        self.record(Record::Post { showing: self.showing(), details: false })?;
        call(self.world, &Call { url: url.into(), authorization: None, repeatable: false }, &body)?;
        Ok(None)
    }

    fn bot(&mut self, route: &Route, channel: &str, placeholder: &str) -> Result<Option<Posted>, Stop> {
        let kept = self.world.kept(&key(channel))?;
        let posted = match read(kept, self.context) {
            Some(posted) => match self.update(route, placeholder, channel, &posted) {
                Err(Stop::Slack(Trouble::Refused { code, .. }))
                    if matches!(code.as_str(), "message_not_found" | "edit_window_closed" | "cant_update_message") =>
                {
                    self.world.say(&format!("the earlier message cannot be updated (`{code}`): posting a new one"));
                    self.post(route, placeholder, channel)?
                }
                updated => updated?,
            },
            None => self.post(route, placeholder, channel)?,
        };
        if !self.state.is_failure() || posted.details {
            return Ok(Some(posted));
        }
        self.thread(route, placeholder, channel, posted).map(Some)
    }

    fn post(&mut self, route: &Route, placeholder: &str, channel: &str) -> Result<Posted, Stop> {
        let mut body = message::announcement(self.config, self.context, self.state).body();
        body["channel"] = channel.into();
        self.record(Record::Post { showing: self.showing(), details: self.state.is_failure() })?;
        let answer = call(self.world, &Self::to(route, placeholder, "chat.postMessage", false), &body)?;
        let posted = Posted {
            commit: self.context.commit.clone(),
            channel: answer["channel"].as_str().unwrap_or(channel).into(),
            ts: answer["ts"].as_str().unwrap_or_default().into(),
            showing: self.showing(),
            details: false,
        };
        self.keep(channel, &posted);
        Ok(posted)
    }

    fn update(&mut self, route: &Route, placeholder: &str, channel: &str, posted: &Posted) -> Result<Posted, Stop> {
        let mut body = message::announcement(self.config, self.context, self.state).body();
        // Only an id will do here, and Slack told it to us.
        body["channel"] = posted.channel.as_str().into();
        body["ts"] = posted.ts.as_str().into();
        self.record(Record::Update { showing: self.showing(), details: self.state.is_failure() })?;
        call(self.world, &Self::to(route, placeholder, "chat.update", true), &body)?;
        let posted = Posted { showing: self.showing(), ..posted.clone() };
        self.keep(channel, &posted);
        Ok(posted)
    }

    /// Details go below the message, once. That they cannot be sent is only worth a warning: the message itself is there.
    fn thread(&mut self, route: &Route, placeholder: &str, channel: &str, posted: Posted) -> Result<Posted, Stop> {
        let mut body = message::details(self.config, self.context, self.state).body_with_mentions();
        body["channel"] = posted.channel.as_str().into();
        body["thread_ts"] = posted.ts.as_str().into();
        self.record(Record::Details)?;
        Ok(match call(self.world, &Self::to(route, placeholder, "chat.postMessage", false), &body) {
            Ok(_) => {
                let posted = Posted { details: true, ..posted };
                self.keep(channel, &posted);
                posted
            }
            Err(trouble) => {
                self.findings.push(trouble_finding(&trouble, &format!("the thread in `{channel}`")));
                posted
            }
        })
    }

    fn to(route: &Route, placeholder: &str, method: &str, repeatable: bool) -> Call {
        let url = route.method(method).unwrap_or_default();
        Call { url, authorization: Some(format!("Bearer {placeholder}")), repeatable }
    }

    fn showing(&self) -> String {
        format!("{}/{}: {}", self.context.run, self.context.attempt, self.state.words())
    }

    fn record(&mut self, record: Record) -> Result<(), Failure> {
        if self.recording { self.world.record(&record) } else { Ok(()) }
    }

    /// Slack has the message by now. That it cannot be found again must not look as if it had not been sent.
    fn keep(&mut self, channel: &str, posted: &Posted) {
        let value = json!(posted).to_string();
        if let Err(failure) = self.world.keep(&key(channel), &value) {
            let message = format!("the message is there, and a later one will not update it: {}", failure.message);
            self.findings.push(warning("slack-message-not-kept", message));
        }
    }
}

#[cfg(test)]
mod tests;
