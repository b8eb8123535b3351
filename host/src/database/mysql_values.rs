//! Values from MySQL and MariaDB. They have no truth values: `BOOLEAN` is a number there and stays one.

use sqlx::mysql::{MySqlColumn, MySqlRow};
use sqlx::{Column, Decode, MySql, Row, Type, TypeInfo};

use super::{Error, Value};

/// In which form values come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    /// As the server writes them, from a statement that was sent as text.
    Text,
    /// In their binary form, from a prepared statement.
    Binary,
}

pub(super) fn decode_row(row: &MySqlRow, protocol: Protocol) -> Result<Vec<Value>, Error> {
    let mut values = Vec::with_capacity(row.columns().len());
    for (index, column) in row.columns().iter().enumerate() {
        let unsupported = || Error::UnsupportedType {
            column: column.name().into(),
            type_name: column.type_info().name().to_lowercase(),
        };
        let raw = row.try_get_raw(index).map_err(|_| unsupported())?;
        // The only way to the bytes. Its one error is NULL; `is_null` would say so of the date `0000-00-00` as well.
        let value = match <&[u8] as Decode<MySql>>::decode(raw) {
            Err(_) => Value::Null,
            Ok(bytes) => decode(column, bytes, protocol).ok_or_else(unsupported)?,
        };
        values.push(value);
    }
    Ok(values)
}

fn decode(column: &MySqlColumn, bytes: &[u8], protocol: Protocol) -> Option<Value> {
    let type_info = column.type_info();
    let unsigned = <u64 as Type<MySql>>::compatible(type_info);
    // Text is whatever has a character set.
    let is_text = <str as Type<MySql>>::compatible(type_info);
    let name = type_info.name();
    match name {
        "GEOMETRY" => None,
        "BIT" => bits(bytes),
        "FLOAT" | "DOUBLE" if protocol == Protocol::Text => Some(Value::Real(ascii(bytes)?.parse().ok()?)),
        "FLOAT" => Some(Value::Real(f32::from_le_bytes(bytes.try_into().ok()?).into())),
        "DOUBLE" => Some(Value::Real(f64::from_le_bytes(bytes.try_into().ok()?))),
        "DECIMAL" | "JSON" | "NULL" => Some(Value::Text(ascii(bytes)?)),
        "DATE" | "DATETIME" | "TIMESTAMP" | "TIME" if protocol == Protocol::Text => Some(Value::Text(ascii(bytes)?)),
        "DATE" | "DATETIME" | "TIMESTAMP" => moment(bytes, name == "DATE").map(Value::Text),
        "TIME" => time(bytes).map(Value::Text),
        _ if is_integer(name) && protocol == Protocol::Text => {
            let text = ascii(bytes)?;
            Some(text.parse().map_or(Value::Text(text), Value::Integer))
        }
        _ if is_integer(name) => integer(bytes, unsigned),
        _ if is_text => Some(
            std::str::from_utf8(bytes).map_or_else(|_| Value::Bytes(bytes.into()), |text| Value::Text(text.into())),
        ),
        _ => Some(Value::Bytes(bytes.into())),
    }
}

fn is_integer(name: &str) -> bool {
    name == "BOOLEAN" || name == "YEAR" || name.trim_end_matches(" UNSIGNED").ends_with("INT")
}

fn ascii(bytes: &[u8]) -> Option<String> {
    String::from_utf8(bytes.into()).ok()
}

/// A number of one to eight bytes, the last first.
fn integer(bytes: &[u8], unsigned: bool) -> Option<Value> {
    let negative = !unsigned && bytes.last()? & 0x80 != 0;
    let mut whole = [if negative { 0xff } else { 0 }; 8];
    whole.get_mut(..bytes.len())?.copy_from_slice(bytes);
    let number = u64::from_le_bytes(whole);
    Some(match i64::try_from(number) {
        Err(_) if unsigned => Value::Text(number.to_string()),
        _ => Value::Integer(number.cast_signed()),
    })
}

/// Bits, the first first.
fn bits(bytes: &[u8]) -> Option<Value> {
    let mut reversed = bytes.to_vec();
    reversed.reverse();
    integer(&reversed, true)
}

/// A length, then year, month, day, then hour, minute, second, then microseconds; what is zero at the end is left out.
fn moment(bytes: &[u8], date_only: bool) -> Option<String> {
    let (length, bytes) = bytes.split_first()?;
    let bytes = bytes.get(..usize::from(*length))?;
    let byte = |index: usize| bytes.get(index).copied().unwrap_or(0);
    let date = format!("{:04}-{:02}-{:02}", u16::from_le_bytes([byte(0), byte(1)]), byte(2), byte(3));
    if date_only {
        return Some(date);
    }
    let fraction = fraction([byte(7), byte(8), byte(9), byte(10)]);
    Some(format!("{date} {:02}:{:02}:{:02}{fraction}", byte(4), byte(5), byte(6)))
}

/// A length, then the sign, days, hours, minutes, seconds, then microseconds.
fn time(bytes: &[u8]) -> Option<String> {
    let (length, bytes) = bytes.split_first()?;
    let bytes = bytes.get(..usize::from(*length))?;
    let byte = |index: usize| bytes.get(index).copied().unwrap_or(0);
    let sign = if byte(0) == 0 { "" } else { "-" };
    let days = u32::from_le_bytes([byte(1), byte(2), byte(3), byte(4)]);
    let hours = u64::from(days) * 24 + u64::from(byte(5));
    let fraction = fraction([byte(8), byte(9), byte(10), byte(11)]);
    Some(format!("{sign}{hours:02}:{:02}:{:02}{fraction}", byte(6), byte(7)))
}

/// The column's precision does not come along, so that a fraction is written in full or not at all.
fn fraction(bytes: [u8; 4]) -> String {
    match u32::from_le_bytes(bytes) {
        0 => String::new(),
        microseconds => format!(".{microseconds:06}"),
    }
}

#[cfg(test)]
mod tests {
    use super::{Value, bits, integer, is_integer, moment, time};

    #[test]
    fn integers_of_every_width() {
        assert_eq!(integer(&[0xff], false), Some(Value::Integer(-1)));
        assert_eq!(integer(&[0xff], true), Some(Value::Integer(255)));
        assert_eq!(integer(&[0x00, 0x80], false), Some(Value::Integer(-32_768)));
        assert_eq!(integer(&[0xff; 8], true), Some(Value::Text("18446744073709551615".into())));
        assert_eq!(integer(&[0xff; 8], false), Some(Value::Integer(-1)));
        assert_eq!(integer(&[0; 9], true), None);
        assert_eq!(bits(&[1, 2]), Some(Value::Integer(258)));
        assert!(is_integer("MEDIUMINT UNSIGNED") && is_integer("BOOLEAN") && !is_integer("VARCHAR"));
    }

    #[test]
    fn times_leave_out_what_is_zero() {
        assert_eq!(moment(&[0], false).as_deref(), Some("0000-00-00 00:00:00"));
        assert_eq!(moment(&[4, 0xe8, 0x07, 2, 29], true).as_deref(), Some("2024-02-29"));
        assert_eq!(
            moment(&[11, 0xe8, 0x07, 2, 29, 1, 2, 3, 0x40, 0x0d, 3, 0], false).as_deref(),
            Some("2024-02-29 01:02:03.200000")
        );
        assert_eq!(time(&[8, 1, 1, 0, 0, 0, 2, 3, 4]).as_deref(), Some("-26:03:04"));
        assert_eq!(moment(&[7, 1], false), None);
    }
}
