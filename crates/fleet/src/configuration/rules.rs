//! Versions, orders and drift of one device's configuration. Pure.
use crate::limits::{CONFIGURATION_VERSIONS_MAX, DRIFT_MILLIS_MIN, ORDER_STEPS_MAX};
use crate::refusal::Sort;
use crate::room::Reason;
use crate::time::Millis;
use crate::words;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

words! {
    /// Where a version comes from.
    pub enum Source {
        /// The device had it.
        Device = "device",
        /// A person wrote it.
        Person = "person",
    }
}

/// A version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// SHA-256 of its document, as hexadecimal digits.
    pub digest: String,
    /// Where it comes from.
    pub source: Source,
    /// Since when it is kept.
    pub at: Millis,
}

/// What the device shall take up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// The order's number: none is given twice.
    pub number: u32,
    /// Which version.
    pub version: u32,
    /// SHA-256 of what it is to replace, as hexadecimal digits; empty for a file that cannot be read.
    pub over: String,
    /// Within how many seconds it has to prove itself.
    pub confirm_seconds: u32,
}

/// What is true of a device's configuration. Digests are SHA-256 as hexadecimal digits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Versions by number, from 1.
    pub versions: BTreeMap<u32, Version>,
    /// The newest number of a version; those that were forgotten count.
    pub newest: u32,
    /// The newest number of an order.
    pub orders: u32,
    /// The version in use; 0 as long as nothing is known.
    pub applied: u32,
    /// What it shall take up.
    pub order: Option<Order>,
    /// What it has instead of the version in use; empty when its file cannot be read.
    pub drift: Option<String>,
    /// When it last drifted.
    pub drifted_at: Millis,
    /// What it has is to be kept as soon as its document comes.
    pub keep: bool,
    /// Why the last order was not kept; empty when it was.
    pub trouble: String,
}

impl State {
    /// The digest of the version in use.
    pub fn in_use(&self) -> Option<&str> {
        self.versions.get(&self.applied).map(|version| version.digest.as_str())
    }

    /// Every digest that has a document.
    pub fn digests(&self) -> impl Iterator<Item = &str> {
        self.versions.values().map(|version| version.digest.as_str()).chain(self.drift.as_deref())
    }
}

/// How an order is to be taken up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Within how many seconds it has to prove itself.
    pub confirm_seconds: u32,
    /// Until when it is given.
    pub deadline: Millis,
}

/// What may be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// The device says what it has.
    Report {
        /// The digest; empty when its file cannot be read.
        digest: String,
        /// It is trying an order: what it has counts when the trial is over.
        trial: bool,
        /// Number of the last order that it did not keep, whether it was taken back, and why.
        not_kept: Option<(u32, bool, String)>,
        /// The newest number of an order that it knows of.
        newest_order: u32,
    },
    /// What it has is a version: its document came.
    Keep {
        /// The digest.
        digest: String,
    },
    /// Keep what it has as soon as its document comes.
    WantKept {
        /// Until when that may be.
        deadline: Millis,
    },
    /// A new version for it.
    Set {
        /// The digest.
        digest: String,
        /// How it is to be taken up.
        terms: Terms,
    },
    /// Back to a version.
    Restore {
        /// Which.
        version: u32,
        /// How it is to be taken up.
        terms: Terms,
    },
    /// The version in use again, if it has something else or anything is ordered: an order for it that did not
    /// help gives way to a new one.
    Reapply {
        /// How it is to be taken up.
        terms: Terms,
    },
    /// The order for this version is not wanted any more.
    Abandon {
        /// Which.
        version: u32,
        /// Why.
        why: String,
    },
    /// What it has need not be kept any more.
    AbandonKeeping,
    /// Its life here is over, or begins anew.
    End {
        /// Why.
        why: String,
    },
}

/// *Stored.* What happened: add variants, never change one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Event {
    /// What the device had became a version, and is the one in use.
    BackedUp {
        /// The version's number.
        version: u32,
        /// Its digest.
        digest: String,
        /// When.
        at: Millis,
    },
    /// A person wrote a version.
    Written {
        /// The version's number.
        version: u32,
        /// Its digest.
        digest: String,
        /// When.
        at: Millis,
    },
    /// The device shall take up a version.
    Ordered {
        /// The order's number.
        order: u32,
        /// The version.
        version: u32,
        /// The digest of what it replaces.
        over: String,
        /// Within how many seconds it has to prove itself.
        confirm_seconds: u32,
        /// Until when it is given.
        deadline: Millis,
    },
    /// The device took it up, and it proved itself.
    Applied {
        /// The version.
        version: u32,
    },
    /// The device did not take it up, or took it back.
    NotKept {
        /// The version.
        version: u32,
        /// It was tried and taken back.
        reverted: bool,
        /// Why.
        why: String,
    },
    /// The order is not wanted any more.
    Abandoned {
        /// The version.
        version: u32,
        /// Why.
        why: String,
    },
    /// The device knows of an order that was not given here.
    OrderMet {
        /// Its number: no newer order has a lower one.
        order: u32,
        /// The newest one that was given here.
        known: u32,
    },
    /// The device has something else than the version in use.
    Drifted {
        /// Its digest; empty when it cannot be read.
        digest: String,
        /// When.
        at: Millis,
    },
    /// It has the version in use again.
    DriftEnded,
    /// What it has is to be kept.
    KeepWanted {
        /// Until when that may be.
        deadline: Millis,
    },
    /// It need not be kept any more.
    KeepAbandoned,
    /// An old version was forgotten.
    Forgotten {
        /// The version.
        version: u32,
    },
    /// Its life here is over, or begins anew: every version is forgotten, and nothing is ordered.
    Ended {
        /// Why.
        why: String,
    },
}

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Nothing is known of what it has.
    Unknown,
    /// There is no such version (any more).
    NoVersion(u32),
    /// It has exactly this.
    Unchanged,
    /// This is ordered already.
    Ordered(u32),
    /// The device used up the numbers of orders.
    NoOrdersLeft,
}

impl Reason for Refusal {
    fn code(&self) -> &'static str {
        match self {
            Refusal::Unknown => "configuration-unknown",
            Refusal::NoVersion(_) => "version-unknown",
            Refusal::Unchanged => "configuration-unchanged",
            Refusal::Ordered(_) => "already-ordered",
            Refusal::NoOrdersLeft => "no-orders-left",
        }
    }

    fn sort(&self) -> Sort {
        match self {
            Refusal::NoVersion(_) => Sort::NotFound,
            _ => Sort::Conflict,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Refusal::Unknown => f.write_str(
                "nothing is known of this device's configuration; it tells when it is at work and checks in",
            ),
            Refusal::NoVersion(version) => {
                write!(f, "there is no version {version}; `configuration versions` lists them")
            }
            Refusal::Unchanged => f.write_str("the device has exactly this configuration"),
            Refusal::Ordered(version) => write!(f, "version {version} is ordered already"),
            Refusal::NoOrdersLeft => {
                f.write_str("the device has named so high orders that none is left; give its post to a spare")
            }
        }
    }
}

/// What happens when `command` is asked of a device in `state`.
///
/// # Errors
/// Why not.
pub fn decide(state: &State, command: Command, now: Millis) -> Result<Vec<Event>, Refusal> {
    match command {
        Command::Report { digest, trial, not_kept, newest_order } => {
            let mut events: Vec<Event> = met(state, newest_order).into_iter().collect();
            events.extend(report(state, digest, trial, not_kept, now));
            Ok(events)
        }
        Command::Keep { digest } => Ok(keep(state, digest, now)),
        Command::WantKept { .. } if state.keep => Ok(vec![]),
        Command::WantKept { deadline } => Ok(vec![Event::KeepWanted { deadline }]),
        Command::AbandonKeeping if state.keep => Ok(vec![Event::KeepAbandoned]),
        Command::Set { digest, terms } => set(state, digest, terms, now),
        Command::Restore { version, terms } => {
            let known = state.versions.get(&version).ok_or(Refusal::NoVersion(version))?;
            Ok(vec![order(state, version, &known.digest, terms)?])
        }
        Command::Reapply { terms } => Ok(reapply(state, terms)),
        Command::Abandon { version, why } if is_ordered(state, version) => {
            Ok(vec![Event::Abandoned { version, why }])
        }
        Command::End { why } if *state != ended(state) => Ok(vec![Event::Ended { why }]),
        Command::Abandon { .. } | Command::AbandonKeeping | Command::End { .. } => Ok(vec![]),
    }
}

/// What is left of a life: the numbers that were given, so that none is given twice.
fn ended(state: &State) -> State {
    State { newest: state.newest, orders: state.orders, ..State::default() }
}

fn is_ordered(state: &State, version: u32) -> bool {
    state.order.as_ref().is_some_and(|order| order.version == version)
}

/// An order that was not given here: this state was restored from an older one, or the device had another
/// hub. Its number is believed within bounds, so that no device uses up the numbers at once.
fn met(state: &State, order: u32) -> Option<Event> {
    let ahead = order.saturating_sub(state.orders);
    let known = state.orders;
    (1..=ORDER_STEPS_MAX).contains(&ahead).then_some(Event::OrderMet { order, known })
}

/// What a report says that was not known. While an order is being tried it says nothing.
fn report(
    state: &State,
    digest: String,
    trial: bool,
    not_kept: Option<(u32, bool, String)>,
    now: Millis,
) -> Vec<Event> {
    if state.applied == 0 || trial {
        return vec![];
    }
    let mut events = Vec::new();
    if let Some(order) = &state.order {
        let ordered = state.versions.get(&order.version).map(|version| version.digest.as_str());
        if ordered == Some(digest.as_str()) {
            return vec![Event::Applied { version: order.version }];
        }
        match not_kept.filter(|(number, ..)| *number == order.number) {
            Some((_, reverted, why)) => {
                events.push(Event::NotKept { version: order.version, reverted, why });
            }
            None if order.over == digest => return vec![],
            None => {
                let why = "its configuration was changed from outside meanwhile".into();
                events.push(Event::NotKept { version: order.version, reverted: false, why });
            }
        }
    }
    events.extend(drift(state, digest, now));
    events
}

/// Each digest once; and not more often than a person could follow, whatever a device says.
fn drift(state: &State, digest: String, now: Millis) -> Vec<Event> {
    if state.in_use() == Some(digest.as_str()) {
        let ended = state.drift.is_some().then_some(Event::DriftEnded);
        // What it has is kept already.
        let kept = state.keep.then_some(Event::KeepAbandoned);
        return ended.into_iter().chain(kept).collect();
    }
    let known = state.drift.as_ref() == Some(&digest);
    let early = drift_due(state, &digest, now).is_some();
    if known || early { vec![] } else { vec![Event::Drifted { digest, at: now }] }
}

/// When what a device says to have will be drift, if now it is too early after the last one.
pub fn drift_due(state: &State, digest: &str, now: Millis) -> Option<Millis> {
    let due = state.drifted_at.plus_millis(DRIFT_MILLIS_MIN);
    let known = [state.in_use(), state.drift.as_deref()].contains(&Some(digest));
    (state.applied != 0 && !known && now < due).then_some(due)
}

fn keep(state: &State, digest: String, now: Millis) -> Vec<Event> {
    let version = state.newest + 1;
    let abandoned = state.order.as_ref().map(|order| {
        let why = "what the device has was kept instead".into();
        Event::Abandoned { version: order.version, why }
    });
    let mut events: Vec<Event> = abandoned.into_iter().collect();
    events.push(Event::BackedUp { version, digest, at: now });
    events.extend(forgotten(state, [version, version]));
    events
}

fn set(state: &State, digest: String, terms: Terms, now: Millis) -> Result<Vec<Event>, Refusal> {
    let version = state.newest + 1;
    let ordered = order(state, version, &digest, terms)?;
    let mut events = vec![Event::Written { version, digest, at: now }, ordered];
    events.extend(forgotten(state, [version, state.applied]));
    Ok(events)
}

/// The order to take up a version over what the device is known to have.
fn order(state: &State, version: u32, digest: &str, terms: Terms) -> Result<Event, Refusal> {
    let in_use = state.in_use().ok_or(Refusal::Unknown)?;
    let has = state.drift.as_deref().unwrap_or(in_use);
    if is_ordered(state, version) {
        return Err(Refusal::Ordered(version));
    }
    if has == digest && state.order.is_none() {
        return Err(Refusal::Unchanged);
    }
    next_order(state, version, has, terms)
}

/// A new order over what the device `has`.
fn next_order(state: &State, version: u32, has: &str, terms: Terms) -> Result<Event, Refusal> {
    let Terms { confirm_seconds, deadline } = terms;
    let order = state.orders.checked_add(1).ok_or(Refusal::NoOrdersLeft)?;
    Ok(Event::Ordered { order, version, over: has.into(), confirm_seconds, deadline })
}

/// The version in use, ordered anew over what the device is known to have.
fn reapply(state: &State, terms: Terms) -> Vec<Event> {
    let Some(in_use) = state.in_use() else { return vec![] };
    if state.order.is_none() && state.drift.is_none() {
        return vec![];
    }
    let version = state.applied;
    // Without a number left nothing is ordered, and who wanted it goes on.
    let Ok(new) = next_order(state, version, state.drift.as_deref().unwrap_or(in_use), terms) else {
        return vec![];
    };
    let old = is_ordered(state, version).then(|| {
        let why = "it did not help, and is ordered anew".into();
        Event::Abandoned { version, why }
    });
    old.into_iter().chain([new]).collect()
}

/// With one version more, the oldest makes room if it is of no use.
fn forgotten(state: &State, used: [u32; 2]) -> Option<Event> {
    if state.versions.len() < CONFIGURATION_VERSIONS_MAX {
        return None;
    }
    let oldest = state.versions.keys().find(|version| !used.contains(version))?;
    Some(Event::Forgotten { version: *oldest })
}

/// What an event does.
pub fn apply(state: &mut State, event: &Event) {
    match event {
        Event::BackedUp { version, digest, at } => {
            add(state, *version, digest, Source::Device, *at);
            (state.applied, state.drift, state.keep) = (*version, None, false);
        }
        Event::Written { version, digest, at } => add(state, *version, digest, Source::Person, *at),
        Event::Ordered { order, version, over, confirm_seconds, .. } => {
            let (number, version) = (*order, *version);
            let order = Order { number, version, over: over.clone(), confirm_seconds: *confirm_seconds };
            (state.orders, state.order) = (number, Some(order));
            state.trouble.clear();
        }
        Event::Applied { version } => {
            (state.applied, state.order, state.drift) = (*version, None, None);
        }
        Event::NotKept { why, .. } => (state.order, state.trouble) = (None, why.clone()),
        Event::Abandoned { .. } => state.order = None,
        Event::OrderMet { order, .. } => state.orders = *order,
        Event::Drifted { digest, at } => {
            (state.drift, state.drifted_at) = (Some(digest.clone()), *at);
        }
        Event::DriftEnded => state.drift = None,
        Event::KeepWanted { .. } => state.keep = true,
        Event::KeepAbandoned => state.keep = false,
        Event::Forgotten { version } => {
            state.versions.remove(version);
        }
        Event::Ended { .. } => *state = ended(state),
    }
}

fn add(state: &mut State, version: u32, digest: &str, source: Source, at: Millis) {
    state.versions.insert(version, Version { digest: digest.into(), source, at });
    state.newest = version;
}
