//! Signed messages: OpenSSL against us both ways, and every byte flipped.
use crate::support::{Identity, NOW, YEARS, idevid, ldevid, masa, openssl, serial};
use wire::certificate::chain::{Purpose, verify_chain};
use wire::certificate::profile::issue;
use wire::cms::{CmsRefused, sign, verify};
use wire::oid::{ANIMA_JSON_VOUCHER, DATA, MUD};
use wire::{Certificate, Oid};

const CONTENT: &[u8] = b"{\"ietf-voucher:voucher\":{\"serial-number\":\"1\"}}\r\n";

#[test]
fn openssl_accepts_ours() {
    let Some(openssl) = openssl("openssl_accepts_ours") else { return };
    let root = Identity::root("Root");
    let signer = root.issue(&masa());
    openssl.write("root.pem", root.certificate.to_pem());
    openssl.write("content", CONTENT);
    let verify =
        "cms -verify -binary -inform DER -in it.cms -CAfile root.pem -purpose any -attime 1780000000";
    for content_type in [ANIMA_JSON_VOUCHER, DATA, MUD] {
        for time in [None, Some(NOW), Some(4_000_000_000_000)] {
            let chain = [root.certificate.clone()];
            let make = |detached| {
                sign(content_type, CONTENT, &signer.certificate, &chain, &signer.key, time, detached).unwrap()
            };
            openssl.write("it.cms", make(false));
            openssl.ok(&format!("{verify} -out out"));
            assert_eq!(openssl.read("out"), CONTENT);
            // RFC 5652 section 5.1.
            let printed = openssl.ok("cms -cmsout -print -noout -inform DER -in it.cms");
            let version = if content_type == DATA { "version: 1" } else { "version: 3" };
            let first = printed.lines().find(|line| line.contains("version:")).unwrap();
            assert!(first.contains(version), "{content_type}: {first}");
            openssl.write("it.cms", make(true));
            openssl.ok(&format!("{verify} -content content -out out"));
            openssl.fails(&format!("{verify} -out out"));
            openssl.write("other", b"other");
            openssl.fails(&format!("{verify} -content other -out out"));
        }
    }
}

#[test]
fn ours_says_what_was_signed() {
    let root = Identity::root("Root");
    let signer = root.issue(&idevid());
    let chain = [root.certificate.clone(), signer.certificate.clone()];
    let message = sign(MUD, CONTENT, &signer.certificate, &chain, &signer.key, Some(NOW + 7), true).unwrap();
    let verified = verify(&message, Some(CONTENT), &[]).unwrap();
    assert_eq!(verified.content, CONTENT);
    assert_eq!(verified.content_type, MUD);
    assert_eq!(verified.signer, signer.certificate);
    assert_eq!(verified.certificates.len(), 2);
    assert_eq!(verified.signing_time, Some(NOW));
    assert_eq!(verify(&message, None, &[]), Err(CmsRefused::ContentMissing));
    assert_eq!(verify(&message, Some(b"other"), &[]), Err(CmsRefused::DigestDiffers));
    let attached = sign(MUD, CONTENT, &signer.certificate, &[], &signer.key, None, false).unwrap();
    assert_eq!(verify(&attached, Some(CONTENT), &[]), Err(CmsRefused::NotDetached));
    assert_eq!(verify(&attached, None, &[]).unwrap().signing_time, None);
    // The signature's own algorithm, the last one there, becomes ecdsa-with-SHA384.
    let sha256 = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
    let mut other_hash = attached.clone();
    let at = attached.windows(sha256.len()).rposition(|window| window == sha256).unwrap();
    other_hash[at + 7] = 0x03;
    assert_eq!(verify(&other_hash, None, &[]), Err(CmsRefused::Algorithm));
    let mut trailing = attached;
    trailing.push(0);
    assert!(matches!(verify(&trailing, None, &[]), Err(CmsRefused::Malformed(_))));
}

#[test]
fn a_key_that_is_not_the_certificates_is_refused() {
    let root = Identity::root("Root");
    let (one, other) = (root.issue(&masa()), root.issue(&masa()));
    let message = sign(DATA, CONTENT, &one.certificate, &[], &other.key, None, false).unwrap();
    assert_eq!(verify(&message, None, &[]), Err(CmsRefused::BadSignature));
}

#[test]
fn the_signer_is_the_certificate_that_is_named() {
    let root = Identity::root("Root");
    let signer = root.issue(&masa());
    let key = signer.key.public();
    for _ in 0..8 {
        let renewed = issue(&masa(), &key, Some(&root.certificate), serial(), YEARS, &root.key).unwrap();
        let message = sign(DATA, CONTENT, &signer.certificate, &[renewed], &signer.key, None, false).unwrap();
        let verified = verify(&message, None, &[]).unwrap();
        assert_eq!((verified.signer, verified.certificates.len()), (signer.certificate.clone(), 2));
    }
}

#[test]
fn openssls_are_accepted() {
    let Some(openssl) = openssl("openssls_are_accepted") else { return };
    openssl.write("content", CONTENT);
    for (curve, digest) in [("prime256v1", "sha256"), ("secp384r1", "sha384"), ("secp384r1", "sha256")] {
        openssl.ok(&format!("ecparam -name {curve} -genkey -noout -out it.key"));
        openssl.ok("req -x509 -new -key it.key -subj /CN=It -days 30 -out it.pem");
        let certificate = Certificate::from_pem(&String::from_utf8(openssl.read("it.pem")).unwrap()).unwrap();
        let make = |options: &str| {
            let sign = "cms -sign -binary -in content -signer it.pem -inkey it.key -outform DER -out it.cms";
            openssl.ok(&format!("{sign} -md {digest} {options}"));
            openssl.read("it.cms")
        };
        for options in
            ["-nodetach", "-nodetach -keyid", "-nodetach -econtent_type 1.2.840.113549.1.9.16.1.40"]
        {
            let verified = verify(&make(options), None, &[]).unwrap();
            assert_eq!((verified.content.as_slice(), &verified.signer), (CONTENT, &certificate), "{options}");
            assert!(verified.signing_time.is_some());
        }
        // RFC 8520 section 13.1 makes MUD signatures so.
        let detached = make("-nosmimecap");
        assert_eq!(verify(&detached, Some(CONTENT), &[]).unwrap().signer, certificate);
        assert_eq!(verify(&detached, Some(b"{}"), &[]), Err(CmsRefused::DigestDiffers));
        let bare = make("-nodetach -nocerts");
        assert_eq!(verify(&bare, None, &[]), Err(CmsRefused::NoSignerCertificate));
        let extra = [certificate.clone()];
        assert!(verify(&bare, None, &extra).unwrap().certificates.is_empty());
        assert_eq!(verify(&make("-nodetach -noattr"), None, &[]), Err(CmsRefused::NoSignedAttributes));
        // In PKCS#7 the content is whatever the type says, RFC 5652 section 5.2.1.
        openssl.ok("cms -data_create -in content -outform DER -out data.cms");
        let data = verify(&openssl.read("data.cms"), None, &[]);
        assert_eq!(data, Err(CmsRefused::NotSignedData(DATA)));
    }
    let two = "-signer it.pem -inkey it.key -signer two.pem -inkey two.key";
    openssl.ok("ecparam -name prime256v1 -genkey -noout -out two.key");
    openssl.ok("req -x509 -new -key two.key -subj /CN=Two -days 30 -out two.pem");
    openssl.ok(&format!("cms -sign -nodetach -in content {two} -outform DER -out it.cms"));
    assert_eq!(verify(&openssl.read("it.cms"), None, &[]), Err(CmsRefused::NotOneSigner));
    openssl.ok("req -x509 -newkey rsa:2048 -nodes -keyout rsa.key -subj /CN=rsa -days 30 -out rsa.pem");
    openssl.ok("cms -sign -nodetach -in content -signer rsa.pem -inkey rsa.key -outform DER -out it.cms");
    assert_eq!(verify(&openssl.read("it.cms"), None, &[]), Err(CmsRefused::Algorithm));
    // A stranger's certificate that we cannot use does not spoil the message.
    let with = "-signer two.pem -inkey two.key -certfile rsa.pem";
    openssl.ok(&format!("cms -sign -nodetach -in content {with} -outform DER -out it.cms"));
    assert_eq!(verify(&openssl.read("it.cms"), None, &[]).unwrap().certificates.len(), 1);
}

/// Verified and judged: the content, its type and its signer, or nothing.
fn judge(message: &[u8], anchors: &[Certificate]) -> Option<(Vec<u8>, Oid, Certificate)> {
    let verified = verify(message, None, &[]).ok()?;
    let signer = &verified.signer;
    verify_chain(signer, &verified.certificates, anchors, Some(NOW), Purpose::Voucher).ok()?;
    Some((verified.content, verified.content_type, verified.signer))
}

#[test]
fn no_flipped_byte_changes_content_or_signer() {
    let root = Identity::root("Root");
    let signer = root.issue(&masa());
    let anchors = [root.certificate.clone()];
    let message =
        sign(ANIMA_JSON_VOUCHER, CONTENT, &signer.certificate, &anchors, &signer.key, Some(NOW), false)
            .unwrap();
    let good = judge(&message, &anchors).unwrap();
    assert_eq!(good, (CONTENT.to_vec(), ANIMA_JSON_VOUCHER, signer.certificate));
    let mut survivors = 0;
    for position in 0..message.len() {
        for mask in [0x01, 0x20, 0x80, 0xff] {
            let mut damaged = message.clone();
            damaged[position] ^= mask;
            if let Some(judged) = judge(&damaged, &anchors) {
                assert_eq!(judged, good, "byte {position} ^ {mask:#x}");
                survivors += 1;
            }
        }
    }
    // What nobody signed may change: two versions, the list of digest algorithms, and the copy of
    // the anchor, which need not be there.
    assert!(survivors < message.len(), "{survivors}");
}

#[test]
fn a_leaf_signs_with_its_own_purpose() {
    let root = Identity::root("Root");
    let device = root.issue(&ldevid());
    let message = sign(DATA, CONTENT, &device.certificate, &[], &device.key, None, false).unwrap();
    let verified = verify(&message, None, &[]).unwrap();
    let anchors = [root.certificate];
    verify_chain(&verified.signer, &[], &anchors, Some(NOW), Purpose::Device).unwrap();
    assert!(judge(&message, &anchors).is_none());
}
