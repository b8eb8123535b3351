//! The crash test: a deployment that is killed at any point, and what `resume`, `rollback` and `reap` make of it.
//!
//! Three kinds of kills: at every fault point of a run, one after the other (`host/src/fault.rs` says where they are, and
//! that only builds with debug assertions have them); from outside, at a random moment; and of the recovery itself, up to
//! three times. After each, `case.rs` says what must hold.
//!
//! | variable | |
//! | --- | --- |
//! | `WINDLASS_CRASH_POINTS` | How many kills there are at least; 200 where it is not set. `scripts/crash` is the long form. |
//! | `WINDLASS_CRASH_SEED` | What the random numbers come from. It is printed. |
//! | `WINDLASS_CRASH_CASE` | Only this case, as a failure names it: `point 57`. |

#![cfg(target_os = "linux")]

#[path = "crash/case.rs"]
mod case;
#[path = "crash/deployment.rs"]
mod deployment;
#[path = "crash/random.rs"]
mod random;
#[path = "crash/world.rs"]
mod world;

use case::{Case, Counts, Kill, SLOW};
use deployment::Deployment;
use random::Random;
use std::io::Write as _;
use std::panic::AssertUnwindSafe;
use std::sync::Mutex;
use std::time::{Duration, Instant};
use world::UNKNOWN;

/// What is still to be done, and what came of what was.
struct Work {
    wanted: u64,
    /// The next fault point of the first kill, and the round: each goes through all of them.
    point: u64,
    round: u64,
    /// How many fault points a run passes, once one has passed them all.
    points: Option<u64>,
    /// Cases by time that were begun.
    timed: u64,
    cases: u64,
    counts: Counts,
    failures: Vec<String>,
}

/// The name of a case: its kind and its number.
type Name = (&'static str, u64);

impl Work {
    /// The next case; none where there were enough.
    fn next(&mut self) -> Option<Name> {
        if self.failures.len() >= 5 {
            return None;
        }
        // A quarter is killed by time. All points are gone through at least once.
        if self.timed * 4 < self.cases {
            self.timed += 1;
            return Some(("time", self.timed));
        }
        if self.points.is_some_and(|points| self.point >= points) {
            if self.counts.kills() >= self.wanted {
                return None;
            }
            self.round += 1;
            self.point = 0;
        }
        if self.round > 0 && self.counts.kills() >= self.wanted {
            return None;
        }
        self.point += 1;
        Some(("point", self.round * ROUND + self.point))
    }
}

/// What the numbers of points are apart from one round to the next.
const ROUND: u64 = 10_000;

/// How the run of a case is killed.
fn kill(deployment: &Deployment, (kind, number): Name, random: &mut Random) -> Kill {
    if kind == "point" {
        return Kill::Point(number % ROUND);
    }
    let mut within = |time: Duration| {
        let limit = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(random.below(limit + limit / 10))
    };
    // Most while it has effects.
    match number % 8 {
        0 => Kill::Started(within(deployment.whole)),
        1..4 => Kill::Begun(within(deployment.usual)),
        _ => {
            let after = within(Duration::from_millis(15));
            // What cannot tell is what a person is asked about.
            let step = usize::try_from(random.below(SLOW.len() as u64)).unwrap_or_default();
            Kill::Step(if random.one_in(3) { UNKNOWN } else { SLOW[step] }, after)
        }
    }
}

/// One case: whether the kill came in time, what was counted, and what did not hold.
fn one(deployment: &Deployment, seed: u64, name: Name) -> (Result<bool, String>, Counts) {
    let (kind, number) = name;
    let mut random = Random::of(seed, kind, number);
    let kill = kill(deployment, name, &mut random);
    let mut case = Case::new(deployment, kill, random);
    // Also of a panic somebody wants to know how it came about.
    let result = std::panic::catch_unwind(AssertUnwindSafe(|| case.run()))
        .unwrap_or_else(|_| Err("a panic".into()))
        .map_err(|why| {
            let again = format!("WINDLASS_CRASH_SEED={seed} WINDLASS_CRASH_CASE='{kind} {number}'");
            format!("{why}\n  in case {kind} {number} ({kill:?}); again with {again}\n{}", case.told())
        });
    (result, case.counts.clone())
}

fn number_of(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{variable} is no number: {text}")))
}

/// Past the capture of the test runner: these counts are what the test is for.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

#[test]
fn whatever_is_killed_can_be_gone_on_with_or_taken_back() {
    let started = Instant::now();
    let seed = number_of("WINDLASS_CRASH_SEED").unwrap_or_else(|| u64::from(std::process::id()) ^ now());
    say(&format!("crash: seed {seed}"));
    let deployment = Deployment::prepare();
    if let Ok(name) = std::env::var("WINDLASS_CRASH_CASE") {
        let (kind, number) = name.split_once(' ').expect("a kind and a number");
        let kind = if kind == "point" { "point" } else { "time" };
        let (result, counts) = one(&deployment, seed, (kind, number.parse().expect("a number")));
        result.unwrap_or_else(|why| panic!("{why}"));
        return say(&format!("crash: {counts:?}"));
    }
    let work = Mutex::new(Work {
        wanted: number_of("WINDLASS_CRASH_POINTS").unwrap_or(200),
        point: 0,
        round: 0,
        points: None,
        timed: 0,
        cases: 0,
        counts: Counts::default(),
        failures: vec![],
    });
    // One more than there are cores: a case sometimes waits.
    let threads = std::thread::available_parallelism().map_or(1, usize::from) + 1;
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| worker(&deployment, seed, &work));
        }
    });
    let work = work.into_inner().expect("no panic");
    report(&work, started.elapsed());
    assert!(
        work.failures.is_empty(),
        "seed {seed}: {} cases failed\n\n{}",
        work.failures.len(),
        work.failures.join("\n\n")
    );
    assert!(work.counts.kills() >= work.wanted, "only {} kills", work.counts.kills());
}

fn now() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock");
    now.as_secs()
}

fn worker(deployment: &Deployment, seed: u64, work: &Mutex<Work>) {
    loop {
        let Some(name) = work.lock().expect("no panic").next() else { return };
        let (result, counts) = one(deployment, seed, name);
        let mut work = work.lock().expect("no panic");
        work.cases += 1;
        work.counts.add(&counts);
        match result {
            Ok(killed) if !killed && name.0 == "point" => {
                let point = name.1 % ROUND - 1;
                work.points = Some(work.points.map_or(point, |points| points.min(point)));
            }
            Ok(_) => {}
            Err(why) => work.failures.push(why),
        }
    }
}

fn report(work: &Work, took: Duration) {
    let Counts { at_points, by_time, before_begin, survived, double, resumes, rollbacks, runs, reaps, .. } =
        work.counts;
    let Counts { unknown, done, not_done, leftovers, deployed, taken_back, .. } = work.counts;
    say(&format!(
        "crash: {} cases in {} s; a run passes {} fault points\n\
         crash: {} kills: {at_points} at fault points, {by_time} by time; {double} of them of a recovery\n\
         crash: {before_begin} before the run was there, {survived} too late\n\
         crash: {resumes} resumes, {rollbacks} rollbacks, {runs} runs anew, {reaps} reaps in between\n\
         crash: {leftovers} times a child of the killed process was still at work\n\
         crash: {unknown} times a step was unknown: {done} answered done, {not_done} not done, the others taken back\n\
         crash: {deployed} ended deployed, {taken_back} taken back; {} not as they must",
        work.cases,
        took.as_secs(),
        work.points.unwrap_or_default(),
        work.counts.kills(),
        work.failures.len(),
    ));
}

#[test]
fn a_step_whose_outputs_are_lost_is_not_taken_for_done() {
    let step = |id: &str, run: &str, more: &str| {
        let head = format!("[[step]]\nid = \"{id}\"\nplugin = \"command\"\n[step.with]\n");
        format!(
            "{head}run = [\"sh\", \"-c\", \"echo +{id} >>effects{run}\"]\nrevert = [\"sh\", \"-c\", \"echo -{id} >>effects\"]\n{more}\n"
        )
    };
    // The first time, it ends the process that waits for it.
    let kills = "; [ -e killed ] || { touch killed; kill -9 $PPID; }";
    let project = e2e::Project::with(&format!(
        "schema = 1\napp = \"shop\"\n[environments.staging]\n{}{}",
        step("build", kills, "unless = [\"grep\", \"-q\", \"build\", \"effects\"]"),
        step("release", "", "set = { CODE = \"${steps.build.outputs.exit-code}\" }"),
    ))
    .file("effects", "")
    .locked();
    assert_eq!(project.windlass("run").code, None);
    let run = world::runs(&project).pop().expect("a run");
    let resume = |more: &str| project.windlass(&format!("resume {run} --commit {} {more}", e2e::COMMIT));
    let unknown = resume("").exits(11);
    assert!(unknown.stderr.contains("a later step uses its outputs, and those are lost"), "{}", unknown.stderr);
    assert!(!unknown.stderr.contains("--done"), "{}", unknown.stderr);
    let refused = resume("--done build").exits(2);
    assert!(refused.stderr.contains("a later step uses its outputs, and those are lost"), "{}", refused.stderr);
    assert_eq!(project.read("effects"), "+build\n");
    let _ = resume("--not-done build").exits(0);
    assert_eq!(project.read("effects"), "+build\n+build\n+release\n");
}
