//! Who may knock: a line of `knock.keys`, as in OpenSSH's `authorized_keys`. Pure.

use std::str::FromStr;

use ed25519_dalek::VerifyingKey;

use crate::key::{PublicKey, PublicKeyError};

/// Longest name of a key, in bytes.
const LONGEST_NAME: usize = 64;

/// The one option that a key may have.
const SERVICES: &str = "services";

/// A key that knocks are signed with, its name, and what it may open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Knocker {
    /// The comment behind the key; the fingerprint if there is none.
    pub name: String,
    /// The Ed25519 public key (RFC 8032).
    pub key: [u8; 32],
    /// What it may open; `None`: what `knock.services` says.
    pub services: Option<Vec<String>>,
}

/// Why a line is no key that may knock.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KnockerError {
    /// The options in front of the key can not be read.
    #[error(
        "has options that can not be read; write `{SERVICES}=\"ssh,vpn\" ssh-ed25519 AAAA... name`"
    )]
    Options,
    /// An option is unknown.
    #[error("has the unknown option `{0}`; known is `{SERVICES}`")]
    Unknown(String),
    /// The key is none.
    #[error(transparent)]
    Key(#[from] PublicKeyError),
    /// The key is of another kind.
    #[error("is no Ed25519 key; make one with `portguard key new`, or `ssh-keygen -t ed25519`")]
    Kind,
    /// Nobody can sign for the key, or anybody can.
    #[error("is a key that nobody can have the secret of")]
    Weak,
    /// The comment can not be shown.
    #[error("has a comment that is no name: at most {LONGEST_NAME} bytes, no control characters")]
    Name,
}

impl FromStr for Knocker {
    type Err = KnockerError;

    /// Reads `[services="ssh,vpn" ]ssh-ed25519 AAAA... [name]`.
    fn from_str(line: &str) -> Result<Self, KnockerError> {
        let line = line.trim();
        let (services, rest) = options(line)?;
        let key = PublicKey::read(rest)?;
        let bytes = key.ed25519().ok_or(KnockerError::Kind)?;
        let point = VerifyingKey::from_bytes(&bytes).map_err(|_| KnockerError::Weak)?;
        if point.is_weak() {
            return Err(KnockerError::Weak);
        }
        let name = key.to_string().trim().to_owned();
        let is_name = (1..=LONGEST_NAME).contains(&name.len()) && !name.contains(char::is_control);
        if is_name { Ok(Self { name, key: bytes, services }) } else { Err(KnockerError::Name) }
    }
}

/// Returns the services that the options name, and what follows the options.
fn options(line: &str) -> Result<(Option<Vec<String>>, &str), KnockerError> {
    let mut services = None;
    let mut rest = line;
    while let Some((name, value, behind)) = option(rest)? {
        if !name.eq_ignore_ascii_case(SERVICES) {
            return Err(KnockerError::Unknown(name.to_owned()));
        }
        let names = value.split(',').map(|name| name.trim().to_owned());
        let names: Vec<String> = names.filter(|name| !name.is_empty()).collect();
        if names.is_empty() || services.replace(names).is_some() {
            return Err(KnockerError::Options);
        }
        rest = behind;
    }
    Ok((services, rest))
}

/// Returns the first option: name, value and what follows; `None` if the line begins with a key.
fn option(line: &str) -> Result<Option<(&str, &str, &str)>, KnockerError> {
    let end = line.find([' ', '\t', '=', '"', ',']).unwrap_or(line.len());
    let (name, rest) = line.split_at(end);
    if !rest.starts_with(['=', '"', ',']) {
        return Ok(None);
    }
    let unquoted = || {
        if rest.starts_with('=') {
            KnockerError::Options
        } else {
            KnockerError::Unknown(name.into())
        }
    };
    let quoted = rest.strip_prefix("=\"").ok_or_else(unquoted)?;
    let (value, behind) = quoted.split_once('"').ok_or(KnockerError::Options)?;
    let behind = match behind.strip_prefix(',') {
        Some(next) => next,
        None if behind.starts_with([' ', '\t']) => behind.trim_start(),
        None => return Err(KnockerError::Options),
    };
    Ok(Some((name, value, behind)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIO1JKMYo0cLG6ukDOJBZlWEpWSc6XGP5NjbBRhSshzfR";

    #[test]
    fn a_key_is_read_with_its_name_and_what_it_may_open() {
        let names = |names: &[&str]| Some(names.iter().map(ToString::to_string).collect());
        for (line, name, services) in [
            (format!("{KEY} anna"), "anna", None),
            (format!("  {KEY}  Anna of the office "), "Anna of the office", None),
            (format!("services=\"ssh\" {KEY} anna"), "anna", names(&["ssh"])),
            (format!("Services=\"ssh, my vpn\"\t{KEY} b"), "b", names(&["ssh", "my vpn"])),
        ] {
            let knocker: Knocker = line.parse().unwrap_or_else(|error| panic!("{line} {error}"));
            assert_eq!((knocker.name.as_str(), knocker.services), (name, services), "{line}");
        }
        let bare: Knocker = KEY.parse().unwrap();
        assert!(bare.name.starts_with("SHA256:"), "{}", bare.name);
    }

    #[test]
    fn what_is_no_key_that_may_knock_is_refused() {
        let of_order_1 =
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        let no_point =
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAOhB7/zzhC+HXDdGOdLwJln5OYwsaUNXx3chmQSVTG4";
        let minisign = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";
        for (line, expected) in [
            (String::new(), KnockerError::Key(PublicKeyError::Form)),
            (of_order_1.to_owned(), KnockerError::Weak),
            (no_point.to_owned(), KnockerError::Weak),
            (minisign.to_owned(), KnockerError::Kind),
            (format!("no-pty {KEY}"), KnockerError::Key(PublicKeyError::Form)),
            (format!("no-pty,services=\"ssh\" {KEY}"), KnockerError::Unknown("no-pty".into())),
            (format!("command=\"x\" {KEY}"), KnockerError::Unknown("command".into())),
            (format!("services=ssh {KEY}"), KnockerError::Options),
            (format!("services=\"\" {KEY}"), KnockerError::Options),
            (format!("services=\"ssh {KEY}"), KnockerError::Options),
            (format!("services=\"ssh\"{KEY}"), KnockerError::Options),
            (format!("services=\"a\",services=\"b\" {KEY}"), KnockerError::Options),
            (format!("{KEY} {}", "x".repeat(65)), KnockerError::Name),
            (format!("{KEY} a\u{1b}[2J"), KnockerError::Name),
        ] {
            assert_eq!(line.parse::<Knocker>(), Err(expected), "{line}");
        }
    }
}
