//! Certification paths: what is accepted, and which rule each other one breaks.
use crate::support::{
    END, Identity, NOW, START, TestKey, YEARS, author, idevid, intermediate, ldevid, masa, openssl,
    registrar, serial, signer,
};
use wire::Certificate;
use wire::certificate::chain::{ChainRefused, Purpose, verify_chain};
use wire::certificate::profile::{Profile, issue};

fn refusal(
    leaf: &Certificate,
    intermediates: &[Certificate],
    anchors: &[Certificate],
    purpose: Purpose,
) -> ChainRefused {
    verify_chain(leaf, intermediates, anchors, Some(NOW), purpose).unwrap_err()
}

#[test]
fn good_paths() {
    let root = Identity::root("Root");
    let sub = root.issue(&intermediate("Sub"));
    let anchors = [root.certificate.clone()];
    let subs = [sub.certificate.clone()];
    for (profile, purpose) in [
        (idevid(), Purpose::Device),
        (ldevid(), Purpose::Device),
        (registrar(), Purpose::Registrar),
        (registrar(), Purpose::Server),
        (registrar(), Purpose::Device),
        (masa(), Purpose::Voucher),
        (signer(), Purpose::Description),
        (author(), Purpose::Release),
    ] {
        let leaf = sub.issue(&profile).certificate;
        let path = verify_chain(&leaf, &subs, &anchors, Some(NOW), purpose).unwrap();
        assert_eq!(path.certificates(), [&leaf, &subs[0], &anchors[0]]);
        assert_eq!(path.anchor(), &anchors[0]);
        let short = verify_chain(&leaf, &[], &subs, Some(NOW), purpose).unwrap();
        assert_eq!(short.anchor(), &subs[0]);
    }
    verify_chain(&subs[0], &[], &anchors, Some(NOW), Purpose::Authority).unwrap();
}

#[test]
fn purposes() {
    let root = Identity::root("Root");
    let anchors = [root.certificate.clone()];
    let check = |profile: &Profile, purpose, expect| {
        let leaf = root.issue(profile).certificate;
        assert_eq!(refusal(&leaf, &[], &anchors, purpose), expect, "{profile:?}");
    };
    let server = Profile::Server { common_name: "s".into(), dns_names: vec![], addresses: vec![] };
    check(&server, Purpose::Device, ChainRefused::ExtendedKeyUsage(Purpose::Device));
    check(&ldevid(), Purpose::Server, ChainRefused::ExtendedKeyUsage(Purpose::Server));
    check(&ldevid(), Purpose::Registrar, ChainRefused::ExtendedKeyUsage(Purpose::Registrar));
    check(&masa(), Purpose::Registrar, ChainRefused::ExtendedKeyUsage(Purpose::Registrar));
    check(&ldevid(), Purpose::Voucher, ChainRefused::ExtendedKeyUsage(Purpose::Voucher));
    check(&idevid(), Purpose::Description, ChainRefused::KeyUsage(Purpose::Description));
    check(&idevid(), Purpose::Voucher, ChainRefused::Device(Purpose::Voucher));
    check(&ldevid(), Purpose::Authority, ChainRefused::KeyUsage(Purpose::Authority));
    check(&intermediate("Sub"), Purpose::Voucher, ChainRefused::KeyUsage(Purpose::Voucher));
}

/// Who may sign what, for certificates of ours and of other makers.
#[test]
fn signers_sign_for_their_purpose_alone() {
    let Some(openssl) = openssl("chain::signers_sign_for_their_purpose_alone") else { return };
    let root = Identity::root("Root");
    let check = |leaf: &Certificate, anchors: &[Certificate], expect: &[Purpose]| {
        let purposes = [Purpose::Voucher, Purpose::Description, Purpose::Release];
        let judge = |purpose: &Purpose| verify_chain(leaf, &[], anchors, None, *purpose).is_ok();
        let good: Vec<Purpose> = purposes.into_iter().filter(judge).collect();
        assert_eq!(good, expect, "{}", leaf.subject());
    };
    let ours = |profile: &Profile, expect: &[Purpose]| {
        check(&root.issue(profile).certificate, std::slice::from_ref(&root.certificate), expect);
    };
    ours(&masa(), &[Purpose::Voucher]);
    ours(&signer(), &[Purpose::Description]);
    ours(&author(), &[Purpose::Release]);
    ours(&registrar(), &[]);
    ours(&idevid(), &[]);
    ours(&ldevid(), &[]);
    let theirs = |usage: &str, expect: &[Purpose]| {
        openssl.ok("ecparam -name prime256v1 -genkey -noout -out them.key");
        openssl.ok(&format!("req -x509 -new -key them.key -subj /CN=Them -out them.pem{usage}"));
        let leaf = Certificate::from_pem(&String::from_utf8(openssl.read("them.pem")).unwrap()).unwrap();
        check(&leaf, std::slice::from_ref(&leaf), expect);
    };
    let signing = " -addext keyUsage=critical,digitalSignature -addext extendedKeyUsage=";
    let with = |purposes: &str| format!("{signing}{purposes}");
    // As RFC 8995 appendix C.1.2 and the example of RFC 8520 section 13.1 have it: without purposes.
    theirs(" -addext keyUsage=critical,digitalSignature", &[Purpose::Voucher, Purpose::Description]);
    theirs("", &[Purpose::Voucher]);
    theirs(&with("1.3.6.1.5.5.7.3.42"), &[Purpose::Voucher]);
    theirs(&with("1.3.6.1.5.5.7.3.41"), &[Purpose::Description]);
    theirs(&with("emailProtection"), &[Purpose::Description]);
    theirs(&with("codeSigning"), &[Purpose::Release]);
    theirs(&with("1.3.6.1.5.5.7.3.43"), &[Purpose::Release]);
    theirs(&with("codeSigning,emailProtection"), &[Purpose::Description, Purpose::Release]);
    theirs(&with("anyExtendedKeyUsage"), &[Purpose::Voucher, Purpose::Description]);
    theirs(&with("timeStamping"), &[]);
    theirs(" -addext keyUsage=critical,keyCertSign -addext extendedKeyUsage=codeSigning", &[]);
}

#[test]
fn every_certificate_has_its_time() {
    let root = Identity::root("Root");
    let leaf = root.issue(&ldevid()).certificate;
    let anchors = [root.certificate.clone()];
    let at = |at| verify_chain(&leaf, &[], &anchors, at, Purpose::Device).map(|_| ());
    let name = leaf.subject().to_string();
    assert_eq!(at(Some(START)), Ok(()));
    assert_eq!(at(Some(START - 1)), Err(ChainRefused::NotYetValid(name.clone())));
    assert_eq!(at(Some(END + 999)), Ok(()));
    assert_eq!(at(Some(END + 1000)), Err(ChainRefused::Expired(name)));
    assert_eq!(at(None), Ok(()));

    let key = TestKey::new();
    let profile = Profile::Root { common_name: "Old".into(), organisation: "Test".into() };
    let old = issue(&profile, &key.public(), None, serial(), YEARS, &key).unwrap();
    let old = Identity { key, certificate: old };
    let young = old.issue_for(&ldevid(), crate::support::FOR_EVER).certificate;
    let anchors = [old.certificate];
    let after = verify_chain(&young, &[], &anchors, Some(END + 1000), Purpose::Device);
    assert_eq!(after, Err(ChainRefused::Expired("CN=Old,O=Test".into())));
}

#[test]
fn impostors() {
    let root = Identity::root("Root");
    let twin = Identity::root("Root");
    let anchors = [root.certificate.clone()];
    let forged = twin.issue(&ldevid()).certificate;
    let name = forged.subject().to_string();
    assert_eq!(refusal(&forged, &[], &anchors, Purpose::Device), ChainRefused::BadSignature(name));
    // The twin as an intermediate does not help: nobody vouches for it.
    let twins = [twin.certificate.clone()];
    let got = refusal(&forged, &twins, &anchors, Purpose::Device);
    assert_eq!(got, ChainRefused::BadSignature("CN=Root,O=Test".into()));
    let stranger = Identity::root("Stranger").issue(&ldevid()).certificate;
    let got = refusal(&stranger, &[], &anchors, Purpose::Device);
    assert_eq!(got, ChainRefused::NoIssuer("CN=Stranger,O=Test".into()));
    // Both anchors bear the name, one of them the key: the order does not matter.
    let leaf = root.issue(&ldevid()).certificate;
    let both = [twin.certificate.clone(), root.certificate.clone()];
    verify_chain(&leaf, &[], &both, Some(NOW), Purpose::Device).unwrap();
}

#[test]
fn authorities_only_within_their_bounds() {
    let root = Identity::root("Root");
    let sub = root.issue(&intermediate("Sub"));
    let deeper = sub.issue(&intermediate("Deeper"));
    let leaf = deeper.issue(&ldevid()).certificate;
    let between = [deeper.certificate.clone(), sub.certificate.clone()];
    let anchors = [root.certificate.clone()];
    let got = refusal(&leaf, &between, &anchors, Purpose::Device);
    assert_eq!(got, ChainRefused::PathLength("CN=Sub,O=Test".into()));
    // The authority itself is a leaf and does not count.
    verify_chain(&deeper.certificate, &between, &anchors, Some(NOW), Purpose::Authority).unwrap();
}

#[test]
fn end_entities_do_not_issue() {
    let Some(openssl) = openssl("end_entities_do_not_issue") else { return };
    openssl.ok("ecparam -name prime256v1 -genkey -noout -out it.key");
    let certificate = |extensions: &[&str]| {
        openssl.write("it.cnf", "[req]\ndistinguished_name=dn\n[dn]\n");
        let added: String = extensions.iter().map(|it| format!(" -addext {it}")).collect();
        let made = "req -x509 -new -key it.key -config it.cnf -subj /CN=It -days 30 -out it.pem";
        openssl.ok(&format!("{made}{added}"));
        Certificate::from_pem(&String::from_utf8(openssl.read("it.pem")).unwrap()).unwrap()
    };
    let leaf = || {
        openssl.ok("ecparam -name prime256v1 -genkey -noout -out leaf.key");
        openssl.ok("req -new -key leaf.key -config it.cnf -subj /CN=leaf -out leaf.csr");
        openssl.ok("x509 -req -in leaf.csr -CA it.pem -CAkey it.key -days 9 -out leaf.pem");
        Certificate::from_pem(&String::from_utf8(openssl.read("leaf.pem")).unwrap()).unwrap()
    };
    let check = |extensions: &[&str], expect: Option<ChainRefused>| {
        let anchors = [certificate(extensions)];
        let leaf = leaf();
        let got = verify_chain(&leaf, &[], &anchors, None, Purpose::Device);
        assert_eq!(got.err(), expect, "{extensions:?}");
    };
    let it = || "CN=It".to_string();
    check(&["basicConstraints=critical,CA:TRUE"], None);
    check(&["basicConstraints=critical,CA:TRUE", "keyUsage=keyCertSign"], None);
    check(&["basicConstraints=CA:FALSE"], Some(ChainRefused::NotAnAuthority(it())));
    check(&["subjectAltName=DNS:x"], Some(ChainRefused::NotAnAuthority(it())));
    check(
        &["basicConstraints=critical,CA:TRUE", "keyUsage=digitalSignature"],
        Some(ChainRefused::MayNotSignCertificates(it())),
    );
    for unknown in ["1.2.3.4=critical,ASN1:NULL", "nameConstraints=permitted;DNS:x"] {
        let anchors = [certificate(&["basicConstraints=critical,CA:TRUE", unknown])];
        let got = verify_chain(&leaf(), &[], &anchors, None, Purpose::Device).unwrap_err();
        assert!(matches!(got, ChainRefused::UnknownCritical(..)), "{unknown}: {got}");
    }
    check(&["basicConstraints=critical,CA:TRUE", "1.2.3.4=ASN1:NULL"], None);
}

#[test]
fn a_pinned_registrar_is_its_own_anchor() {
    let domain = Identity::root("Domain");
    let old = domain.issue(&registrar());
    let anchors = [old.certificate.clone()];
    let path = verify_chain(&old.certificate, &[], &anchors, None, Purpose::Registrar).unwrap();
    assert_eq!(path.certificates(), [&old.certificate]);
    // Renewed with the same key: RFC 8995 section 5.6.2 compares keys, for registrars only.
    let key = old.key.public();
    let authority = Some(&domain.certificate);
    let renewed = issue(&registrar(), &key, authority, serial(), YEARS, &domain.key).unwrap();
    let path = verify_chain(&renewed, &[], &anchors, None, Purpose::Registrar).unwrap();
    assert_eq!(path.anchor(), &old.certificate);
    let got = refusal(&renewed, &[], &anchors, Purpose::Server);
    assert_eq!(got, ChainRefused::NoIssuer("CN=Domain,O=Test".into()));
    // A pinned end entity vouches for nobody else: that takes an authority to even issue.
    let other = domain.issue(&registrar()).certificate;
    let got = refusal(&other, &[], &anchors, Purpose::Registrar);
    assert_eq!(got, ChainRefused::NoIssuer("CN=Domain,O=Test".into()));
}

#[test]
fn a_search_ends() {
    let twins: Vec<Identity> = (0..8).map(|_| Identity::root("Loop")).collect();
    let mut crossed = Vec::new();
    for issuer in &twins {
        for subject in &twins {
            let profile = Profile::Root { common_name: "Loop".into(), organisation: "Test".into() };
            let key = subject.key.public();
            let authority = Some(&issuer.certificate);
            crossed.push(issue(&profile, &key, authority, serial(), YEARS, &issuer.key).unwrap());
        }
    }
    let leaf = twins[0].issue(&ldevid()).certificate;
    let anchors = [Identity::root("Elsewhere").certificate];
    assert_eq!(refusal(&leaf, &crossed, &anchors, Purpose::Device), ChainRefused::TooMuchWork);
}
