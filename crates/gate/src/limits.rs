//! Every limit of the gate, with its unit last.

/// Plans that are loaded at once.
pub const LOADED_PLANS_MAX: usize = 4096;

/// Longest comment of a rule that the kernel keeps, without the byte that ends it.
pub const COMMENT_BYTES_MAX: usize = 127;

/// What is kept of the words of `nft` when it refuses.
pub const COMPLAINT_BYTES_MAX: usize = 2048;
