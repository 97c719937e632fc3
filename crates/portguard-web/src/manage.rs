//! Users and API tokens, for operators.

use axum::{
    Json as Answer,
    extract::{Path, State},
    http::StatusCode,
};
use portguard_api::Problem;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    access::{self, Role},
    auth::{change, crowded, unchanged},
    body::Json,
    clock,
    face::{Operator, Shared},
    password,
    problem::{Refusal, rfc3339},
    secret::Secret,
};

/// What every API token begins with, so that a lost one is recognised.
const PREFIX: &str = "pg_";

/// A user.
#[derive(Serialize, ToSchema)]
pub(crate) struct UserRow {
    /// The name.
    user: String,
    /// What the user may do.
    role: Role,
    /// Whether a password is set.
    has_password: bool,
    /// How many sessions there are.
    sessions: usize,
}

/// A user to add or change.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UserOrder {
    /// A letter, then letters, digits, `.`, `_` and `-`, at most 32.
    #[schema(pattern = "^[A-Za-z][A-Za-z0-9._-]{0,31}$")]
    user: String,
    /// What the user may do.
    role: Role,
    /// 10 to 256 bytes; absent: the user's password stays as it is.
    #[schema(min_length = 10, max_length = 256)]
    password: Option<String>,
}

/// An API token, without its secret.
#[derive(Serialize, ToSchema)]
pub(crate) struct TokenRow {
    /// The name.
    name: String,
    /// What it may be used for.
    role: Role,
    /// When it was made, as RFC 3339.
    created: String,
}

/// An API token to make.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenOrder {
    /// A letter, then letters, digits, `.`, `_` and `-`, at most 32.
    #[schema(pattern = "^[A-Za-z][A-Za-z0-9._-]{0,31}$")]
    name: String,
    /// What it may be used for.
    role: Role,
}

/// A new API token.
#[derive(Serialize, ToSchema)]
pub(crate) struct NewToken {
    /// The name.
    name: String,
    /// What it may be used for.
    role: Role,
    /// For `authorization: Bearer`; shown this once.
    token: String,
}

/// Lists the users.
#[utoipa::path(get, path = "/auth/users", responses(
    (status = 200, body = Vec<UserRow>), (status = 401, body = Problem), (status = 403, body = Problem),
))]
pub(crate) async fn users(
    State(face): State<Shared>,
    _: Operator,
) -> Result<Answer<Vec<UserRow>>, Refusal> {
    let access = face.access()?;
    face.sweep().map_err(|error| Refusal::broken(&error))?;
    let sessions = face.sessions();
    let rows = access.users.iter().map(|(name, user)| UserRow {
        user: name.clone(),
        role: user.role,
        has_password: user.password.is_some(),
        sessions: sessions.count(name),
    });
    Ok(Answer(rows.collect()))
}

/// Adds a user, or gives one another role or password.
#[utoipa::path(post, path = "/auth/users", request_body = UserOrder, responses(
    (status = 204), (status = 400, body = Problem), (status = 401, body = Problem),
    (status = 403, body = Problem), (status = 409, body = Problem), (status = 413, body = Problem),
    (status = 415, body = Problem), (status = 429, body = Problem),
))]
pub(crate) async fn set_user(
    State(face): State<Shared>,
    Operator(signed_in): Operator,
    Json(UserOrder { user, role, password }): Json<UserOrder>,
) -> Result<StatusCode, Refusal> {
    let hash = match password {
        None => None,
        Some(password) => {
            access::check_password(&password).map_err(unchanged)?;
            let hash = face.line.work(move || password::hash(&password)).await;
            Some(hash.map_err(|_| crowded())?.map_err(|error| Refusal::broken(&error))?)
        }
    };
    let name = user.clone();
    let changed = change(&face, move |access| access.set_user(&name, role, hash)).await?;
    changed.map_err(unchanged)?;
    eprintln!("{} set user {user}: {}", signed_in.session.user, role.as_str());
    Ok(StatusCode::NO_CONTENT)
}

/// Takes a user away, with all sessions.
#[utoipa::path(delete, path = "/auth/users/{user}", params(("user" = String, Path)), responses(
    (status = 204), (status = 400, body = Problem), (status = 401, body = Problem),
    (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem),
    (status = 415, body = Problem),
))]
pub(crate) async fn remove_user(
    State(face): State<Shared>,
    Operator(signed_in): Operator,
    Path(user): Path<String>,
) -> Result<StatusCode, Refusal> {
    let name = user.clone();
    change(&face, move |access| access.remove_user(&name)).await?.map_err(unchanged)?;
    eprintln!("{} took user {user} away", signed_in.session.user);
    Ok(StatusCode::NO_CONTENT)
}

/// Lists the API tokens.
#[utoipa::path(get, path = "/auth/tokens", responses(
    (status = 200, body = Vec<TokenRow>), (status = 401, body = Problem), (status = 403, body = Problem),
))]
pub(crate) async fn tokens(
    State(face): State<Shared>,
    _: Operator,
) -> Result<Answer<Vec<TokenRow>>, Refusal> {
    let access = face.access()?;
    let rows = access.tokens.iter().map(|(name, token)| TokenRow {
        name: name.clone(),
        role: token.role,
        created: token.created.clone(),
    });
    Ok(Answer(rows.collect()))
}

/// Makes an API token; its secret is shown this once.
#[utoipa::path(post, path = "/auth/tokens", request_body = TokenOrder, responses(
    (status = 200, body = NewToken), (status = 400, body = Problem), (status = 401, body = Problem),
    (status = 403, body = Problem), (status = 409, body = Problem), (status = 413, body = Problem),
    (status = 415, body = Problem),
))]
pub(crate) async fn add_token(
    State(face): State<Shared>,
    Operator(signed_in): Operator,
    Json(TokenOrder { name, role }): Json<TokenOrder>,
) -> Result<Answer<NewToken>, Refusal> {
    let secret = Secret::new(PREFIX).map_err(|error| Refusal::broken(&error))?;
    let (digest, now) = (secret.digest(), clock::now());
    let (named, created) = (name.clone(), rfc3339(now, now));
    let added =
        change(&face, move |access| access.add_token(&named, role, digest, created)).await?;
    added.map_err(unchanged)?;
    eprintln!("{} made the API token {name}: {}", signed_in.session.user, role.as_str());
    Ok(Answer(NewToken { name, role, token: secret.text().to_owned() }))
}

/// Takes an API token away.
#[utoipa::path(delete, path = "/auth/tokens/{name}", params(("name" = String, Path)), responses(
    (status = 204), (status = 400, body = Problem), (status = 401, body = Problem),
    (status = 403, body = Problem), (status = 404, body = Problem), (status = 415, body = Problem),
))]
pub(crate) async fn remove_token(
    State(face): State<Shared>,
    Operator(signed_in): Operator,
    Path(name): Path<String>,
) -> Result<StatusCode, Refusal> {
    let named = name.clone();
    change(&face, move |access| access.remove_token(&named)).await?.map_err(unchanged)?;
    eprintln!("{} took the API token {name} away", signed_in.session.user);
    Ok(StatusCode::NO_CONTENT)
}
