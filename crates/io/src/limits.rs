//! Every limit of this crate. Units stand last in the names.

/// The largest private key file that is read. A P-256 key in PEM is about 250 bytes.
pub const KEY_FILE_BYTES_MAX: usize = 16 * 1024;

/// Connections that one listener keeps at once. Each costs a file descriptor and, while TLS is in
/// it, about 30 kB.
pub const CONNECTIONS_MAX: usize = 16 * 1024;

/// Those of them from one address, or one /64 of IPv6. A site's devices may share an address; a quarter leaves
/// room for others.
pub const ADDRESS_CONNECTIONS_MAX: usize = CONNECTIONS_MAX / 4;

/// Handshakes that one listener works on at once, counted from the whole ClientHello.
pub const HANDSHAKES_MAX: usize = 512;

/// From the accepted connection to the end of the TLS handshake. A constrained device signs in one
/// or two seconds.
pub const HANDSHAKE_SECONDS_MAX: u64 = 10;

/// From the end of the handshake, or of the answer before, to the end of a request's header.
pub const HEADER_SECONDS_MAX: u64 = 30;

/// The largest header of a request or an answer, with its first line.
pub const HEADER_BYTES_MAX: usize = 32 * 1024;

/// Header fields of a request or an answer.
pub const HEADERS_MAX: usize = 64;

/// What is read and dropped of a body that is larger than its reader takes.
pub const OVERLONG_BODY_BYTES_MAX: usize = 256 * 1024;

/// How long a peer may take in none of what it is sent before its connection is given up.
pub const STALL_SECONDS_MAX: u64 = 60;

/// How long running requests get once a server stops.
pub const DRAIN_SECONDS_MAX: u64 = 10;

/// The pause after the system refused to accept a connection for want of something.
pub const ACCEPT_PAUSE_MILLIS_MAX: u64 = 50;

/// From the name to the end of the TLS handshake, as a client.
pub const CONNECT_SECONDS_MAX: u64 = 10;

/// From a client's request to the last byte of its answer, unless the caller says otherwise.
pub const REQUEST_SECONDS_MAX: u64 = 60;

/// The largest body of an answer, unless the caller says otherwise.
pub const ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// The longest URL, or path, that the client accepts.
pub const URL_BYTES_MAX: usize = 2048;

/// The largest server-sent event, field names not counted.
pub const EVENT_BYTES_MAX: usize = 256 * 1024;

/// What is read of a body, and dropped, that nobody takes any more: as large as an image of a firmware.
pub const BODY_DRAIN_BYTES_MAX: usize = 16 * 1024 * 1024;
/// The piece of a file that is read at once to be sent.
pub const BODY_CHUNK_BYTES_MAX: usize = 64 * 1024;
