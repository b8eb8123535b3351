//! A real SQLite and a journal in memory, for the tests.

use crate::database::Database;
use crate::record::Record;
use crate::surroundings::Surroundings;
use rusqlite::types::{Value as Sql, ValueRef};
use std::cell::RefCell;
use windlass_plugin::Failure;
use windlass_plugin::database::{Engine, Rows, Value};

/// A SQLite database behind the step's own trait, as the host has it.
pub(crate) struct Sqlite {
    connection: rusqlite::Connection,
    reads_only: bool,
}

impl Sqlite {
    pub(crate) fn in_memory() -> Self {
        Self { connection: rusqlite::Connection::open_in_memory().unwrap(), reads_only: false }
    }

    pub(crate) fn open(path: &std::path::Path) -> Self {
        let connection = rusqlite::Connection::open(path).unwrap();
        connection.busy_timeout(std::time::Duration::ZERO).unwrap();
        Self { connection, reads_only: false }
    }

    /// As the host gives it while a plan is made: only queries, and these cannot write.
    pub(crate) fn read_only(self) -> Self {
        self.connection.pragma_update(None, "query_only", true).unwrap();
        Self { reads_only: true, ..self }
    }

    fn may_write(&self) -> Result<(), Failure> {
        assert!(!self.reads_only, "only queries work while a plan is made");
        Ok(())
    }
}

fn failed(error: &rusqlite::Error) -> Failure {
    Failure::check_failed("database-error", "the database refused a statement").because(error)
}

fn bind(values: &[Value]) -> Vec<Sql> {
    values
        .iter()
        .map(|value| match value {
            Value::Null => Sql::Null,
            Value::Boolean(flag) => Sql::Integer(i64::from(*flag)),
            Value::Integer(number) => Sql::Integer(*number),
            Value::Real(number) => Sql::Real(*number),
            Value::Text(text) => Sql::Text(text.clone()),
            Value::Bytes(bytes) => Sql::Blob(bytes.clone()),
        })
        .collect()
}

impl Database for Sqlite {
    fn engine(&self) -> Engine {
        Engine::Sqlite
    }

    fn execute(&self, sql: &str, parameters: &[Value]) -> Result<u64, Failure> {
        self.may_write()?;
        let changed = self.connection.execute(sql, rusqlite::params_from_iter(bind(parameters)));
        changed.map(|changed| changed as u64).map_err(|error| failed(&error))
    }

    fn query(&self, sql: &str, parameters: &[Value]) -> Result<Rows, Failure> {
        let read = || {
            let mut statement = self.connection.prepare(sql)?;
            let columns: Vec<String> = statement.column_names().map(Into::into).collect();
            let width = columns.len();
            let rows = statement.query_map(rusqlite::params_from_iter(bind(parameters)), |row| {
                (0..width)
                    .map(|index| {
                        Ok(match row.get_ref(index)? {
                            ValueRef::Null => Value::Null,
                            ValueRef::Integer(number) => Value::Integer(number),
                            ValueRef::Real(number) => Value::Real(number),
                            ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
                            ValueRef::Blob(bytes) => Value::Bytes(bytes.into()),
                        })
                    })
                    .collect()
            })?;
            Ok(Rows { columns, rows: rows.collect::<Result<_, _>>()? })
        };
        read().map_err(|error: rusqlite::Error| failed(&error))
    }

    fn script(&self, sql: &str) -> Result<(), Failure> {
        self.may_write()?;
        self.connection.execute_batch(sql).map_err(|error| match &error {
            // As the host does it.
            rusqlite::Error::SqlInputError { sql: rest, offset, .. } => {
                let at = sql.len() - rest.len() + usize::try_from(*offset).unwrap_or_default();
                let line = 1 + sql[..at].matches('\n').count();
                Failure::check_failed("statement-failed", format!("the database refused a statement at line {line}"))
                    .because(&error)
            }
            _ => failed(&error),
        })
    }
}

/// What happens before a record is kept.
type OnRecord = Box<dyn Fn(&Record) -> Result<(), Failure>>;

/// A run, and what it was told.
pub(crate) struct Journal {
    run: &'static str,
    pub(crate) records: RefCell<Vec<Record>>,
    pub(crate) said: RefCell<Vec<String>>,
    /// What became of each migration, for the report of the run.
    pub(crate) told: RefCell<Vec<String>>,
    /// Called before a record is kept.
    pub(crate) on_record: OnRecord,
}

impl Journal {
    pub(crate) fn new(run: &'static str) -> Self {
        Self {
            run,
            records: RefCell::default(),
            said: RefCell::default(),
            told: RefCell::default(),
            on_record: Box::new(|_| Ok(())),
        }
    }

    pub(crate) fn records(&self) -> Vec<Record> {
        self.records.borrow().clone()
    }
}

impl Surroundings for Journal {
    fn run(&self) -> String {
        self.run.into()
    }

    fn record(&self, record: &Record) -> Result<(), Failure> {
        (self.on_record)(record)?;
        self.records.borrow_mut().push(record.clone());
        Ok(())
    }

    fn info(&self, message: &str) {
        self.said.borrow_mut().push(message.into());
    }

    fn warn(&self, message: &str) {
        self.said.borrow_mut().push(format!("warning: {message}"));
    }

    fn progress(&self, _: &str, _: u64, _: u64) {}

    fn tell(&self, results: &[(&str, &str)]) {
        let mut told = self.told.borrow_mut();
        told.extend(results.iter().map(|(file, result)| format!("{file}: {result}")));
    }
}
