//! The import of a folder of Port Trap, against folders made for the purpose.

use std::{fs, path::PathBuf};

use tempfile::TempDir;

use super::*;
use crate::config::{self, Surroundings};

/// The list of ports that Port Trap ships as an example.
const EXAMPLE: &str = "#PORT#TIMEOUT\n23#3600\n23#3600#6\n83#3600\n83#3600#6\n223#3600\n\
                       223#2600#6\n3389#3600\n3389#3600#6\n5050#3600\n5050#3600#6\n";

#[test]
fn ports_with_different_timeouts_for_each_family_stay_apart() {
    check_drop_in(
        &[(PORTS, EXAMPLE)],
        "[[traps]]\n\
         ports = [\"23\", \"83\", \"3389\", \"5050\"]\n\
         family = \"both\"\n\
         base = \"1h\"\n\n\
         [[traps]]\n\
         ports = [\"223\"]\n\
         family = \"ipv4\"\n\
         base = \"1h\"\n\n\
         [[traps]]\n\
         ports = [\"223\"]\n\
         family = \"ipv6\"\n\
         base = \"43m20s\"\n",
    );
}

#[test]
fn traps_on_one_address_keep_it() {
    check_drop_in(
        &[(PORTS, "12.34.56.78:9090#3600\n2001:db8::1:9090#3600#6\n0.0.0.0:7070#60\n")],
        "[[traps]]\n\
         ports = [\"7070\"]\n\
         family = \"ipv4\"\n\
         base = \"1m\"\n\n\
         [[traps]]\n\
         ports = [\"9090\"]\n\
         family = \"ipv4\"\n\
         address = \"12.34.56.78\"\n\
         base = \"1h\"\n\n\
         [[traps]]\n\
         ports = [\"9090\"]\n\
         family = \"ipv6\"\n\
         address = \"2001:db8::1\"\n\
         base = \"1h\"\n",
    );
}

#[test]
fn the_allow_list_and_the_number_of_the_permanent_ban_come_along() {
    check_drop_in(
        &[
            (PORTS, ""),
            (WHITELIST, "# friends\n192.0.2.7\n12.34.56.*\n\n34.56.78.[2-9]\n192.0.2.7\n"),
            (PERMANENT, "5\n"),
        ],
        "[ladders.trap]\n\
         permanent_after = 5\n\n\
         [allow]\n\
         addresses = [\"192.0.2.7\"]\n\
         patterns = [\"12.34.56.*\", \"34.56.78.[2-9]\"]\n",
    );
}

#[test]
fn the_configured_allow_list_is_not_lost() {
    let stage = Stage::new(
        "[allow]\naddresses = [\"198.51.100.0/24\"]\npatterns = [\"10.9.*\"]\n",
        &[(PORTS, ""), (WHITELIST, "192.0.2.7\n")],
    );
    let import = stage.import();
    let config = stage.config_with(&import.drop_in);
    let allowed: Vec<_> = config.allow.addresses.iter().map(|it| it.0.to_string()).collect();
    assert_eq!(allowed, ["198.51.100.0/24", "192.0.2.7"]);
    assert_eq!(config.allow.patterns.len(), 1);
}

#[test]
fn what_is_no_trap_is_named_with_its_line() {
    let ports = "23\n70000#3600\n23#soon\n23#3600#4\n192.0.2.1:23#3600#6\nhost:23#3600\n0#60\n\
                 25#0\n26#60\n26#90\n192.0.2.1:26#60\n";
    check_report(
        &[(PORTS, ports)],
        &[
            "list_of_ports.txt:1: `23` is skipped: it has no timeout, write `PORT#SECONDS`",
            "list_of_ports.txt:2: `70000#3600` is skipped: `70000` is no port; ports go from 1 to 65535",
            "list_of_ports.txt:3: `23#soon` is skipped: `soon` is no number of seconds above zero",
            "list_of_ports.txt:4: `23#3600#4` is skipped: only `#6` may follow the timeout",
            "list_of_ports.txt:5: `192.0.2.1:23#3600#6` is skipped: an IPv4 address with `#6`",
            "list_of_ports.txt:6: `host:23#3600` is skipped: `host` is no address",
            "list_of_ports.txt:7: `0#60` is skipped: `0` is no port; ports go from 1 to 65535",
            "list_of_ports.txt:8: `25#0` is skipped: `0` is no number of seconds above zero",
            "list_of_ports.txt:10: `26#90` is skipped: line 9 has this trap already",
            "list_of_ports.txt:11: `192.0.2.1:26#60` is skipped: line 9 has this trap already",
            "list_of_ports.txt: 1 traps for IPv4 and 0 for IPv6 are taken over",
            "whitelist.txt: not there; nobody is taken over to the allow list",
            "for_permanent_ban.txt: not there; the ladder keeps its own number",
            "datatrap.db: not there; nobody's past is taken over",
        ],
    );
}

#[test]
fn what_is_no_pattern_and_no_number_is_named_with_its_line() {
    check_report(
        &[(PORTS, ""), (WHITELIST, "10.0.0.0/8\n1.2.3.[4\n"), (PERMANENT, "three\n")],
        &[
            "list_of_ports.txt: 0 traps for IPv4 and 0 for IPv6 are taken over",
            "whitelist.txt:1: skipped: `10.0.0.0/8` has a mask; a network goes into `allow.addresses`",
            "whitelist.txt:2: skipped: `1.2.3.[4` is no pattern: error: unclosed character class",
            "whitelist.txt: 0 addresses and 0 patterns go to the allow list",
            "for_permanent_ban.txt:1: `three` is no number; the ladder keeps its own",
            "datatrap.db: not there; nobody's past is taken over",
        ],
    );
}

#[test]
fn a_trap_that_can_not_stand_is_left_out_and_named() {
    let stage = Stage::new(
        "[[traps]]\nports = [\"23\"]\nfamily = \"ipv4\"\n",
        &[(PORTS, "22#60\n2222#60\n23#60\n23#60#6\n")],
    );
    let import = stage.import();
    assert_eq!(
        import.report[..4],
        [
            "list_of_ports.txt:1: port 22 for ipv4 is skipped: `ports.always` opens this port",
            "list_of_ports.txt:2: port 2222 for ipv4 is skipped: ssh listens on this port",
            "list_of_ports.txt:3: port 23 for ipv4 is skipped: the configuration has a trap there \
             already, which stays as it is",
            "list_of_ports.txt: 0 traps for IPv4 and 1 for IPv6 are taken over",
        ]
    );
    assert_eq!(stage.config_with(&import.drop_in).trap_plans().len(), 2);
}

#[test]
fn the_past_is_counted_by_address_and_what_is_due_stays_due() {
    check_past(
        "INSERT INTO ips VALUES (1, 100, 3700, '192.0.2.7', 23, '', 0, 4);
         INSERT INTO ips VALUES (2, 900, 15300, '192.0.2.7', 83, '', 1, 4);
         INSERT INTO ips VALUES (3, 500, 600, '192.0.2.8', 23, '', 1, 4);
         INSERT INTO ips VALUES (4, 100, 3700, '2001:db8::1', '2001:db8::9:23', '', 8, 6);
         INSERT INTO ips VALUES (5, 100, 101, '192.0.2.9', 23, '', 0, 4);
         INSERT INTO ips VALUES (6, 200, 201, '192.0.2.9', 23, '', 0, 4);
         INSERT INTO ips VALUES (7, 300, 301, '192.0.2.9', 23, '', 0, 4);",
        &[
            "192.0.2.7 offended 2 times, @100000 to @900000",
            "192.0.2.8 offended 1 times, @500000 to @500000",
            "192.0.2.9 offended 3 times, @100000 to @300000",
            "2001:db8::1 offended 1 times, @100000 to @100000",
            "ban 192.0.2.7 until @15300000, ban 2: Port Trap: touched the trap on 83",
            "ban 192.0.2.9 until forever, ban 3: Port Trap: touched the trap on 23",
            "ban 2001:db8::1 until forever, ban 1: Port Trap: touched the trap on 2001:db8::9:23",
        ],
        &["datatrap.db: 4 offenders, 1 bans with an end and 2 forever"],
    );
}

#[test]
fn the_spared_and_the_impossible_have_no_past() {
    check_past(
        "INSERT INTO ips VALUES (1, 900, 9000, '198.51.100.1', 23, '', 1, 4);
         INSERT INTO ips VALUES (2, 900, 9000, 'nobody', 23, '', 1, 4);
         INSERT INTO ips VALUES (3, 900, 9000, '127.0.0.1', 23, '', 1, 4);
         INSERT INTO ips VALUES (4, -1, 9000, '192.0.2.8', 23, '', 1, 4);
         INSERT INTO ips VALUES (5, 'soon', 9000, '192.0.2.8', 23, '', 1, 4);",
        &[],
        &[
            "datatrap.db: 1 rows do not read and are skipped",
            "datatrap.db: row 4 is skipped: its time is -1",
            "datatrap.db: row 1 is skipped: 198.51.100.1 is on the allow list",
            "datatrap.db: row 2 is skipped: `nobody` is no address",
            "datatrap.db: row 3 is skipped: 127.0.0.1 is this host itself (loopback)",
            "datatrap.db: 0 offenders, 0 bans with an end and 0 forever",
        ],
    );
}

#[test]
fn another_folder_is_refused() {
    let stage = Stage::new("", &[]);
    let folder = stage.folder().display().to_string();
    let refusal = stage.try_import().unwrap_err().to_string();
    assert_eq!(refusal, format!("{folder} is no folder of Port Trap: it has no list_of_ports.txt"));
}

fn check_drop_in(files: &[(&str, &str)], expect: &str) {
    let stage = Stage::new("", files);
    let import = stage.import();
    let (_comments, tables) = import.drop_in.split_once("\n\n").unwrap();
    assert_eq!(tables, expect);
    // What comes out must hold as a configuration.
    stage.config_with(&import.drop_in);
}

fn check_report(files: &[(&str, &str)], expect: &[&str]) {
    assert_eq!(Stage::new("", files).import().report, expect);
}

fn check_past(rows: &str, expect: &[&str], expect_report: &[&str]) {
    let files = [(PORTS, ""), (WHITELIST, "198.51.100.*\n"), (PERMANENT, "3\n")];
    let stage = Stage::new("", &files);
    stage.touch(rows);
    let import = stage.import();
    let offenders = import.offenders.iter().map(|(subject, past)| {
        let (first, last) = (past.first.as_millis(), past.last.as_millis());
        assert_eq!(past.offences, past.bans);
        format!("{subject} offended {} times, @{first} to @{last}", past.offences)
    });
    let bans = import.holds.iter().map(|hold| {
        let portguard_core::ListedHold { list, subject, until, nth_ban, reason, .. } = hold;
        format!("{list} {subject} until {until:?}, ban {nth_ban}: {reason}")
    });
    assert_eq!(offenders.chain(bans).collect::<Vec<_>>(), expect);
    let told = import.report.iter().filter(|line| line.starts_with(DATABASE));
    assert_eq!(told.collect::<Vec<_>>(), expect_report);
}

/// A folder of Port Trap beside a configuration of ours.
struct Stage {
    home: TempDir,
    around: Surroundings,
}

impl Stage {
    fn new(config: &str, files: &[(&str, &str)]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let stage = Self { home, around: Surroundings { ssh_ports: vec![2222] } };
        fs::write(stage.main_file(), config).unwrap();
        fs::create_dir(stage.folder()).unwrap();
        for (name, text) in files {
            fs::write(stage.folder().join(name), text).unwrap();
        }
        stage
    }

    fn folder(&self) -> PathBuf {
        self.home.path().join("port_trap")
    }

    fn main_file(&self) -> PathBuf {
        self.home.path().join("portguard.toml")
    }

    /// Makes the database, with these rows.
    fn touch(&self, rows: &str) {
        let table = "CREATE TABLE ips (id INTEGER PRIMARY KEY, ts INTEGER, delafter INTEGER, \
                     ip TEXT, port INTEGER, detected TEXT, banned INTEGER, inet INTEGER);";
        let path = self.folder().join(DATABASE);
        let database = rusqlite::Connection::open(path).unwrap();
        database.execute_batch(&format!("{table}{rows}")).unwrap();
    }

    fn try_import(&self) -> Result<PortTrapImport, ImportError> {
        let config = config::load(&self.main_file(), &self.around).unwrap().config;
        let present = Present { config: &config, ssh_ports: &self.around.ssh_ports };
        read(&self.folder(), &present, Timestamp::from_secs(1_000))
    }

    fn import(&self) -> PortTrapImport {
        self.try_import().unwrap()
    }

    /// Returns the configuration with this text as a drop-in.
    fn config_with(&self, text: &str) -> Config {
        let drop_in = self.home.path().join("conf.d/50-port-trap.toml");
        config::load_with(&self.main_file(), &self.around, &drop_in, Some(text)).unwrap().config
    }
}
