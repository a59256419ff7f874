//! What makes a device fail a check. Pure.
use crate::time::Millis;
use crate::words;

words! {
    /// What is looked at in the fleet.
    pub enum Check {
        /// Every device at work has an LDevID that is good now.
        GoodLdevid = "good-ldevid",
        /// Every device at work has an active plan of what it may reach.
        ActivePlan = "active-plan",
        /// No device at work is of a product whose support has ended.
        Supported = "supported",
    }
}

/// What is known of a device at work.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// LDevIDs that are good now.
    pub good_ldevids: i64,
    /// A plan of what it may reach is active.
    pub has_plan: bool,
    /// Until when its product is supported, if anybody said so.
    pub supported_until: Option<Millis>,
}

/// Why a device fails a check; nothing when it passes.
pub fn failing(check: Check, facts: &Facts, now: Millis) -> Option<String> {
    match check {
        Check::GoodLdevid if facts.good_ldevids > 0 => None,
        Check::GoodLdevid => Some("it has no LDevID that is good now; it has to renew, or join again".into()),
        Check::ActivePlan if facts.has_plan => None,
        Check::ActivePlan => Some("no plan of what it may reach is active; `access show` says why".into()),
        Check::Supported => facts.supported_until.filter(|until| *until < now).map(|until| {
            format!("the support of its product ended at {until}; replace it, or `retirement begin`")
        }),
    }
}
