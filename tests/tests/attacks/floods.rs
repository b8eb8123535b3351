//! Attacks by what comes back over the network: too much of it, or too slowly.
//!
//! | attack | ends as | shown by |
//! | --- | --- | --- |
//! | a head without end: one line, many lines (2) | a limit | `a_head_without_end_…` |
//! | a body of more than 64 MiB past the SDK: sized, in chunks (2) | a limit | `a_body_without_end_…` |
//! | a slow head, a slow body, a body that drips (3) | a limit | `who_is_slow_…` |
//! | answers without end that only say that one is coming; trailers without end; a chunk's line without end (3) | a limit | `what_comes_around_an_answer_…` |
//! | more requests at once than a process has connections | a limit | `requests_that_are_never_read_…` |
//!
//! 11 cases here.

use super::http::{grant, here, ran, raw, raw_with};
use e2e::probe::Probe;
use e2e::server::{Answer, Server};
use serde_json::json;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

#[test]
fn a_head_without_end_is_a_limit() {
    let server = Server::start(|request| match request.path.as_str() {
        "/many" => (0..1000).fold(Answer::new(200, ""), |answer, index| answer.header(&format!("x-{index}"), "1")),
        _ => Answer::new(200, "").header("x-large", &"h".repeat(1 << 20)),
    });
    let probe = Probe::new().asks(grant("127.0.0.1", server.port(), "/", &["loopback"]));
    let project = probe.applies(raw(&here(&server), "/many")).applies(raw(&here(&server), "/large")).project().locked();
    let output = project.windlass("run --log debug").exits(0);
    for result in project.results() {
        assert_eq!(result, "unavailable: failed: HttpResponseHeaderSectionSize(Some(65536))");
    }
    let said = "`127.0.0.1` answered with headers of more than 65536 bytes or 256 lines";
    assert_eq!(output.stderr.matches(said).count(), 2, "{}", output.stderr);
}

/// A server that says what it likes, to each who connects.
pub(super) fn server(say: impl Fn(&mut TcpStream) -> std::io::Result<()> + Send + Sync + 'static) -> (u16, String) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let say = std::sync::Arc::new(say);
    // Ends with the test's process.
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (mut stream, say) = (stream, say.clone());
            std::thread::spawn(move || {
                let mut head = vec![];
                let mut byte = [0];
                while !head.ends_with(b"\r\n\r\n") && stream.read_exact(&mut byte).is_ok() {
                    head.push(byte[0]);
                }
                // Who does not want it all closes early.
                let _ = say(&mut stream);
            });
        }
    });
    (address.port(), address.to_string())
}

#[test]
fn a_body_without_end_is_a_limit_past_the_sdk_too() {
    let sized = server(|stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000000\r\n\r\n")?;
        loop {
            stream.write_all(&[b'x'; 1 << 16])?;
        }
    });
    let chunked = server(|stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")?;
        loop {
            stream.write_all(b"10000\r\n")?;
            stream.write_all(&[b'x'; 1 << 16])?;
            stream.write_all(b"\r\n")?;
        }
    });
    let (project, output) = ran(Probe::new()
        .asks(grant("127.0.0.1", sized.0, "/", &["loopback"]))
        .asks(grant("127.0.0.1", chunked.0, "/", &["loopback"]))
        .applies(raw(&sized.1, "/"))
        .applies(raw(&chunked.1, "/")));
    for result in project.results() {
        assert!(result.starts_with("unavailable: failed: after "), "{result}");
        assert!(result.ends_with(&format!("HTTP response body size exceeds limit: {} bytes", 64 << 20)), "{result}");
    }
    for (_, address) in [sized, chunked] {
        let asked = format!("read more than 64 MiB of the answer to GET `http://{address}/`");
        assert!(project.denied().contains(&asked), "{asked} in {:?}", project.denied());
        let said = format!("error: not allowed to {asked}: no answer may be larger");
        assert!(output.stderr.contains(&said), "{}", output.stderr);
    }
}

#[test]
fn who_is_slow_ends_with_its_time() {
    let silent = server(|stream| stream.read_exact(&mut [0]));
    let stuck = server(|stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nx")?;
        stream.read_exact(&mut [0])
    });
    let patience = json!({ "timeout": 200 });
    let (project, _) = ran(Probe::new()
        .asks(grant("127.0.0.1", silent.0, "/", &["loopback"]))
        .asks(grant("127.0.0.1", stuck.0, "/", &["loopback"]))
        .applies(raw_with(&silent.1, "/", patience.clone()))
        .applies(raw_with(&stuck.1, "/", patience)));
    let results = project.results();
    assert_eq!(results[0], "unavailable: failed: HttpResponseTimeout");
    assert_eq!(results[1], "unavailable: failed: after 1 bytes: connection read timeout");
    // One that says something again and again never lets the plugin's own patience end; the step's does.
    let dripping = server(|stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
        loop {
            stream.write_all(b"x")?;
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    });
    let forever = json!({ "timeout": u64::MAX / 1_000_000 });
    let project = Probe::new()
        .asks(grant("127.0.0.1", dripping.0, "/", &["loopback"]))
        .applies(raw_with(&dripping.1, "/", forever))
        .setting("timeout = \"500ms\"")
        .project()
        .locked();
    let _ = project.windlass("run").exits(13);
    let trouble = project.event("step-failed")["trouble"].clone();
    assert_eq!(trouble["code"], "step-timed-out");
    assert_eq!(trouble["what"], "`apply` of plugin `probe@1.2.3` did not end within 500ms");
}

#[test]
fn what_comes_around_an_answer_has_its_limits() {
    let early = server(|stream| {
        loop {
            stream.write_all(b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n")?;
        }
    });
    let trailers = server(|stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n")?;
        loop {
            stream.write_all(b"x: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n")?;
        }
    });
    let extension = server(|stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;")?;
        loop {
            stream.write_all(&[b'e'; 1000])?;
        }
    });
    let mut probe = Probe::new();
    for (port, address) in [&early, &trailers, &extension] {
        let request = raw_with(address, "/", json!({ "timeout": 500 }));
        probe = probe.asks(grant("127.0.0.1", *port, "/", &["loopback"])).applies(request);
    }
    let (project, _) = ran(probe);
    let results = project.results();
    assert_eq!(results[0], "unavailable: failed: HttpResponseTimeout");
    for result in &results[1..] {
        let broken = ["incomplete HTTP response", "HTTP protocol error"].iter().any(|words| result.ends_with(words));
        assert!(result.starts_with("unavailable: failed: after ") && broken, "{result}");
    }
}

#[test]
fn requests_that_are_never_read_are_so_many_and_no_more() {
    let (port, address) = server(|stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nx")?;
        stream.read_exact(&mut [0])
    });
    let hold = |count: u32| {
        let request = json!({ "authority": address, "path": "/", "timeout": 1000 });
        json!({ "do": "hold-requests", "request": request, "count": count })
    };
    let (project, output) = ran(Probe::new()
        .asks(grant("127.0.0.1", port, "/", &["loopback"]))
        .applies(hold(200))
        // What was let go of is free again.
        .applies(hold(5)));
    assert_eq!(project.results(), ["unavailable: failed: after 100: ConnectionLimitReached", "ok: held 5"]);
    let asked = "have more than 100 requests under way at once";
    assert_eq!(project.denied(), [asked]);
    assert!(
        output.stderr.contains(&format!(
            "error: not allowed to {asked}: the answers to others have to be read or dropped first"
        ))
    );
}
