//! A process that kills itself at a place in the journal, so that tests know where the kill fell.
use fleet::audit::rules::Link;
use rustix::process::{Signal, getpid, kill_process};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use store::Committed;

/// `ENTRY`, or `ENTRY:MILLISECONDS`: that long after this entry of the journal was committed. At once
/// means between the commit and its answer. An entry is a number in the journal, or `ROOM.NUMBER`: that one
/// of a room's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KillAt {
    /// Whose entries are counted, if not all.
    pub room: Option<String>,
    /// The entry's number.
    pub entry: i64,
    after: Duration,
}

impl FromStr for KillAt {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (entry, millis) = text.split_once(':').unwrap_or((text, "0"));
        let (room, number) =
            entry.split_once('.').map_or((None, entry), |(room, number)| (Some(room), number));
        let wrong = |_| format!("`{text}` is not ENTRY or ENTRY:MILLISECONDS");
        let after = Duration::from_millis(millis.parse().map_err(wrong)?);
        Ok(KillAt { room: room.map(String::from), entry: number.parse().map_err(wrong)?, after })
    }
}

impl fmt::Display for KillAt {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        if let Some(room) = &self.room {
            write!(f, "{room}.")?;
        }
        write!(f, "{}:{}", self.entry, self.after.as_millis())
    }
}

impl KillAt {
    /// For a hub: kills its process when the entry was committed. A room's entries count from the
    /// process's start.
    pub fn committed(self) -> Committed {
        let counted = AtomicI64::new(0);
        Arc::new(move |links: &[Link]| {
            let reached = match &self.room {
                None => links.last().map_or(0, |link| link.seq),
                Some(room) => {
                    let more = links.iter().filter(|link| link.entry.room == room.as_str()).count() as i64;
                    counted.fetch_add(more, Ordering::Relaxed) + more
                }
            };
            if reached >= self.entry {
                self.now();
            }
        })
    }

    /// Kills this process, after the time that was asked for.
    pub fn now(&self) {
        let after = self.after;
        let kill = move || {
            std::thread::park_timeout(after);
            // Of this process: nothing comes after it.
            let _ = kill_process(getpid(), Signal::KILL);
        };
        match after {
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
        check("access.2:1", Some("access.2:1"));
        check("access:1", None);
        check("", None);
        check("37:", None);
        check("x:1", None);
    }
}
