//! Attacks over the network: to where nobody meant a plugin to go, as somebody else, or for what is not its own.
//!
//! | attack | ends as | shown by |
//! | --- | --- | --- |
//! | each class of address, by HTTP and by a probe (22 literals and a name) | denied | `an_address_of_a_class_…` |
//! | an address written as a number, short, in octal, in hex (5) | denied | `an_address_is_one_however_it_is_written` |
//! | a cloud's metadata with everything granted (9 literals) | denied | `what_hands_out_credentials_…` |
//! | the same by name and behind a proxy (5) | denied, and the proxy is not asked | `behind_a_proxy_…` |
//! | another `Host`, hop-by-hop headers, a made-up length (9) | refused by WASI | `a_header_that_is_not_a_plugins_…` |
//! | an absolute URL or another host as a path, `user@`, a line end in a path, in a method (7) | denied, or refused by WASI | `a_request_leads_where_its_parts_say` |
//! | `CONNECT`, `TRACE`, a scheme of its own (4) | denied | `a_method_that_was_not_granted_…` |
//! | a path that climbs, plain and encoded once or twice (9) | denied | `a_path_that_a_server_may_read_…` |
//! | a redirect to metadata, followed by the plugin itself | denied | `a_redirect_leads_nowhere_by_itself` |
//! | a TCP socket to connect, one to listen, a UDP socket, the addresses of a name (4) | denied | `there_is_no_socket_…` |
//! | a stand-in made up, in another origin's header, in a path, with more to it (4) | denied | `a_stand_in_is_good_…` |
//! | a secret back in gzip, in part, in a header's name, in a trailer (4) | refused, or taken out | `a_secret_does_not_come_back_…` |
//! | a name whose address changes between the look and the dialling; a certificate for another name | `host/tests/network.rs` | `an_answer_that_changes_…`, `a_certificate_is_for_the_name_…` |
//! | a `POST` while planning | `capabilities.rs` | `planning_only_looks_at_the_network` |
//!
//! 84 cases here.

use super::floods::server;
use e2e::probe::Probe;
use e2e::proxy::Proxy;
use e2e::server::{Answer, Server};
use e2e::{Output, Project};
use serde_json::{Value, json};
use std::io::Write;

const APPLY: [&str; 1] = ["apply"];
/// Every word that can be granted.
const EVERYTHING: [&str; 5] = ["public", "private", "loopback", "0.0.0.0/0", "::/0"];

pub(super) fn grant(host: &str, port: u16, path: &str, addresses: &[&str]) -> Value {
    json!({
        "kind": "http", "host": host, "port": port, "methods": ["GET", "POST"], "path": path,
        "addresses": addresses, "phases": APPLY,
    })
}

/// A request by the guest's own hand.
pub(super) fn raw(authority: &str, path: &str) -> Value {
    json!({ "do": "raw-request", "request": { "authority": authority, "path": path } })
}

/// The same with more to it.
pub(super) fn raw_with(authority: &str, path: &str, more: Value) -> Value {
    let mut operation = raw(authority, path);
    let more = more.as_object().expect("an object").clone();
    operation["request"].as_object_mut().expect("an object").extend(more);
    operation
}

pub(super) fn here(server: &Server) -> String {
    format!("127.0.0.1:{}", server.port())
}

pub(super) fn ran(probe: Probe) -> (Project, Output) {
    let project = probe.project().locked();
    let output = project.windlass("run").exits(0);
    (project, output)
}

/// An address is granted by name, but no class of addresses is: `public` is what that means.
#[test]
fn an_address_of_a_class_that_was_not_granted_is_not_dialled() {
    let classes = [
        ("127.0.0.1", "a loopback address"),
        ("localhost", "a loopback address"),
        ("10.0.0.1", "a private address"),
        ("172.16.0.1", "a private address"),
        ("192.168.0.1", "a private address"),
        ("100.64.0.1", "an address behind a provider's address translation"),
        ("169.254.0.1", "a link-local address"),
        ("0.0.0.0", "an unspecified address"),
        ("224.0.0.1", "a multicast address"),
        ("255.255.255.255", "a broadcast address"),
        ("198.18.0.1", "a benchmarking address"),
        ("192.0.2.1", "a reserved address"),
        ("240.0.0.1", "a reserved address"),
        ("::", "an unspecified address"),
        ("::1", "a loopback address"),
        ("fe80::1", "a link-local address"),
        ("fc00::1", "a private address"),
        ("ff02::1", "a multicast address"),
        ("2001:db8::1", "a reserved address"),
        ("::ffff:127.0.0.1", "a loopback address"),
        ("64:ff9b::a00:1", "a private address"),
        ("2002:a00:1::", "a private address"),
        ("2001:0:1::", "the address of a tunnel"),
    ];
    let server = Server::start(|_| Answer::new(200, "welcome"));
    let port = server.port();
    let written = |host: &str| if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    let mut probe = Probe::new();
    for (host, _) in classes {
        probe = probe
            .asks(grant(host, port, "/", &[]))
            .asks(json!({ "kind": "tcp-probe", "host": host, "port": port, "phases": APPLY }))
            .applies(raw(&format!("{}:{port}", written(host)), "/"))
            .applies(json!({ "do": "tcp", "host": host, "port": port }));
    }
    let (project, output) = ran(probe);
    let (results, denied) = (project.results(), project.denied());
    for (index, (host, class)) in classes.iter().enumerate() {
        assert_eq!(results[2 * index], "unavailable: failed: DestinationIpProhibited", "{host}");
        let probed = &results[2 * index + 1];
        assert!(probed.starts_with("denied: address-refused: "), "{host}: {probed}");
        assert!(probed.contains(&format!("is {class}, which is not granted")), "{host}: {probed}");
        let asked = format!("GET `http://{}:{port}/`", written(host));
        assert!(denied.contains(&asked), "{asked} in {denied:?}");
        assert!(denied.contains(&format!("probe `{host}:{port}`")), "{host} in {denied:?}");
        let said = format!("error: not allowed to {asked}: `{host}` may not be reached: `");
        assert!(output.stderr.contains(&said), "{said} in {}", output.stderr);
        assert!(output.stderr.contains(&format!("is {class}, which is not granted")), "{}", output.stderr);
    }
    assert!(server.received().is_empty());
}

#[test]
fn an_address_is_one_however_it_is_written() {
    let server = Server::start(|_| Answer::new(200, "welcome"));
    let hosts = ["127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0x7f.1"];
    let port = server.port();
    let probe = hosts.iter().fold(Probe::new(), |probe, host| {
        probe.asks(grant(host, port, "/", &[])).applies(raw(&format!("{host}:{port}"), "/"))
    });
    let (project, _) = ran(probe);
    for (host, result) in hosts.iter().zip(project.results()) {
        // What a system does not take for an address has none.
        assert!(
            result == "unavailable: failed: DestinationIpProhibited" || result.contains("DnsError"),
            "{host}: {result}"
        );
    }
    assert!(project.denied().contains(&format!("GET `http://2130706433:{port}/`")), "{:?}", project.denied());
    assert!(server.received().is_empty());
}

#[test]
fn what_hands_out_credentials_is_not_dialled_whatever_is_granted() {
    let hosts = [
        "169.254.169.254",
        "169.254.170.2",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "fd00:ec2::254",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::",
    ];
    let written = |host: &str| if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    let probe = hosts.iter().fold(Probe::new(), |probe, host| {
        probe.asks(grant(host, 80, "/", &EVERYTHING)).applies(raw(&written(host), "/latest/meta-data/"))
    });
    let probe = hosts.iter().fold(probe, |probe, host| probe.asks(grant(host, 80, "/latest/", &EVERYTHING)));
    let (project, output) = ran(probe);
    for (host, result) in hosts.iter().zip(project.results()) {
        assert_eq!(result, "unavailable: failed: DestinationIpProhibited", "{host}");
        let asked = format!("GET `http://{}/latest/meta-data/`", written(host));
        assert!(project.denied().contains(&asked), "{asked} in {:?}", project.denied());
        let said =
            format!("not allowed to {asked}: `{host}` may not be reached: `{host}` is a cloud's metadata address");
        assert!(output.stderr.contains(&said), "{said} in {}", output.stderr);
    }
}

#[test]
fn behind_a_proxy_a_name_is_judged_by_what_it_says() {
    let proxy = Proxy::to(1, "nobody.invalid");
    let hosts = ["metadata.google.internal", "instance-data", "169.254.169.254", "0xa9fea9fe", "metadata.goog"];
    let probe = hosts
        .iter()
        .fold(Probe::new(), |probe, host| probe.asks(grant(host, 80, "/", &EVERYTHING)).applies(raw(host, "/")));
    let project = probe.project().variable("HTTP_PROXY", &proxy.url()).locked();
    let _ = project.windlass("run").exits(0);
    for (host, result) in hosts.iter().zip(project.results()) {
        assert_eq!(result, "unavailable: failed: DestinationIpProhibited", "{host}");
        assert!(project.denied().contains(&format!("GET `http://{host}/`")), "{:?}", project.denied());
    }
    assert!(proxy.asked().is_empty());
}

#[test]
fn a_header_that_is_not_a_plugins_to_say_is_refused() {
    let server = Server::start(|_| Answer::new(200, "welcome"));
    let headers = [
        ("host", "elsewhere.example"),
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
        ("keep-alive", "timeout=600"),
        ("transfer-encoding", "chunked"),
        ("proxy-connection", "keep-alive"),
        ("proxy-authorization", "Basic bWU6bWU="),
        ("te", "trailers"),
    ];
    let mut probe = Probe::new().asks(grant("127.0.0.1", server.port(), "/", &["loopback"]));
    for (name, value) in headers {
        probe = probe.applies(raw_with(&here(&server), "/", json!({ "headers": [[name, value]] })));
    }
    // Two lengths, of which a server and a proxy before it might each believe another.
    let lengths =
        json!({ "method": "POST", "body": "four", "headers": [["content-length", "0"], ["content-length", "4"]] });
    let (project, _) = ran(probe.applies(raw_with(&here(&server), "/", lengths)));
    let results = project.results();
    for ((name, _), result) in headers.iter().zip(&results) {
        let refused = result.starts_with(&format!("unavailable: failed: the header {name}: "));
        // Where WASI lets a plugin say it, it is not said on.
        assert!(refused || result.starts_with("ok: 200"), "{name}: {result}");
    }
    assert!(!results[headers.len()].starts_with("ok"), "{results:?}");
    for request in server.received() {
        assert_eq!(request.header("host"), Some(here(&server).as_str()));
        for (name, _) in headers.iter().skip(1) {
            assert_eq!(request.header(name), None, "{request:?}");
        }
    }
}

#[test]
fn a_request_leads_where_its_parts_say() {
    let server = Server::start(|_| Answer::new(200, "welcome"));
    let other = Server::start(|_| Answer::new(200, "not you"));
    let (here, there) = (here(&server), here(&other));
    let (project, _) = ran(Probe::new()
        .asks(grant("127.0.0.1", server.port(), "/api/", &["loopback"]))
        .applies(raw(&here, "/api/a"))
        .applies(raw(&here, &format!("http://{there}/api/a")))
        .applies(raw(&here, &format!("//{there}/api/a")))
        .applies(raw(&format!("{here}@{there}"), "/api/a"))
        .applies(raw(&format!("user@{here}"), "/api/a"))
        .applies(raw(&here, "/api/a HTTP/1.1\r\nhost: elsewhere\r\n\r\n"))
        .applies(raw_with(&here, "/api/a", json!({ "method": "GET /api/b HTTP/1.1\r\n\r\nGET" })))
        .applies(raw(&there, "/api/a")));
    let results = project.results();
    assert!(results[0].starts_with("ok: 200 "), "{results:?}");
    for (index, result) in results.iter().enumerate().skip(1) {
        assert!(result.starts_with("unavailable: failed: "), "{index}: {result}");
    }
    let denied = project.denied();
    for asked in [
        format!("GET `http://{here}@{there}/api/a`"),
        format!("GET `http://user@{here}/api/a`"),
        format!("GET `http://{there}/api/a`"),
    ] {
        assert!(denied.contains(&asked), "{asked} in {denied:?}");
    }
    assert_eq!(server.received().len(), 1);
    assert!(other.received().is_empty());
}

#[test]
fn a_method_that_was_not_granted_or_that_makes_a_tunnel_is_refused() {
    let server = Server::start(|_| Answer::new(200, "welcome"));
    let here = here(&server);
    let mut tunnel = grant("127.0.0.1", server.port(), "/tunnel", &["loopback"]);
    tunnel["methods"] = json!(["CONNECT"]);
    let method = |path: &str, method: &str| raw_with(&here, path, json!({ "method": method }));
    let (project, output) = ran(Probe::new()
        .asks(grant("127.0.0.1", server.port(), "/", &["loopback"]))
        .asks(tunnel)
        .applies(method("/tunnel", "CONNECT"))
        .applies(method("/", "TRACE"))
        .applies(method("/", "get"))
        .applies(raw_with(&here, "/", json!({ "scheme": "ftp" }))));
    let results = project.results();
    assert_eq!(results[0], "unavailable: failed: HttpRequestUriInvalid");
    assert!(output.stderr.contains("the URL of the request cannot be asked for: a tunnel is no request"));
    assert_eq!(results[1..3], ["unavailable: failed: HttpRequestDenied", "unavailable: failed: HttpRequestDenied"]);
    assert_eq!(results[3], "unavailable: failed: HttpProtocolError");
    let denied = ["CONNECT", "TRACE", "get"].map(|method| {
        let path = if method == "CONNECT" { "/tunnel" } else { "/" };
        format!("{method} `http://{here}{path}`")
    });
    assert_eq!(project.denied(), denied);
    assert!(server.received().is_empty());
}

#[test]
fn a_path_that_a_server_may_read_as_a_way_up_is_below_no_prefix() {
    let server = Server::start(|_| Answer::new(200, "welcome"));
    let paths = [
        "/api/../admin",
        "/api/..;/admin",
        "/api/%2e%2e/admin",
        "/api/%2E./admin",
        "/api/..%2fadmin",
        "/api/%252e%252e/admin",
        "/api/%25252e%25252e/admin",
        "/api/..%5cadmin",
        "/api//../../admin",
    ];
    let probe = Probe::new().asks(grant("127.0.0.1", server.port(), "/api/", &["loopback"]));
    let probe = paths.iter().fold(probe, |probe, path| probe.applies(raw(&here(&server), path)));
    let (project, _) = ran(probe.applies(raw(&here(&server), "/api/a;v=1?to=/../admin")));
    let results = project.results();
    for (path, result) in paths.iter().zip(&results) {
        assert_eq!(result, "unavailable: failed: HttpRequestDenied", "{path}");
        let asked = format!("GET `http://{}{path}`", here(&server));
        assert!(project.denied().contains(&asked), "{asked} in {:?}", project.denied());
    }
    assert!(results[paths.len()].starts_with("ok: 200 "), "{results:?}");
}

#[test]
fn a_redirect_leads_nowhere_by_itself() {
    let server = Server::start(|_| Answer::new(302, "").header("location", "http://169.254.169.254/latest/"));
    let (project, _) = ran(Probe::new()
        .asks(grant("127.0.0.1", server.port(), "/", &["loopback"]))
        .applies(raw(&here(&server), "/"))
        // As a library of the plugin's would follow it.
        .applies(raw("169.254.169.254", "/latest/")));
    let results = project.results();
    assert!(results[0].starts_with("ok: 302 "), "{results:?}");
    assert_eq!(results[1], "unavailable: failed: HttpRequestDenied");
    assert_eq!(project.denied(), ["GET `http://169.254.169.254/latest/`"]);
}

#[test]
fn there_is_no_socket_and_no_name_server_of_a_plugins_own() {
    let server = Server::start(|_| Answer::new(200, "welcome"));
    let port = server.port();
    let (project, output) = ran(Probe::new()
        .asks(grant("127.0.0.1", port, "/", &["loopback"]))
        .asks(json!({ "kind": "tcp-probe", "host": "127.0.0.1", "port": port, "addresses": ["loopback"], "phases": APPLY }))
        .applies(json!({ "do": "raw-tcp", "port": port }))
        .applies(json!({ "do": "raw-tcp", "port": 0, "listen": true }))
        .applies(json!({ "do": "raw-udp", "port": port }))
        .applies(json!({ "do": "look-up", "name": "localhost" })));
    for result in project.results() {
        assert_eq!(result, "unavailable: failed: access-denied");
    }
    let denied = ["have a TCP socket of its own", "have a UDP socket of its own", "ask for the addresses of a name"];
    assert_eq!(project.denied(), denied);
    for asked in denied {
        let said =
            format!("error: not allowed to {asked}: the ways to the network are the host's `http` and `tcp-probe`");
        assert!(output.stderr.contains(&said), "{said} in {}", output.stderr);
    }
}

fn token(origin: &str) -> Value {
    json!({ "kind": "secret-header", "name": "TOKEN", "origin": origin, "phases": APPLY })
}

const TOKEN: &str = "s3cr3t-Wert-0123456789";

#[test]
fn a_stand_in_is_good_for_what_its_secret_was_granted_for() {
    let server = Server::start(|_| Answer::new(200, "welcome"));
    let second = Server::start(|_| Answer::new(200, "welcome"));
    let other = Server::start(|_| Answer::new(200, "not you"));
    let made_up = format!("windlass-secret-{}", "0".repeat(32));
    let send = |server: &Server| json!({ "do": "secret-header", "secret": "TOKEN", "url": server.url("/") });
    let mut probe = Probe::new().asks(token(&server.url(""))).asks(token(&second.url("")));
    for server in [&server, &second, &other] {
        probe = probe.asks(grant("127.0.0.1", server.port(), "/", &["loopback"])).applies(send(server));
    }
    let hook = json!({ "kind": "secret-url", "name": "HOOK", "methods": ["POST"], "addresses": ["loopback"], "phases": APPLY });
    let project = probe
        .asks(hook)
        .applies(json!({ "do": "http", "url": server.url("/"), "headers": [["authorization", made_up]] }))
        .applies(raw(&format!("{made_up}.invalid"), "/"))
        .applies(json!({ "do": "secret-url", "secret": "HOOK", "suffix": "more" }))
        .project()
        .variable("TOKEN", TOKEN)
        .variable("HOOK", &server.url("/hook"))
        .locked();
    let output = project.windlass("run").exits(0);
    let results = project.results();
    assert!(results[..2].iter().all(|result| result.starts_with("ok: 200")), "good for both: {results:?}");
    assert!(results[2].starts_with("denied: http-denied"), "{results:?}");
    assert!(results[3].starts_with("denied: http-denied"), "{results:?}");
    assert_eq!(results[4], "unavailable: failed: HttpRequestDenied");
    assert!(results[5].starts_with("denied: http-denied"), "{results:?}");
    let denied = project.denied();
    assert!(denied.contains(&format!("send the secret `TOKEN` in a header to `{}`", other.url(""))), "{denied:?}");
    assert!(denied.contains(&format!("use a stand-in in a header to `{}`", server.url(""))), "{denied:?}");
    assert!(denied.contains(&format!("GET `http://{made_up}.invalid/`")), "{denied:?}");
    assert_eq!(denied.len(), 4, "{denied:?}");
    for said in ["a stand-in for a secret is unknown to this call", "secret `HOOK` is not granted as part of a URL"] {
        assert!(output.stderr.contains(said), "{said} in {}", output.stderr);
    }
    assert_eq!((server.received().len(), second.received().len(), other.received().len()), (1, 1, 0));
}

#[test]
fn a_secret_does_not_come_back_in_a_way_in_which_it_is_not_seen() {
    let plain = Server::start(|request| {
        let token = request.header("authorization").unwrap_or_default();
        let asked = |name: &str| request.header(name).map_or("no", |_| "yes");
        let name = format!("x-{token}");
        let answer = Answer::new(206, format!("{} {}", asked("accept-encoding"), asked("range"))).header(&name, "1");
        if request.path == "/gzip" { answer.header("content-encoding", "gzip") } else { answer }
    });
    let trailing = server(|stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n")?;
        stream.write_all(format!("x-seen: {TOKEN}\r\nx-{TOKEN}: 1\r\n\r\n").as_bytes())
    });
    let origin = plain.url("");
    let send = |path: &str| {
        json!({
            "do": "http-with-secret", "secret": "TOKEN",
            "request": { "authority": here(&plain), "path": path,
                "headers": [["accept-encoding", "gzip"], ["range", "bytes=0-9"]] },
        })
    };
    let mut late = send("/");
    late["request"]["authority"] = json!(trailing.1);
    let project = Probe::new()
        .asks(token(&origin))
        .asks(token(&format!("http://{}", trailing.1)))
        .asks(grant("127.0.0.1", plain.port(), "/", &["loopback"]))
        .asks(grant("127.0.0.1", trailing.0, "/", &["loopback"]))
        .applies(send("/plain"))
        .applies(send("/gzip"))
        .applies(late)
        .project()
        .variable("TOKEN", TOKEN)
        .locked();
    let output = project.windlass("run").exits(0);
    let results = project.results();
    assert!(results[0].starts_with("ok: 206 ") && results[0].contains(" 5 bytes: no no "), "{results:?}");
    assert_eq!(results[1], "unavailable: failed: HttpResponseContentCoding(Some(\"gzip\"))");
    assert!(results[2].starts_with("ok: 200 ") && results[2].ends_with("[x-seen=***]"), "{results:?}");
    assert!(results.iter().all(|result| !result.to_lowercase().contains(&TOKEN.to_lowercase())), "{results:?}");
    let asked = format!("read the answer to GET `{origin}/gzip`");
    assert_eq!(project.denied(), [asked.as_str()]);
    assert!(
        output
            .stderr
            .contains(&format!("not allowed to {asked}: the answer to a request with a secret is coded as `gzip`"))
    );
}
