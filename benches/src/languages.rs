//! The same plugin in four languages: how large it is, how long it takes to be built and to be compiled, and how long a command
//! takes that asks it what it needs once it is.
//!
//! That command is `windlass lock --check`: the component is found by its digest, loaded, described and asked once. It is
//! measured beside the same for the step that does nothing.

use crate::measure::Subject;
use crate::project::Bench;
use crate::statistics::Summary;
use crate::table::{markdown, milliseconds};
use crate::{copy, say};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

/// The languages: their names, their folders, their sources and where the build puts the component.
const LANGUAGES: [(&str, &str, &str, &str); 4] = [
    ("C", "c", "src/plugin.c", "build/same.wasm"),
    ("Rust", "rust", "src/lib.rs", "target/wasm32-wasip2/release/same.wasm"),
    ("JavaScript", "javascript", "src/plugin.js", "build/same.wasm"),
    ("Python", "python", "src/plugin.py", "build/same.wasm"),
];

const WITH: &str = r#"{ file = "release/VERSION", registry = "https://registry.example", token = { secret = "TOKEN" }, stamp = "./stamp" }"#;

/// How often a build and a first run are measured: each takes seconds, and differs little.
const FEW: usize = 3;

/// A project that deploys with one component, accepted by its lock.
struct Used {
    name: String,
    size: u64,
    build: Option<f64>,
    directory: PathBuf,
}

impl Used {
    fn new(bench: &Bench, name: &str, component: &Path, with: &str) -> Result<Self, String> {
        let directory = bench.directory.join(format!("language-{}", name.to_lowercase().replace(' ', "-")));
        let config = format!(
            "schema = 1\napp = \"bench\"\n\n[environments.staging]\n\n[[step]]\nid = \"same\"\nplugin = \"./same.wasm\"\nwith = {with}\n"
        );
        let broken = |error: std::io::Error| format!("`{}`: {error}", directory.display());
        std::fs::create_dir_all(&directory).map_err(broken)?;
        std::fs::write(directory.join("deploy.toml"), config).map_err(broken)?;
        let size = std::fs::copy(component, directory.join("same.wasm")).map_err(broken)?;
        let used = Self { name: name.to_owned(), size, build: None, directory };
        let _ = used.subject(bench, &["lock"]).run()?;
        // What this has set to work is not to end in the middle of what is measured.
        let _ = used.filled()?;
        Ok(used)
    }

    fn cache(&self) -> PathBuf {
        self.directory.join("cache")
    }

    fn subject(&self, bench: &Bench, words: &[&str]) -> Subject {
        Subject::new(&bench.windlass, words, &self.directory)
            .variable("WINDLASS_CACHE_DIR", self.cache())
            .variable("WINDLASS_STATE_DIR", bench.directory.join("state"))
    }

    /// A first run, and how long it then takes until the optimising compiler has filled the cache, in milliseconds.
    fn first(&self, bench: &Bench) -> Result<(f64, f64), String> {
        let _ = std::fs::remove_dir_all(self.cache());
        let run = self.subject(bench, &["lock", "--check"]).run()?.wall;
        Ok((run, self.filled()?))
    }

    /// Waits until the optimising compiler has filled the cache, and says how long, in milliseconds.
    fn filled(&self) -> Result<f64, String> {
        let began = Instant::now();
        loop {
            let entries = std::fs::read_dir(self.cache()).into_iter().flatten().flatten();
            let compiled = |path: PathBuf| path.extension().is_some_and(|extension| extension == "compiled");
            if entries.map(|entry| entry.path()).any(compiled) {
                return Ok(began.elapsed().as_secs_f64() * 1e3);
            }
            if began.elapsed() > Duration::from_secs(120) {
                return Err(format!("`{}` was not filled", self.cache().display()));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// A copy of an example, built, and how long a build takes once its tools are there, in milliseconds.
fn built(bench: &Bench, folder: &str, source: &str) -> Result<(PathBuf, f64), String> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("there is no workspace")?;
    let directory = bench.directory.join(format!("same-{folder}"));
    copy(&workspace.join("examples/plugins/same").join(folder), &directory)?;
    let build = || -> Result<f64, String> {
        let mut command = Command::new(&bench.windlass);
        command.args(["plugin", "build"]).current_dir(&directory).stdin(Stdio::null());
        let began = Instant::now();
        let output = command.output().map_err(|error| format!("`{}`: {error}", bench.windlass.display()))?;
        let took = began.elapsed().as_secs_f64() * 1e3;
        if output.status.success() {
            Ok(took)
        } else {
            Err(format!("`same/{folder}` was not built: {}", String::from_utf8_lossy(&output.stderr)))
        }
    };
    // The first one installs what the language needs.
    let _ = build()?;
    let mut times = Vec::new();
    for _ in 0..FEW {
        let file = std::fs::File::options().append(true).open(directory.join(source));
        file.and_then(|file| file.set_modified(SystemTime::now()))
            .map_err(|error| format!("`{source}` of `same/{folder}`: {error}"))?;
        times.push(build()?);
    }
    Ok((directory, median(times)))
}

fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    Summary::of(values).map_or(0.0, |summary| summary.median)
}

/// The table.
pub(crate) fn table(bench: &Bench, _: &Path, title: &str, rounds: usize) -> Result<String, String> {
    let mut all = vec![Used::new(bench, "a step that does nothing, in Rust", &bench.noop, "{}")?];
    for (name, folder, source, component) in LANGUAGES {
        say(&format!("{title}: building in {name}"));
        let (directory, time) = built(bench, folder, source)?;
        let used = Used::new(bench, name, &directory.join(component), WITH)?;
        all.push(Used { build: Some(time), ..used });
    }
    say(&format!("{title}: {} components, {rounds} rounds", all.len()));
    let mut firsts = Vec::new();
    for used in &all {
        let mut times = Vec::new();
        for _ in 0..FEW {
            times.push(used.first(bench)?);
        }
        firsts.push((median(times.iter().map(|time| time.0)), median(times.iter().map(|time| time.1))));
    }
    let mut warm = vec![Vec::new(); all.len()];
    for _ in 0..rounds {
        for (used, samples) in all.iter().zip(&mut warm) {
            samples.push(used.subject(bench, &["lock", "--check"]).run()?);
        }
    }
    let head = ["plugin", "KiB", "build ms", "first run ms", "then compiled in ms", "warm ms", "peak MiB"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for ((used, (first, compiled)), samples) in all.iter().zip(firsts).zip(&warm) {
        rows.push(vec![
            used.name.clone(),
            format!("{}", used.size >> 10),
            used.build.map_or_else(String::new, milliseconds),
            milliseconds(first),
            milliseconds(compiled),
            milliseconds(median(samples.iter().map(|sample| sample.wall))),
            format!("{:.1}", median(samples.iter().map(|sample| sample.memory))),
        ]);
    }
    Ok(format!("\n### {title}\n\n{rounds} rounds; builds and first runs {FEW}.\n\n{}", markdown(&rows)))
}
