//! Every limit of the gate, with its unit last.

/// Plans that are loaded at once.
pub const LOADED_PLANS_MAX: usize = wire::limits::SITE_PLANS_MAX;

/// Longest comment of a rule that the kernel keeps, without the byte that ends it.
pub const COMMENT_BYTES_MAX: usize = 127;

/// What is kept of the words of `nft` when it refuses.
pub const COMPLAINT_BYTES_MAX: usize = 2048;

/// How long a hub may hold a gate's question for another set of plans, and then answer it.
pub const HELD_SECONDS_MAX: u64 = 60;

/// The first wait after something went wrong with the hub; each further one is twice as long.
pub const RETRY_SECONDS_MIN: u64 = 1;

/// The longest of these waits.
pub const RETRY_SECONDS_MAX: u64 = 60;
