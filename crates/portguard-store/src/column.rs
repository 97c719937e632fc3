//! How the words of the domain stand in columns, and how they come back.
//!
//! Names are stored as text and numbers as integers, so that the file can be read with any SQLite
//! program. What does not read back as it would have been written is an error of that one row.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    num::NonZeroU32,
    ops::RangeInclusive,
};

use portguard_core::{
    Author, Level, List, Measure, Port, Protocol, Strength, Subject, Timestamp, Until,
};
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, Value, ValueRef};

/// A word of the domain on its way into or out of a column.
#[derive(Clone, Debug)]
pub(crate) struct Column<T>(pub(crate) T);

/// A subject as the bytes that stand in a column: family, first address, prefix length.
///
/// Bytewise order is the order of [`Subject`]: everything inside a network lies side by side.
#[derive(Clone, Copy)]
pub(crate) struct SubjectKey {
    bytes: [u8; Self::LONGEST],
    len: usize,
}

/// Pairs of name and value, in the order they are shown.
pub(crate) type Pairs = Vec<(String, String)>;

impl SubjectKey {
    const LONGEST: usize = 1 + 16 + 1;

    /// Returns the key of exactly this subject.
    pub(crate) fn exactly(subject: Subject) -> Self {
        Self::of(subject.first_address(), subject.prefix_len())
    }

    /// Returns the first and the last key that lie inside `subject`, its own included.
    pub(crate) fn within(subject: Subject) -> RangeInclusive<Self> {
        let last = Self::of(subject.last_address(), subject.family().bits());
        Self::exactly(subject)..=last
    }

    /// Returns the keys of all wider networks around `subject`, widest first.
    pub(crate) fn around(subject: Subject) -> impl Iterator<Item = Self> {
        (0..subject.prefix_len()).map(move |len| Self::exactly(subject.widened(len)))
    }

    /// Returns the key as an owned value to be bound.
    pub(crate) fn value(self) -> Value {
        Value::Blob(self.as_bytes().to_vec())
    }

    fn of(first: IpAddr, prefix_len: u8) -> Self {
        let mut bytes = [0; Self::LONGEST];
        let len = match first {
            IpAddr::V4(v4) => {
                bytes[0] = FAMILY_V4;
                bytes[1..5].copy_from_slice(&v4.octets());
                6
            }
            IpAddr::V6(v6) => {
                bytes[0] = FAMILY_V6;
                bytes[1..17].copy_from_slice(&v6.octets());
                18
            }
        };
        bytes[len - 1] = prefix_len;
        Self { bytes, len }
    }

    fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

const FAMILY_V4: u8 = 4;
const FAMILY_V6: u8 = 6;

/// Stands for "never ends by itself", so that `until <= now` needs no second question.
const FOREVER: i64 = i64::MAX;

impl ToSql for SubjectKey {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Blob(self.as_bytes())))
    }
}

impl FromSql for Column<Subject> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let (address, prefix_len): (IpAddr, u8) = match value.as_blob()? {
            &[FAMILY_V4, a, b, c, d, len] => (Ipv4Addr::new(a, b, c, d).into(), len),
            [FAMILY_V6, middle @ .., len] => {
                let octets = <[u8; 16]>::try_from(middle).map_err(|_| FromSqlError::InvalidType)?;
                (Ipv6Addr::from(octets).into(), *len)
            }
            _ => return Err(FromSqlError::InvalidType),
        };
        let subject = Subject::containing(address, prefix_len);
        let is_canonical = subject.first_address() == address && subject.prefix_len() == prefix_len;
        if is_canonical { Ok(Self(subject)) } else { Err(FromSqlError::InvalidType) }
    }
}

impl ToSql for Column<Timestamp> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Owned(Value::Integer(millis(self.0))))
    }
}

impl FromSql for Column<Timestamp> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let millis = value.as_i64()?;
        let millis = u64::try_from(millis).map_err(|_| FromSqlError::OutOfRange(millis))?;
        Ok(Self(Timestamp::from_millis(millis)))
    }
}

impl ToSql for Column<Until> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Owned(Value::Integer(self.0.moment().map_or(FOREVER, millis))))
    }
}

impl FromSql for Column<Until> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        if value.as_i64()? == FOREVER {
            return Ok(Self(Until::FOREVER));
        }
        Column::<Timestamp>::column_result(value).map(|moment| Self(Until::at(moment.0)))
    }
}

impl ToSql for Column<List> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from(self.0.name()))
    }
}

impl FromSql for Column<List> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        find(&List::OF_SOURCES, value, List::name).map(Self)
    }
}

impl ToSql for Column<Measure> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from(self.0.list().name()))
    }
}

impl FromSql for Column<Measure> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        find(&MEASURES, value, |measure| measure.list().name()).map(Self)
    }
}

const MEASURES: [Measure; 4] = [
    Measure::Allow,
    Measure::Throttle(Strength::Soft),
    Measure::Throttle(Strength::Hard),
    Measure::Ban,
];

impl ToSql for Column<Level> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from(level_name(self.0)))
    }
}

impl FromSql for Column<Level> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        find(&[Level::Info, Level::Warning, Level::Error], value, level_name).map(Self)
    }
}

fn level_name(level: Level) -> &'static str {
    match level {
        Level::Info => "info",
        Level::Warning => "warning",
        Level::Error => "error",
    }
}

impl ToSql for Column<Author> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self.0 {
            Author::Operator(uid) => ToSqlOutput::from(format!("{OPERATOR}{uid}")),
            Author::Web(user) => ToSqlOutput::from(format!("{WEB}{user}")),
            Author::Guard => ToSqlOutput::from("guard"),
            Author::Administrator => ToSqlOutput::from("administrator"),
            Author::Configuration => ToSqlOutput::from("configuration"),
            Author::Import => ToSqlOutput::from("import"),
            Author::Knock(key) => ToSqlOutput::from(format!("{KNOCK}{key}")),
            Author::ControlFile(serial) => {
                // No serial is 0.
                ToSqlOutput::from(format!("{CONTROL_FILE}{}", serial.map_or(0, NonZeroU32::get)))
            }
        })
    }
}

/// Precedes the operator's user id.
const OPERATOR: &str = "operator:";

/// Precedes the name of the web face's user.
const WEB: &str = "web:";

/// Precedes the serial of the control file.
const CONTROL_FILE: &str = "control-file:";

/// Precedes the name of a key that knocked.
const KNOCK: &str = "knock:";

impl FromSql for Column<Author> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let text = value.as_str()?;
        if let Some(uid) = text.strip_prefix(OPERATOR) {
            let uid = uid.parse().map_err(|_| FromSqlError::InvalidType)?;
            return Ok(Self(Author::Operator(uid)));
        }
        if let Some(user) = text.strip_prefix(WEB) {
            let user = user.parse().map_err(|_| FromSqlError::InvalidType)?;
            return Ok(Self(Author::Web(user)));
        }
        if let Some(serial) = text.strip_prefix(CONTROL_FILE) {
            let serial = serial.parse().map_err(|_| FromSqlError::InvalidType)?;
            return Ok(Self(Author::ControlFile(NonZeroU32::new(serial))));
        }
        if let Some(key) = text.strip_prefix(KNOCK) {
            let key = key.parse().map_err(|_| FromSqlError::InvalidType)?;
            return Ok(Self(Author::Knock(key)));
        }
        match text {
            "guard" => Ok(Self(Author::Guard)),
            "administrator" => Ok(Self(Author::Administrator)),
            "configuration" => Ok(Self(Author::Configuration)),
            "import" => Ok(Self(Author::Import)),
            _ => Err(FromSqlError::InvalidType),
        }
    }
}

/// Ports are three bytes each (protocol number, port), lowest first, so that equal sets are equal
/// bytes however they were listed.
impl ToSql for Column<&[Port]> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        if self.0.is_empty() {
            return Ok(ToSqlOutput::Borrowed(ValueRef::Blob(&[])));
        }
        let mut ports = self.0.to_vec();
        ports.sort_unstable();
        ports.dedup();
        let bytes = ports.iter().flat_map(|port| {
            let [high, low] = port.number.to_be_bytes();
            [port.protocol.number(), high, low]
        });
        Ok(ToSqlOutput::Owned(Value::Blob(bytes.collect())))
    }
}

impl FromSql for Column<Vec<Port>> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let bytes = value.as_blob()?;
        if !bytes.len().is_multiple_of(3) {
            return Err(FromSqlError::InvalidType);
        }
        let ports = bytes.chunks_exact(3).map(|chunk| {
            let protocol = [Protocol::Tcp, Protocol::Udp]
                .into_iter()
                .find(|protocol| protocol.number() == chunk[0])
                .ok_or(FromSqlError::InvalidType)?;
            Ok(Port { protocol, number: u16::from_be_bytes([chunk[1], chunk[2]]) })
        });
        ports.collect::<FromSqlResult<_>>().map(Self)
    }
}

/// Pairs are JSON (`[["user","root"],["tries","3"]]`), or nothing at all if there are none.
impl ToSql for Column<&Pairs> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        if self.0.is_empty() {
            return Ok(ToSqlOutput::Owned(Value::Null));
        }
        serde_json::to_string(self.0)
            .map(ToSqlOutput::from)
            .map_err(|why| rusqlite::Error::ToSqlConversionFailure(why.into()))
    }
}

impl FromSql for Column<Pairs> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        if value == ValueRef::Null {
            return Ok(Self(Pairs::new()));
        }
        serde_json::from_str(value.as_str()?)
            .map(Self)
            .map_err(|why| FromSqlError::Other(why.into()))
    }
}

/// Moments beyond what a column can hold (292 million years) become the last one it can.
fn millis(moment: Timestamp) -> i64 {
    i64::try_from(moment.as_millis()).unwrap_or(FOREVER - 1)
}

fn find<T: Copy>(
    all: &[T],
    value: ValueRef<'_>,
    name: impl Fn(T) -> &'static str,
) -> FromSqlResult<T> {
    let text = value.as_str()?;
    all.iter().copied().find(|one| name(*one) == text).ok_or(FromSqlError::InvalidType)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns what comes back for what was put in, as the database would hand it over.
    fn there_and_back<B: FromSql>(value: &impl ToSql) -> Result<B, FromSqlError> {
        let output = value.to_sql().unwrap();
        match &output {
            ToSqlOutput::Borrowed(borrowed) => B::column_result(*borrowed),
            ToSqlOutput::Owned(owned) => B::column_result(ValueRef::from(owned)),
            _ => unreachable!("columns hold plain values"),
        }
    }

    #[test]
    fn subjects_come_back_and_keep_their_order_as_bytes() {
        let mut subjects: Vec<Subject> = [
            "0.0.0.0/0",
            "10.0.0.0/8",
            "10.0.0.0",
            "192.0.2.0/24",
            "192.0.2.0/25",
            "192.0.2.128",
            "255.255.255.255",
            "::/0",
            "2001:db8::/32",
            "2001:db8::",
            "2001:db8::/64",
            "ffff::1",
        ]
        .map(|text| text.parse().unwrap())
        .to_vec();
        subjects.sort();
        let keys: Vec<SubjectKey> = subjects.iter().map(|one| SubjectKey::exactly(*one)).collect();
        assert!(keys.is_sorted_by(|a, b| a.as_bytes() < b.as_bytes()));
        for (subject, key) in subjects.iter().zip(&keys) {
            assert_eq!(there_and_back::<Column<Subject>>(key).unwrap().0, *subject);
        }
    }

    #[test]
    fn bytes_that_no_subject_has_are_refused() {
        let mapped = Ipv6Addr::from_bits(0xffff_c000_0207).octets();
        let mut mapped_key = vec![FAMILY_V6];
        mapped_key.extend(mapped);
        mapped_key.push(128);
        for bytes in [
            &[][..],
            &[FAMILY_V4],
            &[FAMILY_V4, 192, 0, 2, 7, 33],
            &[FAMILY_V4, 192, 0, 2, 7, 24],
            &[5, 192, 0, 2, 7, 32],
            &[FAMILY_V6, 0, 0, 128],
            &mapped_key,
        ] {
            assert!(Column::<Subject>::column_result(ValueRef::Blob(bytes)).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn forever_stays_forever_and_no_moment_becomes_it() {
        let back = |until| there_and_back::<Column<Until>>(&Column(until)).unwrap().0;
        assert_eq!(back(Until::FOREVER), Until::FOREVER);
        let moment = Until::at(Timestamp::from_millis(1_700_000_000_123));
        assert_eq!(back(moment), moment);
        let far = Until::at(Timestamp::from_millis(u64::MAX - 1));
        assert!(back(far).moment().is_some());
    }

    #[test]
    fn the_order_in_which_ports_are_listed_makes_no_difference() {
        let ports = |texts: &[&str]| -> Vec<Port> {
            texts.iter().map(|text| text.parse().unwrap()).collect()
        };
        let back = |listed: &[&str]| {
            there_and_back::<Column<Vec<Port>>>(&Column(ports(listed).as_slice())).unwrap().0
        };
        assert_eq!(
            back(&["udp/53", "tcp/443", "tcp/22", "tcp/22"]),
            ports(&["tcp/22", "tcp/443", "udp/53"])
        );
        assert_eq!(back(&[]), ports(&[]));
    }

    #[test]
    fn names_that_nobody_wrote_are_refused() {
        let text = ValueRef::Text(b"nobody");
        assert!(Column::<List>::column_result(text).is_err());
        assert!(Column::<Measure>::column_result(text).is_err());
        assert!(Column::<Level>::column_result(text).is_err());
        assert!(Column::<Author>::column_result(text).is_err());
        assert!(Column::<Author>::column_result(ValueRef::Text(b"operator:-1")).is_err());
        assert!(Column::<Author>::column_result(ValueRef::Text(b"web:")).is_err());
        assert!(Column::<Author>::column_result(ValueRef::Text(b"knock:")).is_err());
        assert!(Column::<Pairs>::column_result(text).is_err());
    }
}
