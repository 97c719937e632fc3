//! The record against a plain list.

use proptest::prelude::*;

use super::*;

fn headers(host: u8, port: u16, protocol: u8) -> Headers {
    let transport = match protocol {
        TCP => Transport::Tcp {
            source: 1,
            destination: port,
            sequence: 0,
            acknowledgement: 0,
            flags: 2,
            reserved: 0,
            window: 0,
            urgent: 0,
        },
        UDP => Transport::Udp { source: 1, destination: port, length: 0 },
        _ => Transport::Icmp { kind: 8, code: 0, echo: None },
    };
    Headers {
        source: IpAddr::from([192, 0, 2, host]),
        destination: IpAddr::from([198, 51, 100, 1]),
        protocol,
        length: 60,
        ttl: 64,
        traffic_class: 0,
        identification: 0,
        fragment: Fragment::default(),
        transport,
    }
}

fn all() -> Query {
    Query { limit: usize::MAX, ..Query::default() }
}

#[test]
fn a_decision_comes_back_as_it_was_taken_in() {
    let mut record = Record::new(1 << 20);
    let packet = headers(7, 23, TCP);
    record.push(1_000, Verdict::Blocked, ("ban ban4", "eth0"), &packet);
    let found = record.query(&all());
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].number, found[0].at, found[0].rule()), (1, 1_000, "ban"));
    assert_eq!((found[0].matched(), &*found[0].interface), (Some("ban4"), "eth0"));
    assert_eq!(found[0].headers, packet);
}

#[test]
fn memory_is_bounded_and_the_oldest_goes_first() {
    let mut record = Record::new(10 * size_of::<Entry>() as u64);
    for at in 0..25 {
        record.push(at, Verdict::Allowed, ("open", "eth0"), &headers(1, 80, TCP));
    }
    assert_eq!((record.len(), record.overwritten(), record.taken()), (10, 15, 25));
    let numbers: Vec<u64> = record.query(&all()).iter().map(|found| found.number).collect();
    assert_eq!(numbers, (16..=25).collect::<Vec<_>>());
    record.resize(3 * size_of::<Entry>() as u64);
    assert_eq!((record.len(), record.overwritten()), (3, 22));
    assert_eq!(record.query(&Query { after: Some(1), limit: 1, ..all() })[0].number, 23);
}

#[test]
fn names_are_bounded() {
    let mut record = Record::new(1 << 20);
    for n in 0..MOST_NAMES + 10 {
        let reason = format!("rate service{n}");
        record.push(0, Verdict::Blocked, (&reason, ""), &headers(1, 80, TCP));
    }
    assert!(record.reasons.names.len() <= MOST_NAMES + 1);
    assert_eq!(&*record.query(&Query { limit: 1, ..all() })[0].reason, OTHER);
}

#[test]
fn an_entry_is_small() {
    assert!(size_of::<Entry>() <= 64);
}

type Row = (u8, u16, bool, u8);

proptest! {
    #[test]
    fn a_query_finds_what_a_plain_list_does(
        rows in prop::collection::vec(
            (0..4_u8, 20..23_u16, any::<bool>(), prop::sample::select(vec![TCP, UDP, 1])), 0..60),
        verdict in prop::option::of(any::<bool>()),
        host in prop::option::of(0..4_u8),
        port in prop::option::of(20..23_u16),
        rule in prop::option::of(prop::sample::select(vec!["ban", "open", "ban ban4", "none"])),
        since in prop::option::of(0..60_u64),
        after in prop::option::of(0..70_u64),
        limit in 0..70_usize,
    ) {
        let mut record = Record::new(40 * size_of::<Entry>() as u64);
        let reason = |row: &Row| if row.2 { "open" } else { "ban ban4" };
        let verdict_of = |row: &Row| if row.2 { Verdict::Allowed } else { Verdict::Blocked };
        for (at, row) in (0..).zip(&rows) {
            let packet = headers(row.0, row.1, row.3);
            record.push(at, verdict_of(row), (reason(row), "eth0"), &packet);
        }
        let query = Query {
            verdict: verdict.map(|allowed| if allowed { Verdict::Allowed } else { Verdict::Blocked }),
            rule: rule.map(str::to_owned),
            kind: None,
            source: host.map(|host| Subject::address(IpAddr::from([192, 0, 2, host]))),
            port,
            since,
            after,
            limit,
        };
        let kept = rows.len().saturating_sub(40);
        let mut expected: Vec<u64> = (1..).zip(&rows).skip(kept)
            .filter(|(number, row)| {
                verdict.is_none_or(|allowed| allowed == row.2)
                    && host.is_none_or(|host| host == row.0)
                    && port.is_none_or(|port| row.3 != 1 && port == row.1)
                    && rule.is_none_or(|rule| rule == reason(row) || rule == word(reason(row)))
                    && since.is_none_or(|since| *number > since)
                    && after.is_none_or(|after| *number > after)
            })
            .map(|(number, _)| number)
            .collect();
        if after.is_some() {
            expected.truncate(limit);
        } else {
            expected.drain(..expected.len().saturating_sub(limit));
        }
        let found: Vec<u64> = record.query(&query).iter().map(|found| found.number).collect();
        prop_assert_eq!(found, expected);
    }
}
