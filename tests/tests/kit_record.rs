//! `windlass plugin test --record`: what really came is written into the case file, without what is secret, and passes then.

#![cfg(unix)]

use e2e::Project;
use e2e::server::{Answer, Server};
use std::net::TcpListener;

/// What is only here, and in no file afterwards.
const REAL: &str = "really-secret-0123456789";

/// A case with comments, and nothing that says what comes of it. `ONE` is a server's port, `TWO` one that is open.
const CASES: &str = r##"# the cases of this plugin

[[case]] # from the world
name = "the world"
secrets = { TOKEN = "made-up-token" }
# what is run
files = { "bin/show" = "#!/bin/sh\necho out; echo err >&2; echo $TOKEN\nexit 3\n", "site/old" = "old" }

[case.config]
capabilities = [
  { kind = "http", host = "127.0.0.1", port = ONE, methods = ["POST"], path = "/", addresses = ["loopback"], phases = ["apply"] },
  { kind = "secret-header", name = "TOKEN", origin = "http://127.0.0.1:ONE", phases = ["apply"] },
  { kind = "exec", program = "./bin/show", writes = ["site"], phases = ["apply"] },
  { kind = "exec", program = "no-such-program", writes = ["site"], phases = ["apply"] },
  { kind = "secret-variable", name = "TOKEN", variable = "TOKEN", program = "./bin/show", phases = ["apply"] },
  { kind = "tcp-probe", host = "127.0.0.1", port = TWO, addresses = ["loopback"], phases = ["apply"] },
  { kind = "directory", path = "site", write = true, phases = ["apply"] },
]
apply = [
  { do = "http", method = "POST", url = "http://127.0.0.1:ONE/purge?a=b", headers = [["authorization", "Bearer <<TOKEN>>"]], body = "{\"a\":1}" },
  { do = "exec", program = "./bin/show" },
  { do = "exec", program = "./bin/show", stream = true },
  { do = "exec", program = "no-such-program" },
  { do = "tcp", host = "127.0.0.1", port = TWO },
  { do = "file", deed = "create", tree = "site", path = "new", text = "new" },
  { do = "file", deed = "remove", tree = "site", path = "old" },
  { do = "http", method = "POST", url = "https://example.com/" },
  { do = "record", value = "{\"a\":1,\"b\":null}" },
]

# what is said of it
[case.expect.apply]
# a reason
outcome = "something else"

# the second one
[[case]]
name = "without the world"
config = { capabilities = [{ kind = "exec", program = "make", phases = ["apply"] }], apply = [{ do = "exec", program = "make" }] }

[[case.command]] # canned
program = "make"
answer = { stdout = "made" }
"##;

#[test]
fn what_came_is_written_and_passes_without_the_world() {
    let server = Server::start(|request| {
        let sent = request.header("authorization").unwrap_or_default().to_owned();
        Answer::new(201, format!("you sent {sent} and {}", String::from_utf8_lossy(&request.body))).header("x-id", "9")
    });
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = |url: &str| url.rsplit_once(':').expect("a port").1.trim_end_matches('/').to_owned();
    let (one, two) = (port(&server.url("")), listener.local_addr().expect("an address").port().to_string());
    let cases = CASES.replace("ONE", &one).replace("TWO", &two);
    let project = Project::new().guest("probe").file("cases.toml", &cases);

    let output = project.windlass_with("plugin test ./probe.wasm --record", &[("TOKEN", REAL)]).exits(0);
    assert!(output.raw_stdout.ends_with("s)\n") && output.raw_stdout.contains("2 ok, 0 failed"), "{}", output.all());
    assert_eq!(output.stderr, "wrote cases.toml\n");
    // The real one was used, and is nowhere.
    assert_eq!(server.received()[0].header("authorization"), Some(format!("Bearer {REAL}").as_str()));
    let text = project.read("cases.toml");
    assert!(!text.contains(REAL) && !output.everything().contains(REAL), "{text}");
    assert_eq!(text.replace(&one, "ONE").replace(&two, "TWO"), include_str!("kit_cases/recorded.toml"));

    // Nobody is there any more.
    drop((server, listener));
    let output = project.windlass("plugin test ./probe.wasm").exits(0);
    assert!(output.raw_stdout.contains("2 ok, 0 failed"), "{}", output.raw_stdout);
    // What is written twice is the same, and nobody is asked for it.
    let output = project.windlass("plugin test ./probe.wasm --record").exits(0);
    assert_eq!((output.stderr.as_str(), project.read("cases.toml")), ("", text));
}

#[test]
fn a_case_that_is_not_answered_is_left_as_it_is() {
    let cases = r#"[[case]]
name = "a"
config = { capabilities = [{ kind = "exec", program = "make", arguments = ["*"], phases = ["apply"] }], apply = [{ do = "exec", program = "make", arguments = ["all"] }] }

[[case.command]]
program = "make"
arguments = ["none"]
"#;
    let project = Project::new().guest("probe").file("cases.toml", cases);
    let output = project.windlass("plugin test ./probe.wasm --record").exits(13);
    assert!(output.raw_stdout.contains("nothing answers `make all`; the nearest is"), "{}", output.raw_stdout);
    assert_eq!(project.read("cases.toml"), cases);
}

#[test]
fn only_the_cases_that_are_named_are_recorded() {
    let cases = "[[case]]\nname = \"one\"\n\n[[case]]\nname = \"two\"\n";
    let project = Project::new().guest("probe").file("cases.toml", cases);
    let _ = project.windlass("plugin test ./probe.wasm tw --record").exits(0);
    let text = project.read("cases.toml");
    assert!(
        text.starts_with("[[case]]\nname = \"one\"\n\n[[case]]\nname = \"two\"\n\n[case.expect.requires]\n"),
        "{text}"
    );
}

#[test]
fn expectations_that_are_not_in_tables_of_their_own_are_not_overwritten() {
    let cases = "[[case]]\nname = \"a\"\nexpect.apply.outcome = \"x\"\n";
    let project = Project::new().guest("probe").file("cases.toml", cases);
    let output = project.windlass("plugin test ./probe.wasm --record").exits(2);
    assert!(
        output.stderr.starts_with("error: what is expected cannot be written anew where it stands\n"),
        "{}",
        output.stderr
    );
    assert!(
        output.stderr.ends_with("hint: write it in tables of its own: `[case.expect.plan]`, `[case.expect.apply]`\n")
    );
    assert_eq!(project.read("cases.toml"), cases);
}
