//! **Provisioning**: what a manufacturer does before a device leaves the factory.
//!
//! Charter: factory provisioning. A [`product`] says what its devices have in common; a device is born
//! when the factory's line enrols its key by EST (RFC 7030) under the product's label, and gets an IDevID
//! that says where its description (RFC 8520 section 11) and its manufacturer's service (RFC 8995
//! section 2.3.2) are.
//!
//! | from | command | to |
//! |---|---|---|
//! | - | want | a key wanted; the hub signs outside of the transaction |
//! | a key wanted | bear | born, with an IDevID and a signed birth record; for ever |
//!
//! Its service (MASA) tells a born device which domain to trust: [`voucher`]. A product's description is
//! published, signed: [`publication`]; so is its firmware: [`release`]. Each of the three has a signer with a
//! purpose of its own (RFC 9809), so that none can stand in for another.
//!
//! Absent: private keys (a device makes its own), the certificate's form (`wire`), the signing of it.
pub mod door;
pub mod product;
pub mod publication;
pub mod release;
pub mod rules;
pub mod scripts;
pub mod store;
pub mod view;
pub mod voucher;

#[cfg(test)]
mod tests;

/// The room. Its subjects are serial numbers.
pub struct Birth;
