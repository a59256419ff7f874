//! Bytes to types and back, and the protocol machines that two sides share.
//!
//! Absent: a clock, randomness, files, sockets, async, unsafe. What a machine needs of the world
//! comes as an argument: `now`, a nonce, a [`Signer`].
pub mod certificate;
pub mod cms;
pub mod csr;
pub mod date_time;
pub mod digest;
pub mod est;
pub mod json;
pub mod key;
pub mod limits;
pub mod oid;
mod signed;
pub mod signer;
pub mod voucher;

pub use certificate::Certificate;
pub use key::PublicKey;
pub use oid::Oid;
pub use signed::SignFailed;
pub use signer::{Signer, SignerFailed};
