//! From the file to a [`Config`], with all its mistakes found at once.
//!
//! Serde reads the shape, which is quick. Only where it refuses is the JSON Schema asked, which finds every mistake and where
//! it is. What then is wrong within one step or environment is set aside, so that the rest can still be looked at as a
//! whole.

mod assemble;
mod relations;
mod texts;

use std::sync::Arc;

use jsonschema::error::ValidationErrorKind as Kind;
use serde::Deserialize;
use serde_json::Value;

use super::Config;
use super::document::{Document, json_schema};
use super::explain::{Explainer, Subject, sort};
use super::source::{Half, NOTHING_WAS_RUN, Source, join, segments};
use crate::problem::{Code, Problem};

/// What the checks share.
struct Check<'a> {
    source: &'a Source,
    /// Whether the file is whole. Where mistakes were set aside, what is missing may be one of them, and is not complained
    /// about.
    whole: bool,
    /// Whether it may have no step yet.
    may_be_empty: bool,
    problems: Vec<Problem>,
}

impl Check<'_> {
    /// A mistake in the value or key at a pointer.
    fn add(&mut self, pointer: &str, half: Half, what: impl Into<String>, hint: impl Into<String>) {
        let problem = Problem::new(Code::ConfigInvalid, what).with_hint(hint);
        self.push(problem.at(self.source.place(pointer, half)));
    }

    fn push(&mut self, problem: Problem) {
        self.problems.push(problem.with_note(NOTHING_WAS_RUN));
    }
}

pub(super) fn parse(source: Source, may_be_empty: bool) -> Result<Config, Vec<Problem>> {
    let read = |source: &Source| {
        let (mut value, order) = source.read()?;
        if may_be_empty && let Value::Object(table) = &mut value {
            table.entry("step").or_insert_with(|| Value::Array(vec![]));
        }
        Ok::<_, Vec<Problem>>((value, order))
    };
    let (value, order) = read(&source)?;
    let source = Arc::new(source);
    let mut check = Check { source: &source, whole: true, may_be_empty, problems: vec![] };
    let document = match Document::deserialize(value) {
        Ok(document) => document,
        Err(error) => {
            let (mut value, _) = read(&source)?;
            let rest = check.shape(&mut value, &error);
            match rest.and_then(|()| Document::deserialize(value).ok()) {
                Some(document) => document,
                None => return Err(check.problems),
            }
        }
    };
    let config = check.assemble(document, order, &source);
    check.relations(&config);
    check.texts(&config);
    if check.problems.is_empty() {
        return Ok(config);
    }
    sort(&mut check.problems);
    Err(check.problems)
}

impl Check<'_> {
    /// Finds what is wrong with the shape and takes it out of the value, as far as that can be done.
    fn shape(&mut self, value: &mut Value, error: &serde_json::Error) -> Option<()> {
        self.whole = false;
        let schema = json_schema();
        let validator = jsonschema::validator_for(&schema).ok()?;
        let errors: Vec<_> = validator.iter_errors(value).map(jsonschema::ValidationError::to_owned).collect();
        let faults: Vec<_> = errors.iter().flat_map(faults).collect();
        let document = &*value;
        let id = |list: &str, index: usize| Some(document.get(list)?.get(index)?.get("id")?.as_str()?.to_owned());
        let subject = |pointer: &str| Subject::of(self.source.file(), pointer, id);
        let place = |pointer: &str, half| self.source.place(pointer, half);
        let explainer =
            Explainer { schema: &schema, code: Code::ConfigInvalid, open: false, subject: &subject, place: &place };
        self.problems = explainer.explain(errors);
        if self.problems.is_empty() {
            // A number such as `3.0` is whole in the eyes of JSON Schema.
            let pointer = fraction(document, String::new()).unwrap_or_default();
            let problem = Problem::new(Code::ConfigInvalid, format!("{} does not fit", subject(&pointer)))
                .because(error)
                .with_hint("`windlass schema` prints what fits")
                .at(self.source.place(&pointer, Half::Value));
            self.push(problem);
            return None;
        }
        faults.iter().try_for_each(|fault| set_aside(value, fault))
    }
}

/// The pointers to what is wrong.
fn faults(error: &jsonschema::ValidationError<'_>) -> Vec<String> {
    let pointer = error.instance_path().as_str();
    match error.kind() {
        Kind::AdditionalProperties { unexpected } => unexpected.iter().map(|key| join(pointer, key)).collect(),
        Kind::Required { property } if property == "plugin" => vec![join(pointer, "plugin")],
        _ => vec![pointer.to_owned()],
    }
}

/// Takes a key out of a step or an environment. None where the fault is of the whole, or of what others refer to.
fn set_aside(value: &mut Value, fault: &str) -> Option<()> {
    let segments: Vec<_> = segments(fault).collect();
    let [list, item, key, ..] = segments.as_slice() else { return None };
    let table = match value.get_mut(list)? {
        Value::Array(items) => items.get_mut(item.parse::<usize>().ok()?)?,
        Value::Object(map) => map.get_mut(item)?,
        _ => return None,
    };
    match key.as_str() {
        "id" => return None,
        "plugin" => table["plugin"] = "set-aside".into(),
        key => drop(table.as_object_mut()?.remove(key)),
    }
    Some(())
}

/// The first fraction outside what belongs to plugins and the user.
fn fraction(value: &Value, pointer: String) -> Option<String> {
    match value {
        Value::Number(number) if number.is_f64() => Some(pointer),
        Value::Object(map) => map
            .iter()
            .filter(|(key, _)| !matches!(key.as_str(), "with" | "vars"))
            .find_map(|(key, value)| fraction(value, join(&pointer, key))),
        Value::Array(items) => {
            items.iter().enumerate().find_map(|(index, value)| fraction(value, join(&pointer, &index.to_string())))
        }
        _ => None,
    }
}
