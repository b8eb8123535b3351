//! Types for configurations that every plugin needs.

use schemars::JsonSchema;
use serde::Deserialize;

/// A secret by name: `{ secret = "NAME" }`. The value never reaches the plugin.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretReference {
    /// The secret's name.
    #[schemars(regex(pattern = r"^[A-Za-z_][A-Za-z0-9_]*$"))]
    pub secret: String,
}

/// A length of time, written `500ms`, `30s`, `10m` or `1h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Duration(pub std::time::Duration);

impl Duration {
    /// So many seconds.
    #[must_use]
    pub const fn seconds(seconds: u64) -> Self {
        Self(std::time::Duration::from_secs(seconds))
    }

    /// Whole milliseconds.
    #[must_use]
    pub fn milliseconds(self) -> u64 {
        u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX)
    }
}

impl std::str::FromStr for Duration {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let scale = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return Err(format!("`{text}` is not a duration such as `500ms`, `30s`, `10m` or `1h`")),
        };
        number
            .parse::<u64>()
            .ok()
            .and_then(|number| number.checked_mul(scale))
            .map(|milliseconds| Self(std::time::Duration::from_millis(milliseconds)))
            .ok_or_else(|| format!("`{text}` is not a duration such as `500ms`, `30s`, `10m` or `1h`"))
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Duration {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "A length of time, written `500ms`, `30s`, `10m` or `1h`.",
            "type": "string",
            "pattern": "^[0-9]+(ms|s|m|h)$"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Duration;

    #[test]
    fn durations_have_a_unit() {
        assert_eq!("500ms".parse(), Ok(Duration(std::time::Duration::from_millis(500))));
        assert_eq!("10m".parse(), Ok(Duration::seconds(600)));
        for wrong in ["", "5", "s", "5 s", "-1s", "99999999999999999999h", "18446744073709551615h"] {
            assert!(wrong.parse::<Duration>().is_err(), "{wrong}");
        }
    }
}
