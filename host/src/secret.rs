//! The only room that holds secret bytes: reads them once, stands in for them and takes them out of texts.
//!
//! - [`Secrets`] are read at the start, by name, and never again.
//! - [`Placeholders`] are what a plugin holds instead; the host puts the value in at the one place it was granted for.
//! - [`Redactor`] takes every secret, however encoded, out of what is shown, written or sent; [`StreamRedactor`] does so
//!   for output that comes in pieces.
//!
//! It must not log, must not write files, and must not hand a value to anything but the places listed at
//! [`Secret::expose`].

mod encoding;
mod filter;
mod placeholder;
mod redactor;
mod stream;

pub use placeholder::{Misuse, Placeholders};
pub use redactor::{MASK, Redactor};
pub use stream::StreamRedactor;

use std::collections::BTreeMap;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Fewer characters than this make a secret so easy to hit by chance that a person should be warned.
pub const SHORT: usize = 6;

/// Fewer characters than this are never redacted: nearly every line would be.
pub const SHORTEST: usize = 3;

/// The value of one secret. Not shown by `Debug`, and overwritten when the last clone is dropped.
#[derive(Clone)]
pub struct Secret(Arc<Zeroizing<String>>);

impl Secret {
    fn new(value: String) -> Self {
        Self(Arc::new(Zeroizing::new(value)))
    }

    /// The value itself. Called only where it goes to the one use it was granted for: a request's header or URL, a
    /// database connection, a variable of a child process, and the forge's own client for the forge's token. Never
    /// to be put into a message, an event, a plan or a plugin's memory. ([`Secrets::pieces`] is the one other way out.)
    pub(crate) fn expose(&self) -> &str {
        self.0.as_str()
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(MASK)
    }
}

/// All the secrets of a run, by name. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Secrets(Arc<BTreeMap<String, Secret>>);

impl Secrets {
    /// Reads each of these names once, through `lookup`. What is not set, or empty, is absent: CI hands over an empty
    /// variable where a secret does not exist.
    pub fn from_environment<N: Into<String>>(
        names: impl IntoIterator<Item = N>,
        lookup: impl Fn(&str) -> Option<String>,
    ) -> Self {
        let read = |name: N| {
            let name = name.into();
            let value = lookup(&name).filter(|value| !value.is_empty())?;
            Some((name, Secret::new(value)))
        };
        Self(Arc::new(names.into_iter().filter_map(read).collect()))
    }

    /// These, by name.
    #[must_use]
    pub fn of(values: Vec<(String, String)>) -> Self {
        Self::default().and(values)
    }

    /// With these besides, by name.
    #[must_use]
    pub fn and(self, values: Vec<(String, String)>) -> Self {
        if values.is_empty() {
            return self;
        }
        let mut all = Arc::unwrap_or_clone(self.0);
        all.extend(values.into_iter().map(|(name, value)| (name, Secret::new(value))));
        Self(Arc::new(all))
    }

    /// The value of this name, if it is set.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Secret> {
        self.0.get(name)
    }

    /// The names that are set, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The names of secrets of fewer than [`SHORT`] characters, of which a person should be told: those of
    /// [`SHORTEST`] or more are redacted, and harmless words with them; shorter ones are not redacted at all.
    #[must_use]
    pub fn too_short(&self) -> Vec<&str> {
        let short = |secret: &Secret| secret.expose().trim().chars().count() < SHORT;
        self.0.iter().filter(|(_, secret)| short(secret)).map(|(name, _)| name.as_str()).collect()
    }

    /// The name of a secret that a value is, or has within it. One of fewer than [`SHORT`] characters may stand anywhere,
    /// so it counts only where it is the whole value.
    #[must_use]
    pub fn within(&self, value: &str) -> Option<&str> {
        let within = |secret: &Secret| {
            let secret = secret.expose().trim();
            !secret.is_empty()
                && (secret == value.trim() || (secret.chars().count() >= SHORT && value.contains(secret)))
        };
        self.0.iter().find(|(_, secret)| within(secret)).map(|(name, _)| name.as_str())
    }

    /// Each value, line by line, and what in it is secret by itself: for a CI's runner that is to keep them out of its log, and
    /// for nobody else. The encodings of these the runner finds by itself.
    pub(crate) fn pieces(&self, give: impl FnOnce(&mut dyn Iterator<Item = &str>)) {
        let mut pieces = vec![];
        for secret in self.0.values() {
            encoding::pieces(secret.expose(), &mut pieces);
        }
        pieces.sort_unstable_by(|one, other| one.as_slice().cmp(other));
        pieces.dedup();
        give(&mut pieces.iter().filter_map(|piece| std::str::from_utf8(piece).ok()));
    }

    /// What takes these secrets out of texts. Building it costs some microseconds per secret; build it once.
    #[must_use]
    pub fn redactor(&self) -> Redactor {
        let mut forms = vec![];
        for secret in self.0.values() {
            encoding::forms(secret.expose(), &mut forms);
        }
        Redactor::new(forms)
    }
}

#[cfg(test)]
mod tests {
    use super::Secrets;

    fn secrets(pairs: &[(&str, &str)]) -> Secrets {
        let find = |name: &str| pairs.iter().find(|(other, _)| *other == name).map(|(_, value)| (*value).to_owned());
        Secrets::from_environment(pairs.iter().map(|(name, _)| *name), find)
    }

    #[test]
    fn an_empty_variable_is_no_secret() {
        let secrets = secrets(&[("TOKEN", ""), ("OTHER", "abcdefgh")]);
        assert!(secrets.get("TOKEN").is_none());
        assert_eq!(secrets.names().collect::<Vec<_>>(), ["OTHER"]);
    }

    #[test]
    fn debug_shows_names_and_no_values() {
        let text = format!("{:?}", secrets(&[("TOKEN", "abcdefgh")]));
        assert!(text.contains("TOKEN") && !text.contains("abcdefgh"), "{text}");
    }

    #[test]
    fn a_secret_is_found_under_another_name() {
        let secrets = secrets(&[("PIN", "1234"), ("TOKEN", "abcdefgh\n")]);
        for (value, name) in [
            ("abcdefgh", Some("TOKEN")),
            ("Bearer abcdefgh", Some("TOKEN")),
            ("1234", Some("PIN")),
            ("12345", None),
            ("", None),
        ] {
            assert_eq!(secrets.within(value), name, "{value}");
        }
    }

    #[test]
    fn short_secrets_are_named_and_redacted_from_three_characters() {
        let secrets = secrets(&[("PIN", "1234"), ("BIT", "no"), ("TOKEN", "abcdefgh")]);
        assert_eq!(secrets.too_short(), ["BIT", "PIN"]);
        assert_eq!(secrets.redactor().redact("pin 1234, no token abcdefgh"), "pin ***, no token ***");
    }
}
