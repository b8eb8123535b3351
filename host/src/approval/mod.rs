//! Who agrees to a plan: what is asked, what people decided, and whether that is enough. Pure but for [`Local`], which keeps
//! it in `.windlass/approvals` where there is no forge to ask on.

mod local;

pub use local::Local;

use crate::config::{Approval, Bind};
use crate::event::{Json, Subject};
use crate::policy::visible;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// The version of a request's format.
pub const SCHEMA: &str = "windlass.approval/1";

/// The least of a digest, in hex digits, that names it in a comment.
pub const PREFIX: usize = 12;

/// What somebody asks to be agreed to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Request {
    /// [`SCHEMA`].
    pub schema: String,
    /// The plan's digest, `sha256:…`.
    pub digest: String,
    /// Who asks, where and what for.
    pub subject: Subject,
    /// When, as RFC 3339 in UTC.
    pub at: String,
    /// The plan, as `windlass plan --format json` prints it.
    pub plan: Json,
}

/// What somebody says to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// Yes: let it through.
    Approved,
    /// No: do not.
    Rejected,
}

impl Answer {
    /// The word for it, which is the same here and on the forges.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::Rejected => "rejected",
        }
    }

    /// What a word stands for; none for another word.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        Self::value_variants().iter().copied().find(|answer| answer.word() == word)
    }
}

/// What somebody said to a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Decision {
    /// What.
    pub answer: Answer,
    /// Who.
    pub by: String,
    /// When, as RFC 3339 in UTC, where that is known: GitHub does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Those of the teams that `from` names which the forge says they belong to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub teams: Vec<String>,
}

/// A request and what was said to it, oldest first.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// What is asked.
    pub request: Request,
    /// Where it is asked.
    pub at: Where,
    /// All who had a part in asking. Where nobody is known to, nobody can be told from whoever asks.
    pub askers: Vec<String>,
    /// What was said.
    pub decisions: Vec<Decision>,
    /// The newest of those that were asked for in the same place since.
    pub newer: Option<Newer>,
}

/// A plan that was asked for after another one in the same place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Newer {
    /// Its digest, `sha256:…`.
    pub digest: String,
    /// Who asks.
    pub by: Option<String>,
    /// When.
    pub at: String,
}

/// Where people are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Where {
    /// They are not, yet.
    Nowhere,
    /// In `.windlass/approvals`.
    Here,
    /// At the required reviewers of a GitHub environment.
    GitHub,
    /// At the approval rules of a GitLab environment.
    GitLab,
}

/// Whether enough people agree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// They do.
    Approved(Vec<Decision>),
    /// Somebody whose word counts does not.
    Rejected(Decision),
    /// Nobody can agree any more, before it is asked anew.
    Closed(Closed),
    /// Not yet.
    Waiting {
        /// Those who do.
        approved: Vec<Decision>,
        /// What does not count, and why.
        ignored: Vec<(Decision, String)>,
    },
}

/// Why nobody can agree any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Closed {
    /// Whoever asked does not want it any more.
    Withdrawn(Decision),
    /// In the same place another plan is asked for by now.
    Superseded(Newer),
}

impl Closed {
    /// The word for it.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Withdrawn(_) => "withdrawn",
            Self::Superseded(_) => "superseded",
        }
    }
}

impl std::fmt::Display for Closed {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Withdrawn(Decision { by, at, comment, .. }) => {
                write!(formatter, "`{}`, who asked for it, has withdrawn it", visible(by))?;
                at.as_ref().map_or(Ok(()), |at| write!(formatter, " at {}", visible(at)))?;
                comment.as_ref().map_or(Ok(()), |comment| write!(formatter, ": {}", visible(comment)))
            }
            Self::Superseded(Newer { digest, by, at }) => {
                write!(formatter, "plan `{}` is newer: it was asked for", visible(short(digest)))?;
                by.as_ref().map_or(Ok(()), |by| write!(formatter, " by `{}`", visible(by)))?;
                write!(formatter, " at {}", visible(at))
            }
        }
    }
}

/// The hex digits of a digest.
#[must_use]
pub fn digits(digest: &str) -> &str {
    digest.strip_prefix("sha256:").unwrap_or(digest)
}

/// As much of a digest as people need to tell it from others.
#[must_use]
pub fn short(digest: &str) -> &str {
    digits(digest).get(..PREFIX).unwrap_or(digest)
}

impl Case {
    /// Whether enough people agree. Of each person the last word counts. What enough agreed to stands, also where another plan
    /// is asked for since.
    #[must_use]
    pub fn standing(&self, rule: &Approval) -> Standing {
        let mut last: Vec<&Decision> = Vec::new();
        for decision in &self.decisions {
            last.retain(|other| !is_same(&other.by, &decision.by));
            last.push(decision);
        }
        if let Some(decision) = last.iter().find(|decision| self.is_withdrawal(decision)) {
            return Standing::Closed(Closed::Withdrawn((*decision).clone()));
        }
        let (mut approved, mut ignored) = (Vec::new(), Vec::new());
        for decision in last {
            match (self.why_not(rule, decision), decision.answer) {
                (Some(why), _) => ignored.push((decision.clone(), why)),
                (None, Answer::Rejected) => return Standing::Rejected(decision.clone()),
                (None, Answer::Approved) => approved.push(decision.clone()),
            }
        }
        if u32::try_from(approved.len()).is_ok_and(|count| count >= rule.required) {
            Standing::Approved(approved)
        } else if let Some(newer) = &self.newer {
            Standing::Closed(Closed::Superseded(newer.clone()))
        } else {
            Standing::Waiting { approved, ignored }
        }
    }

    /// Whether this is no decision, but takes back what was asked: the no of whoever asked. At a forge's gate it is that gate's.
    #[must_use]
    pub fn is_withdrawal(&self, decision: &Decision) -> bool {
        let asked = || self.askers.iter().any(|asker| is_same(asker, &decision.by));
        self.at == Where::Here && decision.answer == Answer::Rejected && asked()
    }

    /// Why a decision does not count; none where it does.
    #[must_use]
    pub fn why_not(&self, rule: &Approval, decision: &Decision) -> Option<String> {
        if !rule.own && self.askers.is_empty() {
            return Some("it is not known who asks, and whoever asks may not decide on it (`self = false`)".to_owned());
        }
        if !rule.own && self.askers.iter().any(|asker| is_same(asker, &decision.by)) {
            return Some("whoever asks for it may not decide on it (`self = false`)".to_owned());
        }
        if let Some(from) = &rule.from
            && !from.users.iter().any(|user| is_same(user, &decision.by))
            && !from.teams.iter().any(|team| decision.teams.iter().any(|of| is_same(of, team)))
        {
            return Some(match (from.teams.is_empty(), self.at) {
                (false, Where::Here) => "only those in `from` may, and who is in a team only a forge knows".to_owned(),
                _ => "only those in `from` may".to_owned(),
            });
        }
        let other = || decision.comment.as_deref().is_some_and(|comment| is_for_another(comment, &self.request.digest));
        if decision.answer == Answer::Approved && other() {
            return Some("its comment names another plan".to_owned());
        }
        let names = || decision.comment.as_deref().is_some_and(|comment| names(comment, &self.request.digest));
        if rule.bind == Bind::Comment && decision.answer == Answer::Approved && !names() {
            let short = short(&self.request.digest);
            return Some(format!("the comment has to name the plan's digest, `{short}` (`bind = \"comment\"`)"));
        }
        None
    }
}

/// A comment with the plan's digest in it, so that it is for this plan and no other.
#[must_use]
pub fn commented(comment: Option<&str>, digest: &str) -> String {
    let short = short(digest);
    match comment {
        Some(text) if names(text, digest) => text.to_owned(),
        Some(text) => format!("{text} ({MARK}{short})"),
        None => format!("{MARK}{short}"),
    }
}

/// What stands before a digest in a comment that [`commented`] made.
const MARK: &str = "windlass plan ";

/// Whether a comment that was made with [`commented`] is for other plans than this one.
fn is_for_another(comment: &str, digest: &str) -> bool {
    let named = |rest: &&str| rest.bytes().take_while(u8::is_ascii_hexdigit).count() >= PREFIX;
    comment.split(MARK).skip(1).any(|rest| named(&rest)) && !names(comment, digest)
}

/// What was said since something was noted: each of `then` is left out once.
#[must_use]
pub fn since(now: Vec<Decision>, then: &[Decision]) -> Vec<Decision> {
    let mut then: Vec<&Decision> = then.iter().collect();
    let mut is_new = |decision: &Decision| {
        let same = |other: &&Decision| {
            (other.answer, &other.by, &other.at, &other.comment)
                == (decision.answer, &decision.by, &decision.at, &decision.comment)
        };
        then.iter().position(same).map(|found| then.remove(found)).is_none()
    };
    now.into_iter().filter(|decision| is_new(decision)).collect()
}

/// Whether two names are the same. Those of people are whatever their case, as on the forges, and on GitHub those of environments
/// and repositories, too.
pub(crate) fn is_same(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
}

/// Whether a comment has the digest in it, or enough of its beginning.
#[must_use]
pub fn names(comment: &str, digest: &str) -> bool {
    comment.split(|character: char| !character.is_ascii_hexdigit()).any(|word| {
        word.len() >= PREFIX && digits(digest).get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
    })
}

#[cfg(test)]
mod tests;
