//! Migration directories that cannot be applied. They are read while the plan is made, so nothing is run.

use super::{config, refused};
use e2e::Project;

const MIGRATE: &str = r#"
[[step]]
id = "schema"
plugin = "migrate"
with = { directory = "db", database = { url = "sqlite:shop.db" } }
"#;

fn project(files: &[(&str, &str)]) -> Project {
    let project = Project::with(&config(MIGRATE));
    std::fs::create_dir(project.path().join("db")).expect("a directory");
    for (name, text) in files {
        project.write(&format!("db/{name}"), text);
    }
    project.locked()
}

#[track_caller]
fn wrong(files: &[(&str, &str)], parts: &[&str]) {
    let project = project(files);
    refused(&project, "run", 2, parts);
    assert!(!project.has("shop.db"), "no database is made");
}

#[test]
fn directories() {
    insta::assert_snapshot!(refused(&Project::with(&config(MIGRATE)).locked(), "run", 2, &[]), @"
    error: step `schema`: the directory of migrations `db` cannot be read
      Caused by: No such file or directory (os error 44)
    note: nothing was run
    hint: correct `directory`, which is relative to the project
    ");
    wrong(&[], &["there is no migration in `db`"]);
    wrong(&[("README.md", "none")], &["there is no migration in `db`", "no file in it ends in `.sql`"]);
}

#[test]
fn names() {
    wrong(
        &[("orders.sql", "create table a (b);")],
        &["the name of migration `orders.sql` is not understood", "name it like"],
    );
    wrong(&[("R__view.sql", "create table a (b);")], &["repeatable migrations are not supported"]);
    wrong(&[("0001.sql", "create table a (b);")], &["the name of migration `0001.sql` is not understood"]);
}

#[test]
fn pairs() {
    wrong(
        &[("0007_a.sql", "create table a (b);"), ("7_b.sql", "create table c (d);")],
        &["two migrations have the version `0007`"],
    );
    wrong(
        &[("1_a.up.sql", "create table a (b);"), ("2_b.down.sql", "drop table b;")],
        &["`2_b.down.sql` takes back a migration that is not there"],
    );
    wrong(
        &[
            ("1_a.sql", "-- migrate:up\ncreate table a (b);\n-- migrate:down\ndrop table a;"),
            ("1_a.down.sql", "drop table a;"),
        ],
        &["migration `1` has two ways back"],
    );
}

#[test]
fn contents() {
    wrong(&[("1_a.sql", " \n")], &["migration `1_a.sql` has no statement"]);
    let project = project(&[]);
    std::fs::write(project.path().join("db/1_a.sql"), b"create table a (b); -- \xff").expect("a file");
    refused(&project, "run", 2, &["migration `1_a.sql` is not text in UTF-8", "save the file in UTF-8"]);
    let marker = "create table a (b);\n-- migrate:dwon\ndrop table a;";
    let project = self::project(&[("1_a.sql", marker)]);
    refused(&project, "run", 2, &["1_a.sql"]);
}

#[test]
fn a_migration_that_changed_after_it_was_applied() {
    // Only the migration: the run that applies it leaves its own traces.
    let text = config(MIGRATE).replace("[\"touch\", \"touched\"]", "[\"true\"]");
    let project = Project::with(&text).file("db/1_a.sql", "create table a (b);\n").locked();
    let _ = project.windlass("run").exits(0);
    std::fs::remove_dir_all(project.path().join(".windlass/runs")).expect("removed");
    project.write("db/1_a.sql", "create table a (b, c);\n");
    insta::assert_snapshot!(refused(&project, "run", 2, &[]), @"
    error: step `schema`: migration `1_a.sql` changed after it was applied
      Caused by: recorded sha256 `493318742561…`, file has `d8afacf5a701…`
    note: no migration was run
    hint: restore the file and put the change in a new migration
    ");
}
