//! How often a device may ask, or be asked for, for what is written to the journal. The rule is pure: the time
//! is an argument.
use crate::limits::BUDGETED_DEVICES_MAX;
use crate::who::Who;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// In this time a device that has used up its requests gets one back.
const REFILL: Duration = Duration::from_secs(1);

/// What every device has left.
#[derive(Debug)]
pub struct Budget {
    requests_max: u32,
    left: HashMap<Who, Left>,
}

#[derive(Clone, Copy, Debug)]
struct Left {
    requests: u32,
    since: Instant,
}

impl Left {
    /// With what came back meanwhile.
    fn refilled(self, requests_max: u32, now: Instant) -> Self {
        let refills = now.duration_since(self.since).as_secs() / REFILL.as_secs();
        let back = u32::try_from(refills).unwrap_or(u32::MAX);
        let since = if back < requests_max { self.since + REFILL * back } else { now };
        Left { requests: self.requests.saturating_add(back).min(requests_max), since }
    }
}

impl Budget {
    /// Nobody has used anything: each has `requests_max`.
    pub fn new(requests_max: u32) -> Self {
        Budget { requests_max, left: HashMap::new() }
    }

    /// Takes one request of `who`, and says whether one was left. Who
    /// was silent for long costs no memory; when too many are not, all begin anew.
    pub fn take(&mut self, who: Who, now: Instant) -> bool {
        let requests_max = self.requests_max;
        if self.left.len() >= BUDGETED_DEVICES_MAX && !self.left.contains_key(&who) {
            self.left.retain(|_, left| left.refilled(requests_max, now).requests < requests_max);
            if self.left.len() >= BUDGETED_DEVICES_MAX {
                self.left.clear();
            }
        }
        let left = self.left.entry(who).or_insert(Left { requests: requests_max, since: now });
        *left = left.refilled(requests_max, now);
        let had = left.requests > 0;
        left.requests = left.requests.saturating_sub(1);
        had
    }
}

/// The budget of a listener.
#[derive(Debug)]
pub struct SharedBudget(Mutex<Budget>);

impl SharedBudget {
    /// Each has `requests_max`.
    pub fn new(requests_max: u32) -> Self {
        SharedBudget(Mutex::new(Budget::new(requests_max)))
    }

    /// Takes one request of `who`, now.
    pub fn may_ask(&self, who: Who) -> bool {
        // What it guards is whole between two statements, so a panic elsewhere spoils nothing.
        let mut budget = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        budget.take(who, Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use super::{Budget, REFILL};
    use crate::limits::{BUDGETED_DEVICES_MAX, DEVICE_REQUESTS_MAX};
    use std::time::Instant;

    #[test]
    fn a_flood_is_stopped_and_others_are_not() {
        let (mut budget, now) = (Budget::new(DEVICE_REQUESTS_MAX), Instant::now());
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
        let (mut budget, now) = (Budget::new(DEVICE_REQUESTS_MAX), Instant::now());
        for number in 0..2 * BUDGETED_DEVICES_MAX {
            let mut key = [0; 32];
            key[..8].copy_from_slice(&number.to_be_bytes());
            assert!(budget.take(key, now));
            assert!(budget.left.len() <= BUDGETED_DEVICES_MAX);
        }
    }
}
