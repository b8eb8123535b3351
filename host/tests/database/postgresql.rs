use super::common::*;

#[tokio::test]
async fn says_what_it_is() {
    let mut connection = open(&postgresql(), Access::Write).await;
    assert_eq!(connection.engine(), Engine::Postgresql);
    let version = one(&mut connection, "show server_version").await;
    assert!(
        matches!(version, Value::Text(text) if text.starts_with(connection.version()) && !connection.version().is_empty())
    );
    assert_eq!(one(&mut connection, "show application_name").await, text("windlass"));
}

#[tokio::test]
async fn parameters_take_the_type_of_their_column() {
    let (_, url) = schema().await;
    let mut connection = open(&url, Access::Write).await;
    let cases = [
        ("integer", Value::Integer(7), Value::Integer(7)),
        ("integer", text("7"), Value::Integer(7)),
        ("smallint", Value::Integer(-7), Value::Integer(-7)),
        ("bigint", Value::Integer(i64::MIN), Value::Integer(i64::MIN)),
        ("text", text("ü"), text("ü")),
        ("text", Value::Integer(20_240_101), text("20240101")),
        ("varchar(9)", Value::Boolean(true), text("true")),
        ("bytea", Value::Bytes(vec![0, 255]), Value::Bytes(vec![0, 255])),
        ("bytea", text("a"), Value::Bytes(b"a".into())),
        ("boolean", Value::Boolean(true), Value::Boolean(true)),
        ("boolean", text("f"), Value::Boolean(false)),
        ("timestamptz", text("2024-02-29 12:00:00.5+02"), text("2024-02-29 10:00:00.5+00")),
        ("date", text("2024-02-29"), text("2024-02-29")),
        ("numeric(12,3)", text("-1234567.5"), text("-1234567.500")),
        ("numeric", Value::Integer(12), text("12")),
        ("double precision", Value::Real(0.1), Value::Real(0.1)),
        ("real", Value::Real(0.5), Value::Real(0.5)),
        ("double precision", Value::Integer(3), Value::Real(3.0)),
        ("json", text("{\"a\": 1}"), text("{\"a\": 1}")),
        ("jsonb", text("{\"a\":1}"), text("{\"a\": 1}")),
        ("uuid", text("A0EEBC99-9c0b-4ef8-bb6d-6bb9bd380a11"), text("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")),
        ("integer[]", text("{1,2}"), text("{1,2}")),
        ("interval", text("90 minutes"), text("01:30:00")),
        ("inet", text("10.0.0.0/8"), text("10.0.0.0/8")),
        ("mood", text("ok"), text("ok")),
        ("port", Value::Integer(80), Value::Integer(80)),
    ];
    connection
        .script("create type mood as enum ('ok', 'bad'); create domain port as int check (value > 0)")
        .await
        .expect("types");
    for (column, value, expected) in cases {
        connection.script(&format!("create table t (version {column})")).await.expect(column);
        let inserted =
            connection.execute("insert into t(version) values ($1), ($2)", &[value.clone(), Value::Null]).await;
        assert_eq!(inserted, Ok(2), "{column} {value:?}");
        let rows = connection.query("select version from t", &[]).await.expect(column).rows;
        assert_eq!(rows, [[expected], [Value::Null]], "{column} {value:?}");
        // Also where it is compared.
        let found = connection
            .query("select 1 from t where version::text is not null and version is not distinct from $1", &[value])
            .await;
        if !matches!(column, "json") {
            assert_eq!(found.map(|found| found.rows.len()), Ok(1), "{column}");
        }
        connection.script("drop table t").await.expect(column);
    }
}

#[tokio::test]
async fn a_parameter_that_does_not_fit_is_refused_in_the_servers_words() {
    let mut connection = open(&postgresql(), Access::Write).await;
    let error = connection.query("select $1::int4", &[Value::Integer(i64::MAX)]).await.expect_err("too large");
    assert_eq!(error.causes(), ["value \"9223372036854775807\" is out of range for type integer (SQLSTATE 22003)"]);
    let error = connection.query("select $1::int4", &[Value::Bytes(vec![255])]).await.expect_err("bytes");
    assert_eq!((error.code(), error.fault()), ("statement-misused", Fault::Bug));
    let error = connection.execute("select $1::int4", &[]).await.expect_err("none passed");
    assert_eq!(error.code(), "statement-failed");
    let error = connection.execute("select $1::int4", &[Value::Null, Value::Null]).await.expect_err("two passed");
    assert_eq!(error.causes(), ["the statement has 1 parameters, and 2 were passed"]);
    assert_eq!(one(&mut connection, "select 1").await, Value::Integer(1));
}

/// What is read is what the server itself writes.
#[tokio::test]
async fn values_read_as_the_server_writes_them() {
    let mut connection = open(&postgresql(), Access::Write).await;
    let values = [
        "0::numeric",
        "0.000::numeric",
        "12345678901234567890.000100::numeric",
        "-0.00001234::numeric",
        "1e20::numeric",
        "10000::numeric",
        "'NaN'::numeric",
        "'infinity'::numeric",
        "9999.9999::numeric",
        "-10000.0001::numeric",
        "date '2024-02-29'",
        "date '1900-03-01'",
        "date '0044-03-15 BC'",
        "date 'infinity'",
        "date '-infinity'",
        "date '0001-01-01'",
        "date '12024-12-31'",
        "date '0001-12-31 BC'",
        "date '1999-12-31'",
        "date '2000-03-01'",
        "timestamp '1969-12-31 23:59:59.999999'",
        "timestamp '2024-01-01 00:00:00'",
        "timestamp 'infinity'",
        "timestamptz '2024-06-30 23:59:59.120+02'",
        "timestamp '0044-03-15 01:02:03.5 BC'",
        "time '24:00:00'",
        "time '01:02:03.000400'",
        "timetz '01:02:03-09:30'",
        "timetz '01:02:03+02'",
        "interval '0'",
        "interval '1 year 2 mons 3 days 04:05:06.7'",
        "interval '-1 year -2 mons +3 days -04:05:06'",
        "interval '-1 day +01:00'",
        "interval '1 day -00:00:01'",
        "interval '1 mon -1 day'",
        "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid",
        "'{\"a\": [1, null]}'::jsonb",
        "' {}'::json",
        "'<a/>'::xml",
        "inet '127.0.0.1'",
        "inet '10.1.2.3/8'",
        "cidr '10.0.0.0/8'",
        "inet '::1'",
        "inet '2001:db8::/32'",
        "'x'::\"char\"",
        "'n'::name",
        "'ab'::char(4)",
        "array[1,null,3]",
        "array['a b','','NULL','q\"\\',null]",
        "'{{1,2},{3,4}}'::int[]",
        "'[0:1]={5,6}'::int[]",
        "'{}'::text[]",
        "array[true,false]",
        "array[1.50::numeric]",
        "array[timestamptz '2024-01-01 00:00:00+00']",
        "array['\\x00ff'::bytea]",
        "'{1.5,1e15,1e14,-0.0001,0.00001,1.25e300,infinity,-infinity,NaN,0,-0}'::float8[]",
        "'{1.5,1e6,999999,16777216,1e-5,0.1}'::float4[]",
    ];
    for value in values {
        let sql = format!("select v, format('%s', v) from (select {value} as v) as q");
        let answer = connection.query(&sql, &[]).await;
        let row = answer.unwrap_or_else(|error| panic!("{value}: {error:?}")).rows.remove(0);
        assert_eq!(row[0], row[1], "{value}");
    }
    assert_eq!(one(&mut connection, "select 1.5::float4").await, Value::Real(1.5));
    assert_eq!(one(&mut connection, "select 4294967295::oid").await, Value::Integer(4_294_967_295));
    assert_eq!(one(&mut connection, "select pg_sleep(0)").await, Value::Null);
    assert_eq!(one(&mut connection, "select null::int").await, Value::Null);
}

#[tokio::test]
async fn a_type_without_a_value_is_named_and_the_connection_stays() {
    let mut connection = open(&postgresql(), Access::Write).await;
    let error = connection.query("select 1 as a, point(1,2) as place", &[]).await.expect_err("a point");
    assert_eq!(error, Error::UnsupportedType { column: "place".into(), type_name: "point".into() });
    assert!(error.hint().is_some_and(|hint| hint.contains("CAST(place AS")));
    assert_eq!(one(&mut connection, "select cast(point(1,2) as text)").await, text("(1,2)"));
}

#[tokio::test]
async fn columns_are_named_also_without_rows() {
    let mut connection = open(&postgresql(), Access::Read).await;
    let rows = connection.query("select 1 as a, 2 as b where false", &[]).await;
    assert_eq!(rows, Ok(Rows { columns: vec!["a".into(), "b".into()], rows: vec![] }));
}

#[tokio::test]
async fn transactions_are_the_callers() {
    let (_, url) = schema().await;
    let mut connection = open(&url, Access::Write).await;
    connection.script("create table t (a int)").await.expect("a table");
    for (end, count) in [("ROLLBACK", 0), ("COMMIT", 1)] {
        connection.execute("BEGIN", &[]).await.expect("begun");
        assert_eq!(connection.execute("insert into t values ($1)", &[Value::Integer(1)]).await, Ok(1));
        connection.script("create table u (a int)").await.expect("a script in it");
        connection.script("drop table u").await.expect("a script in it");
        connection.execute(end, &[]).await.expect("ended");
        assert_eq!(one(&mut connection, "select count(*) from t").await, Value::Integer(count));
    }
    // A transaction that failed stays failed until it is ended, and then all is well.
    connection.execute("BEGIN", &[]).await.expect("begun");
    connection.execute("insert into t values ($1)", &[text("x")]).await.expect_err("not a number");
    let error = connection.query("select 1", &[]).await.expect_err("aborted");
    assert_eq!(error.report().and_then(|report| report.state.as_deref()), Some("25P02"));
    connection.execute("ROLLBACK", &[]).await.expect("ended");
    assert_eq!(connection.execute("update t set a = a + 1", &[]).await, Ok(1));
}

#[tokio::test]
async fn a_statement_sees_the_schema_as_it_is_now() {
    let (_, url) = schema().await;
    let mut connection = open(&url, Access::Write).await;
    connection.script("create table t (a int); insert into t values (1)").await.expect("a table");
    let sql = "select * from t where a = $1";
    assert_eq!(connection.query(sql, &[Value::Integer(1)]).await.map(|rows| rows.columns.len()), Ok(1));
    connection.script("alter table t add b text; alter table t alter a type bigint").await.expect("altered");
    assert_eq!(connection.query(sql, &[Value::Integer(1)]).await.map(|rows| rows.columns.len()), Ok(2));
}

#[tokio::test]
async fn a_script_is_one_transaction_unless_it_says_otherwise() {
    let (_, url) = schema().await;
    let mut connection = open(&url, Access::Write).await;
    connection.script("create table t (a int)").await.expect("a table");
    connection.script("insert into t values (1); insert into t values (1/0)").await.expect_err("division by zero");
    assert_eq!(one(&mut connection, "select count(*) from t").await, Value::Integer(0));
    connection.script("begin; insert into t values (1); commit; select 1; select 1/0").await.expect_err("division");
    assert_eq!(one(&mut connection, "select count(*) from t").await, Value::Integer(1));
    let error = connection.script("select 1; create index concurrently i on t (a)").await.expect_err("not alone");
    assert_eq!(error.report().and_then(|report| report.state.as_deref()), Some("25001"));
    connection.script("-- alone\ncreate index concurrently i on t (a);\n").await.expect("alone");
    connection.script("create function f() returns int language plpgsql as $$ begin return 1; end $$; do $$ begin perform f(); end $$").await.expect("bodies");
    for nothing in ["", "-- nothing\n", ";;"] {
        connection.script(nothing).await.expect("nothing");
    }
}

#[tokio::test]
async fn mistakes_have_their_place_and_the_servers_words() {
    let (_, url) = schema().await;
    let mut connection = open(&url, Access::Write).await;
    let at = |line, column| Some(Position { line, column: Some(column) });
    let error = connection.script("select 'ä';\n\nselect *\n  from nowhere;").await.expect_err("no table");
    assert_eq!(error.report().and_then(|report| report.position), at(4, 8));
    assert_eq!(error.to_string(), "the database refused a statement at line 4, column 8");
    assert_eq!(error.causes(), ["relation \"nowhere\" does not exist (SQLSTATE 42P01)"]);
    assert_eq!((error.code(), error.fault()), ("statement-failed", Fault::Misconfigured));

    connection.script("create table t (a int primary key)").await.expect("a table");
    let error = connection
        .script("insert into t values (1);\n\n  -- again\n  insert into t values (1)")
        .await
        .expect_err("twice");
    assert_eq!(error.report().and_then(|report| report.position), at(4, 3));
    assert_eq!(error.causes()[1], "detail: Key (a)=(1) already exists.");

    let error = connection.script("select lenght('a')").await.expect_err("a typing mistake");
    assert!(error.hint().is_some_and(|hint| hint.starts_with("No function matches")), "{error:?}");
    assert_eq!(one(&mut connection, "select 1").await, Value::Integer(1));
}

#[tokio::test]
async fn one_statement_is_one_statement() {
    let mut connection = open(&postgresql(), Access::Write).await;
    for parameters in [vec![], vec![Value::Null]] {
        let error = connection.execute("select 1; select 2", &parameters).await.expect_err("two");
        assert!(
            error.causes()[0].starts_with("cannot insert multiple commands into a prepared statement"),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn copy_is_refused_clearly() {
    let (_, url) = schema().await;
    for sql in ["copy (select 1) to stdout", "copy t from stdin"] {
        let mut connection = open(&url, Access::Write).await;
        connection.script("create table if not exists t (a int)").await.expect("a table");
        let error = connection.script(sql).await.expect_err(sql);
        assert_eq!((error.code(), error.fault()), ("client-command", Fault::Misconfigured), "{error:?}");
        let after = connection.query("select 1", &[]).await.expect_err("given up");
        assert_eq!(after.code(), "database-connection-lost");
    }
}

#[tokio::test]
async fn locks_and_deadlocks_are_told_apart() {
    let (_, url) = schema().await;
    let (mut first, mut second) = (open(&url, Access::Write).await, open(&url, Access::Write).await);
    first
        .script("create table t (a int primary key, b int); insert into t values (1, 0), (2, 0)")
        .await
        .expect("a table");
    for connection in [&mut first, &mut second] {
        connection.script("set deadlock_timeout = '50ms'").await.expect("set");
        connection.execute("BEGIN", &[]).await.expect("begun");
    }
    first.execute("update t set b = 1 where a = 1", &[]).await.expect("locked");
    second.execute("update t set b = 1 where a = 2", &[]).await.expect("locked");
    let (first_result, second_result) = tokio::join!(first.execute("update t set b = 2 where a = 2", &[]), async {
        let result = second.execute("update t set b = 2 where a = 1", &[]).await;
        second.execute("ROLLBACK", &[]).await.expect("ended");
        result
    });
    let deadlocks =
        [&first_result, &second_result].into_iter().filter(|result| matches!(result, Err(Error::Deadlock(_))));
    assert_eq!(deadlocks.count(), 1, "{first_result:?} {second_result:?}");
    first.execute("ROLLBACK", &[]).await.expect("ended");

    first.execute("BEGIN", &[]).await.expect("begun");
    first.execute("lock table t", &[]).await.expect("locked");
    second.script("set lock_timeout = '20ms'").await.expect("set");
    let error = second.query("select * from t", &[]).await.expect_err("locked");
    assert_eq!((error.code(), error.fault()), ("lock-timeout", Fault::Unavailable));
    assert_eq!(error.causes(), ["canceling statement due to lock timeout (SQLSTATE 55P03)"]);
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_refused() {
    let mut connection = open(&postgresql(), Access::Read).await;
    let error =
        connection.query("select repeat('x', 1000000) from generate_series(1, 100)", &[]).await.expect_err("large");
    assert_eq!(error.to_string(), "the answer of the query is larger than 64 MiB");
}
