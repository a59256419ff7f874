//! Signed birth records: OpenSSL verifies them, and an operator's hub expects a device by its record.
use crate::discovery::device_that_may_sign;
use crate::est::{TOOLS, born};
use crate::support::{Running, have, run};
use io::FileKey;
use serde_json::{Value as Json, json};
use wire::{Certificate, birth_record};

fn read(hub: &Running, file: &str) -> String {
    std::fs::read_to_string(hub.path(file)).expect("a file")
}

fn trusting(maker: &Running) -> Running {
    let operator = Running::start();
    let anchor = json!({"anchor": "lumen", "certificate": read(maker, "hub/factory.pem")});
    operator.ask("anchor add", anchor).expect("trusted");
    operator
}

/// A record by whoever has the files `name`.pem and `name`.key of a hub's folder.
fn record_by(hub: &Running, name: &str, content: &str) -> String {
    let certificate = Certificate::from_pem(&read(hub, &format!("hub/{name}.pem"))).expect("a certificate");
    let key = FileKey::open(&hub.path(&format!("hub/{name}.key"))).expect("a key");
    let signed = birth_record::sign(content.as_bytes(), &certificate, &[], &key, 0).expect("signed");
    birth_record::to_pem(&signed)
}

#[test]
fn a_birth_is_recorded_and_the_device_expected_by_it() {
    if !have("records::a_birth_is_recorded", TOOLS) {
        return;
    }
    let maker = born("A1");
    let folder = maker.folder.path();
    let birth = maker.ask("birth show", json!({"serial_number": "A1"})).expect("born");
    let record = birth["record"].as_str().expect("a record");
    std::fs::write(maker.path("record.pem"), record).expect("written");
    let verify = ["cms", "-verify", "-binary", "-inform", "PEM", "-in", "record.pem", "-purpose", "any"];
    let verify: Vec<&str> =
        verify.into_iter().chain(["-CAfile", "hub/factory.pem", "-out", "record.json"]).collect();
    run(folder, "openssl", &verify);
    let content = read(&maker, "record.json");
    let said: Json = serde_json::from_str(&content).expect("JSON");
    let said = &said["steward-birth-record"];
    run(folder, "openssl", &["x509", "-in", "idevid.pem", "-outform", "DER", "-out", "idevid.der"]);
    let digest = run(folder, "sha256sum", &["idevid.der"]);
    assert_eq!(said["idevid-sha256"], digest.split_whitespace().next().expect("a digest"));
    let serial = run(folder, "openssl", &["x509", "-in", "idevid.pem", "-noout", "-serial"]);
    let serial = serial.trim().trim_start_matches("serial=").to_lowercase();
    assert_eq!(said["idevid-serial-number"], serial.as_str());
    assert_eq!((&said["serial-number"], &said["product"]), (&json!("A1"), &json!("lamp-7")));

    let operator = trusting(&maker);
    let refused = |record: &str, expect: (&str, &str)| {
        let refusal = operator.ask("device import", json!({"record": record})).expect_err("refused");
        assert_eq!(refusal.code, expect.0);
        assert!(refusal.detail.contains(expect.1), "{}: {}", expect.1, refusal.detail);
    };
    refused("no PEM", ("bad-birth-record", "not one CMS message in PEM"));
    refused(&read(&maker, "idevid.pem"), ("bad-birth-record", "not one CMS message in PEM"));
    run(
        folder,
        "openssl",
        &["cms", "-cmsout", "-in", "record.pem", "-inform", "PEM", "-outform", "DER", "-out", "r"],
    );
    let whole = std::fs::read(maker.path("r")).expect("DER");
    assert_eq!(birth_record::to_pem(&whole), record);
    let at = whole.windows(2).position(|two| two == b"A1").expect("the serial number");
    let mut changed = whole.clone();
    changed[at + 1] = b'2';
    refused(&birth_record::to_pem(&changed), ("bad-birth-record", "messageDigest"));
    let stranger = Running::start();
    refused(&record_by(&stranger, "signer", &content), ("bad-birth-record", "not trusted"));
    device_that_may_sign(folder);
    refused(&record_by(&maker, "device", &content), ("bad-birth-record", "a device speaks for itself"));
    refused(&record_by(&maker, "signer", "{}"), ("bad-birth-record", "steward-birth-record"));
    for (from, to) in [("\"version\":1", "\"version\":2"), ("\"product\"", "\"x\":1,\"product\"")] {
        refused(
            &record_by(&maker, "signer", &content.replace(from, to)),
            ("bad-birth-record", "no birth record"),
        );
    }
    let expected = operator.ask("device import", json!({"record": record})).expect("expected");
    let told =
        ["stage", "maker", "model", "serial_number"].map(|name| expected[name].as_str().expect("text"));
    assert_eq!(told, ["expected", "lumen", "lamp-7", "A1"]);
    refused(record, ("device-known", "another device"));
}
