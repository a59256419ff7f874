//! Bytes to types and back, and the protocol machines that two sides share.
//!
//! Absent: a clock, randomness, files, sockets, async, unsafe. What a machine needs of the world
//! comes as an argument: `now`, a nonce, a [`Signer`].
pub mod signer;

pub use signer::{Signer, SignerFailed};
