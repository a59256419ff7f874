//! Every limit of the program, with its unit last.

/// A ready-file: an address, a path and a token.
pub const READY_FILE_BYTES_MAX: usize = 64 * 1024;
/// A file with a token.
pub const TOKEN_FILE_BYTES_MAX: usize = 4 * 1024;
/// A file with the certificates to believe; a system's own list is about 220 kB.
pub const CA_FILE_BYTES_MAX: usize = 1024 * 1024;
/// `steward.toml`.
pub const SETTINGS_FILE_BYTES_MAX: usize = 64 * 1024;
/// A file whose text is an argument: what a hub takes as a whole body.
pub const ARGUMENT_FILE_BYTES_MAX: usize = hub::limits::BODY_BYTES_MAX;
/// From a request to the last byte of its answer; `audit verify` walks the whole journal.
pub const CALL_SECONDS_MAX: u64 = 300;
/// The answer to a request: a page of 500 entries of the journal, and room.
pub const CALL_ANSWER_BYTES_MAX: usize = 8 * 1024 * 1024;
/// From the bound port to the hub's own first answer.
pub const FIRST_ANSWER_SECONDS_MAX: u64 = 30;
/// Items of each page that `--all` asks for.
pub const ALL_PAGE_ITEMS_MAX: u16 = fleet::limits::PAGE_ITEMS_MAX;
/// The narrowest that a column of a table is cut to.
pub const COLUMN_CHARS_MIN: usize = 8;
/// Devices of the demo.
pub const DEMO_DEVICES_MAX: u32 = 9_999;
/// From starting a hub of the demo to its ready-file.
pub const DEMO_START_SECONDS_MAX: u64 = 60;
/// From telling a hub of the demo to stop until it is killed.
pub const DEMO_END_SECONDS_MAX: u64 = 20;
/// Starts of a hub whose folder a hub of an earlier, killed demo has not left yet.
pub const DEMO_START_TRIES_MAX: u32 = 40;
/// The log of a hub of the demo that is read when it did not start.
pub const DEMO_LOG_BYTES_MAX: usize = 1024 * 1024;
/// What the demo keeps about itself in its folder.
pub const DEMO_FILE_BYTES_MAX: usize = 4 * 1024;
/// A hub's database that `--break` patches.
pub const DEMO_DATABASE_BYTES_MAX: usize = 512 * 1024 * 1024;
/// A device's certificate that the demo reads: what the agent reads too.
pub const DEMO_CERTIFICATE_BYTES_MAX: usize = agent::limits::CERTIFICATE_FILE_BYTES_MAX;
/// From putting the demo's description until it is signed.
pub const DEMO_PUBLISH_SECONDS_MAX: u64 = 30;
/// From an order until the demo's devices have carried it out.
pub const DEMO_CONFIGURATION_SECONDS_MAX: u64 = 120;
/// From the start of a rollout of the demo to its end.
pub const DEMO_ROLLOUT_SECONDS_MAX: u64 = 180;
/// A firmware of the demo, which is a few lines, and what a device remembers of it.
pub const DEMO_FIRMWARE_BYTES_MAX: usize = 64 * 1024;
/// From starting the demo's devices until all of them are at work: an agent waits 5 s between two
/// askings, and up to a minute if the hub tells it so.
pub const DEMO_ONBOARDING_SECONDS_MAX: u64 = 180;
/// Devices of a simulated world, which is in memory.
pub const SIMULATE_DEVICES_MAX: u32 = 10_000;
/// Worlds that are simulated one after the other.
pub const SIMULATE_SEEDS_MAX: u32 = 1_000_000;
/// A blob: what a hub takes.
pub const BLOB_BYTES_MAX: usize = hub::limits::BLOB_BYTES_MAX as usize;
/// Files of a hub's folder in a backup: mostly blobs.
pub const BACKUP_FILES_MAX: usize = 1_000_000;
/// A backup's list of its files: a path and a digest each.
pub const BACKUP_INDEX_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// How long a plan of the demo may take to be made anew.
pub const DEMO_PLAN_SECONDS_MAX: u64 = 20;
/// How long a device of the demo is waited for that is held, mended or given up.
pub const DEMO_RESPONSE_SECONDS_MAX: u64 = 120;
