//! rustup's channels and Cargo's `rust-version`.

use super::{Answer, Pin, Requirement};
use crate::tool::Installed;

/// A channel of rustup that is not a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Channel {
    /// `stable`, `beta` or `nightly`.
    name: &'static str,
    /// The day that it was published, as `YYYY-MM-DD`.
    date: Option<String>,
}

/// How many days before its publication the commit of a dated channel may be. A nightly is built from the last commit
/// of the day before; where a day's build failed, from an earlier one.
const DAYS_BEFORE: i64 = 3;

impl Channel {
    /// Whether the compiler is of this channel. That it is the newest of it cannot be told, and is not asked.
    pub(super) fn allows(&self, installed: &Installed) -> Answer {
        let Ok(version) = Pin::parse(&installed.version) else { return Answer::No };
        let channel = match version.rest.split('.').next().unwrap_or_default() {
            "" => "stable",
            "beta" => "beta",
            _ => "nightly",
        };
        if channel != self.name {
            return Answer::No;
        }
        match (&self.date, &installed.date) {
            (None, _) => Answer::Yes,
            (Some(_), None) => Answer::Unchecked("the compiler does not tell its date"),
            // Betas and stables are built days or weeks after their last commit.
            (Some(asked), Some(there)) if self.name != "nightly" => (there <= asked).into(),
            (Some(asked), Some(there)) => match (day_number(asked), day_number(there)) {
                (Some(asked), Some(there)) => (0..=DAYS_BEFORE).contains(&(asked - there)).into(),
                _ => Answer::No,
            },
        }
    }
}

/// Days since some day, for differences.
fn day_number(date: &str) -> Option<i64> {
    let mut parts = date.splitn(3, '-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Years begin in March, so that the leap day is the last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    Some(365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day)
}

/// A channel with an optional date and an optional host: `stable`, `1.95`, `nightly-2026-05-01-x86_64-unknown-linux-gnu`.
///
/// # Errors
/// Says what is wrong, for a cause.
pub(crate) fn channel(text: &str) -> Result<Requirement, String> {
    let wrong = || format!("`{text}` is neither a channel nor a version of Rust");
    if text.is_empty() || text.contains(|c: char| c.is_whitespace() || "<>=^~,|*".contains(c)) {
        return Err(wrong());
    }
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        // The host follows the version or its `-beta.N`.
        let mut parts = text.splitn(3, '-');
        let version = parts.next().unwrap_or_default();
        let beta = parts.next().filter(|part| *part == "beta" || part.starts_with("beta."));
        let pin = Pin::parse(&beta.map_or_else(|| version.to_owned(), |beta| format!("{version}-{beta}")))
            .map_err(|_| wrong())?;
        return if (2..=3).contains(&pin.numbers.len()) { Ok(Requirement::Pin(pin)) } else { Err(wrong()) };
    }
    let (name, rest) = text.split_once('-').unwrap_or((text, ""));
    let name = match name {
        "stable" => "stable",
        "beta" => "beta",
        "nightly" => "nightly",
        _ => return Ok(Requirement::Unchecked("it is a toolchain of your own name")),
    };
    let dated = rest.starts_with(|c: char| c.is_ascii_digit());
    let date =
        dated.then(|| rest.get(..10).filter(|date| day_number(date).is_some())).map(|date| date.ok_or_else(wrong));
    Ok(Requirement::Channel(Channel { name, date: date.transpose()?.map(Into::into) }))
}

/// Cargo's `rust-version`: two or three numbers and nothing else.
///
/// # Errors
/// Says what is wrong, for a cause.
pub(crate) fn minimum(text: &str) -> Result<Requirement, String> {
    let wrong = || format!("`{text}` is not a `rust-version`, which is two or three numbers such as `1.95`");
    let pin = Pin::parse(text).map_err(|_| wrong())?;
    let bare = text.starts_with(|c: char| c.is_ascii_digit()) && text.ends_with(|c: char| c.is_ascii_digit());
    let bare = bare && pin.rest.is_empty() && (1..=3).contains(&pin.numbers.len()) && !text.contains('+');
    if bare { Ok(Requirement::RustMinimum(pin)) } else { Err(wrong()) }
}

/// Whether a compiler is at least this. As in Cargo, a nightly counts as the release that it becomes.
pub(crate) fn at_least(minimum: &Pin, version: &str) -> bool {
    let padded = |numbers: &[u64]| {
        let mut padded = numbers.to_vec();
        padded.resize(3, 0);
        padded
    };
    Pin::parse(version).is_ok_and(|version| padded(&version.numbers) >= padded(&minimum.numbers))
}

#[cfg(test)]
mod tests {
    use super::super::table::{holds, refused};
    use super::*;

    #[test]
    fn channels_are_rustup_s() {
        holds(
            channel,
            &[
                ("stable", &["1.95.0"], &["1.96.0-beta.1", "1.97.0-nightly"]),
                ("beta", &["1.96.0-beta.2"], &["1.95.0", "1.97.0-nightly"]),
                ("nightly", &["1.97.0-nightly", "1.97.0-dev"], &["1.95.0", "1.96.0-beta.2"]),
                ("1.95", &["1.95.0", "1.95.1"], &["1.96.0", "1.9.5", "1.95.0-nightly"]),
                ("1.95.0", &["1.95.0"], &["1.95.1"]),
                ("1.95.0-x86_64-unknown-linux-gnu", &["1.95.0"], &["1.95.1"]),
                ("stable-msvc", &["1.95.0"], &["1.97.0-nightly"]),
                ("1.96.0-beta.2", &["1.96.0-beta.2"], &["1.96.0", "1.96.0-beta.1"]),
                ("1.96.0-beta.2-aarch64-apple-darwin", &["1.96.0-beta.2"], &["1.96.0"]),
            ],
        );
        refused(channel, &["", ">=1.95", "1.95, 1.96", "^1.95", "1", "1.2.3.4", "nightly-2026-13-01", "nightly-2026"]);
        assert!(matches!(channel("esp"), Ok(Requirement::Unchecked(_))));
    }

    #[test]
    fn a_dated_nightly_is_of_the_days_before() {
        let requirement = channel("nightly-2026-03-01-x86_64-unknown-linux-gnu").expect("valid");
        let of = |date: Option<&str>| {
            requirement.allows(&Installed { date: date.map(Into::into), ..Installed::of("1.97.0-nightly") })
        };
        for (date, answer) in [
            ("2026-02-28", Answer::Yes),
            ("2026-03-01", Answer::Yes),
            ("2026-02-26", Answer::Yes),
            ("2026-02-24", Answer::No),
            ("2026-03-02", Answer::No),
            ("2025-03-01", Answer::No),
            ("yesterday", Answer::No),
        ] {
            assert_eq!(of(Some(date)), answer, "{date}");
        }
        assert!(matches!(of(None), Answer::Unchecked(_)));
        let beta = channel("beta-2026-03-01").expect("valid");
        let there = Installed { date: Some("2026-02-10".into()), ..Installed::of("1.96.0-beta.2") };
        assert_eq!(beta.allows(&there), Answer::Yes);
    }

    #[test]
    fn days_are_counted_over_leap_years() {
        let between = |from, to| Some(day_number(to)? - day_number(from)?);
        assert_eq!(between("2024-02-28", "2024-03-01"), Some(2));
        assert_eq!(between("2026-02-28", "2026-03-01"), Some(1));
        assert_eq!(between("2025-12-31", "2026-01-01"), Some(1));
        assert_eq!(between("2000-01-01", "2026-01-01"), Some(9497));
    }

    #[test]
    fn rust_version_is_a_minimum() {
        holds(
            minimum,
            &[
                ("1.95", &["1.95.0", "1.95.3", "1.100.0", "1.95.0-nightly", "2.0.0"], &["1.94.9", "1.9.6"]),
                ("1.95.2", &["1.95.2", "1.96.0-beta.1"], &["1.95.1", "1.95.0"]),
            ],
        );
        refused(
            minimum,
            &["", ">=1.95", "^1.95", "1.95.0-nightly", "1.95.*", "v1.95", "stable", "1.2.3.4", "1.95.0+a"],
        );
    }
}
