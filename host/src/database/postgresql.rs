//! PostgreSQL through sqlx. Statements go by the extended protocol, which takes one at a time; scripts by the simple one,
//! which takes text as it stands. Prepared statements do not outlive their call, because a migration changes what they
//! were planned for.

use std::time::Duration;

use futures_util::TryStreamExt;
use sqlx::postgres::{PgArguments, PgConnectOptions, PgDatabaseError, PgErrorPosition};
use sqlx::{
    AssertSqlSafe, Column, ConnectOptions, Connection, Either, Executor, PgConnection, Row, SqlSafeStr, Statement,
};
use url::Url;

use super::remote::{CONNECT, Remote, Session};
use super::sql::{Dialect, not_reading, statements};
use super::url::bare_ipv6;
use super::{Access, Answer, Engine, Error, Position, Report, Rows, Value, postgresql_values};

pub(super) struct Postgresql(Remote<PgConnection>);

/// What is asked and set once per session. The server shall notice within a second that its client went away: a runner
/// that was killed must not leave a migration running. Versions before 14 cannot do that.
const SET_UP: &str = "select current_setting('server_version'), pg_backend_pid()";
const NOTICE_LOSS: &str = "select set_config('client_connection_check_interval', '1s', false) \
    where current_setting('server_version_num')::int >= 140000";

impl Postgresql {
    pub(super) async fn open(url: &Url, access: Access) -> Result<(Self, String), Error> {
        // Its error may quote the URL.
        let mut options = PgConnectOptions::from_url(url).map_err(|_| Error::InvalidUrl {
            reason: "the value of one of its parameters is not understood, or a part of it is not UTF-8".into(),
        })?;
        if let Some(address) = bare_ipv6(url) {
            options = options.host(&address);
        }
        let options = options.application_name("windlass").disable_statement_logging();
        let place = place(&options);
        let user = options.get_username().to_owned();
        let refused = |error: sqlx::Error| match error {
            sqlx::Error::Database(error) if error.is_transient_in_connect_phase() => Error::Unreachable {
                engine: Engine::Postgresql,
                place: place.clone(),
                cause: error.message().to_owned(),
            },
            sqlx::Error::Database(error) => Error::Refused {
                engine: Engine::Postgresql,
                place: place.clone(),
                user: user.clone(),
                report: Box::new(report(&*error, "")),
            },
            error => {
                Error::Unreachable { engine: Engine::Postgresql, place: place.clone(), cause: connection_cause(&error) }
            }
        };
        let connect = async {
            let mut connection = options.connect().await?;
            let row = connection.fetch_one(sqlx::query(SET_UP).persistent(false)).await?;
            let (version, process): (String, i32) = (row.try_get(0)?, row.try_get(1)?);
            // Not every platform and not every proxy lets it be set.
            if let Err(error) = connection.execute(sqlx::raw_sql(NOTICE_LOSS)).await {
                tracing::debug!(%error, "the server will not notice a lost client by itself");
            }
            if access == Access::Read {
                connection.execute("set default_transaction_read_only = on").await?;
            }
            Ok((connection, version, process))
        };
        let (connection, version, process) = within(CONNECT, connect).await.map_err(refused)?;
        let version = version.split_whitespace().next().unwrap_or_default().to_owned();
        Ok((Self(Remote::new(connection, Session::Postgresql { options, process })), version))
    }

    pub(super) async fn execute(&mut self, sql: &str, parameters: &[Value]) -> Result<u64, Error> {
        let run = async |connection: &mut PgConnection| {
            let result = execute(connection, sql, parameters).await;
            forget(connection, parameters, result).await
        };
        self.0.run(run).await
    }

    pub(super) async fn query(&mut self, sql: &str, parameters: &[Value], access: Access) -> Result<Rows, Error> {
        if access == Access::Write {
            let run = async |connection: &mut PgConnection| {
                let result = query(connection, sql, parameters).await;
                forget(connection, &[Value::Null], result).await
            };
            return self.0.run(run).await;
        }
        if let Some(cause) = not_reading(sql, Dialect::Postgresql) {
            return Err(Error::ReadOnly { cause });
        }
        let run = async |connection: &mut PgConnection| {
            connection.execute("BEGIN TRANSACTION READ ONLY").await.map_err(|error| failure(error, ""))?;
            let result = query(connection, sql, parameters).await;
            if result.as_ref().is_err_and(Error::is_final) {
                return result;
            }
            connection.execute("ROLLBACK").await.map_err(|error| failure(error, ""))?;
            forget(connection, &[Value::Null], result).await
        };
        self.0.run(run).await.map_err(|error| match error {
            Error::Statement(report) if report.state.as_deref() == Some("25006") => {
                Error::ReadOnly { cause: report.message }
            }
            error => error,
        })
    }

    pub(super) async fn script(&mut self, sql: &str) -> Result<(), Error> {
        let run = async |connection: &mut PgConnection| {
            let mut done = 0;
            let mut results = connection.fetch_many(sqlx::raw_sql(AssertSqlSafe(sql)));
            loop {
                match results.try_next().await {
                    Ok(Some(Either::Left(_))) => done += 1,
                    Ok(Some(Either::Right(_))) => {}
                    Ok(None) => return Ok(()),
                    Err(error) => {
                        let place = || {
                            let found = statements(sql, Dialect::Postgresql);
                            Some(Position::of_byte(sql, found.get(done)?.start))
                        };
                        return Err(failure(error, sql).at(place));
                    }
                }
            }
        };
        self.0.run(run).await
    }
}

async fn execute(connection: &mut PgConnection, sql: &str, parameters: &[Value]) -> Result<u64, Error> {
    let arguments = if parameters.is_empty() {
        PgArguments::default()
    } else {
        let statement =
            connection.prepare(AssertSqlSafe(sql).into_sql_str()).await.map_err(|error| failure(error, sql))?;
        arguments(connection, &statement, parameters).await?
    };
    let query = sqlx::query_with(AssertSqlSafe(sql), arguments).persistent(!parameters.is_empty());
    let result = connection.execute(query).await.map_err(|error| failure(error, sql))?;
    Ok(result.rows_affected())
}

async fn query(connection: &mut PgConnection, sql: &str, parameters: &[Value]) -> Result<Rows, Error> {
    // Prepared first, because an answer without rows would not tell its columns.
    let statement = connection.prepare(AssertSqlSafe(sql).into_sql_str()).await.map_err(|error| failure(error, sql))?;
    let columns: Vec<String> = statement.columns().iter().map(|column| column.name().to_owned()).collect();
    for column in statement.columns() {
        postgresql_values::supported(column)?;
    }
    let arguments = arguments(connection, &statement, parameters).await?;
    let mut answer = Answer::new(columns);
    let mut rows = connection.fetch(sqlx::query_with(AssertSqlSafe(sql), arguments));
    while let Some(row) = rows.try_next().await.map_err(|error| failure(error, sql))? {
        answer.push(postgresql_values::decode_row(&row)?)?;
    }
    Ok(answer.rows)
}

/// Parameters in the types that the server found for them.
async fn arguments(
    connection: &mut PgConnection,
    statement: &sqlx::postgres::PgStatement,
    parameters: &[Value],
) -> Result<PgArguments, Error> {
    let types = match statement.parameters() {
        Some(Either::Left(types)) => types,
        _ => &[],
    };
    if types.len() != parameters.len() {
        return Err(Error::misuse(format!(
            "the statement has {} parameters, and {} were passed",
            types.len(),
            parameters.len()
        )));
    }
    postgresql_values::encode(connection, types, parameters).await
}

/// Closes the statements that a call prepared. A connection on which that fails is of no use.
async fn forget<T>(connection: &mut PgConnection, parameters: &[Value], result: Result<T, Error>) -> Result<T, Error> {
    if parameters.is_empty() || result.as_ref().is_err_and(Error::is_final) {
        return result;
    }
    connection.clear_cached_statements().await.map_err(|error| failure(error, ""))?;
    result
}

/// Runs `connect` for so long at most.
pub(super) async fn within<T>(
    limit: Duration,
    connect: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    tokio::time::timeout(limit, connect).await.unwrap_or_else(|_| {
        let cause = format!("no answer within {} s", limit.as_secs());
        Err(sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, cause)))
    })
}

/// The words of an error that is not the server's. None of these kinds quotes the URL; one that might is not quoted.
pub(super) fn connection_cause(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Io(error) => error.to_string(),
        sqlx::Error::Tls(error) => format!("TLS: {error}"),
        sqlx::Error::Protocol(words) => format!("it does not speak as expected: {words}"),
        sqlx::Error::Configuration(_) => "one of the URL's parameters cannot be used".into(),
        _ => "the connection could not be set up".into(),
    }
}

fn place(options: &PgConnectOptions) -> String {
    let database = options.get_database().unwrap_or_else(|| options.get_username());
    match options.get_socket() {
        Some(socket) => format!("{}/{database}", socket.display()),
        None => format!("{}:{}/{database}", options.get_host(), options.get_port()),
    }
}

fn report(error: &dyn sqlx::error::DatabaseError, sql: &str) -> Report {
    let mut report = Report { state: error.code().map(Into::into), ..Report::of(error.message()) };
    if let Some(error) = error.try_downcast_ref::<PgDatabaseError>() {
        report.detail = error.detail().map(Into::into);
        report.hint = error.hint().map(Into::into);
        report.context = error.r#where().map(Into::into);
        if let Some(PgErrorPosition::Original(number)) = error.position()
            && !sql.is_empty()
        {
            report.position = Some(Position::of_character(sql, number));
        }
    }
    report
}

/// What an error means. `sql` is what was sent, for the place in it; empty where that was not the caller's.
pub(super) fn failure(error: sqlx::Error, sql: &str) -> Error {
    match error {
        sqlx::Error::Database(error) => {
            let report = Box::new(report(&*error, sql));
            match report.state.as_deref() {
                Some("55P03") => Error::LockTimeout(report),
                Some("40P01") => Error::Deadlock(report),
                // The server ends the session with these.
                Some("57P01" | "57P02" | "57P03" | "57P05" | "25P03") => Error::Lost { cause: report.message },
                _ => Error::Statement(report),
            }
        }
        sqlx::Error::Protocol(words) if words.contains("CopyInResponse") || words.contains("CopyOutResponse") => {
            Error::ClientCommand {
                what: "COPY … FROM STDIN` or `COPY … TO STDOUT".into(),
                position: None,
                instead: "use `INSERT` or `SELECT`".into(),
            }
        }
        error => Error::Lost { cause: connection_cause(&error) },
    }
}
