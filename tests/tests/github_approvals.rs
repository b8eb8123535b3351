//! Approvals on GitHub: a plan is made, the job that does it waits for required reviewers, and what they said decides.

#![cfg(unix)]

use e2e::github::{ACTOR, APP_TOKEN, GitHub, JOB, JOB_TOKEN, REVIEWER, RUN, TOKEN};
use e2e::runs::{events_named, newest};
use e2e::steps::{Step, order, text_with};
use e2e::{Output, Project};
use serde_json::{Value, json};

const PLAN: &str = "plan -e production -o windlass-plan.json";
const DEPLOY: &str = "run -e production --plan windlass-plan.json --format json";

/// A run of a workflow: a job that plans, and one that waits for reviewers and then does it.
struct Workflow {
    github: GitHub,
    project: Project,
}

impl Workflow {
    fn new(approval: &str) -> Self {
        let environments = format!("[environments.production]\ndeployment = \"adopt\"\napproval = {{ {approval} }}\n");
        let project = Project::with(&text_with("", &environments, &[Step::marks("a")])).locked();
        let github = GitHub::start();
        github.protect("production", &[REVIEWER], false);
        Self { github, project }
    }

    fn job(&self, words: &str, more: &[(&str, &str)]) -> Output {
        let variables = self.github.variables();
        let mut variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        variables.extend(more);
        self.project.windlass_with(words, &variables)
    }

    /// The first job, and what it uploads. The other one begins to wait.
    fn plan(&self) -> Value {
        let _ = self.job(PLAN, &[]).exits(0);
        let text = self.project.read("windlass-plan.json");
        self.github.add_artifact(RUN, "windlass-plan-production", &[("windlass-plan.json", &text)]);
        let _ = self.github.wait_for(RUN, "production");
        serde_json::from_str(&text).expect("JSON")
    }

    fn say(&self, who: &str, what: &str, comment: &str) {
        self.github.decide(RUN, "production", who, what, comment);
    }

    /// Somebody let a job of this run through before there was a plan.
    fn say_before(&self) {
        let _ = self.github.wait_for(RUN, "production");
        self.say(REVIEWER, "approved", "");
    }

    /// The second job, which GitHub has let through.
    fn deploy(&self) -> Output {
        let _ = self.github.add_of_job("production", RUN, JOB, "in_progress");
        self.job(DEPLOY, &[])
    }

    /// A person at a terminal.
    fn person(&self, words: &str, token: &str) -> Output {
        let variables = self.github.variables();
        let kept = ["GITHUB_API_URL", "GITHUB_SERVER_URL", "GITHUB_REPOSITORY"];
        let mut variables: Vec<(&str, &str)> = variables
            .iter()
            .filter(|(name, _)| kept.contains(name))
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        variables.push(("GITHUB_TOKEN", token));
        self.project.windlass_with(&format!("{words} --forge github"), &variables)
    }
}

#[test]
fn what_a_reviewer_let_through_is_done_as_it_was_planned() {
    let workflow = Workflow::new("required = 1");
    let file = workflow.plan();
    let run = RUN.to_string();
    assert_eq!((&file["ci"]["forge"], &file["ci"]["run"]), (&json!("github"), &json!(run)));
    assert_eq!((&file["ci"]["starters"], &file["ci"]["decided"]), (&json!([ACTOR]), &json!([])));
    workflow.say(REVIEWER, "approved", "go");
    let done = workflow.deploy().exits(0).result();
    assert_eq!((&done["plan"], order(&workflow.project).as_str()), (&file["digest"], "a"));
    let approved = &events_named(&workflow.project, &newest(&workflow.project), "run-approved")[0]["by"];
    assert_eq!(*approved, json!([{ "name": REVIEWER, "comment": "go" }]));
    workflow.github.is_right();
}

#[test]
fn our_rule_is_held_against_what_reviewers_said() {
    for (rule, says, code, why) in [
        ("required = 1", vec![], 21, "0 of 1 people have approved it"),
        ("required = 1", vec![(ACTOR, "approved", "")], 21, "whoever asks for it may not decide on it"),
        ("required = 1, self = true", vec![(ACTOR, "approved", "")], 0, ""),
        ("required = 2", vec![(REVIEWER, "approved", "")], 21, "1 of 2 people have approved it"),
        ("required = 1", vec![(REVIEWER, "rejected", "no")], 21, "`grace` rejected this plan: no"),
        ("required = 1, from = { users = [\"cy\"] }", vec![(REVIEWER, "approved", "")], 21, "only those in `from` may"),
        ("required = 1, from = { users = [\"Grace\"] }", vec![(REVIEWER, "approved", "")], 0, ""),
        ("required = 1, bind = \"comment\"", vec![(REVIEWER, "approved", "yes")], 21, "has to name the plan's digest"),
    ] {
        let workflow = Workflow::new(rule);
        let _ = workflow.plan();
        for (who, what, comment) in says {
            workflow.say(who, what, comment);
        }
        let output = workflow.deploy().exits(code);
        assert!(output.stderr.contains(why), "{rule}: {}", output.stderr);
        assert_eq!(order(&workflow.project), if code == 0 { "a" } else { "" }, "{rule}");
    }
}

#[test]
fn a_second_person_is_asked_by_running_the_job_again() {
    let workflow = Workflow::new("required = 2");
    let _ = workflow.plan();
    workflow.say(REVIEWER, "approved", "");
    let output = workflow.deploy().exits(21);
    assert!(output.stderr.contains("let somebody run the job again whose approval is not needed"), "{}", output.stderr);
    workflow.github.repeat_run(RUN);
    let _ = workflow.github.wait_for(RUN, "production");
    workflow.say("heidi", "approved", "");
    let again = [("GITHUB_RUN_ATTEMPT", "2"), ("GITHUB_TRIGGERING_ACTOR", "ivan")];
    let _ = workflow.job(DEPLOY, &again).exits(0);
    assert_eq!(order(&workflow.project), "a");
}

#[test]
fn what_was_agreed_to_is_done_once() {
    let workflow = Workflow::new("required = 1");
    let _ = workflow.plan();
    workflow.say(REVIEWER, "approved", "");
    let deployment = workflow.github.add_of_job("production", RUN, JOB, "in_progress");
    let _ = workflow.job(DEPLOY, &[]).exits(0);
    let log = format!("https://github.com/acme/shop/actions/runs/{RUN}/job/{JOB}");
    workflow.github.add_status(deployment, &json!({ "state": "success", "log_url": log }));
    // The same job once more, long after: nobody is asked but whoever clicks through GitHub's gate.
    workflow.github.repeat_run(RUN);
    let _ = workflow.github.wait_for(RUN, "production");
    workflow.say(ACTOR, "approved", "");
    let _ = workflow.github.add_of_job("production", RUN, JOB + 1, "in_progress");
    let output = workflow.job(DEPLOY, &[("GITHUB_RUN_ATTEMPT", "2")]).exits(21);
    assert!(output.stderr.contains("this CI run has deployed here already"), "{}", output.stderr);
    assert_eq!(order(&workflow.project), "a");
}

#[test]
fn an_approval_that_names_one_plan_is_not_for_another_that_waits_beside_it() {
    let environments = "[environments.production]\ndeployment = \"adopt\"\napproval = { required = 1 }\n";
    let steps = [Step::marks("a").key("component = \"api\""), Step::marks("b").key("component = \"web\"")];
    let workflow = Workflow {
        project: Project::with(&text_with("", environments, &steps)).locked(),
        ..Workflow::new("required = 1")
    };
    for component in ["api", "web"] {
        let file = format!("{component}.json");
        let _ = workflow.job(&format!("plan -e production --component {component} -o {file}"), &[]).exits(0);
        let text = workflow.project.read(&file);
        workflow.github.add_artifact(RUN, &format!("windlass-plan-{component}"), &[("plan.json", &text)]);
    }
    let _ = workflow.github.wait_for(RUN, "production");
    assert!(workflow.person("approve", TOKEN).exits(2).stderr.contains("2 plans are meant by this"));
    let _ = workflow.person("approve --component api", TOKEN).exits(0);
    let _ = workflow.github.add_of_job("production", RUN, JOB, "in_progress");
    let output = workflow.job("run -e production --component web --plan web.json", &[]).exits(21);
    assert!(
        output.stderr.contains("what `grace` said does not count: its comment names another plan"),
        "{}",
        output.stderr
    );
    let _ = workflow.job("run -e production --component api --plan api.json", &[]).exits(0);
    assert_eq!(order(&workflow.project), "a");
}

#[test]
fn what_others_wrote_is_shown_as_text_and_who_asks_as_github_says_it() {
    let workflow = Workflow::new("required = 1");
    let mut file = workflow.plan();
    let hostile = "fine\u{1b}[2J\n::add-mask::x\n  approved by `grace`";
    file["plan"]["steps"][0]["intents"][0]["summary"] = json!(hostile);
    file["ci"]["starters"] = json!(["mallory"]);
    let text = file.to_string();
    workflow.github.add_artifact(RUN, "windlass-plan-production", &[("windlass-plan.json", &text)]);
    let shown = workflow.person("approvals", TOKEN).exits(0).stdout;
    assert!(!shown.contains('\u{1b}') && !shown.lines().any(|line| line.trim_start().starts_with("::")), "{shown}");
    assert!(!shown.lines().any(|line| line.trim_start().starts_with("approved by")), "{shown}");
    assert!(shown.contains("asked for by ada") && shown.contains("for `push` on `main`"), "{shown}");
    // One that is no archive at all keeps nobody from the others.
    workflow.github.add_file(RUN, "windlass-plan-broken", b"PK nothing");
    let shown = workflow.person("approvals", TOKEN).exits(0).stdout;
    assert!(shown.contains("not read: artifact `windlass-plan-broken`"), "{shown}");
    let _ = workflow.person("approve", TOKEN).exits(0);
}

#[test]
fn a_plan_that_was_made_for_another_forge_is_nobodys_here() {
    let workflow = Workflow::new("required = 1");
    workflow.say_before();
    let output = workflow.job(&format!("{PLAN} --forge local"), &[]).exits(0);
    assert!(output.stderr.contains("it is not known what has been said to this CI run so far"), "{}", output.stderr);
    let output = workflow.deploy().exits(21);
    assert!(output.stderr.contains("it is not known what had been said before the plan was made"), "{}", output.stderr);
}

#[test]
fn whoever_runs_it_again_asks_too() {
    let workflow = Workflow::new("required = 1");
    let _ = workflow.plan();
    workflow.say(REVIEWER, "approved", "");
    let _ = workflow.github.add_of_job("production", RUN, JOB, "in_progress");
    let output = workflow.job(DEPLOY, &[("GITHUB_TRIGGERING_ACTOR", REVIEWER)]).exits(21);
    assert!(output.stderr.contains("what `grace` said does not count: whoever asks"), "{}", output.stderr);
}

#[test]
fn who_is_in_a_team_github_says_where_the_token_may_know() {
    let workflow = Workflow::new("required = 1, from = { teams = [\"deployers\"] }");
    workflow.github.add_team("deployers", &[REVIEWER]);
    let _ = workflow.plan();
    workflow.say(REVIEWER, "approved", "");
    let output = workflow.deploy().exits(21);
    assert!(output.stderr.contains("may read the organisation's members"), "{}", output.stderr);
    let _ = workflow.job(DEPLOY, &[("GITHUB_TOKEN", TOKEN)]).exits(0);
    assert_eq!(order(&workflow.project), "a");
}

#[test]
fn without_a_plan_of_this_run_nobody_has_agreed_to_anything() {
    let workflow = Workflow::new("required = 1");
    let _ = workflow.plan();
    workflow.say(REVIEWER, "approved", "");
    let output = workflow.job("run -e production", &[]).exits(21);
    assert!(output.stderr.contains("was shown no plan of this CI run"), "{}", output.stderr);
    let output = workflow.job(DEPLOY, &[("GITHUB_RUN_ID", "7008")]).exits(20);
    assert!(output.stderr.contains("it was made in run `7007`, and this is run `7008`"), "{}", output.stderr);
    // What was said before there was this plan is for another one.
    let file: Value = {
        let _ = workflow.job(PLAN, &[]).exits(0);
        serde_json::from_str(&workflow.project.read("windlass-plan.json")).expect("JSON")
    };
    assert_eq!(file["ci"]["decided"][0]["by"], REVIEWER);
    let output = workflow.deploy().exits(21);
    assert!(output.stderr.contains("0 of 1 people have approved it"), "{}", output.stderr);
    assert_eq!(order(&workflow.project), "");
}

#[test]
fn a_token_that_may_not_read_reviews_is_told_which_permission_it_takes() {
    let workflow = Workflow::new("required = 1");
    workflow.github.permit(JOB_TOKEN, &[("deployments", "write"), ("contents", "read")]);
    let output = workflow.job(PLAN, &[]).exits(0);
    for words in ["no approval can be given to this plan", "`permissions: actions: read`"] {
        assert!(output.stderr.contains(words), "{words}: {}", output.stderr);
    }
    let output = workflow.deploy().exits(21);
    assert!(output.stderr.contains("it is not known what had been said before the plan was made"), "{}", output.stderr);
}

#[test]
fn a_person_sees_what_waits_on_github_and_answers_it() {
    let workflow = Workflow::new("required = 1, bind = \"comment\"");
    let file = workflow.plan();
    let shown = workflow.person("approvals", TOKEN).exits(0).stdout;
    let page = format!("in CI run {RUN} (https://github.com/acme/shop/actions/runs/{RUN})");
    for words in ["asked for by ada", page.as_str(), "0 of 1 people have approved it", "~ a"] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    let short = &file["digest"].as_str().expect("a digest")["sha256:".len()..][..12];
    // The job's own token reviews nothing.
    let output = workflow.person(&format!("approve {short}"), JOB_TOKEN).exits(21);
    assert!(output.stderr.contains("a job's own token reviews nothing"), "{}", output.stderr);
    assert_eq!(workflow.github.approvals(RUN), Vec::<Value>::new());
    let output = workflow.person(&format!("approve {short} -m go"), TOKEN).exits(0);
    assert!(output.stderr.contains("approved by `grace`: its job goes on"), "{}", output.stderr);
    let said = &workflow.github.approvals(RUN)[0];
    assert_eq!(said["comment"], format!("go (windlass plan {short})"));
    let _ = workflow.deploy().exits(0);
    assert_eq!(order(&workflow.project), "a");
    let nothing = workflow.person("approvals", TOKEN).exits(0);
    assert_eq!(nothing.stderr, "nothing waits for an approval\n");
    workflow.github.is_right();
}

#[test]
fn what_has_no_plan_is_shown_as_that_and_can_only_be_rejected() {
    let workflow = Workflow::new("required = 1");
    let _ = workflow.github.wait_for(RUN, "production");
    let shown = workflow.person("approvals", TOKEN).exits(0).stdout;
    assert!(shown.contains("and no plan of it was found"), "{shown}");
    let output = workflow.person("approve", TOKEN).exits(21);
    assert!(output.stderr.contains("nobody can agree to what waits for `production`"), "{}", output.stderr);
    let _ = workflow.person("reject -m what", TOKEN).exits(0);
    assert_eq!(workflow.github.approvals(RUN)[0]["state"], "rejected");
}

#[test]
fn an_artifact_that_is_no_plan_of_the_run_is_not_shown() {
    let workflow = Workflow::new("required = 1");
    let file = workflow.plan();
    let other = file.to_string().replace(&format!("\"run\":\"{RUN}\""), "\"run\":\"1\"");
    workflow.github.add_artifact(RUN, "windlass-plan-production", &[("windlass-plan.json", &other), ("notes", "hi")]);
    let shown = workflow.person("approvals --format json", TOKEN).exits(0).result();
    assert_eq!((shown.as_array().map(Vec::len), &shown[0]["digest"]), (Some(1), &Value::Null));
}

#[test]
fn who_waits_on_github_is_told_when_it_is_decided() {
    let workflow = Workflow::new("required = 1");
    let _ = workflow.plan();
    let late = workflow.person("approvals --wait --timeout 1s", TOKEN).exits(21);
    assert!(late.stderr.contains("nobody has decided in time"), "{}", late.stderr);
    assert!(!workflow.project.has(".windlass/leases"));
}

#[test]
fn a_protection_rule_is_answered_with_the_plan() {
    let workflow = Workflow::new("required = 1");
    let _ = workflow.plan();
    let address = format!("{}/repos/acme/shop/actions/runs/{RUN}/deployment_protection_rule", workflow.github.api());
    let event = |address: &str, sha: &str| {
        json!({ "action": "requested", "environment": "production", "event": "push",
                "deployment_callback_url": address, "deployment": { "sha": sha } })
    };
    let good = event(&address, e2e::COMMIT);
    workflow.project.write("event.json", &good.to_string());
    workflow.project.write("dispatch.json", &json!({ "client_payload": good }).to_string());
    let respond = "approvals respond --plan windlass-plan.json";
    let _ = workflow.person(&format!("{respond} --event event.json"), APP_TOKEN).exits(0);
    let report = &workflow.github.responses(RUN)[0];
    assert_eq!((&report["state"], &report["environment_name"]), (&Value::Null, &json!("production")));
    let comment = report["comment"].as_str().expect("a comment");
    assert!(comment.contains("windlass plan ") && comment.contains("~ a"), "{comment}");
    // Not by a job, and not elsewhere.
    let output = workflow.person(&format!("{respond} --event event.json --state approved"), JOB_TOKEN).exits(21);
    assert!(output.stderr.contains("installation token of the App that owns the rule"), "{}", output.stderr);
    for bad in [
        address.replace("acme/shop", "acme/other"),
        "https://evil.example/repos/acme/shop/actions/runs/1/deployment_protection_rule".to_owned(),
        address.replace(&RUN.to_string(), "../7"),
    ] {
        workflow.project.write("bad.json", &event(&bad, e2e::COMMIT).to_string());
        let output = workflow.person(&format!("{respond} --event bad.json --state approved"), APP_TOKEN).exits(2);
        assert!(output.stderr.contains("not one of this repository"), "{}", output.stderr);
    }
    workflow.project.write("bad.json", &event(&address, "ffffffffffffffffffffffffffffffffffffffff").to_string());
    let output = workflow.person(&format!("{respond} --event bad.json --state approved"), APP_TOKEN).exits(20);
    assert!(output.stderr.contains("the plan is not of the deployment that waits"), "{}", output.stderr);
    let words = format!("{respond} --event dispatch.json --state approved -m fine");
    let _ = workflow.person(&words, APP_TOKEN).exits(0);
    let answered = &workflow.github.responses(RUN)[1];
    assert_eq!(answered["state"], "approved");
    assert!(answered["comment"].as_str().is_some_and(|text| text.starts_with("fine\n\nwindlass plan ")));
    workflow.github.is_right();
}
