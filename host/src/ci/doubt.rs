//! Whether what is checked out in a job may be somebody's whom the project does not trust.

use super::{Variables, event};
use crate::variable;

/// Why what is checked out in a job may be nobody's whom the project trusts: then it gets no secrets, and changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Doubt {
    /// It is for a pull or merge request from another repository.
    Fork,
    /// It is for a pull request, and nothing says from which repository.
    Unknown,
    /// Another commit is checked out than the job is for, and nobody says whose.
    Another,
    /// It is for a branch, or for a pull or merge request, that everybody who may push can change: not a tag, not the default
    /// branch, and the forge protects it by no rule.
    Unprotected,
}

impl std::fmt::Display for Doubt {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Fork => "the job is for a pull request from a fork",
            Self::Unknown => "the job is for a pull request, and its event does not say from which repository",
            Self::Another => "another commit is checked out than the job is for, which may be a fork's",
            Self::Unprotected => "the forge does not protect the branch that the job is for",
        })
    }
}

/// What is doubtful about a job of GitHub's, and what would be if another commit than its own is checked out.
pub(super) fn on_github(variables: &Variables, is_fork: Option<bool>, is_tag: bool) -> (Option<Doubt>, Option<Doubt>) {
    let (default, followed) = variables.get(variable::GITHUB_EVENT_PATH).map(event::branches).unwrap_or_default();
    let is_default = |branch: Option<&str>| default.is_some() && default.as_deref() == branch;
    let protected = variables.get(variable::GITHUB_REF_PROTECTED);
    let name = variables.get(variable::GITHUB_REF_NAME);
    let is_request = variables.get(variable::GITHUB_REF).is_some_and(|name| name.starts_with("refs/pull/"));
    match variables.get(variable::GITHUB_EVENT_NAME) {
        Some("pull_request") if is_fork.is_none() => (Some(Doubt::Unknown), None),
        _ if is_request && is_fork.is_none() => (Some(Doubt::Unknown), None),
        // It runs on the default branch, and its event names no repository.
        Some("schedule") => (None, None),
        // It runs on the default branch after a run of any other, and is about that one.
        Some("workflow_run") => (doubt(is_fork.or(Some(true)), Some("false"), is_default(followed.as_deref())), None),
        // They run on the branch that it is to be merged into.
        Some("pull_request_target" | "issue_comment") => {
            let others = match is_fork {
                Some(true) => Doubt::Fork,
                Some(false) => Doubt::Unprotected,
                None => Doubt::Another,
            };
            (doubt(is_fork, protected, is_tag || is_default(name)), Some(others))
        }
        _ => (doubt(is_fork, protected, is_tag || is_default(name)), None),
    }
}

/// What is doubtful about a job of GitLab's.
pub(super) fn on_gitlab(variables: &Variables, is_fork: Option<bool>, is_tag: bool) -> Option<Doubt> {
    let (branch, default) = (variables.get(variable::CI_COMMIT_REF_NAME), variables.get(variable::CI_DEFAULT_BRANCH));
    let is_request = variables.get(variable::CI_MERGE_REQUEST_IID).is_some();
    let is_settled = !is_request && (is_tag || (branch.is_some() && branch == default));
    doubt(is_fork, variables.get(variable::CI_COMMIT_REF_PROTECTED), is_settled)
}

/// What is doubtful, of a branch that the forge says it protects, or does not, or says nothing of.
fn doubt(is_fork: Option<bool>, protected: Option<&str>, is_settled: bool) -> Option<Doubt> {
    match protected {
        _ if is_fork == Some(true) => Some(Doubt::Fork),
        Some("false") if !is_settled => Some(Doubt::Unprotected),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::Doubt;
    use crate::ci::{Facts, facts};

    fn of(pairs: &[(&str, &str)]) -> Facts {
        facts(&pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn what_anybody_may_have_pushed_is_doubtful() {
        let directory = tempfile::tempdir().unwrap();
        let github = |event: serde_json::Value, pairs: &[(&str, &str)]| {
            let file = directory.path().join("event.json");
            std::fs::write(&file, event.to_string()).unwrap();
            let job = [("GITHUB_ACTIONS", "true"), ("GITHUB_REPOSITORY", "acme/shop")];
            of(&[&job[..], &[("GITHUB_EVENT_PATH", file.to_str().unwrap())], pairs].concat()).doubt
        };
        let here = || serde_json::json!({ "repository": { "id": 1, "default_branch": "main" } });
        let side = |id: u32| serde_json::json!({ "repo": { "id": id } });
        let request = |from| {
            serde_json::json!({
                "repository": { "id": 1, "default_branch": "main" },
                "pull_request": { "number": 9, "head": side(from), "base": side(1) },
            })
        };
        let open = ("GITHUB_REF_PROTECTED", "false");
        let name = |name| ("GITHUB_REF_NAME", name);
        assert_eq!(github(request(2), &[]), Some(Doubt::Fork));
        assert_eq!(github(request(2), &[("GITHUB_REF_PROTECTED", "true")]), Some(Doubt::Fork));
        assert_eq!(github(request(1), &[open, name("9/merge")]), Some(Doubt::Unprotected));
        assert_eq!(github(here(), &[open, name("topic")]), Some(Doubt::Unprotected));
        assert_eq!(github(here(), &[open, name("main")]), None, "nobody protects it less than any other");
        assert_eq!(github(here(), &[open, name("v1"), ("GITHUB_REF_TYPE", "tag")]), None);
        assert_eq!(github(here(), &[("GITHUB_REF_PROTECTED", "true"), name("topic")]), None);
        assert_eq!(github(here(), &[name("topic")]), None, "it does not say");
        assert_eq!(github(serde_json::json!({}), &[open]), Some(Doubt::Unprotected), "it does not say which is which");

        let event = |name| ("GITHUB_EVENT_NAME", name);
        let protected = ("GITHUB_REF_PROTECTED", "true");
        assert_eq!(github(here(), &[protected, name("9/merge"), event("pull_request")]), Some(Doubt::Unknown));
        let of_request = ("GITHUB_REF", "refs/pull/9/merge");
        assert_eq!(github(serde_json::json!({}), &[of_request, name("9/merge")]), Some(Doubt::Unknown));
        assert_eq!(github(request(1), &[protected, of_request, event("pull_request")]), None);
        let schedule = serde_json::json!({ "schedule": "5 4 * * *" });
        assert_eq!(github(schedule, &[open, name("main"), event("schedule")]), None);
        let after = |branch: &str, head: u32| {
            serde_json::json!({
                "repository": { "id": 1, "default_branch": "main" },
                "workflow_run": { "head_branch": branch, "head_repository": { "id": head } },
            })
        };
        let followed = |event: serde_json::Value| {
            github(event, &[("GITHUB_REF_PROTECTED", "true"), name("main"), ("GITHUB_EVENT_NAME", "workflow_run")])
        };
        assert_eq!(followed(after("main", 1)), None);
        assert_eq!(followed(after("topic", 1)), Some(Doubt::Unprotected));
        assert_eq!(followed(after("main", 2)), Some(Doubt::Fork));
        assert_eq!(followed(serde_json::json!({})), Some(Doubt::Fork), "it does not say whose it is");
        let others = |event: serde_json::Value, kind: &'static str| {
            let file = directory.path().join("event.json");
            std::fs::write(&file, event.to_string()).unwrap();
            let facts = of(&[
                ("GITHUB_ACTIONS", "true"),
                ("GITHUB_REPOSITORY", "acme/shop"),
                ("GITHUB_EVENT_PATH", file.to_str().unwrap()),
                ("GITHUB_EVENT_NAME", kind),
                open,
                name("main"),
            ]);
            (facts.doubt, facts.doubt_of_others)
        };
        let commented = serde_json::json!({
            "repository": { "id": 1, "default_branch": "main" }, "issue": { "number": 9, "pull_request": {} },
        });
        assert_eq!(others(commented, "issue_comment"), (None, Some(Doubt::Another)));
        assert_eq!(others(request(1), "pull_request_target"), (None, Some(Doubt::Unprotected)));
        assert_eq!(others(request(2), "pull_request_target"), (Some(Doubt::Fork), Some(Doubt::Fork)));
        assert_eq!(others(here(), "push"), (None, None));

        let gitlab = |pairs: &[(&str, &str)]| {
            let job = [("GITLAB_CI", "true"), ("CI_PROJECT_ID", "42"), ("CI_API_V4_URL", "https://x/api/v4")];
            of(&[&job[..], &[("CI_DEFAULT_BRANCH", "main")], pairs].concat()).doubt
        };
        let (open, main) = (("CI_COMMIT_REF_PROTECTED", "false"), ("CI_COMMIT_REF_NAME", "main"));
        assert_eq!(gitlab(&[open, main]), None);
        assert_eq!(gitlab(&[open, ("CI_COMMIT_REF_NAME", "topic")]), Some(Doubt::Unprotected));
        assert_eq!(gitlab(&[open, ("CI_COMMIT_REF_NAME", "v1"), ("CI_COMMIT_TAG", "v1")]), None);
        assert_eq!(gitlab(&[open, main, ("CI_MERGE_REQUEST_IID", "7")]), Some(Doubt::Unprotected));
        let fork = [("CI_MERGE_REQUEST_PROJECT_ID", "42"), ("CI_MERGE_REQUEST_SOURCE_PROJECT_ID", "7")];
        assert_eq!(gitlab(&fork), Some(Doubt::Fork));
    }
}
