//! The enforcement plan: what one device may send and receive, as an ordered list with one address
//! on each side, and nothing left to look up.
//!
//! A hub compiles it, a gate loads it, and [`Plan::judge`] says of a recorded packet what the plan
//! does with it and by which entry. The first entry that matches decides; what none matches is
//! dropped (RFC 8520 section 5). Its JSON is canonical, so that a digest names it.
mod json;
mod judge;
pub mod set;

pub use crate::mud::Direction;
pub use json::PlanRefused;
pub use judge::{By, Verdict};
pub use set::PlanSet;

use crate::packet::Mac;
use crate::prefix::{Family, Prefix, merged};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// The form of plan that we write and read.
pub const PLAN_VERSION: u8 = 1;

/// What one device may send and receive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Plan {
    /// [`PLAN_VERSION`].
    pub version: u8,
    /// The device's id.
    pub device: String,
    /// The MUD URL of the description that was compiled; empty without one.
    pub mud_url: String,
    /// The Ethernet addresses that the device sends from. Without one, its addresses alone tell.
    pub macs: Vec<Mac>,
    /// The addresses that are the device's.
    pub addresses: Vec<IpAddr>,
    /// How far the device is held back; not at all without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<Level>,
    /// The entries, in their order.
    pub entries: Vec<Entry>,
}

/// One entry of a plan. What is empty or absent matches everything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Entry {
    /// What it comes from: the names of an access list and its entry, `list/entry`, or of a default.
    pub id: String,
    /// Which way the packet goes.
    pub direction: Direction,
    /// Packets of which family.
    pub family: Family,
    /// What the device's side must be, in order; its own addresses if empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub device: Vec<Prefix>,
    /// What the other side must be: all of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remotes: Vec<Remote>,
    /// The protocol above IP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<u8>,
    /// The device's ports, as ranges with both ends, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub device_ports: Vec<(u16, u16)>,
    /// The other side's ports, as ranges with both ends, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remote_ports: Vec<(u16, u16)>,
    /// The type of an ICMP or ICMPv6 message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub icmp_type: Option<u8>,
    /// The code of an ICMP or ICMPv6 message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub icmp_code: Option<u8>,
    /// Who began the flow that the packet belongs to (RFC 8520 section 4.8).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initiated: Option<Direction>,
    /// What happens to the packet.
    pub action: Action,
}

/// One condition on the other side, and the addresses that it meant when the plan was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Remote {
    /// What sort of condition it is.
    pub kind: RemoteKind,
    /// The condition itself: a prefix, a name, a class.
    pub of: String,
    /// The addresses, none inside of another, in order. Without any the entry matches nothing.
    pub members: Vec<Prefix>,
}

/// What sort of condition a [`Remote`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RemoteKind {
    /// A prefix.
    Network,
    /// A DNS name.
    Name,
    /// A class of RFC 8520 sections 4.1 to 4.7, or of ours.
    Class,
}

/// How far a device is held back from its network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Nothing is blocked that was not before.
    Watched,
    /// It reaches its hub, the hosts that it gets updates from, and names.
    UpdateOnly,
    /// It reaches its hub.
    Isolated,
    /// It reaches nothing.
    Dark,
}

impl Level {
    /// All of them, the mildest first.
    pub const ALL: [Self; 4] = [Self::Watched, Self::UpdateOnly, Self::Isolated, Self::Dark];

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Watched => "watched",
            Self::UpdateOnly => "update-only",
            Self::Isolated => "isolated",
            Self::Dark => "dark",
        }
    }

    /// The level of this word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.word() == word)
    }

    /// Whether it takes away what the device's description allows.
    pub fn narrows(self) -> bool {
        self != Self::Watched
    }
}

/// What an entry does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Let the packet pass.
    Accept,
    /// Drop it.
    Drop,
}

impl Remote {
    /// A condition with its addresses put in order, none inside of another.
    pub fn new(kind: RemoteKind, of: impl Into<String>, members: impl IntoIterator<Item = Prefix>) -> Self {
        Self { kind, of: of.into(), members: merged(members) }
    }
}
