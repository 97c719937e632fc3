//! The text of frames, group of rules by group of rules.

use portguard_core::{Follow, RateUnit, Service};

use super::*;

fn spec() -> FrameSpec {
    let rates = |count| {
        let rate = |per| Rate { count, per };
        Rates { tcp: rate(RateUnit::Hour), udp: rate(RateUnit::Minute), icmp: rate(RateUnit::Day) }
    };
    FrameSpec {
        input_priority: -10,
        forward: true,
        throttle_soft: rates(100),
        throttle_hard: rates(10),
        traps: Vec::new(),
        log_group: 7,
        ports: Arc::default(),
        features: Features::default(),
        unit_levels: BTreeSet::new(),
        icmp: Icmp::Essential,
        log: Log {
            blocked: Some(8),
            allowed: Some(9),
            limit: Rate { count: 2000, per: RateUnit::Second },
        },
        knock: None,
        networks: BTreeSet::new(),
    }
}

fn trap(family: Family, evidence: TrapEvidence) -> TrapRule {
    TrapRule {
        family,
        protocol: Protocol::Tcp,
        address: None,
        ports: [23, 83].into(),
        evidence,
        hold: Duration::from_secs(90),
        prefix_len: if family == Family::V4 { 32 } else { 64 },
        tarpit: false,
    }
}

/// Checks that the frame has these lines, in this order.
fn check(spec: &FrameSpec, expected: &[&str]) {
    let text = spec.text("guard", &Inventory::default(), &[]);
    let mut lines = text.lines().map(str::trim);
    for line in expected {
        assert!(lines.any(|found| found == *line), "missing or misplaced: {line}\nin:\n{text}");
    }
}

#[test]
fn sets_are_declared_with_time_counter_and_cap() {
    check(
        &spec(),
        &[
            "table inet guard {}",
            "flush table inet guard",
            "set protect4 { type ipv4_addr; flags dynamic,timeout; size 131072; counter; }",
            "set ban4 { type ipv4_addr; flags dynamic,timeout; size 2097152; counter; }",
            "set banport4 { type ipv4_addr . inet_proto . inet_service; flags dynamic,timeout; size 131072; counter; }",
            "set ban6_64 { type ipv6_addr; flags dynamic,timeout; size 2097152; counter; }",
            "set ban6 { type ipv6_addr; flags dynamic,timeout; size 2097152; counter; }",
            "set throttle_hard6_64 { type ipv6_addr; flags dynamic,timeout; size 131072; counter; }",
            r#"set rate_hard_tcp4 { type ipv4_addr; flags dynamic,timeout; size 131072; timeout 2160s; comment "10/hour"; }"#,
            r#"set rate_soft_udp6 { type ipv6_addr; flags dynamic,timeout; size 131072; timeout 60s; comment "100/minute"; }"#,
        ],
    );
}

#[test]
fn early_packets_of_banned_sources_are_judged_protect_allow_tarpit_ban() {
    let mut spec = spec();
    spec.networks.insert(ListSet::from_name("ban4_24").unwrap());
    spec.networks.insert(ListSet::from_name("banport6_48").unwrap());
    spec.traps.push(TrapRule { tarpit: true, ..trap(Family::V4, TrapEvidence::Handshake) });
    check(
        &spec,
        &[
            "chain spared {",
            r#"icmpv6 type { nd-router-solicit, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert } ip6 hoplimit 255 accept comment "neighbour discovery""#,
            r#"ip saddr @protect4 accept comment "protect""#,
            r#"ip6 saddr @allow6 accept comment "allow""#,
            r#"fib daddr type local tcp dport { 23, 83 } meta nfproto ipv4 tcp flags & syn == 0 accept comment "tarpit""#,
            "chain out_ban_ban4 {",
            r#"jump spared comment "ban""#,
            r#"counter name "banned" comment "ban""#,
            r#"drop comment "ban""#,
            "type filter hook prerouting priority -310; policy accept;",
            r#"ip saddr & 255.255.255.0 @ban4_24 goto out_ban_ban4_24 comment "ban""#,
            r#"ip saddr @ban4 goto out_ban_ban4 comment "ban""#,
            r#"ip saddr . meta l4proto . th dport @banport4 goto out_ban_banport4 comment "ban""#,
            r#"ip6 saddr & ffff:ffff:ffff:: . meta l4proto . th dport @banport6_48 goto out_ban_banport6__ comment "ban""#,
            r#"ip6 saddr & ffff:ffff:ffff:ffff:: @ban6_64 goto out_ban_ban6_64 comment "ban""#,
        ],
    );
}

#[test]
fn forwarded_traffic_is_left_alone_on_demand() {
    check(
        &FrameSpec { forward: false, ..spec() },
        &["chain early {", "type filter hook input priority -310; policy accept;"],
    );
}

#[test]
fn traps_come_before_what_is_established() {
    let mut spec = spec();
    spec.traps.push(trap(Family::V4, TrapEvidence::Handshake));
    spec.traps.push(TrapRule { ports: [25].into(), ..trap(Family::V6, TrapEvidence::Handshake) });
    check(
        &spec,
        &[
            "chain traps {",
            r#"ip saddr @protect4 return comment "protect""#,
            r#"ip saddr @allow4 return comment "allow""#,
            "type filter hook input priority -10; policy accept;",
            r#"iif "lo" accept comment "loopback""#,
            r#"tcp dport { 23, 25, 83 } jump traps comment "traps""#,
            r#"ct state established,related accept comment "established""#,
            r#"ip saddr @allow4 goto in_allow_allow4 comment "allow""#,
            r#"icmp type { destination-unreachable, time-exceeded, parameter-problem } accept comment "icmp essentials""#,
            r#"jump throttles comment "throttles""#,
        ],
    );
}

#[test]
fn a_completed_handshake_bans_in_the_width_of_the_trap() {
    let mut spec = spec();
    spec.traps.push(trap(Family::V4, TrapEvidence::Handshake));
    spec.traps.push(TrapRule {
        address: Some("2001:db8::1".parse().unwrap()),
        ..trap(Family::V6, TrapEvidence::Handshake)
    });
    let of_v6 = "tcp dport { 23, 83 } ip6 daddr 2001:db8::1 \
                 ct direction original ct state established ct status assured";
    check(
        &spec,
        &[
            "chain traps {",
            r#"ip saddr @protect4 return comment "protect""#,
            r#"tcp dport { 23, 83 } meta nfproto ipv4 ct direction original ct state established ct status assured add @ban4 { ip saddr timeout 90000ms } log group 7 prefix "trap:handshake" snaplen 128 accept comment "trap handshake""#,
            &format!(
                r#"{of_v6} ip6 saddr fe80::/10 add @ban6 {{ ip6 saddr timeout 90000ms }} log group 7 prefix "trap:handshake" snaplen 128 accept comment "trap handshake""#
            ),
            &format!(
                r#"{of_v6} ip6 saddr != fe80::/10 add @ban6_64 {{ ip6 saddr & ffff:ffff:ffff:ffff:: timeout 90000ms }} log group 7 prefix "trap:handshake" snaplen 128 accept comment "trap handshake""#
            ),
        ],
    );
}

#[test]
fn a_probe_throttles_and_is_told_of_in_measure() {
    let mut spec = spec();
    spec.traps.push(trap(Family::V4, TrapEvidence::Probe));
    spec.traps.push(TrapRule {
        protocol: Protocol::Udp,
        prefix_len: 24,
        ..trap(Family::V4, TrapEvidence::Handshake)
    });
    let syn = "tcp dport { 23, 83 } meta nfproto ipv4 tcp flags & (fin|syn|rst|ack) == syn";
    let datagram = "udp dport { 23, 83 } meta nfproto ipv4 ct direction original";
    check(
        &spec,
        &[
            "set throttle_hard4_24 { type ipv4_addr; flags dynamic,timeout; size 131072; counter; }",
            &format!(
                r#"{syn} add @throttle_hard4 {{ ip saddr timeout 90000ms }} comment "trap probe""#
            ),
            &format!(
                r#"{syn} limit rate 2000/second log group 7 prefix "trap:probe" snaplen 128 comment "trap probe""#
            ),
            &format!(
                r#"{datagram} add @throttle_hard4_24 {{ ip saddr & 255.255.255.0 timeout 90000ms }} comment "trap probe""#
            ),
            &format!(r#"{datagram} goto out_trap comment "trap probe""#),
        ],
    );
}

#[test]
fn knocks_are_told_of_and_dropped_behind_bans_and_before_all_else() {
    let mut spec = spec();
    spec.knock = Some(KnockRule { port: 62_201, payload: 256, version: 1, group: 10 });
    let knock = "udp dport 62201 udp length 264 @th,64,8 1 fib daddr type local goto knocks";
    let chain = "chain knocks {";
    let drop = r#"drop comment "knock""#;
    check(
        &spec,
        &[
            chain,
            r#"limit rate 200000/second burst 20000 packets log group 10 snaplen 384 queue-threshold 128 comment "knock""#,
            drop,
            "chain early {",
            r#"ip saddr @ban4 goto out_ban_ban4 comment "ban""#,
            &format!(r#"meta nfproto ipv4 {knock} comment "knock""#),
            r#"meta nfproto ipv4 accept comment "ban""#,
            r#"ip6 saddr @ban6 goto out_ban_ban6 comment "ban""#,
            &format!(r#"{knock} comment "knock""#),
            "chain input {",
        ],
    );
    spec.features.log = false;
    let text = spec.text("guard", &Inventory::default(), &[]);
    assert!(text.contains(chain) && text.contains(drop) && !text.contains("group"));
}

#[test]
fn throttles_meter_each_source_hard_before_soft() {
    check(
        &spec(),
        &[
            "chain throttle_hard {",
            r#"ip saddr @protect4 return comment "protect""#,
            r#"meta l4proto 6 ct state new,invalid update @rate_hard_tcp4 { ip saddr limit rate over 10/hour burst 5 packets } counter name "throttled" goto out_throttle_hard comment "throttle hard tcp""#,
            r#"meta l4proto 58 update @rate_hard_icmp6 { ip6 saddr & ffff:ffff:ffff:ffff:: limit rate over 10/day burst 5 packets } counter name "throttled" goto out_throttle_hard comment "throttle hard icmp""#,
            "chain throttles {",
            r#"ip saddr @throttle_hard4 jump throttle_hard comment "throttle-hard""#,
            r#"ip6 saddr & ffff:ffff:ffff:ffff:: @throttle_soft6_64 jump throttle_soft comment "throttle-soft""#,
        ],
    );
}

#[test]
fn vacant_ports_are_counted_by_source_and_port_where_the_posture_is_open() {
    let mut spec = spec();
    let service = Service { ports: vec!["tcp/443".parse().unwrap()], rate: None };
    spec.ports = Arc::new(PortPolicy {
        vacant: Some(Rate { count: 8, per: RateUnit::Minute }),
        services: [("https".into(), service)].into(),
        ..PortPolicy::default()
    });
    let of_v6 = "ip6 saddr & ffff:ffff:ffff:ffff::";
    check(
        &spec,
        &[
            r#"set vacant4 { type ipv4_addr; flags dynamic,timeout; size 65536; timeout 60s; comment "8/minute"; }"#,
            r#"set answered6 { type ipv6_addr . inet_proto . inet_service; flags dynamic,timeout; size 65536; timeout 60s; comment "8/minute"; }"#,
            "chain vacant {",
            r#"ip saddr @protect4 return comment "protect""#,
            r#"socket transparent <= 1 return comment "vacant""#,
            r#"tcp flags & rst == rst return comment "vacant""#,
            r#"tcp flags & (syn | ack) == syn | ack return comment "vacant""#,
            r#"tcp dport { 443 } return comment "vacant""#,
            r#"ip saddr . meta l4proto . th dport @answered4 return comment "vacant""#,
            r#"update @vacant4 { ip saddr limit rate over 8/minute burst 8 packets } goto out_vacant comment "vacant""#,
            r#"add @answered4 { ip saddr . meta l4proto . th dport } comment "vacant""#,
            &format!(
                r#"update @vacant6 {{ {of_v6} limit rate over 8/minute burst 8 packets }} goto out_vacant comment "vacant""#
            ),
            "chain input {",
            r#"ip saddr & 0.0.0.0 @closed4_0 goto out_closed comment "closed""#,
            r#"ct state new,invalid,untracked meta l4proto { 6, 17 } meta pkttype host jump vacant comment "vacant""#,
            r#"ct state new,untracked goto in_open comment "open""#,
        ],
    );
    spec.features.socket = false;
    let text = spec.text("guard", &Inventory::default(), &[]);
    assert!(!text.contains("vacant") && !text.contains("answered"), "{text}");
}

#[test]
fn what_is_not_wanted_goes_first() {
    let foreign = SetDefinition { flags: 0x8, ..spec().definitions().swap_remove(0) };
    let standing = Inventory {
        is_dormant: false,
        chains: vec!["input".to_owned(), "stranger".to_owned()],
        limits: vec!["log_blocked".to_owned()],
        sets: vec![
            SetDefinition { name: "verdicts".to_owned(), ..foreign },
            SetDefinition { size: 7, ..SetDefinition::list(ListSet::from_name("ban4").unwrap()) },
            SetDefinition::list(ListSet::from_name("ban6").unwrap()),
            SetDefinition::list(ListSet::from_name("ban4_9").unwrap()),
        ],
    };
    let text = spec().text("guard", &standing, &[]);
    let cleared: Vec<_> = text.lines().take_while(|line| !line.ends_with('{')).collect();
    assert_eq!(
        cleared,
        [
            "table inet guard {}",
            "flush table inet guard",
            "delete map inet guard verdicts",
            "delete set inet guard ban4",
            "delete set inet guard ban4_9",
            "delete chain inet guard input",
            "delete chain inet guard stranger",
            "delete limit inet guard log_blocked",
        ]
    );
}

/// A frame with every kind of rule that this way of following gives.
fn everything(follow: Follow) -> FrameSpec {
    let mut spec = FrameSpec { icmp: Icmp::All, unit_levels: [(0, 2)].into(), ..spec() };
    spec.knock = Some(KnockRule { port: 62_201, payload: 256, version: 1, group: 10 });
    for family in [Family::V4, Family::V6] {
        spec.traps.push(TrapRule { tarpit: true, ..trap(family, TrapEvidence::Probe) });
        let datagrams = trap(family, TrapEvidence::Probe);
        spec.traps.push(TrapRule { protocol: Protocol::Udp, ..datagrams });
    }
    let ranges = |text: &str| vec![text.parse().unwrap()];
    let rate = Some(Rate { count: 10, per: RateUnit::Minute });
    let ssh = Service { ports: ranges("tcp/22"), rate };
    spec.ports = Arc::new(PortPolicy {
        always: ranges("tcp/22"),
        never: ranges("tcp/3306"),
        follow,
        grace: Duration::from_secs(10),
        approvals: vec!["unit:nginx.service tcp/80 udp/443".parse().unwrap()],
        services: [("ssh".into(), ssh)].into(),
        vacant: rate,
        ..PortPolicy::default()
    });
    spec
}

#[test]
fn every_rule_is_in_the_specification_and_every_row_of_it_has_a_rule() {
    let specification = include_str!("../../../../../docs/security.md");
    let mut text = String::new();
    for spec in [everything(Follow::All), everything(Follow::Approved)] {
        text.push_str(&spec.text("guard", &Inventory::default(), &[]));
    }
    let rules = text.lines().filter(|line| !line.trim_start().starts_with("set "));
    let names: BTreeSet<&str> = rules
        .filter_map(|line| line.split_once(" comment \"")?.1.split_once('"'))
        .map(|(name, _)| name)
        .collect();
    for name in &names {
        // The two throttle lists are one row, named after the chain that judges them.
        let row =
            if matches!(*name, "throttle-hard" | "throttle-soft") { "throttles" } else { name };
        assert!(specification.contains(&format!("`{row}`")), "no row for `{name}`");
    }
    let rows = specification.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |"));
    let rows: Vec<&str> = rows.map(|(row, _)| row).collect();
    assert!(rows.len() >= 12, "{rows:?}");
    for row in rows {
        assert!(names.contains(row), "no rule for row `{row}`");
    }
}
