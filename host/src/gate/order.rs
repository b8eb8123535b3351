//! The order of environments: whether those that come before one have what is to be deployed to it.

use crate::event::{Place, RunOutcome};
use crate::forge::deployments::{Listed, Relation, Shown, Whose};
use crate::history;
use crate::journal::Store;
use crate::problem::{Code, Problem};
use std::collections::HashMap;

/// A place that has to have the commit before another environment may have it.
#[derive(Debug, Clone, Copy)]
pub struct Before<'a> {
    /// The place.
    pub place: &'a Place,
    /// The environment that comes after it.
    pub then: &'a str,
    /// The commit that is to be deployed there.
    pub commit: &'a str,
}

impl Before<'_> {
    /// By the journals of this project, where there is no forge.
    ///
    /// # Errors
    /// [`Code::EnvironmentOrder`].
    pub fn by_journals(self, journals: &dyn Store) -> Result<(), Problem> {
        let Self { place, .. } = self;
        for run in history::runs_in(journals, place)? {
            let run = run?;
            match run.outcome {
                None => {
                    return Err(self.blocked(format!(
                        "run `{}` in `{}` has not ended, or was cut off: `windlass status {}` says which",
                        run.run,
                        place.environment,
                        place.options()
                    )));
                }
                Some(RunOutcome::Succeeded) => return self.is_commit(&run.subject.commit),
                Some(_) => {}
            }
        }
        Err(self.nothing())
    }

    /// By what a forge lists of the deployments there, newest first, down to the newest that succeeded.
    ///
    /// # Errors
    /// [`Code::EnvironmentOrder`].
    pub fn by_forge(self, listed: &[Listed]) -> Result<(), Problem> {
        for Listed { id, commit, shown, relation } in listed {
            match (shown, relation) {
                (Shown::Waiting | Shown::Ended, _) => {}
                // Whichever component it is of, it says nothing against this commit.
                (Shown::Live | Shown::Retired, Relation::Perhaps) if is_same(commit, self.commit) => {}
                (Shown::Live | Shown::Retired | Shown::Running, Relation::Perhaps) => return Err(self.cannot_tell(id)),
                (Shown::Live | Shown::Retired, _) => return self.is_commit(commit),
                (Shown::Running, _) => {
                    return Err(self.blocked(format!(
                        "deployment {id} to `{}`, of commit `{}`, has not ended, or was cut off",
                        self.place.environment,
                        crate::words::short(commit)
                    )));
                }
                (Shown::Other(word), _) => {
                    return Err(self.blocked(format!(
                        "deployment {id} to `{}` is `{word}`, and this version of Windlass does not know what that means",
                        self.place.environment
                    )));
                }
            }
        }
        match listed.iter().find(|it| it.relation == Relation::Perhaps && it.shown.has_succeeded()) {
            Some(doubtful) => Err(self.cannot_tell(&doubtful.id)),
            None => Err(self.nothing()),
        }
    }

    fn is_commit(self, commit: &str) -> Result<(), Problem> {
        if is_same(commit, self.commit) {
            return Ok(());
        }
        Err(self.blocked(format!(
            "its newest successful deployment is of commit `{}`, and this is `{}`",
            crate::words::short(commit),
            crate::words::short(self.commit)
        )))
    }

    fn nothing(self) -> Problem {
        self.blocked(format!("nothing was deployed to `{}` yet", self.place.environment))
    }

    fn cannot_tell(self, id: &str) -> Problem {
        let component = self.place.component.as_deref().unwrap_or_default();
        self.blocked(format!("nobody can tell whether deployment {id} there is one of component `{component}`"))
            .because("the forge keeps no word of it, and neither does a journal here")
            .with_hint("keep journals on the forge, or `.windlass` from job to job: they say which component each deployment is of")
    }

    fn blocked(self, why: String) -> Problem {
        let Self { place, then, .. } = self;
        Problem::new(Code::EnvironmentOrder, format!("`{then}` comes after `{}`", place.environment))
            .because(why)
            .with_note("nothing was run")
            .with_hint(format!("run `windlass run {}` first", place.options()))
    }
}

/// A commit that somebody passed may be shortened.
fn is_same(one: &str, other: &str) -> bool {
    !one.is_empty() && (one.starts_with(other) || other.starts_with(one))
}

/// What is known of where deployments belong.
#[derive(Debug, Clone, Copy)]
pub struct Whereabouts<'a> {
    /// The place that is looked for.
    pub place: &'a Place,
    /// Whether the app has components. Without them a deployment that says nothing is of the whole.
    pub has_components: bool,
    /// Whether every deployment of ours says whose it is, so that one that does not is none.
    pub says: bool,
    /// The components of deployments, by their ids, as the journals know them.
    pub known: &'a HashMap<String, Option<String>>,
}

impl Whereabouts<'_> {
    /// How a deployment relates to the place.
    #[must_use]
    pub fn relate(&self, id: &str, whose: &Whose) -> Relation {
        let Place { app: this_app, component: this, .. } = self.place;
        let same = |is_same: bool| if is_same { Relation::Same } else { Relation::Other };
        match (whose, self.known.get(id)) {
            (Whose::Ours { app, component }, _) => same(app == this_app && component == this),
            (Whose::Unsaid, Some(component)) => same(component == this),
            (Whose::Unsaid, None) if !self.has_components => Relation::Same,
            (Whose::Unsaid, None) if self.says => Relation::Other,
            (Whose::Unsaid, None) => Relation::Perhaps,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMIT: &str = "a84d88e7554fc1fa21bcbc4efae3c782a70d2b9d";
    const OLD: &str = "00000000554fc1fa21bcbc4efae3c782a70d2b9d";

    fn place(component: Option<&str>) -> Place {
        Place { app: "shop".into(), environment: "staging".into(), component: component.map(str::to_owned) }
    }

    fn listed(all: &[(&str, Shown, Relation)]) -> Vec<Listed> {
        let ids = (1..).map(|id: u32| (100 - id).to_string());
        all.iter()
            .zip(ids)
            .map(|((commit, shown, relation), id)| Listed {
                id,
                commit: (*commit).to_owned(),
                shown: shown.clone(),
                relation: *relation,
            })
            .collect()
    }

    /// Why not, in its first cause.
    fn why(component: Option<&str>, commit: &str, all: &[(&str, Shown, Relation)]) -> Option<String> {
        let place = place(component);
        let before = Before { place: &place, then: "production", commit };
        let problem = before.by_forge(&listed(all)).err()?;
        assert_eq!(problem.code, Code::EnvironmentOrder);
        assert_eq!(problem.what, "`production` comes after `staging`");
        problem.causes.into_iter().next()
    }

    #[test]
    fn the_newest_that_succeeded_has_to_be_this_commit_and_none_newer_may_run() {
        use Relation::Same;
        use Shown::{Ended, Live, Other, Retired, Running, Waiting};
        let says = |all: &[(&str, Shown, Relation)]| why(None, COMMIT, all);
        assert_eq!(says(&[(COMMIT, Live, Same)]), None);
        assert_eq!(says(&[(COMMIT, Retired, Same)]), None, "it was stopped since");
        assert_eq!(says(&[(OLD, Ended, Same), (OLD, Waiting, Same), (COMMIT, Live, Same)]), None);
        assert_eq!(why(None, &COMMIT[..7], &[(COMMIT, Live, Same)]), None);
        let other = "its newest successful deployment is of commit `0000000055`, and this is `a84d88e755`";
        assert_eq!(says(&[(OLD, Live, Same), (COMMIT, Retired, Same)]).as_deref(), Some(other));
        assert_eq!(says(&[(COMMIT, Ended, Same), (OLD, Live, Same)]).as_deref(), Some(other));
        assert_eq!(
            says(&[(OLD, Running, Same), (COMMIT, Live, Same)]).as_deref(),
            Some("deployment 99 to `staging`, of commit `0000000055`, has not ended, or was cut off")
        );
        let nothing = "nothing was deployed to `staging` yet";
        assert_eq!(says(&[]).as_deref(), Some(nothing));
        assert_eq!(says(&[(COMMIT, Ended, Same), (COMMIT, Waiting, Same)]).as_deref(), Some(nothing));
        assert!(says(&[(COMMIT, Other("paused".into()), Same), (COMMIT, Live, Same)]).unwrap().contains("is `paused`"));
    }

    #[test]
    fn what_cannot_be_told_apart_blocks_unless_it_makes_no_difference() {
        use Relation::{Perhaps, Same};
        use Shown::{Ended, Live, Running, Waiting};
        let says = |all: &[(&str, Shown, Relation)]| why(Some("backend"), COMMIT, all);
        let doubt = "nobody can tell whether deployment 99 there is one of component `backend`";
        assert_eq!(says(&[(COMMIT, Live, Perhaps), (COMMIT, Live, Same)]), None);
        assert_eq!(says(&[(OLD, Ended, Perhaps), (OLD, Waiting, Perhaps), (COMMIT, Live, Same)]), None);
        assert_eq!(says(&[(OLD, Live, Perhaps), (COMMIT, Live, Same)]).as_deref(), Some(doubt));
        assert_eq!(says(&[(COMMIT, Running, Perhaps), (COMMIT, Live, Same)]).as_deref(), Some(doubt));
        assert_eq!(says(&[(COMMIT, Live, Perhaps)]).as_deref(), Some(doubt), "it is no proof either");
    }

    #[test]
    fn a_deployment_is_of_the_place_that_it_says_or_a_journal_knows() {
        let ours = |app: &str, component: Option<&str>| Whose::Ours {
            app: app.into(),
            component: component.map(str::to_owned),
        };
        let known = HashMap::from([("7".to_owned(), Some("backend".to_owned())), ("8".to_owned(), None)]);
        let relate = |component: Option<&str>, has_components, says, id: &str, whose: &Whose| {
            let place = place(component);
            Whereabouts { place: &place, has_components, says, known: &known }.relate(id, whose)
        };
        use Relation::{Other, Perhaps, Same};
        for (component, has_components, says, id, whose, expected) in [
            (None, false, true, "1", ours("shop", None), Same),
            (None, false, true, "1", ours("blog", None), Other),
            (None, true, true, "1", ours("shop", Some("backend")), Other),
            (Some("backend"), true, true, "1", ours("shop", Some("backend")), Same),
            (Some("backend"), true, true, "1", ours("shop", Some("frontend")), Other),
            // What somebody else made counts for the whole.
            (None, false, true, "1", Whose::Unsaid, Same),
            (None, false, false, "1", Whose::Unsaid, Same),
            // With components only what says its own, or is known.
            (Some("backend"), true, true, "1", Whose::Unsaid, Other),
            (Some("backend"), true, false, "1", Whose::Unsaid, Perhaps),
            (Some("backend"), true, false, "7", Whose::Unsaid, Same),
            (Some("backend"), true, false, "8", Whose::Unsaid, Other),
            (None, true, false, "8", Whose::Unsaid, Same),
        ] {
            assert_eq!(relate(component, has_components, says, id, &whose), expected, "{component:?} {id} {whose:?}");
        }
    }
}
