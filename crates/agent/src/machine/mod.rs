//! How a device joins a domain and stays in it, without a socket, a file, a clock or randomness.
//!
//! A [`Pledge`] is made from what the device has ([`Pledge::resume`]) and says the one thing to do
//! next, an [`Output`]. Whoever does it hands back how it went, an [`Input`], by [`Pledge::step`], and
//! hears the next thing. Stopped at any place and resumed from what was stored, it goes on.
//!
//! ```text
//! resume -> Connect, provisionally -> SignVoucherRequest -> requestvoucher -> Store what is pinned
//!        -> voucher_status -> on the same connection:
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
//! | another 4xx to `requestvoucher` | a new attempt with a new nonce, after a backoff, for ever |
//! | a voucher that is wrong | `voucher_status` says why; the connection is closed; then the same |
//! | another 4xx, an answer that is wrong | `enrollstatus` says why, on the same connection; then from the beginning, a few times |
//! | with the LDevID, again and again no word at all, or that it is over, or its end by the server's date | as it joined: simpleenroll with the IDevID; once that is refused, the LDevID again, for an hour or more |
//!
//! Trust: a device that somebody gave the domain's certificate believes servers by it
//! ([`Trust::Anchors`]). Any other takes whatever server is there for the time being
//! ([`Trust::Provisional`], RFC 8995 section 5.1), until its manufacturer's voucher says of which domain
//! it has to be.
//!
//! Absent: redirections (a 3xx is a refusal), vouchers without a nonce, a claim by another domain: what
//! is pinned stays until a person removes it.
mod answers;
mod check;
mod imprint;
mod message;
mod pledge;
mod retry;
mod state;
mod voucher;

pub use check::{AnchorsRefused, LdevidRefused, ServerRefused, check_server};
pub(crate) use message::shortened;
pub use message::{
    Answer, Change, Failure, FirstTrust, Identity, Imprint, Input, Inventory, Output, Request, Trouble, Trust,
};
pub use pledge::{Misplaced, Moment, Pledge, Stage};
pub use retry::Timers;
pub(crate) use retry::put_off;
pub use voucher::{VoucherRejected, check_voucher};
