//! **Gates**: which devices enforce the plans of their site.
//!
//! A gate is a device like any other, with an LDevID of its own; a person appoints it. It is told the active
//! plans of its site, and nothing else of them.
//!
//! | from | command | to |
//! |---|---|---|
//! | - | appoint (it is at work) | appointed |
//! | appointed | dismiss, or its life or its certificates here end | - |
//!
//! Absent: packets, the kernel, descriptions: a gate gets plans. Not yet: which plans a gate says that it
//! enforces.
pub mod rules;
pub mod store;
pub mod view;

/// The room.
pub struct Gate;
