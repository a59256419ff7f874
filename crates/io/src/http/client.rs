//! The client: one request, one answer, each with its limits.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, DATE, HOST, HeaderName, HeaderValue, RETRY_AFTER};
use hyper::{HeaderMap, Method, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use super::body::collect;
use super::date;
use super::events::{Event, EventError, EventReader};
use super::url::Url;
use crate::limits::{ANSWER_BYTES_MAX, EVENT_BYTES_MAX, HEADER_BYTES_MAX, HEADERS_MAX, REQUEST_SECONDS_MAX};

pub use super::dial::{AddressRule, Dialer};
pub use super::error::{ClientError, Failure};

/// One request and what is spent on its answer.
#[derive(Clone, Debug)]
pub struct Request {
    /// GET, POST, ...
    pub method: Method,
    /// Whom and what to ask.
    pub url: Url,
    /// Header fields beside `Host` and the framing, which are added.
    pub headers: HeaderMap,
    /// The body; empty for none.
    pub body: Bytes,
    /// From the call to the last byte of the answer, a new connection included.
    pub within: Duration,
    /// The largest body that is taken.
    pub answer_bytes_max: usize,
}

impl Request {
    /// A request without body, with the limits [`REQUEST_SECONDS_MAX`] and [`ANSWER_BYTES_MAX`].
    #[must_use]
    pub fn new(method: Method, url: Url) -> Self {
        Self {
            method,
            url,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            within: Duration::from_secs(REQUEST_SECONDS_MAX),
            answer_bytes_max: ANSWER_BYTES_MAX,
        }
    }

    /// A GET.
    #[must_use]
    pub fn get(url: Url) -> Self {
        Self::new(Method::GET, url)
    }

    /// A POST of `body`.
    #[must_use]
    pub fn post(url: Url, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        Self { body, ..Self::new(Method::POST, url) }
            .header(CONTENT_TYPE, HeaderValue::from_static(content_type))
    }

    /// Sets one header field.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// Sets the time for all of it.
    #[must_use]
    pub fn within(self, within: Duration) -> Self {
        Self { within, ..self }
    }

    /// Sets the largest body that is taken.
    #[must_use]
    pub fn answer_bytes_max(self, answer_bytes_max: usize) -> Self {
        Self { answer_bytes_max, ..self }
    }

    fn to_hyper(&self) -> Result<hyper::Request<Full<Bytes>>, Failure> {
        let mut request = hyper::Request::new(Full::new(self.body.clone()));
        *request.method_mut() = self.method.clone();
        let target = self.url.target().parse();
        *request.uri_mut() = target.map_err(|e| Failure::Malformed(format!("our own target: {e}")))?;
        *request.headers_mut() = self.headers.clone();
        let host = HeaderValue::try_from(self.url.authority());
        let host = host.map_err(|e| Failure::Malformed(format!("our own host: {e}")))?;
        request.headers_mut().insert(HOST, host);
        Ok(request)
    }
}

/// What a server answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// 200, 404, ...
    pub status: StatusCode,
    /// The header fields.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

impl Answer {
    /// A header field as text, if it is there once or more (then the first) and is ASCII.
    #[must_use]
    pub fn header(&self, name: &HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The server's clock in Unix milliseconds, as its `Date` says.
    #[must_use]
    pub fn date_millis(&self) -> Option<i64> {
        self.header(&DATE).and_then(date::parse)
    }

    /// For how many seconds the server wants to be left alone: its `Retry-After`, as a number or as a moment by
    /// its own clock, which its `Date` tells. A moment says nothing without that.
    #[must_use]
    pub fn retry_after_seconds(&self) -> Option<u64> {
        date::seconds_until(self.header(&RETRY_AFTER)?.trim(), self.date_millis())
    }
}

/// Requests to any servers, one at a time. The last connection is kept and used again if the next
/// request goes to the same server.
#[derive(Debug)]
pub struct Client {
    dialer: Dialer,
    kept: Option<Connection>,
}

impl Client {
    /// A client without a connection yet.
    #[must_use]
    pub fn new(dialer: Dialer) -> Self {
        Self { dialer, kept: None }
    }

    /// Sends `request` and waits for the whole answer.
    ///
    /// If the kept connection turns out to be closed, a request that was not sent, or that may be
    /// repeated because its method is idempotent, is sent once more over a new one.
    ///
    /// # Errors
    /// [`ClientError`]; the connection is not used again.
    pub async fn send(&mut self, request: &Request) -> Result<Answer, ClientError> {
        let sent = timeout(request.within, self.send_untimed(request)).await;
        sent.unwrap_or_else(|_| Err(timed_out(&request.url, request.within)))
    }

    async fn send_untimed(&mut self, request: &Request) -> Result<Answer, ClientError> {
        // Taken out: a request that is dropped half way leaves no connection to be used again.
        if let Some(mut kept) = self.kept.take()
            && kept.is_open()
            && kept.url.same_server(&request.url)
        {
            match kept.exchange(request).await {
                Ok(answer) => {
                    self.kept = Some(kept);
                    return Ok(answer);
                }
                Err(Broken { again: true, .. }) => {}
                Err(broken) => return Err(broken.error),
            }
        }
        let mut fresh = Connection::open(&self.dialer, &request.url).await?;
        let answer = fresh.exchange(request).await.map_err(|b| b.error)?;
        self.kept = Some(fresh);
        Ok(answer)
    }
}

/// One connection to one server: what stays the same before and after a voucher.
pub struct Connection {
    sender: http1::SendRequest<Full<Bytes>>,
    driver: AbortHandle,
    url: Url,
    address: SocketAddr,
    chain: Arc<[Vec<u8>]>,
}

/// A request failed; and whether it may be tried on another connection.
struct Broken {
    error: ClientError,
    again: bool,
}

impl Connection {
    /// Connects to the server of `url`, TLS handshake included.
    ///
    /// With TLS 1.3 the server judges our certificate after our side of the handshake is done: its
    /// refusal shows with the first request (RFC 8446 section E.1.2).
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn open(dialer: &Dialer, url: &Url) -> Result<Self, ClientError> {
        let dialed = dialer.dial(url).await?;
        let (sender, connection) = http1::Builder::new()
            .max_headers(HEADERS_MAX)
            .max_buf_size(HEADER_BYTES_MAX)
            .handshake(TokioIo::new(dialed.stream))
            .await
            .map_err(|e| ClientError::new(&url.authority(), e.into()))?;
        // Its failure reaches the request that waits; with none waiting it is the next one's.
        let driver = tokio::spawn(connection).abort_handle();
        Ok(Self { sender, driver, url: url.clone(), address: dialed.address, chain: dialed.chain.into() })
    }

    /// The certificates that the server showed (DER, its own first); none over plain HTTP. It holds
    /// the key of the first.
    #[must_use]
    pub fn server_chain(&self) -> &[Vec<u8>] {
        &self.chain
    }

    /// The address that was connected to.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether another request may be tried.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.sender.is_ready()
    }

    /// Sends `request` over this very connection and waits for the whole answer.
    ///
    /// # Errors
    /// [`ClientError`]; unless it was [`Failure::OtherServer`], the connection is of no use
    /// afterwards.
    pub async fn send(&mut self, request: &Request) -> Result<Answer, ClientError> {
        let sent = timeout(request.within, self.exchange(request)).await;
        if sent.is_err() {
            self.driver.abort();
        }
        match sent {
            Ok(answer) => answer.map_err(|broken| broken.error),
            Err(_) => Err(timed_out(&request.url, request.within)),
        }
    }

    /// Sends `request` and hands over the connection to read the answer's body piece by piece.
    /// [`Request::within`] ends with the answer's header; [`Request::answer_bytes_max`] is not
    /// looked at.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn stream(mut self, request: &Request) -> Result<AnswerStream, ClientError> {
        let begun = timeout(request.within, self.begin(request)).await;
        let begun = begun.map_err(|_| timed_out(&request.url, request.within))?;
        let (parts, body) = begun.map_err(|broken| broken.error)?.into_parts();
        Ok(AnswerStream {
            status: parts.status,
            headers: parts.headers,
            body,
            piece: Bytes::new(),
            events: EventReader::default(),
            connection: self,
        })
    }

    async fn exchange(&mut self, request: &Request) -> Result<Answer, Broken> {
        let (parts, body) = self.begin(request).await?.into_parts();
        let body = collect(body, request.answer_bytes_max).await;
        if body.is_err() {
            self.driver.abort();
        }
        Ok(Answer {
            status: parts.status,
            headers: parts.headers,
            body: body.map_err(|e| self.broken(e.into(), false))?,
        })
    }

    async fn begin(&mut self, request: &Request) -> Result<Response<Incoming>, Broken> {
        if !self.url.same_server(&request.url) {
            return Err(self.broken(Failure::OtherServer, false));
        }
        let hyper = request.to_hyper().map_err(|f| self.broken(f, false))?;
        if let Err(error) = self.sender.ready().await {
            return Err(self.broken(error.into(), true));
        }
        self.sender.send_request(hyper).await.map_err(|error| {
            let unsent = error.is_canceled();
            let failure = Failure::from(error);
            let harmless = request.method.is_idempotent() && matches!(failure, Failure::Closed(_));
            self.broken(failure, unsent || harmless)
        })
    }

    fn broken(&self, failure: Failure, again: bool) -> Broken {
        let error = ClientError::new(&self.url.authority(), failure);
        Broken { error, again }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("url", &self.url)
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

/// An answer whose body comes piece by piece, for as long as the server likes.
#[derive(Debug)]
pub struct AnswerStream {
    /// 200, 404, ...
    pub status: StatusCode,
    /// The header fields.
    pub headers: HeaderMap,
    body: Incoming,
    piece: Bytes,
    events: EventReader,
    connection: Connection,
}

impl AnswerStream {
    /// The next piece of the body, as it came: at most about [`HEADER_BYTES_MAX`] bytes, which is
    /// hyper's buffer. `None` at the end.
    ///
    /// # Errors
    /// [`ClientError`]; [`Failure::TimedOut`] if nothing came `within` this time, after which the
    /// stream may be asked again.
    pub async fn next_piece(&mut self, within: Duration) -> Result<Option<Bytes>, ClientError> {
        let frame = timeout(within, self.body.frame()).await;
        let doing = "send anything";
        let frame = frame.map_err(|_| self.error(Failure::TimedOut { doing, within }))?;
        match frame {
            None => Ok(None),
            Some(Err(error)) => Err(self.error(error.into())),
            // Trailers are empty pieces.
            Some(Ok(frame)) => Ok(Some(frame.into_data().unwrap_or_default())),
        }
    }

    /// The next server-sent event; `None` at the end of the stream. `within` is the time between
    /// two pieces: a server's comments keep the stream alive.
    ///
    /// # Errors
    /// [`ClientError`]: as [`AnswerStream::next_piece`], and [`Failure::TooLarge`] for an event over
    /// [`EVENT_BYTES_MAX`].
    pub async fn next_event(&mut self, within: Duration) -> Result<Option<Event>, ClientError> {
        loop {
            let mut unread = &self.piece[..];
            let read = self.events.read(&mut unread);
            let used = self.piece.len() - unread.len();
            drop(self.piece.split_to(used));
            match read {
                Ok(Some(event)) => return Ok(Some(event)),
                Ok(None) => {}
                Err(error) => return Err(self.error(error.into())),
            }
            match self.next_piece(within).await? {
                Some(piece) => self.piece = piece,
                None => return Ok(None),
            }
        }
    }

    fn error(&self, failure: Failure) -> ClientError {
        ClientError::new(&self.connection.url.authority(), failure)
    }
}

impl From<EventError> for Failure {
    fn from(error: EventError) -> Self {
        match error {
            EventError::TooLarge => Self::TooLarge { what: "event", bytes_max: EVENT_BYTES_MAX },
            EventError::NotText => Self::Malformed(error.to_string()),
        }
    }
}

fn timed_out(url: &Url, within: Duration) -> ClientError {
    let doing = "answer";
    ClientError::new(&url.authority(), Failure::TimedOut { doing, within })
}
