//! What may be asked of the clock.
use super::Clock;
use super::rules::{Command, Place};
use crate::audit::store::lane_list;
use crate::operation::{Kind, Operation};
use crate::permission::Permission;
use crate::refusal::Refusal;
use crate::room::Cx;
use crate::text::Label;
use crate::time::Shown;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A clock that was accepted.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct ClockView {
    /// What the hub's clock said.
    pub accepted_at: Shown,
    /// The time of the newest journal entry that does not count any more.
    pub newest: Shown,
    /// Why it was accepted.
    pub why: String,
}

/// Say that the hub's clock is right although the journal has entries of a time to come
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Accept {
    /// Why, for whoever reads the journal later
    #[schemars(example = &"the clock was a year ahead until noon")]
    pub why: Label,
}

impl Operation for Accept {
    const NAME: &'static str = "clock accept";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Administer;
    type Answer = ClockView;

    fn run(&self, cx: &mut Cx) -> Result<ClockView, Refusal> {
        let places = lane_list(cx.tx)?.into_iter().map(|head| Place { lane: head.lane, seq: head.seq });
        let accept =
            Command::Accept { why: self.why.to_string(), newest: cx.newest(), places: places.collect() };
        let subject = cx.subject("", "clock");
        let state = cx.change::<Clock>(&subject, accept)?;
        cx.accept_clock();
        let (accepted_at, newest) = (Shown(state.accepted_at), Shown(state.newest));
        Ok(ClockView { accepted_at, newest, why: state.why })
    }
}
