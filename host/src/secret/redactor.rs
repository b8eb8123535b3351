//! Takes secrets out of texts. How the forms of a secret are found: see [`Redactor::scan`].

use super::encoding::Form;
use super::stream::StreamRedactor;
use aho_corasick::{AhoCorasick, Anchored, Input, MatchKind, packed};
use std::borrow::Cow;
use std::sync::Arc;

/// What stands where a secret was.
pub const MASK: &str = "***";

/// How many forms one vectorised search looks for at once. It gets slower with more; several searches over a chunk that
/// is in the cache cost less than one search for everything.
const GROUP: usize = 32;

/// Knows every secret in every form. Cheap to clone. Holds copies of the secrets: those of its own tables are overwritten
/// when the last clone is dropped, those inside the search library are not.
#[derive(Clone)]
pub struct Redactor(Arc<Tables>);

struct Tables {
    /// All forms, sorted and unique.
    forms: Vec<Form>,
    /// Per first byte, the range of `forms` that begin with it.
    by_first_byte: Vec<(u32, u32)>,
    /// One bit per pair of bytes that some form begins with.
    pairs: Vec<u64>,
    /// The length of the longest form.
    longest: usize,
    /// Searches that together find the start of every form.
    searches: Vec<Search>,
}

/// Finds the next start of any of some forms.
enum Search {
    Vectors(packed::Searcher),
    /// Where this processor has no vectors that help.
    Automaton(Box<AhoCorasick>),
}

impl Search {
    fn new(forms: &[&Form]) -> Option<Self> {
        let vectors = packed::Config::new()
            .match_kind(packed::MatchKind::LeftmostLongest)
            .builder()
            .extend(forms.iter().map(|form| form.as_slice()))
            .build();
        if let Some(searcher) = vectors {
            return Some(Self::Vectors(searcher));
        }
        let automaton = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .build(forms.iter().map(|form| form.as_slice()));
        automaton.ok().map(|automaton| Self::Automaton(Box::new(automaton)))
    }

    fn find(&self, data: &[u8], from: usize) -> Option<usize> {
        match self {
            Self::Vectors(searcher) => searcher.find_in(data, (from..data.len()).into()).map(|found| found.start()),
            Self::Automaton(automaton) => {
                automaton.find(Input::new(data).range(from..).anchored(Anchored::No)).map(|found| found.start())
            }
        }
    }
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
        forms.sort_unstable_by(|one, other| one.as_slice().cmp(other));
        forms.dedup();
        let mut by_first_byte = vec![(0, 0); 256];
        let mut pairs = vec![0_u64; 1024];
        for (index, form) in (0_u32..).zip(&forms) {
            let (start, end) = &mut by_first_byte[usize::from(form[0])];
            if *end == 0 {
                *start = index;
            }
            *end = index + 1;
            let pair = usize::from(form[0]) << 8 | usize::from(form[1]);
            pairs[pair / 64] |= 1 << (pair % 64);
        }
        // Sorted, a form follows those that it begins with: finding them finds it.
        let mut starts: Vec<&Form> = vec![];
        for form in &forms {
            if starts.last().is_none_or(|last| !form.starts_with(last)) {
                starts.push(form);
            }
        }
        let searches = starts.chunks(GROUP).filter_map(Search::new).collect();
        let longest = forms.iter().map(|form| form.len()).max().unwrap_or_default();
        Self(Arc::new(Tables { forms, by_first_byte, pairs, longest, searches }))
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

    /// Whether there is a secret in the text, in any form.
    #[must_use]
    pub fn contains(&self, text: &str) -> bool {
        self.contains_bytes(text.as_bytes())
    }

    /// Whether there is a secret in the bytes, in any form.
    #[must_use]
    pub fn contains_bytes(&self, data: &[u8]) -> bool {
        self.0.searches.iter().any(|search| search.find(data, 0).is_some())
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
    /// The vectorised searches find where the next form starts. From there on, as long as forms overlap, each place is
    /// looked at: nothing that overlaps a secret gets through, and several searches agree on where one ends.
    pub(super) fn scan(&self, data: &[u8], hidden: usize, last: bool, give: &mut dyn FnMut(Piece<'_>)) -> Rest {
        let held = if last { data.len() } else { self.held(data) };
        let mut clean_to = self.extend(data, 0, hidden);
        let mut nexts: Vec<Option<usize>> = self.0.searches.iter().map(|search| search.find(data, clean_to)).collect();
        loop {
            for (search, next) in self.0.searches.iter().zip(&mut nexts) {
                if next.is_some_and(|start| start < clean_to) {
                    *next = search.find(data, clean_to);
                }
            }
            // What starts later may be part of what is held, or goes on in it.
            let Some(start) = nexts.iter().flatten().min().copied().filter(|start| *start < held) else { break };
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

    /// How far the forms reach that start in `start..end`, or in what those reach.
    fn extend(&self, data: &[u8], start: usize, end: usize) -> usize {
        let mut end = end;
        let mut place = start;
        while place < end {
            let here = &data[place..];
            if self.may_start(here) {
                let reach = self.candidates(here).filter(|form| here.starts_with(form)).map(|form| form.len()).max();
                end = end.max(place + reach.unwrap_or_default());
            }
            place += 1;
        }
        end
    }

    /// The first place from which on the data may be the start of a form that goes on.
    fn held(&self, data: &[u8]) -> usize {
        let from = data.len().saturating_sub(self.0.longest.saturating_sub(1));
        let starts = |place: &usize| {
            let here = &data[*place..];
            self.may_start(here) && self.candidates(here).any(|form| form.len() > here.len() && form.starts_with(here))
        };
        (from..data.len()).find(starts).unwrap_or(data.len())
    }

    /// Whether some form begins with the first two bytes; quick, and most often no.
    fn may_start(&self, here: &[u8]) -> bool {
        match here {
            [first, second, ..] => {
                let pair = usize::from(*first) << 8 | usize::from(*second);
                self.0.pairs[pair / 64] & (1 << (pair % 64)) != 0
            }
            _ => true,
        }
    }

    /// The forms that begin with the first byte.
    fn candidates(&self, here: &[u8]) -> impl Iterator<Item = &Form> {
        let (start, end) = here.first().map_or((0, 0), |first| self.0.by_first_byte[usize::from(*first)]);
        self.0.forms[start as usize..end as usize].iter()
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
    fn many_forms_need_several_searches_and_all_of_them_find() {
        let forms: Vec<String> = (0..500).map(|number| format!("{:x}-secret-{number}", number * 7919)).collect();
        let redactor = redactor(&forms.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(redactor.0.searches.len() > 1);
        for form in &forms {
            assert_eq!(redactor.redact(&format!("<{form}>")), "<***>");
        }
    }

    #[test]
    fn debug_shows_no_forms() {
        assert!(!format!("{:?}", redactor(&["abcdef"])).contains("abcdef"));
    }
}
