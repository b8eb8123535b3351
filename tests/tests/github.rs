//! What GitHub shows of a run: the real binary in a job of a GitHub on loopback that refuses what the real one refuses.

#![cfg(unix)]

use e2e::fault::Fault;
use e2e::github::{GitHub, JOB, JOB_TOKEN, RUN};
use e2e::runs::{cut_before, cut_off, events_named, kill, newest, signal, stuck};
use e2e::server::Answer;
use e2e::steps::{Step, order, text, text_with, until};
use e2e::{Output, Project};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// A project in a job here.
fn project_in(github: &GitHub, steps: &[Step]) -> Project {
    with(github, &text("", steps))
}

fn with(github: &GitHub, text: &str) -> Project {
    // What is kept there besides is `github_kept`'s.
    let text = text.replacen("app = \"shop\"\n", "app = \"shop\"\nstore = \"local\"\n", 1);
    let variables = github.variables();
    variables.iter().fold(Project::with(&text), |project, (name, value)| project.variable(name, value)).locked()
}

/// Deploys to staging.
fn deploy(project: &Project) -> Output {
    project.windlass("run -e staging --format json")
}

/// The newest status of the newest deployment.
fn newest_status(github: &GitHub) -> Value {
    let id = github.deployments().last().and_then(|it| it["id"].as_u64()).expect("a deployment");
    github.statuses(id).pop().expect("a status")
}

#[test]
fn that_it_was_made_in_a_freeze_is_shown_where_there_is_room() {
    let frozen = "[environments.staging]\nfreeze = [{ from = \"1-59 * * * *\", until = \"0 0 29 2 *\" }]\n";
    let long = "x".repeat(140);
    for (reason, shown) in [("outage", "deployed; in a freeze: outage"), (long.as_str(), "deployed")] {
        let github = GitHub::start();
        let project = with(&github, &text_with("", frozen, &[Step::marks("a")]));
        let _ = project.windlass(&format!("run --during-freeze {reason}")).exits(0);
        assert_eq!(newest_status(&github)["description"], json!(shown));
    }
}

#[test]
fn a_deployment_is_made_and_succeeds() {
    for github in [GitHub::start(), GitHub::enterprise()] {
        let text =
            text_with("", "[environments.staging]\nurl = \"https://staging.shop.example\"\n", &[Step::marks("a")]);
        let project = with(&github, &text);
        let result = deploy(&project).exits(0).result();
        assert_eq!(github.states(), [["in_progress", "success"]]);
        let made = &github.deployments()[0];
        assert_eq!((&made["sha"], &made["environment"]), (&json!(e2e::COMMIT), &json!("staging")));
        assert_eq!(
            (&made["payload"]["run"], &made["payload"]["plan"], &made["payload"]["key"]),
            (&result["run"], &result["plan"], &json!(format!("{RUN}/1/deploy")))
        );
        let status = newest_status(&github);
        assert_eq!(status["log_url"], json!(format!("https://github.com/acme/shop/actions/runs/{RUN}")));
        assert_eq!(status["environment_url"], json!("https://staging.shop.example"));
        assert_eq!(result["deployment"]["id"], json!(made["id"].to_string()));
    }
}

#[test]
fn what_failed_is_shown_as_failed_and_says_why() {
    let github = GitHub::start();
    let project = project_in(&github, &[Step::marks("a"), Step::fails("b")]);
    let _ = deploy(&project).exits(10);
    assert_eq!(github.states(), [["in_progress", "failure"]]);
    let text = newest_status(&github)["description"].as_str().unwrap_or_default().to_owned();
    assert!(text.starts_with("rolled back: ") && text.contains("ended with exit code 3"), "{text}");
}

#[test]
fn the_jobs_own_deployment_is_adopted_and_left_to_it() {
    let github = GitHub::start();
    let _ = github.add_of_job("staging", RUN - 1, JOB - 1, "in_progress");
    let ours = github.add_of_job("staging", RUN, JOB, "in_progress");
    let text = text_with("", "[environments.staging]\ndeployment = \"adopt\"\n", &[Step::marks("a")]);
    let project = with(&github, &text);
    let result = deploy(&project).exits(0).result();
    assert_eq!(result["deployment"]["id"], json!(ours.to_string()));
    assert_eq!(github.states(), [["waiting", "in_progress"], ["waiting", "in_progress"]]);
    assert!(github.requests().iter().all(|line| line.starts_with("GET ")), "{:?}", github.requests());
    let created = &events_named(&project, &newest(&project), "deployment-created")[0];
    assert_eq!(created["adopted"], json!(true));
}

#[test]
fn two_deployments_beside_each_other_are_refused_and_so_is_none() {
    let github = GitHub::start();
    let text = text_with("", "[environments.staging]\ndeployment = \"adopt\"\n", &[Step::marks("a")]);
    let output = deploy(&with(&github, &text)).exits(21);
    assert!(output.stderr.contains("the job has made no deployment to `staging`"), "{}", output.stderr);
    let _ = github.add_of_job("staging", RUN, JOB, "in_progress");
    let project = project_in(&github, &[Step::marks("a")]);
    let output = deploy(&project).exits(21);
    assert!(output.stderr.contains("both the job and Windlass would deploy to `staging`"), "{}", output.stderr);
    assert_eq!((github.states().len(), order(&project).as_str()), (1, ""));
}

#[test]
fn what_was_not_answered_is_looked_for_before_it_is_sent_again() {
    let lost = || {
        let half = Answer::new(201, "{\"id\": 1}").half();
        [Answer::new(502, "<html>Bad Gateway</html>"), Answer::none(), Answer::reset(), half]
    };
    let after = lost().map(|answer| (Fault::After(answer), 1));
    for (fault, posts) in after.into_iter().chain(lost().map(|answer| (Fault::Instead(answer), 2))) {
        let github = GitHub::start();
        let _ = github.add(&json!({ "ref": "main", "environment": "staging", "payload": "somebody's" }));
        github.fail("POST /deployments", fault.clone());
        let project = project_in(&github, &[Step::marks("a")]);
        let _ = deploy(&project).exits(0);
        assert_eq!(github.states(), [vec![], vec!["in_progress", "success"]], "{fault:?}");
        let sent = github.requests().iter().filter(|line| *line == "POST /deployments").count();
        assert_eq!(sent, posts, "{fault:?}");
    }
}

#[test]
fn a_status_is_set_again_until_it_is_set_and_then_no_more() {
    let github = GitHub::start();
    github.fail("POST /statuses", Fault::After(Answer::new(502, "")));
    github.fail("POST /statuses", Fault::Instead(Answer::new(503, "")));
    let limit =
        Answer::new(403, "{\"message\":\"You have exceeded a secondary rate limit.\"}").header("retry-after", "1");
    github.fail("POST /statuses", Fault::Instead(limit));
    github.fail("POST /statuses", Fault::After(Answer::reset()));
    let project = project_in(&github, &[Step::marks("a")]);
    let _ = deploy(&project).exits(0);
    assert_eq!(github.states(), [["in_progress", "success"]]);
}

#[test]
fn a_token_that_expires_leaves_the_deployment_what_it_is() {
    let github = GitHub::start();
    let project = project_in(&github, &[Step::waits("a")]);
    let run = project.start("run -e staging --format json");
    until("the step", || project.has("waiting"));
    github.expire(JOB_TOKEN);
    project.write("go", "");
    let output = project.finish(run).exits(14);
    assert_eq!(
        (&output.result()["outcome"], &output.result()["reason"]),
        (&json!("succeeded"), &json!("forge-unreported"))
    );
    assert!(output.stderr.contains("401 Unauthorized") && output.stderr.contains("GITHUB_TOKEN"), "{}", output.stderr);
    github.expire(JOB_TOKEN);
    let _ = project.windlass("reap").exits(0);
    assert_eq!(github.states(), [["in_progress", "success"]]);
    let told = github.requests().len();
    let _ = project.windlass("reap").exits(0);
    assert_eq!(github.requests().len(), told, "it knows");
}

#[test]
fn a_permission_that_is_missing_is_named_and_nothing_is_run() {
    let github = GitHub::start();
    github.permit(JOB_TOKEN, &[("deployments", "read"), ("contents", "read")]);
    let project = project_in(&github, &[Step::marks("a")]);
    let output = deploy(&project).exits(21);
    assert!(
        output.stderr.contains("GitHub refused to create a deployment of `acme/shop` to `staging` (403 Forbidden)")
            && output.stderr.contains("Resource not accessible by integration")
            && output.stderr.contains("`permissions: deployments: write`"),
        "{}",
        output.stderr
    );
    assert_eq!((github.states().len(), order(&project).as_str()), (0, ""));
}

#[test]
fn a_permission_that_is_lost_on_the_way_changes_nothing_but_the_exit() {
    for (step, code) in [
        (Step::waits("a"), 14),
        (Step::waits("a").run("touch waiting; while test ! -e go; do sleep 0.01; done; exit 3"), 10),
    ] {
        let github = GitHub::start();
        let project = project_in(&github, &[step]);
        let run = project.start("run -e staging --format json");
        until("the step", || project.has("waiting"));
        github.permit(JOB_TOKEN, &[("deployments", "read")]);
        project.write("go", "");
        let output = project.finish(run).exits(code);
        assert!(output.stderr.contains("deployments: write"), "{}", output.stderr);
    }
}

#[test]
fn a_limit_that_is_reached_is_waited_for_where_that_is_soon() {
    let github = GitHub::start();
    github.limit(JOB_TOKEN, 2, 1);
    let _ = deploy(&project_in(&github, &[Step::marks("a")])).exits(0);
    assert_eq!(github.states(), [["in_progress", "success"]]);

    let github = GitHub::start();
    github.limit(JOB_TOKEN, 0, 3000);
    let output = deploy(&project_in(&github, &[Step::marks("a")])).exits(21);
    assert!(output.stderr.contains("which is longer than Windlass waits"), "{}", output.stderr);
    assert_eq!(github.states().len(), 0);
}

#[test]
fn a_commit_that_was_not_pushed_is_not_deployed() {
    let github = GitHub::start();
    github.forget(e2e::COMMIT);
    let output = deploy(&project_in(&github, &[Step::marks("a")])).exits(21);
    assert!(
        output.stderr.contains("No ref found for") && output.stderr.contains("push the commit"),
        "{}",
        output.stderr
    );
}

#[test]
fn a_cancellation_is_shown_within_two_seconds() {
    // A child that does not listen, and then something to take back that takes its time.
    let slow = Step::marks("a").reverted_by("sleep 3; echo -a >> order");
    let deaf = Step::marks("b").run("trap '' TERM; touch waiting; while true; do sleep 0.05; done");
    let github = GitHub::start();
    let project = with(&github, &text("on_cancel = \"rollback\"", &[slow, deaf]));
    let run = project.start("run -e staging --format json");
    until("the step", || project.has("waiting"));
    let begun = Instant::now();
    signal("TERM", run.id());
    until("that it is shown", || newest_status(&github)["state"] == "error");
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    let text = newest_status(&github)["description"].to_string();
    assert!(text.contains("cancelled"), "{text}");
    let _ = project.finish(run).exits(12);
    assert_eq!(newest_status(&github)["state"], "error");
    assert_eq!(github.states().len(), 1);
}

#[test]
fn a_deployment_that_was_made_just_before_a_kill_is_found_again() {
    for close in [false, true] {
        let github = GitHub::start();
        let project =
            project_in(&github, &[Step::marks("a").run(&stuck("child", "echo a >> order")).unless("grep -qx a order")]);
        let run = cut_off(&project, "run -e staging", "child");
        // As if the process had ended between the answer and the journal.
        cut_before(&project, &run, "deployment-created");
        if close {
            let _ = project.windlass("reap").exits(0);
            assert_eq!(github.states(), [["in_progress", "error"]]);
        }
        let _ = project.windlass(&format!("resume {run}")).exits(0);
        assert_eq!(github.states().len(), 1);
        assert_eq!(newest_status(&github)["state"], "success");
    }
}

#[test]
fn a_run_that_is_killed_is_closed_by_whoever_comes_next() {
    let github = GitHub::start();
    let project = project_in(&github, &[Step::waits("a")]);
    let run = project.start("run -e staging");
    until("the step", || project.has("waiting"));
    kill(run);
    project.write("go", "");
    let _ = deploy(&project).exits(0);
    assert_eq!(github.states(), [["in_progress", "error"], ["in_progress", "success"]]);
}

#[test]
fn among_a_thousand_deployments_ours_is_found() {
    let github = GitHub::start();
    for number in 0..1000 {
        let _ = github.add(&json!({ "ref": "main", "environment": "staging", "payload": { "number": number } }));
    }
    github.fail("POST /deployments", Fault::After(Answer::new(502, "")));
    let _ = deploy(&project_in(&github, &[Step::marks("a")])).exits(0);
    assert_eq!(github.deployments().len(), 1001);
    assert_eq!(newest_status(&github)["state"], "success");
}

#[test]
fn a_name_with_a_slash_and_a_blank_is_one_environment() {
    let github = GitHub::start();
    let name = "review/a b.c-d_e";
    let project = with(&github, &text_with("", &format!("[environments.\"{name}\"]\n"), &[Step::marks("a")]));
    let mut command = project.command(["run", "-e", name, "--commit", e2e::COMMIT]);
    let output = command.output().expect("it runs");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert_eq!(github.deployments()[0]["environment"], Value::from(name));
    assert_eq!(github.states(), [["in_progress", "success"]]);
}
