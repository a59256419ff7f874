//! The store on both engines. PostgreSQL is tested when `STEWARD_TEST_POSTGRES` says how to reach a
//! database in which schemas may be made and dropped.
mod ahead;
mod attention;
mod batches;
mod blobs;
mod checkins;
mod clock;
mod connections;
mod copies;
mod disk_full;
mod idempotency;
mod kills;
mod lanes;
mod migrations;
mod operations;
mod plans;
mod quarantine;
mod queues;
mod refusals;
mod remediation;
mod retirements;
mod rollouts;
mod scripts;
mod sequences;
mod support;
mod tampering;
mod vouchers;
