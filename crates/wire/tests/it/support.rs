//! What the tests share: keys, a small public key infrastructure, OpenSSL, the corpus.
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use wire::certificate::HardwareModuleName;
use wire::certificate::profile::{Profile, Validity, issue};
use wire::{Certificate, Oid, PublicKey, Signer, SignerFailed};

/// 2026-01-01T00:00:00Z.
pub const START: i64 = 1_767_225_600_000;
/// 2036-01-01T00:00:00Z.
pub const END: i64 = 2_082_758_400_000;
/// A moment between the two.
pub const NOW: i64 = START + 1_000_000_000;

pub const YEARS: Validity = Validity { not_before: START, not_after: Some(END) };
pub const FOR_EVER: Validity = Validity { not_before: START, not_after: None };

/// A key in memory.
pub struct TestKey(EcdsaKeyPair);

impl TestKey {
    pub fn new() -> Self {
        Self(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap())
    }

    pub fn public(&self) -> PublicKey {
        PublicKey::of(self).unwrap()
    }
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
pub struct Identity {
    pub key: TestKey,
    pub certificate: Certificate,
}

impl Identity {
    pub fn root(name: &str) -> Self {
        let key = TestKey::new();
        let profile = Profile::Root { common_name: name.into(), organisation: "Test".into() };
        let certificate = issue(&profile, &key.public(), None, serial(), FOR_EVER, &key).unwrap();
        Self { key, certificate }
    }

    pub fn issue(&self, profile: &Profile) -> Self {
        self.issue_for(profile, YEARS)
    }

    pub fn issue_for(&self, profile: &Profile, validity: Validity) -> Self {
        let key = TestKey::new();
        let issuer = Some(&self.certificate);
        let certificate = issue(profile, &key.public(), issuer, serial(), validity, &self.key).unwrap();
        Self { key, certificate }
    }
}

pub fn intermediate(name: &str) -> Profile {
    Profile::Intermediate { common_name: name.into(), organisation: "Test".into() }
}

pub fn idevid() -> Profile {
    Profile::IdevId {
        serial_number: "JADA123456789".into(),
        hardware: HardwareModuleName {
            kind: Oid::new_unwrap("1.3.6.1.4.1.32473.1.7"),
            serial: b"\x00\xffHW-42".to_vec(),
        },
        mud_url: Some("https://maker.example/mud/lamp.json".into()),
        masa_url: Some("masa.maker.example:9443".into()),
    }
}

pub fn ldevid() -> Profile {
    Profile::LdevId { serial_number: "JADA123456789".into(), device_id: "lamp-7".into() }
}

pub fn registrar() -> Profile {
    Profile::Registrar {
        common_name: "registrar".into(),
        dns_names: vec!["registrar.example".into(), "localhost".into()],
        addresses: vec!["127.0.0.1".parse().unwrap(), "::1".parse().unwrap()],
    }
}

pub fn masa() -> Profile {
    Profile::Masa { common_name: "Test MASA".into() }
}

pub fn signer() -> Profile {
    Profile::Signer { common_name: "Test signer".into() }
}

pub fn author() -> Profile {
    Profile::Author { common_name: "Test author".into() }
}

pub fn serial() -> [u8; 16] {
    let mut serial = [0; 16];
    aws_lc_rs::rand::fill(&mut serial).unwrap();
    serial
}

/// Says that a test did not run, and why; where STEWARD_SKIPS names a file, there too.
pub fn skip(name: &str, why: &str) {
    eprintln!("SKIP {name}: {why}");
    if let Some(path) = std::env::var_os("STEWARD_SKIPS") {
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
        writeln!(file, "SKIP {name}: {why}").unwrap();
    }
}

/// A file of the corpus, or a skip.
pub fn corpus(test: &str, path: &str) -> Option<PathBuf> {
    let Some(root) = std::env::var_os("STEWARD_CORPUS") else {
        skip(test, "STEWARD_CORPUS is not set");
        return None;
    };
    let path = Path::new(&root).join(path);
    if path.exists() {
        return Some(path);
    }
    skip(test, &format!("the corpus has no {}", path.display()));
    None
}

/// A folder in which OpenSSL works, or a skip.
pub fn openssl(test: &str) -> Option<OpenSsl> {
    if Command::new("openssl").arg("version").output().is_err() {
        skip(test, "openssl is not installed");
        return None;
    }
    Some(OpenSsl(tempfile::tempdir().unwrap()))
}

/// OpenSSL's command line in a folder of its own.
pub struct OpenSsl(tempfile::TempDir);

impl OpenSsl {
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        std::fs::write(self.0.path().join(name), bytes).unwrap();
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.0.path().join(name)).unwrap()
    }

    pub fn run(&self, command: &str) -> Output {
        Command::new("openssl").args(command.split(' ')).current_dir(self.0.path()).output().unwrap()
    }

    /// Runs a command that must succeed, and returns what it printed.
    pub fn ok(&self, command: &str) -> String {
        let output = self.run(command);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "openssl {command}: {error}");
        String::from_utf8_lossy(&output.stdout).into_owned() + &error
    }

    /// Runs a command that must fail.
    pub fn fails(&self, command: &str) {
        assert!(!self.run(command).status.success(), "openssl {command} accepts it");
    }
}
