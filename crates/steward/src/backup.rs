//! `steward backup create` and `steward backup restore`: a hub's folder as one file, and back.
//!
//! The file is a tar archive of the folder: keys, certificates, blobs, and a copy of the database as it was at
//! one moment, which a running hub does not notice. The copy is a SQLite file, also of a PostgreSQL, so that
//! every backup can be restored into either. The database is copied before the blobs, so every blob
//! that it names is there. The last entry, `backup.json`, lists every file with its SHA-256; a file that was
//! cut short has none. Whoever holds it holds the hub's keys.
use crate::failure::{Failure, failed, usage};
use crate::limits::{BACKUP_FILES_MAX, BACKUP_INDEX_BYTES_MAX};
use crate::print::line;
use crate::settings::{READY_FILE, USUAL_FOLDER};
use fleet::audit::view::hex;
use fleet::time::Millis;
use fleet::tx::{Fault, FaultKind};
use hub::folder::RESTORED_FILE;
use io::files::{FileError, PendingFile, create_private_dir, write_atomic};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};
use store::Place;
use tar::{Archive, Builder, EntryType, Header};

/// The archive's own list, its last entry.
const INDEX: &str = "backup.json";
/// The archive's copy of the database, its first entry.
const DATABASE: &str = "state.db";
/// The form of the archive that this program writes and reads.
const FORMAT: u32 = 1;
/// Every hub's folder has it.
const JOURNAL_KEY: &str = "journal.key";
/// What is true of a running hub alone.
const LEFT_OUT: [&str; 3] = [".lock", READY_FILE, RESTORED_FILE];

/// What stands below the words of `steward backup` in the help text.
pub const EXAMPLE: &str = "\
Example:
  steward backup create hub.backup --data ./hub

Needs no permission: whoever may read a hub's folder backs it up.";

/// The words of `steward backup`.
#[derive(Debug, clap::Subcommand)]
pub enum BackupWords {
    /// Write a hub's folder into one file, also while the hub runs
    #[command(
        after_help = "Example:\n  steward backup create hub.backup --data ./hub\n\nNeeds no permission: whoever may read a hub's folder backs it up."
    )]
    Create {
        /// The file to write (0600); whoever holds it holds the hub's keys
        file: PathBuf,
        /// The hub's folder [default: ./steward-data]
        #[arg(long, value_name = "FOLDER")]
        data: Option<PathBuf>,
        /// The PostgreSQL that holds this hub's state, as `host=... user=... dbname=...`
        #[arg(long, value_name = "CONFIG")]
        postgres: Option<String>,
        /// Print JSON, one line
        #[arg(long)]
        json: bool,
        /// Look what it would hold and write nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Make a hub's folder out of such a file
    #[command(
        after_help = "Example:\n  steward backup restore hub.backup --data ./new-hub\n\nNeeds no permission: whoever has the file has the hub."
    )]
    Restore {
        /// The file
        file: PathBuf,
        /// The folder to make; it must not be there, or be empty [default: ./steward-data]
        #[arg(long, value_name = "FOLDER")]
        data: Option<PathBuf>,
        /// An empty database of a PostgreSQL that shall hold the state, whatever held it before, as
        /// `host=... user=... dbname=...`; a SQLite in the folder otherwise
        #[arg(long, value_name = "CONFIG")]
        postgres: Option<String>,
        /// Print JSON, one line
        #[arg(long)]
        json: bool,
        /// Check the file and make nothing
        #[arg(long)]
        dry_run: bool,
    },
}

/// *Stored.* What a backup holds.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Index {
    format: u32,
    /// When it was begun; 0 when it does not say.
    #[serde(default)]
    begun: Millis,
    /// SHA-256 by path.
    files: BTreeMap<String, String>,
    /// Files that went while the backup was made: blobs that nobody held, which the database may still name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    gone: Vec<String>,
}

/// Does what the words say.
///
/// # Errors
/// [`Failure::Failed`] when a file cannot be read or written, or a backup is damaged; [`Failure::Usage`] when
/// the folder is no hub's, or not empty.
pub fn run(words: BackupWords) -> Result<(), Failure> {
    survive_limits()?;
    let folder = |data: Option<PathBuf>| data.unwrap_or_else(|| USUAL_FOLDER.into());
    let (done, index, json) = match words {
        BackupWords::Create { file, data, postgres, json, dry_run } => {
            let folder = folder(data);
            let place = place(&folder, postgres)?;
            if dry_run {
                return would_hold(&file, &folder, json);
            }
            (format!("{} holds", file.display()), create(&file, &folder, &place)?, json)
        }
        BackupWords::Restore { file, dry_run: true, json, .. } => {
            (format!("{} is whole:", file.display()), unpack(&file, None)?, json)
        }
        BackupWords::Restore { file, data, postgres, json, .. } => {
            let folder = folder(data);
            let done = format!("{} now has", folder.display());
            let index = restore(&file, &folder, postgres)?;
            return told(&done, &index, Some(&forgotten(&index)), json);
        }
    };
    told(&done, &index, None, json)
}

fn told(done: &str, index: &Index, forgotten: Option<&str>, json: bool) -> Result<(), Failure> {
    let (files, begun) = (index.files.len(), index.begun);
    if !json {
        line(&format!("{done} {files} files, as of {begun}"))?;
        return forgotten.map_or(Ok(()), line);
    }
    let mut said = json!({"files": files, "as_of": begun.to_string(), "gone": index.gone});
    if let Some(forgotten) = forgotten {
        said["forgotten"] = forgotten.into();
    }
    line(&said.to_string())
}

/// What a person has to know of a restored hub.
fn forgotten(index: &Index) -> String {
    format!(
        "What the hub did after {} is forgotten. Devices that it let in or gave certificates since come back as \
         findings (`steward finding list`): who is admitted by rule is adopted by rule, others wait for \
         `steward onboarding adopt`. What it revoked or retired since is good again: revoke and retire it again as \
         soon as it runs. Sign-in links, sessions and tokens issued since are gone, and those \
         revoked since are good again.",
        index.begun
    )
}

/// A limit of file size is an error of the write that meets it, and not the end of this process.
fn survive_limits() -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().map_err(failed)?;
    runtime.block_on(async { io::files::survive_file_size_limit() }).map_err(failed)
}

/// What could not be read or written.
fn unwritten(why: std::io::Error) -> Failure {
    match io::files::is_disk_full(&why) {
        true => disk_full(&why),
        false => failed(why),
    }
}

/// As [`unwritten`], of a file by its name.
fn unfiled(why: FileError) -> Failure {
    match why.is_disk_full() {
        true => disk_full(&why),
        false => failed(why),
    }
}

/// As [`unwritten`], of a database.
fn unstored(fault: Fault) -> Failure {
    match fault.kind {
        FaultKind::DiskFull => disk_full(&fault.detail),
        _ => failed(fault.detail),
    }
}

fn disk_full(why: &dyn std::fmt::Display) -> Failure {
    failed(format!("disk-full: there is no room for this; nothing half done is left ({why})"))
}

/// Where the state of the hub in `folder` is.
fn place(folder: &Path, postgres: Option<String>) -> Result<Place, Failure> {
    let database = hub::folder::database_path(folder);
    match postgres {
        Some(_) if !folder.join(JOURNAL_KEY).exists() => {
            Err(usage(format!("{} is no hub's folder", folder.display())))
        }
        Some(config) => Ok(Place::Postgres(config)),
        None if database.exists() => Ok(Place::Sqlite(database)),
        None => Err(usage(format!(
            "{} is missing: {} is no hub's folder, or the hub keeps its state in a PostgreSQL: --postgres",
            database.display(),
            folder.display()
        ))),
    }
}

/// Says what a backup would hold beside the database.
fn would_hold(file: &Path, folder: &Path, json: bool) -> Result<(), Failure> {
    let (mut files, mut bytes) = (0_u64, 0_u64);
    each_file(folder, Path::new(""), &mut |_, path| {
        files += 1;
        bytes += std::fs::metadata(path).map_or(0, |found| found.len());
        Ok(())
    })?;
    match json {
        true => line(&json!({"files": files, "bytes": bytes}).to_string()),
        false => {
            line(&format!("{} would hold the database, and {files} files with {bytes} bytes", file.display()))
        }
    }
}

/// Every file below `inside` of `root` that a backup holds beside the database, by its name and its path.
fn each_file(
    root: &Path,
    inside: &Path,
    take: &mut dyn FnMut(&str, &Path) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let path = root.join(inside);
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&path).map_err(|why| failed(format!("{}: {why}", path.display())))? {
        names.push(entry.map_err(failed)?.file_name());
    }
    names.sort();
    for name in names {
        let (inside, file) = (inside.join(&name), path.join(&name));
        let kind = std::fs::symlink_metadata(&file).map_err(failed)?.file_type();
        let text =
            inside.to_str().ok_or_else(|| failed(format!("{} is no UTF-8", file.display())))?.to_owned();
        if kind.is_dir() {
            each_file(root, &inside, take)?;
        } else if kind.is_file() && !is_left_out(&text) {
            take(&text, &file)?;
        }
    }
    Ok(())
}

/// Writes `folder` and the state at `place` into `file`.
fn create(file: &Path, folder: &Path, place: &Place) -> Result<Index, Failure> {
    let begun = Millis(io::clock::now_millis());
    let copy = Copy::of(place, file)?;
    let mut packer = Packer {
        tar: Builder::new(PendingFile::create(file, 0o600).map_err(unfiled)?),
        index: Index::default(),
    };
    (packer.index.format, packer.index.begun) = (FORMAT, begun);
    packer.file(DATABASE, &copy.0)?;
    each_file(folder, Path::new(""), &mut |name, path| packer.file(name, path))?;
    packer.finish()
}

/// A copy of the database as it is at one moment, removed when dropped.
struct Copy(PathBuf);

impl Copy {
    fn of(place: &Place, beside: &Path) -> Result<Self, Failure> {
        let name = beside.file_name().ok_or_else(|| usage("the backup needs a file name"))?;
        let mut prefix = name.to_owned();
        prefix.push(".database-");
        remove_abandoned(beside, &prefix)?;
        prefix.push(std::process::id().to_string());
        let path = beside.with_file_name(prefix);
        // Ours, and readable by nobody else: credentials' hashes go into it.
        let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        made.map_err(|why| failed(format!("{}: {why}", path.display())))?;
        let copy = Copy(path);
        place.copy_to(&copy.0).map_err(unstored)?;
        Ok(copy)
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        for suffix in ["", "-wal", "-shm", "-journal"] {
            let mut path = self.0.clone().into_os_string();
            path.push(suffix);
            // Made by us a moment ago; what stays is removed by the next backup here.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Removes the copies of processes that were killed in the middle of a backup into this file.
fn remove_abandoned(beside: &Path, prefix: &OsStr) -> Result<(), Failure> {
    let folder = match beside.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let read = std::fs::read_dir(folder).map_err(|why| usage(format!("{}: {why}", folder.display())))?;
    for entry in read {
        let entry = entry.map_err(failed)?;
        let (name, prefix) = (entry.file_name(), prefix.as_encoded_bytes());
        let Some(rest) = name.as_encoded_bytes().strip_prefix(prefix) else { continue };
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let process = String::from_utf8_lossy(&rest[..digits]);
        if digits > 0 && !Path::new("/proc").join(process.as_ref()).exists() {
            std::fs::remove_file(entry.path()).map_err(failed)?;
        }
    }
    Ok(())
}

struct Packer {
    tar: Builder<PendingFile>,
    index: Index,
}

impl Packer {
    fn file(&mut self, name: &str, path: &Path) -> Result<(), Failure> {
        let why = |why: std::io::Error| failed(format!("{}: {why}", path.display()));
        let file = match File::open(path) {
            // A blob that nobody refers to any more was swept meanwhile.
            Err(gone) if gone.kind() == ErrorKind::NotFound => {
                self.index.gone.push(name.into());
                return Ok(());
            }
            opened => opened.map_err(why)?,
        };
        let size = file.metadata().map_err(why)?.len();
        let mut hashed = Hashed { inner: file, hash: Sha256::new() };
        // A file that grows meanwhile is taken as it was.
        self.entry(name, size, &mut (&mut hashed).take(size))?;
        self.index.files.insert(name.into(), hex(&hashed.hash.finalize()));
        match self.index.files.len() > BACKUP_FILES_MAX {
            true => Err(failed(format!("the folder has more than {BACKUP_FILES_MAX} files"))),
            false => Ok(()),
        }
    }

    fn entry(&mut self, name: &str, size: u64, bytes: &mut dyn Read) -> Result<(), Failure> {
        let mut header = Header::new_gnu();
        header.set_size(size);
        header.set_mode(0o600);
        header.set_entry_type(EntryType::Regular);
        self.tar.append_data(&mut header, name, bytes).map_err(unwritten)
    }

    fn finish(mut self) -> Result<Index, Failure> {
        let index = serde_json::to_vec(&self.index).map_err(failed)?;
        self.entry(INDEX, index.len() as u64, &mut index.as_slice())?;
        self.tar.into_inner().map_err(unwritten)?.commit().map_err(unfiled)?;
        Ok(self.index)
    }
}

/// The database is copied by itself; what a crash or a running hub left is nobody's.
fn is_left_out(name: &str) -> bool {
    LEFT_OUT.contains(&name) || name.starts_with("state.db") || io::files::is_leftover(Path::new(name))
}

struct Hashed<R> {
    inner: R,
    hash: Sha256,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.hash.update(&buffer[..read]);
        Ok(read)
    }
}

/// Makes `folder` out of `file`: whole, or not at all.
fn restore(file: &Path, folder: &Path, postgres: Option<String>) -> Result<Index, Failure> {
    if std::fs::read_dir(folder).is_ok_and(|mut inside| inside.next().is_some()) {
        return Err(usage(format!("{} is not empty; restore into a new folder", folder.display())));
    }
    let mut name = folder.file_name().ok_or_else(|| usage("the folder needs a name"))?.to_owned();
    name.push(".restoring");
    let partial = folder.with_file_name(name);
    if partial.exists() {
        // Of a restore that was broken off; nothing else has this name.
        std::fs::remove_dir_all(&partial).map_err(failed)?;
    }
    create_private_dir(&partial).map_err(unfiled)?;
    let unpacked = unpack(file, Some(&partial)).and_then(|index| {
        // The hub's first start notes what it has forgotten.
        write_atomic(&partial.join(RESTORED_FILE), b"", 0o600).map_err(unfiled)?;
        if let Some(config) = postgres {
            let database = hub::folder::database_path(&partial);
            Place::Postgres(config).fill_from(&database).map_err(unstored)?;
            std::fs::remove_file(database).map_err(failed)?;
        }
        std::fs::rename(&partial, folder).map_err(|why| failed(format!("{}: {why}", folder.display())))?;
        Ok(index)
    });
    if unpacked.is_err() {
        // Nothing half done is left; what cannot be removed is removed by the next restore.
        let _ = std::fs::remove_dir_all(&partial);
    }
    unpacked
}

/// Reads a backup, into a folder if one is given, and checks it against its own list.
fn unpack(file: &Path, into: Option<&Path>) -> Result<Index, Failure> {
    let damaged = |why: &str| failed(format!("{} is damaged: {why}; take another backup", file.display()));
    let foreign =
        || failed(format!("{} is no backup of a hub; `steward backup create` makes one", file.display()));
    let opened = File::open(file).map_err(|why| usage(format!("{}: {why}", file.display())))?;
    let (mut found, mut index) = (BTreeMap::new(), None);
    for entry in Archive::new(opened).entries().map_err(failed)? {
        // Whatever the archive's reader says of an entry has bytes of the file in it, and those are nobody's business.
        let unreadable = |_| match found.is_empty() {
            true => foreign(),
            false => damaged("an entry cannot be read"),
        };
        let mut entry = entry.map_err(unreadable)?;
        let path = entry.path().map_err(unreadable)?.into_owned();
        if found.is_empty() && path != Path::new(DATABASE) {
            return Err(foreign());
        }
        let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
        let Some(name) = path.to_str().filter(|_| plain && entry.header().entry_type().is_file()) else {
            return Err(damaged("an entry is no plain file"));
        };
        if name == INDEX {
            let mut bytes = Vec::new();
            entry.take(BACKUP_INDEX_BYTES_MAX).read_to_end(&mut bytes).map_err(failed)?;
            index = serde_json::from_slice::<Index>(&bytes).ok();
            continue;
        }
        let digest = match into {
            Some(folder) => unpack_file(&mut entry, &folder.join(&path))?,
            None => digest(&mut entry, &mut std::io::sink())?,
        };
        found.insert(name.to_owned(), digest);
        if found.len() > BACKUP_FILES_MAX {
            return Err(damaged("it has too many files"));
        }
    }
    match index {
        Some(index) if index.format != FORMAT => {
            Err(failed("the backup is of a newer Steward; use that one"))
        }
        Some(index) if index.files == found => Ok(index),
        Some(_) => Err(damaged("its files are not those of its list")),
        None if found.is_empty() => Err(foreign()),
        None => Err(damaged("its list is missing, so it was cut short")),
    }
}

fn unpack_file(entry: &mut dyn Read, path: &Path) -> Result<String, Failure> {
    if let Some(parent) = path.parent() {
        create_private_dir(parent).map_err(unfiled)?;
    }
    let mut file = PendingFile::create(path, 0o600).map_err(unfiled)?;
    let digest = digest(entry, &mut file)?;
    file.commit().map_err(unfiled)?;
    Ok(digest)
}

fn digest(from: &mut dyn Read, to: &mut dyn Write) -> Result<String, Failure> {
    let mut hashed = Hashed { inner: from, hash: Sha256::new() };
    std::io::copy(&mut hashed, to).map_err(unwritten)?;
    Ok(hex(&hashed.hash.finalize()))
}

#[cfg(test)]
mod tests {
    use super::{Copy, Index, Packer};
    use io::files::PendingFile;
    use std::path::Path;
    use store::Place;
    use tar::Builder;

    #[test]
    fn a_copy_is_made_in_a_new_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let place = Place::Sqlite(folder.path().join("state.db"));
        drop(place.writer().expect("a database"));
        let beside = folder.path().join("hub.backup");
        let planted = folder.path().join(format!("hub.backup.database-{}", std::process::id()));
        std::fs::write(&planted, "").expect("written");
        assert!(Copy::of(&place, &beside).is_err(), "somebody else's file");
        std::fs::remove_file(&planted).expect("removed");
        let copy = Copy::of(&place, &beside).expect("a copy");
        assert!(copy.0.metadata().expect("a file").len() > 0);
        drop(copy);
        assert!(!planted.exists());
    }

    #[test]
    fn what_went_meanwhile_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = PendingFile::create(&folder.path().join("hub.backup"), 0o600).expect("a file");
        let mut packer = Packer { tar: Builder::new(file), index: Index::default() };
        packer.file("blobs/ab", Path::new("/nowhere/ab")).expect("it went");
        assert_eq!(packer.finish().expect("whole").gone, ["blobs/ab"]);
    }
}
