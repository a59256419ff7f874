//! A device's files.
use crate::control::MemoryRefused;
use crate::limits::{CERTIFICATE_FILE_BYTES_MAX, KEYS_MAX};
use crate::machine::{self, Change, FirstTrust, Imprint, Inventory};
use io::FileKey;
use io::files::{
    FileError, FolderLock, create_private_dir, read_limited, remove_durably, remove_leftovers, write_atomic,
};
use io::key::KeyError;
use io::pieces;
use io::tls::Identity;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use wire::certificate::{CertificateRefused, Name};
use wire::json::JsonRefused;
use wire::{Certificate, PublicKey, SignFailed, Signer, cms, csr, digest, oid};

/// What a device does with its disk; each call is whole or nothing. Tests put a failing one here.
pub trait Disk: Send + Sync {
    /// Replaces or makes a file, durably.
    ///
    /// # Errors
    /// [`FileError`]: then the old file stands.
    fn write(&self, path: &Path, bytes: &[u8], mode: u32) -> Result<(), FileError>;

    /// Makes a file with a new key, durably, or opens the one that is there.
    ///
    /// # Errors
    /// [`KeyError`].
    fn make_key(&self, path: &Path) -> Result<FileKey, KeyError>;

    /// Removes a file, durably; none there is no error.
    ///
    /// # Errors
    /// [`FileError`].
    fn remove(&self, path: &Path) -> Result<(), FileError>;

    /// Writes a piece of a file, which ends with it, durably.
    ///
    /// # Errors
    /// [`FileError`]: then the file may end anywhere behind `offset`.
    fn append(&self, path: &Path, offset: u64, bytes: &[u8], mode: u32) -> Result<(), FileError> {
        pieces::append(path, offset, bytes, mode)
    }
}

/// The machine's own disk.
#[derive(Clone, Copy, Debug)]
pub struct LocalDisk;

impl Disk for LocalDisk {
    fn write(&self, path: &Path, bytes: &[u8], mode: u32) -> Result<(), FileError> {
        write_atomic(path, bytes, mode)
    }

    fn make_key(&self, path: &Path) -> Result<FileKey, KeyError> {
        FileKey::open_or_create(path)
    }

    fn remove(&self, path: &Path) -> Result<(), FileError> {
        remove_durably(path)
    }
}

/// Why a device's folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A file holds something else than certificates. Whoever put it there.
    #[error("{}: {why}", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: CertificateRefused,
    },
    /// The factory's certificate and key do not belong together.
    #[error("{}: the certificate is not for the key beside it", .0.display())]
    NotItsKey(PathBuf),
    /// Nothing says whom the device may trust. Whoever set it up.
    #[error(
        "{} has neither an anchor.pem, of the domain that the device shall join, nor a masa.pem, of its manufacturer",
        .0.display()
    )]
    NothingTrusted(PathBuf),
    /// There are too many keys.
    #[error("{} holds more than {KEYS_MAX} keys; remove those that are nobody's", .0.display())]
    TooManyKeys(PathBuf),
    /// There is no such key in the folder (any more). Somebody removed it.
    #[error("{}: a key of this device is missing", .0.display())]
    NoSuchKey(PathBuf),
    /// What the device remembers of its configuration cannot be read. Somebody changed the file.
    #[error("{}: {why}", path.display())]
    Memory {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: MemoryRefused,
    },
    /// The order to wipe cannot be read. Somebody changed the file.
    #[error("{}: {why}", path.display())]
    Order {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: JsonRefused,
    },
    /// A certification request could not be made.
    #[error(transparent)]
    Sign(#[from] SignFailed),
    /// The work was broken off: the process ends.
    #[error("the work was broken off: {0}")]
    Interrupted(String),
}

/// A key made here, and its file.
#[derive(Clone)]
struct Key {
    path: PathBuf,
    public: PublicKey,
    signer: Arc<FileKey>,
}

/// The factory's identity.
struct Idevid {
    certificate: Certificate,
    /// The certificates above it.
    above: Vec<Certificate>,
    identity: Identity,
}

/// A device's folder, its own as long as this lives.
pub(super) struct Folder {
    path: PathBuf,
    disk: Arc<dyn Disk>,
    idevid: Idevid,
    serial_number: String,
    keys: Mutex<Vec<Key>>,
    _lock: FolderLock,
}

impl Folder {
    /// Opens the folder and looks at what is there.
    pub(super) fn open(path: &Path, disk: Arc<dyn Disk>) -> Result<(Self, Inventory), FolderError> {
        create_private_dir(path)?;
        let lock = FolderLock::take(path)?;
        create_private_dir(&path.join("ldevid"))?;
        for folder in [path, &path.join("ldevid")] {
            remove_leftovers(folder)?;
        }
        let idevid = idevid(path)?;
        let keys = keys(&path.join("ldevid"))?;
        let ldevid = optional(one(&path.join("ldevid/certificate.pem")))?;
        let inventory = Inventory {
            trust: first_trust(path)?,
            anchors: optional(list(&path.join("anchors.pem")))?.unwrap_or_default(),
            told: told(path, ldevid.as_ref())?,
            keys: keys.iter().map(|key| key.public.clone()).collect(),
            ldevid,
            idevid: idevid.certificate.clone(),
        };
        let serial_number = inventory.idevid.serial_number().unwrap_or_default();
        let (path, keys) = (path.to_owned(), Mutex::new(keys));
        Ok((Self { path, disk, idevid, serial_number, keys, _lock: lock }, inventory))
    }

    /// The device's name in a log.
    pub(super) fn serial_number(&self) -> &str {
        &self.serial_number
    }

    /// What is shown in a handshake.
    pub(super) fn identity(&self, identity: &machine::Identity) -> Result<Identity, FolderError> {
        match identity {
            machine::Identity::Idevid => Ok(self.idevid.identity.clone()),
            machine::Identity::Ldevid(certificate) => {
                let signer = self.key(certificate.public_key())?.signer;
                Ok(Identity { chain: vec![certificate.der().to_vec()], signer })
            }
        }
    }

    /// Makes a key; when this returns, the disk has it.
    pub(super) fn make_key(&self) -> Result<PublicKey, FolderError> {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let free = |number: &usize| keys.iter().all(|key| key.path != self.key_path(*number));
        // Of one number more than there are keys, one is free.
        let number = (1..=keys.len() + 1).find(free).unwrap_or(1);
        let path = self.key_path(number);
        let signer = Arc::new(self.disk.make_key(&path)?);
        let public = public(&*signer, &path)?;
        keys.push(Key { path, public: public.clone(), signer });
        Ok(public)
    }

    /// A certification request for a key of this folder, in DER.
    pub(super) fn make_csr(&self, key: &PublicKey, subject: &Name) -> Result<Vec<u8>, FolderError> {
        let signer = self.key(key)?.signer;
        Ok(csr::make(subject, None, &*signer)?)
    }

    /// A voucher-request, signed with the IDevID: RFC 8995 section 5.2. No time is stated.
    pub(super) fn sign_voucher_request(&self, json: &[u8]) -> Result<Vec<u8>, FolderError> {
        let Idevid { certificate, above, identity } = &self.idevid;
        let signer = &*identity.signer;
        Ok(cms::sign(oid::ANIMA_JSON_VOUCHER, json, certificate, above, signer, None, false)?)
    }

    /// Puts a change on the disk.
    pub(super) fn store(&self, change: &Change) -> Result<(), FolderError> {
        let write = |name: &str, text: &str| self.write(name, text.as_bytes());
        match change {
            Change::Imprint(imprint) => self.imprint(imprint)?,
            Change::Anchors(anchors) => {
                let text: String = anchors.iter().map(Certificate::to_pem).collect();
                write("anchors.pem", &text)?;
            }
            Change::Ldevid(ldevid) => write("ldevid/certificate.pem", &ldevid.to_pem())?,
            Change::Told(ldevid) => write("ldevid/told", &fingerprint(ldevid))?,
            Change::OnlyKey(only) => self.remove_other_keys(only)?,
        }
        Ok(())
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), FileError> {
        self.disk.write(&self.path.join(name), bytes, 0o600)
    }

    /// The certificate comes last: without it the others mean nothing.
    fn imprint(&self, imprint: &Imprint) -> Result<(), FileError> {
        self.write("voucher-request.vcj", &imprint.request)?;
        self.write("voucher.vcj", &imprint.voucher)?;
        self.write("pinned.pem", imprint.pinned.to_pem().as_bytes())
    }

    fn remove_other_keys(&self, only: &PublicKey) -> Result<(), FolderError> {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        for other in keys.iter().filter(|key| key.public != *only) {
            self.disk.remove(&other.path)?;
        }
        keys.retain(|key| key.public == *only);
        Ok(())
    }

    fn key(&self, wanted: &PublicKey) -> Result<Key, FolderError> {
        let keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let found = keys.iter().find(|key| key.public == *wanted).cloned();
        found.ok_or_else(|| FolderError::NoSuchKey(self.path.join("ldevid")))
    }

    fn key_path(&self, number: usize) -> PathBuf {
        self.path.join(format!("ldevid/{number}.key"))
    }
}

/// What the device trusts before anything else.
fn first_trust(path: &Path) -> Result<FirstTrust, FolderError> {
    if let Some(domain) = optional(one(&path.join("anchor.pem")))? {
        return Ok(FirstTrust::Domain(domain));
    }
    let masa = optional(one(&path.join("masa.pem")))?;
    let masa = masa.ok_or_else(|| FolderError::NothingTrusted(path.to_owned()))?;
    Ok(FirstTrust::Manufacturer { masa, pinned: optional(one(&path.join("pinned.pem")))?.map(Box::new) })
}

fn idevid(path: &Path) -> Result<Idevid, FolderError> {
    let certificate_path = path.join("idevid.pem");
    let mut above = list(&certificate_path)?;
    if above.is_empty() {
        return Err(FolderError::Certificate { path: certificate_path, why: CertificateRefused::NotPem });
    }
    let chain = above.iter().map(|certificate| certificate.der().to_vec()).collect();
    let certificate = above.remove(0);
    let key_path = path.join("idevid.key");
    let signer = FileKey::open(&key_path)?;
    if public(&signer, &key_path)? != *certificate.public_key() {
        return Err(FolderError::NotItsKey(certificate_path));
    }
    Ok(Idevid { certificate, above, identity: Identity { chain, signer: Arc::new(signer) } })
}

/// The keys of a folder: whatever ends in `.key`.
fn keys(folder: &Path) -> Result<Vec<Key>, FolderError> {
    let failed = |source| FileError::Failed { doing: "list", path: folder.to_owned(), source };
    let mut keys = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_none_or(|extension| extension != "key") {
            continue;
        }
        if keys.len() == KEYS_MAX {
            return Err(FolderError::TooManyKeys(folder.to_owned()));
        }
        let signer = FileKey::open(&path)?;
        keys.push(Key { public: public(&signer, &path)?, signer: Arc::new(signer), path });
    }
    keys.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(keys)
}

fn public(signer: &dyn Signer, path: &Path) -> Result<PublicKey, FolderError> {
    let not_a_key =
        |why: wire::key::KeyRefused| KeyError::NotAKey { path: path.to_owned(), reason: why.to_string() };
    Ok(PublicKey::of(signer).map_err(not_a_key)?)
}

/// The certificates of a file that must be there.
pub(super) fn list(path: &Path) -> Result<Vec<Certificate>, FolderError> {
    let bytes = read_limited(path, CERTIFICATE_FILE_BYTES_MAX)?;
    let refused = |why| FolderError::Certificate { path: path.to_owned(), why };
    let text = std::str::from_utf8(&bytes).map_err(|_| refused(CertificateRefused::NotPem))?;
    Certificate::list_from_pem(text).map_err(refused)
}

/// The one certificate of a file that must be there.
fn one(path: &Path) -> Result<Certificate, FolderError> {
    let mut all = list(path)?;
    match (all.pop(), all.is_empty()) {
        (Some(only), true) => Ok(only),
        _ => Err(FolderError::Certificate { path: path.to_owned(), why: CertificateRefused::NotPem }),
    }
}

/// What was read, or nothing if the file is not there.
pub(super) fn optional<T>(read: Result<T, FolderError>) -> Result<Option<T>, FolderError> {
    match read {
        Err(FolderError::File(why)) if why.is_missing() => Ok(None),
        read => read.map(Some),
    }
}

/// Whether the registrar knows that `ldevid` arrived.
fn told(path: &Path, ldevid: Option<&Certificate>) -> Result<bool, FolderError> {
    let read = read_limited(&path.join("ldevid/told"), CERTIFICATE_FILE_BYTES_MAX);
    let known = optional(read.map_err(FolderError::File))?;
    Ok(ldevid.is_some_and(|ldevid| known.is_some_and(|known| known == fingerprint(ldevid).as_bytes())))
}

/// SHA-256 of a certificate, as hexadecimal digits.
fn fingerprint(certificate: &Certificate) -> String {
    digest::sha256(certificate.der()).iter().map(|byte| format!("{byte:02x}")).collect()
}
