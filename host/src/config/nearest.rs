//! The word that was probably meant.

/// The candidate nearest to `word`, where one is so near that it was probably meant.
#[must_use]
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = word.to_lowercase();
    // One slip in three characters, and never a word that shares nothing.
    let limit = (wanted.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let lower = candidate.to_lowercase();
            let distance = strsim::damerau_levenshtein(&wanted, &lower);
            let length = wanted.chars().count().max(lower.chars().count());
            (distance <= limit && distance < length).then_some((distance, candidate))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// `a`, `b` and `c` in backticks, joined by a last word such as `or`.
#[must_use]
pub fn listing<T: std::fmt::Display>(words: impl IntoIterator<Item = T>, last: &str) -> String {
    enumerated(words.into_iter().map(|word| format!("`{word}`")), last)
}

/// The same of texts that are not only names.
#[must_use]
pub fn enumerated(words: impl IntoIterator<Item = String>, last: &str) -> String {
    let words: Vec<String> = words.into_iter().collect();
    match words.split_last() {
        None => String::new(),
        Some((only, [])) => only.clone(),
        Some((end, rest)) => format!("{} {last} {end}", rest.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::{listing, nearest};

    #[test]
    fn finds_slips_and_nothing_else() {
        let words = ["plugin", "with", "timeout", "id"];
        assert_eq!(nearest("plugn", words), Some("plugin"));
        assert_eq!(nearest("Timeout", words), Some("timeout"));
        assert_eq!(nearest("wiht", words), Some("with"));
        assert_eq!(nearest("ld", words), Some("id"));
        assert_eq!(nearest("colour", words), None);
        assert_eq!(nearest("", words), None);
    }

    #[test]
    fn lists() {
        assert_eq!(listing(["a", "b", "c"], "or"), "`a`, `b` or `c`");
        assert_eq!(listing(["a"], "or"), "`a`");
        assert_eq!(listing::<&str>([], "or"), "");
    }
}
