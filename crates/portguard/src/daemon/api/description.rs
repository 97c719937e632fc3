//! The API's description of itself, and the one form of its refusals.

use axum::{
    Json,
    body::to_bytes,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse as _, Response},
};
use portguard_api::{
    Problem, ProblemKind,
    stream::{Lagged, Packets},
};
use utoipa::{
    OpenApi,
    openapi::{self, ContentBuilder, Ref, RefOr, ResponseBuilder},
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Portguard control socket",
        description = "HTTP over the unix socket of the daemon. The peer's user and groups decide \
                       what it may ask: members of api.group may read, root and members of \
                       api.operators may order. On web.sock beside it, which is for the web \
                       face's user alone, the headers `portguard-role` (`viewer` or `operator`) \
                       and `portguard-user` decide."
    ),
    components(schemas(Problem, Packets, Lagged))
)]
struct Description;

/// What any request may be answered with; the body is a [`Problem`].
const PROBLEMS: [(&str, &str); 10] = [
    ("400", "The request makes no sense as it is."),
    ("403", "The peer may not ask this."),
    ("404", "There is no such thing."),
    ("405", "This can not be done with it."),
    ("409", "The rules of the guard forbid it."),
    ("413", "The request is too large."),
    ("415", "The body is no JSON by its content type."),
    ("422", "The body is JSON of another form."),
    ("502", "The kernel did not take it over."),
    ("503", "The daemon is too busy, or on its way down."),
];

/// Longest refusal of the libraries below that is passed on, in bytes.
const LONGEST_REFUSAL: usize = 4_096;

/// Returns the description without its routes.
pub(super) fn begin() -> openapi::OpenApi {
    Description::openapi()
}

/// Describes every refusal that a route may answer with, where the route itself does not.
pub(super) fn complete(description: &mut openapi::OpenApi) {
    for item in description.paths.paths.values_mut() {
        let operations = [&mut item.get, &mut item.post, &mut item.put, &mut item.delete];
        for operation in operations.into_iter().flatten() {
            for (code, meaning) in PROBLEMS {
                let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem")));
                let response = ResponseBuilder::new()
                    .description(meaning)
                    .content("application/json", content.build());
                let responses = &mut operation.responses.responses;
                responses.entry(code.to_owned()).or_insert_with(|| RefOr::T(response.build()));
            }
        }
    }
}

/// Returns the answer, or, of a refusal in plain words, the same as a [`Problem`].
pub(super) async fn as_problem(response: Response) -> Response {
    let status = response.status();
    let is_json =
        response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == "application/json");
    if is_json || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, LONGEST_REFUSAL).await.unwrap_or_default();
    let words = String::from_utf8_lossy(&body);
    let words = match (words.trim(), status) {
        ("", StatusCode::NOT_FOUND) => "there is no such thing; see /v1/openapi.json",
        ("", status) => status.canonical_reason().unwrap_or("refused"),
        (words, _) => words,
    };
    let problem = Problem { error: words.to_owned(), hint: None, kind: ProblemKind::Usage };
    let mut answer = (status, Json(problem)).into_response();
    // Which methods a route takes, for one.
    for (name, value) in parts.headers {
        if let Some(name) = name.filter(|name| name.as_str() == "allow") {
            answer.headers_mut().insert(name, value);
        }
    }
    answer
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    /// The description as it is served.
    fn description() -> Value {
        serde_json::to_value(super::super::described()).unwrap()
    }

    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(object) => {
                if let Some(Value::String(reference)) = object.get("$ref") {
                    found.push(reference);
                }
                object.values().for_each(|value| references(value, found));
            }
            Value::Array(values) => values.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let description = description();
        let mut found = Vec::new();
        references(&description, &mut found);
        assert!(found.len() > 100, "{}", found.len());
        for reference in found {
            let place = description.pointer(reference.trim_start_matches('#'));
            assert!(place.is_some(), "{reference}");
        }
    }

    #[test]
    fn every_route_tells_how_it_refuses() {
        let description = description();
        for (path, item) in description["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                for (code, _) in super::PROBLEMS {
                    let answer = &operation["responses"][code];
                    let schema = &answer["content"]["application/json"]["schema"]["$ref"];
                    assert_eq!(schema, "#/components/schemas/Problem", "{method} {path} {code}");
                }
                let good = &operation["responses"]["200"];
                assert!(good.is_object(), "{method} {path}");
            }
        }
    }
}
