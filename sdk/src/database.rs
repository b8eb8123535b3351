//! Use granted databases.

use crate::__bindings::windlass::plugin::database as host;

pub use host::{Connection, Engine, Rows, Value};

impl Rows {
    /// The value of the first column of the first row.
    #[must_use]
    pub fn first(&self) -> Option<&Value> {
        self.rows.first()?.first()
    }
}

impl Value {
    /// The text, where it is one, also where the database keeps text as bytes.
    #[must_use]
    pub fn as_text(&self) -> Option<std::borrow::Cow<'_, str>> {
        match self {
            Self::Text(text) => Some(text.into()),
            Self::Bytes(bytes) => std::str::from_utf8(bytes).ok().map(Into::into),
            _ => None,
        }
    }

    /// The whole number, where it is one or a text that spells one.
    #[must_use]
    pub fn as_integer(&self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(*number),
            Self::Boolean(flag) => Some(i64::from(*flag)),
            Self::Text(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    /// The truth value, where it is one or a number that stands for one.
    #[must_use]
    pub fn as_boolean(&self) -> Option<bool> {
        match self {
            Self::Boolean(flag) => Some(*flag),
            Self::Integer(number) => Some(*number != 0),
            _ => None,
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Boolean(flag)
    }
}
