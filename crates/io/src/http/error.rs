//! What can happen to a request, and to whom it was sent.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::time::Duration;

use rustls::AlertDescription;

use super::body::BodyError;

/// A request got no answer that could be used.
#[derive(Debug)]
pub struct ClientError {
    /// Host and port that were asked.
    pub server: String,
    /// What happened.
    pub failure: Failure,
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.server, self.failure)
    }
}

impl Error for ClientError {}

impl ClientError {
    pub(super) fn new(server: &str, failure: Failure) -> Self {
        Self { server: server.to_owned(), failure }
    }
}

/// What happened to a request.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The name has no address, or nobody listens there. The environment or the operator.
    #[error("it cannot be reached: {0}")]
    Unreachable(io::Error),
    /// The caller's own rule forbids the address. The operator's setting, or whoever wrote the URL.
    #[error("its address {0} may not be asked")]
    Forbidden(IpAddr),
    /// Plain HTTP to an address that is not loopback. Whoever wrote the URL.
    #[error("plain http is spoken to this machine alone, and {0} is elsewhere")]
    PlainElsewhere(IpAddr),
    /// An https URL and no TLS configuration. This program.
    #[error("no TLS configuration was given")]
    NoTls,
    /// The request was for another server than the connection's. This program.
    #[error("this connection leads elsewhere")]
    OtherServer,
    /// It took too long. The server or the network.
    #[error("it did not {doing} within {within:?}")]
    TimedOut {
        /// What was waited for: a verb.
        doing: &'static str,
        /// The limit.
        within: Duration,
    },
    /// We refused the server: its chain, its proof, its TLS.
    #[error("its TLS was refused: {0}")]
    ServerRefused(rustls::Error),
    /// The server refused us with this alert: our certificate, our proof, our TLS.
    #[error("it refused our TLS with the alert {0:?}")]
    RefusedByServer(AlertDescription),
    /// The connection ended without an answer, or within one. A server that refuses a client may
    /// do this.
    #[error("it closed the connection: {0}")]
    Closed(String),
    /// The answer is larger than the caller takes. The server.
    #[error("its answer's {what} is larger than {bytes_max} bytes")]
    TooLarge {
        /// `header`, `body` or `event`.
        what: &'static str,
        /// The limit.
        bytes_max: usize,
    },
    /// The answer is no HTTP/1.1, or no event stream. The server.
    #[error("its answer is malformed: {0}")]
    Malformed(String),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.get_ref().and_then(|e| e.downcast_ref()) {
            Some(rustls::Error::AlertReceived(alert)) => Self::RefusedByServer(*alert),
            Some(other) => Self::ServerRefused(other.clone()),
            None => Self::Closed(error.to_string()),
        }
    }
}

impl From<hyper::Error> for Failure {
    fn from(error: hyper::Error) -> Self {
        if error.is_parse_too_large() {
            return Self::TooLarge { what: "header", bytes_max: crate::limits::HEADER_BYTES_MAX };
        }
        if error.is_parse() {
            return Self::Malformed(error.to_string());
        }
        let tls = error
            .source()
            .and_then(|e| e.downcast_ref::<io::Error>())
            .and_then(io::Error::get_ref)
            .and_then(|e| e.downcast_ref::<rustls::Error>());
        match tls {
            Some(rustls::Error::AlertReceived(alert)) => Self::RefusedByServer(*alert),
            Some(other) => Self::ServerRefused(other.clone()),
            None => Self::Closed(error.to_string()),
        }
    }
}

impl From<BodyError> for Failure {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TooLarge { bytes_max } => Self::TooLarge { what: "body", bytes_max },
            BodyError::TimedOut(within) => Self::TimedOut { doing: "answer", within },
            BodyError::Broken(why) => Self::Closed(why),
        }
    }
}
