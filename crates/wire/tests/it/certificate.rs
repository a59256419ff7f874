//! Certificates: the profiles as OpenSSL reads them, and OpenSSL's as we do.
use crate::support::{
    FOR_EVER, Identity, START, TestKey, YEARS, author, idevid, intermediate, ldevid, masa, openssl,
    registrar, serial, signer,
};
use wire::certificate::profile::{IssueRefused, Profile, Validity, issue};
use wire::certificate::{Certificate, CertificateRefused, HardwareModuleName, NO_END, NameRefused};
use wire::key::{Curve, KeyRefused};

#[test]
fn openssl_shows_what_the_profiles_say() {
    let Some(openssl) = openssl("openssl_shows_what_the_profiles_say") else { return };
    let root = Identity::root("Test Root");
    let check = |profile: &Profile, wanted: &[&str], unwanted: &[&str]| {
        openssl.write("it.pem", root.issue_for(profile, FOR_EVER).certificate.to_pem());
        let text = openssl.ok("x509 -in it.pem -noout -text -nameopt RFC2253,sname");
        for line in wanted {
            assert!(text.contains(line), "{profile:?} lacks {line}:\n{text}");
        }
        for line in unwanted {
            assert!(!text.contains(line), "{profile:?} has {line}:\n{text}");
        }
    };
    let everywhere = ["Subject Key Identifier", "Authority Key Identifier", "Dec 31 23:59:59 9999 GMT"];
    for profile in [idevid(), ldevid(), registrar(), masa(), signer(), author(), intermediate("Sub")] {
        check(&profile, &everywhere, &[]);
    }
    check(
        &idevid(),
        &[
            "serialNumber=JADA123456789",
            "CA:FALSE",
            "othername: 1.3.6.1.5.5.7.8.4",
            "1.3.6.1.5.5.7.1.25",
            "https://maker.example/mud/lamp.json",
            "1.3.6.1.5.5.7.1.32",
            "masa.maker.example:9443",
        ],
        &["Key Usage"],
    );
    check(
        &ldevid(),
        &["Key Usage: critical\n                Digital Signature\n", "TLS Web Client Authentication"],
        &["Server"],
    );
    let names = "DNS:registrar.example, DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1";
    check(
        &registrar(),
        &["CMC Registration Authority, TLS Web Server Authentication, TLS Web Client", names],
        &[],
    );
    check(&masa(), &["Digital Signature", "CA:FALSE", "1.3.6.1.5.5.7.3.42\n"], &["Code Signing"]);
    check(&signer(), &["Digital Signature", "1.3.6.1.5.5.7.3.41, E-mail Protection\n"], &["Code Signing"]);
    check(&author(), &["Digital Signature", "1.3.6.1.5.5.7.3.43, Code Signing\n"], &["E-mail"]);
    check(&intermediate("Sub"), &["CA:TRUE, pathlen:0", "Certificate Sign, CRL Sign"], &["Digital"]);
}

#[test]
fn openssl_verifies_our_paths() {
    let Some(openssl) = openssl("openssl_verifies_our_paths") else { return };
    let root = Identity::root("Test Root");
    let sub = root.issue(&intermediate("Test Sub"));
    openssl.write("root.pem", root.certificate.to_pem());
    openssl.write("sub.pem", sub.certificate.to_pem());
    let verify = "verify -x509_strict -check_ss_sig -attime 1780000000 -CAfile root.pem -untrusted sub.pem";
    for (profile, purpose) in [
        (idevid(), "sslclient"),
        (ldevid(), "sslclient"),
        (registrar(), "sslserver"),
        (registrar(), "sslclient"),
        (masa(), "any"),
    ] {
        openssl.write("leaf.pem", sub.issue(&profile).certificate.to_pem());
        openssl.ok(&format!("{verify} -purpose {purpose} leaf.pem"));
    }
    let other = Identity::root("Test Root");
    openssl.write("leaf.pem", other.issue(&ldevid()).certificate.to_pem());
    openssl.fails(&format!("{verify} leaf.pem"));
}

#[test]
fn readers_give_back_what_was_issued() {
    let root = Identity::root("Test Root");
    let certificate = root.issue_for(&idevid(), FOR_EVER).certificate;
    let again = Certificate::from_pem(&certificate.to_pem()).unwrap();
    assert_eq!(again, certificate);
    assert_eq!(again.serial_number().as_deref(), Some("JADA123456789"));
    let hardware = again.hardware_module_name().unwrap();
    assert_eq!(hardware.serial, b"\x00\xffHW-42");
    assert_eq!(again.mud_url(), Some("https://maker.example/mud/lamp.json"));
    assert_eq!(again.masa_url(), Some("masa.maker.example:9443"));
    assert_eq!((again.not_before(), again.not_after()), (START, NO_END));
    assert_eq!(again.authority_key_id(), root.certificate.subject_key_id());
    assert_eq!(again.issuer(), root.certificate.subject());
    assert_eq!(again.issuer().to_string(), "CN=Test Root,O=Test");
    assert_eq!(again.issuer().organisation().as_deref(), Some("Test"));
    assert!(root.certificate.is_authority() && !again.is_authority());
    let both = [root.certificate.to_pem(), again.to_pem()].concat();
    assert_eq!(Certificate::list_from_pem(&both).unwrap(), [root.certificate, again]);
    assert_eq!(Certificate::from_pem(&both), Err(CertificateRefused::NotPem));
}

#[test]
fn issuing_is_refused_for_a_reason() {
    let root = Identity::root("Test Root");
    let leaf = root.issue(&ldevid());
    let key = TestKey::new();
    let check = |profile: &Profile, issuer: &Identity, validity: Validity, expect: IssueRefused| {
        let issuer_certificate = Some(&issuer.certificate);
        let got = issue(profile, &key.public(), issuer_certificate, serial(), validity, &issuer.key);
        assert_eq!(got, Err(expect));
    };
    check(&ldevid(), &leaf, YEARS, IssueRefused::NotAnAuthority);
    let backwards = Validity { not_before: START, not_after: Some(START - 1000) };
    check(&ldevid(), &root, backwards, IssueRefused::Validity);
    check(&ldevid(), &root, Validity { not_before: -1, not_after: None }, IssueRefused::Validity);
    let named = |name: &str| Profile::Masa { common_name: name.into() };
    check(&named(""), &root, YEARS, IssueRefused::Name(NameRefused::Length));
    check(&named(&"x".repeat(65)), &root, YEARS, IssueRefused::Name(NameRefused::Length));
    check(&named("a\nb"), &root, YEARS, IssueRefused::Name(NameRefused::Characters));
    let underscore = Profile::LdevId { serial_number: "a_b".into(), device_id: "d".into() };
    check(&underscore, &root, YEARS, IssueRefused::Name(NameRefused::Characters));
    let Profile::IdevId { serial_number, hardware, .. } = idevid() else { unreachable!() };
    let spaced = Profile::IdevId { serial_number, hardware, mud_url: Some("a b".into()), masa_url: None };
    check(&spaced, &root, YEARS, IssueRefused::Uri);

    let foreign = issue(&ldevid(), &key.public(), Some(&root.certificate), serial(), YEARS, &key);
    assert_eq!(foreign, Err(IssueRefused::WrongSigner));
    let not_self = issue(&intermediate("x"), &key.public(), None, serial(), YEARS, &root.key);
    assert_eq!(not_self, Err(IssueRefused::WrongSigner));
    let zero = issue(&intermediate("x"), &key.public(), None, [0; 16], YEARS, &key);
    assert_eq!(zero, Err(IssueRefused::Serial));
}

#[test]
fn a_comma_in_a_name_stays_a_comma() {
    let key = TestKey::new();
    let name = "Lamps, O=Evil+CN=x";
    let profile = Profile::Root { common_name: name.into(), organisation: "Test \"#1\"".into() };
    let certificate = issue(&profile, &key.public(), None, [0xff; 16], FOR_EVER, &key).unwrap();
    assert_eq!(certificate.subject().common_name().as_deref(), Some(name));
    assert_eq!(certificate.subject().organisation().as_deref(), Some("Test \"#1\""));
    assert_eq!(certificate.serial()[0], 0x7f);
}

#[test]
fn certificates_made_by_openssl_are_read() {
    let Some(openssl) = openssl("certificates_made_by_openssl_are_read") else { return };
    openssl.ok("ecparam -name secp384r1 -genkey -noout -out ca.key");
    openssl.ok("req -x509 -new -key ca.key -sha384 -subj /O=Other/CN=Other\\x20CA -days 30 -out ca.pem");
    openssl.ok("ecparam -name prime256v1 -genkey -noout -out leaf.key");
    openssl.ok("req -new -key leaf.key -subj /serialNumber=A-1 -out leaf.csr");
    let hardware = "otherName:1.3.6.1.5.5.7.8.4;SEQUENCE:hw";
    openssl.write(
        "leaf.ext",
        format!(
            "subjectAltName={hardware},DNS:a.example,IP:10.1.2.3\n\
             1.3.6.1.5.5.7.1.25=ASN1:IA5STRING:https://a.example/m\n\
             [hw]\ntype=OID:1.3.6.1.4.1.32473.9\nserial=FORMAT:HEX,OCT:0102\n"
        ),
    );
    openssl.ok(
        "x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -sha256 -days 9 -extfile leaf.ext -out leaf.pem",
    );
    let read = |name: &str| Certificate::from_pem(&String::from_utf8(openssl.read(name)).unwrap()).unwrap();
    let (ca, leaf) = (read("ca.pem"), read("leaf.pem"));
    assert_eq!(ca.public_key().curve(), Curve::P384);
    assert_eq!(leaf.serial_number().as_deref(), Some("A-1"));
    assert_eq!(leaf.mud_url(), Some("https://a.example/m"));
    assert_eq!(leaf.dns_names(), ["a.example"]);
    assert_eq!(leaf.addresses()[0].to_string(), "10.1.2.3");
    let kind = wire::Oid::new_unwrap("1.3.6.1.4.1.32473.9");
    assert_eq!(leaf.hardware_module_name(), Some(&HardwareModuleName { kind, serial: vec![1, 2] }));
    leaf.verify_signature(ca.public_key()).unwrap();
    ca.verify_signature(ca.public_key()).unwrap();
    assert!(ca.verify_signature(leaf.public_key()).is_err());

    openssl.ok("req -x509 -newkey rsa:2048 -nodes -keyout rsa.key -subj /CN=rsa -days 30 -out rsa.pem");
    let rsa = Certificate::from_pem(&String::from_utf8(openssl.read("rsa.pem")).unwrap());
    assert!(matches!(rsa, Err(CertificateRefused::Key(KeyRefused::UnsupportedAlgorithm(_)))), "{rsa:?}");
}

#[test]
fn a_key_survives_its_spki() {
    let Some(openssl) = openssl("a_key_survives_its_spki") else { return };
    for (curve, name) in [(Curve::P256, "prime256v1"), (Curve::P384, "secp384r1")] {
        openssl.ok(&format!("ecparam -name {name} -genkey -noout -out it.key"));
        openssl.ok("ec -in it.key -pubout -outform DER -out it.spki");
        let spki = openssl.read("it.spki");
        let key = wire::PublicKey::from_spki_der(&spki).unwrap();
        assert_eq!((key.curve(), key.spki_der()), (curve, spki.clone()));
        // The hybrid form, which says the parity of y once more.
        let mut hybrid = key.point().to_vec();
        hybrid[0] = 6 + (hybrid[hybrid.len() - 1] & 1);
        assert_eq!(wire::PublicKey::from_point(curve, &hybrid), Err(KeyRefused::NotOnCurve));
        let mut beside = spki;
        *beside.last_mut().unwrap() ^= 1;
        assert_eq!(wire::PublicKey::from_spki_der(&beside), Err(KeyRefused::NotOnCurve));
    }
}

#[test]
fn contradictions_are_refused() {
    let certificate = Identity::root("Test Root").issue(&idevid()).certificate;
    let check = |from: &[u8], to: &[u8], expect: CertificateRefused| {
        let mut der = certificate.der().to_vec();
        let at = der.windows(from.len()).position(|window| window == from).unwrap();
        der[at..at + to.len()].copy_from_slice(to);
        assert_eq!(Certificate::from_der(&der), Err(expect));
    };
    // ecdsa-with-SHA256 inside becomes ecdsa-with-SHA384; outside it stays.
    let sha256 = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
    let sha384 = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03];
    check(&sha256, &sha384, CertificateRefused::AlgorithmsDiffer);
    // The MUD URL's extension becomes a second MASA URL.
    let mud = [0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x01, 25];
    let masa = [0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x01, 32];
    let masa_url = wire::Oid::new_unwrap("1.3.6.1.5.5.7.1.32");
    check(&mud, &masa, CertificateRefused::Extension(masa_url));
}
