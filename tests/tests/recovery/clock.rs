//! A clock that is wrong or is set while a run is under way: which run is the newest, who holds a lease and how long
//! something took must not depend on it.
//!
//! `libfaketime` (the package `faketime`) sets it for one process. It leaves the steady clock alone, as a system does whose
//! clock is set. Without it these tests fail.

#![cfg(target_os = "linux")]

use super::*;
use std::sync::OnceLock;

/// The library, as `faketime` itself finds it.
fn library() -> &'static str {
    static LIBRARY: OnceLock<String> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let output = Command::new("faketime").args(["-f", "+0s", "sh", "-c", "printf %s \"$LD_PRELOAD\""]).output();
        let output = output.expect("`faketime`, of the package faketime");
        let path = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(path.contains("libfaketime"), "{path}");
        path
    })
}

/// A command whose clock is wrong by this.
fn at(project: &Project, offset: &str, words: &str) -> Command {
    let mut command = project.command(words.split_whitespace());
    command.env("LD_PRELOAD", library()).env("FAKETIME", offset).env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    command
}

/// Deploys a version at another time. Returns its run.
fn release_at(project: &Project, offset: &str, version: &str) -> String {
    let before = runs(project);
    let words = format!("run --commit {} --release-version {version}", e2e::COMMIT);
    let run = at(project, offset, &words).spawn().expect("the binary runs");
    let _ = project.finish(run).exits(0);
    runs(project).into_iter().find(|run| !before.contains(run)).expect("a run")
}

#[test]
fn the_newest_run_is_the_one_that_came_last_whatever_the_clock_said() {
    let project = project(&[versioned("a")]);
    let mut expected = vec![];
    for (offset, version) in [("+0", "1"), ("+10y", "2"), ("+0", "3"), ("-10y", "4"), ("+20y", "5"), ("-20y", "6")] {
        expected.insert(0, release_at(&project, offset, version));
        assert_eq!(live(&project).as_deref(), Some(version), "at {offset}");
    }
    assert!(expected[1].starts_with("204"), "the clock was really wrong: {}", expected[1]);
    let history = project.windlass("history --format json").exits(0).result();
    let told: Vec<&str> = history.as_array().expect("runs").iter().filter_map(|run| run["run"].as_str()).collect();
    assert_eq!(told, expected);
    // And it is the newest that is taken back.
    let _ = project.windlass("rollback").exits(0);
    assert!(order(&project).ends_with("-a-6"), "{}", order(&project));
}

#[test]
fn a_living_owner_keeps_its_lease_whatever_the_clock_says() {
    let waits = "touch waiting; while test ! -e go; do sleep 0.01; done; echo a >> order";
    let environment = "[environments.staging]\nlease = { duration = \"1s\" }\n";
    let project = Project::with(&text_with("", environment, &[Step::marks("a").run(waits), Step::marks("b")])).locked();
    for offset in ["+0", "+10y", "-10y"] {
        for file in ["waiting", "go", "order"] {
            let _ = std::fs::remove_file(project.path().join(file));
        }
        let words = format!("run --format json --commit {}", e2e::COMMIT);
        let first = at(&project, offset, &words).spawn().expect("the binary runs");
        until("the run", || project.has("waiting"));
        for other in ["+0", "+20y", "-20y"] {
            let second = at(&project, other, &words).spawn().expect("the binary runs");
            let second = project.finish(second).exits(21);
            assert_eq!(second.result()["reason"], "lease-held");
            let reap = project.finish(at(&project, other, "reap --format json").spawn().expect("the binary runs"));
            assert_eq!(reap.exits(0).result()["leases"], serde_json::json!([]));
        }
        project.write("go", "");
        let _ = project.finish(first).exits(0);
        assert_eq!(order(&project), "a b");
    }
}

#[test]
fn a_clock_that_is_set_while_a_run_is_under_way_changes_nothing() {
    let waits = |id: &str| {
        Step::marks(id)
            .run(&format!("touch waiting-{id}; while test ! -e go-{id}; do sleep 0.01; done; echo {id} >> order"))
    };
    let environment = "[environments.staging]\nlease = { duration = \"1s\" }\n";
    let steps = [waits("a"), waits("b"), waits("c"), Step::marks("d")];
    let project = Project::with(&text_with("timeout = \"10m\"", environment, &steps)).locked();
    let clock = project.path().join("clock");
    // A whole file at once: the library reads it whenever it is asked for the time.
    let set = |offset: &str| {
        project.write("clock.part", offset);
        std::fs::rename(project.path().join("clock.part"), &clock).expect("a file");
    };
    set("+0");
    let words = format!("run --format json --commit {}", e2e::COMMIT);
    let mut command = at(&project, "", &words);
    command.env_remove("FAKETIME").env("FAKETIME_TIMESTAMP_FILE", &clock).env("FAKETIME_NO_CACHE", "1");
    let run = command.spawn().expect("the binary runs");
    for (id, offset) in [("a", "+10y"), ("b", "-10y"), ("c", "+1y")] {
        until(id, || project.has(&format!("waiting-{id}")));
        set(offset);
        let held = project.windlass("run --format json").exits(21);
        assert_eq!(held.result()["reason"], "lease-held");
        project.write(&format!("go-{id}"), "");
    }
    let output = project.finish(run).exits(0);
    assert_eq!(outcomes(&output), "a succeeded, b succeeded, c succeeded, d succeeded");
    let run = newest(&project);
    let text = std::fs::read_to_string(journal_of(&project, &run)).expect("a journal");
    let years: std::collections::BTreeSet<String> = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON")["at"].as_str().expect("a time")[..4].to_owned())
        .collect();
    assert!(years.len() > 1, "the clock was really set: {years:?}");
    for event in events(&project, &run) {
        if let Some(took) = event["duration_ms"].as_u64().or_else(|| event["duration-ms"].as_u64()) {
            assert!(took < 120_000, "{event}");
        }
    }
    assert_eq!(events_named(&project, &run, "run-finished").len(), 1);
    let next = release(&project, "2");
    assert!(next > run, "{next} after {run}");
}

#[test]
fn a_run_that_was_cut_off_in_the_future_goes_on_in_the_present() {
    let project = project(&[Step::marks("a"), stuck_step("b")]);
    let words = format!("run --commit {}", e2e::COMMIT);
    let run = at(&project, "+10y", &words).spawn().expect("the binary runs");
    until("the child", || project.has("child"));
    kill(run);
    end_child(&project, "child");
    let run = newest(&project);
    let _ = project.windlass(&format!("resume {run}")).exits(0);
    assert_eq!(order(&project), "a b");
    assert_eq!(status(&project)["newest"]["outcome"], "succeeded");
}
