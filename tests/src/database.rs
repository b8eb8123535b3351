//! Databases of a test's own: a file, or a new database on a throwaway server that `scripts/databases` started.

use sqlx::{AssertSqlSafe, Connection as _, Executor as _, Row as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// One database, which is dropped with this.
#[derive(Debug)]
pub struct Database {
    place: Place,
    runtime: tokio::runtime::Runtime,
}

#[derive(Debug)]
enum Place {
    Sqlite(PathBuf),
    Server { server: String, name: String },
}

/// An open transaction.
#[derive(Debug)]
pub enum Held {
    /// In a file.
    #[non_exhaustive]
    Sqlite {
        /// Closed when this is dropped.
        _connection: rusqlite::Connection,
    },
    /// On a server.
    #[non_exhaustive]
    Postgresql {
        /// Closed when this is dropped.
        _connection: sqlx::PgConnection,
        /// What it runs on.
        _runtime: tokio::runtime::Runtime,
    },
    /// On a server.
    #[non_exhaustive]
    Mariadb {
        /// Closed when this is dropped.
        _connection: sqlx::MySqlConnection,
        /// What it runs on.
        _runtime: tokio::runtime::Runtime,
    },
}

macro_rules! on_server {
    ($self:expr, $url:expr, $connection:ident => $work:expr) => {
        $self.runtime.block_on(async {
            if $url.starts_with("postgres") {
                let mut $connection = sqlx::PgConnection::connect($url).await.expect("PostgreSQL answers");
                $work
            } else {
                let mut $connection = sqlx::MySqlConnection::connect($url).await.expect("MariaDB answers");
                $work
            }
        })
    };
}

impl Database {
    fn at(place: Place) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        Self { place, runtime }
    }

    /// A file that may not exist yet.
    #[must_use]
    pub fn sqlite(path: &Path) -> Self {
        Self::at(Place::Sqlite(path.to_path_buf()))
    }

    /// A new database on the PostgreSQL server.
    #[must_use]
    pub fn postgresql() -> Self {
        Self::on_server("WINDLASS_TEST_POSTGRES_URL")
    }

    /// A new database on the MariaDB server.
    #[must_use]
    pub fn mariadb() -> Self {
        Self::on_server("WINDLASS_TEST_MARIADB_URL")
    }

    fn on_server(variable: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let Ok(url) = std::env::var(variable) else {
            panic!("`{variable}` is not set: run `scripts/databases start DIR` and then `. DIR/env`");
        };
        let (server, _) = url.rsplit_once('/').expect("a database in the URL");
        let name = format!("windlass_e2e_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let database = Self::at(Place::Server { server: server.into(), name: name.clone() });
        let create = format!("CREATE DATABASE {name}");
        on_server!(database, &url, connection => connection.execute(AssertSqlSafe(create)).await.map(|_| ()).expect("a new database"));
        database
    }

    /// Its URL, with the password.
    #[must_use]
    pub fn url(&self) -> String {
        match &self.place {
            Place::Sqlite(path) => format!("sqlite:{}", path.display()),
            Place::Server { server, name } => format!("{server}/{name}"),
        }
    }

    /// The password in the URL.
    #[must_use]
    pub fn password(&self) -> Option<String> {
        let url = self.url();
        let (user, _) = url.rsplit_once('@')?;
        user.rsplit_once(':').map(|(_, password)| password.to_owned())
    }

    /// Runs statements.
    pub fn run(&self, sql: &str) {
        match &self.place {
            Place::Sqlite(path) => {
                rusqlite::Connection::open(path).and_then(|connection| connection.execute_batch(sql)).expect(sql);
            }
            Place::Server { .. } => {
                let url = self.url();
                on_server!(self, &url, connection => {
                    connection.execute(sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))).await.map(|_| ()).expect(sql);
                });
            }
        }
    }

    /// Runs statements in a transaction that stays open until what is returned is dropped, and is then taken back.
    #[must_use]
    pub fn hold(&self, statements: &[&str]) -> Held {
        let sql = format!("BEGIN; {}", statements.join("; "));
        match &self.place {
            Place::Sqlite(path) => {
                let connection = rusqlite::Connection::open(path).expect("a database");
                connection.execute_batch(&sql).expect(&sql);
                Held::Sqlite { _connection: connection }
            }
            Place::Server { .. } => {
                let url = self.url();
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
                if url.starts_with("postgres") {
                    let mut connection =
                        runtime.block_on(sqlx::PgConnection::connect(&url)).expect("PostgreSQL answers");
                    runtime
                        .block_on(connection.execute(sqlx::raw_sql(AssertSqlSafe(sql))))
                        .map(|_| ())
                        .expect("a transaction");
                    Held::Postgresql { _connection: connection, _runtime: runtime }
                } else {
                    let mut connection =
                        runtime.block_on(sqlx::MySqlConnection::connect(&url)).expect("MariaDB answers");
                    runtime
                        .block_on(connection.execute(sqlx::raw_sql(AssertSqlSafe(sql))))
                        .map(|_| ())
                        .expect("a transaction");
                    Held::Mariadb { _connection: connection, _runtime: runtime }
                }
            }
        }
    }

    /// The texts in the first column.
    #[must_use]
    pub fn column(&self, sql: &str) -> Vec<String> {
        match &self.place {
            Place::Sqlite(path) => {
                if !path.exists() {
                    return vec![];
                }
                let connection = rusqlite::Connection::open(path).expect("a database");
                let mut statement = connection.prepare(sql).expect(sql);
                statement.query_map([], |row| row.get(0)).and_then(Iterator::collect).expect(sql)
            }
            Place::Server { .. } => {
                let url = self.url();
                on_server!(self, &url, connection => {
                    let rows = connection.fetch_all(AssertSqlSafe(sql.to_owned())).await.expect(sql);
                    rows.iter().map(|row| row.get(0)).collect()
                })
            }
        }
    }

    /// The tables, in order.
    #[must_use]
    pub fn tables(&self) -> Vec<String> {
        self.column(match &self.place {
            Place::Sqlite(_) => "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY 1",
            Place::Server { server, .. } if server.starts_with("postgres") => {
                "SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1"
            }
            Place::Server { .. } => {
                "SELECT CAST(table_name AS CHAR) FROM information_schema.tables WHERE table_schema = DATABASE() ORDER BY 1"
            }
        })
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let Place::Server { server, name } = &self.place else { return };
        let maintenance = if server.starts_with("postgres") { "postgres" } else { "mysql" };
        let url = format!("{server}/{maintenance}");
        let drop = format!("DROP DATABASE IF EXISTS {name}");
        on_server!(self, &url, connection => {
            // Whoever is still connected keeps it alive; the server goes away with it.
            let _ = connection.execute(AssertSqlSafe(drop)).await.map(|_| ());
        });
    }
}
