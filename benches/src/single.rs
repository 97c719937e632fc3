//! Bans by order: one by one, ten thousand at once, and of networks.

use std::time::{Duration, Instant};

use lab::{Daemon, Lab};
use serde_json::{Value, json};

use crate::{
    api::Api,
    figure::{Report, ms, percentile},
};

/// One ban after the other through the API, beside a spawned `nft` for each.
pub(crate) fn bans(report: &mut Report) {
    const BANS: u32 = 3_000;
    const SPAWNED: u32 = 100;
    let lab = Lab::new();
    let daemon = Daemon::start(lab.guarded(), "");
    let mut api = Api::connect(&daemon.socket()).expect("the daemon listens");
    let mut times: Vec<Duration> = (0..BANS)
        .map(|index| {
            let order = json!({ "measure": "ban", "subject": address(index), "for": "1h" });
            let start = Instant::now();
            api.post("/v1/hold", &order);
            start.elapsed()
        })
        .collect();
    let mut spawned: Vec<Duration> = (0..SPAWNED)
        .map(|index| {
            let element = format!("{{ {} timeout 1h }}", address(1_000_000 + index));
            let start = Instant::now();
            lab.guarded().run(["nft", "add", "element", "inet", "portguard", "ban4", &element]);
            start.elapsed()
        })
        .collect();
    let p50 = ms(percentile(&mut times, 0.5));
    report.limit("single ban, p50", p50, 0.3, "ms");
    report.limit("single ban, p99", ms(percentile(&mut times, 0.99)), 2.0, "ms");
    report.peer("single ban, p50", p50, ("spawned nft", ms(percentile(&mut spawned, 0.5))), "ms");
}

/// Ten thousand bans at once.
pub(crate) fn burst(report: &mut Report) {
    let lab = Lab::new();
    let daemon = Daemon::start(lab.guarded(), "");
    let mut api = Api::connect(&daemon.socket()).expect("the daemon listens");
    let order = many((0..10_000).map(address));
    let start = Instant::now();
    let done = api.post("/v1/hold-many", &order);
    let ours = start.elapsed();
    assert_eq!(done["subjects"], 10_000);
    report.limit("10,000 bans in one burst", ours.as_secs_f64(), 0.2, "s");
    // The kernel's share alone: the same elements by one run of nft in a set of the same kind.
    let elements: Vec<String> =
        (0..10_000).map(|index| format!("{} timeout 1h", address(index))).collect();
    let text = format!(
        "add table inet peer
         add set inet peer s {{ type ipv4_addr; flags timeout; counter; }}
         add element inet peer s {{ {} }}",
        elements.join(", ")
    );
    let start = Instant::now();
    lab.guarded().nft(&text);
    let theirs = start.elapsed();
    report.peer(
        "10,000 bans in one burst",
        ours.as_secs_f64(),
        ("nft -f", theirs.as_secs_f64()),
        "s",
    );
}

/// One more network among a hundred thousand of mixed length.
pub(crate) fn networks(report: &mut Report) {
    let lab = Lab::new();
    let daemon = Daemon::start(lab.guarded(), "");
    let mut api = Api::connect(&daemon.socket()).expect("the daemon listens");
    let all: Vec<String> = (0..100_000).map(network).collect();
    for part in all.chunks(20_000) {
        api.post("/v1/hold-many", &many(part.iter().cloned()));
    }
    let mut times: Vec<Duration> = (100_000..100_200)
        .map(|index| {
            let order = json!({ "measure": "ban", "subject": network(index) });
            let start = Instant::now();
            api.post("/v1/hold", &order);
            start.elapsed()
        })
        .collect();
    report.limit("one more of 100,000 networks, p50", ms(percentile(&mut times, 0.5)), 1.0, "ms");
    report.limit("one more of 100,000 networks, p99", ms(percentile(&mut times, 0.99)), 1.0, "ms");
}

fn many(subjects: impl Iterator<Item = String>) -> Value {
    let orders: Vec<Value> = subjects
        .map(|subject| json!({ "measure": "ban", "subject": subject, "for": "1h" }))
        .collect();
    json!({ "holds": orders })
}

/// Returns the n-th address of those that nobody in the lab has.
pub(crate) fn address(index: u32) -> String {
    // A multiplier prime to 2^23 scatters the addresses over 198.0.0.0/9, as offenders are.
    let scattered = index.wrapping_mul(2_654_435_761) & 0x007f_ffff;
    std::net::Ipv4Addr::from(0xc600_0000 | scattered).to_string()
}

/// Returns the n-th network: lengths 24 to 28 in turn, each in a part of its own.
fn network(index: u32) -> String {
    let length = 24 + index % 5;
    let first = (20 + index % 5) << 24 | (index / 5) << (32 - length);
    format!("{}/{length}", std::net::Ipv4Addr::from(first))
}
