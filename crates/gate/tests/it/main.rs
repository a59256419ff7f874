//! Plans in a real kernel: network namespaces, recorded frames, and what passes.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper that fails is a test that fails")]

mod kernel;
mod support;
mod text;
