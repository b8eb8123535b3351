//! Files that are there whole or not at all, and that outlast a power cut.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// A file is there with all of its bytes, or as it was before.
///
/// # Errors
/// Where it cannot be written; nothing is left beside it then.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let random = getrandom::u32().unwrap_or_else(|_| std::process::id());
    let temporary = path.with_extension(format!("{random:08x}.tmp"));
    let write = || {
        let mut file = File::create_new(&temporary)?;
        file.write_all(bytes)?;
        file.sync_data()?;
        std::fs::rename(&temporary, path)
    };
    write().inspect_err(|_| drop(std::fs::remove_file(&temporary)))
}

/// Makes a new name in a directory durable.
///
/// # Errors
/// Those of the system.
#[cfg(unix)]
pub(crate) fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// Windows has no such call; names are durable with the file there.
///
/// # Errors
/// None.
#[cfg(not(unix))]
pub(crate) fn sync_directory(_: &Path) -> io::Result<()> {
    Ok(())
}
