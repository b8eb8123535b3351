//! The kinds of capability, as `deploy.lock` writes them.

use super::visible;
use crate::problem::{Code, Problem};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// When a capability may be used. Probing a cut-off step counts as planning: it looks and does not touch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// While the plan is made. Nothing may change.
    Plan,
    /// While the step does its work.
    Apply,
    /// While its work is taken back.
    Revert,
}

impl Phase {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Apply => "apply",
            Self::Revert => "revert",
        }
    }
}

/// A set of phases.
pub type Phases = BTreeSet<Phase>;

/// Whether a thing may be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// Look only.
    Read,
    /// Look and change. Narrowed to [`Access::Read`] while planning.
    Write,
}

/// TCP ports: `"any"`, or a list of them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Ports {
    /// These, and none where there are none.
    These(Vec<u16>),
    /// Every port.
    Any(AnyPort),
}

/// The word for every port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AnyPort {
    /// `any`.
    Any,
}

impl Ports {
    /// Every port.
    pub const ANY: Self = Self::Any(AnyPort::Any);

    /// Whether there is none.
    #[must_use]
    pub fn is_none(&self) -> bool {
        matches!(self, Self::These(ports) if ports.is_empty())
    }
}

impl Default for Ports {
    fn default() -> Self {
        Self::These(vec![])
    }
}

/// Run one program.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Exec {
    /// A name for the search path, or a path relative to the project (with a slash).
    pub program: String,
    /// A pattern per argument: a literal, `*` for any one, a last `**` for any number more.
    #[serde(default)]
    pub arguments: Vec<String>,
    /// Relative to the project.
    #[serde(default = "project", skip_serializing_if = "is_project")]
    pub directory: String,
    /// Variables passed on or set.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variables: Vec<String>,
    /// Toolchains whose homes and caches are passed on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub toolchains: Vec<String>,
    /// Whether what it leaves running may stay.
    #[serde(default, skip_serializing_if = "is_false")]
    pub background: bool,
    /// Trees that the program may change besides those that the step may: relative to the project, or absolute.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub writes: Vec<String>,
    /// The TCP ports that it may connect to.
    #[serde(default, skip_serializing_if = "Ports::is_none")]
    pub connects: Ports,
    /// When.
    pub phases: Phases,
}

/// Send HTTP requests to one host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Http {
    /// `https` or `http`.
    pub scheme: String,
    /// The exact name or address.
    pub host: String,
    /// The port.
    pub port: u16,
    /// In upper case.
    pub methods: Vec<String>,
    /// Exactly this path, or a prefix where it ends in `/`.
    pub path: String,
    /// `public`, `private`, `loopback` or a CIDR; none means `public`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<String>,
    /// When.
    pub phases: Phases,
}

/// Learn whether a port accepts connections.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct TcpProbe {
    /// The exact name or address.
    pub host: String,
    /// The port.
    pub port: u16,
    /// As in [`Http`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<String>,
    /// When.
    pub phases: Phases,
}

/// See one directory tree.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Directory {
    /// Relative to the project.
    pub path: String,
    /// Whether it may be changed.
    pub access: Access,
    /// When.
    pub phases: Phases,
}

/// Read one environment variable.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Environment {
    /// Its name.
    pub name: String,
    /// When.
    pub phases: Phases,
}

/// Use one database.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Database {
    /// The connection's name; without `url` also the name of the secret that holds the URL.
    pub name: String,
    /// A URL without a password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Whether it may be changed.
    pub access: Access,
    /// When.
    pub phases: Phases,
}

/// The one thing a secret is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "as", rename_all = "kebab-case", deny_unknown_fields)]
pub enum SecretUse {
    /// In a header of a request to this origin.
    Header {
        /// For example `https://slack.com`.
        origin: String,
    },
    /// As the URL of a request.
    Url {
        /// In upper case.
        methods: Vec<String>,
        /// As in [`Http`].
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        addresses: Vec<String>,
    },
    /// As the URL of the database connection of the same name.
    Database,
    /// As a variable of a child process.
    ChildVariable {
        /// The variable's name.
        variable: String,
        /// The one program that gets it, as [`Exec::program`] names it; none for each that is granted.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        program: Option<String>,
    },
}

/// Use one secret for one thing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Secret {
    /// Its name.
    pub name: String,
    /// What for.
    pub usage: SecretUse,
    /// When.
    pub phases: Phases,
}

/// One thing that a plugin asks for, and when.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Capability {
    /// Run one program.
    Exec(Exec),
    /// Send HTTP requests to one host.
    Http(Http),
    /// Learn whether a port accepts connections.
    TcpProbe(TcpProbe),
    /// See one directory tree.
    Directory(Directory),
    /// Read one environment variable.
    Environment(Environment),
    /// Use one database.
    Database(Database),
    /// Use one secret for one thing.
    Secret(Secret),
}

fn project() -> String {
    ".".into()
}

pub(super) fn is_project(directory: &str) -> bool {
    directory == "."
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_false(flag: &bool) -> bool {
    !*flag
}

impl Exec {
    /// Whether nothing holds the program back: it may change every file that its user may, and connect anywhere.
    #[must_use]
    pub fn is_unconfined(&self) -> bool {
        self.connects == Ports::ANY && self.writes.iter().any(|tree| tree == EVERYTHING)
    }
}

/// The tree that every other one is in.
pub const EVERYTHING: &str = "/";

impl Capability {
    /// When it may be used.
    #[must_use]
    pub fn phases(&self) -> &Phases {
        match self {
            Self::Exec(Exec { phases, .. })
            | Self::Http(Http { phases, .. })
            | Self::TcpProbe(TcpProbe { phases, .. })
            | Self::Directory(Directory { phases, .. })
            | Self::Environment(Environment { phases, .. })
            | Self::Database(Database { phases, .. })
            | Self::Secret(Secret { phases, .. }) => phases,
        }
    }

    /// The same, good for these phases.
    #[must_use]
    pub fn in_phases(&self, phases: &Phases) -> Self {
        let mut same = self.clone();
        match &mut same {
            Self::Exec(Exec { phases: old, .. })
            | Self::Http(Http { phases: old, .. })
            | Self::TcpProbe(TcpProbe { phases: old, .. })
            | Self::Directory(Directory { phases: old, .. })
            | Self::Environment(Environment { phases: old, .. })
            | Self::Database(Database { phases: old, .. })
            | Self::Secret(Secret { phases: old, .. }) => old.clone_from(phases),
        }
        same
    }

    /// The texts that a run-time hole must not stand in, with what each is called.
    fn closed_texts(&self) -> Vec<(&'static str, &str)> {
        match self {
            Self::Exec(exec) => {
                let mut texts = vec![("program", exec.program.as_str()), ("directory", exec.directory.as_str())];
                texts.extend(exec.variables.iter().map(|name| ("variable's name", name.as_str())));
                texts.extend(exec.toolchains.iter().map(|name| ("toolchain", name.as_str())));
                texts.extend(exec.writes.iter().map(|tree| ("directory", tree.as_str())));
                texts
            }
            Self::Http(http) => {
                let mut texts = vec![("scheme", http.scheme.as_str()), ("host", http.host.as_str())];
                texts.extend(http.methods.iter().map(|method| ("method", method.as_str())));
                texts.extend(http.addresses.iter().map(|word| ("class of addresses", word.as_str())));
                texts
            }
            Self::TcpProbe(probe) => {
                let mut texts = vec![("host", probe.host.as_str())];
                texts.extend(probe.addresses.iter().map(|word| ("class of addresses", word.as_str())));
                texts
            }
            Self::Directory(directory) => vec![("directory", &directory.path)],
            Self::Environment(environment) => vec![("variable's name", &environment.name)],
            Self::Database(database) => {
                let mut texts = vec![("database", database.name.as_str())];
                texts.extend(database.url.iter().map(|url| ("database", url.as_str())));
                texts
            }
            Self::Secret(secret) => {
                let mut texts = vec![("secret's name", secret.name.as_str())];
                match &secret.usage {
                    SecretUse::Header { origin } => texts.push(("host", origin)),
                    SecretUse::ChildVariable { variable, program } => {
                        texts.push(("variable's name", variable));
                        texts.extend(program.iter().map(|program| ("program", program.as_str())));
                    }
                    SecretUse::Url { methods, addresses } => {
                        texts.extend(methods.iter().map(|method| ("method", method.as_str())));
                        texts.extend(addresses.iter().map(|word| ("class of addresses", word.as_str())));
                    }
                    SecretUse::Database => {}
                }
                texts
            }
        }
    }

    /// Refuses what no lock may accept: a hole where the thing itself would change, a path out of the project, a phase
    /// set that is empty, names that cannot be such.
    ///
    /// # Errors
    /// [`Code::StepConfigInvalid`], to be completed with the step by the caller.
    pub fn check(&self) -> Result<(), Problem> {
        let invalid = |what: String| Problem::new(Code::StepConfigInvalid, what).with_note("nothing was run");
        for (what, text) in self.closed_texts() {
            if text.contains("${") {
                return Err(invalid(format!("a {what} cannot be known only at run time, as `{text}` would be")).with_hint(
                    "holes may fill an argument, a header, a path or a query; use `${vars.NAME}` for what differs by environment",
                ));
            }
            if text.is_empty() || text.contains('\0') {
                return Err(invalid(format!("a {what} cannot be `{}`", visible(text))));
            }
        }
        if self.phases().is_empty() {
            return Err(invalid(format!("`{self}` names no phase that it is good for")));
        }
        let path = match self {
            Self::Directory(directory) => Some(&directory.path),
            Self::Exec(exec) => Some(&exec.directory),
            _ => None,
        };
        if let Some(path) = path.filter(|path| leaves_project(path)) {
            return Err(invalid(format!("the directory `{path}` is outside the project"))
                .with_hint("name a directory below the one that holds `deploy.toml`"));
        }
        if let Self::Directory(Directory { path, access: Access::Write, .. }) = self
            && holds_journal(path)
        {
            return Err(invalid(format!("the directory `{path}` cannot be changed by a plugin"))
                .because("`.windlass`, where the journals of all runs are, is in it or around it")
                .with_hint("name the directories that are to be changed"));
        }
        if let Self::Exec(exec) = self
            && exec.program.contains('/')
            && leaves_project(&exec.program)
        {
            return Err(invalid(format!("the program `{}` is outside the project", exec.program))
                .with_hint("give the program's name alone to look it up on the search path"));
        }
        if let Self::Exec(exec) = self {
            for tree in &exec.writes {
                if is_absolute(tree) && tree != EVERYTHING && !is_plain(tree) {
                    return Err(invalid(format!("a program cannot be granted `{tree}` to change"))
                        .because("an absolute path with `.`, `..` or an empty part in it does not say where it leads")
                        .with_hint("write it without them and without a slash at its end; `/` alone is everything"));
                }
                if !is_absolute(tree) && leaves_project(tree) {
                    return Err(invalid(format!("a program cannot be granted `{tree}` to change"))
                        .because("it leads out of the project, and is no absolute path")
                        .with_hint("write it as an absolute path, so that a reviewer sees where it is"));
                }
                if !is_absolute(tree) && parts(tree).first().is_some_and(|part| is_journals(part)) {
                    return Err(invalid(format!("a program cannot be granted `{tree}` to change"))
                        .because("the journals of all runs are in `.windlass`")
                        .with_hint("name the trees that are to be changed"));
                }
            }
        }
        if let Self::Database(Database { url: Some(url), .. }) = self
            && url::Url::parse(url)
                .is_ok_and(|url| url.password().is_some() || url.query_pairs().any(|(name, _)| name == "password"))
        {
            return Err(Problem::new(
                Code::StepConfigInvalid,
                "a database URL with a password stands in the configuration",
            )
            .with_note("nothing was run")
            .with_hint("put the whole URL into a secret and refer to it with `{ secret = \"NAME\" }`"));
        }
        Ok(())
    }
}

/// Where the journals are, in the project.
pub(crate) const JOURNALS: &str = ".windlass";

/// Whether the tree of the journals is in this tree or around it, judged by its text.
fn holds_journal(path: &str) -> bool {
    parts(path).first().is_none_or(|first| is_journals(first))
}

fn is_journals(part: &str) -> bool {
    part.eq_ignore_ascii_case(JOURNALS)
}

/// The names that a path is made of, without those that lead nowhere.
pub(super) fn parts(path: &str) -> Vec<&str> {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split(['/', '\\']) {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts
}

fn is_absolute(path: &str) -> bool {
    path.starts_with(['/', '\\']) || path.as_bytes().get(1) == Some(&b':')
}

/// Whether an absolute path is made of names only.
fn is_plain(path: &str) -> bool {
    let names = path.strip_prefix(['/', '\\']).unwrap_or(path);
    !names.split(['/', '\\']).any(|part| matches!(part, "" | "." | ".."))
}

/// Whether a relative path leads out of where it starts, judged by its text. Links are judged when it is opened.
fn leaves_project(path: &str) -> bool {
    let mut depth = 0_i32;
    let climbs = path.split(['/', '\\']).any(|part| {
        depth += match part {
            "" | "." => 0,
            ".." => -1,
            _ => 1,
        };
        depth < 0
    });
    is_absolute(path) || climbs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exec(program: &str, arguments: &[&str]) -> Capability {
        Capability::Exec(Exec {
            program: program.into(),
            arguments: arguments.iter().map(|&argument| argument.into()).collect(),
            directory: ".".into(),
            variables: vec![],
            toolchains: vec![],
            background: false,
            writes: vec![],
            connects: Ports::default(),
            phases: [Phase::Apply].into(),
        })
    }

    #[test]
    fn an_absolute_tree_is_written_in_one_way() {
        for (tree, accepted) in [
            ("/", true),
            ("/opt/cache", true),
            ("C:\\cache", true),
            ("//", false),
            ("/.", false),
            ("/opt/..", false),
            ("/opt/../etc", false),
            ("/opt//cache", false),
            ("/opt/cache/", false),
            ("\\", false),
        ] {
            let Capability::Exec(exec) = exec("make", &[]) else { unreachable!("a program") };
            let checked = Capability::Exec(Exec { writes: vec![tree.into()], ..exec }).check();
            assert_eq!(checked.is_ok(), accepted, "{tree}");
        }
    }

    #[test]
    fn holes_fill_arguments_and_nothing_that_says_who_is_meant() {
        assert!(exec("./bin/release", &["${deployment.version}"]).check().is_ok());
        let problem = exec("${deployment.version}", &[]).check().expect_err("a program with a hole");
        assert!(problem.what.contains("program"), "{problem}");
        let host = Capability::TcpProbe(TcpProbe {
            host: "${env.X}".into(),
            port: 1,
            addresses: vec![],
            phases: [Phase::Apply].into(),
        });
        assert!(host.check().is_err());
        let network = Capability::Http(Http {
            scheme: "http".into(),
            host: "api.example.com".into(),
            port: 80,
            methods: vec!["GET".into()],
            path: "/${deployment.version}".into(),
            addresses: vec!["${env.X}".into()],
            phases: [Phase::Apply].into(),
        });
        let problem = network.check().expect_err("nobody has reviewed which networks");
        assert!(problem.what.contains("addresses"), "{problem}");
    }

    #[test]
    fn what_a_reviewer_reads_has_no_hidden_characters() {
        let line = exec("a", &["one\n  - nothing\u{1b}[2K", "\u{202e}txt", "plain ä"]).to_string();
        assert_eq!(line, "run `a 'one\\n  - nothing\\u{1b}[2K' '\\u{202e}txt' 'plain ä'`");
    }

    #[test]
    fn arguments_are_told_apart_on_one_line() {
        for (arguments, expected) in [
            (&["-c", "echo a >> b"][..], "run `sh -c 'echo a >> b'`"),
            (&["-c", "echo", "a >> b"], "run `sh -c echo 'a >> b'`"),
            (&["", "it's", "*", "--to=${deployment.version}"], "run `sh '' 'it'\\''s' * --to=${deployment.version}`"),
            (&["a\n  + more"], "run `sh 'a\\n  + more'`"),
        ] {
            assert_eq!(exec("sh", arguments).to_string(), expected);
        }
    }

    #[test]
    fn paths_stay_in_the_project() {
        for (path, out) in
            [(".", false), ("a/..", false), ("a/../..", true), ("/etc", true), ("..", true), ("C:/x", true)]
        {
            assert_eq!(leaves_project(path), out, "{path}");
        }
        assert!(exec("../escape", &[]).check().is_err());
        assert!(exec("./bin/release", &[]).check().is_ok());
    }

    #[test]
    fn the_journal_is_no_plugins_to_change() {
        for (path, holds) in
            [(".", true), ("a/..", true), (".windlass", true), ("a/../.windlass/runs", true), ("a", false)]
        {
            assert_eq!(holds_journal(path), holds, "{path}");
            let directory =
                |access| Capability::Directory(Directory { path: path.into(), access, phases: [Phase::Apply].into() });
            assert_eq!(directory(Access::Write).check().is_err(), holds, "{path}");
            assert!(directory(Access::Read).check().is_ok(), "{path}");
        }
    }

    #[test]
    fn passwords_do_not_belong_into_the_configuration() {
        let capability = Capability::Database(Database {
            name: "shop".into(),
            url: Some("postgres://app:hunter2@localhost/shop".into()),
            access: Access::Write,
            phases: [Phase::Apply].into(),
        });
        let problem = capability.check().expect_err("a password");
        assert!(!format!("{problem:?}").contains("hunter2"));
        let Capability::Database(database) = capability else { panic!("a database") };
        let url = Some("postgres://localhost/shop?password=hunter2".into());
        assert!(Capability::Database(Database { url, ..database }).check().is_err());
    }

    #[test]
    fn a_capability_survives_being_written_and_read() {
        let capability = exec("cargo", &["fetch", "--locked"]);
        let text = serde_json::to_string(&capability).expect("JSON");
        assert_eq!(text, r#"{"kind":"exec","program":"cargo","arguments":["fetch","--locked"],"phases":["apply"]}"#);
        assert_eq!(serde_json::from_str::<Capability>(&text).expect("a capability"), capability);
        assert!(
            serde_json::from_str::<Capability>(r#"{"kind":"exec","program":"a","phases":[],"shell":true}"#).is_err()
        );
    }
}
