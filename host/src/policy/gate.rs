//! The one gate: a question, an answer, a record of both.

use super::matching::{allows, same_kind};
use super::replaced::changed_by_others;
use super::{Access, Capability, Directory, Exec, Phase, Phases, Question, Secret, SecretUse};
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
    /// Of what was denied: the line of `deploy.lock` that would let exactly this through, where one can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<Box<Capability>>,
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

    /// What other programs that have less may change in any phase.
    pub fn changed_by_others(&self, program: &Exec) -> impl Iterator<Item = &str> {
        changed_by_others(program, &self.capabilities).map(|(_, tree)| tree)
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
        let line = if answer.is_none() { self.line(question) } else { None };
        self.remember(&asked, answer.is_some(), line);
        answer.ok_or_else(|| Denial { asked, because: self.reason(question) })
    }

    /// Remember a denial that is decided elsewhere, such as an address of a class that was not accepted.
    pub fn deny(&mut self, asked: &str) {
        let asked = self.words.0(asked);
        self.remember(&asked, false, None);
    }

    /// Remember that what a capability lets through was refused after all, because of the address that it leads to: it was not
    /// used. With what a line has to say of addresses, where one can let it through.
    pub fn refuse_address(&mut self, asked: &str, granted: &Capability, word: Option<String>) {
        let asked = self.words.0(asked);
        if let Some(place) = self.usages.iter().position(|usage| usage.allowed && usage.asked == asked) {
            match &mut self.usages[place].times {
                0 | 1 => drop(self.usages.remove(place)),
                times => *times -= 1,
            }
        }
        let line = word.and_then(|word| granted.with_address(word, self.phase));
        self.remember(&asked, false, line);
    }

    /// Remember what was refused elsewhere, where what is asked here would not have been enough to know.
    pub fn refuse(&mut self, question: &Question<'_>) {
        let asked = self.words.0(&question.to_string());
        let line = self.line(question);
        self.remember(&asked, false, line);
    }

    /// The line of `deploy.lock` that would let this through; none where no line can, it is granted already, or it has something
    /// in it that is told in other words.
    fn line(&self, question: &Question<'_>) -> Option<Capability> {
        let line = question.line(self.phase)?;
        let any = Phases::new();
        let is_granted = |granted: &Capability| granted.in_phases(&any) == line.in_phases(&any);
        let is_told = serde_json::to_string(&line).is_ok_and(|text| self.words.0(&text) == text);
        (is_told && line.check().is_ok() && !self.granted().any(is_granted)).then_some(line)
    }

    /// A plugin that asks for a million different things is remembered for the first of them, and for the number.
    fn remember(&mut self, asked: &str, allowed: bool, line: Option<Capability>) {
        let same = |usage: &Usage| usage.allowed == allowed && usage.asked == asked;
        let place = self.usages.iter().position(same).or_else(|| {
            let asked = if self.usages.len() < USAGES { asked } else { "other things" };
            let line = line.filter(|_| self.usages.len() < USAGES);
            let known = self.usages.iter().position(|usage| usage.allowed == allowed && usage.asked == asked);
            known.or_else(|| {
                self.usages.push(Usage { asked: asked.to_owned(), allowed, times: 0, line: line.map(Box::new) });
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

#[cfg(test)]
mod tests {
    use super::super::{Environment, Http, Phases};
    use super::*;

    #[test]
    fn what_an_address_kept_back_was_not_used() {
        let capability = Capability::Http(Http {
            scheme: "https".into(),
            host: "a.example".into(),
            port: 443,
            methods: vec!["GET".into()],
            path: "/".into(),
            addresses: vec![],
            phases: [Phase::Plan, Phase::Apply].into(),
        });
        let question = Question::Http { scheme: "https", host: "a.example", port: 443, method: "GET", path: "/" };
        let mut gate = Gate::new(std::slice::from_ref(&capability), Phase::Apply);
        for _ in 0..2 {
            let _ = gate.ask(&question).expect("granted");
        }
        let asked = question.to_string();
        gate.refuse_address(&asked, &capability, Some("10.0.0.1".into()));
        let times = |gate: &Gate, allowed| gate.usages().iter().find(|it| it.allowed == allowed).map(|it| it.times);
        assert_eq!((times(&gate, true), times(&gate, false)), (Some(1), Some(1)));
        gate.refuse_address(&asked, &capability, None);
        assert_eq!((times(&gate, true), times(&gate, false)), (None, Some(2)));
        let Some(Capability::Http(line)) = gate.usages()[0].line.as_deref() else { panic!("a line") };
        assert_eq!(
            (&line.addresses[..], &line.phases),
            (&["public".into(), "10.0.0.1".into()][..], &[Phase::Apply].into())
        );
    }

    /// The lines in `docs/reference/capabilities.md` let through what the page says, and nothing that it says they do not.
    #[test]
    fn the_examples_in_the_documentation_hold() {
        let page = include_str!("../../../docs/reference/capabilities.md");
        let block =
            page.split("```toml deploy.lock\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a lock");
        let lock = crate::lock::Lock::parse(block).expect("a lock that can be read");
        let lines = lock.environments["production"]["example"].capabilities.clone();
        assert_eq!(lines.len(), 10);
        for line in &lines {
            assert!(line.check().is_ok(), "{line}");
        }
        let tags = [words(&["--tag", "1.2"]), words(&["--tag", "1.2", "--fast"]), words(&["--fast"])];
        let exec = |program, arguments, directory| Question::Exec { program, arguments, directory, variables: &[] };
        let http = |scheme, host, port, method, path| Question::Http { scheme, host, port, method, path };
        let api = |method, path| http("https", "api.example.com", 443, method, path);
        let (apply, plan, both) =
            ([Phase::Apply].as_slice(), [Phase::Plan].as_slice(), [Phase::Plan, Phase::Apply].as_slice());
        for (question, phases, expected) in [
            (exec("./bin/release", &tags[0], "app"), apply, true),
            (exec("./bin/release", &tags[1], "app"), apply, true),
            (exec("./bin/release", &tags[0], "."), apply, false),
            (exec("./bin/release", &tags[2], "app"), apply, false),
            (exec("release", &tags[0], "app"), apply, false),
            (exec("./bin/release", &tags[0], "app"), plan, false),
            (api("GET", "/v1/items"), both, true),
            (api("POST", "/v1/items"), apply, true),
            (api("POST", "/v1/items"), plan, false),
            (api("GET", "/v2/items"), both, false),
            (api("GET", "/v1/../admin"), both, false),
            (api("GET", "/v1"), both, false),
            (api("DELETE", "/v1/items"), apply, false),
            (http("https", "api.example.com", 8443, "GET", "/v1/items"), apply, false),
            (http("http", "api.example.com", 443, "GET", "/v1/items"), apply, false),
            (http("https", "www.api.example.com", 443, "GET", "/v1/items"), apply, false),
            (Question::TcpProbe { host: "db.internal", port: 5432 }, apply, true),
            (Question::TcpProbe { host: "db.internal", port: 22 }, apply, false),
            (Question::Directory { path: "dist", access: Access::Write }, apply, true),
            (Question::Directory { path: "dist", access: Access::Read }, plan, true),
            (Question::Directory { path: "dist", access: Access::Write }, plan, false),
            (Question::Directory { path: "src", access: Access::Read }, both, false),
            (Question::Environment { name: "BUILD_NUMBER" }, apply, true),
            (Question::Environment { name: "HOME" }, apply, false),
            (Question::Database { name: "DATABASE_URL", access: Access::Write }, apply, true),
            (Question::Database { name: "DATABASE_URL", access: Access::Read }, plan, true),
            (Question::Database { name: "DATABASE_URL", access: Access::Write }, plan, false),
            (Question::Database { name: "OTHER", access: Access::Read }, apply, false),
            (Question::SecretDatabase { name: "DATABASE_URL" }, both, true),
            (Question::SecretHeader { name: "API_TOKEN", origin: "https://api.example.com" }, apply, true),
            (Question::SecretHeader { name: "API_TOKEN", origin: "https://api.example.com:8443" }, apply, false),
            (Question::SecretUrl { name: "WEBHOOK", method: "POST" }, apply, true),
            (Question::SecretUrl { name: "WEBHOOK", method: "GET" }, apply, false),
            (Question::SecretVariable { name: "DEPLOY_KEY", variable: "KEY", program: "./bin/release" }, apply, true),
            (Question::SecretVariable { name: "DEPLOY_KEY", variable: "KEY", program: "node" }, apply, false),
        ] {
            for phase in phases {
                let answer = Gate::new(&lines, *phase).ask(&question);
                assert_eq!(answer.is_ok(), expected, "{question} in {}", phase.word());
            }
        }
    }

    #[test]
    fn the_line_that_would_have_let_it_through_does_and_no_line_is_offered_for_what_none_can() {
        let granted = [http(&["GET"], [Phase::Apply].into())];
        let list = words(&["--tag", "1.2"]);
        let pattern = words(&["*"]);
        for (question, offered) in [
            (Question::Exec { program: "make", arguments: &list, directory: ".", variables: &[] }, true),
            (Question::Exec { program: "make", arguments: &pattern, directory: ".", variables: &[] }, false),
            (get("api.example.com", "POST"), true),
            (Question::TcpProbe { host: "db", port: 5432 }, true),
            (Question::Database { name: "shop", access: Access::Read }, true),
            (Question::SecretDatabase { name: "SHOP" }, true),
            (Question::SecretHeader { name: "TOKEN", origin: "https://api.example.com" }, true),
            (Question::SecretUrl { name: "HOOK", method: "POST" }, true),
            (Question::Record, false),
            (Question::State, false),
        ] {
            let mut gate = Gate::new(&granted, Phase::Apply);
            assert!(gate.ask(&question).is_err(), "{question}");
            let line = gate.usages()[0].line.clone();
            assert_eq!(line.is_some(), offered, "{question}");
            if let Some(line) = line {
                assert!(Gate::new(&[*line], Phase::Apply).ask(&question).is_ok(), "{question}");
            }
        }
        // While planning nothing may change, whatever stands in the lock.
        let mut plan = Gate::new(&granted, Phase::Plan);
        assert!(plan.ask(&get("api.example.com", "POST")).is_err());
        plan.refuse(&Question::File { tree: "data", path: "a", access: Access::Write });
        assert!(plan.usages().iter().all(|usage| usage.line.is_none()));
        // What is told in other words may hold a secret.
        let mut gate = Gate::new(&[], Phase::Apply).in_words(|text| text.replace("hunter2", "***"));
        assert!(gate.ask(&Question::TcpProbe { host: "hunter2", port: 1 }).is_err());
        assert_eq!((gate.usages()[0].asked.as_str(), &gate.usages()[0].line), ("probe `***:1`", &None));
    }

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|&word| word.into()).collect()
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
