//! Rendering problems: the four parts, always in one order, legible without colour.

use super::screen::{self, Annotation};
use super::{Style, harmless};
use crate::event::Severity;
use crate::problem::Problem;
use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use std::borrow::Cow;
use std::path::Path;

/// A text whose URLs have stars for passwords, byte by byte, so that every place in it stays where it is.
fn without_passwords(text: &str) -> Cow<'_, str> {
    let mut clean = Cow::Borrowed(text);
    for (at, _) in text.match_indices("://") {
        let start = at + 3;
        let rest = &text[start..];
        let authority = &rest[..rest.find(['/', '?', '#', '"', '\'']).unwrap_or(rest.len())];
        let authority = authority.split_whitespace().next().unwrap_or_default();
        let Some((user, _)) = authority.rsplit_once('@') else { continue };
        let Some(colon) = user.find(':') else { continue };
        let password = start + colon + 1..start + user.len();
        let stars = "*".repeat(password.len());
        clean.to_mut().replace_range(password, &stars);
    }
    clean
}

/// One problem as a person reads it, with a line end.
#[must_use]
pub fn problem(problem: &Problem, style: Style) -> String {
    let what = harmless(&problem.what);
    let mut text = match &problem.place {
        Some(place) => {
            let renderer = if style.colour { Renderer::styled() } else { Renderer::plain() };
            let end = place.text.len();
            let span = place.span.start.min(end)..place.span.end.min(end);
            // A caret under the first line says enough; a table of twenty lines does not become clearer.
            let first_line = place.text[span.clone()].find('\n').map_or(span.end, |length| span.start + length);
            let source = without_passwords(&place.text);
            let snippet = Snippet::source(&*source)
                .path(place.file.as_str())
                .annotation(AnnotationKind::Primary.span(span.start..first_line.max(span.start)));
            let report = &[Level::ERROR.primary_title(what.as_str()).element(snippet)];
            let mut text = renderer.render(report).to_string();
            text.push('\n');
            text
        }
        None => format!("{} {}\n", style.red("error:"), style.bold(&what)),
    };
    for (index, cause) in problem.causes.iter().enumerate() {
        let cause = harmless(cause);
        let mut lines = cause.lines();
        let label = if index == 0 { "  Caused by: " } else { "             " };
        text.push_str(label);
        text.push_str(lines.next().unwrap_or_default());
        text.push('\n');
        for line in lines {
            text.push_str("             ");
            text.push_str(line);
            text.push('\n');
        }
    }
    if let Some(note) = &problem.note {
        text.push_str(&format!("note: {}\n", harmless(note)));
    }
    if let Some(hint) = &problem.hint {
        text.push_str(&format!("hint: {}\n", harmless(hint)));
    }
    text
}

/// Several problems, with what they have in common said once at the end.
#[must_use]
pub fn problems(problems: &[Problem], style: Style) -> String {
    let common = match problems {
        [first, _, ..] if problems.iter().all(|problem| problem.note == first.note) => first.note.clone(),
        _ => None,
    };
    let mut text = String::new();
    for (index, one) in problems.iter().enumerate() {
        if index > 0 {
            text.push('\n');
        }
        let one = Problem { note: one.note.clone().filter(|_| common.is_none()), ..one.clone() };
        text.push_str(&problem(&one, style));
    }
    if let Some(note) = common {
        text.push_str(&format!("\nnote: {}; there are {} errors\n", harmless(&note), problems.len()));
    }
    text
}

/// Say problems on standard error: where a forge shows them beside the code or above the log, by that.
pub fn tell(list: &[Problem]) {
    // Of a place in a file a person wants to see more than its number.
    let left: Vec<Problem> = list.iter().filter(|one| !annotate(None, one) || one.place.is_some()).cloned().collect();
    if !left.is_empty() {
        screen::say(&problems(&left, Style::of_stderr()));
    }
}

/// Have a forge show a problem of a step, or of none. Whether it does: otherwise it can be said.
pub(super) fn annotate(step: Option<&str>, problem: &Problem) -> bool {
    let word = problem.detail.as_deref().unwrap_or(problem.code.word());
    let mut message = harmless(&problem.what);
    for cause in &problem.causes {
        message.push_str(&format!("\n{}", harmless(cause)));
    }
    for (word, text) in [("note", &problem.note), ("hint", &problem.hint)] {
        if let Some(text) = text {
            message.push_str(&format!("\n{word}: {}", harmless(text)));
        }
    }
    screen::annotate(&Annotation {
        severity: Severity::Error,
        file: problem.place.as_ref().and_then(|place| screen::path(Path::new(&place.file))).as_deref(),
        line: problem.place.as_ref().map(|place| place.line_and_column().0),
        title: &step.map_or_else(|| word.to_owned(), |step| format!("{step}: {word}")),
        message: &message,
        is_reason: true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::{Code, Place};

    #[test]
    fn the_four_parts_come_in_order_with_a_caret() {
        let place = Place { file: "deploy.toml".into(), text: "app = \"shop\"\nplugn = \"x\"\n".into(), span: 13..18 };
        let text = problem(
            &Problem::new(Code::ConfigInvalid, "`plugn` is not a key")
                .because("one")
                .because("two\nlines")
                .with_note("nothing was run")
                .with_hint("did you mean `plugin`?")
                .at(place),
            Style::plain(),
        );
        assert_eq!(
            text,
            "error: `plugn` is not a key\n --> deploy.toml:2:1\n  |\n2 | plugn = \"x\"\n  | ^^^^^\n  Caused by: one\n             two\n             lines\nnote: nothing was run\nhint: did you mean `plugin`?\n"
        );
    }

    #[test]
    fn a_password_in_a_url_is_not_repeated() {
        for (text, clean) in [
            ("url = \"postgres://app:hunter2@db/shop\"", "url = \"postgres://app:*******@db/shop\""),
            ("a://u:p@x b://v:q:r@y", "a://u:*@x b://v:***@y"),
            ("a://u:é@x", "a://u:**@x"),
            ("https://shop.example:8080/a@b:c", "https://shop.example:8080/a@b:c"),
            ("a://u@x, time: 12:30 @home", "a://u@x, time: 12:30 @home"),
        ] {
            assert_eq!(without_passwords(text), clean);
            assert_eq!(without_passwords(text).len(), text.len());
        }
    }

    #[test]
    fn what_comes_from_outside_cannot_move_the_cursor() {
        let text = problem(&Problem::new(Code::Bug, "a\u{1b}[2Jb"), Style::plain());
        assert_eq!(text, "error: a\u{fffd}[2Jb\n");
    }

    #[test]
    fn a_common_note_is_said_once() {
        let one = Problem::new(Code::Usage, "one").with_note("nothing was run");
        let text = problems(&[one.clone(), one], Style::plain());
        assert_eq!(text, "error: one\n\nerror: one\n\nnote: nothing was run; there are 2 errors\n");
    }
}
