//! Where control files lie: nginx from Debian's packages on the scanner's side of the cable, with a
//! certificate of a lab's own authority, and whoever signs them with the real programs.

use std::{fs, path::Path, time::SystemTime};

use tempfile::TempDir;

use crate::{
    deadline::{PATIENCE, eventually},
    host::Host,
    running::Running,
    wiring::Lab,
};

/// Where the server is reached with TLS.
pub const HTTPS: &str = "https://10.77.0.2:8443";
/// Where the server is reached without TLS.
pub const HTTP: &str = "http://10.77.0.2:8080";

/// The system's authorities.
const AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Answers that are none, each under its own path.
const ANSWERS: &str = r#"
    location = /portal { default_type text/html; return 200 "<!DOCTYPE html><p>open ssh\n"; }
    location = /missing { return 404; }
    location = /broken { return 444; }
    location = /busy { return 503; }
    location = /to-file { return 302 "file:///etc/hostname"; }
    location = /to-http { return 302 http://10.77.0.2:8080/ports.txt; }
    location = /around { return 302 /around; }
    location = /moved { return 301 /ports.txt; }
    location = /moved.sig { return 301 /ports.txt.sig; }
    location = /picture { default_type image/png; alias WWW/ports.txt; types { } }
    location = /picture.sig { alias WWW/ports.txt.sig; }
    location = /slow { limit_rate 1; alias WWW/large; }
"#;

/// A server with its files and the keys of whoever signs them.
pub struct FileServer {
    home: TempDir,
    host: Host,
    _nginx: Running,
}

impl FileServer {
    /// Starts a server that has no files yet, and makes the guarded host trust it.
    ///
    /// # Panics
    /// When nginx does not answer in time.
    pub fn start(lab: &Lab) -> Self {
        let home = TempDir::with_prefix("server-").expect("the lab's own file");
        let host = lab.scanner().clone();
        let path = home.path().display().to_string();
        fs::create_dir(home.path().join("www")).expect("the lab's own file");
        host.run(["sh", "-ec", &certificates(&path)]);
        lab.guarded().cover(Path::new(AUTHORITIES), &home.path().join("authority.pem"));
        fs::write(home.path().join("nginx.conf"), configuration(&path))
            .expect("the lab's own file");
        // A gigabyte that takes no room.
        for (name, size) in [("www/huge", 1 << 30), ("www/large", 4_096)] {
            fs::File::create(home.path().join(name))
                .expect("the lab's own file")
                .set_len(size)
                .expect("the lab's own file");
        }
        let file = format!("{path}/nginx.conf");
        let nginx = host.spawn(["nginx", "-e", "stderr", "-p", &path, "-c", &file]);
        eventually("the server answers", PATIENCE, || {
            let answer = host.attempt(["curl", "-s", &format!("{HTTP}/missing")]);
            answer.status.success().then_some(())
        });
        Self { home, host, _nginx: nginx }
    }

    /// Returns the path of a file of the server's folder.
    pub fn path(&self, name: &str) -> String {
        self.home.path().join(name).display().to_string()
    }

    /// Puts a file where it is served.
    pub fn put(&self, name: &str, text: impl AsRef<[u8]>) {
        self.put_of(SystemTime::now(), name, text);
    }

    /// Puts a file where it is served, as if it had been written at this time.
    pub fn put_of(&self, time: SystemTime, name: &str, text: impl AsRef<[u8]>) {
        let path = self.home.path().join("www").join(name);
        let fresh = path.with_extension("new");
        fs::write(&fresh, text).expect("the lab's own file");
        let file = fs::File::options().write(true).open(&fresh).expect("the lab's own file");
        file.set_modified(time).expect("the lab's own file");
        fs::rename(fresh, path).expect("the lab's own file");
    }

    /// Returns how many answers with this code the server gave for a path.
    pub fn answers(&self, path: &str, code: u16) -> usize {
        let log = fs::read_to_string(self.home.path().join("access.log")).unwrap_or_default();
        let line = format!("{path} {code} ");
        log.lines().filter(|one| one.starts_with(&line)).count()
    }

    /// Returns when the connection of the last such answer began, in seconds since 1970.
    ///
    /// # Panics
    /// When there was none.
    pub fn last_begin(&self, path: &str, code: u16) -> f64 {
        let log = fs::read_to_string(self.home.path().join("access.log")).unwrap_or_default();
        let line = format!("{path} {code} ");
        let last = log.lines().rev().find_map(|one| one.strip_prefix(&line));
        let last = last.expect("such an answer");
        let mut numbers = last.split(' ').map(|number| number.parse::<f64>().expect("a number"));
        numbers.next().expect("the end") - numbers.next().expect("the length")
    }

    /// Runs shell lines beside the server's files.
    pub fn run(&self, lines: &str) -> String {
        let lines = format!("cd {}\n{lines}", self.home.path().display());
        self.host.run(["sh", "-ec", &lines])
    }

    /// Makes a pair of keys of OpenSSH and returns its public line.
    pub fn key(&self, name: &str) -> String {
        self.run(&format!("ssh-keygen -q -t ed25519 -N '' -C {name} -f {name}"));
        fs::read_to_string(self.path(&format!("{name}.pub")))
            .expect("the lab's own file")
            .trim()
            .to_owned()
    }

    /// Signs a text with `ssh-keygen`, and puts both where they are served.
    pub fn publish(&self, key: &str, text: impl AsRef<[u8]>) {
        let signature = self.signature(key, &text);
        // The signature first: a text without its signature would be rejected, and tried again.
        self.put("ports.txt.sig", signature);
        self.put("ports.txt", text);
    }

    /// Returns the signature of a text.
    pub fn signature(&self, key: &str, text: impl AsRef<[u8]>) -> String {
        let file = self.path("text");
        fs::write(&file, text).expect("the lab's own file");
        self.run(&format!("rm -f text.sig; ssh-keygen -q -Y sign -n portguard -f {key} text"));
        fs::read_to_string(self.path("text.sig")).expect("the lab's own file")
    }
}

/// Returns a text with a stamp of this day: `now`, `1 day ago`, `1 day`.
pub fn stamped(serial: u32, day: &str, lines: &str) -> String {
    let date = std::process::Command::new("date").args(["-u", "-d", day, "+%FT%TZ"]).output();
    let date = date.expect("date is part of coreutils");
    let time = String::from_utf8_lossy(&date.stdout);
    let time = time.trim();
    format!("# portguard-serial: {serial}\n# portguard-time: {time}\n{lines}")
}

fn certificates(path: &str) -> String {
    format!(
        "cd {path}\n\
         new='openssl req -batch -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes'\n\
         $new -x509 -days 2 -subj '/CN=Test authority' -keyout authority.key \
         -out authority.pem -addext basicConstraints=critical,CA:true 2>/dev/null\n\
         $new -subj '/CN=files' -keyout server.key -out server.csr 2>/dev/null\n\
         printf 'subjectAltName=IP:10.77.0.2\\n' > names\n\
         openssl x509 -req -in server.csr -CA authority.pem -CAkey authority.key -days 2 \
         -CAcreateserial -extfile names -out server.pem 2>/dev/null\n"
    )
}

fn configuration(path: &str) -> String {
    let answers = ANSWERS.replace("WWW", &format!("{path}/www"));
    let kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let temporary = kinds.map(|kind| format!("{kind}_temp_path {path}/temp;\n")).concat();
    format!(
        "daemon off;\nmaster_process off;\npid {path}/pid;\nerror_log stderr;\nevents {{ }}\n\
         http {{\n{temporary}log_format short '$uri $status $msec $connection_time';\naccess_log {path}/access.log short;\n\
         default_type text/plain;\nserver {{\nlisten 10.77.0.2:8080;\n\
         listen 10.77.0.2:8443 ssl;\nssl_certificate {path}/server.pem;\n\
         ssl_certificate_key {path}/server.key;\nroot {path}/www;\n{answers}}}\n}}\n"
    )
}
