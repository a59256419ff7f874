//! How often a device may ask, or be asked for, for what is written to the journal. The rule is pure: the time
//! is an argument.
use crate::limits::{BUDGETED_DEVICES_MAX, DEVICE_REQUESTS_MAX};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use wire::PublicKey;

/// In this time a device that has used up its requests gets one back.
const REFILL: Duration = Duration::from_secs(1);

/// What every device has left.
#[derive(Debug, Default)]
pub struct Budget(HashMap<[u8; 32], Left>);

#[derive(Clone, Copy, Debug)]
struct Left {
    requests: u32,
    since: Instant,
}

impl Left {
    fn new(now: Instant) -> Self {
        Left { requests: DEVICE_REQUESTS_MAX, since: now }
    }

    /// With what came back meanwhile.
    fn refilled(self, now: Instant) -> Self {
        let refills = now.duration_since(self.since).as_secs() / REFILL.as_secs();
        let back = u32::try_from(refills).unwrap_or(u32::MAX);
        let since = if back < DEVICE_REQUESTS_MAX { self.since + REFILL * back } else { now };
        Left { requests: self.requests.saturating_add(back).min(DEVICE_REQUESTS_MAX), since }
    }
}

impl Budget {
    /// Takes one request of the device whose key is `key`, and says whether it had one left. A device that
    /// was silent for long costs no memory; when too many are not, all begin anew.
    pub fn take(&mut self, key: [u8; 32], now: Instant) -> bool {
        if self.0.len() >= BUDGETED_DEVICES_MAX && !self.0.contains_key(&key) {
            self.0.retain(|_, left| left.refilled(now).requests < DEVICE_REQUESTS_MAX);
            if self.0.len() >= BUDGETED_DEVICES_MAX {
                self.0.clear();
            }
        }
        let left = self.0.entry(key).or_insert_with(|| Left::new(now));
        *left = left.refilled(now);
        let had = left.requests > 0;
        left.requests = left.requests.saturating_sub(1);
        had
    }
}

/// The budget of a listener.
#[derive(Debug, Default)]
pub struct SharedBudget(Mutex<Budget>);

impl SharedBudget {
    /// Takes one request of the device with this key, now.
    pub fn may_ask(&self, key: &PublicKey) -> bool {
        // What it guards is whole between two statements, so a panic elsewhere spoils nothing.
        let mut budget = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        budget.take(key.fingerprint(), Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use super::{Budget, REFILL};
    use crate::limits::{BUDGETED_DEVICES_MAX, DEVICE_REQUESTS_MAX};
    use std::time::Instant;

    #[test]
    fn a_flood_is_stopped_and_others_are_not() {
        let (mut budget, now) = (Budget::default(), Instant::now());
        assert!((0..DEVICE_REQUESTS_MAX).all(|_| budget.take([1; 32], now)));
        assert!(!budget.take([1; 32], now));
        assert!(budget.take([2; 32], now));
        assert!(budget.take([1; 32], now + REFILL), "one comes back");
        assert!(!budget.take([1; 32], now + REFILL));
        let later = now + REFILL * (DEVICE_REQUESTS_MAX + 2);
        assert!((0..DEVICE_REQUESTS_MAX).all(|_| budget.take([1; 32], later)), "all come back");
        assert!(!budget.take([1; 32], later));
    }

    #[test]
    fn its_memory_is_bounded() {
        let (mut budget, now) = (Budget::default(), Instant::now());
        for number in 0..2 * BUDGETED_DEVICES_MAX {
            let mut key = [0; 32];
            key[..8].copy_from_slice(&number.to_be_bytes());
            assert!(budget.take(key, now));
            assert!(budget.0.len() <= BUDGETED_DEVICES_MAX);
        }
    }
}
