//! The plugin `smoke-test` in the real host, against servers on loopback.

use e2e::server::{Answer, Closed, Meeting, Server};
use e2e::{Output, Project};
use serde_json::json;
use std::io::{BufRead, BufReader, Read};
use std::process::Child;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A project whose only step makes these checks.
fn project(checks: &str) -> Project {
    Project::with(&config(checks)).locked()
}

fn config(checks: &str) -> String {
    format!(
        "schema = 1\napp = \"shop\"\n[environments.staging]\n[[step]]\nid = \"healthy\"\nplugin = \"smoke-test\"\n[step.with]\n\
         checks = [\n{checks}\n]\n"
    )
}

/// Answers with each status in turn, and with the last one from then on.
fn in_turn(statuses: &'static [u16]) -> Server {
    let count = AtomicUsize::new(0);
    Server::start(move |_| {
        let index = count.fetch_add(1, Ordering::SeqCst).min(statuses.len() - 1);
        Answer::new(statuses[index], "")
    })
}

/// Reads what a run says until a line contains these words.
fn read_until(child: &mut Child, words: &str) -> String {
    let mut reader = BufReader::new(child.stderr.take().expect("standard error"));
    let mut said = String::new();
    while !said.contains(words) {
        assert!(reader.read_line(&mut said).expect("text") > 0, "it ended without `{words}`:\n{said}");
    }
    // The rest is read too, or the run would wait for a reader.
    std::thread::spawn(move || reader.read_to_string(&mut String::new()));
    said
}

fn shop() -> Server {
    Server::start(|request| match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/health") => Answer::json(&json!({
            "status": "ok", "schema": 4, "checks": [{ "name": "database", "up": true }, { "name": "queue", "up": true }]
        }))
        .header("x-version", "1.2.0")
        .header("cache-control", "no-store, max-age=0"),
        ("POST", "/orders?dry=1") if request.json() == Some(json!({ "product": 1 })) => {
            let answer = Answer::new(201, "  order 7 is taken\n");
            answer.header("location", &format!("/orders/7?agent={}", request.header("x-agent").unwrap_or("none")))
        }
        _ => Answer::new(404, "no such page"),
    })
}

#[test]
fn everything_that_can_be_said_of_an_answer_is_checked_and_holds() {
    let shop = shop();
    let project = project(&format!(
        r#"{{ name = "health", url = "{}", status = [200, "3xx"], latency = "30s",
              header = {{ x-version = "1.2.0", Cache-Control = {{ contains = "no-store" }} }},
              body = {{ contains = "\"ok\"", matches = '"schema":\s*[0-9]' }},
              json = [{{ path = "$.status", equals = "ok" }}, {{ path = "$.schema", greater = 3, less = 5 }},
                      {{ path = "$.checks[*].up", equals = true, count = 2 }}, {{ path = "$.problem", exists = false }},
                      {{ path = "$.checks[?@.name == 'queue'].name", matches = "^q" }}] }},
           {{ name = "order", url = "{}", status = 201, body = "order 7 is taken",
              request = {{ method = "POST", json = {{ product = 1 }}, headers = {{ x-agent = "smoke" }} }},
              header = {{ location = {{ matches = "agent=smoke$" }} }} }},
           {{ tcp = "127.0.0.1:{}" }},"#,
        shop.url("/health"),
        shop.url("/orders?dry=1"),
        shop.port()
    ));

    let plan = project.windlass("plan").exits(0);
    assert!(plan.stdout.contains("`health`") || plan.stderr.contains("`health`"), "{}", plan.all());
    let intents = project.windlass("plan --format json").exits(0).result()["plan"]["steps"][0]["intents"].clone();
    assert!(intents.as_array().expect("intents").iter().all(|intent| intent["effect"] == "checks"), "{intents}");
    assert_eq!(shop.received().len(), 0, "a plan asks nobody");

    let output = project.windlass("run --format json").exits(0);
    assert_eq!(output.result()["outcome"], "succeeded");
    assert!(output.stderr.contains("all 3 checks hold"), "{}", output.stderr);
    let received = shop.received();
    assert_eq!(received.len(), 2, "once each");
    let order = received.iter().find(|request| request.method == "POST").expect("an order");
    assert_eq!(order.header("content-type"), Some("application/json"));
}

#[test]
fn a_wrong_answer_says_all_that_is_wrong_with_it() {
    let shop = shop();
    let project = project(&format!(
        r#"{{ name = "health", url = "{}", status = 204, retry-wrong = false,
              header = {{ x-version = "1.3.0", x-trace = {{ contains = "a" }} }}, body = {{ contains = "degraded" }},
              json = [{{ path = "$.schema", equals = 5 }}, {{ path = "$.region", equals = "eu" }}] }},"#,
        shop.url("/health")
    ));
    let output = project.windlass("run").exits(13);
    let (code, text) = project.failure("healthy");
    assert_eq!(code, "wrong-answer");
    for part in [
        "`health` does not answer as it must",
        "expected status `204`, came `200`",
        "x-version",
        "1.3.0",
        "x-trace",
        "degraded",
        "$.schema",
        "$.region",
        "tried once",
    ] {
        assert!(text.contains(part), "`{part}` is not in\n{text}");
    }
    assert!(output.stderr.contains("expected status `204`, came `200`"), "{}", output.stderr);
    assert_eq!(shop.received().len(), 1);
}

#[test]
fn an_answer_that_takes_too_long_is_wrong() {
    let slow = Server::start(|_| {
        std::thread::sleep(std::time::Duration::from_millis(60));
        Answer::new(200, "")
    });
    let project = project(&format!(r#"{{ url = "{}", latency = "20ms", retry-wrong = false }},"#, slow.url("/")));
    let _ = project.windlass("run").exits(13);
    let (code, text) = project.failure("healthy");
    assert_eq!(code, "wrong-answer");
    assert!(text.contains("expected it within 20 ms, it took "), "{text}");
}

#[test]
fn a_wrong_answer_is_tried_again_while_there_is_time() {
    let server = in_turn(&[500, 500, 200]);
    let project = project(&format!(r#"{{ url = "{}", interval = "1ms" }},"#, server.url("/")));
    let output = project.windlass("run").exits(0);
    assert!(output.stderr.contains("is wrong (try 1): expected status `2xx`, came `500`"), "{}", output.stderr);
    assert!(output.stderr.contains("try 3"), "{}", output.stderr);
    assert_eq!(server.received().len(), 3);
}

#[test]
fn what_is_not_up_is_told_apart_from_what_is_wrong() {
    let closed = Closed::new();
    let nobody =
        project(&format!(r#"{{ name = "shop", url = "http://127.0.0.1:{}/", within = "0s" }},"#, closed.port()));
    let output = nobody.windlass("run").exits(13);
    let (code, text) = nobody.failure("healthy");
    assert_eq!(code, "not-up");
    assert!(text.contains("`shop` is not up") && text.contains("the connection was refused"), "{text}");
    assert!(text.contains("raise `within`"), "{text}");
    assert!(output.stderr.contains("`shop` is not up"), "{}", output.stderr);

    // A proxy that answers for an application that is starting.
    let proxy = in_turn(&[503]);
    let starting = project(&format!(r#"{{ url = "{}", within = "0s" }},"#, proxy.url("/")));
    let _ = starting.windlass("run").exits(13);
    assert_eq!(starting.failure("healthy").0, "not-up");

    // Both at once: that something answers wrongly outweighs.
    let wrong = in_turn(&[500]);
    let both = project(&format!(
        r#"{{ name = "a", url = "{}", within = "0s" }}, {{ name = "b", url = "{}", within = "0s" }},"#,
        proxy.url("/"),
        wrong.url("/")
    ));
    let _ = both.windlass("run").exits(13);
    let (code, text) = both.failure("healthy");
    assert_eq!(code, "wrong-answer");
    assert!(text.contains("2 of 2 checks failed: `a`, `b`"), "{text}");
}

#[test]
fn what_comes_up_in_time_is_good() {
    let answers_late = in_turn(&[503, 502, 200]);
    let (late, port) = (Closed::new(), Closed::new());
    let project = project(&format!(
        r#"{{ name = "proxied", url = "{}", interval = "1ms" }},
           {{ name = "refused", url = "http://127.0.0.1:{}/", interval = "20ms", max-interval = "20ms", within = "60s" }},
           {{ name = "port", tcp = "127.0.0.1:{}", interval = "20ms", max-interval = "20ms", within = "60s" }},"#,
        answers_late.url("/"),
        late.port(),
        port.port()
    ));
    let mut child = project.start("run");
    let said = read_until(&mut child, "`refused` is not up yet (try 1)");
    assert!(said.contains("the connection was refused"), "{said}");
    let server = Server::on(late, |_| Answer::new(200, ""));
    let _listener = port.open();
    let status = child.wait().expect("an end");
    assert_eq!(status.code(), Some(0));
    assert_eq!((answers_late.received().len(), server.received().len()), (3, 1));
}

#[test]
fn a_port_that_nobody_listens_on_is_not_up() {
    let closed = Closed::new();
    let project = project(&format!(r#"{{ tcp = "127.0.0.1:{}", within = "0s" }},"#, closed.port()));
    let _ = project.windlass("run").exits(13);
    let (code, text) = project.failure("healthy");
    assert_eq!(code, "not-up");
    assert!(text.contains("refused"), "{text}");
}

#[test]
fn checks_run_side_by_side() {
    // No request is answered before all have arrived, so one after the other would never end.
    let meeting = Meeting::of(8);
    let server = Server::start(move |_| if meeting.wait() { Answer::new(200, "") } else { Answer::new(500, "alone") });
    let checks: Vec<String> = (0..8)
        .map(|number| {
            format!(r#"{{ url = "{}", timeout = "60s", retry-wrong = false }},"#, server.url(&format!("/{number}")))
        })
        .collect();
    let project = project(&checks.join("\n"));
    let output = project.windlass("run").exits(0);
    assert!(output.stderr.contains("all 8 checks hold"), "{}", output.stderr);
    assert_eq!(server.received().len(), 8);
}

/// Runs a check of a server under a name that the addresses of its grant do not allow.
fn denied(addresses: &str) -> (Output, usize) {
    let server = in_turn(&[200]);
    let check =
        format!(r#"{{ url = "http://localhost:{}/", addresses = {addresses}, within = "60s" }},"#, server.port());
    let project = project(&check);
    (project.windlass("run --format json").exits(13), server.received().len())
}

#[test]
fn a_host_that_is_not_accepted_is_not_asked() {
    // What the lock does not have stops the run before it begins.
    let (server, other) = (in_turn(&[200]), in_turn(&[200]));
    let project = project(&format!(r#"{{ url = "{}" }},"#, server.url("/health")));
    project.write("deploy.toml", &config(&format!(r#"{{ url = "{}" }},"#, other.url("/health"))));
    let output = project.windlass("run").exits(22);
    assert!(output.stderr.contains(&other.url("/health")), "{}", output.stderr);
    assert_eq!((server.received().len(), other.received().len()), (0, 0));

    // A name that leads to an address that was not accepted is found out when it is looked up, and not tried again.
    for addresses in [r#"["public"]"#, r#"["10.0.0.0/8"]"#] {
        let (output, asked) = denied(addresses);
        assert_eq!((asked, &output.result()["reason"]), (0, &"step-denied".into()), "{}", output.stderr);
        let why = output.stderr.lines().find(|line| line.contains("error:")).expect("a reason");
        assert!(why.contains("localhost") && why.contains("127.0.0.1"), "{why}");
    }
}
