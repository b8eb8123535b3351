//! Who asks a registry: whoever is logged in there, as `docker login` and its like leave it.

use crate::variable::DOCKER_CONFIG;
use base64::Engine as _;
use serde_json::Value;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
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
    ///
    /// # Errors
    /// Why the file says nothing, where there is one that should: there might be an account then, and there is none.
    pub(super) fn of(registry: &str) -> Result<Option<Self>, String> {
        let directory = match std::env::var_os(DOCKER_CONFIG).filter(|directory| !directory.is_empty()) {
            Some(directory) => PathBuf::from(directory),
            None => match dirs::home_dir() {
                Some(home) => home.join(".docker"),
                None => return Ok(None),
            },
        };
        let path = directory.join("config.json");
        match read(&path) {
            Ok(text) => Self::find(&text, registry),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
            Err(error) => Err(format!("it cannot be read: {error}")),
        }
        .map_err(|why| format!("nobody is logged in by `{}`: {why}", path.display()))
    }

    fn find(text: &str, registry: &str) -> Result<Option<Self>, String> {
        // What an error says of it is where, and not what is there.
        let file: Value = serde_json::from_str(text).map_err(|error| format!("it is no JSON: {error}"))?;
        // Older files have URLs there.
        let host = |key: &str| key.trim_start_matches("https://").split('/').next() == Some(registry);
        let find = |key: &str| file[key].as_object().and_then(|entries| entries.iter().find(|(key, _)| host(key)));
        let helped = || format!("the account for `{registry}` is kept by a helper program, and none is asked");
        let Some((_, entry)) = find("auths") else {
            return if find("credHelpers").is_some() { Err(helped()) } else { Ok(None) };
        };
        let Some(encoded) = entry["auth"].as_str().filter(|encoded| !encoded.is_empty()) else { return Err(helped()) };
        let damaged = || format!("its `auth` for `{registry}` is damaged");
        let decoded = base64::engine::general_purpose::STANDARD.decode(encoded).map(Zeroizing::new);
        let decoded = decoded.map_err(|_| damaged())?;
        let both = std::str::from_utf8(&decoded).ok().and_then(|text| text.split_once(':'));
        let (name, password) = both.ok_or_else(damaged)?;
        Ok(Some(Self { name: Zeroizing::new(name.to_owned()), password: Zeroizing::new(password.to_owned()) }))
    }

    /// A text that others wrote, without the password.
    pub(super) fn without(&self, text: &str) -> String {
        if self.password.is_empty() { text.to_owned() } else { text.replace(self.password.as_str(), "***") }
    }
}

/// A file's text; what is no file is not waited for.
fn read(path: &Path) -> io::Result<Zeroizing<String>> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let mut text = Zeroizing::new(String::new());
    std::fs::File::open(path)?.take(LARGEST).read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::Account;

    #[test]
    fn an_account_is_for_its_own_registry_alone() {
        let text = r#"{"auths":{"ghcr.io":{"auth":"bWU6cGFzczp3b3Jk"},"https://index.docker.io/v1/":{"auth":"YTpi"},
            "helped.example":{},"odd.example":{"auth":"?"}},"credHelpers":{"also.example":"ecr-login"},
            "credsStore":"desktop"}"#;
        let found = |registry| {
            let found = Account::find(text, registry);
            found.map(|it| it.map(|account| (account.name.to_string(), account.password.to_string())))
        };
        assert_eq!(found("ghcr.io"), Ok(Some(("me".into(), "pass:word".into()))));
        assert_eq!(found("index.docker.io"), Ok(Some(("a".into(), "b".into()))));
        for other in ["ghcr.io:443", "evil-ghcr.io", "io", ""] {
            assert_eq!(found(other), Ok(None), "{other}");
        }
        for (other, why) in [
            ("helped.example", "is kept by a helper program, and none is asked"),
            ("also.example", "is kept by a helper program, and none is asked"),
            ("odd.example", "its `auth` for `odd.example` is damaged"),
        ] {
            assert!(found(other).is_err_and(|said| said.ends_with(why)), "{other}");
        }
        let broken = Account::find("{ \"auths\": secret", "ghcr.io").err().expect("no JSON");
        assert!(broken.starts_with("it is no JSON: ") && !broken.contains("secret"), "{broken}");
    }
}
