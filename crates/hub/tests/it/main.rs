//! A whole hub on loopback, judged by OpenSSL and curl.
#![allow(clippy::panic, reason = "a test fails by panicking")]
mod bad_input;
mod blobs;
mod brski;
mod checkins;
mod credentials;
mod discovery;
mod est;
mod fetch;
mod folder;
mod health;
mod masa;
mod publication;
mod records;
mod releases;
mod slow;
mod support;
