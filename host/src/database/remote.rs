//! What a connection to a server needs beyond what sqlx does: that a call which is cut off also ends on the server.

use std::sync::Arc;
use std::time::Duration;

use sqlx::mysql::MySqlConnectOptions;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Executor};

use super::Error;

/// How long a server has to accept a connection.
pub(super) const CONNECT: Duration = Duration::from_secs(15);

/// How to end a session from outside, because a server that is busy does not notice that its client went away.
pub(super) enum Session {
    Postgresql { options: PgConnectOptions, process: i32 },
    Mysql { options: MySqlConnectOptions, id: u64 },
}

impl Session {
    /// Ends it, as well as that is possible: nobody waits for the answer.
    async fn end(&self) -> Result<(), sqlx::Error> {
        match self {
            Self::Postgresql { options, process } => {
                let sql = format!("select pg_terminate_backend({process})");
                options.connect().await?.execute(AssertSqlSafe(sql)).await?;
            }
            Self::Mysql { options, id } => {
                options.connect().await?.execute(AssertSqlSafe(format!("KILL {id}"))).await?;
            }
        }
        Ok(())
    }
}

/// A connection that is taken out for a call and put back after it. A call that is cut off takes it with it.
pub(super) struct Remote<C> {
    idle: Option<C>,
    session: Arc<Session>,
}

impl<C> Remote<C> {
    pub(super) fn new(connection: C, session: Session) -> Self {
        Self { idle: Some(connection), session: Arc::new(session) }
    }

    /// Runs `call` with the connection.
    pub(super) async fn run<T>(&mut self, call: impl AsyncFnOnce(&mut C) -> Result<T, Error>) -> Result<T, Error> {
        let connection = self.idle.take().ok_or_else(|| Error::Lost {
            cause: "an earlier call on it failed or was cut off, and what was open was rolled back".into(),
        })?;
        let mut running = Running { connection: Some(connection), session: Arc::clone(&self.session) };
        let result = match &mut running.connection {
            Some(connection) => call(connection).await,
            None => Err(Error::Lost { cause: "it is in use".into() }),
        };
        // Left in `running`, it is ended here and on the server.
        if !result.as_ref().is_err_and(Error::is_final) {
            self.idle = running.connection.take();
        }
        result
    }
}

struct Running<C> {
    connection: Option<C>,
    session: Arc<Session>,
}

impl<C> Drop for Running<C> {
    fn drop(&mut self) {
        if self.connection.take().is_some()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let session = Arc::clone(&self.session);
            runtime.spawn(async move {
                let ended = tokio::time::timeout(CONNECT, session.end()).await;
                tracing::debug!(ended = ended.is_ok_and(|result| result.is_ok()), "ended a session of a database");
            });
        }
    }
}
