use super::*;
use crate::digest::sha256;

fn report() -> Report {
    Report {
        configuration: ConfigurationReport {
            digest: Some(sha256(b"{}")),
            trouble: None,
            applied: 3,
            trial: Some(4),
            last: Some(NotKept { order: 2, reverted: true, why: "no answer".into() }),
            document: Some(b"{}".to_vec()),
        },
        firmware: Some(FirmwareReport {
            running: Some(Running { sequence_number: 7, manifest: sha256(b"7") }),
            not_kept: Some(FirmwareNotKept {
                sequence_number: Some(8),
                manifest: Some(sha256(b"8")),
                tried: true,
                reason: "suit-report-reason-operation-failed".into(),
                why: "it did not answer".into(),
            }),
            order: Some(OrderReport { order: 9, progress: Progress::Failed("no disk".into()) }),
        }),
        not_understood: vec!["wipe".into()],
        unknown: Vec::new(),
    }
}

fn desired() -> Desired {
    let over = Some(sha256(b""));
    Desired {
        configuration: Some(Apply { order: 5, over, document: vec![0, 255], confirm_seconds: 60 }),
        firmware: Some(vec![0xd8, 107]),
        restart: Some(8),
        reinstall: Some(9),
        confirmed: Some(4),
        send_configuration: true,
        wipe: Some(Wipe { at: "2026-11-22T00:00:00Z".into() }),
        unknown: Vec::new(),
    }
}

#[test]
fn what_is_written_is_read() {
    for report in [report(), Report::default()] {
        assert_eq!(Report::from_json(&report.to_json()).unwrap(), report);
    }
    for progress in [Progress::UnderWay, Progress::Done, Progress::Failed(String::new())] {
        let order = Some(OrderReport { order: 0, progress });
        let firmware = Some(FirmwareReport { order, ..FirmwareReport::default() });
        let report = Report { firmware, ..Report::default() };
        assert_eq!(Report::from_json(&report.to_json()).unwrap(), report);
    }
    for desired in [desired(), Desired::default()] {
        assert_eq!(Desired::from_json(&desired.to_json()).unwrap(), desired);
    }
    assert!(Desired::default().is_empty() && !desired().is_empty());
    let text = String::from_utf8(Report::default().to_json()).unwrap();
    assert_eq!(text, r#"{"configuration":{"applied":0},"version":1}"#);
    assert_eq!(Desired::default().to_json(), br#"{"version":1}"#);
}

/// The largest document fits into either message.
#[test]
fn the_largest_document_travels() {
    let bytes = vec![0xff; CONFIGURATION_BYTES_MAX];
    let mut report = report();
    report.configuration.document = Some(bytes.clone());
    // The longest escapes of JSON.
    report.configuration.trouble = Some("\u{1}".repeat(CONTROL_REASON_CHARS_MAX));
    let not_kept = report.firmware.as_mut().and_then(|it| it.not_kept.as_mut()).unwrap();
    not_kept.why = "\u{1}".repeat(CONTROL_REASON_CHARS_MAX);
    let progress = Progress::Failed("\u{1}".repeat(CONTROL_REASON_CHARS_MAX));
    report.firmware.as_mut().unwrap().order = Some(OrderReport { order: u32::MAX, progress });
    report.not_understood = vec!["\u{1}".repeat(CONTROL_NAME_CHARS_MAX); CONTROL_NAMES_MAX];
    assert_eq!(Report::from_json(&report.to_json()).unwrap(), report);
    let mut desired = desired();
    desired.configuration.as_mut().unwrap().document = bytes;
    desired.firmware = Some(vec![0xff; CONTROL_ENVELOPE_BYTES_MAX]);
    assert_eq!(Desired::from_json(&desired.to_json()).unwrap(), desired);
}

#[test]
fn reports_of_strangers() {
    let check = |text: &str, expect: Result<(), &str>| match (Report::from_json(text.as_bytes()), expect) {
        (Ok(_), Ok(())) => {}
        (Err(why), Err(expect)) => assert!(why.to_string().contains(expect), "{text}: {why}"),
        (got, _) => panic!("{text}: {got:?}"),
    };
    let configuration = |fields: &str| format!(r#"{{"version":1,"configuration":{{{fields}}}}}"#);
    check(&configuration(""), Ok(()));
    check(r#"{"version":1}"#, Err("\"configuration\" is missing"));
    check(r#"{"configuration":{}}"#, Err("\"version\" is missing"));
    check(r#"{"version":2,"configuration":{}}"#, Err("\"version\" is not 1"));
    check(r#"{"version":1,"version":1,"configuration":{}}"#, Err("twice"));
    check(&configuration(r#""colour":1"#), Err("\"colour\" is not known"));
    check(&configuration(r#""digest":"00""#), Err("\"digest\" is not 64"));
    check(&configuration(r#""applied":-1"#), Err("\"applied\" is not a whole number"));
    check(&configuration(r#""applied":4294967296"#), Err("\"applied\" is not a whole number"));
    check(&configuration(r#""last":{"order":1,"reverted":true}"#), Err("\"why\" is missing"));
    check(&configuration(r#""document":"!""#), Err("\"document\" is not at most"));
    let over = Base64::encode_string(&[0; CONFIGURATION_BYTES_MAX + 1]);
    check(&configuration(&format!(r#""document":"{over}""#)), Err("\"document\" is not at most"));
    let long = "x".repeat(CONTROL_REASON_CHARS_MAX + 1);
    check(&configuration(&format!(r#""trouble":"{long}""#)), Err("\"trouble\" is not a text"));
    let many = vec!["\"x\""; CONTROL_NAMES_MAX + 1].join(",");
    check(&format!(r#"{{"version":1,"configuration":{{}},"not_understood":[{many}]}}"#), Err("over 16"));
    let order = |fields: &str| {
        format!(r#"{{"version":1,"configuration":{{}},"firmware":{{}},"order":{{{fields}}}}}"#)
    };
    check(&order(r#""number":1,"progress":"done""#), Ok(()));
    check(&order(r#""number":1,"progress":"nearly""#), Err("\"progress\" is not under-way, done or failed"));
    check(&order(r#""progress":"done""#), Err("\"number\" is missing"));
    check(&order(r#""number":1,"progress":"done","at":1"#), Err("\"at\" is not known"));
    check(&" ".repeat(CONTROL_BYTES_MAX + 1), Err("over 49152 bytes"));
}

#[test]
fn answers_of_strangers() {
    let check = |text: &str, expect: Result<(), &str>| match (Desired::from_json(text.as_bytes()), expect) {
        (Ok(_), Ok(())) => {}
        (Err(why), Err(expect)) => assert!(why.to_string().contains(expect), "{text}: {why}"),
        (got, _) => panic!("{text}: {got:?}"),
    };
    let apply = |fields: &str| format!(r#"{{"version":1,"configuration":{{"order":1,{fields}}}}}"#);
    check(&apply(r#""document":"","confirm_seconds":1"#), Ok(()));
    check(&apply(r#""document":"","confirm_seconds":0"#), Err("\"confirm_seconds\" is not a number"));
    check(&apply(r#""document":"","confirm_seconds":3601"#), Err("\"confirm_seconds\" is not a number"));
    check(&apply(r#""confirm_seconds":1"#), Err("\"document\" is missing"));
    check(&apply(r#""document":"","confirm_seconds":1,"quiet":true"#), Err("\"quiet\" is not known"));
    check(r#"{"version":1,"wipe":{"at":"today"}}"#, Err("\"at\" is not a time"));
    check(r#"{"version":1,"wipe":{"at":"2026-11-22T00:00:00Z","now":true}}"#, Err("\"now\" is not known"));
    check(r#"{"version":1,"reinstall":1}"#, Err("\"firmware\" is missing"));
    check(r#"{"version":1,"restart":-1}"#, Err("\"restart\" is not a whole number"));
    check(r#"{"version":1,"wanted":"all"}"#, Err("\"wanted\" is not a list"));
    check(r#"{"version":1,"wanted":[1]}"#, Err("\"wanted\" is not a list of short texts"));
}

/// Whole members are ignored, and told.
#[test]
fn what_is_not_known_is_named() {
    let report = Report::from_json(br#"{"version":1,"configuration":{},"mood":"good"}"#).unwrap();
    assert_eq!(report.unknown, ["mood"]);
    let desired = Desired::from_json(br#"{"version":1,"dance":{},"wanted":["configuration","song"]}"#);
    let desired = desired.unwrap();
    assert_eq!((desired.unknown, desired.send_configuration), (vec!["dance".into(), "song".into()], true));
    let long = "x".repeat(CONTROL_NAME_CHARS_MAX + 1);
    let report = Report::from_json(format!(r#"{{"version":1,"configuration":{{}},"{long}":1}}"#).as_bytes());
    assert_eq!(report.unwrap().unknown, [""; 0]);
}
