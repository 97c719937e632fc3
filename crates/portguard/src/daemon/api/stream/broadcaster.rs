//! Looks for news and tells them, twenty times a second, as long as somebody listens.

use std::time::Duration;

use axum::body::Bytes;
use portguard_api::stream::{Lagged, Packets};
use portguard_store::{EntryQuery, Order, ReadError, Reader};
use tokio::{
    sync::{broadcast, watch},
    time::{MissedTickBehavior, interval},
};

use super::{
    super::{
        Desk,
        answer::{self, Failure},
        ask::{self, with_ledger},
        log,
    },
    event,
};
use crate::daemon::ledger::Written;

/// How often journal lines are looked for. A line is on a screen within 200 ms of its cause: the
/// ledger has it after some tens of milliseconds.
const EVERY: Duration = Duration::from_millis(50);

/// Rounds from one look at packets to the next, and from one look at the status to the next.
const PACKETS_EVERY: u32 = 2;
const STATUS_EVERY: u32 = 20;

/// Rounds from one count of packets for the charts to the next: 5 s.
const COUNTS_EVERY: u32 = 100;

/// Most packets of an event; more than anybody reads.
const MOST_PACKETS: usize = 50;

/// Most journal lines of one look; of more, only the newest are told.
const MOST_ENTRIES: usize = 200;

/// What was told last.
pub(super) struct Broadcaster {
    desk: Desk,
    written: watch::Receiver<Written>,
    /// The last journal line.
    entry: i64,
    /// The last packet.
    packet: u64,
    status: String,
}

impl Broadcaster {
    /// Returns a broadcaster that tells of what happens from here on.
    pub(super) async fn begin(desk: &Desk) -> Result<Self, Failure> {
        let written = desk.written.clone();
        let entry = with_ledger(desk, Reader::newest_entry).await?;
        let packet = desk.record.tally().taken;
        Ok(Self { desk: desk.clone(), written, entry, packet, status: String::new() })
    }

    /// Tells until nobody listens.
    pub(super) async fn run(mut self, events: broadcast::Sender<Bytes>) {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut round = 0_u32;
        while !self.desk.streams.is_deserted() {
            ticks.tick().await;
            let mut news = self.entries().await;
            if round.is_multiple_of(PACKETS_EVERY) {
                news.extend(self.packets());
            }
            if round.is_multiple_of(STATUS_EVERY) {
                news.extend(self.status().await);
            }
            if round.is_multiple_of(COUNTS_EVERY) {
                let kernel = self.desk.kernel.state().await;
                self.desk.chart.add(&kernel, true);
            }
            for one in news {
                // The last listener may just have gone.
                let _ = events.send(one);
            }
            round = (round + 1) % (PACKETS_EVERY * STATUS_EVERY * COUNTS_EVERY);
        }
    }

    /// Returns the journal lines that were written since the last look.
    async fn entries(&mut self) -> Vec<Bytes> {
        if !self.written.has_changed().unwrap_or_default() {
            return Vec::new();
        }
        self.written.mark_unchanged();
        let after = self.entry;
        let read = with_ledger(&self.desk, move |reader| newest_behind(reader, after)).await;
        // A ledger that can not be read shows in the status.
        let Ok((missed, found)) = read else { return Vec::new() };
        self.entry = found.last().map_or(after, |newest| newest.id);
        let lagged = (missed > 0).then(|| event("lagged", &Lagged { missed }));
        let told = found.iter().map(|stored| event("entry", &answer::entry(stored)));
        lagged.into_iter().chain(told).flatten().collect()
    }

    /// Returns what was decided about packets since the last look.
    fn packets(&mut self) -> Option<Bytes> {
        let (found, more) = self.desk.record.newest_behind(self.packet, MOST_PACKETS)?;
        self.packet = found.last()?.number;
        let items = found.iter().map(log::packet).collect();
        event("packets", &Packets { items, more }).ok()
    }

    /// Returns the status if it is another than before.
    async fn status(&mut self) -> Option<Bytes> {
        let status = ask::current_status(&self.desk).await.ok()?;
        let text = serde_json::to_string(&status).ok()?;
        if text == self.status {
            return None;
        }
        self.status = text;
        event("status", &status).ok()
    }
}

/// Returns the newest journal lines behind a number, oldest first, and how many others there are.
fn newest_behind(
    reader: &mut Reader,
    after: i64,
) -> Result<(u64, Vec<portguard_store::StoredEntry>), ReadError> {
    let newest = reader.newest_entry()?;
    // A ledger that began anew counts from 1.
    let after = if newest < after { 0 } else { after };
    let most = i64::try_from(MOST_ENTRIES).unwrap_or(i64::MAX);
    let skipped = newest.saturating_sub(after).saturating_sub(most).max(0);
    let found = reader.entries(&EntryQuery {
        since: None,
        subject: None,
        kinds: Vec::new(),
        after_id: Some(after + skipped),
        limit: MOST_ENTRIES,
        order: Order::OldestFirst,
    })?;
    Ok((u64::try_from(skipped).unwrap_or_default(), found))
}
