//! The MASA (RFC 8995 section 5.5), with OpenSSL as the pledge, the registrar and the judge.
use crate::est::{TOOLS, born, request};
use crate::support::{Running, have, output, run};
use serde_json::{Value as Json, json};
use std::path::Path;

/// The registrar's domain: an authority, and a registrar with the given extended key usage.
fn domain(folder: &Path, name: &str, usage: &str) {
    let ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    let (ca_key, ca) = (format!("{name}-ca.key"), format!("{name}-ca.pem"));
    let subject = format!("/CN={name} authority");
    let mut make = vec!["req", "-x509", "-days", "30", "-subj", &subject, "-keyout", &ca_key, "-out", &ca];
    make.extend(ec);
    make.extend(["-addext", "basicConstraints=critical,CA:TRUE"]);
    run(folder, "openssl", &make);
    let (key, csr, pem) = (format!("{name}.key"), format!("{name}.csr"), format!("{name}.pem"));
    let subject = format!("/CN={name} registrar");
    let mut make = vec!["req", "-new", "-subj", &subject, "-keyout", &key, "-out", &csr];
    make.extend(ec);
    run(folder, "openssl", &make);
    let extensions = format!("keyUsage=critical,digitalSignature\nextendedKeyUsage={usage}\n");
    std::fs::write(folder.join("registrar.ext"), extensions).expect("written");
    let sign = ["x509", "-req", "-in", &csr, "-CA", &ca, "-CAkey", &ca_key, "-CAcreateserial", "-days", "30"];
    let sign: Vec<&str> = sign.into_iter().chain(["-extfile", "registrar.ext", "-out", &pem]).collect();
    run(folder, "openssl", &sign);
}

const CMC_RA: &str = "1.3.6.1.5.5.7.3.28";
const VOUCHER_TYPE: &str = "1.2.840.113549.1.9.16.1.40";

pub fn base64(folder: &Path, file: &str) -> String {
    run(folder, "openssl", &["base64", "-A", "-in", file]).trim().to_string()
}

pub fn der(folder: &Path, certificate: &str) -> String {
    run(folder, "openssl", &["x509", "-in", certificate, "-outform", "DER", "-out", "certificate.der"]);
    base64(folder, "certificate.der")
}

pub fn sign(folder: &Path, json: &Json, signer: &str, chain: Option<&str>, out: &str) {
    std::fs::write(folder.join("content.json"), json.to_string()).expect("written");
    let (certificate, key) = (format!("{signer}.pem"), format!("{signer}.key"));
    let mut arguments =
        vec!["cms", "-sign", "-binary", "-nodetach", "-outform", "DER", "-in", "content.json"];
    arguments.extend(["-econtent_type", VOUCHER_TYPE, "-signer", &certificate, "-inkey", &key, "-out", out]);
    if let Some(chain) = chain {
        arguments.extend(["-certfile", chain]);
    }
    run(folder, "openssl", &arguments);
}

/// What a pledge and a registrar say; a test changes one thing.
struct Story {
    pledge: Json,
    registrar: Json,
    pledge_signer: &'static str,
    registrar_signer: &'static str,
}

fn story(folder: &Path) -> Story {
    let near = der(folder, "domain.pem");
    Story {
        pledge: json!({
            "assertion": "proximity", "nonce": "62a2e7693d82fcda2624de58fb6722e5", "serial-number": "A1",
            "created-on": "2026-11-22T17:00:00Z", "proximity-registrar-cert": near,
        }),
        registrar: json!({
            "assertion": "proximity", "nonce": "62a2e7693d82fcda2624de58fb6722e5", "serial-number": "A1",
            "created-on": "2026-11-22T17:00:01Z",
        }),
        pledge_signer: "idevid",
        registrar_signer: "domain",
    }
}

/// The registrar's signed request, in `request.vcj`.
fn write(folder: &Path, story: Story) {
    let Story { pledge, mut registrar, pledge_signer, registrar_signer } = story;
    let pledge = json!({"ietf-voucher-request:voucher": pledge});
    sign(folder, &pledge, pledge_signer, None, "pledge.vcj");
    registrar["prior-signed-voucher-request"] = base64(folder, "pledge.vcj").into();
    let chain = format!("{registrar_signer}-ca.pem");
    let registrar = json!({"ietf-voucher-request:voucher": registrar});
    sign(folder, &registrar, registrar_signer, Some(&chain), "request.vcj");
}

pub fn post(hub: &Running, path: &str) -> String {
    let url = format!("https://{}{path}", hub.people);
    let arguments = ["--silent", "--max-time", "10", "--cacert", "hub/ca.pem", "--output", "voucher.vcj"];
    let sent = ["--write-out", "%{http_code}", "--header", "Content-Type: application/voucher-cms+json"];
    let rest = ["--data-binary", "@request.vcj", &url];
    let arguments: Vec<&str> = arguments.into_iter().chain(sent).chain(rest).collect();
    String::from_utf8_lossy(&output(hub.folder.path(), "curl", &arguments).stdout).into_owned()
}

pub fn said(hub: &Running) -> Vec<u8> {
    std::fs::read(hub.path("voucher.vcj")).unwrap_or_default()
}

const REQUEST: &str = "/.well-known/brski/requestvoucher";
const LOG: &str = "/.well-known/brski/requestauditlog";

fn masa_and_domain() -> Running {
    let hub = born("A1");
    domain(hub.folder.path(), "domain", CMC_RA);
    hub
}

#[test]
fn openssl_gets_a_voucher_and_verifies_it() {
    if !have("masa::openssl_gets_a_voucher", TOOLS) {
        return;
    }
    let hub = masa_and_domain();
    let folder = hub.folder.path();
    write(folder, story(folder));
    assert_eq!(post(&hub, LOG), "404", "no voucher was issued to this domain");
    assert_eq!(post(&hub, REQUEST), "200", "{}", String::from_utf8_lossy(&said(&hub)));
    let first = said(&hub);
    let verify =
        ["cms", "-verify", "-binary", "-inform", "DER", "-in", "voucher.vcj", "-CAfile", "hub/factory.pem"];
    let verify: Vec<&str> = verify.into_iter().chain(["-purpose", "any", "-out", "voucher.json"]).collect();
    run(folder, "openssl", &verify);
    let voucher = std::fs::read(hub.path("voucher.json")).expect("a voucher");
    let voucher: Json = serde_json::from_slice(&voucher).expect("JSON");
    let voucher = &voucher["ietf-voucher:voucher"];
    assert_eq!(voucher["serial-number"], "A1");
    assert_eq!(voucher["nonce"], "62a2e7693d82fcda2624de58fb6722e5");
    assert_eq!(voucher["assertion"], "proximity");
    assert_eq!(voucher["pinned-domain-cert"], der(folder, "domain-ca.pem"));
    assert_eq!(voucher.get("expires-on"), None);

    // The same request again: the same voucher, not a second one.
    assert_eq!(post(&hub, REQUEST), "200");
    assert_eq!(said(&hub), first);
    assert_eq!(post(&hub, LOG), "200");
    let log: Json = serde_json::from_slice(&said(&hub)).expect("JSON");
    assert_eq!(log["events"].as_array().map(Vec::len), Some(1), "{log}");
    assert_eq!(log["events"][0]["nonce"], "62a2e7693d82fcda2624de58fb6722e5");
    let shown = hub.ask("voucher show", json!({"serial_number": "A1"})).expect("shown");
    assert_eq!(shown["vouchers"].as_array().map(Vec::len), Some(1));
    hub.ask("audit check", json!({})).expect("rows equal the journal");
}

#[test]
fn what_does_not_fit_gets_no_voucher() {
    if !have("masa::what_does_not_fit", TOOLS) {
        return;
    }
    let hub = masa_and_domain();
    let folder = hub.folder.path();
    domain(folder, "clerk", "serverAuth");
    domain(folder, "other", CMC_RA);
    request(folder, "stranger", "/serialNumber=A1");
    let selfsign =
        ["req", "-x509", "-key", "stranger.key", "-subj", "/serialNumber=A1", "-out", "stranger.pem"];
    run(folder, "openssl", &selfsign);
    let other_near = der(folder, "other.pem");
    type Change = Box<dyn Fn(&mut Story)>;
    let cases: Vec<(&str, Change)> = vec![
        ("does not allow Registrar", Box::new(|s| s.registrar_signer = "clerk")),
        (
            "stood before another registrar",
            Box::new(move |s| s.pledge["proximity-registrar-cert"] = other_near.clone().into()),
        ),
        ("the pledge's certificate", Box::new(|s| s.pledge_signer = "stranger")),
        ("another serial-number", Box::new(|s| s.pledge["serial-number"] = "B2".into())),
        ("not that of the IDevID", Box::new(|s| s.registrar["serial-number"] = "B2".into())),
        ("nonces", Box::new(|s| s.registrar["nonce"] = "00000000000000000000000000000000".into())),
        (
            "no proximity-registrar-cert",
            Box::new(|s| drop(s.pledge.as_object_mut().map(|o| o.remove("proximity-registrar-cert")))),
        ),
    ];
    for (expect, change) in cases {
        let mut story = story(folder);
        change(&mut story);
        write(folder, story);
        let status = post(&hub, REQUEST);
        let text = String::from_utf8_lossy(&said(&hub)).into_owned();
        assert!(status == "403" && text.contains(expect), "{expect}: {status} {text}");
    }
    write(folder, story(folder));
    let mut bytes = std::fs::read(hub.path("request.vcj")).expect("a request");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(hub.path("request.vcj"), bytes).expect("written");
    assert!(["400", "403"].contains(&post(&hub, REQUEST).as_str()), "one byte changed");
    let shown = hub.ask("voucher show", json!({"serial_number": "A1"})).expect("shown");
    assert_eq!(shown["vouchers"], json!([]), "nothing was issued");
}

#[test]
fn who_asks_too_often_for_one_device_is_told_to_wait() {
    if !have("masa::who_asks_too_often", TOOLS) {
        return;
    }
    let hub = masa_and_domain();
    let folder = hub.folder.path();
    write(folder, story(folder));
    // One request comes back each second, so a slow machine needs more of them.
    let stopped = (0..600).find(|_| post(&hub, REQUEST) == "429");
    assert!(stopped.is_some_and(|requests| requests >= 60), "{stopped:?}");
    assert!(String::from_utf8_lossy(&said(&hub)).starts_with("too-often"));
}
