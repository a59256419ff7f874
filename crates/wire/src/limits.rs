//! Every limit of this crate, unit last. Input over a limit is refused before it is parsed.

/// Largest X.509 certificate in DER.
pub const CERTIFICATE_BYTES_MAX: usize = 16 * 1024;

/// Most certificates in one path from leaf to anchor, and in one set that a peer sends.
pub const CHAIN_CERTIFICATES_MAX: usize = 16;

/// Most signatures that are checked while one path is searched, whatever the peer sends.
pub const CHAIN_SIGNATURE_CHECKS_MAX: usize = 64;

/// Largest PKCS#10 certification request in DER.
pub const CSR_BYTES_MAX: usize = 16 * 1024;

/// Largest CMS SignedData in DER, content and certificates included.
pub const CMS_BYTES_MAX: usize = 256 * 1024;

/// Largest content of a detached CMS signature (a MUD file, a manifest).
pub const CMS_DETACHED_CONTENT_BYTES_MAX: usize = 1024 * 1024;

/// Largest voucher or voucher-request in JSON. A registrar's request carries the pledge's signed
/// request inside, in base64.
pub const VOUCHER_BYTES_MAX: usize = 128 * 1024;

/// Largest base64 body of an EST request or response.
pub const EST_BODY_BYTES_MAX: usize = 256 * 1024;

/// Most entries of one CSR attributes response.
pub const CSR_ATTRIBUTES_MAX: usize = 32;

/// Largest MASA audit-log response in JSON.
pub const AUDIT_LOG_BYTES_MAX: usize = 1024 * 1024;

/// Most events of one MASA audit-log response.
pub const AUDIT_LOG_EVENTS_MAX: usize = 4096;

/// Largest status telemetry body in JSON.
pub const STATUS_BYTES_MAX: usize = 16 * 1024;

/// Longest value of a name attribute that we issue, in characters: the upper bounds
/// ub-common-name, ub-organization-name and ub-serial-number of RFC 5280 appendix A.1.
pub const NAME_ATTRIBUTE_CHARS_MAX: usize = 64;

/// Longest MUD URL or MASA URL that we issue. RFC 8520 section 12 keeps the LLDP form within 255.
pub const URL_BYTES_MAX: usize = 255;

/// Fewest octets of a voucher's nonce, RFC 8366 section 5.3.
pub const NONCE_BYTES_MIN: usize = 8;

/// Most octets of a voucher's nonce, RFC 8366 section 5.3.
pub const NONCE_BYTES_MAX: usize = 32;

/// Longest serial-number that a voucher may bear. The YANG leaf is unbounded; a store is not.
pub const SERIAL_NUMBER_BYTES_MAX: usize = 256;

/// Largest MUD file. The largest of the published ones that we know has 95 kB.
pub const MUD_FILE_BYTES_MAX: usize = 512 * 1024;

/// Most access lists of one MUD file, and of one policy in it.
pub const MUD_ACLS_MAX: usize = 64;

/// Most access control entries of one MUD file. RFC 8520 section 16: relatively few.
pub const MUD_ACES_MAX: usize = 1024;

/// Most extensions that one MUD file names.
pub const MUD_EXTENSIONS_MAX: usize = 32;

/// Most unknown nodes that a MUD file may have and still be read.
pub const MUD_IGNORED_NODES_MAX: usize = 64;

/// Longest text of a MUD file.
pub const MUD_TEXT_BYTES_MAX: usize = 1024;

/// Longest URI of a MUD file, other than its own.
pub const MUD_URI_BYTES_MAX: usize = 1024;

/// Largest report of a device, and largest answer to it, in JSON.
pub const CONTROL_BYTES_MAX: usize = 48 * 1024;

/// Largest configuration of a device.
pub const CONFIGURATION_BYTES_MAX: usize = 16 * 1024;

/// Largest SUIT envelope that a hub offers in an answer: one without its text.
pub const CONTROL_ENVELOPE_BYTES_MAX: usize = 12 * 1024;

/// Longest time that a new configuration has to prove itself in.
pub const CONFIRM_SECONDS_MAX: u32 = 3600;

/// Longest reason that a device gives its hub.
pub const CONTROL_REASON_CHARS_MAX: usize = 512;

/// Longest name that is told as not understood.
pub const CONTROL_NAME_CHARS_MAX: usize = 64;

/// Most names that are told as not understood, and most wishes in one answer.
pub const CONTROL_NAMES_MAX: usize = 16;

/// Most VLAN tags of a frame that are read over.
pub const PACKET_VLAN_TAGS_MAX: usize = 2;

/// Most IPv6 extension headers of a packet that are read over.
pub const PACKET_EXTENSION_HEADERS_MAX: usize = 8;

/// Largest last report of a device, signed, and what it keeps of the order.
pub const LAST_REPORT_BYTES_MAX: usize = 8 * 1024;

/// Plans of one site, as a gate loads them at once.
pub const SITE_PLANS_MAX: usize = 4096;

/// The set of a site's plans in JSON: a digest each.
pub const PLAN_SET_BYTES_MAX: usize = 320 * 1024;

/// Largest enforcement plan in JSON.
pub const PLAN_BYTES_MAX: usize = 1024 * 1024;

/// Most entries of one plan: those of a MUD file and the defaults.
pub const PLAN_ENTRIES_MAX: usize = 2 * MUD_ACES_MAX + 64;

/// Most addresses that are one device's, of each sort.
pub const PLAN_ADDRESSES_MAX: usize = 64;

/// Most conditions on the other side in one entry.
pub const PLAN_REMOTES_MAX: usize = 16;

/// Most addresses that one condition means.
pub const PLAN_MEMBERS_MAX: usize = 1024;

/// Longest id of an entry: two names of RFC 8519 in UTF-8 and a slash.
pub const PLAN_ID_BYTES_MAX: usize = 2 * 64 * 4 + 1;

/// Deepest nesting of CBOR items in one encoding.
pub const CBOR_NESTING_LEVELS_MAX: usize = 16;

/// Largest COSE_Sign1 in CBOR; the SUIT signatures of ours have 74 bytes.
pub const COSE_BYTES_MAX: usize = 4096;

/// Largest SUIT envelope, severed members and integrated payloads included.
pub const SUIT_ENVELOPE_BYTES_MAX: usize = 128 * 1024;

/// Most signatures and other authentication blocks of one SUIT envelope.
pub const SUIT_AUTHENTICATION_BLOCKS_MAX: usize = 4;

/// Most components of one SUIT manifest.
pub const SUIT_COMPONENTS_MAX: usize = 16;

/// Most bytes of one SUIT component identifier, its segments together.
pub const SUIT_COMPONENT_ID_BYTES_MAX: usize = 256;

/// Most commands of one SUIT manifest, those in sequences in sequences included.
pub const SUIT_COMMANDS_MAX: usize = 1024;

/// Deepest nesting of SUIT command sequences (try-each, run-sequence).
pub const SUIT_SEQUENCE_LEVELS_MAX: usize = 8;

/// Most commands that a processor executes for one procedure: loops over components multiply.
pub const SUIT_STEPS_MAX: usize = 4096;

/// Longest URI of a SUIT manifest.
pub const SUIT_URI_BYTES_MAX: usize = 2048;

/// Most numbers of a version that a SUIT manifest compares.
pub const SUIT_VERSION_NUMBERS_MAX: usize = 8;

/// Largest birth record in JSON.
pub const BIRTH_RECORD_BYTES_MAX: usize = 4 * 1024;

/// Largest signed birth record in PEM: the record and a chain.
pub const BIRTH_RECORD_PEM_BYTES_MAX: usize = 32 * 1024;
