//! What `apply` would do, for a person and for an approval. Looks only.

use crate::config::Config;
use crate::database::{Database, Place};
use crate::files::Migration;
use crate::history::DIRTY;
use crate::lock::is_held;
use crate::markers::Transaction;
use crate::standing::look;
use windlass_plugin::{Failure, FailureKind, Intent};

/// The most of a migration's statements that is shown, in characters.
const DETAIL_LIMIT: usize = 8_000;

/// What is pending in a database.
///
/// # Errors
/// Where the files or the history are not as they must be, or the database says something unexpected.
pub fn plan(database: &impl Database, config: &Config, files: &[Migration]) -> Result<Vec<Intent>, Failure> {
    let place = Place::find(database, &config.table)?;
    let standing = match look(database, &place, config, files) {
        // It looks broken off, and is under way: where definitions commit at once, others see a migration half done.
        Err(failure) if failure.code == DIRTY && is_held(database, &place)? => {
            let summary = "another run migrates the database at this moment, so what is pending is not known";
            return Ok(vec![Intent::unknown("database", summary)]);
        }
        standing => standing?,
    };
    let mut intents = vec![];
    if let Some(adoption) = &standing.adoption {
        let count = adoption.migrations.len();
        let noun = if count == 1 { "migration" } else { "migrations" };
        let names: Vec<&str> = adoption.migrations.iter().map(|file| file.file.as_str()).collect();
        intents.push(
            Intent::changes(
                adoption.id(),
                format!("take {count} {noun} as applied without running them ({})", adoption.source),
            )
            .with_detail(bounded(&names.join("\n"))),
        );
    }
    intents.extend(standing.pending.iter().map(|migration| intent(migration)));
    Ok(intents)
}

fn intent(migration: &Migration) -> Intent {
    let id = format!("{}@sha256:{}", migration.label, migration.checksum);
    let mut summary = format!("apply {} {}", migration.label, migration.title);
    if migration.up.transaction == Transaction::None {
        summary.push_str(", without a transaction");
    }
    let intent = if migration.down.is_some() {
        Intent::changes(id, summary)
    } else {
        Intent::irreversible(id, format!("{summary}, irreversible: it has no down part"))
    };
    intent.with_detail(bounded(migration.up.sql.trim_end()))
}

fn bounded(text: &str) -> String {
    match text.char_indices().nth(DETAIL_LIMIT) {
        Some((end, _)) => format!("{}\n… and {} more characters", &text[..end], text[end..].chars().count()),
        None => text.into(),
    }
}

/// What a plan says where the database cannot be looked at.
///
/// # Errors
/// The failure itself, where it is not that the database is out of reach.
pub fn unreachable(failure: Failure) -> Result<Vec<Intent>, Failure> {
    if failure.kind != FailureKind::Unavailable {
        return Err(failure);
    }
    let detail = std::iter::once(failure.message).chain(failure.causes).collect::<Vec<_>>().join("\n");
    Ok(vec![
        Intent::unknown("database", "the database cannot be reached, so what is pending is not known")
            .with_detail(detail),
    ])
}

#[cfg(test)]
mod tests {
    use super::{DETAIL_LIMIT, bounded, plan, unreachable};
    use crate::config::tests::config;
    use crate::database::Database;
    use crate::files::{Migration, assemble};
    use crate::testing::Sqlite;
    use serde_json::json;
    use windlass_plugin::{Effect, Failure};

    fn files(files: &[(&str, &str)]) -> Vec<Migration> {
        assemble(files.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())).collect()).unwrap()
    }

    #[test]
    fn each_pending_migration_is_one_intent() {
        let files = files(&[
            ("0001_add_orders.up.sql", "create table orders (id);\n"),
            ("0001_add_orders.down.sql", "drop table orders;\n"),
            ("0002_shrink.sql", "-- migrate: no-transaction\nvacuum;"),
        ]);
        let intents = plan(&Sqlite::in_memory().read_only(), &config(&json!({})), &files).unwrap();
        assert_eq!(intents.len(), 2);
        assert_eq!(intents[0].id, format!("0001@sha256:{}", files[0].checksum));
        assert_eq!(intents[0].summary, "apply 0001 add orders");
        assert_eq!(intents[0].detail.as_deref(), Some("create table orders (id);"));
        assert_eq!(intents[0].effect, Effect::Changes);
        assert_eq!(intents[1].summary, "apply 0002 shrink, without a transaction, irreversible: it has no down part");
        assert_eq!(intents[1].effect, Effect::Irreversible);
    }

    #[test]
    fn a_takeover_is_an_intent_and_its_id_changes_with_what_is_taken() {
        let database = Sqlite::in_memory();
        database.script("create table orders (id)").unwrap();
        let database = database.read_only();
        let config = config(&json!({"baseline": "1"}));
        let one = plan(&database, &config, &files(&[("1_a.sql", "a;")])).unwrap();
        assert_eq!(one[0].summary, "take 1 migration as applied without running them (baseline 1)");
        let other = plan(&database, &config, &files(&[("1_a.sql", "b;")])).unwrap();
        assert_ne!(one[0].id, other[0].id);
    }

    #[test]
    fn only_a_database_out_of_reach_is_unknown() {
        let intents = unreachable(Failure::unavailable("database-unreachable", "no").because("refused")).unwrap();
        assert_eq!((intents[0].id.as_str(), intents[0].effect), ("database", Effect::Unknown));
        assert_eq!(intents[0].detail.as_deref(), Some("no\nrefused"));
        assert!(unreachable(Failure::misconfigured("a", "b")).is_err());
    }

    #[test]
    fn long_statements_are_cut_between_characters() {
        let text = "ä".repeat(DETAIL_LIMIT + 5);
        assert!(bounded(&text).ends_with("ä\n… and 5 more characters"));
        assert_eq!(bounded("a"), "a");
    }
}
