//! Many elements: they all go in, come back and go out.

use std::{collections::BTreeSet, net::Ipv4Addr, time::Duration};

use portguard_core::{Change, Element, List, Subject, Until};
use portguard_linux::nft::{ListSet, Verdict};

use crate::{
    namespace::alone,
    setting::{HOUR, apply, now, plain, set_of, table},
};

#[test]
fn a_hundred_thousand_bans_go_in_and_come_back() {
    alone(|| {
        let mut table = table(&plain());
        let all = bans(100_000);
        apply(&mut table, &all);
        let listed = table.dump(List::Ban).unwrap();
        let listed: BTreeSet<_> = listed.iter().map(|listed| listed.element).collect();
        assert!(all.iter().all(|ban| listed.contains(&ban.element())));
        assert_eq!(listed.len(), 100_000);
        if let Some(count) = table.count(set_of("ban 192.0.2.7")).unwrap() {
            assert_eq!(count, 100_000);
        }
        assert_eq!(table.apply_frame(&plain()).unwrap().carried, 0);
        let removals: Vec<_> = all.iter().map(|ban| Change::Remove(ban.element())).collect();
        apply(&mut table, &removals);
        assert_eq!(table.dump(List::Ban).unwrap(), []);
    });
}

#[test]
fn networks_of_every_length_stand_beside_each_other() {
    alone(|| {
        let element = |n: u32| {
            let length = u8::try_from(8 + n % 25).unwrap();
            let address = Ipv4Addr::from_bits(n.wrapping_mul(2_654_435_761) >> 1);
            Element {
                list: List::Ban,
                subject: Subject::containing(address.into(), length),
                port: None,
            }
        };
        let mut spec = plain();
        spec.networks = (0..25).map(|n| ListSet::of(&element(n))).collect();
        let mut table = table(&spec);
        let changes: Vec<_> =
            (0..100_000).map(|n| Change::Install(element(n), Until::FOREVER)).collect();
        apply(&mut table, &changes);
        let one = Change::Install(element(100_001), Until::FOREVER);
        apply(&mut table, &[one]);
        let address = element(77).subject.first_address();
        let found = table.find(address, &[]).unwrap();
        assert!(found.iter().any(|found| found.element == element(77)));
        assert_eq!(table.verify().unwrap(), Verdict::Intact);
    });
}

/// Bans of scattered addresses, each with a time of its own.
fn bans(count: u32) -> Vec<Change> {
    let now = now();
    (0..count)
        .map(|n| {
            // Odd multipliers scatter without repeating.
            let address = Ipv4Addr::from_bits(n.wrapping_mul(2_654_435_761));
            let subject = Subject::address(address.into());
            let until = Until::at(now.plus(HOUR + Duration::from_secs(u64::from(n % 86_400))));
            Change::Install(Element { list: List::Ban, subject, port: None }, until)
        })
        .collect()
}
