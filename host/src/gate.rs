//! Whether a run may begin: the order of environments, approval, and that nobody else deploys the same thing.

use crate::config::{Config, Environment};
use crate::event::RunOutcome;
use crate::history;
use crate::problem::{Code, Problem};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How often a held lease is looked at again.
const POLL: Duration = Duration::from_millis(250);

/// The right to deploy one app, environment and component. Given back when it is dropped, and by the system when the
/// process ends, however it does.
#[derive(Debug)]
pub struct Lease {
    _file: File,
}

/// What this version does not do is refused, never left out silently.
///
/// # Errors
/// [`Code::ApprovalMissing`].
pub fn approval(config: &Config, environment: &Environment) -> Result<(), Problem> {
    if environment.approval.is_none() {
        return Ok(());
    }
    Err(Problem::new(Code::ApprovalMissing, format!("environment `{}` demands an approval", environment.name))
        .because("this version of Windlass cannot ask for one, and does not deploy without it")
        .with_note("nothing was run")
        .with_hint("let the forge's own environment protection ask for it, and take `approval` out")
        .at(config.place_of_environment(environment, "approval")))
}

/// Whether the environments that come before this one have this commit.
///
/// # Errors
/// [`Code::EnvironmentOrder`].
pub fn order(
    project: &Path,
    config: &Config,
    environment: &Environment,
    component: Option<&str>,
    commit: &str,
) -> Result<(), Problem> {
    for before in &environment.after {
        let blocked = |what: String| {
            Err(Problem::new(Code::EnvironmentOrder, format!("`{}` comes after `{before}`", environment.name))
                .because(what)
                .with_note("nothing was run")
                .with_hint(format!("run `windlass run -e {before}` first")))
        };
        let mut newest = None;
        for run in history::runs(project)? {
            let run = run?;
            if !history::same_place(&run.subject, config.app.as_str(), before.as_str(), component) {
                continue;
            }
            match run.outcome {
                None => return blocked(format!("run `{}` in `{before}` has not ended", run.run)),
                Some(RunOutcome::Succeeded) => {
                    newest = Some(run);
                    break;
                }
                Some(_) => {}
            }
        }
        match newest {
            None => return blocked(format!("nothing was deployed to `{before}` yet")),
            Some(run) if run.subject.commit != commit => {
                return blocked(format!(
                    "its newest successful deployment is of commit `{}`, and this is `{}`",
                    crate::words::short(&run.subject.commit),
                    crate::words::short(commit)
                ));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// Take the lease, waiting as long as the environment says.
///
/// # Errors
/// [`Code::LeaseHeld`] naming who holds it; [`Code::JournalUnwritable`] where it cannot be written.
pub async fn lease(
    project: &Path,
    config: &Config,
    environment: &Environment,
    component: Option<&str>,
    run: &str,
) -> Result<Lease, Problem> {
    let path = lease_file(project, config.app.as_str(), environment.name.as_str(), component);
    let unwritable = |error: std::io::Error| {
        Problem::new(Code::JournalUnwritable, format!("the lease `{}` cannot be written", path.display()))
            .because(error)
            .with_note("nothing was run")
            .with_hint("mend the permissions or free some space")
    };
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory).map_err(unwritable)?;
    }
    let mut file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(unwritable)?;
    let wait = environment.lease.as_ref().map_or(Duration::ZERO, |lease| lease.wait.get());
    // Whoever only asks whether it is held holds it for a moment: once is no proof.
    let deadline = Instant::now() + wait.max(POLL);
    loop {
        match file.try_lock() {
            Ok(()) => break,
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => tokio::time::sleep(POLL).await,
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let _ = file.rewind().and_then(|()| file.read_to_string(&mut holder));
                let holder = if holder.is_empty() { "another run".into() } else { format!("run `{}`", holder.trim()) };
                return Err(Problem::new(
                    Code::LeaseHeld,
                    format!("`{}` is being deployed to `{}` already", config.app, environment.name),
                )
                .because(format!("{holder} holds the lease"))
                .with_note("nothing was run")
                .with_hint("wait for it to end, or give the environment a `lease = { wait = \"15m\" }`"));
            }
            Err(TryLockError::Error(error)) => return Err(unwritable(error)),
        }
    }
    file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "{run}")).map_err(unwritable)?;
    Ok(Lease { _file: file })
}

/// Whether anybody holds the lease of a run that has not ended.
#[must_use]
pub fn is_held(project: &Path, app: &str, environment: &str, component: Option<&str>) -> bool {
    File::open(lease_file(project, app, environment, component))
        .is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

/// One file for each place: no name has a `+` in it, and environments may have a `/`.
fn lease_file(project: &Path, app: &str, environment: &str, component: Option<&str>) -> PathBuf {
    let environment = environment.replace('/', "%");
    let name = match component {
        Some(component) => format!("{app}+{environment}+{component}"),
        None => format!("{app}+{environment}"),
    };
    project.join(".windlass").join("leases").join(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_place_has_one_lease_whatever_it_is_called() {
        let project = tempfile::tempdir().expect("a directory");
        let text = "schema = 1\napp = \"shop\"\n[environments.\"review/feature-1\"]\n[environments.\"Production EU\"]\n\
                    [[step]]\nid = \"a\"\nplugin = \"command\"\n";
        let config = crate::config::parse("deploy.toml", text).expect("a config");
        let review = config.environment(Some("review/feature-1")).expect("an environment");
        let production = config.environment(Some("Production EU")).expect("an environment");
        let held = |component| is_held(project.path(), "shop", "review/feature-1", component);
        assert!(!held(None));
        let lease = super::lease(project.path(), &config, review, None, "one").await.expect("a lease");
        assert!(held(None) && !held(Some("api")));
        let refused = super::lease(project.path(), &config, review, None, "two").await.expect_err("held");
        assert_eq!(
            (refused.code, refused.causes.as_slice()),
            (Code::LeaseHeld, &["run `one` holds the lease".to_owned()][..])
        );
        for (environment, component) in [(review, Some("api")), (production, None)] {
            super::lease(project.path(), &config, environment, component, "three").await.expect("another place");
        }
        drop(lease);
        assert!(!held(None));
        super::lease(project.path(), &config, review, None, "four").await.expect("given back");
    }

    #[tokio::test]
    async fn asking_whether_a_lease_is_held_does_not_hold_it() {
        let project = tempfile::tempdir().expect("a directory");
        let text = "schema = 1\napp = \"shop\"\n[environments.a]\n[[step]]\nid = \"a\"\nplugin = \"command\"\n";
        let config = crate::config::parse("deploy.toml", text).expect("a config");
        let environment = config.environment(None).expect("an environment");
        drop(super::lease(project.path(), &config, environment, None, "one").await.expect("a lease"));
        let file = File::open(lease_file(project.path(), "shop", "a", None)).expect("the file");
        file.lock_shared().expect("somebody asks");
        let lease = super::lease(project.path(), &config, environment, None, "two");
        tokio::pin!(lease);
        assert!(futures_pending(lease.as_mut()).await, "it is tried again");
        drop(file);
        lease.await.expect("a lease");
    }

    /// Whether a future is not done when it is looked at once.
    async fn futures_pending<T>(mut future: std::pin::Pin<&mut impl Future<Output = T>>) -> bool {
        std::future::poll_fn(|context| std::task::Poll::Ready(future.as_mut().poll(context).is_pending())).await
    }
}
