//! Review apps: one table of `deploy.toml` for all environments that come and go.

use super::{Step, order};
use e2e::Project;
use e2e::runs::{cut_off, events_named, newest, stuck};
use e2e::steps::text_with;
use serde_json::{Value, json};

const REVIEW: &str = "[environments.staging]\n[environments.review]\ntransient = true\nname = \"review/*\"\n\
    url = \"https://review.example/${environment.instance}\"\n";

fn deploys() -> Step {
    Step::of("a", "echo $0 $1 >> order")
        .with("set = { AT = \"${environment.url}\" }")
        .key("environments = [\"review\"]")
}

fn reviews(steps: &[Step]) -> Project {
    Project::with(&text_with("", REVIEW, &[steps, &[Step::marks("s").key("environments = [\"staging\"]")]].concat()))
        .locked()
}

fn listed(project: &Project) -> Vec<Value> {
    let output = project.windlass("environment list --format json").exits(0);
    let value: Value = serde_json::from_str(&output.raw_stdout).expect("JSON");
    assert_eq!(value["schema"], "windlass.environments/1");
    value["environments"].as_array().expect("a list").clone()
}

#[test]
fn each_environment_that_fits_has_its_own_release_history_and_url_under_one_lock() {
    let step = Step::of("a", "echo $AT >> order")
        .reverted_by("echo -$AT >> order")
        .with("set = { AT = \"${environment.url}\" }")
        .key("environments = [\"review\"]");
    let project = reviews(&[step]);
    let output = project.windlass("run -e review").exits(2);
    assert!(output.stderr.contains("`review` stands for many environments"), "{}", output.stderr);
    assert!(output.stderr.contains("name one of them, for example `-e review/feature-1`"), "{}", output.stderr);
    let result = project.windlass("run -e review/one --format json").exits(0).result();
    assert_eq!(result["environment"], "review/one");
    let _ = project.windlass("run -e review/two").exits(0);
    assert_eq!(order(&project), "https://review.example/one https://review.example/two");
    let status = project.windlass("status").exits(0).stdout;
    assert!(status.contains("review/one\n") && status.contains("review/two\n"), "{status}");
    assert!(status.contains("at https://review.example/two\n"), "{status}");
    let _ = project.windlass("rollback -e review/one").exits(0);
    assert_eq!(order(&project), "https://review.example/one https://review.example/two -https://review.example/one");
    assert_eq!(project.windlass("lock --check").code, Some(0), "one is as good as the other");
}

#[test]
fn a_run_that_was_cut_off_is_resumed_by_its_name_alone() {
    let steps = [Step::of("a", &stuck("stuck", "echo $AT >> order"))
        .with("set = { AT = \"${environment.instance}\" }")
        .key("environments = [\"review\"]")];
    let project = reviews(&steps);
    let run = cut_off(&project, "run -e review/one", "stuck");
    let _ = project.windlass(&format!("resume {run} --not-done a")).exits(0);
    assert_eq!(order(&project), "one");
}

#[test]
fn they_are_listed_and_stopped_by_name_or_by_age_and_nothing_else_is() {
    let project = reviews(&[deploys()]);
    for name in ["review/one", "review/two"] {
        let _ = project.windlass(&format!("run -e {name}")).exits(0);
    }
    let _ = project.windlass("run -e staging").exits(0);
    let found: Vec<Value> = listed(&project)
        .iter()
        .map(|it| json!([it["name"], it["transient"], it["configured"], it["live"][0]["version"]]))
        .collect();
    assert_eq!(
        found,
        [
            json!(["staging", false, "staging", "0123456789"]),
            json!(["review/two", true, "review", "0123456789"]),
            json!(["review/one", true, "review", "0123456789"]),
        ]
    );
    let output = project.windlass("environment stop staging").exits(2);
    assert!(output.stderr.contains("environment `staging` does not come and go"), "{}", output.stderr);
    assert!(project.windlass("environment stop review/none").exits(2).stderr.contains("there is no environment"));
    let output = project.windlass("environment stop").exits(2);
    assert!(output.stderr.contains("it is not known which environment is to be stopped"), "{}", output.stderr);
    let output = project.windlass("environment stop review/one -e review/two").exits(2);
    assert!(output.stderr.contains("`review/one` is named, and `-e review/two`"), "{}", output.stderr);
    // A name is no less one where it is an option: all the others stay.
    let output = project.windlass("environment stop -e review/two --older-than 0s --dry-run").exits(0);
    assert_eq!(output.stdout, "review/two would be stopped\n");
    let output = project.windlass("-e review/one environment stop --dry-run").exits(0);
    assert_eq!(output.stdout, "review/one would be stopped\n");
    let output = project.windlass("environment stop --older-than 7d").exits(0);
    assert!(output.stderr.contains("there is nothing to stop"), "{}", output.stderr);
    let output = project.windlass("environment stop --older-than 0s --dry-run").exits(0);
    assert_eq!(output.stdout, "review/two would be stopped\nreview/one would be stopped\n");
    let output = project.windlass("environment stop review/one").exits(0);
    assert_eq!(output.stdout, "review/one was stopped\n");
    let one = listed(&project).into_iter().find(|it| it["name"] == "review/one").expect("it is known");
    assert_eq!((&one["stopped"], &one["live"]), (&json!(true), &json!([])));
    let status = project.windlass("status -e review/one").exits(0).stdout;
    assert!(status.contains("live    nothing"), "{status}");
    // Deployed again, it is there again.
    let _ = project.windlass("run -e review/one").exits(0);
    assert_eq!(events_named(&project, &newest(&project), "environment-stopped"), Vec::<Value>::new());
    let one = listed(&project).into_iter().find(|it| it["name"] == "review/one").expect("it is known");
    assert_eq!((&one["stopped"], &one["live"][0]["commit"]), (&json!(false), &json!(e2e::COMMIT)));
    let output = project.windlass("environment stop --older-than 0s --format json").exits(0);
    assert_eq!(
        serde_json::from_str::<Value>(&output.raw_stdout).expect("JSON")["environments"],
        json!(["review/one", "review/two"])
    );
}
