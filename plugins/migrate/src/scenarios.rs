//! The whole step against a real database, each test one thing that happens to people.

use crate::config::tests::config;
use crate::database::Database;
use crate::files::{Migration, assemble};
use crate::plan::plan;
use crate::record::Record;
use crate::session::Session;
use crate::testing::{Journal, Sqlite};
use serde_json::{Value as Json, json};
use std::path::PathBuf;
use windlass_plugin::{Failure, Outcome, Verdict};

/// A SQLite file that several runs open.
struct Shop {
    directory: tempfile::TempDir,
}

const ORDERS: (&str, &str) =
    ("0001_add_orders.sql", "-- migrate:up\nCREATE TABLE orders (id INTEGER);\n-- migrate:down\nDROP TABLE orders;\n");
const PRICES: (&str, &str) = (
    "0002_add_prices.sql",
    "-- migrate:up\nCREATE TABLE prices (id INTEGER);\nINSERT INTO prices VALUES (1);\n-- migrate:down\nDROP TABLE prices;\n",
);
const BROKEN: (&str, &str) = (
    "0003_broken.sql",
    "-- migrate:up\nCREATE TABLE half (id INTEGER);\nINSERT INTO nowhere VALUES (1);\n-- migrate:down\nDROP TABLE half;\n",
);

fn files(files: &[(&str, &str)]) -> Vec<Migration> {
    assemble(files.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())).collect()).unwrap()
}

impl Shop {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("shop.db")
    }

    fn open(&self) -> Sqlite {
        Sqlite::open(&self.path())
    }

    fn apply(&self, journal: &Journal, given: &[(&str, &str)], more: &Json) -> Result<Outcome, Failure> {
        Session::new(&self.open(), &config(more), journal)?.apply(&files(given))
    }

    fn revert(&self, records: &[Record]) -> Result<Outcome, Failure> {
        Session::new(&self.open(), &config(&json!({})), &Journal::new("another run"))?.revert(records)
    }

    fn probe(&self, records: &[Record]) -> Verdict {
        let database = self.open().read_only();
        Session::new(&database, &config(&json!({})), &Journal::new("r")).unwrap().probe(records).unwrap()
    }

    fn pending(&self, given: &[(&str, &str)], more: &Json) -> Result<Vec<String>, Failure> {
        let intents = plan(&self.open().read_only(), &config(more), &files(given))?;
        Ok(intents.into_iter().map(|intent| intent.summary).collect())
    }

    /// All tables, sorted, and the rows of the history.
    fn tables(&self) -> Vec<String> {
        let mut tables = crate::history::tables(&self.open()).unwrap();
        tables.sort();
        tables
    }

    fn history(&self) -> Vec<(i64, String, String)> {
        let database = self.open();
        let session_config = config(&json!({}));
        let journal = Journal::new("r");
        let rows = Session::new(&database, &session_config, &journal).unwrap().rows().unwrap();
        rows.into_iter().map(|row| (row.version, row.state.word().to_owned(), row.run)).collect()
    }
}

fn outputs(outcome: &Outcome) -> Vec<(&str, &str)> {
    outcome.outputs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

fn done(version: i64, run: &str) -> (i64, String, String) {
    (version, "done".into(), run.into())
}

#[test]
fn what_is_pending_is_applied_once_and_recorded_first() {
    let shop = Shop::new();
    assert_eq!(
        shop.pending(&[ORDERS, PRICES], &json!({})).unwrap(),
        ["apply 0001 add orders", "apply 0002 add prices"]
    );
    assert_eq!(shop.tables(), [""; 0], "a plan makes no table");
    let journal = Journal::new("r1");
    let outcome = shop.apply(&journal, &[ORDERS, PRICES], &json!({})).unwrap();
    assert_eq!(outputs(&outcome), [("schema", "0002"), ("applied", "2")]);
    assert_eq!(shop.tables(), ["orders", "prices", "windlass_migrations"]);
    assert_eq!(shop.history(), [done(1, "r1"), done(2, "r1")]);
    let records = journal.records();
    assert!(matches!(&records[0], Record::Start { pending, .. } if pending.len() == 2));
    assert!(
        matches!(&records[1], Record::Migration { version: 1, down: Some(down), .. } if down.sql == "DROP TABLE orders;")
    );
    assert_eq!(records.len(), 3);
    assert_eq!(journal.said.borrow()[..], [""; 0], "that it was quick is no news");

    let again = Journal::new("r2");
    assert_eq!(shop.pending(&[ORDERS, PRICES], &json!({})).unwrap(), [""; 0]);
    let outcome = shop.apply(&again, &[ORDERS, PRICES], &json!({})).unwrap();
    assert_eq!(outcome.summary, "nothing to apply, the schema is at 0002");
    assert_eq!(again.records(), []);
}

#[test]
fn a_failing_migration_leaves_nothing_of_itself_and_says_what_was_applied() {
    let shop = Shop::new();
    let journal = Journal::new("r1");
    let last = ("0004_later.sql", "CREATE TABLE later (id INTEGER);");
    let failure = shop.apply(&journal, &[ORDERS, BROKEN, last], &json!({})).unwrap_err();
    assert_eq!(
        (failure.code.as_str(), failure.message.as_str()),
        ("migration-failed", "migration `0003_broken.sql` failed")
    );
    assert!(failure.causes[0].starts_with("no such table: nowhere"), "{:?}", failure.causes);
    assert_eq!(
        failure.note.as_deref(),
        Some(
            "nothing of `0003_broken.sql` remains; this run applied `0001_add_orders.sql` before it; not run: `0004_later.sql`"
        )
    );
    assert_eq!(failure.hint.as_deref(), Some("correct `0003_broken.sql` and deploy again"));
    assert_eq!(shop.tables(), ["orders", "windlass_migrations"]);
    assert_eq!(shop.history(), [done(1, "r1")]);
    assert_eq!(shop.probe(&journal.records()), Verdict::Partly);
    assert_eq!(
        journal.told.borrow()[..],
        [
            "0001_add_orders.sql: applied",
            "0003_broken.sql: failed, and nothing of it remains",
            "0004_later.sql: not run"
        ]
    );

    let again = Journal::new("another run");
    let database = shop.open();
    let outcome = Session::new(&database, &config(&json!({})), &again).unwrap().revert(&journal.records()).unwrap();
    assert_eq!(outcome.summary, "took back 1 migration, the schema is at 0");
    assert_eq!(again.told.borrow()[..], ["0001_add_orders.sql: taken back"]);
    assert_eq!(shop.tables(), ["windlass_migrations"]);
    assert_eq!(shop.probe(&journal.records()), Verdict::NotDone);
}

#[test]
fn revert_takes_back_this_run_only_with_the_way_back_as_it_was() {
    let shop = Shop::new();
    shop.apply(&Journal::new("r1"), &[ORDERS], &json!({})).unwrap();
    let journal = Journal::new("r2");
    shop.apply(&journal, &[ORDERS, PRICES], &json!({})).unwrap();
    assert_eq!(shop.probe(&journal.records()), Verdict::Done);
    let outcome = shop.revert(&journal.records()).unwrap();
    assert_eq!(outputs(&outcome), [("schema", "0001")]);
    assert_eq!(shop.tables(), ["orders", "windlass_migrations"]);
    // Once more, as after a revert that was cut off: there is nothing left, and no harm is done.
    assert_eq!(shop.revert(&journal.records()).unwrap().summary, "nothing to take back");
    assert_eq!(shop.history(), [done(1, "r1")]);
}

#[test]
fn records_of_effects_that_never_came_about_do_no_harm() {
    let shop = Shop::new();
    let mut journal = Journal::new("r1");
    journal.on_record = Box::new(|record| match record {
        Record::Migration { version: 2, .. } => Err(Failure::bug("journal", "the disk is full")),
        _ => Ok(()),
    });
    let failure = shop.apply(&journal, &[ORDERS, PRICES], &json!({})).unwrap_err();
    assert_eq!(failure.causes, ["the disk is full"]);
    assert_eq!(shop.tables(), ["orders", "windlass_migrations"], "no effect without its record");

    // The other way round: recorded by us, applied by somebody else.
    let recorded = Journal::new("r2");
    shop.apply(&recorded, &[ORDERS, PRICES], &json!({})).unwrap();
    let foreign: Vec<Record> = recorded
        .records()
        .into_iter()
        .map(|record| match record {
            Record::Migration { version, label, file, checksum, down, .. } => {
                Record::Migration { run: "r3".into(), version, label, file, checksum, down }
            }
            other => other,
        })
        .collect();
    assert_eq!(shop.revert(&foreign).unwrap().summary, "nothing to take back");
    assert_eq!(shop.history(), [done(1, "r1"), done(2, "r2")]);
}

#[test]
fn where_one_cannot_be_taken_back_none_is() {
    let shop = Shop::new();
    let journal = Journal::new("r1");
    let plain = ("0002_plain.sql", "CREATE TABLE plain (id INTEGER);");
    shop.apply(&journal, &[ORDERS, plain], &json!({})).unwrap();
    let failure = shop.revert(&journal.records()).unwrap_err();
    assert_eq!(
        (failure.code.as_str(), failure.message.as_str()),
        ("migration-irreversible", "migration `0002_plain.sql` cannot be taken back")
    );
    assert_eq!(failure.note.as_deref(), Some("nothing was taken back: all that this run applied is still there"));
    assert_eq!(shop.tables(), ["orders", "plain", "windlass_migrations"]);
}

#[test]
fn what_a_later_run_built_on_is_not_taken_from_under_it() {
    let shop = Shop::new();
    let first = Journal::new("r1");
    shop.apply(&first, &[ORDERS], &json!({})).unwrap();
    let second = Journal::new("r2");
    shop.apply(&second, &[ORDERS, PRICES], &json!({})).unwrap();
    let failure = shop.revert(&first.records()).unwrap_err();
    assert_eq!(
        (failure.code.as_str(), failure.causes[0].as_str()),
        ("migration-newer", "run `r2` applied `0002_add_prices.sql`")
    );
    shop.revert(&second.records()).unwrap();
    shop.revert(&first.records()).unwrap();
    assert_eq!(shop.tables(), ["windlass_migrations"]);
}

#[test]
fn a_way_back_that_fails_leaves_the_migration_as_it_was() {
    let shop = Shop::new();
    let journal = Journal::new("r1");
    let stubborn =
        ("0002_stubborn.sql", "-- migrate:up\nCREATE TABLE a (b);\n-- migrate:down\nDROP TABLE a;\nDROP TABLE c;");
    shop.apply(&journal, &[ORDERS, stubborn], &json!({})).unwrap();
    let failure = shop.revert(&journal.records()).unwrap_err();
    assert_eq!(
        (failure.code.as_str(), failure.message.as_str()),
        ("revert-failed", "migration `0002_stubborn.sql` could not be taken back")
    );
    assert!(failure.causes[0].starts_with("no such table: c"), "{:?}", failure.causes);
    assert_eq!(
        failure.note.as_deref(),
        Some("`0002_stubborn.sql` is still applied as it was; nothing was taken back before it")
    );
    assert_eq!(shop.tables(), ["a", "orders", "windlass_migrations"]);
}

#[test]
fn without_a_transaction_a_break_is_visible_until_a_person_has_looked() {
    let shop = Shop::new();
    let journal = Journal::new("r1");
    let loose = (
        "0002_loose.sql",
        "-- migrate: no-transaction\n-- migrate:up\nCREATE TABLE half (id INTEGER);\nINSERT INTO nowhere VALUES (1);\n-- migrate:down\nDROP TABLE half;",
    );
    let failure = shop.apply(&journal, &[ORDERS, loose], &json!({})).unwrap_err();
    assert_eq!(
        failure.note.as_deref(),
        Some(
            "what `0002_loose.sql` did before the failing statement remains, and its history says `dirty`; this run applied `0001_add_orders.sql` before it"
        )
    );
    assert_eq!(shop.tables(), ["half", "orders", "windlass_migrations"]);
    for failure in [
        shop.pending(&[ORDERS, loose], &json!({})).unwrap_err(),
        shop.apply(&Journal::new("r2"), &[ORDERS, loose], &json!({})).unwrap_err(),
        shop.revert(&journal.records()).unwrap_err(),
    ] {
        assert_eq!(
            (failure.code.as_str(), failure.message.as_str()),
            ("migration-dirty", "migration `0002_loose.sql` broke off halfway")
        );
    }
    assert_eq!(shop.probe(&journal.records()), Verdict::Unknown);
    // The person undoes it, as the hint says.
    shop.open().script("DROP TABLE half; DELETE FROM \"windlass_migrations\" WHERE version = 2").unwrap();
    shop.revert(&journal.records()).unwrap();
    assert_eq!(shop.tables(), ["windlass_migrations"]);
}

#[test]
fn without_a_transaction_all_works_as_well() {
    let shop = Shop::new();
    let journal = Journal::new("r1");
    let rebuild = (
        "0002_rebuild.sql",
        "-- migrate: no-transaction\n-- migrate:up\nPRAGMA foreign_keys = off;\nBEGIN;\nCREATE TABLE new (id);\nCOMMIT;\n-- migrate:down\nDROP TABLE new;",
    );
    shop.apply(&journal, &[ORDERS, rebuild], &json!({})).unwrap();
    assert_eq!(shop.history(), [done(1, "r1"), done(2, "r1")]);
    shop.revert(&journal.records()).unwrap();
    assert_eq!(shop.tables(), ["windlass_migrations"]);
}

#[test]
fn a_migration_that_another_run_applies_in_between_is_not_applied_twice() {
    let shop = Shop::new();
    let path = shop.path();
    let mut journal = Journal::new("r1");
    // Right after the first run has looked and said what it means to do, a second one comes and does a part of it.
    journal.on_record = Box::new(move |record| {
        if matches!(record, Record::Start { .. }) {
            let (database, other) = (Sqlite::open(&path), Journal::new("r2"));
            Session::new(&database, &config(&json!({})), &other)?.apply(&files(&[ORDERS]))?;
        }
        Ok(())
    });
    let outcome = shop.apply(&journal, &[ORDERS, PRICES], &json!({})).unwrap();
    assert_eq!(outputs(&outcome), [("schema", "0002"), ("applied", "1")]);
    assert_eq!(shop.history(), [done(1, "r2"), done(2, "r1")]);
    shop.revert(&journal.records()).unwrap();
    assert_eq!(shop.history(), [done(1, "r2")]);
}

#[test]
fn two_runs_at_once_apply_each_migration_once() {
    let shop = Shop::new();
    let names: Vec<String> = (1..=20).map(|number| format!("{number:04}_table.sql")).collect();
    let texts: Vec<String> = (1..=20).map(|number| format!("CREATE TABLE t{number} (id);")).collect();
    let given: Vec<(&str, &str)> =
        names.iter().zip(&texts).map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let applied: usize = std::thread::scope(|scope| {
        let runs: Vec<_> = ["r1", "r2", "r3"]
            .map(|run| {
                let (shop, given) = (&shop, &given);
                scope.spawn(move || {
                    let outcome = shop.apply(&Journal::new(run), given, &json!({})).unwrap();
                    outcome.outputs.iter().find(|(name, _)| name == "applied").unwrap().1.parse::<usize>().unwrap()
                })
            })
            .into();
        runs.into_iter().map(|run| run.join().unwrap()).sum()
    });
    assert_eq!(applied, 20);
    assert_eq!(shop.history().len(), 20);
}

#[test]
fn another_tools_history_is_taken_over_once_and_given_back() {
    let shop = Shop::new();
    shop.open()
        .script("CREATE TABLE orders (id INTEGER); CREATE TABLE schema_migrations (version uint64, dirty bool); INSERT INTO schema_migrations VALUES (1, 0)")
        .unwrap();
    let adopt = json!({"adopt": "golang-migrate"});
    assert_eq!(shop.pending(&[ORDERS, PRICES], &json!({})).unwrap_err().code, "other-history");
    assert_eq!(
        shop.pending(&[ORDERS, PRICES], &adopt).unwrap(),
        ["take 1 migration as applied without running them (golang-migrate)", "apply 0002 add prices"]
    );
    let journal = Journal::new("r1");
    let outcome = shop.apply(&journal, &[ORDERS, PRICES], &adopt).unwrap();
    assert_eq!(outputs(&outcome), [("schema", "0002"), ("applied", "1")]);
    assert_eq!(shop.history(), [(1, "adopted".into(), "r1".into()), done(2, "r1")]);
    assert_eq!(shop.pending(&[ORDERS, PRICES], &adopt).unwrap(), [""; 0]);
    assert_eq!(shop.probe(&journal.records()), Verdict::Done);
    // From now on a change of what was taken over is seen too.
    let edited = ("0001_add_orders.sql", "CREATE TABLE orders (id TEXT);");
    assert_eq!(shop.pending(&[edited, PRICES], &adopt).unwrap_err().code, "migration-changed");
    shop.revert(&journal.records()).unwrap();
    assert_eq!(shop.history(), []);
    assert_eq!(shop.tables(), ["orders", "schema_migrations", "windlass_migrations"]);
}

#[test]
fn a_retry_goes_on_where_the_attempt_before_ended() {
    let shop = Shop::new();
    let journal = Journal::new("r1");
    shop.apply(&journal, &[ORDERS, BROKEN], &json!({})).unwrap_err();
    let outcome = shop.apply(&journal, &[ORDERS, ("0003_broken.sql", "CREATE TABLE half (id);")], &json!({})).unwrap();
    assert_eq!(outputs(&outcome), [("schema", "0003"), ("applied", "1")]);
}

/// Ends like a process that is killed: before the record of migration `version` is kept, or right after it.
fn cut_off_at(run: &'static str, version: i64) -> Journal {
    let mut journal = Journal::new(run);
    journal.on_record = Box::new(move |record| match record {
        Record::Migration { version: this, .. } if *this == version => std::panic::resume_unwind(Box::new("killed")),
        _ => Ok(()),
    });
    journal
}

#[test]
fn what_two_attempts_did_together_is_done_once_and_taken_back_together() {
    let third = ("0003_third.sql", "-- migrate:up\nCREATE TABLE third (id);\n-- migrate:down\nDROP TABLE third;");
    let given = [ORDERS, PRICES, third];
    // The run that goes on may be the same one or another one.
    for again in ["r1", "r2"] {
        let shop = Shop::new();
        let first = cut_off_at("r1", 2);
        let killed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            shop.apply(&first, &given, &json!({})).map(|_| ())
        }));
        assert_eq!(killed.unwrap_err().downcast_ref(), Some(&"killed"));
        assert_eq!(shop.history(), [done(1, "r1")]);
        assert_eq!(shop.probe(&first.records()), Verdict::Partly);

        let second = Journal::new(again);
        let outcome = shop.apply(&second, &given, &json!({})).unwrap();
        assert_eq!(outputs(&outcome), [("schema", "0003"), ("applied", "2")], "the first is not applied twice");
        assert_eq!(shop.history(), [done(1, "r1"), done(2, again), done(3, again)]);
        assert_eq!(shop.open().query("SELECT id FROM prices", &[]).unwrap().rows.len(), 1);

        let records = [first.records(), second.records()].concat();
        assert_eq!(shop.probe(&records), Verdict::Done);
        assert_eq!(shop.revert(&records).unwrap().summary, "took back 3 migrations, the schema is at 0");
        assert_eq!(shop.tables(), ["windlass_migrations"]);
        assert_eq!(shop.probe(&records), Verdict::NotDone);
    }
}

#[test]
fn a_takeover_that_was_cut_off_is_finished_and_given_back_with_the_rest() {
    let shop = Shop::new();
    shop.open().script("CREATE TABLE orders (id INTEGER)").unwrap();
    let baseline = json!({"baseline": "1"});
    let first = cut_off_at("r1", 2);
    let killed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        shop.apply(&first, &[ORDERS, PRICES], &baseline).map(|_| ())
    }));
    assert!(killed.is_err());
    assert_eq!(shop.history(), [(1, "adopted".into(), "r1".into())]);
    assert_eq!(shop.probe(&first.records()), Verdict::Partly);

    let second = Journal::new("r2");
    shop.apply(&second, &[ORDERS, PRICES], &baseline).unwrap();
    let records = [first.records(), second.records()].concat();
    assert_eq!(shop.probe(&records), Verdict::Done);
    shop.revert(&records).unwrap();
    assert_eq!(shop.history(), []);
    assert_eq!(shop.tables(), ["orders", "windlass_migrations"]);
}

#[test]
fn the_place_of_a_mistake_is_the_place_in_the_file() {
    let shop = Shop::new();
    let typed =
        ("0001_typed.sql", "-- note\n\n-- migrate:up\n\nCREATE TABLE a (b);\nSELEC 1;\n-- migrate:down\nDROP TABLE a;");
    let failure = shop.apply(&Journal::new("r1"), &[typed], &json!({})).unwrap_err();
    assert_eq!(failure.message, "migration `0001_typed.sql` failed at line 6");
    assert!(failure.causes[0].starts_with("near \"SELEC\": syntax error"), "{:?}", failure.causes);
}
