//! Keys and certificates of a small world. Its keys are known to everybody and its signatures are
//! deterministic (RFC 6979), so that every process makes the same octets.
use p256::ecdsa::{DerSignature, SigningKey};
use std::sync::LazyLock;
use wire::certificate::HardwareModuleName;
use wire::certificate::profile::{Profile, Validity, issue};
use wire::{Certificate, Oid, PublicKey, Signer, SignerFailed};

/// 2026-01-01T00:00:00Z.
pub const START: i64 = 1_767_225_600_000;
/// A moment at which every certificate is valid.
pub const NOW: i64 = START + 1_000_000_000;
/// The device's serial number.
pub const SERIAL_NUMBER: &str = "A-1";

/// A key that everybody knows.
pub struct Key(SigningKey);

impl Key {
    /// The key whose number has this octet throughout.
    pub fn new(octet: u8) -> Self {
        Self(SigningKey::from_slice(&[octet; 32]).expect("a number below the group's order"))
    }

    /// Its public half.
    pub fn public(&self) -> PublicKey {
        PublicKey::of(self).expect("a point of the curve")
    }
}

impl Signer for Key {
    fn public_point(&self) -> [u8; 65] {
        let point = self.0.verifying_key().to_sec1_point(false);
        point.as_bytes().try_into().expect("an uncompressed point")
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignerFailed> {
        let signature: DerSignature = p256::ecdsa::signature::Signer::sign(&self.0, message);
        Ok(signature.as_bytes().to_vec())
    }
}

/// A key and its certificate.
pub struct Identity {
    /// The key.
    pub key: Key,
    /// The certificate.
    pub certificate: Certificate,
}

impl Identity {
    fn new(octet: u8, profile: &Profile, issuer: Option<&Self>) -> Self {
        let key = Key::new(octet);
        let signer = issuer.map_or(&key, |issuer| &issuer.key);
        let (issuer, years) =
            (issuer.map(|it| &it.certificate), Validity { not_before: START, not_after: None });
        let certificate =
            issue(profile, &key.public(), issuer, [octet; 16], years, signer).expect("a good profile");
        Self { key, certificate }
    }
}

/// Who there is.
pub struct World {
    /// An authority over all others.
    pub root: Identity,
    /// An authority below it.
    pub intermediate: Identity,
    /// A device with its identity from the factory.
    pub idevid: Identity,
    /// The same device in its domain.
    pub ldevid: Identity,
    /// A registrar.
    pub registrar: Identity,
    /// A signer of vouchers.
    pub masa: Identity,
    /// A signer of descriptions and birth records.
    pub signer: Identity,
    /// An author of firmware.
    pub author: Identity,
}

/// The world.
pub static WORLD: LazyLock<World> = LazyLock::new(|| {
    let (common_name, organisation) = (String::from("Root"), String::from("Fuzz"));
    let root = Identity::new(1, &Profile::Root { common_name, organisation }, None);
    let (common_name, organisation) = (String::from("Intermediate"), String::from("Fuzz"));
    let intermediate = Identity::new(2, &Profile::Intermediate { common_name, organisation }, Some(&root));
    let serial_number = SERIAL_NUMBER.to_owned();
    let hardware =
        HardwareModuleName { kind: Oid::new_unwrap("1.3.6.1.4.1.32473.1.7"), serial: b"\0\xff1".to_vec() };
    let mud_url = Some("https://maker.example/lamp.json".to_owned());
    let masa_url = Some("masa.maker.example:9443".to_owned());
    let idevid = Profile::IdevId { serial_number: serial_number.clone(), hardware, mud_url, masa_url };
    let dns_names = vec!["localhost".to_owned()];
    let addresses = vec!["127.0.0.1".parse().expect("an address")];
    let registrar = Profile::Registrar { common_name: "registrar".into(), dns_names, addresses };
    World {
        idevid: Identity::new(3, &idevid, Some(&intermediate)),
        ldevid: Identity::new(4, &Profile::LdevId { serial_number, device_id: "lamp".into() }, Some(&root)),
        registrar: Identity::new(5, &registrar, Some(&root)),
        masa: Identity::new(6, &Profile::Masa { common_name: "masa".into() }, Some(&root)),
        signer: Identity::new(7, &Profile::Signer { common_name: "signer".into() }, Some(&root)),
        author: Identity::new(8, &Profile::Author { common_name: "author".into() }, Some(&root)),
        root,
        intermediate,
    }
});

impl World {
    /// All certificates, the authorities last.
    pub fn certificates(&self) -> Vec<Certificate> {
        let all = [
            &self.idevid,
            &self.ldevid,
            &self.registrar,
            &self.masa,
            &self.signer,
            &self.author,
            &self.intermediate,
            &self.root,
        ];
        all.map(|it| it.certificate.clone()).to_vec()
    }
}
