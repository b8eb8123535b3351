//! `windlass plugin test --record`: what really came is written into the case file, without what is secret, and passes then.

#![cfg(unix)]

use e2e::Project;
use e2e::server::{Answer, Closed, Server};
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

    // Whoever wrote the plugin does not decide what is done in the world.
    let output = project.windlass_with("plugin test ./probe.wasm --record", &[("TOKEN", REAL)]).exits(2);
    let (said, table) = output.stderr.split_once("\ngranted = [\n").unwrap_or_else(|| panic!("{}", output.all()));
    for part in [
        "error: the case `the world` does not say what is granted\n",
        "cases.toml:4:",
        "  Caused by: it has no canned answers, so what is granted is done in the world, and not all that the plugin asks for\n",
        "note: nothing was run, and nobody was asked for anything\n",
        "hint: this is what the plugin asks for: write below the case's `name` what of it may really be done",
    ] {
        assert!(said.contains(part), "{part}: {}", output.all());
    }
    assert_eq!((server.received().len(), project.read("cases.toml")), (0, cases.clone()), "{}", output.all());
    // What is shown is what is pasted.
    let name = "name = \"the world\"\n";
    project.write("cases.toml", &cases.replace(name, &format!("{name}granted = [\n{table}")));

    let output = project.windlass_with("plugin test ./probe.wasm --record", &[("TOKEN", REAL)]).exits(0);
    assert!(output.raw_stdout.ends_with("s)\n") && output.raw_stdout.contains("2 ok, 0 failed"), "{}", output.all());
    assert_eq!(
        output.stderr,
        "warning: in case `the world` nobody answered `no-such-program`: there is no such program; this is written as what comes\n\
         changed: what came of `the world` is not what it expected:\n  the outcome of `apply` is not as expected\n    \
         - something else\n    + did what it was told\n  what was denied to `apply` is not as expected\n    \
         + POST `https://example.com/`\nwrote cases.toml\n"
    );
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

/// What a case says of files, records and state stays said, also where nothing came of them.
#[test]
fn what_the_author_looks_at_stays_looked_at() {
    let cases = r#"[[case]]
name = "nothing is touched"
state = { seen = "1" }
files = { "site/same" = "old\n", "site/kept" = "kept", "site/sum" = "1", "site/other" = "other" }
config = { capabilities = [{ kind = "directory", path = "site", write = true, phases = ["apply"] }], apply = [{ do = "file", deed = "create", tree = "site", path = "new", text = "new" }] }

[case.expect]
records = []
state = { seen = "1" }

[case.expect.files]
"site/same" = "another\n"
"site/none" = false
"site/kept" = true
"site/sum" = { sha256 = "0" }
"#;
    let project = Project::new().guest("probe").file("cases.toml", cases);
    let _ = project.windlass("plugin test ./probe.wasm --record").exits(0);
    let text = project.read("cases.toml");
    let table: toml::Table = toml::from_str(&text).expect("TOML");
    let expect = &table["case"][0]["expect"];
    let one = "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b";
    let expected = format!(
        "records = []\nstate = {{ seen = \"1\" }}\nfiles = {{ \"site/kept\" = true, \"site/new\" = \"new\", \"site/none\" = false, \
         \"site/same\" = \"old\\n\", \"site/sum\" = {{ sha256 = \"{one}\" }} }}\n"
    );
    let expected: toml::Table = toml::from_str(&expected).expect("TOML");
    for (key, value) in &expected {
        assert_eq!(&expect[key], value, "{text}");
    }
}

/// What changes with another name of the case, or with another line of the source, is not what is expected.
#[test]
fn what_is_recorded_outlives_the_next_edit() {
    let cases = "[[case]]\nname = \"refused\"\nconfig = { aply = [] }\n\n\
                 [[case]]\nname = \"crashed\"\nconfig = { apply = [{ do = \"panic\", text = \"at the disco\" }] }\n";
    let project = Project::new().guest("probe").file("cases.toml", cases);
    let _ = project.windlass("plugin test ./probe.wasm --record").exits(0);
    let text = project.read("cases.toml");
    assert!(text.contains("trap = \"at the disco\"\n"), "{text}");
    assert!(text.contains("  \"error: the plugin panicked: panicked at {*}\",\n"), "{text}");
    assert!(!text.contains("misbehave.rs"), "{text}");
    project.write("cases.toml", &text.replace("name = \"refused\"", "name = \"called otherwise\""));
    let output = project.windlass("plugin test ./probe.wasm").exits(0);
    assert!(output.raw_stdout.contains("2 ok, 0 failed"), "{}", output.raw_stdout);
}

/// A link that a plugin made leads nobody to what is not the project's.
#[test]
fn what_a_link_leads_to_is_not_recorded() {
    let outside = tempfile::Builder::new().tempfile_in("/tmp").expect("a file");
    std::fs::write(outside.path(), REAL).expect("a file");
    let name = outside.path().file_name().expect("a name").to_string_lossy().into_owned();
    let cases = format!(
        r#"[[case]]
name = "a"
files = {{ "site/old" = "old" }}
[case.config]
capabilities = [{{ kind = "directory", path = "site", write = true, phases = ["apply"] }}]
apply = [
  {{ do = "file", deed = "symlink", tree = "site", path = "leak", to = "../../{name}" }},
  {{ do = "file", deed = "create", tree = "site", path = "new", text = "new" }},
]
"#
    );
    let project = Project::new().guest("probe").file("cases.toml", &cases);
    let _ = project.windlass("plugin test ./probe.wasm --record").exits(0);
    let text = project.read("cases.toml");
    assert!(text.contains("info: 0: ok: made") && text.contains(r#""site/new" = "new""#), "{text}");
    assert!(!text.contains(REAL), "{text}");
}

/// A forge's token is for Windlass, also where a plugin asks for the variable for a program.
#[test]
fn a_forges_token_is_no_plugins() {
    let cases = r##"[[case]]
name = "a"
files = { "show" = "#!/bin/sh\necho \"$MODE and $GITHUB_TOKEN\"\n" }
granted = [
  { kind = "exec", program = "./show", variables = ["GITHUB_TOKEN", "MODE"], writes = ["/"], connects = "any", phases = ["apply"] },
]
[case.config]
capabilities = [{ kind = "exec", program = "./show", variables = ["GITHUB_TOKEN", "MODE"], phases = ["apply"] }]
apply = [{ do = "exec", program = "./show" }]
"##;
    let project = Project::new().guest("probe").file("cases.toml", cases);
    let variables = [("GITHUB_TOKEN", REAL), ("MODE", "strict")];
    let _ = project.windlass_with("plugin test ./probe.wasm --record", &variables).exits(0);
    let text = project.read("cases.toml");
    assert!(text.contains("strict and ") && !text.contains(REAL), "{text}");
}

/// That there was no network is no reason to expect that there is none, without a word.
#[test]
fn what_the_world_did_not_answer_is_said() {
    let closed = Closed::new();
    let port = closed.port();
    let cases = format!(
        r#"[[case]]
name = "a"
granted = [
  {{ kind = "http", scheme = "http", host = "127.0.0.1", port = {port}, methods = ["GET"], path = "/", addresses = ["loopback"], phases = ["apply"] }},
]
[case.config]
capabilities = [
  {{ kind = "http", host = "127.0.0.1", port = {port}, methods = ["GET"], path = "/", addresses = ["loopback"], phases = ["apply"] }},
]
apply = [{{ do = "http", url = "http://127.0.0.1:{port}/a" }}]
"#
    );
    let project = Project::new().guest("probe").file("cases.toml", &cases);
    let output = project.windlass("plugin test ./probe.wasm --record").exits(0);
    assert_eq!(
        output.stderr,
        format!(
            "warning: in case `a` nobody answered GET `http://127.0.0.1:{port}/a`: `127.0.0.1` refused the connection to port \
             {port}; this is written as what comes\nwrote cases.toml\n"
        )
    );
    assert!(project.read("cases.toml").contains("answer = { error = \"connection-refused\" }"));
}

/// What a plugin says of a name that is none is a sentence.
#[test]
fn a_name_that_is_not_found_is_told_in_words() {
    let cases = r#"[[case]]
name = "a"
config = { capabilities = [{ kind = "http", scheme = "https", host = "a.example", port = 443, methods = ["GET"], path = "/", phases = ["apply"] }], apply = [{ do = "http", url = "https://a.example/" }] }

[[case.http]]
url = "https://a.example/"
answer = { error = "dns" }
"#;
    let project = Project::new().guest("probe").file("cases.toml", cases);
    let _ = project.windlass("plugin test ./probe.wasm --record").exits(0);
    let text = project.read("cases.toml");
    assert!(text.contains("GET https://a.example/`: no such host (the case says so)"), "{text}");
}

#[test]
fn lines_end_as_they_did() {
    let cases = "[[case]]\r\nname = \"a\"\r\nconfig = { apply = [{ do = \"output\", step = \"b\", name = \"c\" }] }\r\n\
                 outputs = { b = { c = \"one\\ntwo\" } }\r\n";
    let project = Project::new().guest("probe").file("cases.toml", cases);
    let output = project.windlass("plugin test ./probe.wasm --record").exits(0);
    assert!(output.raw_stdout.contains("1 ok, 0 failed"), "{}", output.raw_stdout);
    let text = project.read("cases.toml");
    assert!(text.starts_with(cases) && text.matches("\r\n").count() == text.matches('\n').count(), "{text:?}");
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

/// A case that asks a server, with what is said of it.
fn asking(port: &str, said: &str) -> String {
    let line = |scheme: &str| {
        format!(
            "{{ kind = \"http\", {scheme}host = \"127.0.0.1\", port = {port}, methods = [\"GET\"], path = \"/\", \
             addresses = [\"loopback\"], phases = [\"apply\"] }}"
        )
    };
    let (granted, asked) = (line("scheme = \"http\", "), line(""));
    format!(
        "[[case]]\nname = \"a\"\ngranted = [{granted}]\n{said}\n[case.config]\ncapabilities = [{asked}]\n\
         apply = [{{ do = \"http\", url = \"http://127.0.0.1:{port}/a\" }}]\n"
    )
}

fn port(server: &Server) -> String {
    server.url("").rsplit_once(':').expect("a port").1.trim_end_matches('/').to_owned()
}

/// What cannot be written is noticed before the world is asked, which may only have one answer to give.
#[test]
fn what_cannot_be_rewritten_is_noticed_before_anybody_is_asked() {
    let server = Server::start(|_| Answer::new(200, "hello"));
    let port = port(&server);
    let tables = "hint: write it in tables of its own: `[case.expect.plan]`, `[case.expect.apply]`\n";
    for (said, more, what, hint) in [
        ("expect.apply.outcome = \"x\"", "", "what is expected", tables),
        ("expect = { apply = { outcome = \"x\" } }", "", "what is expected", tables),
        // A part of it in a table of its own.
        ("expect.apply.outcome = \"x\"", "[case.expect.plan]\nintents = []\n", "what is expected", tables),
        ("http = []", "", "the empty `http`", "hint: take it out of the case\n"),
        ("tcp-probe = []", "", "the empty `tcp-probe`", "hint: take it out of the case\n"),
    ] {
        let cases = asking(&port, said) + more;
        let project = Project::new().guest("probe").file("cases.toml", &cases);
        let output = project.windlass("plugin test ./probe.wasm --record").exits(2);
        let begins = format!("error: {what} cannot be written anew where it stands\n");
        assert!(output.stderr.starts_with(&begins) && output.stderr.ends_with(hint), "{said}: {}", output.all());
        assert!(output.stderr.contains("note: the file is as it was, and nothing was run\n"), "{}", output.all());
        assert_eq!(project.read("cases.toml"), cases);
    }
    assert_eq!(server.received().len(), 0);
    let project = Project::new().guest("probe").file("cases.toml", &asking(&port, ""));
    let _ = project.windlass("plugin test ./probe.wasm --record").exits(0);
    assert_eq!(server.received().len(), 1);
}

/// Nothing at all may be granted, too; and what stays within the case's own files is granted as it is asked for.
#[test]
fn what_is_done_in_the_world_is_what_the_case_grants() {
    let server = Server::start(|_| Answer::new(200, "hello"));
    let port = port(&server);
    let (before, after) =
        asking(&port, "").split_once("granted = ").map(|(a, b)| (a.to_owned(), b.to_owned())).expect("it");
    let rest = after.split_once('\n').expect("a line").1;
    let project = Project::new().guest("probe").file("cases.toml", &format!("{before}granted = []\n{rest}"));
    let _ = project.windlass("plugin test ./probe.wasm --record").exits(0);
    assert_eq!(server.received().len(), 0);
    let text = project.read("cases.toml");
    assert!(text.contains("denied = [\n  \"GET `http://127.0.0.1:"), "{text}");
}

/// What a project has as its secrets is known, whether a case names it or not: no plugin reads it, and no file has it.
#[test]
fn a_secret_of_the_project_is_in_no_case() {
    const OTHER: &str = "another-secret-9876543210";
    let server = Server::start(|_| Answer::new(200, format!("the other one is {OTHER}")).header("x-other", OTHER));
    let port = port(&server);
    let step = "[[step]]\nid = \"a\"\nplugin = \"./probe.wasm\"\n[step.with]\ncapabilities = [{ kind = \"secret-header\", \
                name = \"OTHER\", origin = \"https://example.com\", phases = [\"apply\"] }]\n";
    let config = format!("schema = 1\napp = \"shop\"\n\n[environments.staging]\n\n{step}");
    let show = "{ kind = \"exec\", program = \"./show\", variables = [\"MODE\", \"OTHER\"], writes = [\"site\"], \
                phases = [\"apply\"] }";
    let cases = asking(&port, "files = { show = \"#!/bin/sh\\necho \\\"$MODE and $OTHER\\\"\\n\" }")
        .replace("granted = [", &format!("granted = [{}, ", show.replace("writes", "connects = \"any\", writes")))
        .replace("capabilities = [", &format!("capabilities = [{show}, "))
        .replace("apply = [", "apply = [{ do = \"exec\", program = \"./show\" }, ");
    let project = Project::with(&config).guest("probe").file("cases.toml", &cases).locked();
    let variables = [("OTHER", OTHER), ("MODE", "strict")];
    let output = project.windlass_with("plugin test ./probe.wasm --record", &variables).exits(0);
    let text = project.read("cases.toml");
    assert!(text.contains("body = \"the other one is ***\"") && text.contains("x-other = \"***\""), "{text}");
    assert!(text.contains("strict and \n"), "{text}");
    assert!(!text.contains(OTHER) && !output.everything().contains(OTHER), "{text}");
    // Where nobody knows which those are, nothing is recorded.
    project.write("deploy.lock", "what is this");
    let output = project.windlass_with("plugin test ./probe.wasm --record", &variables).exits(22);
    assert!(output.stderr.contains("deploy.lock"), "{}", output.all());
}

/// What looks like a comment in a text is none, and comments stay above what is replaced, however often that is done.
#[test]
fn what_is_recorded_twice_is_the_same() {
    let cases = r##"[[case]]
name = "a"
outputs = { b = { c = "one\n# no comment\n  # nor this\nend\n#" } }
config = { apply = [{ do = "output", step = "b", name = "c" }] }

[case.expect.plan]
# why
log = []
# of the other one
[case.expect.apply]
outcome = """
x
# no comment, either
"""
# the end"##;
    let project = Project::new().guest("probe").file("cases.toml", cases);
    let record = || {
        let _ = project.windlass("plugin test ./probe.wasm --record").exits(0);
        project.read("cases.toml")
    };
    let once = record();
    for comment in ["# why\n", "# of the other one\n", "# the end\n"] {
        assert_eq!(once.matches(comment).count(), 1, "{comment}: {once}");
    }
    assert!(!once.contains("either"), "{once}");
    assert_eq!(record(), once);
    assert_eq!(record(), once);
}

/// A case whose program says that it is at work, and has no end.
fn endless(project: &Project) -> String {
    let begun = project.path().join("begun");
    format!(
        r##"[[case]]
name = "a"
files = {{ "show" = "#!/bin/sh\necho >{}\nexec /bin/sleep 600\n" }}
granted = [{{ kind = "exec", program = "./show", writes = ["/"], connects = "any", phases = ["apply"] }}]
[case.config]
capabilities = [{{ kind = "exec", program = "./show", phases = ["apply"] }}]
apply = [{{ do = "exec", program = "./show" }}]
"##,
        begun.display()
    )
}

/// Who has a recording stop is told what it has done, which is not nothing.
#[test]
fn a_recording_that_is_told_to_stop_says_what_is_done() {
    let project = Project::new().guest("probe");
    let cases = endless(&project);
    project.write("cases.toml", &cases);
    let run = project.start("plugin test ./probe.wasm --record");
    e2e::steps::until("the program", || project.has("begun"));
    let told = std::process::Command::new("kill").args(["-s", "INT", &run.id().to_string()]).status();
    assert!(told.expect("kill runs").success());
    let output = project.finish(run).exits(12);
    assert_eq!(
        output.stderr,
        "error: told to stop before the cases were recorded\n\
         note: what they had asked of the world until then is done; nothing is written to `cases.toml`\n"
    );
    assert_eq!(project.read("cases.toml"), cases);
}

/// A file that a person keeps stays where and how he has put it.
#[test]
fn a_linked_file_is_written_where_it_is() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let project = Project::new().guest("probe").file("elsewhere/mine.toml", "[[case]]\nname = \"a\"\n");
    let (link, file) = (project.path().join("cases.toml"), project.path().join("elsewhere/mine.toml"));
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).expect("a mode");
    symlink("elsewhere/mine.toml", &link).expect("a link");
    let _ = project.windlass("plugin test ./probe.wasm --record").exits(0);
    assert!(std::fs::symlink_metadata(&link).expect("it").is_symlink());
    assert!(project.read("elsewhere/mine.toml").contains("[case.expect."));
    assert_eq!(std::fs::metadata(&file).expect("it").permissions().mode() & 0o777, 0o600);
}
