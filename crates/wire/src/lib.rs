//! Bytes to types and back, and the protocol machines that two sides share.
//!
//! Absent: a clock, randomness, files, sockets, async, unsafe. What a machine needs of the world
//! comes as an argument: `now`, a nonce, a [`Signer`].
//!
//! Trust: [`key`] and [`digest`] carry [`certificate`] (reading, issuing, judging a path), [`csr`]
//! and [`cms`]. On them stand the bodies that two sides exchange: [`est`], [`voucher`],
//! [`audit_log`], [`status`], [`control`] and [`retirement`]; [`mud`] is what a manufacturer publishes, [`plan`] what
//! a gate makes of it, held against a [`packet`]. [`cose`] carries [`suit`], the signed firmware
//! manifests and their processor. Every reader is bounded by [`limits`] and never panics.
pub mod audit_log;
pub mod birth_record;
pub mod cbor;
pub mod certificate;
pub mod cms;
pub mod control;
pub mod cose;
pub mod csr;
pub mod date_time;
pub mod digest;
pub mod est;
pub mod json;
pub mod key;
pub mod limits;
pub mod mud;
pub mod oid;
pub mod packet;
pub mod plan;
pub mod prefix;
pub mod retirement;
mod signed;
pub mod signer;
pub mod status;
pub mod suit;
pub mod voucher;

pub use certificate::Certificate;
pub use key::PublicKey;
pub use oid::Oid;
pub use signed::SignFailed;
pub use signer::{Signer, SignerFailed};
