//! What a person meets where the forge is dead: how long that is waited for, what is said meanwhile, and what a signal does then.

#![cfg(unix)]

use e2e::Project;
use e2e::fault::Fault;
use e2e::github::GitHub;
use e2e::gitlab::GitLab;
use e2e::runs::signal;
use e2e::server::{Answer, Closed, Server};
use e2e::steps::{Step, order, text, until};
use serde_json::json;

/// A project in a job whose forge is at this address.
fn job(variables: &[(&'static str, String)], api: Option<&str>) -> Project {
    let project = variables.iter().fold(Project::with(&text("", &[Step::marks("a")])), |project, (name, value)| {
        let is_api = matches!(*name, "GITHUB_API_URL" | "CI_API_V4_URL");
        project.variable(name, api.filter(|_| is_api).unwrap_or(value))
    });
    project.locked()
}

/// In jobs of both forges.
fn jobs(api: &str) -> [Project; 2] {
    [job(&GitHub::start().variables(), Some(api)), job(&GitLab::start().variables(None), Some(api))]
}

/// What a server was asked, each with how often.
fn asked(server: &Server) -> Vec<(String, usize)> {
    let mut asked: Vec<(String, usize)> = vec![];
    for request in server.received() {
        let line = format!("{} {}", request.method, request.path.split('?').next().unwrap_or_default());
        match asked.last_mut().filter(|(last, _)| *last == line) {
            Some((_, times)) => *times += 1,
            None => asked.push((line, 1)),
        }
    }
    asked
}

#[test]
fn a_forge_that_is_dead_is_waited_for_once_and_each_further_question_is_asked_once() {
    for number in 0..2 {
        let server = Server::start(|_| Answer::new(502, "<html>Bad Gateway</html>"));
        let project = jobs(&server.url(""))[number].copy().variable("WINDLASS_FORGE_TIMEOUT", "2s");
        let output = project.windlass("run -e staging --format json").exits(21);
        assert_eq!(output.result()["reason"], json!("forge-refused"));
        assert_eq!(order(&project), "");
        let asked = asked(&server);
        assert!(asked.len() > 1 && asked[0].1 > 1, "{asked:?}");
        assert!(output.stderr.contains("does not answer as it should (502 Bad Gateway); trying again in "));
        // Each pause is told, and all of them are of the first question.
        let pauses = output.stderr.matches("; trying again in ").count();
        assert!((1..asked[0].1).contains(&pauses), "{asked:?}\n{}", output.stderr);
    }
}

#[test]
fn nobody_there_and_somebody_who_never_answers_are_told() {
    let (closed, silent) = (Closed::new(), Server::start(|_| Answer::silence()));
    for (api, cause) in
        [(format!("http://127.0.0.1:{}", closed.port()), "refused"), (silent.url(""), "no answer within ")]
    {
        for project in jobs(&api) {
            let project = project.variable("WINDLASS_FORGE_TIMEOUT", "1s");
            let output = project.windlass("run -e staging").exits(21);
            assert!(output.stderr.contains(" did not answer when asked to "), "{}", output.stderr);
            assert!(output.stderr.contains(cause), "{}", output.stderr);
            assert_eq!(order(&project), "");
            // What is known here is shown all the same.
            let output = project.windlass("status -e staging");
            assert!(output.stdout.contains("live    nothing that is known of"), "{}", output.all());
            assert!(output.stderr.contains("what was done on other machines is not known here"), "{}", output.stderr);
        }
    }
}

#[test]
fn how_long_to_wait_for_people_is_how_long_to_wait_for_the_forge() {
    let closed = Closed::new();
    let api = format!("http://127.0.0.1:{}", closed.port());
    let github = GitHub::start();
    let project = job(&github.variables(), Some(&api));
    let output = project.windlass("approvals --wait --timeout 1s -e staging");
    assert!(!matches!(output.code, None | Some(0)), "{}", output.all());
}

#[test]
fn what_the_deployment_came_to_is_told_whatever_did_not_answer_before() {
    let github = GitHub::start();
    let waits = Step::marks("a").run("touch waiting; while test ! -e go; do sleep 0.01; done; echo a >> order");
    let variables = github.variables();
    let project = variables
        .iter()
        .fold(Project::with(&text("", &[waits])), |project, (name, value)| project.variable(name, value))
        .variable("WINDLASS_FORGE_TIMEOUT", "2s")
        .locked();
    let run = project.start("run -e staging --format json");
    until("the step", || project.has("waiting"));
    github.draw(Some(Box::new(|_| Some(Fault::Instead(Answer::new(503, ""))))));
    project.write("go", "");
    let output = project.finish(run).exits(14);
    assert_eq!(output.result()["outcome"], json!("succeeded"));
    let tries = github.requests().iter().filter(|line| *line == "POST /deployments/1/statuses").count();
    assert!(tries >= 1, "{:?}", github.requests());
    assert!(output.stderr.contains("GitHub does not answer as it should (503 Service Unavailable); trying again in "));
    github.draw(None);
    let _ = project.windlass("reap").exits(0);
    assert_eq!(github.states(), [["in_progress", "success"]]);
}

#[test]
fn a_signal_while_the_forge_is_asked_ends_it_at_once_with_nothing_begun() {
    for words in ["run -e staging --format json", "rollback -e staging --format json", "plan -e staging"] {
        for name in ["TERM", "INT"] {
            let silent = Server::start(|_| Answer::silence());
            let [project, _] = jobs(&silent.url(""));
            let child = project.start(words);
            until("it asks", || !silent.received().is_empty());
            signal(name, child.id());
            let output = project.finish(child).exits(12);
            assert!(output.stderr.contains("told to stop before anything was begun"), "{}", output.all());
            assert_eq!(order(&project), "");
            if words.contains("json") {
                assert_eq!(output.result()["outcome"], json!("cancelled"), "{words}");
                assert_eq!(output.result()["reason"], json!("cancelled"), "{words}");
            }
        }
    }
}
