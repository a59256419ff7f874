//! The slots' files.
use super::device::{Content, Device, Slot};
use super::record::{Record, RecordRefused};
use crate::limits::SLOT_FILE_BYTES_MAX;
use crate::shell::Disk;
use io::files::{FileError, FolderLock, create_private_dir, read_limited, remove_leftovers};
use io::pieces;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::{Mutex, OwnedMutexGuard};

/// Images are programs; nobody else's business.
const IMAGE_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// Why the slots cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SlotsError {
    /// A file cannot be read or written. The environment or the operator.
    #[error(transparent)]
    File(#[from] FileError),
    /// The state is not ours. Whoever changed it.
    #[error("{}: {why}", path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: RecordRefused,
    },
    /// The firmware does not belong to the envelope. Whoever lays it.
    #[error("the firmware cannot be laid: {0}")]
    NotItsImage(String),
    /// The work was broken off: the process ends.
    #[error("the work was broken off: {0}")]
    Interrupted(String),
}

/// Lays a firmware into a device's folder, as a factory does: into slot `a`, and confirmed.
///
/// # Errors
/// [`SlotsError`].
pub fn lay(folder: &Path, device: &Device, envelope: &[u8], image: &[u8]) -> Result<(), SlotsError> {
    let content = Content { envelope: Some(envelope.to_vec()), image: Some(wire::digest::sha256(image)) };
    let launch = device.judge(Slot::A, &content).map_err(|why| SlotsError::NotItsImage(why.why))?;
    let slots = Slots::open(folder, Arc::new(crate::shell::LocalDisk))?.0;
    slots.prepare(Slot::A, envelope)?;
    slots.append(Slot::A, 0, image)?;
    let confirmed = Some((Slot::A, launch.sequence_number));
    slots.store(&Record { confirmed, ..Record::default() })
}

/// The folder `slots` of a device, its own as long as this lives.
pub(super) struct Slots {
    path: PathBuf,
    disk: Arc<dyn Disk>,
    turn: Arc<Mutex<()>>,
    _lock: FolderLock,
}

impl Slots {
    /// Opens the folder and reads what was remembered.
    pub(super) fn open(folder: &Path, disk: Arc<dyn Disk>) -> Result<(Self, Record), SlotsError> {
        let path = folder.join("slots");
        create_private_dir(&path)?;
        let path = path.canonicalize().map_err(|source| FileError::Failed { doing: "find", path, source })?;
        let lock = FolderLock::take(&path)?;
        for folder in [path.clone(), path.join("a"), path.join("b")] {
            create_private_dir(&folder)?;
            remove_leftovers(&folder)?;
        }
        let state = path.join("state");
        let record = match optional(read_limited(&state, SLOT_FILE_BYTES_MAX))? {
            None => Record::default(),
            Some(bytes) => Record::from_text(&String::from_utf8_lossy(&bytes))
                .map_err(|why| SlotsError::Record { path: state, why })?,
        };
        Ok((Self { path, disk, turn: Arc::default(), _lock: lock }, record))
    }

    /// Waits for who is at the disk, and keeps others from it.
    pub(super) async fn turn(&self) -> OwnedMutexGuard<()> {
        self.turn.clone().lock_owned().await
    }

    pub(super) fn folder(&self, slot: Slot) -> PathBuf {
        self.path.join(slot.name())
    }

    pub(super) fn image(&self, slot: Slot) -> PathBuf {
        self.folder(slot).join("image")
    }

    fn manifest(&self, slot: Slot) -> PathBuf {
        self.folder(slot).join("manifest.suit")
    }

    /// What a slot holds; what cannot be read is not there.
    pub(super) fn load(&self, slot: Slot) -> Content {
        let envelope = read_limited(&self.manifest(slot), SLOT_FILE_BYTES_MAX).ok();
        let image = self.measure(slot).ok().flatten().map(|(_, digest)| digest);
        Content { envelope, image }
    }

    pub(super) fn store(&self, record: &Record) -> Result<(), SlotsError> {
        Ok(self.disk.write(&self.path.join("state"), record.to_text().as_bytes(), FILE_MODE)?)
    }

    /// Has this envelope in the slot. The image of another one goes first.
    pub(super) fn prepare(&self, slot: Slot, envelope: &[u8]) -> Result<Option<(u64, [u8; 32])>, SlotsError> {
        let old = optional(read_limited(&self.manifest(slot), SLOT_FILE_BYTES_MAX));
        if !old.is_ok_and(|old| old.as_deref() == Some(envelope)) {
            self.discard(slot)?;
            self.disk.write(&self.manifest(slot), envelope, FILE_MODE)?;
        }
        self.measure(slot)
    }

    pub(super) fn append(&self, slot: Slot, offset: u64, bytes: &[u8]) -> Result<(), SlotsError> {
        Ok(self.disk.append(&self.image(slot), offset, bytes, IMAGE_MODE)?)
    }

    pub(super) fn measure(&self, slot: Slot) -> Result<Option<(u64, [u8; 32])>, SlotsError> {
        Ok(pieces::measure(&self.image(slot))?)
    }

    pub(super) fn discard(&self, slot: Slot) -> Result<(), SlotsError> {
        Ok(self.disk.remove(&self.image(slot))?)
    }
}

/// What was read, or nothing if the file is not there.
fn optional(read: Result<Vec<u8>, FileError>) -> Result<Option<Vec<u8>>, FileError> {
    match read {
        Err(why) if why.is_missing() => Ok(None),
        read => read.map(Some),
    }
}
