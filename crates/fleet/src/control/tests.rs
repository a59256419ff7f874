use super::rules::{
    Command, Desired, Event, Kind, Phase, Refusal, State, Step, apply, decide, ended_by, steps,
};
use crate::limits::DEVICE_OPERATIONS_MAX;
use crate::time::Millis;
use proptest::prelude::*;
use wire::control::{ConfigurationReport, FirmwareReport, OrderReport, Progress, Report};
use wire::digest::{hex, sha256};

const APPLY: Kind = Kind::ApplyConfiguration;

fn request(about: &str) -> Command {
    Command::Request { kind: APPLY, about: about.into(), deadline: Millis(100) }
}

fn told(state: &mut State, command: Command, now: i64) -> Result<usize, Refusal> {
    let events = decide(state, command, Millis(now))?;
    events.iter().for_each(|event| apply(state, event));
    Ok(events.len())
}

/// A device of which version 2 was asked, as operation 1.
fn asked() -> State {
    let mut state = State::default();
    assert_eq!(told(&mut state, request("2"), 0), Ok(1));
    state
}

#[test]
fn an_operation_is_the_table_of_the_card() {
    let check = |commands: &[Command], expect: Phase, why: &str| {
        let mut state = asked();
        for command in commands {
            told(&mut state, command.clone(), 101).expect("done");
        }
        let operation = &state.operations[&1];
        assert_eq!((operation.phase, operation.why.as_str()), (expect, why), "{commands:?}");
    };
    let begin = Command::Begin { kind: APPLY };
    let succeed = |about: &str| Command::Succeed { kind: APPLY, about: about.into() };
    let fail = Command::Fail { kind: APPLY, about: "2".into(), why: "it rained".into() };
    let cancel = Command::Cancel { operation: 1, why: "no".into() };
    let cancel_all = Command::CancelAll { why: "retired".into() };
    check(&[], Phase::Requested, "");
    check(&[begin.clone(), begin.clone()], Phase::Running, "");
    check(&[succeed("2")], Phase::Succeeded, "");
    check(&[succeed("3")], Phase::Requested, "");
    check(&[begin.clone(), fail.clone()], Phase::Failed, "it rained");
    check(&[succeed("2"), fail, begin], Phase::Succeeded, "");
    check(&[cancel], Phase::Cancelled, "no");
    check(std::slice::from_ref(&cancel_all), Phase::Cancelled, "retired");
    check(&[succeed("2"), cancel_all], Phase::Succeeded, "");
    check(&[Command::Expire], Phase::Expired, "its time passed");
    check(&[request("3")], Phase::Cancelled, "a newer one took its place");
    check(&[Command::CancelFirmwareOrders { why: "healed".into() }], Phase::Requested, "");
}

#[test]
fn what_is_over_is_not_cancelled() {
    let mut state = asked();
    let cancel = |operation| Command::Cancel { operation, why: String::new() };
    assert_eq!(told(&mut state, cancel(2), 0), Err(Refusal::Unknown(2)));
    assert_eq!(told(&mut state, Command::Expire, 100), Ok(0), "its deadline is now");
    assert_eq!(told(&mut state, cancel(1), 0), Ok(1));
    assert_eq!(told(&mut state, cancel(1), 0), Err(Refusal::Over(Phase::Cancelled)));
}

#[test]
fn steps_lead_from_what_is_reported_to_what_is_desired() {
    let check = |desired: &Desired, has: &[u8], trial: Option<u32>, now: i64, expect: &[Step]| {
        let digest = Some(sha256(has));
        let configuration = ConfigurationReport { digest, trial, ..ConfigurationReport::default() };
        let reported = Report { configuration, ..Report::default() };
        assert_eq!(steps(desired, &reported, Millis(now)), expect, "{desired:?} {trial:?} {now}");
    };
    let order = |over: String| {
        let configuration = Some((7, over, Millis(100)));
        Desired { configuration, ..Desired::default() }
    };
    let ordered = order(hex(&sha256(b"old")));
    check(&Desired::default(), b"old", None, 0, &[]);
    check(&ordered, b"old", None, 100, &[Step::Apply]);
    check(&ordered, b"old", None, 101, &[]);
    check(&ordered, b"other", None, 0, &[]);
    check(&ordered, b"new", Some(7), 0, &[Step::Confirm(7)]);
    check(&ordered, b"new", Some(6), 0, &[]);
    check(&ordered, b"new", Some(7), 101, &[]);
    let document = Desired { document: true, ..Desired::default() };
    check(&document, b"old", None, 0, &[Step::SendConfiguration]);
    check(&document, b"old", Some(1), 0, &[]);
    // Who leaves for good is told nothing else.
    check(&Desired { wipe: true, document: true, ..ordered }, b"old", None, 0, &[Step::Wipe]);
    let unreadable = Report::default();
    assert_eq!(steps(&order(String::new()), &unreadable, Millis(0)), [Step::Apply]);
}

/// A report in which a device says how far an order is.
fn reports(order: u32, progress: Progress) -> Report {
    let order = Some(OrderReport { order, progress });
    Report { firmware: Some(FirmwareReport { order, ..FirmwareReport::default() }), ..Report::default() }
}

#[test]
fn an_order_for_the_firmware_is_told_until_the_device_knows_of_it() {
    let silent = Report { firmware: Some(FirmwareReport::default()), ..Report::default() };
    let check = |kind, report: &Report, now: i64, expect: &[Step]| {
        let desired = Desired { firmware: Some((4, kind, Millis(100))), ..Desired::default() };
        assert_eq!(steps(&desired, report, Millis(now)), expect, "{kind} {report:?} {now}");
    };
    check(Kind::Restart, &silent, 100, &[Step::Restart(4)]);
    check(Kind::Reinstall, &silent, 100, &[Step::Reinstall(4)]);
    check(Kind::Restart, &silent, 101, &[]);
    check(Kind::Restart, &Report::default(), 0, &[Step::Restart(4)]);
    check(Kind::Restart, &reports(3, Progress::Done), 0, &[Step::Restart(4)]);
    for progress in [Progress::UnderWay, Progress::Done, Progress::Failed(String::new())] {
        check(Kind::Restart, &reports(4, progress), 0, &[]);
    }
}

#[test]
fn a_report_ends_the_order_for_the_firmware() {
    let check = |begun: bool, report: &Report, expect: &str| {
        let mut state = State::default();
        let (kind, about) = (Kind::Reinstall, "lamp-7-2".to_owned());
        told(&mut state, Command::Request { kind, about, deadline: Millis(100) }, 0).expect("asked");
        if begun {
            told(&mut state, Command::Begin { kind }, 0).expect("told");
        }
        if let Some(ended) = ended_by(&state, report) {
            told(&mut state, ended, 1).expect("ended");
        }
        let operation = &state.operations[&1];
        assert_eq!(format!("{} {}", operation.phase, operation.why).trim_end(), expect, "{report:?}");
    };
    check(true, &Report::default(), "running");
    check(true, &reports(1, Progress::UnderWay), "running");
    check(true, &reports(1, Progress::Done), "succeeded");
    check(false, &reports(1, Progress::Done), "requested");
    check(true, &reports(2, Progress::Done), "running");
    check(true, &reports(1, Progress::Failed("no disk".into())), "failed no disk");
    for word in ["reinstall", "firmware"] {
        let report = Report { not_understood: vec![word.into()], ..Report::default() };
        check(true, &report, "failed the device does not know how to do that");
        check(false, &report, "requested");
    }
    assert_eq!(ended_by(&State::default(), &reports(1, Progress::Done)), None);
}

/// One line for every form in which an event was ever stored. Never remove one.
const STORED: &[&str] = &[
    r#"{"event":"requested","operation":1,"kind":"apply-configuration","about":"2","at":5,"deadline":6}"#,
    r#"{"event":"requested","operation":2,"kind":"back-up-configuration","about":"","at":5,"deadline":6}"#,
    r#"{"event":"requested","operation":3,"kind":"wipe","about":"","at":5,"deadline":6}"#,
    r#"{"event":"requested","operation":4,"kind":"restart","about":"","at":5,"deadline":6}"#,
    r#"{"event":"requested","operation":5,"kind":"re-install","about":"lamp-7-2","at":5,"deadline":6}"#,
    r#"{"event":"begun","operation":1}"#,
    r#"{"event":"succeeded","operation":1}"#,
    r#"{"event":"failed","operation":1,"why":"it rained"}"#,
    r#"{"event":"cancelled","operation":1,"kind":"apply-configuration","about":"2","why":"no"}"#,
    r#"{"event":"expired","operation":1,"kind":"back-up-configuration","about":""}"#,
];

#[test]
fn every_stored_event_is_read_for_ever() {
    crate::audit::tests::stored_events::<super::Control>(STORED, 6);
}

fn command() -> impl Strategy<Value = Command> {
    let kind = prop_oneof![Just(APPLY), Just(Kind::Restart), Just(Kind::Reinstall)];
    prop_oneof![
        (kind, "[12]", 0..40_i64).prop_map(|(kind, about, at)| Command::Request {
            kind,
            about,
            deadline: Millis(at)
        }),
        Just(Command::Begin { kind: APPLY }),
        "[12]".prop_map(|about| Command::Succeed { kind: APPLY, about }),
        (1..9_u32).prop_map(|operation| Command::Cancel { operation, why: String::new() }),
        Just(Command::CancelFirmwareOrders { why: String::new() }),
        Just(Command::Expire),
    ]
}

proptest! {
    /// Whatever is asked: of each kind one is open at most, what is over stays over, and the list is bounded.
    #[test]
    fn one_of_a_kind_is_open(commands in proptest::collection::vec(command(), 0..60)) {
        let mut state = State::default();
        for (now, command) in commands.into_iter().enumerate() {
            let before = state.clone();
            for event in decide(&state.clone(), command, Millis(now as i64)).unwrap_or_default() {
                apply(&mut state, &event);
                let began = matches!(event, Event::Begun { .. });
                prop_assert!(!began || state != before);
            }
            for kind in Kind::ALL {
                let open = state.operations.values().filter(|o| o.kind == *kind && o.phase.is_open());
                prop_assert!(open.count() <= 1);
            }
            for (number, old) in before.operations.iter().filter(|(_, o)| !o.phase.is_open()) {
                prop_assert!(state.operations.get(number).is_none_or(|new| new == old));
            }
            prop_assert!(state.operations.len() <= DEVICE_OPERATIONS_MAX);
        }
    }
}
