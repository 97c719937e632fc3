//! Connections with other hosts: who has them, since when, and which process asks for too many.
//!
//! TCP sockets are looked at all the time, on a thread of its own; what else the kernel tracks is read
//! when somebody asks for the table.

mod datagram;
mod fanout;
mod pace;
mod row;
mod tracked;
mod tracking;

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, PoisonError, RwLock},
    thread,
    time::Duration,
};

use portguard_core::{Fact, Health, Owner, Timestamp};
use portguard_linux::{
    conntrack::Settings,
    traffic::{self, Asked, Conversation},
};

use crate::{clock, config::FanoutPlan, daemon::inbox::Inbox};

use self::{fanout::Fanout, pace::Pace, tracking::Tracking};

use super::tell;

pub(crate) use self::{
    row::Row,
    tracked::{Asker, Direction, Seen},
};

const NAME: &str = "connections";

/// How often the kernel is asked as long as connections come and go, and otherwise; sooner when this
/// host asked for one and somebody wants to know which processes do.
const LOOK_EVERY: Duration = Duration::from_secs(2);
const LOOK_IDLY: Duration = Duration::from_secs(10);

/// Most TCP connections of this host that are known one by one, and most others that the kernel
/// tracks; those that it comes to first.
const MOST: usize = 8_192;

/// A connection with what is known of it beside what the kernel says.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) conversation: Conversation,
    /// When it was seen first.
    pub(crate) since: Timestamp,
    pub(crate) owner: Option<Owner>,
}

/// The connections as they were a moment ago.
#[derive(Debug, Default)]
struct Table {
    known: BTreeMap<u64, Known>,
    /// How many more there are.
    more: usize,
    has_changed: bool,
}

/// The table as it is shown.
#[derive(Clone, Debug)]
pub(crate) struct Listed {
    /// Those that began last first.
    pub(crate) rows: Vec<Row>,
    /// How many more there are.
    pub(crate) more: usize,
    /// What the kernel keeps of those that it tracks.
    pub(crate) settings: Settings,
    /// Why what it tracks is not among them.
    pub(crate) trouble: Option<String>,
}

/// The table, and what is looked for in it; `None`: nothing.
#[derive(Default)]
pub(crate) struct Connections {
    table: RwLock<Table>,
    tracking: Tracking,
    /// Those that were new when somebody asked.
    begun: Mutex<Vec<Known>>,
    plan: RwLock<Option<Arc<FanoutPlan>>>,
}

impl Connections {
    pub(crate) fn new(plan: Option<FanoutPlan>) -> Arc<Self> {
        let new = Self::default();
        new.configure(plan);
        Arc::new(new)
    }

    /// Takes new settings over.
    pub(crate) fn configure(&self, plan: Option<FanoutPlan>) {
        *self.plan.write().unwrap_or_else(PoisonError::into_inner) = plan.map(Arc::new);
    }

    /// Returns the TCP connections of this host, and how many more there are.
    fn list(&self) -> (Vec<Known>, usize) {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        (table.known.values().cloned().collect(), table.more)
    }

    /// Takes what the kernel says now over into the table, and returns what is new in it.
    fn take(&self, found: Vec<Conversation>, more: usize) -> Vec<Known> {
        let now = clock::now();
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        let is_new = |one: &Conversation| !table.known.contains_key(&one.cookie);
        let new: Vec<Conversation> = found.iter().filter(|one| is_new(one)).cloned().collect();
        let owners = if new.is_empty() {
            BTreeMap::new()
        } else {
            traffic::owners(new.iter().map(|one| one.inode))
        };
        let mut before = std::mem::take(&mut table.known);
        let mut begun = Vec::new();
        for conversation in found {
            let cookie = conversation.cookie;
            let known = if let Some(known) = before.remove(&cookie) {
                Known { conversation, ..known }
            } else {
                let owner = owners.get(&conversation.inode).cloned();
                let known = Known { conversation, since: now, owner };
                begun.push(known.clone());
                known
            };
            table.known.insert(cookie, known);
        }
        table.has_changed = !begun.is_empty() || !before.is_empty();
        table.more = more;
        begun
    }

    /// Returns whether connections came or went when the kernel was asked last.
    fn has_changed(&self) -> bool {
        self.table.read().unwrap_or_else(PoisonError::into_inner).has_changed
    }

    /// Asks the kernel again, and returns the connections of this host and those through it.
    ///
    /// # Errors
    /// When the kernel does not tell the sockets. Where it tracks nothing, the sockets are all.
    pub(crate) fn list_anew(&self) -> io::Result<Listed> {
        let reading = self.tracking.look(|| {
            let sockets = traffic::conversations(MOST).unwrap_or_default().0;
            sockets.iter().map(|one| row::ends(one.local, one.peer)).collect()
        });
        let (found, more) = traffic::conversations(MOST)?;
        let begun = self.take(found, more);
        let mut new = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        new.extend(begun);
        new.truncate(MOST);
        drop(new);
        let (known, more) = self.list();
        Ok(Listed {
            rows: row::rows(known, &reading, clock::now()),
            more: more + reading.more,
            settings: reading.settings,
            trouble: reading.trouble.clone(),
        })
    }

    fn plan(&self) -> Option<Arc<FanoutPlan>> {
        self.plan.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Watches on a thread of its own.
pub(crate) fn start(connections: Arc<Connections>, inbox: Inbox) -> io::Result<()> {
    super::start(NAME, move || watch(&connections, &inbox)).map(drop)
}

fn watch(connections: &Connections, inbox: &Inbox) {
    let mut fanout = Fanout::default();
    let mut pace = Pace::new(Asked::open().ok());
    let mut told = None;
    loop {
        connections.tracking.forget();
        pace.begin();
        let plan = connections.plan();
        let mut pause = LOOK_IDLY;
        let health = match traffic::conversations(MOST) {
            Ok((found, more)) => {
                let mut begun = connections.take(found, more);
                begun.append(&mut connections.begun.lock().unwrap_or_else(PoisonError::into_inner));
                if !begun.is_empty() || connections.has_changed() {
                    pause = LOOK_EVERY;
                }
                for note in plan.iter().flat_map(|plan| fanout.take(plan, &begun, clock::now())) {
                    inbox.deliver(Fact::Noted(note));
                }
                Health::Good
            }
            Err(error) => Health::Broken(error.to_string()),
        };
        if told.as_ref() != Some(&health) {
            tell(inbox, NAME, health.clone());
            told = Some(health);
        }
        match plan {
            Some(_) => pace.rest_until_asked(pause),
            None => thread::sleep(pause),
        }
    }
}
