//! What is told of a run afterwards: `windlass report`, the files beside its journal, and the page of the job on GitHub.

use e2e::probe::{Probe, config};
use e2e::steps::{Step, project, text};
use e2e::{Output, Project, workspace};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::Command;

fn report(project: &Project) -> Value {
    project.windlass("report last --format json").exits(0).result()
}

/// The directory of the newest run.
fn newest(project: &Project) -> PathBuf {
    let entries = std::fs::read_dir(project.path().join(".windlass/runs")).expect("runs");
    entries.map(|entry| entry.expect("a run").path()).max().expect("a run")
}

/// With a page as GitHub gives one to each step of a job.
fn on_github(project: &Project, words: &str) -> (Output, String) {
    let page = project.path().join("summary.md");
    std::fs::write(&page, "").expect("an empty page");
    let variables = [("GITHUB_ACTIONS", "true"), ("GITHUB_STEP_SUMMARY", page.to_str().expect("a path"))];
    let output = project.windlass_with(&format!("{words} --forge local"), &variables);
    (output, std::fs::read_to_string(&page).expect("the page"))
}

/// The commands that a report suggests, each of which is said.
fn say_what_it_suggests(project: &Project, which: &str) -> Output {
    let story = report(project);
    let commands = story["standing"]["commands"].as_array().expect("commands").clone();
    let texts: Vec<&str> = commands.iter().filter_map(|it| it["command"].as_str()).collect();
    let command = texts.iter().find(|it| it.contains(which)).unwrap_or_else(|| panic!("no {which}: {texts:?}"));
    project.windlass(command.strip_prefix("windlass ").expect("a command of ours"))
}

#[test]
fn a_run_that_was_taken_back_is_told_in_every_form() {
    let project = project(&[Step::marks("a"), Step::fails("b"), Step::marks("c")]);
    let _ = project.windlass("run").exits(10);
    let story = report(&project);
    assert_eq!((&story["schema"], &story["outcome"]), (&json!("windlass.report/1"), &json!("rolled-back")));
    let outcomes: Vec<_> = story["steps"].as_array().expect("steps").iter().map(|step| &step["outcome"]).collect();
    assert_eq!(outcomes, ["reverted", "reverted", "not-run"]);
    assert_eq!(story["problem"]["code"], "step-failed");
    assert!(story["plan"]["summary"].as_str().is_some_and(|text| text.contains("to change")), "{story}");
    assert!(!story["steps"][0]["capabilities"]["used"].as_array().expect("used").is_empty(), "{story}");
    assert_eq!(story["standing"]["commands"], json!([]), "there is nothing to go on with or to take back");
    assert!(story["standing"]["next"].as_str().is_some_and(|next| next.contains("mend what failed")), "{story}");

    let human = project.windlass("report last").exits(0).stdout;
    for says in
        ["shop 0123456789 was not deployed to staging; what was done is taken back", "↩ b", "- c", "Caused by: "]
    {
        assert!(human.contains(says), "{says}: {human}");
    }
    // What was left beside the journal when the run ended is what is told now.
    let run = newest(&project);
    let html = project.windlass("report last --html -").exits(0).raw_stdout;
    assert!(html.starts_with("<!DOCTYPE html>"), "{html}");
    assert_eq!(std::fs::read_to_string(run.join("report.html")).expect("the report"), html);
    let junit = project.windlass("report last --junit -").exits(0).raw_stdout;
    assert_eq!(std::fs::read_to_string(run.join("junit.xml")).expect("the cases"), junit);
    let name = run.file_name().and_then(|name| name.to_str()).expect("a name");
    let _ = project.windlass(&format!("report {name} --markdown story.md")).exits(0);
    assert!(
        project.read("story.md").starts_with("## ❌ shop 0123456789 was not deployed to staging"),
        "{}",
        project.read("story.md")
    );
    let _ = project.windlass("report last --html a --junit b").exits(2);
}

#[test]
fn junit_is_as_its_readers_want_it() {
    let project = project(&[
        Step::marks("a"),
        Step::of("b", "echo '<b> & ]]>' >&2; exit 3").reverted_by("exit 4"),
        Step::marks("c"),
        Step::finally("z"),
    ]);
    let _ = project.windlass("run").exits(11);
    let output = Command::new("xmllint")
        .args(["--noout", "--nonet", "--relaxng"])
        .arg(workspace().join("tests/fixtures/junit.rng"))
        .arg(newest(&project).join("junit.xml"))
        .output()
        .expect("xmllint is there: `scripts/test` installs it");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let xml = std::fs::read_to_string(newest(&project).join("junit.xml")).expect("the cases");
    for says in [
        "<testcase name=\"b\"",
        "<testcase name=\"take back b\"",
        "type=\"step-failed\"",
        "<skipped message=\"not run\">",
    ] {
        assert!(xml.contains(says), "{says}: {xml}");
    }
}

#[test]
fn what_it_suggests_works() {
    // What succeeded can be taken back, to the release before or to nothing.
    let stops = Step::marks("b").run("test ! -e broken && echo b >> order").key("on_failure = \"stop\"");
    let project = project(&[Step::marks("a"), stops]);
    let _ = project.windlass("run").exits(0);
    let story = report(&project);
    let does = &story["standing"]["commands"][0]["does"];
    assert_eq!(does, "takes back what it did; no release from before is known");
    assert_eq!(story["standing"]["live"], true);
    let _ = say_what_it_suggests(&project, "rollback").exits(0);
    assert_eq!(report(&project)["standing"]["commands"], json!([]));
    // What stopped can be gone on with.
    project.write("broken", "");
    let _ = project.windlass("run").exits(13);
    std::fs::remove_file(project.path().join("broken")).expect("mended");
    let _ = say_what_it_suggests(&project, "resume").exits(0);
    let story = report(&project);
    assert_eq!(story["outcome"], "succeeded");
    assert_eq!(story["steps"][1]["work"].as_array().expect("work").len(), 2, "both attempts are told");
    assert!(
        story["notes"]
            .as_array()
            .expect("notes")
            .iter()
            .any(|note| note["text"].as_str().is_some_and(|text| text.ends_with("went on with it"))),
        "{story}"
    );
}

#[test]
fn what_an_earlier_run_left_is_told_with_its_name_also_where_a_later_one_failed() {
    // The release that is live, a run that stopped half way, and one that failed and was taken back.
    let stops =
        Step::marks("b").run("case $(cat how) in stop) exit 3;; esac; echo b >> order").key("on_failure = \"stop\"");
    let fails = Step::of("c", "case $(cat how) in fail) exit 3;; esac").reverted_by("true");
    let project = project(&[Step::marks("a"), fails, stops]).file("how", "well");
    let _ = project.windlass("run").exits(0);
    project.write("how", "stop");
    let _ = project.windlass("run").exits(13);
    let left = report(&project)["run"].as_str().expect("a run").to_owned();
    project.write("how", "fail");
    let _ = project.windlass("run").exits(10);
    let story = report(&project);
    let next = format!(
        "what run {left} (0123456789) did before it ended is still there: `windlass rollback -e staging` takes it back"
    );
    assert_eq!(story["standing"]["next"], next);
    assert_eq!(story["standing"]["live_now"], "0123456789 at 0123456789");
    let status = project.windlass("status").exits(0);
    assert!(status.stdout.contains("          but what a later run did is still there\n"), "{}", status.stdout);
    let newest = story["run"].as_str().expect("a run").to_owned();
    let lines: Vec<&str> = status.stdout.lines().filter(|line| line.starts_with("  run ")).collect();
    assert_eq!(lines.len(), 2, "both are told of: {}\n{newest}", status.stdout);
    let _ = project.windlass("rollback").exits(0);
    assert!(!project.windlass("status").exits(0).stdout.contains("still there"));
}

#[test]
fn what_is_well_needs_nothing_done() {
    let project = project(&[Step::marks("a")]);
    let (_, page) = on_github(&project, "run");
    let steps = page.find("### Steps").expect("steps");
    let back = page.find("### Should it prove bad").expect("what to do then");
    assert!(steps < back && !page.contains("### What to do"), "{page}");
}

#[test]
fn what_cannot_be_taken_back_is_not_suggested_to_be() {
    let lasting = Probe::new().effect("irreversible").applies(json!({"do": "record", "value": "1"}));
    let mends = Probe::new().effect("changes").applies(json!({"do": "record", "value": "2"}));
    let project = Project::with(&config(&[lasting.step("schema"), mends.step("release")])).guest("probe").locked();
    let _ = project.windlass("run").exits(0);
    let command = report(&project)["standing"]["commands"][0]["command"].clone();
    assert_eq!(command, "windlass rollback -e staging --keep schema");
    let _ = say_what_it_suggests(&project, "rollback").exits(0);
}

#[test]
fn a_secret_in_what_a_step_says_is_in_no_report() {
    let leaks =
        Step::of("a", "echo \"token: $TOKEN\" >&2; exit 3").with("secrets = { TOKEN = { secret = \"TOKEN\" } }");
    let project = project(&[leaks]).variable("TOKEN", "s3cr3t<value>&more");
    let (output, page) = on_github(&project, "run");
    assert_eq!(output.code, Some(13), "{}", output.all());
    let run = newest(&project);
    let beside = |name: &str| std::fs::read_to_string(run.join(name)).expect("a report");
    let forms = ["", "--format json", "--html -", "--junit -", "--markdown -"];
    let told = forms.map(|form| project.windlass(&format!("report last {form}")).exits(0).raw_stdout);
    for text in told.into_iter().chain([page, beside("report.html"), beside("junit.xml")]) {
        assert!(!text.contains("s3cr3t"), "{text}");
        assert!(text.contains("***"), "what was said besides is there: {text}");
    }
}

#[test]
fn what_a_plugin_says_breaks_no_page() {
    let evil = "<script>alert(1)</script> | `x` ```\n@everyone \u{1b}[31mred";
    let step = Probe::new()
        .applies(json!({"do": "report", "text": evil}))
        .applies(json!({"do": "fail", "text": evil}))
        .strict();
    let project = step.project().locked();
    let (output, page) = on_github(&project, "run");
    assert_eq!(output.code, Some(13), "{}", output.all());
    let html = project.windlass("report last --html -").exits(0).raw_stdout;
    let junit = project.windlass("report last --junit -").exits(0).raw_stdout;
    for text in [&html, &junit] {
        assert!(!text.contains("<script") && text.contains("&lt;script&gt;"), "{text}");
    }
    assert!(page.contains("\n````text\n"), "a block that nothing in it ends: {page}");
    let outside: String = page.split("````").step_by(2).collect();
    assert!(!outside.contains("<script") && !outside.contains("@everyone"), "{outside}");
    for text in [html, junit, page] {
        assert!(!text.contains('\u{1b}'), "{text}");
    }
}

#[test]
fn the_page_of_the_job_tells_of_plan_run_rollback_and_of_what_kept_them_from_it() {
    let project = project(&[Step::marks("a")]);
    let (_, page) = on_github(&project, "plan");
    assert!(page.starts_with("## 📋 plan: shop 0123456789 to staging"), "{page}");
    assert!(page.contains("| `a` | changes |"), "{page}");
    let (_, page) = on_github(&project, "run -e staging");
    assert!(page.starts_with("## ✅ shop 0123456789"), "{page}");
    assert!(page.contains("windlass rollback -e staging\n"), "{page}");
    let (_, page) = on_github(&project, "rollback -e staging");
    assert!(page.starts_with("## ✅ what shop 0123456789 did in staging is taken back"), "{page}");
    project.write("deploy.lock", "nonsense");
    let (output, page) = on_github(&project, "run -e staging");
    assert_eq!(output.code, Some(22), "{}", output.all());
    assert!(page.starts_with("## ❌ shop was not deployed to staging: blocked"), "{page}");
    assert!(page.contains("hint: "), "{page}");
}

#[test]
fn a_page_that_is_full_stays_as_it_is() {
    let project = project(&[Step::marks("a")]);
    let page = project.path().join("summary.md");
    std::fs::write(&page, "x".repeat(900 << 10)).expect("a full page");
    let variables = [("GITHUB_ACTIONS", "true"), ("GITHUB_STEP_SUMMARY", page.to_str().expect("a path"))];
    let output = project.windlass_with("run --forge local", &variables).exits(0);
    assert!(output.stderr.contains("note: nothing is added to the page of the job"), "{}", output.stderr);
    assert_eq!(std::fs::metadata(&page).expect("the page").len(), 900 << 10);
    // Outside of GitHub the variable means nothing.
    let _ = project.windlass_with("run --force", &[("GITHUB_STEP_SUMMARY", "elsewhere.md")]).exits(0);
    assert!(!project.has("elsewhere.md"));
}

#[test]
fn a_report_that_cannot_be_written_changes_no_outcome() {
    let project = project(&[Step::of("a", "mkdir -p .windlass/runs/$WINDLASS_RUN/report.html/x")]);
    let output = project.windlass("run").exits(0);
    assert!(output.stderr.contains("note: `report.html` of run "), "{}", output.stderr);
    assert!(newest(&project).join("junit.xml").is_file(), "the other one is there");
    let missing = project.path().join("nowhere/summary.md");
    let variables = [("GITHUB_ACTIONS", "true"), ("GITHUB_STEP_SUMMARY", missing.to_str().expect("a path"))];
    let output = project.windlass_with("run --force --forge local", &variables).exits(0);
    assert!(output.stderr.contains("note: the page of the job ("), "{}", output.stderr);
    let _ = project.windlass("report last --html nowhere/report.html").exits(2);
}

#[test]
fn old_reports_go_with_their_runs() {
    let project = Project::with(&text("keep_runs = 1", &[Step::marks("a")])).locked();
    for _ in 0..4 {
        let _ = project.windlass("run").exits(0);
    }
    let runs = std::fs::read_dir(project.path().join(".windlass/runs")).expect("runs").count();
    assert_eq!(runs, 2, "the one that is live, and the one before");
}

#[test]
fn a_run_that_is_not_there_or_is_damaged_is_said_to_be() {
    let project = project(&[Step::marks("a")]);
    let output = project.windlass("report last").exits(2);
    assert!(output.stderr.contains("error: there is no run yet"), "{}", output.stderr);
    let _ = project.windlass("run").exits(0);
    let output = project.windlass("report 20200101T000000000Z-000000").exits(2);
    assert!(output.stderr.contains("error: there is no run `[run]`"), "{}", output.stderr);
    let journal = newest(&project).join("journal.jsonl");
    let text = std::fs::read_to_string(&journal).expect("a journal");
    std::fs::write(&journal, text.replace("\"changed\":true", "\"changed\":null")).expect("written");
    for words in ["report last", "report last --html -", "report last --format json"] {
        let output = project.windlass(words).exits(11);
        for part in ["error: the journal `", "Caused by: ", "note: ", "hint: "] {
            assert!(output.stderr.contains(part), "{part}: {}", output.stderr);
        }
        assert_eq!(output.stdout, "");
    }
}

#[test]
fn a_run_that_was_cut_off_gets_its_report_once_it_is_closed() {
    let project = project(&[Step::of("a", "kill -9 $PPID")]);
    let output = project.windlass("run");
    assert_eq!(output.code, None, "{}", output.all());
    let story = report(&project);
    assert_eq!((&story["outcome"], &story["steps"][0]["outcome"]), (&Value::Null, &json!("unknown")));
    assert!(!newest(&project).join("report.html").exists());
    let _ = project.windlass("reap").exits(0);
    let html = std::fs::read_to_string(newest(&project).join("report.html")).expect("the report");
    assert!(html.contains("closed it: its process was gone"), "{html}");
}
