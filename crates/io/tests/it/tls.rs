//! Who is let in, who must prove what, and that nothing is ever remembered: with rustls's own
//! client and openssl as judges.

use std::process::Stdio;
use std::sync::Arc;

use io::http::client::{Client, Connection, Dialer, Failure, Request};
use io::tls::client::{ServerJudge, anchored, judged, provisional};
use io::tls::server::{devices_config, people_config};
use io::tls::{Identity, TlsConfigError};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, HandshakeKind, RootCertStore, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::served::{PATIENCE, Served};
use crate::support::{DEVICE, Pki, SERVER, Thief, has};

const TLS12: &SupportedProtocolVersion = &rustls::version::TLS12;
const TLS13: &SupportedProtocolVersion = &rustls::version::TLS13;

/// rustls's own client as it comes: resumption on.
fn stranger(pki: &Pki, name: &str, version: &'static SupportedProtocolVersion) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(pki.der("ca"))).expect("a root");
    let key = PrivateKeyDer::from_pem_file(pki.path(&format!("{name}.key"))).expect("a key");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .expect("a version")
        .with_root_certificates(roots)
        .with_client_auth_cert(vec![CertificateDer::from(pki.der(name))], key)
        .expect("a client")
}

/// One request with `config`; what kind of handshake it took, and what came back.
async fn visit(served: &Served, config: &Arc<ClientConfig>) -> (HandshakeKind, String) {
    let tcp = TcpStream::connect(served.address).await.expect("connected");
    let name = "localhost".try_into().expect("a name");
    let connector = TlsConnector::from(config.clone());
    let mut tls = connector.connect(name, tcp).await.expect("a handshake");
    let request = b"GET /chain HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    tls.write_all(request).await.expect("sent");
    let mut answer = String::new();
    tls.read_to_string(&mut answer).await.expect("answered");
    let kind = tls.get_ref().1.handshake_kind().expect("a finished handshake");
    (kind, answer)
}

#[tokio::test]
async fn devices_never_resume_and_always_show_their_chain() {
    let pki = Pki::new();
    let (server, _) = (pki.leaf("server", SERVER), pki.leaf("device", DEVICE));
    for version in [TLS13, TLS12] {
        let served = Served::new(devices_config(&server).expect("a config")).await;
        let config = Arc::new(stranger(&pki, "device", version));
        for _ in 0..3 {
            let (kind, answer) = visit(&served, &config).await;
            assert_eq!(kind, HandshakeKind::Full, "{version:?}");
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        }
        assert_eq!(served.chains(), [1, 1, 1], "{version:?}");
        assert_eq!(served.peer(3).await.chain[0], pki.der("device"));

        // The same client resumes where it is allowed to: the test can see a resumption.
        let served = Served::new(people_config(&server).expect("a config")).await;
        visit(&served, &config).await;
        let (kind, _) = visit(&served, &config).await;
        assert_eq!(kind, HandshakeKind::Resumed, "{version:?}");
        assert_eq!(served.chains(), [0, 0], "nobody asked for a certificate");

        // Our own client does not.
        let ours = anchored(&[pki.der("ca")], None).expect("a config");
        visit(&served, &ours).await;
        assert_eq!(visit(&served, &ours).await.0, HandshakeKind::Full);
    }
}

/// Runs `openssl s_client` against `served` and returns all it printed.
async fn s_client(pki: &Pki, served: &Served, arguments: &[&str]) -> String {
    let mut child = tokio::process::Command::new("openssl")
        .args(["s_client", "-connect", &served.address.to_string(), "-CAfile", "ca.pem"])
        .args(["-servername", "localhost", "-ign_eof"])
        .args(arguments)
        .current_dir(pki.folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("openssl runs");
    let mut stdin = child.stdin.take().expect("a pipe");
    let request = b"GET /chain HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stdin.write_all(request).await.expect("sent");
    let done = timeout(PATIENCE, child.wait_with_output()).await;
    let done = done.expect("in time").expect("it ran");
    drop(stdin);
    String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned()
}

#[tokio::test]
async fn openssl_finds_no_session_to_reuse() {
    if !has("openssl_finds_no_session_to_reuse", "openssl") {
        return;
    }
    let pki = Pki::new();
    let (server, _) = (pki.leaf("server", SERVER), pki.leaf("device", DEVICE));
    let devices = Served::new(devices_config(&server).expect("a config")).await;
    let people = Served::new(people_config(&server).expect("a config")).await;
    for version in ["-tls1_3", "-tls1_2"] {
        let identity = [version, "-cert", "device.pem", "-key", "device.key"];
        for (served, resumes) in [(&devices, false), (&people, true)] {
            let session = format!("session{version}{resumes}");
            let out = [&identity[..], &["-sess_out", &session]].concat();
            let first = s_client(&pki, served, &out).await;
            assert!(first.contains("New, TLSv1"), "{version}: {first}");
            assert!(first.contains("HTTP/1.1 200"), "{version}: {first}");
            if !pki.path(&session).exists() {
                assert!(!resumes, "{version}: openssl got no session to keep");
                continue;
            }
            let back = [&identity[..], &["-sess_in", &session]].concat();
            let second = s_client(&pki, served, &back).await;
            assert_eq!(second.contains("Reused, TLSv1"), resumes, "{version}: {second}");
            assert_eq!(second.contains("New, TLSv1"), !resumes, "{version}: {second}");
        }
    }
    assert!(devices.chains().iter().all(|length| *length > 0));
    assert!(devices.chains().len() >= 2);
}

#[tokio::test]
async fn a_tls13_session_of_openssl_does_not_open_the_devices_door() {
    if !has("a_tls13_session_of_openssl_does_not_open_the_devices_door", "openssl") {
        return;
    }
    let pki = Pki::new();
    let (server, _) = (pki.leaf("server", SERVER), pki.leaf("device", DEVICE));
    let people = Served::new(people_config(&server).expect("a config")).await;
    let devices = Served::new(devices_config(&server).expect("a config")).await;
    for version in ["-tls1_3", "-tls1_2"] {
        s_client(&pki, &people, &[version, "-sess_out", "taken"]).await;
        let device = [version, "-cert", "device.pem", "-key", "device.key", "-sess_in", "taken"];
        let said = s_client(&pki, &devices, &device).await;
        assert!(said.contains("New, TLSv1") && said.contains("HTTP/1.1 200"), "{said}");
    }
    // openssl sends the CA's certificate too.
    assert_eq!(devices.chains(), [2, 2]);
}

fn client(config: Result<Arc<ClientConfig>, TlsConfigError>) -> Client {
    Client::new(Dialer::new(config.expect("a config")))
}

#[tokio::test]
async fn a_certificate_may_be_left_out() {
    let pki = Pki::new();
    let server = pki.leaf("server", SERVER);
    let served = Served::new(devices_config(&server).expect("a config")).await;
    let mut client = client(anchored(&[pki.der("ca")], None));
    let answer = client.send(&Request::get(served.url("/chain"))).await.expect("answered");
    assert_eq!(answer.body, "0");
}

#[tokio::test]
async fn a_client_with_somebody_elses_certificate_is_refused() {
    let pki = Pki::new();
    let server = pki.leaf("server", SERVER);
    let served = Served::new(devices_config(&server).expect("a config")).await;
    let mut device = pki.leaf("device", DEVICE);
    let other = pki.leaf("other", DEVICE);
    let honest = anchored(&[pki.der("ca")], Some(&device));
    let answer = client(honest).send(&Request::get(served.url("/chain"))).await;
    assert_eq!(answer.expect("answered").body, "1");

    device.signer = Arc::new(Thief { shown: device.signer, used: other.signer });
    let thief = anchored(&[pki.der("ca")], Some(&device));
    let mut thief = client(thief);
    // Also when a long request is under way already.
    let post = Request::post(served.url("/chain"), "text/plain", vec![b'x'; 50_000]);
    for request in [Request::get(served.url("/chain")), post.clone(), post.clone(), post] {
        let failure = thief.send(&request).await.expect_err("refused").failure;
        let alert = rustls::AlertDescription::DecryptError;
        assert!(matches!(failure, Failure::RefusedByServer(got) if got == alert), "{failure}");
    }
    assert_eq!(served.chains(), [1], "no request of the thief came through");
}

/// The certificate of `shown` with the key `used`: rustls's resolver does not compare them.
fn mismatched(pki: &Pki, shown: &Identity, used: &str) -> Arc<SingleCertAndKey> {
    let key = PrivateKeyDer::from_pem_file(pki.path(&format!("{used}.key"))).expect("a key");
    let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key).expect("a key");
    let chain = shown.chain.iter().cloned().map(CertificateDer::from);
    Arc::new(CertifiedKey::new(chain.collect(), key).into())
}

#[tokio::test]
async fn a_relay_is_refused_by_tls12_too() {
    let pki = Pki::new();
    let registrar = pki.leaf("registrar", SERVER);
    pki.leaf("relay", SERVER);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let ask = async |key: &str| {
        let config = rustls::ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[TLS12])
            .expect("a version")
            .with_no_client_auth()
            .with_cert_resolver(mismatched(&pki, &registrar, key));
        let served = Served::new(Arc::new(config)).await;
        let dialer = Dialer::new(provisional(None).expect("a config"));
        Connection::open(&dialer, &served.url("/")).await.map(drop)
    };
    ask("registrar").await.expect("its own key");
    let refused = ask("relay").await.expect_err("refused");
    let bad = rustls::CertificateError::BadSignature;
    let expect = rustls::Error::InvalidCertificate(bad);
    assert!(matches!(&refused.failure, Failure::ServerRefused(e) if *e == expect), "{refused}");
}

#[tokio::test]
async fn a_thief_is_refused_by_tls12_too() {
    let pki = Pki::new();
    let server = pki.leaf("server", SERVER);
    let device = pki.leaf("device", DEVICE);
    pki.leaf("other", DEVICE);
    let served = Served::new(devices_config(&server).expect("a config")).await;
    let mut config = stranger(&pki, "other", TLS12);
    config.client_auth_cert_resolver = mismatched(&pki, &device, "other");
    let refused = client(Ok(Arc::new(config))).send(&Request::get(served.url("/chain"))).await;
    let failure = refused.expect_err("refused").failure;
    assert!(matches!(failure, Failure::RefusedByServer(_)), "{failure}");
    assert!(served.chains().is_empty());
}

#[tokio::test]
async fn a_provisional_client_keeps_the_chain_but_wants_the_proof() {
    let pki = Pki::new();
    let elsewhere = Pki::new();
    let mut server = elsewhere.leaf("server", &["extendedKeyUsage=1.3.6.1.5.5.7.3.28"]);
    let served = Served::new(devices_config(&server).expect("a config")).await;
    let device = pki.leaf("device", DEVICE);
    let config = provisional(Some(&device)).expect("a config");
    let dialer = Dialer::new(config);
    let mut connection = Connection::open(&dialer, &served.url("/")).await.expect("open");
    assert_eq!(connection.server_chain(), [elsewhere.der("server")]);
    for _ in 0..3 {
        let answer = connection.send(&Request::get(served.url("/chain"))).await;
        assert_eq!(answer.expect("answered").body, "1");
    }
    let peers = served.peers.lock().expect("no panic").clone();
    assert!(peers.iter().all(|peer| peer.address == peers[0].address), "one connection");

    // The relay shows the registrar's certificate without its key.
    let relay = elsewhere.leaf("relay", SERVER);
    server.signer = Arc::new(Thief { shown: server.signer, used: relay.signer });
    let served = Served::new(devices_config(&server).expect("a config")).await;
    let refused = Connection::open(&dialer, &served.url("/")).await.expect_err("refused");
    let bad = rustls::CertificateError::BadSignature;
    let expect = rustls::Error::InvalidCertificate(bad);
    assert!(matches!(&refused.failure, Failure::ServerRefused(e) if *e == expect), "{refused}");
}

#[tokio::test]
async fn an_anchored_client_believes_its_anchor_alone() {
    let pki = Pki::new();
    let elsewhere = Pki::new();
    let cmc_ra = "extendedKeyUsage=1.3.6.1.5.5.7.3.28";
    let both = "extendedKeyUsage=serverAuth,1.3.6.1.5.5.7.3.28";
    let name = "subjectAltName=DNS:localhost";
    let check = async |server: &Identity, ok: bool, what: &str| {
        let served = Served::new(people_config(server).expect("a config")).await;
        let mut client = client(anchored(&[pki.der("ca")], None));
        let answer = client.send(&Request::get(served.url("/chain"))).await;
        assert_eq!(answer.is_ok(), ok, "{what}: {answer:?}");
        if let Err(error) = answer {
            assert!(matches!(error.failure, Failure::ServerRefused(_)), "{what}: {error}");
        }
    };
    check(&pki.leaf("good", SERVER), true, "good").await;
    check(&pki.leaf("both", &[both, name]), true, "cmcRA beside serverAuth").await;
    check(&pki.leaf("any", &[name]), true, "no use named").await;
    check(&pki.leaf("cmc", &[cmc_ra, name]), false, "cmcRA alone: the caller judges").await;
    check(&pki.leaf("nameless", &["subjectAltName=DNS:other"]), false, "another name").await;
    check(&elsewhere.leaf("foreign", SERVER), false, "another CA").await;
}

struct OnlyThis(Vec<u8>);

impl ServerJudge for OnlyThis {
    fn judge(&self, chain: &[&[u8]], server: &str, now_millis: i64) -> Result<(), String> {
        assert!(now_millis > 1_700_000_000_000 && server == "localhost");
        if chain == [&self.0[..]] { Ok(()) } else { Err("not this one".to_owned()) }
    }
}

#[tokio::test]
async fn the_callers_own_judgement_is_asked() {
    let pki = Pki::new();
    let ours = pki.leaf("ours", &["extendedKeyUsage=1.3.6.1.5.5.7.3.28"]);
    let served = Served::new(people_config(&ours).expect("a config")).await;
    let ask = async |wanted: Vec<u8>| {
        let mut client = client(judged(Arc::new(OnlyThis(wanted)), None));
        client.send(&Request::get(served.url("/chain"))).await
    };
    ask(ours.chain[0].clone()).await.expect("believed");
    let refused = ask(pki.der("ca")).await.expect_err("refused").to_string();
    assert!(refused.contains("not this one"), "{refused}");
}

#[test]
fn configurations_name_what_is_wrong() {
    let pki = Pki::new();
    let good = pki.leaf("good", SERVER);
    let other = pki.leaf("other", SERVER);
    let mixed = Identity { signer: other.signer, ..good.clone() };
    let empty = Identity { chain: Vec::new(), ..good.clone() };
    let garbage = Identity { chain: vec![vec![0x30, 0x03, 1, 2, 3]], ..good.clone() };
    let not_its = |e| matches!(e, TlsConfigError::NotItsKey(_));
    let devices = devices_config(&good).expect("a config");
    assert!(devices.send_tls13_tickets == 0 && !devices.session_storage.can_cache());
    assert!(not_its(people_config(&mixed).expect_err("refused")));
    assert!(not_its(devices_config(&garbage).expect_err("refused")));
    assert!(not_its(provisional(Some(&mixed)).expect_err("refused")));
    let empty = devices_config(&empty).expect_err("refused");
    assert!(matches!(empty, TlsConfigError::NoCertificate));
    let anchors = [pki.der("ca"), b"nonsense".to_vec()];
    let bad = anchored(&anchors, None).expect_err("refused");
    assert!(matches!(bad, TlsConfigError::BadAnchor { number: 2, .. }));
    assert!(matches!(anchored(&[], None), Err(TlsConfigError::NoAnchors)));
}
