//! A folder of files, each named by the SHA-256 of its bytes.
//!
//! A file gets its name only when it is whole, is what its name says, and is on the disk; so what
//! stands here under a digest has that digest, also after a power cut. All calls block.
use crate::files::{
    FileError, PendingFile, create_private_dir, failed, read_limited, remove_durably, remove_leftovers,
};
use crate::limits::BODY_CHUNK_BYTES_MAX;
use aws_lc_rs::digest::{Context, SHA256};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// What is asked of a folder that went wrong.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
    /// The bytes do not have the digest that they were announced with.
    #[error("the bytes have the SHA-256 {is}, not the {wanted} that was said")]
    DigestDiffers {
        /// What they have.
        is: String,
        /// What was said.
        wanted: String,
    },
    /// More bytes than the caller takes.
    #[error("the bytes are more than {bytes_max}")]
    TooLarge {
        /// The caller's limit.
        bytes_max: u64,
    },
}

/// The folder.
#[derive(Clone, Debug)]
pub struct BlobFolder(PathBuf);

impl BlobFolder {
    /// Opens the folder, makes it if it is missing, and removes what a crash left unfinished. Nobody
    /// else may be writing in it.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn open(path: &Path) -> Result<Self, FileError> {
        create_private_dir(path)?;
        remove_leftovers(path)?;
        Ok(BlobFolder(path.into()))
    }

    /// A folder to look into: nothing is made or removed there, and others may be writing in it.
    pub fn to_look_into(path: &Path) -> Self {
        BlobFolder(path.into())
    }

    /// Begins a file that is to have this digest: 64 lower-case hexadecimal digits.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn begin(&self, digest: &str, bytes_max: u64) -> Result<Incoming, FileError> {
        let file = PendingFile::create(&self.path(digest), 0o600)?;
        Ok(Incoming { file, hash: Context::new(&SHA256), digest: digest.into(), bytes: 0, bytes_max })
    }

    /// All bytes of a file, at most `bytes_max`, if they still have their digest.
    ///
    /// # Errors
    /// [`BlobError`]: [`BlobError::DigestDiffers`] when the disk has lost bytes.
    pub fn read(&self, digest: &str, bytes_max: usize) -> Result<Vec<u8>, BlobError> {
        let bytes = read_limited(&self.path(digest), bytes_max)?;
        let mut hash = Context::new(&SHA256);
        hash.update(&bytes);
        expect(hash, digest)?;
        Ok(bytes)
    }

    /// How many bytes a file has, if they still have their digest. It reads them piece by piece.
    ///
    /// # Errors
    /// [`BlobError::DigestDiffers`] when the disk has lost bytes; [`FileError`] when it cannot be read.
    pub fn verify(&self, digest: &str) -> Result<u64, BlobError> {
        let path = self.path(digest);
        let mut file = File::open(&path).map_err(failed("open", &path))?;
        let (mut hash, mut bytes, mut piece) = (Context::new(&SHA256), 0, vec![0; BODY_CHUNK_BYTES_MAX]);
        loop {
            let read = file.read(&mut piece).map_err(failed("read", &path))?;
            if read == 0 {
                expect(hash, digest)?;
                return Ok(bytes);
            }
            hash.update(&piece[..read]);
            bytes += read as u64;
        }
    }

    /// Opens a file for reading, and says how long it is.
    ///
    /// # Errors
    /// What the system said.
    pub fn open_file(&self, digest: &str) -> io::Result<(File, u64)> {
        let file = File::open(self.path(digest))?;
        let bytes = file.metadata()?.len();
        Ok((file, bytes))
    }

    /// Removes a file durably. Nothing there is no error.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn remove(&self, digest: &str) -> Result<(), FileError> {
        remove_durably(&self.path(digest))
    }

    /// Hands the name of every file to `each`.
    ///
    /// # Errors
    /// What the system said.
    pub fn each(&self, mut each: impl FnMut(String)) -> io::Result<()> {
        for entry in fs::read_dir(&self.0)? {
            if let Ok(name) = entry?.file_name().into_string() {
                each(name);
            }
        }
        Ok(())
    }

    fn path(&self, digest: &str) -> PathBuf {
        self.0.join(digest)
    }
}

/// A file that is being written. Dropped before [`Incoming::finish`] it leaves nothing.
pub struct Incoming {
    file: PendingFile,
    hash: Context,
    digest: String,
    bytes: u64,
    bytes_max: u64,
}

impl Incoming {
    /// Appends bytes.
    ///
    /// # Errors
    /// [`BlobError::TooLarge`], [`FileError`].
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), BlobError> {
        self.bytes += bytes.len() as u64;
        if self.bytes > self.bytes_max {
            return Err(BlobError::TooLarge { bytes_max: self.bytes_max });
        }
        self.hash.update(bytes);
        Ok(self.file.write_all(bytes)?)
    }

    /// Forces the bytes to the disk and gives the file its name; says how many there are.
    ///
    /// # Errors
    /// [`BlobError::DigestDiffers`], [`FileError`]; then nothing of it stays.
    pub fn finish(self) -> Result<u64, BlobError> {
        expect(self.hash, &self.digest)?;
        self.file.commit()?;
        Ok(self.bytes)
    }
}

fn expect(hash: Context, wanted: &str) -> Result<(), BlobError> {
    let is: String = hash.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    if is == wanted {
        return Ok(());
    }
    Err(BlobError::DigestDiffers { is, wanted: wanted.into() })
}
