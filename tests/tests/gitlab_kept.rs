//! Journals that GitLab keeps in its package registry, and leases on a branch: several machines, each with a directory of its own,
//! in jobs of the same GitLab.

#![cfg(unix)]

use e2e::fault::Fault;
use e2e::gitlab::{GitLab, JOB, TOKEN};
use e2e::runs::{cut_off, events_named, newest, runs, stuck, with_event};
use e2e::server::Answer;
use e2e::steps::{Step, order, text, text_with};
use e2e::{Output, Project};

/// Another job.
const NEXT: u64 = JOB + 1;

/// A machine with the project, in this job, with the job's own token.
fn machine(gitlab: &GitLab, text: &str, job: u64) -> Project {
    let variables = gitlab.variables(None);
    let project = variables.iter().fold(Project::with(text), |project, (name, value)| project.variable(name, value));
    project.variable("CI_JOB_ID", &job.to_string()).locked()
}

fn deploy(project: &Project) -> Output {
    project.windlass("run -e staging --format json")
}

#[test]
fn a_machine_that_never_deployed_knows_what_is_live_and_takes_it_back() {
    let gitlab = GitLab::start();
    let text = text("", &[Step::marks("a")]);
    let first = machine(&gitlab, &text, JOB);
    let output = deploy(&first).exits(0);
    assert!(!output.stderr.contains("warning"), "{}", output.stderr);
    let run = newest(&first);
    let kept = gitlab.packages();
    let path = format!("windlass.shop.staging/{run}/journal.jsonl");
    assert_eq!(kept.get(&path), std::fs::read(e2e::runs::journal_of(&first, &run)).ok().as_ref());
    let second = machine(&gitlab, &text, NEXT);
    let status = second.windlass("status").exits(0).stdout;
    assert!(status.contains("  live    ") && !status.contains("nothing that is known of"), "{status}");
    let _ = second.windlass("rollback -e staging").exits(0);
    assert_eq!(order(&second), "-a");
    assert!(first.windlass("status").exits(0).stdout.contains("nothing that is known of"), "the first one hears of it");
    assert_eq!(gitlab.states(), [["running", "success", "failed"]]);
}

#[test]
fn what_was_cut_off_is_closed_once_gitlab_says_that_its_job_is_over() {
    let gitlab = GitLab::start();
    let text = text("", &[Step::marks("a").run(&stuck("child", "exit 0"))]);
    let first = machine(&gitlab, &text, JOB);
    let run = cut_off(&first, "run -e staging", "child");
    let second = machine(&gitlab, &text, NEXT);
    let given = [("GITLAB_TOKEN", TOKEN)];
    for variables in [&[][..], &given] {
        let reaped = second.windlass_with("reap", variables).exits(0);
        assert!(reaped.stdout.contains("nothing"), "{}", reaped.stdout);
    }
    gitlab.set_job(JOB, "failed");
    let reaped = second.windlass("reap").exits(0);
    assert!(reaped.stdout.contains("nothing"), "a job's token may not ask: {}", reaped.stdout);
    assert_eq!(gitlab.states(), [["running"]]);
    let _ = second.windlass_with("reap", &given).exits(0);
    assert_eq!(gitlab.states(), [["running", "failed"]]);
    assert_eq!(events_named(&second, &run, "run-reaped").len(), 1);
}

#[test]
fn the_deployment_that_a_job_made_says_to_any_job_whether_that_one_is_over() {
    let gitlab = GitLab::start();
    let text = text("", &[Step::marks("a").run(&stuck("child", "exit 0"))]);
    let first = machine(&gitlab, &text, JOB);
    let made = gitlab.add("staging", "running", "main", Some(JOB));
    let first = first.variable("CI_ENVIRONMENT_NAME", "staging");
    let run = cut_off(&first, "run -e staging", "child");
    let second = machine(&gitlab, &text, NEXT);
    let reaped = second.windlass("reap").exits(0);
    assert!(reaped.stdout.contains("nothing"), "it may go on: {}", reaped.stdout);
    gitlab.end(made, "failed");
    let _ = second.windlass("reap").exits(0);
    assert_eq!(events_named(&second, &run, "run-reaped").len(), 1);
    assert_eq!(gitlab.states(), [["running", "failed"]]);
}

#[test]
fn what_is_kept_is_bounded() {
    let gitlab = GitLab::start();
    let text = text("keep_runs = 2\n", &[Step::marks("a")]);
    for _ in 0..4 {
        let _ = deploy(&machine(&gitlab, &text, JOB)).exits(0);
    }
    assert_eq!(gitlab.packages().len(), 2);
    let fresh = machine(&gitlab, &text, JOB);
    let _ = fresh.windlass("history --count 10").exits(0);
    assert_eq!(runs(&fresh).len(), 2);
}

#[test]
fn with_a_token_of_ours_a_lost_machine_is_followed_and_a_living_one_waited_for() {
    let gitlab = GitLab::start();
    let text = text("", &[Step::marks("a").run(&stuck("child", "exit 0"))]);
    let first = machine(&gitlab, &text, JOB).variable("GITLAB_TOKEN", TOKEN);
    let second = machine(&gitlab, &text, NEXT).variable("GITLAB_TOKEN", TOKEN).file("child", "");
    let run = cut_off(&first, "run -e staging", "child");
    let held = deploy(&second).exits(21);
    assert!(held.stderr.contains("holds the lease"), "{}", held.stderr);
    assert_eq!(gitlab.states(), [["running"]]);
    gitlab.set_job(JOB, "failed");
    let _ = deploy(&second).exits(0);
    assert_eq!(events_named(&second, &newest(&second), "lease-taken")[0]["from"], serde_json::json!(run));
    assert_eq!(gitlab.states(), [["running", "failed"], ["running", "success"]]);
    let status = second.windlass("lease status").exits(0).stdout;
    assert!(status.contains("free") && status.contains("it was taken 2 times"), "{status}");
}

#[test]
fn what_was_not_answered_is_taken_once() {
    let lost = [Answer::new(502, "<html>Bad Gateway</html>"), Answer::none()];
    for fault in lost.into_iter().flat_map(|answer| [Fault::After(answer.clone()), Fault::Instead(answer)]) {
        let gitlab = GitLab::start();
        let project = machine(&gitlab, &text("", &[Step::marks("a")]), JOB).variable("GITLAB_TOKEN", TOKEN);
        let _ = deploy(&project).exits(0);
        gitlab.fail("POST /repository/commits", fault.clone());
        let _ = deploy(&project).exits(0);
        let status = project.windlass("lease status").exits(0).stdout;
        assert!(status.contains("free") && status.contains("it was taken 2 times"), "{fault:?} {status}");
        assert_eq!(gitlab.states().len(), 2);
    }
}

#[test]
fn many_machines_at_once_deploy_one_after_the_other() {
    let gitlab = GitLab::start();
    let shared = tempfile::tempdir().expect("a directory");
    // Two at once would find the directory there.
    let alone = format!("mkdir {0}/at && sleep 0.2 && rmdir {0}/at && echo x >> {0}/done", shared.path().display());
    let environments = "[environments.staging]\nlease = { wait = \"90s\" }\n";
    let text = text_with("", environments, &[Step::marks("a").run(&alone)]);
    let machines: Vec<Project> =
        (0..3).map(|number| machine(&gitlab, &text, JOB + number).variable("GITLAB_TOKEN", TOKEN)).collect();
    let children: Vec<_> = machines.iter().map(|machine| machine.start("run -e staging")).collect();
    for (machine, child) in machines.iter().zip(children) {
        let _ = machine.finish(child).exits(0);
    }
    assert_eq!(std::fs::read_to_string(shared.path().join("done")).expect("what was done"), "x\nx\nx\n");
    let status = machines[0].windlass("lease status").exits(0).stdout;
    assert!(status.contains("it was taken 3 times"), "{status}");
}

#[test]
fn a_run_that_two_machines_went_on_with_is_nobodys_to_go_on_with() {
    let gitlab = GitLab::start();
    let text = text("", &[Step::marks("a").run(&stuck("child", "exit 0"))]);
    let first = machine(&gitlab, &text, JOB);
    let run = cut_off(&first, "run -e staging", "child");
    gitlab.set_job(JOB, "failed");
    let second = machine(&gitlab, &text, NEXT).variable("GITLAB_TOKEN", TOKEN).file("child", "");
    let _ = second.windlass(&format!("resume {run} --not-done a")).exits(0);
    let kept = gitlab.packages();
    // The first one comes back, and takes it back without the forge.
    let _ = first.windlass("rollback -e staging --forge local");
    for words in ["status", "rollback -e staging"] {
        let output = first.windlass(words).exits(11);
        assert!(output.stderr.contains("its journal was written twice"), "{words}: {}", output.stderr);
    }
    let _ = deploy(&first.file("child", "")).exits(0);
    let path = format!("windlass.shop.staging/{run}/journal.jsonl");
    assert_eq!(gitlab.packages()[&path], kept[&path], "neither replaces the other");
}

#[test]
fn a_deployment_of_another_commit_is_not_touched_whatever_a_journal_says() {
    let gitlab = GitLab::start();
    let text = text("", &[Step::marks("a").run(&stuck("child", "exit 0"))]);
    let first = machine(&gitlab, &text, JOB);
    let run = cut_off(&first, "run -e staging", "child");
    gitlab.set_job(JOB, "failed");
    let other = gitlab.add("production", "running", "main", None);
    let path = format!("windlass.shop.staging/{run}/journal.jsonl");
    let journal = String::from_utf8(gitlab.packages()[&path].clone()).expect("text");
    let forged = with_event(&journal, "deployment-created", |event| event["id"] = serde_json::json!(other.to_string()));
    gitlab.put_package("windlass.shop.staging", &run, "journal.jsonl", forged.as_bytes());
    let second = machine(&gitlab, &text, NEXT).variable("GITLAB_TOKEN", TOKEN);
    let output = second.windlass("reap").exits(0);
    assert!(output.stderr.contains(&format!("deployment {other} on gitlab is not of run")), "{}", output.all());
    assert_eq!(gitlab.states(), [["running"], ["running"]]);
}

#[test]
fn a_token_that_may_not_push_holds_a_lease_of_its_machine_and_any_other_trouble_ends_the_run() {
    let denied = Answer::new(403, "{\"message\":\"403 Forbidden\"}").header("content-type", "application/json");
    let gitlab = GitLab::start();
    let project = machine(&gitlab, &text("", &[Step::marks("a")]), JOB).variable("GITLAB_TOKEN", TOKEN);
    let fault = denied.clone();
    gitlab.draw(Some(Box::new(move |request| {
        (request.method == "POST" && request.path.ends_with("/repository/commits"))
            .then(|| Fault::Instead(fault.clone()))
    })));
    let output = deploy(&project).exits(0);
    assert!(output.stderr.contains("lease and its journal are on this machine only"), "{}", output.stderr);
    // What may not be read for a moment is not what may not be written.
    gitlab.draw(Some(Box::new(move |request| {
        let is_read = request.method == "GET" && request.path.contains("/repository/tree");
        is_read.then(|| Fault::Instead(denied.clone()))
    })));
    let output = deploy(&project).exits(21);
    assert!(!output.stderr.contains("on this machine only"), "{}", output.stderr);
}

#[test]
fn a_job_that_is_not_shown_is_over_only_where_jobs_are_shown_at_all() {
    let gitlab = GitLab::start();
    let text = text("", &[Step::marks("a").run(&stuck("child", "exit 0"))]);
    let first = machine(&gitlab, &text, JOB);
    let _ = cut_off(&first, "run -e staging", "child");
    let second = machine(&gitlab, &text, NEXT).variable("GITLAB_TOKEN", TOKEN);
    let missing = || Answer::new(404, "{\"message\":\"404 Not Found\"}").header("content-type", "application/json");
    gitlab.draw(Some(Box::new(move |request| request.path.contains("/jobs").then(|| Fault::Instead(missing())))));
    let _ = second.windlass("reap").exits(21);
    assert_eq!(gitlab.states(), [["running"]]);
    gitlab.draw(Some(Box::new(move |request| {
        request.path.ends_with(&format!("/jobs/{JOB}")).then(|| Fault::Instead(missing()))
    })));
    let _ = second.windlass("reap").exits(0);
    assert_eq!(gitlab.states(), [["running", "failed"]]);
}
