//! Which steps run, and in which order.

use super::{HEAD, Step, order, outcomes, project, text};
use e2e::Project;
use e2e::steps::text_with;

#[test]
fn steps_run_in_the_order_of_the_file() {
    let project = project(&[Step::marks("c"), Step::marks("a"), Step::finally("z"), Step::marks("b")]);
    let output = project.windlass("run --format json").exits(0);
    assert_eq!(order(&project), "c a b z");
    assert_eq!(outcomes(&output), "c succeeded, a succeeded, b succeeded, z succeeded");
}

#[test]
fn a_step_without_anything_to_do_is_skipped_unless_it_is_forced() {
    let project = project(&[Step::marks("a").unless("true"), Step::marks("b").unless("false")]);
    let output = project.windlass("run --format json").exits(0);
    assert_eq!(order(&project), "b");
    assert_eq!(outcomes(&output), "a skipped, b succeeded");
    assert_eq!(output.result()["steps"][0]["attempts"], 0);
    let output = project.windlass("run --force --format json").exits(0);
    assert_eq!(order(&project), "b a b");
    assert_eq!(outcomes(&output), "a succeeded, b succeeded");
}

#[test]
fn the_same_commit_again_changes_nothing_and_says_so() {
    let project = project(&[
        Step::of("look", "true").with("effect = \"reads\""),
        Step::marks("a").unless("grep -qx a order"),
        Step::finally("tell"),
    ]);
    let output = project.windlass("run").exits(0);
    assert!(!output.stderr.contains("nothing changed"), "{}", output.stderr);
    assert_eq!(order(&project), "a tell");
    let output = project.windlass("run --format json").exits(0);
    assert!(
        output.stderr.contains("nothing changed: shop 0123456789 (0123456789) is live in staging"),
        "{}",
        output.stderr
    );
    assert_eq!(outcomes(&output), "look succeeded, a skipped, tell not-run");
    assert_eq!(order(&project), "a tell", "no effect began, so nothing is told");
}

#[test]
fn steps_belong_to_environments() {
    let steps = [Step::marks("a"), Step::marks("b").key("environments = [\"production\"]")];
    let text = text("", &steps) + "\n[environments.production]\n";
    let project = Project::with(&text).locked();
    let _ = project.windlass("run -e staging").exits(0);
    assert_eq!(order(&project), "a");
    let _ = project.windlass("run -e production").exits(0);
    assert_eq!(order(&project), "a a b");
}

#[test]
fn steps_belong_to_components_which_are_live_by_themselves() {
    let project = project(&[
        Step::marks("all"),
        Step::marks("front").key("component = \"frontend\""),
        Step::marks("back").key("component = \"backend\""),
    ]);
    let output = project.windlass("run --component backend --format json").exits(0);
    assert_eq!(order(&project), "all back");
    assert_eq!(output.result()["component"], "backend");
    let _ = project.windlass("run").exits(0);
    assert_eq!(order(&project), "all back all");
    let status = project.windlass("status --format json").exits(0).result();
    let places: Vec<_> = status.as_array().expect("places").iter().map(|place| place["component"].clone()).collect();
    assert_eq!(places, [serde_json::Value::Null, "backend".into()]);
}

#[test]
fn overlays_are_merged_over_a_step_in_their_environment() {
    let config = format!(
        "{HEAD}{}\n[environments.production.step.a.with]\nset = {{ WHERE = \"production\" }}\n",
        Step::of("a", "echo $WHERE $WHAT >> order").with("set = { WHERE = \"elsewhere\", WHAT = \"a\" }")
    );
    let project = Project::with(&config.replace("TOP", "")).locked();
    let _ = project.windlass("run -e staging").exits(0);
    let _ = project.windlass("run -e production").exits(0);
    assert_eq!(order(&project), "elsewhere a production a");
}

#[test]
fn plan_and_check_say_what_has_to_be_deployed_before() {
    let environments = "[environments.staging]\n[environments.production]\nafter = [\"staging\"]\n";
    let project = Project::with(&text_with("", environments, &[Step::marks("a")])).locked();
    let _ = project.commit();
    for words in ["plan -e production", "check"] {
        let output = project.windlass(words).exits(0);
        assert!(
            output.stderr.contains(
                "gate of production: closed now\n  ! `production` comes after `staging`\n      nothing was deployed to `staging` yet\n"
            ),
            "{words}: {}",
            output.stderr
        );
    }
    let _ = project.windlass("run -e staging").exits(0);
    // What the step has left is not in the commit, which is the same all the same.
    for words in ["plan -e production", "check"] {
        assert!(!project.windlass(words).exits(0).stderr.contains("gate"), "{words}");
    }
}
