//! Every limit of the chores.

/// How many packages a build of the workspace with its tests may compile on Linux.
pub const COMPILED_PACKAGES_MAX: usize = 270;

/// How long `initdb` and the first start of PostgreSQL may take together.
pub const POSTGRES_START_SECONDS_MAX: u64 = 60;

/// How long PostgreSQL may take to end before it is killed.
pub const POSTGRES_END_SECONDS_MAX: u64 = 10;

/// How many lines of PostgreSQL's log are kept to explain a start that failed.
pub const POSTGRES_LOG_LINES_MAX: usize = 40;

/// How long the headless demo may play.
pub const DEMO_SECONDS_MAX: u64 = 300;

/// How often `apt-get` is started again after a failure; each try retries its downloads by itself.
pub const INSTALL_TRIES_MAX: usize = 3;

/// Longest input that a fuzz target gets, and longest sample that it begins with.
pub const FUZZ_INPUT_BYTES_MAX: usize = 32 * 1024;

/// How much memory a fuzz target may use: its readers are bounded far below.
pub const FUZZ_MEMORY_MEGABYTES_MAX: u32 = 1024;

/// How long a fuzz target may take for one input.
pub const FUZZ_INPUT_SECONDS_MAX: u32 = 10;

/// How many lines of a fuzz target's last words are kept to explain a finding.
pub const FUZZ_LOG_LINES_MAX: usize = 60;
