//! Files that are whole after a crash, private when they should be, and never read without a limit.
//!
//! A file is replaced by writing a temporary one beside it, forcing that to the disk, renaming it
//! over the old one and forcing the folder to the disk: a reader, now or after a power cut, sees
//! the old bytes or the new ones. All calls block.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::random;

/// What names a temporary file: hidden, and this at the end.
const PARTIAL_SUFFIX: &str = ".partial";

/// The file inside a folder that [`FolderLock`] holds.
const LOCK_NAME: &str = ".lock";

/// Something did not work with a file. The environment or the operator is to blame.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// No space, quota used up, or the process's file size limit reached.
    #[error("{}: the disk is full (or a quota or file size limit is reached): {source}; make room, then try again", path.display())]
    DiskFull {
        /// The file that could not be written.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file has more bytes than its reader takes.
    #[error("{} is larger than the {bytes_max} bytes allowed for it", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The reader's limit.
        bytes_max: usize,
    },
    /// Another process works in this folder.
    #[error("the folder {} is in use by {holder}; stop it, or choose another folder", folder.display())]
    InUse {
        /// The locked folder.
        folder: PathBuf,
        /// Who holds it, as far as the lock file says.
        holder: String,
    },
    /// Others can change what must be ours alone.
    #[error("{} may be {allowed} by others (mode {mode:o}); run `{remedy}`", path.display())]
    Exposed {
        /// The file or folder.
        path: PathBuf,
        /// `read` or `written`.
        allowed: &'static str,
        /// Its permission bits.
        mode: u32,
        /// The command that puts it right.
        remedy: String,
    },
    /// Anything else.
    #[error("cannot {doing} {}: {source}", path.display())]
    Failed {
        /// What was tried: a verb.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl FileError {
    /// Whether the file or folder was not there.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Failed { source, .. } if source.kind() == ErrorKind::NotFound)
    }

    /// Whether the disk had no room.
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        matches!(self, Self::DiskFull { .. })
    }
}

/// Whether `error` is one of ENOSPC, EDQUOT and EFBIG.
#[must_use]
pub fn is_disk_full(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge)
}

pub(crate) fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FileError {
    let path = path.to_owned();
    move |source| {
        if is_disk_full(&source) {
            FileError::DiskFull { path, source }
        } else {
            FileError::Failed { doing, path, source }
        }
    }
}

/// Replaces or makes the file at `path`: all of `bytes` or nothing, with exactly `mode`.
///
/// # Errors
/// [`FileError::DiskFull`], in which case the old file stands untouched, and
/// [`FileError::Failed`].
pub fn write_atomic(path: &Path, bytes: &[u8], mode: u32) -> Result<(), FileError> {
    let mut file = PendingFile::create(path, mode)?;
    file.write_all(bytes)?;
    file.commit()
}

/// A file being written that gets its name only when it is whole.
///
/// Dropped before [`PendingFile::commit`] it removes itself; after a crash
/// [`remove_leftovers`] does.
#[derive(Debug)]
pub struct PendingFile {
    file: File,
    partial: PathBuf,
    path: PathBuf,
}

impl PendingFile {
    /// Begins a file that will be called `path` and have exactly `mode`.
    ///
    /// # Errors
    /// [`FileError::DiskFull`], [`FileError::Failed`].
    pub fn create(path: &Path, mode: u32) -> Result<Self, FileError> {
        let partial = partial_path(path)?;
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode & 0o700)
            .open(&partial)
            .map_err(failed("create", path))?;
        let pending = Self { file, partial, path: path.to_owned() };
        // The process's umask has no say in a mode that was asked for.
        let permissions = fs::Permissions::from_mode(mode);
        (pending.file.set_permissions(permissions)).map_err(failed("set the mode of", path))?;
        Ok(pending)
    }

    /// Appends `bytes`.
    ///
    /// # Errors
    /// [`FileError::DiskFull`], [`FileError::Failed`].
    pub fn write_all(&mut self, bytes: &[u8]) -> Result<(), FileError> {
        self.file.write_all(bytes).map_err(failed("write", &self.path))
    }

    /// Forces the bytes to the disk and gives the file its name, over an older one if need be.
    ///
    /// # Errors
    /// [`FileError::DiskFull`], [`FileError::Failed`].
    pub fn commit(self) -> Result<(), FileError> {
        self.sync()?;
        fs::rename(&self.partial, &self.path).map_err(failed("rename into", &self.path))?;
        sync_folder_of(&self.path)
    }

    /// Like [`PendingFile::commit`], but never over an older file: `false` means that one of this
    /// name was there already and stands untouched.
    ///
    /// # Errors
    /// [`FileError::DiskFull`], [`FileError::Failed`].
    pub fn commit_new(self) -> Result<bool, FileError> {
        self.sync()?;
        // A hard link fails where the name is taken; a rename would replace it.
        match fs::hard_link(&self.partial, &self.path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(false),
            linked => linked.map_err(failed("link", &self.path))?,
        }
        sync_folder_of(&self.path)?;
        Ok(true)
    }

    fn sync(&self) -> Result<(), FileError> {
        // Some file systems find out only here that there is no room.
        self.file.sync_all().map_err(failed("force to the disk", &self.path))
    }
}

impl Drop for PendingFile {
    fn drop(&mut self) {
        // Renamed away already, or the next start removes it.
        let _ = fs::remove_file(&self.partial);
    }
}

/// Makes the folder `path`, and missing ones above it, with mode 0700, durably.
///
/// A folder that stands already keeps its mode.
///
/// # Errors
/// [`FileError::Exposed`] if it stands already and group or others may write to it,
/// [`FileError::DiskFull`], [`FileError::Failed`].
pub fn create_private_dir(path: &Path) -> Result<(), FileError> {
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => sync_folder_of(path),
        Err(error) if error.kind() == ErrorKind::NotFound && path.parent().is_some() => {
            create_private_dir(&folder_of(path))?;
            create_private_dir(path)
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => check_private_dir(path),
        Err(error) => Err(failed("create the folder", path)(error)),
    }
}

fn check_private_dir(path: &Path) -> Result<(), FileError> {
    let found = fs::metadata(path).map_err(failed("look at", path))?;
    if !found.is_dir() {
        let error = io::Error::from(ErrorKind::NotADirectory);
        return Err(failed("use as a folder", path)(error));
    }
    let mode = found.mode() & 0o7777;
    if mode & 0o022 == 0 {
        return Ok(());
    }
    Err(FileError::Exposed {
        path: path.to_owned(),
        allowed: "written",
        mode,
        remedy: format!("chmod go-w {}", path.display()),
    })
}

/// The bytes of the file at `path`, at most `bytes_max` of them.
///
/// # Errors
/// [`FileError::TooLarge`], [`FileError::Failed`] (see [`FileError::is_missing`]).
pub fn read_limited(path: &Path, bytes_max: usize) -> Result<Vec<u8>, FileError> {
    let file = File::open(path).map_err(failed("open", path))?;
    read_open(&file, path, bytes_max)
}

/// As [`read_limited`], but refuses a file that group or others may read: a key, a token.
///
/// # Errors
/// [`FileError::Exposed`], [`FileError::TooLarge`], [`FileError::Failed`].
pub fn read_private(path: &Path, bytes_max: usize) -> Result<Vec<u8>, FileError> {
    let file = File::open(path).map_err(failed("open", path))?;
    let found = file.metadata().map_err(failed("look at", path))?;
    let mode = found.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(FileError::Exposed {
            path: path.to_owned(),
            allowed: "read",
            mode,
            remedy: format!("chmod 600 {}", path.display()),
        });
    }
    read_open(&file, path, bytes_max)
}

fn read_open(file: &File, path: &Path, bytes_max: usize) -> Result<Vec<u8>, FileError> {
    let mut bytes = Vec::new();
    file.take(bytes_max as u64 + 1).read_to_end(&mut bytes).map_err(failed("read", path))?;
    if bytes.len() > bytes_max {
        return Err(FileError::TooLarge { path: path.to_owned(), bytes_max });
    }
    Ok(bytes)
}

/// Removes a file, or a folder with all it holds, so that it stays removed after a power cut.
/// Nothing there is no error. Symbolic links are removed, not followed.
///
/// # Errors
/// [`FileError::Failed`].
pub fn remove_durably(path: &Path) -> Result<(), FileError> {
    let removed = match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed("remove", path)(error)),
        Ok(()) => sync_folder_of(path),
    }
}

impl Write for PendingFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Whether `path` is an unfinished [`PendingFile`]: of a living writer, or left by a crash.
pub fn is_leftover(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with('.') && name.ends_with(PARTIAL_SUFFIX)
}

/// Removes what a crash left of unfinished [`PendingFile`]s in `folder`, and says how many.
///
/// Call it only while holding the [`FolderLock`]: it cannot tell a living writer's file.
///
/// # Errors
/// [`FileError::Failed`].
pub fn remove_leftovers(folder: &Path) -> Result<usize, FileError> {
    let mut removed = 0;
    for entry in fs::read_dir(folder).map_err(failed("list", folder))? {
        let entry = entry.map_err(failed("list", folder))?;
        if is_leftover(&entry.path()) {
            fs::remove_file(entry.path()).map_err(failed("remove", &entry.path()))?;
            removed += 1;
        }
    }
    Ok(removed)
}

/// The sole right to work in a data folder, until dropped or the process ends, however it ends.
#[derive(Debug)]
pub struct FolderLock {
    file: File,
}

impl FolderLock {
    /// Takes the lock of `folder`, which must be there. Waits for nobody.
    ///
    /// # Errors
    /// [`FileError::InUse`] if another process (or this one, elsewhere) holds it,
    /// [`FileError::Failed`].
    pub fn take(folder: &Path) -> Result<Self, FileError> {
        let path = folder.join(LOCK_NAME);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(failed("open", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(FileError::InUse { folder: folder.to_owned(), holder: holder(&file) });
            }
            Err(TryLockError::Error(error)) => return Err(failed("lock", &path)(error)),
        }
        // Only a help for whoever comes second: a full disk must not keep the folder shut.
        let _ = file.set_len(0);
        let _ = write!(file, "{}", std::process::id());
        Ok(Self { file })
    }
}

impl Drop for FolderLock {
    fn drop(&mut self) {
        // Closing alone would leave the lock with a child that was forked and has not yet begun its
        // own program. If this fails, closing does it a little later.
        let _ = self.file.unlock();
    }
}

fn holder(file: &File) -> String {
    let mut text = String::new();
    let read = file.take(20).read_to_string(&mut text);
    match (read, text.trim().parse::<u32>()) {
        (Ok(_), Ok(process)) => format!("process {process}"),
        _ => "another process".to_owned(),
    }
}

/// Turns the signal that ends a process at its file size limit (`SIGXFSZ`) into the error that the
/// write returns, so that the limit is met as [`FileError::DiskFull`]. Holds for the process's
/// life. Call it once, early, inside a tokio runtime.
///
/// # Errors
/// What the system said when it did not take the handler.
pub fn survive_file_size_limit() -> io::Result<()> {
    let signal = rustix::process::Signal::XFSZ.as_raw();
    // tokio keeps its handler for ever, also when the listener is dropped.
    tokio::signal::unix::signal(tokio::signal::unix::SignalKind::from_raw(signal)).map(drop)
}

fn partial_path(path: &Path) -> Result<PathBuf, FileError> {
    let name =
        path.file_name().ok_or_else(|| failed("write", path)(io::Error::from(ErrorKind::InvalidInput)))?;
    let tag = u64::from_ne_bytes(random::fill());
    let mut partial = OsString::from(".");
    partial.push(name);
    partial.push(format!(".{tag:016x}{PARTIAL_SUFFIX}"));
    Ok(folder_of(path).join(partial))
}

fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

pub(crate) fn sync_folder_of(path: &Path) -> Result<(), FileError> {
    let folder = folder_of(path);
    File::open(&folder)
        .and_then(|opened| opened.sync_all())
        .map_err(failed("force to the disk the folder", &folder))
}
