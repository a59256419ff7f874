//! The operating system, once: the clock, randomness, crash-safe files, blobs by digest, keys, TLS, HTTP.
//!
//! Absent: protocol meaning and policy. This crate proves that a peer holds the key of the
//! certificate it shows; whether that certificate is welcome is decided by whoever called. It
//! never uses a process-wide TLS provider, and no session is ever resumed where a client
//! certificate is asked for.
pub mod blobs;
pub mod clock;
pub mod files;
pub mod http;
pub mod key;
pub mod limits;
pub mod pieces;
pub mod random;
pub mod tls;

pub use key::FileKey;
