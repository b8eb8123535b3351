//! What is told of a plugin.

use super::{Style, harmless};
use crate::config::Key;
use crate::lock;
use crate::plugin::Imports;
use crate::policy::Capability;
use serde::Serialize;
use serde_json::Value;
use std::fmt::Write as _;

/// All that is known of a plugin without running it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Inspected {
    /// As it was asked for.
    pub plugin: String,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What it does, in one line.
    pub summary: String,
    /// The contract that it was built for.
    pub contract: String,
    /// Those that this Windlass runs.
    pub contracts: &'static [&'static str],
    /// Whether it is part of the binary.
    pub built_in: bool,
    /// The SHA-256 of its component, in hex.
    pub sha256: String,
    /// The size of its component, in bytes; none of one that is part of a release, which has only what was compiled of it.
    pub size: Option<usize>,
    /// What its configuration may have.
    #[serde(skip)]
    pub keys: Vec<Key>,
    /// The JSON Schema of its configuration.
    #[serde(rename = "config-schema")]
    pub schema: Value,
    /// The configuration that it was asked with.
    pub with: Value,
    /// What it asks for with that; none where it does not say.
    pub capabilities: Option<Vec<Capability>>,
    /// Why it does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unasked: Option<String>,
    /// What it imports.
    pub imports: Vec<Imports>,
}

/// It as text.
#[must_use]
pub fn inspected(it: &Inspected, style: Style) -> String {
    let mut text =
        format!("{}: {}\n", style.bold(&harmless(&format!("{} {}", it.name, it.version))), harmless(&it.summary));
    let runs = it.contracts.join(", ");
    let _ = writeln!(text, "  contract  {} (this Windlass runs {runs})", harmless(&it.contract));
    let _ = writeln!(text, "  sha256    {}", it.sha256);
    match it.size {
        Some(size) => {
            let _ = writeln!(text, "  size      {size} bytes");
        }
        None => text.push_str("  size      part of this binary, compiled\n"),
    }
    let _ = writeln!(text, "\n{}", style.bold("Configuration (`with`)"));
    if it.keys.is_empty() {
        text.push_str("  no keys are named\n");
    }
    for key in &it.keys {
        let need = match (&key.default, key.required) {
            (_, true) => ", has to be there".to_owned(),
            (Some(default), false) => format!(", {default} where nothing is said"),
            (None, false) => String::new(),
        };
        let _ = writeln!(text, "  {}: {}{}", harmless(&key.name), harmless(&key.kind), harmless(&need));
        if !key.limits.is_empty() {
            let _ = writeln!(text, "      {}", harmless(&key.limits.join(", ")));
        }
        if let Some(description) = &key.description {
            let _ = writeln!(text, "      {}", harmless(description));
        }
    }
    let _ = writeln!(text, "\n{}", style.bold("It asks for"));
    let _ = writeln!(text, "  with `{}`:", harmless(&it.with.to_string()));
    match &it.capabilities {
        Some(list) if list.is_empty() => text.push_str("  - nothing\n"),
        Some(list) => {
            for one in list {
                let _ = writeln!(text, "  - {}", harmless(&lock::describe(one)));
            }
        }
        None => {
            let why = harmless(it.unasked.as_deref().unwrap_or_default());
            let _ = writeln!(text, "  it does not say: {why}\n  give a configuration of yours with `--with FILE|JSON`");
        }
    }
    let _ = writeln!(text, "\n{}", style.bold("It imports"));
    for group in &it.imports {
        let _ = writeln!(text, "  {}\n      {}", harmless(&group.interfaces.join("\n  ")), group.harmless);
    }
    if it.imports.is_empty() {
        text.push_str("  nothing\n");
    }
    text.push_str("  All that these reach goes through one gate, which lets through what `deploy.lock` accepts.\n");
    text
}

/// A plugin in a list.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Listed {
    /// As `deploy.toml` names it.
    pub plugin: String,
    /// Its name; none where it is not here.
    pub name: Option<String>,
    /// Its version: the one that is accepted, where one is.
    pub version: Option<String>,
    /// What it does, in one line; none where it is not here.
    pub summary: Option<String>,
    /// The SHA-256 that is accepted, or that it has; none of a built-in one.
    pub sha256: Option<String>,
    /// Whether `deploy.lock` accepts it: `yes`, `no`, `in part` (not for all steps and environments), or `another one`. None
    /// where there is no lock to ask.
    pub locked: Option<&'static str>,
    /// The steps that name it.
    pub steps: Vec<String>,
    /// What is here in place of what is accepted, where it is another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub here: Option<Here>,
    /// Why it cannot be used as it is here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// A plugin that is not the one that is accepted.
#[derive(Debug, Serialize)]
pub struct Here {
    /// Its name; none where it cannot be used.
    pub name: Option<String>,
    /// Its version; none where it cannot be used.
    pub version: Option<String>,
    /// Its SHA-256; none of a built-in one.
    pub sha256: Option<String>,
}

impl Here {
    /// It in a few words.
    fn words(&self) -> String {
        match (&self.name, &self.version) {
            (Some(name), Some(version)) => format!("`{name}` {version}"),
            _ => "one that cannot be used".to_owned(),
        }
    }
}

/// Them as text.
#[must_use]
pub fn listed(list: &[Listed], style: Style) -> String {
    let mut text = String::new();
    for it in list {
        let version = it.version.as_deref().unwrap_or("of a version that nobody has asked for yet");
        let _ = write!(text, "{}", style.bold(&harmless(&format!("{} {version}", it.plugin))));
        let name = it.name.as_ref().filter(|name| **name != it.plugin);
        let says = match (name, &it.summary) {
            _ if it.problem.is_some() => {
                format!(": cannot be used: {}", it.problem.as_deref().unwrap_or_default())
            }
            _ if let Some(here) = &it.here => format!(": not here, but another one: {}", here.words()),
            (Some(name), Some(summary)) => format!(": `{name}`. {summary}"),
            (None, Some(summary)) => format!(": {summary}"),
            _ => ": not here; what is accepted is fetched when it is needed".to_owned(),
        };
        let _ = writeln!(text, "{}", harmless(&says));
        if let Some(sha256) = &it.sha256 {
            let _ = writeln!(text, "  sha256  {sha256}");
        }
        if let Some(here) = it.here.as_ref().and_then(|here| here.sha256.as_ref()) {
            let _ = writeln!(text, "  here    {here}");
        }
        if let Some(locked) = it.locked {
            let _ = writeln!(text, "  locked  {locked}\n  steps   {}", harmless(&it.steps.join(", ")));
        }
    }
    let _ = writeln!(text, "This Windlass runs plugins of contract {}.", crate::plugin::CONTRACTS.join(", "));
    text
}
