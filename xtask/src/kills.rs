//! Kills the demo's processes at places in the journals, and plays each story to its end afterwards.
//!
//! A first story without a kill says which entries each step of it wrote. Then each kill has a story of its
//! own: it falls at an entry (`steward demo --kill`), either between the commit and its answer or a few
//! milliseconds later; the demo is started again on the same folder, and everything has to hold. Stories
//! mostly wait for their timers, so a few are played at once.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::ScopedJoinHandle;

use serde_json::Value;

use crate::demo;
use crate::postgres::Server;
use crate::programs;

/// Devices of each story.
const DEVICES: u32 = 5;

/// Stories that are played at once.
const STORIES_AT_ONCE: usize = 3;

/// The step that has no stretch of the journal for itself: plans become active while devices join.
const ACCESS: &str = "access";

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

/// The entries that a step of the story wrote in one journal: after the first, up to the second. They are
/// counted in the whole journal, or in one room.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stretch {
    step: String,
    journal: &'static str,
    room: Option<&'static str>,
    after: i64,
    to: i64,
}

/// A kill.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Kill {
    step: String,
    victim: Victim,
    room: Option<&'static str>,
    entry: i64,
    millis: u64,
}

impl Kill {
    fn words(&self) -> String {
        let room = self.room.map(|room| format!("{room}.")).unwrap_or_default();
        format!("{}:{room}{}:{}", self.victim.word(), self.entry, self.millis)
    }

    fn told(&self) -> String {
        let Kill { step, victim, entry, millis, .. } = self;
        let room = self.room.map(|room| format!(" of room {room}")).unwrap_or_default();
        let when =
            if *millis == 0 { "before its answer".to_owned() } else { format!("{millis} ms after it") };
        format!("{}, step {step}, entry {entry}{room}, {when}", victim.word())
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
    let quiet = Story::new("without", None)?;
    let summary = quiet.play(steward, None)?;
    let (operator, manufacturer) = (quiet.head(steward, "operator")?, quiet.head(steward, "manufacturer")?);
    let mut stretches = stretches(&summary, operator, manufacturer);
    let to = quiet.entries(steward, ACCESS)?;
    stretches.push(Stretch { step: ACCESS.into(), journal: "operator", room: Some(ACCESS), after: 0, to });
    let chosen: Vec<(usize, Kill)> = choose(&stretches, kills).into_iter().enumerate().collect();
    for some in chosen.chunks(STORIES_AT_ONCE) {
        let mut stories = Vec::new();
        for (place, _) in some {
            let server = server.filter(|_| place + on_postgres >= kills);
            let database = server.map(|server| server.database(&format!("kill_{place}"))).transpose()?;
            stories.push(Story::new(&place.to_string(), database)?);
        }
        let outcomes: Vec<_> = std::thread::scope(|scope| {
            let together = stories.iter().zip(some);
            let playing: Vec<_> =
                together.map(|(story, (_, kill))| scope.spawn(|| fell(steward, story, kill))).collect();
            let ended = |story: ScopedJoinHandle<'_, _>| {
                story.join().unwrap_or_else(|_| Err("its thread died".to_owned()))
            };
            playing.into_iter().map(ended).collect()
        });
        for ((place, kill), outcome) in some.iter().zip(outcomes) {
            let number = place + 1;
            let fell = outcome.as_ref().map_or_else(|_| "FAILED".to_owned(), ToString::to_string);
            println!("kill {number}: {}; the journal stood at {fell}", kill.told());
            report(&format!("kill {number} ({})", kill.words()), outcome.map(drop));
        }
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
            let step = chapter["name"].as_str().unwrap_or_default().to_owned();
            if to > after && step != ACCESS {
                stretches.push(Stretch { step, journal, room: None, after, to });
            }
        }
    }
    stretches
}

/// Goes round the steps; within each, the places are spread over what it wrote, and one kill after the other
/// is of another kind. Fewer kills than steps are spread over them.
fn choose(stretches: &[Stretch], kills: usize) -> Vec<Kill> {
    let mut steps: Vec<&str> = stretches.iter().map(|stretch| stretch.step.as_str()).collect();
    // Those of one step stand together.
    steps.dedup();
    let all = steps.len().max(1);
    let rounds = kills.div_ceil(all).max(1);
    let chosen = (0..kills).filter_map(|number| {
        let round = number / all;
        let step = *steps.get(if kills < all { number * all / kills } else { number % all })?;
        let (victim, before) = match (number + round) % 4 {
            0 => (Victim::Manufacturer, true),
            1 => (Victim::Operator, true),
            2 => (Victim::Devices, false),
            _ => (Victim::Operator, false),
        };
        let of_step = || stretches.iter().filter(|stretch| stretch.step == step);
        // Not every step writes in both journals.
        let stretch =
            of_step().find(|stretch| stretch.journal == victim.journal()).or_else(|| of_step().next())?;
        let Stretch { journal, room, after, to, .. } = *stretch;
        let victim = match (journal, victim) {
            ("manufacturer", _) => Victim::Manufacturer,
            (_, Victim::Devices) if room.is_none() => Victim::Devices,
            _ => Victim::Operator,
        };
        let entry = after + 1 + (to - after) * i64::try_from(round).ok()? / i64::try_from(rounds).ok()?;
        let millis = if before { 0 } else { LATER_MILLIS[round % LATER_MILLIS.len()] };
        Some(Kill { step: step.to_owned(), victim, room, entry, millis })
    });
    chosen.collect()
}

/// Plays a story with a kill and to its end, and answers at which entry the journal stood in between.
fn fell(steward: &Path, story: &Story, kill: &Kill) -> Result<i64, String> {
    let mut command = story.command(steward, Some(kill));
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    if status.map_err(|error| format!("the demo could not be started: {error}"))?.success() {
        return Err("the demo ended well: nothing was killed".to_owned());
    }
    let stood = match kill.room {
        None => story.head(steward, kill.victim.journal())?,
        Some(room) => story.entries(steward, room)?,
    };
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
    fn new(name: &str, database: Option<String>) -> Result<Self, String> {
        let folder = std::env::temp_dir().join(format!("steward-kill-{}-{name}", std::process::id()));
        std::fs::create_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        Ok(Self { folder, database })
    }

    fn command(&self, steward: &Path, kill: Option<&Kill>) -> Command {
        let mut command = demo::command(steward, &["--devices", &DEVICES.to_string(), "--data"]);
        command.arg(&self.folder);
        command.args(self.database.iter().flat_map(|config| ["--postgres", config]));
        command.args(kill.iter().flat_map(|kill| ["--kill".to_owned(), kill.words()]));
        command
    }

    fn play(&self, steward: &Path, kill: Option<&Kill>) -> Result<Value, String> {
        let log = std::fs::File::create(self.log()).map_err(|error| error.to_string())?;
        let mut command = self.command(steward, kill);
        demo::play(command.stderr(log), DEVICES).map_err(|error| format!("{error}; it said: {}", self.said()))
    }

    fn log(&self) -> PathBuf {
        self.folder.with_extension("log")
    }

    /// The last line of what a story told.
    fn said(&self) -> String {
        let told = std::fs::read_to_string(self.log()).unwrap_or_default();
        told.lines().last().unwrap_or_default().to_owned()
    }

    /// The newest entry of a hub's journal at rest.
    fn head(&self, steward: &Path, hub: &str) -> Result<i64, String> {
        let listed = self.look(steward, hub, &["audit", "list", "--limit", "1", "--json"])?;
        let listed: Value = serde_json::from_str(&listed).map_err(|error| error.to_string())?;
        Ok(listed["items"][0]["seq"].as_i64().unwrap_or_default())
    }

    /// How many entries of a room the operator's journal has at rest.
    fn entries(&self, steward: &Path, room: &str) -> Result<i64, String> {
        let exported = self.look(steward, "operator", &["audit", "export", "--all", "--json"])?;
        let entries = exported.lines().map(serde_json::from_str::<Value>);
        let of_room = entries.filter(|entry| entry.as_ref().is_ok_and(|entry| entry["room"] == room));
        i64::try_from(of_room.count()).map_err(|error| error.to_string())
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
        // There is none of a story that was not played to its end.
        let _ = std::fs::remove_file(self.log());
        if let Err(error) = std::fs::remove_dir_all(&self.folder) {
            eprintln!("could not remove {}: {error}", self.folder.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Kill, Stretch, Victim, choose, stretches};
    use serde_json::json;

    fn stretch(step: &str, journal: &'static str, after: i64, to: i64) -> Stretch {
        Stretch { step: step.into(), journal, room: None, after, to }
    }

    #[test]
    fn chapters_are_stretches_of_the_journals() {
        let summary = json!({"chapters": [
            {"name": "factory", "operator": 3, "manufacturer": 4},
            {"name": "access", "operator": 3, "manufacturer": 9},
            {"name": "end", "operator": 3, "manufacturer": 9},
        ]});
        let expect = [stretch("factory", "manufacturer", 4, 9), stretch("end", "operator", 3, 7)];
        assert_eq!(stretches(&summary, 7, 9), expect);
    }

    #[test]
    fn kills_are_spread_and_of_every_kind() {
        let access = Stretch { room: Some("access"), ..stretch("access", "operator", 0, 20) };
        let mut steps = vec![stretch("factory", "manufacturer", 0, 1)];
        steps.extend((0..7).map(|n| stretch(&n.to_string(), "operator", 5, 65)));
        steps.extend([stretch("6", "manufacturer", 0, 10), access]);
        let kills = choose(&steps, 50);
        assert_eq!(kills.len(), 50);
        assert!(kills.iter().filter(|kill| kill.millis == 0).count() >= 10);
        for step in &steps {
            let there: Vec<_> = kills.iter().filter(|kill| kill.step == step.step).collect();
            assert!(there.len() >= 4, "{} has {}", step.step, there.len());
        }
        for kill in &kills {
            let within = |stretch: &&Stretch| {
                stretch.step == kill.step
                    && stretch.journal == kill.victim.journal()
                    && stretch.room == kill.room
                    && (stretch.after + 1..=stretch.to).contains(&kill.entry)
            };
            assert!(steps.iter().any(|stretch| within(&stretch)), "{kill:?}");
        }
        let victims = |kills: &[Kill]| {
            let hit = |victim| kills.iter().any(|kill: &Kill| kill.victim == victim);
            [Victim::Operator, Victim::Manufacturer, Victim::Devices].map(hit)
        };
        assert_eq!(victims(&kills), [true; 3]);
        assert_eq!(choose(&steps, 3).len(), 3);
        assert!(choose(&[], 3).is_empty());
    }
}
