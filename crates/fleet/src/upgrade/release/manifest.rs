//! What a manifest says to a device: found by processing it for one that takes everything.
use std::cell::RefCell;
use wire::suit::{
    Authentic, ComponentFailed, ComponentId, Components, Output, Procedure, Processor, Uuid, VendorId,
};

/// What a manifest says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// Who made the devices that it is for; empty when it does not say.
    pub vendor_id: String,
    /// Which devices it is for; empty when it does not say.
    pub class_id: String,
    /// Where the image is.
    pub uri: String,
    /// The image's SHA-256.
    pub image: [u8; 32],
    /// How many bytes the image has.
    pub image_bytes: u64,
    /// The version, in the author's words.
    pub version: String,
}

/// Says yes to everything, and keeps what it was asked.
#[derive(Default)]
struct Anything {
    vendor_id: RefCell<String>,
    class_id: RefCell<String>,
}

impl Components for Anything {
    fn has(&self, _: &ComponentId) -> bool {
        true
    }

    fn is_of_vendor(&self, _: &ComponentId, vendor: &VendorId) -> bool {
        *self.vendor_id.borrow_mut() = match vendor {
            VendorId::Uuid(uuid) => uuid.to_string(),
            other => format!("{other:?}"),
        };
        true
    }

    fn is_of_class(&self, _: &ComponentId, class: Uuid) -> bool {
        *self.class_id.borrow_mut() = class.to_string();
        true
    }

    fn is_device(&self, _: &ComponentId, _: Uuid) -> bool {
        true
    }

    fn sha256(&mut self, _: &ComponentId) -> Result<Option<[u8; 32]>, ComponentFailed> {
        Ok(None)
    }
}

/// What an authentic manifest says.
///
/// # Errors
/// Why no device of ours could install it.
pub fn describe(authentic: &Authentic) -> Result<Described, String> {
    let mut anything = Anything::default();
    let new = |procedure| {
        Processor::new(authentic.clone(), procedure, None, &anything).map_err(|why| why.to_string())
    };
    new(Procedure::Invocation)?;
    let mut processor = new(Procedure::Update)?;
    let output = processor.run(&mut anything).map_err(|why| why.to_string())?;
    let Output::Fetch { uri, image_size, image_digest, .. } = output else {
        return Err("the manifest does not fetch an image first".into());
    };
    let (Some(image), Some(image_bytes)) = (image_digest, image_size) else {
        return Err("the manifest says neither or only one of the image's digest and size".into());
    };
    let version = version(authentic).unwrap_or_default();
    let (vendor_id, class_id) = (anything.vendor_id.into_inner(), anything.class_id.into_inner());
    Ok(Described { vendor_id, class_id, uri, image, image_bytes, version })
}

/// The first version that the author's words name.
fn version(authentic: &Authentic) -> Option<String> {
    let text = authentic.text().ok()??;
    let mut components = text.0.into_values().flat_map(|words| words.components.into_values());
    components.find_map(|component| component.version)
}
