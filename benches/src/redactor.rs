//! The redactor by itself: what a program costs that reads a file, takes fifty secrets out of it in all their forms, and writes
//! what is left.

use crate::project::SECRET;
use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Write};
use windlass::secret::Secrets;

/// What makes this program the one that takes secrets out of a file.
pub(crate) const WORD: &str = "__redact";

/// How many secrets are looked for.
const SECRETS: usize = 50;
/// So much is read at once, in bytes, as of a child's output.
const PIECE: usize = 64 << 10;

/// `FILE`: that without the secrets, on standard output.
pub(crate) fn main(arguments: &[OsString]) -> Result<String, String> {
    let [path] = arguments else { return Err("nothing to read".into()) };
    redact(path, &mut std::io::stdout().lock()).map_err(|error| format!("`{}`: {error}", path.to_string_lossy()))?;
    Ok(String::new())
}

fn redact(path: &OsString, out: &mut impl Write) -> std::io::Result<()> {
    let mut file = File::open(path)?;
    let mut stream = secrets().redactor().stream();
    let mut piece = vec![0; PIECE];
    let mut failed = Ok(());
    loop {
        let length = file.read(&mut piece)?;
        if length == 0 {
            break;
        }
        stream.push(&piece[..length], &mut |part| {
            failed = std::mem::replace(&mut failed, Ok(())).and(out.write_all(part))
        });
    }
    stream.finish(&mut |part| failed = std::mem::replace(&mut failed, Ok(())).and(out.write_all(part)));
    failed
}

/// As long and as different as such are: passwords of 12 characters to keys of 64, a connection's URL, and a key of many lines.
fn secrets() -> Secrets {
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_";
    let mut state = 7_u64;
    let mut word = |length: usize| -> String {
        let next = |_| {
            // Numbers that look like chance and are the same each time (Knuth's constants).
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            char::from(letters[usize::try_from(state >> 33).unwrap_or(0) % letters.len()])
        };
        (0..length).map(next).collect()
    };
    let mut values = vec![
        SECRET.to_owned(),
        format!("postgres://shop:{}@db.example.com/shop", word(20)),
        format!("-----BEGIN KEY-----\n{}\n{}\n{}\n-----END KEY-----\n", word(64), word(64), word(40)),
    ];
    while values.len() < SECRETS {
        let length = 12 + values.len();
        values.push(word(length));
    }
    let names = (0..values.len()).map(|number| number.to_string());
    Secrets::from_environment(names, |name| values.get(name.parse::<usize>().ok()?).cloned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_fifty_and_none_of_them_comes_through() {
        assert_eq!(secrets().names().count(), SECRETS);
        let path = std::env::temp_dir().join(format!("windlass-bench-redactor-{}", std::process::id()));
        std::fs::write(&path, format!("a {SECRET} b\n")).expect("a file");
        let mut out = Vec::new();
        redact(&path.clone().into_os_string(), &mut out).expect("redacted");
        std::fs::remove_file(&path).expect("removed");
        assert_eq!(String::from_utf8(out).expect("text"), "a *** b\n");
    }
}
