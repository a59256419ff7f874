//! Every limit of the hub, with its unit last.

/// The body of a request to the API, and of a form.
pub const BODY_BYTES_MAX: usize = 64 * 1024;
/// From the end of a request's header to the end of its body.
pub const BODY_SECONDS_MAX: u64 = 10;
/// A certificate in the hub's folder.
pub const CERTIFICATE_FILE_BYTES_MAX: usize = 16 * 1024;
/// Life of the hub's own server certificate; renewed at a start within the last half.
pub const SERVER_CERTIFICATE_DAYS_MAX: i64 = 730;
