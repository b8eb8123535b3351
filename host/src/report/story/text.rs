//! Texts from outside, as they may be shown anywhere: nothing in them colours, moves or hides something.

use crate::policy::hides;
use crate::secret::Redactor;

/// How much of a text is shown, in characters. The journal has the whole.
const LONGEST: usize = 16_000;

/// What makes texts fit to be shown. The journal holds no secret that was known when it was written: what has become one since is
/// taken out here, before the text is changed.
#[derive(Clone, Copy)]
pub(super) struct Texts<'a>(pub(super) &'a Redactor);

impl Texts<'_> {
    /// A text of several lines.
    pub(super) fn lines(self, text: &str) -> String {
        clean(&self.0.redact(text))
    }

    /// A text in one line.
    pub(super) fn line(self, text: &str) -> String {
        self.lines(text).split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

fn clean(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text.chars();
    let mut length = 0;
    while let Some(character) = rest.next() {
        if length == LONGEST {
            clean.push_str(&format!("… and {} more characters", rest.count() + 1));
            return clean;
        }
        length += 1;
        match character {
            '\n' | '\t' => clean.push(character),
            '\r' => {
                // What a terminal writes over what was there before is a line of its own here.
                if !rest.as_str().starts_with('\n') {
                    clean.push('\n');
                }
            }
            '\u{1b}' | '\u{9b}' => skip_sequence(character, &mut rest),
            '\u{fffe}' | '\u{ffff}' => clean.push('\u{fffd}'),
            _ if character.is_control() => clean.push('\u{fffd}'),
            _ if hides(character) => clean.extend(character.escape_default()),
            _ => clean.push(character),
        }
    }
    clean
}

/// The rest of a sequence that a terminal would obey (ECMA-48).
fn skip_sequence(begin: char, rest: &mut std::str::Chars<'_>) {
    let mut ahead = rest.clone();
    let kind = if begin == '\u{9b}' { Some('[') } else { ahead.next() };
    match kind {
        Some('[') => {
            let Some(end) = ahead.by_ref().find(|next| !matches!(next, ' '..='?')) else { return };
            // What is no end of a sequence belongs to the text.
            if matches!(end, '@'..='~') {
                *rest = ahead;
            }
        }
        Some(']' | 'P' | 'X' | '^' | '_') => {
            let mut before = ' ';
            let end = ahead.by_ref().take(LONGEST).find(|next| {
                let is_end = *next == '\u{7}' || (before == '\u{1b}' && *next == '\\');
                before = *next;
                is_end
            });
            if end.is_some() {
                *rest = ahead;
            }
        }
        Some(' '..='~') => *rest = ahead,
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_obeys_is_gone_and_the_text_is_there() {
        for (text, shown) in [
            ("plain\ttext\nof two lines", "plain\ttext\nof two lines"),
            ("\u{1b}[1;31merror\u{1b}[0m: no", "error: no"),
            ("\u{1b}]0;title\u{7}a\u{1b}]8;;http://x\u{1b}\\b", "ab"),
            ("\u{9b}2Ja\u{1b}cb", "ab"),
            ("1%\r2%\r\n3%", "1%\n2%\n3%"),
            ("a\u{0}b\u{8}c\u{fffe}", "a\u{fffd}b\u{fffd}c\u{fffd}"),
            ("a\u{202e}b", "a\\u{202e}b"),
            ("ends in \u{1b}", "ends in "),
            ("ends in \u{1b}[3", "ends in [3"),
            ("\u{1b}[3\nb", "[3\nb"),
        ] {
            assert_eq!(clean(text), shown, "{text:?}");
        }
    }

    #[test]
    fn a_secret_is_gone_before_a_text_is_changed() {
        let redactor =
            crate::secret::Secrets::from_environment(["TOKEN"], |_| Some("two  words".to_owned())).redactor();
        assert_eq!(Texts(&redactor).line(" the token\r\n\tis two  words "), "the token is ***");
    }

    #[test]
    fn a_text_without_an_end_is_cut() {
        let text = clean(&"é".repeat(LONGEST + 5));
        assert!(text.ends_with("é… and 5 more characters"), "{}", &text[text.len() - 60..]);
        assert_eq!(clean(&"é".repeat(LONGEST)).chars().count(), LONGEST);
    }
}
