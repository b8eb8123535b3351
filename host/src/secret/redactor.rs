//! Takes secrets out of texts. How the forms of a secret are found: see [`Redactor::scan`].

use super::encoding::Form;
use super::filter::Filter;
use super::stream::StreamRedactor;
use serde_json::Value;
use std::borrow::Cow;
use std::sync::Arc;

/// What stands where a secret was.
pub const MASK: &str = "***";

/// Knows every secret in every form. Cheap to clone. Holds copies of the secrets, which are overwritten when the last clone is
/// dropped.
#[derive(Clone)]
pub struct Redactor(Arc<Tables>);

struct Tables {
    /// All forms, sorted and unique.
    forms: Vec<Form>,
    /// Per form, the longest other one that it begins with.
    within: Vec<Option<u32>>,
    /// Where some form may begin.
    starts: Filter,
    /// The length of the longest form.
    longest: usize,
}

/// A piece of what a scan hands on.
pub(super) enum Piece<'a> {
    /// Holds no secret.
    Clean(&'a [u8]),
    /// A secret was here.
    Hidden,
}

/// What a scan leaves for the next one.
pub(super) struct Rest {
    /// From here on the data may be the start of a secret.
    pub(super) held: usize,
    /// So many bytes from `held` on are part of a secret that was found, and for which [`Piece::Hidden`] was said.
    pub(super) hidden: usize,
}

impl Default for Redactor {
    fn default() -> Self {
        Self::none()
    }
}

impl Redactor {
    /// Knows these forms.
    pub(super) fn new(mut forms: Vec<Form>) -> Self {
        forms.retain(|form| !form.is_empty());
        forms.sort_unstable_by(|one, other| one.as_slice().cmp(other));
        forms.dedup();
        // Sorted, a form follows those that it begins with, and nothing else is between them.
        let mut within: Vec<Option<u32>> = Vec::with_capacity(forms.len());
        let mut open: Vec<u32> = vec![];
        for (index, form) in (0_u32..).zip(&forms) {
            while open.last().is_some_and(|&last| !form.starts_with(&forms[last as usize])) {
                open.pop();
            }
            within.push(open.last().copied());
            open.push(index);
        }
        let starts = Filter::new(forms.iter().map(|form| form.as_slice()));
        let longest = forms.iter().map(|form| form.len()).max().unwrap_or_default();
        Self(Arc::new(Tables { forms, within, starts, longest }))
    }

    /// Knows nothing, and changes nothing.
    #[must_use]
    pub fn none() -> Self {
        Self::new(vec![])
    }

    /// Whether it knows nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.forms.is_empty()
    }

    /// The text with [`MASK`] where secrets were. Forms that overlap become one.
    #[must_use]
    pub fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if !self.contains(text) {
            return Cow::Borrowed(text);
        }
        let mut clean = Vec::with_capacity(text.len());
        self.scan(text.as_bytes(), 0, true, &mut |piece| match piece {
            Piece::Clean(bytes) => clean.extend_from_slice(bytes),
            Piece::Hidden => clean.extend_from_slice(MASK.as_bytes()),
        });
        // Forms are UTF-8, so what is between them is too.
        Cow::Owned(String::from_utf8_lossy(&clean).into_owned())
    }

    /// The same, cut after so many bytes with a word that says so. A secret is taken out before: of one that the cut goes
    /// through the beginning would be left.
    #[must_use]
    pub fn redact_within<'a>(&self, text: &'a str, bytes: usize) -> Cow<'a, str> {
        let clean = self.redact(text);
        if clean.len() <= bytes {
            return clean;
        }
        let end = (0..=bytes).rev().find(|&end| clean.is_char_boundary(end)).unwrap_or_default();
        Cow::Owned(format!("{} … (cut after {} KiB)", &clean[..end], bytes >> 10))
    }

    /// The same for each text and each key in it: as they are, and not as JSON would write them, where a character may be spelt
    /// in several ways. Whether there was a secret in any.
    pub fn redact_json(&self, value: &mut Value) -> bool {
        match value {
            Value::String(text) => match self.redact(text) {
                Cow::Borrowed(_) => false,
                Cow::Owned(clean) => {
                    *text = clean;
                    true
                }
            },
            Value::Array(values) => values.iter_mut().fold(false, |any, value| self.redact_json(value) | any),
            Value::Object(object) => {
                let any = object.values_mut().fold(false, |any, value| self.redact_json(value) | any);
                if !object.keys().any(|key| self.contains(key)) {
                    return any;
                }
                let old = std::mem::take(object);
                object.extend(old.into_iter().map(|(key, value)| (self.redact(&key).into_owned(), value)));
                true
            }
            _ => false,
        }
    }

    /// Whether there is a secret in the text, in any form.
    #[must_use]
    pub fn contains(&self, text: &str) -> bool {
        self.contains_bytes(text.as_bytes())
    }

    /// Whether there is a secret in the bytes, in any form.
    #[must_use]
    pub fn contains_bytes(&self, data: &[u8]) -> bool {
        !self.is_empty() && self.find(data, 0, data.len()).is_some()
    }

    /// For output that comes in pieces.
    #[must_use]
    pub fn stream(&self) -> StreamRedactor {
        StreamRedactor::new(self.clone())
    }

    pub(super) fn longest(&self) -> usize {
        self.0.longest
    }

    /// Goes over `data`, the first `hidden` bytes of which are part of a secret found before, and hands on its pieces.
    /// Unless it is `last`, what may be the start of a secret is left.
    ///
    /// From where a form starts on, as long as forms overlap, each place is looked at: nothing that overlaps a secret gets
    /// through.
    pub(super) fn scan(&self, data: &[u8], hidden: usize, last: bool, give: &mut dyn FnMut(Piece<'_>)) -> Rest {
        let held = if last { data.len() } else { self.held(data) };
        let mut clean_to = self.extend(data, 0, hidden);
        // What starts later may be part of what is held, or goes on in it.
        while let Some(start) = self.find(data, clean_to, held) {
            if start > clean_to {
                give(Piece::Clean(&data[clean_to..start]));
            }
            give(Piece::Hidden);
            clean_to = self.extend(data, start, start + 1);
        }
        if held > clean_to {
            give(Piece::Clean(&data[clean_to..held]));
        }
        Rest { held, hidden: clean_to.saturating_sub(held) }
    }

    /// The first place in `from..to` where a form starts.
    fn find(&self, data: &[u8], mut from: usize, to: usize) -> Option<usize> {
        loop {
            let place = self.0.starts.find(data, from, to)?;
            if self.reach(&data[place..]) > 0 {
                return Some(place);
            }
            from = place + 1;
        }
    }

    /// How far the forms reach that start in `start..end`, or in what those reach.
    fn extend(&self, data: &[u8], start: usize, end: usize) -> usize {
        let mut end = end;
        let mut place = start;
        while place < end {
            let here = &data[place..];
            if self.0.starts.may_start(here) {
                end = end.max(place + self.reach(here));
            }
            place += 1;
        }
        end
    }

    /// The length of the longest form that is here.
    fn reach(&self, here: &[u8]) -> usize {
        // What is between a form and a text that begins with it begins with it, too.
        let mut last = self.not_after(here).checked_sub(1);
        while let Some(index) = last {
            let form = &self.0.forms[index];
            if here.starts_with(form) {
                return form.len();
            }
            last = self.0.within[index].map(|index| index as usize);
        }
        0
    }

    /// How many forms come before this text or are it.
    fn not_after(&self, here: &[u8]) -> usize {
        self.0.forms.partition_point(|form| form.as_slice() <= here)
    }

    /// The first place from which on the data may be the start of a form that goes on.
    fn held(&self, data: &[u8]) -> usize {
        let mut from = data.len().saturating_sub(self.0.longest.saturating_sub(1));
        while let Some(place) = self.0.starts.find(data, from, data.len()) {
            let here = &data[place..];
            let next = self.0.forms.get(self.not_after(here));
            if next.is_some_and(|form| form.starts_with(here)) {
                return place;
            }
            from = place + 1;
        }
        data.len()
    }
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Redactor").field("forms", &self.0.forms.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::{Form, Redactor};
    use std::borrow::Cow;
    use zeroize::Zeroizing;

    fn redactor(forms: &[&str]) -> Redactor {
        Redactor::new(forms.iter().map(|form| -> Form { Zeroizing::new(form.as_bytes().to_vec()) }).collect())
    }

    #[test]
    fn clean_text_is_borrowed() {
        assert!(matches!(redactor(&["abcdef"]).redact("nothing here"), Cow::Borrowed("nothing here")));
        assert!(matches!(Redactor::none().redact("abcdef"), Cow::Borrowed("abcdef")));
    }

    #[test]
    fn a_secret_that_a_cut_goes_through_leaves_nothing() {
        let redactor = redactor(&["abcdef"]);
        let text = format!("{}abcdef{}", "x".repeat(1020), "y".repeat(100));
        assert_eq!(redactor.redact_within(&text, 1024), format!("{}***y … (cut after 1 KiB)", "x".repeat(1020)));
        assert_eq!(redactor.redact_within(&"ä".repeat(1000), 1025), format!("{} … (cut after 1 KiB)", "ä".repeat(512)));
        assert!(matches!(redactor.redact_within("short", 1024), Cow::Borrowed("short")));
    }

    #[test]
    fn the_longest_form_and_all_that_overlaps_is_taken() {
        let redactor = redactor(&["abcdef", "abcdefgh", "ghijkl", "bcd"]);
        let table = [
            ("xabcdefx", "x***x"),
            ("xabcdefghx", "x***x"),
            ("xabcdefghijklx", "x***x"),
            ("abcdefabcdef", "******"),
            ("xbcdx", "x***x"),
            ("xabcdx", "xa***x"),
        ];
        for (text, expected) in table {
            assert_eq!(redactor.redact(text), expected, "{text}");
        }
    }

    #[test]
    fn of_many_forms_each_is_found() {
        let forms: Vec<String> = (0..5000).map(|number| format!("{:x}-secret-{number}", number * 7919)).collect();
        let redactor = redactor(&forms.iter().map(String::as_str).collect::<Vec<_>>());
        for form in &forms {
            assert_eq!(redactor.redact(&format!("<{form}>")), "<***>");
        }
    }

    #[test]
    fn a_form_within_forms_is_found_where_those_are_not() {
        let redactor = redactor(&["abc", "abcdef", "abcdefgh", "abcdz", "abd"]);
        for (text, expected) in [
            ("abcdefg", "***g"),
            ("abcdefgz", "***gz"),
            ("abcdy", "***dy"),
            ("abcdz", "***"),
            ("abcz", "***z"),
            ("abe", "abe"),
            ("ab", "ab"),
        ] {
            assert_eq!(redactor.redact(text), expected, "{text}");
        }
    }

    #[test]
    fn json_is_looked_into_however_it_is_spelt() {
        let redactor = redactor(&["abcdef"]);
        let clean = |text: &str| {
            let mut value = serde_json::from_str(text).expect("JSON");
            (redactor.redact_json(&mut value), value.to_string())
        };
        let deep = r#"{"a":["abcde\u0066"],"b":1}"#;
        assert_eq!(clean(deep), (true, r#"{"a":["***"],"b":1}"#.into()));
        assert_eq!(clean(r#"[{"x-abcd\u0065f":{"b":null}}]"#), (true, r#"[{"x-***":{"b":null}}]"#.into()));
        assert_eq!(clean(r#"{"a":["abcde",{}]}"#), (false, r#"{"a":["abcde",{}]}"#.into()));
    }

    #[test]
    fn debug_shows_no_forms() {
        assert!(!format!("{:?}", redactor(&["abcdef"])).contains("abcdef"));
    }
}
