//! Databases, as plugins are given them: one connection, one statement after the other. The host holds the URL, and what
//! a plugin may do with a database that it may only read is decided here and in the server, never by the plugin.
//!
//! - A `query` under [`Access::Read`] is one statement in a read-only transaction of its own, always rolled back.
//!   `execute` and `script` are refused. What a transaction does not hold back is not held back here either: a user with
//!   rights on the server beyond its tables can call functions that write files or end sessions. Such a user does not
//!   belong into a deployment.
//! - Under [`Access::Write`] transactions are the caller's, by `BEGIN` and `COMMIT` through `execute`. A connection that is
//!   dropped, or whose call is cut off, rolls back what is open and ends its session on the server.
//! - A SQLite path is taken relative to the project. Whether it may leave the project is the capability gate's to decide.
//! - Sessions run in UTC. A PostgreSQL URL without a password uses `PGPASSWORD` and `~/.pgpass`, as `psql` does.
//! - A PostgreSQL `script` with several statements is one transaction, unless it has `BEGIN` and `COMMIT` of its own. What
//!   cannot run in one, such as `CREATE INDEX CONCURRENTLY`, has to be the only statement of its script.
//!
//! Nothing here costs anything before the first connection is opened.

mod error;
mod mysql;
mod mysql_values;
mod postgresql;
mod postgresql_text;
mod postgresql_values;
mod remote;
mod sql;
mod sqlite;
mod url;

use std::path::{Component, Path};

pub use self::error::{Error, Fault, Position, Report};

/// What kind of database it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// SQLite.
    Sqlite,
    /// PostgreSQL.
    Postgresql,
    /// MySQL.
    Mysql,
    /// MariaDB.
    Mariadb,
}

impl std::fmt::Display for Engine {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Sqlite => "SQLite",
            Self::Postgresql => "PostgreSQL",
            Self::Mysql => "MySQL",
            Self::Mariadb => "MariaDB",
        })
    }
}

/// A value in a row or a parameter.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// SQL's NULL.
    Null,
    /// True or false. MySQL and SQLite have no such type and answer with numbers.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A number.
    Real(f64),
    /// Text; also times, decimals, UUIDs and whole numbers too large for [`Value::Integer`], as the database writes them.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
}

/// The answer to a query.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Rows {
    /// The columns' names.
    pub columns: Vec<String>,
    /// The rows.
    pub rows: Vec<Vec<Value>>,
}

/// What may be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Look: while a plan is made, or where no more was granted.
    Read,
    /// Look and change.
    Write,
}

/// The bytes that an answer may take up in memory.
pub const MAXIMUM_ANSWER: usize = 64 * 1024 * 1024;

/// One connection. Dropping it rolls back what is open.
pub struct Connection {
    backend: Backend,
    engine: Engine,
    version: String,
    access: Access,
}

enum Backend {
    Sqlite(sqlite::Sqlite),
    Postgresql(postgresql::Postgresql),
    Mysql(mysql::Mysql),
}

/// Whether a URL is of a server, and not of a file.
#[must_use]
pub fn is_server(url: &str) -> bool {
    let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme.trim());
    ["postgres", "postgresql", "mysql", "mariadb"].iter().any(|server| scheme.eq_ignore_ascii_case(server))
}

/// Whether a URL is of a file that is none of the project's. Where a link leads [`Connection::open`] sees.
#[must_use]
pub fn is_elsewhere(url: &str, project: &Path) -> bool {
    let Ok(url::Target::File { path: Some(path), .. }) = url::Target::parse(url, project) else { return false };
    let is_below =
        |below: &Path| below.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    !path.strip_prefix(project).is_ok_and(is_below)
}

impl Connection {
    /// Opens the database at `url`: `sqlite:PATH` relative to `project`, `postgres://…`, `mysql://…` or `mariadb://…`.
    ///
    /// Under [`Access::Read`] a SQLite file that does not exist is an empty database, and is not made.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidUrl`], [`Error::Unreachable`], [`Error::Refused`] or [`Error::NoDirectory`]; none of them says
    /// more of the URL than host, port, database and user.
    pub async fn open(url: &str, project: &Path, access: Access) -> Result<Self, Error> {
        let (backend, engine, version) = match url::Target::parse(url, project)? {
            url::Target::File { path, read_only, create } => {
                let access = if read_only { Access::Read } else { access };
                path.as_deref().map_or(Ok(()), |path| url::stays(path, project))?;
                let backend = sqlite::Sqlite::open(path, access, create).await?;
                (Backend::Sqlite(backend), Engine::Sqlite, rusqlite::version().to_owned())
            }
            url::Target::Postgresql(url) => {
                let (backend, version) = postgresql::Postgresql::open(&url, access).await?;
                (Backend::Postgresql(backend), Engine::Postgresql, version)
            }
            url::Target::Mysql(url) => {
                let (backend, engine, version) = mysql::Mysql::open(&url, access).await?;
                (Backend::Mysql(backend), engine, version)
            }
        };
        Ok(Self { backend, engine, version, access })
    }

    /// What it is.
    #[must_use]
    pub fn engine(&self) -> Engine {
        self.engine
    }

    /// What the server calls itself, for example `16.4`.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Runs one statement, with `?` (SQLite, MySQL, MariaDB) or `$1` (PostgreSQL) for parameters, and returns the number
    /// of rows that it changed. MySQL and MariaDB count the rows that an update found, changed or not.
    ///
    /// # Errors
    ///
    /// [`Error::ReadOnly`] under [`Access::Read`], and whatever the database has against the statement.
    pub async fn execute(&mut self, sql: &str, parameters: &[Value]) -> Result<u64, Error> {
        self.may_write("execute")?;
        is_text(sql)?;
        match &mut self.backend {
            Backend::Sqlite(backend) => backend.execute(sql, parameters).await,
            Backend::Postgresql(backend) => backend.execute(sql, parameters).await,
            Backend::Mysql(backend) => backend.execute(sql, parameters).await,
        }
    }

    /// Runs one statement that returns rows.
    ///
    /// # Errors
    ///
    /// [`Error::ReadOnly`] where it would change something under [`Access::Read`], [`Error::UnsupportedType`],
    /// [`Error::TooLarge`] beyond [`MAXIMUM_ANSWER`], and whatever the database has against the statement.
    pub async fn query(&mut self, sql: &str, parameters: &[Value]) -> Result<Rows, Error> {
        is_text(sql)?;
        match &mut self.backend {
            Backend::Sqlite(backend) => backend.query(sql, parameters).await,
            Backend::Postgresql(backend) => backend.query(sql, parameters, self.access).await,
            Backend::Mysql(backend) => backend.query(sql, parameters, self.access).await,
        }
    }

    /// Runs statements as they stand in a file, without parameters. What `DELIMITER` is for needs none of it here:
    /// bodies of procedures and triggers are understood.
    ///
    /// # Errors
    ///
    /// As for [`Connection::execute`], with the place in the script where it is known.
    pub async fn script(&mut self, sql: &str) -> Result<(), Error> {
        self.may_write("script")?;
        is_text(sql)?;
        match &mut self.backend {
            Backend::Sqlite(backend) => backend.script(sql).await,
            Backend::Postgresql(backend) => backend.script(sql).await,
            Backend::Mysql(backend) => backend.script(sql).await,
        }
    }

    fn may_write(&self, what: &str) -> Result<(), Error> {
        match self.access {
            Access::Write => Ok(()),
            Access::Read => Err(Error::ReadOnly { cause: format!("`{what}` changes things; only `query` is allowed") }),
        }
    }
}

/// A NUL ends the text for some servers, and what follows would be read as something else.
fn is_text(sql: &str) -> Result<(), Error> {
    if sql.contains('\0') { Err(Error::misuse("the text has a NUL character")) } else { Ok(()) }
}

/// Rows as they are collected, within [`MAXIMUM_ANSWER`].
struct Answer {
    rows: Rows,
    bytes: usize,
}

impl Answer {
    fn new(columns: Vec<String>) -> Self {
        Self { rows: Rows { columns, rows: vec![] }, bytes: 0 }
    }

    fn push(&mut self, row: Vec<Value>) -> Result<(), Error> {
        let contents = row.iter().map(|value| match value {
            Value::Text(text) => text.len(),
            Value::Bytes(bytes) => bytes.len(),
            _ => 0,
        });
        self.bytes += size_of::<Vec<Value>>() + row.len() * size_of::<Value>() + contents.sum::<usize>();
        if self.bytes > MAXIMUM_ANSWER {
            return Err(Error::TooLarge { limit: MAXIMUM_ANSWER });
        }
        self.rows.rows.push(row);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Answer, Connection, Error, Value, is_text};

    #[test]
    fn a_connection_can_change_threads() {
        fn is_send<T: Send>() {}
        is_send::<Connection>();
    }

    #[test]
    fn a_nul_is_no_part_of_a_statement() {
        assert_eq!(is_text("select 1"), Ok(()));
        assert!(is_text("select 1\0").is_err());
    }

    #[test]
    fn an_answer_has_a_limit() {
        let mut answer = Answer::new(vec!["a".into()]);
        let row = || vec![Value::Bytes(vec![0; 40 * 1024 * 1024])];
        assert_eq!(answer.push(row()), Ok(()));
        assert!(matches!(answer.push(row()), Err(Error::TooLarge { .. })));
    }
}
