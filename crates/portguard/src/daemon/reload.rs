//! Taking a configuration over while the daemon runs, and changing its file for a face. On the main
//! thread.
//!
//! A change of the file that waits for confirmation leaves what undoes it beside the ledger, so that a
//! rolled-back change leaves the file too, whoever is there to do it.

use std::{
    io,
    path::{Path, PathBuf},
    sync::PoisonError,
    time::Duration,
};

use portguard_core::{Author, Fact, FileDeed, Level, Note};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::{
    config::{self, Config, Loaded, Surroundings, file},
    exit::Failed,
    replace::{Durability, replace},
};

use super::{Daemon, journal, last_good, source::traps::Traps, system};

/// How often the guard is asked what became of a change of the file that waits.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// How long the main thread may wait when nothing waits for it.
const LONG: Duration = Duration::from_secs(3_600);

/// Mistakes and warnings.
pub(crate) type Told = (Vec<String>, Vec<String>);

/// What somebody wants the configuration file to be.
#[derive(Debug)]
pub(crate) struct FileOrder {
    /// Its whole text.
    pub(crate) text: String,
    /// The version of the text that it was made from.
    pub(crate) version: String,
    /// Who wants it.
    pub(crate) author: Author,
    /// Who is to be told.
    pub(crate) asker: oneshot::Sender<Result<Told, FileRefusal>>,
}

/// Why the file was not changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileRefusal {
    /// It is not what the change was made from.
    #[error("{} was changed by somebody else meanwhile", .0.display())]
    Changed(PathBuf),
    /// The system refuses.
    #[error("cannot change {}: {_1}", .0.display())]
    Unwritable(PathBuf, io::Error),
}

/// What undoes a change of the configuration file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Undo {
    /// The file.
    path: PathBuf,
    /// Its former text; `None` if there was no file.
    former: Option<String>,
    /// The version of the text that was written.
    written: String,
    /// Whether the guard knows of the change. If not, the daemon ended in the middle of it.
    is_weighed: bool,
}

/// Where a change of the configuration stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Waits,
    Holds,
    RolledBack,
}

/// Reads the configuration at the start of the daemon, and what undoes a change of its file. A change
/// in the middle of which the daemon ended is undone first: nobody was told that it counts.
///
/// # Errors
/// When the configuration does not hold.
pub(super) fn begin(path: &Path, around: &Surroundings) -> Result<(Loaded, Option<Undo>), Failed> {
    let load = || config::load(path, around);
    let first = load();
    let state_dir = match &first {
        Ok(Loaded { config, .. }) => config.guard.state_dir.clone(),
        Err(_) => Config::default().guard.state_dir,
    };
    let undo = Undo::read(&state_dir).filter(|undo| undo.path == file::real(path));
    let (loaded, undo) = match undo {
        Some(undo) if !undo.is_weighed => {
            let deed = undo.carry_out();
            Undo::forget(&state_dir);
            journal::say(Level::Warning, &told(&undo.path, deed));
            (load(), None)
        }
        undo => (first, undo),
    };
    Ok((loaded.map_err(|mistakes| config::failed(&mistakes))?, undo))
}

/// Returns what became of a file in words.
fn told(path: &Path, deed: io::Result<FileDeed>) -> String {
    match deed {
        Ok(deed) => note(path, deed).words().unwrap_or_default(),
        Err(error) => format!("{} can not be given its former text: {error}", path.display()),
    }
}

fn note(path: &Path, deed: FileDeed) -> Note {
    Note::File { path: path.display().to_string().into(), deed }
}

impl Undo {
    fn place(state_dir: &Path) -> PathBuf {
        state_dir.join("config-undo.json")
    }

    fn read(state_dir: &Path) -> Option<Self> {
        let text = file::read(&Self::place(state_dir)).ok()??;
        serde_json::from_str(&text).ok()
    }

    fn keep(&self, state_dir: &Path) -> io::Result<()> {
        replace(&Self::place(state_dir), serde_json::to_vec(self)?, Durability::OnDisk)
    }

    fn forget(state_dir: &Path) {
        // There is none most of the time.
        let _ = std::fs::remove_file(Self::place(state_dir));
    }

    /// Gives the file its former text, if it still has the one that was written.
    fn carry_out(&self) -> io::Result<FileDeed> {
        let text = file::read(&self.path)?.unwrap_or_default();
        if file::version(&text) != self.written {
            return Ok(FileDeed::LeftAlone);
        }
        match &self.former {
            Some(former) => file::write(&self.path, former)?,
            None => std::fs::remove_file(&self.path)?,
        }
        Ok(FileDeed::Restored)
    }
}

impl Daemon {
    /// Reads the configuration again and returns its mistakes and warnings; a bad one changes
    /// nothing and is named in the journal.
    pub(super) fn reload(&mut self) -> (Vec<String>, Vec<String>) {
        let Loaded { mut config, mut warnings } =
            match config::load(&self.path, &system::surroundings()) {
                Ok(loaded) => loaded,
                Err(mistakes) => {
                    let mistakes: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
                    for mistake in &mistakes {
                        let line = format!("configuration not taken over: {mistake}");
                        journal::say(Level::Error, &line);
                    }
                    return (mistakes, Vec::new());
                }
            };
        for (what, old, new) in config::unchangeable(&self.config, &config) {
            if old != new {
                warnings.push(format!("{what} takes effect with the next start"));
            }
        }
        for warning in &warnings {
            journal::say(Level::Warning, warning);
        }
        config.guard.observe = self.config.guard.observe;
        config.firewall.table.clone_from(&self.config.firewall.table);
        self.shared.record.configure(config.record());
        self.shared.connections.configure(config.fanout_plan());
        let replace = PoisonError::into_inner;
        *self.shared.protect.write().unwrap_or_else(replace) = config.protection();
        *self.shared.hosts.write().unwrap_or_else(PoisonError::into_inner) = config.hosts();
        *self.about.configuration.lock().unwrap_or_else(PoisonError::into_inner) = config.to_toml();
        self.config = config;
        self.reset_guard();
        let policy = self.config.port_policy();
        self.shared.shares.configure(self.config.share_plan(), |port| policy.is_never(port));
        self.traps.stop();
        self.traps = Traps::set(self.config.trap_plans(), &self.inbox);
        *self.shared.plans.write().unwrap_or_else(PoisonError::into_inner) = self.traps.plans();
        self.send_frame();
        warnings.extend(self.hear());
        self.keep_if_good();
        journal::say(Level::Info, "configuration read again");
        (Vec::new(), warnings)
    }

    /// Hands the new policy to the guard before anything else of the new configuration counts.
    fn reset_guard(&self) {
        let policy = self.config.policy();
        let told = self.inbox.ask_patiently(Box::new(move |guard, now| {
            guard.configure(policy, now);
            guard.forget_traps();
            Box::new(|_| {})
        }));
        if told.is_err() {
            journal::say(Level::Error, "the guard is gone; the new configuration does not count");
        }
    }

    /// Keeps the configuration as the last good one, unless it waits for confirmation.
    pub(super) fn keep_if_good(&self) {
        let (sender, receiver) = crossbeam_channel::bounded(1);
        let wanted = self.config.port_policy();
        let asked = self.inbox.ask_patiently(Box::new(move |guard, _| {
            // The main thread waits for it.
            let _ = sender.send(guard.is_good(&wanted));
            Box::new(|_| {})
        }));
        if asked.is_ok() && receiver.recv() == Ok(true) {
            last_good::keep(&self.config);
        }
    }

    /// Writes the configuration file and takes it over, unless it has mistakes; returns them, or the
    /// warnings.
    pub(super) fn change_file(&mut self, order: &FileOrder) -> Result<Told, FileRefusal> {
        let path = file::real(&self.path);
        let fail = |error| FileRefusal::Unwritable(path.clone(), error);
        let former = file::read(&path).map_err(fail)?;
        let version = file::version(former.as_deref().unwrap_or_default());
        if version != order.version {
            return Err(FileRefusal::Changed(path));
        }
        let around = system::surroundings();
        if let Err(mistakes) = config::load_with(&self.path, &around, &self.path, Some(&order.text))
        {
            return Ok((mistakes.iter().map(ToString::to_string).collect(), Vec::new()));
        }
        // A change of a change that waits goes back to what was before both.
        let former = match self.undo.as_ref().filter(|undo| undo.written == version) {
            Some(undo) => undo.former.clone(),
            None => former,
        };
        let written = file::version(&order.text);
        let mut undo = Undo { path: path.clone(), former, written, is_weighed: false };
        let state_dir = self.config.guard.state_dir.clone();
        undo.keep(&state_dir).map_err(fail)?;
        if let Err(error) = file::write(&path, &order.text) {
            self.keep_undo(self.undo.as_ref());
            return Err(fail(error));
        }
        self.inbox.deliver(Fact::Noted(note(&path, FileDeed::Changed(order.author))));
        let (mistakes, mut warnings) = self.reload();
        warnings.extend(overruled(&self.path, &order.text));
        undo.is_weighed = true;
        self.undo = if !mistakes.is_empty() {
            // Something beside the file changed since it was checked.
            journal::say(Level::Warning, &told(&path, undo.carry_out()));
            None
        } else if self.fate() == Some(Fate::Holds) {
            None
        } else {
            Some(undo)
        };
        self.keep_undo(self.undo.as_ref());
        Ok((mistakes, warnings))
    }

    /// Keeps what undoes a change for the next life of the daemon, or forgets it.
    fn keep_undo(&self, undo: Option<&Undo>) {
        let state_dir = &self.config.guard.state_dir;
        let Some(undo) = undo else { return Undo::forget(state_dir) };
        if let Err(error) = undo.keep(state_dir) {
            let line = format!("a rolled-back file could not be undone after a restart: {error}");
            journal::say(Level::Error, &line);
        }
    }

    /// Does what is due when a change of the file was confirmed or rolled back.
    pub(super) fn settle_file(&mut self) {
        let Some(undo) = &self.undo else { return };
        let state_dir = self.config.guard.state_dir.clone();
        match self.fate() {
            Some(Fate::Holds) => {
                self.undo = None;
                Undo::forget(&state_dir);
            }
            Some(Fate::RolledBack) => {
                let path = undo.path.clone();
                match undo.carry_out() {
                    Ok(deed) => {
                        self.inbox.deliver(Fact::Noted(note(&path, deed)));
                        Undo::forget(&state_dir);
                    }
                    // The next start tries again.
                    failed @ Err(_) => journal::say(Level::Error, &told(&path, failed)),
                }
                self.undo = None;
                self.reload();
            }
            Some(Fate::Waits) | None => {}
        }
    }

    /// Returns how long the main thread may wait for a signal.
    pub(super) fn patience(&self) -> Duration {
        if self.undo.is_some() { LOOK_EVERY } else { LONG }
    }

    /// Returns where the configuration stands; nothing if the guard is gone.
    fn fate(&self) -> Option<Fate> {
        let (sender, receiver) = crossbeam_channel::bounded(1);
        let wanted = self.config.port_policy();
        let asked = self.inbox.ask_patiently(Box::new(move |guard, _| {
            let fate = match (guard.is_configuration_pending(), guard.is_good(&wanted)) {
                (true, _) => Fate::Waits,
                (false, true) => Fate::Holds,
                (false, false) => Fate::RolledBack,
            };
            // The main thread waits for it.
            let _ = sender.send(fate);
            Box::new(|_| {})
        }));
        asked.ok().and_then(|()| receiver.recv().ok())
    }
}

/// Returns what a text of the configuration file sets in vain, because a drop-in sets it too.
pub(super) fn overruled(path: &Path, text: &str) -> Vec<String> {
    let found = config::overruled(path, text).into_iter();
    found.map(|(key, file)| format!("{} sets {key} as well, and wins", file.display())).collect()
}
