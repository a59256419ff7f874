//! A recorded Ethernet frame.
use fleet::quarantine::traffic;
use std::net::IpAddr;
use wire::packet::{Content, Frame, Mac, Packet, SYN, Segment, protocol};

pub fn seeds() -> Vec<Vec<u8>> {
    let address = |text: &str| text.parse::<IpAddr>().expect("an address");
    let pairs = [("192.0.2.7", "203.0.113.9"), ("2001:db8::7", "2001:db8:1::9")];
    let protocols = [protocol::TCP, protocol::UDP, protocol::ICMP, protocol::ICMPV6, 47];
    let frame = |(source, destination), protocol| Frame {
        source_mac: Mac([2, 0, 0x5e, 0, 0x53, 1]),
        destination_mac: Mac([2, 0, 0x5e, 0, 0x53, 2]),
        source: address(source),
        destination: address(destination),
        protocol,
        ports: (1025, 443),
        flags: SYN,
    };
    let frames = pairs.into_iter().flat_map(|pair| protocols.map(|protocol| frame(pair, protocol)));
    frames.filter_map(|frame| frame.octets()).collect()
}

pub fn run(input: &[u8]) {
    let Ok(packet) = Packet::from_frame(input) else { return };
    let _ = traffic::what(&packet);
    let Content::Ip(datagram) = packet.content else { return };
    let Segment::Ports { source, destination } = datagram.segment else { return };
    let frame = Frame {
        source_mac: packet.source_mac,
        destination_mac: packet.destination_mac,
        source: datagram.source,
        destination: datagram.destination,
        protocol: datagram.protocol,
        ports: (source, destination),
        flags: SYN,
    };
    let octets = frame.octets().expect("two addresses of one family");
    assert_eq!(Packet::from_frame(&octets), Ok(packet), "the same headers, written anew");
}
