//! Ports that follow services: right from the first packet to the last, while everything changes, and
//! at little cost.

use std::{
    thread,
    time::{Duration, Instant},
};

use lab::{
    Daemon, Lab,
    wiring::{GUARDED_V4, GUARDED_V6},
};
use serde_json::json;

use crate::{
    api::Api,
    figure::{Report, ms, percentile},
    load::processor_time,
    worker::Worker,
};

const FOLLOWING: &str = "[guard]\nposture = \"closed\"\n[ports]\nfollow = \"all\"\nalways = []\n";

/// How long nothing has to come back; on a virtual cable an answer takes microseconds.
const SILENCE: u64 = 10;

/// A thousand times listen, connect at once, close, connect.
pub(crate) fn follow(report: &mut Report) {
    const TIMES: u32 = 1_000;
    let lab = Lab::new();
    let _daemon = Daemon::start(lab.guarded(), FOLLOWING);
    let mut server = Worker::start(lab.guarded(), &[]);
    let mut client = Worker::start(lab.scanner(), &[]);
    for (family, address) in [("IPv4", GUARDED_V4), ("IPv6", GUARDED_V6)] {
        let at = std::net::SocketAddr::new(address, 8080);
        let (mut early, mut late) = (0, 0);
        for _ in 0..TIMES {
            server.ask(&format!("listen-tcp {at}"));
            early += u32::from(client.ask(&format!("connect {at} 1000")) != "true");
            server.ask("close");
            late += u32::from(client.ask(&format!("connect {at} {SILENCE}")) == "true");
        }
        report.limit(format!("TCP {family}, refused while open"), early.into(), 0.0, "");
        report.limit(format!("TCP {family}, let in while closed"), late.into(), 0.0, "");
        let (mut early, mut late) = (0, 0);
        for _ in 0..TIMES {
            server.ask(&format!("listen-udp {at}"));
            client.ask(&format!("send {at} 1"));
            early += u32::from(server.ask("heard 1000") != "true");
            server.ask("close");
            late += u32::from(client.ask(&format!("send {at} {SILENCE}")) == "true");
        }
        report.limit(format!("UDP {family}, lost while open"), early.into(), 0.0, "");
        report.limit(format!("UDP {family}, let in while closed"), late.into(), 0.0, "");
    }
}

/// Ten thousand connections while ports open and close and the configuration is read again, fifty
/// times a second; beside a loop that polls listeners and writes rules anew.
pub(crate) fn churn(report: &mut Report) {
    const CONNECTIONS: u32 = 10_000;
    const EVERY: Duration = Duration::from_millis(20);
    let at = std::net::SocketAddr::new(GUARDED_V4, 8080);
    let echo = std::net::SocketAddr::new(GUARDED_V4, 8081);
    let lab = Lab::new();
    let daemon = Daemon::start(lab.guarded(), FOLLOWING);
    let mut api = Api::connect(&daemon.socket()).expect("the daemon listens");
    let mut server = Worker::start(lab.guarded(), &[]);
    server.ask(&format!("serve {echo}"));
    server.ask(&format!("accept {at}"));
    let mut client = Worker::start(lab.scanner(), &[]);
    let mut pinger = Worker::start(lab.scanner(), &[]);
    pinger.tell(&format!("ping {echo} 10000"));
    let start = Instant::now();
    let (mut changes, mut failed, mut longest) = (0, 0.0, 0.0_f64);
    for part in 0..CONNECTIONS / 50 {
        client.tell(&format!("connects {at} 50"));
        let due = EVERY * changes;
        if let Some(rest) = due.checked_sub(start.elapsed()) {
            thread::sleep(rest);
        }
        let order = json!({ "what": format!("tcp/{}", 9_000 + part % 500) });
        match part % 3 {
            0 => api.post("/v1/open", &order),
            1 => api.post("/v1/reload", &json!({})),
            _ => api.post("/v1/close", &order),
        };
        changes += 1;
        let numbers = client.numbers();
        failed += numbers[0];
        longest = longest.max(numbers[1]);
    }
    let rate = f64::from(changes) / start.elapsed().as_secs_f64();
    let stall = pinger.numbers()[0];
    report.limit(format!("{CONNECTIONS} connections, failed"), failed, 0.0, "");
    report.limit("longest of them".to_owned(), longest, 150.0, "ms");
    report.limit("longest stall of an established one".to_owned(), stall, 50.0, "ms");
    report.least("changes a second meanwhile".to_owned(), rate, 50.0, "");
    report.peer(
        "connections that fail",
        failed / f64::from(CONNECTIONS) * 100.0,
        ("polling loop", polled()),
        "%",
    );
}

/// Returns the share of connections that fail beside a loop that lists the listeners, flushes a
/// chain and adds a rule for each port, as shell tools do.
fn polled() -> f64 {
    let lab = Lab::new();
    lab.guarded().nft(
        "table inet polled {
           chain listening {}
           chain input {
             type filter hook input priority 0; policy drop;
             ct state established,related accept
             jump listening
           }
         }",
    );
    let mut server = Worker::start(lab.guarded(), &[]);
    let at = std::net::SocketAddr::new(GUARDED_V4, 20_050);
    server.ask("listen-many 20000 49");
    server.ask(&format!("accept {at}"));
    let script = "while :; do
        ports=$(ss -Hltn | awk '{ n = split($4, a, \":\"); print a[n] }' | sort -un)
        nft flush chain inet polled listening
        for port in $ports; do nft add rule inet polled listening tcp dport $port accept; done
        sleep 1
      done";
    let _poller = lab.guarded().spawn(["sh", "-c", script]);
    thread::sleep(Duration::from_secs(1));
    let mut client = Worker::start(lab.scanner(), &[]);
    client.tell(&format!("connects-paced {at} 2000"));
    let numbers = client.numbers();
    numbers[1] / numbers[0].max(1.0) * 100.0
}

/// What a new connection costs beside an empty rule set with connection tracking: the time that a
/// client waits, and the processor's work with everything on one core.
pub(crate) fn cost(report: &mut Report) {
    let [ours, theirs] = connection_times(["0", "1"]);
    report.peer("a new connection", ours, ("empty rule set", theirs), "us");
    report.limit("cost of the rules", (ours / theirs - 1.0) * 100.0, 3.0, "%");
    let [ours, theirs] = connection_times(["0", "0"]);
    report.peer("a new connection, work of one core", ours, ("empty rule set", theirs), "us");
}

/// Returns the microseconds for a new connection with our rules and with none, the client and the
/// server on these cores: medians of short stretches that take turns.
fn connection_times(cores: [&str; 2]) -> [f64; 2] {
    const STRETCHES: usize = 200;
    const STRETCH: Duration = Duration::from_millis(100);
    let at = std::net::SocketAddr::new(GUARDED_V4, 8080);
    let (guarded, empty) = (Lab::new(), Lab::new());
    let _daemon = Daemon::start(guarded.guarded(), FOLLOWING);
    empty.guarded().nft(
        "table inet empty {
           chain input { type filter hook input priority 0; ct state established accept; }
         }",
    );
    let [client_core, server_core] = cores.map(|core| ["taskset", "--cpu-list", core]);
    let mut sides = [&guarded, &empty].map(|lab| {
        let mut server = Worker::start(lab.guarded(), &server_core);
        server.ask(&format!("accept {at}"));
        (server, Worker::start(lab.scanner(), &client_core), Vec::new())
    });
    for stretch in 0..STRETCHES {
        // Each is first as often as the other.
        for turn in 0..2 {
            let (_, client, times) = &mut sides[(stretch + turn) % 2];
            client.tell(&format!("connects-for {at} {}", STRETCH.as_millis()));
            times.push(STRETCH.as_secs_f64() * 1e6 / client.numbers()[0].max(1.0));
        }
    }
    sides.map(|(_, _, mut times)| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    })
}

/// What it costs to watch five hundred listeners, and how soon a new one is reached.
pub(crate) fn watch(report: &mut Report) {
    const WATCHED: Duration = Duration::from_secs(20);
    const TRIES: usize = 100;
    let lab = Lab::new();
    let program = std::env::current_exe().expect("a running program knows its path");
    let configuration = format!(
        "[guard]\nposture = \"closed\"\n[ports]\nalways = []\n[[ports.approve]]\nexe = \"{}\"\n",
        program.display()
    );
    let daemon = Daemon::start(lab.guarded(), &configuration);
    let mut many = Worker::start(lab.guarded(), &[]);
    many.ask("listen-many 20000 500");
    let mut server = Worker::start(lab.guarded(), &[]);
    let mut client = Worker::start(lab.scanner(), &[]);
    client.ask("open-after 10.77.0.1:20499");
    let before = processor_time(&daemon);
    thread::sleep(WATCHED);
    let used = processor_time(&daemon).saturating_sub(before);
    let share = used.as_secs_f64() / WATCHED.as_secs_f64() * 100.0;
    report.limit("500 listeners, processor", share, 0.2, "%");
    let mut times: Vec<Duration> = (0..TRIES)
        .map(|_| {
            client.tell("open-after 10.77.0.1:9000");
            server.ask("listen-tcp 0.0.0.0:9000");
            let start = Instant::now();
            client.answer();
            let took = start.elapsed();
            server.ask("close");
            // Until it is seen that it is gone.
            thread::sleep(Duration::from_millis(120));
            took
        })
        .collect();
    let p50 = ms(percentile(&mut times, 0.5));
    report.limit("approved listener until reached, p50".to_owned(), p50, 100.0, "ms");
    let longest = ms(percentile(&mut times, 1.0));
    report.limit("approved listener until reached, longest".to_owned(), longest, 100.0, "ms");
}

/// Orders about ports through the API.
pub(crate) fn orders(report: &mut Report) {
    let lab = Lab::new();
    let daemon = Daemon::start(lab.guarded(), "");
    let mut api = Api::connect(&daemon.socket()).expect("the daemon listens");
    let mut times: Vec<Duration> = (0..1_000)
        .map(|index| {
            let order = json!({ "what": format!("tcp/{}", 10_000 + index), "for": "1h" });
            let start = Instant::now();
            api.post("/v1/open", &order);
            start.elapsed()
        })
        .collect();
    report.limit("open a port, p50", ms(percentile(&mut times, 0.5)), 1.0, "ms");
    report.limit("open a port, p99", ms(percentile(&mut times, 0.99)), 5.0, "ms");
    let start = Instant::now();
    api.post("/v1/posture", &json!({ "order": "lockdown" }));
    report.limit("lockdown", ms(start.elapsed()), 100.0, "ms");
}
