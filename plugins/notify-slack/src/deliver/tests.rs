//! Deliveries against a Slack by script.

use super::*;
use crate::sample;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;
use windlass_plugin::http::{Error, Response};
use windlass_plugin::{Effect, SecretReference};

/// A Slack that answers by script and fails on what it did not expect, and a host that keeps things.
#[derive(Default)]
struct Fake {
    script: Vec<(&'static str, Result<&'static str, &'static str>)>,
    posts: Vec<(String, Value)>,
    lines: Vec<String>,
    kept: BTreeMap<String, String>,
    records: Vec<Record>,
    unset: bool,
    cannot_keep: bool,
}

impl Wire for Fake {
    fn post(&mut self, url: &str, authorization: Option<&str>, body: &Value) -> Result<Response, Error> {
        let method = url.strip_prefix("https://slack.com/api/").unwrap_or("webhook").to_owned();
        let expected = if method == "webhook" { None } else { Some("Bearer stand-in") };
        assert_eq!(authorization, expected);
        assert!(!self.script.is_empty(), "unexpected {method}: {body}");
        let (wanted, answer) = self.script.remove(0);
        assert_eq!(method, wanted);
        self.posts.push((method, body.clone()));
        match answer {
            Ok(body) => Ok(Response {
                status: 200,
                headers: vec![],
                body: body.into(),
                truncated: false,
                elapsed: Duration::ZERO,
            }),
            Err(code) => Err(Error::Unreachable { code, message: code.into() }),
        }
    }

    fn pause(&mut self, _: Duration) {}

    fn say(&mut self, line: &str) {
        self.lines.push(line.into());
    }
}

impl World for Fake {
    fn placeholder(&mut self, _: &str) -> Result<Option<String>, Failure> {
        Ok((!self.unset).then(|| "stand-in".into()))
    }

    fn kept(&mut self, key: &str) -> Result<Option<String>, Failure> {
        Ok(self.kept.get(key).cloned())
    }

    fn keep(&mut self, key: &str, value: &str) -> Result<(), Failure> {
        if self.cannot_keep {
            return Err(Failure::unavailable("disk-full", "no space is left"));
        }
        self.kept.insert(key.into(), value.into());
        Ok(())
    }

    fn record(&mut self, record: &Record) -> Result<(), Failure> {
        self.records.push(record.clone());
        Ok(())
    }
}

const POSTED: Result<&str, &str> = Ok(r#"{"ok":true,"channel":"C1","ts":"1.5"}"#);
const OK: Result<&str, &str> = Ok(r#"{"ok":true}"#);

fn fake(script: &[(&'static str, Result<&'static str, &'static str>)]) -> Fake {
    Fake { script: script.to_vec(), ..Fake::default() }
}

fn run(fake: &mut Fake, status: Status) -> Outcome {
    let outcome = apply(fake, &sample::config(), &sample::context(status)).expect("an outcome");
    assert!(fake.script.is_empty(), "left over: {:?}", fake.script);
    outcome
}

fn webhook() -> Config {
    let webhook = Some(SecretReference { secret: "HOOK".into() });
    Config { token: None, channel: None, webhook, ..sample::config() }
}

#[test]
fn one_message_from_beginning_to_end() {
    let mut slack = fake(&[("chat.postMessage", POSTED)]);
    let outcome = run(&mut slack, Status::Running);
    assert_eq!(outcome.summary, "told `#deploys`: deploying");
    assert!(outcome.outputs.contains(&("ts".into(), "1.5".into())));
    assert_eq!(slack.posts[0].1["channel"], "#deploys");

    slack.script = vec![("chat.update", OK)];
    let outcome = run(&mut slack, Status::Succeeded);
    assert_eq!(outcome.summary, "told `#deploys`: succeeded");
    let update = &slack.posts[1].1;
    assert_eq!((&update["channel"], &update["ts"]), (&"C1".into(), &"1.5".into()));
    assert!(update.get("thread_ts").is_none() && outcome.findings.is_empty());
}

#[test]
fn a_failure_is_explained_in_the_thread_once() {
    let mut slack = fake(&[("chat.postMessage", POSTED)]);
    run(&mut slack, Status::Running);
    slack.script = vec![("chat.update", OK), ("chat.postMessage", OK)];
    run(&mut slack, Status::RolledBack);
    let (message, thread) = (slack.posts[1].1.to_string(), &slack.posts[2].1);
    assert!(!message.contains("<@U0123456789>"), "an update notifies nobody");
    assert_eq!((&thread["channel"], &thread["thread_ts"]), (&"C1".into(), &"1.5".into()));
    assert!(thread.to_string().contains("<@U0123456789>"));
    slack.script = vec![("chat.update", OK)];
    run(&mut slack, Status::RolledBack);
}

#[test]
fn a_cancellation_bothers_nobody() {
    let mut slack = fake(&[("chat.postMessage", POSTED)]);
    run(&mut slack, Status::Cancelled);
    assert!(!slack.posts[0].1.to_string().contains("<@U0123456789>"));
}

#[test]
fn a_message_that_is_gone_is_posted_anew() {
    let mut slack = fake(&[("chat.postMessage", POSTED)]);
    run(&mut slack, Status::Running);
    slack.script = vec![
        ("chat.update", Ok(r#"{"ok":false,"error":"message_not_found"}"#)),
        ("chat.postMessage", Ok(r#"{"ok":true,"channel":"C1","ts":"9.9"}"#)),
    ];
    run(&mut slack, Status::Succeeded);
    assert!(slack.kept["slack:#deploys"].contains("9.9"));
}

#[test]
fn a_message_about_another_commit_is_left_alone() {
    let mut slack = fake(&[("chat.postMessage", POSTED)]);
    run(&mut slack, Status::Running);
    slack.script = vec![("chat.postMessage", POSTED)];
    let context = Context { commit: "41ab07".into(), ..sample::context(Status::Running) };
    apply(&mut slack, &sample::config(), &context).expect("an outcome");
    assert!(slack.script.is_empty());
}

#[test]
fn a_refusal_is_a_warning_with_a_hint_unless_it_is_required() {
    let refused = ("chat.postMessage", Ok(r#"{"ok":false,"error":"not_in_channel"}"#));
    let mut slack = fake(&[refused]);
    let outcome = run(&mut slack, Status::Running);
    assert_eq!(outcome.findings[0].severity, Severity::Warning);
    assert_eq!(
        outcome.findings[0].message,
        "Slack refused the message: `not_in_channel`; invite the bot: type `/invite @NAME` in `#deploys`, or give it the \
         scope `chat:write.public`"
    );
    assert!(slack.lines.iter().any(|line| line.contains("1.4.0 → production")), "the log has it");
    let required = Config { required: true, ..sample::config() };
    let failure = apply(&mut fake(&[refused]), &required, &sample::context(Status::Running)).expect_err("required");
    assert_eq!((failure.code.as_str(), failure.message.as_str()), ("slack-refused", "`#deploys` could not be told"));
    assert!(failure.hint.is_some());
}

#[test]
fn a_post_whose_answer_is_lost_is_not_posted_again() {
    let mut slack = fake(&[("chat.postMessage", Err("timed-out"))]);
    let outcome = run(&mut slack, Status::Running);
    assert_eq!(outcome.findings[0].code, "slack-answer-lost");
    assert!(outcome.findings[0].message.contains("not sent again"), "{}", outcome.findings[0].message);
    assert!(slack.kept.is_empty());
    assert_eq!(probe(&slack.records, None, &sample::context(Status::Running)), Verdict::Unknown);
}

#[test]
fn without_the_secret_the_message_goes_into_the_log() {
    let mut slack = Fake { unset: true, ..Fake::default() };
    let outcome = run(&mut slack, Status::Succeeded);
    assert_eq!(outcome.findings[0].code, "slack-secret-missing");
    assert!(slack.lines[0].contains("was not sent") && slack.lines[0].contains("1.4.0 → production: succeeded"));
    let required = Config { required: true, ..sample::config() };
    let failure = apply(&mut slack, &required, &sample::context(Status::Succeeded)).expect_err("required");
    assert_eq!(failure.code, "slack-secret-missing");
}

#[test]
fn a_webhook_posts_once_at_the_end() {
    let mut slack = fake(&[]);
    let outcome = apply(&mut slack, &webhook(), &sample::context(Status::Running)).expect("an outcome");
    assert!(outcome.summary.contains("nothing posted yet") && slack.lines[0].contains("[[finally]]"));
    slack.script = vec![("webhook", Ok("ok"))];
    let outcome = apply(&mut slack, &webhook(), &sample::context(Status::Failed)).expect("an outcome");
    assert_eq!(outcome.summary, "told the webhook's channel: failed");
    let body = &slack.posts[0].1;
    assert!(body.to_string().contains("<@U0123456789>") && body.get("channel").is_none());
    slack.script = vec![("webhook", Ok("ok"))];
    let always = Config { always: true, ..webhook() };
    apply(&mut slack, &always, &sample::context(Status::Running)).expect("an outcome");
    assert!(slack.script.is_empty());
}

#[test]
fn what_cannot_be_kept_was_sent_all_the_same() {
    let mut slack = Fake { cannot_keep: true, ..fake(&[("chat.postMessage", POSTED)]) };
    let outcome = run(&mut slack, Status::Running);
    assert_eq!(outcome.findings[0].code, "slack-message-not-kept");
    assert!(outcome.summary.starts_with("told"));
}

#[test]
fn a_plan_has_one_stable_intent_or_none() {
    let context = sample::context(Status::Running);
    let intents = plan(&sample::config(), &context).expect("a plan");
    assert_eq!((intents.len(), intents[0].id.as_str(), intents[0].effect), (1, "slack:#deploys", Effect::Changes));
    assert_eq!(intents[0].summary, "announce `shop` `1.4.0` for `production` in `#deploys`");

    let mut live = context.clone();
    live.live.as_mut().expect("live").commit.clone_from(&context.commit);
    assert_eq!(plan(&sample::config(), &live), Ok(vec![]));
    let always = Config { always: true, ..sample::config() };
    assert_eq!(plan(&always, &live).map(|intents| intents.len()), Ok(1));
    live.status = Status::Failed;
    assert_eq!(plan(&sample::config(), &live).map(|intents| intents.len()), Ok(1));

    assert_eq!(plan(&webhook(), &context), Ok(vec![]));
    assert_eq!(plan(&webhook(), &sample::context(Status::Succeeded)).expect("a plan")[0].id, "slack:webhook:HOOK");
}

/// A Slack that was asked for this much before the run was killed: the answer to the last request never came back, so that
/// nothing of it was kept.
fn cut_off(script: &[(&'static str, Result<&'static str, &'static str>)], steps: &[Status]) -> Fake {
    let mut slack = fake(script);
    for status in steps {
        let before = slack.script.len();
        apply(&mut slack, &sample::config(), &sample::context(*status)).expect("an outcome");
        assert!(slack.script.len() < before);
    }
    assert!(slack.script.is_empty(), "left over: {:?}", slack.script);
    slack
}

const LOST: Result<&str, &str> = Err("timed-out");

impl Fake {
    /// What a probe says about the records from `first` on, which are those of one step.
    fn probed(&self, first: usize, status: Status) -> Verdict {
        probe(&self.records[first..], self.kept.get("slack:#deploys").cloned(), &sample::context(status))
    }
}

#[test]
fn a_probe_knows_what_was_kept() {
    let context = sample::context(Status::RolledBack);
    assert_eq!(probe(&[], None, &context), Verdict::NotDone);
    let mut slack = fake(&[("chat.postMessage", POSTED), ("chat.postMessage", OK)]);
    run(&mut slack, Status::RolledBack);
    assert_eq!(slack.probed(0, Status::RolledBack), Verdict::Done);
    let kept = slack.kept.get("slack:#deploys").cloned();
    assert_eq!(probe(&slack.records, None, &context), Verdict::Unknown);
    let other = Context { commit: "41ab07".into(), ..context };
    assert_eq!(probe(&slack.records, kept, &other), Verdict::Unknown, "a message of another commit tells nothing");
}

#[test]
fn a_new_message_without_its_answer_is_unknown() {
    let slack = cut_off(&[("chat.postMessage", LOST)], &[Status::Running]);
    assert_eq!(slack.probed(0, Status::Running), Verdict::Unknown);

    // Where the earlier message is gone a new one is posted, and what is kept is of no help.
    let gone = Ok(r#"{"ok":false,"error":"message_not_found"}"#);
    let slack = cut_off(
        &[("chat.postMessage", POSTED), ("chat.update", gone), ("chat.postMessage", LOST)],
        &[Status::Running, Status::Succeeded],
    );
    assert_eq!(slack.probed(1, Status::Succeeded), Verdict::Unknown);
}

#[test]
fn an_update_that_was_cut_off_is_finished_by_the_same_once_more() {
    // An update is tried again, so it takes three answers to lose it.
    let lost = [("chat.update", LOST); 3];
    let script = [&[("chat.postMessage", POSTED)][..], &lost].concat();
    let mut slack = cut_off(&script, &[Status::Running, Status::Succeeded]);
    assert_eq!(slack.probed(1, Status::Succeeded), Verdict::Partly);
    slack.script = vec![("chat.update", OK)];
    run(&mut slack, Status::Succeeded);
    assert_eq!(slack.probed(1, Status::Succeeded), Verdict::Done);

    // The same where details are to follow: they were not begun, and follow then.
    let mut slack = cut_off(&script, &[Status::Running, Status::RolledBack]);
    assert_eq!(slack.probed(1, Status::RolledBack), Verdict::Partly);
    slack.script = vec![("chat.update", OK), ("chat.postMessage", OK)];
    run(&mut slack, Status::RolledBack);
    assert_eq!(slack.probed(1, Status::RolledBack), Verdict::Done);
}

#[test]
fn details_are_not_sent_again_where_they_may_be_there() {
    let script = [("chat.postMessage", POSTED), ("chat.update", OK), ("chat.postMessage", LOST)];
    let slack = cut_off(&script, &[Status::Running, Status::RolledBack]);
    assert_eq!(slack.records.last(), Some(&Record::Details));
    assert_eq!(slack.probed(1, Status::RolledBack), Verdict::Unknown);

    // Cut off between the message and its details: these were not begun.
    let begun = slack.records.len() - 1;
    let kept = slack.kept.get("slack:#deploys").cloned();
    let context = sample::context(Status::RolledBack);
    assert_eq!(probe(&slack.records[1..begun], kept.clone(), &context), Verdict::Partly);

    // A second attempt that did not get as far as the details knows no more of those of the first.
    let again = [&slack.records[1..], &slack.records[1..begun]].concat();
    assert_eq!(probe(&again, kept, &context), Verdict::Unknown);
}

#[test]
fn of_what_a_webhook_was_given_nobody_can_tell() {
    let mut slack = fake(&[]);
    apply(&mut slack, &webhook(), &sample::context(Status::Running)).expect("an outcome");
    assert_eq!(slack.probed(0, Status::Running), Verdict::NotDone, "nothing was to be posted yet");
    slack.script = vec![("webhook", Ok("ok"))];
    apply(&mut slack, &webhook(), &sample::context(Status::Failed)).expect("an outcome");
    assert_eq!(slack.probed(0, Status::Failed), Verdict::Unknown);
}

#[test]
fn a_record_in_a_journal_stays_readable() {
    for (record, json) in [
        (
            Record::Post { showing: "r/1: deploying".into(), details: false },
            r#"{"record":"post","showing":"r/1: deploying","details":false}"#,
        ),
        (
            Record::Update { showing: "r/1: failed".into(), details: true },
            r#"{"record":"update","showing":"r/1: failed","details":true}"#,
        ),
        (Record::Details, r#"{"record":"details"}"#),
    ] {
        assert_eq!(serde_json::to_string(&record).expect("JSON"), json);
        assert_eq!(serde_json::from_str::<Record>(json).expect("a record"), record);
    }
}

#[test]
fn a_rollback_is_written_into_the_announcement() {
    let mut slack = fake(&[("chat.postMessage", POSTED)]);
    run(&mut slack, Status::Running);
    slack.script = vec![("chat.update", OK)];
    let records = slack.records.clone();
    let context = sample::context(Status::Running);
    let outcome = revert(&mut slack, &sample::config(), &context, &records).expect("an outcome");
    assert_eq!(outcome.summary, "told `#deploys`: rolled back");
    assert_eq!(slack.records, records, "the journal takes records only while a step does its work");
    assert!(slack.posts[1].1["text"].as_str().expect("a text").contains("rolled back"));
}

#[test]
fn a_rollback_does_not_fail_for_a_message() {
    let mut slack = fake(&[("chat.postMessage", POSTED)]);
    run(&mut slack, Status::Running);
    slack.script = vec![("chat.update", Ok(r#"{"ok":false,"error":"invalid_auth"}"#))];
    let records = slack.records.clone();
    let required = Config { required: true, ..sample::config() };
    let outcome = revert(&mut slack, &required, &sample::context(Status::Running), &records).expect("an outcome");
    assert_eq!(outcome.findings[0].code, "slack-refused");
    let untouched = revert(&mut fake(&[]), &sample::config(), &sample::context(Status::Running), &[]);
    assert_eq!(untouched.expect("an outcome").summary, "nothing to take back");
}
