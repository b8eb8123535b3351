//! One case: the deployment is killed, and then, by `resume` or `rollback`, brought to one of its two legal ends. Those
//! are killed too.

use crate::deployment::{Deployment, LOOK, run};
use crate::random::Random;
use crate::world::{self, Effects, Holds, IDEMPOTENT, Leftovers, Schema, TELL, UNKNOWN, hold};
use e2e::{COMMIT, Output, Project};
use serde_json::Value;
use std::time::{Duration, Instant};

/// How a process is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kill {
    Not,
    /// By itself, at a fault point.
    Point(u64),
    /// From outside, so long after it was started.
    Started(Duration),
    /// From outside, so long after the journal of a new run began.
    Begun(Duration),
    /// From outside, so long after the journal of a new run said that this step begins.
    Step(&'static str, Duration),
}

/// The steps that are killed while they are at work.
pub(crate) const SLOW: &[&str] = &["schema", "assets", "notify", "cache", "warm", "announce", "live", "tell"];

/// What has been counted.
#[derive(Debug, Default, Clone)]
pub(crate) struct Counts {
    pub(crate) at_points: u64,
    pub(crate) by_time: u64,
    /// The first kill came before anything was written down.
    pub(crate) before_begin: u64,
    /// It came too late.
    pub(crate) survived: u64,
    /// Recoveries that were killed.
    pub(crate) double: u64,
    pub(crate) resumes: u64,
    pub(crate) rollbacks: u64,
    pub(crate) runs: u64,
    pub(crate) reaps: u64,
    /// Steps that `resume` called unknown, and what a person said of them.
    pub(crate) unknown: u64,
    pub(crate) done: u64,
    pub(crate) not_done: u64,
    /// Recoveries that found a child of the killed process at work.
    pub(crate) leftovers: u64,
    pub(crate) deployed: u64,
    pub(crate) taken_back: u64,
}

impl Counts {
    /// All that were killed.
    pub(crate) fn kills(&self) -> u64 {
        self.at_points + self.by_time
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.at_points += other.at_points;
        self.by_time += other.by_time;
        self.before_begin += other.before_begin;
        self.survived += other.survived;
        self.double += other.double;
        self.resumes += other.resumes;
        self.rollbacks += other.rollbacks;
        self.runs += other.runs;
        self.reaps += other.reaps;
        self.unknown += other.unknown;
        self.done += other.done;
        self.not_done += other.not_done;
        self.leftovers += other.leftovers;
        self.deployed += other.deployed;
        self.taken_back += other.taken_back;
    }
}

/// A step of a run, as `status` has it.
fn step_of<'a>(run: &'a Value, id: &str) -> &'a Value {
    run["steps"].as_array().into_iter().flatten().find(|step| step["id"] == id).unwrap_or(&Value::Null)
}

/// The two legal ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Release 2 is live.
    Deployed,
    /// Release 1 is live, and nothing of release 2 is left.
    TakenBack,
}

pub(crate) struct Case<'a> {
    deployment: &'a Deployment,
    project: Project,
    random: Random,
    /// The first one.
    kill: Kill,
    pub(crate) counts: Counts,
    /// How often recoveries may still be killed.
    kills: u64,
    /// Whether it was deployed anew: what cannot tell is applied again then.
    again: bool,
    /// What was done, for whoever has to find out why it was wrong.
    trail: Vec<String>,
}

impl<'a> Case<'a> {
    pub(crate) fn new(deployment: &'a Deployment, kill: Kill, mut random: Random) -> Self {
        let project = deployment.copy();
        match kill {
            // Its child is at work for so long that the recovery meets it.
            Kill::Step(step, _) if random.one_in(2) => project.write("pause", &format!("{step} 0.3\n")),
            _ if random.one_in(2) => project.write("pause", "all 0.004\n"),
            _ => {}
        }
        let kills = if random.one_in(2) { 1 + random.below(3) } else { 0 };
        Self { deployment, project, random, kill, counts: Counts::default(), kills, again: false, trail: vec![] }
    }

    /// All of it. Whether the first kill came in time; a text that says what did not hold.
    pub(crate) fn run(&mut self) -> Holds<bool> {
        let first = self.windlass(&run(), self.kill);
        let killed = first.code.is_none();
        if !killed {
            self.counts.survived += 1;
            hold!(first.code == Some(0), "the deployment failed without being killed");
        }
        let end = self.recover()?;
        match end {
            End::Deployed => self.counts.deployed += 1,
            End::TakenBack => self.counts.taken_back += 1,
        }
        self.ends_as(end)?;
        Ok(killed)
    }

    /// What happened, for a person.
    pub(crate) fn told(&self) -> String {
        let mut text = self.trail.join("\n");
        text.push_str(&format!("\neffects: {}\n{:?}", Effects::of(&self.project).told(), Schema::of(&self.project)));
        for run in world::runs(&self.project) {
            let story = world::events(&self.project, &run).map_or_else(|why| why, |events| world::story(&events));
            text.push_str(&format!("\nrun {run}: {story}"));
        }
        text
    }

    fn windlass(&mut self, words: &str, kill: Kill) -> Output {
        let mut command = self.project.command(words.split_whitespace());
        if let Kill::Point(point) = kill {
            command.env("WINDLASS_FAULT", point.to_string());
        }
        let (out, error) = (std::process::Stdio::piped(), std::process::Stdio::piped());
        let mut child = command.stdout(out).stderr(error).spawn().expect("the binary runs");
        if let Kill::Started(after) | Kill::Begun(after) | Kill::Step(_, after) = kill {
            let before = world::runs(&self.project).len();
            let mut since = None;
            while since.is_none_or(|since: Instant| since.elapsed() < after)
                && child.try_wait().expect("a state").is_none()
            {
                if since.is_none() && self.has_come_to(kill, before) {
                    since = Some(Instant::now());
                }
                std::thread::sleep(LOOK);
            }
            child.kill().expect("killed, or ended already");
        }
        let output = self.project.finish(child);
        self.trail.push(format!("$ windlass {words} ({kill:?})\n{}", output.all()));
        if output.code.is_none() {
            match kill {
                Kill::Point(_) => self.counts.at_points += 1,
                _ => self.counts.by_time += 1,
            }
        }
        output
    }

    /// Whether the moment has come from which the time to a kill is counted; there were so many runs before.
    fn has_come_to(&self, kill: Kill, before: usize) -> bool {
        let runs = world::runs(&self.project);
        match (kill, runs.last()) {
            (Kill::Begun(_), _) => runs.len() > before,
            (Kill::Step(step, _), Some(run)) if runs.len() > before => {
                let begins = |event: &Value| event["event"] == "step-started" && event["step"] == step;
                world::events(&self.project, run).is_ok_and(|events| events.iter().any(begins))
            }
            (Kill::Step(..), _) => false,
            _ => true,
        }
    }

    /// How a recovery is killed, where it still may be.
    fn next_kill(&mut self, words: &str) -> Kill {
        if self.kills == 0 {
            return Kill::Not;
        }
        self.kills -= 1;
        if self.random.one_in(4) {
            let limit = u64::try_from(self.deployment.whole.as_micros()).unwrap_or(u64::MAX);
            return Kill::Started(Duration::from_micros(self.random.below(limit)));
        }
        let limit = match words.split(' ').next() {
            Some("reap") => 6,
            Some("run") => 170,
            _ => 70,
        };
        Kill::Point(1 + self.random.below(limit))
    }

    /// Runs something that recovers. None where it was killed.
    fn recovery(&mut self, words: &str) -> Holds<Option<Output>> {
        let kill = self.next_kill(words);
        let output = self.windlass(words, kill);
        if output.code.is_none() {
            self.counts.double += 1;
            return Ok(None);
        }
        let working = world::leftovers(&self.project) == Leftovers::Working;
        hold!(!working, "`{words}` left a child at work");
        Ok(Some(output))
    }

    /// How things stand, which is to be seen without changing anything.
    fn status(&mut self) -> Holds<Value> {
        let before = world::kept(&self.project);
        let output = self.windlass("status --format json", Kill::Not);
        hold!(output.code == Some(0), "`status` failed");
        hold!(before == world::kept(&self.project), "`status` changed something");
        let status: Value = serde_json::from_str(&output.raw_stdout).map_err(|error| error.to_string())?;
        Ok(status[0].clone())
    }

    /// Goes on, or takes back, as often as it is killed.
    fn recover(&mut self) -> Holds<End> {
        for _ in 0..20 {
            if world::leftovers(&self.project) == Leftovers::Working {
                self.counts.leftovers += 1;
            }
            let status = self.status()?;
            let newest = status["newest"].clone();
            let run = newest["run"].as_str().unwrap_or_default().to_owned();
            if run == self.deployment.base {
                return self.nothing_happened();
            }
            let next = status["next"].as_str().unwrap_or_default();
            let planned = world::events(&self.project, &run)?.iter().any(|event| event["event"] == "run-planned");
            hold!(planned || !next.contains("resume"), "`status` says of a run without a plan: {next}");
            if self.random.one_in(4) {
                self.reap(newest["outcome"].is_null())?;
                continue;
            }
            // Where a person has to look, mostly one does.
            let unknown = step_of(&newest, UNKNOWN)["outcome"] == "unknown";
            let back = self.random.one_in(if unknown { 4 } else { 2 });
            let end = match newest["outcome"].as_str() {
                Some("rolled-back") if status["open"].is_null() && (!back || newest["reason"].is_null()) => {
                    Some(End::TakenBack)
                }
                // Those before it are not, yet.
                Some("rolled-back") => self.roll_back()?,
                Some("succeeded") if !back => Some(End::Deployed),
                _ if back => self.roll_back()?,
                _ if self.random.one_in(6) => self.run_again()?,
                _ => self.resume(&run)?,
            };
            if let Some(end) = end {
                return Ok(end);
            }
        }
        Err("it does not come to an end".into())
    }

    /// The run was killed before it was there, so nothing may have happened; another one deploys.
    fn nothing_happened(&mut self) -> Holds<End> {
        self.counts.before_begin += 1;
        self.ends_as(End::TakenBack)?;
        if self.random.one_in(2) {
            return Ok(End::TakenBack);
        }
        let output = self.windlass(&run(), Kill::Not);
        hold!(output.code == Some(0), "a run after one that never began failed");
        Ok(End::Deployed)
    }

    /// Where a run was open, it is no more.
    fn reap(&mut self, open: bool) -> Holds {
        let alone = world::leftovers(&self.project) == Leftovers::None;
        let before = Effects::of(&self.project);
        let output = self.recovery("reap")?;
        hold!(!alone || Effects::of(&self.project) == before, "`reap` had an effect");
        let Some(output) = output else { return Ok(()) };
        self.counts.reaps += 1;
        hold!(output.code == Some(0), "`reap` failed");
        if open {
            hold!(!self.status()?["newest"]["outcome"].is_null(), "`reap` left the run open");
        }
        Ok(())
    }

    /// Neither goes on nor takes back, but deploys anew.
    fn run_again(&mut self) -> Holds<Option<End>> {
        self.again = true;
        let Some(output) = self.recovery(&run())? else { return Ok(None) };
        self.counts.runs += 1;
        hold!(output.code == Some(0), "a run after one that was cut off failed");
        Ok(Some(End::Deployed))
    }

    fn roll_back(&mut self) -> Holds<Option<End>> {
        // Where it was deployed anew, the release before may be release 2 itself.
        let to = if self.again { format!("--to {}", self.deployment.base) } else { String::new() };
        let Some(output) = self.recovery(&format!("rollback {to} --format json"))? else { return Ok(None) };
        self.counts.rollbacks += 1;
        hold!(output.code == Some(0), "`rollback` failed");
        hold!(output.result()["outcome"] == "rolled-back", "`rollback` says {}", output.result());
        let open = self.status()?["open"].clone();
        hold!(open.is_null(), "after `rollback` is still open: {open}");
        Ok(Some(End::TakenBack))
    }

    /// Goes on, and says what became of a step where nobody else can.
    fn resume(&mut self, run: &str) -> Holds<Option<End>> {
        let mut words = format!("resume {run} --commit {COMMIT} --format json");
        let alone = world::leftovers(&self.project) == Leftovers::None;
        let before = Effects::of(&self.project);
        let events = world::events(&self.project, run)?;
        let Some(output) = self.recovery(&words)? else { return Ok(None) };
        if !events.iter().any(|event| event["event"] == "run-planned") {
            hold!(output.code == Some(2), "`resume` does not refuse a run without a plan");
            // What a run before it left is still there, to be taken back or deployed over.
            return if self.again { Ok(None) } else { self.nothing_happened().map(Some) };
        }
        if output.code != Some(11) {
            return self.resumed(&output);
        }
        hold!(output.result()["reason"] == "step-unknown", "`resume` needs a person for {}", output.result());
        // What the step itself did meanwhile is its own: it was at work until it was ended.
        let effects = Effects::of(&self.project);
        hold!(!alone || effects == before, "`resume` of what is unknown had an effect");
        let after = world::events(&self.project, run)?;
        let more = after.strip_prefix(events.as_slice());
        // That something was ended is written down, and what each step said that was asked; nothing else.
        let ended = |event: &Value| {
            let text = event["text"].as_str().unwrap_or_default();
            event["event"] == "note-added" && text.contains("what was still at work for it was ended")
        };
        let asked = |event: &Value| event["event"] == "step-probed" && event["verdict"] == "unknown";
        let right = more.is_some_and(|more| {
            let said = more.iter().position(asked).unwrap_or(more.len());
            let (before, said) = more.split_at(said);
            before.len() <= usize::from(!alone)
                && before.iter().all(ended)
                && !said.is_empty()
                && said.iter().all(asked)
        });
        hold!(right, "`resume` of what is unknown wrote to the journal");
        let named: Vec<&str> = output
            .stderr
            .split("nobody can tell whether step `")
            .skip(1)
            .filter_map(|rest| rest.split('`').next())
            .collect();
        hold!(named == [UNKNOWN], "`resume` does not know of {named:?}");
        let status = self.status()?;
        hold!(
            step_of(&status["newest"], UNKNOWN)["outcome"] == "unknown",
            "`status` knows of `{UNKNOWN}` what `resume` does not"
        );
        self.counts.unknown += 1;
        if self.random.one_in(4) {
            return self.roll_back();
        }
        let done = effects.applied(UNKNOWN, 2);
        words.push_str(if done { " --done " } else { " --not-done " });
        words.push_str(UNKNOWN);
        let Some(output) = self.recovery(&words)? else { return Ok(None) };
        if done {
            self.counts.done += 1;
        } else {
            self.counts.not_done += 1;
        }
        self.resumed(&output)
    }

    fn resumed(&mut self, output: &Output) -> Holds<Option<End>> {
        self.counts.resumes += 1;
        match (output.code, output.result()["outcome"].as_str()) {
            (Some(0), Some("succeeded")) => Ok(Some(End::Deployed)),
            // It was being taken back already: because it failed, or because somebody asked. `status` knows whether that was
            // all.
            (Some(0 | 10), Some("rolled-back")) => Ok(None),
            _ => Err("`resume` failed".into()),
        }
    }

    /// Everything that must hold at an end.
    fn ends_as(&mut self, end: End) -> Holds {
        let output = self.windlass("reap", Kill::Not);
        hold!(output.code == Some(0), "`reap` failed");
        let output = self.windlass("lease status --format json", Kill::Not);
        let leases: Value = serde_json::from_str(&output.raw_stdout).map_err(|error| error.to_string())?;
        let held = leases.as_array().into_iter().flatten().any(|lease| !lease["holder"].is_null());
        hold!(output.code == Some(0) && !held, "a lease is held: {leases}");
        let output = self.windlass("history --format json", Kill::Not);
        hold!(output.code == Some(0), "a journal cannot be read");
        let history: Value = serde_json::from_str(&output.raw_stdout).map_err(|error| error.to_string())?;
        let open = history.as_array().into_iter().flatten().any(|run| run["outcome"].is_null());
        hold!(!open, "a run has no end");
        world::journals_hold(&self.project)?;

        let schema = if end == End::Deployed { &self.deployment.after } else { &self.deployment.before };
        hold!(Schema::of(&self.project) == *schema, "the database is not as it is where the release is {end:?}");
        self.effects_hold(end)
    }

    /// No effect twice, none lost, none that nobody asked for.
    fn effects_hold(&self, end: End) -> Holds {
        let effects = Effects::of(&self.project);
        let mut events = Vec::new();
        for run in world::runs(&self.project).iter().filter(|run| **run != self.deployment.base) {
            events.extend(world::events(&self.project, run)?);
        }
        let written = |name: &str, step: &str| {
            events.iter().filter(|event| event["event"] == name && event["step"] == step).count()
        };
        for step in TELL.iter().chain(&[UNKNOWN, IDEMPOTENT]) {
            let marks = effects.marks(step, 2).replace('!', "");
            hold!(effects.applied(step, 2) == (end == End::Deployed), "`{step}` is not as it must be: {marks}");
            hold!(effects.marks(step, 1).replace('!', "") == "+", "`{step}` of the release before was touched");
            hold!(
                effects.count('+', step, 2) <= written("step-started", step),
                "`{step}` was applied unannounced: {marks}"
            );
            let reverts = effects.count('-', step, 2) + effects.count('0', step, 2);
            hold!(reverts <= written("revert-started", step), "`{step}` was taken back unannounced: {marks}");
            if TELL.contains(step) || (*step == UNKNOWN && !self.again) {
                hold!(!marks.contains("++"), "`{step}` was applied twice: {marks}");
            }
        }
        let told = effects.count('+', "tell", 2);
        hold!(told <= written("step-started", "tell"), "the finally step ran unannounced");
        // What came after the steps is lost where a run that was cut off there was closed.
        let last = events.iter().rfind(|event| event["event"] == "run-finished");
        let closed = last.is_some_and(|event| event["reason"] == "cut-off");
        let cut_off = written("step-started", "tell") > written("step-succeeded", "tell");
        if end == End::Deployed {
            hold!(told > 0 || cut_off || closed, "the finally step never ran");
            hold!(effects.count('*', "build", 2) > 0 && effects.count('*', "live", 2) > 0, "what only looks never ran");
        } else if written("step-reverted", "assets") > 0 && !closed {
            hold!(effects.count('*', "live", 1) > 1, "what is live again was not checked");
        }
        Ok(())
    }
}
