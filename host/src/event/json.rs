//! What plugins and plans say, in their own form.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// JSON that is kept as it stands: only whoever made it reads it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Json(Box<RawValue>);

impl Json {
    /// The text.
    #[must_use]
    pub fn text(&self) -> &str {
        self.0.get()
    }
}

impl From<&serde_json::Value> for Json {
    fn from(value: &serde_json::Value) -> Self {
        Self(RawValue::from_string(value.to_string()).expect("what JSON prints JSON reads"))
    }
}

impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}
