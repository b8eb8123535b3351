//! Whether a run may begin: the order of environments, and approval. That nobody else deploys the same thing is
//! [`crate::lease`]'s.

use crate::config::{Config, Environment};
use crate::event::{Place, RunOutcome};
use crate::history;
use crate::journal::Store;
use crate::problem::{Code, Problem};

/// What this version does not do is refused, never left out silently.
///
/// # Errors
/// [`Code::ApprovalMissing`].
pub fn approval(config: &Config, environment: &Environment) -> Result<(), Problem> {
    if environment.approval.is_none() {
        return Ok(());
    }
    Err(Problem::new(Code::ApprovalMissing, format!("environment `{}` demands an approval", environment.name))
        .because("this version of Windlass cannot ask for one, and does not deploy without it")
        .with_note("nothing was run")
        .with_hint("let the forge's own environment protection ask for it, and take `approval` out")
        .at(config.place_of_environment(environment, "approval")))
}

/// Whether the environments that come before this one have this commit.
///
/// # Errors
/// [`Code::EnvironmentOrder`].
pub fn order(
    journals: &dyn Store,
    config: &Config,
    environment: &Environment,
    component: Option<&str>,
    commit: &str,
) -> Result<(), Problem> {
    for before in &environment.after {
        let blocked = |what: String| {
            Err(Problem::new(Code::EnvironmentOrder, format!("`{}` comes after `{before}`", environment.name))
                .because(what)
                .with_note("nothing was run")
                .with_hint(format!("run `windlass run -e {before}` first")))
        };
        let mut newest = None;
        let place = Place {
            app: config.app.as_str().to_owned(),
            environment: before.as_str().to_owned(),
            component: component.map(str::to_owned),
        };
        for run in history::runs_in(journals, &place)? {
            let run = run?;
            match run.outcome {
                None => {
                    return blocked(format!(
                        "run `{}` in `{before}` has not ended, or was cut off: `windlass status {}` says which",
                        run.run,
                        place.options()
                    ));
                }
                Some(RunOutcome::Succeeded) => {
                    newest = Some(run);
                    break;
                }
                Some(_) => {}
            }
        }
        match newest {
            None => return blocked(format!("nothing was deployed to `{before}` yet")),
            Some(run) if run.subject.commit != commit => {
                return blocked(format!(
                    "its newest successful deployment is of commit `{}`, and this is `{}`",
                    crate::words::short(&run.subject.commit),
                    crate::words::short(commit)
                ));
            }
            Some(_) => {}
        }
    }
    Ok(())
}
