//! MariaDB and MySQL: a schema change commits what is open.

use crate::server::{Run, Shop, config, migrations, race};
use migrate::database::{Database, Engine};
use migrate::session::Session;
use windlass_plugin::{FailureKind, Verdict};

const ORDERS: (&str, &str) = (
    "0001_add_orders.sql",
    "-- migrate:up\nCREATE TABLE orders (id BIGINT PRIMARY KEY);\n-- migrate:down\nDROP TABLE orders;",
);
const PRICES: (&str, &str) = (
    "0002_add_prices.sql",
    "-- migrate:up\nCREATE TABLE prices (id BIGINT);\nINSERT INTO prices VALUES (1), (2);\n-- migrate:down\nDROP TABLE prices;",
);

fn shop() -> Shop {
    Shop::new("WINDLASS_TEST_MARIADB_URL", Engine::Mariadb)
}

#[test]
fn applied_once_probed_and_taken_back() {
    let shop = shop();
    assert_eq!(shop.plan(&[ORDERS, PRICES], "{}").unwrap().len(), 2);
    assert_eq!(shop.tables(), [""; 0]);
    let run = Run::new("r1");
    assert_eq!(
        shop.apply(&run, &[ORDERS, PRICES], "{}").unwrap().summary,
        "applied 2 migrations, the schema is at 0002"
    );
    assert_eq!(shop.tables(), ["orders", "prices", "windlass_migrations"]);
    assert_eq!(shop.states(), ["done", "done"]);
    assert_eq!(shop.plan(&[ORDERS, PRICES], "{}").unwrap(), []);
    assert_eq!(shop.probe(&run), Verdict::Done);
    assert_eq!(shop.revert(&run).unwrap().summary, "took back 2 migrations, the schema is at 0");
    assert_eq!(shop.tables(), ["windlass_migrations"]);
    assert_eq!(shop.probe(&run), Verdict::NotDone);
}

#[test]
fn a_break_after_a_schema_change_is_visible_and_for_a_person() {
    let shop = shop();
    let broken = (
        "0002_broken.sql",
        "-- migrate:up\nCREATE TABLE half (id INT);\nINSERT INTO nowhere VALUES (1);\n-- migrate:down\nDROP TABLE half;",
    );
    let run = Run::new("r1");
    let failure = shop.apply(&run, &[ORDERS, broken], "{}").unwrap_err();
    assert!(failure.causes[0].contains("nowhere' doesn't exist"), "{:?}", failure.causes);
    assert!(failure.note.unwrap().starts_with("what `0002_broken.sql` did before the failing statement remains"));
    assert_eq!(shop.states(), ["done", "dirty-up"]);
    assert_eq!(shop.plan(&[ORDERS, broken], "{}").unwrap_err().code, "migration-dirty");
    assert_eq!(shop.revert(&run).unwrap_err().code, "migration-dirty");
    assert_eq!(shop.probe(&run), Verdict::Unknown);
}

#[test]
fn a_break_without_a_schema_change_leaves_nothing() {
    let shop = shop();
    let broken = ("0003_broken.sql", "INSERT INTO prices VALUES (3);\nINSERT INTO nowhere VALUES (1);");
    let run = Run::new("r1");
    let failure = shop.apply(&run, &[ORDERS, PRICES, broken], "{}").unwrap_err();
    assert!(failure.note.unwrap().starts_with("nothing of `0003_broken.sql` remains; this run applied"));
    assert_eq!(shop.open().column("SELECT COUNT(*) FROM prices"), ["2"]);
    assert_eq!(shop.states(), ["done", "done"]);
    shop.revert(&run).unwrap();
    assert_eq!(shop.tables(), ["windlass_migrations"]);
}

#[test]
fn a_run_that_is_killed_before_anything_is_committed_can_be_repeated() {
    let shop = shop();
    let killer = ("0003_killed.sql", "INSERT INTO prices VALUES (3);\nKILL CONNECTION_ID();");
    let run = Run::new("r1");
    shop.apply(&run, &[ORDERS, PRICES, killer], "{}").unwrap_err();
    assert_eq!(
        shop.states(),
        ["done", "done", "running"],
        "the reservation stays, and says that nothing was committed"
    );
    assert_eq!(shop.open().column("SELECT COUNT(*) FROM prices"), ["2"]);
    let better = ("0003_killed.sql", "INSERT INTO prices VALUES (3);");
    shop.apply(&Run::new("r2"), &[ORDERS, PRICES, better], "{}").unwrap();
    assert_eq!(shop.states(), ["done", "done", "done"]);
}

#[test]
fn a_changed_database_does_not_reach_the_history_or_the_next_migration() {
    let shop = shop();
    let elsewhere = ("0001_elsewhere.sql", "USE information_schema;");
    shop.apply(&Run::new("r1"), &[elsewhere, PRICES], "{}").unwrap();
    assert_eq!(shop.tables(), ["prices", "windlass_migrations"]);
}

#[test]
fn a_procedure_with_semicolons_is_one_statement() {
    let shop = shop();
    let procedure =
        ("0001_procedure.sql", "CREATE PROCEDURE p() BEGIN SELECT 1; SELECT 2; END; CREATE TABLE a (b INT);");
    shop.apply(&Run::new("r1"), &[procedure], "{}").unwrap();
    assert_eq!(shop.tables(), ["a", "windlass_migrations"]);
}

#[test]
fn three_runs_at_once_apply_each_migration_once() {
    let shop = shop();
    assert_eq!(race(&shop, &[ORDERS, PRICES]), 2);
    assert_eq!(shop.states(), ["done", "done"]);
}

#[test]
fn the_lock_is_waited_for_and_goes_with_its_connection() {
    let shop = shop();
    let (holder, config) = (shop.open(), config("{}"));
    let run = Run::new("r1");
    let mut locked = None;
    Session::new(&holder, &config, &run)
        .unwrap()
        .alone(|| {
            locked = Some(shop.apply(&Run::new("r2"), &[ORDERS], r#"{"lock-timeout": "100ms"}"#).unwrap_err());
            assert_eq!(shop.probe(&run), Verdict::Unknown, "while a lock is held nobody knows");
            holder.script("KILL CONNECTION_ID()").unwrap_err();
            Ok(())
        })
        .unwrap();
    let locked = locked.unwrap();
    assert_eq!((locked.kind, locked.code.as_str()), (FailureKind::Unavailable, "migration-locked"));
    let after = shop.open();
    Session::new(&after, &config, &run).unwrap().apply(&migrations(&[ORDERS])).unwrap();
    assert_eq!(shop.states(), ["done"]);
}

#[test]
fn a_statement_takes_no_longer_than_told() {
    let shop = shop();
    let slow = ("0001_slow.sql", "SELECT SLEEP(60);");
    let failure = shop.apply(&Run::new("r1"), &[slow], r#"{"statement-timeout": "100ms"}"#).unwrap_err();
    assert!(failure.hint.unwrap().contains("`statement-timeout`"), "{:?}", failure.causes);
}

#[test]
fn another_tools_history_is_taken_over() {
    let shop = shop();
    shop.open()
        .script(
            "CREATE TABLE orders (id INT); CREATE TABLE schema_migrations (version VARCHAR(128) PRIMARY KEY); \
             INSERT INTO schema_migrations VALUES ('0001')",
        )
        .unwrap();
    let refused = shop.plan(&[ORDERS, PRICES], "{}").unwrap_err();
    assert_eq!(refused.code, "other-history");
    assert!(refused.hint.unwrap().contains("dbmate"));
    let run = Run::new("r1");
    shop.apply(&run, &[ORDERS, PRICES], r#"{"adopt": "dbmate"}"#).unwrap();
    assert_eq!(shop.states(), ["adopted", "done"]);
    shop.revert(&run).unwrap();
    assert_eq!(shop.states(), [""; 0]);
}
