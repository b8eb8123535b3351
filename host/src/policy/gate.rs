//! The one gate: a question, an answer, a record of both.

use super::question::same_directory;
use super::{Access, Capability, Database, Directory, Phase, Question, Secret, SecretUse, TcpProbe};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// How often a capability was used, or what was denied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Usage {
    /// What was asked for, in one line.
    pub asked: String,
    /// Whether it was allowed.
    pub allowed: bool,
    /// How many times.
    pub times: u64,
}

/// A no, with its reasons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// What was asked for.
    pub asked: String,
    /// Why not: what the lock accepts of this kind.
    pub because: String,
}

/// Answers for one call of one step in one phase.
#[derive(Debug, Clone)]
pub struct Gate {
    capabilities: Vec<Capability>,
    phase: Phase,
    usages: Vec<Usage>,
    words: Words,
}

/// How what was asked for is written down: a plugin chooses some of its words.
#[derive(Clone)]
struct Words(Arc<dyn Fn(&str) -> String + Send + Sync>);

impl std::fmt::Debug for Words {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Words")
    }
}

impl Gate {
    /// A gate that lets through what these capabilities say in this phase, and nothing else.
    #[must_use]
    pub fn new(capabilities: &[Capability], phase: Phase) -> Self {
        let words = Words(Arc::new(|text| text.to_owned()));
        Self { capabilities: capabilities.to_vec(), phase, usages: Vec::new(), words }
    }

    /// The same, with all that is asked for put into these words before it is told or remembered: without secrets, and then cut
    /// to [`ASKED`] bytes. Of a secret that a cut went through first, the beginning would be left.
    #[must_use]
    pub fn in_words(self, words: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        Self { words: Words(Arc::new(words)), ..self }
    }

    /// The phase.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        self.phase
    }

    /// What was asked for so far, each thing once.
    #[must_use]
    pub fn usages(&self) -> &[Usage] {
        &self.usages
    }

    /// What is granted in this phase.
    pub fn granted(&self) -> impl Iterator<Item = &Capability> {
        self.capabilities.iter().filter(|capability| capability.phases().contains(&self.phase))
    }

    /// The directories that may be seen, with what may be done to them in this phase.
    #[must_use]
    pub fn directories(&self) -> Vec<(String, Access)> {
        let mut directories: Vec<(String, Access)> = Vec::new();
        for capability in self.granted() {
            if let Capability::Directory(Directory { path, access, .. }) = capability {
                directories.push((path.clone(), self.narrow(*access)));
            }
        }
        directories
    }

    /// The directories that may be changed in any phase: what is written in one is there in the next.
    pub fn changed_directories(&self) -> impl Iterator<Item = &str> {
        self.capabilities.iter().filter_map(|capability| match capability {
            Capability::Directory(Directory { path, access: Access::Write, .. }) => Some(path.as_str()),
            _ => None,
        })
    }

    /// The variables that may be read.
    #[must_use]
    pub fn variables(&mut self) -> Vec<String> {
        let granted = self.granted().filter_map(|capability| match capability {
            Capability::Environment(environment) => Some(environment.name.clone()),
            _ => None,
        });
        let mut variables: Vec<String> = granted.collect();
        variables.retain(|name| self.ask(&Question::Environment { name }).is_ok());
        variables
    }

    /// The secrets that a child that runs this program may have, as variable and secret.
    #[must_use]
    pub fn child_secrets(&mut self, program: &str) -> Vec<(String, String)> {
        let granted = self.granted().filter_map(|capability| match capability {
            Capability::Secret(Secret {
                name, usage: SecretUse::ChildVariable { variable, program: whose }, ..
            }) if whose.as_deref().is_none_or(|whose| whose == program) => Some((variable.clone(), name.clone())),
            _ => None,
        });
        let mut secrets: Vec<(String, String)> = granted.collect();
        secrets.retain(|(variable, name)| self.ask(&Question::SecretVariable { name, variable, program }).is_ok());
        secrets
    }

    /// What is left of an access in this phase.
    #[must_use]
    pub fn narrow(&self, access: Access) -> Access {
        if self.phase == Phase::Plan { Access::Read } else { access }
    }

    /// Ask. The answer is the capability that allows it.
    ///
    /// # Errors
    /// A [`Denial`], which is remembered like every answer.
    pub fn ask(&mut self, question: &Question<'_>) -> Result<Capability, Denial> {
        let phase = self.phase;
        let answer = self.granted().find(|capability| allows(capability, question, phase)).cloned();
        let asked = self.words.0(&question.to_string());
        self.remember(&asked, answer.is_some());
        answer.ok_or_else(|| Denial { asked, because: self.reason(question) })
    }

    /// Remember a denial that is decided elsewhere, such as an address of a class that was not accepted.
    pub fn deny(&mut self, asked: &str) {
        let asked = self.words.0(asked);
        self.remember(&asked, false);
    }

    /// A plugin that asks for a million different things is remembered for the first of them, and for the number.
    fn remember(&mut self, asked: &str, allowed: bool) {
        let same = |usage: &Usage| usage.allowed == allowed && usage.asked == asked;
        let place = self.usages.iter().position(same).or_else(|| {
            let asked = if self.usages.len() < USAGES { asked } else { "other things" };
            let known = self.usages.iter().position(|usage| usage.allowed == allowed && usage.asked == asked);
            known.or_else(|| {
                self.usages.push(Usage { asked: asked.to_owned(), allowed, times: 0 });
                self.usages.len().checked_sub(1)
            })
        });
        if let Some(usage) = place.and_then(|place| self.usages.get_mut(place)) {
            usage.times += 1;
        }
    }

    fn reason(&self, question: &Question<'_>) -> String {
        let phase = self.phase.word();
        if self
            .capabilities
            .iter()
            .any(|capability| Phase::ALL.iter().any(|&other| allows(capability, question, other)))
        {
            return format!("`deploy.lock` accepts it, but not during `{phase}`");
        }
        let accepted: Vec<String> =
            self.granted().filter(|capability| same_kind(capability, question)).map(ToString::to_string).collect();
        if accepted.is_empty() {
            format!("`deploy.lock` accepts nothing of this kind for this step during `{phase}`")
        } else {
            format!("`deploy.lock` accepts only: {}", accepted.join("; "))
        }
    }
}

/// The most different things that are remembered of one call.
const USAGES: usize = 1000;
/// The longest text for one of them, in bytes.
pub const ASKED: usize = 2 << 10;

impl Phase {
    const ALL: [Self; 3] = [Self::Plan, Self::Apply, Self::Revert];
}

fn same_kind(capability: &Capability, question: &Question<'_>) -> bool {
    matches!(
        (capability, question),
        (Capability::Exec(_), Question::Exec { .. })
            | (Capability::Http(_), Question::Http { .. })
            | (Capability::TcpProbe(_), Question::TcpProbe { .. })
            | (Capability::Database(_), Question::Database { .. })
            | (Capability::Directory(_), Question::Directory { .. } | Question::File { .. })
            | (Capability::Environment(_), Question::Environment { .. })
            | (
                Capability::Secret(_),
                Question::SecretHeader { .. }
                    | Question::SecretUrl { .. }
                    | Question::SecretPlaceholder { .. }
                    | Question::SecretDatabase { .. }
                    | Question::SecretVariable { .. }
            )
    )
}

fn allows(capability: &Capability, question: &Question<'_>, phase: Phase) -> bool {
    if !capability.phases().contains(&phase) {
        return false;
    }
    match (capability, *question) {
        (Capability::Exec(exec), Question::Exec { program, arguments, directory, variables }) => {
            exec.program == program
                && same_directory(&exec.directory, directory)
                && variables.iter().all(|name| exec.variables.contains(name))
                && arguments_match(&exec.arguments, arguments)
        }
        (Capability::Http(http), Question::Http { scheme, host, port, method, path }) => {
            http.scheme == scheme
                && http.host.eq_ignore_ascii_case(host)
                && http.port == port
                && http.methods.iter().any(|granted| granted == method)
                && (phase != Phase::Plan || matches!(method, "GET" | "HEAD"))
                && path_matches(&http.path, path)
        }
        (
            Capability::TcpProbe(TcpProbe { host: granted, port: granted_port, .. }),
            Question::TcpProbe { host, port },
        ) => granted.eq_ignore_ascii_case(host) && *granted_port == port,
        (Capability::Database(Database { name: granted, access: most, .. }), Question::Database { name, access }) => {
            granted == name && covers(*most, access, phase)
        }
        (
            Capability::Directory(Directory { path: granted, access: most, .. }),
            Question::Directory { path, access },
        ) => granted == path && covers(*most, access, phase),
        (Capability::Environment(granted), Question::Environment { name }) => granted.name == name,
        (Capability::Secret(secret), question) => match (&secret.usage, question) {
            (SecretUse::Header { origin: granted }, Question::SecretHeader { name, origin }) => {
                secret.name == name && granted.eq_ignore_ascii_case(origin)
            }
            (SecretUse::Url { methods, .. }, Question::SecretUrl { name, method }) => {
                secret.name == name
                    && methods.iter().any(|granted| granted == method)
                    && (phase != Phase::Plan || matches!(method, "GET" | "HEAD"))
            }
            (SecretUse::Header { .. } | SecretUse::Url { .. }, Question::SecretPlaceholder { name })
            | (SecretUse::Database, Question::SecretDatabase { name }) => secret.name == name,
            (
                SecretUse::ChildVariable { variable: granted, program: whose },
                Question::SecretVariable { name, variable, program },
            ) => secret.name == name && granted == variable && whose.as_deref().is_none_or(|whose| whose == program),
            _ => false,
        },
        _ => false,
    }
}

/// Whether an access is enough for another one. Nothing is changed while planning.
fn covers(most: Access, wanted: Access, phase: Phase) -> bool {
    wanted == Access::Read || (most == Access::Write && phase != Phase::Plan)
}

/// Literals match themselves, `*` any one argument, and a last `**` any number more.
fn arguments_match(patterns: &[String], arguments: &[String]) -> bool {
    let (patterns, open) = match patterns.split_last() {
        Some((last, rest)) if last == "**" => (rest, true),
        _ => (patterns, false),
    };
    (arguments.len() == patterns.len() || (open && arguments.len() > patterns.len()))
        && patterns.iter().zip(arguments).all(|(pattern, argument)| pattern == "*" || pattern == argument)
}

/// A path that ends in `/` is a prefix; any other is the whole path. What a server might read as a way up never matches a
/// prefix.
fn path_matches(granted: &str, path: &str) -> bool {
    let lower = path.to_ascii_lowercase();
    let climbs = path.contains("/..")
        || path.contains('\\')
        || lower.contains("%2e")
        || lower.contains("%2f")
        || lower.contains("%5c")
        // Decoded twice, it may be any of these.
        || lower.contains("%25");
    granted == path || (granted.ends_with('/') && path.starts_with(granted) && (granted == "/" || !climbs))
}

#[cfg(test)]
mod tests {
    use super::super::{Environment, Http, Phases};
    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|&word| word.into()).collect()
    }

    #[test]
    fn arguments_match_by_place() {
        for (patterns, arguments, expected) in [
            (&["a"][..], &["a"][..], true),
            (&["a"], &["b"], false),
            (&["a"], &["a", "b"], false),
            (&["a"], &[], false),
            (&["a", "*"], &["a", "anything at all"], true),
            (&["a", "*"], &["a"], false),
            (&["a", "**"], &["a"], true),
            (&["a", "**"], &["a", "b", "c"], true),
            (&["a", "**"], &["b"], false),
            (&["**", "a"], &["x", "a"], false),
            (&[], &[], true),
        ] {
            assert_eq!(arguments_match(&words(patterns), &words(arguments)), expected, "{patterns:?} {arguments:?}");
        }
    }

    #[test]
    fn directories_are_the_same_only_below_the_project() {
        for (one, other, expected) in [
            (".", ".", true),
            (".", "./", true),
            ("deep", "./deep/", true),
            ("deep", "deep/../deep", false),
            ("deep", "/deep", false),
            (".", "/", false),
            (".", "..", false),
        ] {
            assert_eq!(same_directory(one, other), expected, "{one} {other}");
        }
    }

    #[test]
    fn paths_match_whole_or_below_a_slash() {
        for (granted, path, expected) in [
            ("/health", "/health", true),
            ("/health", "/healthy", false),
            ("/health", "/health/", false),
            ("/api/", "/api/chat", true),
            ("/api/", "/api", false),
            ("/api/", "/api/../admin", false),
            ("/api/", "/api/%2e%2e/admin", false),
            ("/api/", "/api/..%2Fadmin", false),
            ("/api/", "/api/%252e%252e/admin", false),
            ("/api/", "/api/..;/admin", false),
            ("/api/", "/api/a;v=1", true),
            ("/", "/anything", true),
        ] {
            assert_eq!(path_matches(granted, path), expected, "{granted} {path}");
        }
    }

    fn http(methods: &[&str], phases: Phases) -> Capability {
        Capability::Http(Http {
            scheme: "https".into(),
            host: "api.example.com".into(),
            port: 443,
            methods: words(methods),
            path: "/".into(),
            addresses: vec![],
            phases,
        })
    }

    fn get<'a>(host: &'a str, method: &'a str) -> Question<'a> {
        Question::Http { scheme: "https", host, port: 443, method, path: "/x" }
    }

    #[test]
    fn nothing_is_allowed_that_was_not_granted() {
        let mut gate = Gate::new(&[], Phase::Apply);
        for question in [
            Question::Exec { program: "sh", arguments: &[], directory: ".", variables: &[] },
            get("example.com", "GET"),
            Question::TcpProbe { host: "localhost", port: 22 },
            Question::Database { name: "shop", access: Access::Read },
            Question::SecretDatabase { name: "shop" },
            Question::Directory { path: "data", access: Access::Read },
            Question::File { tree: "data", path: "a", access: Access::Read },
            Question::Environment { name: "BUILD" },
            Question::SecretVariable { name: "TOKEN", variable: "TOKEN", program: "sh" },
            Question::Record,
            Question::State,
            Question::SecretHeader { name: "TOKEN", origin: "https://slack.com" },
            Question::SecretUrl { name: "TOKEN", method: "POST" },
            Question::SecretPlaceholder { name: "TOKEN" },
        ] {
            assert!(gate.ask(&question).is_err(), "{question}");
        }
        assert_eq!(gate.usages().iter().filter(|usage| !usage.allowed).count(), 14);
    }

    #[test]
    fn thousands_of_different_questions_take_up_little_room() {
        let cut = |text: &str| text.chars().take(ASKED).collect();
        let mut gate = Gate::new(&[], Phase::Apply).in_words(cut);
        let long = "x".repeat(10_000);
        for number in 0..2_000_u16 {
            let name = format!("{number}{long}");
            assert!(gate.ask(&Question::Database { name: &name, access: Access::Read }).is_err());
        }
        gate.deny("other");
        assert_eq!(gate.usages().len(), USAGES + 1);
        assert_eq!(gate.usages().iter().map(|usage| usage.times).sum::<u64>(), 2_001);
        assert!(gate.usages().iter().all(|usage| usage.asked.len() < ASKED + 20));
    }

    #[test]
    fn a_denial_says_what_would_have_been_allowed() {
        let mut gate = Gate::new(&[http(&["GET"], [Phase::Apply].into())], Phase::Apply);
        assert!(gate.ask(&get("API.example.com", "GET")).is_ok());
        let denial = gate.ask(&get("staging.example.com", "GET")).expect_err("another host");
        assert_eq!(denial.asked, "GET `https://staging.example.com/x`");
        assert_eq!(denial.because, "`deploy.lock` accepts only: GET `https://api.example.com/…`");
    }

    #[test]
    fn planning_narrows_to_looking() {
        let all: Phases = [Phase::Plan, Phase::Apply].into();
        let mut plan = Gate::new(&[http(&["GET", "POST"], all)], Phase::Plan);
        assert!(plan.ask(&get("api.example.com", "GET")).is_ok());
        let denial = plan.ask(&get("api.example.com", "POST")).expect_err("a change while planning");
        assert_eq!(denial.because, "`deploy.lock` accepts it, but not during `plan`");
        assert_eq!(plan.narrow(Access::Write), Access::Read);
    }

    #[test]
    fn a_capability_is_good_for_its_phases_only() {
        let environment = Capability::Environment(Environment { name: "BUILD".into(), phases: [Phase::Apply].into() });
        assert_eq!(Gate::new(std::slice::from_ref(&environment), Phase::Apply).variables(), ["BUILD"]);
        assert!(Gate::new(&[environment], Phase::Revert).variables().is_empty());
    }

    #[test]
    fn a_secret_goes_to_its_origin_only() {
        let secret = Capability::Secret(Secret {
            name: "TOKEN".into(),
            usage: SecretUse::Header { origin: "https://slack.com".into() },
            phases: [Phase::Apply].into(),
        });
        let mut gate = Gate::new(&[secret], Phase::Apply);
        assert!(gate.ask(&Question::SecretHeader { name: "TOKEN", origin: "https://slack.com" }).is_ok());
        assert!(gate.ask(&Question::SecretHeader { name: "TOKEN", origin: "https://evil.example" }).is_err());
        assert!(gate.ask(&Question::SecretUrl { name: "TOKEN", method: "POST" }).is_err());
    }
}
