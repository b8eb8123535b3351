//! One connection with all that is known about it, and the way in which a part of a migration is run.

use crate::config::Config;
use crate::database::{Database, Definitions, EngineExt, Place, prepare};
use crate::history::{self, Row, State};
use crate::lock;
use crate::markers::{Part, Transaction};
use crate::statements::split;
use crate::surroundings::Surroundings;
use windlass_plugin::Failure;
use windlass_plugin::database::Engine;

/// A connection at work.
#[derive(Debug)]
pub struct Session<'a, D, S> {
    /// The connection.
    pub database: &'a D,
    /// The step's `with`.
    pub config: &'a Config,
    /// The host.
    pub surroundings: &'a S,
    /// Where the history is.
    pub place: Place,
}

/// How the history and what was done are kept in step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// Both in one transaction (PostgreSQL, SQLite).
    Atomic,
    /// Both in one transaction, which the statements may commit on their way (MySQL, MariaDB). The first thing in it is a
    /// row that says `dirty`: as long as the transaction is whole, nobody sees it, and the end of the transaction
    /// replaces it; so whoever does see it knows that the transaction was committed on the way and not ended.
    Canary,
    /// Each by itself. The row says `dirty` from before the first statement until after the last.
    Separate,
}

/// What is left of a part that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// Nothing.
    Nothing,
    /// What was committed before the failing statement.
    Pieces,
    /// Nobody knows: the connection was lost at the very end.
    Unclear,
}

impl<'a, D: Database, S: Surroundings> Session<'a, D, S> {
    /// Begin to work with a connection.
    ///
    /// # Errors
    /// The database's.
    pub fn new(database: &'a D, config: &'a Config, surroundings: &'a S) -> Result<Self, Failure> {
        Ok(Self { database, config, surroundings, place: Place::find(database, &config.table)? })
    }

    /// Do some work while no other run migrates.
    ///
    /// # Errors
    /// The work's, and `unavailable` where another run goes on for too long.
    pub fn alone<T>(&self, work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
        prepare(self.database, &self.place, self.config.lock_timeout, self.config.statement_timeout)?;
        if self.config.statement_timeout.is_some() && matches!(self.database.engine(), Engine::Sqlite | Engine::Mysql) {
            self.surroundings
                .warn("`statement-timeout` has no effect on this kind of database; the step's `timeout` holds");
        }
        lock::with_lock(self.database, &self.place, self.config.lock_timeout.0, self.surroundings, work)
    }

    /// Begin a transaction, in the state in which every migration may expect the session.
    ///
    /// # Errors
    /// The database's, and `unavailable` where another connection writes for too long.
    pub fn begin(&self) -> Result<(), Failure> {
        prepare(self.database, &self.place, self.config.lock_timeout, self.config.statement_timeout)?;
        lock::begin(self.database, self.config.lock_timeout.0, self.surroundings)?;
        lock::confirm(self.database, &self.place).inspect_err(|_| self.roll_back())
    }

    /// End a transaction.
    ///
    /// # Errors
    /// The database's, and `unavailable` where another connection reads for too long.
    pub fn commit(&self) -> Result<(), Failure> {
        lock::commit(self.database, self.config.lock_timeout.0, self.surroundings)
    }

    /// Look at something that another run may be writing. Where no lock is held all the time, as on SQLite, that takes a
    /// transaction.
    ///
    /// # Errors
    /// The work's, and `unavailable` where another connection writes for too long.
    pub fn settled<T>(&self, work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
        if self.database.engine() == Engine::Sqlite { self.atomically(work) } else { work() }
    }

    /// Take back what is open. Where nothing is, the database says so and nobody needs to hear it.
    pub fn roll_back(&self) {
        let _ = self.database.script("ROLLBACK");
    }

    /// Do something in a transaction of its own.
    ///
    /// # Errors
    /// The work's and the database's; then nothing of it remains.
    pub fn atomically<T>(&self, work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
        self.begin()?;
        let result = work().and_then(|value| self.commit().map(|()| value));
        if result.is_err() {
            self.roll_back();
        }
        result
    }

    /// The history, or nothing where there is none.
    ///
    /// # Errors
    /// The database's.
    pub fn rows(&self) -> Result<Vec<Row>, Failure> {
        if history::tables(self.database)?.contains(&self.place.table) {
            history::read(self.database, &self.place)
        } else {
            Ok(vec![])
        }
    }

    /// How a part is to be run.
    #[must_use]
    pub fn manner(&self, part: &Part) -> Manner {
        match (part.transaction, self.database.engine().definitions()) {
            (Transaction::None, _) => Manner::Separate,
            (Transaction::One, Definitions::Transactional) => Manner::Atomic,
            (Transaction::One, Definitions::CommitImplicitly) => Manner::Canary,
        }
    }

    /// Run the statements of a part. PostgreSQL takes several statements at once as one transaction, so where none is
    /// wanted each is sent by itself.
    ///
    /// # Errors
    /// The database's.
    pub fn statements(&self, part: &Part) -> Result<(), Failure> {
        if self.database.engine() != Engine::Postgresql || part.transaction == Transaction::One {
            return self.database.script(&part.placed(&part.sql, 1));
        }
        let statements = split(&part.sql, Engine::Postgresql);
        for (index, statement) in statements.iter().enumerate() {
            self.database.script(&part.placed(statement.text, statement.line)).map_err(|mut failure| {
                if failure.causes.is_empty() {
                    failure.causes.push(failure.message.clone());
                }
                failure.because(format!(
                    "statement {} of {}, `{}`",
                    index + 1,
                    statements.len(),
                    statement.words.join(" ")
                ))
            })?;
        }
        Ok(())
    }

    /// After a part failed and was rolled back: what is left of it. `before` is the state that its row had before.
    #[must_use]
    pub fn left(&self, manner: Manner, version: i64, before: State) -> Left {
        match manner {
            Manner::Atomic => Left::Nothing,
            Manner::Separate => Left::Pieces,
            Manner::Canary => match history::read(self.database, &self.place) {
                Ok(rows) => match rows.iter().find(|row| row.version == version) {
                    Some(row) if row.state == before => Left::Nothing,
                    _ => Left::Pieces,
                },
                Err(_) => Left::Unclear,
            },
        }
    }
}

/// What the database said about a failing statement, as the reasons of a failure that says which file it was.
#[must_use]
pub fn explain(failure: Failure, code: &str, message: &str) -> Failure {
    if failure.kind == windlass_plugin::FailureKind::Denied {
        return failure;
    }
    // The host names the place in its own message.
    let message = match failure.message.split_once(" at line ") {
        Some((_, place)) => format!("{message} at line {place}"),
        None => message.into(),
    };
    let causes = if failure.causes.is_empty() { vec![failure.message] } else { failure.causes };
    let says = |words: &str| causes.iter().any(|cause| cause.contains(words));
    let hint = if failure.code == "lock-timeout" || says("lock timeout") || says("Lock wait timeout") {
        Some("somebody holds a lock on the table; try again later, or wait longer with `lock-timeout`".into())
    } else if says("statement timeout") || says("max_statement_time") {
        Some("give it more time with `statement-timeout`".into())
    } else {
        failure.hint
    };
    Failure { code: code.into(), message, causes, hint, ..failure }
}

#[cfg(test)]
mod tests {
    use super::explain;
    use windlass_plugin::Failure;

    #[test]
    fn the_place_is_in_the_message_and_the_servers_words_are_in_the_causes() {
        let failure =
            Failure::misconfigured("statement-failed", "the database refused a statement at line 3, column 7")
                .because("no such table: nowhere (SQLSTATE 1)");
        let failure = explain(failure, "migration-failed", "migration `a` failed");
        assert_eq!(failure.message, "migration `a` failed at line 3, column 7");
        assert_eq!(failure.causes, ["no such table: nowhere (SQLSTATE 1)"]);
        let failure =
            explain(Failure::unavailable("lost", "the connection is lost"), "migration-failed", "migration `a` failed");
        assert_eq!(
            (failure.message.as_str(), failure.causes[0].as_str()),
            ("migration `a` failed", "the connection is lost")
        );
        let failure =
            explain(Failure::unavailable("lock-timeout", "too long"), "migration-failed", "migration `a` failed");
        assert!(failure.hint.unwrap().contains("`lock-timeout`"));
    }
}
