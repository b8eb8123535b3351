//! Files that are there whole or not at all, and that outlast a power cut; and directories that are soon gone.

use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A file is there with all of its bytes, or as it was before.
///
/// # Errors
/// Where it cannot be written; nothing is left beside it then.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    put(path, bytes, None)
}

/// The same of a file that a person keeps: its mode stays as it is; and where it is a link, that stays, and what is written is what
/// it leads to. What others may have put there is not for this.
///
/// # Errors
/// As those of [`write_whole`].
pub(crate) fn rewrite(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let path = &behind_links(path)?;
    put(path, bytes, std::fs::metadata(path).ok().map(|metadata| metadata.permissions()))
}

/// The file that a path leads to in the end, also where that is not there yet.
fn behind_links(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_path_buf();
    for _ in 0..LINKS {
        if !std::fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_symlink()) {
            return Ok(path);
        }
        path = path.parent().unwrap_or_else(|| Path::new("")).join(std::fs::read_link(&path)?);
    }
    Err(io::Error::other("it is a link that leads to others without an end"))
}

/// As many links as Linux follows from one to the next.
const LINKS: usize = 40;

fn put(path: &Path, bytes: &[u8], permissions: Option<Permissions>) -> io::Result<()> {
    let random = getrandom::u32().unwrap_or_else(|_| std::process::id());
    let temporary = path.with_extension(format!("{random:08x}.tmp"));
    let write = || {
        let mut file = File::create_new(&temporary)?;
        file.write_all(bytes)?;
        if let Some(permissions) = permissions {
            file.set_permissions(permissions)?;
        }
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

#[cfg(all(test, unix))]
mod tests {
    use super::rewrite;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::Path;

    #[test]
    fn what_a_person_keeps_is_rewritten_where_it_is() {
        let directory = tempfile::tempdir().expect("a directory");
        let at = |name: &str| directory.path().join(name);
        std::fs::create_dir(at("elsewhere")).expect("a directory");
        std::fs::write(at("elsewhere/real"), "old").expect("written");
        std::fs::set_permissions(at("elsewhere/real"), PermissionsExt::from_mode(0o600)).expect("a mode");
        symlink("elsewhere/real", at("first")).expect("a link");
        symlink("first", at("second")).expect("a link");
        rewrite(&at("second"), b"new").expect("written");
        assert_eq!(std::fs::read_to_string(at("elsewhere/real")).expect("read"), "new");
        let mode = std::fs::metadata(at("elsewhere/real")).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(std::fs::read_link(at("second")).expect("a link"), Path::new("first"));
        assert_eq!(std::fs::read_dir(at("elsewhere")).expect("read").count(), 1, "nothing is left beside it");
        // What is not there yet is made where the link leads.
        symlink("elsewhere/new", at("dangling")).expect("a link");
        rewrite(&at("dangling"), b"made").expect("written");
        assert_eq!(std::fs::read_to_string(at("elsewhere/new")).expect("read"), "made");
        symlink("dangling", at("third")).expect("a link");
        std::fs::remove_file(at("elsewhere/new")).expect("removed");
        rewrite(&at("third"), b"again").expect("written");
        assert_eq!(std::fs::read_to_string(at("elsewhere/new")).expect("read"), "again");
        symlink("round", at("round")).expect("a link");
        assert!(rewrite(&at("round"), b"nowhere").is_err());
        rewrite(&at("plain"), b"made").expect("written");
        assert_eq!(std::fs::read_to_string(at("plain")).expect("read"), "made");
    }
}
