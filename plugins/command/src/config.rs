//! The step's `with`, and what its schema cannot say about it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use windlass_plugin::{Failure, SecretReference};

/// Runs a program with arguments. No shell is involved unless `run` names one.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Config {
    /// The program and its arguments, for example `["./bin/release", "${deployment.version}"]`. The program is a name
    /// that is looked up on the search path, or a path relative to the project (it contains a slash).
    #[schemars(length(min = 1))]
    pub run: Vec<String>,

    /// The program and its arguments that take back what `run` did. It is also run after a `run` that failed halfway,
    /// and once however often the step was tried, so it must do no harm where there is nothing to take back. It
    /// succeeds with exit code 0.
    #[schemars(length(min = 1))]
    pub revert: Option<Vec<String>>,

    /// A program and its arguments that tell whether `run` is done already: exit code 0 means that it is, and the step
    /// is skipped. It is run while the plan is made, so it may change nothing.
    #[schemars(length(min = 1))]
    pub unless: Option<Vec<String>>,

    /// What `run` does to the world. The default is `changes` where there is a `revert` or an `unless`, and
    /// `irreversible` otherwise: a command that nobody can take back.
    pub effect: Option<CommandEffect>,

    /// The working directory of all three, relative to the project.
    #[serde(default = "project")]
    #[schemars(length(min = 1))]
    pub directory: String,

    /// Variables of the job's environment that the programs get, by name, where they are set.
    #[serde(default)]
    #[schemars(inner(regex(pattern = r"^[A-Za-z_][A-Za-z0-9_]*$")))]
    pub variables: Vec<String>,

    /// Variables that the programs get with these values.
    #[serde(default)]
    pub set: BTreeMap<String, String>,

    /// Variables that the programs get with these secrets as their values, for example
    /// `{ API_TOKEN = { secret = "PRODUCTION_API_TOKEN" } }`.
    #[serde(default)]
    pub secrets: BTreeMap<String, SecretReference>,

    /// Toolchains whose homes and caches the programs need, for example `cargo`, `npm` or `pip`.
    #[serde(default)]
    pub toolchains: Vec<String>,

    /// Whether what `run` and `revert` leave running may stay. Otherwise it is ended with them.
    #[serde(default)]
    pub background: bool,

    /// The trees and files that `run` and `revert` may change: relative to the project, or absolute. One that is not there is
    /// made, as a directory. Where nothing is said, all that their user may. They also have a directory for temporary files, and the caches of their `toolchains`.
    #[schemars(inner(length(min = 1)))]
    pub writes: Option<Vec<String>>,

    /// The TCP ports that the programs may connect to, for example `[443]`. Where nothing is said, any.
    pub connects: Option<Vec<u16>>,

    /// What `run` reads on its standard input.
    pub input: Option<String>,

    /// The exit codes with which `run` has succeeded.
    #[serde(default = "zero")]
    #[schemars(length(min = 1))]
    pub success: Vec<i32>,
}

/// What a command does to the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CommandEffect {
    /// Looks only, or changes nothing that the deployment is about, for example a build in the workspace.
    Reads,
    /// Looks at what is live, for example with `curl`, and fails where that is not as it must be. It is run once more
    /// after a rollback, so that it tells whether what is live then is well.
    Checks,
    /// Changes something that `revert` takes back, or that needs no taking back.
    Changes,
    /// Changes something that cannot be taken back.
    Irreversible,
}

impl CommandEffect {
    /// Whether there is nothing to take back, and nothing that running it again could do twice.
    pub(crate) const fn looks_only(self) -> bool {
        matches!(self, Self::Reads | Self::Checks)
    }

    /// As `deploy.toml` has it.
    const fn word(self) -> &'static str {
        match self {
            Self::Reads => "reads",
            Self::Checks => "checks",
            Self::Changes => "changes",
            Self::Irreversible => "irreversible",
        }
    }
}

/// A program with its arguments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Line(Vec<String>);

impl Line {
    /// The program.
    pub(crate) fn program(&self) -> &str {
        self.0.first().map_or("", String::as_str)
    }

    /// Its arguments.
    pub(crate) fn arguments(&self) -> &[String] {
        self.0.get(1..).unwrap_or_default()
    }

    /// The program and arguments of the key `key`, where a grant can say exactly these.
    fn checked(words: &[String], key: &str) -> Result<Self, Failure> {
        let line = Self(words.to_vec());
        let program = line.program();
        if program.trim().is_empty() {
            return Err(Failure::misconfigured("no-program", format!("`{key}` names no program"))
                .with_hint(format!("write `{key} = [\"PROGRAM\", \"ARGUMENT\"]`")));
        }
        if program.contains("${") {
            return Err(Failure::misconfigured(
                "hole-in-program",
                format!("`{key}` leaves open which program it runs: `{program}`"),
            )
            .because("a reviewer accepts a program by its name; only its arguments may be filled in later")
            .with_hint("name the program, and pass what varies as an argument"));
        }
        if let Some(pattern) = line.arguments().iter().find(|argument| matches!(argument.as_str(), "*" | "**")) {
            return Err(Failure::misconfigured(
                "argument-is-a-pattern",
                format!("`{key}` passes `{pattern}` to `{program}`, which a grant would take for any argument"),
            )
            .because("no shell is involved, so the program would get the star itself")
            .with_hint("for a shell's wildcard name the shell: `[\"sh\", \"-c\", \"…\"]`"));
        }
        Ok(line)
    }
}

/// A configuration that makes sense as a whole.
#[derive(Debug)]
pub(crate) struct Checked<'a> {
    /// Everything that needed no check.
    pub(crate) config: &'a Config,
    /// What is run.
    pub(crate) run: Line,
    /// What takes it back.
    pub(crate) revert: Option<Line>,
    /// What tells whether it is done already.
    pub(crate) unless: Option<Line>,
    /// What it does to the world.
    pub(crate) effect: CommandEffect,
}

impl Config {
    /// Checks what the schema cannot say.
    pub(crate) fn checked(&self) -> Result<Checked<'_>, Failure> {
        let line = |words: &Option<Vec<String>>, key| words.as_ref().map(|words| Line::checked(words, key)).transpose();
        let run = Line::checked(&self.run, "run")?;
        let revert = line(&self.revert, "revert")?;
        let unless = line(&self.unless, "unless")?;
        let effect = self.effect(revert.is_some(), unless.is_some())?;
        self.check_variables()?;
        Ok(Checked { config: self, run, revert, unless, effect })
    }

    fn effect(&self, has_revert: bool, has_unless: bool) -> Result<CommandEffect, Failure> {
        match self.effect {
            Some(effect) if has_revert && effect != CommandEffect::Changes => {
                let why = if effect.looks_only() {
                    "what only looks needs no taking back"
                } else {
                    "what is irreversible cannot be taken back"
                };
                Err(Failure::misconfigured(
                    "revert-without-change",
                    format!("`effect = \"{}\"` and `revert` contradict each other", effect.word()),
                )
                .because(why)
                .with_hint("remove one of the two"))
            }
            Some(effect) => Ok(effect),
            None if has_revert || has_unless => Ok(CommandEffect::Changes),
            None => Ok(CommandEffect::Irreversible),
        }
    }

    fn check_variables(&self) -> Result<(), Failure> {
        if let Some(name) = self.set.keys().chain(self.secrets.keys()).find(|name| !is_variable_name(name)) {
            return Err(Failure::misconfigured(
                "invalid-variable-name",
                format!("`{name}` is not the name of an environment variable"),
            )
            .because("a name is made of letters, digits and `_`, and does not begin with a digit"));
        }
        let named_twice = self
            .secrets
            .keys()
            .find(|name| self.set.contains_key(*name) || self.variables.contains(*name))
            .or_else(|| self.set.keys().find(|name| self.variables.contains(*name)));
        if let Some(name) = named_twice {
            return Err(Failure::misconfigured(
                "variable-named-twice",
                format!("the variable `{name}` has more than one source"),
            )
            .because("`variables`, `set` and `secrets` each say where a variable's value comes from")
            .with_hint(format!("name `{name}` in one of them only")));
        }
        Ok(())
    }
}

fn is_variable_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn project() -> String {
    ".".into()
}

fn zero() -> Vec<i32> {
    vec![0]
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn config(with: Value) -> Config {
        serde_json::from_value(with).unwrap()
    }

    fn failure(with: Value) -> Failure {
        config(with).checked().unwrap_err()
    }

    #[test]
    fn only_run_is_required() {
        let config = config(json!({ "run": ["true"] }));
        assert_eq!(config.directory, ".");
        assert_eq!(config.success, [0]);
        assert!(!config.background);
    }

    #[test]
    fn unknown_keys_and_a_run_that_is_a_text_are_refused() {
        for wrong in [json!({}), json!({ "run": "true" }), json!({ "run": ["true"], "shell": true })] {
            assert!(serde_json::from_value::<Config>(wrong.clone()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_schema_says_what_a_line_is_made_of() {
        let schema = schemars::schema_for!(Config).to_value();
        assert_eq!(schema["properties"]["run"]["minItems"], 1);
        assert_eq!(schema["properties"]["success"]["minItems"], 1);
        assert_eq!(schema["additionalProperties"], false);
        assert_eq!(schema["required"], json!(["run"]));
    }

    #[test]
    fn what_nobody_can_take_back_is_irreversible_unless_said_otherwise() {
        let effect = |with| config(with).checked().unwrap().effect;
        assert_eq!(effect(json!({ "run": ["a"] })), CommandEffect::Irreversible);
        assert_eq!(effect(json!({ "run": ["a"], "revert": ["b"] })), CommandEffect::Changes);
        assert_eq!(effect(json!({ "run": ["a"], "unless": ["b"] })), CommandEffect::Changes);
        assert_eq!(effect(json!({ "run": ["a"], "effect": "reads" })), CommandEffect::Reads);
        assert_eq!(effect(json!({ "run": ["a"], "effect": "checks" })), CommandEffect::Checks);
        assert_eq!(
            effect(json!({ "run": ["a"], "unless": ["b"], "effect": "irreversible" })),
            CommandEffect::Irreversible
        );
    }

    #[test]
    fn an_effect_that_needs_no_revert_has_none() {
        for effect in ["reads", "checks", "irreversible"] {
            let failure = failure(json!({ "run": ["a"], "revert": ["b"], "effect": effect }));
            assert_eq!(failure.code, "revert-without-change");
            assert!(failure.message.contains(effect), "{}", failure.message);
        }
    }

    #[test]
    fn a_program_is_named_and_not_left_open() {
        assert_eq!(failure(json!({ "run": [] })).code, "no-program");
        assert_eq!(failure(json!({ "run": [" "] })).code, "no-program");
        assert_eq!(failure(json!({ "run": ["a"], "unless": [] })).code, "no-program");
        assert_eq!(failure(json!({ "run": ["./bin/${env.TOOL}"] })).code, "hole-in-program");
        assert_eq!(failure(json!({ "run": ["a"], "revert": ["${vars.x}"] })).code, "hole-in-program");
        assert!(config(json!({ "run": ["a", "${deployment.version}"] })).checked().is_ok());
    }

    #[test]
    fn a_literal_argument_never_becomes_a_pattern() {
        for star in ["*", "**"] {
            for key in ["run", "revert", "unless"] {
                let mut with = json!({ "run": ["a"] });
                with[key] = json!(["ls", star, "x"]);
                assert_eq!(failure(with).code, "argument-is-a-pattern", "{key} {star}");
            }
        }
        assert!(config(json!({ "run": ["find", ".", "-name", "*.rs"] })).checked().is_ok());
    }

    #[test]
    fn a_variable_has_one_source_and_a_name() {
        let secret = json!({ "secret": "TOKEN" });
        for twice in [
            json!({ "run": ["a"], "set": { "A": "1" }, "secrets": { "A": secret } }),
            json!({ "run": ["a"], "set": { "A": "1" }, "variables": ["A"] }),
            json!({ "run": ["a"], "variables": ["A"], "secrets": { "A": secret } }),
        ] {
            assert_eq!(failure(twice.clone()).code, "variable-named-twice", "{twice}");
        }
        for name in ["", "1A", "A B", "A=B"] {
            assert_eq!(failure(json!({ "run": ["a"], "set": { name: "1" } })).code, "invalid-variable-name", "{name}");
            let secrets = json!({ "run": ["a"], "secrets": { name: secret } });
            assert_eq!(failure(secrets).code, "invalid-variable-name", "{name}");
        }
    }
}
