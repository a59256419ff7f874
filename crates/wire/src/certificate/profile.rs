//! The certificates that we issue, one profile for each role.
//!
//! All are X.509 v3 with a P-256 key, signed with ECDSA and SHA-256, and bear
//! subjectKeyIdentifier, authorityKeyIdentifier and basicConstraints.
use super::NO_END;
use super::extensions::{HardwareModuleName, extension};
use super::{Certificate, CertificateRefused, Name, NameAttribute, NameRefused, to_asn1};
use crate::Signer;
use crate::key::{KeyRefused, PublicKey};
use crate::limits::URL_BYTES_MAX;
use crate::oid::{self, Oid};
use crate::signed::{self, SignFailed, ecdsa_sha256};
use der::asn1::{Ia5String, OctetString};
use der::flagset::FlagSet;
use der::{Decode, Encode, Sequence};
use std::net::IpAddr;
use x509_cert::certificate::Version;
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::name::{GeneralName, HardwareModuleName as X509HardwareModuleName, OtherName};
use x509_cert::ext::pkix::{AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages};
use x509_cert::name::Name as X509Name;
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};
use x509_cert::time::Validity as X509Validity;

/// What a certificate is for, and what it says of its subject.
///
/// Every text is a name attribute of at most [`NAME_ATTRIBUTE_CHARS_MAX`](crate::limits::NAME_ATTRIBUTE_CHARS_MAX) characters, except DNS
/// names and URLs, which have at most [`URL_BYTES_MAX`] bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Profile {
    /// A self-signed authority; its paths may have intermediates.
    Root {
        /// commonName of the subject.
        common_name: String,
        /// organizationName of the subject.
        organisation: String,
    },
    /// An authority under another one, which signs end entities only (pathLenConstraint 0).
    Intermediate {
        /// commonName of the subject.
        common_name: String,
        /// organizationName of the subject.
        organisation: String,
    },
    /// A device's identity from its factory: IEEE 802.1AR IDevID as RFC 8995 section 2.3 uses it,
    /// without restriction of the key's usage.
    IdevId {
        /// serialNumber of the subject: PrintableString, unique under the authority.
        serial_number: String,
        /// hardwareModuleName in the subjectAltName.
        hardware: HardwareModuleName,
        /// Where the device's description is, RFC 8520 section 11.
        mud_url: Option<String>,
        /// Who speaks for the manufacturer, RFC 8995 section 2.3.2: a URL, or its authority alone.
        masa_url: Option<String>,
    },
    /// A device's identity in its domain: a TLS client.
    LdevId {
        /// serialNumber of the subject, as in the device's IDevID.
        serial_number: String,
        /// commonName of the subject: the domain's name for the device.
        device_id: String,
    },
    /// A registrar: registration authority (RFC 8995 section 5.5.4), TLS server and client, and
    /// signer of voucher-requests.
    Registrar {
        /// commonName of the subject.
        common_name: String,
        /// Names that devices reach it by.
        dns_names: Vec<String>,
        /// Addresses that devices reach it by.
        addresses: Vec<IpAddr>,
    },
    /// A TLS server.
    Server {
        /// commonName of the subject.
        common_name: String,
        /// Names that clients reach it by.
        dns_names: Vec<String>,
        /// Addresses that clients reach it by.
        addresses: Vec<IpAddr>,
    },
    /// The signer of a manufacturer's vouchers: they give a device a trust anchor (RFC 9809 section 4).
    Masa {
        /// commonName of the subject.
        common_name: String,
    },
    /// A signer of MUD files (RFC 8520 section 13.2) and birth records.
    Signer {
        /// commonName of the subject.
        common_name: String,
    },
    /// A firmware author: signs the manifests of releases (RFC 9019 section 2.2).
    Author {
        /// commonName of the subject.
        common_name: String,
    },
}

/// When a certificate is valid, in Unix milliseconds; written in whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// The first moment.
    pub not_before: i64,
    /// The last moment; without one, 99991231235959Z (RFC 5280 section 4.1.2.5), which RFC 8995
    /// section 2.6.2 wants for IDevIDs.
    pub not_after: Option<i64>,
}

/// Issues a certificate.
///
/// `issuer` is the authority that `signer` is the key of; without one the certificate is
/// self-signed, and `subject_key` must be the signer's. `serial` must be unpredictable and unique
/// under the issuer; its leading bit is cleared, so that it fits RFC 5280 section 4.1.2.2.
///
/// # Errors
/// [`IssueRefused`]: each variant says who is to blame.
pub fn issue(
    profile: &Profile,
    subject_key: &PublicKey,
    issuer: Option<&Certificate>,
    serial: [u8; 16],
    validity: Validity,
    signer: &dyn Signer,
) -> Result<Certificate, IssueRefused> {
    let signing_key = PublicKey::of(signer)?;
    let (issuer_name, issuer_key_id) = match issuer {
        Some(issuer) if !may_issue(issuer) => return Err(IssueRefused::NotAnAuthority),
        Some(issuer) if *issuer.public_key() != signing_key => return Err(IssueRefused::WrongSigner),
        // RFC 5280 section 4.2.1.2: the identifier that the authority's own certificate has.
        Some(issuer) => (issuer.subject().clone(), issuer.subject_key_id().map(<[u8]>::to_vec)),
        None if *subject_key != signing_key => return Err(IssueRefused::WrongSigner),
        None => (profile.subject()?, None),
    };
    let issuer_key_id = issuer_key_id.unwrap_or_else(|| signing_key.key_id().to_vec());
    let tbs = ToBeSigned {
        version: Version::V3,
        serial: certificate_serial(serial)?,
        algorithm: ecdsa_sha256(),
        issuer: issuer_name.0,
        validity: validity.encode()?,
        subject: profile.subject()?.0,
        subject_key: SubjectPublicKeyInfoOwned::from_der(&subject_key.spki_der())?,
        extensions: profile.extensions(subject_key, &issuer_key_id)?,
    };
    let der = signed::sign(&tbs.to_der()?, signer)?;
    Ok(Certificate::from_der(&der)?)
}

/// `TBSCertificate`, RFC 5280 section 4.1, as we write it.
#[derive(Sequence)]
struct ToBeSigned {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    version: Version,
    serial: SerialNumber,
    algorithm: AlgorithmIdentifierOwned,
    issuer: X509Name,
    validity: X509Validity,
    subject: X509Name,
    subject_key: SubjectPublicKeyInfoOwned,
    #[asn1(context_specific = "3", tag_mode = "EXPLICIT")]
    extensions: Vec<Extension>,
}

impl Profile {
    fn subject(&self) -> Result<Name, NameRefused> {
        match self {
            Self::Root { common_name, organisation } | Self::Intermediate { common_name, organisation } => {
                Name::new(&[
                    (NameAttribute::Organisation, organisation),
                    (NameAttribute::CommonName, common_name),
                ])
            }
            Self::IdevId { serial_number, .. } => Name::new(&[(NameAttribute::SerialNumber, serial_number)]),
            Self::LdevId { serial_number, device_id } => Name::new(&[
                (NameAttribute::CommonName, device_id),
                (NameAttribute::SerialNumber, serial_number),
            ]),
            Self::Registrar { common_name, .. }
            | Self::Server { common_name, .. }
            | Self::Masa { common_name }
            | Self::Signer { common_name }
            | Self::Author { common_name } => Name::new(&[(NameAttribute::CommonName, common_name)]),
        }
    }

    fn extensions(&self, key: &PublicKey, issuer_key_id: &[u8]) -> Result<Vec<Extension>, IssueRefused> {
        let authority = self.authority();
        let constraints = authority.unwrap_or(BasicConstraints { ca: false, path_len_constraint: None });
        let mut all = vec![
            // RFC 5280 section 4.2.1.9: critical in authorities.
            extension(oid::BASIC_CONSTRAINTS, constraints.ca, &constraints)?,
            extension(oid::SUBJECT_KEY_ID, false, &OctetString::new(key.key_id())?)?,
            extension(oid::AUTHORITY_KEY_ID, false, &authority_key(issuer_key_id)?)?,
        ];
        if let Some(usage) = self.key_usage() {
            all.push(extension(oid::KEY_USAGE, true, &KeyUsage(usage))?);
        }
        if let Some(purposes) = self.key_purposes() {
            all.push(extension(oid::EXTENDED_KEY_USAGE, false, &ExtendedKeyUsage(purposes))?);
        }
        let names = self.alternative_names()?;
        if !names.is_empty() {
            all.push(extension(oid::SUBJECT_ALT_NAME, false, &names)?);
        }
        if let Self::IdevId { mud_url, masa_url, .. } = self {
            let urls = [(oid::MUD_URL, mud_url), (oid::MASA_URL, masa_url)];
            for (id, url) in urls.into_iter().filter_map(|(id, url)| Some((id, url.as_ref()?))) {
                all.push(extension(id, false, &ia5(url)?)?);
            }
        }
        Ok(all)
    }

    fn authority(&self) -> Option<BasicConstraints> {
        match self {
            Self::Root { .. } => Some(BasicConstraints { ca: true, path_len_constraint: None }),
            Self::Intermediate { .. } => Some(BasicConstraints { ca: true, path_len_constraint: Some(0) }),
            _ => None,
        }
    }

    fn key_usage(&self) -> Option<FlagSet<KeyUsages>> {
        match self {
            Self::Root { .. } | Self::Intermediate { .. } => {
                Some(KeyUsages::KeyCertSign | KeyUsages::CRLSign)
            }
            // RFC 8995 section 2.3: no key usage restrictions in an IDevID.
            Self::IdevId { .. } => None,
            _ => Some(KeyUsages::DigitalSignature.into()),
        }
    }

    /// What the extended key usage names; nothing when the certificate has none.
    pub fn key_purposes(&self) -> Option<Vec<Oid>> {
        match self {
            Self::Masa { .. } => Some(vec![oid::TRUST_ANCHOR_SIGNING]),
            // The second is what `openssl cms -verify` asks for, as RFC 8520 section 13.2 calls it.
            Self::Signer { .. } => Some(vec![oid::CONFIG_SIGNING, oid::EMAIL_PROTECTION]),
            Self::Author { .. } => Some(vec![oid::UPDATE_SIGNING, oid::CODE_SIGNING]),
            Self::LdevId { .. } => Some(vec![oid::CLIENT_AUTH]),
            Self::Registrar { .. } => Some(vec![oid::CMC_RA, oid::SERVER_AUTH, oid::CLIENT_AUTH]),
            Self::Server { .. } => Some(vec![oid::SERVER_AUTH]),
            _ => None,
        }
    }

    fn alternative_names(&self) -> Result<Vec<GeneralName>, IssueRefused> {
        match self {
            Self::IdevId { hardware, .. } => {
                let name = X509HardwareModuleName {
                    hw_type: hardware.kind,
                    hw_serial_num: OctetString::new(hardware.serial.as_slice())?,
                };
                Ok(vec![GeneralName::OtherName(OtherName::try_from(&name)?)])
            }
            Self::Registrar { dns_names, addresses, .. } | Self::Server { dns_names, addresses, .. } => {
                let names = dns_names.iter().map(|name| Ok(GeneralName::DnsName(ia5(name)?)));
                let addresses = addresses.iter().map(|address| Ok(GeneralName::from(*address)));
                names.chain(addresses).collect()
            }
            _ => Ok(Vec::new()),
        }
    }
}

impl Validity {
    fn encode(self) -> Result<X509Validity, IssueRefused> {
        let not_after = self.not_after.unwrap_or(NO_END);
        if not_after < self.not_before {
            return Err(IssueRefused::Validity);
        }
        let not_before = to_asn1(self.not_before).ok_or(IssueRefused::Validity)?;
        let not_after = to_asn1(not_after).ok_or(IssueRefused::Validity)?;
        Ok(X509Validity::new(not_before, not_after))
    }
}

/// RFC 5280 sections 4.2.1.3 and 4.2.1.9: cA, and keyCertSign if there is a key usage.
fn may_issue(issuer: &Certificate) -> bool {
    issuer.is_authority() && issuer.extensions.key_usage.is_none_or(|usage| usage.key_cert_sign())
}

fn certificate_serial(mut serial: [u8; 16]) -> Result<SerialNumber, IssueRefused> {
    serial[0] &= 0x7f;
    if serial == [0; 16] {
        return Err(IssueRefused::Serial);
    }
    Ok(SerialNumber::new(&serial)?)
}

fn authority_key(id: &[u8]) -> der::Result<AuthorityKeyIdentifier> {
    Ok(AuthorityKeyIdentifier { key_identifier: Some(OctetString::new(id)?), ..Default::default() })
}

/// RFC 5280 section 7.4: URIs and DNS names are IA5String. Nothing below a printable character.
fn ia5(value: &str) -> Result<Ia5String, IssueRefused> {
    let printable = value.bytes().all(|byte| byte.is_ascii_graphic());
    if value.is_empty() || value.len() > URL_BYTES_MAX || !printable {
        return Err(IssueRefused::Uri);
    }
    Ia5String::new(value).map_err(|_| IssueRefused::Uri)
}

/// Why a certificate was not issued.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IssueRefused {
    /// A name does not fit; whoever asked is to blame.
    #[error(transparent)]
    Name(#[from] NameRefused),
    /// A URL or DNS name does not fit; whoever asked is to blame.
    #[error(
        "a URL or DNS name must have 1 to {URL_BYTES_MAX} printable ASCII characters (RFC 5280 section 7.4)"
    )]
    Uri,
    /// The end lies before the beginning, or one of them outside of the years 1970 to 9999.
    #[error("the validity does not begin before it ends, or leaves the years 1970 to 9999")]
    Validity,
    /// A serial number without a single bit: the caller drew no randomness.
    #[error("the certificate's serial number is zero (RFC 5280 section 4.1.2.2)")]
    Serial,
    /// The issuer's certificate may not sign others; the operator chose the wrong one.
    #[error("the issuer's certificate is not an authority (RFC 5280 section 4.2.1.9)")]
    NotAnAuthority,
    /// The signer's key is not the issuer's: we mixed up two keys.
    #[error("the signing key is not the issuer's key")]
    WrongSigner,
    /// A signer whose public key is no point of P-256.
    #[error(transparent)]
    Key(#[from] KeyRefused),
    /// Signing or encoding failed.
    #[error(transparent)]
    Sign(#[from] SignFailed),
    /// What was issued cannot be read again: we are to blame.
    #[error("the issued certificate is unreadable: {0}")]
    Unreadable(#[from] CertificateRefused),
}

impl From<der::Error> for IssueRefused {
    fn from(error: der::Error) -> Self {
        Self::Sign(SignFailed::Encoding(error))
    }
}
