use super::common::*;

#[tokio::test]
async fn says_what_it_is() {
    let mut connection = open(&mariadb(), Access::Write).await;
    assert_eq!(connection.engine(), Engine::Mariadb);
    let version = one(&mut connection, "select version()").await;
    assert!(matches!(version, Value::Text(text) if text.starts_with(&format!("{}-MariaDB", connection.version()))));
    let session = one(&mut connection, "select @@session.sql_mode").await;
    assert_eq!(session, one(&mut connection, "select @@global.sql_mode").await);
}

#[tokio::test]
async fn parameters_and_values() {
    let url = schema_in_mariadb().await;
    let mut connection = open(&url, Access::Write).await;
    let cases = [
        ("int", Value::Integer(7), Value::Integer(7)),
        ("int", text("7"), Value::Integer(7)),
        ("tinyint(1)", Value::Boolean(true), Value::Integer(1)),
        ("tinyint(1)", Value::Integer(-128), Value::Integer(-128)),
        ("tinyint(1) unsigned", Value::Integer(255), Value::Integer(255)),
        ("mediumint", Value::Integer(-8_388_608), Value::Integer(-8_388_608)),
        ("bigint", Value::Integer(i64::MIN), Value::Integer(i64::MIN)),
        ("bigint unsigned", text("18446744073709551615"), text("18446744073709551615")),
        ("year", Value::Integer(2024), Value::Integer(2024)),
        ("bit(10)", Value::Integer(513), Value::Integer(513)),
        ("varchar(9)", text("ü"), text("ü")),
        ("varchar(9)", Value::Integer(12), text("12")),
        ("varchar(9) collate utf8mb4_bin", text("a"), text("a")),
        ("longtext", text("t"), text("t")),
        ("json", text("{\"a\": 1}"), text("{\"a\": 1}")),
        ("enum('a','b')", text("b"), text("b")),
        ("set('a','b')", text("a,b"), text("a,b")),
        ("blob", Value::Bytes(vec![0, 255]), Value::Bytes(vec![0, 255])),
        ("varbinary(4)", text("a"), Value::Bytes(b"a".into())),
        ("float", Value::Real(0.5), Value::Real(0.5)),
        ("double", Value::Real(0.1), Value::Real(0.1)),
        ("decimal(30,3)", text("-123456789012345678.5"), text("-123456789012345678.500")),
        ("date", text("2024-02-29"), text("2024-02-29")),
        ("datetime", text("2024-02-29 01:02:03"), text("2024-02-29 01:02:03")),
        ("datetime", text("2024-02-29"), text("2024-02-29 00:00:00")),
        ("datetime(6)", text("2024-02-29 01:02:03.5"), text("2024-02-29 01:02:03.500000")),
        ("timestamp null", text("2024-02-29 01:02:03"), text("2024-02-29 01:02:03")),
        ("time", text("-26:03:04"), text("-26:03:04")),
        ("time", text("00:00:00"), text("00:00:00")),
        ("uuid", text("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"), text("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")),
    ];
    for (column, value, expected) in cases {
        connection.script(&format!("create table t (version {column})")).await.expect(column);
        let inserted = connection.execute("insert into t values (?), (?)", &[value.clone(), Value::Null]).await;
        assert_eq!(inserted, Ok(2), "{column} {value:?}");
        let rows = connection.query("select version from t", &[]).await.expect(column);
        assert_eq!(
            (rows.columns, rows.rows),
            (vec!["version".into()], vec![vec![expected], vec![Value::Null]]),
            "{column}"
        );
        connection.script("drop table t").await.expect(column);
    }
    assert_eq!(one(&mut connection, "select cast('0000-00-00' as date)").await, text("0000-00-00"));
    let error = connection.query("select st_geomfromtext('POINT(1 1)') as place", &[]).await.expect_err("a point");
    assert_eq!(error, Error::UnsupportedType { column: "place".into(), type_name: "geometry".into() });
    assert_eq!(one(&mut connection, "select 1").await, Value::Integer(1));
}

#[tokio::test]
async fn columns_are_named_also_without_rows() {
    let mut connection = open(&mariadb(), Access::Read).await;
    let rows = connection.query("select 1 as a, 2 as b from dual where false", &[]).await;
    assert_eq!(rows, Ok(Rows { columns: vec!["a".into(), "b".into()], rows: vec![] }));
    assert_eq!(connection.query("show databases", &[]).await.map(|rows| rows.columns), Ok(vec!["Database".into()]));
}

#[tokio::test]
async fn a_wrong_number_of_parameters_is_a_clear_error() {
    let mut connection = open(&mariadb(), Access::Write).await;
    for parameters in [vec![], vec![Value::Null, Value::Null]] {
        let error = connection.execute("set @a = ?", &parameters).await.expect_err("one is right");
        assert_eq!((error.code(), error.fault()), ("statement-misused", Fault::Bug));
    }
    assert_eq!(one(&mut connection, "select 1").await, Value::Integer(1));
}

#[tokio::test]
async fn transactions_are_the_callers() {
    let url = schema_in_mariadb().await;
    let mut connection = open(&url, Access::Write).await;
    connection.script("create table t (a int)").await.expect("a table");
    for (begin, end, count) in [("BEGIN", "ROLLBACK", 0), ("START TRANSACTION", "COMMIT", 1)] {
        connection.execute(begin, &[]).await.expect("begun");
        assert_eq!(connection.execute("insert into t values (?)", &[Value::Integer(1)]).await, Ok(1));
        connection.execute(end, &[]).await.expect("ended");
        assert_eq!(one(&mut connection, "select count(*) from t").await, Value::Integer(count));
    }
    connection.execute("lock tables t write", &[]).await.expect("locked");
    connection.execute("unlock tables", &[]).await.expect("unlocked");
    assert_eq!(connection.execute("update t set a = 1", &[]).await, Ok(1), "found, though not changed");
}

#[tokio::test]
async fn scripts_with_bodies_need_no_delimiter() {
    let url = schema_in_mariadb().await;
    let mut connection = open(&url, Access::Write).await;
    let script = "-- everything that a file may have
        create table t (a int, b int);
        create trigger double_it before insert on t for each row begin
          if new.b is null then set new.b = new.a * 2; end if;
        end;
        create procedure fill(n int) begin
          declare i int default 0;
          while i < n do insert into t (a) values (i); set i = i + 1; end while;
        end;
        create function twice(n int) returns int deterministic return n * 2;
        call fill(3);
        select * from t;
        begin not atomic insert into t (a) values (10); insert into t (a) values (11); end;";
    connection.script(script).await.expect("a script");
    assert_eq!(one(&mut connection, "select cast(sum(twice(b)) as signed) from t").await, Value::Integer(96));
    for nothing in ["", "-- nothing\n"] {
        connection.script(nothing).await.expect("nothing");
    }
    let error =
        connection.script("select 1;\nDELIMITER //\ncreate procedure x() begin end//").await.expect_err("a command");
    assert_eq!(
        error.to_string(),
        "the script uses `DELIMITER`, which is a command of a client and not of the server, at line 2, column 1"
    );
}

#[tokio::test]
async fn mistakes_have_their_place_and_the_servers_words() {
    let url = schema_in_mariadb().await;
    let mut connection = open(&url, Access::Write).await;
    let error = connection
        .script("create table t (a int primary key);\ninsert into t values (1);\n\ninsert into t values (1);")
        .await
        .expect_err("twice");
    assert_eq!(error.report().and_then(|report| report.position), Some(Position { line: 4, column: Some(1) }));
    assert_eq!(error.causes(), ["Duplicate entry '1' for key 'PRIMARY' (error 1062, SQLSTATE 23000)"]);
    let error = connection.script("select 1;\nselect 2;\n\nselect\n\n 3 fro t;\n").await.expect_err("a mistake");
    assert_eq!(error.report().and_then(|report| report.position.map(|position| position.line)), Some(6), "{error:?}");
    assert_eq!((error.code(), error.fault()), ("statement-failed", Fault::Misconfigured));
    let error = connection.execute("select 1; select 2", &[]).await.expect_err("two");
    assert_eq!(error.report().and_then(|report| report.number), Some(1064));
    assert_eq!(one(&mut connection, "select 1").await, Value::Integer(1));
}

#[tokio::test]
async fn locks_and_deadlocks_are_told_apart() {
    let url = schema_in_mariadb().await;
    let (mut first, mut second) = (open(&url, Access::Write).await, open(&url, Access::Write).await);
    first
        .script("create table t (a int primary key, b int); insert into t values (1, 0), (2, 0)")
        .await
        .expect("a table");
    for connection in [&mut first, &mut second] {
        connection.execute("BEGIN", &[]).await.expect("begun");
    }
    first.execute("update t set b = 1 where a = 1", &[]).await.expect("locked");
    second.execute("update t set b = 1 where a = 2", &[]).await.expect("locked");
    let (first_result, second_result) = tokio::join!(
        async {
            let result = first.execute("update t set b = 2 where a = 2", &[]).await;
            first.execute("ROLLBACK", &[]).await.expect("ended");
            result
        },
        async {
            let result = second.execute("update t set b = 2 where a = 1", &[]).await;
            second.execute("ROLLBACK", &[]).await.expect("ended");
            result
        }
    );
    let deadlocks =
        [&first_result, &second_result].into_iter().filter(|result| matches!(result, Err(Error::Deadlock(_))));
    assert_eq!(deadlocks.count(), 1, "{first_result:?} {second_result:?}");

    first.execute("BEGIN", &[]).await.expect("begun");
    first.execute("update t set b = 1 where a = 1", &[]).await.expect("locked");
    second.script("set innodb_lock_wait_timeout = 0").await.expect("set");
    let error = second.execute("update t set b = 1 where a = 1", &[]).await.expect_err("locked");
    assert_eq!((error.code(), error.fault()), ("lock-timeout", Fault::Unavailable), "{error:?}");
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_refused() {
    let mut connection = open(&mariadb(), Access::Read).await;
    let error = connection.query("select repeat('x', 1000000) from seq_1_to_100", &[]).await.expect_err("large");
    assert_eq!(error.to_string(), "the answer of the query is larger than 64 MiB");
}
