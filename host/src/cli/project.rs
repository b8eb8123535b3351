//! What every command needs of the project: its config, its directory, what is being released.

use super::arguments::{Common, LogLevel, Subject as Asked};
use super::keeping::{Keeping, Wanted};
use crate::ci::{self, Doubt, Variables, WorkingTree};
use crate::config::{self, Config, Environment, Release};
use crate::event::{Level, Listener, Place, Subject};
use crate::forge::{self, Forge, Patience};
use crate::journal::Directory;
use crate::lock::Lock;
use crate::network::{Client, Proxies, Trust, proxies_with_password};
use crate::plugin::{Keys, Plugins};
use crate::problem::{Code, Problem};
use crate::report::screen::say;
use crate::report::{Console, Style, screen};
use crate::secret::Secrets;
use crate::{lease, release};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The directory that holds a config: what everything else is relative to.
pub(super) fn directory(config: &Path) -> PathBuf {
    match config.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
        _ => PathBuf::from("."),
    }
}

/// Who tells a person what happens.
fn console(common: &Common, project: &Path) -> Arc<dyn Listener> {
    let level = match common.log {
        LogLevel::Debug => Level::Debug,
        LogLevel::Info => Level::Info,
        LogLevel::Warn => Level::Warn,
        LogLevel::Error => Level::Error,
    };
    Arc::new(Console::new(Style::of_stderr(), level, screen::path(project)))
}

/// A project and where it runs.
pub(super) struct Project {
    pub(super) config: Config,
    pub(super) directory: PathBuf,
    pub(super) journals: Directory,
    /// Where all who deploy from here see them.
    pub(super) leases: Arc<dyn lease::Store>,
    /// Those of this machine, for where the forge's cannot be written.
    pub(super) local_leases: Arc<dyn lease::Store>,
    /// Where journals are kept besides.
    pub(super) keeping: Arc<Keeping>,
    pub(super) variables: Variables,
    pub(super) facts: ci::Facts,
    /// The way out.
    pub(super) client: Client,
    /// By one of which each plugin that is not built in has to be signed.
    pub(super) keys: Keys,
    /// Who tells a person what happens.
    pub(super) listener: Arc<dyn Listener>,
    /// The forge, or why there is none.
    forge: Result<Arc<Forge>, Problem>,
}

/// The forge of all that a command asks, or why there is none.
fn choose(
    common: &Common,
    facts: &ci::Facts,
    variables: &Variables,
    trust: &Trust,
    listener: &Arc<dyn Listener>,
) -> Result<Arc<Forge>, Problem> {
    let tokens =
        Secrets::from_environment(forge::TOKENS.map(str::to_owned), |name| variables.get(name).map(str::to_owned));
    let patience = common.forge_timeout.unwrap_or(forge::WRITING);
    Forge::choose(common.forge, facts, &tokens, trust.clone(), Patience::of(patience, listener.clone())).map(Arc::new)
}

/// The secrets that are set here, for whatever environment they are: the forge's tokens, what the lock names, and who asks a
/// proxy.
pub(super) fn secrets(directory: &Path, variables: &Variables) -> Secrets {
    let lock = Lock::load(directory).ok().flatten();
    let names = lock.iter().flat_map(Lock::secret_names).chain(forge::TOKENS.map(str::to_owned));
    Secrets::from_environment(names, |name| variables.get(name).map(str::to_owned))
        .and(proxies_with_password(|name| variables.get(name)))
}

/// Warn of secrets that are so short that harmless texts have them in them.
pub(super) fn warn_of_short(secrets: &Secrets) {
    for name in secrets.too_short() {
        say(&format!("warning: the secret `{name}` is so short that it cannot be kept out of all texts\n"));
    }
}

/// Whom to trust: the system's authorities, and those that the config names.
pub(super) fn trust(config: &Config, directory: &Path) -> Result<Trust, Problem> {
    let Some(file) = &config.ca_file else { return Ok(Trust::default()) };
    Trust::with_file(&directory.join(file)).map_err(|reason| {
        Problem::new(Code::ConfigInvalid, format!("there are no certificates to be had from `{file}`"))
            .because(reason)
            .at(config.place_of_authorities())
            .with_note("nothing was run")
            .with_hint("let `network.ca-file` name a file with certificates in PEM, relative to `deploy.toml`")
    })
}

/// The keys by one of which each plugin that is not built in has to be signed.
pub(super) fn keys(config: &Config, directory: &Path) -> Result<Keys, Problem> {
    Keys::read(&config.signed_by, directory).map_err(|reason| {
        Problem::new(Code::ConfigInvalid, "`policy.signed-by` names what is no key")
            .because(reason)
            .at(config.place_of_signers())
            .with_note("nothing was run")
            .with_hint(
                "name files with a public key in PEM each, relative to `deploy.toml`, or write the keys themselves",
            )
    })
}

impl Project {
    pub(super) fn load(common: &Common) -> Result<Self, Vec<Problem>> {
        Self::load_by(common, config::load)
    }

    /// The same with a config that is read in another way.
    pub(super) fn load_by(
        common: &Common,
        read: impl FnOnce(&Path) -> Result<Config, Vec<Problem>>,
    ) -> Result<Self, Vec<Problem>> {
        let variables = Variables::of_process();
        // Before anything else is said: the CI's runner is to keep them out of its log, too, as far as it can.
        let secrets = secrets(&directory(&common.config), &variables);
        secrets.pieces(|pieces| screen::mask(pieces));
        screen::hide(secrets.redactor());
        let mut config = read(&common.config)?;
        if let Some(name) = &common.environment {
            config.instantiate(name);
        }
        let mut facts = ci::facts(&variables);
        let directory = directory(&common.config);
        // Children and guests are given paths that do not depend on where this was started.
        let directory = std::path::absolute(&directory).unwrap_or(directory);
        if facts.doubt.is_none()
            && let Some(doubt) = &facts.doubt_of_others
            && ci::git(&directory).ok().map(|(commit, _)| commit) != facts.commit
        {
            facts.doubt = Some(doubt.clone());
        }
        let trust = trust(&config, &directory).map_err(|problem| vec![problem])?;
        let keys = keys(&config, &directory).map_err(|problem| vec![problem])?;
        let client = Client::new(trust, Proxies::from_environment(|name| variables.get(name)));
        let journals = Directory::of(&directory);
        let local_leases: Arc<dyn lease::Store> = Arc::new(lease::LocalStore::new(&directory));
        let listener = console(common, &directory);
        let forge = choose(common, &facts, &variables, client.trust(), &listener);
        // Where there is none to be had, whoever needs one to tell of a deployment says why.
        let keeper = forge.as_ref().ok().filter(|_| config.store == config::Keeping::Forge).cloned();
        let leases: Arc<dyn lease::Store> = match keeper.as_ref().filter(|forge| forge.keeps_leases()) {
            Some(forge) => Arc::new(lease::ForgeStore::new(forge.clone(), facts.job.clone(), &directory)),
            None => local_leases.clone(),
        };
        let keeping = Arc::new(Keeping::new(keeper, journals.clone(), config.keep_runs));
        Ok(Self {
            config,
            directory,
            journals,
            leases,
            local_leases,
            keeping,
            variables,
            facts,
            client,
            keys,
            listener,
            forge,
        })
    }

    /// What loads plugins for it.
    pub(super) fn plugins(&self) -> Plugins {
        Plugins::demanding(self.client.clone(), self.keys.clone())
    }

    /// The forge that is told of deployments.
    ///
    /// # Errors
    /// [`Code::Usage`] where the job does not say which repository or project, or has no token.
    pub(super) fn forge(&self) -> Result<Arc<Forge>, Problem> {
        self.forge.clone()
    }

    /// What other machines did in a place; and in those that come before it, where only journals tell which component a deployment
    /// there is of.
    pub(super) async fn fetch(&self, place: &Place, environment: &Environment) {
        let components = self.config.components();
        if !components.is_empty() && self.keeping.knows_components() {
            for before in &environment.after {
                let before = Place { environment: before.as_str().to_owned(), component: None, ..place.clone() };
                self.keeping.fetch(&before, Wanted::State).await;
                for component in &components {
                    let component = Some(component.as_str().to_owned());
                    self.keeping.fetch(&Place { component, ..before.clone() }, Wanted::State).await;
                }
            }
        }
        self.keeping.fetch(place, Wanted::State).await;
    }

    /// What other machines did in all the places that the common options name.
    pub(super) async fn fetch_all(&self, common: &Common, wanted: Wanted<'_>) {
        self.keeping.fetch_all(self.config.app.as_str(), |place| common.covers(place), wanted).await;
    }

    /// The place that the common options name.
    pub(super) fn place(&self, common: &Common) -> Result<Place, Problem> {
        let environment = self.config.environment(common.environment.as_deref())?;
        if common.component.is_some() {
            self.config.steps_for(environment, common.component.as_deref())?;
        }
        Ok(Place {
            app: self.config.app.as_str().to_owned(),
            environment: environment.name.as_str().to_owned(),
            component: common.component.clone(),
        })
    }

    /// What of the working tree is not as the commit has it. In CI what is there is a checkout, with what the job has made of it.
    pub(super) fn working_tree(&self, commit: &str, file: Option<&Path>) -> Result<Option<WorkingTree>, Problem> {
        if self.facts.kind != ci::Kind::None {
            return Ok(None);
        }
        WorkingTree::of(&self.directory, commit, file)
    }

    /// Who asks, for the records.
    pub(super) fn actor(&self) -> Option<String> {
        self.facts.actor.clone()
    }

    /// Why secrets are withheld from what is done for an environment here, and nothing may be changed; none where nothing is.
    pub(super) fn withheld(&self, environment: &Environment) -> Option<Doubt> {
        self.facts.doubt.clone().filter(|doubt| *doubt != Doubt::Unprotected || !environment.unprotected_branches)
    }

    /// Who, where and what.
    pub(super) fn subject(
        &self,
        asked: &Asked,
        environment: &Environment,
        component: Option<&str>,
    ) -> Result<Subject, Problem> {
        if let Some(commit) = &asked.commit
            && (commit.len() < 7 || commit.len() > 64 || !commit.bytes().all(|byte| byte.is_ascii_hexdigit()))
        {
            return Err(Problem::new(Code::Usage, format!("`--commit {commit}` is not a commit"))
                .with_note("nothing was run")
                .with_hint("pass the full hash, for example of `git rev-parse HEAD`"));
        }
        let (commit, branch) = match asked.commit.clone().or_else(|| self.facts.commit.clone()) {
            Some(commit) => (commit, None),
            None => ci::git(&self.directory)?,
        };
        let reference = self.facts.reference.clone().or(branch);
        let tag = self.facts.is_tag.then(|| reference.clone()).flatten();
        let version = match (&asked.release_version, &self.config.release) {
            (Some(version), _) => version.clone(),
            (None, Release::VersionFrom(path)) => release::version_from(&self.directory, path)
                .map_err(|problem| problem.at(self.config.place_of("release")))?,
            (None, Release::Tag) => release::from_tag(&self.directory, tag.as_deref(), &commit)
                .map_err(|problem| problem.at(self.config.place_of("release")))?,
            (None, Release::ShortCommit) => crate::words::short(&commit).to_owned(),
        };
        if version.is_empty() || version.len() > 200 || version.chars().any(char::is_control) {
            return Err(Problem::new(Code::Usage, format!("`{}` is not a version", crate::policy::visible(&version)))
                .because("a version is one line of 1 to 200 bytes")
                .with_note("nothing was run")
                .with_hint("mend where it comes from, or pass `--release-version`"));
        }
        Ok(Subject {
            app: self.config.app.as_str().to_owned(),
            environment: environment.name.as_str().to_owned(),
            component: component.map(str::to_owned),
            commit,
            reference,
            version,
            actor: self.facts.actor.clone(),
        })
    }
}
