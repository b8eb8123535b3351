//! Runs of workflows: what they wait for, and who agreed to it.

use super::description::example;
use super::state::{Asked, Job, Reply, Run, State, now};
use super::tokens::{Kind, user};
use serde_json::{Value, json};

/// The most that an app may say about a deployment, in characters, and how often.
const REPORT: (usize, usize) = (1024, 10);

impl State {
    pub(super) fn run_as_answered(&self, id: u64, run: &Run) -> Value {
        let own = self.url(&format!("/actions/runs/{id}"));
        let mut made = example("run");
        let ours = json!({
            "id": id, "name": "Deploy", "node_id": format!("WFR_{id}"), "head_branch": "main", "head_sha": run.sha,
            "path": ".github/workflows/deploy.yml", "run_attempt": run.attempt, "event": "push", "display_title": "A change",
            "status": run.status, "conclusion": run.conclusion, "url": own, "pull_requests": [], "previous_attempt_url": null,
            "html_url": format!("https://github.com/{}/actions/runs/{id}", super::REPOSITORY), "created_at": now(), "updated_at": now(),
            "actor": user(&run.actor), "triggering_actor": user(&run.actor), "jobs_url": format!("{own}/jobs"),
        });
        for (name, value) in ours.as_object().into_iter().flatten() {
            made[name] = value.clone();
        }
        made
    }

    pub(super) fn get_run(&self, asked: &Asked) -> Reply {
        let id = asked.number("run_id");
        self.runs.get(&id).map_or_else(Reply::missing, |run| Reply::new(200, self.run_as_answered(id, run)))
    }

    pub(super) fn list_jobs(&self, asked: &Asked) -> Reply {
        let id = asked.number("run_id");
        let Some(run) = self.runs.get(&id) else { return Reply::missing() };
        let job = |(number, Job { name, status, runner }): (&u64, &Job)| {
            let mut made = example("job");
            if let Some(runner) = runner {
                made["runner_name"] = json!(runner);
            }
            let is_over = status == "completed";
            let ours = json!({
                "id": number, "run_id": id, "run_attempt": run.attempt, "name": name, "status": status, "head_sha": run.sha,
                "conclusion": if is_over { json!("success") } else { Value::Null }, "steps": [],
                "completed_at": if is_over { json!(now()) } else { Value::Null }, "started_at": now(), "created_at": now(),
                "run_url": self.url(&format!("/actions/runs/{id}")), "url": self.url(&format!("/actions/jobs/{number}")),
                "html_url": format!("https://github.com/{}/actions/runs/{id}/job/{number}", super::REPOSITORY),
                "check_run_url": self.url(&format!("/check-runs/{number}")), "workflow_name": "Deploy",
            });
            for (name, value) in ours.as_object().into_iter().flatten() {
                made[name] = value.clone();
            }
            made
        };
        self.page(asked, &format!("/actions/runs/{id}/jobs"), run.jobs.iter().map(job).collect(), Some("jobs"))
    }

    pub(super) fn list_approvals(&self, asked: &Asked) -> Reply {
        let run = self.runs.get(&asked.number("run_id"));
        run.map_or_else(Reply::missing, |run| Reply::new(200, run.approvals.clone().into()))
    }

    /// Whether somebody is one of the required reviewers of an environment.
    fn is_reviewer(&self, login: &str, environment: &str) -> bool {
        let members = |team: &str| self.teams.get(&(super::OWNER.to_owned(), team.to_owned()));
        self.environments.iter().filter(|it| it.name == environment).flat_map(|it| &it.reviewers).any(|name| {
            name.strip_prefix('@').map_or_else(
                || name == login,
                |team| members(team).is_some_and(|members| members.iter().any(|member| member == login)),
            )
        })
    }

    fn may_approve(&self, asked: &Asked, run: &Run, environment: &str) -> bool {
        let prevents = self.environments.iter().any(|it| it.name == environment && it.prevents_self_review);
        asked.who.kind == Kind::Person
            && self.is_reviewer(&asked.who.login, environment)
            && !(prevents && run.actor == asked.who.login)
    }

    pub(super) fn list_pending(&self, asked: &Asked) -> Reply {
        let Some(run) = self.runs.get(&asked.number("run_id")) else { return Reply::missing() };
        let waiting = |name: &String| {
            let environment = self.environments.iter().find(|it| it.name == *name)?;
            let mut short = self.environment_as_answered(environment);
            for name in ["created_at", "updated_at", "protection_rules", "deployment_branch_policy"] {
                short.as_object_mut()?.remove(name);
            }
            Some(json!({
                "environment": short, "wait_timer": 0, "wait_timer_started_at": null,
                "current_user_can_approve": self.may_approve(asked, run, name), "reviewers": self.reviewers(environment),
            }))
        };
        Reply::new(200, run.waiting.iter().filter_map(waiting).collect())
    }

    pub(super) fn review(&mut self, asked: &Asked) -> Reply {
        let id = asked.number("run_id");
        let Some(run) = self.runs.get(&id).cloned() else { return Reply::missing() };
        let ids: Vec<u64> =
            asked.body["environment_ids"].as_array().into_iter().flatten().filter_map(Value::as_u64).collect();
        let named: Vec<String> =
            self.environments.iter().filter(|it| ids.contains(&it.id)).map(|it| it.name.clone()).collect();
        let all = named.len() == ids.len() && !ids.is_empty();
        if !all || !named.iter().all(|name| run.waiting.contains(name)) {
            return Reply::refusal(422, "No pending deployment requests to approve or reject.");
        }
        if !named.iter().all(|name| self.may_approve(asked, &run, name)) {
            return Reply::refusal(422, "You are not authorized to review the deployments of these environments.");
        }
        let (state, comment) = (asked.text("state").to_owned(), asked.text("comment").to_owned());
        self.decide(id, &named, &asked.who.login.clone(), &state, &comment);
        let is_of = |it: &&Value| it["environment"].as_str().is_some_and(|name| named.iter().any(|it| it == name));
        Reply::new(200, self.deployments.iter().filter(is_of).rev().take(named.len()).cloned().collect())
    }

    /// Somebody agrees, or does not, to what a run waits for.
    pub(super) fn decide(&mut self, id: u64, environments: &[String], login: &str, state: &str, comment: &str) {
        let mut answered = vec![];
        for environment in self.environments.iter().filter(|it| environments.contains(&it.name)) {
            let mut one = self.environment_as_answered(environment);
            if let Some(keys) = one.as_object_mut() {
                keys.retain(|name, _| name != "protection_rules" && name != "deployment_branch_policy");
            }
            answered.push(one);
        }
        let run = self.runs.get_mut(&id).expect("the run");
        run.approvals.push(json!({
            "environments": answered, "state": state, "user": user(login), "comment": comment,
        }));
        self.release(id, environments, state == "approved");
    }

    /// A run no longer waits for these environments.
    fn release(&mut self, id: u64, environments: &[String], goes_on: bool) {
        let run = self.runs.get_mut(&id).expect("the run");
        run.waiting.retain(|name| !environments.contains(name));
        if !goes_on {
            (run.status, run.conclusion) = ("completed".into(), Some("failure".into()));
        } else if run.waiting.is_empty() {
            run.status = "in_progress".into();
        }
    }

    pub(super) fn respond(&mut self, asked: &Asked) -> Reply {
        let id = asked.number("run_id");
        let name = asked.text("environment_name").to_owned();
        let Some(run) = self.runs.get_mut(&id) else { return Reply::missing() };
        if asked.who.kind != Kind::App {
            return Reply::refusal(403, "Resource not accessible by integration");
        }
        if !run.waiting.contains(&name) {
            return Reply::refusal(404, "Not Found");
        }
        let reports = run.rules.iter().filter(|rule| rule["environment_name"] == *name && rule["state"].is_null());
        if asked.text("comment").chars().count() > REPORT.0 {
            return Reply::invalid(
                "DeploymentProtectionRule",
                "comment",
                "comment is too long (maximum is 1024 characters)",
            );
        }
        if asked.body["state"].is_null() && reports.count() >= REPORT.1 {
            return Reply::refusal(422, "No more than 10 status reports are allowed");
        }
        run.rules.push(asked.body.clone());
        match asked.text("state") {
            "" => {}
            state => self.release(id, &[name], state == "approved"),
        }
        Reply::new(204, Value::Null)
    }
}
