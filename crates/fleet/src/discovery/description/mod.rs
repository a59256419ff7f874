//! **Descriptions**: MUD files by their MUD URL, fetched and verified.
//!
//! Part of discovery. A description is a maker's: its servers and its signers are those that the maker's
//! anchor vouches for, so that one maker cannot speak for another.
//!
//! | from | command | to |
//! |---|---|---|
//! | - | want | wanted, due now; the hub fetches outside of the transaction |
//! | wanted | ask (a person wants it fetched now) | due now, and a new signer is taken |
//! | due | verify | verified, due again after its cache-validity (RFC 8520 section 3.5) |
//! | due | fail | as before, and why; tried again with growing pauses, [`crate::limits`] says how often |
//! | verified | verify (by another signer, not asked for) | as before, and why (RFC 8520 section 16) |
pub mod door;
pub mod lines;
pub mod rules;
pub mod store;
pub mod view;

use crate::room::Subject;

/// The room. Its subjects are a maker and a MUD URL.
pub struct Description;

/// The subject of the description of `mud_url` by `maker`, in the organisation of `of`. A maker's name has
/// no blank.
pub fn subject(of: &Subject, maker: &str, mud_url: &str) -> Subject {
    Subject { organisation: of.organisation.clone(), site: String::new(), id: format!("{maker} {mud_url}") }
}
