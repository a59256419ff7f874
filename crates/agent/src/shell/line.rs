//! The connection to the registrar.
use crate::limits::REQUEST_SECONDS_MAX;
use crate::machine::{Answer, Input, Request, Trust, check_server};
use io::http::client::{self, Connection, Dialer};
use io::http::header::{ACCEPT, CONTENT_TYPE, DATE, HeaderValue, RETRY_AFTER};
use io::http::url::{Scheme, Url};
use io::tls::Identity;
use io::tls::client::{ServerJudge, judged, provisional};
use std::sync::Arc;
use std::time::Duration;
use wire::Certificate;
use wire::date_time;
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
        retry_after_seconds: answer.header(&RETRY_AFTER).and_then(|text| text.trim().parse().ok()),
        date_millis: answer.header(&DATE).and_then(parse_date),
        body: answer.body.to_vec(),
    }
}

fn certificates<T: AsRef<[u8]>>(chain: &[T]) -> Result<Vec<Certificate>, String> {
    let read = chain.iter().map(|der| Certificate::from_der(der.as_ref()));
    read.collect::<Result<_, _>>().map_err(|why| why.to_string())
}

/// The Unix milliseconds of a `Date` field in the one form that servers send today:
/// `Sun, 22 Nov 2026 17:18:07 GMT`.
fn parse_date(text: &str) -> Option<i64> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let mut words = text.split_once(", ")?.1.split(' ');
    let (day, month, year) = (words.next()?, words.next()?, words.next()?);
    let month = 1 + MONTHS.iter().position(|name| *name == month)?;
    let time = words.next()?;
    if words.next() != Some("GMT") || words.next().is_some() {
        return None;
    }
    date_time::parse(&format!("{year}-{month:02}-{day}T{time}Z"))
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

    #[test]
    fn dates_are_read() {
        let check = |text: &str, expect: Option<i64>| assert_eq!(parse_date(text), expect, "{text}");
        // `date -u -d 'Sun, 22 Nov 2026 17:18:07 GMT' +%s`
        check("Sun, 22 Nov 2026 17:18:07 GMT", Some(1_795_367_887_000));
        check("Thu, 01 Jan 1970 00:00:00 GMT", Some(0));
        check("Sun, 22 Nov 2026 17:18:07 CET", None);
        check("Sun, 22 Nov 2026 17:18:07", None);
        check("Sun, 22 Nov 2026 17:18:07 GMT ", None);
        check("Sun, 31 Feb 2026 17:18:07 GMT", None);
        check("Sunday, 22-Nov-26 17:18:07 GMT", None);
        check("Sun, 22 Nov 2026 1é:18:07 GMT", None);
        check("", None);
    }
}
