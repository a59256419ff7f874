//! What the kernel lets pass is what the judge says of the same octets, and by the same entry.
use crate::support::lab;
use gate::lab::{DEVICE, Lab};
use gate::nft::{NftFailed, ruleset};
use std::collections::BTreeMap;
use std::net::IpAddr;
use wire::mud::Direction;
use wire::packet::{ACK, Frame, Packet, SYN};
use wire::plan::{Action, By, Entry, PLAN_VERSION, Plan, Remote, RemoteKind};
use wire::prefix::{Family, Prefix};

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn remote(kind: RemoteKind, of: &str, members: &[&str]) -> Remote {
    Remote::new(kind, of, members.iter().map(|text| text.parse::<Prefix>().unwrap()))
}

pub fn entry(id: &str, direction: Direction, family: Family) -> Entry {
    Entry {
        id: id.into(),
        direction,
        family,
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

pub fn plan(device: &str, macs: &[wire::packet::Mac], addresses: &[&str], entries: Vec<Entry>) -> Plan {
    Plan {
        version: PLAN_VERSION,
        level: None,
        device: device.into(),
        mud_url: String::new(),
        macs: macs.to_vec(),
        addresses: addresses.iter().map(|text| address(text)).collect(),
        entries,
    }
}

const FROM: Direction = Direction::FromDevice;
const TO: Direction = Direction::ToDevice;

/// One entry in both directions.
fn both(entry: Entry) -> [Entry; 2] {
    [Entry { direction: FROM, ..entry.clone() }, Entry { direction: TO, ..entry }]
}

/// A lamp: a service by TCP that the lamp begins, but not on one host; names over UDP; echo to it; and a
/// lot of small things.
fn lamp() -> Plan {
    let service = remote(RemoteKind::Name, "service.example.com", &["198.51.100.0/24"]);
    let [https_from, https_to] = both(Entry {
        remotes: vec![service.clone()],
        protocol: Some(6),
        remote_ports: vec![(443, 443)],
        initiated: Some(FROM),
        ..entry("https", FROM, Family::V4)
    });
    let [dns_from, dns_to] = both(Entry {
        remotes: vec![remote(RemoteKind::Class, "dns", &["198.51.100.3/32", "203.0.113.0/30"])],
        protocol: Some(17),
        remote_ports: vec![(53, 53), (5300, 5310)],
        ..entry("dns", FROM, Family::V4)
    });
    let blocked = Entry {
        remotes: vec![remote(RemoteKind::Network, "198.51.100.4/32", &["198.51.100.4/32"])],
        action: Action::Drop,
        ..entry("not-4", FROM, Family::V4)
    };
    let nobody = Entry {
        remotes: vec![remote(RemoteKind::Class, "nobody", &[])],
        ..entry("nobody", FROM, Family::V4)
    };
    let narrowed = Entry {
        remotes: vec![service, remote(RemoteKind::Network, "198.51.100.6/31", &["198.51.100.6/31"])],
        protocol: Some(47),
        ..entry("both-conditions", FROM, Family::V4)
    };
    let ping =
        Entry { protocol: Some(1), icmp_type: Some(8), icmp_code: Some(0), ..entry("ping", TO, Family::V4) };
    let pong = Entry { protocol: Some(1), icmp_type: Some(0), ..entry("pong", FROM, Family::V4) };
    let served = Entry {
        protocol: Some(6),
        device_ports: vec![(8080, 8080)],
        initiated: Some(TO),
        ..entry("served", TO, Family::V4)
    };
    let serves = Entry { direction: FROM, id: "serves".into(), ..served.clone() };
    let [six_from, six_to] = both(Entry {
        remotes: vec![remote(RemoteKind::Network, "2001:db8:2::/64", &["2001:db8:2::/64"])],
        protocol: Some(17),
        ..entry("six", FROM, Family::V6)
    });
    let everywhere = Entry {
        remotes: vec![remote(RemoteKind::Network, "0.0.0.0/0", &["0.0.0.0/0"])],
        remote_ports: vec![(7, 7)],
        ..entry("any-protocol", FROM, Family::V4)
    };
    let one_address = Entry {
        device: vec!["192.0.2.2/32".parse().unwrap()],
        protocol: Some(17),
        ..entry("second-address", FROM, Family::V4)
    };
    let entries = vec![
        blocked,
        nobody,
        https_from,
        https_to,
        dns_from,
        dns_to,
        narrowed,
        ping,
        pong,
        served,
        serves,
        six_from,
        six_to,
        everywhere,
        one_address,
    ];
    plan("lamp", &[DEVICE], &["192.0.2.1", "192.0.2.2", "2001:db8:1::1"], entries)
}

/// Another device, on the far side and without a known Ethernet address, that takes nothing but names.
fn server() -> Plan {
    let asked = Entry { protocol: Some(17), device_ports: vec![(53, 53)], ..entry("asked", TO, Family::V4) };
    plan("server", &[], &["203.0.113.1"], vec![asked])
}

/// A lab with plans in it, and the flows that its gate let begin.
struct Site {
    lab: Lab,
    plans: Vec<Plan>,
    flows: BTreeMap<String, bool>,
}

impl Site {
    fn new(test: &str, plans: Vec<Plan>) -> Option<Self> {
        let lab = lab(test)?;
        let gate = lab.gate();
        gate.load(&ruleset(&plans).unwrap()).unwrap();
        let mut digests: Vec<String> = plans.iter().map(|plan| plan.digest().unwrap()).collect();
        digests.dedup();
        assert_eq!(gate.digests().unwrap(), digests, "the kernel keeps the plans' digests");
        Some(Self { lab, plans, flows: BTreeMap::new() })
    }

    /// Judges a frame by all plans, sends it, and holds what the kernel did against it.
    fn check(&mut self, frame: Frame) -> String {
        let packet = Packet::from_frame(&frame.octets().unwrap()).unwrap();
        let outward = frame.source_mac == DEVICE;
        let key = flow_key(&frame);
        let begun_outward = self.flows.get(&key).copied();
        let mut expect: Vec<(usize, By)> = Vec::new();
        let mut passes = true;
        // The sender's plan first; what it drops, the receiver's never sees.
        for direction in Direction::ALL {
            for (index, plan) in self.plans.iter().enumerate() {
                let begun_by =
                    begun_outward.map(|begun| if begun == outward { direction } else { other(direction) });
                let verdict = plan.judge(&packet, begun_by);
                if passes && verdict.by != By::NotConcerned && way(plan, &frame) == direction {
                    passes = verdict.action == Action::Accept;
                    expect.push((index, verdict.by));
                }
            }
        }
        let gate = self.lab.gate();
        let (before, arrived) = (gate.counters().unwrap(), self.lab.arrived(&frame).unwrap());
        self.lab.send(&frame).unwrap();
        let sum = || Ok(gate.counters()?.sum());
        if !expect.is_empty() {
            assert!(Lab::wait_for_more(before.sum(), sum).unwrap(), "{frame:?}: no rule decided");
        }
        if passes {
            assert!(
                Lab::wait_for_more(arrived, || self.lab.arrived(&frame)).unwrap(),
                "{frame:?}: it did not pass"
            );
            self.flows.entry(key).or_insert(outward);
        } else {
            assert_eq!(self.lab.arrived(&frame).unwrap(), arrived, "{frame:?}: it passed");
        }
        let after = gate.counters().unwrap();
        for (index, by) in &expect {
            assert_eq!(after.of(*index, by), before.of(*index, by) + 1, "{frame:?}: not by {index} {by}");
        }
        assert_eq!(after.sum(), before.sum() + expect.len() as u64, "{frame:?}: other rules decided too");
        let by = expect.last().map_or("not-concerned".into(), |(_, by)| by.to_string());
        format!("{} {by}", if passes { "accept" } else { "drop" })
    }
}

fn other(direction: Direction) -> Direction {
    if direction == FROM { TO } else { FROM }
}

/// Which way a frame that concerns the plan goes.
fn way(plan: &Plan, frame: &Frame) -> Direction {
    let sends = if plan.macs.is_empty() {
        plan.addresses.contains(&frame.source)
    } else {
        plan.macs.contains(&frame.source_mac)
    };
    if sends { FROM } else { TO }
}

/// The same for both ways of a flow.
fn flow_key(frame: &Frame) -> String {
    let ports = if [6, 17].contains(&frame.protocol) { frame.ports } else { (0, 0) };
    let mut ends = [(frame.source, ports.0), (frame.destination, ports.1)];
    ends.sort_unstable();
    format!("{} {ends:?}", frame.protocol)
}

/// `> 198.51.100.2 tcp 40000 443 SYN`: out of the lamp or into it, the other side's address, the
/// lamp's port and the other's.
fn frame(text: &str) -> Frame {
    let words: Vec<&str> = text.split(' ').collect();
    let remote = address(words[1]);
    let own = words.iter().find_map(|word| word.strip_prefix("as:"));
    let own =
        own.map_or_else(|| address(if remote.is_ipv4() { "192.0.2.1" } else { "2001:db8:1::1" }), address);
    let (device, other) = (words[3].parse().unwrap(), words[4].parse().unwrap());
    let outward = words[0] == ">";
    let protocol = match words[2] {
        "icmp" => 1,
        "tcp" => 6,
        "udp" => 17,
        number => number.parse().unwrap(),
    };
    let flag = |word: &str, flag: u8| if words.contains(&word) { flag } else { 0 };
    Frame {
        source_mac: Lab::macs(outward).0,
        destination_mac: Lab::macs(outward).1,
        source: if outward { own } else { remote },
        destination: if outward { remote } else { own },
        protocol,
        ports: if outward || protocol == 1 { (device, other) } else { (other, device) },
        flags: flag("SYN", SYN) | flag("ACK", ACK),
    }
}

#[test]
fn described_passes_and_the_rest_does_not() {
    let Some(mut site) = Site::new("described_passes_and_the_rest_does_not", vec![lamp(), server()]) else {
        return;
    };
    let mut check = |text: &str, expect: &str| assert_eq!(site.check(frame(text)), expect, "{text}");
    // RFC 8520 section 4.8: the lamp begins, and is answered; the other side may not begin.
    check("< 198.51.100.2 tcp 40000 443 SYN", "drop default/to-device");
    check("< 198.51.100.2 tcp 40000 443 SYN ACK", "drop default/to-device");
    check("< 198.51.100.2 tcp 40000 443 ACK", "drop default/to-device");
    check("> 198.51.100.2 tcp 40000 443 SYN", "accept https");
    check("< 198.51.100.2 tcp 40000 443 SYN ACK", "accept https");
    check("> 198.51.100.2 tcp 40000 443 ACK", "accept https");
    check("< 198.51.100.2 tcp 40001 443 SYN", "drop default/to-device");
    check("> 198.51.100.2 tcp 40000 444 SYN", "drop default/from-device");
    check("> 198.51.100.4 tcp 40000 443 SYN", "drop not-4");
    // What the other side begins, and only so.
    check("> 203.0.113.9 tcp 8080 5000 SYN ACK", "drop default/from-device");
    check("< 203.0.113.9 tcp 8080 5000 SYN", "accept served");
    check("> 203.0.113.9 tcp 8080 5000 SYN ACK", "accept serves");
    check("> 203.0.113.9 tcp 8080 5001 SYN", "drop default/from-device");
    // Both devices' plans: the server takes nothing but names.
    check("> 203.0.113.1 udp 40000 53", "accept asked");
    check("> 203.0.113.1 udp 40000 5301", "drop default/to-device");
    check("< 203.0.113.1 udp 40000 53", "drop default/from-device");
    check("> 203.0.113.2 udp 40000 5301", "accept dns");
    check("> 203.0.113.2 udp 40000 5311", "drop default/from-device");
    check("> 203.0.113.4 udp 40000 53", "drop default/from-device");
    check("< 203.0.113.2 udp 40000 5310", "accept dns");
    // Both conditions of an entry.
    check("> 198.51.100.6 47 0 0", "accept both-conditions");
    check("> 198.51.100.8 47 0 0", "drop default/from-device");
    check("< 198.51.100.5 icmp 8 0", "accept ping");
    check("> 198.51.100.5 icmp 0 0", "accept pong");
    check("< 198.51.100.5 icmp 13 0", "drop default/to-device");
    check("> 2001:db8:2::5 udp 9 9", "accept six");
    check("< 2001:db8:2::6 udp 9 9", "accept six");
    check("> 2001:db8:2::5 tcp 9 9 SYN", "drop default/from-device");
    check("> 203.0.113.9 udp 5 7", "accept any-protocol");
    check("> 203.0.113.9 tcp 5 7 SYN", "accept any-protocol");
    check("> 203.0.113.9 47 0 0", "drop default/from-device");
    // Addresses: one of its own, another's, and what is none of the plans' business.
    check("> 203.0.113.9 udp 5 8 as:192.0.2.2", "accept second-address");
    check("> 198.51.100.3 udp 5 53 as:192.0.2.3", "drop default/foreign-address");
    check("< 198.51.100.2 udp 5 53 as:192.0.2.3", "accept not-concerned");
}

/// Numbers that look random and are the same every time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }

    fn one<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.roll(of.len())].clone()
    }
}

const REMOTES: [&str; 6] =
    ["198.51.100.2", "198.51.100.3", "198.51.100.5", "203.0.113.1", "203.0.113.6", "2001:db8:2::5"];
const PORTS: [u16; 5] = [1, 52, 53, 54, 65535];

/// Any plan of UDP and GRE over few addresses and ports, so that entries hide and contradict each other.
fn any_plan(dice: &mut Dice) -> Plan {
    let prefixes = ["198.51.100.2/32", "198.51.100.2/31", "198.51.100.0/24", "203.0.113.0/30", "0.0.0.0/0"];
    let ranges = [vec![], vec![(53, 53)], vec![(0, 52), (54, 65535)], vec![(53, 65535)], vec![(0, 53)]];
    let entries = (0..8).map(|number| {
        let v6 = dice.roll(4) == 0;
        let members: Vec<&str> = match (v6, dice.roll(6)) {
            (true, _) => vec!["2001:db8:2::/64"],
            (_, 0) => vec![],
            _ => vec![dice.one(&prefixes), dice.one(&prefixes)],
        };
        let protocol = dice.one(&[None, Some(17), Some(17), Some(47)]);
        let has_ports = protocol != Some(47);
        let mut ports = || if has_ports { dice.one(&ranges) } else { Vec::new() };
        let (device_ports, remote_ports) = (ports(), ports());
        Entry {
            remotes: vec![remote(RemoteKind::Class, "any", &members)],
            protocol,
            device_ports,
            remote_ports,
            initiated: dice.one(&[None, None, Some(FROM), Some(TO)]),
            action: dice.one(&[Action::Accept, Action::Accept, Action::Drop]),
            ..entry(
                &format!("entry-{number}"),
                dice.one(&Direction::ALL),
                if v6 { Family::V6 } else { Family::V4 },
            )
        }
    });
    plan("any", &[DEVICE], &["192.0.2.1", "2001:db8:1::1"], entries.collect())
}

#[test]
fn any_plan_means_the_same_to_judge_and_kernel() {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for seed in 0..6 {
        let mut dice = Dice(seed);
        let plan = any_plan(&mut dice);
        let Some(mut site) = Site::new("any_plan_means_the_same_to_judge_and_kernel", vec![plan]) else {
            return;
        };
        for _ in 0..25 {
            let kind = dice.one(&["udp", "udp", "47"]);
            let (way, remote) = (dice.one(&[">", "<"]), dice.one(&REMOTES));
            let text = format!("{way} {remote} {kind} {} {}", dice.one(&PORTS), dice.one(&PORTS));
            let verdict = site.check(frame(&text));
            *seen.entry(verdict).or_default() += 1;
        }
    }
    // The dice reach both outcomes in both directions, by entries and by defaults.
    let count =
        |part: &str| seen.iter().filter(|(verdict, _)| verdict.contains(part)).map(|(_, n)| n).sum::<usize>();
    for part in ["accept entry", "drop entry", "drop default/from-device", "drop default/to-device"] {
        assert!(count(part) > 5, "{part}: {seen:?}");
    }
}

#[test]
fn a_ruleset_is_loaded_whole_or_not_at_all() {
    let Some(site) = Site::new("a_ruleset_is_loaded_whole_or_not_at_all", vec![lamp()]) else { return };
    let gate = site.lab.gate();
    let loaded = gate.digests().unwrap();
    let good = ruleset(&[server()]).unwrap();
    let refused = gate.load(&good.replace("ip daddr vmap @to_ipv4", "ip daddr vmap @nothing")).unwrap_err();
    assert!(matches!(&refused, NftFailed::Refused(why) if why.contains("@nothing")), "{refused}");
    assert_eq!(gate.digests().unwrap(), loaded, "the old one stands");
    gate.load(&good).unwrap();
    assert_eq!(gate.digests().unwrap(), [server().digest().unwrap()]);
    gate.load(&ruleset(&[]).unwrap()).unwrap();
    assert!(gate.digests().unwrap().is_empty());
}

#[test]
fn names_of_strangers_do_no_harm() {
    let hostile = "\"; } table inet evil { chain c { }\n} # \\ \u{e9}\u{202e}";
    let long = "x".repeat(500);
    let entries = vec![entry(hostile, FROM, Family::V4), entry(&long, TO, Family::V4)];
    let hostile_plan = plan("\" }", &[DEVICE], &["192.0.2.1"], entries);
    let Some(mut site) = Site::new("names_of_strangers_do_no_harm", vec![hostile_plan]) else { return };
    assert_eq!(site.check(frame("> 198.51.100.2 udp 1 2")), format!("accept {hostile}"));
    assert_eq!(site.check(frame("< 198.51.100.2 udp 1 2")), format!("accept {long}"));
}

#[test]
fn without_nft_the_environment_is_told() {
    let nowhere = gate::nft::Nft::in_namespace("steward-no-such-namespace");
    let failed = nowhere.load("").unwrap_err().to_string();
    assert!(failed.contains("nft refused") || failed.contains("install"), "{failed}");
}
