//! Attacks by the phase: a plugin that changes something while it is only asked what it would do, or what became of it.
//!
//! | attack, in `plan` | ends as | shown by |
//! | --- | --- | --- |
//! | a file written, made, removed in a tree that may be changed later | refused, recorded in the plan and in the run | `a_plan_that_wants_to_act_…` |
//! | a program, a `POST`, a secret in a header, a port: accepted for `apply` only | denied, recorded | the same |
//! | a database changed | denied, recorded | the same |
//! | a record, state | refused, recorded | the same |
//! | a tree or a variable that is there in `apply` only | is not there | `files::a_plan_may_only_read_…`, `capabilities::…` |
//! | a plan that fails over what it was denied | the denials are its causes | `a_plan_that_fails_…` |

use e2e::probe::Probe;
use serde_json::{Value, json};

const APPLY: [&str; 1] = ["apply"];
const BOTH: [&str; 2] = ["plan", "apply"];

fn all() -> (Probe, Vec<&'static str>) {
    let asks = [
        json!({ "kind": "directory", "path": "data", "write": true, "phases": BOTH }),
        json!({ "kind": "exec", "program": "true", "phases": APPLY }),
        json!({ "kind": "http", "host": "127.0.0.1", "port": 9, "methods": ["POST"], "path": "/", "phases": BOTH }),
        json!({ "kind": "tcp-probe", "host": "127.0.0.1", "port": 9, "phases": APPLY }),
        json!({ "kind": "secret-header", "name": "TOKEN", "origin": "https://api.example", "phases": APPLY }),
        json!({ "kind": "database", "name": "shop", "url": "sqlite:shop.db", "write": true, "phases": BOTH }),
    ];
    let deed =
        |deed: &str, path: &str| json!({ "do": "file", "deed": deed, "tree": "data", "path": path, "text": "x" });
    let plans: Vec<(Value, &'static str)> = vec![
        (deed("write", "a"), "change `a` in the directory `data`"),
        (deed("create", "new"), "change `new` in the directory `data`"),
        (deed("remove", "a"), "change `a` in the directory `data`"),
        (json!({ "do": "exec", "program": "true" }), "run `true`"),
        (json!({ "do": "http", "method": "POST", "url": "http://127.0.0.1:9/x" }), "POST `http://127.0.0.1:9/x`"),
        (json!({ "do": "tcp", "host": "127.0.0.1", "port": 9 }), "probe `127.0.0.1:9`"),
        (json!({ "do": "placeholder", "secret": "TOKEN" }), "get a stand-in for the secret `TOKEN`"),
        (
            json!({ "do": "execute", "database": "shop", "sql": "create table item (name text)" }),
            "open the database `shop` for changes",
        ),
        (json!({ "do": "record", "value": "1" }), "append a record"),
        (json!({ "do": "state-set", "key": "k", "value": "v" }), "change state"),
    ];
    let probe = asks.into_iter().fold(Probe::new(), Probe::asks);
    let asked = plans.iter().map(|(_, asked)| *asked).collect();
    (plans.into_iter().fold(probe, |probe, (operation, _)| probe.plans(operation)), asked)
}

#[test]
fn a_plan_that_wants_to_act_is_refused_and_everybody_sees_it() {
    let (probe, asked) = all();
    let project = probe.project().file("data/a", "as it was").file("shop.db", "").locked();
    let before = project.files();
    let output = project.windlass("plan --format json").exits(0);
    assert_eq!(project.files(), before);
    let step = &output.result()["plan"]["steps"][0];
    for result in step["intents"].as_array().expect("intents").iter().skip(1) {
        let result = result["summary"].as_str().expect("a text");
        assert!(
            result.starts_with("denied: ") || result.starts_with("bug: ") || result.starts_with("check-failed: "),
            "{result}"
        );
    }
    let denied = |usages: &Value| -> Vec<String> {
        let usages = usages.as_array().cloned().unwrap_or_default();
        let denied = usages.iter().filter(|usage| usage["allowed"] == false);
        denied.map(|usage| usage["asked"].as_str().expect("a text").to_owned()).collect()
    };
    let in_plan = denied(&step["usages"]);
    let text = project.windlass("plan").exits(0);
    for asked in &asked {
        assert!(in_plan.iter().any(|denied| denied == asked), "{asked}: {in_plan:#?}");
        assert!(
            text.stdout.contains(&format!("was denied while it was planned: {asked}\n")),
            "{asked}: {}",
            text.stdout
        );
    }
    // How it was looked is no part of what is agreed to.
    let plan = output.result()["digest"].clone();
    assert_eq!(project.windlass("plan --format json").exits(0).result()["digest"], plan);
    let _ = project.windlass("run").exits(0);
    let kept = project.event("run-planned")["plan"]["plan"]["steps"][0]["usages"].clone();
    assert_eq!(denied(&kept), in_plan);
    let report = project.windlass("report last --format json").exits(0).result();
    let told = report["steps"][0]["capabilities"]["denied"].to_string();
    for asked in asked {
        assert!(told.contains(asked), "{asked}: {told}");
    }
}

#[test]
fn a_plan_that_fails_says_what_it_was_denied() {
    let project = Probe::new()
        .asks(json!({ "kind": "exec", "program": "true", "phases": APPLY }))
        .plans(json!({ "do": "exec", "program": "true" }))
        .plans(json!({ "do": "fail", "text": "it does not work" }))
        .project()
        .locked();
    let output = project.windlass("plan");
    assert_ne!(output.code, Some(0));
    assert!(output.stderr.contains("it was not allowed to run `true`"), "{}", output.stderr);
}
