//! Which hub is asked, with which token, and which certificates are believed.
use crate::failure::{Failure, usage};
use crate::limits::{CA_FILE_BYTES_MAX, READY_FILE_BYTES_MAX, TOKEN_FILE_BYTES_MAX};
use crate::settings::{READY_FILE, USUAL_FOLDER};
use hub::start::Ready;
use io::http::url::Url;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::path::{Path, PathBuf};

/// Names a ready-file.
const VARIABLE: &str = "STEWARD_HUB";
/// What the system believes: for a hub whose certificate a public authority issued.
const SYSTEM_CA_FILE: &str = "/etc/ssl/certs/ca-certificates.crt";

/// The words that say which hub.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Which hub")]
pub struct TargetWords {
    /// A ready-file [default: $STEWARD_HUB, then ./steward-data/ready.json]
    #[arg(long, value_name = "READY_FILE", conflicts_with = "url")]
    pub hub: Option<PathBuf>,
    /// The hub's address, instead of a ready-file's
    #[arg(long, value_name = "URL", requires = "token_file")]
    pub url: Option<String>,
    /// A file (0600) that holds a token
    #[arg(long, value_name = "FILE", requires = "url")]
    pub token_file: Option<PathBuf>,
    /// The certificates to believe [default: the ready-file's, if there is one, else the system's]
    #[arg(long, value_name = "FILE", requires = "url")]
    pub ca_file: Option<PathBuf>,
}

/// A hub to ask.
#[derive(Clone)]
pub struct Target {
    /// Its address.
    pub url: Url,
    /// Who asks.
    pub token: String,
    /// Certificates to believe, in DER.
    pub anchors: Vec<Vec<u8>>,
}

impl TargetWords {
    /// The hub that these words name.
    ///
    /// # Errors
    /// [`Failure::Usage`] for a wrong file or URL, [`Failure::Unreachable`] when no hub is named and
    /// none runs here.
    pub fn find(&self) -> Result<Target, Failure> {
        let Some(url) = &self.url else {
            let path = self.ready_file();
            return Target::of(&read_ready(&path)?);
        };
        let url = Url::parse(url).map_err(|why| usage(format!("--url {url}: {why}")))?;
        let token = match &self.token_file {
            Some(file) => read_token(file)?,
            None => return Err(usage("--url needs --token-file")),
        };
        let ready = || read_ready(&self.ready_file()).ok().map(|ready| ready.ca);
        let ca = self.ca_file.clone().or_else(ready).unwrap_or_else(|| SYSTEM_CA_FILE.into());
        Ok(Target { url, token, anchors: read_anchors(&ca)? })
    }

    fn ready_file(&self) -> PathBuf {
        let named = self.hub.clone().or_else(|| std::env::var_os(VARIABLE).map(PathBuf::from));
        named.unwrap_or_else(|| Path::new(USUAL_FOLDER).join(READY_FILE))
    }
}

impl Target {
    /// The hub of a ready-file.
    ///
    /// # Errors
    /// [`Failure::Usage`] when its address or its CA file is wrong.
    pub fn of(ready: &Ready) -> Result<Self, Failure> {
        let url = Url::parse(&ready.people)
            .map_err(|why| usage(format!("the ready-file's address {}: {why}", ready.people)))?;
        Ok(Target { url, token: ready.token.clone(), anchors: read_anchors(&ready.ca)? })
    }
}

/// Reads a ready-file.
///
/// # Errors
/// [`Failure::Unreachable`] when there is none, [`Failure::Usage`] when it is not one or others may
/// read it.
pub fn read_ready(path: &Path) -> Result<Ready, Failure> {
    let bytes = match io::files::read_private(path, READY_FILE_BYTES_MAX) {
        Ok(bytes) => bytes,
        Err(why) if why.is_missing() => {
            return Err(Failure::Unreachable(format!(
                "no ready-file at {}; start `steward serve`, or say which hub with --hub, \
                 {VARIABLE}, or --url and --token-file",
                path.display()
            )));
        }
        Err(why) => return Err(usage(why)),
    };
    serde_json::from_slice(&bytes).map_err(|why| usage(format!("{} is no ready-file: {why}", path.display())))
}

fn read_token(path: &Path) -> Result<String, Failure> {
    let bytes = io::files::read_private(path, TOKEN_FILE_BYTES_MAX).map_err(usage)?;
    let text = String::from_utf8(bytes).unwrap_or_default();
    let token = text.trim();
    if token.is_empty() || !token.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(usage(format!("{} holds no token: one line of ASCII is expected", path.display())));
    }
    Ok(token.to_owned())
}

fn read_anchors(path: &Path) -> Result<Vec<Vec<u8>>, Failure> {
    let bytes = io::files::read_limited(path, CA_FILE_BYTES_MAX).map_err(usage)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    let found = found.map_err(|why| usage(format!("{}: {why}", path.display())))?;
    if found.is_empty() {
        return Err(usage(format!("{} holds no certificate in PEM", path.display())));
    }
    Ok(found.into_iter().map(|certificate| certificate.to_vec()).collect())
}
