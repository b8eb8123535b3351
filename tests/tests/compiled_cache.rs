//! The cache of compiled plugins, from the outside: it makes runs faster, and is never trusted with more than that.

use e2e::{Output, Project, probe};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A project whose cache is its own.
struct Cached {
    project: Project,
    cache: tempfile::TempDir,
}

const CACHE: &str = "the cache";
const QUICK: &str = "the quick compiler";

impl Cached {
    fn new() -> Self {
        let cache = tempfile::tempdir().expect("a directory");
        let step = "[[step]]\nid = \"a\"\nplugin = \"./noop.wasm\"\n";
        // Locked with the cache that all tests share, so that this one is empty.
        Self { project: Project::with(&probe::config(&[step.to_owned()])).guest("noop").locked(), cache }
    }

    fn directory(&self) -> PathBuf {
        self.cache.path().join("windlass")
    }

    /// Where its key is.
    fn state(&self) -> PathBuf {
        self.cache.path().join("state")
    }

    fn run_in(&self, directory: &Path) -> Output {
        let (cache, state) = (directory.to_string_lossy(), self.state().to_string_lossy().into_owned());
        let variables =
            [("WINDLASS_CACHE_DIR", &*cache), ("WINDLASS_STATE_DIR", &*state), ("WINDLASS_TRACE", "windlass=debug")];
        let output = self.project.windlass_with("run", &variables).exits(0);
        // Whatever the cache holds, this is the plugin that runs.
        assert_eq!(self.project.event("step-succeeded")["summary"], "did nothing");
        output
    }

    /// Runs it, and checks where the code came from.
    fn runs_from(&self, source: &str) {
        let output = self.run_in(&self.directory());
        assert!(output.stderr.contains(&format!("source=\"{source}\"")), "not {source}: {}", output.stderr);
    }

    /// Compiles now what a run would leave to a process in the background.
    fn fill(&self, directory: &Path, file: &str) -> bool {
        self.fill_with(directory, &self.state(), file)
    }

    /// The same with the key that is in `state`.
    fn fill_with(&self, directory: &Path, state: &Path, file: &str) -> bool {
        let mut command = self.project.command(["__fill-cache", &self.project.path().join(file).to_string_lossy()]);
        command.env("WINDLASS_CACHE_DIR", directory).env("WINDLASS_STATE_DIR", state);
        command.status().expect("the binary runs").success()
    }

    fn entries(&self) -> Vec<PathBuf> {
        entries(&self.directory())
    }
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(directory) else { return vec![] };
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "compiled")).collect()
}

/// Waits for a process that nobody can be told the end of.
fn until(what: &str, done: impl Fn() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_first_run_fills_the_cache_behind_its_back_and_the_second_uses_it() {
    let cached = Cached::new();
    cached.runs_from(QUICK);
    until("the cache is filled", || cached.entries().len() == 1);
    cached.runs_from(CACHE);
    cached.runs_from(CACHE);
}

#[test]
fn built_in_plugins_are_cached_too() {
    let cached = Cached::new();
    let config = "schema = 1\napp = \"shop\"\n[environments.staging]\n[[step]]\nid = \"a\"\nplugin = \"command\"\nwith = { run = [\"true\"] }\n";
    let project = Project::with(config).locked();
    let directory = cached.directory().to_string_lossy().into_owned();
    let run =
        || project.windlass_with("run", &[("WINDLASS_CACHE_DIR", &directory), ("WINDLASS_TRACE", "windlass=debug")]);
    assert!(run().exits(0).stderr.contains(QUICK));
    until("the cache is filled", || cached.entries().len() == 1);
    assert!(run().exits(0).stderr.contains(CACHE));
}

#[test]
fn an_entry_that_was_changed_is_compiled_again_and_replaced() {
    let cached = Cached::new();
    assert!(cached.fill(&cached.directory(), "noop.wasm"));
    cached.runs_from(CACHE);
    let entry = cached.entries().remove(0);
    let good = std::fs::read(&entry).expect("an entry");
    let middle = good.len() / 2;
    for bad in [
        [&good[..middle], &[good[middle] ^ 1], &good[middle + 1..]].concat(),
        [&[good[0] ^ 1], &good[1..]].concat(),
        good[..middle].to_vec(),
        good[..7].to_vec(),
        vec![],
        [&good[..], &[0]].concat(),
    ] {
        std::fs::write(&entry, bad).expect("written");
        cached.runs_from(QUICK);
        until("the entry is replaced", || std::fs::read(&entry).is_ok_and(|now| now == good));
    }
    cached.runs_from(CACHE);
}

#[test]
fn an_entry_is_good_for_its_own_plugin_and_its_own_cache_only() {
    let cached = Cached::new();
    assert!(cached.fill(&cached.directory(), "noop.wasm"));
    let noop = cached.entries().remove(0);
    // Another plugin's code, signed with the right key, under this one's name.
    std::fs::copy(e2e::guest("probe"), cached.project.path().join("probe.wasm")).expect("a guest");
    assert!(cached.fill(&cached.directory(), "probe.wasm"));
    let probe = cached.entries().into_iter().find(|entry| *entry != noop).expect("another entry");
    let good = std::fs::read(&noop).expect("an entry");
    std::fs::copy(&probe, &noop).expect("copied");
    cached.runs_from(QUICK);
    until("the entry is replaced", || std::fs::read(&noop).is_ok_and(|now| now == good));
    // This plugin's code, signed with another key.
    let other = cached.cache.path().join("other");
    let elsewhere = cached.cache.path().join("other-state");
    assert!(cached.fill_with(&other, &elsewhere, "noop.wasm"));
    std::fs::copy(entries(&other).remove(0), &noop).expect("copied");
    cached.runs_from(QUICK);
}

/// As a CI's cache is restored, which a pull request may have written.
#[test]
fn a_cache_that_is_brought_from_elsewhere_is_not_loaded_whatever_keys_it_brings() {
    let cached = Cached::new();
    let elsewhere = cached.cache.path().join("elsewhere");
    assert!(cached.fill_with(&cached.directory(), &elsewhere, "noop.wasm"));
    // Where the key was once, and where else a reader might look for it.
    for name in ["key", "state/key", "windlass/key"] {
        let brought = cached.directory().join(name);
        std::fs::create_dir_all(brought.parent().expect("a parent")).expect("a directory");
        std::fs::copy(elsewhere.join("key"), brought).expect("copied");
    }
    cached.runs_from(QUICK);
    // Who keeps the key in the cache brings it with the cache: then there is none.
    let within = cached.directory().join("state");
    assert!(!cached.fill_with(&cached.directory(), &within, "noop.wasm"));
    assert!(!cached.fill_with(&cached.directory(), &cached.directory(), "noop.wasm"));
}

#[test]
fn where_no_cache_can_be_kept_the_run_works_all_the_same() {
    let cached = Cached::new();
    let file = cached.cache.path().join("file");
    std::fs::write(&file, "").expect("a file");
    for nowhere in [file.clone(), file.join("below")] {
        assert!(cached.run_in(&nowhere).stderr.contains(QUICK));
        assert!(!cached.fill(&nowhere, "noop.wasm"));
    }
}

#[cfg(unix)]
mod unix {
    use super::*;
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    fn mode(path: &Path, mode: u32) {
        std::fs::set_permissions(path, Permissions::from_mode(mode)).expect("permissions");
    }

    #[test]
    fn a_cache_that_others_can_put_another_in_the_place_of_is_not_used() {
        let cached = Cached::new();
        let shared = cached.cache.path().join("shared");
        let within = shared.join("team").join("windlass");
        assert!(cached.fill(&within, "noop.wasm"));
        assert!(cached.run_in(&within).stderr.contains(CACHE));
        for open in [0o777, 0o703] {
            mode(&shared, open);
            assert!(cached.run_in(&within).stderr.contains(QUICK));
            assert!(!cached.fill(&within, "noop.wasm"));
        }
        // As `/tmp` is: who did not make a thing does not move it.
        mode(&shared, 0o1777);
        assert!(cached.run_in(&within).stderr.contains(CACHE));
    }

    #[test]
    fn a_cache_that_others_can_write_is_not_used() {
        let cached = Cached::new();
        assert!(cached.fill(&cached.directory(), "noop.wasm"));
        let key = cached.state().join("key");
        cached.runs_from(CACHE);
        for (path, open, closed) in
            [(cached.directory(), 0o770, 0o700), (cached.state(), 0o707, 0o700), (key, 0o660, 0o600)]
        {
            mode(&path, open);
            cached.runs_from(QUICK);
            assert!(!cached.fill(&cached.directory(), "noop.wasm"));
            mode(&path, closed);
            cached.runs_from(CACHE);
        }
    }

    #[test]
    fn a_key_that_is_not_whole_or_a_link_is_none() {
        let cached = Cached::new();
        assert!(cached.fill(&cached.directory(), "noop.wasm"));
        let key = cached.state().join("key");
        let bytes = std::fs::read(&key).expect("a key");
        std::fs::write(&key, &bytes[..31]).expect("written");
        cached.runs_from(QUICK);
        std::fs::write(&key, &bytes).expect("written");
        let elsewhere = cached.cache.path().join("key");
        std::fs::rename(&key, &elsewhere).expect("moved");
        std::os::unix::fs::symlink(&elsewhere, &key).expect("a link");
        cached.runs_from(QUICK);
    }

    #[test]
    fn a_cache_that_cannot_be_written_can_be_read() {
        let cached = Cached::new();
        assert!(cached.fill(&cached.directory(), "noop.wasm"));
        mode(&cached.directory(), 0o500);
        cached.runs_from(CACHE);
        mode(&cached.directory(), 0o700);
    }

    #[test]
    fn only_this_user_can_read_the_key_and_write_the_cache() {
        let cached = Cached::new();
        assert!(cached.fill(&cached.directory(), "noop.wasm"));
        let permissions = |path: &Path| std::fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!(permissions(&cached.directory()), 0o700);
        assert_eq!(permissions(&cached.state()), 0o700);
        assert_eq!(permissions(&cached.state().join("key")), 0o600);
    }
}
