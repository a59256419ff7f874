//! Every limit of the hub, with its unit last.

/// The body of a request to the API, and of a form.
pub const BODY_BYTES_MAX: usize = 64 * 1024;
/// From the end of a request's header to the end of its body.
pub const BODY_SECONDS_MAX: u64 = 10;
/// A certificate in the hub's folder.
pub const CERTIFICATE_FILE_BYTES_MAX: usize = 16 * 1024;
/// Life of the hub's own server certificate; renewed at a start within the last half.
pub const SERVER_CERTIFICATE_DAYS_MAX: i64 = 730;
/// Servers that strangers named which are asked at once.
pub const FETCHES_MAX: usize = 64;
/// Requests to one of these servers at once.
pub const SERVER_FETCHES_MAX: usize = 8;
/// From the request to one of these servers to the last byte of its reply.
pub const FETCH_SECONDS_MAX: u64 = 20;
/// The largest reply of one of these servers, whatever the caller would take.
pub const FETCH_REPLY_BYTES_MAX: usize = fleet::limits::IMAGE_BYTES_MAX;
/// How long one of these servers may tell us to wait.
pub const REPLY_RETRY_SECONDS_MAX: u32 = 3_600;
/// A blob: firmware, a description, a plan.
pub const BLOB_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Blobs that are being received at once.
pub const BLOB_UPLOADS_MAX: usize = 4;
/// Blobs that the hub itself is keeping at once; more wait.
pub const BLOB_OWN_PUTS_MAX: usize = 4;
/// Reads of the whole journal at once: fewer than there are readers.
pub const LONG_READS_MAX: usize = 1;
/// From the end of the header to the end of a blob.
pub const BLOB_SECONDS_MAX: u64 = 600;
/// Pieces of a blob that wait for the disk.
pub const BLOB_WAITING_CHUNKS_MAX: usize = 4;
/// Blobs that a listener is sending at once. Each costs a file descriptor and a piece of the file in memory.
pub const DOWNLOADS_MAX: usize = 1024;
/// Those of them to one device, or to one network of people and programs.
pub const PEER_DOWNLOADS_MAX: usize = 16;
/// From the request for a blob to its last byte.
pub const DOWNLOAD_SECONDS_MAX: u64 = 3_600;
/// How long a check-in is held that has nothing to tell: below what routers with NAT forget.
pub const CHECK_IN_SECONDS_MAX: u64 = 25;
/// Check-ins that are held at once.
pub const HELD_REQUESTS_MAX: usize = 16 * 1024;
/// Gates that wait for another set of plans at once.
pub const HELD_GATES_MAX: usize = 1024;
/// Between two looks at a site's plans for a gate that waits.
pub const GATE_LOOK_MILLIS_MIN: u64 = 50;
/// Open pages that are told of changes.
pub const EVENT_STREAMS_MAX: usize = 64;
/// How long one of them is told before its browser has to show its session again.
pub const EVENT_STREAM_SECONDS_MAX: u64 = 600;
/// What waits for one of them to take it.
pub const WAITING_EVENTS_MAX: usize = 1;
/// Descriptions that are fetched at once.
pub const DESCRIPTION_FETCHES_MAX: usize = 16;
/// Those of them from one server: together with its releases fewer than [`SERVER_FETCHES_MAX`], so that its
/// MASA is asked beside them.
pub const SERVER_DESCRIPTION_FETCHES_MAX: usize = 2;
/// Releases that are fetched at once. Each may have an image in memory ([`FETCH_REPLY_BYTES_MAX`]).
pub const RELEASE_FETCHES_MAX: usize = 8;
/// Those of them from one server.
pub const SERVER_RELEASE_FETCHES_MAX: usize = 2;
/// Requests of a device that may cost an entry of the journal, in a row; one comes back each second.
pub const DEVICE_REQUESTS_MAX: u32 = 60;
/// Requests of a device for pieces of an image, in a row; one comes back each second. Our agent asks for the
/// largest image in 64 pieces.
pub const DEVICE_IMAGE_REQUESTS_MAX: u32 = 256;
/// Devices whose requests are counted; they are forgotten when they have all of them again.
pub const BUDGETED_DEVICES_MAX: usize = 100_000;

#[cfg(test)]
mod tests {
    /// An idle device asks once per hold: less than once in 20 s, and before a router with NAT forgets it.
    #[test]
    fn idle_devices_ask_seldom() {
        const { assert!(20 < super::CHECK_IN_SECONDS_MAX && super::CHECK_IN_SECONDS_MAX < 30) };
    }
}
