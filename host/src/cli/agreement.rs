//! What people have to agree to before a run begins: asking for it, and finding out whether they have.

use super::project::Project;
use crate::approval::{self, Case, Local, Request, SCHEMA, Standing, Where};
use crate::config::{Approval, Environment};
use crate::event::{Approver, Subject};
use crate::forge::Forge;
use crate::history::PastRun;
use crate::plan::{Origin, Plan, PlanFile};
use crate::problem::{Code, Problem};
use crate::report;
use crate::{gate, journal};

/// A plan that somebody wants to run.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) project: &'a Project,
    pub(super) environment: &'a Environment,
    pub(super) forge: &'a Forge,
    pub(super) subject: &'a Subject,
    /// As it is now.
    pub(super) plan: &'a Plan,
    /// The one that an earlier job made.
    pub(super) file: Option<&'a PlanFile>,
}

/// Ask, where somebody has to agree and there is no forge that asks by itself.
///
/// # Errors
/// [`Code::ApprovalMissing`] where that cannot be written down.
pub(super) fn ask(asked: Asked<'_>) -> Result<(), Problem> {
    match (&asked.environment.approval, asked.forge) {
        (Some(rule), Forge::Local) if !asked.plan.is_incomplete() => {
            Local::of(&asked.project.directory).ask(&asked.request(journal::now()), rule)
        }
        _ => Ok(()),
    }
}

/// Who agreed to a plan; none where nobody has to.
///
/// # Errors
/// [`Code::ApprovalMissing`], [`Code::ApprovalRejected`], and [`Code::ForgeRefused`] where the forge does not say who did.
pub(super) async fn demand(asked: Asked<'_>) -> Result<Option<Vec<Approver>>, Problem> {
    let Some(rule) = &asked.environment.approval else { return Ok(None) };
    let case = async {
        asked.is_whole()?;
        match asked.forge {
            Forge::Local => asked.here(),
            Forge::GitHub(_) => asked.on_forge(Where::GitHub).await,
            Forge::GitLab(_) => asked.on_forge(Where::GitLab).await,
        }
    };
    let agreed = case.await.and_then(|case| asked.answer(rule, &case));
    let place = || asked.project.config.place_of_environment(asked.environment, "approval");
    agreed.map(Some).map_err(|problem| problem.at(place()))
}

/// What is missing for a plan that is being made to be run, as far as people go. At a forge's gate nobody has seen it yet.
pub(super) fn outlook(asked: Asked<'_>) -> Option<Problem> {
    let rule = asked.environment.approval.as_ref()?;
    let case = asked.is_whole().and_then(|()| match asked.forge {
        Forge::Local => asked.here(),
        Forge::GitHub(_) => Ok(asked.unasked(Where::GitHub)),
        Forge::GitLab(_) => Ok(asked.unasked(Where::GitLab)),
    });
    case.and_then(|case| asked.answer(rule, &case)).err()
}

impl Asked<'_> {
    fn request(&self, at: String) -> Request {
        Request {
            schema: SCHEMA.to_owned(),
            digest: self.plan.digest(),
            subject: self.subject.clone(),
            at,
            plan: (&PlanFile::new(self.plan.clone(), None).to_json()).into(),
        }
    }

    /// That the plan says all that would be done.
    fn is_whole(&self) -> Result<(), Problem> {
        if !self.plan.is_incomplete() {
            return Ok(());
        }
        Err(Problem::new(Code::ApprovalMissing, "nobody can agree to this plan")
            .because("something in it could not be found out, so it does not say what would be done")
            .with_note("nothing was run")
            .with_hint("plan where everything can be reached, for example with the database's secret"))
    }

    fn here(&self) -> Result<Case, Problem> {
        let asked = Local::of(&self.project.directory).case(&self.plan.digest())?;
        Ok(asked.unwrap_or_else(|| self.unasked(Where::Nowhere)))
    }

    /// As if nobody had said anything.
    fn unasked(&self, at: Where) -> Case {
        let request = self.request(journal::now());
        let askers = request.subject.actor.iter().cloned().collect();
        Case { request, at, askers, decisions: Vec::new(), newer: None }
    }

    /// Who agreed to it. Where they agreed to another plan here, in what that differs is said.
    fn answer(&self, rule: &Approval, case: &Case) -> Result<Vec<Approver>, Problem> {
        let agreed = gate::approval(rule, case);
        let is_missing = matches!(&agreed, Err(problem) if problem.code == Code::ApprovalMissing);
        if !is_missing || !matches!(self.forge, Forge::Local) {
            return agreed;
        }
        let (cases, _) = Local::of(&self.project.directory).cases().unwrap_or_default();
        let approved = cases.iter().rev().find(|other| {
            let Request { digest, subject, .. } = &other.request;
            let is_here = *digest != case.request.digest && subject.place() == self.subject.place();
            is_here && matches!(other.standing(rule), Standing::Approved(_))
        });
        let Some(approved) = approved else { return agreed };
        let short = approval::short(&approved.request.digest);
        let Ok(then) = PlanFile::read("what was approved", approved.request.plan.text()) else { return agreed };
        let differences = self.plan.differences(&then.plan);
        let more = if differences.len() > 1 { format!(", and {} more", differences.len() - 1) } else { String::new() };
        let first = differences.first().map(String::as_str).unwrap_or_default();
        agreed.map_err(|problem| {
            problem.because(format!("`{short}`, which was approved, is another plan: {first}{more}"))
        })
    }

    /// What people have said at the forge's own gate since the plan was there.
    async fn on_forge(&self, at: Where) -> Result<Case, Problem> {
        let Some(rule) = &self.environment.approval else {
            return Err(Problem::new(Code::Bug, "an approval was looked for that nobody demands"));
        };
        let name = self.environment.name.as_str();
        let demanded = |cause: &str| {
            Problem::new(Code::ApprovalMissing, format!("environment `{name}` demands an approval of this plan"))
                .because(cause)
                .with_note("nothing was run")
        };
        let Some(run) = self.project.facts.run.as_ref().filter(|run| run.forge == self.forge.name()) else {
            return Err(demanded("this is no job of a CI run there, so nobody can have let it begin")
                .with_hint("run it in a job, or with `--forge local`"));
        };
        let Some(origin) = self.file.and_then(|file| file.ci.as_ref()) else {
            return Err(demanded("whoever let this job begin was shown no plan of this CI run").with_hint(format!(
                "`windlass plan -e {name} -o FILE` in a job before this one, hand the file on, and `windlass run --plan FILE` here"
            )));
        };
        let Some(decided) = &origin.decided else {
            return Err(demanded("it is not known what had been said before the plan was made, so it may be for another one")
                .with_hint(match at {
                    Where::GitHub => "give the job that plans `permissions: actions: read` and the step `env: GITHUB_TOKEN: ${{ github.token }}`",
                    _ => "see what the job that plans says of it, and run it again",
                }));
        };
        if run.is_repeated && self.forge.has_deployed(name, &self.subject.commit).await? {
            return Err(demanded("this CI run has deployed here already, and what was agreed to in it is done")
                .with_hint("run all of its jobs again: then it is planned anew, and that plan is asked for"));
        }
        let said = self.forge.decisions(name, rule, false).await?;
        let mut askers = origin.starters.clone();
        // A plan is a file that an earlier job wrote: who asks the forge says, too.
        askers.extend(said.starters);
        // On GitLab whoever starts a job that waited is often the approver; on GitHub whoever repeats a run is not.
        if at == Where::GitHub {
            askers.extend(self.project.facts.starters.iter().cloned());
        }
        Ok(Case {
            request: self.request(origin.at.clone()),
            at,
            askers,
            decisions: approval::since(said.decisions, decided),
            newer: None,
        })
    }
}

/// The CI run that a plan is made in, with what had been said at the environment's gate before there was the plan. That this
/// cannot be read is said, and keeps nobody from planning.
pub(super) async fn origin(project: &Project, environment: &Environment) -> Option<Origin> {
    let run = project.facts.run.as_ref()?;
    let decided = match &environment.approval {
        None => None,
        Some(rule) => {
            let said = async {
                let forge = project.forge()?;
                if forge.name() != run.forge {
                    return Err(Problem::new(Code::Usage, "it is not known what has been said to this CI run so far")
                        .because(format!("it is one of {}, and `--forge {}` is given", run.forge, forge.name()))
                        .with_hint("leave `--forge` out"));
                }
                forge.decisions(environment.name.as_str(), rule, true).await
            };
            said.await
                .map(|said| said.decisions)
                .map_err(|problem| {
                    let problem = problem.with_note("no approval can be given to this plan");
                    report::tell(&[problem]);
                })
                .ok()
        }
    };
    Some(Origin {
        forge: run.forge.to_owned(),
        run: run.id.clone(),
        starters: project.facts.starters.clone(),
        at: journal::now(),
        decided,
    })
}

/// Whether a run that was begun may go on: it was agreed to then. What `resume` plans again has to be a part of it.
///
/// # Errors
/// [`Code::ApprovalMissing`].
pub(super) fn holds(project: &Project, environment: &Environment, past: &PastRun) -> Result<(), Problem> {
    if environment.approval.is_none() {
        return Ok(());
    }
    // Whoever may write to where journals are kept may have written that somebody agreed.
    if past.approved && project.journals.was_fetched(&past.run) {
        return Err(Problem::new(
            Code::ApprovalMissing,
            format!("environment `{}` demands an approval", environment.name),
        )
        .because(format!(
            "that run `{}` was approved stands only in a journal that came from another machine",
            past.run
        ))
        .with_note("nothing was changed")
        .with_hint("begin again with `windlass run`, which asks for it, or take the run back with `windlass rollback`")
        .at(project.config.place_of_environment(environment, "approval")));
    }
    if past.approved {
        return Ok(());
    }
    Err(Problem::new(Code::ApprovalMissing, format!("environment `{}` demands an approval", environment.name))
        .because(format!("run `{}` was begun without one", past.run))
        .with_note("nothing was changed")
        .with_hint("begin again with `windlass run`, which asks for it, or take the run back with `windlass rollback`")
        .at(project.config.place_of_environment(environment, "approval")))
}

/// What was agreed to here is done, and has to be agreed to once more before it is done again. A forge asks by itself.
pub(super) fn settle(project: &Project, plan: &str) {
    if let Err(problem) = Local::of(&project.directory).forget(plan) {
        report::tell(&[problem]);
    }
}
