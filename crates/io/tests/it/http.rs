//! The server against slow, silent and greedy peers; the client against bad servers.

use std::sync::Arc;
use std::time::Duration;

use io::http::away::Away;
use io::http::client::{Client, Connection, Dialer, Failure, Request};
use io::http::server::ServerLimits;
use io::http::url::Url;
use io::http::{Method, StatusCode};
use io::tls::client::anchored;
use io::tls::server::{devices_config, people_config};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout};

use crate::served::{PATIENCE, Served};
use crate::support::{Pki, SERVER, has};

const SHORT: Duration = Duration::from_millis(500);

async fn served(limits: ServerLimits) -> (Pki, Served, Dialer) {
    let pki = Pki::new();
    let server = pki.leaf("server", SERVER);
    let served = Served::with(devices_config(&server).expect("a config"), limits).await;
    let dialer = Dialer::new(anchored(&[pki.der("ca")], None).expect("a config"));
    (pki, served, dialer)
}

/// Waits until the other side has closed, whatever it sends before.
async fn closed(stream: &mut (impl AsyncReadExt + Unpin)) {
    let mut rest = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut rest)).await.expect("closed in time");
}

#[tokio::test]
async fn curl_is_served() {
    if !has("curl_is_served", "curl") {
        return;
    }
    let pki = Pki::new();
    let server = pki.leaf("server", SERVER);
    let served = Served::new(people_config(&server).expect("a config")).await;
    std::fs::write(pki.path("fits"), [b'x'; 1000]).expect("written");
    std::fs::write(pki.path("too large"), [b'x'; 1001]).expect("written");
    let curl = async |arguments: &[&str], path: &str| {
        let done = tokio::process::Command::new("curl")
            .args(["--silent", "--show-error", "--cacert", "ca.pem", "--write-out", " %{http_code}"])
            .args(arguments)
            .arg(served.url(path).to_string())
            .current_dir(pki.folder.path())
            .output();
        let done = timeout(PATIENCE, done).await.expect("in time").expect("curl runs");
        String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned()
    };
    assert_eq!(curl(&["--tlsv1.3"], "/chain").await, "0 200");
    assert_eq!(curl(&["--tls-max", "1.2"], "/chain").await, "0 200");
    assert_eq!(curl(&[], "/nowhere").await, " 404");
    let said = curl(&["--data-binary", "@fits"], "/echo").await;
    assert!(said.ends_with("xx 200") && said.len() == 1004, "{said}");
    let refused = "the body is larger than 1000 bytes 413";
    assert_eq!(curl(&["--data-binary", "@too large"], "/echo").await, refused);
    let chunked = ["--data-binary", "@too large", "--header", "Transfer-Encoding: chunked"];
    assert_eq!(curl(&chunked, "/echo").await, refused);
    let refused = curl(&["--tls-max", "1.1"], "/chain").await;
    assert!(refused.starts_with(" 000"), "{refused}");
}

#[tokio::test]
async fn silent_and_slow_peers_hold_up_nobody() {
    let limits = ServerLimits { handshakes_max: 1, handshake: 8 * SHORT, ..ServerLimits::default() };
    let (_pki, served, dialer) = served(limits).await;
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(TcpStream::connect(served.address).await.expect("connected"));
    }
    // The beginning of a ClientHello, a byte at a time.
    let mut slow = TcpStream::connect(served.address).await.expect("connected");
    slow.write_all(&[22, 3, 1, 2, 0]).await.expect("sent");
    let began = Instant::now();
    let drip = tokio::spawn(async move {
        let mut every = tokio::time::interval(SHORT / 10);
        while slow.write_all(&[1]).await.is_ok() {
            every.tick().await;
        }
    });

    let mut client = Client::new(dialer);
    let request = Request::get(served.url("/chain")).within(6 * SHORT);
    client.send(&request).await.expect("served at once");
    assert!(began.elapsed() < 8 * SHORT, "the others are still there");

    for stream in &mut silent {
        closed(stream).await;
    }
    assert!(began.elapsed() >= 7 * SHORT, "the silent ones had their time");
    timeout(PATIENCE, drip).await.expect("in time").expect("the slow one was ended");
    assert_eq!(Away::ALL.map(|why| served.away.count(why)), [0, 0, 21, 0]);
}

/// Each is counted once, by why.
#[tokio::test]
async fn who_is_turned_away_is_counted() {
    let limits = ServerLimits { address_connections_max: 1, ..ServerLimits::default() };
    let (pki, served, _) = served(limits).await;
    let counts = || Away::ALL.map(|why| served.away.count(why));
    let config = anchored(&[pki.der("ca")], None).expect("a config");
    let connector = tokio_rustls::TlsConnector::from(config);
    let tcp = TcpStream::connect(served.address).await.expect("connected");
    let mut tls = connector.connect("localhost".try_into().expect("a name"), tcp).await.expect("TLS");
    closed(&mut TcpStream::connect(served.address).await.expect("connected")).await;
    assert_eq!(counts(), [1, 0, 0, 0], "its address has its one connection");
    tls.write_all(b"no HTTP\r\n\r\n").await.expect("sent");
    closed(&mut tls).await;
    drop(tls);
    // The place of the one before may not be given back yet.
    while counts()[1] == 0 {
        let mut plain = TcpStream::connect(served.address).await.expect("connected");
        plain.write_all(b"GET / HTTP/1.1\r\n\r\n").await.expect("sent");
        closed(&mut plain).await;
    }
    assert_eq!(counts()[1..], [1, 0, 1]);
}

#[tokio::test]
async fn a_header_must_come_in_time() {
    let limits = ServerLimits { header: SHORT, ..ServerLimits::default() };
    let (pki, served, _) = served(limits).await;
    let config = anchored(&[pki.der("ca")], None).expect("a config");
    let connector = tokio_rustls::TlsConnector::from(config);
    for sent in [&b""[..], b"GET / HT", b"GET /chain HTTP/1.1\r\nHost: localhost\r\n\r\n"] {
        let tcp = TcpStream::connect(served.address).await.expect("connected");
        let name = "localhost".try_into().expect("a name");
        let mut tls = connector.connect(name, tcp).await.expect("a handshake");
        tls.write_all(sent).await.expect("sent");
        closed(&mut tls).await;
    }
    assert_eq!(served.chains().len(), 1, "the whole request was answered, then idle");
}

#[tokio::test]
async fn a_body_announced_too_large_is_refused_before_it_comes() {
    let (pki, served, _) = served(ServerLimits::default()).await;
    let config = anchored(&[pki.der("ca")], None).expect("a config");
    let tcp = TcpStream::connect(served.address).await.expect("connected");
    let name = "localhost".try_into().expect("a name");
    let mut tls = tokio_rustls::TlsConnector::from(config).connect(name, tcp).await.expect("TLS");
    let announced = b"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1001\r\n\r\n";
    tls.write_all(announced).await.expect("sent");
    let mut answer = [0; 12];
    timeout(PATIENCE, tls.read_exact(&mut answer)).await.expect("in time").expect("answered");
    assert_eq!(&answer, b"HTTP/1.1 413");
}

#[tokio::test]
async fn a_peer_that_reads_nothing_is_given_up() {
    let limits = ServerLimits { stall: SHORT, ..ServerLimits::default() };
    let (_pki, served, dialer) = served(limits).await;
    let connection = Connection::open(&dialer, &served.url("/")).await.expect("open");
    let stream = connection.stream(&Request::get(served.url("/endless"))).await.expect("begun");
    let peer = served.peer(1).await;
    assert!(!peer.closer.is_over());
    timeout(PATIENCE, peer.closer.over()).await.expect("given up");
    drop(stream);
}

#[tokio::test]
async fn connections_are_bounded() {
    let limits = ServerLimits { connections_max: 1, ..ServerLimits::default() };
    let (_pki, served, dialer) = served(limits).await;
    let first = Connection::open(&dialer, &served.url("/")).await.expect("open");
    let waiting = dialer.clone().within(SHORT);
    let error = Connection::open(&waiting, &served.url("/")).await.expect_err("must wait");
    assert!(matches!(error.failure, Failure::TimedOut { .. }), "{error}");
    drop(first);
    Connection::open(&dialer, &served.url("/")).await.expect("open now");
}

#[tokio::test]
async fn one_address_takes_no_more_than_its_share() {
    let limits = ServerLimits { address_connections_max: 2, ..ServerLimits::default() };
    let (_pki, served, dialer) = served(limits).await;
    let first = Connection::open(&dialer, &served.url("/")).await.expect("open");
    // Without a word it counts as well.
    let silent = TcpStream::connect(served.address).await.expect("open");
    let error = Connection::open(&dialer, &served.url("/")).await.expect_err("closed at once");
    assert!(!matches!(error.failure, Failure::TimedOut { .. }), "{error}");
    // Another address of this machine is somebody else.
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.bind("127.0.0.2:0".parse().expect("an address")).expect("bound");
    let mut other = socket.connect(served.address).await.expect("open");
    let mut byte = [0];
    assert!(timeout(SHORT, other.read(&mut byte)).await.is_err(), "it is kept");
    drop((first, silent));
    let again = async {
        while Connection::open(&dialer, &served.url("/")).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, again).await.expect("its places are free again");
}

#[tokio::test]
async fn a_connection_is_ended_from_elsewhere() {
    let (_pki, served, dialer) = served(ServerLimits::default()).await;
    let open = async || Connection::open(&dialer, &served.url("/")).await.expect("open");
    let closed = |error: io::http::client::ClientError| {
        assert!(matches!(error.failure, Failure::Closed(_)), "{error}");
    };

    // By its own request.
    closed(open().await.send(&Request::get(served.url("/close"))).await.expect_err("no answer"));

    // While it is idle.
    let mut idle = open().await;
    idle.send(&Request::get(served.url("/chain"))).await.expect("answered");
    let peer = served.peer(2).await;
    assert!(!peer.closer.is_over());
    peer.closer.close();
    timeout(PATIENCE, peer.closer.over()).await.expect("over");
    closed(idle.send(&Request::get(served.url("/chain"))).await.expect_err("no answer"));
    assert!(peer.closer.is_over());

    // While a request is in work.
    let mut busy = open().await;
    let request = Request::get(served.url("/silent"));
    let (answer, ()) = tokio::join!(busy.send(&request), async {
        served.peer(3).await.closer.close();
    });
    closed(answer.expect_err("no answer"));

    // While an answer is under way.
    let mut half = open().await;
    let request = Request::get(served.url("/half"));
    let (answer, ()) = tokio::join!(half.send(&request), async {
        served.peer(4).await.closer.close();
    });
    closed(answer.expect_err("no whole answer"));

    // Later, unless it was thought better of.
    let mut idle = open().await;
    idle.send(&Request::get(served.url("/chain"))).await.expect("answered");
    let peer = served.peer(5).await;
    drop(peer.closer.close_within(Duration::ZERO));
    idle.send(&Request::get(served.url("/chain"))).await.expect("answered");
    let _later = peer.closer.close_within(SHORT);
    timeout(PATIENCE, peer.closer.over()).await.expect("over");
}

#[tokio::test]
async fn a_stopped_server_finishes_what_it_can() {
    let limits = ServerLimits { drain: PATIENCE, ..ServerLimits::default() };
    let (_pki, mut served, dialer) = served(limits).await;
    let open = async |url: Url| Connection::open(&dialer, &url).await;
    let _idle = open(served.url("/")).await.expect("open");
    let mut busy = open(served.url("/")).await.expect("open");
    let request = Request::get(served.url("/wait"));
    let (answer, ()) = tokio::join!(busy.send(&request), async {
        served.peer(1).await;
        served.stop();
        let refused = loop {
            if let Err(refused) = open(served.url("/")).await {
                break refused.failure;
            }
        };
        assert!(matches!(refused, Failure::Unreachable(_) | Failure::Closed(_)), "{refused}");
        served.gate.add_permits(1);
    });
    assert_eq!(answer.expect("answered").body, "waited");
    served.ended().await;
}

#[tokio::test]
async fn a_stopped_server_waits_no_longer_than_its_limit() {
    let limits = ServerLimits { drain: SHORT, ..ServerLimits::default() };
    let (_pki, mut served, dialer) = served(limits).await;
    let mut busy = Connection::open(&dialer, &served.url("/")).await.expect("open");
    let request = Request::get(served.url("/silent"));
    let (answer, ()) = tokio::join!(busy.send(&request), async {
        served.peer(1).await;
        served.stop();
    });
    assert!(matches!(answer.expect_err("cut off").failure, Failure::Closed(_)));
    served.ended().await;
}

#[tokio::test]
async fn the_client_keeps_its_limits() {
    let (_pki, served, dialer) = served(ServerLimits::default()).await;
    let mut client = Client::new(dialer);
    let mut ask = async |path: &str, bytes_max: usize, within: Duration| {
        let request = Request::get(served.url(path)).within(within).answer_bytes_max(bytes_max);
        client.send(&request).await.map_err(|e| e.failure)
    };
    assert_eq!(ask("/large", 100_000, PATIENCE).await.expect("it fits").body.len(), 100_000);
    let too_large = ask("/large", 99_999, PATIENCE).await.expect_err("too large");
    assert!(matches!(too_large, Failure::TooLarge { what: "body", bytes_max: 99_999 }));
    assert!(matches!(ask("/endless", 99_999, PATIENCE).await, Err(Failure::TooLarge { .. })));
    assert!(matches!(ask("/silent", 10, SHORT).await, Err(Failure::TimedOut { .. })));
    assert!(matches!(ask("/half", 10, SHORT).await, Err(Failure::TimedOut { .. })));
    assert_eq!(ask("/chain", 1, PATIENCE).await.expect("still of use").body, "0");
}

#[tokio::test]
async fn a_connection_is_kept_and_made_anew() {
    let (_pki, served, dialer) = served(ServerLimits::default()).await;
    let mut client = Client::new(dialer);
    let body = vec![b'x'; 1000];
    for _ in 0..2 {
        client.send(&Request::get(served.url("/chain"))).await.expect("answered");
        let post = Request::post(served.url("/echo"), "text/plain", body.clone());
        assert_eq!(client.send(&post).await.expect("answered").body, body);
    }
    let first = served.peer(4).await;
    first.closer.close();
    first.closer.over().await;
    client.send(&Request::get(served.url("/chain"))).await.expect("answered");
    let peers = served.peers.lock().expect("no panic");
    let ports: Vec<_> = peers.iter().map(|peer| peer.address.port()).collect();
    assert!(ports[..4].iter().all(|port| *port == ports[0]), "{ports:?}");
    assert_ne!(ports[4], ports[0]);
}

#[tokio::test]
async fn a_kept_connection_is_not_used_for_another_server() {
    let (_pki, served, dialer) = served(ServerLimits::default()).await;
    let mut client = Client::new(dialer);
    let port = served.address.port();
    for host in ["localhost", "127.0.0.1", "127.0.0.1", "localhost"] {
        let url = Url::parse(&format!("https://{host}:{port}/chain")).expect("a URL");
        client.send(&Request::get(url)).await.expect("answered");
    }
    let peers = served.peers.lock().expect("no panic");
    let ports: Vec<_> = peers.iter().map(|peer| peer.address.port()).collect();
    assert!(ports[0] != ports[1] && ports[1] == ports[2] && ports[2] != ports[3], "{ports:?}");
}

/// In place of an answer: the connection is closed before another request is read.
const CLOSE: &str = "close";

/// A plain server that gives each connection one of `answers` per request, and closes it upon the
/// request after the last.
async fn scripted(answers: &'static [&'static str]) -> (Url, Arc<std::sync::atomic::AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let count = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = count.clone();
    tokio::spawn(async move {
        'next: while let Ok((mut stream, _)) = listener.accept().await {
            counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            for answer in answers {
                if *answer == CLOSE {
                    continue 'next;
                }
                let mut request = [0; 4096];
                let _ = stream.read(&mut request).await;
                let _ = stream.write_all(answer.as_bytes()).await;
            }
            let _ = stream.read(&mut [0; 4096]).await;
        }
    });
    (Url::parse(&format!("http://{address}/")).expect("a URL"), count)
}

#[tokio::test]
async fn a_request_is_repeated_only_where_that_is_harmless() {
    let (url, connections) = scripted(&["HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"]).await;
    let seen = || connections.load(std::sync::atomic::Ordering::SeqCst);
    let mut client = Client::new(Dialer::plain());
    client.send(&Request::get(url.clone())).await.expect("answered");
    client.send(&Request::get(url.clone())).await.expect("answered over a new connection");
    assert_eq!(seen(), 2);
    let post = Request::post(url.clone(), "text/plain", "once");
    let error = client.send(&post).await.expect_err("it may have been done");
    assert!(matches!(error.failure, Failure::Closed(_)), "{error}");
    assert_eq!(seen(), 2);
}

#[tokio::test]
async fn bad_answers_are_named() {
    let check = async |answer: &'static [&'static str], expect: fn(&Failure) -> bool| {
        let (url, _) = scripted(answer).await;
        let request = Request::get(url.clone()).within(PATIENCE);
        let sent = Client::new(Dialer::plain()).send(&request).await;
        let error = sent.expect_err("refused");
        assert!(expect(&error.failure), "{answer:?}: {error}");
        assert!(error.to_string().starts_with(&url.authority()), "{error}");
    };
    let malformed: fn(&Failure) -> bool = |f| matches!(f, Failure::Malformed(_));
    check(&["SSH-2.0-OpenSSH_9.2\r\n\r\n"], malformed).await;
    check(&["HTTP/1.1 999999 Odd\r\n\r\n"], malformed).await;
    check(&["HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"], malformed).await;
    check(&[CLOSE], |f| matches!(f, Failure::Closed(_))).await;
    check(&["HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nshort", CLOSE], |f| {
        matches!(f, Failure::Closed(_))
    })
    .await;
    let long: &'static str = format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(70_000)).leak();
    check(vec![long].leak(), |f| matches!(f, Failure::TooLarge { what: "header", .. })).await;
}

#[tokio::test]
async fn who_may_be_asked_and_how() {
    let (_pki, served, dialer) = served(ServerLimits::default()).await;
    let failure = async |dialer: &Dialer, url: &Url| {
        let opened = Connection::open(dialer, url).await;
        opened.expect_err("refused").failure
    };
    let nobody = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = nobody.local_addr().expect("an address").port();
    drop(nobody);
    let url = |text: &str| Url::parse(text).expect("a URL");
    let gone = failure(&dialer, &url(&format!("https://127.0.0.1:{port}/"))).await;
    assert!(matches!(gone, Failure::Unreachable(_)), "{gone}");

    let not_here = dialer.clone().only_where(Arc::new(|address| !address.is_loopback()));
    let forbidden = failure(&not_here, &served.url("/")).await;
    assert!(matches!(forbidden, Failure::Forbidden(a) if a.is_loopback()), "{forbidden}");

    let plain = failure(&dialer, &url("http://192.0.2.1/")).await;
    assert!(matches!(plain, Failure::PlainElsewhere(_)), "{plain}");
    assert!(matches!(failure(&Dialer::plain(), &served.url("/")).await, Failure::NoTls));

    let not_tls = scripted(&["HTTP/1.1 400 Bad Request\r\n\r\n"]).await.0.to_string();
    let not_tls = failure(&dialer, &url(&not_tls.replace("http:", "https:"))).await;
    assert!(matches!(not_tls, Failure::ServerRefused(_)), "{not_tls}");

    let mut connection = Connection::open(&dialer, &served.url("/")).await.expect("open");
    let elsewhere = Request::get(url("https://example.com/"));
    let other = connection.send(&elsewhere).await.expect_err("refused").failure;
    assert!(matches!(other, Failure::OtherServer), "{other}");
    let head = Request::new(Method::HEAD, served.url("/nowhere"));
    let answer = connection.send(&head).await.expect("the connection is still of use");
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn events_are_read_one_by_one() {
    let (_pki, served, dialer) = served(ServerLimits::default()).await;
    let open = async || Connection::open(&dialer, &served.url("/")).await.expect("open");
    let request = Request::get(served.url("/events"));
    let mut stream = open().await.stream(&request).await.expect("begun");
    assert_eq!(stream.status, StatusCode::OK);
    let mut next = async |within| stream.next_event(within).await;
    let first = next(PATIENCE).await.expect("read").expect("an event");
    assert_eq!((first.kind.as_str(), first.data.as_str()), ("a", "1"));
    assert_eq!(next(PATIENCE).await.expect("read").expect("an event").data, "2");
    assert!(matches!(next(SHORT).await.expect_err("nothing").failure, Failure::TimedOut { .. }));

    let endless = Request::get(served.url("/endless"));
    let mut stream = open().await.stream(&endless).await.expect("begun");
    let error = stream.next_event(PATIENCE).await.expect_err("too large").failure;
    assert!(matches!(error, Failure::TooLarge { what: "event", .. }), "{error}");

    let whole = Request::get(served.url("/large"));
    let mut stream = open().await.stream(&whole).await.expect("begun");
    let mut bytes = 0;
    while let Some(piece) = stream.next_piece(PATIENCE).await.expect("read") {
        bytes += piece.len();
    }
    assert_eq!(bytes, 100_000);
}
