//! Freezes: what keeps a run from beginning at this time, and what goes on all the same.

use super::{Step, order, text};
use e2e::Project;
use e2e::runs::{cut_off, events_named, newest, stuck};
use e2e::steps::text_with;

/// Begins each minute but an hour's first and ends on a day that comes every four years: now, whenever that is. But for that
/// day's first minute.
const NOW: &str = "[environments.staging]\n\
    freeze = [{ from = \"1-59 * * * *\", until = \"0 0 29 2 *\", zone = \"Europe/Berlin\", reason = \"holidays\" }]\n";

fn frozen(steps: &[Step]) -> Project {
    Project::with(&text_with("", NOW, steps)).locked()
}

#[test]
fn a_run_waits_for_the_end_of_a_freeze_unless_somebody_says_why_not() {
    let project = frozen(&[Step::marks("a")]);
    let output = project.windlass("run --format json").exits(21);
    assert_eq!(output.result()["reason"], "frozen");
    for part in [
        "error: deployments to `staging` are frozen until ",
        "-02-29 00:00 Europe/Berlin\n",
        "--> deploy.toml:5:11",
        "`freeze` in `deploy.toml` says from `1-59 * * * *` until `0 0 29 2 *` (Europe/Berlin): holidays",
        "note: nothing was run",
        "`--during-freeze REASON` goes on, and writes that down",
    ] {
        assert!(output.stderr.contains(part), "{part}\n{}", output.stderr);
    }
    assert!(!project.has("order"));
    assert_eq!(project.windlass("run --dry-run").code, Some(21));
    assert_eq!(project.windlass("run --during-freeze=").code, Some(2));
    let output = project.windlass("run --during-freeze outage").exits(0);
    assert_eq!(order(&project), "a");
    // Whoever looks at it sees that.
    for part in [
        "note: deployments are frozen until ",
        "-02-29 00:00 Europe/Berlin, and this one is made all the same: outage\n",
        "note: deployments were frozen, and this one was made all the same: outage\n",
    ] {
        assert!(output.stderr.contains(part), "{part}\n{}", output.stderr);
    }
    assert!(project.windlass("status").exits(0).stdout.contains("          made in a freeze: outage\n"));
    let history = project.windlass("history").exits(0).stdout;
    assert!(history.ends_with("  in a freeze: outage\n"), "{history}");
    let runs = project.windlass("history --format json").exits(0).result();
    assert_eq!(runs[0]["during_freeze"], "outage");
    let written = events_named(&project, &newest(&project), "freeze-overridden");
    assert_eq!(written.len(), 1);
    assert_eq!(written[0]["reason"], "outage");
    assert!(written[0]["cause"].as_str().expect("a cause").ends_with("holidays"), "{written:?}");
    // Taking back is never frozen.
    let _ = project.windlass("rollback").exits(0);
    assert_eq!(order(&project), "a -a");
}

#[test]
fn plan_and_check_say_when_the_next_freeze_begins_and_that_there_is_one_now() {
    let project = frozen(&[Step::marks("a")]);
    for words in ["plan", "check"] {
        let output = project.windlass(words).exits(0);
        assert!(output.stderr.contains("gate of staging: closed now\n"), "{}", output.stderr);
        assert!(output.stderr.contains("  ! deployments to `staging` are frozen until "), "{}", output.stderr);
        assert!(output.stderr.contains("until `0 0 29 2 *` (Europe/Berlin): holidays\n"), "{}", output.stderr);
    }
    let gate = project.windlass("plan --format json").exits(0).result()["gate"].clone();
    assert_eq!((gate.as_array().map(Vec::len), &gate[0]["code"]), (Some(1), &serde_json::json!("frozen")));
    let later = NOW.replace("0 0 29 2 *", "1 0 29 2 *").replace("1-59 * * * *", "0 0 29 2 *");
    project.write("deploy.toml", &text_with("", &later, &[Step::marks("a")]));
    for words in ["plan", "check"] {
        let output = project.windlass(words).exits(0);
        assert!(output.stderr.contains("freeze of staging: the next begins "), "{}", output.stderr);
        assert!(!output.stderr.contains("gate"), "{}", output.stderr);
        assert!(output.stderr.contains("-02-29 00:00 Europe/Berlin: from "), "{}", output.stderr);
    }
    let output = project.windlass("run").exits(0);
    assert!(!output.stderr.contains("frozen"), "{}", output.stderr);
    project.write("deploy.toml", &text("", &[Step::marks("a")]));
    assert!(!project.windlass("plan").exits(0).stderr.contains("freeze"));
}

#[test]
fn a_run_that_was_cut_off_goes_on_in_a_freeze_only_with_a_reason_and_is_taken_back_without_one() {
    let steps = [Step::marks("a"), Step::marks("b").run(&stuck("stuck", "echo b >> order"))];
    let begun = |words: &str| {
        let project = Project::with(&text("", &steps)).locked();
        let run = cut_off(&project, words, "stuck");
        project.write("deploy.toml", &text_with("", NOW, &steps));
        (project, run)
    };
    let (project, run) = begun("run");
    let resume = format!("resume {run} --not-done b");
    let output = project.windlass(&resume).exits(21);
    assert!(output.stderr.contains("deployments to `staging` are frozen until "), "{}", output.stderr);
    let back = project.copy();
    let _ = project.windlass(&format!("{resume} --during-freeze half-done")).exits(0);
    assert_eq!(order(&project), "a b");
    assert_eq!(events_named(&project, &run, "freeze-overridden").len(), 1);
    let _ = back.windlass("rollback").exits(0);
    assert_eq!(order(&back), "a -b -a");

    // What was said when the run began holds for its end.
    let project = Project::with(&text_with("", NOW, &steps)).locked();
    let run = cut_off(&project, "run --during-freeze down", "stuck");
    let _ = project.windlass(&format!("resume {run} --not-done b")).exits(0);
    assert_eq!(order(&project), "a b");
    assert_eq!(events_named(&project, &run, "freeze-overridden").len(), 2);
}
