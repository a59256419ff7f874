//! What a member says is to be done, and what it hears.
use super::memory::Memory;
use crate::machine::Answer;
use wire::control::FirmwareReport;
use wire::digest::sha256;
use wire::json::{JsonRefused, Value, parse_object};
use wire::limits::CONFIGURATION_BYTES_MAX;
use wire::retirement::Wipe;

/// What the configuration's file holds, or why it cannot be read. No file is an empty object.
pub type Document = Result<Vec<u8>, String>;

/// What a device has when it starts.
#[derive(Clone, Debug)]
pub struct Held {
    /// Its configuration.
    pub document: Document,
    /// The one before.
    pub before: Vec<u8>,
    /// What it has to remember.
    pub memory: Memory,
    /// What runs, if anybody keeps a firmware on this device.
    pub firmware: Option<FirmwareReport>,
}

/// What the hub ordered for the firmware.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirmwareOrder {
    /// The order's number.
    pub number: u32,
    /// The envelope of what is to be installed anew; without one, what runs is started anew.
    pub install: Option<Vec<u8>>,
}

/// The one thing to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Close the connection that there may be and open one, with the identity that the device got here.
    /// Answered by [`Input::Connected`] or [`Input::Lost`].
    Connect {
        /// The hub's URL; where the device joined, if nothing is said.
        hub: Option<String>,
    },
    /// Post this report over the open connection. Answered by [`Input::Answered`] or [`Input::Lost`].
    Send(Vec<u8>),
    /// Read the configuration's file now. Answered by [`Input::Looked`].
    Look,
    /// Have a change on the disk, all or nothing. Answered by [`Input::Stored`] or [`Input::Failed`].
    Store(Change),
    /// Have this order on the disk, stop, and leave for good. Nothing answers it.
    Wipe(Wipe),
    /// Do nothing until this moment of the monotonic clock, in milliseconds. Answered by [`Input::Woken`].
    Wait(u64),
}

impl Output {
    /// Whether it may be given up in the middle, for [`Input::Looked`] or [`Input::Woken`].
    pub fn may_be_left(&self) -> bool {
        matches!(self, Self::Connect { .. } | Self::Send(_) | Self::Wait(_))
    }
}

/// What is to be on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The configuration.
    Document(Vec<u8>),
    /// The one before.
    Before(Vec<u8>),
    /// What the device has to remember.
    Memory(Memory),
}

/// How it went. [`Looked`](Self::Looked), [`Woken`](Self::Woken) and [`Firmware`](Self::Firmware) may also come unasked, while something
/// that [may be left](Output::may_be_left) is being done, and are then instead of its outcome: when the
/// file's digest is another than [`Member::digest`](super::Member::digest), when the moment of
/// [`Member::deadline`](super::Member::deadline) has come, and when there is news of the firmware.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// There is a connection.
    Connected,
    /// There is no connection, or it ended without an answer.
    Lost(String),
    /// The hub answered.
    Answered(Answer),
    /// What the configuration's file holds.
    Looked(Document),
    /// What there is to say of the firmware.
    Firmware(FirmwareReport),
    /// The change is on the disk.
    Stored,
    /// The device itself could not do it.
    Failed(String),
    /// Time has passed.
    Woken,
}

impl Input {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Connected => "a connection",
            Self::Lost(_) => "the loss of a connection",
            Self::Answered(_) => "an answer",
            Self::Looked(_) => "a look at the file",
            Self::Firmware(_) => "news of the firmware",
            Self::Stored => "the disk's word",
            Self::Failed(_) => "a failure of the device",
            Self::Woken => "the passing of time",
        }
    }
}

/// What went wrong, and may go better.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// The network, or a hub that refuses us without a word: the LDevID may have ended.
    #[error("the hub cannot be reached: {0}")]
    Lost(String),
    /// The hub does not want this, or cannot do it now.
    #[error("the hub answered {0} to a check-in: {1}")]
    Refused(u16, String),
    /// The hub's answer cannot be read.
    #[error("the hub's answer to a check-in cannot be read: {0}")]
    Unreadable(JsonRefused),
    /// The device's own disk.
    #[error("the device could not do it: {0}")]
    Device(String),
}

/// The digest of a document; nothing for one that cannot be read.
pub(super) fn digest(document: &Document) -> Option<[u8; 32]> {
    document.as_ref().ok().map(|bytes| sha256(bytes))
}

/// Where a device with this configuration checks in, if it says so.
///
/// # Errors
/// Why the configuration cannot be used: who wrote it is to blame.
pub(super) fn hub(document: &[u8]) -> Result<Option<String>, JsonRefused> {
    let object = parse_object(document, CONFIGURATION_BYTES_MAX)?;
    object.optional("hub", "a URL", |hub| Value::as_text(hub).map(str::to_owned))
}
