//! Every limit of the store, with its unit last.

/// Commands that wait for the writer. One more is refused `busy`.
pub const QUEUE_COMMANDS_MAX: usize = 1024;
/// Commands that share one transaction, and so one wait for the disk.
pub const BATCH_COMMANDS_MAX: usize = 64;
/// Threads that read, each with a connection of its own.
pub const READERS_MAX: usize = 32;
/// Jobs that wait for a reader. One more is refused `busy`.
pub const READ_QUEUE_JOBS_MAX: usize = 512;
/// Different refusals that are journalled in one minute; the rest of that minute's are counted by
/// the faces and not written, so that nobody fills the disk by being refused.
pub const MINUTE_REFUSALS_MAX: usize = 256;
/// How long SQLite waits for another process that holds the database.
pub const SQLITE_BUSY_MILLIS_MAX: u64 = 5_000;
/// Statements that one SQLite connection keeps prepared.
pub const SQLITE_STATEMENTS_MAX: usize = 256;
/// How long a connection to PostgreSQL may take to open, when the operator did not say.
pub const POSTGRES_CONNECT_SECONDS_MAX: u64 = 10;
/// How long sent bytes may stay unacknowledged before the connection counts as lost, when the
/// operator did not say.
pub const POSTGRES_SILENT_SECONDS_MAX: u64 = 30;
/// Rows that a copy of a whole state holds at once.
pub const COPY_ROWS_MAX: usize = 500;
