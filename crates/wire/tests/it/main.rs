//! Tests of wire from outside: published vectors, OpenSSL as a judge, and hostile bytes.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper that fails is a test that fails")]

mod certificate;
mod chain;
mod cms;
mod csr;
mod est;
mod hostile;
mod mud;
mod plan;
mod retirement;
mod suit;
mod support;
mod vectors;
