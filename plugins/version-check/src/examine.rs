//! The whole check: read the files, ask the tools, judge. What it reaches of the world is behind [`World`].

use crate::cargo::{self, Chosen};
use crate::config::Config;
use crate::document::{Node, Place};
use crate::judge::{Judgement, There, judge};
use crate::manifest::{KINDS, Kind};
use crate::release::{self, Deployment, Manifest, Release};
use crate::sources::{self, Asks};
use crate::tool::{CARGO_METADATA, GO_LOCAL, Installed, NODE_LTS, Probe, Tool};
use crate::version::{Scheme, Version};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use windlass_plugin::process::Completion;
use windlass_plugin::{Failure, FailureKind, Finding, Severity};

/// What the check reaches.
pub(crate) trait World {
    /// The text of a file, relative to the project; none where there is no such file.
    fn read(&self, path: &str) -> Result<Option<String>, Failure>;
    /// Run a program in a directory to its end.
    fn run(&self, probe: &Probe, directory: &str) -> Result<Completion, Failure>;
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Examination {
    /// Each tool, in order.
    pub tools: Vec<(Tool, Judgement)>,
    /// The application's version.
    pub release: Release,
    /// Everything that was seen, with its place.
    pub findings: Vec<Finding>,
    /// Why the deployment cannot go on.
    pub failures: Vec<Failure>,
}

/// Findings that are failures where the configuration is strict: the project's files contradict each other.
const CONTRADICTIONS: [&str; 3] = ["version-conflict", "version-advice", "manifest-conflict"];

/// Check everything.
///
/// # Errors
/// Where the check itself could not be done; what it found wrong is in [`Examination::failures`].
pub(crate) fn examine(config: &Config, deployment: &Deployment, world: &impl World) -> Result<Examination, Failure> {
    let directory = config.directory()?;
    let mut files = BTreeMap::new();
    for name in sources::names() {
        if let Some(text) = read(world, &Config::path(&directory, name))? {
            files.insert(name, text);
        }
    }
    let shown = |name: &str| Config::path(&directory, name);
    let mut asks = sources::read(&files, config.wanted(), shown);
    let mut examination = Examination::default();
    let manifest = application(config, &directory, world, &mut asks, &mut examination)?;

    for &tool in config.wanted() {
        let of_tool = asks.of(tool);
        if of_tool.is_empty() && config.tools.is_none() {
            continue;
        }
        let asks_for_line = of_tool.iter().any(|ask| ask.requirement.asks_for_line());
        match there(tool, asks_for_line, &directory, world) {
            Ok(there) => examination.tools.push((tool, judge(tool, &of_tool, &there))),
            Err(failure) if failure.code == "tool-unreadable" => examination.failures.push(failure),
            Err(failure) => return Err(failure),
        }
    }
    examination.release = release::check(manifest.as_ref(), deployment, config.allowed());
    examination.gather(asks.failures, config.strict);
    Ok(examination)
}

impl Examination {
    /// Bring together what the parts found.
    fn gather(&mut self, unreadable: Vec<Failure>, strict: bool) {
        let mut failures = unreadable;
        failures.append(&mut self.failures);
        for (_, judgement) in &self.tools {
            self.findings.extend(judgement.findings.iter().cloned());
            failures.extend(judgement.failure.clone());
        }
        self.findings.extend(self.release.findings.iter().cloned());
        failures.extend(self.release.failures.iter().cloned());
        if strict {
            for finding in &mut self.findings {
                if CONTRADICTIONS.contains(&finding.code.as_str()) && finding.severity == Severity::Warning {
                    finding.severity = Severity::Error;
                    let place = place_of(finding).unwrap_or_default();
                    failures.push(
                        Failure::misconfigured(&finding.code, finding.message.clone())
                            .because(format!("{place} says so, and `strict` is set"))
                            .with_hint("make the files agree, or remove the one that is not used"),
                    );
                }
            }
        }
        // A file that two parts read is unreadable for both.
        for failure in failures {
            if !self.failures.contains(&failure) {
                self.failures.push(failure);
            }
        }
    }

    /// All failures as one, the gravest first; none where there are none.
    pub(crate) fn failure(&self) -> Option<Failure> {
        let rank = |failure: &&Failure| match failure.kind {
            FailureKind::Bug | FailureKind::Denied => 0,
            FailureKind::Misconfigured => 1,
            FailureKind::CheckFailed => 2,
            FailureKind::Unavailable => 3,
        };
        let mut sorted: Vec<_> = self.failures.iter().collect();
        sorted.sort_by_key(rank);
        let (first, rest) = sorted.split_first()?;
        if rest.is_empty() {
            return Some((*first).clone());
        }
        let mut all = (*first).clone();
        all.message = format!("{} things are not as they must be", sorted.len());
        all.causes = sorted
            .iter()
            .map(|failure| {
                let causes = failure.causes.join("; ");
                if causes.is_empty() { failure.message.clone() } else { format!("{} ({causes})", failure.message) }
            })
            .collect();
        Some(all)
    }
}

/// `file:line` of a finding.
pub(crate) fn place_of(finding: &Finding) -> Option<String> {
    let file = finding.file.as_ref()?;
    Some(finding.line.map_or_else(|| file.clone(), |line| format!("{file}:{line}")))
}

/// The text of a file without the byte order mark that some editors write.
fn read(world: &impl World, path: &str) -> Result<Option<String>, Failure> {
    let text = world.read(path)?;
    Ok(text.map(|text| text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text)))
}

/// Ask a tool for its version.
fn there(tool: Tool, asks_for_line: bool, directory: &str, world: &impl World) -> Result<There, Failure> {
    let ask = |probe: &Probe| match world.run(probe, directory) {
        Ok(completion) if completion.succeeded() => Ok(Ok(completion.stdout_text())),
        Ok(completion) => Ok(Err(format!("`{}` ended with {}", probe.display(), last_words(&completion)))),
        Err(failure) if failure.code == "program-not-found" => Ok(Err(failure.message)),
        Err(failure) => Err(failure),
    };
    let mut installed: Installed = match ask(&tool.probe())? {
        Ok(output) => tool.read(&output)?,
        // The toolchain that `go.mod` asks for is not there. Which is?
        Err(reason) if tool == Tool::Go => match ask(&GO_LOCAL)? {
            Ok(output) => tool.read(&output)?,
            Err(_) => return Ok(There::No(reason)),
        },
        Err(reason) => return Ok(There::No(reason)),
    };
    if asks_for_line && let Ok(line) = ask(&NODE_LTS)? {
        installed.line = Some(line.trim().to_ascii_lowercase()).filter(|line| !line.is_empty() && line != "undefined");
    }
    Ok(There::Yes(installed))
}

/// How a program ended, with the line that says why.
fn last_words(completion: &Completion) -> String {
    let text = completion.stderr_text();
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let line = lines.clone().find(|line| line.starts_with("error")).or_else(|| lines.next_back());
    match line {
        Some(line) => {
            let line: String = line.chars().take(300).collect();
            format!("{}: {line}", completion.ending())
        }
        None => completion.ending(),
    }
}

/// The application's version, out of the manifest that is named or the first that has one.
fn application(
    config: &Config,
    directory: &str,
    world: &impl World,
    asks: &mut Asks,
    examination: &mut Examination,
) -> Result<Option<Manifest>, Failure> {
    if let Some((name, kind)) = config.manifest()? {
        let file = Config::path(directory, &name);
        let Some(text) = read(world, &file)? else {
            return Err(Failure::misconfigured("manifest-missing", format!("there is no `{file}`"))
                .with_hint("correct `manifest` in the step's `with`"));
        };
        let found = stated(config, kind, &file, &text, world, asks, examination);
        return keep(found, examination);
    }
    let mut manifest: Option<Manifest> = None;
    for (name, kind) in KINDS {
        let file = Config::path(directory, name);
        let Some(text) = read(world, &file)? else { continue };
        let found = stated(config, kind, &file, &text, world, asks, examination);
        match &manifest {
            None => manifest = keep(found, examination)?.filter(|manifest| !manifest.version.is_placeholder()),
            Some(first) => {
                if let Ok(Some(other)) = found {
                    examination.findings.extend(disagreement(first, &other));
                }
            }
        }
    }
    Ok(manifest)
}

/// A failure that says what is wrong with a file goes with the others; one of the check itself ends it.
fn keep(found: Result<Option<Manifest>, Failure>, examination: &mut Examination) -> Result<Option<Manifest>, Failure> {
    match found {
        Err(failure) if matches!(failure.kind, FailureKind::Denied | FailureKind::Bug) => Err(failure),
        Err(failure) => {
            examination.failures.push(failure);
            Ok(None)
        }
        Ok(found) => Ok(found),
    }
}

/// Two manifests with different versions.
fn disagreement(first: &Manifest, other: &Manifest) -> Option<Finding> {
    let text = other.version.to_string();
    let written = first.version.to_string();
    // Python writes `1.3` for what the others write `1.3.0`.
    let same = [first.scheme, Scheme::Python].iter().any(|scheme| {
        let order =
            |one: &str, two: &str| Version::parse(one, *scheme).ok()?.compare(&Version::parse(two, *scheme).ok()?);
        order(&text, &written) == Some(Ordering::Equal)
    });
    (!same && !other.version.is_placeholder()).then(|| Finding {
        severity: Severity::Warning,
        code: "manifest-conflict".into(),
        message: format!(
            "version `{text}` is not `{}` of {}, which comes first; `manifest` says which is meant",
            first.version, first.place
        ),
        file: Some(other.place.file.clone()),
        line: Some(other.place.line),
    })
}

/// The version that a manifest states, or its workspace for it.
fn stated(
    config: &Config,
    kind: Kind,
    file: &str,
    text: &str,
    world: &impl World,
    asks: &mut Asks,
    examination: &mut Examination,
) -> Result<Option<Manifest>, Failure> {
    let tree = kind.read(file, text)?;
    if kind == Kind::Cargo && (cargo::asks_workspace(&tree) || config.package.is_some()) {
        return of_workspace(config, file, &tree, world, asks, examination);
    }
    let manifest = kind.version(file, &tree)?;
    if manifest.is_none() && kind == Kind::Python && tree.get(&["project"]).is_some() {
        examination.findings.push(Finding {
            severity: Severity::Notice,
            code: "version-dynamic".into(),
            message: "the version is made when the package is built, and is not compared".into(),
            file: Some(file.into()),
            line: tree.get(&["project", "dynamic"]).map(|node| node.line),
        });
    }
    Ok(manifest)
}

/// Ask for the Rust that the workspace's members need.
fn ask_for_rust(
    metadata: &cargo_metadata::Metadata,
    file: &str,
    tree: &Node,
    own: Option<&str>,
    world: &impl World,
    asks: &mut Asks,
) -> Result<(), Failure> {
    let is_root = tree.get(&["workspace"]).is_some();
    if !is_root {
        // A member: what it inherits counts, and its siblings do not.
        let line = tree.get(&["package", "rust-version"]).map(|node| node.line);
        if let (Some(line), Some(version)) = (line, own.and_then(|own| cargo::rust_version(metadata, own))) {
            asks.add_rust_version(file, line, &version);
        }
        return Ok(());
    }
    let directory = file.rsplit_once('/').map_or(".", |(directory, _)| directory);
    if let Some((path, version)) = cargo::newest_rust(metadata) {
        let member = Config::path(directory, &path);
        let written = read(world, &member)?.and_then(|text| cargo::written_rust_version(&member, &text));
        let (line, text) = written.unwrap_or((1, version));
        asks.add_rust_version(&member, line, &text);
    }
    Ok(())
}

/// cargo's refusal of a manifest, in its own words.
fn refused(file: &str, completion: &Completion) -> Failure {
    let message = format!("cargo cannot read `{file}`");
    // 101 is cargo's own answer; anything else is that it could not be run, for example for want of a toolchain.
    let failure = match completion.code {
        Some(101) => Failure::misconfigured("manifest-unreadable", message),
        _ => Failure::unavailable("cargo-failed", message),
    };
    let text = completion.stderr_text();
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && *line != "Caused by:");
    lines
        .take(8)
        .fold(failure, |failure, line| failure.because(line.strip_prefix("error: ").unwrap_or(line)))
        .because(format!("`{}` ended with {}", CARGO_METADATA.display(), completion.ending()))
        .with_hint(format!("run `{}` and correct what it says", CARGO_METADATA.display()))
}

/// The version of a Cargo workspace, in cargo's own words.
fn of_workspace(
    config: &Config,
    file: &str,
    tree: &Node,
    world: &impl World,
    asks: &mut Asks,
    examination: &mut Examination,
) -> Result<Option<Manifest>, Failure> {
    let directory = file.rsplit_once('/').map_or(".", |(directory, _)| directory);
    let shared = tree.get(&["workspace", "package", "version"]);
    let completion = match world.run(&CARGO_METADATA, directory) {
        Ok(completion) => completion,
        Err(failure) if failure.code == "program-not-found" => {
            // Without cargo, what stands in the file itself has to do.
            let own = tree.get(&["package", "version"]);
            let plain = [own, shared].into_iter().flatten().find_map(|node| Some((node.line, node.text()?)));
            return match plain {
                Some((line, text)) => Kind::Cargo.stated(file, line, text).map(Some),
                None => Err(Failure::unavailable("tool-missing", format!("the version in `{file}` cannot be told"))
                    .because("it belongs to a workspace, which only `cargo` can read")
                    .because(failure.message)
                    .with_hint("install Rust before this step, or name another `manifest`")),
            };
        }
        Err(failure) => return Err(failure),
    };
    if !completion.succeeded() {
        return Err(refused(file, &completion));
    }
    let metadata = cargo::read(&completion.stdout_text())?;
    let own = tree.get(&["package", "name"]).and_then(Node::text);
    ask_for_rust(&metadata, file, tree, own, world, asks)?;
    match cargo::choose(&metadata, config.package.as_deref(), own)? {
        Chosen::One { version, .. } => {
            let Place { line, .. } = cargo::version_place(file, tree);
            Kind::Cargo.stated(file, line, &version).map(Some)
        }
        Chosen::Several(members) => {
            examination.findings.push(Finding {
                severity: Severity::Notice,
                code: "version-ambiguous".into(),
                message: format!(
                    "the workspace's members have different versions ({}); `package` says which is the application",
                    members.join(", ")
                ),
                file: Some(file.into()),
                line: tree.get(&["workspace"]).map(|node| node.line),
            });
            Ok(None)
        }
    }
}

#[cfg(test)]
mod tests;
