//! What GitLab shows of a run: the real binary in a job of a GitLab on loopback that refuses what the real one refuses.

#![cfg(unix)]

use e2e::gitlab::{Fault, GitLab, JOB, JOB_TOKEN, TOKEN};
use e2e::runs::{cut_before, cut_off, events_named, kill, newest, signal, stuck};
use e2e::server::Answer;
use e2e::steps::{Step, order, text, text_with, until};
use e2e::{Output, Project};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// A project in a job here, without `environment:`.
fn project_in(gitlab: &GitLab, steps: &[Step]) -> Project {
    with(gitlab, &text("", steps), None)
}

fn with(gitlab: &GitLab, text: &str, environment: Option<&str>) -> Project {
    // What is kept there besides is `gitlab_kept`'s.
    let text = text.replacen("app = \"shop\"\n", "app = \"shop\"\nstore = \"local\"\n", 1);
    let variables = gitlab.variables(environment);
    variables.iter().fold(Project::with(&text), |project, (name, value)| project.variable(name, value)).locked()
}

/// Deploys to staging.
fn deploy(project: &Project) -> Output {
    project.windlass("run -e staging --format json")
}

#[test]
fn a_deployment_is_made_and_succeeds() {
    let gitlab = GitLab::start();
    let project = project_in(&gitlab, &[Step::marks("a")]);
    let result = deploy(&project).exits(0).result();
    assert_eq!(gitlab.states(), [["running", "success"]]);
    assert_eq!(
        gitlab.requests(),
        ["GET /projects/42/deployments", "POST /projects/42/deployments", "PUT /projects/42/deployments/100"]
    );
    assert_eq!(
        result["deployment"],
        json!({ "forge": "gitlab", "id": "100", "url": "https://gitlab.example/acme/shop/-/environments/1" })
    );
    let made = &gitlab.deployments()[0];
    assert_eq!(
        (&made["sha"], &made["ref"], &made["environment"]["name"]),
        (&json!(e2e::COMMIT), &json!("main"), &json!("staging"))
    );
}

#[test]
fn what_failed_is_shown_as_failed() {
    let gitlab = GitLab::start();
    let project = project_in(&gitlab, &[Step::marks("a"), Step::fails("b")]);
    let _ = deploy(&project).exits(10);
    assert_eq!(gitlab.states(), [["running", "failed"]]);
}

#[test]
fn the_jobs_own_deployment_is_adopted_and_left_to_it() {
    for configured in ["", "deployment = \"adopt\"\n"] {
        let gitlab = GitLab::start();
        let _ = gitlab.add("staging", "running", "main", Some(JOB - 1));
        let ours = gitlab.add("staging", "running", "main", Some(JOB));
        let text = text_with("", &format!("[environments.staging]\n{configured}"), &[Step::marks("a")]);
        let project = with(&gitlab, &text, Some("staging"));
        let result = deploy(&project).exits(0).result();
        assert_eq!(result["deployment"]["id"], json!(ours.to_string()));
        assert_eq!(gitlab.states(), [["running"], ["running"]], "the job's end is what GitLab shows");
        assert_eq!(gitlab.requests(), ["GET /projects/42/deployments"]);
        let created = &events_named(&project, &newest(&project), "deployment-created")[0];
        assert_eq!(created["adopted"], json!(true));
    }
}

#[test]
fn a_killed_job_has_ended_its_own_deployment() {
    let gitlab = GitLab::start();
    let _ = gitlab.add("staging", "running", "main", Some(JOB));
    let text = text_with("", "[environments.staging]\n", &[Step::marks("a").run(&stuck("child", "exit 0"))]);
    let project = with(&gitlab, &text, Some("staging"));
    let run = cut_off(&project, "run -e staging", "child");
    let _ = project.windlass("reap").exits(0);
    assert_eq!(events_named(&project, &run, "run-finished").len(), 1);
    assert_eq!(gitlab.states(), [["running"]]);
    assert_eq!(gitlab.requests(), ["GET /projects/42/deployments"], "nothing is told, and nothing more is asked");
}

#[test]
fn two_deployments_beside_each_other_are_refused_and_so_is_none() {
    for (configured, environment, what) in [
        ("own", Some("staging"), "both the job and Windlass would deploy to `staging`"),
        ("adopt", None, "there is no deployment to `staging` to adopt"),
        ("adopt", Some("review"), "there is no deployment to `staging` to adopt"),
    ] {
        let gitlab = GitLab::start();
        let environments = format!("[environments.staging]\ndeployment = \"{configured}\"\n");
        let project = with(&gitlab, &text_with("", &environments, &[Step::marks("a")]), environment);
        let output = deploy(&project).exits(2);
        assert!(output.stderr.contains(what) && output.stderr.contains("deploy.toml:"), "{}", output.stderr);
        assert_eq!((gitlab.requests().len(), order(&project).as_str()), (0, ""));
    }
}

#[test]
fn what_was_not_answered_is_looked_for_before_it_is_sent_again() {
    let lost = || [Answer::new(502, "<html>Bad Gateway</html>"), Answer::none(), Answer::new(201, "{\"id\":")];
    for (fault, posts) in lost()
        .map(|answer| (Fault::After(answer), 1))
        .into_iter()
        .chain(lost().map(|answer| (Fault::Instead(answer), 2)))
    {
        let gitlab = GitLab::start();
        // Another one like it, of before.
        let _ = gitlab.add("staging", "running", "v1", None);
        gitlab.fail("POST /deployments", fault.clone());
        let project = project_in(&gitlab, &[Step::marks("a")]);
        let _ = deploy(&project).exits(0);
        assert_eq!(gitlab.states(), [vec!["running"], vec!["running", "success"]], "{fault:?}");
        let sent = gitlab.requests().iter().filter(|line| line.starts_with("POST")).count();
        assert_eq!(sent, posts, "{fault:?}");
    }
}

#[test]
fn a_state_is_set_again_until_it_is_set() {
    let gitlab = GitLab::start();
    gitlab.fail("PUT /deployments/100", Fault::Instead(Answer::new(503, "")));
    gitlab.fail("PUT /deployments/100", Fault::After(Answer::new(502, "")));
    gitlab.fail("PUT /deployments/100", Fault::Instead(Answer::new(429, "Retry later").header("retry-after", "1")));
    let project = project_in(&gitlab, &[Step::marks("a")]);
    let _ = deploy(&project).exits(0);
    assert_eq!(gitlab.states(), [["running", "success"]]);
    assert_eq!(gitlab.requests().last().map(String::as_str), Some("GET /projects/42/deployments/100"));
}

#[test]
fn a_token_that_expires_leaves_the_deployment_what_it_is() {
    let gitlab = GitLab::start();
    let project = project_in(&gitlab, &[Step::waits("a")]);
    let run = project.start("run -e staging --format json");
    until("the step", || project.has("waiting"));
    gitlab.expire_tokens();
    project.write("go", "");
    let output = project.finish(run).exits(14);
    assert_eq!(
        (&output.result()["outcome"], &output.result()["reason"]),
        (&json!("succeeded"), &json!("forge-unreported"))
    );
    assert!(output.stderr.contains("401 Unauthorized") && output.stderr.contains("CI_JOB_TOKEN"), "{}", output.stderr);
    gitlab.expire_tokens();
    let _ = project.windlass("reap").exits(0);
    assert_eq!(gitlab.states(), [["running", "success"]]);
    let told = gitlab.requests().len();
    let _ = project.windlass("reap").exits(0);
    assert_eq!(gitlab.requests().len(), told, "it knows");
}

#[test]
fn where_it_is_refused_nothing_is_run() {
    let gitlab = GitLab::start();
    gitlab.fail("POST /deployments", Fault::Instead(Answer::new(403, "{\"message\":\"403 Forbidden\"}")));
    let project = project_in(&gitlab, &[Step::marks("a")]);
    let output = deploy(&project).exits(21);
    assert!(
        output.stderr.contains("GitLab refused to create a deployment of project 42 to `staging`"),
        "{}",
        output.stderr
    );
    assert!(output.stderr.contains("Protected environments"), "{}", output.stderr);
    assert_eq!((gitlab.states().len(), order(&project).as_str()), (0, ""));
}

#[test]
fn a_cancellation_is_shown_within_two_seconds() {
    // A child that does not listen, and then something to take back that takes its time.
    let slow = Step::marks("a").reverted_by("sleep 3; echo -a >> order");
    let deaf = Step::marks("b").run("trap '' TERM; touch waiting; while true; do sleep 0.05; done");
    let gitlab = GitLab::start();
    let project = with(&gitlab, &text("on_cancel = \"rollback\"", &[slow, deaf]), None);
    let run = project.start("run -e staging --format json");
    until("the step", || project.has("waiting"));
    let begun = Instant::now();
    signal("TERM", run.id());
    until("that it is shown", || gitlab.deployments()[0]["status"] == "canceled");
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    let _ = project.finish(run).exits(12);
    assert_eq!(gitlab.states(), [["running", "canceled"]]);
}

#[test]
fn a_deployment_that_was_made_just_before_a_kill_is_found_again() {
    for close in [false, true] {
        let gitlab = GitLab::start();
        let project =
            project_in(&gitlab, &[Step::marks("a").run(&stuck("child", "echo a >> order")).unless("grep -qx a order")]);
        let run = cut_off(&project, "run -e staging", "child");
        // As if the process had ended between the answer and the journal.
        cut_before(&project, &run, "deployment-created");
        if close {
            let _ = project.windlass("reap").exits(0);
            assert_eq!(gitlab.states(), [["running", "failed"]]);
        }
        let _ = project.windlass(&format!("resume {run}")).exits(0);
        let states: &[&str] = if close { &["running", "failed", "success"] } else { &["running", "success"] };
        assert_eq!(gitlab.states(), [states]);
    }
}

#[test]
fn a_run_whose_deployment_cannot_be_looked_for_stays_open() {
    let gitlab = GitLab::start();
    let project = project_in(&gitlab, &[Step::marks("a").run(&stuck("child", "exit 0"))]);
    let run = cut_off(&project, "run -e staging", "child");
    cut_before(&project, &run, "deployment-created");
    gitlab.expire_tokens();
    let output = project.windlass("reap").exits(21);
    assert!(output.stderr.contains("note: the run that was cut off stays open"), "{}", output.stderr);
    // Nothing is deployed over what is not closed, and nothing was told that could be unreported.
    assert_eq!(deploy(&project).exits(21).result()["reason"], "forge-refused");
    assert!(events_named(&project, &run, "run-finished").is_empty());
    gitlab.expire_tokens();
    let _ = project.windlass("reap").exits(0);
    assert_eq!(gitlab.states(), [["running", "failed"]]);
}

#[test]
fn a_token_of_a_person_comes_before_the_jobs_and_neither_reaches_a_child() {
    let gitlab = GitLab::start();
    let step = Step::of("a", "env > seen");
    let project = project_in(&gitlab, &[step]).variable("GITLAB_TOKEN", TOKEN);
    let _ = deploy(&project).exits(0);
    let seen = project.read("seen");
    assert!(!seen.contains("CI_JOB_TOKEN") && !seen.contains(TOKEN) && !seen.contains(JOB_TOKEN), "{seen}");
    // The freeze periods, the newest deployment, a new one and its end.
    assert_eq!(gitlab.tokens(), ["private-token"; 4]);
}

#[test]
fn an_environment_that_comes_after_another_goes_by_the_forges_deployments() {
    let gitlab = GitLab::start();
    let environments = "[environments.staging]\n[environments.production]\nafter = [\"staging\"]\n";
    let project = with(&gitlab, &text_with("", environments, &[Step::marks("a")]), None);
    let blocked = |why: &str| {
        let output = project.windlass("run -e production --format json").exits(21);
        assert_eq!(output.result()["reason"], "environment-order");
        assert!(output.stderr.contains(why), "{why}\n{}", output.stderr);
    };
    blocked("nothing was deployed to `staging` yet");
    // Made by a job of another pipeline, on another machine: no journal here knows of it.
    gitlab.add("staging", "success", "main", Some(JOB + 1));
    gitlab.add("staging", "failed", "main", Some(JOB + 2));
    gitlab.add("staging", "created", "main", Some(JOB + 3));
    gitlab.add("staging", "blocked", "main", Some(JOB + 4));
    let running = gitlab.add("staging", "running", "main", Some(JOB + 5));
    blocked(&format!("deployment {running} to `staging`, of commit `0123456789`, has not ended"));
    gitlab.end(running, "canceled");
    let _ = project.windlass("run -e production").exits(0);
    let other = e2e::COMMIT.replace('0', "f");
    let output = project.windlass(&format!("run -e production --commit {other}")).exits(21);
    let why = "its newest successful deployment is of commit `0123456789`, and this is `f123456789`";
    assert!(output.stderr.contains(why), "{}", output.stderr);
    gitlab.fail("GET /deployments", Fault::Instead(Answer::new(403, r#"{"message":"403 Forbidden"}"#)));
    let output = project.windlass("run -e production --format json").exits(21);
    assert_eq!(output.result()["reason"], "forge-refused");
    assert_eq!(gitlab.states().last().expect("a deployment"), &["running", "success"]);
}

#[test]
fn which_component_a_deployment_is_of_is_known_by_the_journals_or_not_at_all() {
    let gitlab = GitLab::start();
    let environments = "[environments.staging]\n[environments.production]\nafter = [\"staging\"]\n";
    let component = |name: &str| Step::marks(name).key(&format!("component = \"{name}\""));
    let text = text_with("", environments, &[component("backend"), component("frontend")]);
    let here = with(&gitlab, &text, None);
    let elsewhere = with(&gitlab, &text, None);
    let _ = here.windlass("run -e staging --component backend").exits(0);
    let _ = here.windlass("run -e staging --component frontend").exits(0);
    let _ = here.windlass("run -e production --component backend --dry-run").exits(0);
    let output = elsewhere.windlass("run -e production --component backend").exits(21);
    for part in [
        "`production` comes after `staging`",
        "nobody can tell whether deployment 101 there is one of component `backend`",
        "keep journals on the forge, or `.windlass` from job to job",
    ] {
        assert!(output.stderr.contains(part), "{part}\n{}", output.stderr);
    }
    // Another commit of the other component says nothing of this one.
    let other = e2e::COMMIT.replace('0', "f");
    let _ = here.windlass(&format!("run -e staging --component frontend --commit {other}")).exits(0);
    let _ = here.windlass("run -e production --component backend --dry-run").exits(0);
    let _ = here.windlass("run -e production --component frontend --dry-run").exits(21);
    let _ = gitlab.states();
}

#[test]
fn what_gitlab_said_when_the_job_began_holds_unless_the_environment_says_that_it_does_not() {
    let gitlab = GitLab::start();
    let project = |environment: &str| {
        let text = text_with("", environment, &[Step::marks("a")]);
        with(&gitlab, &text, None).variable("CI_DEPLOY_FREEZE", "true")
    };
    let output = deploy(&project("[environments.staging]\n")).exits(21);
    assert!(output.stderr.contains("error: deployments to `staging` are frozen\n"), "{}", output.stderr);
    assert!(output.stderr.contains("`CI_DEPLOY_FREEZE` is set"), "{}", output.stderr);
    let _ = deploy(&project("[environments.staging]\nforge_freeze = false\n")).exits(0);
    assert_eq!(gitlab.states(), [["running", "success"]]);
}

#[test]
fn a_freeze_period_of_the_project_keeps_a_run_from_beginning_where_the_token_may_read_it() {
    let gitlab = GitLab::start();
    let project = project_in(&gitlab, &[Step::marks("a")]).variable("GITLAB_TOKEN", TOKEN);
    // Begins each minute and ends on a day that comes every four years.
    gitlab.freeze("* * * * *", "0 0 29 2 *");
    let output = deploy(&project).exits(21);
    assert_eq!(output.result()["reason"], "frozen");
    assert!(output.stderr.contains("deployments to `staging` are frozen until "), "{}", output.stderr);
    let cause = "a freeze period of the project on GitLab goes from `* * * * *` until `0 0 29 2 *` (UTC)";
    assert!(output.stderr.contains(cause), "{}", output.stderr);
    let planned = project.windlass("plan -e staging").exits(0);
    let gate = "gate of staging: closed now\n  ! deployments to `staging` are frozen until ";
    assert!(planned.stderr.contains(gate), "{}", planned.stderr);
    assert_eq!(gitlab.states(), Vec::<Vec<String>>::new());
    let _ = project.windlass("run -e staging --during-freeze outage").exits(0);
    assert_eq!(gitlab.states(), [["running", "success"]]);
}

#[test]
fn where_the_periods_cannot_be_read_what_counts_is_what_the_job_was_told() {
    let gitlab = GitLab::start();
    gitlab.freeze("* * * * *", "0 0 29 2 *");
    let project = project_in(&gitlab, &[Step::marks("a")]).variable("GITLAB_TOKEN", TOKEN);
    let denied = || Fault::Instead(Answer::new(403, r#"{"message":"403 Forbidden"}"#));
    gitlab.fail("GET /freeze_periods", denied());
    let output = project.windlass("run -e staging --dry-run").exits(0);
    assert!(output.stderr.contains("GitLab refused to list the freeze periods (403 Forbidden)"), "{}", output.stderr);
    assert!(output.stderr.contains("what counts is whether `CI_DEPLOY_FREEZE` is set"), "{}", output.stderr);
    gitlab.fail("GET /freeze_periods", denied());
    let project = project.variable("CI_DEPLOY_FREEZE", "true");
    assert_eq!(deploy(&project).exits(21).result()["reason"], "frozen");
    assert_eq!(gitlab.states(), Vec::<Vec<String>>::new());
}

#[test]
fn a_name_with_a_slash_and_a_blank_is_one_environment() {
    let gitlab = GitLab::start();
    let name = "review/a b.c-d_e";
    let project = with(&gitlab, &text_with("", &format!("[environments.\"{name}\"]\n"), &[Step::marks("a")]), None);
    let mut command = project.command(["run", "-e", name, "--commit", e2e::COMMIT]);
    let output = command.output().expect("it runs");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(gitlab.deployments()[0]["environment"]["name"], Value::from(name));
    assert_eq!(gitlab.states(), [["running", "success"]]);
}

#[test]
fn what_the_job_does_not_say_is_asked_for() {
    let gitlab = GitLab::start();
    for (missing, words) in [("CI_PROJECT_ID", "`CI_PROJECT_ID` is not set"), ("CI_JOB_TOKEN", "there is no token")] {
        let project = project_in(&gitlab, &[Step::marks("a")]).variable(missing, "");
        let output = deploy(&project).exits(2);
        assert!(output.stderr.contains(words), "{}", output.stderr);
        let _ = project.windlass("run -e staging --forge local").exits(0);
    }
    let project = project_in(&gitlab, &[Step::marks("a")]).variable("CI_API_V4_URL", "gitlab.example");
    assert!(deploy(&project).exits(2).stderr.contains("is not the address of an API"));
}

#[test]
fn a_run_that_is_killed_is_closed_by_whoever_comes_next() {
    let gitlab = GitLab::start();
    let project = project_in(&gitlab, &[Step::waits("a")]);
    let run = project.start("run -e staging");
    until("the step", || project.has("waiting"));
    kill(run);
    project.write("go", "");
    let _ = deploy(&project).exits(0);
    assert_eq!(gitlab.states(), [["running", "failed"], ["running", "success"]]);
}
