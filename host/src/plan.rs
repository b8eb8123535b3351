//! The plan: a value that says everything that is going to happen, and its digest, which is what an approval binds to.
//!
//! Plain data and pure functions. Who makes it is [`crate::prepare`].

mod file;

pub use file::{Origin, PlanFile};

use crate::ci::WorkingTree;
use crate::event::Place;
use crate::plugin::{Effect, Intent};
use crate::policy::{Capability, Usage};
use crate::problem::{Code, Problem};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;

/// The version of the plan's format.
pub const SCHEMA: &str = "windlass.plan/1";

/// A step as it is planned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PlannedStep {
    /// Its id.
    pub id: String,
    /// `name@version`.
    pub plugin: String,
    /// The SHA-256 of the plugin's component, in hex.
    pub digest: String,
    /// Its configuration as resolved; outputs of earlier steps as holes.
    pub with: Value,
    /// What it may do.
    pub capabilities: Vec<Capability>,
    /// What it means to do. Empty for a finally step, which depends on how the run ends.
    pub intents: Vec<Intent>,
    /// What it used while it was planned, and what it was denied. How often it looked is no part of what is agreed to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub usages: Vec<Usage>,
    /// Whether it uses outputs that are not known yet, and is planned again just before it is applied.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deferred: bool,
}

/// Everything that is going to happen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Plan {
    /// [`SCHEMA`].
    pub schema: String,
    /// The app.
    pub app: String,
    /// The environment.
    pub environment: String,
    /// The component, where one is deployed by itself.
    pub component: Option<String>,
    /// The commit.
    pub commit: String,
    /// What is deployed beside the commit, where it is the working tree of a laptop: what differs in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub working_tree: Option<WorkingTree>,
    /// Why secrets were withheld while it was made, and nothing may be changed from here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withheld: Option<String>,
    /// What is behind a proxy from where it was made, so that only its name can be checked: a line for each proxy. No part of the
    /// digest, since it is the network's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub proxied: Vec<String>,
    /// The version.
    pub version: String,
    /// The version and SHA-256 of the contract between host and plugins.
    pub contract: String,
    /// The steps in order.
    pub steps: Vec<PlannedStep>,
    /// The finally steps in order.
    pub finally: Vec<PlannedStep>,
    /// What programs can do beyond what was accepted for them, where the plan was made. No part of the digest, since it is
    /// the machine's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confinement: Option<String>,
}

impl PlannedStep {
    /// Whether it means to change anything, as far as is known.
    #[must_use]
    pub fn changes(&self) -> bool {
        self.deferred || self.intents.iter().any(|intent| !intent.effect.looks_only())
    }

    fn digested(&self) -> Value {
        let intents: Vec<&str> = self.intents.iter().map(|intent| intent.id.as_str()).collect();
        json!({
            "id": self.id, "plugin": self.plugin, "digest": self.digest, "with": self.with,
            "capabilities": self.capabilities, "intents": intents, "deferred": self.deferred,
        })
    }
}

impl Plan {
    /// Where it is for.
    #[must_use]
    pub fn place(&self) -> Place {
        let Self { app, environment, component, .. } = self;
        Place { app: app.clone(), environment: environment.clone(), component: component.clone() }
    }

    /// The digest, `sha256:…`, over all that matters and nothing else: no texts, times, actor or run.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut value = json!({
            "schema": self.schema, "app": self.app, "environment": self.environment, "component": self.component,
            "commit": self.commit, "version": self.version, "contract": self.contract,
            "steps": self.steps.iter().map(PlannedStep::digested).collect::<Vec<_>>(),
            "finally": self.finally.iter().map(PlannedStep::digested).collect::<Vec<_>>(),
        });
        if let Some(tree) = &self.working_tree {
            value["working-tree"] = tree.digest.as_str().into();
        }
        let mut text = String::new();
        canonical(&value, &mut text);
        format!("sha256:{}", hex::encode(Sha256::digest(text.as_bytes())))
    }

    /// Whether something could not be found out, so that an approval cannot bind to it.
    #[must_use]
    pub fn is_incomplete(&self) -> bool {
        self.steps.iter().flat_map(|step| &step.intents).any(|intent| intent.effect == Effect::Unknown)
    }

    /// Whether anything is going to be changed.
    #[must_use]
    pub fn changes(&self) -> bool {
        self.steps.iter().any(PlannedStep::changes)
    }

    /// Checks that this plan is what another, approved one says: all that the digest is over, and that nothing that could be
    /// taken back when it was approved no longer can.
    ///
    /// # Errors
    /// [`Code::PlanDrifted`] with each difference.
    pub fn must_be(&self, approved: &Self) -> Result<(), Problem> {
        let same = self.digest() == approved.digest();
        let differences = if same { self.other_effects(approved) } else { self.differences(approved) };
        if differences.is_empty() {
            return Ok(());
        }
        let mut problem = Problem::new(Code::PlanDrifted, "what would run now is not what was planned");
        for difference in differences.iter().take(12) {
            problem = problem.because(difference);
        }
        if differences.len() > 12 {
            problem = problem.because(format!("and {} more", differences.len() - 12));
        }
        Err(problem
            .with_note("nothing was run")
            .with_hint("make a new plan with `windlass plan -o FILE`, and have that approved"))
    }

    /// Checks that this is still the plan by which a run was begun. What its steps mean to do is not compared: some of it is
    /// done by now. Neither is the working tree: steps may have changed it themselves.
    ///
    /// # Errors
    /// [`Code::PlanDrifted`] with each difference.
    pub fn must_continue(&self, begun: &Self, run: &str) -> Result<(), Problem> {
        let without = |plan: &Self| {
            let mut plan = Self { working_tree: None, ..plan.clone() };
            plan.steps.iter_mut().chain(&mut plan.finally).for_each(|step| step.intents.clear());
            plan
        };
        without(self).must_be(&without(begun)).map_err(|problem| Problem {
            what: format!("what is here now is not what run `{run}` was begun with"),
            note: Some("nothing was changed".into()),
            hint: Some(if self.commit == begun.commit {
                "undo what was changed in `deploy.toml`, `deploy.lock` and the plugins since, or take the run back with \
                 `windlass rollback`"
                    .into()
            } else {
                format!("check out commit `{}` and resume there, or take the run back with `windlass rollback`", begun.commit)
            }),
            ..problem
        })
    }

    /// Checks that steps which are planned again mean to do nothing but what this plan, which was approved, says that they do:
    /// the same, or what is left of it. What was not known before is known only now, and was approved as that.
    ///
    /// # Errors
    /// [`Code::PlanDrifted`] with each intent that nobody has agreed to.
    pub fn must_cover(&self, again: &[PlannedStep], run: &str) -> Result<(), Problem> {
        let mut problem = Problem::new(Code::PlanDrifted, format!("run `{run}` would do what nobody has agreed to"));
        for step in again {
            let Some(then) = self.steps.iter().find(|then| then.id == step.id && !then.deferred) else { continue };
            for intent in &step.intents {
                if !then.intents.iter().any(|agreed| agreed.id == intent.id && agreed.effect == intent.effect) {
                    problem = problem
                        .because(format!("step `{}`: newly planned: {} ({})", step.id, intent.summary, intent.id));
                }
            }
        }
        if problem.causes.is_empty() {
            return Ok(());
        }
        Err(problem
            .with_note("nothing was changed")
            .with_hint("take the run back with `windlass rollback`, and have a new plan approved"))
    }

    /// What has another effect than when it was approved, under the same id: a migration whose way back is gone, for example.
    fn other_effects(&self, approved: &Self) -> Vec<String> {
        let mut differences = Vec::new();
        for (now, then) in self.steps.iter().zip(&approved.steps) {
            for (now_intent, then_intent) in now.intents.iter().zip(&then.intents) {
                if now_intent.effect != then_intent.effect {
                    differences.push(format!(
                        "step `{}`: {} was {}, and is {} now",
                        now.id,
                        then_intent.id,
                        then_intent.effect.words(),
                        now_intent.effect.words()
                    ));
                }
            }
        }
        differences
    }

    /// How this plan differs from another one in what its digest is over.
    #[must_use]
    pub fn differences(&self, approved: &Self) -> Vec<String> {
        let mut differences = Vec::new();
        let component = |plan: &Self| plan.component.clone().unwrap_or_else(|| "none".into());
        for (what, now, then) in [
            ("app", self.app.clone(), approved.app.clone()),
            ("environment", self.environment.clone(), approved.environment.clone()),
            ("component", component(self), component(approved)),
            ("commit", self.commit.clone(), approved.commit.clone()),
            ("version", self.version.clone(), approved.version.clone()),
            ("contract", self.contract.clone(), approved.contract.clone()),
        ] {
            if now != then {
                differences.push(format!("{what} was `{then}` and is `{now}`"));
            }
        }
        match (&approved.working_tree, &self.working_tree) {
            (None, Some(now)) => {
                differences.push(format!("working tree: it was as the commit has it, and is not any more in {now}"));
            }
            (Some(then), None) => {
                differences.push(format!("working tree: it differed in {then}, and is as the commit has it now"));
            }
            (Some(then), Some(now)) if then.digest != now.digest => {
                differences
                    .push(format!("working tree: it differed in {then}, and differs in another way in {now} now"));
            }
            _ => {}
        }
        for (now, then) in [(&self.steps, &approved.steps), (&self.finally, &approved.finally)] {
            for step in then {
                let Some(other) = now.iter().find(|other| other.id == step.id) else {
                    differences.push(format!("step `{}` is gone", step.id));
                    continue;
                };
                step.differences(other, &mut differences);
            }
            for step in now {
                if !then.iter().any(|other| other.id == step.id) {
                    differences.push(format!("step `{}` is new", step.id));
                }
            }
        }
        if differences.is_empty() {
            differences.push("the steps are in another order".into());
        }
        differences
    }
}

impl PlannedStep {
    fn differences(&self, now: &Self, differences: &mut Vec<String>) {
        let id = &self.id;
        if self.plugin != now.plugin || self.digest != now.digest {
            differences.push(format!(
                "step `{id}`: plugin was `{}` and is `{}`, or its bytes differ",
                self.plugin, now.plugin
            ));
        }
        if self.with != now.with {
            differences.push(format!("step `{id}`: its configuration changed"));
        }
        for (one, other, word) in [(self, now, "no longer asked for"), (now, self, "newly asked for")] {
            for capability in &one.capabilities {
                if !other.capabilities.contains(capability) {
                    differences.push(format!("step `{id}`: {word}: {capability}"));
                }
            }
            let word = if std::ptr::eq(one, self) { "no longer planned" } else { "newly planned" };
            for intent in &one.intents {
                if !other.intents.iter().any(|same| same.id == intent.id) {
                    differences.push(format!("step `{id}`: {word}: {} ({})", intent.summary, intent.id));
                }
            }
        }
        if self.deferred != now.deferred {
            differences.push(format!("step `{id}`: it is no longer known at the same time"));
        }
    }
}

/// JSON in one way only: keys sorted, no spaces. (RFC 8785 without its rules for numbers with a fraction, which no key of
/// ours has and `with` writes as it was read.)
fn canonical(value: &Value, text: &mut String) {
    match value {
        Value::Object(object) => {
            let mut keys: Vec<&String> = object.keys().collect();
            keys.sort_unstable();
            text.push('{');
            for (index, key) in keys.into_iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                let _ = write!(text, "{}:", Value::from(key.as_str()));
                canonical(&object[key], text);
            }
            text.push('}');
        }
        Value::Array(array) => {
            text.push('[');
            for (index, value) in array.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                canonical(value, text);
            }
            text.push(']');
        }
        other => {
            let _ = write!(text, "{other}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn plan() -> Plan {
        Plan {
            schema: SCHEMA.into(),
            app: "shop".into(),
            environment: "staging".into(),
            component: None,
            commit: "abc".into(),
            working_tree: None,
            withheld: None,
            proxied: vec![],
            version: "1.0.0".into(),
            contract: "0.1.0".into(),
            steps: vec![PlannedStep {
                id: "schema".into(),
                plugin: "migrate@0.1.0".into(),
                digest: "00".into(),
                with: json!({"b": 1, "a": {"d": [1, 2], "c": null}}),
                capabilities: vec![],
                intents: vec![Intent {
                    id: "0001@sha256:aa".into(),
                    summary: "apply 0001".into(),
                    detail: None,
                    effect: Effect::Changes,
                }],
                usages: vec![],
                deferred: false,
            }],
            finally: vec![],
            confinement: None,
        }
    }

    #[test]
    fn json_is_canonical() {
        let mut text = String::new();
        canonical(&json!({"b": [true, null], "a": {"z": "\"", "y": 1}}), &mut text);
        assert_eq!(text, r#"{"a":{"y":1,"z":"\""},"b":[true,null]}"#);
    }

    #[test]
    fn texts_do_not_change_the_digest_and_everything_else_does() {
        let digest = plan().digest();
        let mut same = plan();
        same.steps[0].intents[0].summary = "another text".into();
        same.steps[0].intents[0].detail = Some("more".into());
        assert_eq!(same.digest(), digest);
        let changes: [fn(&mut Plan); 9] = [
            |plan| plan.app.push('x'),
            |plan| plan.environment.push('x'),
            |plan| plan.component = Some("api".into()),
            |plan| plan.commit.push('x'),
            |plan| plan.version.push('x'),
            |plan| plan.steps[0].digest.push('x'),
            |plan| plan.steps[0].with["b"] = json!(2),
            |plan| plan.steps[0].intents[0].id.push('x'),
            |plan| {
                plan.steps[0].capabilities.push(
                    serde_json::from_value(json!({"kind": "environment", "name": "A", "phases": ["apply"]}))
                        .expect("a capability"),
                )
            },
        ];
        for (index, change) in changes.iter().enumerate() {
            let mut other = plan();
            change(&mut other);
            assert_ne!(other.digest(), digest, "change {index}");
            let problem = other.must_be(&plan()).expect_err("drift");
            assert_eq!(problem.code, Code::PlanDrifted);
            assert!(!problem.causes.is_empty());
        }
    }

    #[test]
    fn what_differs_from_the_commit_is_a_part_of_the_plan_where_anything_does() {
        let tree = |digest: &str, more: usize| WorkingTree {
            digest: digest.into(),
            files: vec!["bin/release".into(), "note".into()],
            more,
        };
        let with = |tree| Plan { working_tree: tree, ..plan() };
        let why = |now: Option<WorkingTree>, then: Option<WorkingTree>| {
            with(now).must_be(&with(then)).expect_err("drift").causes
        };
        assert_eq!(
            why(Some(tree("1", 0)), None),
            ["working tree: it was as the commit has it, and is not any more in `bin/release` and `note`"]
        );
        assert_eq!(
            why(None, Some(tree("1", 3))),
            ["working tree: it differed in `bin/release`, `note` and 3 more, and is as the commit has it now"]
        );
        assert_eq!(
            why(Some(tree("2", 0)), Some(tree("1", 0))),
            [
                "working tree: it differed in `bin/release` and `note`, and differs in another way in `bin/release` and `note` now"
            ]
        );
        // What the files are called is told, and is no part of what is compared.
        assert_eq!(with(Some(tree("1", 0))).must_be(&with(Some(tree("1", 3)))), Ok(()));
        assert_eq!(with(Some(tree("2", 0))).must_continue(&with(None), "r"), Ok(()));
    }

    #[test]
    fn what_can_no_longer_be_taken_back_is_not_what_was_approved() {
        let mut other = plan();
        other.steps[0].intents[0].effect = Effect::Irreversible;
        assert_eq!(other.digest(), plan().digest());
        let problem = other.must_be(&plan()).expect_err("drift");
        assert_eq!(problem.code, Code::PlanDrifted);
        assert_eq!(
            problem.causes,
            ["step `schema`: 0001@sha256:aa was a change that can be taken back, and is irreversible now"]
        );
    }

    #[test]
    fn what_is_planned_again_is_no_more_than_what_was_approved() {
        let mut again = plan().steps;
        assert_eq!(plan().must_cover(&again, "r"), Ok(()));
        again[0].intents.clear();
        assert_eq!(plan().must_cover(&again, "r"), Ok(()));
        let mut more = plan().steps;
        let intent = Intent { id: "0002@sha256:bb".into(), ..more[0].intents[0].clone() };
        more[0].intents.push(intent);
        let problem = plan().must_cover(&more, "r").expect_err("drift");
        assert_eq!((problem.code, problem.causes.len()), (Code::PlanDrifted, 1));
        let mut deferred = plan();
        deferred.steps[0].deferred = true;
        assert_eq!(deferred.must_cover(&more, "r"), Ok(()));
        more[0].intents.pop();
        more[0].intents[0].effect = Effect::Irreversible;
        assert!(plan().must_cover(&more, "r").is_err());
    }

    #[test]
    fn looking_is_no_change_and_not_knowing_is_one() {
        let changes = |effect| {
            let mut plan = plan();
            plan.steps[0].intents[0].effect = effect;
            plan.changes()
        };
        assert!(![Effect::Reads, Effect::Checks].into_iter().any(changes));
        assert!([Effect::Changes, Effect::Irreversible, Effect::Unknown].into_iter().all(changes));
    }
}
