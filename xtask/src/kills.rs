//! Kills the demo's processes at places in the journals, and plays each story to its end afterwards.
//!
//! A first story without a kill says which entries each step of it wrote. Then each kill has a story of its
//! own: it falls at an entry (`steward demo --kill`), either between the commit and its answer or a few
//! milliseconds later; the demo is started again on the same folder, and everything has to hold. Where a kill
//! really fell is what the killed story told last, and kills have to fall everywhere. Stories mostly wait for their
//! timers, so a few are played at once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::ScopedJoinHandle;

use serde_json::Value;

use crate::demo;
use crate::postgres::Server;
use crate::programs;

/// Devices of each story: so many that the firmware's third wave is not empty.
const DEVICES: u32 = 8;

/// Stories that are played at once.
const STORIES_AT_ONCE: usize = 3;

/// The step that has no stretch of the journal for itself: plans become active while devices join.
const ACCESS: &str = "access";

/// That step: what its room writes then is of the other.
const JOINING: &str = "onboarding";

/// How long after its entry a kill falls that does not fall before the answer: a few requests.
const LATER_MILLIS: [u64; 3] = [1, 3, 9];

/// Before the name of a chapter in what a story tells that is to be killed: `crates/steward/src/demo/scene.rs`.
const CHAPTER: &str = "chapter: ";

/// Of so many kills it is demanded that this many fall in each step, and this many between a commit and its answer.
const DEMANDED_OF_KILLS: usize = 50;
const IN_A_STEP: usize = 4;
const BEFORE_AN_ANSWER: usize = 10;

/// What is the same at the end of every story, killed or not.
const ENDS: [&str; 8] =
    ["devices", "onboarded", "upgraded", "rollout_stopped", "quarantined", "replaced", "retired", "seed"];

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

/// Where a kill fell.
#[derive(Debug, PartialEq, Eq)]
struct Fell {
    step: String,
    /// The newest entry of the victim's journal, or how many its room has.
    stood: i64,
    before_answer: bool,
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
    let begun = |step| begun(&summary, step).ok_or_else(|| format!("the story has no step {step}"));
    let (from, until) = (begun(JOINING)?, begun(ACCESS)?);
    let (after, to) = (quiet.entries(steward, ACCESS, from)?, quiet.entries(steward, ACCESS, until)?);
    stretches.push(Stretch { step: ACCESS.into(), journal: "operator", room: Some(ACCESS), after, to });
    let steps = steps(&summary);
    let chosen: Vec<(usize, Kill)> = choose(&steps, &stretches, kills)?.into_iter().enumerate().collect();
    let mut all_fell = Vec::new();
    for some in chosen.chunks(STORIES_AT_ONCE) {
        let mut stories = Vec::new();
        for (place, _) in some {
            let server = server.filter(|_| place + on_postgres >= kills);
            let database = server.map(|server| server.database(&format!("kill_{place}"))).transpose()?;
            stories.push(Story::new(&place.to_string(), database)?);
        }
        let outcomes: Vec<_> = std::thread::scope(|scope| {
            let together = stories.iter().zip(some);
            let playing: Vec<_> = together
                .map(|(story, (_, kill))| scope.spawn(|| fell(steward, story, kill, &summary)))
                .collect();
            let ended = |story: ScopedJoinHandle<'_, _>| {
                story.join().unwrap_or_else(|_| Err("its thread died".to_owned()))
            };
            playing.into_iter().map(ended).collect()
        });
        for ((place, kill), outcome) in some.iter().zip(outcomes) {
            let number = place + 1;
            match &outcome {
                Ok(Fell { step, stood, .. }) => {
                    println!(
                        "kill {number}: {}; it fell in step {step}, the journal stood at {stood}",
                        kill.told()
                    );
                }
                Err(_) => println!("kill {number}: {}; FAILED", kill.told()),
            }
            report(&format!("kill {number} ({})", kill.words()), outcome.map(|fell| all_fell.push(fell)));
        }
    }
    report("kills fell everywhere", spread(&steps, &all_fell, kills));
    Ok(())
}

/// The newest entry of the operator's journal when a step began.
fn begun(summary: &Value, step: &str) -> Option<i64> {
    let mut chapters = summary["chapters"].as_array().into_iter().flatten();
    chapters.find(|chapter| chapter["name"] == step).and_then(|chapter| chapter["operator"].as_i64())
}

/// The steps of the story, in its order.
fn steps(summary: &Value) -> Vec<String> {
    let chapters = summary["chapters"].as_array().into_iter().flatten();
    chapters.filter_map(|chapter| chapter["name"].as_str().map(str::to_owned)).collect()
}

/// Says where kills fell, and whether enough of them fell in each step and before an answer. Of fewer than
/// [`DEMANDED_OF_KILLS`] less is demanded in proportion, and of a handful nothing.
fn spread(steps: &[String], fell: &[Fell], kills: usize) -> Result<(), String> {
    let share = |demanded: usize| demanded * kills.min(DEMANDED_OF_KILLS) / DEMANDED_OF_KILLS;
    let (in_a_step, before_an_answer) = (share(IN_A_STEP), share(BEFORE_AN_ANSWER));
    let mut by_step: BTreeMap<&str, usize> = steps.iter().map(|step| (step.as_str(), 0)).collect();
    for fell in fell {
        *by_step.entry(&fell.step).or_default() += 1;
    }
    let before = fell.iter().filter(|fell| fell.before_answer).count();
    let counted: Vec<String> = by_step.iter().map(|(step, count)| format!("{step} {count}")).collect();
    println!("kills by the steps in which they fell: {}; before an answer: {before}", counted.join(", "));
    println!("demanded of {kills} kills: {in_a_step} in each step, {before_an_answer} before an answer");
    let mut wrong: Vec<String> = steps
        .iter()
        .filter(|step| by_step[step.as_str()] < in_a_step)
        .map(|step| format!("{} and not {in_a_step} fell in step {step}", by_step[step.as_str()]))
        .collect();
    if before < before_an_answer {
        wrong.push(format!("{before} and not {before_an_answer} fell between a commit and its answer"));
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("; ")) }
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
///
/// # Errors
/// A step wrote nothing: no kill could fall there.
fn choose(steps: &[String], stretches: &[Stretch], kills: usize) -> Result<Vec<Kill>, String> {
    let all = steps.len();
    if all == 0 {
        return Err("the story has no steps".to_owned());
    }
    let rounds = kills.div_ceil(all).max(1);
    let chosen = (0..kills).map(|number| {
        let round = number / all;
        let step = &steps[if kills < all { number * all / kills } else { number % all }];
        let (victim, before) = match (number + round) % 4 {
            0 => (Victim::Manufacturer, true),
            1 => (Victim::Operator, true),
            2 => (Victim::Devices, false),
            _ => (Victim::Operator, false),
        };
        let of_step =
            || stretches.iter().filter(|stretch| stretch.step == *step && stretch.to > stretch.after);
        // Not every step writes in both journals.
        let stretch = of_step().find(|stretch| stretch.journal == victim.journal());
        let stretch = stretch.or_else(|| of_step().next());
        let stretch = stretch.ok_or_else(|| format!("no kill can fall in step {step}: it wrote nothing"))?;
        let Stretch { journal, room, after, to, .. } = *stretch;
        let victim = match (journal, victim) {
            ("manufacturer", _) => Victim::Manufacturer,
            (_, Victim::Devices) if room.is_none() => Victim::Devices,
            _ => Victim::Operator,
        };
        let part = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let entry = after + 1 + (to - after) * part(round) / part(rounds);
        let millis = if before { 0 } else { LATER_MILLIS[round % LATER_MILLIS.len()] };
        Ok(Kill { step: step.clone(), victim, room, entry, millis })
    });
    chosen.collect()
}

/// Plays a story with a kill and to its end, which has to be that of the story without a kill; answers where it
/// fell.
fn fell(steward: &Path, story: &Story, kill: &Kill, without: &Value) -> Result<Fell, String> {
    let mut command = story.command(steward, Some(kill));
    let log = std::fs::File::create(story.log()).map_err(|error| error.to_string())?;
    let status = command.stdout(Stdio::null()).stderr(log).status();
    if status.map_err(|error| format!("the demo could not be started: {error}"))?.success() {
        return Err("the demo ended well: nothing was killed".to_owned());
    }
    let stood = match kill.room {
        None => story.head(steward, kill.victim.journal())?,
        Some(room) => story.entries(steward, room, i64::MAX)?,
    };
    if stood < kill.entry {
        return Err(format!("it fell at entry {stood}, before the one that was asked for"));
    }
    // No chapter begins without both hubs: the last one that was told is the one in which it fell.
    let told = std::fs::read_to_string(story.log()).map_err(|error| error.to_string())?;
    let told = last_chapter(&told).ok_or("it fell before the first chapter")?;
    let step = if kill.room == Some(ACCESS) && told == JOINING { ACCESS } else { told }.to_owned();
    let again = story.play(steward, None)?;
    same_end(without, &again)?;
    story.verify(steward)?;
    Ok(Fell { step, stood, before_answer: kill.millis == 0 && kill.victim != Victim::Devices })
}

/// The name of the chapter that was told last.
fn last_chapter(told: &str) -> Option<&str> {
    told.lines().rev().find_map(|line| line.strip_prefix(CHAPTER))
}

/// A story that was killed ends as one that was not.
fn same_end(without: &Value, again: &Value) -> Result<(), String> {
    let other = ENDS.iter().find(|end| without[**end].is_null() || without[**end] != again[**end]);
    match other {
        None => Ok(()),
        Some(end) => Err(format!("`{end}` is {} at its end, and not {}", again[*end], without[*end])),
    }
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

    /// How many entries of a room the operator's journal has at rest, up to the entry `to` of all.
    fn entries(&self, steward: &Path, room: &str, to: i64) -> Result<i64, String> {
        let exported = self.look(steward, "operator", &["audit", "export", "--all", "--json"])?;
        let entries = exported.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let of_room = entries
            .filter(|entry| entry["room"] == room && entry["seq"].as_i64().is_some_and(|seq| seq <= to));
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
    use super::{
        ENDS, Fell, Kill, Stretch, Victim, begun, choose, last_chapter, same_end, spread, steps, stretches,
    };
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
        assert_eq!((begun(&summary, "access"), begun(&summary, "beginning")), (Some(3), None));
    }

    #[test]
    fn kills_are_spread_and_of_every_kind() {
        let access = Stretch { room: Some("access"), ..stretch("access", "operator", 0, 20) };
        let mut steps = vec![stretch("factory", "manufacturer", 0, 1)];
        steps.extend((0..7).map(|n| stretch(&n.to_string(), "operator", 5, 65)));
        steps.extend([stretch("6", "manufacturer", 0, 10), access]);
        let mut names: Vec<String> = steps.iter().map(|stretch| stretch.step.clone()).collect();
        names.dedup();
        let kills = choose(&names, &steps, 50).unwrap();
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
        assert_eq!(choose(&names, &steps, 3).unwrap().len(), 3);
        assert!(choose(&[], &[], 3).is_err());
        names.push("silent".into());
        assert!(choose(&names, &steps, 50).unwrap_err().contains("step silent"));
        steps.push(stretch("silent", "operator", 7, 7));
        assert!(choose(&names, &steps, 50).unwrap_err().contains("step silent"));
    }

    #[test]
    fn kills_have_to_fall_everywhere() {
        let names = ["factory", "access"].map(str::to_owned);
        let check = |kills: usize, factory: usize, access: usize, before: usize, expect: &str| {
            let step = |place: usize| if place < factory { "factory" } else { "access" };
            let fell =
                |place: usize| Fell { step: step(place).into(), stood: 1, before_answer: place < before };
            let fell: Vec<Fell> = (0..factory + access).map(fell).collect();
            let why = spread(&names, &fell, kills).err().unwrap_or_default();
            assert_eq!(why, expect, "{kills} {factory} {access} {before}");
        };
        check(50, 4, 46, 10, "");
        check(50, 47, 3, 10, "3 and not 4 fell in step access");
        check(
            50,
            3,
            47,
            9,
            "3 and not 4 fell in step factory; 9 and not 10 fell between a commit and its answer",
        );
        check(200, 4, 46, 10, "");
        check(25, 2, 23, 5, "");
        check(25, 1, 24, 5, "1 and not 2 fell in step factory");
        check(3, 0, 3, 0, "");
    }

    #[test]
    fn where_a_kill_fell_is_what_was_told_last() {
        let told =
            "The hub is at chapter: 7.\nchapter: factory\n5 devices\nchapter: upgrade\n  1.1 is offered\n";
        assert_eq!(last_chapter(told), Some("upgrade"));
        assert_eq!(last_chapter("The hub is at x.\n"), None);
        assert_eq!(steps(&json!({"chapters": [{"name": "a"}, {"name": "b"}]})), ["a", "b"]);
    }

    #[test]
    fn an_end_is_that_of_the_story_without_a_kill() {
        let without: serde_json::Value = ENDS.iter().map(|end| ((*end).to_owned(), json!(1))).collect();
        assert_eq!(same_end(&without, &without), Ok(()));
        for end in ENDS {
            let mut other = without.clone();
            other[end] = json!(0);
            assert!(same_end(&without, &other).unwrap_err().contains(end));
        }
        assert!(same_end(&json!({}), &json!({})).is_err());
    }
}
