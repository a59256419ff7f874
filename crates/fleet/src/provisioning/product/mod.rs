//! **Products**: what the devices of one model have in common.
//!
//! Part of provisioning. A product is told once; its devices carry it in their IDevIDs for ever.
//!
//! | from | command | to |
//! |---|---|---|
//! | - | add | offered |
//! | offered | discontinue | discontinued: nothing of it is born any more |
pub mod rules;
pub mod store;
pub mod view;

/// The room.
pub struct Product;
