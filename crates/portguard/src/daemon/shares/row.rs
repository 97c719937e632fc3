//! One share as it is shown, and what its news mean for that and for the journal.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use portguard_api::share::Share;
use portguard_core::{Author, Fact, Note, Port, ShareStep, Span, Timestamp, Until};
use portguard_reach::share::{Carried, News, Refusal, rows};

use crate::{
    clock::{self, end, rfc3339},
    config::Route,
    daemon::inbox::Inbox,
};

/// A share.
pub(super) struct Row {
    port: Port,
    pub(super) provider: Arc<str>,
    author: Author,
    since: Timestamp,
    until: Until,
    /// When it ends, in time since boot; `None`: not by itself.
    deadline: Option<Duration>,
    pub(super) carried: Arc<Carried>,
    state: Mutex<State>,
}

/// What changes.
struct State {
    phase: Phase,
    detail: Option<String>,
    hint: Option<String>,
    url: Option<Arc<str>>,
    qr: Vec<String>,
    host_key: Option<String>,
    remote_port: Option<u16>,
    /// Whether it was told that the tunnel is down, and has not been up since.
    is_loss_told: bool,
}

/// How a share does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Connecting,
    Up,
    Waiting,
    Refused,
}

impl Phase {
    /// Returns the word that views show.
    const fn word(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Up => "up",
            Self::Waiting => "waiting",
            Self::Refused => "refused",
        }
    }
}

impl Row {
    pub(super) fn new(port: Port, route: &Route, span: Span, author: Author) -> Self {
        let since = clock::now();
        let deadline = match span {
            Span::For(length) => Some(clock::uptime().saturating_add(length)),
            Span::Forever => None,
        };
        let state = State {
            phase: Phase::Connecting,
            detail: None,
            hint: None,
            url: None,
            qr: Vec::new(),
            host_key: None,
            remote_port: None,
            is_loss_told: false,
        };
        Self {
            port,
            provider: route.name.as_str().into(),
            author,
            since,
            until: Until::after(span, since),
            deadline,
            carried: Arc::default(),
            state: Mutex::new(state),
        }
    }

    /// Returns the time left; `None` if it does not end by itself.
    pub(super) fn left(&self) -> Option<Duration> {
        self.deadline.map(|deadline| deadline.saturating_sub(clock::uptime()))
    }

    pub(super) fn is_refused(&self) -> bool {
        self.lock().phase == Phase::Refused
    }

    /// Returns whether a share whose thread has ended is still of interest.
    pub(super) fn is_worth_showing(&self) -> bool {
        self.is_refused() && self.left() != Some(Duration::ZERO)
    }

    /// Tells the journal.
    pub(super) fn note(&self, inbox: &Inbox, step: ShareStep) {
        let (port, provider) = (self.port, self.provider.clone());
        inbox.deliver(Fact::Noted(Note::Share { port, provider, step }));
    }

    /// Takes what happened to the share.
    pub(super) fn hear(&self, news: News, inbox: &Inbox) {
        if let Some(step) = self.lock().hear(news) {
            self.note(inbox, step);
        }
    }

    /// Takes that the share is not to be.
    pub(super) fn refuse(&self, refusal: Refusal, inbox: &Inbox) {
        let Refusal { why, hint, is_key_alarm } = refusal;
        let mut state = self.lock();
        state.phase = Phase::Refused;
        state.forget_address();
        state.detail = Some(why.clone());
        state.hint.clone_from(&hint);
        drop(state);
        self.note(inbox, ShareStep::Refused { why, hint, is_key_alarm });
    }

    /// Returns the share as views show it.
    pub(super) fn shown(&self) -> Share {
        let left = self.left().map(|left| left.as_millis().div_ceil(1000));
        let state = self.lock();
        Share {
            port: self.port.number,
            provider: self.provider.to_string(),
            state: state.phase.word().to_owned(),
            detail: state.detail.clone(),
            hint: state.hint.clone(),
            url: state.url.as_ref().map(ToString::to_string),
            qr: state.qr.clone(),
            host_key: state.host_key.clone(),
            since: rfc3339(self.since),
            until: end(self.until),
            seconds_left: left.map(|left| u64::try_from(left).unwrap_or(u64::MAX)),
            connections: self.carried.count(),
            author: self.author.to_string(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Takes what happened, and returns what the journal is told of it.
    fn hear(&mut self, news: News) -> Option<ShareStep> {
        match news {
            News::Connecting => {
                self.phase = Phase::Connecting;
                None
            }
            News::KeyLearned(key) => Some(ShareStep::KeyLearned { key }),
            News::Up { host_key, remote_port } => {
                self.phase = Phase::Up;
                self.detail = None;
                self.host_key = Some(host_key);
                self.remote_port = remote_port;
                self.is_loss_told = false;
                None
            }
            News::Reachable(url) => {
                self.qr = rows(&url);
                self.detail = None;
                let url: Arc<str> = url.into();
                self.url = Some(url.clone());
                Some(ShareStep::Reachable { url })
            }
            News::NoAddress => {
                let port = self.remote_port.map(|port| format!("; it listens on its port {port}"));
                let port = port.unwrap_or_default();
                self.detail = Some(format!("the provider printed no address{port}"));
                Some(ShareStep::NoAddress { remote_port: self.remote_port })
            }
            News::Lost { why, again_in } => {
                self.phase = Phase::Waiting;
                self.forget_address();
                self.detail = Some(format!("{why}; tried again in {} s", again_in.as_secs()));
                let is_told = std::mem::replace(&mut self.is_loss_told, true);
                (!is_told).then_some(ShareStep::Lost { why })
            }
        }
    }

    fn forget_address(&mut self) {
        self.url = None;
        self.qr.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_is_told_once_until_it_is_up_again() {
        let route = crate::config::Config::default().share_plan().route(None).unwrap();
        let operator = Author::Operator(0);
        let port = "tcp/8080".parse().unwrap();
        let row = Row::new(port, &route, Span::Forever, operator);
        let lost = || News::Lost { why: "x".to_owned(), again_in: Duration::from_secs(1) };
        let up = || News::Up { host_key: "SHA256:x".to_owned(), remote_port: None };
        let hear = |news| row.lock().hear(news).is_some();
        assert!(hear(lost()));
        assert!(!hear(lost()));
        assert!(!hear(up()));
        assert!(hear(News::Reachable("https://a.example".to_owned())));
        assert_eq!(row.shown().qr.len(), 33);
        assert!(hear(lost()));
        let shown = row.shown();
        assert_eq!((shown.state.as_str(), shown.url, shown.qr.len()), ("waiting", None, 0));
        assert_eq!(shown.seconds_left, None);
    }
}
