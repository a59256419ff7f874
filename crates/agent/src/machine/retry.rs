//! How long to wait.
use crate::limits::{
    BACKOFF_MILLIS_MAX, BACKOFF_MILLIS_MIN, BUSY_SECONDS_MAX, PUT_OFF_MILLIS_MAX, RETRY_AFTER_SECONDS_MAX,
    RETRY_AFTER_SECONDS_MIN, START_SPREAD_MILLIS_MAX,
};

/// A device's patience, in milliseconds. The default is the constants of [`crate::limits`]; a
/// demonstration is in more of a hurry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timers {
    /// The first wait after a failure that may pass by itself.
    pub backoff_min: u64,
    /// The longest of these waits.
    pub backoff_max: u64,
    /// How long a renewal is put off that was refused again and again.
    pub put_off: u64,
    /// Within how long after its start an enrolled device asks how old its certificate is.
    pub start_spread: u64,
}

impl Default for Timers {
    fn default() -> Self {
        Self {
            backoff_min: BACKOFF_MILLIS_MIN,
            backoff_max: BACKOFF_MILLIS_MAX,
            put_off: PUT_OFF_MILLIS_MAX,
            start_spread: START_SPREAD_MILLIS_MAX,
        }
    }
}

impl Timers {
    /// The wait after the failure number `failures` (from 1) in a row: twice as long each time, half
    /// of it by chance, so that devices that failed together do not come back together.
    pub(crate) fn backoff(&self, failures: u32, random: u128) -> u64 {
        let doubled = self.backoff_min.max(1).saturating_mul(1 << failures.saturating_sub(1).min(32));
        let longest = doubled.min(self.backoff_max);
        longest / 2 + upto(random, longest - longest / 2)
    }
}

/// The wait that a registrar asked for.
pub(super) fn asked_for(retry_after_seconds: Option<u64>, random: u128) -> u64 {
    bounded(retry_after_seconds.unwrap_or(RETRY_AFTER_SECONDS_MAX), RETRY_AFTER_SECONDS_MAX, random)
}

/// The shortest wait that a busy server asked for; 0 if it asked for none.
pub(crate) fn put_off(retry_after_seconds: Option<u64>, random: u128) -> u64 {
    retry_after_seconds.map_or(0, |seconds| bounded(seconds, BUSY_SECONDS_MAX, random))
}

/// At most `most` seconds, in milliseconds, and up to a quarter more.
fn bounded(seconds: u64, most: u64, random: u128) -> u64 {
    let millis = seconds.clamp(RETRY_AFTER_SECONDS_MIN, most) * 1000;
    millis + upto(random, millis / 4)
}

/// A number from 0 to `most`, as `random` has it.
pub(super) fn upto(random: u128, most: u64) -> u64 {
    u64::try_from(random % (u128::from(most) + 1)).unwrap_or(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoffs_double_up_to_their_limit() {
        let timers = Timers { backoff_min: 1000, backoff_max: 60_000, ..Timers::default() };
        let check = |failures, least, most| {
            assert_eq!(timers.backoff(failures, 0), least, "{failures}");
            assert_eq!(timers.backoff(failures, u128::from(most - least)), most, "{failures}");
            let all = (0..5000).map(|random| timers.backoff(failures, random * 7919));
            all.for_each(|wait| assert!((least..=most).contains(&wait), "{failures}: {wait}"));
        };
        check(1, 500, 1000);
        check(2, 1000, 2000);
        check(6, 16_000, 32_000);
        check(7, 30_000, 60_000);
        check(u32::MAX, 30_000, 60_000);
    }

    #[test]
    fn a_server_asks_for_waits_within_limits() {
        let check = |asked, least, most| {
            assert_eq!(asked_for(asked, 0), least, "{asked:?}");
            let all = (0..5000).map(|random| asked_for(asked, random * 7919));
            all.for_each(|wait| assert!((least..=most).contains(&wait), "{asked:?}: {wait}"));
        };
        check(Some(0), 1000, 1250);
        check(Some(5), 5000, 6250);
        check(Some(60), 60_000, 75_000);
        check(Some(u64::MAX), 60_000, 75_000);
        check(None, 60_000, 75_000);
        let check = |asked, least, most| {
            assert_eq!(put_off(asked, 0), least, "{asked:?}");
            let all = (0..5000).map(|random| put_off(asked, random * 7919));
            all.for_each(|wait| assert!((least..=most).contains(&wait), "{asked:?}: {wait}"));
        };
        check(Some(0), 1000, 1250);
        check(Some(60), 60_000, 75_000);
        check(Some(600), 600_000, 750_000);
        check(Some(u64::MAX), 3_600_000, 4_500_000);
        check(None, 0, 0);
    }
}
