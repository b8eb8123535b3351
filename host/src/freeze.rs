//! Windows of time in which nothing is deployed: from one cron expression until another, in a time zone. Pure: what time it
//! is, it is told.
//!
//! It knows nothing of environments, forges and overrides; what a freeze means for a run is the gate's to say.

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, Zoned};
use std::ops::Range;

/// The zone of a window that names none.
const ZONE: &str = "UTC";

/// How many windows in a row are followed to find out when one may deploy again.
const IN_A_ROW: usize = 100;

/// From when on windows are followed to find that out. Any day will do.
const SOME_DAY: Timestamp = Timestamp::constant(1_600_000_000, 0);

/// What is closed for so long without a moment between is closed for ever: whatever a calendar has comes again within that.
const FOR_EVER: SignedDuration = SignedDuration::from_hours(24 * 366 * 9);

/// How many windows in a row are followed to find out whether they end at all.
const FOR_EVER_IN_A_ROW: usize = 20_000;

/// The fields of a cron expression, and what may stand there.
const FIELDS: [(&str, &str); 5] = [
    ("minute", "0 to 59"),
    ("hour", "0 to 23"),
    ("day of the month", "1 to 31"),
    ("month", "1 to 12 or `JAN` to `DEC`"),
    ("day of the week", "0 to 7 or `SUN` to `SAT`"),
];

/// A time that comes again and again: from one moment until another nothing is deployed.
#[derive(Debug, Clone)]
pub struct Window {
    from: Cron,
    until: Cron,
    zone: TimeZone,
    /// As they were written.
    written: Written,
}

/// A window as somebody wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Written {
    from: String,
    until: String,
    zone: String,
    reason: Option<String>,
}

/// Why there is no such window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The key that is wrong: `from`, `until` or `zone`.
    pub key: &'static str,
    /// Which part of its value.
    pub part: Range<usize>,
    /// In what way.
    pub why: String,
}

/// Whether one may deploy now.
#[derive(Debug, Clone)]
pub enum Standing<'w> {
    /// No.
    Frozen {
        /// The window that says so: the one that ends last, of those that hold now.
        window: &'w Window,
        /// When nothing says so any more, also no window that follows at once.
        until: Zoned,
    },
    /// Yes.
    Free {
        /// Which window is the next to begin, and when.
        next: Option<(&'w Window, Zoned)>,
    },
}

impl Window {
    /// A window; in UTC where no zone is named.
    ///
    /// # Errors
    /// Where one of the texts is no cron expression of five fields or one that never comes, where there is no such zone, and
    /// where the window would never end.
    pub fn new(from: &str, until: &str, zone: Option<&str>, reason: Option<&str>) -> Result<Self, Mistake> {
        let name = zone.unwrap_or(ZONE);
        let mistake = |key, text: &str, why: String| Mistake { key, part: 0..text.len(), why };
        let zone = TimeZone::get(name).map_err(|_| mistake("zone", name, format!("there is no time zone `{name}`")))?;
        let cron = |key, text| cron(text, &zone).map_err(|(part, why)| Mistake { key, part, why });
        let (begin, end) = (cron("from", from)?, cron("until", until)?);
        if begin == end {
            return Err(mistake("until", until, "it would begin when it ends, and so never end".into()));
        }
        let written = Written {
            from: from.to_owned(),
            until: until.to_owned(),
            zone: name.to_owned(),
            reason: reason.map(str::to_owned),
        };
        Ok(Self { from: begin, until: end, zone, written })
    }

    /// A moment as people read it where this window was written.
    #[must_use]
    pub fn tell(&self, moment: &Zoned) -> String {
        let moment = moment.with_time_zone(self.zone.clone());
        format!("{} {}", moment.strftime("%a %Y-%m-%d %H:%M"), self.written.zone)
    }

    /// When it ends, where this moment is in it. It begins with the first second of `from` and is over with that of `until`;
    /// where both are the same, it begins anew.
    fn end_of(&self, now: Timestamp) -> Option<Zoned> {
        let now = whole_seconds(now).to_zoned(self.zone.clone());
        let begun = self.from.find_previous_occurrence(&now, true).ok()?;
        let ended = self.until.find_previous_occurrence(&now, true).ok();
        if ended.is_some_and(|ended| ended > begun) {
            return None;
        }
        self.until.find_next_occurrence(&now, false).ok()
    }

    /// When it begins the next time.
    fn next_after(&self, now: Timestamp) -> Option<Zoned> {
        self.from.find_next_occurrence(&whole_seconds(now).to_zoned(self.zone.clone()), false).ok()
    }
}

impl std::fmt::Display for Window {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Written { from, until, zone, reason } = &self.written;
        write!(formatter, "from `{from}` until `{until}` ({zone})")?;
        reason.as_ref().map_or(Ok(()), |reason| write!(formatter, ": {reason}"))
    }
}

/// Whether one may deploy at this moment, as far as these windows go.
#[must_use]
pub fn standing<'w>(windows: impl IntoIterator<Item = &'w Window> + Clone, now: Timestamp) -> Standing<'w> {
    let Some((window, mut until)) = last_end(windows.clone(), now) else {
        let begins = windows.into_iter().filter_map(|window| Some((window, window.next_after(now)?)));
        return Standing::Free { next: begins.min_by(|(_, one), (_, other)| one.cmp(other)) };
    };
    for _ in 0..IN_A_ROW {
        let Some((_, later)) = last_end(windows.clone(), until.timestamp()) else { break };
        until = later;
    }
    Standing::Frozen { window, until }
}

/// Whether these windows leave no moment in which one may deploy.
#[must_use]
pub fn never_ends<'w>(windows: impl IntoIterator<Item = &'w Window> + Clone) -> bool {
    let mut moment = SOME_DAY;
    for _ in 0..FOR_EVER_IN_A_ROW {
        match last_end(windows.clone(), moment) {
            None => return false,
            Some((_, until)) => moment = until.timestamp(),
        }
        if moment.duration_since(SOME_DAY) > FOR_EVER {
            return true;
        }
    }
    false
}

/// Of the windows that this moment is in, the one that ends last, and when.
fn last_end<'w>(windows: impl IntoIterator<Item = &'w Window>, moment: Timestamp) -> Option<(&'w Window, Zoned)> {
    let ends = windows.into_iter().filter_map(|window| Some((window, window.end_of(moment)?)));
    ends.max_by(|(_, one), (_, other)| one.cmp(other))
}

/// Reads a cron expression. What is wrong with it is which part of it, and in what way.
fn cron(text: &str, zone: &TimeZone) -> Result<Cron, (Range<usize>, String)> {
    let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
    let cron = parser.parse(text).map_err(|_| misread(text, |field| parser.parse(field).is_ok()))?;
    // Any moment will do: what comes once comes again within some years.
    cron.find_next_occurrence(&Timestamp::UNIX_EPOCH.to_zoned(zone.clone()), true)
        .map_err(|_| (0..text.len(), format!("`{text}` never comes")))?;
    Ok(cron)
}

/// Why a text is no cron expression. `reads` says whether one is.
fn misread(text: &str, reads: impl Fn(&str) -> bool) -> (Range<usize>, String) {
    let fields: Vec<&str> = text.split_whitespace().collect();
    if fields.len() != FIELDS.len() {
        let plural = if fields.len() == 1 { "" } else { "s" };
        return (0..text.len(), format!("`{text}` has {} field{plural}, and a time has five", fields.len()));
    }
    for (index, (field, (name, range))) in fields.iter().zip(FIELDS).enumerate() {
        let mut alone = ["*"; FIELDS.len()];
        alone[index] = field;
        if !reads(&alone.join(" ")) {
            // It is a part of the text, and so it has its place there.
            let start = field.as_ptr().addr() - text.as_ptr().addr();
            let why = format!("`{field}` is no {name}, which is {range}, `*`, a range, a step or a list");
            return (start..start + field.len(), why);
        }
    }
    (0..text.len(), format!("`{text}` is no cron expression"))
}

/// Windows begin and end with a minute.
fn whole_seconds(moment: Timestamp) -> Timestamp {
    Timestamp::from_second(moment.as_second()).unwrap_or(moment)
}

#[cfg(test)]
mod tests {
    use super::{Standing, Window, never_ends, standing};
    use jiff::Timestamp;

    fn window(from: &str, until: &str, zone: &str) -> Window {
        Window::new(from, until, Some(zone), None).unwrap()
    }

    /// What is said at a moment: `until …`, `next …` or `never`.
    fn said(windows: &[Window], now: &str) -> String {
        match standing(windows, now.parse::<Timestamp>().unwrap()) {
            Standing::Frozen { until, .. } => format!("until {}", until.timestamp()),
            Standing::Free { next: Some((_, at)) } => format!("next {}", at.timestamp()),
            Standing::Free { next: None } => "never".into(),
        }
    }

    #[test]
    fn a_weekend_begins_and_ends_to_the_second() {
        let weekend = [window("0 17 * * FRI", "0 8 * * MON", "Europe/Berlin")];
        for (now, expected) in [
            ("2026-11-27T15:59:59.999Z", "next 2026-11-27T16:00:00Z"),
            ("2026-11-27T16:00:00Z", "until 2026-11-30T07:00:00Z"),
            ("2026-11-27T16:00:00.5Z", "until 2026-11-30T07:00:00Z"),
            ("2026-11-28T12:46:00Z", "until 2026-11-30T07:00:00Z"),
            ("2026-11-30T06:59:59.999Z", "until 2026-11-30T07:00:00Z"),
            ("2026-11-30T07:00:00Z", "next 2026-12-04T16:00:00Z"),
            ("2026-11-30T07:00:01Z", "next 2026-12-04T16:00:00Z"),
        ] {
            assert_eq!(said(&weekend, now), expected, "{now}");
        }
    }

    #[test]
    fn a_clock_that_is_put_forward_or_back_moves_no_window() {
        // Central European Summer Time began on 2026-03-29 at 01:00Z and ended on 2026-10-25 at 01:00Z.
        let night = [window("30 2 * * *", "0 6 * * *", "Europe/Berlin")];
        for (now, expected) in [
            // There is no 02:30 in that night: the window begins when the clock goes on, at 03:00.
            ("2026-03-29T00:59:59Z", "next 2026-03-29T01:00:00Z"),
            ("2026-03-29T01:00:00Z", "until 2026-03-29T04:00:00Z"),
            ("2026-03-29T04:00:00Z", "next 2026-03-30T00:30:00Z"),
            // There are two, and it begins with the first.
            ("2026-10-25T00:29:59Z", "next 2026-10-25T00:30:00Z"),
            ("2026-10-25T00:30:00Z", "until 2026-10-25T05:00:00Z"),
            ("2026-10-25T01:15:00Z", "until 2026-10-25T05:00:00Z"),
            ("2026-10-25T05:00:00Z", "next 2026-10-26T01:30:00Z"),
        ] {
            assert_eq!(said(&night, now), expected, "{now}");
        }
        // Also one that is open while the clock is put forward.
        let weekend = [window("0 17 * * FRI", "0 8 * * MON", "Europe/Berlin")];
        assert_eq!(said(&weekend, "2026-03-28T12:00:00Z"), "until 2026-03-30T06:00:00Z");
    }

    #[test]
    fn a_year_may_end_within_one() {
        let holidays = [window("0 0 24 12 *", "0 0 2 1 *", "UTC")];
        assert_eq!(said(&holidays, "2026-12-23T23:59:59Z"), "next 2026-12-24T00:00:00Z");
        assert_eq!(said(&holidays, "2026-12-31T12:00:00Z"), "until 2027-01-02T00:00:00Z");
        assert_eq!(said(&holidays, "2027-01-01T12:00:00Z"), "until 2027-01-02T00:00:00Z");
        assert_eq!(said(&holidays, "2027-01-02T00:00:00Z"), "next 2027-12-24T00:00:00Z");
    }

    #[test]
    fn overlapping_windows_hold_until_the_last_of_them_is_over() {
        let one = window("0 8 * * *", "0 12 * * *", "UTC");
        let two = window("0 11 * * *", "0 14 * * *", "UTC");
        let three = window("0 14 * * *", "0 15 * * *", "UTC");
        let all = [two, one, three];
        assert_eq!(said(&all, "2026-05-05T07:00:00Z"), "next 2026-05-05T08:00:00Z");
        // Three that follow each other without a moment between.
        assert_eq!(said(&all, "2026-05-05T09:00:00Z"), "until 2026-05-05T15:00:00Z");
        assert_eq!(said(&all, "2026-05-05T14:30:00Z"), "until 2026-05-05T15:00:00Z");
        assert_eq!(said(&all, "2026-05-05T15:00:00Z"), "next 2026-05-06T08:00:00Z");
        // The window that is named is one that holds.
        let Standing::Frozen { window, .. } = standing(&all, "2026-05-05T09:00:00Z".parse().unwrap()) else { panic!() };
        assert_eq!(window.to_string(), "from `0 8 * * *` until `0 12 * * *` (UTC)");
        assert_eq!(said(&[], "2026-05-05T09:00:00Z"), "never");
    }

    #[test]
    fn one_that_begins_more_often_than_it_ends_is_open_in_between() {
        let often = [window("0 * * * *", "30 12 * * *", "UTC")];
        assert_eq!(said(&often, "2026-05-05T12:29:00Z"), "until 2026-05-05T12:30:00Z");
        assert_eq!(said(&often, "2026-05-05T12:45:00Z"), "next 2026-05-05T13:00:00Z");
        assert_eq!(said(&often, "2026-05-05T13:00:00Z"), "until 2026-05-06T12:30:00Z");
    }

    #[test]
    fn windows_that_follow_each_other_for_ever_are_not_followed_for_ever() {
        let always = [window("0 0 * * *", "0 12 * * *", "UTC"), window("0 12 * * *", "0 0 * * *", "UTC")];
        assert!(said(&always, "2026-05-05T09:00:00Z").starts_with("until 2026-06"));
    }

    #[test]
    fn a_moment_is_told_as_it_was_written() {
        let weekend = Window::new("0 17 * * FRI", "0 8 * * MON", Some("Europe/Berlin"), Some("weekend")).unwrap();
        assert_eq!(weekend.to_string(), "from `0 17 * * FRI` until `0 8 * * MON` (Europe/Berlin): weekend");
        let now = "2026-11-28T12:00:00Z".parse().unwrap();
        let Standing::Frozen { window, until } = standing([&weekend], now) else { panic!("it is free") };
        assert_eq!(window.tell(&until), "Mon 2026-11-30 08:00 Europe/Berlin");
    }

    #[test]
    fn what_is_no_window_says_where_it_is_wrong() {
        let why = |from: &str, until: &str, zone: Option<&str>| {
            let mistake = Window::new(from, until, zone, None).unwrap_err();
            format!("{}: {}", mistake.key, mistake.why)
        };
        let good = "0 8 * * MON";
        assert_eq!(why("0 17 * * FRI", good, Some("Berlin")), "zone: there is no time zone `Berlin`");
        assert_eq!(why("0 0 30 2 *", good, None), "from: `0 0 30 2 *` never comes");
        assert_eq!(why(good, good, None), "until: it would begin when it ends, and so never end");
        assert_eq!(why("0 17 * *", good, None), "from: `0 17 * *` has 4 fields, and a time has five");
        assert_eq!(why(good, "0 0 17 * * FRI", None), "until: `0 0 17 * * FRI` has 6 fields, and a time has five");
        assert_eq!(why("", good, None), "from: `` has 0 fields, and a time has five");
        for (text, expected) in [
            ("61 * * * *", "`61` is no minute, which is 0 to 59, `*`, a range, a step or a list"),
            ("0 24 * * *", "`24` is no hour, which is 0 to 23, `*`, a range, a step or a list"),
            ("0 0 0 * *", "`0` is no day of the month, which is 1 to 31, `*`, a range, a step or a list"),
            ("0 0 1 13 *", "`13` is no month, which is 1 to 12 or `JAN` to `DEC`, `*`, a range, a step or a list"),
            (
                "0 17 * *  FRY",
                "`FRY` is no day of the week, which is 0 to 7 or `SUN` to `SAT`, `*`, a range, a step or a list",
            ),
        ] {
            let mistake = Window::new(good, text, None, None).unwrap_err();
            assert_eq!((mistake.key, mistake.why.as_str()), ("until", expected));
            assert!(expected.starts_with(&format!("`{}` ", &text[mistake.part])), "{text}");
        }
    }

    #[test]
    fn what_leaves_no_moment_to_deploy_is_found_out() {
        let every_minute = || window("* * * * *", "0 0 29 2 *", "Europe/Berlin");
        let day = || window("0 8 * * *", "0 20 * * *", "UTC");
        let night = || window("0 20 * * *", "0 8 * * *", "UTC");
        let workdays = || window("0 20 * * 1-5", "0 8 * * *", "UTC");
        assert!(never_ends(&[every_minute()]) && never_ends(&[day(), every_minute()]));
        assert!(never_ends(&[day(), night()]) && never_ends(&[night(), day()]));
        for some in [vec![], vec![day()], vec![night()], vec![day(), workdays()]] {
            assert!(!never_ends(&some), "{some:?}");
        }
        // A minute in four years is one.
        assert!(!never_ends(&[window("1-59 * * * *", "0 0 29 2 *", "UTC")]));
        assert!(!never_ends(&[window("1 0 29 2 *", "0 0 29 2 *", "UTC")]));
    }
}
