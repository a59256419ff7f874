use super::rules::{Command, Place, Refusal, State, apply, decide};
use crate::time::Millis;

fn accept(newest: i64) -> Command {
    Command::Accept {
        why: "it was ahead".into(),
        newest: Millis(newest),
        places: vec![Place { lane: 1, seq: 4 }],
    }
}

#[test]
fn only_a_clock_that_is_behind_is_accepted() {
    let check = |now: i64, newest: i64, expect: Result<usize, Refusal>| {
        let decided = decide(&State::default(), accept(newest), Millis(now));
        assert_eq!(decided.map(|events| events.len()), expect, "{now} {newest}");
    };
    check(0, 2_001, Ok(1));
    check(0, 2_000, Err(Refusal::NotBehind));
    check(9, 0, Err(Refusal::NotBehind));
    check(i64::MAX, i64::MAX, Err(Refusal::NotBehind));
}

#[test]
fn it_can_be_accepted_again() {
    let mut state = State::default();
    for (now, newest) in [(10, 90_000), (20, 80_000)] {
        let events = decide(&state, accept(newest), Millis(now)).expect("accepted");
        events.iter().for_each(|event| apply(&mut state, event));
        assert_eq!((state.accepted_at, state.newest), (Millis(now), Millis(newest)));
    }
}

const STORED: &[&str] =
    &[r#"{"event":"clock-accepted","at":1,"newest":9,"why":"it was ahead","places":[{"lane":1,"seq":4}]}"#];

#[test]
fn every_stored_event_is_read_for_ever() {
    crate::audit::tests::stored_events::<super::Clock>(STORED, 1);
}
