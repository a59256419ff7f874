//! A folder of one run, beside others' temporary files.

use std::fs;
use std::path::PathBuf;

/// A folder, removed when dropped.
pub struct Folder(pub PathBuf);

impl Folder {
    /// A new folder of this process, with `name` in its name.
    ///
    /// # Errors
    /// It could not be made.
    pub fn new(name: &str) -> Result<Self, String> {
        let path = std::env::temp_dir().join(format!("steward-{name}-{}", std::process::id()));
        fs::create_dir(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Folder(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
