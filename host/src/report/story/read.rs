//! From the events of a journal to the story. What each step came to is [`PastRun`]'s to say; what is added here is what people
//! want to see beside.

use super::text::Texts;
use super::{
    Capabilities, CheckAgain, Deployment, FreezeOverride, IntentStory, Kind, Metric, Note, PlanStory, PlannedStory,
    Row, RowOutcome, SCHEMA, Said, Standing, StepStory, Story, Table, Used, Work, WorkOutcome,
};
use crate::event::{Approver, Event, Finding, ReportItem, RunOutcome, StepOutcome, Subject, Trouble};
use crate::history::{self, PastRun, PastStep, Turned};
use crate::journal::{self, Entry, Store};
use crate::lock::describe;
use crate::plan::{Plan, PlannedStep};
use crate::policy::Usage;
use crate::prepare;
use crate::problem::Problem;
use crate::report::plan::differs;
use crate::report::plan_summary;
use crate::secret::Redactor;
use std::collections::HashMap;

impl Story {
    /// The story of a run.
    ///
    /// # Errors
    /// As [`history::find`].
    pub fn of(store: &dyn Store, run: &str, redactor: &Redactor) -> Result<Self, Problem> {
        let past = history::find(store, run)?;
        let mut reader = Reader::new(Texts(redactor), &past);
        journal::read(store, run, |entry| reader.add(entry))?;
        Ok(reader.story(past))
    }

    /// The same, with how it stands now.
    #[must_use]
    pub fn standing(self, standing: Standing) -> Self {
        Self { standing, ..self }
    }
}

impl PlanStory {
    /// A plan as it is told.
    #[must_use]
    pub fn of(plan: &Plan, digest: &str, redactor: &Redactor) -> Self {
        let texts = Texts(redactor);
        let steps = plan.steps.iter().map(|step| planned(texts, step, false));
        let finally = plan.finally.iter().map(|step| planned(texts, step, true));
        Self {
            digest: digest.to_owned(),
            summary: plan_summary(plan),
            differs: plan.working_tree.as_ref().map(|tree| texts.line(&differs(&plan.commit, tree))),
            withheld: plan
                .withheld
                .as_ref()
                .map(|why| format!("secrets are withheld, and nothing may be changed: {}", texts.line(why))),
            confinement: plan.confinement.as_ref().map(|lacks| texts.line(lacks)),
            proxied: plan.proxied.iter().map(|line| texts.line(line)).collect(),
            steps: steps.chain(finally).collect(),
        }
    }
}

fn planned(texts: Texts<'_>, step: &PlannedStep, finally: bool) -> PlannedStory {
    let intents = step.intents.iter().map(|intent| IntentStory {
        id: texts.line(&intent.id),
        summary: texts.line(&intent.summary),
        effect: intent.effect,
    });
    PlannedStory {
        id: texts.line(&step.id),
        plugin: texts.line(&step.plugin),
        finally,
        deferred: step.deferred,
        intents: intents.collect(),
    }
}

/// What is read of the events, step by step.
struct Reader<'a> {
    texts: Texts<'a>,
    windlass: String,
    url: Option<String>,
    places: HashMap<String, usize>,
    work: Vec<Vec<Work>>,
    usages: Vec<Vec<Usage>>,
    checks_again: Vec<CheckAgain>,
    checks: Rows,
    migrations: Rows,
    approvals: Option<Vec<Approver>>,
    freeze_override: Option<FreezeOverride>,
    notes: Vec<Note>,
}

impl<'a> Reader<'a> {
    fn new(texts: Texts<'a>, past: &PastRun) -> Self {
        Self {
            texts,
            windlass: String::new(),
            url: None,
            places: past.steps.iter().enumerate().map(|(place, step)| (step.id.clone(), place)).collect(),
            work: past.steps.iter().map(|_| Vec::new()).collect(),
            usages: past.steps.iter().map(|_| Vec::new()).collect(),
            checks_again: Vec::new(),
            checks: Rows::default(),
            migrations: Rows::default(),
            approvals: None,
            freeze_override: None,
            notes: Vec::new(),
        }
    }

    fn add(&mut self, Entry { at, event, .. }: Entry) {
        match event {
            Event::RunStarted { windlass, url, .. } => {
                self.windlass = self.texts.line(&windlass);
                self.url = url.map(|url| self.texts.line(&url));
            }
            Event::RunApproved { by } => {
                self.approvals = Some(by.into_iter().map(|it| approver(self.texts, it)).collect())
            }
            Event::FreezeOverridden { cause, until, reason } => {
                self.freeze_override = Some(FreezeOverride {
                    cause: self.texts.line(&cause),
                    until: until.map(|until| self.texts.line(&until)),
                    reason: self.texts.line(&reason),
                });
            }
            Event::LeaseTaken { from: Some(from), .. } => {
                self.note(at, &format!("the lease was taken over from run {from}, whose owner was dead"));
            }
            Event::RunResumed { actor, .. } => self.note(at, &format!("{} went on with it", by(actor))),
            Event::RollbackStarted { actor, to, keep, .. } => {
                let to = to.map(|to| format!(", so that run {to} is live again")).unwrap_or_default();
                let keep = if keep.is_empty() { String::new() } else { format!(", but for {}", keep.join(", ")) };
                self.note(at, &format!("{} asked for it to be taken back{keep}{to}", by(actor)));
            }
            Event::RunCancelled { times } => {
                self.note(at, if times > 1 { "it was told to stop again" } else { "it was told to stop" });
            }
            Event::DeploymentDoubted { forge } => {
                self.note(at, &format!("it is not known whether {forge} made the deployment that it was asked for"));
            }
            Event::RunTurned { step } => {
                let step = step.map(|step| format!(" at `{step}`")).unwrap_or_default();
                self.note(at, &format!("it turned round{step}: what was done is taken back from here on"));
            }
            Event::RunReaped { actor, run } => {
                let run = run.map(|run| format!(" for run {run}")).unwrap_or_default();
                self.note(at, &format!("{} closed it{run}: its process was gone", by(actor)));
            }
            Event::EnvironmentStopped { actor } => self.note(at, &format!("{} stopped the environment", by(actor))),
            Event::NoteAdded { text } => self.note(at, &text),
            event => self.add_work(at, event),
        }
    }

    fn note(&mut self, at: String, text: &str) {
        self.notes.push(Note { at, text: self.texts.line(text) });
    }

    fn add_work(&mut self, at: String, event: Event) {
        match event {
            Event::StepStarted { step, attempt } => self.begin(&step, begun(Kind::Apply, attempt, at)),
            Event::RevertStarted { step } => self.begin(&step, begun(Kind::Revert, 0, at)),
            Event::CheckStarted { step } => {
                self.checks_again.push(CheckAgain { step: self.texts.line(&step), work: begun(Kind::Check, 0, at) });
            }
            Event::StepProbed { step, usages, .. } => {
                if let Some(all) = self.places.get(&step).and_then(|place| self.usages.get_mut(*place)) {
                    add_usages(all, usages);
                }
            }
            Event::StepSucceeded { step, attempt, summary, findings, report, usages, duration_ms, .. } => {
                let came = self.came_well(WorkOutcome::Succeeded, &summary, duration_ms);
                self.end(&step, Kind::Apply, attempt, at, Came { findings, report, usages, ..came });
            }
            Event::StepFailed { step, attempt, trouble, usages, report, duration_ms, again } => {
                let outcome = if again { WorkOutcome::TriedAgain } else { WorkOutcome::Failed };
                let came = self.came_badly(outcome, &trouble, duration_ms);
                self.end(&step, Kind::Apply, attempt, at, Came { report, usages, ..came });
            }
            Event::StepCancelled { step, attempt } => {
                let came = Came { outcome: Some(WorkOutcome::Cancelled), ..Came::default() };
                self.end(&step, Kind::Apply, attempt, at, came);
            }
            Event::StepReverted { step, summary, report, usages, duration_ms } => {
                let came = self.came_well(WorkOutcome::Succeeded, &summary, duration_ms);
                self.end(&step, Kind::Revert, 0, at, Came { report, usages, ..came });
            }
            Event::StepKept { step, summary, .. } => {
                let came = Came {
                    outcome: Some(WorkOutcome::Kept),
                    summary: Some(self.texts.line(&summary)),
                    ..Came::default()
                };
                self.end(&step, Kind::Revert, 0, at, came);
            }
            Event::RevertFailed { step, trouble, report, usages, duration_ms } => {
                let came = self.came_badly(WorkOutcome::Failed, &trouble, duration_ms);
                self.end(&step, Kind::Revert, 0, at, Came { report, usages, ..came });
            }
            Event::CheckPassed { step, summary, report, usages, duration_ms } => {
                let came = self.came_well(WorkOutcome::Succeeded, &summary, duration_ms);
                self.end(&step, Kind::Check, 0, at, Came { report, usages, ..came });
            }
            Event::CheckFailed { step, trouble, report, usages, duration_ms } => {
                let came = self.came_badly(WorkOutcome::Failed, &trouble, duration_ms);
                self.end(&step, Kind::Check, 0, at, Came { report, usages, ..came });
            }
            _ => {}
        }
    }

    fn begin(&mut self, step: &str, work: Work) {
        if let Some(all) = self.places.get(step).and_then(|place| self.work.get_mut(*place)) {
            all.push(work);
        }
    }

    /// The end of a piece of work. One that was never begun, such as that of a step that could not be planned, is here at once.
    fn end(&mut self, step: &str, kind: Kind, attempt: u32, at: String, came: Came) {
        let place = self.places.get(step).copied();
        if let Some(usages) = place.and_then(|place| self.usages.get_mut(place)) {
            add_usages(usages, came.usages);
        }
        let is_open = |work: &Work| work.kind == kind && work.outcome == WorkOutcome::Unknown;
        let work = match kind {
            Kind::Check => {
                if !self
                    .checks_again
                    .last()
                    .is_some_and(|check| check.step == self.texts.line(step) && is_open(&check.work))
                {
                    self.checks_again
                        .push(CheckAgain { step: self.texts.line(step), work: begun(kind, attempt, at.clone()) });
                }
                self.checks_again.last_mut().map(|check| &mut check.work)
            }
            Kind::Apply | Kind::Revert => {
                let Some(all) = place.and_then(|place| self.work.get_mut(place)) else { return };
                if !all.last().is_some_and(is_open) {
                    all.push(begun(kind, attempt, at.clone()));
                }
                all.last_mut()
            }
        };
        let Some(work) = work else { return };
        work.duration_ms = came.duration_ms.or_else(|| between(&work.started, &at));
        work.outcome = came.outcome.unwrap_or(WorkOutcome::Unknown);
        work.summary = came.summary;
        work.trouble = came.trouble;
        work.findings = came.findings.into_iter().map(|it| finding(self.texts, it)).collect();
        for item in came.report {
            match item {
                ReportItem::Annotation { finding: found } => work.findings.push(finding(self.texts, found)),
                ReportItem::Table { title, columns, rows } => {
                    work.tables.push(table(self.texts, &title, &columns, &rows))
                }
                ReportItem::Metric { name, value, unit } => {
                    work.metrics.push(Metric { name: self.texts.line(&name), value, unit: self.texts.line(&unit) });
                }
            }
        }
        let step = self.texts.line(step);
        for table in &work.tables {
            self.checks.add("check", &step, kind == Kind::Check, table);
            self.migrations.add("migration", &step, false, table);
        }
    }

    fn story(self, past: PastRun) -> Story {
        let plan = prepare::plan_of(&past).ok();
        let mut planned: HashMap<&str, &PlannedStep> = HashMap::new();
        for step in plan.iter().flat_map(|plan| plan.steps.iter().chain(&plan.finally)) {
            planned.insert(&step.id, step);
        }
        let steps = past.steps.iter().zip(self.work).zip(self.usages).map(|((step, work), usages)| {
            let replanned = step.replanned.as_ref().and_then(|it| serde_json::from_str::<PlannedStep>(it.text()).ok());
            let planned = planned.get(step.id.as_str()).copied();
            let granted = replanned.as_ref().or(planned).map(|it| it.capabilities.iter().map(describe).collect());
            let mut all = Vec::new();
            for planned in planned.into_iter().chain(&replanned) {
                add_usages(&mut all, planned.usages.clone());
            }
            add_usages(&mut all, usages);
            told(self.texts, step, work, granted.unwrap_or_default(), all)
        });
        let steps = steps.collect();
        let deployment = past.deployment.as_ref();
        Story {
            schema: SCHEMA,
            windlass: self.windlass,
            subject: subject(self.texts, &past.subject),
            duration_ms: past.duration_ms,
            outcome: past.outcome,
            reason: past.reason.as_deref().map(|text| self.texts.line(text)),
            changed: past.changed,
            taken_back: matches!(past.turned, Some(Turned::Asked { .. })),
            problem: past.problem.as_ref().map(|it| trouble(self.texts, it)),
            unproven: past.unproven.as_ref().map(|it| trouble(self.texts, it)),
            plan: plan.as_ref().map(|plan| PlanStory::of(plan, &past.plan, self.texts.0)),
            steps,
            checks_again: self.checks_again,
            checks: self.checks.rows,
            migrations: self.migrations.rows,
            approvals: self.approvals,
            freeze_override: self.freeze_override,
            deployment: Deployment {
                forge: self.texts.line(&past.forge),
                id: deployment.map(|it| self.texts.line(&it.id)),
                url: deployment.and_then(|it| it.url.as_deref()).map(|text| self.texts.line(text)),
                told: past.told,
            },
            url: self.url,
            notes: self.notes,
            // Until somebody says more: it is only known that a run which succeeded was live when it ended.
            standing: Standing { live: past.outcome == Some(RunOutcome::Succeeded), ..Standing::default() },
            run: past.run,
            started: past.started,
            last: past.last,
        }
    }
}

/// What a piece of work came to.
#[derive(Default)]
struct Came {
    outcome: Option<WorkOutcome>,
    summary: Option<String>,
    trouble: Option<Trouble>,
    findings: Vec<Finding>,
    report: Vec<ReportItem>,
    usages: Vec<Usage>,
    duration_ms: Option<u64>,
}

impl Reader<'_> {
    fn came_well(&self, outcome: WorkOutcome, summary: &str, duration_ms: u64) -> Came {
        let summary = Some(self.texts.line(summary)).filter(|summary| !summary.is_empty());
        Came { outcome: Some(outcome), summary, duration_ms: Some(duration_ms), ..Came::default() }
    }

    fn came_badly(&self, outcome: WorkOutcome, why: &Trouble, duration_ms: u64) -> Came {
        let trouble = Some(trouble(self.texts, why));
        Came { outcome: Some(outcome), trouble, duration_ms: Some(duration_ms), ..Came::default() }
    }
}

fn begun(kind: Kind, attempt: u32, started: String) -> Work {
    Work {
        kind,
        attempt,
        started,
        duration_ms: None,
        outcome: WorkOutcome::Unknown,
        summary: None,
        trouble: None,
        findings: Vec::new(),
        tables: Vec::new(),
        metrics: Vec::new(),
    }
}

fn between(from: &str, to: &str) -> Option<u64> {
    let (from, to): (jiff::Timestamp, jiff::Timestamp) = (from.parse().ok()?, to.parse().ok()?);
    u64::try_from(to.duration_since(from).as_millis()).ok()
}

/// A step, with what the run came to of it.
fn told(texts: Texts<'_>, step: &PastStep, work: Vec<Work>, granted: Vec<String>, usages: Vec<Usage>) -> StepStory {
    let reverts = matches!(step.outcome, StepOutcome::Reverted | StepOutcome::RevertFailed) || step.kept;
    let last = |kind: Kind| work.iter().rev().find(|work| work.kind == kind);
    let says = last(if reverts { Kind::Revert } else { Kind::Apply });
    let (used, denied): (Vec<_>, Vec<_>) = usages.into_iter().partition(|usage| usage.allowed);
    let used_of = |usages: Vec<Usage>| -> Vec<Used> {
        let used = |usage: Usage| Used { asked: texts.line(&usage.asked), times: usage.times, line: usage.line };
        usages.into_iter().map(used).collect()
    };
    StepStory {
        id: texts.line(&step.id),
        plugin: texts.line(&step.plugin),
        finally: step.finally,
        outcome: step.outcome,
        kept: step.kept,
        attempts: step.attempts,
        started: work.first().map(|work| work.started.clone()),
        duration_ms: step.duration_ms,
        summary: says.and_then(|work| work.summary.clone()),
        trouble: says.and_then(|work| work.trouble.clone()),
        said: step.said.map(|(verdict, by)| Said { verdict, by }),
        work,
        capabilities: Capabilities {
            granted: granted.iter().map(|text| texts.line(text)).collect(),
            used: used_of(used),
            denied: used_of(denied),
        },
    }
}

/// The same thing that was asked for in several attempts is one.
fn add_usages(all: &mut Vec<Usage>, more: Vec<Usage>) {
    // Of few it is faster to look than to hash, and where there are many each attempt asks for the same.
    for usage in more {
        match all.iter_mut().find(|other| other.allowed == usage.allowed && other.asked == usage.asked) {
            Some(other) => {
                other.times += usage.times;
                // It may have been refused in several phases.
                other.line = match (other.line.take(), usage.line) {
                    (Some(one), Some(more)) => {
                        Some(Box::new(one.in_phases(&one.phases().union(more.phases()).copied().collect())))
                    }
                    (one, more) => one.or(more),
                };
            }
            None => all.push(usage),
        }
    }
}

/// What steps say of checks, or of migrations.
#[derive(Default)]
struct Rows {
    rows: Vec<Row>,
    /// Where each is, by its step and name.
    places: HashMap<(String, String, bool), usize>,
}

impl Rows {
    /// The rows of a table that is about these.
    fn add(&mut self, what: &str, step: &str, again: bool, table: &Table) {
        let is = |column: &String, name: &str| column.eq_ignore_ascii_case(name);
        if !table.columns.first().is_some_and(|column| is(column, what)) {
            return;
        }
        let Some(result) = table.columns.iter().position(|column| is(column, "result")) else { return };
        for row in &table.rows {
            let (Some(name), Some(result)) = (row.first(), row.get(result)) else { continue };
            let outcome = match result.as_str() {
                "holds" | "applied" | "applied by another run" | "taken as applied" | "taken back" => {
                    RowOutcome::Passed
                }
                "not tried" | "not run" | "still applied" => RowOutcome::Skipped,
                _ => RowOutcome::Failed,
            };
            let place = self.places.entry((step.to_owned(), name.clone(), again)).or_insert(self.rows.len());
            match self.rows.get_mut(*place) {
                Some(row) => {
                    if row.results.last() != Some(result) {
                        row.results.push(result.clone());
                    }
                    row.outcome = outcome;
                }
                None => self.rows.push(Row {
                    step: step.to_owned(),
                    name: name.clone(),
                    again,
                    results: vec![result.clone()],
                    outcome,
                }),
            }
        }
    }
}

fn table(texts: Texts<'_>, title: &str, columns: &[String], rows: &[Vec<String>]) -> Table {
    let cells = |cells: &[String]| -> Vec<String> { cells.iter().map(|cell| texts.line(cell)).collect() };
    Table { title: texts.line(title), columns: cells(columns), rows: rows.iter().map(|row| cells(row)).collect() }
}

fn finding(texts: Texts<'_>, finding: Finding) -> Finding {
    Finding {
        code: texts.line(&finding.code),
        message: texts.line(&finding.message),
        file: finding.file.as_deref().map(|text| texts.line(text)),
        ..finding
    }
}

pub(super) fn trouble(texts: Texts<'_>, trouble: &Trouble) -> Trouble {
    Trouble {
        code: texts.line(&trouble.code),
        detail: trouble.detail.as_deref().map(|text| texts.line(text)),
        what: texts.line(&trouble.what),
        causes: trouble.causes.iter().map(|cause| texts.lines(cause)).collect(),
        note: trouble.note.as_deref().map(|text| texts.line(text)),
        hint: trouble.hint.as_deref().map(|text| texts.line(text)),
    }
}

fn approver(texts: Texts<'_>, approver: Approver) -> Approver {
    Approver {
        name: texts.line(&approver.name),
        at: approver.at.as_deref().map(|text| texts.line(text)),
        comment: approver.comment.as_deref().map(|text| texts.line(text)),
    }
}

fn subject(texts: Texts<'_>, subject: &Subject) -> Subject {
    Subject {
        app: texts.line(&subject.app),
        environment: texts.line(&subject.environment),
        component: subject.component.as_deref().map(|text| texts.line(text)),
        commit: texts.line(&subject.commit),
        reference: subject.reference.as_deref().map(|text| texts.line(text)),
        version: texts.line(&subject.version),
        actor: subject.actor.as_deref().map(|text| texts.line(text)),
    }
}

fn by(actor: Option<String>) -> String {
    actor.unwrap_or_else(|| "somebody".to_owned())
}
