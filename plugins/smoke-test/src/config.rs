//! The step's `with`, as it is written.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};
use std::borrow::Cow;
use std::collections::BTreeMap;
use windlass_plugin::Duration;

/// Looks at a deployed application from outside: HTTP and TCP checks, side by side, each tried until it holds or its time
/// is over.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Config {
    /// The checks. All have to hold.
    #[schemars(length(min = 1))]
    pub checks: Vec<Check>,
}

/// One check. It has exactly one of `url` and `tcp`; what is said about an answer needs `url`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Check {
    /// What to call it in logs and reports. Left out, it is the method and the URL, or the port.
    #[schemars(length(min = 1))]
    pub name: Option<String>,
    /// Send a request here, for example `https://shop.example/health`. Redirects are answers and are not followed.
    #[schemars(regex(pattern = r"^https?://"))]
    pub url: Option<String>,
    /// Connect here, for example `db.shop.example:5432`. It holds when the connection is accepted.
    #[schemars(regex(pattern = r":[0-9]+$"))]
    pub tcp: Option<String>,
    /// What is sent to `url`. Left out, it is a `GET`.
    #[serde(default)]
    pub request: Request,
    /// The statuses that are right: `200`, `"2xx"`, or a list of these. Left out, it is `"2xx"`.
    pub status: Option<Statuses>,
    /// What the answer's headers have to be, by name.
    #[serde(default)]
    pub header: BTreeMap<String, TextMatch>,
    /// What the answer's body has to be, as text.
    pub body: Option<TextMatch>,
    /// What the answer's body has to hold, as JSON.
    #[serde(default)]
    pub json: Vec<JsonMatch>,
    /// The longest that the whole answer, or the connection, may take.
    pub latency: Option<Duration>,
    /// How long to go on trying, from the first try. The last try begins when this is over. `0s` is a single try.
    #[schemars(extend("default" = "30s"))]
    pub within: Option<Duration>,
    /// How long one try may take.
    #[schemars(extend("default" = "5s"))]
    pub timeout: Option<Duration>,
    /// The pause before the second try. It doubles with each further one.
    #[schemars(extend("default" = "250ms"))]
    pub interval: Option<Duration>,
    /// The longest pause.
    #[schemars(extend("default" = "5s"))]
    pub max_interval: Option<Duration>,
    /// Whether to go on trying after an answer that is wrong, because the release before may still answer for a while.
    /// With `false` only what is not up yet is tried again.
    #[schemars(extend("default" = true))]
    pub retry_wrong: Option<bool>,
    /// The addresses that the host may resolve to: `public`, `private`, `loopback` or a CIDR. Left out, it is `loopback`
    /// for `localhost` and the loopback addresses, and `public` for all others.
    #[serde(default)]
    pub addresses: Vec<String>,
}

/// What is sent.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Request {
    /// The method.
    #[serde(default)]
    pub method: Method,
    /// Headers, by name.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The body, as it is.
    pub body: Option<String>,
    /// The body, as JSON. Not together with `body`.
    pub json: Option<serde_json::Value>,
}

/// A method.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// Get.
    #[default]
    Get,
    /// Only the headers.
    Head,
    /// Post.
    Post,
    /// Put.
    Put,
    /// Patch.
    Patch,
    /// Delete.
    Delete,
    /// What is allowed.
    Options,
}

impl Method {
    /// In upper case.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
        }
    }
}

/// What a text has to be. All that is given has to hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TextMatch {
    /// It is this; white space around it does not count.
    pub equals: Option<String>,
    /// It holds this.
    pub contains: Option<String>,
    /// This regular expression is found in it.
    pub matches: Option<String>,
}

/// The keys of [`TextMatch`], for reading it from an object.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct TextMatchKeys {
    /// It is this; white space around it does not count.
    equals: Option<String>,
    /// It holds this.
    contains: Option<String>,
    /// This regular expression is found in it. `(?i)` in front ignores case.
    matches: Option<String>,
}

impl<'de> Deserialize<'de> for TextMatch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::String(text) => Ok(Self { equals: Some(text), ..Self::default() }),
            object => {
                let TextMatchKeys { equals, contains, matches } =
                    serde_json::from_value(object).map_err(serde::de::Error::custom)?;
                Ok(Self { equals, contains, matches })
            }
        }
    }
}

impl JsonSchema for TextMatch {
    fn schema_name() -> Cow<'static, str> {
        "TextMatch".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut keys = <TextMatchKeys as JsonSchema>::json_schema(generator);
        keys.insert("minProperties".into(), 1.into());
        json_schema!({
            "description": "What a text has to be: the text itself, or what it contains or matches.",
            "anyOf": [
                { "description": "It is this; white space around it does not count.", "type": "string" },
                keys,
            ]
        })
    }
}

/// What the values at a path in a JSON body have to be. All that is given has to hold, for every value at the path, and
/// there has to be at least one unless `exists` is `false`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(extend("minProperties" = 2))]
pub struct JsonMatch {
    /// A JSONPath by RFC 9535, for example `$.checks[*].status`.
    #[schemars(regex(pattern = r"^\$"))]
    pub path: String,
    /// Whether there is anything at the path.
    pub exists: Option<bool>,
    /// It is this. `1` and `1.0` are the same.
    pub equals: Option<serde_json::Value>,
    /// It is a text that holds this, or a list that has this as an element.
    pub contains: Option<serde_json::Value>,
    /// It is a text, and this regular expression is found in it.
    pub matches: Option<String>,
    /// It is a number greater than this.
    pub greater: Option<f64>,
    /// It is a number less than this.
    pub less: Option<f64>,
    /// So many values are at the path.
    pub count: Option<usize>,
}

/// One pattern for a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusPattern {
    /// Exactly this.
    Exactly(u16),
    /// Any that begins with this digit, as in `2xx`.
    Class(u16),
}

/// Statuses that are right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statuses(pub Vec<StatusPattern>);

impl Default for Statuses {
    fn default() -> Self {
        Self(vec![StatusPattern::Class(2)])
    }
}

impl Statuses {
    /// Whether a status is one of these.
    #[must_use]
    pub fn accept(&self, status: u16) -> bool {
        self.0.iter().any(|pattern| match pattern {
            StatusPattern::Exactly(exactly) => *exactly == status,
            StatusPattern::Class(class) => status / 100 == *class,
        })
    }

    fn pattern(value: &serde_json::Value) -> Option<StatusPattern> {
        match value {
            serde_json::Value::Number(number) => {
                let status = u16::try_from(number.as_u64()?).ok().filter(|status| (100..600).contains(status))?;
                Some(StatusPattern::Exactly(status))
            }
            serde_json::Value::String(text) => {
                let class = text.strip_suffix("xx")?.parse().ok().filter(|class| (1..6).contains(class))?;
                Some(StatusPattern::Class(class))
            }
            _ => None,
        }
    }
}

/// In words, for example `200` or `204`.
impl std::fmt::Display for Statuses {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, pattern) in self.0.iter().enumerate() {
            if index > 0 {
                formatter.write_str(" or ")?;
            }
            match pattern {
                StatusPattern::Exactly(status) => write!(formatter, "`{status}`")?,
                StatusPattern::Class(class) => write!(formatter, "`{class}xx`")?,
            }
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Statuses {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        let patterns = match &value {
            serde_json::Value::Array(values) if !values.is_empty() => values.iter().map(Self::pattern).collect(),
            one => Self::pattern(one).map(|pattern| vec![pattern]),
        };
        patterns.map(Self).ok_or_else(|| {
            serde::de::Error::custom(format!("`{value}` is not a status such as `200`, `\"2xx\"` or a list of these"))
        })
    }
}

impl JsonSchema for Statuses {
    fn schema_name() -> Cow<'static, str> {
        "Statuses".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let number =
            json_schema!({ "description": "Exactly this status.", "type": "integer", "minimum": 100, "maximum": 599 });
        let class =
            json_schema!({ "description": "Any status of this class.", "type": "string", "pattern": "^[1-5]xx$" });
        json_schema!({
            "description": "The statuses that are right: `200`, `\"2xx\"`, or a list of these.",
            "anyOf": [number, class, { "type": "array", "minItems": 1, "items": { "anyOf": [number, class] } }]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_check_is_read_with_its_defaults() {
        let config: Config =
            serde_json::from_value(json!({ "checks": [{ "url": "https://shop.example/health" }] })).expect("read");
        let check = &config.checks[0];
        assert_eq!(check.request.method, Method::Get);
        assert!(check.status.is_none() && check.within.is_none() && check.header.is_empty());
    }

    #[test]
    fn statuses_are_numbers_classes_or_lists() {
        let read =
            |value: serde_json::Value| serde_json::from_value::<Statuses>(value).map_err(|error| error.to_string());
        assert_eq!(read(json!(204)), Ok(Statuses(vec![StatusPattern::Exactly(204)])));
        let list = read(json!([200, "3xx"])).expect("a list");
        assert_eq!(list.to_string(), "`200` or `3xx`");
        for (status, accepted) in [(200, true), (204, false), (301, true), (399, true), (400, false)] {
            assert_eq!(list.accept(status), accepted, "{status}");
        }
        assert!(Statuses::default().accept(299) && !Statuses::default().accept(300));
        for wrong in
            [json!(99), json!(600), json!("9xx"), json!("2x"), json!([]), json!([[200]]), json!(true), json!(-200)]
        {
            assert!(read(wrong.clone()).expect_err("no status").contains("is not a status"), "{wrong}");
        }
    }

    #[test]
    fn a_text_is_matched_by_itself_or_by_keys() {
        let read = |value: serde_json::Value| serde_json::from_value::<TextMatch>(value);
        assert_eq!(read(json!("ok")).expect("text").equals.as_deref(), Some("ok"));
        assert_eq!(read(json!({ "matches": "^o" })).expect("keys").matches.as_deref(), Some("^o"));
        assert!(read(json!({ "match": "^o" })).is_err());
        assert!(read(json!(1)).is_err());
    }

    #[test]
    fn the_schema_describes_every_key() {
        fn undescribed(schema: &serde_json::Value, path: &str, found: &mut Vec<String>) {
            if let Some(properties) = schema.get("properties").and_then(|properties| properties.as_object()) {
                for (key, property) in properties {
                    if property.get("description").is_none() {
                        found.push(format!("{path}.{key}"));
                    }
                }
            }
            for (key, child) in schema.as_object().into_iter().flatten() {
                undescribed(child, &format!("{path}.{key}"), found);
            }
        }
        let schema = serde_json::to_value(schemars::schema_for!(Config)).expect("json");
        let mut found = vec![];
        undescribed(&schema, "", &mut found);
        assert_eq!(found, Vec::<String>::new());
        assert_eq!(schema["properties"]["checks"]["minItems"], 1);
    }
}
