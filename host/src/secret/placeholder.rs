//! What a plugin holds instead of a secret: a word that nobody can guess, good for one use, that the host replaces.

use super::{Secret, Secrets};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::collections::BTreeMap;
use url::{Origin, Url};
use zeroize::Zeroizing;

/// How every stand-in begins; 32 hexadecimal digits follow.
const PREFIX: &str = "windlass-secret-";
const DIGITS: usize = 32;

/// A stand-in was used for something that its secret was not granted for.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Misuse {
    /// In a request to somebody else.
    #[error("secret `{name}` is granted for headers to {granted}, not to `{asked}`")]
    OtherOrigin {
        /// The secret's name.
        name: String,
        /// The origins it was granted for.
        granted: String,
        /// The origin of the request.
        asked: String,
    },
    /// A stand-in for a whole URL in a header.
    #[error("secret `{name}` is granted as a URL, not for a header")]
    NotForHeaders {
        /// The secret's name.
        name: String,
    },
    /// A stand-in for a header as a URL, or a stand-in for a URL with more to it than the stand-in.
    #[error("secret `{name}` is not granted as part of a URL")]
    NotForUrls {
        /// The secret's name.
        name: String,
    },
    /// A stand-in that was not minted here.
    #[error("a stand-in for a secret is unknown to this call")]
    Unknown,
    /// The value is none that can be put there, for example no URL. The value itself is not shown.
    #[error("the value of secret `{name}` cannot be used {place}")]
    Unfit {
        /// The secret's name.
        name: String,
        /// What for: `in a header` or `as a URL`.
        place: &'static str,
    },
    /// The origin that the secret is granted for is none.
    #[error("`{0}` is not an origin such as `https://api.example.com`")]
    Origin(String),
    /// The system has no random numbers.
    #[error("the system gave no random numbers")]
    NoRandomness,
}

/// What a stand-in is good for.
#[derive(PartialEq, Eq)]
enum Usage {
    /// In headers to any of these.
    Header(Vec<Origin>),
    Url,
}

struct Entry {
    name: String,
    usage: Usage,
    secret: Secret,
}

/// The stand-ins of one call of a plugin.
#[derive(Default)]
pub struct Placeholders {
    entries: BTreeMap<String, Entry>,
}

impl Placeholders {
    /// A stand-in for use in headers of requests to any of `origins`, for example `https://slack.com`; none where the secret
    /// is not set. The same one each time it is asked for.
    ///
    /// # Errors
    /// [`Misuse::Origin`], [`Misuse::NoRandomness`].
    pub fn header<O: AsRef<str>>(
        &mut self,
        secrets: &Secrets,
        name: &str,
        origins: impl IntoIterator<Item = O>,
    ) -> Result<Option<String>, Misuse> {
        let parse = |origin: O| {
            let parsed = Url::parse(origin.as_ref()).map(|url| url.origin()).ok().filter(Origin::is_tuple);
            parsed.ok_or_else(|| Misuse::Origin(origin.as_ref().into()))
        };
        let origins = origins.into_iter().map(parse).collect::<Result<_, _>>()?;
        self.mint(secrets, name, Usage::Header(origins))
    }

    /// A stand-in for a whole URL, itself a URL, such as `https://windlass-secret-….invalid/`; none where the secret is
    /// not set. The same one each time it is asked for.
    ///
    /// # Errors
    /// [`Misuse::NoRandomness`].
    pub fn url(&mut self, secrets: &Secrets, name: &str) -> Result<Option<String>, Misuse> {
        Ok(self.mint(secrets, name, Usage::Url)?.map(|word| format!("https://{word}.invalid/")))
    }

    fn mint(&mut self, secrets: &Secrets, name: &str, usage: Usage) -> Result<Option<String>, Misuse> {
        let Some(secret) = secrets.get(name) else { return Ok(None) };
        if let Some((word, _)) = self.entries.iter().find(|(_, entry)| entry.name == name && entry.usage == usage) {
            return Ok(Some(word.clone()));
        }
        let mut bytes = [0; DIGITS / 2];
        getrandom::fill(&mut bytes).map_err(|_| Misuse::NoRandomness)?;
        let word = format!("{PREFIX}{}", hex::encode(bytes));
        self.entries.insert(word.clone(), Entry { name: name.into(), usage, secret: secret.clone() });
        Ok(Some(word))
    }

    /// The header's value with its stand-ins replaced, for a request to `destination`; none where there are none. Also
    /// looks into `Basic` credentials. Only for the request itself: what comes back is secret.
    ///
    /// # Errors
    /// Where a stand-in is not good for that.
    pub fn substitute_header(&self, value: &str, destination: &Url) -> Result<Option<Zeroizing<String>>, Misuse> {
        if let Some(credentials) = value.strip_prefix("Basic ")
            && let Some(decoded) =
                STANDARD.decode(credentials.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok())
            && let Some(replaced) = self.replace(&decoded, destination)?
        {
            return Ok(Some(Zeroizing::new(format!("Basic {}", STANDARD.encode(replaced.as_bytes())))));
        }
        self.replace(value, destination)
    }

    fn replace(&self, value: &str, destination: &Url) -> Result<Option<Zeroizing<String>>, Misuse> {
        let mut rest = value;
        let mut replaced: Option<Zeroizing<String>> = None;
        while let Some(start) = rest.find(PREFIX) {
            let end = start + PREFIX.len() + DIGITS;
            let entry = rest.get(start..end).and_then(|word| self.entries.get(word)).ok_or(Misuse::Unknown)?;
            let name = || entry.name.clone();
            match &entry.usage {
                Usage::Url => return Err(Misuse::NotForHeaders { name: name() }),
                Usage::Header(granted) if !granted.contains(&destination.origin()) => {
                    let asked = destination.origin().ascii_serialization();
                    let granted: Vec<_> =
                        granted.iter().map(|origin| format!("`{}`", origin.ascii_serialization())).collect();
                    return Err(Misuse::OtherOrigin { name: name(), granted: granted.join(" and "), asked });
                }
                Usage::Header(_) => {}
            }
            // A final line end is how secrets are often pasted; no header can carry it.
            let secret = entry.secret.expose().trim_end_matches(['\r', '\n']);
            if secret.contains(|letter: char| letter.is_control() && letter != '\t') {
                return Err(Misuse::Unfit { name: name(), place: "in a header" });
            }
            let text = replaced.get_or_insert_with(|| Zeroizing::new(String::with_capacity(value.len() + 4096)));
            text.push_str(&rest[..start]);
            text.push_str(secret);
            rest = &rest[end..];
        }
        if let Some(text) = &mut replaced {
            text.push_str(rest);
        }
        Ok(replaced)
    }

    /// The names of the secrets whose stand-ins are in a header's value, also in `Basic` credentials.
    #[must_use]
    pub fn names_in(&self, value: &str) -> Vec<String> {
        let decoded = value
            .strip_prefix("Basic ")
            .and_then(|credentials| STANDARD.decode(credentials.trim()).ok())
            .and_then(|bytes| String::from_utf8(bytes).ok());
        let found = |text: &str| {
            self.entries
                .iter()
                .filter(|(word, _)| text.contains(*word))
                .map(|(_, entry)| entry.name.clone())
                .collect::<Vec<_>>()
        };
        let mut names = found(value);
        names.extend(decoded.as_deref().map(found).unwrap_or_default());
        names
    }

    /// The secret's name and the URL that a stand-in URL stands for; none where `url` is no stand-in. Only for the request
    /// itself: what comes back is secret.
    ///
    /// # Errors
    /// Where a stand-in is not good for that, or its value is no URL.
    pub fn url_for(&self, url: &str) -> Result<Option<(&str, Url)>, Misuse> {
        let Some(start) = url.find(PREFIX) else { return Ok(None) };
        let word = url.get(start..start + PREFIX.len() + DIGITS).unwrap_or_default();
        let entry = self.entries.get(word).ok_or(Misuse::Unknown)?;
        let exact = url.strip_suffix('/').unwrap_or(url) == format!("https://{word}.invalid");
        if !exact || !matches!(entry.usage, Usage::Url) {
            return Err(Misuse::NotForUrls { name: entry.name.clone() });
        }
        let real = Url::parse(entry.secret.expose().trim()).ok().filter(|url| url.has_host());
        let real = real.ok_or_else(|| Misuse::Unfit { name: entry.name.clone(), place: "as a URL" })?;
        Ok(Some((&entry.name, real)))
    }
}

impl std::fmt::Debug for Placeholders {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_list().entries(self.entries.values().map(|entry| &entry.name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::{Misuse, Placeholders, STANDARD};
    use crate::secret::Secrets;
    use base64::Engine as _;
    use url::Url;

    fn secrets() -> Secrets {
        let value = |name: &str| match name {
            "TOKEN" => Some("xoxb-1\n".to_owned()),
            "HOOK" => Some("https://hooks.example/services/T/B/x".to_owned()),
            "BROKEN" => Some("two\nlines".to_owned()),
            _ => None,
        };
        Secrets::from_environment(["TOKEN", "HOOK", "BROKEN", "ABSENT"], value)
    }

    fn to(url: &str) -> Url {
        Url::parse(url).expect("a URL")
    }

    #[test]
    fn a_header_gets_its_secret_only_towards_its_origin() {
        let mut placeholders = Placeholders::default();
        let word = placeholders.header(&secrets(), "TOKEN", ["https://slack.com"]).expect("minted").expect("set");
        assert!(!word.contains("xoxb"));
        let value = format!("Bearer {word}");
        let there = placeholders.substitute_header(&value, &to("https://slack.com:443/api/x")).expect("granted");
        assert_eq!(there.expect("replaced").as_str(), "Bearer xoxb-1");
        for other in ["https://slack.com.example/", "http://slack.com/", "https://slack.com:8443/"] {
            let elsewhere = placeholders.substitute_header(&value, &to(other));
            assert!(matches!(elsewhere, Err(Misuse::OtherOrigin { .. })), "{other}");
        }
        let two = ["https://slack.com", "https://api.example"];
        let word = placeholders.header(&secrets(), "TOKEN", two).expect("minted").expect("set");
        for origin in two {
            assert!(placeholders.substitute_header(&word, &to(origin)).expect("granted").is_some(), "{origin}");
        }
        let elsewhere = placeholders.substitute_header(&word, &to("https://other.example")).expect_err("a third");
        assert_eq!(
            elsewhere.to_string(),
            "secret `TOKEN` is granted for headers to `https://slack.com` and `https://api.example`, not to \
             `https://other.example`"
        );
        assert_eq!(placeholders.substitute_header("plain", &to("https://slack.com")), Ok(None));
    }

    #[test]
    fn basic_credentials_are_looked_into() {
        let mut placeholders = Placeholders::default();
        let word = placeholders.header(&secrets(), "TOKEN", ["https://api.example"]).expect("minted").expect("set");
        let value = format!("Basic {}", STANDARD.encode(format!("me:{word}")));
        let real =
            placeholders.substitute_header(&value, &to("https://api.example/")).expect("granted").expect("replaced");
        assert_eq!(real.as_str(), format!("Basic {}", STANDARD.encode("me:xoxb-1")));
    }

    #[test]
    fn a_url_stands_for_a_url_and_nothing_else() {
        let mut placeholders = Placeholders::default();
        let url = placeholders.url(&secrets(), "HOOK").expect("minted").expect("set");
        assert!(url.starts_with("https://windlass-secret-") && url.ends_with(".invalid/"));
        let (name, real) = placeholders.url_for(&url).expect("granted").expect("known");
        assert_eq!((name, real.as_str()), ("HOOK", "https://hooks.example/services/T/B/x"));
        assert_eq!(placeholders.url_for("https://hooks.example/"), Ok(None));
        for other in [format!("{url}more"), url.replace("https", "http"), url.replace(".invalid", ".example")] {
            assert!(matches!(placeholders.url_for(&other), Err(Misuse::NotForUrls { .. })), "{other}");
        }
        let header = placeholders.substitute_header(&url, &to("https://hooks.example/"));
        assert!(matches!(header, Err(Misuse::NotForHeaders { .. })));
    }

    #[test]
    fn stand_ins_are_minted_once_and_only_for_what_is_set() {
        let mut placeholders = Placeholders::default();
        let secrets = secrets();
        let first = placeholders.header(&secrets, "TOKEN", ["https://slack.com"]);
        assert_eq!(first, placeholders.header(&secrets, "TOKEN", ["https://slack.com/"]));
        assert_ne!(first, placeholders.header(&secrets, "TOKEN", ["https://other.example"]));
        assert_eq!(placeholders.header(&secrets, "ABSENT", ["https://slack.com"]), Ok(None));
        assert!(matches!(placeholders.header(&secrets, "TOKEN", ["slack"]), Err(Misuse::Origin(_))));
    }

    #[test]
    fn guesses_and_values_that_no_header_can_carry_are_refused() {
        let mut placeholders = Placeholders::default();
        let guess = format!("windlass-secret-{}", "0".repeat(32));
        assert_eq!(placeholders.substitute_header(&guess, &to("https://slack.com")), Err(Misuse::Unknown));
        assert_eq!(placeholders.url_for(&format!("https://{guess}.invalid/")), Err(Misuse::Unknown));
        let broken = placeholders.header(&secrets(), "BROKEN", ["https://slack.com"]).expect("minted").expect("set");
        let refused = placeholders.substitute_header(&broken, &to("https://slack.com"));
        assert_eq!(refused, Err(Misuse::Unfit { name: "BROKEN".into(), place: "in a header" }));
    }
}
