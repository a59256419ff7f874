//! MUD discovery (RFC 8520): an operator's hub fetches what an IDevID names, from a manufacturer's hub or
//! from a server of another mind, and admits nobody before it is verified.
use crate::est::{TOOLS, request};
use crate::publication::{manufacturer, mud_file, publish};
use crate::support::{Running, have, run};
use axum::Router;
use axum::http::{StatusCode, Uri, header};
use axum::response::IntoResponse;
use fleet::onboarding::rules::Introduction;
use fleet::onboarding::view::{Enrol, Proof};
use io::FileKey;
use io::http::server::{ServerLimits, serve};
use io::tls::Identity;
use io::tls::server::people_config;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use wire::certificate::profile::{Profile, Validity, issue};
use wire::{Certificate, PublicKey, mud};

/// The device of every story.
const DEVICE: &str = "lumen-A1";
const FILE: &str = "/mud/lamp-7.json";
const SIGNATURE: &str = "/mud/lamp-7.p7s";

fn read(hub: &Running, file: &str) -> String {
    std::fs::read_to_string(hub.path(file)).expect("a file")
}

/// An operator's hub that trusts the maker.
fn operator(maker: &Running, loopback: bool, admission: &str) -> Running {
    let folder = tempfile::tempdir().expect("a folder");
    let operator = Running::start_with(folder, |settings| settings.fetch_loopback = loopback);
    let (certificate, servers) = (read(maker, "hub/factory.pem"), read(maker, "hub/ca.pem"));
    let anchor = json!({
        "anchor": "lumen", "certificate": certificate, "servers": servers, "admission": admission,
    });
    operator.ask("anchor add", anchor).expect("trusted");
    operator
}

/// The device's request; whether it is to be signed a certificate.
fn asks(operator: &Running, mud_url: &str) -> bool {
    let introduction = Introduction {
        anchor: "lumen".into(),
        serial_number: "A1".into(),
        key: "00ff".into(),
        mud_url: mud_url.into(),
        mud_signer: String::new(),
    };
    let enrol = Enrol { proof: Proof::Idevid(introduction), key: "ff00".into() };
    let decision = operator.own(enrol).expect("decided");
    assert!(decision == "wait" || decision["sign"].is_object(), "{decision}");
    decision != "wait"
}

fn url_of(server: SocketAddr) -> String {
    format!("https://{server}{FILE}")
}

fn shown(operator: &Running) -> Json {
    operator.ask("description show", json!({"device": DEVICE})).expect("shown")
}

fn shown_as(operator: &Running, standing: &str) -> Json {
    operator.ask_until("description show", &json!({"device": DEVICE}), |shown| shown["standing"] == standing)
}

/// Neither a person nor a rule admits it.
fn is_held(operator: &Running, mud_url: &str) {
    let refused = operator.ask("onboarding admit", json!({"device": DEVICE})).expect_err("it is held");
    assert_eq!(refused.code, "description-unverified", "{}", refused.detail);
    assert!(!asks(operator, mud_url), "nor at its next request");
    let device = operator.ask("device show", json!({"device": DEVICE})).expect("a device");
    assert_eq!(device["stage"], "discovered");
}

/// The device is admitted, and gets its certificate once its plan is active.
fn is_signed(operator: &Running, mud_url: &str) {
    operator.until("the certificate", || asks(operator, mud_url));
    let access = operator.ask("access show", json!({"device": DEVICE})).expect("shown");
    assert_eq!((&access["enforcement"], &access["mud_url"]), (&json!("active"), &json!(mud_url)), "{access}");
    let shown = shown(operator);
    assert_eq!(access["description"], shown["file"]);
}

#[test]
fn a_published_description_is_fetched_and_verified_before_anybody_admits() {
    let maker = manufacturer();
    let operator = operator(&maker, true, "ask");
    let mud_url = url_of(maker.people);
    assert!(!asks(&operator, &mud_url), "nobody admitted it");
    let failed = shown_as(&operator, "failed");
    assert!(
        failed["failure"].as_str().expect("text").contains("status 404 (RFC 8520 section 1.6)"),
        "{failed}"
    );
    assert_ne!(failed["next_try"], "", "it is tried again");
    is_held(&operator, &mud_url);
    let file = mud_file(maker.people);
    assert_eq!(publish(&maker, &file), "");
    operator.ask("description fetch", json!({"device": DEVICE})).expect("asked");
    let verified = shown_as(&operator, "verified");
    let expect = json!([
        "may send to cloud.example.com by TCP to port 443, if the device began (from/cloud)",
        "may receive from cloud.example.com by TCP from port 443, if the device began (to/cloud)"
    ]);
    assert_eq!(verified["allows"], expect);
    let told = [&verified["assurance"], &verified["source"], &verified["signer"], &verified["systeminfo"]];
    assert_eq!(told, ["signed", "its IDevID", "CN=Steward signer", "A lamp for examples"], "{verified}");
    for digest in ["file", "signature"] {
        let path = operator.path("hub/blobs").join(verified[digest].as_str().expect("a digest"));
        assert!(path.exists(), "{digest}");
    }
    assert!(!asks(&operator, &mud_url), "the anchor says that a person admits");
    operator.ask("onboarding admit", json!({"device": DEVICE})).expect("admitted");
    is_signed(&operator, &mud_url);
    operator.ask("audit check", json!({})).expect("rows equal the journal");
}

#[test]
fn a_rule_admits_once_the_description_is_verified() {
    let maker = manufacturer();
    let operator = operator(&maker, true, "automatic");
    let mud_url = url_of(maker.people);
    assert!(!asks(&operator, &mud_url));
    shown_as(&operator, "failed");
    is_held(&operator, &mud_url);
    assert_eq!(publish(&maker, &mud_file(maker.people)), "");
    operator.ask("description fetch", json!({"device": DEVICE})).expect("asked");
    shown_as(&operator, "verified");
    is_signed(&operator, &mud_url);
}

#[test]
fn a_rule_admits_at_once_who_names_no_description_or_is_waived() {
    let maker = manufacturer();
    assert!(asks(&operator(&maker, false, "automatic"), ""));
    let operator = operator(&maker, false, "automatic");
    assert!(!asks(&operator, &url_of(maker.people)));
    operator.ask("description waive", json!({"device": DEVICE, "why": "its maker is gone"})).expect("waived");
    assert!(asks(&operator, &url_of(maker.people)));
}

#[test]
fn this_machine_is_not_asked_by_default() {
    let maker = manufacturer();
    assert_eq!(publish(&maker, &mud_file(maker.people)), "");
    let operator = operator(&maker, false, "automatic");
    let mud_url = url_of(maker.people);
    assert!(!asks(&operator, &mud_url));
    let failed = shown_as(&operator, "failed");
    let why = failed["failure"].as_str().expect("text");
    assert!(why.starts_with("address-refused") && why.contains("fetch-loopback"), "{why}");
    is_held(&operator, &mud_url);
}

#[test]
fn what_a_person_enters_does_not_override_what_the_maker_signed() {
    let maker = manufacturer();
    assert_eq!(publish(&maker, &mud_file(maker.people)), "");
    let operator = operator(&maker, true, "ask");
    asks(&operator, &url_of(maker.people));
    let other = format!("https://{}/mud/lamp-8.json", maker.people);
    operator.ask("description enter", json!({"device": DEVICE, "mud_url": other})).expect("entered");
    let shown = shown_as(&operator, "verified");
    assert_eq!((&shown["assurance"], &shown["mud_url"]), (&json!("signed"), &json!(url_of(maker.people))));
    let finding = shown["finding"].as_str().expect("text");
    assert!(finding.contains(&other) && finding.contains("the one that is signed counts"), "{finding}");
}

/// What a server answers, by path: the status and the body.
type Pages = BTreeMap<String, (u16, Vec<u8>)>;

/// A server with the maker's TLS identity that answers what a test says.
struct Server {
    address: SocketAddr,
    pages: Arc<Mutex<Pages>>,
    _stop: oneshot::Sender<()>,
}

impl Server {
    fn start(maker: &Running) -> Self {
        let certificate = Certificate::from_pem(&read(maker, "hub/server.pem")).expect("a certificate");
        let signer = Arc::new(FileKey::open(&maker.path("hub/server.key")).expect("its key"));
        let identity = Identity { chain: vec![certificate.der().to_vec()], signer };
        let tls = people_config(&identity).expect("TLS");
        let pages = Arc::new(Mutex::new(Pages::new()));
        let shared = pages.clone();
        let router = Router::new().fallback(async move |uri: Uri| {
            let page = shared.lock().expect("pages").get(uri.path()).cloned();
            let (status, body) = page.unwrap_or((404, Vec::new()));
            let status = StatusCode::from_u16(status).expect("a status");
            (status, [(header::LOCATION, "https://elsewhere.example.com/")], body).into_response()
        });
        let listener = maker.runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
        let address = listener.local_addr().expect("its address");
        let (stop, stopped) = oneshot::channel::<()>();
        maker.runtime.spawn(serve(listener, tls, ServerLimits::default(), router, async {
            drop(stopped.await);
        }));
        Server { address, pages, _stop: stop }
    }

    fn serves(&self, path: &str, status: u16, body: impl Into<Vec<u8>>) {
        self.pages.lock().expect("pages").insert(path.into(), (status, body.into()));
    }
}

/// A signature over `file` by the files `name`.pem and `name`.key of a hub's folder.
fn signed(hub: &Running, name: &str, file: &str) -> Vec<u8> {
    let certificate = Certificate::from_pem(&read(hub, &format!("hub/{name}.pem"))).expect("a certificate");
    let key = FileKey::open(&hub.path(&format!("hub/{name}.key"))).expect("a key");
    mud::sign(file.as_bytes(), &certificate, &[], &key, None).expect("signed")
}

/// A certificate of the maker's authority, as `name`.pem and `name`.key beside the hub's own.
fn issued(maker: &Running, name: &str, profile: &Profile) {
    let key = FileKey::open_or_create(&maker.path(&format!("hub/{name}.key"))).expect("a key");
    let authority = Certificate::from_pem(&read(maker, "hub/factory.pem")).expect("a certificate");
    let signer = FileKey::open(&maker.path("hub/factory.key")).expect("a key");
    let validity = Validity { not_before: io::clock::now_millis(), not_after: None };
    let public = PublicKey::of(&key).expect("a key");
    let certificate = issue(profile, &public, Some(&authority), [7; 16], validity, &signer).expect("issued");
    std::fs::write(maker.path(&format!("hub/{name}.pem")), certificate.to_pem()).expect("written");
}

/// A maker's device whose IDevID has a key usage, as other makers' have: `device.pem` and `device.key`.
pub fn device_that_may_sign(folder: &Path) {
    let extensions = "keyUsage=critical,digitalSignature\nsubjectAltName=otherName:1.3.6.1.5.5.7.8.4;SEQUENCE:hw\n\
                      [hw]\ntype=OID:1.3.6.1.4.1.32473.7\nserial=OCT:A2\n";
    std::fs::write(folder.join("device.ext"), extensions).expect("written");
    request(folder, "hub/device", "/serialNumber=A2");
    let sign =
        ["x509", "-req", "-in", "hub/device.csr", "-CA", "hub/factory.pem", "-CAkey", "hub/factory.key"];
    let rest = ["-CAcreateserial", "-days", "30", "-extfile", "device.ext", "-out", "hub/device.pem"];
    run(folder, "openssl", &sign.into_iter().chain(rest).collect::<Vec<_>>());
    // A key is read only if nobody else may.
    run(folder, "chmod", &["600", "hub/device.key"]);
}

#[test]
fn what_is_not_as_it_should_be_is_a_finding_and_nobody_is_admitted() {
    if !have("discovery::what_is_not_as_it_should_be", TOOLS) {
        return;
    }
    let (maker, stranger) = (manufacturer(), Running::start());
    let (operator, server) = (operator(&maker, true, "automatic"), Server::start(&maker));
    let mud_url = url_of(server.address);
    let file = mud_file(server.address);
    device_that_may_sign(maker.folder.path());
    issued(
        &maker,
        "no-usage",
        &Profile::Intermediate { common_name: "Another authority".into(), organisation: "x".into() },
    );
    assert!(!asks(&operator, &mud_url));
    shown_as(&operator, "failed");
    let check = |expect: &[&str], file: &str, signature: Vec<u8>| {
        if !file.is_empty() {
            server.serves(FILE, 200, file);
            server.serves(SIGNATURE, 200, signature);
        }
        operator.ask("description fetch", json!({"device": DEVICE})).expect("asked");
        let shown = operator.ask_until("description show", &json!({"device": DEVICE}), |shown| {
            shown["tries"] == 1 && shown["failure"].as_str().is_some_and(|why| why.starts_with(expect[0]))
        });
        let why = shown["failure"].as_str().expect("text");
        expect.iter().for_each(|part| assert!(why.contains(part), "{part}: {why}"));
        is_held(&operator, &mud_url);
    };
    let good = signed(&maker, "signer", &file);
    let clause = "RFC 8520 section 13.2";
    check(&["signature-refused", clause, "digest"], &file.replace("443", "444"), good.clone());
    check(&["signature-refused", clause], &file, signed(&stranger, "signer", &file));
    check(
        &["signature-refused", clause, "a device speaks for itself alone"],
        &file,
        signed(&maker, "device", &file),
    );
    for other in ["masa", "author"] {
        let purpose = "the extended key usage does not allow Description";
        check(&["signature-refused", clause, purpose], &file, signed(&maker, other, &file));
    }
    check(&["signature-refused", clause], &file, signed(&maker, "no-usage", &file));
    check(&["signature-refused", clause], &file, b"no CMS".to_vec());
    let mut damaged = good.clone();
    *damaged.last_mut().expect("a byte") ^= 1;
    check(&["signature-refused", clause], &file, damaged);
    let other = file.replace("lamp-7.json", "lamp-8.json");
    check(&["another-mud-url", "RFC 8520 section 3.2"], &other, signed(&maker, "signer", &other));
    let unsigned = file.replace("mud-signature", "mud-seal");
    check(&["no-signature", clause], &unsigned, good.clone());
    let plain = file.replace(&format!("https://{}{SIGNATURE}", server.address), "http://example.com/x.p7s");
    check(&["no-signature", "https"], &plain, good.clone());
    check(&["file-refused", "JSON"], "no JSON", good.clone());
    check(&["bad-reply", "RFC 8520 section 1.6"], &format!("{file}{}", " ".repeat(600_000)), good.clone());
    server.serves(FILE, 302, "");
    check(&["redirected", "RFC 8520 section 1.6"], "", Vec::new());
    server.serves(FILE, 503, "");
    check(&["not-answered", "status 503"], "", Vec::new());
    server.serves(FILE, 200, file.clone());
    server.serves(SIGNATURE, 404, "");
    check(&["not-answered", SIGNATURE, "status 404"], "", Vec::new());
    server.serves(SIGNATURE, 200, good);
    operator.ask("description fetch", json!({"device": DEVICE})).expect("asked");
    shown_as(&operator, "verified");
    is_signed(&operator, &mud_url);
    // What was verified stays so when the next file is not good.
    server.serves(FILE, 200, file.replace("443", "444"));
    operator.ask("description fetch", json!({"device": DEVICE})).expect("asked");
    let held =
        operator.ask_until("description show", &json!({"device": DEVICE}), |shown| shown["tries"] == 1);
    assert_eq!(held["standing"], "verified", "RFC 8520 section 1.6");
    // A newer file that is good is told to the device; its plan waits for a person (RFC 8520 section 1.9).
    let newer = file.replace("443", "444");
    server.serves(SIGNATURE, 200, signed(&maker, "signer", &newer));
    operator.ask("description fetch", json!({"device": DEVICE})).expect("asked");
    let before = shown(&operator)["file"].clone();
    let access = operator.ask_until("access show", &json!({"device": DEVICE}), |access| {
        access["description"] != before && access["proposed"] != ""
    });
    assert_eq!(access["description"], shown(&operator)["file"]);
    assert_ne!(access["active"], access["proposed"]);
    // RFC 8520 section 3.6: the maker says itself that it is over, and may say that it is not.
    for (is_supported, expect) in [(false, json!(["unsupported"])), (true, json!([]))] {
        let said = format!("\"is-supported\": {is_supported}");
        let file = newer.replace("\"is-supported\": true", &said).replace("2026-", "2027-");
        server.serves(FILE, 200, file.clone());
        server.serves(SIGNATURE, 200, signed(&maker, "signer", &file));
        operator.ask("description fetch", json!({"device": DEVICE})).expect("asked");
        operator.ask_until("device show", &json!({"device": DEVICE}), |shown| shown["conditions"] == expect);
        let calendar = operator.ask("support list", json!({})).expect("listed");
        let ended_by = calendar["items"][0]["ended_by"].as_str().unwrap_or_default();
        assert_eq!(ended_by.contains("signed by CN="), !is_supported, "{calendar}");
    }
    operator.ask("audit check", json!({})).expect("rows equal the journal");
}
