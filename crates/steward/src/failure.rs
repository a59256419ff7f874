//! Why the program did not do what it was asked, and the exit code that says so.
use crate::print::aside;
use fleet::refusal::Refusal;
use serde_json::{Value as Json, json};
use std::fmt;
use std::process::ExitCode;

/// Exit code of a command that was refused or failed.
const REFUSED: u8 = 1;
/// Exit code of a wrong command line or a wrong file that it names; clap's own is the same.
const USAGE: u8 = 2;
/// Exit code when no hub could be asked.
const UNREACHABLE: u8 = 3;

/// Why not.
#[derive(Debug)]
pub enum Failure {
    /// A hub, or the rules in this process, said no.
    Refused(Problem),
    /// Something else did not work, and asking again with other words would not help.
    Failed(String),
    /// The command line, or a file that it names, is wrong.
    Usage(String),
    /// No hub could be asked.
    Unreachable(String),
    /// Whoever read our output has stopped reading: nobody is to blame.
    Unread,
}

/// A refusal as it came: problem details (RFC 9457).
#[derive(Clone, Debug)]
pub struct Problem(pub Json);

impl Problem {
    /// The stable code.
    pub fn code(&self) -> &str {
        self.0["code"].as_str().unwrap_or_default()
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Problem(json!({"code": refusal.code, "detail": refusal.detail, "blame": refusal.blame}))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let text = |name: &str| self.0[name].as_str().unwrap_or_default();
        write!(f, "{}: {}", text("code"), text("detail"))?;
        match text("blame") {
            "" | "asker" => Ok(()),
            "operator" => write!(f, "\nto mend by whoever runs the hub: a setting has to change"),
            "environment" => write!(f, "\nto mend in the hub's surroundings: disk, database, clock, network"),
            _ => write!(f, "\nthis is a fault of Steward; please report it"),
        }
    }
}

impl Failure {
    /// Says it on standard error and gives the exit code.
    pub fn report(&self) -> ExitCode {
        match self {
            Failure::Refused(problem) => aside(&format!("refused: {problem}")),
            Failure::Failed(why) | Failure::Usage(why) => aside(&format!("error: {why}")),
            Failure::Unreachable(why) => aside(&format!("unreachable: {why}")),
            Failure::Unread => {}
        }
        ExitCode::from(self.code())
    }

    fn code(&self) -> u8 {
        match self {
            Failure::Refused(_) | Failure::Failed(_) => REFUSED,
            Failure::Usage(_) => USAGE,
            Failure::Unreachable(_) => UNREACHABLE,
            Failure::Unread => 0,
        }
    }
}

impl From<std::io::Error> for Failure {
    /// An error of our own output.
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::BrokenPipe => Failure::Unread,
            _ => Failure::Failed(format!("the output could not be written: {error}")),
        }
    }
}

/// A failure of this program's own machinery.
pub fn failed(why: impl fmt::Display) -> Failure {
    Failure::Failed(why.to_string())
}

/// A wrong word, or a wrong file that a word names.
pub fn usage(why: impl fmt::Display) -> Failure {
    Failure::Usage(why.to_string())
}
