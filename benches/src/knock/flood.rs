//! What a flood of bad knocks costs, and what it does to bans, beside the same flood to the next port.

use std::{
    fs,
    net::UdpSocket,
    thread,
    time::{Duration, Instant},
};

use portguard_reach::knock::{LENGTH, random};
use serde_json::{Value, json};

use crate::{
    api::Api,
    figure::{Report, ms, percentile},
    load::processor_time,
    worker::Worker,
};

use super::{Door, KNOCK, PATIENCE, SOURCES, bound, sealed};

/// A port that is as closed, where no knocks are taken.
const ELSEWHERE: u16 = KNOCK + 1;

/// Bad knocks a second.
const RATE: f64 = 100_000.0;

/// A hundred thousand bad knocks a second, by those who do not know the host's key and by those who do.
///
/// What bans take meanwhile stands beside what they take while the same flood goes to the next port, where
/// nobody knocks: that is what any flood costs. The two take turns, so that both meet the same machine.
pub(crate) fn flood(report: &mut Report) {
    const ALONE: Duration = Duration::from_secs(10);
    const WITH_BANS: Duration = Duration::from_secs(4);
    const ROUNDS: u32 = 5;
    for (who, kind) in [("strangers", "random"), ("with the host's key", "sealed")] {
        let mut flooded = Flooded::new(kind);
        let mut quiet = flooded.bans(WITH_BANS);
        let alone = flooded.flood(KNOCK, ALONE, |_| ());
        let elsewhere = flooded.flood(ELSEWHERE, ALONE, |_| ());
        let (mut sent, mut during, mut beside) = (alone.sent, Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            beside.extend(flooded.flood(ELSEWHERE, WITH_BANS, |one| one.bans(WITH_BANS)).result);
            let round = flooded.flood(KNOCK, WITH_BANS, |one| one.bans(WITH_BANS));
            sent += round.sent;
            during.extend(round.result);
        }
        let (status, refused, lost) = settled(&mut flooded.api, sent);
        let opened = status["doors"].as_f64().unwrap_or(f64::NAN);
        let rate = alone.sent / alone.seconds;
        report.least(format!("bad knocks a second, {who}"), rate, RATE * 0.99, "");
        report.limit(format!("of them opened something, {who}"), opened, 0.0, "");
        report.limit(format!("neither judged nor counted, {who}"), sent - refused - lost, 0.0, "");
        report.limit(format!("not judged, {who}"), lost, sent * 0.01, "");
        let what = format!("processor, daemon and all interrupts, {who}");
        report.limit(what.clone(), alone.all, 50.0, "%");
        report.peer(what, alone.all, ("next port", elsewhere.all), "%");
        report.limit(format!("processor of the daemon alone, {who}"), alone.daemon, 50.0, "%");
        for (name, part) in [("p50", 0.5), ("p99", 0.99)] {
            let what = format!("single ban meanwhile, {name}, {who}");
            let [during, beside, quiet] =
                [&mut during, &mut beside, &mut quiet].map(|times| ms(percentile(times, part)));
            report.peer(what.clone(), during, ("next port", beside), "ms");
            report.peer(what, during, ("when quiet", quiet), "ms");
        }
    }
}

/// A guarded host, and somebody who sends bad knocks to it.
struct Flooded {
    door: Door,
    api: Api,
    sender: Worker,
    banned: u32,
}

/// What a flood took, in percent of a processor, and what was measured meanwhile.
struct Cost<T> {
    sent: f64,
    seconds: f64,
    all: f64,
    daemon: f64,
    result: T,
}

impl Flooded {
    /// With bad knocks of this kind.
    fn new(kind: &str) -> Self {
        let door = Door::new("open_for = \"1h\"\n");
        let api = door.api();
        let mut sender = Worker::start(door.lab.scanner(), &["taskset", "--cpu-list", "0"]);
        sender.ask(&format!("knocks {kind} {}", door.host_key));
        Self { door, api, sender, banned: 0 }
    }

    /// Sends them to a port for a while, and does something meanwhile that ends before.
    fn flood<T>(
        &mut self,
        port: u16,
        length: Duration,
        meanwhile: impl FnOnce(&mut Self) -> T,
    ) -> Cost<T> {
        let (used, interrupts) = (processor_time(&self.door.daemon), softirq_time());
        self.sender.tell(&format!("flood-knocks {port} {RATE} {}", length.as_millis()));
        let result = meanwhile(self);
        let numbers = self.sender.numbers();
        let (sent, seconds) = (numbers[0], numbers[1]);
        let used = processor_time(&self.door.daemon).saturating_sub(used);
        let interrupts = softirq_time().saturating_sub(interrupts);
        let share = |time: Duration| time.as_secs_f64() / seconds * 100.0;
        Cost { sent, seconds, all: share(used + interrupts), daemon: share(used), result }
    }

    /// Bans one address after the other for a while; returns how long each took.
    fn bans(&mut self, length: Duration) -> Vec<Duration> {
        let (start, mut times) = (Instant::now(), Vec::new());
        while start.elapsed() < length {
            let subject = crate::single::address(self.banned);
            let order = json!({ "measure": "ban", "subject": subject, "for": "1h" });
            let began = Instant::now();
            self.api.post("/v1/hold", &order);
            times.push(began.elapsed());
            self.banned += 1;
            thread::sleep(Duration::from_millis(2));
        }
        times
    }
}

/// Waits until every knock that was sent is counted; returns the status, how many were refused and how
/// many lost.
fn settled(api: &mut Api, sent: f64) -> (Value, f64, f64) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let status = api.get("/v1/status");
        let kinds = status["knock"]["refused"].as_object();
        let refused = kinds.map_or(0.0, |kinds| kinds.values().filter_map(Value::as_f64).sum());
        let lost = status["knock"]["lost"].as_f64().unwrap_or_default();
        if refused + lost >= sent || Instant::now() > deadline {
            return (status, refused, lost);
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// Returns the processor time that interrupts have taken for networks and else, on all processors.
fn softirq_time() -> Duration {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let line = text.lines().next().unwrap_or_default();
    // user nice system idle iowait irq softirq (proc_stat(5)), in hundredths of a second.
    let ticks = line.split_whitespace().nth(7).and_then(|word| word.parse::<u64>().ok());
    Duration::from_millis(10 * ticks.unwrap_or_default())
}

/// Bad knocks.
#[derive(Default)]
pub(crate) struct Knocks {
    packets: Vec<[u8; LENGTH]>,
}

impl Knocks {
    /// Makes them: `random` bytes, or `sealed` for the host by keys that it does not know.
    pub(crate) fn make(&mut self, kind: &str, host_key: &str) -> String {
        const RANDOM: usize = 1_000;
        const SEALED: usize = 20_000;
        let host = host_key.parse().expect("a host's key");
        let random_packet = || {
            let parts: Vec<u8> =
                (0..LENGTH / 32).flat_map(|_| *random().expect("random bytes")).collect();
            let mut packet: [u8; LENGTH] = parts.try_into().expect("so many bytes");
            packet[0] = 1;
            packet
        };
        self.packets = match kind {
            "random" => (0..RANDOM).map(|_| random_packet()).collect(),
            _ => (0..SEALED).map(|_| sealed(host, &[9; 32])).collect(),
        };
        "ready".to_owned()
    }

    /// Sends them to a port at a rate: how many were sent, and in how many seconds.
    pub(crate) fn flood(&self, port: u16, per_second: u64, length: Duration) -> String {
        let sockets: Vec<UdpSocket> = (1..=SOURCES).map(|last| bound(last, port)).collect();
        let start = Instant::now();
        let mut sent = 0_usize;
        while start.elapsed() < length {
            let due = start.elapsed().as_micros() * u128::from(per_second) / 1_000_000;
            while (sent as u128) < due {
                let socket = &sockets[sent % sockets.len()];
                // What there is no room for was sent all the same.
                let _ = socket.send(&self.packets[sent % self.packets.len()]);
                sent += 1;
            }
            thread::sleep(Duration::from_micros(200));
        }
        format!("{sent} {}", start.elapsed().as_secs_f64())
    }
}
