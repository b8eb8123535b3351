//! Runs of the real binary while something goes wrong between it and its forge, and what must be so afterwards: one
//! deployment for each run, in the state that the run came to, and an exit code that says so.

use crate::fault::{Draw, Fault};
use crate::github::GitHub;
use crate::gitlab::GitLab;
use crate::runs::signal;
use crate::{Output, Project};
use serde_json::{Value, json};
use std::process::Child;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A run that takes longer than this does not end.
const LONGEST: Duration = Duration::from_secs(110);

/// A fake of one of the forges.
#[derive(Debug)]
pub enum Forge {
    /// GitHub.
    GitHub(GitHub),
    /// GitLab.
    GitLab(GitLab),
}

impl Forge {
    /// GitHub where the number is even, with another release of the application live.
    #[must_use]
    pub fn start(number: u64) -> Self {
        if number % 2 == 1 {
            return Self::GitLab(GitLab::start());
        }
        let github = if number.is_multiple_of(4) { GitHub::start() } else { GitHub::enterprise() };
        let payload = json!({ "schema": "windlass.deployment/1", "run": "before", "app": "shop", "component": null });
        let before = github.add(&json!({ "ref": "main", "environment": "staging", "payload": payload }));
        github.add_status(before, &json!({ "state": "success" }));
        Self::GitHub(github)
    }

    /// The variables of a job.
    #[must_use]
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::GitHub(github) => github.variables(),
            Self::GitLab(gitlab) => gitlab.variables(None),
        }
    }

    /// What goes wrong from now on.
    pub fn draw(&self, draw: Option<Draw>) {
        match self {
            Self::GitHub(github) => github.draw(draw),
            Self::GitLab(gitlab) => gitlab.draw(draw),
        }
    }

    /// The newest state of each deployment that a run made: `running`, `success`, `failed` or `canceled` in GitLab's words.
    ///
    /// # Panics
    /// Where a request or an answer was not as it is described.
    #[must_use]
    pub fn states(&self) -> Vec<String> {
        let newest = |states: &Vec<String>| states.last().map_or("running", String::as_str).to_owned();
        match self {
            // Without the release that was live before.
            Self::GitHub(github) => github.states().iter().skip(1).map(newest).collect(),
            Self::GitLab(gitlab) => gitlab.states().iter().map(newest).collect(),
        }
    }

    /// Whether what was live before is shown as live no longer; always, where a forge sees to that itself.
    #[must_use]
    pub fn has_retired(&self) -> bool {
        match self {
            Self::GitHub(github) => {
                github.states().first().and_then(|states| states.last()).is_some_and(|it| it == "inactive")
            }
            Self::GitLab(_) => true,
        }
    }

    /// How many requests there were.
    #[must_use]
    pub fn requests(&self) -> Vec<String> {
        match self {
            Self::GitHub(github) => github.requests(),
            Self::GitLab(gitlab) => gitlab.requests(),
        }
    }

    /// The states that a deployment may be in whose run came to this.
    fn right(&self, outcome: &str) -> &'static [&'static str] {
        match (self, outcome) {
            (_, "succeeded") => &["success"],
            (Self::GitHub(_), "cancelled") => &["error"],
            (Self::GitHub(_), "blocked") => &["error"],
            (Self::GitHub(_), "failed") => &["failure", "error"],
            (Self::GitHub(_), _) => &["failure"],
            (Self::GitLab(_), "cancelled") => &["canceled", "failed"],
            (Self::GitLab(_), _) => &["failed"],
        }
    }
}

/// What is done to a process from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blow {
    /// Nothing.
    None,
    /// This signal, once its step runs.
    AtStep(&'static str),
    /// This signal, when it sends the request of this number; where it is `true`, once what it asks for is done.
    AtRequest(&'static str, u32, bool),
}

/// A run and everything that goes wrong with it.
#[derive(Debug)]
pub struct Mix {
    /// The forge.
    pub forge: Forge,
    /// What is deployed, in a job there.
    pub project: Project,
    elsewhere: Option<u64>,
    told: Arc<Mutex<Vec<String>>>,
    lasting: Arc<AtomicBool>,
    process: Arc<AtomicU32>,
    asked: Arc<AtomicU32>,
}

impl Mix {
    /// A copy of a project in a job of a forge.
    #[must_use]
    pub fn new(forge: Forge, template: &Project) -> Self {
        let variables = forge.variables();
        let project = variables.iter().fold(template.copy(), |project, (name, value)| project.variable(name, value));
        Self {
            forge,
            project,
            elsewhere: None,
            told: Arc::default(),
            lasting: Arc::default(),
            process: Arc::default(),
            asked: Arc::default(),
        }
    }

    /// What is left is reaped on another machine, in a later run of the workflow with this number, unless something lasting went
    /// wrong: what is known of runs is kept on the forge.
    #[must_use]
    pub fn reaped_elsewhere(self, run: Option<u64>) -> Self {
        Self { elsewhere: run, ..self }
    }

    /// What went wrong, in order.
    #[must_use]
    pub fn told(&self) -> Vec<String> {
        self.told.lock().expect("no panic").clone()
    }

    /// Deploys to staging. Of each request the number is given, from 0, and what goes wrong with it is the answer: its name,
    /// whether that lasts, and the fault.
    ///
    /// # Errors
    /// Where it does not end.
    pub fn run(
        &self,
        blow: Blow,
        mut fault: impl FnMut(u32, &str) -> Option<(String, bool, Fault)> + Send + 'static,
    ) -> Result<Output, String> {
        let (told, lasting, process, asked) =
            (self.told.clone(), self.lasting.clone(), self.process.clone(), self.asked.clone());
        self.forge.draw(Some(Box::new(move |request| {
            let number = asked.fetch_add(1, Ordering::SeqCst);
            let line = format!("{} {}", request.method, request.path.split('?').next().unwrap_or_default());
            let mut found = fault(number, &line);
            if let Blow::AtRequest(name, at, is_done) = blow
                && at == number
            {
                while process.load(Ordering::SeqCst) == 0 {
                    std::thread::yield_now();
                }
                signal(name, process.load(Ordering::SeqCst));
                told.lock().expect("no panic").push(format!("{number} {line}: {name}, done: {is_done}"));
                if name == "KILL" {
                    let answer = crate::server::Answer::none();
                    let fault = if is_done { Fault::After(answer) } else { Fault::Instead(answer) };
                    found = Some(("killed".into(), false, fault));
                }
            }
            let (name, is_lasting, fault) = found?;
            lasting.fetch_or(is_lasting, Ordering::SeqCst);
            told.lock().expect("no panic").push(format!("{number} {line}: {name}"));
            Some(fault)
        })));
        let mut run = self.project.start("run -e staging --format json");
        self.process.store(run.id(), Ordering::SeqCst);
        if let Blow::AtStep(name) = blow {
            wait(|| self.project.has("waiting") || !matches!(run.try_wait(), Ok(None)))?;
            if self.project.has("waiting") {
                signal(name, run.id());
            }
        }
        self.end(run)
    }

    fn end(&self, mut run: Child) -> Result<Output, String> {
        // What it says is short: it does not wait for somebody to read it.
        let ended = wait(|| !matches!(run.try_wait(), Ok(None)));
        if ended.is_err() {
            let _ = run.kill();
        }
        let output = self.project.finish(run);
        ended.map(|()| output)
    }

    /// What must be so after a run, once `reap` has been said in a job where nothing goes wrong.
    ///
    /// # Errors
    /// What is not so.
    pub fn judge(&self, output: &Output) -> Result<(), String> {
        self.forge.draw(None);
        let result: Option<Value> = output.stdout.lines().last().and_then(|line| serde_json::from_str(line).ok());
        let outcome = result.as_ref().and_then(|result| result["outcome"].as_str()).map(str::to_owned);
        let is_lasting = self.lasting.load(Ordering::SeqCst);
        let expected: &[i32] = match outcome.as_deref() {
            // Where the forge says that nobody holds the lease, it is not this run that has it.
            _ if is_lasting && self.has_lost_lease(output) => &[11],
            Some("succeeded") => &[0, 14],
            Some("rolled-back") => &[10],
            Some("failed") => &[13],
            Some("cancelled") => &[12],
            Some("blocked") => &[21],
            // It was killed.
            None if output.code.is_none() => &[],
            other => return Err(format!("it came to {other:?}: {}", output.all())),
        };
        if output.code.is_some_and(|code| !expected.contains(&code)) {
            return Err(format!("it came to {outcome:?} and ended with {:?}: {}", output.code, output.all()));
        }
        if matches!(output.code, Some(14 | 21)) && !is_lasting {
            return Err(format!("nothing lasting went wrong, and yet: {}", output.all()));
        }
        let before = self.forge.states();
        if output.code == Some(0) && before != ["success"] {
            return Err(format!("it says that it is shown, and {before:?} is"));
        }
        let elsewhere = self.elsewhere.filter(|_| !is_lasting).map(|run| self.elsewhere(run));
        let reaper = elsewhere.as_ref().unwrap_or(&self.project);
        let reaped = reaper.windlass("reap");
        if reaped.code != Some(0) {
            return Err(format!("reap: {}", reaped.all()));
        }
        let after = self.forge.states();
        let journal = self.end_in_journal();
        let outcome = outcome.or(journal).unwrap_or_else(|| "blocked".to_owned());
        let has_begun = self.has_begun();
        let right = self.forge.right(&outcome);
        let is_right = after.iter().all(|state| right.contains(&state.as_str()));
        // What was not begun need not be there, and is not there twice.
        if !is_right || after.len() > 1 || (has_begun && after.is_empty()) {
            return Err(format!(
                "it came to {outcome}, and the forge shows {after:?}, before reap {before:?}: {}",
                output.all()
            ));
        }
        let asked = self.forge.requests().len();
        let again = reaper.windlass("reap");
        // What is kept on the forge is looked at once more.
        let does = self.forge.requests()[asked..].iter().any(|request| !request.starts_with("GET "));
        if again.code != Some(0) || does {
            return Err(format!("the second reap does something: {}", again.all()));
        }
        Ok(())
    }

    /// Whether it says that its lease was lost.
    #[must_use]
    pub fn has_lost_lease(&self, output: &Output) -> bool {
        output.stdout.contains("\"reason\":\"lease-lost\"")
    }

    /// Another machine, in a job of this later run of the workflow; the run that was is over.
    fn elsewhere(&self, run: u64) -> Project {
        let project = self.project.copy();
        let _ = std::fs::remove_dir_all(project.path().join(".windlass"));
        match &self.forge {
            Forge::GitHub(github) => {
                github.set_run(crate::github::RUN, "completed", Some("failure"));
                github.add_run(run, "grace");
                project.variable("GITHUB_RUN_ID", &run.to_string())
            }
            Forge::GitLab(_) => project,
        }
    }

    /// Whether a step of it has begun.
    fn has_begun(&self) -> bool {
        self.events().iter().any(|event| event["event"] == "step-started")
    }

    /// What the run's journal says that it came to.
    fn end_in_journal(&self) -> Option<String> {
        let events = self.events();
        let finished = events.iter().rfind(|event| event["event"] == "run-finished")?;
        finished["outcome"].as_str().map(str::to_owned)
    }

    fn events(&self) -> Vec<Value> {
        let runs = crate::runs::runs(&self.project);
        runs.last().map(|run| crate::runs::events(&self.project, run)).unwrap_or_default()
    }
}

fn wait(mut holds: impl FnMut() -> bool) -> Result<(), String> {
    let deadline = Instant::now() + LONGEST;
    while !holds() {
        if Instant::now() > deadline {
            return Err("it does not end".to_owned());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// Does this for each number below a limit, some at a time, and says of each that went wrong what it was.
#[must_use]
pub fn each(limit: u64, beside: usize, work: impl Fn(u64) -> Result<(), String> + Sync) -> Vec<String> {
    let next = Mutex::new(0_u64);
    let wrong = Mutex::new(vec![]);
    std::thread::scope(|scope| {
        for _ in 0..beside {
            scope.spawn(|| {
                loop {
                    let number = {
                        let mut next = next.lock().expect("no panic");
                        *next += 1;
                        *next - 1
                    };
                    if number >= limit {
                        return;
                    }
                    let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(number)));
                    let done = done.unwrap_or_else(|_| Err("it panicked".to_owned()));
                    if let Err(why) = done {
                        wrong.lock().expect("no panic").push(format!("{number}: {why}"));
                    }
                }
            });
        }
    });
    wrong.into_inner().expect("no panic")
}
