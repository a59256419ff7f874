//! The rules of rollouts. Pure.
use crate::refusal::Sort;
use crate::room::Reason;
use crate::time::Millis;
use crate::words;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use wire::control::{FirmwareNotKept, FirmwareReport};
use wire::digest::{hex, sha256};

words! {
    /// How far a rollout is.
    pub enum Phase {
        /// The devices of the waves that have begun are offered the release.
        Running = "running",
        /// Nobody is offered anything until a person resumes it.
        Paused = "paused",
        /// Too much failed, or a person ended it.
        Stopped = "stopped",
        /// It was a mistake.
        Cancelled = "cancelled",
        /// Every wave is over.
        Finished = "finished",
    }
}

impl Phase {
    /// Whether anybody may still be offered anything.
    pub fn is_open(self) -> bool {
        matches!(self, Phase::Running | Phase::Paused)
    }
}

words! {
    /// What became of a device in a rollout.
    pub enum Outcome {
        /// It was not offered the release.
        Waiting = "waiting",
        /// It was, and has not said how it went.
        Offered = "offered",
        /// It runs the release and is healthy.
        Succeeded = "succeeded",
        /// It tried the release in vain.
        Failed = "failed",
        /// It did not try it.
        Refused = "refused",
        /// It did not say in time how it went.
        Silent = "silent",
        /// It is not to get it (any more).
        Spared = "spared",
    }
}

impl Outcome {
    /// Whether nothing more is expected of the device.
    pub fn is_final(self) -> bool {
        !matches!(self, Outcome::Waiting | Outcome::Offered)
    }

    /// Whether it counts against the rollout.
    pub fn is_failure(self) -> bool {
        matches!(self, Outcome::Failed | Outcome::Refused | Outcome::Silent)
    }
}

/// A device in a rollout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Where it is.
    pub site: String,
    /// Its wave, from 0.
    pub wave: u16,
    /// What became of it.
    pub outcome: Outcome,
    /// Why; empty when there is nothing to say.
    pub why: String,
    /// The trace of the failure that it told of when it was offered the release: told again, it is no news.
    pub before: String,
}

/// What is offered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// The release.
    pub release: String,
    /// Its sequence number.
    pub sequence_number: i64,
    /// Its manifest's digest; empty for one that does not verify.
    pub manifest: String,
    /// The image, by its SHA-256.
    pub image: String,
    /// It is offered although devices are bound to refuse it.
    pub even_if_refusable: bool,
}

/// When a rollout ends by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bounds {
    /// From the beginning of a wave to the silence of its devices.
    pub deadline_seconds: u32,
    /// So many failures stop it.
    pub stop_after: u16,
}

/// A device and its site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// Its site.
    pub site: String,
    /// Its id.
    pub device: String,
}

/// What is true of a rollout.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// How far it is; `None` when nobody started it.
    pub phase: Option<Phase>,
    /// Why it is not running; empty otherwise.
    pub why: String,
    /// What is offered.
    pub target: Target,
    /// When it ends by itself.
    pub bounds: Bounds,
    /// The newest wave that has begun.
    pub wave: u16,
    /// When it began, or went on.
    pub began_at: Millis,
    /// The devices by their ids.
    pub members: BTreeMap<String, Member>,
}

impl State {
    /// How many devices have an outcome that `counts`.
    pub fn count(&self, counts: impl Fn(Outcome) -> bool) -> usize {
        self.members.values().filter(|member| counts(member.outcome)).count()
    }

    /// How many waves there are.
    pub fn waves(&self) -> u16 {
        self.members.values().map(|member| member.wave + 1).max().unwrap_or(0)
    }

    /// Whether silence counts now: a device is being waited for that was, or may be, offered the release.
    fn is_awaited(&self, member: &Member) -> bool {
        match member.outcome {
            Outcome::Offered => true,
            Outcome::Waiting => self.phase == Some(Phase::Running) && member.wave <= self.wave,
            _ => false,
        }
    }

    /// When silence will be a failure, if anybody is waited for.
    pub fn deadline(&self) -> Option<Millis> {
        let awaited = self.members.values().any(|member| self.is_awaited(member));
        awaited.then(|| self.began_at.plus_seconds(self.bounds.deadline_seconds.into()))
    }
}

/// What a report says of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It runs the release.
    Succeeded,
    /// It tried the release in vain.
    Failed(String),
    /// It did not try it.
    Refused(String),
    /// It needs no such release.
    Spared(String),
}

/// What may be asked of a rollout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Begin: the devices in their waves.
    Start {
        /// What is offered.
        target: Target,
        /// When it ends by itself.
        bounds: Bounds,
        /// The devices in their waves.
        waves: Vec<Vec<Place>>,
    },
    /// A device is being offered the release.
    Offer {
        /// Its id.
        device: String,
        /// The trace of the failure that it tells of.
        before: String,
    },
    /// A device has said how it went.
    Judge {
        /// Its id.
        device: String,
        /// How.
        verdict: Verdict,
    },
    /// Look at the deadline.
    Expire,
    /// Offer nothing until it is resumed.
    Pause {
        /// Why.
        why: String,
    },
    /// Go on.
    Resume,
    /// End it.
    Stop {
        /// Why.
        why: String,
    },
    /// End it: it was a mistake.
    Cancel {
        /// Why.
        why: String,
    },
}

/// *Stored.* What happened: add variants, never change one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Event {
    /// It is to be.
    Started {
        /// What is offered.
        target: Target,
        /// When it ends by itself.
        bounds: Bounds,
        /// The devices in their waves.
        waves: Vec<Vec<Place>>,
    },
    /// A wave begins, or goes on.
    WaveBegun {
        /// Which, from 0.
        wave: u16,
        /// When.
        at: Millis,
        /// Who may be offered the release now.
        devices: Vec<String>,
    },
    /// A device was offered the release.
    Offered {
        /// Its id.
        device: String,
        /// The trace of the failure that it told of.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        before: String,
    },
    /// A device runs the release.
    Succeeded {
        /// Its id.
        device: String,
    },
    /// A device does not run the release, and why.
    NotKept {
        /// Its id.
        device: String,
        /// Tried in vain, refused, or silent.
        outcome: Outcome,
        /// Why.
        why: String,
    },
    /// A device is not to get the release.
    Spared {
        /// Its id.
        device: String,
        /// Why.
        why: String,
    },
    /// Nobody is offered anything until a person resumes it.
    Paused {
        /// Why.
        why: String,
    },
    /// Nobody is offered anything any more.
    Stopped {
        /// Why.
        why: String,
    },
    /// As stopped; it was a mistake.
    Cancelled {
        /// Why.
        why: String,
    },
    /// Every wave is over.
    Finished,
}

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Another has this name.
    Known,
    /// Nobody started it.
    Unknown,
    /// Its phase does not allow it.
    WrongPhase(Phase),
    /// Nobody would get the release.
    Nobody,
    /// The device may not be offered the release.
    NotToBeOffered,
}

impl Reason for Refusal {
    fn code(&self) -> &'static str {
        match self {
            Refusal::Known => "rollout-known",
            Refusal::Unknown => "rollout-unknown",
            Refusal::WrongPhase(_) => "wrong-phase",
            Refusal::Nobody => "rollout-empty",
            Refusal::NotToBeOffered => "not-to-be-offered",
        }
    }

    fn sort(&self) -> Sort {
        match self {
            Refusal::Unknown => Sort::NotFound,
            _ => Sort::Conflict,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Refusal::Known => f.write_str("a rollout of this name exists; give the new one a `name`"),
            Refusal::Unknown => f.write_str("no rollout has this name; `rollout list` shows them"),
            Refusal::WrongPhase(phase) => write!(f, "the rollout is {phase}"),
            Refusal::Nobody => f.write_str("no device at work is of this maker, site and list"),
            Refusal::NotToBeOffered => f.write_str("the device is not to be offered the release now"),
        }
    }
}

/// Whether a device may be offered the release now: the one rule by which devices are.
pub fn may_be_offered(phase: Option<Phase>, begun: u16, wave: u16, outcome: Outcome) -> bool {
    phase == Some(Phase::Running) && wave <= begun && outcome == Outcome::Waiting
}

/// A trace of the failure that a device tells of; empty when it tells of none.
pub fn trace(report: &FirmwareReport) -> String {
    let trace = |it: &FirmwareNotKept| {
        let manifest = it.manifest.map(|digest| hex(&digest)).unwrap_or_default();
        hex(&sha256(format!("{manifest} {} {} {}", it.tried, it.reason, it.why).as_bytes()))
    };
    report.not_kept.as_ref().map(trace).unwrap_or_default()
}

/// What a report says of a device that was offered the release (with the trace `before` of an earlier
/// failure), or may be.
pub fn judge(target: &Target, outcome: Outcome, before: &str, report: &FirmwareReport) -> Option<Verdict> {
    let is_target = |digest: &[u8; 32]| hex(digest) == target.manifest;
    if report.running.is_some_and(|running| is_target(&running.manifest)) {
        return Some(Verdict::Succeeded);
    }
    if let Some(not_kept) = report.not_kept.as_ref().filter(|_| !outcome.is_final()) {
        let of_target = not_kept.manifest.as_ref().is_some_and(is_target);
        // Of a manifest that is not authentic its device says no digest.
        let of_unknown = not_kept.manifest.is_none() && !not_kept.tried;
        if of_target || of_unknown && outcome == Outcome::Offered && trace(report) != before {
            let why = format!("{}: {}", not_kept.reason, not_kept.why);
            return Some(if not_kept.tried { Verdict::Failed(why) } else { Verdict::Refused(why) });
        }
    }
    let runs = report.running.map(|running| i64::try_from(running.sequence_number).unwrap_or(i64::MAX));
    let newer = runs.filter(|runs| *runs >= target.sequence_number && !target.even_if_refusable)?;
    (outcome == Outcome::Waiting).then(|| Verdict::Spared(format!("it runs the sequence number {newer}")))
}

/// What happens when `command` is asked of a rollout in `state`.
///
/// # Errors
/// Why not.
pub fn decide(state: &State, command: Command, now: Millis) -> Result<Vec<Event>, Refusal> {
    let events = match (command, state.phase) {
        (Command::Start { target, bounds, waves }, None) => {
            let waves: Vec<_> = waves.into_iter().filter(|wave| !wave.is_empty()).collect();
            if waves.is_empty() {
                return Err(Refusal::Nobody);
            }
            let devices = waves[0].iter().map(|place| place.device.clone()).collect();
            return Ok(vec![
                Event::Started { target, bounds, waves },
                Event::WaveBegun { wave: 0, at: now, devices },
            ]);
        }
        (Command::Start { .. }, Some(_)) => return Err(Refusal::Known),
        (_, None) => return Err(Refusal::Unknown),
        (Command::Offer { device, before }, phase) => {
            let member = state.members.get(&device).ok_or(Refusal::NotToBeOffered)?;
            if !may_be_offered(phase, state.wave, member.wave, member.outcome) {
                return Err(Refusal::NotToBeOffered);
            }
            vec![Event::Offered { device, before }]
        }
        (Command::Judge { device, verdict }, Some(phase)) => judged(state, phase, device, verdict),
        (Command::Expire, Some(_)) => silent(state, now),
        (Command::Pause { why }, Some(Phase::Running)) => vec![Event::Paused { why }],
        (Command::Resume, Some(Phase::Paused)) => vec![go_on(state, now)],
        (Command::Stop { why }, Some(Phase::Running | Phase::Paused)) => vec![Event::Stopped { why }],
        (Command::Cancel { why }, Some(Phase::Running | Phase::Paused)) => vec![Event::Cancelled { why }],
        (_, Some(phase)) => return Err(Refusal::WrongPhase(phase)),
    };
    Ok(followed_up(state, events, now))
}

/// What a verdict means. Success is for ever, and comes late to a silent device as long as the rollout is
/// open; of all others the first verdict counts.
fn judged(state: &State, phase: Phase, device: String, verdict: Verdict) -> Vec<Event> {
    let Some(member) = state.members.get(&device) else { return vec![] };
    let due = member.outcome == Outcome::Offered
        || may_be_offered(Some(phase), state.wave, member.wave, member.outcome);
    let late = member.outcome == Outcome::Silent && phase.is_open();
    let not_kept = |outcome, why| vec![Event::NotKept { device: device.clone(), outcome, why }];
    match verdict {
        Verdict::Succeeded if due || late => vec![Event::Succeeded { device }],
        Verdict::Failed(why) if due => not_kept(Outcome::Failed, why),
        Verdict::Refused(why) if due => not_kept(Outcome::Refused, why),
        Verdict::Spared(why) if !member.outcome.is_final() => vec![Event::Spared { device, why }],
        _ => vec![],
    }
}

/// Who has not said in time how it went.
fn silent(state: &State, now: Millis) -> Vec<Event> {
    if state.deadline().is_none_or(|deadline| deadline >= now) {
        return vec![];
    }
    let awaited = state.members.iter().filter(|(_, member)| state.is_awaited(member));
    let silent = awaited.map(|(device, member)| {
        let why = match member.outcome {
            Outcome::Offered => "it did not say in time how it went",
            _ => "it did not check in in time",
        };
        Event::NotKept { device: device.clone(), outcome: Outcome::Silent, why: why.into() }
    });
    silent.collect()
}

/// `events`, and what follows from them: a wave, the end, a pause, a stop.
fn followed_up(state: &State, mut events: Vec<Event>, now: Millis) -> Vec<Event> {
    let mut new = state.clone();
    events.iter().for_each(|event| apply(&mut new, event));
    // Each round ends the rollout, or begins one of its few waves.
    while let Some(event) = follow_up(&new, now) {
        apply(&mut new, &event);
        events.push(event);
    }
    events
}

fn follow_up(state: &State, now: Millis) -> Option<Event> {
    let phase = state.phase.filter(|phase| phase.is_open())?;
    let failures = state.count(Outcome::is_failure);
    if failures >= usize::from(state.bounds.stop_after) {
        let offered = state.count(|outcome| !matches!(outcome, Outcome::Waiting | Outcome::Spared));
        return Some(Event::Stopped { why: format!("{failures} of the first {offered} devices failed") });
    }
    let of_wave = || state.members.values().filter(|member| member.wave == state.wave);
    if phase != Phase::Running || !of_wave().all(|member| member.outcome.is_final()) {
        return None;
    }
    let failed = of_wave().filter(|member| member.outcome.is_failure()).count();
    let wave = state.wave + 1;
    match failed {
        0 if wave >= state.waves() => Some(Event::Finished),
        0 => Some(begun(state, wave, now)),
        _ => Some(Event::Paused { why: format!("{failed} devices of wave {wave} failed") }),
    }
}

/// What a person resumes: the wave, or the next one after failures that the person accepts.
fn go_on(state: &State, now: Millis) -> Event {
    let mut of_wave = state.members.values().filter(|member| member.wave == state.wave);
    match (of_wave.all(|member| member.outcome.is_final()), state.wave + 1) {
        (false, _) => begun(state, state.wave, now),
        (true, next) if next < state.waves() => begun(state, next, now),
        (true, _) => Event::Finished,
    }
}

fn begun(state: &State, wave: u16, at: Millis) -> Event {
    let waits = |member: &Member| member.wave == wave && member.outcome == Outcome::Waiting;
    let devices = state.members.iter().filter(|(_, member)| waits(member));
    Event::WaveBegun { wave, at, devices: devices.map(|(device, _)| device.clone()).collect() }
}

/// What an event does to a rollout.
pub fn apply(state: &mut State, event: &Event) {
    match event {
        Event::Started { target, bounds, waves } => {
            (state.target, state.bounds) = (target.clone(), *bounds);
            for (wave, places) in (0..).zip(waves) {
                state.members.extend(places.iter().map(|place| (place.device.clone(), member(wave, place))));
            }
        }
        Event::WaveBegun { wave, at, .. } => {
            (state.phase, state.wave, state.began_at) = (Some(Phase::Running), *wave, *at);
            state.why.clear();
        }
        Event::Offered { device, before } => {
            turn(state, device, Outcome::Offered, "");
            if let Some(member) = state.members.get_mut(device) {
                member.before.clone_from(before);
            }
        }
        Event::Succeeded { device } => turn(state, device, Outcome::Succeeded, ""),
        Event::NotKept { device, outcome, why } => turn(state, device, *outcome, why),
        Event::Spared { device, why } => turn(state, device, Outcome::Spared, why),
        Event::Paused { why } => (state.phase, state.why) = (Some(Phase::Paused), why.clone()),
        Event::Stopped { why } => end(state, Phase::Stopped, why),
        Event::Cancelled { why } => end(state, Phase::Cancelled, why),
        Event::Finished => end(state, Phase::Finished, ""),
    }
}

fn member(wave: u16, place: &Place) -> Member {
    let (why, before) = (String::new(), String::new());
    Member { site: place.site.clone(), wave, outcome: Outcome::Waiting, why, before }
}

fn turn(state: &mut State, device: &str, outcome: Outcome, why: &str) {
    if let Some(member) = state.members.get_mut(device) {
        (member.outcome, member.why) = (outcome, why.into());
    }
}

/// Who still waits is spared.
fn end(state: &mut State, phase: Phase, why: &str) {
    (state.phase, state.why) = (Some(phase), why.into());
    for member in state.members.values_mut().filter(|member| member.outcome == Outcome::Waiting) {
        (member.outcome, member.why) = (Outcome::Spared, format!("the rollout is {phase}"));
    }
}
