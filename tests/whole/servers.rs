//! What real servers write when somebody fails to log in, read by the rules that are built in: whoever
//! fails too often is banned, whoever gets in is forgiven.

use std::net::SocketAddr;

use lab::{
    Answer, Lab, Servers,
    deadline::PATIENCE,
    eventually,
    running::Running,
    servers::PASSWORD,
    wiring::{GUARDED_V4, GUARDED_V6},
};

use crate::story::{SILENCE, Story};

/// A server that asks for names and passwords. `DIR` stands for the folder of the test's files.
struct Server {
    /// Its rule.
    rule: &'static str,
    /// How it is started.
    line: &'static [&'static str],
    settings: &'static str,
    /// How it is spoken to, and where.
    scheme: &'static str,
    port: u16,
}

const DOVECOT: Server = Server {
    rule: "dovecot",
    line: &["dovecot", "-F", "-c", "DIR/settings"],
    scheme: "imap",
    port: 1143,
    // Nobody is made to wait; the rest lets an ordinary user run it.
    settings: "protocols = imap\n\
               base_dir = DIR/run\n\
               state_dir = DIR/state\n\
               log_path = DIR/server.log\n\
               ssl = no\n\
               disable_plaintext_auth = no\n\
               default_internal_user = anna\n\
               default_internal_group = anna\n\
               default_login_user = anna\n\
               auth_failure_delay = 0\n\
               service imap-login {\n\
                 chroot =\n\
                 inet_listener imap {\n port = 1143\n }\n\
                 inet_listener imaps {\n port = 0\n }\n\
               }\n\
               service anvil {\n\
                 chroot =\n\
                 unix_listener anvil-auth-penalty {\n mode = 0\n }\n\
               }\n\
               passdb {\n driver = passwd-file\n args = DIR/users\n }\n\
               userdb {\n driver = static\n args = uid=1000 gid=1000 home=DIR/mail\n }\n\
               mail_location = maildir:DIR/mail\n",
};

const PROFTPD: Server = Server {
    rule: "proftpd",
    line: &["proftpd", "--nodaemon", "--quiet", "--config", "DIR/settings"],
    scheme: "ftp",
    port: 2121,
    settings: "ServerType standalone\n\
               Port 2121\n\
               UseIPv6 on\n\
               UseReverseDNS off\n\
               DefaultServer on\n\
               User anna\n\
               Group anna\n\
               AuthOrder mod_auth_file.c\n\
               AuthUserFile DIR/users\n\
               DelayEngine off\n\
               PidFile DIR/run.pid\n\
               ScoreboardFile DIR/scoreboard\n\
               SystemLog DIR/server.log\n\
               TransferLog none\n\
               SyslogLevel info\n\
               WtmpLog off\n",
};

const VSFTPD: Server = Server {
    rule: "vsftpd",
    line: &["vsftpd", "DIR/settings"],
    scheme: "ftp",
    port: 2121,
    settings: "listen=NO\n\
               listen_ipv6=YES\n\
               listen_port=2121\n\
               background=NO\n\
               anonymous_enable=NO\n\
               local_enable=YES\n\
               run_as_launching_user=YES\n\
               delay_failed_login=0\n\
               pam_service_name=door\n\
               session_support=NO\n\
               xferlog_enable=YES\n\
               vsftpd_log_file=DIR/server.log\n\
               secure_chroot_dir=DIR\n\
               isolate=NO\n\
               isolate_network=NO\n\
               seccomp_sandbox=NO\n",
};

/// What PAM asks for at vsftpd; a failure is told at once.
const DOOR: &str = "auth required pam_unix.so nodelay\naccount required pam_permit.so\n";

/// A server that runs, and a guard that reads its log.
struct Served {
    server: Server,
    story: Story,
    _files: Servers,
    _running: Running,
}

impl Served {
    fn start(server: Server) -> Self {
        let lab = Lab::new();
        let files = Servers::of(lab.guarded());
        let here = |text: &str| text.replace("DIR", &files.text(""));
        files.write("settings", &here(server.settings));
        files.write("etc/pam.d/door", DOOR);
        files.lay_over();
        let configuration = here(
            "[[watch]]\nname = \"door\"\nfiles = [\"DIR/server.log\"]\nhowmany = 3\nwithin = \"1h\"\n",
        );
        let story = Story::in_lab(lab, &format!("{configuration}rule = \"{}\"\n", server.rule));
        let line: Vec<String> = server.line.iter().map(|word| here(word)).collect();
        let running = files.start(&line.iter().map(String::as_str).collect::<Vec<_>>());
        let to = SocketAddr::new(GUARDED_V4, server.port);
        eventually("the server answers", PATIENCE, || {
            (story.lab.guarded().connect(None, to, SILENCE) == Answer::Open).then_some(())
        });
        Self { server, story, _files: files, _running: running }
    }

    /// Tries to log in once from an address of the scanner.
    fn log_in(&self, from: &str, user: &str, password: &str) {
        let to = if from.contains(':') { GUARDED_V6 } else { GUARDED_V4 };
        let to = SocketAddr::new(to, self.server.port);
        let url = format!("{}://{to}/", self.server.scheme);
        let credentials = format!("{user}:{password}");
        let curl = ["curl", "--silent", "--show-error", "--max-time", "8", "--interface", from];
        let ran = self.story.lab.scanner().attempt(curl.into_iter().chain([
            "--list-only",
            "--user",
            &credentials,
            &url,
        ]));
        let told = String::from_utf8_lossy(&ran.stderr);
        assert!(!told.contains("connect"), "{from}: {told}");
    }

    /// Fails so many times, by turns with a name that is there and one that is not.
    fn fail(&self, from: &str, times: usize) {
        for user in ["anna", "eve"].into_iter().cycle().take(times) {
            self.log_in(from, user, "wrong");
        }
    }
}

/// Fails, gets in and fails again from one address, and only fails from others.
fn check(server: Server) {
    let served = Served::start(server);
    served.fail("10.77.0.2", 2);
    served.log_in("10.77.0.2", "anna", PASSWORD);
    served.fail("10.77.0.2", 2);
    for stranger in ["10.77.0.3", "fd77::3"] {
        served.fail(stranger, 3);
        served.story.wait_for_verdict(stranger, "banned");
    }
    assert_eq!(served.story.verdict("10.77.0.2"), "none", "a log-in forgives what was before");
    served.fail("10.77.0.2", 1);
    served.story.wait_for_verdict("10.77.0.2", "throttled");
    let why = served.story.cli(&["why", "10.77.0.3"]).stdout;
    assert!(why.contains("user=anna"), "{why}");
}

#[test]
fn log_ins_at_a_real_dovecot() {
    check(DOVECOT);
}

#[test]
fn log_ins_at_a_real_proftpd() {
    check(PROFTPD);
}

#[test]
fn log_ins_at_a_real_vsftpd() {
    check(VSFTPD);
}
