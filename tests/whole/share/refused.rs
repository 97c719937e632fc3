//! Who is not trusted, what nobody may share, and who does not want it: refused, told, not tried again.

use std::fs;

use lab::Lab;
use serde_json::Value;

use crate::story::wait_for;

use super::{AFAR, Provider, Tale, known_hosts};

#[test]
fn a_provider_with_another_host_key_is_refused_told_and_not_tried_again() {
    for algorithm in ["ed25519", "ecdsa"] {
        let mut tale = Tale::new();
        tale.share("one.lhr.example");
        let pinned = fs::read_to_string(known_hosts(&tale.story.daemon)).unwrap();
        tale.provider.down();
        tale.provider.new_key(algorithm);
        tale.provider.up();
        tale.story.wait_for_line("HOST KEY ALARM: tcp/8080 is not shared through tunnel: ");
        tale.wait_for_state("refused");
        let detail = tale.row()["detail"].as_str().unwrap().to_owned();
        assert!(
            detail.contains("the host key of [10.77.0.2]:2222 is not the one on record"),
            "{detail}"
        );
        let hint = tale.row()["hint"].as_str().unwrap().to_owned();
        assert!(hint.contains("take the line of [10.77.0.2]:2222 out of "), "{hint}");
        wait_for("the thread to end", || tale.threads() == 0);
        assert_eq!(tale.provider.log().matches("Accepted none").count(), 1, "nobody logged in");
        assert_eq!(fs::read_to_string(known_hosts(&tale.story.daemon)).unwrap(), pinned);

        // Whoever orders it again is told the same.
        let met = tale.provider.met();
        let complaint = tale.refused(&["share", "8080"]);
        assert!(complaint.starts_with("error: the host key of [10.77.0.2]:2222 "), "{complaint}");
        assert_eq!(tale.provider.met(), met + 1);
        fs::remove_file(known_hosts(&tale.story.daemon)).unwrap();
        assert_eq!(tale.story.json(&["share", "8080"])["url"], "https://one.lhr.example");
        let events = tale.story.json(&["events"]);
        let alarms = events.as_array().unwrap().iter().filter(|event| event["level"] == "error");
        assert_eq!(alarms.count(), 2, "{algorithm}");
    }
}

#[test]
fn a_known_provider_with_a_further_key_is_met_with_the_one_on_record() {
    let mut tale = Tale::new();
    tale.share("one.lhr.example");
    tale.provider.down();
    let second = tale.story.daemon.home().join("second");
    let second = second.to_str().unwrap();
    tale.story.lab.scanner().run(["ssh-keygen", "-q", "-t", "ecdsa", "-N", "", "-f", second]);
    tale.provider.settings(&format!("HostKey {second}"));
    tale.provider.up();
    tale.wait_for_url("https://one.lhr.example");
    assert!(tale.provider.is_reached(AFAR));
}

#[test]
fn known_hosts_that_cannot_be_read_trust_nobody() {
    let tale = Tale::new();
    let file = known_hosts(&tale.story.daemon);
    for (text, expected) in [
        ("nonsense\n", "line 1 of the known hosts in "),
        ("@cert-authority * ssh-ed25519 AAAA\n", "line 1 of the known hosts in "),
    ] {
        fs::write(&file, text).unwrap();
        let complaint = tale.refused(&["share", "8080"]);
        assert!(complaint.starts_with(&format!("error: {expected}")), "{complaint}");
        assert_eq!(fs::read_to_string(&file).unwrap(), text);
    }
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    let complaint = tale.refused(&["share", "8080"]);
    assert!(complaint.starts_with("error: cannot read the known hosts in "), "{complaint}");
    assert_eq!(tale.provider.met(), 0, "nobody was even asked");
}

#[test]
fn a_provider_that_does_not_forward_is_not_asked_again() {
    let lab = Lab::new();
    let mut provider = Provider::prepare(&lab);
    provider.settings("AllowTcpForwarding no");
    provider.up();
    let tale = Tale::at(lab, provider, "");
    let complaint = tale.refused(&["share", "8080"]);
    assert_eq!(complaint, "error: [10.77.0.2]:2222 does not forward port 8000");
    wait_for("the thread to end", || tale.threads() == 0);
    assert_eq!((tale.row()["state"].as_str(), tale.provider.met()), (Some("refused"), 1));
    tale.story.wait_for_line("is not shared through tunnel: [10.77.0.2]:2222 does not forward");
    tale.story.order(&["share", "stop", "8080"]);
    assert_eq!(tale.row(), Value::Null);
}

#[test]
fn a_provider_that_lets_nobody_in_is_told_and_one_that_knows_our_key_does() {
    let lab = Lab::new();
    let mut provider = Provider::prepare(&lab);
    provider.settings("PermitEmptyPasswords no\nPasswordAuthentication no");
    provider.up();
    let tale = Tale::at(lab, provider, "");
    let complaint = tale.refused(&["share", "8080"]);
    assert!(
        complaint.starts_with("error: [10.77.0.2]:2222 does not let `provider` in"),
        "{complaint}"
    );
    let (_, key) = complaint.split_once("let this host's key in there: ").unwrap();
    wait_for("the thread to end", || tale.threads() == 0);
    assert_eq!(tale.provider.met(), 1, "not tried again");
    tale.provider.let_in(key);
    assert_eq!(tale.share("abc.lhr.example")["url"], "https://abc.lhr.example");
    assert!(tale.provider.is_reached(AFAR));
}

#[test]
fn only_what_somebody_serves_and_the_rules_allow_is_shared() {
    let tale = Tale::with("[ports]\nnever = [\"tcp/3306\"]\n[[traps]]\nports = [\"23\"]\n");
    let _database = tale.story.lab.guarded().serve("127.0.0.1:3306".parse().unwrap());
    for (port, expected) in [
        ("3306", "error: tcp/3306 is in ports.never\nhint: take it out of ports.never and reload"),
        ("9999", "error: nothing listens on tcp/9999\nhint: start the service first"),
        ("23", "error: tcp/23 is this program's own\nhint: share the port of a service"),
    ] {
        assert_eq!(tale.refused(&["share", port]), expected);
        tale.story.wait_for_line(&format!("tcp/{port} is not shared for operator (uid 0): "));
    }
    let complaint = tale.refused(&["share", "stop", "8080"]);
    assert_eq!(complaint, "error: tcp/8080 is not shared\nhint: portguard share list");
    for (words, expected) in [
        (
            &["share", "8080", "--via", "nobody"][..],
            "`nobody` is no provider; known are localhost.run, tunnel, ",
        ),
        (&["share", "8080", "--via", "a@b:0"], "`a@b:0` is no login"),
        (&["share", "8080", "--for", "0"], "a share lasts longer than no time at all"),
        (&["share", "0"], "0 is not in 1..=65535"),
        (&["share"], "the following required arguments were not provided"),
    ] {
        let ran = tale.story.cli(words);
        assert_eq!(ran.code, 2, "{words:?}");
        assert!(ran.stderr.contains(expected), "{words:?}: {}", ran.stderr);
    }
    tale.share("abc.lhr.example");
    let complaint = tale.refused(&["share", "8080"]);
    assert_eq!(
        complaint,
        "error: tcp/8080 is shared through tunnel\nhint: portguard share stop 8080"
    );
    assert_eq!(tale.provider.met(), 1);
}
