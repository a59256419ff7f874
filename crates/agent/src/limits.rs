//! Every limit of this crate. Units stand last in the names.

/// The longest that a registrar may make a device wait by `Retry-After`, RFC 8995 section 5.6.
pub const RETRY_AFTER_SECONDS_MAX: u64 = 60;

/// The longest that a busy server may put off a device that has joined, by `Retry-After`, at a check-in or for a
/// piece of an image. Meanwhile its hub does not reach it.
pub const BUSY_SECONDS_MAX: u64 = 60 * 60;

/// The shortest wait between two askings, so that a `Retry-After` of 0 does not make a busy loop.
pub const RETRY_AFTER_SECONDS_MIN: u64 = 1;

/// How long a device asks again after 202 before the attempt has failed: four days, longer than a
/// long weekend, RFC 8995 section 5.6.
pub const PENDING_HOURS_MAX: u64 = 96;

/// The first wait after a failure that may pass by itself; each further one doubles it.
pub const BACKOFF_MILLIS_MIN: u64 = 1_000;

/// The longest wait after failures that may pass by themselves.
pub const BACKOFF_MILLIS_MAX: u64 = 5 * 60 * 1_000;

/// Refusals in a row after which an attempt to join is given up, and one to renew is put off.
pub const REFUSALS_MAX: u32 = 5;

/// Connections in a row that a server of the domain ended without a word, after which a device shows its other
/// identity: its LDevID may have been revoked, or have ended while it was dark.
pub const DOUBTS_MAX: u32 = 5;

/// How long a renewal is put off after [`REFUSALS_MAX`] refusals, and showing the IDevID in place of an LDevID after
/// one.
pub const PUT_OFF_MILLIS_MAX: u64 = 60 * 60 * 1_000;

/// How long after its start an enrolled device may wait until it asks how old its certificate is:
/// many devices that start at once, after a power cut, do not ask at once.
pub const START_SPREAD_MILLIS_MAX: u64 = 60 * 1_000;

/// What of a server's words is kept, and what of ours is told.
pub const WORDS_CHARS_MAX: usize = 256;

/// The largest certificate file that is read: a path of certificates in PEM.
pub const CERTIFICATE_FILE_BYTES_MAX: usize = 256 * 1024;

/// Keys in a device's folder: the one in use, and one that is to take its place. A few more are
/// looked at in case somebody put them there.
pub const KEYS_MAX: usize = 8;

/// The longest single sleep; a device that waits for longer looks at the clock in between.
pub const SLEEP_HOURS_MAX: u64 = 24;

/// From a request to the last byte of its answer: an authority may take its time to sign.
pub const REQUEST_SECONDS_MAX: u64 = 60;

/// The largest firmware image.
pub const IMAGE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// The largest piece of an image that is asked for at once.
pub const PIECE_BYTES_MAX: u64 = 256 * 1024;

/// The largest answer that is read where a piece of an image was asked for, however small the piece is.
pub const REFUSAL_BYTES_MAX: usize = 16 * 1024;

/// Failures in a row, without a byte in between, after which a download is given up.
pub const FETCH_FAILURES_MAX: u32 = 8;

/// How often a firmware or a configuration on trial is started if power goes before it proved itself: it
/// may be what stops the device.
pub const TRIAL_STARTS_MAX: u32 = 3;

/// Manifests that are remembered because their firmware was not healthy.
pub const FAILED_MANIFESTS_MAX: usize = 8;

/// How long a firmware may take until it answers.
pub const HEALTH_SECONDS_MAX: u64 = 60;

/// The longest line of a firmware that is listened to.
pub const FIRMWARE_LINE_BYTES_MAX: usize = 256;

/// The largest file of a slot beside its image, and the largest `slots/state`.
pub const SLOT_FILE_BYTES_MAX: usize = 128 * 1024;

/// Between two check-ins when a hub answers at once again and again.
pub const CHECK_IN_MILLIS_MIN: u64 = 1_000;

/// Answers in quick succession after which a device takes its time: doing an order takes a few.
pub const QUICK_ANSWERS_MAX: u32 = 8;

/// Between two looks at the configuration's file.
pub const LOOK_MILLIS_MAX: u64 = 500;

/// What a device remembers of its configuration, on its disk.
pub const MEMORY_FILE_BYTES_MAX: usize = 16 * 1024;
