//! Frames with the checksums that a kernel wants to see.
use std::net::IpAddr;
use wire::packet::{Mac, protocol};

/// What a frame is made of.
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    pub macs: [Mac; 2],
    pub source: IpAddr,
    pub destination: IpAddr,
    pub protocol: u8,
    /// Ports; of ICMP the type and the code.
    pub ports: [u16; 2],
    /// Flags of TCP.
    pub flags: u8,
}

pub const SYN: u8 = 0x02;
pub const ACK: u8 = 0x10;

impl Frame {
    pub fn octets(&self) -> Vec<u8> {
        let mut segment = self.segment();
        let at = match self.protocol {
            protocol::TCP => Some(16),
            protocol::UDP => Some(6),
            protocol::ICMP | protocol::ICMPV6 => Some(2),
            _ => None,
        };
        if let Some(at) = at {
            let covered = match self.protocol {
                protocol::ICMP => segment.clone(),
                _ => [self.pseudo_header(segment.len()), segment.clone()].concat(),
            };
            segment[at..at + 2].copy_from_slice(&checksum(&covered).to_be_bytes());
        }
        let [source, destination] = self.macs;
        [destination.0.to_vec(), source.0.to_vec(), self.header(segment.len()), segment].concat()
    }

    fn segment(&self) -> Vec<u8> {
        let [first, second] = self.ports.map(u16::to_be_bytes);
        let ports = [first, second].concat();
        match self.protocol {
            protocol::TCP => {
                // Each side has sent one SYN at most, so that 1 and 2 are the next numbers of both.
                let sequence: u32 = if self.flags & SYN == 0 { 2 } else { 1 };
                let acknowledged: u32 = if self.flags & ACK == 0 { 0 } else { 2 };
                let numbers = [sequence.to_be_bytes(), acknowledged.to_be_bytes()].concat();
                [ports.as_slice(), &numbers, &[0x50, self.flags, 0x40, 0, 0, 0, 0, 0]].concat()
            }
            protocol::UDP => [ports.as_slice(), &[0, 12, 0, 0], b"test"].concat(),
            protocol::ICMP | protocol::ICMPV6 => vec![first[1], second[1], 0, 0, 0, 7, 0, 1],
            _ => b"test".to_vec(),
        }
    }

    /// Ethernet's type and the IP header.
    fn header(&self, payload: usize) -> Vec<u8> {
        let payload = u16::try_from(payload).unwrap();
        match (self.source, self.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let mut header = vec![0x45, 0];
                header.extend((payload + 20).to_be_bytes());
                header.extend([0, 0, 0x40, 0, 64, self.protocol, 0, 0]);
                header.extend(source.octets());
                header.extend(destination.octets());
                let sum = checksum(&header).to_be_bytes();
                header[10..12].copy_from_slice(&sum);
                [vec![0x08, 0x00], header].concat()
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                let mut header = vec![0x86, 0xdd, 0x60, 0, 0, 0];
                header.extend(payload.to_be_bytes());
                header.extend([self.protocol, 64]);
                header.extend(source.octets());
                header.extend(destination.octets());
                header
            }
            _ => panic!("two families"),
        }
    }

    fn pseudo_header(&self, length: usize) -> Vec<u8> {
        let length = u16::try_from(length).unwrap().to_be_bytes();
        let octets = |address: IpAddr| match address {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        let (source, destination) = (octets(self.source), octets(self.destination));
        [source, destination, vec![0, self.protocol], length.to_vec()].concat()
    }
}

/// The Internet checksum.
fn checksum(octets: &[u8]) -> u16 {
    let words = octets.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}
