//! What is shared among peers, so that none takes all of it. Nothing here touches a socket.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// So many places in all, and so many for each peer `K`. Clones share them.
#[derive(Debug)]
pub struct Shares<K: Eq + Hash>(Arc<Inner<K>>);

#[derive(Debug)]
struct Inner<K> {
    all_max: usize,
    each_max: usize,
    taken: Mutex<Taken<K>>,
}

#[derive(Debug)]
struct Taken<K> {
    all: usize,
    /// Peers that have none are not in it.
    by: HashMap<K, usize>,
}

/// No place is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoPlace {
    /// All are taken.
    #[error("all places are taken")]
    All,
    /// The peer has as many as one may have.
    #[error("the peer has as many places as one may have")]
    Own,
}

/// A place, free again when it is dropped.
#[derive(Debug)]
pub struct Share<K: Eq + Hash> {
    inner: Arc<Inner<K>>,
    who: K,
}

impl<K: Eq + Hash> Clone for Shares<K> {
    fn clone(&self) -> Self {
        Shares(self.0.clone())
    }
}

impl<K: Eq + Hash + Clone> Shares<K> {
    /// `all_max` places, `each_max` of them for each peer.
    #[must_use]
    pub fn new(all_max: usize, each_max: usize) -> Self {
        let taken = Mutex::new(Taken { all: 0, by: HashMap::new() });
        Shares(Arc::new(Inner { all_max, each_max, taken }))
    }

    /// A place for `who`.
    ///
    /// # Errors
    /// [`NoPlace`].
    pub fn take(&self, who: K) -> Result<Share<K>, NoPlace> {
        let mut taken = self.0.taken();
        let own = taken.by.get(&who).copied().unwrap_or(0);
        if own >= self.0.each_max {
            return Err(NoPlace::Own);
        }
        if taken.all >= self.0.all_max {
            return Err(NoPlace::All);
        }
        taken.all += 1;
        taken.by.insert(who.clone(), own + 1);
        Ok(Share { inner: self.0.clone(), who })
    }

    /// Peers that get no place now because they have as many as one may have.
    #[must_use]
    pub fn full(&self) -> Vec<K> {
        let taken = self.0.taken();
        taken.by.iter().filter(|(_, own)| **own >= self.0.each_max).map(|(who, _)| who.clone()).collect()
    }
}

impl<K> Inner<K> {
    /// What it guards is whole between two statements, so a panic elsewhere spoils nothing.
    fn taken(&self) -> MutexGuard<'_, Taken<K>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash> Drop for Share<K> {
    fn drop(&mut self) {
        let mut taken = self.inner.taken();
        taken.all = taken.all.saturating_sub(1);
        if let Some(own) = taken.by.get_mut(&self.who) {
            *own = own.saturating_sub(1);
            if *own == 0 {
                taken.by.remove(&self.who);
            }
        }
    }
}

/// What one peer without a certificate is known by: its address, or the /64 that an IPv6 host usually has to
/// itself.
#[must_use]
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64)).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::{NoPlace, Shares, network};

    #[test]
    fn nobody_takes_all() {
        let shares = Shares::new(3, 2);
        let first = shares.take("a").expect("free");
        let _second = shares.take("a").expect("free");
        assert_eq!(shares.take("a").err(), Some(NoPlace::Own));
        assert_eq!(shares.full(), ["a"]);
        let third = shares.take("b").expect("free");
        assert_eq!(shares.take("c").err(), Some(NoPlace::All));
        drop(first);
        let _fourth = shares.take("c").expect("free again");
        assert_eq!(shares.full(), [""; 0]);
        drop(third);
        let _fifth = shares.take("a").expect("free again");
        assert_eq!(shares.0.taken().by.len(), 2, "who has none costs no memory");
    }

    #[test]
    fn networks() {
        let check = |address: &str, expect: &str| {
            assert_eq!(network(address.parse().expect("an address")).to_string(), expect);
        };
        check("192.0.2.7", "192.0.2.7");
        check("::ffff:192.0.2.7", "192.0.2.7");
        check("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::");
    }
}
