//! Blobs: their files in the hub's folder, their rows in the store, and the route on which people and
//! programs bring and fetch them. First the file, then the row; first the row goes, then the file. What
//! `audit check` cannot see in the store is compared here: every row with its file.
use crate::Shared;
use crate::api::{JSON, bearer, blob_path};
use crate::desk::Desk;
use crate::downloads::Download;
use crate::headers::text;
use crate::limits::{
    BLOB_BYTES_MAX, BLOB_OWN_PUTS_MAX, BLOB_SECONDS_MAX, BLOB_UPLOADS_MAX, BLOB_WAITING_CHUNKS_MAX,
    BODY_SECONDS_MAX,
};
use crate::problem::Problem;
use crate::who::stranger;
use axum::body::{Body, HttpBody};
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use bytes::Bytes;
use fleet::audit::view::Check;
use fleet::audit::view::hex;
use fleet::blob::view::{BlobView, Find, Keep, Kept, Sweep, Swept};
use fleet::operation::{Call, Operation, OperationRow, row};
use fleet::permission::Session;
use fleet::refusal::{Blame, Refusal, Sort};
use fleet::text::{Digest, Slug};
use fleet::tx::{Fault, FaultKind};
use io::blobs::{BlobError, BlobFolder, Incoming};
use io::files::FileError;
use io::http::body::{FileBody, hand_on};
use io::http::server::Peer as Connection;
use serde_json::Value as Json;
use std::io::{Seek, SeekFrom};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::mpsc::channel;
use tokio::sync::{RwLock, Semaphore};
use wire::digest::sha256;

/// The hub's blobs. Clones share them.
#[derive(Clone)]
pub struct Blobs(Arc<Inner>);

struct Inner {
    desk: Desk,
    folder: BlobFolder,
    organisation: Slug,
    uploads: Semaphore,
    /// Places of what the hub itself keeps: no upload takes one.
    own: Semaphore,
    /// The place of whoever compares all files.
    checks: Semaphore,
    /// Held to read while a file gets its name and its row, and to write while files go that have lost theirs.
    /// Never while anybody else is waited for.
    moving: RwLock<()>,
}

impl Blobs {
    /// The blobs in `folder`.
    pub fn new(desk: Desk, folder: BlobFolder, organisation: Slug) -> Self {
        let (uploads, own) = (Semaphore::new(BLOB_UPLOADS_MAX), Semaphore::new(BLOB_OWN_PUTS_MAX));
        let checks = Semaphore::new(1);
        Blobs(Arc::new(Inner { desk, folder, organisation, uploads, own, checks, moving: RwLock::default() }))
    }

    /// Keeps what the hub itself has in its hands, and says its digest.
    ///
    /// # Errors
    /// `disk-full`, or a fault of the disk or the store.
    pub async fn put(&self, session: &Session, bytes: Vec<u8>) -> Result<Digest, Refusal> {
        let digest = hex(&sha256(&bytes)).parse::<Digest>().map_err(fault)?;
        may_keep(session)?;
        let _place = self.0.own.acquire().await.map_err(fault)?;
        let (folder, wanted) = (self.0.folder.clone(), digest.clone());
        let written = blocking(move || {
            let mut incoming = folder.begin(wanted.as_str(), BLOB_BYTES_MAX)?;
            incoming.write(&bytes)?;
            Ok(incoming)
        });
        self.keep(session, digest.clone(), written.await?.map_err(refused)?).await?;
        Ok(digest)
    }

    /// All bytes of a blob, at most `bytes_max`.
    ///
    /// # Errors
    /// `blob-unknown`, or a fault of the disk or the store.
    pub async fn get(&self, session: &Session, digest: Digest, bytes_max: usize) -> Result<Vec<u8>, Refusal> {
        let find = Find { digest: digest.clone() };
        self.0.desk.own(session, find).await?;
        let folder = self.0.folder.clone();
        blocking(move || folder.read(digest.as_str(), bytes_max)).await?.map_err(refused)
    }

    /// The bytes of a blob, or the range of them that was asked for, as the peer takes them.
    ///
    /// # Errors
    /// `blob-unknown`, or a fault of the disk or the store.
    pub async fn serve(
        &self,
        session: &Session,
        digest: Digest,
        headers: &HeaderMap,
        download: Download,
    ) -> Result<Response, Problem> {
        self.0.desk.own(session, Find { digest: digest.clone() }).await?;
        let folder = self.0.folder.clone();
        let range = text(headers, header::RANGE).to_owned();
        let opened = tokio::task::spawn_blocking(move || {
            let (mut file, bytes) = folder.open_file(digest.as_str())?;
            let part = part(&range, bytes);
            if let Part::From(first, _) = part {
                file.seek(SeekFrom::Start(first))?;
            }
            std::io::Result::Ok((file, bytes, part))
        });
        let (file, bytes, part) = opened.await.map_err(fault)?.map_err(fault)?;
        let accept = [(header::ACCEPT_RANGES, "bytes"), (header::CONTENT_TYPE, "application/octet-stream")];
        Ok(match part {
            Part::Whole => (accept, Body::new(FileBody::new(file, bytes, download))).into_response(),
            Part::From(first, count) => {
                let range = format!("bytes {first}-{}/{bytes}", first + count - 1);
                let body = Body::new(FileBody::new(file, count, download));
                (StatusCode::PARTIAL_CONTENT, accept, [(header::CONTENT_RANGE, range)], body).into_response()
            }
            Part::Beyond => {
                let range = [(header::CONTENT_RANGE, format!("bytes */{bytes}"))];
                (StatusCode::RANGE_NOT_SATISFIABLE, range).into_response()
            }
        })
    }

    async fn receive(&self, session: &Session, digest: Digest, body: Body) -> Result<(), Problem> {
        may_keep(session)?;
        if body.size_hint().lower() > BLOB_BYTES_MAX {
            // Nobody takes the pieces: the peer reads why before its connection ends.
            let (nobody, _) = channel(1);
            tokio::spawn(hand_on(body, nobody, Duration::from_secs(BODY_SECONDS_MAX)));
            return Err(not_taken(BlobError::TooLarge { bytes_max: BLOB_BYTES_MAX }));
        }
        let Inner { folder, uploads, .. } = &*self.0;
        let _place = uploads.try_acquire().map_err(|_| busy())?;
        let (to, mut pieces) = channel::<Bytes>(BLOB_WAITING_CHUNKS_MAX);
        let (folder, wanted) = (folder.clone(), digest.clone());
        let writing = blocking(move || {
            let mut incoming = folder.begin(wanted.as_str(), BLOB_BYTES_MAX)?;
            while let Some(piece) = pieces.blocking_recv() {
                incoming.write(&piece)?;
            }
            Ok(incoming)
        });
        let within = Duration::from_secs(BLOB_SECONDS_MAX);
        let (handed, written) = tokio::join!(hand_on(body, to, within), writing);
        handed?;
        Ok(self.keep(session, digest, written?.map_err(not_taken)?).await?)
    }

    /// Gives a file its name and its row.
    async fn keep(&self, session: &Session, digest: Digest, incoming: Incoming) -> Result<(), Refusal> {
        let _still = self.0.moving.read().await;
        let bytes = blocking(move || incoming.finish()).await?.map_err(refused)?;
        let bytes = i64::try_from(bytes).map_err(fault)?;
        self.0.desk.own(session, Keep { digest, bytes }).await.map(drop)
    }

    /// Removes the files that a crash left without a row. Nothing may be on its way in.
    ///
    /// # Errors
    /// A fault of the disk or the store; then nothing more is removed.
    pub async fn sweep_orphans(&self) -> Result<(), Refusal> {
        let _still = self.0.moving.write().await;
        let session = self.session();
        let (to, mut names) = channel::<String>(BLOB_WAITING_CHUNKS_MAX);
        let folder = self.0.folder.clone();
        let listing = tokio::task::spawn_blocking(move || folder.each(|name| drop(to.blocking_send(name))));
        while let Some(name) = names.recv().await {
            let Ok(digest) = name.parse::<Digest>() else { continue };
            match self.0.desk.own(&session, Find { digest }).await {
                Err(no) if no.code == "blob-unknown" => self.remove(name).await?,
                found => drop(found?),
            }
        }
        listing.await.map_err(fault)?.map_err(fault)
    }

    /// Lets go of the blobs that nobody holds.
    ///
    /// # Errors
    /// A fault of the disk or the store; the next sweep goes on.
    pub async fn sweep(&self) -> Result<(), Refusal> {
        let mut after = Some(String::new());
        while let Some(place) = after {
            let _still = self.0.moving.write().await;
            let swept = self.0.desk.own(&self.session(), Sweep { after: place }).await?;
            let swept: Swept = serde_json::from_value(swept).map_err(fault)?;
            for digest in swept.digests {
                self.remove(digest).await?;
            }
            after = swept.next;
        }
        Ok(())
    }

    /// Adds to the answer of `audit check` what the store does not see: whether every blob's file is what its row
    /// says. Any other answer stays as it is.
    ///
    /// # Errors
    /// `blob-differs`, or a fault of the disk or the store.
    pub async fn compared(&self, row: &OperationRow, answer: Json) -> Result<Json, Refusal> {
        if row.name != Check::NAME {
            return Ok(answer);
        }
        let _place = self.0.checks.try_acquire().map_err(|_| comparing())?;
        let (desk, folder, session) = (self.0.desk.clone(), self.0.folder.clone(), self.session());
        let runtime = Handle::current();
        let ask = move |call: Box<dyn Call>| runtime.block_on(desk.call(&session, call, None));
        tokio::task::spawn_blocking(move || compared(&folder, &ask, answer)).await.map_err(fault)?
    }

    async fn remove(&self, digest: String) -> Result<(), Refusal> {
        let folder = self.0.folder.clone();
        blocking(move || folder.remove(&digest).map_err(BlobError::from)).await?.map_err(refused)
    }

    fn session(&self) -> Session {
        Session::of_hub("blobs", self.0.organisation.clone())
    }
}

/// How one of the hub's own operations is run, by whoever may block.
pub type Asking<'a> = &'a dyn Fn(Box<dyn Call>) -> Result<Json, Refusal>;

/// The answer of `audit check`, once every row was compared with its file. Files without a row are what a crash
/// left, or are on their way in: they are counted. It blocks.
///
/// # Errors
/// `blob-differs` for the first row whose file is not what it says, or a fault of the disk or the store.
pub fn compared(folder: &BlobFolder, ask: Asking, mut answer: Json) -> Result<Json, Refusal> {
    let (mut blobs, mut after) = (0, String::new());
    loop {
        let rows = ask(Box::new(Kept { after: after.clone() }))?;
        let rows: Vec<BlobView> = serde_json::from_value(rows).map_err(fault)?;
        let Some(last) = rows.last() else { break };
        after = last.digest.clone();
        for row in &rows {
            blobs += i64::from(is_whole(folder, ask, row)?);
        }
    }
    let (mut leftovers, mut failed) = (0, Ok(()));
    let listed = folder.each(|name| match has_row(ask, &name) {
        Ok(true) => {}
        Ok(false) => leftovers += i64::from(name.parse::<Digest>().is_ok()),
        Err(refusal) => failed = Err(refusal),
    });
    match listed {
        Err(why) if why.kind() != std::io::ErrorKind::NotFound => return Err(fault(why)),
        _ => failed?,
    }
    (answer["blobs"], answer["leftovers"]) = (blobs.into(), i64::into(leftovers));
    Ok(answer)
}

/// Whether there still is a row, and its file is what it says.
fn is_whole(folder: &BlobFolder, ask: Asking, row: &BlobView) -> Result<bool, Refusal> {
    let why = match folder.verify(&row.digest) {
        Ok(bytes) if i64::try_from(bytes) == Ok(row.bytes) => return Ok(true),
        Ok(bytes) => format!("its file has {bytes} bytes, and {} were kept", row.bytes),
        Err(why) => why.to_string(),
    };
    // First the row goes, then the file: it may have been swept meanwhile.
    if !has_row(ask, &row.digest)? {
        return Ok(false);
    }
    let detail = format!(
        "the blob {} is not what its row says: {why}; bring the file again with `steward blob put`, or restore it \
         from a backup",
        row.digest
    );
    Err(Refusal::new(Sort::Failed, "blob-differs", detail).blaming(Blame::Environment))
}

fn has_row(ask: Asking, name: &str) -> Result<bool, Refusal> {
    let Ok(digest) = name.parse::<Digest>() else { return Ok(false) };
    match ask(Box::new(Find { digest })) {
        Ok(_) => Ok(true),
        Err(no) if no.code == "blob-unknown" => Ok(false),
        Err(no) => Err(no),
    }
}

fn comparing() -> Refusal {
    let detail = "the files of all blobs are being compared for somebody; ask again in a moment";
    Refusal::new(Sort::Later, "busy", detail)
}

/// Asked before a byte is taken.
fn may_keep(session: &Session) -> Result<(), Refusal> {
    let keep = row::<Keep>();
    if session.may(&keep) { Ok(()) } else { Err(session.denied(&keep)) }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BlobError> + Send + 'static,
) -> Result<Result<T, BlobError>, Refusal> {
    tokio::task::spawn_blocking(work).await.map_err(fault)
}

fn fault(why: impl std::fmt::Display) -> Refusal {
    Refusal::new(Sort::Failed, "blob-fault", why.to_string()).blaming(Blame::Us)
}

fn busy() -> Refusal {
    let detail = format!("{BLOB_UPLOADS_MAX} blobs are on their way in; ask again in a moment");
    Refusal::new(Sort::Later, "busy", detail)
}

/// As a body over its limit is answered at every door.
fn not_taken(error: BlobError) -> Problem {
    let too_large = matches!(error, BlobError::TooLarge { .. });
    let problem = Problem::from(refused(error));
    if too_large { Problem { status: StatusCode::PAYLOAD_TOO_LARGE, ..problem } } else { problem }
}

fn refused(error: BlobError) -> Refusal {
    let detail = error.to_string();
    match error {
        BlobError::DigestDiffers { .. } => Refusal::new(Sort::Malformed, "digest-differs", detail),
        BlobError::TooLarge { .. } => Refusal::new(Sort::TooMuch, "blob-too-large", detail),
        BlobError::File(FileError::TooLarge { .. }) => Refusal::new(Sort::TooMuch, "blob-too-large", detail),
        BlobError::File(file) if file.is_disk_full() => Fault::new(FaultKind::DiskFull, detail).into(),
        BlobError::File(_) => Refusal::new(Sort::Failed, "blob-unreadable", detail),
    }
}

/// The route, beside the operation table.
pub fn router() -> Router<Arc<Shared>> {
    let blob = get(fetch).put(store).layer(DefaultBodyLimit::disable());
    Router::new().route(&blob_path("{digest}"), blob)
}

fn digest(text: &str) -> Result<Digest, Refusal> {
    let wrong = |why| Refusal::new(Sort::Malformed, "bad-digest", format!("the blob's SHA-256: {why}"));
    text.parse().map_err(wrong)
}

async fn store(
    State(shared): State<Arc<Shared>>,
    Path(named): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let session = shared.desk.session(bearer(&headers)?).await?;
    let digest = digest(&named)?;
    shared.blobs.receive(&session, digest.clone(), body).await?;
    let kept = shared.desk.own(&session, Find { digest }).await?;
    Ok(([(header::CONTENT_TYPE, JSON)], kept.to_string()).into_response())
}

async fn fetch(
    State(shared): State<Arc<Shared>>,
    Path(named): Path<String>,
    Extension(connection): Extension<Connection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let session = shared.desk.session(bearer(&headers)?).await?;
    let download = shared.downloads.begin(stranger(connection.address.ip()), &connection.closer)?;
    shared.blobs.serve(&session, digest(&named)?, &headers, download).await
}

/// The part of a file that was asked for: where it begins, and how many bytes it has.
#[derive(Debug, PartialEq, Eq)]
enum Part {
    Whole,
    From(u64, u64),
    Beyond,
}

/// RFC 9110 section 14.2: one range of bytes; whatever else stands there is ignored.
fn part(range: &str, bytes: u64) -> Part {
    let Some((first, last)) = range.strip_prefix("bytes=").and_then(|range| range.split_once('-')) else {
        return Part::Whole;
    };
    let end = bytes.saturating_sub(1);
    match (first.parse::<u64>(), last.parse::<u64>(), last.is_empty()) {
        (Ok(first), _, _) if first >= bytes => Part::Beyond,
        (Ok(first), Ok(last), _) if first <= last => Part::From(first, last.min(end) - first + 1),
        (Ok(first), Err(_), true) => Part::From(first, end - first + 1),
        _ => Part::Whole,
    }
}

#[cfg(test)]
mod tests {
    use super::{Part, part};

    #[test]
    fn ranges() {
        let check = |range: &str, expect: Part| assert_eq!(part(range, 10), expect, "{range}");
        check("bytes=0-", Part::From(0, 10));
        check("bytes=3-5", Part::From(3, 3));
        check("bytes=9-99", Part::From(9, 1));
        check("bytes=10-", Part::Beyond);
        check("bytes=5-3", Part::Whole);
        check("bytes=-3", Part::Whole);
        check("bytes=0-1,4-5", Part::Whole);
        check("lines=0-1", Part::Whole);
        check("", Part::Whole);
        assert_eq!(part("bytes=0-", 0), Part::Beyond);
    }
}
