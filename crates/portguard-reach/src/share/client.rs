//! What the provider may ask of us: prove its key, show text, and open connections to the shared
//! port. Everything else is declined.

use std::sync::{Arc, Mutex, PoisonError};

use russh::{
    Channel, ChannelOpenFailure, Preferred,
    client::{ChannelOpenHandle, Config, Handler, Msg, Session},
    keys::{Algorithm, PublicKeyOrCertificate},
};
use tokio::sync::Semaphore;

use super::{
    KnownHostsError, Meeting, Plan, Refusal, UrlReader, carry, known_hosts::fingerprint, plain,
};

/// How many connections one share carries at once; further ones are declined. A page opens six; this
/// is ten pages at the same moment. Each may have [`WAITING_MESSAGES`] in memory.
const MOST_CONNECTIONS: usize = 64;

/// How many messages of a channel may wait for the shared port, each of 32 KiB at most: 512 KiB for
/// each connection, 32 MiB for a share. When full, the whole tunnel waits.
const WAITING_MESSAGES: usize = 16;

/// How many bytes of one channel may be on their way: enough for 40 Mbit/s at 100 ms.
const WINDOW: u32 = 512 << 10;

/// Host key algorithms, best first. RSA is not among them: checking such signatures needs a library
/// whose secret side leaks through timing (RUSTSEC-2023-0071).
fn algorithms() -> Vec<Algorithm> {
    Preferred::DEFAULT
        .key
        .iter()
        .filter(|one| !matches!(one, Algorithm::Rsa { .. }))
        .cloned()
        .collect()
}

/// Returns the algorithms that a provider may prove its key with: those on record, if any is.
///
/// # Errors
/// When no key on record can be checked.
pub(super) fn accepted(plan: &Plan) -> Result<Vec<Algorithm>, Refusal> {
    let known = plan.known_hosts.algorithms(&plan.login).map_err(|error| unusable(&error))?;
    let Some(known) = known else { return Ok(algorithms()) };
    let accepted: Vec<_> = algorithms().into_iter().filter(|one| known.contains(one)).collect();
    if accepted.is_empty() {
        let names: Vec<&str> = known.iter().map(Algorithm::as_str).collect();
        let why = format!(
            "the key on record for {} is of an algorithm that is not checked here ({})",
            plan.login.known_as(),
            names.join(", ")
        );
        let hint =
            Some(format!("put another of its keys into {}", plan.known_hosts.path().display()));
        return Err(Refusal { why, hint, is_key_alarm: false });
    }
    Ok(accepted)
}

/// Returns how the connection is made.
pub(super) fn config(accepted: Vec<Algorithm>) -> Config {
    Config {
        client_id: russh::SshId::Standard("SSH-2.0-Portguard".into()),
        window_size: WINDOW,
        channel_buffer_size: WAITING_MESSAGES,
        preferred: Preferred { key: accepted.into(), ..Preferred::DEFAULT },
        keepalive_interval: Some(super::session::KEEPALIVE_EVERY),
        keepalive_max: super::session::MOST_MISSED_KEEPALIVES,
        nodelay: true,
        ..Config::default()
    }
}

/// What a provider said and showed.
pub(super) struct Heard {
    /// The fingerprint of its host key, and whether it was the first time.
    pub(super) key: Option<(String, Meeting)>,
    /// Why its key is not taken.
    pub(super) refusal: Option<Refusal>,
    /// Reads its text.
    pub(super) reader: UrlReader,
}

/// Shared between the session's own task, which fills it, and the share, which reads it.
pub(super) type SharedHeard = Arc<Mutex<Heard>>;

/// Answers a provider.
pub(super) struct Client {
    plan: Plan,
    heard: SharedHeard,
    places: Arc<Semaphore>,
}

impl Client {
    pub(super) fn new(plan: &Plan) -> (Self, SharedHeard) {
        let reader = UrlReader::new(plan.pattern.clone());
        let heard = Arc::new(Mutex::new(Heard { key: None, refusal: None, reader }));
        let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
        (Self { plan: plan.clone(), heard: heard.clone(), places }, heard)
    }

    /// Returns whether the key is the one on record, or the first one.
    fn check(&self, key: &PublicKeyOrCertificate) -> bool {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let PublicKeyOrCertificate::PublicKey { key, .. } = key else {
            let why =
                format!("{} shows a certificate in place of a key", self.plan.login.known_as());
            heard.refusal = Some(Refusal { why, hint: None, is_key_alarm: true });
            return false;
        };
        match self.plan.known_hosts.meet(&self.plan.login, key) {
            Ok(Meeting::Changed(expected)) => {
                heard.refusal = Some(changed(&self.plan, &expected, &fingerprint(key)));
                false
            }
            Ok(meeting) => {
                heard.key = Some((fingerprint(key), meeting));
                true
            }
            Err(error) => {
                heard.refusal = Some(unusable(&error));
                false
            }
        }
    }
}

/// Returns the alarm about a host key that is not the one on record.
pub(super) fn changed(plan: &Plan, expected: &[String], shown: &str) -> Refusal {
    let host = plan.login.known_as();
    let expected = expected.join(" or ");
    Refusal {
        why: format!(
            "the host key of {host} is not the one on record: {shown} in place of {expected}"
        ),
        hint: Some(format!(
            "somebody may be in between; if the provider itself says that its key changed, take the \
             line of {host} out of {} and share again",
            plan.known_hosts.path().display()
        )),
        is_key_alarm: true,
    }
}

fn unusable(error: &KnownHostsError) -> Refusal {
    let causes = std::iter::successors(std::error::Error::source(error), |error| error.source());
    let why = causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"));
    let hint = Some("without them no host key can be checked; mend or remove the file".to_owned());
    Refusal { why: plain(&why), hint, is_key_alarm: false }
}

impl Handler for Client {
    type Error = russh::Error;

    async fn check_server_key(
        &mut self,
        key: &PublicKeyOrCertificate,
    ) -> Result<bool, Self::Error> {
        Ok(self.check(key))
    }

    async fn auth_banner(&mut self, banner: &str, _: &mut Session) -> Result<(), Self::Error> {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.reader.feed(banner.as_bytes());
        Ok(())
    }

    async fn server_channel_open_forwarded_tcpip(
        &mut self,
        channel: Channel<Msg>,
        _connected_address: &str,
        _connected_port: u32,
        _originator_address: &str,
        _originator_port: u32,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        let Ok(place) = self.places.clone().try_acquire_owned() else {
            reply.reject(ChannelOpenFailure::ResourceShortage).await;
            return Ok(());
        };
        let (targets, carried) = (self.plan.targets.clone(), self.plan.carried.clone());
        // This runs in the session's loop, which must go on.
        tokio::spawn(carry::connection(channel, reply, targets, carried, place));
        Ok(())
    }

    // The library accepts these by default; dropping the reply declines.

    async fn server_channel_open_forwarded_streamlocal(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        Ok(())
    }

    async fn server_channel_open_agent_forward(
        &mut self,
        _: Channel<Msg>,
        _: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        Ok(())
    }

    async fn server_channel_open_session(
        &mut self,
        _: Channel<Msg>,
        _: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        Ok(())
    }

    async fn server_channel_open_direct_tcpip(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: u32,
        _: &str,
        _: u32,
        _: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        Ok(())
    }

    async fn server_channel_open_direct_streamlocal(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        Ok(())
    }

    async fn server_channel_open_x11(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: u32,
        _: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        Ok(())
    }
}
