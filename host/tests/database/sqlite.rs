use std::path::{Path, PathBuf};

use super::common::*;

/// A directory that goes with the test.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        let path = std::env::temp_dir().join(fresh("windlass_sqlite"));
        std::fs::create_dir(&path).expect("a directory");
        Self(path)
    }

    async fn open(&self, url: &str, access: Access) -> Result<Connection, Error> {
        Connection::open(url, &self.0, access).await
    }

    async fn write(&self) -> Connection {
        self.open("sqlite:a.db", Access::Write).await.expect("a database")
    }

    async fn read(&self) -> Connection {
        self.open("sqlite:a.db", Access::Read).await.expect("a database")
    }

    fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.0).expect("the directory");
        let mut names: Vec<_> =
            entries.map(|entry| entry.expect("a file").file_name().into_string().expect("a name")).collect();
        names.sort();
        names
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[tokio::test]
async fn parameters_and_values() {
    let directory = Directory::new();
    let mut connection = directory.write().await;
    assert_eq!(connection.engine(), Engine::Sqlite);
    assert!(connection.version().starts_with("3."));
    let values = [Value::Null, Value::Integer(i64::MIN), Value::Real(0.1), text("ü"), Value::Bytes(vec![0, 255])];
    let rows = connection.query("select ? as a, ? as b, ? as c, ? as d, ? as e", &values).await.expect("a row");
    assert_eq!(rows.columns, ["a", "b", "c", "d", "e"]);
    assert_eq!(rows.rows, [values]);
    assert_eq!(
        connection.query("select ?", &[Value::Boolean(true)]).await.map(|rows| rows.rows),
        Ok(vec![vec![Value::Integer(1)]])
    );
    let error = connection.execute("select ?", &[]).await.expect_err("none passed");
    assert_eq!(error.causes(), ["the statement has 1 parameters, and 0 were passed"]);
    let error = connection.execute("select 1; select 2", &[]).await.expect_err("two");
    assert_eq!(error.code(), "statement-misused");
}

#[tokio::test]
async fn changes_are_counted_and_transactions_are_the_callers() {
    let directory = Directory::new();
    let mut connection = directory.write().await;
    connection.script("create table t (a integer primary key); insert into t values (1), (2)").await.expect("a table");
    assert_eq!(connection.execute("create table u (a references t)", &[]).await, Ok(0));
    assert_eq!(connection.execute("update t set a = a + 10", &[]).await, Ok(2));
    assert_eq!(connection.execute("pragma journal_mode", &[]).await, Ok(0));
    connection.execute("BEGIN IMMEDIATE", &[]).await.expect("begun");
    connection.execute("delete from t", &[]).await.expect("deleted");
    connection.execute("ROLLBACK", &[]).await.expect("ended");
    assert_eq!(one(&mut connection, "select count(*) from t").await, Value::Integer(2));
    let error = connection.execute("insert into u values (99)", &[]).await.expect_err("no such row");
    assert_eq!(error.causes(), ["FOREIGN KEY constraint failed (error 787)"]);
}

#[tokio::test]
async fn a_script_has_triggers_and_its_mistakes_a_place() {
    let directory = Directory::new();
    let mut connection = directory.write().await;
    let script = "create table t (a int unique);
        create trigger d after insert on t begin
          insert or ignore into t values (new.a * 2); select case when 1 then 2 end;
        end;
        insert into t values (1);";
    connection.script(script).await.expect("a script");
    assert_eq!(one(&mut connection, "select sum(a) from t").await, Value::Integer(3));
    let at = |line, column| Some(Position { line, column: Some(column) });
    let error = connection.script("select 1;\n-- ü\nselect * fro t;\nselect 2").await.expect_err("a mistake");
    assert_eq!(error.report().and_then(|report| report.position), at(3, 10), "{error:?}");
    let error = connection
        .script("select 1;\n;\n/* again; */\n  insert into t values (1);\nselect 2")
        .await
        .expect_err("twice");
    assert_eq!(error.report().and_then(|report| report.position), at(4, 3));
    assert_eq!(error.causes(), ["UNIQUE constraint failed: t.a (error 2067)"]);
    for nothing in ["", "-- nothing\n", ";;"] {
        connection.script(nothing).await.expect("nothing");
    }
}

#[tokio::test]
async fn it_stays_within_its_file() {
    let directory = Directory::new();
    let other = directory.0.join("other.db").display().to_string();
    let mut connection = directory.write().await;
    connection.script("create table t (a)").await.expect("a table");
    for sql in [
        format!("attach '{other}' as x"),
        format!("attach '' || '{other}' as x"),
        format!("vacuum into '{other}'"),
        "attach ':memory:' as x".into(),
        "pragma writable_schema = on".into(),
        "pragma temp_store_directory = '/tmp'".into(),
    ] {
        for error in [connection.execute(&sql, &[]).await.err(), connection.script(&sql).await.err()] {
            assert_eq!(
                error.map(|error| (error.code(), error.fault())),
                Some(("database-confined", Fault::Denied)),
                "{sql}"
            );
        }
    }
    let attached = connection.execute("attach ? as x", &[text(&other)]).await.expect_err("attached");
    assert_eq!(attached.code(), "database-confined");
    for sql in ["select load_extension('x')", "select writefile('x', 'y')", "select fts3_tokenizer('x', x'00')"] {
        connection.query(sql, &[]).await.expect_err(sql);
    }
    connection.execute("update sqlite_schema set sql = ''", &[]).await.expect_err("the schema");
    connection.execute("vacuum", &[]).await.expect("vacuumed");
    assert_eq!(directory.files(), ["a.db"]);
}

#[tokio::test]
async fn a_missing_directory_is_named_and_a_missing_file_made() {
    let directory = Directory::new();
    let error = directory.open("sqlite:data/a.db", Access::Write).await.err().expect("no directory");
    assert_eq!(error, Error::NoDirectory { directory: directory.0.join("data").display().to_string() });
    let error = directory.open("sqlite:a.db?mode=rw", Access::Write).await.err().expect("no file");
    assert_eq!((error.code(), error.fault()), ("database-unreachable", Fault::Misconfigured));
    directory.write().await.script("create table t (a)").await.expect("made");
    assert_eq!(directory.files(), ["a.db"]);
    std::fs::write(directory.0.join("b.db"), "this is no database, however long it may be; far from it, and yet")
        .expect("written");
    let error = directory.open("sqlite:b.db", Access::Read).await.err().expect("no database");
    assert_eq!(error.causes(), ["file is not a database"]);
}

#[tokio::test]
async fn reading_makes_no_file() {
    let directory = Directory::new();
    let mut absent = directory.read().await;
    assert_eq!(one(&mut absent, "select count(*) from sqlite_schema").await, Value::Integer(0));
    let error = absent.query("create table t (a)", &[]).await.expect_err("a change");
    assert_eq!(error.code(), "database-read-only");
    assert!(directory.open("sqlite:missing/a.db", Access::Read).await.is_ok());
    assert_eq!(directory.files(), Vec::<String>::new());

    for mode in ["delete", "wal"] {
        let mut owner = directory.write().await;
        owner.query(&format!("pragma journal_mode = {mode}"), &[]).await.expect("set");
        owner.script("create table if not exists t (a); insert into t values (1)").await.expect("a table");
        drop(owner);
        let mut reader = directory.read().await;
        assert!(matches!(one(&mut reader, "select count(*) from t").await, Value::Integer(1..)));
        assert_eq!(directory.files(), ["a.db"], "{mode}");
    }
}

#[tokio::test]
async fn what_is_only_in_the_log_is_read_too() {
    let directory = Directory::new();
    let mut owner = directory.write().await;
    owner.query("pragma journal_mode = wal", &[]).await.expect("set");
    owner.script("create table t (a); insert into t values (1)").await.expect("a table");
    let mut reader = directory.read().await;
    assert_eq!(one(&mut reader, "select count(*) from t").await, Value::Integer(1));
}

#[tokio::test]
async fn what_a_killed_writer_left_is_no_obstacle_to_reading() {
    let directory = Directory::new();
    let mut owner = directory.write().await;
    owner.script("create table a (b); insert into a values (1)").await.expect("a table");
    // More than is held in memory, so that some of it is in the file before its end.
    let many = "insert into a values (zeroblob(1000000));".repeat(10);
    owner.script(&format!("begin immediate; update a set b = 2; {many}")).await.expect("a transaction");
    // The files as they are when the process is killed now, without its locks.
    for ending in ["", "-journal"] {
        let file = |name: &str| directory.0.join(format!("{name}{ending}"));
        std::fs::copy(file("a.db"), file("killed.db")).expect("a copy");
    }
    let mut reader = directory.open("sqlite:killed.db", Access::Read).await.expect("a database");
    assert_eq!(one(&mut reader, "select b from a").await, Value::Integer(1));
    assert!(reader.query("insert into a values (3) returning b", &[]).await.is_err(), "it still only reads");
    assert_eq!(one(&mut reader, "select count(*) from a").await, Value::Integer(1));

    // The journal of a writer that lives is left to it.
    owner.script("rollback; begin immediate; update a set b = 4").await.expect("a transaction");
    assert_eq!(directory.files(), ["a.db", "a.db-journal", "killed.db"]);
    let mut reader = directory.read().await;
    assert_eq!(one(&mut reader, "select b from a").await, Value::Integer(1));
    owner.script("commit").await.expect("an end");
    assert_eq!(one(&mut reader, "select b from a").await, Value::Integer(4));
}

#[tokio::test]
async fn nothing_gets_out_of_a_read_only_connection() {
    let directory = Directory::new();
    directory.write().await.script("create table t (a); insert into t values (1)").await.expect("a table");
    let before = std::fs::read(directory.0.join("a.db")).expect("the file");
    let mut guest = directory.read().await;
    for sql in [
        "insert into t values (2)",
        "insert into t values (2) returning a",
        "with x as (select 2) insert into t select * from x",
        "delete from t",
        "create temp table u (a)",
        "BEGIN IMMEDIATE",
        "COMMIT",
        "savepoint x",
        "pragma query_only = off",
        "pragma user_version = 7",
        "pragma application_id = 7",
        "vacuum",
        "attach '' as x",
    ] {
        let error = guest.query(sql, &[]).await.expect_err(sql);
        assert_eq!(error.fault(), Fault::Denied, "{sql}: {error:?}");
    }
    let _ = guest.query("pragma journal_mode = wal", &[]).await;
    assert_eq!(guest.query("pragma table_info(t)", &[]).await.map(|rows| rows.rows.len()), Ok(1));
    assert_eq!(guest.execute("select 1", &[]).await.map_err(|error| error.code()), Err("database-read-only"));
    drop(guest);
    assert_eq!(std::fs::read(directory.0.join("a.db")).expect("the file"), before);
    assert_eq!(directory.files(), ["a.db"]);
}

#[tokio::test]
async fn a_locked_database_is_waited_for_and_then_told() {
    let directory = Directory::new();
    let mut owner = directory.write().await;
    owner.script("create table t (a)").await.expect("a table");
    let mut other = directory.write().await;
    owner.execute("BEGIN EXCLUSIVE", &[]).await.expect("locked");
    other.query("pragma busy_timeout = 20", &[]).await.expect("set");
    let error = other.query("select * from t", &[]).await.expect_err("locked");
    assert_eq!((error.code(), error.fault()), ("lock-timeout", Fault::Unavailable));
    owner.execute("COMMIT", &[]).await.expect("ended");
    let one = other.query("pragma busy_timeout = 5000", &[]).await.expect("set");
    assert_eq!(one.rows, [[Value::Integer(5000)]]);
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_refused() {
    let mut connection = Connection::open("sqlite::memory:", Path::new("/"), Access::Read).await.expect("memory");
    let sql =
        "with recursive n(i) as (select 1 union all select i + 1 from n where i < 100) select zeroblob(1000000) from n";
    let error = connection.query(sql, &[]).await.expect_err("large");
    assert_eq!(error.code(), "result-too-large");
}
