//! `approvals`, `approve` and `reject`: what waits for people, and what they say.

use super::arguments::{Answer as AnswerArguments, Approvals, Common, Format};
use super::project::Project;
use super::{Failed, print, print_json, say};
use crate::approval::{self, Answer, Case, Closed, Decision, Local, Request, SCHEMA, Standing, Where};
use crate::config::{self, Approval};
use crate::event::Subject;
use crate::forge::{Forge, Gate, Reply, Sought};
use crate::gate;
use crate::journal;
use crate::plan::PlanFile;
use crate::policy::visible;
use crate::problem::{Code, Exit, Problem};
use crate::report::{self, Style};
use serde_json::json;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How soon it is looked again whether somebody has said something here.
const LOOK: Duration = Duration::from_millis(500);

/// How soon a forge is asked again at most: each time costs some of the requests that a job may make in an hour.
const LOOK_AT_FORGE: Duration = Duration::from_secs(20);

/// A plan that waits, in an environment that demands approvals.
struct Waiting<'a> {
    rule: &'a Approval,
    environment: &'a str,
    /// What is asked. None where something waits on a forge, and no plan of it was found.
    case: Option<Case>,
    /// Where it waits, on a forge.
    gate: Option<Gate>,
    /// Whether the forge has let it through, whatever our rule says.
    passed: bool,
}

/// Those who can be asked, and where.
struct Desk<'a> {
    project: &'a Project,
    forge: Arc<Forge>,
    /// The environments that are looked at, with who has to agree there.
    rules: Vec<(&'a str, &'a Approval)>,
    component: Option<&'a str>,
    /// Whether something has to be asked: on a forge, where one environment is meant that demands approvals.
    expects: bool,
}

impl<'a> Desk<'a> {
    fn open(project: &'a Project, common: &'a Common) -> Result<Self, Problem> {
        if let Some(name) = &common.environment {
            project.config.environment(Some(name))?;
        }
        let forge = project.forge().map_err(|problem| problem.with_note("nothing was changed"))?;
        let is_meant = |name: &str| common.environment.as_deref().is_none_or(|wanted| wanted == name);
        let rule = |environment: &'a config::Environment| {
            let name = environment.name.as_str();
            Some((name, environment.approval.as_ref()?)).filter(|_| is_meant(name))
        };
        let rules: Vec<_> = project.config.environments.iter().filter_map(rule).collect();
        let expects = common.environment.is_some() && !rules.is_empty() && !matches!(*forge, Forge::Local);
        Ok(Self { project, forge, rules, component: common.component.as_deref(), expects })
    }

    fn rule(&self, environment: &str) -> Option<(&'a str, &'a Approval)> {
        self.rules.iter().find(|(name, _)| *name == environment).copied()
    }

    /// What is asked.
    async fn waiting(&self) -> Result<Vec<Waiting<'a>>, Problem> {
        let mut all = match *self.forge {
            Forge::Local => self.here()?,
            Forge::GitHub(_) => self.on_forge(Where::GitHub).await?,
            Forge::GitLab(_) => self.on_forge(Where::GitLab).await?,
        };
        if let Some(component) = self.component {
            all.retain(|one| one.subject().is_some_and(|subject| subject.component.as_deref() == Some(component)));
        }
        Ok(all)
    }

    fn here(&self) -> Result<Vec<Waiting<'a>>, Problem> {
        let (cases, problems) = Local::of(&self.project.directory).cases()?;
        for problem in problems {
            report::tell(&[problem]);
        }
        let of = |case: Case| {
            let (environment, rule) = self.rule(&case.request.subject.environment)?;
            Some(Waiting { rule, environment, case: Some(case), gate: None, passed: false })
        };
        Ok(cases.into_iter().filter_map(of).collect())
    }

    async fn on_forge(&self, at: Where) -> Result<Vec<Waiting<'a>>, Problem> {
        let gates = self.forge.waiting(Sought { environments: &self.rules, plans: true }).await?;
        let mut all = Vec::new();
        for gate in gates {
            let Some((environment, rule)) = self.rule(&gate.environment) else { continue };
            let one = |case| Waiting { rule, environment, case, gate: Some(gate.clone()), passed: false };
            // Another app's may wait for an environment of the same name.
            let app = self.project.config.app.as_str();
            let mut plans: Vec<&PlanFile> = Vec::new();
            for file in gate.plans.iter().filter(|file| file.plan.app == app) {
                // One that was made twice is one question; what was said before the later one is not for it.
                match plans.iter_mut().find(|other| other.digest == file.digest) {
                    Some(other) if made(other) < made(file) => *other = file,
                    Some(_) => {}
                    None => plans.push(file),
                }
            }
            if plans.is_empty() {
                all.push(one(None));
            }
            all.extend(plans.into_iter().map(|file| one(Some(case_of(file, &gate, at)))));
        }
        Ok(all)
    }

    /// How things stand by now with what was open.
    async fn again(&self, all: &mut Vec<Waiting<'a>>) -> Result<(), Problem> {
        if matches!(*self.forge, Forge::Local) {
            *all = self.waiting().await?;
            return Ok(());
        }
        let now = self.forge.waiting(Sought { environments: &self.rules, plans: false }).await?;
        for one in all.iter_mut().filter(|one| one.is_open()) {
            let Some(gate) = &mut one.gate else { continue };
            let same = now.iter().find(|other| other.id == gate.id && other.run == gate.run);
            one.passed = same.is_none();
            let said = match same {
                Some(same) => same.decisions.clone(),
                None => self.forge.said(gate, one.rule).await?,
            };
            if let Some(case) = &mut one.case {
                let of_case = |file: &&PlanFile| {
                    file.digest == case.request.digest && made(file) == Some(case.request.at.as_str())
                };
                case.decisions = gate.plans.iter().find(of_case).map_or_else(Vec::new, |file| decided_on(file, said));
            }
        }
        Ok(())
    }
}

/// What was said to a plan, out of all that was said at a gate.
fn decided_on(file: &PlanFile, said: Vec<Decision>) -> Vec<Decision> {
    let before = file.ci.as_ref().and_then(|ci| ci.decided.as_deref()).unwrap_or_default();
    approval::since(said, before)
}

/// When a plan was made.
fn made(file: &PlanFile) -> Option<&str> {
    file.ci.as_ref().map(|ci| ci.at.as_str())
}

/// What is asked at a gate of a forge. Who asks the forge says, and the plan's file may name more.
fn case_of(file: &PlanFile, gate: &Gate, at: Where) -> Case {
    let plan = &file.plan;
    let mut starters = gate.starters.clone();
    starters.extend(file.ci.iter().flat_map(|ci| ci.starters.clone()));
    let made = made(file).unwrap_or_default().to_owned();
    Case {
        request: Request {
            schema: SCHEMA.to_owned(),
            digest: file.digest.clone(),
            subject: Subject {
                app: plan.app.clone(),
                environment: plan.environment.clone(),
                component: plan.component.clone(),
                commit: plan.commit.clone(),
                reference: None,
                version: plan.version.clone(),
                actor: starters.first().cloned(),
            },
            at: made,
            plan: (&file.to_json()).into(),
        },
        at,
        askers: starters,
        decisions: decided_on(file, gate.decisions.clone()),
        newer: None,
    }
}

impl Waiting<'_> {
    fn subject(&self) -> Option<&Subject> {
        self.case.as_ref().map(|case| &case.request.subject)
    }

    fn standing(&self) -> Standing {
        let nothing = || Standing::Waiting { approved: vec![], ignored: vec![] };
        self.case.as_ref().map_or_else(nothing, |case| case.standing(self.rule))
    }

    fn file(&self) -> Option<PlanFile> {
        PlanFile::read("what is asked", self.case.as_ref()?.request.plan.text()).ok()
    }

    fn is_open(&self) -> bool {
        !self.passed && matches!(self.standing(), Standing::Waiting { .. })
    }

    fn is_approved(&self) -> bool {
        matches!(self.standing(), Standing::Approved(_))
    }

    fn is_superseded(&self) -> bool {
        self.case.as_ref().is_some_and(|case| case.newer.is_some())
    }

    fn as_json(&self) -> serde_json::Value {
        let (mut approved, mut ignored, mut rejected, mut withdrawn, mut superseded_by) =
            (vec![], vec![], None, None, None);
        let state = match self.standing() {
            Standing::Approved(by) => {
                approved = by;
                Answer::Approved.word()
            }
            Standing::Rejected(by) => {
                rejected = Some(by);
                Answer::Rejected.word()
            }
            Standing::Closed(why) => {
                let word = why.word();
                match why {
                    Closed::Withdrawn(by) => withdrawn = Some(by),
                    Closed::Superseded(newer) => superseded_by = Some(newer.digest),
                }
                word
            }
            Standing::Waiting { approved: by, ignored: others } => {
                (approved, ignored) = (by, others);
                "waiting"
            }
        };
        let ignored: Vec<_> = ignored.iter().map(|(decision, why)| json!({ "by": decision.by, "why": why })).collect();
        let request = self.case.as_ref().map(|case| &case.request);
        let subject = request.map(|request| &request.subject);
        json!({
            "digest": request.map(|request| &request.digest), "environment": self.environment,
            "component": subject.and_then(|it| it.component.as_ref()), "version": subject.map(|it| &it.version),
            "commit": subject.map(|it| &it.commit), "asked_by": subject.and_then(|it| it.actor.as_ref()),
            "asked_at": request.map(|request| &request.at), "state": state, "required": self.rule.required,
            "approved": approved, "rejected": rejected, "ignored": ignored, "withdrawn": withdrawn,
            "superseded_by": superseded_by,
            "summary": self.file().map(|file| report::plan_summary(&file.plan)),
            "run": self.gate.as_ref().map(|gate| &gate.run), "url": self.gate.as_ref().and_then(|gate| gate.page.as_ref()),
        })
    }

    fn write(&self, text: &mut String) {
        let gate = self.gate.as_ref().map(|gate| {
            let page = gate.page.as_ref().map(|page| format!(" ({})", visible(page))).unwrap_or_default();
            let origin = gate.origin.as_ref().map(|origin| format!(", for {}", visible(origin))).unwrap_or_default();
            format!(" in CI run {}{page}{origin}", gate.run)
        });
        let gate = gate.unwrap_or_default();
        let unread = self.gate.iter().flat_map(|gate| &gate.unread);
        let unread: Vec<String> = unread.map(|why| format!("  not read: {}\n", visible(why))).collect();
        let Some(case) = &self.case else {
            let _ = writeln!(text, "{} waits{gate}, and no plan of it was found", self.environment);
            let _ =
                writeln!(text, "  the job that plans has to hand its file on; see \"Approvals\" in the guide to CI");
            return;
        };
        let Request { digest, subject, at, .. } = &case.request;
        let who = subject.actor.as_deref().map_or_else(|| "somebody".into(), visible);
        let _ = writeln!(text, "{}  asked for by {who} at {}{gate}", approval::short(digest), visible(at));
        let standing = case.standing(self.rule);
        if let Standing::Closed(why) = standing {
            // What cannot be agreed to need not be read.
            let (place, version) = (subject.place().title(), visible(&subject.version));
            let _ = writeln!(text, "  {version} to {}, {}: {why}", visible(&place), why.word());
            return;
        }
        if let Some(file) = self.file() {
            let shown = report::plan(&file.plan, false, Style::of_stdout());
            for line in shown.lines() {
                let _ = writeln!(text, "  {line}");
            }
            let is_known = file.ci.as_ref().is_none_or(|ci| ci.decided.is_some());
            if self.gate.is_some() && !is_known {
                let _ = writeln!(
                    text,
                    "  an approval would not count: the job that planned could not read what had been said before"
                );
            }
        }
        match standing {
            Standing::Closed(_) => {}
            Standing::Approved(by) => {
                let names: Vec<String> = by.iter().map(|it| visible(&it.by).into_owned()).collect();
                let then = match case.at {
                    Where::Here | Where::Nowhere => format!("`windlass run {}` does it", subject.place().options()),
                    Where::GitHub => "its job goes on".to_owned(),
                    Where::GitLab => "somebody has to start its job".to_owned(),
                };
                let _ = writeln!(text, "  approved by {}: {then}", config::listing(names, "and"));
            }
            Standing::Rejected(by) => {
                let comment = by.comment.map(|comment| format!(": {}", visible(&comment))).unwrap_or_default();
                let _ = writeln!(text, "  rejected by `{}`{comment}", visible(&by.by));
            }
            Standing::Waiting { approved, ignored } => {
                let _ = writeln!(text, "  {}", gate::counted(&approved, self.rule));
                for (decision, why) in ignored {
                    let _ = writeln!(text, "  what `{}` said does not count: {why}", visible(&decision.by));
                }
            }
        }
        text.push_str(&unread.concat());
    }
}

/// `windlass approvals`
pub(super) async fn approvals(common: &Common, arguments: &Approvals) -> Result<(), Failed> {
    let project = Project::load(common)?;
    let desk = Desk::open(&project, common)?;
    let all = if arguments.wait { wait(&desk, arguments).await? } else { desk.waiting().await? };
    match common.format {
        Format::Json => {
            print_json(&serde_json::Value::from(all.iter().map(Waiting::as_json).collect::<Vec<_>>()));
        }
        Format::Human if all.is_empty() => say("nothing waits for an approval\n"),
        Format::Human => {
            let mut text = String::new();
            all.iter().for_each(|one| one.write(&mut text));
            print(&text);
        }
    }
    let nothing_came = all.is_empty() && desk.expects;
    if arguments.wait && (nothing_came || !all.iter().filter(|one| !one.is_superseded()).all(Waiting::is_approved)) {
        Err(Failed::Said(Exit::Blocked))
    } else {
        Ok(())
    }
}

/// Wait until nothing is open any more, as long as that may take. No lease is held meanwhile.
async fn wait<'a>(desk: &Desk<'a>, arguments: &Approvals) -> Result<Vec<Waiting<'a>>, Problem> {
    let deadline = Instant::now() + arguments.timeout.get();
    let mut all = desk.waiting().await?;
    let mut pause = LOOK;
    let mut said = None;
    loop {
        let open = all.iter().filter(|one| one.is_open()).count();
        // A job that is to wait for people may not have come to it yet.
        let is_to_come = all.is_empty() && desk.expects;
        if open == 0 && !is_to_come {
            return Ok(all);
        }
        if said.replace(is_to_come) != Some(is_to_come) {
            let what =
                if is_to_come { "something to wait for people".to_owned() } else { format!("{open} to be decided on") };
            say(&format!("waiting up to {} for {what}\n", arguments.timeout));
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            say(if is_to_come {
                "nothing has come to wait for people in time\n"
            } else {
                "nobody has decided in time\n"
            });
            return Ok(all);
        }
        tokio::time::sleep(pause.min(left)).await;
        if !matches!(*desk.forge, Forge::Local) {
            pause = (pause * 2).min(LOOK_AT_FORGE);
        }
        if is_to_come {
            all = desk.waiting().await?;
        } else {
            desk.again(&mut all).await?;
        }
    }
}

/// `windlass approve` and `windlass reject`
pub(super) async fn decide(common: &Common, arguments: &AnswerArguments, answer: Answer) -> Result<(), Failed> {
    let project = Project::load(common)?;
    let desk = Desk::open(&project, common)?;
    suits(&desk.forge, arguments)?;
    let all = desk.waiting().await?;
    let one = chosen(&all, arguments.digest.as_deref())?;
    let by = match *desk.forge {
        Forge::Local => Some(arguments.by.clone().or_else(|| project.actor()).ok_or_else(|| {
            Problem::new(Code::Usage, "it is not known who you are")
                .with_note("nothing was changed")
                .with_hint("say your name with `--by NAME`")
        })?),
        _ => desk.forge.who().await,
    };
    let Some(case) = &one.case else {
        let Some(gate) = one.gate.as_ref().filter(|_| answer == Answer::Rejected) else {
            return Err(unseen(one).into());
        };
        let comment = arguments.comment.clone().unwrap_or_default();
        desk.forge.reply(gate, reply(arguments, answer, &comment)).await?;
        say(&format!("{} in CI run {} is rejected\n", one.environment, gate.run));
        return Ok(());
    };
    let comment = match &one.gate {
        // Whoever names the plan has looked at it.
        None if arguments.digest.is_none() => arguments.comment.clone(),
        // What was looked at is said, whatever else is.
        _ => Some(approval::commented(arguments.comment.as_deref(), &case.request.digest)),
    };
    let at = Some(journal::now());
    let decision = |by: String| Decision { answer, by, at, comment: comment.clone(), teams: vec![] };
    let decision = by.map(decision);
    // In which teams somebody is the forge says once they have spoken.
    let by_team = one.rule.from.as_ref().is_some_and(|from| !from.teams.is_empty()) && one.gate.is_some();
    if let (Standing::Closed(why), Answer::Approved) = (case.standing(one.rule), answer) {
        let options = case.request.subject.place().options();
        return Err(Problem::new(
            Code::ApprovalMissing,
            format!("nobody can agree to plan `{}` any more", approval::short(&case.request.digest)),
        )
        .because(why)
        .with_note("nothing was changed")
        .with_hint(format!("`windlass approvals {options}` shows what is asked; `windlass run` asks for this one anew"))
        .into());
    }
    if let Some(decision) = decision.as_ref().filter(|decision| !by_team && !case.is_withdrawal(decision))
        && let Some(why) = case.why_not(one.rule, decision)
    {
        return Err(Problem::new(
            Code::ApprovalMissing,
            format!("what `{}` says would not count", visible(&decision.by)),
        )
        .because(why)
        .with_note("nothing was changed")
        .with_hint("let somebody say it who may, or say what is missing with `--comment`")
        .into());
    }
    let mut case = case.clone();
    match &one.gate {
        Some(gate) => {
            desk.forge.reply(gate, reply(arguments, answer, comment.as_deref().unwrap_or_default())).await?;
            let said = desk.forge.said(gate, one.rule).await;
            let file = one.file();
            match (said, file) {
                (Ok(said), Some(file)) => case.decisions = decided_on(&file, said),
                _ => case.decisions.extend(decision),
            }
        }
        None => {
            if let Some(decision) = decision {
                Local::of(&project.directory).decide(&case.request.digest, &decision)?;
                case.decisions.push(decision);
            }
        }
    }
    let now = Waiting { case: Some(case), gate: one.gate.clone(), ..*one };
    match common.format {
        Format::Json => print_json(&now.as_json()),
        Format::Human => {
            let mut text = String::new();
            now.write(&mut text);
            say(&text);
        }
    }
    Ok(())
}

/// That what was asked for can be done where it is asked.
fn suits(forge: &Forge, arguments: &AnswerArguments) -> Result<(), Problem> {
    says_who(arguments.by.as_deref(), forge)?;
    if (arguments.on_behalf.is_some() || arguments.by_job) && !matches!(forge, Forge::GitLab(_)) {
        let cause = format!("this is asked on {}", forge.name());
        return Err(does_not_go("`--on-behalf` and `--by-job` are for GitLab", cause));
    }
    Ok(())
}

/// That somebody says their name only where nobody else knows it.
pub(super) fn says_who(by: Option<&str>, forge: &Forge) -> Result<(), Problem> {
    if by.is_some() && !matches!(forge, Forge::Local) {
        let cause = format!("{} knows by its token who says it", forge.name());
        return Err(does_not_go("`--by` does not go with a forge", cause));
    }
    Ok(())
}

fn does_not_go(what: &str, cause: String) -> Problem {
    Problem::new(Code::Usage, what).because(cause).with_note("nothing was changed").with_hint("leave it out")
}

fn reply<'a>(arguments: &'a AnswerArguments, answer: Answer, comment: &'a str) -> Reply<'a> {
    Reply { answer, comment, on_behalf: arguments.on_behalf.as_deref(), by_job: arguments.by_job }
}

/// That nobody can agree to what they have not seen.
fn unseen(one: &Waiting<'_>) -> Problem {
    Problem::new(Code::ApprovalMissing, format!("nobody can agree to what waits for `{}`", one.environment))
        .because("no plan of it was found, so it is not known what would be done")
        .with_note("nothing was changed")
        .with_hint("let the job that plans hand its file on: see \"Approvals\" in the guide to CI")
}

/// The one that a digest, or enough of its beginning, names; the only one where none is given.
fn chosen<'w, 'a>(all: &'w [Waiting<'a>], digest: Option<&str>) -> Result<&'w Waiting<'a>, Problem> {
    let wanted = digest.map(|digest| approval::digits(digest).to_ascii_lowercase());
    let fits = |one: &&Waiting<'_>| {
        let begins = |wanted: &String| {
            one.case.as_ref().is_some_and(|case| approval::digits(&case.request.digest).starts_with(wanted.as_str()))
        };
        wanted.as_ref().is_none_or(begins)
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
