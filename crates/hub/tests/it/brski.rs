//! The registrar (RFC 8995 sections 5.2 to 5.7): an operator's hub between a pledge, which OpenSSL and curl
//! play, and a manufacturer's hub, or a MASA of another mind.
use crate::est::{
    Said, TOOLS, bear_device, curl, factory, keep_certificate, request, said, stage, trusting_hub,
};
use crate::masa::{der, sign};
use crate::support::{Running, have, run};
use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use io::FileKey;
use io::http::server::{ServerLimits, serve};
use io::tls::Identity;
use io::tls::server::people_config;
use serde_json::{Value as Json, json};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use wire::Certificate;

const REQUEST: &str = "/.well-known/brski/requestvoucher";
const STATUS: &str = "/.well-known/brski/voucher_status";
const VOUCHER: &str = "application/voucher-cms+json";
const NONCE: &str = "62a2e7693d82fcda2624de58fb6722e5";
/// The device of every story.
const DEVICE: &str = "lumen-A1";

fn read(hub: &Running, file: &str) -> String {
    std::fs::read_to_string(hub.path(file)).expect("a file")
}

fn copy(from: (&Running, &str), to: (&Running, &str)) {
    std::fs::copy(from.0.path(from.1), to.0.path(to.1)).expect("copied");
}

fn asking(loopback: bool) -> Running {
    let folder = tempfile::tempdir().expect("a folder");
    Running::start_with(folder, |settings| settings.fetch_loopback = loopback)
}

/// An operator's hub that trusts the maker, with the device A1 in its folder.
fn operator(maker: &Running) -> Running {
    bear_device(maker, "A1");
    let operator = asking(true);
    trust(maker, &operator, &read(maker, "hub/ca.pem"));
    operator
}

fn trust(maker: &Running, operator: &Running, servers: &str) {
    for file in ["idevid.pem", "idevid.key"] {
        copy((maker, file), (operator, file));
    }
    copy((maker, "hub/factory.pem"), (operator, "maker.pem"));
    let anchor =
        json!({"anchor": "lumen", "certificate": read(maker, "hub/factory.pem"), "servers": servers});
    operator.ask("anchor add", anchor).expect("trusted");
}

/// What the pledge says; a test changes one thing.
fn pledge_says(operator: &Running) -> Json {
    json!({
        "assertion": "proximity", "nonce": NONCE, "serial-number": "A1",
        "proximity-registrar-cert": der(operator.folder.path(), "hub/registrar.pem"),
    })
}

/// Signs the pledge's request, in `pledge.vcj`.
fn write(operator: &Running, says: &Json, signer: &str) {
    let json = json!({"ietf-voucher-request:voucher": says});
    sign(operator.folder.path(), &json, signer, None, "pledge.vcj");
}

fn ask(operator: &Running) -> Said {
    curl(operator, Some("idevid"), REQUEST, Some((VOUCHER, "pledge.vcj")))
}

fn words(operator: &Running) -> String {
    String::from_utf8_lossy(&answer(operator)).into_owned()
}

fn answer(hub: &Running) -> Vec<u8> {
    std::fs::read(hub.path("answer")).unwrap_or_default()
}

fn shown(operator: &Running) -> Json {
    operator.ask("onboarding show", json!({"device": DEVICE})).expect("shown")
}

/// Introduced and admitted.
fn admit(operator: &Running) {
    write(operator, &pledge_says(operator), "idevid");
    assert_eq!(ask(operator).status, "202", "{}", words(operator));
    operator.ask("onboarding admit", json!({"device": DEVICE})).expect("admitted");
}

fn verify(folder: &Path, file: &str, authority: &str) -> Json {
    let verify = ["cms", "-verify", "-binary", "-inform", "DER", "-in", file, "-CAfile", authority];
    let verify: Vec<&str> = verify.into_iter().chain(["-purpose", "any", "-out", "signed.json"]).collect();
    run(folder, "openssl", &verify);
    serde_json::from_slice(&std::fs::read(folder.join("signed.json")).expect("content")).expect("JSON")
}

#[test]
fn a_device_joins_by_a_voucher() {
    if !have("brski::a_device_joins_by_a_voucher", TOOLS) {
        return;
    }
    let maker = Running::start();
    factory(&maker, &format!("https://{}", maker.people), "");
    let operator = operator(&maker);
    let folder = operator.folder.path();
    write(&operator, &pledge_says(&operator), "idevid");
    let waiting = ask(&operator);
    assert_eq!(waiting.status, "202", "{}", words(&operator));
    assert!(waiting.head.to_lowercase().contains("retry-after: "), "{}", waiting.head);
    assert_eq!(stage(&operator, DEVICE), "discovered");
    let vouchers =
        || maker.ask("voucher show", json!({"serial_number": "A1"})).expect("shown")["vouchers"].clone();
    assert_eq!(vouchers(), json!([]), "nobody asks before a device is admitted");

    operator.ask("onboarding admit", json!({"device": DEVICE})).expect("admitted");
    let got = ask(&operator);
    assert_eq!(got.status, "200", "{}", words(&operator));
    assert!(got.head.to_lowercase().contains(VOUCHER), "{}", got.head);
    let first = answer(&operator);
    let voucher = verify(folder, "answer", "maker.pem");
    let voucher = &voucher["ietf-voucher:voucher"];
    assert_eq!((&voucher["serial-number"], &voucher["nonce"]), (&json!("A1"), &json!(NONCE)));
    assert_eq!(voucher["pinned-domain-cert"], der(folder, "hub/ca.pem"));
    assert_eq!(
        vouchers()[0]["domain_id"],
        shown(&operator)["voucher"]["domain_id"],
        "both logs name one domain"
    );

    let log = &shown(&operator)["voucher"]["log"];
    let expect =
        json!({"complete": true, "vouchers": 1, "without_nonce": 0, "left_out": 0, "other_domains": []});
    assert_eq!(*log, expect, "what the MASA says of all its vouchers");

    let status = |text: &str| {
        std::fs::write(operator.path("status"), text).expect("written");
        curl(&operator, Some("idevid"), STATUS, Some(("application/json", "status"))).status
    };
    assert_eq!(status("{}"), "400");
    assert_eq!(shown(&operator)["voucher"]["verdict"], "open");
    assert_eq!(status(r#"{"version":1,"status":true}"#), "200");
    assert_eq!(shown(&operator)["voucher"]["verdict"], "accepted");

    // The MASA is gone: the same nonce gets the same voucher, and nobody is asked.
    assert_eq!(vouchers().as_array().map(Vec::len), Some(1));
    drop(maker);
    assert_eq!(ask(&operator).status, "200", "{}", words(&operator));
    assert_eq!(answer(&operator), first);

    request(folder, "ldevid", "/serialNumber=A1");
    let enrol = "/.well-known/est/simpleenroll";
    assert_eq!(
        curl(&operator, Some("idevid"), enrol, Some(("application/pkcs10", "ldevid.b64"))).status,
        "200"
    );
    keep_certificate(&operator, "ldevid", "hub/ca.pem");
    let enrolled = "/.well-known/brski/enrollstatus";
    assert_eq!(curl(&operator, Some("ldevid"), enrolled, Some(("application/json", "status"))).status, "200");
    assert_eq!(stage(&operator, DEVICE), "operational");
    let by_ldevid = curl(&operator, Some("ldevid"), REQUEST, Some((VOUCHER, "pledge.vcj")));
    assert_eq!(by_ldevid.status, "403", "a voucher is asked for with the IDevID");
    assert!(words(&operator).starts_with("not-an-idevid"), "{}", words(&operator));
    assert_eq!(ask(&operator).status, "409", "it is enrolled");
    operator.ask("audit check", json!({})).expect("rows equal the journal");
    operator.ask("audit verify", json!({})).expect("the journal is whole");
}

#[test]
fn what_a_pledge_may_not_say_is_refused_and_nobody_is_asked() {
    if !have("brski::what_a_pledge_may_not_say", TOOLS) {
        return;
    }
    let maker = Running::start();
    let masa = Masa::start(&maker);
    factory(&maker, &format!("https://{}", masa.address), "");
    bear_device(&maker, "B2");
    for file in ["idevid.pem", "idevid.key"] {
        copy((&maker, file), (&maker, &file.replace("idevid", "other")));
    }
    let operator = operator(&maker);
    for file in ["other.pem", "other.key"] {
        copy((&maker, file), (&operator, file));
    }
    admit(&operator);
    let check = |signer: &str, change: &dyn Fn(&mut Json), status: &str, expect: &str| {
        let mut says = pledge_says(&operator);
        change(&mut says);
        write(&operator, &says, signer);
        let got = ask(&operator);
        let words = words(&operator);
        assert!(got.status == status && words.contains(expect), "{expect}: {} {words}", got.status);
        got
    };
    let ca = der(operator.folder.path(), "hub/ca.pem");
    let gone = |says: &mut Json, field: &str| drop(says.as_object_mut().expect("fields").remove(field));
    for change in [
        &|s: &mut Json| s["proximity-registrar-cert"] = ca.clone().into(),
        &|s: &mut Json| gone(s, "proximity-registrar-cert"),
        &|s: &mut Json| gone(s, "assertion"),
        &|s: &mut Json| s["assertion"] = "logged".into(),
    ] as [&dyn Fn(&mut Json); 4]
    {
        let got = check("idevid", change, "401", "RFC 8995 section 5.2");
        assert!(got.head.to_lowercase().contains("connection: close"), "{}", got.head);
    }
    check("other", &|_| {}, "403", "not signed with the IDevID that TLS showed (RFC 8995 section 5.2)");
    check("idevid", &|s| s["serial-number"] = "B2".into(), "403", "serial-number");
    check("idevid", &|s| gone(s, "serial-number"), "400", "bad-voucher-request");
    check("idevid", &|s| gone(s, "nonce"), "400", "no-nonce");
    check("idevid", &|s| s["nonce"] = "AAAA".into(), "400", "bad-voucher-request");

    write(&operator, &pledge_says(&operator), "idevid");
    let whole = std::fs::read(operator.path("pledge.vcj")).expect("a request");
    for place in (0..whole.len()).step_by(whole.len() / 24) {
        let mut bytes = whole.clone();
        bytes[place] ^= 1;
        std::fs::write(operator.path("pledge.vcj"), bytes).expect("written");
        let status = ask(&operator).status;
        assert!(["400", "401", "403"].contains(&status.as_str()), "byte {place}: {status}");
    }
    std::fs::write(operator.path("pledge.vcj"), "{}").expect("written");
    assert_eq!(ask(&operator).status, "403");
    std::fs::write(operator.path("pledge.vcj"), &whole).expect("written");
    let other = |identity, content| curl(&operator, identity, REQUEST, content).status;
    assert_eq!(other(None, Some((VOUCHER, "pledge.vcj"))), "403", "nobody's request");
    assert_eq!(other(Some("other"), Some((VOUCHER, "pledge.vcj"))), "403", "somebody else's request");
    assert_eq!(other(Some("idevid"), Some(("application/json", "pledge.vcj"))), "415");
    assert_eq!(other(Some("idevid"), None), "405");
    std::fs::write(operator.path("status"), r#"{"version":1,"status":true}"#).expect("written");
    let status = curl(&operator, Some("idevid"), STATUS, Some(("application/json", "status")));
    assert_eq!(status.status, "404", "it got no voucher");
    assert_eq!(masa.asked().len(), 0, "the MASA was never asked");
    assert_eq!(shown(&operator)["voucher"], Json::Null);
}

#[test]
fn openssl_and_the_masa_take_the_registrars_request() {
    if !have("brski::openssl_and_the_masa", TOOLS) {
        return;
    }
    let maker = Running::start();
    let masa = Masa::start(&maker);
    factory(&maker, &format!("https://{}", masa.address), "");
    let operator = operator(&maker);
    let folder = operator.folder.path();
    admit(&operator);
    masa.will_reply(404, "text/plain", "who is that?", &[]);
    assert_eq!(ask(&operator).status, "404");
    let (headers, request) = masa.asked().pop().expect("asked");
    assert_eq!(headers["content-type"], VOUCHER);
    assert_eq!(headers["accept"], VOUCHER);
    std::fs::write(operator.path("request.vcj"), &request).expect("written");
    let says = verify(folder, "request.vcj", "hub/ca.pem");
    let says = &says["ietf-voucher-request:voucher"];
    for (field, expect) in [("nonce", NONCE), ("serial-number", "A1"), ("assertion", "proximity")] {
        assert_eq!(says[field], expect);
    }
    assert!(says["created-on"].is_string() && says["idevid-issuer"].is_string(), "{says}");
    assert_eq!(says["prior-signed-voucher-request"], crate::masa::base64(folder, "pledge.vcj"));
    assert_eq!(says.get("proximity-registrar-cert"), None, "RFC 8995 section 5.5");

    copy((&operator, "request.vcj"), (&maker, "request.vcj"));
    assert_eq!(crate::masa::post(&maker, REQUEST), "200");
    let voucher = crate::masa::said(&maker);

    // What the pledge says of a voucher is kept; a new nonce gets a new one.
    masa.will_reply(200, VOUCHER, voucher.clone(), &[]);
    assert_eq!(ask(&operator).status, "200");
    assert_eq!(answer(&operator), voucher, "forwarded unchanged");
    let refuses = r#"{"version":1,"status":false,"reason":"it pins another domain"}"#;
    std::fs::write(operator.path("status"), refuses).expect("written");
    let status = || curl(&operator, Some("idevid"), STATUS, Some(("application/json", "status"))).status;
    assert_eq!((status(), status()), ("200".into(), "200".into()));
    let kept = shown(&operator)["voucher"].clone();
    assert_eq!((&kept["verdict"], &kept["reason"]), (&json!("refused"), &json!("it pins another domain")));
    let mut again = pledge_says(&operator);
    again["nonce"] = "00112233445566778899aabbccddeeff".into();
    write(&operator, &again, "idevid");
    masa.will_reply(200, VOUCHER, "a format of the future", &[]);
    assert_eq!(ask(&operator).status, "200", "RFC 8995 section 5.6: it may be opaque to the registrar");
    assert_eq!(words(&operator), "a format of the future");
    let kept = shown(&operator)["voucher"].clone();
    assert_eq!((&kept["verdict"], &kept["domain_id"]), (&json!("open"), &json!("")));
    operator.ask("audit check", json!({})).expect("rows equal the journal");
}

#[test]
fn what_the_masa_says_reaches_the_pledge() {
    if !have("brski::what_the_masa_says", TOOLS) {
        return;
    }
    let maker = Running::start();
    let masa = Masa::start(&maker);
    factory(&maker, &format!("https://{}", masa.address), "");
    let operator = operator(&maker);
    admit(&operator);
    let check = |status: u16, content_type: &str, body: &str, more: &[(&str, &str)], expect: (&str, &str)| {
        masa.will_reply(status, content_type, body.to_string(), more);
        let got = ask(&operator);
        let words = words(&operator);
        assert!(
            got.status == expect.0 && words.contains(expect.1),
            "{status} {body}: {} {words}",
            got.status
        );
        got.head.to_lowercase()
    };
    let text = "text/plain";
    check(403, text, "stale", &[], ("403", "masa-refused: the maker's service says: stale"));
    check(404, text, "not one of ours", &[], ("404", "not one of ours"));
    check(406, text, "not that kind", &[], ("406", "not that kind"));
    check(404, text, &"x".repeat(10_000), &[], ("404", "masa-refused"));
    assert!(words(&operator).len() < 1_000, "the words of strangers are cut");
    let head = check(401, text, "who are you?", &[], ("503", "masa-wants-credentials"));
    assert!(head.contains("retry-after"), "{head}");
    check(500, text, "broken", &[], ("503", "masa-failed"));
    let head = check(202, text, "", &[("retry-after", "7")], ("202", "has not decided"));
    assert!(head.contains("retry-after: 7"), "{head}");
    check(200, text, "yes", &[], ("500", "not-a-voucher"));
    check(200, VOUCHER, "", &[], ("500", "not-a-voucher"));
    check(200, VOUCHER, &"x".repeat(40_000), &[], ("500", "bad-reply"));
    check(307, text, "", &[("location", "https://127.0.0.1/")], ("500", "redirected"));
    let asked = masa.asked().len();
    drop(masa);
    let away = ask(&operator);
    assert_eq!(away.status, "503", "{}", words(&operator));
    assert!(words(&operator).starts_with("server-away") && away.head.to_lowercase().contains("retry-after"));
    assert_eq!(shown(&operator)["voucher"], Json::Null);
    assert_eq!(asked, 11, "each request asked once");
}

#[test]
fn whom_the_registrar_does_not_ask() {
    if !have("brski::whom_the_registrar_does_not_ask", TOOLS) {
        return;
    }
    let maker = Running::start();
    let masa = Masa::start(&maker);
    factory(&maker, &format!("https://{}", masa.address), "");
    bear_device(&maker, "A1");
    let servers = read(&maker, "hub/ca.pem");
    for (loopback, servers, status, expect) in
        [(false, servers.as_str(), "403", "address-refused"), (true, "", "503", "server-refused")]
    {
        let operator = asking(loopback);
        trust(&maker, &operator, servers);
        admit(&operator);
        assert_eq!(ask(&operator).status, status, "{}", words(&operator));
        assert!(words(&operator).starts_with(expect), "{}", words(&operator));
        // The note is written by whoever writes next.
        operator.ask("onboarding revoke", json!({"device": DEVICE, "why": "enough"})).expect("revoked");
        let noted = operator.ask("audit list", json!({})).expect("the journal").to_string();
        assert!(noted.contains(expect), "the operator can mend it, and reads of it: {noted}");
    }
    assert_eq!(masa.asked().len(), 0);

    let operator = trusting_hub("A1");
    write(&operator, &pledge_says(&operator), "idevid");
    assert_eq!(ask(&operator).status, "403", "an IDevID without a MASA");
    assert!(said(&operator).starts_with("no-masa-url"), "{}", said(&operator));
}

/// A MASA that replies what the test wants, with the TLS of the maker's hub.
struct Masa {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    _stop: oneshot::Sender<()>,
}

#[derive(Default)]
struct State {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
    asked: Vec<(HeaderMap, Vec<u8>)>,
}

impl Masa {
    fn start(maker: &Running) -> Self {
        let certificate = Certificate::from_pem(&read(maker, "hub/server.pem")).expect("a certificate");
        let signer = Arc::new(FileKey::open(&maker.path("hub/server.key")).expect("its key"));
        let identity = Identity { chain: vec![certificate.der().to_vec()], signer };
        let tls = people_config(&identity).expect("TLS");
        let state = Arc::new(Mutex::new(State::default()));
        let shared = state.clone();
        let router = Router::new().fallback(async move |headers: HeaderMap, body: Bytes| {
            let mut state = shared.lock().expect("the state");
            state.asked.push((headers, body.to_vec()));
            let status = StatusCode::from_u16(state.status).expect("a status");
            (status, state.headers.clone(), state.body.clone()).into_response()
        });
        let listener = maker.runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
        let address = listener.local_addr().expect("its address");
        let (stop, stopped) = oneshot::channel::<()>();
        maker.runtime.spawn(serve(listener, tls, ServerLimits::default(), router, async {
            drop(stopped.await);
        }));
        Masa { address, state, _stop: stop }
    }

    fn will_reply(&self, status: u16, content_type: &str, body: impl Into<Vec<u8>>, more: &[(&str, &str)]) {
        let mut state = self.state.lock().expect("the state");
        state.status = status;
        state.body = body.into();
        state.headers = [("content-type", content_type)]
            .iter()
            .chain(more)
            .map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value")))
            .collect();
    }

    /// What it was asked so far.
    fn asked(&self) -> Vec<(HeaderMap, Vec<u8>)> {
        self.state.lock().expect("the state").asked.clone()
    }
}
