//! Bodies of requests: bounded in size and time before a byte of them is understood.

use std::time::Duration;

use axum::{
    body::{Body, Bytes},
    extract::{FromRequest, Request},
    http::StatusCode,
};
use http_body_util::{BodyExt as _, Limited};
use serde::de::DeserializeOwned;

use crate::problem::Refusal;

/// Largest body of the face's own routes, in bytes: a name and a password, many times over.
const LARGEST: usize = 16 << 10;

/// How long a body may take to come.
const PATIENCE: Duration = Duration::from_secs(20);

/// Reads a body whole.
///
/// # Errors
/// When it is too large, too slow, or breaks off.
pub(crate) async fn read(body: Body, largest: usize) -> Result<Bytes, Refusal> {
    let whole = tokio::time::timeout(PATIENCE, Limited::new(body, largest).collect()).await;
    match whole {
        Ok(Ok(whole)) => Ok(whole.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
            let what = format!("the body is larger than {largest} bytes");
            Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, what))
        }
        Ok(Err(_)) => Err(Refusal::usage("the body breaks off")),
        Err(_) => Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, "the body comes too slowly")),
    }
}

/// A body that reads as a value.
pub(crate) struct Json<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Sync> FromRequest<S> for Json<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refusal> {
        let bytes = read(request.into_body(), LARGEST).await?;
        match serde_json::from_slice(&bytes) {
            Ok(value) => Ok(Self(value)),
            Err(error) => Err(Refusal::usage(format!("the body does not read: {error}"))),
        }
    }
}
