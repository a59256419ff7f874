//! What a hub does with URLs that strangers named. A hub is the server: no other program is needed.
use crate::support::Running;
use axum::Router;
use axum::response::Redirect;
use fleet::door::{Outgoing, Reply};
use fleet::refusal::Refusal;
use hub::fetch::Fetcher;
use io::FileKey;
use io::http::server::{ServerLimits, serve};
use io::tls::Identity;
use io::tls::server::people_config;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use wire::Certificate;

fn authority(hub: &Running, file: &str) -> Vec<Certificate> {
    let pem = std::fs::read_to_string(hub.path(file)).expect("a certificate");
    vec![Certificate::from_pem(&pem).expect("a certificate")]
}

fn outgoing(hub: &Running, target: &str) -> Outgoing {
    Outgoing {
        url: format!("https://{}{target}", hub.people),
        servers: authority(hub, "hub/ca.pem"),
        accept: "application/json",
        content: None,
        reply_bytes_max: 10_000,
    }
}

fn ask(hub: &Running, loopback: bool, outgoing: &Outgoing) -> Result<Reply, Refusal> {
    hub.runtime.block_on(Fetcher::new(loopback, vec![hub.people]).ask(outgoing))
}

/// A server that sends everybody away, with the hub's certificate.
fn redirecting(hub: &Running) -> SocketAddr {
    let chain = authority(hub, "hub/server.pem").iter().map(|it| it.der().to_vec()).collect();
    let signer = Arc::new(FileKey::open(&hub.path("hub/server.key")).expect("a key"));
    let tls = people_config(&Identity { chain, signer }).expect("TLS");
    let router = Router::new().fallback(async || Redirect::to("/healthz"));
    hub.runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address");
        tokio::spawn(serve(listener, tls, ServerLimits::default(), router, std::future::pending()));
        address
    })
}

#[test]
fn this_machine_is_not_asked_unless_a_setting_says_so() {
    let hub = Running::start();
    let good = outgoing(&hub, "/healthz");
    let refused = ask(&hub, false, &good).expect_err("loopback");
    assert_eq!(refused.code, "address-refused");
    assert!(refused.detail.contains("fetch-loopback"), "{}", refused.detail);
    let named = Outgoing { url: good.url.replace("127.0.0.1", "localhost"), ..good.clone() };
    assert_eq!(ask(&hub, false, &named).expect_err("a name for it").code, "address-refused");
    let reply = ask(&hub, true, &good).expect("asked");
    assert_eq!((reply.status, reply.content_type.as_str()), (200, "application/json"));
    assert!(reply.body.starts_with(b"{"));
    assert_eq!(ask(&hub, true, &named).expect("asked by its name").status, 200);
}

#[test]
fn what_cannot_be_fetched_says_why() {
    let hub = Running::start();
    let free = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its address");
    let check = |change: &dyn Fn(&mut Outgoing), expect: &str| {
        let mut outgoing = outgoing(&hub, "/healthz");
        change(&mut outgoing);
        let refused = ask(&hub, true, &outgoing).expect_err(expect);
        assert_eq!(refused.code, expect, "{}", refused.detail);
    };
    check(&|o| o.url = o.url.replace("https", "http"), "bad-url");
    check(&|o| o.url = o.url.replace("https", "ftp"), "bad-url");
    check(&|o| o.url = o.url.replace("https://", "https://user@"), "bad-url");
    check(&|o| o.url = format!("https://{free}/"), "server-away");
    check(&|o| o.servers = authority(&hub, "hub/factory.pem"), "server-refused");
    check(&|o| o.servers.clear(), "server-refused");
    let elsewhere = redirecting(&hub);
    check(&|o| o.url = format!("https://{elsewhere}/"), "redirected");
    check(&|o| o.url = o.url.replace("/healthz", "/api/v1/openapi.json"), "bad-reply");
    let missing = outgoing(&hub, "/api/v1/nothing");
    assert_eq!(ask(&hub, true, &missing).expect("a reply is a reply").status, 404);
}
