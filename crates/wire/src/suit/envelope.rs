//! `SUIT_Envelope`, and who signed it.
use super::digest::Digest;
use super::manifest::{Manifest, Member};
use super::text::Text;
use crate::cbor::{CborRefused, Kind, Reader, byte_string};
use crate::cose::{CoseRefused, verify_detached};
use crate::digest::sha256;
use crate::key::PublicKey;
use crate::limits::{SUIT_AUTHENTICATION_BLOCKS_MAX, SUIT_ENVELOPE_BYTES_MAX};
use std::collections::BTreeMap;

/// The tag of an envelope. Protocols that carry nothing else leave it out.
pub(super) const ENVELOPE_TAG: u64 = 107;
/// Labels of the envelope's members.
pub(super) const AUTHENTICATION: i64 = 2;
pub(super) const MANIFEST: i64 = 3;

/// An envelope of which nothing is believed yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// `SUIT_Digest` in CBOR: what the signatures are over.
    digest: Vec<u8>,
    /// `SUIT_Authentication_Block`s in CBOR.
    blocks: Vec<Vec<u8>>,
    manifest: Vec<u8>,
    severed: BTreeMap<i64, Vec<u8>>,
    payloads: BTreeMap<String, Vec<u8>>,
}

impl Envelope {
    /// Takes an envelope apart and reads nothing of its manifest.
    ///
    /// # Errors
    /// [`SuitRefused`]: whoever made it is to blame.
    pub fn from_cbor(bytes: &[u8]) -> Result<Self, SuitRefused> {
        if bytes.len() > SUIT_ENVELOPE_BYTES_MAX {
            return Err(SuitRefused::TooLarge);
        }
        let in_envelope = SuitRefused::within("SUIT_Envelope");
        let mut reader = Reader::new(bytes).map_err(in_envelope)?;
        if reader.is(Kind::Tag) {
            reader.tag(ENVELOPE_TAG).map_err(in_envelope)?;
        }
        let (mut authentication, mut manifest) = (None, None);
        let (mut severed, mut payloads) = (BTreeMap::new(), BTreeMap::new());
        for _ in 0..reader.map().map_err(in_envelope)? {
            if reader.is(Kind::Text) {
                let name = reader.text().map_err(in_envelope)?.to_owned();
                payloads.insert(name, reader.bytes().map_err(in_envelope)?.to_vec());
                continue;
            }
            let label = reader.int().map_err(in_envelope)?;
            let content = reader.bytes().map_err(in_envelope)?;
            match label {
                AUTHENTICATION => authentication = Some(content),
                MANIFEST => manifest = Some(content.to_vec()),
                label => drop(severed.insert(label, content.to_vec())),
            }
        }
        let authentication = authentication.ok_or(SuitRefused::Missing("suit-authentication-wrapper"))?;
        let (digest, blocks) =
            read_authentication(authentication).map_err(SuitRefused::within("SUIT_Authentication"))?;
        let manifest = manifest.ok_or(SuitRefused::Missing("suit-manifest"))?;
        Ok(Self { digest, blocks, manifest, severed, payloads })
    }

    /// Checks that one of `keys` signed, then reads the manifest.
    ///
    /// Section "Required Checks": the signature is verified before any section of the manifest is
    /// parsed.
    ///
    /// # Errors
    /// [`SuitRefused`]: whoever made or changed the envelope is to blame.
    pub fn authenticate(self, keys: &[PublicKey]) -> Result<Authentic, SuitRefused> {
        let digest = Digest::from_cbor(&self.digest).map_err(SuitRefused::within("SUIT_Digest"))?;
        let expected = digest.sha256().ok_or(SuitRefused::DigestAlgorithm(digest.algorithm))?;
        if sha256(&byte_string(&self.manifest)) != expected {
            return Err(SuitRefused::DigestDiffers);
        }
        let signer = self.signer(keys)?;
        let manifest = Manifest::read(&self.manifest, &self.severed)?;
        Ok(Authentic { manifest, digest: expected, signer, payloads: self.payloads })
    }

    /// The key that signed. Blocks that we cannot read are somebody else's.
    fn signer(&self, keys: &[PublicKey]) -> Result<PublicKey, SuitRefused> {
        let mut refused = SuitRefused::NotSigned;
        for block in &self.blocks {
            for key in keys {
                match verify_detached(block, &self.digest, key) {
                    Ok(()) => return Ok(key.clone()),
                    Err(why) => refused = SuitRefused::Signature(why),
                }
            }
        }
        Err(refused)
    }
}

/// The digest and the blocks, each in CBOR.
fn read_authentication(bytes: &[u8]) -> Result<(Vec<u8>, Vec<Vec<u8>>), CborRefused> {
    let mut reader = Reader::new(bytes)?;
    let count = reader.array()?;
    if !(1..=1 + SUIT_AUTHENTICATION_BLOCKS_MAX as u64).contains(&count) {
        let wanted = format!("a digest and at most {SUIT_AUTHENTICATION_BLOCKS_MAX} blocks");
        return Err(CborRefused::Unexpected(0, wanted));
    }
    let digest = reader.bytes()?.to_vec();
    let blocks = (1..count).map(|_| reader.bytes().map(<[u8]>::to_vec)).collect::<Result<_, _>>()?;
    Ok((digest, blocks))
}

/// A manifest that somebody trusted has signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authentic {
    /// The manifest, severed members that were in the envelope included.
    pub manifest: Manifest,
    /// The manifest's digest as it was signed: its name in reports.
    pub digest: [u8; 32],
    /// Whose signature it is.
    pub signer: PublicKey,
    /// Integrated payloads by their keys. The image digest of a component judges them, nothing else.
    pub(super) payloads: BTreeMap<String, Vec<u8>>,
}

impl Authentic {
    /// The words for people, if they are there.
    ///
    /// # Errors
    /// [`SuitRefused`]: the author is to blame.
    pub fn text(&self) -> Result<Option<Text>, SuitRefused> {
        match &self.manifest.text {
            Some(Member::Here(bytes)) => {
                Text::from_cbor(bytes).map(Some).map_err(SuitRefused::within("suit-text"))
            }
            _ => Ok(None),
        }
    }
}

/// A reason of draft-ietf-suit-report section "suit-report-result".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// `suit-report-reason-cbor-parse`.
    CborParse,
    /// `suit-report-reason-cose-unsupported`.
    CoseUnsupported,
    /// `suit-report-reason-alg-unsupported`.
    AlgUnsupported,
    /// `suit-report-reason-unauthorised`.
    Unauthorised,
    /// `suit-report-reason-command-unsupported`.
    CommandUnsupported,
    /// `suit-report-reason-component-unsupported`.
    ComponentUnsupported,
    /// `suit-report-reason-parameter-unsupported`.
    ParameterUnsupported,
    /// `suit-report-reason-condition-failed`.
    ConditionFailed,
    /// `suit-report-reason-operation-failed`.
    OperationFailed,
}

impl Reason {
    /// Its name in the draft.
    pub fn name(self) -> &'static str {
        match self {
            Self::CborParse => "suit-report-reason-cbor-parse",
            Self::CoseUnsupported => "suit-report-reason-cose-unsupported",
            Self::AlgUnsupported => "suit-report-reason-alg-unsupported",
            Self::Unauthorised => "suit-report-reason-unauthorised",
            Self::CommandUnsupported => "suit-report-reason-command-unsupported",
            Self::ComponentUnsupported => "suit-report-reason-component-unsupported",
            Self::ParameterUnsupported => "suit-report-reason-parameter-unsupported",
            Self::ConditionFailed => "suit-report-reason-condition-failed",
            Self::OperationFailed => "suit-report-reason-operation-failed",
        }
    }
}

/// Why an envelope was refused. Whoever made or changed it is to blame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SuitRefused {
    /// Over the limit.
    #[error("the SUIT envelope is over {SUIT_ENVELOPE_BYTES_MAX} bytes")]
    TooLarge,
    /// An element is malformed.
    #[error("{element} is malformed: {why}")]
    Malformed {
        /// Which.
        element: &'static str,
        /// Why.
        why: CborRefused,
    },
    /// An element that must be there.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A digest by an algorithm that we do not know.
    #[error("the digest algorithm {0} is not supported; SHA-256 (-16) is")]
    DigestAlgorithm(i64),
    /// The manifest is not the one that was signed.
    #[error("the manifest is not the one of the signed digest: it was changed after signing")]
    DigestDiffers,
    /// No authentication block, or no key to check one with.
    #[error("the SUIT envelope has no signature that could be checked")]
    NotSigned,
    /// No block is a signature by a trusted key.
    #[error("nobody who is trusted signed the manifest: {0}")]
    Signature(CoseRefused),
    /// Another version of the encoding.
    #[error("the manifest is encoded in version {0}; this device reads version 1")]
    Version(u64),
    /// A severed member is not the one of the manifest.
    #[error("the severed {0} is not the one whose digest the manifest bears")]
    SeveredDiffers(&'static str),
    /// A member of the envelope that the manifest has no digest of.
    #[error("member {0} of the SUIT envelope is covered by no digest of the manifest")]
    NotCovered(i64),
}

impl SuitRefused {
    /// Says which element is malformed.
    pub(super) fn within(element: &'static str) -> impl Fn(CborRefused) -> Self + Copy {
        move |why| Self::Malformed { element, why }
    }

    /// The reason for a report.
    pub fn reason(&self) -> Reason {
        match self {
            Self::TooLarge | Self::Malformed { .. } | Self::Missing(_) | Self::Version(_) => {
                Reason::CborParse
            }
            Self::DigestAlgorithm(_) | Self::Signature(CoseRefused::Algorithm(_)) => Reason::AlgUnsupported,
            Self::Signature(CoseRefused::NotSign1(_) | CoseRefused::Critical) => Reason::CoseUnsupported,
            Self::DigestDiffers
            | Self::NotSigned
            | Self::Signature(_)
            | Self::SeveredDiffers(_)
            | Self::NotCovered(_) => Reason::Unauthorised,
        }
    }
}
