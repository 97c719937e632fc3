//! The story that `cargo xtask demo` tells: a guarded host meets a real scanner. Every figure is
//! measured while the story runs, and checked; a figure that is wrong ends the story.

use std::{
    net::{IpAddr, SocketAddr},
    process::ExitCode,
    time::{Duration, Instant},
};

use lab::{
    Answer, Daemon, Forgery, Kind, Lab,
    deadline::PATIENCE,
    eventually,
    wiring::{GUARDED_V4, GUARDED_V6},
};

/// Short bans, so that the story shows how they grow.
const CONFIGURATION: &str = "
[ladders.trap]
base = \"1s\"
permanent_after = 3
[[traps]]
ports = [\"23\", \"3389\"]
[[traps]]
ports = [\"5900\"]
evidence = \"probe\"
";

/// How long nothing must come back.
const SILENCE: Duration = Duration::from_millis(300);

fn main() -> ExitCode {
    let mut story = Story::begin();
    story.scan();
    story.ladder();
    story.ipv6();
    story.forgery();
    story.flush();
    story.restart();
    story.end()
}

struct Story {
    daemon: Daemon,
    lab: Lab,
    wrong: Vec<String>,
}

impl Story {
    fn begin() -> Self {
        println!(
            "A host at {GUARDED_V4} and {GUARDED_V6}, guarded; a scanner on the other end of the wire.\n"
        );
        let lab = Lab::new();
        let start = Instant::now();
        let daemon = Daemon::start(lab.guarded(), CONFIGURATION);
        let mut story = Self { daemon, lab, wrong: Vec::new() };
        let took = start.elapsed();
        let traps = story.number("/traps_set");
        story.tell(
            traps == 6,
            &format!("guarding after {} ms, with {traps} traps", took.as_millis()),
        );
        story
    }

    /// nmap goes over the ports, upwards; the first trap is port 23.
    fn scan(&mut self) {
        println!("\n# nmap -sT goes over the ports 1 to 1000");
        let words = "-sT -r -p 1-1000 --max-retries 0 --host-timeout 15s 10.77.0.1";
        let findings = self.lab.scanner().nmap(&words.split(' ').collect::<Vec<_>>());
        let is_learnt = |state: &str| matches!(state, "open" | "closed");
        let learnt = findings.iter().filter(|found| found.port > 23 && is_learnt(&found.state));
        let learnt = learnt.count();
        self.tell(learnt == 0, &format!("ports it learnt after its first trap: {learnt}"));
        let dropped = self.number("/turned_away/banned_packets");
        self.tell(dropped > 0, &format!("packets of it that were dropped: {dropped}"));
    }

    fn ladder(&mut self) {
        println!("\n# It comes back each time its ban is over");
        for (nth, expect) in [(2, "4s"), (3, "forever")] {
            self.wait_for("10.77.0.2", "none");
            self.touch("10.77.0.2", GUARDED_V4, 23);
            self.wait_for("10.77.0.2", "banned");
            let hold = self.daemon.ask(&["list", "bans"])[0].clone();
            let left = hold["seconds_left"]
                .as_u64()
                .map_or("forever".to_owned(), |left| format!("{left}s"));
            let right = hold["nth_ban"] == nth && left == expect;
            self.tell(right, &format!("ban number {} lasts {left}", hold["nth_ban"]));
        }
    }

    fn ipv6(&mut self) {
        println!("\n# The same over IPv6");
        let start = Instant::now();
        self.touch("fd77:1::2", GUARDED_V6, 3389);
        self.wait_for("fd77:1::2", "banned");
        let took = start.elapsed().as_millis();
        let subject = self.daemon.ask(&["why", "fd77:1::2"])["holds"][0]["subject"].clone();
        let right = subject == "fd77:1::/64";
        self.tell(right, &format!("banned as {subject}, seen after {took} ms"));
    }

    fn forgery(&mut self) {
        println!("\n# Somebody writes a stranger's address into a SYN");
        let from: SocketAddr = ([203, 0, 113, 9], 40_000).into();
        for port in [23, 5900] {
            let to = SocketAddr::new(GUARDED_V4, port);
            self.lab.scanner().forge(&Forgery::single(Kind::Syn, from, to));
        }
        self.wait_for("203.0.113.9", "throttled");
        let verdict = self.verdict("203.0.113.9");
        self.tell(verdict == "throttled", &format!("the framed stranger is {verdict}, not banned"));
    }

    fn flush(&mut self) {
        println!("\n# Another program flushes the rule set");
        self.lab.guarded().run(["nft", "flush", "ruleset"]);
        let start = Instant::now();
        self.wait_for("10.77.0.2", "banned");
        let took = start.elapsed().as_millis();
        let told = self.daemon.log().contains("Repaired: the table was deleted by nft");
        self.tell(
            told,
            &format!("everything is back, seen after {took} ms, and the journal names nft"),
        );
    }

    fn restart(&mut self) {
        println!("\n# kill -9, and a new start");
        self.daemon.kill9();
        let to = SocketAddr::new(GUARDED_V4, 3389);
        let from = "10.77.0.2".parse().ok();
        let answer = self.lab.scanner().connect(from, to, SILENCE);
        self.tell(answer == Answer::Silence, "without the daemon the ban holds");
        self.daemon.launch();
        self.daemon.wait_until_ready(PATIENCE);
        let bans = self.number("/held/banned");
        self.tell(bans == 2, &format!("bans after the new start: {bans}"));
        println!("\n{}", self.daemon.say(&["why", "10.77.0.2"]));
    }

    fn end(self) -> ExitCode {
        if self.wrong.is_empty() {
            println!("Every figure was as it should be.");
            return ExitCode::SUCCESS;
        }
        for line in &self.wrong {
            eprintln!("error: not as it should be: {line}");
        }
        ExitCode::FAILURE
    }

    fn tell(&mut self, right: bool, line: &str) {
        println!("  {} {line}", if right { "ok   " } else { "WRONG" });
        if !right {
            self.wrong.push(line.to_owned());
        }
    }

    fn touch(&self, from: &str, to: IpAddr, port: u16) {
        let from = from.parse().ok();
        let answer = self.lab.scanner().connect(from, SocketAddr::new(to, port), SILENCE);
        assert!(matches!(answer, Answer::Open | Answer::Refused), "the trap at {port}: {answer:?}");
    }

    fn verdict(&self, address: &str) -> String {
        self.daemon.ask(&["check", address])["verdict"].as_str().unwrap_or_default().to_owned()
    }

    fn wait_for(&self, address: &str, verdict: &str) {
        eventually(&format!("{address} is {verdict}"), PATIENCE, || {
            (self.verdict(address) == verdict).then_some(())
        });
    }

    fn number(&self, pointer: &str) -> u64 {
        let status = self.daemon.status();
        status.pointer(pointer).and_then(serde_json::Value::as_u64).unwrap_or_default()
    }
}
