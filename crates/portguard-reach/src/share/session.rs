//! One connection to a provider: connect, prove who it is, ask it to forward, then listen to what
//! it prints until it ends.

use std::{
    os::fd::OwnedFd,
    sync::{Arc, MutexGuard, PoisonError},
    time::Duration,
};

use russh::{
    AlgorithmKind, Channel, ChannelMsg, Error, MethodKind,
    client::{self, AuthResult, Handle, KeyboardInteractiveAuthResponse, Msg},
    keys::PrivateKeyWithHashAlg,
};
use tokio::{
    net::TcpStream,
    time::{Instant, timeout},
};

use super::{
    End, Meeting, News, Plan,
    client::{Client, Heard, SharedHeard, accepted, changed, config},
    identity,
};

/// How long a provider may take from the first packet until it forwards. They answer within a second
/// or two; a name server may need some.
const UP_WITHIN: Duration = Duration::from_secs(20);

/// A silent provider is asked for a sign of life this often.
pub(super) const KEEPALIVE_EVERY: Duration = Duration::from_secs(15);

/// After so many without an answer the connection counts as lost.
pub(super) const MOST_MISSED_KEEPALIVES: usize = 3;

/// How long an address may take to be printed before it is said that there is none.
const ADDRESS_WITHIN: Duration = Duration::from_secs(10);

/// The shortest time between two changes of the address, each of which is a line in the journal:
/// a provider that prints thousands gets one of them through.
const CHANGE_EVERY: Duration = Duration::from_secs(3);

/// How often an unfinished line is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How wide our terminal is said to be, in columns: wide enough that no provider wraps an address.
const COLUMNS: u32 = 500;

/// Most rounds of questions in a login; a provider that lets anybody in asks nothing.
const MOST_QUESTIONS: usize = 3;

/// A tunnel that stands.
struct Tunnel {
    handle: Handle<Client>,
    heard: SharedHeard,
    terminal: Option<Channel<Msg>>,
    _hang_up: HangUp,
}

/// Ends the connection when it drops, whatever tasks still have it.
struct HangUp(OwnedFd);

impl Drop for HangUp {
    fn drop(&mut self) {
        // A connection that is over already needs no end.
        let _ = rustix::net::shutdown(&self.0, rustix::net::Shutdown::Both);
    }
}

/// Connects and stays until the connection ends or the provider is refused.
pub(super) async fn run(plan: &Plan, has_been_up: bool, tell: &mut impl FnMut(News)) -> End {
    let late = || End::failed(format!("no tunnel within {} s", UP_WITHIN.as_secs()));
    let tunnel = match timeout(UP_WITHIN, establish(plan, has_been_up, tell)).await {
        Ok(Ok(tunnel)) => tunnel,
        Ok(Err(end)) => return end,
        Err(_) => return late(),
    };
    let why = listen(tunnel, tell).await;
    End::Failed { why, was_up: true }
}

fn lock(heard: &SharedHeard) -> MutexGuard<'_, Heard> {
    heard.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn establish(
    plan: &Plan,
    has_been_up: bool,
    tell: &mut impl FnMut(News),
) -> Result<Tunnel, End> {
    let accepted = accepted(plan).map_err(End::Refused)?;
    let is_known = plan.known_hosts.algorithms(&plan.login).is_ok_and(|known| known.is_some());
    let stream = connect(plan).await?;
    let cannot = |error: &dyn std::error::Error| End::failed(format!("cannot connect: {error}"));
    let hang_up = rustix::io::fcntl_dupfd_cloexec(&stream, 0);
    let hang_up = HangUp(hang_up.map_err(|error| cannot(&error))?);
    let (client, heard) = Client::new(plan);
    let session = client::connect_stream(Arc::new(config(accepted)), stream, client).await;
    let mut handle = session.map_err(|error| unmet(plan, &heard, is_known, &error))?;
    let key = lock(&heard).key.clone();
    let Some((host_key, meeting)) = key else {
        return Err(End::failed("it has shown no host key"));
    };
    if meeting == Meeting::Learned {
        tell(News::KeyLearned(host_key.clone()));
    }
    log_in(&mut handle, plan).await?;
    let remote_port = forward(&handle, plan, has_been_up).await?;
    let terminal = terminal(&handle).await.ok();
    tell(News::Up { host_key, remote_port });
    Ok(Tunnel { handle, heard, terminal, _hang_up: hang_up })
}

async fn connect(plan: &Plan) -> Result<TcpStream, End> {
    let (host, port) = (plan.login.host.as_str(), plan.login.port);
    let stream = TcpStream::connect((host, port)).await;
    let stream =
        stream.map_err(|error| End::failed(format!("cannot connect to {host}: {error}")))?;
    // Small answers go out at once; without it they only come later.
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

/// Returns what follows from a failed key exchange.
fn unmet(plan: &Plan, heard: &SharedHeard, is_known: bool, error: &Error) -> End {
    if let Some(refusal) = lock(heard).refusal.take() {
        return End::Refused(refusal);
    }
    match error {
        // A known host that has no key of the algorithms on record is not the known host.
        Error::NoCommonAlgo { kind: AlgorithmKind::Key, ours, theirs } if is_known => {
            End::Refused(changed(plan, &[ours.join(", ")], &super::plain(&theirs.join(", "))))
        }
        Error::NoCommonAlgo { .. } => {
            End::refused(super::plain(&format!("it speaks no SSH that is safe: {error}")), None)
        }
        error => End::failed(format!("the handshake failed: {error}")),
    }
}

/// Logs in with nothing; where that does not do, with this host's own key.
async fn log_in(handle: &mut Handle<Client>, plan: &Plan) -> Result<(), End> {
    let user = plan.login.user.as_str();
    let broken = |error: Error| End::failed(format!("the login failed: {error}"));
    let AuthResult::Failure { remaining_methods, .. } =
        handle.authenticate_none(user).await.map_err(broken)?
    else {
        return Ok(());
    };
    if remaining_methods.contains(&MethodKind::KeyboardInteractive)
        && answer(handle, user).await.map_err(broken)?
    {
        return Ok(());
    }
    let mut hint = None;
    if remaining_methods.contains(&MethodKind::PublicKey) {
        let key = identity::open(&plan.identity)
            .map_err(|error| End::refused(error.to_string(), None))?;
        let public = key.public_key().to_openssh().unwrap_or_default();
        let key = PrivateKeyWithHashAlg::new(Arc::new(key), None);
        if handle.authenticate_publickey(user, key).await.map_err(broken)?.success() {
            return Ok(());
        }
        hint = Some(format!("if the server is yours, let this host's key in there: {public}"));
    }
    if handle.is_closed() {
        return Err(End::failed("it hung up during the login"));
    }
    Err(End::refused(format!("{} does not let `{user}` in", plan.login.known_as()), hint))
}

/// Answers questions with nothing: a provider that lets anybody in wants no more.
async fn answer(handle: &mut Handle<Client>, user: &str) -> Result<bool, Error> {
    let mut response = handle.authenticate_keyboard_interactive_start(user, None).await?;
    for _ in 0..MOST_QUESTIONS {
        let KeyboardInteractiveAuthResponse::InfoRequest { prompts, .. } = &response else { break };
        let answers = vec![String::new(); prompts.len()];
        response = handle.authenticate_keyboard_interactive_respond(answers).await?;
    }
    Ok(matches!(response, KeyboardInteractiveAuthResponse::Success))
}

/// Asks the provider to forward; returns the port if it chose one.
async fn forward(
    handle: &Handle<Client>,
    plan: &Plan,
    has_been_up: bool,
) -> Result<Option<u16>, End> {
    let asked = handle.tcpip_forward(plan.bind, u32::from(plan.remote_port)).await;
    let host = plan.login.known_as();
    match asked {
        Ok(port) => Ok(u16::try_from(port).ok().filter(|port| *port != 0)),
        // The server may still have the port of the connection before.
        Err(Error::RequestDenied) if has_been_up => {
            Err(End::failed(format!("{host} does not forward port {} again yet", plan.remote_port)))
        }
        Err(Error::RequestDenied) => {
            Err(End::refused(format!("{host} does not forward port {}", plan.remote_port), None))
        }
        Err(error) => Err(End::failed(format!("cannot ask it to forward: {error}"))),
    }
}

/// Opens a terminal, where providers print the address; one that gives none forwards all the same.
async fn terminal(handle: &Handle<Client>) -> Result<Channel<Msg>, Error> {
    let terminal = handle.channel_open_session().await?;
    // Wide and dumb: lines are not wrapped. A server without terminals may still run its program.
    let _ = terminal.request_pty(false, "dumb", COLUMNS, 50, 0, 0, &[]).await;
    terminal.request_shell(false).await?;
    Ok(terminal)
}

/// Reads what the provider prints until the connection ends; returns why it did.
async fn listen(mut tunnel: Tunnel, tell: &mut impl FnMut(News)) -> String {
    let mut address = Address::new();
    let mut look = tokio::time::interval(LOOK_EVERY);
    loop {
        tokio::select! {
            ended = &mut tunnel.handle => return match ended {
                Ok(()) => "the provider ended the connection".to_owned(),
                Err(error) => format!("the connection broke: {error}"),
            },
            message = next(&mut tunnel.terminal) => {
                let mut heard = lock(&tunnel.heard);
                match &message {
                    Some(ChannelMsg::Data { data } | ChannelMsg::ExtendedData { data, .. }) => {
                        heard.reader.feed(data);
                    }
                    Some(_) => {}
                    None => tunnel.terminal = None,
                }
                address.follow(heard.reader.take(), tell);
            }
            _ = look.tick() => {
                let mut heard = lock(&tunnel.heard);
                heard.reader.settle();
                address.follow(heard.reader.take(), tell);
                address.complain(tell);
            }
        }
    }
}

/// Waits for a message of the terminal; forever once there is none.
async fn next(terminal: &mut Option<Channel<Msg>>) -> Option<ChannelMsg> {
    match terminal {
        Some(terminal) => terminal.wait().await,
        None => std::future::pending().await,
    }
}

/// The address as it was told last.
struct Address {
    begin: Instant,
    told: Option<(String, Instant)>,
    waiting: Option<String>,
    has_complained: bool,
}

impl Address {
    fn new() -> Self {
        Self { begin: Instant::now(), told: None, waiting: None, has_complained: false }
    }

    /// Tells an address that is new; the next one only after a while.
    fn follow(&mut self, found: Option<String>, tell: &mut impl FnMut(News)) {
        self.waiting = found.or_else(|| self.waiting.take());
        let is_early = |told: &(String, Instant)| told.1.elapsed() < CHANGE_EVERY;
        if self.told.as_ref().is_some_and(is_early) {
            return;
        }
        let Some(url) = self.waiting.take() else { return };
        if self.told.as_ref().is_some_and(|(told, _)| *told == url) {
            return;
        }
        tell(News::Reachable(url.clone()));
        self.told = Some((url, Instant::now()));
    }

    /// Says once that none came.
    fn complain(&mut self, tell: &mut impl FnMut(News)) {
        let is_late = self.told.is_none() && self.begin.elapsed() >= ADDRESS_WITHIN;
        if is_late && !self.has_complained {
            self.has_complained = true;
            tell(News::NoAddress);
        }
    }
}
