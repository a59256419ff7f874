//! **Vouchers**: which domain a device was told to trust, and when.
//!
//! Part of provisioning: the manufacturer's service (MASA, RFC 8995 section 5.5). It knows whom its
//! devices are: a request counts when a device that was born here signed it, and the registrar that the
//! device saw forwards it. Every voucher is logged; the log is what an owner can look at (RFC 8995
//! section 5.8). The model is that of an audit-only MASA: it issues to whoever the device stands before,
//! and hides nothing.
//!
//! | from | command | to |
//! |---|---|---|
//! | any | issue, with a new nonce | one voucher more |
//! | any | issue, with a known nonce of the same domain | the same: one voucher for one nonce |
//!
//! Absent: vouchers without a nonce (refused: `nonceless-voucher`), ownership by sales channel.
pub mod door;
pub mod rules;
pub mod store;
pub mod view;

/// The room. Its subjects are serial numbers.
pub struct VoucherLog;
