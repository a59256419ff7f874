//! Last reports: signed by the LDevID that they name, read strictly, and judged by OpenSSL too.
use crate::support::{Identity, ldevid, openssl};
use wire::digest::sha256;
use wire::retirement::{LastReport, Wipe};
use wire::{cms, oid};

fn report(certificate: [u8; 32]) -> LastReport {
    LastReport {
        at: "2026-11-22T20:00:00Z".into(),
        serial_number: "JADA123456789".into(),
        certificate,
        wiped: vec!["configuration".into(), "keys".into()],
    }
}

#[test]
fn a_last_report_is_signed_by_the_ldevid_that_it_names() {
    let root = Identity::root("Domain");
    let (device, other) = (root.issue(&ldevid()), root.issue(&ldevid()));
    let report = report(sha256(device.certificate.der()));
    let message = report.sign(&device.certificate, &device.key).unwrap();
    assert_eq!(LastReport::verify(&message).unwrap(), (report.clone(), device.certificate.clone()));
    let foreign = report.sign(&other.certificate, &other.key).unwrap();
    assert!(LastReport::verify(&foreign).unwrap_err().to_string().contains("that it names"));
    let typed =
        cms::sign(oid::MUD, &report.to_json(), &device.certificate, &[], &device.key, None, false).unwrap();
    assert!(LastReport::verify(&typed).is_err());
    let key_of_another = report.sign(&device.certificate, &other.key).unwrap();
    assert!(LastReport::verify(&key_of_another).is_err());
    for place in 0..message.len() {
        let mut changed = message.clone();
        changed[place] ^= 1;
        // What is under no signature (CMS's version) changes nothing of what is read.
        let same = |read| read == (report.clone(), device.certificate.clone());
        assert!(LastReport::verify(&changed).map_or(true, same), "byte {place}");
    }
    let Some(openssl) = openssl("a_last_report_is_signed_by_the_ldevid_that_it_names") else { return };
    openssl.write("root.pem", root.certificate.to_pem());
    openssl.write("report.cms", &message);
    let verify = "cms -verify -binary -inform DER -in report.cms -CAfile root.pem -purpose any";
    openssl.ok(&format!("{verify} -attime 1780000000 -out out"));
    assert_eq!(openssl.read("out"), report.to_json());
}

#[test]
fn strangers_reports_and_orders() {
    let check = |text: &str, expect: Result<(), &str>| match (LastReport::from_json(text.as_bytes()), expect)
    {
        (Ok(_), Ok(())) => {}
        (Err(why), Err(expect)) => assert!(why.to_string().contains(expect), "{text}: {why}"),
        (got, _) => panic!("{text}: {got:?}"),
    };
    let good = String::from_utf8(report([7; 32]).to_json()).unwrap();
    check(&good, Ok(()));
    check(&good.replace("22T20", "32T20"), Err("\"at\" is not a time"));
    check(&good.replace("\"version\":1", "\"version\":2"), Err("\"version\" is not 1"));
    check(&good.replace("\"wiped\"", "\"kept\""), Err("\"kept\" is not known"));
    check(&good.replace("0707", "07"), Err("\"certificate\" is not 64"));
    check(&good.replace("JADA", &"J".repeat(65)), Err("\"serial_number\" is not a text"));
    check(&good.replace("\"keys\"", &["\"x\""; 17].join(",")), Err("over 16"));
    check(&" ".repeat(9000), Err("over 8192 bytes"));
    let wipe = Wipe { at: "2026-11-22T20:00:00Z".into() };
    assert_eq!(Wipe::from_json(&wipe.to_json()), Ok(wipe));
    assert!(Wipe::from_json(b"{}").is_err());
}
