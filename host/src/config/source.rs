//! The file as text, as values, and as positions.
//!
//! The values are plain JSON, because plugins get JSON and their schemas speak of JSON. The positions are made only when
//! something has to be pointed at: a file without mistakes never needs them.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use serde_json::{Map, Number, Value};
use toml::de::{DeTable, DeValue};

use crate::problem::{Code, Place, Problem};

/// What every error of this room ends with.
pub(super) const NOTHING_WAS_RUN: &str = "nothing was run";

/// A file that a person wrote.
#[derive(Debug)]
pub(super) struct Source {
    file: String,
    text: Arc<str>,
    spans: OnceLock<Spans>,
}

/// Which half of `key = value` is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Half {
    Key,
    Value,
}

/// Where a value and what is in it stand.
#[derive(Debug, Default)]
struct Spans {
    key: Range<usize>,
    value: Range<usize>,
    table: BTreeMap<String, Spans>,
    list: Vec<Spans>,
}

impl Source {
    pub(super) fn new(file: &str, text: &str) -> Self {
        Self { file: file.to_owned(), text: text.into(), spans: OnceLock::new() }
    }

    /// The file as the person named it.
    pub(super) fn file(&self) -> &str {
        &self.file
    }

    /// Its whole text.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// These bytes, moved to the nearest character.
    pub(super) fn at(&self, span: Range<usize>) -> Place {
        let start = self.text.floor_char_boundary(span.start);
        let end = self.text.ceil_char_boundary(span.end).max(start);
        Place { file: self.file.clone(), text: Arc::clone(&self.text), span: start..end }
    }

    /// Where the value at this JSON pointer stands. Where there is no such value, the innermost that there is around it.
    pub(super) fn place(&self, pointer: &str, half: Half) -> Place {
        let (spans, _) = self.find(pointer);
        self.at(spans.span(half))
    }

    /// Where a part of a string value stands. Where the string is written with escapes, the first place that reads like
    /// the part; where there is none, the whole of it.
    pub(super) fn place_within(&self, pointer: &str, text: &str, part: Range<usize>) -> Place {
        let (spans, _) = self.find(pointer);
        let whole = spans.span(Half::Value);
        let raw = self.text.get(whole.clone()).unwrap_or_default();
        let offset = match raw.find(text) {
            Some(offset) => Some(offset + part.start),
            None => text.get(part.clone()).and_then(|part| raw.find(part)),
        };
        self.at(offset.map_or(whole.clone(), |offset| whole.start + offset..whole.start + offset + part.len()))
    }

    /// Whether the file has a value at this JSON pointer.
    pub(super) fn has(&self, pointer: &str) -> bool {
        self.find(pointer).1
    }

    fn find(&self, pointer: &str) -> (&Spans, bool) {
        let mut spans = self.spans.get_or_init(|| {
            let (table, _) = DeTable::parse_recoverable(&self.text);
            let mut root = Spans::of(0..0, 0..self.text.len().min(1), &DeValue::Table(table.into_inner()));
            root.key = root.value.clone();
            root
        });
        for segment in segments(pointer) {
            let inner = match segment.parse::<usize>() {
                Ok(index) if !spans.list.is_empty() => spans.list.get(index),
                _ => spans.table.get(&segment),
            };
            match inner {
                Some(inner) => spans = inner,
                None => return (spans, false),
            }
        }
        (spans, true)
    }

    /// The file as JSON, without the keys that are the user's own, and the environments' names in the order of the file.
    pub(super) fn read(&self) -> Result<(Value, Vec<String>), Vec<Problem>> {
        let table = match DeTable::parse(&self.text) {
            Ok(table) => table.into_inner(),
            Err(_) => return Err(self.syntax()),
        };
        let mut reader = Reader { source: self, problems: vec![], environments: vec![] };
        let value = reader.table(table, Region::Root);
        if reader.problems.is_empty() { Ok((value, reader.environments)) } else { Err(reader.problems) }
    }

    /// The file as JSON, with all of its keys.
    pub(super) fn read_all(&self) -> Result<Value, Vec<Problem>> {
        let table = DeTable::parse(&self.text).map_err(|_| self.syntax())?.into_inner();
        let mut reader = Reader { source: self, problems: vec![], environments: vec![] };
        let value = reader.table(table, Region::Theirs);
        if reader.problems.is_empty() { Ok(value) } else { Err(reader.problems) }
    }

    /// The first place where the text stops being TOML. What a parser says after that is mostly wrong; keys that are
    /// written twice are the exception.
    fn syntax(&self) -> Vec<Problem> {
        let (_, mut errors) = DeTable::parse_recoverable(&self.text);
        errors.sort_by_key(|error| error.span().map_or(0, |span| span.start));
        let mut first = true;
        errors.retain(|error| std::mem::take(&mut first) || error.message() == "duplicate key");
        errors
            .iter()
            .map(|error| {
                let span = error.span().unwrap_or_default();
                let word = self.text.get(span.clone()).unwrap_or_default();
                let problem = if error.message() == "duplicate key" {
                    Problem::new(Code::ConfigInvalid, format!("`{word}` is written twice in the same table"))
                        .because(error.message())
                        .with_hint("remove one of the two")
                } else {
                    Problem::new(Code::ConfigInvalid, format!("`{}` is not valid TOML", self.file))
                        .because(error.message())
                        .with_hint("mend the line; strings stand in quotes, tables in `[brackets]`")
                };
                problem.with_note(NOTHING_WAS_RUN).at(self.at(span))
            })
            .collect()
    }
}

impl Spans {
    fn of(key: Range<usize>, value: Range<usize>, node: &DeValue<'_>) -> Self {
        let mut spans = Self { key, value, ..Self::default() };
        match node {
            DeValue::Table(table) => {
                for (key, value) in table {
                    let inner = Self::of(key.span(), value.span(), value.get_ref());
                    spans.table.insert(key.get_ref().to_string(), inner);
                }
            }
            DeValue::Array(array) => {
                spans.list = array.iter().map(|item| Self::of(item.span(), item.span(), item.get_ref())).collect();
            }
            _ => {}
        }
        spans
    }

    fn span(&self, half: Half) -> Range<usize> {
        match half {
            Half::Key => self.key.clone(),
            Half::Value => self.value.clone(),
        }
    }
}

/// Which part of the file a table is, which decides whether `x-` keys in it are the user's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Region {
    Root,
    Environments,
    Environment,
    Overlays,
    Step,
    /// A table of ours within the others.
    Ours,
    /// A table whose keys are not ours: `with` and `vars`.
    Theirs,
}

impl Region {
    fn inner(self, key: &str) -> Self {
        match (self, key) {
            (Self::Root, "environments") => Self::Environments,
            (Self::Root, "step" | "finally") | (Self::Overlays, _) => Self::Step,
            (Self::Environments, _) => Self::Environment,
            (Self::Environment, "step") => Self::Overlays,
            (Self::Root | Self::Environment, "vars") | (Self::Step, "with") | (Self::Theirs, _) => Self::Theirs,
            _ => Self::Ours,
        }
    }

    const fn has_own_keys(self) -> bool {
        matches!(self, Self::Root | Self::Environment | Self::Step | Self::Ours)
    }
}

struct Reader<'a> {
    source: &'a Source,
    problems: Vec<Problem>,
    environments: Vec<String>,
}

impl Reader<'_> {
    fn table(&mut self, table: DeTable<'_>, region: Region) -> Value {
        if region == Region::Environments {
            let mut names: Vec<_> = table.keys().map(|key| (key.span().start, key.get_ref().to_string())).collect();
            names.sort_unstable();
            self.environments = names.into_iter().map(|(_, name)| name).collect();
        }
        let mut map = Map::new();
        for (key, value) in table {
            let key = key.into_inner().into_owned();
            if region.has_own_keys() && key.starts_with("x-") {
                continue;
            }
            let inner = region.inner(&key);
            let value = self.value(value.span(), value.into_inner(), inner);
            map.insert(key, value);
        }
        Value::Object(map)
    }

    fn value(&mut self, span: Range<usize>, value: DeValue<'_>, region: Region) -> Value {
        match value {
            DeValue::String(text) => Value::String(text.into_owned()),
            DeValue::Boolean(boolean) => Value::Bool(boolean),
            DeValue::Integer(integer) => match i64::from_str_radix(integer.as_str(), integer.radix()) {
                Ok(number) => Value::Number(number.into()),
                Err(_) => self.refuse(span, format!("`{integer}` is too large a number"), "write a number of 64 bits"),
            },
            DeValue::Float(float) => match float.as_str().parse().ok().and_then(Number::from_f64) {
                Some(number) => Value::Number(number),
                None => self.refuse(span, format!("`{float}` is not a number here"), "write a finite number"),
            },
            DeValue::Datetime(time) => self.refuse(
                span,
                format!("`{time}` is a bare date or time"),
                "put it in quotes; configurations are JSON",
            ),
            DeValue::Array(array) => {
                let items = array.into_iter().map(|item| self.value(item.span(), item.into_inner(), region));
                Value::Array(items.collect())
            }
            DeValue::Table(table) => self.table(table, region),
        }
    }

    fn refuse(&mut self, span: Range<usize>, what: String, hint: &str) -> Value {
        let problem = Problem::new(Code::ConfigInvalid, what).with_note(NOTHING_WAS_RUN).with_hint(hint);
        self.problems.push(problem.at(self.source.at(span)));
        Value::Null
    }
}

/// The steps of a JSON pointer, unescaped.
pub(super) fn segments(pointer: &str) -> impl Iterator<Item = String> {
    pointer.split('/').skip(1).map(|segment| segment.replace("~1", "/").replace("~0", "~"))
}

/// One more step of a JSON pointer.
pub(super) fn join(pointer: &str, segment: &str) -> String {
    format!("{pointer}/{}", segment.replace('~', "~0").replace('/', "~1"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Half, Source, join};

    #[test]
    fn values_keep_their_order_of_environments_and_lose_what_is_the_users_own() {
        let text =
            "x-a = 1\nn = 1_000\nh = 0x10\nf = 1.5\n[environments.z]\nx-b = 1\nvars.x-c = 'd'\n[environments.a]\n";
        let (value, environments) = Source::new("deploy.toml", text).read().unwrap();
        assert_eq!(environments, ["z", "a"]);
        let expected =
            json!({ "n": 1000, "h": 16, "f": 1.5, "environments": { "z": { "vars": { "x-c": "d" } }, "a": {} } });
        assert_eq!(value, expected);
    }

    #[test]
    fn own_keys_are_kept_inside_with() {
        let (value, _) = Source::new("f", "[[step]]\nx-a = 1\nwith.x-b = 1\nwith.c = [{ x-d = 1 }]").read().unwrap();
        assert_eq!(value, json!({ "step": [{ "with": { "x-b": 1, "c": [{ "x-d": 1 }] } }] }));
    }

    #[test]
    fn places_are_exact() {
        let text = "[[step]]\nid = 'a'\nwith.checks = [{ url = \"ä\" }, { url = \"b${c}\" }]\nwith.'a/b' = 1\n";
        let source = Source::new("deploy.toml", text);
        let shown = |pointer: &str, half| text[source.place(pointer, half).span].to_owned();
        assert_eq!(shown("/step/0/id", Half::Value), "'a'");
        assert_eq!(shown("/step/0/id", Half::Key), "id");
        assert_eq!(shown("/step/0/with/checks/0/url", Half::Value), "\"ä\"");
        assert_eq!(shown(&join("/step/0/with", "a/b"), Half::Key), "'a/b'");
        assert_eq!(shown("/step/0/plugin", Half::Value), "[[step]]", "what is not there is in what is around it");
        assert_eq!(&text[source.place_within("/step/0/with/checks/1/url", "b${c}", 1..5).span], "${c}");
        assert!(source.has("/step/0/with/checks/1") && !source.has("/step/0/with/checks/2"));
    }
}
