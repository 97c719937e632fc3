//! A kept connection to the control socket: requests one after the other, as a face would send them.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    os::unix::net::UnixStream,
    path::Path,
};

use serde_json::Value;

/// A kept connection.
pub(crate) struct Api {
    stream: BufReader<UnixStream>,
}

impl Api {
    /// Connects; `None` while nobody listens.
    pub(crate) fn connect(socket: &Path) -> Option<Self> {
        Some(Self { stream: BufReader::new(UnixStream::connect(socket).ok()?) })
    }

    /// Asks and returns the answer.
    pub(crate) fn get(&mut self, path: &str) -> Value {
        self.exchange("GET", path, "")
    }

    /// Orders and returns the answer.
    pub(crate) fn post(&mut self, path: &str, body: &Value) -> Value {
        self.exchange("POST", path, &body.to_string())
    }

    fn exchange(&mut self, method: &str, path: &str, body: &str) -> Value {
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: portguard\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\n\r\n{body}"
        );
        self.stream.get_mut().write_all(request.as_bytes()).expect("the daemon reads");
        let mut length = 0;
        let mut status = String::new();
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line).expect("the daemon answers");
            if status.is_empty() {
                status.clone_from(&line);
            }
            let line = line.trim_end().to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().expect("a length");
            }
            if line.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).expect("the daemon answers");
        let value = serde_json::from_slice(&body).expect("JSON");
        assert!(status.contains(" 200 "), "{status}: {value}");
        value
    }
}
