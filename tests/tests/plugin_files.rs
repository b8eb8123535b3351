//! Plugin files from the outside: whatever bytes they hold, Windlass says what is wrong and goes on or stops; it does not
//! fall over.

use e2e::{Project, guest, probe};

fn project() -> Project {
    Project::with(&probe::config(&["[[step]]\nid = \"a\"\nplugin = \"./noop.wasm\"\n".to_owned()]))
}

#[test]
fn a_file_with_any_byte_changed_is_used_or_refused() {
    let good = std::fs::read(guest("noop")).expect("a guest");
    let project = project();
    // The same places each time, spread over the whole file.
    let mut refused = 0;
    for round in 0..24_usize {
        let mut bad = good.clone();
        let place = (round * 7_919 + round * bad.len() / 24) % bad.len();
        bad[place] = bad[place].wrapping_add(1 + u8::try_from(round).expect("small"));
        std::fs::write(project.path().join("noop.wasm"), bad).expect("written");
        let output = project.windlass("lock");
        match output.code {
            Some(0) => {}
            Some(2) => {
                refused += 1;
                assert!(output.stderr.starts_with("error: "), "byte {place}: {}", output.stderr);
                assert!(output.stderr.contains("\nnote: nothing was run"), "byte {place}: {}", output.stderr);
            }
            _ => panic!("byte {place}: {}", output.all()),
        }
    }
    assert!(refused > 0);
}

#[test]
fn a_file_that_changed_after_it_was_locked_is_refused_until_it_is_accepted() {
    let project = project().guest("noop").locked();
    let _ = project.windlass("run").exits(0);
    let mut bytes = std::fs::read(guest("noop")).expect("a guest");
    // A custom section that says nothing: the same plugin, and other bytes.
    bytes.extend_from_slice(b"\0\x05\x04note");
    std::fs::write(project.path().join("noop.wasm"), &bytes).expect("written");
    let restore =
        "hint: find out who changed it, and restore it; only where it is meant, take it with `windlass plugin update`";
    for (words, hint) in [
        ("run", restore),
        ("plan", restore),
        ("run --dry-run", restore),
        // These two compare what is asked for, and the digest is a part of that.
        ("check", "hint: run `windlass lock`"),
        ("lock --check", "hint: run `windlass lock`"),
    ] {
        let output = project.windlass(words).exits(22);
        assert!(output.stderr.contains(hint), "{words}: {}", output.stderr);
        assert!(output.stderr.contains("nothing was run"), "{words}: {}", output.stderr);
    }
    let output = project.windlass("run").exits(22);
    assert!(
        output.stderr.contains("plugin `./noop.wasm@0.1.0` is not the file that was accepted"),
        "{}",
        output.stderr
    );
    let project = project.locked();
    let _ = project.windlass("run").exits(0);
}
