//! Where Windlass runs: the only room that reads the environment's CI variables, once.
//!
//! GitHub's are described under "Default environment variables" of its Actions documentation, GitLab's under "Predefined
//! CI/CD variables". Outside CI the commit and branch come from git.

mod doubt;
mod event;
mod tree;

pub use doubt::Doubt;
pub use tree::{WorkingTree, file_at};

use crate::event::Job;
use crate::problem::{Code, Problem};
use crate::variable;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The process's environment, read once.
#[derive(Debug, Clone, Default)]
pub struct Variables(BTreeMap<String, String>);

impl Variables {
    /// The environment of this process. What is not UTF-8 is left out.
    #[must_use]
    pub fn of_process() -> Self {
        Self(
            std::env::vars_os()
                .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
                .collect(),
        )
    }

    /// The value of a variable that is set and not empty: CI sets what it does not know to nothing.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Those of these names.
    #[must_use]
    pub fn of<'a>(&self, names: impl Iterator<Item = &'a str>) -> BTreeMap<String, String> {
        names.filter_map(|name| Some((name.to_owned(), self.0.get(name)?.clone()))).collect()
    }

    /// All of them, without those of these names.
    #[must_use]
    pub fn without(&self, names: &std::collections::BTreeSet<String>) -> BTreeMap<String, String> {
        self.0
            .iter()
            .filter(|(name, _)| !names.contains(*name))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }
}

impl FromIterator<(String, String)> for Variables {
    fn from_iter<T: IntoIterator<Item = (String, String)>>(pairs: T) -> Self {
        Self(pairs.into_iter().collect())
    }
}

/// Which CI this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// GitHub Actions.
    GitHub,
    /// GitLab CI.
    GitLab,
    /// Some other CI: `CI` is set.
    Other,
    /// A laptop.
    None,
}

/// A repository on GitHub, and where its API is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitHubRepository {
    /// `owner/name`.
    pub name: String,
    /// The base of the API, for example `https://api.github.com`; on Enterprise Server it ends in `/api/v3`.
    pub api: String,
    /// The number of the workflow's run, in Actions.
    pub run: Option<String>,
    /// The number of the job in that run, where the workflow passes on its `job.check_run_id`: a job does not know it by itself.
    pub job: Option<String>,
    /// The number of the pull request that the job is for, where it is for one.
    pub request: Option<u64>,
    /// Whether that pull request comes from another repository; none where GitHub does not say.
    pub is_fork: Option<bool>,
    /// Where people see it.
    pub page: Option<String>,
}

/// A project on GitLab, and where its API is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitLabProject {
    /// Its number.
    pub id: String,
    /// The base of the API, for example `https://gitlab.com/api/v4`; in a sub-path, too.
    pub api: String,
    /// Where people see it.
    pub page: Option<String>,
    /// The job's number.
    pub job: Option<u64>,
    /// The number of its pipeline.
    pub pipeline: Option<u64>,
    /// The number of the merge request that the job is for, or that is open for its branch.
    pub request: Option<u64>,
    /// Whether that merge request comes from another project; none where the pipeline is not one of a merge request.
    pub is_fork: Option<bool>,
    /// The environment that the job deploys to by itself, because it has `environment:`.
    pub environment: Option<String>,
    /// Whether deployments were frozen when the job began.
    pub is_frozen: bool,
}

/// A run of a CI: a workflow's run on GitHub, a pipeline on GitLab.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Whose it is: `github` or `gitlab`.
    pub forge: &'static str,
    /// Its number. A repeated one keeps it.
    pub id: String,
    /// Whether it, or a part of it, was begun again: what was said and done in it before is still told of.
    pub is_repeated: bool,
}

/// What the CI says about this job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Which CI it is.
    pub kind: Kind,
    /// The commit.
    pub commit: Option<String>,
    /// The branch or tag.
    pub reference: Option<String>,
    /// Whether the reference is a tag.
    pub is_tag: bool,
    /// Who started it.
    pub actor: Option<String>,
    /// All who had a part in starting it: on GitHub who began the run and who began this attempt at it.
    pub starters: Vec<String>,
    /// The run of the CI that the job is a part of.
    pub run: Option<Run>,
    /// The job, as later jobs can ask for it.
    pub job: Option<Job>,
    /// Where a person can watch it.
    pub log_url: Option<String>,
    /// The repository, on GitHub.
    pub github: Option<GitHubRepository>,
    /// The project, on GitLab.
    pub gitlab: Option<GitLabProject>,
    /// What tells this job from others and from its own repetitions, for the forge: run, attempt, job.
    pub key: Option<String>,
    /// Why what is checked out here may be nobody's whom the project trusts; none where the CI does not say so.
    pub doubt: Option<Doubt>,
    /// Why it may be so where another commit is checked out than the job is for: a comment's job is for the default branch, and
    /// may have fetched the pull request that was commented on.
    pub doubt_of_others: Option<Doubt>,
}

/// What the page of a job takes from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Which CI it is.
    pub kind: Kind,
    /// The directory that paths on it are relative to.
    pub workspace: Option<PathBuf>,
    /// Where GitHub's runner reads a step's outputs. Only a runner sets it, and it is there then.
    pub outputs: Option<PathBuf>,
    /// The file whose Markdown GitHub shows on the page of the job.
    pub summary: Option<PathBuf>,
    /// Where a person can watch the job.
    pub url: Option<String>,
}

impl Page {
    /// A path as the page knows it: relative, with slashes. None where it is outside of the workspace.
    #[must_use]
    pub fn path(&self, path: &Path) -> Option<String> {
        let path = std::path::absolute(path).ok()?;
        let inside = path.strip_prefix(self.workspace.as_ref()?).ok()?;
        let parts: Vec<_> = inside.components().map(|part| part.as_os_str().to_string_lossy()).collect();
        (!parts.iter().any(|part| part == "..")).then(|| parts.join("/"))
    }
}

/// What the page of this job takes.
#[must_use]
pub fn page(variables: &Variables) -> Page {
    let kind = kind(variables);
    let directory = |name: &str| variables.get(name).map(PathBuf::from);
    let (workspace, outputs, summary) = match kind {
        Kind::GitHub => (
            directory(variable::GITHUB_WORKSPACE),
            directory(variable::GITHUB_OUTPUT).filter(|path| path.is_file()),
            directory(variable::GITHUB_STEP_SUMMARY),
        ),
        Kind::GitLab => (directory(variable::CI_PROJECT_DIR), None, None),
        Kind::Other | Kind::None => (None, None, None),
    };
    Page { kind, workspace, outputs, summary, url: facts(variables).log_url }
}

/// Which CI this is.
fn kind(variables: &Variables) -> Kind {
    if variables.get(variable::GITHUB_ACTIONS) == Some("true") {
        Kind::GitHub
    } else if variables.get(variable::GITLAB_CI) == Some("true") {
        Kind::GitLab
    } else if variables.get(variable::CI).is_some_and(|value| value != "false") {
        Kind::Other
    } else {
        Kind::None
    }
}

/// Read the facts.
#[must_use]
pub fn facts(variables: &Variables) -> Facts {
    let get = |name: &str| variables.get(name).map(str::to_owned);
    let kind = kind(variables);
    if kind == Kind::GitHub {
        let run = match (
            variables.get(variable::GITHUB_SERVER_URL),
            variables.get(variable::GITHUB_REPOSITORY),
            variables.get(variable::GITHUB_RUN_ID),
        ) {
            (Some(server), Some(repository), Some(run)) => Some(format!("{server}/{repository}/actions/runs/{run}")),
            _ => None,
        };
        let key = match (
            variables.get(variable::GITHUB_RUN_ID),
            variables.get(variable::GITHUB_RUN_ATTEMPT),
            variables.get(variable::GITHUB_JOB),
        ) {
            (Some(run), attempt, Some(job)) => Some(format!("{run}/{}/{job}", attempt.unwrap_or("1"))),
            _ => None,
        };
        let mut starters: Vec<String> =
            [variable::GITHUB_TRIGGERING_ACTOR, variable::GITHUB_ACTOR].iter().filter_map(|name| get(name)).collect();
        starters.dedup();
        let github = github(variables);
        let is_tag = variables.get(variable::GITHUB_REF_TYPE) == Some("tag");
        let (doubt, doubt_of_others) = doubt::on_github(variables, github.as_ref().and_then(|it| it.is_fork), is_tag);
        return Facts {
            kind,
            doubt,
            doubt_of_others,
            commit: get(variable::GITHUB_SHA),
            reference: get(variable::GITHUB_REF_NAME),
            is_tag,
            actor: starters.first().cloned(),
            starters,
            run: get(variable::GITHUB_RUN_ID).map(|id| Run {
                forge: "github",
                id,
                is_repeated: variables.get(variable::GITHUB_RUN_ATTEMPT).is_some_and(|attempt| attempt != "1"),
            }),
            job: get(variable::GITHUB_RUN_ID).map(|run| Job {
                forge: "github".into(),
                run,
                attempt: Some(
                    variables.get(variable::GITHUB_RUN_ATTEMPT).and_then(|attempt| attempt.parse().ok()).unwrap_or(1),
                ),
                job: None,
                runner: get(variable::RUNNER_NAME),
            }),
            log_url: run,
            github,
            gitlab: gitlab(variables),
            key,
        };
    }
    if kind == Kind::GitLab {
        let gitlab = gitlab(variables);
        let is_tag = variables.get(variable::CI_COMMIT_TAG).is_some();
        return Facts {
            kind,
            doubt: doubt::on_gitlab(variables, gitlab.as_ref().and_then(|it| it.is_fork), is_tag),
            doubt_of_others: None,
            commit: get(variable::CI_COMMIT_SHA),
            reference: get(variable::CI_COMMIT_REF_NAME),
            is_tag,
            actor: get(variable::GITLAB_USER_LOGIN),
            starters: get(variable::GITLAB_USER_LOGIN).into_iter().collect(),
            run: get(variable::CI_PIPELINE_ID).map(|id| Run { forge: "gitlab", id, is_repeated: false }),
            job: get(variable::CI_PIPELINE_ID).map(|run| Job {
                forge: "gitlab".into(),
                run,
                attempt: None,
                job: variables.get(variable::CI_JOB_ID).and_then(|id| id.parse().ok()),
                runner: None,
            }),
            log_url: get(variable::CI_JOB_URL),
            github: None,
            gitlab,
            key: get(variable::CI_JOB_ID),
        };
    }
    Facts {
        kind,
        commit: None,
        reference: None,
        is_tag: false,
        actor: get(variable::USER).or_else(|| get(variable::USERNAME)).or_else(user),
        starters: vec![],
        run: None,
        job: None,
        log_url: None,
        github: github(variables),
        gitlab: gitlab(variables),
        key: None,
        doubt: None,
        doubt_of_others: None,
    }
}

/// The name of the user that this process runs as, where no variable says it: in a container, or below a service.
fn user() -> Option<String> {
    #[cfg(unix)]
    return nix::unistd::User::from_uid(nix::unistd::Uid::effective()).ok().flatten().map(|user| user.name);
    #[cfg(not(unix))]
    None
}

fn github(variables: &Variables) -> Option<GitHubRepository> {
    let name = variables.get(variable::GITHUB_REPOSITORY)?.to_owned();
    let api =
        variables.get(variable::GITHUB_API_URL).unwrap_or("https://api.github.com").trim_end_matches('/').to_owned();
    let run = variables.get(variable::GITHUB_RUN_ID).map(str::to_owned);
    let page =
        variables.get(variable::GITHUB_SERVER_URL).map(|server| format!("{}/{name}", server.trim_end_matches('/')));
    let job = variables.get(variable::JOB_CHECK_RUN_ID).map(str::to_owned);
    let about = variables.get(variable::GITHUB_EVENT_PATH).map(event::about).unwrap_or_default();
    // `refs/pull/7/merge`
    let request = variables
        .get(variable::GITHUB_REF)
        .and_then(|name| name.strip_prefix("refs/pull/")?.split('/').next()?.parse().ok());
    Some(GitHubRepository { name, api, run, job, request: request.or(about.request), is_fork: about.is_fork, page })
}

fn gitlab(variables: &Variables) -> Option<GitLabProject> {
    // With any other action than `start` a job's `environment:` makes no deployment.
    let starts = matches!(variables.get(variable::CI_ENVIRONMENT_ACTION), None | Some("start"));
    Some(GitLabProject {
        id: variables.get(variable::CI_PROJECT_ID)?.to_owned(),
        api: variables.get(variable::CI_API_V4_URL)?.trim_end_matches('/').to_owned(),
        page: variables.get(variable::CI_PROJECT_URL).map(|url| url.trim_end_matches('/').to_owned()),
        job: variables.get(variable::CI_JOB_ID).and_then(|id| id.parse().ok()),
        pipeline: variables.get(variable::CI_PIPELINE_ID).and_then(|id| id.parse().ok()),
        request: variables
            .get(variable::CI_MERGE_REQUEST_IID)
            .and_then(|id| id.parse().ok())
            .or_else(|| open_request(variables)),
        is_fork: variables
            .get(variable::CI_MERGE_REQUEST_SOURCE_PROJECT_ID)
            .map(|source| Some(source) != variables.get(variable::CI_MERGE_REQUEST_PROJECT_ID)),
        environment: variables.get(variable::CI_ENVIRONMENT_NAME).filter(|_| starts).map(str::to_owned),
        is_frozen: variables.get(variable::CI_DEPLOY_FREEZE).is_some_and(|frozen| frozen != "false"),
    })
}

/// The merge request that is open for the branch of a pipeline that is not one of a merge request: `acme/shop!7,acme/shop!9`.
fn open_request(variables: &Variables) -> Option<u64> {
    let project = variables.get(variable::CI_PROJECT_PATH)?;
    let mut open = variables.get(variable::CI_OPEN_MERGE_REQUESTS)?.split(',').filter_map(|one| one.rsplit_once('!'));
    open.find(|(of, _)| *of == project)?.1.parse().ok()
}

/// The commit and the branch of the repository that a directory is in, by git.
///
/// # Errors
/// [`Code::NotARepository`].
pub fn git(directory: &Path) -> Result<(String, Option<String>), Problem> {
    let unknown = |cause: String| {
        Problem::new(Code::NotARepository, "it is not known which commit is being deployed")
            .because(cause)
            .with_note("nothing was run")
            .with_hint("deploy from a git repository with a commit, or pass `--commit`")
    };
    let ask = |arguments: &[&str]| {
        std::process::Command::new("git")
            .arg("-C")
            .arg(directory)
            .args(arguments)
            .stdin(std::process::Stdio::null())
            .output()
    };
    let output = ask(&["rev-parse", "HEAD", "--abbrev-ref", "HEAD"])
        .map_err(|error| unknown(format!("git cannot be run: {error}")))?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr);
        if words.contains("ambiguous argument 'HEAD'") {
            return Err(unknown("the repository has no commit yet".to_owned()));
        }
        let said = words.lines().find(|line| line.starts_with("fatal:")).or_else(|| words.lines().last());
        return Err(unknown(said.unwrap_or("git has no answer").to_owned()));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let mut lines = text.lines();
    let commit = lines.next().unwrap_or_default().to_owned();
    let branch = lines.next().filter(|branch| *branch != "HEAD").map(str::to_owned);
    if commit.len() < 40 { Err(unknown(format!("git says `{commit}`"))) } else { Ok((commit, branch)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&str, &str)]) -> Facts {
        facts(&pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn a_github_job_knows_its_run_and_key() {
        let facts = of(&[
            ("GITHUB_ACTIONS", "true"),
            ("GITHUB_SHA", "abc"),
            ("GITHUB_SERVER_URL", "https://github.com"),
            ("GITHUB_REPOSITORY", "acme/shop"),
            ("GITHUB_RUN_ID", "7"),
            ("GITHUB_RUN_ATTEMPT", "2"),
            ("GITHUB_JOB", "deploy"),
            ("GITHUB_API_URL", "https://ghe.example/api/v3/"),
        ]);
        assert_eq!(facts.kind, Kind::GitHub);
        assert_eq!(facts.log_url.as_deref(), Some("https://github.com/acme/shop/actions/runs/7"));
        assert_eq!(facts.key.as_deref(), Some("7/2/deploy"));
        assert_eq!(facts.github.map(|repository| repository.api).as_deref(), Some("https://ghe.example/api/v3"));
    }

    #[test]
    fn a_job_knows_which_request_it_is_for() {
        let github = |name: &str| {
            of(&[("GITHUB_REPOSITORY", "acme/shop"), ("GITHUB_REF", name)]).github.and_then(|it| it.request)
        };
        assert_eq!(github("refs/pull/7/merge"), Some(7));
        assert_eq!(github("refs/heads/pull/7/merge"), None);
        let gitlab = |pairs: &[(&str, &str)]| {
            let project =
                [("CI_PROJECT_ID", "42"), ("CI_API_V4_URL", "https://x/api/v4"), ("CI_PROJECT_PATH", "acme/shop")];
            of(&[&project[..], pairs].concat()).gitlab.and_then(|it| it.request)
        };
        assert_eq!(gitlab(&[("CI_MERGE_REQUEST_IID", "11"), ("CI_OPEN_MERGE_REQUESTS", "acme/shop!12")]), Some(11));
        assert_eq!(gitlab(&[("CI_OPEN_MERGE_REQUESTS", "fork/shop!3,acme/shop!12,acme/shop!13")]), Some(12));
        assert_eq!(gitlab(&[]), None);
    }

    #[test]
    fn a_job_knows_whether_its_request_is_from_elsewhere() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("event.json");
        let side = |id: u32| serde_json::json!({ "repo": { "id": id } });
        let event = serde_json::json!({ "pull_request": { "number": 9, "head": side(2), "base": side(1) } });
        std::fs::write(&file, event.to_string()).unwrap();
        let github = |name: &str| {
            let path = ("GITHUB_EVENT_PATH", file.to_str().unwrap());
            let facts = of(&[("GITHUB_REPOSITORY", "acme/shop"), ("GITHUB_REF", name), path]).github.unwrap();
            (facts.request, facts.is_fork)
        };
        assert_eq!(github("refs/heads/main"), (Some(9), Some(true)), "as with `pull_request_target`");
        assert_eq!(github("refs/pull/9/merge"), (Some(9), Some(true)));
        let gitlab = |pairs: &[(&str, &str)]| {
            let project = [("CI_PROJECT_ID", "42"), ("CI_API_V4_URL", "https://x/api/v4")];
            of(&[&project[..], pairs].concat()).gitlab.and_then(|it| it.is_fork)
        };
        let of_project = |id| [("CI_MERGE_REQUEST_PROJECT_ID", "42"), ("CI_MERGE_REQUEST_SOURCE_PROJECT_ID", id)];
        assert_eq!([gitlab(&[]), gitlab(&of_project("42")), gitlab(&of_project("7"))], [None, Some(false), Some(true)]);
    }

    #[test]
    fn gitlab_and_laptops_are_told_apart() {
        assert_eq!(of(&[("GITLAB_CI", "true"), ("CI", "true"), ("CI_JOB_ID", "9")]).key.as_deref(), Some("9"));
        assert_eq!(of(&[("CI", "true")]).kind, Kind::Other);
        assert_eq!(of(&[]).kind, Kind::None);
        assert_eq!(of(&[("CI", "")]).kind, Kind::None);
    }
}
