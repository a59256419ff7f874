//! **Blobs**: big bytes outside of the database, by their SHA-256.
//!
//! Charter: what software/firmware upgrade, configuration backup and MUD discovery keep. The bytes are
//! files in the hub's folder; a row says that a file is whole and whose it is. First the file is on the
//! disk, then the row is written; first the row goes, then the file: so a row never lies.
//!
//! | from | asked | to |
//! |---|---|---|
//! | - | keep (the file is on the disk) | kept |
//! | kept | keep | kept, from now on |
//! | kept for longer than a day, and no room holds it | sweep | - |
//!
//! `audit check` compares every row with its file, where files are at hand: the hub and the tools on its folder do
//! that ([`view::Kept`] gives them the rows). A file without a row is no fault: a start removes it.
//!
//! Absent: files, the journal (whoever refers to a digest is journalled with it), counts of references
//! (each room answers whether it holds a digest).
pub mod rules;
pub mod store;
pub mod view;

#[cfg(test)]
mod tests;

use crate::tx::{Fault, Tx};

/// Whether a room holds the blob with this digest in an organisation.
pub type Holder = fn(&mut dyn Tx, &str, &str) -> Result<bool, Fault>;
