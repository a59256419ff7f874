//! Plans in the kernel's packet filter: the text of a ruleset, loading it, and what it counted.
//!
//! One `inet` table with one base chain. A packet goes through the chain of the device that sent it and
//! the chain of the device that it is for; each holds that device's entries in their order, so that the
//! first that matches decides, and ends with "drop". To find a device's chain is one look into a map.
mod run;
mod text;

pub use run::{Counters, Nft, NftFailed};
pub use text::{RulesetRefused, comment, ruleset};

/// The name of the table: the gate's, whole.
pub const TABLE: &str = "steward";
