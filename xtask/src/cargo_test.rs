//! Runs `cargo test`, shows its output as it comes, and counts what it says.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::tally::Tally;

/// What the test binaries said.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Counts {
    passed: u64,
    failed: u64,
    ignored: u64,
    failures: Vec<String>,
}

impl Counts {
    /// Takes one line of output in.
    fn read(&mut self, line: &str) {
        if let Some(rest) = line.strip_prefix("test result: ") {
            let (_, counts) = rest.split_once(". ").unwrap_or_default();
            for part in counts.split("; ") {
                let Some((number, word)) = part.split_once(' ') else { continue };
                let number: u64 = number.parse().unwrap_or(0);
                match word {
                    "passed" => self.passed += number,
                    "failed" => self.failed += number,
                    "ignored" => self.ignored += number,
                    _ => {}
                }
            }
        } else if let Some(name) =
            line.strip_prefix("test ").and_then(|rest| rest.strip_suffix(" ... FAILED"))
        {
            self.failures.push(name.to_owned());
        }
    }

    /// Adds these counts, and one failure more if cargo failed for a reason that no test names.
    fn add_to(self, tally: &mut Tally, cargo_succeeded: bool) {
        tally.pass(self.passed);
        let named = self.failures.len() as u64;
        for name in self.failures {
            tally.fail(format!("test {name}"));
        }
        // Output of a test may break its own line: the count in the result line is the truth.
        for _ in named..self.failed {
            tally.fail("a test whose name its output hides, see above");
        }
        if self.failed == 0 && !cargo_succeeded {
            tally.fail("cargo test: it did not build, or a test process died, see above");
        }
        if self.ignored > 0 {
            tally.skip(format!("{} ignored tests: nothing may be ignored", self.ignored));
        }
    }
}

/// Runs the command (a `cargo test`) and adds its counts.
pub fn run(command: &mut Command, tally: &mut Tally) {
    let mut child = match command.stdout(Stdio::piped()).spawn() {
        Ok(child) => child,
        Err(error) => return tally.fail(format!("cargo test could not be started: {error}")),
    };
    let mut counts = Counts::default();
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line);
            println!("{line}");
            counts.read(&line);
        }
    }
    let succeeded = child.wait().is_ok_and(|status| status.success());
    counts.add_to(tally, succeeded);
}

#[cfg(test)]
mod tests {
    use super::Counts;
    use crate::tally::Tally;

    fn last_line(output: &str, cargo_succeeded: bool) -> String {
        let mut counts = Counts::default();
        output.lines().for_each(|line| counts.read(line));
        let mut tally = Tally::default();
        counts.add_to(&mut tally, cargo_succeeded);
        tally.conclude(false).0.pop().unwrap()
    }

    const OK: &str = "test a ... ok\ntest result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; \
        finished in 0.00s\n";
    const BAD: &str = "test a::b ... FAILED\ntest result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; \
        0 filtered out; finished in 0.00s\n";

    #[test]
    fn counts_are_summed_over_binaries() {
        assert_eq!(last_line(OK, true), "2 passed, 0 failed, 0 skipped");
        assert_eq!(last_line(&format!("{OK}{OK}{BAD}"), false), "5 passed, 1 failed, 0 skipped");
    }

    #[test]
    fn a_failure_that_no_test_names_counts() {
        assert_eq!(last_line(OK, false), "2 passed, 1 failed, 0 skipped");
        assert_eq!(last_line("", false), "0 passed, 1 failed, 0 skipped");
        assert_eq!(
            last_line(&BAD.replace("test a::b ... FAILED\n", ""), false),
            "1 passed, 1 failed, 0 skipped"
        );
    }

    #[test]
    fn an_ignored_test_is_a_skip() {
        assert_eq!(last_line(&OK.replace("0 ignored", "1 ignored"), true), "2 passed, 0 failed, 1 skipped");
    }
}
