//! Leases and journals that GitHub keeps: several machines, each with a directory of its own, in jobs of the same GitHub.

#![cfg(unix)]

use e2e::fault::{Fault, passing};
use e2e::github::{GitHub, JOB_TOKEN, RUN};
use e2e::mix::each;
use e2e::runs::{cut_off, end_child, events_named, kill, newest, runs, stuck};
use e2e::server::Answer;
use e2e::steps::{Go, Step, order, text, until};
use e2e::{Output, Project};
use serde_json::json;

/// Another run of the workflow.
const NEXT: u64 = RUN + 1;

fn machine(github: &GitHub, text: &str, run: u64) -> Project {
    github.machine(text, run)
}

fn deploy(project: &Project) -> Output {
    project.windlass("run -e staging --format json")
}

/// The names of what is kept, without the prefix that they share.
fn kept(github: &GitHub) -> Vec<String> {
    github.references("refs/windlass/").into_keys().map(|name| name.replace("refs/windlass/", "")).collect()
}

#[test]
fn a_machine_that_never_deployed_knows_what_is_live_and_what_was_done() {
    let github = GitHub::start();
    let text = text("", &[Step::marks("a")]);
    let first = machine(&github, &text, RUN);
    let _ = deploy(&first).exits(0);
    let run = newest(&first);
    assert_eq!(kept(&github), ["journals/shop/staging", "leases/shop/staging"]);
    let second = machine(&github, &text, RUN);
    assert!(second.windlass("history").exits(0).raw_stdout.contains(&run));
    let status = second.windlass("status").exits(0).stdout;
    assert!(status.contains("  live    ") && !status.contains("nothing that is known of"), "{status}");
    assert_eq!(
        std::fs::read(e2e::runs::journal_of(&first, &run)).expect("a journal"),
        std::fs::read(e2e::runs::journal_of(&second, &run)).expect("the same")
    );
    let lease = second.windlass("lease status").exits(0).stdout;
    assert!(lease.contains("free") && lease.contains("it was taken once"), "{lease}");
    let _ = second.windlass("rollback -e staging").exits(0);
    assert_eq!(order(&second), "-a");
    assert!(first.windlass("status").exits(0).stdout.contains("nothing that is known of"), "the first one hears of it");
    github.is_right();
}

#[test]
fn two_machines_do_not_deploy_at_once_and_a_lost_one_is_followed() {
    let github = GitHub::start();
    github.add_run(NEXT, "ada");
    let first = machine(&github, &text("", &[Step::waits("a")]), RUN);
    let second = machine(&github, &text("", &[Step::marks("a")]), NEXT);
    let child = first.start("run -e staging");
    let _go = Go(&first);
    until("its step", || first.has("waiting"));
    let run = newest(&first);
    let held = deploy(&second).exits(21);
    assert!(held.stderr.contains("holds the lease"), "{}", held.stderr);
    assert_eq!(runs(&second), [run.as_str()], "it knows of it");
    // Nobody is dead because it is not here.
    let reaped = second.windlass("reap").exits(0);
    assert!(reaped.stdout.contains("nothing"), "{}", reaped.stdout);
    assert_eq!(github.states(), [["in_progress"]]);
    // The machine is lost: nothing of it says a word any more.
    kill(child);
    github.set_run(RUN, "completed", Some("failure"));
    let result = deploy(&second).exits(0);
    assert!(result.stderr.contains("a run before this one was cut off"), "{}", result.stderr);
    assert_eq!(github.states(), [vec!["in_progress", "error"], vec!["in_progress", "success"]]);
    assert_eq!(events_named(&second, &newest(&second), "lease-taken")[0]["from"], json!(run));
}

#[test]
fn what_the_forge_says_is_over_is_reaped_from_another_machine() {
    let github = GitHub::start();
    github.add_run(NEXT, "ada");
    let text = text("", &[Step::marks("a"), Step::marks("b").run(&stuck("child", "exit 0"))]);
    let first = machine(&github, &text, RUN);
    let run = cut_off(&first, "run -e staging", "child");
    let second = machine(&github, &text, NEXT);
    let reaped = second.windlass("reap").exits(0);
    assert!(reaped.stdout.contains("nothing"), "its job goes on: {}", reaped.stdout);
    assert_eq!(github.states(), [["in_progress"]]);
    github.set_run(RUN, "completed", Some("cancelled"));
    let reaped = second.windlass("reap --format json").exits(0);
    let reaped: serde_json::Value = serde_json::from_str(reaped.raw_stdout.trim()).expect("JSON");
    assert_eq!((&reaped["runs"][0]["run"], &reaped["leases"][0]["run"]), (&json!(run), &json!(run)));
    assert_eq!(github.states(), [["in_progress", "error"]]);
    // And a third one knows, and takes back what was recorded.
    let third = machine(&github, &text, NEXT);
    assert!(third.windlass("reap").exits(0).stdout.contains("nothing"));
    let third = third.file("child", "");
    let _ = third.windlass(&format!("resume {run} --not-done b")).exits(0);
    assert_eq!(events_named(&third, &run, "step-started").len(), 3, "a is not done again");
    assert_eq!(events_named(&third, &run, "run-reaped").len(), 1);
    assert_eq!(github.states()[0].last().map(String::as_str), Some("success"));
}

#[test]
fn what_a_lost_machine_did_in_the_middle_of_a_step_nobody_takes_for_nothing() {
    let github = GitHub::start();
    github.add_run(NEXT, "ada");
    let text = text("", &[Step::marks("a"), Step::marks("b").run(&stuck("child", "exit 0"))]);
    let first = machine(&github, &text, RUN);
    let run = cut_off(&first, "run -e staging", "child");
    github.set_run(RUN, "completed", Some("cancelled"));
    // Its record is on the disk of the machine that is gone.
    assert_eq!(events_named(&first, &run, "record-appended").len(), 2);
    let second = machine(&github, &text, NEXT);
    let output = second.windlass("rollback -e staging --format json").exits(11);
    assert_eq!(output.result()["reason"], "step-unknown");
    assert!(output.stderr.contains("nobody can tell what run `[run]` did from step `b` on"), "{}", output.stderr);
    assert_eq!(order(&second), "");
    let wrong = second.windlass("rollback -e staging --recorded a").exits(2);
    assert!(wrong.stderr.contains("nobody asks what step `a` did"), "{}", wrong.stderr);
    let _ = second.windlass("rollback -e staging --recorded b").exits(0);
    assert_eq!(order(&second), "-a");
}

#[test]
fn what_a_step_records_is_kept_while_it_is_at_work_and_is_not_taken_for_all() {
    let github = GitHub::start();
    github.add_run(NEXT, "ada");
    let text = text("", &[Step::marks("a").run(&stuck("child", "exit 0"))]);
    let first = machine(&github, &text, RUN);
    let child = first.start("run -e staging");
    let is_recorded = |text: &Vec<u8>| String::from_utf8_lossy(text).contains("\"record-appended\"");
    until("its record", || github.files("refs/windlass/journals/shop/staging").values().any(is_recorded));
    kill(child);
    end_child(&first, "child");
    github.set_run(RUN, "completed", Some("cancelled"));
    let second = machine(&github, &text, NEXT);
    for words in ["rollback -e staging", "rollback -e staging --dry-run"] {
        let output = second.windlass(words).exits(11);
        assert!(output.stderr.contains("one record of it is known, and there may be more"), "{}", output.stderr);
    }
    let _ = second.windlass("rollback -e staging --recorded a").exits(0);
    assert_eq!(order(&second), "-a");
}

#[test]
fn a_step_that_the_forge_did_not_hear_of_is_not_taken_for_one_that_was_never_begun() {
    let github = GitHub::start();
    github.add_run(NEXT, "ada");
    let text = text("", &[Step::waits("a"), Step::marks("b").run(&stuck("child", "exit 0"))]);
    let first = machine(&github, &text, RUN);
    let run = first.start("run -e staging");
    let go = Go(&first);
    until("its step", || first.has("waiting"));
    let refuse = |request: &e2e::server::Request| {
        let is_journal = request.method == "POST" && request.path.ends_with("/git/trees");
        let answer = Answer::new(422, "{\"message\":\"no\"}").header("content-type", "application/json");
        is_journal.then_some(Fault::Instead(answer))
    };
    github.draw(Some(Box::new(refuse)));
    drop(go);
    until("the next step", || first.has("child"));
    kill(run);
    end_child(&first, "child");
    github.draw(None);
    github.set_run(RUN, "completed", Some("cancelled"));
    let second = machine(&github, &text, NEXT);
    let output = second.windlass("rollback -e staging").exits(11);
    assert!(output.stderr.contains("from step `a` on"), "{}", output.stderr);
    // The machine that ran it knows all of it.
    let _ = first.windlass("rollback -e staging").exits(0);
    assert_eq!(order(&first), "a -b -a");
}

#[test]
fn what_came_to_its_own_end_is_taken_back_from_anywhere() {
    let github = GitHub::start();
    let text = text("", &[Step::marks("a"), Step::fails("b").key("on_failure = \"stop\"")]);
    let first = machine(&github, &text, RUN);
    let _ = deploy(&first);
    let second = machine(&github, &text, RUN);
    let _ = second.windlass("rollback -e staging").exits(0);
    assert_eq!(order(&second), "-b -a");
}

#[test]
fn an_approval_that_stands_only_in_a_journal_from_elsewhere_is_asked_for_again() {
    let github = GitHub::start();
    github.add_run(NEXT, "ada");
    let environments = "[environments.staging]\ndeployment = \"own\"\napproval = { required = 1 }\n";
    let steps = [Step::marks("a").run(&stuck("child", "exit 0"))];
    let text = e2e::steps::text_with("", environments, &steps);
    let first = machine(&github, &text, RUN);
    github.protect("staging", &[e2e::github::REVIEWER], false);
    let _ = first.windlass("plan -e staging -o plan.json").exits(0);
    let _ = github.wait_for(RUN, "staging");
    github.decide(RUN, "staging", e2e::github::REVIEWER, "approved", "");
    let run = cut_off(&first, "run -e staging --plan plan.json", "child");
    assert_eq!(events_named(&first, &run, "run-approved").len(), 1);
    github.set_run(RUN, "completed", Some("cancelled"));
    let second = machine(&github, &text, NEXT);
    let output = second.windlass(&format!("resume {run} --not-done a")).exits(21);
    assert!(output.stderr.contains("stands only in a journal that came from another machine"), "{}", output.stderr);
}

#[test]
fn the_next_step_of_the_same_job_need_not_wait_for_the_jobs_end() {
    let github = GitHub::start();
    let project = machine(&github, &text("", &[Step::marks("a").run(&stuck("child", "echo a >> order"))]), RUN);
    let run = cut_off(&project, "run -e staging", "child");
    let output = deploy(&project).exits(0);
    assert_eq!(events_named(&project, &newest(&project), "lease-taken")[0]["from"], json!(run), "{}", output.stderr);
}

#[test]
fn a_token_that_may_not_write_is_said_once_and_changes_nothing() {
    let github = GitHub::start();
    github.permit(JOB_TOKEN, &[("actions", "read"), ("contents", "read"), ("deployments", "write")]);
    let project = machine(&github, &text("", &[Step::marks("a")]), RUN);
    let output = deploy(&project).exits(0);
    let warnings: Vec<&str> = output.stderr.lines().filter(|line| line.contains("warning")).collect();
    assert_eq!(
        warnings,
        [
            "warning: GitHub refused to keep a lease in `acme/shop` (403 Forbidden): Resource not accessible by integration; the \
             run's lease and its journal are on this machine only; give the job `permissions: contents: write`, or write `store = \
             \"local\"`"
        ]
    );
    assert_eq!(github.states(), [["in_progress", "success"]]);
    assert!(kept(&github).is_empty());
}

#[test]
fn what_is_kept_on_this_machine_alone_asks_the_forge_for_nothing() {
    let github = GitHub::start();
    let project = machine(&github, &text("store = \"local\"\n", &[Step::marks("a")]), RUN);
    let _ = deploy(&project).exits(0);
    let requests = github.requests();
    assert!(requests.len() < 12 && requests.iter().all(|line| !line.contains("/git/")), "{requests:?}");
    assert!(kept(&github).is_empty());
}

#[test]
fn what_was_not_answered_is_written_once() {
    for request in
        ["POST /git/refs", "POST /git/trees", "POST /git/commits", "PATCH /git/refs/windlass/leases/shop/staging"]
    {
        let lost = [Answer::new(502, "<html>Bad Gateway</html>"), Answer::reset()];
        for fault in lost.into_iter().flat_map(|answer| [Fault::After(answer.clone()), Fault::Instead(answer)]) {
            let github = GitHub::start();
            github.fail(request, fault.clone());
            let project = machine(&github, &text("", &[Step::marks("a")]), RUN);
            let output = deploy(&project).exits(0);
            assert_eq!(github.states(), [["in_progress", "success"]], "{request} {fault:?}");
            let lease = project.windlass("lease status").exits(0).stdout;
            assert!(lease.contains("free") && lease.contains("it was taken once"), "{request} {fault:?} {lease}");
            assert!(!output.stderr.contains("warning"), "{}", output.stderr);
        }
    }
}

#[test]
fn what_is_kept_is_bounded() {
    let github = GitHub::start();
    let text = text("keep_runs = 2\n", &[Step::marks("a")]);
    for _ in 0..4 {
        let _ = deploy(&machine(&github, &text, RUN)).exits(0);
    }
    let fresh = machine(&github, &text, RUN);
    let _ = fresh.windlass("history --count 10").exits(0);
    assert_eq!(runs(&fresh).len(), 2, "the newest two are those that may be needed");
}

#[test]
fn a_lease_is_released_by_force_from_anywhere_and_the_run_finds_out() {
    let github = GitHub::start();
    github.add_run(NEXT, "ada");
    let first = machine(&github, &text("", &[Step::waits("a"), Step::marks("b")]), RUN);
    let child = first.start("run -e staging");
    let go = Go(&first);
    until("its step", || first.has("waiting"));
    let second = machine(&github, &text("", &[Step::marks("a")]), NEXT);
    let refused = second.windlass("lease release -e staging").exits(21);
    assert!(refused.stderr.contains("is held"), "{}", refused.stderr);
    let _ = second.windlass("lease release -e staging --force").exits(0);
    let output = deploy(&second).exits(0);
    assert!(output.stderr.contains("goes on beside this one, in a job on another machine"), "{}", output.stderr);
    drop(go);
    let ended = first.finish(child).exits(11);
    assert!(ended.stderr.contains("released it by force"), "{}", ended.all());
    assert_eq!(order(&first), "a", "what it was at went on to its end");
}

#[test]
fn what_a_token_may_not_is_said_by_check_beforehand_and_nothing_is_written() {
    let github = GitHub::start();
    let project = machine(&github, &text("", &[Step::marks("a")]), RUN);
    let output = project.windlass("check").exits(0);
    assert!(output.stderr.contains("github: leases and journals can be kept there"), "{}", output.stderr);
    github.permit(JOB_TOKEN, &[("contents", "read"), ("deployments", "write")]);
    let output = project.windlass("check").exits(0);
    assert!(output.stderr.contains("give the job `permissions: contents: write`"), "{}", output.stderr);
    assert!(kept(&github).is_empty());
    github.is_right();
}

#[test]
fn many_machines_at_once_deploy_one_after_the_other() {
    let github = GitHub::start();
    let shared = tempfile::tempdir().expect("a directory");
    // Two at once would find the directory there.
    let alone = format!("mkdir {0}/at && sleep 0.2 && rmdir {0}/at && echo x >> {0}/done", shared.path().display());
    let environments = "[environments.staging]\nlease = { wait = \"90s\" }\n";
    let text = e2e::steps::text_with("", environments, &[Step::marks("a").run(&alone)]);
    let machines: Vec<Project> = (1..=3)
        .map(|number| {
            github.add_run(RUN + number, "ada");
            machine(&github, &text, RUN + number)
        })
        .collect();
    let children: Vec<_> = machines.iter().map(|machine| machine.start("run -e staging")).collect();
    for (machine, child) in machines.iter().zip(children) {
        let _ = machine.finish(child).exits(0);
    }
    let mut numbers: Vec<u64> = machines
        .iter()
        .map(|machine| {
            let taken = events_named(machine, &own(machine), "lease-taken");
            taken[0]["number"].as_u64().expect("a number")
        })
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 2, 3]);
    assert_eq!(std::fs::read_to_string(shared.path().join("done")).expect("what was done"), "x\nx\nx\n");
    let third = machine(&github, &text, RUN);
    let _ = third.windlass("history").exits(0);
    assert_eq!(runs(&third).len(), 3, "no journal was lost to another one's");
}

/// The run that was begun here: what another machine wrote has no writer.
fn own(machine: &Project) -> String {
    let is_own = |run: &String| machine.has(&format!(".windlass/runs/{run}/writer"));
    runs(machine).into_iter().find(is_own).expect("a run of its own")
}

#[test]
fn a_journal_that_cannot_be_kept_is_said_once_and_sent_with_the_next() {
    let github = GitHub::start();
    let project = machine(&github, &text("", &[Step::marks("a"), Step::marks("b")]), RUN);
    let _ = deploy(&project).exits(0);
    let refuse = |request: &e2e::server::Request| {
        let is_journal = request.method == "POST" && request.path.ends_with("/git/trees");
        let answer = Answer::new(422, "{\"message\":\"no\"}").header("content-type", "application/json");
        is_journal.then_some(Fault::Instead(answer))
    };
    github.draw(Some(Box::new(refuse)));
    let output = deploy(&project).exits(0);
    let warnings: Vec<&str> = output.stderr.lines().filter(|line| line.contains("warning")).collect();
    assert!(warnings.len() == 1 && warnings[0].contains("the journal is on this machine only"), "{warnings:?}");
    assert_eq!(github.states().last().map(|states| states.join(" ")).as_deref(), Some("in_progress success"));
    github.draw(None);
    let _ = deploy(&project).exits(0);
    let second = machine(&github, &text("", &[Step::marks("a"), Step::marks("b")]), RUN);
    let _ = second.windlass("history").exits(0);
    assert_eq!(runs(&second), runs(&project));
}

#[test]
fn what_it_costs_to_keep_things_is_bounded() {
    let github = GitHub::start();
    let project = machine(&github, &text("", &[Step::marks("a")]), RUN);
    let _ = deploy(&project).exits(0);
    let before = github.requests().len();
    let _ = deploy(&machine(&github, &text("", &[Step::marks("a")]), RUN)).exits(0);
    let requests = github.requests().split_off(before);
    let of = |part: &str| requests.iter().filter(|line| line.contains(part)).count();
    // Three each time that it is sent: as it begins, before the step, at its end; and what there was is read.
    assert_eq!(of("/git/") + of("/actions/"), 24, "{requests:#?}");
    assert!(requests.len() - of("/git/") - of("/actions/") < 12, "{requests:#?}");
}

#[test]
fn who_may_not_ask_whether_the_owner_lives_does_not_go_on_beside_it() {
    let github = GitHub::start();
    github.add_run(NEXT, "ada");
    let first = machine(&github, &text("", &[Step::waits("a")]), RUN);
    let child = first.start("run -e staging");
    let go = Go(&first);
    until("its step", || first.has("waiting"));
    github.permit(JOB_TOKEN, &[("contents", "write"), ("deployments", "write")]);
    let second = machine(&github, &text("", &[Step::marks("a")]), NEXT);
    let output = deploy(&second).exits(21);
    assert!(output.stderr.contains("give the job `permissions: actions: read`"), "{}", output.stderr);
    assert_eq!(order(&second), "");
    drop(go);
    let _ = first.finish(child).exits(0);
}

#[test]
fn what_passes_at_any_request_leaves_one_lease_one_journal_and_one_deployment() {
    let text = text("", &[Step::marks("a")]);
    let github = GitHub::start();
    let _ = deploy(&machine(&github, &text, RUN)).exits(0);
    let requests = u64::try_from(github.requests().len()).expect("a number");
    let kinds = u64::try_from(passing().len()).expect("a number");
    let wrong = each(requests * 3, 10, |number| {
        // Each request meets three kinds, and each kind many requests.
        let (at, kind) = (number % requests, (number * 5 + number / requests) % kinds);
        let (name, fault) = passing().swap_remove(usize::try_from(kind).expect("small"));
        let github = GitHub::start();
        let mut asked = 0;
        github.draw(Some(Box::new(move |_| {
            asked += 1;
            (asked == at + 1).then(|| fault.clone())
        })));
        let project = machine(&github, &text, RUN);
        let output = deploy(&project);
        github.draw(None);
        let run = newest(&project);
        let lease = project.windlass("lease status").stdout;
        let other = machine(&github, &text, RUN);
        let _ = other.windlass("history");
        let read = |project: &Project| std::fs::read(e2e::runs::journal_of(project, &run)).ok();
        let is_right = output.code == Some(0)
            && !output.stderr.contains("warning")
            && github.states() == [["in_progress", "success"]]
            && lease.contains("free")
            && lease.contains("it was taken once")
            && read(&project) == read(&other);
        if is_right { Ok(()) } else { Err(format!("{at} {name}: {lease} {}", output.all())) }
    });
    assert!(wrong.is_empty(), "{} of {} went wrong:\n{}", wrong.len(), requests * 3, wrong.join("\n\n"));
}

#[test]
fn a_job_that_nobody_can_ask_about_holds_its_lease_by_renewing_it() {
    let github = GitHub::start();
    github.permit(JOB_TOKEN, &[("contents", "write"), ("deployments", "write")]);
    let environments = "[environments.staging]\nlease = { duration = \"2s\" }\n";
    let text = |step| e2e::steps::text_with("", environments, &[step]);
    let first = machine(&github, &text(Step::waits("a")), RUN);
    let child = first.start("run -e staging");
    let go = Go(&first);
    let renewals = || {
        let is_renewal = |line: &&String| line.starts_with("PATCH") && line.ends_with("leases/shop/staging");
        github.requests().iter().filter(is_renewal).count()
    };
    until("four renewals, longer than it lasts", || renewals() >= 4);
    let second = machine(&github, &text(Step::marks("a")), NEXT);
    let held = deploy(&second).exits(21);
    assert!(held.stderr.contains("holds the lease"), "{}", held.stderr);
    kill(child);
    drop(go);
    // Nobody says that its job is over, and still it is over in the end.
    until("its expiry", || deploy(&second).code == Some(0));
    assert_eq!(github.states().last().map(|states| states.join(" ")).as_deref(), Some("in_progress success"));
}
