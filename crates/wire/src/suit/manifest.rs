//! `SUIT_Manifest`.
use super::command::{Budget, Command, Sequence, read_sequence};
use super::components::ComponentId;
use super::digest::Digest;
use super::envelope::SuitRefused;
use super::parameters::uri;
use crate::cbor::{CborRefused, Kind, Reader, byte_string};
use crate::digest::sha256;
use crate::limits::SUIT_COMPONENTS_MAX;
use std::collections::BTreeMap;

/// Labels of the manifest's members.
const VERSION: i64 = 1;
const SEQUENCE_NUMBER: i64 = 2;
const COMMON: i64 = 3;
const REFERENCE_URI: i64 = 4;
const TEXT: i64 = 23;
/// Labels of the members of `suit-common`.
const COMPONENTS: i64 = 2;
const SHARED_SEQUENCE: i64 = 4;

/// The version of the encoding that the draft describes.
const ENCODING_VERSION: u64 = 1;

/// Something that we do not know and that is refused by its name where it would count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unknown {
    /// A member of the manifest.
    Member(i64),
    /// A member of `suit-common`.
    Common(i64),
    /// A command.
    Command(i64),
    /// A parameter.
    Parameter(i64),
}

impl Unknown {
    /// Its name, where a document that we could read gives it one.
    fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::Member(5) => "suit-manifest-component-id",
            Self::Member(6) => "suit-set-version",
            Self::Member(14) => "suit-coswid",
            Self::Member(15) => "suit-dependency-resolution",
            Self::Member(18) => "suit-candidate-verification",
            Self::Common(1) => "suit-dependencies",
            Self::Command(4) => "suit-condition-use-before",
            Self::Command(7) => "suit-condition-dependency-integrity",
            Self::Command(8) => "suit-condition-is-dependency",
            Self::Command(11) => "suit-directive-process-dependency",
            Self::Command(19) => "suit-directive-set-parameters",
            Self::Command(25) => "suit-condition-image-not-match",
            Self::Command(26) => "suit-condition-minimum-battery",
            Self::Command(27) => "suit-condition-update-authorized",
            Self::Command(29) => "suit-directive-wait",
            Self::Command(33) => "suit-directive-unlink",
            Self::Command(34) => "suit-directive-override-multiple",
            Self::Command(35) => "suit-directive-copy-params",
            Self::Parameter(4) => "suit-parameter-use-before",
            Self::Parameter(26) => "suit-parameter-minimum-battery",
            Self::Parameter(27) => "suit-parameter-update-priority",
            Self::Parameter(29) => "suit-parameter-wait-info",
            Self::Parameter(30) => "suit-parameter-component-metadata",
            _ => return None,
        })
    }
}

impl std::fmt::Display for Unknown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (kind, id) = match self {
            Self::Member(id) => ("manifest member", id),
            Self::Common(id) => ("member of suit-common", id),
            Self::Command(id) => ("command", id),
            Self::Parameter(id) => ("parameter", id),
        };
        match self.name() {
            Some(name) => write!(f, "{kind} {id} ({name})"),
            None => write!(f, "{kind} {id}"),
        }
    }
}

/// A command sequence of the manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SequenceName {
    /// `suit-shared-sequence`, which runs before each of the others.
    Shared,
    /// `suit-validate`.
    Validate,
    /// `suit-load`.
    Load,
    /// `suit-invoke`.
    Invoke,
    /// `suit-payload-fetch`.
    PayloadFetch,
    /// `suit-install`.
    Install,
    /// `suit-uninstall`, draft-ietf-suit-trust-domains.
    Uninstall,
}

impl SequenceName {
    fn from_label(label: i64) -> Option<Self> {
        Some(match label {
            7 => Self::Validate,
            8 => Self::Load,
            9 => Self::Invoke,
            16 => Self::PayloadFetch,
            20 => Self::Install,
            24 => Self::Uninstall,
            _ => return None,
        })
    }

    fn is_severable(self) -> bool {
        matches!(self, Self::PayloadFetch | Self::Install)
    }

    /// Its name in the draft.
    pub fn name(self) -> &'static str {
        match self {
            Self::Shared => "suit-shared-sequence",
            Self::Validate => "suit-validate",
            Self::Load => "suit-load",
            Self::Invoke => "suit-invoke",
            Self::PayloadFetch => "suit-payload-fetch",
            Self::Install => "suit-install",
            Self::Uninstall => "suit-uninstall",
        }
    }
}

impl std::fmt::Display for SequenceName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// A severable member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Member<T> {
    /// It is there.
    Here(T),
    /// Only its digest is there: somebody severed it.
    Severed,
}

/// What an author wants of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// `suit-manifest-sequence-number`: never to fall.
    pub sequence_number: u64,
    /// `suit-reference-uri`: where the whole manifest can be found.
    pub reference_uri: Option<String>,
    /// `suit-components`, in the order of their indices.
    pub components: Vec<ComponentId>,
    /// `suit-shared-sequence`.
    pub shared: Sequence,
    /// The other sequences.
    pub sequences: BTreeMap<SequenceName, Member<Sequence>>,
    /// `suit-text` in CBOR, whose digest was checked.
    pub(super) text: Option<Member<Vec<u8>>>,
    /// Members that we do not know, of the manifest and of `suit-common`.
    pub unknown: Vec<Unknown>,
}

impl Manifest {
    /// Reads what was authenticated; `severed` are the members of the envelope.
    pub(super) fn read(bytes: &[u8], severed: &BTreeMap<i64, Vec<u8>>) -> Result<Self, SuitRefused> {
        let mut reading = Reading {
            budget: Budget::new(),
            severed,
            covered: Vec::new(),
            manifest: Self {
                sequence_number: 0,
                reference_uri: None,
                components: Vec::new(),
                shared: Sequence::default(),
                sequences: BTreeMap::new(),
                text: None,
                unknown: Vec::new(),
            },
        };
        reading.members(bytes)?;
        match severed.keys().find(|label| !reading.covered.contains(label)) {
            Some(label) => Err(SuitRefused::NotCovered(*label)),
            None => Ok(reading.manifest),
        }
    }

    /// All commands of a sequence, those inside of others too; of a severed one none.
    pub fn commands(&self, name: SequenceName) -> Vec<&Command> {
        let sequence = match name {
            SequenceName::Shared => Some(&self.shared),
            name => match self.sequences.get(&name) {
                Some(Member::Here(sequence)) => Some(sequence),
                _ => None,
            },
        };
        sequence.map(Sequence::all).unwrap_or_default().into_iter().map(|it| &it.command).collect()
    }
}

/// A manifest that is being read.
struct Reading<'a> {
    budget: Budget,
    /// Members of the envelope.
    severed: &'a BTreeMap<i64, Vec<u8>>,
    /// Those whose digest was checked.
    covered: Vec<i64>,
    manifest: Manifest,
}

impl Reading<'_> {
    fn members(&mut self, bytes: &[u8]) -> Result<(), SuitRefused> {
        let in_manifest = SuitRefused::within("suit-manifest");
        let mut reader = Reader::new(bytes).map_err(in_manifest)?;
        let mut labels = Vec::new();
        for _ in 0..reader.map().map_err(in_manifest)? {
            let label = reader.int().map_err(in_manifest)?;
            labels.push(label);
            match label {
                VERSION => match reader.uint().map_err(in_manifest)? {
                    ENCODING_VERSION => {}
                    version => return Err(SuitRefused::Version(version)),
                },
                SEQUENCE_NUMBER => self.manifest.sequence_number = reader.uint().map_err(in_manifest)?,
                COMMON => self.common(reader.bytes().map_err(in_manifest)?)?,
                REFERENCE_URI => {
                    self.manifest.reference_uri = Some(uri(&mut reader).map_err(in_manifest)?);
                }
                TEXT => self.manifest.text = Some(self.severable(&mut reader, TEXT, "suit-text")?),
                label => self.other(&mut reader, label)?,
            }
        }
        for (label, name) in [
            (VERSION, "suit-manifest-version"),
            (SEQUENCE_NUMBER, "suit-manifest-sequence-number"),
            (COMMON, "suit-common"),
        ] {
            if !labels.contains(&label) {
                return Err(SuitRefused::Missing(name));
            }
        }
        if self.manifest.components.is_empty() {
            return Err(SuitRefused::Missing("suit-components"));
        }
        Ok(())
    }

    /// A command sequence, or what we do not know.
    fn other(&mut self, reader: &mut Reader<'_>, label: i64) -> Result<(), SuitRefused> {
        let Some(name) = SequenceName::from_label(label) else {
            self.manifest.unknown.push(Unknown::Member(label));
            if self.severed.contains_key(&label) {
                self.severable(reader, label, "a severed member")?;
                return Ok(());
            }
            return reader.skip().map_err(SuitRefused::within("suit-manifest"));
        };
        let within = SuitRefused::within(name.name());
        let member = if name.is_severable() {
            self.severable(reader, label, name.name())?
        } else {
            Member::Here(reader.bytes().map_err(within)?.to_vec())
        };
        let member = match member {
            Member::Here(bytes) => {
                Member::Here(read_sequence(&bytes, 0, 1, &mut self.budget).map_err(within)?)
            }
            Member::Severed => Member::Severed,
        };
        self.manifest.sequences.insert(name, member);
        Ok(())
    }

    /// A member, or its digest: then it is looked for in the envelope. The digest is over the byte
    /// string with its head (section "Integrity Check Values").
    fn severable(
        &mut self,
        reader: &mut Reader<'_>,
        label: i64,
        name: &'static str,
    ) -> Result<Member<Vec<u8>>, SuitRefused> {
        let within = SuitRefused::within(name);
        if reader.is(Kind::Bytes) {
            return Ok(Member::Here(reader.bytes().map_err(within)?.to_vec()));
        }
        let digest = Digest::read(reader).map_err(within)?;
        let Some(content) = self.severed.get(&label) else { return Ok(Member::Severed) };
        let expected = digest.sha256().ok_or(SuitRefused::DigestAlgorithm(digest.algorithm))?;
        if sha256(&byte_string(content)) != expected {
            return Err(SuitRefused::SeveredDiffers(name));
        }
        self.covered.push(label);
        Ok(Member::Here(content.clone()))
    }

    fn common(&mut self, bytes: &[u8]) -> Result<(), SuitRefused> {
        let budget = &mut self.budget;
        let mut reader = || {
            let mut reader = Reader::new(bytes)?;
            for _ in 0..reader.map()? {
                match reader.int()? {
                    COMPONENTS => self.manifest.components = read_components(&mut reader)?,
                    SHARED_SEQUENCE => {
                        self.manifest.shared = read_sequence(reader.bytes()?, 0, 1, budget)?;
                    }
                    label => {
                        reader.skip()?;
                        self.manifest.unknown.push(Unknown::Common(label));
                    }
                }
            }
            Ok(())
        };
        reader().map_err(SuitRefused::within("suit-common"))
    }
}

/// Between 1 and a few, each once: an index means one component, and a component has one index.
fn read_components(reader: &mut Reader<'_>) -> Result<Vec<ComponentId>, CborRefused> {
    let at = reader.position();
    let wanted = || CborRefused::Unexpected(at, format!("1 to {SUIT_COMPONENTS_MAX} different components"));
    let count = reader.array()?;
    if !(1..=SUIT_COMPONENTS_MAX as u64).contains(&count) {
        return Err(wanted());
    }
    let mut components = Vec::new();
    for _ in 0..count {
        let component = ComponentId::read(reader)?;
        if components.contains(&component) {
            return Err(wanted());
        }
        components.push(component);
    }
    Ok(components)
}
