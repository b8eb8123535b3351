//! `windlass rollback` where there is more than one place, or more than one who asks.

use super::*;
use serde_json::json;

#[test]
fn each_environment_and_component_is_taken_back_by_itself() {
    let steps = [versioned("a").key("component = \"frontend\""), versioned("b").key("component = \"backend\"")];
    let project = Project::with(&text_with("", "[environments.staging]\n[environments.production]\n", &steps)).locked();
    for version in ["1", "2"] {
        for place in
            ["-e staging --component frontend", "-e staging --component backend", "-e production --component backend"]
        {
            let _ = project.windlass(&format!("run {place} --release-version {version}")).exits(0);
        }
    }
    let _ = project.windlass("rollback --component backend").exits(2);
    let _ = project.windlass("rollback -e moon --component backend").exits(2);
    std::fs::remove_file(project.path().join("order")).expect("it is there");
    let _ = project.windlass("rollback -e staging --component backend").exits(0);
    assert_eq!(order(&project), "-b-2");
    let status = project.windlass("status --format json").exits(0).result();
    let live: Vec<String> = status
        .as_array()
        .expect("places")
        .iter()
        .map(|place| {
            format!("{} {} {}", place["environment"], place["component"], place["live"]["version"]).replace('"', "")
        })
        .collect();
    assert_eq!(live, ["staging frontend 2", "staging backend 1", "production backend 2"]);
}

#[test]
fn a_release_that_was_taken_back_is_no_ground_for_the_next_environment() {
    let environments = "[environments.staging]\n[environments.production]\nafter = [\"staging\"]\n";
    let project = Project::with(&text_with("", environments, &[versioned("a")])).locked();
    let _ = project.windlass("run -e staging").exits(0);
    let _ = project.windlass("rollback -e staging").exits(0);
    let output = project.windlass("run -e production --format json").exits(21);
    assert_eq!(output.result()["reason"], "environment-order");
}

#[test]
fn two_that_take_back_at_once_do_it_once() {
    let step = versioned("a").reverted_by(
        "touch reverting; while test ! -e go; do sleep 0.01; done; echo -a-${deployment.version} >> order",
    );
    let environment = "[environments.staging]\nlease = { wait = \"5m\" }\n";
    let project = Project::with(&text_with("", environment, &[step])).locked();
    for version in ["1", "2"] {
        release(&project, version);
    }
    let first = project.start("rollback --format json");
    until("the first", || project.has("reverting"));
    let second = start_waiting(&project, "rollback --format json");
    project.write("go", "");
    let _ = project.finish(first).exits(0);
    let second = project.finish(second).exits(2);
    assert_eq!(second.result()["reason"], "not-resumable");
    assert!(project.read("told").contains("another run came first"), "{}", project.read("told"));
    assert_eq!(order(&project), "a-1 a-2 -a-2");
    assert_eq!(live(&project).as_deref(), Some("1"));
}

#[test]
fn what_was_cancelled_in_ci_is_taken_back() {
    let project = project(&[versioned("a"), Step::marks("b").run(&stuck("child", "exit 0"))]);
    let mut command = project.command(["run", "--commit", e2e::COMMIT, "--release-version", "1"]);
    let run = command.env("CI", "true").stderr(std::process::Stdio::piped()).spawn().expect("the binary runs");
    until("the child", || project.has("child"));
    signal("TERM", run.id());
    let _ = project.finish(run).exits(12);
    let output = project.windlass("rollback --format json").exits(0);
    assert_eq!(outcomes(&output), "a reverted, b reverted");
    assert_eq!(order(&project), "a-1 -b -a-1");
    assert_eq!(events_named(&project, &newest(&project), "rollback-started")[0]["to"], json!(null));
}

#[test]
fn a_rollback_over_several_runs_that_was_cut_off_goes_on() {
    let check =
        Step::of("live", &format!("echo live-${{deployment.version}} >> order; {}", stuck("checking", "exit 0")));
    let steps = [
        versioned("a").reverted_by(&stuck("reverting-${deployment.version}", "echo -a-${deployment.version} >> order")),
        check.with("effect = \"checks\""),
    ];
    for (file, then, rest) in [("reverting-2", "-a-3", "-a-2 live-1"), ("checking", "-a-3 -a-2 live-1", "live-1")] {
        let project = project(&steps);
        for there in ["reverting-2", "reverting-3", "checking"] {
            project.write(there, "");
        }
        let all = ["1", "2", "3"].map(|version| release(&project, version));
        std::fs::remove_file(project.path().join(file)).expect("it is there");
        let done = order(&project);
        cut_off(&project, &format!("rollback --to {}", all[0]), file);
        assert_eq!(order(&project), format!("{done} {then}"));
        let next = status(&project)["next"].as_str().unwrap_or_default().to_owned();
        assert_eq!(next, "taking it back was cut off: `windlass rollback -e staging` goes on with that");
        assert_eq!(status(&project)["open"]["run"], all[1].as_str());
        let _ = project.windlass("rollback").exits(0);
        assert_eq!(order(&project), format!("{done} {then} {rest}"));
        assert_eq!(live(&project).as_deref(), Some("1"));
        assert_eq!(status(&project)["next"], "`windlass run -e staging` when you are ready; it is as it was before");
    }
}
