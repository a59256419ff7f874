//! Blobs that are being sent: so many at once, so many to one peer, and none for ever.
use crate::limits::{DOWNLOAD_SECONDS_MAX, DOWNLOADS_MAX, PEER_DOWNLOADS_MAX};
use crate::who::Who;
use fleet::refusal::{Refusal, Sort};
use io::http::server::{Closer, ClosesLater};
use io::http::shares::{NoPlace, Share, Shares};
use std::time::Duration;

/// The blobs that a listener is sending.
#[derive(Debug)]
pub struct Downloads(Shares<Who>);

/// Kept as long as a blob is being sent.
#[derive(Debug)]
pub struct Download {
    _share: Share<Who>,
    _ends: ClosesLater,
}

impl Default for Downloads {
    fn default() -> Self {
        Downloads(Shares::new(DOWNLOADS_MAX, PEER_DOWNLOADS_MAX))
    }
}

impl Downloads {
    /// A place for a blob that is sent to `who`, whose connection ends when it takes too long.
    ///
    /// # Errors
    /// `busy`, when the peer is being sent as many as one may be, or the listener sends as many as it can.
    pub fn begin(&self, who: Who, closer: &Closer) -> Result<Download, Refusal> {
        let share = self.0.take(who).map_err(|why| {
            let detail = match why {
                NoPlace::Own => {
                    format!("{PEER_DOWNLOADS_MAX} blobs are on their way to you; take them first")
                }
                NoPlace::All => format!("{DOWNLOADS_MAX} blobs are on their way out; ask again in a moment"),
            };
            Refusal::new(Sort::Later, "busy", detail)
        })?;
        let within = Duration::from_secs(DOWNLOAD_SECONDS_MAX);
        Ok(Download { _share: share, _ends: closer.close_within(within) })
    }
}
