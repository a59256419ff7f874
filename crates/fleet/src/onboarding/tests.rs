use super::anchor::Anchor;
use super::restoration::Restoration;
use super::restoration::rules as restoration;
use super::rules::{
    Command, Event, Introduction, Ldevid, LogSummary, Refusal, State, Verdict, apply, decide,
};
use super::voucher::door::service;
use super::voucher::log::summary;
use crate::limits::{DEVICE_LDEVIDS_MAX, RESTORATIONS_MAX};
use crate::time::Millis;

fn run(state: &mut State, command: Command) -> Result<Vec<Event>, Refusal> {
    let events = decide(state, command, Millis(0))?;
    events.iter().for_each(|event| apply(state, event));
    Ok(events)
}

fn introduction(key: &str) -> Introduction {
    Introduction {
        anchor: "lumen".into(),
        serial_number: "A1".into(),
        key: key.into(),
        mud_url: String::new(),
        mud_signer: String::new(),
    }
}

fn want(key: &str) -> Command {
    Command::Want { key: key.into() }
}

fn issue(serial: &str, key: &str, at: i64) -> Command {
    let certificate = "PEM".to_string();
    let ldevid = Ldevid { key: key.into(), not_before: Millis(at), not_after: Millis(at + 9), certificate };
    Command::Issue { serial: serial.into(), ldevid }
}

fn admitted() -> State {
    let mut state = State::default();
    run(&mut state, Command::Introduce(introduction("i1"))).expect("introduced");
    run(&mut state, Command::Admit).expect("admitted");
    state
}

#[test]
fn nothing_is_given_to_a_device_that_nobody_admitted() {
    let mut state = State::default();
    for command in [
        Command::Admit,
        want("k1"),
        issue("01", "k1", 0),
        Command::Report { good: true, reason: String::new(), matched: true },
    ] {
        assert_eq!(run(&mut state, command), Err(Refusal::NotIntroduced));
    }
    run(&mut state, Command::Introduce(introduction("i1"))).expect("introduced");
    assert_eq!(run(&mut state, want("k1")), Err(Refusal::NotAdmitted));
    assert_eq!(run(&mut state, issue("01", "k1", 0)), Err(Refusal::NotAdmitted));
}

#[test]
fn another_idevid_under_the_same_serial_number_is_refused() {
    let mut state = admitted();
    assert_eq!(run(&mut state, Command::Introduce(introduction("i1"))), Ok(vec![]));
    assert_eq!(run(&mut state, Command::Introduce(introduction("i2"))), Err(Refusal::AnotherIdevid));
    // An introduction from before the MUD URL was kept is still of the same IDevID.
    let with_url = Introduction { mud_url: "https://lumen.example.com/lamp".into(), ..introduction("i1") };
    assert_eq!(run(&mut state, Command::Introduce(with_url)), Ok(vec![]));
}

#[test]
fn a_certificate_is_issued_for_the_wanted_key_only() {
    let mut state = admitted();
    assert_eq!(run(&mut state, issue("01", "k1", 0)), Err(Refusal::NotWanted));
    run(&mut state, want("k1")).expect("wanted");
    assert_eq!(run(&mut state, issue("01", "k2", 0)), Err(Refusal::NotWanted));
    run(&mut state, issue("01", "k1", 0)).expect("issued");
    assert_eq!(run(&mut state, issue("02", "k1", 0)), Ok(vec![]), "of two at once the first one counts");
    assert_eq!(state.ldevids.len(), 1);
}

#[test]
fn the_oldest_certificate_makes_room() {
    let mut state = admitted();
    for n in 0..=DEVICE_LDEVIDS_MAX {
        let (serial, key) = (format!("{n:02}"), format!("k{n}"));
        run(&mut state, want(&key)).expect("wanted");
        let events = run(&mut state, issue(&serial, &key, n as i64)).expect("issued");
        let superseded = Event::Superseded { serial: "00".into() };
        assert_eq!(events.contains(&superseded), n == DEVICE_LDEVIDS_MAX);
    }
    assert_eq!(state.ldevids.keys().collect::<Vec<_>>(), ["01", "02"]);
}

#[test]
fn one_key_has_one_good_certificate() {
    let mut state = admitted();
    for serial in ["01", "02"] {
        run(&mut state, want("k1")).expect("wanted");
        run(&mut state, issue(serial, "k1", 0)).expect("issued");
    }
    assert_eq!(state.ldevids.keys().collect::<Vec<_>>(), ["02"]);
}

#[test]
fn revoking_ends_everything_once() {
    let mut state = admitted();
    run(&mut state, want("k1")).expect("wanted");
    run(&mut state, issue("01", "k1", 3_000)).expect("issued");
    let revoke = Command::Revoke { why: "lost".into() };
    let serials = vec!["01".to_string()];
    let revoked = Event::Revoked { serials, why: "lost".into(), youngest: Some(Millis(3_000)) };
    assert_eq!(run(&mut state, revoke.clone()), Ok(vec![revoked]));
    assert_eq!(state, State { barred: true, youngest: Millis(3_000), ..State::default() });
    assert_eq!(run(&mut state, revoke), Ok(vec![]));
}

fn show(serial: &str, key: &str, at: i64) -> Command {
    let Command::Issue { ldevid, .. } = issue(serial, key, at) else { unreachable!("as made above") };
    Command::ShowAhead { serial: serial.into(), serial_number: "A1".into(), ldevid }
}

/// Good certificates, and the one that waits; or the last refusal.
#[test]
fn only_the_youngest_certificate_is_ahead() {
    let check = |commands: &[Command], expect: Result<&str, Refusal>| {
        let (mut state, mut outcome) = (admitted(), Ok(vec![]));
        for command in commands {
            assert!(outcome.is_ok(), "only the last command is refused");
            outcome = run(&mut state, command.clone());
        }
        let good: Vec<&str> = state.ldevids.keys().map(String::as_str).collect();
        let ahead = state.ahead.as_ref().map_or("-", |(serial, _)| serial);
        assert_eq!(outcome.map(|_| format!("{} {ahead}", good.join(","))), expect.map(String::from));
    };
    let ended = Err(Refusal::LdevidEnded);
    let revoke = Command::Revoke { why: "lost".into() };
    let (want, issued) = (want("k1"), issue("01", "k1", 5_000));
    let known = [want.clone(), issued.clone()];
    let after = |more: &[Command]| [&known[..], more].concat();
    check(&[show("02", "k2", 9_000)], Ok(" 02"));
    check(&[show("02", "k2", 9_000), Command::Adopt], Ok("02 -"));
    check(&[show("02", "k2", 9_000), show("02", "k2", 9_000)], Ok(" 02"));
    check(&[Command::Adopt], Err(Refusal::NotAhead));
    check(&after(&[show("02", "k2", 9_000), Command::Adopt]), Ok("01,02 -"));
    check(&after(&[show("02", "k1", 9_000), Command::Adopt]), Ok("02 -"));
    // Superseded or revoked in the time that was forgotten, or after it.
    check(&after(&[show("00", "k0", 4_000)]), ended.clone());
    check(&after(&[show("00", "k0", 5_999)]), ended.clone());
    check(&after(&[show("02", "k2", 6_000)]), Ok("01 02"));
    check(&[show("03", "k3", 9_000), show("02", "k2", 8_000)], ended.clone());
    check(&[show("02", "k2", 8_000), show("03", "k3", 9_000), Command::Adopt], Ok("03 -"));
    check(&[show("02", "k2", 8_000), Command::Adopt, want, issued], Ok("01,02 -"));
    // What a person ended stays ended.
    check(&[show("02", "k2", 9_000), revoke.clone()], Ok(" -"));
    check(&[show("02", "k2", 9_000), revoke.clone(), show("02", "k2", 9_000)], ended.clone());
    check(&[show("02", "k2", 9_000), Command::Adopt, revoke.clone(), show("02", "k2", 9_000)], ended.clone());
    check(&after(&[revoke.clone(), show("01", "k1", 5_000)]), ended);
    check(&after(&[revoke, show("02", "k2", 6_000)]), Ok(" 02"));
}

#[test]
fn who_comes_with_an_adopted_certificate_is_enrolled() {
    let mut state = State::default();
    run(&mut state, show("02", "k2", 9_000)).expect("shown by whom nobody knows");
    assert_eq!(run(&mut state, Command::Adopt), Err(Refusal::NotIntroduced));
    run(&mut state, Command::Introduce(introduction("i1"))).expect("introduced");
    assert_eq!(run(&mut state, Command::Adopt), Err(Refusal::NotAdmitted));
    run(&mut state, Command::Admit).expect("admitted");
    let events = run(&mut state, Command::Adopt).expect("adopted");
    assert_eq!(events, [Event::Adopted { serial: "02".into() }, Event::Enrolled]);
    // It was revoked before it was adopted: its serial number is named, so that its connections end.
    let mut state = State::default();
    run(&mut state, show("02", "k2", 9_000)).expect("shown");
    let revoked =
        Event::Revoked { serials: vec!["02".into()], why: "lost".into(), youngest: Some(Millis(9_000)) };
    assert_eq!(run(&mut state, Command::Revoke { why: "lost".into() }), Ok(vec![revoked]));
    assert!(state.barred, "only a person admits it now");
}

#[test]
fn a_gap_has_the_seconds_of_its_ends() {
    let mut state = restoration::State::default();
    let newest = restoration::Command::Note { newest: Millis(5_500) };
    for event in restoration::decide(&state, newest, Millis(9_500)).expect("noted") {
        restoration::apply(&mut state, &event);
    }
    let check = |at: i64, expect: bool| assert_eq!(state.has_forgotten(Millis(at)), expect, "{at}");
    check(4_999, false);
    check(5_000, true);
    check(9_999, true);
    check(10_000, false);
    for n in 0..100 {
        let gap = restoration::Gap { from: Millis(n), until: Millis(n) };
        restoration::apply(&mut state, &restoration::Event::Restored { gap });
    }
    assert_eq!((state.gaps.len(), state.gaps[0].from), (RESTORATIONS_MAX, Millis(84)));
}

#[test]
fn one_nonce_has_one_voucher_and_one_verdict() {
    let keep = |nonce: &str, voucher: &str| Command::KeepVoucher {
        nonce: nonce.into(),
        domain_id: "00ff".into(),
        voucher: voucher.into(),
    };
    let report = |good| Command::ReportVoucher { good, reason: "words".into() };
    let mut state = State::default();
    run(&mut state, Command::Introduce(introduction("i1"))).expect("introduced");
    assert_eq!(run(&mut state, keep("n1", "v1")), Err(Refusal::NotAdmitted));
    run(&mut state, Command::Admit).expect("admitted");
    assert_eq!(run(&mut state, report(true)), Err(Refusal::NoVoucher));
    let kept = |state: &State| {
        let voucher = state.voucher.clone().expect("a voucher");
        (voucher.voucher, voucher.verdict, voucher.reason)
    };
    run(&mut state, keep("n1", "v1")).expect("kept");
    assert_eq!(run(&mut state, keep("n1", "v2")), Ok(vec![]), "of two at once the first one counts");
    assert_eq!(kept(&state), ("v1".into(), Verdict::Open, String::new()));
    run(&mut state, report(false)).expect("noted");
    assert_eq!(run(&mut state, report(true)), Ok(vec![]), "the first word counts");
    assert_eq!(kept(&state), ("v1".into(), Verdict::Refused, "words".into()));
    run(&mut state, keep("n2", "v2")).expect("kept");
    run(&mut state, report(true)).expect("noted");
    assert_eq!(kept(&state), ("v2".into(), Verdict::Accepted, String::new()));
    run(&mut state, Command::Revoke { why: "lost".into() }).expect("revoked");
    assert_eq!(state.voucher, None);
}

/// RFC 8995 section 2.3.2.
#[test]
fn a_masa_url_says_where_the_service_is() {
    let check = |extension: &str, expect: Result<&str, &str>| {
        let found = service(extension).map_err(|why| why.code);
        assert_eq!(found.as_deref().map_err(|code| *code), expect, "{extension}");
    };
    let usual = "https://masa.example.com/.well-known/brski";
    check("masa.example.com", Ok(usual));
    check("masa.example.com:8443", Ok("https://masa.example.com:8443/.well-known/brski"));
    check("https://masa.example.com", Ok(usual));
    check("HTTPS://masa.example.com/", Ok(usual));
    check("https://masa.example.com/.well-known/brski", Ok(usual));
    check("https://masa.example.com/lab/", Ok("https://masa.example.com/lab"));
    check("", Err("no-masa-url"));
    check("http://masa.example.com", Err("bad-masa-url"));
    check("masa.example.com/lab", Err("bad-masa-url"));
    check("https://masa.example.com/?a=b", Err("bad-masa-url"));
    check("https://masa.example.com#a", Err("bad-masa-url"));
}

/// RFC 8995 figure 18, and sections 5.8.1 and 5.8.3.
#[test]
fn a_masas_log_says_who_else_was_trusted() {
    let log = |second: &str| {
        let text = r#"{"version":"1","events":[
            {"date":"2019-05-15T17:25:55.644-04:00","domainID":"BduJhdHPpfhQLyponf48JzXSGZ8=",
             "nonce":"VOUFT-WwrEv0NuAQEHoV7Q","assertion":"proximity","truncated":"0"},
            {"date":"2017-05-15T17:25:55.644-04:00","domainID":"SECOND","nonce":NONCE,"assertion":"proximity"}],
            "truncation":{"nonced duplicates":"0","nonceless duplicates":"1","arbitrary":"2"}}"#;
        let (domain_id, nonce) = second.split_once(' ').expect("two words");
        let text = text.replace("SECOND", domain_id).replace("NONCE", nonce);
        wire::audit_log::AuditLog::from_json(text.as_bytes()).expect("a log")
    };
    let (own, other) = ("05db8985d1cfa5f8502f2a689dfe3c2735d2199f", "AAAAAAAAAAA=");
    let nonce = "VOUFT-WwrEv0NuAQEHoV7Q";
    let check = |second: &str, nonce: &str, complete: bool, without_nonce: u64, others: &[&str]| {
        let found = summary(&log(second), own, nonce);
        let other_domains = others.iter().map(ToString::to_string).collect();
        let expect = LogSummary { complete, vouchers: 2, without_nonce, left_out: 3, other_domains };
        assert_eq!(found, expect, "{second}");
    };
    check(r#"BduJhdHPpfhQLyponf48JzXSGZ8= "f4G6Vi1t8nKo/FieCVgpBg==""#, nonce, true, 0, &[]);
    check("BduJhdHPpfhQLyponf48JzXSGZ8= null", "another", false, 1, &[]);
    check(&format!("{other} null"), nonce, true, 1, &["0000000000000000"]);
}

/// One line for every form in which an event was ever stored. Never remove one.
const STORED: &[&str] = &[
    r#"{"event":"introduced","introduction":{"anchor":"lumen","serial_number":"A1","key":"00ff"}}"#,
    r#"{"event":"introduced","introduction":{"anchor":"lumen","serial_number":"A1","key":"00ff","mud_url":"https://lumen.example.com/lamp"}}"#,
    r#"{"event":"introduced","introduction":{"anchor":"lumen","serial_number":"A1","key":"00ff","mud_url":"https://lumen.example.com/lamp","mud_signer":"CN=Descriptions"}}"#,
    r#"{"event":"admitted"}"#,
    r#"{"event":"voucher-obtained","nonce":"AAAAAAAAAAA=","domain_id":"00ff","voucher":"MIIB"}"#,
    r#"{"event":"audit-log-read","log":{"complete":true,"vouchers":3,"without_nonce":1,"left_out":2,"other_domains":["00aa"]}}"#,
    r#"{"event":"voucher-accepted"}"#,
    r#"{"event":"voucher-refused","reason":"another serial-number"}"#,
    r#"{"event":"wanted","key":"00ff"}"#,
    r#"{"event":"issued","serial":"01","key":"00ff","not_before":1,"not_after":2,"certificate":"PEM"}"#,
    r#"{"event":"shown-ahead","serial":"01","serial_number":"A1","key":"00ff","not_before":1,"not_after":2,"certificate":"PEM"}"#,
    r#"{"event":"adopted","serial":"01"}"#,
    r#"{"event":"superseded","serial":"01"}"#,
    r#"{"event":"enrolled"}"#,
    r#"{"event":"enrolled-unmatched"}"#,
    r#"{"event":"enrolment-failed","reason":"no disk"}"#,
    r#"{"event":"revoked","serials":["01"],"why":"lost"}"#,
    r#"{"event":"revoked","serials":["01"],"why":"lost","youngest":5}"#,
    r#"{"event":"troubled","trouble":"voucher-refused","reason":"words"}"#,
    r#"{"event":"trouble-settled","why":"words"}"#,
];

/// As [`STORED`], of anchors.
const STORED_ANCHOR: &[&str] = &[
    r#"{"event":"anchor-added","certificate":"PEM","admission":"ask"}"#,
    r#"{"event":"anchor-added","certificate":"PEM","admission":"ask","servers":"PEM"}"#,
    r#"{"event":"admission-set","admission":"automatic"}"#,
    r#"{"event":"anchor-removed"}"#,
];

/// As [`STORED`], of restorations.
const STORED_RESTORATION: &[&str] = &[r#"{"event":"restored","gap":{"from":1,"until":2}}"#];

#[test]
fn every_stored_event_is_read_for_ever() {
    crate::audit::tests::stored_events::<super::Onboarding>(STORED, 17);
    crate::audit::tests::stored_events::<Restoration>(STORED_RESTORATION, 1);
    crate::audit::tests::stored_events::<Anchor>(STORED_ANCHOR, 3);
}
