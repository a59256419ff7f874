//! How a device joins a domain and stays in it, without a socket, a file, a clock or randomness.
//!
//! A [`Pledge`] is made from what the device has ([`Pledge::resume`]) and says the one thing to do
//! next, an [`Output`]. Whoever does it hands back how it went, an [`Input`], by [`Pledge::step`], and
//! hears the next thing. Stopped at any place and resumed from what was stored, it goes on.
//!
//! ```text
//! resume -> Connect -> cacerts -> [Store anchors] -> csrattrs -> MakeKey -> MakeCsr
//!        -> simpleenroll -> Store LDevID -> Connect anew, with the LDevID -> enrollstatus
//!        -> Store: old keys away, enrolment told -> Wait until two thirds of its life are over
//!        -> the same again with the LDevID, by simplereenroll and with a new key
//! ```
//!
//! | what comes | what follows |
//! |---|---|
//! | no connection, an answer broken off, 5xx, 408, 429, a failing disk | the same again, after a backoff |
//! | 202 | the same request again after `Retry-After`; in all for four days |
//! | another 4xx, an answer that is wrong | `enrollstatus` says why, on the same connection; then from the beginning, a few times |
//!
//! Trust: the device believes a server by the domain's certificate that it was given
//! ([`Trust::Anchors`]). A provisional connection and the voucher that ends it (RFC 8995 sections 5.1
//! to 5.6) will be one more [`Trust`] and states before the first connection's `cacerts`.
mod answers;
mod check;
mod message;
mod pledge;
mod retry;
mod state;

pub use check::{AnchorsRefused, LdevidRefused, ServerRefused, check_server};
pub use message::{Answer, Change, Failure, Identity, Input, Inventory, Output, Request, Trouble, Trust};
pub use pledge::{Misplaced, Moment, Pledge, Stage};
pub use retry::Timers;
