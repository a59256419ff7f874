//! What a manifest can be processed on.
use super::parameters::VendorId;
use super::uuid::Uuid;
use crate::cbor::{CborRefused, Reader};
use crate::limits::SUIT_COMPONENT_ID_BYTES_MAX;
use minicbor::Encoder;

/// The name of a component: a path of byte strings.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ComponentId(pub Vec<Vec<u8>>);

impl ComponentId {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, CborRefused> {
        let at = reader.position();
        let segments = (0..reader.array()?).map(|_| reader.bytes().map(<[u8]>::to_vec));
        let segments = segments.collect::<Result<Vec<_>, _>>()?;
        let bytes: usize = segments.iter().map(|segment| segment.len() + 1).sum();
        if bytes > SUIT_COMPONENT_ID_BYTES_MAX {
            let wanted = format!("a component identifier within {SUIT_COMPONENT_ID_BYTES_MAX} bytes");
            return Err(CborRefused::Unexpected(at, wanted));
        }
        Ok(Self(segments))
    }

    pub(super) fn write(&self, out: &mut Encoder<&mut Vec<u8>>) -> crate::cbor::Written {
        out.array(self.0.len() as u64)?;
        self.0.iter().try_for_each(|segment| out.bytes(segment)?.ok())
    }
}

impl std::fmt::Display for ComponentId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[")?;
        for (at, segment) in self.0.iter().enumerate() {
            f.write_str(if at == 0 { "h'" } else { ", h'" })?;
            segment.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
            f.write_str("'")?;
        }
        f.write_str("]")
    }
}

impl std::fmt::Debug for ComponentId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

/// A component could not do it. The device or its disk is to blame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ComponentFailed(pub String);

/// A device's components. A device implements what it can; the rest refuses.
pub trait Components {
    /// Whether the device has this component.
    fn has(&self, component: &ComponentId) -> bool;

    /// Whether `vendor` made this component, or the device.
    fn is_of_vendor(&self, component: &ComponentId, vendor: &VendorId) -> bool;

    /// Whether this component, or the device, belongs to `class`.
    fn is_of_class(&self, component: &ComponentId, class: Uuid) -> bool;

    /// The SHA-256 digest of the content, or nothing if there is no content.
    ///
    /// # Errors
    /// [`ComponentFailed`] when it cannot be read.
    fn sha256(&mut self, component: &ComponentId) -> Result<Option<[u8; 32]>, ComponentFailed>;

    /// Whether this component, or the device, is the one that `device` names.
    fn is_device(&self, _component: &ComponentId, _device: Uuid) -> bool {
        false
    }

    /// The slot that the procedure is about: the one to install to, or the one to invoke.
    fn slot(&self, _component: &ComponentId) -> Option<u64> {
        None
    }

    /// The version of the content.
    fn version(&self, _component: &ComponentId) -> Option<Vec<i64>> {
        None
    }

    /// The content, if it has exactly `bytes` bytes.
    ///
    /// # Errors
    /// [`ComponentFailed`] when it cannot be read.
    fn content(
        &mut self,
        _component: &ComponentId,
        _bytes: usize,
    ) -> Result<Option<Vec<u8>>, ComponentFailed> {
        Err(ComponentFailed("this device does not compare content".into()))
    }

    /// Replaces the content.
    ///
    /// # Errors
    /// [`ComponentFailed`].
    fn write(&mut self, _component: &ComponentId, _content: &[u8]) -> Result<(), ComponentFailed> {
        Err(ComponentFailed("this device does not write content from a manifest".into()))
    }

    /// Copies the content of `source`.
    ///
    /// # Errors
    /// [`ComponentFailed`].
    fn copy(&mut self, _component: &ComponentId, _source: &ComponentId) -> Result<(), ComponentFailed> {
        Err(ComponentFailed("this device does not copy components".into()))
    }

    /// Exchanges the contents of the two.
    ///
    /// # Errors
    /// [`ComponentFailed`].
    fn swap(&mut self, _component: &ComponentId, _source: &ComponentId) -> Result<(), ComponentFailed> {
        Err(ComponentFailed("this device does not swap components".into()))
    }
}
