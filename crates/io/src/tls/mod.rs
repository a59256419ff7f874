//! TLS configurations whose keys stay behind a [`wire::Signer`].
//!
//! One provider (aws-lc) is passed explicitly; the process-wide default is never read or set.

pub mod client;
mod identity;
mod proof;
pub mod server;

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::UnixTime;
use rustls::time_provider::TimeProvider;

use crate::clock;

pub use identity::Identity;

/// The one protocol that both sides speak.
const ALPN_HTTP_1_1: &[u8] = b"http/1.1";

/// A TLS configuration could not be made. The operator's certificate, key or anchor is to blame.
#[derive(Debug, thiserror::Error)]
pub enum TlsConfigError {
    /// The chain holds no certificate.
    #[error("there is no certificate to show")]
    NoCertificate,
    /// The first certificate of the chain does not belong to the key, or cannot be read.
    #[error("the certificate and its key do not belong together: {0}")]
    NotItsKey(rustls::Error),
    /// A trust anchor cannot be used.
    #[error("trust anchor number {number} cannot be used: {reason}")]
    BadAnchor {
        /// Its place in the list, from 1.
        number: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no trust anchor at all.
    #[error("there is no trust anchor, so no server could be believed")]
    NoAnchors,
    /// rustls refused the combination. This program is to blame.
    #[error("the TLS configuration was refused: {0}")]
    Refused(#[from] rustls::Error),
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// rustls asks for the time through the same door as everything else.
#[derive(Debug)]
struct MachineClock;

impl TimeProvider for MachineClock {
    fn current_time(&self) -> Option<UnixTime> {
        let seconds = u64::try_from(clock::now_millis() / 1000).ok()?;
        Some(UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds)))
    }
}
