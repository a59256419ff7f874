use super::rules::{Command, Phase, Said, State, apply, decide};
use crate::room::Reason;
use crate::time::Millis;

fn said() -> Said {
    Said { report: "ab".into(), wiped: vec!["keys".into()], ldevid: "PEM".into() }
}

fn begin() -> Command {
    Command::Begin { why: "old".into(), deadline: Millis(10), ldevids: "PEM".into() }
}

/// Asks commands one after another, from nothing, at one time.
fn led(commands: &[Command], now: i64) -> Result<State, &'static str> {
    let mut state = State::default();
    for command in commands {
        let events = decide(&state, command.clone(), Millis(now)).map_err(|why| why.code())?;
        events.iter().for_each(|event| apply(&mut state, event));
    }
    Ok(state)
}

#[test]
fn the_table_of_the_card() {
    let force = || Command::Force { why: "lost".into() };
    let close = || Command::Close { why: "lost".into() };
    let archive = || Command::Archive { certificate: "cd".into() };
    let check = |commands: &[Command], now: i64, expect: Result<Option<Phase>, &str>| {
        let got = led(commands, now).map(|state| state.phase);
        assert_eq!(got, expect, "{commands:?} at {now}");
    };
    use Command::{Cancel, Expire, Hear, Tell};
    use Phase::{Cancelled, Forced, Overdue, Requested, Wiped, Wiping};
    check(&[begin()], 5, Ok(Some(Requested)));
    check(&[begin(), begin()], 5, Err("decommission-begun"));
    check(&[begin(), Tell], 5, Ok(Some(Wiping)));
    check(&[begin(), Tell, Tell], 5, Ok(Some(Wiping)));
    check(&[begin(), Hear(said())], 5, Ok(Some(Wiped)));
    check(&[begin(), Tell, Hear(said())], 5, Ok(Some(Wiped)));
    check(&[begin(), Tell, Expire, Hear(said())], 5, Ok(Some(Wiped)));
    check(&[begin(), Tell, Hear(said()), Hear(said())], 5, Ok(Some(Wiped)));
    let other = Said { report: "cd".into(), ..said() };
    check(&[begin(), Hear(said()), Hear(other.clone())], 5, Err("decommission-over"));
    check(&[begin(), Cancel], 5, Ok(Some(Cancelled)));
    check(&[begin(), Cancel, begin()], 5, Ok(Some(Requested)));
    check(&[begin(), Cancel, Hear(said())], 5, Err("decommission-over"));
    check(&[begin(), Tell, Cancel], 5, Err("already-wiping"));
    check(&[begin(), Tell, Expire], 5, Ok(Some(Overdue)));
    check(&[begin(), force()], 5, Err("deadline-ahead"));
    check(&[begin(), force()], 10, Err("deadline-ahead"));
    check(&[begin(), force()], 11, Ok(Some(Forced)));
    check(&[begin(), Expire, force()], 5, Ok(Some(Forced)));
    check(&[begin(), Tell, close()], 5, Ok(Some(Forced)));
    // A word that comes after a forced end counts, and is the last one.
    check(&[begin(), close(), Hear(said())], 5, Ok(Some(Wiped)));
    check(&[begin(), Expire, force(), Hear(said())], 5, Ok(Some(Wiped)));
    check(&[begin(), close(), archive(), Hear(said())], 5, Ok(Some(Wiped)));
    check(&[begin(), close(), Hear(said()), Hear(said())], 5, Ok(Some(Wiped)));
    check(&[begin(), close(), Hear(said()), Hear(other.clone())], 5, Err("decommission-over"));
    check(&[begin(), close(), archive(), Hear(said()), archive(), archive()], 5, Err("decommission-over"));
    check(&[begin(), close(), Hear(said()), begin()], 5, Err("decommission-begun"));
    check(&[begin(), close(), archive(), Hear(said()), archive(), begin()], 5, Ok(Some(Requested)));
    check(&[begin(), archive()], 5, Err("decommission-over"));
    check(&[begin(), Hear(said()), begin()], 5, Err("decommission-begun"));
    check(&[begin(), Hear(said()), archive()], 5, Ok(Some(Wiped)));
    check(&[begin(), Hear(said()), archive(), archive()], 5, Err("decommission-over"));
    check(&[begin(), Hear(said()), archive(), begin()], 5, Ok(Some(Requested)));
    for command in [Tell, Expire, Cancel, close()] {
        check(&[command], 5, Ok(None));
    }
    for command in [Hear(said()), force(), archive()] {
        check(&[command], 5, Err("not-decommissioned"));
    }
}

#[test]
fn what_is_archived() {
    let archive = Command::Archive { certificate: "cd".into() };
    let state = led(&[begin(), Command::Hear(said()), archive], 7).expect("archived");
    assert_eq!((state.why.as_str(), state.ended_at, state.said), ("old", Millis(7), Some(said())));
    assert_eq!((state.certificate.as_str(), state.ldevids.as_str()), ("cd", "PEM"));
    let state = led(&[begin(), Command::Force { why: "lost".into() }], 11).expect("forced");
    assert_eq!((state.why.as_str(), state.said, state.ended_at), ("lost", None, Millis(11)));
}

#[test]
fn what_a_late_word_changes() {
    let [force, hear] = [Command::Force { why: "lost".into() }, Command::Hear(said())];
    let archive = |certificate: &str| Command::Archive { certificate: certificate.into() };
    let check = |commands: &[Command], certificate: &str, replaces: &str| {
        let mut state = led(commands, 11).expect("forced");
        for event in decide(&state, hear.clone(), Millis(20)).expect("it counts") {
            apply(&mut state, &event);
        }
        assert_eq!((state.why.as_str(), state.ended_at, state.heard_at), ("lost", Millis(11), Millis(20)));
        assert_eq!((state.said.as_ref(), state.certified_at()), (Some(&said()), Millis(20)));
        assert_eq!((state.certificate.as_str(), state.replaces.as_str()), (certificate, replaces));
        assert!(state.lacks_certificate());
    };
    check(&[begin(), force.clone()], "", "");
    check(&[begin(), force, archive("cd")], "", "cd");
}

/// One line for every form in which an event was ever stored. Never remove one.
const STORED: &[&str] = &[
    r#"{"event":"begun","why":"old","at":5,"deadline":10,"ldevids":"PEM"}"#,
    r#"{"event":"told"}"#,
    r#"{"event":"wiped","at":5,"said":{"report":"ab","wiped":["keys"],"ldevid":"PEM"}}"#,
    r#"{"event":"expired"}"#,
    r#"{"event":"cancelled"}"#,
    r#"{"event":"forced","at":5,"why":"lost"}"#,
    r#"{"event":"archived","certificate":"cd"}"#,
    r#"{"event":"wiped-late","at":5,"said":{"report":"ab","wiped":["keys"],"ldevid":"PEM"}}"#,
];

/// As [`STORED`], of the support calendar.
const STORED_SUPPORT: &[&str] = &[
    r#"{"event":"set","until":5,"source":"x"}"#,
    r#"{"event":"cleared"}"#,
    r#"{"event":"ended","at":5,"source":"x"}"#,
    r#"{"event":"resumed"}"#,
];

/// What is said of a product, one after another, and whether its support is over at 10.
#[test]
fn the_table_of_the_calendar() {
    use super::support::rules::{Command, Ended, State, apply, decide};
    let set = |until| Command::Set { until: Millis(until), source: "a person".into() };
    let describe = |is_supported| Command::Describe { is_supported, source: "a file".into() };
    let check = |commands: &[Command], expect: Option<(i64, &str)>| {
        let mut state = State::default();
        for command in commands {
            let events = decide(&state, command.clone(), Millis(7)).expect("decided");
            events.iter().for_each(|event| apply(&mut state, event));
        }
        let expect = expect.map(|(at, source)| Ended { at: Millis(at), source: source.into() });
        assert_eq!(state.ended(Millis(10)), expect, "{commands:?}");
    };
    use Command::Clear;
    check(&[], None);
    check(&[set(11)], None);
    check(&[set(10)], None);
    check(&[set(9)], Some((9, "a person")));
    check(&[set(9), Clear], None);
    check(&[describe(true)], None);
    check(&[describe(false)], Some((7, "a file")));
    check(&[describe(false), describe(false)], Some((7, "a file")));
    check(&[describe(false), describe(true)], None);
    // What is signed counts more than what was entered, and does not forget it.
    check(&[set(11), describe(false)], Some((7, "a file")));
    check(&[describe(false), set(11)], Some((7, "a file")));
    check(&[describe(false), set(11), Clear], Some((7, "a file")));
    check(&[set(9), describe(false), describe(true)], Some((9, "a person")));
    // That it is supported now is no promise until a date, and takes none away.
    check(&[set(9), describe(true)], Some((9, "a person")));
    let refused = decide(&State::default(), Clear, Millis(7)).map_err(|why| why.code());
    assert_eq!(refused, Err("support-unknown"));
}

#[test]
fn every_stored_event_is_read_for_ever() {
    crate::audit::tests::stored_events::<super::Retirement>(STORED, 8);
    crate::audit::tests::stored_events::<super::support::Support>(STORED_SUPPORT, 4);
}
