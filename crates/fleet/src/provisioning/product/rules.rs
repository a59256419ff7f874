//! The rules of products. Pure.
use crate::refusal::Sort;
use crate::room::Reason;
use crate::time::Millis;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What the IDevIDs of a product say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Template {
    /// The kind of hardware: an object identifier under the maker's arc, as `1.3.6.1.4.1.…`.
    pub hardware_type: String,
    /// Where its description is; empty when it has none.
    pub mud_url: String,
    /// Where its manufacturer's service is; empty when it has none.
    pub masa_url: String,
}

/// What is true of a product.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// What its IDevIDs say; `None` when nobody added it.
    pub template: Option<Template>,
    /// Nothing of it is born any more.
    pub discontinued: bool,
}

/// What may be asked of a product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Offer it.
    Add(Template),
    /// Let nothing of it be born any more.
    Discontinue,
}

/// *Stored.* What happened: add variants, never change one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Event {
    /// It is offered.
    ProductAdded {
        /// What its IDevIDs say.
        template: Template,
    },
    /// Nothing of it is born any more.
    ProductDiscontinued,
}

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Nobody added it.
    Unknown,
    /// It was added before.
    Known,
    /// It is discontinued.
    Discontinued,
}

impl Reason for Refusal {
    fn code(&self) -> &'static str {
        match self {
            Refusal::Unknown => "product-unknown",
            Refusal::Known => "product-known",
            Refusal::Discontinued => "product-discontinued",
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
        f.write_str(match self {
            Refusal::Unknown => "no product has this name; `product list` shows them",
            Refusal::Known => "a product of this name exists; what its devices carry cannot be changed",
            Refusal::Discontinued => "the product is discontinued",
        })
    }
}

/// What happens when `command` is asked of a product in `state`.
///
/// # Errors
/// Why not.
pub fn decide(state: &State, command: Command, _now: Millis) -> Result<Vec<Event>, Refusal> {
    match (command, &state.template) {
        (Command::Add(template), None) => Ok(vec![Event::ProductAdded { template }]),
        (Command::Add(_), Some(_)) => Err(Refusal::Known),
        (Command::Discontinue, None) => Err(Refusal::Unknown),
        (Command::Discontinue, Some(_)) if state.discontinued => Err(Refusal::Discontinued),
        (Command::Discontinue, Some(_)) => Ok(vec![Event::ProductDiscontinued]),
    }
}

/// What an event does to a product.
pub fn apply(state: &mut State, event: &Event) {
    match event {
        Event::ProductAdded { template } => state.template = Some(template.clone()),
        Event::ProductDiscontinued => state.discontinued = true,
    }
}
