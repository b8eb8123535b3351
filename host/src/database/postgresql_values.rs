//! Values to and from PostgreSQL. sqlx speaks its binary format only, and the server decides what type a parameter has:
//! common types are written here, for all others the server itself is asked to turn the text into its binary form.

use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArgumentBuffer, PgArguments, PgColumn, PgRow, PgTypeInfo, PgTypeKind, PgValueFormat};
use sqlx::{Arguments, Column, Encode, PgConnection, Postgres, Row, Type, TypeInfo, ValueRef};

use super::postgresql::failure;
use super::postgresql_text as text;
use super::{Error, Value};

/// Object identifiers of the types in the server's own catalogue, which never change.
pub(super) mod oid {
    pub(crate) const BOOL: u32 = 16;
    pub(crate) const BYTEA: u32 = 17;
    pub(crate) const CHAR: u32 = 18;
    pub(crate) const NAME: u32 = 19;
    pub(crate) const INT8: u32 = 20;
    pub(crate) const INT2: u32 = 21;
    pub(crate) const INT4: u32 = 23;
    pub(crate) const TEXT: u32 = 25;
    pub(crate) const OID: u32 = 26;
    pub(crate) const XID: u32 = 28;
    pub(crate) const JSON: u32 = 114;
    pub(crate) const XML: u32 = 142;
    pub(crate) const CIDR: u32 = 650;
    pub(crate) const FLOAT4: u32 = 700;
    pub(crate) const FLOAT8: u32 = 701;
    pub(crate) const UNKNOWN: u32 = 705;
    pub(crate) const INET: u32 = 869;
    pub(crate) const BPCHAR: u32 = 1042;
    pub(crate) const VARCHAR: u32 = 1043;
    pub(crate) const DATE: u32 = 1082;
    pub(crate) const TIME: u32 = 1083;
    pub(crate) const TIMESTAMP: u32 = 1114;
    pub(crate) const TIMESTAMPTZ: u32 = 1184;
    pub(crate) const INTERVAL: u32 = 1186;
    pub(crate) const TIMETZ: u32 = 1266;
    pub(crate) const NUMERIC: u32 = 1700;
    pub(crate) const VOID: u32 = 2278;
    pub(crate) const UUID: u32 = 2950;
    pub(crate) const JSONB: u32 = 3802;
}

/// Types whose binary form is their text.
const TEXTS: [u32; 8] = [oid::CHAR, oid::NAME, oid::TEXT, oid::JSON, oid::XML, oid::UNKNOWN, oid::BPCHAR, oid::VARCHAR];

/// A value in a type's binary form.
struct Raw {
    bytes: Option<Vec<u8>>,
    type_info: PgTypeInfo,
}

impl Type<Postgres> for Raw {
    fn type_info() -> PgTypeInfo {
        // Never sent: each value carries its own.
        <str as Type<Postgres>>::type_info()
    }
}

impl Encode<'_, Postgres> for Raw {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        Ok(match &self.bytes {
            Some(bytes) => {
                buffer.extend_from_slice(bytes);
                IsNull::No
            }
            None => IsNull::Yes,
        })
    }

    fn produces(&self) -> Option<PgTypeInfo> {
        Some(self.type_info.clone())
    }
}

/// The parameters in the types that the server found for them.
pub(super) async fn encode(
    connection: &mut PgConnection,
    types: &[PgTypeInfo],
    parameters: &[Value],
) -> Result<PgArguments, Error> {
    let mut arguments = PgArguments::default();
    for (index, (type_info, value)) in types.iter().zip(parameters).enumerate() {
        let number = type_info.oid().map_or(0, |oid| oid.0);
        let bytes = match (value, direct(value, number)) {
            (Value::Null, _) => None,
            (_, Some(bytes)) => Some(bytes),
            (value, None) => Some(by_server(connection, number, value, index + 1).await?),
        };
        arguments
            .add(Raw { bytes, type_info: type_info.clone() })
            .map_err(|error| Error::misuse(format!("parameter {} cannot be sent: {error}", index + 1)))?;
    }
    Ok(arguments)
}

/// The binary form where it is plain.
fn direct(value: &Value, number: u32) -> Option<Vec<u8>> {
    if TEXTS.contains(&number) {
        return written(value).map(String::into_bytes);
    }
    match (value, number) {
        (Value::Boolean(flag), oid::BOOL) => Some(vec![u8::from(*flag)]),
        (Value::Integer(number), oid::INT8) => Some(number.to_be_bytes().into()),
        (Value::Integer(number), oid::INT4) => Some(i32::try_from(*number).ok()?.to_be_bytes().into()),
        (Value::Integer(number), oid::INT2) => Some(i16::try_from(*number).ok()?.to_be_bytes().into()),
        (Value::Integer(number), oid::OID) => Some(u32::try_from(*number).ok()?.to_be_bytes().into()),
        (Value::Real(number), oid::FLOAT8) => Some(number.to_be_bytes().into()),
        (Value::Bytes(bytes), oid::BYTEA) => Some(bytes.clone()),
        (Value::Text(text), oid::BYTEA) => Some(text.clone().into_bytes()),
        (Value::Text(text), oid::JSONB) => Some([&[1], text.as_bytes()].concat()),
        _ => None,
    }
}

/// The value as text; none for bytes that are not.
fn written(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::Boolean(flag) => Some(flag.to_string()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Real(number) => Some(number.to_string()),
        Value::Text(text) => Some(text.clone()),
        Value::Bytes(bytes) => String::from_utf8(bytes.clone()).ok(),
    }
}

/// Has the server turn text into a type's binary form, as it would have done with a parameter in text form.
async fn by_server(
    connection: &mut PgConnection,
    number: u32,
    value: &Value,
    position: usize,
) -> Result<Vec<u8>, Error> {
    let words = written(value)
        .ok_or_else(|| Error::misuse(format!("parameter {position} is bytes, and not of a type that takes bytes")))?;
    let name = sqlx::query("select format_type($1, null)")
        .bind(sqlx::postgres::types::Oid(number))
        .fetch_one(&mut *connection)
        .await
        .and_then(|row| row.try_get::<String, _>(0))
        .map_err(|error| failure(error, ""))?;
    let row = sqlx::query(sqlx::AssertSqlSafe(format!("select cast($1::text as {name})")))
        .bind(words)
        .fetch_one(&mut *connection)
        .await
        .map_err(|error| failure(error, ""))?;
    let raw = row.try_get_raw(0).map_err(|error| failure(error, ""))?;
    Ok(raw.as_bytes().map(<[u8]>::to_vec).unwrap_or_default())
}

/// What a value of a type becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Scalar(u32),
    Array(u32),
}

/// How a type is read, if it is.
fn form(type_info: &PgTypeInfo) -> Option<Form> {
    match type_info.kind() {
        PgTypeKind::Enum(_) => Some(Form::Scalar(oid::TEXT)),
        PgTypeKind::Domain(base) => form(base),
        PgTypeKind::Array(element) => match form(element)? {
            Form::Scalar(number) => Some(Form::Array(number)),
            Form::Array(_) => None,
        },
        PgTypeKind::Simple | PgTypeKind::Pseudo => {
            let number = type_info.oid().map_or(0, |oid| oid.0);
            if type_info.name().eq_ignore_ascii_case("citext") {
                return Some(Form::Scalar(oid::TEXT));
            }
            text::is_readable(number).then_some(Form::Scalar(number))
        }
        _ => None,
    }
}

fn unsupported(column: &PgColumn) -> Error {
    Error::UnsupportedType { column: column.name().into(), type_name: column.type_info().name().to_lowercase() }
}

/// Whether a column can be read at all, before anything is run for it.
pub(super) fn supported(column: &PgColumn) -> Result<(), Error> {
    form(column.type_info()).map(|_| ()).ok_or_else(|| unsupported(column))
}

pub(super) fn decode_row(row: &PgRow) -> Result<Vec<Value>, Error> {
    let mut values = Vec::with_capacity(row.columns().len());
    for (index, column) in row.columns().iter().enumerate() {
        let raw = row.try_get_raw(index).map_err(|error| failure(error, ""))?;
        if raw.is_null() {
            values.push(Value::Null);
            continue;
        }
        let bytes = raw.as_bytes().unwrap_or_default();
        let value = match form(column.type_info()) {
            _ if raw.format() == PgValueFormat::Text => String::from_utf8(bytes.into()).ok().map(Value::Text),
            Some(Form::Scalar(number)) => scalar(number, bytes),
            Some(Form::Array(number)) => text::array(bytes, number).map(Value::Text),
            None => None,
        };
        values.push(value.ok_or_else(|| unsupported(column))?);
    }
    Ok(values)
}

fn scalar(number: u32, bytes: &[u8]) -> Option<Value> {
    Some(match number {
        oid::BOOL => Value::Boolean(bytes.first()? != &0),
        oid::INT2 => Value::Integer(i16::from_be_bytes(bytes.try_into().ok()?).into()),
        oid::INT4 => Value::Integer(i32::from_be_bytes(bytes.try_into().ok()?).into()),
        oid::INT8 => Value::Integer(i64::from_be_bytes(bytes.try_into().ok()?)),
        oid::OID | oid::XID => Value::Integer(u32::from_be_bytes(bytes.try_into().ok()?).into()),
        oid::FLOAT4 => Value::Real(f32::from_be_bytes(bytes.try_into().ok()?).into()),
        oid::FLOAT8 => Value::Real(f64::from_be_bytes(bytes.try_into().ok()?)),
        oid::BYTEA => Value::Bytes(bytes.into()),
        oid::VOID => Value::Null,
        _ => Value::Text(text::write(bytes, number)?),
    })
}

#[cfg(test)]
mod tests {
    use super::{Value, direct, oid};

    #[test]
    fn parameters_take_the_form_of_their_type() {
        assert_eq!(direct(&Value::Integer(7), oid::INT2), Some(vec![0, 7]));
        assert_eq!(direct(&Value::Integer(70_000), oid::INT2), None);
        assert_eq!(direct(&Value::Integer(7), oid::TEXT), Some(b"7".into()));
        assert_eq!(direct(&Value::Boolean(true), oid::BOOL), Some(vec![1]));
        assert_eq!(direct(&Value::Text("{}".into()), oid::JSONB), Some(b"\x01{}".into()));
        assert_eq!(direct(&Value::Text("2024-01-01".into()), oid::TIMESTAMPTZ), None);
        assert_eq!(direct(&Value::Bytes(vec![255]), oid::TEXT), None);
    }
}
