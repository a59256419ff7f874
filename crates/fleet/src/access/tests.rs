//! The rules by table, a kept sample of every stored event, and descriptions compiled and judged.
use super::compile::{Compiled, Surroundings, compile};
use super::controller::rules as controller;
use super::explain::explain;
use super::gate::rules as gate;
use super::rules::{Command, Description, Event, Location, Made, Refusal, State, apply, decide};
use crate::time::Millis;
use serde_json::json;
use std::net::IpAddr;
use wire::mud::{Direction, MudFile};
use wire::packet::{Content, Datagram, Mac, Packet, Segment};
use wire::plan::{Action, Level};

fn made(plan: &str, description: &str) -> Made {
    Made { plan: plan.into(), description: description.into() }
}

fn describe(digest: &str) -> Command {
    Command::Describe(Description { mud_url: "https://maker.example/lamp".into(), digest: digest.into() })
}

fn propose(plan: &str, description: &str) -> Command {
    Command::Propose(made(plan, description), None)
}

fn narrow(plan: &str) -> Command {
    Command::Propose(made(plan, ""), Some(Level::UpdateOnly))
}

fn locate(address: &str) -> Command {
    Command::Locate(Location { macs: Vec::new(), addresses: vec![address.parse().unwrap()] })
}

/// What is left after all commands: description, proposed and active plan.
fn check(commands: Vec<Command>, expect: Result<&str, Refusal>) {
    let mut state = State::default();
    let mut outcome = Ok(());
    for command in commands {
        assert_eq!(outcome, Ok(()), "only the last command is refused");
        outcome = decide(&state, command, Millis(0))
            .map(|events| events.iter().for_each(|event| apply(&mut state, event)));
    }
    let shown = outcome.map(|()| {
        let plan = |made: Option<Made>| made.map_or("-".into(), |it| it.plan);
        let description = state.description.map_or("-".into(), |it| it.digest);
        format!("{description} {} {}", plan(state.proposed), plan(state.active))
    });
    assert_eq!(shown, expect.map(String::from));
}

#[test]
fn plans_are_proposed_and_activated() {
    check(vec![propose("p1", "d1")], Err(Refusal::AnotherDescription));
    check(vec![describe("d1"), propose("p1", "d2")], Err(Refusal::AnotherDescription));
    check(vec![describe("d1"), propose("p1", "d1")], Ok("d1 p1 -"));
    check(vec![describe("d1"), Command::Activate], Err(Refusal::NothingProposed));
    let active = || vec![describe("d1"), propose("p1", "d1"), Command::Activate];
    let after = |more: Vec<Command>| active().into_iter().chain(more).collect::<Vec<_>>();
    check(active(), Ok("d1 p1 p1"));
    check(after(vec![Command::Activate]), Err(Refusal::Active));
    // Its network changed: the plan follows.
    check(after(vec![locate("192.0.2.1"), propose("p2", "d1")]), Ok("d1 p2 p2"));
    // Its description changed: a person looks at it first.
    check(after(vec![describe("d2")]), Ok("d2 - p1"));
    check(after(vec![describe("d2"), propose("p2", "d2")]), Ok("d2 p2 p1"));
    check(after(vec![describe("d2"), propose("p2", "d2"), propose("p3", "d2")]), Ok("d2 p3 p1"));
    check(after(vec![describe("d2"), propose("p2", "d2"), Command::Activate]), Ok("d2 p2 p2"));
    check(after(vec![describe("d2"), propose("p2", "d1")]), Err(Refusal::AnotherDescription));
    check(after(vec![Command::Remove { why: "lost".into() }]), Ok("- - -"));
}

#[test]
fn held_back_a_device_has_a_narrow_plan_until_it_is_let_go() {
    let hold = || Command::Hold(Level::UpdateOnly);
    let active = || vec![describe("d1"), propose("p1", "d1"), Command::Activate, hold()];
    let after = |more: Vec<Command>| active().into_iter().chain(more).collect::<Vec<_>>();
    check(after(vec![]), Ok("d1 p1 p1"));
    check(after(vec![narrow("n1")]), Ok("d1 n1 n1"));
    check(after(vec![propose("p2", "d1")]), Err(Refusal::AnotherLevel));
    check(vec![describe("d1"), narrow("n1")], Err(Refusal::AnotherLevel));
    check(after(vec![narrow("n1"), Command::LetGo, narrow("n2")]), Err(Refusal::AnotherLevel));
    check(after(vec![narrow("n1"), Command::LetGo, propose("p1", "d1")]), Ok("d1 p1 p1"));
    // To be held back is no agreement to another description.
    check(after(vec![describe("d2"), narrow("n1"), Command::LetGo, propose("p2", "d2")]), Ok("d2 p2 n1"));
    // Without a description it has a plan as long as it is held.
    check(vec![hold(), narrow("n1")], Ok("- n1 n1"));
    check(vec![hold(), narrow("n1"), Command::LetGo], Ok("- - -"));
    // To be watched takes nothing away.
    let watch = vec![Command::Hold(Level::Watched), Command::Propose(made("w", "d1"), Some(Level::Watched))];
    check(vec![describe("d1")].into_iter().chain(watch).collect(), Ok("d1 w -"));
    check(vec![Command::LetGo, hold(), hold()], Ok("- - -"));
}

#[test]
fn a_level_leaves_what_it_says() {
    let talks = json!({"ipv4": {"protocol": 47}});
    let file = file(&[("ipv4", "from", talks, "accept")]);
    let packets = [
        "> 203.0.113.9 47 0 0",
        "> 198.51.100.1 tcp 40000 8443",
        "> 192.0.2.80 udp 5683 5683",
        "> 192.0.2.53 udp 40000 53",
    ];
    let check = |level: Option<Level>, expect: [&str; 4]| {
        let hosts = vec!["192.0.2.80/32".parse().unwrap()];
        let compiled =
            compile("lamp", Some(&file), &Surroundings { level, update_hosts: hosts, ..around() }).unwrap();
        assert_eq!(compiled.plan.level, level);
        packets.iter().zip(expect).for_each(|(packet, expect)| judge(&compiled, packet, expect));
        assert_eq!(explain(&compiled.plan)[0].starts_with("held back: "), level.is_some());
    };
    let described = ["accept from-ipv4/e0", "accept steward/hub", "drop default/from-device"];
    let [talk, hub, nobody] = described;
    check(None, [talk, hub, nobody, "accept rfc8520/dns"]);
    check(Some(Level::Watched), [talk, hub, nobody, "accept rfc8520/dns"]);
    let held = "drop quarantine/update-only";
    check(Some(Level::UpdateOnly), [held, hub, "accept steward/updates", "accept rfc8520/dns"]);
    let held = "drop quarantine/isolated";
    check(Some(Level::Isolated), [held, hub, held, held]);
    let held = "drop quarantine/dark";
    check(Some(Level::Dark), [held; 4]);
}

#[test]
fn what_changes_nothing_is_no_event() {
    let location = Location { macs: vec![Mac([2, 0, 0, 0, 0, 1])], addresses: Vec::new() };
    let mut state = State::default();
    assert_eq!(decide(&state, Command::Remove { why: String::new() }, Millis(0)), Ok(vec![]));
    apply(&mut state, &Event::Located { location: location.clone() });
    assert_eq!(decide(&state, Command::Locate(location), Millis(0)), Ok(vec![]));
    let Ok(events) = decide(&state, describe("d1"), Millis(0)) else { panic!("it is described") };
    events.iter().for_each(|event| apply(&mut state, event));
    assert_eq!(decide(&state, describe("d1"), Millis(0)), Ok(vec![]));
    apply(&mut state, &Event::Proposed { made: made("p1", "d1") });
    assert_eq!(decide(&state, propose("p1", "d1"), Millis(0)), Ok(vec![]));
}

#[test]
fn stored_events_are_read_for_ever() {
    let check = |stored: &str| {
        let event: Event = serde_json::from_str(stored).unwrap();
        assert_eq!(serde_json::to_string(&event).unwrap(), stored);
    };
    check(
        r#"{"event":"located","location":{"macs":["02:00:5e:00:53:01"],"addresses":["192.0.2.1","2001:db8::1"]}}"#,
    );
    check(r#"{"event":"described","description":{"mud_url":"https://maker.example/lamp","digest":"d1"}}"#);
    check(r#"{"event":"proposed","made":{"plan":"p1","description":"d1"}}"#);
    check(r#"{"event":"activated","made":{"plan":"p1","description":"d1"}}"#);
    check(r#"{"event":"removed","why":"lost"}"#);
    check(r#"{"event":"held","level":"update-only"}"#);
    check(r#"{"event":"let-go"}"#);
    let check = |stored: &str| {
        let event: controller::Event = serde_json::from_str(stored).unwrap();
        assert_eq!(serde_json::to_string(&event).unwrap(), stored);
    };
    check(r#"{"event":"added","hosts":"192.0.2.0/24"}"#);
    check(r#"{"event":"removed","hosts":"2001:db8::1/128"}"#);
}

#[test]
fn a_gate_is_appointed_once_and_dismissed_once() {
    use gate::{Command, Event, Refusal, State};
    let check = |appointed: bool, command: Command, expect: Result<Vec<Event>, Refusal>| {
        let told = format!("{appointed} {command:?}");
        assert_eq!(gate::decide(&State { appointed }, command, Millis(0)), expect, "{told}");
    };
    let why = || String::from("moved");
    let dismissed = || Ok(vec![Event::Dismissed { why: why() }]);
    check(false, Command::Appoint, Ok(vec![Event::Appointed]));
    check(true, Command::Appoint, Err(Refusal::Appointed));
    check(true, Command::Dismiss { why: why() }, dismissed());
    check(false, Command::Dismiss { why: why() }, Err(Refusal::NotAppointed));
    check(true, Command::End { why: why() }, dismissed());
    check(false, Command::End { why: why() }, Ok(vec![]));
    let mut state = State::default();
    for (stored, appointed) in
        [(r#"{"event":"appointed"}"#, true), (r#"{"event":"dismissed","why":"moved"}"#, false)]
    {
        let event: Event = serde_json::from_str(stored).unwrap();
        assert_eq!(serde_json::to_string(&event).unwrap(), stored);
        gate::apply(&mut state, &event);
        assert_eq!(state.appointed, appointed);
    }
}

#[test]
fn a_class_has_a_limit() {
    let mut state = controller::State::default();
    for index in 0..1024_u32 {
        let hosts = IpAddr::from(index.to_be_bytes()).into();
        let events = controller::decide(&state, controller::Command::Add(hosts), Millis(0)).unwrap();
        events.iter().for_each(|event| controller::apply(&mut state, event));
    }
    let one_more = controller::Command::Add("10.0.0.0/8".parse().unwrap());
    assert_eq!(controller::decide(&state, one_more, Millis(0)), Err(controller::Refusal::TooMany));
}

/// A description with these entries, as `(list type, direction, matches, action)`.
fn file(entries: &[(&str, &str, serde_json::Value, &str)]) -> MudFile {
    let list = |direction: &str, kind: &str| {
        let mine = entries.iter().enumerate().filter(|(_, it)| it.0 == kind && it.1 == direction);
        let aces: Vec<_> = mine
            .map(|(index, (_, _, matches, action))| {
                json!({"name": format!("e{index}"), "matches": matches, "actions": {"forwarding": action}})
            })
            .collect();
        json!({"name": format!("{direction}-{kind}"), "type": format!("{kind}-acl-type"), "aces": {"ace": aces}})
    };
    let policy = |direction: &str| {
        json!({"access-lists": {"access-list": [
            {"name": format!("{direction}-ipv4")}, {"name": format!("{direction}-ipv6")}
        ]}})
    };
    let text = json!({
        "ietf-mud:mud": {
            "mud-version": 1, "mud-url": "https://maker.example/lamp", "is-supported": true,
            "last-update": "2026-01-01T00:00:00Z",
            "from-device-policy": policy("from"), "to-device-policy": policy("to")
        },
        "ietf-access-control-list:acls": {"acl": [
            list("from", "ipv4"), list("from", "ipv6"), list("to", "ipv4"), list("to", "ipv6")
        ]}
    });
    MudFile::from_json(text.to_string().as_bytes()).unwrap()
}

const MAC: Mac = Mac([2, 0, 0x5e, 0, 0x53, 1]);

fn around() -> Surroundings {
    let addresses = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<IpAddr>>();
    let prefixes = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<_>>();
    Surroundings {
        macs: vec![MAC],
        addresses: addresses(&["192.0.2.1", "2001:db8::1"]),
        hub: vec!["198.51.100.1:8443".parse().unwrap()],
        names: [("service.example.com".into(), prefixes(&["203.0.113.1/32", "2001:db8:1::1/128"]))].into(),
        controllers: [
            ("urn:ietf:params:mud:dns".into(), prefixes(&["192.0.2.53/32"])),
            ("https://maker.example/bridge".into(), prefixes(&["192.0.2.60/32", "192.0.2.61/32"])),
        ]
        .into(),
        my_controllers: prefixes(&["192.0.2.70/32"]),
        manufacturers: [
            ("maker.example".into(), addresses(&["192.0.2.2"])),
            ("other.example".into(), addresses(&["192.0.2.3"])),
        ]
        .into(),
        models: [("https://maker.example/bulb".into(), addresses(&["192.0.2.4"]))].into(),
        local_networks: prefixes(&["192.0.2.0/24", "2001:db8::/64"]),
        ..Surroundings::default()
    }
}

/// A packet of the device (`>`) or for it (`<`), as `> 203.0.113.1 tcp 40000 443`: the remote address,
/// the device's port, the other's.
fn packet(text: &str) -> (Packet, Direction) {
    let words: Vec<&str> = text.split(' ').collect();
    let [way, remote, kind, device, other] = words.as_slice() else { panic!("{text}") };
    let remote: IpAddr = remote.parse().unwrap();
    let own: IpAddr = if remote.is_ipv4() { "192.0.2.1" } else { "2001:db8::1" }.parse().unwrap();
    let (device, other): (u16, u16) = (device.parse().unwrap(), other.parse().unwrap());
    let outward = *way == ">";
    let (source, destination) = if outward { (own, remote) } else { (remote, own) };
    let ports = if outward { (device, other) } else { (other, device) };
    let number = match *kind {
        "tcp" => 6,
        "udp" => 17,
        "icmp" => 1,
        other => other.parse().unwrap(),
    };
    let segment = match number {
        6 | 17 => Segment::Ports { source: ports.0, destination: ports.1 },
        1 => Segment::Icmp { kind: device.to_be_bytes()[1], code: other.to_be_bytes()[1] },
        _ => Segment::Other,
    };
    let content = Content::Ip(Datagram { source, destination, protocol: number, segment });
    let stranger = Mac([2, 0, 0, 0, 0, 9]);
    let (source_mac, destination_mac) = if outward { (MAC, stranger) } else { (stranger, MAC) };
    let direction = if outward { Direction::FromDevice } else { Direction::ToDevice };
    (Packet { source_mac, destination_mac, content }, direction)
}

fn judge(compiled: &Compiled, text: &str, expect: &str) {
    let (text, begun_by) = match text.split_once(" begun by ") {
        Some((text, side)) => (text, Direction::from_word(side)),
        None => (text, None),
    };
    let verdict = compiled.plan.judge(&packet(text).0, begun_by);
    let action = if verdict.action == Action::Accept { "accept" } else { "drop" };
    assert_eq!(format!("{action} {}", verdict.by), expect, "{text}");
}

/// Compiles one entry and judges packets by it.
fn check_entry(kind: &str, direction: &str, matches: serde_json::Value, packets: &[(&str, bool)]) {
    let compiled = compile("lamp", Some(&file(&[(kind, direction, matches, "accept")])), &around()).unwrap();
    for (packet, passes) in packets {
        let default = if packet.starts_with('>') { "from-device" } else { "to-device" };
        let expect =
            if *passes { format!("accept {direction}-{kind}/e0") } else { format!("drop default/{default}") };
        judge(&compiled, packet, &expect);
    }
}

#[test]
fn classes_become_addresses() {
    let class = |name: &str, value: serde_json::Value| json!({"ietf-mud:mud": {name: value}});
    let check = |matches: serde_json::Value, packets: &[(&str, bool)]| {
        check_entry("ipv4", "from", matches, packets);
    };
    let to = |last: u8, passes: bool| -> (String, bool) { (format!("> 192.0.2.{last} 47 0 0"), passes) };
    let all = |matches: serde_json::Value, good: &[u8]| {
        for last in [2, 3, 4, 60, 61, 70, 99] {
            let (packet, passes) = to(last, good.contains(&last));
            check(matches.clone(), &[(packet.as_str(), passes)]);
        }
    };
    all(class("same-manufacturer", json!([null])), &[2]);
    all(class("manufacturer", json!("other.example")), &[3]);
    all(class("manufacturer", json!("nobody.example")), &[]);
    all(class("model", json!("https://maker.example/bulb")), &[4]);
    all(class("controller", json!("https://maker.example/bridge")), &[60, 61]);
    all(class("controller", json!("https://maker.example/other")), &[]);
    all(class("my-controller", json!([null])), &[70]);
    all(class("local-networks", json!([null])), &[2, 3, 4, 60, 61, 70, 99]);
    check(class("local-networks", json!([null])), &[("> 203.0.113.1 47 0 0", false)]);
    // RFC 8520 section 2.1: elements within a match block are ANDed.
    let both = json!({"ietf-mud:mud": {"local-networks": [null], "controller": "https://maker.example/bridge"},
        "ipv4": {"destination-ipv4-network": "192.0.2.61/32"}});
    all(both, &[61]);
}

#[test]
fn names_prefixes_and_ports() {
    let name = json!({"ipv4": {"ietf-acldns:dst-dnsname": "service.example.com"},
        "tcp": {"destination-port": {"operator": "neq", "port": 80}}});
    check_entry(
        "ipv4",
        "from",
        name,
        &[
            ("> 203.0.113.1 tcp 40000 443", true),
            ("> 203.0.113.1 tcp 40000 80", false),
            ("> 203.0.113.1 udp 40000 443", false),
            ("> 203.0.113.2 tcp 40000 443", false),
            ("< 203.0.113.1 tcp 40000 443", false),
        ],
    );
    let inward = json!({"ipv6": {"ietf-acldns:src-dnsname": "service.example.com", "protocol": 17},
        "udp": {"source-port": {"lower-port": 1000, "upper-port": 1001}, "destination-port": {"port": 9}}});
    check_entry(
        "ipv6",
        "to",
        inward,
        &[
            ("< 2001:db8:1::1 udp 9 1000", true),
            ("< 2001:db8:1::1 udp 9 1002", false),
            ("< 2001:db8:1::1 udp 8 1000", false),
            ("> 2001:db8:1::1 udp 9 1000", false),
        ],
    );
    let address = json!({"ipv4": {"ietf-acldns:dst-dnsname": "203.0.113.9"}});
    check_entry("ipv4", "from", address, &[("> 203.0.113.9 47 0 0", true), ("> 203.0.113.1 47 0 0", false)]);
    let own = json!({"ipv4": {"source-ipv4-network": "192.0.2.0/28"}});
    check_entry("ipv4", "from", own, &[("> 203.0.113.9 47 0 0", true)]);
    let ping = json!({"icmp": {"type": 8}});
    check_entry("ipv4", "to", ping, &[("< 203.0.113.9 icmp 8 0", true), ("< 203.0.113.9 icmp 0 0", false)]);
}

#[test]
fn entries_that_match_nothing_are_told() {
    let wrong = file(&[
        ("ipv4", "from", json!({"ipv4": {"protocol": 6}, "udp": {}}), "accept"),
        ("ipv4", "from", json!({"ipv4": {"source-ipv4-network": "10.0.0.0/8"}}), "accept"),
        ("ipv4", "from", json!({"ipv4": {"ietf-acldns:dst-dnsname": "new.example.com"}}), "accept"),
    ]);
    let compiled = compile("lamp", Some(&wrong), &around()).unwrap();
    let expect = [
        "from-ipv4/e0: its protocol is not that of its ports or types; the entry matches nothing and is left out",
        "from-ipv4/e1: none of the device's addresses is within its own prefix; the entry matches nothing and is left out",
        "from-ipv4/e2: `new.example.com` means no address now",
    ];
    assert_eq!(compiled.notes, expect);
    judge(&compiled, "> 203.0.113.9 udp 1 1", "drop default/from-device");
}

#[test]
fn a_plan_that_cannot_be_enforced_says_so() {
    let check = |macs: bool, addresses: bool, expect: Option<&str>| {
        let mut bare = around();
        bare.macs.truncate(usize::from(macs));
        bare.addresses.truncate(usize::from(addresses));
        let plan = compile("lamp", None, &bare).unwrap().plan;
        let said = super::compile::hindrance(&plan);
        assert_eq!(said.map(|why| why.split(':').next().unwrap()), expect);
    };
    check(true, true, None);
    check(false, false, Some("neither an Ethernet address nor an address of the device is known"));
    check(true, false, Some("no address of the device is known"));
    check(false, true, Some("no Ethernet address of the device is known"));
}

#[test]
fn the_first_entry_that_matches_decides_and_defaults_come_last() {
    let dns = json!({"ietf-mud:mud": {"controller": "urn:ietf:params:mud:dns"}, "ipv4": {"protocol": 17},
        "udp": {"destination-port": {"operator": "eq", "port": 53}}});
    let open = compile("lamp", Some(&file(&[])), &around()).unwrap();
    judge(&open, "> 192.0.2.53 udp 40000 53", "accept rfc8520/dns");
    judge(&open, "< 192.0.2.53 udp 40000 53", "accept rfc8520/dns");
    judge(&open, "> 192.0.2.54 udp 40000 53", "drop default/from-device");
    // RFC 8520 appendix A: to block DNS, one repeats the matching statement with "drop".
    for action in ["drop", "reject"] {
        let blocked = compile("lamp", Some(&file(&[("ipv4", "from", dns.clone(), action)])), &around());
        judge(&blocked.unwrap(), "> 192.0.2.53 udp 40000 53", "drop from-ipv4/e0");
    }
    // Nothing takes the hub away.
    let closed = file(&[("ipv4", "from", json!({}), "drop"), ("ipv4", "to", json!({}), "drop")]);
    let closed = compile("lamp", Some(&closed), &around()).unwrap();
    judge(&closed, "> 198.51.100.1 tcp 40000 8443", "accept steward/hub");
    judge(&closed, "< 198.51.100.1 tcp 40000 8443 begun by from-device", "accept steward/hub");
    judge(&closed, "< 198.51.100.1 tcp 40000 8443", "accept steward/hub");
    judge(&closed, "> 198.51.100.1 tcp 40000 80", "drop from-ipv4/e0");
    judge(&closed, "> 192.0.2.99 udp 68 67", "accept steward/dhcp");
    let bare = compile("lamp", None, &around()).unwrap();
    judge(&bare, "> 198.51.100.1 tcp 40000 8443", "accept steward/hub");
    judge(&bare, "> 203.0.113.1 tcp 40000 443", "drop default/from-device");
}

#[test]
fn the_same_description_gives_the_same_digest() {
    let service = json!({"ipv4": {"ietf-acldns:dst-dnsname": "service.example.com"}});
    let described = file(&[("ipv4", "from", service, "accept")]);
    let one = compile("lamp", Some(&described), &around()).unwrap();
    assert_eq!(compile("lamp", Some(&described), &around()), Ok(one.clone()));
    let mut moved = around();
    moved.names.clear();
    assert_ne!(compile("lamp", Some(&described), &moved).unwrap().digest, one.digest);
}

#[test]
fn too_many_addresses_are_refused() {
    let mut crowded = around();
    let many = (0..1025_u32).map(|index| IpAddr::from((0x0a00_0000 + index * 2).to_be_bytes()));
    crowded.manufacturers.insert("maker.example".into(), many.collect());
    let same = file(&[("ipv4", "from", json!({"ietf-mud:mud": {"same-manufacturer": [null]}}), "accept")]);
    let refused = compile("lamp", Some(&same), &crowded).unwrap_err().to_string();
    assert_eq!(refused, "the plan has more addresses of a condition than 1024");
}

#[test]
fn plans_in_words() {
    let described = file(&[
        (
            "ipv4",
            "from",
            json!({"ipv4": {"ietf-acldns:dst-dnsname": "service.example.com"},
                "tcp": {"ietf-mud:direction-initiated": "from-device", "destination-port": {"port": 443}}}),
            "accept",
        ),
        (
            "ipv4",
            "to",
            json!({"ietf-mud:mud": {"controller": "https://maker.example/bridge"},
                "udp": {"destination-port": {"operator": "neq", "port": 80}}}),
            "accept",
        ),
        ("ipv6", "to", json!({"icmp": {"type": 128, "code": 0}}), "drop"),
    ]);
    let compiled = compile("lamp", Some(&described), &around()).unwrap();
    let lines = explain(&compiled.plan);
    let own: Vec<&str> = lines.iter().map(String::as_str).filter(|line| line.contains("/e")).collect();
    let expect = [
        "accept to the name service.example.com (203.0.113.1/32): TCP over IPv4, its port 443, begun by the device (from-ipv4/e0)",
        "accept from the class https://maker.example/bridge (192.0.2.60/32 and 1 more): UDP over IPv4, the device's port 0 to 79 or 81 to 65535 (to-ipv4/e1)",
        "drop from anybody: ICMPv6, type 128, code 0 (to-ipv6/e2)",
    ];
    assert_eq!(own, expect);
    assert_eq!(
        lines.first().unwrap(),
        "accept to the class hub (198.51.100.1/32): TCP over IPv4, its port 8443 (steward/hub)"
    );
    assert!(lines.last().unwrap().starts_with("drop everything else"));
    let nowhere = compile("lamp", Some(&described), &Surroundings::default()).unwrap();
    assert!(explain(&nowhere.plan).join(" ").contains("service.example.com (no address known)"));
}
