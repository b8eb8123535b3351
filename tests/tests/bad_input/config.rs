//! Mistakes in `deploy.toml` that are seen without asking a plugin.

use super::{Mistake, all_refused, config, refused};
use e2e::Project;

#[test]
fn whole_files() {
    let files: &[Mistake<'_>] = &[
        ("not TOML", "schema = 1\napp = \"shop\n", &["deploy.toml:2:12", "is not valid TOML"]),
        ("a key twice", "schema = 1\nschema = 1\n", &["deploy.toml:2:1", "`schema` is written twice"]),
        ("empty", "", &["`deploy.toml` has no `schema`", "`deploy.toml` has no `step`", "there are 4 errors"]),
        (
            "another schema",
            "schema = 2\napp = \"shop\"\n[environments.a]\n[[step]]\nid = \"a\"\nplugin = \"command\"",
            &["deploy.toml:1:10", "`schema` cannot be `2`"],
        ),
        (
            "no environment",
            "schema = 1\napp = \"shop\"\n[environments]\n[[step]]\nid = \"a\"\nplugin = \"command\"",
            &["deploy.toml:3:2", "there is no environment"],
        ),
        ("no step", "schema = 1\napp = \"shop\"\n[environments.a]", &["`deploy.toml` has no `step`"]),
        (
            "an app's name",
            "schema = 1\napp = \"the shop\"\n[environments.a]\n[[step]]\nid = \"a\"\nplugin = \"command\"",
            &["deploy.toml:2:7", "`app` cannot be `the shop`"],
        ),
        (
            "words of the top level",
            "schema = 1\napp = \"a\"\non_cancel = \"rolback\"\nrelease = \"Tag\"\n[environments.a]\n[[step]]\nid = \"a\"\nplugin = \"command\"",
            &["`on_cancel` cannot be `rolback`", "write `rollback`", "`release` cannot be `Tag`", "there are 2 errors"],
        ),
        (
            "environments that differ in case",
            "schema = 1\napp = \"a\"\n[environments.a]\n[environments.A]\n[[step]]\nid = \"a\"\nplugin = \"command\"",
            &["deploy.toml:4:15", "differ only in case"],
        ),
        (
            "a circle of environments",
            "schema = 1\napp = \"a\"\n[environments.a]\nafter = [\"b\"]\n[environments.b]\nafter = [\"a\"]\n[[step]]\nid = \"a\"\nplugin = \"command\"",
            &["deploy.toml:6:10", "wait for each other"],
        ),
    ];
    all_refused("run", str::to_owned, files);
}

#[test]
fn parts_of_files() {
    let parts: &[Mistake<'_>] = &[
        (
            "unknown key",
            "[[step]]\nid = \"a\"\nplugn = \"command\"",
            &["step `a` has no key `plugn`", "write `plugin`"],
        ),
        (
            "a time that is none",
            "[environments.b]\nfreeze = [{ from = \"0 25 * * FRI\", until = \"0 8 * * MON\" }]",
            &["deploy.toml:12:23", "`25` is no hour, which is 0 to 23, `*`, a range, a step or a list"],
        ),
        (
            "a freeze that never ends",
            "[environments.b]\nfreeze = [{ from = \"* * * * *\", until = \"0 8 * * MON\" }]",
            &["deploy.toml:12:11", "`freeze` of environment `b` never ends", "begins anew whenever it ends"],
        ),
        (
            "freezes that leave no time between them",
            "[environments.b]\nfreeze = [{ from = \"0 8 * * *\", until = \"0 20 * * *\" }, { from = \"0 20 * * *\", until = \"0 8 * * *\" }]",
            &[
                "deploy.toml:12:10",
                "`freeze` of environment `b` never ends",
                "each of its windows ends within another one",
            ],
        ),
        (
            "a name that fits every environment",
            "[environments.b]\ntransient = true\nname = \"*\"",
            &["deploy.toml:13:8", "`name` of environment `b` cannot be used", "`*` fits every name"],
        ),
        (
            "wrong type",
            "[[step]]\nid = \"a\"\nplugin = \"command\"\ntimeout = 10",
            &["must be a string, not `10`", "deploy.toml:14:11"],
        ),
        ("missing key", "[[step]]\nplugin = \"command\"", &["step 2 has no `id`"]),
        (
            "duplicate id",
            "[[step]]\nid = \"mark\"\nplugin = \"command\"",
            &["two steps have the id `mark`", "the other one is on line 7"],
        ),
        (
            "bad duration",
            "[[step]]\nid = \"a\"\nplugin = \"command\"\ntimeout = \"10 min\"",
            &["cannot be `10 min`", "it does not match"],
        ),
        ("no time at all", "[[step]]\nid = \"a\"\nplugin = \"command\"\ntimeout = \"0s\"", &["write a longer time"]),
        (
            "no attempt",
            "[[step]]\nid = \"a\"\nplugin = \"command\"\nretry = { attempts = 0 }",
            &["cannot be `0`", "the least is `1`"],
        ),
        (
            "bad size",
            "[[step]]\nid = \"a\"\nplugin = \"command\"\noutput_limit = \"64MB\"",
            &["cannot be `64MB`", "`64MiB`"],
        ),
        (
            "unknown word",
            "[[step]]\nid = \"a\"\nplugin = \"command\"\non_failure = \"Rollback\"",
            &["cannot be `Rollback`", "write `rollback`"],
        ),
        (
            "unknown environment of a step",
            "[[step]]\nid = \"a\"\nplugin = \"command\"\nenvironments = [\"stagin\"]",
            &["runs in environment `stagin`, which there is not", "write `staging`"],
        ),
        (
            "a finally step that stops",
            "[[finally]]\nid = \"a\"\nplugin = \"command\"\non_failure = \"stop\"",
            &["cannot have `on_failure`"],
        ),
        (
            "state of two plugins",
            "[[step]]\nid = \"a\"\nplugin = \"command\"\nstate = \"s\"\n[[step]]\nid = \"b\"\nplugin = \"migrate\"\nstate = \"s\"",
            &["share the state `s`, but not the plugin"],
        ),
        (
            "a plugin that is no locator",
            "[[step]]\nid = \"a\"\nplugin = \"http://a.example/b.wasm\"",
            &["cannot be `http://a.example/b.wasm`", "write `https://`"],
        ),
        (
            "overlay of an unknown step",
            "[environments.production.step.mrak]\nwith.run = [\"a\"]",
            &["changes step `mrak`, which there is not", "write `mark`"],
        ),
        (
            "after an unknown environment",
            "[environments.production]\nafter = [\"stagin\"]",
            &["comes after `stagin`, which there is not", "write `staging`"],
        ),
        (
            "more approvals than approvers",
            "[environments.production]\napproval = { required = 2, from = { users = [\"x\"] } }",
            &["requires 2 approvals"],
        ),
        (
            "unknown hole",
            "[[step]]\nid = \"a\"\nplugin = \"command\"\nwith.run = [\"a\", \"${deployment.versoin}\"]",
            &["has a hole `${deployment.versoin}` that nothing fills", "write `${deployment.version}`"],
        ),
        ("open hole", "[[step]]\nid = \"a\"\nplugin = \"command\"\nwith.run = [\"a\", \"${\"]", &["has no `}`"]),
        (
            "undeclared variable",
            "[[step]]\nid = \"a\"\nplugin = \"command\"\nwith.run = [\"a\", \"${env.BUILD}\"]",
            &["uses the variable `BUILD`, which `env` does not name"],
        ),
        (
            "unknown text",
            "[[step]]\nid = \"a\"\nplugin = \"command\"\nwith.run = [\"a\", \"${vars.region}\"]",
            &["uses `${vars.region}`, which there is not"],
        ),
        (
            "a secret in a text",
            "[[step]]\nid = \"a\"\nplugin = \"command\"\nwith.run = [\"a\", \"${secrets.TOKEN}\"]",
            &["cannot put the secret `TOKEN` into a text", "{ secret = \"TOKEN\" }"],
        ),
        (
            "an output of a later step",
            "[[step]]\nid = \"a\"\nplugin = \"command\"\nwith.run = [\"a\", \"${steps.b.outputs.x}\"]\n[[step]]\nid = \"b\"\nplugin = \"command\"\nwith.run = [\"a\"]",
            &["uses the output `x` of step `b`, which runs after it"],
        ),
    ];
    all_refused("run", config, parts);
}

#[test]
fn each_error_shows_its_line() {
    let project = Project::with(&config("[[step]]\nid = \"a\"\nplugn = \"command\"\n"));
    insta::assert_snapshot!(refused(&project, "run", 2, &[]), @r#"
    error: step `a` has no key `plugn`
      --> deploy.toml:13:1
       |
    13 | plugn = "command"
       | ^^^^^
    note: nothing was run
    hint: write `plugin`
    "#);
    project.write("deploy.toml", "schema = 1\napp = \"shop\nb = 1\n");
    insta::assert_snapshot!(refused(&project, "run", 2, &[]), @r#"
    error: `deploy.toml` is not valid TOML
     --> deploy.toml:2:12
      |
    2 | app = "shop
      |            ^
      Caused by: invalid basic string, expected `"`
    note: nothing was run
    hint: mend the line; strings stand in quotes, tables in `[brackets]`
    "#);
}

#[test]
fn files_that_are_none() {
    let project = Project::new();
    insta::assert_snapshot!(refused(&project, "run", 2, &[]), @"
    error: there is no `deploy.toml`
    note: nothing was run
    hint: run `windlass init` to write one, or name another with `--config FILE`
    ");
    refused(&project, "run --config elsewhere/deploy.toml", 2, &["elsewhere/deploy.toml"]);
    std::fs::create_dir(project.path().join("deploy.toml")).expect("a directory");
    refused(&project, "run", 2, &["`deploy.toml`"]);
    std::fs::remove_dir(project.path().join("deploy.toml")).expect("removed");
    std::fs::write(project.path().join("deploy.toml"), b"schema = 1\napp = \"\xff\"\n").expect("a file");
    refused(&project, "run", 2, &["`deploy.toml` is not UTF-8 text", "line 2", "save it as UTF-8"]);
}

#[test]
fn what_the_command_line_asks_for() {
    let project = Project::with(&config("[environments.production]\n")).locked();
    insta::assert_snapshot!(refused(&project, "run", 2, &[]), @"
    error: it is not said which environment is meant
      Caused by: `deploy.toml` has `staging` and `production`
    note: nothing was run
    hint: name one with `-e NAME`
    ");
    refused(&project, "run -e stagin", 2, &["there is no environment `stagin`", "write `-e staging`"]);
    refused(&project, "run -e moon", 2, &["there is no environment `moon`", "`staging` and `production`"]);
    refused(&project, "run -e staging --component backend", 2, &["`backend`"]);
    refused(&project, "run -e staging --commit nonsense", 2, &["`--commit nonsense` is not a commit"]);
    refused(&project, "run -e staging --commit 0123", 2, &["`--commit 0123` is not a commit"]);
    refused(&project, "run -e staging --forge gitlab", 2, &["GitLab"]);
    refused(&project, "status -e stagin", 2, &["there is no environment `stagin`"]);
}

#[test]
fn without_a_commit_nothing_is_deployed() {
    let project = Project::with(&config("")).locked();
    let output = project.command(["run"]).output().expect("the binary runs");
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("it is not known which commit is being deployed") && text.contains("`--commit`"), "{text}");
    assert!(!project.has(".windlass/runs") && !project.has("touched"));
}

#[test]
fn versions_that_cannot_be_read() {
    let text = |file: &str| {
        config("").replace(
            "[environments.staging]",
            &format!("release = {{ version-from = \"{file}\" }}\n\n[environments.staging]"),
        )
    };
    let project = Project::with(&text("Cargo.toml")).locked();
    insta::assert_snapshot!(refused(&project, "run", 2, &[]), @r#"
    error: the version cannot be read from `Cargo.toml`
     --> deploy.toml:4:11
      |
    4 | release = { version-from = "Cargo.toml" }
      |           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      Caused by: No such file or directory (os error 2)
    note: nothing was run
    hint: mend the file, or pass `--release-version`
    "#);
    project.write("Cargo.toml", "[package]\nname = \"a\"\n");
    refused(&project, "run", 2, &["`Cargo.toml`", "it has no version"]);
    project.write("Cargo.toml", "[package\n");
    refused(&project, "run", 2, &["the version cannot be read from `Cargo.toml`"]);
    project.write("VERSION", "1.0.0\n");
    project.write("deploy.toml", &text("VERSION"));
    refused(&project, "run", 2, &["it is none of `Cargo.toml`, `package.json` and `pyproject.toml`"]);
    project.write("deploy.toml", &config("").replace("app = \"shop\"", "app = \"shop\"\nrelease = \"tag\""));
    project.commit();
    refused(&project, "run", 2, &["there is no tag on commit"]);
}
