//! The API with bad input, and what is beside it.

use crate::support::{Http, Hub, PATIENCE, bearing, body, with};
use fleet::limits::IDEMPOTENCY_KEY_BYTES_MAX;
use io::http::client::{Answer, Request};
use io::http::header::{ALLOW, CONTENT_TYPE, HeaderName, WWW_AUTHENTICATE};
use io::http::{Method, StatusCode};
use std::io::{Read, Write};
use std::net::TcpStream;

const JSON: &str = "application/json";

#[track_caller]
fn refused(answer: &Answer, status: u16, code: &str) {
    let text = String::from_utf8_lossy(&answer.body);
    assert_eq!(answer.status.as_u16(), status, "{text}");
    assert_eq!(answer.header(&CONTENT_TYPE), Some("application/problem+json"));
    let problem = body(answer);
    assert_eq!((&problem["code"], &problem["status"]), (&code.into(), &status.into()), "{text}");
    assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()));
    assert_eq!(problem["type"], format!("urn:steward:refusal:{code}"));
}

#[test]
fn bad_input_costs_its_sender_an_error() {
    let hub = Hub::start();
    let mut http = hub.http();
    let mut check = |request: Request, status: u16, code: &str| refused(&http.send(&request), status, code);
    let post = |body: &str| hub.post("/api/v1/device/expect", JSON, body);
    check(hub.post("/api/v1/device/expect", "text/plain", "{}"), 415, "not-json");
    check(hub.post("/api/v1/device/expect", "application/x-www-form-urlencoded", "a=b"), 415, "not-json");
    check(hub.request(Method::GET, "/api/v1/device/expect"), 405, "wrong-method");
    check(hub.request(Method::DELETE, "/api/v1/device/list"), 405, "wrong-method");
    check(hub.post("/api/v1/device/list", JSON, "{}"), 405, "wrong-method");
    check(post(""), 400, "bad-json");
    check(post("{"), 400, "bad-json");
    check(post("{\"serial_number\": \"a\"} x"), 400, "bad-json");
    check(post("[]"), 400, "bad-json");
    check(post("{\"serial_number\": \"a\", \"serial_number\": \"b\"}"), 400, "bad-json");
    check(post("null"), 400, "bad-json");
    check(post("{}"), 400, "bad-arguments");
    check(post("{\"serial_number\": 7}"), 400, "bad-arguments");
    check(post("{\"serial_number\": \"\"}"), 400, "bad-arguments");
    check(post("{\"serial_number\": \"a\", \"unknown\": 1}"), 400, "bad-arguments");
    check(post(&"[".repeat(60_000)), 400, "bad-json");
    check(post(&format!("\"{}\"", "a".repeat(hub::limits::BODY_BYTES_MAX))), 413, "body-too-large");
    check(hub.get("/api/v1/device/nonsense"), 404, "operation-unknown");
    check(hub.get("/api/v1/nonsense"), 404, "page-unknown");
    check(hub.get("/api/v2/device/list"), 404, "page-unknown");
    check(hub.get("/api/v1/device/list?limit=seven"), 400, "bad-arguments");
    check(hub.get("/api/v1/device/list?limit=0"), 400, "limit-out-of-range");
    check(hub.get("/api/v1/device/list?nonsense=1"), 400, "bad-arguments");
    check(hub.get("/api/v1/audit/list?after=nonsense"), 400, "bad-cursor");
    check(hub.get("/api/v1/device/show?device=%00"), 400, "bad-arguments");
    let key =
        |key: &str| with(post("{\"serial_number\": \"a\"}"), HeaderName::from_static("idempotency-key"), key);
    check(key(&"k".repeat(IDEMPOTENCY_KEY_BYTES_MAX + 1)), 400, "bad-idempotency-key");
    check(key(""), 400, "bad-idempotency-key");
    // Nothing of it was stored.
    assert_eq!(hub.json(&["device", "count"])["total"], 0);
}

#[test]
fn who_asks_matters() {
    let hub = Hub::start();
    let mut http = hub.http();
    let viewer = hub.token_of("vera", "view");
    let link = hub.link_of("vera");
    let list = || Request::get(hub.url("/api/v1/device/list"));
    let nobody = [list(), bearing(list(), "steward_0000"), bearing(list(), "nonsense"), bearing(list(), "")];
    for request in nobody {
        let answer = http.send(&request);
        refused(&answer, 401, "not-signed-in");
        assert_eq!(answer.header(&WWW_AUTHENTICATE), Some("Bearer"));
    }
    let other_scheme = with(list(), io::http::header::AUTHORIZATION, &format!("Basic {viewer}"));
    refused(&http.send(&other_scheme), 401, "not-signed-in");
    assert_eq!(http.send(&bearing(list(), &viewer)).status, StatusCode::OK);
    let expect = Request::post(hub.url("/api/v1/device/expect"), JSON, "{\"serial_number\": \"a\"}");
    refused(&http.send(&bearing(expect, &viewer)), 403, "not-permitted");
    // A link signs in, once, and does nothing else.
    refused(&http.send(&bearing(list(), &link)), 403, "not-permitted");
    let start = || bearing(Request::post(hub.url("/api/v1/session/start"), JSON, "{}"), &link);
    assert_eq!(http.send(&start()).status, StatusCode::OK);
    refused(&http.send(&start()), 401, "not-signed-in");
    // A disabled account's token is good no more.
    hub.run(&["account", "disable", "vera"]).exits(0);
    refused(&http.send(&bearing(list(), &viewer)), 401, "not-signed-in");
}

#[test]
fn health_and_figures_are_for_everybody() {
    let hub = Hub::start();
    let mut http = hub.http();
    hub.run(&["device", "expect", "lamp-1"]).exits(0);
    for target in ["/healthz", "/readyz"] {
        let answer = http.send(&Request::get(hub.url(target)));
        assert_eq!((answer.status, &body(&answer)["ok"]), (StatusCode::OK, &true.into()), "{target}");
    }
    let answer = http.send(&Request::get(hub.url("/metrics")));
    assert_eq!(answer.header(&CONTENT_TYPE), Some("text/plain; version=0.0.4; charset=utf-8"));
    let text = String::from_utf8(answer.body.to_vec()).expect("UTF-8");
    let figure = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("steward_{name} ")));
        line.unwrap_or_else(|| panic!("no {name} in {text}")).parse::<u64>().expect("a number")
    };
    assert!(figure("commands_total") >= 3);
    assert!(figure("journal_entries_total") >= 3);
    assert!(figure("http_requests_total") >= 4);
    assert!(!text.contains("lamp-1") && !text.contains("admin"), "figures name nobody");
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').expect("a name and a value");
        assert!(text.contains(&format!("# TYPE {} ", name.split('{').next().expect("a name"))), "{line}");
        assert!(value.parse::<f64>().is_ok(), "{line}");
    }
}

#[test]
fn wrong_methods_beside_the_api() {
    let hub = Hub::start();
    let answer = hub.http().send(&Request::new(Method::POST, hub.url("/healthz")));
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(answer.header(&ALLOW), Some("GET,HEAD"));
}

#[test]
fn slow_and_silent_peers_hold_up_nobody() {
    let hub = Hub::start();
    let address = hub.people().strip_prefix("https://").expect("https");
    // Silent, half a TLS record, not TLS at all.
    let said: [&[u8]; 3] = [b"", &[22, 3, 1, 2, 0, 1, 0], b"GET / HTTP/1.1\r\n\r\n"];
    let silent: Vec<TcpStream> = (0..60)
        .map(|number| {
            let mut stream = TcpStream::connect(address).expect("connected");
            stream.write_all(said[number % said.len()]).expect("sent");
            stream
        })
        .collect();
    // Each with a connection of its own.
    for _ in 0..5 {
        let mut http: Http = hub.http();
        assert_eq!(http.send(&hub.get("/api/v1/device/count")).status, StatusCode::OK);
    }
    // Who spoke no TLS got no HTTP.
    let mut plain = &silent[2];
    plain.set_read_timeout(Some(PATIENCE)).expect("a limit");
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP"), "{}", String::from_utf8_lossy(&answer));
}
