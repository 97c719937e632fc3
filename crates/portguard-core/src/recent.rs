//! A map that remembers what was used lately, however many keys strangers make up.

use std::{borrow::Borrow, collections::HashMap, hash::Hash};

use foldhash::fast::RandomState;

/// Values by keys, a limited number of them. When half of the room is full, what was not used while
/// it filled is forgotten. The hashes are seeded: no key's place is to be guessed from outside.
#[derive(Debug)]
pub struct Recent<K, V> {
    room: usize,
    young: HashMap<K, V, RandomState>,
    old: HashMap<K, V, RandomState>,
}

impl<K: Hash + Eq, V: Default> Recent<K, V> {
    /// Makes a map for at most so many keys.
    pub fn new(room: usize) -> Self {
        Self { room: room.max(2), young: HashMap::default(), old: HashMap::default() }
    }

    /// Changes the value of a key, which is a new one if the key is not known.
    pub fn with<R>(&mut self, key: K, change: impl FnOnce(&mut V) -> R) -> R {
        if let Some(value) = self.young.get_mut(&key) {
            return change(value);
        }
        if self.young.len() >= self.room / 2 {
            self.old = std::mem::take(&mut self.young);
        }
        let known = if self.old.is_empty() { None } else { self.old.remove(&key) };
        change(self.young.entry(key).or_insert_with(|| known.unwrap_or_default()))
    }

    /// Changes the value of a key, if the key is known.
    pub fn with_known<R>(&mut self, key: K, change: impl FnOnce(&mut V) -> R) -> Option<R> {
        if let Some(value) = self.young.get_mut(&key) {
            return Some(change(value));
        }
        self.old.contains_key(&key).then(|| self.with(key, change))
    }

    /// Returns the value of a key.
    pub fn get<Q>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.young.get(key).or_else(|| self.old.get(key))
    }

    /// Forgets a key.
    pub fn remove<Q>(&mut self, key: &Q)
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.young.remove(key);
        self.old.remove(key);
    }

    /// Returns how many keys are known.
    pub fn len(&self) -> usize {
        self.young.len() + self.old.len()
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
        assert_eq!(map.with_known(0, |count| *count), Some(500));
        assert_eq!((map.with_known(1, |_| ()), map.get(&1)), (None, None));
        map.remove(&0);
        assert_eq!(map.get(&0), None);
    }
}
