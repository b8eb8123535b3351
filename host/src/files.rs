//! Files that are there whole or not at all, and that outlast a power cut; and directories that are soon gone.

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

/// A directory of its own for temporary files, for this user only, gone with it.
#[derive(Debug)]
pub(crate) struct Temporary(std::path::PathBuf);

impl Temporary {
    /// Makes one.
    ///
    /// # Errors
    /// Those of the system.
    pub(crate) fn make() -> io::Result<Self> {
        let name = format!("windlass-{:016x}", getrandom::u64().unwrap_or_else(|_| std::process::id().into()));
        let path = std::env::temp_dir().join(name);
        Self::create(&path)?;
        Ok(Self(path))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// For this user only: others on the machine have no business in it.
    #[cfg(unix)]
    fn create(path: &Path) -> io::Result<()> {
        use std::os::unix::fs::DirBuilderExt;
        std::fs::DirBuilder::new().mode(0o700).create(path)
    }

    #[cfg(not(unix))]
    fn create(path: &Path) -> io::Result<()> {
        std::fs::create_dir(path)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
