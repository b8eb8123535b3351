//! Whether the tool that is there is what the files ask for, and whether the files agree.

use crate::requirement::Answer;
use crate::sources::{Ask, Role};
use crate::tool::{Installed, Tool};
use windlass_plugin::{Failure, Finding, Severity};

/// What came of asking a tool for its version.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum There {
    /// It is there.
    Yes(Installed),
    /// It is not, or not in the version that it was told to be. Says why, in the words of who knows.
    No(String),
}

/// What is said of one tool.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Judgement {
    /// Stable words for the plan, without places: `node 22.3.0 satisfies 22, >=18`.
    pub id: String,
    /// One line for a person, with places.
    pub line: String,
    /// What the files ask for that decides.
    pub asked: String,
    /// Where they do.
    pub origins: String,
    /// The version that is there.
    pub version: String,
    /// Contradictions between the files and advice not followed.
    pub findings: Vec<Finding>,
    /// Why the deployment cannot go on.
    pub failure: Option<Failure>,
}

/// A finding at an ask's place.
fn at(ask: &Ask, severity: Severity, code: &str, message: String) -> Finding {
    let (file, line) = (Some(ask.place.file.clone()), Some(ask.place.line));
    Finding { severity, code: code.into(), message, file, line }
}

/// Judge one tool. `asks` are in order of precedence; there may be none where the configuration names the tool.
pub(crate) fn judge(tool: Tool, asks: &[&Ask], there: &There) -> Judgement {
    let first_pin = asks.iter().position(|ask| ask.role == Role::Pin);
    let (binding, others): (Vec<&Ask>, Vec<&Ask>) = asks
        .iter()
        .enumerate()
        .partition::<Vec<_>, _>(|(index, ask)| ask.role == Role::Range || Some(*index) == first_pin)
        .into_asks();
    let name = tool.name();
    let mut judgement = Judgement {
        asked: join(&binding, ", ", |ask| ask.text.clone()),
        origins: join(&binding, ", ", |ask| ask.place.to_string()),
        ..Judgement::default()
    };
    judgement.findings = contradictions(tool, asks, &binding, &others, there);

    let installed = match there {
        There::Yes(installed) => installed,
        There::No(reason) => {
            let failure = match contradiction(tool, &binding) {
                Some(conflict) => conflict,
                None => missing(tool, &binding, reason),
            };
            judgement.fail(failure, &binding);
            return judgement;
        }
    };
    judgement.version.clone_from(&installed.version);
    let wrong: Vec<&Ask> =
        binding.iter().copied().filter(|ask| ask.requirement.allows(installed) == Answer::No).collect();
    if wrong.is_empty() {
        (judgement.id, judgement.line) = praise(name, &binding, installed);
    } else {
        let failure = contradiction(tool, &binding).unwrap_or_else(|| unfit(tool, &binding, &wrong, installed));
        judgement.fail(failure, &wrong);
    }
    judgement
}

impl Judgement {
    /// Note the failure, and mark the places that it comes from.
    fn fail(&mut self, failure: Failure, places: &[&Ask]) {
        let marks = places.iter().map(|ask| at(ask, Severity::Error, &failure.code, failure.message.clone()));
        self.findings.extend(marks.collect::<Vec<_>>());
        self.failure = Some(failure);
    }
}

/// The two halves of a partition without their indices.
trait IntoAsks<'a> {
    fn into_asks(self) -> (Vec<&'a Ask>, Vec<&'a Ask>);
}

impl<'a> IntoAsks<'a> for (Vec<(usize, &&'a Ask)>, Vec<(usize, &&'a Ask)>) {
    fn into_asks(self) -> (Vec<&'a Ask>, Vec<&'a Ask>) {
        let plain = |half: Vec<(usize, &&'a Ask)>| half.into_iter().map(|(_, ask)| *ask).collect();
        (plain(self.0), plain(self.1))
    }
}

fn join(asks: &[&Ask], separator: &str, text: impl Fn(&Ask) -> String) -> String {
    asks.iter().map(|ask| text(ask)).collect::<Vec<_>>().join(separator)
}

/// The plan's words and the log's for a tool that fits.
fn praise(name: &str, binding: &[&Ask], installed: &Installed) -> (String, String) {
    let version = &installed.version;
    let (unchecked, checked): (Vec<&Ask>, Vec<&Ask>) =
        binding.iter().partition(|ask| matches!(ask.requirement.allows(installed), Answer::Unchecked(_)));
    let mut line = format!("{name} {version}");
    let mut id = line.clone();
    if !checked.is_empty() {
        id += &format!(" satisfies {}", join(&checked, ", ", |ask| ask.text.clone()));
        line += &format!(" satisfies {}", join(&checked, " and ", |ask| format!("\"{}\" ({})", ask.text, ask.place)));
    } else if unchecked.is_empty() {
        line += " is there; no file asks for a version";
    } else {
        id += &format!(" for {}", join(&unchecked, ", ", |ask| ask.text.clone()));
        line += " is there";
    }
    for ask in unchecked {
        if let Answer::Unchecked(why) = ask.requirement.allows(installed) {
            line += &format!("; \"{}\" ({}) is not checked: {why}", ask.text, ask.place);
        }
    }
    (id, line)
}

/// The tool is not there.
fn missing(tool: Tool, binding: &[&Ask], reason: &str) -> Failure {
    let failure = Failure::unavailable("tool-missing", format!("`{}` is not there", tool.name())).because(reason);
    let failure = binding
        .iter()
        .fold(failure, |failure, ask| failure.because(format!("{} asks for `{}`", ask.origin(), ask.text)));
    failure.with_hint(hint(tool, binding, binding))
}

/// The tool is there in another version.
fn unfit(tool: Tool, binding: &[&Ask], wrong: &[&Ask], installed: &Installed) -> Failure {
    let (name, version) = (tool.name(), &installed.version);
    let message =
        format!("`{name} {version}` does not satisfy {}", join(wrong, " and ", |ask| format!("`{}`", ask.text)));
    let failure = wrong.iter().fold(Failure::check_failed("tool-version", message), |failure, ask| {
        failure.because(format!("{} asks for `{}`", ask.origin(), ask.text))
    });
    failure.with_hint(hint(tool, binding, wrong))
}

/// The one command or edit that gets the right version.
fn hint(tool: Tool, binding: &[&Ask], wrong: &[&Ask]) -> String {
    let file = |names: &[&str]| {
        let pin = binding.iter().find(|ask| ask.role == Role::Pin)?;
        let name = pin.place.file.rsplit('/').next().unwrap_or_default();
        names.contains(&name).then_some(())
    };
    if binding.is_empty() {
        return format!("install `{}` before this step, or take it out of `tools`", tool.name());
    }
    let example = witness(tool, binding);
    let fits = join(wrong, " and ", |ask| format!("`{}`", ask.text));
    if file(&["mise.toml", ".mise.toml", ".tool-versions"]).is_some() {
        return "run `mise install` (or `asdf install`) before this step".into();
    }
    match (tool, example) {
        (Tool::Rust, _) if let Some(pin) = binding.iter().find(|ask| ask.role == Role::Pin) => {
            format!("run `rustup toolchain install {}` before this step", pin.text)
        }
        (Tool::Rust, Some(example)) => format!("run `rustup update`, or install Rust {} or newer", example.version),
        (Tool::Node, _) if file(&[".nvmrc"]).is_some() => "run `nvm install` before this step".into(),
        (Tool::Python, Some(example)) => format!(
            "install a Python that satisfies {fits} before this step, for example with `uv python install {}`",
            example.version
        ),
        _ => format!("install a `{}` that satisfies {fits} before this step", tool.name()),
    }
}

/// The failure of files that no version can satisfy together, where they are such.
fn contradiction(tool: Tool, binding: &[&Ask]) -> Option<Failure> {
    if witness(tool, binding).is_some() {
        return None;
    }
    // The nearest reason is a pair, if one of them is to blame.
    let pair = binding.iter().enumerate().find_map(|(index, first)| {
        let second = binding[index + 1..].iter().find(|second| witness(tool, &[first, second]).is_none())?;
        Some(vec![*first, *second])
    });
    let culprits = pair.unwrap_or_else(|| binding.to_vec());
    if culprits.len() < 2 {
        return None;
    }
    let message = format!(
        "no version of `{}` satisfies {}",
        tool.name(),
        join(&culprits, " and ", |ask| format!("`{}`", ask.text))
    );
    let failure = culprits.iter().fold(Failure::misconfigured("version-conflict", message), |failure, ask| {
        failure.because(format!("{} asks for `{}`", ask.origin(), ask.text))
    });
    Some(failure.with_hint(format!("make `{}` and `{}` agree", culprits[0].place.file, culprits[1].place.file)))
}

/// What the files that do not decide say otherwise.
fn contradictions(tool: Tool, asks: &[&Ask], binding: &[&Ask], others: &[&Ask], there: &There) -> Vec<Finding> {
    let name = tool.name();
    let first = asks.iter().find(|ask| ask.role == Role::Pin);
    let mut findings = vec![];
    for ask in others {
        let unfit = |installed: &Installed| ask.requirement.allows(installed) == Answer::No;
        let against: Vec<&Ask> =
            binding.iter().copied().filter(|binding| witness(tool, &[binding, ask]).is_none()).collect();
        if ask.role == Role::Advice {
            if let There::Yes(installed) = there
                && unfit(installed)
            {
                let message = format!("`{name} {}` is not what `{}` suggests", installed.version, ask.text);
                findings.push(at(ask, Severity::Warning, "version-advice", message));
            }
        } else if let Some(other) = against.first() {
            let message = format!(
                "`{}` contradicts `{}` of {}, {}",
                ask.text,
                other.text,
                other.origin(),
                if other.role == Role::Pin { "which comes first" } else { "which has to hold" }
            );
            findings.push(at(ask, Severity::Warning, "version-conflict", message));
        } else if let (There::Yes(installed), Some(first)) = (there, first)
            && unfit(installed)
        {
            let message = format!(
                "`{}` is not `{name} {}`, which is there and satisfies `{}` of {}",
                ask.text,
                installed.version,
                first.text,
                first.origin()
            );
            // Where the decisive pin is not satisfied either, that is the failure, and this says no more.
            if first.requirement.allows(installed) != Answer::No {
                findings.push(at(ask, Severity::Warning, "version-conflict", message));
            }
        }
    }
    findings
}

/// A version that satisfies all of these, if one is found.
///
/// The dialects differ too much for a common form of their ranges. But each is made of the numbers that are written in it,
/// and the ends of a range are those numbers or the next ones; so if any version fits, one of these candidates does. What is
/// found does fit, in each dialect's own eyes.
fn witness(tool: Tool, asks: &[&Ask]) -> Option<Installed> {
    let mut candidates: Vec<Installed> = vec![];
    for ask in asks {
        for numbers in numbers(&ask.text) {
            candidates.extend(neighbours(tool, numbers));
        }
    }
    candidates.push(Installed::of("0.0.0"));
    // Channels and lines have no numbers.
    if tool == Tool::Rust {
        let dates: Vec<_> = asks.iter().filter_map(|ask| date(&ask.text)).map(Some).chain([None]).collect();
        let plain = std::mem::take(&mut candidates);
        for installed in plain {
            for suffix in ["", "-beta", "-nightly"] {
                candidates.extend(dates.iter().map(|date| Installed {
                    date: date.clone(),
                    ..Installed::of(format!("{}{suffix}", installed.version))
                }));
            }
            candidates.push(installed);
        }
    }
    if tool == Tool::Node {
        let lines = asks.iter().map(|ask| ask.text.to_ascii_lowercase());
        let lines = lines.filter_map(|text| Some(text.strip_prefix("lts")?.trim_start_matches(['/', '-']).to_owned()));
        let lines: Vec<_> = lines.collect();
        let with_lines = candidates
            .iter()
            .flat_map(|candidate| lines.iter().map(|line| Installed { line: Some(line.clone()), ..candidate.clone() }));
        let with_lines: Vec<_> = with_lines.collect();
        candidates.extend(with_lines);
    }
    candidates.into_iter().find(|candidate| asks.iter().all(|ask| ask.requirement.allows(candidate) != Answer::No))
}

/// The version of these numbers and the next ones in each place.
fn neighbours(tool: Tool, (text, numbers): (String, Vec<u64>)) -> Vec<Installed> {
    let part = |index: usize| numbers.get(index).copied().unwrap_or(0);
    let (major, minor, patch) = (part(0), part(1), part(2));
    let mut versions = vec![
        (major, minor, patch),
        (major, minor, patch.saturating_add(1)),
        (major, minor.saturating_add(1), 0),
        (major.saturating_add(1), 0, 0),
    ];
    // Just below, for what is only bounded above and what excludes the smallest.
    versions.extend(patch.checked_sub(1).map(|patch| (major, minor, patch)));
    let mut found: Vec<_> = versions.into_iter().map(|(a, b, c)| Installed::of(format!("{a}.{b}.{c}"))).collect();
    // A pre-release that is named wholly, as its own ecosystem writes it.
    if text.contains(|c: char| c.is_ascii_alphabetic()) || tool == Tool::Go {
        found.push(Installed::of(text));
    }
    found
}

/// The versions that are written in a requirement: the text of each, and its numbers.
fn numbers(text: &str) -> Vec<(String, Vec<u64>)> {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
    text.split(|c| !word(c))
        .filter_map(|word| {
            let start = word.find(|c: char| c.is_ascii_digit())?;
            let word = &word[start..];
            let end = word.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(word.len());
            let numbers = word[..end].split('.').filter(|part| !part.is_empty()).map(|part| part.parse().ok());
            Some((word.to_owned(), numbers.collect::<Option<Vec<_>>>()?))
        })
        .collect()
}

/// The day in a dated channel.
fn date(text: &str) -> Option<String> {
    let (_, rest) = text.split_once('-')?;
    rest.get(..10).filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit())).map(Into::into)
}

#[cfg(test)]
mod tests;
