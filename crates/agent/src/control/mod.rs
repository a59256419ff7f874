//! How a device that has joined is told what to do, without a socket, a file, a clock or randomness.
//!
//! A [`Member`] checks in with its hub, again and again: it says what it has, and the hub answers when there
//! is something to do, or after a while. As with the [pledge](crate::machine), it says the one thing to do
//! next, an [`Output`], and hears how that went, an [`Input`].
//!
//! ```text
//! resume -> Connect -> Send a report -> at once the next, or what the hub wants:
//!   a configuration -> Look -> Store what was before, the trial, the new file
//!        -> Connect by the new file -> Send -> the hub confirms -> Store that it is kept
//!        -> or the time is over: Store what was before, and why
//! ```
//!
//! The configuration is a file that anybody may change. What is found in it is reported, and an order of the
//! hub is done over exactly what the hub knew and over nothing else. A new configuration is on trial until a
//! check-in by it was confirmed; a device that cannot reach its hub any more takes the old one back by
//! itself. A trial survives a power cut with its full time, a few times.
//!
//! Where it checks in: the member `hub` of the configuration, or where the device joined. A trial is made
//! by its own `hub` alone; otherwise the two take turns when one fails, so that a change from outside does
//! not cut the device off.
//!
//! | what comes | what follows |
//! |---|---|
//! | no connection, an answer broken off, any status but 200, an answer that is wrong, a failing disk | the same again, after a backoff |
//! | answers in quick succession | a short wait |
//! | the order to wipe | the member's last word: whoever runs it wipes ([`next`]) |
//!
//! What is told of the firmware, and what is offered and ordered for it, is passed on
//! ([`Member::take_offer`], [`Member::take_order`]).
//!
//! Absent: what a configuration means to the device, but for `hub`; how a firmware is kept.
mod member;
mod memory;
mod message;
mod wipe;

pub use member::Member;
pub use memory::{Memory, MemoryRefused, Trial};
pub use message::{Change, Document, FirmwareOrder, Held, Input, Output, Trouble};
pub use wipe::{Left, Step, is_refused, is_told, next};
