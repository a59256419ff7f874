//! The extensions of a certificate, decoded once and for all when it is read.
use super::{CertificateRefused, Name};
use crate::oid::{self, Oid};
use der::asn1::{Ia5String, OctetString};
use der::{Decode, Encode};
use std::collections::BTreeSet;
use std::net::IpAddr;
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::name::{GeneralName, HardwareModuleName as X509HardwareModuleName};
use x509_cert::ext::pkix::{AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage};
use x509_cert::name::Name as X509Name;

/// What identifies a device's hardware: `hardwareModuleName` of RFC 4108 section 5, in the
/// subjectAltName of an IDevID.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HardwareModuleName {
    /// The kind of hardware: an identifier under its maker's arc.
    pub kind: Oid,
    /// The serial number among hardware of this kind.
    pub serial: Vec<u8>,
}

/// What we know of a certificate's extensions.
#[derive(Clone, Debug, Default)]
pub(super) struct Extensions {
    pub(super) basic_constraints: Option<BasicConstraints>,
    pub(super) key_usage: Option<KeyUsage>,
    pub(super) key_purposes: Option<Vec<Oid>>,
    pub(super) subject_key_id: Option<Vec<u8>>,
    /// The extnValue as it stands, and the keyIdentifier in it.
    pub(super) authority_key: Option<(Vec<u8>, Option<Vec<u8>>)>,
    pub(super) dns_names: Vec<String>,
    pub(super) addresses: Vec<IpAddr>,
    pub(super) hardware: Option<HardwareModuleName>,
    pub(super) mud_url: Option<String>,
    pub(super) mud_signer: Option<Name>,
    pub(super) masa_url: Option<String>,
    /// Extensions that we cannot process and that forbid the certificate's use in a path.
    pub(super) forbidding: Vec<Oid>,
}

impl Extensions {
    /// Decodes `extensions`. One that we know and cannot decode refuses the certificate.
    pub(super) fn read(extensions: &[Extension]) -> Result<Self, CertificateRefused> {
        let mut known = Self::default();
        let mut seen = BTreeSet::new();
        for extension in extensions {
            // RFC 5280 section 4.2: no more than one instance of a particular extension.
            if !seen.insert(extension.extn_id) {
                return Err(CertificateRefused::Extension(extension.extn_id));
            }
            known.take(extension).map_err(|_| CertificateRefused::Extension(extension.extn_id))?;
        }
        Ok(known)
    }

    fn take(&mut self, extension: &Extension) -> der::Result<()> {
        let value = extension.extn_value.as_bytes();
        match extension.extn_id {
            oid::BASIC_CONSTRAINTS => self.basic_constraints = Some(BasicConstraints::from_der(value)?),
            oid::KEY_USAGE => self.key_usage = Some(KeyUsage::from_der(value)?),
            oid::EXTENDED_KEY_USAGE => self.key_purposes = Some(ExtendedKeyUsage::from_der(value)?.0),
            oid::SUBJECT_KEY_ID => {
                self.subject_key_id = Some(OctetString::from_der(value)?.into_bytes().into());
            }
            oid::AUTHORITY_KEY_ID => {
                let id = AuthorityKeyIdentifier::from_der(value)?.key_identifier;
                self.authority_key = Some((value.to_vec(), id.map(|id| id.into_bytes().into())));
            }
            oid::SUBJECT_ALT_NAME => {
                Vec::<GeneralName>::from_der(value)?.iter().try_for_each(|name| self.take_name(name))?;
            }
            // RFC 8520 section 11 and RFC 8995 section 2.3.2: IA5String.
            oid::MUD_URL => self.mud_url = Some(Ia5String::from_der(value)?.to_string()),
            oid::MUD_SIGNER => self.mud_signer = Some(Name(X509Name::from_der(value)?)),
            oid::MASA_URL => self.masa_url = Some(Ia5String::from_der(value)?.to_string()),
            // RFC 5280 section 4.2.1.10: must be critical; ignoring one that is not would widen it.
            oid::NAME_CONSTRAINTS => self.forbidding.push(extension.extn_id),
            _ if extension.critical => self.forbidding.push(extension.extn_id),
            _ => {}
        }
        Ok(())
    }

    fn take_name(&mut self, name: &GeneralName) -> der::Result<()> {
        match name {
            GeneralName::DnsName(name) => self.dns_names.push(name.to_string()),
            GeneralName::IpAddress(octets) => self.addresses.extend(address(octets.as_bytes())),
            GeneralName::OtherName(other) => {
                if let Some(name) = X509HardwareModuleName::from_other_name(other)? {
                    let serial = name.hw_serial_num.as_bytes().to_vec();
                    self.hardware = Some(HardwareModuleName { kind: name.hw_type, serial });
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// RFC 5280 section 4.2.1.6: four octets or sixteen; others are no address.
fn address(octets: &[u8]) -> Option<IpAddr> {
    match octets.len() {
        4 => <[u8; 4]>::try_from(octets).ok().map(IpAddr::from),
        16 => <[u8; 16]>::try_from(octets).ok().map(IpAddr::from),
        _ => None,
    }
}

/// An extension from its value.
pub(super) fn extension(id: Oid, critical: bool, value: &impl Encode) -> der::Result<Extension> {
    Ok(Extension { extn_id: id, critical, extn_value: OctetString::new(value.to_der()?)? })
}
