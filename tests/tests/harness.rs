//! The harness itself: a step that does nothing, from the outside.

use e2e::Project;

const CONFIG: &str = r#"
schema = 1
app = "shop"

[environments.staging]

[[step]]
id = "nothing"
plugin = "./noop.wasm"
with = { changes = true }
"#;

#[test]
fn a_step_that_does_nothing_is_done() {
    let project = Project::with(CONFIG).guest("noop").locked();
    let output = project.windlass("run --format json").exits(0);
    assert_eq!(output.result()["outcome"], "succeeded");
    let begun = ["run-started", "run-planned", "lease-taken"];
    let done = ["step-started nothing", "step-succeeded nothing", "run-finished"];
    assert_eq!(project.story(), [begun, done].concat());
}
