//! **Anchors**: which makers' devices may ask to join.
//!
//! Part of onboarding. An anchor is the certificate of an authority whose IDevIDs are believed
//! (RFC 7030 section 3.3.2, RFC 8995 section 5.1), and the rule for who admits its devices.
//!
//! | from | command | to |
//! |---|---|---|
//! | - | add | trusted |
//! | trusted | admit by | trusted, with another rule |
//! | trusted | remove | removed |
//! | removed | add | trusted |
pub mod rules;
pub mod store;
pub mod view;

/// The room.
pub struct Anchor;
