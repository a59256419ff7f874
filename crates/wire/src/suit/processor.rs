//! The manifest processor: the abstract machine of draft-ietf-suit-manifest-37 section "Manifest
//! Processor Behavior", in strict order.
use super::command::{Command, Condition, Directive, Index, Sequence};
use super::components::{ComponentFailed, ComponentId, Components};
use super::envelope::{Authentic, Reason};
use super::manifest::{Manifest, Member, SequenceName, Unknown};
use super::parameters::Parameters;
use crate::limits::SUIT_STEPS_MAX;
use std::collections::{BTreeMap, VecDeque};

/// What is to be achieved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Procedure {
    /// Payload fetch, installation, validation.
    Update,
    /// Validation, loading, invocation.
    Invocation,
    /// Removal.
    Uninstall,
}

impl Procedure {
    fn sequences(self) -> &'static [SequenceName] {
        match self {
            Self::Update => &[SequenceName::PayloadFetch, SequenceName::Install, SequenceName::Validate],
            Self::Invocation => &[SequenceName::Validate, SequenceName::Load, SequenceName::Invoke],
            Self::Uninstall => &[SequenceName::Uninstall],
        }
    }
}

/// What the caller is to do. If it succeeds, [`Processor::run`] goes on; if not,
/// [`Processor::failed`] says how the procedure failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Store what is at `uri` in `component`.
    Fetch {
        /// Where to.
        component: ComponentId,
        /// Where from.
        uri: String,
        /// How many bytes it must have.
        image_size: Option<u64>,
        /// What it must be.
        image_digest: Option<[u8; 32]>,
    },
    /// Transfer execution to `component`.
    Invoke {
        /// What is executed.
        component: ComponentId,
        /// Arguments as the device understands them.
        arguments: Option<Vec<u8>>,
    },
    /// The procedure succeeded.
    Done,
}

/// Where a command stands, as a SUIT_Record says it (draft-ietf-suit-report).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The outermost sequence.
    pub section: SequenceName,
    /// Bytes from its start.
    pub offset: usize,
    /// The index of the component that the command was for.
    pub component: usize,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at byte {}, component {}", self.section, self.offset, self.component)
    }
}

/// One step of work; the last of the list is the next.
#[derive(Debug)]
enum Task {
    /// The commands of a sequence from `at` on.
    Sequence { sequence: Sequence, at: usize, index: Vec<usize>, soft_failure: bool, inside: Inside },
    /// The command at `at` for these components.
    Each { sequence: Sequence, at: usize, components: VecDeque<usize> },
    /// The sequences of a try-each from `next` on; the [`Task::Sequence`] of the one before stood above.
    Try { sequences: Vec<Sequence>, next: usize, component: usize, unmet: Unmet },
}

/// What a sequence is part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Inside {
    Manifest,
    TryEach,
    RunSequence,
}

/// A condition that is not met.
#[derive(Clone, Debug)]
struct Unmet {
    place: Place,
    command: String,
    why: String,
}

/// A procedure of a manifest on its way.
#[derive(Debug)]
pub struct Processor {
    manifest: Manifest,
    payloads: BTreeMap<String, Vec<u8>>,
    parameters: Vec<Parameters>,
    /// Sections that are still to run.
    sections: VecDeque<SequenceName>,
    tasks: Vec<Task>,
    steps: usize,
    place: Place,
    command: String,
}

impl Processor {
    /// Judges a manifest for a device that has confirmed sequence numbers up to `current`, and whether all that
    /// `procedure` needs is known here. Nothing is touched yet. To invoke what lies there, no number is compared:
    /// an older manifest may be selected when the latest one fails (section "Manifest Processor Setup").
    ///
    /// # Errors
    /// [`ProcessFailed`]: the author is to blame, or whoever offered it to this device.
    pub fn new(
        authentic: Authentic,
        procedure: Procedure,
        current: Option<u64>,
        components: &dyn Components,
    ) -> Result<Self, ProcessFailed> {
        let Authentic { manifest, payloads, .. } = authentic;
        let offered = manifest.sequence_number;
        // Section "suit-manifest-sequence-number": each recipient must reject a lower one.
        if let Some(current) = current.filter(|current| offered < *current) {
            return Err(ProcessFailed::LowerSequenceNumber { offered, current });
        }
        check(&manifest, procedure, components)?;
        let present = procedure.sequences().iter().filter(|name| manifest.sequences.contains_key(name));
        Ok(Self {
            parameters: vec![Parameters::default(); manifest.components.len()],
            sections: present.flat_map(|name| [SequenceName::Shared, *name]).collect(),
            tasks: Vec::new(),
            steps: 0,
            place: Place { section: SequenceName::Shared, offset: 0, component: 0 },
            command: String::new(),
            manifest,
            payloads,
        })
    }

    /// Goes on until the caller is to do something.
    ///
    /// # Errors
    /// [`ProcessFailed`]: the procedure has failed and cannot go on.
    pub fn run(&mut self, components: &mut dyn Components) -> Result<Output, ProcessFailed> {
        loop {
            match self.tasks.pop() {
                None => match self.sections.pop_front() {
                    Some(section) => self.begin(section),
                    None => return Ok(Output::Done),
                },
                Some(Task::Sequence { sequence, at, index, soft_failure, inside }) => {
                    self.next_command(sequence, at, index, soft_failure, inside);
                }
                Some(Task::Each { sequence, at, components: mut left }) => {
                    let Some(component) = left.pop_front() else { continue };
                    self.tasks.push(Task::Each { sequence: sequence.clone(), at, components: left });
                    if let Some(output) = self.execute(&sequence, at, component, components)? {
                        return Ok(output);
                    }
                }
                Some(Task::Try { sequences, next, component, unmet }) => {
                    self.try_next(sequences, next, component, unmet)?;
                }
            }
        }
    }

    /// What the caller was to do has failed, and with it the procedure.
    pub fn failed(self, why: impl Into<String>) -> ProcessFailed {
        ProcessFailed::Directive { place: self.place, command: self.command, why: why.into() }
    }

    fn begin(&mut self, section: SequenceName) {
        let sequence = match section {
            SequenceName::Shared => self.manifest.shared.clone(),
            name => match self.manifest.sequences.get(&name) {
                Some(Member::Here(sequence)) => sequence.clone(),
                _ => return,
            },
        };
        self.place.section = section;
        self.push_sequence(sequence, vec![0], false, Inside::Manifest);
    }

    fn push_sequence(&mut self, sequence: Sequence, index: Vec<usize>, soft_failure: bool, inside: Inside) {
        self.tasks.push(Task::Sequence { sequence, at: 0, index, soft_failure, inside });
    }

    fn next_command(
        &mut self,
        sequence: Sequence,
        at: usize,
        mut index: Vec<usize>,
        soft_failure: bool,
        inside: Inside,
    ) {
        let Some(located) = sequence.commands().get(at) else {
            if inside == Inside::TryEach {
                // One has succeeded: the others are not tried.
                self.tasks.pop();
            }
            return;
        };
        let mut each = None;
        match &located.command {
            Command::SetComponentIndex(Index::All) => index = (0..self.parameters.len()).collect(),
            Command::SetComponentIndex(Index::These(these)) => {
                index = these.iter().filter_map(|it| usize::try_from(*it).ok()).collect();
            }
            _ => each = Some(Task::Each { sequence: sequence.clone(), at, components: index.clone().into() }),
        }
        self.tasks.push(Task::Sequence { sequence, at: at + 1, index, soft_failure, inside });
        self.tasks.extend(each);
    }

    /// Section "suit-directive-try-each": soft-failure is true at the beginning of each sequence.
    fn try_next(
        &mut self,
        sequences: Vec<Sequence>,
        next: usize,
        component: usize,
        unmet: Unmet,
    ) -> Result<(), ProcessFailed> {
        let Some(sequence) = sequences.get(next).cloned() else { return self.unmet(unmet) };
        self.tasks.push(Task::Try { sequences, next: next + 1, component, unmet });
        self.push_sequence(sequence, vec![component], true, Inside::TryEach);
        Ok(())
    }

    fn execute(
        &mut self,
        sequence: &Sequence,
        at: usize,
        component: usize,
        components: &mut dyn Components,
    ) -> Result<Option<Output>, ProcessFailed> {
        let Some(located) = sequence.commands().get(at) else { return Ok(None) };
        self.steps += 1;
        if self.steps > SUIT_STEPS_MAX {
            return Err(ProcessFailed::TooManySteps);
        }
        self.place = Place { section: self.place.section, offset: located.offset, component };
        self.command = located.command.name();
        match &located.command {
            Command::Check(condition) => {
                if let Err(why) = self.check(*condition, component, components) {
                    self.unmet(self.unmet_here(why))?;
                }
            }
            Command::Do(directive) => return self.perform(*directive, component, components),
            Command::OverrideParameters(parameters) => self.override_parameters(component, parameters)?,
            Command::TryEach(sequences) => {
                let unmet = self.unmet_here("there is no sequence to try".into());
                self.tasks.push(Task::Try { sequences: sequences.clone(), next: 0, component, unmet });
            }
            Command::RunSequence(sequence) => {
                self.push_sequence(sequence.clone(), vec![component], false, Inside::RunSequence);
            }
            // The index was set before, and unknown commands were refused before anything ran.
            Command::SetComponentIndex(_) => {}
            Command::Unknown(unknown) => return Err(ProcessFailed::Unknown(*unknown)),
        }
        Ok(None)
    }

    fn unmet_here(&self, why: String) -> Unmet {
        Unmet { place: self.place, command: self.command.clone(), why }
    }

    /// A condition is not met: the sequences that contain it end, up to one that allows it.
    ///
    /// Section "suit-parameter-soft-failure": a soft failure in a run-sequence ends it, one in a
    /// try-each goes on with the next sequence; else the directive fails as the condition did.
    fn unmet(&mut self, unmet: Unmet) -> Result<(), ProcessFailed> {
        while let Some(task) = self.tasks.pop() {
            match task {
                Task::Sequence { soft_failure: true, inside: Inside::RunSequence, .. } => return Ok(()),
                Task::Sequence { soft_failure: true, inside: Inside::TryEach, .. } => {
                    if let Some(Task::Try { unmet: last, .. }) = self.tasks.last_mut() {
                        *last = unmet;
                    }
                    return Ok(());
                }
                _ => {}
            }
        }
        let Unmet { place, command, why } = unmet;
        Err(ProcessFailed::Condition { place, command, why })
    }

    fn override_parameters(&mut self, component: usize, new: &Parameters) -> Result<(), ProcessFailed> {
        if let Some(soft) = new.soft_failure {
            // It is scoped to the enclosing sequence, and must not be set outside of the two directives.
            let enclosing = self.tasks.iter_mut().rev().find(|task| matches!(task, Task::Sequence { .. }));
            match enclosing {
                Some(Task::Sequence { soft_failure, inside, .. }) if *inside != Inside::Manifest => {
                    *soft_failure = soft;
                }
                _ => return Err(self.directive_failed("suit-parameter-soft-failure may not be set here")),
            }
        }
        if let Some(parameters) = self.parameters.get_mut(component) {
            parameters.override_with(new);
        }
        Ok(())
    }

    /// Whether a condition is met, or why not. A parameter that is not set is a failure.
    fn check(
        &self,
        condition: Condition,
        component: usize,
        components: &mut dyn Components,
    ) -> Result<(), String> {
        let (id, set) = (&self.manifest.components[component], &self.parameters[component]);
        let met = match condition {
            Condition::VendorIdentifier => {
                components.is_of_vendor(id, needed(&set.vendor_id, "suit-parameter-vendor-identifier")?)
            }
            Condition::ClassIdentifier => {
                components.is_of_class(id, *needed(&set.class_id, "suit-parameter-class-identifier")?)
            }
            Condition::DeviceIdentifier => {
                components.is_device(id, *needed(&set.device_id, "suit-parameter-device-identifier")?)
            }
            Condition::ImageMatch => {
                let wanted = needed(&set.image_digest, "suit-parameter-image-digest")?;
                let found = components.sha256(id).map_err(|why| why.to_string())?;
                found.is_some() && found == wanted.sha256()
            }
            Condition::ComponentSlot => {
                let wanted = needed(&set.component_slot, "suit-parameter-component-slot")?;
                components.slot(id) == Some(*wanted)
            }
            Condition::CheckContent => {
                let wanted = needed(&set.content, "suit-parameter-content")?;
                let found = components.content(id, wanted.len()).map_err(|why| why.to_string())?;
                found.is_some_and(|found| same(&found, wanted))
            }
            Condition::Version => {
                let wanted = needed(&set.version, "suit-parameter-version")?;
                components.version(id).is_some_and(|found| wanted.admits(&found))
            }
            Condition::Abort => false,
        };
        if met { Ok(()) } else { Err("it is not so on this device".into()) }
    }

    fn perform(
        &mut self,
        directive: Directive,
        component: usize,
        components: &mut dyn Components,
    ) -> Result<Option<Output>, ProcessFailed> {
        let id = self.manifest.components[component].clone();
        let set = self.parameters[component].clone();
        if set.component_slot.is_some_and(|slot| components.slot(&id) != Some(slot)) {
            return Err(self.directive_failed("suit-parameter-component-slot names another slot than this"));
        }
        let done = match directive {
            Directive::Fetch => return self.fetch(id, &set, components),
            Directive::Invoke => {
                return Ok(Some(Output::Invoke { component: id, arguments: set.invoke_args }));
            }
            Directive::Write => needed(&set.content, "suit-parameter-content")
                .and_then(|content| components.write(&id, content).map_err(|why| why.to_string())),
            Directive::Copy => self
                .source(&set)
                .and_then(|source| components.copy(&id, &source).map_err(|why| why.to_string())),
            Directive::Swap => self
                .source(&set)
                .and_then(|source| components.swap(&id, &source).map_err(|why| why.to_string())),
        };
        done.map(|()| None).map_err(|why| self.directive_failed(&why))
    }

    fn source(&self, set: &Parameters) -> Result<ComponentId, String> {
        let source = *needed(&set.source_component, "suit-parameter-source-component")?;
        let found = usize::try_from(source).ok().and_then(|at| self.manifest.components.get(at));
        found.cloned().ok_or_else(|| format!("there is no component {source}"))
    }

    /// A payload of the envelope is written; what the component holds already is not fetched again
    /// (section "suit-directive-fetch"); the rest is for the caller.
    fn fetch(
        &mut self,
        component: ComponentId,
        set: &Parameters,
        components: &mut dyn Components,
    ) -> Result<Option<Output>, ProcessFailed> {
        let uri = needed(&set.uri, "suit-parameter-uri").map_err(|why| self.directive_failed(&why))?;
        let failed = |why: ComponentFailed| self.directive_failed(&why.0);
        if let Some(payload) = self.payloads.get(uri) {
            return components.write(&component, payload).map(|()| None).map_err(failed);
        }
        if uri.starts_with('#') {
            return Err(self.directive_failed("the payload is not in the envelope"));
        }
        let image_digest = set.image_digest.as_ref().and_then(|digest| digest.sha256());
        if image_digest.is_some() && components.sha256(&component).map_err(failed)? == image_digest {
            return Ok(None);
        }
        Ok(Some(Output::Fetch { component, uri: uri.clone(), image_size: set.image_size, image_digest }))
    }

    fn directive_failed(&self, why: &str) -> ProcessFailed {
        ProcessFailed::Directive { place: self.place, command: self.command.clone(), why: why.into() }
    }
}

/// A parameter that must be set.
fn needed<'a, T>(parameter: &'a Option<T>, name: &str) -> Result<&'a T, String> {
    parameter.as_ref().ok_or_else(|| format!("{name} is not set"))
}

/// Section "suit-condition-check-content": in constant time.
fn same(found: &[u8], wanted: &[u8]) -> bool {
    found.len() == wanted.len() && found.iter().zip(wanted).fold(0, |sum, (a, b)| sum | (a ^ b)) == 0
}

/// Whether all of a procedure is known and fits the device, before anything is touched.
fn check(
    manifest: &Manifest,
    procedure: Procedure,
    components: &dyn Components,
) -> Result<(), ProcessFailed> {
    if let Some(unknown) = manifest.unknown.first() {
        return Err(ProcessFailed::Unknown(*unknown));
    }
    let present = procedure.sequences().iter().copied().filter(|name| manifest.sequences.contains_key(name));
    for name in [SequenceName::Shared].into_iter().chain(present) {
        if manifest.sequences.get(&name) == Some(&Member::Severed) {
            return Err(ProcessFailed::Severed(name));
        }
        let commands = manifest.commands(name);
        commands.iter().try_for_each(|command| check_command(command, name, manifest))?;
        // Section "Required Checks": with several components, each sequence begins so.
        let begins = matches!(commands.first(), None | Some(Command::SetComponentIndex(_)));
        if manifest.components.len() > 1 && !begins {
            return Err(ProcessFailed::NoComponentIndex(name));
        }
    }
    // Section "Required Checks", as a MUST: on every way through, so that none leads past them.
    for condition in [Condition::VendorIdentifier, Condition::ClassIdentifier] {
        if !manifest.shared.requires(condition) {
            return Err(ProcessFailed::NoCheck(condition.name()));
        }
    }
    match manifest.components.iter().find(|component| !components.has(component)) {
        Some(component) => Err(ProcessFailed::NoSuchComponent(component.clone())),
        None => Ok(()),
    }
}

fn check_command(command: &Command, section: SequenceName, manifest: &Manifest) -> Result<(), ProcessFailed> {
    let exists = |index: u64| index < manifest.components.len() as u64;
    match command {
        Command::Unknown(unknown) => Err(ProcessFailed::Unknown(*unknown)),
        // It runs before each of the others, so it must not do anything.
        Command::Do(directive) if section == SequenceName::Shared => {
            Err(ProcessFailed::DirectiveInShared(directive.name()))
        }
        Command::SetComponentIndex(Index::These(these)) if !these.iter().all(|it| exists(*it)) => {
            Err(ProcessFailed::NoSuchIndex(section))
        }
        Command::OverrideParameters(parameters) => check_parameters(parameters),
        _ => Ok(()),
    }
}

fn check_parameters(parameters: &Parameters) -> Result<(), ProcessFailed> {
    if let Some(unknown) = parameters.unknown.first() {
        return Err(ProcessFailed::Unknown(*unknown));
    }
    if parameters.strict_order == Some(false) {
        return Err(ProcessFailed::NoStrictOrder);
    }
    match &parameters.image_digest {
        Some(digest) if digest.sha256().is_none() => Err(ProcessFailed::DigestAlgorithm(digest.algorithm)),
        _ => Ok(()),
    }
}

/// Why a procedure failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProcessFailed {
    /// An older manifest than one that was confirmed. Whoever offered it is to blame.
    #[error(
        "the manifest's sequence number {offered} is lower than {current}, the highest that this device has \
         confirmed"
    )]
    LowerSequenceNumber {
        /// The manifest's.
        offered: u64,
        /// The highest that the device has confirmed.
        current: u64,
    },
    /// Something that this device does not know. The author is to blame.
    #[error("{0} is not supported by this device")]
    Unknown(Unknown),
    /// An image digest that we cannot compute. The author is to blame.
    #[error("the digest algorithm {0} is not supported by this device; SHA-256 (-16) is")]
    DigestAlgorithm(i64),
    /// Commands in any order. The author is to blame.
    #[error("suit-parameter-strict-order false is not supported by this device")]
    NoStrictOrder,
    /// The procedure needs a sequence that was severed. Whoever offered the envelope is to blame.
    #[error("{0} was severed and is not in the envelope")]
    Severed(SequenceName),
    /// The shared sequence would do something. The author is to blame.
    #[error("{0} stands in the shared sequence, which only checks and sets")]
    DirectiveInShared(&'static str),
    /// The manifest does not say what devices it is for. The author is to blame.
    #[error("the shared sequence can be passed without {0}")]
    NoCheck(&'static str),
    /// A manifest of several components that does not say which it means. The author is to blame.
    #[error("{0} does not begin with suit-directive-set-component-index")]
    NoComponentIndex(SequenceName),
    /// A component index beyond the list. The author is to blame.
    #[error("{0} sets a component index that is not in suit-components")]
    NoSuchIndex(SequenceName),
    /// The manifest is for another kind of device. Whoever offered it is to blame.
    #[error("this device has no component {0}")]
    NoSuchComponent(ComponentId),
    /// A condition is not met: the manifest is not for this device, or a payload is not the right one.
    #[error("{command} failed in {place}: {why}")]
    Condition {
        /// Where.
        place: Place,
        /// The condition's name.
        command: String,
        /// Why.
        why: String,
    },
    /// A directive failed: the device, the network, or an author who did not set its parameters.
    #[error("{command} failed in {place}: {why}")]
    Directive {
        /// Where.
        place: Place,
        /// The directive's name.
        command: String,
        /// Why.
        why: String,
    },
    /// Loops over loops. The author is to blame.
    #[error("the procedure takes more than {SUIT_STEPS_MAX} steps")]
    TooManySteps,
}

impl ProcessFailed {
    /// The reason for a report.
    pub fn reason(&self) -> Reason {
        match self {
            Self::LowerSequenceNumber { .. } | Self::Condition { .. } => Reason::ConditionFailed,
            Self::Unknown(Unknown::Parameter(_)) | Self::NoStrictOrder => Reason::ParameterUnsupported,
            Self::Unknown(_)
            | Self::Severed(_)
            | Self::DirectiveInShared(_)
            | Self::NoCheck(_)
            | Self::NoComponentIndex(_)
            | Self::TooManySteps => Reason::CommandUnsupported,
            Self::DigestAlgorithm(_) => Reason::AlgUnsupported,
            Self::NoSuchComponent(_) | Self::NoSuchIndex(_) => Reason::ComponentUnsupported,
            Self::Directive { .. } => Reason::OperationFailed,
        }
    }

    /// Where it failed, if it ran at all.
    pub fn place(&self) -> Option<Place> {
        match self {
            Self::Condition { place, .. } | Self::Directive { place, .. } => Some(*place),
            _ => None,
        }
    }
}
