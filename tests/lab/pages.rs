//! The web face on a host of the lab, and a real browser that looks at its pages.
//!
//! A story is a script of `web-e2e/stories`. It drives Chromium on the guarded host, and says in
//! lines of JSON what is to happen outside of the browser; that is done here, and answered.

use std::{
    ffi::OsString,
    fs,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};

use crate::{
    daemon::Daemon,
    deadline::{PATIENCE, eventually},
    program,
    running::Running,
    scan::Answer,
    wiring::{GUARDED_V4, Lab},
};

/// Where the face listens, on each guarded host.
const ADDRESS: &str = "127.0.0.1:6060";

/// The password of the user `admin`.
const PASSWORD: &str = "correct horse battery";

/// How long a story may be silent: a page in a browser, on a machine that has other things to do.
const SILENCE: Duration = Duration::from_secs(90);

/// How long a connection is tried that may find nobody; on a virtual cable an answer takes
/// microseconds, beside a browser some more.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// A web face that runs beside a daemon, and what the stories started.
#[derive(Debug)]
pub struct Pages {
    // The face goes before the host that it runs on.
    _face: Running,
    servers: Vec<Running>,
}

/// Something that a story measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// What.
    pub name: String,
    /// How much.
    pub value: f64,
    /// Of what.
    pub unit: String,
}

impl Pages {
    /// Starts the web face of a daemon's host and waits until it answers.
    ///
    /// # Panics
    /// When it does not answer in time.
    pub fn start(lab: &Lab, daemon: &Daemon) -> Self {
        let words = face(daemon, &["password", "admin"]);
        lab.guarded().feed(words, &format!("{PASSWORD}\n"));
        Self::start_new(lab, daemon)
    }

    /// Starts a face that nobody has a password for yet.
    ///
    /// # Panics
    /// When it does not answer in time.
    pub fn start_new(lab: &Lab, daemon: &Daemon) -> Self {
        let face = lab.guarded().spawn(face(daemon, &[]));
        eventually("the web face answers", PATIENCE, || {
            let address: SocketAddr = ADDRESS.parse().expect("an address");
            let answer = lab.guarded().connect(None, address, ANSWER_WITHIN);
            (answer == Answer::Open).then_some(())
        });
        Self { _face: face, servers: Vec::new() }
    }

    /// Runs a story to its end and returns what it measured; `words` go to the story.
    ///
    /// # Panics
    /// When the story does not hold; what the browser said is printed before.
    pub fn tell(
        &mut self,
        lab: &Lab,
        daemon: &mut Daemon,
        story: &str,
        words: &[&str],
    ) -> Vec<Figure> {
        let script = program::workspace().join("web-e2e/run.mjs");
        let url = format!("http://{ADDRESS}/");
        let fixed: [OsString; 5] =
            ["node".into(), script.into(), story.into(), url.into(), screenshots(story).into()];
        let line = fixed.into_iter().chain(words.iter().map(OsString::from));
        let mut script = lab.guarded().spawn(line);
        let mut figures = Vec::new();
        loop {
            let said = script.line(SILENCE);
            let said = said.unwrap_or_else(|| panic!("the story `{story}` does not hold"));
            let wish: Value = serde_json::from_str(&said).expect("a story says JSON");
            if wish == "passed" {
                return figures;
            }
            if let Some(name) = wish["figure"].as_str() {
                let value = wish["value"].as_f64().unwrap_or_default();
                let unit = wish["unit"].as_str().unwrap_or_default().to_owned();
                figures.push(Figure { name: name.to_owned(), value, unit });
            }
            let out = self.fulfil(lab, daemon, &wish);
            let answer =
                out.map_or_else(|why| json!({ "failed": why }), |out| json!({ "out": out }));
            script.say(&answer.to_string());
        }
    }

    /// Does what a story wishes.
    fn fulfil(&mut self, lab: &Lab, daemon: &mut Daemon, wish: &Value) -> Result<String, String> {
        let text = |name: &str| wish[name].as_str().unwrap_or_default();
        if let Some(host) = wish["on"].as_str() {
            let host = if host == "scanner" { lab.scanner() } else { lab.guarded() };
            return printed(&host.attempt(["sh", "-c", text("line")]));
        }
        if let Some(from) = wish["touch"].as_str() {
            let began = now_millis();
            return match connect(lab, from, &wish["port"], PATIENCE)? {
                Answer::Open | Answer::Refused => Ok(began.to_string()),
                other => Err(format!("{other:?}")),
            };
        }
        if let Some(from) = wish["connect"].as_str() {
            let is_open = connect(lab, from, &wish["port"], ANSWER_WITHIN)? == Answer::Open;
            return Ok(if is_open { "yes" } else { "no" }.to_owned());
        }
        if let Some(name) = wish["serve"].as_str() {
            return self.serve(lab, daemon, name, &wish["port"]);
        }
        if let Some(words) = wish["portguard"].as_array() {
            let words: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
            let output = daemon.cli(&words);
            // A negative answer is one too.
            let is_answer = output.status.code() == Some(1);
            return if is_answer { Ok(text_of(&output.stdout)) } else { printed(&output) };
        }
        match wish["daemon"].as_str() {
            Some("kill") => daemon.kill9(),
            Some("start") => {
                daemon.launch();
                daemon.wait_until_ready(PATIENCE);
            }
            Some("reload") => daemon.reload(),
            _ if wish["figure"].is_string() => {}
            _ => return Err("nobody knows how to do that".to_owned()),
        }
        Ok(String::new())
    }

    /// Starts a server under another name of the program, so that it is told from others.
    fn serve(
        &mut self,
        lab: &Lab,
        daemon: &Daemon,
        name: &str,
        port: &Value,
    ) -> Result<String, String> {
        let program = daemon.home().join(name);
        if !program.exists() {
            fs::copy(program::probe(), &program).map_err(|error| error.to_string())?;
        }
        let line = [program.into(), OsString::from("serve"), at(port)?.to_string().into()];
        let server = lab.guarded().spawn(line);
        let is_ready = server.line(PATIENCE).as_deref() == Some("ready");
        self.servers.push(server);
        if is_ready { Ok(String::new()) } else { Err("nothing serves there".to_owned()) }
    }
}

/// Returns the command line of the face, or of one of its commands.
fn face(daemon: &Daemon, words: &[&str]) -> Vec<OsString> {
    let guard = program::guard().into_os_string();
    let configured = [guard, "--config".into(), daemon.config().into(), "web".into()];
    configured.into_iter().chain(words.iter().map(OsString::from)).collect()
}

fn connect(lab: &Lab, from: &str, port: &Value, limit: Duration) -> Result<Answer, String> {
    let from: IpAddr = from.parse().map_err(|_| format!("{from} is no address"))?;
    Ok(lab.scanner().connect(Some(from), at(port)?, limit))
}

fn at(port: &Value) -> Result<SocketAddr, String> {
    let number = port.as_u64().and_then(|port| u16::try_from(port).ok());
    let number = number.ok_or_else(|| format!("{port} is no port"))?;
    Ok(SocketAddr::new(GUARDED_V4, number))
}

fn printed(output: &std::process::Output) -> Result<String, String> {
    if output.status.success() {
        return Ok(text_of(&output.stdout));
    }
    Err(format!("{}: {}", output.status, text_of(&output.stderr)))
}

fn text_of(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn now_millis() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis())
}

/// Returns where a story's pictures are kept: beside what was built, for whoever looks at them later.
fn screenshots(story: &str) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| program::workspace().join("target"), PathBuf::from);
    target.join("screenshots").join(story)
}
