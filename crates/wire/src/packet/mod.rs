//! Recorded frames: Ethernet with IPv4 or IPv6, and TCP, UDP or ICMP in it, as far as an enforcement
//! plan judges them. Only headers are read; what a header says of lengths is held against the octets.
mod frame;

pub use frame::{ACK, Frame, SYN};

use crate::limits::{PACKET_EXTENSION_HEADERS_MAX, PACKET_VLAN_TAGS_MAX};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// Protocol numbers above IP.
pub mod protocol {
    /// ICMP for IPv4.
    pub const ICMP: u8 = 1;
    /// TCP.
    pub const TCP: u8 = 6;
    /// UDP.
    pub const UDP: u8 = 17;
    /// ICMP for IPv6.
    pub const ICMPV6: u8 = 58;
}

/// An Ethernet address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac(pub [u8; 6]);

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// A text that is no Ethernet address. Whoever wrote it is to blame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an Ethernet address, as 02:00:5e:00:53:01")]
pub struct NotAMac;

impl FromStr for Mac {
    type Err = NotAMac;

    fn from_str(text: &str) -> Result<Self, NotAMac> {
        let mut octets = [0; 6];
        let mut parts = text.split(':');
        for octet in &mut octets {
            let part = parts.next().ok_or(NotAMac)?;
            if part.len() != 2 || !part.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                return Err(NotAMac);
            }
            *octet = u8::from_str_radix(part, 16).map_err(|_| NotAMac)?;
        }
        if parts.next().is_some() { Err(NotAMac) } else { Ok(Self(octets)) }
    }
}

/// A frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Who sent it on this link.
    pub source_mac: Mac,
    /// For whom it is on this link.
    pub destination_mac: Mac,
    /// What it carries.
    pub content: Content,
}

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// IPv4 or IPv6.
    Ip(Datagram),
    /// Address resolution for IPv4.
    Arp,
    /// Something else, by its Ethernet type.
    Other(u16),
}

/// An IP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// From which address.
    pub source: IpAddr,
    /// To which address; of the same family.
    pub destination: IpAddr,
    /// What is above IP, after any extension headers.
    pub protocol: u8,
    /// Its header.
    pub segment: Segment,
}

/// The header above IP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Segment {
    /// TCP or UDP.
    Ports {
        /// source port.
        source: u16,
        /// destination port.
        destination: u16,
    },
    /// ICMP or ICMPv6.
    Icmp {
        /// type.
        kind: u8,
        /// code.
        code: u8,
    },
    /// A later fragment: its header is in the first one.
    Fragment,
    /// Another protocol.
    Other,
}

const IPV4: u16 = 0x0800;
const ARP: u16 = 0x0806;
const IPV6: u16 = 0x86dd;
const VLAN_TAGS: [u16; 2] = [0x8100, 0x88a8];

impl Packet {
    /// Reads a frame, without its checksum.
    ///
    /// # Errors
    /// [`PacketRefused`]: whoever sent or recorded it is to blame.
    pub fn from_frame(frame: &[u8]) -> Result<Self, PacketRefused> {
        let mut rest = Octets(frame);
        let (destination_mac, source_mac) = (Mac(rest.take()?), Mac(rest.take()?));
        let mut kind = rest.u16()?;
        for _ in 0..PACKET_VLAN_TAGS_MAX {
            if VLAN_TAGS.contains(&kind) {
                rest.u16()?;
                kind = rest.u16()?;
            }
        }
        let content = match kind {
            IPV4 => Content::Ip(ipv4(rest)?),
            IPV6 => Content::Ip(ipv6(rest)?),
            ARP => Content::Arp,
            other => Content::Other(other),
        };
        Ok(Self { source_mac, destination_mac, content })
    }
}

/// The IPv4 header: version and length, total length, fragment offset, protocol, addresses.
fn ipv4(mut rest: Octets<'_>) -> Result<Datagram, PacketRefused> {
    let whole = rest.0;
    let [first, _] = rest.take()?;
    if first >> 4 != 4 {
        return Err(PacketRefused::Malformed("the IPv4 header has another version"));
    }
    let header = usize::from(first & 0x0f) * 4;
    let total = usize::from(rest.u16()?);
    if header < 20 || total < header {
        return Err(PacketRefused::Malformed("the IPv4 header's lengths contradict each other"));
    }
    rest.u16()?;
    let is_later_fragment = rest.u16()? & 0x1fff != 0;
    let [_, protocol] = rest.take()?;
    rest.u16()?;
    let (source, destination): ([u8; 4], [u8; 4]) = (rest.take()?, rest.take()?);
    let payload = Octets(whole.get(header..total).ok_or(PacketRefused::Truncated)?);
    Ok(Datagram {
        source: Ipv4Addr::from(source).into(),
        destination: Ipv4Addr::from(destination).into(),
        protocol,
        segment: if is_later_fragment { Segment::Fragment } else { segment(protocol, payload)? },
    })
}

/// The IPv6 header, and the extension headers up to the one above IP.
fn ipv6(mut rest: Octets<'_>) -> Result<Datagram, PacketRefused> {
    let [first, ..]: [u8; 4] = rest.take()?;
    if first >> 4 != 6 {
        return Err(PacketRefused::Malformed("the IPv6 header has another version"));
    }
    let length = usize::from(rest.u16()?);
    let [next, _] = rest.take()?;
    let (source, destination): ([u8; 16], [u8; 16]) = (rest.take()?, rest.take()?);
    let payload = Octets(rest.0.get(..length).ok_or(PacketRefused::Truncated)?);
    let (protocol, segment) = above_ipv6(next, payload)?;
    let (source, destination) = (Ipv6Addr::from(source).into(), Ipv6Addr::from(destination).into());
    Ok(Datagram { source, destination, protocol, segment })
}

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const DESTINATION_OPTIONS: u8 = 60;

fn above_ipv6(mut next: u8, mut rest: Octets<'_>) -> Result<(u8, Segment), PacketRefused> {
    for _ in 0..PACKET_EXTENSION_HEADERS_MAX {
        match next {
            HOP_BY_HOP | ROUTING | DESTINATION_OPTIONS => {
                let [following, units] = rest.take()?;
                rest.skip(usize::from(units) * 8 + 6)?;
                next = following;
            }
            AUTHENTICATION => {
                let [following, units] = rest.take()?;
                rest.skip(usize::from(units) * 4 + 6)?;
                next = following;
            }
            FRAGMENT => {
                let [following, _] = rest.take()?;
                let offset = rest.u16()? & 0xfff8;
                rest.skip(4)?;
                next = following;
                if offset != 0 {
                    return Ok((next, Segment::Fragment));
                }
            }
            protocol => return Ok((protocol, segment(protocol, rest)?)),
        }
    }
    Err(PacketRefused::Malformed("the packet has too many IPv6 extension headers"))
}

fn segment(protocol: u8, mut rest: Octets<'_>) -> Result<Segment, PacketRefused> {
    match protocol {
        protocol::TCP | protocol::UDP => Ok(Segment::Ports { source: rest.u16()?, destination: rest.u16()? }),
        protocol::ICMP | protocol::ICMPV6 => {
            let [kind, code] = rest.take()?;
            Ok(Segment::Icmp { kind, code })
        }
        _ => Ok(Segment::Other),
    }
}

/// Octets that are read from the front.
#[derive(Clone, Copy)]
struct Octets<'a>(&'a [u8]);

impl Octets<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], PacketRefused> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(PacketRefused::Truncated)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn u16(&mut self) -> Result<u16, PacketRefused> {
        self.take().map(u16::from_be_bytes)
    }

    fn skip(&mut self, count: usize) -> Result<(), PacketRefused> {
        self.0 = self.0.get(count..).ok_or(PacketRefused::Truncated)?;
        Ok(())
    }
}

/// Why a frame could not be read. Whoever sent or recorded it is to blame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PacketRefused {
    /// It ends before its headers do, or before its length says.
    #[error("the frame ends before the packet does")]
    Truncated,
    /// A header that contradicts itself.
    #[error("{0}")]
    Malformed(&'static str),
}
