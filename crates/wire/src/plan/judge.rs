//! What a plan does with a packet.
use super::{Action, Entry, Level, Plan};
use crate::mud::Direction;
use crate::packet::{Content, Datagram, Packet, Segment};
use crate::prefix::Family;
use std::fmt;
use std::net::IpAddr;

/// What happens to a packet, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it passes.
    pub action: Action,
    /// Who says so.
    pub by: By,
}

/// Who decided about a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum By {
    /// The entry of this id.
    Entry(String),
    /// No entry matched: anything not explicitly permitted is denied (RFC 8520 section 5).
    Default(Direction),
    /// The device is held back, and what is left to it does not match.
    Held(Level),
    /// The device sent it from an address that is not its own.
    ForeignAddress,
    /// Address resolution, without which nothing on the link is reached.
    Arp,
    /// The packet is neither from the device nor for it: this plan says nothing.
    NotConcerned,
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Entry(id) => f.write_str(id),
            Self::Default(direction) => write!(f, "default/{}", direction.word()),
            Self::Held(level) => write!(f, "quarantine/{}", level.word()),
            Self::ForeignAddress => f.write_str("default/foreign-address"),
            Self::Arp => f.write_str("default/arp"),
            Self::NotConcerned => f.write_str("not-concerned"),
        }
    }
}

impl Plan {
    /// Judges a packet.
    ///
    /// `begun_by` says which side began the flow that the packet belongs to; nothing when the packet
    /// itself begins one.
    pub fn judge(&self, packet: &Packet, begun_by: Option<Direction>) -> Verdict {
        let Some(direction) = self.direction_of(packet) else {
            return Verdict { action: Action::Accept, by: By::NotConcerned };
        };
        match &packet.content {
            Content::Ip(datagram) => self.judge_datagram(datagram, direction, begun_by.unwrap_or(direction)),
            Content::Arp => Verdict { action: Action::Accept, by: By::Arp },
            Content::Other(_) => Verdict { action: Action::Drop, by: self.default_of(direction) },
        }
    }

    fn judge_datagram(&self, datagram: &Datagram, direction: Direction, begun_by: Direction) -> Verdict {
        let matches = |entry: &&Entry| {
            entry.direction == direction
                && entry.initiated.is_none_or(|side| side == begun_by)
                && self.matches(entry, datagram)
        };
        if let Some(entry) = self.entries.iter().find(matches) {
            return Verdict { action: entry.action, by: By::Entry(entry.id.clone()) };
        }
        let (device, _) = sides(datagram, direction);
        let by = match direction {
            Direction::FromDevice if !self.addresses.contains(&device) => By::ForeignAddress,
            _ => self.default_of(direction),
        };
        Verdict { action: Action::Drop, by }
    }

    /// Who drops what no entry matches.
    fn default_of(&self, direction: Direction) -> By {
        self.level.filter(|level| level.narrows()).map_or(By::Default(direction), By::Held)
    }

    /// Which way the packet goes, seen from the device: by its Ethernet address if that is known.
    pub fn direction_of(&self, packet: &Packet) -> Option<Direction> {
        let addresses = match &packet.content {
            Content::Ip(datagram) => Some((datagram.source, datagram.destination)),
            _ => None,
        };
        let is_sender = match self.macs.as_slice() {
            [] => addresses.is_some_and(|(source, _)| self.addresses.contains(&source)),
            macs => macs.contains(&packet.source_mac),
        };
        if is_sender {
            return Some(Direction::FromDevice);
        }
        let is_receiver = self.macs.contains(&packet.destination_mac)
            || addresses.is_some_and(|(_, destination)| self.addresses.contains(&destination));
        is_receiver.then_some(Direction::ToDevice)
    }

    fn matches(&self, entry: &Entry, datagram: &Datagram) -> bool {
        let (device, remote) = sides(datagram, entry.direction);
        let is_device = match entry.device.as_slice() {
            [] => self.addresses.contains(&device),
            prefixes => prefixes.iter().any(|prefix| prefix.holds(device)),
        };
        is_device
            && entry.family == Family::of(datagram.source)
            && entry.protocol.is_none_or(|protocol| protocol == datagram.protocol)
            && entry.remotes.iter().all(|it| it.members.iter().any(|prefix| prefix.holds(remote)))
            && entry.fits_segment(datagram.segment)
    }
}

/// The device's address and the other side's.
fn sides(datagram: &Datagram, direction: Direction) -> (IpAddr, IpAddr) {
    match direction {
        Direction::FromDevice => (datagram.source, datagram.destination),
        Direction::ToDevice => (datagram.destination, datagram.source),
    }
}

impl Entry {
    /// A condition on what the packet does not show, as a later fragment, is not met.
    fn fits_segment(&self, segment: Segment) -> bool {
        let ports = match (segment, self.direction) {
            (Segment::Ports { source, destination }, Direction::FromDevice) => Some((source, destination)),
            (Segment::Ports { source, destination }, Direction::ToDevice) => Some((destination, source)),
            _ => None,
        };
        let within = |ranges: &[(u16, u16)], port: Option<u16>| {
            ranges.is_empty()
                || port
                    .is_some_and(|port| ranges.iter().any(|(first, last)| (*first..=*last).contains(&port)))
        };
        let icmp = match segment {
            Segment::Icmp { kind, code } => Some((kind, code)),
            _ => None,
        };
        within(&self.device_ports, ports.map(|(device, _)| device))
            && within(&self.remote_ports, ports.map(|(_, remote)| remote))
            && self.icmp_type.is_none_or(|it| icmp.is_some_and(|(kind, _)| kind == it))
            && self.icmp_code.is_none_or(|it| icmp.is_some_and(|(_, code)| code == it))
    }
}
