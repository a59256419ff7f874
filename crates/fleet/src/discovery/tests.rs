use super::description::rules as description;
use super::rules::{Assurance, Command, Refusal, State, Statement, apply, decide};
use crate::limits::DESCRIPTION_TRIES_MAX;
use crate::time::Millis;

fn statement(mud_url: &str) -> Statement {
    Statement { mud_url: mud_url.into(), maker: "lumen".into(), source: "somebody".into() }
}

fn run(state: &mut State, command: Command) -> Result<usize, Refusal> {
    let events = decide(state, command, Millis(0))?;
    events.iter().for_each(|event| apply(state, event));
    Ok(events.len())
}

fn say(state: &mut State, assurance: Assurance, mud_url: &str) -> usize {
    run(state, Command::State { assurance, statement: statement(mud_url) }).expect("stated")
}

fn believed(state: &State) -> &str {
    state.believed().map_or("", |(_, statement)| statement.mud_url.as_str())
}

/// In whatever order they come, the strongest counts, and a contradiction is told.
#[test]
fn a_weaker_statement_never_overrides_a_stronger_one() {
    for (place, stronger) in Assurance::ALL.iter().enumerate() {
        for weaker in &Assurance::ALL[..place] {
            for order in [[*weaker, *stronger], [*stronger, *weaker]] {
                let mut state = State::default();
                for assurance in order {
                    let url = if assurance == *stronger { "https://strong" } else { "https://weak" };
                    say(&mut state, assurance, url);
                }
                assert_eq!(believed(&state), "https://strong", "{order:?}");
                for part in [stronger.as_str(), weaker.as_str(), "https://weak", "counts"] {
                    assert!(state.finding.contains(part), "{part}: {}", state.finding);
                }
            }
        }
    }
}

#[test]
fn a_contradiction_ends_when_all_say_the_same() {
    let mut state = State::default();
    assert_eq!(say(&mut state, Assurance::Entered, "https://a"), 1);
    assert_eq!(say(&mut state, Assurance::Entered, "https://a"), 0, "the same again is no event");
    assert_eq!(say(&mut state, Assurance::Signed, "https://b"), 2);
    assert_eq!(say(&mut state, Assurance::Entered, "https://b"), 1);
    assert_eq!(state.finding, "");
}

#[test]
fn what_was_waived_was_that_description() {
    let mut state = State::default();
    let waive = || Command::Waive { why: "its maker is gone".into() };
    assert_eq!(run(&mut state, waive()), Err(Refusal::NothingStated));
    say(&mut state, Assurance::Signed, "https://a");
    assert_eq!(run(&mut state, waive()), Ok(1));
    assert_eq!(run(&mut state, waive()), Ok(0));
    say(&mut state, Assurance::Heard, "https://b");
    assert_ne!(state.waived, "", "what counts is as it was");
    say(&mut state, Assurance::Signed, "https://c");
    assert_eq!(state.waived, "");
}

type DescriptionResult = Result<Vec<description::Event>, description::Refusal>;

fn follow(state: &mut description::State, command: description::Command, now: i64) -> DescriptionResult {
    let events = description::decide(state, command, Millis(now))?;
    events.iter().for_each(|event| description::apply(state, event));
    Ok(events)
}

fn verified(file: &str, signer: &str) -> description::Verified {
    description::Verified {
        file: file.into(),
        signer: signer.into(),
        cache_validity_hours: 48,
        ..description::Verified::default()
    }
}

fn fail() -> description::Command {
    description::Command::Fail(description::Failure { code: "not-answered".into(), why: "404".into() })
}

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

#[test]
fn tries_are_bounded_and_pauses_grow() {
    use description::Command;
    let mut state = description::State::default();
    assert_eq!(follow(&mut state, fail(), 0), Err(description::Refusal::Unknown));
    follow(&mut state, Command::Want, 0).expect("wanted");
    assert_eq!(follow(&mut state, Command::Want, 7).map(|e| e.len()), Ok(0));
    assert_eq!(state.due_at, Some(Millis(0)));
    let (mut now, mut pauses) = (0, Vec::new());
    for _ in 0..DESCRIPTION_TRIES_MAX {
        follow(&mut state, fail(), now).expect("failed");
        pauses.extend(state.due_at.map(|due| (due.0 - now) / MINUTE));
        now = state.due_at.map_or(now, |due| due.0);
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64]);
    assert_eq!(state.due_at, None, "given up until a person asks");
    follow(&mut state, Command::Ask, now).expect("asked");
    assert_eq!((state.due_at, state.tries), (Some(Millis(now)), 0));
}

#[test]
fn a_good_description_stays_when_the_next_is_not() {
    use description::Command;
    let mut state = description::State::default();
    follow(&mut state, Command::Want, 0).expect("wanted");
    follow(&mut state, Command::Verify(verified("f1", "Lumen")), 0).expect("verified");
    assert_eq!(state.due_at, Some(Millis(48 * HOUR)), "RFC 8520 section 3.5");
    for n in 1..100 {
        follow(&mut state, fail(), n * HOUR).expect("failed");
        assert!(state.due_at.is_some_and(|due| due.0 <= n * HOUR + 24 * HOUR), "never given up");
    }
    assert_eq!(state.verified, Some(verified("f1", "Lumen")));
    let confirmed = follow(&mut state, Command::Verify(verified("f1", "Lumen")), 7).expect("confirmed");
    assert_eq!(confirmed, [description::Event::DescriptionConfirmed { at: Millis(7) }]);
    assert_eq!((state.verified_at, state.failure.is_none(), state.tries), (Millis(7), true, 0));
    follow(&mut state, Command::Verify(verified("f2", "Lumen")), 8).expect("verified");
    assert_eq!(state.verified, Some(verified("f2", "Lumen")));
}

#[test]
fn a_new_file_is_told() {
    use description::Command;
    let mut state = description::State::default();
    let tell = |file: &str| Command::Tell { file: file.into() };
    follow(&mut state, Command::Want, 0).expect("wanted");
    follow(&mut state, Command::Verify(verified("f1", "Lumen")), 0).expect("verified");
    assert!(state.untold);
    assert_eq!(follow(&mut state, tell("f0"), 1).map(|e| e.len()), Ok(0), "an older one was told meanwhile");
    assert!(state.untold);
    assert_eq!(follow(&mut state, tell("f1"), 1).map(|e| e.len()), Ok(1));
    assert_eq!(follow(&mut state, tell("f1"), 1).map(|e| e.len()), Ok(0));
    let resigned = description::Verified { signature: "s2".into(), ..verified("f1", "Lumen") };
    follow(&mut state, Command::Verify(resigned), 2).expect("verified");
    assert!(!state.untold, "the same file");
    follow(&mut state, Command::Verify(verified("f2", "Lumen")), 3).expect("verified");
    follow(&mut state, Command::Verify(verified("f2", "Lumen")), 4).expect("confirmed");
    assert!(state.untold);
}

/// RFC 8520 section 16: flagged, and an administrator asked.
#[test]
fn another_signer_waits_for_a_person() {
    use description::Command;
    let mut state = description::State::default();
    follow(&mut state, Command::Want, 0).expect("wanted");
    follow(&mut state, Command::Verify(verified("f1", "Lumen")), 0).expect("verified");
    follow(&mut state, Command::Verify(verified("f2", "Nemul")), 1).expect("failed");
    assert_eq!(state.verified, Some(verified("f1", "Lumen")));
    assert_eq!(state.failure.as_ref().map(|failure| failure.code.as_str()), Some("another-signer"));
    follow(&mut state, Command::Ask, 2).expect("asked");
    follow(&mut state, Command::Verify(verified("f2", "Nemul")), 3).expect("verified");
    assert_eq!((state.verified, state.failure), (Some(verified("f2", "Nemul")), None));
}

#[test]
fn a_description_is_told_in_lines() {
    use wire::mud::{AccessList, Ace, Action, Direction, Matches, MudFile, Ports, Transport};
    use wire::prefix::Family;
    let tcp = Transport::Tcp {
        source_port: None,
        destination_port: Some(Ports::Eq(443)),
        initiated: Some(Direction::FromDevice),
    };
    let cloud = Matches {
        destination_dnsname: Some("cloud.example.com".into()),
        transport: Some(tcp),
        ..Matches::default()
    };
    let ntp = Transport::Udp { source_port: Some(Ports::Range(1, 9)), destination_port: None };
    let local = Matches { local_networks: true, transport: Some(ntp), ..Matches::default() };
    let list = |name: &str, matches: &[&Matches]| AccessList {
        name: name.into(),
        family: Family::V4,
        entries: matches
            .iter()
            .map(|m| Ace { name: "a".into(), matches: (*m).clone(), action: Action::Accept })
            .collect(),
    };
    let mut file = MudFile {
        mud_url: "https://example.com/lamp".into(),
        last_update: 0,
        mud_signature: None,
        cache_validity_hours: 48,
        is_supported: true,
        systeminfo: None,
        mfg_name: None,
        model_name: None,
        firmware_rev: None,
        software_rev: None,
        documentation: None,
        extensions: Vec::new(),
        from_device: vec![list("from", &[&cloud])],
        to_device: vec![list("to", &[&local])],
        ignored: Vec::new(),
    };
    let told = super::description::lines::lines(&file);
    assert_eq!(
        told,
        [
            "may send to cloud.example.com by TCP to port 443, if the device began (from/a)",
            "may receive from local networks by UDP from port 1 to 9 (to/a)",
        ]
    );
    file.from_device = vec![list("from", &[&cloud; 128])];
    let told = super::description::lines::lines(&file);
    assert_eq!((told.len(), told.last().map(String::as_str)), (128, Some("and 2 more")));
    file.to_device.clear();
    assert_eq!(super::description::lines::lines(&file).len(), 128, "one more would be no shorter");
}

/// One line for every form in which an event was ever stored. Never remove one.
const STORED: &[&str] = &[
    r#"{"event":"stated","assurance":"signed","statement":{"mud_url":"https://a","maker":"m","source":"s"}}"#,
    r#"{"event":"contradicted","finding":"two"}"#,
    r#"{"event":"description-waived","why":"its maker is gone"}"#,
];

/// As [`STORED`], of descriptions.
const STORED_DESCRIPTION: &[&str] = &[
    r#"{"event":"fetch-wanted","at":7}"#,
    r#"{"event":"fetch-asked","at":7}"#,
    r#"{"event":"description-verified","verified":{"file":"00","signature":"ff","signer":"CN=x","last_update":1,"cache_validity_hours":48,"is_supported":true,"systeminfo":"","lines":["may"]},"at":7}"#,
    r#"{"event":"description-confirmed","at":7}"#,
    r#"{"event":"description-told","file":"00"}"#,
    r#"{"event":"description-failed","failure":{"code":"not-answered","why":"404"},"at":7}"#,
];

#[test]
fn every_stored_event_is_read_for_ever() {
    crate::audit::tests::stored_events::<super::Discovery>(STORED, 3);
    crate::audit::tests::stored_events::<super::description::Description>(STORED_DESCRIPTION, 6);
}
