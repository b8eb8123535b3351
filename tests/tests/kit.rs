//! `windlass plugin test`: what a case gives, what it expects, and that the gate is the gate.

#[path = "kit_cases/beginnings.rs"]
mod beginnings;
#[path = "kit_cases/mistakes.rs"]
mod mistakes;

use e2e::{Output, Project, workspace};

/// A project with the guest that does what it is told, and these cases.
fn project(cases: &str) -> Project {
    Project::new().guest("probe").file("cases.toml", cases)
}

fn play(cases: &str) -> Output {
    project(cases).windlass("plugin test ./probe.wasm")
}

/// The output without how long anything took.
fn timeless(text: &str) -> String {
    let line = |line: &str| match line.rsplit_once(" (") {
        Some((rest, time)) if time.ends_with("s)") && time.starts_with(|it: char| it.is_ascii_digit()) => {
            rest.to_owned()
        }
        _ => line.to_owned(),
    };
    text.lines().map(|it| line(it) + "\n").collect()
}

/// Every kind of thing that a case gives and expects, and all of it right.
const WHOLE: &str = r#"
[[case]]
name = "everything that a step may do"
secrets = { TOKEN = "made-up-token", HOOK = "https://hooks.example/T0/made-up" }
variables = { MODE = "strict" }
outputs = { build = { image = "shop:1.4.0" } }
state = { seen = "1" }
deployment = { app = "shop", environment = "staging", version = "1.4.0", commit = "fedcba9876543210fedcba9876543210fedcba98" }

[case.config]
strict = true
capabilities = [
  { kind = "http", scheme = "https", host = "api.example", port = 443, methods = ["POST"], path = "/v1/", phases = ["apply"] },
  { kind = "secret-header", name = "TOKEN", origin = "https://api.example", phases = ["apply"] },
  { kind = "secret-url", name = "HOOK", methods = ["POST"], phases = ["apply"] },
  { kind = "exec", program = "kubectl", arguments = ["get", "*"], phases = ["plan", "apply"] },
  { kind = "secret-variable", name = "TOKEN", variable = "KUBE_TOKEN", program = "kubectl", phases = ["apply"] },
  { kind = "tcp-probe", host = "db.example", port = 5432, phases = ["apply"] },
  { kind = "directory", path = "site", write = true, phases = ["apply"] },
  { kind = "environment", name = "MODE", phases = ["apply"] },
  { kind = "database", name = "shop", url = "sqlite:shop.db", write = true, phases = ["apply"] },
]
plan = [{ do = "exec", program = "kubectl", arguments = ["get", "pods"] }]
apply = [
  { do = "http", method = "POST", url = "https://api.example/v1/purge?all=1", headers = [["authorization", "Bearer <<TOKEN>>"]], body = "{\"paths\":[\"/\"]}" },
  { do = "secret-url", secret = "HOOK" },
  { do = "exec", program = "kubectl", arguments = ["get", "nodes"] },
  { do = "tcp", host = "db.example", port = 5432 },
  { do = "file", deed = "read", tree = "site", path = "index.html" },
  { do = "file", deed = "create", tree = "site", path = "new.html", text = "new" },
  { do = "variables" },
  { do = "execute", database = "shop", sql = "INSERT INTO orders VALUES (2)" },
  { do = "state-get", key = "seen" },
  { do = "state-set", key = "seen", value = "2" },
  { do = "record", value = "\"first\"" },
  { do = "output", step = "build", name = "image" },
  { do = "deployment" },
]

[case.files]
"site/index.html" = "<h1>hello</h1>"

[[case.database]]
path = "shop.db"
sql = "CREATE TABLE orders (id INTEGER); INSERT INTO orders VALUES (1);"

[[case.command]]
program = "kubectl"
arguments = ["get", "pods"]
answer = { stdout = "a pod" }

[[case.command]]
program = "kubectl"
arguments = ["get", "nodes"]
variables = { KUBE_TOKEN = "made-up-token" }
answer = { code = 3, stderr = "no nodes, made-up-token" }

[[case.http]]
method = "POST"
url = "https://api.example/v1/purge?all=1"
headers = { authorization = "Bearer made-up-token" }
json = { paths = ["/"] }
answer = { status = 202, headers = { x-id = "7" }, body = "you sent made-up-token" }

[[case.http]]
method = "POST"
url = "https://hooks.example/T0/made-up"
body = "hello"

[[case.tcp-probe]]
host = "db.example"
port = 5432
answer = "open"

[case.expect.requires]
capabilities = [
  { kind = "exec", program = "kubectl", arguments = ["get", "*"], writes = ["/"], connects = "any", phases = ["plan", "apply"] },
  { kind = "http", scheme = "https", host = "api.example", port = 443, methods = ["POST"], path = "/v1/", phases = ["apply"] },
  { kind = "tcp-probe", host = "db.example", port = 5432, phases = ["apply"] },
  { kind = "directory", path = "site", access = "write", phases = ["apply"] },
  { kind = "environment", name = "MODE", phases = ["apply"] },
  { kind = "database", name = "shop", url = "sqlite:shop.db", access = "write", phases = ["apply"] },
  { kind = "secret", name = "HOOK", usage = { as = "url", methods = ["POST"] }, phases = ["apply"] },
  { kind = "secret", name = "TOKEN", usage = { as = "header", origin = "https://api.example" }, phases = ["apply"] },
  { kind = "secret", name = "TOKEN", usage = { as = "child-variable", variable = "KUBE_TOKEN", program = "kubectl" }, phases = ["apply"] },
]

[case.expect.plan]
intents = [
  { id = "probe", effect = "changes", summary = "do what it is told" },
  { id = "plan-0", effect = "reads", summary = "ok: exit code 0 out=a pod err= tail=a p" },
]
used = ["run `kubectl get pods`"]

[case.expect.apply]
outcome = "did what it was told"
log = [
  "info: 0: ok: 202 [x-id=7] you sent ***",
  "info: 1: ok: 200 [] ",
  "info: 2: ok: exit code 3 out= err=no nodes, *** tail=no nodes, ***",
  "info: 3: ok: connected",
  "info: 4: ok: <h1>hello</h1>",
  "info: 5: ok: wrote {*}",
  "info: 6: ok: MODE=strict",
  "info: 7: ok: 1 rows",
  "info: 8: ok: 1",
  "info: 9: ok: kept",
  "info: 10: ok: kept",
  "info: 11: ok: shop:1.4.0",
  "info: 12: ok: shop staging 1.4.0 1",
]
used = [
  "read the variable `MODE`",
  "get a stand-in for the secret `TOKEN`",
  "POST `https://api.example/v1/purge`",
  "send the secret `TOKEN` in a header to `https://api.example`",
  "get a stand-in for the secret `HOOK`",
  "POST to the URL in the secret `HOOK`",
  "run `kubectl get nodes`",
  "give the secret `TOKEN` to `kubectl` in the variable `KUBE_TOKEN`",
  "probe `db.example:5432`",
  "read the directory `site`",
  "change the directory `site`",
  "open the database `shop` for changes",
]
denied = []

[case.expect]
records = ["first"]
state = { seen = "2" }
files = { "site/new.html" = "new", "site/index.html" = true, "site/old.html" = false }

[[case.expect.database]]
path = "shop.db"
query = "SELECT id FROM orders ORDER BY id"
rows = ["1", "2"]
"#;

#[test]
fn what_a_case_gives_arrives_and_what_comes_of_it_is_compared() {
    let output = play(WHOLE).exits(0);
    let passed = "ok      everything that a step may do\n1 case of probe@1.2.3: 1 ok, 0 failed\n";
    assert_eq!(timeless(&output.raw_stdout), passed);
    assert_eq!(output.stderr, "");
}

#[test]
fn the_cases_of_the_reference_pass() {
    let page = std::fs::read_to_string(workspace().join("docs/reference/cases.md")).expect("the page");
    let cases = page.split("```toml cases.toml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("cases");
    let output = Project::new().file("cases.toml", cases).windlass("plugin test notify-slack").exits(0);
    assert_eq!(
        timeless(&output.raw_stdout),
        "ok      a message for the release\n\
         ok      without the secret's grant nothing is sent\n\
         2 cases of notify-slack@0.1.0: 2 ok, 0 failed\n"
    );
    assert_eq!(output.stderr, "");
}

/// Each of these cases is wrong in one thing.
const FAILS: &str = include_str!("kit_cases/fails.toml");

#[test]
fn each_expectation_that_does_not_hold_is_shown_beside_what_came() {
    let output = play(FAILS).exits(13);
    assert_eq!(timeless(&output.raw_stdout), include_str!("kit_cases/fails.txt"));
    assert_eq!(
        output.stderr,
        "error: 25 of 25 cases of plugin `probe@1.2.3` failed\n\
         hint: mend the plugin; or, where what came is right, the case: `--record` writes it\n"
    );
}

#[test]
fn the_ways_in_which_a_call_ends_can_be_expected() {
    let cases = r#"
[[case]]
name = "a failure"
config = { apply = [{ do = "fail", text = "it is time" }] }
expect.apply.failure = { kind = "check-failed", code = "told-to-fail", message = "it is {*}", hint = "it is time" }

[[case]]
name = "a crash"
config = { apply = [{ do = "panic", text = "at the disco" }] }
expect.apply.trap = "at the disco"

[[case]]
name = "too much memory"
config = { apply = [{ do = "hoard" }] }
expect.apply.trap = "memory"

[[case]]
name = "too long"
timeout = "200ms"
config = { apply = [{ do = "spin" }] }
expect.apply.timed-out = true

[[case]]
name = "a configuration that does not fit"
config = { aply = [] }
expect.refused = "has no key `aply` (write `apply`)"

[[case]]
name = "a cut-off step that was done, and is taken back"
call = ["probe", "revert"]
config = { probe = "done" }
records = [{ id = 7 }, "b"]
expect.probe = { verdict = "done", log = ["info: probed with 2 records"] }
expect.revert.outcome = "2 records | "

[[case]]
name = "a step that fails after it recorded something, and is taken back"
call = ["apply", "revert"]
config = { apply = [{ do = "record", value = '{"id":8}' }, { do = "fail", text = "no" }] }
records = [{ id = 7 }]
expect.apply.failure = { code = "told-to-fail" }
expect.records = [{ id = 8 }]
expect.revert.outcome = "2 records | "
"#;
    let output = play(cases).exits(0);
    assert!(output.raw_stdout.contains("7 cases of probe@1.2.3: 7 ok, 0 failed"), "{}", output.raw_stdout);
}

/// Everything that can be asked for, and asked for in `plan`, `apply` and `revert`.
const ASKS: &str = r#"
strict = false
capabilities = [
  { kind = "http", scheme = "https", host = "api.example", port = 443, methods = ["POST"], path = "/", phases = ["apply"] },
  { kind = "secret-header", name = "TOKEN", origin = "https://api.example", phases = ["apply"] },
  { kind = "secret-url", name = "HOOK", methods = ["POST"], phases = ["apply"] },
  { kind = "exec", program = "make", phases = ["apply"] },
  { kind = "tcp-probe", host = "db.example", port = 5432, phases = ["apply"] },
  { kind = "directory", path = "site", write = true, phases = ["apply"] },
  { kind = "environment", name = "MODE", phases = ["apply"] },
  { kind = "database", name = "shop", url = "sqlite:shop.db", write = true, phases = ["apply"] },
]
"#;

const DOES: &str = r#"[
  { do = "http", method = "POST", url = "https://api.example/" },
  { do = "placeholder", secret = "TOKEN" },
  { do = "secret-url", secret = "HOOK" },
  { do = "exec", program = "make" },
  { do = "tcp", host = "db.example", port = 5432 },
  { do = "file", deed = "read", tree = "site", path = "a" },
  { do = "variables" },
  { do = "query", database = "shop", sql = "SELECT 1" },
  { do = "raw-tcp", port = 80 },
  { do = "look-up", name = "api.example" },
]"#;

/// What of [`DOES`] is denied where nothing is granted. A tree and a variable that are not granted are not there at all.
const DENIED: &str = r#"[
  "POST `https://api.example/`",
  "get a stand-in for the secret `TOKEN`",
  "get a stand-in for the secret `HOOK`",
  "run `make`",
  "probe `db.example:5432`",
  "open the database `shop`",
  "have a TCP socket of its own",
  "ask for the addresses of a name",
]"#;

/// The gate of a case is the gate of a run: with canned answers for everything, what is not granted is denied, and none of the
/// answers is given.
#[test]
fn what_is_not_granted_is_denied_whatever_would_answer() {
    let given = r#"
secrets = { TOKEN = "made-up-token", HOOK = "https://hooks.example/made-up" }
variables = { MODE = "strict" }
files = { "site/a" = "a" }
database = [{ path = "shop.db" }]
"#;
    let answers = r#"
[[case.http]]
method = "POST"
url = "https://api.example/"

[[case.command]]
program = "make"

[[case.tcp-probe]]
host = "db.example"
port = 5432
answer = "open"
"#;
    let case = |name: &str, granted: &str, function: &str| {
        format!(
            "[[case]]\nname = \"{name}\"\n{granted}\n{given}\n[case.config]\n{ASKS}\n{function} = {DOES}\n{answers}\n\
             [case.expect.{function}]\nused = []\ndenied = {DENIED}\n\n"
        )
    };
    let cases = case("nothing is granted", "granted = []", "apply")
        + &case("only in another phase", "", "plan")
        + &case("not while it is taken back", "call = [\"revert\"]", "revert");
    let output = play(&cases).exits(13);
    let left = "        the answer to POST `https://api.example/` (line LINE) was never asked for\n\
                \u{20}       the result of `make` (line LINE) was never asked for\n\
                \u{20}       the probe of `db.example:5432` (line LINE) was never asked for\n";
    let lines = |text: &str| {
        let line = |line: &str| match line.split_once("(line ") {
            Some((before, after)) => format!("{before}(line LINE){}\n", after.split_once(')').expect("a number").1),
            None => format!("{line}\n"),
        };
        text.lines().filter(|line| !line.starts_with("        log: ")).map(line).collect::<String>()
    };
    // All that is not as expected is that the answers were not asked for: everything was denied before.
    assert_eq!(
        lines(&timeless(&output.raw_stdout)),
        format!(
            "FAILED  nothing is granted\n{left}FAILED  only in another phase\n{left}FAILED  not while it is taken back\n{left}\
             3 cases of probe@1.2.3: 0 ok, 3 failed\n"
        )
    );
}

#[test]
fn a_denial_that_nobody_expects_fails_a_case() {
    let cases = "[[case]]\nname = \"a\"\nconfig = { apply = [{ do = \"exec\", program = \"make\" }] }\n";
    let output = play(cases).exits(13);
    let expected = "FAILED  a\n        what was denied to `apply` is not as expected\n          + run `make`\n";
    assert!(timeless(&output.raw_stdout).starts_with(expected), "{}", output.raw_stdout);
}

#[test]
fn an_address_that_is_not_granted_is_denied_although_an_answer_would_fit() {
    let case = |addresses: &str| {
        format!(
            r#"
[[case]]
name = "a"
[case.config]
capabilities = [
  {{ kind = "http", host = "127.0.0.1", port = 80, methods = ["GET"], path = "/", addresses = {addresses}, phases = ["apply"] }},
  {{ kind = "tcp-probe", host = "169.254.169.254", port = 80, addresses = {addresses}, phases = ["apply"] }},
]
apply = [{{ do = "http", url = "http://127.0.0.1/" }}, {{ do = "tcp", host = "169.254.169.254", port = 80 }}]

[[case.http]]
url = "http://127.0.0.1/"

[[case.tcp-probe]]
host = "169.254.169.254"
port = 80
answer = "open"
"#
        )
    };
    let output = play(&case("[]")).exits(13);
    for words in [
        "the answer to GET `http://127.0.0.1/` (line 11) was never asked for",
        "+ GET `http://127.0.0.1/`",
        "+ probe `169.254.169.254:80`",
    ] {
        assert!(output.raw_stdout.contains(words), "{words}: {}", output.raw_stdout);
    }
    let output = play(&case("[\"loopback\"]")).exits(13);
    assert!(!output.raw_stdout.contains("GET"), "{}", output.raw_stdout);
    assert!(output.raw_stdout.contains("+ probe `169.254.169.254:80`"), "{}", output.raw_stdout);
}

#[test]
fn what_nothing_answers_fails_a_case_and_shows_the_nearest() {
    let cases = r#"
[[case]]
name = "a"
[case.config]
capabilities = [
  { kind = "http", scheme = "https", host = "a.example", port = 443, methods = ["GET", "POST"], path = "/", phases = ["apply"] },
  { kind = "exec", program = "make", arguments = ["*"], phases = ["apply"] },
  { kind = "tcp-probe", host = "a.example", port = 1, phases = ["apply"] },
  { kind = "database", name = "shop", url = "postgres://db.example/shop", phases = ["apply"] },
]
apply = [
  { do = "http", url = "https://a.example/one" },
  { do = "http", url = "https://a.example/one" },
  { do = "http", method = "POST", url = "https://a.example/two", body = "{}" },
  { do = "exec", program = "make", arguments = ["all"] },
  { do = "tcp", host = "a.example", port = 1 },
  { do = "query", database = "shop", sql = "SELECT 1" },
]

[[case.http]]
url = "https://a.example/one"
answer = { error = "timed-out" }

[[case.http]]
method = "POST"
url = "https://a.example/{*}"
headers = { x-a = "b" }
json = { a = 1 }

[[case.command]]
program = "make"
arguments = ["install"]
times = 2

[case.expect.apply]
log = [
  "debug: `a.example` did not begin to answer in time",
  "info: 0: unavailable: {*}",
  "debug: `a.example` refused the connection to port 443",
  "info: 1: unavailable: {*}",
  "debug: `a.example` refused the connection to port 443",
  "info: 2: unavailable: {*}",
  "info: 3: unavailable: program-not-found: there is no program `make` <- it is in no directory of `PATH`",
  "info: 4: unavailable: connection-refused: `a.example` refused the connection to port 1",
  "info: 5: unavailable: database-unreachable: the database `shop` is on a server, and nothing stands in for that",
]
"#;
    let output = play(cases).exits(13);
    assert_eq!(
        timeless(&output.raw_stdout),
        r#"FAILED  a
        nothing answers GET `https://a.example/one` but the `[[case.http]]` in line 20, which was given as often as it says: write `times`, or one more
        nothing answers POST `https://a.example/two`; the nearest is the `[[case.http]]` in line 24
          - header x-a: b
          + header x-a: 
          - json: {"a":1}
          + json: {}
        nothing answers `make all`; the nearest is the `[[case.command]]` in line 30
          - arguments: ["install"]
          + arguments: ["all"]
        nothing answers a probe of `a.example:1`: the case has no `[[case.tcp-probe]]`
        the database `shop` is on a server, and a case has only SQLite files of its project: give it `sqlite:PATH`
        the answer to POST `https://a.example/{*}` (line 24) was never asked for
        the result of `make install` (line 30) was never asked for
1 case of probe@1.2.3: 0 ok, 1 failed
"#
    );
}

#[test]
fn a_case_has_no_database_but_its_project_s() {
    let project = project("");
    let real = project.path().join("real.db");
    for path in [real.to_string_lossy().replace('\\', "/"), "%2e%2e/real.db".to_owned()] {
        project.write(
            "cases.toml",
            &format!(
                r#"
[[case]]
name = "a file of somebody's"
[case.config]
capabilities = [{{ kind = "database", name = "shop", url = "sqlite:{path}", write = true, phases = ["apply"] }}]
apply = [{{ do = "query", database = "shop", sql = "SELECT 1" }}]
"#
            ),
        );
        let output = project.windlass("plugin test ./probe.wasm").exits(13);
        let said = "the database `shop` is outside of the project, and a case has only SQLite files of its project";
        assert!(output.stdout.contains(said), "{}", output.all());
        assert!(!real.exists(), "{path}");
    }
    project.write("cases.toml", "[[case]]\nname = \"a\"\n[[case.database]]\npath = \"%2e%2e/real.db\"\n");
    let output = project.windlass("plugin test ./probe.wasm").exits(13);
    assert!(output.stdout.contains("it is outside of the project"), "{}", output.all());
}

#[test]
fn a_case_grants_nothing_that_no_lock_may_accept() {
    let output = play(
        r#"
[[case]]
name = "a program that the step could replace"
[case.config]
capabilities = [
  { kind = "exec", program = "./bin/run", phases = ["apply"] },
  { kind = "directory", path = "bin", write = true, phases = ["apply"] },
]
apply = [{ do = "exec", program = "./bin/run" }]
[[case.command]]
program = "./bin/run"
"#,
    )
    .exits(13);
    let said = "the program `./bin/run` lies in `bin`, which the step may change";
    assert!(output.stdout.contains(said), "{}", output.all());
}

#[test]
fn cases_are_chosen_by_their_names() {
    let project = project("[[case]]\nname = \"one\"\n[[case]]\nname = \"two\"\n");
    let output = project.windlass("plugin test ./probe.wasm tw").exits(0);
    assert_eq!(timeless(&output.raw_stdout), "ok      two\n1 case of probe@1.2.3: 1 ok, 0 failed\n");
    let output = project.windlass("plugin test ./probe.wasm three").exits(2);
    assert_eq!(
        output.stderr,
        "error: no case has `three` in its name\n  Caused by: `cases.toml` has `one` and `two`\nnote: nothing was run\n\
         hint: leave the name out to play all\n"
    );
}

#[test]
fn a_directory_is_built_and_then_played_with() {
    let manifest = "[plugin]\nname = \"probe\"\nlanguage = \"rust\"\ncomponent = \"out/probe.wasm\"\n";
    let manifest = format!("{manifest}build = [\"cp\", \"probe.wasm\", \"out/probe.wasm\"]\n");
    let project = Project::new().guest("probe").file("windlass-plugin.toml", &manifest);
    let project = project.file("cases.toml", "[[case]]\nname = \"a\"\n");
    let output = project.windlass("plugin test --no-build").exits(2);
    assert!(output.stderr.starts_with("error: the plugin `probe` is not built\n"), "{}", output.stderr);
    let output = project.windlass("plugin test").exits(0);
    assert!(output.raw_stdout.starts_with("ok      a "), "{}", output.raw_stdout);
    // What is not built anew is as it was.
    std::fs::remove_file(project.path().join("probe.wasm")).expect("gone");
    let _ = project.windlass("plugin test --no-build").exits(0);
    let output = project.windlass("plugin test").exits(2);
    assert!(output.stderr.contains("error: the plugin `probe` was not built\n"), "{}", output.stderr);
    // From elsewhere, with the cases beside the project.
    let mut command = project.command(["plugin", "test", "project", "--no-build"]);
    let output = command.current_dir(project.path().join("..")).output().expect("the binary runs");
    assert!(output.status.success(), "{output:?}");
    let output = Project::new().file("cases.toml", "[[case]]\nname = \"a\"\n").windlass("plugin test").exits(2);
    assert!(output.stderr.starts_with("error: `./windlass-plugin.toml` cannot be read\n"), "{}", output.stderr);
}

/// The cases of a built-in plugin, beside its source.
fn built_in(plugin: &str) {
    let cases = workspace().join("plugins").join(plugin).join("cases.toml");
    let output = Project::new().windlass(&format!("plugin test {plugin} --cases {}", cases.display())).exits(0);
    assert!(output.raw_stdout.lines().count() > 5, "{}", output.raw_stdout);
}

#[test]
fn the_cases_of_notify_slack_pass() {
    built_in("notify-slack");
}

#[test]
fn the_cases_of_version_check_pass() {
    built_in("version-check");
}
