//! The journal: written before and after each effect, whole, and the end of the run where it cannot be.

use super::{Step, order, outcomes, project};
use e2e::Project;
use e2e::probe::{Probe, config};
use serde_json::json;

/// A script that succeeds if the journal of the run that it is part of has an event of a step.
fn finds(event: &str, step: &str) -> String {
    format!("grep -q '\"event\":\"{event}\",\"step\":\"{step}\"' .windlass/runs/*/journal.jsonl")
}

#[test]
fn each_effect_is_written_down_before_it_and_after_it() {
    let project = project(&[
        Step::marks("a").run(&format!(
            "{} && {} && echo a >> order",
            finds("step-started", "a"),
            finds("record-appended", "a")
        )),
        Step::marks("b").run(&format!("{} && echo b >> order; exit 1", finds("step-succeeded", "a"))).reverted_by(
            &format!("{} && {} && echo -b >> order", finds("step-failed", "b"), finds("revert-started", "b")),
        ),
    ]);
    let output = project.windlass("run --format json").exits(10);
    assert_eq!(order(&project), "a b -b -a", "{}", output.all());
}

#[test]
fn a_journal_is_whole_after_every_kind_of_end() {
    let project = project(&[Step::marks("a").run("test ! -e broken && echo a >> order")]);
    let _ = project.windlass("run").exits(0);
    project.write("broken", "");
    let _ = project.windlass("run").exits(10);
    let history = project.windlass("history --format json").exits(0).result();
    let outcomes: Vec<_> = history.as_array().expect("runs").iter().map(|run| run["outcome"].clone()).collect();
    assert_eq!(outcomes, ["rolled-back", "succeeded"]);
}

#[test]
fn a_journal_that_was_changed_is_found_out() {
    let project = project(&[Step::marks("a")]);
    let _ = project.windlass("run").exits(0);
    let run = std::fs::read_dir(project.path().join(".windlass/runs"))
        .expect("runs")
        .next()
        .expect("a run")
        .expect("a run")
        .path();
    let journal = run.join("journal.jsonl");
    let text = std::fs::read_to_string(&journal).expect("a journal");
    std::fs::write(&journal, text.replace("\"changed\":true", "\"changed\":null")).expect("written");
    for words in ["history", "status", "run"] {
        let output = project.windlass(words).exits(11);
        assert!(output.stderr.contains("is not what was written: line "), "{}", output.stderr);
    }
    assert_eq!(order(&project), "a", "nothing was run");
    // A last line that was cut off is one that was never written.
    std::fs::write(&journal, &text[..text.len() - 20]).expect("written");
    let history = project.windlass("history --format json").exits(0).result();
    assert_eq!(history[0]["outcome"], json!(null));
}

#[test]
fn a_run_that_cannot_begin_a_journal_does_nothing() {
    let project = project(&[Step::marks("a")]);
    project.write(".windlass/runs", "in the way");
    let output = project.windlass("run --format json");
    assert_eq!(output.code, Some(15), "{}", output.all());
    assert_eq!(output.result()["reason"], "journal-unwritable");
    assert_eq!(order(&project), "");
}

#[cfg(unix)]
#[test]
fn a_run_stops_before_its_next_effect_when_the_journal_cannot_be_written() {
    use std::process::Command;
    let steps = [
        Step::marks("a").to_string(),
        Probe::new().applies(json!({ "do": "records", "count": 100, "bytes": 60_000 })).strict().step("b"),
        Step::marks("c").to_string(),
    ];
    let project = Project::with(&config(&steps)).guest("probe").locked();
    // The plugins' compiled forms are in the cache now: what is written from here on is the journal.
    let windlass = project.command(["run", "--format", "json", "--commit", e2e::COMMIT]);
    let mut limited = Command::new("sh");
    // Blocks of 512 bytes, enough for the memory of guests; a write beyond is an error and no signal.
    limited.arg("-c").arg("trap '' XFSZ; ulimit -f 8192; exec \"$0\" \"$@\"");
    limited.arg(windlass.get_program()).args(windlass.get_args()).current_dir(project.path()).env_clear();
    limited.envs(windlass.get_envs().filter_map(|(name, value)| Some((name, value?))));
    limited.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let output = project.finish(limited.spawn().expect("a shell")).exits(15);
    assert_eq!(order(&project), "a", "nothing is taken back either: it could not be written down");
    let result = output.result();
    assert_eq!(result["reason"], "journal-unwritable");
    assert_eq!(result["outcome"], "failed");
    assert!(!result["run"].as_str().unwrap_or_default().is_empty());
    assert_eq!(outcomes(&output), "a succeeded, b unknown, c not-run");
    assert!(output.stderr.contains("note: the run stopped before its next effect"), "{}", output.stderr);
}
