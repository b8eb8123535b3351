//! The plugin `notify-slack` in the real host, against a Slack on loopback.

use e2e::server::Answer;
use e2e::slack::{NAME, Slack};
use e2e::{COMMIT, Output, Project};
use serde_json::json;

const TOKEN: &str = "xoxb-1234-5678-abcdefghijkl";
const HOOK: &str = "/services/T01234567/B01234567/abcdefghijklmnopqrstuvwx";
const SET: &[(&str, &str)] = &[("SLACK_BOT_TOKEN", TOKEN)];

/// A project that announces, does something, and reports, by this `with`.
fn project(with: &str, run: &str) -> Project {
    let notify = |id: &str, kind: &str| {
        format!("[[{kind}]]\nid = \"{id}\"\nplugin = \"notify-slack\"\nstate = \"slack\"\n[{kind}.with]\n{with}\n")
    };
    let config = format!(
        "schema = 1\napp = \"shop\"\n[environments.production]\nurl = \"https://shop.example\"\n{}\
         [[step]]\nid = \"release\"\nplugin = \"command\"\nwith = {run}\n{}",
        notify("announce", "step"),
        notify("report", "finally")
    );
    Project::with(&config).locked()
}

const GOOD: &str = r#"{ run = ["true"], effect = "changes" }"#;
const BAD: &str = r#"{ run = ["sh", "-c", "echo no room >&2; exit 1"], revert = ["true"] }"#;

fn bot(slack: &Slack, more: &str) -> String {
    format!("channel = \"{NAME}\"\ntoken = {{ secret = \"SLACK_BOT_TOKEN\" }}\napi = \"{}\"\n{more}", slack.url(""))
}

fn run(project: &Project, variables: &[(&str, &str)]) -> Output {
    let output = project.windlass_with("run --release-version 1.4.0", variables);
    project.keeps_secret(TOKEN, &[&output]);
    project.keeps_secret(HOOK, &[&output]);
    output
}

#[test]
fn the_announcement_becomes_the_report() {
    let slack = Slack::start(TOKEN, HOOK);
    let project = project(&bot(&slack, "title = \"Shop <b> & *co*\""), GOOD);
    let plan = project.windlass_with("plan --release-version 1.4.0", SET).exits(0);
    assert_eq!(slack.received().len(), 0, "a plan tells nobody: {}", plan.all());

    let output = run(&project, SET).exits(0);
    let posted = slack.posted();
    assert_eq!((posted.len(), slack.refused()), (1, vec![]), "{}", output.stderr);
    assert_eq!(posted[0].updates, 1, "the same message is updated");
    assert!(posted[0].text.contains("succeeded") && posted[0].text.contains("&lt;b&gt; &amp;"), "{}", posted[0].text);
    let shown = posted[0].body["blocks"].to_string();
    for part in ["1.4.0", "production", &COMMIT[..8], "release", "https://shop.example"] {
        assert!(shown.contains(part), "`{part}` is not in {shown}");
    }
    let methods: Vec<String> = slack.received().iter().map(|request| request.path.clone()).collect();
    assert_eq!(methods, ["/api/chat.postMessage", "/api/chat.update"]);
    let first = slack.received()[0].json().expect("JSON");
    assert!(first["text"].as_str().expect("a text").contains("deploying"), "{first}");

    // The same commit again is no news.
    let output = project.windlass_with("run --release-version 1.4.0 --format json", SET).exits(0);
    assert_eq!(output.result()["steps"][0]["outcome"], "skipped", "{}", output.stderr);
    // The step in between runs again, so there is a report on it, as a message of its own.
    let updates: Vec<usize> = slack.posted().iter().map(|posted| posted.updates).collect();
    assert_eq!((updates, slack.refused()), (vec![1, 0], vec![]));
}

#[test]
fn a_failure_is_told_below_the_message_once() {
    let slack = Slack::start(TOKEN, HOOK);
    let project = project(&bot(&slack, "mention = [\"@oncall\", \"U0123456789\"]"), BAD);
    let output = run(&project, SET).exits(10);
    let posted = slack.posted();
    assert_eq!((posted.len(), slack.refused()), (2, vec![]), "{}", output.stderr);
    assert!(posted[0].updates >= 1 && posted[0].text.contains("rolled back"), "{}", posted[0].text);
    assert_eq!(posted[1].thread.as_deref(), Some(posted[0].ts.as_str()), "below the message");
    let reply = posted[1].body.to_string();
    assert!(reply.contains("@oncall") && reply.contains("<@U0123456789>"), "{reply}");
    assert!(reply.contains("`release`") && reply.contains("exit code 1"), "{reply}");
    assert!(!posted[0].body.to_string().contains("oncall"), "an update mentions nobody");
}

#[test]
fn a_webhook_posts_once_at_the_end() {
    let slack = Slack::start(TOKEN, HOOK);
    let url = slack.url(HOOK);
    let with = "webhook = { secret = \"SLACK_WEBHOOK\" }\naddresses = [\"loopback\"]";
    for (command, code, word) in [(GOOD, 0, "succeeded"), (BAD, 10, "rolled back")] {
        let before = slack.posted().len();
        let project = project(with, command);
        let output = run(&project, &[("SLACK_WEBHOOK", &url)]).exits(code);
        project.keeps_secret(&url, &[&output]);
        let posted = slack.posted();
        assert_eq!((posted.len(), slack.refused()), (before + 1, vec![]), "{}", output.stderr);
        assert!(posted[before].text.contains(word), "{}", posted[before].text);
        let request = slack.received().pop().expect("a request");
        assert_eq!((request.path.as_str(), request.header("authorization")), (HOOK, None));
        assert_eq!(request.header("host").map(|host| format!("http://{host}")), Some(slack.url("")));
    }
}

#[test]
fn a_webhook_that_nobody_answers_is_called_by_no_other_name() {
    let closed = e2e::server::Closed::new();
    let url = format!("http://127.0.0.1:{}{HOOK}", closed.port());
    let project = project("webhook = { secret = \"SLACK_WEBHOOK\" }\naddresses = [\"loopback\"]", GOOD);
    let output = run(&project, &[("SLACK_WEBHOOK", &url)]).exits(0);
    project.keeps_secret(&url, &[&output]);
    let why = "warning: Slack was not reached: the webhook: the connection was refused";
    assert!(output.stderr.contains(why) && !output.stderr.contains(".invalid"), "{}", output.stderr);
}

#[test]
fn without_the_secret_the_message_is_shown_and_said_not_to_be_sent() {
    let slack = Slack::start(TOKEN, HOOK);
    let project = project(&bot(&slack, ""), GOOD);
    let output = run(&project, &[]).exits(0);
    for part in [
        "this message was not sent:",
        "shop 1.4.0 → production: succeeded",
        "warning: the message to `#deploys` was not sent: the secret `SLACK_BOT_TOKEN` is not set",
    ] {
        assert!(output.stderr.contains(part), "`{part}` is not in\n{}", output.stderr);
    }
    assert_eq!(slack.received().len(), 0);

    let required = self::project(&bot(&slack, "required = true"), GOOD);
    let output = run(&required, &[]).exits(13);
    assert_eq!(required.failure("announce").0, "slack-secret-missing", "{}", output.stderr);
}

#[test]
fn what_slack_refuses_is_shown_with_what_helps_and_fails_nothing_unless_it_has_to() {
    let slack = Slack::start(TOKEN, HOOK);
    let elsewhere = bot(&slack, "").replace(NAME, "#elsewhere");
    let output = run(&project(&elsewhere, GOOD), SET).exits(0);
    assert!(output.stderr.contains("warning: Slack refused the message: `channel_not_found`"), "{}", output.stderr);
    assert!(output.stderr.contains("check that `#elsewhere` exists"), "{}", output.stderr);
    assert_eq!(slack.refused(), ["chat.postMessage: channel_not_found"; 2]);

    let wrong = "xoxb-another-token-altogether";
    let required = project(&bot(&slack, "required = true"), GOOD);
    let output = run(&required, &[("SLACK_BOT_TOKEN", wrong)]).exits(10);
    required.keeps_secret(wrong, &[&output]);
    let (code, text) = required.failure("announce");
    assert_eq!(code, "slack-refused");
    assert!(text.contains("`invalid_auth`") && text.contains("put a valid bot token"), "{text}");

    // A message that is gone by the time of the report is posted anew.
    let project = project(&bot(&slack, ""), r#"{ run = ["true"], effect = "changes" }"#);
    slack.answer_next(Answer::json(&json!({ "ok": true, "channel": e2e::slack::CHANNEL, "ts": "1.000001" })));
    let output = run(&project, SET).exits(0);
    assert!(output.stderr.contains("the earlier message cannot be updated (`message_not_found`)"), "{}", output.stderr);
    assert_eq!(slack.posted().len(), 1);
}

#[test]
fn slack_is_waited_for_as_long_as_it_asks() {
    let slack = Slack::start(TOKEN, HOOK);
    let project = project(&bot(&slack, ""), GOOD);
    let limited = json!({ "ok": false, "error": "ratelimited" }).to_string();
    slack.answer_next(Answer::new(429, limited).header("retry-after", "1"));
    let started = std::time::Instant::now();
    let output = run(&project, SET).exits(0);
    assert!(started.elapsed() >= std::time::Duration::from_secs(1), "{}", output.stderr);
    assert!(output.stderr.contains("Slack asks to wait 1 s"), "{}", output.stderr);
    assert_eq!((slack.posted().len(), slack.received().len()), (1, 3));

    // Not for ever: then the message is given up, and the deployment goes on.
    slack.answer_next(Answer::new(429, "").header("retry-after", "86400"));
    let output = run(&self::project(&bot(&slack, ""), GOOD), SET).exits(0);
    assert!(output.stderr.contains("Slack takes no more messages for 86400 s"), "{}", output.stderr);
}

#[test]
fn a_token_goes_nowhere_but_to_the_accepted_origin() {
    // The lock is for one Slack; the configuration then names another.
    let (accepted, other) = (Slack::start(TOKEN, HOOK), Slack::start(TOKEN, HOOK));
    let project = project(&bot(&accepted, ""), GOOD);
    let config = project.read("deploy.toml").replace(&accepted.url(""), &other.url(""));
    project.write("deploy.toml", &config);
    let output = project.windlass_with("run", SET).exits(22);
    assert!(output.stderr.contains(&other.url("")), "{}", output.stderr);
    assert_eq!((accepted.received().len(), other.received().len()), (0, 0));
}
