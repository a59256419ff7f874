//! The hub's folder: its lock, its keys, its certificates, its database.
//!
//! | file | what |
//! |---|---|
//! | `lock` | one hub at a time |
//! | `state.db` | SQLite: state and journal (absent with PostgreSQL) |
//! | `ca.key`, `ca.pem` | the domain's authority: the hub's own certificates and the LDevIDs |
//! | `factory.key`, `factory.pem` | the manufacturer's authority: the IDevIDs and the MASA |
//! | `server.key`, `server.pem` | the people's listener |
//! | `registrar.key`, `registrar.pem` | the devices' listener |
//! | `masa.key`, `masa.pem` | signs vouchers |
//! | `signer.key`, `signer.pem` | signs descriptions and birth records |
//! | `author.key`, `author.pem` | signs releases |
//! | `blobs/` | firmware, descriptions and the like, each by its SHA-256 |
//! | `journal.key` | signs the journal's checkpoints |
//! | `restored` | the folder was made out of a backup and the hub has not noted that yet |
//! | `ready.json` | addresses and a token, for whoever may read it (0600) |
use crate::limits::{CERTIFICATE_FILE_BYTES_MAX, SERVER_CERTIFICATE_DAYS_MAX};
use fleet::audit::view::hex;
use fleet::time::Millis;
use io::FileKey;
use io::blobs::BlobFolder;
use io::files::{
    FileError, FolderLock, create_private_dir, read_limited, read_private, remove_durably, write_atomic,
};
use io::key::KeyError;
use io::limits::KEY_FILE_BYTES_MAX;
use io::tls::Identity;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use wire::certificate::Certificate;
use wire::certificate::profile::{IssueRefused, Profile, Validity, issue};
use wire::key::KeyRefused;
use wire::{PublicKey, Signer};

const DAY_MILLIS: i64 = 86_400_000;
/// What `steward backup restore` leaves for the hub's first start.
pub const RESTORED_FILE: &str = "restored";

/// The folder could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
    /// A key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A certificate in the folder is not one, or not of its key.
    #[error("{path}: {why}; restore it from a backup, or remove it and its key to begin anew")]
    Certificate {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// A certificate could not be issued.
    #[error("the hub could not issue its own certificate: {0}")]
    Issue(#[from] IssueRefused),
    /// A key could not be read as a public key.
    #[error("the hub's own key is not a key: {0}")]
    PublicKey(#[from] KeyRefused),
}

/// Where blobs are.
pub fn blobs_path(data: &Path) -> PathBuf {
    data.join("blobs")
}

/// An open folder. Nobody else has it open.
pub struct Folder {
    path: PathBuf,
    _lock: FolderLock,
    domain: Authority,
    factory: Authority,
    journal_key: Arc<FileKey>,
    blobs: BlobFolder,
}

impl Folder {
    /// Opens the folder, making what is missing.
    ///
    /// # Errors
    /// [`FolderError`], by the file that is wrong.
    pub fn open(path: &Path, organisation: &str, now: Millis) -> Result<Self, FolderError> {
        create_private_dir(path)?;
        let lock = FolderLock::take(path)?;
        io::files::remove_leftovers(path)?;
        let domain = authority(path, "ca", &format!("Steward {organisation}"), organisation, now)?;
        let factory =
            authority(path, "factory", &format!("Steward {organisation} factory"), organisation, now)?;
        let journal_key = Arc::new(FileKey::open_or_create(&path.join("journal.key"))?);
        let blobs = BlobFolder::open(&blobs_path(path))?;
        Ok(Folder { path: path.into(), _lock: lock, domain, factory, journal_key, blobs })
    }

    /// Where the domain authority's certificate is: what clients believe.
    pub fn domain_path(&self) -> PathBuf {
        self.path.join("ca.pem")
    }

    /// Where the manufacturer's authority's certificate is: what operators trust as an anchor.
    pub fn factory_path(&self) -> PathBuf {
        self.path.join("factory.pem")
    }

    /// The domain's authority, which LDevIDs chain to.
    pub fn domain(&self) -> &Authority {
        &self.domain
    }

    /// The manufacturer's authority, which IDevIDs chain to.
    pub fn factory(&self) -> &Authority {
        &self.factory
    }

    /// Where the database is.
    pub fn database_path(&self) -> PathBuf {
        database_path(&self.path)
    }

    /// Whether the folder was made out of a backup and nobody has noted that yet.
    pub fn is_restored(&self) -> bool {
        self.path.join(RESTORED_FILE).exists()
    }

    /// It is noted.
    ///
    /// # Errors
    /// [`FolderError`].
    pub fn restoration_noted(&self) -> Result<(), FolderError> {
        Ok(remove_durably(&self.path.join(RESTORED_FILE))?)
    }

    /// Where blobs are.
    pub fn blobs(&self) -> &BlobFolder {
        &self.blobs
    }

    /// Signs the journal's checkpoints.
    pub fn journal_key(&self) -> Arc<dyn Signer> {
        self.journal_key.clone()
    }

    /// What the people's listener shows.
    ///
    /// # Errors
    /// [`FolderError`].
    pub fn server_identity(&self, reached_by: &ReachedBy, now: Millis) -> Result<Identity, FolderError> {
        let profile = Profile::Server {
            common_name: "Steward".into(),
            dns_names: reached_by.names.clone(),
            addresses: reached_by.addresses.clone(),
        };
        self.kept("server", &profile, &self.domain, reached_by, now).map(Authority::identity)
    }

    /// What the devices' listener shows, and what signs voucher-requests: a registrar.
    ///
    /// # Errors
    /// [`FolderError`].
    pub fn registrar(&self, reached_by: &ReachedBy, now: Millis) -> Result<Authority, FolderError> {
        let profile = Profile::Registrar {
            common_name: "Steward registrar".into(),
            dns_names: reached_by.names.clone(),
            addresses: reached_by.addresses.clone(),
        };
        self.kept("registrar", &profile, &self.domain, reached_by, now)
    }

    /// What signs vouchers: the manufacturer's service.
    ///
    /// # Errors
    /// [`FolderError`].
    pub fn masa(&self, now: Millis) -> Result<Authority, FolderError> {
        let profile = Profile::Masa { common_name: "Steward MASA".into() };
        self.kept("masa", &profile, &self.factory, &ReachedBy::nowhere(), now)
    }

    /// What signs descriptions (RFC 8520 section 13) and birth records: the manufacturer.
    ///
    /// # Errors
    /// [`FolderError`].
    pub fn signer(&self, now: Millis) -> Result<Authority, FolderError> {
        let profile = Profile::Signer { common_name: "Steward signer".into() };
        self.kept("signer", &profile, &self.factory, &ReachedBy::nowhere(), now)
    }

    /// What signs releases: the firmware's author.
    ///
    /// # Errors
    /// [`FolderError`].
    pub fn author(&self, now: Millis) -> Result<Authority, FolderError> {
        keep_trusted_author(&self.path)?;
        let profile = Profile::Author { common_name: "Steward author".into() };
        self.kept("author", &profile, &self.factory, &ReachedBy::nowhere(), now)
    }

    /// The key and certificate called `file`. The certificate is issued anew when it ends within half
    /// its life, does not say how the hub is reached, or is for other purposes.
    fn kept(
        &self,
        file: &str,
        profile: &Profile,
        issuer: &Authority,
        reached_by: &ReachedBy,
        now: Millis,
    ) -> Result<Authority, FolderError> {
        let key = FileKey::open_or_create(&self.path.join(format!("{file}.key")))?;
        let path = self.path.join(format!("{file}.pem"));
        let own = PublicKey::of(&key)?;
        let half = SERVER_CERTIFICATE_DAYS_MAX * DAY_MILLIS / 2;
        let good = |certificate: &Certificate| {
            *certificate.public_key() == own
                && certificate.verify_signature(issuer.certificate.public_key()).is_ok()
                && certificate.not_after() > now.0 + half
                && certificate.key_purposes() == profile.key_purposes().as_deref()
                && reached_by.names.iter().all(|name| certificate.dns_names().contains(name))
                && reached_by.addresses.iter().all(|address| certificate.addresses().contains(address))
        };
        let certificate = match read_certificate(&path)?.filter(good) {
            Some(certificate) => certificate,
            None => {
                let not_after = Some(now.0 + SERVER_CERTIFICATE_DAYS_MAX * DAY_MILLIS);
                let validity = Validity { not_before: now.0, not_after };
                let (parent, serial) = (Some(&issuer.certificate), io::random::fill());
                let certificate = issue(profile, &own, parent, serial, validity, issuer.key.as_ref())?;
                write_atomic(&path, certificate.to_pem().as_bytes(), 0o644)?;
                certificate
            }
        };
        Ok(Authority { certificate, key: Arc::new(key) })
    }
}

/// A certificate and its key.
#[derive(Clone)]
pub struct Authority {
    /// The certificate.
    pub certificate: Certificate,
    /// The key.
    pub key: Arc<dyn Signer>,
}

impl Authority {
    /// As what a listener shows.
    pub fn identity(self) -> Identity {
        Identity { chain: vec![self.certificate.der().to_vec()], signer: self.key }
    }
}

/// The names and addresses that a listener is reached by: what its certificate says.
#[derive(Clone, Debug)]
pub struct ReachedBy {
    names: Vec<String>,
    addresses: Vec<IpAddr>,
}

impl ReachedBy {
    /// For what no listener shows.
    fn nowhere() -> Self {
        ReachedBy { names: Vec::new(), addresses: Vec::new() }
    }

    /// `names`, `localhost`, both loopback addresses, and `at`, of which one that stands for all is left out.
    pub fn new(names: &[String], at: impl IntoIterator<Item = IpAddr>) -> Self {
        let mut names = names.to_vec();
        names.push("localhost".into());
        let mut addresses = vec![IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)];
        for address in at {
            if !address.is_unspecified() && !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        ReachedBy { names, addresses }
    }
}

/// Where a hub's folder has its database.
pub fn database_path(folder: &Path) -> PathBuf {
    folder.join("state.db")
}

/// The key that vouches for the journal of the hub in `folder`, for tools that look without a hub.
///
/// # Errors
/// [`FolderError`] when the folder has no such key.
pub fn checkpoint_key(folder: &Path) -> Result<PublicKey, FolderError> {
    Ok(PublicKey::of(&FileKey::open(&folder.join("journal.key"))?)?)
}

/// The authority whose files are called `file`. Its name ends with a part of its key's id, so that no
/// two hubs' authorities have one name.
fn authority(
    folder: &Path,
    file: &str,
    name: &str,
    organisation: &str,
    now: Millis,
) -> Result<Authority, FolderError> {
    let key = FileKey::open_or_create(&folder.join(format!("{file}.key")))?;
    let path = folder.join(format!("{file}.pem"));
    let own = PublicKey::of(&key)?;
    let certificate = match read_certificate(&path)? {
        Some(found) if *found.public_key() == own => found,
        Some(_) => {
            let why = format!("it is not the certificate of {file}.key");
            return Err(FolderError::Certificate { path, why });
        }
        None => {
            let common_name = format!("{name} {}", hex(&own.key_id()[..4]));
            let profile = Profile::Root { common_name, organisation: organisation.into() };
            // RFC 5280 section 4.1.2.5: no well-defined end; who replaces an authority plans it.
            let validity = Validity { not_before: now.0, not_after: None };
            let made = issue(&profile, &own, None, io::random::fill(), validity, &key)?;
            write_atomic(&path, made.to_pem().as_bytes(), 0o644)?;
            made
        }
    };
    Ok(Authority { certificate, key: Arc::new(key) })
}

/// A folder that had a signer before authors had a key of their own: its devices trust the signer's key for
/// their firmware, so that is the author's too.
fn keep_trusted_author(folder: &Path) -> Result<(), FolderError> {
    let (author, signer) = (folder.join("author.key"), folder.join("signer.key"));
    if author.exists() || !signer.exists() {
        return Ok(());
    }
    let key = read_private(&signer, KEY_FILE_BYTES_MAX)?;
    Ok(write_atomic(&author, &key, 0o600)?)
}

fn read_certificate(path: &Path) -> Result<Option<Certificate>, FolderError> {
    let bytes = match read_limited(path, CERTIFICATE_FILE_BYTES_MAX) {
        Ok(bytes) => bytes,
        Err(error) if error.is_missing() => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let wrong = |why: String| FolderError::Certificate { path: path.into(), why };
    let text = String::from_utf8(bytes).map_err(|why| wrong(why.to_string()))?;
    Certificate::from_pem(&text).map(Some).map_err(|why| wrong(why.to_string()))
}
