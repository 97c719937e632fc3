//! The example for PAM of `docs/report`, word for word and with the real `pam_exec`, behind real servers:
//! who fails there is banned by the address that the server has from the kernel, who gets in is forgiven.

use std::net::SocketAddr;

use lab::{
    Answer, Lab, Servers,
    deadline::PATIENCE,
    eventually, program,
    running::Running,
    servers::{PASSWORD, SshDoor},
    wiring::{GUARDED_V4, GUARDED_V6},
};

use crate::story::{SILENCE, Story};

const EXAMPLE: &str = include_str!("../../docs/report/pam-example");

/// Where the servers listen.
const PORT: u16 = 2222;

/// A guarded host whose PAM is set up as the example says.
struct Door {
    story: Story,
    files: Servers,
}

impl Door {
    /// Sets up the PAM of a service; the rest of its stack lets everybody in.
    fn of(service: &str) -> Self {
        let lab = Lab::new();
        let files = Servers::of(lab.guarded());
        let story = Story::in_lab(lab, "");
        let rest = "account required pam_permit.so\nsession required pam_permit.so\n";
        files.write(&format!("etc/pam.d/{service}"), &(stack() + rest));
        let script = "usr/local/lib/portguard/pam-report";
        files.write(script, &self::script());
        story.guarded(&format!("chmod 755 {}", files.text(script)));
        // Where both are after an installation.
        files.link("usr/local/bin/portguard", &program::guard().display().to_string());
        files.link("etc/portguard", &story.daemon.home().display().to_string());
        files.lay_over();
        Self { story, files }
    }

    /// Starts a server and waits until it answers.
    fn serve(&self, line: &[&str]) -> Running {
        let running = self.files.start(line);
        let to = SocketAddr::new(GUARDED_V4, PORT);
        eventually("the server answers", PATIENCE, || {
            (self.story.lab.guarded().connect(None, to, SILENCE) == Answer::Open).then_some(())
        });
        running
    }

    /// Returns once everything that was reported before is judged.
    fn settle(&self, mark: &str) {
        self.story.order(&["report", "abusive", "--service", "mark", "--address", mark]);
        self.story.wait_for_verdict(mark, "banned");
    }
}

/// Returns the lines of the example that go into a service's file.
fn stack() -> String {
    let lines = EXAMPLE.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines.fold(String::new(), |text, line| text + line + "\n")
}

/// Returns the script of the example.
fn script() -> String {
    let lines = EXAMPLE.lines().filter_map(|line| line.strip_prefix("#     "));
    lines.fold(String::new(), |text, line| text + line + "\n")
}

/// Says a password so many times in one connection; returns whether that was let in.
fn ssh(door: &Door, from: &str, password: &str, tries: u8) -> bool {
    let knock = SshDoor { from, port: PORT, user: "anna", password, tries };
    door.files.ssh(door.story.lab.scanner(), &knock)
}

#[test]
fn who_fails_at_a_real_sshd_is_banned_through_pam_and_a_login_clears() {
    let door = Door::of("sshd");
    let key = door.files.text("key");
    door.story.guarded(&format!("ssh-keygen -q -t ed25519 -N '' -f {key}"));
    let settings = format!(
        "Port {PORT}\nHostKey {key}\nPidFile none\nStrictModes no\nUseDNS no\nUsePAM yes\n\
         PasswordAuthentication yes\nKbdInteractiveAuthentication no\n"
    );
    let settings = settings + door.files.without_penalties();
    let settings = door.files.write("settings", &settings).display().to_string();
    let _sshd = door.serve(&["/usr/sbin/sshd", "-D", "-e", "-f", &settings]);
    assert!(!ssh(&door, "10.77.0.2", "wrong", 3));
    assert!(ssh(&door, "10.77.0.2", PASSWORD, 1), "the example lets in who knows the password");
    assert!(!ssh(&door, "10.77.0.2", "wrong", 2));
    door.settle("192.0.2.1");
    assert_eq!(door.story.verdict("10.77.0.2"), "none", "a log-in forgives what was before");
    assert!(!ssh(&door, "10.77.0.2", "wrong", 3));
    door.story.wait_for_verdict("10.77.0.2", "throttled");
    let why = door.story.cli(&["why", "10.77.0.2"]).stdout;
    assert!(why.contains("report sshd") && why.contains("anna"), "{why}");
    assert_eq!(door.story.verdict("10.77.0.3"), "none");
}

#[test]
fn who_fails_at_a_real_proftpd_is_banned_through_pam_and_a_login_clears() {
    let door = Door::of("ftp");
    let here = door.files.text("");
    let settings = format!(
        "ServerType standalone\nPort {PORT}\nUseIPv6 on\nUseReverseDNS off\nDefaultServer on\n\
         User anna\nGroup anna\nAuthOrder mod_auth_pam.c* mod_auth_unix.c\nAuthPAM on\n\
         AuthPAMConfig ftp\nDelayEngine off\nPidFile {here}/run.pid\n\
         ScoreboardFile {here}/scoreboard\nSystemLog {here}/server.log\nTransferLog none\n\
         WtmpLog off\n"
    );
    let settings = door.files.write("settings", &settings).display().to_string();
    let _server = door.serve(&["proftpd", "--nodaemon", "--config", &settings]);
    // All at once, as each failure is answered late.
    let log_in = |from: &str, password: &str, times: usize| {
        let to = if from.contains(':') { GUARDED_V6 } else { GUARDED_V4 };
        let url = format!("ftp://{}/", SocketAddr::new(to, PORT));
        let one = format!("curl -s -m 8 -l --interface {from} -u anna:{password} {url}");
        let line = format!(
            "for i in $(seq {times}); do {one} & p=\"$p $!\"; done; for i in $p; do wait $i; echo $?; done"
        );
        let ran = door.story.lab.scanner().run(["sh", "-c", &line]);
        ran.lines().filter(|code| *code == "0").count()
    };
    for from in ["10.77.0.4", "fd77::4"] {
        assert_eq!(log_in(from, "wrong", 4), 0);
        assert_eq!(log_in(from, PASSWORD, 1), 1, "the example lets in who knows the password");
        assert_eq!(log_in(from, "wrong", 4), 0);
    }
    door.settle("192.0.2.1");
    for from in ["10.77.0.4", "fd77::4"] {
        assert_eq!(door.story.verdict(from), "none", "a log-in forgives what was before");
        log_in(from, "wrong", 1);
        door.story.wait_for_verdict(from, "throttled");
    }
    let why = door.story.cli(&["why", "fd77::4"]).stdout;
    assert!(why.contains("report ftp") && why.contains("anna"), "{why}");
}
