//! What the tests share: keys, authorities, programs.
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use wire::certificate::HardwareModuleName;
use wire::certificate::profile::{Profile, Validity, issue};
use wire::{Certificate, Oid, PublicKey, Signer, SignerFailed};

/// 2026-01-01T00:00:00Z.
pub const START: i64 = 1_767_225_600_000;
/// A life of 30 days, in milliseconds.
pub const LIFE: i64 = 30 * 24 * 3600 * 1000;

/// The devices' serial number.
pub const SERIAL_NUMBER: &str = "JADA123456789";

/// A key in memory.
#[derive(Clone)]
pub struct TestKey(Arc<EcdsaKeyPair>);

impl TestKey {
    pub fn new() -> Self {
        Self(Arc::new(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap()))
    }

    pub fn public(&self) -> PublicKey {
        PublicKey::of(self).unwrap()
    }

    /// The key in PEM, for a device's folder.
    pub fn pem(&self) -> String {
        let der = self.0.to_pkcs8v1().unwrap();
        let body = base64(der.as_ref());
        format!("-----BEGIN PRIVATE KEY-----\n{body}-----END PRIVATE KEY-----\n")
    }
}

fn base64(bytes: &[u8]) -> String {
    let text = wire::est::encode_body(bytes);
    let lines = text.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line).into_owned() + "\n");
    lines.collect()
}

impl Signer for TestKey {
    fn public_point(&self) -> [u8; 65] {
        self.0.public_key().as_ref().try_into().unwrap()
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignerFailed> {
        let signature = self.0.sign(&SystemRandom::new(), message);
        signature.map(|it| it.as_ref().to_vec()).map_err(|_| SignerFailed("test key".into()))
    }
}

/// A certificate and its key.
#[derive(Clone)]
pub struct Identity {
    pub key: TestKey,
    pub certificate: Certificate,
}

impl Identity {
    pub fn root(name: &str) -> Self {
        let key = TestKey::new();
        let profile = Profile::Root { common_name: name.into(), organisation: "Test".into() };
        let validity = Validity { not_before: START, not_after: None };
        let certificate = issue(&profile, &key.public(), None, io::random::fill(), validity, &key).unwrap();
        Self { key, certificate }
    }

    /// A certificate for a key, good from `not_before` for `life` milliseconds.
    pub fn certify(&self, profile: &Profile, key: &PublicKey, not_before: i64, life: i64) -> Certificate {
        let validity = Validity { not_before, not_after: Some(not_before + life) };
        issue(profile, key, Some(&self.certificate), io::random::fill(), validity, &self.key).unwrap()
    }

    pub fn issue(&self, profile: &Profile) -> Self {
        let key = TestKey::new();
        let certificate = self.certify(profile, &key.public(), START, 100 * LIFE);
        Self { key, certificate }
    }

    pub fn tls(&self) -> io::tls::Identity {
        let signer = Arc::new(self.key.clone());
        io::tls::Identity { chain: vec![self.certificate.der().to_vec()], signer }
    }
}

pub fn idevid() -> Profile {
    let hardware =
        HardwareModuleName { kind: Oid::new_unwrap("1.3.6.1.4.1.32473.1.7"), serial: b"HW-42".to_vec() };
    Profile::IdevId { serial_number: SERIAL_NUMBER.into(), hardware, mud_url: None, masa_url: None }
}

pub fn masa() -> Profile {
    Profile::Masa { common_name: "masa".into() }
}

pub fn signer() -> Profile {
    Profile::Signer { common_name: "signer".into() }
}

pub fn author() -> Profile {
    Profile::Author { common_name: "author".into() }
}

pub fn ldevid() -> Profile {
    Profile::LdevId { serial_number: SERIAL_NUMBER.into(), device_id: "lamp-7".into() }
}

pub fn registrar() -> Profile {
    Profile::Registrar {
        common_name: "registrar".into(),
        dns_names: vec!["localhost".into()],
        addresses: vec!["127.0.0.1".parse().unwrap()],
    }
}

/// Says that a test could not run, and why; a run that allows no skips reads the file.
pub fn skip(name: &str, why: &str) {
    eprintln!("SKIP {name}: {why}");
    let Some(path) = std::env::var_os("STEWARD_SKIPS") else { return };
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
    writeln!(file, "SKIP {name}: {why}").unwrap();
}

/// A folder of the corpus, or a skip.
pub fn corpus(name: &str, path: &str) -> Option<PathBuf> {
    let Some(root) = std::env::var_os("STEWARD_CORPUS") else {
        skip(name, "STEWARD_CORPUS is not set");
        return None;
    };
    let path = Path::new(&root).join(path);
    if path.exists() {
        return Some(path);
    }
    skip(name, &format!("the corpus has no {}", path.display()));
    None
}

/// Whether `program` is on the machine; if not, the test `name` is skipped.
pub fn has(name: &str, program: &str) -> bool {
    let script = format!("command -v {program}");
    let found = Command::new("sh").args(["-c", &script]).output().is_ok_and(|o| o.status.success());
    if !found {
        skip(name, &format!("{program} is not installed"));
    }
    found
}

/// Whether openssl, run in `folder`, is content; and what it said.
pub fn openssl(folder: &Path, command: &str) -> (bool, String) {
    let done = Command::new("openssl").args(command.split(' ')).current_dir(folder).output().unwrap();
    let said = [done.stdout, done.stderr].concat();
    (done.status.success(), String::from_utf8_lossy(&said).into_owned())
}
