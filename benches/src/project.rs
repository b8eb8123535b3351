//! Projects to deploy, made for one measurement each.

use crate::measure::Subject;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The commit that is deployed: named, so that no `git` is asked.
const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// The secret of the steps that get one.
pub(crate) const SECRET: &str = "correct-horse-battery-staple";

/// What is measured with: the binary, the guest, and where all of it happens.
#[derive(Debug, Clone)]
pub(crate) struct Bench {
    /// `windlass`.
    pub(crate) windlass: PathBuf,
    /// The component of the step that does nothing.
    pub(crate) noop: PathBuf,
    /// Where projects are made.
    pub(crate) directory: PathBuf,
}

/// The steps of a project.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Steps {
    /// So many that do nothing, of one plugin.
    Noop(usize),
    /// So many that do nothing, each of a plugin of its own.
    Plugins(usize),
    /// So many that run `true`.
    True(usize),
    /// One that prints the file `big`, with a secret and a larger limit.
    Print,
}

/// A project in a directory of its own, accepted by its lock.
#[derive(Debug, Clone)]
pub(crate) struct Project {
    bench: Bench,
    directory: PathBuf,
    cache: PathBuf,
}

fn broken<'a>(path: &'a Path) -> impl Fn(std::io::Error) -> String + 'a {
    move |error| format!("`{}`: {error}", path.display())
}

/// Gone, whether it was there or not.
fn remove(path: &Path) -> Result<(), String> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(broken(path)(error)),
        _ => Ok(()),
    }
}

fn config(steps: Steps) -> String {
    let mut text = "schema = 1\napp = \"bench\"\n\n[environments.staging]\n".to_owned();
    let mut step = |number: usize, plugin: &str, with: &str| {
        let _ = write!(text, "\n[[step]]\nid = \"step-{number}\"\nplugin = \"{plugin}\"\nwith = {with}\n");
    };
    match steps {
        Steps::Noop(count) => (1..=count).for_each(|number| step(number, "./noop.wasm", "{ changes = true }")),
        Steps::Plugins(count) => {
            (1..=count).for_each(|number| step(number, &format!("./noop-{number}.wasm"), "{ changes = true }"));
        }
        Steps::True(count) => {
            (1..=count).for_each(|number| step(number, "command", "{ run = [\"true\"], effect = \"changes\" }"));
        }
        Steps::Print => {
            let with =
                "{ run = [\"cat\", \"big\"], effect = \"reads\", secrets = { TOKEN = { secret = \"BENCH_TOKEN\" } } }";
            step(1, "command", with);
            text.push_str("output_limit = \"2GiB\"\n");
        }
    }
    text
}

/// The same component with other bytes: a custom section that says a number.
fn numbered(component: &[u8], number: usize) -> Vec<u8> {
    let name = format!("copy-{number}");
    let mut bytes = component.to_vec();
    // Both lengths are below 128, which is one byte as LEB128.
    bytes.extend([0, name.len() as u8 + 1, name.len() as u8]);
    bytes.extend(name.as_bytes());
    bytes
}

impl Project {
    /// Makes one under this name. What is run in it shares the cache with all others.
    pub(crate) fn make(bench: &Bench, name: &str, steps: Steps) -> Result<Self, String> {
        let directory = bench.directory.join(name);
        remove(&directory)?;
        std::fs::create_dir_all(&directory).map_err(broken(&directory))?;
        let write = |name: &str, bytes: &[u8]| {
            let path = directory.join(name);
            std::fs::write(&path, bytes).map_err(broken(&path))
        };
        write("deploy.toml", config(steps).as_bytes())?;
        let noop = std::fs::read(&bench.noop).map_err(broken(&bench.noop))?;
        match steps {
            Steps::Noop(_) => write("noop.wasm", &noop)?,
            Steps::Plugins(count) => {
                for number in 1..=count {
                    write(&format!("noop-{number}.wasm"), &numbered(&noop, number))?;
                }
            }
            Steps::True(_) | Steps::Print => {}
        }
        let project = Self { bench: bench.clone(), directory, cache: bench.directory.join("cache") };
        let mut lock = Command::new(&bench.windlass);
        lock.arg("lock").current_dir(&project.directory).env("WINDLASS_CACHE_DIR", &project.cache);
        lock.env("WINDLASS_STATE_DIR", bench.directory.join("state"));
        lock.stdin(Stdio::null()).stdout(Stdio::null());
        let output = lock.stderr(Stdio::piped()).output().map_err(broken(&bench.windlass))?;
        if !output.status.success() {
            return Err(format!("`{name}` cannot be locked: {}", String::from_utf8_lossy(&output.stderr)));
        }
        project.wait_for_cache()?;
        Ok(project)
    }

    /// The same project with a cache of its own.
    pub(crate) fn with_own_cache(self) -> Self {
        Self { cache: self.directory.join("cache"), ..self }
    }

    /// Its directory.
    pub(crate) fn path(&self) -> &Path {
        &self.directory
    }

    /// Where the log of its runs goes.
    pub(crate) fn sink(&self) -> PathBuf {
        self.directory.join("log")
    }

    /// A run of it, with the log in a file.
    pub(crate) fn run(&self) -> Subject {
        let arguments: [OsString; 4] = ["run", "--commit", COMMIT, "--log=info"].map(Into::into);
        let mut subject = Subject::new(&self.bench.windlass, arguments, &self.directory)
            .variable("WINDLASS_CACHE_DIR", self.cache.as_os_str())
            .variable("WINDLASS_STATE_DIR", self.bench.directory.join("state"))
            .variable("BENCH_TOKEN", SECRET);
        subject.error = self.sink();
        subject
    }

    /// As a checkout finds it: never deployed.
    pub(crate) fn forget_runs(&self) -> Result<(), String> {
        remove(&self.directory.join(".windlass"))
    }

    /// As on a machine that never saw these plugins.
    pub(crate) fn forget_cache(&self) -> Result<(), String> {
        remove(&self.cache)
    }

    /// Waits until what a run left to be compiled for the next is there: it is no part of the run, and would be in the way
    /// of the next measurement.
    pub(crate) fn wait_for_cache(&self) -> Result<(), String> {
        let wanted = std::fs::read_dir(&self.directory)
            .map_err(broken(&self.directory))?
            .flatten()
            .filter(|entry| entry.path().extension().is_some_and(|extension| extension == "wasm"))
            .count()
            .max(1);
        let started = Instant::now();
        loop {
            let entries = std::fs::read_dir(&self.cache).into_iter().flatten().flatten();
            let compiled = entries
                .filter(|entry| entry.path().extension().is_some_and(|extension| extension == "compiled"))
                .count();
            if compiled >= wanted {
                return Ok(());
            }
            if started.elapsed() > Duration::from_secs(60) {
                return Err(format!("`{}` was not filled: it has {compiled} of {wanted}", self.cache.display()));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_has_a_name_of_its_own() {
        let text = config(Steps::True(3));
        assert_eq!(text.matches("[[step]]").count(), 3);
        assert!((1..=3).all(|number| text.contains(&format!("id = \"step-{number}\""))));
    }

    #[test]
    fn a_copy_is_a_valid_section_longer() {
        let bytes = numbered(b"\0asm", 7);
        assert_eq!(bytes, b"\0asm\0\x07\x06copy-7");
    }
}
