//! `deploy.lock`: what reviewers have accepted, per environment and step.

use crate::config::{Holes, Unfilled, fill, fill_known};
use crate::plugin::Plugin;
use crate::policy::Capability;
use crate::problem::{Code, Problem};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

mod change;

use change::beyond;
pub use change::{Change, describe, render, table};

/// The file's name, beside `deploy.toml`.
pub const FILE: &str = "deploy.lock";

const HEADER: &str = "\
# Written by `windlass lock`. Commit it, and review each line like code:
# it is something that a plugin may do. `windlass run` refuses what is not here.
";

/// One step in one environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LockedStep {
    /// `name@version` of a built-in plugin, `locator@version` of any other.
    pub plugin: String,
    /// The SHA-256 of a plugin that is not built in, in hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// What it may do, with run-time holes left open.
    #[serde(default)]
    pub capabilities: Vec<Capability>,
}

/// The steps of one environment, by id.
pub type LockedSteps = BTreeMap<String, LockedStep>;

/// The whole file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Lock {
    schema: u32,
    /// By environment.
    #[serde(default, rename = "environment")]
    pub environments: BTreeMap<String, LockedSteps>,
}

impl Lock {
    /// A lock of these environments.
    #[must_use]
    pub fn new(environments: BTreeMap<String, LockedSteps>) -> Self {
        Self { schema: 1, environments }
    }

    /// The plugins that come from elsewhere, and the SHA-256 of each.
    #[must_use]
    pub fn pins(&self) -> std::collections::BTreeSet<(&str, &str)> {
        let steps = self.environments.values().flat_map(BTreeMap::values).filter(|step| step.plugin.contains("://"));
        steps.filter_map(|step| Some((step.plugin.as_str(), step.sha256.as_deref()?))).collect()
    }

    /// This one, but for what another one accepts for some steps.
    #[must_use]
    pub fn with(mut self, other: Self) -> Self {
        for (environment, steps) in other.environments {
            self.environments.entry(environment).or_default().extend(steps);
        }
        self
    }

    /// The names of all secrets in it.
    pub fn secret_names(&self) -> impl Iterator<Item = String> {
        let capabilities = self.environments.values().flat_map(BTreeMap::values).flat_map(|step| &step.capabilities);
        capabilities.filter_map(|capability| match capability {
            Capability::Secret(secret) => Some(secret.name.clone()),
            _ => None,
        })
    }

    /// The lock beside a `deploy.toml`; none where there is no file.
    ///
    /// # Errors
    /// [`Code::LockInvalid`].
    pub fn load(project: &Path) -> Result<Option<Self>, Problem> {
        match std::fs::read_to_string(project.join(FILE)) {
            Ok(text) => Self::parse(&text).map(Some),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(invalid(error.to_string())),
        }
    }

    /// The lock that this text is.
    ///
    /// # Errors
    /// [`Code::LockInvalid`], with the line where one is to blame.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let lock: Self = toml::from_str(text).map_err(|error| {
            let line = error.span().map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1);
            invalid(match line {
                Some(line) => format!("line {line}: {}", error.message()),
                None => error.message().to_owned(),
            })
        })?;
        if lock.schema != 1 {
            return Err(invalid(format!("it has schema {}, and this Windlass knows schema 1", lock.schema)));
        }
        for capability in lock.environments.values().flat_map(BTreeMap::values).flat_map(|step| &step.capabilities) {
            capability.check().map_err(|problem| invalid(problem.what))?;
        }
        Ok(lock)
    }

    /// The file's text: one capability a line, so that a difference shows what is meant.
    ///
    /// # Errors
    /// [`Code::Bug`].
    pub fn to_text(&self) -> Result<String, Problem> {
        let bug = |error: &dyn std::fmt::Display| {
            Problem::new(Code::Bug, "the lock could not be written as TOML").because(error)
        };
        let mut text = format!("{HEADER}schema = 1\n");
        for (environment, steps) in &self.environments {
            if steps.is_empty() {
                let _ = writeln!(text, "\n[environment.{}]", key(environment));
            }
            for (id, step) in steps {
                let _ = writeln!(text, "\n[environment.{}.{}]", key(environment), key(id));
                let _ = writeln!(text, "plugin = {}", toml::Value::from(step.plugin.as_str()));
                if let Some(sha256) = &step.sha256 {
                    let _ = writeln!(text, "sha256 = \"{sha256}\"");
                }
                if step.capabilities.is_empty() {
                    text.push_str("capabilities = []\n");
                    continue;
                }
                text.push_str("capabilities = [\n");
                for capability in &step.capabilities {
                    let line = inline(capability).map_err(|error| bug(&error))?;
                    let _ = writeln!(text, "  {line},");
                }
                text.push_str("]\n");
            }
        }
        Ok(text)
    }
}

fn invalid(cause: String) -> Problem {
    Problem::new(Code::LockInvalid, format!("`{FILE}` cannot be read"))
        .because(cause)
        .with_note("nothing was run")
        .with_hint(format!("restore `{FILE}` from version control, or run `windlass lock` and have it reviewed"))
}

/// A key as TOML writes it: an environment's name may have what only a quoted key can.
fn key(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    if !name.is_empty() && name.bytes().all(plain) { name.to_owned() } else { toml::Value::from(name).to_string() }
}

/// A capability as a line of the lock has it.
pub(crate) fn inline(capability: &Capability) -> Result<String, toml::ser::Error> {
    let mut text = String::new();
    capability.serialize(toml::ser::ValueSerializer::new(&mut text))?;
    Ok(text)
}

/// The locked name of a plugin: what stands in `plugin = "…"`.
#[must_use]
pub fn locked_name(locator: &str, plugin: &Plugin) -> String {
    if plugin.is_built_in() { plugin.locked_name() } else { format!("{locator}@{}", plugin.version()) }
}

/// Why a step is not accepted, in the words of the lock.
pub(crate) fn not_accepted(
    environment: &str,
    step: &str,
    what: impl Into<String>,
    cause: impl Into<String>,
) -> Problem {
    Problem::new(Code::NotAccepted, what)
        .because(cause.into())
        .with_note(format!("nothing was run; this is about step `{step}` in environment `{environment}`"))
        .with_hint("run `windlass lock`, and have the change to `deploy.lock` reviewed")
}

impl LockedStep {
    /// Checks that the lock accepts this plugin.
    ///
    /// # Errors
    /// [`Code::NotAccepted`].
    pub fn accepts_plugin(&self, environment: &str, step: &str, locator: &str, plugin: &Plugin) -> Result<(), Problem> {
        let name = locked_name(locator, plugin);
        if self.plugin != name {
            return Err(not_accepted(
                environment,
                step,
                format!("plugin `{name}` is not accepted"),
                format!("`{FILE}` accepts `{}`", self.plugin),
            ));
        }
        if plugin.is_built_in() && self.sha256.is_none() {
            return Ok(());
        }
        self.accepts_file(environment, step, plugin.digest())
    }

    /// The SHA-256 that a plugin from elsewhere has to have.
    ///
    /// # Errors
    /// [`Code::NotAccepted`] where there is none.
    pub fn pin(&self, environment: &str, step: &str) -> Result<&str, Problem> {
        self.sha256.as_deref().ok_or_else(|| {
            not_accepted(
                environment,
                step,
                format!("plugin `{}` is accepted without saying which file it is", self.plugin),
                format!("`{FILE}` has no `sha256` for step `{step}`, and only a built-in plugin does without"),
            )
        })
    }

    /// Whether the plugin that it accepts comes from there, in whichever version.
    #[must_use]
    pub fn is_of(&self, locator: &str) -> bool {
        self.plugin.rsplit_once('@').is_some_and(|(name, _)| name == locator)
    }

    /// Checks that the lock accepts a plugin's file with this SHA-256.
    ///
    /// # Errors
    /// [`Code::NotAccepted`].
    pub fn accepts_file(&self, environment: &str, step: &str, digest: &str) -> Result<(), Problem> {
        let accepted = self.pin(environment, step)?;
        if accepted != digest {
            return Err(not_accepted(
                environment,
                step,
                format!("plugin `{}` is not the file that was accepted", self.plugin),
                format!("`{FILE}` has sha256 {accepted}, the file has {digest}"),
            )
            .with_hint(
                "find out who changed it, and restore it; only where it is meant, take it with `windlass plugin update`",
            ));
        }
        Ok(())
    }

    /// Checks that the lock, its holes filled, accepts all of what is asked for. A value that would turn a literal into a
    /// pattern, such as `*` for an argument, or into an option is not accepted: nobody has reviewed that.
    ///
    /// # Errors
    /// [`Code::NotAccepted`] with each thing that it does not.
    pub fn accepts(&self, environment: &str, step: &str, holes: &Holes, wanted: &[Capability]) -> Result<(), Problem> {
        let mut accepted = Vec::with_capacity(self.capabilities.len());
        let mut widened = Vec::new();
        for open in &self.capabilities {
            let filled = filled(open, holes).map_err(|unfilled| {
                not_accepted(
                    environment,
                    step,
                    format!("the capabilities of step `{step}` cannot be compared"),
                    unfilled.to_string(),
                )
            })?;
            let list = if widens(open, &filled) { &mut widened } else { &mut accepted };
            list.push(filled);
        }
        let missing: Vec<&Capability> =
            wanted.iter().filter(|capability| beyond(capability, &accepted).is_some()).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let mut problem =
            Problem::new(Code::NotAccepted, format!("step `{step}` asks for what `{FILE}` does not accept"));
        for capability in missing.iter().take(10) {
            problem = problem.because(format!("it wants to {}", describe(capability)));
        }
        if missing.len() > 10 {
            problem = problem.because(format!("and {} more", missing.len() - 10));
        }
        if missing.iter().any(|capability| widened.contains(capability)) {
            return Err(problem
                .because("a value makes more of it than was read: an option (`-…`), a pattern (`*`), or another path")
                .with_note(format!("nothing was run; this is about environment `{environment}`"))
                .with_hint("write what is to be an option or a pattern into `deploy.toml` as it is, and lock it"));
        }
        Err(problem
            .with_note(format!("nothing was run; this is about environment `{environment}`"))
            .with_hint("run `windlass lock`, and have the change to `deploy.lock` reviewed"))
    }
}

/// A locked capability with its holes filled; holes for outputs that are not there yet stay open on both sides.
fn filled(capability: &Capability, holes: &Holes) -> Result<Capability, Unfilled> {
    let Ok(value) = serde_json::to_value(capability) else { return Ok(capability.clone()) };
    // Also where there are only escapes: they are taken away in what the plugin is asked with.
    let value = match fill(&value, holes) {
        Ok(value) => value,
        Err(unfilled) if unfilled.is_deferred() => fill_known(&value, holes),
        Err(unfilled) => return Err(unfilled),
    };
    Ok(serde_json::from_value(value).unwrap_or_else(|_| capability.clone()))
}

/// Whether filling holes let more match than was written.
fn widens(open: &Capability, filled: &Capability) -> bool {
    match (open, filled) {
        (Capability::Exec(open), Capability::Exec(filled)) => {
            let pattern = |argument: &String| matches!(argument.as_str(), "*" | "**");
            // Nobody has read which option a value is, and an option is often another program.
            let option = |argument: &String| argument.starts_with('-');
            let more = |(open, filled)| (pattern(filled) && !pattern(open)) || (option(filled) && !option(open));
            open.arguments.iter().zip(&filled.arguments).any(more)
        }
        (Capability::Http(open), Capability::Http(filled)) => {
            let climbs = |path: &str| path.contains("/..") || path.contains(['?', '#', '\\', '%']);
            (filled.path.ends_with('/') && !open.path.ends_with('/')) || (climbs(&filled.path) && !climbs(&open.path))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"schema = 1

[environment.staging.release]
plugin = "command@0.1.0"
capabilities = [
  { kind = "exec", program = "./bin/release", arguments = ["${deployment.version}"], background = true, phases = ["apply"] },
]
"#;

    pub(super) fn lock() -> Lock {
        toml::from_str(TEXT).expect("a lock")
    }

    pub(super) fn capability(json: &str) -> Capability {
        serde_json::from_str(json).expect("a capability")
    }

    #[test]
    fn what_is_written_is_read() {
        let text = lock().to_text().expect("a text");
        assert_eq!(toml::from_str::<Lock>(&text).expect("a lock"), lock());
        assert!(text.contains("\n  { kind = \"exec\", program = \"./bin/release\""), "{text}");
        // Also an environment that nothing is done in.
        let empty = Lock::parse("schema = 1\n[environment.staging]\n").expect("a lock");
        assert_eq!(Lock::parse(&empty.to_text().expect("a text")).expect("a lock"), empty);
    }

    #[test]
    fn holes_are_filled_the_same_way_on_both_sides() {
        let lock = lock();
        let step = &lock.environments["staging"]["release"];
        let holes = Holes { version: Some("1.2.0".into()), ..Holes::default() };
        let wanted = capability(
            r#"{"kind":"exec","program":"./bin/release","arguments":["1.2.0"],"background":true,"phases":["apply"]}"#,
        );
        assert!(step.accepts("staging", "release", &holes, std::slice::from_ref(&wanted)).is_ok());
        let other = Holes { version: Some("1.3.0".into()), ..Holes::default() };
        let problem = step.accepts("staging", "release", &other, &[wanted]).expect_err("another version");
        assert_eq!(problem.code, Code::NotAccepted);
        assert!(problem.causes[0].contains("./bin/release 1.2.0"), "{problem:?}");
    }

    #[test]
    fn an_escape_without_a_hole_is_taken_away_on_both_sides() {
        let exec = |argument: &str| {
            capability(&serde_json::json!({"kind": "exec", "program": "sh", "arguments": ["-c", argument], "phases": ["apply"]}).to_string())
        };
        let step =
            LockedStep { plugin: "command@0.1.0".into(), sha256: None, capabilities: vec![exec("echo $${HOME} $$x")] };
        let accepts = |argument: &str| step.accepts("staging", "release", &Holes::default(), &[exec(argument)]);
        assert!(accepts("echo ${HOME} $$x").is_ok());
        assert!(accepts("echo $${HOME} $$x").is_err());
    }

    #[test]
    fn a_value_cannot_become_a_pattern() {
        let open = capability(r#"{"kind":"exec","program":"a","arguments":["${env.X}"],"phases":["apply"]}"#);
        let star = capability(r#"{"kind":"exec","program":"a","arguments":["*"],"phases":["apply"]}"#);
        let step = LockedStep { plugin: "command@0.1.0".into(), sha256: None, capabilities: vec![open] };
        let holes = |value: &str| Holes { variables: [("X".to_owned(), value.to_owned())].into(), ..Holes::default() };
        assert!(step.accepts("staging", "release", &holes("*"), &[star]).is_err());
        let plain = capability(r#"{"kind":"exec","program":"a","arguments":["b"],"phases":["apply"]}"#);
        assert!(step.accepts("staging", "release", &holes("b"), &[plain]).is_ok());
    }

    #[test]
    fn an_environment_may_have_any_name_that_a_forge_knows() {
        let mut wanted = lock();
        let steps = wanted.environments["staging"].clone();
        for name in ["review/feature-1", "Production EU", "eu.west", "1"] {
            wanted.environments.insert(name.to_owned(), steps.clone());
        }
        let text = wanted.to_text().expect("a text");
        assert!(text.contains("[environment.staging.release]") && text.contains("[environment.\"eu.west\".release]"));
        assert_eq!(toml::from_str::<Lock>(&text).expect("a lock"), wanted);
    }

    #[test]
    fn an_unknown_key_is_refused() {
        assert!(toml::from_str::<Lock>(&TEXT.replace("background = true", "shell = true")).is_err());
    }
}
