use super::firmware::rules as firmware;
use super::release::rules as release;
use super::rules::{
    Bounds, Command, Event, Outcome, Phase, Place, Refusal, State, Target, Verdict, apply, decide, judge,
    trace,
};
use crate::time::Millis;
use proptest::prelude::*;
use wire::control::{FirmwareNotKept, FirmwareReport, Running};
use wire::digest::hex;

const TARGET: [u8; 32] = [2; 32];
const OTHER: [u8; 32] = [1; 32];

fn target() -> Target {
    Target {
        release: "lamp-7-2".into(),
        sequence_number: 2,
        manifest: hex(&TARGET),
        image: "00ff".into(),
        even_if_refusable: false,
    }
}

fn running(sequence_number: u64, manifest: [u8; 32]) -> FirmwareReport {
    FirmwareReport { running: Some(Running { sequence_number, manifest }), ..FirmwareReport::default() }
}

fn not_kept(tried: bool, manifest: Option<[u8; 32]>) -> FirmwareReport {
    let sequence_number = manifest.map(|_| 2);
    let not_kept =
        FirmwareNotKept { sequence_number, manifest, tried, reason: "reason".into(), why: "why".into() };
    FirmwareReport { not_kept: Some(not_kept), ..running(1, OTHER) }
}

#[test]
fn what_a_report_says() {
    let check = |outcome, before: &str, report: &FirmwareReport, expect: Option<&str>| {
        let verdict = judge(&target(), outcome, before, report).map(|verdict| match verdict {
            Verdict::Succeeded => "succeeded",
            Verdict::Failed(_) => "failed",
            Verdict::Refused(_) => "refused",
            Verdict::Spared(_) => "spared",
        });
        assert_eq!(verdict, expect, "{outcome} {before} {report:?}");
    };
    use Outcome::{Offered, Silent, Waiting};
    for outcome in [Waiting, Offered, Silent] {
        check(outcome, "", &running(2, TARGET), Some("succeeded"));
        check(outcome, "", &running(1, OTHER), None);
        check(outcome, "", &FirmwareReport::default(), None);
    }
    check(Waiting, "", &running(2, OTHER), Some("spared"));
    check(Waiting, "", &running(u64::MAX, OTHER), Some("spared"));
    check(Offered, "", &running(2, OTHER), None);
    // It was tried before: offering it again would tell nothing.
    check(Waiting, "", &not_kept(true, Some(TARGET)), Some("failed"));
    check(Offered, "", &not_kept(true, Some(TARGET)), Some("failed"));
    check(Offered, "", &not_kept(false, Some(TARGET)), Some("refused"));
    check(Silent, "", &not_kept(false, Some(TARGET)), None);
    check(Offered, "", &not_kept(true, Some(OTHER)), None);
    // A manifest that is not authentic has no digest: only what is new can be about this one.
    let nameless = not_kept(false, None);
    check(Waiting, "", &nameless, None);
    check(Offered, "", &nameless, Some("refused"));
    check(Offered, &trace(&nameless), &nameless, None);
    check(Offered, "", &not_kept(true, None), None);
}

fn waves(sizes: &[usize]) -> Vec<Vec<Place>> {
    let mut n = 0;
    let mut place = || {
        n += 1;
        Place { site: "main".into(), device: format!("d{n:02}") }
    };
    sizes.iter().map(|size| (0..*size).map(|_| place()).collect()).collect()
}

fn started(sizes: &[usize], stop_after: u16) -> State {
    let bounds = Bounds { deadline_seconds: 60, stop_after };
    let mut state = State::default();
    let start = Command::Start { target: target(), bounds, waves: waves(sizes) };
    run(&mut state, start, 0).expect("started");
    state
}

fn run(state: &mut State, command: Command, now: i64) -> Result<Vec<Event>, Refusal> {
    let events = decide(state, command, Millis(now))?;
    events.iter().for_each(|event| apply(state, event));
    Ok(events)
}

fn offer(n: usize) -> Command {
    Command::Offer { device: format!("d{n:02}"), before: String::new() }
}

fn verdict(n: usize, good: bool) -> Command {
    let verdict = if good { Verdict::Succeeded } else { Verdict::Failed("it never answered".into()) };
    Command::Judge { device: format!("d{n:02}"), verdict }
}

fn outcome(state: &State, n: usize) -> Outcome {
    state.members[&format!("d{n:02}")].outcome
}

#[test]
fn two_of_the_first_six_stop_it() {
    let mut state = started(&[1, 5, 4], 2);
    assert_eq!(run(&mut state, offer(2), 1), Err(Refusal::NotToBeOffered), "its wave has not begun");
    run(&mut state, offer(1), 1).expect("offered");
    assert_eq!(run(&mut state, offer(1), 1), Err(Refusal::NotToBeOffered), "it was offered already");
    let events = run(&mut state, verdict(1, true), 2).expect("judged");
    assert!(matches!(&events[1], Event::WaveBegun { wave: 1, devices, .. } if devices.len() == 5));
    (2..=6).for_each(|n| drop(run(&mut state, offer(n), 3).expect("offered")));
    run(&mut state, verdict(2, false), 4).expect("judged");
    assert_eq!(state.phase, Some(Phase::Running));
    run(&mut state, verdict(3, false), 5).expect("judged");
    assert_eq!((state.phase, state.why.as_str()), (Some(Phase::Stopped), "2 of the first 6 devices failed"));
    for n in 7..=10 {
        assert_eq!(run(&mut state, offer(n), 6), Err(Refusal::NotToBeOffered));
        assert_eq!(outcome(&state, n), Outcome::Spared);
    }
    run(&mut state, verdict(4, true), 7).expect("those that were offered it still say how it went");
    assert_eq!(run(&mut state, Command::Resume, 8), Err(Refusal::WrongPhase(Phase::Stopped)));
    assert_eq!(state.deadline(), Some(Millis(60_002)));
    run(&mut state, Command::Expire, 60_003).expect("expired");
    assert_eq!((outcome(&state, 4), outcome(&state, 5)), (Outcome::Succeeded, Outcome::Silent));
    assert_eq!(state.deadline(), None);
}

#[test]
fn silence_is_a_failure_and_a_failure_below_the_bound_pauses() {
    let mut state = started(&[2, 1], 2);
    run(&mut state, offer(1), 1).expect("offered");
    run(&mut state, verdict(1, true), 2).expect("judged");
    assert_eq!(run(&mut state, Command::Expire, 60_000).map(|events| events.len()), Ok(0), "not yet");
    run(&mut state, Command::Expire, 60_001).expect("expired");
    assert_eq!((state.phase, outcome(&state, 2)), (Some(Phase::Paused), Outcome::Silent));
    assert_eq!(run(&mut state, offer(3), 60_002), Err(Refusal::NotToBeOffered));
    run(&mut state, verdict(2, true), 60_003).expect("it comes late");
    assert_eq!(outcome(&state, 2), Outcome::Succeeded);
    run(&mut state, Command::Resume, 60_004).expect("resumed");
    assert_eq!((state.phase, state.wave, state.began_at), (Some(Phase::Running), 1, Millis(60_004)));
    run(&mut state, verdict(3, true), 60_005).expect("it came by another way");
    assert_eq!(state.phase, Some(Phase::Finished));
}

#[test]
fn a_paused_rollout_offers_nothing_and_goes_on() {
    let mut state = started(&[2], 1);
    run(&mut state, offer(1), 1).expect("offered");
    run(&mut state, Command::Pause { why: "lunch".into() }, 2).expect("paused");
    assert_eq!(run(&mut state, offer(2), 3), Err(Refusal::NotToBeOffered));
    run(&mut state, verdict(1, true), 4).expect("judged");
    assert_eq!(run(&mut state, Command::Expire, 99_999).map(|events| events.len()), Ok(0));
    let events = run(&mut state, Command::Resume, 100_000).expect("resumed");
    assert!(matches!(&events[0], Event::WaveBegun { wave: 0, devices, .. } if devices == &["d02"]));
    run(&mut state, Command::Cancel { why: "no".into() }, 100_001).expect("cancelled");
    assert_eq!((state.phase, outcome(&state, 2)), (Some(Phase::Cancelled), Outcome::Spared));
    assert_eq!(run(&mut State::default(), Command::Resume, 0), Err(Refusal::Unknown));
    let nobody = Command::Start { target: target(), bounds: Bounds::default(), waves: vec![vec![]] };
    assert_eq!(run(&mut State::default(), nobody, 0), Err(Refusal::Nobody));
}

#[test]
fn who_is_spared_holds_up_nobody() {
    let mut state = started(&[1, 1], 1);
    let spare = |n: usize| Command::Judge {
        device: format!("d{n:02}"),
        verdict: Verdict::Spared("it runs a newer one".into()),
    };
    run(&mut state, spare(2), 1).expect("spared before its wave");
    run(&mut state, spare(1), 2).expect("spared");
    assert_eq!(state.phase, Some(Phase::Finished));
}

fn command() -> impl Strategy<Value = Command> {
    prop_oneof![
        8 => (1..=9_usize).prop_map(offer),
        8 => ((1..=9_usize), any::<bool>()).prop_map(|(n, good)| verdict(n, good)),
        1 => Just(Command::Expire),
        1 => Just(Command::Pause { why: "w".into() }),
        1 => Just(Command::Resume),
    ]
}

proptest! {
    /// Whatever happens in whatever order: nobody is offered anything before its wave, or after the end;
    /// a wave begins only after those before it are over; so many failures end it.
    #[test]
    fn nobody_is_offered_what_is_not_its_turn(
        commands in prop::collection::vec((command(), 0..40_000_i64), 1..80), stop_after in 1..4_u16,
    ) {
        let (mut state, mut now) = (started(&[1, 3, 5], stop_after), 0);
        for (command, later) in commands {
            now += later;
            let before = state.clone();
            for event in run(&mut state, command, now).unwrap_or_default() {
                match event {
                    Event::Offered { device, .. } => {
                        prop_assert_eq!(before.phase, Some(Phase::Running));
                        prop_assert!(before.members[&device].wave <= before.wave);
                    }
                    Event::WaveBegun { wave, .. } => {
                        let earlier = state.members.values().filter(|member| member.wave < wave);
                        prop_assert!(earlier.into_iter().all(|member| member.outcome.is_final()));
                    }
                    _ => {}
                }
            }
            let failures = state.count(Outcome::is_failure);
            let is_open = state.phase.is_some_and(Phase::is_open);
            prop_assert!(!is_open || failures < usize::from(stop_after));
            prop_assert!(is_open || state.count(|outcome| outcome == Outcome::Waiting) == 0);
        }
    }

    /// The reports of a wave that was offered the release lead to the same end in every order, told once
    /// or twice.
    #[test]
    fn every_order_of_reports_ends_the_same(
        good in prop::collection::vec(any::<bool>(), 6),
        order in Just((1..=6_usize).chain(1..=6).collect::<Vec<_>>()).prop_shuffle(),
        stop_after in 1..7_u16,
    ) {
        let end = |order: &[usize]| {
            let mut state = started(&[6, 3], stop_after);
            (1..=6).for_each(|n| drop(run(&mut state, offer(n), 1)));
            order.iter().for_each(|n| drop(run(&mut state, verdict(*n, good[n - 1]), 2)));
            let outcomes: Vec<Outcome> = state.members.values().map(|member| member.outcome).collect();
            (state.phase, state.wave, outcomes)
        };
        prop_assert_eq!(end(&order), end(&[1, 2, 3, 4, 5, 6]));
    }
}

#[test]
fn a_release_is_kept_once() {
    use release::{Refusal, Source};
    let mut state = release::State::default();
    let mut run = |command: release::Command| {
        let events = release::decide(&state, command, Millis(0))?;
        events.iter().for_each(|event| release::apply(&mut state, event));
        Ok::<_, Refusal>(events.len())
    };
    let want = |url: &str| release::Command::Want(Source { url: url.into(), ..Source::default() });
    let keep = || release::Command::Keep(Box::default());
    assert_eq!(run(keep()), Err(Refusal::NotWanted));
    assert_eq!(run(want("a")), Ok(1));
    assert_eq!(run(want("a")), Ok(0));
    assert_eq!(run(want("b")), Err(Refusal::Known));
    assert_eq!(run(release::Command::Refuse { why: "no".into() }), Ok(1));
    assert_eq!(run(want("b")), Ok(1), "what was refused is asked for again");
    assert_eq!(run(keep()), Ok(1));
    assert_eq!(run(keep()), Err(Refusal::NotWanted));
    assert_eq!(run(want("b")), Err(Refusal::Known));
}

#[test]
fn a_device_should_run_the_newest_that_it_took() {
    use firmware::{Command, Wanted};
    let check = |commands: &[Command], expect: &str| {
        let mut state = firmware::State::default();
        for command in commands {
            let events = firmware::decide(&state, command.clone(), Millis(0)).expect("nothing is refused");
            events.iter().for_each(|event| firmware::apply(&mut state, event));
        }
        assert_eq!(state.wanted.map(|wanted| wanted.release).unwrap_or_default(), expect, "{commands:?}");
    };
    let take =
        |release: &str, sequence_number| Command::Take(Wanted { release: release.into(), sequence_number });
    let end = || Command::End { why: "retired".into() };
    check(&[], "");
    check(&[take("a", 2), take("a", 2), take("b", 1)], "a");
    check(&[take("a", 2), take("c", 3)], "c");
    check(&[take("a", 2), end(), end()], "");
    check(&[take("a", 2), end(), take("b", 1)], "b");
}

/// One line for every form in which an event was ever stored. Never remove one.
const STORED: &[&str] = &[
    r#"{"event":"started","target":{"release":"lamp-7-2","sequence_number":2,"manifest":"00","image":"ff","even_if_refusable":false},"bounds":{"deadline_seconds":60,"stop_after":2},"waves":[[{"site":"main","device":"d1"}]]}"#,
    r#"{"event":"wave-begun","wave":0,"at":7,"devices":["d1"]}"#,
    r#"{"event":"offered","device":"d1"}"#,
    r#"{"event":"offered","device":"d1","before":"00ff"}"#,
    r#"{"event":"succeeded","device":"d1"}"#,
    r#"{"event":"not-kept","device":"d1","outcome":"silent","why":"it did not check in in time"}"#,
    r#"{"event":"spared","device":"d1","why":"retired"}"#,
    r#"{"event":"paused","why":"1 devices of wave 1 failed"}"#,
    r#"{"event":"stopped","why":"2 of the first 6 devices failed"}"#,
    r#"{"event":"cancelled","why":"no"}"#,
    r#"{"event":"finished"}"#,
];

/// As [`STORED`], of releases.
const STORED_RELEASE: &[&str] = &[
    r#"{"event":"release-wanted","source":{"url":"https://maker.example.com/2.suit","maker":"lumen","even_if_unverified":false}}"#,
    r#"{"event":"release-kept","fetched":{"envelope":"AA==","unverified":"","manifest":"00","sequence_number":2,"version":"1.1","vendor_id":"v","class_id":"c","image":"ff","image_bytes":3,"signer":"CN=x"}}"#,
    r#"{"event":"release-refused","why":"the signature does not verify with this key"}"#,
];

/// As [`STORED`], of what devices should run.
const STORED_FIRMWARE: &[&str] = &[
    r#"{"event":"firmware-taken","wanted":{"release":"lamp-7-2","sequence_number":2}}"#,
    r#"{"event":"firmware-ended","why":"retired"}"#,
];

#[test]
fn every_stored_event_is_read_for_ever() {
    crate::audit::tests::stored_events::<super::firmware::Firmware>(STORED_FIRMWARE, 2);
    crate::audit::tests::stored_events::<super::Rollout>(STORED, 10);
    crate::audit::tests::stored_events::<super::release::Release>(STORED_RELEASE, 3);
}
