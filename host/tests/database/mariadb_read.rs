use super::common::*;

#[tokio::test]
async fn nothing_gets_out_of_a_read_only_connection() {
    let url = schema_in_mariadb().await;
    let mut owner = open(&url, Access::Write).await;
    owner
        .script(
            "create table t (a int); insert into t values (1); create sequence s; create table m (a int) engine=MyISAM;
             create function f() returns int begin insert into t values (2); return 1; end;
             create procedure p() begin commit; start transaction read write; insert into t values (3); commit; end;",
        )
        .await
        .expect("a schema");
    let mut guest = open(&url, Access::Read).await;
    let attempts = [
        "COMMIT",
        "ROLLBACK",
        "START TRANSACTION READ WRITE",
        "SET SESSION TRANSACTION READ WRITE",
        "set @@session.tx_read_only = 0",
        "set global max_connections = 50",
        "insert into t values (2)",
        "insert into m values (2)",
        "delete from t",
        "create table u (a int)",
        "create temporary table u (a int)",
        "drop table t",
        "alter table t add b int",
        "truncate t",
        "select f()",
        "call p()",
        "do f()",
        "select nextval(s)",
        "select next value for s",
        "select setval(s, 9)",
        "explain insert into t values (2)",
        "analyze table t",
        "optimize table t",
        "prepare x from 'delete from t'",
        "execute immediate 'delete from t'",
        "begin not atomic commit; delete from t; end",
        "/*!50000 delete from t */",
        "select /*M! f() */ from dual",
        "select 1 into outfile '/tmp/windlass-must-not-exist'",
        "select 1 into dumpfile '/tmp/windlass-must-not-exist'",
        "kill 1",
        "flush tables",
    ];
    for sql in attempts {
        let error = guest.query(sql, &[]).await.expect_err(sql);
        assert_eq!(error.code(), "database-read-only", "{sql}: {error:?}");
    }
    for sql in ["select 1; delete from t", "select 1; commit; delete from t"] {
        let error = guest.query(sql, &[]).await.expect_err(sql);
        assert_eq!(error.report().and_then(|report| report.number), Some(1064), "{sql}");
    }
    assert_eq!(one(&mut owner, "select cast(sum(a) as signed) from t").await, Value::Integer(1));
    assert_eq!(one(&mut owner, "select count(*) from m").await, Value::Integer(0));
    assert_eq!(one(&mut owner, "select nextval(s)").await, Value::Integer(1));
    assert!(!std::path::Path::new("/tmp/windlass-must-not-exist").exists());
}

#[tokio::test]
async fn a_read_only_connection_reads() {
    let url = schema_in_mariadb().await;
    open(&url, Access::Write).await.script("create table t (a int); insert into t values (1)").await.expect("a table");
    let mut guest = open(&url, Access::Read).await;
    assert_eq!(one(&mut guest, "(select 1)").await, Value::Integer(1));
    assert_eq!(one(&mut guest, "with x as (select a from t) select a from x").await, Value::Integer(1));
    assert_eq!(
        guest.query("select a from t where a = ?", &[Value::Integer(1)]).await.map(|rows| rows.rows.len()),
        Ok(1)
    );
    assert_eq!(guest.query("show tables", &[]).await.map(|rows| rows.rows.len()), Ok(1));
    for error in [guest.execute("select 1", &[]).await.err(), guest.script("select 1").await.err()] {
        assert_eq!(error.map(|error| (error.code(), error.fault())), Some(("database-read-only", Fault::Denied)));
    }
}
