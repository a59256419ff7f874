//! The rules by table and property, and a kept sample of every stored event.
use super::rules::{Action, Command, Event, Playbook, State, apply, decide};
use crate::limits::{PLAYBOOK_STEPS_MAX, PLAYBOOK_TRIES_MAX};
use crate::room::Reason;
use crate::time::Millis;
use proptest::prelude::*;

#[test]
fn playbooks_are_read_and_written() {
    let check = |text: &str, expect: Option<&str>| {
        let read = text.parse::<Playbook>().ok().map(|playbook| playbook.to_string());
        assert_eq!(read.as_deref(), expect, "{text}");
    };
    let same = |text: &str| check(text, Some(text));
    same("restart:1:60,re-apply-configuration:3:300,re-install:2:900,factory-reset:1:86400,give-up");
    same("give-up");
    check("give-up:1:1", Some("give-up"));
    for bad in ["", "restart", "restart:1", "restart:1:", "restart:0:1", "restart:1:0", "restart:1:1:1"] {
        check(bad, None);
    }
    for bad in ["restart:1:1,", "restart:11:1", "restart:1:86401", "restart:-1:1", "pray:1:1", "give-up:2"] {
        check(bad, None);
    }
    same(&["restart:1:1"; PLAYBOOK_STEPS_MAX].join(","));
    check(&["restart:1:1"; PLAYBOOK_STEPS_MAX + 1].join(","), None);
}

fn begin(playbook: &str) -> Command {
    Command::Begin(playbook.parse().expect("a playbook"))
}

/// Commands, each at its second, and what is tried after them: place, try and deadline.
fn check(commands: &[(i64, Command)], expect: Result<&str, &str>) {
    let (mut state, mut outcome) = (State::default(), Ok(String::new()));
    for (second, command) in commands {
        assert!(outcome.is_ok(), "only the last command is refused");
        let events = decide(&state, command.clone(), Millis(second * 1000)).map_err(|why| why.code());
        outcome = events.map(|events| {
            events.iter().for_each(|event| apply(&mut state, event));
            let last = events.last().map(|event| serde_json::to_value(event).expect("JSON")["event"].take());
            let tried = state
                .trying
                .as_ref()
                .map(|it| format!(" {}.{} until {}", it.place, it.attempt, it.deadline.0 / 1000));
            let last = last.and_then(|word| word.as_str().map(String::from)).unwrap_or("-".into());
            last + &tried.unwrap_or_default()
        });
    }
    assert_eq!(outcome.as_deref(), expect.as_ref().copied());
}

#[test]
fn a_playbook_is_tried_and_ends() {
    let twice = || (0, begin("re-apply-configuration:2:10,re-apply-configuration:1:20"));
    let late = |second| (second, Command::Expire);
    check(&[twice()], Ok("tried 0.1 until 10"));
    check(&[twice(), late(10)], Ok("- 0.1 until 10"));
    check(&[twice(), late(11)], Ok("tried 0.2 until 21"));
    check(&[twice(), late(11), late(22)], Ok("tried 1.1 until 42"));
    check(&[twice(), late(11), late(22), late(43)], Ok("given-up"));
    check(&[twice(), late(11), late(22), late(43), late(99)], Ok("-"));
    check(&[twice(), late(11), (12, Command::Well)], Ok("healed"));
    check(&[twice(), (1, Command::Well), (2, Command::Well)], Ok("-"));
    check(&[twice(), (1, begin("give-up"))], Err("remediation-running"));
    check(&[twice(), (1, Command::GiveUp { why: "seen".into() })], Ok("given-up"));
    check(&[(0, Command::GiveUp { why: "seen".into() })], Err("remediation-not-running"));
    check(&[(0, begin("give-up"))], Ok("given-up"));
    check(&[(0, begin("give-up,re-apply-configuration:1:1"))], Ok("given-up"));
    // What was carried out in vain is not tried again, what could not be is; giving up waits for its time.
    let done = |second, succeeded| (second, Command::Done { succeeded });
    let mends = || (0, begin("restart:2:10,re-install:2:20,give-up"));
    check(&[mends(), done(1, true)], Ok("tried 1.1 until 21"));
    check(&[mends(), done(1, false)], Ok("tried 0.2 until 11"));
    check(&[mends(), done(1, false), done(2, false)], Ok("tried 1.1 until 22"));
    check(&[mends(), done(1, true), done(2, true)], Ok("- 1.1 until 21"));
    check(&[mends(), done(1, true), done(2, true), late(22)], Ok("tried 1.2 until 42"));
    check(&[mends(), done(1, true), done(2, false), done(3, false)], Ok("- 1.2 until 22"));
    check(&[mends(), done(1, true), (2, Command::Well)], Ok("healed"));
    check(&[done(1, true)], Ok("-"));
    check(&[twice(), (1, Command::End { why: "retired".into() })], Ok("ended"));
    check(&[(1, Command::End { why: "retired".into() })], Ok("-"));
}

#[test]
fn what_no_agent_can_be_told_is_refused_by_name() {
    for action in Action::ALL.iter().filter(|action| !action.is_there()) {
        check(&[(0, begin(&format!("re-apply-configuration:1:1,{action}:1:1")))], Err("action-not-yet"));
        let why = super::rules::Refusal::NotYet(*action);
        assert!(why.to_string().contains(action.as_str()));
    }
}

#[test]
fn a_post_is_handed_over_once() {
    let over = |to: &str| (0, Command::HandOver { to: to.into(), post: "hall".into() });
    let take = |from: &str| (0, Command::TakeOver { from: from.into(), post: "hall".into() });
    check(&[over("b")], Ok("handed-over"));
    check(&[over("b"), over("c")], Err("already-replaced"));
    check(&[over("b"), take("c")], Err("already-replaced"));
    check(&[take("a")], Ok("took-over"));
    check(&[take("a"), take("b")], Err("has-a-post"));
    check(&[take("a"), over("b")], Ok("handed-over"));
    check(&[over("b"), (0, Command::End { why: "claimed".into() }), take("c")], Ok("took-over"));
}

/// One line for every form in which an event was ever stored. Never remove one.
const STORED: &[&str] = &[
    r#"{"event":"begun","playbook":"re-apply-configuration:3:300,give-up"}"#,
    r#"{"event":"tried","place":0,"attempt":1,"action":"re-apply-configuration","at":7,"deadline":300007}"#,
    r#"{"event":"tried","place":0,"attempt":1,"action":"restart","at":7,"deadline":300007}"#,
    r#"{"event":"tried","place":1,"attempt":2,"action":"re-install","at":7,"deadline":300007}"#,
    r#"{"event":"healed"}"#,
    r#"{"event":"given-up","why":"nothing of its playbook helped"}"#,
    r#"{"event":"handed-over","to":"b","post":"hall"}"#,
    r#"{"event":"took-over","from":"a","post":"hall"}"#,
    r#"{"event":"ended","why":"retired"}"#,
];

#[test]
fn every_stored_event_is_read_for_ever() {
    crate::audit::tests::stored_events::<super::Remediation>(STORED, 7);
}

proptest! {
    /// Whatever a playbook says, a device that says nothing is given up after at most its tries.
    #[test]
    fn silence_is_given_up_in_time(steps in proptest::collection::vec((1..=PLAYBOOK_TRIES_MAX, 1..9_u32), 1..=PLAYBOOK_STEPS_MAX)) {
        let tries: usize = steps.iter().map(|(tries, _)| usize::from(*tries)).sum();
        let text: Vec<String> =
            steps.iter().map(|(tries, seconds)| format!("re-apply-configuration:{tries}:{seconds}")).collect();
        let (mut state, mut tried, mut now) = (State::default(), 0, 0);
        let mut events = decide(&state, begin(&text.join(",")), Millis(now)).expect("it begins");
        loop {
            events.iter().for_each(|event| apply(&mut state, event));
            tried += events.iter().filter(|event| matches!(event, Event::Tried { .. })).count();
            let Some(trying) = &state.trying else { break };
            now = trying.deadline.0 + 1;
            events = decide(&state, Command::Expire, Millis(now)).expect("it expires");
            prop_assert!(!events.is_empty());
        }
        prop_assert_eq!(tried, tries);
    }
}
