//! The web face: what its viewers cost the guard, and how soon the first page is there.

use std::{
    thread,
    time::{Duration, Instant},
};

use lab::{Daemon, Lab, running::Running};
use serde_json::json;

use crate::{
    api::Api,
    figure::{Report, ms, percentile},
    load::{fill, processor_time_of, resident_of},
    single::address,
    worker::Worker,
};

const FACE: &str = "127.0.0.1:6060";

/// How many watch.
const VIEWERS: u32 = 500;

/// Bans of one run, and how often one comes: each is an event for every viewer, 10,000 a second.
const BANS: u32 = 200;
const PACE: Duration = Duration::from_millis(50);

/// A guarded host with a face, and somebody on the host who asks it.
struct Web {
    face: Running,
    worker: Worker,
    cookie: String,
}

impl Web {
    fn start(lab: &Lab, daemon: &Daemon) -> Self {
        let face = daemon.spawn(&["web"]);
        let mut worker = Worker::start(lab.guarded(), &[]);
        assert_eq!(worker.ask(&format!("listens {FACE}")), "true");
        let link = daemon.ask(&["web", "token"]);
        let token = link["link"].as_str().and_then(|link| link.split_once('=')).expect("a link").1;
        let cookie = worker.ask(&format!("enter {FACE} {token}"));
        Self { face, worker, cookie }
    }

    /// Returns milliseconds and bytes of an answer.
    fn fetch(&mut self, path: &str) -> (f64, String) {
        let answer = self.worker.ask(&format!("fetch {FACE} {path} {}", self.cookie));
        let (time, head) = answer.split_once(' ').expect("a time and a text");
        (time.parse().expect("a number"), head.to_owned())
    }
}

/// Bans one by one, with nobody watching and with five hundred.
pub(crate) fn viewers(report: &mut Report) {
    let lab = Lab::new();
    let daemon = Daemon::start(lab.guarded(), "");
    let mut api = Api::connect(&daemon.socket()).expect("the daemon listens");
    let mut web = Web::start(&lab, &daemon);
    let idle = resident_of(web.face.pid());
    // The first bans pay for what is allocated once.
    bans(&mut api, 2_000_000, 20);
    let mut alone = bans(&mut api, 0, BANS);
    let watching = web.worker.ask(&format!("watch {FACE} {VIEWERS} {}", web.cookie));
    assert_eq!(watching, VIEWERS.to_string(), "everybody gets the first status");
    let (before, began) = (processor_time_of(web.face.pid()), Instant::now());
    let due = u64::from(VIEWERS) * u64::from(BANS);
    web.worker.tell(&format!("heard-of {due}"));
    let mut watched = bans(&mut api, 1_000_000, BANS);
    let used = processor_time_of(web.face.pid()).saturating_sub(before);
    let share = used.as_secs_f64() / began.elapsed().as_secs_f64() * 100.0;
    let heard: f64 = web.worker.answer().parse().expect("a number");
    for (part, name) in [(0.5, "p50"), (0.99, "p99")] {
        let (with, without) =
            (ms(percentile(&mut watched, part)), ms(percentile(&mut alone, part)));
        let what = format!("ban with {VIEWERS} web viewers, {name}");
        report.peer(what, with, ("no viewer", without), "ms");
    }
    #[expect(clippy::cast_precision_loss, reason = "a hundred thousand")]
    report.least(format!("events at {VIEWERS} viewers"), heard, due as f64, "");
    report.limit(format!("web face with {VIEWERS} viewers, processor"), share, 50.0, "%");
    let resident = resident_of(web.face.pid());
    report.limit(format!("web face with {VIEWERS} viewers, resident"), resident, 60.0, "MB");
    report.limit("web face idle, resident", idle, 20.0, "MB");
}

/// The first page with everything that it asks for, with a hundred thousand bans.
pub(crate) fn first_page(report: &mut Report) {
    let lab = Lab::new();
    let mut daemon = Daemon::prepare(lab.guarded(), "");
    fill(&daemon, 100_000);
    daemon.launch();
    daemon.wait_until_ready(Duration::from_secs(60));
    let mut web = Web::start(&lab, &daemon);
    let (mut whole, page) = web.fetch("/");
    // `src="/assets/..."` and `href="/assets/..."`
    let files: Vec<String> = page
        .split('"')
        .filter(|part| part.starts_with("/assets/"))
        .map(ToOwned::to_owned)
        .collect();
    let asked = [
        "/auth/me",
        "/api/v1/status",
        "/api/v1/history?span=86400",
        "/api/v1/top?span=86400&limit=10",
        "/api/v1/events?limit=20",
        "/api/v1/table/holds?list=bans&limit=100&sort=since&descending=true",
    ];
    for path in files.iter().map(String::as_str).chain(asked) {
        whole += web.fetch(path).0;
    }
    report.limit("first page with 100,000 bans, all of it", whole / 1e3, 1.0, "s");
    let table = "/api/v1/table/holds?list=bans&limit=100&find=198.1&sort=subject";
    report.limit("search and sort in 100,000 bans", web.fetch(table).0, 200.0, "ms");
}

/// Bans one by one at a steady pace, and returns how long each took.
fn bans(api: &mut Api, first: u32, count: u32) -> Vec<Duration> {
    let mut due = Instant::now();
    let times = (0..count).map(|index| {
        due += PACE;
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let subject = address(first + index);
        let order = json!({ "measure": "ban", "subject": subject, "for": "1h" });
        let start = Instant::now();
        api.post("/v1/hold", &order);
        start.elapsed()
    });
    times.collect()
}

/// What a worker does as a browser, or as many.
pub(crate) mod browser {
    use std::{
        io::{self, Read as _, Write as _},
        net::{SocketAddr, TcpStream},
        time::{Duration, Instant},
    };

    /// How long everything may take together.
    const PATIENCE: Duration = Duration::from_secs(60);

    const NAME: &[u8] = b"event: entry";

    /// Those who watch.
    #[derive(Default)]
    pub(crate) struct Watchers(Vec<Watcher>);

    struct Watcher {
        stream: TcpStream,
        /// The end of what came, in which the name of an event may have begun.
        rest: Vec<u8>,
        entries: u64,
        is_told: bool,
    }

    impl Watchers {
        /// Connects so many, and returns how many were told the status.
        pub(crate) fn connect(&mut self, to: SocketAddr, count: u64, cookie: &str) -> String {
            for _ in 0..count {
                let mut stream = TcpStream::connect(to).expect("the face listens");
                let request = request("GET", "/api/v1/stream", &[("cookie", cookie)], "");
                stream.write_all(request.as_bytes()).expect("the face reads");
                stream.set_nonblocking(true).expect("a socket");
                let watcher = Watcher { stream, rest: Vec::new(), entries: 0, is_told: false };
                self.0.push(watcher);
            }
            let told = |all: &Self| all.0.iter().filter(|one| one.is_told).count();
            self.read_until(|all| told(all) as u64 >= count);
            told(self).to_string()
        }

        /// Reads until so many entries came, and returns how many did.
        pub(crate) fn heard(&mut self, due: u64) -> String {
            let entries = |all: &Self| all.0.iter().map(|one| one.entries).sum::<u64>();
            self.read_until(|all| entries(all) >= due);
            entries(self).to_string()
        }

        /// Reads what came for everybody, some thirty times a second, as pages do.
        fn read_until(&mut self, is_enough: impl Fn(&Self) -> bool) {
            let end = Instant::now() + PATIENCE;
            while !is_enough(self) && Instant::now() < end {
                self.0.iter_mut().for_each(Watcher::read);
                std::thread::sleep(Duration::from_millis(30));
            }
        }
    }

    impl Watcher {
        fn read(&mut self) {
            let mut bytes = [0; 16 << 10];
            loop {
                match self.stream.read(&mut bytes) {
                    Ok(0) | Err(_) => return,
                    Ok(length) => self.take(&bytes[..length]),
                }
            }
        }

        fn take(&mut self, bytes: &[u8]) {
            self.rest.extend_from_slice(bytes);
            let count = self.rest.windows(NAME.len()).filter(|part| *part == NAME).count();
            self.entries += count as u64;
            self.is_told |= self.rest.windows(13).any(|part| part == b"event: status");
            let keep = self.rest.len().saturating_sub(NAME.len() - 1);
            self.rest.drain(..keep);
        }
    }

    /// Waits until something listens.
    pub(crate) fn listens(to: SocketAddr) -> String {
        let end = Instant::now() + PATIENCE;
        while TcpStream::connect(to).is_err() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(5));
        }
        TcpStream::connect(to).is_ok().to_string()
    }

    /// Comes in with a one-time link, and returns the cookie.
    pub(crate) fn enter(to: SocketAddr, token: &str) -> String {
        let body = format!("{{\"token\":\"{token}\"}}");
        let answer = exchange(to, &request("POST", "/auth/link", &[], &body)).expect("an answer");
        let cookie = answer.lines().find_map(|line| line.strip_prefix("set-cookie: portguard="));
        let value = cookie.and_then(|cookie| cookie.split(';').next()).expect("a cookie");
        format!("portguard={value}")
    }

    /// Fetches something, and returns the milliseconds and the answer in one line.
    pub(crate) fn fetch(to: SocketAddr, path: &str, cookie: &str) -> String {
        let headers = [("cookie", cookie), ("accept-encoding", "br")];
        let start = Instant::now();
        let answer = exchange(to, &request("GET", path, &headers, "")).expect("an answer");
        let time = start.elapsed().as_secs_f64() * 1e3;
        assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
        // The page is read again as it is: nobody here knows brotli.
        let answer = if path == "/" {
            exchange(to, &request("GET", path, &headers[..1], "")).expect("an answer")
        } else {
            String::new()
        };
        format!("{time} {}", answer.replace(['\r', '\n'], " "))
    }

    fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> String {
        let more: String =
            headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let length = body.len();
        format!(
            "{method} {path} HTTP/1.1\r\nhost: 127.0.0.1:6060\r\n{more}\
             content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        )
    }

    /// Asks on a connection of its own, which the face ends after the answer.
    fn exchange(to: SocketAddr, request: &str) -> io::Result<String> {
        let request = request.replacen("\r\n", "\r\nconnection: close\r\n", 1);
        let mut stream = TcpStream::connect(to)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(request.as_bytes())?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }
}
