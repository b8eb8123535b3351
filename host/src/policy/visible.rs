//! Texts of others, as they are shown.

use std::borrow::Cow;

/// A text in which nothing can hide from whoever reviews it: control characters, and those that turn the direction of
/// writing, are shown as escapes.
#[must_use]
pub fn visible(text: &str) -> Cow<'_, str> {
    let hides = |character: char| {
        character.is_control()
            || matches!(character, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
    };
    if !text.contains(hides) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if hides(character) { shown.extend(character.escape_default()) } else { shown.push(character) }
    }
    Cow::Owned(shown)
}
