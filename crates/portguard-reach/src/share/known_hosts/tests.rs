//! Known hosts: who is trusted, with which key, and what is never taken for a record.

use std::os::unix::fs::PermissionsExt as _;

use proptest::prelude::*;
use russh::keys::{PrivateKey, ssh_key::private::Ed25519Keypair};

use super::*;

const RSA: &str = concat!(
    "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQDmS7nwpdaxA4fYQ/eypHS7eURJ6H324BVh",
    "qdt5nF85tVM72jHroDKX7rEOle8slm74fB1r4ik3KSTIWn6LNMvijiZ+/RZk2JkU4QDIb7s7",
    "IerUNnYEM08q+awynKxJRPid/xkSja9AscAw0TBgdezPDGZTZUtTG0dBr8Omrgyqgw==",
);

fn key(seed: u8) -> PublicKey {
    PrivateKey::from(Ed25519Keypair::from_seed(&[seed; 32])).public_key().clone()
}

fn login(text: &str) -> Login {
    text.parse().unwrap()
}

/// A file of known hosts in a folder of its own.
fn file(text: &str) -> (tempfile::TempDir, KnownHosts) {
    let folder = tempfile::tempdir().unwrap();
    let known = KnownHosts::new(folder.path().join("deep/known_hosts"));
    if !text.is_empty() {
        fs::create_dir(folder.path().join("deep")).unwrap();
        fs::write(known.path(), text).unwrap();
    }
    (folder, known)
}

#[test]
fn who_is_met_first_is_trusted_and_from_then_on_only_with_that_key() {
    let (_folder, known) = file("");
    let host = login("a@example.net");
    assert_eq!(known.algorithms(&host).unwrap(), None);
    assert_eq!(known.meet(&host, &key(1)).unwrap(), Meeting::Learned);
    assert_eq!(known.meet(&host, &key(1)).unwrap(), Meeting::Known);
    assert_eq!(known.algorithms(&host).unwrap(), Some(vec![Algorithm::Ed25519]));
    let changed = Meeting::Changed(vec![fingerprint(&key(1))]);
    assert_eq!(known.meet(&host, &key(2)).unwrap(), changed);
    assert_eq!(known.meet(&host, &key(1)).unwrap(), Meeting::Known, "the record stays");
    assert_eq!(known.meet(&login("b@example.net:2222"), &key(2)).unwrap(), Meeting::Learned);
    let text = fs::read_to_string(known.path()).unwrap();
    let hosts: Vec<&str> = text.lines().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(hosts, ["example.net", "[example.net]:2222"]);
    let mode = fs::metadata(known.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_known_host_with_a_key_of_another_algorithm_is_not_a_new_one() {
    let (_folder, known) = file(&format!("example.net {RSA}\n"));
    let host = login("a@example.net");
    let algorithms = known.algorithms(&host).unwrap().unwrap();
    assert!(matches!(algorithms[..], [Algorithm::Rsa { .. }]));
    assert!(matches!(known.meet(&host, &key(1)).unwrap(), Meeting::Changed(_)));
    assert!(!fs::read_to_string(known.path()).unwrap().contains("ed25519"));
}

#[test]
fn what_is_not_understood_is_refused_and_named_by_its_line() {
    let good = key(1).to_openssh().unwrap();
    for (line, expected) in [
        ("example.net", "is not `host algorithm key`"),
        ("example.net ssh-ed25519", "is not `host algorithm key`"),
        ("example.net ssh-ed25519 AAAA", "has no public key of an algorithm that is known"),
        (
            "|1|c2FsdA==|aGFzaA== KEY",
            "has `|1|c2FsdA==|aGFzaA==`, which is no plain name of a host",
        ),
        ("@revoked example.net KEY", "has `@revoked`, which is no plain name of a host"),
        ("*.example.net KEY", "has `*.example.net`, which is no plain name of a host"),
        ("!example.net KEY", "has `!example.net`, which is no plain name of a host"),
        ("a,,b KEY", "has ``, which is no plain name of a host"),
    ] {
        let text = format!("# known\n\n{}\n", line.replace("KEY", &good));
        let (_folder, known) = file(&text);
        let error = known.meet(&login("new@elsewhere.example"), &key(2)).unwrap_err();
        let KnownHostsError::Record { line: 3, source: why, .. } = &error else {
            panic!("{line}: {error}")
        };
        assert_eq!(why.to_string(), expected, "{line}");
        assert_eq!(fs::read_to_string(known.path()).unwrap(), text, "nothing is learned");
    }
}

#[test]
fn a_file_that_cannot_be_read_or_written_trusts_nobody() {
    let host = login("a@example.net");
    let folder = tempfile::tempdir().unwrap();
    let is_a_folder = KnownHosts::new(folder.path());
    assert!(matches!(is_a_folder.meet(&host, &key(1)), Err(KnownHostsError::Read(..))));
    let (_folder, binary) = file("\u{0}");
    fs::write(binary.path(), [0xff, 0xfe]).unwrap();
    assert!(matches!(binary.meet(&host, &key(1)), Err(KnownHostsError::Read(..))));
    fs::write(binary.path(), "#".repeat(2 << 20)).unwrap();
    assert!(matches!(binary.meet(&host, &key(1)), Err(KnownHostsError::Large(_))));
    let nowhere = KnownHosts::new("/proc/self/portguard/known_hosts");
    assert!(matches!(nowhere.meet(&host, &key(1)), Err(KnownHostsError::Write(..))));
}

#[test]
fn lists_of_hosts_ports_comments_and_a_missing_last_line_end_are_read() {
    let line = key(1).to_openssh().unwrap();
    let (_folder, known) = file(&format!("Example.net,[192.0.2.1]:2222 {line} a comment"));
    assert_eq!(known.meet(&login("a@example.net"), &key(1)).unwrap(), Meeting::Known);
    assert_eq!(known.meet(&login("a@192.0.2.1:2222"), &key(1)).unwrap(), Meeting::Known);
    assert_eq!(known.meet(&login("a@192.0.2.1"), &key(3)).unwrap(), Meeting::Learned);
    assert_eq!(known.meet(&login("a@192.0.2.1"), &key(3)).unwrap(), Meeting::Known);
}

proptest! {
    /// Whatever stands in a line, reading it ends, and a record has a host.
    #[test]
    fn any_line_is_read_or_refused(line in "[^\n]{0,200}") {
        if let Ok(Some(record)) = Record::read(&line) {
            prop_assert!(!record.hosts.is_empty());
        }
    }

    /// A good line with anything changed never becomes another key for the same host unnoticed.
    #[test]
    fn a_damaged_line_is_no_other_key_of_the_host(at in 0usize..92, byte in 0x21u8..0x7f) {
        let line = format!("example.net {}", key(1).to_openssh().unwrap());
        let mut bytes = line.clone().into_bytes();
        let at = at.min(bytes.len() - 1);
        bytes[at] = byte;
        let damaged = String::from_utf8(bytes).unwrap();
        if let Ok(Some(record)) = Record::read(&damaged) {
            let is_same = record.key.key_data() == key(1).key_data();
            let differs = record.key.to_openssh().unwrap() != key(1).to_openssh().unwrap();
            prop_assert!(is_same || differs);
        }
    }
}
