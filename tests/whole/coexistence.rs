//! Side by side with other firewalls: what they decide stays decided, what they say stays as it was.

use lab::{Lab, wiring::GUARDED_V4};

use crate::story::{Story, wait_for};

const PEER: &str = "10.77.0.2";
const CLOSED: &str =
    "[guard]\nposture = \"closed\"\non_exit = \"remove\"\n[ports]\nfollow = \"all\"\nalways = []\n";

#[test]
fn rules_of_iptables_over_nf_tables_keep_working() {
    beside(
        "iptables-nft -A INPUT -p tcp --dport 8081 -j DROP
         ip6tables-nft -A INPUT -p tcp --dport 8081 -j DROP
         iptables-nft -t nat -A PREROUTING -p tcp --dport 8443 -j REDIRECT --to-ports 8080",
        "iptables-nft-save; ip6tables-nft-save; nft list table ip filter; nft list table ip nat",
        |story| {
            assert!(story.connects(PEER, GUARDED_V4, 8443), "redirected to what listens");
        },
    );
}

#[test]
fn rules_of_iptables_legacy_keep_working() {
    beside("iptables-legacy -A INPUT -p tcp --dport 8081 -j DROP", "iptables-legacy-save", |_| {});
}

#[test]
fn zones_as_firewalld_makes_them_keep_working() {
    beside(
        "nft -f - <<'X'
         table inet firewalld {
           chain filter_INPUT {
             type filter hook input priority filter + 10; policy accept;
             ct state { established, related } accept
             iifname lo accept
             jump filter_INPUT_ZONES
             reject with icmpx admin-prohibited
           }
           chain filter_INPUT_ZONES { goto filter_IN_public; }
           chain filter_IN_public { tcp dport { 22, 8080, 8443 } accept; tcp dport 8081 drop; }
         }
X",
        "nft list table inet firewalld",
        |_| {},
    );
}

#[test]
fn tables_as_docker_makes_them_keep_forwarding() {
    let lab = Lab::new();
    let inner = lab.join_inner();
    let _server = inner.serve("10.78.0.2:80".parse().unwrap());
    lab.guarded().run(["sysctl", "-qw", "net.ipv4.ip_forward=1"]);
    lab.guarded().nft(
        "table ip nat {
           chain DOCKER { tcp dport 8443 dnat to 10.78.0.2:80; }
           chain PREROUTING {
             type nat hook prerouting priority dstnat; policy accept;
             fib daddr type local jump DOCKER
           }
           chain POSTROUTING { type nat hook postrouting priority srcnat; policy accept; }
         }
         table ip filter {
           chain DOCKER { ip daddr 10.78.0.2 tcp dport 80 accept; }
           chain FORWARD {
             type filter hook forward priority filter; policy drop;
             ct state established,related accept
             jump DOCKER
           }
         }",
    );
    let host = lab.guarded().clone();
    let listed = || host.run(["nft", "list", "ruleset"]);
    let before = listed();
    let mut story = Story::in_lab(lab, CLOSED);
    assert!(story.connects(PEER, GUARDED_V4, 8443), "published ports go past the host's own");
    assert_eq!(story.reach("tcp/8443"), "forwarded forward");
    story.order(&["ban", PEER]);
    assert!(!story.connects(PEER, GUARDED_V4, 8443), "a ban holds for them");
    story.order(&["unban", PEER]);
    assert!(story.connects(PEER, GUARDED_V4, 8443));
    assert!(story.daemon.stop().success());
    assert_eq!(listed(), before);
}

/// Puts rules of another program on the host, guards it, changes what can be changed, and compares
/// the other's own listing all the while. The rules turn tcp/8081 away.
fn beside(rules: &str, listing: &str, more: impl FnOnce(&Story)) {
    let lab = Lab::new();
    let host = lab.guarded().clone();
    let shell = |lines: &str| host.run(["sh", "-ec", lines]);
    shell(rules);
    let says = || {
        // Counters and moments change by themselves.
        let listed = shell(listing);
        let lines = listed.lines().filter(|line| !line.starts_with('#'));
        lines.map(without_counters).collect::<Vec<_>>().join("\n")
    };
    let before = says();
    let mut story = Story::in_lab(lab, CLOSED);
    let _servers = [8080, 8081].map(|port| story.serve(port));
    assert!(story.connects(PEER, GUARDED_V4, 8080), "both let it in");
    assert!(!story.connects(PEER, GUARDED_V4, 8081), "the other turns it away");
    assert!(!story.connects(PEER, GUARDED_V4, 8082), "nothing listens");
    more(&story);
    story.order(&["relax"]);
    assert!(!story.connects(PEER, GUARDED_V4, 8081), "the other turns it away");
    for words in [
        &["open", "tcp/9000"][..],
        &["close", "tcp/9000"],
        &["lockdown", "--quiet"],
        &["confirm"],
        &["ban", "192.0.2.7"],
    ] {
        story.order(words);
        assert_eq!(says(), before, "{words:?}");
    }
    story.guarded("nft delete table inet portguard");
    wait_for("the repair", || !story.connects(PEER, GUARDED_V4, 8082));
    assert_eq!(says(), before);
    assert!(story.daemon.stop().success());
    assert_eq!(says(), before);
    assert!(!shell("nft list tables").contains("portguard"));
}

/// Returns a line without the numbers in `counter packets 3 bytes 180` and `[3:180]`.
fn without_counters(line: &str) -> String {
    let words = line.split(' ').map(|word| {
        let is_number = word.bytes().all(|byte| byte.is_ascii_digit()) && !word.is_empty();
        let is_pair = word.starts_with('[') && word.contains(':');
        if is_number || is_pair { "N" } else { word }
    });
    words.collect::<Vec<_>>().join(" ")
}
