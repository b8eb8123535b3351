//! The plugin `migrate` in the real host, on SQLite, PostgreSQL and MariaDB; each test on a database of its own.
//! `scripts/databases` starts the servers.

use e2e::database::Database;
use e2e::{Output, Project};
use std::io::{BufRead, BufReader, Read};

/// A kind of database that everything here is tried on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Engine {
    Sqlite,
    Postgresql,
    Mariadb,
}

/// A project that migrates a database of its own.
struct Shop {
    project: Project,
    database: Database,
}

const UP: &str =
    "CREATE TABLE orders (id INTEGER PRIMARY KEY, note VARCHAR(100));\nINSERT INTO orders VALUES (1, 'first');\n";
const BOTH: &str =
    "-- migrate:up\nCREATE TABLE prices (id INTEGER PRIMARY KEY);\n\n-- migrate:down\nDROP TABLE prices;\n";

fn config(more: &str, after: &str) -> String {
    format!(
        "schema = 1\napp = \"shop\"\n[environments.staging]\n[[step]]\nid = \"schema\"\nplugin = \"migrate\"\n[step.with]\n\
         directory = \"db\"\ndatabase = {{ secret = \"DATABASE_URL\" }}\n{more}\n{after}"
    )
}

/// A step that fails after the migrations.
const FAILS: &str = "[[step]]\nid = \"release\"\nplugin = \"command\"\n[step.with]\n\
                     run = [\"sh\", \"-c\", \"rm -r db; exit 1\"]\neffect = \"changes\"\n";

impl Shop {
    fn new(engine: Engine, more: &str, after: &str) -> Self {
        let project = Project::with(&config(more, after))
            .file("db/0001_orders.up.sql", UP)
            .file("db/0001_orders.down.sql", "DROP TABLE orders;\n")
            .file("db/0002_prices.sql", BOTH);
        let database = match engine {
            Engine::Sqlite => Database::sqlite(&project.path().join("shop.db")),
            Engine::Postgresql => Database::postgresql(),
            Engine::Mariadb => Database::mariadb(),
        };
        let url = database.url();
        Self { project: project.locked().variable("DATABASE_URL", &url), database }
    }

    fn windlass(&self, words: &str) -> Output {
        let output = self.project.windlass(words);
        if let Some(password) = self.database.password()
            && self.project.has(".windlass")
        {
            self.project.keeps_secret(&password, &[&output]);
        }
        output
    }

    fn pending(&self) -> Vec<String> {
        let output = self.windlass("plan --format json").exits(0);
        let plan: serde_json::Value = serde_json::from_str(&output.raw_stdout).expect("JSON");
        let intents = plan["plan"]["steps"][0]["intents"].as_array().cloned().unwrap_or_default();
        intents.iter().map(|intent| intent["summary"].as_str().unwrap_or_default().to_owned()).collect()
    }

    fn applied(&self) -> Vec<String> {
        self.database.column("SELECT name FROM windlass_migrations ORDER BY position")
    }
}

fn pending_is_listed_applied_once_and_not_again(engine: Engine) {
    let shop = Shop::new(engine, "", "");
    assert_eq!(shop.pending(), ["apply 0001 orders", "apply 0002 prices"]);
    assert_eq!(shop.database.tables(), [""; 0], "a plan makes nothing, not even a history");
    assert!(!shop.project.has("shop.db"), "nor a file");

    let output = shop.windlass("run").exits(0);
    assert!(output.stderr.contains("applied 2 migrations, the schema is at 0002"), "{}", output.stderr);
    assert_eq!(shop.database.tables(), ["orders", "prices", "windlass_migrations"]);
    assert_eq!(shop.applied(), ["0001_orders.up.sql", "0002_prices.sql"]);
    assert_eq!(shop.database.column("SELECT note FROM orders"), ["first"]);

    assert_eq!(shop.pending(), [""; 0]);
    let again = shop.windlass("run --format json").exits(0);
    assert_eq!(again.result()["steps"][0]["outcome"], "skipped", "{}", again.stderr);

    shop.project.write(
        "db/0003_more.sql",
        "-- migrate:up\nCREATE TABLE more (id INTEGER);\n-- migrate:down\nDROP TABLE more;\n",
    );
    assert_eq!(shop.pending(), ["apply 0003 more"]);
}

fn a_failing_migration_takes_back_those_of_its_run(engine: Engine) {
    let shop = Shop::new(engine, "", "");
    let broken = "-- migrate:up\nINSERT INTO orders VALUES (2, 'second');\nINSERT INTO nowhere VALUES (1);\n-- migrate:down\nSELECT 1;\n";
    shop.project.write("db/0003_broken.sql", broken);
    let output = shop.windlass("run --format json").exits(10);
    assert_eq!(output.result()["outcome"], "rolled-back");
    let (code, text) = shop.project.failure("schema");
    assert_eq!(code, "migration-failed");
    assert!(text.contains("0003_broken.sql") && text.contains("nowhere"), "{text}");
    assert_eq!(shop.database.tables(), ["windlass_migrations"], "{}", output.stderr);
    assert_eq!(shop.applied(), [""; 0]);
}

fn a_later_failure_takes_the_migrations_back_from_the_records(engine: Engine) {
    // The failing step removes the files, so nothing but the records can tell what to do.
    let shop = Shop::new(engine, "", FAILS);
    let output = shop.windlass("run --format json").exits(10);
    assert!(!shop.project.has("db"));
    assert_eq!(shop.database.tables(), ["windlass_migrations"], "{}", output.stderr);
    assert!(output.stderr.contains("took back 2 migrations, the schema is at 0"), "{}", output.stderr);
    let taking_back: Vec<&str> = output.stderr.lines().filter(|line| line.contains("taking back 0")).collect();
    assert!(
        taking_back[0].contains("0002_prices.sql") && taking_back[1].contains("0001_orders.up.sql"),
        "{taking_back:?}"
    );
}

fn what_cannot_be_taken_back_is_said_before_and_refused_after(engine: Engine) {
    let shop = Shop::new(engine, "", FAILS);
    shop.project.write("db/0003_shrink.sql", "-- migrate:up\nDELETE FROM orders;\n");
    assert_eq!(shop.pending()[2], "apply 0003 shrink, irreversible: it has no down part");
    let output = shop.windlass("run --format json").exits(11);
    assert_eq!(output.result()["outcome"], "rollback-failed");
    let (code, text) = shop.project.failure("schema");
    assert_eq!(code, "migration-irreversible");
    assert!(
        text.contains("migration `0003_shrink.sql` cannot be taken back") && text.contains("nothing was taken back"),
        "{text}"
    );
    assert_eq!(shop.applied().len(), 3, "all or nothing");
}

fn a_file_that_changed_is_refused(engine: Engine) {
    let shop = Shop::new(engine, "", "");
    let _ = shop.windlass("run").exits(0);
    // Other line ends are no change.
    shop.project.write("db/0001_orders.up.sql", &UP.replace('\n', "\r\n"));
    assert_eq!(shop.pending(), [""; 0]);
    shop.project.write("db/0001_orders.up.sql", &UP.replace("100", "200"));
    for command in ["plan", "run"] {
        let output = shop.windlass(command).exits(2);
        let text = &output.stderr;
        assert!(text.contains("migration `0001_orders.up.sql` changed after it was applied"), "{text}");
        assert!(text.contains("recorded sha256 `") && text.contains("put the change in a new migration"), "{text}");
    }
    assert_eq!(shop.applied().len(), 2);
}

/// Waits until a run says this, and keeps reading what it says after that.
fn wait_for(child: &mut std::process::Child, words: &str) -> std::thread::JoinHandle<String> {
    let mut reader = BufReader::new(child.stderr.take().expect("standard error"));
    let mut said = String::new();
    while !said.contains(words) {
        assert!(reader.read_line(&mut said).expect("text") > 0, "it ended without `{words}`:\n{said}");
    }
    std::thread::spawn(move || {
        reader.read_to_string(&mut said).expect("text");
        said
    })
}

/// Another project that deploys to the same database, so that only the database can keep the two apart.
fn beside(shop: &Shop, more: &str) -> Project {
    let project = Project::with(&config(more, ""));
    for file in ["db/0001_orders.up.sql", "db/0001_orders.down.sql", "db/0002_prices.sql"] {
        project.write(file, &shop.project.read(file));
    }
    project.locked().variable("DATABASE_URL", &shop.database.url())
}

fn two_runs_at_once_apply_everything_once(engine: Engine) {
    let shop = Shop::new(engine, "", "");
    let other = beside(&shop, "");
    let (one, two) = (shop.project.start("run"), other.start("run"));
    let (one, two) = (shop.project.finish(one), other.finish(two));
    assert_eq!((one.code, two.code), (Some(0), Some(0)), "{}\n{}", one.all(), two.all());
    assert_eq!(shop.applied(), ["0001_orders.up.sql", "0002_prices.sql"]);
}

fn a_run_that_migrates_keeps_others_out(engine: Engine) {
    let shop = Shop::new(engine, "", "");
    shop.database.run("CREATE TABLE gate (id INTEGER PRIMARY KEY)");
    shop.database.run("INSERT INTO gate VALUES (1)");
    // The first migration waits at a row that is held, with the lock in its hands.
    let gated = UP.to_owned() + "UPDATE gate SET id = 2;\n";
    shop.project.write("db/0001_orders.up.sql", &gated);
    let held = shop.database.hold(&["UPDATE gate SET id = 3"]);
    let mut first = shop.project.start("run");
    if engine == Engine::Sqlite {
        // There is one writer only, and it is the test: the run waits for it as it would for another run.
        let words = wait_for(&mut first, "another run migrates this database");
        drop(held);
        assert_eq!(first.wait().expect("an end").code(), Some(0), "{}", words.join().expect("text"));
        return;
    }
    let words = wait_for(&mut first, "applying 0001_orders.up.sql");
    // Where definitions commit at once, everybody sees a migration that is half done.
    while engine == Engine::Mariadb && shop.applied().is_empty() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let other = beside(&shop, "lock-timeout = \"300ms\"");
    let output = other.windlass("run");
    assert_ne!(output.code, Some(0), "{}", output.all());
    assert!(other.has(".windlass/runs"), "{}", output.all());
    let (code, text) = other.failure("schema");
    assert_eq!(code, "migration-locked", "{text}");
    drop(held);
    assert_eq!(first.wait().expect("an end").code(), Some(0), "{}", words.join().expect("text"));
    assert_eq!(shop.applied().len(), 2);
}

fn a_database_out_of_reach_is_unknown_in_the_plan_and_a_failure_in_the_run(engine: Engine) {
    let shop = Shop::new(engine, "", "");
    let closed = e2e::server::Closed::new();
    let (head, name) =
        shop.database.url().rsplit_once('/').map(|(head, name)| (head.to_owned(), name.to_owned())).expect("a URL");
    let (user, _) = head.rsplit_once(':').expect("a port");
    let url = format!("{user}:{}/{name}", closed.port());
    let variables = [("DATABASE_URL", url.as_str())];
    let plan = shop.project.windlass_with("plan --format json", &variables);
    let value: serde_json::Value = serde_json::from_str(&plan.raw_stdout).expect("JSON");
    assert_eq!(value["incomplete"], true, "{}", plan.all());
    let run = shop.project.windlass_with("run", &variables).exits(13);
    let password = shop.database.password().expect("a password");
    shop.project.keeps_secret(&password, &[&plan, &run]);
    assert!(run.stderr.contains("refused"), "{}", run.stderr);
}

macro_rules! on_all {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(#[test] fn $name() { super::$name(super::Engine::Sqlite); })*
        }
        mod postgresql {
            $(#[test] fn $name() { super::$name(super::Engine::Postgresql); })*
            #[test]
            fn a_database_out_of_reach_is_unknown_in_the_plan_and_a_failure_in_the_run() {
                super::a_database_out_of_reach_is_unknown_in_the_plan_and_a_failure_in_the_run(super::Engine::Postgresql);
            }
        }
        mod mariadb {
            $(#[test] fn $name() { super::$name(super::Engine::Mariadb); })*
            #[test]
            fn a_database_out_of_reach_is_unknown_in_the_plan_and_a_failure_in_the_run() {
                super::a_database_out_of_reach_is_unknown_in_the_plan_and_a_failure_in_the_run(super::Engine::Mariadb);
            }
        }
    };
}

on_all!(
    pending_is_listed_applied_once_and_not_again,
    a_failing_migration_takes_back_those_of_its_run,
    a_later_failure_takes_the_migrations_back_from_the_records,
    what_cannot_be_taken_back_is_said_before_and_refused_after,
    a_file_that_changed_is_refused,
    two_runs_at_once_apply_everything_once,
    a_run_that_migrates_keeps_others_out,
);
