//! Puts the last good state into the kernel and ends: at boot, before the network comes up and
//! whether or not the daemon does.

use std::{path::Path, thread};

use portguard_core::{Event, Fact, Guard, Level};
use portguard_linux::nft::FrameSpec;
use portguard_store::Reader;

use crate::{
    clock,
    config::{self, Config, Loaded},
    exit::{Failed, Turn, with_causes},
};

use super::{
    enforcer::{self, Enforcer, Queues, Work},
    inbox, journal, last_good,
    ledger::{Memory, remembered},
    open_table, prepared_guard, system,
};

/// Loads what the configuration and the ledger say; a configuration that does not hold is replaced
/// by the last good one.
pub(crate) fn run(path: &Path) -> Result<(), Failed> {
    let config = configuration(path)?;
    if config.guard.observe {
        journal::say(Level::Info, "only observing: nothing is loaded");
        return Ok(());
    }
    if std::os::unix::net::UnixStream::connect(config.socket()).is_ok() {
        return Err(Failed::new(Turn::Negative, "the daemon is running, and has loaded it"));
    }
    let now = clock::now();
    let mut reader = Reader::open(&config.guard.state_dir.join("ledger.db")).ok();
    let memory = reader.as_mut().map_or_else(Memory::default, |reader| remembered(reader, now));
    let mut guard = prepared_guard(&config, memory);

    let table = open_table(&config)?;
    let (inbox, _unheard) = inbox::inbox();
    // No traps: nothing listens behind them yet.
    let frame = FrameSpec { ports: guard.rules(), ..config.frame(Vec::new()) };
    let mut enforcer = Enforcer::new(table, frame, inbox);
    enforcer.start().map_err(|why| Failed::new(Turn::NotEnforced, why))?;
    let progress = enforcer.progress();
    let (work, _questions, queues): (_, _, Queues) = enforcer::queues();
    let enforcing = thread::spawn(move || enforcer.run(&queues));

    let mut loaded = 0;
    let mut hand_on = |guard: &mut Guard| {
        while guard.poll_record().is_some() {}
        while let Some((generation, demand)) = guard.poll_demand() {
            loaded += 1;
            // The enforcer ends when it is told to, and not before.
            let _ = work.send(Work::of(generation, demand));
        }
    };
    hand_on(&mut guard);
    if let Some(reader) = &mut reader {
        let read = reader.holds(now, |holds| {
            guard.handle_event(Event { at: now, fact: Fact::Restored(holds) }, now);
            hand_on(&mut guard);
        });
        if let Err(error) = read {
            let line = format!("bans could not be read from the ledger: {}", with_causes(&error));
            journal::say(Level::Error, &line);
        }
    }
    let _ = work.send(Work::Stop { remove: false });
    enforcing.join().map_err(|_| Failed::bug("the enforcer broke off"))?;
    if let Some(why) = &progress.borrow().failure {
        return Err(Failed::new(Turn::NotEnforced, why.to_string()));
    }
    let posture = guard.posture();
    journal::say(Level::Info, &format!("loaded: posture {posture}, {loaded} changes"));
    Ok(())
}

/// Returns the configuration, or the last good one if it does not hold.
fn configuration(path: &Path) -> Result<Config, Failed> {
    let mistakes = match config::load(path, &system::surroundings()) {
        Ok(Loaded { config, .. }) => return Ok(config),
        Err(mistakes) => mistakes,
    };
    for mistake in &mistakes {
        journal::say(Level::Error, &format!("configuration: {mistake}"));
    }
    let state_dir = Config::default().guard.state_dir;
    let good = last_good::load(&state_dir).ok_or_else(|| config::failed(&mistakes))?;
    journal::say(Level::Warning, "the last good configuration is loaded in its place");
    Ok(good)
}
