//! A GitLab on loopback, in a sub-path as many companies have it. It keeps deployments, takes nothing that its description does
//! not (`tests/fixtures/gitlab-requests.json`, which `scripts/gitlab-description` makes from GitLab's documentation and from
//! what its Python client sends), and refuses what the real one refuses: wrong tokens, a state that cannot follow on the
//! present one, and changes of a deployment that a CI job made.

mod answers;
mod approvals;
mod environments;
mod notes;
mod packages;
mod pages;
mod repository;

pub use crate::fault::Fault;

use crate::fault::{Draw, Faults};
use crate::server::{Answer, Fake, Request};
use environments::Environment;
use packages::Package;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::MutexGuard;
use url::form_urlencoded;

/// The token of the job.
pub const JOB_TOKEN: &str = "glcbt-64_0123456789abcdef";
/// The token of a person.
pub const TOKEN: &str = "glpat-0123456789abcdef0123";
/// The project's number.
pub const PROJECT: u64 = 42;
/// The job's number.
pub const JOB: u64 = 9001;
/// The number of its pipeline.
pub const PIPELINE: u64 = 88;
/// Whoever the token of a person belongs to.
pub const PERSON: &str = "bob";
/// Who began the pipeline; the token of its job speaks for them.
pub const STARTER: &str = "root";
/// What the API's address has behind the server's.
const BASE: &str = "/sub/gitlab/api/v4";

/// A request, as far as it is understood.
#[derive(Debug)]
struct Asked<'a> {
    operation: &'a Operation,
    who: &'a str,
    /// The path's, still percent-encoded: `projects` first.
    segments: Vec<&'a str>,
    query: BTreeMap<String, String>,
    /// None where it is a file.
    body: Value,
}

impl Asked<'_> {
    fn name(&self) -> &str {
        &self.operation.name
    }

    /// A segment of the path, decoded.
    fn part(&self, place: usize) -> String {
        self.segments.get(place).map(|segment| decoded(segment)).unwrap_or_default()
    }

    /// A segment of the path as a number.
    fn number(&self, place: usize) -> u64 {
        self.segments.get(place).and_then(|segment| segment.parse().ok()).unwrap_or_default()
    }

    /// A parameter of the query.
    fn query(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str)
    }
}

#[derive(Debug, Default)]
struct State {
    deployments: Vec<Value>,
    environments: Vec<Environment>,
    history: BTreeMap<u64, Vec<String>>,
    /// What was said to a deployment: who, `approved` or `rejected`, and why; with the group on whose behalf it counts.
    approvals: BTreeMap<u64, Vec<(Value, Option<String>)>>,
    shows_rules_alone: bool,
    /// Tokens of other persons, and whose they are.
    persons: BTreeMap<String, String>,
    /// The files in the artifacts of jobs.
    artifacts: BTreeMap<(u64, String), String>,
    /// How many jobs of the pipeline have none, with the numbers from 1 on.
    others: u64,
    faults: Faults,
    mistakes: Vec<String>,
    is_token_expired: bool,
    freezes: Vec<Value>,
    packages: Vec<Package>,
    /// The branches of the repository, and the files there.
    branches: BTreeMap<String, BTreeMap<String, String>>,
    /// The statuses of pipelines and jobs by their numbers, where they are not `running`.
    pipelines: BTreeMap<u64, String>,
    jobs: BTreeMap<u64, String>,
    /// The last number that was given to something other than a deployment.
    last: u64,
    /// By merge request: the author and the text of each note; a note's id is its place, from 301 on.
    notes: BTreeMap<u64, Vec<(String, String)>>,
}

/// The fake.
#[derive(Debug)]
pub struct GitLab(Fake<State>);

impl Default for GitLab {
    fn default() -> Self {
        Self::start()
    }
}

impl GitLab {
    /// One project without deployments.
    #[must_use]
    pub fn start() -> Self {
        let operations = operations();
        Self(Fake::start(State::default(), move |state, request| {
            let late = state.faults.late();
            let answer = state.answer(request, &operations, false);
            late.iter().for_each(|request| drop(state.answer(request, &operations, true)));
            answer
        }))
    }

    /// The variables of a job here. `environment` is what it has as `environment:`.
    #[must_use]
    pub fn variables(&self, environment: Option<&str>) -> Vec<(&'static str, String)> {
        let mut variables = vec![
            ("CI", "true".to_owned()),
            ("GITLAB_CI", "true".to_owned()),
            ("CI_API_V4_URL", self.0.url(BASE)),
            ("CI_PROJECT_ID", PROJECT.to_string()),
            ("CI_PROJECT_URL", "https://gitlab.example/acme/shop".to_owned()),
            ("CI_COMMIT_SHA", crate::COMMIT.to_owned()),
            ("CI_COMMIT_REF_NAME", "main".to_owned()),
            ("CI_JOB_ID", JOB.to_string()),
            ("CI_PIPELINE_ID", PIPELINE.to_string()),
            ("CI_JOB_URL", format!("https://gitlab.example/acme/shop/-/jobs/{JOB}")),
            ("CI_JOB_TOKEN", JOB_TOKEN.to_owned()),
        ];
        variables.extend(environment.map(|name| ("CI_ENVIRONMENT_NAME", name.to_owned())));
        variables
    }

    /// The next request of this method and path's end fails so. In the order in which they are expected.
    pub fn fail(&self, request: &str, fault: Fault) {
        self.state().faults.expect(request, fault);
    }

    /// From now on each request may fail as it is drawn; nothing is drawn any more where there is none.
    pub fn draw(&self, draw: Option<Draw>) {
        self.state().faults.draw(draw);
    }

    /// The job that made a deployment ends so.
    ///
    /// # Panics
    /// Where there is no such deployment.
    pub fn end(&self, id: u64, status: &str) {
        let mut state = self.state();
        state.history.entry(id).or_default().push(status.to_owned());
        let found = state.deployments.iter_mut().find(|deployment| deployment["id"] == id);
        let found = found.expect("the deployment");
        found["status"] = status.into();
        if found["deployable"].is_object() {
            found["deployable"]["status"] = status.into();
        }
    }

    /// A freeze period of the project, in UTC.
    pub fn freeze(&self, from: &str, until: &str) {
        let mut state = self.state();
        let now = jiff::Timestamp::now().to_string();
        let id = state.freezes.len() + 1;
        state.freezes.push(json!({
            "id": id, "freeze_start": from, "freeze_end": until, "cron_timezone": "UTC", "created_at": now, "updated_at": now,
        }));
    }

    /// From here on no token is good any more, or, said again, each is.
    pub fn expire_tokens(&self) {
        let mut state = self.state();
        state.is_token_expired = !state.is_token_expired;
    }

    /// A deployment of the same commit that is there already; of this job where it has one.
    pub fn add(&self, environment: &str, status: &str, reference: &str, job: Option<u64>) -> u64 {
        self.add_of(crate::COMMIT, environment, status, reference, job)
    }

    /// The same of any commit.
    pub fn add_of(&self, sha: &str, environment: &str, status: &str, reference: &str, job: Option<u64>) -> u64 {
        let body = json!({ "environment": environment, "sha": sha, "ref": reference, "tag": false, "status": status });
        self.state().make(&body, job)
    }

    /// The job that waits for approvals before it deploys begins, or ends.
    pub fn set(&self, id: u64, status: &str) {
        let mut state = self.state();
        let deployment = state.deployments.iter_mut().find(|deployment| deployment["id"] == id).expect("a deployment");
        deployment["status"] = status.into();
    }

    /// A job has handed a file on.
    pub fn hand_on(&self, job: u64, path: &str, text: &str) {
        self.state().artifacts.insert((job, path.to_owned()), text.to_owned());
    }

    /// So many jobs of the pipeline that have handed nothing on.
    pub fn add_jobs(&self, count: u64) {
        self.state().others = count;
    }

    /// For each deployment its states, in order.
    ///
    /// # Panics
    /// Where there was a request that the description does not allow, or a fault that was never met.
    #[must_use]
    pub fn states(&self) -> Vec<Vec<String>> {
        let state = self.state();
        assert_eq!(state.mistakes, Vec::<String>::new());
        state.faults.are_met();
        state.history.values().cloned().collect()
    }

    /// The deployments, oldest first.
    #[must_use]
    pub fn deployments(&self) -> Vec<Value> {
        self.state().deployments.clone()
    }

    /// A merge request, with notes that somebody else has written.
    pub fn add_request(&self, number: u64, notes: &[(&str, &str)]) {
        let notes = notes.iter().map(|(author, text)| ((*author).to_owned(), (*text).to_owned()));
        self.state().notes.insert(number, notes.collect());
    }

    /// The notes on a merge request, oldest first: who, and what.
    #[must_use]
    pub fn notes(&self, number: u64) -> Vec<(String, String)> {
        self.state().notes.get(&number).cloned().unwrap_or_default()
    }

    /// What it was asked: method, and path without the API's address.
    #[must_use]
    pub fn requests(&self) -> Vec<String> {
        self.0.received().iter().map(|request| request.line(BASE)).collect()
    }

    /// The deployments with their states, the environments with theirs, the notes, what it was asked, and what was wrong with that.
    #[must_use]
    pub fn kept(&self) -> Value {
        let state = self.state();
        let with_states = |deployment: &Value| {
            let mut deployment = deployment.clone();
            let states = state.history.get(&deployment["id"].as_u64().unwrap_or_default());
            deployment["states"] = states.cloned().unwrap_or_default().into();
            deployment
        };
        let environments: BTreeMap<&str, &str> = state.environments.iter().map(Environment::standing).collect();
        json!({
            "deployments": state.deployments.iter().map(with_states).collect::<Vec<_>>(), "notes": state.notes,
            "environments": environments,
            "requests": self.0.received().iter().map(|request| request.told(BASE)).collect::<Vec<_>>(),
            "mistakes": state.mistakes,
        })
    }

    /// The header that each request had its token in.
    #[must_use]
    pub fn tokens(&self) -> Vec<&'static str> {
        let header =
            |request: &Request| if request.header("private-token").is_some() { "private-token" } else { "job-token" };
        self.0.received().iter().map(header).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state()
    }
}

impl State {
    fn answer(&mut self, request: &Request, operations: &[Operation], is_late: bool) -> Answer {
        let (answer, mistakes) = self.judged(request, operations, is_late);
        self.mistakes.extend(mistakes);
        answer
    }

    /// The answer, and what is wrong with the request or with it.
    fn judged(&mut self, request: &Request, operations: &[Operation], is_late: bool) -> (Answer, Vec<String>) {
        let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
        let query: BTreeMap<String, String> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let line = format!("{} {path}", request.method);
        let route = path.strip_prefix(BASE).unwrap_or_default();
        let body = request.json().unwrap_or_default();
        let Some(operation) = operations.iter().find(|it| it.method == request.method && it.fits(route)) else {
            return (Answer::new(404, r#"{"error":"404 Not Found"}"#), vec![format!("{line}: it is not expected")]);
        };
        // The body of this one is a file.
        let is_file = operation.name == "upload_generic_package";
        let body = if is_file { Value::Null } else { body };
        let mut mistakes = operation.mistakes(&query, &body, !request.body.is_empty() && !is_file);
        let who = match (request.header("job-token"), request.header("private-token")) {
            (Some(JOB_TOKEN), _) => Some(STARTER.to_owned()),
            (None, Some(TOKEN)) => Some(PERSON.to_owned()),
            (None, Some(token)) => self.persons.get(token).cloned(),
            _ => None,
        };
        if who.is_none() {
            mistakes.push("its token is not one that there is".into());
        }
        if request.header("user-agent").is_none_or(|agent| !agent.starts_with("windlass/")) {
            mistakes.push("it does not say who asks".into());
        }
        let Some(who) = who.filter(|_| mistakes.is_empty()) else {
            let told = mistakes.iter().map(|mistake| format!("{line}: {mistake}")).collect();
            return (Answer::new(400, json!({ "error": mistakes.join("; ") }).to_string()), told);
        };
        if self.is_token_expired || (operation.job_token == "no" && request.header("job-token").is_some()) {
            return (Answer::new(401, r#"{"message":"401 Unauthorized"}"#), vec![]);
        }
        let asked = Asked { operation, who: &who, segments: route.split('/').skip(1).collect(), query, body };
        let fault = if is_late { None } else { self.faults.due(request) };
        let mut wrong = vec![];
        let answer = Fault::befall(fault, || {
            let answer = operation.too_long(&asked.body).unwrap_or_else(|| self.act(&asked, &request.body));
            let answer = pages::paged(operation, &request.path, &asked.query, answer);
            wrong.extend(answers::mistakes(operation, &answer).into_iter().map(|mistake| format!("{line}: {mistake}")));
            answer
        });
        (answer, wrong)
    }

    fn act(&mut self, asked: &Asked<'_>, bytes: &[u8]) -> Answer {
        match asked.name() {
            "get_job_of_token" => return self.job_of_token(),
            "get_user" => return answer(200, &json!({ "id": 7, "username": asked.who, "name": asked.who })),
            _ if asked.number(1) != PROJECT => {
                return Answer::new(404, r#"{"message":"404 Project Not Found"}"#);
            }
            _ => {}
        }
        let id = asked.number(3);
        match (asked.name(), self.deployments.iter().position(|deployment| deployment["id"] == id)) {
            ("list_freeze_periods", _) => answer(200, &self.freezes.clone().into()),
            ("list_deployments", _) => answer(200, &self.list(&asked.query)),
            ("create_deployment", _) => {
                let id = self.make(&asked.body, None);
                let made = self.deployments.iter().find(|deployment| deployment["id"] == id);
                answer(201, made.unwrap_or(&Value::Null))
            }
            ("get_deployment", Some(place)) => answer(200, &self.detail(place)),
            ("approve_deployment", Some(place)) => self.approve(place, asked.who, &asked.body),
            ("list_pipeline_jobs", _) => answer(200, &self.jobs(id)),
            ("get_job_artifact", _) => match self.artifacts.get(&(id, asked.part(5))) {
                Some(text) => Answer::new(200, text.clone()),
                None => missing(),
            },
            ("delete_deployment", Some(place)) => self.delete(place),
            ("list_notes" | "create_note" | "update_note", _) => self.talk(asked),
            ("update_deployment", Some(place)) => self.update(place, &asked.body, asked.operation.transitions.as_ref()),
            _ => self
                .act_on_environments(asked)
                .or_else(|| self.act_on_packages(asked, bytes))
                .or_else(|| self.act_on_repository(asked))
                .or_else(|| self.act_on_jobs(asked))
                .unwrap_or_else(missing),
        }
    }

    fn delete(&mut self, place: usize) -> Answer {
        let (status, environment) =
            (&self.deployments[place]["status"], self.deployments[place]["environment"]["name"].clone());
        let last = self.deployments.iter().rposition(|it| it["environment"]["name"] == environment);
        if *status == "running" || last == Some(place) {
            return answer(400, &json!({ "message": "Cannot destroy running or the last deployment" }));
        }
        self.deployments.remove(place);
        Answer::new(204, "")
    }

    /// The jobs of a pipeline: those of its deployments, and those that have handed something on.
    fn jobs(&self, pipeline: u64) -> Value {
        if pipeline != PIPELINE {
            return json!([]);
        }
        let job = |id| (id, json!({ "id": id, "name": "test", "status": "success" }));
        let mut jobs: BTreeMap<u64, Value> = (1..=self.others).map(job).collect();
        for (job, path) in self.artifacts.keys() {
            let file = json!({ "filename": "artifacts.zip", "size": 1000 });
            jobs.insert(*job, json!({ "id": job, "name": path, "status": "success", "artifacts_file": file }));
        }
        jobs.into_values().collect()
    }

    fn update(&mut self, place: usize, body: &Value, transitions: Option<&Transitions>) -> Answer {
        let deployment = &mut self.deployments[place];
        if !deployment["deployable"].is_null() {
            let message = "Deployments created using GitLab CI can not be updated using the API";
            return answer(403, &json!({ "message": format!("403 Forbidden - {message}") }));
        }
        let (now, new) =
            (deployment["status"].as_str().unwrap_or_default(), body["status"].as_str().unwrap_or_default());
        let may_follow = transitions.and_then(|transitions| transitions.to.get(new));
        if !may_follow.is_some_and(|before| before.iter().any(|before| before == now)) {
            let message = format!("Status cannot transition from {now} to {new}");
            return answer(400, &json!({ "message": { "status": [message] } }));
        }
        let id = deployment["id"].as_u64().unwrap_or_default();
        self.history.entry(id).or_default().push(new.to_owned());
        deployment["status"] = new.into();
        answer(200, &self.deployments[place])
    }

    fn list(&self, query: &BTreeMap<String, String>) -> Value {
        let fits = |deployment: &&Value| {
            query.get("environment").is_none_or(|name| deployment["environment"]["name"] == **name)
                && query.get("status").is_none_or(|status| deployment["status"] == **status)
        };
        let mut found: Vec<&Value> = self.deployments.iter().filter(fits).collect();
        if query.get("sort").map(String::as_str) == Some("desc") {
            found.reverse();
        }
        found.into_iter().cloned().collect()
    }

    fn make(&mut self, body: &Value, job: Option<u64>) -> u64 {
        let name = body["environment"].as_str().unwrap_or_default().to_owned();
        let environment = self.environment(&name);
        let newest = self.history.keys().next_back().copied();
        let id = newest.map_or(100, |newest| newest + 1);
        let now = jiff::Timestamp::now().to_string();
        self.deployments.push(json!({
            "id": id, "iid": self.deployments.len() + 1, "ref": body["ref"], "sha": body["sha"], "status": body["status"],
            "created_at": now, "updated_at": now, "user": { "id": 1, "username": STARTER, "name": "Administrator" },
            "environment": { "id": environment, "name": name, "external_url": self.url_of_environment(environment) },
            "deployable": job.map(job_of_deployment),
        }));
        self.history.insert(id, vec![body["status"].as_str().unwrap_or_default().to_owned()]);
        id
    }
}

fn job_of_deployment(job: u64) -> Value {
    let page = format!("https://gitlab.example/acme/shop/-/pipelines/{PIPELINE}");
    let pipeline = json!({ "id": PIPELINE, "status": "running", "web_url": page });
    json!({ "id": job, "status": "running", "name": "deploy", "pipeline": pipeline })
}

fn decoded(segment: &str) -> String {
    let pair = format!("a={segment}");
    form_urlencoded::parse(pair.as_bytes()).next().map(|(_, value)| value.into_owned()).unwrap_or_default()
}

fn missing() -> Answer {
    answer(404, &json!({ "message": "404 Not found" }))
}

fn answer(status: u16, value: &Value) -> Answer {
    Answer::new(status, value.to_string()).header("content-type", "application/json")
}

/// What the description says of one method of one path.
#[derive(Debug, Deserialize)]
struct Operation {
    name: String,
    method: String,
    path: String,
    query: Vec<String>,
    required: Vec<String>,
    optional: Vec<String>,
    /// The values that an attribute or a query parameter may have, where it may not have all.
    values: BTreeMap<String, Vec<String>>,
    types: BTreeMap<String, String>,
    limits: BTreeMap<String, Value>,
    transitions: Option<Transitions>,
    /// Whether a job's token will do: `yes`, `no`, or only in newer versions.
    job_token: String,
    answer: answers::Right,
}

/// For each new status those that it may follow.
#[derive(Debug, Deserialize)]
struct Transitions {
    to: BTreeMap<String, Vec<String>>,
}

/// `tests/fixtures/gitlab-requests.json`.
const DESCRIPTION: &str = include_str!("../fixtures/gitlab-requests.json");

fn operations() -> Vec<Operation> {
    #[derive(Deserialize)]
    struct Description {
        operations: Vec<Operation>,
    }
    serde_json::from_str::<Description>(DESCRIPTION).expect("the description").operations
}

/// Whether a value is of a type of the description.
fn is_of(kind: &str, value: &Value) -> bool {
    match kind {
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64(),
        "array" => value.is_array(),
        _ => false,
    }
}

impl Operation {
    fn fits(&self, route: &str) -> bool {
        let (mut wanted, mut there) = (self.path.split('/'), route.split('/'));
        wanted.by_ref().zip(there.by_ref()).all(|(wanted, there)| wanted.starts_with('{') || wanted == there)
            && self.path.split('/').count() == route.split('/').count()
    }

    /// The refusal of a text that is longer than GitLab takes.
    fn too_long(&self, body: &Value) -> Option<Answer> {
        let limit = |name: &str| self.limits.get(name).and_then(|limit| limit["max_length"].as_u64());
        body.as_object().into_iter().flatten().find_map(|(name, value)| {
            let (most, length) = (limit(name)?, value.as_str()?.chars().count());
            let words = format!("{name} is too long (maximum is {most} characters)");
            (length as u64 > most).then(|| answer(400, &json!({ "message": words })))
        })
    }

    fn mistakes(&self, query: &BTreeMap<String, String>, body: &Value, has_body: bool) -> Vec<String> {
        let mut mistakes = vec![];
        let known = |name: &str| self.required.iter().chain(&self.optional).any(|known| known == name);
        let allowed = |name: &str, value: &str| {
            self.values.get(name).is_none_or(|values| values.iter().any(|allowed| allowed == value))
        };
        for (name, value) in query {
            let most = self.limits.get(name).and_then(|limit| limit["maximum"].as_u64());
            let much = most.is_some_and(|most| value.parse::<u64>().map_or(true, |value| value > most));
            if !self.query.contains(name) || !allowed(name, value) || much {
                mistakes.push(format!("no query parameter is `{name}={value}`"));
            }
        }
        if has_body && body.as_object().is_none() {
            mistakes.push("its body is no JSON object".into());
        }
        for (name, value) in body.as_object().into_iter().flatten() {
            let kind = self.types.get(name).is_some_and(|kind| is_of(kind, value));
            if !known(name) || !kind || value.as_str().is_some_and(|value| !allowed(name, value)) {
                mistakes.push(format!("no attribute is `{name}: {value}`"));
            }
        }
        mistakes.extend(
            self.required
                .iter()
                .filter(|name| body[name.as_str()].is_null())
                .map(|name| format!("`{name}` is missing")),
        );
        mistakes
    }
}
