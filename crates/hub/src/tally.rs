//! What a listener was asked, and what of it was turned away: by sort, and by nothing that a peer can choose.
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;
use io::http::away::{Away, TurnedAway};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Why a request was turned away.
#[derive(Clone, Copy)]
enum Turned {
    /// What was sent is not well-formed, or larger than is taken.
    Malformed,
    /// Nobody known asks: no good token, or no certificate that counts here.
    Unauthenticated,
    /// The asker is known and may not do this.
    NotPermitted,
    /// More often than anybody has to.
    TooOften,
}

/// In the order of the declaration.
const TURNED: [&str; 4] = ["malformed", "unauthenticated", "not-permitted", "too-often"];

/// The counts of one listener. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    counts: Arc<Counts>,
    /// Whom the listener turned away before there was a request.
    pub away: TurnedAway,
}

#[derive(Debug, Default)]
struct Counts {
    requests: AtomicU64,
    turned: [AtomicU64; TURNED.len()],
}

impl Tally {
    /// Requests since the start.
    pub fn requests(&self) -> u64 {
        self.counts.requests.load(Ordering::Relaxed)
    }

    /// What was turned away, by the words for why.
    pub fn turned_away(&self) -> Vec<(&'static str, u64)> {
        let turned = TURNED.iter().zip(&self.counts.turned);
        let turned = turned.map(|(why, count)| (*why, count.load(Ordering::Relaxed)));
        let away = Away::ALL.iter().map(|why| (why.word(), self.away.count(*why)));
        turned.chain(away).collect()
    }

    fn answered(&self, status: StatusCode) {
        if let Some(why) = turned(status) {
            self.counts.turned[why as usize].fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn turned(status: StatusCode) -> Option<Turned> {
    Some(match status {
        StatusCode::BAD_REQUEST
        | StatusCode::METHOD_NOT_ALLOWED
        | StatusCode::REQUEST_TIMEOUT
        | StatusCode::PAYLOAD_TOO_LARGE
        | StatusCode::UNSUPPORTED_MEDIA_TYPE => Turned::Malformed,
        StatusCode::UNAUTHORIZED => Turned::Unauthenticated,
        StatusCode::FORBIDDEN => Turned::NotPermitted,
        StatusCode::TOO_MANY_REQUESTS => Turned::TooOften,
        _ => return None,
    })
}

/// Counts a request, and what it was answered.
pub async fn count(State(tally): State<Tally>, request: Request, next: Next) -> Response {
    tally.counts.requests.fetch_add(1, Ordering::Relaxed);
    let response = next.run(request).await;
    tally.answered(response.status());
    response
}
