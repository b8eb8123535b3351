//! `examples/shop`, deployed for real: what its README promises, from the first release to the last.

use e2e::database::Database;
use e2e::server::{Closed, get};
use e2e::traces::runs;
use e2e::{Output, Project, workspace};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A copy of the example with a repository and ports of its own. What it leaves running is stopped with it.
struct Shop {
    project: Project,
    staging: u16,
    production: u16,
}

impl Shop {
    fn new() -> Self {
        // Shared between runs of this test, so that the dependencies are compiled once.
        let test = std::env::current_exe().expect("a test has a path");
        let target = test.ancestors().nth(3).expect("a target directory").join("shop");
        let project = Project::new().variable("CARGO_TARGET_DIR", &target.to_string_lossy());
        for file in tracked() {
            let to = project.path().join(&file);
            std::fs::create_dir_all(to.parent().expect("a directory")).expect("a directory");
            std::fs::copy(workspace().join("examples/shop").join(&file), to).expect("a file");
        }
        let ports = (Closed::new(), Closed::new());
        let (staging, production) = (ports.0.port(), ports.1.port());
        let config = project.read("deploy.toml");
        let config = config.replace("18431", &staging.to_string()).replace("18432", &production.to_string());
        project.write("deploy.toml", &config);
        let shop = Self { project: project.locked(), staging, production };
        shop.project.commit();
        shop
    }

    fn run(&self, environment: &str) -> Output {
        self.project.windlass(&format!("run -e {environment} --format json"))
    }

    fn health(&self, port: u16) -> Value {
        let (status, body) = get(port, "/health").expect("the shop answers");
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).expect("JSON")
    }

    fn applied(&self) -> Vec<String> {
        self.database().column("SELECT name FROM windlass_migrations ORDER BY position")
    }

    fn database(&self) -> Database {
        Database::sqlite(&self.project.path().join("var/staging.db"))
    }

    /// The process that serves an environment.
    fn process(&self, environment: &str) -> String {
        self.project.read(&format!("var/{environment}/shop.pid")).trim().to_owned()
    }

    /// Stops everything; what the script says.
    fn stop(&self) -> String {
        let output = Command::new("./stop").current_dir(self.project.path()).output();
        output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default()
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        let _ = self.stop();
    }
}

/// The example's files, as they are committed.
fn tracked() -> Vec<PathBuf> {
    let output =
        Command::new("git").current_dir(workspace()).args(["ls-files", "-z", "examples/shop"]).output().expect("git");
    let files: Vec<PathBuf> = String::from_utf8_lossy(&output.stdout)
        .split('\0')
        .filter_map(|file| Path::new(file).strip_prefix("examples/shop").map(Path::to_path_buf).ok())
        .collect();
    assert!(files.iter().any(|file| file.ends_with("deploy.lock")), "{files:?}");
    files
}

/// Each step that was not skipped, with what came of it.
fn outcomes(result: &Value) -> Vec<String> {
    let steps = result["steps"].as_array().expect("steps");
    let text = |step: &Value, key: &str| step[key].as_str().unwrap_or_default().to_owned();
    steps.iter().map(|step| format!("{} {}", text(step, "id"), text(step, "outcome"))).collect()
}

#[test]
fn the_committed_lock_accepts_exactly_what_the_example_asks_for() {
    let output = Command::new(e2e::binary())
        .current_dir(workspace().join("examples/shop"))
        .args(["lock", "--check"])
        .output()
        .expect("the binary runs");
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn the_shop_goes_live_comes_back_from_a_broken_version_and_goes_on_to_a_good_one() {
    let shop = Shop::new();
    let first = shop.project.commit();

    // From nothing to a live release.
    let output = shop.run("staging").exits(0);
    assert_eq!(output.result()["outcome"], "succeeded");
    let health = shop.health(shop.staging);
    assert_eq!(
        (&health["version"], &health["commit"], &health["schema"]),
        (&"1.0.0".into(), &first.as_str().into(), &4.into())
    );
    assert_eq!(shop.applied().len(), 4);
    assert_eq!(shop.project.read("var/staging/current/release").lines().next(), Some("1.0.0"));
    let process = shop.process("staging");
    assert!(runs(&process), "the shop outlives the run");
    assert!(output.stderr.contains("the message to `#deploys` was not sent"), "{}", output.stderr);

    // The same commit again.
    let output = shop.run("staging").exits(0);
    assert_eq!(
        outcomes(&output.result()),
        [
            "announce skipped",
            "toolchain succeeded",
            "dependencies skipped",
            "build skipped",
            "schema skipped",
            "release skipped",
            "healthy succeeded",
            "report not-run"
        ]
    );
    assert!(output.stderr.contains("nothing changed: shop 1.0.0"), "{}", output.stderr);
    assert_eq!(shop.process("staging"), process, "not even restarted");
    assert!(!shop.project.has("var/staging/releases/2"));

    // A second version whose health check is broken: production has to wait for staging, and staging goes back by itself.
    second_version(&shop, "--broken");
    shop.project.commit();
    let blocked = shop.run("production").exits(21);
    assert!(blocked.stderr.contains("`production` comes after `staging`"), "{}", blocked.stderr);
    assert!(!shop.project.has("var/production"), "nothing was done");
    let output = shop.run("staging").exits(10);
    assert_eq!(output.result()["outcome"], "rolled-back");
    assert_eq!(
        outcomes(&output.result()),
        [
            "announce succeeded",
            "toolchain succeeded",
            "dependencies skipped",
            "build succeeded",
            "schema reverted",
            "release reverted",
            "healthy failed",
            "report succeeded"
        ]
    );
    let story = shop.project.story();
    let reverts: Vec<&String> = story.iter().filter(|event| event.starts_with("step-reverted")).collect();
    assert_eq!(reverts, ["step-reverted release", "step-reverted schema"], "{story:#?}");
    assert!(output.stderr.contains("expected status `200`, came `500`"), "{}", output.stderr);
    let health = shop.health(shop.staging);
    assert_eq!(
        (&health["version"], &health["commit"], &health["schema"]),
        (&"1.0.0".into(), &first.as_str().into(), &4.into())
    );
    assert_eq!(shop.applied().len(), 4, "the history is that of the first version");
    assert!(!shop.database().tables().contains(&"reviews".into()));
    assert!(!shop.project.has("var/staging/releases/2"));

    // Mended, it goes live; then production may have it too.
    let health_check = shop.project.read("src/health.rs").replace("FROM schema_versions", "FROM schema_version");
    shop.project.write("src/health.rs", &health_check);
    let second = shop.project.commit();
    let _ = shop.run("staging").exits(0);
    let health = shop.health(shop.staging);
    assert_eq!(
        (&health["version"], &health["commit"], &health["schema"]),
        (&"1.1.0".into(), &second.as_str().into(), &5.into())
    );
    assert!(!runs(&process), "the first version's process is gone");
    assert_eq!(shop.applied().len(), 5);
    let _ = shop.run("production").exits(0);
    assert_eq!(shop.health(shop.production)["environment"], "production");

    // And nothing is left behind.
    let processes = [shop.process("staging"), shop.process("production")];
    assert!(processes.iter().all(|process| runs(process)));
    assert_eq!(shop.stop(), "production: stopped\nstaging: stopped\n");
    assert!(!processes.iter().any(|process| runs(process)));
    assert_eq!((get(shop.staging, "/health"), get(shop.production, "/health")), (None, None));
}

fn second_version(shop: &Shop, how: &str) {
    let status =
        Command::new("./bin/second-version").arg(how).current_dir(shop.project.path()).status().expect("a script");
    assert!(status.success());
}
