//! The signature over a MUD file: detached CMS in DER, RFC 8520 section 13.
use crate::certificate::chain::{ChainRefused, Purpose, verify_chain};
use crate::certificate::{Certificate, Name};
use crate::cms::{self, CmsRefused};
use crate::signed::SignFailed;
use crate::{Oid, Signer, oid};

/// Who signed a MUD file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MudSignature {
    /// The certificate of the key that signed.
    pub signer: Certificate,
    /// The anchor that vouches for it.
    pub anchor: Certificate,
    /// When the signer says that it signed, in Unix milliseconds.
    pub signing_time: Option<i64>,
}

/// Signs the octets of a MUD file, as they will be served (RFC 8520 section 13.1). Intermediate
/// certificates go into `chain`. `signing_time` is in Unix milliseconds.
///
/// # Errors
/// [`SignFailed`] when the key's place fails.
pub fn sign(
    file: &[u8],
    certificate: &Certificate,
    chain: &[Certificate],
    signer: &dyn Signer,
    signing_time: Option<i64>,
) -> Result<Vec<u8>, SignFailed> {
    cms::sign(oid::MUD, file, certificate, chain, signer, signing_time, true)
}

/// Verifies a signature over the octets of a MUD file, as RFC 8520 section 13.2 wants before
/// anything else is done with the file.
///
/// `mud_signer` is the id-pe-mudsigner of the device's certificate, if it has one. `now` is in Unix
/// milliseconds; a signature whose certificate has expired needs to be made again (section 13.1).
///
/// # Errors
/// [`SignatureRefused`]: whoever published the file is to blame, or the operator for a missing
/// anchor.
pub fn check_signature(
    file: &[u8],
    signature: &[u8],
    anchors: &[Certificate],
    mud_signer: Option<&Name>,
    now: i64,
) -> Result<MudSignature, SignatureRefused> {
    let verified = cms::verify(signature, Some(file), anchors)?;
    // The example of RFC 8520 section 13.1 makes id-data; id-ct-mudtype is its own name for it.
    if ![oid::MUD, oid::DATA].contains(&verified.content_type) {
        return Err(SignatureRefused::ContentType(verified.content_type));
    }
    if mud_signer.is_some_and(|name| name != verified.signer.subject()) {
        return Err(SignatureRefused::OtherSigner(verified.signer.subject().to_string()));
    }
    let purpose = Purpose::Description;
    let path = verify_chain(&verified.signer, &verified.certificates, anchors, Some(now), purpose)?;
    let anchor = path.anchor().clone();
    Ok(MudSignature { anchor, signing_time: verified.signing_time, signer: verified.signer })
}

/// Why a signature over a MUD file was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureRefused {
    /// Not the signature of these octets; whoever published them is to blame.
    #[error("the MUD file's signature does not verify (RFC 8520 section 13.2): {0}")]
    Message(#[from] CmsRefused),
    /// Signed as something else.
    #[error("the signature is over {0} and not over a MUD file (RFC 8520 section 11)")]
    ContentType(Oid),
    /// Nobody whom we trust vouches for the signer; the operator may trust it.
    #[error("the MUD file's signer is not trusted (RFC 8520 section 13.2): {0}")]
    Signer(#[from] ChainRefused),
    /// The device's certificate names another signer.
    #[error("the device's certificate names another signer than \"{0}\" (RFC 8520 section 13.2)")]
    OtherSigner(String),
}
