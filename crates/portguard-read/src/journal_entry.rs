//! An entry of the systemd journal, as `journalctl --output=json` writes it: one object a line.
//! Pure.

use serde_json::{Map, Value};

/// An entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalEntry {
    /// Its place in the journal.
    pub cursor: String,
    /// When it was written, in seconds since 1970.
    pub at: i64,
    /// As a line of a log has it: `host program[pid]: message`.
    pub line: Vec<u8>,
}

/// Reads an entry; `None` if it is none, or has no message.
pub fn read(text: &[u8]) -> Option<JournalEntry> {
    let object: Map<String, Value> = serde_json::from_slice(text).ok()?;
    let word = |name: &str| object.get(name).and_then(Value::as_str);
    let at = word("__REALTIME_TIMESTAMP")?.parse::<i64>().ok()? / 1_000_000;
    let program = word("SYSLOG_IDENTIFIER").or_else(|| word("_COMM")).unwrap_or("unknown");
    let pid = word("SYSLOG_PID").or_else(|| word("_PID"));
    let pid = pid.map(|pid| format!("[{pid}]")).unwrap_or_default();
    let host = word("_HOSTNAME").unwrap_or("localhost");
    let mut line = format!("{host} {program}{pid}: ").into_bytes();
    line.extend(message(object.get("MESSAGE")?)?);
    // One entry is one line, whatever a stranger makes a program write into it.
    line.iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')).for_each(|byte| *byte = b' ');
    Some(JournalEntry { cursor: word("__CURSOR")?.to_owned(), at, line })
}

/// Returns a message, which is a list of bytes where it is no text, and a list of these where there
/// are several.
fn message(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::String(text) => Some(text.clone().into_bytes()),
        Value::Array(bytes) if bytes.iter().all(Value::is_u64) => {
            let byte = |value: &Value| u8::try_from(value.as_u64()?).ok();
            bytes.iter().map(byte).collect()
        }
        Value::Array(messages) => message(messages.first()?),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<(&str, i64, &str)>) {
        let expected = expected.map(|(cursor, at, line)| JournalEntry {
            cursor: cursor.to_owned(),
            at,
            line: line.as_bytes().to_vec(),
        });
        assert_eq!(read(text.as_bytes()), expected, "{text}");
    }

    #[test]
    fn entries_become_lines() {
        check(
            r#"{"__CURSOR":"s=1;i=2","__REALTIME_TIMESTAMP":"1795168800123456","_HOSTNAME":"host","SYSLOG_IDENTIFIER":"sshd","_PID":"7","MESSAGE":"Invalid user"}"#,
            Some(("s=1;i=2", 1_795_168_800, "host sshd[7]: Invalid user")),
        );
        check(
            r#"{"__CURSOR":"c","__REALTIME_TIMESTAMP":"1000000","_COMM":"x","MESSAGE":[97,10,98]}"#,
            Some(("c", 1, "localhost x: a b")),
        );
        check(
            r#"{"__CURSOR":"c","__REALTIME_TIMESTAMP":"1000000","_COMM":"x","MESSAGE":["a","b"]}"#,
            Some(("c", 1, "localhost x: a")),
        );
    }

    #[test]
    fn what_is_no_entry_is_none() {
        for text in [
            "",
            "{}",
            "[]",
            "null",
            r#"{"__CURSOR":"c","__REALTIME_TIMESTAMP":"1","MESSAGE":null}"#,
        ] {
            check(text, None);
        }
    }
}
