//! Whether a text has the form of an SPDX expression. Which identifiers there are changes with each of the list's versions, and is not
//! asked.

/// Why a text is no SPDX expression, where it is none.
pub(super) fn why_not(text: &str) -> Option<String> {
    let spaced = text.replace('(', " ( ").replace(')', " ) ");
    let mut open = 0_usize;
    // The word before, where it ends a part of the expression.
    let mut before: Option<&str> = None;
    // What comes next is an exception, and what came last was one.
    let (mut is_exception, mut was_exception) = (false, false);
    let mut last = "";
    for word in spaced.split_whitespace() {
        let is_joined = before.is_none();
        match word {
            "(" if is_joined && !is_exception => open += 1,
            "AND" | "OR" | "and" | "or" if !is_joined => before = None,
            "WITH" | "with" if before.is_some_and(|before| before != ")") && !was_exception => {
                (before, is_exception) = (None, true);
            }
            ")" if !is_joined && open > 0 => (open, before) = (open - 1, Some(word)),
            "(" | ")" | "AND" | "OR" | "WITH" | "and" | "or" | "with" => return Some(misplaced(word, last)),
            _ if !is_identifier(word) => return Some(format!("`{word}` is no licence's identifier")),
            _ if is_joined => (before, was_exception, is_exception) = (Some(word), is_exception, false),
            _ => return Some(format!("there is no `AND`, `OR` or `WITH` between `{last}` and `{word}`")),
        }
        last = word;
    }
    match before {
        None if last.is_empty() => Some("there is nothing in it".into()),
        None => Some(format!("nothing stands behind `{last}`")),
        Some(_) if open > 0 => Some("a `(` is not closed".into()),
        Some(_) => None,
    }
}

fn misplaced(word: &str, last: &str) -> String {
    if last.is_empty() { format!("it begins with `{word}`") } else { format!("`{word}` cannot stand behind `{last}`") }
}

/// `MIT`, `GPL-2.0+`, `LicenseRef-ours`, `DocumentRef-theirs:LicenseRef-theirs`.
fn is_identifier(word: &str) -> bool {
    let plain = |word: &str| {
        !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
    };
    match word.split_once(':') {
        Some((document, licence)) => {
            let of = |text: &str, prefix| text.strip_prefix(prefix).is_some_and(plain);
            of(document, "DocumentRef-") && of(licence, "LicenseRef-")
        }
        None => plain(word.strip_suffix('+').unwrap_or(word)),
    }
}

#[cfg(test)]
mod tests {
    use super::why_not;

    #[test]
    fn an_expression_is_told_from_what_is_none() {
        for good in [
            "MIT",
            "MIT OR Apache-2.0",
            "GPL-2.0+",
            "(MIT)",
            "Apache-2.0 WITH LLVM-exception",
            "(MIT OR Apache-2.0) AND (BSD-3-Clause or GPL-2.0-only WITH Classpath-exception-2.0)",
            "LicenseRef-ours",
            "DocumentRef-theirs:LicenseRef-theirs",
            "NONE",
        ] {
            assert_eq!(why_not(good), None, "{good}");
        }
        for (bad, why) in [
            ("", "there is nothing in it"),
            (" ", "there is nothing in it"),
            ("MIT/Apache-2.0", "`MIT/Apache-2.0` is no licence's identifier"),
            ("MIT, Apache-2.0", "`MIT,` is no licence's identifier"),
            ("Apache 2.0", "there is no `AND`, `OR` or `WITH` between `Apache` and `2.0`"),
            ("MIT OR", "nothing stands behind `OR`"),
            ("OR MIT", "it begins with `OR`"),
            ("MIT OR AND GPL-2.0-only", "`AND` cannot stand behind `OR`"),
            ("(MIT", "a `(` is not closed"),
            ("MIT)", "`)` cannot stand behind `MIT`"),
            ("()", "`)` cannot stand behind `(`"),
            ("MIT (GPL-2.0-only)", "`(` cannot stand behind `MIT`"),
            ("(MIT) WITH LLVM-exception", "`WITH` cannot stand behind `)`"),
            ("MIT WITH (LLVM-exception)", "`(` cannot stand behind `WITH`"),
            ("MIT WITH LLVM-exception WITH LLVM-exception", "`WITH` cannot stand behind `LLVM-exception`"),
            ("theirs:LicenseRef-theirs", "`theirs:LicenseRef-theirs` is no licence's identifier"),
        ] {
            assert_eq!(why_not(bad).as_deref(), Some(why), "{bad}");
        }
    }
}
