//! A device against a registrar of the tests' own: the machine alone, and the shell over real TLS with
//! openssl and curl as judges.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper that fails is a test that fails")]

mod crashes;
mod imprint;
mod machine;
mod member;
mod orders;
mod registrar;
mod served;
mod shell;
mod support;
mod table;
mod upgrade;
mod wipe;
