//! `windlass plugin test`: what a case gives, what it expects, and that the gate is the gate.

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
