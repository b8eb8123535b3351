//! How lines are written and read, and how it is found out that one is not what was written.
//!
//! A line is told of as soon as it is read, and forgotten, so that what a long journal takes is its bytes; the chain is checked
//! by a second thread meanwhile. What was told counts once both are through.

use super::{Entry, Read};
use crate::event::Event;
use crate::problem::{Code, Problem};
use sha2::{Digest, Sha256};

/// `,"chain":"` + 64 hex digits + `"}`.
const TAIL: usize = 10 + 64 + 2;
/// From so many bytes on, a second thread is worth what it costs. A third is not: what one allocates and another gives back
/// costs more than it saves.
const LONG: usize = 1 << 18;

fn sum(before: &str, body: &str) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(before.as_bytes());
    hash.update(body.as_bytes());
    hash.finalize().into()
}

/// Whether a chain, in hex digits, is that of a body. It is written in small digits, and any other is not what was written.
fn fits(chain: &str, before: &str, body: &str) -> bool {
    let mut digits = [0; 64];
    hex::encode_to_slice(sum(before, body), &mut digits).is_ok() && digits == chain.as_bytes()
}

/// A line with its line feed, and its chain. `event` is JSON.
pub(super) fn write(seq: u64, at: &str, event: &str, before: &str) -> (String, String) {
    let mut text = format!("{{\"seq\":{seq},\"at\":\"{at}\",\"event\":{event}");
    let chain = hex::encode(sum(before, &text));
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
fn split(line: &str) -> Option<(&str, &str)> {
    let (body, tail) = line.split_at_checked(line.len().checked_sub(TAIL)?)?;
    Some((body, tail.strip_prefix(",\"chain\":\"")?.strip_suffix("\"}")?))
}

/// The parts of a body: number, time, event.
fn parts(body: &str) -> Option<(u64, &str, &str)> {
    // Splitting at one byte is many times as fast as at a text, and there are a hundred thousand lines.
    let (seq, rest) = body.strip_prefix("{\"seq\":")?.split_once(',')?;
    let (at, rest) = rest.strip_prefix("\"at\":\"")?.split_once('"')?;
    Some((seq.parse().ok()?, at, rest.strip_prefix(",\"event\":")?))
}

/// Whether each line has the chain that belongs to it.
fn check(lines: &[&str]) -> Result<(), Wrong> {
    let mut before = "";
    for (line, text) in lines.iter().enumerate() {
        let wrong = |why: &str| Wrong { line, why: why.to_owned() };
        let (body, found) = split(text).ok_or_else(|| wrong("it is damaged: it has no checksum"))?;
        if !fits(found, before, body) {
            return Err(wrong("it was changed, or a line before it is missing or was moved"));
        }
        before = found;
    }
    Ok(())
}

/// Tell of each line, whatever its chain.
fn tell(lines: &[&str], each: &mut dyn FnMut(Entry)) -> Result<(), Wrong> {
    for (line, text) in lines.iter().enumerate() {
        let wrong = |why: &str| Wrong { line, why: why.to_owned() };
        let entry = split(text).and_then(|(body, _)| parts(body));
        let (seq, at, event) = entry.ok_or_else(|| wrong("it is not a line of a journal"))?;
        if seq != line as u64 {
            return Err(wrong(&format!("it has the number {seq}")));
        }
        let event = Event::from_json(event)
            .map_err(|error| wrong(&format!("it has an event that this version does not know: {error}")))?;
        each(Entry { seq, at: at.to_owned(), event });
    }
    Ok(())
}

/// Whether there is a whole line, and something behind it that is no line feed: a line that was cut off has no more than itself.
fn is_whole_and_more(rest: &[u8]) -> bool {
    let Some(tail) = memchr::memmem::rfind(rest, b",\"chain\":\"") else { return false };
    let line = rest.get(..tail + TAIL).and_then(|line| std::str::from_utf8(line).ok());
    rest.len() > tail + TAIL && line.is_some_and(|line| split(line).is_some())
}

/// Read a journal, and tell of each line as it is read. `name` is what messages call it.
///
/// # Errors
/// [`Code::JournalInvalid`] with the first line that is not what was written. Whatever was told of then is to be forgotten.
pub(super) fn parse(bytes: &[u8], name: &str, each: &mut dyn FnMut(Entry)) -> Result<Read, Problem> {
    // What is no text is damaged, where it is no part of a line that was cut off: it is read up to there.
    let text = std::str::from_utf8(bytes).or_else(|error| std::str::from_utf8(&bytes[..error.valid_up_to()]));
    let text = text.unwrap_or_default();
    let whole = memchr::memrchr(b'\n', text.as_bytes()).map_or(0, |end| end + 1);
    let rest = &bytes[whole..];
    let ends = memchr::memchr(b'\n', rest).is_some();
    let damaged = ends || is_whole_and_more(rest);
    let mut begin = 0;
    let line = |end: usize| &text[std::mem::replace(&mut begin, end + 1)..end];
    let lines: Vec<&str> = memchr::memchr_iter(b'\n', text.as_bytes()).map(line).collect();
    let (checked, told) = if whole < LONG {
        (check(&lines), tell(&lines, each))
    } else {
        std::thread::scope(|scope| {
            // Where the system gives us no second thread, this one does it all.
            let checker = std::thread::Builder::new().spawn_scoped(scope, || check(&lines));
            let told = tell(&lines, each);
            let gone = |_| Err(Wrong { line: 0, why: "it could not be checked".to_owned() });
            (checker.map_or_else(|_| check(&lines), |checker| checker.join().unwrap_or_else(gone)), told)
        })
    };
    // Of two that are wrong with one line, its chain says more.
    let why = if ends { "it is damaged: it is no text" } else { "its end was changed" };
    let end = damaged.then(|| Wrong { line: lines.len(), why: why.to_owned() });
    let wrong = [checked.err(), told.err(), end].into_iter().flatten().min_by_key(|wrong| wrong.line);
    if let Some(wrong) = wrong {
        return Err(invalid(name, &wrong));
    }
    let chain = lines.last().and_then(|line| split(line)).map_or("", |(_, chain)| chain).to_owned();
    Ok(Read { lines: lines.len() as u64, length: whole as u64, chain })
}

fn invalid(name: &str, wrong: &Wrong) -> Problem {
    let line = wrong.line + 1;
    Problem::new(Code::JournalInvalid, format!("the journal `{name}` is not what was written: line {line}"))
        .because(&wrong.why)
        .with_note("nothing was run")
        .with_hint("restore the file, or move the run's directory out of `.windlass/runs` once you know what it did")
}
