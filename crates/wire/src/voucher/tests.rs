use super::*;

const NONCE: &str = "62a2e7693d82fcda2624de58fb6722e5";

fn voucher(fields: &str) -> Result<Voucher, String> {
    let text = format!("{{\"ietf-voucher:voucher\":{{{fields}}}}}");
    Voucher::from_json(text.as_bytes()).map_err(|error| error.to_string())
}

fn request(fields: &str) -> Result<VoucherRequest, String> {
    let text = format!("{{\"ietf-voucher-request:voucher\":{{{fields}}}}}");
    VoucherRequest::from_json(text.as_bytes()).map_err(|error| error.to_string())
}

#[test]
fn vouchers_that_are_refused() {
    let check = |fields: &str, expect: &str| {
        let fields = fields.replace("SN", "\"serial-number\":\"1\"");
        let error = voucher(&fields).unwrap_err();
        assert!(error.contains(expect), "{fields}: {error}");
    };
    check("", "\"serial-number\" is missing");
    check("\"serial-number\":1", "\"serial-number\" is not a text");
    check("\"serial-number\":\"\"", "\"serial-number\" is not a text");
    check("SN,SN", "a key is there twice");
    check("SN,\"assertion\":\"rumoured\"", "\"assertion\" is not verified");
    check("SN,\"assertion\":null", "\"assertion\" is not verified");
    check("SN,\"created-on\":\"yesterday\"", "\"created-on\" is not a date");
    check("SN,\"created-on\":1483228800", "\"created-on\" is not a date");
    check("SN,\"nonce\":\"c2hvcnQ=\"", "\"nonce\" is not base64 of 8 to 32");
    // The elided examples of RFC 8366 section 5.2 are no base64.
    check("SN,\"nonce\":\"base64encodedvalue==\"", "\"nonce\" is not base64");
    check("SN,\"pinned-domain-cert\":\"base64encodedvalue==\"", "\"pinned-domain-cert\" is not base64");
    check("SN,\"pinned-domain-cert\":\"MAA=\"", "\"pinned-domain-cert\" is no certificate");
    check("SN,\"pinned-domain-cert\":\"MA\\nA=\"", "\"pinned-domain-cert\" is not base64");
    check(
        "SN,\"domain-cert-revocation-checks\":\"true\"",
        "\"domain-cert-revocation-checks\" is not true or",
    );
    let expires = "\"expires-on\":\"2016-10-21T19:31:42Z\"";
    check(&format!("SN,{expires},\"nonce\":\"{NONCE}\""), "not both");
    check("SN,\"last-renewal-date\":\"2017-10-07T19:31:42Z\"", "needs expires-on");
}

#[test]
fn containers_that_are_refused() {
    for text in [
        "{}",
        "{\"ietf-voucher:voucher\":[]}",
        "{\"ietf-voucher-request:voucher\":{\"serial-number\":\"1\"}}",
        "{\"ietf-voucher:voucher\":{\"serial-number\":\"1\"},\"x\":1}",
    ] {
        let error = Voucher::from_json(text.as_bytes()).unwrap_err();
        assert_eq!(error, VoucherRefused::Container("ietf-voucher:voucher"), "{text}");
    }
}

#[test]
fn what_is_unknown_or_not_valid_in_a_request_is_ignored() {
    let serial = "\"serial-number\":\"JADA123456789\"";
    assert_eq!(voucher(&format!("{serial},\"x\":{{\"y\":[]}}")), Ok(Voucher::new("JADA123456789")));
    let ignored = "\"pinned-domain-cert\":0,\"last-renewal-date\":0,\"domain-cert-revocation-checks\":0";
    assert_eq!(request(&format!("{serial},{ignored}")), Ok(VoucherRequest::new("JADA123456789")));
}

#[test]
fn the_examples_of_rfc8995_section_3_3() {
    let got = request(&format!(
        "\"assertion\":\"proximity\",\"nonce\":\"{NONCE}\",\"serial-number\":\"JADA123456789\",\
         \"created-on\":\"2017-01-01T00:00:00.000Z\""
    ))
    .unwrap();
    assert_eq!(got.assertion, Some(Assertion::Proximity));
    assert_eq!(got.created_on, Some(1_483_228_800_000));
    assert_eq!(got.nonce.as_ref().map(Nonce::text), Some(NONCE));
    assert_eq!(got.nonce.as_ref().map(|nonce| nonce.octets().len()), Some(24));
    assert_eq!(VoucherRequest::from_json(&got.to_json().unwrap()).unwrap(), got);
}

#[test]
fn written_vouchers_are_read() {
    let mut voucher = Voucher::new("1");
    voucher.created_on = Some(1_700_000_000_123);
    voucher.assertion = Some(Assertion::Logged);
    voucher.expires_on = Some(1_700_000_001_000);
    voucher.last_renewal_date = Some(1_800_000_000_000);
    voucher.domain_cert_revocation_checks = Some(false);
    voucher.idevid_issuer = Some(vec![0xfb, 0xff, 0xfe]);
    let text = voucher.to_json().unwrap();
    assert_eq!(
        String::from_utf8_lossy(&text),
        "{\"ietf-voucher:voucher\":{\"assertion\":\"logged\",\"created-on\":\"2023-11-14T22:13:20.123Z\",\
         \"domain-cert-revocation-checks\":false,\"expires-on\":\"2023-11-14T22:13:21Z\",\
         \"idevid-issuer\":\"+//+\",\"last-renewal-date\":\"2027-01-15T08:00:00Z\",\"serial-number\":\"1\"}}"
    );
    assert_eq!(Voucher::from_json(&text).unwrap(), voucher);
    voucher.nonce = Nonce::from_octets(&[7; 16]);
    assert!(matches!(voucher.to_json(), Err(VoucherRefused::Rule(_))));
    assert!(Voucher::new("").to_json().is_err());
    let mut ancient = Voucher::new("1");
    ancient.created_on = Some(-1);
    assert!(ancient.to_json().is_err());
}

#[test]
fn nonces() {
    let ours = Nonce::from_octets(&[0xfb; 16]).unwrap();
    assert_eq!(ours.text(), "+/v7+/v7+/v7+/v7+/v7+w==");
    let theirs = Nonce::from_text("-_v7-_v7-_v7-_v7-_v7-w").unwrap();
    assert_eq!(ours, theirs);
    assert_ne!(ours.text(), theirs.text());
    assert_eq!(Nonce::from_octets(&[0; 7]), None);
    assert_eq!(Nonce::from_octets(&[0; 33]), None);
    assert_eq!(Nonce::from_text("not a nonce"), None);
}

#[test]
fn words_are_their_own() {
    for assertion in Assertion::ALL {
        assert_eq!(Assertion::from_word(assertion.word()), Some(assertion));
    }
    assert_eq!(Assertion::from_word("Logged"), None);
}
