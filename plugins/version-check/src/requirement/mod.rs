//! What a version file asks for, in the dialect of its ecosystem. A wrong dialect is a wrong answer: npm's `~1.2`, PEP
//! 440's `~=1.2` and Poetry's `~1.2` are three different things, and a bare `1.2` is a fourth, a fifth and a sixth.

pub(crate) mod go;
pub(crate) mod node;
mod npm;
pub(crate) mod python;
pub(crate) mod rust;

use crate::tool::{Installed, Tool};

/// A requirement that was understood.
#[derive(Debug, Clone)]
pub(crate) enum Requirement {
    /// Exactly this version, or any that begins with these numbers.
    Pin(Pin),
    /// A channel of rustup.
    Channel(rust::Channel),
    /// The least Rust that works, as Cargo compares.
    RustMinimum(Pin),
    /// A line of long-term support of Node; none means any.
    LongTermSupport(Option<String>),
    /// npm's ranges.
    Npm(npm::Range),
    /// PEP 440's specifiers; several are alternatives.
    Python(Vec<pep440_rs::VersionSpecifiers>),
    /// The least Go that works, as Go compares.
    GoMinimum(go::Version),
    /// One of these.
    Any(Vec<Self>),
    /// Names no version that can be told from what is there. Says why.
    Unchecked(&'static str),
}

/// Whether a version is what was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It is.
    Yes,
    /// It is not.
    No,
    /// Nobody can tell from the version. Says why.
    Unchecked(&'static str),
}

impl From<bool> for Answer {
    fn from(yes: bool) -> Self {
        if yes { Self::Yes } else { Self::No }
    }
}

impl Requirement {
    /// Read what a version manager's file says about a tool: `1.2`, `1.2.3`, `latest`, `lts`, `system`, …
    ///
    /// # Errors
    /// Says what is wrong, for a cause.
    pub(crate) fn managed(tool: Tool, text: &str) -> Result<Self, String> {
        let text = text.strip_prefix("prefix:").unwrap_or(text);
        if text.strip_prefix("latest:").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit())) {
            return Self::managed(tool, &text["latest:".len()..]);
        }
        match (tool, text) {
            (_, "system") => Ok(Self::Unchecked("it takes what is there")),
            (_, "latest") => Ok(Self::Unchecked("it names no version")),
            (_, text)
                if ["ref:", "path:", "branch:", "tag:", "rev:", "sub-"].iter().any(|start| text.starts_with(start)) =>
            {
                Ok(Self::Unchecked("it names no version"))
            }
            (Tool::Rust, text) => rust::channel(text),
            (Tool::Node, text) => node::version_file(text),
            (Tool::Python, text) => python::version_file(text),
            (_, text) => Pin::parse(text).map(Self::Pin),
        }
    }

    /// Whether it needs Node's long-term support line.
    pub(crate) fn asks_for_line(&self) -> bool {
        match self {
            Self::LongTermSupport(_) => true,
            Self::Any(all) => all.iter().any(Self::asks_for_line),
            _ => false,
        }
    }

    /// Whether this version is what is asked for.
    pub(crate) fn allows(&self, installed: &Installed) -> Answer {
        match self {
            Self::Pin(pin) => pin.allows(&installed.version).into(),
            Self::Channel(channel) => channel.allows(installed),
            Self::RustMinimum(minimum) => rust::at_least(minimum, &installed.version).into(),
            Self::LongTermSupport(line) => match (&installed.line, line) {
                (Some(there), Some(line)) => there.eq_ignore_ascii_case(line).into(),
                (there, _) => there.is_some().into(),
            },
            Self::Npm(range) => node::in_range(range, &installed.version).into(),
            Self::Python(all) => all.iter().any(|specifiers| python::within(specifiers, &installed.version)).into(),
            Self::GoMinimum(minimum) => {
                go::Version::parse(&installed.version).is_some_and(|version| version >= *minimum).into()
            }
            Self::Any(all) => {
                let answers: Vec<_> = all.iter().map(|one| one.allows(installed)).collect();
                let unchecked = answers.iter().find(|answer| matches!(answer, Answer::Unchecked(_)));
                if answers.contains(&Answer::Yes) { Answer::Yes } else { unchecked.copied().unwrap_or(Answer::No) }
            }
            Self::Unchecked(why) => Answer::Unchecked(why),
        }
    }
}

/// A version, or its first numbers: `22`, `22.3`, `22.3.0`, `3.14.0rc1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pin {
    /// The numbers, in order.
    pub numbers: Vec<u64>,
    /// What follows them, without the punctuation in front: `rc1`, `beta.2`, `nightly`. Empty for a release.
    pub rest: String,
}

impl Pin {
    /// Read it. A leading `v` and build metadata (`+…`) do not count.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not a version");
        let bare = text.strip_prefix(['v', 'V', '=']).unwrap_or(text).split('+').next().unwrap_or_default();
        let end = bare.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(bare.len());
        let (numbers, rest) = bare.split_at(end);
        // `1.2.x` and `1.2.*` are the same as `1.2`.
        let wild = matches!(rest, "x" | "X" | "*") && (numbers.ends_with('.') || numbers.is_empty());
        let numbers = if wild { numbers.strip_suffix('.').unwrap_or(numbers) } else { numbers };
        let rest = if wild { "" } else { rest };
        let (numbers, rest) = match numbers.strip_suffix('.') {
            Some(numbers) if !rest.is_empty() => (numbers, rest),
            _ => (numbers, rest.strip_prefix(['-', '_']).unwrap_or(rest)),
        };
        if rest.contains(|c: char| !c.is_ascii_alphanumeric() && !".-_".contains(c)) {
            return Err(wrong());
        }
        if numbers.is_empty() {
            return if wild { Ok(Self { numbers: vec![], rest: String::new() }) } else { Err(wrong()) };
        }
        let numbers = numbers.split('.').map(str::parse).collect::<Result<Vec<_>, _>>().map_err(|_| wrong())?;
        Ok(Self { numbers, rest: rest.to_ascii_lowercase() })
    }

    /// Whether a version begins with these numbers. A pre-release is only what a pin says that names it wholly.
    pub(crate) fn allows(&self, version: &str) -> bool {
        let Ok(version) = Self::parse(version) else { return false };
        let there = version.numbers.iter().chain(std::iter::repeat(&0));
        let begins = self.numbers.iter().zip(there).all(|(asked, there)| asked == there);
        let whole = self.numbers.len() >= version.numbers.len();
        begins && self.rest == version.rest && (self.rest.is_empty() || whole)
    }
}

#[cfg(test)]
pub(crate) mod table {
    use super::{Answer, Requirement};
    use crate::tool::Installed;

    /// Hold a dialect against a table of (requirement, versions that fit, versions that do not).
    pub(crate) fn holds(read: impl Fn(&str) -> Result<Requirement, String>, rows: &[(&str, &[&str], &[&str])]) {
        for (text, fit, do_not) in rows {
            let requirement = read(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            for version in *fit {
                assert_eq!(requirement.allows(&Installed::of(*version)), Answer::Yes, "{version} in {text}");
            }
            for version in *do_not {
                assert_eq!(requirement.allows(&Installed::of(*version)), Answer::No, "{version} not in {text}");
            }
        }
    }

    /// These are refused, with words that quote them.
    pub(crate) fn refused(read: impl Fn(&str) -> Result<Requirement, String>, texts: &[&str]) {
        for text in texts {
            match read(text) {
                Ok(requirement) => panic!("`{text}` was read as {requirement:?}"),
                Err(error) => assert!(error.contains(text.trim()), "{text}: {error}"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::table::{holds, refused};
    use super::*;

    #[test]
    fn pins_are_whole_or_the_first_numbers() {
        holds(
            |text| Pin::parse(text).map(Requirement::Pin),
            &[
                ("22", &["22.0.0", "22.3.1"], &["21.9.9", "220.0.0", "2.2.0", "22.0.0-nightly"]),
                ("v22.3", &["22.3.0", "22.3.9"], &["22.30.0", "22.4.0"]),
                ("22.3.1", &["22.3.1"], &["22.3.0", "22.3.10", "22.3.1-rc.1"]),
                ("1.20.0", &["1.20", "1.20.0"], &["1.20.1"]),
                ("3.14.0rc1", &["3.14.0rc1"], &["3.14.0", "3.14.0rc2", "3.14.0rc11"]),
                ("9.1.0+sha512.abc", &["9.1.0"], &["9.1.1"]),
                ("1.2.x", &["1.2.0", "1.2.7"], &["1.3.0"]),
                ("*", &["1.2.0"], &[]),
            ],
        );
        refused(
            |text| Pin::parse(text).map(Requirement::Pin),
            &["latest", "1..2", ".1", "1.2 beta", "99999999999999999999", "-"],
        );
    }

    #[test]
    fn version_managers_have_words_of_their_own() {
        let unchecked = |tool, text| matches!(Requirement::managed(tool, text), Ok(Requirement::Unchecked(_)));
        for text in ["latest", "system", "ref:abc", "path:/opt/x", "sub-1:latest"] {
            assert!(
                unchecked(Tool::Go, text) && unchecked(Tool::Node, text) && unchecked(Tool::Python, text),
                "{text}"
            );
        }
        holds(
            |text| Requirement::managed(Tool::Go, text),
            &[("prefix:1.20", &["1.20.3"], &["1.21.0"]), ("latest:1.20", &["1.20.3"], &["1.2.0"])],
        );
        refused(|text| Requirement::managed(Tool::Go, text), &["newest", ">=1.2"]);
    }

    #[test]
    fn one_of_several_is_enough() {
        let any = Requirement::Any(vec![
            Requirement::managed(Tool::Python, "3.12.1").expect("valid"),
            Requirement::managed(Tool::Python, "3.11").expect("valid"),
        ]);
        assert_eq!(any.allows(&Installed::of("3.11.7")), Answer::Yes);
        assert_eq!(any.allows(&Installed::of("3.12.2")), Answer::No);
        let with_system = Requirement::Any(vec![any, Requirement::managed(Tool::Python, "system").expect("valid")]);
        assert_eq!(with_system.allows(&Installed::of("3.11.7")), Answer::Yes);
        assert!(matches!(with_system.allows(&Installed::of("3.9.0")), Answer::Unchecked(_)));
    }
}
