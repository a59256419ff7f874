//! The store's own refusals, and which refusals are worth a line in the journal.
use crate::limits::MINUTE_REFUSALS_MAX;
use fleet::limits::IDEMPOTENCY_KEY_BYTES_MAX;
use fleet::refusal::{Blame, Refusal, Sort};
use fleet::time::Millis;
use std::any::Any;
use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The queue is full.
pub(crate) fn busy(queue: &str) -> Refusal {
    let detail = format!("the queue of {queue} is full at this moment; ask again in a second");
    Refusal::new(Sort::Later, "busy", detail)
}

/// The thread that would do it has ended: the process is stopping.
pub(crate) fn stopping() -> Refusal {
    Refusal::new(Sort::Later, "stopping", "the hub is stopping; ask again when it runs")
}

/// This handle was opened for looking only.
pub(crate) fn read_only() -> Refusal {
    let detail = "this was opened for looking only; ask the hub that serves this data";
    Refusal::new(Sort::Conflict, "read-only", detail)
}

/// Another process writes where only this one should.
pub(crate) fn lane_lost(lane: i64) -> Refusal {
    let detail = format!(
        "another process writes in lane {lane} of this database, so this one has stopped writing; \
         end the other, or give each its own lane, then start this one again"
    );
    Refusal::new(Sort::Failed, "lane-lost", detail).blaming(Blame::Operator)
}

/// An operation came through the wrong door: a fault of the caller's code.
pub(crate) fn wrong_door(operation: &str, door: &str) -> Refusal {
    let detail = format!("`{operation}` came to {door}; report this");
    Refusal::new(Sort::Failed, "fault-of-ours", detail).blaming(Blame::Us)
}

/// The key of a request is out of its limits.
pub(crate) fn bad_key() -> Refusal {
    let detail = format!("an idempotency key is 1 to {IDEMPOTENCY_KEY_BYTES_MAX} visible ASCII characters");
    Refusal::new(Sort::Malformed, "bad-idempotency-key", detail)
}

/// The key stands for another request.
pub(crate) fn key_reused() -> Refusal {
    let detail = "this idempotency key was used for another request; take a new key for a new request";
    Refusal::new(Sort::Conflict, "idempotency-key-reused", detail)
}

/// The request was done before, and its answer was a secret.
pub(crate) fn answer_not_kept() -> Refusal {
    let detail = "this request was done before; its answer held a secret, which is shown once and never \
                  kept. Revoke what it issued and ask with a new idempotency key";
    Refusal::new(Sort::Conflict, "answer-not-kept", detail)
}

/// Runs `work`; a panic becomes a refusal that blames us. (A release build ends at a panic instead:
/// what the disk has is whole.)
pub(crate) fn caught<T>(what: &str, work: impl FnOnce() -> Result<T, Refusal>) -> Result<T, Refusal> {
    // Whatever `work` leaves half done is in the transaction, which the caller rolls back.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let words = words(&*panic);
        tracing::error!(what, words, "a fault of ours: this stopped in the middle and was undone");
        let detail = format!("`{what}` stopped in the middle and was undone; report this: {words}");
        Err(Refusal::new(Sort::Failed, "fault-of-ours", detail).blaming(Blame::Us))
    })
}

fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no words")
}

/// Lets each actor, subject and code through once in a minute of the clock, and at most
/// [`MINUTE_REFUSALS_MAX`] of them.
#[derive(Debug, Default)]
pub(crate) struct Minute {
    number: i64,
    seen: HashSet<(String, &'static str, &'static str)>,
}

impl Minute {
    /// Whether this refusal is the first of its sort in this minute.
    pub(crate) fn first(
        &mut self,
        now: Millis,
        actor: String,
        action: &'static str,
        code: &'static str,
    ) -> bool {
        let number = now.0.div_euclid(60_000);
        if number != self.number {
            self.number = number;
            self.seen.clear();
        }
        self.seen.len() < MINUTE_REFUSALS_MAX && self.seen.insert((actor, action, code))
    }
}

#[cfg(test)]
mod tests {
    use super::Minute;
    use crate::limits::MINUTE_REFUSALS_MAX;
    use fleet::time::Millis;

    #[test]
    fn each_refusal_passes_once_a_minute() {
        let mut minute = Minute::default();
        let mut check = |at, actor: &str, action, code, expect| {
            assert_eq!(
                minute.first(Millis(at), actor.into(), action, code),
                expect,
                "{at} {actor} {action} {code}"
            );
        };
        check(60_000, "alice", "device retire", "wrong-stage", true);
        check(60_001, "alice", "device retire", "wrong-stage", false);
        check(60_002, "bob", "device retire", "wrong-stage", true);
        check(60_003, "alice", "device claim", "wrong-stage", true);
        check(60_004, "alice", "device retire", "device-retired", true);
        check(119_999, "alice", "device retire", "wrong-stage", false);
        check(120_000, "alice", "device retire", "wrong-stage", true);
        // A clock that was set back is another minute, not a way to remember for ever.
        check(60_000, "alice", "device retire", "wrong-stage", true);
    }

    #[test]
    fn a_minute_has_an_end() {
        let mut minute = Minute::default();
        let passed = (0..2 * MINUTE_REFUSALS_MAX)
            .filter(|i| minute.first(Millis(1), format!("actor-{i}"), "device list", "not-permitted"));
        assert_eq!(passed.count(), MINUTE_REFUSALS_MAX);
        assert_eq!(minute.seen.len(), MINUTE_REFUSALS_MAX);
    }
}
