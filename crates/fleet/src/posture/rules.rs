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
    /// When the support of its product ended, and who says so; nothing while it is supported, as far as
    /// anybody said.
    pub support_ended: Option<(Millis, String)>,
}

/// Why a device fails a check; nothing when it passes.
pub fn failing(check: Check, facts: &Facts) -> Option<String> {
    match check {
        Check::GoodLdevid if facts.good_ldevids > 0 => None,
        Check::GoodLdevid => Some("it has no LDevID that is good now; it has to renew, or join again".into()),
        Check::ActivePlan if facts.has_plan => None,
        Check::ActivePlan => Some("no plan of what it may reach is active; `access show` says why".into()),
        Check::Supported => facts.support_ended.as_ref().map(|(at, source)| {
            let source = if source.is_empty() { "what was entered" } else { source };
            format!(
                "the support of its product ended at {at}, by {source}; replace it, or `retirement begin`"
            )
        }),
    }
}
