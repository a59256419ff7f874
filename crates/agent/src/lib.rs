//! The device's half of Steward.
//!
//! [`machine`] decides: it reads no clock, draws no randomness, opens nothing and waits for nobody.
//! [`shell`] does what the machine says, with files and TLS: [`run`] is one device in its folder,
//! and as many run in one process as it has memory for.
//!
//! Today a device joins, renews, and does what its hub wants of its configuration ([`control`]). It trusts
//! the domain by a certificate that somebody laid into its folder, or by a voucher of its manufacturer
//! (RFC 8995). [`upgrade`] keeps its firmware running and takes another one in its place.
//!
//! Absent: everything that a hub decides. No decision rests on the device's wall clock: time is
//! counted by the monotonic clock, and the server's `Date`, which TLS vouches for, says how old a
//! certificate is.
pub mod control;
pub mod limits;
pub mod machine;
pub mod shell;
pub mod upgrade;

pub use shell::{AgentError, Settings, run};
