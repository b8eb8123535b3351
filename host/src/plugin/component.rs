//! The bytes of a component before anything is made of them: how many there may be, and which they are.

use crate::problem::{Code, Problem};
use sha2::{Digest, Sha256};
use std::io::Read;
use std::path::Path;

/// The largest component that is looked at, in bytes.
pub(super) const LARGEST: u64 = 64 << 20;

/// The SHA-256 of some bytes, in hex.
pub(super) fn digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// That there is more of it than is looked at; `size` is how much it says it has, where it does.
pub(super) fn too_large(name: &str, size: Option<u64>) -> Problem {
    let most = LARGEST >> 20;
    Problem::new(Code::PluginInvalid, format!("plugin `{name}` cannot be used"))
        .because(match size {
            Some(size) => format!("it has {} MiB, and the most is {most} MiB", size >> 20),
            None => format!("it has more than {most} MiB, which is the most"),
        })
        .with_note("nothing was run")
        .with_hint("build it without debug information, for example with `strip = true`")
}

/// Reads a component's file: no more of it than there may be, and nothing that has no end or that has to be waited for.
pub(crate) fn read(name: &str, file: &Path) -> Result<Vec<u8>, Problem> {
    let unreadable = |reason: String| {
        Problem::new(Code::PluginNotFound, format!("the plugin `{name}` cannot be read"))
            .because(reason)
            .with_note("nothing was run")
            .with_hint("name a file, relative to the directory that holds `deploy.toml`")
    };
    let system = |error: std::io::Error| unreadable(error.to_string());
    let file = open(file).map_err(system)?;
    let metadata = file.metadata().map_err(system)?;
    if !metadata.is_file() {
        return Err(unreadable("it is not a regular file".into()));
    }
    if metadata.len() > LARGEST {
        return Err(too_large(name, Some(metadata.len())));
    }
    let mut bytes = Vec::new();
    // What the size says need not be so: files of the kernel's have none, and others grow.
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(system)?;
    if bytes.len() as u64 > LARGEST {
        return Err(too_large(name, None));
    }
    Ok(bytes)
}

/// Opens a file without waiting for somebody to write into it, as a named pipe would.
#[cfg(unix)]
fn open(path: &Path) -> std::io::Result<std::fs::File> {
    use std::os::unix::fs::OpenOptionsExt;
    let flags = nix::fcntl::OFlag::O_NONBLOCK | nix::fcntl::OFlag::O_NOCTTY;
    std::fs::OpenOptions::new().read(true).custom_flags(flags.bits()).open(path)
}

#[cfg(not(unix))]
fn open(path: &Path) -> std::io::Result<std::fs::File> {
    std::fs::File::open(path)
}
