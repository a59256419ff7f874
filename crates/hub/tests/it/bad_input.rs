//! Bad input, at every door that takes it, over the real sockets: an error that says who is to blame, and nothing
//! is stored.
use crate::checkins::{FILE, Lamp, PATIENCE, report};
use crate::est::factory;
use crate::releases::{Mirror, fetch, first_release, maker, operator};
use crate::support::{Pledge, Running, asked, certificate};
use base64ct::{Base64, Encoding};
use fleet::limits::DOOR_BODY_BYTES_MAX;
use hub::limits::{BLOB_BYTES_MAX, BODY_BYTES_MAX};
use io::FileKey;
use io::http::Method;
use io::http::client::Request;
use io::http::header::{AUTHORIZATION, HeaderValue};
use io::http::url::Url;
use io::tls::Identity;
use serde_json::{Value as Json, json};
use wire::control::{CHECK_IN_PATH, MEDIA_TYPE as CHECK_IN};
use wire::csr;
use wire::digest::{hex, sha256};
use wire::est::{self, PKCS10};
use wire::limits::{CONTROL_ENVELOPE_BYTES_MAX, CSR_BYTES_MAX, LAST_REPORT_BYTES_MAX, MUD_FILE_BYTES_MAX};
use wire::retirement::{LAST_REPORT_PATH, LastReport, MEDIA_TYPE as LAST_REPORT};
use wire::voucher::{MEDIA_TYPE as VOUCHER, REQUEST_PATH};

const ENROL: &str = "/.well-known/est/simpleenroll";
const RENEW: &str = "/.well-known/est/simplereenroll";
const LINE: &str = "/.well-known/est/lamp-7/simpleenroll";
const AUDIT_LOG: &str = "/.well-known/brski/requestauditlog";
const VOUCHER_STATUS: &str = "/.well-known/brski/voucher_status";
const ENROLL_STATUS: &str = "/.well-known/brski/enrollstatus";
const JSON: &str = "application/json";

/// Everything that something could have been stored in.
#[derive(Debug, PartialEq, Eq)]
struct Stored {
    journal_head: Json,
    lists: Vec<Json>,
    blobs: Vec<(String, u64)>,
}

fn stored(hub: &Running) -> Stored {
    let lists = [
        "device count",
        "device list",
        "anchor list",
        "product list",
        "birth list",
        "release list",
        "finding list",
    ];
    let mut blobs: Vec<(String, u64)> = std::fs::read_dir(hub.path("hub/blobs"))
        .expect("a folder")
        .map(|entry| entry.expect("an entry"))
        .map(|entry| (entry.file_name().to_string_lossy().into(), entry.metadata().map_or(0, |it| it.len())))
        .collect();
    blobs.sort();
    Stored {
        journal_head: hub.ask("audit list", json!({"limit": 1})).expect("the journal")["items"].clone(),
        lists: lists.map(|list| hub.ask(list, json!({})).expect("a list")).into(),
        blobs,
    }
}

/// Who asks.
#[derive(Clone, Copy)]
pub enum As<'a> {
    Nobody,
    Device(&'a Identity),
    Bearer(&'a str),
    Line(&'a str),
}

/// A hub that is manufacturer and operator at once, and everybody who may ask it.
pub struct Doors {
    pub hub: Running,
    pub lamp: Lamp,
    pledge: Pledge,
    pub token: String,
}

impl Doors {
    pub fn open() -> Self {
        let hub = crate::checkins::trusting(PATIENCE);
        factory(&hub, "https://masa.example", "");
        let issued = hub.ask("token issue", json!({"account": "line-1", "label": "line"})).expect("issued");
        hub.ask("account set-permission", json!({"account": "line-1", "permission": "administer"}))
            .expect("raised");
        let token = issued["secret"].as_str().expect("a secret").to_owned();
        let lamp = Lamp::join(&hub, "A1");
        let pledge = Pledge::made(&hub, "B2", Some("https://masa.example".into()));
        Doors { hub, lamp, pledge, token }
    }

    pub fn ask(&self, who: As, path: &str, content_type: &'static str, body: Vec<u8>) -> (u16, String) {
        let people = [LINE, AUDIT_LOG].contains(&path) || path.starts_with("/api");
        let of_masa = matches!(who, As::Nobody) && path == REQUEST_PATH;
        let at = if people || of_masa { self.hub.people } else { self.hub.devices };
        let url = Url::parse(&format!("https://{at}{path}")).expect("a URL");
        let mut request = Request::post(url, content_type, body);
        let mut identity = None;
        match who {
            As::Nobody => {}
            As::Device(shown) => identity = Some(shown),
            As::Bearer(token) => request = authorized(request, &format!("Bearer {token}")),
            As::Line(token) => {
                let pair = Base64::encode_string(format!(":{token}").as_bytes());
                request = authorized(request, &format!("Basic {pair}"));
            }
        }
        if path.starts_with("/api/v1/blobs/") {
            request.method = Method::PUT;
        }
        asked(&self.hub, identity, &request).expect("an answer")
    }

    /// It is refused with this status and code, its sender is to blame, and nothing is stored.
    fn check(
        &self,
        who: As,
        path: &str,
        (content_type, body): (&'static str, impl Into<Vec<u8>>),
        expect: (u16, &str),
    ) {
        let before = stored(&self.hub);
        let (status, words) = self.ask(who, path, content_type, body.into());
        let (code, blame) = match serde_json::from_str::<Json>(&words) {
            Ok(problem) => {
                assert_eq!(problem["status"], status, "{path}: {words}");
                assert_ne!(problem["detail"], "", "{path}: {words}");
                let text = |name: &str| problem[name].as_str().unwrap_or_default().to_owned();
                (text("code"), text("blame"))
            }
            Err(_) => {
                let (code, detail) = words.split_once(": ").unwrap_or_default();
                let (_, blame) = detail.rsplit_once(" (blame: ").unwrap_or_default();
                (code.to_owned(), blame.trim_end_matches(')').to_owned())
            }
        };
        assert_eq!((status, code.as_str(), blame.as_str()), (expect.0, expect.1, "asker"), "{path}: {words}");
        assert_eq!(stored(&self.hub), before, "{path} {expect:?}");
    }
}

fn authorized(request: Request, credential: &str) -> Request {
    request.header(AUTHORIZATION, HeaderValue::from_str(credential).expect("a field"))
}

/// A body that nobody takes whole.
fn huge() -> Vec<u8> {
    assert_eq!(BODY_BYTES_MAX, DOOR_BODY_BYTES_MAX);
    vec![b'A'; BODY_BYTES_MAX + 1]
}

/// A good request for a certificate, whose last byte, which is of its signature, is changed when that is wanted.
fn request(pledge: &Pledge, changed: bool) -> String {
    let mut der = csr::make(pledge.certificate.subject(), None, pledge.key.as_ref()).expect("made");
    *der.last_mut().expect("a byte") ^= u8::from(changed);
    est::encode_body(&der)
}

#[test]
fn enrolments() {
    let doors = Doors::open();
    let (idevid, ldevid) = (doors.pledge.identity(), doors.lamp.identity.clone());
    let line = As::Line(&doors.token);
    for (who, path) in [(As::Device(&idevid), ENROL), (As::Device(&ldevid), RENEW), (line, LINE)] {
        let check =
            |content_type, body: Vec<u8>, expect| doors.check(who, path, (content_type, body), expect);
        check(PKCS10, huge(), (413, "body-too-large"));
        check(JSON, request(&doors.pledge, false).into(), (400, "not-pkcs10"));
        check(PKCS10, b"!!! no base64 !!!".into(), (400, "bad-est-body"));
        check(PKCS10, est::encode_body(b"no DER").into(), (400, "bad-csr"));
        check(PKCS10, request(&doors.pledge, true).into(), (400, "bad-csr"));
        check(PKCS10, est::encode_body(&vec![0x30; CSR_BYTES_MAX + 1]).into(), (400, "bad-csr"));
        // A certificate is no request for one.
        check(PKCS10, est::encode_body(doors.pledge.certificate.der()).into(), (400, "bad-csr"));
    }
    doors.check(As::Device(&idevid), ENROLL_STATUS, (JSON, "{"), (400, "bad-enrollstatus"));
    doors.check(As::Device(&ldevid), ENROLL_STATUS, (JSON, "{\"version\":1}"), (400, "bad-enrollstatus"));
    doors.check(As::Device(&ldevid), ENROLL_STATUS, (JSON, huge()), (413, "body-too-large"));
}

#[test]
fn vouchers() {
    let doors = Doors::open();
    let idevid = doors.pledge.identity();
    // The registrar's door and the MASA's two.
    for (who, path) in
        [(As::Device(&idevid), REQUEST_PATH), (As::Nobody, REQUEST_PATH), (As::Nobody, AUDIT_LOG)]
    {
        let check =
            |content_type, body: Vec<u8>, expect| doors.check(who, path, (content_type, body), expect);
        check(VOUCHER, huge(), (413, "body-too-large"));
        check(JSON, doors.pledge.signs(b"{}"), (415, "not-a-voucher-request"));
        // RFC 8995 section 5.6: 403 for what is not signed correctly.
        check(VOUCHER, b"no CMS".into(), (403, "voucher-request-refused"));
        check(VOUCHER, vec![0x30; DOOR_BODY_BYTES_MAX], (403, "voucher-request-refused"));
        let mut changed = doors.pledge.signs(b"{}");
        *changed.last_mut().expect("a byte") ^= 1;
        check(VOUCHER, changed, (403, "voucher-request-refused"));
        check(VOUCHER, doors.pledge.signs(b"{"), (400, "bad-voucher-request"));
        check(VOUCHER, doors.pledge.signs(b"{\"a\":1,\"a\":2}"), (400, "bad-voucher-request"));
    }
    doors.check(As::Device(&idevid), VOUCHER_STATUS, (JSON, "{"), (400, "bad-voucher-status"));
    doors.check(As::Device(&idevid), VOUCHER_STATUS, (JSON, huge()), (413, "body-too-large"));
}

#[test]
fn what_devices_report() {
    let doors = Doors::open();
    let ldevid = doors.lamp.identity.clone();
    let check = |content_type, body: Vec<u8>, expect| {
        doors.check(As::Device(&ldevid), CHECK_IN_PATH, (content_type, body), expect);
    };
    check(CHECK_IN, huge(), (413, "body-too-large"));
    check("text/plain", report(FILE).to_json(), (400, "not-json"));
    check(CHECK_IN, b"\xff".into(), (400, "bad-report"));
    check(CHECK_IN, b"{}".into(), (400, "bad-report"));
    check(CHECK_IN, vec![b' '; DOOR_BODY_BYTES_MAX], (400, "bad-report"));

    // Of nobody in TLS: what counts is signed.
    let check = |content_type, body: Vec<u8>, expect| {
        doors.check(As::Nobody, LAST_REPORT_PATH, (content_type, body), expect)
    };
    let key = FileKey::open(&doors.hub.path("A1.key")).expect("its key");
    let certificate = wire::Certificate::from_der(&ldevid.chain[0]).expect("its certificate");
    let last = LastReport {
        at: "2026-11-22T17:00:00Z".into(),
        serial_number: "A1".into(),
        certificate: sha256(certificate.der()),
        wiped: vec!["key".into()],
    };
    let good = last.sign(&certificate, &key).expect("signed");
    check(LAST_REPORT, huge(), (413, "body-too-large"));
    check(JSON, good.clone(), (400, "not-a-last-report"));
    check(LAST_REPORT, b"no CMS".into(), (400, "bad-last-report"));
    check(LAST_REPORT, vec![0x30; LAST_REPORT_BYTES_MAX + 1], (400, "bad-last-report"));
    check(LAST_REPORT, doors.pledge.signs(b"{"), (400, "bad-last-report"));
    let mut changed = good.clone();
    *changed.last_mut().expect("a byte") ^= 1;
    check(LAST_REPORT, changed, (400, "bad-last-report"));
    let other = LastReport { certificate: [7; 32], ..last };
    check(LAST_REPORT, other.sign(&certificate, &key).expect("signed"), (400, "bad-last-report"));
    // Well-formed, and nobody told this device to wipe itself.
    check(LAST_REPORT, good, (400, "last-report-unknown"));
}

/// DER that is no certificate, in good PEM.
fn broken_pem(der: &[u8]) -> String {
    let lines: Vec<String> =
        Base64::encode_string(der).as_bytes().chunks(64).map(|c| String::from_utf8_lossy(c).into()).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

#[test]
fn the_api() {
    let doors = Doors::open();
    let who = As::Bearer(&doors.token);
    let check = |operation: &str, content_type, body: Vec<u8>, expect| {
        doors.check(who, &format!("/api/v1/{operation}"), (content_type, body), expect);
    };
    check("device/expect", JSON, huge(), (413, "body-too-large"));
    check("device/expect", "text/plain", b"{}".into(), (415, "not-json"));
    check("device/expect", JSON, b"{".into(), (400, "bad-json"));
    check("device/expect", JSON, b"{\"serial_number\":\"\xff\"}".into(), (400, "bad-json"));
    check(
        "device/expect",
        JSON,
        b"{\"serial_number\":\"a\",\"serial_number\":\"b\"}".into(),
        (400, "bad-json"),
    );
    check("device/expect", JSON, vec![b'['; 10_000], (400, "bad-json"));
    check("device/expect", JSON, b"{\"serial\":1}".into(), (400, "bad-arguments"));

    let good = certificate(&doors.hub, "hub/masa.pem");
    let cut = broken_pem(&good.der()[..good.der().len() / 2]);
    let mut longer = good.der().to_vec();
    longer.push(0);
    let broken = [
        "no PEM".into(),
        String::new(),
        cut,
        broken_pem(&longer),
        broken_pem(b"\x30"),
        broken_pem(&[0x30; 20_000]),
    ];
    let authority = certificate(&doors.hub, "hub/ca.pem").to_pem();
    for pem in broken {
        let add = |certificate: &str, servers: &str| {
            let anchor = json!({"anchor": "other", "certificate": certificate, "servers": servers});
            check("anchor/add", JSON, anchor.to_string().into(), (400, "bad-certificate"));
        };
        add(&pem, "");
        if !pem.is_empty() {
            add(&authority, &pem);
        }
        // Words beside a certificate in PEM are only words.
        if pem.starts_with("-----BEGIN") {
            add(&authority, &(authority.clone() + &pem));
        }
        let record = json!({"record": pem.replace("CERTIFICATE", "CMS")}).to_string();
        check("device/import", JSON, record.into(), (400, "bad-birth-record"));
    }
    let document = json!({"device": doors.lamp.name, "document": "{\"a\":1,\"a\":2}"}).to_string();
    check("configuration/set", JSON, document.into(), (400, "bad-document"));

    let digest = hex(&sha256(b"abc"));
    let blob = format!("blobs/{digest}");
    check(&blob, "application/octet-stream", b"abd".into(), (400, "digest-differs"));
    check("blobs/abc", "application/octet-stream", b"abc".into(), (400, "bad-digest"));
    let large = usize::try_from(BLOB_BYTES_MAX).expect("it fits") + 1;
    check(&blob, "application/octet-stream", vec![0; large], (413, "blob-too-large"));
}

/// What the hub fetches comes from a maker's server: it is to blame, and is named.
#[test]
fn envelopes_and_descriptions() {
    let maker = maker();
    let first = first_release(&maker);
    let operator = operator(Some(&maker), PATIENCE);
    let mirror = Mirror::start(&maker);
    let read = |file: &str| std::fs::read_to_string(maker.path(file)).expect("a file");
    let envelope = std::fs::read(maker.path("hub/blobs").join(first["envelope"].as_str().expect("a digest")));
    let envelope = envelope.expect("an envelope");
    let signer = read("hub/author.pem") + &read("hub/factory.pem");
    let before = stored(&operator);
    let server = mirror.url("").replace("https://", "");
    let mut tries = 0;
    let mut check = |envelope: &[u8], signer: &str, expect: &[&str]| {
        tries += 1;
        mirror.has(&format!("/bad/{tries}.suit"), envelope);
        mirror.has(&format!("/bad/{tries}.pem"), signer);
        let shown = fetch(&operator, &mirror.url(&format!("/bad/{tries}.suit")), json!({}));
        let refused = shown["refused"].as_str().expect("words");
        assert!(expect.iter().any(|part| refused.starts_with(part)), "{expect:?}: {refused}");
        assert_eq!((&shown["kept"], &shown["image"]), (&json!(false), &json!("")), "{shown}");
    };
    let ours = ["the maker's envelope: "];
    check(&vec![0; CONTROL_ENVELOPE_BYTES_MAX + 1], &signer, &[&format!("bad-reply: {server}")]);
    check(b"", &signer, &ours);
    check(b"no CBOR", &signer, &ours);
    check(&envelope[..envelope.len() / 2], &signer, &ours);
    check(&[envelope.clone(), vec![0]].concat(), &signer, &ours);
    // Arrays in arrays, without an end.
    check(&[0x9f; 10_000], &signer, &ours);
    let certificate = ["the signer's certificate: ", "there is no certificate of the signer"];
    check(&envelope, "no PEM", &certificate);
    check(&envelope, "", &certificate);
    check(&envelope, &broken_pem(b"\x30"), &certificate);
    check(&envelope, &broken_pem(&envelope), &certificate);
    check(&envelope, &"A".repeat(fleet::limits::SIGNER_BYTES_MAX + 1), &[&format!("bad-reply: {server}")]);

    let device = Lamp::join(&operator, "A1").name;
    let mut number = 0;
    let mut check = |file: &[u8], expect: &str| {
        number += 1;
        let path = format!("/{number}.json");
        mirror.has(&path, file);
        let enter = json!({"device": device, "mud_url": mirror.url(&path)});
        operator.ask("description enter", enter).expect("entered");
        let failed = |shown: &Json| shown["standing"] == "failed" && shown["mud_url"] == mirror.url(&path);
        let shown = operator.ask_until("description show", &json!({"device": device}), failed);
        let why = shown["failure"].as_str().expect("text");
        assert!(why.contains(expect), "{expect}: {why}");
        assert_eq!(shown["file"], "", "{shown}");
    };
    check(&vec![b' '; MUD_FILE_BYTES_MAX + 1], &server);
    check(b"no JSON", "file-refused: the maker's file: ");
    check(b"{\"ietf-mud:mud\":{},\"ietf-mud:mud\":{}}", "file-refused: the maker's file: ");
    check(&[b'['; 100_000], "file-refused: the maker's file: ");
    check(b"\xff\xfe", "file-refused: the maker's file: ");
    assert_eq!(stored(&operator).blobs, before.blobs, "no file is kept");
    operator.ask("audit check", json!({})).expect("rows equal the journal");
}
