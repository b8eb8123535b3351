//! The plan: what it says, what its digest is over, and what it binds.

use super::{Step, order, outcomes, project, text};
use e2e::{COMMIT, Project};
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn digest_with(project: &Project, words: &str, variables: &[(&str, &str)]) -> String {
    let plan = project.windlass_with(&format!("plan --format json {words}"), variables).exits(0).result();
    plan["digest"].as_str().expect("a digest").to_owned()
}

fn digest(config: &str) -> String {
    digest_with(&Project::with(config).locked(), "-e staging", &[])
}

#[test]
fn a_plan_changes_nothing() {
    let project = project(&[Step::marks("a")]);
    let before = files(&project);
    let output = project.windlass("plan").exits(0);
    assert!(output.stdout.contains("run `sh -c 'echo a >> order'`"), "{}", output.stdout);
    assert_eq!(files(&project), before);
    let output = project.windlass("run --dry-run --format json").exits(0);
    assert!(output.stderr.contains("nothing was run"), "{}", output.stderr);
    assert_eq!(outcomes(&output), "a not-run");
    assert_eq!(files(&project), before);
}

fn files(project: &Project) -> BTreeSet<String> {
    let entries = std::fs::read_dir(project.path()).expect("the project");
    entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn the_digest_is_the_same_wherever_and_whenever_it_is_made() {
    let steps = || [Step::marks("a"), Step::marks("b").unless("false"), Step::finally("z")];
    let project = project(&steps());
    let one = digest_with(&project, "", &[]);
    assert!(one.starts_with("sha256:") && one.len() == 71, "{one}");
    assert_eq!(digest_with(&project, "", &[("USER", "somebody"), ("CI", "true"), ("GITLAB_CI", "true")]), one);
    let elsewhere = Project::with(&text("", &steps())).locked();
    assert_eq!(digest_with(&elsewhere, "", &[]), one, "not over paths");
    let human = project.windlass("plan").exits(0).stdout;
    assert!(human.contains("sha256:[digest]"), "{human}");
    // The run says the digest that the plan had.
    assert_eq!(project.windlass("run --format json").exits(0).result()["plan"], one);
}

#[test]
fn the_digest_is_not_over_what_changes_no_effect() {
    let base = digest(&text("", &[Step::marks("a")]));
    for same in [
        text("# a comment\nx-team = \"web\"", &[Step::marks("a")]),
        text("timeout = \"1h\"", &[Step::marks("a").key("retry = { attempts = 3 }").key("timeout = \"1m\"")]),
        text("", &[Step::marks("a")]) + "\n[environments.production]\n",
    ] {
        assert_eq!(digest(&same), base, "{same}");
    }
}

#[test]
fn the_digest_is_over_all_that_matters() {
    let marks = || Step::marks("a");
    let two = || [marks(), Step::marks("b")];
    let mut seen = BTreeSet::new();
    let mut other = |what: &str, digest: String| assert!(seen.insert(digest), "{what} changed nothing");
    other("the base", digest(&text("", &[marks()])));
    other("the app", digest(&text("", &[marks()]).replace("\"shop\"", "\"shoe\"")));
    other("the step's id", digest(&text("", &[marks()]).replace("id = \"a\"", "id = \"b\"")));
    other("an argument", digest(&text("", &[marks().run("echo b >> order")])));
    other("the revert", digest(&text("", &[marks().reverted_by("true")])));
    other("a capability", digest(&text("", &[marks().with("background = true")])));
    other("a variable", digest(&text("", &[marks().with("set = { A = \"1\" }")])));
    other("what is done already", digest(&text("", &[marks().unless("true")])));
    other("what is not done yet", digest(&text("", &[marks().unless("false")])));
    other("another step", digest(&text("", &two())));
    let [one, another] = two();
    other("the order", digest(&text("", &[another, one])));
    other("a finally step", digest(&text("", &[marks(), Step::finally("z")])));
    let project = Project::with(&(text("", &[marks()]) + "\n[environments.production]\n")).locked();
    other("the environment", digest_with(&project, "-e production", &[]));
    other("the version", digest_with(&project, "-e staging --release-version 9.9.9", &[]));
    other("the commit", digest_with(&project, &format!("-e staging --commit {}", COMMIT.replace('0', "f")), &[]));
    let project = super::project(&[marks(), Step::marks("b").key("component = \"backend\"")]);
    other("the component", digest_with(&project, "--component backend", &[]));
}

#[test]
fn the_digest_is_over_the_plugins_bytes_and_values_from_the_job() {
    let config = text("", &[]) + "[[step]]\nid = \"a\"\nplugin = \"./noop.wasm\"\n";
    let project = Project::with(&config).guest("noop").locked();
    let one = digest_with(&project, "", &[]);
    let mut bytes = std::fs::read(project.path().join("noop.wasm")).expect("a guest");
    bytes.extend_from_slice(b"\0\x02\x01a");
    std::fs::write(project.path().join("noop.wasm"), bytes).expect("written");
    let project = project.locked();
    assert_ne!(digest_with(&project, "", &[]), one);
    let later = Step::marks("b").with("set = { B = \"${env.BUILD}\", C = \"${steps.a.outputs.exit-code}\" }");
    let project = Project::with(&text("env = [\"BUILD\"]", &[Step::marks("a"), later])).locked();
    let one = digest_with(&project, "", &[("BUILD", "1")]);
    assert_eq!(digest_with(&project, "", &[("BUILD", "1")]), one);
    assert_ne!(digest_with(&project, "", &[("BUILD", "2")]), one, "also of a step that is planned later");
}

#[test]
fn what_was_planned_is_what_is_run() {
    let project = project(&[Step::marks("a").unless("grep -qx a order")]);
    let _ = project.windlass("plan -o plan.json").exits(0);
    let _ = project.windlass("run --plan plan.json").exits(0);
    assert_eq!(order(&project), "a");
    // Now there is nothing left to do, which is not what was planned.
    let output = project.windlass("run --plan plan.json").exits(20);
    assert!(output.stderr.contains("step `a`: no longer planned: run `sh -c 'echo a >> order'`"), "{}", output.stderr);
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().map(|object| object.keys().map(String::as_str).collect()).unwrap_or_default()
}

#[test]
fn the_result_has_the_fields_that_programs_rely_on() {
    let project = project(&[Step::marks("a")]);
    let output = project.windlass("run --format json").exits(0);
    assert_eq!(output.raw_stdout.lines().count(), 1, "stdout is data");
    let result = output.result();
    let mut expected =
        ["app", "component", "deployment", "environment", "outcome", "plan", "reason", "run", "schema", "steps"];
    expected.sort_unstable();
    assert_eq!(keys(&result).into_iter().collect::<BTreeSet<_>>(), expected.into_iter().collect());
    assert_eq!(keys(&result["deployment"]).into_iter().collect::<BTreeSet<_>>(), ["forge", "id", "url"].into());
    let step: BTreeSet<_> = keys(&result["steps"][0]).into_iter().collect();
    assert_eq!(step, ["attempts", "duration_ms", "id", "outcome", "plugin"].into());
    assert_eq!(result["schema"], "windlass.result/1");
    assert_eq!(result["app"], "shop");
    assert_eq!(result["environment"], "staging");
    assert_eq!((&result["component"], &result["reason"]), (&json!(null), &json!(null)));
    assert_eq!(result["deployment"]["forge"], "local");
    assert_eq!(result["deployment"]["id"], result["run"], "the local forge's deployment is the run");
    assert_eq!(result["steps"][0]["plugin"], "command");
    assert!(result["steps"][0]["duration_ms"].is_u64());
    assert!(project.has(&format!(".windlass/runs/{}/journal.jsonl", result["run"].as_str().expect("a run"))));
}

#[test]
fn a_program_gets_a_result_also_where_nothing_was_begun() {
    let project = Project::with(&text("", &[Step::marks("a")]));
    for (words, code, reason) in [("run --format json", 22, "lock-missing"), ("run -e moon --format json", 2, "usage")]
    {
        let output = project.windlass(words).exits(code);
        assert_eq!(output.result()["outcome"], "blocked");
        assert_eq!(output.result()["reason"], reason);
        assert_eq!(output.result()["app"], "shop");
    }
    project.write("deploy.toml", "schema = 2");
    let output = project.windlass("run --format json").exits(2);
    assert_eq!(output.result()["reason"], "config-invalid");
}

#[test]
fn a_plan_without_its_secrets_is_one_but_not_a_whole_one() {
    let text = "schema = 1\napp = \"shop\"\n[environments.staging]\n[[step]]\nid = \"schema\"\nplugin = \"migrate\"\n\
                with = { directory = \"migrations\", database = { secret = \"DATABASE_URL\" } }\n";
    let project = Project::with(text).locked();
    let plan = project.windlass("plan --format json").exits(0).result();
    assert_eq!(plan["incomplete"], true);
    let intent = &plan["plan"]["steps"][0]["intents"][0];
    assert_eq!((&intent["id"], &intent["effect"]), (&json!("secret-missing:DATABASE_URL"), &json!("unknown")));
    let refused = project.windlass("run --format json").exits(2);
    assert_eq!(refused.result()["reason"], "secret-missing");
}

#[test]
fn a_dollar_for_the_shell_is_the_same_in_the_lock_and_in_the_run() {
    let project = project(&[Step::marks("a").run("x=1; echo $${x} >> order")]);
    let _ = project.windlass("run").exits(0);
    assert_eq!(order(&project), "1");
}
