//! Whether a step's `with` is what its plugin wants.
//!
//! A plugin publishes a JSON Schema. It comes from a stranger, so its patterns are matched in linear time and it cannot
//! refer to anything outside itself.

use jsonschema::{PatternOptions, Validator};
use serde_json::Value;

use super::explain::{Explainer, Subject};
use super::source::{Source, join};
use super::{Config, Step};
use crate::problem::{Code, Problem};

/// A plugin's schema, made ready once for all its steps.
#[derive(Debug)]
pub struct WithSchema {
    schema: Value,
    validator: Validator,
}

impl WithSchema {
    /// Makes the schema of schemas ready, on a thread of its own, for whoever calls [`Self::new`] soon: that takes longer
    /// than all else that is done with a schema. Whoever comes too early waits for the rest of it.
    pub fn prepare() {
        let schema = serde_json::json!({ "$schema": "https://json-schema.org/draft/2020-12/schema" });
        std::thread::spawn(move || jsonschema::meta::options().is_valid(&schema));
    }

    /// Makes a schema ready.
    ///
    /// # Errors
    /// Where it is not a valid JSON Schema, or refers to something outside itself: a fault of the plugin.
    pub fn new(plugin: &str, schema: Value) -> Result<Self, Problem> {
        let validator =
            jsonschema::options().with_pattern_options(PatternOptions::regex()).offline().build(&schema).map_err(
                |error| {
                    Problem::new(Code::PluginInvalid, format!("plugin `{plugin}` publishes a schema that is not valid"))
                        .because(error)
                        .with_note(super::NOTHING_WAS_RUN)
                        .with_hint("report it to the plugin's author")
                },
            )?;
        Ok(Self { schema, validator })
    }

    /// The schema as the plugin publishes it.
    #[must_use]
    pub const fn schema(&self) -> &Value {
        &self.schema
    }

    /// What is wrong with a value, as the validator has it.
    pub(super) fn errors<'a>(&'a self, value: &'a Value) -> impl Iterator<Item = jsonschema::ValidationError<'a>> {
        self.validator.iter_errors(value)
    }

    /// What is wrong with the `with` of a step, with holes or without.
    ///
    /// A string in which a hole is left, or an escape, is excused from `pattern`, `format`, `enum`, `const`, `minLength` and
    /// `maxLength`, because how it comes out is not known; it has to be a string all the same. When it is known, ask
    /// [`Self::check_filled`].
    #[must_use]
    pub fn check(&self, config: &Config, step: &Step) -> Vec<Problem> {
        self.explain(config, step, &step.with, true)
    }

    /// What is wrong with the `with` of a step after [`super::fill`].
    #[must_use]
    pub fn check_filled(&self, config: &Config, step: &Step, with: &Value) -> Vec<Problem> {
        self.explain(config, step, with, false)
    }

    /// What is wrong with a value that stands in no file. `name` is what a person calls it.
    #[must_use]
    pub fn check_value(&self, name: &str, value: &Value) -> Vec<Problem> {
        let source = Source::new(name, "");
        let subject = |pointer: &str| Subject::of(name, pointer, |_, _| None);
        let place = |pointer: &str, half| source.place(pointer, half);
        let explainer = Explainer {
            schema: &self.schema,
            code: Code::StepConfigInvalid,
            open: true,
            subject: &subject,
            place: &place,
        };
        let problems = explainer.explain(self.validator.iter_errors(value)).into_iter();
        problems.map(|problem| Problem { place: None, ..problem }).collect()
    }

    fn explain(&self, config: &Config, step: &Step, with: &Value, open: bool) -> Vec<Problem> {
        if self.validator.is_valid(with) {
            return vec![];
        }
        let base = join(&step.pointer(), "with");
        let overlay = step.overlay.as_ref().map(|environment| {
            let pointer = join("/environments", environment.as_str());
            join(&join(&join(&pointer, "step"), step.id.as_str()), "with")
        });
        let place = |pointer: &str, half| {
            // What the overlay has, it has put over the step's.
            let over = overlay.as_ref().map(|overlay| format!("{overlay}{pointer}"));
            match over {
                // The table as a whole is the step's, as long as the step has one.
                Some(over) if config.source.has(&over) && !(pointer.is_empty() && config.source.has(&base)) => {
                    config.source.place(&over, half)
                }
                _ => config.source.place(&format!("{base}{pointer}"), half),
            }
        };
        let subject =
            |pointer: &str| Subject::of(config.file(), &format!("{base}{pointer}"), |_, _| Some(step.id.to_string()));
        let explainer =
            Explainer { schema: &self.schema, code: Code::StepConfigInvalid, open, subject: &subject, place: &place };
        let mut problems = explainer.explain(self.validator.iter_errors(with));
        for problem in &mut problems {
            problem.hint.get_or_insert_with(|| format!("`windlass schema {}` prints what fits", step.plugin.as_str()));
        }
        problems
    }
}

impl Config {
    /// What is wrong with a step's `with`, as it is in one environment, in the eyes of a schema that is used only once.
    /// For many steps of one plugin make a [`WithSchema`].
    ///
    /// # Errors
    /// Where the schema itself is wrong.
    pub fn check_with(&self, step: &Step, schema: &Value) -> Result<Vec<Problem>, Problem> {
        Ok(WithSchema::new(step.plugin.as_str(), schema.clone())?.check(self, step))
    }
}
