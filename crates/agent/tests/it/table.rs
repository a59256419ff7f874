//! Every state of the machine with every kind of input: taken, or misplaced.
use crate::machine::Bench;
use crate::registrar::text;
use crate::support::TestKey;
use agent::machine::{Input, Moment, Output, Pledge, Stage};
use wire::est;

/// Each kind of input, with the word that a misplaced one is called by.
fn inputs() -> Vec<(&'static str, Input)> {
    vec![
        ("a connection", Input::Connected(Vec::new())),
        ("the loss of a connection", Input::Lost("cut".into())),
        ("an answer", Input::Answered(text(500, "oh"))),
        ("a key", Input::KeyMade(TestKey::new().public())),
        ("a certification request", Input::CsrMade(vec![0x30])),
        ("a signed voucher-request", Input::Signed(vec![0x30])),
        ("the disk's word", Input::Stored),
        ("a failure of the device", Input::Failed("full".into())),
        ("the passing of time", Input::Woken),
    ]
}

/// The machine as it waits for what the first output that `fits` brings.
fn waiting(fits: impl Fn(&Output) -> bool) -> (Bench, Pledge) {
    let mut bench = Bench::untouched();
    bench.says(est::CSR_ATTRS_PATH, text(500, "oh"));
    let (mut pledge, mut output) = bench.resume();
    for _ in 0..100 {
        if fits(&output) {
            return (bench, pledge);
        }
        let input = bench.perform(output);
        output = pledge.step(bench.moment(), input).unwrap();
    }
    panic!("no such output: {:?}", bench.log);
}

/// `taken` has a letter for each input that the state takes, in the order of [`inputs`].
fn check(state: &str, fits: impl Fn(&Output) -> bool, taken: &str) {
    for ((name, input), expect) in inputs().into_iter().zip(taken.chars()) {
        let (bench, mut pledge) = waiting(&fits);
        let before = format!("{pledge:?}");
        match pledge.step(bench.moment(), input) {
            Ok(_) => assert_eq!(expect, 'x', "{state} takes {name}"),
            Err(misplaced) => {
                assert_eq!(expect, '-', "{state} does not take {name}");
                assert_eq!((misplaced.input, misplaced.state), (name, state));
                assert_eq!(format!("{pledge:?}"), before, "{state}, {name}");
            }
        }
    }
}

#[test]
fn every_state_takes_its_inputs_and_no_other() {
    let store = |output: &Output| matches!(output, Output::Store(_));
    check("a connection", |output| matches!(output, Output::Connect { .. }), "xx-------");
    check("an answer", |output| matches!(output, Output::Send(_)), "-xx------");
    check("a key", |output| matches!(output, Output::MakeKey), "---x---x-");
    check("a certification request", |output| matches!(output, Output::MakeCsr { .. }), "----x--x-");
    check("a signature", |output| matches!(output, Output::SignVoucherRequest(_)), "-----x-x-");
    check("the disk", store, "------xx-");
    check("time to pass", |output| matches!(output, Output::Wait(_)), "--------x");
}

#[test]
fn the_end_takes_nothing() {
    let mut bench = Bench::new();
    (0..5).for_each(|_| bench.says(est::CA_CERTS_PATH, text(400, "no")));
    let (mut pledge, first) = bench.resume();
    let mut output = bench.run_to_wait(&mut pledge, first);
    while matches!(output, Output::Wait(_)) {
        output = bench.sleep(&mut pledge, output);
    }
    assert_eq!(pledge.stage(), Stage::GivenUp);
    for (name, input) in inputs() {
        let misplaced = pledge.step(bench.moment(), input).unwrap_err();
        assert_eq!(misplaced.to_string(), format!("{name} came while nothing any more is waited for"));
    }
}

#[test]
fn waking_early_waits_on() {
    let (bench, mut pledge) = waiting(|output| matches!(output, Output::Wait(_)));
    let again = pledge.step(bench.moment(), Input::Woken).unwrap();
    let Output::Wait(until) = again else { panic!("{again:?}") };
    assert!(until > bench.now);
    let next = pledge.step(Moment { now: until, random: 0 }, Input::Woken).unwrap();
    assert!(matches!(next, Output::Connect { .. }));
}
