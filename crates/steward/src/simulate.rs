//! `steward simulate`: worlds in virtual time, from seeds, and whether what must be true was true in them.
use crate::failure::{Failure, failed};
use crate::limits::{SIMULATE_DEVICES_MAX, SIMULATE_SEEDS_MAX};
use crate::print::line_if_read;
use serde_json::{Value as Json, json};
use sim::invariants::list::{self, Where};
use sim::{Faults, Report};
use std::time::Instant;

/// Devices of a world, when nobody says.
const DEVICES: &str = "20";
/// The first seed, when nobody says.
const SEED: &str = "1";

/// What stands below the words in the help text.
pub const EXAMPLE: &str = "\
In a world, devices join by vouchers or by an anchor, grow old and renew, while the network loses, delays \
and repeats and power goes at devices and hubs; then all is healed, and it has to converge. The same words \
give the same world. Exit code 1: something was not true, and the seed says in which world.

Examples:
  steward simulate
  steward simulate --seed 40 --seeds 10 --devices 100
  steward simulate --seed 7 --without-faults --json

Needs no permission and no hub.";

/// The words of `steward simulate`.
#[derive(Debug, clap::Args)]
pub struct SimulateWords {
    /// The first world's seed
    #[arg(long, value_name = "S", default_value = SEED)]
    seed: u64,
    /// How many worlds, from one seed after the other
    #[arg(long, value_name = "N", default_value = "1",
          value_parser = clap::value_parser!(u32).range(1..=i64::from(SIMULATE_SEEDS_MAX)))]
    seeds: u32,
    /// How many devices in each
    #[arg(long, value_name = "N", default_value = DEVICES,
          value_parser = clap::value_parser!(u32).range(1..=i64::from(SIMULATE_DEVICES_MAX)))]
    devices: u32,
    /// A network that loses nothing, and power that never goes
    #[arg(long)]
    without_faults: bool,
    /// Print JSON, one line a world
    #[arg(long)]
    json: bool,
}

/// Lives the worlds, and tells of each when it is over.
///
/// # Errors
/// [`Failure::Failed`] when something was not true, or this machine cannot simulate.
pub fn run(words: &SimulateWords) -> Result<(), Failure> {
    let faults = if words.without_faults { Faults::NONE } else { Faults::USUAL };
    let mut broken = Vec::new();
    for seed in (words.seed..).take(words.seeds as usize) {
        let begin = Instant::now();
        let report = sim::run(seed, words.devices as usize, faults).map_err(failed)?;
        let wall_s = (begin.elapsed().as_secs_f64() * 1000.0).round() / 1000.0;
        match words.json {
            true => line_if_read(&told(&report, wall_s).to_string())?,
            false => line_if_read(&report.to_string())?,
        }
        if !report.held() {
            broken.push(seed.to_string());
        }
    }
    match broken.as_slice() {
        [] => Ok(()),
        seeds => Err(failed(format!(
            "not everything was true in the worlds from these seeds: {}; `steward simulate --seed {} --devices {}` \
             lives the first of them again",
            seeds.join(", "),
            seeds[0],
            words.devices,
        ))),
    }
}

fn told(report: &Report, wall_s: f64) -> Json {
    let Report { seed, devices, tally, millis, journal_entries, broken } = report;
    let held = |name: &str| broken.iter().all(|broken| broken.name != name);
    let invariants: serde_json::Map<String, Json> =
        list::of(Where::Worlds).map(|named| (named.name.into(), held(named.name).into())).collect();
    json!({
        "seed": seed,
        "devices": devices,
        "virtual_s": millis / 1000,
        "wall_s": wall_s,
        "journal_entries": journal_entries,
        "requests": tally.requests,
        "lost": tally.lost,
        "repeated": tally.repeated,
        "hub_crashes": tally.hub_crashes,
        "maker_crashes": tally.maker_crashes,
        "device_crashes": tally.device_crashes,
        "helped_by_a_person": tally.given_up,
        "invariants": invariants,
        "broken": broken.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}
