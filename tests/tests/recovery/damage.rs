//! A journal that is not what was written: cut short anywhere it is gone on with, changed anywhere it stops everybody.
//!
//! The journal's own tests go through every byte and every bit. Here the program is asked, at each line's end, beside it, and
//! at many places in between.

use super::*;
use std::collections::BTreeSet;

/// The places to look at in a journal: each line's first and last bytes, and some of the rest.
fn places(text: &[u8], every: usize) -> BTreeSet<usize> {
    let mut places: BTreeSet<usize> = (0..text.len()).step_by(every).collect();
    for end in text.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(index, _)| index + 1) {
        places.extend([end - 1, end, end + 1].into_iter().filter(|place| *place < text.len()));
    }
    places
}

/// The whole lines of what is left of a journal.
fn whole(text: &[u8]) -> &[u8] {
    &text[..text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1)]
}

/// Whether a journal has an event of a step.
fn has(text: &[u8], event: &str, step: &str) -> bool {
    String::from_utf8_lossy(text).contains(&format!("\"event\":\"{event}\",\"step\":\"{step}\""))
}

/// A run of two steps that can tell whether they are done, with its journal.
fn small() -> (Project, String, Vec<u8>) {
    let step = |id: &str| Step::marks(id).unless(&format!("grep -qx {id} order"));
    let project = project(&[step("a"), step("b")]);
    let _ = project.windlass("run").exits(0);
    let run = newest(&project);
    let text = std::fs::read(journal_of(&project, &run)).expect("a journal");
    (project, run, text)
}

#[test]
fn a_journal_cut_short_anywhere_is_gone_on_with_to_the_right_end() {
    let (project, run, text) = small();
    let path = journal_of(&project, &run);
    let lines = |cut: usize| text[..cut].iter().filter(|byte| **byte == b'\n').count();
    for (turn, cut) in places(&text, 499).into_iter().enumerate() {
        let left = whole(&text[..cut]);
        let done: String = ["a", "b"]
            .iter()
            .filter(|step| has(left, "step-succeeded", step))
            .map(|step| format!("{step}\n"))
            .collect();
        // Of what is not written down nobody knows whether it happened: both are tried, and at each line's end.
        let worlds = ["a\nb\n", &done];
        let worlds = if left.len() == cut { &worlds[..] } else { &worlds[turn % 2..=turn % 2] };
        for world in worlds {
            std::fs::write(&path, &text[..cut]).expect("a journal");
            project.write("order", world);
            let _ = project.windlass("status").exits(0);
            let history = project.windlass("history --format json").exits(0).result();
            assert_eq!(history.as_array().map(Vec::len), Some(usize::from(lines(cut) > 0)), "cut at {cut}");
            let output = project.windlass(&format!("resume {run} --format json"));
            match lines(cut) {
                0 => assert_eq!((output.code, &output.result()["reason"]), (Some(2), &Value::from("run-not-found"))),
                // Its plan is not there, so it did nothing.
                1 => assert_eq!((output.code, &output.result()["reason"]), (Some(2), &Value::from("not-resumable"))),
                _ => {
                    assert_eq!(output.code, Some(0), "cut at {cut}: {}", output.all());
                    assert_eq!(output.result()["outcome"], "succeeded");
                    assert_eq!(order(&project), "a b", "cut at {cut}");
                }
            }
        }
    }
    // The whole journal is that of a run that succeeded.
    std::fs::write(&path, &text).expect("a journal");
    let _ = project.windlass(&format!("resume {run}")).exits(2);
}

#[test]
fn a_journal_cut_short_anywhere_is_taken_back_or_left_alone() {
    let (project, run, text) = small();
    let path = journal_of(&project, &run);
    for cut in places(&text, 997) {
        std::fs::write(&path, &text[..cut]).expect("a journal");
        project.write("order", "");
        let left = whole(&text[..cut]);
        let expected: Vec<&str> = [("b", "-b"), ("a", "-a")]
            .into_iter()
            .filter(|(step, _)| has(left, "record-appended", step))
            .map(|(_, line)| line)
            .collect();
        let output = project.windlass("rollback");
        // Where there is a run it was cut off, and is settled by this, also where it left nothing.
        let known = text[..cut].contains(&b'\n');
        assert_eq!(output.code, Some(if known { 0 } else { 2 }), "cut at {cut}: {}", output.all());
        assert_eq!(order(&project), expected.join(" "), "cut at {cut}");
    }
}

#[test]
fn a_journal_that_was_changed_anywhere_stops_everybody() {
    let (project, run, text) = small();
    let path = journal_of(&project, &run);
    let done = order(&project);
    let places = places(&text, 197);
    for (turn, place) in places.iter().copied().enumerate() {
        let mut damaged = text.clone();
        damaged[place] ^= 1 << (turn % 8);
        std::fs::write(&path, &damaged).expect("a journal");
        if place == text.len() - 1 {
            continue;
        }
        // Where the end of a line is damaged, two lines are one, and the first of them is named.
        let line = text[..place].iter().filter(|byte| **byte == b'\n').count() + 1;
        let words = [
            String::from("status"),
            format!("resume {run}"),
            "history".into(),
            "rollback".into(),
            "run".into(),
            "reap".into(),
        ];
        // Each place with two of them, and all of them at many places.
        for words in [&words[turn % 2], &words[2 + turn % 4]] {
            let output = project.windlass(words).exits(11);
            assert!(
                output.stderr.contains("is not what was written: line ")
                    && output.stderr.contains(&format!("line {line}\n")),
                "{words} at {place}, line {line}: {}",
                output.stderr
            );
            for part in ["error: the journal `", "Caused by: ", "note: nothing was run", "hint: restore the file"] {
                assert!(output.stderr.contains(part), "{part}: {}", output.stderr);
            }
        }
        assert_eq!(std::fs::read(&path).expect("a journal"), damaged, "it is left as it is");
    }
    assert_eq!(order(&project), done);
}

#[test]
fn a_last_line_without_its_end_was_never_written() {
    let (project, run, text) = small();
    let mut damaged = text.clone();
    *damaged.last_mut().expect("a byte") ^= 1;
    std::fs::write(journal_of(&project, &run), damaged).expect("a journal");
    let output = project.windlass("status").exits(11);
    assert!(output.stderr.contains("its end was changed"), "no line ends so by being cut off: {}", output.stderr);
    std::fs::write(journal_of(&project, &run), &text[..text.len() - 1]).expect("a journal");
    assert_eq!(status(&project)["newest"]["outcome"], Value::Null);
    let output = project.windlass(&format!("resume {run} --format json")).exits(0);
    assert_eq!(outcomes(&output), "a succeeded, b succeeded");
    assert_eq!(order(&project), "a b");
    assert_eq!(status(&project)["newest"]["outcome"], "succeeded");
}
