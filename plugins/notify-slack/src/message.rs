//! What is written: Block Kit blocks, the text for notifications, and the same for a log. Pure.
//!
//! Every value is escaped and cut to Slack's limits. Texts that hold values are `verbatim`, so that nothing in a value
//! can mention anybody.

use crate::config::Config;
use serde_json::{Value, json};
use windlass_plugin::deployment::{Context, Status, StepOutcome, StepResult};

/// Slack's limit for a section's text, in characters.
const SECTION: usize = 3_000;
/// Slack's limit for a header, in characters.
const HEADER: usize = 150;
/// Slack's limit for a section's field, in characters.
const FIELD: usize = 2_000;
/// The longest link that is made, in bytes as it is sent; two of them share one text.
const LINK: usize = 1_200;
/// What is shown of one value, in characters.
const VALUE: usize = 300;

/// How the deployment stands, as the message says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Under way.
    Deploying,
    /// Done.
    Succeeded,
    /// Failed, nothing taken back.
    Failed,
    /// Failed, everything taken back.
    RolledBack,
    /// Failed, not everything could be taken back.
    RollbackFailed,
    /// Cancelled.
    Cancelled,
}

impl From<Status> for State {
    fn from(status: Status) -> Self {
        match status {
            Status::Running => Self::Deploying,
            Status::Succeeded => Self::Succeeded,
            Status::Failed => Self::Failed,
            Status::RolledBack => Self::RolledBack,
            Status::RollbackFailed => Self::RollbackFailed,
            Status::Cancelled => Self::Cancelled,
        }
    }
}

impl State {
    /// In words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Deploying => "deploying",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::RolledBack => "rolled back",
            Self::RollbackFailed => "rollback failed",
            Self::Cancelled => "cancelled",
        }
    }

    const fn sign(self) -> &'static str {
        match self {
            Self::Deploying => "🚀",
            Self::Succeeded => "✅",
            Self::Failed => "❌",
            Self::RolledBack => "↩️",
            Self::RollbackFailed => "🚨",
            Self::Cancelled => "⏹️",
        }
    }

    /// Whether somebody should look, and is mentioned.
    #[must_use]
    pub const fn is_failure(self) -> bool {
        matches!(self, Self::Failed | Self::RolledBack | Self::RollbackFailed)
    }
}

/// A message.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// For notifications, and for clients that show no blocks.
    pub text: String,
    /// What is shown.
    pub blocks: Vec<Value>,
}

impl Message {
    /// The message, as Slack takes it.
    #[must_use]
    pub fn body(&self) -> Value {
        json!({ "text": self.text, "blocks": self.blocks, "unfurl_links": false, "unfurl_media": false })
    }

    /// The same, where Slack shall look for the handles of user groups. The text for notifications holds values and has no
    /// `verbatim`, so what looks like a handle in it is broken up.
    #[must_use]
    pub fn body_with_mentions(&self) -> Value {
        let mut body = self.body();
        body["text"] = self.text.replace('@', "@\u{2060}").into();
        body["link_names"] = Value::Bool(true);
        body
    }
}

/// The message about a deployment that stands like this.
#[must_use]
pub fn announcement(config: &Config, context: &Context, state: State) -> Message {
    let title = title(config, context);
    let heading = format!("{} {title}: {}", state.sign(), state.words());
    let mut blocks = vec![json!({
        "type": "header",
        "text": { "type": "plain_text", "text": cut(&heading, HEADER), "emoji": true },
    })];
    blocks.push(json!({ "type": "section", "fields": fields(context) }));
    if let Some(text) = config.text.as_ref().filter(|text| !text.trim().is_empty()) {
        blocks.push(section(&escape(text, SECTION)));
    }
    let problem = problem(context).filter(|_| state != State::Succeeded);
    if let Some(problem) = &problem {
        blocks.push(section(problem));
    }
    if !context.steps.is_empty() {
        blocks.push(section(&steps(&context.steps)));
    }
    blocks.extend(links(context));
    let mut text = escape(&format!("{} {title}: {}", state.sign(), state.words()), SECTION / 2);
    if let Some(problem) = problem {
        text.push_str(" · ");
        text.push_str(&problem);
    }
    Message { text, blocks }
}

/// What goes into the thread below the message when the deployment failed. An update notifies nobody, so it is here that
/// people are mentioned.
#[must_use]
pub fn details(config: &Config, context: &Context, state: State) -> Message {
    let mut message = Message { text: format!("{} {}", state.sign(), state.words()), blocks: vec![] };
    message.blocks.extend(mentions(config));
    let problem = problem(context).unwrap_or_else(|| format!("{} *{}*", state.sign(), state.words()));
    message.text = problem.clone();
    message.blocks.push(section(&problem));
    let reverted = named(&context.steps, |outcome| outcome == StepOutcome::Reverted);
    let stuck = named(&context.steps, |outcome| matches!(outcome, StepOutcome::RevertFailed | StepOutcome::Unknown));
    let mut lines = vec![];
    if !reverted.is_empty() {
        lines.push(format!("Taken back: {reverted}"));
    }
    if !stuck.is_empty() {
        lines.push(format!("*A person is needed*, for: {stuck}"));
    }
    if let Some(live) = context.live.as_ref().filter(|_| state == State::RolledBack) {
        lines.push(format!("Live is {} ({})", code(&live.version), code(&short(&live.commit))));
    }
    if !lines.is_empty() {
        message.blocks.push(section(&lines.join("\n")));
    }
    message.blocks.extend(links(context));
    message
}

/// The block that mentions people, where there are any to mention. Its text is ours and the configuration's alone, and
/// the only one that Slack looks for mentions in.
#[must_use]
pub fn mentions(config: &Config) -> Option<Value> {
    let people: Vec<String> = config.mention.iter().filter_map(|name| mention(name)).collect();
    let text = people.join(" ");
    (!text.is_empty() && text.chars().count() <= SECTION)
        .then(|| json!({ "type": "section", "text": { "type": "mrkdwn", "text": text } }))
}

/// A mention as Slack writes it, or none where it is none.
#[must_use]
pub fn mention(name: &str) -> Option<String> {
    let word = name.strip_prefix('@').unwrap_or(name);
    let is_id = word.len() >= 9 && word.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    match word {
        "here" | "channel" | "everyone" => Some(format!("<!{word}>")),
        _ if is_id && word.starts_with(['U', 'W']) => Some(format!("<@{word}>")),
        _ if is_id && word.starts_with('S') => Some(format!("<!subteam^{word}>")),
        _ if name.starts_with('@')
            && !word.is_empty()
            && word.chars().all(|letter| letter.is_alphanumeric() || matches!(letter, '-' | '_' | '.')) =>
        {
            Some(name.to_owned())
        }
        _ => None,
    }
}

/// The message as lines for a log, for when it is not sent.
#[must_use]
pub fn plain(config: &Config, context: &Context, state: State) -> String {
    let mut lines = vec![format!("{} {}: {}", state.sign(), title(config, context), state.words())];
    lines.extend(facts(context).into_iter().map(|(name, value, link)| match link {
        Some(link) => format!("  {name}: {value} ({link})"),
        None => format!("  {name}: {value}"),
    }));
    lines.extend(config.text.iter().map(|text| format!("  {text}")));
    if state != State::Succeeded {
        lines.extend(failing(context).map(|step| format!("  failing step: {}", step.id)));
        lines.extend(context.problem.iter().map(|problem| format!("  {problem}")));
    }
    // Whoever reads the log has just read the plan.
    let steps = if state == State::Deploying { &[][..] } else { &context.steps };
    lines.extend(steps.iter().map(|step| format!("  {} {}: {}", sign(step.outcome), step.id, words(step.outcome))));
    lines.extend(context.log_url.iter().map(|url| format!("  log: {url}")));
    lines.join("\n")
}

fn title(config: &Config, context: &Context) -> String {
    config.title.clone().filter(|title| !title.trim().is_empty()).unwrap_or_else(|| {
        let component = context.component.as_ref().map_or(String::new(), |component| format!("/{component}"));
        format!("{}{component} {} → {}", context.app, context.version, context.environment)
    })
}

/// What there is to know, as name, value and link.
fn facts(context: &Context) -> Vec<(&'static str, String, Option<&str>)> {
    let mut facts = vec![
        ("App", context.app.clone(), None),
        ("Environment", context.environment.clone(), context.url.as_deref()),
        ("Version", context.version.clone(), None),
        ("Commit", short(&context.commit), None),
    ];
    facts.extend(context.component.iter().map(|component| ("Component", component.clone(), None)));
    facts.extend(context.reference.iter().map(|reference| ("Branch or tag", reference.clone(), None)));
    facts.extend(context.actor.iter().map(|actor| ("By", actor.clone(), None)));
    facts.extend(context.live.iter().map(|live| {
        let before = if live.version == short(&live.commit) {
            live.version.clone()
        } else {
            format!("{} ({})", live.version, short(&live.commit))
        };
        ("Live before", before, None)
    }));
    facts
}

fn fields(context: &Context) -> Vec<Value> {
    facts(context)
        .into_iter()
        .map(|(name, value, link)| {
            let shown = link
                .and_then(|link| hyperlink(link, &value))
                .unwrap_or_else(|| if name == "Commit" { code(&value) } else { escape(&value, VALUE) });
            let text = format!("*{name}*\n{shown}");
            let text = if text.chars().count() > FIELD { format!("*{name}*\n{}", escape(&value, VALUE)) } else { text };
            json!({ "type": "mrkdwn", "text": text, "verbatim": true })
        })
        .collect()
}

fn failing(context: &Context) -> Option<&StepResult> {
    let of = |wanted: StepOutcome| context.steps.iter().find(|step| step.outcome == wanted);
    of(StepOutcome::Failed).or_else(|| of(StepOutcome::RevertFailed)).or_else(|| of(StepOutcome::Unknown))
}

/// The failing step and its problem, in one paragraph.
fn problem(context: &Context) -> Option<String> {
    let problem = context.problem.as_ref().map(|problem| escape(problem, SECTION / 2));
    match (failing(context), problem) {
        (Some(step), Some(problem)) => Some(format!("*Step {}*: {problem}", code(&step.id))),
        (Some(step), None) => Some(format!("*Step {}* {}", code(&step.id), words(step.outcome))),
        (None, problem) => problem,
    }
}

/// One line per step, as many as fit.
fn steps(steps: &[StepResult]) -> String {
    let lines: Vec<String> =
        steps.iter().map(|step| format!("{} {} {}", sign(step.outcome), code(&step.id), words(step.outcome))).collect();
    let mut text = String::new();
    let mut length = 0;
    for (index, line) in lines.iter().enumerate() {
        let more = format!("… and {} more", lines.len() - index);
        let next = line.chars().count() + 1;
        let last = index + 1 == lines.len();
        if length + next + if last { 0 } else { more.chars().count() + 8 } > SECTION {
            text.push_str(&more);
            return text;
        }
        text.push_str(line);
        text.push('\n');
        length += next;
    }
    text.trim_end().to_owned()
}

fn named(steps: &[StepResult], wanted: impl Fn(StepOutcome) -> bool) -> String {
    let names: Vec<String> = steps.iter().filter(|step| wanted(step.outcome)).map(|step| code(&step.id)).collect();
    // The names are short; cut between them, should there be hundreds.
    let mut text = String::new();
    for (index, name) in names.iter().enumerate() {
        if text.chars().count() + name.chars().count() > SECTION / 3 {
            text.push_str(&format!(" and {} more", names.len() - index));
            break;
        }
        if index > 0 {
            text.push_str(", ");
        }
        text.push_str(name);
    }
    text
}

fn links(context: &Context) -> Option<Value> {
    let mut links: Vec<String> = vec![];
    links.extend(context.log_url.as_ref().and_then(|url| hyperlink(url, "Log")));
    links.extend(context.url.as_ref().and_then(|url| hyperlink(url, "Open")));
    if !context.run.is_empty() {
        links.push(format!("Run {}", code(&context.run)));
    }
    (!links.is_empty()).then(|| {
        json!({ "type": "context", "elements": [{ "type": "mrkdwn", "text": links.join(" · "), "verbatim": true }] })
    })
}

/// A link as Slack writes it; none where the URL is not one for a browser, or too long.
fn hyperlink(url: &str, shown: &str) -> Option<String> {
    let is_link = url.starts_with("https://") || url.starts_with("http://");
    let harmless = !url.chars().any(|letter| letter.is_whitespace() || letter.is_control());
    if !is_link || !harmless {
        return None;
    }
    let url = url.replace('|', "%7C").replace('<', "%3C").replace('>', "%3E").replace('&', "&amp;");
    (url.len() <= LINK).then(|| format!("<{url}|{}>", escape(&shown.replace('|', "/"), VALUE)))
}

fn section(text: &str) -> Value {
    json!({ "type": "section", "text": { "type": "mrkdwn", "text": text, "verbatim": true } })
}

/// A value in code style, which a backtick of its own would end.
fn code(value: &str) -> String {
    format!("`{}`", escape(&value.replace('`', "'").replace(['\n', '\r'], " "), VALUE))
}

/// The first digits of a commit.
fn short(commit: &str) -> String {
    if commit.len() >= 20 && commit.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        commit[..8].to_owned()
    } else {
        commit.to_owned()
    }
}

/// Make a value harmless, and no longer than so many characters as Slack counts them.
fn escape(value: &str, limit: usize) -> String {
    let mut text = String::new();
    let mut length = 0;
    for letter in value.chars() {
        let escaped: &str = match letter {
            '&' => "&amp;",
            '<' => "&lt;",
            '>' => "&gt;",
            other => &other.to_string(),
        };
        let next = escaped.chars().count();
        if length + next + 1 > limit {
            text.push('…');
            return text;
        }
        text.push_str(escaped);
        length += next;
    }
    text
}

/// Cut plain text, in which Slack reads no markup.
fn cut(value: &str, limit: usize) -> String {
    let line = value.replace(['\n', '\r'], " ");
    if line.chars().count() <= limit {
        return line;
    }
    line.chars().take(limit - 1).chain(['…']).collect()
}

const fn sign(outcome: StepOutcome) -> &'static str {
    match outcome {
        StepOutcome::Succeeded => "✅",
        StepOutcome::Failed => "❌",
        StepOutcome::Skipped => "⏭️",
        StepOutcome::Reverted => "↩️",
        StepOutcome::RevertFailed => "🚨",
        StepOutcome::Cancelled => "⏹️",
        StepOutcome::Unknown => "❓",
        StepOutcome::NotRun => "▫️",
    }
}

const fn words(outcome: StepOutcome) -> &'static str {
    match outcome {
        StepOutcome::Succeeded => "succeeded",
        StepOutcome::Failed => "failed",
        StepOutcome::Skipped => "had nothing to do",
        StepOutcome::Reverted => "was taken back",
        StepOutcome::RevertFailed => "could not be taken back",
        StepOutcome::Cancelled => "was cancelled",
        StepOutcome::Unknown => "is in an unknown state",
        StepOutcome::NotRun => "has not run",
    }
}

#[cfg(test)]
mod tests;
