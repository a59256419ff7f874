//! Check-ins over TLS: held while there is nothing to tell, answered when there is.
use crate::support::Running;
use fleet::onboarding::rules::Introduction;
use fleet::onboarding::view::{Decision, Enrol, Issue, Proof, Report as Enrolled};
use fleet::refusal::Refusal;
use fleet::time::Millis;
use io::FileKey;
use io::http::client::{ClientError, Connection, Dialer, Request};
use io::http::header::CONTENT_TYPE;
use io::http::url::Url;
use io::tls::Identity;
use io::tls::client::anchored;
use serde_json::{Value as Json, json};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::{JoinHandle, JoinSet};
use wire::certificate::profile::{Profile, Validity, issue};
use wire::control::{CHECK_IN_PATH, Desired, MEDIA_TYPE, Report};
use wire::digest::{hex, sha256};
use wire::{Certificate, PublicKey};

/// The longest that anything here may take.
pub const PATIENCE: Duration = Duration::from_secs(60);
pub const FILE: &[u8] = br#"{"interval":60}"#;

/// A hub that trusts a maker and admits its devices.
pub fn trusting(hold: Duration) -> Running {
    let hub =
        Running::start_with(tempfile::tempdir().expect("a folder"), |settings| settings.check_in_hold = hold);
    let certificate = std::fs::read_to_string(hub.path("hub/factory.pem")).expect("a certificate");
    let anchor = json!({"anchor": "lumen", "certificate": certificate, "admission": "automatic"});
    hub.ask("anchor add", anchor).expect("trusted");
    hub
}

/// A device that joined by the operations of the doors alone.
#[derive(Clone)]
pub struct Lamp {
    pub name: String,
    pub identity: Identity,
    url: Url,
    authority: Vec<u8>,
}

impl Lamp {
    pub fn join(hub: &Running, serial_number: &str) -> Self {
        let key =
            Arc::new(FileKey::open_or_create(&hub.path(&format!("{serial_number}.key"))).expect("a key"));
        let public = PublicKey::of(key.as_ref()).expect("a P-256 key");
        let fingerprint = hex(&public.fingerprint());
        let introduction = Introduction {
            anchor: "lumen".into(),
            serial_number: serial_number.into(),
            key: "of the factory".into(),
            mud_url: String::new(),
            mud_signer: String::new(),
        };
        let enrol = Enrol { proof: Proof::Idevid(introduction), key: fingerprint };
        let decision: Decision = answer(hub.own(enrol));
        let Decision::Sign(work) = decision else { panic!("{decision:?}") };
        let signer = FileKey::open(&hub.path("hub/ca.key")).expect("the authority's key");
        let pem = std::fs::read_to_string(hub.authority()).expect("a certificate");
        let authority = Certificate::from_pem(&pem).expect("a certificate");
        let profile =
            Profile::LdevId { serial_number: work.serial_number.clone(), device_id: work.device.clone() };
        let not_after = work.not_before.0 + 86_400_000;
        let validity = Validity { not_before: work.not_before.0, not_after: Some(not_after) };
        let ldevid =
            issue(&profile, &public, Some(&authority), work.serial, validity, &signer).expect("issued");
        let (serial, certificate) = (hex(ldevid.serial()), ldevid.to_pem());
        let not_after = Millis(ldevid.not_after());
        let issued: String = answer(hub.own(Issue { work, not_after, serial: serial.clone(), certificate }));
        assert_eq!(issued, ldevid.to_pem());
        let proof = Proof::Ldevid { serial: serial.clone() };
        hub.own(Enrolled { proof, good: true, reason: String::new() }).expect("enrolled");
        let identity = Identity { chain: vec![ldevid.der().to_vec()], signer: key };
        let url = Url::parse(&format!("https://{}{CHECK_IN_PATH}", hub.devices)).expect("a URL");
        let (name, authority) = (format!("lumen-{serial_number}"), authority.der().to_vec());
        Lamp { name, identity, url, authority }
    }

    pub async fn connects(&self) -> Connection {
        let tls = anchored(std::slice::from_ref(&self.authority), Some(&self.identity)).expect("a config");
        Connection::open(&Dialer::new(tls), &self.url).await.expect("a connection")
    }

    fn request(&self, report: &Report) -> Request {
        Request::post(self.url.clone(), MEDIA_TYPE, report.to_json()).within(PATIENCE)
    }

    /// Sends its first document, after which nothing is wanted any more: what comes of the long wait.
    pub async fn sends_its_document_and_waits(&self, line: &mut Connection) -> Result<Desired, ClientError> {
        assert!(self.says(line, &report(FILE)).await.expect("an answer").send_configuration);
        self.says(line, &with_document()).await
    }

    pub async fn says(&self, line: &mut Connection, report: &Report) -> Result<Desired, ClientError> {
        let answer = line.send(&self.request(report)).await?;
        assert_eq!((answer.status.as_u16(), answer.header(&CONTENT_TYPE)), (200, Some(MEDIA_TYPE)));
        Ok(Desired::from_json(&answer.body).expect("an answer"))
    }
}

fn answer<T: serde::de::DeserializeOwned>(outcome: Result<Json, Refusal>) -> T {
    serde_json::from_value(outcome.expect("an answer")).expect("as it is")
}

pub fn report(file: &[u8]) -> Report {
    let mut report = Report::default();
    report.configuration.digest = Some(sha256(file));
    report
}

pub fn with_document() -> Report {
    let mut report = report(FILE);
    report.configuration.document = Some(FILE.to_vec());
    report
}

/// A figure of the hub.
pub fn figure(hub: &Running, name: &str) -> u64 {
    let text = hub.runtime.block_on(async {
        let pem = std::fs::read_to_string(hub.authority()).expect("a certificate");
        let tls = anchored(&[Certificate::from_pem(&pem).expect("a certificate").der().to_vec()], None)
            .expect("a config");
        let url = Url::parse(&format!("https://{}/metrics", hub.people)).expect("a URL");
        let mut line = Connection::open(&Dialer::new(tls), &url).await.expect("a connection");
        let answer = line.send(&Request::get(url)).await.expect("an answer");
        String::from_utf8(answer.body.to_vec()).expect("text")
    });
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("steward_{name} ")));
    line.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {name}: {text}"))
}

/// Waits until so many check-ins are held.
pub fn until_held(hub: &Running, devices: u64) {
    let end = Instant::now() + PATIENCE;
    while figure(hub, "check_ins_held") != devices {
        assert!(Instant::now() < end, "{} are held", figure(hub, "check_ins_held"));
        hub.runtime.block_on(async {
            let never = std::future::pending::<()>();
            let _ = tokio::time::timeout(Duration::from_millis(20), never).await;
        });
    }
}

/// A device checks in until nothing is wanted of it any more, and waits.
fn waits(hub: &Running, lamp: &Lamp) -> JoinHandle<Result<Desired, ClientError>> {
    let lamp = lamp.clone();
    hub.runtime.spawn(async move {
        let mut line = lamp.connects().await;
        lamp.sends_its_document_and_waits(&mut line).await
    })
}

/// Idle devices ask as often as their requests are held, and not more often.
#[test]
fn an_idle_device_asks_once_per_hold() {
    let hub = trusting(Duration::from_millis(200));
    let lamp = Lamp::join(&hub, "A1");
    hub.runtime.block_on(async {
        let mut line = lamp.connects().await;
        assert!(lamp.sends_its_document_and_waits(&mut line).await.expect("an answer").is_empty());
    });
    let (before, entries) = (figure(&hub, "check_ins_total"), figure(&hub, "journal_entries_total"));
    let begin = Instant::now();
    hub.runtime.block_on(async {
        let mut line = lamp.connects().await;
        for _ in 0..5 {
            assert!(lamp.says(&mut line, &report(FILE)).await.expect("an answer").is_empty());
        }
    });
    assert!(begin.elapsed() >= Duration::from_millis(1000), "each was held");
    assert_eq!(figure(&hub, "check_ins_total") - before, 5);
    assert_eq!(figure(&hub, "journal_entries_total"), entries, "idle devices are not journalled");
}

#[test]
fn what_is_new_reaches_a_held_device() {
    let hub = trusting(PATIENCE);
    let tells = |serial_number| {
        let lamp = Lamp::join(&hub, serial_number);
        let held = waits(&hub, &lamp);
        until_held(&hub, 1);
        let begin = Instant::now();
        let set = json!({"device": lamp.name, "document": "{}", "confirm_seconds": 5});
        hub.ask("configuration set", set).expect("ordered");
        let told = hub.runtime.block_on(held).expect("it lives").expect("an answer");
        let took = begin.elapsed();
        let order = told.configuration.expect("an order");
        assert_eq!((order.document, order.over), (b"{}".to_vec(), Some(sha256(FILE))));
        until_held(&hub, 0);
        took
    };
    // A busy machine may need longer, but not each time.
    let took: Vec<Duration> = ["A1", "A2", "A3"].into_iter().map(tells).collect();
    assert!(took.iter().any(|took| *took < Duration::from_secs(1)), "from `configuration set`: {took:?}");
    hub.ask("audit check", json!({})).expect("rows equal the journal");
}

/// What a device changes twice in a row is seen twice, and not only at its next check-in.
#[test]
fn a_second_drift_is_seen_while_the_device_waits() {
    let hub = trusting(PATIENCE);
    let lamp = Lamp::join(&hub, "A1");
    let held = waits(&hub, &lamp);
    until_held(&hub, 1);
    hub.runtime.block_on(async {
        let mut line = lamp.connects().await;
        for by_hand in [&b"{\"by\":1}"[..], b"{\"by\":2}", b"{\"by\":3}"] {
            let told = lamp.says(&mut line, &report(by_hand)).await.expect("an answer");
            assert!(told.send_configuration, "its document is wanted as soon as it is drift");
        }
    });
    assert!(
        hub.runtime.block_on(held).expect("it lives").expect("an answer").is_empty(),
        "a newer request ends it"
    );
    let journal = hub.ask("audit list", json!({"limit": 500})).expect("a list").to_string();
    assert_eq!(journal.matches("drifted").count(), 3, "{journal}");
    hub.ask("audit check", json!({})).expect("rows equal the journal");
}

/// More devices wait than there are readers, and whoever asks is answered.
#[test]
fn two_hundred_held_devices_cost_no_reader() {
    const DEVICES: u64 = 200;
    let hub = trusting(PATIENCE);
    let lamps: Vec<Lamp> = (0..DEVICES).map(|n| Lamp::join(&hub, &format!("A{n}"))).collect();
    let mut held = JoinSet::new();
    for lamp in &lamps {
        let lamp = lamp.clone();
        let work = async move {
            let mut line = lamp.connects().await;
            lamp.sends_its_document_and_waits(&mut line).await.expect("an answer")
        };
        held.spawn_on(work, hub.runtime.handle());
    }
    until_held(&hub, DEVICES);
    let begin = Instant::now();
    for _ in 0..100 {
        hub.ask("device count", json!({})).expect("counts");
    }
    println!("100 questions beside {DEVICES} held devices: {:?}", begin.elapsed());
    for lamp in &lamps {
        let set = json!({"device": lamp.name, "document": "{}"});
        hub.ask("configuration set", set).expect("ordered");
    }
    while let Some(told) = hub.runtime.block_on(held.join_next()) {
        assert!(told.expect("it lives").configuration.is_some());
    }
    until_held(&hub, 0);
    hub.ask("audit check", json!({})).expect("rows equal the journal");
}

/// Revoking ends the connection of a held request without an answer; so does nothing else.
#[test]
fn a_held_request_ends_with_its_ldevid() {
    let mut hub = trusting(PATIENCE);
    let (revoked, other) = (Lamp::join(&hub, "A1"), Lamp::join(&hub, "A2"));
    let (first, second) = (waits(&hub, &revoked), waits(&hub, &other));
    until_held(&hub, 2);
    hub.ask("onboarding revoke", json!({"device": revoked.name, "why": "test"})).expect("revoked");
    let ended = hub.runtime.block_on(first).expect("it lives");
    assert!(ended.is_err(), "no byte of an answer: {ended:?}");
    until_held(&hub, 1);
    let again = hub.runtime.block_on(async {
        let mut line = revoked.connects().await;
        line.send(&revoked.request(&report(FILE))).await.map(|answer| answer.status)
    });
    assert!(again.is_err(), "{again:?}");
    hub.stop();
    let told = hub.runtime.block_on(second).expect("it lives").expect("a stopping hub answers");
    assert!(told.is_empty());
}

/// Of two requests of one device the older one ends.
#[test]
fn a_device_waits_once() {
    let hub = trusting(PATIENCE);
    let lamp = Lamp::join(&hub, "A1");
    let waits = || {
        let lamp = lamp.clone();
        let work = async move { lamp.says(&mut lamp.connects().await, &with_document()).await };
        hub.runtime.spawn(work)
    };
    let older = waits();
    until_held(&hub, 1);
    let newer = waits();
    assert!(hub.runtime.block_on(older).expect("it lives").expect("an answer").is_empty());
    hub.ask("configuration set", json!({"device": lamp.name, "document": "{}"})).expect("ordered");
    let told = hub.runtime.block_on(newer).expect("it lives").expect("an answer");
    assert!(told.configuration.is_some());
}

#[test]
fn who_has_not_joined_and_what_is_malformed_is_refused() {
    let hub = trusting(PATIENCE);
    let lamp = Lamp::join(&hub, "A1");
    let status = |request: Request, identity: Option<&Identity>| {
        hub.runtime.block_on(async {
            let tls = anchored(std::slice::from_ref(&lamp.authority), identity).expect("a config");
            let mut line = Connection::open(&Dialer::new(tls), &lamp.url).await.expect("a connection");
            line.send(&request).await.map(|answer| answer.status.as_u16()).ok()
        })
    };
    let good = lamp.request(&report(FILE));
    assert_eq!(status(good.clone(), None), None, "not a byte for a stranger");
    let ours = Some(&lamp.identity);
    let post = |media_type, body: &'static [u8]| Request::post(lamp.url.clone(), media_type, body);
    assert_eq!(status(post("text/plain", b"{}"), ours), Some(400));
    assert_eq!(status(post(MEDIA_TYPE, b"{}"), ours), Some(400));
    assert_eq!(status(post(MEDIA_TYPE, b"\xff"), ours), Some(400));
    assert_eq!(status(Request::get(lamp.url.clone()), ours), Some(400));
    let huge = Request::post(lamp.url.clone(), MEDIA_TYPE, vec![b' '; 70_000]);
    assert_eq!(status(huge, ours), Some(413));
    assert_eq!(figure(&hub, "check_ins_held"), 0);
    assert_eq!(status(good, ours), Some(200));
}
