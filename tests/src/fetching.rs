//! Projects whose plugin comes from elsewhere.

use crate::Project;
use crate::probe::config;
use crate::secure::Secure;
use std::path::PathBuf;

/// A project of one step, whose plugin comes from a server on loopback, with a cache of its own.
#[derive(Debug)]
pub struct Fetching {
    /// The project.
    pub project: Project,
    /// Its cache.
    pub cache: tempfile::TempDir,
}

impl Fetching {
    /// With this plugin, from a server behind that.
    #[must_use]
    pub fn new(locator: &str, secure: &Secure) -> Self {
        Self::trusting(locator, secure.authority())
    }

    /// With this plugin, from a server with a certificate of this authority.
    #[must_use]
    pub fn trusting(locator: &str, authority: &str) -> Self {
        let cache = tempfile::tempdir().expect("a directory");
        let step = format!("[[step]]\nid = \"a\"\nplugin = \"{locator}\"\n");
        let project = Project::with(&config(&[step])).file("authority.pem", authority);
        let authority = project.path().join("authority.pem");
        let project = project
            .variable("SSL_CERT_FILE", &authority.to_string_lossy())
            .variable("WINDLASS_CACHE_DIR", &cache.path().to_string_lossy());
        Self { project, cache }
    }

    /// Logged in at a host, as Docker's file has it: with the account `me` and `the-pass-word`.
    #[must_use]
    pub fn logged_in(self, host: &str) -> Self {
        let auth = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, "me:the-pass-word");
        self.docker(&serde_json::json!({ "auths": { host: { "auth": auth } } }).to_string())
    }

    /// With this as Docker's file.
    #[must_use]
    pub fn docker(self, text: &str) -> Self {
        self.project.write("docker/config.json", text);
        let directory = self.project.path().join("docker").to_string_lossy().into_owned();
        Self { project: self.project.variable("DOCKER_CONFIG", &directory), ..self }
    }

    /// Where what was fetched is kept.
    #[must_use]
    pub fn components(&self) -> PathBuf {
        self.cache.path().join("components")
    }

    /// What was kept.
    #[must_use]
    pub fn kept(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.components());
        entries.map(|entries| entries.map(|entry| entry.expect("an entry").path()).collect()).unwrap_or_default()
    }

    /// Holds that it runs.
    pub fn runs(&self) {
        let _ = self.project.windlass("run").exits(0);
        assert_eq!(self.project.event("step-succeeded")["summary"], "did nothing");
    }

    /// Holds that a command is refused in these words.
    #[track_caller]
    pub fn refused(&self, words: &str, code: i32, part: &str) {
        let output = self.project.windlass(words).exits(code);
        for part in [part, "\nnote: nothing was run", "\nhint: "] {
            assert!(output.stderr.contains(part), "it does not say {part}: {}", output.all());
        }
    }
}
