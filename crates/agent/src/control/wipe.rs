//! How a device leaves for good: the next step from what its disk has, and what an answer to its last
//! report means. Pure, so that a device that was stopped half way goes on where it was.
use crate::limits::REFUSALS_MAX;

/// What there is on the disk of a device that was told to wipe itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// A file of its configuration.
    pub configuration: bool,
    /// The slots of its firmware.
    pub slots: bool,
    /// A signed last report.
    pub report: bool,
    /// A key.
    pub keys: bool,
    /// The note that it was heard, or that nobody wants to hear it.
    pub over: bool,
}

/// What is to be done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Remove the configuration.
    RemoveConfiguration,
    /// Remove the slots of the firmware, which does not run any more.
    RemoveSlots,
    /// Sign the last report, and have it on the disk.
    SignReport,
    /// Remove every key.
    RemoveKeys,
    /// Send the last report.
    Tell,
    /// Nothing any more.
    End,
}

/// What is to be done next. The keys go after the report is signed and before it is told: what it says is
/// true when it is heard.
pub fn next(left: &Left) -> Step {
    match left {
        Left { configuration: true, .. } => Step::RemoveConfiguration,
        Left { slots: true, .. } => Step::RemoveSlots,
        Left { report: false, .. } => Step::SignReport,
        Left { keys: true, .. } => Step::RemoveKeys,
        Left { over: false, .. } => Step::Tell,
        Left { .. } => Step::End,
    }
}

/// Whether a status says that the report is not wanted. Too slow and too often (408 and 429) pass by
/// themselves, as for every other question of a device.
pub fn is_refused(status: u16) -> bool {
    (400..500).contains(&status) && !matches!(status, 408 | 429)
}

/// Whether telling is over: it was heard, or refused so often that nobody wants it.
pub fn is_told(status: u16, refusals: u32) -> bool {
    status == 200 || is_refused(status) && refusals >= REFUSALS_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_of_leaving() {
        let with = |configuration, slots, report, keys, over, expect| {
            let left = Left { configuration, slots, report, keys, over };
            assert_eq!(next(&left), expect, "{left:?}");
        };
        with(true, true, false, true, false, Step::RemoveConfiguration);
        with(false, true, false, true, false, Step::RemoveSlots);
        with(false, true, true, false, true, Step::RemoveSlots);
        let check = |configuration, report, keys, over, expect| {
            with(configuration, false, report, keys, over, expect)
        };
        check(true, false, true, false, Step::RemoveConfiguration);
        check(false, false, true, false, Step::SignReport);
        check(false, true, true, false, Step::RemoveKeys);
        check(false, true, false, false, Step::Tell);
        check(false, true, false, true, Step::End);
        // Somebody wrote a configuration meanwhile, or put a key back.
        check(true, true, false, true, Step::RemoveConfiguration);
        check(false, true, true, true, Step::RemoveKeys);
        let check = |status, refusals, expect| assert_eq!(is_told(status, refusals), expect, "{status}");
        check(200, 0, true);
        check(409, 1, false);
        check(409, REFUSALS_MAX, true);
        check(503, REFUSALS_MAX, false);
        check(202, REFUSALS_MAX, false);
        check(408, REFUSALS_MAX, false);
        check(429, REFUSALS_MAX, false);
        let check = |status, expect| assert_eq!(is_refused(status), expect, "{status}");
        check(404, true);
        check(429, false);
        check(503, false);
    }
}
