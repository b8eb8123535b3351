//! A server behind the step's own trait.

use migrate::config::Config;
use migrate::database::{Database, Engine, Rows, Value};
use migrate::files::{Migration, assemble};
use migrate::record::Record;
use migrate::session::Session;
use migrate::surroundings::Surroundings;
use sqlx::{AssertSqlSafe, Column as _, Connection as _, Executor as _, Row as _, TypeInfo as _, ValueRef as _};
use std::cell::RefCell;
use std::sync::atomic::{AtomicU32, Ordering};
use windlass_plugin::{Failure, Intent, Outcome, Verdict};

/// One connection.
pub(crate) struct Server {
    runtime: tokio::runtime::Runtime,
    client: RefCell<Client>,
    engine: Engine,
}

enum Client {
    Postgresql(sqlx::PgConnection),
    Mariadb(sqlx::MySqlConnection),
}

fn failed(error: &sqlx::Error) -> Failure {
    let words = match error {
        sqlx::Error::Database(error) => error.message().to_owned(),
        other => return Failure::unavailable("database-unreachable", "the connection was lost").because(other),
    };
    Failure::check_failed("database-error", "the database refused a statement").because(words)
}

macro_rules! decode {
    ($row:expr, $index:expr) => {{
        let raw = $row.try_get_raw($index).unwrap();
        if raw.is_null() {
            Value::Null
        } else {
            match raw.type_info().name() {
                "BOOL" | "BOOLEAN" => Value::Boolean($row.get($index)),
                "INT4" | "INT" => Value::Integer($row.get::<i32, _>($index).into()),
                "INT8" | "BIGINT" => Value::Integer($row.get($index)),
                "VARCHAR" | "CHAR" | "TEXT" => Value::Text($row.get($index)),
                other => panic!("a query asks for a column of type {other}"),
            }
        }
    }};
}

macro_rules! bind {
    ($sql:expr, $parameters:expr) => {{
        let mut query = sqlx::query(AssertSqlSafe($sql.to_owned()));
        for parameter in $parameters {
            query = match parameter {
                Value::Integer(number) => query.bind(*number),
                Value::Text(text) => query.bind(text.clone()),
                other => panic!("a query is given {other:?}"),
            };
        }
        query
    }};
}

macro_rules! rows {
    ($self:expr, $client:expr, $sql:expr, $parameters:expr) => {{
        let rows =
            $self.runtime.block_on(bind!($sql, $parameters).fetch_all($client)).map_err(|error| failed(&error))?;
        let columns =
            rows.first().map_or(vec![], |row| row.columns().iter().map(|column| column.name().to_owned()).collect());
        let rows = rows.iter().map(|row| (0..row.len()).map(|index| decode!(row, index)).collect()).collect();
        Ok(Rows { columns, rows })
    }};
}

impl Database for Server {
    fn engine(&self) -> Engine {
        self.engine
    }

    fn execute(&self, sql: &str, parameters: &[Value]) -> Result<u64, Failure> {
        match &mut *self.client.borrow_mut() {
            Client::Postgresql(client) => {
                let done = self.runtime.block_on(bind!(sql, parameters).execute(client));
                done.map(|done| done.rows_affected()).map_err(|error| failed(&error))
            }
            Client::Mariadb(client) => {
                let done = self.runtime.block_on(bind!(sql, parameters).execute(client));
                done.map(|done| done.rows_affected()).map_err(|error| failed(&error))
            }
        }
    }

    fn query(&self, sql: &str, parameters: &[Value]) -> Result<Rows, Failure> {
        match &mut *self.client.borrow_mut() {
            Client::Postgresql(client) => rows!(self, client, sql, parameters),
            Client::Mariadb(client) => rows!(self, client, sql, parameters),
        }
    }

    fn script(&self, sql: &str) -> Result<(), Failure> {
        let sql = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
        let done = match &mut *self.client.borrow_mut() {
            Client::Postgresql(client) => self.runtime.block_on(client.execute(sql)).map(|_| ()),
            Client::Mariadb(client) => self.runtime.block_on(client.execute(sql)).map(|_| ()),
        };
        done.map_err(|error| failed(&error))
    }
}

impl Server {
    fn connect(url: &str, engine: Engine) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let client = match engine {
            Engine::Postgresql => Client::Postgresql(runtime.block_on(sqlx::PgConnection::connect(url)).unwrap()),
            _ => Client::Mariadb(runtime.block_on(sqlx::MySqlConnection::connect(url)).unwrap()),
        };
        Self { runtime, client: RefCell::new(client), engine }
    }

    /// All texts or numbers of the first column.
    pub(crate) fn column(&self, sql: &str) -> Vec<String> {
        let rows = self.query(sql, &[]).unwrap();
        rows.rows
            .iter()
            .map(|row| {
                row[0].as_text().map_or_else(|| row[0].as_integer().unwrap().to_string(), std::borrow::Cow::into_owned)
            })
            .collect()
    }
}

/// A database of one test.
pub(crate) struct Shop {
    url: String,
    engine: Engine,
}

impl Shop {
    pub(crate) fn new(variable: &str, engine: Engine) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let Ok(url) = std::env::var(variable) else { panic!("set `{variable}` to the URL of a throwaway server") };
        let name = format!("windlass_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        Server::connect(&url, engine).script(&format!("CREATE DATABASE {name}")).unwrap();
        let (server, _) = url.rsplit_once('/').unwrap();
        Self { url: format!("{server}/{name}"), engine }
    }

    pub(crate) fn open(&self) -> Server {
        Server::connect(&self.url, self.engine)
    }

    pub(crate) fn apply(&self, run: &Run, files: &[(&str, &str)], more: &str) -> Result<Outcome, Failure> {
        let (server, config) = (self.open(), config(more));
        Session::new(&server, &config, run)?.apply(&migrations(files))
    }

    pub(crate) fn revert(&self, run: &Run) -> Result<Outcome, Failure> {
        let (server, config, other) = (self.open(), config("{}"), Run::new("another run"));
        Session::new(&server, &config, &other)?.revert(&run.records.borrow())
    }

    pub(crate) fn probe(&self, run: &Run) -> Verdict {
        let (server, config, other) = (self.open(), config("{}"), Run::new("another run"));
        Session::new(&server, &config, &other).unwrap().probe(&run.records.borrow()).unwrap()
    }

    /// As the host plans: in a transaction that cannot write.
    pub(crate) fn plan(&self, files: &[(&str, &str)], more: &str) -> Result<Vec<Intent>, Failure> {
        let server = self.open();
        let begin = if self.engine == Engine::Postgresql { "BEGIN READ ONLY" } else { "START TRANSACTION READ ONLY" };
        server.script(begin).unwrap();
        migrate::plan::plan(&server, &config(more), &migrations(files))
    }

    pub(crate) fn tables(&self) -> Vec<String> {
        let mut tables = migrate::history::tables(&self.open()).unwrap();
        tables.sort();
        tables
    }

    pub(crate) fn states(&self) -> Vec<String> {
        self.open().column("SELECT state FROM windlass_migrations ORDER BY position")
    }
}

pub(crate) fn config(more: &str) -> Config {
    let mut config: serde_json::Value = serde_json::from_str(more).unwrap();
    config["directory"] = "db".into();
    config["database"] = serde_json::json!({"secret": "DATABASE_URL"});
    serde_json::from_value(config).unwrap()
}

pub(crate) fn migrations(files: &[(&str, &str)]) -> Vec<Migration> {
    assemble(files.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())).collect()).unwrap()
}

/// A run, and what it was told.
pub(crate) struct Run {
    id: &'static str,
    pub(crate) records: RefCell<Vec<Record>>,
    pub(crate) said: RefCell<Vec<String>>,
}

impl Run {
    pub(crate) fn new(id: &'static str) -> Self {
        Self { id, records: RefCell::default(), said: RefCell::default() }
    }
}

impl Surroundings for Run {
    fn run(&self) -> String {
        self.id.into()
    }

    fn record(&self, record: &Record) -> Result<(), Failure> {
        self.records.borrow_mut().push(record.clone());
        Ok(())
    }

    fn info(&self, message: &str) {
        self.said.borrow_mut().push(message.into());
    }

    fn warn(&self, message: &str) {
        self.said.borrow_mut().push(format!("warning: {message}"));
    }

    fn progress(&self, _: &str, _: u64, _: u64) {}

    fn tell(&self, _: &[(&str, &str)]) {}
}

/// Three runs at once; how many migrations they applied together.
pub(crate) fn race(shop: &Shop, files: &[(&str, &str)]) -> usize {
    std::thread::scope(|scope| {
        let runs = ["r1", "r2", "r3"].map(|run| {
            scope.spawn(move || {
                let outcome = shop.apply(&Run::new(run), files, "{}").unwrap();
                outcome.outputs.iter().find(|(name, _)| name == "applied").unwrap().1.parse::<usize>().unwrap()
            })
        });
        runs.into_iter().map(|run| run.join().unwrap()).sum()
    })
}
