//! Places for connections: so many in all, and so many for one address.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use crate::pace::network;

/// Most connections at a time; further ones are hung up on. The viewers' most, and as many again
/// for what pages ask besides.
const MOST: usize = 2_048;

/// Most connections of one address, or of one /64: an office behind one address, many times over,
/// and still few enough that somebody who opens them all leaves room for others.
const MOST_OF_ONE: usize = 128;

/// Places for connections.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// A place; dropping it leaves it to others.
#[derive(Debug)]
pub(crate) struct Place {
    places: Places,
    address: IpAddr,
}

impl Places {
    /// Takes a place for a connection from this address; `None` if there is none left.
    ///
    /// This host itself has no limit of its own: a tunnel's clients all come from it.
    pub(crate) fn take(&self, address: IpAddr) -> Option<Place> {
        let address = network(address);
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = taken.values().sum();
        let ours = taken.get(&address).copied().unwrap_or(0);
        let most = if address.is_loopback() { MOST } else { MOST_OF_ONE };
        if all >= MOST || ours >= most {
            return None;
        }
        taken.insert(address, ours + 1);
        Some(Place { places: self.clone(), address })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.0.lock().unwrap_or_else(PoisonError::into_inner);
        match taken.get_mut(&self.address) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                taken.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(places: &Places, address: &str, count: usize) -> Vec<Place> {
        let address = address.parse().unwrap();
        (0..count).map_while(|_| places.take(address)).collect()
    }

    #[test]
    fn one_address_leaves_room_for_others_and_gives_back() {
        let places = Places::default();
        let mut one = take(&places, "192.0.2.7", 1_000);
        assert_eq!(one.len(), MOST_OF_ONE);
        assert_eq!(take(&places, "192.0.2.8", 1).len(), 1);
        one.pop();
        assert_eq!(take(&places, "192.0.2.7", 2).len(), 1);
        drop(one);
        assert!(places.0.lock().unwrap().is_empty());
    }

    #[test]
    fn there_is_a_limit_for_all_and_none_of_its_own_for_this_host() {
        let places = Places::default();
        assert_eq!(take(&places, "127.0.0.1", 3_000).len(), MOST);
        let _here = take(&places, "::1", MOST - 100);
        let _there: Vec<_> =
            (1..10).flat_map(|host| take(&places, &format!("192.0.2.{host}"), 100)).collect();
        assert!(places.take("198.51.100.1".parse().unwrap()).is_none());
    }
}
