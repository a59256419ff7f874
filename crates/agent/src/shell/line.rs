//! The connection to the registrar.
use crate::limits::REQUEST_SECONDS_MAX;
use crate::machine::{Answer, Input, Request, Trust, check_server};
use io::http::client::{self, Connection, Dialer};
use io::http::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use io::http::url::{Scheme, Url};
use io::tls::Identity;
use io::tls::client::{ServerJudge, judged, provisional};
use std::sync::Arc;
use std::time::Duration;
use wire::Certificate;
use wire::limits::EST_BODY_BYTES_MAX;

/// At most one connection to one registrar.
pub(super) struct Line {
    registrar: Url,
    open: Option<Connection>,
}

impl Line {
    pub(super) fn new(registrar: Url) -> Self {
        Self { registrar, open: None }
    }

    /// Opens a connection in place of the one that there may be.
    pub(super) async fn connect(&mut self, trust: &Trust, identity: Option<&Identity>) -> Input {
        self.close();
        if self.registrar.scheme() != Scheme::Https {
            return Input::Lost("it is reached by https:// and not otherwise".into());
        }
        let dialer = match dialer(trust, identity) {
            Ok(dialer) => dialer,
            Err(why) => return Input::Lost(why),
        };
        match Connection::open(&dialer, &self.registrar).await {
            Ok(connection) => {
                let chain = certificates(connection.server_chain());
                self.open = chain.is_ok().then_some(connection);
                chain.map_or_else(Input::Lost, Input::Connected)
            }
            Err(why) => Input::Lost(why.to_string()),
        }
    }

    /// Sends a request once; nothing is repeated here.
    pub(super) async fn send(&mut self, request: Request) -> Input {
        let Some(connection) = &mut self.open else { return Input::Lost("the connection is closed".into()) };
        let sent = match self.registrar.with_target(request.path) {
            Ok(url) => connection.send(&to_http(url, request)).await,
            Err(why) => return Input::Lost(why.to_string()),
        };
        match sent {
            Ok(answer) => Input::Answered(from_http(&answer)),
            Err(why) => {
                self.close();
                Input::Lost(why.to_string())
            }
        }
    }

    pub(super) fn close(&mut self) {
        self.open = None;
    }
}

/// Connections to servers that `trust` is put in.
pub(super) fn dialer(trust: &Trust, identity: Option<&Identity>) -> Result<Dialer, String> {
    let tls = match trust {
        Trust::Anchors(anchors) => judged(Arc::new(DomainServer { anchors: anchors.clone() }), identity),
        Trust::Provisional => provisional(identity),
    };
    tls.map(Dialer::new).map_err(|why| why.to_string())
}

fn to_http(url: Url, request: Request) -> client::Request {
    let mut sent = match request.content {
        Some((media_type, body)) => client::Request::post(url, media_type, body),
        None => client::Request::get(url),
    };
    if let Some(media_type) = request.accept {
        sent = sent.header(ACCEPT, HeaderValue::from_static(media_type));
    }
    sent.within(Duration::from_secs(REQUEST_SECONDS_MAX)).answer_bytes_max(EST_BODY_BYTES_MAX)
}

fn from_http(answer: &client::Answer) -> Answer {
    Answer {
        status: answer.status.as_u16(),
        content_type: answer.header(&CONTENT_TYPE).unwrap_or_default().to_owned(),
        retry_after_seconds: answer.retry_after_seconds(),
        date_millis: answer.date_millis(),
        body: answer.body.to_vec(),
    }
}

fn certificates<T: AsRef<[u8]>>(chain: &[T]) -> Result<Vec<Certificate>, String> {
    let read = chain.iter().map(|der| Certificate::from_der(der.as_ref()));
    read.collect::<Result<_, _>>().map_err(|why| why.to_string())
}

/// Judges servers during the handshake, by the device's anchors. The time is not asked for: the
/// device's clock decides nothing.
struct DomainServer {
    anchors: Vec<Certificate>,
}

impl ServerJudge for DomainServer {
    fn judge(&self, chain: &[&[u8]], server: &str, _now_millis: i64) -> Result<(), String> {
        check_server(&certificates(chain)?, server, &self.anchors).map_err(|why| why.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use io::http::header::{DATE, RETRY_AFTER};
    use io::http::{HeaderMap, StatusCode};

    #[test]
    fn answers_say_when_to_ask_again() {
        let check = |retry_after: &'static str, expect| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, HeaderValue::from_static(retry_after));
            headers.insert(DATE, HeaderValue::from_static("Sun, 22 Nov 2026 17:18:07 GMT"));
            let status = StatusCode::SERVICE_UNAVAILABLE;
            let answer = from_http(&client::Answer { status, headers, body: Vec::new().into() });
            let heard = (answer.retry_after_seconds, answer.date_millis);
            assert_eq!(heard, (expect, Some(1_795_367_887_000)), "{retry_after}");
        };
        check("7", Some(7));
        check("Sun, 22 Nov 2026 17:18:37 GMT", Some(30));
        check("later", None);
    }
}
