//! The record of packet decisions: how many a second it keeps, and how fast it answers.

use std::{
    thread,
    time::{Duration, Instant},
};

use lab::{Daemon, Lab};

use crate::{
    api::Api,
    figure::{Report, ms, percentile},
    load::processor_time,
    worker::Worker,
};

/// A flood of packets to a closed port, with the daemon on one processor; then questions about the
/// million decisions that are kept.
pub(crate) fn packets(report: &mut Report) {
    const RATE: u64 = 200_000;
    const SECONDS: u64 = 10;
    let lab = Lab::new();
    let daemon = Daemon::start(
        lab.guarded(),
        "[guard]\nposture = \"closed\"\n[firewall]\nlog_limit = \"10000000/second\"\n",
    );
    let pid = daemon.pid().expect("the daemon runs").to_string();
    lab.guarded().run(["taskset", "--all-tasks", "--cpu-list", "--pid", "1", &pid]);
    let mut api = Api::connect(&daemon.socket()).expect("the daemon listens");
    let mut sender = Worker::start(lab.scanner(), &["taskset", "--cpu-list", "0"]);
    let before = processor_time(&daemon);
    sender.tell(&format!("flood 10.77.0.1:9 {RATE} {}", SECONDS * 1_000));
    let numbers = sender.numbers();
    let (sent, seconds) = (numbers[0], numbers[1]);
    let record = settled(&mut api, sent);
    let used = processor_time(&daemon).saturating_sub(before);
    let number = |name: &str| record[name].as_f64().unwrap_or(0.0);
    let (taken, lost, limited) = (number("taken"), number("lost"), number("over_limit"));
    report.least("packets recorded a second".to_owned(), taken / seconds, 200_000.0 * 0.99, "");
    report.limit("packets neither kept nor counted".to_owned(), sent - taken - lost, 0.0, "");
    report.limit("packets lost".to_owned(), lost + limited, sent * 0.01, "");
    let share = used.as_secs_f64() / seconds * 100.0;
    report.limit("processor of the whole daemon meanwhile".to_owned(), share, 100.0, "%");
    report.least("decisions kept".to_owned(), number("kept"), 1_000_000.0, "");
    for (what, question) in [
        ("that finds nothing", "/v1/log?port=10&limit=1000"),
        ("of one source", "/v1/log?source=10.77.0.2&limit=1000"),
        ("of one rule", "/v1/log?rule=ban&limit=1000"),
    ] {
        let mut times: Vec<Duration> = (0..50)
            .map(|_| {
                let start = Instant::now();
                api.get(question);
                start.elapsed()
            })
            .collect();
        let p99 = ms(percentile(&mut times, 0.99));
        report.limit(format!("question {what} over a million, p99"), p99, 50.0, "ms");
    }
}

/// Waits until everything that was sent is in the record or counted as lost; returns the counts.
fn settled(api: &mut Api, sent: f64) -> serde_json::Value {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let status = api.get("/v1/status");
        let record = status["record"].clone();
        let number = |name: &str| record[name].as_f64().unwrap_or(0.0);
        if number("taken") + number("lost") >= sent || Instant::now() > deadline {
            return record;
        }
        thread::sleep(Duration::from_millis(50));
    }
}
