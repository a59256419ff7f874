//! What the hub tells whoever watches it: whether it is ready, and whom it turned away.
use crate::bad_input::{As, Doors};
use crate::support::{Pledge, Running, asked};
use fleet::room::Env;
use fleet::text::Slug;
use fleet::time::Millis;
use hub::start::administrator_token;
use io::http::client::Request;
use io::http::header::{ACCEPT, HeaderValue};
use io::http::url::Url;
use io::http::{Method, StatusCode};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use store::{Place, Settings, Store};
use wire::est::{CSR_ATTRS_PATH, PKCS10, SIMPLE_ENROLL_PATH};

fn get(hub: &Running, path: &str) -> (u16, String) {
    let url = Url::parse(&format!("https://{}{path}", hub.people)).expect("a URL");
    asked(hub, None, &Request::get(url)).expect("an answer")
}

/// Everything of a figure that was counted, by its labels.
fn figures(hub: &Running, name: &str) -> BTreeMap<String, u64> {
    let text = get(hub, "/metrics").1;
    let lines = text.lines().filter_map(|line| line.strip_prefix(&format!("steward_{name}")));
    let values = lines.filter_map(|line| line.rsplit_once(' '));
    values.map(|(labels, value)| (labels.into(), value.parse().expect("a number"))).collect()
}

/// A desk over the state of the hub in `folder`, whose clock is ahead.
fn desk(folder: &Path, ahead_millis: i64) -> hub::desk::Desk {
    let clock: store::Clock = Arc::new(move || Millis(io::clock::now_millis() + ahead_millis));
    let place = Place::Sqlite(folder.join("hub/state.db"));
    let store = Store::open(Settings::new(place, Env::default(), clock)).expect("a store");
    hub::desk::Desk::new(store, Env::default())
}

fn is_not_ready(hub: &Running, check: &str, code: &str) {
    let (status, body) = get(hub, "/readyz");
    let said: Json = serde_json::from_str(&body).expect("JSON");
    assert_eq!((status, &said["ok"], &said["checks"][check]), (503, &json!(false), &json!(false)), "{said}");
    assert!(said["why"][0].as_str().is_some_and(|why| why.starts_with(code)), "{said}");
    let good = ["store", "writer", "clock"].into_iter().filter(|other| *other != check);
    for good in good {
        assert_eq!(said["checks"][good], true, "{said}");
    }
    assert_eq!(figures(hub, "ready")[&format!("{{check=\"{check}\"}}")], 0);
    assert_eq!(get(hub, "/healthz").0, 200, "it lives");
    hub.ask("device list", json!({})).expect("and answers");
}

#[test]
fn a_hub_whose_lane_is_lost_is_not_ready() {
    let hub = Running::start();
    assert_eq!(get(&hub, "/readyz").0, 200);
    assert_eq!(figures(&hub, "ready").values().sum::<u64>(), 3);
    let expect = |serial_number: &str| hub.ask("device expect", json!({"serial_number": serial_number}));
    expect("a").expect("expected");
    let other = desk(hub.folder.path(), 0);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(administrator_token(&other, &Slug::main())).expect("another process writes");
    assert_eq!(expect("b").map_err(|why| why.code), Err("lane-lost"));
    is_not_ready(&hub, "writer", "lane-lost: ");
}

#[test]
fn a_hub_whose_clock_is_behind_is_not_ready() {
    let folder = tempfile::tempdir().expect("a folder");
    io::files::create_private_dir(&folder.path().join("hub")).expect("a folder");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let ahead = desk(folder.path(), 3_600_000);
    runtime.block_on(administrator_token(&ahead, &Slug::main())).expect("written an hour ahead");
    drop(ahead);
    let hub = Running::start_in(folder);
    is_not_ready(&hub, "clock", "clock-behind: ");
    hub.ask("clock accept", json!({"why": "it was ahead"})).expect("accepted");
    assert_eq!(get(&hub, "/readyz").0, 200);
}

/// Malformed and unauthenticated input is counted, once each, and leaves no line in the journal.
#[test]
fn what_is_turned_away_is_counted() {
    let doors = Doors::open();
    let hub = &doors.hub;
    let head = || hub.ask("audit list", json!({"limit": 1})).expect("the journal")["items"].clone();
    let check = |turned: &dyn Fn(), listener: &str, sort: &str| {
        let (before, head_before) = (figures(hub, "turned_away_total"), head());
        turned();
        let counted = || {
            let after = figures(hub, "turned_away_total");
            let more = after.iter().filter(|(labels, count)| before[*labels] != **count);
            more.map(|(labels, count)| (labels.clone(), count - before[labels])).collect::<Vec<_>>()
        };
        hub.until(sort, || !counted().is_empty());
        let labels = format!("{{listener=\"{listener}\",sort=\"{sort}\"}}");
        assert_eq!(counted(), [(labels, 1)], "{sort}");
        assert_eq!(head(), head_before, "{sort}");
    };
    let url = |at: SocketAddr, path: &str| Url::parse(&format!("https://{at}{path}")).expect("a URL");
    let garbage = |at: SocketAddr| {
        let mut plain = TcpStream::connect(at).expect("connected");
        plain.write_all(b"GET / HTTP/1.1\r\n\r\n").expect("sent");
        let _ = plain.read_to_end(&mut Vec::new());
    };
    let long = "x".repeat(4 * io::limits::HEADER_BYTES_MAX);
    let no_http = |at: SocketAddr| {
        let header = HeaderValue::from_str(&long).expect("a field");
        let answer = asked(hub, None, &Request::get(url(at, "/")).header(ACCEPT, header));
        assert!(answer.is_none_or(|(status, _)| status == StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE));
    };
    let say = |who: As, path: &str, expect: u16| {
        assert_eq!(doors.ask(who, path, PKCS10, b"{".into()).0, expect);
    };
    let (expect, token) = ("/api/v1/device/expect", doors.token.as_str());
    check(&|| say(As::Bearer(token), expect, 415), "people", "malformed");
    check(&|| say(As::Line(token), "/.well-known/est/lamp-7/simpleenroll", 400), "people", "malformed");
    check(&|| say(As::Nobody, expect, 401), "people", "unauthenticated");
    check(&|| say(As::Bearer("steward_wrong"), expect, 401), "people", "unauthenticated");
    check(&|| garbage(hub.people), "people", "handshake-failed");
    check(&|| no_http(hub.people), "people", "no-http");

    let ldevid = doors.lamp.identity.clone();
    check(&|| say(As::Device(&ldevid), "/.well-known/est/simplereenroll", 400), "devices", "malformed");
    check(&|| say(As::Nobody, SIMPLE_ENROLL_PATH, 403), "devices", "not-permitted");
    let stranger = Pledge::made(&Running::start(), "A1", None).identity();
    let refused = || {
        let request = Request::new(Method::GET, url(hub.devices, CSR_ATTRS_PATH));
        assert_eq!(asked(hub, Some(&stranger), &request), None, "not a byte");
    };
    check(&refused, "devices", "unauthenticated");
    check(&|| garbage(hub.devices), "devices", "handshake-failed");
    check(&|| no_http(hub.devices), "devices", "no-http");
}
