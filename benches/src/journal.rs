//! The floor of a journal: a program that does nothing but append lines of its size and sync each.

use std::ffi::OsString;
use std::fs::File;
use std::io::Write;
use std::path::Path;

/// What makes this program the one that appends and syncs.
pub(crate) const WORD: &str = "__sync";

/// A line as long as one of a step.
const LINE: [u8; 220] = [b'x'; 220];

/// `FILE LINES`: a new file with so many lines.
pub(crate) fn main(arguments: &[OsString]) -> Result<String, String> {
    let [path, lines] = arguments else { return Err("nothing to append".into()) };
    let lines = lines.to_str().and_then(|lines| lines.parse().ok()).ok_or("how many lines?")?;
    append(Path::new(path), lines, || {}).map_err(|error| format!("`{}`: {error}", path.to_string_lossy()))?;
    Ok(String::new())
}

/// Appends so many lines to a new file, each synced, and tells after each.
pub(crate) fn append(path: &Path, lines: usize, mut done: impl FnMut()) -> std::io::Result<()> {
    let mut file = File::create(path)?;
    for _ in 0..lines {
        file.write_all(&LINE)?;
        file.sync_data()?;
        done();
    }
    Ok(())
}
