//! Taps: what crosses an interface is judged as a capture of it is, whether the firewall sees it or
//! not.

use std::{collections::BTreeSet, net::SocketAddr, path::PathBuf};

use lab::{
    Host, Lab,
    deadline::PATIENCE,
    eventually,
    forgery::{Forgery, Kind},
    running::Running,
    wiring::{BRIDGED_V4, GUARDED_V4},
};
use serde_json::Value;

use crate::{
    anomalies::suspicions,
    story::{Story, wait_for},
};

const CLOSED: &str = "[guard]\nposture = 'closed'\n";
const AUTO: &str = "[anomaly]\nrespond = 'auto'\n";

/// Half-open scan of forty ports.
const SCAN: [&str; 4] = ["-sS", "-T4", "-p", "1-40"];

fn tapping(interface: &str) -> String {
    format!("[packets]\ninterfaces = ['{interface}']\n")
}

/// Starts a daemon that taps the bridge between two hosts.
fn bridged(configuration: &str) -> (Story, Host, Host) {
    let lab = Lab::new();
    let (left, right) = lab.join_bridged();
    let story = Story::in_lab(lab, &[configuration, &tapping("bridge")].concat());
    wait_for_health(&story, "bridge", "good");
    (story, left, right)
}

/// Returns how a tap does, with the detail; nothing if there is none.
fn health(story: &Story, interface: &str) -> Option<(String, String)> {
    let status = story.json(&["status"]);
    let name = format!("tap {interface}");
    let found = status["sources"].as_array().unwrap().iter().find(|one| one["name"] == *name)?;
    let word = |key: &str| found[key].as_str().unwrap_or_default().to_owned();
    Some((word("health"), word("detail")))
}

/// Waits until a tap does so, and returns the detail.
fn wait_for_health(story: &Story, interface: &str, wanted: &str) -> String {
    eventually(&format!("the tap of {interface} is {wanted}"), PATIENCE, || {
        health(story, interface).filter(|(health, _)| health == wanted).map(|(_, detail)| detail)
    })
}

/// Returns a count of a tap.
fn count(story: &Story, interface: &str, name: &str) -> u64 {
    let status = story.json(&["status"]);
    let mut taps = status["taps"].as_array().unwrap().iter();
    let found = taps.find(|one| one["interface"] == interface);
    found.and_then(|one| one[name].as_u64()).unwrap_or_default()
}

fn evidence(suspicion: &Value, name: &str) -> Option<String> {
    let pairs = suspicion["evidence"].as_array()?;
    let found = pairs.iter().find(|pair| pair[0] == name)?;
    found[1].as_str().map(str::to_owned)
}

/// Waits until a source is suspected, and returns the first suspicion.
fn wait_for_suspect(story: &Story, source: &str) -> Value {
    eventually(&format!("{source} is suspected"), PATIENCE, || {
        suspicions(story).into_iter().find(|one| one["subject"] == source)
    })
}

/// A capture that is being written.
struct Capture {
    running: Running,
    file: PathBuf,
}

impl Capture {
    fn of(story: &Story, interface: &str) -> Self {
        let file = story.daemon.home().join("tapped.pcap");
        let line = format!("exec tcpdump -Z root -n -U -i {interface} -w {} 2>&1", file.display());
        let running = story.lab.guarded().spawn(["sh", "-c", &line]);
        let said = running.line(PATIENCE).unwrap_or_default();
        assert!(said.contains("listening on"), "{said}");
        Self { running, file }
    }

    /// Ends it and replays it; returns the suspicions up to its last packet.
    fn replay(mut self, story: &Story) -> Vec<Value> {
        story.lab.guarded().run(["kill", "-INT", &self.running.pid().to_string()]);
        wait_for("the capture to end", || !self.running.is_alive());
        let path = self.file.to_string_lossy();
        let read = story.lab.guarded().run(["tcpdump", "-n", "-tt", "-r", &path]);
        let last = read.lines().last().and_then(|line| line.split(' ').next()).unwrap().to_owned();
        let ran = story.cli(&["--json", "replay", &path]);
        let objects = ran.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let is_before = |one: &Value| {
            let at = one["at"].as_str().unwrap();
            let at = story.lab.guarded().run(["date", "-d", at, "+%s.%N"]);
            one["kind"] == "suspicion" && at.trim() <= last.as_str()
        };
        objects.filter(is_before).collect()
    }
}

/// What a suspicion says: of whom, by which detector, with which evidence.
type Said = (String, String, BTreeSet<(String, String)>);

fn said(subject: &Value, rule: &Value, pairs: impl Iterator<Item = (String, String)>) -> Said {
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (word(subject), word(rule), pairs.filter(|(name, _)| name != "interface").collect())
}

fn said_live(one: &Value) -> Said {
    let pairs = one["evidence"].as_array().unwrap().iter();
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    said(&one["subject"], &one["text"], pairs.map(|pair| (word(&pair[0]), word(&pair[1]))))
}

fn said_in_replay(one: &Value) -> Said {
    let pairs = one["evidence"].as_object().unwrap().iter();
    let pairs =
        pairs.map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned()));
    said(&one["subject"], &one["rule"], pairs)
}

#[test]
fn a_scan_across_a_bridge_is_found_though_the_firewall_sees_nothing_of_it() {
    let (story, left, _right) = bridged(CLOSED);
    left.nmap(&[&SCAN[..], &["10.79.0.3"]].concat());
    left.nmap(&[&["-6"], &SCAN[..], &["fd79::3"]].concat());
    for source in ["10.79.0.2", "fd79::2"] {
        let found = wait_for_suspect(&story, source);
        assert_eq!(found["text"], "anomaly port_scan", "{found}");
        assert_eq!(evidence(&found, "interface").as_deref(), Some("bridge"), "{found}");
        let ports: usize = evidence(&found, "ports").unwrap().parse().unwrap();
        assert!(ports < 30, "{found}");
    }
    let log = story.json(&["log"]);
    let is_theirs =
        |one: &Value| one["source"].as_str().is_some_and(|source| source.contains("79"));
    assert!(!log["items"].as_array().unwrap().iter().any(is_theirs), "{log}");
    let text = story.cli(&["status"]).stdout;
    assert!(text.contains("packet tap     bridge: "), "{text}");
}

#[test]
fn a_capture_of_the_same_packets_says_the_same() {
    let (story, left, right) = bridged("");
    let capture = Capture::of(&story, "bridge");
    let _server = right.serve((BRIDGED_V4, 8080).into());
    let mut client = left.talk(None, (BRIDGED_V4, 8080).into());
    client.say("hello");
    assert_eq!(client.line(PATIENCE).as_deref(), Some("hello"));
    for options in ["-sS -p 1-40", "-sN -p 1-12", "-sX -p 41-52", "-sU -p 1-30 --max-retries 0"] {
        let words: Vec<&str> = options.split(' ').collect();
        left.nmap(&[&["-T4"], &words[..], &["10.79.0.3"]].concat());
    }
    left.nmap(&[&["-6"], &SCAN[..], &["fd79::3"]].concat());
    // It says that nothing came back.
    left.attempt("hping3 -q --icmp -i u2000 -c 400 10.79.0.3".split(' '));
    right.attempt("hping3 -q -S -p 80 -i u1000 -c 1500 10.79.0.2".split(' '));
    // The last packets of all: both have everything before them.
    left.nmap(&["-sS", "-p", "60000", "10.79.0.3"]);
    let replayed: BTreeSet<Said> = capture.replay(&story).iter().map(said_in_replay).collect();
    let rules: BTreeSet<&str> = replayed.iter().map(|(_, rule, _)| rule.as_str()).collect();
    for rule in ["port_scan", "stealth_scan", "icmp_flood", "syn_flood"] {
        assert!(rules.contains(format!("anomaly {rule}").as_str()), "{rules:?}");
    }
    let live = || suspicions(&story).iter().map(said_live).collect::<BTreeSet<Said>>();
    wait_for("the last of them", || live().len() >= replayed.len());
    assert_eq!(live(), replayed);
    assert_eq!(count(&story, "bridge", "lost"), 0);
}

#[test]
fn a_missing_interface_degrades_its_tap_only_and_is_taken_up_when_it_appears() {
    let story = Story::new(&[CLOSED, &tapping("inside")].concat());
    let detail = wait_for_health(&story, "inside", "degraded");
    assert!(
        detail.contains("no interface has this name") && detail.contains("ip link"),
        "{detail}"
    );
    let status = story.json(&["status"]);
    for source in status["sources"].as_array().unwrap() {
        let is_good = source["health"] == "good" || source["name"] == "tap inside";
        assert!(is_good, "{source}");
    }
    let inner = story.lab.join_inner();
    wait_for_health(&story, "inside", "good");
    inner.nmap(&[&SCAN[..], &["10.78.0.1"]].concat());
    let found = wait_for_suspect(&story, "10.78.0.2");
    assert_eq!(evidence(&found, "interface").as_deref(), Some("inside"), "{found}");
}

#[test]
fn an_interface_that_goes_down_or_away_comes_back() {
    let story = Story::new(&[CLOSED, &tapping("inside")].concat());
    let inner = story.lab.join_inner();
    wait_for_health(&story, "inside", "good");
    let set = |commands: &str| story.lab.guarded().configure_network(commands);
    let is_seen = |what: &str| {
        let before = count(&story, "inside", "taken");
        wait_for(what, || {
            // Nobody has to answer.
            inner.attempt(["ping", "-c", "1", "-W", "1", "10.78.0.1"]);
            count(&story, "inside", "taken") > before
        });
    };
    is_seen("packets at first");

    set("link set inside down\n");
    let detail = wait_for_health(&story, "inside", "degraded");
    assert!(detail.contains("is down"), "{detail}");
    set("link set inside up\n");
    wait_for_health(&story, "inside", "good");
    is_seen("packets after it was down");

    set("link set inside down\nlink set inside name elsewhere\n");
    wait_for("it to be gone", || {
        health(&story, "inside").is_some_and(|(_, detail)| detail.contains("no interface"))
    });
    set("link set elsewhere name inside\nlink set inside up\n");
    wait_for_health(&story, "inside", "good");
    is_seen("packets after it had another name");

    set("link delete inside\n");
    wait_for("it to be deleted", || {
        health(&story, "inside").is_some_and(|(_, detail)| detail.contains("no interface"))
    });
    let far = inner.pid();
    set(&format!("link add inside type veth peer name cable netns {far}\n"));
    set("address add 10.78.0.1/24 dev inside\nlink set inside up\n");
    inner.configure_network("address add 10.78.0.2/24 dev cable\nlink set cable up\n");
    wait_for_health(&story, "inside", "good");
    is_seen("packets of another interface with the same name");
    inner.nmap(&[&SCAN[..], &["10.78.0.1"]].concat());
    wait_for_suspect(&story, "10.78.0.2");
}

#[test]
fn packets_that_the_firewall_sees_too_are_counted_once() {
    let story = Story::new(&[CLOSED, &tapping("cable")].concat());
    wait_for_health(&story, "cable", "good");
    story.lab.scanner().nmap(&["-sS", "-T4", "-p", "1-40", "--max-retries", "0", "10.77.0.1"]);
    let found = wait_for_suspect(&story, "10.77.0.2");
    assert_eq!(evidence(&found, "interface").as_deref(), Some("cable"), "{found}");
    // The firewall's own detectors would have told of it long before.
    let proposals = story.json(&["list", "proposals"]);
    let times: Vec<u64> =
        proposals.as_array().unwrap().iter().filter_map(|one| one["times"].as_u64()).collect();
    assert!(times.iter().all(|times| *times == 1), "{proposals}");
    assert!(suspicions(&story).iter().all(|one| evidence(one, "interface").is_some()));
    // The record of decisions has all of them.
    let log = story.json(&["log", "--source", "10.77.0.2"]);
    let ports = log["items"].as_array().unwrap().iter();
    let ports: BTreeSet<u64> = ports
        .filter_map(|one| one["destination_port"].as_u64())
        .filter(|port| *port <= 40)
        .collect();
    assert_eq!(ports.len(), 40, "{log}");
}

#[test]
fn a_reload_taps_other_interfaces_or_none() {
    let story = Story::new(CLOSED);
    let threads = || {
        let pid = story.daemon.pid().unwrap();
        let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten();
        let names = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
        names.filter(|name| name.trim() == "tap").count()
    };
    assert_eq!((threads(), story.json(&["status"])["taps"].clone()), (0, Value::Array(Vec::new())));
    story.daemon.configure(&[CLOSED, "[packets]\ninterfaces = ['cable', 'lo']\n"].concat());
    story.daemon.reload();
    wait_for_health(&story, "cable", "good");
    wait_for_health(&story, "lo", "good");
    assert_eq!(threads(), 2);
    story.daemon.configure(&[CLOSED, &tapping("lo")].concat());
    story.daemon.reload();
    wait_for("the tap to be gone", || health(&story, "cable").is_none());
    assert_eq!((threads(), health(&story, "lo").unwrap().0.as_str()), (1, "good"));
    story.lab.scanner().nmap(&[&SCAN[..], &["10.77.0.1"]].concat());
    // The firewall's packets are looked at again.
    let found = wait_for_suspect(&story, "10.77.0.2");
    assert_eq!(evidence(&found, "interface"), None, "{found}");
    story.daemon.configure(&[CLOSED, &tapping("lo"), "[anomaly]\nrespond = 'off'\n"].concat());
    story.daemon.reload();
    wait_for("all of them to be gone", || threads() == 0);
}

#[test]
fn a_handshake_that_is_seen_bans() {
    let (story, left, right) = bridged(AUTO);
    let _server = right.serve((BRIDGED_V4, 8080).into());
    // Of a source that was seen once, no more than that is remembered.
    let clients = [0, 1].map(|_| left.talk(None, (BRIDGED_V4, 8080).into()));
    left.nmap(&[&SCAN[..], &["10.79.0.3"]].concat());
    story.wait_for_verdict("10.79.0.2", "banned");
    drop(clients);
    // Over IPv6 nobody completed one.
    left.nmap(&[&["-6"], &SCAN[..], &["fd79::3"]].concat());
    story.wait_for_verdict("fd79::2", "throttled");
}

/// Sends TCP packets of somebody else from the scanner to the guarded host's cable.
fn forge(story: &Story, from: &str, to: &str, content: &str) {
    let address = story.guarded("ip -o link show cable | sed 's/.*link.ether \\([^ ]*\\).*/\\1/'");
    let line = [
        "mausezahn",
        "cable",
        "-q",
        "-b",
        address.trim(),
        "-A",
        from,
        "-B",
        to,
        "-t",
        "tcp",
        content,
    ];
    story.lab.scanner().run(line);
}

#[test]
fn nobody_proves_a_handshake_in_somebody_elses_name() {
    let story = Story::new(&[CLOSED, AUTO, &tapping("cable")].concat());
    wait_for_health(&story, "cable", "good");
    let (victim, host) = ("192.0.2.7", "10.77.0.1");
    // Of a source that was seen once, no more than that is remembered.
    forge(&story, victim, host, "sp=4000,dp=1-5,flags=syn,s=5");
    forge(&story, victim, host, "sp=4000,dp=8080,flags=syn,s=5");
    // Not the host sends it, but whoever forges.
    forge(&story, host, victim, "sp=8080,dp=4000,flags=syn|ack,s=900,a=6");
    forge(&story, victim, host, "sp=4000,dp=8080,flags=ack,s=6,a=901");
    forge(&story, victim, host, "sp=4000,dp=1-40,flags=syn,s=5");
    let found = wait_for_suspect(&story, victim);
    assert_eq!(evidence(&found, "interface").as_deref(), Some("cable"), "{found}");
    story.wait_for_verdict(victim, "throttled");
}

#[test]
fn tagged_packets_are_read() {
    let story = Story::new(&[CLOSED, &tapping("cable")].concat());
    wait_for_health(&story, "cable", "good");
    let line = "mausezahn cable -q -Q 7 -b bc -A 192.0.2.9 -B 10.77.0.1 -t tcp dp=1-40,flags=syn";
    story.lab.scanner().run(line.split(' '));
    let line =
        "mausezahn cable -q -Q 7,8 -b bc -A 192.0.2.10 -B 10.77.0.1 -t tcp dp=1-40,flags=syn";
    story.lab.scanner().run(line.split(' '));
    for source in ["192.0.2.9", "192.0.2.10"] {
        let found = wait_for_suspect(&story, source);
        assert_eq!(evidence(&found, "interface").as_deref(), Some("cable"), "{found}");
    }
}

#[test]
fn each_packet_over_loopback_is_taken_once() {
    let story = Story::new(&[CLOSED, &tapping("lo")].concat());
    wait_for_health(&story, "lo", "good");
    let before = count(&story, "lo", "taken");
    story.lab.guarded().run(["ping", "-q", "-c", "5", "-i", "0.01", "127.0.0.1"]);
    // Five questions and five answers.
    wait_for("ten packets", || count(&story, "lo", "taken") >= before + 10);
    assert_eq!(count(&story, "lo", "taken"), before + 10);
}

#[test]
fn packets_that_come_too_fast_are_counted() {
    let story = Story::new(&[CLOSED, &tapping("cable")].concat());
    wait_for_health(&story, "cable", "good");
    let before = count(&story, "cable", "taken");
    // While it is held up, the ring fills.
    story.signal("STOP");
    let (from, to) = ("192.0.2.1:4000".parse().unwrap(), (GUARDED_V4, 81).into());
    let packets = 30_000;
    let one = Forgery::single(Kind::Syn, from, to);
    story.lab.scanner().forge(&Forgery { packets, ..one });
    story.signal("CONT");
    let detail = wait_for_health(&story, "cable", "degraded");
    assert!(detail.ends_with("packets were lost so far"), "{detail}");
    wait_for("all of them to be accounted for", || {
        let (taken, lost) = (count(&story, "cable", "taken"), count(&story, "cable", "lost"));
        lost > 0 && taken - before > 1_000 && taken - before + lost >= u64::from(packets)
    });
    let text = story.cli(&["status"]).stdout;
    assert!(text.contains("packet tap     cable: ") && !text.contains(" 0 lost\n"), "{text}");
}

#[test]
fn tunnels_without_a_link_header_are_read() {
    let story =
        Story::new(&[CLOSED, "[ports]\nalways = ['udp/5000']\n", &tapping("tunnel")].concat());
    let (near, far): (SocketAddr, &str) = ((GUARDED_V4, 5000).into(), "10.77.0.2");
    let ends = [
        (story.lab.guarded(), format!("UDP4-DATAGRAM:{far}:5000,bind={near}"), "10.80.0.1/24"),
        (story.lab.scanner(), format!("UDP4-DATAGRAM:{near},bind={far}:5000"), "10.80.0.2/24"),
    ];
    let _ends: Vec<Running> = ends
        .into_iter()
        .map(|(host, link, address)| {
            let tunnel = format!("TUN:{address},up,iff-no-pi,tun-name=tunnel");
            host.spawn(["socat", &link, &tunnel])
        })
        .collect();
    wait_for_health(&story, "tunnel", "good");
    wait_for("the other end", || {
        story.lab.scanner().attempt(["ip", "link", "show", "tunnel"]).status.success()
    });
    story.lab.scanner().nmap(&[&SCAN[..], &["10.80.0.1"]].concat());
    let found = wait_for_suspect(&story, "10.80.0.2");
    assert_eq!(evidence(&found, "interface").as_deref(), Some("tunnel"), "{found}");
    assert!(count(&story, "tunnel", "taken") >= 40);
}
