//! MySQL and MariaDB through sqlx. Statements are prepared, which takes one at a time, except for the few that these
//! servers cannot prepare; scripts go as text, several statements at once.

use futures_util::TryStreamExt;
use sqlx::mysql::{MySqlArguments, MySqlConnectOptions, MySqlDatabaseError, MySqlStatement};
use sqlx::{
    Arguments, AssertSqlSafe, Column, ConnectOptions, Connection, Either, Executor, MySqlConnection, Row, SqlSafeStr,
    Statement,
};
use url::Url;

use super::mysql_values::{Protocol, decode_row};
use super::postgresql::{connection_cause, within};
use super::remote::{CONNECT, Remote, Session};
use super::sql::{Dialect, delimiter_command, not_reading, statements};
use super::url::bare_ipv6;
use super::{Access, Answer, Engine, Error, Position, Report, Rows, Value};

/// The server cannot prepare a statement of this kind.
const NOT_PREPARABLE: i32 = 1295;

pub(super) struct Mysql(Remote<MySqlConnection>);

impl Mysql {
    pub(super) async fn open(url: &Url, access: Access) -> Result<(Self, Engine, String), Error> {
        // Its error may quote the URL.
        let mut options = MySqlConnectOptions::from_url(url).map_err(|_| Error::InvalidUrl {
            reason: "the value of one of its parameters is not understood, or a part of it is not UTF-8".into(),
        })?;
        if let Some(address) = bare_ipv6(url) {
            options = options.host(&address);
        }
        // Scripts shall mean what they mean in the server's own client.
        let options = options.pipes_as_concat(false).no_engine_substitution(false).disable_statement_logging();
        let place = place(&options);
        let user = options.get_username().to_owned();
        let engine = if url.scheme() == "mariadb" { Engine::Mariadb } else { Engine::Mysql };
        let refused = |error: sqlx::Error| match error {
            sqlx::Error::Database(error) => {
                let report = report(&*error);
                match report.number {
                    // Too many connections, of all or of one user; the server is shutting down.
                    Some(1040 | 1053 | 1203) => {
                        Error::Unreachable { engine, place: place.clone(), cause: report.message }
                    }
                    _ => Error::Refused { engine, place: place.clone(), user: user.clone(), report: Box::new(report) },
                }
            }
            error => Error::Unreachable { engine, place: place.clone(), cause: connection_cause(&error) },
        };
        let connect = async {
            let mut connection = options.connect().await?;
            let row = connection.fetch_one("SELECT CAST(VERSION() AS CHAR), CAST(CONNECTION_ID() AS UNSIGNED)").await?;
            let (version, id): (String, u64) = (row.try_get(0)?, row.try_get(1)?);
            // sqlx asks for `IGNORE_SPACE`, which takes the names of functions away from tables.
            connection.execute("SET SESSION sql_mode = @@GLOBAL.sql_mode").await?;
            if access == Access::Read {
                connection.execute("SET SESSION TRANSACTION READ ONLY").await?;
            }
            connection.clear_cached_statements().await?;
            Ok((connection, version, id))
        };
        let (connection, version, id) = within(CONNECT, connect).await.map_err(refused)?;
        let engine = if version.to_ascii_lowercase().contains("mariadb") { Engine::Mariadb } else { Engine::Mysql };
        let version = version.split('-').next().unwrap_or_default().to_owned();
        Ok((Self(Remote::new(connection, Session::Mysql { options, id })), engine, version))
    }

    pub(super) async fn execute(&mut self, sql: &str, parameters: &[Value]) -> Result<u64, Error> {
        let run = async |connection: &mut MySqlConnection| {
            let Some(statement) = prepare(connection, sql, parameters, Access::Write).await? else {
                let result = connection.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await;
                return Ok(result.map_err(failure)?.rows_affected());
            };
            let arguments = arguments(&statement, parameters)?;
            let result = connection.execute(sqlx::query_with(AssertSqlSafe(sql), arguments)).await.map_err(failure);
            forget(connection, result).await.map(|result| result.rows_affected())
        };
        self.0.run(run).await
    }

    pub(super) async fn query(&mut self, sql: &str, parameters: &[Value], access: Access) -> Result<Rows, Error> {
        if access == Access::Write {
            return self.0.run(async |connection| query(connection, sql, parameters, access).await).await;
        }
        if let Some(cause) = not_reading(sql, Dialect::Mysql) {
            return Err(Error::ReadOnly { cause });
        }
        let run = async |connection: &mut MySqlConnection| {
            connection.execute(sqlx::raw_sql("START TRANSACTION READ ONLY")).await.map_err(failure)?;
            let result = query(connection, sql, parameters, access).await;
            if !result.as_ref().is_err_and(Error::is_final) {
                connection.execute(sqlx::raw_sql("ROLLBACK")).await.map_err(failure)?;
            }
            result
        };
        self.0.run(run).await.map_err(|error| match error {
            Error::Statement(report) if report.number == Some(1792) => Error::ReadOnly { cause: report.message },
            error => error,
        })
    }

    pub(super) async fn script(&mut self, sql: &str) -> Result<(), Error> {
        if let Some(position) = delimiter_command(sql) {
            return Err(Error::ClientCommand {
                what: "DELIMITER".into(),
                position: Some(position),
                instead: "remove the `DELIMITER` lines and end each statement with `;`: bodies between `BEGIN` and `END` need nothing else".into(),
            });
        }
        let run = async |connection: &mut MySqlConnection| {
            let mut done = 0;
            let mut results = connection.fetch_many(sqlx::raw_sql(AssertSqlSafe(sql)));
            loop {
                match results.try_next().await {
                    Ok(Some(Either::Left(_))) => done += 1,
                    Ok(Some(Either::Right(_))) => {}
                    Ok(None) => return Ok(()),
                    Err(sqlx::Error::Database(error)) if report(&*error).number == Some(1065) => {
                        // Nothing but comments or space is no mistake in a file.
                        return Ok(());
                    }
                    Err(error) => {
                        let error = failure(error);
                        let place = place_in_script(sql, done, error.report());
                        return Err(error.at(|| place));
                    }
                }
            }
        };
        self.0.run(run).await
    }
}

/// Where a statement failed after `done` answers. A `CALL` may give several of them, so that the place is not known after
/// one. The server counts lines from where it takes the statement to begin: right after the `;` before it.
fn place_in_script(sql: &str, done: usize, report: Option<&Report>) -> Option<Position> {
    let all = statements(sql, Dialect::Mysql);
    let statement = all.get(done)?;
    if all.iter().take(done).any(|statement| statement.first.eq_ignore_ascii_case("CALL")) {
        return None;
    }
    let begin = Position::of_byte(sql, statement.start);
    let line = report
        .filter(|report| report.number == Some(1064))
        .and_then(|report| report.message.rsplit_once(" at line "))
        .and_then(|(_, line)| line.parse::<usize>().ok());
    match line {
        Some(line) => Some(Position { line: begin.line + line - 1, column: None }),
        None => Some(begin),
    }
}

async fn query(
    connection: &mut MySqlConnection,
    sql: &str,
    parameters: &[Value],
    access: Access,
) -> Result<Rows, Error> {
    let Some(statement) = prepare(connection, sql, parameters, access).await? else {
        let rows = connection.fetch(sqlx::raw_sql(AssertSqlSafe(sql)));
        return collect(rows, vec![], Protocol::Text).await;
    };
    let columns = statement.columns().iter().map(|column| column.name().to_owned()).collect();
    let arguments = arguments(&statement, parameters)?;
    let rows = connection.fetch(sqlx::query_with(AssertSqlSafe(sql), arguments));
    let result = collect(rows, columns, Protocol::Binary).await;
    forget(connection, result).await
}

async fn collect(
    mut rows: futures_util::stream::BoxStream<'_, Result<sqlx::mysql::MySqlRow, sqlx::Error>>,
    columns: Vec<String>,
    protocol: Protocol,
) -> Result<Rows, Error> {
    let mut answer = Answer::new(columns);
    let mut failed = None;
    while let Some(row) = rows.try_next().await.map_err(failure)? {
        if failed.is_some() {
            continue;
        }
        if answer.rows.columns.is_empty() {
            answer.rows.columns = row.columns().iter().map(|column| column.name().to_owned()).collect();
        }
        match decode_row(&row, protocol) {
            Ok(values) => answer.push(values)?,
            // The rest is read, because the connection is still good.
            Err(error) => failed = Some(error),
        }
    }
    failed.map_or(Ok(answer.rows), Err)
}

/// Prepares a statement; none where the server cannot, and it may be sent as text.
async fn prepare(
    connection: &mut MySqlConnection,
    sql: &str,
    parameters: &[Value],
    access: Access,
) -> Result<Option<MySqlStatement>, Error> {
    match connection.prepare(AssertSqlSafe(sql).into_sql_str()).await {
        Ok(statement) => Ok(Some(statement)),
        Err(sqlx::Error::Database(error))
            if access == Access::Write && parameters.is_empty() && report(&*error).number == Some(NOT_PREPARABLE) =>
        {
            Ok(None)
        }
        Err(error) => Err(failure(error)),
    }
}

fn arguments(statement: &MySqlStatement, parameters: &[Value]) -> Result<MySqlArguments, Error> {
    let count = match statement.parameters() {
        Some(Either::Right(count)) => count,
        _ => 0,
    };
    // Sent all the same, sqlx would wait for an answer that never comes.
    if count != parameters.len() {
        return Err(Error::misuse(format!(
            "the statement has {count} parameters, and {} were passed",
            parameters.len()
        )));
    }
    let mut arguments = MySqlArguments::default();
    for (index, parameter) in parameters.iter().enumerate() {
        let added = match parameter {
            Value::Null => arguments.add(None::<i64>),
            Value::Boolean(flag) => arguments.add(*flag),
            Value::Integer(number) => arguments.add(*number),
            Value::Real(number) => arguments.add(*number),
            Value::Text(text) => arguments.add(text.as_str()),
            Value::Bytes(bytes) => arguments.add(bytes.as_slice()),
        };
        added.map_err(|error| Error::misuse(format!("parameter {} cannot be sent: {error}", index + 1)))?;
    }
    Ok(arguments)
}

/// Closes the statements that a call prepared.
async fn forget<T>(connection: &mut MySqlConnection, result: Result<T, Error>) -> Result<T, Error> {
    if !result.as_ref().is_err_and(Error::is_final) {
        connection.clear_cached_statements().await.map_err(failure)?;
    }
    result
}

fn place(options: &MySqlConnectOptions) -> String {
    let database = options.get_database().unwrap_or_default();
    match options.get_socket() {
        Some(socket) => format!("{}/{database}", socket.display()),
        None => format!("{}:{}/{database}", options.get_host(), options.get_port()),
    }
}

fn report(error: &dyn sqlx::error::DatabaseError) -> Report {
    let number = error.try_downcast_ref::<MySqlDatabaseError>().map(|error| error.number().into());
    Report { state: error.code().map(Into::into), number, ..Report::of(error.message()) }
}

/// What an error means.
fn failure(error: sqlx::Error) -> Error {
    match error {
        sqlx::Error::Database(error) => {
            let report = Box::new(report(&*error));
            match report.number {
                // The wait ended; or NOWAIT was asked for, of MySQL.
                Some(1205 | 3572) => Error::LockTimeout(report),
                Some(1213) => Error::Deadlock(report),
                // Shutdown, killed, idle for too long.
                Some(1053 | 1927 | 4031) => Error::Lost { cause: report.message },
                _ => Error::Statement(report),
            }
        }
        error => Error::Lost { cause: connection_cause(&error) },
    }
}

#[cfg(test)]
mod tests {
    use super::{Position, Report, place_in_script};

    #[test]
    fn a_failed_statement_is_found_by_the_answers_before_it() {
        let sql = "select 1;\n\nselect 2;\nselect\n  oops from;";
        assert_eq!(place_in_script(sql, 1, None), Some(Position { line: 3, column: Some(1) }));
        let report = Report { number: Some(1064), ..Report::of("You have an error near 'x' at line 2") };
        assert_eq!(place_in_script(sql, 2, Some(&report)), Some(Position { line: 5, column: None }));
        assert_eq!(place_in_script("call p(); select oops", 1, None), None);
        assert_eq!(place_in_script(sql, 9, None), None);
    }
}
