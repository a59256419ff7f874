//! `suit-text`: words for people. A device needs none of them.
use super::components::ComponentId;
use crate::cbor::{CborRefused, Kind, Reader, Written, write};
use minicbor::Encoder;
use std::collections::BTreeMap;

/// The words, by language tag.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text(pub BTreeMap<String, LanguageText>);

/// The words in one language.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LanguageText {
    /// `suit-text-manifest-description`.
    pub manifest_description: Option<String>,
    /// `suit-text-update-description`.
    pub update_description: Option<String>,
    /// Of the components.
    pub components: BTreeMap<ComponentId, ComponentText>,
}

/// The words about one component.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ComponentText {
    /// `suit-text-vendor-name`.
    pub vendor_name: Option<String>,
    /// `suit-text-model-name`.
    pub model_name: Option<String>,
    /// `suit-text-vendor-domain`: what the vendor ID was made of.
    pub vendor_domain: Option<String>,
    /// `suit-text-model-info`: what the class ID was made of.
    pub model_info: Option<String>,
    /// `suit-text-component-description`.
    pub description: Option<String>,
    /// `suit-text-component-version`.
    pub version: Option<String>,
}

/// Pairs of a map that are there, in the order of their labels.
fn write_pairs(out: &mut Encoder<&mut Vec<u8>>, pairs: &[(u64, &Option<String>)]) -> Written {
    for (label, text) in pairs {
        if let Some(text) = text {
            out.u64(*label)?.str(text)?;
        }
    }
    Ok(())
}

fn count(pairs: &[(u64, &Option<String>)]) -> u64 {
    pairs.iter().filter(|(_, text)| text.is_some()).count() as u64
}

impl ComponentText {
    fn pairs(&self) -> [(u64, &Option<String>); 6] {
        [
            (1, &self.vendor_name),
            (2, &self.model_name),
            (3, &self.vendor_domain),
            (4, &self.model_info),
            (5, &self.description),
            (6, &self.version),
        ]
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, CborRefused> {
        let mut it = Self::default();
        for _ in 0..reader.map()? {
            let place = match reader.int()? {
                1 => &mut it.vendor_name,
                2 => &mut it.model_name,
                3 => &mut it.vendor_domain,
                4 => &mut it.model_info,
                5 => &mut it.description,
                6 => &mut it.version,
                _ => {
                    reader.skip()?;
                    continue;
                }
            };
            *place = Some(reader.text()?.to_owned());
        }
        Ok(it)
    }
}

impl LanguageText {
    fn pairs(&self) -> [(u64, &Option<String>); 2] {
        [(1, &self.manifest_description), (2, &self.update_description)]
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, CborRefused> {
        let mut it = Self::default();
        for _ in 0..reader.map()? {
            if reader.is(Kind::Array) {
                let component = ComponentId::read(reader)?;
                it.components.insert(component, ComponentText::read(reader)?);
                continue;
            }
            match reader.int()? {
                1 => it.manifest_description = Some(reader.text()?.to_owned()),
                2 => it.update_description = Some(reader.text()?.to_owned()),
                // The sources in JSON and YAML, and what others add.
                _ => reader.skip()?,
            }
        }
        Ok(it)
    }

    fn write(&self, out: &mut Encoder<&mut Vec<u8>>) -> Written {
        out.map(count(&self.pairs()) + self.components.len() as u64)?;
        write_pairs(out, &self.pairs())?;
        let key = |id: &ComponentId| write(|out| id.write(out));
        let mut components: Vec<_> = self.components.iter().collect();
        components.sort_by_key(|(id, _)| key(id));
        for (id, text) in components {
            id.write(out)?;
            out.map(count(&text.pairs()))?;
            write_pairs(out, &text.pairs())?;
        }
        Ok(())
    }
}

impl Text {
    pub(super) fn from_cbor(bytes: &[u8]) -> Result<Self, CborRefused> {
        let mut reader = Reader::new(bytes)?;
        let mut languages = BTreeMap::new();
        for _ in 0..reader.map()? {
            languages.insert(reader.text()?.to_owned(), LanguageText::read(&mut reader)?);
        }
        Ok(Self(languages))
    }

    pub(super) fn to_cbor(&self) -> Vec<u8> {
        let mut languages: Vec<_> = self.0.iter().collect();
        // A shorter key comes first: its length is in the head.
        languages.sort_by_key(|(tag, _)| (tag.len(), tag.as_str()));
        write(|out| {
            out.map(languages.len() as u64)?;
            languages.into_iter().try_for_each(|(tag, text)| {
                out.str(tag)?;
                text.write(out)
            })
        })
    }
}
