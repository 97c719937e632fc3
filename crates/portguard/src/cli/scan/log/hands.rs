//! Several threads at one log. The file goes from hand to hand, so that the blocks are theirs in turn;
//! what each reads goes to those who count its sources, who take it in the order of the blocks.

use std::{
    panic::resume_unwind,
    sync::{
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    thread,
};

use crate::{
    cli::lines::{Blocks, Progress},
    exit::Failed,
};

use super::{BLOCK, Counting, Hit, Reading};

/// One thread's ends of what goes between them. No queue grows: who has read a block gets the next
/// when all others have theirs.
struct Hand<'b> {
    file: Receiver<&'b mut Blocks>,
    next: Sender<&'b mut Blocks>,
    /// To each counting, and from each reading.
    to: Vec<Sender<Vec<Hit>>>,
    from: Vec<Receiver<Vec<Hit>>>,
}

/// How many lines all have read, and who shows it.
struct Read<'p> {
    lines: &'p AtomicU64,
    progress: Option<&'p mut Progress>,
}

/// Reads all blocks, a thread for each reading and its counting.
pub(super) fn read_all(
    blocks: &mut Blocks,
    readings: &mut [Reading<'_>],
    countings: &mut [Counting],
    progress: &mut Progress,
) -> Result<(), Failed> {
    let lines = AtomicU64::new(0);
    let mut progress = Some(progress);
    thread::scope(|scope| {
        let hands = hands(blocks, readings.len()).into_iter();
        let work = hands.zip(readings).zip(countings).map(|((hand, reading), counting)| {
            let read = Read { lines: &lines, progress: progress.take() };
            scope.spawn(move || hand.work(reading, counting, read))
        });
        let all: Vec<_> = work.collect();
        all.into_iter().try_for_each(|one| one.join().unwrap_or_else(|why| resume_unwind(why)))
    })
}

/// Returns so many hands, the first of which has the file.
fn hands(blocks: &mut Blocks, count: usize) -> Vec<Hand<'_>> {
    let (mut nexts, files): (Vec<Sender<_>>, Vec<_>) = (0..count).map(|_| channel()).unzip();
    // Its other end is here.
    let _ = nexts[0].send(blocks);
    nexts.rotate_left(1);
    let mut froms: Vec<Vec<_>> = (0..count).map(|_| Vec::new()).collect();
    let mut hand = |(file, next)| {
        let ends = froms.iter_mut().map(|from| {
            let (sender, receiver) = channel();
            from.push(receiver);
            sender
        });
        Hand { file, next, to: ends.collect(), from: Vec::new() }
    };
    let mut hands: Vec<_> = files.into_iter().zip(nexts).map(&mut hand).collect();
    hands.iter_mut().zip(froms).for_each(|(hand, from)| hand.from = from);
    hands
}

impl Hand<'_> {
    fn work(
        self,
        reading: &mut Reading<'_>,
        counting: &mut Counting,
        mut read: Read<'_>,
    ) -> Result<(), Failed> {
        let Self { file, next, to, from } = self;
        let mut is_first = true;
        // Whoever fails keeps the file, and says why; nobody listens any more to who is too slow to
        // hear of that, or of the end.
        while let Ok(blocks) = file.recv() {
            blocks.fill(&mut reading.block, BLOCK)?;
            let _ = next.send(blocks);
            if reading.block.is_empty() {
                break;
            }
            let before = reading.found.lines;
            reading.read();
            for (to, hits) in to.iter().zip(&mut reading.hits) {
                let room = Vec::with_capacity(hits.len());
                let _ = to.send(std::mem::replace(hits, room));
            }
            read.add(reading.found.lines - before);
            // What all read in the round before is there, or about to be.
            if !is_first {
                count(&from, counting);
            }
            is_first = false;
        }
        drop((next, to));
        while count(&from, counting) {}
        Ok(())
    }
}

impl Read<'_> {
    fn add(&mut self, lines: u64) {
        let all = self.lines.fetch_add(lines, Ordering::Relaxed) + lines;
        self.progress.iter_mut().for_each(|progress| progress.show(all));
    }
}

/// Counts the hits of one block of each reading; returns whether there were any such blocks.
fn count(from: &[Receiver<Vec<Hit>>], counting: &mut Counting) -> bool {
    let mut is_any = false;
    for hits in from.iter().filter_map(|from| from.recv().ok()) {
        counting.add_block(&hits);
        is_any = true;
    }
    is_any
}
