//! The routes, and their description.

use axum::{
    Json, Router,
    extract::{Request, State},
    http::{Method, StatusCode},
    middleware,
    response::{IntoResponse as _, Response},
    routing::{any, get},
};
use serde_json::{Value, json};
use utoipa::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    access::Role,
    asset, auth,
    face::Shared,
    gate, manage,
    problem::Refusal,
    proxy, service, stream,
    upstream::{Asker, Question, is_good},
};

#[derive(OpenApi)]
#[openapi(info(
    title = "Portguard web face",
    description = "Sign in with `/auth/login` (a session cookie), or send an API token as \
                   `authorization: Bearer`. What stands below `/api/v1` is the daemon's own API. \
                   Writes need `content-type: application/json`."
))]
struct Description;

fn own_routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(auth::login))
        .routes(routes!(auth::link))
        .routes(routes!(auth::set_password))
        .routes(routes!(auth::logout))
        .routes(routes!(auth::logout_everywhere))
        .routes(routes!(auth::me))
        .routes(routes!(manage::users, manage::set_user))
        .routes(routes!(manage::remove_user))
        .routes(routes!(manage::tokens, manage::add_token))
        .routes(routes!(manage::remove_token))
        .routes(routes!(service::state, service::order))
}

/// Returns everything that the face answers.
pub(crate) fn router(face: Shared) -> Router {
    let (router, _) = own_routes().split_for_parts();
    router
        .route("/api/openapi.json", get(description))
        .route("/api/v1/stream", get(stream::watch))
        .route("/api/{*path}", any(proxy::pass))
        .fallback(page)
        .method_not_allowed_fallback(another_method)
        .layer(middleware::from_fn_with_state(face.clone(), gate::pass))
        .with_state(face)
}

async fn page(request: Request) -> Response {
    let path = request.uri().path();
    if ["/api", "/auth", "/service"].iter().any(|ours| is_below(path, ours)) {
        return Refusal::not_found("there is no such path").into_response();
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return another_method().await;
    }
    asset::serve(path, request.headers())
}

fn is_below(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

async fn another_method() -> Response {
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "this path takes another method").into_response()
}

/// Describes the face, and what of the daemon can be reached through it.
async fn description(State(face): State<Shared>) -> Json<Value> {
    let (_, ours) = own_routes().split_for_parts();
    let mut whole = serde_json::to_value(ours).unwrap_or_default();
    let question =
        Question { method: Method::GET, path: "/v1/openapi.json", body: axum::body::Bytes::new() };
    let asker = Asker { role: Role::Viewer, user: "description" };
    // A daemon that is away is described once it is back.
    if let Ok(answer) = face.upstream.ask(asker, question).await
        && is_good(&answer)
        && let Ok(theirs) = serde_json::from_slice(answer.body())
    {
        merge(&mut whole, &theirs);
    }
    Json(whole)
}

/// Adds what is passed on of the daemon's description, below its prefix.
fn merge(whole: &mut Value, theirs: &Value) {
    for (path, methods) in theirs["paths"].as_object().into_iter().flatten() {
        for (method, operation) in methods.as_object().into_iter().flatten() {
            if proxy::is_passed_on(path, method) || path == "/v1/stream" {
                let path = format!("{}{path}", proxy::PREFIX);
                whole["paths"][path][method] = with_refusals(operation);
            }
        }
    }
    for (name, schema) in theirs["components"]["schemas"].as_object().into_iter().flatten() {
        whole["components"]["schemas"][name] = schema.clone();
    }
}

/// Returns the description of an operation with what the face itself may answer.
fn with_refusals(operation: &Value) -> Value {
    let mut operation = operation.clone();
    let problem = json!({ "description": "", "content": {
        "application/json": { "schema": { "$ref": "#/components/schemas/Problem" } } } });
    for status in ["400", "401", "403", "413", "415", "503"] {
        if operation["responses"][status].is_null() {
            operation["responses"][status] = problem.clone();
        }
    }
    operation
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reference_of_the_description_leads_somewhere() {
        let (_, ours) = own_routes().split_for_parts();
        let whole = serde_json::to_value(ours).unwrap();
        let text = whole.to_string();
        for part in text.split("\"$ref\":\"#/components/schemas/").skip(1) {
            let name = part.split('"').next().unwrap();
            assert!(whole["components"]["schemas"][name].is_object(), "{name}");
        }
        assert!(whole["paths"]["/auth/login"]["post"].is_object());
    }

    #[test]
    fn of_the_daemon_only_what_is_passed_on_is_described() {
        let mut whole = json!({ "paths": {}, "components": { "schemas": {} } });
        let theirs = json!({
            "paths": {
                "/v1/status": { "get": { "responses": { "200": {} } } },
                "/v1/import": { "post": {} },
            },
            "components": { "schemas": { "Status": {} } },
        });
        merge(&mut whole, &theirs);
        let status = &whole["paths"]["/api/v1/status"]["get"]["responses"];
        assert!(status["200"].is_object() && status["401"].is_object());
        assert!(whole["paths"]["/api/v1/import"].is_null());
        assert!(whole["components"]["schemas"]["Status"].is_object());
    }

    #[test]
    fn paths_of_ours_get_no_page() {
        assert!(is_below("/api", "/api") && is_below("/api/x", "/api"));
        assert!(!is_below("/apicture", "/api"));
    }
}
