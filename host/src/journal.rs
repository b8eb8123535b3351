//! The journal of a run: one event per line, synced when it is appended, each line bound to the one before.
//!
//! A line is a JSON object with `seq` (from 0), `at` (RFC 3339, UTC), `event`, and last `chain`: the SHA-256 over the
//! chain of the line before and the bytes of this line up to `,"chain"`. So a missing, changed or moved line is found and
//! named, and a torn last line is known for what it is. `docs/reference/journal.md` is for readers in other languages.
//!
//! Everything else about a run is derived from here. What is written has been redacted by whoever made the event.

use crate::event::Event;
use crate::problem::{Code, Problem};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

/// The file's name in a run's directory.
const FILE: &str = "journal.jsonl";
/// `,"chain":"` + 64 hex digits + `"}`.
const TAIL: usize = 10 + 64 + 2;

/// One line, read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Its number, from 0.
    pub seq: u64,
    /// When it was written, as RFC 3339 in UTC.
    pub at: String,
    /// What happened.
    pub event: Event,
}

/// A journal that is being written.
#[derive(Debug)]
pub struct Journal {
    file: File,
    path: PathBuf,
    next: u64,
    chain: String,
    /// Whether a line could not be written. What is in the file then is not known, and nothing may follow it.
    broken: bool,
}

/// A journal that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// The lines, in order.
    pub entries: Vec<Entry>,
    /// Whether the last line was cut off while it was written, and left out.
    pub torn: bool,
}

fn chained(before: &str, body: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(before.as_bytes());
    hash.update(body.as_bytes());
    hex::encode(hash.finalize())
}

impl Journal {
    /// Begin the journal of a new run in its directory, which is made.
    ///
    /// # Errors
    /// [`Code::JournalUnwritable`].
    pub fn create(directory: &Path) -> Result<Self, Problem> {
        let path = directory.join(FILE);
        let unwritable = |error: std::io::Error| unwritable(&path, &error);
        // The names of directories that are made here have to last like what is in them.
        let there = directory.ancestors().find(|ancestor| ancestor.is_dir()).map(Path::to_path_buf);
        std::fs::create_dir_all(directory).map_err(unwritable)?;
        let file = OpenOptions::new().create_new(true).append(true).open(&path).map_err(unwritable)?;
        for ancestor in directory.ancestors().filter(|ancestor| !ancestor.as_os_str().is_empty()) {
            sync_directory(ancestor).map_err(unwritable)?;
            if Some(ancestor) == there.as_deref() {
                break;
            }
        }
        Ok(Self { file, path, next: 0, chain: String::new(), broken: false })
    }

    /// Append one event. It is on disk when this returns.
    ///
    /// # Errors
    /// [`Code::JournalUnwritable`]: nothing may happen after that.
    pub fn append(&mut self, event: &Event) -> Result<(), Problem> {
        #[derive(Serialize)]
        struct Line<'a> {
            seq: u64,
            at: String,
            event: &'a Event,
        }
        let line = Line { seq: self.next, at: now(), event };
        let mut text = serde_json::to_string(&line)
            .map_err(|error| Problem::new(Code::Bug, "an event could not be written as JSON").because(error))?;
        text.pop();
        let chain = chained(&self.chain, &text);
        text.push_str(",\"chain\":\"");
        text.push_str(&chain);
        text.push_str("\"}\n");
        if self.broken {
            return Err(unwritable(&self.path, &std::io::Error::other("an earlier line could not be written")));
        }
        self.file.write_all(text.as_bytes()).and_then(|()| self.file.sync_data()).map_err(|error| {
            self.broken = true;
            unwritable(&self.path, &error)
        })?;
        self.next += 1;
        self.chain = chain;
        Ok(())
    }
}

/// Now, as RFC 3339 in UTC with milliseconds.
#[must_use]
pub fn now() -> String {
    format!("{:.3}", jiff::Timestamp::now())
}

fn unwritable(path: &Path, error: &std::io::Error) -> Problem {
    Problem::new(Code::JournalUnwritable, format!("the journal `{}` cannot be written", path.display()))
        .because(error)
        .with_note("the run stopped before its next effect")
        .with_hint("free some space or mend the permissions, then look at `windlass status`")
}

/// Makes a new name in a directory durable.
#[cfg(unix)]
fn sync_directory(directory: &Path) -> std::io::Result<()> {
    File::open(directory)?.sync_all()
}

/// Windows has no such call; names are durable with the file there.
#[cfg(not(unix))]
fn sync_directory(_: &Path) -> std::io::Result<()> {
    Ok(())
}

/// How long the journal in a run's directory is, in bytes; nothing where there is none.
#[must_use]
pub fn length(directory: &Path) -> u64 {
    std::fs::metadata(directory.join(FILE)).map_or(0, |metadata| metadata.len())
}

/// Read the journal in a run's directory.
///
/// # Errors
/// [`Code::JournalInvalid`] with the line, where a line was changed, lost or moved; [`Code::RunNotFound`] where there is
/// none.
pub fn read(directory: &Path) -> Result<Record, Problem> {
    let path = directory.join(FILE);
    let text = std::fs::read(&path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            Problem::new(Code::RunNotFound, format!("there is no journal `{}`", path.display()))
                .because(error)
                .with_hint("`windlass history` lists the runs")
        }
        _ => Problem::new(Code::JournalInvalid, format!("the journal `{}` cannot be read", path.display()))
            .because(error)
            .with_note("nothing was run")
            .with_hint("mend the permissions"),
    })?;
    parse(&text, &path.display().to_string())
}

fn parse(text: &[u8], name: &str) -> Result<Record, Problem> {
    let invalid = |line: usize, why: String| {
        Problem::new(Code::JournalInvalid, format!("the journal `{name}` is not what was written: line {line}"))
            .because(why)
            .with_note("nothing was run")
            .with_hint(
                "restore the file, or move the run's directory out of `.windlass/runs` once you know what it did",
            )
    };
    let mut record = Record { entries: Vec::new(), torn: false };
    let mut chain = String::new();
    let mut lines = text.split_inclusive(|byte| *byte == b'\n').enumerate().peekable();
    while let Some((index, line)) = lines.next() {
        let last = lines.peek().is_none();
        let Some(line) = line.strip_suffix(b"\n") else {
            record.torn = true;
            break;
        };
        let number = index + 1;
        let split = line
            .len()
            .checked_sub(TAIL)
            .filter(|&at| line.get(at..at + 10) == Some(b",\"chain\":\"") && line.ends_with(b"\"}"));
        let parts = split.and_then(|at| {
            let body = std::str::from_utf8(&line[..at]).ok()?;
            Some((body, std::str::from_utf8(&line[at + 10..at + 74]).ok()?))
        });
        let Some((body, found)) = parts else {
            return Err(invalid(number, if last { "it is damaged" } else { "it has no checksum" }.into()));
        };
        let expected = chained(&chain, body);
        if expected != found {
            return Err(invalid(number, "it was changed, or a line before it is missing or was moved".into()));
        }
        let entry: Entry = serde_json::from_str(&format!("{body}}}"))
            .map_err(|error| invalid(number, format!("it has an event that this version does not know: {error}")))?;
        if entry.seq != index as u64 {
            return Err(invalid(number, format!("it has the number {}", entry.seq)));
        }
        record.entries.push(entry);
        chain = expected;
    }
    Ok(record)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(text: &str) -> Event {
        Event::NoteAdded { text: text.into() }
    }

    fn written() -> Vec<u8> {
        let directory =
            std::env::temp_dir().join(format!("windlass-journal-{:016x}", getrandom::u64().expect("random")));
        let mut journal = Journal::create(&directory).expect("a journal");
        for text in ["one", "two, with \"quotes\"", "three"] {
            journal.append(&note(text)).expect("an append");
        }
        let bytes = std::fs::read(directory.join(FILE)).expect("the file");
        std::fs::remove_dir_all(directory).expect("removed");
        bytes
    }

    #[test]
    fn what_was_appended_is_read() {
        let record = parse(&written(), "journal").expect("a record");
        assert!(!record.torn);
        assert_eq!(record.entries.len(), 3);
        assert_eq!(record.entries[1].event, note("two, with \"quotes\""));
    }

    #[test]
    fn a_journal_cut_at_any_byte_is_read_up_to_its_last_whole_line() {
        let bytes = written();
        for cut in 0..bytes.len() {
            let record = parse(&bytes[..cut], "journal").expect("a record");
            let whole = bytes[..cut].iter().filter(|byte| **byte == b'\n').count();
            assert_eq!(record.entries.len(), whole, "cut at {cut}");
            assert_eq!(record.torn, cut > 0 && bytes[cut - 1] != b'\n', "cut at {cut}");
        }
    }

    #[test]
    fn every_flipped_bit_is_found_and_its_line_named() {
        let bytes = written();
        let mut line = 1;
        for index in 0..bytes.len() {
            if bytes[index] == b'\n' {
                line += 1;
                continue;
            }
            let mut damaged = bytes.clone();
            damaged[index] ^= 1;
            let problem = parse(&damaged, "journal").expect_err("a flipped bit");
            assert!(problem.what.ends_with(&format!("line {line}")), "{} at {index}", problem.what);
        }
    }

    #[test]
    fn lost_and_moved_lines_are_found() {
        let bytes = written();
        let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
        for (order, line) in [(&[1, 2][..], 1), (&[0, 2], 2), (&[0, 2, 1], 2), (&[0, 0, 1], 2)] {
            let shuffled: Vec<u8> = order.iter().flat_map(|&index| lines[index].iter().copied()).collect();
            let problem = parse(&shuffled, "journal").expect_err("a gap");
            assert!(problem.what.ends_with(&format!("line {line}")), "{order:?}: {}", problem.what);
        }
    }
}
