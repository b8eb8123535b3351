//! A project with its lock and plugins, and everything that is known about one deployment before it is planned.

use super::Failed;
use super::arguments::{Common, Subject as Asked};
use super::project::{Project, secrets, warn_of_short};
use crate::config::{Environment, Holes, Selection, Step};
use crate::event::Subject;
use crate::history::PastRun;
use crate::lock::{Lock, LockedSteps};
use crate::plugin::{Outside, Plugins, Services};
use crate::prepare::{self, Facts, Pins, Prepared, Resolved};
use crate::problem::Problem;
use crate::secret::Secrets;
use crate::{forge, history};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

/// Leave the compilation for the next run to a process of its own: this one does not wait for it.
pub(super) fn fill_cache(plugins: &Plugins) {
    let missed = plugins.take_missed();
    if missed.is_empty() {
        return;
    }
    let Ok(program) = std::env::current_exe() else { return };
    let mut command = std::process::Command::new(program);
    command.arg("__fill-cache").args(missed);
    command.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    // In a group of its own, so that a signal to this run does not cut it short.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let _ = command.spawn();
}

/// A project with its lock and plugins.
pub(super) struct Session {
    pub(super) project: Project,
    pub(super) plugins: Plugins,
    pub(super) lock: Option<Lock>,
}

impl Session {
    pub(super) fn open(common: &Common) -> Result<Self, Failed> {
        crate::config::WithSchema::prepare();
        Self::of(Project::load(common)?)
    }

    /// The same where there may be no step yet.
    pub(super) fn open_without_steps(common: &Common) -> Result<Self, Failed> {
        crate::config::WithSchema::prepare();
        Self::of(Project::load_by(common, crate::config::load_without_steps)?)
    }

    fn of(project: Project) -> Result<Self, Failed> {
        let lock = Lock::load(&project.directory)?;
        let plugins = project.plugins();
        Ok(Self { project, plugins, lock })
    }

    /// Everything that is asked for, in every environment: by the plugins that the lock pins, or by what is there now.
    pub(super) async fn wanted(&self, pinned: bool) -> Result<Lock, Failed> {
        self.wanted_of(pinned, &|_| true).await
    }

    /// The same of some steps.
    pub(super) async fn wanted_of(&self, pinned: bool, only: &dyn Fn(&Step) -> bool) -> Result<Lock, Failed> {
        let mut environments = BTreeMap::new();
        let mut problems: Vec<Problem> = Vec::new();
        for environment in &self.project.config.environments {
            let locked = self.lock.as_ref().and_then(|lock| lock.environments.get(environment.key.as_str()));
            let pins = if pinned { Pins::Known(environment, locked) } else { Pins::New };
            let Project { config, directory, .. } = &self.project;
            match prepare::wanted(config, directory, &self.plugins, environment, pins, only).await {
                Ok(steps) => drop(environments.insert(environment.key.as_str().to_owned(), steps)),
                // The same mistake in every environment is one mistake.
                Err(found) => {
                    problems.extend(found.into_iter().filter(|problem| !problems.contains(problem)).collect::<Vec<_>>())
                }
            }
        }
        fill_cache(&self.plugins);
        if problems.is_empty() { Ok(Lock::new(environments)) } else { Err(problems.into()) }
    }
}

/// Everything that is known about one deployment before it is planned.
pub(super) struct Asking<'a> {
    pub(super) session: &'a Session,
    pub(super) environment: &'a Environment,
    pub(super) selection: Selection,
    pub(super) subject: Subject,
    pub(super) secrets: Secrets,
    /// The plan's own file, which is no part of what is deployed.
    file: Option<&'a Path>,
    /// The digest of the newest plan that was made of it; empty before.
    pub(super) plan: String,
    /// The run that it became; empty before.
    pub(super) run: String,
}

impl<'a> Asking<'a> {
    /// A new deployment, whose plan is read from a file or written to one, where it is.
    pub(super) fn new(
        session: &'a Session,
        common: &Common,
        asked: &Asked,
        file: Option<&'a Path>,
    ) -> Result<Self, Failed> {
        let project = &session.project;
        let environment = project.config.environment(common.environment.as_deref())?;
        let component = common.component.as_deref();
        let selection = project.config.steps_for(environment, component)?;
        let subject = project.subject(asked, environment, component)?;
        Ok(Self {
            session,
            environment,
            selection,
            subject,
            secrets: Secrets::default(),
            file,
            plan: String::new(),
            run: String::new(),
        })
    }

    /// One that goes on with a run, or takes it back.
    pub(super) fn again(session: &'a Session, subject: Subject) -> Result<Self, Failed> {
        let config = &session.project.config;
        let environment = config.environment(Some(&subject.environment))?;
        let selection = config.steps_for(environment, subject.component.as_deref())?;
        let secrets = Secrets::default();
        Ok(Self {
            session,
            environment,
            selection,
            subject,
            secrets,
            file: None,
            plan: String::new(),
            run: String::new(),
        })
    }

    /// Plan a new run.
    pub(super) async fn prepare(&mut self) -> Result<Prepared, Failed> {
        let Known { resolved, locked, services, names } = self.know().await?;
        let project = &self.session.project;
        let lookup = |name: &str| project.variables.get(name).map(str::to_owned);
        let holes = Holes {
            instance: self.environment.instance.clone(),
            ..prepare::holes(&project.config, &self.subject, &names, &self.secrets, lookup)?
        };
        let live = history::live(&project.journals, &self.subject.place())?;
        let working_tree = project.working_tree(&self.subject.commit, self.file)?;
        let facts = Facts { working_tree, ..self.facts(holes, live.map(Arc::new), None) };
        let prepared = prepare::prepare(&project.config, resolved, locked, facts, services, &project.listener).await?;
        self.plan = prepared.plan.digest();
        Ok(prepared)
    }

    /// What is known before anything is planned. The release that is live is given, because it is not always the newest.
    pub(super) fn facts(&self, holes: Holes, live: Option<Arc<PastRun>>, begun: Option<Arc<PastRun>>) -> Facts {
        Facts {
            subject: self.subject.clone(),
            working_tree: None,
            withheld: self.session.project.withheld(self.environment),
            url: self.environment.url.clone(),
            log_url: self.session.project.facts.log_url.clone(),
            live,
            begun,
            holes,
        }
    }

    /// The holes of a run that was begun: filled with what they were filled with then.
    pub(super) fn holes_of(&self, past: &PastRun) -> Holes {
        Holes {
            version: Some(self.subject.version.clone()),
            commit: Some(self.subject.commit.clone()),
            instance: self.environment.instance.clone(),
            variables: past.variables.clone(),
            outputs: BTreeMap::new(),
        }
    }

    /// Load the plugins, find what the lock accepts, and read the secrets that it names.
    pub(super) async fn know(&mut self) -> Result<Known<'a>, Failed> {
        let project = &self.session.project;
        // A mistake in the config is the config's, whatever the lock says; but no file is looked into that the lock refuses.
        let name = self.environment.key.as_str();
        let accepted = self.session.lock.as_ref().and_then(|lock| lock.environments.get(name));
        let pins = Pins::Only(self.environment, accepted);
        let resolved =
            prepare::resolve(&project.config, &project.directory, &self.session.plugins, &self.selection, pins).await;
        fill_cache(&self.session.plugins);
        let resolved = resolved?;
        let locked = prepare::locked_steps(self.session.lock.as_ref(), self.environment)?;
        let mut names = prepare::secret_names(locked, &self.selection);
        names.extend(forge::TOKENS.map(str::to_owned));
        let lookup = |name: &str| project.variables.get(name).map(str::to_owned);
        self.secrets = Secrets::from_environment(names.iter().cloned(), lookup);
        warn_of_short(&self.secrets);
        // What is a secret of any environment is one, wherever it is set: no plugin reads it as a variable.
        let all: BTreeSet<String> =
            self.session.lock.iter().flat_map(Lock::secret_names).chain(names.iter().cloned()).collect();
        let services = Arc::new(Services {
            project: project.directory.clone(),
            // What leaves is searched for them all the same.
            secrets: if project.withheld(self.environment).is_some() {
                Secrets::default()
            } else {
                self.secrets.clone()
            },
            // Also those of other environments, where they are set here.
            redactor: secrets(&project.directory, &project.variables).redactor(),
            environment: if project.withheld(self.environment).is_some() {
                // Whoever wrote this configuration would choose whose values they are.
                project.variables.of(crate::process::harmless_names())
            } else {
                project.variables.without(&all)
            },
            client: project.client.clone(),
            confinement: project.config.confinement,
            outside: Outside::World,
        });
        Ok(Known { resolved, locked, services, names: all })
    }
}

/// What is known before a deployment is planned.
pub(super) struct Known<'a> {
    /// The steps with their plugins.
    pub(super) resolved: Vec<Resolved>,
    /// What the lock accepts for them.
    pub(super) locked: &'a LockedSteps,
    /// What every call has in common.
    pub(super) services: Arc<Services>,
    /// The names of the secrets.
    pub(super) names: BTreeSet<String>,
}
