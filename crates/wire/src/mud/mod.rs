//! MUD files: what a manufacturer says that a device of its own needs of the network (RFC 8520).
//!
//! The reader is strict: it holds a file to the YANG modules of RFC 8519 and RFC 8520 and says at
//! which node it breaks them. Nodes that it does not know are ignored and named in
//! [`MudFile::ignored`], so that an administrator can look (RFC 8520 section 14), except where
//! ignoring one would allow more than the file says: an unknown match or action refuses the file,
//! which RFC 8520 section 2 leaves to us.
mod read;
mod signature;
mod write;

pub use signature::{MudSignature, SignatureRefused, check_signature, sign};

use crate::json::JsonRefused;
use crate::limits::MUD_FILE_BYTES_MAX;
use crate::prefix::{Family, Prefix};

/// Media type of a MUD file, RFC 8520 section 17.5.
pub const MEDIA_TYPE: &str = "application/mud+json";

/// Media type of its signature, RFC 8520 section 13.1.
pub const SIGNATURE_MEDIA_TYPE: &str = "application/pkcs7-signature";

/// The version of the specification that we read and write, RFC 8520 section 3.1.
pub const MUD_VERSION: u64 = 1;

/// The class of hosts that answer for names, RFC 8520 section 17.7.
pub const DNS_CLASS: &str = "urn:ietf:params:mud:dns";

/// The class of hosts that tell the time, RFC 8520 section 17.7.
pub const NTP_CLASS: &str = "urn:ietf:params:mud:ntp";

/// A MUD file. Times are in Unix milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MudFile {
    /// mud-url: which file this is; it uses https (RFC 8520 section 6).
    pub mud_url: String,
    /// last-update: when the file was made.
    pub last_update: i64,
    /// mud-signature: where the signature over the file is.
    pub mud_signature: Option<String>,
    /// cache-validity: how long to wait before looking again; 48 if the file says nothing.
    pub cache_validity_hours: u8,
    /// is-supported: whether the manufacturer still looks after the device.
    pub is_supported: bool,
    /// systeminfo: what the device is, for people.
    pub systeminfo: Option<String>,
    /// mfg-name: who makes it.
    pub mfg_name: Option<String>,
    /// model-name: which model it is.
    pub model_name: Option<String>,
    /// firmware-rev: only where the MUD URL changes with it (RFC 8520 section 3.8).
    pub firmware_rev: Option<String>,
    /// software-rev: as firmware-rev.
    pub software_rev: Option<String>,
    /// documentation: where people may read more. Nothing fetches it.
    pub documentation: Option<String>,
    /// extensions: the names of those that the file uses. We know none.
    pub extensions: Vec<String>,
    /// from-device-policy: the lists that packets of the device are held against, in their order.
    pub from_device: Vec<AccessList>,
    /// to-device-policy: the lists that packets for the device are held against, in their order.
    pub to_device: Vec<AccessList>,
    /// The paths of the nodes that the reader did not know and ignored. Not written.
    pub ignored: Vec<String>,
}

/// An access list (RFC 8519): the first entry that matches decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessList {
    /// Its name in the file.
    pub name: String,
    /// Packets of which family it is about: its type.
    pub family: Family,
    /// The entries, in their order.
    pub entries: Vec<Ace>,
}

/// An access control entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ace {
    /// Its name in the list.
    pub name: String,
    /// What a packet must be; all of it (RFC 8520 section 2.1).
    pub matches: Matches,
    /// What happens to it.
    pub action: Action,
}

/// What an entry does with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Let it pass.
    Accept,
    /// Drop it.
    Drop,
    /// Drop it; whether its sender is told is the network's decision (RFC 8520 section 2).
    Reject,
}

/// Which way a packet goes, or which side began a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// The device sends.
    FromDevice,
    /// The device receives.
    ToDevice,
}

/// The conditions of an entry; those that are absent match everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Matches {
    /// manufacturer: things whose MUD URL has this authority (RFC 8520 section 4.1).
    pub manufacturer: Option<String>,
    /// same-manufacturer: things whose MUD URL has the authority of this one's.
    pub same_manufacturer: bool,
    /// model: things with exactly this MUD URL.
    pub model: Option<String>,
    /// local-networks: what the administrator calls local.
    pub local_networks: bool,
    /// controller: hosts that are registered for this class.
    pub controller: Option<String>,
    /// my-controller: hosts that are registered for this MUD URL.
    pub my_controller: bool,
    /// src-dnsname: hosts of this name; never in a list from the device (RFC 8520 section 8.2).
    pub source_dnsname: Option<String>,
    /// dst-dnsname: hosts of this name; never in a list to the device.
    pub destination_dnsname: Option<String>,
    /// source-ipv4-network or source-ipv6-network.
    pub source_network: Option<Prefix>,
    /// destination-ipv4-network or destination-ipv6-network.
    pub destination_network: Option<Prefix>,
    /// protocol: the number above IP.
    pub protocol: Option<u8>,
    /// What is above IP.
    pub transport: Option<Transport>,
}

/// Conditions on the header above IP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// TCP.
    Tcp {
        /// source-port.
        source_port: Option<Ports>,
        /// destination-port.
        destination_port: Option<Ports>,
        /// direction-initiated: which side began the connection (RFC 8520 section 4.8).
        initiated: Option<Direction>,
    },
    /// UDP.
    Udp {
        /// source-port.
        source_port: Option<Ports>,
        /// destination-port.
        destination_port: Option<Ports>,
    },
    /// ICMP, or ICMPv6 in a list for IPv6.
    Icmp {
        /// type.
        kind: Option<u8>,
        /// code.
        code: Option<u8>,
    },
}

/// Ports: a range, or one with an operator (RFC 8519, module ietf-packet-fields).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ports {
    /// lower-port to upper-port, both included.
    Range(u16, u16),
    /// This port.
    Eq(u16),
    /// Every port but this.
    Neq(u16),
    /// This port and those below.
    Lte(u16),
    /// This port and those above.
    Gte(u16),
}

impl MudFile {
    /// The authority of the MUD URL: the manufacturer that `manufacturer` and `same-manufacturer`
    /// mean.
    pub fn authority(&self) -> &str {
        authority(&self.mud_url).unwrap_or_default()
    }

    /// The access lists of a direction.
    pub fn lists(&self, direction: Direction) -> &[AccessList] {
        match direction {
            Direction::FromDevice => &self.from_device,
            Direction::ToDevice => &self.to_device,
        }
    }
}

/// The authority of an https URL, as it stands.
pub fn authority(url: &str) -> Option<&str> {
    let rest = url.strip_prefix("https://")?;
    let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    (!authority.is_empty()).then_some(authority)
}

impl Action {
    const ALL: [Self; 3] = [Self::Accept, Self::Drop, Self::Reject];

    /// The identity in the file.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Drop => "drop",
            Self::Reject => "reject",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.word() == word)
    }
}

impl Direction {
    /// Both.
    pub const ALL: [Self; 2] = [Self::FromDevice, Self::ToDevice];

    /// The word in the file.
    pub const fn word(self) -> &'static str {
        match self {
            Self::FromDevice => "from-device",
            Self::ToDevice => "to-device",
        }
    }

    /// The direction of a word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|direction| direction.word() == word)
    }
}

impl Ports {
    /// The ports as ranges, both ends included: none, one or two.
    pub fn ranges(self) -> Vec<(u16, u16)> {
        let below = |port: u16| port.checked_sub(1).map(|last| (0, last));
        let above = |port: u16| port.checked_add(1).map(|first| (first, u16::MAX));
        match self {
            Self::Range(lower, upper) => vec![(lower, upper)],
            Self::Eq(port) => vec![(port, port)],
            Self::Neq(port) => below(port).into_iter().chain(above(port)).collect(),
            Self::Lte(port) => vec![(0, port)],
            Self::Gte(port) => vec![(port, u16::MAX)],
        }
    }
}

/// Why a MUD file was refused or cannot be written. Whoever made the file is to blame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MudRefused {
    /// No JSON, and where it breaks; or over [`MUD_FILE_BYTES_MAX`].
    #[error("the MUD file is no JSON of at most {MUD_FILE_BYTES_MAX} bytes: {0}")]
    Json(#[from] JsonRefused),
    /// A node that must be there is not.
    #[error("the MUD file lacks {path}: {why}")]
    Missing {
        /// Where it should be.
        path: String,
        /// Who says that it must be there.
        why: &'static str,
    },
    /// A node is not what it must be.
    #[error("in the MUD file, {path} is not {wanted}")]
    Node {
        /// Where it stands.
        path: String,
        /// What it must be, and by which clause.
        wanted: &'static str,
    },
    /// More of something than we take.
    #[error("in the MUD file, {path} has over {most} entries")]
    TooMany {
        /// Where it stands.
        path: String,
        /// How many we take.
        most: usize,
    },
}
