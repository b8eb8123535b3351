//! PostgreSQL: schema changes are part of the transaction.

use crate::server::{Run, Shop, config, migrations, race};
use migrate::database::{Database, Engine};
use migrate::session::Session;
use windlass_plugin::{Effect, FailureKind, Verdict};

const ORDERS: (&str, &str) = (
    "0001_add_orders.sql",
    "-- migrate:up\nCREATE TABLE orders (id bigint PRIMARY KEY, note text);\n\
     CREATE FUNCTION nothing() RETURNS void AS $$ BEGIN NULL; END; $$ LANGUAGE plpgsql;\n\
     -- migrate:down\nDROP FUNCTION nothing();\nDROP TABLE orders;",
);
const PRICES: (&str, &str) =
    ("0002_add_prices.sql", "-- migrate:up\nCREATE TABLE prices (id bigint);\n-- migrate:down\nDROP TABLE prices;");

fn shop() -> Shop {
    Shop::new("WINDLASS_TEST_POSTGRES_URL", Engine::Postgresql)
}

#[test]
fn applied_once_probed_and_taken_back() {
    let shop = shop();
    let planned = shop.plan(&[ORDERS, PRICES], "{}").unwrap();
    assert_eq!(planned.iter().map(|intent| intent.effect).collect::<Vec<_>>(), [Effect::Changes; 2]);
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
fn a_failing_migration_leaves_nothing_of_itself() {
    let shop = shop();
    let broken = ("0002_broken.sql", "CREATE TABLE half (id int); INSERT INTO nowhere VALUES (1);");
    let failure = shop.apply(&Run::new("r1"), &[ORDERS, broken], "{}").unwrap_err();
    assert_eq!(failure.causes, [r#"relation "nowhere" does not exist"#]);
    assert_eq!(
        failure.note.as_deref(),
        Some("nothing of `0002_broken.sql` remains; this run applied `0001_add_orders.sql` before it")
    );
    assert_eq!(shop.tables(), ["orders", "windlass_migrations"]);
    assert_eq!(shop.states(), ["done"]);
}

#[test]
fn an_index_is_made_concurrently_without_a_transaction() {
    let shop = shop();
    let index = (
        "0002_index.sql",
        "-- migrate: no-transaction\n-- migrate:up\nCREATE INDEX CONCURRENTLY orders_note ON orders (note);\nCREATE TABLE a (b int);\n\
         -- migrate:down\nDROP INDEX CONCURRENTLY orders_note;\nDROP TABLE a;",
    );
    let run = Run::new("r1");
    shop.apply(&run, &[ORDERS, index], "{}").unwrap();
    assert_eq!(shop.states(), ["done", "done"]);
    shop.revert(&run).unwrap();
    assert_eq!(shop.tables(), ["windlass_migrations"]);

    let broken =
        ("0001_broken.sql", "-- migrate: no-transaction\nCREATE TABLE half (id int);\nINSERT INTO nowhere VALUES (1);");
    let failure = shop.apply(&Run::new("r2"), &[broken], "{}").unwrap_err();
    assert_eq!(
        failure.causes,
        [r#"relation "nowhere" does not exist"#, "statement 2 of 2, `INSERT INTO NOWHERE VALUES`"]
    );
    assert_eq!(shop.tables(), ["half", "windlass_migrations"]);
    assert_eq!(shop.states(), ["dirty-up"]);
    assert_eq!(shop.plan(&[broken], "{}").unwrap_err().code, "migration-dirty");
}

#[test]
fn a_changed_search_path_does_not_reach_the_history_or_the_next_migration() {
    let shop = shop();
    let dump =
        ("0001_dump.sql", "SELECT pg_catalog.set_config('search_path', '', false); CREATE TABLE public.a (b int);");
    shop.apply(&Run::new("r1"), &[dump, PRICES], "{}").unwrap();
    assert_eq!(shop.tables(), ["a", "prices", "windlass_migrations"]);
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
    let files = migrations(&[ORDERS]);
    let run = Run::new("r1");
    let mut locked = None;
    Session::new(&holder, &config, &run)
        .unwrap()
        .alone(|| {
            locked = Some(shop.apply(&Run::new("r2"), &[ORDERS], r#"{"lock-timeout": "100ms"}"#).unwrap_err());
            assert_eq!(shop.probe(&run), Verdict::Unknown, "while a lock is held nobody knows");
            // As a run that is killed does: the connection goes, and nobody unlocks anything.
            holder.query("SELECT pg_terminate_backend(pg_backend_pid())", &[]).unwrap_err();
            Ok(())
        })
        .unwrap();
    let locked = locked.unwrap();
    assert_eq!((locked.kind, locked.code.as_str()), (FailureKind::Unavailable, "migration-locked"));
    let after = shop.open();
    Session::new(&after, &config, &run).unwrap().apply(&files).unwrap();
    assert_eq!(shop.states(), ["done"]);
}

#[test]
fn a_table_that_somebody_holds_is_waited_for_no_longer_than_told() {
    let shop = shop();
    shop.apply(&Run::new("r1"), &[ORDERS], "{}").unwrap();
    let holder = shop.open();
    holder.script("BEGIN; LOCK TABLE orders").unwrap();
    let alter = ("0002_alter.sql", "ALTER TABLE orders ADD price int;");
    let failure = shop.apply(&Run::new("r2"), &[ORDERS, alter], r#"{"lock-timeout": "100ms"}"#).unwrap_err();
    assert_eq!(failure.causes, ["canceling statement due to lock timeout"]);
    assert!(failure.hint.unwrap().contains("`lock-timeout`"));
    let slow = ("0002_slow.sql", "SELECT pg_sleep(60);");
    let failure = shop.apply(&Run::new("r3"), &[ORDERS, slow], r#"{"statement-timeout": "100ms"}"#).unwrap_err();
    assert_eq!(failure.causes, ["canceling statement due to statement timeout"]);
    assert!(failure.hint.unwrap().contains("`statement-timeout`"));
}

#[test]
fn another_tools_history_is_taken_over() {
    let shop = shop();
    shop.open()
        .script(
            "CREATE TABLE orders (id int); CREATE TABLE schema_migrations (version bigint NOT NULL PRIMARY KEY, dirty boolean NOT NULL); \
             INSERT INTO schema_migrations VALUES (1, false); \
             CREATE TABLE flyway_schema_history (installed_rank int, version varchar(50), type varchar(20), success boolean); \
             INSERT INTO flyway_schema_history VALUES (1, NULL, 'SQL', true), (2, '1', 'SQL', true)",
        )
        .unwrap();
    assert_eq!(shop.plan(&[ORDERS, PRICES], "{}").unwrap_err().code, "other-history");
    for tool in ["golang-migrate", "flyway"] {
        let config = format!(r#"{{"adopt": "{tool}"}}"#);
        assert_eq!(shop.plan(&[ORDERS, PRICES], &config).unwrap()[1].summary, "apply 0002 add prices");
        let run = Run::new("r1");
        shop.apply(&run, &[ORDERS, PRICES], &config).unwrap();
        assert_eq!(shop.states(), ["adopted", "done"]);
        shop.revert(&run).unwrap();
        assert_eq!(shop.states(), [""; 0]);
    }
}

#[test]
fn a_lock_that_went_to_another_session_is_noticed_before_anything_is_done() {
    let shop = shop();
    let (one, other, config) = (shop.open(), shop.open(), config("{}"));
    let (run, pooled) = (Run::new("r1"), Run::new("r1"));
    // Behind a pooler in transaction mode the lock stays with one backend, and the next transaction gets another.
    let begun = Session::new(&one, &config, &run)
        .unwrap()
        .alone(|| Session::new(&other, &config, &pooled).unwrap().begin())
        .unwrap_err();
    assert_eq!(begun.code, "connection-pooler");
    let mine = "SELECT CAST(count(*) AS bigint) FROM pg_locks WHERE locktype = 'advisory' \
                AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    assert_eq!(other.column(mine), ["0"]);
}
