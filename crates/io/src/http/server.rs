//! A listener that one slow, silent or greedy peer cannot hold up.
//!
//! Each connection has a task of its own from the first byte. A peer that has not sent its whole
//! ClientHello holds one of the connections and nothing else; from then on it holds one of the
//! fewer handshakes; both end with one time limit.

use std::convert::Infallible;
use std::error::Error;
use std::future::{Future, pending};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::{AbortHandle, JoinError, JoinSet};
use tokio::time::timeout;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use crate::http::away::{Away, TurnedAway};
use crate::http::shares::{Shares, network};
use crate::limits::{
    ACCEPT_PAUSE_MILLIS_MAX, ADDRESS_CONNECTIONS_MAX, CONNECTIONS_MAX, DRAIN_SECONDS_MAX,
    HANDSHAKE_SECONDS_MAX, HANDSHAKES_MAX, HEADER_BYTES_MAX, HEADER_SECONDS_MAX, HEADERS_MAX,
    STALL_SECONDS_MAX,
};

/// What one listener spends on its peers. The default is the constants of [`crate::limits`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerLimits {
    /// Connections at once; more wait in the kernel's queue.
    pub connections_max: usize,
    /// Those of them from one address, or one /64 of IPv6; more are closed at once.
    pub address_connections_max: usize,
    /// TLS handshakes at once, counted from the whole ClientHello.
    pub handshakes_max: usize,
    /// From the accepted connection to the end of its handshake.
    pub handshake: Duration,
    /// From the end of the handshake, or of the answer before, to the end of a request's header:
    /// also how long an idle connection is kept.
    pub header: Duration,
    /// How long a peer may leave what we sent it unacknowledged, or its window shut.
    pub stall: Duration,
    /// How long running requests get after the shutdown.
    pub drain: Duration,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            connections_max: CONNECTIONS_MAX,
            address_connections_max: ADDRESS_CONNECTIONS_MAX,
            handshakes_max: HANDSHAKES_MAX,
            handshake: Duration::from_secs(HANDSHAKE_SECONDS_MAX),
            header: Duration::from_secs(HEADER_SECONDS_MAX),
            stall: Duration::from_secs(STALL_SECONDS_MAX),
            drain: Duration::from_secs(DRAIN_SECONDS_MAX),
        }
    }
}

/// Who sent a request: found in the request's extensions.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Where it came from.
    pub address: SocketAddr,
    /// The certificates it showed (DER, its own first), or none. It holds the key of the first;
    /// nothing else has been judged. The same for all requests of a connection.
    pub chain: Arc<[Vec<u8>]>,
    /// Ends its connection.
    pub closer: Closer,
}

/// A handle on one connection, to end it from elsewhere.
#[derive(Clone, Debug)]
pub struct Closer(Arc<watch::Sender<bool>>);

impl Closer {
    fn new() -> (Self, watch::Receiver<bool>) {
        let (sender, receiver) = watch::channel(false);
        (Self(Arc::new(sender)), receiver)
    }

    /// Ends the connection at once, without a farewell: a request in work is dropped, and no further
    /// answer is begun, the one of the calling request included. This is how a peer is refused.
    pub fn close(&self) {
        self.0.send_replace(true);
    }

    /// Ends the connection `within` this time, unless the answer is dropped before.
    #[must_use]
    pub fn close_within(&self, within: Duration) -> ClosesLater {
        let closer = self.clone();
        let closing = tokio::spawn(async move {
            tokio::time::sleep(within).await;
            closer.close();
        });
        ClosesLater(closing.abort_handle())
    }

    fn is_closing(&self) -> bool {
        *self.0.borrow()
    }

    /// Whether both handles are on the same connection.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Resolves when the connection is over, however it ended.
    pub async fn over(&self) {
        self.0.closed().await;
    }

    /// Whether the connection is over, so that the handle can be forgotten.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.0.is_closed()
    }
}

/// A connection that is ended later, unless this is dropped before.
#[derive(Debug)]
pub struct ClosesLater(AbortHandle);

impl Drop for ClosesLater {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Accepts and serves connections until `shutdown` resolves; then stops accepting, lets running
/// requests finish within [`ServerLimits::drain`], and returns when the last connection is over.
///
/// `service` is any tower service over hyper requests, such as an axum router; each connection gets
/// a clone of it. Requests carry a [`Peer`] extension. Bodies are the service's to limit
/// ([`super::body::read_body`]).
pub async fn serve<S, B>(
    listener: TcpListener,
    tls: Arc<ServerConfig>,
    limits: ServerLimits,
    service: S,
    shutdown: impl Future<Output = ()>,
) where
    S: tower_service::Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    serve_counting(listener, tls, limits, TurnedAway::default(), service, shutdown).await;
}

/// As [`serve`], and counts whom it turns away.
pub async fn serve_counting<S, B>(
    listener: TcpListener,
    tls: Arc<ServerConfig>,
    limits: ServerLimits,
    away: TurnedAway,
    service: S,
    shutdown: impl Future<Output = ()>,
) where
    S: tower_service::Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let connections = Arc::new(Semaphore::new(limits.connections_max));
    let shares = Shares::new(limits.connections_max, limits.address_connections_max);
    let (stop, stopping) = watch::channel(false);
    let drain = limits.drain;
    let handshakes = Semaphore::new(limits.handshakes_max);
    let door = Arc::new(Door { tls, handshakes, limits, away, stopping });
    let mut tasks = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            Some(ended) = tasks.join_next() => report(ended),
            (stream, address, permit) = accept(&listener, &connections) => {
                let Ok(share) = shares.take(network(address.ip())) else {
                    door.away.add(Away::Crowded);
                    tracing::debug!(%address, "closed: its address has as many connections as one may have");
                    continue;
                };
                let (door, service) = (door.clone(), service.clone());
                tasks.spawn(async move {
                    door.connection(stream, address, service).await;
                    drop((share, permit));
                });
            }
        }
    }
    drop(listener);
    stop.send_replace(true);
    let drained = async {
        while let Some(ended) = tasks.join_next().await {
            report(ended);
        }
    };
    if timeout(drain, drained).await.is_err() {
        tracing::info!(connections = tasks.len(), "ended with requests in work");
        tasks.shutdown().await;
    }
}

fn report(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a connection's task failed");
    }
}

async fn accept(
    listener: &TcpListener,
    connections: &Arc<Semaphore>,
) -> (TcpStream, SocketAddr, OwnedSemaphorePermit) {
    let permit = connections.clone().acquire_owned().await;
    let permit = permit.expect("the semaphore is never closed");
    loop {
        match listener.accept().await {
            Ok((stream, address)) => return (stream, address, permit),
            // The peer gave up in the queue: the next one may be there already.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            // Out of file descriptors or memory: whoever ends next makes room.
            Err(error) => {
                tracing::warn!(%error, "cannot accept connections");
                tokio::time::sleep(Duration::from_millis(ACCEPT_PAUSE_MILLIS_MAX)).await;
            }
        }
    }
}

/// What all connections of one listener share.
struct Door {
    tls: Arc<ServerConfig>,
    handshakes: Semaphore,
    limits: ServerLimits,
    away: TurnedAway,
    stopping: watch::Receiver<bool>,
}

impl Door {
    async fn connection<S, B>(&self, stream: TcpStream, address: SocketAddr, service: S)
    where
        S: tower_service::Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
            + Clone
            + Send
            + 'static,
        S::Future: Send + 'static,
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let Some(stream) = self.welcome(stream, address).await else {
            return;
        };
        let (closer, closed) = Closer::new();
        let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
        let chain = chain.iter().map(|c| c.to_vec()).collect();
        let peer = Peer { address, chain, closer };
        let service = TowerToHyperService::new(service);
        let service = service_fn(move |mut request: Request<Incoming>| {
            let closer = peer.closer.clone();
            request.extensions_mut().insert(peer.clone());
            let answering = service.call(request);
            async move {
                let answer = answering.await;
                if closer.is_closing() {
                    // What closed it may be this very request: it gets no answer either.
                    pending::<()>().await;
                }
                answer
            }
        });
        self.requests(stream, address, service, closed).await;
    }

    /// The stream after its handshake, unless it failed, took too long, or the server stops.
    async fn welcome(&self, stream: TcpStream, address: SocketAddr) -> Option<TlsStream<TcpStream>> {
        if let Err(error) = self.prepare(&stream) {
            tracing::debug!(%address, %error, "a connection was lost at once");
            return None;
        }
        let shaken = tokio::select! {
            shaken = timeout(self.limits.handshake, self.handshake(stream)) => shaken,
            () = told(self.stopping.clone()) => return None,
        };
        match shaken {
            Ok(Ok(stream)) => return Some(stream),
            Ok(Err(error)) => {
                self.away.add(Away::Handshake);
                tracing::debug!(%address, %error, "a handshake failed");
            }
            Err(_) => {
                self.away.add(Away::Late);
                tracing::debug!(%address, "a handshake took too long");
            }
        }
        None
    }

    fn prepare(&self, stream: &TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let stall_millis = u32::try_from(self.limits.stall.as_millis()).unwrap_or(u32::MAX);
        rustix::net::sockopt::set_tcp_user_timeout(stream, stall_millis)?;
        Ok(())
    }

    async fn handshake(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let acceptor = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), stream);
        let hello = acceptor.await?;
        let permit = self.handshakes.acquire().await;
        let _permit = permit.expect("the semaphore is never closed");
        // A refusal is sent as an alert before the error comes back.
        hello.into_stream(self.tls.clone()).await
    }

    async fn requests<S, B>(
        &self,
        stream: TlsStream<TcpStream>,
        address: SocketAddr,
        service: S,
        closed: watch::Receiver<bool>,
    ) where
        S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.header)
            .max_headers(HEADERS_MAX)
            .max_buf_size(HEADER_BYTES_MAX)
            .serve_connection(TokioIo::new(stream), service);
        let mut connection = pin!(connection);
        let mut closed = pin!(told(closed));
        // In this order: what is to be closed does not get another turn.
        let ended = tokio::select! {
            biased;
            () = &mut closed => return,
            () = told(self.stopping.clone()) => {
                connection.as_mut().graceful_shutdown();
                tokio::select! {
                    biased;
                    () = &mut closed => return,
                    ended = &mut connection => ended,
                }
            }
            ended = &mut connection => ended,
        };
        if let Err(error) = ended {
            if error.is_parse() {
                self.away.add(Away::NoHttp);
            }
            tracing::debug!(%address, %error, "a connection broke off");
        }
    }
}

/// Resolves when the flag is raised; never, if nobody is left to raise it.
async fn told(mut flag: watch::Receiver<bool>) {
    if flag.wait_for(|raised| *raised).await.is_err() {
        pending::<()>().await;
    }
}
