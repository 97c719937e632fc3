//! Who comes in: log-in, one-time link, password, log-out, and `GET /auth/me`.

use std::time::Duration;

use axum::{
    Extension,
    extract::State,
    http::{
        HeaderMap, HeaderValue, StatusCode,
        header::{InvalidHeaderValue, SET_COOKIE},
    },
    response::{IntoResponse, Response},
};
use portguard_api::Problem;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    access::{self, ADMIN, Role, Unchanged},
    body::Json,
    clock::{self, Moment},
    face::{Face, Peer, Shared, SignedIn, cookie},
    folder::FolderError,
    pace::{Origin, Verdict},
    password,
    problem::{Refusal, rfc3339},
    secret::{Digest, Secret},
    session::Entrance,
};

/// How long a browser that was let in keeps a pace of its own.
const DEVICE_AGE: Duration = Duration::from_secs(90 * 86_400);

/// A log-in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Login {
    /// The user's name.
    user: String,
    /// The user's password.
    password: String,
}

/// The token of a one-time link.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LinkToken {
    /// What stands after `#token=` in the link.
    token: String,
}

/// Another password for the user who asks.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPassword {
    /// The password so far; not needed by who just came in with a one-time link.
    old: Option<String>,
    /// 10 to 256 bytes.
    #[schema(min_length = 10, max_length = 256)]
    new: String,
}

/// Who is signed in.
#[derive(Serialize, ToSchema)]
pub(crate) struct Me {
    /// The user's name.
    user: String,
    /// What the user may do.
    role: Role,
    /// When the session ends at the latest, as RFC 3339.
    expires: String,
    /// Whether the user has no password yet.
    must_set_password: bool,
}

/// Signs in with a password.
///
/// Whoever failed a few times has to wait before each further attempt.
#[utoipa::path(post, path = "/auth/login", request_body = Login, responses(
    (status = 200, body = Me, description = "Signed in; a cookie comes along"),
    (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem),
    (status = 413, body = Problem), (status = 415, body = Problem),
    (status = 429, body = Problem, description = "Too fast; see `retry-after`"),
))]
pub(crate) async fn login(
    State(face): State<Shared>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    Json(Login { user, password }): Json<Login>,
) -> Result<Response, Refusal> {
    let access = face.access()?;
    let device = cookie(&headers, face.device_cookie()).map(Digest::of);
    let device = device.filter(|device| access.has_device(&user, device));
    let origin = device.map_or_else(|| Origin::of(peer.address.ip()), Origin::Device);
    pace(&face, origin)?;
    let known = access.users.get(&user).map(|user| (user.epoch, user.password.clone()));
    let (epoch, kept) = known.unwrap_or_default();
    let holds = face.line.work(move || password::holds(&password, kept.as_deref())).await;
    if !holds.map_err(|_| crowded())? {
        face.report(&peer, "failed", Some(shown(&user)));
        eprintln!("log-in from {} failed", peer.address.ip());
        return Err(Refusal::new(StatusCode::UNAUTHORIZED, "user or password is wrong"));
    }
    face.pace().succeeded(origin);
    face.report(&peer, "ok", Some(user.clone()));
    eprintln!("{user} logged in from {}", peer.address.ip());
    let entered = Entered { user, epoch, entrance: Entrance::Password, is_known: device.is_some() };
    enter(&face, &headers, entered).await
}

/// Signs in with a one-time link.
#[utoipa::path(post, path = "/auth/link", request_body = LinkToken, responses(
    (status = 200, body = Me, description = "Signed in as `admin`; a cookie comes along"),
    (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem),
    (status = 413, body = Problem), (status = 415, body = Problem), (status = 429, body = Problem),
))]
pub(crate) async fn link(
    State(face): State<Shared>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    Json(LinkToken { token }): Json<LinkToken>,
) -> Result<Response, Refusal> {
    let origin = Origin::of(peer.address.ip());
    pace(&face, origin)?;
    let digest = Digest::of(&token);
    let boot = face.boot.clone();
    let opened =
        change(&face, move |access| access.use_link(&digest, &boot, clock::now()).ok_or(()));
    let Ok(epoch) = opened.await? else {
        face.report(&peer, "failed", None);
        let refusal = Refusal::new(StatusCode::UNAUTHORIZED, "the link was used, or is too old");
        return Err(refusal.hint("sudo portguard web token prints another one"));
    };
    face.pace().succeeded(origin);
    face.report(&peer, "ok", None);
    eprintln!("a one-time link let {} in", peer.address.ip());
    let user = ADMIN.to_owned();
    enter(&face, &headers, Entered { user, epoch, entrance: Entrance::Link, is_known: false }).await
}

/// Sets another password; all other sessions of the user end.
#[utoipa::path(post, path = "/auth/password", request_body = NewPassword, responses(
    (status = 200, body = Me, description = "Changed; the session goes on with another cookie"),
    (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem),
    (status = 413, body = Problem), (status = 415, body = Problem), (status = 429, body = Problem),
))]
pub(crate) async fn set_password(
    State(face): State<Shared>,
    Extension(peer): Extension<Peer>,
    signed_in: SignedIn,
    headers: HeaderMap,
    Json(NewPassword { old, new }): Json<NewPassword>,
) -> Result<Response, Refusal> {
    access::check_password(&new).map_err(unchanged)?;
    let user = signed_in.session.user.clone();
    let kept = face.access()?.users.get(&user).and_then(|user| user.password.clone());
    if let Some(kept) = kept.filter(|_| !signed_in.session.came_by_link(clock::now())) {
        // Whoever finds an open page must not guess faster than at the door.
        let origin = Origin::Device(signed_in.key);
        pace(&face, origin)?;
        let old = old.unwrap_or_default();
        let holds = face.line.work(move || password::holds(&old, Some(&kept))).await;
        if !holds.map_err(|_| crowded())? {
            face.report(&peer, "failed", Some(user));
            return Err(Refusal::forbidden("the old password is wrong"));
        }
        face.pace().succeeded(origin);
    }
    let hash = face.line.work(move || password::hash(&new)).await.map_err(|_| crowded())?;
    let hash = hash.map_err(|error| Refusal::broken(&error))?;
    let name = user.clone();
    let epoch = change(&face, move |access| access.set_password(&name, hash)).await?;
    let epoch = epoch.map_err(unchanged)?;
    eprintln!("{user} set another password");
    let entered = Entered { user, epoch, entrance: Entrance::Password, is_known: true };
    enter(&face, &headers, entered).await
}

/// Signs out.
#[utoipa::path(post, path = "/auth/logout", responses(
    (status = 204), (status = 401, body = Problem), (status = 403, body = Problem),
    (status = 415, body = Problem),
))]
pub(crate) async fn logout(
    State(face): State<Shared>,
    signed_in: SignedIn,
) -> Result<Response, Refusal> {
    face.sessions().end(&signed_in.key);
    keep_sessions(&face).await?;
    goodbye(&face)
}

/// Signs out wherever the user is signed in.
#[utoipa::path(post, path = "/auth/logout-everywhere", responses(
    (status = 204), (status = 401, body = Problem), (status = 403, body = Problem),
    (status = 415, body = Problem),
))]
pub(crate) async fn logout_everywhere(
    State(face): State<Shared>,
    signed_in: SignedIn,
) -> Result<Response, Refusal> {
    let user = signed_in.session.user;
    let done = change(&face, move |access| {
        access.sign_out(&user);
        Ok::<(), ()>(())
    });
    // The change itself refuses nothing.
    let _ = done.await?;
    goodbye(&face)
}

/// Tells who is signed in.
#[utoipa::path(get, path = "/auth/me", responses(
    (status = 200, body = Me), (status = 401, body = Problem), (status = 403, body = Problem),
))]
pub(crate) async fn me(
    State(face): State<Shared>,
    signed_in: SignedIn,
) -> Result<axum::Json<Me>, Refusal> {
    let SignedIn { session, role, .. } = signed_in;
    let now = clock::now();
    Ok(axum::Json(told(&face, &session.user, role, session.began, now)?))
}

/// Somebody who may come in.
struct Entered {
    user: String,
    epoch: u64,
    entrance: Entrance,
    /// Whether the browser has a pace of its own already.
    is_known: bool,
}

/// Begins a session in place of the one that the browser shows, and answers with its cookie.
async fn enter(face: &Shared, headers: &HeaderMap, entered: Entered) -> Result<Response, Refusal> {
    let Entered { user, epoch, entrance, is_known } = entered;
    let secret = Secret::new("").map_err(|error| Refusal::broken(&error))?;
    let now = clock::now();
    {
        let mut sessions = face.sessions();
        if let Some(old) = cookie(headers, face.session_cookie()) {
            sessions.end(&Digest::of(old));
        }
        sessions.begin(secret.digest(), (&user, epoch), entrance, now);
    }
    keep_sessions(face).await?;
    let role = face.access()?.users.get(&user).map_or(Role::Viewer, |user| user.role);
    let mut response = axum::Json(told(face, &user, role, now, now)?).into_response();
    let cookie = set_cookie(face, face.session_cookie(), secret.text(), face.lifetime.whole);
    add(&mut response, cookie)?;
    if !is_known {
        let device = Secret::new("").map_err(|error| Refusal::broken(&error))?;
        let digest = device.digest();
        let remembered = change(face, move |access| {
            access.add_device(&user, digest);
            Ok::<(), ()>(())
        });
        // The change itself refuses nothing.
        let _ = remembered.await?;
        add(&mut response, set_cookie(face, face.device_cookie(), device.text(), DEVICE_AGE))?;
    }
    Ok(response)
}

fn told(face: &Face, user: &str, role: Role, began: Moment, now: Moment) -> Result<Me, Refusal> {
    let has_password = |user: &access::User| user.password.is_some();
    let must_set_password = !face.access()?.users.get(user).is_some_and(has_password);
    let expires = rfc3339(began.plus(face.lifetime.whole), now);
    Ok(Me { user: user.to_owned(), role, expires, must_set_password })
}

fn goodbye(face: &Face) -> Result<Response, Refusal> {
    let mut response = StatusCode::NO_CONTENT.into_response();
    add(&mut response, set_cookie(face, face.session_cookie(), "", Duration::ZERO))?;
    Ok(response)
}

fn set_cookie(
    face: &Face,
    name: &str,
    value: &str,
    age: Duration,
) -> Result<HeaderValue, InvalidHeaderValue> {
    let secure = if face.is_secure { "; Secure" } else { "" };
    let age = age.as_secs();
    let line = format!("{name}={value}; Path=/; Max-Age={age}; HttpOnly; SameSite=Strict{secure}");
    HeaderValue::try_from(line)
}

fn add(
    response: &mut Response,
    cookie: Result<HeaderValue, InvalidHeaderValue>,
) -> Result<(), Refusal> {
    let cookie = cookie.map_err(|error| Refusal::broken(&error))?;
    response.headers_mut().append(SET_COOKIE, cookie);
    Ok(())
}

/// Asks whether an attempt may be made.
pub(crate) fn pace(face: &Face, origin: Origin) -> Result<(), Refusal> {
    match face.pace().attempt(origin, clock::now()) {
        Verdict::Now => Ok(()),
        Verdict::Later(wait) => {
            let seconds = wait.as_secs().max(1);
            let what = format!("too many attempts; the next one may come in {seconds} s");
            Err(Refusal::later(what, wait))
        }
    }
}

/// The refusal where too many wait for their passwords to be looked at.
pub(crate) fn crowded() -> Refusal {
    Refusal::later("too many log in at the same time", Duration::from_secs(2))
}

/// Changes who may come in, on a thread that may block.
///
/// # Errors
/// When the disk refuses.
pub(crate) async fn change<T: Send + 'static, E: Send + 'static>(
    face: &Shared,
    change: impl FnOnce(&mut access::Access) -> Result<T, E> + Send + 'static,
) -> Result<Result<T, E>, Refusal> {
    let face = face.clone();
    let done = tokio::task::spawn_blocking(move || face.folder.change(change)).await;
    match done {
        Ok(done) => done.map_err(|error| Refusal::broken(&error)),
        Err(error) => Err(Refusal::broken(&error)),
    }
}

async fn keep_sessions(face: &Shared) -> Result<(), Refusal> {
    let face = face.clone();
    let kept: Result<Result<(), FolderError>, _> =
        tokio::task::spawn_blocking(move || face.keep_sessions()).await;
    match kept {
        Ok(kept) => kept.map_err(|error| Refusal::broken(&error)),
        Err(error) => Err(Refusal::broken(&error)),
    }
}

/// Returns why users or tokens stay as they are, as an answer.
#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` gives")]
pub(crate) fn unchanged(why: Unchanged) -> Refusal {
    let text = why.to_string();
    match why {
        Unchanged::Name(_) | Unchanged::Password | Unchanged::NoPassword => Refusal::usage(text),
        Unchanged::Unknown(_) => Refusal::not_found(text),
        Unchanged::Taken(_) | Unchanged::Full | Unchanged::LastOperator(_) => {
            Refusal::refused(text)
        }
    }
}

/// Returns a name as it may stand in a report: whoever fails may have written anything there.
fn shown(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(32).collect()
}
