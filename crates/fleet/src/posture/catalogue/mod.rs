//! **Requirements** as data. The ids are those of their publishers; the words are ours, and no text of
//! theirs. Part of posture.
//!
//! EN 303 645 by provision, NIST IR 8259A by the name of the capability, which NIST SP 800-213A has too, the
//! Cyber Resilience Act (Regulation (EU) 2024/2847) by the point of its annex I. NIST's names were compared
//! with NIST's own catalogue. The others were compared with documents that quote their text word by word
//! (draft-moran-iot-nets for EN 303 645), not with what ETSI and the Official Journal publish.
use super::rules::Check;

/// How a requirement is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// By looking at the fleet.
    Check(Check),
    /// By a person, with this.
    Person(&'static str),
}

/// A requirement.
#[derive(Clone, Copy, Debug)]
pub struct Requirement {
    /// Our name of it.
    pub name: &'static str,
    /// In one line.
    pub what: &'static str,
    /// Where it comes from: publisher and id.
    pub ids: &'static [&'static str],
    /// How it is checked.
    pub by: By,
}

/// The catalogue, by name.
pub const REQUIREMENTS: &[Requirement] = &[
    Requirement {
        name: "described",
        what: "what a device may reach is written down and enforced",
        ids: &["CRA Annex I Part I (2)(j)", "EN 303 645 5.6-1", "NIST IR 8259A Logical Access to Interfaces"],
        by: By::Check(Check::ActivePlan),
    },
    Requirement {
        name: "erasable",
        what: "whoever gives a device away can have its data and keys destroyed",
        ids: &["CRA Annex I Part I (2)(m)", "EN 303 645 5.11-1", "NIST IR 8259A Data Protection"],
        by: By::Person(
            "`retirement begin`, then `retirement export`: the device's last report says what it wiped",
        ),
    },
    Requirement {
        name: "identified",
        what: "every device proves with a key of its own who it is",
        ids: &["EN 303 645 5.4-4", "NIST IR 8259A Device Identification"],
        by: By::Check(Check::GoodLdevid),
    },
    Requirement {
        name: "supported",
        what: "the maker still looks after the product, until a date that is known",
        ids: &["EN 303 645 5.3-13", "NIST IR 8259A Software Update"],
        by: By::Check(Check::Supported),
    },
    Requirement {
        name: "watched",
        what: "what was done to a device can be read later and was not changed since",
        ids: &["CRA Annex I Part I (2)(l)", "NIST IR 8259A Cybersecurity State Awareness"],
        by: By::Person("`audit verify` names the first entry that was changed"),
    },
];

/// The requirement with this name.
pub fn requirement(name: &str) -> Option<&'static Requirement> {
    REQUIREMENTS.iter().find(|requirement| requirement.name == name)
}
