//! The store on both engines. PostgreSQL is tested when `STEWARD_TEST_POSTGRES` says how to reach a
//! server on which databases may be made and dropped.
mod scripts;
mod support;
