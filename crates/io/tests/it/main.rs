//! io against the real machine: its disk, openssl, curl, and its own two ends.
mod blobs;
mod files;
mod http;
mod key;
mod served;
mod starved;
mod support;
mod tls;
