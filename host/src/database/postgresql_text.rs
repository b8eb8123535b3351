//! PostgreSQL's binary values as the text that PostgreSQL itself writes for them, with the date style `ISO` and the time
//! zone UTC. Only what has a text; numbers, truth values and bytes are read beside.

use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::postgresql_values::oid;

/// Days from 1970-01-01 to 2000-01-01, which PostgreSQL counts from.
const EPOCH: i64 = 10_957;
const DAY: i64 = 86_400_000_000; // microseconds
const HOUR: i64 = DAY / 24;
const MINUTE: i64 = HOUR / 60;
const SECOND: i64 = MINUTE / 60;

/// Whether values of this type can be passed on at all.
pub(super) fn is_readable(number: u32) -> bool {
    use oid::*;
    matches!(
        number,
        BOOL | BYTEA
            | CHAR
            | NAME
            | INT8
            | INT2
            | INT4
            | TEXT
            | OID
            | XID
            | JSON
            | XML
            | CIDR
            | FLOAT4
            | FLOAT8
            | UNKNOWN
            | INET
            | BPCHAR
            | VARCHAR
            | DATE
            | TIME
            | TIMESTAMP
            | TIMESTAMPTZ
            | INTERVAL
            | TIMETZ
            | NUMERIC
            | VOID
            | UUID
            | JSONB
    )
}

/// Reads big-endian numbers off the front.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (front, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(front)
    }

    fn i16(&mut self) -> Option<i16> {
        Some(i16::from_be_bytes(self.take(2)?.try_into().ok()?))
    }

    fn i32(&mut self) -> Option<i32> {
        Some(i32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    fn i64(&mut self) -> Option<i64> {
        Some(i64::from_be_bytes(self.take(8)?.try_into().ok()?))
    }
}

/// The text of a value; none where the bytes are not of this type.
pub(super) fn write(bytes: &[u8], number: u32) -> Option<String> {
    let mut from = Bytes(bytes);
    Some(match number {
        oid::BOOL => if bytes.first()? == &0 { "f" } else { "t" }.into(),
        oid::INT2 => from.i16()?.to_string(),
        oid::INT4 => from.i32()?.to_string(),
        oid::INT8 => from.i64()?.to_string(),
        oid::OID | oid::XID => u32::from_be_bytes(bytes.try_into().ok()?).to_string(),
        oid::FLOAT4 => {
            let value = f32::from_be_bytes(bytes.try_into().ok()?);
            float(&value.to_string(), &format!("{value:e}"), 6)
        }
        oid::FLOAT8 => {
            let value = f64::from_be_bytes(bytes.try_into().ok()?);
            float(&value.to_string(), &format!("{value:e}"), 15)
        }
        oid::BYTEA => format!("\\x{}", hex::encode(bytes)),
        oid::VOID => String::new(),
        oid::JSONB => String::from_utf8(bytes.strip_prefix(&[1])?.into()).ok()?,
        oid::UUID => {
            let digits = hex::encode(<[u8; 16]>::try_from(bytes).ok()?);
            [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-")
        }
        oid::NUMERIC => numeric(from)?,
        oid::DATE => match from.i32()? {
            i32::MAX => "infinity".into(),
            i32::MIN => "-infinity".into(),
            days => date(days.into(), ""),
        },
        oid::TIME => time(from.i64()?),
        oid::TIMETZ => {
            let time = time(from.i64()?);
            format!("{time}{}", zone(-from.i32()?))
        }
        oid::TIMESTAMP | oid::TIMESTAMPTZ => match from.i64()? {
            i64::MAX => "infinity".into(),
            i64::MIN => "-infinity".into(),
            moment => {
                let zone = if number == oid::TIMESTAMPTZ { "+00" } else { "" };
                date(moment.div_euclid(DAY), &format!(" {}{zone}", time(moment.rem_euclid(DAY))))
            }
        },
        oid::INTERVAL => interval(from.i64()?, from.i32()?, from.i32()?),
        oid::INET | oid::CIDR => network(bytes)?,
        _ => String::from_utf8(bytes.into()).ok()?,
    })
}

/// A number in its plain or its scientific form, whichever PostgreSQL writes: scientific for exponents below -4 and from
/// `limit`.
fn float(plain: &str, scientific: &str, limit: i32) -> String {
    let Some((mantissa, Ok(exponent))) =
        scientific.split_once('e').map(|(mantissa, exponent)| (mantissa, exponent.parse::<i32>()))
    else {
        return plain.replace("inf", "Infinity");
    };
    if (-4..limit).contains(&exponent) {
        return plain.into();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.unsigned_abs())
}

/// A date and what follows it, counted in days from 2000-01-01, in the proleptic Gregorian calendar. Before the year 1
/// PostgreSQL counts backwards and writes `BC`.
fn date(days: i64, rest: &str) -> String {
    // Years are taken to begin in March, so that the day which comes and goes is their last; 400 of them have 146,097 days.
    let from_march = days + EPOCH + 719_468; // from 0000-03-01
    let cycle = from_march.div_euclid(146_097);
    let day_of_cycle = from_march.rem_euclid(146_097);
    let year_of_cycle = (day_of_cycle - day_of_cycle / 1_460 + day_of_cycle / 36_524 - day_of_cycle / 146_096) / 365;
    let day_of_year = day_of_cycle - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = cycle * 400 + year_of_cycle + i64::from(month <= 2);
    if year > 0 {
        format!("{year:04}-{month:02}-{day:02}{rest}")
    } else {
        format!("{:04}-{month:02}-{day:02}{rest} BC", 1 - year)
    }
}

fn time(microseconds: i64) -> String {
    let (hours, minutes) = (microseconds / HOUR, microseconds / MINUTE % 60);
    format!("{hours:02}:{minutes:02}:{}", seconds(microseconds % MINUTE))
}

/// Seconds with what is left of a fraction.
fn seconds(microseconds: i64) -> String {
    let whole = microseconds / SECOND;
    match microseconds % SECOND {
        0 => format!("{whole:02}"),
        fraction => format!("{whole:02}.{fraction:06}").trim_end_matches('0').into(),
    }
}

fn zone(seconds: i32) -> String {
    let sign = if seconds < 0 { '-' } else { '+' };
    let seconds = seconds.unsigned_abs();
    let mut text = format!("{sign}{:02}", seconds / 3600);
    if !seconds.is_multiple_of(3600) {
        let _ = write!(text, ":{:02}", seconds / 60 % 60);
    }
    if !seconds.is_multiple_of(60) {
        let _ = write!(text, ":{:02}", seconds % 60);
    }
    text
}

/// After a negative part a positive one is marked with `+`.
fn interval(microseconds: i64, days: i32, months: i32) -> String {
    let mut parts: Vec<String> = vec![];
    let mut negative = false;
    for (count, unit) in [(months / 12, "year"), (months % 12, "mon"), (days, "day")] {
        if count != 0 {
            let sign = if negative && count > 0 { "+" } else { "" };
            parts.push(format!("{sign}{count} {unit}{}", if count == 1 { "" } else { "s" }));
            negative = count < 0;
        }
    }
    if microseconds != 0 || parts.is_empty() {
        let sign = if microseconds < 0 {
            "-"
        } else if negative {
            "+"
        } else {
            ""
        };
        let size = i64::try_from(microseconds.unsigned_abs()).unwrap_or(i64::MAX);
        parts.push(format!("{sign}{}", time(size)));
    }
    parts.join(" ")
}

/// Groups of four decimal digits, `weight` of them (and one) before the point.
fn numeric(mut from: Bytes<'_>) -> Option<String> {
    let groups = from.i16()?;
    let weight = from.i16()?;
    let sign = from.i16()?.cast_unsigned();
    let scale = usize::try_from(from.i16()?).ok()?;
    match sign {
        0xC000 => return Some("NaN".into()),
        0xD000 => return Some("Infinity".into()),
        0xF000 => return Some("-Infinity".into()),
        _ => {}
    }
    let mut digits = vec![];
    for _ in 0..groups {
        digits.push(from.i16()?);
    }
    let group = |index: i32| usize::try_from(index).ok().and_then(|index| digits.get(index)).copied().unwrap_or(0);
    let weight = i32::from(weight);
    let mut text = String::from(if sign == 0x4000 { "-" } else { "" });
    let mut whole = String::new();
    for index in 0..=weight {
        let _ = write!(whole, "{:04}", group(index));
    }
    let whole = whole.trim_start_matches('0');
    text.push_str(if whole.is_empty() { "0" } else { whole });
    if scale > 0 {
        let mut fraction = String::new();
        let mut index = weight + 1;
        while fraction.len() < scale {
            let _ = write!(fraction, "{:04}", group(index));
            index += 1;
        }
        text.push('.');
        text.push_str(&fraction[..scale]);
    }
    Some(text)
}

fn network(bytes: &[u8]) -> Option<String> {
    let [family, bits, is_cidr, _, address @ ..] = bytes else { return None };
    let (address, all) = match family {
        2 => (Ipv4Addr::from(<[u8; 4]>::try_from(address).ok()?).to_string(), 32),
        _ => (Ipv6Addr::from(<[u8; 16]>::try_from(address).ok()?).to_string(), 128),
    };
    Some(if *is_cidr != 0 || *bits != all { format!("{address}/{bits}") } else { address })
}

/// An array as PostgreSQL writes it, for example `{1,NULL,"a b"}`.
pub(super) fn array(bytes: &[u8], element: u32) -> Option<String> {
    let mut from = Bytes(bytes);
    let dimensions = from.i32()?;
    let (_has_nulls, _element) = (from.i32()?, from.i32()?);
    if dimensions == 0 {
        return Some("{}".into());
    }
    let mut text = String::new();
    let mut lengths = vec![];
    let mut bounds = String::new();
    let mut plain = true;
    for _ in 0..dimensions {
        let (length, lower) = (from.i32()?, from.i32()?);
        lengths.push(usize::try_from(length).ok()?);
        plain &= lower == 1;
        let _ = write!(bounds, "[{lower}:{}]", i64::from(lower) + i64::from(length) - 1);
    }
    if !plain {
        text = format!("{bounds}=");
    }
    elements(&mut from, &lengths, element, &mut text)?;
    Some(text)
}

fn elements(from: &mut Bytes<'_>, lengths: &[usize], element: u32, text: &mut String) -> Option<()> {
    let (length, inner) = lengths.split_first()?;
    text.push('{');
    for index in 0..*length {
        if index > 0 {
            text.push(',');
        }
        if !inner.is_empty() {
            elements(from, inner, element, text)?;
            continue;
        }
        match usize::try_from(from.i32()?) {
            Err(_) => text.push_str("NULL"),
            Ok(size) => {
                let value = write(from.take(size)?, element)?;
                let special = |character: char| {
                    matches!(character, '{' | '}' | ',' | '"' | '\\') || character.is_ascii_whitespace()
                };
                if value.is_empty() || value.eq_ignore_ascii_case("null") || value.contains(special) {
                    let _ = write!(text, "\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""));
                } else {
                    text.push_str(&value);
                }
            }
        }
    }
    text.push('}');
    Some(())
}

#[cfg(test)]
mod tests {
    use super::{DAY, HOUR, date, interval, network, time, zone};

    // That these are PostgreSQL's own texts is tested against the server, in `tests/database.rs`.
    #[test]
    fn dates_and_times() {
        assert_eq!(date(0, ""), "2000-01-01");
        assert_eq!(date(59, " x"), "2000-02-29 x");
        assert_eq!(date(-1, ""), "1999-12-31");
        assert_eq!(date(-730_120, ""), "0001-12-31 BC");
        assert_eq!(time(DAY), "24:00:00");
        assert_eq!(time(HOUR + 1_500_000), "01:00:01.5");
        assert_eq!(zone(-34_200), "-09:30");
        assert_eq!(interval(0, 0, 0), "00:00:00");
        assert_eq!(interval(-HOUR, 3, -14), "-1 years -2 mons +3 days -01:00:00");
    }

    #[test]
    fn bytes_of_another_type_are_refused() {
        assert_eq!(network(&[2, 32, 0, 4, 127]), None);
        assert_eq!(super::array(&[0, 0, 0, 1], 25), None);
        assert_eq!(super::write(&[1, 2], super::oid::NUMERIC), None);
    }
}
