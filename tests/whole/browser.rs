//! The web face of a guarded host, and curl as a browser in front of it.

use std::fs;

use lab::{Host, deadline::PATIENCE, eventually, program, running::Running};
use serde_json::{Value, json};

use crate::story::{Story, wait_for};

/// Where the face listens where others can reach it.
pub(crate) const OUTSIDE: &str = "10.77.0.1:6060";
/// Where it listens for its own host alone.
pub(crate) const INSIDE: &str = "127.0.0.1:6060";
pub(crate) const PASSWORD: &str = "correct horse battery";
pub(crate) const SCANNER: &str = "10.77.0.2";

/// A guarded host with its web face.
pub(crate) struct Web {
    // The face goes before the host that it runs on.
    pub(crate) face: Option<Running>,
    pub(crate) story: Story,
    pub(crate) address: &'static str,
}

/// Somebody with a browser: a cookie jar, a host to sit at.
pub(crate) struct Browser<'a> {
    web: &'a Web,
    host: &'a Host,
    options: Vec<String>,
}

/// What was answered.
pub(crate) struct Answer {
    pub(crate) code: u16,
    /// In lower case.
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|why| panic!("{why}: {}", self.body))
    }

    /// Checks that it is a refusal as every face reads it.
    #[track_caller]
    pub(crate) fn refuses(&self, code: u16, words: &str) {
        assert_eq!(self.code, code, "{}", self.body);
        let problem = self.json();
        assert!(problem["error"].as_str().unwrap().contains(words), "{problem}");
    }
}

impl Web {
    /// Starts a daemon and a face that only its own host can reach.
    pub(crate) fn inside(more: &str) -> Self {
        let mut web =
            Self { face: None, story: Story::new(&format!("[web]\n{more}")), address: INSIDE };
        web.launch();
        web
    }

    /// Starts a daemon and a face with TLS that the scanner can reach too.
    pub(crate) fn outside() -> Self {
        let configuration = format!("[web]\nlisten = \"{OUTSIDE}\"\ntls = true\n");
        let mut web = Self { face: None, story: Story::new(&configuration), address: OUTSIDE };
        web.set_password("admin", &[]);
        web.launch();
        web
    }

    pub(crate) fn launch(&mut self) {
        self.face = Some(self.story.daemon.spawn(&["web"]));
        wait_for("the web face answers", || {
            let (host, port) = self.address.split_once(':').unwrap();
            let mut knock = self.story.lab.guarded().command(["nc", "-z", host, port]);
            knock.status().unwrap().success()
        });
    }

    /// Sets a password on the command line.
    pub(crate) fn set_password(&self, user: &str, more: &[&str]) {
        let program = program::guard().display().to_string();
        let config = self.story.daemon.config().display().to_string();
        let words = [&program, "--config", &config, "web", "password", user];
        self.story.lab.guarded().feed(words.iter().chain(more), &format!("{PASSWORD}\n"));
    }

    /// Returns a browser at the guarded host, with a jar of its own.
    pub(crate) fn browser(&self, jar: &str) -> Browser<'_> {
        self.browser_at(self.story.lab.guarded(), jar)
    }

    pub(crate) fn browser_at<'a>(&'a self, host: &'a Host, jar: &str) -> Browser<'a> {
        let home = self.story.daemon.home();
        let jar = home.join(format!("jar-{jar}")).display().to_string();
        let mut options: Vec<String> = ["-b", &jar, "-c", &jar].map(str::to_owned).into();
        if self.address == OUTSIDE {
            let certificate = home.join("web/certificate.pem").display().to_string();
            options.extend(["--cacert".to_owned(), certificate]);
        }
        Browser { web: self, host, options }
    }

    /// Returns a browser whose user is logged in.
    #[track_caller]
    pub(crate) fn logged_in(&self, user: &str) -> Browser<'_> {
        let browser = self.browser(user);
        let answer = browser.log_in(user, PASSWORD);
        assert_eq!(answer.code, 200, "{}", answer.body);
        browser
    }
}

impl Browser<'_> {
    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.ask(&[], path)
    }

    #[track_caller]
    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        self.ask(&["-H", "content-type: application/json", "-d", &body.to_string()], path)
    }

    #[track_caller]
    pub(crate) fn log_in(&self, user: &str, password: &str) -> Answer {
        self.post("/auth/login", &json!({ "user": user, "password": password }))
    }

    #[track_caller]
    pub(crate) fn ask(&self, more: &[&str], path: &str) -> Answer {
        let output = self.host.run(self.line(&[&["-i"], more].concat(), path));
        let (head, body) = output.split_once("\r\n\r\n").expect("a head and a body");
        let (body, code) = body.rsplit_once('\n').expect("curl writes the code");
        Answer { code: code.parse().unwrap(), head: head.to_lowercase(), body: body.to_owned() }
    }

    /// Returns the session's cookie as a program would send it.
    #[track_caller]
    pub(crate) fn cookie(&self) -> String {
        let jar = fs::read_to_string(&self.options[1]).unwrap();
        let value =
            jar.lines().find_map(|line| line.split_once("\tportguard\t")).expect("a cookie");
        format!("portguard={}", value.1)
    }

    pub(crate) fn line(&self, more: &[&str], path: &str) -> Vec<String> {
        let scheme = if self.web.address == OUTSIDE { "https" } else { "http" };
        let url = format!("{scheme}://{}{path}", self.web.address);
        let words =
            ["curl", "-sS", "-N", "-H", "expect:", "-w", "\n%{http_code}"].map(str::to_owned);
        let more = more.iter().map(|word| (*word).to_owned());
        words.into_iter().chain(self.options.clone()).chain(more).chain([url]).collect()
    }
}

/// Somebody who watches the stream of events.
pub(crate) struct Viewer(Running);

impl Viewer {
    pub(crate) fn new(browser: &Browser<'_>) -> Self {
        Self(browser.host.spawn(browser.line(&[], "/api/v1/stream")))
    }

    /// Waits for the next event of this name of which something holds.
    #[track_caller]
    pub(crate) fn wait_for(&self, name: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let mut told = String::new();
        eventually(&format!("an event `{name}`"), 2 * PATIENCE, || {
            let line = self.0.line(PATIENCE)?;
            if let Some(event) = line.strip_prefix("event: ") {
                event.clone_into(&mut told);
            }
            let data = line.strip_prefix("data: ").filter(|_| told == name)?;
            Some(serde_json::from_str(data).unwrap()).filter(&holds)
        })
    }
}
