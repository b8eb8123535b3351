//! What others write, so that it commands nobody: neither GitHub's runner, which takes lines of a job's output for commands, nor
//! GitLab's log, which takes some words for the borders of sections. A space in the midst of a command is what makes it none,
//! and lets a person read it all the same. (A space, and no character without a width: the runner's comparisons do not see these.)

use memchr::{memchr_iter, memchr3};
use std::borrow::Cow;

/// Who could be commanded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reader {
    /// Nobody.
    Nobody,
    /// GitHub's runner: by `::` where a line begins, and by `##[` anywhere.
    GitHub,
    /// GitLab's log: by `section_start:` and `section_end:` anywhere.
    GitLab,
}

const SECTIONS: [&[u8]; 2] = [b"section_start", b"section_end"];

/// How much of what came before can be the beginning of a command.
const TAIL: usize = 13;

/// What a line has until now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    /// Nothing that the runner does not skip.
    Blank,
    /// The same, and a colon.
    Colon,
    /// More: no command begins on it any more.
    Text,
}

/// Takes what is written in pieces, wherever they are cut, and holds nothing of it back.
#[derive(Debug)]
pub(super) struct Tame {
    reader: Reader,
    line: Line,
    /// The last bytes.
    tail: Vec<u8>,
}

impl Tame {
    pub(super) const fn new(reader: Reader) -> Self {
        Self { reader, line: Line::Blank, tail: Vec::new() }
    }

    /// A line begins that has nothing to do with what came before.
    pub(super) fn restart(&mut self) {
        *self = Self::new(self.reader);
    }

    /// The next piece, handed on in pieces.
    pub(super) fn push(&mut self, bytes: &[u8], give: &mut impl FnMut(&[u8])) {
        let mut given = 0;
        let mut broken = |place: usize| {
            give(&bytes[given..place]);
            give(b" ");
            given = place;
        };
        match self.reader {
            Reader::Nobody => {}
            Reader::GitHub => self.commands(bytes, &mut broken),
            Reader::GitLab => {
                let is_border = |place: &usize| SECTIONS.iter().any(|word| self.follows(bytes, *place, word));
                memchr_iter(b':', bytes).filter(is_border).for_each(broken);
            }
        }
        give(&bytes[given..]);
        let last = &bytes[bytes.len().saturating_sub(TAIL)..];
        let over = (self.tail.len() + last.len()).saturating_sub(TAIL);
        self.tail.drain(..over.min(self.tail.len()));
        self.tail.extend_from_slice(last);
    }

    /// A text that stands by itself.
    pub(super) fn whole<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if self.reader == Reader::Nobody {
            return Cow::Borrowed(text);
        }
        let mut clean = Vec::with_capacity(text.len());
        Self::new(self.reader).push(text.as_bytes(), &mut |bytes: &[u8]| clean.extend_from_slice(bytes));
        // Only characters of ASCII come into it: it is as much UTF-8 as it was.
        Cow::Owned(String::from_utf8_lossy(&clean).into_owned())
    }

    /// Each place before which something has to stand, so that there is no command.
    fn commands(&mut self, bytes: &[u8], broken: &mut impl FnMut(usize)) {
        let mut place = 0;
        while let Some(byte) = bytes.get(place) {
            self.line = match (byte, self.line) {
                (b'\n' | b'\r', _) => Line::Blank,
                (b':', Line::Blank) => Line::Colon,
                (b':', Line::Colon) => {
                    broken(place);
                    Line::Text
                }
                // The runner skips what .NET takes for white space, some of which is not ASCII.
                (..=b' ' | 0x7f.., Line::Blank | Line::Colon) => self.line,
                (b'[', _) if self.follows(bytes, place, b"##") => {
                    broken(place);
                    Line::Text
                }
                _ => Line::Text,
            };
            place += 1;
            if self.line == Line::Text {
                let next = memchr3(b'\n', b'\r', b'[', &bytes[place..]);
                place = next.map_or(bytes.len(), |next| place + next);
            }
        }
    }

    /// Whether these bytes stand before a place.
    fn follows(&self, bytes: &[u8], place: usize, wanted: &[u8]) -> bool {
        let here = &bytes[..place];
        if here.len() >= wanted.len() {
            return here.ends_with(wanted);
        }
        let (before, rest) = wanted.split_at(wanted.len() - here.len());
        here == rest && self.tail.ends_with(before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tamed(reader: Reader, pieces: &[&[u8]]) -> String {
        let mut tame = Tame::new(reader);
        let mut clean = vec![];
        for piece in pieces {
            tame.push(piece, &mut |bytes: &[u8]| clean.extend_from_slice(bytes));
        }
        String::from_utf8(clean).unwrap()
    }

    const COMMANDS: [(Reader, &str, &str); 16] = [
        (Reader::GitHub, "::set-output name=a::b\n", ": :set-output name=a::b\n"),
        (Reader::GitHub, "a\n  \t::add-mask::b\n", "a\n  \t: :add-mask::b\n"),
        (Reader::GitHub, "50%\r::stop-commands::x\r\n::x::\n", "50%\r: :stop-commands::x\r\n: :x::\n"),
        (Reader::GitHub, "\u{a0}\u{2003}::error::x", "\u{a0}\u{2003}: :error::x"),
        (Reader::GitHub, "\u{b}\u{c}\0::error::x", "\u{b}\u{c}\0: :error::x"),
        (Reader::GitHub, ":\u{200b}:error::x", ":\u{200b} :error::x"),
        (Reader::GitHub, "use std::fmt; [::1]:80 a:\n", "use std::fmt; [::1]:80 a:\n"),
        (Reader::GitHub, "##[error]x", "## [error]x"),
        (Reader::GitHub, "text ###[set-output name=a]b [x] ##[group]", "text ### [set-output name=a]b [x] ## [group]"),
        (Reader::GitHub, "#[test]\n# [x]\n[[step]]\n", "#[test]\n# [x]\n[[step]]\n"),
        (Reader::GitHub, "section_start:1:a\r\u{1b}[0K", "section_start:1:a\r\u{1b}[0K"),
        (Reader::GitLab, "a\u{1b}[0Ksection_end:1:a\r\u{1b}[0K", "a\u{1b}[0Ksection_end :1:a\r\u{1b}[0K"),
        (Reader::GitLab, "xsection_section_start:1:a", "xsection_section_start :1:a"),
        (Reader::GitLab, "section_started: no section: section_end", "section_started: no section: section_end"),
        (Reader::GitLab, "::error::x ##[error]", "::error::x ##[error]"),
        (Reader::Nobody, "::error::x section_end:1:a", "::error::x section_end:1:a"),
    ];

    #[test]
    fn no_command_gets_through_and_everything_else_does() {
        for (reader, text, expected) in COMMANDS {
            assert_eq!(tamed(reader, &[text.as_bytes()]), expected);
        }
    }

    #[test]
    fn it_does_not_matter_where_it_is_cut() {
        for (reader, text, expected) in COMMANDS {
            let bytes = text.as_bytes();
            for first in 0..=bytes.len() {
                for second in first..=bytes.len() {
                    let pieces = [&bytes[..first], &bytes[first..second], &bytes[second..]];
                    assert_eq!(tamed(reader, &pieces), expected, "{first} {second}");
                }
            }
        }
    }
}
