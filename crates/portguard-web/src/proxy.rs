//! What of the daemon's API can be reached from a browser, and by whom. What is not listed here does
//! not exist for the web, whatever the daemon learns to do.

use axum::{
    body::Body,
    extract::{Request, State},
    http::{
        HeaderValue, Method, StatusCode,
        header::{ALLOW, CONTENT_TYPE},
    },
    response::{IntoResponse as _, Response},
};

use crate::{
    access::Role,
    body,
    face::{Caller, Shared, only_operators},
    problem::Refusal,
    upstream::{Asker, Question},
};

/// What stands before the daemon's own paths.
pub(crate) const PREFIX: &str = "/api";

/// Largest body that is passed on, in bytes: a configuration, or some ten thousand orders at once.
const LARGEST: usize = 4 << 20;

/// A door in the list.
struct Route {
    path: &'static str,
    method: &'static str,
    role: Role,
}

const fn look(path: &'static str) -> Route {
    Route { path, method: "GET", role: Role::Viewer }
}

/// A question that needs a body.
const fn question(path: &'static str) -> Route {
    Route { path, method: "POST", role: Role::Viewer }
}

const fn order(path: &'static str) -> Route {
    Route { path, method: "POST", role: Role::Operator }
}

/// What is passed on; `*` stands for one word.
const ROUTES: &[Route] = &[
    look("/v1/status"),
    look("/v1/lists/*"),
    look("/v1/offenders"),
    look("/v1/table/holds"),
    look("/v1/table/offenders"),
    look("/v1/history"),
    look("/v1/top"),
    look("/v1/watches"),
    look("/v1/scans"),
    look("/v1/check"),
    look("/v1/why"),
    look("/v1/traps"),
    look("/v1/events"),
    look("/v1/log"),
    look("/v1/ports"),
    look("/v1/doors"),
    look("/v1/rulings"),
    look("/v1/pending"),
    look("/v1/lockdown"),
    look("/v1/proposals"),
    look("/v1/connections"),
    look("/v1/interfaces"),
    look("/v1/config"),
    look("/v1/config/file"),
    look("/v1/config/schema"),
    look("/v1/shares"),
    look("/v1/remote"),
    look("/v1/openapi.json"),
    question("/v1/rule-test"),
    question("/v1/config/check"),
    question("/v1/config/edit"),
    Route { path: "/v1/config/file", method: "PUT", role: Role::Operator },
    order("/v1/pause"),
    order("/v1/shares"),
    order("/v1/shares/stop"),
    order("/v1/rulings"),
    order("/v1/open"),
    order("/v1/close"),
    order("/v1/posture"),
    order("/v1/lockdown"),
    order("/v1/hold"),
    order("/v1/hold-many"),
    order("/v1/lift"),
    order("/v1/proposals"),
    order("/v1/reload"),
];

/// Passes a request on to the daemon.
pub(crate) async fn pass(
    State(face): State<Shared>,
    caller: Caller,
    request: Request,
) -> Result<Response, Refusal> {
    let path = request.uri().path();
    let path = path.strip_prefix(PREFIX).unwrap_or_default();
    let Some(role) = needed(path, request.method()) else { return Ok(no_door(path)) };
    if role == Role::Operator && caller.role != Role::Operator {
        return Err(only_operators());
    }
    let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
    let (path, method) = (format!("{path}{query}"), request.method().clone());
    let body = body::read(request.into_body(), LARGEST).await?;
    let name = caller.journal_name();
    let asker = Asker { role: caller.role, user: &name };
    let answer = face.upstream.ask(asker, Question { method, path: &path, body }).await?;
    let (head, body) = answer.into_parts();
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = head.status;
    if let Some(kind) = head.headers.get(CONTENT_TYPE) {
        response.headers_mut().insert(CONTENT_TYPE, kind.clone());
    }
    Ok(response)
}

/// Returns whether a path of the daemon's description is passed on.
pub(crate) fn is_passed_on(path: &str, method: &str) -> bool {
    ROUTES.iter().any(|route| fits(route.path, path) && route.method.eq_ignore_ascii_case(method))
}

/// Returns what a caller has to be, if there is such a door at all.
fn needed(path: &str, method: &Method) -> Option<Role> {
    let route =
        ROUTES.iter().find(|route| fits(route.path, path) && route.method == method.as_str());
    route.map(|route| route.role)
}

/// Answers where there is nothing, or nothing for this method.
fn no_door(path: &str) -> Response {
    let methods: Vec<_> = ROUTES.iter().filter(|route| fits(route.path, path)).collect();
    if methods.is_empty() {
        return Refusal::not_found("there is no such path").into_response();
    }
    let methods: Vec<_> = methods.iter().map(|route| route.method).collect();
    let status = StatusCode::METHOD_NOT_ALLOWED;
    let mut response = Refusal::new(status, "this path takes another method").into_response();
    if let Ok(methods) = HeaderValue::try_from(methods.join(", ")) {
        response.headers_mut().insert(ALLOW, methods);
    }
    response
}

/// Returns whether a path is the pattern's. No word of a path is decoded: what would have to be is
/// no path of ours.
fn fits(pattern: &str, path: &str) -> bool {
    let (mut wanted, mut given) = (pattern.split('/'), path.split('/'));
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return true,
            (Some("*"), Some(word)) if is_word(word) => {}
            (Some(wanted), Some(given)) if wanted == given => {}
            _ => return false,
        }
    }
}

fn is_word(text: &str) -> bool {
    // The daemon's description has a name in braces where the path has a word.
    let text = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).unwrap_or(text);
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_listed_is_passed_on() {
        for (method, path, expected) in [
            (Method::GET, "/v1/status", Some(Role::Viewer)),
            (Method::GET, "/v1/lists/bans", Some(Role::Viewer)),
            (Method::GET, "/v1/lists/throttled-soft", Some(Role::Viewer)),
            (Method::POST, "/v1/hold", Some(Role::Operator)),
            (Method::PUT, "/v1/config/file", Some(Role::Operator)),
            (Method::POST, "/v1/config/check", Some(Role::Viewer)),
            (Method::POST, "/v1/import", None),
            (Method::GET, "/v1/hold", None),
            (Method::HEAD, "/v1/status", None),
            (Method::GET, "/v1/lists/", None),
            (Method::GET, "/v1/lists/..", None),
            (Method::GET, "/v1/lists/bans/x", None),
            (Method::GET, "/v1/lists/%2e%2e", None),
            (Method::GET, "/v1/status/", None),
            (Method::GET, "//v1/status", None),
            (Method::GET, "/v1/../v1/status", None),
            (Method::GET, "", None),
        ] {
            assert_eq!(needed(path, &method), expected, "{method} {path}");
        }
    }

    #[test]
    fn another_method_is_told_and_another_path_is_not_there() {
        let told = no_door("/v1/config/file");
        assert_eq!(told.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(told.headers()[ALLOW], "GET, PUT");
        assert_eq!(no_door("/v1/import").status(), StatusCode::NOT_FOUND);
    }

    #[test]
    fn paths_of_a_description_fit_too() {
        assert!(is_passed_on("/v1/lists/{list}", "get"));
        assert!(!is_passed_on("/v1/import", "post"));
    }
}
