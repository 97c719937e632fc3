//! What all handlers share, and who is asking.

use std::{
    net::SocketAddr,
    os::fd::{AsFd as _, OwnedFd},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{
    extract::FromRequestParts,
    http::{
        HeaderMap,
        header::{AUTHORIZATION, COOKIE},
        request::Parts,
    },
};

use crate::{
    access::{Access, Lifetime, Role},
    clock::{self, Moment},
    folder::{Folder, FolderError},
    pace::Pace,
    password::Line,
    problem::Refusal,
    secret::Digest,
    service::Service,
    session::{Session, Sessions},
    settings::Report,
    stream::Fan,
    upstream::Upstream,
};

pub(crate) type Shared = Arc<Face>;

/// The web face.
pub(crate) struct Face {
    pub(crate) folder: Folder,
    pub(crate) boot: String,
    pub(crate) lifetime: Lifetime,
    /// Whether we speak TLS ourselves.
    pub(crate) is_secure: bool,
    pub(crate) line: Line,
    pub(crate) upstream: Upstream,
    pub(crate) fan: Arc<Fan>,
    pub(crate) service: Service,
    report: Report,
    sessions: Mutex<Sessions>,
    pace: Mutex<Pace>,
}

/// The other end of a connection.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    /// The accepted socket itself, which the guard's report socket wants to see.
    pub(crate) socket: Arc<OwnedFd>,
}

/// What the face is made of.
pub(crate) struct Made {
    pub(crate) folder: Folder,
    pub(crate) boot: String,
    pub(crate) lifetime: Lifetime,
    pub(crate) is_secure: bool,
    pub(crate) upstream: Upstream,
    pub(crate) service: Service,
    pub(crate) report: Report,
}

impl Face {
    /// Puts the face together.
    ///
    /// # Errors
    /// When the sessions that were kept can not be read.
    pub(crate) fn new(parts: Made) -> Result<Self, FolderError> {
        let sessions = parts.folder.sessions(&parts.boot)?;
        Ok(Self {
            fan: Fan::new(parts.upstream.clone()),
            folder: parts.folder,
            boot: parts.boot,
            lifetime: parts.lifetime,
            is_secure: parts.is_secure,
            line: Line::new(),
            upstream: parts.upstream,
            service: parts.service,
            report: parts.report,
            sessions: Mutex::new(sessions),
            pace: Mutex::new(Pace::new(clock::now())),
        })
    }

    pub(crate) fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn pace(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns who may come in.
    pub(crate) fn access(&self) -> Result<Arc<Access>, Refusal> {
        self.folder.access().map_err(|error| Refusal::broken(&error))
    }

    /// Writes the sessions down; called on a thread that may block.
    pub(crate) fn keep_sessions(&self) -> Result<(), FolderError> {
        let sessions = self.sessions().clone();
        self.folder.keep_sessions(&self.boot, &sessions)
    }

    /// Forgets sessions that have ended.
    pub(crate) fn sweep(&self) -> Result<(), FolderError> {
        let access = self.folder.access()?;
        self.sessions().sweep(&access, self.lifetime, clock::now());
        Ok(())
    }

    /// Tells the guard how somebody's log-in went. Whoever comes from this very host, or through a
    /// tunnel that ends here, shares its address with the operator, and is not told of.
    pub(crate) fn report(self: &Arc<Self>, peer: &Peer, deed: &'static str, user: Option<String>) {
        if peer.address.ip().to_canonical().is_loopback() {
            return;
        }
        let (face, peer) = (self.clone(), peer.clone());
        tokio::task::spawn_blocking(move || {
            let user = user.map(|user| format!(" user={user}")).unwrap_or_default();
            let text = format!("{deed} service=web{user}");
            match (face.report)(&text, peer.socket.as_fd()) {
                Ok(answer) if answer == "ok" => {}
                Ok(answer) => eprintln!("warning: the guard does not take a report: {answer}"),
                // It is away, which the page tells, or does not want reports.
                Err(_) => {}
            }
        });
    }

    /// Returns whose request this is.
    pub(crate) fn caller(&self, headers: &HeaderMap, now: Moment) -> Result<Caller, Refusal> {
        let access = self.access()?;
        if let Some(token) = bearer(headers) {
            let (name, role) = access.token(&Digest::of(token)).ok_or_else(Refusal::signed_out)?;
            return Ok(Caller { name: name.to_owned(), role, by: By::Token(Digest::of(token)) });
        }
        let cookie = cookie(headers, self.session_cookie()).ok_or_else(Refusal::signed_out)?;
        let key = Digest::of(cookie);
        let mut sessions = self.sessions();
        let found = sessions.find(&key, &access, self.lifetime, now);
        let (session, role) = found.ok_or_else(Refusal::signed_out)?;
        let session = session.clone();
        sessions.touch(&key, now);
        Ok(Caller { name: session.user.clone(), role, by: By::Session(key, session) })
    }

    /// Returns whether a caller may still come in; asking does not count as using.
    pub(crate) fn is_welcome(&self, caller: &Caller, now: Moment) -> bool {
        let Ok(access) = self.folder.access() else { return false };
        match &caller.by {
            By::Session(key, _) => self.sessions().find(key, &access, self.lifetime, now).is_some(),
            By::Token(digest) => access.token(digest).is_some(),
        }
    }

    /// Returns the name of the session's cookie; the prefix keeps it to TLS and this very host.
    pub(crate) fn session_cookie(&self) -> &'static str {
        if self.is_secure { "__Host-portguard" } else { "portguard" }
    }

    /// Returns the name of the cookie that tells a browser that was let in before.
    pub(crate) fn device_cookie(&self) -> &'static str {
        if self.is_secure { "__Host-portguard-device" } else { "portguard-device" }
    }
}

/// Who asks.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) name: String,
    pub(crate) role: Role,
    pub(crate) by: By,
}

/// What the caller showed.
#[derive(Clone, Debug)]
pub(crate) enum By {
    /// The cookie of a session.
    Session(Digest, Session),
    /// An API token.
    Token(Digest),
}

impl Caller {
    /// Returns the name under which the guard's journal has it; a token is no user.
    pub(crate) fn journal_name(&self) -> String {
        match self.by {
            By::Session(..) => self.name.clone(),
            By::Token(_) => format!("token-{}", self.name),
        }
    }
}

impl FromRequestParts<Shared> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, face: &Shared) -> Result<Self, Refusal> {
        face.caller(&parts.headers, clock::now())
    }
}

/// Somebody who is signed in with a session; a token can not make another.
pub(crate) struct SignedIn {
    pub(crate) key: Digest,
    pub(crate) session: Session,
    pub(crate) role: Role,
}

impl FromRequestParts<Shared> for SignedIn {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, face: &Shared) -> Result<Self, Refusal> {
        let caller = face.caller(&parts.headers, clock::now())?;
        match caller.by {
            By::Session(key, session) => Ok(Self { key, session, role: caller.role }),
            By::Token(_) => {
                Err(Refusal::forbidden("an API token may not do this")
                    .hint("sign in with a password"))
            }
        }
    }
}

/// Somebody who is signed in and may give orders.
pub(crate) struct Operator(pub(crate) SignedIn);

impl FromRequestParts<Shared> for Operator {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, face: &Shared) -> Result<Self, Refusal> {
        let signed_in = SignedIn::from_request_parts(parts, face).await?;
        match signed_in.role {
            Role::Operator => Ok(Self(signed_in)),
            Role::Viewer => Err(only_operators()),
        }
    }
}

/// The refusal of an order by a viewer.
pub(crate) fn only_operators() -> Refusal {
    Refusal::forbidden("you may look, and not give orders").hint("sign in as an operator")
}

/// Returns the value of a cookie; the first one, should there be several.
pub(crate) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(';')).find_map(|pair| {
        let (key, value) = pair.trim().split_once('=')?;
        (key == name).then_some(value)
    })
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn a_cookie_is_found_among_others_by_its_whole_name() {
        let line = HeaderValue::from_static("xportguard=1; portguard-device=2; portguard=3");
        let headers = HeaderMap::from_iter([(COOKIE, line)]);
        assert_eq!(cookie(&headers, "portguard"), Some("3"));
        assert_eq!(cookie(&headers, "guard"), None);
    }

    #[test]
    fn a_token_comes_after_its_scheme() {
        for (line, expected) in [
            ("Bearer pg_1", Some("pg_1")),
            ("bearer  pg_1 ", Some("pg_1")),
            ("Basic pg_1", None),
            ("pg_1", None),
        ] {
            let headers = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static(line))]);
            assert_eq!(bearer(&headers), expected, "{line}");
        }
    }
}
