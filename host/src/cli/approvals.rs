//! `approvals`, `approve` and `reject`: what waits for people, and what they say.

use super::arguments::{Answer as AnswerArguments, Approvals, Common, Format};
use super::project::Project;
use super::{Failed, print, say};
use crate::approval::{self, Answer, Case, Decision, Local, Request, SCHEMA, Standing, Where};
use crate::config::{self, Approval};
use crate::event::Subject;
use crate::forge::{self, Forge, Gate, Reply, Sought};
use crate::journal;
use crate::plan::PlanFile;
use crate::policy::visible;
use crate::problem::{Code, Exit, Problem};
use crate::report::{self, Style};
use crate::secret::Secrets;
use serde_json::json;
use std::fmt::Write as _;
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
    forge: Forge,
    /// The environments that are looked at, with who has to agree there.
    rules: Vec<(&'a str, &'a Approval)>,
    component: Option<&'a str>,
}

impl<'a> Desk<'a> {
    fn open(project: &'a Project, common: &'a Common) -> Result<Self, Problem> {
        if let Some(name) = &common.environment {
            project.config.environment(Some(name))?;
        }
        let tokens = forge::TOKENS.map(str::to_owned);
        let tokens = Secrets::from_environment(tokens, |name| project.variables.get(name).map(str::to_owned));
        let forge = Forge::choose(common.forge, &project.facts, &tokens)
            .map_err(|problem| Problem { note: Some("nothing was changed".into()), ..problem })?;
        let is_meant = |name: &str| common.environment.as_deref().is_none_or(|wanted| wanted == name);
        let rule = |environment: &'a config::Environment| {
            let name = environment.name.as_str();
            Some((name, environment.approval.as_ref()?)).filter(|_| is_meant(name))
        };
        let rules = project.config.environments.iter().filter_map(rule).collect();
        Ok(Self { project, forge, rules, component: common.component.as_deref() })
    }

    fn rule(&self, environment: &str) -> Option<(&'a str, &'a Approval)> {
        self.rules.iter().find(|(name, _)| *name == environment).copied()
    }

    /// What is asked.
    async fn waiting(&self) -> Result<Vec<Waiting<'a>>, Problem> {
        let mut all = match self.forge {
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
            say(&report::problem(&problem, Style::of_stderr()));
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
            if gate.plans.is_empty() {
                all.push(one(None));
            }
            all.extend(gate.plans.iter().map(|file| one(Some(case_of(file, &gate, at)))));
        }
        Ok(all)
    }

    /// How things stand by now with what was open.
    async fn again(&self, all: &mut Vec<Waiting<'a>>) -> Result<(), Problem> {
        if matches!(self.forge, Forge::Local) {
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
                let plan = gate.plans.iter().find(|file| file.digest == case.request.digest);
                case.decisions = plan.map_or_else(Vec::new, |file| decided_on(file, said));
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

/// What is asked at a gate of a forge.
fn case_of(file: &PlanFile, gate: &Gate, at: Where) -> Case {
    let plan = &file.plan;
    let (starters, made) = file.ci.as_ref().map_or((vec![], String::new()), |ci| (ci.starters.clone(), ci.at.clone()));
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

    fn as_json(&self) -> serde_json::Value {
        let (state, approved, ignored, rejected) = match self.standing() {
            Standing::Approved(by) => ("approved", by, vec![], None),
            Standing::Rejected(by) => ("rejected", vec![], vec![], Some(by)),
            Standing::Waiting { approved, ignored } => ("waiting", approved, ignored, None),
        };
        let ignored: Vec<_> = ignored.iter().map(|(decision, why)| json!({ "by": decision.by, "why": why })).collect();
        let request = self.case.as_ref().map(|case| &case.request);
        let subject = request.map(|request| &request.subject);
        json!({
            "digest": request.map(|request| &request.digest), "environment": self.environment,
            "component": subject.and_then(|it| it.component.as_ref()), "version": subject.map(|it| &it.version),
            "commit": subject.map(|it| &it.commit), "asked_by": subject.and_then(|it| it.actor.as_ref()),
            "asked_at": request.map(|request| &request.at), "state": state, "required": self.rule.required,
            "approved": approved, "rejected": rejected, "ignored": ignored,
            "summary": self.file().map(|file| report::plan_summary(&file.plan)),
            "run": self.gate.as_ref().map(|gate| &gate.run), "url": self.gate.as_ref().and_then(|gate| gate.page.as_ref()),
        })
    }

    fn write(&self, text: &mut String) {
        let gate = self.gate.as_ref().map(|gate| {
            let page = gate.page.as_ref().map(|page| format!(" ({page})")).unwrap_or_default();
            format!(" in CI run {}{page}", gate.run)
        });
        let gate = gate.unwrap_or_default();
        let Some(case) = &self.case else {
            let _ = writeln!(text, "{} waits{gate}, and no plan of it was found", self.environment);
            let _ =
                writeln!(text, "  the job that plans has to hand its file on; see \"Approvals\" in the guide to CI");
            return;
        };
        let Request { digest, subject, at, .. } = &case.request;
        let who = subject.actor.as_deref().map_or_else(|| "somebody".into(), visible);
        let _ = writeln!(text, "{}  asked for by {who} at {at}{gate}", approval::short(digest));
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
        match case.standing(self.rule) {
            Standing::Approved(by) => {
                let names: Vec<String> = by.iter().map(|it| visible(&it.by).into_owned()).collect();
                let then = match case.at {
                    Where::Here => format!("`windlass run {}` does it", subject.place().options()),
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
                let _ = writeln!(text, "  {} of {} people have approved it", approved.len(), self.rule.required);
                for (decision, why) in ignored {
                    let _ = writeln!(text, "  what `{}` said does not count: {why}", visible(&decision.by));
                }
            }
        }
    }
}

/// `windlass approvals`
pub(super) async fn approvals(common: &Common, arguments: &Approvals) -> Result<(), Failed> {
    let project = Project::load(common)?;
    let desk = Desk::open(&project, common)?;
    let all = if arguments.wait { wait(&desk, arguments).await? } else { desk.waiting().await? };
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
    if arguments.wait && !all.iter().all(Waiting::is_approved) { Err(Failed::Said(Exit::Blocked)) } else { Ok(()) }
}

/// Wait until nothing is open any more, as long as that may take. No lease is held meanwhile.
async fn wait<'a>(desk: &Desk<'a>, arguments: &Approvals) -> Result<Vec<Waiting<'a>>, Problem> {
    let deadline = Instant::now() + arguments.timeout.get();
    let mut all = desk.waiting().await?;
    let mut pause = LOOK;
    let mut said = false;
    loop {
        let open = all.iter().filter(|one| one.is_open()).count();
        if open == 0 {
            return Ok(all);
        }
        if !std::mem::replace(&mut said, true) {
            say(&format!("waiting up to {} for {open} to be decided on\n", arguments.timeout));
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            say("nobody has decided in time\n");
            return Ok(all);
        }
        tokio::time::sleep(pause.min(left)).await;
        if !matches!(desk.forge, Forge::Local) {
            pause = (pause * 2).min(LOOK_AT_FORGE);
        }
        desk.again(&mut all).await?;
    }
}

/// `windlass approve` and `windlass reject`
pub(super) async fn decide(common: &Common, arguments: &AnswerArguments, answer: Answer) -> Result<(), Failed> {
    let project = Project::load(common)?;
    let desk = Desk::open(&project, common)?;
    suits(&desk.forge, arguments)?;
    let all = desk.waiting().await?;
    let one = chosen(&all, arguments.digest.as_deref())?;
    let by = match desk.forge {
        Forge::Local => {
            let by = arguments.by.clone().or_else(|| project.actor()).map(|name| name.trim().to_owned());
            Some(by.filter(|name| !name.is_empty()).ok_or_else(|| {
                Problem::new(Code::Usage, "it is not known who you are")
                    .with_note("nothing was changed")
                    .with_hint("say your name with `--by NAME`")
            })?)
        }
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
        None => arguments.comment.clone(),
        // What was looked at is said, whatever else is.
        Some(_) => Some(commented(arguments.comment.as_deref(), &case.request.digest)),
    };
    let at = Some(journal::now());
    let decision = |by: String| Decision { answer, by, at, comment: comment.clone(), teams: vec![] };
    let decision = by.map(decision);
    // In which teams somebody is the forge says once they have spoken.
    let by_team = one.rule.from.as_ref().is_some_and(|from| !from.teams.is_empty()) && one.gate.is_some();
    if let Some(decision) = decision.as_ref().filter(|_| !by_team)
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
        Format::Json => print(&format!("{}\n", now.as_json())),
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
    let refused = |what: &str, cause: String| {
        Err(Problem::new(Code::Usage, what).because(cause).with_note("nothing was changed").with_hint("leave it out"))
    };
    let here = matches!(forge, Forge::Local);
    let gitlab = matches!(forge, Forge::GitLab(_));
    if arguments.by.is_some() && !here {
        return refused("`--by` does not go with a forge", format!("{} knows by its token who says it", forge.name()));
    }
    if (arguments.on_behalf.is_some() || arguments.by_job) && !gitlab {
        return refused("`--on-behalf` and `--by-job` are for GitLab", format!("this is asked on {}", forge.name()));
    }
    Ok(())
}

fn reply<'a>(arguments: &'a AnswerArguments, answer: Answer, comment: &'a str) -> Reply<'a> {
    Reply { answer, comment, on_behalf: arguments.on_behalf.as_deref(), by_job: arguments.by_job }
}

/// A comment with the plan's digest in it.
fn commented(comment: Option<&str>, digest: &str) -> String {
    let short = approval::short(digest);
    match comment {
        Some(text) if approval::names(text, digest) => text.to_owned(),
        Some(text) => format!("{text} (windlass plan {short})"),
        None => format!("windlass plan {short}"),
    }
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
