//! Tells open pages that something changed, by server-sent events; the page's script then asks for the page
//! again. An event says that, and nothing else.
use super::browser;
use super::message;
use crate::Shared;
use crate::limits::{EVENT_STREAM_SECONDS_MAX, EVENT_STREAMS_MAX, WAITING_EVENTS_MAX};
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use fleet::audit::rules::Link;
use io::http::body::PiecesBody;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{Sender, channel};
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, sleep, timeout_at};

/// At most one event to a page in this time.
const PAUSE_MILLIS: u64 = 500;
/// The moment after the last one.
const ENDED: u64 = u64::MAX;

/// Counts the batches that were committed.
#[derive(Clone, Debug)]
pub struct Changes {
    batches: watch::Sender<u64>,
    streams: Arc<Semaphore>,
}

impl Default for Changes {
    fn default() -> Self {
        Changes { batches: watch::Sender::new(0), streams: Arc::new(Semaphore::new(EVENT_STREAMS_MAX)) }
    }
}

impl Changes {
    /// Something was committed. The store calls it.
    pub fn committed(&self, links: &[Link]) {
        if !links.is_empty() {
            self.batches.send_if_modified(|batches| {
                let goes_on = *batches != ENDED;
                *batches += u64::from(goes_on);
                goes_on
            });
        }
    }

    /// The hub stops: every stream ends.
    pub fn end(&self) {
        self.batches.send_replace(ENDED);
    }
}

/// The stream of events for a signed-in browser.
pub async fn events(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    if let Err(refusal) = browser::session(&shared, &headers).await {
        return message(&refusal.into(), None);
    }
    let Ok(place) = shared.changes.streams.clone().try_acquire_owned() else {
        // The page stays as it is; its script asks again later.
        return (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "60")]).into_response();
    };
    let (to, pieces) = channel(WAITING_EVENTS_MAX);
    let batches = shared.changes.batches.subscribe();
    tokio::spawn(async move {
        tell(batches, to).await;
        drop(place);
    });
    let headers = [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-store")];
    (headers, Body::new(PiecesBody(pieces))).into_response()
}

async fn tell(mut batches: watch::Receiver<u64>, to: Sender<Bytes>) {
    let end = Instant::now() + Duration::from_secs(EVENT_STREAM_SECONDS_MAX);
    // A first line, so that the browser knows that it is connected.
    let mut told = to.send(Bytes::from_static(b": connected\n\n")).await;
    while told.is_ok() {
        tokio::select! {
            changed = timeout_at(end, batches.changed()) => match changed {
                Ok(Ok(())) if *batches.borrow_and_update() != ENDED => {}
                _ => return,
            },
            () = to.closed() => return,
        }
        told = to.send(Bytes::from_static(b"data: changed\n\n")).await;
        sleep(Duration::from_millis(PAUSE_MILLIS)).await;
    }
}
