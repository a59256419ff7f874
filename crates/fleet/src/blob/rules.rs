//! When a blob that nobody holds may go. Pure.
use crate::limits::BLOB_UNHELD_HOURS_MAX;
use crate::time::Millis;

/// The blobs that were kept before may go, if nobody holds them: whoever uploads one has until then to
/// say what it is for.
pub fn unheld_before(now: Millis) -> Millis {
    now.plus_seconds(-BLOB_UNHELD_HOURS_MAX * 3_600)
}
