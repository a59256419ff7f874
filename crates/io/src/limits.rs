//! Every limit of this crate. Units stand last in the names.

/// The largest private key file that is read. A P-256 key in PEM is about 250 bytes.
pub const KEY_FILE_BYTES_MAX: usize = 16 * 1024;
