//! Host names that logs have in place of addresses.

use std::{
    collections::HashMap,
    net::{IpAddr, ToSocketAddrs as _},
    time::{Duration, Instant},
};

/// How long an answer counts, also that there is none.
const COUNTS_FOR: Duration = Duration::from_secs(300);

/// Most names that are remembered; when they are as many, all are forgotten.
const MOST_NAMES: usize = 1_000;

/// Most addresses of one name that count.
const MOST_ADDRESSES: usize = 8;

/// The longest name (RFC 1035 2.3.4).
const LONGEST: usize = 253;

/// Names that were looked up.
#[derive(Debug, Default)]
pub(crate) struct Names {
    known: HashMap<String, (Instant, Vec<IpAddr>)>,
}

impl Names {
    /// Returns the addresses of a name; waits for the system's resolver if need be.
    pub(crate) fn addresses(&mut self, name: &str) -> Vec<IpAddr> {
        if !is_host_name(name) {
            return Vec::new();
        }
        let now = Instant::now();
        if let Some((_, found)) =
            self.known.get(name).filter(|(at, _)| now.duration_since(*at) < COUNTS_FOR)
        {
            return found.clone();
        }
        let found = look_up(name);
        if self.known.len() >= MOST_NAMES {
            self.known.clear();
        }
        self.known.insert(name.to_owned(), (now, found.clone()));
        found
    }
}

fn look_up(name: &str) -> Vec<IpAddr> {
    // A name that can not be looked up has none.
    let found = (name, 0).to_socket_addrs().into_iter().flatten();
    let mut addresses: Vec<IpAddr> = found.map(|socket| socket.ip().to_canonical()).collect();
    addresses.sort_unstable();
    addresses.dedup();
    addresses.truncate(MOST_ADDRESSES);
    addresses
}

/// Returns whether a text can be the name of a host somewhere: letters, digits, `-`, `_`, and a dot.
fn is_host_name(text: &str) -> bool {
    let is_label = |label: &str| {
        let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        !label.is_empty() && label.len() <= 63 && label.bytes().all(is_part)
    };
    let has_dot = text.trim_end_matches('.').contains('.');
    text.len() <= LONGEST && has_dot && text.trim_end_matches('.').split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_name_is_not_asked_for() {
        for (text, is_one) in [
            ("host.example", true),
            ("a-b_c.example.", true),
            ("localhost", false),
            ("a..b", false),
            ("a b.c", false),
            ("x;rm.example", false),
            ("", false),
        ] {
            assert_eq!(is_host_name(text), is_one, "{text}");
        }
        assert!(!is_host_name(&"a.".repeat(200)));
    }

    #[test]
    fn answers_are_remembered_and_names_are_capped() {
        let mut names = Names::default();
        let address: IpAddr = "192.0.2.7".parse().unwrap();
        names.known.insert("host.example".into(), (Instant::now(), vec![address]));
        assert_eq!(names.addresses("host.example"), [address]);
        for number in 0..MOST_NAMES {
            names.known.insert(number.to_string(), (Instant::now(), Vec::new()));
        }
        names.addresses("nothing.invalid");
        assert_eq!(names.known.len(), 1);
    }
}
