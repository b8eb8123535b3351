//! The project of a case: a temporary directory with the files that it says.

use super::cases::{Case, GivenFile};
use crate::database::{Access, Connection, Value, is_elsewhere};
use crate::files::Temporary;
use crate::problem::{Code, Problem};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The largest file that is looked at, in bytes.
const LARGEST: u64 = 64 << 20;

/// What stands for the project's own path in what a plugin says.
pub(super) const PROJECT: &str = "PROJECT";

/// A project that is gone with this.
#[derive(Debug)]
pub(super) struct Project {
    _temporary: Temporary,
    path: PathBuf,
    before: BTreeMap<String, String>,
}

fn failed(what: &str, path: &str, error: impl std::fmt::Display) -> Problem {
    Problem::new(Code::CasesInvalid, format!("`{path}` {what}")).because(error)
}

/// What of a case a project cannot be made of, as a JSON pointer, and why.
type Unmade = Box<(String, Problem)>;

/// Another file's bytes. `pointer` is to what names it.
fn from(beside: &Path, file: &str, pointer: String) -> Result<Vec<u8>, Unmade> {
    std::fs::read(beside.join(file)).map_err(|error| Box::new((pointer, failed("cannot be read", file, error))))
}

impl Project {
    /// Makes it. Files from elsewhere are relative to `beside`.
    ///
    /// # Errors
    /// What could not be made, and what of the case says it, as a JSON pointer within that.
    pub(super) async fn make(case: &Case, beside: &Path) -> Result<Self, Unmade> {
        let cannot = |error| Box::new((String::new(), failed("cannot be made", "the case's project", error)));
        let temporary = Temporary::make().map_err(cannot)?;
        let path = temporary.path().canonicalize().map_err(cannot)?;
        for (name, given) in &case.files {
            let pointer = format!("/files/{}", name.replace('~', "~0").replace('/', "~1"));
            let bytes = match given {
                GivenFile::Text(text) => text.clone().into_bytes(),
                GivenFile::From(other) => from(beside, &other.from, format!("{pointer}/from"))?,
            };
            write(&path.join(name), &bytes)
                .map_err(|error| Box::new((pointer, failed("cannot be written", name, error))))?;
        }
        for (index, database) in case.database.iter().enumerate() {
            let file = path.join(&database.path);
            let pointer = |key: &str| format!("/database/{index}/{key}");
            let wrong = |what: &str, error| Box::new((pointer("path"), failed(what, &database.path, error)));
            if let Some(other) = &database.from {
                let bytes = from(beside, other, pointer("from"))?;
                write(&file, &bytes).map_err(|error| wrong("cannot be written", error))?;
            }
            if let Some(parent) = file.parent() {
                std::fs::create_dir_all(parent).map_err(|error| wrong("cannot be made", error))?;
            }
            let url = format!("sqlite:{}", database.path);
            // What is decoded may be another path than what was read.
            if is_elsewhere(&url, &path) {
                let problem = failed("cannot be made", &database.path, "it is outside of the project");
                return Err(Box::new((pointer("path"), problem)));
            }
            let made = async {
                let mut connection = Connection::open(&url, &path, Access::Write).await?;
                connection.script(database.sql.as_deref().unwrap_or_default()).await
            };
            made.await.map_err(|error| {
                let problem = failed("cannot be made with these statements", &database.path, &error);
                Box::new((pointer("sql"), error.causes().into_iter().fold(problem, Problem::because)))
            })?;
        }
        let made = Self { _temporary: temporary, path, before: BTreeMap::new() };
        Ok(Self { before: made.digests(), ..made })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// A text without the project's own path.
    pub(super) fn clean(&self, text: &str) -> String {
        text.replace(&*self.path.to_string_lossy(), PROJECT)
    }

    /// What a file holds; none where it is not there, or is somewhere else by a link, as a plugin may have made one, and where
    /// it is larger than any that is looked at.
    pub(super) fn read(&self, name: &str) -> Option<Vec<u8>> {
        let path = self.path.join(name).canonicalize().ok().filter(|path| path.starts_with(&self.path))?;
        path.metadata().ok().filter(|metadata| metadata.is_file() && metadata.len() <= LARGEST)?;
        std::fs::read(path).ok()
    }

    /// The digests of all files when the case began.
    pub(super) const fn before(&self) -> &BTreeMap<String, String> {
        &self.before
    }

    /// The digests of all files, by their names.
    pub(super) fn digests(&self) -> BTreeMap<String, String> {
        let mut digests = BTreeMap::new();
        let mut directories = vec![self.path.clone()];
        while let Some(directory) = directories.pop() {
            for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
                let path = entry.path();
                let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
                if is_directory {
                    directories.push(path);
                    continue;
                }
                let Ok(name) = path.strip_prefix(&self.path).map(|name| name.to_string_lossy().into_owned()) else {
                    continue;
                };
                if let Some(bytes) = self.read(&name) {
                    digests.insert(name, digest(&bytes));
                }
            }
        }
        digests
    }

    /// What a query answers, a line for each row.
    pub(super) async fn rows(&self, path: &str, query: &str) -> Vec<String> {
        let url = format!("sqlite:{path}");
        let asked = async {
            let mut connection = Connection::open(&url, &self.path, Access::Read).await?;
            connection.query(query, &[]).await
        };
        match asked.await {
            Ok(rows) => rows.rows.iter().map(|row| row.iter().map(shown).collect::<Vec<_>>().join("|")).collect(),
            Err(error) => std::iter::once(error.to_string()).chain(error.causes()).collect(),
        }
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Boolean(flag) => flag.to_string(),
        Value::Integer(number) => number.to_string(),
        Value::Real(number) => number.to_string(),
        Value::Text(text) => text.clone(),
        Value::Bytes(bytes) => hex::encode(bytes),
    }
}

/// The SHA-256 of bytes, in hex.
pub(super) fn digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// Writes a file. One that begins with `#!` is executable.
fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    std::fs::write(path, bytes)?;
    #[cfg(unix)]
    if bytes.starts_with(b"#!") {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}
