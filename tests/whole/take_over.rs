//! What a real fail2ban has banned goes on being banned: by the import, with the time that is left.

use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    thread,
    time::{Duration, Instant, UNIX_EPOCH},
};

use lab::{Lab, Servers, eventually, running::Running};

use crate::story::Story;

/// How long fail2ban takes to start or stop on a busy machine: it is Python, and reads every filter.
const LIMIT: Duration = Duration::from_secs(20);

/// Jails in which bans are ordered, and one that reads of failures.
const JAILS: &str = "[DEFAULT]\nbackend = polling\nfilter = door\naction =\nmaxretry = 3\n\
                     findtime = 1h\nport = 22\nlogpath = DIR/quiet.log\n\
                     [timed]\nenabled = true\nbantime = 1h\n\
                     [forever]\nenabled = true\nbantime = -1\n\
                     [short]\nenabled = true\nbantime = 1\n\
                     [growing]\nenabled = true\nlogpath = DIR/growing.log\nbantime = 4\nbantime.increment = true\n\
                     bantime.rndtime = 0\nbantime.multipliers = 1 1800\n";

const FILTER: &str = "[Definition]\nfailregex = ^ door: refused from <HOST>$\n";

/// Seconds of a ban in the jail `timed`, and of the second in the jail `growing`.
const TIMED: u64 = 3_600;
const GROWN: u64 = 7_200;

/// A host that fail2ban guards and Portguard is about to.
struct Host {
    story: Story,
    files: Servers,
    server: Running,
    /// When fail2ban had banned nobody yet.
    begin: Instant,
}

impl Host {
    /// Starts fail2ban, and bans in every way that a jail has.
    fn new() -> Self {
        let lab = Lab::new();
        let files = Servers::of(lab.guarded());
        let here = |text: &str| text.replace("DIR/", &files.text(""));
        for log in ["quiet.log", "growing.log"] {
            files.write(log, "");
        }
        files.write("etc/fail2ban/filter.d/door.conf", FILTER);
        files.write("etc/fail2ban/jail.conf", &here(JAILS));
        // Debian's own drop-in switches a jail on for a log that nobody has here.
        files.write("etc/fail2ban/jail.d/defaults-debian.conf", "");
        let settings = "[Definition]\nsocket = DIR/socket\npidfile = DIR/pid\nlogtarget = DIR/log\n\
                        dbfile = DIR/fail2ban.sqlite3\nallowipv6 = auto\n";
        files.write("etc/fail2ban/fail2ban.local", &here(settings));
        files.lay_over();
        let story = Story::in_lab(lab, "");
        let server = story.lab.guarded().spawn(["fail2ban-server", "-f", "start"]);
        let host = Self { story, files, server, begin: Instant::now() };
        eventually("fail2ban answers", LIMIT, || {
            let asked = host.story.lab.guarded().attempt(["fail2ban-client", "ping"]);
            asked.status.success().then_some(())
        });
        host.ban();
        host
    }

    fn client(&self, words: &str) -> String {
        self.story.guarded(&format!("fail2ban-client {words}"))
    }

    fn ban(&self) {
        self.client("set timed banip 203.0.113.7 2001:db8::7 203.0.113.8 198.51.100.0/24");
        self.client("set timed unbanip 203.0.113.8");
        self.client("set forever banip 203.0.113.9 2001:db8::9");
        // The longer of two bans is the one that counts, whichever was first.
        for jail in ["timed", "forever"] {
            self.client(&format!("set {jail} banip 203.0.113.10"));
        }
        for jail in ["forever", "timed"] {
            self.client(&format!("set {jail} banip 203.0.113.11"));
        }
        self.client("set short banip 203.0.113.12");
        self.grow("203.0.113.13");
        eventually("the end of the short ban", LIMIT, || {
            (self.told("[short] Unban 203.0.113.12") > 0).then_some(())
        });
    }

    /// Has a source fail in the log of a jail, until its bans have grown.
    fn grow(&self, source: &str) {
        loop {
            let now = UNIX_EPOCH.elapsed().unwrap().as_secs();
            let lines = format!("{now} door: refused from {source}\n").repeat(3);
            let log = OpenOptions::new().append(true).open(self.files.path("growing.log"));
            let ended = format!("[growing] Unban {source}");
            let before = self.told(&ended);
            log.unwrap().write_all(lines.as_bytes()).unwrap();
            let has_grown = eventually("a ban that grows or ends", LIMIT, || {
                let has_grown = self.told(&format!("[growing] Increase Ban {source}")) > 0;
                (has_grown || self.told(&ended) > before).then_some(has_grown)
            });
            if has_grown {
                return;
            }
        }
    }

    /// Returns how often fail2ban's log has a text.
    fn told(&self, text: &str) -> usize {
        fs::read_to_string(self.files.path("log")).unwrap().matches(text).count()
    }

    /// Takes over, and checks what the kernel then holds.
    fn check_import(&self) {
        // A thread of fail2ban's own writes down how long a ban has grown.
        eventually("the grown ban", LIMIT, || {
            self.story.daemon.say(&["import", "fail2ban", "/etc/fail2ban"]);
            self.left("203.0.113.13").filter(|left| *left > TIMED)
        });
        let told = self.story.daemon.say(&["import", "fail2ban", "/etc/fail2ban"]);
        assert!(told.contains("fail2ban.sqlite3: 8 bans in force"), "{told}");
        let timed = ["203.0.113.7", "2001:db8::7", "198.51.100.200"].map(|source| (source, TIMED));
        for (source, seconds) in timed.into_iter().chain([("203.0.113.13", GROWN)]) {
            let left = self.left(source).unwrap_or_default();
            let least = seconds - self.begin.elapsed().as_secs() - 1;
            assert!((least..=seconds).contains(&left), "{source}: {left} of {seconds} seconds");
        }
        for source in ["203.0.113.9", "2001:db8::9", "203.0.113.10", "203.0.113.11"] {
            assert_eq!(self.left(source), None, "{source} is banned forever");
        }
        for source in ["203.0.113.8", "203.0.113.12"] {
            assert_eq!(self.story.verdict(source), "none", "{source}");
        }
        let why = self.story.cli(&["why", "203.0.113.13"]).stdout;
        assert!(why.contains("fail2ban: jail growing"), "{why}");
    }

    /// Returns how many seconds the kernel bans a source for; `None` if forever.
    fn left(&self, source: &str) -> Option<u64> {
        let checked = self.story.json(&["check", source]);
        assert_eq!(checked["verdict"], "banned", "{source}: {checked}");
        checked["elements"][0]["seconds_left"].as_u64()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if thread::panicking() {
            let log = fs::read_to_string(self.files.path("log")).unwrap_or_default();
            eprintln!("what fail2ban said:\n{log}");
        }
    }
}

#[test]
fn bans_of_a_fail2ban_that_was_stopped_go_on() {
    let mut host = Host::new();
    host.client("stop");
    eventually("fail2ban ends", LIMIT, || (!host.server.is_alive()).then_some(()));
    host.check_import();
}

#[test]
fn bans_of_a_fail2ban_that_runs_go_on() {
    let mut host = Host::new();
    host.check_import();
    assert!(host.server.is_alive());
    // What it bans later is taken over by another import.
    host.client("set timed banip 203.0.113.20");
    host.story.daemon.say(&["import", "fail2ban", "/etc/fail2ban"]);
    assert_eq!(host.story.verdict("203.0.113.20"), "banned");
    host.client("stop");
}
