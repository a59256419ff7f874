//! How many peers a listener turned away before there was a request that somebody could answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Away {
    /// Its address has as many connections as one may have.
    Crowded,
    /// Its TLS handshake was refused or broken off, by either side.
    Handshake,
    /// Its handshake took too long.
    Late,
    /// What it sent is no HTTP/1.1, or its header is larger than is taken.
    NoHttp,
}

impl Away {
    /// Every reason, in the order of the declaration.
    pub const ALL: [Self; 4] = [Self::Crowded, Self::Handshake, Self::Late, Self::NoHttp];

    /// Its name in figures.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Crowded => "crowded",
            Self::Handshake => "handshake-failed",
            Self::Late => "handshake-late",
            Self::NoHttp => "no-http",
        }
    }
}

/// The counts of a listener. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct TurnedAway(Arc<[AtomicU64; Away::ALL.len()]>);

impl TurnedAway {
    /// So many so far.
    #[must_use]
    pub fn count(&self, why: Away) -> u64 {
        self.0[why as usize].load(Ordering::Relaxed)
    }

    pub(super) fn add(&self, why: Away) {
        self.0[why as usize].fetch_add(1, Ordering::Relaxed);
    }
}
