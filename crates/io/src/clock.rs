//! The machine's clock. Everything above takes the time as an argument.

use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970-01-01T00:00:00Z by the machine's clock; negative before that.
///
/// The clock may be wrong and may step in both directions: callers that stand on its order compare
/// it with what they have recorded.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the one place that asks the machine for the time")]
pub fn now_millis() -> i64 {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |ms| -ms),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_agrees_with_date() {
        let before = now_millis();
        let date = std::process::Command::new("date").arg("+%s").output().expect("date runs");
        let after = now_millis();
        let seconds: i64 = String::from_utf8_lossy(&date.stdout).trim().parse().expect("a number");
        assert!(before / 1000 <= seconds && seconds <= after / 1000);
    }
}
