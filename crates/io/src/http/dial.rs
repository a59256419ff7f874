//! From a URL to a stream.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::error::{ClientError, Failure};
use super::url::{Scheme, Url};
use crate::limits::CONNECT_SECONDS_MAX;

/// A rule on the addresses that may be asked.
pub type AddressRule = Arc<dyn Fn(IpAddr) -> bool + Send + Sync>;

/// How connections are made.
#[derive(Clone)]
pub struct Dialer {
    tls: Option<Arc<ClientConfig>>,
    within: Duration,
    rule: Option<AddressRule>,
}

impl Dialer {
    /// Speaks TLS by `tls`, and plain HTTP to loopback addresses alone. Name, connection and
    /// handshake together get [`CONNECT_SECONDS_MAX`].
    #[must_use]
    pub fn new(tls: Arc<ClientConfig>) -> Self {
        Self { tls: Some(tls), ..Self::plain() }
    }

    /// Speaks plain HTTP alone, to loopback addresses alone: a tool on this machine.
    #[must_use]
    pub fn plain() -> Self {
        Self { tls: None, within: Duration::from_secs(CONNECT_SECONDS_MAX), rule: None }
    }

    /// Gives name, connection and handshake together this long.
    #[must_use]
    pub fn within(self, within: Duration) -> Self {
        Self { within, ..self }
    }

    /// Asks `rule` about the address that is really connected to, after the name is resolved, so
    /// that a name cannot lead where an address may not.
    #[must_use]
    pub fn only_where(self, rule: AddressRule) -> Self {
        Self { rule: Some(rule), ..self }
    }

    pub(super) async fn dial(&self, url: &Url) -> Result<Dialed, ClientError> {
        let dialed = tokio::time::timeout(self.within, self.try_dial(url)).await;
        let dialed =
            dialed.unwrap_or(Err(Failure::TimedOut { doing: "accept a connection", within: self.within }));
        dialed.map_err(|failure| ClientError::new(&url.authority(), failure))
    }

    async fn try_dial(&self, url: &Url) -> Result<Dialed, Failure> {
        let (tcp, address) = self.connect(url).await?;
        match url.scheme() {
            Scheme::Http => Ok(Dialed { stream: Box::new(tcp), address, chain: Vec::new() }),
            Scheme::Https => self.handshake(url, tcp, address).await,
        }
    }

    async fn connect(&self, url: &Url) -> Result<(TcpStream, SocketAddr), Failure> {
        let found = tokio::net::lookup_host((url.host(), url.port())).await;
        let mut failure = Failure::Unreachable(io::Error::other("the name has no address"));
        for address in found.map_err(Failure::Unreachable)? {
            if let Err(forbidden) = self.check(url.scheme(), address.ip()) {
                failure = forbidden;
                continue;
            }
            match TcpStream::connect(address).await {
                Ok(stream) => {
                    // Small requests must not wait for each other; losing this loses only time.
                    let _ = stream.set_nodelay(true);
                    return Ok((stream, address));
                }
                Err(error) => failure = Failure::Unreachable(error),
            }
        }
        Err(failure)
    }

    fn check(&self, scheme: Scheme, address: IpAddr) -> Result<(), Failure> {
        if self.rule.as_ref().is_some_and(|allows| !allows(address)) {
            return Err(Failure::Forbidden(address));
        }
        if scheme == Scheme::Http && !address.is_loopback() {
            return Err(Failure::PlainElsewhere(address));
        }
        Ok(())
    }

    async fn handshake(&self, url: &Url, tcp: TcpStream, address: SocketAddr) -> Result<Dialed, Failure> {
        let config = self.tls.clone().ok_or(Failure::NoTls)?;
        let name = ServerName::try_from(url.host().to_owned());
        let name = name.map_err(|e| Failure::Unreachable(io::Error::other(e)))?;
        let stream = TlsConnector::from(config).connect(name, tcp).await?;
        let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
        let chain = chain.iter().map(|c| c.to_vec()).collect();
        Ok(Dialed { stream: Box::new(stream), address, chain })
    }
}

impl fmt::Debug for Dialer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialer").finish_non_exhaustive()
    }
}

/// A stream of either kind.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A connection before its first request.
pub(super) struct Dialed {
    pub(super) stream: Box<dyn Stream>,
    pub(super) address: SocketAddr,
    pub(super) chain: Vec<Vec<u8>>,
}
