//! How lines are written and read, and how it is found out that one is not what was written.
//!
//! Each line holds the chain of the one before only by its sum, so lines can be checked by themselves, and a long journal is
//! read by as many threads as there are processors.

use super::{Entry, Record};
use crate::event::Event;
use crate::problem::{Code, Problem};
use sha2::{Digest, Sha256};
use std::num::NonZero;

/// `,"chain":"` + 64 hex digits + `"}`.
const TAIL: usize = 10 + 64 + 2;
/// What one thread reads at least, in bytes: a thread costs more than less than this.
const SHARE: usize = 1 << 20;

fn chained(before: &str, body: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(before.as_bytes());
    hash.update(body.as_bytes());
    hex::encode(hash.finalize())
}

/// A line with its line feed, and its chain. `event` is JSON.
pub(super) fn write(seq: u64, at: &str, event: &str, before: &str) -> (String, String) {
    let mut text = format!("{{\"seq\":{seq},\"at\":\"{at}\",\"event\":{event}");
    let chain = chained(before, &text);
    text.push_str(",\"chain\":\"");
    text.push_str(&chain);
    text.push_str("\"}\n");
    (text, chain)
}

/// Why a line is not what was written.
struct Wrong {
    /// Counted from 0.
    line: usize,
    why: String,
}

/// The body of a line and its chain, where it has the form of one.
fn split(line: &[u8]) -> Option<(&str, &str)> {
    let at = line.len().checked_sub(TAIL)?;
    let (body, tail) = line.split_at(at);
    let chain = tail.strip_prefix(b",\"chain\":\"")?.strip_suffix(b"\"}")?;
    Some((std::str::from_utf8(body).ok()?, std::str::from_utf8(chain).ok()?))
}

/// The parts of a body: number, time, event.
fn parts(body: &str) -> Option<(u64, &str, &str)> {
    let (seq, rest) = body.strip_prefix("{\"seq\":")?.split_once(",\"at\":\"")?;
    let (at, event) = rest.split_once("\",\"event\":")?;
    Some((seq.parse().ok()?, at, event))
}

/// Read lines in a row, of which the first is `first` and comes after one with the chain `before`. There is room for `room`
/// entries in what is returned, because the first share takes those of the others, too.
fn read(lines: &[&[u8]], first: usize, before: &str, room: usize) -> Result<Vec<Entry>, Wrong> {
    let mut entries = Vec::with_capacity(room);
    let mut before = before;
    for (index, line) in lines.iter().enumerate() {
        let wrong = |why: &str| Wrong { line: first + index, why: why.to_owned() };
        let (body, found) = split(line).ok_or_else(|| wrong("it is damaged: it has no checksum"))?;
        if chained(before, body) != found {
            return Err(wrong("it was changed, or a line before it is missing or was moved"));
        }
        let (seq, at, event) = parts(body).ok_or_else(|| wrong("it is not a line of a journal"))?;
        if seq != (first + index) as u64 {
            return Err(wrong(&format!("it has the number {seq}")));
        }
        let event = Event::from_json(event)
            .map_err(|error| wrong(&format!("it has an event that this version does not know: {error}")))?;
        entries.push(Entry { seq, at: at.to_owned(), event });
        before = found;
    }
    Ok(entries)
}

/// Read a journal. `name` is what messages call it.
///
/// # Errors
/// [`Code::JournalInvalid`] with the first line that is not what was written.
pub(super) fn parse(text: &[u8], name: &str) -> Result<Record, Problem> {
    let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let torn = whole < text.len();
    // A line that was cut off has no more than the line: where one more byte follows on a whole one, that was a line feed.
    let cut = &text[whole..];
    let damaged = cut.split_last().is_some_and(|(_, line)| split(line).is_some());
    let lines: Vec<&[u8]> =
        text[..whole].split_inclusive(|byte| *byte == b'\n').map(|line| &line[..line.len() - 1]).collect();
    // The chain of the line before each share is taken as it stands there; whether it is right, the thread before finds.
    let before = |index: usize| index.checked_sub(1).and_then(|last| split(lines[last])).map_or("", |(_, chain)| chain);
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get).min(whole / SHARE + 1);
    let share = lines.len().div_ceil(threads).max(1);
    let total = lines.len();
    let shares: Vec<Result<Vec<Entry>, Wrong>> = if threads == 1 {
        vec![read(&lines, 0, "", lines.len())]
    } else {
        std::thread::scope(|scope| {
            let readers: Vec<_> = lines
                .chunks(share)
                .enumerate()
                .map(|(index, lines)| {
                    let first = index * share;
                    let before = before(first);
                    let room = if index == 0 { total } else { lines.len() };
                    scope.spawn(move || read(lines, first, before, room))
                })
                .collect();
            let gone = || Err(Wrong { line: 0, why: "it could not be read".to_owned() });
            readers.into_iter().map(|reader| reader.join().unwrap_or_else(|_| gone())).collect()
        })
    };
    let mut shares = shares.into_iter().map(|share| share.map_err(|wrong| invalid(name, &wrong)));
    let mut entries = shares.next().transpose()?.unwrap_or_default();
    for share in shares {
        entries.append(&mut share?);
    }
    if damaged {
        return Err(invalid(name, &Wrong { line: lines.len(), why: "its end was changed".to_owned() }));
    }
    let chain = before(lines.len()).to_owned();
    Ok(Record { entries, torn, length: whole as u64, chain })
}

fn invalid(name: &str, wrong: &Wrong) -> Problem {
    let line = wrong.line + 1;
    Problem::new(Code::JournalInvalid, format!("the journal `{name}` is not what was written: line {line}"))
        .because(&wrong.why)
        .with_note("nothing was run")
        .with_hint("restore the file, or move the run's directory out of `.windlass/runs` once you know what it did")
}
