//! **Releases**: the firmware that an operator has from its makers.
//!
//! Part of upgrade. A release is fetched from its author (RFC 9019): the envelope, the certificate of its
//! signer beside it, and the image that the manifest names. It is kept when the signer chains to the
//! maker's anchor, the signature is good and the image is the one of the manifest.
//!
//! | from | command | to |
//! |---|---|---|
//! | -, refused | want (a URL) | wanted; the hub fetches and verifies outside of the transaction |
//! | wanted | keep | kept, for ever |
//! | wanted | refuse | refused, and why |
//!
//! The image is a blob. The envelope is small, and every offer of it is an answer of the store: it stands
//! in the row.
pub mod door;
pub mod manifest;
pub mod rules;
pub mod store;
pub mod view;

/// The room. Its subjects are names that the operator gives.
pub struct Release;
