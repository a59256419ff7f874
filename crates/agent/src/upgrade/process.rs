//! A firmware as a process.
use crate::limits::FIRMWARE_LINE_BYTES_MAX;
use std::ffi::OsStr;
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// The line that asks, and the one that answers.
const QUESTION: &[u8] = b"health\n";
const ANSWER: &[u8] = b"healthy";

/// How often a start is tried while another process, forked at the wrong moment, still holds the image
/// open for writing (`ETXTBSY`), and how long between.
const BUSY_TRIES: u32 = 50;
const BUSY_WAIT: Duration = Duration::from_millis(20);

/// What a firmware did.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// It has answered.
    Healthy,
    /// It ended by itself.
    Ended(String),
}

/// A running firmware. Its standard input is open as long as the agent lives, and it is killed when
/// this is dropped.
pub(super) struct Firmware {
    child: Child,
    _stdin: ChildStdin,
    stdout: Option<ChildStdout>,
    line: Vec<u8>,
}

impl Firmware {
    /// Starts an image, in its slot's folder and with nothing of our environment, and asks it.
    pub(super) async fn start(image: &Path, folder: &Path, arguments: Option<&[u8]>) -> io::Result<Self> {
        let mut command = Command::new(image);
        command.args(arguments.map(OsStr::from_bytes)).current_dir(folder);
        command.env_clear().env("PATH", "/usr/bin:/bin").kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut tries = 0;
        let mut child = loop {
            match command.spawn() {
                Err(error) if error.kind() == ErrorKind::ExecutableFileBusy && tries < BUSY_TRIES => {
                    tries += 1;
                    tokio::time::sleep(BUSY_WAIT).await;
                }
                spawned => break spawned?,
            }
        };
        let missing = || io::Error::other("the process has no standard input");
        let mut stdin = child.stdin.take().ok_or_else(missing)?;
        // One that does not read is not healthy in time; one that ended says so by itself.
        let _ = stdin.write_all(QUESTION).await;
        Ok(Self { stdout: child.stdout.take(), child, _stdin: stdin, line: Vec::new() })
    }

    /// Waits for what it does next. May be dropped and called again.
    pub(super) async fn event(&mut self) -> Event {
        loop {
            let mut buffer = [0; 512];
            let Some(stdout) = &mut self.stdout else { return Event::Ended(ended(self.child.wait().await)) };
            tokio::select! {
                read = stdout.read(&mut buffer) => match read {
                    Ok(count @ 1..) => {
                        if self.hears(&buffer[..count]) {
                            return Event::Healthy;
                        }
                    }
                    _ => self.stdout = None,
                },
                status = self.child.wait() => return Event::Ended(ended(status)),
            }
        }
    }

    /// Whether these bytes end a line that is the answer. Of longer lines the end is not heard.
    fn hears(&mut self, bytes: &[u8]) -> bool {
        let mut heard = false;
        for byte in bytes {
            if *byte == b'\n' {
                heard |= self.line == ANSWER;
                self.line.clear();
            } else if self.line.len() < FIRMWARE_LINE_BYTES_MAX {
                self.line.push(*byte);
            }
        }
        heard
    }

    /// Ends it.
    pub(super) async fn stop(mut self) {
        // It may have ended already; then there is nothing to do.
        let _ = self.child.kill().await;
    }
}

fn ended(status: io::Result<std::process::ExitStatus>) -> String {
    status.map_or_else(|why| format!("it ended: {why}"), |status| format!("it ended: {status}"))
}
