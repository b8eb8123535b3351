//! A fresh place in each database for each test.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime};

pub(super) use windlass::database::{Access, Connection, Engine, Error, Fault, Position, Rows, Value};

/// A name that no other test has.
pub(super) fn fresh(prefix: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let now = SystemTime::UNIX_EPOCH.elapsed().expect("a clock after 1970").as_nanos();
    format!("{prefix}_{now:x}_{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

fn server(variable: &str) -> url::Url {
    let url = std::env::var(variable).unwrap_or_else(|_| {
        panic!("`{variable}` is not set: these tests need the servers that `scripts/databases start DIR` starts, and `DIR/env` sets it")
    });
    url.parse().expect("a URL")
}

pub(super) fn postgresql() -> url::Url {
    server("WINDLASS_TEST_POSTGRES_URL")
}

pub(super) fn mariadb() -> url::Url {
    server("WINDLASS_TEST_MARIADB_URL")
}

pub(super) async fn open(url: &url::Url, access: Access) -> Connection {
    Connection::open(url.as_str(), Path::new("/"), access).await.expect("a connection")
}

/// A PostgreSQL schema of its own: its name, and the URL that uses it.
pub(super) async fn schema() -> (String, url::Url) {
    let (name, mut url) = (fresh("s"), postgresql());
    open(&url, Access::Write).await.script(&format!("create schema {name}")).await.expect("a schema");
    url.query_pairs_mut().append_pair("options", &format!("-csearch_path={name}"));
    (name, url)
}

/// A MariaDB database of its own.
pub(super) async fn schema_in_mariadb() -> url::Url {
    let (name, mut url) = (fresh("d"), mariadb());
    open(&url, Access::Write).await.script(&format!("create database {name}")).await.expect("a database");
    url.set_path(&name);
    url
}

/// The one value of a query.
pub(super) async fn one(connection: &mut Connection, sql: &str) -> Value {
    let mut answer = connection.query(sql, &[]).await.unwrap_or_else(|error| panic!("`{sql}`: {error:?}"));
    assert_eq!((answer.rows.len(), answer.columns.len()), (1, 1), "`{sql}`");
    answer.rows.remove(0).remove(0)
}

/// Asks until the answer is `expected`, for ten seconds at most.
pub(super) async fn until(connection: &mut Connection, sql: &str, expected: Value) {
    let begin = Instant::now();
    loop {
        let answer = one(connection, sql).await;
        if answer == expected {
            return;
        }
        assert!(begin.elapsed() < Duration::from_secs(10), "`{sql}` still gives {answer:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub(super) fn text(text: &str) -> Value {
    Value::Text(text.into())
}

/// Everything an error says.
pub(super) fn everything(error: &Error) -> String {
    format!("{error}\n{error:?}\n{:?}\n{:?}", error.causes(), error.hint())
}
