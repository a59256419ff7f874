//! The rules by table and property, words for packets, and a kept sample of every stored event.
use super::rules::{Ahead, Command, Event, Level, Matter, Packet, State, apply, decide};
use super::traffic::{explained, what};
use crate::limits::DEVICE_FINDINGS_MAX;
use crate::room::Reason;
use crate::time::Millis;
use proptest::prelude::*;
use wire::packet::Packet as Frame;

fn hold(level: Level) -> Command {
    Command::Hold { level, why: "odd".into() }
}

fn find(what: &str) -> Command {
    Command::Find(Packet { by: "default/from-device".into(), what: what.into(), plan: "p".into() })
}

fn ahead(what: &str) -> Command {
    Command::FindAhead { of: Ahead::Firmware, what: what.into() }
}

fn settle(finding: u32) -> Command {
    Command::Settle { finding, why: "seen".into() }
}

fn release() -> Command {
    Command::Release { why: "well".into() }
}

fn end() -> Command {
    Command::End { why: "retired".into() }
}

/// The level, and the findings: `+` open, `-` settled; or the last refusal's code.
fn check(commands: Vec<Command>, expect: Result<&str, &str>) {
    let (mut state, mut outcome) = (State::default(), Ok(()));
    for command in commands {
        assert_eq!(outcome, Ok(()), "only the last command is refused");
        outcome = decide(&state, command, Millis(7))
            .map(|events| events.iter().for_each(|event| apply(&mut state, event)))
            .map_err(|why| why.code());
    }
    let shown = outcome.map(|()| {
        let level = state.level.map_or("-", Level::as_str);
        let found = state.findings.values().map(|it| if it.settled { '-' } else { '+' });
        format!("{level} {}", found.collect::<String>())
    });
    assert_eq!(shown, expect.map(String::from));
}

#[test]
fn a_device_is_held_and_released() {
    check(vec![hold(Level::Dark)], Ok("dark "));
    check(vec![hold(Level::Dark), hold(Level::Dark)], Err("already-held"));
    check(vec![hold(Level::Dark), hold(Level::Watched)], Ok("watched "));
    check(vec![release()], Err("not-held"));
    check(vec![hold(Level::Dark), release()], Ok("- "));
    check(vec![hold(Level::Dark), release(), release()], Err("not-held"));
    check(vec![end()], Ok("- "));
    check(vec![hold(Level::Dark), end(), end()], Ok("- "));
}

#[test]
fn a_playbook_ends_the_hold_that_it_was_begun_on() {
    let begin = || Command::Entrust;
    let well = || Command::Heal { why: "its playbook helped".into() };
    check(vec![well()], Ok("- "));
    check(vec![begin(), well()], Ok("- "));
    check(vec![hold(Level::Dark), well()], Ok("dark "));
    check(vec![hold(Level::Dark), begin(), well()], Ok("- "));
    check(vec![find("a"), begin(), well()], Ok("- -"));
    // What came later is somebody else's to end.
    check(vec![begin(), hold(Level::Dark), well()], Ok("dark "));
    check(vec![begin(), find("a"), well()], Ok("update-only +"));
    check(vec![hold(Level::Watched), begin(), hold(Level::Dark), well()], Ok("dark "));
    check(vec![find("a"), begin(), hold(Level::Dark), well()], Ok("dark +"));
    check(vec![hold(Level::Dark), begin(), hold(Level::Dark), well()], Ok("dark "));
    check(vec![hold(Level::Dark), begin(), hold(Level::Dark), hold(Level::Dark)], Err("already-held"));
    check(vec![hold(Level::Dark), begin(), release(), hold(Level::Dark), well()], Ok("dark "));
    check(vec![hold(Level::Dark), begin(), hold(Level::Watched), begin(), well()], Ok("- "));
}

#[test]
fn a_finding_holds_who_was_let_be() {
    check(vec![find("a")], Ok("update-only +"));
    check(vec![find("a"), find("a"), find("b")], Ok("update-only ++"));
    check(vec![hold(Level::Watched), find("a")], Ok("watched +"));
    check(vec![hold(Level::Dark), find("a")], Ok("dark +"));
    check(vec![find("a"), release()], Ok("- -"));
    check(vec![find("a"), release(), find("a")], Ok("update-only -+"));
    check(vec![find("a"), end()], Ok("- -"));
}

#[test]
fn who_is_ahead_is_a_finding_and_is_let_be() {
    let certificate = Command::FindAhead { of: Ahead::Certificate, what: "one".into() };
    check(vec![ahead("2")], Ok("- +"));
    check(vec![ahead("2"), ahead("2"), ahead("3")], Ok("- +"));
    check(vec![ahead("2"), certificate], Ok("- ++"));
    check(vec![ahead("2"), settle(1), ahead("2")], Ok("- -"));
    check(vec![ahead("2"), settle(1), ahead("3")], Ok("- -+"));
    check(vec![ahead("2"), settle(1), settle(1)], Err("finding-settled"));
    check(vec![settle(1)], Err("finding-unknown"));
    check(vec![find("a"), settle(1)], Err("finding-of-packet"));
    // Letting it be says nothing of what it has.
    check(vec![ahead("2"), find("a"), release()], Ok("- +-"));
    check(vec![ahead("2"), end()], Ok("- -"));
}

#[test]
fn a_flood_of_packets_fills_no_journal() {
    let mut state = State::default();
    let mut events = 0;
    for packet in 0..100 {
        let found = decide(&state, find(&packet.to_string()), Millis(0)).expect("it is found");
        found.iter().for_each(|event| apply(&mut state, event));
        events += found.len();
    }
    assert_eq!((state.findings.len(), events), (DEVICE_FINDINGS_MAX, DEVICE_FINDINGS_MAX + 1));
    apply(&mut state, &Event::Released { why: String::new() });
    for event in decide(&state, find("one more"), Millis(0)).expect("it is found") {
        apply(&mut state, &event);
    }
    assert_eq!(state.findings.len(), DEVICE_FINDINGS_MAX, "the oldest settled one made room");
    assert!(!state.findings.contains_key(&1) && is_outside_description(&state));
}

#[test]
fn packets_have_words() {
    let check = |hex: &str, expect: &str| {
        let octets: Vec<u8> =
            (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect();
        assert_eq!(what(&Frame::from_frame(&octets).unwrap()), expect);
    };
    let mac = "02000000000902005e005301";
    let ip = "4500001c000040004011 0000c0000201c000023c".replace(' ', "");
    check(&format!("{mac}0800{ip}0001000200080000"), "UDP to 192.0.2.60, port 2");
    let other = ip.replacen("4011", "402f", 1);
    check(&format!("{mac}0800{other}0001000200080000"), "protocol 47 to 192.0.2.60");
    let ping = ip.replacen("4011", "4001", 1);
    check(&format!("{mac}0800{ping}0800000000000000"), "ICMP to 192.0.2.60, type 8, code 0");
    check(&format!("{mac}88cc"), "a frame of type 0x88cc");
    check(&format!("{mac}0806"), "ARP");
}

#[test]
fn verdicts_have_words() {
    let check = |by: &str, expect: &str| assert!(explained(by).contains(expect), "{by}");
    check("default/from-device", "RFC 8520 section 5");
    check("default/foreign-address", "not the device's");
    check("from/telnet", "`from/telnet`");
}

/// One line for every form in which an event was ever stored. Never remove one.
const STORED: &[&str] = &[
    r#"{"event":"held","level":"update-only","why":"odd","at":7}"#,
    r#"{"event":"found","finding":1,"packet":{"by":"default/from-device","what":"ARP","plan":"p"},"at":7}"#,
    r#"{"event":"found-ahead","finding":1,"of":"ahead-of-state/firmware","what":"2 over 1","at":7}"#,
    r#"{"event":"settled","finding":1,"why":"seen"}"#,
    r#"{"event":"released","why":"well"}"#,
    r#"{"event":"entrusted"}"#,
    r#"{"event":"ended","why":"retired"}"#,
];

#[test]
fn every_stored_event_is_read_for_ever() {
    crate::audit::tests::stored_events::<super::Quarantine>(STORED, 7);
}

fn is_outside_description(state: &State) -> bool {
    state.findings.values().any(|it| !it.settled && matches!(it.matter, Matter::Packet(_)))
}

fn command() -> impl Strategy<Value = Command> {
    let level = proptest::sample::select(Level::ALL);
    prop_oneof![
        level.prop_map(hold),
        "[a-c]".prop_map(|what| find(&what)),
        "[a-c]".prop_map(|what| ahead(&what)),
        (0..20u32).prop_map(settle),
        Just(release()),
        Just(Command::Entrust),
        Just(Command::Heal { why: "well".into() }),
        Just(end()),
    ]
}

proptest! {
    /// However it goes: who has an open finding is held, and findings are bounded.
    #[test]
    fn who_has_an_open_finding_is_held(commands in proptest::collection::vec(command(), 0..60)) {
        let mut state = State::default();
        for command in commands {
            for event in decide(&state, command, Millis(0)).unwrap_or_default() {
                apply(&mut state, &event);
            }
            prop_assert!(state.level.is_some() || !is_outside_description(&state));
            prop_assert!(state.findings.len() <= DEVICE_FINDINGS_MAX);
        }
    }
}
