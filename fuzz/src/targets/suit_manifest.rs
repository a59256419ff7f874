//! A SUIT manifest that somebody trusted has signed, and its processor: pieces are the manifest and its text.
use crate::pieces::{Pieces, joined};
use crate::sample::WORLD;
use fleet::upgrade::release::manifest::describe;
use std::collections::BTreeMap;
use wire::cose::sign_detached;
use wire::digest::sha256;
use wire::suit::{
    Authentic, ComponentFailed, ComponentId, Components, Envelope, Output, Procedure, Processor, Uuid, VendorId,
};

/// A byte string in CBOR.
fn byte_string(content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).expect("an input is short").to_be_bytes();
    let head = match content.len() {
        0..=23 => vec![0x40 | length[3]],
        24..=0xff => vec![0x58, length[3]],
        0x100..=0xffff => vec![0x59, length[2], length[3]],
        _ => [&[0x5a], length.as_slice()].concat(),
    };
    [head.as_slice(), content].concat()
}

/// The manifest in an envelope, signed; a text stands in it if there is one.
fn envelope(manifest: &[u8], text: &[u8]) -> Vec<u8> {
    // SUIT_Digest: [-16, bytes].
    let digest = [&[0x82, 0x2f][..], &byte_string(&sha256(&byte_string(manifest)))].concat();
    let signature = sign_detached(&digest, &WORLD.author.key).expect("signed");
    let authentication = [&[0x82][..], &byte_string(&digest), &byte_string(&signature)].concat();
    let mut parts = vec![vec![0xd8, 0x6b, 0xa2], vec![2], byte_string(&authentication), vec![3], byte_string(manifest)];
    if !text.is_empty() {
        parts[0][2] = 0xa3;
        parts.extend([vec![0x17], byte_string(text)]);
    }
    parts.concat()
}

pub fn seeds() -> Vec<Vec<u8>> {
    // The manifest is the third member of our envelopes: after the label 3, up to the text or the end.
    let manifest = |envelope: &[u8]| {
        let starts = (0..envelope.len()).rev().filter(|at| envelope[*at..].starts_with(&[0x03, 0x58]));
        let whole = |at: usize| envelope.get(at + 3..at + 3 + usize::from(envelope[at + 2]));
        starts.filter_map(whole).map(|manifest| joined(&[manifest, &[]])).collect::<Vec<_>>()
    };
    super::suit_envelope::seeds().iter().flat_map(|envelope| manifest(envelope)).collect()
}

pub fn run(input: &[u8]) {
    let mut pieces = Pieces(input);
    let (manifest, text) = (pieces.cut(), pieces.cut());
    let Ok(envelope) = Envelope::from_cbor(&envelope(manifest, text)) else { return };
    match envelope.authenticate(&[WORLD.author.key.public()]) {
        Ok(authentic) => process(&authentic),
        Err(why) => drop((why.to_string(), why.reason())),
    }
}

/// Runs every procedure twice: nothing but the manifest decides.
pub fn process(authentic: &Authentic) {
    let _ = (authentic.text(), describe(authentic));
    for procedure in [Procedure::Update, Procedure::Invocation, Procedure::Uninstall] {
        for slot in [0, 1] {
            assert_eq!(log_of(authentic, procedure, slot), log_of(authentic, procedure, slot));
        }
    }
}

/// What was done, a line each.
fn log_of(authentic: &Authentic, procedure: Procedure, slot: u64) -> Vec<String> {
    let mut double = Double { slot, contents: BTreeMap::new() };
    let mut log = Vec::new();
    let mut processor = match Processor::new(authentic.clone(), procedure, Some(1), &double) {
        Ok(processor) => processor,
        Err(why) => return vec![why.to_string()],
    };
    loop {
        assert!(log.len() <= wire::limits::SUIT_STEPS_MAX, "a procedure without an end");
        let output = processor.run(&mut double);
        log.push(format!("{output:?}"));
        match output {
            Ok(Output::Fetch { component, uri, image_digest, .. }) => {
                let digest = image_digest.unwrap_or_else(|| sha256(uri.as_bytes()));
                double.contents.insert(component, digest);
            }
            Ok(Output::Invoke { .. }) => {}
            Ok(Output::Done) => return log,
            Err(why) => {
                let _ = why.to_string();
                return log;
            }
        }
    }
}

/// A device that has every component and can do everything.
struct Double {
    slot: u64,
    contents: BTreeMap<ComponentId, [u8; 32]>,
}

impl Components for Double {
    fn has(&self, _: &ComponentId) -> bool {
        true
    }

    fn is_of_vendor(&self, _: &ComponentId, vendor: &VendorId) -> bool {
        matches!(vendor, VendorId::Uuid(uuid) if *uuid == Uuid::of_vendor("maker.example"))
    }

    fn is_of_class(&self, _: &ComponentId, class: Uuid) -> bool {
        class == Uuid::of_vendor("maker.example").of_class("lamp")
    }

    fn sha256(&mut self, component: &ComponentId) -> Result<Option<[u8; 32]>, ComponentFailed> {
        Ok(self.contents.get(component).copied())
    }

    fn is_device(&self, _: &ComponentId, device: Uuid) -> bool {
        device.0[0] == 0
    }

    fn slot(&self, _: &ComponentId) -> Option<u64> {
        Some(self.slot)
    }

    fn version(&self, _: &ComponentId) -> Option<Vec<i64>> {
        Some(vec![1, 2, 3])
    }

    fn content(&mut self, component: &ComponentId, bytes: usize) -> Result<Option<Vec<u8>>, ComponentFailed> {
        Ok(self.contents.get(component).filter(|content| content.len() == bytes).map(|content| content.to_vec()))
    }

    fn write(&mut self, component: &ComponentId, content: &[u8]) -> Result<(), ComponentFailed> {
        self.contents.insert(component.clone(), sha256(content));
        Ok(())
    }

    fn copy(&mut self, component: &ComponentId, source: &ComponentId) -> Result<(), ComponentFailed> {
        let content = self.contents.get(source).copied().ok_or_else(|| ComponentFailed("there is none".into()))?;
        self.contents.insert(component.clone(), content);
        Ok(())
    }

    fn swap(&mut self, component: &ComponentId, source: &ComponentId) -> Result<(), ComponentFailed> {
        let (one, other) = (self.contents.remove(component), self.contents.remove(source));
        self.contents.extend(one.map(|content| (source.clone(), content)));
        self.contents.extend(other.map(|content| (component.clone(), content)));
        Ok(())
    }
}
