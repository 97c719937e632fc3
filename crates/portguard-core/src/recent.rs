//! A map that remembers what was used lately, however many keys strangers make up.

use std::{borrow::Borrow, collections::HashMap, hash::Hash};

use foldhash::fast::RandomState;

/// Values by keys, a limited number of them. When half of the room was used since the last time,
/// what was not used since then is forgotten. The hashes are seeded: no key's place is to be guessed
/// from outside.
///
/// All lie in one table, so that a key costs one look, whether it was used lately or is about to be
/// forgotten.
#[derive(Debug)]
pub struct Recent<K, V> {
    room: usize,
    known: HashMap<K, Known<V>, RandomState>,
    /// Those used in this turn are kept when it ends.
    turn: u32,
    /// How many were used in this turn.
    used: usize,
}

#[derive(Debug, Default)]
struct Known<V> {
    value: V,
    /// The turn in which it was used last.
    turn: u32,
}

impl<K: Hash + Eq, V: Default> Recent<K, V> {
    /// Makes a map for at most so many keys.
    pub fn new(room: usize) -> Self {
        // A key that was just made up was used in no turn.
        Self { room: room.max(2), known: HashMap::default(), turn: 1, used: 0 }
    }

    /// Changes the value of a key, which is a new one if the key is not known.
    pub fn with<R>(&mut self, key: K, change: impl FnOnce(&mut V) -> R) -> R {
        let known = self.known.entry(key).or_default();
        let result = change(&mut known.value);
        if known.turn != self.turn {
            known.turn = self.turn;
            self.count();
        }
        result
    }

    /// Changes the value of a key, if the key is known.
    pub fn with_known<R>(&mut self, key: &K, change: impl FnOnce(&mut V) -> R) -> Option<R> {
        let known = self.known.get_mut(key)?;
        let result = change(&mut known.value);
        if known.turn != self.turn {
            known.turn = self.turn;
            self.count();
        }
        Some(result)
    }

    /// Counts a key that is used for the first time in this turn, and ends the turn at half of the
    /// room: what stays from it and what the next one adds have room together.
    fn count(&mut self) {
        self.used += 1;
        if self.used >= self.room / 2 {
            let turn = self.turn;
            self.known.retain(|_, known| known.turn == turn);
            self.turn = turn.wrapping_add(1);
            self.used = 0;
        }
    }

    /// Returns the value of a key.
    pub fn get<Q>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.known.get(key).map(|known| &known.value)
    }

    /// Forgets a key.
    pub fn remove<Q>(&mut self, key: &Q)
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let forgotten = self.known.remove(key);
        let was_used = forgotten.is_some_and(|known| known.turn == self.turn);
        self.used -= usize::from(was_used);
    }

    /// Returns how many keys are known.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Returns whether no key is known.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_without_end_take_no_memory_without_end_and_what_is_used_stays() {
        let mut map: Recent<u32, u32> = Recent::new(100);
        for number in 0..10_000 {
            map.with(number + 1, |_| ());
            if number % 20 == 0 {
                map.with(0, |count| *count += 1);
            }
            assert!(map.len() <= 100);
        }
        assert_eq!(map.get(&0), Some(&500));
        assert_eq!(map.get(&1), None);
        assert_eq!(map.with_known(&0, |count| *count), Some(500));
        assert_eq!((map.with_known(&1, |_| ()), map.get(&1)), (None, None));
        map.remove(&0);
        assert_eq!(map.get(&0), None);
    }
}
