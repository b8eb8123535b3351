//! Our own cache of compiled plugins.
//!
//! A compiled plugin is native code, so the cache lets in only what this user's Windlass made on this machine: files are
//! in a directory that nobody else can write, named by the component's SHA-256 and by everything else that the code
//! depends on, and each carries a keyed hash. The key lies elsewhere: who can bring a cache here (a CI's cache, that a pull
//! request can write) brings no key with it. What does not check out is compiled again, never trusted. It is safe to delete at
//! any time.

use super::compile::{self, CompileError};
use super::engine::{Compiler, Runtime, Runtimes};
use super::{builtin, component, inspect};
use crate::variable;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use wasmtime::component::Component;

const MAC: usize = blake3::OUT_LEN;
/// So much is read and hashed at once, in bytes.
const PIECE: usize = 64 << 10;

/// A cache directory that only this user can write.
#[derive(Debug, Clone)]
pub(super) struct Cache {
    directory: PathBuf,
    key: [u8; 32],
}

impl Cache {
    /// The user's cache; none where there is no place for one that only this user can write.
    pub(super) fn open() -> Option<Self> {
        let directory = directory()?;
        let state = state()?;
        let directory = make_private_directory(&directory).ok()?;
        let state = make_private_directory(&state).ok()?;
        // Together with the key a cache could be brought by anybody.
        if state.starts_with(&directory) {
            return None;
        }
        let key = read_key(&state).or_else(|| make_key(&state))?;
        Some(Self { directory, key })
    }

    fn path(&self, digest: &str, runtime: &Runtime) -> PathBuf {
        self.directory.join(format!("{digest}-{:016x}.compiled", runtime.compatibility()))
    }

    /// The keyed hash over a file's name and the code in it, as far as it is begun: the code is still to come.
    fn mac(&self, path: &Path) -> blake3::Hasher {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(path.file_name().unwrap_or_default().as_encoded_bytes());
        hasher.update(&[0]);
        hasher
    }

    /// Whether a file ends in the hash of what is before, made with our key. Read in pieces: the code itself is mapped
    /// into memory later, page by page as it is used, and most of it never is.
    fn is_ours(&self, path: &Path, file: &mut fs::File) -> std::io::Result<bool> {
        let Some(mut left) = file.metadata()?.len().checked_sub(MAC as u64) else { return Ok(false) };
        let mut hasher = self.mac(path);
        let mut buffer = [0; PIECE];
        while left > 0 {
            let piece = &mut buffer[..usize::try_from(left).unwrap_or(PIECE).min(PIECE)];
            file.read_exact(piece)?;
            hasher.update(piece);
            left -= piece.len() as u64;
        }
        let mut mac = [0; MAC];
        file.read_exact(&mut mac)?;
        // A comparison that takes as long whatever differs.
        Ok(hasher.finalize() == blake3::Hash::from_bytes(mac))
    }

    /// The compiled component, if it is there and ours.
    pub(super) fn get(&self, digest: &str, runtime: &Runtime) -> Option<Component> {
        let path = self.path(digest, runtime);
        let mut file = fs::File::open(&path).ok()?;
        self.is_ours(&path, &mut file).ok().filter(|ours| *ours)?;
        deserialize(runtime, &path)
    }

    /// The file that says that the optimising compiler gave a component up. Whoever writes one makes runs slower, no more.
    fn word_of(&self, digest: &str, runtime: &Runtime) -> PathBuf {
        self.path(digest, runtime).with_extension("too-much")
    }

    /// Whether the optimising compiler gave it up before.
    pub(super) fn has_given_up(&self, digest: &str, runtime: &Runtime) -> bool {
        self.word_of(digest, runtime).exists()
    }

    pub(super) fn put(&self, digest: &str, runtime: &Runtime, code: &[u8]) -> std::io::Result<()> {
        let path = self.path(digest, runtime);
        let temporary = path.with_extension(format!("{:016x}", getrandom::u64().unwrap_or_default()));
        let mut file = fs::File::create_new(&temporary)?;
        let mac = self.mac(&path).update(code).finalize();
        // The hash comes last, so that the code begins where a page does.
        let written = file
            .write_all(code)
            .and_then(|()| file.write_all(mac.as_bytes()))
            .and_then(|()| fs::rename(&temporary, &path));
        if written.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        written
    }

    /// Puts there what `compile` makes, unless it is there. What is there and does not check out is replaced, or it would be
    /// a miss for ever.
    fn make(
        &self,
        digest: &str,
        runtime: &Runtime,
        compile: impl FnOnce() -> Result<Vec<u8>, String>,
    ) -> Result<(), String> {
        if self.get(digest, runtime).is_some() {
            return Ok(());
        }
        self.put(digest, runtime, &compile()?).map_err(|error| error.to_string())
    }
}

#[expect(unsafe_code, reason = "wasmtime loads compiled code by an unsafe call only; see the safety comment")]
fn deserialize(runtime: &Runtime, path: &Path) -> Option<Component> {
    // SAFETY: the bytes were made by `Engine::precompile_component` of this very user: `get` has checked a hash that only
    // who holds this user's key can make. wasmtime itself checks version and settings. The file is
    // still that file, and stays as it is while it is mapped: only this user can write the directory, and Windlass puts
    // files there whole, by their name, and never changes them.
    unsafe { Component::deserialize_file(&runtime.engine, path) }.ok()
}

/// Compile components with the optimising compiler and keep them. The work of the process that a run with a cold cache
/// leaves behind; `names` are built-in names or files.
///
/// # Errors
/// Where nothing could be kept. Nobody waits for the answer.
pub fn fill(names: &[String]) -> Result<(), String> {
    let cache = Cache::open().ok_or("there is no cache directory that only this user can write")?;
    let runtimes = Runtimes::default();
    let runtime = runtimes.optimising().map_err(|problem| problem.to_string())?;
    for name in names {
        let code = match builtin::find(name) {
            Some(plugin) => {
                // A release has them compiled.
                let Some(bytes) = plugin.component() else { continue };
                cache.make(plugin.digest, runtime, || {
                    runtime.engine.precompile_component(bytes).map_err(|error| format!("{error:#}"))
                })
            }
            None => {
                let bytes = component::read(name, Path::new(name)).map_err(|problem| problem.to_string())?;
                let digest = component::digest(&bytes);
                cache.make(&digest, runtime, || {
                    inspect::check(name, &bytes).map_err(|problem| problem.to_string())?;
                    compile_apart(&bytes).map_err(|error| {
                        // It would be as much for each run anew.
                        if matches!(error, CompileError::TooMuch(_)) {
                            let _ = fs::write(cache.word_of(&digest, runtime), "");
                        }
                        error.problem(name).to_string()
                    })
                })
            }
        };
        code.map_err(|error| format!("`{name}` cannot be kept: {error}"))?;
    }
    Ok(())
}

fn compile_apart(bytes: &[u8]) -> Result<Vec<u8>, CompileError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| CompileError::Broken(error.to_string()))?;
    runtime.block_on(compile::compile(Compiler::Optimising, bytes))
}

/// Where the cache is, whether or not it can be used.
pub(super) fn directory() -> Option<PathBuf> {
    own_directory(variable::WINDLASS_CACHE_DIR, dirs::cache_dir)
}

/// Where the key is.
fn state() -> Option<PathBuf> {
    // Only Linux has a place that is called that.
    own_directory(variable::WINDLASS_STATE_DIR, || dirs::state_dir().or_else(dirs::data_dir))
}

/// Where Windlass keeps what no program may change: compiled plugins are run as they are.
pub(super) fn own_places() -> impl Iterator<Item = PathBuf> {
    [directory(), state()].into_iter().flatten()
}

/// A directory that a variable names, or one of Windlass's below the user's own of its kind.
fn own_directory(variable: &str, of_user: impl FnOnce() -> Option<PathBuf>) -> Option<PathBuf> {
    match std::env::var_os(variable).filter(|directory| !directory.is_empty()) {
        Some(directory) => std::path::absolute(directory).ok(),
        None => Some(of_user()?.join("windlass")),
    }
}

fn read_key(directory: &Path) -> Option<[u8; 32]> {
    let path = directory.join("key");
    if !is_private(&path) {
        return None;
    }
    fs::read(path).ok()?.try_into().ok()
}

fn make_key(directory: &Path) -> Option<[u8; 32]> {
    let mut key = [0; 32];
    getrandom::fill(&mut key).ok()?;
    let temporary = directory.join(format!("key-{:016x}", getrandom::u64().ok()?));
    let mut file = create_private(&temporary).ok()?;
    file.write_all(&key).ok()?;
    // The first of several processes wins: a link is made only where there is none.
    let linked = fs::hard_link(&temporary, directory.join("key"));
    let _ = fs::remove_file(&temporary);
    if linked.is_ok() { Some(key) } else { read_key(directory) }
}

#[cfg(unix)]
fn create_private(path: &Path) -> std::io::Result<fs::File> {
    use std::os::unix::fs::OpenOptionsExt;
    fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

#[cfg(not(unix))]
fn create_private(path: &Path) -> std::io::Result<fs::File> {
    fs::OpenOptions::new().write(true).create_new(true).open(path)
}

/// Makes a directory that only we can write and that nobody else can put another one in the place of. It is given as it is
/// reached without links.
#[cfg(unix)]
pub(super) fn make_private_directory(directory: &Path) -> std::io::Result<PathBuf> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let directory = directory.canonicalize()?;
    let kept = is_private(&directory) && directory.ancestors().skip(1).all(keeps_what_is_in_it);
    if kept { Ok(directory) } else { Err(std::io::ErrorKind::PermissionDenied.into()) }
}

/// Below the user's profile, where Windows lets nobody else write.
#[cfg(not(unix))]
pub(super) fn make_private_directory(directory: &Path) -> std::io::Result<PathBuf> {
    fs::create_dir_all(directory)?;
    Ok(directory.to_owned())
}

/// Whether nobody but root and us can rename what is ours in a directory, or remove it. A group that has our number is ours
/// alone, as distributions give every user one.
#[cfg(unix)]
fn keeps_what_is_in_it(directory: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    const STICKY: u32 = 0o1000;
    let user = rustix::process::geteuid().as_raw();
    fs::symlink_metadata(directory).is_ok_and(|metadata| {
        let others = if metadata.gid() == user { 0o002 } else { 0o022 };
        [0, user].contains(&metadata.uid()) && (metadata.mode() & others == 0 || metadata.mode() & STICKY != 0)
    })
}

/// Whether it is ours, and nobody else can write it.
#[cfg(unix)]
fn is_private(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::symlink_metadata(path).is_ok_and(|metadata| {
        !metadata.is_symlink() && metadata.uid() == rustix::process::geteuid().as_raw() && metadata.mode() & 0o022 == 0
    })
}

#[cfg(not(unix))]
fn is_private(path: &Path) -> bool {
    path.exists()
}
