//! Payloads over HTTP, piece by piece.
use super::install::{Image, Missed};
use super::run::Source;
use crate::limits::REFUSAL_BYTES_MAX;
use io::http::StatusCode;
use io::http::client::{Answer, Client, Dialer, Request};
use io::http::header::{CONTENT_RANGE, HeaderValue, RANGE};
use io::http::told::Told;
use io::http::url::Url;
use tokio::sync::{Mutex, watch};
use wire::control::BLOBS_PATH;
use wire::digest::hex;

/// Asks for each piece by a range of bytes. Whether a server may be asked, and how it is believed, is
/// the dialer's: what comes is judged by the digest that the manifest bears.
pub struct ByRange(Mutex<Client>);

impl ByRange {
    /// Over connections that `dialer` makes.
    pub fn new(dialer: Dialer) -> Self {
        Self(Mutex::new(Client::new(dialer)))
    }
}

impl Source for ByRange {
    async fn piece(&self, image: &Image, offset: u64, length: u64) -> Result<Vec<u8>, Missed> {
        range(&mut *self.0.lock().await, &image.uri, offset, length).await
    }
}

/// Asks the device's hub, which has what it offers: where the manifest says that it is may be out of reach.
pub struct AtHub {
    hub: String,
    told: Mutex<Told>,
}

impl AtHub {
    /// The hub at `hub` (`https://` and an authority), by the `way` that the device's agent tells
    /// ([`Settings`](crate::shell::Settings)): with its LDevID.
    pub fn new(hub: &str, way: watch::Receiver<Option<Dialer>>) -> Self {
        Self { hub: hub.trim_end_matches('/').to_owned(), told: Mutex::new(Told::new(way)) }
    }
}

impl Source for AtHub {
    async fn piece(&self, image: &Image, offset: u64, length: u64) -> Result<Vec<u8>, Missed> {
        let uri = format!("{}{BLOBS_PATH}{}", self.hub, hex(&image.digest));
        let mut told = self.told.lock().await;
        let client = told.client().await.map_err(|why| why.to_string())?;
        range(client, &uri, offset, length).await
    }
}

/// At most `length` bytes of what is at `uri`, from `offset` on.
async fn range(client: &mut Client, uri: &str, offset: u64, length: u64) -> Result<Vec<u8>, Missed> {
    let url = Url::parse(uri).map_err(|why| format!("`{uri}`: {why}"))?;
    let range = format!("bytes={offset}-{}", offset.saturating_add(length.saturating_sub(1)));
    let range = HeaderValue::from_str(&range).map_err(|why| why.to_string())?;
    let most = usize::try_from(length).map_err(|why| why.to_string())?;
    // What comes instead of a small piece may be larger, and says when to ask again.
    let request = Request::get(url).header(RANGE, range).answer_bytes_max(most.max(REFUSAL_BYTES_MAX));
    let answer = client.send(&request).await.map_err(|why| why.to_string())?;
    match answer.status {
        StatusCode::PARTIAL_CONTENT | StatusCode::OK if answer.body.len() > most => {
            Err(format!("the server sent more than {most} bytes").into())
        }
        StatusCode::PARTIAL_CONTENT if begins_at(&answer) == Some(offset) => Ok(answer.body.to_vec()),
        StatusCode::PARTIAL_CONTENT => {
            Err("the server sent another range than was asked for".to_owned().into())
        }
        // It knows no ranges; a small file comes whole.
        StatusCode::OK if offset == 0 => Ok(answer.body.to_vec()),
        status => {
            let why = format!("the server answered {status} to the bytes from {offset} on");
            Err(Missed { why, retry_after_seconds: answer.retry_after_seconds() })
        }
    }
}

/// The first byte of `Content-Range: bytes 3-5/9`.
fn begins_at(answer: &Answer) -> Option<u64> {
    let range = answer.header(&CONTENT_RANGE)?.strip_prefix("bytes ")?;
    range.split_once('-')?.0.parse().ok()
}
