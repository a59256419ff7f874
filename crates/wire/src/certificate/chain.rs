//! The judgement of a certification path: RFC 5280 section 6.1, as far as our paths go.
//!
//! Judged: signatures, names, validity, basicConstraints, pathLenConstraint, keyUsage, extended
//! key usage of the leaf, unknown critical extensions. Not judged: revocation (the caller knows
//! its own list). Name constraints, and policies that are critical, refuse the path: we could not
//! process them.
use super::Certificate;
use crate::limits::{CHAIN_CERTIFICATES_MAX, CHAIN_SIGNATURE_CHECKS_MAX};
use crate::oid::{self, Oid};

/// What the leaf of a path is to be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// A device with its IDevID or LDevID: a TLS client that also signs statements of its own.
    /// The extended key usage, if there is one, names id-kp-clientAuth.
    Device,
    /// A TLS server: the extended key usage, if there is one, names id-kp-serverAuth.
    Server,
    /// A registrar: the extended key usage is there and names id-kp-cmcRA (RFC 8995 section
    /// 5.5.4, RFC 7030 section 3.6.1).
    Registrar,
    /// A signer of vouchers, and no device's IDevID. The extended key usage, if there is one, names
    /// id-kp-trustAnchorConfigSigning (RFC 9809 section 4): RFC 8995 appendix C.1.2 has none.
    Voucher,
    /// A signer of MUD files or birth records, and no device's IDevID. The key usage is there with
    /// digitalSignature (RFC 8520 section 13.2); the extended key usage, if there is one, names
    /// id-kp-configSigning (RFC 9809 section 4), or id-kp-emailProtection as signers of CMS do.
    Description,
    /// A signer of firmware manifests, and no device's IDevID: the extended key usage is there and
    /// names id-kp-updatePackageSigning (RFC 9809 section 3) or id-kp-codeSigning (RFC 5280 section
    /// 4.2.1.12).
    Release,
    /// An authority, for example one that RFC 7030 section 4.1.3 distributes.
    Authority,
}

/// A path that was judged good: from the leaf to the anchor, each signed by the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path<'a>(Vec<&'a Certificate>);

impl<'a> Path<'a> {
    /// The certificates from the leaf to the anchor. One alone if the leaf is itself an anchor.
    pub fn certificates(&self) -> &[&'a Certificate] {
        &self.0
    }

    /// The anchor that the path ends with.
    pub fn anchor(&self) -> &'a Certificate {
        self.0[self.0.len() - 1]
    }
}

/// Finds a path from `leaf` over `intermediates` to one of `anchors`, and judges it.
///
/// An anchor is trusted because the caller says so. A leaf that is itself an anchor is good. To
/// vouch for others, an anchor must be an authority. A leaf may be an authority itself.
///
/// For [`Purpose::Registrar`] alone, an anchor that bears the leaf's key vouches for the leaf (RFC
/// 8995 section 5.6.2: the pinned certificate may match the server's key directly). Nobody but the
/// holder of the key then vouches for what else the leaf says: the caller must have seen a proof of
/// possession, by TLS or by CMS.
///
/// `at` is the time to judge by, in Unix milliseconds, for the anchor too. Without it no validity
/// is judged: for a pledge that has no clock (RFC 8995 section 2.6.1), or for devices whose maker
/// let their certificates expire (section 2.6.2).
///
/// # Errors
/// [`ChainRefused`] names the rule that the most telling candidate path broke; whoever presented the leaf
/// is to blame, or the operator for a missing anchor.
pub fn verify_chain<'a>(
    leaf: &'a Certificate,
    intermediates: &'a [Certificate],
    anchors: &'a [Certificate],
    at: Option<i64>,
    purpose: Purpose,
) -> Result<Path<'a>, ChainRefused> {
    check_any(leaf, at)?;
    check_purpose(leaf, purpose)?;
    if let Some(anchor) = anchors.iter().find(|anchor| *anchor == leaf) {
        return Ok(Path(vec![anchor]));
    }
    let same_key = anchors.iter().find(|anchor| anchor.public_key() == leaf.public_key());
    if let (Purpose::Registrar, Some(anchor)) = (purpose, same_key) {
        check_any(anchor, at)?;
        return Ok(Path(vec![leaf, anchor]));
    }
    let mut search = Search { intermediates, anchors, at, checks_left: CHAIN_SIGNATURE_CHECKS_MAX };
    search.extend(vec![leaf]).map(Path)
}

/// A depth-first search with a budget.
struct Search<'a> {
    intermediates: &'a [Certificate],
    anchors: &'a [Certificate],
    at: Option<i64>,
    checks_left: usize,
}

impl<'a> Search<'a> {
    /// Extends `path` by an issuer of its last certificate until an anchor is reached. The depth
    /// is bounded by [`CHAIN_CERTIFICATES_MAX`].
    fn extend(&mut self, path: Vec<&'a Certificate>) -> Result<Vec<&'a Certificate>, ChainRefused> {
        let child = path[path.len() - 1];
        if path.len() >= CHAIN_CERTIFICATES_MAX {
            return Err(ChainRefused::TooLong);
        }
        let anchors = self.anchors.iter().map(|anchor| (anchor, true));
        let intermediates = self.intermediates.iter().map(|certificate| (certificate, false));
        // RFC 5280 section 6.1.3 (a) (4): name chaining.
        let named = anchors.chain(intermediates).filter(|(issuer, _)| issuer.subject() == child.issuer());
        let mut refused = ChainRefused::NoIssuer(child.issuer().to_string());
        for (issuer, is_anchor) in named {
            if path.contains(&issuer) {
                continue;
            }
            let outcome = self.check_issuer(issuer, &path).and_then(|()| {
                let longer = [path.as_slice(), &[issuer]].concat();
                if is_anchor { Ok(longer) } else { self.extend(longer) }
            });
            match outcome {
                Ok(path) => return Ok(path),
                Err(ChainRefused::TooMuchWork) => return Err(ChainRefused::TooMuchWork),
                Err(error) if refused.is_mismatch() || !error.is_mismatch() => refused = error,
                Err(_) => {}
            }
        }
        Err(refused)
    }

    /// Whether `issuer` signed the last certificate of `path`, and may have.
    fn check_issuer(&mut self, issuer: &Certificate, path: &[&Certificate]) -> Result<(), ChainRefused> {
        self.checks_left = self.checks_left.checked_sub(1).ok_or(ChainRefused::TooMuchWork)?;
        let child = path[path.len() - 1];
        child
            .verify_signature(issuer.public_key())
            .map_err(|_| ChainRefused::BadSignature(child.subject().to_string()))?;
        check_any(issuer, self.at)?;
        let name = || issuer.subject().to_string();
        // RFC 5280 section 6.1.4 (k).
        if !issuer.is_authority() {
            return Err(ChainRefused::NotAnAuthority(name()));
        }
        // RFC 5280 section 6.1.4 (n).
        if issuer.extensions.key_usage.is_some_and(|usage| !usage.key_cert_sign()) {
            return Err(ChainRefused::MayNotSignCertificates(name()));
        }
        // RFC 5280 section 6.1.4 (l) and (m), seen from the other end: the leaf does not count,
        // and self-issued certificates do not.
        let below = path.iter().skip(1).filter(|certificate| !certificate.is_self_issued()).count();
        let limit = issuer.extensions.basic_constraints.as_ref().and_then(|it| it.path_len_constraint);
        if limit.is_some_and(|limit| below > usize::from(limit)) {
            return Err(ChainRefused::PathLength(name()));
        }
        Ok(())
    }
}

impl ChainRefused {
    /// Whether the candidate was merely another certificate: any other reason says more.
    fn is_mismatch(&self) -> bool {
        matches!(self, Self::NoIssuer(_) | Self::BadSignature(_))
    }
}

/// What every certificate of a path must satisfy.
fn check_any(certificate: &Certificate, at: Option<i64>) -> Result<(), ChainRefused> {
    // RFC 5280 section 6.1.4 (o) and 6.1.5 (f).
    if let Some(extension) = certificate.extensions.forbidding.first() {
        return Err(ChainRefused::UnknownCritical(certificate.subject().to_string(), *extension));
    }
    let Some(at) = at else { return Ok(()) };
    // RFC 5280 section 6.1.3 (a) (2). Certificates have whole seconds: the last one counts fully.
    if at < certificate.not_before() {
        return Err(ChainRefused::NotYetValid(certificate.subject().to_string()));
    }
    if at > certificate.not_after().saturating_add(999) {
        return Err(ChainRefused::Expired(certificate.subject().to_string()));
    }
    Ok(())
}

fn check_purpose(leaf: &Certificate, purpose: Purpose) -> Result<(), ChainRefused> {
    let usage = leaf.extensions.key_usage;
    // RFC 5280 section 4.2.1.3.
    let usage_fits = match purpose {
        Purpose::Authority => leaf.is_authority() && usage.is_none_or(|usage| usage.key_cert_sign()),
        Purpose::Description => usage.is_some_and(|usage| usage.digital_signature()),
        _ => usage.is_none_or(|usage| usage.digital_signature()),
    };
    if !usage_fits {
        return Err(ChainRefused::KeyUsage(purpose));
    }
    // A maker's authority may stand over its devices and over its signers: a stolen device must not
    // sign vouchers or descriptions for the others.
    let of_device =
        leaf.hardware_module_name().is_some() || leaf.mud_url().is_some() || leaf.masa_url().is_some();
    if of_device && matches!(purpose, Purpose::Voucher | Purpose::Description | Purpose::Release) {
        return Err(ChainRefused::Device(purpose));
    }
    // RFC 5280 section 4.2.1.12: if present, one of the purposes indicated.
    let allowed: &[Oid] = match purpose {
        Purpose::Device => &[oid::CLIENT_AUTH, oid::ANY_PURPOSE],
        Purpose::Server => &[oid::SERVER_AUTH, oid::ANY_PURPOSE],
        Purpose::Registrar => &[oid::CMC_RA],
        Purpose::Voucher => &[oid::TRUST_ANCHOR_SIGNING, oid::ANY_PURPOSE],
        Purpose::Description => &[oid::CONFIG_SIGNING, oid::EMAIL_PROTECTION, oid::ANY_PURPOSE],
        // Not any purpose: whoever may install firmware has to be meant.
        Purpose::Release => &[oid::UPDATE_SIGNING, oid::CODE_SIGNING],
        Purpose::Authority => return Ok(()),
    };
    match leaf.key_purposes() {
        Some(purposes) if purposes.iter().any(|purpose| allowed.contains(purpose)) => Ok(()),
        None if !matches!(purpose, Purpose::Registrar | Purpose::Release) => Ok(()),
        _ => Err(ChainRefused::ExtendedKeyUsage(purpose)),
    }
}

/// Why a path was refused. The names are those that the certificates give themselves.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainRefused {
    /// Neither an anchor nor an intermediate bears the issuer's name.
    #[error("no trust anchor or intermediate is named \"{0}\" (RFC 5280 section 6.1.3 (a) (4))")]
    NoIssuer(String),
    /// The issuer of that name did not sign it.
    #[error("the signature on \"{0}\" is not its issuer's (RFC 5280 section 6.1.3 (a) (1))")]
    BadSignature(String),
    /// It becomes valid later.
    #[error("\"{0}\" is not yet valid (RFC 5280 section 6.1.3 (a) (2))")]
    NotYetValid(String),
    /// It has expired.
    #[error("\"{0}\" has expired (RFC 5280 section 6.1.3 (a) (2))")]
    Expired(String),
    /// It signed a certificate without being an authority.
    #[error("\"{0}\" is not an authority and signed a certificate (RFC 5280 section 6.1.4 (k))")]
    NotAnAuthority(String),
    /// Its key usage does not let it sign certificates.
    #[error("\"{0}\" may not sign certificates: no keyCertSign (RFC 5280 section 6.1.4 (n))")]
    MayNotSignCertificates(String),
    /// More authorities stand under it than it allows.
    #[error("\"{0}\" allows fewer authorities under it: pathLenConstraint (RFC 5280 section 6.1.4 (l))")]
    PathLength(String),
    /// A critical extension, or name constraints, that we cannot process.
    #[error("\"{0}\" has the extension {1}, which we cannot process (RFC 5280 section 6.1.4 (o))")]
    UnknownCritical(String, Oid),
    /// The leaf's key usage does not allow the purpose.
    #[error("the key usage does not allow {0:?} (RFC 5280 section 4.2.1.3)")]
    KeyUsage(Purpose),
    /// The leaf's extended key usage does not allow the purpose.
    #[error("the extended key usage does not allow {0:?} (RFC 5280 section 4.2.1.12)")]
    ExtendedKeyUsage(Purpose),
    /// The leaf is a device's identity, which speaks for that device alone.
    #[error("an IDevID (IEEE 802.1AR) is not for {0:?}: a device speaks for itself alone")]
    Device(Purpose),
    /// The path has more than [`CHAIN_CERTIFICATES_MAX`] certificates.
    #[error("the path is longer than {CHAIN_CERTIFICATES_MAX} certificates")]
    TooLong,
    /// The search took more than [`CHAIN_SIGNATURE_CHECKS_MAX`] signature checks.
    #[error("finding a path took more than {CHAIN_SIGNATURE_CHECKS_MAX} signature checks")]
    TooMuchWork,
}
