//! A client's file of host keys: lines `HOST KEY`, of which there may be several hosts with commas.
//! Pure.

use super::{HostKey, HostKeyError};

/// Why a file says nothing of a host.
#[derive(Debug, thiserror::Error)]
pub enum HostsError {
    /// The host is not in it.
    #[error("no host key is known for {0}")]
    Unknown(String),
    /// Its line can not be read.
    #[error("line {0}")]
    Line(usize, #[source] HostKeyError),
}

/// Returns the key of a host, which is named as in the file; capital letters make no difference.
///
/// # Errors
/// When the file has no key of it that can be read.
pub fn key_in(text: &str, host: &str) -> Result<HostKey, HostsError> {
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.split('#').next().unwrap_or_default();
        let Some((hosts, key)) = line.trim().split_once(char::is_whitespace) else { continue };
        if hosts.split(',').any(|name| name.eq_ignore_ascii_case(host)) {
            return key.trim().parse().map_err(|error| HostsError::Line(number, error));
        }
    }
    Err(HostsError::Unknown(host.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::knock::HostSecret;

    #[test]
    fn the_key_of_a_host_is_found_by_any_of_its_names() {
        let [one, two] = [1, 2].map(|byte| HostSecret::from_bytes([byte; 32]).public());
        let text = format!("# mine\n\nhost.example,192.0.2.7  {one}  # office\n::1\t{two}\nlost\n");
        for (host, expected) in [("HOST.example", one), ("192.0.2.7", one), ("::1", two)] {
            assert_eq!(key_in(&text, host).unwrap(), expected, "{host}");
        }
        for host in ["example", "lost", "#", ""] {
            assert!(matches!(key_in(&text, host), Err(HostsError::Unknown(_))), "{host}");
        }
        assert!(matches!(key_in("a pgk1oops", "a"), Err(HostsError::Line(1, _))));
    }
}
