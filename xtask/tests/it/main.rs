//! The absences that make the architecture, kept by reading the source: arrows and tidy.
//!
//! A rule is a small pure function from a file (or the whole tree) to findings, and one row of
//! [`tidy::RULES`]. Each is seen to fire on its sample in `tests/bad/`.

mod arrows;
mod rules;
mod tidy;
mod tree;
