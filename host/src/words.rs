//! How times and commits are written for people.

use std::time::Duration;

/// A span of time: `40ms`, `1.5s`, `2m 5s`.
#[must_use]
pub fn span(span: Duration) -> String {
    let milliseconds = span.as_millis();
    match milliseconds {
        0..1_000 => format!("{milliseconds}ms"),
        1_000..60_000 if milliseconds.is_multiple_of(1_000) => format!("{}s", milliseconds / 1_000),
        1_000..60_000 => format!("{:.1}s", span.as_secs_f64()),
        _ => {
            let seconds = span.as_secs();
            if seconds.is_multiple_of(60) {
                format!("{}m", seconds / 60)
            } else {
                format!("{}m {}s", seconds / 60, seconds % 60)
            }
        }
    }
}

/// The first characters of a commit, as people write it.
#[must_use]
pub fn short(commit: &str) -> &str {
    commit.get(..10).unwrap_or(commit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_as_exact_as_they_are_long() {
        for (milliseconds, text) in
            [(0, "0ms"), (999, "999ms"), (1_000, "1s"), (1_500, "1.5s"), (60_000, "1m"), (125_400, "2m 5s")]
        {
            assert_eq!(span(Duration::from_millis(milliseconds)), text);
        }
    }

    #[test]
    fn a_commit_is_cut_and_anything_shorter_is_not() {
        assert_eq!(short("0123456789abcdef"), "0123456789");
        assert_eq!(short("abc"), "abc");
    }
}
