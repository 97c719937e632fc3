//! Which knocks have been here, so that none opens twice: bounded, and written down line by line, so
//! that a restart forgets nothing. Pure.
//!
//! Only a knock that a known key signed gets in, so nobody else can fill it. What has become too old
//! to be taken again is forgotten, but for the newest moment of each key: nothing as old as that
//! counts any more, however the host's clock is set.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use data_encoding::HEXLOWER;

use super::{FRESH_FOR, Refusal};

/// Knocks of one key that are remembered at a time. When full, that key waits until the oldest are too
/// old to be taken again: it never pushes out what another one could replay.
const MOST_OF_A_KEY: usize = 1_024;

/// Longest file that is read, in bytes: the knocks of a hundred keys that are full, twice.
pub(super) const LONGEST_TEXT: usize = 32 << 20;

/// What stands in a line for a knock that is forgotten, but for its moment.
const FORGOTTEN: &str = "-";

type Key = [u8; 32];
type Ephemeral = [u8; 32];

/// The knocks that have been here.
#[derive(Debug, Default)]
pub struct Memory {
    seen: HashMap<Ephemeral, Key>,
    keys: BTreeMap<Key, OfKey>,
    /// No knock that is not newer than this moment counts, whoever signed it.
    floor: u64,
}

#[derive(Debug, Default)]
struct OfKey {
    recent: BTreeSet<(u64, Ephemeral)>,
    /// The newest moment among those that are forgotten.
    floor: u64,
}

/// A text that is no memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MemoryError {
    /// It is longer than any memory.
    #[error("it is longer than {LONGEST_TEXT} bytes")]
    Long,
    /// A line in its midst is none.
    #[error("line {0} can not be read")]
    Line(usize),
}

impl Memory {
    /// Returns the key whose knock had this ephemeral key, if it is remembered.
    pub fn key_of(&self, ephemeral: &[u8; 32]) -> Option<&[u8; 32]> {
        self.seen.get(ephemeral)
    }

    /// Remembers a fresh knock and returns the line that keeps it, made at `at` and taken at `now`, in
    /// milliseconds since the Unix epoch.
    ///
    /// # Errors
    /// When it was here before, could have been, or its key has too many.
    pub fn take(
        &mut self,
        key: &[u8; 32],
        ephemeral: [u8; 32],
        at: u64,
        now: u64,
    ) -> Result<String, Refusal> {
        self.forget(now);
        let of_key = self.keys.entry(*key).or_default();
        if self.seen.contains_key(&ephemeral) || at <= of_key.floor || at <= self.floor {
            return Err(Refusal::Replayed);
        }
        if of_key.recent.len() >= MOST_OF_A_KEY {
            return Err(Refusal::TooMany);
        }
        self.put(*key, ephemeral, at);
        Ok(line(key, at, &HEXLOWER.encode(&ephemeral)))
    }

    /// Takes nothing any more that was made at this moment or earlier: for a memory that was lost.
    pub fn forbid_until(&mut self, moment: u64) {
        self.floor = self.floor.max(moment);
    }

    /// Reads the lines that were kept, in any order. A last line that was torn is left out.
    ///
    /// # Errors
    /// When it is something else.
    pub fn read(text: &str) -> Result<Self, MemoryError> {
        if text.len() > LONGEST_TEXT {
            return Err(MemoryError::Long);
        }
        let mut memory = Self::default();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        for (number, line) in (1..).zip(whole.lines()) {
            let (key, at, ephemeral) = read_line(line).ok_or(MemoryError::Line(number))?;
            if let Some(ephemeral) = ephemeral {
                memory.put(key, ephemeral, at);
            } else {
                let floor = &mut memory.keys.entry(key).or_default().floor;
                *floor = at.max(*floor);
            }
        }
        Ok(memory)
    }

    /// Returns all that has to be kept at this moment, in milliseconds since the Unix epoch.
    pub fn text(&mut self, now: u64) -> String {
        self.forget(now);
        let mut text = String::new();
        for (key, OfKey { recent, floor }) in &self.keys {
            if *floor > 0 {
                text += &line(key, *floor, FORGOTTEN);
            }
            for (at, ephemeral) in recent {
                text += &line(key, *at, &HEXLOWER.encode(ephemeral));
            }
        }
        text
    }

    /// Forgets the keys that are not wanted any more, once nothing of them can be replayed.
    pub fn keep_keys(&mut self, is_wanted: impl Fn(&[u8; 32]) -> bool) {
        self.keys.retain(|key, of_key| is_wanted(key) || !of_key.recent.is_empty());
    }

    fn put(&mut self, key: Key, ephemeral: Ephemeral, at: u64) {
        if self.seen.insert(ephemeral, key).is_none() {
            self.keys.entry(key).or_default().recent.insert((at, ephemeral));
        }
    }

    /// Forgets what is too old to be taken again.
    fn forget(&mut self, now: u64) {
        let fresh = u64::try_from(FRESH_FOR.as_millis()).unwrap_or(u64::MAX);
        let oldest = now.saturating_sub(fresh);
        for OfKey { recent, floor } in self.keys.values_mut() {
            while let Some((at, ephemeral)) = recent.first().copied()
                && at < oldest
            {
                recent.pop_first();
                self.seen.remove(&ephemeral);
                *floor = at.max(*floor);
            }
        }
    }
}

fn line(key: &Key, at: u64, ephemeral: &str) -> String {
    format!("{} {at} {ephemeral}\n", HEXLOWER.encode(key))
}

fn read_line(line: &str) -> Option<(Key, u64, Option<Ephemeral>)> {
    let mut words = line.split(' ');
    let mut word = || words.next();
    let (key, at, ephemeral) = (bytes(word()?)?, word()?.parse().ok()?, word()?);
    let ephemeral = if ephemeral == FORGOTTEN { None } else { Some(bytes(ephemeral)?) };
    word().is_none().then_some((key, at, ephemeral))
}

fn bytes(hex: &str) -> Option<[u8; 32]> {
    HEXLOWER.decode(hex.as_bytes()).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: u64 = 1_000_000_000;
    const ANNA: Key = [1; 32];
    const BERT: Key = [2; 32];

    fn ephemeral(number: usize) -> Ephemeral {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&(number as u64).to_be_bytes());
        bytes
    }

    #[test]
    fn a_knock_counts_once_also_after_a_restart_and_a_clock_that_was_set_back() {
        let mut memory = Memory::default();
        let line = memory.take(&ANNA, ephemeral(1), NOW, NOW).unwrap();
        assert_eq!(memory.take(&ANNA, ephemeral(1), NOW, NOW), Err(Refusal::Replayed));
        assert_eq!(memory.key_of(&ephemeral(1)), Some(&ANNA));
        let mut again = Memory::read(&line).unwrap();
        assert_eq!(again.take(&ANNA, ephemeral(1), NOW, NOW), Err(Refusal::Replayed));
        // Forgotten, but for its moment.
        let later = NOW + 61_000;
        let text = again.text(later);
        assert_eq!(again.key_of(&ephemeral(1)), None);
        for mut memory in [again, Memory::read(&text).unwrap()] {
            assert_eq!(memory.take(&ANNA, ephemeral(1), NOW, NOW), Err(Refusal::Replayed));
            memory.take(&ANNA, ephemeral(2), NOW + 1, NOW + 1).unwrap();
            memory.take(&BERT, ephemeral(3), NOW, NOW).unwrap();
        }
    }

    #[test]
    fn a_key_that_is_full_waits_and_others_do_not() {
        let mut memory = Memory::default();
        for number in 0..MOST_OF_A_KEY {
            memory.take(&ANNA, ephemeral(number), NOW, NOW).unwrap();
        }
        assert_eq!(memory.take(&ANNA, [9; 32], NOW, NOW), Err(Refusal::TooMany));
        memory.take(&BERT, [9; 32], NOW, NOW).unwrap();
        let later = NOW + 60_001;
        memory.take(&ANNA, [8; 32], later, later).unwrap();
        assert_eq!(memory.seen.len(), 1, "what is too old takes no room");
    }

    #[test]
    fn a_lost_memory_takes_nothing_that_could_have_been_in_it() {
        let mut memory = Memory::default();
        memory.forbid_until(NOW + 60_000);
        assert_eq!(memory.take(&ANNA, [1; 32], NOW + 60_000, NOW), Err(Refusal::Replayed));
        memory.take(&ANNA, [1; 32], NOW + 60_001, NOW + 10_000).unwrap();
    }

    #[test]
    fn a_torn_end_is_left_out_and_a_torn_midst_is_told() {
        let mut memory = Memory::default();
        let one = memory.take(&ANNA, [1; 32], NOW, NOW).unwrap();
        let two = memory.take(&ANNA, [2; 32], NOW, NOW).unwrap();
        for end in 0..two.len() {
            let torn = format!("{one}{}", &two[..end]);
            assert_eq!(Memory::read(&torn).unwrap().seen.len(), 1);
        }
        assert_eq!(
            Memory::read(&format!("{}\n{two}", &one[..70])).unwrap_err(),
            MemoryError::Line(1)
        );
    }

    #[test]
    fn keys_that_are_gone_are_forgotten_once_nothing_can_be_replayed() {
        let mut memory = Memory::default();
        memory.take(&ANNA, [1; 32], NOW, NOW).unwrap();
        memory.keep_keys(|_| false);
        assert_eq!(memory.take(&ANNA, [1; 32], NOW, NOW), Err(Refusal::Replayed));
        memory.text(NOW + 61_000);
        memory.keep_keys(|_| false);
        assert_eq!(memory.text(NOW), "");
    }

    proptest! {
        #[test]
        fn no_knock_is_taken_twice_however_clock_and_daemon_do(
            steps in prop::collection::vec((0..20_usize, 0..300_u64, any::<bool>()), 1..80),
        ) {
            let (mut memory, mut text) = (Memory::default(), String::new());
            let mut taken = BTreeSet::new();
            for (number, second, is_restart) in steps {
                let (at, now) = (NOW + 10_000 * number as u64, NOW + 1_000 * second);
                let key = if number % 2 == 0 { ANNA } else { BERT };
                if at.abs_diff(now) <= 60_000
                    && let Ok(line) = memory.take(&key, ephemeral(number), at, now)
                {
                    text += &line;
                    prop_assert!(taken.insert(number));
                }
                if is_restart {
                    memory = Memory::read(&text).unwrap();
                    text = memory.text(now);
                }
            }
        }

        #[test]
        fn no_text_makes_the_reader_panic(text: String) {
            // Whatever it says is right; that it says something is the law.
            let _ = Memory::read(&text);
        }
    }
}
