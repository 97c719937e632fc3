//! Speaks HTTP with the daemon over its control socket.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use http_body_util::{BodyExt as _, Full};
use hyper::{Method, Request, StatusCode, body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use portguard_api::{Problem, ProblemKind};
use serde::{Serialize, de::DeserializeOwned};
use tokio::net::UnixStream;

use crate::exit::{Failed, Turn};

/// A way to the daemon; each request has a connection of its own.
pub(crate) struct Client {
    runtime: tokio::runtime::Runtime,
    socket: PathBuf,
    /// How long an answer may take; without one, whoever asks waits.
    patience: Option<Duration>,
}

/// Why a request has no answer.
pub(crate) enum Unanswered {
    /// Nobody answers.
    Absent(Failed),
    /// The daemon refuses.
    Refused(Problem),
}

impl Client {
    /// Returns a client of the daemon behind this socket; connects with the first request.
    pub(crate) fn new(socket: &Path) -> Result<Self, Failed> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime =
            runtime.map_err(|error| Failed::environment(format!("no runtime: {error}")))?;
        Ok(Self { runtime, socket: socket.to_owned(), patience: None })
    }

    /// Returns the client with an end to its waiting.
    pub(crate) fn with_patience(self, patience: Duration) -> Self {
        Self { patience: Some(patience), ..self }
    }

    /// Asks.
    pub(crate) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failed> {
        read(&self.send(Method::GET, path, Vec::new())?)
    }

    /// Orders.
    pub(crate) fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        order: &impl Serialize,
    ) -> Result<T, Failed> {
        let body = serde_json::to_vec(order).map_err(|error| Failed::bug(error.to_string()))?;
        read(&self.send(Method::POST, path, body)?)
    }

    fn send(&self, method: Method, path: &str, body: Vec<u8>) -> Result<Bytes, Failed> {
        self.request(method, path, body).map_err(|unanswered| match unanswered {
            Unanswered::Absent(why) => why,
            Unanswered::Refused(problem) => failed(problem),
        })
    }

    /// Sends a request and returns the body of the answer.
    pub(crate) fn request(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<Bytes, Unanswered> {
        let exchange = self.exchange(method, path, body);
        let answer = self.runtime.block_on(async {
            match self.patience {
                None => exchange.await,
                Some(patience) => {
                    tokio::time::timeout(patience, exchange).await.unwrap_or_else(|_| {
                        Err(Failed::environment("the daemon does not answer in time"))
                    })
                }
            }
        });
        let (status, bytes) = answer.map_err(Unanswered::Absent)?;
        if status.is_success() {
            return Ok(bytes);
        }
        // What no handler answers, such as a question of a newer program, has no problem in it.
        let problem = serde_json::from_slice::<Problem>(&bytes).unwrap_or_else(|_| Problem {
            error: format!("the daemon answers {status} to {path}"),
            hint: None,
            kind: ProblemKind::Usage,
        });
        Err(Unanswered::Refused(problem))
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<(StatusCode, Bytes), Failed> {
        let stream =
            UnixStream::connect(&self.socket).await.map_err(|error| self.absent(&error))?;
        let broken = |error: hyper::Error| {
            Failed::environment(format!("the daemon does not answer: {error}"))
        };
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "portguard")
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| Failed::bug(error.to_string()))?;
        let response = sender.send_request(request).await.map_err(broken)?;
        let status = response.status();
        let bytes = response.into_body().collect().await.map_err(broken)?.to_bytes();
        Ok((status, bytes))
    }

    fn absent(&self, error: &std::io::Error) -> Failed {
        let socket = self.socket.display();
        match error.kind() {
            std::io::ErrorKind::PermissionDenied => Failed::new(
                Turn::NotPermitted,
                format!("you may not use the control socket {socket}"),
            ),
            _ => Failed::new(Turn::NotRunning, format!("no daemon answers at {socket}: {error}"))
                .hint("systemctl start portguard, or `portguard daemon` in the foreground"),
        }
    }
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Failed> {
    serde_json::from_slice(bytes)
        .map_err(|error| Failed::bug(format!("the daemon's answer can not be read: {error}")))
}

fn failed(problem: Problem) -> Failed {
    let turn = match problem.kind {
        ProblemKind::Usage => Turn::Usage,
        ProblemKind::Refused => Turn::Negative,
        ProblemKind::NotPermitted => Turn::NotPermitted,
        ProblemKind::NotEnforced => Turn::NotEnforced,
        ProblemKind::Unavailable => Turn::NotRunning,
    };
    let failed = Failed::new(turn, problem.error);
    match problem.hint {
        Some(hint) => failed.hint(&hint),
        None => failed,
    }
}
