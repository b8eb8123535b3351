//! What is read as a lock is written and read as the same one, and each change of it is shown on one line.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::collections::BTreeMap;
use windlass::lock::{Lock, render, table};

fuzz_target!(|text: &str| {
    let Ok(lock) = Lock::parse(text) else { return };
    let written = lock.to_text().expect("what was read can be written");
    let read = Lock::parse(&written).expect("what was written can be read");
    assert_eq!(read, lock);
    assert_eq!(lock.changes_to(&read), []);
    let changes = Lock::new(BTreeMap::new()).changes_to(&lock);
    // A head of two lines, a line for each, an empty one and the sum.
    assert_eq!(table(&changes).lines().count(), changes.len() + 4);
    let shown = render(&changes);
    assert_eq!(shown.lines().filter(|line| line.starts_with("  + ")).count(), changes.len());
    assert!(shown.chars().all(|character| character == '\n' || !character.is_control()), "{shown:?}");
    // Taking it all away again is as much less as it was more.
    let back = lock.changes_to(&Lock::new(BTreeMap::new()));
    assert_eq!(back.len(), changes.len());
    assert!(back.iter().all(|change| !change.widens));
});
