use super::diff::{diff, documents};
use super::rules::{Command, Event, Refusal, State, Terms, apply, decide, drift_due};
use crate::limits::{CONFIGURATION_VERSIONS_MAX, DIFF_LINES_MAX, ORDER_STEPS_MAX};
use crate::room::Reason;
use crate::time::Millis;
use proptest::prelude::*;

const TERMS: Terms = Terms { confirm_seconds: 60, deadline: Millis(100_000) };

fn report(digest: &str) -> Command {
    Command::Report { digest: digest.into(), trial: false, not_kept: None, newest_order: 0 }
}

fn keep(digest: &str) -> Command {
    Command::Keep { digest: digest.into() }
}

fn set(digest: &str) -> Command {
    Command::Set { digest: digest.into(), terms: TERMS }
}

fn restore(version: u32) -> Command {
    Command::Restore { version, terms: TERMS }
}

fn told(state: &mut State, command: Command, now: i64) -> Result<Vec<Event>, Refusal> {
    let events = decide(state, command, Millis(now))?;
    events.iter().for_each(|event| apply(state, event));
    Ok(events)
}

/// A state in words: versions in use, ordered and drifted to.
fn words(state: &State) -> String {
    let ordered = state.order.as_ref().map_or(0, |order| order.version);
    let drift = state.drift.as_deref().map_or("-", |digest| if digest.is_empty() { "?" } else { digest });
    format!("{} {ordered} {drift}", state.applied)
}

/// Asks one after the other, a minute apart, and expects what is true at the end, or the last refusal.
fn check(commands: &[Command], expect: &str) {
    let (mut state, mut refused) = (State::default(), "");
    for (minute, command) in commands.iter().enumerate() {
        let told = told(&mut state, command.clone(), minute as i64 * 60_000);
        refused = told.map_err(|why| why.code()).err().unwrap_or_default();
    }
    let got = if refused.is_empty() { words(&state) } else { refused.into() };
    assert_eq!(got, expect, "{commands:?}");
}

#[test]
fn the_rules_are_the_table_of_the_card() {
    let not_kept = |number: u32, digest: &str| Command::Report {
        digest: digest.into(),
        trial: false,
        not_kept: Some((number, true, "no answer".into())),
        newest_order: 0,
    };
    let trial = |digest: &str| Command::Report {
        digest: digest.into(),
        trial: true,
        not_kept: None,
        newest_order: 0,
    };
    let abandon = |version: u32| Command::Abandon { version, why: String::new() };
    let (a, b, x) = ("a", "b", "x");
    check(&[report(a)], "0 0 -");
    check(&[set(b)], "configuration-unknown");
    check(&[restore(1)], "version-unknown");
    check(&[keep(a)], "1 0 -");
    check(&[keep(a), report(a)], "1 0 -");
    check(&[keep(a), set(a)], "configuration-unchanged");
    check(&[keep(a), restore(1)], "configuration-unchanged");
    check(&[keep(a), restore(2)], "version-unknown");
    check(&[keep(a), set(b)], "1 2 -");
    check(&[keep(a), set(b), report(a)], "1 2 -");
    check(&[keep(a), set(b), trial(b)], "1 2 -");
    check(&[keep(a), set(b), trial(b), report(b)], "2 0 -");
    check(&[keep(a), set(b), trial(b), not_kept(1, a)], "1 0 -");
    check(&[keep(a), set(b), not_kept(7, a)], "1 2 -");
    check(&[keep(a), set(b), report(x)], "1 0 x");
    check(&[keep(a), set(b), not_kept(1, x)], "1 0 x");
    check(&[keep(a), set(b), set(b)], "1 3 -");
    check(&[keep(a), set(b), restore(2)], "already-ordered");
    check(&[keep(a), set(b), restore(1), report(a)], "1 0 -");
    check(&[keep(a), set(b), abandon(2)], "1 0 -");
    check(&[keep(a), set(b), abandon(1)], "1 2 -");
    check(&[keep(a), report(x)], "1 0 x");
    check(&[keep(a), report("")], "1 0 ?");
    check(&[keep(a), report(x), report(a)], "1 0 -");
    check(&[keep(a), report(x), restore(1)], "1 1 x");
    check(&[keep(a), report(x), restore(1), report(a)], "1 0 -");
    check(&[keep(a), report(x), restore(1), not_kept(1, x)], "1 0 x");
    check(&[keep(a), report(x), set(x)], "configuration-unchanged");
    check(&[keep(a), report(x), keep(x)], "2 0 -");
    check(&[keep(a), report(x), restore(1), keep(x)], "2 0 -");
}

#[test]
fn drift_is_said_once_and_not_in_a_flood() {
    let mut state = State::default();
    let mut count = |command: Command, now: i64| told(&mut state, command, now).expect("done").len();
    assert_eq!(count(keep("a"), 0), 1);
    assert_eq!(count(report("x"), 20_000), 1);
    assert_eq!((count(report("x"), 20_001), count(report("x"), 90_000)), (0, 0));
    assert_eq!(count(report("y"), 90_000), 1);
    assert_eq!(count(report("z"), 90_499), 0, "too soon");
    assert_eq!(count(report("a"), 90_499), 1, "its end is said at once");
    assert_eq!(count(report("a"), 90_499), 0);
    assert_eq!((count(report("z"), 90_499), count(report("z"), 90_500)), (0, 1));
}

#[test]
fn what_is_too_early_to_be_drift_is_looked_at_again() {
    let mut state = State::default();
    assert_eq!(drift_due(&state, "x", Millis(0)), None, "nothing is known");
    told(&mut state, keep("a"), 0).expect("kept");
    told(&mut state, report("x"), 1_000).expect("drifted");
    let check = |digest: &str, now: i64, expect: Option<i64>| {
        assert_eq!(drift_due(&state, digest, Millis(now)), expect.map(Millis), "{digest} {now}");
    };
    check("y", 1_001, Some(1_500));
    check("y", 1_500, None);
    check("x", 1_001, None);
    check("a", 1_001, None);
}

#[test]
fn what_is_to_be_kept_is_kept_or_given_up() {
    let want = Command::WantKept { deadline: Millis(1) };
    let mut state = State::default();
    assert_eq!(told(&mut state, Command::AbandonKeeping, 0), Ok(vec![]));
    told(&mut state, want.clone(), 0).expect("wanted");
    assert_eq!(told(&mut state, want.clone(), 0), Ok(vec![]));
    assert!(state.keep);
    told(&mut state, keep("a"), 0).expect("kept");
    assert!(!state.keep);
    told(&mut state, report("x"), 60_000).expect("drifted");
    told(&mut state, want, 60_000).expect("wanted");
    let given_up = told(&mut state, report("a"), 60_000);
    assert_eq!(given_up, Ok(vec![Event::DriftEnded, Event::KeepAbandoned]));
}

#[test]
fn texts_differ_by_lines() {
    let check = |old: &str, new: &str, expect: &str| {
        let got = diff(&old.replace(' ', "\n"), &new.replace(' ', "\n"));
        assert_eq!(got.replace('\n', "|"), expect, "{old} / {new}");
    };
    check("", "", "");
    check("a b", "a b", "");
    check("", "a", "+ a|");
    check("a", "", "- a|");
    check("a b c", "a c", "  a|- b|  c|");
    check("a c", "a b c", "  a|+ b|  c|");
    check("a b c", "a x c", "  a|- b|+ x|  c|");
    check("a b a b", "b a b a", "- a|  b|  a|  b|+ a|");
    check("a a", "a a a", "  a|  a|+ a|");
    check("1 2 3 4 5 6", "1 2 3 4 5 x", "...|  3|  4|  5|- 6|+ x|");
    check("a 2 3 4 5 6 7 8 b", "x 2 3 4 5 6 7 8 y", "- a|+ x|  2|  3|  4|...|  6|  7|  8|- b|+ y|");
}

/// A device that knows of an order that was not given here gets none with a number that it knows.
#[test]
fn orders_go_on_after_those_that_a_device_knows() {
    let says = |newest_order: u32| Command::Report {
        digest: "x".into(),
        trial: false,
        not_kept: None,
        newest_order,
    };
    let check = |known: &[u32], expect: u32| {
        let mut state = State::default();
        told(&mut state, keep("a"), 0).expect("kept");
        known.iter().for_each(|order| drop(told(&mut state, says(*order), 60_000).expect("heard")));
        told(&mut state, set("b"), 120_000).expect("ordered");
        assert_eq!(state.order.map(|order| order.number), Some(expect), "{known:?}");
    };
    check(&[], 1);
    check(&[0], 1);
    check(&[7], 8);
    check(&[7, 7, 3], 8);
    check(&[u32::MAX], 1);
    check(&[ORDER_STEPS_MAX], ORDER_STEPS_MAX + 1);
    let mut state = State::default();
    let met = |order, known| Event::OrderMet { order, known };
    assert_eq!(told(&mut state, says(7), 0), Ok(vec![met(7, 0)]));
    assert_eq!(told(&mut state, says(7), 0), Ok(vec![]), "it is said once");
    assert_eq!(told(&mut state, says(9), 0), Ok(vec![met(9, 7)]));
    told(&mut state, keep("a"), 0).expect("kept");
    state.orders = u32::MAX;
    assert_eq!(told(&mut state, set("b"), 0), Err(Refusal::NoOrdersLeft));
    // A playbook's try orders nothing then, and ends with its deadline.
    state.drift = Some("c".into());
    let terms = Terms { confirm_seconds: 60, deadline: Millis(9) };
    assert_eq!(told(&mut state, Command::Reapply { terms }, 0), Ok(vec![]));
}

#[test]
fn very_long_texts_are_shown_whole() {
    let text = |word: &str| format!("{word}\n").repeat(DIFF_LINES_MAX + 1);
    let shown = diff(&text("a"), &text("b"));
    assert_eq!(shown, format!("{}{}", text("- a"), text("+ b")));
}

#[test]
fn documents_differ_in_what_they_say_or_how() {
    assert_eq!(documents(br#"{"a":1}"#, br#"{"a":2}"#), "  {\n-   \"a\": 1\n+   \"a\": 2\n  }\n");
    assert_eq!(documents(br#"{"a":1}"#, br#"{"a": 1}"#), "- {\"a\":1}\n+ {\"a\": 1}\n");
    assert_eq!(documents(b"a", b"\xff"), "- a\n+ \u{fffd}\n");
}

/// One line for every form in which an event was ever stored. Never remove one.
const STORED: &[&str] = &[
    r#"{"event":"backed-up","version":1,"digest":"00","at":5}"#,
    r#"{"event":"written","version":2,"digest":"00","at":5}"#,
    r#"{"event":"ordered","order":1,"version":2,"over":"00","confirm_seconds":60,"deadline":9}"#,
    r#"{"event":"applied","version":2}"#,
    r#"{"event":"not-kept","version":2,"reverted":true,"why":"no answer"}"#,
    r#"{"event":"abandoned","version":2,"why":"its time passed"}"#,
    r#"{"event":"order-met","order":7,"known":4}"#,
    r#"{"event":"drifted","digest":"00","at":5}"#,
    r#"{"event":"drift-ended"}"#,
    r#"{"event":"keep-wanted","deadline":9}"#,
    r#"{"event":"keep-abandoned"}"#,
    r#"{"event":"forgotten","version":1}"#,
    r#"{"event":"ended","why":"retired"}"#,
];

#[test]
fn every_stored_event_is_read_for_ever() {
    crate::audit::tests::stored_events::<super::Configuration>(STORED, 13);
}

fn command() -> impl Strategy<Value = Command> {
    let digest = || "[a-d]";
    prop_oneof![
        (digest(), any::<bool>(), proptest::option::of(1..5_u32)).prop_map(|(digest, trial, last)| {
            let not_kept = last.map(|order| (order, true, String::new()));
            Command::Report { digest, trial, not_kept, newest_order: last.unwrap_or(0) }
        }),
        digest().prop_map(|digest| keep(&digest)),
        digest().prop_map(|digest| set(&digest)),
        (1..40_u32).prop_map(restore),
        (1..40_u32).prop_map(|version| Command::Abandon { version, why: String::new() }),
        Just(Command::End { why: String::new() }),
    ]
}

proptest! {
    /// Whatever is asked and said: what is in use and what is ordered has its version, versions are bounded,
    /// numbers grow, and nothing is ordered over what it orders.
    #[test]
    fn versions_in_use_stay(commands in proptest::collection::vec(command(), 0..80)) {
        let mut state = State::default();
        for (minute, command) in commands.into_iter().enumerate() {
            let (before, is_end) = (state.clone(), matches!(command, Command::End { .. }));
            let _ = told(&mut state, command, minute as i64 * 60_000);
            prop_assert!(state.applied == 0 || state.in_use().is_some());
            let order = state.order.as_ref();
            prop_assert!(order.is_none_or(|order| state.versions.contains_key(&order.version)));
            prop_assert!(state.versions.len() <= CONFIGURATION_VERSIONS_MAX);
            if is_end {
                let left = State { newest: state.newest, orders: state.orders, ..State::default() };
                prop_assert_eq!(&state, &left);
            }
            prop_assert!(state.newest >= before.newest && state.orders >= before.orders);
            prop_assert!(state.drift.is_none() || state.drift.as_deref() != state.in_use());
        }
    }
}
