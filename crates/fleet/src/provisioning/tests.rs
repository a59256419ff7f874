use super::product::rules as product;
use super::rules::{Command, Event, Refusal, State, apply, decide};
use super::voucher::rules as log;
use crate::limits::DEVICE_VOUCHERS_MAX;
use crate::time::Millis;

fn run(state: &mut State, command: Command, now: i64) -> Result<Vec<Event>, Refusal> {
    let events = decide(state, command, Millis(now))?;
    events.iter().for_each(|event| apply(state, event));
    Ok(events)
}

fn want(key: &str) -> Command {
    Command::Want { product: "lamp-7".into(), key: key.into() }
}

fn bear(key: &str) -> Command {
    Command::Bear {
        product: "lamp-7".into(),
        key: key.into(),
        certificate: "PEM".into(),
        record: "CMS".into(),
    }
}

#[test]
fn a_serial_number_is_given_once() {
    let mut state = State::default();
    assert_eq!(run(&mut state, bear("k1"), 1), Err(Refusal::NotWanted));
    assert_eq!(run(&mut state, want("k1"), 1).map(|e| e.len()), Ok(1));
    assert_eq!(run(&mut state, want("k1"), 1).map(|e| e.len()), Ok(0), "the same again is no event");
    assert_eq!(
        run(&mut state, want("k2"), 2).map(|e| e.len()),
        Ok(1),
        "before its birth the line may begin anew"
    );
    assert_eq!(run(&mut state, bear("k1"), 3), Err(Refusal::NotWanted));
    assert_eq!(run(&mut state, bear("k2"), 3).map(|e| e.len()), Ok(1));
    assert_eq!(run(&mut state, bear("k2"), 4).map(|e| e.len()), Ok(0), "the first IDevID counts");
    assert_eq!(run(&mut state, want("k3"), 5), Err(Refusal::BornAlready));
    assert_eq!(run(&mut state, want("k2"), 5).map(|e| e.len()), Ok(0));
    assert_eq!(state.born_at, Millis(3));
}

/// One line for every form in which an event was ever stored. Never remove one.
const STORED: &[&str] = &[
    r#"{"event":"birth-wanted","product":"lamp-7","key":"00ff"}"#,
    r#"{"event":"born","certificate":"PEM","at":7}"#,
    r#"{"event":"born","certificate":"PEM","at":7,"record":"CMS"}"#,
];

/// As [`STORED`], of products.
const STORED_PRODUCT: &[&str] = &[
    r#"{"event":"product-added","template":{"hardware_type":"1.2.3","mud_url":"","masa_url":""}}"#,
    r#"{"event":"product-discontinued"}"#,
];

/// As [`STORED`], of vouchers.
const STORED_VOUCHER: &[&str] = &[
    r#"{"event":"voucher-issued","voucher":{"nonce":"n","domain_id":"00ff","issued_at":7,"voucher":"AA=="}}"#,
];

/// As [`STORED`], of publications.
const STORED_PUBLICATION: &[&str] = &[
    r#"{"event":"description-wanted","file":"00ff"}"#,
    r#"{"event":"description-published","file":"00ff","signature":"ff00"}"#,
    r#"{"event":"description-refused","file":"00ff","why":"it is no JSON"}"#,
];

/// As [`STORED`], of published releases.
const STORED_RELEASE: &[&str] = &[
    r#"{"event":"release-wanted","content":{"product":"lamp-7","version":"1.1","sequence_number":2,"image":"00ff","image_bytes":3,"vendor":"example.com","way_back":false}}"#,
    r#"{"event":"release-published","envelope":"00ff"}"#,
    r#"{"event":"release-refused","why":"its image or its number is not one"}"#,
];

#[test]
fn a_release_is_published_once() {
    use super::release::rules::{Command, Content, Refusal, State, apply, decide};
    let mut state = State::default();
    let mut run = |command: Command| {
        let events = decide(&state, command, Millis(0))?;
        events.iter().for_each(|event| apply(&mut state, event));
        Ok::<_, Refusal>(events.len())
    };
    let publish = |envelope: &str| Command::Publish { envelope: envelope.into() };
    assert_eq!(run(publish("a")), Err(Refusal::NotWanted));
    assert_eq!(run(Command::Want(Content::default())), Ok(1));
    assert_eq!(run(Command::Want(Content::default())), Err(Refusal::Known));
    assert_eq!(run(publish("a")), Ok(1));
    assert_eq!(run(publish("a")), Ok(0), "the hub was ended before it heard so");
    assert_eq!(run(publish("b")), Err(Refusal::NotWanted));
    assert_eq!(run(Command::Refuse { why: "no".into() }), Err(Refusal::NotWanted));
}

#[test]
fn what_is_signed_is_what_is_wanted() {
    use super::publication::rules::{Command, Refusal, State, apply, decide};
    let mut state = State::default();
    let mut run = |command: Command| {
        let events = decide(&state, command, Millis(0))?;
        events.iter().for_each(|event| apply(&mut state, event));
        Ok::<_, Refusal>((events.len(), state.clone()))
    };
    let want = |file: &str| Command::Want { file: file.into() };
    let publish = |file: &str| Command::Publish { file: file.into(), signature: format!("{file}.p7s") };
    assert_eq!(run(publish("a")), Err(Refusal::NotWanted));
    assert_eq!(run(want("a")).map(|(n, _)| n), Ok(1));
    assert_eq!(run(want("a")).map(|(n, _)| n), Ok(0));
    assert_eq!(run(want("b")).map(|(n, _)| n), Ok(1));
    assert_eq!(run(publish("a")), Err(Refusal::NotWanted), "it was replaced while it was signed");
    let (_, state) = run(publish("b")).expect("published");
    assert_eq!((state.wanted.as_str(), state.file.as_str(), state.signature.as_str()), ("", "b", "b.p7s"));
    run(want("c")).expect("wanted");
    let (_, state) = run(Command::Refuse { file: "c".into(), why: "no JSON".into() }).expect("refused");
    assert_eq!((state.wanted.as_str(), state.file.as_str(), state.refused.as_str()), ("", "b", "no JSON"));
    assert_eq!(run(want("b")).map(|(n, s)| (n, s.refused)), Ok((1, String::new())), "signed anew");
}

#[test]
fn every_stored_event_is_read_for_ever() {
    crate::audit::tests::stored_events::<super::Birth>(STORED, 2);
    crate::audit::tests::stored_events::<super::product::Product>(STORED_PRODUCT, 2);
    crate::audit::tests::stored_events::<super::publication::Publication>(STORED_PUBLICATION, 3);
    crate::audit::tests::stored_events::<super::release::PublishedRelease>(STORED_RELEASE, 3);
    crate::audit::tests::stored_events::<super::voucher::VoucherLog>(STORED_VOUCHER, 1);
}

#[test]
fn what_is_discontinued_stays_so() {
    let mut state = product::State::default();
    let added = product::Event::ProductAdded { template: product::Template::default() };
    product::apply(&mut state, &added);
    product::apply(&mut state, &product::Event::ProductDiscontinued);
    let again = product::decide(&state, product::Command::Discontinue, Millis(0));
    assert_eq!(again, Err(product::Refusal::Discontinued));
}

fn voucher(n: i64, domain_id: &str) -> log::Voucher {
    let (nonce, voucher) = (format!("n{n}"), String::new());
    log::Voucher { nonce, domain_id: domain_id.into(), issued_at: Millis(n), voucher }
}

fn issue(state: &mut log::State, n: i64, domain_id: &str) -> Result<usize, log::Refusal> {
    let events = log::decide(state, log::Command::Issue(voucher(n, domain_id)), Millis(n))?;
    events.iter().for_each(|event| log::apply(state, event));
    Ok(events.len())
}

#[test]
fn one_nonce_has_one_voucher() {
    let mut state = log::State::default();
    assert_eq!(issue(&mut state, 1, "d1"), Ok(1));
    assert_eq!(issue(&mut state, 1, "d1"), Ok(0));
    assert_eq!(issue(&mut state, 1, "d2"), Err(log::Refusal::NonceUsed));
}

/// Whoever holds the device cannot ask a former owner out of the log.
#[test]
fn a_full_log_keeps_every_domain() {
    let mut state = log::State::default();
    issue(&mut state, 0, "former").expect("issued");
    for n in 1..=3 * DEVICE_VOUCHERS_MAX as i64 {
        issue(&mut state, n, "latter").expect("issued");
    }
    assert_eq!(state.vouchers.len(), DEVICE_VOUCHERS_MAX);
    assert_eq!(state.vouchers.values().filter(|v| v.domain_id == "former").count(), 1);
}
