//! Files that are right, and what is made of them.

use serde_json::json;

use super::{SMALL, good, shown};
use crate::config::{Bind, Holes, OnFailure, PluginLocator, Release, Selection, fill, json_schema, parse, template};

/// As `docs` show it, with more on top.
const SHOP: &str = r##"schema = 1
app = "shop"
env = ["BUILD_NUMBER"]
release = { version-from = "Cargo.toml" }
x-team = { name = "payments", pager = 17.5 }

[vars]
region = "north"
greeting = "hello"

[environments.staging]
url = "https://staging.shop.example"
x-note = 1
vars.region = "test"

[environments.production]
url = "https://shop.example"
after = ["staging"]
approval = { required = 2, self = false, bind = "comment", from = { users = ["ada", "bob"], teams = ["ops"] } }
lease = { wait = "15m" }
deployment = "adopt"

[environments.production.step.healthy]
with = { checks = [{ url = "${environment.url}/ready" }], limits.total = "9s" }

[[step]]
id = "announce"
plugin = "notify-slack"
with = { channel = "#deploys", token = { secret = "SLACK_BOT_TOKEN" } }
state = "slack"

[[step]]
id = "release"
plugin = "command"
with.run = ["./bin/release", "${deployment.version}", "${vars.region}", "$${vars.region}", "${env.BUILD_NUMBER}"]
with.x-own = "${vars.greeting}"
environments = ["staging", "production"]
timeout = "90s"
retry = { attempts = 3, backoff = "250ms" }
on_failure = "stop"
idempotent = true
output_limit = "1GiB"

[[step]]
id = "healthy"
plugin = "smoke-test"
x-why = "because"
with.checks = [{ url = "${environment.url}/health", status = 200 }, { url = "${steps.release.outputs.url}" }]
with.limits = { each = "1s", total = "5s" }

[[step]]
id = "workers"
plugin = "./plugins/workers.wasm"
component = "backend"
environments = ["production"]

[[finally]]
id = "report"
plugin = "notify-slack"
with = { channel = "#deploys", token = { secret = "SLACK_BOT_TOKEN" } }
state = "slack"
"##;

fn ids(selection: &Selection) -> Vec<&str> {
    selection.iter().map(|step| step.id.as_str()).collect()
}

#[test]
fn values_and_defaults() {
    let config = good(SHOP);
    assert_eq!(config.release, Release::VersionFrom("Cargo.toml".into()));
    assert_eq!(config.environments.iter().map(|it| it.name.as_str()).collect::<Vec<_>>(), ["staging", "production"]);
    let production = &config.environments[1];
    let approval = production.approval.as_ref().unwrap();
    assert_eq!((approval.required, approval.own, approval.bind), (2, false, Bind::Comment));
    let lease = production.lease.as_ref().unwrap();
    assert_eq!((lease.wait.to_string(), lease.duration.to_string()), ("15m".into(), "15m".into()));

    let [announce, release, ..] = config.steps.as_slice() else { panic!() };
    assert_eq!(announce.plugin, PluginLocator::BuiltIn("notify-slack".into()));
    assert_eq!(announce.timeout.get(), std::time::Duration::from_secs(600));
    assert_eq!((announce.retry.attempts, announce.retry.backoff.get().as_millis()), (1, 1000));
    assert_eq!((announce.on_failure, announce.idempotent), (OnFailure::Rollback, false));
    assert_eq!(announce.output_limit.bytes(), 64 * 1024 * 1024);
    assert_eq!((release.retry.attempts, release.retry.backoff.get().as_millis()), (3, 250));
    assert_eq!(
        (release.on_failure, release.idempotent, release.output_limit.bytes()),
        (OnFailure::Stop, true, 1 << 30)
    );
    assert!(config.finally[0].is_finally && !release.is_finally);
    let place = config.place_of_step(release, "plugin");
    assert_eq!((&config.text()[place.span.clone()], place.line_and_column()), ("\"command\"", (34, 10)));
}

#[test]
fn overlays_are_merged_and_static_parts_filled() {
    let config = good(SHOP);
    let staging = config.steps_for(&config.environments[0], None).unwrap();
    assert_eq!(ids(&staging), ["announce", "release", "healthy", "report"]);
    let run = json!(["./bin/release", "${deployment.version}", "test", "$${vars.region}", "${env.BUILD_NUMBER}"]);
    assert_eq!(staging.steps[1].with, json!({ "run": run, "x-own": "hello" }));
    let checks = json!([
        { "url": "https://staging.shop.example/health", "status": 200 },
        { "url": "${steps.release.outputs.url}" }
    ]);
    assert_eq!(staging.steps[2].with, json!({ "checks": checks, "limits": { "each": "1s", "total": "5s" } }));

    let production = config.steps_for(&config.environments[1], None).unwrap();
    assert_eq!(production.steps[1].with["run"][2], "north");
    let healthy = json!({
        "checks": [{ "url": "https://shop.example/ready" }],
        "limits": { "each": "1s", "total": "9s" }
    });
    assert_eq!(production.steps[2].with, healthy, "tables are merged, arrays replaced");
    assert_eq!(config.steps[2].with["limits"]["total"], "5s", "the config itself stays as it is written");

    let holes = Holes {
        instance: None,
        version: Some("1.0".into()),
        variables: [("BUILD_NUMBER".into(), "${7}".into())].into(),
        ..Holes::default()
    };
    let filled = fill(&staging.steps[1].with, &holes).unwrap();
    assert_eq!(filled["run"], json!(["./bin/release", "1.0", "test", "${vars.region}", "${7}"]));
    assert!(fill(&staging.steps[2].with, &holes).unwrap_err().is_deferred());
}

#[test]
fn components_choose_steps() {
    let config = good(SHOP);
    let [staging, production] = config.environments.as_slice() else { panic!() };
    assert_eq!(config.components().iter().map(|name| name.as_str()).collect::<Vec<_>>(), ["backend"]);
    let backend = config.steps_for(production, Some("backend")).unwrap();
    assert_eq!(ids(&backend), ["announce", "release", "healthy", "workers", "report"]);
    assert_eq!(ids(&config.steps_for(production, None).unwrap()), ["announce", "release", "healthy", "report"]);
    assert_eq!(ids(&config.all_steps_for(production)), ids(&backend));
    assert_eq!(ids(&config.steps_for(staging, Some("backend")).unwrap()), ids(&config.all_steps_for(staging)));

    let told = |text: &str, environment: &str, component| {
        let config = good(text);
        let environment = config.environment(Some(environment)).unwrap();
        shown(&[config.steps_for(environment, component).unwrap_err()]).remove(0)
    };
    assert_eq!(
        told(SHOP, "staging", Some("backnd")),
        "usage 0:0 there is no component `backnd` / the steps' components are `backend` / write `--component backend`"
    );
    assert_eq!(
        told(SMALL, "staging", Some("backend")),
        "usage 0:0 there is no component `backend` / no step in `deploy.toml` has a `component` / leave `--component` out"
    );
    let all = format!("{SMALL}component = 'web'\n[[step]]\nid = 'b'\nplugin = 'x'\ncomponent = 'jobs'\n");
    assert_eq!(
        told(&all, "staging", None),
        "usage 0:0 no step runs in environment `staging` without a component / the steps that run there belong to `jobs` and \
         `web` / name one with `--component NAME`"
    );
    assert_eq!(
        told(&format!("{all}environments = ['staging']"), "production", Some("jobs")),
        "usage 0:0 no step of component `jobs` runs in environment `production` / the steps that run there belong to `web` / \
         name one with `--component NAME`"
    );
    assert_eq!(
        told(&format!("{SMALL}environments = ['staging']"), "production", None),
        "usage 0:0 no step runs in environment `production` / every step's `environments` leaves `production` out / add \
         `production` to the `environments` of the steps that run there"
    );
}

#[test]
fn the_environment_is_named_or_the_only_one() {
    let config = good(SMALL);
    assert_eq!(config.environment(Some("production")).unwrap().name, "production");
    let told = |name| shown(&[config.environment(name).unwrap_err()]).remove(0);
    assert_eq!(
        told(None),
        "usage 0:0 it is not said which environment is meant / `deploy.toml` has `staging` and `production` / name one with \
         `-e NAME`"
    );
    assert_eq!(
        told(Some("prodution")),
        "usage 0:0 there is no environment `prodution` / `deploy.toml` has `staging` and `production` / write `-e production`"
    );
    assert_eq!(
        told(Some("moon")),
        "usage 0:0 there is no environment `moon` / `deploy.toml` has `staging` and `production` / add `[environments.moon]`, \
         or name one that is there"
    );
    assert_eq!(good(&template("shop")).environment(None).unwrap().name, "staging");
}

#[test]
fn outputs_may_be_used_where_their_step_runs() {
    // The use is replaced in the environment in which the other step does not run.
    good(&format!(
        "{SMALL}environments = ['staging']\n[[step]]\nid = 'b'\nplugin = 'command'\nwith.a.b = ['${{steps.release.outputs.x}}']\n\
         with.c = '${{environment.url}}'\n[environments.production.step.b]\nwith = {{ a.b = [], c = 'none' }}\n"
    ));
}

#[test]
fn the_template_is_right_with_and_without_its_comments() {
    for (name, expected) in [("shop", "shop"), ("My App!", "My-App"), ("..", "app"), ("", "app"), ("äö", "app")] {
        assert_eq!(good(&template(name)).app, expected);
    }
    // A commented line of TOML begins with a bracket or with a key and `=`.
    let is_toml = |line: &str| {
        let key = line.split(" = ").next().unwrap_or_default();
        line.starts_with('[')
            || (key != line && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)))
    };
    let text = template("shop").replace("step.release.with.run", "step.healthy.with.run");
    // What stands at the top of the comments belongs to the top level, so it is moved up.
    let whole: Vec<_> =
        text.lines().map(|line| line.strip_prefix("# ").filter(|line| is_toml(line)).unwrap_or(line)).collect();
    let config = good(&whole.join("\n"));
    assert_eq!((config.steps.len(), config.finally.len(), config.environments.len()), (2, 1, 2));
    assert_eq!((config.env.len(), config.vars.len()), (1, 1));
}

#[test]
fn the_schema_for_editors_agrees() {
    let schema = json_schema();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let value = |text: &str| serde_json::to_value(toml::from_str::<toml::Table>(text).unwrap()).unwrap();
    assert!(validator.is_valid(&value(SHOP)), "{:?}", validator.iter_errors(&value(SHOP)).collect::<Vec<_>>());
    assert!(validator.is_valid(&value(SMALL)));
    assert!(!validator.is_valid(&value(&format!("{SMALL}plugn = 'x'"))));
    assert!(!validator.is_valid(&value(&format!("{SMALL}timeout = '5 min'"))));
    // Every key is described.
    let described = |name: &str, schema: &serde_json::Value| {
        for (key, property) in schema["properties"].as_object().into_iter().flatten() {
            assert!(property["description"].is_string(), "`{key}` of {name}");
        }
    };
    described("deploy.toml", &schema);
    schema["$defs"].as_object().unwrap().iter().for_each(|(name, schema)| described(name, schema));
}

#[test]
fn no_text_makes_it_panic() {
    let mut texts: Vec<String> =
        SHOP.char_indices().map(|(end, _)| SHOP[..end].to_owned()).chain([SHOP.replace('\n', "\r\n")]).collect();
    // Characters left out, and replaced by one that means something.
    for (start, character) in SHOP.char_indices().step_by(3) {
        let (before, after) = (&SHOP[..start], &SHOP[start + character.len_utf8()..]);
        texts.push(format!("{before}{after}"));
        let other = ["\"", "[", "}", "ä", "$", "\n", "\0"][start / 3 % 7];
        texts.push(format!("{before}{other}{after}"));
    }
    for text in &texts {
        for problem in parse("deploy.toml", text).err().unwrap_or_default() {
            let place = problem.place.unwrap_or_else(|| panic!("{}", problem.what));
            assert!(text.get(place.span.clone()).is_some(), "{}", problem.what);
            assert!(problem.hint.is_some() && problem.note.is_some(), "{}", problem.what);
            assert!(place.line_and_column() >= (1, 1));
        }
    }
}

#[test]
fn deep_files_are_refused_and_not_fallen_into() {
    for text in [
        format!("a = {}", "[".repeat(100_000)),
        format!("a = {}", "{a = ".repeat(100_000)),
        format!("{}a = 1", "a.".repeat(100_000)),
        format!("[{}a]", "a.".repeat(100_000)),
        format!("{SMALL}with.{}a = '${{x}}'", "a.".repeat(100_000)),
    ] {
        assert!(!parse("deploy.toml", &text).unwrap_err().is_empty());
    }
}

#[test]
fn a_byte_order_mark_and_windows_line_ends_do_no_harm() {
    good(&format!("\u{feff}{}", SMALL.replace('\n', "\r\n")));
}

#[test]
fn what_is_not_said_is_what_the_schema_says_is_the_default() {
    let config =
        good(&SMALL.replace("environments.staging.url", "environments.staging.lease = {}\nenvironments.staging.url"));
    let schema = json_schema();
    let default = |table: &str, key: &str| schema["$defs"][table]["properties"][key]["default"].clone();
    let (step, staging) = (&config.steps[0], &config.environments[0]);
    let lease = staging.lease.as_ref().unwrap();
    assert_eq!(schema["properties"]["keep_runs"]["default"], json!(config.keep_runs));
    assert_eq!(schema["properties"]["store"]["default"], json!(config.store));
    assert_eq!(default("EnvironmentTable", "forge_freeze"), json!(staging.forge_freeze));
    assert_eq!(default("EnvironmentTable", "unprotected_branches"), json!(staging.unprotected_branches));
    assert_eq!(default("EnvironmentTable", "comment"), json!(staging.comment));
    assert_eq!(default("LeaseTable", "wait"), json!(lease.wait));
    assert_eq!(default("LeaseTable", "duration"), json!(lease.duration));
    assert_eq!(default("StepTable", "timeout"), json!(step.timeout));
    assert_eq!(default("StepTable", "on_failure"), json!(step.on_failure));
    assert_eq!(default("StepTable", "output_limit"), json!(step.output_limit));
    assert_eq!(default("StepTable", "idempotent"), json!(step.idempotent));
    assert_eq!(default("RetryTable", "attempts"), json!(step.retry.attempts));
    assert_eq!(default("RetryTable", "backoff"), json!(step.retry.backoff));
}
