//! Plays the headless demo from the built binary and judges its last line.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::limits::DEMO_SECONDS_MAX;

/// The headless demo, to be played with `words` more.
pub fn command(steward: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(steward);
    command.args(["demo", "--headless", "--json"]).args(words);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    command
}

/// Plays a story of `devices` devices and returns its summary.
///
/// # Errors
/// The demo could not be started, did not end in time, exited with a failure, or its last line is not a
/// summary in which every invariant holds.
pub fn play(command: &mut Command, devices: u32) -> Result<Value, String> {
    let program = command.get_program().to_owned();
    let mut child = command
        .spawn()
        .map_err(|error| format!("{} could not be started: {error}", Path::new(&program).display()))?;
    let last = last_line(&mut child);
    if last.is_err() {
        let _ = child.kill();
    }
    let status = child.wait().map_err(|error| format!("could not wait for it: {error}"))?;
    let summary = judge(&last?, devices)?;
    if status.success() { Ok(summary) } else { Err(format!("it ended with {status}")) }
}

/// Reads what the demo writes, until it closes its output, and returns the last line.
fn last_line(child: &mut Child) -> Result<String, String> {
    let (sender, receiver) = mpsc::sync_channel(0);
    if let Some(stdout) = child.stdout.take() {
        std::thread::spawn(move || {
            BufReader::new(stdout).lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
    }
    let deadline = Instant::now() + Duration::from_secs(DEMO_SECONDS_MAX);
    let mut last = String::new();
    loop {
        match receiver.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => last = line,
            Err(RecvTimeoutError::Disconnected) => return Ok(last),
            Err(RecvTimeoutError::Timeout) => {
                return Err(format!("it did not end within {DEMO_SECONDS_MAX} s"));
            }
        }
    }
}

/// Judges the summary: a JSON object of this many devices whose invariants are all true.
fn judge(summary: &str, devices: u32) -> Result<Value, String> {
    let summary: Value = serde_json::from_str(summary)
        .map_err(|error| format!("its last line is no JSON ({error}): {summary}"))?;
    if summary["devices"] != devices {
        return Err(format!("it played {} devices instead of {devices}", summary["devices"]));
    }
    let invariants = summary["invariants"].as_object().filter(|invariants| !invariants.is_empty());
    let Some(invariants) = invariants else {
        return Err("its summary names no invariants".to_owned());
    };
    let broken: Vec<&str> = invariants
        .iter()
        .filter(|(_, holds)| **holds != Value::Bool(true))
        .map(|(name, _)| name.as_str())
        .collect();
    if broken.is_empty() {
        Ok(summary)
    } else {
        Err(format!("invariants that do not hold: {}", broken.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{command, judge, play};

    fn check(summary: &str, expect: &str) {
        let outcome = judge(summary, 5).err().unwrap_or_default();
        assert!(
            outcome.starts_with(expect) && outcome.is_empty() == expect.is_empty(),
            "{summary}: {outcome}"
        );
    }

    #[test]
    fn the_summary_is_judged() {
        check(r#"{"devices":5,"invariants":{"a":true,"b":true}}"#, "");
        check(
            r#"{"devices":5,"invariants":{"a":true,"b":false,"c":1}}"#,
            "invariants that do not hold: b, c",
        );
        check(r#"{"devices":5,"invariants":{}}"#, "its summary names no invariants");
        check(r#"{"devices":5}"#, "its summary names no invariants");
        check(r#"{"devices":4,"invariants":{"a":true}}"#, "it played 4 devices");
        check("done", "its last line is no JSON");
        check("", "its last line is no JSON");
    }

    #[test]
    fn a_program_that_says_nothing_fails() {
        let played = |program: &str| play(&mut command(Path::new(program), &[]), 5).unwrap_err();
        assert!(played("/bin/true").starts_with("its last line is no JSON"));
        assert!(played("/nonexistent/steward").contains("could not be started"));
    }
}
