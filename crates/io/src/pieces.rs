//! A file that arrives in pieces, and its digest.
use crate::files::{FileError, failed, sync_folder_of};
use aws_lc_rs::digest::{Context, SHA256};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Writes `bytes` at `offset` of the file at `path`, which ends after them; durably. A file that is not
/// there is made with `mode`.
///
/// # Errors
/// [`FileError::DiskFull`], [`FileError::Failed`].
pub fn append(path: &Path, offset: u64, bytes: &[u8], mode: u32) -> Result<(), FileError> {
    let is_new = !path.exists();
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(mode)
        .open(path)
        .map_err(failed("open", path))?;
    file.set_len(offset).map_err(failed("cut", path))?;
    file.seek(SeekFrom::Start(offset)).map_err(failed("write", path))?;
    file.write_all(bytes).map_err(failed("write", path))?;
    file.sync_all().map_err(failed("force to the disk", path))?;
    if is_new { sync_folder_of(path) } else { Ok(()) }
}

/// The length and the SHA-256 digest of a file; nothing if it is not there.
///
/// # Errors
/// [`FileError::Failed`].
pub fn measure(path: &Path) -> Result<Option<(u64, [u8; 32])>, FileError> {
    let mut file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(failed("open", path))?,
    };
    let (mut hash, mut length, mut buffer) = (Context::new(&SHA256), 0, vec![0; 64 * 1024]);
    loop {
        match file.read(&mut buffer).map_err(failed("read", path))? {
            0 => break,
            count => {
                hash.update(&buffer[..count]);
                length += count as u64;
            }
        }
    }
    let mut digest = [0; 32];
    digest.copy_from_slice(hash.finish().as_ref());
    Ok(Some((length, digest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_make_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("image");
        assert_eq!(measure(&path).unwrap(), None);
        append(&path, 0, b"abc", 0o700).unwrap();
        append(&path, 3, b"xyz", 0o700).unwrap();
        // A piece that comes again, after a crash, takes the place of the first.
        append(&path, 3, b"def", 0o700).unwrap();
        let digest = wire::digest::sha256(b"abcdef");
        assert_eq!(measure(&path).unwrap(), Some((6, digest)));
    }
}
