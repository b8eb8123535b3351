//! Says quickly of most places in a text that no secret begins there.

/// Words of 64 bits. All of them fit into the fastest cache, and a thousand beginnings leave nearly all of them empty.
const WORDS: usize = 2048;

/// How many bytes of each beginning are looked at.
const WIDTH: usize = 4;

/// What tells the two bits of a beginning apart.
const FACTORS: [u32; 2] = [0x9E37_79B1, 0x85EB_CA6B];

/// A set of beginnings, of which it says too often, and never too seldom, that one is in it. Each is a pair of bits, so
/// that it costs the same whether it knows one secret or a hundred, and one pass over a text is enough.
pub(super) struct Filter {
    bits: Box<[u64; WORDS]>,
    /// Which bytes of a beginning count: some secrets have fewer than [`WIDTH`].
    mask: u32,
}

impl Filter {
    /// Knows the beginnings of these, none of which is empty.
    pub(super) fn new<'a>(forms: impl Iterator<Item = &'a [u8]> + Clone) -> Self {
        let shortest = forms.clone().map(<[u8]>::len).min().unwrap_or(WIDTH).clamp(1, WIDTH);
        let mut filter = Self { bits: Box::new([0; WORDS]), mask: u32::MAX >> (8 * (WIDTH - shortest)) };
        for form in forms {
            for factor in FACTORS {
                let (word, bit) = filter.place(word_of(form), factor);
                filter.bits[word] |= 1 << bit;
            }
        }
        filter
    }

    /// Where one of the two bits of a beginning is.
    #[expect(clippy::inline_always, reason = "as a call, which is smaller, it takes three times as long")]
    #[inline(always)]
    const fn place(&self, word: u32, factor: u32) -> (usize, u32) {
        // The upper bits of a product depend on all of the word.
        let hash = (word & self.mask).wrapping_mul(factor) >> 15;
        ((hash >> 6) as usize % WORDS, hash & 63)
    }

    /// Whether the first of the two bits is there, as a number: these are put together without a branch.
    #[expect(clippy::inline_always, reason = "as a call, which is smaller, it takes three times as long")]
    #[inline(always)]
    const fn first(&self, word: u32) -> u64 {
        let (word, bit) = self.place(word, FACTORS[0]);
        self.bits[word] >> bit & 1
    }

    fn knows(&self, word: u32) -> bool {
        FACTORS.iter().all(|&factor| {
            let (word, bit) = self.place(word, factor);
            self.bits[word] >> bit & 1 == 1
        })
    }

    /// Whether something may begin with these bytes. Of fewer than counts it is not said.
    pub(super) fn may_start(&self, here: &[u8]) -> bool {
        here.len() < WIDTH || self.knows(word_of(here))
    }

    /// The first place in `from..to` where something may begin.
    pub(super) fn find(&self, data: &[u8], from: usize, to: usize) -> Option<usize> {
        let mut place = from;
        while let Some(&eight) = data.get(place..).and_then(|data| data.first_chunk::<8>()) {
            if place >= to {
                return None;
            }
            // Eight bytes have five beginnings in them.
            let eight = u64::from_le_bytes(eight);
            let [a, b, c, d, e] =
                [lower(eight), lower(eight >> 8), lower(eight >> 16), lower(eight >> 24), lower(eight >> 32)];
            // Written out: a loop stays one in a binary that is made to be small.
            if self.first(a) | self.first(b) | self.first(c) | self.first(d) | self.first(e) != 0
                && let Some(after) = [a, b, c, d, e].iter().position(|&word| self.knows(word))
            {
                return Some(place + after).filter(|place| *place < to);
            }
            place += 5;
        }
        (place..to.min(data.len())).find(|place| self.may_start(&data[*place..]))
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the lower half is what is wanted")]
const fn lower(number: u64) -> u32 {
    number as u32
}

/// The first bytes as a number, with zeros for those that are not there.
fn word_of(bytes: &[u8]) -> u32 {
    let mut word = [0; WIDTH];
    let length = bytes.len().min(WIDTH);
    word[..length].copy_from_slice(&bytes[..length]);
    u32::from_le_bytes(word)
}

#[cfg(test)]
mod tests {
    use super::Filter;

    #[test]
    fn every_beginning_is_found_wherever_it_stands() {
        for forms in [&["abcdef", "xyz12", "äö"][..], &["abc", "wxyz"], &["a"]] {
            let filter = Filter::new(forms.iter().map(|form| form.as_bytes()));
            for form in forms {
                for before in 0..20 {
                    // What begins later than that may be anything.
                    for after in super::WIDTH..20 {
                        let text = format!("{}{form}{}", "-".repeat(before), "-".repeat(after));
                        assert_eq!(filter.find(text.as_bytes(), 0, text.len()), Some(before), "{form} in {text}");
                        assert_eq!(filter.find(text.as_bytes(), 0, before), None, "{form} in {text}");
                    }
                    let text = format!("{}{form}", "-".repeat(before));
                    assert!(filter.find(text.as_bytes(), 0, text.len()).is_some_and(|place| place <= before));
                }
            }
        }
    }

    #[test]
    fn it_says_no_nearly_everywhere() {
        let forms: Vec<String> =
            (0..2000).map(|number: u32| format!("{:08x}", number.wrapping_mul(2_654_435_761))).collect();
        let filter = Filter::new(forms.iter().map(|form| form.as_bytes()));
        let text: String =
            (0..10_000).map(|number| format!("line {number} of a log, as programs write it\n")).collect();
        let places = (0..text.len() - 4).filter(|place| filter.may_start(&text.as_bytes()[*place..])).count();
        assert!(places < text.len() / 50, "{places} of {}", text.len());
    }
}
