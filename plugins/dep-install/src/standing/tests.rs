//! Each manager's check, with programs that answer as the real ones did.

use super::{Standing, drift_before_install, standing};
use crate::commands::{self, Invocation};
use crate::config::Config;
use crate::lockfile::digest;
use crate::manager::Manager;
use crate::recognise::Project;
use crate::witness;
use crate::world::fake::Fake;
use windlass_plugin::{Failure, FailureKind};

fn project(manager: Manager, lockfile: &str) -> Project {
    Project { manager, lockfile: lockfile.into() }
}

fn check(world: &Fake, manager: Manager, lockfile: &str) -> Standing {
    standing(world, &project(manager, lockfile), &Config::default()).unwrap()
}

fn is_missing(standing: &Standing) -> bool {
    matches!(standing, Standing::Missing(_))
}

/// The managers whose check is one command that succeeds where everything is installed.
#[test]
fn a_check_that_succeeds_means_installed_and_one_that_fails_missing() {
    let config = Config::default();
    let cases = [(Manager::Cargo, commands::cargo_offline()), (Manager::Yarn, commands::yarn_integrity(&config))];
    for (manager, command) in cases {
        let line = command.line();
        assert_eq!(check(&Fake::default().answering(&line, true, ""), manager, "x"), Standing::Installed);
        assert!(is_missing(&check(&Fake::default().answering(&line, false, "error: no"), manager, "x")));
        assert!(is_missing(&check(&Fake::default(), manager, "x")), "a tool that is not there is no answer");
    }
}

#[test]
fn a_check_that_was_not_granted_is_an_error_and_not_an_install() {
    struct Denying(Fake);
    impl crate::world::Files for Denying {
        fn read(&self, name: &str) -> Option<String> {
            self.0.read(name)
        }
        fn exists(&self, name: &str) -> bool {
            self.0.exists(name)
        }
        fn fingerprint(&self, name: &str) -> Option<String> {
            self.0.fingerprint(name)
        }
    }
    impl crate::world::World for Denying {
        fn run(&self, _: &Invocation) -> Result<crate::world::Output, Failure> {
            let mut failure = Failure::bug("denied", "not granted");
            failure.kind = FailureKind::Denied;
            Err(failure)
        }
        fn kept(&self, _: &str) -> Option<String> {
            None
        }
    }
    let lock = project(Manager::Cargo, "Cargo.lock");
    assert_eq!(standing(&Denying(Fake::default()), &lock, &Config::default()).unwrap_err().code, "denied");
}

#[test]
fn cargo_says_what_it_would_change() {
    let refusal = "error: cannot update the lock file /app/Cargo.lock because --locked was passed to prevent this";
    let world = Fake::default().answering(&commands::cargo_offline().line(), false, refusal).answering(
        &commands::cargo_difference().line(),
        true,
        "      Adding farewell v1.0.0 (/app/farewell)\n",
    );
    assert_eq!(
        check(&world, Manager::Cargo, "Cargo.lock"),
        Standing::Drifted(vec![refusal.into(), "Adding farewell v1.0.0 (/app/farewell)".into()])
    );
}

#[test]
fn npm_is_asked_only_where_the_files_do_not_tell() {
    let lock = r#"{"packages":{"":{"dependencies":{"a":"1"}},"node_modules/a":{"version":"1.0.0"}}}"#;
    let manifest = r#"{"dependencies":{"a":"1"}}"#;
    let files = [
        ("package.json", manifest),
        ("package-lock.json", lock),
        (crate::npm::NOTE, lock),
        ("node_modules/a/package.json", "{}"),
    ];
    let mut world = Fake::with(&files);
    assert_eq!(check(&world, Manager::Npm, "package-lock.json"), Standing::Installed);
    assert!(world.ran.borrow().is_empty());

    world.files.insert("package.json".into(), manifest.replace('1', "^1"));
    let dry = commands::npm_dry_run().line();
    let world = world.answering(&dry, true, "up to date");
    assert_eq!(check(&world, Manager::Npm, "package-lock.json"), Standing::Installed, "npm says that it is no drift");
    let line = "npm error Missing: b@1.0.0 from lock file";
    let mut world = world.answering(&dry, false, line);
    assert_eq!(check(&world, Manager::Npm, "package-lock.json"), Standing::Drifted(vec![line.into()]));

    world.files.remove(crate::npm::NOTE);
    let world = world.answering(&dry, true, "added 1 package");
    assert!(is_missing(&check(&world, Manager::Npm, "package-lock.json")));
}

#[test]
fn pnpm_s_note_counts_only_after_its_own_check() {
    let line = commands::pnpm_lock_only().line();
    let files = [("pnpm-lock.yaml", "lock"), (witness::PNPM_NOTE, "lock")];
    let installed =
        |succeeded, text| check(&Fake::with(&files).answering(&line, succeeded, text), Manager::Pnpm, files[0].0);
    assert_eq!(installed(true, "Done"), Standing::Installed);
    assert!(is_missing(&installed(false, "some error")));
    let drift = installed(false, "ERR_PNPM_OUTDATED_LOCKFILE\n* 1 dependencies were added: a@1\n");
    assert_eq!(drift, Standing::Drifted(vec!["* 1 dependencies were added: a@1".into()]));
    let old = Fake::with(&[("pnpm-lock.yaml", "lock"), (witness::PNPM_NOTE, "old")]).answering(&line, true, "");
    assert!(is_missing(&check(&old, Manager::Pnpm, files[0].0)));
}

#[test]
fn bun_cannot_tell_so_it_installs() {
    let line = commands::bun_dry_run().line();
    assert!(is_missing(&check(&Fake::default().answering(&line, true, "done"), Manager::Bun, "bun.lock")));
    let drift = "error: lockfile had changes, but lockfile is frozen";
    let world = Fake::default().answering(&line, false, drift);
    assert_eq!(check(&world, Manager::Bun, "bun.lock"), Standing::Drifted(vec![drift.into()]));
}

#[test]
fn pip_needs_a_hash_each_the_stamp_and_the_packages() {
    let lock = "a==1 --hash=sha256:1\n";
    let stamp = format!("[windlass]\nrequirements = {}\n", digest(lock.as_bytes()));
    let dry = commands::pip_dry_run(&Config::default()).line();
    let world = |lock: &str, stamp: &str, said: &str| {
        let files = [("requirements.txt", lock), (".venv/pip.conf", stamp)];
        check(&Fake::with(&files).answering(&dry, true, said), Manager::Pip, "requirements.txt")
    };
    assert_eq!(world(lock, &stamp, "Requirement already satisfied: a==1"), Standing::Installed);
    assert!(is_missing(&world(lock, &stamp, "Collecting a\nWould install a-1\n")));
    assert!(is_missing(&world(lock, "[global]\n", "")));
    assert!(is_missing(&world(&format!("-r base.txt\n{lock}"), &stamp, "")));
    assert_eq!(
        world(&format!("{lock}b==2\n"), &stamp, ""),
        Standing::Drifted(vec!["`b==2` has no hash in `requirements.txt`".into()])
    );
}

/// `uv sync --check` of uv 0.13 succeeds with a lockfile that is out of date, as long as the packages are the same.
#[test]
fn uv_s_lockfile_is_checked_before_its_environment() {
    let sync = commands::uv_sync_check(&Config::default()).line();
    let lock = commands::uv_lock_check().line();
    let world = || Fake::default().answering(&sync, true, "Would make no changes");
    assert_eq!(check(&world().answering(&lock, true, ""), Manager::Uv, "uv.lock"), Standing::Installed);
    let refusal = "error: The lockfile at `uv.lock` needs to be updated, but `--check` was provided.";
    let drifted = world().answering(&lock, false, refusal).answering(
        &commands::uv_difference().line(),
        true,
        "Add farewell v1.0.0\n",
    );
    let lines = vec![refusal.into(), "Add farewell v1.0.0".into()];
    assert_eq!(check(&drifted, Manager::Uv, "uv.lock"), Standing::Drifted(lines));
    let offline = world().answering(&lock, false, "error: No solution found");
    assert!(is_missing(&check(&offline, Manager::Uv, "uv.lock")), "without the network uv cannot say");
    let stale =
        Fake::default().answering(&lock, true, "").answering(&sync, false, "error: The environment is outdated");
    assert!(is_missing(&check(&stale, Manager::Uv, "uv.lock")));
}

/// A dry run of `poetry sync` makes an environment where there is none, and a plan must not.
#[test]
fn poetry_is_not_asked_for_a_dry_run_without_an_environment() {
    let config = Config::default();
    let [lock, environment, dry] =
        [commands::poetry_lock_check(), commands::poetry_environment(), commands::poetry_dry_run(&config)]
            .map(|command| command.line());
    let nothing = "Package operations: 0 installs, 0 updates, 0 removals, 1 skipped\n";
    let fresh = Fake::default().answering(&lock, true, "All set!").answering(&environment, false, "");
    assert!(is_missing(&check(&fresh, Manager::Poetry, "poetry.lock")));
    assert!(!fresh.ran.borrow().contains(&dry));
    let made = || Fake::default().answering(&lock, true, "All set!").answering(&environment, true, "/app/.venv");
    assert_eq!(check(&made().answering(&dry, true, nothing), Manager::Poetry, "poetry.lock"), Standing::Installed);
    let itself = format!("{nothing}\nInstalling the current project: fixture (1.0.0)\n");
    assert!(is_missing(&check(&made().answering(&dry, true, &itself), Manager::Poetry, "poetry.lock")));
    let more = "Package operations: 1 install, 0 updates, 0 removals\n";
    assert!(is_missing(&check(&made().answering(&dry, true, more), Manager::Poetry, "poetry.lock")));
}

#[test]
fn go_wants_every_required_module_in_its_cache() {
    let list = commands::go_modules(true).line();
    let verify = commands::go_verify().line();
    let files = [("go.mod", "module m\nrequire a.b/c v1.0.0\n")];
    let world = |listed: &str, verified| {
        Fake::with(&files).answering(&list, true, listed).answering(
            &verify,
            verified,
            "a.b/c: dir has been modified (x)",
        )
    };
    assert_eq!(check(&world("m  /app\na.b/c v1.0.0 /go/a.b/c\n", true), Manager::Go, "go.sum"), Standing::Installed);
    assert!(is_missing(&check(&world("m  /app\na.b/c v1.0.0 \n", true), Manager::Go, "go.sum")));
    assert!(is_missing(&check(&world("m  /app\na.b/c v1.0.0 /go/a.b/c\n", false), Manager::Go, "go.sum")));
    let line = "go: a.b/d@v1.0.0: missing go.sum entry; to add it:";
    let drifted = Fake::with(&files).answering(&list, false, line);
    assert_eq!(check(&drifted, Manager::Go, "go.sum"), Standing::Drifted(vec![line.into()]));
}

/// Bundler 2.3 says that all is well, with exit code 0, in the same breath as that the lockfile would change.
#[test]
fn bundler_s_success_is_not_taken_at_its_word() {
    let config = Config::default();
    let lock = "DEPENDENCIES\n  greeting!\n";
    let check_line = commands::bundle_check(&config).line();
    let lock_line = commands::bundle_lock(&config).line();
    let world = |said: &str, printed: &str| {
        let files = Fake::with(&[("Gemfile.lock", lock)]);
        check(
            &files.answering(&check_line, true, said).answering(&lock_line, true, printed),
            Manager::Bundler,
            "Gemfile.lock",
        )
    };
    assert_eq!(world("The Gemfile's dependencies are satisfied\n", lock), Standing::Installed);
    let frozen = "Cannot write a changed lockfile while frozen.";
    let named = "`farewell!` is in the Gemfile and not in its lockfile";
    assert_eq!(
        world(frozen, "DEPENDENCIES\n  farewell!\n  greeting!\n"),
        Standing::Drifted(vec![frozen.into(), named.into()])
    );
    assert_eq!(
        world("The following gems are missing", "DEPENDENCIES\n  farewell!\n  greeting!\n"),
        Standing::Drifted(vec![named.into()])
    );
}

/// Composer only warns of a lockfile that is out of date, and installs it.
#[test]
fn composer_s_lockfile_is_validated_first() {
    let config = Config::default();
    let [validate, dry] =
        [commands::composer_validate(), commands::composer_dry_run(&config)].map(|command| command.line());
    let nothing = "Nothing to install, update or remove\n";
    let world = |files: &[(&str, &str)], said: &str| {
        check(
            &Fake::with(files).answering(&validate, true, "valid").answering(&dry, true, said),
            Manager::Composer,
            "composer.lock",
        )
    };
    let made = [("vendor/autoload.php", "<?php")];
    assert_eq!(world(&made, nothing), Standing::Installed);
    assert!(is_missing(&world(&[], nothing)));
    assert!(is_missing(&world(&made, "Package operations: 1 install, 0 updates, 0 removals\n")));
    let line = "- The lock file is not up to date with the latest changes in composer.json, it is recommended";
    let drifted = Fake::default().answering(&validate, false, line);
    assert_eq!(check(&drifted, Manager::Composer, "composer.lock"), Standing::Drifted(vec![line.into()]));
    assert_eq!(
        drift_before_install(&drifted, &project(Manager::Composer, "composer.lock"), &config).unwrap(),
        Some(vec![line.to_string()])
    );
}

#[test]
fn what_was_installed_with_other_options_does_not_count() {
    let line = commands::yarn_integrity(&Config::default()).line();
    let mut world = Fake::default().answering(&line, true, "success Folder in sync.");
    let other = witness::Kept { options: "yarn install --production".into(), digest: None };
    world.kept.insert("yarn".into(), serde_json::to_string(&other).unwrap());
    assert!(is_missing(&check(&world, Manager::Yarn, "yarn.lock")));
}
