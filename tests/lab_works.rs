//! The lab itself, before anything is tested in it.

use std::{
    fs,
    net::{IpAddr, SocketAddr},
    path::Path,
    time::{Duration, Instant},
};

use lab::{
    Answer, Daemon, Forgery, Kind, Lab,
    deadline::PATIENCE,
    eventually,
    wiring::{GUARDED_V4, GUARDED_V6, INNER_V4, INNER_V6},
};

/// How long an answer may take that has to come.
const LIMIT: Duration = Duration::from_secs(5);

/// How long silence has to last; on a virtual cable an answer takes microseconds.
const SILENCE: Duration = Duration::from_millis(300);

#[test]
fn a_lab_is_up_within_three_seconds() {
    let start = Instant::now();
    let lab = Lab::new();
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    drop(lab);
}

#[test]
fn the_hosts_reach_each_other_from_every_address() {
    let lab = Lab::new();
    for guarded in [GUARDED_V4, GUARDED_V6] {
        let server = SocketAddr::new(guarded, 7);
        let _echo = lab.guarded().serve(server);
        for from in addresses_of_the_scanner(guarded) {
            assert_eq!(lab.scanner().connect(Some(from), server, LIMIT), Answer::Open, "{from}");
            let answer = lab.scanner().send_datagram(Some(from), server, LIMIT);
            assert_eq!(answer, Answer::Open, "{from}");
        }
        let closed = SocketAddr::new(guarded, 8);
        assert_eq!(lab.scanner().connect(None, closed, LIMIT), Answer::Refused);
        assert_eq!(lab.scanner().send_datagram(None, closed, LIMIT), Answer::Refused);
    }
}

#[test]
fn a_dropped_packet_is_silence() {
    let lab = Lab::new();
    lab.guarded().nft(&wall("input", "th dport 7 drop"));
    let walled = SocketAddr::new(GUARDED_V4, 7);
    assert_eq!(lab.scanner().connect(None, walled, SILENCE), Answer::Silence);
    assert_eq!(lab.scanner().send_datagram(None, walled, SILENCE), Answer::Silence);
}

#[test]
fn a_conversation_lasts_as_long_as_the_cable_does() {
    let lab = Lab::new();
    let server = SocketAddr::new(GUARDED_V6, 7);
    let _echo = lab.guarded().serve(server);
    let mut talk = lab.scanner().talk(None, server);
    talk.say("hello");
    assert_eq!(talk.line(LIMIT).as_deref(), Some("hello"));
    lab.guarded().nft(&wall("input", "drop"));
    talk.say("anybody there?");
    assert_eq!(talk.line(SILENCE), None);
}

#[test]
fn forged_packets_are_taken_for_real_ones() {
    let lab = Lab::new();
    lab.guarded().nft(
        "table inet count {
           chain out {
             type filter hook output priority 0
             tcp flags & (syn | ack) == syn | ack counter comment \"handshakes\"
           }
         }",
    );
    for (guarded, victim) in [(GUARDED_V4, "198.51.100.1:999"), (GUARDED_V6, "[2001:db8::1]:999")] {
        let to = SocketAddr::new(guarded, 7);
        let _echo = lab.guarded().serve(to);
        let from = victim.parse().unwrap();
        lab.scanner().forge(&Forgery { kind: Kind::Syn, from, to, packets: 100, sources: 50 });
        lab.scanner().forge(&Forgery::single(Kind::Datagram, from, to));
    }
    eventually("an answer to each of 2 x 50 forged sources", PATIENCE, || {
        let listing = lab.guarded().run(["nft", "list", "chain", "inet", "count", "out"]);
        let counted = listing.split("packets ").nth(1)?.split(' ').next()?.parse::<u32>().ok()?;
        (counted >= 100).then_some(())
    });
}

#[test]
fn nmap_names_the_ports_it_found() {
    let lab = Lab::new();
    let _echo = lab.guarded().serve(SocketAddr::new(GUARDED_V4, 7));
    let found = lab.scanner().nmap(&["-sT", "-p", "7,8", "10.77.0.1"]);
    let found: Vec<_> = found.iter().map(|found| (found.port, found.state.as_str())).collect();
    assert_eq!(found, [(7, "open"), (8, "closed")]);
}

#[test]
fn an_inner_host_is_reached_through_the_guarded_one() {
    let lab = Lab::new();
    let inner = lab.join_inner();
    for address in [INNER_V4, INNER_V6] {
        let server = SocketAddr::new(address, 7);
        let _echo = inner.serve(server);
        assert_eq!(lab.scanner().connect(None, server, LIMIT), Answer::Open, "{address}");
    }
    lab.guarded().nft(&wall("forward", "drop"));
    let server = SocketAddr::new(INNER_V4, 7);
    assert_eq!(lab.scanner().connect(None, server, SILENCE), Answer::Silence);
}

#[test]
fn a_host_keeps_its_files_to_itself() {
    let lab = Lab::new();
    let hosts = tempfile::NamedTempFile::new().unwrap();
    fs::write(hosts.path(), "192.0.2.1 only.here\n").unwrap();
    lab.guarded().cover(Path::new("/etc/hosts"), hosts.path());
    lab.guarded().run(["touch", "/run/of-the-lab"]);
    assert_eq!(lab.guarded().run(["cat", "/etc/hosts"]), "192.0.2.1 only.here\n");
    assert!(!fs::read_to_string("/etc/hosts").unwrap().contains("only.here"));
    assert!(!Path::new("/run/of-the-lab").exists());
    assert!(!lab.scanner().attempt(["test", "-e", "/run/of-the-lab"]).status.success());
}

#[test]
fn a_daemon_lives_in_the_lab_alone() {
    let lab = Lab::new();
    let mut daemon = Daemon::start(lab.guarded(), "[allow]\naddresses = [\"192.0.2.1\"]\n");
    assert_eq!(daemon.status()["ready"], true);
    assert!(lab.guarded().run(["nft", "list", "tables"]).contains("portguard"));
    assert!(!lab.scanner().run(["nft", "list", "tables"]).contains("portguard"));
    assert!(daemon.home().join("state").is_dir(), "its state is the lab's");
    assert!(daemon.socket().exists(), "its socket is the lab's");

    let first = daemon.status()["pid"].clone();
    assert_eq!(first.as_u64(), daemon.pid().map(u64::from), "it is the process that is killed");
    daemon.restart();
    let second = daemon.status()["pid"].clone();
    assert_ne!(first, second);
    daemon.kill9();
    assert_eq!(daemon.pid(), None);
    assert_eq!(daemon.cli(&["status"]).status.code(), Some(3), "nobody answers");
    daemon.launch();
    daemon.wait_until_ready(PATIENCE);
    assert!(daemon.stop().success(), "{}", daemon.log());
}

#[test]
fn nothing_is_left_of_a_lab() {
    let lab = Lab::new();
    let running = lab.guarded().spawn(["sleep", "1000"]);
    let pids = [lab.guarded().pid(), lab.scanner().pid(), running.pid()];
    let namespace = fs::read_link(format!("/proc/{}/ns/net", pids[0])).unwrap();
    drop((running, lab));
    for pid in pids {
        assert!(!Path::new(&format!("/proc/{pid}")).exists(), "{pid} is still there");
    }
    let left = fs::read_dir("/proc").unwrap().flatten().find(|process| {
        fs::read_link(process.path().join("ns/net")).is_ok_and(|theirs| theirs == namespace)
    });
    assert!(left.is_none(), "{left:?} still runs on the guarded host");
}

fn addresses_of_the_scanner(family_of: IpAddr) -> Vec<IpAddr> {
    let addresses: &[&str] = match family_of {
        IpAddr::V4(_) => &["10.77.0.2", "10.77.0.9", "10.77.0.254"],
        IpAddr::V6(_) => &["fd77::2", "fd77::9", "fd77:1::2", "fd77:3::2"],
    };
    addresses.iter().map(|address| address.parse().expect("written above")).collect()
}

/// Returns `nft` commands that put one rule in the way.
fn wall(hook: &str, rule: &str) -> String {
    format!(
        "table inet wall {{
           chain {hook} {{
             type filter hook {hook} priority 0
             {rule}
           }}
         }}"
    )
}
