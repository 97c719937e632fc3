//! Taps: how many packets a second one core takes from an interface and judges, beside programs that
//! only take them.

use std::time::Duration;

use lab::{Daemon, Host, Lab, eventually, running::Running};

use crate::{
    api::Api,
    figure::Report,
    load::{processor_time, processor_time_of},
    worker::Worker,
};

/// What is offered, in packets a second, and for how long.
const RATE: u64 = 200_000;
const LENGTH: Duration = Duration::from_secs(5);

/// How long a reader may take to start, and to say what it counted.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a reader made of the packets.
#[derive(Debug, Default)]
struct Taken {
    /// In packets a second of the wall clock, and of the reader's processor time.
    rate: f64,
    rate_of_core: f64,
    /// Of those that came, in percent.
    lost: f64,
}

impl Taken {
    fn new(taken: f64, lost: f64, seconds: f64, used: Duration) -> Self {
        Self {
            rate: taken / seconds,
            rate_of_core: taken / used.as_secs_f64().max(1e-9),
            lost: lost / (taken + lost).max(1.0) * 100.0,
        }
    }
}

/// A flood of datagrams over a cable: ours, tcpdump and netsniff-ng one after the other, on the core
/// that the sender does not use.
pub(crate) fn taps(report: &mut Report) {
    let ours = tapped();
    let tcpdump = captured(
        "exec tcpdump -Z root -n -i cable -s 256 -B 2048 -w /dev/null 2>&1",
        "listening on",
        &["packets captured", "packets dropped by kernel"],
    );
    let netsniff = captured(
        "exec netsniff-ng --in cable --silent --ring-size 2MiB 2>&1",
        "Running!",
        &["packets passed filter", "packets failed filter"],
    );
    for (name, theirs) in [("tcpdump", &tcpdump), ("netsniff-ng", &netsniff)] {
        let unit = "/s";
        report.peer("tap: packets taken and judged", ours.rate, (name, theirs.rate), unit);
        let (of_core, theirs_of_core) = (ours.rate_of_core, theirs.rate_of_core);
        report.peer("tap: packets per second of a core", of_core, (name, theirs_of_core), unit);
        report.peer("tap: packets lost", ours.lost, (name, theirs.lost), "%");
    }
    report.limit("tap: packets lost", ours.lost, 1.0, "%");
}

/// Pins a process to the second core, and everything that it starts.
fn pin(host: &Host, pid: u32) {
    host.run(["taskset", "--all-tasks", "--cpu-list", "--pid", "1", &pid.to_string()]);
}

/// Floods the guarded host; returns how many packets were sent, and in how many seconds.
fn flood(lab: &Lab) -> (f64, f64) {
    let mut sender = Worker::start(lab.scanner(), &["taskset", "--cpu-list", "0"]);
    sender.tell(&format!("flood 10.77.0.1:9 {RATE} {}", LENGTH.as_millis()));
    let numbers = sender.numbers();
    (numbers[0], numbers[1])
}

fn tapped() -> Taken {
    let lab = Lab::new();
    let daemon = Daemon::start(
        lab.guarded(),
        // The firewall's own account of the flood is another figure.
        "[firewall]\nlog_allowed = false\nlog_blocked = false\n[packets]\ninterfaces = [\"cable\"]\n",
    );
    let mut api = Api::connect(&daemon.socket()).expect("the daemon listens");
    let mut state = || api.get("/v1/status")["taps"][0].clone();
    eventually("the tap is open", PATIENCE, || (state()["is_open"] == true).then_some(()));
    pin(lab.guarded(), daemon.pid().expect("the daemon runs"));
    let before = processor_time(&daemon);
    let (sent, seconds) = flood(&lab);
    let (taken, lost) = eventually("all packets are accounted for", PATIENCE, || {
        let state = state();
        let [taken, lost] = ["taken", "lost"].map(|name| state[name].as_f64().unwrap_or(0.0));
        (taken + lost >= sent).then_some((taken, lost))
    });
    let used = processor_time(&daemon).saturating_sub(before);
    Taken::new(taken, lost, seconds, used)
}

/// Floods while another program captures; its last lines have the numbers before these words.
fn captured(line: &str, ready: &str, words: &[&str; 2]) -> Taken {
    let lab = Lab::new();
    let running = lab.guarded().spawn(["sh", "-c", line]);
    wait_for_line(&running, ready);
    pin(lab.guarded(), running.pid());
    let before = processor_time_of(running.pid());
    let (_, seconds) = flood(&lab);
    let used = processor_time_of(running.pid()).saturating_sub(before);
    lab.guarded().run(["kill", "-INT", &running.pid().to_string()]);
    let said: Vec<String> = std::iter::from_fn(|| running.line(PATIENCE)).collect();
    let number = |word: &str| {
        let line = said.iter().find(|line| line.contains(word));
        let first = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
        first.unwrap_or(f64::NAN)
    };
    let [taken, lost] = words.map(number);
    Taken::new(taken, lost, seconds, used)
}

fn wait_for_line(running: &Running, text: &str) {
    while let Some(line) = running.line(PATIENCE) {
        if line.contains(text) {
            return;
        }
    }
    panic!("it did not say `{text}`");
}
