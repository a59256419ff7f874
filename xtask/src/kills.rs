//! Kills the demo's processes at places in the journals, and plays each story to its end afterwards.
//!
//! A first story without a kill says which entries each chapter wrote. Then each kill has a story of its
//! own: it falls at an entry (`steward demo --kill`), either between the commit and its answer or a few
//! milliseconds later; the demo is started again on the same folder, and everything has to hold.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::demo;
use crate::postgres::Server;
use crate::programs;

/// Devices of each story.
const DEVICES: u32 = 5;

/// How long after its entry a kill falls that does not fall before the answer: a few requests.
const LATER_MILLIS: [u64; 3] = [1, 3, 9];

/// Whom a kill hits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Victim {
    Operator,
    Manufacturer,
    /// The process of all devices, which also plays the story.
    Devices,
}

impl Victim {
    fn word(self) -> &'static str {
        match self {
            Victim::Operator => "operator",
            Victim::Manufacturer => "manufacturer",
            Victim::Devices => "devices",
        }
    }

    /// Whose journal the place is in.
    fn journal(self) -> &'static str {
        if self == Victim::Manufacturer { "manufacturer" } else { "operator" }
    }
}

/// The entries that a chapter wrote in one journal: after the first, up to the second.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stretch {
    chapter: String,
    journal: &'static str,
    after: i64,
    to: i64,
}

/// A kill.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Kill {
    chapter: String,
    victim: Victim,
    entry: i64,
    millis: u64,
}

impl Kill {
    fn words(&self) -> String {
        format!("{}:{}:{}", self.victim.word(), self.entry, self.millis)
    }

    fn told(&self) -> String {
        let Kill { chapter, victim, entry, millis } = self;
        let when =
            if *millis == 0 { "before its answer".to_owned() } else { format!("{millis} ms after it") };
        format!("{}, chapter {chapter}, entry {entry}, {when}", victim.word())
    }
}

/// Kills `kills` times in all, spread over the chapters; the last `on_postgres` stories keep the operator's
/// state in `server`.
///
/// # Errors
/// The story cannot be played without a kill.
pub fn run(
    steward: &Path,
    kills: usize,
    on_postgres: usize,
    server: Option<&Server>,
    mut report: impl FnMut(&str, Result<(), String>),
) -> Result<(), String> {
    let quiet = Story::new("without")?;
    let summary = quiet.play(steward, None)?;
    let stretches =
        stretches(&summary, quiet.head(steward, "operator")?, quiet.head(steward, "manufacturer")?);
    for (place, kill) in choose(&stretches, kills).into_iter().enumerate() {
        let server = server.filter(|_| place + on_postgres >= kills);
        let outcome = fell(steward, place, &kill, server);
        let fell = outcome.as_ref().map_or_else(|_| "FAILED".to_owned(), ToString::to_string);
        println!("kill {}: {}; the journal stood at {fell}", place + 1, kill.told());
        report(&format!("kill {} ({})", place + 1, kill.words()), outcome.map(drop));
    }
    Ok(())
}

/// The stretches of the journals that chapters wrote.
fn stretches(summary: &Value, operator: i64, manufacturer: i64) -> Vec<Stretch> {
    let chapters = summary["chapters"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut stretches = Vec::new();
    for (place, chapter) in chapters.iter().enumerate() {
        for (journal, end) in [("operator", operator), ("manufacturer", manufacturer)] {
            let after = chapter[journal].as_i64().unwrap_or_default();
            let to = chapters.get(place + 1).and_then(|next| next[journal].as_i64()).unwrap_or(end);
            if to > after {
                let chapter = chapter["name"].as_str().unwrap_or_default().to_owned();
                stretches.push(Stretch { chapter, journal, after, to });
            }
        }
    }
    stretches
}

/// Takes the stretches in turn; within each, places that are spread over it. Of three kills in a journal of
/// the operator's, one falls before the answer and one on the devices.
fn choose(stretches: &[Stretch], kills: usize) -> Vec<Kill> {
    let all = stretches.len().max(1);
    let rounds = kills.div_ceil(all).max(1);
    let chosen = (0..kills).filter_map(|number| {
        let (round, kind) = (number / all, (number / all + number % all) % 3);
        // Fewer kills than stretches are spread over them.
        let place = if kills < all { number * all / kills } else { number % all };
        let Stretch { chapter, journal, after, to } = stretches.get(place)?;
        let entry = after + 1 + (to - after) * i64::try_from(round).ok()? / i64::try_from(rounds).ok()?;
        let victim = match (*journal, kind) {
            ("manufacturer", _) => Victim::Manufacturer,
            (_, 2) => Victim::Devices,
            _ => Victim::Operator,
        };
        let millis = if kind == 0 { 0 } else { LATER_MILLIS[round % LATER_MILLIS.len()] };
        Some(Kill { chapter: chapter.clone(), victim, entry, millis })
    });
    chosen.collect()
}

/// Plays a story with a kill and to its end, and answers at which entry the journal stood in between.
fn fell(steward: &Path, place: usize, kill: &Kill, server: Option<&Server>) -> Result<i64, String> {
    let mut story = Story::new(&place.to_string())?;
    if let Some(server) = server {
        story.database = Some(server.database(&format!("kill_{place}"))?);
    }
    let mut command = story.command(steward, Some(kill));
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    if status.map_err(|error| format!("the demo could not be started: {error}"))?.success() {
        return Err("the demo ended well: nothing was killed".to_owned());
    }
    let stood = story.head(steward, kill.victim.journal())?;
    if stood < kill.entry {
        return Err(format!("it fell at entry {stood}, before the one that was asked for"));
    }
    story.play(steward, None)?;
    story.verify(steward)?;
    Ok(stood)
}

/// A story's folder, removed when dropped, and where the operator's state is if not there.
struct Story {
    folder: PathBuf,
    database: Option<String>,
}

impl Story {
    fn new(name: &str) -> Result<Self, String> {
        let folder = std::env::temp_dir().join(format!("steward-kill-{}-{name}", std::process::id()));
        std::fs::create_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        Ok(Self { folder, database: None })
    }

    fn command(&self, steward: &Path, kill: Option<&Kill>) -> Command {
        let mut command = demo::command(steward, &["--devices", &DEVICES.to_string(), "--data"]);
        command.arg(&self.folder);
        command.args(self.database.iter().flat_map(|config| ["--postgres", config]));
        command.args(kill.iter().flat_map(|kill| ["--kill".to_owned(), kill.words()]));
        command
    }

    fn play(&self, steward: &Path, kill: Option<&Kill>) -> Result<Value, String> {
        let mut command = self.command(steward, kill);
        demo::play(command.stderr(Stdio::null()), DEVICES)
    }

    /// The newest entry of a hub's journal at rest.
    fn head(&self, steward: &Path, hub: &str) -> Result<i64, String> {
        let listed = self.look(steward, hub, &["audit", "list", "--limit", "1", "--json"])?;
        let listed: Value = serde_json::from_str(&listed).map_err(|error| error.to_string())?;
        Ok(listed["items"][0]["seq"].as_i64().unwrap_or_default())
    }

    /// What the local tools say of both hubs at rest.
    fn verify(&self, steward: &Path) -> Result<(), String> {
        for hub in ["operator", "manufacturer"] {
            self.look(steward, hub, &["audit", "verify"])?;
            self.look(steward, hub, &["check"])?;
        }
        Ok(())
    }

    fn look(&self, steward: &Path, hub: &str, words: &[&str]) -> Result<String, String> {
        let database = self.database.iter().filter(|_| hub == "operator");
        let mut command = Command::new(steward);
        command.args(words).arg("--data").arg(self.folder.join(hub));
        programs::output(command.args(database.flat_map(|config| ["--postgres", config])))
    }
}

impl Drop for Story {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.folder) {
            eprintln!("could not remove {}: {error}", self.folder.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Stretch, Victim, choose, stretches};
    use serde_json::json;

    fn stretch(chapter: &str, journal: &'static str, after: i64, to: i64) -> Stretch {
        Stretch { chapter: chapter.into(), journal, after, to }
    }

    #[test]
    fn chapters_are_stretches_of_the_journals() {
        let summary = json!({"chapters": [
            {"name": "factory", "operator": 3, "manufacturer": 4},
            {"name": "end", "operator": 3, "manufacturer": 9},
        ]});
        let expect = [stretch("factory", "manufacturer", 4, 9), stretch("end", "operator", 3, 7)];
        assert_eq!(stretches(&summary, 7, 9), expect);
    }

    #[test]
    fn kills_are_spread_and_some_fall_before_the_answer() {
        let stretches = [stretch("a", "manufacturer", 0, 10), stretch("b", "operator", 5, 65)];
        let kills = choose(&stretches, 50);
        assert_eq!(kills.len(), 50);
        assert!(kills.iter().filter(|kill| kill.millis == 0).count() >= 10);
        for Stretch { chapter, after, to, .. } in &stretches {
            let there: Vec<_> = kills.iter().filter(|kill| kill.chapter == *chapter).collect();
            assert!(there.len() >= 4 && there.iter().all(|kill| (after + 1..=*to).contains(&kill.entry)));
        }
        assert!(kills.iter().any(|kill| kill.victim == Victim::Devices));
        assert!(choose(&[], 3).is_empty());
        assert_eq!(choose(&stretches, 1).len(), 1);
    }
}
