//! What faces are told without asking, as server-sent events.
//!
//! One broadcaster looks for news as long as somebody listens, and ends with the last listener. What
//! it finds is written out once and shared by all.

mod broadcaster;

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::{Body, Bytes},
    extract::State,
    http::header::{CACHE_CONTROL, CONTENT_TYPE},
    response::{IntoResponse as _, Response},
};
use hyper::body::Frame;
use portguard_api::{Problem, stream::Lagged};
use serde::Serialize;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, broadcast, mpsc},
    task::JoinHandle,
    time::timeout,
};

use super::{Desk, answer::Failure, ask, role::MayRead};

use broadcaster::Broadcaster;

/// How many streams may be open at once; the web face needs one for all its viewers. Further ones
/// are refused.
const MOST_STREAMS: usize = 32;

/// How many events a listener may be behind: some seconds of everything that can come. When a
/// listener is further behind, the oldest are left out, and it is told how many.
const EVENTS: usize = 256;

/// How many events wait for the socket itself. When full, they wait among [`EVENTS`].
const UNSENT: usize = 4;

/// How often something is said at least, so that both ends know of a broken connection.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Everybody who listens, and the broadcaster as long as there is somebody.
pub(crate) struct Streams {
    places: Arc<Semaphore>,
    running: Mutex<Option<Running>>,
}

struct Running {
    events: broadcast::Sender<Bytes>,
    task: JoinHandle<()>,
}

impl Default for Streams {
    fn default() -> Self {
        Self { places: Arc::new(Semaphore::new(MOST_STREAMS)), running: Mutex::default() }
    }
}

/// News as they come, as server-sent events: `status`, `entry`, `packets`, `lagged`.
#[utoipa::path(get, path = "/v1/stream",
    responses((status = 200, body = String, content_type = "text/event-stream"), (status = 403, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn stream(_: MayRead, State(desk): State<Desk>) -> Result<Response, Failure> {
    let place = desk.views.streams.places.clone().try_acquire_owned();
    let place = place.map_err(|_| Failure::unavailable(&"too many faces listen already"))?;
    let events = desk.views.streams.listen(&desk).await?;
    // Asked for after the first event can be heard, so that nothing falls in between.
    let status = event("status", &ask::current_status(&desk).await?)?;
    let (sender, receiver) = mpsc::channel(UNSENT);
    tokio::spawn(pass_on(status, events, sender, place));
    let headers = [(CONTENT_TYPE, "text/event-stream"), (CACHE_CONTROL, "no-store")];
    Ok((headers, Body::new(Events(receiver))).into_response())
}

impl Streams {
    /// Returns the events from here on, and begins to look for them if nobody did.
    async fn listen(&self, desk: &Desk) -> Result<broadcast::Receiver<Bytes>, Failure> {
        if let Some(events) = self.heard() {
            return Ok(events);
        }
        let broadcaster = Broadcaster::begin(desk).await?;
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = running.as_ref().filter(|running| !running.task.is_finished()) {
            return Ok(running.events.subscribe());
        }
        let (events, heard) = broadcast::channel(EVENTS);
        let task = tokio::spawn(broadcaster.run(events.clone()));
        *running = Some(Running { events, task });
        Ok(heard)
    }

    fn heard(&self) -> Option<broadcast::Receiver<Bytes>> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let running = running.as_ref().filter(|running| !running.task.is_finished());
        running.map(|running| running.events.subscribe())
    }

    /// Lets the broadcaster go unless somebody listens; returns whether it may go.
    fn is_deserted(&self) -> bool {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let is_deserted = running.as_ref().is_none_or(|one| one.events.receiver_count() == 0);
        if is_deserted {
            *running = None;
        }
        is_deserted
    }
}

/// Passes events on to one listener until it hangs up.
async fn pass_on(
    first: Bytes,
    mut events: broadcast::Receiver<Bytes>,
    sender: mpsc::Sender<Bytes>,
    place: OwnedSemaphorePermit,
) {
    let mut said = first;
    while sender.send(said).await.is_ok() {
        let heard = tokio::select! {
            () = sender.closed() => break,
            heard = timeout(HEARTBEAT, events.recv()) => heard,
        };
        said = match heard {
            Ok(Ok(said)) => said,
            Ok(Err(broadcast::error::RecvError::Lagged(missed))) => {
                let Ok(said) = event("lagged", &Lagged { missed }) else { break };
                said
            }
            Ok(Err(broadcast::error::RecvError::Closed)) => break,
            Err(_) => Bytes::from_static(b": still here\n\n"),
        };
    }
    drop(place);
}

/// Returns an event as it stands in a stream. JSON without breaks has no line ends.
fn event(name: &str, data: &impl Serialize) -> Result<Bytes, Failure> {
    let data = serde_json::to_string(data).map_err(|error| Failure::unavailable(&error))?;
    Ok(format!("event: {name}\ndata: {data}\n\n").into())
}

/// The body of a stream.
struct Events(mpsc::Receiver<Bytes>);

impl hyper::body::Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|said| said.map(|said| Ok(Frame::data(said))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_slow_listener_is_told_how_much_it_missed() {
        let (events, heard) = broadcast::channel(2);
        let (sender, mut receiver) = mpsc::channel(1);
        let place = Arc::new(Semaphore::new(1)).acquire_owned().await.unwrap();
        for number in 0..5 {
            events.send(event("packets", &number).unwrap()).unwrap();
        }
        tokio::spawn(pass_on(event("status", &0).unwrap(), heard, sender, place));
        let mut next = async || String::from_utf8(receiver.recv().await.unwrap().to_vec()).unwrap();
        assert_eq!(next().await, "event: status\ndata: 0\n\n");
        assert_eq!(next().await, "event: lagged\ndata: {\"missed\":3}\n\n");
        assert_eq!(next().await, "event: packets\ndata: 3\n\n");
        assert_eq!(next().await, "event: packets\ndata: 4\n\n");
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_broken_now_and_then() {
        let (events, heard) = broadcast::channel(2);
        let (sender, mut receiver) = mpsc::channel(1);
        let place = Arc::new(Semaphore::new(1)).acquire_owned().await.unwrap();
        tokio::spawn(pass_on(Bytes::from_static(b"first"), heard, sender, place));
        assert_eq!(receiver.recv().await.unwrap(), "first");
        assert_eq!(receiver.recv().await.unwrap(), ": still here\n\n");
        drop(receiver);
        // The listener's receiver goes when it has hung up.
        tokio::time::sleep(HEARTBEAT).await;
        assert_eq!(events.receiver_count(), 0);
    }
}
