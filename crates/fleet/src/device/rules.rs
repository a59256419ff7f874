//! The stages of a life and what leads from one to another. Pure.
use crate::room::Reason;
use crate::time::Millis;
use crate::words;
use serde::{Deserialize, Serialize};
use std::fmt;

words! {
    /// Where a device is in its life.
    pub enum Stage {
        /// Announced by a delivery, a list or a birth record; not seen yet.
        Expected = "expected",
        /// Seen on a network, or its first request came; nobody has admitted it.
        Discovered = "discovered",
        /// Admitted; it gets its certificate.
        Onboarding = "onboarding",
        /// At work.
        Operational = "operational",
        /// Held back from the network, at one of the levels of quarantine.
        Quarantined = "quarantined",
        /// Given to a playbook.
        Remediation = "remediation",
        /// Its life here is over.
        Retired = "retired",
    }
}

/// What a device is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// What people call it; one in its organisation.
    pub name: String,
    /// Who makes it; empty when nobody said.
    pub maker: String,
    /// What its maker calls it; empty when nobody said.
    pub model: String,
    /// Its maker's serial number: the `serialNumber` of its IDevID.
    pub serial_number: String,
}

/// What is true of a device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Where it is in its life; `None` when nobody has heard of it.
    pub stage: Option<Stage>,
    /// What it is.
    pub identity: Identity,
    /// What a person should look at; empty when nothing.
    pub attention: String,
}

impl State {
    /// Whether it is at work, and nothing holds it back.
    pub fn is_operational(&self) -> bool {
        self.stage == Some(Stage::Operational)
    }

    /// Whether it has a certificate here and may be told what to do.
    pub fn is_at_work(&self) -> bool {
        matches!(self.stage, Some(Stage::Operational | Stage::Quarantined | Stage::Remediation))
    }
}

/// What may be asked of a device's life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// It was announced.
    Expect(Identity),
    /// It was seen; the identity counts if nobody had heard of it.
    Discover(Identity),
    /// A person or a rule lets it join.
    Admit,
    /// It has its certificate and reported well.
    Enrol,
    /// Hold it back.
    Hold,
    /// Let it go; whether its credentials are still good.
    Release {
        /// Whether its LDevID is still good.
        credentials_good: bool,
    },
    /// Give it to a playbook.
    BeginRemediation,
    /// The playbook helped.
    Heal,
    /// The playbook did not help.
    GiveUp {
        /// What a person should know.
        why: String,
    },
    /// End its life here.
    Retire {
        /// What a person should know.
        why: String,
    },
    /// Ownership was newly shown: a retired device begins again.
    Claim {
        /// With what it was shown.
        proof: String,
    },
    /// Call it something else.
    Rename {
        /// The new name.
        name: String,
    },
    /// What it showed no longer counts: it has to ask again.
    SendBack {
        /// What a person should know.
        why: String,
    },
}

/// *Stored.* What happened in a device's life: add variants, never change one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Event {
    /// It was announced.
    Expected {
        /// What it is.
        identity: Identity,
    },
    /// It was seen.
    Discovered {
        /// What it is, as far as known now.
        identity: Identity,
    },
    /// It may join.
    Admitted,
    /// It is at work.
    Enrolled,
    /// It is held back.
    Held,
    /// A person let it go: nobody has to look at it any more.
    Attended,
    /// It was let go.
    Released {
        /// Where to.
        to: Stage,
    },
    /// A playbook has it.
    RemediationBegun,
    /// The playbook helped.
    Healed,
    /// The playbook did not help.
    GivenUp {
        /// What a person should know.
        why: String,
    },
    /// Its life here ended.
    Retired {
        /// What a person should know.
        why: String,
    },
    /// It begins again.
    Claimed {
        /// With what ownership was shown.
        proof: String,
    },
    /// It is called something else.
    Renamed {
        /// The new name.
        name: String,
    },
    /// It has to ask again.
    SentBack {
        /// What a person should know.
        why: String,
    },
}

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Nobody has heard of it.
    Unknown,
    /// It is known already, at this stage.
    Known(Stage),
    /// Its stage does not allow it.
    WrongStage {
        /// The stage.
        is: Stage,
        /// The stages that would.
        wants: &'static [Stage],
    },
    /// It is retired: only a new claim brings it back.
    Retired,
}

impl Reason for Refusal {
    fn code(&self) -> &'static str {
        match self {
            Refusal::Unknown => "device-unknown",
            Refusal::Known(_) => "device-known",
            Refusal::WrongStage { .. } => "wrong-stage",
            Refusal::Retired => "device-retired",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Refusal::Unknown => f.write_str("nobody has heard of this device; expect it first"),
            Refusal::Known(stage) => write!(f, "the device is known already and is {stage}"),
            Refusal::WrongStage { is, wants } => {
                let wants: Vec<&str> = wants.iter().map(|stage| stage.as_str()).collect();
                write!(f, "the device is {is}; this needs it to be {}", wants.join(" or "))
            }
            Refusal::Retired => f.write_str("the device is retired; only a new claim brings it back"),
        }
    }
}

/// What happens when `command` is asked of a device in `state`.
///
/// # Errors
/// Why not.
pub fn decide(state: &State, command: Command, _now: Millis) -> Result<Vec<Event>, Refusal> {
    let event = match (command, state.stage) {
        (Command::Expect(identity), None) => Event::Expected { identity },
        (Command::Expect(_), Some(stage)) => return Err(Refusal::Known(stage)),
        (Command::Discover(identity), None) => Event::Discovered { identity },
        (Command::Discover(identity), Some(Stage::Expected)) => {
            // What was announced stays; who makes it is bound now, if nobody had said.
            let mut known = state.identity.clone();
            if known.maker.is_empty() {
                known.maker = identity.maker;
            }
            Event::Discovered { identity: known }
        }
        (Command::Discover(_), Some(Stage::Retired)) => return Err(Refusal::Retired),
        (Command::Discover(_), Some(stage)) => return Err(Refusal::Known(stage)),
        (_, None) => return Err(Refusal::Unknown),
        (command, Some(stage)) => known(state, stage, command)?,
    };
    if matches!(event, Event::Released { .. }) && !state.attention.is_empty() {
        return Ok(vec![event, Event::Attended]);
    }
    Ok(vec![event])
}

fn known(state: &State, stage: Stage, command: Command) -> Result<Event, Refusal> {
    let wants = |wants: &'static [Stage]| match stage {
        _ if wants.contains(&stage) => Ok(()),
        Stage::Retired => Err(Refusal::Retired),
        is => Err(Refusal::WrongStage { is, wants }),
    };
    match command {
        Command::Admit => wants(&[Stage::Discovered]).map(|()| Event::Admitted),
        Command::Enrol => wants(&[Stage::Onboarding]).map(|()| Event::Enrolled),
        Command::Hold => wants(&[Stage::Operational]).map(|()| Event::Held),
        Command::Release { credentials_good } => {
            let to = if credentials_good { Stage::Operational } else { Stage::Onboarding };
            wants(&[Stage::Quarantined]).map(|()| Event::Released { to })
        }
        Command::BeginRemediation => {
            wants(&[Stage::Operational, Stage::Quarantined]).map(|()| Event::RemediationBegun)
        }
        Command::Heal => wants(&[Stage::Remediation]).map(|()| Event::Healed),
        Command::GiveUp { why } => wants(&[Stage::Remediation]).map(|()| Event::GivenUp { why }),
        Command::Retire { .. } if stage == Stage::Retired => Err(Refusal::Retired),
        Command::Retire { why } => Ok(Event::Retired { why }),
        Command::Claim { proof } => match stage {
            Stage::Retired => Ok(Event::Claimed { proof }),
            is => Err(Refusal::WrongStage { is, wants: &[Stage::Retired] }),
        },
        Command::Rename { .. } if stage == Stage::Retired => Err(Refusal::Retired),
        Command::Rename { name } if name == state.identity.name => Err(Refusal::Known(stage)),
        Command::Rename { name } => Ok(Event::Renamed { name }),
        Command::SendBack { .. } if stage == Stage::Retired => Err(Refusal::Retired),
        Command::SendBack { why } => Ok(Event::SentBack { why }),
        Command::Expect(_) | Command::Discover(_) => Err(Refusal::Known(stage)),
    }
}

/// What an event does to a device.
pub fn apply(state: &mut State, event: &Event) {
    match event {
        Event::Expected { identity } => {
            (state.stage, state.identity) = (Some(Stage::Expected), identity.clone());
        }
        Event::Discovered { identity } => {
            (state.stage, state.identity) = (Some(Stage::Discovered), identity.clone());
        }
        Event::Admitted => state.stage = Some(Stage::Onboarding),
        Event::Enrolled | Event::Healed => {
            state.stage = Some(Stage::Operational);
            state.attention.clear();
        }
        Event::Attended => state.attention.clear(),
        Event::Held => state.stage = Some(Stage::Quarantined),
        Event::Released { to } => state.stage = Some(*to),
        Event::RemediationBegun => state.stage = Some(Stage::Remediation),
        Event::GivenUp { why } => {
            (state.stage, state.attention) = (Some(Stage::Quarantined), why.clone());
        }
        Event::Retired { .. } => {
            state.stage = Some(Stage::Retired);
            state.attention.clear();
        }
        Event::Claimed { .. } | Event::SentBack { .. } => state.stage = Some(Stage::Expected),
        Event::Renamed { name } => state.identity.name.clone_from(name),
    }
}
