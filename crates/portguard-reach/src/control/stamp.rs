//! The serial and the time inside a control file: they tell a newer file from a replayed one.
//!
//! They stand in comments, so that the file stays one for readers that know nothing of them:
//! `# portguard-serial: 12` and `# portguard-time: 2026-11-28T19:00:00Z`.

use std::num::NonZeroU32;

use portguard_core::Timestamp;

/// Which of two files is newer: from 1 to 4,294,967,295. Seconds since 1970 fit until 2106.
pub type Serial = NonZeroU32;

const SERIAL: &str = "portguard-serial";
const TIME: &str = "portguard-time";

/// When a file was made, and where it stands in the row of all files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Larger in each newer file.
    pub serial: Serial,
    /// When it was signed.
    pub time: Timestamp,
}

/// Why the stamp of a file can not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StampError {
    /// A line is there twice.
    #[error("it has two lines `# {0}: ...`")]
    Twice(&'static str),
    /// A line is missing while the other is there.
    #[error("it has no line `# {0}: ...`")]
    Missing(&'static str),
    /// The serial is none.
    #[error("its serial is no number from 1 to 4294967295")]
    Serial,
    /// The time is none.
    #[error("its time is not written like 2026-11-28T19:00:00Z")]
    Time,
}

/// Returns the stamp of a file's text; `None` if it has none.
///
/// # Errors
/// When there is half of one, or something else in its place.
pub fn stamp_of(text: &[u8]) -> Result<Option<Stamp>, StampError> {
    let (mut serial, mut time) = (None, None);
    for line in lines(text) {
        let (place, name, value) = match value_of(line) {
            Some((Line::Serial, value)) => (&mut serial, SERIAL, value),
            Some((Line::Time, value)) => (&mut time, TIME, value),
            None => continue,
        };
        if place.replace(value).is_some() {
            return Err(StampError::Twice(name));
        }
    }
    match (serial, time) {
        (None, None) => Ok(None),
        (Some(_), None) => Err(StampError::Missing(TIME)),
        (None, Some(_)) => Err(StampError::Missing(SERIAL)),
        (Some(serial), Some(time)) => {
            let serial = serial.parse().map_err(|_| StampError::Serial)?;
            Ok(Some(Stamp { serial, time: moment(time).ok_or(StampError::Time)? }))
        }
    }
}

/// Returns the text with this stamp at its top, in place of the one that it had.
pub fn stamped(text: &[u8], stamp: Stamp) -> Vec<u8> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let head = format!("# {SERIAL}: {}\n# {TIME}: {}\n", stamp.serial, written(stamp.time));
    let mut bytes = head.into_bytes();
    // Only lines of the stamp itself are looked at as text; all others stay as they are.
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        if value_of(line).is_none() {
            bytes.extend_from_slice(line);
        }
    }
    if bytes.last() != Some(&b'\n') {
        bytes.push(b'\n');
    }
    bytes
}

enum Line {
    Serial,
    Time,
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text).split(|byte| *byte == b'\n')
}

fn value_of(line: &[u8]) -> Option<(Line, &str)> {
    let comment = str::from_utf8(line).ok()?.trim().strip_prefix('#')?;
    let (name, value) = comment.split_once(':')?;
    let line = match name.trim().to_ascii_lowercase().as_str() {
        SERIAL => Line::Serial,
        TIME => Line::Time,
        _ => return None,
    };
    Some((line, value.trim()))
}

fn moment(text: &str) -> Option<Timestamp> {
    let moment: jiff::Timestamp = text.parse().ok()?;
    u64::try_from(moment.as_millisecond()).ok().map(Timestamp::from_millis)
}

fn written(moment: Timestamp) -> String {
    let seconds = i64::try_from(moment.as_millis() / 1_000).unwrap_or(i64::MAX);
    jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::MAX).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: Stamp =
        Stamp { serial: Serial::new(12).unwrap(), time: Timestamp::from_secs(1_795_892_400) };

    #[test]
    fn a_stamp_comes_back_and_takes_the_place_of_an_older_one() {
        let text = stamped(b"\xef\xbb\xbf# ours\r\nopen ssh\r\n\0\xff", STAMP);
        let head = "# portguard-serial: 12\n# portguard-time: 2026-11-28T19:00:00Z\n";
        let expected = [head.as_bytes(), b"# ours\r\nopen ssh\r\n\0\xff\n"].concat();
        assert_eq!(text, expected);
        assert_eq!(stamp_of(&text), Ok(Some(STAMP)));
        let newer = Stamp { serial: Serial::new(13).unwrap(), ..STAMP };
        let again = stamped(&text, newer);
        assert_eq!((again.len(), stamp_of(&again)), (text.len(), Ok(Some(newer))));
    }

    #[test]
    fn half_a_stamp_is_none() {
        let time = "# portguard-time: 2026-11-28T19:00:00Z\n";
        for (text, expected) in [
            ("open ssh\n", Ok(None)),
            (
                "#Portguard-Serial:12\r\n#\tportguard-time : 2026-11-28T20:00:00+01:00\r\n",
                Ok(Some(STAMP)),
            ),
            ("# portguard-serial: 12\n", Err(StampError::Missing(TIME))),
            (time, Err(StampError::Missing(SERIAL))),
            (&format!("{time}{time}"), Err(StampError::Twice(TIME))),
            (&format!("{time}# portguard-serial: 0"), Err(StampError::Serial)),
            (&format!("{time}# portguard-serial: 4294967296"), Err(StampError::Serial)),
            (&format!("{time}# portguard-serial: -1"), Err(StampError::Serial)),
            ("# portguard-serial: 1\n# portguard-time: yesterday", Err(StampError::Time)),
            (
                "# portguard-serial: 1\n# portguard-time: 1960-01-01T00:00:00Z",
                Err(StampError::Time),
            ),
        ] {
            assert_eq!(stamp_of(text.as_bytes()), expected, "{text}");
        }
    }
}
