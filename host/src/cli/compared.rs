//! How the journal of a run that is here and the one that the forge keeps stand to each other. Pure.

use crate::event::{Event, Place};
use crate::history;
use crate::journal;
use crate::problem::{Code, Problem};
use std::path::Path;

/// How the one that is there stands to the one that is here.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Compared {
    /// It is the beginning of the one that is here, or the same.
    Before,
    /// It goes on from the one that is here; or from where that was only closed, by two at once, of whom it was the first.
    Further(Vec<u8>),
    /// The two go on differently, so that nobody can tell from either what was done.
    Apart(Vec<u8>),
    /// It is not the journal of this run at all, for this reason.
    Other(String),
}

/// Compare the journal of a run of a place that is here, in whole lines, with the one that is there.
pub(super) fn compare(place: &Place, run: &str, here: &[u8], there: Vec<u8>) -> Compared {
    if !there.is_empty() && here.starts_with(&there) {
        return Compared::Before;
    }
    match is_of(place, run, &there) {
        Err(why) => Compared::Other(why),
        Ok(()) if there.starts_with(here) || only_closes(here, &there) => Compared::Further(there),
        Ok(()) => Compared::Apart(there),
    }
}

/// The whole lines of a journal. What is behind them was cut off, or is being written.
pub(super) fn whole(text: &[u8]) -> &[u8] {
    &text[..memchr::memrchr(b'\n', text).map_or(0, |last| last + 1)]
}

/// Whether what is kept under the name of a run of a place is the whole journal of that run: whoever can write to the repository,
/// or to its packages, can put something else there.
fn is_of(place: &Place, run: &str, text: &[u8]) -> Result<(), String> {
    match history::replay_bytes(text, "it") {
        Err(problem) => Err(problem.causes.first().cloned().unwrap_or(problem.what)),
        Ok(None) => Err("it does not say what run it is of".into()),
        Ok(Some(past)) if past.run != run || past.subject.place() != *place => {
            Err("it is the journal of another run".into())
        }
        Ok(Some(_)) => Ok(()),
    }
}

/// How much of its beginning a journal has in common with another one, in whole lines: how many, and how many bytes.
fn common(one: &[u8], other: &[u8]) -> (u64, usize) {
    let same = one.iter().zip(other).take_while(|(one, other)| one == other).count();
    let length = whole(&one[..same]).len();
    (memchr::memchr_iter(b'\n', &one[..length]).count() as u64, length)
}

/// Whether a journal says from where another one goes on differently no more than that nobody is at work any more, and that the
/// forge was told: nothing was done, and nothing is lost with it.
fn only_closes(text: &[u8], other: &[u8]) -> bool {
    let (lines, _) = common(text, other);
    let mut own = Vec::new();
    let read = journal::read_bytes(text, "it", |entry| own.extend(Some(entry.event).filter(|_| entry.seq >= lines)));
    let is_reaped = own.iter().any(|event| matches!(event, Event::RunReaped { .. }));
    let closes = |event: &Event| match event {
        Event::RunFinished { .. } => is_reaped,
        Event::RunReaped { .. }
        | Event::DeploymentCreated { .. }
        | Event::DeploymentDoubted { .. }
        | Event::DeploymentTold { .. } => true,
        _ => false,
    };
    lines > 0 && read.is_ok() && own.iter().all(closes)
}

/// That a run's journal here and the forge's go on differently, with their files.
pub(super) fn apart(place: &Place, run: &str, here: (&Path, &[u8]), there: (&Path, &[u8])) -> Problem {
    let (lines, length) = common(whole(here.1), whole(there.1));
    let end = |(path, text): (&Path, &[u8])| {
        let rest = whole(text).get(length..).unwrap_or_default();
        let last = rest.trim_ascii_end().rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
        let last: serde_json::Value = serde_json::from_slice(last).unwrap_or_default();
        let word = |value: &serde_json::Value| value.as_str().unwrap_or("?").to_owned();
        let (event, at) = (word(&last["event"]["event"]), word(&last["at"]));
        let count = memchr::memchr_iter(b'\n', rest).count();
        format!("has {count} more, the last of them `{event}` at {at}: `{}`", path.display())
    };
    let options = place.options();
    Problem::new(Code::JournalDiffers, format!("nobody can tell what run `{run}` did: its journal was written twice"))
        .because(format!("the one here and the one on the forge are the same in their first {lines} lines"))
        .because(format!("the one here {}", end(here)))
        .because(format!("the one on the forge {}", end(there)))
        .with_note("nothing was changed")
        .with_hint(format!(
            "look at what was done: where the forge's is right, move the run's directory out of `.windlass/runs`; \
             otherwise `windlass run {options}` begins again"
        ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{RunOutcome, Subject};
    use crate::journal::{Journal, Memory, Store};

    const RUN: &str = "run";

    fn subject() -> Subject {
        Subject {
            app: "shop".into(),
            environment: "staging".into(),
            component: None,
            commit: "a".repeat(40),
            reference: None,
            version: "1".into(),
            actor: None,
        }
    }

    /// A journal with these events behind its first one, and behind `before` where that is given.
    fn text(before: Option<&[u8]>, events: &[Event]) -> Vec<u8> {
        let started = Event::RunStarted {
            schema: crate::event::SCHEMA.into(),
            windlass: "0.1.0".into(),
            run: RUN.into(),
            subject: Box::new(subject()),
            plan: "sha256:00".into(),
            forge: "github".into(),
            steps: vec![],
            process: 1,
            job: None,
            url: None,
        };
        let store = Memory::default();
        match before {
            Some(before) => {
                let mut log = store.begin(RUN).expect("a journal");
                log.append(before).expect("what was before");
                drop(log);
                Journal::reopen(&store, RUN, drop).and_then(|mut journal| journal.append_all(events)).expect("events");
            }
            None => {
                let mut journal = Journal::create(&store, RUN).expect("a journal");
                journal.append(&started).expect("an event");
                journal.append_all(events).expect("events");
            }
        }
        store.read(RUN).expect("its text")
    }

    fn note(text: &str) -> Event {
        Event::NoteAdded { text: text.into() }
    }

    fn reaped(by: &str) -> [Event; 2] {
        let finished = Event::RunFinished { outcome: RunOutcome::Failed, reason: None, changed: false, duration_ms: 0 };
        [Event::RunReaped { actor: Some(by.into()), run: None }, finished]
    }

    #[test]
    fn what_is_kept_under_the_name_of_a_run_has_to_be_its_whole_journal() {
        let place = subject().place();
        let text = text(None, &[]);
        let other = Place { environment: "production".into(), ..place.clone() };
        assert_eq!(compare(&place, RUN, b"", text.clone()), Compared::Further(text.clone()));
        assert!(matches!(compare(&place, "other", b"", text.clone()), Compared::Other(_)));
        assert!(matches!(compare(&other, RUN, b"", text.clone()), Compared::Other(_)));
        let forged = String::from_utf8(text.clone()).expect("text").replace("shop", "blog").into_bytes();
        for there in [forged, b"".to_vec(), b"<html>\n".to_vec()] {
            assert!(matches!(compare(&place, RUN, b"", there.clone()), Compared::Other(_)));
            assert!(matches!(compare(&place, RUN, &text, there), Compared::Other(_)));
        }
    }

    #[test]
    fn the_longer_of_two_counts_only_where_it_goes_on_from_the_other() {
        let place = subject().place();
        let begun = text(None, &[note("a")]);
        let further = text(Some(&begun), &[note("b")]);
        let apart = text(Some(&begun), &[note("c"), note("d")]);
        assert_eq!(compare(&place, RUN, &begun, begun.clone()), Compared::Before);
        assert_eq!(compare(&place, RUN, &further, begun.clone()), Compared::Before);
        assert_eq!(compare(&place, RUN, &begun, further.clone()), Compared::Further(further.clone()));
        assert_eq!(compare(&place, RUN, &further, apart.clone()), Compared::Apart(apart.clone()));
        assert_eq!(compare(&place, RUN, &apart, further.clone()), Compared::Apart(further));
    }

    #[test]
    fn who_only_closed_a_run_gives_way_to_whoever_was_first() {
        let place = subject().place();
        let begun = text(None, &[note("a")]);
        let (one, other) = (text(Some(&begun), &reaped("ann")), text(Some(&begun), &reaped("bob")));
        let worked = text(Some(&begun), &[note("b")]);
        let ended = text(Some(&begun), &reaped("ann")[1..]);
        assert_eq!(compare(&place, RUN, &one, other.clone()), Compared::Further(other.clone()));
        assert_eq!(compare(&place, RUN, &one, worked.clone()), Compared::Further(worked.clone()));
        // Whoever did something, or came to its end by itself, knows more than whoever closed it.
        assert_eq!(compare(&place, RUN, &worked, one.clone()), Compared::Apart(one.clone()));
        assert_eq!(compare(&place, RUN, &ended, one.clone()), Compared::Apart(one));
    }

    #[test]
    fn both_ends_are_named() {
        let begun = text(None, &[note("a")]);
        let (here, there) = (text(Some(&begun), &[note("b")]), text(Some(&begun), &reaped("bob")));
        let problem = apart(&subject().place(), RUN, (Path::new("here"), &here), (Path::new("there"), &there));
        assert_eq!(problem.causes[0], "the one here and the one on the forge are the same in their first 2 lines");
        assert!(problem.causes[1].starts_with("the one here has 1 more, the last of them `note-added` at 2"));
        assert!(problem.causes[2].starts_with("the one on the forge has 2 more, the last of them `run-finished` at 2"));
        assert!(problem.causes[1].ends_with(": `here`") && problem.causes[2].ends_with(": `there`"), "{problem:?}");
    }
}
