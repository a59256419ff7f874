//! The author's side: a manifest for one component that is fetched, validated and invoked.
use super::components::ComponentId;
use super::digest::Digest;
use super::envelope::{AUTHENTICATION, ENVELOPE_TAG, MANIFEST};
use super::text::Text;
use super::uuid::Uuid;
use crate::Signer;
use crate::cbor::{Written, byte_string, write};
use crate::cose::sign_detached;
use crate::signed::SignFailed;
use minicbor::Encoder;
use minicbor::data::Tag;

/// Everything is reported: section "Reporting Policy".
const REPORT_ALL: u64 = 15;
/// Failures are reported.
const REPORT_FAILURE: u64 = 2;

/// A firmware version as its author describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// Higher than that of every release before.
    pub sequence_number: u64,
    /// Which component of the device it is for.
    pub component: ComponentId,
    /// Who made the device.
    pub vendor_id: Uuid,
    /// Which devices it is for.
    pub class_id: Uuid,
    /// SHA-256 of the image.
    pub image_digest: [u8; 32],
    /// Bytes of the image.
    pub image_size: u64,
    /// Where the image is.
    pub uri: String,
    /// Where the whole manifest is.
    pub reference_uri: Option<String>,
    /// Words for people, severed.
    pub text: Option<Text>,
}

impl Release {
    /// The signed envelope, by the templates of section "Creating Manifests": compatibility check,
    /// component download, trusted invocation.
    ///
    /// # Errors
    /// [`SignFailed`] when the key's place fails.
    pub fn envelope(&self, signer: &dyn Signer) -> Result<Vec<u8>, SignFailed> {
        let text = self.text.as_ref().map(Text::to_cbor);
        let manifest = self.manifest(text.as_deref());
        let digest = Digest::of(&byte_string(&manifest)).to_cbor();
        let signature = sign_detached(&digest, signer)?;
        let authentication = write(|out| out.array(2)?.bytes(&digest)?.bytes(&signature)?.ok());
        Ok(write(|out| {
            out.tag(Tag::new(ENVELOPE_TAG))?.map(if text.is_some() { 3 } else { 2 })?;
            out.i64(AUTHENTICATION)?.bytes(&authentication)?;
            out.i64(MANIFEST)?.bytes(&manifest)?;
            if let Some(text) = &text {
                out.u64(23)?.bytes(text)?;
            }
            Ok(())
        }))
    }

    fn manifest(&self, text: Option<&[u8]>) -> Vec<u8> {
        let optional = u64::from(self.reference_uri.is_some()) + u64::from(text.is_some());
        let image_match = |out: &mut Encoder<&mut Vec<u8>>| out.u64(3)?.u64(REPORT_ALL)?.ok();
        write(|out| {
            out.map(6 + optional)?.u64(1)?.u64(1)?.u64(2)?.u64(self.sequence_number)?;
            out.u64(3)?.bytes(&self.common())?;
            if let Some(uri) = &self.reference_uri {
                out.u64(4)?.str(uri)?;
            }
            let validate = sequence(1, image_match);
            let invoke = sequence(1, |out| out.u64(23)?.u64(REPORT_FAILURE)?.ok());
            let install = sequence(3, |out| {
                out.u64(20)?.map(1)?.u64(21)?.str(&self.uri)?;
                out.u64(21)?.u64(REPORT_FAILURE)?;
                image_match(out)
            });
            out.u64(7)?.bytes(&validate)?.u64(9)?.bytes(&invoke)?.u64(20)?.bytes(&install)?;
            if let Some(text) = text {
                let digest = Digest::of(&byte_string(text));
                out.u64(23)?.array(2)?.i64(digest.algorithm)?.bytes(&digest.bytes)?;
            }
            Ok(())
        })
    }

    fn common(&self) -> Vec<u8> {
        let digest = Digest::from_sha256(self.image_digest).to_cbor();
        let shared = sequence(3, |out| {
            out.u64(20)?.map(4)?;
            out.u64(1)?.bytes(&self.vendor_id.0)?.u64(2)?.bytes(&self.class_id.0)?;
            out.u64(3)?.bytes(&digest)?.u64(14)?.u64(self.image_size)?;
            out.u64(1)?.u64(REPORT_ALL)?.u64(2)?.u64(REPORT_ALL)?.ok()
        });
        write(|out| {
            out.map(2)?.u64(2)?.array(1)?;
            self.component.write(out)?;
            out.u64(4)?.bytes(&shared)?.ok()
        })
    }
}

/// A sequence of so many commands, each with its argument.
fn sequence(commands: u64, items: impl FnOnce(&mut Encoder<&mut Vec<u8>>) -> Written) -> Vec<u8> {
    write(|out| {
        out.array(2 * commands)?;
        items(out)
    })
}
