//! What no lock may accept, whatever a plugin asks for.

use super::capability::{Access, Capability, Database, Directory, EVERYTHING, SecretUse};
use super::visible;
use crate::problem::{Code, Problem};

impl Capability {
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
    use crate::policy::{Exec, Http, Phase, Ports, TcpProbe};

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
}
