//! Packets as they are read, and what a plan says to them.
use crate::support::openssl;
use proptest::prelude::*;
use std::net::IpAddr;
use wire::packet::{Content, Datagram, Frame, Mac, Packet, PacketRefused, SYN, Segment};
use wire::plan::{Action, Direction, Entry, Level, PLAN_VERSION, Plan, Remote, RemoteKind};
use wire::prefix::{Family, Prefix};

const DEVICE_MAC: [u8; 6] = [0x02, 0, 0x5e, 0, 0x53, 1];
const OTHER_MAC: [u8; 6] = [0x02, 0, 0x5e, 0, 0x53, 2];

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// An Ethernet frame of an IP packet with `payload` above IP.
fn frame(macs: [[u8; 6]; 2], source: &str, destination: &str, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap();
    let mut frame = [macs[1], macs[0]].concat();
    match (address(source), address(destination)) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            frame.extend([0x08, 0x00, 0x45, 0]);
            frame.extend((length + 20).to_be_bytes());
            frame.extend([0, 0, 0x40, 0, 64, protocol, 0, 0]);
            frame.extend(source.octets());
            frame.extend(destination.octets());
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            frame.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
            frame.extend(length.to_be_bytes());
            frame.extend([protocol, 64]);
            frame.extend(source.octets());
            frame.extend(destination.octets());
        }
        _ => panic!("two families"),
    }
    frame.extend(payload);
    frame
}

fn ports(source: u16, destination: u16) -> Vec<u8> {
    [source.to_be_bytes(), destination.to_be_bytes(), [0; 2], [0; 2]].concat()
}

fn datagram(frame: &[u8]) -> Datagram {
    match Packet::from_frame(frame).unwrap().content {
        Content::Ip(datagram) => datagram,
        other => panic!("{other:?}"),
    }
}

const OUT: [[u8; 6]; 2] = [DEVICE_MAC, OTHER_MAC];
const IN: [[u8; 6]; 2] = [OTHER_MAC, DEVICE_MAC];

#[test]
fn headers() {
    let udp = frame(OUT, "192.0.2.1", "198.51.100.2", 17, &ports(5000, 53));
    let packet = Packet::from_frame(&udp).unwrap();
    assert_eq!((packet.source_mac, packet.destination_mac), (Mac(DEVICE_MAC), Mac(OTHER_MAC)));
    let expect = Datagram {
        source: address("192.0.2.1"),
        destination: address("198.51.100.2"),
        protocol: 17,
        segment: Segment::Ports { source: 5000, destination: 53 },
    };
    assert_eq!(packet.content, Content::Ip(expect));
    // The Ethernet padding of a short packet is not the packet's.
    assert_eq!(datagram(&[udp.as_slice(), &[0; 18]].concat()), expect);
    let tagged = [&udp[..12], &[0x81, 0, 0, 5], &udp[12..]].concat();
    assert_eq!(datagram(&tagged), expect);
    let thrice = [&udp[..12], [0x81, 0, 0, 5].repeat(3).as_slice(), &udp[12..]].concat();
    assert_eq!(Packet::from_frame(&thrice).unwrap().content, Content::Other(0x8100));
    let mut fragment = udp.clone();
    fragment[21] = 1;
    assert_eq!(datagram(&fragment).segment, Segment::Fragment);
    let ping = frame(OUT, "2001:db8::1", "2001:db8::2", 58, &[128, 0, 0, 0]);
    assert_eq!(datagram(&ping).segment, Segment::Icmp { kind: 128, code: 0 });
    let arp = [OTHER_MAC.as_slice(), &DEVICE_MAC, &[0x08, 0x06]].concat();
    assert_eq!(Packet::from_frame(&arp).unwrap().content, Content::Arp);
}

#[test]
fn extension_headers() {
    let behind = |headers: &[u8], next: u8| {
        let payload = [headers, &ports(1, 2)].concat();
        Packet::from_frame(&frame(OUT, "2001:db8::1", "2001:db8::2", next, &payload))
    };
    let segment = |headers: &[u8], next: u8| match behind(headers, next).unwrap().content {
        Content::Ip(datagram) => (datagram.protocol, datagram.segment),
        other => panic!("{other:?}"),
    };
    let udp = Segment::Ports { source: 1, destination: 2 };
    assert_eq!(segment(&[], 17), (17, udp));
    let hop_by_hop = [60, 0, 1, 4, 0, 0, 0, 0];
    let options = [17, 1, 1, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(segment(&[hop_by_hop.as_slice(), &options].concat(), 0), (17, udp));
    assert_eq!(segment(&[17, 0, 0, 1, 0, 0, 0, 9], 44), (17, udp), "the first fragment");
    assert_eq!(segment(&[17, 0, 0, 8, 0, 0, 0, 9], 44), (17, Segment::Fragment));
    assert_eq!(segment(&[17, 1, 0, 0, 0, 0, 0, 9, 0, 0, 0, 1], 51), (17, udp));
    assert_eq!(
        behind(&[60, 0, 1, 4, 0, 0, 0, 0].repeat(9), 60).unwrap_err().to_string(),
        "the packet has too many IPv6 extension headers"
    );
    assert_eq!(behind(&[17, 200, 0, 0], 0), Err(PacketRefused::Truncated));
}

#[test]
fn frames_that_are_refused() {
    let udp = frame(OUT, "192.0.2.1", "198.51.100.2", 17, &ports(5000, 53));
    for length in 0..udp.len() {
        assert_eq!(Packet::from_frame(&udp[..length]), Err(PacketRefused::Truncated), "{length}");
    }
    let check = |at: usize, value: u8, expect: &str| {
        let mut damaged = udp.clone();
        damaged[at] = value;
        assert_eq!(Packet::from_frame(&damaged).unwrap_err().to_string(), expect, "{at}");
    };
    check(14, 0x55, "the IPv4 header has another version");
    check(14, 0x44, "the IPv4 header's lengths contradict each other");
    check(14, 0x4f, "the IPv4 header's lengths contradict each other");
    check(17, 19, "the IPv4 header's lengths contradict each other");
    check(17, 22, "the frame ends before the packet does");
    check(17, 200, "the frame ends before the packet does");
    let mut version = frame(OUT, "2001:db8::1", "2001:db8::2", 17, &ports(1, 2));
    version[14] = 0x40;
    assert!(Packet::from_frame(&version).unwrap_err().to_string().contains("another version"));
}

#[test]
fn frames_are_read_as_they_were_made() {
    let made = |source: &str, destination: &str, protocol| Frame {
        source_mac: Mac(DEVICE_MAC),
        destination_mac: Mac(OTHER_MAC),
        source: address(source),
        destination: address(destination),
        protocol,
        ports: (200, 53),
        flags: SYN,
    };
    for (source, destination) in [("192.0.2.1", "198.51.100.2"), ("2001:db8::1", "2001:db8::2")] {
        for protocol in [1, 6, 17, 47, 58] {
            let octets = made(source, destination, protocol).octets().unwrap();
            let segment = match protocol {
                6 | 17 => Segment::Ports { source: 200, destination: 53 },
                1 | 58 => Segment::Icmp { kind: 200, code: 53 },
                _ => Segment::Other,
            };
            let (source, destination) = (address(source), address(destination));
            assert_eq!(datagram(&octets), Datagram { source, destination, protocol, segment });
        }
    }
    assert_eq!(made("192.0.2.1", "2001:db8::2", 17).octets(), None);
}

#[test]
fn ethernet_addresses() {
    let check = |text: &str, expect: Option<&str>| {
        assert_eq!(text.parse::<Mac>().ok().map(|mac| mac.to_string()).as_deref(), expect, "{text}");
    };
    check("02:00:5E:00:53:ff", Some("02:00:5e:00:53:ff"));
    for bad in [
        "",
        "02:00:5e:00:53",
        "02:00:5e:00:53:01:02",
        "2:0:5e:0:53:1",
        "02-00-5e-00-53-01",
        "+2:00:5e:00:53:01",
    ] {
        check(bad, None);
    }
}

fn prefixes(texts: &[&str]) -> Vec<Prefix> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

/// An entry that accepts every IPv4 packet of the device.
fn entry(id: &str, direction: Direction) -> Entry {
    Entry {
        id: id.into(),
        direction,
        family: Family::V4,
        device: Vec::new(),
        remotes: Vec::new(),
        protocol: None,
        device_ports: Vec::new(),
        remote_ports: Vec::new(),
        icmp_type: None,
        icmp_code: None,
        initiated: None,
        action: Action::Accept,
    }
}

fn service(id: &str, direction: Direction) -> Entry {
    let members = prefixes(&["198.51.100.2/32", "198.51.100.0/30"]);
    Entry {
        remotes: vec![Remote::new(RemoteKind::Name, "service.example.com", members)],
        protocol: Some(6),
        remote_ports: vec![(443, 443)],
        initiated: Some(Direction::FromDevice),
        ..entry(id, direction)
    }
}

fn plan() -> Plan {
    let dns = |direction| Entry {
        remotes: vec![Remote::new(
            RemoteKind::Class,
            "urn:ietf:params:mud:dns",
            prefixes(&["192.0.2.53/32"]),
        )],
        protocol: Some(17),
        remote_ports: vec![(53, 53)],
        ..entry("rfc8520/dns", direction)
    };
    let telnet = Entry {
        remotes: vec![Remote::new(RemoteKind::Network, "198.51.100.3/32", prefixes(&["198.51.100.3/32"]))],
        action: Action::Drop,
        ..entry("from/no-3", Direction::FromDevice)
    };
    let ping = Entry {
        protocol: Some(1),
        icmp_type: Some(8),
        icmp_code: Some(0),
        ..entry("to/ping", Direction::ToDevice)
    };
    let probe = Entry {
        device: prefixes(&["0.0.0.0/32"]),
        protocol: Some(17),
        device_ports: vec![(68, 68)],
        remote_ports: vec![(67, 67)],
        ..entry("steward/dhcp", Direction::FromDevice)
    };
    Plan {
        version: PLAN_VERSION,
        level: None,
        device: "lamp-1".into(),
        mud_url: "https://maker.example/lamp".into(),
        macs: vec![Mac(DEVICE_MAC)],
        addresses: vec![address("192.0.2.1"), address("2001:db8::1")],
        entries: vec![
            telnet,
            service("from/https", Direction::FromDevice),
            service("to/https", Direction::ToDevice),
            ping,
            probe,
            dns(Direction::FromDevice),
            dns(Direction::ToDevice),
        ],
    }
}

fn check(frame: &[u8], begun_by: Option<Direction>, expect: &str) {
    let verdict = plan().judge(&Packet::from_frame(frame).unwrap(), begun_by);
    let action = match verdict.action {
        Action::Accept => "accept",
        Action::Drop => "drop",
    };
    assert_eq!(format!("{action} {}", verdict.by), expect);
}

#[test]
fn verdicts() {
    let (from, to) = (Some(Direction::FromDevice), Some(Direction::ToDevice));
    let out = |remote: &str, protocol, payload: &[u8]| frame(OUT, "192.0.2.1", remote, protocol, payload);
    let back = |remote: &str, protocol, payload: &[u8]| frame(IN, remote, "192.0.2.1", protocol, payload);
    // RFC 8520 section 4.8: what the device began passes both ways, what the other side begins does not.
    check(&out("198.51.100.2", 6, &ports(40000, 443)), None, "accept from/https");
    check(&back("198.51.100.2", 6, &ports(443, 40000)), from, "accept to/https");
    check(&back("198.51.100.2", 6, &ports(443, 40000)), None, "drop default/to-device");
    check(&back("198.51.100.2", 6, &ports(443, 40000)), to, "drop default/to-device");
    check(&out("198.51.100.2", 6, &ports(40000, 443)), to, "drop default/from-device");
    // The first entry that matches decides.
    check(&out("198.51.100.3", 6, &ports(40000, 443)), None, "drop from/no-3");
    check(&out("198.51.100.2", 6, &ports(40000, 80)), None, "drop default/from-device");
    check(&out("198.51.100.2", 17, &ports(40000, 443)), None, "drop default/from-device");
    check(&out("198.51.100.9", 6, &ports(40000, 443)), None, "drop default/from-device");
    check(&back("203.0.113.1", 1, &[8, 0, 0, 0]), None, "accept to/ping");
    check(&back("203.0.113.1", 1, &[8, 1, 0, 0]), None, "drop default/to-device");
    check(&back("203.0.113.1", 1, &[0, 0, 0, 0]), None, "drop default/to-device");
    check(&out("192.0.2.53", 17, &ports(40000, 53)), None, "accept rfc8520/dns");
    check(&back("192.0.2.53", 17, &ports(53, 40000)), None, "accept rfc8520/dns");
    let mut fragment = out("192.0.2.53", 17, &ports(40000, 53));
    fragment[21] = 1;
    check(&fragment, None, "drop default/from-device");
    // Addresses.
    check(&frame(OUT, "0.0.0.0", "255.255.255.255", 17, &ports(68, 67)), None, "accept steward/dhcp");
    check(&out("255.255.255.255", 17, &ports(68, 67)), None, "drop default/from-device");
    check(
        &frame(OUT, "192.0.2.9", "192.0.2.53", 17, &ports(40000, 53)),
        None,
        "drop default/foreign-address",
    );
    check(&frame(OUT, "2001:db8::1", "2001:db8::2", 17, &ports(1, 53)), None, "drop default/from-device");
    check(
        &frame([OTHER_MAC, OTHER_MAC], "192.0.2.7", "192.0.2.53", 17, &ports(1, 53)),
        None,
        "accept not-concerned",
    );
    check(
        &frame([OTHER_MAC, OTHER_MAC], "192.0.2.7", "192.0.2.1", 17, &ports(1, 53)),
        None,
        "drop default/to-device",
    );
    check(&[OTHER_MAC.as_slice(), &DEVICE_MAC, &[0x08, 0x06]].concat(), None, "accept default/arp");
    check(&[OTHER_MAC.as_slice(), &DEVICE_MAC, &[0x88, 0x8e]].concat(), None, "drop default/from-device");
}

#[test]
fn without_an_ethernet_address_the_addresses_tell() {
    let bare = Plan { macs: Vec::new(), ..plan() };
    let judge = |frame: &[u8]| bare.judge(&Packet::from_frame(frame).unwrap(), None).by.to_string();
    let dns = ports(40000, 53);
    assert_eq!(judge(&frame([OTHER_MAC; 2], "192.0.2.1", "192.0.2.53", 17, &dns)), "rfc8520/dns");
    assert_eq!(judge(&frame([OTHER_MAC; 2], "192.0.2.9", "192.0.2.53", 17, &dns)), "not-concerned");
}

#[test]
fn a_plan_of_a_device_that_is_held_back_says_so() {
    for level in Level::ALL {
        let plan = Plan { level: Some(level), entries: Vec::new(), ..plan() };
        let text = plan.to_json().unwrap();
        let word = format!(r#""level":"{}""#, level.word());
        assert!(String::from_utf8_lossy(&text).contains(&word));
        assert_eq!(Plan::from_json(&text), Ok(plan.clone()));
        let judge = |frame: &[u8]| plan.judge(&Packet::from_frame(frame).unwrap(), None).by.to_string();
        let expect = match level.narrows() {
            true => format!("quarantine/{}", level.word()),
            false => "default/from-device".into(),
        };
        assert_eq!(judge(&frame(OUT, "192.0.2.1", "192.0.2.53", 17, &ports(1, 2))), expect);
        assert_eq!(judge(&[OTHER_MAC.as_slice(), &DEVICE_MAC, &[0x88, 0x8e]].concat()), expect);
        let foreign = frame(OUT, "192.0.2.9", "192.0.2.53", 17, &ports(1, 2));
        assert_eq!(judge(&foreign), "default/foreign-address");
    }
    assert_eq!(Level::from_word("bright"), None);
}

#[test]
fn an_entry_with_a_condition_that_means_no_address_matches_nothing() {
    let nobody = Entry {
        remotes: vec![Remote::new(RemoteKind::Class, "my-controller", [])],
        ..entry("from/nobody", Direction::FromDevice)
    };
    let plan = Plan { entries: vec![nobody], ..plan() };
    let packet = Packet::from_frame(&frame(OUT, "192.0.2.1", "192.0.2.53", 17, &ports(1, 2))).unwrap();
    assert_eq!(plan.judge(&packet, None).by.to_string(), "default/from-device");
}

#[test]
fn conditions_are_put_in_order() {
    let members = ["10.0.0.0/24", "10.0.0.7/32", "9.0.0.0/8", "10.0.0.0/16", "10.0.0.0/24", "9.255.0.0/16"];
    let remote = Remote::new(RemoteKind::Class, "local-networks", prefixes(&members));
    assert_eq!(remote.members, prefixes(&["9.0.0.0/8", "10.0.0.0/16"]));
}

/// The canonical JSON of a small plan. Its digest was computed by OpenSSL from this text.
const CANONICAL: &str = r#"{"addresses":["192.0.2.1","2001:db8::1"],"device":"lamp-1","entries":[{"action":"accept","direction":"to-device","family":"ipv4","id":"to/https","initiated":"from-device","protocol":6,"remote-ports":[[443,443]],"remotes":[{"kind":"name","members":["198.51.100.0/30"],"of":"service.example.com"}]}],"macs":["02:00:5e:00:53:01"],"mud-url":"https://maker.example/lamp","version":1}"#;

#[test]
fn canonical_json() {
    let small = Plan { entries: vec![service("to/https", Direction::ToDevice)], ..plan() };
    assert_eq!(String::from_utf8(small.to_json().unwrap()).unwrap(), CANONICAL);
    for plan in [small.clone(), plan()] {
        assert_eq!(Plan::from_json(&plan.to_json().unwrap()), Ok(plan));
    }
    let Some(openssl) = openssl("canonical_json") else { return };
    openssl.write("plan", CANONICAL);
    let printed = openssl.ok("dgst -sha256 -r plan");
    assert_eq!(printed.split_once(' ').unwrap().0, small.digest().unwrap());
}

#[test]
fn plans_that_are_refused() {
    let check = |from: &str, to: &str, expect: &str| {
        assert!(CANONICAL.contains(from), "{from}");
        let refused = Plan::from_json(CANONICAL.replacen(from, to, 1).as_bytes()).unwrap_err().to_string();
        assert!(refused.contains(expect), "{refused}");
    };
    check("1}", "2}", "the plan has version 2");
    check("{", "{ ", "not written in canonical JSON");
    check("192.0.2.1", "192.0.2.01", "malformed");
    check("\"ipv4\"", "\"ipv6\"", "\"to/https\" names addresses of another family");
    let ports = "\"to/https\" has ranges of ports that are not in order and apart";
    check("[443,443]", "[443,442]", ports);
    check("[443,443]", "[443,443],[443,444]", ports);
    check("[443,443]", "[443,443],[1,2]", ports);
    let within = "198.51.100.0/30\",\"198.51.100.1/32";
    check("198.51.100.0/30", within, "\"to/https\" has prefixes that are not in order, or one inside");
    check("[443,443]", "[443]", "malformed");
    check("198.51.100.0/30", "198.51.100.2/30", "not written in canonical JSON");
    check("\"version\"", "\"other\":1,\"version\"", "unknown field `other`");
    check("\"device\"", "\"device\":\"a\",\"device\"", "duplicate field `device`");
    check("02:00", "02:0", "not an Ethernet address");
    check("\"to/https\"", &format!("\"{}\"", "x".repeat(514)), "more bytes of an id than 513");
    let many = vec!["192.0.2.1"; 65].join("\",\"");
    check("192.0.2.1\",\"2001:db8::1", &many, "more addresses than 64");
    let large = vec![b' '; wire::limits::PLAN_BYTES_MAX + 1];
    assert!(Plan::from_json(&large).unwrap_err().to_string().contains("more bytes than"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2048, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_frame_is_judged_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..120), kind in 0..4usize, begun in any::<bool>()) {
        // Most random bytes are no IP: half of them get a header that begins well.
        let mut frame = [OTHER_MAC, DEVICE_MAC].concat();
        frame.extend([[0x08, 0], [0x86, 0xdd], [0x81, 0], [bytes.len() as u8, 0]][kind]);
        if kind < 2 {
            frame.push([0x45, 0x60][kind]);
        }
        frame.extend(bytes);
        if let Ok(packet) = Packet::from_frame(&frame) {
            let begun_by = begun.then_some(Direction::ToDevice);
            let verdict = plan().judge(&packet, begun_by);
            prop_assert_eq!(plan().judge(&packet, begun_by), verdict);
        }
        let _ = Packet::from_frame(&frame[13..]);
    }

    #[test]
    fn damaged_frames(at in 0..60usize, value in any::<u8>(), cut in 0..80usize) {
        let mut frame = frame(OUT, "2001:db8::1", "2001:db8::2", 44, &[&[17, 0, 0, 1, 0, 0, 0, 9][..], &ports(1, 2)].concat());
        let at = at % frame.len();
        frame[at] = value;
        frame.truncate(cut);
        let _ = Packet::from_frame(&frame).map(|packet| plan().judge(&packet, None));
    }

    #[test]
    fn damaged_plans(at in any::<prop::sample::Index>(), value in any::<u8>()) {
        let mut text = CANONICAL.as_bytes().to_vec();
        let at = at.index(text.len());
        text[at] = value;
        if let Ok(plan) = Plan::from_json(&text) {
            prop_assert_eq!(plan.to_json().unwrap(), text);
        }
    }
}
