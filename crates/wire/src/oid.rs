//! Object identifiers that this crate writes or recognises, each with its source.
pub use der::asn1::ObjectIdentifier as Oid;

const fn oid(dotted: &str) -> Oid {
    Oid::new_unwrap(dotted)
}

// Content types of CMS.

/// id-data, RFC 5652 section 4.
pub const DATA: Oid = oid("1.2.840.113549.1.7.1");
/// id-signedData, RFC 5652 section 5.1.
pub const SIGNED_DATA: Oid = oid("1.2.840.113549.1.7.2");
/// id-ct-animaJSONVoucher: a voucher or voucher-request in JSON, RFC 8366 section 5.4.
pub const ANIMA_JSON_VOUCHER: Oid = oid("1.2.840.113549.1.9.16.1.40");
/// id-ct-mudtype: a MUD file, RFC 8520 section 11.
pub const MUD: Oid = oid("1.2.840.113549.1.9.16.1.41");

// Attributes of CMS and PKCS#10.

/// contentType, RFC 5652 section 11.1.
pub(crate) const CONTENT_TYPE: Oid = oid("1.2.840.113549.1.9.3");
/// messageDigest, RFC 5652 section 11.2.
pub(crate) const MESSAGE_DIGEST: Oid = oid("1.2.840.113549.1.9.4");
/// signingTime, RFC 5652 section 11.3.
pub(crate) const SIGNING_TIME: Oid = oid("1.2.840.113549.1.9.5");
/// challengePassword, RFC 7030 section 4.5.2.
pub const CHALLENGE_PASSWORD: Oid = oid("1.2.840.113549.1.9.7");
/// extensionRequest, RFC 7030 section 4.5.2.
pub const EXTENSION_REQUEST: Oid = oid("1.2.840.113549.1.9.14");

// Algorithms.

/// id-ecPublicKey, RFC 7030 section 4.5.2.
pub const EC_PUBLIC_KEY: Oid = oid("1.2.840.10045.2.1");
/// The curve P-256.
pub const P256: Oid = oid("1.2.840.10045.3.1.7");
/// The curve P-384, RFC 7030 section 4.5.2.
pub const P384: Oid = oid("1.3.132.0.34");
/// ECDSA with SHA-256.
pub const ECDSA_SHA256: Oid = oid("1.2.840.10045.4.3.2");
/// ECDSA with SHA-384, RFC 7030 section 4.5.2.
pub const ECDSA_SHA384: Oid = oid("1.2.840.10045.4.3.3");
/// SHA-256.
pub(crate) const SHA256: Oid = oid("2.16.840.1.101.3.4.2.1");
/// SHA-384.
pub(crate) const SHA384: Oid = oid("2.16.840.1.101.3.4.2.2");

// Name attributes, RFC 5280 appendix A.1.

/// id-at-commonName.
pub(crate) const COMMON_NAME: Oid = oid("2.5.4.3");
/// id-at-serialNumber: the device's serial number, not the certificate's.
pub(crate) const SERIAL_NUMBER: Oid = oid("2.5.4.5");
/// id-at-organizationName.
pub(crate) const ORGANISATION: Oid = oid("2.5.4.10");

// Certificate extensions.

/// id-ce-subjectKeyIdentifier, RFC 5280 section 4.2.1.2.
pub(crate) const SUBJECT_KEY_ID: Oid = oid("2.5.29.14");
/// id-ce-keyUsage, RFC 5280 section 4.2.1.3.
pub(crate) const KEY_USAGE: Oid = oid("2.5.29.15");
/// id-ce-subjectAltName, RFC 5280 section 4.2.1.6.
pub const SUBJECT_ALT_NAME: Oid = oid("2.5.29.17");
/// id-ce-basicConstraints, RFC 5280 section 4.2.1.9.
pub(crate) const BASIC_CONSTRAINTS: Oid = oid("2.5.29.19");
/// id-ce-nameConstraints, RFC 5280 section 4.2.1.10.
pub(crate) const NAME_CONSTRAINTS: Oid = oid("2.5.29.30");
/// id-ce-authorityKeyIdentifier, RFC 5280 section 4.2.1.1.
pub(crate) const AUTHORITY_KEY_ID: Oid = oid("2.5.29.35");
/// id-ce-extKeyUsage, RFC 5280 section 4.2.1.12.
pub(crate) const EXTENDED_KEY_USAGE: Oid = oid("2.5.29.37");
/// id-pe-mud-url, RFC 8520 section 11.
pub(crate) const MUD_URL: Oid = oid("1.3.6.1.5.5.7.1.25");
/// id-pe-mudsigner, RFC 8520 section 11.
pub(crate) const MUD_SIGNER: Oid = oid("1.3.6.1.5.5.7.1.30");
/// id-pe-masa-url, RFC 8995 section 2.3.2.
pub(crate) const MASA_URL: Oid = oid("1.3.6.1.5.5.7.1.32");

// Key purposes, RFC 5280 section 4.2.1.12 unless said otherwise.

/// anyExtendedKeyUsage.
pub(crate) const ANY_PURPOSE: Oid = oid("2.5.29.37.0");
/// id-kp-serverAuth.
pub(crate) const SERVER_AUTH: Oid = oid("1.3.6.1.5.5.7.3.1");
/// id-kp-clientAuth.
pub(crate) const CLIENT_AUTH: Oid = oid("1.3.6.1.5.5.7.3.2");
/// id-kp-codeSigning.
pub(crate) const CODE_SIGNING: Oid = oid("1.3.6.1.5.5.7.3.3");
/// id-kp-emailProtection.
pub(crate) const EMAIL_PROTECTION: Oid = oid("1.3.6.1.5.5.7.3.4");
/// id-kp-configSigning, RFC 9809 section 4.
pub(crate) const CONFIG_SIGNING: Oid = oid("1.3.6.1.5.5.7.3.41");
/// id-kp-trustAnchorConfigSigning, RFC 9809 section 4.
pub(crate) const TRUST_ANCHOR_SIGNING: Oid = oid("1.3.6.1.5.5.7.3.42");
/// id-kp-updatePackageSigning, RFC 9809 section 4.
pub(crate) const UPDATE_SIGNING: Oid = oid("1.3.6.1.5.5.7.3.43");
/// id-kp-cmcRA: a registration authority, RFC 8995 section 5.5.4.
pub(crate) const CMC_RA: Oid = oid("1.3.6.1.5.5.7.3.28");
