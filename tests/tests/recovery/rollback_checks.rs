//! After taking back: the checks of the release that is live again are made once more, as they were made then.

use super::*;
use e2e::server::{Answer, Server};
use serde_json::json;

/// A check that leaves its version and fails while there is a file `broken`.
fn check() -> Step {
    Step::of("live", "echo live-${deployment.version} >> order; test ! -e broken").with("effect = \"checks\"")
}

#[test]
fn what_is_live_again_is_checked_as_it_was_then() {
    let project = project(&[versioned("a"), check(), Step::finally("z")]);
    release(&project, "1");
    let second = release(&project, "2");
    let output = project.windlass("rollback").exits(0);
    assert_eq!(order(&project), "a-1 live-1 z a-2 live-2 z -a-2 live-1 z");
    let passed = &events_named(&project, &second, "check-passed")[0];
    assert_eq!(passed["step"], "live");
    assert!(output.stderr.contains("what shop 2 did in staging is taken back"), "{}", output.stderr);
}

#[test]
fn a_smoke_test_asks_for_the_version_that_is_live_again() {
    let server = Server::start(|_| Answer::new(200, "well"));
    let url = server.url("/${deployment.version}/health");
    let smoke = format!(
        "\n[[step]]\nid = \"healthy\"\nplugin = \"smoke-test\"\n[[step.with.checks]]\nurl = \"{url}\"\nwithin = \"0s\"\n"
    );
    let project = Project::with(&format!("{}{smoke}", text("", &[versioned("a")]))).locked();
    for version in ["1", "2"] {
        release(&project, version);
    }
    let _ = project.windlass("rollback").exits(0);
    let asked: Vec<String> = server.received().into_iter().map(|request| request.path).collect();
    assert_eq!(asked, ["/1/health", "/2/health", "/1/health"]);
}

#[test]
fn a_release_that_does_not_work_any_more_is_a_persons_business() {
    let project = project(&[versioned("a"), check()]);
    release(&project, "1");
    let second = release(&project, "2");
    project.write("broken", "");
    let output = project.windlass("rollback --format json").exits(11);
    let result = output.result();
    assert_eq!((&result["outcome"], &result["reason"]), (&json!("rollback-failed"), &json!("rollback-unproven")));
    assert_eq!(outcomes(&output), "a reverted, live succeeded", "what was done is taken back all the same");
    assert!(output.stderr.contains("it is not proven that what is live again works"), "{}", output.stderr);
    assert_eq!(events_named(&project, &second, "check-failed").len(), 1);
    assert_eq!(
        status(&project)["next"],
        "a person has to look: it is not proven that what is live again works; `windlass rollback -e staging` makes its checks again"
    );
    assert_eq!(live(&project).as_deref(), Some("1"));
}

#[test]
fn a_run_that_takes_itself_back_checks_too_and_its_own_failure_stays_the_problem() {
    let project = project(&[versioned("a"), check(), Step::marks("c").run("test ! -e fail")]);
    release(&project, "1");
    project.write("fail", "");
    let output = project.windlass("run --release-version 2 --format json").exits(10);
    assert_eq!(order(&project), "a-1 live-1 a-2 live-2 -c -a-2 live-1");
    assert_eq!(output.result()["reason"], "step-failed");
    // The next one leaves something behind that it does not take back, and the check finds it.
    let project = Project::with(
        &project.read("deploy.toml").replace("test ! -e fail\"", "test ! -e fail || { touch broken; exit 3; }\""),
    )
    .locked();
    release(&project, "1");
    project.write("fail", "");
    let output = project.windlass("run --release-version 2 --format json").exits(11);
    let result = output.result();
    assert_eq!((&result["outcome"], &result["reason"]), (&json!("rollback-failed"), &json!("rollback-unproven")));
    let history = project.windlass("history --format json").exits(0).result();
    let problem = history[0]["problem"].as_str().expect("a problem").to_owned();
    assert!(problem.contains("touch broken; exit 3"), "{problem}");
}

#[test]
fn where_nothing_was_taken_back_nothing_is_checked() {
    let looks = Step::of("look", "test ! -e fail").with("effect = \"reads\"");
    let project = project(&[looks, versioned("a"), check()]);
    release(&project, "1");
    project.write("fail", "");
    let _ = project.windlass("run --release-version 2").exits(13);
    assert_eq!(order(&project), "a-1 live-1");
}

#[test]
fn where_there_is_no_release_before_there_is_nothing_to_check() {
    let project = project(&[versioned("a"), check()]);
    release(&project, "1");
    let _ = project.windlass("rollback").exits(0);
    assert_eq!(order(&project), "a-1 live-1 -a-1");
}

#[test]
fn a_check_that_is_gone_is_said_not_to_be_made() {
    let project = project(&[versioned("a"), check()]);
    release(&project, "1");
    project.write("deploy.toml", &text("", &[versioned("a")]));
    let _ = project.windlass("lock").exits(0);
    release(&project, "2");
    let output = project.windlass("rollback").exits(0);
    assert!(
        output.stderr.contains("check `live` of run `[run]` is not made again: there is no such step any more"),
        "{}",
        output.stderr
    );
}

#[test]
fn a_check_that_is_there_again_is_made() {
    let project = project(&[versioned("a"), check()]);
    release(&project, "1");
    let with = project.read("deploy.toml");
    project.write("deploy.toml", &text("", &[versioned("a")]));
    let _ = project.windlass("lock").exits(0);
    release(&project, "2");
    project.write("deploy.toml", &with);
    let _ = project.windlass("lock").exits(0);
    let _ = project.windlass("rollback").exits(0);
    assert_eq!(order(&project), "a-1 live-1 a-2 -a-2 live-1");
}

#[test]
fn where_a_run_had_no_plan_yet_what_is_live_is_checked_all_the_same() {
    let project = project(&[versioned("a"), check()]);
    release(&project, "1");
    let second = release(&project, "2");
    cut_before(&project, &second, "run-planned");
    project.write("order", "");
    let _ = project.windlass("rollback").exits(0);
    assert_eq!(order(&project), "live-1");
}

#[test]
fn a_check_that_is_no_longer_accepted_as_it_was_proves_nothing() {
    let servers = [(); 2].map(|()| Server::start(|_| Answer::new(200, "well")));
    let with = |server: &Server| {
        let smoke = "\n[[step]]\nid = \"healthy\"\nplugin = \"smoke-test\"\n[[step.with.checks]]\nwithin = \"0s\"\n";
        format!("{}{smoke}url = \"{}\"\n", text("", &[versioned("a")]), server.url("/health"))
    };
    let project = Project::with(&with(&servers[0])).locked();
    let first = release(&project, "1");
    project.write("deploy.toml", &with(&servers[1]));
    let _ = project.windlass("lock").exits(0);
    let second = release(&project, "2");
    let output = project.windlass("rollback --format json").exits(11);
    assert_eq!(output.result()["reason"], "rollback-unproven");
    assert_eq!(outcomes(&output), "a reverted, healthy succeeded", "what was done is taken back all the same");
    let failed = &events_named(&project, &second, "check-failed")[0];
    assert_eq!(failed["trouble"]["code"], "rollback-unproven");
    assert_eq!(failed["trouble"]["what"], format!("check `healthy` of run `{first}` cannot be made again"));
    assert!(output.stderr.contains("what `deploy.lock` does not accept"), "{}", output.stderr);
    assert_eq!(servers.map(|server| server.received().len()), [1, 1], "asked by its own release only");
}

#[test]
fn checks_that_were_cut_off_are_made_before_anything_older_is_taken_back() {
    let check = Step::of("live", &format!("echo live-${{deployment.version}} >> order; {}", stuck("child", "exit 0")));
    for closed in [false, true] {
        for again in ["rollback", "resume"] {
            let project = project(&[versioned("a"), check.clone().with("effect = \"checks\"")]);
            project.write("child", "");
            for version in ["0", "1", "2"] {
                release(&project, version);
            }
            std::fs::remove_file(project.path().join("child")).expect("it is there");
            let done = order(&project);
            let run = cut_off(&project, "rollback", "child");
            assert_eq!(order(&project), format!("{done} -a-2 live-1"));
            if closed {
                let _ = project.windlass("reap").exits(0);
            }
            let next = status(&project)["next"].as_str().unwrap_or_default().to_owned();
            assert_eq!(next, format!("`windlass resume {run}` goes on taking it back"));
            let words = if again == "resume" { format!("resume {run}") } else { again.to_owned() };
            let output = project.windlass(&format!("{words} --format json")).exits(0);
            assert_eq!(output.result()["outcome"], "rolled-back");
            assert_eq!(order(&project), format!("{done} -a-2 live-1 live-1"));
            assert_eq!(live(&project).as_deref(), Some("1"));
        }
    }
}

/// A step that is killed with its host where the version is not the first.
fn cut_off_but_first() -> Step {
    Step::of("cut", "test ${deployment.version} = 1 || kill -9 $PPID").with("effect = \"reads\"")
}

#[test]
fn what_is_live_again_is_checked_once_nothing_lies_above_it() {
    let kill_once = "test ${deployment.version} != 3 -o -e killed || { touch killed; kill -9 $PPID; }";
    let first = versioned("a").reverted_by(&format!("echo -a-${{deployment.version}} >> order; {kill_once}"));
    let project = project(&[first, check(), cut_off_but_first()]);
    release(&project, "1");
    for words in ["run --release-version 2", "run --release-version 3", "rollback"] {
        assert_eq!(project.windlass(words).code, None);
    }
    let third = newest(&project);
    let _ = project.windlass(&format!("resume {third} --commit {}", e2e::COMMIT)).exits(0);
    assert!(events_named(&project, &third, "check-started").is_empty(), "{}", order(&project));
    assert!(status(&project)["next"].as_str().is_some_and(|next| next.contains("windlass rollback")));
    let _ = project.windlass("rollback").exits(0);
    assert!(order(&project).ends_with("-a-2 live-1"), "{}", order(&project));
    assert_eq!(status(&project)["open"], json!(null));
}

#[test]
fn what_did_not_pass_its_checks_is_settled_with_what_lay_beneath() {
    let project = project(&[versioned("a"), check(), cut_off_but_first()]);
    release(&project, "1");
    assert_eq!(project.windlass("run --release-version 2").code, None);
    project.write("broken", "");
    let output = project.windlass("run --release-version 3 --format json").exits(11);
    assert_eq!(output.result()["reason"], "rollback-unproven");
    std::fs::remove_file(project.path().join("broken")).expect("removed");
    let _ = project.windlass("rollback").exits(0);
    assert!(order(&project).ends_with("-a-2 live-1"), "{}", order(&project));
    assert_eq!(status(&project)["open"], json!(null));
}
