//! Plays the headless demo from the built binary and judges its last line.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::limits::DEMO_SECONDS_MAX;

/// Plays the story with `devices` devices and one seed.
///
/// # Errors
/// The demo could not be started, did not end in time, exited with a failure, or its last line is not a
/// summary in which every invariant holds.
pub fn play(steward: &Path, devices: u32, seed: u32) -> Result<(), String> {
    let mut child = Command::new(steward)
        .args([
            "demo",
            "--headless",
            "--json",
            "--devices",
            &devices.to_string(),
            "--seed",
            &seed.to_string(),
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("{} could not be started: {error}", steward.display()))?;
    let last = last_line(&mut child);
    if last.is_err() {
        let _ = child.kill();
    }
    let status = child.wait().map_err(|error| format!("could not wait for it: {error}"))?;
    judge(&last?, devices)?;
    if status.success() { Ok(()) } else { Err(format!("it ended with {status}")) }
}

/// Shows what the demo writes, until it closes its output, and returns the last line.
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
            Ok(line) => {
                println!("{line}");
                last = line;
            }
            Err(RecvTimeoutError::Disconnected) => return Ok(last),
            Err(RecvTimeoutError::Timeout) => {
                return Err(format!("it did not end within {DEMO_SECONDS_MAX} s"));
            }
        }
    }
}

/// Judges the summary: a JSON object of this many devices whose invariants are all true.
fn judge(summary: &str, devices: u32) -> Result<(), String> {
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
        Ok(())
    } else {
        Err(format!("invariants that do not hold: {}", broken.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{judge, play};

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
        assert!(play(Path::new("/bin/true"), 5, 1).unwrap_err().starts_with("its last line is no JSON"));
        assert!(play(Path::new("/nonexistent/steward"), 5, 1).unwrap_err().contains("could not be started"));
    }
}
