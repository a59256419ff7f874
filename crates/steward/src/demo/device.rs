//! A device's folder, as `agent::shell` lays it out: what factory and installer put there, and what is
//! read there afterwards.
use super::plan::Planned;
use crate::failure::{Failure, failed};
use crate::limits::DEMO_CERTIFICATE_BYTES_MAX;
use fleet::audit::view::hex;
use io::FileKey;
use io::files::{create_private_dir, read_limited, write_atomic};
use io::tls::Identity;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use wire::limits::CONFIGURATION_BYTES_MAX;
use wire::{Certificate, PublicKey};

/// Where a device keeps its voucher.
const VOUCHER: &str = "voucher.vcj";
/// Where a device keeps its configuration.
const CONFIGURATION: &str = "configuration.json";

/// The folder of one device.
pub struct DeviceFolder(PathBuf);

impl DeviceFolder {
    /// The folder of `device` below the demo's folder; made if it is not there.
    ///
    /// # Errors
    /// [`Failure::Failed`] when it cannot be made.
    pub fn open(demo: &Path, device: &Planned) -> Result<Self, Failure> {
        let all = demo.join("devices");
        create_private_dir(&all).map_err(failed)?;
        let path = all.join(&device.serial_number);
        create_private_dir(&path).map_err(failed)?;
        Ok(DeviceFolder(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Where the key of the factory's identity is.
    pub fn idevid_key_path(&self) -> PathBuf {
        self.0.join("idevid.key")
    }

    /// The key of the factory's identity; made if there is none yet.
    ///
    /// # Errors
    /// [`Failure::Failed`] when it cannot be read or made.
    pub fn idevid_key(&self) -> Result<FileKey, Failure> {
        FileKey::open_or_create(&self.idevid_key_path()).map_err(failed)
    }

    /// The factory's identity, if the device was born.
    ///
    /// # Errors
    /// [`Failure::Failed`] when it cannot be read.
    pub fn idevid(&self) -> Result<Option<Certificate>, Failure> {
        certificate(&self.0.join("idevid.pem"))
    }

    /// Puts the factory's identity.
    ///
    /// # Errors
    /// [`Failure::Failed`] when it cannot be written.
    pub fn put_idevid(&self, idevid: &Certificate) -> Result<(), Failure> {
        self.put("idevid.pem", idevid)
    }

    /// Puts the authority of those who sign vouchers for the device.
    ///
    /// # Errors
    /// [`Failure::Failed`] when it cannot be written.
    pub fn put_masa(&self, authority: &Certificate) -> Result<(), Failure> {
        self.put("masa.pem", authority)
    }

    /// The certificate of the domain that a voucher named, if one did.
    ///
    /// # Errors
    /// [`Failure::Failed`] when it cannot be read.
    pub fn pinned(&self) -> Result<Option<Certificate>, Failure> {
        certificate(&self.0.join("pinned.pem"))
    }

    /// Puts another certificate of the domain.
    ///
    /// # Errors
    /// [`Failure::Failed`] when it cannot be written.
    pub fn put_pinned(&self, domain: &Certificate) -> Result<(), Failure> {
        self.put("pinned.pem", domain)
    }

    /// The voucher that the device keeps, if one came.
    ///
    /// # Errors
    /// [`Failure::Failed`] when it cannot be read.
    pub fn voucher(&self) -> Result<Option<Vec<u8>>, Failure> {
        match read_limited(&self.0.join(VOUCHER), DEMO_CERTIFICATE_BYTES_MAX) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(why) if why.is_missing() => Ok(None),
            Err(why) => Err(failed(why)),
        }
    }

    /// Puts another voucher.
    ///
    /// # Errors
    /// [`Failure::Failed`] when it cannot be written.
    pub fn put_voucher(&self, voucher: &[u8]) -> Result<(), Failure> {
        write_atomic(&self.0.join(VOUCHER), voucher, 0o600).map_err(failed)
    }

    /// The device's configuration, as its file has it.
    ///
    /// # Errors
    /// [`Failure::Failed`] when it cannot be read.
    pub fn configuration(&self) -> Result<String, Failure> {
        let bytes = read_limited(&self.0.join(CONFIGURATION), CONFIGURATION_BYTES_MAX).map_err(failed)?;
        String::from_utf8(bytes).map_err(failed)
    }

    /// Puts a configuration, as somebody at the device would.
    ///
    /// # Errors
    /// [`Failure::Failed`] when it cannot be written.
    pub fn put_configuration(&self, document: &str) -> Result<(), Failure> {
        write_atomic(&self.0.join(CONFIGURATION), document.as_bytes(), 0o600).map_err(failed)
    }

    fn put(&self, name: &str, certificate: &Certificate) -> Result<(), Failure> {
        write_atomic(&self.0.join(name), certificate.to_pem().as_bytes(), 0o600).map_err(failed)
    }

    /// Whether it was told to wipe itself: what is gone from it then does not come back.
    pub fn was_told_to_wipe(&self) -> bool {
        self.0.join("wipe.json").exists()
    }

    /// The identity in the domain and its key.
    ///
    /// # Errors
    /// [`Failure::Failed`] when there is none, or its key is not there.
    pub fn ldevid(&self) -> Result<(Certificate, Identity), Failure> {
        let path = self.0.join("ldevid");
        let ldevid = certificate(&path.join("certificate.pem"))?
            .ok_or_else(|| failed(format!("{} holds no certificate", path.display())))?;
        for key_path in self.ldevid_key_paths()? {
            let key = FileKey::open(&key_path).map_err(failed)?;
            if PublicKey::of(&key).is_ok_and(|key| key == *ldevid.public_key()) {
                let identity = Identity { chain: vec![ldevid.der().to_vec()], signer: Arc::new(key) };
                return Ok((ldevid, identity));
            }
        }
        Err(failed(format!("{} does not hold the key of its certificate", path.display())))
    }

    /// Where the keys of identities in the domain are.
    ///
    /// # Errors
    /// [`Failure::Failed`] when the folder cannot be read.
    pub fn ldevid_key_paths(&self) -> Result<Vec<PathBuf>, Failure> {
        let entries = std::fs::read_dir(self.0.join("ldevid")).map_err(failed)?;
        let paths: Result<Vec<PathBuf>, _> = entries.map(|entry| entry.map(|entry| entry.path())).collect();
        let is_key = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "key");
        Ok(paths.map_err(failed)?.into_iter().filter(is_key).collect())
    }
}

/// A key as hubs tell of it.
pub fn fingerprint(key: &PublicKey) -> String {
    hex(&key.fingerprint())
}

/// The certificate in a file, if there is the file.
///
/// # Errors
/// [`Failure::Failed`] when it cannot be read or holds something else.
pub fn certificate(path: &Path) -> Result<Option<Certificate>, Failure> {
    let bytes = match read_limited(path, DEMO_CERTIFICATE_BYTES_MAX) {
        Ok(bytes) => bytes,
        Err(why) if why.is_missing() => return Ok(None),
        Err(why) => return Err(failed(why)),
    };
    let wrong = |why: String| failed(format!("{}: {why}", path.display()));
    let text = std::str::from_utf8(&bytes).map_err(|why| wrong(why.to_string()))?;
    Certificate::from_pem(text).map(Some).map_err(|why| wrong(why.to_string()))
}
