//! What the daemon told, as far as it is kept. Pure.

use std::collections::{BTreeMap, VecDeque};

use portguard_api::{
    history::{History, Top},
    knock::KnockState,
    packet::{Packet, PacketLog},
    port::{Door, Lockdown, PortRow, Ruling},
    proposal::Proposal,
    remote::Remote,
    table::Table,
    traffic::Connections,
    view::{Entry, Hold, Offender, Status, Trap, Why},
    watch::{Scan, Watch},
};

use crate::{
    ask::{FOLLOWED, List, News},
    rate::Rates,
};

/// How many journal lines and packet decisions are kept, the newest: more than anybody scrolls
/// through. The oldest go; the command line has them all.
const KEPT: usize = 1_000;

/// What the daemon told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Data {
    pub(crate) status: Option<Status>,
    /// Oldest first.
    pub(crate) entries: VecDeque<Entry>,
    /// Oldest first.
    pub(crate) packets: VecDeque<Packet>,
    pub(crate) ports: Vec<PortRow>,
    pub(crate) doors: Vec<Door>,
    pub(crate) rulings: Vec<Ruling>,
    pub(crate) holds: BTreeMap<List, Table<Hold>>,
    pub(crate) offenders: Option<Table<Offender>>,
    pub(crate) proposals: Vec<Proposal>,
    pub(crate) connections: Option<Connections>,
    pub(crate) traps: Vec<Trap>,
    pub(crate) watches: Vec<Watch>,
    pub(crate) scans: Vec<Scan>,
    pub(crate) remote: Option<Remote>,
    pub(crate) why: Option<Why>,
    pub(crate) lockdown: Option<Lockdown>,
    pub(crate) history: Option<History>,
    pub(crate) top: Option<Top>,
    pub(crate) rates: Rates,
    /// Decisions that came too fast to be asked for.
    pub(crate) packets_skipped: u64,
    /// Whether the latest decisions were asked for.
    has_packets: bool,
    /// Whether the latest lines were asked for.
    has_entries: bool,
    /// The last decision that is known of.
    last_packet: u64,
}

impl Data {
    /// Takes news that came at this moment, in milliseconds of a clock that is never set.
    pub(crate) fn take(&mut self, at: u64, news: News) {
        match news {
            News::Status(status) => self.take_status(at, *status),
            News::Entries(entries) => self.take_entries(entries),
            News::Packets(log) => self.take_packets(log),
            News::Ports(ports) => self.ports = ports,
            News::Doors(doors) => self.doors = doors,
            News::Rulings(rulings) => self.rulings = rulings,
            News::Holds(list, holds) => {
                self.holds.insert(list, holds);
            }
            News::Offenders(offenders) => self.offenders = Some(offenders),
            News::Proposals(proposals) => self.proposals = proposals,
            News::Connections(connections) => self.connections = Some(connections),
            News::Traps(traps) => self.traps = traps,
            News::Watches(watches) => self.watches = watches,
            News::Scans(scans) => self.scans = scans,
            News::Remote(remote) => self.remote = Some(*remote),
            News::Why(why) => self.why = Some(*why),
            News::Lockdown(lockdown) => self.lockdown = Some(lockdown),
            News::History(history) => self.history = Some(history),
            News::Top(top) => self.top = Some(top),
        }
    }

    fn take_status(&mut self, at: u64, status: Status) {
        let daemon = |status: &Status| (status.pid, status.since.clone());
        if self.status.as_ref().is_some_and(|last| daemon(last) != daemon(&status)) {
            // Another daemon counts its packets anew, and may have another ledger.
            let offenders = std::mem::take(&mut self.offenders);
            *self = Self { offenders, ..Self::default() };
        }
        self.rates.count(at, status.turned_away);
        self.status = Some(status);
    }

    fn take_entries(&mut self, entries: Vec<Entry>) {
        // Whoever lags behind asks for the latest anew, and leaves out what is between.
        let is_behind = self.has_entries && entries.len() >= FOLLOWED;
        self.has_entries = !is_behind;
        let last = self.entries.back().map_or(i64::MIN, |entry| entry.id);
        for entry in entries.into_iter().filter(|entry| entry.id > last) {
            self.rates.take(&entry);
            self.entries.push_back(entry);
        }
        let old = self.entries.len().saturating_sub(KEPT);
        self.entries.drain(..old);
    }

    fn take_packets(&mut self, log: PacketLog) {
        let last = self.last_packet;
        let new = log.items.into_iter().filter(|packet| packet.number > last);
        let before = self.packets.len();
        self.packets.extend(new);
        let came = u64::try_from(self.packets.len() - before).unwrap_or(u64::MAX);
        if let Some(newest) = self.packets.back().filter(|_| came > 0) {
            self.last_packet = newest.number;
            if self.has_packets {
                self.packets_skipped += newest.number.saturating_sub(last).saturating_sub(came);
            }
        }
        self.has_packets = true;
        let old = self.packets.len().saturating_sub(KEPT);
        self.packets.drain(..old);
    }

    /// Returns behind which journal line the next question goes on.
    pub(crate) fn last_entry(&self) -> Option<i64> {
        self.has_entries.then(|| self.entries.back().map_or(0, |entry| entry.id))
    }

    /// Returns behind which packet decision the next question goes on.
    pub(crate) fn last_packet(&self) -> Option<u64> {
        self.has_packets.then_some(self.last_packet)
    }

    /// Returns the subjects of a list.
    pub(crate) fn list(&self, list: List) -> &[Hold] {
        self.holds.get(&list).map_or(&[], |table| &table.items)
    }

    /// Returns the control file; `None`: there is none, or nothing is known yet.
    pub(crate) fn control_file(&self) -> Option<&Remote> {
        self.remote.as_ref().filter(|remote| remote.url.is_some())
    }

    /// Returns how the knocks do; `None`: none are taken, or nothing is known yet.
    pub(crate) fn knocks(&self) -> Option<&KnockState> {
        self.status.as_ref()?.knock.as_ref()
    }

    /// Returns the offenders that were asked for.
    pub(crate) fn offenders(&self) -> &[Offender] {
        self.offenders.as_ref().map_or(&[], |table| &table.items)
    }
}
