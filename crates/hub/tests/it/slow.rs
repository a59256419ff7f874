//! Servers that accept and say nothing, and servers that drip: what the hub asks others for comes all the same.
use crate::publication::{manufacturer, mud_file, publish as publish_description};
use crate::releases::{fetch, first_release, maker, offer_product, operator};
use crate::support::{Pledge, Running, certificate, serve_as};
use axum::Router;
use axum::body::Body;
use base64ct::{Base64, Encoding};
use fleet::onboarding::rules::Introduction;
use fleet::onboarding::view::{Enrol, Proof};
use io::http::body::PiecesBody;
use io::http::client::{Connection, Dialer, Request};
use io::http::header::CONTENT_TYPE;
use io::http::url::Url;
use io::tls::client::anchored;
use serde_json::{Value as Json, json};
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;
use wire::voucher::{MEDIA_TYPE, REQUEST_PATH};

/// Long before a slow server is given up: after 10 s by who waits for TLS, after 20 s by who waits for a reply.
const PROMPT: Duration = Duration::from_secs(5);
/// More than any look at what is wanted names, and more than there are places.
const MANY: usize = 60;
const FEW: usize = 10;
const PATIENCE: Duration = Duration::from_secs(60);

/// The kernel accepts for it, and nobody ever reads.
fn silent() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    (listener, address)
}

/// A server with the TLS identity of `hub` whose replies come a byte at a time.
fn dripping(hub: &Running) -> SocketAddr {
    let router = Router::new().fallback(async || {
        let (drops, body) = tokio::sync::mpsc::channel(1);
        tokio::spawn(async move {
            let mut every = tokio::time::interval(Duration::from_millis(100));
            while drops.send(" ".into()).await.is_ok() {
                every.tick().await;
            }
        });
        ([(CONTENT_TYPE, MEDIA_TYPE)], Body::new(PiecesBody(body)))
    });
    serve_as(hub, router)
}

/// Both, and how much each is asked for.
fn slow(hub: &Running) -> (TcpListener, [(&'static str, SocketAddr, usize); 2]) {
    let (listener, silent) = silent();
    (listener, [("silent", silent, MANY), ("dripping", dripping(hub), FEW)])
}

#[test]
fn a_slow_server_holds_up_no_release_of_another() {
    let maker = maker();
    first_release(&maker);
    let operator = operator(Some(&maker), PATIENCE);
    let (_listener, slow) = slow(&maker);
    for (name, server, count) in slow {
        for number in 0..count {
            let from = format!("https://{server}/firmware/{name}/{number}.suit");
            operator.ask("release fetch", json!({"from": from, "maker": "lumen"})).expect("wanted");
        }
    }
    let begin = Instant::now();
    let good = fetch(&operator, &format!("https://{}/firmware/lamp-7/1.suit", maker.people), json!({}));
    let fetched = begin.elapsed();
    // And what the hub signs itself waits for nobody.
    offer_product(&operator);
    first_release(&operator);
    let published = begin.elapsed();
    assert_eq!(good["kept"], true, "{good}");
    assert!(published < PROMPT, "fetched after {fetched:?}, published after {published:?}");
    for name in ["silent-0", "dripping-0"] {
        let shown = operator.ask("release show", json!({"release": name})).expect("shown");
        assert_eq!((&shown["kept"], &shown["refused"]), (&json!(false), &json!("")), "it is still asked");
    }
}

/// A device asks for the first time; whether it is to be signed a certificate.
fn asks(operator: &Running, serial_number: &str, mud_url: &str) -> bool {
    let introduction = Introduction {
        anchor: "lumen".into(),
        serial_number: serial_number.into(),
        key: format!("of {serial_number}"),
        mud_url: mud_url.into(),
        mud_signer: String::new(),
    };
    let enrol = Enrol { proof: Proof::Idevid(introduction), key: format!("of {serial_number}") };
    operator.own(enrol).expect("decided")["sign"].is_object()
}

#[test]
fn a_slow_server_holds_up_no_description_and_no_device_of_another() {
    let maker = manufacturer();
    assert_eq!(publish_description(&maker, &mud_file(maker.people)), "");
    let operator = operator(Some(&maker), PATIENCE);
    let (_listener, slow) = slow(&maker);
    for (name, server, count) in slow {
        for number in 0..count {
            let url = format!("https://{server}/{number}.json");
            assert!(!asks(&operator, &format!("{name}-{number}"), &url), "its description is not here");
        }
    }
    let begin = Instant::now();
    let url = format!("https://{}/mud/lamp-7.json", maker.people);
    operator.until("the certificate", || asks(&operator, "A1", &url));
    assert!(begin.elapsed() < PROMPT, "admitted after {:?}", begin.elapsed());
    for name in ["silent", "dripping"] {
        let shown = operator.ask("description show", json!({"device": format!("lumen-{name}-0")}));
        assert_eq!(shown.expect("shown")["failure"], "", "it is still asked");
    }
}

/// A pledge's request for a voucher, which the registrar hands to the MASA that the IDevID names.
fn wants_a_voucher(operator: &Running, pledge: &Pledge) -> JoinHandle<u16> {
    let near = certificate(operator, "hub/registrar.pem");
    let request = json!({"ietf-voucher-request:voucher": {
        "assertion": "proximity", "nonce": Base64::encode_string(&io::random::fill::<16>()),
        "serial-number": pledge.certificate.serial_number().expect("a serial number"),
        "proximity-registrar-cert": Base64::encode_string(near.der()),
    }});
    let body = pledge.signs(request.to_string().as_bytes());
    let url = Url::parse(&format!("https://{}{REQUEST_PATH}", operator.devices)).expect("a URL");
    let authority = certificate(operator, "hub/ca.pem").der().to_vec();
    let tls = anchored(&[authority], Some(&pledge.identity())).expect("a config");
    operator.runtime.spawn(async move {
        let mut line = Connection::open(&Dialer::new(tls), &url).await.expect("a connection");
        let request = Request::post(url, MEDIA_TYPE, body).within(PATIENCE);
        line.send(&request).await.expect("an answer").status.as_u16()
    })
}

#[test]
fn a_slow_masa_holds_up_no_device_of_another() {
    let maker = maker();
    let operator = operator(Some(&maker), PATIENCE);
    let (_listener, slow) = slow(&maker);
    let prompt = serve_as(
        &maker,
        Router::new().fallback(async || ([(CONTENT_TYPE, MEDIA_TYPE)], "a voucher of the future")),
    );
    let pledge = |name: &str, number: usize, masa: SocketAddr| {
        Pledge::made(&maker, &format!("{name}-{number}"), Some(format!("https://{masa}")))
    };
    let waiting: Vec<JoinHandle<u16>> = slow
        .into_iter()
        .flat_map(|(name, masa, _)| (0..FEW).map(move |number| (name, number, masa)))
        .map(|(name, number, masa)| wants_a_voucher(&operator, &pledge(name, number, masa)))
        .collect();
    // More than one MASA has places for: the others are told to come again.
    let refused = || waiting.iter().filter(|asking| asking.is_finished()).count();
    operator.until("their places are taken", || refused() == 2 * (FEW - hub::limits::SERVER_FETCHES_MAX));
    let begin = Instant::now();
    let mut asking = wants_a_voucher(&operator, &pledge("prompt", 0, prompt));
    assert_eq!(operator.runtime.block_on(&mut asking).expect("it lives"), 200);
    assert!(begin.elapsed() < PROMPT, "answered after {:?}", begin.elapsed());
    assert_eq!(refused(), 2 * (FEW - hub::limits::SERVER_FETCHES_MAX), "the others still wait");
    for asking in waiting {
        if asking.is_finished() {
            assert_eq!(operator.runtime.block_on(asking).expect("it lives"), 503);
        } else {
            asking.abort();
        }
    }
    let _: Json = operator.ask("audit check", json!({})).expect("rows equal the journal");
}
