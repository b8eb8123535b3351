//! Leases in files, for all who share a project's directory.
//!
//! For each place there are, in `.windlass/leases`:
//!
//! - `NAME.json`, the record. It is replaced by renaming a whole, synced file over it, so it is read without a lock and
//!   never half written.
//! - `NAME.guard`, locked for the moment of a change. It is never removed, because a lock on a removed file excludes
//!   nobody.
//! - `NAME.NUMBER.alive`, locked by the owner with that number for as long as it lives. The system drops the lock however
//!   the process ends, so no reused process number, other container or set clock can make a dead owner look alive or a
//!   living one dead. It is not locked by whoever only asks: they share a lock for a moment, which an owner never has.
//! - `NAME.damaged`, a record that could not be read and was replaced.
//!
//! These are files apart because elsewhere than on Unix nobody can read a file that another has locked.

use super::record::Record;
use super::store::{Attendance, Store, Stored, Version};
use crate::event::Place;
use crate::fault;
use crate::files::sync_directory;
use crate::problem::{Code, Problem};
use async_trait::async_trait;
use sha2::{Digest, Sha256};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Error, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long to wait for somebody else's change, which takes a moment unless their process was stopped within it.
const CHANGE: Duration = Duration::from_secs(10);
/// How often to look whether it is over.
const AGAIN: Duration = Duration::from_millis(2);
/// The longest name that is used as it is, in bytes: file systems allow 255, and endings are added.
const LONGEST: usize = 200;

/// Keeps leases in a project's `.windlass/leases`.
#[derive(Debug, Clone)]
pub struct LocalStore {
    directory: PathBuf,
}

impl LocalStore {
    /// The leases of a project, by its directory. Nothing is made before something is taken.
    #[must_use]
    pub fn new(project: &Path) -> Self {
        Self { directory: project.join(".windlass").join("leases") }
    }

    fn path(&self, place: &Place, ending: &str) -> PathBuf {
        self.directory.join(format!("{}.{ending}", name(place)))
    }

    fn alive(&self, place: &Place, number: u64) -> PathBuf {
        self.path(place, &format!("{number}.alive"))
    }

    /// The numbers of which there is a proof of life, of the living and the dead.
    fn attended(&self, place: &Place) -> std::io::Result<Vec<u64>> {
        let prefix = format!("{}.", name(place));
        let number = |file: &str| file.strip_prefix(&prefix)?.strip_suffix(".alive")?.parse().ok();
        Ok(files(&self.directory)?.iter().filter_map(|file| number(file)).collect())
    }

    /// What the bytes of the record's file are.
    fn stored(&self, place: &Place, bytes: Option<&[u8]>) -> Result<Stored, Problem> {
        let path = self.path(place, "json");
        // The newest proof of life is kept, so the number is known also where the record is not.
        let number = || {
            let numbers = self.attended(place).map_err(|error| unreadable(&path, error))?;
            Ok(numbers.into_iter().max().unwrap_or_default())
        };
        let Some(bytes) = bytes else { return Ok(Stored::Record(Record::free(place.clone(), number()?))) };
        Ok(match Record::from_text(bytes) {
            Ok(record) => Stored::Record(record),
            Err(why) => Stored::Damaged { problem: damaged(place, &path, why), number: number()? },
        })
    }

    fn bytes(&self, place: &Place) -> Result<Option<Vec<u8>>, Problem> {
        let path = self.path(place, "json");
        match std::fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(unreadable(&path, error)),
        }
    }

    /// Be the only one who changes something of a place, until the file is dropped.
    async fn guard(&self, place: &Place) -> Result<File, Problem> {
        let (path, record) = (self.path(place, "guard"), self.path(place, "json"));
        let unwritable = |error| unwritable(&record, error);
        std::fs::create_dir_all(&self.directory).map_err(unwritable)?;
        let file = lockable(&path).map_err(unwritable)?;
        let deadline = Instant::now() + CHANGE;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => tokio::time::sleep(AGAIN).await,
                Err(TryLockError::WouldBlock) => {
                    return Err(Problem::new(
                        Code::LeaseHeld,
                        format!("the lease `{}` cannot be changed", path.display()),
                    )
                    .because("another process has been changing it for too long; it may have been stopped")
                    .with_hint("continue or end that process"));
                }
                Err(TryLockError::Error(error)) => return Err(unwritable(error)),
            }
        }
    }

    /// Put a record in place: nobody sees less than the whole of it, and it outlasts a power cut.
    fn write(&self, place: &Place, record: &Record) -> std::io::Result<()> {
        let new = self.path(place, "new");
        let written = File::create(&new).and_then(|mut file| {
            file.write_all(record.to_text().as_bytes())?;
            file.sync_all()
        });
        fault::point();
        let renamed = written.and_then(|()| std::fs::rename(&new, self.path(place, "json")));
        fault::point();
        if renamed.is_err() {
            // What fills a disk is not left on it. Where that fails too, the next change writes over it.
            let _ = std::fs::remove_file(&new);
        }
        renamed?;
        sync_directory(&self.directory)
    }
}

#[async_trait]
impl Store for LocalStore {
    async fn read(&self, place: &Place) -> Result<(Stored, Version), Problem> {
        let bytes = self.bytes(place)?;
        Ok((self.stored(place, bytes.as_deref())?, version(bytes.as_deref())))
    }

    async fn swap(&self, place: &Place, seen: &Version, record: &Record) -> Result<bool, Problem> {
        let _guard = self.guard(place).await?;
        let bytes = self.bytes(place)?;
        if version(bytes.as_deref()) != *seen {
            return Ok(false);
        }
        let path = self.path(place, "json");
        if bytes.is_some_and(|bytes| Record::from_text(&bytes).is_err()) {
            std::fs::copy(&path, self.path(place, "damaged")).map_err(|error| unwritable(&path, error))?;
        }
        self.write(place, record).map_err(|error| unwritable(&path, error))?;
        Ok(true)
    }

    async fn is_alive(&self, record: &Record) -> Result<Option<bool>, Problem> {
        let path = self.alive(&record.place, record.number);
        is_locked(&path).map(Some).map_err(|error| unreadable(&path, error))
    }

    async fn attend(&self, place: &Place, number: u64) -> Result<Option<Attendance>, Problem> {
        // Between making the file and locking it, it looks dead to whoever clears away. They have the guard, too.
        let _guard = self.guard(place).await?;
        let path = self.alive(place, number);
        let unwritable = |error| unwritable(&path, error);
        let file = lockable(&path).map_err(unwritable)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(unwritable(error)),
        }
        for old in self.attended(place).map_err(unwritable)?.into_iter().filter(|old| *old < number) {
            let old = self.alive(place, old);
            if matches!(is_locked(&old), Ok(false)) {
                // One that cannot be removed does no harm, and the next who takes the lease tries again.
                let _ = std::fs::remove_file(old);
            }
        }
        Ok(Some(Box::new(file)))
    }

    fn glance(&self, place: &Place) -> Option<Result<Stored, Problem>> {
        Some(self.bytes(place).and_then(|bytes| self.stored(place, bytes.as_deref())))
    }

    async fn places(&self) -> Result<Vec<Place>, Problem> {
        let mut places = vec![];
        for file in files(&self.directory).map_err(|error| unreadable(&self.directory, error))? {
            let Some(name) = file.strip_suffix(".json") else { continue };
            let path = self.directory.join(&file);
            let bytes = std::fs::read(&path).map_err(|error| unreadable(&path, error))?;
            // One that is damaged must not hide the others: it is told of when it is looked at by itself.
            match Record::from_text(&bytes) {
                Ok(record) => places.push(record.place),
                Err(why) => places.push(place_of(name).ok_or_else(|| unreadable(&path, Error::other(why)))?),
            }
        }
        places.sort();
        Ok(places)
    }
}

/// One name for each place: no name of an app, an environment or a component has a `+`, `%` or `~` in it, and
/// environments may have a `/`. One that is too long for a file is cut, and a checksum of the whole added.
fn name(place: &Place) -> String {
    let mut name = format!("{}+{}", place.app, place.environment.replace('/', "%"));
    if let Some(component) = &place.component {
        name = format!("{name}+{component}");
    }
    if name.len() > LONGEST {
        let checksum = hex::encode(&Sha256::digest(name.as_bytes())[..16]);
        let cut = name.floor_char_boundary(LONGEST - checksum.len() - 1);
        name = format!("{}~{checksum}", &name[..cut]);
    }
    name
}

/// The place that a name is of; none where the name was cut.
fn place_of(name: &str) -> Option<Place> {
    let mut parts = Some(name).filter(|name| !name.contains('~'))?.split('+').map(str::to_owned);
    let (app, environment, component) = (parts.next()?, parts.next()?.replace('%', "/"), parts.next());
    Some(Place { app, environment, component })
}

fn version(bytes: Option<&[u8]>) -> Version {
    Version(bytes.map(|bytes| hex::encode(Sha256::digest(bytes))))
}

/// The names of the files in a directory; none where there is no directory.
fn files(directory: &Path) -> std::io::Result<Vec<String>> {
    match std::fs::read_dir(directory) {
        Ok(entries) => entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect(),
        Err(error) if is_absent(&error) => Ok(vec![]),
        Err(error) => Err(error),
    }
}

/// Whether there is no such file, for want of its directory too.
fn is_absent(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// A file whose content says nothing, to be locked.
fn lockable(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
}

/// Whether an owner has locked a file. Asks with a shared lock, so that those who ask do not take each other for it.
fn is_locked(path: &Path) -> std::io::Result<bool> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if is_absent(&error) => return Ok(false),
        Err(error) => return Err(error),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn unwritable(path: &Path, error: Error) -> Problem {
    Problem::new(Code::JournalUnwritable, format!("the lease `{}` cannot be written", path.display()))
        .because(error)
        .with_hint("mend the permissions or free some space")
}

fn unreadable(path: &Path, error: Error) -> Problem {
    Problem::new(Code::JournalUnwritable, format!("the lease `{}` cannot be read", path.display()))
        .because(error)
        .with_hint("mend the permissions")
}

fn damaged(place: &Place, path: &Path, why: String) -> Problem {
    Problem::new(Code::LeaseInvalid, format!("the lease `{}` is not what was written", path.display()))
        .because(why)
        .with_hint(format!(
            "make sure that no run is under way, then run `windlass lease release --force {}`: it keeps this file as \
             `.damaged` beside the new one",
            place.options()
        ))
}
