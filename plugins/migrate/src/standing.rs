//! Where a database stands: the files against the history. Looks only, so that it serves the plan as well as the apply.

use crate::config::Config;
use crate::database::{Database, Definitions, EngineExt, Place};
use crate::files::{Migration, hex};
use crate::history::{self, Row, State};
use crate::markers::{Part, Transaction};
use crate::peers::{self, name_of};
use crate::statements::{split, transaction_control};
use sha2::{Digest, Sha256};
use windlass_plugin::Failure;
use windlass_plugin::database::Engine;

/// What is to be done.
#[derive(Debug)]
pub struct Standing<'a> {
    /// What is to be taken as applied, without being run, before anything else.
    pub adoption: Option<Adoption<'a>>,
    /// What is to be applied, in order.
    pub pending: Vec<&'a Migration>,
    /// Whether there is a history.
    pub history: bool,
}

/// Migrations that were applied before there was a history of ours.
#[derive(Debug)]
pub struct Adoption<'a> {
    /// Who says so, for a person.
    pub source: String,
    /// Which.
    pub migrations: Vec<&'a Migration>,
}

impl Adoption<'_> {
    /// What an approval binds to: who says so, and each version with its checksum.
    #[must_use]
    pub fn id(&self) -> String {
        let mut digest = Sha256::new();
        digest.update(&self.source);
        for migration in &self.migrations {
            digest.update(format!("\n{} {}", migration.version, migration.checksum));
        }
        format!("adopt@sha256:{}", hex(&digest.finalize()))
    }
}

/// Find out where the database stands.
///
/// # Errors
/// The database's, and what [`compare`] says.
pub fn look<'a>(
    database: &impl Database,
    place: &Place,
    config: &Config,
    files: &'a [Migration],
) -> Result<Standing<'a>, Failure> {
    let tables = history::tables(database)?;
    let exists = tables.contains(&place.table);
    let mut rows = if exists { history::read(database, place)? } else { vec![] };
    let adoption = if rows.is_empty() { adoption(database, place, config, files, &tables)? } else { None };
    for migration in adoption.iter().flat_map(|adoption| &adoption.migrations) {
        rows.push(Row {
            version: migration.version,
            name: migration.file.clone(),
            checksum: migration.checksum.clone(),
            run: String::new(),
            state: State::Adopted,
            position: 0,
        });
    }
    let pending = compare(files, &rows, config, place)?;
    for migration in &pending {
        check_transaction(migration, database.engine())?;
    }
    Ok(Standing { adoption, pending, history: exists })
}

fn adoption<'a>(
    database: &impl Database,
    place: &Place,
    config: &Config,
    files: &'a [Migration],
    tables: &[String],
) -> Result<Option<Adoption<'a>>, Failure> {
    let others = tables.iter().any(|table| *table != place.table);
    let chosen = |source: String, applied: &dyn Fn(i64) -> bool| {
        let migrations: Vec<_> = files.iter().filter(|file| applied(file.version)).collect();
        Ok((!migrations.is_empty()).then_some(Adoption { source, migrations }))
    };
    if let Some(baseline) = config.baseline_version()? {
        // A new and empty database, say of a developer, gets everything from the first file on.
        return if others {
            chosen(format!("baseline {}", config.baseline.as_deref().unwrap_or_default()), &|version| {
                version <= baseline
            })
        } else {
            Ok(None)
        };
    }
    let Some(tool) = config.adopt else {
        peers::refuse(database, place, tables)?;
        return Ok(None);
    };
    let Some(applied) = peers::read(database, place, tables, tool)? else {
        return if others {
            Err(Failure::misconfigured(
                "other-history",
                format!("there is no history of {} to take over", name_of(tool)),
            )
            .because("the database has tables, and none is that tool's")
            .with_note("no migration was run")
            .with_hint("take `adopt` out, or correct it"))
        } else {
            Ok(None)
        };
    };
    let absent: Vec<String> = applied
        .versions
        .iter()
        .chain(applied.up_to.iter().filter(|newest| **newest > 0))
        .filter(|version| !files.iter().any(|file| file.version == **version))
        .map(|version| format!("version {version} of {}", name_of(tool)))
        .collect();
    if !absent.is_empty() && !config.allow_missing {
        return Err(missing(&absent));
    }
    chosen(name_of(tool).into(), &|version| applied.contains(version))
}

/// The migrations that are not applied, in order.
///
/// # Errors
/// Where one broke off, its file changed or is gone since it was applied, or one would be applied behind a newer one.
pub fn compare<'a>(
    files: &'a [Migration],
    rows: &[Row],
    config: &Config,
    place: &Place,
) -> Result<Vec<&'a Migration>, Failure> {
    if let Some(row) = rows.iter().find(|row| row.state.is_dirty()) {
        return Err(history::dirty(row, place));
    }
    let applied = || rows.iter().filter(|row| row.state.is_applied());
    let file_of = |row: &Row| files.iter().find(|file| file.version == row.version);
    let changed: Vec<(&Row, &Migration)> = applied()
        .filter_map(|row| Some((row, file_of(row)?)))
        .filter(|(row, file)| row.checksum != file.checksum)
        .collect();
    if let Some((_, first)) = changed.first() {
        let mut failure = Failure::misconfigured(
            "migration-changed",
            format!("migration `{}` changed after it was applied", first.file),
        );
        for (index, (row, file)) in changed.iter().enumerate() {
            let which = if index == 0 { String::new() } else { format!("also `{}`: ", file.file) };
            failure = failure.because(format!(
                "{which}recorded sha256 `{}`, file has `{}`",
                short(&row.checksum),
                short(&file.checksum)
            ));
        }
        return Err(failure
            .with_note("no migration was run")
            .with_hint("restore the file and put the change in a new migration"));
    }
    let absent: Vec<String> =
        applied().filter(|row| file_of(row).is_none()).map(|row| format!("`{}`", row.name)).collect();
    if !absent.is_empty() && !config.allow_missing {
        return Err(missing(&absent));
    }
    let pending: Vec<&Migration> =
        files.iter().filter(|file| !applied().any(|row| row.version == file.version)).collect();
    let newest = applied().max_by_key(|row| row.version);
    match (pending.first(), newest) {
        (Some(first), Some(newest)) if first.version < newest.version && !config.out_of_order => {
            let late =
                pending.iter().filter(|file| file.version < newest.version).map(|file| format!("`{}`", file.file));
            Err(Failure::misconfigured("migration-out-of-order", format!("migration `{}` comes too late", first.file))
                .because(format!("`{}` is applied already, and not applied before it: {}", newest.name, list(late)))
                .with_note("no migration was run")
                .with_hint("give it a version after the newest, or allow it with `out-of-order = true`"))
        }
        _ => Ok(pending),
    }
}

fn missing(absent: &[String]) -> Failure {
    Failure::misconfigured("migration-missing", "the file of an applied migration is gone")
        .because(format!("applied, and not in the directory: {}", list(absent.iter().cloned())))
        .with_note("no migration was run")
        .with_hint("restore the file from the version control, or go on without it with `allow-missing = true`")
}

/// The first digits of a checksum, enough to compare by eye.
fn short(checksum: &str) -> String {
    format!("{}…", checksum.get(..12).unwrap_or(checksum))
}

/// Words one after the other, the later ones counted only.
pub fn list(words: impl Iterator<Item = String>) -> String {
    const SHOWN: usize = 10;
    let words: Vec<String> = words.collect();
    let shown = words.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    match words.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// A file that ends the transaction it is run in would be recorded beside what it did, not with it.
fn check_transaction(migration: &Migration, engine: Engine) -> Result<(), Failure> {
    if engine.definitions() == Definitions::CommitImplicitly {
        return Ok(());
    }
    let parts: [(&str, Option<&Part>); 2] = [("up", Some(&migration.up)), ("down", migration.down.as_ref())];
    for (name, part) in parts {
        let Some(part) = part.filter(|part| part.transaction == Transaction::One) else { continue };
        if let Some(statement) = transaction_control(&split(&part.sql, engine)) {
            return Err(Failure::misconfigured(
                "migration-transaction",
                format!("migration `{}` begins or ends a transaction itself", migration.file),
            )
            .because(format!(
                "there is a `{}` in its {name} part, which runs in a transaction together with its row in the history",
                statement.words[0]
            ))
            .with_note("no migration was run")
            .with_hint("take the statement out, or put `-- migrate: no-transaction` at the top of the file"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{compare, list, look};
    use crate::config::tests::config;
    use crate::database::{Database, Place};
    use crate::files::{Migration, assemble};
    use crate::history::{Row, State};
    use crate::testing::Sqlite;
    use serde_json::json;
    use windlass_plugin::Failure;

    fn files(names: &[&str]) -> Vec<Migration> {
        assemble(names.iter().map(|name| ((*name).to_owned(), format!("select '{name}';").into_bytes())).collect())
            .unwrap()
    }

    fn row(file: &Migration, state: State) -> Row {
        Row {
            version: file.version,
            name: file.file.clone(),
            checksum: file.checksum.clone(),
            run: "r1".into(),
            state,
            position: file.version,
        }
    }

    fn pending(files: &[Migration], rows: &[Row], more: &serde_json::Value) -> Result<Vec<i64>, Failure> {
        let place = Place::find(&Sqlite::in_memory(), "windlass_migrations").unwrap();
        compare(files, rows, &config(more), &place).map(|pending| pending.iter().map(|file| file.version).collect())
    }

    #[test]
    fn what_is_not_in_the_history_is_pending_and_a_reservation_is_no_application() {
        let files = files(&["1_a.sql", "2_b.sql", "3_c.sql"]);
        assert_eq!(pending(&files, &[], &json!({})).unwrap(), [1, 2, 3]);
        let rows = [row(&files[0], State::Done), row(&files[1], State::Reserved)];
        assert_eq!(pending(&files, &rows, &json!({})).unwrap(), [2, 3]);
        let rows: Vec<Row> = files.iter().map(|file| row(file, State::Adopted)).collect();
        assert_eq!(pending(&files, &rows, &json!({})).unwrap(), [0_i64; 0]);
    }

    #[test]
    fn a_changed_file_is_refused_in_these_words() {
        let files = files(&["0007_add_orders.sql"]);
        let mut row = row(&files[0], State::Done);
        row.checksum = "9f2c1e0000000000".into();
        let failure = pending(&files, &[row], &json!({})).unwrap_err();
        assert_eq!(failure.code, "migration-changed");
        assert_eq!(failure.message, "migration `0007_add_orders.sql` changed after it was applied");
        assert_eq!(
            failure.causes,
            [format!("recorded sha256 `9f2c1e000000…`, file has `{}…`", &files[0].checksum[..12])]
        );
        assert_eq!(failure.note.as_deref(), Some("no migration was run"));
        assert_eq!(failure.hint.as_deref(), Some("restore the file and put the change in a new migration"));
    }

    #[test]
    fn a_missing_file_and_a_late_one_are_refused_unless_allowed() {
        let all = files(&["1_a.sql", "2_b.sql", "3_c.sql"]);
        let rows = [row(&all[0], State::Done), row(&all[2], State::Done)];
        let failure = pending(&all, &rows, &json!({})).unwrap_err();
        assert_eq!(
            (failure.code.as_str(), failure.message.as_str()),
            ("migration-out-of-order", "migration `2_b.sql` comes too late")
        );
        assert_eq!(pending(&all, &rows, &json!({"out-of-order": true})).unwrap(), [2]);
        let failure = pending(&all[1..], &rows[..1], &json!({})).unwrap_err();
        assert_eq!(
            (failure.code.as_str(), failure.causes[0].as_str()),
            ("migration-missing", "applied, and not in the directory: `1_a.sql`")
        );
        assert_eq!(pending(&all[1..], &rows[..1], &json!({"allow-missing": true})).unwrap(), [2, 3]);
    }

    #[test]
    fn one_that_broke_off_is_for_a_person() {
        let files = files(&["1_a.sql"]);
        for state in [State::DirtyUp, State::DirtyDown] {
            let failure = pending(&files, &[row(&files[0], state)], &json!({})).unwrap_err();
            assert_eq!(failure.code, "migration-dirty");
            assert!(
                failure.hint.unwrap().contains(r#"UPDATE "windlass_migrations" SET state = 'done' WHERE version = 1"#)
            );
        }
    }

    #[test]
    fn a_database_with_a_past_is_taken_over_and_an_empty_one_is_not() {
        let all = files(&["1_a.sql", "2_b.sql", "3_c.sql"]);
        let standing = |script: &str, more: &serde_json::Value| {
            let database = Sqlite::in_memory();
            database.script(script).unwrap();
            let place = Place::find(&database, "windlass_migrations").unwrap();
            look(&database, &place, &config(more), &all).map(|standing| {
                let versions = |migrations: &[&Migration]| migrations.iter().map(|m| m.version).collect::<Vec<_>>();
                (standing.adoption.map_or(vec![], |a| versions(&a.migrations)), versions(&standing.pending))
            })
        };
        let baseline = json!({"baseline": "0002"});
        assert_eq!(standing("CREATE TABLE orders (id)", &baseline).unwrap(), (vec![1, 2], vec![3]));
        assert_eq!(standing("", &baseline).unwrap(), (vec![], vec![1, 2, 3]));
        let adopt = json!({"adopt": "dbmate"});
        let dbmate = "CREATE TABLE schema_migrations (version varchar); INSERT INTO schema_migrations VALUES ('1')";
        assert_eq!(standing(dbmate, &adopt).unwrap(), (vec![1], vec![2, 3]));
        assert_eq!(standing("", &adopt).unwrap(), (vec![], vec![1, 2, 3]));
        assert_eq!(standing("CREATE TABLE orders (id)", &adopt).unwrap_err().code, "other-history");
        assert_eq!(standing(dbmate, &json!({})).unwrap_err().code, "other-history");
        assert_eq!(standing(dbmate, &json!({"baseline": "0"})).unwrap(), (vec![], vec![1, 2, 3]));
        let gone = "CREATE TABLE schema_migrations (version varchar); INSERT INTO schema_migrations VALUES ('9')";
        assert_eq!(standing(gone, &adopt).unwrap_err().code, "migration-missing");
    }

    #[test]
    fn a_file_that_ends_its_transaction_is_refused() {
        let database = Sqlite::in_memory();
        let place = Place::find(&database, "windlass_migrations").unwrap();
        let read = |text: &str| {
            let files = assemble(vec![("1_a.sql".into(), text.as_bytes().to_vec())]).unwrap();
            look(&database, &place, &config(&json!({})), &files).map(|standing| standing.pending.len())
        };
        assert_eq!(read("create table a (b); commit;").unwrap_err().code, "migration-transaction");
        assert_eq!(
            read("-- migrate:up\nselect 1;\n-- migrate:down\nbegin;").unwrap_err().code,
            "migration-transaction"
        );
        assert_eq!(read("-- migrate: no-transaction\nbegin; create table a (b); commit;").unwrap(), 1);
    }

    #[test]
    fn long_lists_are_cut() {
        assert_eq!(list((1..=12).map(|number| number.to_string())), "1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 2 more");
    }
}
