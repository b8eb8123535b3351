//! One run at a time. Every lock here belongs to the connection and goes with it, so that a run that is killed leaves none
//! behind.
//!
//! On SQLite there is nothing to hold: each migration is one `BEGIN IMMEDIATE` transaction, which looks at the history
//! again before it does anything.

use crate::database::{Database, EngineExt, Place};
use crate::files::hex;
use crate::surroundings::Surroundings;
use sha2::{Digest, Sha256};
use std::time::{Duration, Instant};
use windlass_plugin::Failure;
use windlass_plugin::database::{Engine, Value};

/// Do some work while no other run migrates by the same history.
///
/// # Errors
/// The work's; `unavailable` with the code `migration-locked` where the lock is not free in time.
pub fn with_lock<T>(
    database: &impl Database,
    place: &Place,
    timeout: Duration,
    surroundings: &impl Surroundings,
    work: impl FnOnce() -> Result<T, Failure>,
) -> Result<T, Failure> {
    let key = Key::of(place);
    let (take, give_back) = match database.engine() {
        Engine::Sqlite => return work(),
        // Never the blocking form: a session that waits for it keeps `CREATE INDEX CONCURRENTLY` waiting for ever.
        Engine::Postgresql => (
            format!("SELECT pg_try_advisory_lock({})", key.bigint()),
            format!("SELECT pg_advisory_unlock({})", key.bigint()),
        ),
        Engine::Mysql | Engine::Mariadb => {
            (format!("SELECT GET_LOCK('{}', 0)", key.name()), format!("SELECT RELEASE_LOCK('{}')", key.name()))
        }
    };
    let is_true =
        |sql: &str| database.query(sql, &[]).map(|rows| rows.first().and_then(Value::as_boolean) == Some(true));
    poll(timeout, surroundings, || is_true(&take).map(|taken| taken.then_some(())))?;
    let result = work();
    // A connection pooler would hand a lock that is left here to strangers. Without one the lock goes with the connection.
    if is_true(&give_back).is_ok_and(|given| !given) {
        surroundings.warn("the lock was gone at the end: is there a connection pooler in transaction mode in between?");
    }
    result
}

/// Begin a transaction that writes, waiting where another connection writes to the same SQLite file.
///
/// # Errors
/// The database's; `unavailable` with the code `migration-locked` where the file is not free in time.
pub fn begin(database: &impl Database, timeout: Duration, surroundings: &impl Surroundings) -> Result<(), Failure> {
    let sql = database.engine().begin();
    if database.engine() != Engine::Sqlite {
        return database.script(sql);
    }
    patiently(database, sql, timeout, surroundings)
}

/// End a transaction, waiting where another connection still reads the same SQLite file.
///
/// # Errors
/// As [`begin`].
pub fn commit(database: &impl Database, timeout: Duration, surroundings: &impl Surroundings) -> Result<(), Failure> {
    if database.engine() != Engine::Sqlite {
        return database.script("COMMIT");
    }
    patiently(database, "COMMIT", timeout, surroundings)
}

fn patiently(
    database: &impl Database,
    sql: &str,
    timeout: Duration,
    surroundings: &impl Surroundings,
) -> Result<(), Failure> {
    poll(timeout, surroundings, || match database.script(sql) {
        Ok(()) => Ok(Some(())),
        Err(failure) if is_busy(&failure) => Ok(None),
        Err(failure) => Err(failure),
    })
}

/// Inside a PostgreSQL transaction: whether this session is still the one that holds the lock. Behind a pooler in
/// transaction mode it need not be.
///
/// # Errors
/// The database's; `misconfigured` with the code `connection-pooler` where another session holds it.
pub fn confirm(database: &impl Database, place: &Place) -> Result<(), Failure> {
    if database.engine() != Engine::Postgresql {
        return Ok(());
    }
    let sql = format!("SELECT pg_try_advisory_xact_lock({})", Key::of(place).bigint());
    if database.query(&sql, &[])?.first().and_then(Value::as_boolean) == Some(true) {
        return Ok(());
    }
    Err(Failure::misconfigured("connection-pooler", "the lock on the migrations went to another session")
        .because(
            "there is a connection pooler in transaction mode between here and the database, for example PgBouncer",
        )
        .with_hint("give this step a URL that leads to the database itself, or to a pool in session mode"))
}

/// Whether some session holds the lock now. Takes nothing.
///
/// # Errors
/// The database's.
pub fn is_held(database: &impl Database, place: &Place) -> Result<bool, Failure> {
    let key = Key::of(place);
    let sql = match database.engine() {
        Engine::Sqlite => return Ok(false),
        Engine::Postgresql => {
            let (high, low) = key.halves();
            format!(
                "SELECT count(*) FROM pg_catalog.pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1 \
                 AND CAST(classid AS bigint) = {high} AND CAST(objid AS bigint) = {low} \
                 AND database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())"
            )
        }
        Engine::Mysql | Engine::Mariadb => format!("SELECT IS_USED_LOCK('{}') IS NOT NULL", key.name()),
    };
    Ok(database.query(&sql, &[])?.first().and_then(Value::as_boolean) == Some(true))
}

fn is_busy(failure: &Failure) -> bool {
    let words = |text: &String| text.contains("locked") || text.contains("busy");
    failure.code == "lock-timeout" || words(&failure.message) || failure.causes.iter().any(words)
}

/// Try until something comes of it, in growing distances.
fn poll(
    timeout: Duration,
    surroundings: &impl Surroundings,
    mut attempt: impl FnMut() -> Result<Option<()>, Failure>,
) -> Result<(), Failure> {
    let begun = Instant::now();
    let mut pause = Duration::from_millis(20);
    let mut said = false;
    loop {
        if attempt()?.is_some() {
            return Ok(());
        }
        let left = timeout.saturating_sub(begun.elapsed());
        if left.is_zero() {
            return Err(Failure::unavailable("migration-locked", "another run migrates this database")
                .because(format!("its lock was not free within {timeout:?}"))
                .with_note("no migration was run while waiting")
                .with_hint("wait for the other run to end, or wait longer with `lock-timeout`"));
        }
        if !said {
            surroundings.info(&format!("another run migrates this database; waiting for it, at most {timeout:?}"));
            said = true;
        }
        std::thread::sleep(pause.min(left));
        pause = (pause * 3 / 2).min(Duration::from_secs(1));
    }
}

/// What the lock is called: the same for all runs that share a history.
struct Key([u8; 32]);

impl Key {
    fn of(place: &Place) -> Self {
        Self(Sha256::digest(place.identity().as_bytes()).into())
    }

    fn number(&self) -> i64 {
        self.0[..8].iter().fold(0, |number, byte| (number << 8) | i64::from(*byte))
    }

    fn bigint(&self) -> String {
        format!("CAST({} AS bigint)", self.number())
    }

    /// As `pg_locks` shows it.
    fn halves(&self) -> (i64, i64) {
        ((self.number() >> 32) & 0xffff_ffff, self.number() & 0xffff_ffff)
    }

    /// MySQL allows 64 characters.
    fn name(&self) -> String {
        format!("windlass_{}", hex(&self.0[..16]))
    }
}

#[cfg(test)]
mod tests {
    use super::{Key, begin};
    use crate::database::{Database, Place};
    use crate::testing::{Journal, Sqlite};
    use std::time::Duration;

    #[test]
    fn each_history_has_a_key_of_its_own() {
        let key = |table| Key::of(&Place::find(&Sqlite::in_memory(), table).unwrap());
        assert_eq!(key("a").number(), key("a").number());
        assert_ne!(key("a").number(), key("b").number());
        assert!(key("a").name().len() <= 64);
        let (high, low) = key("a").halves();
        assert_eq!((high << 32) | low, key("a").number());
    }

    #[test]
    fn a_file_that_somebody_writes_is_waited_for_until_the_deadline() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.db");
        let (one, other) = (Sqlite::open(&path), Sqlite::open(&path));
        let journal = Journal::new("r1");
        begin(&one, Duration::from_secs(5), &journal).unwrap();
        let failure = begin(&other, Duration::from_millis(50), &journal).unwrap_err();
        assert_eq!(failure.code, "migration-locked");
        one.script("ROLLBACK").unwrap();
        begin(&other, Duration::from_secs(5), &journal).unwrap();
    }
}
