//! SQLite, kept within its one file. It works on a blocking thread, and stops when nobody waits for it any more.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::fallible_iterator::FallibleIterator;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;
use rusqlite::types::ValueRef;
use rusqlite::{Batch, ErrorCode, InterruptHandle, OpenFlags, Statement};

use super::sql::{Dialect, statements};
use super::{Access, Answer, Engine, Error, MAXIMUM_ANSWER, Position, Report, Rows, Value};

/// How long a statement waits for another process.
const BUSY: Duration = Duration::from_secs(5);

/// Virtual machine instructions between two looks at whether anybody still waits.
const INSTRUCTIONS: i32 = 1000;

/// A connection, between two calls. A call that is cut off takes it with it.
pub(super) struct Sqlite {
    idle: Option<Idle>,
    cancelled: Arc<AtomicBool>,
}

struct Idle {
    connection: rusqlite::Connection,
    refusal: Refusal,
    access: Access,
}

/// Why the authorizer said no last.
type Refusal = Arc<Mutex<Option<Error>>>;

/// Stops the work when the future that waits for it is dropped. The handle ends what runs at this moment, the flag what
/// comes after.
struct Stop {
    armed: bool,
    cancelled: Arc<AtomicBool>,
    interrupt: InterruptHandle,
}

impl Drop for Stop {
    fn drop(&mut self) {
        if self.armed {
            self.cancelled.store(true, Ordering::Relaxed);
            self.interrupt.interrupt();
        }
    }
}

impl Sqlite {
    pub(super) async fn open(path: Option<PathBuf>, access: Access, create: bool) -> Result<Self, Error> {
        let cancelled = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&cancelled);
        let idle = tokio::task::spawn_blocking(move || open(path.as_deref(), access, create, flag))
            .await
            .map_err(|error| Error::Lost { cause: error.to_string() })??;
        Ok(Self { idle: Some(idle), cancelled })
    }

    async fn run<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&Idle, &AtomicBool) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let idle = self.idle.take().ok_or_else(|| Error::Lost {
            cause: "an earlier call on it was cut off, and what was open was rolled back".into(),
        })?;
        let cancelled = Arc::clone(&self.cancelled);
        let interrupt = idle.connection.get_interrupt_handle();
        let mut stop = Stop { armed: true, cancelled: Arc::clone(&cancelled), interrupt };
        let (idle, result) = tokio::task::spawn_blocking(move || {
            let result = work(&idle, &cancelled);
            (idle, result)
        })
        .await
        .map_err(|error| Error::Lost { cause: error.to_string() })?;
        stop.armed = false;
        self.idle = Some(idle);
        result
    }

    pub(super) async fn execute(&mut self, sql: &str, parameters: &[Value]) -> Result<u64, Error> {
        let (sql, parameters) = (sql.to_owned(), parameters.to_vec());
        self.run(move |idle, _| {
            let before = idle.connection.total_changes();
            let mut statement = idle.prepare(&sql, &parameters)?;
            let mut rows = statement.raw_query();
            while rows.next().map_err(|error| idle.error(&sql, &error))?.is_some() {}
            drop(rows);
            // `changes` is what the last statement that changes anything did, which may be an earlier one.
            let changed = idle.connection.total_changes() != before;
            Ok(if changed { idle.connection.changes() } else { 0 })
        })
        .await
    }

    pub(super) async fn query(&mut self, sql: &str, parameters: &[Value]) -> Result<Rows, Error> {
        let (sql, parameters) = (sql.to_owned(), parameters.to_vec());
        self.run(move |idle, _| {
            let mut statement = idle.prepare(&sql, &parameters)?;
            let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
            let width = columns.len();
            let mut answer = Answer::new(columns);
            let mut rows = statement.raw_query();
            while let Some(row) = rows.next().map_err(|error| idle.error(&sql, &error))? {
                let mut values = Vec::with_capacity(width);
                for index in 0..width {
                    values.push(value(row.get_ref(index).map_err(|error| idle.error(&sql, &error))?));
                }
                answer.push(values)?;
            }
            Ok(answer.rows)
        })
        .await
    }

    pub(super) async fn script(&mut self, sql: &str) -> Result<(), Error> {
        let sql = sql.to_owned();
        self.run(move |idle, cancelled| {
            let mut batch = Batch::new(&idle.connection, &sql);
            let mut done = 0; // bytes of the script
            while let Some(mut statement) = batch.next().map_err(|error| idle.error(&sql, &error))? {
                if cancelled.load(Ordering::Relaxed) {
                    return Err(Error::Lost { cause: "the call was cut off".into() });
                }
                // Without parameters this is the statement's text as it stands in the script.
                let text = statement.expanded_sql().unwrap_or_default();
                let start = sql[done..].find(&text).map_or(done, |found| done + found);
                let first = statements(&text, Dialect::Sqlite).first().map_or(0, |statement| statement.start);
                let mut rows = statement.raw_query();
                loop {
                    match rows.next() {
                        Ok(Some(_)) => {}
                        Ok(None) => break,
                        Err(error) => {
                            let place = || Some(Position::of_byte(&sql, start + first));
                            return Err(idle.error(&sql, &error).at(place));
                        }
                    }
                }
                done = start + text.len();
            }
            Ok(())
        })
        .await
    }
}

fn open(path: Option<&Path>, access: Access, create: bool, cancelled: Arc<AtomicBool>) -> Result<Idle, Error> {
    let place = path.map_or_else(|| ":memory:".into(), |path| path.display().to_string());
    let unreachable = |cause: String| Error::Unreachable { engine: Engine::Sqlite, place: place.clone(), cause };
    let opened = match (path, access) {
        (None, _) => rusqlite::Connection::open_in_memory(),
        (Some(path), Access::Read) if !path.try_exists().map_err(|error| unreachable(error.to_string()))? => {
            rusqlite::Connection::open_in_memory()
        }
        (Some(path), Access::Read) => open_to_read(path).map_err(|error| unreachable(error.to_string()))?,
        (Some(path), Access::Write) => {
            let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty());
            if let Some(directory) = directory.filter(|directory| !directory.is_dir()) {
                return Err(Error::NoDirectory { directory: directory.display().to_string() });
            }
            let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let flags = if create { flags | OpenFlags::SQLITE_OPEN_CREATE } else { flags };
            rusqlite::Connection::open_with_flags(path, flags)
        }
    };
    let refusal = Refusal::default();
    let idle = opened
        .and_then(|mut connection| {
            set_up(&mut connection, access, cancelled, &refusal)?;
            Ok(Idle { connection, refusal, access })
        })
        .map_err(|error| unreachable(words(&error).0))?;
    // SQLite opens a file when it first reads it: say now what is wrong with it.
    idle.connection.query_row("select count(*) from sqlite_schema", [], |_| Ok(())).map_err(|error| {
        match idle.error("", &error) {
            locked @ Error::LockTimeout(_) => locked,
            _ => unreachable(words(&error).0),
        }
    })?;
    Ok(idle)
}

/// Opens a file so that nothing is written beside it, where that is possible. In WAL mode SQLite makes two files even to
/// read; where there is no log, nobody has the file open, and it can be read as one that does not change.
fn open_to_read(path: &Path) -> std::io::Result<rusqlite::Result<rusqlite::Connection>> {
    let mut header = [0_u8; 20];
    let wal_mode = match File::open(path)?.read_exact(&mut header) {
        Ok(()) => header[18] == 2 || header[19] == 2,
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => false,
        Err(error) => return Err(error),
    };
    let is_beside = |ending: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(ending);
        std::fs::metadata(name).is_ok_and(|file| file.len() > 0)
    };
    let log_is_empty = !is_beside("-wal");
    // What a writer began that was killed is rolled back by whoever looks next, and only by one who may write. Nothing else
    // is written: `query_only` is set, and the file is as it was before that writer.
    let writable =
        if is_beside("-journal") { OpenFlags::SQLITE_OPEN_READ_WRITE } else { OpenFlags::SQLITE_OPEN_READ_ONLY };
    let flags = writable | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let Some(text) = path.to_str().filter(|_| wal_mode && log_is_empty) else {
        return Ok(rusqlite::Connection::open_with_flags(path, flags));
    };
    let mut uri = String::from("file:");
    for byte in text.bytes() {
        match byte {
            b'/' | b'-' | b'.' | b'_' => uri.push(char::from(byte)),
            byte if byte.is_ascii_alphanumeric() => uri.push(char::from(byte)),
            byte => uri.push_str(&format!("%{byte:02x}")),
        }
    }
    uri.push_str("?immutable=1");
    Ok(rusqlite::Connection::open_with_flags(uri, flags | OpenFlags::SQLITE_OPEN_URI))
}

fn set_up(
    connection: &mut rusqlite::Connection,
    access: Access,
    cancelled: Arc<AtomicBool>,
    refusal: &Refusal,
) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, i32::try_from(MAXIMUM_ANSWER).unwrap_or(i32::MAX))?;
    connection.pragma_update(None, "foreign_keys", true)?;
    if access == Access::Read {
        connection.pragma_update(None, "query_only", true)?;
    }
    connection.progress_handler(INSTRUCTIONS, Some(move || cancelled.load(Ordering::Relaxed)))?;
    let refusal = Arc::clone(refusal);
    connection.authorizer(Some(move |context: AuthContext<'_>| match forbidden(&context.action, access) {
        None => Authorization::Allow,
        Some(error) => {
            *refusal.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            Authorization::Deny
        }
    }))
}

/// What leaves the file, and under [`Access::Read`] what ends or opens transactions.
fn forbidden(action: &AuthAction<'_>, access: Access) -> Option<Error> {
    let confined = |cause: &str| Some(Error::Confined { cause: cause.into() });
    match action {
        // `VACUUM` attaches a temporary database under an empty name.
        AuthAction::Attach { filename: "" } if access == Access::Write => None,
        AuthAction::Attach { .. } | AuthAction::Unknown { code: rusqlite::ffi::SQLITE_ATTACH, .. } => {
            confined("`ATTACH` and `VACUUM INTO` open another file")
        }
        AuthAction::Function { function_name } if function_name.eq_ignore_ascii_case("load_extension") => {
            confined("`load_extension` runs a library")
        }
        AuthAction::Pragma { pragma_name, pragma_value } => {
            let name = pragma_name.to_ascii_lowercase();
            if matches!(&*name, "writable_schema" | "temp_store_directory" | "data_store_directory") {
                return Some(Error::Confined { cause: format!("`PRAGMA {name}` is not allowed") });
            }
            (access == Access::Read && name == "query_only" && pragma_value.is_some())
                .then(|| Error::ReadOnly { cause: "`PRAGMA query_only` cannot be changed".into() })
        }
        AuthAction::Transaction { .. } | AuthAction::Savepoint { .. } if access == Access::Read => {
            Some(Error::ReadOnly { cause: "transactions are the host's".into() })
        }
        _ => None,
    }
}

impl Idle {
    fn prepare(&self, sql: &str, parameters: &[Value]) -> Result<Statement<'_>, Error> {
        let mut statement = self.connection.prepare(sql).map_err(|error| self.error(sql, &error))?;
        if statement.parameter_count() != parameters.len() {
            return Err(Error::misuse(format!(
                "the statement has {} parameters, and {} were passed",
                statement.parameter_count(),
                parameters.len()
            )));
        }
        for (index, parameter) in parameters.iter().enumerate() {
            let bound = match parameter {
                Value::Null => statement.raw_bind_parameter(index + 1, rusqlite::types::Null),
                Value::Boolean(flag) => statement.raw_bind_parameter(index + 1, flag),
                Value::Integer(number) => statement.raw_bind_parameter(index + 1, number),
                Value::Real(number) => statement.raw_bind_parameter(index + 1, number),
                Value::Text(text) => statement.raw_bind_parameter(index + 1, text),
                Value::Bytes(bytes) => statement.raw_bind_parameter(index + 1, bytes),
            };
            bound.map_err(|error| self.error(sql, &error))?;
        }
        Ok(statement)
    }

    /// What an error means. `sql` is the whole text, for the place in it.
    fn error(&self, sql: &str, error: &rusqlite::Error) -> Error {
        let (message, code) = words(error);
        let refused = self.refusal.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut report = Report { number: code.map(|(_, extended)| extended), ..Report::of(message) };
        if let rusqlite::Error::SqlInputError { sql: part, offset, .. } = error {
            let offset = usize::try_from(*offset).unwrap_or_default();
            report.position = Some(Position::of_byte(sql, sql.len().saturating_sub(part.len()) + offset));
        }
        match code.map(|(code, _)| code) {
            Some(ErrorCode::AuthorizationForStatementDenied) => refused.unwrap_or(Error::Statement(Box::new(report))),
            Some(ErrorCode::ReadOnly) if self.access == Access::Read => Error::ReadOnly { cause: report.message },
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Error::LockTimeout(Box::new(report)),
            None if matches!(error, rusqlite::Error::MultipleStatement) => {
                Error::misuse("the text has more than one statement")
            }
            _ => Error::Statement(Box::new(report)),
        }
    }
}

/// SQLite's own words, and its codes.
fn words(error: &rusqlite::Error) -> (String, Option<(ErrorCode, i32)>) {
    match error {
        rusqlite::Error::SqliteFailure(code, message) => {
            (message.clone().unwrap_or_else(|| code.to_string()), Some((code.code, code.extended_code)))
        }
        rusqlite::Error::SqlInputError { error, msg, .. } => (msg.clone(), Some((error.code, error.extended_code))),
        other => (other.to_string(), None),
    }
}

fn value(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Integer(number),
        ValueRef::Real(number) => Value::Real(number),
        ValueRef::Text(text) => {
            std::str::from_utf8(text).map_or_else(|_| Value::Bytes(text.into()), |text| Value::Text(text.into()))
        }
        ValueRef::Blob(bytes) => Value::Bytes(bytes.into()),
    }
}
