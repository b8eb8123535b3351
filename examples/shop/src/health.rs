//! What the shop says about itself.

use rusqlite::Connection;
use serde::Serialize;

/// The schema that this version of the shop needs, as the migrations number it.
const NEEDED_SCHEMA: i64 = 4;

/// Whether the shop can serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// It can.
    Ok,
    /// Its database is not there, or is older than it needs.
    Unavailable,
    /// It cannot, and waiting does not help.
    Broken,
}

/// What `/health` answers.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Health {
    /// Whether the shop can serve.
    pub status: Status,
    /// The version it was built as.
    pub version: &'static str,
    /// The commit it was built from.
    pub commit: String,
    /// The environment it serves.
    pub environment: String,
    /// How far its database's schema is, where that can be read.
    pub schema: Option<i64>,
    /// What is wrong, where something is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// Looks at the database, or at the reason why there is none.
pub fn examine(database: Result<Connection, rusqlite::Error>) -> (Status, Option<i64>, Option<String>) {
    let schema = match database {
        Err(error) => return (Status::Unavailable, None, Some(format!("the database cannot be opened: {error}"))),
        Ok(database) => schema(&database),
    };
    match schema {
        Err(error) => (Status::Broken, None, Some(format!("the schema cannot be read: {error}"))),
        Ok(schema) if schema < NEEDED_SCHEMA => {
            let problem = format!("the schema is {schema}, and {NEEDED_SCHEMA} is needed");
            (Status::Unavailable, Some(schema), Some(problem))
        }
        Ok(schema) => (Status::Ok, Some(schema), None),
    }
}

fn schema(database: &Connection) -> rusqlite::Result<i64> {
    database.query_row("SELECT version FROM schema_version", [], |row| row.get(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::{migrate, migrated};

    #[test]
    fn a_migrated_database_is_healthy() {
        assert_eq!(examine(Ok(migrated())), (Status::Ok, Some(NEEDED_SCHEMA), None));
    }

    #[test]
    fn an_older_schema_is_not_enough() {
        let database = Connection::open_in_memory().unwrap();
        migrate(&database, 3);
        let (status, schema, problem) = examine(Ok(database));
        assert_eq!((status, schema), (Status::Unavailable, Some(3)));
        assert!(problem.unwrap().contains("4 is needed"));
    }

    #[test]
    fn a_schema_that_cannot_be_read_is_broken() {
        let (status, schema, problem) = examine(Connection::open_in_memory());
        assert_eq!((status, schema), (Status::Broken, None));
        assert!(problem.unwrap().contains("no such table"));
    }

    #[test]
    fn a_database_that_is_not_there_may_come() {
        let (status, schema, _) = examine(crate::store::open("/nonexistent/shop.db".as_ref()));
        assert_eq!((status, schema), (Status::Unavailable, None));
    }
}
