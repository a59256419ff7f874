//! A device that knows its manufacturer alone joins an operator's hub (RFC 8995): two hubs as processes,
//! the agent, and real TLS between them all.
use crate::support::{Hub, program, skip};
use agent::machine::{Stage, Timers};
use io::files::write_atomic;
use io::http::client::{Client, Dialer, Request};
use io::http::header::{ACCEPT, HeaderValue};
use io::http::url::Url;
use io::http::{Method, header};
use io::tls::{Identity, client, server};
use io::{FileKey, key::KeyError};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value as Json, json};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use tokio::runtime::Builder;
use tokio::sync::{oneshot, watch};
use wire::certificate::{Name, NameAttribute};
use wire::voucher::{self, Assertion, Voucher, VoucherRequest, idevid_issuer};
use wire::{Certificate, cms, csr, est, oid};

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

/// The product of a maker whose devices ask `masa` for vouchers.
fn product(maker: &Hub, masa: &str) {
    let product = ["product", "add", "lamp-7", "--hardware-type", "1.3.6.1.4.1.32473.7"];
    maker.run(&[&product[..], &["--masa-url", masa]].concat()).exits(0);
}

/// A folder as it comes from the factory.
fn bear(maker: &Hub, folder: &Path, serial_number: &str) -> Result<(), KeyError> {
    let key = FileKey::open_or_create(&folder.join("idevid.key"))?;
    let subject = Name::new(&[(NameAttribute::SerialNumber, serial_number)]).unwrap();
    let csr = csr::make(&subject, None, &key).unwrap();
    let request = maker.post("/.well-known/est/lamp-7/simpleenroll", est::PKCS10, est::encode_body(&csr));
    let answer = maker.http().send(&request);
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    let idevid = est::read_certs_only(&est::decode_body(&answer.body).unwrap()).unwrap();
    write_atomic(&folder.join("idevid.pem"), idevid[0].to_pem().as_bytes(), 0o600).unwrap();
    std::fs::copy(maker.data().join("factory.pem"), folder.join("masa.pem")).unwrap();
    Ok(())
}

/// The maker is trusted: its devices, and its servers; whoever is discovered is admitted.
fn trust(maker: &Hub, operator: &Hub) {
    let certificate = format!("@{}", maker.data().join("factory.pem").display());
    let servers = format!("@{}", maker.data().join("ca.pem").display());
    let anchor = ["anchor", "add", "lumen", "--certificate", &certificate, "--servers", &servers];
    operator.run(&[&anchor[..], &["--admission", "automatic"]].concat()).exits(0);
}

fn registrar(operator: &Hub) -> String {
    operator.ready["devices"].as_str().unwrap().to_owned()
}

const TIMERS: Timers = Timers { backoff_min: 20, backoff_max: 200, put_off: 1000, start_spread: 0 };

/// Runs the device until it is enrolled.
fn join(registrar: &str, folder: &Path) {
    let (shown, mut stage) = watch::channel(Stage::Joining);
    let timers = TIMERS;
    let settings =
        agent::Settings { timers, stage: Some(Arc::new(shown)), ..agent::Settings::new(registrar) };
    let enrolled = async move {
        let _ = stage.wait_for(|stage| *stage == Stage::Enrolled).await;
    };
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let running = agent::run(folder, settings, enrolled);
    let in_time = async { tokio::time::timeout(crate::support::PATIENCE, running).await };
    runtime.block_on(in_time).expect("in time").unwrap();
}

#[test]
fn a_device_that_knows_its_maker_alone_joins() {
    let (maker, operator) = (Hub::start(), operator());
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    product(&maker, maker.people());
    bear(&maker, folder, SERIAL_NUMBER).unwrap();
    trust(&maker, &operator);
    join(&registrar(&operator), folder);

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

/// A request, as far as these servers look at it.
struct Asked {
    target: String,
    content_type: String,
    accept: String,
    body: Vec<u8>,
}

/// What they answer: a status, a media type and a body.
type Told = (u16, String, Vec<u8>);

/// A server of the test's own: whoever comes is answered by `answer`, a request after the other.
fn serve(tls: Arc<ServerConfig>, answer: impl Fn(Asked) -> Told + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answer = Arc::new(answer);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let (tls, answer) = (tls.clone(), answer.clone());
            std::thread::spawn(move || {
                let mut stream = StreamOwned::new(ServerConnection::new(tls).unwrap(), stream);
                while let Some(asked) = read(&mut stream) {
                    let (status, content_type, body) = answer(asked);
                    let head = format!(
                        "HTTP/1.1 {status} so\r\ncontent-type: {content_type}\r\ncontent-length: {}\r\n\r\n",
                        body.len()
                    );
                    if stream.write_all(&[head.as_bytes(), &body].concat()).is_err()
                        || stream.flush().is_err()
                    {
                        return;
                    }
                }
            });
        }
    });
    format!("https://{address}")
}

fn read(stream: &mut impl Read) -> Option<Asked> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let field = |name: &str| {
        let lines = head.lines().filter_map(|line| line.split_once(": "));
        let mut found = lines.filter(|(field, _)| field.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value.to_owned()).unwrap_or_default()
    };
    let mut body = vec![0; field("content-length").parse().unwrap_or(0)];
    stream.read_exact(&mut body).ok()?;
    let target = head.split(' ').nth(1)?.to_owned();
    Some(Asked { target, content_type: field("content-type"), accept: field("accept"), body })
}

/// The identity in two files of a hub's or a device's folder.
fn identity(folder: &Path, name: &str) -> Identity {
    let certificates = Certificate::list_from_pem(&text(&folder.join(format!("{name}.pem")))).unwrap();
    let chain = certificates.iter().map(|it| it.der().to_vec()).collect();
    Identity { chain, signer: Arc::new(FileKey::open(&folder.join(format!("{name}.key"))).unwrap()) }
}

const OTHER_SERIAL: &str = "lamp-0002";
const OTHER_DOMAIN: &str = "lamp-0003";
const RELAYED: &str = "lamp-0004";

/// A MASA that has the maker's keys and is of another mind, until it is `honest`.
fn forged_masa(maker: &Hub, domain: Certificate, honest: Arc<AtomicBool>) -> String {
    let data = maker.data();
    let certificate = Certificate::from_pem(&text(&data.join("masa.pem"))).unwrap();
    let key = FileKey::open(&data.join("masa.key")).unwrap();
    let another = Certificate::from_pem(&text(&data.join("ca.pem"))).unwrap();
    let tls = server::people_config(&identity(&data, "server")).unwrap();
    serve(tls, move |asked| {
        if !asked.target.ends_with("/requestvoucher") {
            return (404, "text/plain".into(), b"no such thing".to_vec());
        }
        let of_registrar = cms::verify(&asked.body, None, &[]).unwrap();
        let asks = VoucherRequest::from_json(&of_registrar.content).unwrap();
        let of_pledge = cms::verify(asks.prior_signed_voucher_request.as_ref().unwrap(), None, &[]).unwrap();
        let lies = |serial_number| asks.serial_number == serial_number && !honest.load(Ordering::SeqCst);
        let serial_number = if lies(OTHER_SERIAL) { SERIAL_NUMBER } else { &asks.serial_number };
        let pinned = if lies(OTHER_DOMAIN) { &another } else { &domain };
        let voucher = Voucher {
            created_on: Some(io::clock::now_millis()),
            assertion: Some(Assertion::Proximity),
            idevid_issuer: Some(idevid_issuer(&of_pledge.signer)),
            pinned_domain_cert: Some(pinned.clone()),
            domain_cert_revocation_checks: Some(false),
            nonce: asks.nonce.clone(),
            ..Voucher::new(serial_number)
        };
        let json = voucher.to_json().unwrap();
        let now = Some(io::clock::now_millis());
        let body = cms::sign(oid::ANIMA_JSON_VOUCHER, &json, &certificate, &[], &key, now, false).unwrap();
        (200, voucher::MEDIA_TYPE.into(), body)
    })
}

/// Somebody with a certificate of another domain, and the device's key, between it and its registrar.
fn relay(other: &Hub, device: &Path, registrar: String) -> String {
    let tls = server::devices_config(&identity(&other.data(), "registrar")).unwrap();
    let stolen = identity(device, "idevid");
    serve(tls, move |asked| {
        let url = Url::parse(&registrar).and_then(|url| url.with_target(&asked.target)).unwrap();
        let request = Request { body: asked.body.into(), ..Request::new(Method::POST, url) };
        let request =
            request.header(header::CONTENT_TYPE, HeaderValue::from_str(&asked.content_type).unwrap());
        let request = request.header(ACCEPT, HeaderValue::from_str(&asked.accept).unwrap());
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let mut client = Client::new(Dialer::new(client::provisional(Some(&stolen)).unwrap()));
        let answer = runtime.block_on(client.send(&request)).unwrap();
        (answer.status.as_u16(), "text/plain".into(), answer.body.to_vec())
    })
}

/// What `attention list` says of a device's joining while it tries, once it says something.
fn refused(operator: &Hub, registrar: String, folder: &Path) -> Json {
    let (stop, stopped) = oneshot::channel::<()>();
    let running = folder.to_owned();
    let device = std::thread::spawn(move || {
        let settings = agent::Settings { timers: TIMERS, ..agent::Settings::new(&registrar) };
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        // It gives up by itself after a few refusals.
        runtime.block_on(agent::run(&running, settings, async { drop(stopped.await) })).is_ok()
    });
    let until = Instant::now() + crate::support::PATIENCE;
    let found = loop {
        let mut found = operator.json(&["attention", "list", "--kind", "voucher-refused"]);
        if found["items"].as_array().is_some_and(|items| !items.is_empty()) {
            break found["items"][0].take();
        }
        assert!(Instant::now() < until, "no finding");
    };
    let _ = stop.send(());
    device.join().unwrap();
    assert!(!folder.join("pinned.pem").exists(), "nothing of it is kept");
    found
}

#[test]
fn a_pledge_that_refuses_is_a_finding_that_names_the_clause() {
    let (maker, operator) = (Hub::start(), operator());
    let domain = Certificate::from_pem(&text(&operator.data().join("ca.pem"))).unwrap();
    let honest = Arc::new(AtomicBool::new(false));
    product(&maker, &forged_masa(&maker, domain, honest.clone()));
    trust(&maker, &operator);
    let registrar = registrar(&operator);
    let born = |serial_number: &str| {
        let folder = tempfile::tempdir().unwrap();
        bear(&maker, folder.path(), serial_number).unwrap();
        folder
    };
    let check = |serial_number: &str, by: String, folder: &Path, expect: &str| {
        let found = refused(&operator, by, folder);
        assert_eq!(found["name"], format!("lumen-{serial_number}"));
        let what = found["what"].as_str().unwrap();
        assert!(what.contains(expect), "{what}");
    };
    let settle = |serial_number: &str| {
        let device = format!("lumen-{serial_number}");
        operator.run(&["onboarding", "settle", &device, "--why", "looked into"]).exits(0);
        assert_eq!(operator.json(&["attention", "list"])["items"], json!([]));
    };
    let [serial, pinned, relayed] = [OTHER_SERIAL, OTHER_DOMAIN, RELAYED].map(born);
    let expect = "the voucher's serial-number is not the device's (RFC 8995 section 5.6.1)";
    check(OTHER_SERIAL, registrar.clone(), serial.path(), expect);
    settle(OTHER_SERIAL);
    let expect = "the server is not of the domain that the voucher pins (RFC 8995 section 5.6.2)";
    check(OTHER_DOMAIN, registrar.clone(), pinned.path(), expect);
    // It ends by itself when the device joins.
    honest.store(true, Ordering::SeqCst);
    join(&registrar, pinned.path());
    assert_eq!(operator.json(&["attention", "list"])["items"], json!([]));
    let by = relay(&maker, relayed.path(), registrar.clone());
    check(RELAYED, by, relayed.path(), "somebody may stand between (RFC 8995 section 5.2)");
    settle(RELAYED);
    operator.json(&["check"]);
}
