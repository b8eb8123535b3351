//! What plugins want in `with`, and how it is told.

use serde_json::{Value, json};

use super::{SMALL, good, shown};
use crate::config::{Holes, WithSchema, fill};

/// Like that of a plugin with all kinds of values, as `schemars` makes them.
fn schema() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "additionalProperties": false,
        "required": ["checks"],
        "properties": {
            "checks": { "type": "array", "minItems": 1, "items": { "$ref": "#/$defs/Check" }, "description": "What is asked." },
            "within": { "anyOf": [{ "$ref": "#/$defs/Duration" }, { "type": "null" }] },
            "token": { "$ref": "#/$defs/Secret" },
            "target": { "oneOf": [
                { "type": "object", "required": ["http"], "additionalProperties": false, "properties": { "http": { "type": "string" } } },
                { "type": "object", "required": ["tcp"], "additionalProperties": false, "properties": { "tcp": { "type": "integer" } } }
            ] },
            "mode": { "oneOf": [{ "const": "fast", "description": "Quickly." }, { "const": "careful" }] },
            "colour": { "type": "string", "enum": ["red", "green"] },
            "ratio": { "type": "number", "exclusiveMinimum": 0, "maximum": 1 },
            "name": { "type": "string", "minLength": 2, "maxLength": 5 },
            "hosts": { "type": "array", "items": { "type": "string" }, "uniqueItems": true, "maxItems": 3 },
            "headers": { "type": "object", "patternProperties": { "^[a-z-]+$": { "type": "string" } }, "additionalProperties": false }
        },
        "$defs": {
            "Check": {
                "type": "object",
                "additionalProperties": false,
                "required": ["url"],
                "properties": {
                    "url": { "type": "string", "description": "Where to ask.", "pattern": "^https?://" },
                    "status": { "type": ["integer", "null"], "minimum": 100, "maximum": 599 }
                }
            },
            "Duration": { "description": "A length of time, written `30s`.", "type": "string", "pattern": "^[0-9]+(ms|s)$" },
            "Secret": {
                "description": "A secret by name: `{ secret = \"NAME\" }`.",
                "type": "object",
                "additionalProperties": false,
                "required": ["secret"],
                "properties": { "secret": { "type": "string" } }
            }
        }
    })
}

/// What is told of a step in staging, where an overlay may be.
fn told(added: &str) -> Vec<String> {
    let config = good(&format!("{SMALL}{added}"));
    let steps = config.steps_for(&config.environments[0], None).unwrap();
    let schema = WithSchema::new("command", schema()).unwrap();
    shown(&schema.check(&config, &steps.steps[0]))
}

#[test]
fn each_misfit_is_told_with_its_place_and_what_helps() {
    let mut wrong = String::new();
    for (text, expected) in MISFITS {
        let found = told(text);
        let expected: Vec<_> = expected.iter().map(|line| format!("step-config-invalid {line}")).collect();
        if found != expected {
            wrong.push_str(&format!("\n--- {text}\n    found:    {found:#?}\n    expected: {expected:#?}\n"));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

const MISFITS: &[(&str, &[&str])] = &[
    ("", &["7:1 `with` of step `release` has no `checks` / add `checks`: what is asked"]),
    ("with.chekcs = []", &["10:6 `with` of step `release` has no key `chekcs` / write `checks`"]),
    (
        "with.checks = []\nwith.x-own = 1",
        &[
            "10:15 `with.checks` of step `release` has too few entries / the least is `1`",
            "11:6 `with` of step `release` has no key `x-own` / the keys here are `checks`, `colour`, `headers`, `hosts`, `mode`, `name`, `ratio`, `target`, `token` and `within`",
        ],
    ),
    (
        "with.checks = [{ url = 'ftp://x', staus = 1 }, { status = 700 }, 'http://x']",
        &[
            "10:24 `with.checks[0].url` of step `release` cannot be `ftp://x` / it does not match `^https?://` / where to ask",
            "10:35 `with.checks[0]` of step `release` has no key `staus` / write `status`",
            "10:48 `with.checks[1]` of step `release` has no `url` / add `url`: where to ask",
            "10:59 `with.checks[1].status` of step `release` cannot be `700` / the most is `599`",
            "10:66 `with.checks[2]` of step `release` must be a table, not a string / `windlass schema command` prints what fits",
        ],
    ),
    (
        "with = { checks = [{ url = 'http://x' }], within = 30, token = 'the-secret-itself', mode = 'fats', colour = 'blue' }",
        &[
            "10:52 `with.within` of step `release` must be a string, not `30` / a length of time, written `30s`",
            "10:64 `with.token` of step `release` must be a table, not a string / a secret by name: `{ secret = \"NAME\" }`",
            "10:92 `with.mode` of step `release` cannot be `fats` / write `fast`",
            "10:109 `with.colour` of step `release` cannot be `blue` / write `red` or `green`",
        ],
    ),
    (
        "with = { checks = [{ url = 'http://x' }], within = '30', token = {}, mode = 1, ratio = 0 }",
        &[
            "10:52 `with.within` of step `release` cannot be `30` / it does not match `^[0-9]+(ms|s)$` / a length of time, written `30s`",
            "10:66 `with.token` of step `release` has no `secret` / add `secret`",
            "10:77 `with.mode` of step `release` cannot be `1` / write `fast` or `careful`",
            "10:88 `with.ratio` of step `release` cannot be `0` / write more than `0`",
        ],
    ),
    (
        "with = { checks = [{ url = 'http://x' }], ratio = 1.5, name = 'a', hosts = ['a', 'a', 'b', 'c'] }",
        &[
            "10:51 `with.ratio` of step `release` cannot be `1.5` / the most is `1`",
            "10:63 `with.name` of step `release` is too short / write 2 characters or more",
            "10:76 `with.hosts` of step `release` has too many entries / the most is `3`",
            "10:76 `with.hosts` of step `release` names something twice / remove one of the two",
        ],
    ),
    (
        "with = { checks = [{ url = 'http://x' }], name = 'abcdef', headers = { 'X-A' = 'b' }, target = { tcp = '80' } }",
        &[
            "10:50 `with.name` of step `release` is too long / write at most 5 characters",
            "10:72 `X-A` cannot be a key of `with.headers` of step `release` / it does not match `^[a-z-]+$` / write a key that matches",
            "10:104 `with.target.tcp` of step `release` must be a whole number, not a string / `windlass schema command` prints what fits",
        ],
    ),
    (
        "with = { checks = [{ url = 'http://x' }], target = { http = 'a', tcp = 80 } }",
        &[
            "10:52 `with.target` of step `release` fits none of the forms that it may have / `with.target` of step `release` has no key `tcp` / `with.target` of step `release` has no key `http` / write a table of one form: one with `http`, or one with `tcp`",
        ],
    ),
    (
        "with = { checks = [{ url = 'http://x' }], target = { udp = 80 } }",
        &[
            "10:52 `with.target` of step `release` fits none of the forms that it may have / `with.target` of step `release` has no key `udp` / write a table of one form: one with `http`, or one with `tcp`",
        ],
    ),
    (
        "with.checks = [{ url = 'http://x' }]\n[environments.staging.step.release]\nwith = { checks = [{ url = 1 }], colou = 'red' }",
        &[
            "12:28 `with.checks[0].url` of step `release` must be a string, not `1` / where to ask",
            "12:34 `with` of step `release` has no key `colou` / write `colour`",
        ],
    ),
    (
        "with = { checks = [{ url = 'http://x' }], token = {} }\n[environments.staging.step.release]\nwith.token.sercet = 'A'",
        &["12:12 `with.token` of step `release` has no key `sercet` / write `secret`"],
    ),
    (
        "[environments.staging.step.release]\nwith.mode = 'fast'",
        &["11:1 `with` of step `release` has no `checks` / add `checks`: what is asked"],
    ),
];

#[test]
fn holes_are_excused_until_they_are_filled() {
    let text = "with = { checks = [{ url = '${steps.a.outputs.url}' }], within = '${env.BUILD_NUMBER}', mode = '$${x}', \
                name = '${deployment.version}', colour = '${deployment.commit}' }";
    let config = good(&format!("{SMALL}{text}").replace("[[step]]", "[[step]]\nid = 'a'\nplugin = 'x'\n[[step]]"));
    let steps = config.steps_for(&config.environments[0], None).unwrap();
    let schema = WithSchema::new("command", schema()).unwrap();
    let step = &steps.steps[1];
    assert_eq!(shown(&schema.check(&config, step)), [""; 0]);

    let mut holes = Holes {
        instance: None,
        version: Some("1.2".into()),
        commit: Some("red".into()),
        variables: [("BUILD_NUMBER".into(), "7s".into())].into(),
        outputs: [("a".parse().unwrap(), [("url".into(), "http://x".into())].into())].into(),
    };
    let found = schema.check_filled(&config, step, &fill(&step.with, &holes).unwrap());
    let mode = "step-config-invalid 13:96 `with.mode` of step `release` cannot be `${x}` / write `fast` or `careful`";
    assert_eq!(shown(&found), [mode]);
    holes.version = Some("${deployment.version}".into());
    holes.outputs.clear();
    holes.outputs.insert("a".parse().unwrap(), [("url".into(), "${env.X}".into())].into());
    let found = schema.check_filled(&config, step, &fill(&step.with, &holes).unwrap());
    assert_eq!(found.len(), 3, "what is filled in is not a hole: {found:?}");
}

#[test]
fn a_hole_must_be_where_a_string_may_be() {
    let found = told("with.checks = [{ url = 'http://x', status = '${env.BUILD_NUMBER}' }]");
    let expected = "step-config-invalid 10:45 `with.checks[0].status` of step `release` must be a whole number, not a string / `windlass schema command` prints what fits";
    assert_eq!(found, [expected]);
}

#[test]
fn schemas_of_strangers_are_kept_small() {
    for wrong in [
        json!({ "type": "strin" }),
        json!({ "$ref": "https://schemas.example/x.json" }),
        json!({ "$ref": "file:///etc/passwd" }),
        json!({ "pattern": "(" }),
        json!({ "pattern": "(?=a)b" }),
        json!([]),
    ] {
        let problem = WithSchema::new("mine", wrong.clone()).err().unwrap_or_else(|| panic!("{wrong}"));
        let shown = shown(&[problem]).remove(0);
        assert!(
            shown.starts_with("plugin-invalid 0:0 plugin `mine` publishes a schema that is not valid / "),
            "{shown}"
        );
    }
    // A pattern that takes a backtracking engine longer than the world lasts.
    let schema = WithSchema::new("mine", json!({ "properties": { "a": { "pattern": "^(a+)+$" } } })).unwrap();
    let config = good(&format!("{SMALL}with.a = '{}!'", "a".repeat(50_000)));
    let steps = config.steps_for(&config.environments[0], None).unwrap();
    assert_eq!(schema.check(&config, &steps.steps[0]).len(), 1);
}

#[test]
fn a_schema_that_goes_round_in_circles_ends() {
    let config = good(SMALL);
    for schema in [
        json!({ "$ref": "#" }),
        json!({ "allOf": [{ "$ref": "#" }] }),
        json!({ "$ref": "#/$defs/a", "$defs": { "a": { "$ref": "#/$defs/b" }, "b": { "$ref": "#/$defs/a" } } }),
    ] {
        // Refused or taken, as long as it comes to an end.
        if let Ok(schema) = WithSchema::new("circles", schema) {
            let _ = schema.check(&config, &config.steps[0]);
        }
    }
}
