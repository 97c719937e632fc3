//! Frames that the kernel takes, and what it then holds.

use std::{collections::BTreeSet, net::IpAddr};

use portguard_core::{Family, Protocol};
use portguard_linux::nft::{
    FrameError, FrameSpec, ListSet, Table, TrapEvidence, TrapRule, Verdict,
};

use crate::{
    namespace::{alone, nft},
    setting::{
        ALMOST_AN_HOUR, HOUR, apply, element, install, install_for_ever, plain, set_of, table, trap,
    },
};

#[test]
fn the_kernel_takes_every_kind_of_frame() {
    alone(|| {
        let everything = FrameSpec { traps: every_trap(), networks: every_network(), ..plain() };
        let only_local = FrameSpec { forward: false, ..everything.clone() };
        let mut table = Table::open("guard").unwrap();
        for spec in [plain(), everything, only_local, plain()] {
            let _ = table.apply_frame(&spec).unwrap();
            assert_eq!(table.verify().unwrap(), Verdict::Intact);
        }
    });
}

#[test]
fn a_frame_that_is_refused_changes_nothing() {
    alone(|| {
        let mut table = table(&plain());
        let mut wrong = plain();
        wrong.traps = vec![TrapRule {
            address: Some(IpAddr::from([192, 0, 2, 1])),
            ..trap(Family::V6, Protocol::Tcp, &[23])
        }];

        let refused = table.apply_frame(&wrong);

        assert!(matches!(refused, Err(FrameError::Refused { .. })), "{refused:?}");
        assert_eq!(table.verify().unwrap(), Verdict::Intact);
    });
}

#[test]
fn elements_live_through_a_frame_swap() {
    alone(|| {
        let mut table = table(&plain());
        apply(&mut table, &[install("ban 127.0.0.9", HOUR), install_for_ever("ban 192.0.2.9")]);
        send_datagram_from("127.0.0.9");
        let before = table.find([127, 0, 0, 9].into(), &[]).unwrap();

        let mut other = plain();
        other.forward = false;
        other.traps = every_trap();
        let applied = table.apply_frame(&other).unwrap();

        let after = table.find([127, 0, 0, 9].into(), &[]).unwrap();
        assert_eq!(applied.carried, 0);
        assert_eq!(before[0].matched.packets, 1);
        assert_eq!(after[0].matched, before[0].matched);
        assert!(after[0].remaining <= before[0].remaining);
        assert!(after[0].remaining > Some(ALMOST_AN_HOUR));
        assert_eq!(table.find([192, 0, 2, 9].into(), &[]).unwrap()[0].remaining, None);
    });
}

#[test]
fn elements_live_through_the_redefinition_of_their_set() {
    alone(|| {
        nft("table inet guard {
               set ban4 { type ipv4_addr; flags dynamic,timeout; size 5000; counter; }
               set banport4 { type ipv4_addr . inet_proto . inet_service; flags dynamic,timeout; size 9; }
             }");
        nft("add element inet guard banport4 { 192.0.2.8 . tcp . 22 }");
        let addresses: Vec<_> = (0..3000_u32)
            .map(|n| {
                format!(
                    "10.1.{}.{} counter packets {n} bytes {n} timeout 2h expires 1h",
                    n / 256,
                    n % 256
                )
            })
            .collect();
        for part in addresses.chunks(1000) {
            nft(&format!("add element inet guard ban4 {{ {} }}", part.join(", ")));
        }
        let mut table = Table::open("guard").unwrap();

        let applied = table.apply_frame(&plain()).unwrap();

        assert_eq!(applied.carried, 3001);
        assert_eq!(table.verify().unwrap(), Verdict::Intact);
        for n in [1_u8, 200] {
            let found = table.find([10, 1, 0, n].into(), &[]).unwrap();
            assert_eq!(found[0].matched.packets, u64::from(n));
            assert!((ALMOST_AN_HOUR..=HOUR).contains(&found[0].remaining.unwrap()));
        }
        let last = table.find([10, 1, 11, 183].into(), &[]).unwrap();
        assert_eq!(last[0].matched.packets, 2999);
        let port = table.find([192, 0, 2, 8].into(), &["tcp/22".parse().unwrap()]).unwrap();
        assert_eq!(port[0].element, element("ban 192.0.2.8 tcp/22"));
    });
}

#[test]
fn strange_chains_sets_and_maps_in_our_table_go() {
    alone(|| {
        let mut table = table(&plain());
        nft("table inet guard {
               chain friend { }
               chain stranger { type filter hook output priority 0; jump friend; }
               set strange { type ipv4_addr; }
               map verdicts { type inet_service : verdict; elements = { 1 : jump friend }; }
             }");
        assert_eq!(table.verify().unwrap(), Verdict::FrameChanged);

        let _ = table.apply_frame(&plain()).unwrap();

        let listing = nft("list table inet guard");
        for name in ["stranger", "friend", "strange", "verdicts"] {
            assert!(!listing.contains(name), "{name} is still there:\n{listing}");
        }
    });
}

#[test]
fn a_table_put_to_sleep_is_noticed_and_woken() {
    alone(|| {
        let mut table = table(&plain());
        nft("add table inet guard { flags dormant; }");
        assert_eq!(table.verify().unwrap(), Verdict::FrameChanged);

        let _ = table.apply_frame(&plain()).unwrap();

        assert_eq!(table.verify().unwrap(), Verdict::Intact);
        assert!(!nft("list table inet guard").contains("dormant"));
    });
}

#[test]
fn other_tables_are_left_alone() {
    alone(|| {
        nft("table inet others {
               set s { type ipv4_addr; elements = { 192.0.2.1 }; }
               chain input { type filter hook input priority 0; ip saddr @s drop; }
             }");
        nft("table ip guard { chain input { type filter hook input priority 0; counter; }; }");
        let tables = || nft("list table inet others") + &nft("list table ip guard");
        let before = tables();
        let mut table = table(&plain());
        apply(&mut table, &[install("ban 192.0.2.1", HOUR)]);
        let mut other = plain();
        other.traps = every_trap();
        let _ = table.apply_frame(&other).unwrap();
        assert_eq!(table.verify().unwrap(), Verdict::Intact);

        table.remove().unwrap();

        assert_eq!(tables(), before);
        assert_eq!(table.verify().unwrap(), Verdict::TableMissing);
        table.remove().unwrap();
    });
}

fn every_trap() -> Vec<TrapRule> {
    let mut traps = Vec::new();
    for family in [Family::V4, Family::V6] {
        let address = match family {
            Family::V4 => IpAddr::from([192, 0, 2, 1]),
            Family::V6 => "2001:db8::1".parse().unwrap(),
        };
        let tcp = trap(family, Protocol::Tcp, &[23, 83, 3389]);
        traps.extend([
            TrapRule { tarpit: true, ..tcp.clone() },
            TrapRule { address: Some(address), ports: [5050].into(), tarpit: true, ..tcp.clone() },
            TrapRule { evidence: TrapEvidence::Probe, ports: [1].into(), ..tcp.clone() },
            TrapRule { prefix_len: family.bits(), ports: [2].into(), ..tcp.clone() },
            TrapRule { prefix_len: 20, ports: [3].into(), ..tcp },
            trap(family, Protocol::Udp, &[161, 69]),
        ]);
    }
    traps
}

/// Bans of every length, and a few of the other kinds.
fn every_network() -> BTreeSet<ListSet> {
    let mut networks: BTreeSet<_> =
        (0..=128).map(|length| set_of(&format!("ban ::/{length}"))).collect();
    networks.extend((0..=32).map(|length| set_of(&format!("ban 0.0.0.0/{length}"))));
    for words in ["allow", "protect", "throttle-soft", "throttle-hard"] {
        networks.insert(set_of(&format!("{words} 192.0.2.0/24")));
        networks.insert(set_of(&format!("{words} 2001:db8::/48")));
    }
    networks.extend(["ban 192.0.0.0/16 tcp/22", "ban 2001:db8::/32 udp/53"].map(set_of));
    networks
}

fn send_datagram_from(address: &str) {
    let socket = std::net::UdpSocket::bind((address, 0)).unwrap();
    socket.send_to(b"x", ("127.0.0.1", 9)).unwrap();
}
