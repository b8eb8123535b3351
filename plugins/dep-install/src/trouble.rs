//! What a package manager's own words mean: the lockfile drifted, a package is not what was locked, or the registry
//! could not be reached. The words are kept as they are; only what is said around them is left out.

use crate::manager::Manager;

/// Why an install was refused or failed, with the lines that say so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The manifest asks for what the lockfile does not say.
    Drift(Vec<String>),
    /// A package's contents are not those that were locked.
    Integrity(Vec<String>),
    /// The registry did not answer, or, offline, the cache does not hold what is needed.
    Unreachable(Vec<String>),
}

/// More lines than this help nobody.
const MOST_LINES: usize = 20;

/// What this text says went wrong, where it says something known. Drift wins: it is what a person can put right.
pub(crate) fn classify(manager: Manager, text: &str) -> Option<Trouble> {
    let text = plain(text);
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    let pick = |wanted: &dyn Fn(&str) -> bool| limited(lines.iter().copied().filter(|line| wanted(line)));
    let drift = drift(manager, &lines);
    if !drift.is_empty() {
        return Some(Trouble::Drift(drift));
    }
    let integrity = block(&lines, &|line| contains_any(line, INTEGRITY));
    if !integrity.is_empty() {
        return Some(Trouble::Integrity(integrity));
    }
    let unreachable = pick(&|line| contains_any(line, UNREACHABLE));
    (!unreachable.is_empty()).then_some(Trouble::Unreachable(unreachable))
}

/// The last lines of a text that is not understood.
pub(crate) fn last_words(text: &str) -> Vec<String> {
    let text = plain(text);
    let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    limited(lines[lines.len().saturating_sub(8)..].iter().copied())
}

/// The lines that say what drifted.
fn drift(manager: Manager, lines: &[&str]) -> Vec<String> {
    let any = |words: &[&str]| lines.iter().any(|line| contains_any(line, words));
    let those = |words: &[&str]| limited(lines.iter().copied().filter(|line| contains_any(line, words)));
    match manager {
        Manager::Npm => {
            let entries = limited(lines.iter().copied().filter(|line| {
                line.contains("Missing:") && line.contains("from lock file") || line.contains("Invalid: lock file's")
            }));
            if entries.is_empty() { those(&["can only install packages when your package.json and"]) } else { entries }
        }
        Manager::Cargo => those(&["because --locked was passed", "needs to be updated but --locked was passed"]),
        Manager::Pnpm => {
            let is_entry = |line: &str| line.trim_start().starts_with(['*', '-']);
            let entries = limited(lines.iter().copied().filter(|line| is_entry(line)));
            match any(&["ERR_PNPM_OUTDATED_LOCKFILE", "ERR_PNPM_LOCKFILE_CONFIG_MISMATCH"]) {
                true if entries.is_empty() => those(&["ERR_PNPM_"]),
                true => entries,
                false => vec![],
            }
        }
        Manager::Yarn => {
            let entries = those(&["Lockfile does not contain pattern"]);
            let refusal = those(&["Your lockfile needs to be updated, but yarn was run with"]);
            if entries.is_empty() { refusal } else { entries }
        }
        Manager::YarnBerry => {
            let changed = |line: &str| {
                let text = line.split_once('│').map_or("", |(_, text)| text.trim_start());
                line.contains("YN0028") && text.starts_with(['+', '-']) && text.len() > 1
            };
            let entries = limited(lines.iter().copied().filter(|line| changed(line)));
            if entries.is_empty() { those(&["YN0028"]) } else { entries }
        }
        Manager::Bun => {
            let entries = those(&["changed since bun.lock was saved"]);
            match any(&["lockfile had changes, but lockfile is frozen"]) {
                true if entries.is_empty() => those(&["lockfile had changes"]),
                true => entries,
                false => vec![],
            }
        }
        Manager::Pip => block(lines, &|line| {
            contains_any(
                line,
                &[
                    "Hashes are required in --require-hashes mode, but they are missing",
                    "In --require-hashes mode, all requirements must have their versions pinned",
                ],
            )
        }),
        Manager::Uv => those(&["needs to be updated, but `--"]),
        Manager::Poetry => those(&[
            "changed significantly since poetry.lock was last generated",
            "poetry.lock is not up to date with pyproject.toml",
            "poetry.lock is not consistent with pyproject.toml",
        ]),
        Manager::Go => those(&["missing go.sum entry", "updates to go.mod needed", "updates to go.sum needed"]),
        Manager::Bundler => {
            let refusals = [
                "after changing",
                "while frozen",
                "frozen mode is set",
                "because frozen mode",
                "your lockfile can't be updated",
            ];
            let is_entry = |line: &str| line.starts_with("* ") || line.starts_with("You have ");
            let entries = limited(lines.iter().copied().filter(|line| is_entry(line)));
            match any(&refusals) {
                true if entries.is_empty() => those(&refusals),
                true => entries,
                false => vec![],
            }
        }
        Manager::Composer => {
            let entries = those(&["is not present in the lock file", "does not satisfy your constraint"]);
            if entries.is_empty() { those(&["lock file is not up to date with the latest changes"]) } else { entries }
        }
    }
}

/// Words of all of them: contents that are not those that were locked.
const INTEGRITY: &[&str] = &[
    "EINTEGRITY",
    "ERR_PNPM_TARBALL_INTEGRITY",
    "Integrity check failed for",
    "IntegrityCheckFailed",
    "YN0018",
    "failed to verify the checksum",
    "DO NOT MATCH THE HASHES",
    "Hash mismatch for",
    "Invalid hashes",
    "checksum mismatch",
    "has been modified (",
    "mismatched checksums",
    "checksum verification of the file failed",
];

/// Words of all of them: nobody answered.
const UNREACHABLE: &[&str] = &[
    "ECONNREFUSED",
    "ECONNRESET",
    "ENOTFOUND",
    "ETIMEDOUT",
    "EAI_AGAIN",
    "ENOTCACHED",
    "ERR_SOCKET_TIMEOUT",
    "NO_OFFLINE",
    "META_FETCH_FAIL",
    "ConnectionRefused",
    "FailedToOpenSocket",
    "Connection refused",
    "connection refused",
    "Connection reset",
    "Could not connect",
    "Could not resolve host",
    "Could not reach host",
    "Could not fetch specs",
    "could not be downloaded",
    "in offline mode",
    "--offline was specified",
    "you're using offline mode",
    "Network connectivity is disabled",
    "network was disabled",
    "has been blocked because of your configuration settings",
    "module lookup disabled by GOPROXY=off",
    "dial tcp",
    "error sending request",
    "All attempts to connect to",
    "Failed to establish a new connection",
    "Temporary failure in name resolution",
    "Name or service not known",
    "No route to host",
    "Network is unreachable",
    "download of config.json failed",
    "Max retries exceeded",
    "503 Service Unavailable",
    "502 Bad Gateway",
    "504 Gateway",
];

fn contains_any(line: &str, words: &[&str]) -> bool {
    words.iter().any(|word| line.contains(word))
}

/// The lines that match, each with the indented lines below it, which name the packages.
fn block(lines: &[&str], starts: &dyn Fn(&str) -> bool) -> Vec<String> {
    let mut inside = false;
    limited(lines.iter().copied().filter(|line| {
        inside = starts(line) || (inside && line.starts_with([' ', '\t']));
        inside
    }))
}

/// Trimmed, each once, and not too many.
fn limited<'text>(lines: impl Iterator<Item = &'text str>) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    let mut more = 0_usize;
    for line in lines.map(str::trim).filter(|line| !line.is_empty()) {
        if kept.iter().any(|known| known == line) {
            continue;
        }
        if kept.len() < MOST_LINES {
            kept.push(line.into());
        } else {
            more += 1;
        }
    }
    if more > 0 {
        kept.push(format!("and {more} more"));
    }
    kept
}

/// Without the colours of a terminal.
fn plain(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character == '\u{1b}' {
            // A sequence that sets colours ends with its first letter.
            characters.by_ref().find(char::is_ascii_alphabetic);
        } else {
            kept.push(character);
        }
    }
    kept
}

#[cfg(test)]
mod tests;
