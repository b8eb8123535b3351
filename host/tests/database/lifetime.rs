//! What a connection that is dropped, or whose call is cut off, leaves behind: nothing.

use std::path::Path;
use std::time::{Duration, Instant};

use super::common::*;

/// Begins a call, gives it up once `running` is true, and sees that `left` comes to be.
async fn cut_off(mut connection: Connection, sql: &str, watcher: &mut Connection, running: &str, left: (&str, Value)) {
    {
        let call = connection.execute(sql, &[]);
        let seen = async {
            let begin = Instant::now();
            while one(watcher, running).await != Value::Integer(1) {
                assert!(begin.elapsed() < Duration::from_secs(10), "`{sql}` did not begin");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::select! {
            result = call => panic!("`{sql}` ended: {result:?}"),
            () = seen => {}
        }
    }
    let error = connection.query("select 1", &[]).await.expect_err("given up");
    assert_eq!((error.code(), error.fault()), ("database-connection-lost", Fault::Unavailable));
    until(watcher, left.0, left.1).await;
}

#[tokio::test]
async fn postgresql_rolls_back_and_lets_go_when_dropped() {
    let (_, url) = schema().await;
    let mut watcher = open(&url, Access::Write).await;
    let mut connection = open(&url, Access::Write).await;
    connection.script("create table t (a int)").await.expect("a table");
    let key = i64::from(std::process::id()) << 20 | i64::from(line!());
    connection.query("select pg_advisory_lock($1)", &[Value::Integer(key)]).await.expect("locked");
    connection.execute("BEGIN", &[]).await.expect("begun");
    connection.execute("insert into t values (1)", &[]).await.expect("inserted");
    assert_eq!(one(&mut watcher, &format!("select pg_try_advisory_lock({key})")).await, Value::Boolean(false));
    drop(connection);
    until(&mut watcher, &format!("select pg_try_advisory_lock({key})"), Value::Boolean(true)).await;
    assert_eq!(one(&mut watcher, "select count(*) from t").await, Value::Integer(0));
}

#[tokio::test]
async fn postgresql_stops_what_is_cut_off() {
    let (name, url) = schema().await;
    let mut watcher = open(&url, Access::Write).await;
    let connection = open(&url, Access::Write).await;
    let sql = format!("select pg_sleep(600) as {name}");
    // The watcher's own text does not hold the name in one piece.
    let running = format!(
        "select count(*) from pg_stat_activity where state = 'active' and query like '%as ' || '{}' || '{}'",
        &name[..4],
        &name[4..]
    );
    cut_off(connection, &sql, &mut watcher, &running, (&running, Value::Integer(0))).await;
}

#[tokio::test]
async fn mariadb_rolls_back_and_lets_go_when_dropped() {
    let url = schema_in_mariadb().await;
    let mut watcher = open(&url, Access::Write).await;
    let mut connection = open(&url, Access::Write).await;
    connection.script("create table t (a int)").await.expect("a table");
    let lock = fresh("lock");
    assert_eq!(one(&mut connection, &format!("select get_lock('{lock}', 0)")).await, Value::Integer(1));
    connection.execute("BEGIN", &[]).await.expect("begun");
    connection.execute("insert into t values (1)", &[]).await.expect("inserted");
    assert_eq!(one(&mut watcher, &format!("select get_lock('{lock}', 0)")).await, Value::Integer(0));
    drop(connection);
    until(&mut watcher, &format!("select get_lock('{lock}', 0)"), Value::Integer(1)).await;
    until(&mut watcher, "select count(*) from t", Value::Integer(0)).await;
}

#[tokio::test]
async fn mariadb_stops_what_is_cut_off() {
    let url = schema_in_mariadb().await;
    let mut watcher = open(&url, Access::Write).await;
    let connection = open(&url, Access::Write).await;
    let name = url.path().trim_start_matches('/').to_owned();
    let running =
        format!("select count(*) from information_schema.processlist where db = '{name}' and info like 'do sleep%'");
    cut_off(connection, "do sleep(600)", &mut watcher, &running, (&running, Value::Integer(0))).await;
}

#[tokio::test]
async fn sqlite_stops_what_is_cut_off() {
    let directory = std::env::temp_dir().join(fresh("windlass_cut"));
    std::fs::create_dir(&directory).expect("a directory");
    let mut connection = Connection::open("sqlite:a.db", &directory, Access::Write).await.expect("a database");
    connection.script("create table t (a)").await.expect("a table");
    connection.execute("BEGIN IMMEDIATE", &[]).await.expect("begun");
    connection.execute("insert into t values (1)", &[]).await.expect("inserted");
    let endless = "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n";
    let cut = tokio::time::timeout(Duration::from_millis(50), connection.query(endless, &[])).await;
    assert!(cut.is_err(), "it is endless");
    let error = connection.query("select 1", &[]).await.expect_err("given up");
    assert_eq!(error.code(), "database-connection-lost");
    // Its lock goes only with the thread that worked.
    let mut other = Connection::open("sqlite:a.db", &directory, Access::Write).await.expect("a database");
    other.execute("insert into t values (2)", &[]).await.expect("free again");
    assert_eq!(one(&mut other, "select count(*) from t").await, Value::Integer(1));
    std::fs::remove_dir_all(&directory).expect("removed");
}

#[tokio::test]
async fn calls_can_change_threads() {
    fn is_send<T: Send>(value: T) -> T {
        value
    }
    let mut connection =
        is_send(Connection::open("sqlite::memory:", Path::new("/"), Access::Write)).await.expect("memory");
    is_send(connection.execute("select ?", &[Value::Null])).await.expect("executed");
    is_send(connection.query("select 1", &[])).await.expect("queried");
    is_send(connection.script("select 1")).await.expect("run");
}
