//! Certification requests, both ways with OpenSSL.
use crate::support::{TestKey, corpus, openssl};
use wire::certificate::{Name, NameAttribute};
use wire::csr::{Csr, CsrRefused, make};
use wire::key::KeyRefused;
use wire::oid::{ECDSA_SHA256, ECDSA_SHA384};

fn name() -> Name {
    Name::new(&[(NameAttribute::CommonName, "lamp-7"), (NameAttribute::SerialNumber, "A-1")]).unwrap()
}

#[test]
fn openssl_verifies_ours() {
    let Some(openssl) = openssl("openssl_verifies_ours") else { return };
    let key = TestKey::new();
    for challenge in [None, Some("tls-unique")] {
        let der = make(&name(), challenge, &key).unwrap();
        openssl.write("it.csr", &der);
        let text = openssl.ok("req -verify -inform DER -in it.csr -noout -text");
        assert!(text.contains("verify OK") && text.contains("serialNumber = A-1"), "{text}");
        let csr = Csr::from_der(&der).unwrap();
        assert_eq!((csr.subject(), csr.public_key()), (&name(), &key.public()));
        assert_eq!(csr.serial_number().as_deref(), Some("A-1"));
        assert_eq!(csr.challenge_password().as_deref(), challenge);
        assert_eq!(csr.signature_algorithm(), ECDSA_SHA256);
    }
}

#[test]
fn openssls_are_read() {
    let Some(openssl) = openssl("openssls_are_read") else { return };
    openssl.write(
        "it.cnf",
        "[req]\ndistinguished_name=dn\nattributes=at\n[dn]\n[at]\nchallengePassword=secret\n",
    );
    for (curve, digest, algorithm) in
        [("prime256v1", "sha256", ECDSA_SHA256), ("secp384r1", "sha384", ECDSA_SHA384)]
    {
        openssl.ok(&format!("ecparam -name {curve} -genkey -noout -out it.key"));
        let subject = "-subj /CN=x/serialNumber=A-1 -addext subjectAltName=DNS:x -config it.cnf -batch";
        openssl.ok(&format!("req -new -key it.key -{digest} {subject} -outform DER -out it.csr"));
        let csr = Csr::from_der(&openssl.read("it.csr")).unwrap();
        assert_eq!(csr.signature_algorithm(), algorithm);
        assert_eq!(csr.serial_number().as_deref(), Some("A-1"));
        assert_eq!(csr.requested_extensions(), [wire::Oid::new_unwrap("2.5.29.17")]);
    }
    openssl.ok("req -new -newkey rsa:2048 -nodes -keyout rsa.key -subj /CN=x -outform DER -out it.csr");
    let rsa = Csr::from_der(&openssl.read("it.csr"));
    assert!(matches!(rsa, Err(CsrRefused::Key(KeyRefused::UnsupportedAlgorithm(_)))), "{rsa:?}");
}

#[test]
fn no_flipped_byte_is_accepted() {
    let der = make(&name(), Some("tls-unique"), &TestKey::new()).unwrap();
    for position in 0..der.len() {
        for mask in [0x01, 0x20, 0x80, 0xff] {
            let mut damaged = der.clone();
            damaged[position] ^= mask;
            assert!(Csr::from_der(&damaged).is_err(), "byte {position} ^ {mask:#x}");
        }
    }
}

#[test]
fn published_requests_prove_possession() {
    let Some(folder) = corpus("published_requests_prove_possession", "vectors/onboarding") else { return };
    for name in [
        "rfc9148/sen-request.csr.der",
        "rfc9148/skg-request.csr.der",
        "fountain-spec-files/csr_f20002.csr",
        "fountain-spec-files/csr_bulb1.der",
        "fountain-spec-files/csr_bulb03.der",
    ] {
        let csr = Csr::from_der(&std::fs::read(folder.join(name)).unwrap()).unwrap();
        assert!(!csr.subject().is_empty(), "{name}");
    }
}
