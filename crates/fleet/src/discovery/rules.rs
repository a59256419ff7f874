//! The rules of statements. Pure.
use crate::refusal::Sort;
use crate::room::Reason;
use crate::time::Millis;
use crate::words;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

words! {
    /// How far a statement is believed; a weaker one never overrides a stronger one.
    pub enum Assurance {
        /// Anyone on the wire can say it: DHCP, LLDP, multicast.
        Heard = "heard",
        /// Traffic shows it.
        Observed = "observed",
        /// A person said it.
        Entered = "entered",
        /// Its maker signed it: the IDevID.
        Signed = "signed",
        /// An attestation result says it.
        Attested = "attested",
    }
}

/// Somebody says which description belongs to a device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// The MUD URL.
    pub mud_url: String,
    /// The maker, by its anchor: whose servers and signers are believed.
    pub maker: String,
    /// Who says it.
    pub source: String,
}

/// What is said of a device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// The last statement of each assurance.
    pub statements: BTreeMap<Assurance, Statement>,
    /// How statements contradict each other; empty when they do not.
    pub finding: String,
    /// Why the device may join without a verified description; empty when it may not.
    pub waived: String,
}

impl State {
    /// The statement that counts.
    pub fn believed(&self) -> Option<(Assurance, &Statement)> {
        self.statements.last_key_value().map(|(assurance, statement)| (*assurance, statement))
    }
}

/// What may be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Somebody says something.
    State {
        /// How far it is believed.
        assurance: Assurance,
        /// What.
        statement: Statement,
    },
    /// The device may join without a verified description.
    Waive {
        /// Why.
        why: String,
    },
}

/// *Stored.* What happened: add variants, never change one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Event {
    /// Somebody said something.
    Stated {
        /// How far it is believed.
        assurance: Assurance,
        /// What.
        statement: Statement,
    },
    /// Statements contradict each other.
    Contradicted {
        /// How, and which one counts.
        finding: String,
    },
    /// The device may join without a verified description.
    DescriptionWaived {
        /// Why.
        why: String,
    },
}

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Nobody named a description.
    NothingStated,
}

impl Reason for Refusal {
    fn code(&self) -> &'static str {
        "no-description"
    }

    fn sort(&self) -> Sort {
        Sort::NotFound
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("nobody has named a description of this device; `description enter` does")
    }
}

/// What happens when `command` is asked of what is said of a device.
///
/// # Errors
/// Why not.
pub fn decide(state: &State, command: Command, _now: Millis) -> Result<Vec<Event>, Refusal> {
    match command {
        Command::State { assurance, statement } if state.statements.get(&assurance) == Some(&statement) => {
            Ok(vec![])
        }
        Command::State { assurance, statement } => {
            let stated = Event::Stated { assurance, statement };
            let mut after = state.clone();
            apply(&mut after, &stated);
            let finding = contradiction(&after);
            let mut events = vec![stated];
            if !finding.is_empty() && finding != after.finding {
                events.push(Event::Contradicted { finding });
            }
            Ok(events)
        }
        Command::Waive { .. } if state.statements.is_empty() => Err(Refusal::NothingStated),
        Command::Waive { why } if why == state.waived => Ok(vec![]),
        Command::Waive { why } => Ok(vec![Event::DescriptionWaived { why }]),
    }
}

/// How the statements differ; empty when they do not.
fn contradiction(state: &State) -> String {
    let urls: BTreeSet<&str> = state.statements.values().map(|s| s.mud_url.as_str()).collect();
    let Some((counts, _)) = state.believed().filter(|_| urls.len() > 1) else { return String::new() };
    let said = state.statements.iter().rev();
    let said: Vec<String> = said.map(|(a, s)| format!("{} ({a}, by {})", s.mud_url, s.source)).collect();
    format!("different descriptions are named: {}; the one that is {counts} counts", said.join(", "))
}

/// What an event does.
pub fn apply(state: &mut State, event: &Event) {
    match event {
        Event::Stated { assurance, statement } => {
            let before = state.believed().map(|(_, statement)| statement.mud_url.clone());
            state.statements.insert(*assurance, statement.clone());
            if before != state.believed().map(|(_, statement)| statement.mud_url.clone()) {
                // What was approved was another description.
                state.waived.clear();
            }
            if contradiction(state).is_empty() {
                state.finding.clear();
            }
        }
        Event::Contradicted { finding } => state.finding.clone_from(finding),
        Event::DescriptionWaived { why } => state.waived.clone_from(why),
    }
}
