//! A device that knows its manufacturer alone joins an operator's hub (RFC 8995): two hubs as processes,
//! the agent, and real TLS between them all.
use crate::support::{Hub, program, skip};
use agent::machine::{Stage, Timers};
use io::files::write_atomic;
use io::{FileKey, key::KeyError};
use serde_json::{Value as Json, json};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use tokio::sync::watch;
use wire::certificate::{Name, NameAttribute};
use wire::{Certificate, csr, est};

const SERIAL_NUMBER: &str = "lamp-0001";

/// An operator's hub that may reach this machine, where its makers' services are.
fn operator() -> Hub {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("hub");
    let mut command = program();
    command.args(["serve", "--fetch-loopback", "--data"]).arg(data).env("STEWARD_LOG", "off");
    Hub::with(command, folder)
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

/// A folder as it comes from the factory.
fn bear(maker: &Hub, folder: &Path) -> Result<(), KeyError> {
    let product = ["product", "add", "lamp-7", "--hardware-type", "1.3.6.1.4.1.32473.7"];
    maker.run(&[&product[..], &["--masa-url", maker.people()]].concat()).exits(0);
    let key = FileKey::open_or_create(&folder.join("idevid.key"))?;
    let subject = Name::new(&[(NameAttribute::SerialNumber, SERIAL_NUMBER)]).unwrap();
    let csr = csr::make(&subject, None, &key).unwrap();
    let request = maker.post("/.well-known/est/lamp-7/simpleenroll", est::PKCS10, est::encode_body(&csr));
    let answer = maker.http().send(&request);
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    let idevid = est::read_certs_only(&est::decode_body(&answer.body).unwrap()).unwrap();
    write_atomic(&folder.join("idevid.pem"), idevid[0].to_pem().as_bytes(), 0o600).unwrap();
    std::fs::copy(maker.data().join("factory.pem"), folder.join("masa.pem")).unwrap();
    Ok(())
}

/// Runs the device until it is enrolled; whoever is discovered is admitted.
fn join(operator: &Hub, folder: &Path) {
    let (shown, mut stage) = watch::channel(Stage::Joining);
    let timers = Timers { backoff_min: 20, backoff_max: 200, put_off: 1000, start_spread: 0 };
    let registrar = operator.ready["devices"].as_str().unwrap();
    let settings =
        agent::Settings { timers, stage: Some(Arc::new(shown)), ..agent::Settings::new(registrar) };
    let enrolled = async move {
        let _ = stage.wait_for(|stage| *stage == Stage::Enrolled).await;
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let running = agent::run(folder, settings, enrolled);
    let in_time = async { tokio::time::timeout(crate::support::PATIENCE, running).await };
    runtime.block_on(in_time).expect("in time").unwrap();
}

#[test]
fn a_device_that_knows_its_maker_alone_joins() {
    let (maker, operator) = (Hub::start(), operator());
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    bear(&maker, folder).unwrap();
    let certificate = format!("@{}", maker.data().join("factory.pem").display());
    let servers = format!("@{}", maker.data().join("ca.pem").display());
    let anchor = ["anchor", "add", "lumen", "--certificate", &certificate, "--servers", &servers];
    operator.run(&[&anchor[..], &["--admission", "automatic"]].concat()).exits(0);
    join(&operator, folder);

    let shown = operator.json(&["onboarding", "show", &format!("lumen-{SERIAL_NUMBER}")]);
    assert_eq!((&shown["voucher"]["verdict"], &shown["enrolled"]), (&json!("accepted"), &json!(true)));
    let logged = maker.json(&["voucher", "show", SERIAL_NUMBER]);
    let [voucher] = logged["vouchers"].as_array().unwrap().as_slice() else { panic!("{logged}") };
    assert_eq!(voucher["nonce"], shown["voucher"]["nonce"]);
    let domain = Certificate::from_pem(&text(&operator.data().join("ca.pem"))).unwrap();
    assert_eq!(Certificate::from_pem(&text(&folder.join("pinned.pem"))).unwrap(), domain);
    judged_by_openssl(folder, voucher);
}

/// Whether openssl takes what the device leaves: its request, and the voucher for it.
fn judged_by_openssl(folder: &Path, logged: &Json) {
    if Command::new("openssl").arg("version").output().is_err() {
        return skip("brski::a_device_that_knows_its_maker_alone_joins", "openssl is not installed");
    }
    for (file, container) in
        [("voucher-request.vcj", "ietf-voucher-request:voucher"), ("voucher.vcj", "ietf-voucher:voucher")]
    {
        let verify = ["cms", "-verify", "-binary", "-inform", "DER", "-in", file, "-CAfile", "masa.pem"];
        let done =
            Command::new("openssl").args(verify).args(["-purpose", "any"]).current_dir(folder).output();
        let done = done.unwrap();
        assert!(done.status.success(), "{file}: {}", String::from_utf8_lossy(&done.stderr));
        let said: Json = serde_json::from_slice(&done.stdout).unwrap();
        assert_eq!(said[container]["nonce"], logged["nonce"], "{file}");
    }
}
