//! Redaction of output that comes in pieces, where a secret may be cut in two.

use super::redactor::{MASK, Piece, Redactor};
use zeroize::Zeroizing;

/// Takes secrets out of a stream of bytes. What comes out is the same wherever the stream is cut. It keeps only what may
/// be the start of a secret, so a prompt is not delayed, and never more than the longest form of a secret; everything
/// else is handed on as a slice of what was pushed.
#[derive(Debug)]
pub struct StreamRedactor {
    redactor: Redactor,
    /// What may be the start of a secret.
    held: Zeroizing<Vec<u8>>,
    /// So many of its bytes were hidden already.
    hidden: usize,
}

impl StreamRedactor {
    pub(super) fn new(redactor: Redactor) -> Self {
        // With its full room from the start it never moves, and so leaves no copies behind.
        let held = Zeroizing::new(Vec::with_capacity(redactor.longest() * 2));
        Self { redactor, held, hidden: 0 }
    }

    /// Takes the next bytes, and hands on what is clean of them and of those before. Large pieces, of 64 KiB or so, are
    /// fastest.
    pub fn push(&mut self, mut data: &[u8], give: &mut impl FnMut(&[u8])) {
        if self.redactor.is_empty() {
            if !data.is_empty() {
                give(data);
            }
            return;
        }
        if !self.held.is_empty() {
            // With that many bytes more, everything that starts in what was held has come to its end.
            let more = data.len().min(self.redactor.longest());
            let before = self.held.len();
            self.held.extend_from_slice(&data[..more]);
            let rest = self.redactor.scan(&self.held, self.hidden, false, &mut |piece| hand_on(piece, give));
            self.hidden = rest.hidden;
            if more == data.len() {
                self.held.drain(..rest.held);
                return;
            }
            self.held.clear();
            data = &data[rest.held - before..];
        }
        let rest = self.redactor.scan(data, self.hidden, false, &mut |piece| hand_on(piece, give));
        self.hidden = rest.hidden;
        self.held.extend_from_slice(&data[rest.held..]);
    }

    /// The end, after which nothing is seen beside what was held: that is no secret, and is handed on. More may be pushed
    /// afterwards, as a new stream. Where what comes later is seen right after what came before, it is the same stream.
    pub fn finish(&mut self, give: &mut impl FnMut(&[u8])) {
        self.redactor.scan(&self.held, self.hidden, true, &mut |piece| hand_on(piece, give));
        self.forget();
    }

    /// The end of something that was cut: what was held may be all that is left of a secret, and is forgotten.
    pub fn forget(&mut self) {
        self.held.clear();
        self.hidden = 0;
    }
}

fn hand_on(piece: Piece<'_>, give: &mut impl FnMut(&[u8])) {
    match piece {
        Piece::Clean(bytes) => give(bytes),
        Piece::Hidden => give(MASK.as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use crate::secret::{Redactor, Secrets};

    fn redactor(values: &[&str]) -> Redactor {
        let find =
            |name: &str| name.parse::<usize>().ok().and_then(|index| values.get(index)).map(|&value| value.into());
        Secrets::from_environment((0..values.len()).map(|index| index.to_string()), find).redactor()
    }

    /// What comes out of each push, and of the end.
    fn pushed(redactor: &Redactor, pieces: &[&[u8]]) -> Vec<String> {
        let mut stream = redactor.stream();
        let mut outputs = vec![];
        for piece in pieces {
            let mut output = vec![];
            stream.push(piece, &mut |bytes: &[u8]| output.extend_from_slice(bytes));
            outputs.push(String::from_utf8_lossy(&output).into_owned());
        }
        let mut output = vec![];
        stream.finish(&mut |bytes: &[u8]| output.extend_from_slice(bytes));
        outputs.push(String::from_utf8_lossy(&output).into_owned());
        outputs
    }

    #[test]
    fn a_secret_cut_in_two_does_not_get_through() {
        let outputs = pushed(&redactor(&["correct-horse"]), &[b"token corre", b"ct-hors", b"e ok"]);
        assert_eq!(outputs, ["token ", "", "*** ok", ""]);
    }

    #[test]
    fn only_what_may_be_a_secret_waits() {
        let outputs = pushed(&redactor(&["correct-horse"]), &[b"Password: ", b"cor", b"n", b"c"]);
        assert_eq!(outputs, ["Password: ", "", "corn", "", "c"]);
    }

    #[test]
    fn a_longer_secret_that_goes_on_is_hidden_too() {
        let outputs = pushed(&redactor(&["abcdefgh", "abcdefgh-more"]), &[b"<abcdefgh", b"-mo", b"re>"]);
        assert_eq!(outputs, ["<", "", "***>", ""]);
        let outputs = pushed(&redactor(&["abcdefgh", "abcdefgh-more"]), &[b"<abcdefgh", b"-mo", b"st>"]);
        assert_eq!(outputs, ["<", "", "***-most>", ""]);
    }

    #[test]
    fn a_secret_that_overlaps_one_before_is_hidden_too() {
        let outputs = pushed(&redactor(&["abcdefgh", "fgh-more"]), &[b"<abcdefgh", b"-mo", b"re>"]);
        assert_eq!(outputs, ["<***", "", ">", ""]);
    }

    #[test]
    fn a_secret_inside_the_beginning_of_another_gives_nothing_away() {
        let outputs = pushed(&redactor(&["abcdefgh-ijklmn", "cdefgh"]), &[b"<abcdefgh", b"-ijk", b"lmn>"]);
        assert_eq!(outputs, ["<", "", "***>", ""]);
    }

    #[test]
    fn what_a_cut_went_through_is_not_handed_on() {
        let mut stream = redactor(&["correct-horse"]).stream();
        let mut output = vec![];
        let mut give = |bytes: &[u8]| output.extend_from_slice(bytes);
        stream.push(b"token correct-hor", &mut give);
        stream.forget();
        stream.finish(&mut give);
        stream.push(b"se of another", &mut give);
        assert_eq!(output, b"token se of another");
    }

    #[test]
    fn clean_chunks_are_handed_through_uncopied() {
        let redactor = redactor(&["correct-horse"]);
        let data = vec![b'x'; 1 << 16];
        let mut stream = redactor.stream();
        let mut given = vec![];
        stream.push(&data, &mut |bytes: &[u8]| given.push((bytes.as_ptr(), bytes.len())));
        assert_eq!(given, [(data.as_ptr(), data.len())]);
    }

    #[test]
    fn what_is_held_stays_small() {
        let redactor = redactor(&["aaaaaaaaaaaaaaaa"]);
        let mut stream = redactor.stream();
        let mut output = vec![];
        for _ in 0..1000 {
            stream.push(&[b'a'; 100], &mut |bytes: &[u8]| output.extend_from_slice(bytes));
            assert!(stream.held.capacity() <= redactor.longest() * 2);
        }
        stream.finish(&mut |bytes: &[u8]| output.extend_from_slice(bytes));
        assert_eq!(output, b"***");
    }

    /// Numbers that look random and are the same each time.
    struct Numbers(u64);

    impl Numbers {
        fn below(&mut self, limit: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            usize::try_from(self.0 % limit as u64).unwrap_or_default()
        }
    }

    #[test]
    fn wherever_the_stream_is_cut_the_output_is_that_of_the_whole() {
        use base64::Engine as _;
        let values = [
            "aabaab",
            "abcabcab",
            "cabca",
            "postgres://shop:p%40ss-word@db/shop",
            "line one is long\nline two is too\n",
            "quo\"te/ö&<x>",
            "123",
        ];
        let redactor = redactor(&values);
        let mut pieces: Vec<String> =
            ["a", "b", "c", " ", "\n", "ab", "12", "%40", "line", "***"].map(String::from).into();
        for value in values {
            pieces.extend([
                value.to_owned(),
                hex::encode(value),
                hex::encode_upper(value),
                base64::engine::general_purpose::STANDARD.encode(format!("x{value}")),
                base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(value),
                serde_json::to_string(value).expect("a string"),
            ]);
        }
        let mut numbers = Numbers(0x9E37_79B9_7F4A_7C15);
        for round in 0..4000 {
            let mut text = String::new();
            for _ in 0..=numbers.below(12) {
                let piece = &pieces[numbers.below(pieces.len())];
                // Often only the beginning of a secret, to mislead.
                let cut = if numbers.below(3) == 0 { numbers.below(piece.len() + 1) } else { piece.len() };
                text.push_str(piece.get(..cut).unwrap_or(piece));
            }
            let whole = redactor.redact(&text).into_owned();
            // A mask between two halves of a secret may make no new one; nothing else may be left of any.
            for value in values {
                assert!(!whole.contains(value), "`{text}` became `{whole}`");
            }
            let mut rest = text.as_bytes();
            let mut cuts: Vec<&[u8]> = vec![];
            while !rest.is_empty() {
                let most = rest.len().min(1 << numbers.below(8));
                let (piece, after) = rest.split_at(1 + numbers.below(most));
                cuts.push(piece);
                rest = after;
            }
            assert_eq!(pushed(&redactor, &cuts).concat(), whole, "round {round}: `{text}`");
        }
    }
}
