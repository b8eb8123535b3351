//! The file with the event that began a workflow's run (`GITHUB_EVENT_PATH`), as "Webhook events and payloads" describes it. What
//! GitHub's variables say of a pull request they say only where the run is of its own branch.

use serde::Deserialize;

/// What a run is about, as far as its event says it.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct About {
    /// The number of the pull request.
    pub(super) request: Option<u64>,
    /// Whether the pull request comes from another repository.
    pub(super) is_fork: Option<bool>,
}

/// The default branch of the repository, and the branch that the run was of that this one follows, as the event in this file
/// says; none where it does not.
pub(super) fn branches(path: &str) -> (Option<String>, Option<String>) {
    let event = read(path);
    let default = event.as_ref().and_then(|event| event.repository.as_ref()?.default_branch.clone());
    (default, event.and_then(|event| event.workflow_run?.head_branch))
}

/// An event, as far as we read it. Which one it is its keys say.
#[derive(Debug, Deserialize)]
struct Event {
    repository: Option<Repository>,
    /// Of `pull_request`, `pull_request_target`, and of reviews.
    pull_request: Option<PullRequest>,
    /// Of `issue_comment`.
    issue: Option<Issue>,
    workflow_run: Option<WorkflowRun>,
}

#[derive(Debug, Deserialize)]
struct Repository {
    id: u64,
    default_branch: Option<String>,
}

#[derive(Debug, Deserialize)]
struct PullRequest {
    number: u64,
    head: Side,
    base: Side,
}

#[derive(Debug, Deserialize)]
struct Side {
    /// None where it is not there any more: only a fork can go.
    repo: Option<Repository>,
}

#[derive(Debug, Deserialize)]
struct Issue {
    number: u64,
    /// There where it is a pull request.
    pull_request: Option<serde::de::IgnoredAny>,
}

#[derive(Debug, Deserialize)]
struct WorkflowRun {
    head_branch: Option<String>,
    head_repository: Option<Repository>,
    /// Those with the same head, also into other repositories. None where the head is a fork.
    #[serde(default)]
    pull_requests: Vec<PullRequest>,
}

impl Side {
    fn is(&self, other: &Repository) -> bool {
        self.repo.as_ref().is_some_and(|repository| repository.id == other.id)
    }
}

impl Event {
    fn about(&self) -> About {
        if let Some(PullRequest { number, head, base }) = &self.pull_request {
            let is_here = base.repo.as_ref().is_some_and(|base| head.is(base));
            return About { request: Some(*number), is_fork: Some(!is_here) };
        }
        if let Some(Issue { number, pull_request: Some(_) }) = &self.issue {
            return About { request: Some(*number), is_fork: None };
        }
        let (Some(run), Some(here)) = (&self.workflow_run, &self.repository) else { return About::default() };
        let mut into: Vec<u64> = run.pull_requests.iter().filter(|it| it.base.is(here)).map(|it| it.number).collect();
        About {
            // Of several nobody knows which one is meant.
            request: into.pop().filter(|_| into.is_empty()),
            is_fork: Some(run.head_repository.as_ref().is_none_or(|head| head.id != here.id)),
        }
    }
}

/// What the event in this file says; nothing where there is no such file, or none that can be read.
pub(super) fn about(path: &str) -> About {
    read(path).map(|event| event.about()).unwrap_or_default()
}

fn read(path: &str) -> Option<Event> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::{About, about};
    use serde_json::{Value, json};

    /// GitHub's own examples, written by `scripts/github-description`.
    const EVENTS: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/github-events.json"));

    fn example(name: &str) -> Value {
        serde_json::from_str::<Value>(EVENTS).unwrap()["events"][name].clone()
    }

    fn read(event: &Value) -> About {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, event.to_string()).unwrap();
        about(file.path().to_str().unwrap())
    }

    fn of(request: Option<u64>, is_fork: Option<bool>) -> About {
        About { request, is_fork }
    }

    #[test]
    fn a_pull_request_has_its_number_and_is_a_fork_where_its_head_is_elsewhere() {
        // `pull_request_target` has the same file.
        let mut event = example("pull_request");
        assert_eq!(read(&event), of(Some(2), Some(false)));
        event["pull_request"]["head"]["repo"]["id"] = json!(99);
        assert_eq!(read(&event), of(Some(2), Some(true)));
        event["pull_request"]["head"]["repo"] = Value::Null;
        assert_eq!(read(&event), of(Some(2), Some(true)), "it is gone");
        assert_eq!(read(&example("pull_request_review")), of(Some(2), Some(false)));
    }

    #[test]
    fn a_comment_is_on_a_pull_request_or_on_an_issue() {
        let mut event = example("issue_comment");
        assert_eq!(read(&event), of(None, None), "an issue");
        event["issue"]["pull_request"] =
            json!({ "url": "https://api.github.com/repos/Codertocat/Hello-World/pulls/1" });
        assert_eq!(read(&event), of(Some(1), None));
    }

    #[test]
    fn a_run_after_another_one_is_of_its_one_pull_request_here() {
        let mut event = example("workflow_run");
        assert_eq!(read(&event), of(None, Some(false)), "the one that it has is of another repository");
        let id = event["repository"]["id"].clone();
        event["workflow_run"]["pull_requests"][0]["base"]["repo"]["id"] = id;
        assert_eq!(read(&event), of(Some(2), Some(false)));
        let first = event["workflow_run"]["pull_requests"][0].clone();
        event["workflow_run"]["pull_requests"].as_array_mut().unwrap().push(first);
        assert_eq!(read(&event), of(None, Some(false)), "nobody knows which");
        event["workflow_run"]["pull_requests"] = json!([]);
        event["workflow_run"]["head_repository"]["id"] = json!(99);
        assert_eq!(read(&event), of(None, Some(true)));
    }

    #[test]
    fn other_events_and_other_files_say_nothing() {
        assert_eq!(read(&example("push")), About::default());
        assert_eq!(read(&json!({ "schedule": "5 4 * * *" })), About::default());
        assert_eq!(read(&json!("text")), About::default());
        assert_eq!(about("/no/such/file"), About::default());
    }
}
