//! Ports are shared through a provider, a real OpenSSH server: the address is read, traffic passes,
//! what breaks is mended, who is not to be trusted is refused, and what ends leaves nothing behind.

pub(crate) mod provider;
mod refused;

use std::{fs, thread};

use lab::{Daemon, Lab, Running, deadline::PATIENCE, eventually};
use serde_json::Value;

use crate::story::{Ran, Story, wait_for};

use provider::{BANNER, LONG, Provider, family};

/// The port that the provider forwards.
const AFAR: u16 = 8000;

/// Where the shared service listens on the guarded host.
const SERVICE: &str = "127.0.0.1:8080";

/// A guarded host with a service, and a provider.
pub(crate) struct Tale {
    pub(crate) story: Story,
    pub(crate) provider: Provider,
    _service: Running,
}

impl Tale {
    /// Everything runs, and nothing is shared.
    fn new() -> Self {
        Self::with("")
    }

    /// The same with more configuration.
    pub(crate) fn with(configuration: &str) -> Self {
        let lab = Lab::new();
        let provider = Provider::start(&lab);
        Self::at(lab, provider, configuration)
    }

    fn at(lab: Lab, provider: Provider, configuration: &str) -> Self {
        let mut daemon = Daemon::prepare(lab.guarded(), "");
        daemon.configure(&Self::configuration(&daemon, configuration));
        daemon.launch();
        daemon.wait_until_ready(PATIENCE);
        let service =
            lab.guarded().spawn([lab::program::probe().to_str().unwrap(), "http", SERVICE]);
        assert_eq!(service.line(PATIENCE).as_deref(), Some("ready"));
        Self { story: Story { daemon, lab }, provider, _service: service }
    }

    fn configuration(daemon: &Daemon, more: &str) -> String {
        format!(
            "[share]\nprovider = \"tunnel\"\nknown_hosts = \"{}\"\n\
             [share.providers.tunnel]\nlogin = \"provider@10.77.0.2:2222\"\nremote_port = {AFAR}\n\
             url = 'https://[a-z0-9-]+\\.lhr\\.example'\n{more}",
            known_hosts(daemon).display()
        )
    }

    /// Shares the service while the provider prints this address; returns what the command said.
    fn share(&self, address: &str) -> Value {
        self.provider.say(&format!("{address} tunneled with tls termination, https://{address}\n"));
        self.story.json(&["share", "8080"])
    }

    /// Returns the share of the service; null if there is none.
    fn row(&self) -> Value {
        self.story.json(&["share", "list"]).as_array().unwrap().first().cloned().unwrap_or_default()
    }

    pub(crate) fn wait_for_state(&self, state: &str) {
        let what = format!("the share is {state}");
        eventually(&what, LONG, || (self.row()["state"] == state).then_some(()));
    }

    fn wait_for_url(&self, url: &str) {
        eventually(url, PATIENCE, || (self.row()["url"] == url).then_some(()));
    }

    /// Returns how many threads the daemon has that are of shares.
    fn threads(&self) -> usize {
        let pid = self.story.daemon.pid().unwrap();
        let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
        let names =
            threads.filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("comm")).ok());
        names.filter(|name| name.trim() == "share").count()
    }

    /// Runs a command that is refused by the rules; returns its complaint.
    fn refused(&self, words: &[&str]) -> String {
        let Ran { code, stdout, stderr } = self.story.cli(words);
        assert_eq!((code, stdout.as_str()), (1, ""), "{words:?}: {stderr}");
        let lines =
            stderr.lines().filter(|line| line.starts_with("error: ") || line.starts_with("hint: "));
        lines.collect::<Vec<_>>().join("\n")
    }
}

/// Returns what a scanner reads from a code, each module four dots wide.
fn scanned(tale: &Tale, rows: &[Value]) -> String {
    let dots = rows.iter().flat_map(|row| {
        let modules = row.as_str().unwrap().chars().flat_map(|module| [module; 4]);
        let dots: String = modules.map(|module| if module == '#' { '1' } else { '0' }).collect();
        std::iter::repeat_n(dots + "\n", 4)
    });
    let size = 4 * rows.len();
    let picture = tale.story.daemon.home().join("code.pbm");
    fs::write(&picture, format!("P1\n{size} {size}\n{}", dots.collect::<String>())).unwrap();
    let picture = picture.to_str().unwrap();
    let read = tale.story.lab.guarded().run(["zbarimg", "--quiet", "--raw", "--nodbus", picture]);
    read.trim().to_owned()
}

fn known_hosts(daemon: &Daemon) -> std::path::PathBuf {
    daemon.home().join("state/known_hosts")
}

#[test]
fn a_shared_port_is_reached_from_afar_under_the_address_that_is_told() {
    let tale = Tale::new();
    assert_eq!(tale.threads(), 0, "nothing runs while nothing is shared");
    let share = tale.share("abc123.lhr.example");
    assert_eq!(share["url"], "https://abc123.lhr.example", "and none of the decoys");
    assert_eq!((share["state"].as_str(), share["port"].as_u64()), (Some("up"), Some(8080)));
    assert!(share["host_key"].as_str().unwrap().starts_with("SHA256:"));
    let rows = share["qr"].as_array().unwrap();
    assert_eq!(rows.len(), 25 + 8, "version 2 with its margin");
    assert!(rows.iter().all(|row| row.as_str().unwrap().len() == rows.len()));
    assert_eq!(scanned(&tale, rows), "https://abc123.lhr.example");
    assert!((7_100..=7_200).contains(&share["seconds_left"].as_u64().unwrap()), "share.for is 2h");

    assert_eq!(tale.provider.visit(AFAR, 5_000_000), ("200".to_owned(), 5_000_000));
    assert_eq!(tale.provider.visits_at_once(AFAR, 50), 50);
    assert_eq!(tale.row()["connections"], 51);
    let said = tale.story.cli(&["share", "list"]).stdout;
    assert!(said.contains("8080  up     https://abc123.lhr.example"), "{said}");

    let log = tale.story.daemon.log();
    for line in [
        "tcp/8080 is shared through tunnel for 2h by operator (uid 0)",
        "tunnel was met for the first time; its host key is SHA256:",
        "tcp/8080 can be reached at https://abc123.lhr.example through tunnel",
    ] {
        assert!(log.contains(line), "{line}");
    }
    tale.story.order(&["share", "stop", "8080"]);
    assert!(
        tale.story
            .daemon
            .log()
            .contains("no longer shared through tunnel: stopped by operator (uid 0)")
    );
    assert_eq!((tale.row(), tale.threads()), (Value::Null, 0));
    wait_for("the tunnel to be down", || !tale.provider.forwards(AFAR));
    let events = tale.story.json(&["events"]);
    let shares = events.as_array().unwrap().iter().filter(|event| event["kind"] == "share");
    assert_eq!(shares.count(), 4, "begun, met, reachable, ended");
}

#[test]
fn the_command_says_first_who_sees_what_passes_and_prints_the_address_alone() {
    let tale = Tale::new();
    tale.provider.say("https://abc.lhr.example\n");
    let ran = tale.story.cli(&["share", "8080", "--for", "1h"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "https://abc.lhr.example\n"), "{}", ran.stderr);
    let lines: Vec<&str> = ran.stderr.lines().collect();
    assert!(lines[0].contains("the provider sees what passes"), "{}", ran.stderr);
    assert!(lines.last().unwrap().ends_with("to end it: portguard share stop 8080"));
    // A terminal gets the code as well; `script` gives it one.
    tale.story.order(&["share", "stop", "8080"]);
    let daemon = &tale.story.daemon;
    let command = format!(
        "{} --config {} --socket {} share 8080",
        lab::program::guard().display(),
        daemon.config().display(),
        daemon.socket().display()
    );
    let shown = tale.story.lab.guarded().run(["script", "-qec", &command, "/dev/null"]);
    assert!(shown.contains("https://abc.lhr.example"), "{shown}");
    let code = shown
        .lines()
        .filter(|line| line.starts_with("\x1b[97;40m\u{2588}\u{2588}\u{2588}\u{2588}"));
    assert_eq!(code.count(), (25usize + 8).div_ceil(2), "{shown}");
}

#[test]
fn an_address_in_pieces_and_colours_is_read_and_a_new_one_followed() {
    let tale = Tale::new();
    tale.provider.say_only("\x1b]0;https://title.lhr.example\x07\x1b[1mhttps://one");
    let (story, order) = (&tale.story, ["--json", "share", "8080"]);
    thread::scope(|scope| {
        let waiting = scope.spawn(move || story.cli(&order));
        wait_for("the tunnel", || tale.provider.forwards(AFAR));
        // The half of the line has long gone out when the other half follows.
        wait_for("the share", || tale.row()["state"] == "up");
        tale.provider.say("\x1b[31m23\x1b[0m.lhr.example\r\n");
        let ran = waiting.join().unwrap();
        let share: Value = serde_json::from_str(&ran.stdout).unwrap();
        assert_eq!(share["url"], "https://one23.lhr.example", "{}", ran.stderr);
    });
    let first = tale.row()["qr"].clone();
    tale.provider.say("your address is now https://two.lhr.example\n");
    tale.wait_for_url("https://two.lhr.example");
    assert_ne!(tale.row()["qr"], first);
    tale.story.wait_for_line("can be reached at https://two.lhr.example");
    assert!(tale.provider.is_reached(AFAR), "the tunnel stayed as it was");
    assert_eq!(tale.provider.met(), 1);
}

#[test]
fn a_provider_that_goes_away_is_followed_when_it_is_back() {
    let mut tale = Tale::new();
    tale.share("one.lhr.example");
    tale.provider.down();
    tale.wait_for_state("waiting");
    let row = tale.row();
    assert_eq!((&row["url"], row["qr"].as_array()), (&Value::Null, None), "nobody is sent there");
    assert!(row["detail"].as_str().unwrap().contains("tried again in "), "{row}");
    tale.provider.say_only("https://two.lhr.example\n");
    tale.provider.up();
    tale.wait_for_url("https://two.lhr.example");
    assert!(tale.provider.is_reached(AFAR));
    let log = tale.story.daemon.log();
    assert_eq!(log.matches("tcp/8080 is not reached through tunnel for now: ").count(), 1, "{log}");
    assert_eq!(log.matches("met for the first time").count(), 1);
}

#[test]
fn a_provider_that_prints_no_address_forwards_all_the_same() {
    let tale = Tale::new();
    let ran = tale.story.cli(&["share", "8080"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, ""), "{}", ran.stderr);
    assert!(ran.stderr.contains("warning: the provider printed no address\n"), "{}", ran.stderr);
    let row = tale.row();
    assert_eq!((row["state"].as_str(), &row["url"]), (Some("up"), &Value::Null));
    assert!(tale.provider.is_reached(AFAR));
    tale.story.wait_for_line("tcp/8080 is shared through tunnel, which printed no address");
    tale.provider.say("https://late.lhr.example\n");
    tale.wait_for_url("https://late.lhr.example");
    assert_eq!(tale.row()["detail"], Value::Null);
}

#[test]
fn a_server_that_is_no_provider_chooses_a_port_and_needs_no_terminal() {
    let lab = Lab::new();
    let mut provider = Provider::prepare(&lab);
    provider.settings("PermitTTY no\nBanner none");
    provider.up();
    let tale = Tale::at(lab, provider, "");
    let via = ["share", "8080", "--via", "provider@10.77.0.2:2222"];
    let share = tale.story.json(&via);
    let detail = share["detail"].as_str().unwrap();
    let (_, port) = detail.split_once("; it listens on its port ").unwrap();
    assert!(tale.provider.is_reached(port.parse().unwrap()), "{detail}");
    tale.provider.say(&format!("http://10.77.0.2:{port}\n"));
    tale.wait_for_url(&format!("http://10.77.0.2:{port}"));
}

#[test]
fn a_provider_that_says_nothing_is_given_up_and_tried_again() {
    let lab = Lab::new();
    let provider = Provider::prepare(&lab);
    let mut tale = Tale::at(lab, provider, "");
    let silent = tale.story.lab.scanner().spawn(["nc", "-lk", "10.77.0.2", "2222"]);
    wait_for("somebody to listen", || tale.provider.forwards(provider::PORT));
    let order = r#"{"port": 8080}"#;
    let socket = tale.story.daemon.socket();
    let line = ["curl", "-sf", "--unix-socket", socket.to_str().unwrap(), "-d", order];
    let body = ["-H", "content-type: application/json", "http://x/v1/shares"];
    tale.story.lab.guarded().run([&line[..], &body].concat());
    tale.wait_for_state("waiting");
    let detail = tale.row()["detail"].as_str().unwrap().to_owned();
    assert!(detail.starts_with("no tunnel within 20 s"), "{detail}");
    drop(silent);
    tale.provider.say("https://abc.lhr.example\n");
    tale.provider.up();
    tale.wait_for_url("https://abc.lhr.example");
    assert!(tale.provider.is_reached(AFAR));
}

#[test]
fn a_provider_that_falls_silent_is_noticed_and_tried_again() {
    let tale = Tale::new();
    tale.share("abc.lhr.example");
    let cut =
        "table inet cut { chain in { type filter hook input priority 0; tcp dport 2222 drop; }; }";
    tale.story.lab.scanner().nft(cut);
    eventually("the silence to be noticed", 2 * LONG, || {
        (tale.row()["state"] == "waiting").then_some(())
    });
    let detail = tale.row()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("Keepalive timeout"), "{detail}");
    tale.story.lab.scanner().nft("delete table inet cut");
    // The server has not noticed yet and still has the port of the connection before.
    eventually("the tunnel", 2 * LONG, || tale.provider.is_reached(AFAR).then_some(()));
}

#[test]
fn a_share_ends_by_itself() {
    let tale = Tale::new();
    tale.provider.say("https://abc.lhr.example\n");
    assert!(
        tale.story.json(&["share", "8080", "--for", "5s"])["seconds_left"].as_u64().unwrap() <= 5
    );
    tale.story.wait_for_line("tcp/8080 is no longer shared through tunnel: its time is over");
    wait_for("the thread to end", || tale.threads() == 0);
    assert_eq!(tale.row(), Value::Null);
    wait_for("the tunnel to be down", || !tale.provider.forwards(AFAR));
}

#[test]
fn a_share_lives_through_a_reload_unless_its_port_is_never_to_be_open() {
    let tale = Tale::new();
    tale.share("abc.lhr.example");
    let daemon = &tale.story.daemon;
    let with = |more: &str| daemon.configure(&Tale::configuration(daemon, more));
    with("[throttle.soft]\ntcp = \"50/minute\"\n");
    daemon.reload();
    tale.story.wait_for_line("configuration read again");
    assert!(tale.provider.is_reached(AFAR));
    assert_eq!((tale.provider.met(), tale.row()["state"].as_str()), (1, Some("up")));
    with("[ports]\nnever = [\"tcp/8080\"]\n");
    daemon.reload();
    tale.story
        .wait_for_line("is no longer shared through tunnel: the new configuration forbids it");
    wait_for("the tunnel to be down", || !tale.provider.forwards(AFAR));
    assert_eq!(tale.row(), Value::Null);
}

#[test]
fn a_share_ends_with_the_daemon_and_leaves_nothing_behind() {
    let mut tale = Tale::new();
    tale.share("abc.lhr.example");
    assert!(tale.story.daemon.stop().success());
    wait_for("the tunnel to be down", || !tale.provider.forwards(AFAR));
    assert!(
        tale.story
            .daemon
            .log()
            .contains("is no longer shared through tunnel: the daemon goes down")
    );
    tale.story.start_again();
    assert_eq!(tale.row(), Value::Null, "a share does not come back by itself");

    tale.story.json(&["share", "8080"]);
    assert!(tale.provider.is_reached(AFAR));
    let pid = tale.story.daemon.pid().unwrap();
    assert_eq!(family(pid), [pid], "the tunnel is no process of its own");
    tale.story.daemon.kill9();
    wait_for("the tunnel to be down", || !tale.provider.forwards(AFAR));
}

#[test]
fn visitors_beyond_the_cap_are_turned_away_and_the_others_served() {
    let tale = Tale::new();
    tale.share("abc.lhr.example");
    // Each of them connects and says nothing.
    let idle = format!(
        "for i in $(seq 70); do exec {{fd}}<>/dev/tcp/127.0.0.1/{AFAR}; done; echo ready; cat"
    );
    let visitors = tale.story.lab.scanner().spawn(["bash", "-c", &idle]);
    assert_eq!(visitors.line(PATIENCE).as_deref(), Some("ready"));
    wait_for("64 connections", || tale.row()["connections"] == 64);
    assert!(!tale.provider.is_reached(AFAR), "all places are taken");
    drop(visitors);
    wait_for("a place to be free", || tale.provider.is_reached(AFAR));
    assert_eq!(BANNER.matches("https://").count(), 5, "the decoys were there");
}
