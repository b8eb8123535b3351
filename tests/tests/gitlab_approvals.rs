//! Approvals on GitLab: a plan is made, its deployment waits at the environment's rules, and what is said there decides.

#![cfg(unix)]

use e2e::gitlab::{GitLab, JOB, PERSON, TOKEN};
use e2e::runs::{events_named, newest};
use e2e::steps::{Step, order, text_with, until};
use e2e::{Output, Project};
use serde_json::{Value, json};

const PLAN: &str = "plan -e production -o windlass-plan.json";
const RUN: &str = "run -e production --plan windlass-plan.json --format json";

/// A pipeline: a job that plans, and one that waits for approvals and then does it.
struct Pipeline {
    gitlab: GitLab,
    project: Project,
    /// The second job's number.
    number: u64,
    deployment: u64,
}

impl Pipeline {
    fn new(approval: &str) -> Self {
        let environments = format!("[environments.production]\napproval = {{ {approval} }}\n");
        let project = Project::with(&text_with("", &environments, &[Step::marks("a")])).locked();
        let gitlab = GitLab::start();
        gitlab.protect("production", &[("deployers", &[PERSON, "root"]), ("qa", &["eve", PERSON])]);
        gitlab.add_person("glpat-of-mallory", "mallory");
        // GitLab makes the deployments of all jobs when it makes the pipeline.
        let deployment = gitlab.add("production", "blocked", "main", Some(JOB));
        Self { gitlab, project, number: JOB, deployment }
    }

    /// The second job is run again: GitLab makes another one, with another deployment that waits.
    fn retry(&mut self) {
        self.number += 1;
        self.deployment = self.gitlab.add("production", "blocked", "main", Some(self.number));
    }

    fn job(&self, words: &str, environment: Option<&str>, more: &[(&str, &str)]) -> Output {
        let variables = self.gitlab.variables(environment);
        let mut variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let number = self.number.to_string();
        variables.retain(|(name, _)| *name != "CI_JOB_ID");
        variables.extend([("GITLAB_USER_LOGIN", "ada"), ("CI_JOB_ID", &number)]);
        variables.extend(more);
        self.project.windlass_with(words, &variables)
    }

    /// The first job, and what it hands on.
    fn plan(&self) -> Value {
        let _ = self.job(PLAN, None, &[]).exits(0);
        let text = self.project.read("windlass-plan.json");
        self.gitlab.hand_on(7000, "windlass-plan.json", &text);
        serde_json::from_str(&text).expect("JSON")
    }

    fn say(&self, who: &str, what: &str, comment: &str) {
        self.gitlab.say(self.deployment, who, what, comment, None);
    }

    /// The second job, which somebody starts.
    fn deploy(&self) -> Output {
        self.gitlab.set(self.deployment, "running");
        self.job(RUN, Some("production"), &[("GITLAB_USER_LOGIN", PERSON)])
    }

    /// [`PERSON`] at a terminal.
    fn person(&self, words: &str) -> Output {
        self.person_with(TOKEN, words)
    }

    fn person_with(&self, token: &str, words: &str) -> Output {
        let variables = self.gitlab.variables(None);
        let kept = ["CI_API_V4_URL", "CI_PROJECT_ID", "CI_PROJECT_URL", "CI_COMMIT_SHA"];
        let mut variables: Vec<(&str, &str)> = variables
            .iter()
            .filter(|(name, _)| kept.contains(name))
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        variables.push(("GITLAB_TOKEN", token));
        self.project.windlass_with(&format!("{words} --forge gitlab"), &variables)
    }
}

#[test]
fn what_the_rules_let_through_is_done_as_it_was_planned() {
    let pipeline = Pipeline::new("required = 1");
    let file = pipeline.plan();
    assert_eq!((&file["ci"]["run"], &file["ci"]["decided"]), (&json!("88"), &json!([])));
    pipeline.say(PERSON, "approved", "go");
    // Whoever starts the job is the approver, and asked for nothing.
    let done = pipeline.deploy().exits(0).result();
    assert_eq!((&done["plan"], order(&pipeline.project).as_str()), (&file["digest"], "a"));
    let approved = &events_named(&pipeline.project, &newest(&pipeline.project), "run-approved")[0]["by"][0];
    assert_eq!((&approved["name"], &approved["comment"]), (&json!(PERSON), &json!("go")));
    assert!(approved["at"].is_string());
    let _ = pipeline.gitlab.states();
}

#[test]
fn our_rule_is_held_against_what_was_said() {
    for (rule, says, code, why) in [
        ("required = 1", vec![("ada", "approved", "")], 21, "whoever asks for it may not decide on it"),
        ("required = 1, self = true", vec![("ada", "approved", "")], 0, ""),
        ("required = 2", vec![("bob", "approved", "")], 21, "1 of 2 people have approved it"),
        ("required = 2", vec![("bob", "approved", ""), ("cy", "approved", "")], 0, ""),
        ("required = 1", vec![("bob", "approved", ""), ("cy", "rejected", "no")], 21, "`cy` rejected this plan at"),
        ("required = 1, from = { users = [\"cy\"] }", vec![("bob", "approved", "")], 21, "only those in `from` may"),
        ("required = 1, bind = \"comment\"", vec![("bob", "approved", "yes")], 21, "has to name the plan's digest"),
    ] {
        let pipeline = Pipeline::new(rule);
        let _ = pipeline.plan();
        for (who, what, comment) in says {
            pipeline.say(who, what, comment);
        }
        let output = pipeline.deploy().exits(code);
        assert!(output.stderr.contains(why), "{rule}: {}", output.stderr);
        assert_eq!(order(&pipeline.project), if code == 0 { "a" } else { "" }, "{rule}");
    }
}

#[test]
fn a_group_of_the_rules_is_a_team() {
    let mut pipeline = Pipeline::new("required = 1, from = { teams = [\"qa\"] }");
    pipeline.gitlab.show_rules_alone();
    let _ = pipeline.plan();
    pipeline.gitlab.say(pipeline.deployment, "dan", "approved", "", Some("sales"));
    let output = pipeline.deploy().exits(21);
    assert!(output.stderr.contains("what `dan` said does not count: only those in `from` may"), "{}", output.stderr);
    pipeline.retry();
    pipeline.gitlab.say(pipeline.deployment, "eve", "approved", "", Some("qa"));
    let _ = pipeline.deploy().exits(0);
}

#[test]
fn what_was_said_before_there_was_a_plan_is_for_no_plan() {
    let mut pipeline = Pipeline::new("required = 1");
    pipeline.say(PERSON, "approved", "whatever it is");
    let file = pipeline.plan();
    assert_eq!(file["ci"]["decided"][0]["by"], PERSON);
    let output = pipeline.deploy().exits(21);
    assert!(output.stderr.contains("0 of 1 people have approved it"), "{}", output.stderr);
    assert!(output.stderr.contains("approve its new deployment"), "{}", output.stderr);
    pipeline.retry();
    pipeline.say("cy", "approved", "");
    let _ = pipeline.deploy().exits(0);
}

#[test]
fn who_began_the_pipeline_gitlab_says_whatever_the_file_says() {
    let pipeline = Pipeline::new("required = 1");
    let mut file = pipeline.plan();
    file["ci"]["starters"] = json!(["mallory"]);
    pipeline.project.write("windlass-plan.json", &file.to_string());
    // The pipeline is `root`'s.
    pipeline.say("root", "approved", "");
    let output = pipeline.deploy().exits(21);
    assert!(output.stderr.contains("what `root` said does not count: whoever asks"), "{}", output.stderr);
}

#[test]
fn a_file_that_is_no_plan_is_named_and_in_nobodys_way() {
    let pipeline = Pipeline::new("required = 1");
    pipeline.gitlab.hand_on(6999, "windlass-plan.json", "<html>");
    let file = pipeline.plan();
    // Handed on by another job, too.
    pipeline.gitlab.hand_on(7001, "windlass-plan-production.json", &file.to_string());
    let shown = pipeline.person("approvals").exits(0).stdout;
    assert!(shown.contains("not read: `windlass-plan.json` of job 6999"), "{shown}");
    let _ = pipeline.person("approve").exits(0);
    let _ = pipeline.gitlab.states();
}

#[test]
fn who_waits_for_what_has_not_come_is_not_told_that_all_is_well() {
    let pipeline = Pipeline::new("required = 1");
    pipeline.gitlab.set(pipeline.deployment, "created");
    let output = pipeline.person("approvals -e production --wait --timeout 1s").exits(21);
    assert!(output.stderr.contains("nothing has come to wait for people in time"), "{}", output.stderr);
    let _ = pipeline.person("approvals").exits(0);
}

#[test]
fn what_drifts_from_the_plan_is_named_and_not_run() {
    let pipeline = Pipeline::new("required = 1");
    let _ = pipeline.plan();
    pipeline.say(PERSON, "approved", "");
    let text = pipeline.project.read("deploy.toml");
    pipeline.project.write("deploy.toml", &text.replace("echo a", "echo b"));
    let project = &pipeline.project;
    let _ = project.windlass("lock").exits(0);
    let output = pipeline.deploy().exits(20);
    assert!(output.stderr.contains("step `a`: its configuration changed"), "{}", output.stderr);
    assert_eq!(order(project), "");
}

#[test]
fn a_person_sees_what_waits_and_answers_it() {
    let pipeline = Pipeline::new("required = 1, bind = \"comment\"");
    let shown = pipeline.person("approvals --format json").exits(0).result();
    assert_eq!((&shown[0]["digest"], &shown[0]["state"]), (&Value::Null, &json!("waiting")));
    assert!(pipeline.person("approve").exits(21).stderr.contains("nobody can agree to what waits for `production`"));
    let file = pipeline.plan();
    let shown = pipeline.person("approvals").exits(0).stdout;
    let page = "in CI run 88 (https://gitlab.example/acme/shop/-/pipelines/88)";
    for words in ["asked for by root", page, "0 of 1 people have approved it", "~ a"] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    let short = &file["digest"].as_str().expect("a digest")["sha256:".len()..][..12];
    let output = pipeline.person(&format!("approve {short} -m go")).exits(0);
    assert!(output.stderr.contains("approved by `bob`: somebody has to start its job"), "{}", output.stderr);
    assert_eq!(pipeline.gitlab.said(pipeline.deployment), [format!("bob approved: go (windlass plan {short})")]);
    let _ = pipeline.deploy().exits(0);
    assert_eq!(order(&pipeline.project), "a");
    let _ = pipeline.gitlab.states();
}

#[test]
fn who_waits_on_gitlab_is_told_when_it_is_decided() {
    let pipeline = Pipeline::new("required = 1");
    let _ = pipeline.plan();
    let late = pipeline.person("approvals --wait --timeout 1s").exits(21);
    assert!(late.stderr.contains("nobody has decided in time"), "{}", late.stderr);
    assert!(!pipeline.project.has(".windlass/leases"));
    let detail = format!("GET /projects/42/deployments/{}", pipeline.deployment);
    let asked = || pipeline.gitlab.requests().iter().filter(|line| **line == detail).count();
    let before = asked();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| pipeline.person("approvals --wait --format json"));
        until("that somebody waits", || asked() > before);
        // GitLab ends the deployment with that.
        let _ = pipeline.person("reject -m later").exits(0);
        let rejected = waiting.join().expect("no panic").exits(21).result();
        assert_eq!((&rejected[0]["state"], &rejected[0]["rejected"]["by"]), (&json!("rejected"), &json!(PERSON)));
    });
    assert_eq!(pipeline.gitlab.deployments()[0]["status"], "failed");
    assert!(pipeline.person("approvals").exits(0).stderr.contains("nothing waits for an approval"));
}

#[test]
fn a_job_approves_nothing_unless_it_is_told_to() {
    let pipeline = Pipeline::new("required = 1");
    let _ = pipeline.plan();
    let output = pipeline.job("reject", None, &[]).exits(21);
    assert!(output.stderr.contains("the only token is `CI_JOB_TOKEN`"), "{}", output.stderr);
    assert_eq!(pipeline.gitlab.said(pipeline.deployment), Vec::<String>::new());
    let _ = pipeline.job("reject --by-job", None, &[]).exits(0);
    assert_eq!(pipeline.gitlab.said(pipeline.deployment).len(), 1);
    let _ = pipeline.gitlab.states();
}

#[test]
fn who_is_in_none_of_the_rules_is_told_so() {
    let pipeline = Pipeline::new("required = 1");
    let _ = pipeline.plan();
    let output = pipeline.person_with("glpat-of-mallory", "approve").exits(21);
    assert!(output.stderr.contains("You don't have permission to approve this deployment"), "{}", output.stderr);
    assert!(output.stderr.contains("who is in one of the environment's approval rules"), "{}", output.stderr);
    let output = pipeline.person("approve --on-behalf sales").exits(21);
    assert!(output.stderr.contains("There are no approval rules for the given"), "{}", output.stderr);
    assert_eq!(pipeline.gitlab.said(pipeline.deployment), Vec::<String>::new());
    let _ = pipeline.person("approve --on-behalf qa").exits(0);
    let _ = pipeline.gitlab.states();
}

#[test]
fn a_comment_that_is_longer_than_gitlab_takes_is_not_sent() {
    let pipeline = Pipeline::new("required = 1");
    let _ = pipeline.plan();
    let long = "x".repeat(256);
    let output = pipeline.person(&format!("reject -m {long}")).exits(21);
    assert!(output.stderr.contains(" characters, and GitLab takes 255"), "{}", output.stderr);
    assert!(!pipeline.gitlab.requests().iter().any(|line| line.ends_with("/approval")));
}

#[test]
fn a_plan_that_could_not_ask_is_nobodys() {
    let pipeline = Pipeline::new("required = 1");
    pipeline.gitlab.expire_tokens();
    let output = pipeline.job(PLAN, None, &[]).exits(0);
    assert!(output.stderr.contains("no approval can be given to this plan"), "{}", output.stderr);
    pipeline.gitlab.expire_tokens();
    pipeline.say(PERSON, "approved", "");
    let output = pipeline.deploy().exits(21);
    assert!(output.stderr.contains("it is not known what had been said before the plan was made"), "{}", output.stderr);
}
