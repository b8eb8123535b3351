//! Whatever a journal's file holds, it is read or refused; and whatever events are in a whole one, a run is made of them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sha2::{Digest, Sha256};
use windlass::history::replay_bytes;
use windlass::journal::read_bytes;

fuzz_target!(|data: &[u8]| {
    let Some((kind, data)) = data.split_first() else { return };
    if kind % 2 == 0 {
        read(data);
        return;
    }
    // What the fuzzer makes are the events, one a line: a chain over them it would never guess.
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut journal = String::new();
    let mut chain = String::new();
    for (seq, event) in text.lines().enumerate() {
        let body = format!("{{\"seq\":{seq},\"at\":\"2026-01-01T00:00:00.000Z\",\"event\":{event}");
        chain = hex::encode(Sha256::digest(format!("{chain}{body}")));
        journal.push_str(&format!("{body},\"chain\":\"{chain}\"}}\n"));
    }
    read(journal.as_bytes());
});

fn read(bytes: &[u8]) {
    let mut entries = 0_u64;
    let read = read_bytes(bytes, "journal.jsonl", |entry| {
        assert_eq!(entry.seq, entries, "in order, and none twice");
        entries += 1;
    });
    match (read, replay_bytes(bytes, "journal.jsonl")) {
        (Err(problem), Err(_)) => assert!(!problem.to_string().is_empty()),
        (Ok(_), _) => {}
        (Err(problem), Ok(_)) => panic!("it cannot be read, and yet there is a run: {problem}"),
    }
}
