//! Worlds from seeds, and every invariant seen false once.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper that fails is a test that fails")]

mod damage;
mod seeds;
