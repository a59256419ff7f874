//! Bodies of EST: the RFC's own example, OpenSSL, and published messages.
use crate::support::{Identity, TestKey, corpus, intermediate, ldevid, masa, openssl};
use wire::certificate::Name;
use wire::cms::sign;
use wire::csr::{Csr, make};
use wire::est::{
    CsrAttribute, CsrAttributes, EstRefused, certs_only, decode_body, encode_body, read_certs_only,
};
use wire::limits::EST_BODY_BYTES_MAX;
use wire::oid::{CHALLENGE_PASSWORD, DATA, EC_PUBLIC_KEY, ECDSA_SHA384, EXTENSION_REQUEST, P384};

/// RFC 8951 section 4.
const EXAMPLE: &[u8] = b"MEEGCSqGSIb3DQEJBzASBgcqhkjOPQIBMQcGBSuBBAAiMBYGCSqGSIb3DQEJDjEJ\r\n\
    BgcrBgEBAQEWBggqhkjOPQQDAw==\n";

#[test]
fn the_example_of_csr_attributes() {
    let mac_address = wire::Oid::new_unwrap("1.3.6.1.1.1.1.22");
    let attributes = CsrAttributes(vec![
        CsrAttribute::Oid(CHALLENGE_PASSWORD),
        CsrAttribute::Attribute(EC_PUBLIC_KEY, vec![P384]),
        CsrAttribute::Attribute(EXTENSION_REQUEST, vec![mac_address]),
        CsrAttribute::Oid(ECDSA_SHA384),
    ]);
    let der = decode_body(EXAMPLE).unwrap();
    assert_eq!(CsrAttributes::from_der(&der).unwrap(), attributes);
    assert_eq!(attributes.to_der(), der);
    assert_eq!(CsrAttributes::from_der(&CsrAttributes::default().to_der()).unwrap().0, []);

    let csr = Csr::from_der(&make(&Name::default(), None, &TestKey::new()).unwrap()).unwrap();
    assert_eq!(attributes.unmet_by(&csr), attributes.0);
    assert_eq!(CsrAttributes::p256().unmet_by(&csr), []);
    let unknown = CsrAttributes(vec![CsrAttribute::Oid(mac_address)]);
    assert_eq!(unknown.unmet_by(&csr), []);
    let many = CsrAttributes(vec![CsrAttribute::Oid(mac_address); 33]);
    assert_eq!(CsrAttributes::from_der(&many.to_der()), Err(EstRefused::TooLarge));
}

#[test]
fn bodies_with_and_without_line_breaks() {
    let check = |body: &[u8], expect: Result<&[u8], EstRefused>| {
        assert_eq!(decode_body(body).as_deref(), expect.as_ref().map(|it| *it), "{body:?}");
    };
    check(b"AAEC", Ok(&[0, 1, 2]));
    check(b" AA\r\nE\tC\n", Ok(&[0, 1, 2]));
    check(b"AAE=", Ok(&[0, 1]));
    check(b"", Ok(&[]));
    check(b"AAE", Err(EstRefused::NotBase64));
    check(b"AA-_", Err(EstRefused::NotBase64));
    check(b"AA\x0bEC", Err(EstRefused::NotBase64));
    check(&[0x30, 0x82], Err(EstRefused::NotBase64));
    check(&vec![b'A'; EST_BODY_BYTES_MAX + 4], Err(EstRefused::TooLarge));
    assert_eq!(encode_body(&[0, 1, 2]), "AAEC");
}

#[test]
fn certs_only_both_ways() {
    let Some(openssl) = openssl("certs_only_both_ways") else { return };
    let root = Identity::root("Root");
    let sub = root.issue(&intermediate("Sub"));
    let leaf = sub.issue(&ldevid());
    let all = [root.certificate, sub.certificate, leaf.certificate];
    let der = certs_only(&all);
    openssl.write("it.p7", &der);
    let text = openssl.ok("pkcs7 -inform DER -in it.p7 -print_certs -noout");
    assert_eq!(text.matches("subject=").count(), 3, "{text}");
    let read = read_certs_only(&der).unwrap();
    assert!(read.len() == 3 && all.iter().all(|certificate| read.contains(certificate)));
    assert_eq!(read_certs_only(&certs_only(&[])).unwrap(), []);

    let files: Vec<String> = (0..3).map(|index| format!("-certfile {index}.pem")).collect();
    all.iter().enumerate().for_each(|(index, it)| openssl.write(&format!("{index}.pem"), it.to_pem()));
    openssl.ok(&format!("crl2pkcs7 -nocrl {} -outform DER -out it.p7", files.join(" ")));
    assert_eq!(read_certs_only(&openssl.read("it.p7")).unwrap().len(), 3);
}

#[test]
fn a_signed_message_is_not_certs_only() {
    let signer = Identity::root("Root").issue(&masa());
    let message = sign(DATA, b"", &signer.certificate, &[], &signer.key, None, true).unwrap();
    assert_eq!(read_certs_only(&message), Err(EstRefused::NotCertsOnly));
}

#[test]
fn published_responses() {
    let Some(folder) = corpus("published_responses", "vectors/onboarding") else { return };
    for name in ["crts-response.p7.der", "sen-response.p7.der", "skg-response.p7.der"] {
        let der = std::fs::read(folder.join("rfc9148").join(name)).unwrap();
        assert_eq!(read_certs_only(&der).unwrap().len(), 1, "{name}");
    }
    for (name, entries) in [("csrattr_example02.der", 1), ("rfc7030.csr", 4)] {
        let der = std::fs::read(folder.join("fountain-spec-files").join(name)).unwrap();
        assert_eq!(CsrAttributes::from_der(&der).unwrap().0.len(), entries, "{name}");
    }
}
