//! The histories that other tools leave: recognised, so that nothing is applied twice, and read where that is simple.

use crate::config::Tool;
use crate::database::{Database, Place};
use std::collections::BTreeSet;
use windlass_plugin::Failure;
use windlass_plugin::database::{Engine, Rows, Value};

/// The table of a tool.
fn table_of(tool: Tool) -> &'static str {
    match tool {
        Tool::Flyway => "flyway_schema_history",
        Tool::GolangMigrate | Tool::Dbmate | Tool::Rails => "schema_migrations",
        Tool::Sqlx => "_sqlx_migrations",
        Tool::Refinery => "refinery_schema_history",
        Tool::Goose => "goose_db_version",
    }
}

/// The tool's name as the configuration has it.
#[must_use]
pub fn name_of(tool: Tool) -> &'static str {
    match tool {
        Tool::Flyway => "flyway",
        Tool::GolangMigrate => "golang-migrate",
        Tool::Dbmate => "dbmate",
        Tool::Rails => "rails",
        Tool::Sqlx => "sqlx",
        Tool::Refinery => "refinery",
        Tool::Goose => "goose",
    }
}

/// Tables of tools whose history is not read.
const UNREAD: [(&str, &str); 7] = [
    ("databasechangelog", "Liquibase"),
    ("alembic_version", "Alembic"),
    ("django_migrations", "Django"),
    ("knex_migrations", "Knex"),
    ("_prisma_migrations", "Prisma"),
    ("__diesel_schema_migrations", "Diesel"),
    ("__EFMigrationsHistory", "Entity Framework"),
];

/// Whether a table is how some tool keeps its history.
#[must_use]
pub fn is_history(table: &str) -> bool {
    const READ: [Tool; 5] = [Tool::Flyway, Tool::GolangMigrate, Tool::Sqlx, Tool::Refinery, Tool::Goose];
    READ.into_iter().any(|tool| table_of(tool) == table)
        || UNREAD.iter().any(|(name, _)| name.eq_ignore_ascii_case(table))
}

/// Refuse a database that another tool has migrated, as long as nobody said what to make of it.
///
/// # Errors
/// `misconfigured`, with the line that helps.
pub fn refuse(database: &impl Database, place: &Place, tables: &[String]) -> Result<(), Failure> {
    let Some(table) = tables.iter().find(|table| is_history(table)) else { return Ok(()) };
    let adopt = |tool: Tool| (name_of(tool), Some(format!("adopt = \"{}\"", name_of(tool))));
    let (who, line) = match table.as_str() {
        "flyway_schema_history" => adopt(Tool::Flyway),
        "_sqlx_migrations" => adopt(Tool::Sqlx),
        "refinery_schema_history" => adopt(Tool::Refinery),
        "goose_db_version" => adopt(Tool::Goose),
        "schema_migrations" if has_dirty_column(database, place)? => adopt(Tool::GolangMigrate),
        "schema_migrations" => ("dbmate or rails", Some("adopt = \"dbmate\"` or `adopt = \"rails\"".into())),
        other => (
            UNREAD.iter().find(|(name, _)| name.eq_ignore_ascii_case(other)).map_or("another tool", |(_, who)| *who),
            None,
        ),
    };
    let hint = match line {
        Some(line) => {
            format!("write `{line}` to go on from there, or `baseline` with the newest version that is applied")
        }
        None => "write `baseline` with the newest version that is applied, for example `baseline = \"0007\"`".into(),
    };
    Err(Failure::misconfigured(
        "other-history",
        "the database was migrated by another tool, and it is not said what to make of that",
    )
    .because(format!("there is a table `{table}`, which is the history of {who}, and no table `{}`", place.table))
    .with_note("no migration was run")
    .with_hint(hint))
}

/// golang-migrate's table has a column `dirty`; dbmate's and Rails's of the same name has none.
fn has_dirty_column(database: &impl Database, place: &Place) -> Result<bool, Failure> {
    let sql = match database.engine() {
        Engine::Sqlite => "SELECT sql FROM sqlite_master WHERE name = 'schema_migrations'",
        Engine::Postgresql => {
            "SELECT CAST(column_name AS text) FROM information_schema.columns \
             WHERE table_name = 'schema_migrations' AND table_schema = current_schema()"
        }
        Engine::Mysql | Engine::Mariadb => {
            "SELECT CAST(column_name AS CHAR) FROM information_schema.columns \
             WHERE table_name = 'schema_migrations' AND table_schema = DATABASE()"
        }
    };
    let rows = database.query(sql, &[]).map_err(|failure| unread(failure, place))?;
    Ok(rows.rows.iter().flatten().filter_map(Value::as_text).any(|text| {
        text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').any(|word| word.eq_ignore_ascii_case("dirty"))
    }))
}

fn unread(failure: Failure, place: &Place) -> Failure {
    let note = format!("the history of another tool could not be read; table `{}` was not made", place.table);
    failure.with_note(note)
}

/// What a tool's history says is applied.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Applied {
    /// Up to this version everything.
    pub up_to: Option<i64>,
    /// And these.
    pub versions: BTreeSet<i64>,
}

impl Applied {
    /// Whether a version is among them.
    #[must_use]
    pub fn contains(&self, version: i64) -> bool {
        self.up_to.is_some_and(|newest| version <= newest) || self.versions.contains(&version)
    }
}

/// Read a tool's history. None where its table is not there.
///
/// # Errors
/// The database's, and `check-failed` where the history says that a migration failed or is not understood.
pub fn read(
    database: &impl Database,
    place: &Place,
    tables: &[String],
    tool: Tool,
) -> Result<Option<Applied>, Failure> {
    let name = table_of(tool);
    if !tables.iter().any(|table| table == name) {
        return Ok(None);
    }
    let table = place.quoted_sibling(name);
    let char_type =
        if database.engine() == Engine::Postgresql || database.engine() == Engine::Sqlite { "text" } else { "CHAR" };
    // Versions are asked for as text: what one tool keeps as a number is a text to the next.
    let sql = match tool {
        Tool::Flyway => format!(
            "SELECT CAST(version AS {char_type}), success, CAST(type AS {char_type}) FROM {table} ORDER BY installed_rank"
        ),
        Tool::GolangMigrate => format!("SELECT CAST(version AS {char_type}), dirty FROM {table}"),
        Tool::Dbmate | Tool::Rails | Tool::Refinery => format!("SELECT CAST(version AS {char_type}) FROM {table}"),
        Tool::Sqlx => format!("SELECT CAST(version AS {char_type}), success FROM {table}"),
        Tool::Goose => format!("SELECT CAST(version_id AS {char_type}), is_applied FROM {table} ORDER BY id"),
    };
    let rows = database.query(&sql, &[]).map_err(|failure| unread(failure, place))?;
    understand(tool, &rows).map(Some).map_err(|cause| {
        Failure::check_failed("other-history", format!("the history of {} cannot be taken over", name_of(tool)))
            .because(cause)
            .with_note("no migration was run")
            .with_hint(format!(
                "set it right with {} itself, or write `baseline` with the newest version that is applied instead of `adopt`",
                name_of(tool)
            ))
    })
}

fn understand(tool: Tool, rows: &Rows) -> Result<Applied, String> {
    let mut applied = Applied::default();
    for row in &rows.rows {
        let text = row.first().and_then(Value::as_text);
        let flag = row.get(1).and_then(Value::as_boolean);
        let Some(text) = text else {
            // Flyway's repeatable migrations have no version.
            if tool == Tool::Flyway { continue } else { return Err("a row has no version".into()) }
        };
        let version: i64 =
            text.trim().parse().map_err(|_| format!("version `{text}` is no number, as file names need one here"))?;
        let unclear = || format!("it does not say whether version `{text}` succeeded");
        match tool {
            Tool::Dbmate | Tool::Rails | Tool::Refinery => {
                applied.versions.insert(version);
            }
            Tool::GolangMigrate if flag.ok_or_else(unclear)? => {
                return Err(format!("version `{text}` is dirty"));
            }
            Tool::GolangMigrate => applied.up_to = Some(version),
            Tool::Goose if flag.ok_or_else(unclear)? => {
                applied.versions.insert(version);
            }
            Tool::Goose => {
                applied.versions.remove(&version);
            }
            Tool::Flyway | Tool::Sqlx if !flag.ok_or_else(unclear)? => {
                return Err(format!("version `{text}` failed, or is only partly applied"));
            }
            Tool::Sqlx => {
                applied.versions.insert(version);
            }
            Tool::Flyway => match row.get(2).and_then(Value::as_text).as_deref() {
                Some("BASELINE" | "SQL_BASELINE") => applied.up_to = applied.up_to.max(Some(version)),
                Some("DELETE") => {
                    applied.versions.remove(&version);
                }
                Some(undo) if undo.starts_with("UNDO") => {
                    applied.versions.remove(&version);
                }
                _ => {
                    applied.versions.insert(version);
                }
            },
        }
    }
    // goose begins each history with a version 0 that is no migration.
    applied.versions.remove(&0);
    Ok(applied)
}

#[cfg(test)]
mod tests {
    use super::{Applied, read, refuse};
    use crate::config::Tool;
    use crate::database::{Database, Place};
    use crate::history::tables;
    use crate::testing::Sqlite;

    fn adopted(script: &str, tool: Tool) -> Result<Option<Applied>, windlass_plugin::Failure> {
        let database = Sqlite::in_memory();
        database.script(script).unwrap();
        let place = Place::find(&database, "windlass_migrations").unwrap();
        read(&database, &place, &tables(&database).unwrap(), tool)
    }

    fn versions(script: &str, tool: Tool) -> Vec<i64> {
        let applied = adopted(script, tool).unwrap().unwrap();
        (0..=10).filter(|version| applied.contains(*version) && *version > 0).collect()
    }

    const FLYWAY: &str = "CREATE TABLE flyway_schema_history (installed_rank int, version varchar(50), type varchar(20), success boolean);";

    #[test]
    fn each_tools_history_is_read() {
        let flyway = format!(
            "{FLYWAY} INSERT INTO flyway_schema_history VALUES (1, '2', 'BASELINE', 1), (2, '3', 'SQL', 1), \
             (3, NULL, 'SQL', 1), (4, '4', 'SQL', 1), (5, '4', 'UNDO_SQL', 1)"
        );
        assert_eq!(versions(&flyway, Tool::Flyway), [1, 2, 3]);
        let golang =
            "CREATE TABLE schema_migrations (version uint64, dirty bool); INSERT INTO schema_migrations VALUES (3, 0)";
        assert_eq!(versions(golang, Tool::GolangMigrate), [1, 2, 3]);
        let dbmate = "CREATE TABLE schema_migrations (version varchar(128)); INSERT INTO schema_migrations VALUES ('0001'), ('3')";
        assert_eq!(versions(dbmate, Tool::Dbmate), [1, 3]);
        let sqlx = "CREATE TABLE _sqlx_migrations (version bigint, success boolean); INSERT INTO _sqlx_migrations VALUES (1, 1), (2, 1)";
        assert_eq!(versions(sqlx, Tool::Sqlx), [1, 2]);
        let refinery =
            "CREATE TABLE refinery_schema_history (version int4); INSERT INTO refinery_schema_history VALUES (1)";
        assert_eq!(versions(refinery, Tool::Refinery), [1]);
        let goose = "CREATE TABLE goose_db_version (id integer, version_id integer, is_applied integer); \
                     INSERT INTO goose_db_version VALUES (1, 0, 1), (2, 1, 1), (3, 2, 1), (4, 2, 0)";
        assert_eq!(versions(goose, Tool::Goose), [1]);
    }

    #[test]
    fn a_history_with_a_failure_in_it_is_not_taken_over() {
        for (script, tool, cause) in [
            (
                "CREATE TABLE schema_migrations (version uint64, dirty bool); INSERT INTO schema_migrations VALUES (3, 1)",
                Tool::GolangMigrate,
                "version `3` is dirty",
            ),
            (
                "CREATE TABLE _sqlx_migrations (version bigint, success boolean); INSERT INTO _sqlx_migrations VALUES (1, 0)",
                Tool::Sqlx,
                "version `1` failed, or is only partly applied",
            ),
            (
                "CREATE TABLE schema_migrations (version varchar(128)); INSERT INTO schema_migrations VALUES ('1.2')",
                Tool::Dbmate,
                "version `1.2` is no number, as file names need one here",
            ),
        ] {
            let failure = adopted(script, tool).unwrap_err();
            assert_eq!((failure.code.as_str(), failure.causes[0].as_str()), ("other-history", cause));
        }
        assert_eq!(adopted("", Tool::Flyway).unwrap(), None);
    }

    #[test]
    fn a_database_of_another_tool_is_refused_with_the_line_that_helps() {
        for (script, says) in [
            (FLYWAY, "write `adopt = \"flyway\"` to go on from there"),
            ("CREATE TABLE schema_migrations (version uint64, dirty bool)", "write `adopt = \"golang-migrate\"` to"),
            (
                "CREATE TABLE schema_migrations (version varchar)",
                "write `adopt = \"dbmate\"` or `adopt = \"rails\"` to",
            ),
            ("CREATE TABLE DATABASECHANGELOG (id int)", "write `baseline` with the newest version"),
        ] {
            let database = Sqlite::in_memory();
            database.script(script).unwrap();
            let place = Place::find(&database, "windlass_migrations").unwrap();
            let failure = refuse(&database, &place, &tables(&database).unwrap()).unwrap_err();
            assert_eq!(failure.code, "other-history");
            assert!(failure.hint.as_deref().unwrap().starts_with(says), "{:?}", failure.hint);
        }
        let database = Sqlite::in_memory();
        database.script("CREATE TABLE orders (id int)").unwrap();
        let place = Place::find(&database, "windlass_migrations").unwrap();
        assert!(refuse(&database, &place, &tables(&database).unwrap()).is_ok());
    }
}
