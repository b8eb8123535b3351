//! The network, from the outside: what a plugin may not get past, and what a server may not do to a run.

use e2e::probe::Probe;
use e2e::server::{Answer, Server};
use serde_json::{Value, json};

const APPLY: [&str; 1] = ["apply"];

fn grant(server: &Server, path: &str) -> Value {
    json!({
        "kind": "http", "host": "127.0.0.1", "port": server.port(), "methods": ["GET"], "path": path,
        "addresses": ["loopback"], "phases": APPLY,
    })
}

#[test]
fn a_request_is_what_its_parts_say_and_no_other() {
    let server = Server::start(|_| Answer::new(200, "welcome"));
    let other = Server::start(|_| Answer::new(200, "not you"));
    let here = format!("127.0.0.1:{}", server.port());
    let there = format!("127.0.0.1:{}", other.port());
    let raw = |authority: &str, path: &str| json!({ "do": "raw-request", "request": { "authority": authority, "path": path } });
    let results = Probe::new()
        .asks(grant(&server, "/api/"))
        .applies(raw(&here, "/api/a"))
        .applies(raw(&here, &format!("http://{there}/api/a")))
        .applies(raw(&here, &format!("//{there}/api/a")))
        .applies(raw(&format!("{here}@{there}"), "/api/a"))
        .applies(raw(&format!("user@{here}"), "/api/a"))
        .applies(raw(&there, "/api/a"))
        .applies(raw(&here, "/api/..%2fadmin"))
        .applies(raw(&here, "/api/a?to=/../admin"))
        .applies(raw(&here, "/api/a HTTP/1.1\r\nhost: elsewhere\r\n\r\n"))
        .results();
    assert!(results[0].starts_with("ok: 200 "), "{results:?}");
    for (index, result) in results.iter().enumerate().filter(|(index, _)| ![0, 7].contains(index)) {
        assert!(!result.starts_with("ok"), "{index}: {result}");
    }
    assert!(results[7].starts_with("ok: 200 "), "{results:?}");
    assert!(other.received().is_empty());
    for request in server.received() {
        assert_eq!(request.header("host"), Some(here.as_str()));
        assert!(request.path.starts_with("/api/a"), "{}", request.path);
    }
}

#[test]
fn an_answer_without_end_is_cut_and_a_head_without_end_is_refused() {
    let server = Server::start(|request| match request.path.as_str() {
        "/long" => Answer::new(200, "b".repeat(20 << 20)),
        "/many" => (0..1000).fold(Answer::new(200, ""), |answer, index| answer.header(&format!("x-{index}"), "1")),
        _ => Answer::new(200, "").header("x-large", &"h".repeat(1 << 20)),
    });
    let ask = |path: &str| json!({ "do": "http", "url": server.url(path) });
    let length = json!({ "do": "http-length", "url": server.url("/long") });
    let results =
        Probe::new().asks(grant(&server, "/")).applies(length).applies(ask("/many")).applies(ask("/large")).results();
    assert_eq!(results[0], format!("ok: 200 {} truncated=true", 8 << 20));
    for result in &results[1..] {
        assert!(result.starts_with("unavailable: "), "{result}");
    }
}

#[test]
fn nobody_answering_is_no_denial() {
    let port = e2e::server::Closed::new();
    let results = Probe::new()
        .asks(json!({
            "kind": "http", "host": "127.0.0.1", "port": port.port(), "methods": ["GET"], "path": "/",
            "addresses": ["loopback"], "phases": APPLY,
        }))
        .asks(json!({ "kind": "tcp-probe", "host": "127.0.0.1", "port": port.port(), "addresses": ["loopback"], "phases": APPLY }))
        .applies(json!({ "do": "http", "url": format!("http://127.0.0.1:{}/", port.port()) }))
        .applies(json!({ "do": "tcp", "host": "127.0.0.1", "port": port.port() }))
        .results();
    assert!(results[0].starts_with("unavailable: connection-refused"), "{results:?}");
    assert!(results[1].starts_with("unavailable: connection-refused"), "{results:?}");
}
