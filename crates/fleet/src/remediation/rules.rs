//! Playbooks, their tries, and posts. Pure.
use crate::limits::{PLAYBOOK_STEP_SECONDS_MAX, PLAYBOOK_STEPS_MAX, PLAYBOOK_TRIES_MAX};
use crate::refusal::Sort;
use crate::room::Reason;
use crate::time::Millis;
use crate::words;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

words! {
    /// What may mend a device.
    pub enum Action {
        /// Start it anew.
        Restart = "restart",
        /// Give it the configuration that it should have.
        ReapplyConfiguration = "re-apply-configuration",
        /// Install the firmware anew that it should have.
        Reinstall = "re-install",
        /// Bring it back to what it was when it left its factory.
        FactoryReset = "factory-reset",
        /// Leave it to a person.
        GiveUp = "give-up",
    }
}

impl Action {
    /// Whether an agent can be told so.
    pub fn is_there(self) -> bool {
        self != Action::FactoryReset
    }
}

/// One operation of a playbook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// What.
    pub action: Action,
    /// How often.
    pub tries: u8,
    /// How long each try may take.
    pub seconds: u32,
}

/// A list of operations, of which each is tried when those before it did not help.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Playbook(Vec<Step>);

impl Playbook {
    /// What it does, in this order.
    pub fn steps(&self) -> &[Step] {
        &self.0
    }

    /// The try after `tried` tries of the operation at `place`; giving up when nothing is left.
    fn next(&self, place: usize, tried: u8, now: Millis) -> Event {
        match self.0.get(place) {
            Some(Step { action, tries, seconds }) if *action != Action::GiveUp && tried < *tries => {
                let (place, deadline) =
                    (u8::try_from(place).unwrap_or(u8::MAX), now.plus_seconds((*seconds).into()));
                Event::Tried { place, attempt: tried + 1, action: *action, at: now, deadline }
            }
            Some(Step { action, .. }) if *action != Action::GiveUp => self.next(place + 1, 0, now),
            _ => Event::GivenUp { why: format!("nothing of its playbook helped: {self}") },
        }
    }
}

impl fmt::Display for Playbook {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let step = |Step { action, tries, seconds }: &Step| match action {
            Action::GiveUp => action.to_string(),
            _ => format!("{action}:{tries}:{seconds}"),
        };
        f.write_str(&self.0.iter().map(step).collect::<Vec<_>>().join(","))
    }
}

impl From<Playbook> for String {
    fn from(playbook: Playbook) -> String {
        playbook.to_string()
    }
}

impl TryFrom<String> for Playbook {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl FromStr for Playbook {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let steps: Vec<Step> =
            text.split(',').take(PLAYBOOK_STEPS_MAX + 1).map(step).collect::<Result<_, _>>()?;
        if steps.len() > PLAYBOOK_STEPS_MAX {
            return Err(format!("a playbook has at most {PLAYBOOK_STEPS_MAX} operations"));
        }
        Ok(Playbook(steps))
    }
}

/// `ACTION:TRIES:SECONDS`, or `give-up`.
fn step(text: &str) -> Result<Step, String> {
    let mut parts = text.split(':');
    let action: Action = parts.next().unwrap_or_default().parse()?;
    if action == Action::GiveUp && parts.clone().next().is_none() {
        return Ok(Step { action, tries: 1, seconds: 1 });
    }
    let wrong = || {
        format!(
            "`{text}`: write ACTION:TRIES:SECONDS, with 1 to {PLAYBOOK_TRIES_MAX} tries of 1 to \
             {PLAYBOOK_STEP_SECONDS_MAX} seconds"
        )
    };
    let mut number = |most: u32| {
        let number = parts.next().and_then(|part| part.parse::<u32>().ok());
        number.filter(|number| (1..=most).contains(number)).ok_or_else(wrong)
    };
    let (tries, seconds) = (number(PLAYBOOK_TRIES_MAX.into())?, number(PLAYBOOK_STEP_SECONDS_MAX)?);
    match (parts.next(), u8::try_from(tries)) {
        (None, Ok(tries)) => Ok(Step { action, tries, seconds }),
        _ => Err(wrong()),
    }
}

/// What is being tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trying {
    /// By which playbook.
    pub playbook: Playbook,
    /// Which operation of it, from 0.
    pub place: u8,
    /// The how many-th try of it, from 1.
    pub attempt: u8,
    /// Since when.
    pub since: Millis,
    /// Until when it may help.
    pub deadline: Millis,
}

/// What is true of a device's remediation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// What is being tried; nothing when nothing is.
    pub trying: Option<Trying>,
    /// The id of the device that took over its post; empty while it has one.
    pub replaced_by: String,
    /// The id of the device whose post it took over; empty when it did not.
    pub stands_for: String,
}

/// What may be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Try to mend it.
    Begin(Playbook),
    /// It reported after the try began, and all is as it should be.
    Well,
    /// What is tried was carried out, or could not be, and it is not well.
    Done {
        /// It was carried out.
        succeeded: bool,
    },
    /// Look at the deadline.
    Expire,
    /// A person tries no longer.
    GiveUp {
        /// Why.
        why: String,
    },
    /// Another device takes over its post.
    HandOver {
        /// The other's id.
        to: String,
        /// What the post is called.
        post: String,
    },
    /// It takes over the post of another device.
    TakeOver {
        /// The other's id.
        from: String,
        /// What the post is called.
        post: String,
    },
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
    /// It is to be mended.
    Begun {
        /// How.
        playbook: Playbook,
    },
    /// A try began.
    Tried {
        /// Which operation of the playbook, from 0.
        place: u8,
        /// The how many-th try of it, from 1.
        attempt: u8,
        /// What it is.
        action: Action,
        /// When.
        at: Millis,
        /// Until when it may help.
        deadline: Millis,
    },
    /// It is well.
    Healed,
    /// It is left to a person.
    GivenUp {
        /// Why.
        why: String,
    },
    /// Another device took over its post.
    HandedOver {
        /// The other's id.
        to: String,
        /// What the post is called.
        post: String,
    },
    /// It took over the post of another device.
    TookOver {
        /// The other's id.
        from: String,
        /// What the post is called.
        post: String,
    },
    /// Its life here is over, or begins anew.
    Ended {
        /// Why.
        why: String,
    },
}

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is being mended.
    Trying,
    /// It is not being mended.
    Idle,
    /// No agent can be told so.
    NotYet(Action),
    /// Another device has its post.
    Replaced,
    /// It holds the post of another device.
    HasAPost,
}

impl Reason for Refusal {
    fn code(&self) -> &'static str {
        match self {
            Refusal::Trying => "remediation-running",
            Refusal::Idle => "remediation-not-running",
            Refusal::NotYet(_) => "action-not-yet",
            Refusal::Replaced => "already-replaced",
            Refusal::HasAPost => "has-a-post",
        }
    }

    fn sort(&self) -> Sort {
        match self {
            Refusal::NotYet(_) => Sort::NotYet,
            _ => Sort::Conflict,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Refusal::Trying => f.write_str("a playbook is at work on the device; give it up first"),
            Refusal::Idle => f.write_str("no playbook is at work on the device"),
            Refusal::NotYet(action) => {
                write!(f, "no agent can be told to `{action}` yet; leave it out of the playbook")
            }
            Refusal::Replaced => f.write_str("another device took over the post of this one"),
            Refusal::HasAPost => f.write_str("the device took over a post already; choose another spare"),
        }
    }
}

/// What happens when `command` is asked of a device in `state`.
///
/// # Errors
/// Why not.
pub fn decide(state: &State, command: Command, now: Millis) -> Result<Vec<Event>, Refusal> {
    let idle = *state == State::default();
    match (command, &state.trying) {
        (Command::Begin(_), Some(_)) => Err(Refusal::Trying),
        (Command::Begin(playbook), None) => begin(playbook, now),
        (Command::Well, Some(_)) => Ok(vec![Event::Healed]),
        (Command::Expire, Some(trying)) if trying.deadline < now => {
            Ok(vec![trying.playbook.next(trying.place.into(), trying.attempt, now)])
        }
        (Command::Done { succeeded }, Some(trying)) => Ok(at_once(trying, succeeded, now)),
        (Command::GiveUp { why }, Some(_)) => Ok(vec![Event::GivenUp { why }]),
        (Command::GiveUp { .. }, None) => Err(Refusal::Idle),
        (Command::HandOver { .. } | Command::TakeOver { .. }, _) if !state.replaced_by.is_empty() => {
            Err(Refusal::Replaced)
        }
        (Command::HandOver { to, post }, _) => Ok(vec![Event::HandedOver { to, post }]),
        (Command::TakeOver { .. }, _) if !state.stands_for.is_empty() => Err(Refusal::HasAPost),
        (Command::TakeOver { from, post }, _) => Ok(vec![Event::TookOver { from, post }]),
        (Command::End { why }, _) if !idle => Ok(vec![Event::Ended { why }]),
        (Command::Well | Command::Done { .. } | Command::Expire | Command::End { .. }, _) => Ok(vec![]),
    }
}

/// The next try need not wait for the deadline; giving up does.
fn at_once(trying: &Trying, succeeded: bool, now: Millis) -> Vec<Event> {
    // What was carried out and did not help is not tried again.
    let tried = if succeeded { u8::MAX } else { trying.attempt };
    match trying.playbook.next(trying.place.into(), tried, now) {
        Event::GivenUp { .. } => vec![],
        next => vec![next],
    }
}

fn begin(playbook: Playbook, now: Millis) -> Result<Vec<Event>, Refusal> {
    if let Some(step) = playbook.steps().iter().find(|step| !step.action.is_there()) {
        return Err(Refusal::NotYet(step.action));
    }
    let first = playbook.next(0, 0, now);
    Ok(vec![Event::Begun { playbook }, first])
}

/// What an event does.
pub fn apply(state: &mut State, event: &Event) {
    match event {
        Event::Begun { playbook } => {
            let (playbook, never) = (playbook.clone(), Millis(0));
            state.trying = Some(Trying { playbook, place: 0, attempt: 0, since: never, deadline: never });
        }
        Event::Tried { place, attempt, at, deadline, .. } => {
            if let Some(trying) = &mut state.trying {
                (trying.place, trying.attempt) = (*place, *attempt);
                (trying.since, trying.deadline) = (*at, *deadline);
            }
        }
        Event::Healed | Event::GivenUp { .. } => state.trying = None,
        Event::HandedOver { to, .. } => state.replaced_by.clone_from(to),
        Event::TookOver { from, .. } => state.stands_for.clone_from(from),
        Event::Ended { .. } => *state = State::default(),
    }
}
