//! Packets and verdicts in words. Pure.
use wire::packet::{Content, Packet, Segment, protocol};

/// What a packet of a device is, without what changes from one to the next: its own port.
pub fn what(packet: &Packet) -> String {
    let datagram = match &packet.content {
        Content::Ip(datagram) => datagram,
        Content::Arp => return "ARP".into(),
        Content::Other(kind) => return format!("a frame of type 0x{kind:04x}"),
    };
    let above = match datagram.protocol {
        protocol::TCP => "TCP".into(),
        protocol::UDP => "UDP".into(),
        protocol::ICMP => "ICMP".into(),
        protocol::ICMPV6 => "ICMPv6".into(),
        number => format!("protocol {number}"),
    };
    let detail = match datagram.segment {
        Segment::Ports { destination, .. } => format!(", port {destination}"),
        Segment::Icmp { kind, code } => format!(", type {kind}, code {code}"),
        _ => String::new(),
    };
    format!("{above} to {}{detail}", datagram.destination)
}

/// What `by` means, for people.
pub fn explained(by: &str) -> String {
    match by {
        "default/foreign-address" => "it was sent from an address that is not the device's".into(),
        // RFC 8520 section 5: anything not explicitly permitted is denied.
        by if by.starts_with("default/") => {
            "no entry of its description allows it (RFC 8520 section 5)".into()
        }
        entry => format!("the entry `{entry}` of its description drops it"),
    }
}
