//! The table that records what was applied: what is in it, and how it is read and written. Made by `apply` only.

use crate::database::{Database, EngineExt, Place};
use crate::files::Migration;
use windlass_plugin::Failure;
use windlass_plugin::database::{Engine, Rows, Value};

/// The code of a failure that says that a migration broke off halfway.
pub const DIRTY: &str = "migration-dirty";

/// How far a migration is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Applied by us.
    Done,
    /// Applied by somebody else before, as another tool's history or the configured baseline says.
    Adopted,
    /// Its turn has come and nothing of it is committed. Seen only on MySQL and MariaDB, where it means that it was
    /// rolled back or never begun.
    Reserved,
    /// Something of its up part may be committed, and not all of it.
    DirtyUp,
    /// Something of its down part may be committed, and not all of it.
    DirtyDown,
}

impl State {
    /// As it stands in the table.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Adopted => "adopted",
            Self::Reserved => "running",
            Self::DirtyUp => "dirty-up",
            Self::DirtyDown => "dirty-down",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        [Self::Done, Self::Adopted, Self::Reserved, Self::DirtyUp, Self::DirtyDown]
            .into_iter()
            .find(|state| state.word() == word)
    }

    /// Whether the migration is wholly there.
    #[must_use]
    pub fn is_applied(self) -> bool {
        matches!(self, Self::Done | Self::Adopted)
    }

    /// Whether it broke off.
    #[must_use]
    pub fn is_dirty(self) -> bool {
        matches!(self, Self::DirtyUp | Self::DirtyDown)
    }
}

/// A migration in the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// What it is ordered by.
    pub version: i64,
    /// The name of its file.
    pub name: String,
    /// The sha256 of its file, in hex.
    pub checksum: String,
    /// The run that applied it.
    pub run: String,
    /// How far it is.
    pub state: State,
    /// Its place in the order in which migrations were applied.
    pub position: i64,
}

/// The names of the tables of the schema (PostgreSQL), of the database (MySQL) or of the file (SQLite).
///
/// # Errors
/// The database's.
pub fn tables(database: &impl Database) -> Result<Vec<String>, Failure> {
    let sql = match database.engine() {
        Engine::Sqlite => {
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite!_%' ESCAPE '!'"
        }
        Engine::Postgresql => {
            "SELECT CAST(relname AS text) FROM pg_catalog.pg_class \
             WHERE relkind IN ('r', 'p') AND relnamespace = \
             (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = current_schema())"
        }
        Engine::Mysql | Engine::Mariadb => {
            "SELECT CAST(table_name AS CHAR) FROM information_schema.tables \
             WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE'"
        }
    };
    let rows = database.query(sql, &[])?;
    Ok(rows.rows.iter().filter_map(|row| row.first()?.as_text().map(std::borrow::Cow::into_owned)).collect())
}

/// Read the history, in the order of versions. The table has to be there.
///
/// # Errors
/// The database's, and `check-failed` where the table is not one of ours.
pub fn read(database: &impl Database, place: &Place) -> Result<Vec<Row>, Failure> {
    let sql = format!("SELECT version, name, checksum, run, state, position FROM {} ORDER BY version", place.quoted());
    let rows = database.query(&sql, &[])?;
    rows.rows.iter().map(|row| read_row(row, &rows, place)).collect()
}

fn read_row(row: &[Value], rows: &Rows, place: &Place) -> Result<Row, Failure> {
    let text = |index: usize| row.get(index).and_then(Value::as_text).map(std::borrow::Cow::into_owned);
    let number = |index: usize| row.get(index).and_then(Value::as_integer);
    let read = || {
        Some(Row {
            version: number(0)?,
            name: text(1)?,
            checksum: text(2)?,
            run: text(3)?,
            state: State::from_word(&text(4)?)?,
            position: number(5)?,
        })
    };
    read().ok_or_else(|| {
        Failure::check_failed("history-unreadable", format!("a row of table {} is none of ours", place.quoted()))
            .because(format!("the columns are {}, and the row is {row:?}", rows.columns.join(", ")))
            .with_hint("correct the row, or name a table of its own with `table`")
    })
}

/// Make the table where it is not there.
///
/// # Errors
/// The database's.
pub fn create(database: &impl Database, place: &Place) -> Result<(), Failure> {
    let table = place.quoted();
    database.script(&match database.engine() {
        Engine::Sqlite => format!(
            "CREATE TABLE IF NOT EXISTS {table} (version INTEGER NOT NULL PRIMARY KEY, name TEXT NOT NULL, \
             checksum TEXT NOT NULL, applied_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP, run TEXT NOT NULL, \
             milliseconds INTEGER NOT NULL, state TEXT NOT NULL, position INTEGER NOT NULL)"
        ),
        Engine::Postgresql => format!(
            "CREATE TABLE IF NOT EXISTS {table} (version bigint NOT NULL PRIMARY KEY, name text NOT NULL, \
             checksum text NOT NULL, applied_at timestamp with time zone NOT NULL DEFAULT CURRENT_TIMESTAMP, \
             run text NOT NULL, milliseconds bigint NOT NULL, state text NOT NULL, position bigint NOT NULL)"
        ),
        // InnoDB whatever the default is: how far a migration is would be a guess in a table without transactions.
        Engine::Mysql | Engine::Mariadb => format!(
            "CREATE TABLE IF NOT EXISTS {table} (version BIGINT NOT NULL PRIMARY KEY, name VARCHAR(255) NOT NULL, \
             checksum CHAR(64) NOT NULL, applied_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, \
             run VARCHAR(255) NOT NULL, milliseconds BIGINT NOT NULL, state VARCHAR(16) NOT NULL, \
             position BIGINT NOT NULL) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4"
        ),
    })
}

/// Add a migration, after all that are there.
///
/// # Errors
/// The database's, also where the version is there already.
pub fn insert(
    database: &impl Database,
    place: &Place,
    migration: &Migration,
    run: &str,
    state: State,
    milliseconds: i64,
) -> Result<(), Failure> {
    let table = place.quoted();
    let newest = database.query(&format!("SELECT COALESCE(MAX(position), 0) FROM {table}"), &[])?;
    let position = newest.first().and_then(Value::as_integer).unwrap_or(0) + 1;
    let sql = format!(
        "INSERT INTO {table} (version, name, checksum, run, milliseconds, state, position) VALUES (?, ?, ?, ?, ?, ?, ?)"
    );
    let values = [
        migration.version.into(),
        migration.file.as_str().into(),
        migration.checksum.as_str().into(),
        run.into(),
        milliseconds.into(),
        state.word().into(),
        position.into(),
    ];
    database.execute(&database.engine().placeholders(&sql), &values).map(|_| ())
}

/// Say how far a migration is.
///
/// # Errors
/// The database's.
pub fn set_state(database: &impl Database, place: &Place, version: i64, state: State) -> Result<(), Failure> {
    let sql = format!("UPDATE {} SET state = ? WHERE version = ?", place.quoted());
    let sql = database.engine().placeholders(&sql);
    database.execute(&sql, &[state.word().into(), version.into()]).map(|_| ())
}

/// Say that a migration is wholly there, and how long it took.
///
/// # Errors
/// The database's.
pub fn finish(database: &impl Database, place: &Place, version: i64, milliseconds: i64) -> Result<(), Failure> {
    let sql = format!("UPDATE {} SET state = ?, milliseconds = ? WHERE version = ?", place.quoted());
    let sql = database.engine().placeholders(&sql);
    database.execute(&sql, &[State::Done.word().into(), milliseconds.into(), version.into()]).map(|_| ())
}

/// Take a migration out.
///
/// # Errors
/// The database's.
pub fn delete(database: &impl Database, place: &Place, version: i64) -> Result<(), Failure> {
    let sql = format!("DELETE FROM {} WHERE version = ?", place.quoted());
    database.execute(&database.engine().placeholders(&sql), &[version.into()]).map(|_| ())
}

/// What a person can do about a migration that broke off.
#[must_use]
pub fn dirty(row: &Row, place: &Place) -> Failure {
    let (part, table) = (if row.state == State::DirtyUp { "up" } else { "down" }, place.quoted());
    let version = row.version;
    Failure::check_failed(DIRTY, format!("migration `{}` broke off halfway", row.name))
        .because(format!(
            "its {part} part was begun by run `{}` outside a transaction, and its end was never recorded; state in the history: `{}`",
            row.run,
            row.state.word()
        ))
        .with_note("no migration was run; if that run is still at it, nothing is wrong")
        .with_hint(format!(
            "look at what it left and finish it by hand, then `UPDATE {table} SET state = 'done' WHERE version = {version}`; or undo it by hand, then `DELETE FROM {table} WHERE version = {version}`"
        ))
}

#[cfg(test)]
mod tests {
    use super::{State, create, read, tables};
    use crate::database::{Database, Place};
    use crate::testing::Sqlite;

    #[test]
    fn every_state_is_read_as_it_was_written() {
        for state in [State::Done, State::Adopted, State::Reserved, State::DirtyUp, State::DirtyDown] {
            assert_eq!(State::from_word(state.word()), Some(state));
        }
        assert_eq!(State::from_word("gone"), None);
    }

    #[test]
    fn the_table_is_made_once_and_a_foreign_row_is_named() {
        let database = Sqlite::in_memory();
        let place = Place::find(&database, "history").unwrap();
        create(&database, &place).unwrap();
        create(&database, &place).unwrap();
        assert_eq!(tables(&database).unwrap(), ["history"]);
        assert_eq!(read(&database, &place).unwrap(), []);
        database
            .script("INSERT INTO history (version, name, checksum, run, milliseconds, state, position) VALUES (1, 'a', 'b', 'c', 0, 'who', 1)")
            .unwrap();
        assert_eq!(read(&database, &place).unwrap_err().code, "history-unreadable");
    }
}
