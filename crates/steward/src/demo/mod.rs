//! `steward demo`: two hubs as child processes, devices' agents in this one, and the story of a fleet as
//! far as Steward goes today.
//!
//! `plan.rs` says which devices there are, `hubs.rs` runs the hubs, `story.rs` plays, `factory.rs` bears
//! the devices and `site.rs` runs them, each in the folder of `device.rs`. `invariants.rs` lists what
//! must hold afterwards (`joined.rs`: of births and certificates; `imprinted.rs`:
//! of vouchers; `access.rs`: of plans; `configuration.rs`: of configurations; `refused.rs`: of what devices
//! refuse; `response.rs`: of quarantine and posts), and `damage.rs` and
//! `damage_joined.rs` make each of it false, once, on demand.
mod access;
mod configuration;
mod damage;
mod damage_joined;
mod device;
mod factory;
mod hubs;
mod imprinted;
mod invariants;
mod joined;
mod plan;
mod refused;
mod response;
mod retirement;
mod scene;
mod site;
mod story;
mod upgrade;

use crate::failure::{Failure, failed, usage};
use crate::kill::KillAt;
use crate::limits::DEMO_DEVICES_MAX;
use crate::print::{aside, line_if_read};
use clap::builder::{PossibleValue, PossibleValuesParser};
use invariants::INVARIANTS;
use plan::Plan;
use scene::{Curtain, Scene};
use serde_json::{Map, Value as Json, json};
use sim::invariants::list::{self, Where};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

/// Devices, when nobody says.
const DEVICES: u32 = 20;
/// Seed, when nobody says.
const SEED: u64 = 1;
/// Between two steps that a person watches.
const PACE_MILLIS: u64 = 300;

/// The words of `steward demo`.
#[derive(Debug, clap::Args)]
pub struct DemoWords {
    /// Play as fast as it goes, end hubs and devices, and exit 0 only if every invariant held
    #[arg(long)]
    headless: bool,
    /// Print one JSON object as the last line; what else is told goes to standard error
    #[arg(long)]
    json: bool,
    /// How many devices [default: 20]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(DEMO_DEVICES_MAX)))]
    devices: Option<u32>,
    /// From this come the devices [default: 1]
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// Where the hubs' and devices' folders go: a folder that is empty or an earlier demo's, whose story then goes
    /// on [default: a temporary folder]
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// Damage a folder, or send a wrong request, so that this invariant is seen false
    #[arg(long = "break", value_name = "INVARIANT",
          value_parser = PossibleValuesParser::new(breakable()))]
    damage: Option<String>,
    /// Load a device's plan into the packet filter of a network namespace and send packets through it; needs root
    #[arg(long, value_name = "HOW")]
    enforce: Option<Enforce>,
    /// Milliseconds between two steps [default: 300; 0 with --headless]
    #[arg(long, value_name = "MILLISECONDS")]
    pace: Option<u64>,
    /// A PostgreSQL for the operator's hub, as `host=... user=... dbname=...`; SQLite otherwise
    #[arg(long, value_name = "CONFIG")]
    postgres: Option<String>,
    /// For tests: kill a hub, or the devices' process, at an entry of a journal
    #[arg(long, hide = true, value_name = "operator|manufacturer|devices:ENTRY[:MILLISECONDS]")]
    kill: Option<String>,
}

/// The words for `--break`.
fn breakable() -> impl Iterator<Item = PossibleValue> {
    list::of(Where::Stories).map(|named| PossibleValue::new(named.name).help(named.about))
}

/// How plans are enforced.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Enforce {
    /// By the nftables of this machine's kernel
    Nft,
}

impl DemoWords {
    /// What the hubs are told, and when this process kills itself.
    fn tell(&self, curtain: &mut Curtain) -> Result<Option<KillAt>, Failure> {
        curtain.enforces = matches!(self.enforce, Some(Enforce::Nft));
        if let Some(config) = &self.postgres {
            curtain.operator.extend(["--postgres".into(), config.clone()]);
        }
        let Some((who, at)) = self.kill.as_deref().map(|kill| kill.split_once(':').unwrap_or((kill, "")))
        else {
            return Ok(None);
        };
        curtain.names_chapters = true;
        let at: KillAt = at.parse().map_err(usage)?;
        let words = ["--kill-at".to_owned(), at.to_string()];
        match who {
            "operator" => curtain.operator.extend(words),
            "manufacturer" => curtain.manufacturer.extend(words),
            "devices" if at.room.is_some() => return Err(usage("the devices count the whole journal")),
            "devices" => return Ok(Some(at)),
            other => return Err(usage(format!("there is nobody called `{other}` to kill"))),
        }
        Ok(None)
    }
}

/// Plays the story.
///
/// # Errors
/// [`Failure::Failed`] when a step failed or an invariant did not hold, [`Failure::Usage`] when the
/// folder holds another story.
pub fn run(words: &DemoWords) -> Result<(), Failure> {
    let folder = match &words.data {
        Some(data) => std::path::absolute(data).map_err(usage)?,
        None => std::env::temp_dir().join(format!("steward-demo-{}", crate::call::random_key())),
    };
    plan::check_folder(&folder)?;
    io::files::create_private_dir(&folder).map_err(failed)?;
    let plan = Plan::of_folder(&folder, words.devices, words.seed, Plan::new(DEVICES, SEED))?;
    let pace = words.pace.unwrap_or(if words.headless { 0 } else { PACE_MILLIS });
    let mut curtain = Curtain::new(folder.clone(), plan, Duration::from_millis(pace), words.json);
    let kill = words.tell(&mut curtain)?;
    // One thread: what it starts is its own child for as long as it lives.
    let runtime = Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let done = runtime.block_on(Box::pin(play(curtain, words, kill)));
    if words.data.is_none() {
        clean_up(&folder, &done);
    }
    done
}

/// A temporary folder goes, unless it shows what went wrong.
fn clean_up(folder: &Path, done: &Result<(), Failure>) {
    match done {
        Ok(()) => drop(std::fs::remove_dir_all(folder)),
        Err(_) => aside(&format!("the hubs' and devices' folders are left at {}", folder.display())),
    }
}

async fn play(curtain: Curtain, words: &DemoWords, kill: Option<KillAt>) -> Result<(), Failure> {
    let begin = Instant::now();
    let mut scene = curtain.open().await?;
    if let Some(at) = kill {
        scene.kill_devices(at)?;
    }
    let played = tell(&mut scene, words, begin).await;
    if played.is_ok() && !words.headless {
        stay(&scene, words.data.is_none()).await?;
    }
    let ended = scene.end().await;
    let summary = played?;
    ended?;
    if words.json {
        line_if_read(&summary.to_string())?;
    }
    judge(&summary)
}

/// The story, the damage that was asked for, the invariants, and the summary.
async fn tell(scene: &mut Scene, words: &DemoWords, begin: Instant) -> Result<Json, Failure> {
    story::sign_in(scene).await?;
    story::play(scene).await?;
    if let Some(invariant) = INVARIANTS.iter().find(|i| Some(i.name) == words.damage.as_deref()) {
        scene.tell(format!("Breaking `{}`, as was asked.", invariant.name))?;
        (invariant.damage)(scene).await?;
    }
    let mut held = Map::new();
    for invariant in INVARIANTS {
        let holds = (invariant.check)(scene).await;
        let outcome = holds.as_ref().map_or_else(|why| format!("BROKEN: {why}"), |()| "holds".into());
        scene.tell(format!("  {:<26} {outcome}", invariant.name))?;
        held.insert(invariant.name.into(), holds.is_ok().into());
    }
    let summary = summary(scene, held, begin).await?;
    scene.tell("The story ends here.".into())?;
    Ok(summary)
}

/// What came of it, read through the API. Only what is true today has a key.
async fn summary(scene: &mut Scene, invariants: Map<String, Json>, begin: Instant) -> Result<Json, Failure> {
    let counts = scene.operator.call("device count", json!({})).await?;
    let entries = scene.export().await?;
    let count = |room, event| {
        let told = entries.iter().filter(|entry| tells(entry, room, event));
        told.filter_map(subject).collect::<BTreeSet<&str>>().len()
    };
    Ok(json!({
        "devices": counts["total"],
        "onboarded": count("device", "enrolled"),
        "quarantined": count("device", "held"),
        "replaced": count("remediation", "took-over"),
        "retired": counts["retired"],
        "access": scene.access,
        "upgraded": scene.upgraded,
        "rollout_stopped": scene.rollout_stopped,
        "invariants": invariants,
        "chapters": scene.chapters,
        "journal_entries": entries.len(),
        "wall_s": (begin.elapsed().as_secs_f64() * 1000.0).round() / 1000.0,
        "hub_rss_bytes": scene.operator.rss_bytes(),
        "seed": scene.plan.seed,
    }))
}

/// Whether an entry tells of this event in this room.
fn tells(entry: &Json, room: &str, event: &str) -> bool {
    let detail = entry["detail"].as_str().unwrap_or_default();
    entry["room"] == room && serde_json::from_str::<Json>(detail).is_ok_and(|e| e["event"] == event)
}

fn subject(entry: &Json) -> Option<&str> {
    entry["subject"].as_str()
}

fn judge(summary: &Json) -> Result<(), Failure> {
    let invariants = summary["invariants"].as_object().into_iter().flatten();
    let broken: Vec<&str> =
        invariants.filter(|(_, holds)| **holds != json!(true)).map(|(name, _)| name.as_str()).collect();
    match broken.as_slice() {
        [] => Ok(()),
        broken => Err(failed(format!("invariants that do not hold: {}", broken.join(", ")))),
    }
}

/// Stays up until Ctrl-C or SIGTERM.
async fn stay(scene: &Scene, is_temporary: bool) -> Result<(), Failure> {
    let then = if is_temporary { "is removed then" } else { "stays" };
    scene.tell(format!(
        "The hubs and the devices stay up until Ctrl-C; their folder, {}, {then}.",
        scene.folder().display()
    ))?;
    story::tell_another_link(scene)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
