//! **Clock**: from which entries on the hub's clock is held against the journal.
//!
//! Part of the journal. What depends on the time being right is refused while the clock is before the newest
//! entry: events that issue, revoke or let something expire by `Cx::change`, whoever asks for them
//! (`Room::rests_on_time`), and what looks for what is late by `Cx::sound_now`. A credential that had expired
//! by that entry's time stays expired: whoever sets a clock back gains nothing. Holding a device back is always
//! possible, and so is signing out. A clock that was ahead once leaves entries of a time to come; then a person
//! who knows that it is right now accepts it, and only the entries after that count.
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
