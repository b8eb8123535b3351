//! What a run left: what a plugin said of its failure, processes, and secrets where none must be.

use crate::{Output, Project};
use std::path::Path;

impl Project {
    /// The failure of a step in the newest run: the plugin's word, and its texts in one.
    ///
    /// # Panics
    /// Where it did not fail.
    #[must_use]
    pub fn failure(&self, step: &str) -> (String, String) {
        let journal = self.journal();
        let failed = journal.iter().rev().find(|event| {
            matches!(event["event"].as_str(), Some("step-failed" | "revert-failed")) && event["step"] == step
        });
        let trouble = &failed.unwrap_or_else(|| panic!("`{step}` did not fail: {journal:#?}"))["trouble"];
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let mut texts = vec![text(&trouble["what"])];
        texts.extend(trouble["causes"].as_array().into_iter().flatten().map(text));
        texts.extend([text(&trouble["note"]), text(&trouble["hint"])]);
        (text(&trouble["detail"]), texts.join("\n"))
    }

    /// Makes sure that a secret is in no output and in nothing that Windlass wrote.
    ///
    /// # Panics
    /// Where it is.
    pub fn keeps_secret(&self, secret: &str, outputs: &[&Output]) {
        assert!(secret.len() > 5, "too short to be looked for");
        for output in outputs {
            assert!(!output.raw_stdout.contains(secret) && !output.stderr.contains(secret), "{}", output.all());
        }
        let place = self.path().join(".windlass");
        assert!(place.is_dir(), "there was a run");
        search(&place, secret);
        let lock = std::fs::read_to_string(self.path().join("deploy.lock")).unwrap_or_default();
        assert!(!lock.contains(secret), "{lock}");
    }
}

/// Whether a process is there and has not ended.
///
/// # Panics
/// Where that cannot be found out.
#[must_use]
pub fn runs(process: &str) -> bool {
    let state = if Path::new("/proc/self/stat").exists() {
        // The state follows the name, which is in parentheses and may have some of its own.
        let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        stat.rsplit_once(") ").map(|(_, rest)| rest.to_owned()).unwrap_or_default()
    } else {
        let output = std::process::Command::new("ps").args(["-o", "stat=", "-p", process]).output().expect("ps");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    // What has ended and nobody has asked about is still listed.
    !state.is_empty() && !state.starts_with('Z')
}

fn search(directory: &Path, secret: &str) {
    for entry in std::fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            search(&path, secret);
        } else {
            let bytes = std::fs::read(&path).expect("a file");
            assert!(!String::from_utf8_lossy(&bytes).contains(secret), "the secret is in {}", path.display());
        }
    }
}
