//! **Vouchers that devices ask for**: why a device may trust this domain.
//!
//! Part of onboarding: the registrar's half of BRSKI (RFC 8995 sections 5.2 to 5.8). A device that waits for
//! nobody any more gets the voucher that its maker's service (MASA) issues; the registrar forwards it
//! unchanged, and the journal keeps it with the device's verdict. One voucher per device is kept: that of
//! its last nonce.
//!
//! Absent: the service itself (`provisioning/voucher/`). Not yet: vouchers without a nonce, a MASA that a
//! person names in place of the IDevID's (section 2.8), rules that act on the service's audit log (5.8.3).
pub mod door;
pub(super) mod log;
pub mod view;
