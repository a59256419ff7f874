//! **Controllers**: which hosts belong to a class that descriptions name (RFC 8520 sections 4.5 to 4.7).
//!
//! A class is named by its URI. The hosts of `my-controller` are those of the class that has the MUD URL
//! for its name; what is local is the class [`LOCAL_NETWORKS`], and what a held device may still reach for
//! its updates is [`UPDATE_HOSTS`]. A DNS name is a class too: as long as no gate resolves names, its hosts
//! are those that a person registers.
//!
//! | from | command | to |
//! |---|---|---|
//! | any | add (an address or a prefix) | with it |
//! | with it | remove | without it |
//!
//! Absent: fetching what a class's URL points to, which RFC 8520 section 4.6 forbids.
pub mod rules;
pub mod store;
pub mod view;

/// The room.
pub struct Controller;

/// The class of what the operator calls local.
pub const LOCAL_NETWORKS: &str = "local-networks";
/// The class of the hosts that a device may get updates from while it is held back.
pub const UPDATE_HOSTS: &str = "update-hosts";
