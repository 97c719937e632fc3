//! The import command as a whole: folders go in; a drop-in and a ledger come out.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use portguard_core::{Span, Timestamp, Until};
use portguard_store::{Ledger, Retention};
use tempfile::TempDir;

#[test]
fn without_a_daemon_the_past_goes_into_the_ledger() {
    let host = Host::new();
    let output = host.import(&[]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(host.drop_in().lines().filter(|line| *line == "[[traps]]").count(), 1);
    assert_eq!(
        host.ledger(),
        ["192.0.2.7 is held until @4000000000000", "192.0.2.7: 2 offences, 2 bans"]
    );
}

#[test]
fn an_import_can_be_repeated() {
    let host = Host::new();
    host.import(&[]);
    let (drop_in, ledger) = (host.drop_in(), host.ledger());
    assert!(host.import(&[]).status.success());
    assert_eq!((host.drop_in(), host.ledger()), (drop_in, ledger));
    assert!(!host.former_drop_in().exists());
}

#[test]
fn a_drop_in_that_was_changed_by_hand_is_kept() {
    let host = Host::new();
    host.import(&[]);
    fs::write(host.path("conf.d/50-port-trap.toml"), "# by hand\n").unwrap();
    host.import(&[]);
    assert_eq!(fs::read_to_string(host.former_drop_in()).unwrap(), "# by hand\n");
}

#[test]
fn an_allow_list_that_a_later_drop_in_replaces_is_told() {
    let host = Host::new();
    fs::create_dir(host.path("conf.d")).unwrap();
    fs::write(host.path("conf.d/60-own.toml"), "[allow]\npatterns = [\"10.8.*\"]\n").unwrap();
    fs::write(host.path("port_trap/whitelist.txt"), "10.9.*\n192.0.2.1\n").unwrap();
    let told = String::from_utf8(host.import(&[]).stdout).unwrap();
    let expect = "a later drop-in has an allow list of its own, without 10.9.*";
    assert!(told.lines().any(|line| line == expect), "{told}");
}

#[test]
fn a_dry_run_changes_nothing() {
    let host = Host::new();
    let output = host.import(&["--dry-run"]);
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(told.contains("datatrap.db: 1 offenders, 1 bans with an end and 0 forever"), "{told}");
    assert!(!host.path("conf.d").exists());
    assert!(!host.path("state").exists());
}

#[test]
fn a_folder_of_something_else_is_refused() {
    let host = Host::new();
    fs::remove_file(host.path("port_trap/list_of_ports.txt")).unwrap();
    let output = host.import(&[]);
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.ends_with("is no folder of Port Trap: it has no list_of_ports.txt\n"), "{told}");
    assert!(!host.path("conf.d").exists());
}

#[test]
fn open_ports_of_dynamic_port_guard_stay_open() {
    let host = Host::new();
    let script = "WHITELIST=(\n  \"22/tcp\"  # ssh\n  53/udp\n)\nCHECK_INTERVAL=10\n";
    fs::write(host.path("dynamic-port-guard.conf"), script).unwrap();
    // The file, and the folder that it is in.
    for place in ["dynamic-port-guard.conf", "."] {
        let output = host.import_from("dynamic-port-guard", place, &[]);
        assert!(output.status.success(), "{output:?}");
        let drop_in = fs::read_to_string(host.path("conf.d/50-dynamic-port-guard.toml")).unwrap();
        assert!(drop_in.contains("always = [\"tcp/22\", \"udp/53\"]"), "{drop_in}");
    }
    let missing = host.import_from("dynamic-port-guard", "nowhere", &[]);
    assert_eq!(missing.status.code(), Some(2), "{missing:?}");
}

#[test]
fn lists_of_ipset_go_into_the_ledger() {
    let host = Host::new();
    let saved = "create blacklist hash:net family inet hashsize 1024 maxelem 65536\n\
                 add blacklist 203.0.113.0/24\n\
                 create whitelist_v6 hash:net family inet6 hashsize 1024 maxelem 65536\n\
                 add whitelist_v6 2001:db8::1\n\
                 create throttle-hard hash:ip family inet timeout 60\n\
                 add throttle-hard 198.51.100.7 timeout 0\n";
    fs::write(host.path("sets.txt"), saved).unwrap();
    let output = host.import_from("ipset", "sets.txt", &[]);
    assert!(output.status.success(), "{output:?}");
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(told.contains("blacklist: 1 entries are taken over"), "{told}");
    let forever = |subject| format!("{subject} is held until {:?}", Until::FOREVER);
    let mut held = host.ledger();
    held.sort();
    assert_eq!(held, ["198.51.100.7", "2001:db8::1", "203.0.113.0/24"].map(forever));
}

#[test]
fn jails_become_watches_and_their_bans_are_taken_over() {
    let host = Host::new();
    let folder = host.path("fail2ban");
    fs::create_dir_all(folder.join("filter.d")).unwrap();
    let jails = "[DEFAULT]\nbantime = 1h\nfilter = %(__name__)s\nignoreip = 127.0.0.1/8 192.0.2.66\n\
                 [door]\nenabled = true\nport = ssh,8022\nlogpath = /var/log/door.log\nmaxretry = 3\n\
                 [bus]\nenabled = true\nbackend = systemd\nbantime = -1\n\
                 [off]\nlogpath = /var/log/off.log\n";
    fs::write(folder.join("jail.conf"), jails).unwrap();
    let bus = "[Definition]\nfailregex = ^x <HOST>$\njournalmatch = _COMM=a + _COMM=b _PID=1\n";
    fs::write(folder.join("filter.d/bus.conf"), bus).unwrap();
    let database = rusqlite::Connection::open(folder.join("fail2ban.sqlite3")).unwrap();
    database
        .execute_batch(
            "CREATE TABLE bips (ip TEXT, jail TEXT, timeofban INTEGER, bantime INTEGER,
                                bancount INTEGER, data JSON);
             INSERT INTO bips VALUES ('203.0.113.7', 'door', 1700000000, 2000000000, 2, '');
             INSERT INTO bips VALUES ('203.0.113.8', 'door', 1700000000, 600, 1, '');
             INSERT INTO bips VALUES ('2001:db8::7', 'bus', 1700000000, -1, 1, '');
             INSERT INTO bips VALUES ('root', 'bus', 1700000000, -1, 1, '');",
        )
        .unwrap();
    let output = host.import_from("fail2ban", "fail2ban", &[]);
    assert!(output.status.success(), "{output:?}");
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(told.contains("2 bans in force, 3 offenders"), "{told}");
    let written = fs::read_to_string(host.path("conf.d/50-fail2ban.toml")).unwrap();
    let drop_in: toml::Table = written.parse().unwrap();
    let watch = |index: usize| drop_in["watch"][index].as_table().unwrap().clone();
    assert_eq!(watch(0)["journal"].to_string(), "[\"_COMM=a\", \"_COMM=b _PID=1\"]");
    assert_eq!(watch(1)["rule"].as_str(), Some("fail2ban:door"));
    assert_eq!(watch(1)["ports"].to_string(), "[\"tcp/22\", \"tcp/8022\"]");
    assert_eq!(drop_in["ladders"]["fail2ban-bus"]["permanent_after"].as_integer(), Some(1));
    assert_eq!(drop_in["ladders"]["fail2ban-door"]["base"].as_str(), Some("1h"));
    let protected = drop_in["protect"]["addresses"].to_string();
    assert_eq!(protected, "[\"127.0.0.0/8\", \"192.0.2.66\"]");
    let held = host.ledger();
    let is_held =
        |subject: &str| held.iter().any(|line| line.starts_with(&format!("{subject} is held")));
    assert!(is_held("203.0.113.7") && is_held("2001:db8::7"), "{held:?}");
    assert!(!is_held("203.0.113.8"), "{held:?}");
}

/// A configuration and a folder of Port Trap in a place of their own.
struct Host(TempDir);

impl Host {
    fn new() -> Self {
        let host = Self(tempfile::tempdir().unwrap());
        let (state, run) = (host.path("state"), host.path("run"));
        let config = format!(
            "[guard]\nstate_dir = \"{}\"\nrun_dir = \"{}\"\n",
            state.display(),
            run.display()
        );
        fs::write(host.path("portguard.toml"), config).unwrap();
        fs::create_dir(host.path("port_trap")).unwrap();
        fs::write(host.path("port_trap/list_of_ports.txt"), "23#3600\n23#3600#6\n").unwrap();
        fill(&host.path("port_trap/datatrap.db"));
        host
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn import(&self, options: &[&str]) -> Output {
        self.import_from("port-trap", "port_trap", options)
    }

    fn import_from(&self, source: &str, place: &str, options: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_portguard"))
            .arg("--config")
            .arg(self.path("portguard.toml"))
            .args(["import", source])
            .arg(self.path(place))
            .args(options)
            .output()
            .unwrap()
    }

    fn drop_in(&self) -> String {
        fs::read_to_string(self.path("conf.d/50-port-trap.toml")).unwrap()
    }

    fn former_drop_in(&self) -> PathBuf {
        self.path("conf.d/50-port-trap.toml.old")
    }

    /// Returns what the ledger remembers.
    fn ledger(&self) -> Vec<String> {
        let forever = Retention {
            keep_entries: Span::Forever,
            keep_offenders: Span::Forever,
            max_size: 1 << 30,
        };
        let now = Timestamp::from_secs(0);
        let (ledger, _) = Ledger::open(&self.path("state/ledger.db"), forever, now);
        let mut reader = ledger.reader();
        let mut lines = Vec::new();
        reader
            .holds(now, |holds| {
                lines.extend(holds.iter().map(|hold| {
                    let until: Until = hold.until;
                    format!("{} is held until {until:?}", hold.subject)
                }));
            })
            .unwrap();
        lines.extend(reader.offenders(10).unwrap().iter().map(|(subject, past)| {
            format!("{subject}: {} offences, {} bans", past.offences, past.bans)
        }));
        lines
    }
}

fn fill(path: &Path) {
    let database = rusqlite::Connection::open(path).unwrap();
    database
        .execute_batch(
            "CREATE TABLE ips (id INTEGER PRIMARY KEY, ts INTEGER, delafter INTEGER, ip TEXT,
                               port INTEGER, detected TEXT, banned INTEGER, inet INTEGER);
             INSERT INTO ips VALUES (1, 1000, 4600, '192.0.2.7', 23, '', 0, 4);
             INSERT INTO ips VALUES (2, 9000, 4000000000, '192.0.2.7', 23, '', 1, 4);",
        )
        .unwrap();
}
