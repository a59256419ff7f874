use super::rules::{Command, Event, Identity, Refusal, Stage, State, apply, decide};
use crate::room::Reason;
use crate::text::place;
use crate::time::Millis;
use proptest::prelude::*;

fn at(stage: Option<Stage>) -> State {
    State { stage, ..State::default() }
}

/// Asks `command` of a device at `from` and expects the stage or the refusal's code.
fn check(from: Option<Stage>, command: Command, expect: Result<Stage, &str>) {
    let mut state = at(from);
    let got = decide(&state, command.clone(), Millis(0)).map(|events| {
        events.iter().for_each(|event| apply(&mut state, event));
        state.stage.expect("after an event there is a stage")
    });
    assert_eq!(
        got.as_ref().map_err(Reason::code),
        expect.as_ref().map_err(|code| *code),
        "{from:?} {command:?}"
    );
}

/// The table of the card: every command at every stage.
#[test]
fn the_life_is_the_table_of_the_card() {
    use Stage::{Discovered, Expected, Onboarding, Operational, Quarantined, Remediation, Retired};
    const ANY: &[Stage] = &[Expected, Discovered, Onboarding, Operational, Quarantined, Remediation];
    let text = String::new;
    let table: &[(Command, &[Stage], Stage)] = &[
        (Command::Discover(Identity::default()), &[Expected], Discovered),
        (Command::Admit, &[Discovered], Onboarding),
        (Command::Enrol, &[Onboarding], Operational),
        (Command::Hold, &[Operational], Quarantined),
        (Command::Release { credentials_good: true }, &[Quarantined], Operational),
        (Command::Release { credentials_good: false }, &[Quarantined], Onboarding),
        (Command::BeginRemediation, &[Operational, Quarantined], Remediation),
        (Command::Heal, &[Remediation], Operational),
        (Command::GiveUp { why: text() }, &[Remediation], Quarantined),
        (Command::Retire { why: text() }, ANY, Retired),
        (Command::SendBack { why: text() }, ANY, Expected),
        (Command::Claim { proof: text() }, &[Retired], Expected),
    ];
    for (command, from, to) in table {
        for stage in Stage::ALL {
            let expect = match command {
                _ if from.contains(stage) => Ok(*to),
                Command::Discover(_) if *stage != Retired => Err("device-known"),
                _ if *stage == Retired => Err("device-retired"),
                _ => Err("wrong-stage"),
            };
            check(Some(*stage), command.clone(), expect);
        }
    }
    for stage in Stage::ALL {
        check(Some(*stage), Command::Expect(Identity::default()), Err("device-known"));
    }
}

#[test]
fn a_device_that_nobody_heard_of_is_expected_or_discovered() {
    check(None, Command::Expect(Identity::default()), Ok(Stage::Expected));
    check(None, Command::Discover(Identity::default()), Ok(Stage::Discovered));
    for command in [Command::Admit, Command::Hold, Command::Heal, Command::Retire { why: String::new() }] {
        check(None, command, Err("device-unknown"));
    }
}

#[test]
fn an_expected_device_keeps_its_announced_identity_when_it_is_seen() {
    let announced = Identity { name: "hall".into(), serial_number: "A1".into(), ..Identity::default() };
    let state = State { stage: Some(Stage::Expected), identity: announced.clone(), ..State::default() };
    let seen = Identity { name: "lumen-A1".into(), maker: "lumen".into(), ..Identity::default() };
    let events = decide(&state, Command::Discover(seen), Millis(0));
    let identity = Identity { maker: "lumen".into(), ..announced };
    assert_eq!(events, Ok(vec![Event::Discovered { identity }]), "its maker is bound when it is seen");
}

#[test]
fn given_up_asks_for_attention_until_it_is_healed_or_retired() {
    let mut state = at(Some(Stage::Remediation));
    apply(&mut state, &Event::GivenUp { why: "does not boot".into() });
    assert_eq!((state.stage, state.attention.as_str()), (Some(Stage::Quarantined), "does not boot"));
    apply(&mut state, &Event::RemediationBegun);
    assert_eq!(state.attention, "does not boot");
    apply(&mut state, &Event::Healed);
    assert_eq!(state.attention, "");
}

#[test]
fn a_refusal_says_what_would_do() {
    let why = Refusal::WrongStage { is: Stage::Expected, wants: &[Stage::Operational, Stage::Quarantined] };
    assert_eq!(why.to_string(), "the device is expected; this needs it to be operational or quarantined");
}

/// One line for every form in which an event was ever stored. Never remove one.
const STORED: &[&str] = &[
    r#"{"event":"expected","identity":{"name":"hall","maker":"Lumen","model":"L7","serial_number":"A1"}}"#,
    r#"{"event":"discovered","identity":{"name":"hall","maker":"","model":"","serial_number":"A1"}}"#,
    r#"{"event":"admitted"}"#,
    r#"{"event":"enrolled"}"#,
    r#"{"event":"held"}"#,
    r#"{"event":"attended"}"#,
    r#"{"event":"released","to":"operational"}"#,
    r#"{"event":"remediation-begun"}"#,
    r#"{"event":"healed"}"#,
    r#"{"event":"given-up","why":"does not boot"}"#,
    r#"{"event":"retired","why":"support has ended"}"#,
    r#"{"event":"claimed","proof":"note 1"}"#,
    r#"{"event":"renamed","name":"lobby"}"#,
    r#"{"event":"sent-back","why":"its key leaked"}"#,
];

#[test]
fn every_stored_event_is_read_for_ever() {
    crate::audit::tests::stored_events::<super::Device>(STORED, 14);
}

fn command() -> impl Strategy<Value = Command> {
    let text = "[a-z]{0,3}";
    prop_oneof![
        text.prop_map(|name| Command::Expect(Identity { name, ..Identity::default() })),
        text.prop_map(|name| Command::Discover(Identity { name, ..Identity::default() })),
        Just(Command::Admit),
        Just(Command::Enrol),
        Just(Command::Hold),
        any::<bool>().prop_map(|credentials_good| Command::Release { credentials_good }),
        Just(Command::BeginRemediation),
        Just(Command::Heal),
        text.prop_map(|why| Command::GiveUp { why }),
        text.prop_map(|why| Command::Retire { why }),
        text.prop_map(|proof| Command::Claim { proof }),
        text.prop_map(|name| Command::Rename { name }),
        text.prop_map(|why| Command::SendBack { why }),
    ]
}

proptest! {
    /// However a life goes: a stage once had is never lost, and a retired device comes back only by a
    /// claim.
    #[test]
    fn no_way_back_from_retired_but_a_claim(commands in proptest::collection::vec(command(), 0..40)) {
        let mut state = State::default();
        for command in commands {
            let (before, claim) = (state.stage, matches!(command, Command::Claim { .. }));
            for event in decide(&state, command, Millis(0)).unwrap_or_default() {
                apply(&mut state, &event);
            }
            prop_assert!(before.is_none() || state.stage.is_some());
            prop_assert!(before != Some(Stage::Retired) || state.stage == before || claim);
        }
    }
}

/// What the pages offer is what the rules allow.
#[test]
fn what_is_possible_is_what_would_be_done() {
    let text = String::new;
    let own = [
        ("onboarding admit", Command::Admit),
        ("quarantine release", Command::Release { credentials_good: true }),
        ("remediation begin", Command::BeginRemediation),
        ("remediation give-up", Command::GiveUp { why: text() }),
        ("device rename", Command::Rename { name: "other".into() }),
        ("device retire", Command::Retire { why: text() }),
        ("device claim", Command::Claim { proof: text() }),
    ];
    for stage in Stage::ALL {
        let possible = super::view::possible(*stage);
        for (operation, command) in &own {
            let would = decide(&at(Some(*stage)), command.clone(), Millis(0)).is_ok();
            assert_eq!(possible.contains(operation), would, "{operation} of a device that is {stage}");
        }
        let offered = possible.iter().all(|name| crate::OPERATIONS.iter().any(|row| row.name == *name));
        assert!(offered, "{possible:?}");
    }
}

/// What is asked of a device is let through by its stage, and what is forgotten in the tables is named.
#[test]
fn a_life_that_is_over_allows_nothing_but_a_claim() {
    let asks = |row: &&crate::operation::OperationRow| {
        let first = row.fields().into_iter().next();
        row.kind == crate::operation::Kind::Write && first.is_some_and(|f| f.required && f.name == "device")
    };
    for row in crate::OPERATIONS.iter().filter(asks) {
        let allowed = super::view::allows(Stage::Retired, row.name);
        assert_eq!(allowed, row.name == "device claim", "{}", row.name);
    }
}

#[test]
fn names_stand_as_people_count() {
    let check = |names: &[&str]| {
        let places: Vec<String> = names.iter().map(|name| place(name)).collect();
        assert!(places.is_sorted(), "{places:?}");
    };
    check(&["lamp", "lamp-0", "lamp-1", "lamp-2", "lamp-9", "lamp-10", "lamp-11", "lamp-100", "lamp-x"]);
    check(&["1", "2", "10", "18446744073709551615", "18446744073709551616", "a"]);
    check(&["hall-2-lamp-10", "hall-10-lamp-1", "hall-10-lamp-2", "hall-10-lamp-10b"]);
    check(&["lamp-1", "lamp-1-1", "lamp-1-replaced", "lamp-2"]);
    check(&["lamp-08", "lamp-9", "lamp-0010"]);
    check(&["", "\u{e4}-2", "\u{e4}-10"]);
    assert_eq!(place("lamp-007"), place("lamp-7"), "the name itself decides then");
}
