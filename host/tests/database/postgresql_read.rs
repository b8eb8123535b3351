use super::common::*;

/// Nothing that a guest sends changes anything, and the connection goes on.
#[tokio::test]
async fn nothing_gets_out_of_a_read_only_connection() {
    let (name, url) = schema().await;
    let mut owner = open(&url, Access::Write).await;
    owner
        .script(
            "create table t (a int); insert into t values (1); create sequence s; \
             create function f() returns int language sql volatile as 'insert into t values (2) returning a'; \
             create procedure p() language plpgsql as $$ begin rollback; insert into t values (3); commit; end $$",
        )
        .await
        .expect("a schema");
    let mut guest = open(&url, Access::Read).await;
    let attempts = [
        "COMMIT",
        "ROLLBACK",
        "END",
        "BEGIN READ WRITE",
        "SET TRANSACTION READ WRITE",
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
        "SET transaction_read_only = off",
        "RESET ALL",
        "select set_config('transaction_read_only', 'off', false)",
        "with x as (insert into t values (2) returning a) select * from x",
        "with x as (delete from t returning a) select * from x",
        "insert into t values (2) returning a",
        "select nextval('s')",
        "select setval('s', 9)",
        "select f()",
        "select a from t for update",
        "select a into u from t",
        "explain analyze insert into t values (2)",
        "explain (analyze) create table u as select 1",
        "DO $$ begin insert into t values (2); end $$",
        "CALL p()",
        "create table u (a int)",
        "copy t from stdin",
        "copy (select 1) to stdout",
        "copy (select 1) to '/tmp/windlass-must-not-exist'",
        "/* select */ copy (select 1) to program 'true'",
        "-- select\ndelete from t",
        "listen x",
        "truncate t",
        "vacuum t",
    ];
    for sql in attempts {
        let error = guest.query(sql, &[]).await.expect_err(sql);
        // 25001: `transaction_read_only` must be set before any query.
        let told = error.report().and_then(|report| report.state.clone());
        assert!(error.code() == "database-read-only" || told.as_deref() == Some("25001"), "{sql}: {error:?}");
    }
    for sql in ["select 1; delete from t", "select 1; commit; delete from t", "select 1;; commit"] {
        let error = guest.query(sql, &[]).await.expect_err(sql);
        assert_eq!(error.report().and_then(|report| report.state.as_deref()), Some("42601"), "{sql}");
    }
    // Allowed, and gone with the transaction.
    guest.query("select set_config('default_transaction_read_only', 'off', false)", &[]).await.expect("set");
    guest.query("select set_config('search_path', 'pg_catalog', false)", &[]).await.expect("set");
    assert_eq!(one(&mut guest, "show default_transaction_read_only").await, text("on"));
    assert_eq!(one(&mut guest, "show search_path").await, text(&name));
    // Version 15 lets it be made; 16 does not.
    let _ = guest.query("select lo_create(424242)", &[]).await;
    assert!(guest.query("select nextval($1::regclass)", &[text("s")]).await.is_err());

    assert_eq!(one(&mut guest, "select count(*) from t").await, Value::Integer(1));
    assert_eq!(one(&mut owner, "select sum(a) from t").await, Value::Integer(1));
    let large = "select count(*) from pg_largeobject_metadata where oid = 424242";
    assert_eq!(one(&mut owner, large).await, Value::Integer(0));
    assert_eq!(one(&mut owner, "select is_called from s").await, Value::Boolean(false));
    assert!(!std::path::Path::new("/tmp/windlass-must-not-exist").exists());
}

#[tokio::test]
async fn a_read_only_connection_reads() {
    let (_, url) = schema().await;
    open(&url, Access::Write)
        .await
        .script("create table t (a int, b timestamptz); insert into t values (1, now())")
        .await
        .expect("a table");
    let mut guest = open(&url, Access::Read).await;
    assert_eq!(one(&mut guest, "(select 1)").await, Value::Integer(1));
    assert_eq!(one(&mut guest, "with x as (select a from t) select a from x").await, Value::Integer(1));
    assert_eq!(guest.query("table t", &[]).await.map(|rows| rows.rows.len()), Ok(1));
    assert_eq!(
        guest.query("explain select * from t", &[]).await.map(|rows| rows.columns),
        Ok(vec!["QUERY PLAN".into()])
    );
    // A parameter that the server has to convert works within the transaction as well.
    let rows = guest.query("select a from t where b > $1", &[text("2000-01-01")]).await;
    assert_eq!(rows.map(|rows| rows.rows), Ok(vec![vec![Value::Integer(1)]]));
    for error in [guest.execute("select 1", &[]).await.err(), guest.script("select 1").await.err()] {
        assert_eq!(error.map(|error| (error.code(), error.fault())), Some(("database-read-only", Fault::Denied)));
    }
}
