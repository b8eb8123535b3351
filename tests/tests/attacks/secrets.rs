//! Attacks on secrets: to say one, in whatever form, to keep one, or to use one for something that it was not granted for.
//!
//! | attack | ends as | shown by |
//! | --- | --- | --- |
//! | each encoding (base64 of both kinds and at each alignment, hex, percent, JSON, each byte escaped, lines of a key) in a log line, progress, a report | stars | `no_encoding_of_a_secret_is_said_…` |
//! | the same in an output, a failure, a panic | stars, or a failure of the step | the same |
//! | the same in state, in a record | a refusal by name | the same |
//! | in two writes of one stream, with the other between | stars | `secrets::a_secret_is_hidden_also_where_it_comes_in_pieces` |
//! | one half by one program and one by the next; by the guest around a program | held back until nothing follows | `halves_that_two_programs_write_…` |
//! | where a message, a failure, a denial or what is captured is cut | stars, and then cut | `a_cut_leaves_no_beginning_…` |
//! | in a trace of the host's own | stars | `a_trace_is_without_secrets` |
//! | a stand-in in a query, a path, a child's argument or input, in SQL, of an earlier call | denied, or the stand-in as it is | `a_stand_in_is_worth_nothing_…` |
//! | a stand-in for another host, made up, in a body, with more of a URL | denied, or as it is | `secrets::…` |
//! | what a server sends back of it | stars | `secrets::what_a_server_sends_back_…` |
//! | a secret too short to hide | a warning | `a_short_secret_is_warned_of_…` |

use e2e::probe::Probe;
use e2e::server::{Answer, Server};
use e2e::{Output, Project};
use serde_json::{Value, json};
use std::fmt::Write as _;

const APPLY: [&str; 1] = ["apply"];
const VALUE: &str = "s3cr3t/Wert+42&ü\"x";
const LINE: &str = "MIIEpAIBAAKCAQEA+x1/Zz";
const KEY: &str = "-----BEGIN KEY-----\nMIIEpAIBAAKCAQEA+x1/Zz\nq83vASNFZ4mrze8BI0Vn\n-----END KEY-----\n";

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Base64 by hand: what the host knows of it is not what is tested with.
fn base64(bytes: &[u8]) -> String {
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let number =
            three.iter().enumerate().fold(0_u32, |all, (place, byte)| all | (u32::from(*byte) << (16 - 8 * place)));
        for place in 0..4 {
            let letter = ALPHABET[(number >> (18 - 6 * place)) as usize & 63];
            text.push(if place <= three.len() { letter.into() } else { '=' });
        }
    }
    text
}

fn url_safe(text: &str) -> String {
    text.trim_end_matches('=').replace('+', "-").replace('/', "_")
}

fn bytes(value: &str, before: &str, between: &str) -> String {
    value.bytes().map(|byte| format!("{before}{byte:02x}")).collect::<Vec<_>>().join(between)
}

fn units(value: &str) -> String {
    value.encode_utf16().fold(String::new(), |mut text, unit| {
        let _ = write!(text, "\\u{unit:04x}");
        text
    })
}

/// Every form, and what of it must not be seen.
fn forms() -> Vec<(String, String)> {
    let mut forms = vec![];
    let mut add = |text: String| forms.push((text.clone(), text));
    for value in [VALUE, LINE] {
        add(value.to_owned());
        add(base64(value.as_bytes()));
        add(url_safe(&base64(value.as_bytes())));
        add(bytes(value, "", ""));
        add(bytes(value, "", "").to_uppercase());
    }
    let json = serde_json::to_string(VALUE).expect("a text");
    let json = json[1..json.len() - 1].to_owned();
    add(json.clone());
    add(json.replace('/', "\\/").replace('ü', "\\u00fc"));
    add(units(VALUE));
    add(bytes(VALUE, "", ":"));
    add(bytes(VALUE, "%", ""));
    add(bytes(VALUE, "%", "").to_uppercase());
    add("s3cr3t%2FWert%2B42%26%C3%BC%22x".to_owned());
    add("s3cr3t%2fWert%2b42%26%c3%bc%22x".to_owned());
    // In the middle of something that was encoded as a whole. The letters at both ends depend on what is around.
    for before in ["u", "us", "use"] {
        let text = base64(format!("{before}:{VALUE}:more").as_bytes());
        forms.push((text.clone(), text[8..24].to_owned()));
        forms.push((url_safe(&text), url_safe(&text)[8..24].to_owned()));
    }
    forms
}

/// Nothing that was written, shown or kept holds any of these.
fn unseen(project: &Project, output: &Output, hidden: &[String]) {
    let mut texts = vec![("output".to_owned(), output.everything())];
    for (name, bytes) in project.files() {
        if name.starts_with(".windlass") || name == "deploy.lock" {
            texts.push((name, String::from_utf8_lossy(&bytes).into_owned()));
        }
    }
    for (name, text) in texts {
        for form in hidden {
            assert!(!text.contains(form), "{form} in {name}: {text}");
        }
    }
}

fn secret(name: &str, origin: &str) -> Value {
    json!({ "kind": "secret-header", "name": name, "origin": origin, "phases": ["apply", "revert"] })
}

fn variable(name: &str, variable: &str) -> Value {
    json!({ "kind": "secret-variable", "name": name, "variable": variable, "phases": APPLY })
}

fn leak() -> Value {
    json!({ "kind": "directory", "path": "leak", "phases": ["apply", "revert"] })
}

fn script(program: &str) -> Value {
    json!({ "kind": "exec", "program": program, "phases": APPLY })
}

fn run(program: &str, stream: bool) -> Value {
    json!({ "do": "exec", "program": program, "stream": stream })
}

#[test]
fn no_encoding_of_a_secret_is_said_or_kept() {
    let forms = forms();
    let hidden: Vec<String> = forms.iter().map(|(_, hidden)| hidden.clone()).collect();
    let with_files = |probe: Probe| {
        let probe =
            probe.asks(leak()).asks(secret("TOKEN", "https://api.example")).asks(secret("KEY", "https://api.example"));
        let mut project = probe.project().variable("TOKEN", VALUE).variable("KEY", KEY);
        for (index, (text, _)) in forms.iter().enumerate() {
            project = project.file(&format!("leak/{index}"), text);
        }
        let all: Vec<&str> = forms.iter().map(|(text, _)| text.as_str()).collect();
        project.file("leak/all", &all.join(" ")).locked()
    };
    let mut probe = Probe::new();
    for index in 0..forms.len() {
        let text = format!("@leak/{index}");
        probe = probe
            .applies(json!({ "do": "log", "level": "error", "text": text }))
            .applies(json!({ "do": "print", "pieces": [text, "\n"] }))
            .applies(json!({ "do": "progress", "text": text }))
            .applies(json!({ "do": "report", "text": text }))
            .applies(json!({ "do": "state-set", "key": "k", "value": text }))
            .applies(json!({ "do": "state-set", "key": text, "value": "v" }));
    }
    let said = with_files(probe);
    let output = said.windlass("run --format json --log debug").exits(0);
    for (index, results) in said.results().chunks(6).enumerate() {
        for result in &results[4..] {
            assert!(result.starts_with("bug: state-with-secret"), "{}: {results:?}", forms[index].0);
        }
    }
    unseen(&said, &output, &hidden);
    // As an output, a failure, a panic, and what a revert says.
    let words = "@leak/all";
    let put_out = with_files(Probe::new().applies(json!({ "do": "say", "text": words })));
    let output = put_out.windlass("run --format json").exits(13);
    assert_eq!(put_out.event("step-failed")["trouble"]["what"], "the output `0` of step `probe` contains a secret");
    unseen(&put_out, &output, &hidden);
    for (what, code) in [("fail", 13), ("panic", 13)] {
        let project = with_files(Probe::new().applies(json!({ "do": what, "text": words })));
        let output = project.windlass("run --format json --log debug").exits(code);
        assert!(project.event("step-failed")["trouble"].to_string().contains("***"), "{}", output.all());
        unseen(&project, &output, &hidden);
    }
    let reverted = with_files(Probe::new().reverts(json!({ "do": "say", "text": words })).turns());
    let output = reverted.windlass("run --format json").exits(10);
    assert!(reverted.reverted().contains("***"));
    unseen(&reverted, &output, &hidden);
    // A record is JSON, and is refused where one is in it.
    let mut probe = Probe::new();
    for index in 0..forms.len() {
        probe = probe.applies(json!({ "do": "record", "value": format!("@leak/json-{index}") }));
    }
    let mut project = probe
        .asks(leak())
        .asks(secret("TOKEN", "https://api.example"))
        .asks(secret("KEY", "https://api.example"))
        .project();
    for (index, (text, _)) in forms.iter().enumerate() {
        project = project.file(&format!("leak/json-{index}"), &json!({ "kept": text }).to_string());
    }
    let project = project.variable("TOKEN", VALUE).variable("KEY", KEY).locked();
    let output = project.windlass("run").exits(0);
    for (index, result) in project.results().iter().enumerate() {
        assert!(result.starts_with("bug: record-with-secret"), "{}: {result}", forms[index].0);
    }
    unseen(&project, &output, &hidden);
}

#[cfg(unix)]
#[test]
fn halves_that_two_programs_write_are_not_put_together() {
    let (one, two) = VALUE.split_at(9);
    let half = |which: &str| format!("#!/bin/sh\nprintf '%s' \"$(cat leak/{which})\"\n");
    let probe = Probe::new()
        .asks(leak())
        .asks(script("./one"))
        .asks(script("./two"))
        .asks(script("true"))
        .asks(variable("TOKEN", "APP_TOKEN"))
        // One program after the other.
        .applies(run("./one", true))
        .applies(run("./two", true))
        .applies(json!({ "do": "print", "pieces": ["\nnext\n"] }))
        // The guest, around a program that says nothing.
        .applies(json!({ "do": "print", "pieces": ["@leak/one"] }))
        .applies(run("true", true))
        .applies(json!({ "do": "print", "pieces": ["@leak/two", "\n"] }))
        // The guest and a program, and what is captured of one.
        .applies(json!({ "do": "print", "pieces": ["@leak/one"] }))
        .applies(run("./two", true))
        .applies(run("./one", false))
        .applies(run("./two", true));
    let project = probe.project().file("one", &half("one")).file("two", &half("two"));
    let project = project.file("leak/one", one).file("leak/two", two).variable("TOKEN", VALUE).locked();
    let output = project.windlass("run").exits(0);
    assert!(output.stderr.contains("***"), "{}", output.stderr);
    unseen(&project, &output, &[VALUE.to_owned()]);
}

#[cfg(unix)]
#[test]
fn a_cut_leaves_no_beginning_of_a_secret() {
    // Where each text is cut the secret has begun and not ended.
    let around = |length: usize| format!("{}{VALUE}{}", "x".repeat(length - 12), "y".repeat(100));
    let flood = format!("#!/bin/sh\nhead -c {} /dev/zero | tr '\\0' x\nprintf '%s' \"$APP_TOKEN\"\n", (16 << 20) - 12);
    let probe = || {
        Probe::new()
            .asks(leak())
            .asks(script("./flood"))
            .asks(variable("TOKEN", "APP_TOKEN"))
            .asks(json!({ "kind": "exec", "program": "echo", "arguments": ["only"], "phases": APPLY }))
    };
    let files = |project: Project| {
        let project = project
            .file("leak/message", &around(64 << 10))
            .file("leak/argument", &around((2 << 10) - "run `echo ".len()));
        project.file("flood", &flood).variable("TOKEN", VALUE).locked()
    };
    let project = files(
        probe()
            .applies(json!({ "do": "log", "level": "error", "text": "@leak/message" }))
            .applies(json!({ "do": "exec", "program": "echo", "arguments": ["@leak/argument"] }))
            .applies(json!({ "do": "exec", "program": "./flood", "last": 40 }))
            .project(),
    );
    let output = project.windlass("run --log debug").exits(0);
    let beginning = ["s3cr3t".to_owned()];
    unseen(&project, &output, &beginning);
    let results = project.results();
    assert!(
        results[1].starts_with("denied: denied: plugin `probe@1.2.3` was not allowed to run `echo xxx"),
        "{results:?}"
    );
    assert!(project.denied()[0].contains("… (cut after 2 KiB)"), "{:?}", project.denied());
    assert!(results[2].ends_with("xxxxxxxxxxxx"), "{}", results[2]);
    let failed = files(probe().applies(json!({ "do": "fail", "text": "@leak/message" })).project());
    let output = failed.windlass("run").exits(13);
    unseen(&failed, &output, &beginning);
}

#[test]
fn a_trace_is_without_secrets() {
    let probe = Probe::new().asks(secret("TOKEN", "https://api.example"));
    let config = probe.config().replace("./probe.wasm", "./s3cr3t-Name.wasm");
    let project = Project::with(&config).guest("probe").variable("TOKEN", "s3cr3t-Name");
    std::fs::copy(project.path().join("probe.wasm"), project.path().join("s3cr3t-Name.wasm")).expect("a copy");
    let project = project.locked();
    let output = project.windlass("plan --trace windlass=trace").exits(0);
    assert!(output.stderr.contains("compiled plugin=\"./***.wasm\""), "{}", output.stderr);
    assert!(!output.everything().contains("s3cr3t"), "{}", output.everything());
}

#[test]
fn a_stand_in_is_worth_nothing_in_any_other_place() {
    let server = Server::start(|_| Answer::new(200, "welcome"));
    let sent = |url: String| json!({ "do": "http", "url": url });
    let project = Probe::new()
        .asks(secret("TOKEN", &server.url("")))
        .asks(json!({
            "kind": "http", "host": "127.0.0.1", "port": server.port(), "methods": ["GET", "POST"], "path": "/",
            "addresses": ["loopback"], "phases": ["apply", "revert"],
        }))
        .asks(json!({ "kind": "exec", "program": "cat", "arguments": [], "phases": APPLY }))
        .asks(json!({ "kind": "exec", "program": "echo", "arguments": ["*"], "phases": APPLY }))
        .asks(json!({ "kind": "database", "name": "shop", "url": "sqlite:shop.db", "write": true, "phases": APPLY }))
        .applies(sent(server.url("/?token=<<TOKEN>>")))
        .applies(sent(server.url("/<<TOKEN>>")))
        .applies(json!({ "do": "http", "url": server.url("/name"), "headers": [["<<TOKEN>>", "x"]] }))
        .applies(json!({ "do": "exec", "program": "echo", "arguments": ["<<TOKEN>>"] }))
        .applies(json!({ "do": "exec", "program": "cat", "input": "<<TOKEN>>" }))
        .applies(json!({ "do": "query", "database": "shop", "sql": "select '<<TOKEN>>'" }))
        .project()
        .variable("TOKEN", VALUE)
        .locked();
    let output = project.windlass("run --log debug").exits(0);
    let results = project.results();
    for result in &results[..2] {
        assert!(result.starts_with("denied: http-denied"), "{results:?}");
    }
    for result in &results[3..] {
        assert!(result.contains("windlass-secret-"), "{results:?}");
    }
    for request in server.received() {
        assert_eq!(request.path, "/name");
        assert!(request.headers.iter().all(|(name, value)| !name.contains("s3cr3t") && !value.contains("s3cr3t")));
    }
    let denied = project.denied();
    assert_eq!(denied.iter().filter(|asked| asked.starts_with("GET `")).count(), 2, "{denied:?}");
    unseen(&project, &output, &forms().into_iter().map(|(_, hidden)| hidden).collect::<Vec<_>>());
}

#[test]
fn a_short_secret_is_warned_of_by_every_command_that_may_show_it() {
    let probe = Probe::new().asks(secret("PIN", "https://api.example")).reverts(json!({ "do": "say", "text": "back" }));
    let project = probe.applies(json!({ "do": "record", "value": "1" })).project().variable("PIN", "4711").locked();
    let warning = "warning: the secret `PIN` is so short that it cannot be kept out of all texts\n";
    for (words, code) in [("plan", 0), ("run", 0), ("report last", 0), ("rollback", 0)] {
        let output = project.windlass(words);
        assert!(output.stderr.contains(warning), "{words}: {}", output.all());
        let _ = output.exits(code);
    }
    let probe = Probe::new().asks(secret("PIN", "https://api.example")).applies(json!({ "do": "fail", "text": "no" }));
    let project = probe.project().variable("PIN", "4711").locked();
    let run = project.windlass("run --format json").result()["run"].as_str().expect("a run").to_owned();
    let output = project.windlass(&format!("resume {run}"));
    assert!(output.stderr.contains(warning), "{}", output.all());
}
