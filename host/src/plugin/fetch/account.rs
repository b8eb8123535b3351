//! Who asks a registry: whoever is logged in there, as `docker login` and its like leave it.

use crate::variable::DOCKER_CONFIG;
use base64::Engine as _;
use serde_json::Value;
use std::io::Read;
use std::path::PathBuf;
use zeroize::Zeroizing;

/// The largest file that is read, in bytes.
const LARGEST: u64 = 1 << 20;

/// A name and a password. Neither is ever shown.
pub(super) struct Account {
    pub(super) name: Zeroizing<String>,
    pub(super) password: Zeroizing<String>,
}

impl Account {
    /// The account for a registry, where the file has it. What a helper program keeps is not asked for.
    pub(super) fn of(registry: &str) -> Option<Self> {
        let directory = match std::env::var_os(DOCKER_CONFIG).filter(|directory| !directory.is_empty()) {
            Some(directory) => PathBuf::from(directory),
            None => dirs::home_dir()?.join(".docker"),
        };
        let path = directory.join("config.json");
        if !std::fs::metadata(&path).ok()?.is_file() {
            return None;
        }
        let mut text = Zeroizing::new(String::new());
        std::fs::File::open(path).ok()?.take(LARGEST).read_to_string(&mut text).ok()?;
        Self::find(&text, registry)
    }

    fn find(text: &str, registry: &str) -> Option<Self> {
        let file: Value = serde_json::from_str(text).ok()?;
        // Older files have URLs there.
        let host = |key: &str| key.trim_start_matches("https://").split('/').next() == Some(registry);
        let entry = file["auths"].as_object()?.iter().find(|(key, _)| host(key))?.1;
        let encoded = entry["auth"].as_str()?;
        let decoded = Zeroizing::new(base64::engine::general_purpose::STANDARD.decode(encoded).ok()?);
        let (name, password) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
        Some(Self { name: Zeroizing::new(name.to_owned()), password: Zeroizing::new(password.to_owned()) })
    }

    /// A text that others wrote, without the password.
    pub(super) fn without(&self, text: &str) -> String {
        if self.password.is_empty() { text.to_owned() } else { text.replace(self.password.as_str(), "***") }
    }
}

#[cfg(test)]
mod tests {
    use super::Account;

    #[test]
    fn an_account_is_for_its_own_registry_alone() {
        let text = r#"{"auths":{"ghcr.io":{"auth":"bWU6cGFzczp3b3Jk"},"https://index.docker.io/v1/":{"auth":"YTpi"},
            "helped.example":{},"odd.example":{"auth":"?"}},"credsStore":"desktop"}"#;
        let found = |registry| {
            Account::find(text, registry).map(|account| (account.name.to_string(), account.password.to_string()))
        };
        assert_eq!(found("ghcr.io"), Some(("me".into(), "pass:word".into())));
        assert_eq!(found("index.docker.io"), Some(("a".into(), "b".into())));
        for other in ["ghcr.io:443", "evil-ghcr.io", "io", "helped.example", "odd.example", ""] {
            assert_eq!(found(other), None, "{other}");
        }
        assert!(Account::find("no JSON", "ghcr.io").is_none());
    }
}
