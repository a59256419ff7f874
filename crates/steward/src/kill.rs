//! A process that kills itself at a place in the journal, so that tests know where the kill fell.
use fleet::audit::rules::Link;
use rustix::process::{Signal, getpid, kill_process};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;
use store::Committed;

/// `ENTRY`, or `ENTRY:MILLISECONDS`: that long after this entry of the journal was committed. At once
/// means between the commit and its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KillAt {
    /// The entry's number in its lane.
    pub entry: i64,
    after: Duration,
}

impl FromStr for KillAt {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (entry, millis) = text.split_once(':').unwrap_or((text, "0"));
        let wrong = |_| format!("`{text}` is not ENTRY or ENTRY:MILLISECONDS");
        let after = Duration::from_millis(millis.parse().map_err(wrong)?);
        Ok(KillAt { entry: entry.parse().map_err(wrong)?, after })
    }
}

impl fmt::Display for KillAt {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}:{}", self.entry, self.after.as_millis())
    }
}

impl KillAt {
    /// For a hub: kills its process when the entry was committed.
    pub fn committed(self) -> Committed {
        std::sync::Arc::new(move |links: &[Link]| {
            if links.iter().any(|link| link.seq >= self.entry) {
                self.now();
            }
        })
    }

    /// Kills this process, after the time that was asked for.
    pub fn now(self) {
        let kill = move || {
            std::thread::park_timeout(self.after);
            // Of this process: nothing comes after it.
            let _ = kill_process(getpid(), Signal::KILL);
        };
        match self.after {
            Duration::ZERO => kill(),
            _ => drop(std::thread::spawn(kill)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::KillAt;

    #[test]
    fn a_place_is_read() {
        let check = |text: &str, expect: Option<&str>| {
            assert_eq!(text.parse::<KillAt>().ok().map(|at| at.to_string()).as_deref(), expect, "{text}");
        };
        check("37", Some("37:0"));
        check("37:250", Some("37:250"));
        check("", None);
        check("37:", None);
        check("x:1", None);
    }
}
