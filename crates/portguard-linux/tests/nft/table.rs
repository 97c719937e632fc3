//! Elements: put in, found, ended, removed, and what others did to them.

use std::time::Duration;

use portguard_core::{Change, List};
use portguard_linux::nft::{ApplyError, ListSet, NotApplied, Verdict};

use crate::{
    namespace::{alone, eventually, nft},
    setting::{
        ALMOST_AN_HOUR, HOUR, MINUTE, apply, element, install, install_for_ever, now, plain,
        set_of, table,
    },
};

#[test]
fn a_ban_ends_by_itself() {
    alone(|| {
        let mut table = table(&plain());
        apply(&mut table, &[install("ban 192.0.2.7", Duration::from_millis(300))]);
        assert_eq!(table.find([192, 0, 2, 7].into(), &[]).unwrap().len(), 1);
        eventually("the end of the ban", || {
            table.find([192, 0, 2, 7].into(), &[]).unwrap().is_empty().then_some(())
        });
    });
}

#[test]
fn an_element_that_is_there_gets_the_new_time_and_keeps_its_counter() {
    alone(|| {
        let mut table = table(&plain());
        let words = "ban 127.0.0.9";
        apply(&mut table, &[install(words, MINUTE)]);
        std::net::UdpSocket::bind("127.0.0.9:0").unwrap().send_to(b"x", "127.0.0.1:9").unwrap();
        let mut check = |change: Change, least: Option<Duration>, most: Option<Duration>| {
            apply(&mut table, &[change]);
            let found = table.find([127, 0, 0, 9].into(), &[]).unwrap();
            assert!((least..=most).contains(&found[0].remaining), "{found:?}");
            assert_eq!(found[0].matched.packets, 1);
        };
        check(install(words, HOUR), Some(ALMOST_AN_HOUR), Some(HOUR));
        check(install(words, MINUTE), Some(MINUTE / 2), Some(MINUTE));
        check(install_for_ever(words), None, None);
        check(install(words, HOUR), Some(ALMOST_AN_HOUR), Some(HOUR));
        check(install_for_ever(words), None, None);
    });
}

#[test]
fn the_same_time_again_begins_anew() {
    alone(|| {
        let mut table = table(&plain());
        nft("add element inet guard ban4 { 192.0.2.7 timeout 1h expires 1m }");
        let now = now();
        let until = portguard_core::Until::at(now.plus(HOUR));
        let outcome =
            table.apply(&[Change::Install(element("ban 192.0.2.7"), until)], now).unwrap();
        assert_eq!(outcome.applied, 1);
        let found = table.find([192, 0, 2, 7].into(), &[]).unwrap();
        assert!(found[0].remaining > Some(ALMOST_AN_HOUR), "{found:?}");
    });
}

#[test]
fn changes_to_one_element_take_effect_in_their_order() {
    alone(|| {
        let mut table = table(&plain());
        let (words, remove) = ("ban 192.0.2.7", Change::Remove(element("ban 192.0.2.7")));
        apply(&mut table, &[install(words, HOUR), remove, install(words, HOUR)]);
        assert_eq!(table.find([192, 0, 2, 7].into(), &[]).unwrap().len(), 1);
        apply(&mut table, &[remove, remove, install(words, HOUR), remove]);
        assert_eq!(table.find([192, 0, 2, 7].into(), &[]).unwrap(), []);
        apply(&mut table, &[install(words, HOUR), install(words, Duration::ZERO)]);
        assert_eq!(table.find([192, 0, 2, 7].into(), &[]).unwrap(), []);
    });
}

#[test]
fn an_address_is_found_in_every_set_that_is_about_it() {
    alone(|| {
        let words = [
            "ban 192.0.2.7",
            "ban 192.0.2.0/24",
            "ban 192.0.0.0/16",
            "ban 128.0.0.0/1",
            "ban 0.0.0.0/0",
            "ban 192.0.2.7 tcp/22",
            "ban 192.0.2.0/28 udp/53",
            "allow 192.0.2.0/25",
            "throttle-hard 192.0.2.7",
            "ban 198.51.100.7",
            "ban 2001:db8::/32",
        ];
        let mut spec = plain();
        spec.networks = words.iter().map(|words| set_of(words)).collect();
        let mut table = table(&spec);
        apply(&mut table, &words.map(|words| install(words, HOUR)));

        let ports = ["tcp/22", "udp/53", "tcp/80"].map(|port| port.parse().unwrap());
        let found = table.find([192, 0, 2, 7].into(), &ports).unwrap();

        let mut names: Vec<_> = found.iter().map(|found| found.element.to_string()).collect();
        let mut expected: Vec<_> = words[..9].iter().map(ToString::to_string).collect();
        names.sort_unstable();
        expected.sort_unstable();
        assert_eq!(names, expected);
        let mapped = table.find("::ffff:192.0.2.7".parse().unwrap(), &ports).unwrap();
        assert_eq!(mapped.len(), 9);
        let v6 = table.find("2001:db8::5".parse().unwrap(), &[]).unwrap();
        assert_eq!(v6[0].element, element("ban 2001:db8::/32"));
    });
}

#[test]
fn a_list_is_dumped_without_sentinels() {
    alone(|| {
        let mut table = table(&plain());
        assert_eq!(table.dump(List::Ban).unwrap(), []);
        let words =
            ["ban 192.0.2.7", "ban 2001:db8:7::/64", "ban 2001:db8::7", "ban 2001:db8::7 tcp/22"];
        apply(&mut table, &words.map(|words| install(words, HOUR)));
        apply(&mut table, &[install_for_ever("allow 192.0.2.8")]);

        let mut bans: Vec<_> =
            table.dump(List::Ban).unwrap().iter().map(|ban| ban.element.to_string()).collect();

        bans.sort_unstable();
        assert_eq!(bans, words);
        let allowed = table.dump(List::Allow).unwrap();
        assert_eq!((allowed[0].element, allowed[0].remaining), (element("allow 192.0.2.8"), None));
        if let Some(count) = table.count(set_of(words[0])).unwrap() {
            assert_eq!(count, 1);
        }
    });
}

#[test]
fn a_missing_set_is_named_and_nothing_is_applied() {
    alone(|| {
        let mut table = table(&plain());
        let changes = [install("ban 192.0.2.7", HOUR), install("ban 198.51.100.0/24", HOUR)];

        let refused = table.apply(&changes, now());

        let expected = set_of("ban 198.51.100.0/24");
        assert!(matches!(refused, Err(ApplyError::MissingSet(set)) if set == expected));
        assert_eq!(table.dump(List::Ban).unwrap(), []);
        let mut wider = plain();
        wider.networks.insert(expected);
        let _ = table.apply_frame(&wider).unwrap();
        apply(&mut table, &changes);
    });
}

#[test]
fn a_full_set_refuses_single_elements_and_takes_the_others() {
    alone(|| {
        let mut table = table(&plain());
        let name = |n: u32| format!("allow 10.{}.{}.{}", n >> 16, n >> 8 & 255, n & 255);
        // The sentinel takes one place.
        let capacity = ListSet::of(&element("allow 10.0.0.1")).capacity() - 1;
        let all: Vec<_> = (0..capacity).map(|n| install_for_ever(&name(n))).collect();
        apply(&mut table, &all);

        let changes = [
            install("ban 192.0.2.7", HOUR),
            install_for_ever("allow 192.0.2.8"),
            install("ban 192.0.2.9", HOUR),
        ];
        let outcome = table.apply(&changes, now()).unwrap();

        let element = element("allow 192.0.2.8");
        assert_eq!(
            outcome.not_applied,
            [NotApplied::SetFull { set: ListSet::of(&element), element }]
        );
        assert_eq!(outcome.applied, 2);
        assert_eq!(table.dump(List::Ban).unwrap().len(), 2);
    });
}

#[test]
fn what_others_did_is_told_apart() {
    alone(|| {
        let mut table = table(&plain());
        apply(&mut table, &[install("ban 192.0.2.7", HOUR), install("ban 2001:db8::7", HOUR)]);
        let mut check = |command: &str, expected: Verdict| {
            nft(command);
            assert_eq!(table.verify().unwrap(), expected, "{command}");
            let _ = table.apply_frame(&plain()).unwrap();
            assert_eq!(table.verify().unwrap(), Verdict::Intact, "after {command}");
        };
        let flushed = |words: &str| Verdict::Flushed { sets: vec![set_of(words)] };
        check("delete element inet guard ban4 { 192.0.2.7 }", Verdict::Intact);
        check("flush set inet guard ban6", flushed("ban 2001:db8::7"));
        check("flush set inet guard ban4", flushed("ban 192.0.2.7"));
        check("add rule inet guard input accept", Verdict::FrameChanged);
        check("insert rule inet guard early accept", Verdict::FrameChanged);
        check("flush chain inet guard traps", Verdict::FrameChanged);
        check("chain inet guard input { policy drop; }", Verdict::FrameChanged);
        check("flush table inet guard", Verdict::FrameChanged);
        check("add set inet guard mine { type ipv4_addr; }", Verdict::FrameChanged);
        check("delete table inet guard", Verdict::TableMissing);
        check("flush ruleset", Verdict::TableMissing);
    });
}

#[test]
fn a_change_to_a_table_that_is_gone_says_so() {
    alone(|| {
        let mut table = table(&plain());
        nft("delete table inet guard");
        for change in [install("ban 192.0.2.7", HOUR), Change::Remove(element("ban 192.0.2.7"))] {
            let refused = table.apply(&[change], now());
            assert!(matches!(refused, Err(ApplyError::Gone(_))), "{refused:?}");
        }
        assert_eq!(table.find([192, 0, 2, 7].into(), &[]).unwrap(), []);
    });
}
