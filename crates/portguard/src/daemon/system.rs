//! The system around the daemon: signals, systemd, and what else runs on this host.

use std::{
    io,
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, Sender};
use portguard_core::Protocol;
use portguard_linux::holder;
use sd_notify::NotifyState;
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
};

use tokio::sync::oneshot;

use crate::config::Surroundings;

use super::reload::{FileOrder, Told};

/// What a signal asks for.
#[derive(Debug)]
pub(crate) enum Signal {
    /// Read the configuration again, and tell the mistakes and warnings to whoever asked.
    Reload(Option<oneshot::Sender<Told>>),
    /// Change the configuration file.
    File(Box<FileOrder>),
    /// An operator settled a change that waited for confirmation.
    Settled,
    /// End.
    Stop,
}

/// Returns the signals that arrive from here on, and where the faces send theirs.
pub(crate) fn signals() -> io::Result<(Sender<Signal>, Receiver<Signal>)> {
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM])?;
    let (sender, receiver) = crossbeam_channel::bounded(16);
    let faces = sender.clone();
    super::source::start("signals", move || {
        for signal in &mut signals {
            let meaning = if signal == SIGHUP { Signal::Reload(None) } else { Signal::Stop };
            // Sixteen unread signals say no more than one.
            let _ = sender.try_send(meaning);
        }
    })?;
    Ok((faces, receiver))
}

/// Tells systemd that the guard stands.
pub(crate) fn notify_ready() {
    notify(&[NotifyState::Ready]);
}

/// Tells systemd that the configuration is being read again.
pub(crate) fn notify_reloading() {
    notify(&[NotifyState::Reloading]);
}

/// Tells systemd that the daemon goes down.
pub(crate) fn notify_stopping() {
    notify(&[NotifyState::Stopping]);
}

fn notify(states: &[NotifyState<'_>]) {
    // Outside systemd nobody listens; under it there is nobody else to tell.
    let _ = sd_notify::notify(states);
}

/// Returns what keeps systemd's watchdog quiet when called often enough; nothing outside systemd.
pub(crate) fn watchdog() -> Box<dyn FnMut() + Send> {
    let Some(limit) = sd_notify::watchdog_enabled() else { return Box::new(|| {}) };
    let every = limit / 3;
    let mut last: Option<Instant> = None;
    Box::new(move || {
        if last.is_none_or(|last| last.elapsed() >= every.min(Duration::from_secs(10))) {
            last = Some(Instant::now());
            notify(&[NotifyState::Watchdog]);
        }
    })
}

/// Returns what the configuration has to get along with: where SSH servers listen.
pub(crate) fn surroundings() -> Surroundings {
    let mut ssh_ports: Vec<u16> = holder::listeners()
        .unwrap_or_default()
        .into_iter()
        .filter(|held| held.port.protocol == Protocol::Tcp)
        .filter(is_ssh_server)
        .map(|held| held.port.number)
        .collect();
    // Whoever works over SSH right now came in by this port: "client port server port".
    let session = std::env::var("SSH_CONNECTION").unwrap_or_default();
    ssh_ports.extend(session.split_whitespace().nth(3).and_then(|port| port.parse::<u16>().ok()));
    ssh_ports.sort_unstable();
    ssh_ports.dedup();
    Surroundings { ssh_ports }
}

fn is_ssh_server(held: &holder::Held) -> bool {
    let holder = holder::holder_of(held.port, held.address);
    holder.is_some_and(|holder| matches!(holder.command.as_str(), "sshd" | "dropbear"))
}
