//! A kernel that lacks something: told at the start, with what still works.

use std::{fs, os::unix::fs::PermissionsExt as _};

use lab::{Daemon, Lab, deadline::PATIENCE, wiring::GUARDED_V4};

use crate::story::Story;

const PEER: &str = "10.77.0.2";

/// Guards a host whose `nft` refuses rules with this word, as it does where the kernel has no such
/// expression, and passes everything else on to the real one.
fn without(word: &str) -> Story {
    let lab = Lab::new();
    let mut daemon = Daemon::prepare(
        lab.guarded(),
        "[guard]\nposture = \"closed\"\n[ports]\nalways = [\"tcp/80\"]\nfollow = \"all\"\n\
         [[traps]]\nports = [\"23\"]\nevidence = \"probe\"\n",
    );
    let folder = daemon.home().join("bin");
    fs::create_dir(&folder).unwrap();
    let nft = folder.join("nft");
    let script = format!(
        "#!/bin/sh\ntext=$(cat)\ncase $text in *'{word}'*)\n  \
         echo 'Error: Could not process rule: No such file or directory' >&2; exit 1;;\nesac\n\
         PATH=${{PATH#*:}}\nprintf '%s\\n' \"$text\" | exec nft \"$@\"\n"
    );
    fs::write(&nft, script).unwrap();
    fs::set_permissions(&nft, fs::Permissions::from_mode(0o755)).unwrap();
    daemon.launch_with_path(&folder);
    daemon.wait_until_ready(PATIENCE);
    Story { daemon, lab }
}

fn kernel_detail(story: &Story) -> String {
    let status = story.json(&["status"]);
    let sources = status["sources"].as_array().unwrap();
    let kernel = sources.iter().find(|source| source["name"] == "kernel").unwrap();
    assert_eq!(kernel["health"], "degraded", "{kernel}");
    kernel["detail"].as_str().unwrap().to_owned()
}

#[test]
fn without_sockets_ports_are_opened_by_rule_and_order_alone() {
    let story = without("socket wildcard");
    assert!(kernel_detail(&story).contains("no `socket` expression"));
    let _servers = [80, 8080, 8081].map(|port| story.serve(port));
    assert!(story.connects(PEER, GUARDED_V4, 80));
    assert!(!story.connects(PEER, GUARDED_V4, 8080));
    story.order(&["open", "tcp/8080"]);
    assert!(story.connects(PEER, GUARDED_V4, 8080));
    assert!(!story.connects(PEER, GUARDED_V4, 8081));
}

#[test]
fn without_a_packet_log_packets_are_judged_and_counted() {
    let story = without("snaplen");
    assert!(kernel_detail(&story).contains("no NFLOG"));
    let _server = story.serve(8080);
    assert!(story.connects(PEER, GUARDED_V4, 8080));
    assert!(!story.connects(PEER, GUARDED_V4, 81));
    assert!(story.json(&["status"])["turned_away"]["blocked_packets"].as_u64() > Some(0));
    assert_eq!(story.json(&["log"])["items"].as_array().unwrap().len(), 0);
}
