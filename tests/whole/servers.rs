//! What real servers write when somebody fails to log in, read by the rules that are built in: whoever
//! fails too often is banned, whoever gets in is forgiven.

use std::net::SocketAddr;

use lab::{
    Answer, Lab, Servers,
    deadline::PATIENCE,
    eventually,
    running::Running,
    servers::{PASSWORD, SshDoor},
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
    client: Client,
    port: u16,
}

/// How a server is spoken to.
enum Client {
    /// By curl, with this scheme.
    Curl(&'static str),
    Ssh,
}

const DOVECOT: Server = Server {
    rule: "dovecot",
    line: &["dovecot", "-F", "-c", "DIR/settings"],
    client: Client::Curl("imap"),
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
    client: Client::Curl("ftp"),
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
    client: Client::Curl("ftp"),
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

const SSHD: Server = Server {
    rule: "sshd",
    line: &["/usr/sbin/sshd", "-D", "-E", "DIR/server.log", "-f", "DIR/settings"],
    client: Client::Ssh,
    port: 2222,
    settings: "Port 2222\n\
               HostKey DIR/key\n\
               PidFile none\n\
               StrictModes no\n\
               UseDNS no\n\
               UsePAM no\n\
               PasswordAuthentication yes\n\
               KbdInteractiveAuthentication no\n",
};

const NGINX: Server = Server {
    rule: "nginx-error",
    line: &["nginx", "-e", "DIR/server.log", "-p", "DIR", "-c", "DIR/settings"],
    client: Client::Curl("http"),
    port: 8080,
    settings: "daemon off;\n\
               pid DIR/run.pid;\n\
               error_log DIR/server.log;\n\
               events { }\n\
               http {\n\
                 access_log DIR/access;\n\
                 client_body_temp_path DIR/body;\n\
                 proxy_temp_path DIR/proxy;\n\
                 fastcgi_temp_path DIR/fastcgi;\n\
                 uwsgi_temp_path DIR/uwsgi;\n\
                 scgi_temp_path DIR/scgi;\n\
                 server {\n\
                   listen 8080;\n\
                   listen [::]:8080;\n\
                   root DIR;\n\
                   auth_basic door;\n\
                   auth_basic_user_file DIR/users;\n\
                 }\n\
               }\n",
};

/// What PAM asks for at vsftpd; a failure is told at once.
const DOOR: &str = "auth required pam_unix.so nodelay\naccount required pam_permit.so\n";

/// A server that runs, and a guard that reads its log.
struct Served {
    server: Server,
    story: Story,
    files: Servers,
    _running: Running,
}

impl Served {
    fn start(server: Server) -> Self {
        let lab = Lab::new();
        let files = Servers::of(lab.guarded());
        let here = |text: &str| text.replace("DIR", &files.text(""));
        let more = match server.client {
            Client::Curl(_) => "",
            Client::Ssh => files.without_penalties(),
        };
        files.write("settings", &(here(server.settings) + more));
        files.write("etc/pam.d/door", DOOR);
        lab.guarded().run([
            "ssh-keygen",
            "-q",
            "-t",
            "ed25519",
            "-N",
            "",
            "-f",
            &files.text("key"),
        ]);
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
        Self { server, story, files, _running: running }
    }

    /// Tries to log in once from an address of the scanner.
    fn log_in(&self, from: &str, user: &str, password: &str) {
        let client = self.story.lab.scanner();
        let scheme = match self.server.client {
            Client::Curl(scheme) => scheme,
            Client::Ssh => {
                let port = self.server.port;
                self.files.ssh(client, &SshDoor { from, port, user, password, tries: 1 });
                return;
            }
        };
        let to = if from.contains(':') { GUARDED_V6 } else { GUARDED_V4 };
        let url = format!("{scheme}://{}/", SocketAddr::new(to, self.server.port));
        let credentials = format!("{user}:{password}");
        let curl = ["curl", "--silent", "--show-error", "--max-time", "8", "--interface", from];
        let ran = client.attempt(curl.into_iter().chain(["--user", &credentials, &url]));
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

/// Fails from two addresses.
fn check_failures(served: &Served) {
    for stranger in ["10.77.0.3", "fd77::3"] {
        served.fail(stranger, 3);
        served.story.wait_for_verdict(stranger, "banned");
    }
    let why = served.story.cli(&["why", "10.77.0.3"]).stdout;
    assert!(why.contains("user=anna"), "{why}");
}

/// Fails, gets in and fails again from one address, and only fails from others.
fn check(server: Server) {
    let door = Served::start(server);
    door.fail("10.77.0.2", 2);
    door.log_in("10.77.0.2", "anna", PASSWORD);
    door.fail("10.77.0.2", 2);
    check_failures(&door);
    assert_eq!(door.story.verdict("10.77.0.2"), "none", "a log-in forgives what was before");
    door.fail("10.77.0.2", 1);
    door.story.wait_for_verdict("10.77.0.2", "throttled");
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

#[test]
fn log_ins_at_a_real_sshd() {
    check(SSHD);
}

#[test]
fn log_ins_at_a_real_nginx() {
    check_failures(&Served::start(NGINX));
}
