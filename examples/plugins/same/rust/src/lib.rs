//! Registers a release: reads its version from a file, has a command stamp it, and tells a registry.

use serde::{Deserialize, Serialize};
use windlass_plugin::http::{Request, Response, Target, addresses};
use windlass_plugin::process::Command;
use windlass_plugin::{
    ALL_PHASES, Access, Capability, Failure, Intent, Outcome, Phases, SecretReference, SecretUse, Step, Verdict, log,
    record, secrets,
};

/// The step.
pub struct Same;

/// Its `with`.
#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The file that holds the version.
    #[schemars(regex(pattern = r"^[^/]+/[^/]+$"))]
    file: String,
    /// Where the registry is.
    registry: String,
    /// The secret that holds its token.
    token: SecretReference,
    /// The command that stamps a version.
    stamp: String,
}

/// What `apply` leaves.
#[derive(Serialize, Deserialize)]
pub struct Record {
    version: String,
}

impl Step for Same {
    const NAME: &'static str = "same";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const SUMMARY: &'static str = "Registers a release.";
    type Config = Config;
    type Record = Record;

    fn requires(config: &Config) -> Result<Vec<Capability>, Failure> {
        let base = config.base();
        let target: Target = base
            .parse()
            .map_err(|why| Failure::misconfigured("invalid-url", format!("`{base}` is not a URL")).because(why))?;
        let http = |path: &str| {
            Capability::http(&target.scheme, &target.host, target.port)
                .path(format!("{}{path}", target.path.trim_end_matches('/')))
                .addresses(addresses(&target.host, &[]))
        };
        let directory = config.file.split('/').next().unwrap_or_default();
        Ok(vec![
            Capability::directory(directory, Access::Read, Phases::PLAN | Phases::APPLY),
            Capability::exec(&config.stamp).arguments(["*"]).during(Phases::APPLY),
            http("/releases/").during(Phases::PLAN),
            http("/releases/").methods(["DELETE"]).during(Phases::REVERT),
            http("/releases").methods(["POST"]).during(Phases::APPLY),
            Capability::secret(&config.token.secret, SecretUse::Header(target.origin()), ALL_PHASES),
        ])
    }

    fn plan(config: &Config) -> Result<Vec<Intent>, Failure> {
        let version = config.version()?;
        if config.is_there(&version)? {
            return Ok(vec![]);
        }
        let intent = Intent::changes(format!("register:{version}"), format!("register `{version}`"));
        Ok(vec![intent.with_detail(format!("stamped by `{}`", config.stamp))])
    }

    fn apply(config: &Config) -> Result<Outcome, Failure> {
        let version = config.version()?;
        let stamped = Command::new(&config.stamp).argument(&version).capture()?;
        if !stamped.succeeded() {
            let what = format!("`{} {version}` ended with {}", config.stamp, stamped.ending());
            return Err(Failure::check_failed("stamp-failed", what)
                .because(stamped.tail.trim())
                .with_note("nothing was registered"));
        }
        let stamp = stamped.stdout_text().trim().to_owned();
        log::info(format!("the stamp is {stamp}"));
        record::append(&Record { version: version.clone() })?;
        let body = serde_json::json!({ "stamp": stamp, "version": version });
        let answer = config.ask(Request::post(config.url("/releases")).json(&body)?, "POST", "/releases", &[201])?;
        let answer: serde_json::Value = serde_json::from_slice(&answer.body)
            .map_err(|error| Failure::unavailable("not-json", "the answer is not JSON").because(error))?;
        let id = answer["id"].as_str().map_or_else(|| answer["id"].to_string(), str::to_owned);
        Ok(Outcome::new(format!("registered `{version}`"))
            .with_output("id", id)
            .with_output("stamp", stamp)
            .with_output("version", version))
    }

    fn probe(config: &Config, records: Vec<Record>) -> Result<Verdict, Failure> {
        let Some(last) = records.last() else { return Ok(Verdict::NotDone) };
        Ok(if config.is_there(&last.version)? { Verdict::Done } else { Verdict::NotDone })
    }

    fn revert(config: &Config, records: Vec<Record>) -> Result<Outcome, Failure> {
        for record in records.iter().rev() {
            let path = format!("/releases/{}", record.version);
            config.ask(Request::new("DELETE", config.url(&path)), "DELETE", &path, &[204, 404])?;
        }
        Ok(Outcome::new("took back what was registered"))
    }
}

impl Config {
    fn base(&self) -> &str {
        self.registry.trim_end_matches('/')
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base())
    }

    fn version(&self) -> Result<String, Failure> {
        let file = &self.file;
        let text = std::fs::read_to_string(file)
            .map_err(|error| Failure::misconfigured("unreadable", format!("`{file}` cannot be read")).because(error))?;
        let version = text.trim();
        if version.is_empty() {
            return Err(Failure::misconfigured("no-version", format!("`{file}` holds no version"))
                .with_hint(format!("write the version into `{file}`")));
        }
        Ok(version.to_owned())
    }

    fn is_there(&self, version: &str) -> Result<bool, Failure> {
        let path = format!("/releases/{version}");
        Ok(self.ask(Request::get(self.url(&path)), "GET", &path, &[200, 404])?.status == 200)
    }

    fn ask(&self, request: Request, method: &str, path: &str, expected: &[u16]) -> Result<Response, Failure> {
        let name = &self.token.secret;
        let Some(token) = secrets::placeholder(name)? else {
            return Err(Failure::misconfigured("secret-not-set", format!("the secret `{name}` is not set"))
                .with_hint(format!("set the variable `{name}` in the job's environment")));
        };
        let answer = request.header("authorization", format!("Bearer {token}")).send()?;
        if expected.contains(&answer.status) {
            return Ok(answer);
        }
        let what = format!("the registry answered `{method} {path}` with {}", answer.status);
        Err(Failure::unavailable("registry-answered", what))
    }
}

windlass_plugin::export!(Same);
