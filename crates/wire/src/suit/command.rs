//! `SUIT_Command_Sequence`: what a device is to check and to do.
use super::manifest::Unknown;
use super::parameters::Parameters;
use crate::cbor::{CborRefused, Kind, Reader};
use crate::limits::{SUIT_COMMANDS_MAX, SUIT_COMPONENTS_MAX, SUIT_SEQUENCE_LEVELS_MAX};
use std::sync::Arc;

/// A list of commands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sequence(pub(super) Arc<[Located]>);

impl Sequence {
    /// The commands.
    pub fn commands(&self) -> &[Located] {
        &self.0
    }

    /// This sequence's commands and those in its sequences, in the order of the encoding.
    pub fn all(&self) -> Vec<&Located> {
        let mut all = Vec::new();
        for command in self.commands() {
            all.push(command);
            match &command.command {
                Command::TryEach(sequences) => sequences.iter().for_each(|it| all.extend(it.all())),
                Command::RunSequence(sequence) => all.extend(sequence.all()),
                _ => {}
            }
        }
        all
    }

    /// Whether nobody gets through this sequence without having met `condition`: it stands here, in a sequence that
    /// is run, or in every one that is tried. A try-each with an empty sequence lets everybody through (section
    /// "suit-directive-try-each"), one without any sequence nobody.
    pub(super) fn requires(&self, condition: Condition) -> bool {
        self.commands().iter().any(|it| match &it.command {
            Command::Check(check) => *check == condition,
            Command::TryEach(sequences) => sequences.iter().all(|it| it.requires(condition)),
            Command::RunSequence(sequence) => !sequence.may_be_left() && sequence.requires(condition),
            _ => false,
        })
    }

    /// Whether a condition that is not met may end this sequence alone when it is run (section
    /// "suit-parameter-soft-failure").
    fn may_be_left(&self) -> bool {
        let is_soft = |it: &Located| matches!(&it.command, Command::OverrideParameters(set) if set.soft_failure == Some(true));
        self.commands().iter().any(is_soft)
    }
}

/// A command and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    /// Bytes from the start of the outermost sequence.
    pub offset: usize,
    /// The command.
    pub command: Command,
}

/// A command of draft-ietf-suit-manifest-37 section "SUIT_Command_Sequence".
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Something that must be so.
    Check(Condition),
    /// Something that is done to a component.
    Do(Directive),
    /// `suit-directive-set-component-index`.
    SetComponentIndex(Index),
    /// `suit-directive-override-parameters`.
    OverrideParameters(Box<Parameters>),
    /// `suit-directive-try-each`. An empty sequence always succeeds.
    TryEach(Vec<Sequence>),
    /// `suit-directive-run-sequence`.
    RunSequence(Sequence),
    /// What we do not know.
    Unknown(Unknown),
}

impl Command {
    /// Its name in the registry.
    pub fn name(&self) -> String {
        match self {
            Self::Check(condition) => condition.name().into(),
            Self::Do(directive) => directive.name().into(),
            Self::SetComponentIndex(_) => "suit-directive-set-component-index".into(),
            Self::OverrideParameters(_) => "suit-directive-override-parameters".into(),
            Self::TryEach(_) => "suit-directive-try-each".into(),
            Self::RunSequence(_) => "suit-directive-run-sequence".into(),
            Self::Unknown(unknown) => unknown.to_string(),
        }
    }
}

/// Words without fields, their numbers and names in the registry of SUIT commands.
macro_rules! registered {
    ($(#[$doc:meta])* $name:ident { $($(#[$word_doc:meta])* $word:ident = $id:literal $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$word_doc])* $word,)* }

        impl $name {
            /// Its name in the registry.
            pub fn name(self) -> &'static str {
                match self { $(Self::$word => $text,)* }
            }

            fn from_id(id: i64) -> Option<Self> {
                match id { $($id => Some(Self::$word),)* _ => None }
            }
        }
    };
}

registered! {
    /// A test without side effects.
    Condition {
        /// The component is of the vendor that was set.
        VendorIdentifier = 1 "suit-condition-vendor-identifier",
        /// The component is of the class that was set.
        ClassIdentifier = 2 "suit-condition-class-identifier",
        /// The component's digest is the one that was set.
        ImageMatch = 3 "suit-condition-image-match",
        /// The component's slot is the one that was set.
        ComponentSlot = 5 "suit-condition-component-slot",
        /// The component's content is the one that was set.
        CheckContent = 6 "suit-condition-check-content",
        /// Never so.
        Abort = 14 "suit-condition-abort",
        /// The device is the one that was set.
        DeviceIdentifier = 24 "suit-condition-device-identifier",
        /// The component's version compares as was set (draft-ietf-suit-update-management).
        Version = 28 "suit-condition-version",
    }
}

registered! {
    /// Something that is done to a component.
    Directive {
        /// Write the content that was set.
        Write = 18 "suit-directive-write",
        /// Fetch from the URI that was set.
        Fetch = 21 "suit-directive-fetch",
        /// Copy from the source component that was set.
        Copy = 22 "suit-directive-copy",
        /// Transfer execution.
        Invoke = 23 "suit-directive-invoke",
        /// Exchange with the source component that was set.
        Swap = 31 "suit-directive-swap",
    }
}

/// Which components the commands that follow are for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Index {
    /// All.
    All,
    /// These, in this order.
    These(Vec<u64>),
}

/// What is left of the limits while a manifest is read.
pub(super) struct Budget(usize);

impl Budget {
    pub(super) fn new() -> Self {
        Self(SUIT_COMMANDS_MAX)
    }

    fn take(&mut self, at: usize) -> Result<(), CborRefused> {
        let over = || CborRefused::Unexpected(at, format!("at most {SUIT_COMMANDS_MAX} commands"));
        self.0 = self.0.checked_sub(1).ok_or_else(over)?;
        Ok(())
    }
}

/// Reads a sequence, whose `bytes` begin `base` bytes after the outermost one.
pub(super) fn read_sequence(
    bytes: &[u8],
    base: usize,
    level: usize,
    budget: &mut Budget,
) -> Result<Sequence, CborRefused> {
    if level > SUIT_SEQUENCE_LEVELS_MAX {
        let wanted = format!("at most {SUIT_SEQUENCE_LEVELS_MAX} levels of sequences");
        return Err(CborRefused::Unexpected(base, wanted));
    }
    let mut reader = Reader::new(bytes)?;
    let items = reader.array()?;
    if items % 2 != 0 {
        return Err(CborRefused::Unexpected(base, "each command with its argument".into()));
    }
    let mut commands = Vec::new();
    for _ in 0..items / 2 {
        let offset = base + reader.position();
        budget.take(offset)?;
        commands.push(Located { offset, command: read_command(&mut reader, base, level, budget)? });
    }
    Ok(Sequence(commands.into()))
}

fn read_command(
    reader: &mut Reader<'_>,
    base: usize,
    level: usize,
    budget: &mut Budget,
) -> Result<Command, CborRefused> {
    let id = reader.int()?;
    if let Some(condition) = Condition::from_id(id) {
        return read_policy(reader).map(|()| Command::Check(condition));
    }
    if let Some(directive) = Directive::from_id(id) {
        return read_policy(reader).map(|()| Command::Do(directive));
    }
    let mut nested = |reader: &mut Reader<'_>| {
        let bytes = reader.bytes()?;
        read_sequence(bytes, base + reader.position() - bytes.len(), level + 1, budget)
    };
    Ok(match id {
        12 => Command::SetComponentIndex(read_index(reader)?),
        15 => {
            let sequences = (0..reader.array()?).map(|_| {
                // An empty sequence may be written as nil.
                if reader.is(Kind::Null) {
                    reader.null().map(|()| Sequence::default())
                } else {
                    nested(reader)
                }
            });
            Command::TryEach(sequences.collect::<Result<_, _>>()?)
        }
        20 => Command::OverrideParameters(Box::new(Parameters::read(reader)?)),
        32 => Command::RunSequence(nested(reader)?),
        id => {
            reader.skip()?;
            Command::Unknown(Unknown::Command(id))
        }
    })
}

/// A hint for reports, in four bits. We report every failure and need no hint.
fn read_policy(reader: &mut Reader<'_>) -> Result<(), CborRefused> {
    let at = reader.position();
    match reader.uint()? {
        0..=15 => Ok(()),
        _ => Err(CborRefused::Unexpected(at, "a reporting policy of four bits".into())),
    }
}

fn read_index(reader: &mut Reader<'_>) -> Result<Index, CborRefused> {
    let at = reader.position();
    let wanted = || CborRefused::Unexpected(at, "a component index, a list of them, or true".into());
    if reader.is(Kind::Bool) {
        return if reader.bool()? { Ok(Index::All) } else { Err(wanted()) };
    }
    if !reader.is(Kind::Array) {
        return Ok(Index::These(vec![reader.uint()?]));
    }
    match reader.array()? {
        count if (1..=SUIT_COMPONENTS_MAX as u64).contains(&count) => {
            Ok(Index::These((0..count).map(|_| reader.uint()).collect::<Result<_, _>>()?))
        }
        _ => Err(wanted()),
    }
}
