//! **The journal**: what happened, and who did it.
//!
//! Charter: operational security, and the practice behind every other line: an operator must be able
//! to say later who changed what. State tables are the truth of now; the journal is the truth of what
//! happened. Each entry is chained to the one before it in its lane with SHA-256, and a checkpoint
//! signed each minute makes a cut-off end visible.
//!
//! | what was done to the stored journal | what `audit verify` names |
//! |---|---|
//! | a byte of an entry changed | that entry: its hash does not fit |
//! | an entry removed, or two swapped | the first entry that is not where it belongs |
//! | the last entries removed | the first one missing, by the lane's head or by a checkpoint |
//! | all of it removed | that it is empty, although rooms have rows or no hub has begun a lane |
//! | a checkpoint replaced | that checkpoint: its signature or its hash does not fit |
//!
//! Absent: a State. The journal is not replayed at a start; `audit check` folds it and compares.
//! Malformed and unauthenticated requests are counted, never written here. No standard decides the
//! form of an entry; the device's life that most entries tell is that of RFC 8576 section 2.
pub mod clock;
pub mod rules;
pub mod store;
pub mod view;

#[cfg(test)]
pub(crate) mod tests;
