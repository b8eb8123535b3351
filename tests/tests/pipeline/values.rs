//! What steps are told: holes, outputs of earlier steps, and state that steps share.

use super::{Step, order, outcomes, project, text};
use e2e::probe::{Probe, config};
use e2e::{COMMIT, Project};
use serde_json::json;

#[test]
fn holes_are_filled_with_what_is_deployed() {
    let step = Step::of("a", "printf '%s\\n' \"$@\" > told").with("");
    let words = "\"sh\", \"${deployment.version}\", \"${deployment.commit}\", \"${env.BUILD}\", \"${vars.name}\", \"${environment.url}\", \"$${vars.name}\"";
    let config = text("env = [\"BUILD\"]", &[step])
        .replace("\"sh\",\"-c\",", "\"sh\", \"-c\", ")
        .replace("> told\"]", &format!("> told\", {words}]"))
        .replace(
            "[environments.staging]",
            "[environments.staging]\nurl = \"https://shop.example\"\nvars = { name = \"blue\" }",
        );
    let project = Project::with(&config).variable("BUILD", "77").locked();
    let _ = project.windlass("run --release-version 1.2.3").exits(0);
    assert_eq!(project.read("told"), format!("1.2.3\n{COMMIT}\n77\nblue\nhttps://shop.example\n${{vars.name}}\n"));
    let lock = project.read("deploy.lock");
    assert!(
        lock.contains("${deployment.version}") && lock.contains("${env.BUILD}"),
        "holes stay open in the lock: {lock}"
    );
    assert!(!lock.contains("77"), "{lock}");
}

#[test]
fn a_new_release_is_not_a_new_lock() {
    let config = text("env = [\"BUILD\"]", &[Step::of("a", "echo $0 >> order")])
        .replace("order\"]", "order\", \"${deployment.version}-${env.BUILD}\"]");
    let project = Project::with(&config).locked();
    for (version, build) in [("1.0.0", "1"), ("2.0.0", "2")] {
        let _ = project.windlass_with(&format!("run --release-version {version}"), &[("BUILD", build)]).exits(0);
    }
    assert_eq!(order(&project), "1.0.0-1 2.0.0-2");
    let _ = project.windlass("lock --check").exits(0);
}

#[test]
fn an_output_of_an_earlier_step_is_planned_when_it_is_there() {
    let first = Step::of("first", "echo first >> order; exit 4").with("success = [4]");
    let second = Step::of("second", "echo $0 $1 $2 >> order");
    let arguments = "order\", \"${deployment.version}\", \"${steps.first.outputs.exit-code}\", \"${env.BUILD}-${steps.first.outputs.exit-code}\"]";
    let config =
        text("env = [\"BUILD\"]", &[first, second]).replacen("$2 >> order\"]", &format!("$2 >> {arguments}"), 1);
    let project = Project::with(&config).variable("BUILD", "77").locked();
    let plan = project.windlass("plan --format json").exits(0).result();
    assert_eq!(plan["plan"]["steps"][1]["deferred"], true);
    assert_eq!(plan["plan"]["steps"][1]["intents"], json!([]));
    let with = plan["plan"]["steps"][1]["with"]["run"].to_string();
    assert!(with.contains("77-${steps.first.outputs.exit-code}"), "all but outputs is filled in: {with}");
    let human = project.windlass("plan").exits(0).stdout;
    assert!(human.contains("second"), "{human}");
    let output = project.windlass("run --format json --release-version 1.2.3").exits(0);
    assert_eq!(order(&project), "first 1.2.3 4 77-4");
    assert_eq!(outcomes(&output), "first succeeded, second succeeded");
}

#[test]
fn an_output_that_never_came_fails_the_step_that_wants_it() {
    let second = Step::marks("second").with("set = { CODE = \"${steps.first.outputs.no-such}\" }");
    let project = project(&[Step::marks("first"), second]);
    let output = project.windlass("run --format json").exits(10);
    assert!(output.stderr.contains("step `second` uses an output that is not there"), "{}", output.stderr);
    assert_eq!(order(&project), "first -first");
    assert_eq!(outcomes(&output), "first reverted, second failed");
}

#[test]
fn state_is_shared_by_the_steps_that_name_it() {
    let set = |key: &str| json!({ "do": "state-set", "key": key, "value": key });
    let get = |key: &str| json!({ "do": "state-get", "key": key });
    let steps = [
        Probe::new().applies(set("k")).setting("state = \"common\"").step("one"),
        Probe::new().applies(get("k")).setting("state = \"common\"").step("two"),
        Probe::new().applies(get("k")).step("three"),
    ];
    let project = Project::with(&config(&steps)).guest("probe").locked();
    let _ = project.windlass("run").exits(0);
    let got: Vec<String> = project
        .journal()
        .iter()
        .filter(|event| event["event"] == "step-succeeded")
        .map(|event| event["outputs"]["0"].as_str().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(got, ["ok: kept", "ok: k", "ok: none"]);
}
