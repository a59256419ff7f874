//! What a person should look at, over the whole fleet.
//!
//! It is read from the rows of the rooms that know it, each time anew, and remembered nowhere. What is most
//! severe comes first: [`view::Kind`] is in that order; of one kind, what is newest.
pub mod store;
pub mod view;
