//! The little language in the strings of `with`: `${…}` is a hole, `$${` is `${` as it stands.
//!
//! In front of a `{`, each pair of `$` means one `$`, and a last single `$` opens a hole. So every text can be written, and
//! [`quote`] writes it. Elsewhere `$` means itself. What is filled in is never looked at again.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use serde_json::Value;

use super::words::StepId;

/// A value that is known only when a release is deployed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hole {
    /// `${deployment.version}`
    Version,
    /// `${deployment.commit}`
    Commit,
    /// `${environment.instance}`
    Instance,
    /// `${env.NAME}`
    Variable(String),
    /// `${steps.ID.outputs.NAME}`
    Output {
        /// The earlier step.
        step: StepId,
        /// The output's name.
        name: String,
    },
}

impl std::fmt::Display for Hole {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Version => formatter.write_str("${deployment.version}"),
            Self::Commit => formatter.write_str("${deployment.commit}"),
            Self::Instance => formatter.write_str("${environment.instance}"),
            Self::Variable(name) => write!(formatter, "${{env.{name}}}"),
            Self::Output { step, name } => write!(formatter, "${{steps.{step}.outputs.{name}}}"),
        }
    }
}

/// What the holes are filled with. What is none or absent is not known yet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holes {
    /// The version that is being released.
    pub version: Option<String>,
    /// The commit, in full.
    pub commit: Option<String>,
    /// What tells the environment from others that its table stands for.
    pub instance: Option<String>,
    /// The CI variables that `env` names, as far as they are set.
    pub variables: BTreeMap<String, String>,
    /// The outputs of the steps that are done.
    pub outputs: BTreeMap<StepId, BTreeMap<String, String>>,
}

impl Holes {
    fn get(&self, hole: &Hole) -> Option<&str> {
        match hole {
            Hole::Version => self.version.as_deref(),
            Hole::Commit => self.commit.as_deref(),
            Hole::Instance => self.instance.as_deref(),
            Hole::Variable(name) => self.variables.get(name).map(String::as_str),
            Hole::Output { step, name } => self.outputs.get(step)?.get(name).map(String::as_str),
        }
    }
}

/// Holes for which no value is known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("nothing is known that could fill {}", super::listing(.0, "and"))]
pub struct Unfilled(
    /// Never empty.
    pub BTreeSet<Hole>,
);

impl Unfilled {
    /// Whether only outputs of steps are missing: such a step is planned once they are there.
    #[must_use]
    pub fn is_deferred(&self) -> bool {
        self.0.iter().all(|hole| matches!(hole, Hole::Output { .. }))
    }
}

/// What stands in a hole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Name<'a> {
    /// `vars.X`
    Var(&'a str),
    /// `environment.url`
    Url,
    /// Filled when a release is deployed.
    Late(Hole),
    /// `secrets.X`, which nobody fills.
    Secret(&'a str),
    /// Anything else.
    Unknown(&'a str),
    /// No `}` follows.
    Unterminated,
}

impl<'a> Name<'a> {
    fn of(text: &'a str) -> Self {
        let Some((first, rest)) = text.split_once('.') else { return Self::Unknown(text) };
        match (first, rest) {
            ("deployment", "version") => Self::Late(Hole::Version),
            ("deployment", "commit") => Self::Late(Hole::Commit),
            ("environment", "url") => Self::Url,
            ("environment", "instance") => Self::Late(Hole::Instance),
            ("env", name) if is_plain(name) => Self::Late(Hole::Variable(name.to_owned())),
            ("vars", name) if is_plain(name) => Self::Var(name),
            ("secrets" | "secret", name) => Self::Secret(name),
            ("steps", rest) => rest
                .split_once(".outputs.")
                .filter(|(_, name)| is_plain(name))
                .and_then(|(id, name)| Some(Hole::Output { step: id.parse().ok()?, name: name.to_owned() }))
                .map_or(Self::Unknown(text), Self::Late),
            _ => Self::Unknown(text),
        }
    }
}

/// What may follow the last dot of a hole.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|character| character.is_alphanumeric() || "_-.".contains(character))
}

/// A piece of a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part<'a> {
    /// Text as it stands.
    Text(&'a str),
    /// A hole, and where it stands in the text.
    Hole(Name<'a>, Range<usize>),
}

/// Whether a text has a hole or an escape.
pub(super) fn is_marked(text: &str) -> bool {
    text.contains("${")
}

/// The pieces of a text, in one pass.
pub(super) fn parts(text: &str) -> impl Iterator<Item = Part<'_>> {
    let mut position = 0;
    // What comes next is text that is not searched for a mark: the `{` behind an escape.
    let mut plain = false;
    std::iter::from_fn(move || {
        let rest = &text[position..];
        if rest.is_empty() {
            return None;
        }
        let searched = usize::from(std::mem::take(&mut plain));
        let Some(mark) = rest[searched..].find("${").map(|mark| mark + searched) else {
            position = text.len();
            return Some(Part::Text(rest));
        };
        // The run of `$` that ends in front of the brace.
        let run = rest[..=mark].bytes().rev().take_while(|byte| *byte == b'$').count();
        let start = mark + 1 - run;
        if run >= 2 {
            // A pair is one `$`; what remains of the run is looked at next.
            let end = start + run / 2;
            let part = Part::Text(&rest[..end]);
            position += mark + 1 - run % 2;
            plain = run % 2 == 0;
            return Some(part);
        }
        if mark > 0 {
            position += mark;
            return Some(Part::Text(&rest[..mark]));
        }
        let Some(length) = rest.find('}') else {
            let span = position..text.len();
            position = text.len();
            return Some(Part::Hole(Name::Unterminated, span));
        };
        let span = position..position + length + 1;
        position = span.end;
        Some(Part::Hole(Name::of(&rest[2..length]), span))
    })
}

/// A text such that [`parts`] reads it as `text`, whatever is in it. `before_hole` says that a hole follows.
fn quote(text: &str, before_hole: bool, out: &mut String) {
    let mut run = 0;
    for character in text.chars() {
        if character == '{' {
            out.extend(std::iter::repeat_n('$', run));
        }
        run = if character == '$' { run + 1 } else { 0 };
        out.push(character);
    }
    if before_hole {
        out.extend(std::iter::repeat_n('$', run));
    }
}

/// Fills the holes for which `value` has something and leaves the others as they are written.
pub(super) fn fill_some<'v>(text: &mut String, mut value: impl FnMut(&Name<'_>) -> Option<&'v str>) {
    let mut filled = String::with_capacity(text.len());
    let mut literal = String::new();
    for part in parts(text) {
        match part {
            Part::Text(text) => literal.push_str(text),
            Part::Hole(name, span) => match value(&name) {
                Some(value) => literal.push_str(value),
                None => {
                    quote(&literal, true, &mut filled);
                    literal.clear();
                    filled.push_str(&text[span]);
                }
            },
        }
    }
    quote(&literal, false, &mut filled);
    *text = filled;
}

/// Puts a text of this language in the place of `${environment.url}`: its holes are holes there, too.
pub(super) fn inline_url(text: &mut String, url: &str) {
    let mut inlined = String::with_capacity(text.len());
    let mut literal = String::new();
    for part in parts(text) {
        match part {
            Part::Text(text) => literal.push_str(text),
            Part::Hole(name, span) => {
                let put = if name == Name::Url { url } else { &text[span] };
                quote(&literal, put.starts_with("${"), &mut inlined);
                literal.clear();
                inlined.push_str(put);
            }
        }
    }
    quote(&literal, false, &mut inlined);
    *text = inlined;
}

/// The text with every hole filled, or the holes for which there is no value.
///
/// # Errors
/// Where a hole has no value; all of them are named.
pub fn fill_text<'a>(text: &'a str, holes: &Holes) -> Result<Cow<'a, str>, Unfilled> {
    if !is_marked(text) {
        return Ok(Cow::Borrowed(text));
    }
    let mut filled = String::with_capacity(text.len());
    let mut missing = BTreeSet::new();
    for part in parts(text) {
        match part {
            Part::Text(text) => filled.push_str(text),
            Part::Hole(Name::Late(hole), _) => match holes.get(&hole) {
                Some(value) => filled.push_str(value),
                None => drop(missing.insert(hole)),
            },
            // The config was checked and its static parts filled; what is left here was never a hole of ours.
            Part::Hole(_, span) => filled.push_str(&text[span]),
        }
    }
    if missing.is_empty() { Ok(Cow::Owned(filled)) } else { Err(Unfilled(missing)) }
}

/// The value with every hole in its strings filled. Keys are not touched. A string stays a string.
///
/// # Errors
/// Where a hole has no value; all of them are named.
pub fn fill(value: &Value, holes: &Holes) -> Result<Value, Unfilled> {
    let mut filled = value.clone();
    let mut missing = BTreeSet::new();
    for_each_text(&mut filled, &mut |text| match fill_text(text, holes) {
        Ok(Cow::Owned(filled)) => *text = filled,
        Ok(Cow::Borrowed(_)) => {}
        Err(Unfilled(more)) => missing.extend(more),
    });
    if missing.is_empty() { Ok(filled) } else { Err(Unfilled(missing)) }
}

/// The value with every hole filled that something is known for; the others stay as they are written.
#[must_use]
pub fn fill_known(value: &Value, holes: &Holes) -> Value {
    let mut filled = value.clone();
    for_each_text(&mut filled, &mut |text| {
        if !is_marked(text) {
            return;
        }
        let mut known = String::with_capacity(text.len());
        for part in parts(text) {
            match part {
                Part::Text(text) => known.push_str(text),
                Part::Hole(Name::Late(hole), span) => known.push_str(holes.get(&hole).unwrap_or(&text[span])),
                Part::Hole(_, span) => known.push_str(&text[span]),
            }
        }
        *text = known;
    });
    filled
}

/// The holes in a value's strings that are filled when a release is deployed.
#[must_use]
pub fn holes_in(value: &Value) -> BTreeSet<Hole> {
    let mut holes = BTreeSet::new();
    visit(value, &mut |text| {
        holes.extend(parts(text).filter_map(|part| match part {
            Part::Hole(Name::Late(hole), _) => Some(hole),
            _ => None,
        }));
    });
    holes
}

/// The holes in one text.
#[must_use]
pub fn holes_in_text(text: &str) -> BTreeSet<Hole> {
    let late = |part| if let Part::Hole(Name::Late(hole), _) = part { Some(hole) } else { None };
    parts(text).filter_map(late).collect()
}

fn visit<'v>(value: &'v Value, each: &mut impl FnMut(&'v str)) {
    match value {
        Value::String(text) if is_marked(text) => each(text),
        Value::Array(items) => items.iter().for_each(|item| visit(item, each)),
        Value::Object(map) => map.values().for_each(|item| visit(item, each)),
        _ => {}
    }
}

/// Every string with a mark in it.
pub(super) fn for_each_text(value: &mut Value, each: &mut impl FnMut(&mut String)) {
    match value {
        Value::String(text) if is_marked(text) => each(text),
        Value::Array(items) => items.iter_mut().for_each(|item| for_each_text(item, each)),
        Value::Object(map) => map.values_mut().for_each(|item| for_each_text(item, each)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Hole, Holes, Name, Part, Unfilled, fill, fill_some, fill_text, holes_in, parts, quote};

    fn read(text: &str) -> String {
        let mut read = String::new();
        for part in parts(text) {
            match part {
                Part::Text(text) => read.push_str(text),
                Part::Hole(name, span) => read.push_str(&format!("<{name:?} {}>", &text[span])),
            }
        }
        read
    }

    fn holes() -> Holes {
        Holes {
            version: Some("1.2.3".into()),
            commit: None,
            instance: None,
            variables: [("BUILD".into(), "${deployment.version}".into())].into(),
            outputs: [("a".parse().unwrap(), [("x".into(), "$".into())].into())].into(),
        }
    }

    #[test]
    fn reads_holes_and_escapes() {
        for (text, expected) in [
            ("", ""),
            ("plain $ { } $x", "plain $ { } $x"),
            ("${vars.a}", "<Var(\"a\") ${vars.a}>"),
            ("a${environment.url}b", "a<Url ${environment.url}>b"),
            ("$${vars.a}", "${vars.a}"),
            ("x$${a}${vars.b}", "x${a}<Var(\"b\") ${vars.b}>"),
            ("$$${vars.a}", "$<Var(\"a\") ${vars.a}>"),
            ("$$$${vars.a}", "$${vars.a}"),
            ("$${${vars.a}", "${<Var(\"a\") ${vars.a}>"),
            ("$$ $$x", "$$ $$x"),
            ("ä${vars.ö}ü", "ä<Var(\"ö\") ${vars.ö}>ü"),
            ("${x", "<Unterminated ${x>"),
            ("$", "$"),
            ("${", "<Unterminated ${>"),
            ("${}", "<Unknown(\"\") ${}>"),
            ("${secrets.T}", "<Secret(\"T\") ${secrets.T}>"),
            ("${vars.}", "<Unknown(\"vars.\") ${vars.}>"),
            ("${steps.a.x}", "<Unknown(\"steps.a.x\") ${steps.a.x}>"),
            ("${steps.A.outputs.x}", "<Unknown(\"steps.A.outputs.x\") ${steps.A.outputs.x}>"),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }

    #[test]
    fn names_of_late_holes_are_written_as_they_are_read() {
        for text in [
            "${deployment.version}",
            "${deployment.commit}",
            "${environment.instance}",
            "${env.A_1}",
            "${steps.a-b.outputs.x.y}",
        ] {
            let Some(Part::Hole(Name::Late(hole), _)) = parts(text).next() else { panic!("{text}") };
            assert_eq!(hole.to_string(), text);
        }
    }

    #[test]
    fn what_is_quoted_is_read_as_it_was() {
        // Every text of up to five of these characters, alone and in front of a hole.
        let alphabet = ['$', '{', '}', 'a'];
        for number in 0..4_usize.pow(5) {
            for length in 0..=5_u32 {
                let text: String = (0..length).map(|place| alphabet[number / 4_usize.pow(place) % 4]).collect();
                let mut quoted = String::new();
                quote(&text, false, &mut quoted);
                assert_eq!(read(&quoted), text);
                let mut quoted = String::new();
                quote(&text, true, &mut quoted);
                quoted.push_str("${env.a}");
                assert_eq!(read(&quoted), format!("{text}<Late(Variable(\"a\")) ${{env.a}}>"));
            }
        }
    }

    #[test]
    fn static_parts_are_filled_and_cannot_make_holes() {
        for value in ["plain", "$", "${deployment.version}", "$${", "a$", "{"] {
            let written = "$$x ${vars.a}${deployment.version}{$${ ${vars.a}{deployment.version}";
            let mut text = written.to_owned();
            fill_some(&mut text, |name| matches!(name, Name::Var("a")).then_some(value));
            let filled = fill_text(&text, &holes()).unwrap();
            assert_eq!(filled, format!("$$x {value}1.2.3{{${{ {value}{{deployment.version}}"), "{text}");
        }
    }

    #[test]
    fn late_parts_are_filled_once() {
        let value =
            json!({ "a": ["${deployment.version}", 1, "$${x}"], "${env.B}": "${env.BUILD} ${steps.a.outputs.x}{}" });
        let filled = fill(&value, &holes()).unwrap();
        assert_eq!(filled, json!({ "a": ["1.2.3", 1, "${x}"], "${env.B}": "${deployment.version} ${}" }));
    }

    #[test]
    fn what_is_missing_is_named() {
        let value = json!(["${steps.a.outputs.y}", "${steps.b.outputs.x} ${deployment.version}"]);
        let missing = fill(&value, &holes()).unwrap_err();
        assert!(missing.is_deferred());
        assert_eq!(
            missing.to_string(),
            "nothing is known that could fill `${steps.a.outputs.y}` and `${steps.b.outputs.x}`"
        );
        let missing = fill_text("${deployment.commit}${env.OTHER}", &holes()).unwrap_err();
        assert!(!missing.is_deferred());
        assert_eq!(missing, Unfilled([Hole::Commit, Hole::Variable("OTHER".into())].into()));
        assert_eq!(holes_in(&json!({ "a": "${deployment.commit}", "b": "$${env.X}" })), [Hole::Commit].into());
    }

    #[test]
    fn long_texts_are_read_in_one_pass() {
        let text = "$".repeat(200_000) + "{" + &"${deployment.version}$${".repeat(20_000);
        let filled = fill_text(&text, &holes()).unwrap();
        assert_eq!(filled.len(), 100_000 + 1 + 20_000 * 7);
    }
}
