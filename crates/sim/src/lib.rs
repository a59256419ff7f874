//! Whole worlds in virtual time: devices, a network, an operator's hub, faults; and what must be true.
//!
//! Devices are the agent's own machines with keys in memory; the operator's hub and the manufacturer's are
//! the rooms' own doors over the store's own commit, each on a database file of its own. Every other
//! device knows its manufacturer alone, and finds its domain by a voucher. Between them lies a network
//! that loses, delays and repeats; power goes at devices and hubs. Then everything is healed, and it must converge.
//! [`run`] lives such a life from a seed; [`invariants`] is the list of what must hold.
//!
//! From a seed alone follow every fault, delay and key; only the bytes of signatures differ, and
//! nothing is decided by those.
//!
//! Absent: threads, waiting, sockets, a clock, randomness of the machine.
mod authority;
pub mod desk;
pub mod device;
pub mod hub;
pub mod invariants;
mod key;
pub mod limits;
pub mod maker;
mod random;
pub mod world;

pub use world::World;

use invariants::Broken;
use std::fmt;

const MILLIS_PER_DAY: u64 = 24 * 3600 * 1000;

/// How bad it gets, in chances out of a thousand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Faults {
    /// That a request or an answer is lost.
    pub loss: u64,
    /// That a device hears of a loss at once, while its request arrives.
    pub cut: u64,
    /// That a request arrives twice.
    pub repeat: u64,
    /// That a hub's power goes at a commit, before it or after it.
    pub hub_crash: u64,
    /// That a device's power goes at a step on its disk, before it or after it.
    pub device_crash: u64,
}

impl Faults {
    /// Nothing ever fails.
    pub const NONE: Self = Self { loss: 0, cut: 0, repeat: 0, hub_crash: 0, device_crash: 0 };
    /// A bad network, and power that goes now and then.
    pub const USUAL: Self = Self { loss: 100, cut: 100, repeat: 100, hub_crash: 50, device_crash: 100 };
}

/// What a world was, and what did not hold in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// What it was made from.
    pub seed: u64,
    /// Devices that should join.
    pub devices: usize,
    /// What happened.
    pub tally: Tally,
    /// Virtual time that it lasted, in milliseconds.
    pub millis: u64,
    /// Entries in the journal at the end.
    pub journal_entries: i64,
    /// What did not hold.
    pub broken: Vec<Broken>,
}

impl Report {
    /// Whether everything held.
    pub fn held(&self) -> bool {
        self.broken.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Self { seed, devices, tally, millis, journal_entries, broken } = self;
        let Tally { requests, lost, repeated, hub_crashes, maker_crashes, device_crashes, given_up, .. } =
            tally;
        write!(
            f,
            "seed {seed}: {devices} devices lived {} days: {requests} requests arrived, {repeated} of them \
             repeated, {lost} were lost; power went {device_crashes} times at devices, {hub_crashes} at the hub \
             and {maker_crashes} at the maker's; {given_up} times a person helped; {journal_entries} entries",
            millis / MILLIS_PER_DAY,
        )?;
        broken.iter().try_for_each(|broken| write!(f, "\nseed {seed}: {broken}"))
    }
}

/// What happened in a world.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Requests that reached the hub.
    pub requests: u64,
    /// Requests among them that were repeated by the network.
    pub repeated: u64,
    /// Requests and answers that were lost, cut short ones among them.
    pub lost: u64,
    /// Commands that the store committed or refused.
    pub commits: u64,
    /// Times that the hub asked the maker's service.
    pub asks: u64,
    /// Times that the hub's power went.
    pub hub_crashes: u64,
    /// Times that the maker's power went.
    pub maker_crashes: u64,
    /// Times that a device's power went.
    pub device_crashes: u64,
    /// Times that a device gave up and was started again by a person.
    pub given_up: u64,
}

/// The world could not be simulated: its database, or this program, is to blame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("seed {seed}: the world could not go on: {why}")]
pub struct Stopped {
    /// What the world was made from.
    pub seed: u64,
    /// What happened.
    pub why: String,
}

/// Lives one life: `devices` join under `faults`, heal, are looked at; grow old, renew under `faults`,
/// heal, are looked at again; sleep for longer than their certificates live, join again under `faults`, heal, are
/// looked at once more. The same arguments give the same report.
///
/// # Errors
/// [`Stopped`] when the machine that simulates cannot; a broken invariant is in the [`Report`].
pub fn run(seed: u64, devices: usize, faults: Faults) -> Result<Report, Stopped> {
    let mut world = World::new(seed, devices, faults)?;
    world.join()?;
    // A broken world is told of as it is.
    if world.holds() {
        world.renew()?;
    }
    if world.holds() {
        world.sleep()?;
    }
    world.report()
}
