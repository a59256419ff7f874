//! **Published releases**: the firmware of products, as signed SUIT envelopes.
//!
//! Part of provisioning. In the words of RFC 9019 the manufacturer is the author: it signs a manifest that
//! says for which devices an image is and what its digest is. Envelope and image are blobs, and anybody
//! may fetch them: each envelope authenticates itself. The list of a product's releases is of our own
//! making and is not signed; it only says where to look.
//!
//! | from | command | to |
//! |---|---|---|
//! | - | want | wanted; the hub writes and signs the envelope outside of the transaction |
//! | wanted | publish | published, for ever |
//! | wanted | refuse (it could not be written) | refused, and why |
//!
//! Sequence numbers of a product only grow (draft-ietf-suit-manifest-37). A *way back* is an older image
//! under a newer number.
pub mod door;
pub mod rules;
pub mod store;
pub mod view;

/// The room. Its subjects are a product and a sequence number: `lamp-7/3`.
pub struct PublishedRelease;
