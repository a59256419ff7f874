//! A server for the other tests: it does what the path says and remembers who came.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::{Future, pending};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming};
use hyper::{Request, Response, StatusCode};
use io::http::away::TurnedAway;
use io::http::body::read_body;
use io::http::server::{Peer, ServerLimits, serve_counting};
use io::http::url::Url;
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinHandle;

/// The longest that anything here may take.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A server on a port of its own.
pub struct Served {
    pub address: SocketAddr,
    pub peers: Arc<Mutex<Vec<Peer>>>,
    /// Each permit lets one request of `/wait` go on.
    pub gate: Arc<Semaphore>,
    /// Whom it turned away.
    pub away: TurnedAway,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Served {
    pub async fn new(tls: Arc<ServerConfig>) -> Self {
        Self::with(tls, ServerLimits::default()).await
    }

    pub async fn with(tls: Arc<ServerConfig>, limits: ServerLimits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let peers = Arc::new(Mutex::new(Vec::new()));
        let (stop, stopped) = oneshot::channel();
        let gate = Arc::new(Semaphore::new(0));
        let app = App { peers: peers.clone(), gate: gate.clone() };
        let stopped = async { stopped.await.unwrap_or_default() };
        let away = TurnedAway::default();
        let task = tokio::spawn(serve_counting(listener, tls, limits, away.clone(), app, stopped));
        let stop = Some(stop);
        Self { address, peers, gate, away, stop, task }
    }

    pub fn url(&self, path: &str) -> Url {
        let text = format!("https://localhost:{}{path}", self.address.port());
        Url::parse(&text).expect("a good URL")
    }

    /// How many certificates each request's peer had shown.
    pub fn chains(&self) -> Vec<usize> {
        let peers = self.peers.lock().expect("no panic");
        peers.iter().map(|peer| peer.chain.len()).collect()
    }

    /// Tells it to stop; [`Served::ended`] waits.
    pub fn stop(&mut self) {
        let _ = self.stop.take().expect("stopped once").send(());
    }

    /// The last peer, once there have been `count` requests.
    pub async fn peer(&self, count: usize) -> Peer {
        let seen = async {
            loop {
                let seen = self.peers.lock().expect("no panic").get(count - 1).cloned();
                if let Some(peer) = seen {
                    return peer;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, seen).await.expect("in time")
    }

    pub async fn ended(self) {
        let ended = tokio::time::timeout(PATIENCE, self.task).await;
        ended.expect("in time").expect("no panic");
    }
}

#[derive(Clone)]
struct App {
    peers: Arc<Mutex<Vec<Peer>>>,
    gate: Arc<Semaphore>,
}

type Answering = Pin<Box<dyn Future<Output = Result<Response<Pieces>, Infallible>> + Send>>;

impl tower_service::Service<Request<Incoming>> for App {
    type Response = Response<Pieces>;
    type Error = Infallible;
    type Future = Answering;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Answering {
        let peer = request.extensions().get::<Peer>().expect("a peer").clone();
        self.peers.lock().expect("no panic").push(peer.clone());
        let gate = self.gate.clone();
        Box::pin(async move { Ok(answer(request, &peer, &gate).await) })
    }
}

async fn answer(request: Request<Incoming>, peer: &Peer, gate: &Semaphore) -> Response<Pieces> {
    let one = |text: &str| Pieces::new(&[Some(text.as_bytes())]);
    match request.uri().path() {
        "/chain" => Response::new(one(&peer.chain.len().to_string())),
        "/echo" => match read_body(request.into_body(), 1000, PATIENCE).await {
            Ok(body) => Response::new(Pieces::new(&[Some(&body)])),
            Err(error) => {
                let mut refused = Response::new(one(&error.to_string()));
                *refused.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
                refused
            }
        },
        "/silent" => pending().await,
        "/wait" => {
            gate.acquire().await.expect("never closed").forget();
            Response::new(one("waited"))
        }
        "/half" => Response::new(Pieces::new(&[Some(b"half"), None])),
        "/large" => Response::new(Pieces::new(&[Some(&[b'x'; 1000][..]); 100])),
        "/endless" => Response::new(Pieces(VecDeque::new())),
        "/events" => Response::new(Pieces::new(&[
            Some(b"event: a\nda"),
            Some(b"ta: 1\n\n:alive\n\ndata: 2\n\n"),
            None,
        ])),
        "/close" => {
            peer.closer.close();
            Response::new(one("never seen"))
        }
        _ => {
            let mut missing = Response::new(one(""));
            *missing.status_mut() = StatusCode::NOT_FOUND;
            missing
        }
    }
}

/// A body in pieces. `None` waits for ever, an empty piece is the end; without one it never ends.
pub struct Pieces(VecDeque<Option<Bytes>>);

impl Pieces {
    fn new(pieces: &[Option<&[u8]>]) -> Self {
        Self(pieces.iter().map(|p| p.map(Bytes::copy_from_slice)).chain([Some(Bytes::new())]).collect())
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(None) = self.0.front() {
            return Poll::Pending;
        }
        match self.0.pop_front().flatten() {
            None => Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b'x'; 16384]))))),
            Some(piece) if piece.is_empty() => Poll::Ready(None),
            Some(piece) => Poll::Ready(Some(Ok(Frame::data(piece)))),
        }
    }
}
