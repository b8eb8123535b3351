//! What is wrong with a value that does not fit its JSON Schema, in our words. One mechanism for `deploy.toml` itself and
//! for what plugins want in `with`.

use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
use jsonschema::{JsonType, ValidationError};
use serde_json::Value;

use super::nearest::{listing, nearest};
use super::source::{Half, NOTHING_WAS_RUN, segments};
use crate::problem::{Code, Place, Problem};

/// Turns errors of the validator into problems.
pub(super) struct Explainer<'a> {
    /// The schema that was violated.
    pub(super) schema: &'a Value,
    /// The code of every problem.
    pub(super) code: Code,
    /// Whether strings with holes in them are excused from what only holds once they are filled.
    pub(super) open: bool,
    /// How a person calls the value at a pointer.
    pub(super) subject: &'a dyn Fn(&str) -> Subject,
    /// Where it stands.
    pub(super) place: &'a dyn Fn(&str, Half) -> Place,
}

/// What a person calls a value: a dotted path within something that has a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Subject {
    /// For example ``step `release` ``; empty for a key of the top level.
    pub(super) owner: String,
    /// For example `retry.attempts`; empty for the owner itself.
    pub(super) path: String,
}

impl std::fmt::Display for Subject {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.path.is_empty(), self.owner.is_empty()) {
            (true, _) => formatter.write_str(if self.owner.is_empty() { "the file" } else { &self.owner }),
            (false, true) => write!(formatter, "`{}`", self.path),
            (false, false) => write!(formatter, "`{}` of {}", self.path, self.owner),
        }
    }
}

impl Subject {
    /// The subject of a pointer into `deploy.toml`. `id` knows the ids of `step` and `finally`, and the names of
    /// `case`, by their index.
    pub(super) fn of(file: &str, pointer: &str, id: impl Fn(&str, usize) -> Option<String>) -> Self {
        let segments: Vec<_> = segments(pointer).collect();
        let words: Vec<_> = segments.iter().map(String::as_str).collect();
        let (owner, rest) = match words.as_slice() {
            [list @ ("step" | "finally" | "case"), index, rest @ ..] => {
                let kind = if *list == "finally" { "finally step" } else { list };
                let number = index.parse().unwrap_or(0);
                let name = id(list, number).map_or_else(|| (number + 1).to_string(), |id| format!("`{id}`"));
                (format!("{kind} {name}"), rest)
            }
            ["environments", name, "step", id, rest @ ..] => (format!("step `{id}` in environment `{name}`"), rest),
            ["environments", name, rest @ ..] => (format!("environment `{name}`"), rest),
            [] => (format!("`{file}`"), words.as_slice()),
            rest => (String::new(), rest),
        };
        let mut path = String::new();
        for word in rest {
            if word.bytes().all(|byte| byte.is_ascii_digit()) && !word.is_empty() && !path.is_empty() {
                path.push_str(&format!("[{word}]"));
            } else {
                path.push_str(if path.is_empty() { "" } else { "." });
                path.push_str(word);
            }
        }
        Self { owner, path }
    }
}

impl Explainer<'_> {
    /// The problems, none twice, in the order of the file.
    pub(super) fn explain<'e>(&self, errors: impl IntoIterator<Item = ValidationError<'e>>) -> Vec<Problem> {
        let errors: Vec<_> = errors.into_iter().collect();
        let mut problems = vec![];
        for error in &errors {
            if !is_misspelt(error, &errors) {
                self.one(error, &mut problems);
            }
        }
        sort(&mut problems);
        problems
    }

    fn one(&self, error: &ValidationError<'_>, problems: &mut Vec<Problem>) {
        if self.is_excused(error) {
            return;
        }
        let pointer = error.instance_path().as_str();
        let value = error.instance();
        let subject = (self.subject)(pointer);
        let schema = self.parent(error);
        let cannot_be = || format!("{subject} cannot be `{}`", short(value));
        let wrong = |what: String| Problem::new(self.code, what).at((self.place)(pointer, Half::Value));
        let problem = match error.kind() {
            Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
                problems.extend(unexpected.iter().map(|key| self.unknown_key(pointer, key, schema)));
                return;
            }
            Kind::AnyOf { context } | Kind::OneOfNotValid { context } => {
                self.alternatives(error, context, problems);
                return;
            }
            Kind::PropertyNames { error: inner } => {
                let key = inner.instance().as_str().unwrap_or_default().to_owned();
                let place = (self.place)(&super::source::join(pointer, &key), Half::Key);
                let reason = self.parent(inner).and_then(described);
                hinted(Problem::new(self.code, format!("`{key}` cannot be a key of {subject}")).at(place), reason)
            }
            Kind::Required { property } => {
                let key = property.as_str().unwrap_or_default();
                let about = schema.and_then(|schema| described(schema.get("properties")?.get(key)?));
                let hint = about.map_or_else(|| format!("add `{key}`"), |about| format!("add `{key}`: {about}"));
                wrong(format!("{subject} has no `{key}`")).with_hint(hint)
            }
            Kind::Type { kind } => {
                let what = format!("{subject} must be {}, not {}", wanted(kind), kind_of(value));
                hinted(wrong(what), schema.and_then(described))
            }
            Kind::Enum { options } => {
                self.words(wrong(cannot_be()), value, options.as_array().map_or(&[][..], Vec::as_slice))
            }
            Kind::Constant { expected_value } => {
                self.words(wrong(cannot_be()), value, std::slice::from_ref(expected_value.as_ref()))
            }
            Kind::Pattern { pattern } => {
                hinted(wrong(cannot_be()).because(format!("it does not match `{pattern}`")), schema.and_then(described))
            }
            Kind::Format { format } => hinted(
                wrong(cannot_be()).because(format!("it is not of the format `{format}`")),
                schema.and_then(described),
            ),
            Kind::Minimum { limit } => wrong(cannot_be()).with_hint(format!("the least is `{limit}`")),
            Kind::Maximum { limit } => wrong(cannot_be()).with_hint(format!("the most is `{limit}`")),
            Kind::ExclusiveMinimum { limit } => wrong(cannot_be()).with_hint(format!("write more than `{limit}`")),
            Kind::ExclusiveMaximum { limit } => wrong(cannot_be()).with_hint(format!("write less than `{limit}`")),
            Kind::MinLength { limit } => {
                wrong(format!("{subject} is too short")).with_hint(format!("write {} or more", characters(*limit)))
            }
            Kind::MaxLength { limit } => {
                wrong(format!("{subject} is too long")).with_hint(format!("write at most {}", characters(*limit)))
            }
            Kind::MinItems { limit } => {
                wrong(format!("{subject} has too few entries")).with_hint(format!("the least is `{limit}`"))
            }
            Kind::MaxItems { limit } => {
                wrong(format!("{subject} has too many entries")).with_hint(format!("the most is `{limit}`"))
            }
            Kind::MinProperties { limit } => {
                wrong(format!("{subject} has too few keys")).with_hint(format!("the least is `{limit}`"))
            }
            Kind::MaxProperties { limit } => {
                wrong(format!("{subject} has too many keys")).with_hint(format!("the most is `{limit}`"))
            }
            Kind::UniqueItems => wrong(format!("{subject} names something twice")).with_hint("remove one of the two"),
            _ => {
                let about = schema.and_then(described);
                hinted(wrong(format!("{subject} does not fit its schema")).because(error), about)
            }
        };
        problems.push(problem.with_note(NOTHING_WAS_RUN));
    }

    fn unknown_key(&self, pointer: &str, key: &str, schema: Option<&Value>) -> Problem {
        let patterns = schema.and_then(|schema| schema.get("patternProperties")?.as_object());
        if let Some(pattern) = patterns.and_then(|patterns| patterns.keys().find(|pattern| *pattern != "^x-")) {
            return Problem::new(self.code, format!("`{key}` cannot be a key of {}", (self.subject)(pointer)))
                .because(format!("it does not match `{pattern}`"))
                .with_note(NOTHING_WAS_RUN)
                .with_hint("write a key that matches")
                .at((self.place)(&super::source::join(pointer, key), Half::Key));
        }
        let known: Vec<_> = schema
            .and_then(|schema| schema.get("properties")?.as_object())
            .map(|properties| properties.keys().map(String::as_str).collect())
            .unwrap_or_default();
        let hint = match nearest(key, known.iter().copied()) {
            Some(near) => format!("write `{near}`"),
            None if known.is_empty() => "remove it; nothing may stand here".to_owned(),
            None => format!("the keys here are {}", listing(&known, "and")),
        };
        Problem::new(self.code, format!("{} has no key `{key}`", (self.subject)(pointer)))
            .with_note(NOTHING_WAS_RUN)
            .with_hint(hint)
            .at((self.place)(&super::source::join(pointer, key), Half::Key))
    }

    /// A value that has to be one of some.
    fn words(&self, problem: Problem, value: &Value, options: &[Value]) -> Problem {
        let options: Vec<_> = options.iter().filter(|option| !option.is_null()).map(short).collect();
        let near = value.as_str().and_then(|word| nearest(word, options.iter().map(String::as_str)));
        let hint = near.map_or_else(|| listing(&options, "or"), |near| format!("`{near}`"));
        problem.with_hint(format!("write {hint}"))
    }

    /// A value that fits none of several schemas: speak of the one that was probably meant.
    fn alternatives(
        &self,
        error: &ValidationError<'_>,
        context: &[Vec<ValidationError<'static>>],
        problems: &mut Vec<Problem>,
    ) {
        let pointer = error.instance_path().as_str();
        let of_type = |errors: &Vec<ValidationError<'static>>| {
            !errors
                .iter()
                .any(|inner| inner.instance_path().as_str() == pointer && matches!(inner.kind(), Kind::Type { .. }))
        };
        let near: Vec<_> = context.iter().filter(|errors| of_type(errors)).collect();
        let mut words = vec![];
        for inner in near.iter().copied().flatten() {
            match inner.kind() {
                Kind::Constant { expected_value } if inner.instance_path().as_str() == pointer => {
                    words.push(expected_value.as_ref().clone());
                }
                Kind::Enum { options } if inner.instance_path().as_str() == pointer => {
                    words.extend(options.as_array().into_iter().flatten().cloned());
                }
                _ => {}
            }
        }
        let value = error.instance();
        let subject = (self.subject)(pointer);
        let at = || (self.place)(pointer, Half::Value);
        let about = self.parent(error).and_then(described);
        if near.is_empty() {
            // What says how a value is written stands in the alternatives.
            let inner = context.iter().flatten().find_map(|inner| self.parent(inner).and_then(described));
            let about = if context.len() <= 2 { inner.or(about) } else { about };
            let mut types = vec![];
            for kind in context.iter().flatten().filter_map(|inner| match inner.kind() {
                Kind::Type { kind } if inner.instance_path().as_str() == pointer => Some(kind),
                _ => None,
            }) {
                types.extend(type_words(kind));
            }
            types.dedup();
            let what = format!("{subject} must be {}, not {}", types.join(" or "), kind_of(value));
            problems.push(hinted(Problem::new(self.code, what).with_note(NOTHING_WAS_RUN).at(at()), about));
            return;
        }
        if words.len() >= near.len() {
            let problem = Problem::new(self.code, format!("{subject} cannot be `{}`", short(value)));
            problems.push(self.words(problem.with_note(NOTHING_WAS_RUN).at(at()), value, &words));
            return;
        }
        // The alternative with the fewest slips was meant, unless two have as few.
        let mut scored: Vec<_> = near.iter().map(|errors| (score(errors), *errors)).collect();
        scored.sort_by_key(|(score, _)| *score);
        if let [(first, errors), rest @ ..] = scored.as_slice()
            && rest.first().is_none_or(|(second, _)| first < second)
        {
            for inner in errors.iter().filter(|inner| !is_misspelt(inner, errors)) {
                self.one(inner, problems);
            }
            return;
        }
        let mut problem = Problem::new(self.code, format!("{subject} fits none of the forms that it may have"));
        for (_, errors) in scored {
            let mut inner = vec![];
            errors.iter().for_each(|error| self.one(error, &mut inner));
            problem.causes.extend(inner.into_iter().map(|problem| problem.what).take(1));
        }
        problem.causes.dedup();
        let about = about.or_else(|| self.forms(error));
        problems.push(hinted(problem.with_note(NOTHING_WAS_RUN).at(at()), about));
    }

    /// The keys by which the alternatives are told apart.
    fn forms(&self, error: &ValidationError<'_>) -> Option<String> {
        let alternatives = self.schema.pointer(error.schema_path().as_str())?.as_array()?;
        let keys = alternatives.iter().filter_map(|alternative| {
            let alternative = match alternative.get("$ref").and_then(Value::as_str) {
                Some(reference) => self.schema.pointer(reference.strip_prefix('#')?)?,
                None => alternative,
            };
            let required = alternative.get("required")?.as_array()?;
            Some(format!("one with {}", listing(required.iter().filter_map(Value::as_str), "and")))
        });
        let keys: Vec<_> = keys.collect();
        (!keys.is_empty()).then(|| format!("write a table of one form: {}", keys.join(", or ")))
    }

    /// Whether an error is only about the text of a string that has a hole in it: how it comes out is not known yet.
    fn is_excused(&self, error: &ValidationError<'_>) -> bool {
        let marked = || error.instance().as_str().is_some_and(super::holes::is_marked);
        self.open
            && match error.kind() {
                Kind::Pattern { .. }
                | Kind::Format { .. }
                | Kind::Enum { .. }
                | Kind::Constant { .. }
                | Kind::MinLength { .. }
                | Kind::MaxLength { .. }
                | Kind::ContentEncoding { .. }
                | Kind::ContentMediaType { .. }
                | Kind::Not { .. } => marked(),
                Kind::AnyOf { context } | Kind::OneOfNotValid { context } => {
                    context.iter().any(|errors| errors.iter().all(|error| self.is_excused(error)))
                }
                Kind::OneOfMultipleValid { .. } => marked(),
                _ => false,
            }
    }

    /// The schema that has the violated keyword in it.
    fn parent(&self, error: &ValidationError<'_>) -> Option<&Value> {
        let path = error.schema_path().as_str();
        self.schema.pointer(path.rsplit_once('/').map_or("", |(parent, _)| parent))
    }
}

/// In the order of the file, none twice.
pub(super) fn sort(problems: &mut Vec<Problem>) {
    let start = |problem: &Problem| problem.place.as_ref().map_or(0, |place| place.span.start);
    problems.sort_by_key(start);
    problems.dedup();
}

/// Whether a key is missing only because it is written in another way: the unknown key is told, which is enough.
fn is_misspelt(missing: &ValidationError<'_>, errors: &[ValidationError<'_>]) -> bool {
    let Kind::Required { property } = missing.kind() else { return false };
    errors.iter().any(|error| {
        error.instance_path() == missing.instance_path()
            && matches!(error.kind(), Kind::AdditionalProperties { unexpected }
                if unexpected.iter().any(|key| nearest(key, property.as_str()).is_some()))
    })
}

/// How far an alternative is from what was written.
fn score(errors: &[ValidationError<'_>]) -> usize {
    errors
        .iter()
        .map(|error| match error.kind() {
            Kind::AdditionalProperties { unexpected } => unexpected.len() * 2,
            // A tag with another word is another alternative.
            Kind::Constant { .. } => 100,
            Kind::Required { .. } => 2,
            _ => 1,
        })
        .sum()
}

fn hinted(problem: Problem, hint: Option<String>) -> Problem {
    match hint {
        Some(hint) => problem.with_hint(hint),
        None => problem,
    }
}

/// What a schema says of itself, as the end of a sentence.
fn described(schema: &Value) -> Option<String> {
    schema.get("description").and_then(Value::as_str).map(as_clause)
}

/// The first sentence of a description as the end of one of ours: lower case, without its full stop.
pub(super) fn as_clause(text: &str) -> String {
    let sentence = text.split("\n\n").next().unwrap_or_default().replace('\n', " ");
    let sentence = sentence.split_inclusive(". ").next().unwrap_or_default().trim().trim_end_matches('.');
    let mut characters = sentence.chars();
    match (characters.next(), characters.clone().next()) {
        // An abbreviation keeps its capitals.
        (Some(first), second) if !second.is_some_and(char::is_uppercase) => {
            first.to_lowercase().chain(characters).collect()
        }
        _ => sentence.to_owned(),
    }
}

fn characters(limit: u64) -> String {
    if limit == 1 { "1 character".to_owned() } else { format!("{limit} characters") }
}

/// A value in a few words.
fn short(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let line = text.escape_debug().to_string().replace("\\\"", "\"").replace("\\'", "'");
    match line.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

fn wanted(kind: &TypeKind) -> String {
    type_words(kind).join(" or ")
}

fn type_words(kind: &TypeKind) -> Vec<&'static str> {
    let word = |kind: JsonType| match kind {
        JsonType::Array => Some("an array"),
        JsonType::Boolean => Some("`true` or `false`"),
        JsonType::Integer => Some("a whole number"),
        // TOML has no null.
        JsonType::Null => None,
        JsonType::Number => Some("a number"),
        JsonType::Object => Some("a table"),
        JsonType::String => Some("a string"),
    };
    match kind {
        TypeKind::Single(kind) => word(*kind).into_iter().collect(),
        TypeKind::Multiple(kinds) => kinds.iter().filter_map(word).collect(),
    }
}

/// What a value is.
fn kind_of(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(boolean) => format!("`{boolean}`"),
        Value::Number(number) => format!("`{number}`"),
        // Not the text: what stands where a reference to a secret belongs may be the secret.
        Value::String(_) => "a string".to_owned(),
        Value::Array(_) => "an array".to_owned(),
        Value::Object(_) => "a table".to_owned(),
    }
}
