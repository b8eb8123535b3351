//! The words of `deploy.toml`: names, durations, sizes, and where a plugin comes from. Each is checked when it is read, and
//! says in its JSON Schema what it may be.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// Declares a name: a string of one shape.
macro_rules! names {
    ($($(#[$doc:meta])* $name:ident, $title:literal, $pattern:literal, $longest:literal, $check:expr, $text:literal;)*) => {$(
        $(#[$doc])*
        #[doc = ""]
        #[doc = $text]
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The name as it is written.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = String;

            /// The error is a sentence that says what the name may be.
            fn try_from(text: String) -> Result<Self, String> {
                let check: fn(&str) -> bool = $check;
                if text.chars().count() <= $longest && check(&text) {
                    Ok(Self(text))
                } else {
                    Err(format!("`{text}` is not {}", super::explain::as_clause($text)))
                }
            }
        }

        impl std::str::FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                Self::try_from(text.to_owned())
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl PartialEq<str> for $name {
            fn eq(&self, other: &str) -> bool {
                self.0 == other
            }
        }

        impl PartialEq<&str> for $name {
            fn eq(&self, other: &&str) -> bool {
                self.0 == *other
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                $title.into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "description": $text, "type": "string", "pattern": $pattern, "maxLength": $longest })
            }
        }
    )*};
}

names! {
    /// Names a step, in `deploy.toml`, in the journal and in messages.
    StepId, "StepId", "^[a-z0-9-]+$", 100, is_kebab, "A name of small letters, digits and `-`.";
    /// Names a part of the app that is deployed by itself.
    ComponentName, "ComponentName", "^[a-z0-9-]+$", 100, is_kebab, "A name of small letters, digits and `-`.";
    /// Names values that several steps share.
    StateName, "StateName", "^[a-z0-9-]+$", 100, is_kebab, "A name of small letters, digits and `-`.";
    /// Names the app.
    AppName, "AppName", "^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$", 100, is_app,
        "A name of letters, digits and, within it, `.`, `_` and `-`.";
    /// Names an environment, as the forge knows it.
    EnvironmentName, "EnvironmentName",
        "^[A-Za-z0-9_]([A-Za-z0-9_. -]*[A-Za-z0-9_])?(/[A-Za-z0-9_]([A-Za-z0-9_. -]*[A-Za-z0-9_])?)*$", 255, is_environment,
        "A name of letters, digits, `_` and, within it, `-`, `.`, `/` and blanks.";
    /// Names an environment variable.
    VariableName, "VariableName", "^[A-Za-z_][A-Za-z0-9_]*$", 255, is_variable,
        "A name of letters, digits and `_` that does not begin with a digit.";
}

fn is_kebab(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

/// Whether all characters are `inner` ones and the first and the last are `edge` ones.
fn is_framed(text: &str, edge: fn(u8) -> bool, inner: &[u8]) -> bool {
    let bytes = text.as_bytes();
    bytes.first().is_some_and(|byte| edge(*byte))
        && bytes.last().is_some_and(|byte| edge(*byte))
        && bytes.iter().all(|byte| edge(*byte) || inner.contains(byte))
}

fn is_app(text: &str) -> bool {
    is_framed(text, |byte| byte.is_ascii_alphanumeric(), b"._-")
}

fn is_environment(text: &str) -> bool {
    text.split('/').all(|part| is_framed(part, |byte| byte.is_ascii_alphanumeric() || byte == b'_', b"_. -"))
}

fn is_variable(text: &str) -> bool {
    text.bytes()
        .enumerate()
        .all(|(index, byte)| byte.is_ascii_alphabetic() || byte == b'_' || (index > 0 && byte.is_ascii_digit()))
        && !text.is_empty()
}

/// Splits `30s` into a number of at most nine digits and its unit.
fn number_and_unit(text: &str) -> Option<(u64, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    if digits > 9 {
        return None;
    }
    let (number, unit) = text.split_at(digits);
    number.parse().ok().map(|number| (number, unit))
}

/// A length of time. It is written as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Duration {
    text: Cow<'static, str>,
    milliseconds: u64,
}

impl Duration {
    /// A duration that is known to be right.
    pub(super) const fn fixed(text: &'static str, milliseconds: u64) -> Self {
        Self { text: Cow::Borrowed(text), milliseconds }
    }

    /// As the standard library has it.
    #[must_use]
    pub const fn get(&self) -> std::time::Duration {
        std::time::Duration::from_millis(self.milliseconds)
    }
}

impl TryFrom<String> for Duration {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let milliseconds = number_and_unit(&text).and_then(|(number, unit)| {
            let scale = match unit {
                "ms" => 1,
                "s" => 1_000,
                "m" => 60_000,
                "h" => 3_600_000,
                _ => return None,
            };
            Some(number * scale)
        });
        match milliseconds {
            Some(milliseconds) => Ok(Self { text: text.into(), milliseconds }),
            None => Err(format!("`{text}` is not a length of time")),
        }
    }
}

impl From<Duration> for String {
    fn from(duration: Duration) -> Self {
        duration.text.into_owned()
    }
}

impl std::fmt::Display for Duration {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl JsonSchema for Duration {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A length of time, written `500ms`, `30s`, `10m` or `1h`.",
            "type": "string",
            "pattern": "^[0-9]{1,9}(ms|s|m|h)$"
        })
    }
}

/// A number of bytes. It is written as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Size {
    text: Cow<'static, str>,
    bytes: u64,
}

impl Size {
    /// A size that is known to be right.
    pub(super) const fn fixed(text: &'static str, bytes: u64) -> Self {
        Self { text: Cow::Borrowed(text), bytes }
    }

    /// In bytes.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl TryFrom<String> for Size {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let bytes = number_and_unit(&text).and_then(|(number, unit)| {
            let shift = match unit {
                "B" => 0,
                "KiB" => 10,
                "MiB" => 20,
                "GiB" => 30,
                _ => return None,
            };
            Some(number << shift)
        });
        match bytes {
            Some(bytes) => Ok(Self { text: text.into(), bytes }),
            None => Err(format!("`{text}` is not a size")),
        }
    }
}

impl From<Size> for String {
    fn from(size: Size) -> Self {
        size.text.into_owned()
    }
}

impl std::fmt::Display for Size {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl JsonSchema for Size {
    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A size, written `4096B`, `512KiB`, `64MiB` or `1GiB`.",
            "type": "string",
            "pattern": "^[0-9]{1,9}(B|KiB|MiB|GiB)$"
        })
    }
}

/// Where a plugin comes from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum PluginLocator {
    /// Part of the binary, by name. Whether there is one of this name is not known here.
    BuiltIn(String),
    /// A file, relative to the project: it contains a `/` or ends in `.wasm`. It begins with `./`, however it was written.
    Path(String),
    /// A file behind an `https` URL.
    Https(String),
    /// An artifact in a registry, `oci://HOST/REPOSITORY:TAG` or `…@sha256:DIGEST`.
    Oci(String),
}

impl PluginLocator {
    /// As it is written; a path in the one way in which it is named everywhere.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::BuiltIn(text) | Self::Path(text) | Self::Https(text) | Self::Oci(text) => text,
        }
    }
}

impl PluginLocator {
    /// Why a text that is none is none.
    #[must_use]
    pub fn why_not(text: &str) -> &'static str {
        match text.split_once("://") {
            Some(("http", _)) => "what comes from elsewhere comes over TLS: `https://` or `oci://`",
            Some(("oci", rest))
                if rest.contains('/') && !rest.rsplit('/').next().is_some_and(|it| it.contains(':')) =>
            {
                "it has neither a tag (`:1.0.0`) nor a digest (`@sha256:…`)"
            }
            _ => "it is neither the name of a plugin nor where one is",
        }
    }
}

/// A path without what means nothing in it, so that one file has one name. What `..` leads to is the system's to say.
fn normal(path: &str) -> String {
    let parts: Vec<&str> = path.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    let Some(first) = parts.first() else { return path.to_owned() };
    let names = parts.join("/");
    match path {
        // The name of another machine is in it.
        _ if path.starts_with("//") => path.to_owned(),
        _ if path.starts_with('/') => format!("/{names}"),
        // A drive of Windows, or a path that is not written with `/`.
        _ if *first == ".." || first.as_bytes().get(1) == Some(&b':') || first.starts_with('\\') => names,
        _ => format!("./{names}"),
    }
}

impl TryFrom<String> for PluginLocator {
    type Error = String;

    /// The error is the text, which is neither the name of a plugin nor where one is.
    fn try_from(text: String) -> Result<Self, String> {
        let blank = |character: char| character.is_control() || character.is_whitespace();
        let remote = |rest: &str| {
            let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
            !host.is_empty() && !host.contains('@') && !path.is_empty() && !rest.contains(blank)
        };
        match text.split_once("://") {
            Some(("https", rest)) if remote(rest) => Ok(Self::Https(text)),
            // What has neither a tag nor a digest is whatever is called `latest` on that day.
            Some(("oci", rest)) if remote(rest) && rest.rsplit('/').next().is_some_and(|name| name.contains(':')) => {
                Ok(Self::Oci(text))
            }
            None if is_kebab(&text) => Ok(Self::BuiltIn(text)),
            None if (text.contains('/') || text.ends_with(".wasm")) && !text.contains(char::is_control) => {
                Ok(Self::Path(normal(&text)))
            }
            _ => Err(text),
        }
    }
}

impl From<PluginLocator> for String {
    fn from(locator: PluginLocator) -> Self {
        match locator {
            PluginLocator::BuiltIn(text)
            | PluginLocator::Path(text)
            | PluginLocator::Https(text)
            | PluginLocator::Oci(text) => text,
        }
    }
}

impl std::fmt::Display for PluginLocator {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl JsonSchema for PluginLocator {
    fn schema_name() -> Cow<'static, str> {
        "Plugin".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "The name of a built-in plugin, a path such as `./plugins/mine.wasm`, an `https://` URL or an \
                `oci://` reference.",
            "type": "string"
        })
    }
}

#[cfg(test)]
mod tests {
    use schemars::{JsonSchema, schema_for};
    use serde_json::{Value, json};

    use super::{
        AppName, ComponentName, Duration, EnvironmentName, PluginLocator, Size, StateName, StepId, VariableName,
    };

    const SAMPLES: &[&str] = &[
        "",
        "a",
        "A",
        "-",
        "a-b",
        "a b",
        " a",
        "a ",
        "a/b",
        "a//b",
        "/a",
        "a/",
        "..",
        "a/../b",
        "_",
        "_a",
        "1a",
        "a.b",
        ".a",
        "ä",
        "a\n",
        "${x}",
        "review/feature-1",
        "Production EU",
    ];

    /// The code and the schema say the same of every sample.
    fn agree<T: JsonSchema + TryFrom<String>>(samples: &[&str]) -> Vec<String> {
        let schema = Value::from(schema_for!(T));
        let validator = jsonschema::validator_for(&schema).unwrap();
        let mut accepted = vec![];
        for sample in samples {
            let value = T::try_from((*sample).to_owned()).is_ok();
            assert_eq!(value, validator.is_valid(&json!(sample)), "{sample:?} of {}", T::schema_name());
            if value {
                accepted.push((*sample).to_owned());
            }
        }
        accepted
    }

    #[test]
    fn names_agree_with_their_schemas() {
        let long = "a".repeat(101);
        let mut samples = SAMPLES.to_vec();
        samples.push(&long);
        assert_eq!(agree::<StepId>(&samples), ["a", "-", "a-b", "1a"]);
        assert_eq!(agree::<ComponentName>(&samples), ["a", "-", "a-b", "1a"]);
        assert_eq!(agree::<StateName>(&samples), ["a", "-", "a-b", "1a"]);
        assert_eq!(agree::<AppName>(&samples), ["a", "A", "a-b", "1a", "a.b"]);
        assert_eq!(agree::<VariableName>(&samples), ["a", "A", "_", "_a", &long]);
        let environments = agree::<EnvironmentName>(&samples);
        let expected =
            ["a", "A", "a-b", "a b", "a/b", "_", "_a", "1a", "a.b", "review/feature-1", "Production EU", &long];
        assert_eq!(environments, expected);
    }

    #[test]
    fn durations_and_sizes_have_a_unit() {
        let durations =
            agree::<Duration>(&["500ms", "30s", "10m", "1h", "5", "s", "-1s", "1 s", "1s\n", "1234567890h", "5min"]);
        assert_eq!(durations, ["500ms", "30s", "10m", "1h"]);
        let sizes = agree::<Size>(&["1B", "64MiB", "999999999GiB", "64MB", "64", "1.5MiB", "0KiB"]);
        assert_eq!(sizes, ["1B", "64MiB", "999999999GiB", "0KiB"]);
        assert_eq!(Duration::try_from("10m".to_owned()).unwrap().get(), std::time::Duration::from_secs(600));
        assert_eq!(Size::try_from("64MiB".to_owned()).unwrap().bytes(), 64 * 1024 * 1024);
    }

    #[test]
    fn plugins_come_from_four_kinds_of_place() {
        let locator = |text: &str| PluginLocator::try_from(text.to_owned()).unwrap();
        for wrong in [
            "",
            "Command",
            "a b",
            "a:1",
            "http://a.example/b.wasm",
            "ftp://a/b.wasm",
            "x/y://z",
            "https://a.example",
            "https:///b",
            "https://a/b c",
            "oci://user@a/b:1",
            "oci://a.example:5000/b",
            "a/b\n",
        ] {
            assert!(PluginLocator::try_from(wrong.to_owned()).is_err(), "{wrong}");
        }
        assert!(matches!(locator("command"), PluginLocator::BuiltIn(_)));
        assert!(matches!(locator("a.wasm"), PluginLocator::Path(_)));
        assert!(matches!(locator("https://a.example/b.wasm"), PluginLocator::Https(_)));
        for (text, path) in [
            ("a.wasm", "./a.wasm"),
            ("./a.wasm", "./a.wasm"),
            (".//a/./b.wasm", "./a/b.wasm"),
            ("../a.wasm", "../a.wasm"),
            ("./../a.wasm", "../a.wasm"),
            ("a/../b.wasm", "./a/../b.wasm"),
            ("/a//b.wasm", "/a/b.wasm"),
            ("//machine/a.wasm", "//machine/a.wasm"),
            ("C:/a.wasm", "C:/a.wasm"),
            ("\\\\machine\\a.wasm", "\\\\machine\\a.wasm"),
            ("/", "/"),
        ] {
            assert_eq!(locator(text), PluginLocator::Path(path.to_owned()), "{text}");
        }
        assert!(matches!(locator("oci://a.example/b:1"), PluginLocator::Oci(_)));
    }
}
