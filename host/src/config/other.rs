//! Files of ours besides `deploy.toml` that a person writes in TOML: read in the same way, with the same words for what is
//! wrong with them and where.

use super::WithSchema;
use super::explain::{Explainer, Subject, sort};
use super::source::{Half, Source};
use crate::problem::{Code, Place, Problem};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// A file that a person wrote, and what it says.
#[derive(Debug)]
pub(crate) struct Written {
    source: Source,
    value: Value,
    code: Code,
}

impl Written {
    /// Reads a text. `file` is how messages call it, and `code` what is wrong with it.
    ///
    /// # Errors
    /// Where it is not TOML.
    pub(crate) fn new(file: &str, text: &str, code: Code) -> Result<Self, Vec<Problem>> {
        let source = Source::new(file, text);
        let read = source.read_all();
        let value = read
            .map_err(|problems| problems.into_iter().map(|problem| Problem { code, ..problem }).collect::<Vec<_>>())?;
        Ok(Self { source, value, code })
    }

    /// What it says, as JSON.
    pub(crate) const fn value(&self) -> &Value {
        &self.value
    }

    /// Where the value at a JSON pointer stands, or what is around it.
    pub(crate) fn place(&self, pointer: &str) -> Place {
        self.source.place(pointer, Half::Value)
    }

    /// In this shape.
    ///
    /// # Errors
    /// With everything that does not fit.
    pub(crate) fn shaped<T: DeserializeOwned + JsonSchema>(&self) -> Result<T, Vec<Problem>> {
        let error = match T::deserialize(&self.value) {
            Ok(shaped) => return Ok(shaped),
            Err(error) => error,
        };
        let schema = Value::from(schemars::schema_for!(T));
        let errors = jsonschema::validator_for(&schema)
            .map(|validator| validator.iter_errors(&self.value).map(|error| error.to_owned()).collect::<Vec<_>>());
        let (subject, place) =
            (|pointer: &str| self.subject(pointer), |pointer: &str, half| self.source.place(pointer, half));
        let explainer = Explainer { schema: &schema, code: self.code, open: false, subject: &subject, place: &place };
        let mut problems = explainer.explain(errors.unwrap_or_default());
        if problems.is_empty() {
            let problem = Problem::new(self.code, format!("`{}` cannot be read", self.source.file()));
            problems.push(problem.because(error).with_note(super::source::NOTHING_WAS_RUN).at(self.place("")));
        }
        sort(&mut problems);
        Err(problems)
    }

    /// What is wrong with a part of it in the eyes of a plugin.
    pub(crate) fn check(&self, schema: &WithSchema, pointer: &str) -> Vec<Problem> {
        let nothing = Value::Object(serde_json::Map::new());
        let value = self.value.pointer(pointer).unwrap_or(&nothing);
        let subject = |inner: &str| self.subject(&format!("{pointer}{inner}"));
        let place = |inner: &str, half| self.source.place(&format!("{pointer}{inner}"), half);
        let (schema, errors) = (schema.schema(), schema.errors(value));
        let explainer =
            Explainer { schema, code: Code::StepConfigInvalid, open: false, subject: &subject, place: &place };
        explainer.explain(errors)
    }

    fn subject(&self, pointer: &str) -> Subject {
        let name = |list: &str, index: usize| Some(self.value.get(list)?.get(index)?.get("name")?.as_str()?.to_owned());
        Subject::of(self.source.file(), pointer, name)
    }
}
