//! **Clock**: from which entries on the hub's clock is held against the journal.
//!
//! Part of the journal. What depends on the time being right (issuing, revoking, expiring) is refused while
//! the clock is before the newest entry (`Cx::sound_now`), and a credential that had expired by that entry's
//! time stays expired: whoever sets a clock back gains nothing. A clock that was ahead once leaves entries of
//! a time to come; then a person who knows that it is right now accepts it, and only the entries after that
//! count.
//!
//! | from | command | to |
//! |---|---|---|
//! | any, behind the newest entry that counts | accept | accepted: the entries until now do not count |
//!
//! Who is locked out by this accepts it at the hub's start: `steward serve --accept-clock WHY`.
pub mod rules;
pub mod store;
pub mod view;

#[cfg(test)]
mod tests;

/// The room. Each organisation has one subject.
pub struct Clock;
