//! The tidy rules, by subject.

pub mod absences;
pub mod fuzzing;
pub mod leftovers;
pub mod limits;
pub mod rooms;
pub mod tests;
pub mod wording;
