//! Journals in a directory: `RUN/journal.jsonl`, and beside each a file that its writer keeps locked.

use super::{Log, Store};
use crate::fault;
use crate::files::{sync_directory, write_whole};
use std::any::Any;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufRead, Write};
use std::path::{Path, PathBuf};

/// The journal's name in a run's directory.
const FILE: &str = "journal.jsonl";
/// What says that a journal came from another machine.
const FETCHED: &str = "fetched";
/// What says that a journal is kept on the forge, or was.
const KEPT: &str = "kept";
/// What a journal is called that another one was put in the place of.
const ASIDE: &str = "journal.replaced.jsonl";
/// What the forge's is called, where it goes on otherwise than the one that is here.
const APART: &str = "journal.forge.jsonl";
/// What is locked by whoever writes: a file of its own, because on Windows nobody else can read one that is locked. The
/// system gives the lock back when the process ends, however it does.
const WRITER: &str = "writer";

/// Keeps journals in `.windlass/runs`.
#[derive(Debug, Clone)]
pub struct Directory {
    path: PathBuf,
}

#[derive(Debug)]
struct FileLog {
    file: File,
    _writer: Box<dyn Any + Send>,
}

impl Directory {
    /// The journals of the project in this directory, the one that holds `deploy.toml`.
    #[must_use]
    pub fn of(project: &Path) -> Self {
        Self { path: project.join(".windlass").join("runs") }
    }

    fn directory(&self, run: &str) -> PathBuf {
        self.path.join(run)
    }

    fn file(&self, run: &str) -> PathBuf {
        self.directory(run).join(FILE)
    }

    /// Put a journal there that another machine wrote, in the place of a shorter one.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn place(&self, run: &str, text: &[u8]) -> io::Result<()> {
        let directory = self.directory(run);
        std::fs::create_dir_all(&directory)?;
        // Whoever can write to where it was kept may have written it.
        std::fs::write(directory.join(FETCHED), b"")?;
        write_whole(&self.file(run), text)?;
        // No process of this machine was the last to write it.
        match std::fs::remove_file(directory.join(WRITER)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Keep a journal beside where it is, for whoever wants to see what was in it; it is none any more.
    ///
    /// # Errors
    /// Where that cannot be done.
    pub fn set_aside(&self, run: &str) -> io::Result<()> {
        std::fs::rename(self.file(run), self.directory(run).join(ASIDE))
    }

    /// Note that a run's journal is kept on the forge.
    ///
    /// # Errors
    /// Where that cannot be done.
    pub fn note_kept(&self, run: &str) -> io::Result<()> {
        let path = self.directory(run).join(KEPT);
        if path.exists() { Ok(()) } else { std::fs::write(path, b"") }
    }

    /// Whether it was ever seen there.
    #[must_use]
    pub fn was_kept(&self, run: &str) -> bool {
        self.directory(run).join(KEPT).exists()
    }

    /// Where the forge's journal of a run is, where it goes on otherwise than the one that is here.
    #[must_use]
    pub fn apart(&self, run: &str) -> Option<PathBuf> {
        Some(self.directory(run).join(APART)).filter(|path| path.exists())
    }

    /// Put the forge's journal beside the one that is here.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn set_apart(&self, run: &str, text: &[u8]) -> io::Result<()> {
        write_whole(&self.directory(run).join(APART), text)
    }

    /// The forge's journal of a run is no other than the one that is here.
    ///
    /// # Errors
    /// Where that cannot be noted.
    pub fn come_together(&self, run: &str) -> io::Result<()> {
        match std::fs::remove_file(self.directory(run).join(APART)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Put a file beside a journal that is made of it and can be made again, so that it need not outlast a power cut.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn put_beside(&self, run: &str, name: &str, text: &[u8]) -> io::Result<()> {
        let path = self.directory(run).join(name);
        let temporary = path.with_extension("tmp");
        std::fs::write(&temporary, text)?;
        std::fs::rename(&temporary, &path)
    }

    /// Where a file beside a journal is; none where there is no such file.
    #[must_use]
    pub fn beside(&self, run: &str, name: &str) -> Option<PathBuf> {
        Some(self.directory(run).join(name)).filter(|path| path.is_file())
    }

    /// Whether a journal came from elsewhere, whoever went on with it here.
    #[must_use]
    pub fn was_fetched(&self, run: &str) -> bool {
        self.directory(run).join(FETCHED).exists()
    }

    /// Whether a journal is there that another machine was the last to write: nobody's being here or not says whether it lives.
    #[must_use]
    pub fn is_foreign(&self, run: &str) -> bool {
        self.file(run).exists() && !self.directory(run).join(WRITER).exists()
    }

    fn lock(&self, run: &str) -> io::Result<Option<Box<dyn Any + Send>>> {
        let path = self.directory(run).join(WRITER);
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Box::new(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

impl Store for Directory {
    fn runs(&self) -> io::Result<Vec<String>> {
        let entries = match std::fs::read_dir(&self.path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let name = |entry: std::fs::DirEntry| {
            entry.file_type().is_ok_and(|kind| kind.is_dir()).then(|| entry.file_name().into_string().ok()).flatten()
        };
        Ok(entries.filter_map(|entry| name(entry.ok()?)).collect())
    }

    fn name(&self, run: &str) -> String {
        self.file(run).display().to_string()
    }

    fn read(&self, run: &str) -> io::Result<Vec<u8>> {
        std::fs::read(self.file(run))
    }

    fn read_first(&self, run: &str) -> io::Result<Vec<u8>> {
        let mut line = Vec::new();
        io::BufReader::new(File::open(self.file(run))?).read_until(b'\n', &mut line)?;
        Ok(line)
    }

    fn length(&self, run: &str) -> u64 {
        std::fs::metadata(self.file(run)).map_or(0, |metadata| metadata.len())
    }

    fn begin(&self, run: &str) -> io::Result<Box<dyn Log>> {
        let directory = self.directory(run);
        // The names of directories that are made here have to last like what is in them.
        let there = directory.ancestors().find(|ancestor| ancestor.is_dir()).map(Path::to_path_buf);
        std::fs::create_dir_all(&directory)?;
        let writer = self.lock(run)?.ok_or_else(|| io::Error::other("another process writes to it"))?;
        let file = OpenOptions::new().create_new(true).append(true).open(self.file(run))?;
        for ancestor in directory.ancestors().filter(|ancestor| !ancestor.as_os_str().is_empty()) {
            sync_directory(ancestor)?;
            if Some(ancestor) == there.as_deref() {
                break;
            }
        }
        Ok(Box::new(FileLog { file, _writer: writer }))
    }

    fn hold(&self, run: &str) -> io::Result<Option<Box<dyn Any + Send>>> {
        // Whoever only asks whether it is held holds it for a moment: once is no proof.
        for _ in 0..20 {
            if let Some(held) = self.lock(run)? {
                return Ok(Some(held));
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        Ok(None)
    }

    fn is_held(&self, run: &str) -> bool {
        match File::open(self.directory(run).join(WRITER)) {
            Ok(file) => file.try_lock_shared().is_err(),
            // Who may not look cannot say that nobody is there.
            Err(error) => error.kind() != io::ErrorKind::NotFound,
        }
    }

    fn reopen(&self, run: &str, length: u64, held: Box<dyn Any + Send>) -> io::Result<Box<dyn Log>> {
        let file = OpenOptions::new().append(true).open(self.file(run))?;
        if file.metadata()?.len() != length {
            file.set_len(length)?;
            file.sync_all()?;
        }
        Ok(Box::new(FileLog { file, _writer: held }))
    }

    fn remove(&self, run: &str) -> io::Result<()> {
        match std::fs::remove_dir_all(self.directory(run)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

impl Log for FileLog {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        fault::point();
        if cfg!(debug_assertions) {
            // In two pieces, so that a test can end the process in the middle of a line.
            let (one, other) = bytes.split_at(bytes.len() / 2);
            self.file.write_all(one)?;
            fault::point();
            self.file.write_all(other)?;
        } else {
            self.file.write_all(bytes)?;
        }
        fault::point();
        self.file.sync_data()?;
        fault::point();
        Ok(())
    }
}
