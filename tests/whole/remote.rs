//! The control file: fetched from a real nginx over TLS, signed by the real `ssh-keygen` and
//! `minisign` and by us, it opens and closes services, once, and by nobody else's will.

mod answers;
mod effects;
mod signers;

use std::time::{Duration, SystemTime};

use lab::{
    FileServer, Lab,
    file_server::{HTTPS, stamped},
    wiring::GUARDED_V4,
};
use serde_json::Value;

use crate::story::{Story, wait_for};

const PEER: &str = "10.77.0.2";

/// A guarded host whose services a control file drives, and the server of that file.
struct Tale {
    story: Story,
    server: FileServer,
    /// The public key of `anna`, who signs.
    anna: String,
}

impl Tale {
    /// A closed guard that obeys anna and fetches every second; a server without a file.
    fn new() -> Self {
        Self::with("")
    }

    /// The same with more configuration.
    fn with(more: &str) -> Self {
        let lab = Lab::new();
        let server = FileServer::start(&lab);
        let anna = server.key("anna");
        let story = Story::in_lab(lab, &configuration(&remote(&anna, "/ports.txt", ""), more));
        Self { story, server, anna }
    }

    /// Gives the daemon another `[remote]`, with more of it and more beside it.
    fn configure(&self, path: &str, remote_more: &str, more: &str) {
        let remote = remote(&self.anna, path, remote_more);
        self.take(&configuration(&remote, more));
    }

    fn take(&self, configuration: &str) {
        self.story.daemon.configure(configuration);
        let before = self.story.daemon.log().matches("configuration read again").count();
        self.story.daemon.reload();
        wait_for("the configuration to be read", || {
            self.story.daemon.log().matches("configuration read again").count() > before
        });
    }

    /// Publishes lines that anna signs now, with this serial.
    fn publish(&self, serial: u32, lines: &str) {
        self.server.publish("anna", stamped(serial, "now", lines));
    }

    fn status(&self) -> Value {
        self.story.json(&["remote", "status"])
    }

    /// Waits until the file in effect has this serial.
    fn wait_for_serial(&self, serial: u32) {
        wait_for(&format!("serial {serial}"), || {
            let summary = &self.status()["summary"];
            summary["serial"] == serial && summary["state"] == "good"
        });
    }

    /// Waits until the last fetch went wrong for this reason.
    fn wait_for_error(&self, state: &str, why: &str) {
        wait_for(&format!("{state}: {why}"), || {
            let summary = &self.status()["summary"];
            let error = summary["last_error"].as_str().unwrap_or_default();
            summary["state"] == state && error.contains(why)
        });
    }

    fn is_reached(&self, port: u16) -> bool {
        self.story.connects(PEER, GUARDED_V4, port)
    }
}

fn remote(key: &str, path: &str, more: &str) -> String {
    format!(
        "[remote]\nurl = \"{HTTPS}{path}\"\nevery = \"1s\"\nkeys = [\"{key}\"]\n\
         services = [\"web\", \"ssh\", \"db\"]\n{more}\n"
    )
}

fn configuration(remote: &str, more: &str) -> String {
    format!(
        "guard.posture = \"closed\"\nports.always = []\nports.follow = \"none\"\n\
         services.web.ports = [\"tcp/8088\"]\nservices.db.ports = [\"tcp/3306\"]\n\
         services.mail.ports = [\"tcp/25\"]\n{more}\n{remote}"
    )
}

#[test]
fn a_signed_file_opens_and_closes_a_service() {
    let tale = Tale::new();
    let _service = tale.story.serve(8088);
    tale.wait_for_error("failing", "the server answers 404");
    assert!(!tale.is_reached(8088));

    tale.publish(1, "open web\n");
    tale.wait_for_serial(1);
    assert!(tale.is_reached(8088));
    let status = tale.status();
    assert_eq!(status["summary"]["signer"], "anna");
    let row = |name: &str| {
        let services = status["services"].as_array().unwrap();
        services.iter().find(|row| row["name"] == name).unwrap().clone()
    };
    assert_eq!(
        (row("web")["state"].as_str(), row("db")["state"].as_str()),
        (Some("open"), Some("closed"))
    );
    assert_eq!(row("web")["author"], "control file, serial 1");
    tale.story.wait_for_line("control file, serial 1, signed by anna: orders: 1");
    tale.story.wait_for_line("web (tcp/8088) opened by control file, serial 1");
    let events = tale.story.json(&["events"]);
    let accepted = events.as_array().unwrap().iter().find(|event| event["kind"] == "remote");
    let accepted = accepted.unwrap();
    assert_eq!(accepted["author"], "control file, serial 1");
    assert!(accepted["evidence"].to_string().contains("authenticated"), "{accepted}");
    let ports = tale.story.json(&["ports"]);
    assert!(ports.to_string().contains("opened by control file, serial 1"), "{ports}");
    let words = tale.story.cli(&["status"]).stdout;
    assert!(words.contains("good; in effect: serial 1, signed by anna"), "{words}");

    // A session lives on when its service is closed, and nobody else comes in.
    let mut session = tale.story.lab.scanner().talk(None, (GUARDED_V4, 8088).into());
    session.say("hello");
    assert_eq!(session.line(lab::deadline::PATIENCE).as_deref(), Some("hello"));
    tale.publish(2, "close web\n");
    tale.wait_for_serial(2);
    assert!(!tale.is_reached(8088));
    session.say("still there?");
    assert_eq!(session.line(lab::deadline::PATIENCE).as_deref(), Some("still there?"));
}

#[test]
fn a_service_is_opened_for_one_source_and_for_some_time() {
    let tale = Tale::new();
    let _service = tale.story.serve(8088);
    tale.publish(1, "open web from 10.77.0.3 for 1h\r\n\r\n# that is all\r\n");
    tale.wait_for_serial(1);
    assert!(tale.story.connects("10.77.0.3", GUARDED_V4, 8088));
    assert!(!tale.is_reached(8088));
    let why = tale.story.cli(&["why", "10.77.0.3"]).stdout;
    assert!(why.contains("web (tcp/8088) opened for 10.77.0.3 by control file, serial 1"), "{why}");
    let grants = tale.story.json(&["list", "grants"]);
    assert!(grants[0]["seconds_left"].as_u64().unwrap() > 3_500, "{grants}");
    // What is no longer in the file stays as it is; what is closed ends.
    tale.publish(2, "open db\n");
    tale.wait_for_serial(2);
    assert!(tale.story.connects("10.77.0.3", GUARDED_V4, 8088));
    tale.publish(3, "close web from 10.77.0.3\n");
    tale.wait_for_serial(3);
    assert!(!tale.story.connects("10.77.0.3", GUARDED_V4, 8088));
}

#[test]
fn two_versions_that_look_alike_to_the_server_are_told_apart() {
    let tale = Tale::new();
    // To nginx, a version is a second and a size; a time to come never is long ago.
    let time = SystemTime::now() + Duration::from_secs(3_600);
    for serial in [1, 2] {
        let text = stamped(serial, "now", "open web\n");
        tale.server.put("ports.txt.sig", tale.server.signature("anna", &text));
        tale.server.put_of(time, "ports.txt", text);
        tale.wait_for_serial(serial);
    }
    assert_eq!(tale.server.answers("/ports.txt", 304), 0);
}

#[test]
fn a_file_that_did_not_change_is_not_sent_again() {
    let tale = Tale::new();
    tale.publish(1, "open web\n");
    tale.wait_for_serial(1);
    wait_for("two answers without the file", || tale.server.answers("/ports.txt", 304) >= 2);
    assert_eq!(tale.status()["summary"]["state"], "good");
    let accepted = tale.story.daemon.log().matches("control file, serial 1, signed").count();
    assert_eq!(accepted, 1);
    // What an operator does after it stays done.
    tale.story.order(&["close", "web"]);
    let before = tale.server.answers("/ports.txt", 304);
    wait_for("another answer", || tale.server.answers("/ports.txt", 304) > before + 1);
    assert_eq!(tale.story.reach("tcp/8088"), "");
    assert_eq!(tale.status()["services"][0]["state"], "closed");
}

#[test]
fn the_status_page_says_what_is_so() {
    let lab = Lab::new();
    let server = FileServer::start(&lab);
    let anna = server.key("anna");
    let page = server.path("page.html");
    let more = format!("status_page = \"{page}\"");
    let story = Story::in_lab(lab, &configuration(&remote(&anna, "/ports.txt", &more), ""));
    let tale = Tale { story, server, anna };
    let read = |name: &str| std::fs::read_to_string(tale.server.path(name)).unwrap_or_default();
    wait_for("a page with the error", || read("page.html").contains("the server answers 404"));
    tale.publish(1, "open web for 1h\nopen db from 192.0.2.7\n");
    wait_for("the state of the services", || {
        let html = read("page.html");
        html.contains("<td>web</td><td>open</td><td>20") && !html.contains("error\">")
    });
    let json: Value = serde_json::from_str(&read("page.json")).unwrap();
    assert_eq!(json["services"][2]["state"], "open for some", "{json}");
    assert!(!json.to_string().contains("192.0.2.7"), "{json}");
    tale.story.order(&["close", "web"]);
    wait_for("the change of an operator", || read("page.html").contains("<td>closed</td>"));
    let listing = tale.server.run("ls -a | grep page; stat -c %a page.html");
    assert_eq!(listing, "page.html\npage.json\n644\n");
}

#[test]
fn without_an_address_there_is_no_thread() {
    let tale = Tale::new();
    let threads = || {
        let pid = tale.story.daemon.pid().unwrap();
        let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
        let names =
            tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
        names.filter(|name| name.trim() == "remote").count()
    };
    wait_for("the thread", || threads() == 1);
    tale.take(&configuration("", ""));
    wait_for("no thread", || threads() == 0);
    assert_eq!(tale.status()["summary"]["state"], "off");
    assert!(tale.story.cli(&["remote", "status"]).stdout.contains("remote.url is empty"));
    assert_eq!(tale.story.json(&["status"])["remote"], Value::Null);
}
