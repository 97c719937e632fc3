//! One subscription at the daemon for all who watch: what a hundred open pages cost it is what one
//! costs.
//!
//! Events are shared, not copied. Each viewer has a bounded queue; what does not fit is not sent,
//! and the viewer is told (`lagged`) and asks anew. While the daemon is away, viewers are told that
//! (`away`, then `back`), and stay connected.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::{Body, Bytes, HttpBody},
    extract::State,
    http::{HeaderValue, header::CONTENT_TYPE},
    response::Response,
};
use http_body_util::BodyExt as _;
use hyper::body::{Frame, Incoming};
use tokio::{
    sync::{Notify, mpsc},
    time::{Instant, sleep, timeout_at},
};

use crate::{
    access::Role,
    clock,
    face::{Caller, Face, Shared},
    problem::Refusal,
    upstream::{Asker, Away, Upstream, is_good},
};

/// Most viewers at a time; further ones are told to come later. Each takes some 20 kB, with TLS
/// some 50.
const MOST_VIEWERS: usize = 1_024;

/// Unsent events of one viewer: 3 s at the most that the daemon sends, ten packets' events a second
/// and as many journal lines.
const QUEUE: usize = 64;

/// How long a viewer hears nothing before a comment says that all is well; proxies on the way hang
/// up after 30 s or more.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Longest event of the daemon, in bytes; a status has some 10 kB.
const LONGEST_EVENT: usize = 1 << 20;

/// How long the daemon may be silent; it sends a comment every 15 s.
const SILENCE: Duration = Duration::from_secs(40);

/// Between attempts to reach the daemon: short enough that a restart goes unnoticed.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(3));

/// How long the subscription stays open when nobody watches any more: a page that is loaded anew.
const LINGER: Duration = Duration::from_secs(5);

/// In whose name the shared subscription is.
const WATCHER: Asker<'static> = Asker { role: Role::Viewer, user: "viewers" };

/// The subscription and those who share it.
pub(crate) struct Fan {
    upstream: Upstream,
    state: Mutex<Audience>,
    wanted: Notify,
}

#[derive(Default)]
struct Audience {
    viewers: Vec<Viewer>,
    /// What a new viewer is told first: the last status, or that the daemon is away.
    first: Option<Bytes>,
}

struct Viewer {
    queue: mpsc::Sender<Bytes>,
    missed: u64,
    caller: Caller,
}

impl Fan {
    pub(crate) fn new(upstream: Upstream) -> Arc<Self> {
        Arc::new(Self { upstream, state: Mutex::default(), wanted: Notify::new() })
    }

    fn state(&self) -> MutexGuard<'_, Audience> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a viewer.
    fn join(&self, caller: Caller) -> Result<Queue, Refusal> {
        let mut state = self.state();
        if state.viewers.len() >= MOST_VIEWERS {
            state.viewers.retain(|viewer| !viewer.queue.is_closed());
        }
        if state.viewers.len() >= MOST_VIEWERS {
            return Err(Refusal::unavailable("as many watch already as can"));
        }
        let (sender, queue) = mpsc::channel(QUEUE);
        // A comment, so that the page knows at once that it is connected.
        for event in [Some(Bytes::from_static(b":\n\n")), state.first.clone()].into_iter().flatten()
        {
            // The queue is new and has room for two.
            let _ = sender.try_send(event);
        }
        state.viewers.push(Viewer { queue: sender, missed: 0, caller });
        self.wanted.notify_one();
        Ok(Queue(queue))
    }

    /// Hands an event to every viewer.
    fn publish(&self, event: &Bytes) {
        self.state().viewers.retain_mut(|viewer| viewer.give(event));
    }

    /// Says that all is well, and parts with those whose session has ended.
    fn beat(&self, face: &Face) {
        let now = clock::now();
        self.state().viewers.retain(|viewer| face.is_welcome(&viewer.caller, now));
        self.publish(&Bytes::from_static(b":\n\n"));
    }

    fn is_empty(&self) -> bool {
        let mut state = self.state();
        state.viewers.retain(|viewer| !viewer.queue.is_closed());
        state.viewers.is_empty()
    }

    /// Tells every viewer that the daemon is away.
    fn tell_away(&self, why: &str) {
        let event = event("away", &serde_json::json!({ "error": why }));
        self.state().first = Some(event.clone());
        self.publish(&event);
    }

    /// Keeps the subscription while somebody watches; runs for as long as the process.
    pub(crate) async fn run(&self) {
        let mut pause = BACK_OFF.0;
        let mut is_away = false;
        loop {
            while self.is_empty() {
                self.state().first = None;
                is_away = false;
                self.wanted.notified().await;
            }
            let why = match self.upstream.stream(WATCHER).await {
                Ok(answer) if is_good(&answer) => {
                    if std::mem::take(&mut is_away) {
                        self.state().first = None;
                        self.publish(&event("back", &serde_json::json!({})));
                    }
                    pause = BACK_OFF.0;
                    self.pass_on(answer.into_body()).await
                }
                Ok(answer) => Some(format!("the guard has no stream ({})", answer.status())),
                Err(away) => Some(crate::with_causes(&away)),
            };
            if let Some(why) = why {
                if !std::mem::replace(&mut is_away, true) {
                    self.tell_away(&why);
                }
                sleep(pause).await;
                pause = (pause * 2).min(BACK_OFF.1);
            }
        }
    }

    /// Passes events on until the stream ends, and returns why; nothing if nobody watches any more.
    async fn pass_on(&self, mut body: Incoming) -> Option<String> {
        let mut events = Events::default();
        let mut silent_until = Instant::now() + SILENCE;
        loop {
            let frame = match timeout_at(silent_until.min(Instant::now() + LINGER), body.frame())
                .await
            {
                Ok(Some(Ok(frame))) => frame,
                Ok(Some(Err(error))) => return Some(crate::with_causes(&Away::HungUp(error))),
                Ok(None) => return Some("the guard has ended".to_owned()),
                Err(_) if self.is_empty() => return None,
                Err(_) if Instant::now() >= silent_until => return Some(Away::Late.to_string()),
                Err(_) => continue,
            };
            silent_until = Instant::now() + SILENCE;
            let Some(bytes) = frame.data_ref() else { continue };
            for event in events.add(bytes) {
                if is_status(&event) {
                    self.state().first = Some(event.clone());
                }
                self.publish(&event);
            }
            if events.is_overlong() {
                return Some(Away::Unreadable.to_string());
            }
        }
    }
}

/// Says to all viewers of a face, every now and then, that all is well.
pub(crate) async fn beat(face: Shared) {
    loop {
        sleep(HEARTBEAT).await;
        face.fan.beat(&face);
    }
}

impl Viewer {
    /// Hands an event over if there is room; returns whether the viewer is still there.
    fn give(&mut self, event: &Bytes) -> bool {
        if self.missed > 0 {
            let lagged = self::event("lagged", &serde_json::json!({ "missed": self.missed }));
            match self.queue.try_send(lagged) {
                Ok(()) => self.missed = 0,
                Err(mpsc::error::TrySendError::Full(_)) => {
                    self.missed += 1;
                    return true;
                }
                Err(mpsc::error::TrySendError::Closed(_)) => return false,
            }
        }
        match self.queue.try_send(event.clone()) {
            Ok(()) => true,
            Err(mpsc::error::TrySendError::Full(_)) => {
                self.missed += 1;
                true
            }
            Err(mpsc::error::TrySendError::Closed(_)) => false,
        }
    }
}

/// Watches.
pub(crate) async fn watch(State(face): State<Shared>, caller: Caller) -> Result<Response, Refusal> {
    let queue = face.fan.join(caller)?;
    let mut response = Response::new(Body::new(queue));
    let kind = HeaderValue::from_static("text/event-stream");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    // A proxy that gathered events would make them late.
    let unbuffered = HeaderValue::from_static("no");
    response.headers_mut().insert("x-accel-buffering", unbuffered);
    Ok(response)
}

/// What a viewer's connection is fed from; it ends when the viewer is parted with.
struct Queue(mpsc::Receiver<Bytes>);

impl HttpBody for Queue {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.0.poll_recv(context).map(|event| event.map(|event| Ok(Frame::data(event))))
    }
}

/// Cuts a stream into its events (WHATWG, "Server-sent events"); the daemon ends each with an empty
/// line.
#[derive(Default)]
struct Events {
    rest: Vec<u8>,
}

impl Events {
    /// Adds what came, and returns the events that are whole; comments are ours to make.
    fn add(&mut self, bytes: &[u8]) -> Vec<Bytes> {
        self.rest.extend_from_slice(bytes);
        let mut events = Vec::new();
        let mut begin = 0;
        while let Some(length) = self.rest[begin..].windows(2).position(|pair| pair == b"\n\n") {
            let event = &self.rest[begin..begin + length + 2];
            if !event.starts_with(b":") {
                events.push(Bytes::copy_from_slice(event));
            }
            begin += length + 2;
        }
        self.rest.drain(..begin);
        events
    }

    fn is_overlong(&self) -> bool {
        self.rest.len() > LONGEST_EVENT
    }
}

fn is_status(event: &[u8]) -> bool {
    event
        .split(|byte| *byte == b'\n')
        .any(|line| line == b"event: status" || line == b"event:status")
}

fn event(name: &str, data: &serde_json::Value) -> Bytes {
    Bytes::from(format!("event: {name}\ndata: {data}\n\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{face::By, secret::Digest};

    fn caller() -> Caller {
        let by = By::Token(Digest::of("x"));
        Caller { name: "x".to_owned(), role: Role::Viewer, by }
    }

    fn fan() -> Arc<Fan> {
        Fan::new(Upstream::new("/nowhere".into()))
    }

    fn next(queue: &mut Queue) -> Option<String> {
        let event = queue.0.try_recv().ok()?;
        Some(String::from_utf8_lossy(&event).into_owned())
    }

    #[test]
    fn a_stream_is_cut_into_events_wherever_it_breaks() {
        let text = "event: status\ndata: {}\n\n:\n\nevent: entry\ndata: 1\n\n";
        for size in 1..text.len() {
            let mut events = Events::default();
            let cut = text.as_bytes().chunks(size).flat_map(|part| events.add(part));
            let cut: Vec<_> = cut.collect();
            assert_eq!(cut, ["event: status\ndata: {}\n\n", "event: entry\ndata: 1\n\n"], "{size}");
            assert!(is_status(&cut[0]) && !is_status(&cut[1]));
        }
        let mut events = Events::default();
        events.add(&vec![b'x'; LONGEST_EVENT + 1]);
        assert!(events.is_overlong());
    }

    #[test]
    fn a_slow_viewer_misses_events_is_told_and_holds_nobody_up() {
        let fan = fan();
        let (mut slow, mut quick) = (fan.join(caller()).unwrap(), fan.join(caller()).unwrap());
        let event = Bytes::from_static(b"data: 1\n\n");
        for _ in 0..QUEUE + 10 {
            fan.publish(&event);
            while next(&mut quick).is_some() {}
        }
        let mut got = 0;
        while next(&mut slow).is_some() {
            got += 1;
        }
        assert_eq!(got, QUEUE);
        fan.publish(&event);
        // The first comment took one place.
        assert_eq!(next(&mut slow).unwrap(), "event: lagged\ndata: {\"missed\":11}\n\n");
        assert_eq!(next(&mut slow).unwrap(), "data: 1\n\n");
        assert_eq!(next(&mut quick).unwrap(), "data: 1\n\n");
    }

    #[test]
    fn who_comes_later_hears_first_how_things_are() {
        let fan = fan();
        fan.tell_away("gone");
        let mut queue = fan.join(caller()).unwrap();
        assert_eq!(next(&mut queue).unwrap(), ":\n\n");
        assert_eq!(next(&mut queue).unwrap(), "event: away\ndata: {\"error\":\"gone\"}\n\n");
    }

    #[test]
    fn viewers_are_bounded_and_those_who_left_make_room() {
        let fan = fan();
        let mut queues: Vec<_> = (0..MOST_VIEWERS).map(|_| fan.join(caller()).unwrap()).collect();
        assert!(fan.join(caller()).is_err());
        queues.pop();
        assert!(fan.join(caller()).is_ok());
    }
}
