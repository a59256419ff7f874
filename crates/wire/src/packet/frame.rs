//! Frames to be sent or judged, with the checksums that a kernel wants to see: a handful of octets
//! above IP, enough for a packet filter to decide by.
use super::{Mac, protocol};
use std::net::IpAddr;

/// SYN of TCP.
pub const SYN: u8 = 0x02;
/// ACK of TCP.
pub const ACK: u8 = 0x10;

/// What a frame is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Who sends it on its link.
    pub source_mac: Mac,
    /// For whom it is on its link.
    pub destination_mac: Mac,
    /// From which address.
    pub source: IpAddr,
    /// To which address.
    pub destination: IpAddr,
    /// What is above IP.
    pub protocol: u8,
    /// Source and destination port; of ICMP and ICMPv6 the type and the code.
    pub ports: (u16, u16),
    /// Flags of TCP.
    pub flags: u8,
}

impl Frame {
    /// The octets; nothing if the two addresses are of different families.
    pub fn octets(&self) -> Option<Vec<u8>> {
        let mut segment = self.segment();
        let checksum_at = match self.protocol {
            protocol::TCP => Some(16),
            protocol::UDP => Some(6),
            protocol::ICMP | protocol::ICMPV6 => Some(2),
            _ => None,
        };
        if let Some(at) = checksum_at {
            let mut covered = if self.protocol == protocol::ICMP { Vec::new() } else { self.pseudo_header() };
            covered.extend(&segment);
            segment[at..at + 2].copy_from_slice(&checksum(&covered).to_be_bytes());
        }
        let macs = [self.destination_mac.0, self.source_mac.0].concat();
        Some([macs, self.header(segment.len())?, segment].concat())
    }

    /// Ports and what follows, without its checksum.
    fn segment(&self) -> Vec<u8> {
        let (first, second) = (self.ports.0.to_be_bytes(), self.ports.1.to_be_bytes());
        match self.protocol {
            protocol::TCP => {
                // Both sides count from 1, and have sent nothing but their SYN.
                let sequence = [0, 0, 0, if self.flags & SYN == 0 { 2 } else { 1 }];
                let acknowledged = [0, 0, 0, if self.flags & ACK == 0 { 0 } else { 2 }];
                let rest = [0x50, self.flags, 0x40, 0, 0, 0, 0, 0];
                [first.as_slice(), &second, &sequence, &acknowledged, &rest].concat()
            }
            protocol::UDP => [first.as_slice(), &second, &[0, 12, 0, 0], b"test"].concat(),
            protocol::ICMP | protocol::ICMPV6 => vec![first[1], second[1], 0, 0, 0, 7, 0, 1],
            _ => b"test".to_vec(),
        }
    }

    /// The Ethernet type and the IP header.
    fn header(&self, payload: usize) -> Option<Vec<u8>> {
        // A segment has 24 octets at most.
        let payload = u16::try_from(payload).ok()?;
        Some(match (self.source, self.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let length = (payload + 20).to_be_bytes();
                let before = [0x45, 0, length[0], length[1], 0, 0, 0x40, 0, 64, self.protocol, 0, 0];
                let mut header = [before.as_slice(), &source.octets(), &destination.octets()].concat();
                let sum = checksum(&header).to_be_bytes();
                header[10..12].copy_from_slice(&sum);
                [vec![0x08, 0x00], header].concat()
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                let length = payload.to_be_bytes();
                let before = [0x86, 0xdd, 0x60, 0, 0, 0, length[0], length[1], self.protocol, 64];
                [before.as_slice(), &source.octets(), &destination.octets()].concat()
            }
            _ => return None,
        })
    }

    /// What the checksums of TCP, UDP and ICMPv6 cover beside their segment.
    fn pseudo_header(&self) -> Vec<u8> {
        let octets = |address: IpAddr| match address {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        // A segment has 24 octets at most.
        let length = u8::try_from(self.segment().len()).unwrap_or(u8::MAX);
        [octets(self.source), octets(self.destination), vec![0, self.protocol, 0, length]].concat()
    }
}

/// The Internet checksum: the complement of the one's complement sum of all 16-bit words.
fn checksum(octets: &[u8]) -> u16 {
    let word = |pair: &[u8]| u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or_default()]);
    let add = |sum: u16, pair: &[u8]| {
        let (sum, carried) = sum.overflowing_add(word(pair));
        sum + u16::from(carried)
    };
    !octets.chunks(2).fold(0, add)
}
