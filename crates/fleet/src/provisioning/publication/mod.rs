//! **Publications**: the descriptions (MUD files) of products, signed.
//!
//! Part of provisioning. RFC 8520 section 13.1: a file is signed as an opaque object, and its signature
//! stands where the file says. File and signature are blobs.
//!
//! | from | command | to |
//! |---|---|---|
//! | any | want (a file) | wanted; the hub checks and signs outside of the transaction |
//! | wanted | publish | published |
//! | wanted | refuse (the file is not good) | as before, and why |
pub mod door;
pub mod rules;
pub mod store;
pub mod view;

/// The room. Its subjects are products.
pub struct Publication;
