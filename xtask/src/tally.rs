//! What passed, what failed, what was skipped, and the last line that says so.

use std::collections::BTreeSet;

/// The counts of one run. A skip is a line `name: why`.
#[derive(Debug, Default)]
pub struct Tally {
    passed: u64,
    failures: Vec<String>,
    skips: BTreeSet<String>,
}

impl Tally {
    /// Adds checks that passed.
    pub fn pass(&mut self, checks: u64) {
        self.passed += checks;
    }

    /// Adds one check that failed, with its name and why.
    pub fn fail(&mut self, what: impl Into<String>) {
        self.failures.push(what.into());
    }

    /// Adds something that was left out. The same line twice counts once.
    pub fn skip(&mut self, line: impl Into<String>) {
        self.skips.insert(line.into());
    }

    /// Adds the skips that tests wrote, a line `SKIP name: why` each.
    ///
    /// A test that skips returns at once and so counts as passed in cargo's output: each named test
    /// is taken back from the passed ones.
    pub fn skip_tests(&mut self, written: &str) {
        let lines = written.lines().filter_map(|line| line.trim().strip_prefix("SKIP "));
        let mut names = BTreeSet::new();
        for line in lines {
            names.insert(line.split(':').next().unwrap_or(line).trim());
            self.skip(line.trim());
        }
        self.passed = self.passed.saturating_sub(names.len() as u64);
    }

    /// The lines that end the run and whether it went well. With `ci` a skip is a failure.
    pub fn conclude(&self, ci: bool) -> (Vec<String>, bool) {
        let mark = if ci { " (CI is set: a skip is a failure)" } else { "" };
        let mut lines: Vec<String> = self.failures.iter().map(|what| format!("FAILED {what}")).collect();
        lines.extend(self.skips.iter().map(|line| format!("SKIP {line}{mark}")));
        let mut failed = self.failures.len();
        let mut skipped = self.skips.len();
        if ci {
            failed += std::mem::take(&mut skipped);
        }
        lines.push(format!("{} passed, {failed} failed, {skipped} skipped", self.passed));
        (lines, failed == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::Tally;

    fn run() -> Tally {
        let mut tally = Tally::default();
        tally.pass(5);
        tally.skip_tests("SKIP nft: not root\nSKIP nft: not root\nnoise\nSKIP page: no chromium\n");
        tally
    }

    #[test]
    fn a_skipped_test_did_not_pass() {
        let (lines, good) = run().conclude(false);
        assert_eq!(lines, ["SKIP nft: not root", "SKIP page: no chromium", "3 passed, 0 failed, 2 skipped"]);
        assert!(good);
    }

    #[test]
    fn in_ci_a_skip_is_a_failure() {
        let (lines, good) = run().conclude(true);
        assert_eq!(lines[0], "SKIP nft: not root (CI is set: a skip is a failure)");
        assert_eq!(lines[2], "3 passed, 2 failed, 0 skipped");
        assert!(!good);
    }

    #[test]
    fn a_failure_is_named() {
        let mut tally = run();
        tally.fail("format: `cargo fmt` ended with 1");
        let (lines, good) = tally.conclude(false);
        assert_eq!(lines[0], "FAILED format: `cargo fmt` ended with 1");
        assert_eq!(lines.last().unwrap(), "3 passed, 1 failed, 2 skipped");
        assert!(!good);
    }
}
