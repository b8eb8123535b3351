//! `approvals`, `approve` and `reject`, and what a run asks for before it begins.

use super::arguments::{Answer as AnswerArguments, Approvals, Common, Format};
use super::project::Project;
use super::{Failed, print, say};
use crate::approval::{self, Answer, Case, Decision, Local, Request, SCHEMA, Standing};
use crate::config::{self, Approval, Environment};
use crate::event::{Approver, Subject};
use crate::forge::Forge;
use crate::history::PastRun;
use crate::plan::Plan;
use crate::problem::{Code, Exit, Problem};
use crate::report::{self, Style};
use crate::{gate, journal};
use serde_json::json;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

/// How often it is looked whether somebody has said something.
const LOOK: Duration = Duration::from_millis(500);

/// Who agreed to a plan; none where nobody has to. What is asked for the first time is written down, unless `dry`.
///
/// # Errors
/// [`Code::ApprovalMissing`], [`Code::ApprovalRejected`].
pub(super) fn demand(
    project: &Project,
    environment: &Environment,
    forge: &Forge,
    subject: &Subject,
    plan: &Plan,
    dry: bool,
) -> Result<Option<Vec<Approver>>, Problem> {
    let Some(rule) = &environment.approval else { return Ok(None) };
    let place = || project.config.place_of_environment(environment, "approval");
    is_here(forge, environment).map_err(|problem| problem.at(place()))?;
    if plan.is_incomplete() {
        return Err(Problem::new(Code::ApprovalMissing, "nobody can agree to this plan")
            .because("something in it could not be found out, so it does not say what would be done")
            .with_note("nothing was run")
            .with_hint("plan where everything can be reached, for example with the database's secret"));
    }
    let request = Request {
        schema: SCHEMA.to_owned(),
        digest: plan.digest(),
        subject: subject.clone(),
        at: journal::now(),
        plan: (&plan.to_file()).into(),
    };
    let local = Local::of(&project.directory);
    if !dry {
        local.ask(&request)?;
    }
    let asked = local.cases()?.into_iter().find(|case| case.request.digest == request.digest);
    let case = asked.unwrap_or(Case { request, decisions: Vec::new() });
    gate::approval(rule, &case).map(Some).map_err(|problem| problem.at(place()))
}

/// What this version does not do is refused, never left out silently.
fn is_here(forge: &Forge, environment: &Environment) -> Result<(), Problem> {
    if matches!(forge, Forge::Local) {
        return Ok(());
    }
    Err(Problem::new(Code::ApprovalMissing, format!("environment `{}` demands an approval", environment.name))
        .because(format!(
            "this version of Windlass cannot ask for one on {}, and does not deploy without it",
            forge.name()
        ))
        .with_note("nothing was run")
        .with_hint("let the forge's own environment protection ask for it, and take `approval` out"))
}

/// Whether a run that was begun may go on: it was agreed to then. What `resume` plans again is not held against that: its
/// intents may be others.
///
/// # Errors
/// [`Code::ApprovalMissing`].
pub(super) fn holds(project: &Project, environment: &Environment, past: &PastRun) -> Result<(), Problem> {
    if environment.approval.is_none() || past.approved {
        return Ok(());
    }
    Err(Problem::new(Code::ApprovalMissing, format!("environment `{}` demands an approval", environment.name))
        .because(format!("run `{}` was begun without one", past.run))
        .with_note("nothing was changed")
        .with_hint("begin again with `windlass run`, which asks for it, or take the run back with `windlass rollback`")
        .at(project.config.place_of_environment(environment, "approval")))
}

/// What was agreed to is done, and has to be agreed to once more before it is done again.
pub(super) fn settle(project: &Project, plan: &str) {
    if let Err(problem) = Local::of(&project.directory).forget(plan) {
        say(&report::problem(&problem, Style::of_stderr()));
    }
}

/// A case of an environment that demands approvals.
struct Waiting<'a> {
    case: Case,
    rule: &'a Approval,
}

/// What is asked in the environments that are looked at.
fn waiting<'a>(project: &'a Project, common: &Common) -> Result<Vec<Waiting<'a>>, Problem> {
    if let Some(name) = &common.environment {
        project.config.environment(Some(name))?;
    }
    let cases = Local::of(&project.directory).cases()?;
    let of = |case: Case| {
        let subject = &case.request.subject;
        let environment = project.config.environments.iter().find(|it| it.name.as_str() == subject.environment)?;
        let rule = environment.approval.as_ref().filter(|_| common.covers(&subject.place()))?;
        Some(Waiting { rule, case })
    };
    Ok(cases.into_iter().filter_map(of).collect())
}

impl Waiting<'_> {
    fn plan(&self) -> Option<Plan> {
        Plan::from_file("what is asked", self.case.request.plan.text()).ok()
    }

    fn as_json(&self) -> serde_json::Value {
        let Request { digest, subject, at, .. } = &self.case.request;
        let standing = self.case.standing(self.rule);
        let (state, approved, ignored) = match &standing {
            Standing::Approved(by) => ("approved", by.clone(), vec![]),
            Standing::Rejected(_) => ("rejected", vec![], vec![]),
            Standing::Waiting { approved, ignored } => ("waiting", approved.clone(), ignored.clone()),
        };
        let ignored: Vec<_> = ignored.iter().map(|(decision, why)| json!({ "by": decision.by, "why": why })).collect();
        let rejected = if let Standing::Rejected(decision) = &standing { Some(decision) } else { None };
        json!({
            "digest": digest, "environment": subject.environment, "component": subject.component,
            "version": subject.version, "commit": subject.commit, "asked_by": subject.actor, "asked_at": at,
            "state": state, "required": self.rule.required, "approved": approved, "rejected": rejected,
            "ignored": ignored, "summary": self.plan().map(|plan| report::plan_summary(&plan)),
        })
    }

    fn write(&self, text: &mut String) {
        let Request { digest, subject, at, .. } = &self.case.request;
        let who = subject.actor.as_deref().unwrap_or("somebody");
        let _ = writeln!(text, "{}  asked for by {who} at {at}", approval::short(digest));
        if let Some(plan) = self.plan() {
            let shown = report::plan(&plan, false, Style::of_stdout());
            for line in shown.lines() {
                let _ = writeln!(text, "  {line}");
            }
        }
        match self.case.standing(self.rule) {
            Standing::Approved(by) => {
                let names = config::listing(by.iter().map(|it| &it.by), "and");
                let _ = writeln!(text, "  approved by {names}: `windlass run {}` does it", subject.place().options());
            }
            Standing::Rejected(by) => {
                let comment = by.comment.map(|comment| format!(": {comment}")).unwrap_or_default();
                let _ = writeln!(text, "  rejected by `{}`{comment}", by.by);
            }
            Standing::Waiting { approved, ignored } => {
                let _ = writeln!(text, "  {} of {} people have approved it", approved.len(), self.rule.required);
                for (decision, why) in ignored {
                    let _ = writeln!(text, "  what `{}` said does not count: {why}", decision.by);
                }
            }
        }
    }

    fn is_open(&self) -> bool {
        matches!(self.case.standing(self.rule), Standing::Waiting { .. })
    }
}

/// `windlass approvals`
pub(super) async fn approvals(common: &Common, arguments: &Approvals) -> Result<(), Failed> {
    let project = Project::load(common)?;
    let all = if arguments.wait { wait(&project, common, arguments).await? } else { waiting(&project, common)? };
    match common.format {
        Format::Json => {
            print(&format!("{}\n", serde_json::Value::from(all.iter().map(Waiting::as_json).collect::<Vec<_>>())));
        }
        Format::Human if all.is_empty() => say("nothing waits for an approval\n"),
        Format::Human => {
            let mut text = String::new();
            all.iter().for_each(|one| one.write(&mut text));
            print(&text);
        }
    }
    let is_approved = |one: &Waiting<'_>| matches!(one.case.standing(one.rule), Standing::Approved(_));
    if arguments.wait && !all.iter().all(is_approved) { Err(Failed::Said(Exit::Blocked)) } else { Ok(()) }
}

/// Wait until nothing is open any more, as long as that may take. No lease is held meanwhile.
async fn wait<'a>(project: &'a Project, common: &Common, arguments: &Approvals) -> Result<Vec<Waiting<'a>>, Problem> {
    let deadline = Instant::now() + arguments.timeout.get();
    let mut said = false;
    loop {
        let all = waiting(project, common)?;
        let open = all.iter().filter(|one| one.is_open()).count();
        if open == 0 {
            return Ok(all);
        }
        if !std::mem::replace(&mut said, true) {
            say(&format!("waiting up to {} for {open} to be decided on\n", arguments.timeout));
        }
        if Instant::now() >= deadline {
            say("nobody has decided in time\n");
            return Ok(all);
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// `windlass approve` and `windlass reject`
pub(super) fn decide(common: &Common, arguments: &AnswerArguments, answer: Answer) -> Result<(), Failed> {
    let project = Project::load(common)?;
    let all = waiting(&project, common)?;
    let one = chosen(&all, arguments.digest.as_deref())?;
    let by = arguments.by.clone().or_else(|| project.actor()).map(|name| name.trim().to_owned());
    let by = by.filter(|name| !name.is_empty());
    let Some(by) = by else {
        return Err(Problem::new(Code::Usage, "it is not known who you are")
            .with_note("nothing was changed")
            .with_hint("say your name with `--by NAME`")
            .into());
    };
    let decision = Decision { answer, by, at: journal::now(), comment: arguments.comment.clone() };
    if let Some(why) = one.case.why_not(one.rule, &decision) {
        return Err(Problem::new(Code::ApprovalMissing, format!("what `{}` says would not count", decision.by))
            .because(why)
            .with_note("nothing was changed")
            .with_hint("let somebody say it who may, or say what is missing with `--comment`")
            .into());
    }
    Local::of(&project.directory).decide(&one.case.request.digest, &decision)?;
    let mut case = one.case.clone();
    case.decisions.push(decision);
    let now = Waiting { case, rule: one.rule };
    match common.format {
        Format::Json => print(&format!("{}\n", now.as_json())),
        Format::Human => {
            let mut text = String::new();
            now.write(&mut text);
            say(&text);
        }
    }
    Ok(())
}

/// The one that a digest, or enough of its beginning, names; the only one where none is given.
fn chosen<'w, 'a>(all: &'w [Waiting<'a>], digest: Option<&str>) -> Result<&'w Waiting<'a>, Problem> {
    let wanted = digest.map(|digest| approval::digits(digest).to_ascii_lowercase());
    let fits = |one: &&Waiting<'_>| {
        wanted.as_ref().is_none_or(|wanted| approval::digits(&one.case.request.digest).starts_with(wanted.as_str()))
    };
    let found: Vec<&Waiting<'_>> = all.iter().filter(fits).collect();
    // Without a word on which, the one that is not decided on is meant.
    let open: Vec<&Waiting<'_>> = found.iter().copied().filter(|one| digest.is_none() && one.is_open()).collect();
    let found = if open.len() == 1 { open } else { found };
    let none = |what: String, hint: &str| {
        Err(Problem::new(Code::Usage, what).with_note("nothing was changed").with_hint(hint))
    };
    match (found.as_slice(), digest) {
        ([one], _) => Ok(one),
        ([], None) => {
            none("nothing waits for an approval".into(), "`windlass run` asks for one, where one is demanded")
        }
        ([], Some(digest)) => {
            none(format!("no plan that waits has the digest `{digest}`"), "`windlass approvals` lists what waits")
        }
        (more, _) => none(
            format!("{} plans are meant by this", more.len()),
            "name one by its digest; `windlass approvals` lists them",
        ),
    }
}
