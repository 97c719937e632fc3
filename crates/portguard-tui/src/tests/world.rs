//! A host as the daemon tells of it: with names for what is to be seen, or with any names at all.

use serde_json::{Value, json};

use crate::{
    ask::{Ask, List, Search},
    state::{State, Update},
};

/// The second at which the screens are looked at: 2026-11-21 14:02:11 UTC.
pub(super) const NOW: u64 = 1_795_269_731;

/// Names and numbers that the host's own words are made of.
#[derive(Clone, Debug)]
pub(super) struct Names<'a> {
    /// A process, a user, a reason, a line of a log.
    pub(super) word: &'a str,
    pub(super) subject: &'a str,
    pub(super) number: u64,
    pub(super) at: &'a str,
}

pub(super) const USUAL: Names =
    Names { word: "nginx", subject: "203.0.113.9", number: 7, at: "2026-11-21T14:01:58.120Z" };

/// Returns everything that a daemon may be asked, with its answers.
pub(super) fn told(names: &Names) -> Vec<(Ask, Value)> {
    let Names { word, subject, number, at } = *names;
    let port = format!("tcp/{}", number % 60_000);
    let mut told = lists(names);
    told.extend(watchers(names));
    told.push((Ask::Remote, control_file(names)));
    told.extend([
        (Ask::Status, status(names)),
        (Ask::Entries(None), json!(entries(names))),
        (
            Ask::Packets(None),
            json!({"items": packets(names), "record": {"taken": 9, "kept": 9,
            "overwritten": 0, "lost": 0, "unreadable": 0, "over_limit": 0}}),
        ),
        (
            Ask::Ports,
            json!([
                listener("tcp/22", "open", "in ports.always", "sshd", Some("ssh.service")),
                listener(
                    "tcp/443",
                    "open",
                    "approved: unit:nginx.service",
                    word,
                    Some("nginx.service")
                ),
                listener(&port, "pending", "nobody approved it", word, None),
                listener("tcp/5432", "local", "bound to loopback", "postgres", None),
            ]),
        ),
        (
            Ask::Doors,
            json!([{"act": "open", "port": port, "from": subject, "service": word,
            "since": at, "until": null, "seconds_left": 599, "author": "operator (uid 0)",
            "enforced": true}]),
        ),
        (
            Ask::Rulings,
            json!([{"what": format!("exe:/usr/sbin/{word} user:www-data"),
            "approved": true, "since": at, "author": "operator (uid 0)"}]),
        ),
        (
            Ask::Proposals,
            json!([{"id": number, "subject": subject, "measure": "throttle-hard",
            "ports": [], "for": 21_600, "rule": "anomaly port_scan", "severity": "high",
            "confidence": 95, "evidence": {"ports": "10", "within": "3s", word: word},
            "since": at, "until": at, "times": 1}]),
        ),
        (
            Ask::Connections,
            connections(names),
        ),
        (Ask::Why(subject.to_owned()), why(names)),
        (Ask::History, history(number)),
        (
            Ask::Top,
            json!({"sources": [{"name": subject, "count": number}],
                "ports_blocked": [{"name": "tcp/3389", "count": 40}, {"name": port, "count": number}],
                "ports_allowed": [{"name": "tcp/443", "count": 1_200}]}),
        ),
        (
            Ask::Lockdown,
            json!({"closed": false, "kept": [], "kept_more": 2, "confirm_within": 60,
            "unreachable": [listener(&port, "open", "posture", word, None)]}),
        ),
    ]);
    told
}

/// Returns an hour of ups and downs.
fn history(number: u64) -> Value {
    let step = |minute: u64| {
        json!({"at": NOW - 3_600 + minute * 60, "offences": minute * minute % 23,
            "bans": (minute + number % 60) % 7, "let_in": null, "turned_away": null})
    };
    json!({"step": 60, "steps": (0..60).map(step).collect::<Vec<_>>()})
}

/// Returns the traps, watches and scans.
fn watchers(names: &Names) -> Vec<(Ask, Value)> {
    let Names { word, subject, number, at } = *names;
    vec![
        (
            Ask::Traps,
            json!([
                {"port": "tcp/23", "address": "0.0.0.0", "set": true, "touched": number,
                    "last_peer": subject, "last_at": at},
                {"port": "tcp/3389", "address": "::", "set": false, "missing": word, "touched": 0,
                    "last_peer": null, "last_at": null},
            ]),
        ),
        (
            Ask::Watches,
            json!([{"name": "sshd", "rule": "sshd", "sources": ["/var/log/auth.log"],
            "howmany": 5, "within": 600, "health": "degraded", "detail": word, "lines": 90_210,
            "failures": number, "offences": 4, "failures_last_hour": 3, "last_line": word,
            "last_at": at}]),
        ),
        (
            Ask::Scans,
            json!([{"rule": "blocked", "type": "tcp", "howmany": 500, "within": 1_800,
            "set": "throttle-hard", "remove_after": 3_600, "found": number,
            "last_subject": subject}]),
        ),
    ]
}

/// Returns a control file, with a line that is left out.
fn control_file(names: &Names) -> Value {
    let Names { word, subject, number, at } = *names;
    let service = |name: &str, state: &str, author: Option<&str>, open_for: &[&str]| json!({"name": name, "state": state, "until": null, "author": author, "open_for": open_for});
    json!({"url": "https://config.example/ports.txt", "every": 60, "last_fetch": at,
        "last_good": at, "next_fetch": at, "signed_at": at, "more_left_out": number,
        "summary": {"state": "good", "last_error": null, "unsigned": false, "serial": 12,
            "signer": word, "left_out": 1},
        "services": [
            service("ssh", "open", Some("control file, serial 12"), &[]),
            service(word, "closed", None, &[subject]),
        ],
        "left_out": [{"line": 3, "order": format!("open {word}"),
            "why": format!("names `{word}`, which is not in remote.services")}]})
}

/// Returns how the knocks do.
fn knocks(names: &Names) -> Value {
    let Names { word, subject, number, at } = *names;
    let knock = |key: &str, service: &str, refused: Option<&str>| {
        json!({"at": at, "key": key, "service": service, "sender": subject, "address": subject,
            "refused": refused})
    };
    json!({"port": "udp/62201", "host_key": "pgk1x", "open_for": 30, "taken": 2, "lost": 0,
        "refused": {"foreign": number, "replayed": 1},
        "keys": [{"name": "anna", "services": ["ssh", word], "taken": 2},
            {"name": "bert", "services": [], "taken": 0}],
        "last": [knock("anna", "ssh", None), knock("bert", "", Some("it was here before"))]})
}

/// Returns a connection of this host, one through it, and one without ports.
fn connections(names: &Names) -> Value {
    let Names { word, subject, number, at } = *names;
    let served = json!({"direction": "in", "asked_by": "peer", "protocol": "tcp",
        "local": "10.0.0.1:443", "peer": format!("{subject}:50123"), "state": "established",
        "pid": 812, "process": word, "user": "www-data", "received": 20_480, "sent": number,
        "since": at, "seconds": 93});
    let forwarded = json!({"direction": "forwarded", "asked_by": "peer", "protocol": "udp",
        "local": "172.17.0.2:53", "outside": "10.0.0.1:5353", "peer": "172.17.0.1:40000",
        "real_peer": format!("{subject}:50124"), "state": "replied", "process": "", "user": "",
        "since": at, "seconds": 7});
    let ping = json!({"direction": "out", "asked_by": "local", "protocol": "icmp",
        "local": "10.0.0.1", "peer": subject, "state": "unreplied", "process": "", "user": "",
        "received": 0, "sent": 84, "since": at, "seconds": 1});
    json!({"more": 0, "items": [served, forwarded, ping], "tracking": {"counts_bytes": true,
        "keeps_times": false, "tracked": number, "most": 262_144}})
}

/// Returns who is held, and who misbehaved.
fn lists(names: &Names) -> Vec<(Ask, Value)> {
    let Names { subject, number, at, .. } = *names;
    let hold = |subject: &str, measure: &str, left: Value, nth: u64| {
        json!({"subject": subject, "measure": measure, "ports": [], "since": at,
            "until": null, "seconds_left": left, "nth_ban": nth, "author": "guard",
            "reason": "trap tcp/23", "enforced": true})
    };
    let bans = [
        hold(subject, "ban", json!(14_399), 2),
        hold("198.51.100.0/24", "ban", Value::Null, 0),
        hold("2001:db8:5::/64", "ban", json!(86_400), 1),
    ];
    let page =
        |items: &[Value]| json!({"items": items, "found": items.len(), "total": items.len()});
    let list = |list: List, items: &[Value]| (Ask::Holds(list, Search::default()), page(items));
    vec![
        list(List::Bans, &bans),
        list(List::ThrottledHard, &[hold("192.0.2.44", "throttle-hard", json!(3_600), 0)]),
        list(List::ThrottledSoft, &[hold("192.0.2.45", "throttle-soft", json!(60), 0)]),
        list(List::Allowed, &[hold("198.51.100.7", "allow", Value::Null, 0)]),
        list(List::Protected, &[hold("10.0.0.1", "protect", Value::Null, 0)]),
        (
            Ask::Offenders(Search::worst()),
            page(&[
                json!({"subject": subject, "offences": number, "bans": 2, "first": at, "last": at, "banned": true}),
                json!({"subject": "192.0.2.44", "offences": 3, "bans": 1, "first": at, "last": at, "banned": false}),
            ]),
        ),
    ]
}

/// Returns a state that was told all of it, four looks of a second each.
pub(super) fn state(names: &Names) -> State {
    let mut state = State::default();
    state.apply(Update::Height(24));
    state.apply(Update::Clock(NOW));
    for (look, more) in [0, 40, 55, 300].into_iter().enumerate() {
        let mut status = status(names);
        let counts = &mut status["turned_away"];
        counts["blocked_packets"] = json!(1_000 + more * 7);
        counts["allowed_connections"] = json!(500 + more);
        tell(&mut state, look as u64 * 1_000, &Ask::Status, &status);
    }
    for (ask, answer) in told(names) {
        if ask != Ask::Status {
            tell(&mut state, 4_000, &ask, &answer);
        }
    }
    state
}

/// Tells a state an answer.
pub(super) fn tell(state: &mut State, at: u64, ask: &Ask, answer: &Value) {
    let answer = serde_json::to_vec(answer).unwrap();
    state.apply(match ask.read(&answer) {
        Ok(news) => Update::Told(at, news),
        Err(why) => panic!("{ask:?}: {why:?}"),
    });
}

pub(super) fn status(names: &Names) -> Value {
    let Names { word, number, at, .. } = *names;
    json!({"ready": true, "version": "0.1.0", "pid": 4_711, "since": "2026-11-20T09:14:02.120Z",
        "posture": "closed", "pending": null, "listeners": 4, "listeners_pending": 1, "doors": 1,
        "observe": false, "paused_until": null,
        "enforcement": {"wanted": 12, "installed": 12, "pending": 0},
        "held": {"banned": 3, "banned_for_ports": 1, "allowed": 1, "throttled_soft": 1,
            "throttled_hard": 1, "protected": 1},
        "offenders": number,
        "turned_away": {"banned_packets": 512, "banned_bytes": 22_528, "throttled_packets": 9,
            "throttled_bytes": 540, "blocked_packets": 1_000, "blocked_bytes": 60_000,
            "allowed_connections": 500},
        "record": {"taken": 9, "kept": 9, "overwritten": 0, "lost": 0, "unreadable": 0,
            "over_limit": 0},
        "ledger": {"name": "ledger", "health": "good", "since": at},
        "sources": [
            {"name": "traps", "health": "good", "since": at},
            {"name": "watch sshd", "health": "degraded",
                "detail": format!("no line of {word} was understood for an hour"), "since": at},
        ],
        "knock": knocks(names),
        "traps_set": 1, "traps_missing": 1, "unwritten_offences": 0, "dropped_events": 0})
}

fn listener(port: &str, reach: &str, why: &str, process: &str, unit: Option<&str>) -> Value {
    json!({"port": port, "address": "0.0.0.0", "reach": reach, "rule": "follow", "why": why,
        "open_for": [], "service": null, "rate": null, "process": process, "pid": 812,
        "exe": format!("/usr/sbin/{process}"), "unit": unit, "user": "www-data",
        "container": null})
}

fn packets(names: &Names) -> Vec<Value> {
    let Names { word, subject, number, at } = *names;
    let packet = |more: u64, verdict: &str, rule: &str, port: u64| {
        json!({"number": number + more, "at": at, "verdict": verdict, "rule": rule,
            "matched": null, "interface": word, "protocol": "tcp", "source": subject,
            "source_port": 50_123, "destination": "10.0.0.1", "destination_port": port,
            "icmp": null, "flags": "SYN", "length": 60, "ttl": 57})
    };
    vec![
        packet(0, "allowed", "always", 22),
        packet(1, "blocked", "ban", 23),
        packet(2, "blocked", "closed", 3_389),
        packet(3, "blocked", "closed", 3_389),
    ]
}

fn entries(names: &Names) -> Vec<Value> {
    let Names { word, subject, number, at } = *names;
    vec![
        json!({"id": number, "at": at, "level": "info", "kind": "offence", "subject": subject,
            "text": "trap tcp/23", "evidence": [["grade", "handshake"], ["name", word]]}),
        json!({"id": number + 1, "at": at, "level": "info", "kind": "decision",
            "subject": subject, "measure": "ban", "until": "2026-11-21T18:01:58.120Z",
            "nth_ban": 2, "author": "guard", "text": "trap tcp/23"}),
        json!({"id": number + 2, "at": at, "level": "warning", "kind": "listener",
            "subject": null, "text": format!("tcp/8080 on 0.0.0.0 waits for approval: {word}")}),
    ]
}

fn why(names: &Names) -> Value {
    let subject = names.subject;
    json!({"subject": subject,
        "check": {"address": subject, "verdict": "banned", "elements": [{"list": "ban",
            "subject": subject, "seconds_left": 14_399, "packets": 512, "bytes": 22_528}]},
        "holds": [{"subject": subject, "measure": "ban", "ports": [], "since": names.at,
            "until": null, "seconds_left": 14_399, "nth_ban": 2, "author": "guard",
            "reason": names.word, "enforced": true}],
        "offender": {"subject": subject, "offences": 7, "bans": 2, "first": names.at,
            "last": names.at, "banned": true},
        "story": entries(names), "undo": [format!("portguard unban {subject}")]})
}
