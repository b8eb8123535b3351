//! A plan as a file, which an earlier job of a CI run makes, people agree to, and a later job of the same run does.

use super::{Plan, SCHEMA};
use crate::approval::Decision;
use crate::ci;
use crate::problem::{Code, Problem};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A plan as a file: the plan, its digest, and where it was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PlanFile {
    /// The plan's digest, `sha256:…`.
    pub digest: String,
    /// Whether something could not be found out, so that nobody can agree to it.
    #[serde(default)]
    pub incomplete: bool,
    /// The CI run that it was made in; none outside one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ci: Option<Origin>,
    /// The plan.
    pub plan: Plan,
}

/// The CI run that a plan was made in. No part of what is agreed to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Origin {
    /// `github` or `gitlab`.
    pub forge: String,
    /// The run's number there.
    pub run: String,
    /// Who started it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub starters: Vec<String>,
    /// When the plan was made, as RFC 3339 in UTC.
    pub at: String,
    /// What had been said at the environment's gate before there was this plan, so that it is not for this plan. None where
    /// that could not be read, or nobody has to agree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided: Option<Vec<Decision>>,
}

impl PlanFile {
    /// The plan in a file, with where it was made.
    #[must_use]
    pub fn new(plan: Plan, ci: Option<Origin>) -> Self {
        Self { digest: plan.digest(), incomplete: plan.is_incomplete(), ci, plan }
    }

    /// As JSON.
    #[must_use]
    pub fn to_json(&self) -> Value {
        // Strings, lists and tables: there is nothing in it that JSON cannot say.
        serde_json::to_value(self).unwrap_or_default()
    }

    /// Reads a file. `name` is what errors call it.
    ///
    /// # Errors
    /// [`Code::PlanInvalid`], also where the digest is not the plan's.
    pub fn read(name: &str, text: &str) -> Result<Self, Problem> {
        let invalid = |cause: String| {
            Problem::new(Code::PlanInvalid, format!("`{name}` is not a plan"))
                .because(cause)
                .with_note("nothing was run")
                .with_hint("make one with `windlass plan -o FILE`")
        };
        let file: Self = serde_json::from_str(text).map_err(|error| invalid(error.to_string()))?;
        if file.plan.schema != SCHEMA {
            return Err(invalid(format!("it has schema `{}`, and this Windlass knows `{SCHEMA}`", file.plan.schema)));
        }
        let digest = file.plan.digest();
        if digest != file.digest {
            return Err(invalid(format!("it says its digest is `{}`, but it is `{digest}`", file.digest)));
        }
        Ok(Self { incomplete: file.plan.is_incomplete(), ..file })
    }

    /// Checks that the plan was made in the CI run that is going on, so that whoever lets this run's jobs deploy has seen it.
    /// Outside a CI that numbers its runs there is nothing to compare.
    ///
    /// # Errors
    /// [`Code::PlanDrifted`].
    pub fn must_be_of(&self, now: Option<&ci::Run>) -> Result<(), Problem> {
        let Some(now) = now else { return Ok(()) };
        let cause = match &self.ci {
            Some(made) if made.forge == now.forge && made.run == now.id => return Ok(()),
            Some(made) if made.forge == now.forge => {
                format!("it was made in run `{}`, and this is run `{}`", made.run, now.id)
            }
            Some(made) => format!("it was made on {}, and this is run `{}` on {}", made.forge, now.id, now.forge),
            None => format!("it was made outside of CI, and this is run `{}`", now.id),
        };
        Err(Problem::new(Code::PlanDrifted, "the plan is not of this CI run")
            .because(cause)
            .with_note("nothing was run")
            .with_hint("plan in a job of this run, with `windlass plan -o FILE`, and hand that file on"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(ci: Option<Origin>) -> PlanFile {
        PlanFile::new(super::super::tests::plan(), ci)
    }

    fn made_in(forge: &str, run: &str) -> Origin {
        Origin {
            forge: forge.into(),
            run: run.into(),
            starters: vec!["ada".into()],
            at: "2026-11-28T10:00:00Z".into(),
            decided: None,
        }
    }

    #[test]
    fn a_plan_survives_its_file_and_a_changed_one_does_not() {
        let file = file(Some(made_in("github", "7")));
        let text = file.to_json().to_string();
        assert_eq!(PlanFile::read("plan.json", &text).expect("a plan"), file);
        assert!(PlanFile::read("plan.json", &text.replace("\"shop\"", "\"shop2\"")).is_err());
        // Whether it is incomplete is read from the plan, not from what the file says of it.
        assert!(
            !PlanFile::read("plan.json", &text.replace("\"incomplete\":false", "\"incomplete\":true"))
                .expect("a plan")
                .incomplete
        );
    }

    #[test]
    fn a_plan_is_of_one_ci_run() {
        let now = ci::Run { forge: "github", id: "7".into(), is_repeated: false };
        let of =
            |file: PlanFile| file.must_be_of(Some(&now)).map_err(|problem| (problem.code, problem.causes.concat()));
        assert_eq!(of(file(Some(made_in("github", "7")))), Ok(()));
        for (ci, cause) in [
            (Some(made_in("github", "6")), "it was made in run `6`, and this is run `7`"),
            (Some(made_in("gitlab", "7")), "it was made on gitlab, and this is run `7` on github"),
            (None, "it was made outside of CI, and this is run `7`"),
        ] {
            assert_eq!(of(file(ci)), Err((Code::PlanDrifted, cause.to_owned())));
        }
        assert_eq!(file(Some(made_in("github", "6"))).must_be_of(None), Ok(()));
    }
}
