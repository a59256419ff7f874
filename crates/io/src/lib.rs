//! Stands empty until its first room.
