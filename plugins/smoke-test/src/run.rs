//! The checks under way: which is tried when, and when one is over. Knows no network and no clock of its own.
//!
//! HTTP checks run side by side. A TCP probe blocks whoever asks for it, so it takes its turn while no request is under
//! way, or a slow probe would count as the latency of a request; requests that are tried again wait for it.

use crate::check::{Prepared, Subject};
use crate::judge::{Answer, Verdict, judge};
use std::time::Duration;
use windlass_plugin::Failure;

/// What the checks are run in: the network and the clock, or a test's idea of them.
pub trait World {
    /// A request that is under way.
    type Flight;

    /// The time since some fixed moment.
    fn now(&self) -> Duration;
    /// Send a check's request, or say why it cannot be sent.
    fn start(&mut self, check: &Prepared) -> Result<Self::Flight, Answer>;
    /// Its answer, once there is one.
    fn look(&mut self, flight: &mut Self::Flight) -> Option<Answer>;
    /// Wait until one of these may have an answer, and no longer than this.
    fn wait(&mut self, flights: &[&Self::Flight], at_most: Duration);
    /// Connect to a port.
    fn probe(&mut self, host: &str, port: u16, timeout: Duration) -> Answer;
    /// Tell whoever watches that a check has something new to say.
    fn tell(&mut self, check: &Prepared, news: &Verdict, tries: u32);
}

/// How a check came out.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// What the last try said; none where there was none.
    pub verdict: Option<Verdict>,
    /// Whether it was not tried again because another check had failed for good.
    pub given_up: bool,
    /// How many tries there were.
    pub tries: u32,
    /// From the beginning of the first try to the end of the last.
    pub took: Duration,
}

impl Finding {
    /// Whether the check holds.
    #[must_use]
    pub fn is_good(&self) -> bool {
        matches!(self.verdict, Some(Verdict::Good(_)))
    }

    /// Whether it does not, and had all its time.
    #[must_use]
    pub fn is_failed(&self) -> bool {
        !self.given_up && !self.is_good()
    }
}

/// A check on its way.
struct Course<'a, F> {
    check: &'a Prepared,
    state: State<F>,
    first: Option<Duration>,
    ended: Duration,
    tries: u32,
    pause: Duration,
    verdict: Option<Verdict>,
    given_up: bool,
}

enum State<F> {
    Waiting { until: Duration },
    Flying { flight: F, until: Duration },
    Over,
}

impl<F> Course<'_, F> {
    fn is_due(&self, now: Duration) -> bool {
        matches!(self.state, State::Waiting { until } if until <= now)
    }

    fn is_tcp(&self) -> bool {
        matches!(self.check.subject, Subject::Tcp { .. })
    }

    fn begin(&mut self, now: Duration) {
        self.first.get_or_insert(now);
        self.tries += 1;
    }

    /// A try came to its end: either the check is over, or it is tried again.
    fn settle(&mut self, verdict: Verdict, now: Duration) {
        let pace = self.check.pace;
        let deadline = self.first.unwrap_or(now) + pace.within;
        let again = match &verdict {
            Verdict::Good(_) | Verdict::Stop(_) => false,
            Verdict::NotUp { .. } => now < deadline,
            Verdict::Wrong { .. } => now < deadline && pace.retry_wrong,
        };
        self.ended = now;
        self.verdict = Some(verdict);
        self.state = if again { State::Waiting { until: (now + self.pause).min(deadline) } } else { State::Over };
        self.pause = (self.pause * 2).min(pace.max_interval);
    }

    fn has_failed(&self) -> bool {
        matches!(self.state, State::Over) && !self.given_up && !matches!(self.verdict, Some(Verdict::Good(_)))
    }
}

/// Run all checks until each holds, or has failed for good. Once one has failed, the others finish the try that is under
/// way and are not tried again, so that a rollback does not wait for them.
///
/// # Errors
/// Where trying again is of no use: a denial, or a request that nobody can send.
pub fn run<W: World>(world: &mut W, checks: &[Prepared]) -> Result<Vec<Finding>, Failure> {
    let start = world.now();
    let mut courses: Vec<Course<'_, W::Flight>> = checks
        .iter()
        .map(|check| Course {
            check,
            state: State::Waiting { until: start },
            first: None,
            ended: start,
            tries: 0,
            pause: check.pace.interval.min(check.pace.max_interval),
            verdict: None,
            given_up: false,
        })
        .collect();
    loop {
        land(world, &mut courses)?;
        if courses.iter().any(Course::has_failed) {
            for course in &mut courses {
                if matches!(course.state, State::Waiting { .. }) {
                    course.state = State::Over;
                    course.given_up = true;
                }
            }
        }
        depart(world, &mut courses)?;
        if courses.iter().all(|course| matches!(course.state, State::Over)) {
            break;
        }
        rest(world, &mut courses);
    }
    Ok(courses.into_iter().map(Course::finish).collect())
}

impl<F> Course<'_, F> {
    fn finish(self) -> Finding {
        let took = self.ended.saturating_sub(self.first.unwrap_or(self.ended));
        Finding { verdict: self.verdict, given_up: self.given_up, tries: self.tries, took }
    }
}

/// Take in the answers that are there, and end the tries whose time is over.
fn land<W: World>(world: &mut W, courses: &mut [Course<'_, W::Flight>]) -> Result<(), Failure> {
    for index in 0..courses.len() {
        let now = world.now();
        let State::Flying { flight, until } = &mut courses[index].state else { continue };
        let answer = match world.look(flight) {
            Some(answer) => answer,
            None if *until <= now => Answer::TimedOut,
            None => continue,
        };
        arrive(world, courses, index, answer)?;
    }
    Ok(())
}

/// Begin the tries that are due.
fn depart<W: World>(world: &mut W, courses: &mut [Course<'_, W::Flight>]) -> Result<(), Failure> {
    let now = world.now();
    let probe_is_due = courses.iter().any(|course| course.is_tcp() && course.is_due(now));
    for index in 0..courses.len() {
        let course = &mut courses[index];
        if course.is_tcp() || !course.is_due(now) || (probe_is_due && course.tries > 0) {
            continue;
        }
        course.begin(now);
        match world.start(course.check) {
            Ok(flight) => course.state = State::Flying { flight, until: now + course.check.pace.timeout },
            Err(answer) => arrive(world, courses, index, answer)?,
        }
    }
    if courses.iter().any(|course| matches!(course.state, State::Flying { .. })) {
        return Ok(());
    }
    if let Some(index) = courses.iter().position(|course| course.is_tcp() && course.is_due(now)) {
        courses[index].begin(now);
        if let Subject::Tcp { host, port } = &courses[index].check.subject {
            let answer = world.probe(host, *port, courses[index].check.pace.timeout);
            arrive(world, courses, index, answer)?;
        }
    }
    Ok(())
}

fn arrive<W: World>(
    world: &mut W,
    courses: &mut [Course<'_, W::Flight>],
    index: usize,
    answer: Answer,
) -> Result<(), Failure> {
    let now = world.now();
    let course = &mut courses[index];
    let verdict = judge(course.check, answer);
    if let Verdict::Stop(failure) = verdict {
        return Err(failure);
    }
    // The same again is no news.
    if course.verdict.as_ref() != Some(&verdict) {
        world.tell(course.check, &verdict, course.tries);
    }
    course.settle(verdict, now);
    Ok(())
}

/// Wait for the next thing that can happen.
fn rest<W: World>(world: &mut W, courses: &mut [Course<'_, W::Flight>]) {
    let now = world.now();
    let mut flights = vec![];
    let mut next: Option<Duration> = None;
    for course in courses.iter() {
        let moment = match &course.state {
            State::Flying { flight, until } => {
                flights.push(flight);
                *until
            }
            // What is due and was not begun waits for a flight to end.
            State::Waiting { until } if *until > now => *until,
            State::Waiting { .. } | State::Over => continue,
        };
        next = Some(next.map_or(moment, |next| next.min(moment)));
    }
    // Nothing to wait for means that something can be begun now.
    if let Some(next) = next {
        let held = flights.is_empty() && courses.iter().any(|course| course.is_due(now));
        if !held {
            world.wait(&flights, next.saturating_sub(now));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::prepare;
    use serde_json::json;
    use std::collections::HashMap;
    use windlass_plugin::http::{Error, Response};

    /// How the fake network answers one try: after so many milliseconds, with a status, or with a refusal for 0.
    type Script = Vec<(u64, u16)>;

    /// A network by script, and a clock that moves only while somebody waits.
    #[derive(Default)]
    struct Fake {
        now: Duration,
        scripts: HashMap<String, Script>,
        log: Vec<String>,
        at_once: usize,
        most_at_once: usize,
    }

    struct Flight {
        lands: Duration,
        status: u16,
        began: Duration,
    }

    impl Fake {
        fn next(&mut self, name: &str) -> (u64, u16) {
            let script = self.scripts.get_mut(name).unwrap_or_else(|| panic!("no script for {name}"));
            if script.len() > 1 { script.remove(0) } else { script[0] }
        }

        fn note(&mut self, what: &str) {
            self.log.push(format!("{} {what}", self.now.as_millis()));
        }
    }

    fn refused() -> Answer {
        Answer::Http(Err(Error::Unreachable { code: "connection-refused", message: "refused".into() }))
    }

    impl World for Fake {
        type Flight = Flight;

        fn now(&self) -> Duration {
            self.now
        }

        fn start(&mut self, check: &Prepared) -> Result<Flight, Answer> {
            self.note(&check.name);
            let (milliseconds, status) = self.next(&check.name);
            if status == 999 {
                return Err(Answer::Http(Err(Error::Denied("denied".into()))));
            }
            self.at_once += 1;
            self.most_at_once = self.most_at_once.max(self.at_once);
            Ok(Flight { lands: self.now + Duration::from_millis(milliseconds), status, began: self.now })
        }

        fn look(&mut self, flight: &mut Flight) -> Option<Answer> {
            if flight.lands > self.now {
                return None;
            }
            self.at_once -= 1;
            if flight.status == 0 {
                return Some(refused());
            }
            Some(Answer::Http(Ok(Response {
                status: flight.status,
                headers: vec![],
                body: vec![],
                truncated: false,
                elapsed: self.now - flight.began,
            })))
        }

        fn wait(&mut self, flights: &[&Flight], at_most: Duration) {
            assert!(!at_most.is_zero(), "a wait for nothing is a busy loop");
            let next = flights.iter().map(|flight| flight.lands.saturating_sub(self.now)).min();
            self.now += next.map_or(at_most, |next| next.min(at_most));
        }

        fn probe(&mut self, host: &str, _: u16, timeout: Duration) -> Answer {
            assert_eq!(self.at_once, 0, "a probe blocks, and a request under way would count its time");
            self.note(host);
            let (milliseconds, status) = self.next(host);
            let took = Duration::from_millis(milliseconds).min(timeout);
            self.now += took;
            if status == 0 {
                Answer::Tcp(Err(Failure::unavailable("connection-refused", "refused")))
            } else {
                Answer::Tcp(Ok(took))
            }
        }

        fn tell(&mut self, check: &Prepared, news: &Verdict, _: u32) {
            let word = match news {
                Verdict::Good(_) => "good",
                Verdict::NotUp { .. } => "not up",
                Verdict::Wrong { .. } => "wrong",
                Verdict::Stop(_) => "stop",
            };
            self.note(&format!("{}: {word}", check.name));
        }
    }

    fn try_all(checks: serde_json::Value, scripts: &[(&str, &[(u64, u16)])]) -> (Fake, Result<Vec<Finding>, Failure>) {
        let config = serde_json::from_value(json!({ "checks": checks })).expect("fits the schema");
        let checks = prepare(&config).expect("makes sense");
        let scripts = scripts.iter().map(|&(name, script)| (name.into(), script.to_vec())).collect();
        let mut fake = Fake { scripts, ..Fake::default() };
        let findings = run(&mut fake, &checks);
        (fake, findings)
    }

    #[test]
    fn a_check_that_holds_is_tried_once() {
        let (fake, findings) = try_all(json!([{ "name": "a", "url": "https://a.example" }]), &[("a", &[(20, 200)])]);
        assert_eq!(fake.log, ["0 a", "20 a: good"]);
        let expected = Finding {
            verdict: Some(Verdict::Good(Duration::from_millis(20))),
            given_up: false,
            tries: 1,
            took: Duration::from_millis(20),
        };
        assert_eq!(findings, Ok(vec![expected]));
    }

    #[test]
    fn what_is_not_up_is_tried_again_with_longer_pauses() {
        let (fake, findings) = try_all(
            json!([{ "name": "a", "url": "https://a.example", "max-interval": "600ms" }]),
            &[("a", &[(0, 0), (0, 0), (0, 503), (0, 0), (0, 200)])],
        );
        assert_eq!(
            fake.log,
            [
                "0 a",
                "0 a: not up",
                "250 a",
                "750 a",
                "750 a: not up",
                "1350 a",
                "1350 a: not up",
                "1950 a",
                "1950 a: good"
            ]
        );
        assert_eq!(findings.expect("findings")[0].tries, 5);
    }

    #[test]
    fn the_last_try_begins_at_the_deadline() {
        let (fake, findings) =
            try_all(json!([{ "name": "a", "url": "https://a.example", "within": "1s" }]), &[("a", &[(10, 0)])]);
        let tries: Vec<&String> = fake.log.iter().filter(|line| line.ends_with(" a")).collect();
        assert_eq!(tries, ["0 a", "260 a", "770 a", "1000 a"]);
        let findings = findings.expect("findings");
        assert!(findings[0].is_failed() && findings[0].took == Duration::from_millis(1010), "{findings:?}");
    }

    #[test]
    fn no_time_at_all_is_a_single_try() {
        let (fake, _) =
            try_all(json!([{ "name": "a", "url": "https://a.example", "within": "0s" }]), &[("a", &[(0, 0)])]);
        assert_eq!(fake.log, ["0 a", "0 a: not up"]);
    }

    #[test]
    fn a_wrong_answer_is_tried_again_unless_told_otherwise() {
        let script: &[(&str, &[(u64, u16)])] = &[("a", &[(0, 500), (0, 200)])];
        let (fake, findings) = try_all(json!([{ "name": "a", "url": "https://a.example" }]), script);
        assert_eq!(fake.log, ["0 a", "0 a: wrong", "250 a", "250 a: good"]);
        assert!(findings.expect("findings")[0].is_good());
        let (_, findings) = try_all(json!([{ "name": "a", "url": "https://a.example", "retry-wrong": false }]), script);
        let findings = findings.expect("findings");
        assert!(findings[0].is_failed() && findings[0].tries == 1, "{findings:?}");
    }

    #[test]
    fn a_try_has_its_time() {
        let (fake, findings) = try_all(
            json!([{ "name": "a", "url": "https://a.example", "timeout": "300ms", "interval": "100ms" }]),
            &[("a", &[(9_000, 200), (10, 200)])],
        );
        assert_eq!(fake.log, ["0 a", "300 a: not up", "400 a", "410 a: good"]);
        assert!(findings.expect("findings")[0].is_good());
    }

    #[test]
    fn checks_run_side_by_side() {
        let checks: Vec<_> =
            ["a", "b", "c"].iter().map(|name| json!({ "name": name, "url": "https://a.example" })).collect();
        let (fake, _) = try_all(json!(checks), &[("a", &[(300, 200)]), ("b", &[(200, 200)]), ("c", &[(100, 200)])]);
        assert_eq!((fake.most_at_once, fake.now), (3, Duration::from_millis(300)));
    }

    #[test]
    fn once_one_has_failed_the_others_are_not_tried_again() {
        let (_, findings) = try_all(
            json!([
                { "name": "a", "url": "https://a.example", "retry-wrong": false },
                { "name": "b", "url": "https://b.example" },
                { "name": "c", "url": "https://c.example" },
            ]),
            &[("a", &[(10, 500)]), ("b", &[(0, 0)]), ("c", &[(2_000, 200)])],
        );
        let findings = findings.expect("findings");
        assert!(findings[0].is_failed());
        assert!(findings[1].given_up && findings[1].tries == 1 && !findings[1].is_failed());
        assert!(findings[2].is_good());
    }

    #[test]
    fn a_denial_ends_everything() {
        let (_, findings) = try_all(json!([{ "name": "a", "url": "https://a.example" }]), &[("a", &[(0, 999)])]);
        assert_eq!(findings.expect_err("denied").kind, windlass_plugin::FailureKind::Denied);
    }

    #[test]
    fn probes_take_their_turn_and_nobody_starves() {
        let (fake, findings) = try_all(
            json!([
                { "name": "a", "url": "https://a.example", "interval": "10ms", "max-interval": "10ms" },
                { "name": "b", "url": "https://b.example", "interval": "10ms", "max-interval": "10ms" },
                { "name": "t", "tcp": "t:1", "interval": "10ms" },
            ]),
            &[("a", &[(70, 0), (70, 0), (70, 200)]), ("b", &[(50, 0), (50, 0), (50, 200)]), ("t", &[(5, 0), (5, 1)])],
        );
        let findings = findings.expect("findings");
        assert!(findings.iter().all(Finding::is_good), "{findings:?}");
        assert!(fake.log.contains(&"70 t".to_owned()), "{:?}", fake.log);
        assert!(findings[2].took >= Duration::from_millis(5 + 10 + 5), "{findings:?}");
    }

    #[test]
    fn probes_alone_are_tried_until_they_connect() {
        let (fake, findings) = try_all(json!([{ "name": "t", "tcp": "t:1" }]), &[("t", &[(1, 0), (1, 0), (1, 1)])]);
        assert_eq!(fake.log, ["0 t", "1 t: not up", "251 t", "752 t", "753 t: good"]);
        assert!(findings.expect("findings")[0].is_good());
    }
}
