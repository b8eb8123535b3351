//! The built-in step `version-check`: the tools that the project's version files ask for against the tools that are there,
//! and the version that is released against its manifest and against what is live.
//!
//! # What is checked
//! - **Tools.** Rust, Node, Python and Go (on demand npm, pnpm and Yarn too). The files, their precedence and what each
//!   weighs are in [`sources`]; the ranges are each ecosystem's own, in [`requirement`].
//! - **The release.** Three ways: the version in the manifest, the name under which it is released, and what is live.
//!   Where the manifest and the release's name disagree, the release is half done, and the step fails unless
//!   `allow-mismatch` is set; a candidate (`1.3.0-rc.1` of `1.3.0`) is only noted, and a release without a version (its name
//!   is its commit) goes by its manifest. A version below the live one is refused unless `allow-downgrade` is set, the
//!   live version with another commit unless `allow-same-version` is set.
//!
//! The plan does the same as the step itself, since it only looks: what would fail, fails before anything was run.

mod cargo;
mod config;
mod document;
mod examine;
mod judge;
mod manifest;
mod release;
mod requirement;
mod sources;
mod tool;
mod version;

pub use config::Config;
pub use tool::Tool;

use examine::{Examination, World, examine, place_of};
use manifest::Kind;
use tool::{CARGO_METADATA, Probe};
use windlass_plugin::process::Completion;
use windlass_plugin::{
    Access, Capability, Failure, Intent, Outcome, Phases, Severity, Step, Verdict, deployment, log, report,
};

/// The step.
pub struct VersionCheck;

/// The project's files and programs, through the host.
struct Host;

impl World for Host {
    fn read(&self, path: &str) -> Result<Option<String>, Failure> {
        match std::fs::read(path) {
            Ok(bytes) => String::from_utf8(bytes).map(Some).map_err(|error| {
                let place = error.utf8_error().valid_up_to();
                Failure::misconfigured("manifest-unreadable", format!("`{path}` is not text"))
                    .because(format!("it is not UTF-8 from byte {place}"))
                    .with_hint(format!("save `{path}` as UTF-8"))
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            // A part of the path is a file: there is no such file either.
            Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => Ok(None),
            Err(error) => {
                Err(Failure::misconfigured("manifest-unreadable", format!("`{path}` cannot be read")).because(error))
            }
        }
    }

    fn run(&self, probe: &Probe, directory: &str) -> Result<Completion, Failure> {
        probe.command(directory).capture()
    }
}

/// Check everything, through the host; marks and returns what is wrong.
fn check(config: &Config) -> Result<Examination, Failure> {
    let current = deployment::current();
    let deployment = release::Deployment {
        version: current.version,
        commit: current.commit,
        live: current.live.map(|live| (live.version, live.commit)),
    };
    let examination = examine(config, &deployment, &Host)?;
    let Some(failure) = examination.failure() else { return Ok(examination) };
    for finding in &examination.findings {
        report::annotate(finding);
    }
    Err(failure)
}

impl Step for VersionCheck {
    const NAME: &'static str = "version-check";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const SUMMARY: &'static str = "Checks the tools that the project asks for, and the version that is released.";
    type Config = Config;
    type Record = ();

    fn requires(config: &Config) -> Result<Vec<Capability>, Failure> {
        capabilities(config)
    }

    fn plan(config: &Config) -> Result<Vec<Intent>, Failure> {
        let examination = check(config)?;
        examination.tell_findings();
        Ok(examination.intents())
    }

    fn apply(config: &Config) -> Result<Outcome, Failure> {
        let examination = check(config)?;
        // The plan has said all this, with places.
        for (_, judgement) in &examination.tools {
            log::debug(&judgement.line);
        }
        if !examination.release.line.is_empty() {
            log::debug(&examination.release.line);
        }
        examination.tell_findings();
        let rows = examination.rows();
        if !rows.is_empty() {
            let columns = ["", "there", "asked for", "by"].map(String::from);
            report::table("versions", &columns, &rows);
        }
        Ok(examination.outcome())
    }

    fn probe(_: &Config, _: Vec<()>) -> Result<Verdict, Failure> {
        // A check leaves nothing behind: one that was cut off has to be done again.
        Ok(Verdict::NotDone)
    }
}

/// What a configuration needs. It cannot be known here which files there are, so all programs that might be run are asked
/// for; one that is not there and that no file asks for is no error.
fn capabilities(config: &Config) -> Result<Vec<Capability>, Failure> {
    let directory = config.directory()?;
    let manifest = config.manifest.as_ref().map(|path| (path.contains("${"), config.manifest()));
    let cargo = match manifest {
        None => Some(directory.clone()),
        // A hole: what it will be filled with is not known yet.
        Some((true, _)) => Some(directory.clone()),
        Some((false, manifest)) => manifest?.and_then(|(path, kind)| {
            let path = Config::path(&directory, &path);
            (kind == Kind::Cargo).then(|| path.rsplit_once('/').map_or(".", |(directory, _)| directory).to_owned())
        }),
    };
    let phases = Phases::PLAN | Phases::APPLY;
    let mut capabilities = vec![Capability::directory(&directory, Access::Read, phases)];
    let mut tools = config.wanted().to_vec();
    tools.sort_unstable();
    tools.dedup();
    capabilities.extend(tools.iter().flat_map(|tool| tool.probes()).map(|probe| probe.capability(&directory)));
    capabilities.extend(cargo.map(|directory| CARGO_METADATA.capability(&directory)));
    Ok(capabilities)
}

impl Examination {
    /// What was checked, for the plan. No places in the ids, and nothing that differs between machines but versions.
    fn intents(&self) -> Vec<Intent> {
        let with_detail = |intent: Intent, lines: Vec<String>| {
            if lines.is_empty() { intent } else { intent.with_detail(lines.join("\n")) }
        };
        let lines = |findings: &[windlass_plugin::Finding]| findings.iter().map(line_of).collect();
        let tools = self.tools.iter().map(|(_, judgement)| {
            with_detail(Intent::reads(&judgement.id, &judgement.line), lines(&judgement.findings))
        });
        let release = (!self.release.id.is_empty())
            .then(|| with_detail(Intent::reads(&self.release.id, &self.release.line), lines(&self.release.findings)));
        tools.chain(release).collect()
    }

    /// Say in the log what was seen.
    fn tell_findings(&self) {
        for finding in &self.findings {
            match finding.severity {
                Severity::Notice => log::info(line_of(finding)),
                Severity::Warning => log::warn(line_of(finding)),
                Severity::Error => log::error(line_of(finding)),
            }
        }
    }

    /// The table of the report.
    fn rows(&self) -> Vec<Vec<String>> {
        let tools = self.tools.iter().map(|(tool, judgement)| {
            vec![tool.name().into(), judgement.version.clone(), judgement.asked.clone(), judgement.origins.clone()]
        });
        let release = self
            .release
            .version
            .as_ref()
            .map(|version| vec!["version".into(), version.clone(), String::new(), String::new()]);
        tools.chain(release).collect()
    }

    /// What comes of the step.
    fn outcome(&self) -> Outcome {
        let names: Vec<_> =
            self.tools.iter().map(|(tool, judgement)| format!("{} {}", tool.name(), judgement.version)).collect();
        let mut parts = vec![if names.is_empty() { "no file asks for a tool".into() } else { names.join(", ") }];
        parts.extend(Some(self.release.id.clone()).filter(|id| !id.is_empty()));
        let mut outcome = Outcome::new(parts.join("; "));
        for (tool, judgement) in &self.tools {
            outcome = outcome.with_output(tool.name(), &judgement.version);
        }
        if let Some(version) = &self.release.version {
            outcome = outcome.with_output("version", version);
        }
        outcome.findings.clone_from(&self.findings);
        outcome
    }
}

/// A finding in one line.
fn line_of(finding: &windlass_plugin::Finding) -> String {
    place_of(finding).map_or_else(|| finding.message.clone(), |place| format!("{place}: {}", finding.message))
}

windlass_plugin::export!(crate::VersionCheck);

#[cfg(test)]
mod tests {
    use super::*;
    use windlass_plugin::Grant;

    /// Each capability in one line.
    fn asked_for(config: &Config) -> Vec<String> {
        let capabilities = VersionCheck::requires(config).expect("valid");
        assert!(capabilities.iter().all(|capability| capability.phases == Phases::PLAN | Phases::APPLY));
        capabilities
            .iter()
            .map(|capability| match &capability.grant {
                Grant::Directory(directory) => format!("{:?} {}", directory.access, directory.path),
                Grant::Exec(exec) => {
                    assert!(!exec.background);
                    format!("{} {} in {}", exec.program, exec.arguments.join(" "), exec.directory)
                }
                other => panic!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn by_default_all_probes_are_asked_for_with_exact_arguments() {
        assert_eq!(
            asked_for(&Config::default()),
            [
                "Access::Read .",
                "rustc --version in .",
                "node --version in .",
                "node -p process.release.lts in .",
                "python3 --version in .",
                "go version in .",
                "cargo metadata --format-version 1 --no-deps --offline in .",
            ]
        );
    }

    #[test]
    fn only_what_is_configured_is_asked_for() {
        let config = Config {
            directory: "services/api".into(),
            tools: Some(vec![Tool::Pnpm, Tool::Go, Tool::Go]),
            manifest: Some("package.json".into()),
            ..Config::default()
        };
        assert_eq!(
            asked_for(&config),
            ["Access::Read services/api", "go version in services/api", "pnpm --version in services/api"]
        );
        let config = Config { tools: Some(vec![]), manifest: Some("x/Cargo.toml".into()), ..Config::default() };
        let cargo = "cargo metadata --format-version 1 --no-deps --offline in x";
        assert_eq!(asked_for(&config), ["Access::Read .", cargo]);
        let open = Config { tools: Some(vec![]), manifest: Some("${vars.manifest}".into()), ..Config::default() };
        assert_eq!(asked_for(&open).len(), 2);
        let wrong = Config { manifest: Some("setup.py".into()), ..Config::default() };
        assert_eq!(VersionCheck::requires(&wrong).expect_err("unknown").code, "manifest-unknown");
    }

    #[test]
    fn a_check_that_was_cut_off_was_not_done() {
        assert_eq!(VersionCheck::probe(&Config::default(), vec![]), Ok(Verdict::NotDone));
    }
}
