//! What a killed run has left at work is ended before anything else is done, and only that.

#![cfg(target_os = "linux")]

use super::{Step, events_named, kill, newest, order, project, stuck_step, until};
use e2e::Project;
use e2e::traces::runs;

/// A run that was killed while its child goes on. Returns the run and the child's process.
fn killed(project: &Project) -> (String, String) {
    let run = project.start("run");
    until("the child", || project.has("child"));
    kill(run);
    let child = project.read("child").trim().to_owned();
    assert!(runs(&child), "it goes on without its host");
    (newest(project), child)
}

#[test]
fn whoever_comes_after_a_killed_run_ends_what_is_still_at_work_for_it() {
    for words in ["resume", "rollback", "reap", "run"] {
        let project = project(&[Step::marks("a").unless("grep -qx a order"), stuck_step("b")]);
        let (run, child) = killed(&project);
        let said = if words == "resume" { format!("resume {run}") } else { words.to_owned() };
        let output = project.windlass(&format!("{said} --format json")).exits(0);
        assert!(!runs(&child), "{words}: {}", output.all());
        if words == "reap" {
            assert_eq!(output.result()["runs"][0]["ended"][0]["process"].to_string(), child);
            continue;
        }
        // It was at work for the run that was killed; who came after says so in its own journal.
        let notes = events_named(&project, &newest(&project), "note-added");
        let told =
            notes.iter().any(|note| note["text"].as_str().unwrap_or_default().contains(&format!("sleep ({child})")));
        assert!(told, "{words}: {notes:?}");
        let expected = if words == "rollback" { "a -b -a" } else { "a b" };
        assert_eq!(order(&project), expected, "{words}");
    }
}

#[test]
fn what_may_stay_and_what_is_another_runs_is_left_alone() {
    let stays = "sleep 600 & echo $! > stays.part; mv stays.part stays";
    let project =
        project(&[Step::of("service", stays).with("background = true\neffect = \"changes\""), stuck_step("b")]);
    let other = super::project(&[stuck_step("b")]);
    let (_, child) = killed(&project);
    let (_, others) = killed(&other);
    let _ = project.windlass("reap").exits(0);
    let stays = project.read("stays").trim().to_owned();
    assert!(!runs(&child) && runs(&stays) && runs(&others));
    let _ = other.windlass("reap").exits(0);
    assert!(!runs(&others) && runs(&stays));
    super::signal("KILL", stays.parse().expect("a process"));
}
