//! Bodies, never without a limit.

use std::error::Error;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Body;

/// A body could not be read. Its sender is to blame, or the network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// More bytes than the reader takes; announced or sent.
    #[error("the body is larger than {bytes_max} bytes")]
    TooLarge {
        /// The reader's limit.
        bytes_max: usize,
    },
    /// The body did not end in time.
    #[error("the body did not end within {0:?}")]
    TimedOut(Duration),
    /// The connection ended within the body, or its framing is wrong.
    #[error("the body broke off: {0}")]
    Broken(String),
}

/// Reads all of `body`: at most `bytes_max` bytes, ending `within` this time.
///
/// # Errors
/// [`BodyError`].
pub async fn read_body<B>(body: B, bytes_max: usize, within: Duration) -> Result<Bytes, BodyError>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Error,
{
    tokio::time::timeout(within, collect(body, bytes_max)).await.unwrap_or(Err(BodyError::TimedOut(within)))
}

pub(super) async fn collect<B>(mut body: B, bytes_max: usize) -> Result<Bytes, BodyError>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Error,
{
    if body.size_hint().lower() > bytes_max as u64 {
        return Err(BodyError::TooLarge { bytes_max });
    }
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|e| BodyError::Broken(e.to_string()))?;
        // Trailers are read and dropped.
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if data.len() > bytes_max - whole.len() {
            return Err(BodyError::TooLarge { bytes_max });
        }
        whole.extend_from_slice(&data);
    }
    Ok(whole.freeze())
}
