//! The environment variables that Windlass knows by name: who sets each, and what it means. Nothing else in the host spells
//! such a name, and `docs/reference/environment.md` is written from here.
//!
//! Secrets and the variables that `deploy.toml` names are the user's own, and what a child process is handed on stands in
//! [`crate::process`].

/// A variable.
#[derive(Debug, Clone, Copy)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// Who sets it.
    pub setter: Setter,
    /// What it means, for a person.
    pub meaning: &'static str,
}

/// Who sets a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setter {
    /// Whoever runs Windlass.
    User,
    /// GitHub Actions, for each job.
    GitHub,
    /// GitLab CI, for each job.
    GitLab,
    /// The operating system, or a CI of whatever kind.
    System,
    /// Windlass, for the programs that a step starts.
    Windlass,
}

impl Setter {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::User, Self::GitHub, Self::GitLab, Self::System, Self::Windlass];

    /// In one word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::GitHub => "github",
            Self::GitLab => "gitlab",
            Self::System => "system",
            Self::Windlass => "windlass",
        }
    }
}

/// Declares a constant for each name, and [`ALL`].
macro_rules! variables {
    ($($setter:ident { $($name:ident = $meaning:literal;)* })*) => {
        $($(
            #[doc = $meaning]
            pub const $name: &str = stringify!($name);
        )*)*

        /// All of them, by who sets them.
        pub const ALL: &[Variable] = &[
            $($(Variable { name: $name, setter: Setter::$setter, meaning: $meaning },)*)*
        ];
    };
}

variables! {
    User {
        GITHUB_TOKEN = "The token for GitHub. The action passes the job's own on; a job that runs `windlass` by itself has to. The job needs `permissions: deployments: write`. Always a secret.";
        GITLAB_TOKEN = "A token of a person, project or group with the scope `api`, for GitLab. It comes before the job's own, and may do more: keep leases, write comments, approve. Always a secret.";
        JOB_CHECK_RUN_ID = "The number of the job on GitHub, `${{ job.check_run_id }}`, which a job does not know by itself. Needed where several jobs of one workflow's run deploy the same commit to the same environment.";
        WINDLASS_FORGE_TIMEOUT = "How long a command waits in all for a forge that does not answer, such as `2m`, instead of 60 s, or of 15 s where it only reads.";
        WINDLASS_REPORTS = "The directory for `--reports`, where the option is not given.";
        WINDLASS_CACHE_DIR = "Where fetched and compiled plugins are kept, instead of the user's cache directory. Safe to delete.";
        WINDLASS_STATE_DIR = "Where the key is kept by which compiled plugins are known to be this user's own, instead of the user's state directory. Not below `WINDLASS_CACHE_DIR`, and nothing to be kept by a CI's cache.";
        WINDLASS_TRACE = "Internal messages on standard error, as a filter of the `tracing` crate such as `windlass=debug`.";
        NO_COLOR = "No colours, where it is set and not empty.";
        HTTPS_PROXY = "The proxy on the way to what is behind `https`: the forge, what plugins ask, plugins from elsewhere. In small letters, too, as the next three. With a password in it, a secret.";
        HTTP_PROXY = "The proxy on the way to what is behind `http`.";
        ALL_PROXY = "The proxy where neither of the two says one.";
        NO_PROXY = "The hosts that are reached without a proxy, separated by commas.";
        DOCKER_CONFIG = "The directory of the `config.json` that `docker login` writes, instead of `~/.docker`: whoever is logged in to a registry there pulls plugins from it.";
        SOURCE_DATE_EPOCH = "The time that `plugin publish` writes into an artifact, in seconds since the beginning of 1970, which it is where this is not set: the same component is the same artifact.";
        SSL_CERT_FILE = "The certificates to trust in place of the system's, as a file in PEM.";
        SSL_CERT_DIR = "The certificates to trust in place of the system's, as a directory of files in PEM.";
    }
    GitHub {
        GITHUB_ACTIONS = "`true` in GitHub Actions. Then `--forge auto` is `github`.";
        GITHUB_SHA = "The commit that is deployed.";
        GITHUB_EVENT_NAME = "What began the job: after a comment, another workflow or for `pull_request_target` it may be about another branch than its own.";
        GITHUB_REF = "The whole name of what is deployed: `refs/pull/7/merge` says which pull request the job is for.";
        GITHUB_REF_NAME = "The branch or tag.";
        GITHUB_REF_TYPE = "`tag` where it is a tag, for `release = \"tag\"`.";
        GITHUB_REF_PROTECTED = "`false` where GitHub protects the branch by no rule: [nothing is deployed from it](config.md#environments) unless it is the default branch, a tag, or `unprotected_branches` lets it.";
        GITHUB_REPOSITORY = "The repository, as `owner/name`. Set it yourself to use `--forge github` outside GitHub Actions.";
        GITHUB_API_URL = "Where the API is: `https://api.github.com` where it is not set.";
        GITHUB_SERVER_URL = "Where people see the repository, for links.";
        GITHUB_RUN_ID = "The run of the workflow, which plans, approvals and leases belong to.";
        GITHUB_RUN_ATTEMPT = "Which attempt at that run it is, from 1.";
        GITHUB_JOB = "The job's id in its workflow.";
        GITHUB_ACTOR = "Who began the run.";
        GITHUB_TRIGGERING_ACTOR = "Who began this attempt at the run.";
        GITHUB_EVENT_PATH = "The file with the event that began the run: it tells the pull request, and whether that is a fork's. `approvals respond` reads what it is asked from it.";
        GITHUB_WORKSPACE = "The directory that paths in annotations and outputs are relative to.";
        GITHUB_OUTPUT = "The file that outputs are appended to.";
        GITHUB_STEP_SUMMARY = "The file that reports are appended to, for the page of the job.";
        RUNNER_NAME = "The runner, by which a later job there can tell what it left running.";
    }
    GitLab {
        GITLAB_CI = "`true` in GitLab CI. Then `--forge auto` is `gitlab`.";
        CI_JOB_TOKEN = "The job's own token: deployments, journals, and reading who approved. Always a secret.";
        CI_API_V4_URL = "Where the API is. Set it and the next one yourself to use `--forge gitlab` outside GitLab CI.";
        CI_PROJECT_ID = "The project's number.";
        CI_PROJECT_URL = "Where people see the project, for links.";
        CI_PROJECT_PATH = "The project's path, which tells its merge requests from a fork's.";
        CI_PROJECT_DIR = "The directory that paths in outputs are relative to.";
        CI_COMMIT_SHA = "The commit that is deployed.";
        CI_COMMIT_REF_NAME = "The branch or tag.";
        CI_COMMIT_TAG = "Set where it is a tag, for `release = \"tag\"`.";
        CI_COMMIT_REF_PROTECTED = "`false` where GitLab does not protect the branch: [nothing is deployed from it](config.md#environments) unless it is the default branch, a tag, or `unprotected_branches` lets it.";
        CI_DEFAULT_BRANCH = "The default branch, which needs no protection to be deployed from.";
        CI_PIPELINE_ID = "The pipeline, which plans and approvals belong to.";
        CI_JOB_ID = "The job's number.";
        CI_JOB_URL = "Where people see the job, for links.";
        GITLAB_USER_LOGIN = "Who began the pipeline, or the job where it was begun by hand.";
        CI_ENVIRONMENT_NAME = "The environment of the job's own `environment:`, whose deployment Windlass adopts.";
        CI_ENVIRONMENT_ACTION = "What the job's `environment:` does: with anything but `start` it makes no deployment.";
        CI_MERGE_REQUEST_IID = "The merge request that the pipeline is for.";
        CI_MERGE_REQUEST_PROJECT_ID = "The project of that merge request.";
        CI_MERGE_REQUEST_SOURCE_PROJECT_ID = "The project that the merge request comes from: another one is a fork.";
        CI_OPEN_MERGE_REQUESTS = "The merge requests that are open for the branch, where the pipeline is for none.";
        CI_DEPLOY_FREEZE = "Set while a deploy freeze of the project holds.";
    }
    System {
        CI = "Set by every CI; `false` is as if it were not set. In CI there is no live list, and `on_cancel` is `stop` where nothing is said.";
        PATH = "Where programs are looked up, at its absolute places.";
        PATHEXT = "On Windows, the endings that programs have.";
        USER = "Who deploys, outside GitHub Actions and GitLab CI.";
        USERNAME = "The same, where `USER` is not set.";
        COMPUTERNAME = "On Windows, the machine's name, which a lease shows.";
        TERM = "With `dumb`, or not set, there is no live list on a terminal.";
    }
    Windlass {
        WINDLASS_RUN = "The run's id.";
        WINDLASS_STEP = "The step's id.";
        WINDLASS_ATTEMPT = "Which attempt at the step, from 1.";
        WINDLASS_BACKGROUND = "`1` where the grant says `background`; not set otherwise.";
    }
}

#[cfg(test)]
mod tests {
    use super::{ALL, Setter};

    #[test]
    fn each_name_is_said_once_and_by_who_sets_it() {
        let mut names: Vec<_> = ALL.iter().map(|variable| variable.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ALL.len());
        assert!(Setter::ALL.iter().all(|setter| ALL.iter().any(|variable| variable.setter == *setter)));
    }
}
