//! The way to the daemon: HTTP over its `web.sock`, where it believes the role that we name.

use std::{path::PathBuf, sync::Arc, time::Duration};

use axum::{
    body::Bytes,
    http::{
        HeaderName, HeaderValue, Method, Request, Response, StatusCode,
        header::{ACCEPT, CONTENT_TYPE, HOST},
    },
};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::{net::UnixStream, sync::Semaphore, time::timeout};

use crate::{access::Role, problem::Refusal};

/// Who asks, for the daemon; believed on `web.sock` alone.
const ROLE: HeaderName = HeaderName::from_static("portguard-role");
const USER: HeaderName = HeaderName::from_static("portguard-user");

/// How many requests are with the daemon at a time: it takes 128 connections, and the command line
/// wants some. Further ones wait.
const AT_ONCE: usize = 16;

/// How long the daemon may take to begin its answer; an order waits for kernel and disk 10 s.
const PATIENCE: Duration = Duration::from_secs(30);

/// Largest answer that is passed on, in bytes; a page of 10,000 rows has some 3 MB.
const LARGEST_ANSWER: usize = 32 << 20;

/// The daemon's socket.
#[derive(Clone, Debug)]
pub(crate) struct Upstream {
    socket: Arc<PathBuf>,
    places: Arc<Semaphore>,
}

/// In whose name something is asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asker<'a> {
    pub(crate) role: Role,
    pub(crate) user: &'a str,
}

/// A question.
#[derive(Clone, Debug)]
pub(crate) struct Question<'a> {
    pub(crate) method: Method,
    /// With the query, as in `/v1/log?limit=5`.
    pub(crate) path: &'a str,
    pub(crate) body: Bytes,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Away {
    /// Nobody listens.
    #[error("no guard answers at {}", .0.display())]
    Absent(PathBuf, #[source] std::io::Error),
    /// The conversation broke off.
    #[error("the guard hung up")]
    HungUp(#[source] hyper::Error),
    /// There was none in time.
    #[error("the guard does not answer in time")]
    Late,
    /// The answer is larger than anything that the guard says.
    #[error("the guard's answer can not be read")]
    Unreadable,
}

impl From<Away> for Refusal {
    fn from(away: Away) -> Self {
        let refusal = Self::unavailable(crate::with_causes(&away));
        match away {
            Away::Absent(..) => refusal.hint("systemctl start portguard, or wait until it is back"),
            Away::HungUp(_) | Away::Late | Away::Unreadable => refusal,
        }
    }
}

impl Upstream {
    pub(crate) fn new(socket: PathBuf) -> Self {
        Self { socket: Arc::new(socket), places: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// Asks, and returns the whole answer.
    ///
    /// # Errors
    /// When the daemon is away.
    pub(crate) async fn ask(
        &self,
        asker: Asker<'_>,
        question: Question<'_>,
    ) -> Result<Response<Bytes>, Away> {
        let _place = self.places.acquire().await.map_err(|_| Away::Late)?;
        let whole = async {
            let (head, body) = self.begin(asker, question).await?.into_parts();
            let body = Limited::new(body, LARGEST_ANSWER).collect().await;
            let body = body.map_err(|_| Away::Unreadable)?.to_bytes();
            Ok(Response::from_parts(head, body))
        };
        timeout(PATIENCE, whole).await.map_err(|_| Away::Late)?
    }

    /// Opens the stream of events, which the caller reads for as long as it wants.
    ///
    /// # Errors
    /// When the daemon is away.
    pub(crate) async fn stream(&self, asker: Asker<'_>) -> Result<Response<Incoming>, Away> {
        let question = Question { method: Method::GET, path: "/v1/stream", body: Bytes::new() };
        timeout(PATIENCE, self.begin(asker, question)).await.map_err(|_| Away::Late)?
    }

    async fn begin(
        &self,
        asker: Asker<'_>,
        question: Question<'_>,
    ) -> Result<Response<Incoming>, Away> {
        let stream = UnixStream::connect(&*self.socket).await;
        let stream = stream.map_err(|error| Away::Absent((*self.socket).clone(), error))?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(Away::HungUp)?;
        // Its end is seen in the answer.
        tokio::spawn(connection);
        sender.send_request(request(asker, question)).await.map_err(Away::HungUp)
    }
}

/// Returns the request with nothing of the client's but method, path and body.
fn request(asker: Asker<'_>, question: Question<'_>) -> Request<Full<Bytes>> {
    let uri = question.path.parse().unwrap_or_else(|_| axum::http::Uri::from_static("/"));
    let mut request = Request::new(Full::new(question.body));
    *request.method_mut() = question.method;
    *request.uri_mut() = uri;
    let user = HeaderValue::from_str(asker.user);
    let headers = request.headers_mut();
    headers.insert(HOST, HeaderValue::from_static("portguard"));
    headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(ROLE, HeaderValue::from_static(asker.role.as_str()));
    headers.insert(USER, user.unwrap_or(HeaderValue::from_static("unnamed")));
    request
}

/// Returns whether an answer has what was asked for.
pub(crate) fn is_good<T>(answer: &Response<T>) -> bool {
    answer.status() == StatusCode::OK
}
