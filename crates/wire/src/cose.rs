//! COSE_Sign1 with detached payload (RFC 9052), ECDSA on P-256 with SHA-256.
//!
//! Written is ESP256 (-9), the algorithm of the profiles of draft-ietf-suit-mti; ES256 (-7) is read
//! too, because the examples of draft-ietf-suit-manifest-37 bear it.
use crate::Signer;
use crate::cbor::{CborRefused, Kind, Reader, write};
use crate::key::{BadSignature, PublicKey};
use crate::limits::COSE_BYTES_MAX;
use crate::signed::SignFailed;
use der::asn1::UintRef;
use der::{Decode, Sequence};

/// The tag of COSE_Sign1
const SIGN1_TAG: u64 = 18;
/// Header parameters
const ALG: i64 = 1;
const CRIT: i64 = 2;
/// ES256, which leaves the curve open; here it is P-256.
const ES256: i64 = -7;
/// ESP256: ECDSA on P-256 with SHA-256, fully specified.
const ESP256: i64 = -9;

/// Signs `payload` and leaves it out.
///
/// # Errors
/// [`SignFailed`] when the key's place fails.
pub fn sign_detached(payload: &[u8], signer: &dyn Signer) -> Result<Vec<u8>, SignFailed> {
    let protected = write(|out| out.map(1)?.i64(ALG)?.i64(ESP256)?.ok());
    let signature = fixed(&signer.sign(&to_be_signed(&protected, payload))?)?;
    Ok(write(|out| {
        out.tag(minicbor::data::Tag::new(SIGN1_TAG))?.array(4)?;
        out.bytes(&protected)?.map(0)?.null()?.bytes(&signature)?.ok()
    }))
}

/// Checks a COSE_Sign1 over a detached `payload` with `key`.
///
/// # Errors
/// [`CoseRefused`]: whoever sent it is to blame.
pub fn verify_detached(cose: &[u8], payload: &[u8], key: &PublicKey) -> Result<(), CoseRefused> {
    if cose.len() > COSE_BYTES_MAX {
        return Err(CoseRefused::TooLarge);
    }
    let mut reader = Reader::new(cose)?;
    reader.tag(SIGN1_TAG).map_err(CoseRefused::NotSign1)?;
    if reader.array()? != 4 {
        return Err(CoseRefused::NotFour);
    }
    let protected = reader.bytes()?;
    check_protected(protected)?;
    check_unprotected(&mut reader)?;
    if !reader.is(Kind::Null) {
        return Err(CoseRefused::NotDetached);
    }
    reader.null()?;
    let signature = reader.octets::<64>()?;
    key.verify_fixed(&to_be_signed(protected, payload), &signature).map_err(CoseRefused::from)
}

/// The protected header names a known algorithm and nothing that must be understood.
fn check_protected(protected: &[u8]) -> Result<(), CoseRefused> {
    let mut reader = Reader::new(protected)?;
    let mut algorithm = None;
    for _ in 0..reader.map()? {
        match label(&mut reader)? {
            Some(ALG) => algorithm = Some(reader.int()?),
            Some(CRIT) => return Err(CoseRefused::Critical),
            _ => reader.skip()?,
        }
    }
    match algorithm {
        Some(ES256 | ESP256) => Ok(()),
        found => Err(CoseRefused::Algorithm(found)),
    }
}

/// RFC 9052: no label stands in both headers. Of the unprotected one nothing is believed.
fn check_unprotected(reader: &mut Reader<'_>) -> Result<(), CoseRefused> {
    for _ in 0..reader.map()? {
        if matches!(label(reader)?, Some(ALG | CRIT)) {
            return Err(CoseRefused::Unprotected);
        }
        reader.skip()?;
    }
    Ok(())
}

/// A header's label, if it is a number; labels in text are nobody's here.
fn label(reader: &mut Reader<'_>) -> Result<Option<i64>, CborRefused> {
    if reader.is(Kind::Text) { reader.text().map(|_| None) } else { reader.int().map(Some) }
}

/// `Sig_structure` of RFC 9052
fn to_be_signed(protected: &[u8], payload: &[u8]) -> Vec<u8> {
    write(|out| out.array(4)?.str("Signature1")?.bytes(protected)?.bytes(&[])?.bytes(payload)?.ok())
}

/// `Ecdsa-Sig-Value`, RFC 3279 section 2.2.3.
#[derive(Sequence)]
struct EcdsaSigValue<'a> {
    r: UintRef<'a>,
    s: UintRef<'a>,
}

/// A signature as the two numbers in 32 octets each.
fn fixed(der: &[u8]) -> Result<[u8; 64], SignFailed> {
    let value = EcdsaSigValue::from_der(der)?;
    let mut fixed = [0; 64];
    for (number, half) in [value.r, value.s].iter().zip(fixed.chunks_exact_mut(32)) {
        let octets = number.as_bytes();
        let start = half.len().checked_sub(octets.len()).ok_or(der::ErrorKind::Overlength.to_error())?;
        half[start..].copy_from_slice(octets);
    }
    Ok(fixed)
}

/// Why a signature was refused. Whoever sent it is to blame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CoseRefused {
    /// Over the limit.
    #[error("the COSE_Sign1 is over {COSE_BYTES_MAX} bytes")]
    TooLarge,
    /// Another COSE structure, or none.
    #[error("this is no tagged COSE_Sign1 (RFC 9052): {0}")]
    NotSign1(CborRefused),
    /// Not the four parts of COSE_Sign1.
    #[error("the COSE_Sign1 is no array of four (RFC 9052)")]
    NotFour,
    /// Malformed.
    #[error("the COSE_Sign1 is malformed: {0}")]
    Malformed(#[from] CborRefused),
    /// The payload is not detached.
    #[error("the COSE_Sign1 has a payload of its own; SUIT signs a detached one")]
    NotDetached,
    /// A header parameter that must be understood.
    #[error("the COSE_Sign1 has critical header parameters, and we understand none")]
    Critical,
    /// The algorithm or the list of critical parameters stands where nothing protects it.
    #[error("the COSE_Sign1 names its algorithm in the unprotected header")]
    Unprotected,
    /// An algorithm that we do not know.
    #[error("the COSE_Sign1's algorithm {0:?} is not supported; ESP256 (-9) and ES256 (-7) are")]
    Algorithm(Option<i64>),
    /// The signature is not by this key over this payload.
    #[error(transparent)]
    BadSignature(#[from] BadSignature),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_padded_on_their_left() {
        let der = [0x30, 0x07, 0x02, 0x01, 0x05, 0x02, 0x02, 0x00, 0x81];
        let fixed = fixed(&der).unwrap();
        assert_eq!((fixed[31], fixed[63]), (5, 0x81));
        assert_eq!(fixed.iter().filter(|octet| **octet != 0).count(), 2);
        assert!(super::fixed(&der[..8]).is_err());
    }
}
