//! Refusals: a status with a problem as JSON, so that every face reads one form of bad news.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header::RETRY_AFTER},
    response::{IntoResponse, Response},
};
use portguard_api::{Problem, ProblemKind};

use crate::clock::Moment;

/// A request that is not answered as asked.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    problem: Problem,
    /// In seconds.
    retry_after: Option<u64>,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, error: impl Into<String>) -> Self {
        let kind = match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => ProblemKind::NotPermitted,
            StatusCode::CONFLICT => ProblemKind::Refused,
            StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::TOO_MANY_REQUESTS
            | StatusCode::INTERNAL_SERVER_ERROR => ProblemKind::Unavailable,
            _ => ProblemKind::Usage,
        };
        let problem = Problem { error: error.into(), hint: None, kind };
        Self { status, problem, retry_after: None }
    }

    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.problem.hint = Some(hint.into());
        self
    }

    pub(crate) fn usage(error: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error)
    }

    pub(crate) fn not_found(error: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, error)
    }

    pub(crate) fn refused(error: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, error)
    }

    pub(crate) fn forbidden(error: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, error)
    }

    /// Nobody is signed in, or nobody any more.
    pub(crate) fn signed_out() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "you are not signed in")
    }

    /// It may be tried again after a while.
    pub(crate) fn later(error: impl Into<String>, wait: std::time::Duration) -> Self {
        let mut refusal = Self::new(StatusCode::TOO_MANY_REQUESTS, error);
        refusal.retry_after = Some(wait.as_secs().max(1));
        refusal
    }

    pub(crate) fn unavailable(error: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, error)
    }

    /// Our own disk or random numbers fail.
    pub(crate) fn broken(error: &dyn std::error::Error) -> Self {
        eprintln!("error: {}", crate::with_causes(error));
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "the web face can not do this at the moment")
            .hint("its journal says why: journalctl -u portguard-web")
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let retry_after = self.retry_after.map(HeaderValue::from);
        let mut response = (self.status, Json(self.problem)).into_response();
        if let Some(seconds) = retry_after {
            response.headers_mut().insert(RETRY_AFTER, seconds);
        }
        response
    }
}

/// Returns a moment as RFC 3339 in UTC, to the second.
pub(crate) fn rfc3339(moment: Moment, now: Moment) -> String {
    let left = i64::try_from(moment.since(now).as_secs()).unwrap_or(i64::MAX);
    let ago = i64::try_from(now.since(moment).as_secs()).unwrap_or(i64::MAX);
    let seconds = jiff::Timestamp::now().as_second().saturating_add(left).saturating_sub(ago);
    jiff::Timestamp::from_second(seconds)
        .map_or_else(|_| String::new(), |at| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}
