//! Secrets, from the outside: the value goes to the one place it was granted for, and nowhere else.

use e2e::probe::Probe;
use e2e::server::{Answer, Server};
use e2e::{Output, Project};
use serde_json::{Value, json};

const APPLY: [&str; 1] = ["apply"];
const VALUE: &str = "s3cr3t/Wert+42&ü\"x";

/// Forms in which the value must not be seen either.
fn forms() -> Vec<String> {
    let mut forms: Vec<String> = ["s3cr3t/Wert", "s3cr3t%2FWert", "s3cr3t%2fWert", "czNjcjN0L1dlcnQ", "czNjcjN0L1dlcn"]
        .map(String::from)
        .to_vec();
    forms.push(VALUE.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect());
    forms
}

/// Nothing that was written, shown or kept holds the value.
fn unseen(project: &Project, output: &Output) {
    let mut texts = vec![("output".to_owned(), output.everything())];
    for (name, bytes) in project.files() {
        if name.starts_with(".windlass") || name == "deploy.lock" {
            texts.push((name, String::from_utf8_lossy(&bytes).into_owned()));
        }
    }
    for (name, text) in texts {
        for form in forms() {
            assert!(!text.contains(&form), "{form} in {name}: {text}");
        }
    }
}

fn header(origin: &str) -> Value {
    json!({ "kind": "secret-header", "name": "TOKEN", "origin": origin, "phases": APPLY })
}

fn http(port: u16) -> Value {
    json!({
        "kind": "http", "host": "127.0.0.1", "port": port, "methods": ["GET", "POST"], "path": "/",
        "addresses": ["loopback"], "phases": APPLY,
    })
}

fn variable() -> Value {
    json!({ "kind": "secret-variable", "name": "TOKEN", "variable": "APP_TOKEN", "phases": APPLY })
}

fn script() -> Value {
    json!({ "kind": "exec", "program": "./child", "phases": APPLY })
}

fn ran(probe: Probe, value: &str) -> (Project, Output) {
    let project = probe.project().variable("TOKEN", value).locked();
    let output = project.windlass("run --log debug").exits(0);
    (project, output)
}

#[test]
fn a_secret_header_reaches_its_origin_and_no_other() {
    let server = Server::start(|_| Answer::new(200, "welcome"));
    let other = Server::start(|_| Answer::new(200, "not you"));
    let send =
        |url: String, prefix: &str| json!({ "do": "secret-header", "secret": "TOKEN", "url": url, "prefix": prefix });
    let token = "s3cr3t/Wert+42";
    let (project, output) = ran(
        Probe::new()
            .asks(header(&server.url("")))
            .asks(http(server.port()))
            .asks(http(other.port()))
            .applies(json!({ "do": "placeholder", "secret": "TOKEN" }))
            .applies(send(server.url("/api"), "Bearer "))
            .applies(send(other.url("/api"), "Bearer "))
            .applies(json!({ "do": "placeholder", "secret": "OTHER" })),
        token,
    );
    assert_eq!(server.received()[0].header("authorization"), Some(format!("Bearer {token}").as_str()));
    assert!(other.received().is_empty());
    let results = project.results();
    assert!(results[0].starts_with("ok: windlass-secret-"), "{results:?}");
    assert!(results[1].starts_with("ok: 200"), "{results:?}");
    assert!(results[2].starts_with("denied: http-denied"), "{results:?}");
    assert!(
        results[3].starts_with(
            "denied: denied: plugin `probe@1.2.3` was not allowed to get a stand-in for the secret `OTHER`"
        )
    );
    let asked = format!("send the secret `TOKEN` in a header to `{}`", other.url(""));
    let accepted = format!("`deploy.lock` accepts only: use the secret `TOKEN` in a header to `{}`", server.url(""));
    assert!(output.stderr.contains(&format!("not allowed to {asked}: {accepted}")), "{}", output.stderr);
    assert!(project.denied().contains(&asked), "{:?}", project.denied());
    unseen(&project, &output);
}

#[test]
fn a_stand_in_in_a_body_or_a_made_up_one_stays_what_it_is() {
    let server = Server::start(|_| Answer::new(200, "welcome"));
    let made_up = format!("windlass-secret-{}", "0".repeat(32));
    let (project, output) = ran(
        Probe::new()
            .asks(header(&server.url("")))
            .asks(http(server.port()))
            .applies(json!({ "do": "secret-header", "secret": "TOKEN", "url": server.url("/"), "in_body": true }))
            .applies(json!({ "do": "http", "url": server.url("/"), "headers": [["authorization", made_up]] })),
        VALUE,
    );
    let received = server.received();
    assert_eq!(received.len(), 1);
    assert!(String::from_utf8_lossy(&received[0].body).starts_with("windlass-secret-"));
    assert!(project.results()[1].starts_with("denied: http-denied"));
    unseen(&project, &output);
}

#[test]
fn what_a_server_sends_back_of_a_secret_does_not_reach_the_plugin() {
    let server = Server::start(|request| {
        let token = request.header("authorization").unwrap_or_default().to_owned();
        Answer::new(200, format!("you sent {token}")).header("x-echo", &token)
    });
    let (project, output) = ran(
        Probe::new()
            .asks(header(&server.url("")))
            .asks(http(server.port()))
            .applies(json!({ "do": "secret-header", "secret": "TOKEN", "url": server.url("/") })),
        "s3cr3t/Wert+42",
    );
    let result = &project.results()[0];
    assert!(result.contains("x-echo=***") && result.ends_with("you sent ***"), "{result}");
    unseen(&project, &output);
}

#[test]
fn a_secret_url_is_asked_whole_and_with_the_granted_method_only() {
    let server = Server::start(|_| Answer::new(200, "welcome"));
    let grant = |methods: &[&str], addresses: &[&str]| json!({ "kind": "secret-url", "name": "TOKEN", "methods": methods, "addresses": addresses, "phases": APPLY });
    let send = |suffix: &str| json!({ "do": "secret-url", "secret": "TOKEN", "suffix": suffix });
    let url = server.url("/services/s3cr3t/Wert");
    let (project, output) =
        ran(Probe::new().asks(grant(&["POST"], &["loopback"])).applies(send("")).applies(send("more")), &url);
    let received = server.received();
    assert_eq!(received.len(), 1, "{}", output.all());
    assert_eq!((received[0].method.as_str(), received[0].path.as_str()), ("POST", "/services/s3cr3t/Wert"));
    let results = project.results();
    assert!(results[0].starts_with("ok: 200"), "{results:?}");
    assert!(results[1].starts_with("denied: http-denied"), "{results:?}");
    unseen(&project, &output);
    // Another method, or an address of a class that was not accepted.
    for grant in [grant(&["GET"], &["loopback"]), grant(&["POST"], &[])] {
        let (project, output) = ran(Probe::new().asks(grant).applies(send("")), &url);
        assert!(project.results()[0].starts_with("denied: http-denied"), "{:?}", project.results());
        unseen(&project, &output);
    }
    assert_eq!(server.received().len(), 1);
}

#[test]
fn a_child_gets_a_secret_in_its_variable_and_cannot_say_it() {
    let child = "#!/bin/sh\n\
        printf '%s' \"$APP_TOKEN\" > seen\n\
        echo \"plain $APP_TOKEN\"\n\
        echo \"error $APP_TOKEN\" >&2\n\
        printf 'encoded '; printf '%s' \"$APP_TOKEN\" | base64\n\
        printf 'hex '; printf '%s' \"$APP_TOKEN\" | od -An -tx1 | tr -d ' \\n'; echo\n\
        echo \"TOKEN is '$TOKEN'\"\n";
    for stream in [true, false] {
        let probe = Probe::new()
            .asks(script())
            .asks(variable())
            .applies(json!({ "do": "exec", "program": "./child", "stream": stream }));
        let project = probe.project().file("child", child).variable("TOKEN", VALUE).locked();
        let output = project.windlass("run --log debug").exits(0);
        assert_eq!(project.read("seen"), VALUE);
        let heard = if stream { output.stderr.clone() } else { project.results().remove(0) };
        // What is written in two pieces may have a line of the other stream in between.
        for line in ["plain ***\n", "error ***\n", "encoded ", "hex ", "TOKEN is ''\n"] {
            assert!(heard.contains(line), "{line} in {heard}");
        }
        assert!(heard.matches("***").count() >= 4, "{heard}");
        unseen(&project, &output);
    }
}

#[test]
fn a_secret_is_hidden_also_where_it_comes_in_pieces() {
    // Each piece is written by itself, and the other stream speaks between two.
    let child = "#!/bin/sh\n\
        first=${APP_TOKEN%????????}\n\
        printf 'pieces %s' \"$first\"; sleep 0.1\n\
        printf 'meanwhile' >&2; sleep 0.1\n\
        printf '%s end\\n' \"${APP_TOKEN#\"$first\"}\"\n";
    let probe = Probe::new()
        .asks(script())
        .asks(variable())
        .asks(json!({ "kind": "directory", "path": "halves", "phases": APPLY }))
        .applies(json!({ "do": "exec", "program": "./child", "stream": true }))
        .applies(json!({ "do": "print", "pieces": ["printed ", "@halves/one", "@halves/two", " end\n"] }));
    let (one, two) = VALUE.split_at(7);
    let project = probe.project().file("child", child).file("halves/one", one).file("halves/two", two);
    let project = project.variable("TOKEN", VALUE).locked();
    let output = project.windlass("run").exits(0);
    assert!(output.stderr.contains("*** end") && output.stderr.contains("meanwhile"), "{}", output.stderr);
    assert!(output.stderr.contains("printed *** end"), "{}", output.stderr);
    unseen(&project, &output);
}

#[test]
fn a_plugin_that_got_hold_of_a_secret_cannot_say_it_or_keep_it() {
    let leak = |file: &str| {
        Probe::new()
            .asks(json!({ "kind": "directory", "path": "leak", "phases": ["apply", "revert"] }))
            .asks(header("https://api.example"))
            .applies(json!({ "do": "log", "level": "error", "text": format!("@leak/{file}") }))
            .applies(json!({ "do": "progress", "text": format!("@leak/{file}") }))
            .applies(json!({ "do": "report", "text": format!("@leak/{file}") }))
            .applies(json!({ "do": "state-set", "key": "k", "value": format!("@leak/{file}") }))
            .applies(json!({ "do": "state-set", "key": format!("@leak/{file}"), "value": "v" }))
            .applies(json!({ "do": "record", "value": "@leak/json" }))
            .applies(json!({ "do": "record", "value": "@leak/escaped" }))
            .reverts(json!({ "do": "say", "text": format!("@leak/{file}") }))
    };
    let project = |probe: Probe| {
        let hex: String = VALUE.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        // Every character as JSON may spell it.
        let escaped: String = VALUE.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
        let project = probe.project().file("leak/plain", VALUE).file("leak/url", "s3cr3t%2FWert%2B42%26%C3%BC%22x");
        let project = project.file("leak/base64", "czNjcjN0L1dlcnQrNDImw7wieA==").file("leak/hex", &hex);
        let project = project.file("leak/json", &json!({ "kept": VALUE }).to_string());
        project.file("leak/escaped", &format!("\"{escaped}\"")).variable("TOKEN", VALUE).locked()
    };
    for file in ["plain", "url", "base64", "hex"] {
        let kept = project(leak(file));
        let output = kept.windlass("run --format json --log debug").exits(0);
        let results = kept.results();
        assert!(
            results[3].starts_with("bug: state-with-secret") && results[4].starts_with("bug: state-with-secret"),
            "{results:?}"
        );
        assert!(results[5].starts_with("bug: record-with-secret"), "{results:?}");
        assert!(results[6].starts_with("bug: record-with-secret"), "{results:?}");
        unseen(&kept, &output);
        // As an output: refused, and not written in another way.
        let put_out = project(leak(file).applies(json!({ "do": "say", "text": format!("@leak/{file}") })));
        let output = put_out.windlass("run --format json").exits(13);
        assert_eq!(put_out.event("step-failed")["trouble"]["what"], "the output `7` of step `probe` contains a secret");
        unseen(&put_out, &output);
        // In a failure, in a panic, and in the summary of a revert.
        let failed = project(leak(file).applies(json!({ "do": "fail", "text": format!("@leak/{file}") })));
        let output = failed.windlass("run --format json").exits(13);
        unseen(&failed, &output);
        let panicked = project(leak(file).applies(json!({ "do": "panic", "text": format!("@leak/{file}") })));
        let output = panicked.windlass("run --format json").exits(13);
        assert!(output.stderr.contains("the plugin panicked"), "{}", output.stderr);
        unseen(&panicked, &output);
        let reverted = project(leak(file).turns());
        let output = reverted.windlass("run --format json").exits(10);
        assert_eq!(reverted.reverted(), "1 records | ok: ***");
        unseen(&reverted, &output);
    }
}

#[test]
fn a_plan_shows_no_secret() {
    let probe = Probe::new()
        .asks(json!({ "kind": "directory", "path": "leak", "phases": ["plan"] }))
        .asks(header("https://api.example"))
        .plans(json!({ "do": "log", "level": "error", "text": "@leak/plain" }))
        .plans(json!({ "do": "say", "text": "@leak/plain" }));
    let project = probe.project().file("leak/plain", VALUE).variable("TOKEN", VALUE).locked();
    for words in ["plan", "plan --full", "plan --format json", "plan -o plan.json", "run --dry-run"] {
        let output = project.windlass(words).exits(0);
        unseen(&project, &output);
    }
    assert!(!project.read("plan.json").contains("s3cr3t"));
}

#[test]
fn a_secret_is_no_variable_of_a_plugin_or_of_its_children() {
    let probe = Probe::new()
        .asks(json!({ "kind": "environment", "name": "TOKEN", "phases": APPLY }))
        .asks(header("https://api.example"))
        .asks(json!({ "kind": "exec", "program": "env", "variables": ["TOKEN"], "phases": APPLY }))
        .applies(json!({ "do": "variables" }))
        .applies(json!({ "do": "exec", "program": "env" }));
    let (project, output) = ran(probe, VALUE);
    let results = project.results();
    assert_eq!(results[0], "ok: ");
    assert!(!results[1].contains("TOKEN="), "{results:?}");
    unseen(&project, &output);
}

#[test]
fn a_database_is_opened_by_its_secret_and_by_that_name_only() {
    let asks = |secret: bool| {
        let probe = Probe::new().asks(json!({ "kind": "database", "name": "TOKEN", "write": true, "phases": APPLY }));
        if secret { probe.asks(json!({ "kind": "secret-database", "name": "TOKEN", "phases": APPLY })) } else { probe }
    };
    let make = json!({ "do": "script", "database": "TOKEN", "sql": "create table item (name text)" });
    let broken = json!({ "do": "query", "database": "TOKEN", "sql": "select s3cr3t from nothing" });
    let (project, output) = ran(asks(true).applies(make.clone()).applies(broken), "sqlite:s3cr3t/Wert.db");
    assert!(project.has("s3cr3t/Wert.db") || !project.results()[0].starts_with("ok"), "{:?}", project.results());
    unseen(&project, &output);
    let (project, _) = ran(asks(false).applies(make.clone()), "sqlite:open.db");
    assert!(project.results()[0].starts_with("denied: denied"), "{:?}", project.results());
    assert!(!project.has("open.db"));
    // Not set: said by name.
    let project = asks(true).applies(make).project().locked();
    let output = project.windlass("run");
    assert!(
        output.code != Some(0) || project.results()[0].contains("the secret `TOKEN` is not set"),
        "{}",
        output.all()
    );
}

#[test]
fn a_secret_that_is_not_set_has_no_stand_in() {
    let project = Probe::new()
        .asks(header("https://api.example"))
        .applies(json!({ "do": "placeholder", "secret": "TOKEN" }))
        .project()
        .locked();
    let output = project.windlass("run");
    assert!(output.code == Some(0) && project.results() == ["ok: not set"], "{}", output.all());
}
