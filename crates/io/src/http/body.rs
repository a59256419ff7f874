//! Bodies, never without a limit.

use std::error::Error;
use std::fs::File;
use std::future::Future;
use std::io::{ErrorKind, Read};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::mpsc::{Receiver, Sender};
use tokio::task::JoinHandle;

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

/// A body whose bytes are read from a file as the peer takes them: a thread that may block is used for one piece
/// and let go, so a peer that takes nothing keeps none from others.
#[derive(Debug)]
pub struct FileBody<P> {
    file: Arc<File>,
    left: u64,
    reading: Option<JoinHandle<std::io::Result<Bytes>>>,
    /// Given back when the body is gone.
    _place: P,
}

impl<P> FileBody<P> {
    /// The next `bytes` bytes of `file`. `place` is kept as long as the body is.
    #[must_use]
    pub fn new(file: File, bytes: u64, place: P) -> Self {
        FileBody { file: Arc::new(file), left: bytes, reading: None, _place: place }
    }
}

fn read_piece(mut file: &File, left: u64) -> std::io::Result<Bytes> {
    let bytes = usize::try_from(left).unwrap_or(usize::MAX).min(BODY_CHUNK_BYTES_MAX);
    let mut piece = vec![0; bytes];
    let read = file.read(&mut piece)?;
    piece.truncate(read);
    Ok(piece.into())
}

impl<P: Unpin> Body for FileBody<P> {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        let this = &mut *self;
        if this.left == 0 {
            return Poll::Ready(None);
        }
        let reading = this.reading.get_or_insert_with(|| {
            let (file, left) = (this.file.clone(), this.left);
            tokio::task::spawn_blocking(move || read_piece(&file, left))
        });
        let piece = ready!(Pin::new(reading).poll(cx)).unwrap_or_else(|lost| Err(lost.into()));
        this.reading = None;
        match &piece {
            // A file that is shorter than it was: what was announced cannot be kept.
            Ok(bytes) if bytes.is_empty() => return Poll::Ready(Some(Err(ErrorKind::UnexpectedEof.into()))),
            Ok(bytes) => this.left -= bytes.len() as u64,
            Err(_) => {}
        }
        Poll::Ready(Some(piece.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
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
