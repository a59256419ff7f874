//! What a device is to a manifest, and what it thinks of the content of a slot.
use crate::machine::shortened;
use wire::PublicKey;
use wire::control::FirmwareNotKept;
use wire::suit::{
    Authentic, ComponentFailed, ComponentId, Components, Envelope, Output, Procedure, ProcessFailed,
    Processor, Reason, SuitRefused, Uuid, VendorId,
};

/// Where an image lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// The first.
    A,
    /// The second.
    B,
}

impl Slot {
    /// The other one.
    pub fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }

    /// Its name, and its folder's.
    pub fn name(self) -> &'static str {
        match self {
            Self::A => "a",
            Self::B => "b",
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Self> {
        [Self::A, Self::B].into_iter().find(|slot| slot.name() == name)
    }
}

/// What a device is: it came with that from its factory.
#[derive(Clone, Debug)]
pub struct Device {
    /// Whose signatures of manifests it believes.
    pub authors: Vec<PublicKey>,
    /// Its one component: the firmware.
    pub component: ComponentId,
    /// Who made it.
    pub vendor_id: Uuid,
    /// What it is.
    pub class_id: Uuid,
    /// Which one it is, if manifests for single devices are to be believed.
    pub device_id: Option<Uuid>,
}

/// What a slot holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Content {
    /// The envelope, if there is one that could be read.
    pub envelope: Option<Vec<u8>>,
    /// SHA-256 of the image, if there is one.
    pub image: Option<[u8; 32]>,
}

/// A firmware that may be started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Launch {
    pub(super) slot: Slot,
    pub(super) sequence_number: u64,
    pub(super) manifest: [u8; 32],
    pub(super) arguments: Option<Vec<u8>>,
}

impl Device {
    /// Takes an envelope for authentic, or says why not.
    pub(super) fn authenticate(&self, envelope: &[u8]) -> Result<Authentic, SuitRefused> {
        Envelope::from_cbor(envelope)?.authenticate(&self.authors)
    }

    /// Whether the image of a slot may be started: by the invocation procedure of its manifest.
    pub(super) fn judge(&self, slot: Slot, content: &Content) -> Result<Launch, FirmwareNotKept> {
        let envelope = content.envelope.as_deref();
        let nothing = || not_kept(None, Reason::OperationFailed, "the slot holds no manifest");
        let authentic = self.authenticate(envelope.ok_or_else(nothing)?);
        let authentic = authentic.map_err(|why| refused(&why))?;
        match self.invoke(&authentic, self.view(slot, content.image)) {
            Ok(arguments) => Ok(Launch {
                slot,
                sequence_number: authentic.manifest.sequence_number,
                manifest: authentic.digest,
                arguments,
            }),
            Err(why) => Err(failed(&authentic, &why)),
        }
    }

    /// Processes up to the invocation. A manifest that invokes what it has not looked at would let a
    /// changed image start.
    fn invoke(&self, authentic: &Authentic, mut view: View<'_>) -> Result<Option<Vec<u8>>, ProcessFailed> {
        let mut processor = Processor::new(authentic.clone(), Procedure::Invocation, None, &view)?;
        match processor.run(&mut view)? {
            Output::Invoke { arguments, .. } if view.was_measured => Ok(arguments),
            Output::Invoke { .. } => Err(processor.failed("the manifest does not validate the image before")),
            _ => Err(processor.failed("the manifest does not invoke the firmware")),
        }
    }

    /// The device as a manifest sees it while `slot` is meant.
    pub(super) fn view(&self, slot: Slot, image: Option<[u8; 32]>) -> View<'_> {
        View { device: self, slot, image, was_measured: false }
    }
}

/// The device's components: one, in one of two slots.
pub(super) struct View<'a> {
    device: &'a Device,
    slot: Slot,
    image: Option<[u8; 32]>,
    /// Whether a condition has asked for the digest.
    was_measured: bool,
}

impl Components for View<'_> {
    fn has(&self, component: &ComponentId) -> bool {
        *component == self.device.component
    }

    fn is_of_vendor(&self, _: &ComponentId, vendor: &VendorId) -> bool {
        *vendor == VendorId::Uuid(self.device.vendor_id)
    }

    fn is_of_class(&self, _: &ComponentId, class: Uuid) -> bool {
        class == self.device.class_id
    }

    fn is_device(&self, _: &ComponentId, device: Uuid) -> bool {
        self.device.device_id == Some(device)
    }

    fn slot(&self, _: &ComponentId) -> Option<u64> {
        Some(match self.slot {
            Slot::A => 0,
            Slot::B => 1,
        })
    }

    fn sha256(&mut self, _: &ComponentId) -> Result<Option<[u8; 32]>, ComponentFailed> {
        self.was_measured = true;
        Ok(self.image)
    }
}

/// An envelope that is not authentic.
pub(super) fn refused(why: &SuitRefused) -> FirmwareNotKept {
    not_kept(None, why.reason(), &why.to_string())
}

/// A manifest that was not processed to its end.
pub(super) fn failed(authentic: &Authentic, why: &ProcessFailed) -> FirmwareNotKept {
    let which = Some((authentic.manifest.sequence_number, authentic.digest));
    not_kept(which, why.reason(), &why.to_string())
}

/// A firmware that was refused before it was started.
pub(super) fn not_kept(which: Option<(u64, [u8; 32])>, reason: Reason, why: &str) -> FirmwareNotKept {
    FirmwareNotKept {
        sequence_number: which.map(|(number, _)| number),
        manifest: which.map(|(_, digest)| digest),
        tried: false,
        reason: reason.name().into(),
        why: shortened(why),
    }
}
