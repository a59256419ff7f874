//! Firmware from a manufacturer's hub to an operator's, and on to its devices; and what an operator's hub
//! does not take from a server of another mind.
use crate::checkins::{FILE, Lamp, PATIENCE, report, until_held, with_document};
use crate::est::{TOOLS, bear_device, factory};
use crate::support::{Running, have, output};
use axum::Router;
use axum::http::{StatusCode, Uri};
use fleet::provisioning::release::door::COMPONENT;
use io::FileKey;
use io::http::client::Request;
use io::http::header::RANGE;
use io::http::server::{ServerLimits, serve};
use io::http::url::Url;
use io::tls::Identity;
use io::tls::server::people_config;
use serde_json::{Value as Json, json};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use wire::Certificate;
use wire::control::{BLOBS_PATH, FirmwareNotKept, FirmwareReport, Report, Running as Runs};
use wire::digest::{from_hex, hex, sha256};
use wire::suit::{ComponentId, Envelope, Release, Uuid};

const IMAGE: &[u8] = b"#!/bin/sh\nread line && echo healthy\n";

fn read(hub: &Running, file: &str) -> String {
    std::fs::read_to_string(hub.path(file)).expect("a file")
}

/// A hub that may ask this machine, and trusts the maker `of`, or itself.
pub fn operator(of: Option<&Running>, hold: Duration) -> Running {
    let operator = Running::start_with(tempfile::tempdir().expect("a folder"), |settings| {
        settings.fetch_loopback = true;
        settings.check_in_hold = hold;
    });
    let maker = of.unwrap_or(&operator);
    let (certificate, servers) = (read(maker, "hub/factory.pem"), read(maker, "hub/ca.pem"));
    let anchor = json!({
        "anchor": "lumen", "certificate": certificate, "servers": servers, "admission": "automatic",
    });
    operator.ask("anchor add", anchor).expect("trusted");
    operator
}

pub fn maker() -> Running {
    let hub = Running::start();
    offer_product(&hub);
    hub
}

pub fn offer_product(hub: &Running) {
    factory(hub, "https://masa.example", "https://mud.example/lamp-7.json");
}

/// Publishes, and waits until the envelope is signed.
fn publish(hub: &Running, more: Json) -> Json {
    let mut release = json!({"product": "lamp-7"});
    release.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    let wanted = hub.ask("release publish", release).expect("wanted");
    let newest = |shown: &Json| {
        let newest = &shown["items"][0];
        newest["sequence_number"] == wanted["sequence_number"] && newest["envelope"] != ""
    };
    hub.ask_until("product releases", &json!({"product": "lamp-7"}), newest)["items"][0].clone()
}

pub fn first_release(hub: &Running) -> Json {
    let image = hub.put(IMAGE);
    publish(hub, json!({"version": "1.0", "image": image, "vendor": "example.com"}))
}

/// Fetches, and waits until it is here, or why not.
pub fn fetch(operator: &Running, url: &str, more: Json) -> Json {
    let mut release = json!({"from": url, "maker": "lumen"});
    release.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    let wanted = operator.ask("release fetch", release).expect("wanted");
    let settled = |shown: &Json| shown["kept"] == true || shown["refused"] != "";
    operator.ask_until("release show", &json!({"release": wanted["release"]}), settled)
}

#[test]
fn an_operator_has_what_its_maker_published() {
    let maker = maker();
    let first = first_release(&maker);
    assert_eq!((&first["sequence_number"], &first["way_back"]), (&json!(1), &json!(false)));
    let image = maker.put(b"another image");
    let again = |version: &str| json!({"product": "lamp-7", "version": version, "image": image});
    let code = |outcome: Result<Json, fleet::refusal::Refusal>| outcome.expect_err("refused").code;
    assert_eq!(code(maker.ask("release publish", again("1.0"))), "version-known");
    let mut lower = again("1.1");
    lower["sequence"] = json!(1);
    assert_eq!(code(maker.ask("release publish", lower)), "sequence-not-newer");
    publish(&maker, json!({"version": "1.1", "image": image, "sequence": 7}));
    let back = publish(&maker, json!({"way_back_to": "1.0"}));
    assert_eq!((&back["sequence_number"], &back["way_back"]), (&json!(8), &json!(true)));
    assert_eq!((&back["image"], &back["version"]), (&first["image"], &json!("1.0")));

    let operator = operator(Some(&maker), PATIENCE);
    let url = format!("https://{}/firmware/lamp-7/8.suit", maker.people);
    let shown = fetch(&operator, &url, json!({}));
    let vendor = Uuid::of_vendor("example.com");
    let least = json!({
        "release": "lamp-7-8", "kept": true, "refused": "", "unverified": "", "version": "1.0",
        "sequence_number": 8, "image": first["image"], "image_bytes": IMAGE.len(),
        "vendor_id": vendor.to_string(), "class_id": vendor.of_class("lamp-7").to_string(),
    });
    for (name, expect) in least.as_object().expect("an object") {
        assert_eq!(&shown[name], expect, "{name}: {shown}");
    }
    assert_eq!(code(operator.ask("release fetch", json!({"from": url, "maker": "lumen"}))), "release-known");
    let missing = fetch(&operator, &url.replace("/8", "/9"), json!({}));
    assert!(missing["refused"].as_str().expect("words").contains("404"), "{missing}");
}

#[test]
fn curl_fetches_what_is_published() {
    if !have("releases::curl_fetches", TOOLS) {
        return;
    }
    let maker = maker();
    let first = first_release(&maker);
    let curl = |path: &str, more: &[&str]| {
        let url = format!("https://{}{path}", maker.people);
        let mut words = vec!["--silent", "--fail", "--max-time", "10", "--cacert", "hub/ca.pem", &url];
        words.extend(more);
        output(maker.folder.path(), "curl", &words).stdout
    };
    let list: Json = serde_json::from_slice(&curl("/firmware/lamp-7/releases.json", &[])).expect("JSON");
    let listed = &list["releases"][0];
    assert_eq!((&listed["version"], &listed["sequence_number"]), (&json!("1.0"), &json!(1)));
    let envelope = curl(listed["envelope"].as_str().expect("a path"), &[]);
    assert_eq!(hex(&sha256(&envelope)), first["envelope"]);
    let pem = String::from_utf8(curl(listed["signer"].as_str().expect("a path"), &[])).expect("text");
    let signer = Certificate::list_from_pem(&pem).expect("certificates").remove(0);
    let key = std::slice::from_ref(signer.public_key());
    Envelope::from_cbor(&envelope).and_then(|envelope| envelope.authenticate(key)).expect("authentic");
    let image = listed["image"].as_str().expect("a path");
    assert_eq!(curl(image, &[]), IMAGE);
    assert_eq!(curl(image, &["--range", "10-"]), &IMAGE[10..]);
    assert_eq!(curl(image, &["--range", "2-5"]), &IMAGE[2..=5]);
    // Only images of releases are for anybody.
    let other = maker.put(b"a plan");
    for path in [
        &format!("/firmware/lamp-7/images/{other}"),
        &image.replace("lamp-7", "lamp-8"),
        "/firmware/lamp-7/2.suit",
        "/firmware/lamp-7/1.txt",
    ] {
        assert_eq!(curl(path, &[]), b"", "{path}");
    }
}

/// A server with the maker's own TLS identity, which answers what a test says.
pub struct Mirror {
    address: SocketAddr,
    files: Arc<Mutex<HashMap<String, Vec<u8>>>>,
    _stop: oneshot::Sender<()>,
}

impl Mirror {
    pub fn start(maker: &Running) -> Self {
        let certificate = Certificate::from_pem(&read(maker, "hub/server.pem")).expect("a certificate");
        let signer = Arc::new(FileKey::open(&maker.path("hub/server.key")).expect("its key"));
        let identity = Identity { chain: vec![certificate.der().to_vec()], signer };
        let tls = people_config(&identity).expect("TLS");
        let files = Arc::new(Mutex::new(HashMap::<String, Vec<u8>>::new()));
        let shared = files.clone();
        let router = Router::new().fallback(async move |uri: Uri| {
            let files = shared.lock().expect("the files");
            files.get(uri.path()).cloned().ok_or(StatusCode::NOT_FOUND)
        });
        let listener = maker.runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
        let address = listener.local_addr().expect("its address");
        let (stop, stopped) = oneshot::channel::<()>();
        maker.runtime.spawn(serve(listener, tls, ServerLimits::default(), router, async {
            drop(stopped.await);
        }));
        Mirror { address, files, _stop: stop }
    }

    pub fn has(&self, path: &str, bytes: impl Into<Vec<u8>>) {
        self.files.lock().expect("the files").insert(path.into(), bytes.into());
    }

    pub fn url(&self, path: &str) -> String {
        format!("https://{}{path}", self.address)
    }
}

#[test]
fn what_does_not_verify_is_not_kept() {
    let maker = maker();
    bear_device(&maker, "A1");
    let (operator, mirror, stranger) =
        (operator(Some(&maker), PATIENCE), Mirror::start(&maker), Running::start());
    let vendor_id = Uuid::of_vendor("example.com");
    let good = Release {
        sequence_number: 1,
        component: ComponentId(vec![COMPONENT.into()]),
        vendor_id,
        class_id: vendor_id.of_class("lamp-7"),
        image_digest: sha256(IMAGE),
        image_size: IMAGE.len() as u64,
        uri: mirror.url("/image"),
        reference_uri: None,
        text: None,
    };
    let signed = |release: &Release, key: &str| {
        release.envelope(&FileKey::open(&maker.path(key)).expect("a key")).expect("signed")
    };
    let chain = |file: &str| read(&maker, file) + &read(&maker, "hub/factory.pem");
    let (envelope, signer) = (signed(&good, "hub/author.key"), chain("hub/author.pem"));
    mirror.has("/image", IMAGE);
    let mut tries = 0;
    let mut check = |envelope: &[u8], signer: &str, expect: &str| {
        tries += 1;
        let path = format!("/releases/{tries}");
        mirror.has(&format!("{path}.suit"), envelope);
        mirror.has(&format!("{path}.pem"), signer);
        let shown = fetch(&operator, &mirror.url(&format!("{path}.suit")), json!({}));
        let refused = shown["refused"].as_str().expect("words");
        match expect {
            "" => assert_eq!(refused, ""),
            expect => assert!(refused.contains(expect) && shown["kept"] == false, "{expect}: {shown}"),
        }
    };
    check(&envelope, &signer, "");
    // One byte changed, wherever it is.
    for at in (0..envelope.len()).step_by(envelope.len() / 12) {
        let mut changed = envelope.clone();
        changed[at] ^= 1;
        check(&changed, &signer, "the maker's envelope: ");
    }
    check(&envelope, &chain("hub/factory.pem"), "the signer is not one of the maker");
    let foreign = read(&stranger, "hub/author.pem") + &read(&stranger, "hub/factory.pem");
    check(&envelope, &foreign, "the signer is not one of the maker");
    // The maker's other signers are not its author.
    for (key, certificate) in [("hub/masa.key", "hub/masa.pem"), ("hub/signer.key", "hub/signer.pem")] {
        check(&signed(&good, key), &chain(certificate), "the extended key usage does not allow Release");
    }
    let of_device = signed(&good, "idevid.key");
    check(&of_device, &chain("idevid.pem"), "the signer is not one of the maker");
    check(&of_device, &signer, "nobody who is trusted signed the manifest");
    check(&envelope, "", "certificate");
    let other = Release { image_digest: sha256(b"other"), ..good.clone() };
    check(&signed(&other, "hub/author.key"), &signer, "and the manifest says");
    let longer = Release { image_size: 1 + IMAGE.len() as u64, ..good.clone() };
    check(&signed(&longer, "hub/author.key"), &signer, "bytes, and the manifest says");
    let huge = Release { image_size: 16 * 1024 * 1024 + 1, ..good.clone() };
    check(&signed(&huge, "hub/author.key"), &signer, "are taken");
    let lost = Release { uri: mirror.url("/nothing"), ..good.clone() };
    check(&signed(&lost, "hub/author.key"), &signer, "404");
    check(&[0; 12 * 1024 + 1], &signer, "bad-reply");

    // The operator may want to see that devices judge for themselves.
    let mut changed = envelope.clone();
    *changed.last_mut().expect("a byte") ^= 1;
    mirror.has("/releases/bad.suit", changed);
    mirror.has("/releases/bad.pem", signer.as_str());
    let bad = json!({"even_if_unverified": true, "name": "bad"});
    let shown = fetch(&operator, &mirror.url("/releases/bad.suit"), bad);
    assert_eq!(shown["kept"], true);
    assert_ne!(shown["unverified"], "");
    let refused = operator.ask("rollout start", json!({"release": "bad"})).expect_err("refused");
    assert_eq!(refused.code, "release-unverified");
    operator.ask("audit check", json!({})).expect("rows equal the journal");
}

fn runs(sequence_number: u64, manifest: [u8; 32]) -> Report {
    let running = Some(Runs { sequence_number, manifest });
    Report { firmware: Some(FirmwareReport { running, ..FirmwareReport::default() }), ..report(FILE) }
}

#[test]
fn a_rollout_reaches_its_devices_in_waves() {
    let hub = operator(None, PATIENCE);
    offer_product(&hub);
    first_release(&hub);
    let url = format!("https://{}/firmware/lamp-7/1.suit", hub.people);
    let release = fetch(&hub, &url, json!({}));
    assert_eq!(release["kept"], true, "{release}");
    let manifest = from_hex(release["manifest"].as_str().expect("a digest")).expect("a digest");
    let lamps: HashMap<String, Lamp> = ["A1", "A2", "A3"]
        .map(|serial_number| Lamp::join(&hub, serial_number))
        .map(|lamp| (lamp.name.clone(), lamp))
        .into();
    let start = |dry_run: bool| {
        let start = json!({"release": "lamp-7-1", "waves": "1,1,rest", "stop_after": 1, "dry_run": dry_run});
        hub.ask("rollout start", start).expect("planned")
    };
    let planned = start(true);
    assert_eq!(planned["started"], false);
    assert_eq!(hub.ask("rollout list", json!({})).expect("a list")["items"], json!([]));
    let order: Vec<&Lamp> =
        (0..3).map(|wave| &lamps[planned["waves"][wave][0].as_str().expect("a name")]).collect();
    // All three wait for something to do; the check-in that brings the document goes on waiting.
    let held: Vec<_> = order
        .iter()
        .map(|lamp| {
            let lamp = (*lamp).clone();
            hub.runtime.spawn(async move {
                let mut line = lamp.connects().await;
                let first = runs(0, [1; 32]);
                assert!(lamp.says(&mut line, &first).await.expect("an answer").send_configuration);
                let second = Report { firmware: first.firmware, ..with_document() };
                lamp.says(&mut line, &second).await.expect("an answer")
            })
        })
        .collect();
    until_held(&hub, 3);
    assert_eq!(start(false)["started"], true);
    let overlap = json!({"release": "lamp-7-1", "name": "other"});
    assert_eq!(hub.ask("rollout start", overlap).expect_err("refused").code, "rollouts-overlap");
    let mut held = held.into_iter();
    let mut told = || hub.runtime.block_on(held.next().expect("a device")).expect("it lives");
    let says = |lamp: &Lamp, report: Report| {
        let lamp = lamp.clone();
        hub.runtime.spawn(async move {
            let mut line = lamp.connects().await;
            lamp.says(&mut line, &report).await.expect("an answer")
        })
    };
    let envelope = told().firmware.expect("an envelope");
    assert_eq!(hex(&sha256(&envelope)), first_envelope(&hub));
    until_held(&hub, 2);

    let image = release["image"].as_str().expect("a digest");
    assert_eq!(get(&hub, order[0], image, None), (200, IMAGE.to_vec()));
    assert_eq!(get(&hub, order[0], image, Some("bytes=5-")), (206, IMAGE[5..].to_vec()));
    assert_eq!(get(&hub, order[0], image, Some("bytes=999-")).0, 416);
    assert_eq!(get(&hub, order[0], &hub.put(b"a plan"), None).0, 404, "it is not offered this");
    assert_eq!(get(&hub, order[1], image, None).0, 404, "its wave has not begun");

    let first = says(order[0], runs(1, manifest));
    assert!(told().firmware.is_some(), "the second wave begins when the first succeeded");
    assert_eq!(get(&hub, order[0], image, None).0, 404, "it has it");
    let not_kept = FirmwareNotKept {
        sequence_number: Some(1),
        manifest: Some(manifest),
        tried: true,
        reason: "suit-report-reason-operation-failed".into(),
        why: "it never answered".into(),
    };
    let mut failed = runs(0, [1; 32]);
    failed.firmware.as_mut().expect("one").not_kept = Some(not_kept);
    let second = says(order[1], failed);
    let stopped = |shown: &Json| shown["phase"] == "stopped";
    let shown = hub.ask_until("rollout show", &json!({"rollout": "lamp-7-1"}), stopped);
    for (name, expect) in [("succeeded", 1), ("failed", 1), ("spared", 1), ("offered", 0), ("waiting", 0)] {
        assert_eq!(shown[name], expect, "{name}: {shown}");
    }
    assert_eq!(get(&hub, order[2], image, None).0, 404);
    // Nobody is told anything any more: all three wait.
    until_held(&hub, 3);
    let devices = hub.ask("rollout devices", json!({"rollout": "lamp-7-1"})).expect("its devices");
    assert_eq!(devices["items"][1]["why"], "suit-report-reason-operation-failed: it never answered");
    assert_eq!(
        (&devices["items"][2]["outcome"], &devices["items"][2]["wave"]),
        (&json!("spared"), &json!(3))
    );
    hub.ask("audit check", json!({})).expect("rows equal the journal");
    first.abort();
    second.abort();
}

fn first_envelope(hub: &Running) -> String {
    let releases = hub.ask("product releases", json!({"product": "lamp-7"})).expect("a list");
    releases["items"][0]["envelope"].as_str().expect("a digest").into()
}

/// The status and the body that a device gets for a blob.
fn get(hub: &Running, lamp: &Lamp, blob: &str, range: Option<&str>) -> (u16, Vec<u8>) {
    let url = Url::parse(&format!("https://{}{BLOBS_PATH}{blob}", hub.devices)).expect("a URL");
    hub.runtime.block_on(async {
        let mut request = Request::get(url);
        if let Some(range) = range {
            request = request.header(RANGE, range.parse().expect("a field"));
        }
        let answer = lamp.connects().await.send(&request).await.expect("an answer");
        (answer.status.as_u16(), answer.body.to_vec())
    })
}
