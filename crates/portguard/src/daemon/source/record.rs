//! Decisions about packets, as the kernel tells of them: kept in memory, and written as classic log
//! lines if so configured. Who is looked for in them is told to the guard.

mod habits;
mod lookout;
mod scans;
mod text;

use std::{
    collections::HashMap,
    io,
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock, TryLockError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use portguard_core::{Health, Timestamp};
use portguard_linux::nflog::{Logged, VolumeReader, interface_name};
use portguard_read::{
    Headers, PacketDecision, Query, Record, Verdict,
    headers::read_headers,
    log_line::Envelope,
    ranking::{Glance, Ranked, Rough},
};

use crate::{
    clock,
    config::{ALLOWED_GROUP, BLOCKED_GROUP, RecordPlan, ScanPlan},
    daemon::inbox::Inbox,
};

use self::{lookout::Lookout, scans::Scans, text::TextFile};

use super::{listeners::Heard, tell};

const NAME: &str = "packet-log";

/// How long one wait takes; the settings are looked at after each.
const WAIT: Duration = Duration::from_secs(1);

/// How long names of interfaces are remembered, and how many.
const NAMES_FOR: Duration = Duration::from_secs(10);
const MOST_NAMES: usize = 1_024;

/// Most packets that are decoded before the record is locked for them: some milliseconds.
const BATCH: usize = 4_096;

/// Decisions that are looked at while nobody else may use the record: a millisecond.
const AT_ONCE: usize = 32_768;

/// How long packets are gathered at a time: whoever scans is found before that goes on for long.
const GATHER_FOR: Duration = Duration::from_micros(300);

/// The record and what is counted beside it.
pub(crate) struct PacketRecord {
    record: Mutex<Record>,
    plan: RwLock<RecordPlan>,
    lost: AtomicU64,
    unreadable: AtomicU64,
    /// What each standing scan found, in the order of the plan.
    scans: Mutex<Vec<ScanSeen>>,
}

/// What a standing scan found since the daemon came up, or since it was configured.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ScanSeen {
    pub(crate) found: u64,
    /// Whom last, and when.
    pub(crate) last: Option<(IpAddr, Timestamp)>,
}

/// What became of the packets that the kernel told of.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) taken: u64,
    pub(crate) kept: u64,
    pub(crate) overwritten: u64,
    pub(crate) lost: u64,
    pub(crate) unreadable: u64,
}

/// A packet on its way into the record.
struct Arrived {
    verdict: Verdict,
    /// Index into the reasons of its batch.
    reason: usize,
    interface: u32,
    headers: Headers,
}

impl PacketRecord {
    pub(crate) fn new(plan: RecordPlan) -> Self {
        Self {
            record: Mutex::new(Record::new(plan.capacity)),
            plan: RwLock::new(plan),
            lost: AtomicU64::new(0),
            unreadable: AtomicU64::new(0),
            scans: Mutex::default(),
        }
    }

    /// Takes new settings over.
    pub(crate) fn configure(&self, plan: RecordPlan) {
        self.lock().resize(plan.capacity);
        let mut current = self.plan.write().unwrap_or_else(PoisonError::into_inner);
        if current.scans != plan.scans {
            self.scans.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
        *current = plan;
    }

    /// Answers a query; takes some milliseconds for a million decisions.
    pub(crate) fn query(&self, query: &Query) -> Vec<PacketDecision> {
        self.lock().query(query)
    }

    /// Returns the newest decisions behind one, oldest first, and how many others there are. Nothing
    /// while the record is in use: this never waits.
    pub(crate) fn newest_behind(
        &self,
        after: u64,
        most: usize,
    ) -> Option<(Vec<PacketDecision>, u64)> {
        let record = match self.record.try_lock() {
            Ok(record) => record,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        let more = record.taken().saturating_sub(after).saturating_sub(most as u64);
        let query = Query { after: Some(after + more), limit: most, ..Query::default() };
        Some((record.query(&query), more))
    }

    /// Returns who and what stands out since a moment, in milliseconds since the Unix epoch. Looks at
    /// the record part by part, so that packets are taken in meanwhile.
    pub(crate) fn ranked(&self, since: u64, most: usize) -> Ranked {
        let end = self.lock().taken();
        let pass = |see: &mut dyn FnMut(&Glance)| {
            let mut next = Some(1);
            while let Some(from) = next.filter(|from| *from <= end) {
                next = self.lock().glance(from, AT_ONCE, since, &mut *see);
            }
        };
        let mut rough = Rough::default();
        pass(&mut |glance| rough.see(glance));
        let mut ranking = rough.settled();
        pass(&mut |glance| ranking.see(glance));
        ranking.ranked(most)
    }

    /// Returns what was counted.
    pub(crate) fn tally(&self) -> Tally {
        let record = self.lock();
        Tally {
            taken: record.taken(),
            kept: record.len() as u64,
            overwritten: record.overwritten(),
            lost: self.lost.load(Ordering::Relaxed),
            unreadable: self.unreadable.load(Ordering::Relaxed),
        }
    }

    /// Returns the standing scans with what they found.
    pub(crate) fn scans(&self) -> Vec<(ScanPlan, ScanSeen)> {
        let plans = self.plan().scans;
        let seen = self.scans.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = seen.iter().copied().chain(std::iter::repeat(ScanSeen::default()));
        plans.iter().cloned().zip(seen).collect()
    }

    /// Counts that the scan at this place found somebody.
    fn count_found(&self, place: usize, source: IpAddr, at: Timestamp) {
        let mut seen = self.scans.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() <= place {
            seen.resize(place + 1, ScanSeen::default());
        }
        seen[place] = ScanSeen { found: seen[place].found + 1, last: Some((source, at)) };
    }

    fn plan(&self) -> RecordPlan {
        self.plan.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn lock(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Binds to the log groups, and reads them on a thread of its own.
pub(crate) fn start(record: Arc<PacketRecord>, heard: Heard, inbox: Inbox) -> io::Result<()> {
    match VolumeReader::open(&[BLOCKED_GROUP, ALLOWED_GROUP]) {
        Ok(reader) => {
            tell(&inbox, NAME, Health::Good);
            let reading = Reading {
                reader,
                record,
                inbox,
                names: Names::default(),
                text: None,
                scans: Scans::default(),
                lookout: Lookout::new(heard),
                reasons: Vec::new(),
                told: Health::Good,
            };
            super::start(NAME, move || reading.run()).map(drop)
        }
        Err(error) => {
            let why = format!(
                "log groups {BLOCKED_GROUP} and {ALLOWED_GROUP}: {error}; packets are judged and \
                 counted, but not recorded"
            );
            tell(&inbox, NAME, Health::Broken(why));
            Ok(())
        }
    }
}

/// The thread's own things.
struct Reading {
    reader: VolumeReader,
    record: Arc<PacketRecord>,
    inbox: Inbox,
    names: Names,
    text: Option<TextFile>,
    scans: Scans,
    lookout: Lookout,
    /// The reasons that occurred in this batch; there are some dozen.
    reasons: Vec<String>,
    told: Health,
}

impl Reading {
    fn run(mut self) {
        let mut arrived: Vec<Arrived> = Vec::with_capacity(BATCH);
        loop {
            let plan = self.record.plan();
            self.choose_text_file(&plan);
            self.scans.set(&plan.scans);
            self.lookout.set(plan.anomalies.as_ref(), &plan.state_dir);
            if let Err(error) = self.gather(&mut arrived) {
                return tell(&self.inbox, NAME, Health::Broken(error.to_string()));
            }
            if let Some(text) = &mut self.text {
                text.flush();
            }
            self.keep(&mut arrived);
            self.lookout.settle(clock::now(), &self.inbox);
            self.tell_health();
        }
    }

    /// Decodes what has come; more only as long as it comes without waiting.
    fn gather(&mut self, arrived: &mut Vec<Arrived>) -> io::Result<()> {
        let (mut wait, mut began) = (WAIT, Instant::now());
        self.reasons.clear();
        let Self { reader, names, text, reasons, record, .. } = self;
        while arrived.len() < BATCH {
            let mut unreadable = 0;
            let count = reader.receive(wait, |logged| {
                let Some(headers) = read_headers(logged.payload) else {
                    unreadable += 1;
                    return;
                };
                let verdict = verdict_of(&logged);
                if let Some(text) = text {
                    write_line(text, (&logged, verdict), &headers, names);
                }
                let reason = position_of(reasons, logged.prefix);
                let interface = logged.in_interface;
                arrived.push(Arrived { verdict, reason, interface, headers });
            })?;
            if unreadable > 0 {
                record.unreadable.fetch_add(unreadable, Ordering::Relaxed);
            }
            if wait == WAIT {
                (wait, began) = (Duration::ZERO, Instant::now());
            }
            if count == 0 || began.elapsed() > GATHER_FOR {
                break;
            }
        }
        self.record.lost.store(self.reader.lost(), Ordering::Relaxed);
        Ok(())
    }

    fn keep(&mut self, arrived: &mut Vec<Arrived>) {
        if arrived.is_empty() {
            return;
        }
        let now = clock::now();
        let at = now.as_millis();
        for Arrived { verdict, headers, reason, .. } in &*arrived {
            for place in self.scans.see(*verdict, headers, now, &self.inbox) {
                self.record.count_found(place, headers.source, now);
            }
            let judged = (*verdict, self.reasons[*reason].as_str());
            self.lookout.see(judged, headers, now, &self.inbox);
        }
        let record = self.record.clone();
        let mut record = record.lock();
        for Arrived { verdict, reason, interface, headers } in arrived.drain(..) {
            let names = (&*self.reasons[reason], self.names.of(interface));
            record.push(at, verdict, names, &headers);
        }
    }

    /// Opens, changes or closes the file of log lines as configured.
    fn choose_text_file(&mut self, plan: &RecordPlan) {
        let is_right = match (&self.text, &plan.text_file) {
            (Some(text), Some(path)) => text.is_at(path, plan.text_max),
            (None, None) => true,
            _ => false,
        };
        if !is_right {
            let file = plan.text_file.as_ref();
            self.text = file.map(|path| TextFile::new(path.clone(), plan.text_max));
        }
    }

    fn tell_health(&mut self) {
        let lost = self.reader.lost();
        let mut troubles = Vec::new();
        if lost > 0 {
            troubles.push(format!("{lost} packets were lost so far"));
        }
        troubles.extend(self.text.as_ref().and_then(TextFile::trouble));
        let health = match troubles.join("; ") {
            none if none.is_empty() => Health::Good,
            some => Health::Degraded(some),
        };
        if health != self.told {
            self.told = health.clone();
            tell(&self.inbox, NAME, health);
        }
    }
}

fn verdict_of(logged: &Logged<'_>) -> Verdict {
    if logged.group == ALLOWED_GROUP { Verdict::Allowed } else { Verdict::Blocked }
}

/// Returns where a reason stands among those of this batch; a new one is added.
fn position_of(reasons: &mut Vec<String>, reason: &str) -> usize {
    if let Some(position) = reasons.iter().position(|known| known == reason) {
        return position;
    }
    reasons.push(reason.to_owned());
    reasons.len() - 1
}

fn write_line(
    text: &mut TextFile,
    (logged, verdict): (&Logged<'_>, Verdict),
    headers: &Headers,
    names: &mut Names,
) {
    let in_interface = names.of(logged.in_interface).to_owned();
    let envelope = Envelope {
        verdict,
        in_interface: &in_interface,
        out_interface: names.of(logged.out_interface),
        link_header: logged.link_header,
        mark: logged.mark,
    };
    text.add(&envelope, headers, clock::now());
}

/// The names of interfaces, asked for again now and then: an index may get another name.
struct Names {
    known: HashMap<u32, String>,
    since: Instant,
}

impl Default for Names {
    fn default() -> Self {
        Self { known: HashMap::new(), since: Instant::now() }
    }
}

impl Names {
    /// Returns the name of an interface; nothing for none.
    fn of(&mut self, index: u32) -> &str {
        if index == 0 {
            return "";
        }
        if self.since.elapsed() > NAMES_FOR || self.known.len() > MOST_NAMES {
            *self = Self::default();
        }
        let name = || interface_name(index).unwrap_or_else(|| format!("if{index}"));
        self.known.entry(index).or_insert_with(name)
    }
}
