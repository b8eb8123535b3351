use super::*;

fn note(text: &str) -> Event {
    Event::NoteAdded { text: text.into() }
}

fn written() -> (Memory, Vec<u8>) {
    let store = Memory::default();
    let mut journal = Journal::create(&store, "run").expect("a journal");
    for text in ["one", "two, with \"quotes\" and {\"event\":\"x\",\"", "three"] {
        journal.append(&note(text)).expect("an append");
    }
    let bytes = store.read("run").expect("the journal");
    (store.clone(), bytes)
}

fn parse(text: &[u8]) -> Result<(Vec<Entry>, Read), Problem> {
    let mut entries = Vec::new();
    let read = line::parse(text, "journal", &mut |entry| entries.push(entry))?;
    Ok((entries, read))
}

#[test]
fn what_was_appended_is_read() {
    let bytes = written().1;
    let (entries, read) = parse(&bytes).expect("a journal");
    assert_eq!(read.length, bytes.len() as u64);
    assert_eq!((entries.len(), read.lines), (3, 3));
    assert_eq!(entries[1].event, note("two, with \"quotes\" and {\"event\":\"x\",\""));
}

#[test]
fn a_line_is_one_object_whose_event_says_its_kind_first() {
    let (_, bytes) = written();
    let first = String::from_utf8(bytes).expect("text").lines().next().expect("a line").to_owned();
    let value: serde_json::Value = serde_json::from_str(&first).expect("JSON");
    assert_eq!(value["event"], serde_json::json!({ "event": "note-added", "text": "one" }));
    assert!(first.contains(",\"event\":{\"event\":\"note-added\",\"text\":\"one\"},\"chain\":\""), "{first}");
}

#[test]
fn a_journal_cut_at_any_byte_is_read_up_to_its_last_whole_line() {
    let (_, bytes) = written();
    for cut in 0..bytes.len() {
        let (entries, read) = parse(&bytes[..cut]).expect("a journal");
        let whole = bytes[..cut].iter().filter(|byte| **byte == b'\n').count();
        assert_eq!(entries.len(), whole, "cut at {cut}");
        let torn = cut > 0 && bytes[cut - 1] != b'\n';
        assert_eq!(read.length < cut as u64, torn, "cut at {cut}");
    }
}

#[test]
fn a_journal_cut_at_any_byte_can_be_gone_on_with() {
    let (_, bytes) = written();
    for cut in 0..=bytes.len() {
        let store = Memory::default();
        store.put("run", &bytes[..cut]);
        let mut before = 0;
        let mut journal = Journal::reopen(&store, "run", |_| before += 1).expect("a journal");
        journal.append(&note("four")).expect("an append");
        let bytes = store.read("run").expect("bytes");
        let (entries, read) = parse(&bytes).expect("a journal that is whole");
        assert_eq!(read.length, bytes.len() as u64, "cut at {cut}");
        assert_eq!(entries.len(), before + 1, "cut at {cut}");
        assert_eq!(entries.last().map(|entry| &entry.event), Some(&note("four")));
    }
}

#[test]
fn every_flipped_byte_is_found_and_its_line_named() {
    let (_, bytes) = written();
    let mut line = 1;
    for index in 0..bytes.len() {
        if bytes[index] == b'\n' {
            line += 1;
            continue;
        }
        for bit in 0..8 {
            let mut damaged = bytes.clone();
            damaged[index] ^= 1 << bit;
            // A line feed in the middle of a line makes two of it, and the first of them is wrong.
            let problem = parse(&damaged).expect_err("a flipped bit");
            assert!(problem.what.ends_with(&format!("line {line}")), "{} at {index}, bit {bit}", problem.what);
        }
    }
    let feed = bytes.iter().position(|byte| *byte == b'\n').expect("a line feed");
    for bit in 0..8 {
        let mut damaged = bytes.clone();
        damaged[feed] ^= 1 << bit;
        let problem = parse(&damaged).expect_err("two lines in one");
        assert!(problem.what.ends_with("line 1"), "{}", problem.what);
    }
    // A line that was cut off ends before its line feed, and not with another byte.
    for bit in 0..8 {
        let mut damaged = bytes.clone();
        *damaged.last_mut().expect("a byte") ^= 1 << bit;
        let problem = parse(&damaged).expect_err("a changed line feed");
        assert!(problem.what.ends_with("line 3"), "{}", problem.what);
    }
}

#[test]
fn a_whole_line_with_more_than_its_end_behind_it_was_changed() {
    let (_, bytes) = written();
    let whole = &bytes[..bytes.len() - 1];
    for more in ["x", "xy", "\0\0\0", "ä", "{\"seq\":3"] {
        let problem = parse(&[whole, more.as_bytes()].concat()).expect_err("a changed end");
        assert!(problem.what.ends_with("line 3"), "{more:?}: {}", problem.what);
    }
    // Cut off in the middle of a character.
    let read = parse(&[&bytes, &"{\"seq\":3,\"at\":\"ä".as_bytes()[..17]].concat()).expect("a journal").1;
    assert_eq!((read.lines, read.length), (3, bytes.len() as u64));
}

#[test]
fn lost_and_moved_lines_are_found() {
    let (_, bytes) = written();
    let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    for (order, line) in [(&[1, 2][..], 1), (&[0, 2], 2), (&[0, 2, 1], 2), (&[0, 0, 1], 2)] {
        let shuffled: Vec<u8> = order.iter().flat_map(|&index| lines[index].iter().copied()).collect();
        let problem = parse(&shuffled).expect_err("a gap");
        assert!(problem.what.ends_with(&format!("line {line}")), "{order:?}: {}", problem.what);
    }
}

#[test]
fn of_a_long_journal_the_first_wrong_line_is_named() {
    let store = Memory::default();
    let mut journal = Journal::create(&store, "run").expect("a journal");
    let long = "x".repeat(2000);
    let count = 3000;
    for index in 0..count {
        journal.append(&note(&format!("{index} {long}"))).expect("an append");
    }
    let bytes = store.read("run").expect("the journal");
    assert!(bytes.len() > 4 << 20, "long enough for a second thread");
    let (entries, _) = parse(&bytes).expect("a journal");
    assert_eq!(entries.len(), count);
    assert!(entries.iter().enumerate().all(|(index, entry)| entry.seq == index as u64));
    let each = bytes.len() / count;
    for (line, other) in [(count / 2, count - 1), (0, count - 1), (count / 3, count / 2), (count - 1, count - 1)] {
        let mut damaged = bytes.clone();
        for line in [line, other] {
            damaged[line * each + each / 2] = b'!';
        }
        let problem = parse(&damaged).map(|(_, read)| read).expect_err("damaged");
        let found: usize = problem.what.rsplit(' ').next().and_then(|word| word.parse().ok()).expect("a line");
        // Lines are of almost one length, so the middle of the nth byte share is in or beside the nth line.
        assert!(found.abs_diff(line + 1) <= 20, "{found} for {line}");
    }
}

#[test]
fn a_disk_that_fills_up_leaves_a_journal_that_can_be_gone_on_with() {
    let (_, bytes) = written();
    for room in 0..bytes.len() {
        let store = Memory::default();
        store.fill_up(room);
        let mut journal = Journal::create(&store, "run").expect("a journal");
        let mut appended = 0;
        let problem = loop {
            match journal.append(&note("one")) {
                Ok(()) => appended += 1,
                Err(problem) => break problem,
            }
        };
        assert_eq!(problem.code, Code::JournalUnwritable);
        store.fill_up(usize::MAX);
        let problem = journal.append(&note("two")).expect_err("what is in the file is not known");
        assert_eq!(problem.code, Code::JournalUnwritable);
        drop(journal);
        let mut lines = 0;
        drop(Journal::reopen(&store, "run", |_| lines += 1).expect("a journal"));
        assert_eq!(lines, appended, "room for {room}");
    }
}

#[test]
fn a_journal_has_one_writer() {
    let project = tempfile::tempdir().expect("a directory");
    let memory = Memory::default();
    let directory = Directory::of(project.path());
    for store in [&memory as &dyn Store, &directory] {
        let journal = Journal::create(store, "run").expect("a journal");
        let problem = Journal::reopen(store, "run", |_| {}).expect_err("it is being written");
        assert_eq!(problem.code, Code::RunAlive);
        assert!(store.is_held("run") && !store.is_held("other"));
        drop(journal);
        assert!(!store.is_held("run"));
        drop(Journal::reopen(store, "run", |_| {}).expect("nobody writes to it now"));
    }
}

#[test]
fn a_directory_keeps_journals() {
    let project = tempfile::tempdir().expect("a directory");
    let store = Directory::of(project.path());
    assert_eq!(store.runs().expect("no runs"), Vec::<String>::new());
    assert_eq!(read(&store, "run", |_| {}).expect_err("none").code, Code::RunNotFound);
    assert_eq!(read_first(&store, "run"), Ok(None));
    let mut journal = Journal::create(&store, "run").expect("a journal");
    assert!(Journal::create(&store, "run").is_err(), "there is one");
    journal.append(&note("one")).expect("an append");
    journal.append(&note("two")).expect("an append");
    assert_eq!(read_first(&store, "run").expect("a line").map(|entry| entry.event), Some(note("one")));
    assert_eq!(entries(&store, "run").len(), 2);
    assert_eq!(store.runs().expect("runs"), ["run"]);
    drop(journal);
    store.remove("run").expect("removed");
    store.remove("run").expect("gone already");
    assert_eq!(store.runs().expect("no runs"), Vec::<String>::new());
}
