use super::rules::{Command, Credential, CredentialKind, Ended, Event, Refusal, State, apply, decide};
use crate::id::Id;
use crate::limits::ACCOUNT_CREDENTIALS_MAX;
use crate::permission::Permission;
use crate::time::Millis;

fn run(state: &mut State, command: Command, now: i64) -> Result<Vec<Event>, Refusal> {
    let events = decide(state, command, Millis(now))?;
    events.iter().for_each(|event| apply(state, event));
    Ok(events)
}

fn id(n: usize) -> Id {
    let mut random = [0; 10];
    random[2..].copy_from_slice(&n.to_be_bytes());
    Id::new(Millis(0), random)
}

fn credential(expires_at: i64) -> Credential {
    Credential {
        kind: CredentialKind::Token,
        hash: [7; 32],
        label: "report".into(),
        issued_at: Millis(0),
        expires_at: Millis(expires_at),
    }
}

fn added() -> State {
    let mut state = State::default();
    run(&mut state, Command::Add(Permission::Operate), 0).expect("a new account is added");
    state
}

#[test]
fn nothing_is_asked_of_an_account_that_nobody_added() {
    for command in [
        Command::SetPermission(Permission::View),
        Command::Disable,
        Command::Enable,
        Command::Issue(id(1), credential(9)),
        Command::End(id(1), Ended::Revoked),
    ] {
        assert_eq!(decide(&State::default(), command, Millis(0)), Err(Refusal::Unknown));
    }
}

#[test]
fn the_same_permission_again_is_no_event() {
    assert_eq!(run(&mut added(), Command::SetPermission(Permission::Operate), 0), Ok(vec![]));
}

#[test]
fn disabling_ends_every_credential() {
    let mut state = added();
    run(&mut state, Command::Issue(id(1), credential(9)), 0).expect("issued");
    run(&mut state, Command::Issue(id(2), credential(9)), 0).expect("issued");
    assert_eq!(run(&mut state, Command::Disable, 1).map(|events| events.len()), Ok(3));
    assert!(state.disabled && state.credentials.is_empty());
    assert_eq!(run(&mut state, Command::Issue(id(3), credential(9)), 2), Err(Refusal::Disabled));
}

#[test]
fn a_full_account_issues_again_when_a_credential_expired() {
    let mut state = added();
    for n in 0..ACCOUNT_CREDENTIALS_MAX {
        let expires_at = if n == 0 { 5 } else { 100 };
        run(&mut state, Command::Issue(id(n), credential(expires_at)), 0).expect("issued");
    }
    let more = Command::Issue(id(99), credential(100));
    assert_eq!(run(&mut state, more.clone(), 4), Err(Refusal::TooManyCredentials));
    let events = run(&mut state, more, 5).expect("the expired one makes room");
    assert_eq!(events[0], Event::CredentialEnded { id: id(0), why: Ended::Expired });
    assert_eq!(state.credentials.len(), ACCOUNT_CREDENTIALS_MAX);
}

#[test]
fn a_credential_ends_once() {
    let mut state = added();
    run(&mut state, Command::Issue(id(1), credential(9)), 0).expect("issued");
    assert!(run(&mut state, Command::End(id(1), Ended::Redeemed), 0).is_ok());
    assert_eq!(run(&mut state, Command::End(id(1), Ended::Redeemed), 0), Err(Refusal::CredentialUnknown));
}

/// One line for every form in which an event was ever stored. Never remove one.
const STORED: &[&str] = &[
    r#"{"event":"added","permission":"administer"}"#,
    r#"{"event":"permission-set","permission":"view"}"#,
    r#"{"event":"account-disabled"}"#,
    r#"{"event":"account-enabled"}"#,
    r#"{"event":"credential-issued","id":"017f22e2-79b0-7cc3-98c4-dc0c0c07398f","kind":"token","hash":"0707070707070707070707070707070707070707070707070707070707070707","label":"report","issued_at":0,"expires_at":9}"#,
    r#"{"event":"credential-ended","id":"017f22e2-79b0-7cc3-98c4-dc0c0c07398f","why":"signed-out"}"#,
];

#[test]
fn every_stored_event_is_read_for_ever() {
    crate::audit::tests::stored_events::<super::Account>(STORED, 6);
}
