//! Bodies, never without a limit.

use std::error::Error;
use std::fs::File;
use std::io::Read;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::limits::{BODY_CHUNK_BYTES_MAX, BODY_DRAIN_BYTES_MAX, OVERLONG_BODY_BYTES_MAX};

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
/// Of a body that is larger, [`OVERLONG_BODY_BYTES_MAX`] more are read and dropped while the caller answers:
/// a connection that is closed with unread bytes is reset, and its peer may lose the answer that says why.
///
/// # Errors
/// [`BodyError`].
pub async fn read_body<B>(mut body: B, bytes_max: usize, within: Duration) -> Result<Bytes, BodyError>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Error,
{
    let whole = tokio::time::timeout(within, collect(&mut body, bytes_max)).await;
    let whole = whole.unwrap_or(Err(BodyError::TimedOut(within)));
    if matches!(whole, Err(BodyError::TooLarge { .. })) {
        tokio::spawn(tokio::time::timeout(within, drop_rest(body)));
    }
    whole
}

async fn drop_rest<B>(mut body: B)
where
    B: Body<Data = Bytes> + Unpin,
{
    let mut dropped = 0;
    while dropped < OVERLONG_BODY_BYTES_MAX {
        let Some(Ok(frame)) = body.frame().await else { return };
        dropped += frame.data_ref().map_or(0, Bytes::len);
    }
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

/// Hands `body` on in pieces as they come, `within` this time. When nobody takes the pieces any more, the
/// next [`BODY_DRAIN_BYTES_MAX`] are read and dropped, so that the peer has sent all of a usual body and reads
/// why it was refused; then it ends early, without an error.
///
/// # Errors
/// [`BodyError::TimedOut`], [`BodyError::Broken`].
pub async fn hand_on<B>(mut body: B, to: Sender<Bytes>, within: Duration) -> Result<(), BodyError>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Error,
{
    let pieces = async {
        let mut dropped = 0;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|e| BodyError::Broken(e.to_string()))?;
            let Ok(data) = frame.into_data() else { continue };
            let bytes = data.len();
            if to.is_closed() || to.send(data).await.is_err() {
                dropped += bytes;
            }
            if dropped > BODY_DRAIN_BYTES_MAX {
                break;
            }
        }
        Ok(())
    };
    tokio::time::timeout(within, pieces).await.unwrap_or(Err(BodyError::TimedOut(within)))
}

/// A body whose bytes are read from a file as the peer takes them.
#[derive(Debug)]
pub struct FileBody {
    pieces: Receiver<std::io::Result<Bytes>>,
    left: u64,
}

impl FileBody {
    /// The next `bytes` bytes of `file`, read on a thread that may block.
    #[must_use]
    pub fn new(file: File, bytes: u64) -> Self {
        let (to, pieces) = channel(1);
        tokio::task::spawn_blocking(move || read_pieces(file.take(bytes), &to));
        FileBody { pieces, left: bytes }
    }
}

fn read_pieces(mut file: impl Read, to: &Sender<std::io::Result<Bytes>>) {
    loop {
        let mut piece = vec![0; BODY_CHUNK_BYTES_MAX];
        let read = file.read(&mut piece).map(|bytes| {
            piece.truncate(bytes);
            Bytes::from(piece)
        });
        let more = read.as_ref().is_ok_and(|piece| !piece.is_empty());
        let ended = read.as_ref().is_ok_and(Bytes::is_empty);
        // A peer that has gone takes nothing more.
        if ended || to.blocking_send(read).is_err() || !more {
            return;
        }
    }
}

impl Body for FileBody {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        let piece = ready!(self.pieces.poll_recv(cx));
        if let Some(Ok(bytes)) = &piece {
            self.left = self.left.saturating_sub(bytes.len() as u64);
        }
        Poll::Ready(piece.map(|piece| piece.map(Frame::data)))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// A body of pieces that are made while the peer takes them; it ends when nobody makes more.
#[derive(Debug)]
pub struct PiecesBody(pub Receiver<Bytes>);

impl Body for PiecesBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.0.poll_recv(cx).map(|piece| piece.map(|bytes| Ok(Frame::data(bytes))))
    }
}
