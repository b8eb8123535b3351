//! A GitHub of our own on loopback, for tests: keeps deployments and their statuses, and can be told to fail.
//!
//! It takes nothing that the official description does not ([`super::description`]), and a request that no test expects
//! is a mistake that fails the test at [`Stub::end`].

use super::description::{DEPLOYMENTS, Operation, STATUSES, operations};
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use url::form_urlencoded;

/// The token that it lets in.
pub(super) const TOKEN: &str = "ghs_0123456789abcdefABCDEF";

/// What goes wrong with one request.
#[derive(Debug, Clone)]
pub(super) enum Fault {
    /// It is answered as it should be, and then a deployment like this one comes in.
    Before(Value),
    /// This is answered, and nothing done.
    Instead(u16, Vec<(&'static str, String)>, String),
    /// It is done, and then this is answered.
    After(u16, String),
    /// It is done, and nothing is ever answered.
    Silence,
    /// It is done, and the connection closed without an answer.
    Hangup,
}

/// A request as it came.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Request {
    /// Method and path, without the query: `POST /repos/acme/shop/deployments`.
    pub(super) line: String,
    pub(super) query: BTreeMap<String, String>,
    pub(super) body: Value,
}

#[derive(Debug, Default)]
struct Kept {
    requests: Vec<Request>,
    mistakes: Vec<String>,
    faults: VecDeque<(&'static str, Fault)>,
    deployments: Vec<Value>,
    statuses: BTreeMap<u64, Vec<Value>>,
    last: u64,
}

/// The server.
#[derive(Debug)]
pub(super) struct Stub {
    /// `http://127.0.0.1:PORT` and what the API's address has behind it.
    pub(super) api: String,
    kept: Arc<Mutex<Kept>>,
}

impl Stub {
    /// Starts it, with its paths behind `base`.
    pub(super) async fn start(base: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let api = format!("http://{}{base}", listener.local_addr().unwrap());
        let kept = Arc::new(Mutex::new(Kept::default()));
        let operations = Arc::new(operations());
        let serving = Serving { base, api: api.clone(), kept: Arc::clone(&kept), operations };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serving.clone().serve(stream));
            }
        });
        Self { api, kept }
    }

    /// The next request of this method and path's end fails so. In the order in which they are expected.
    pub(super) fn fail(&self, request: &'static str, fault: Fault) {
        self.kept.lock().unwrap().faults.push_back((request, fault));
    }

    /// A deployment that somebody else made.
    pub(super) fn add_deployment(&self, body: &Value) {
        let mut kept = self.kept.lock().unwrap();
        make_deployment(&mut kept, &self.api, "acme/shop", body);
    }

    /// A deployment with these states, oldest first. Its id.
    pub(super) fn add(&self, body: &Value, states: &[&str]) -> String {
        self.add_deployment(body);
        for state in states {
            self.add_status(&json!({ "state": state }));
        }
        self.deployments().last().unwrap()["id"].to_string()
    }

    /// A status that somebody else set on the newest deployment, of any state.
    pub(super) fn add_status(&self, body: &Value) {
        let mut kept = self.kept.lock().unwrap();
        let id = kept.deployments.last().unwrap()["id"].as_u64().unwrap();
        make_status(&mut kept, &self.api, "acme/shop", id, body);
    }

    /// The newest states of the deployments, oldest deployment first; none where one has no status.
    pub(super) fn newest_states(&self) -> Vec<Option<String>> {
        let kept = self.kept.lock().unwrap();
        let newest = |id: u64| Some(kept.statuses.get(&id)?.last()?["state"].as_str()?.to_owned());
        kept.deployments.iter().map(|deployment| newest(deployment["id"].as_u64()?)).collect()
    }

    /// The deployments there are, oldest first.
    pub(super) fn deployments(&self) -> Vec<Value> {
        self.kept.lock().unwrap().deployments.clone()
    }

    /// The states of the newest deployment, oldest first.
    pub(super) fn states(&self) -> Vec<String> {
        let kept = self.kept.lock().unwrap();
        let id = kept.deployments.last().unwrap()["id"].as_u64().unwrap();
        drop(kept);
        self.states_of(id)
    }

    /// The states of a deployment, oldest first.
    pub(super) fn states_of(&self, id: u64) -> Vec<String> {
        let kept = self.kept.lock().unwrap();
        kept.statuses
            .get(&id)
            .into_iter()
            .flatten()
            .map(|status| status["state"].as_str().unwrap().to_owned())
            .collect()
    }

    /// All requests, if there was nothing wrong with any of them and every fault was met.
    pub(super) fn end(&self) -> Vec<Request> {
        let kept = self.kept.lock().unwrap();
        assert_eq!(kept.mistakes, Vec::<String>::new());
        assert!(kept.faults.is_empty(), "never met: {:?}", kept.faults);
        kept.requests.clone()
    }
}

#[derive(Clone)]
struct Serving {
    base: &'static str,
    api: String,
    kept: Arc<Mutex<Kept>>,
    operations: Arc<BTreeMap<(String, String), Operation>>,
}

impl Serving {
    async fn serve(self, stream: TcpStream) {
        let mut stream = BufReader::new(stream);
        while let Some((head, body)) = read(&mut stream).await {
            let (fault, answer) = self.answer(&head, &body);
            let (status, headers, text) = match fault {
                None | Some(Fault::Before(_)) => (answer.0, vec![], answer.1.to_string()),
                Some(Fault::Instead(status, headers, text)) => (status, headers, text),
                Some(Fault::After(status, text)) => (status, vec![], text),
                Some(Fault::Hangup) => return,
                // Until the client hangs up.
                Some(Fault::Silence) => return drop(stream.read(&mut [0]).await),
            };
            let mut written = format!("HTTP/1.1 {status} _\r\ncontent-length: {}\r\n", text.len());
            for (name, value) in headers {
                written.push_str(&format!("{name}: {value}\r\n"));
            }
            written.push_str("\r\n");
            written.push_str(&text);
            if stream.write_all(written.as_bytes()).await.is_err() {
                return;
            }
        }
    }

    fn answer(&self, head: &[String], body: &str) -> (Option<Fault>, (u16, Value)) {
        let mut kept = self.kept.lock().unwrap();
        let mut words = head[0].split(' ');
        let (method, target) = (words.next().unwrap(), words.next().unwrap());
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let query: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let request = Request {
            line: format!("{method} {path}"),
            query: query.iter().cloned().collect(),
            body: serde_json::from_str(body).unwrap_or_default(),
        };
        kept.requests.push(request.clone());

        let segments: Vec<&str> = path.strip_prefix(self.base).unwrap_or_default().split('/').skip(1).collect();
        let (template, repository, id) = match segments.as_slice() {
            ["repos", owner, name, "deployments"] => (DEPLOYMENTS, format!("{owner}/{name}"), 0),
            ["repos", owner, name, "deployments", id, "statuses"] => {
                (STATUSES, format!("{owner}/{name}"), id.parse().unwrap_or_default())
            }
            _ => ("", String::new(), 0),
        };
        let operation = self.operations.get(&(method.to_owned(), template.to_owned()));
        let mut mistakes =
            operation.map_or_else(|| vec!["it is not expected".into()], |operation| operation.mistakes(&query, body));
        let header = |name: &str| {
            head.iter().filter_map(|line| line.split_once(": ")).find(|(key, _)| key.eq_ignore_ascii_case(name))
        };
        if header("authorization").is_none_or(|(_, value)| value != format!("Bearer {TOKEN}")) {
            mistakes.push("it has no token".into());
        }
        if header("user-agent").is_none() {
            mistakes.push("it does not say who asks".into());
        }
        if !mistakes.is_empty() {
            kept.mistakes.extend(mistakes.iter().map(|mistake| format!("{}: {mistake}", request.line)));
            return (None, (422, json!({"message": mistakes.join("; ")})));
        }

        let due = kept.faults.front().is_some_and(|(expected, _)| {
            let (of, end) = expected.split_once(' ').unwrap();
            of == method && path.ends_with(end)
        });
        let fault = if due { kept.faults.pop_front().map(|(_, fault)| fault) } else { None };
        if let Some(Fault::Instead(..)) = fault {
            return (fault, (0, Value::Null));
        }
        let (status, answer) = match (method, template) {
            ("GET", DEPLOYMENTS) => (200, list(&kept, &request.query)),
            ("POST", DEPLOYMENTS) => (201, make_deployment(&mut kept, &self.api, &repository, &request.body)),
            ("GET", _) => (200, kept.statuses.get(&id).into_iter().flatten().rev().cloned().collect()),
            _ => (201, make_status(&mut kept, &self.api, &repository, id, &request.body)),
        };
        // A state such as `waiting` is not described for answers either, and GitHub answers with it.
        let described = !(method == "GET" && template == STATUSES);
        if let Some(Fault::Before(late)) = &fault {
            make_deployment(&mut kept, &self.api, &repository, late);
        }
        if let Some(operation) = operation.filter(|_| described) {
            let wrong = operation.wrong_answer(status, &answer);
            kept.mistakes.extend(wrong);
        }
        (fault, (status, answer))
    }
}

async fn read(stream: &mut BufReader<TcpStream>) -> Option<(Vec<String>, String)> {
    let mut head = vec![];
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        match line.trim_end() {
            "" => break,
            line => head.push(line.to_owned()),
        }
    }
    let length = head
        .iter()
        .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok())
        .unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some((head, String::from_utf8(body).ok()?))
}

/// Newest first, as GitHub lists them.
fn list(kept: &Kept, query: &BTreeMap<String, String>) -> Value {
    let number = |name: &str, otherwise: usize| query.get(name).map_or(otherwise, |value| value.parse().unwrap());
    let fits = |deployment: &&Value| {
        ["sha", "environment", "task"]
            .iter()
            .all(|name| query.get(*name).is_none_or(|value| deployment[*name] == **value))
    };
    let (page, size) = (number("page", 1), number("per_page", 30));
    kept.deployments.iter().rev().filter(fits).skip((page - 1) * size).take(size).cloned().collect()
}

fn make_deployment(kept: &mut Kept, api: &str, repository: &str, body: &Value) -> Value {
    kept.last += 1;
    let id = kept.last;
    let own = format!("{api}/repos/{repository}/deployments/{id}");
    let made = json!({
        "id": id, "node_id": format!("D_{id}"), "url": own, "statuses_url": format!("{own}/statuses"),
        "repository_url": format!("{api}/repos/{repository}"),
        "sha": body["ref"], "ref": body["ref"], "task": body["task"], "environment": body["environment"],
        "payload": body["payload"], "description": body["description"], "creator": null,
        "created_at": "2026-11-20T12:00:00Z", "updated_at": "2026-11-20T12:00:00Z",
        "production_environment": body["production_environment"] == true, "transient_environment": body["transient_environment"] == true,
    });
    kept.deployments.push(made.clone());
    made
}

fn make_status(kept: &mut Kept, api: &str, repository: &str, deployment: u64, body: &Value) -> Value {
    kept.last += 1;
    let id = kept.last;
    let own = format!("{api}/repos/{repository}/deployments/{deployment}");
    let log = body["log_url"].as_str().unwrap_or("https://ci.invalid/none");
    let made = json!({
        "id": id, "node_id": format!("S_{id}"), "url": format!("{own}/statuses/{id}"), "deployment_url": own,
        "repository_url": format!("{api}/repos/{repository}"), "creator": null, "state": body["state"],
        "description": body["description"], "log_url": log, "target_url": log,
        "created_at": "2026-11-20T12:00:00Z", "updated_at": "2026-11-20T12:00:00Z",
    });
    kept.statuses.entry(deployment).or_default().push(made.clone());
    made
}
