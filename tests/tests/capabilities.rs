//! Capabilities, from the outside: for each kind one that is accepted and one that is not, in each phase.

use e2e::probe::Probe;
use e2e::server::{Answer, Server};
use e2e::{Output, Project};
use serde_json::{Value, json};

const APPLY: [&str; 1] = ["apply"];
const ALL: [&str; 3] = ["plan", "apply", "revert"];

/// Runs a step whose `apply` ends with a failure, so that its `revert` is done.
fn turned(probe: Probe) -> (Project, Output) {
    let project = probe.turns().project().locked();
    let output = project.windlass("run").exits(10);
    (project, output)
}

/// Plans, and checks that planning has left no trace.
fn plans(probe: &Probe, prepare: impl FnOnce(&Project)) -> Vec<String> {
    let project = probe.project().locked();
    prepare(&project);
    let before = project.files();
    let results = project.planned();
    assert_eq!(project.files(), before, "a plan changed something");
    results
}

fn denied(result: &str, what: &str, why: &str) {
    assert!(result.starts_with("denied: ") && result.contains(what) && result.contains(why), "{result}");
}

#[test]
fn a_program_runs_with_the_accepted_arguments_only() {
    let echo = |words: &[&str]| json!({ "do": "exec", "program": "echo", "arguments": words });
    let project = Probe::new()
        .asks(json!({ "kind": "exec", "program": "echo", "arguments": ["hello", "*"], "phases": APPLY }))
        .applies(echo(&["hello", "you"]))
        .applies(echo(&["goodbye", "you"]))
        .applies(echo(&["hello"]))
        .applies(json!({ "do": "exec", "program": "sh", "arguments": ["-c", "true"] }))
        .applies(json!({ "do": "exec", "program": "/bin/echo", "arguments": ["hello", "you"] }))
        .applies(json!({ "do": "exec", "program": "echo", "arguments": ["hello", "you"], "directory": "/" }))
        .applies(json!({ "do": "exec", "program": "echo", "arguments": ["hello", "you"], "variables": [["LD_PRELOAD", "x"]] }))
        .project()
        .locked();
    let _ = project.windlass("run").exits(0);
    let results = project.results();
    assert!(results[0].starts_with("ok: exit code 0 out=hello you\n"), "{}", results[0]);
    for result in &results[1..] {
        denied(result, "plugin `probe@1.2.3` was not allowed to run", "accepts only: run `echo hello *`");
    }
    assert_eq!(project.denied().len(), 6, "{:?}", project.denied());
    let usages = project.event("step-succeeded")["usages"].clone();
    assert_eq!(usages[0], json!({ "asked": "run `echo hello you`", "allowed": true, "times": 1 }));
}

#[test]
fn a_program_may_run_in_the_phases_it_was_accepted_for() {
    let touch = json!({ "do": "exec", "program": "touch", "arguments": ["made"] });
    let asks = |phases: &[&str]| {
        Probe::new().asks(json!({ "kind": "exec", "program": "touch", "arguments": ["made"], "phases": phases }))
    };
    let result = plans(&asks(&["apply", "revert"]).plans(touch.clone()), |_| {});
    denied(&result[0], "run `touch made`", "not during `plan`");
    let (project, _) = turned(asks(&APPLY).reverts(touch.clone()));
    denied(project.reverted().split_once(" | ").expect("a result").1, "run `touch made`", "not during `revert`");
    assert!(!project.has("made"));
    assert_eq!(project.denied(), ["run `touch made`"]);
    let (project, _) = turned(asks(&["revert"]).reverts(touch.clone()));
    assert!(project.has("made"), "{}", project.reverted());
    // What is accepted for planning is run while planning: the lock says so in so many words. It changes nothing then.
    let project = asks(&["plan"]).plans(touch).project().locked();
    let kept = cfg!(target_os = "linux");
    assert!(project.planned()[0].starts_with(if kept { "ok: exit code 1" } else { "ok: exit code 0" }));
    assert_eq!(project.has("made"), !kept);
}

#[test]
fn a_program_of_the_project_runs_where_it_was_accepted() {
    let run = |directory: &str| json!({ "do": "exec", "program": "./where", "directory": directory });
    let project = Probe::new()
        .asks(json!({ "kind": "exec", "program": "./where", "directory": "deep", "phases": APPLY }))
        .applies(run("deep"))
        .applies(run("./deep/"))
        .applies(run("/deep"))
        .applies(run("deep/../deep"))
        .applies(run("."))
        .project()
        .file("where", "#!/bin/sh\npwd\n")
        .file("deep/file", "")
        .locked();
    let _ = project.windlass("run").exits(0);
    let results = project.results();
    let deep = project.path().join("deep").canonicalize().expect("there");
    for result in &results[..2] {
        assert!(result.contains(&format!("out={}\n", deep.display())), "{result}");
    }
    for result in &results[2..] {
        denied(result, "run `./where`", "accepts only: run `./where` in `deep`");
    }
}

#[test]
fn a_child_sees_what_was_granted_and_nothing_else_of_the_job() {
    let project = Probe::new()
        .asks(json!({ "kind": "exec", "program": "env", "variables": ["GRANTED", "SET"], "phases": APPLY }))
        .applies(json!({ "do": "exec", "program": "env", "variables": [["SET", "by the plugin"]] }))
        .project()
        .variable("GRANTED", "yes")
        .variable("OTHER_TOKEN", "must-not-be-seen")
        .locked();
    let _ = project.windlass("run").exits(0);
    let result = project.results().remove(0);
    assert!(result.contains("GRANTED=yes\n") && result.contains("SET=by the plugin\n"), "{result}");
    assert!(!result.contains("OTHER_TOKEN") && !result.contains("WINDLASS_CACHE_DIR"), "{result}");
}

#[test]
fn a_child_is_told_on_which_effect_it_is_at_work() {
    let marks = |result: &str| -> Vec<String> {
        let said = result.split_once("out=").expect("an output").1.split_once(" err=").expect("an end").0;
        let mut marks: Vec<String> =
            said.lines().filter(|line| line.starts_with("WINDLASS_")).map(Into::into).collect();
        marks.sort();
        marks
    };
    let env = json!({ "do": "exec", "program": "env" });
    let asks = |background: bool| {
        Probe::new().asks(json!({ "kind": "exec", "program": "env", "background": background, "phases": ALL }))
    };
    let run = |probe: Probe, code: i32| {
        // What the job itself is at work on is no matter.
        let project =
            probe.project().variable("WINDLASS_RUN", "not-this").variable("WINDLASS_BACKGROUND", "1").locked();
        let _ = project.windlass("run").exits(code);
        let id = project.event("run-started")["run"].as_str().expect("an id").to_owned();
        (project, format!("WINDLASS_RUN={id}"))
    };
    let (project, id) = run(asks(false).plans(env.clone()).applies(env.clone()), 0);
    assert_eq!(marks(&project.results()[0]), ["WINDLASS_ATTEMPT=1", &id, "WINDLASS_STEP=probe"]);
    assert_eq!(marks(&project.planned()[0]), Vec::<String>::new(), "a plan has no effect");
    let (project, id) = run(asks(false).reverts(env.clone()).turns(), 10);
    assert_eq!(marks(&project.reverted()), ["WINDLASS_ATTEMPT=1", &id, "WINDLASS_STEP=probe"]);
    let (project, id) = run(asks(true).applies(env), 0);
    assert_eq!(
        marks(&project.results()[0]),
        ["WINDLASS_ATTEMPT=1", "WINDLASS_BACKGROUND=1", &id, "WINDLASS_STEP=probe"]
    );
}

#[test]
fn nobody_can_be_granted_what_says_on_which_effect_a_child_is_at_work() {
    for name in ["WINDLASS_RUN", "WINDLASS_STEP", "WINDLASS_ATTEMPT", "WINDLASS_BACKGROUND", "windlass_run"] {
        let variable = json!({ "kind": "exec", "program": "env", "variables": [name], "phases": APPLY });
        let secret = json!({ "kind": "secret-variable", "name": "TOKEN", "variable": name, "phases": APPLY });
        for asked in [variable, secret] {
            let output = Probe::new().asks(asked).project().windlass("lock").exits(2);
            let expected = format!("no program can be given the variable `{name}`");
            assert!(output.stderr.contains(&expected), "{}", output.stderr);
        }
    }
}

#[test]
fn a_variable_is_seen_in_the_phases_it_was_accepted_for() {
    let variables = json!({ "do": "variables" });
    let asks =
        |phases: &[&str]| Probe::new().asks(json!({ "kind": "environment", "name": "COLOUR", "phases": phases }));
    let run = |probe: Probe| probe.project().variable("COLOUR", "blue").variable("TASTE", "sweet").locked();
    let project =
        run(asks(&ALL).plans(variables.clone()).applies(variables.clone()).reverts(variables.clone()).turns());
    assert_eq!(project.planned(), ["ok: COLOUR=blue"]);
    let _ = project.windlass("run").exits(10);
    assert_eq!(project.reverted(), "1 records | ok: COLOUR=blue");
    let project = run(asks(&APPLY).plans(variables.clone()).applies(variables.clone()));
    assert_eq!(project.planned(), ["ok: "]);
    let _ = project.windlass("run").exits(0);
    assert_eq!(project.results(), ["ok: COLOUR=blue"]);
    let project = run(asks(&APPLY).reverts(variables).turns());
    let _ = project.windlass("run").exits(10);
    assert_eq!(project.reverted(), "1 records | ok: ");
}

fn http(port: u16, methods: &[&str], path: &str, phases: &[&str]) -> Value {
    json!({
        "kind": "http", "host": "127.0.0.1", "port": port, "methods": methods, "path": path,
        "addresses": ["loopback"], "phases": phases,
    })
}

#[test]
fn requests_go_to_the_accepted_host_method_and_path_only() {
    let server = Server::start(|_| Answer::new(200, "welcome"));
    let other = Server::start(|_| Answer::new(200, "not you"));
    let ask = |method: &str, url: String| json!({ "do": "http", "method": method, "url": url });
    let origin = server.url("");
    let project = Probe::new()
        .asks(http(server.port(), &["GET", "POST"], "/api/", &APPLY))
        .applies(ask("GET", format!("{origin}/api/status")))
        .applies(ask("POST", format!("{origin}/api/")))
        .applies(ask("DELETE", format!("{origin}/api/status")))
        .applies(ask("GET", format!("{origin}/admin")))
        .applies(ask("GET", format!("{origin}/api/../admin")))
        .applies(ask("GET", format!("{origin}/api/%2e%2e/admin")))
        .applies(ask("GET", format!("{}/api/status", other.url(""))))
        .applies(ask("GET", format!("http://localhost:{}/api/status", server.port())))
        .applies(ask("GET", format!("https://127.0.0.1:{}/api/status", server.port())))
        .project()
        .locked();
    let output = project.windlass("run").exits(0);
    let results = project.results();
    assert!(results[0].starts_with("ok: 200") && results[0].ends_with("welcome"), "{}", results[0]);
    assert!(results[1].starts_with("ok: 200"), "{}", results[1]);
    for result in &results[2..] {
        assert!(result.starts_with("denied: http-denied"), "{result}");
    }
    assert_eq!(server.received().len(), 2);
    assert!(other.received().is_empty());
    assert_eq!(project.denied().len(), 7, "{:?}", project.denied());
    let accepted = format!("`deploy.lock` accepts only: GET, POST `{origin}/api/…` at loopback addresses");
    assert!(output.stderr.contains(&accepted), "{}", output.stderr);
}

#[test]
fn planning_only_looks_at_the_network() {
    let server = Server::start(|_| Answer::new(200, "welcome"));
    let ask = |method: &str| json!({ "do": "http", "method": method, "url": format!("{}/x", server.url("")) });
    let asks = |phases: &[&str]| Probe::new().asks(http(server.port(), &["GET", "HEAD", "POST"], "/", phases));
    let results = plans(&asks(&ALL).plans(ask("GET")).plans(ask("HEAD")).plans(ask("POST")), |_| {});
    assert!(results[0].starts_with("ok: 200") && results[1].starts_with("ok: 200"), "{results:?}");
    assert!(results[2].starts_with("denied: http-denied"), "{results:?}");
    assert!(server.received().iter().all(|asked| asked.method != "POST"));
    let results = plans(&asks(&APPLY).plans(ask("GET")), |_| {});
    assert!(results[0].starts_with("denied: http-denied"), "{results:?}");
    let before = server.received().len();
    let (project, output) = turned(asks(&APPLY).reverts(ask("GET")));
    assert!(project.reverted().contains("denied: http-denied"), "{}", project.reverted());
    assert!(output.stderr.contains("accepts it, but not during `revert`"), "{}", output.stderr);
    assert_eq!(server.received().len(), before);
    let (project, _) = turned(asks(&["revert"]).reverts(ask("POST")));
    assert!(project.reverted().contains("ok: 200"), "{}", project.reverted());
}

#[test]
fn an_address_that_was_not_accepted_is_not_dialled() {
    let server = Server::start(|_| Answer::new(200, "welcome"));
    let ask = |host: &str| json!({ "do": "http", "url": format!("http://{host}:{}/", server.port()) });
    let probe = |host: &str| json!({ "do": "tcp", "host": host, "port": server.port() });
    let mut step = Probe::new();
    // Without `addresses` only public ones are accepted, whatever name leads to them.
    for host in ["127.0.0.1", "localhost", "169.254.169.254", "0.0.0.0"] {
        let grant = json!({ "kind": "http", "host": host, "port": server.port(), "methods": ["GET"], "path": "/", "phases": APPLY });
        step = step.asks(grant).applies(ask(host));
        step = step
            .asks(json!({ "kind": "tcp-probe", "host": host, "port": server.port(), "phases": APPLY }))
            .applies(probe(host));
    }
    let project = step.project().locked();
    let _ = project.windlass("run").exits(0);
    for result in project.results() {
        assert!(result.starts_with("denied: "), "{result}");
    }
    assert!(server.received().is_empty());
    assert!(!project.denied().is_empty());
}

#[test]
fn redirects_are_answers_and_the_host_header_is_ours() {
    let other = Server::start(|_| Answer::new(200, "not you"));
    let there = other.url("");
    let server = Server::start(move |_| Answer::new(302, "").header("location", &format!("{there}/elsewhere")));
    let results = Probe::new()
        .asks(http(server.port(), &["GET"], "/", &APPLY))
        .applies(json!({ "do": "http", "url": format!("{}/", server.url("")) }))
        .applies(
            json!({ "do": "http", "url": format!("{}/", server.url("")), "headers": [["host", "elsewhere.example"]] }),
        )
        .results();
    assert!(results[0].starts_with("ok: 302"), "{results:?}");
    assert!(other.received().is_empty());
    for asked in server.received() {
        assert_eq!(asked.header("host"), Some(format!("127.0.0.1:{}", server.port()).as_str()));
    }
}

#[test]
fn a_port_is_probed_where_that_was_accepted() {
    let server = Server::start(|_| Answer::new(200, "welcome"));
    let other = Server::start(|_| Answer::new(200, "not you"));
    let probe = |port: u16| json!({ "do": "tcp", "host": "127.0.0.1", "port": port });
    let asks = |phases: &[&str]| {
        Probe::new().asks(
            json!({ "kind": "tcp-probe", "host": "127.0.0.1", "port": server.port(), "addresses": ["loopback"], "phases": phases }),
        )
    };
    assert_eq!(plans(&asks(&ALL).plans(probe(server.port())), |_| {}), ["ok: connected"]);
    denied(&plans(&asks(&APPLY).plans(probe(server.port())), |_| {})[0], "probe `127.0.0.1", "not during `plan`");
    let results = asks(&APPLY).applies(probe(server.port())).applies(probe(other.port())).results();
    assert_eq!(results[0], "ok: connected");
    denied(&results[1], &format!("probe `127.0.0.1:{}`", other.port()), "accepts only: probe");
}

#[test]
fn there_is_no_way_to_the_network_past_the_host() {
    let server = Server::start(|_| Answer::new(200, "welcome"));
    let results = Probe::new()
        .asks(http(server.port(), &["GET"], "/", &APPLY))
        .asks(json!({ "kind": "tcp-probe", "host": "127.0.0.1", "port": server.port(), "addresses": ["loopback"], "phases": APPLY }))
        .applies(json!({ "do": "socket", "address": format!("127.0.0.1:{}", server.port()) }))
        .applies(json!({ "do": "socket", "address": format!("localhost:{}", server.port()) }))
        .results();
    for result in results {
        assert!(result.starts_with("ok: refused: "), "{result}");
    }
}

fn sqlite(write: bool, phases: &[&str]) -> Value {
    json!({ "kind": "database", "name": "shop", "url": "sqlite:shop.db", "write": write, "phases": phases })
}

fn sql(way: &str, sql: &str) -> Value {
    json!({ "do": way, "database": "shop", "sql": sql })
}

#[test]
fn a_database_is_changed_where_that_was_accepted() {
    let create = sql("script", "create table item (name text); insert into item values ('tea')");
    let insert = sql("execute", "insert into item values ('jam')");
    let count = sql("query", "select count(*) from item");
    let results = Probe::new()
        .asks(sqlite(true, &APPLY))
        .applies(create.clone())
        .applies(insert.clone())
        .applies(count.clone())
        .results();
    assert_eq!(results, ["ok: done", "ok: 1 rows", "ok: 2"]);

    // The same step makes it in `apply`, and only looks in the next run's plan.
    let project =
        Probe::new().asks(sqlite(true, &APPLY)).applies(create.clone()).applies(insert.clone()).project().locked();
    let _ = project.windlass("run").exits(0);
    let look = Probe::new()
        .asks(sqlite(false, &ALL))
        .plans(insert.clone())
        .plans(create)
        .plans(count.clone())
        .applies(insert.clone())
        .applies(count);
    project.write("deploy.toml", &look.config());
    let _ = project.windlass("lock").exits(0);
    let before = project.files();
    let planned = project.planned();
    assert_eq!(project.files(), before);
    assert!(!planned[0].starts_with("ok") && !planned[1].starts_with("ok"), "{planned:?}");
    assert_eq!(planned[2], "ok: 2");
    let _ = project.windlass("run").exits(0);
    let results = project.results();
    assert!(!results[0].starts_with("ok"), "{results:?}");
    assert_eq!(results[1], "ok: 2");
}

#[test]
fn a_plan_narrows_a_database_to_reading_and_makes_none() {
    let create = sql("script", "create table item (name text)");
    let sneaky = sql("query", "create table item (name text)");
    let attach = sql("query", "attach 'other.db' as other");
    let vacuum = sql("query", "vacuum into 'copy.db'");
    let results = plans(
        &Probe::new()
            .asks(sqlite(true, &ALL))
            .plans(create.clone())
            .plans(sneaky)
            .plans(attach)
            .plans(vacuum)
            .plans(sql("query", "select 1")),
        |_| {},
    );
    for result in &results[..4] {
        assert!(!result.starts_with("ok"), "{results:?}");
    }
    assert_eq!(results[4], "ok: 1");
    denied(
        &plans(&Probe::new().asks(sqlite(true, &APPLY)).plans(create.clone()), |_| {})[0],
        "open the database `shop`",
        "not during `plan`",
    );
    let (project, _) = turned(Probe::new().asks(sqlite(true, &APPLY)).reverts(create));
    assert!(
        project.reverted().contains("denied: denied: plugin `probe@1.2.3` was not allowed to open the database `shop`"),
        "{}",
        project.reverted()
    );
    assert!(!project.has("shop.db"));
    let results = Probe::new().applies(sql("query", "select 1")).results();
    denied(&results[0], "open the database `shop`", "accepts nothing of this kind for this step during `apply`");
}

#[test]
fn records_and_state_are_kept_in_apply_and_refused_in_plan() {
    let record = json!({ "do": "record", "value": "{\"made\": 1}" });
    let set = json!({ "do": "state-set", "key": "colour", "value": "blue" });
    let ask = json!({ "do": "state-get", "key": "colour" });
    let project = Probe::new()
        .plans(record.clone())
        .plans(set.clone())
        .applies(record.clone())
        .applies(set.clone())
        .applies(ask.clone())
        .reverts(record)
        .reverts(ask)
        .reverts(set)
        .turns()
        .project()
        .locked();
    let before = project.files();
    let planned = project.planned();
    assert_eq!(project.files(), before);
    assert!(
        planned[0].starts_with("bug: record-outside-apply") && planned[1].starts_with("bug: state-while-planning"),
        "{planned:?}"
    );
    let _ = project.windlass("run").exits(10);
    assert_eq!(project.event("record-appended")["record"], 1);
    assert!(project.journal().iter().any(|event| event["record"]["made"] == 1));
    assert_eq!(project.event("state-set")["value"], "blue");
    let reverted = project.reverted();
    assert!(reverted.starts_with("2 records | bug: record-outside-apply"), "{reverted}");
    assert!(reverted.ends_with("ok: blue | ok: kept"), "{reverted}");
}

#[test]
fn a_denial_that_fails_a_step_says_what_is_accepted_and_what_to_do() {
    let project = Probe::new()
        .strict()
        .asks(json!({ "kind": "exec", "program": "echo", "arguments": ["hello"], "phases": APPLY }))
        .applies(json!({ "do": "exec", "program": "echo", "arguments": ["goodbye"] }))
        .project()
        .locked();
    let output = project.windlass("run --format json").exits(13);
    assert_eq!(output.result()["reason"], "step-denied");
    let failed = project.event("step-failed");
    assert_eq!(
        failed["trouble"],
        json!({
            "code": "step-denied",
            "detail": "denied",
            "what": "plugin `probe@1.2.3` was not allowed to run `echo goodbye`",
            "causes": ["`deploy.lock` accepts only: run `echo hello`, unconfined"],
            "hint": "if it should be, the plugin has to ask for it in `requires`, for this phase; then run `windlass lock` and have the change to `deploy.lock` reviewed",
        })
    );
    let line = json!({ "kind": "exec", "program": "echo", "arguments": ["goodbye"], "phases": APPLY });
    assert_eq!(
        failed["usages"],
        json!([{ "asked": "run `echo goodbye`", "allowed": false, "times": 1, "line": line }])
    );
    for part in [
        "was not allowed to run `echo goodbye`",
        "`deploy.lock` accepts only: run `echo hello`",
        "hint: if it should be, the plugin has to ask for it in `requires`, for this phase; then run `windlass lock`",
    ] {
        assert!(output.stderr.contains(part), "{part} in {}", output.stderr);
    }
}

#[test]
fn a_denial_in_a_revert_that_fails_is_in_the_journal() {
    let project = Probe::new()
        .strict()
        .applies(json!({ "do": "record", "value": "1" }))
        .applies(json!({ "do": "fail", "text": "it is time" }))
        .reverts(json!({ "do": "exec", "program": "touch", "arguments": ["made"] }))
        .project()
        .locked();
    let _ = project.windlass("run").exits(11);
    assert_eq!(project.event("revert-failed")["trouble"]["code"], "step-denied");
    assert_eq!(project.denied(), ["run `touch made`"]);
}

#[test]
fn what_is_not_in_the_lock_is_refused_before_anything_runs() {
    let narrow =
        Probe::new().asks(json!({ "kind": "exec", "program": "echo", "arguments": ["hello"], "phases": APPLY }));
    let project = narrow.project().locked();
    let wide = Probe::new()
        .asks(json!({ "kind": "exec", "program": "echo", "arguments": ["**"], "phases": APPLY }))
        .applies(json!({ "do": "exec", "program": "echo", "arguments": ["x"] }));
    project.write("deploy.toml", &wide.config());
    let output = project.windlass("run").exits(22);
    assert!(output.stderr.contains("it wants to run `echo **`, unconfined (apply)"), "{}", output.stderr);
    assert!(output.stderr.contains("hint: run `windlass lock`"), "{}", output.stderr);
    // The same thing in one more phase is more, too.
    let longer = Probe::new()
        .asks(json!({ "kind": "exec", "program": "echo", "arguments": ["hello"], "phases": ["plan", "apply"] }));
    project.write("deploy.toml", &longer.config());
    let output = project.windlass("run").exits(22);
    assert!(output.stderr.contains("it wants to run `echo hello`, unconfined (plan, apply)"), "{}", output.stderr);
    assert!(!project.has(".windlass/runs"));
}

#[test]
fn what_a_plugin_asks_for_is_asked_without_a_host() {
    for operation in [
        json!({ "do": "exec", "program": "touch", "arguments": ["made"] }),
        json!({ "do": "state-set", "key": "a", "value": "b" }),
        json!({ "do": "record", "value": "1" }),
        json!({ "do": "deployment" }),
        json!({ "do": "placeholder", "secret": "TOKEN" }),
        json!({ "do": "file", "deed": "list", "tree": ".", "path": "." }),
    ] {
        let project = Probe::new()
            .asks(json!({ "kind": "exec", "program": "touch", "arguments": ["made"], "phases": ALL }))
            .asks(json!({ "kind": "directory", "path": ".", "phases": ALL }))
            .requires(operation.clone())
            .project();
        let output = project.windlass("lock").exits(2);
        assert!(output.stderr.contains("error"), "{operation}: {}", output.stderr);
        assert!(!project.has("made"), "{operation}");
    }
}
