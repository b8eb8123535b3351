//! A GitHub on loopback, of github.com or of Enterprise Server. It keeps deployments, environments, runs of workflows, git
//! objects and comments of one repository. It takes nothing that the official description does not ([`description`]), answers
//! nothing that is not described either, and refuses what the real one refuses: wrong tokens, tokens that may not do it,
//! references that exist, reviews by somebody who is no reviewer.

mod actions;
mod answer;
mod artifacts;
mod deployments;
mod description;
mod git;
mod state;
mod talk;
mod tokens;

pub use tokens::{ACTOR, APP_TOKEN, JOB_TOKEN, REVIEWER, TOKEN};

use crate::Project;
use crate::fault::{Draw, Fault, Faults};
use crate::server::{Fake, Request};
use artifacts::Artifact;
use serde_json::{Value, json};
use state::{Job, Object, Run, State};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::MutexGuard;
use tokens::Token;

/// The repository's owner.
pub const OWNER: &str = "acme";
/// Its name.
pub const NAME: &str = "shop";
/// Both.
pub const REPOSITORY: &str = "acme/shop";
/// The number of the workflow's run that the job is of.
pub const RUN: u64 = 7007;
/// The number of the job.
pub const JOB: u64 = 55;

/// The fake.
#[derive(Debug)]
pub struct GitHub {
    fake: Fake<State>,
    base: &'static str,
}

impl Default for GitHub {
    fn default() -> Self {
        Self::start()
    }
}

impl GitHub {
    /// One repository, with one run of a workflow and no deployments.
    #[must_use]
    pub fn start() -> Self {
        Self::behind("")
    }

    /// The same on an Enterprise Server.
    #[must_use]
    pub fn enterprise() -> Self {
        Self::behind("/api/v3")
    }

    fn behind(base: &'static str) -> Self {
        let state = State {
            api: String::new(),
            last: 0,
            deployments: vec![],
            statuses: BTreeMap::new(),
            environments: vec![],
            runs: BTreeMap::new(),
            objects: BTreeMap::new(),
            references: BTreeMap::new(),
            unknown_commits: BTreeSet::new(),
            comments: BTreeMap::new(),
            pulls: vec![],
            teams: BTreeMap::new(),
            artifacts: vec![],
            tokens: Token::all(),
            ahead: 0,
            faults: Faults::default(),
            mistakes: vec![],
        };
        let fake = Fake::start(state, move |state: &mut State, request| {
            let late = state.faults.late();
            let answer = state.answer(request, base, false);
            late.iter().for_each(|request| drop(state.answer(request, base, true)));
            answer
        });
        let github = Self { fake, base };
        github.state().api = github.api();
        github.add_run(RUN, ACTOR);
        let tree = github.state().keep(Object::Tree(BTreeMap::new()));
        let author = json!({ "name": ACTOR, "email": "ada@shop.example", "date": "2026-11-20T12:00:00Z" });
        let mut state = github.state();
        let made = state.make_commit("The first commit", &tree, &[], &author);
        // The commit that tests deploy is the same one under the name that they know.
        let object = state.objects.get(made["sha"].as_str().unwrap_or_default()).cloned().expect("the commit");
        state.objects.insert(crate::COMMIT.to_owned(), object);
        state.references.insert("refs/heads/main".to_owned(), crate::COMMIT.to_owned());
        drop(state);
        github
    }

    /// The API's address.
    #[must_use]
    pub fn api(&self) -> String {
        self.fake.url(self.base)
    }

    /// The variables of a job of [`RUN`] here.
    #[must_use]
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        vec![
            ("CI", "true".to_owned()),
            ("GITHUB_ACTIONS", "true".to_owned()),
            ("GITHUB_API_URL", self.api()),
            ("GITHUB_SERVER_URL", "https://github.com".to_owned()),
            ("GITHUB_REPOSITORY", REPOSITORY.to_owned()),
            ("GITHUB_REPOSITORY_OWNER", OWNER.to_owned()),
            ("GITHUB_RUN_ID", RUN.to_string()),
            ("GITHUB_RUN_ATTEMPT", "1".to_owned()),
            ("GITHUB_JOB", "deploy".to_owned()),
            ("GITHUB_WORKFLOW", "Deploy".to_owned()),
            ("GITHUB_EVENT_NAME", "push".to_owned()),
            ("GITHUB_SHA", crate::COMMIT.to_owned()),
            ("GITHUB_REF", "refs/heads/main".to_owned()),
            ("GITHUB_REF_NAME", "main".to_owned()),
            ("GITHUB_REF_TYPE", "branch".to_owned()),
            ("GITHUB_ACTOR", ACTOR.to_owned()),
            ("GITHUB_TRIGGERING_ACTOR", ACTOR.to_owned()),
            ("GITHUB_TOKEN", JOB_TOKEN.to_owned()),
        ]
    }

    /// A machine with this project, in a job of a run here.
    #[must_use]
    pub fn machine(&self, text: &str, run: u64) -> Project {
        let variables = self.variables();
        let project =
            variables.iter().fold(Project::with(text), |project, (name, value)| project.variable(name, value));
        project.variable("GITHUB_RUN_ID", &run.to_string()).locked()
    }

    /// A laptop with this project: it is no job, and says by itself which forge it means.
    #[must_use]
    pub fn laptop(&self, text: &str) -> Project {
        let known = ["GITHUB_API_URL", "GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_TOKEN"];
        let variables = self.variables().into_iter().filter(|(name, _)| known.contains(name));
        variables.fold(Project::with(text), |project, (name, value)| project.variable(name, &value)).locked()
    }

    /// Its clock is so many seconds ahead of this machine's from now on.
    pub fn set_clock(&self, ahead: i64) {
        self.state().ahead = ahead;
    }

    /// The next request of this method and path's end, `POST /deployments`, fails so. In the order in which they are expected.
    pub fn fail(&self, request: &str, fault: Fault) {
        self.state().faults.expect(request, fault);
    }

    /// From now on each request may fail as it is drawn; nothing is drawn any more where there is none.
    pub fn draw(&self, draw: Option<Draw>) {
        self.state().faults.draw(draw);
    }

    /// From here on this token is not good any more, or, said again, it is.
    pub fn expire(&self, token: &str) {
        let mut state = self.state();
        let token = state.tokens.get_mut(token).expect("such a token");
        token.is_expired = !token.is_expired;
    }

    /// What a token may from now on, by area: `[("deployments", "read")]`.
    pub fn permit(&self, token: &str, permissions: &[(&str, &str)]) {
        let permissions = permissions.iter().map(|(area, level)| ((*area).to_owned(), (*level).to_owned()));
        self.state().tokens.get_mut(token).expect("such a token").permissions = Some(permissions.collect());
    }

    /// How many requests a token has left, and in how many seconds there are more.
    pub fn limit(&self, token: &str, left: u32, seconds: i64) {
        let reset = jiff::Timestamp::now().as_second() + seconds;
        self.state().tokens.get_mut(token).expect("such a token").left = Some((left, reset));
    }

    /// Another token of a person.
    pub fn add_person(&self, token: &str, login: &str) {
        let mut state = self.state();
        let person = Token { login: login.to_owned(), ..state.tokens.get(TOKEN).expect("a person's").clone() };
        state.tokens.insert(token.to_owned(), person);
    }

    /// A team of [`OWNER`]'s.
    pub fn add_team(&self, team: &str, members: &[&str]) {
        let members = members.iter().map(|member| (*member).to_owned()).collect();
        self.state().teams.insert((OWNER.to_owned(), team.to_owned()), members);
    }

    /// A run of the workflow, in progress, with one job.
    pub fn add_run(&self, id: u64, actor: &str) {
        let run = Run {
            attempt: 1,
            actor: actor.to_owned(),
            sha: crate::COMMIT.to_owned(),
            status: "in_progress".to_owned(),
            conclusion: None,
            waiting: vec![],
            approvals: vec![],
            rules: vec![],
            jobs: [(JOB, Job { name: "deploy".to_owned(), status: "in_progress".to_owned(), runner: None })].into(),
        };
        self.state().runs.insert(id, run);
    }

    /// What was pushed last, and what [`RUN`] is of, instead of [`crate::COMMIT`].
    pub fn set_commit(&self, sha: &str) {
        let mut state = self.state();
        let object = state.objects.get(crate::COMMIT).cloned().expect("the first commit");
        state.objects.insert(sha.to_owned(), object);
        state.references.insert("refs/heads/main".to_owned(), sha.to_owned());
        sha.clone_into(&mut state.runs.get_mut(&RUN).expect("the run").sha);
    }

    /// How a run stands: `queued`, `in_progress`, `waiting` or `completed`, then with a conclusion.
    pub fn set_run(&self, id: u64, status: &str, conclusion: Option<&str>) {
        let mut state = self.state();
        let run = state.runs.get_mut(&id).expect("such a run");
        (run.status, run.conclusion) = (status.to_owned(), conclusion.map(str::to_owned));
        for job in run.jobs.values_mut() {
            run.status.clone_into(&mut job.status);
        }
    }

    /// How a run stands, whatever its jobs do.
    pub fn set_status(&self, id: u64, status: &str) {
        let mut state = self.state();
        let run = state.runs.get_mut(&id).expect("such a run");
        (run.status, run.conclusion) = (status.to_owned(), None);
    }

    /// Somebody has deleted a run.
    pub fn delete_run(&self, id: u64) {
        self.state().runs.remove(&id).expect("such a run");
    }

    /// More jobs of a run, on a runner of this name.
    pub fn add_jobs(&self, id: u64, count: u64, runner: &str, status: &str) {
        let mut state = self.state();
        let run = state.runs.get_mut(&id).expect("such a run");
        let first = run.jobs.keys().next_back().map_or(1, |last| last + 1);
        let job = || Job { name: "test".to_owned(), status: status.to_owned(), runner: Some(runner.to_owned()) };
        run.jobs.extend((first..first + count).map(|number| (number, job())));
    }

    /// Another attempt of a run: what was agreed to before is not agreed to now.
    pub fn repeat_run(&self, id: u64) {
        let mut state = self.state();
        let run = state.runs.get_mut(&id).expect("such a run");
        run.attempt += 1;
        "in_progress".clone_into(&mut run.status);
        run.conclusion = None;
    }

    /// An environment with required reviewers: logins, and teams with an `@` before their name.
    pub fn protect(&self, environment: &str, reviewers: &[&str], prevents_self_review: bool) {
        let mut state = self.state();
        let id = state.environment(environment);
        let found = state.environments.iter_mut().find(|it| it.id == id).expect("it is there");
        found.reviewers = reviewers.iter().map(|name| (*name).to_owned()).collect();
        found.prevents_self_review = prevents_self_review;
    }

    /// A run waits until somebody agrees to an environment. Returns the environment's number.
    pub fn wait_for(&self, run: u64, environment: &str) -> u64 {
        let mut state = self.state();
        let id = state.environment(environment);
        let run = state.runs.get_mut(&run).expect("such a run");
        run.waiting.push(environment.to_owned());
        "waiting".clone_into(&mut run.status);
        id
    }

    /// A job of a run has uploaded files.
    pub fn add_artifact(&self, run: u64, name: &str, files: &[(&str, &str)]) {
        self.add_file(run, name, &artifacts::archive(files));
    }

    /// A job of a run has uploaded this, whatever it is.
    pub fn add_file(&self, run: u64, name: &str, archive: &[u8]) {
        let mut state = self.state();
        let id = state.next();
        state.artifacts.push(Artifact { id, run, name: name.to_owned(), archive: archive.to_vec() });
    }

    /// Somebody has said `approved` or `rejected` on GitHub's own page.
    pub fn decide(&self, run: u64, environment: &str, login: &str, state: &str, comment: &str) {
        self.state().decide(run, &[environment.to_owned()], login, state, comment);
    }

    /// Who agreed to what in a run, oldest first, as GitHub answers it.
    #[must_use]
    pub fn approvals(&self, run: u64) -> Vec<Value> {
        self.state().runs.get(&run).map(|run| run.approvals.clone()).unwrap_or_default()
    }

    /// What the app that owns a protection rule said of a run.
    #[must_use]
    pub fn responses(&self, run: u64) -> Vec<Value> {
        self.state().runs.get(&run).map(|run| run.rules.clone()).unwrap_or_default()
    }

    /// A deployment that a job made because it has `environment:`, with this as its newest state. Returns its number.
    pub fn add_of_job(&self, environment: &str, run: u64, job: u64, state: &str) -> u64 {
        let sha = self.state().runs.get(&run).map_or_else(|| crate::COMMIT.to_owned(), |run| run.sha.clone());
        let body = json!({ "ref": "main", "environment": environment, "payload": {}, "sha": sha });
        let id = self.add(&body);
        let log = format!("https://github.com/{REPOSITORY}/actions/runs/{run}/job/{job}");
        for state in ["waiting", state] {
            self.add_status(id, &json!({ "state": state, "log_url": log }));
        }
        id
    }

    /// A deployment of [`crate::COMMIT`] that somebody else made. Returns its number.
    pub fn add(&self, body: &Value) -> u64 {
        let mut state = self.state();
        let who = state.tokens.get(JOB_TOKEN).expect("the job's").clone();
        let sha = body["sha"].as_str().unwrap_or(crate::COMMIT).to_owned();
        state.make_deployment(&who, &sha, body)["id"].as_u64().expect("a number")
    }

    /// A status that somebody else set, of any state.
    pub fn add_status(&self, deployment: u64, body: &Value) {
        let mut state = self.state();
        let who = state.tokens.get(JOB_TOKEN).expect("the job's").clone();
        state.make_status(&who, deployment, body);
    }

    /// The commit is one that was not pushed.
    pub fn forget(&self, commit: &str) {
        self.state().unknown_commits.insert(commit.to_owned());
    }

    /// An open pull request with this commit.
    pub fn add_pull(&self, number: u64, commit: &str) {
        let mut state = self.state();
        state.pulls.push((number, commit.to_owned()));
        state.comments.entry(number).or_default();
    }

    /// A comment of somebody's.
    pub fn add_comment(&self, number: u64, login: &str, body: &str) {
        self.state().make_comment(number, login, body);
    }

    /// The comments of a pull request, oldest first: who wrote them, and what.
    #[must_use]
    pub fn comments(&self, number: u64) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let state = self.state();
        let comments = state.comments.get(&number).into_iter().flatten();
        comments.map(|comment| (text(&comment["user"]["login"]), text(&comment["body"]))).collect()
    }

    /// The references below a prefix, `refs/windlass/`, and the commits that they lead to.
    #[must_use]
    pub fn references(&self, prefix: &str) -> BTreeMap<String, String> {
        let state = self.state();
        let fits = state.references.iter().filter(|(name, _)| name.starts_with(prefix));
        fits.map(|(name, sha)| (name.clone(), sha.clone())).collect()
    }

    /// The files of the commit that a reference leads to; none where there is none.
    #[must_use]
    pub fn files(&self, reference: &str) -> BTreeMap<String, Vec<u8>> {
        let state = self.state();
        state.references.get(reference).map(|sha| state.files(sha)).unwrap_or_default()
    }

    /// Somebody puts a file there, in a commit of their own.
    pub fn put_file(&self, reference: &str, path: &str, text: &[u8]) {
        let mut state = self.state();
        let before = state.references.get(reference).cloned();
        let mut files = before.as_deref().map(|sha| state.files(sha)).unwrap_or_default();
        files.insert(path.to_owned(), text.to_vec());
        let entries = files
            .into_iter()
            .map(|(path, text)| (path, ("100644".to_owned(), "blob".to_owned(), state.keep(Object::Blob(text)))));
        let entries = entries.collect();
        let tree = state.keep(Object::Tree(entries));
        let author = json!({ "name": ACTOR, "email": "ada@shop.example", "date": "2026-11-20T12:00:00Z" });
        let made = state.make_commit("by hand", &tree, &Vec::from_iter(before), &author);
        let sha = made["sha"].as_str().unwrap_or_default().to_owned();
        state.references.insert(reference.to_owned(), sha);
    }

    /// The deployments, oldest first.
    #[must_use]
    pub fn deployments(&self) -> Vec<Value> {
        self.state().deployments.clone()
    }

    /// The statuses of a deployment, oldest first.
    #[must_use]
    pub fn statuses(&self, deployment: u64) -> Vec<Value> {
        self.state().statuses.get(&deployment).cloned().unwrap_or_default()
    }

    /// For each deployment its states, in order.
    ///
    /// # Panics
    /// Where there was a request that the description does not allow, or a fault that was never met.
    #[must_use]
    pub fn states(&self) -> Vec<Vec<String>> {
        self.is_right();
        let state = self.state();
        let of = |deployment: &Value| {
            let statuses = state.statuses.get(&deployment["id"].as_u64().unwrap_or_default());
            let word = |status: &Value| status["state"].as_str().unwrap_or_default().to_owned();
            statuses.into_iter().flatten().map(word).collect()
        };
        state.deployments.iter().map(of).collect()
    }

    /// That all requests and answers were as they are described, and all faults met.
    ///
    /// # Panics
    /// Where one was not.
    pub fn is_right(&self) {
        let state = self.state();
        assert_eq!(state.mistakes, Vec::<String>::new());
        state.faults.are_met();
    }

    /// What it was asked: method, and path without the API's address, the repository and the query.
    #[must_use]
    pub fn requests(&self) -> Vec<String> {
        let own = format!("{}/repos/{REPOSITORY}", self.base);
        self.fake.received().iter().map(|request| request.line(&own)).collect()
    }

    /// The deployments with their statuses, the comments, what it was asked, and what was wrong with that.
    #[must_use]
    pub fn kept(&self) -> Value {
        let state = self.state();
        let with_statuses = |deployment: &Value| {
            let mut deployment = deployment.clone();
            deployment["statuses"] =
                state.statuses.get(&deployment["id"].as_u64().unwrap_or_default()).cloned().unwrap_or_default().into();
            deployment
        };
        let own = format!("{}/repos/{REPOSITORY}", self.base);
        json!({
            "deployments": state.deployments.iter().map(with_statuses).collect::<Vec<_>>(), "comments": state.comments,
            "requests": self.fake.received().iter().map(|request| request.told(&own)).collect::<Vec<_>>(),
            "mistakes": state.mistakes,
        })
    }

    /// The same as it came.
    #[must_use]
    pub fn received(&self) -> Vec<Request> {
        self.fake.received()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.fake.state()
    }
}
