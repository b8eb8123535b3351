//! The database behind a small trait, and what is said differently to each kind.

use windlass_plugin::Failure;
pub use windlass_plugin::database::{Connection, Engine, Rows, Value};

/// One open connection.
pub trait Database {
    /// What kind of database it is.
    fn engine(&self) -> Engine;

    /// Run one statement and return the number of rows it changed.
    ///
    /// # Errors
    /// The database's, verbatim in the causes.
    fn execute(&self, sql: &str, parameters: &[Value]) -> Result<u64, Failure>;

    /// Run one statement that returns rows. While a plan is made this is all there is.
    ///
    /// # Errors
    /// As [`Database::execute`].
    fn query(&self, sql: &str, parameters: &[Value]) -> Result<Rows, Failure>;

    /// Run statements as they stand in a file.
    ///
    /// # Errors
    /// As [`Database::execute`].
    fn script(&self, sql: &str) -> Result<(), Failure>;
}

impl Database for Connection {
    fn engine(&self) -> Engine {
        Connection::engine(self)
    }

    fn execute(&self, sql: &str, parameters: &[Value]) -> Result<u64, Failure> {
        Connection::execute(self, sql, parameters)
    }

    fn query(&self, sql: &str, parameters: &[Value]) -> Result<Rows, Failure> {
        Connection::query(self, sql, parameters)
    }

    fn script(&self, sql: &str) -> Result<(), Failure> {
        Connection::script(self, sql)
    }
}

/// Whether statements that change the schema can be rolled back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Definitions {
    /// They are part of the transaction.
    Transactional,
    /// Each commits what is open (MySQL, MariaDB).
    CommitImplicitly,
}

/// What [`Engine`] means for this step.
pub trait EngineExt {
    /// Whether it is MySQL or MariaDB.
    fn is_mysql(&self) -> bool;
    /// What its schema changes do to a transaction.
    fn definitions(&self) -> Definitions;
    /// Replace each `?` by the engine's placeholder. The text must hold no other question mark.
    fn placeholders(&self, sql: &str) -> String;
    /// What begins a transaction that writes.
    fn begin(&self) -> &'static str;
}

impl EngineExt for Engine {
    fn is_mysql(&self) -> bool {
        matches!(self, Self::Mysql | Self::Mariadb)
    }

    fn definitions(&self) -> Definitions {
        if self.is_mysql() { Definitions::CommitImplicitly } else { Definitions::Transactional }
    }

    fn placeholders(&self, sql: &str) -> String {
        if *self != Self::Postgresql {
            return sql.into();
        }
        let mut parts = sql.split('?');
        let mut text = parts.next().unwrap_or_default().to_owned();
        for (index, part) in parts.enumerate() {
            text.push_str(&format!("${}", index + 1));
            text.push_str(part);
        }
        text
    }

    fn begin(&self) -> &'static str {
        match self {
            // Takes the write lock at once, so that what is read next stays true.
            Self::Sqlite => "BEGIN IMMEDIATE",
            Self::Postgresql => "BEGIN",
            Self::Mysql | Self::Mariadb => "START TRANSACTION",
        }
    }
}

/// The history's place: fixed at the start, because a migration may change the search path or the current database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The schema (PostgreSQL) or database (MySQL); none for SQLite.
    pub schema: Option<String>,
    /// The table's name.
    pub table: String,
    /// PostgreSQL's search path as the connection began with it.
    pub search_path: Option<String>,
    engine: Engine,
}

impl Place {
    /// Find out where a table of this name would be.
    ///
    /// # Errors
    /// The database's, and `misconfigured` where the connection has no schema or database.
    pub fn find(database: &impl Database, table: &str) -> Result<Self, Failure> {
        let engine = database.engine();
        let sql = match engine {
            Engine::Sqlite => return Ok(Self { schema: None, table: table.into(), search_path: None, engine }),
            Engine::Postgresql => "SELECT CAST(current_schema() AS text), current_setting('search_path')",
            Engine::Mysql | Engine::Mariadb => "SELECT CAST(DATABASE() AS CHAR)",
        };
        let rows = database.query(sql, &[])?;
        let cell = |index: usize| {
            rows.rows.first().and_then(|row| row.get(index)).and_then(Value::as_text).map(std::borrow::Cow::into_owned)
        };
        let Some(schema) = cell(0) else {
            let what = if engine == Engine::Postgresql { "schema" } else { "database" };
            return Err(Failure::misconfigured("no-schema", format!("the connection is in no {what}"))
                .because(format!("the {what} in which the tables are to be made does not exist, or the URL names none"))
                .with_hint(format!("create the {what}, or correct the URL")));
        };
        Ok(Self { schema: Some(schema), table: table.into(), search_path: cell(1), engine })
    }

    /// The table's name in full, quoted.
    #[must_use]
    pub fn quoted(&self) -> String {
        self.quoted_sibling(&self.table)
    }

    /// The name in full of another table in the same place, quoted.
    #[must_use]
    pub fn quoted_sibling(&self, table: &str) -> String {
        let quote = if self.engine.is_mysql() { '`' } else { '"' };
        let quoted = |name: &str| format!("{quote}{}{quote}", name.replace(quote, &format!("{quote}{quote}")));
        match &self.schema {
            Some(schema) => format!("{}.{}", quoted(schema), quoted(table)),
            None => quoted(table),
        }
    }

    /// A text that is the same for all runs that share this history, and for no others.
    #[must_use]
    pub fn identity(&self) -> String {
        format!("windlass migrate {}", self.quoted())
    }
}

/// Make the session as every migration expects it: the timeouts as configured, and the search path as it began, which the
/// migration before may have changed.
///
/// # Errors
/// The database's.
pub fn prepare(
    database: &impl Database,
    place: &Place,
    lock_timeout: windlass_plugin::Duration,
    statement_timeout: Option<windlass_plugin::Duration>,
) -> Result<(), Failure> {
    let lock = lock_timeout.milliseconds().clamp(1, 1 << 30);
    let statement = statement_timeout.map(|timeout| timeout.milliseconds().clamp(1, 1 << 30));
    match database.engine() {
        Engine::Sqlite => Ok(()),
        Engine::Postgresql => {
            database.script(&format!("SET lock_timeout = {lock}"))?;
            if let Some(statement) = statement {
                database.script(&format!("SET statement_timeout = {statement}"))?;
            }
            let Some(path) = &place.search_path else { return Ok(()) };
            database.query("SELECT set_config('search_path', $1, false)", &[path.as_str().into()]).map(|_| ())
        }
        engine @ (Engine::Mysql | Engine::Mariadb) => {
            let seconds = lock.div_ceil(1000);
            database.script(&format!("SET SESSION lock_wait_timeout = {seconds}"))?;
            database.script(&format!("SET SESSION innodb_lock_wait_timeout = {seconds}"))?;
            if let (Engine::Mariadb, Some(statement)) = (engine, statement) {
                let (seconds, rest) = (statement / 1000, statement % 1000);
                database.script(&format!("SET SESSION max_statement_time = {seconds}.{rest:03}"))?;
            }
            if let Some(schema) = &place.schema {
                database.script(&format!("USE `{}`", schema.replace('`', "``")))?;
            }
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{EngineExt, Place};
    use windlass_plugin::database::Engine;

    #[test]
    fn placeholders_are_numbered_for_postgresql_only() {
        assert_eq!(Engine::Postgresql.placeholders("a = ? AND b = ?"), "a = $1 AND b = $2");
        assert_eq!(Engine::Sqlite.placeholders("a = ? AND b = ?"), "a = ? AND b = ?");
    }

    #[test]
    fn names_are_quoted_in_each_engines_way() {
        let place = |engine, schema: Option<&str>| Place {
            schema: schema.map(Into::into),
            table: "history".into(),
            search_path: None,
            engine,
        };
        assert_eq!(place(Engine::Sqlite, None).quoted(), r#""history""#);
        assert_eq!(place(Engine::Postgresql, Some(r#"a"b"#)).quoted(), r#""a""b"."history""#);
        assert_eq!(place(Engine::Mariadb, Some("a`b")).quoted_sibling("c"), "`a``b`.`c`");
    }
}
