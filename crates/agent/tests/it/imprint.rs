//! From no trust to a domain, by the machine alone: RFC 8995 sections 5.1 to 5.7.
use crate::machine::{Bench, JOINING, until};
use crate::registrar::{Bend, Registrar, text};
use crate::support::{
    Identity, LIFE, SERIAL_NUMBER, TestKey, author, corpus, idevid, masa, registrar, signer,
};
use agent::machine::{
    Answer, Failure, Input, Moment, Output, Pledge, Stage, Trouble, VoucherRejected, check_voucher,
};
use std::path::Path;
use wire::status;
use wire::voucher::{self, Assertion, Nonce, Voucher, VoucherRequest};
use wire::{Certificate, cms, est, oid};

const IMPRINTING: &str = "connect to anybody, sign, requestvoucher, store pinned, voucher_status, ";

/// What follows on the same connection.
fn joining() -> &'static str {
    JOINING.strip_prefix("connect with IDevID, ").unwrap()
}

#[test]
fn a_device_that_knows_its_maker_joins_over_one_connection() {
    let mut bench = Bench::untouched();
    bench.random = 0x0123_4567_89ab_cdef_0011_2233_4455_6677;
    let (mut pledge, first) = bench.resume();
    bench.run_to_wait(&mut pledge, first);
    assert_eq!(bench.done(), [IMPRINTING, joining()].concat());
    assert_eq!((pledge.stage(), pledge.trouble()), (Stage::Enrolled, None));
    let asks = &bench.registrar.appeals[0];
    assert_eq!(asks.nonce.as_ref().unwrap().octets(), bench.random.to_be_bytes());
    assert_eq!((asks.serial_number.as_str(), asks.created_on), (SERIAL_NUMBER, None));
    assert!(bench.registrar.told_of_vouchers.len() == 1 && bench.registrar.told_of_vouchers[0].good);
    let imprint = bench.imprint.as_ref().unwrap();
    assert_eq!(imprint.pinned, bench.registrar.authority.certificate);
    assert_eq!(imprint.request, bench.registrar.asked[0].body);
    let voucher = cms::verify(&imprint.voucher, None, &[]).unwrap();
    assert_eq!(Voucher::from_json(&voucher.content).unwrap().nonce, asks.nonce);
    // It asks for no voucher ever again.
    bench.done();
    let (mut pledge, start) = bench.resume();
    bench.sleep(&mut pledge, start);
    assert_eq!(bench.done(), "connect with LDevID, cacerts, wait");
}

#[test]
fn a_device_that_was_given_its_domain_asks_for_no_voucher() {
    let mut bench = Bench::new();
    let (mut pledge, first) = bench.resume();
    bench.run_to_wait(&mut pledge, first);
    assert!(bench.registrar.appeals.is_empty() && bench.imprint.is_none());
}

/// What a device makes of one voucher: what it tells, in part. Nothing of it is kept, and the device joins
/// with the next one, which has a nonce of its own.
fn check_rejected(bend: Bend, expect: &str) {
    let mut bench = Bench::untouched();
    bench.registrar.bends.push_back(bend);
    let (mut pledge, first) = bench.resume();
    let wait = bench.run_to_wait(&mut pledge, first);
    assert_eq!(bench.done(), "connect to anybody, sign, requestvoucher, voucher_status, wait", "{expect}");
    assert_eq!(until(&wait) - bench.now, 500);
    let trouble = pledge.trouble().unwrap().to_string();
    assert!(trouble.contains(expect), "{trouble}");
    let told = bench.registrar.told_of_vouchers.remove(0);
    assert!(!told.good && trouble.starts_with(&told.reason.unwrap()));
    assert_eq!(bench.inventory.trust.domain(), None);
    assert!(bench.imprint.is_none() && bench.inventory.anchors.is_empty());
    bench.random += 1;
    bench.sleep(&mut pledge, wait);
    assert_eq!(bench.done(), [IMPRINTING, joining()].concat());
    assert_eq!(pledge.stage(), Stage::Enrolled);
    let nonces: Vec<_> = bench.registrar.appeals.iter().map(|asks| asks.nonce.clone()).collect();
    assert_ne!(nonces[0], nonces[1]);
}

/// As it should be, but for one thing.
fn but(registrar: &Registrar, mut voucher: Voucher, spoil: impl Fn(&mut Voucher)) -> Answer {
    spoil(&mut voucher);
    registrar.signed_by(&registrar.masa, &voucher)
}

#[test]
fn vouchers_for_somebody_else_are_refused() {
    check_rejected(
        |all, voucher| but(all, voucher, |it| it.serial_number = "JADA987654321".into()),
        "the voucher's serial-number is not the device's (RFC 8995 section 5.6.1)",
    );
    check_rejected(
        |all, voucher| but(all, voucher, |it| it.nonce = Nonce::from_octets(&[7; 16])),
        "the voucher's nonce is not the one that was sent (RFC 8995 section 5.6.1)",
    );
    check_rejected(|all, voucher| but(all, voucher, |it| it.nonce = None), "nonce is not the one");
    // A longer one that begins alike.
    check_rejected(
        |all, voucher| but(all, voucher, |it| it.nonce = Nonce::from_octets(&[0; 17])),
        "nonce is not the one",
    );
    check_rejected(
        |all, voucher| {
            but(all, voucher, |it| (it.nonce, it.expires_on) = (None, Some(i64::from(u32::MAX) * 1000)))
        },
        "nonce is not the one",
    );
    check_rejected(
        |all, voucher| but(all, voucher, |it| it.idevid_issuer = Some(vec![0x30, 0])),
        "the voucher's idevid-issuer is not that of the IDevID (RFC 8366 section 5.3)",
    );
    check_rejected(|all, voucher| but(all, voucher, |it| it.assertion = None), "assertion");
    check_rejected(
        |all, voucher| but(all, voucher, |it| it.assertion = Some(Assertion::AgentProximity)),
        "the voucher's assertion is not verified, logged or proximity (RFC 8366 section 5.3)",
    );
    check_rejected(
        |all, voucher| but(all, voucher, |it| it.domain_cert_revocation_checks = Some(true)),
        "wants revocation to be checked, which this device cannot (RFC 8366 section 5.3)",
    );
}

#[test]
fn servers_of_other_domains_are_refused() {
    check_rejected(
        |all, voucher| but(all, voucher, |it| it.pinned_domain_cert = None),
        "no pinned-domain-cert: this domain may not enrol it (RFC 8995 section 5.6.1)",
    );
    let other_domain = "the server is not of the domain that the voucher pins (RFC 8995 section 5.6.2)";
    check_rejected(
        |all, voucher| {
            but(all, voucher, |it| it.pinned_domain_cert = Some(Identity::root("domain").certificate))
        },
        other_domain,
    );
    check_rejected(
        |all, voucher| {
            // Of the same domain, and another server.
            let other = all.authority.issue(&registrar()).certificate;
            but(all, voucher, |it| it.pinned_domain_cert = Some(other.clone()))
        },
        other_domain,
    );
    check_rejected(
        |all, voucher| but(all, voucher, |it| it.pinned_domain_cert = Some(all.masa.certificate.clone())),
        other_domain,
    );
}

#[test]
fn what_the_masa_did_not_sign_is_refused() {
    check_rejected(
        |all, voucher| all.signed_by(&Identity::root("factory").issue(&masa()), &voucher),
        "the voucher is not signed by the device's manufacturer (RFC 8995 section 5.6.1)",
    );
    check_rejected(|all, voucher| all.signed_by(&all.shown, &voucher), "not signed by the device's manufact");
    // The same authority signed it; that makes it no MASA.
    check_rejected(
        |all, voucher| all.signed_by(&all.maker.issue(&idevid()), &voucher),
        "a device speaks for itself alone",
    );
    let other_purpose = "the extended key usage does not allow Voucher";
    check_rejected(|all, voucher| all.signed_by(&all.maker.issue(&registrar()), &voucher), other_purpose);
    check_rejected(|all, voucher| all.signed_by(&all.maker.issue(&signer()), &voucher), other_purpose);
    check_rejected(|all, voucher| all.signed_by(&all.maker.issue(&author()), &voucher), other_purpose);
    check_rejected(
        |all, voucher| Answer {
            content_type: "application/json".into(),
            ..all.signed_by(&all.masa, &voucher)
        },
        "`application/json`, not a application/voucher-cms+json (RFC 8995 section 5.6)",
    );
    check_rejected(
        |all, voucher| Answer { body: voucher.to_json().unwrap(), ..all.signed_by(&all.masa, &voucher) },
        "the voucher's signature cannot be verified (RFC 8995 section 5.6.1)",
    );
    check_rejected(
        |all, voucher| signed_as(all, oid::MUD, &voucher.to_json().unwrap()),
        "and not a voucher in JSON (RFC 8366 section 5.4)",
    );
    check_rejected(|all, _| signed_as(all, oid::ANIMA_JSON_VOUCHER, b"{}"), "the voucher cannot be read");
}

fn signed_as(all: &Registrar, kind: wire::Oid, content: &[u8]) -> Answer {
    let Identity { key, certificate } = &all.masa;
    let body = cms::sign(kind, content, certificate, &[], key, None, false).unwrap();
    Answer { status: 200, content_type: voucher::MEDIA_TYPE.into(), body, ..Answer::default() }
}

/// A request and the voucher that it was answered with.
fn exchange() -> (Bench, VoucherRequest, Answer) {
    let mut bench = Bench::untouched();
    let (mut pledge, first) = bench.resume();
    bench.run_to_wait(&mut pledge, first);
    let imprint = bench.imprint.clone().unwrap();
    let content_type = voucher::MEDIA_TYPE.into();
    let answer = Answer { status: 200, content_type, body: imprint.voucher, ..Answer::default() };
    let asks = bench.registrar.appeals[0].clone();
    (bench, asks, answer)
}

#[test]
fn no_byte_of_a_voucher_can_be_changed_so_that_it_says_something_else() {
    let (bench, asks, answer) = exchange();
    let masa = [bench.registrar.maker.certificate.clone()];
    let judge =
        |answer: &Answer| check_voucher(answer, &asks, &bench.server, &masa, &bench.idevid.certificate);
    let pinned = judge(&answer).unwrap();
    assert_eq!(pinned, bench.registrar.authority.certificate);
    let mut refused = 0;
    for place in 0..answer.body.len() {
        let mut damaged = answer.clone();
        damaged.body[place] ^= 0x01;
        match judge(&damaged) {
            Err(_) => refused += 1,
            // What is not signed says nothing.
            Ok(still) => assert_eq!(still, pinned, "byte {place}"),
        }
    }
    assert!(refused > answer.body.len() * 9 / 10, "{refused} of {}", answer.body.len());
    // Of another MASA, another server, none.
    let other = [Identity::root("factory").certificate];
    let judged = check_voucher(&answer, &asks, &bench.server, &other, &bench.idevid.certificate);
    assert!(matches!(judged, Err(VoucherRejected::Signer(_))), "{judged:?}");
    let judged = check_voucher(&answer, &asks, &[], &masa, &bench.idevid.certificate);
    assert_eq!(judged, Err(VoucherRejected::NoServer));
    let judged = check_voucher(&answer, &asks, &bench.server, &[], &bench.idevid.certificate);
    assert!(matches!(judged, Err(VoucherRejected::Signer(_))), "{judged:?}");
}

#[test]
fn who_stands_between_learns_nothing_and_changes_nothing() {
    // Somebody shows an own certificate, of an own domain, and passes on what is said.
    let relay = Identity::root("relay").issue(&registrar());
    let mut bench = Bench::untouched();
    let genuine = std::mem::replace(&mut bench.server, vec![relay.certificate]);
    let (mut pledge, first) = bench.resume();
    // The registrar sees whose certificate the device saw.
    let wait = bench.run_to_wait(&mut pledge, first);
    assert_eq!(bench.done(), "connect to anybody, sign, requestvoucher, wait");
    let refused = "refused /.well-known/brski/requestvoucher with 401";
    assert!(pledge.trouble().unwrap().to_string().contains(refused));
    // A registrar that does not look: the device does, and the voucher pins the true domain.
    bench.registrar.shown.certificate = bench.server[0].clone();
    let wait = bench.sleep(&mut pledge, wait);
    assert_eq!(bench.done(), "connect to anybody, sign, requestvoucher, voucher_status, wait");
    let rejected = Trouble::Voucher(VoucherRejected::OtherDomain(
        wire::certificate::chain::ChainRefused::NoIssuer("O=Test,CN=relay".into()),
    ));
    let said = pledge.trouble().unwrap();
    assert_eq!(said.to_string().split(": ").next(), rejected.to_string().split(": ").next());
    assert!(said.to_string().contains("(RFC 8995 section 5.6.2)"));
    assert!(bench.imprint.is_none() && bench.registrar.issued.is_empty() && bench.keys.is_empty());
    // It has gone.
    (bench.registrar.shown.certificate, bench.server) = (genuine[0].clone(), genuine);
    bench.sleep(&mut pledge, wait);
    assert_eq!(pledge.stage(), Stage::Enrolled);
}

#[test]
fn a_wait_repeats_the_same_request_to_the_same_server_only() {
    let mut bench = Bench::untouched();
    for seconds in [Some(5), Some(0), Some(86_400), None] {
        bench.says(voucher::REQUEST_PATH, Answer { retry_after_seconds: seconds, ..text(202, "later") });
    }
    (0..2).for_each(|_| bench.says(voucher::REQUEST_PATH, text(503, "busy")));
    let (mut pledge, first) = bench.resume();
    let mut wait = bench.run_to_wait(&mut pledge, first);
    assert_eq!(bench.done(), "connect to anybody, sign, requestvoucher, wait");
    // RFC 8995 section 5.6: limited to 60 seconds.
    for expect in [5_000, 1_000, 60_000, 60_000] {
        assert_eq!(until(&wait) - bench.now, expect);
        assert_eq!(pledge.trouble(), Some(&Trouble::Pending));
        wait = bench.sleep(&mut pledge, wait);
        assert_eq!(bench.done(), "connect to anybody, requestvoucher, wait");
    }
    assert_eq!(pledge.trouble(), Some(&Trouble::ServerFailed(503, voucher::REQUEST_PATH)));
    let wait = bench.sleep(&mut pledge, wait);
    assert_eq!(bench.done(), "connect to anybody, requestvoucher, wait");
    let bodies: Vec<_> = bench.registrar.asked.iter().map(|asked| asked.body.clone()).collect();
    assert!(bodies.len() == 6 && bodies.windows(2).all(|pair| pair[0] == pair[1]));
    // Another certificate: another request, with another nonce.
    bench.random += 1;
    bench.registrar.shown = bench.registrar.authority.issue(&registrar());
    bench.server = vec![bench.registrar.shown.certificate.clone()];
    bench.sleep(&mut pledge, wait);
    assert_eq!(bench.done(), [IMPRINTING, joining()].concat());
    let [asks] = bench.registrar.appeals.as_slice() else { panic!("one voucher") };
    assert_eq!(asks.nonce.as_ref().unwrap().octets(), bench.random.to_be_bytes());
    assert_eq!(pledge.stage(), Stage::Enrolled);
}

#[test]
fn a_lost_answer_is_asked_for_again() {
    let mut bench = Bench::untouched();
    let (mut pledge, mut output) = bench.resume();
    while !matches!(output, Output::Send(_)) {
        let input = bench.perform(output);
        output = pledge.step(bench.moment(), input).unwrap();
    }
    bench.perform(output);
    let lost = pledge.step(bench.moment(), Input::Lost("cut".into())).unwrap();
    bench.done();
    bench.sleep(&mut pledge, lost);
    assert!(bench.done().starts_with("connect to anybody, requestvoucher, store pinned"));
    let asks = &bench.registrar.appeals;
    assert!(asks.len() == 2 && asks[0] == asks[1]);
}

#[test]
fn what_is_told_of_a_voucher_is_told_again_until_somebody_answers() {
    let mut bench = Bench::untouched();
    let (mut pledge, mut output) = bench.resume();
    while !matches!(&output, Output::Send(request) if request.path == status::VOUCHER_STATUS_PATH) {
        let input = bench.perform(output);
        output = pledge.step(bench.moment(), input).unwrap();
    }
    let lost = pledge.step(bench.moment(), Input::Lost("cut".into())).unwrap();
    bench.done();
    bench.sleep(&mut pledge, lost);
    assert_eq!(bench.done(), ["connect with IDevID, voucher_status, ", joining()].concat());
    assert_eq!(bench.registrar.appeals.len(), 1);
}

#[test]
fn a_registrar_that_never_answers_is_left_after_four_days() {
    let mut bench = Bench::untouched();
    let (mut pledge, first) = bench.resume();
    let began = bench.now;
    let mut wait = first;
    while pledge.trouble() != Some(&Trouble::NotAdmitted) {
        bench.says(voucher::REQUEST_PATH, text(202, "later"));
        wait = match wait {
            Output::Wait(_) => bench.sleep(&mut pledge, wait),
            first => bench.run_to_wait(&mut pledge, first),
        };
    }
    assert_eq!((bench.now - began) / 3_600_000, 96);
    bench.done();
    bench.sleep(&mut pledge, wait);
    assert_eq!(bench.done(), [IMPRINTING, joining()].concat());
}

#[test]
fn refusals_of_a_voucher_are_never_final() {
    let mut bench = Bench::untouched();
    let (mut pledge, mut output) = bench.resume();
    for (number, status) in [401, 403, 404, 406, 415, 302, 403, 403, 403].into_iter().enumerate() {
        bench.says(voucher::REQUEST_PATH, text(status, "no"));
        output = match output {
            Output::Wait(_) => bench.sleep(&mut pledge, output),
            first => bench.run_to_wait(&mut pledge, first),
        };
        assert_eq!(bench.done(), "connect to anybody, sign, requestvoucher, wait");
        assert_eq!(until(&output) - bench.now, (500 << number.min(3)).min(4000));
        let expect = format!("refused /.well-known/brski/requestvoucher with {status}: no");
        assert!(pledge.trouble().unwrap().to_string().contains(&expect));
    }
    assert!(bench.registrar.told_of_vouchers.is_empty());
    bench.sleep(&mut pledge, output);
    assert_eq!(pledge.stage(), Stage::Enrolled);
}

#[test]
fn power_goes_between_a_voucher_and_what_is_told_of_it() {
    let mut bench = Bench::untouched();
    let (mut pledge, mut output) = bench.resume();
    loop {
        let is_stored = matches!(output, Output::Store(_));
        let input = bench.perform(output);
        if is_stored {
            break;
        }
        output = pledge.step(bench.moment(), input).unwrap();
    }
    bench.done();
    let (mut pledge, first) = bench.resume();
    bench.run_to_wait(&mut pledge, first);
    let expect = ["connect with IDevID, voucher_status, ", joining()].concat();
    assert_eq!(bench.done(), expect);
    assert!(bench.registrar.told_of_vouchers.len() == 1 && bench.registrar.told_of_vouchers[0].good);
}

#[test]
fn the_time_of_a_server_that_nobody_vouches_for_is_not_believed() {
    let mut bench = Bench::untouched();
    let wrong = Answer { date_millis: Some(i64::MAX), ..text(202, "later") };
    bench.says(voucher::REQUEST_PATH, wrong);
    // Afterwards nobody says a time.
    let (mut pledge, mut output) = bench.resume();
    while pledge.stage() != Stage::Enrolled {
        let mut input = bench.perform(output);
        if let Input::Answered(answer) = &mut input
            && answer.status != 202
        {
            answer.date_millis = None;
        }
        output = pledge.step(bench.moment(), input).unwrap();
    }
    assert_eq!(until(&output) - bench.now, LIFE as u64 / 3 * 2);
}

#[test]
fn a_voucher_may_pin_the_registrar_itself() {
    let mut bench = Bench::untouched();
    bench.registrar.bends.push_back(|all, voucher| {
        but(all, voucher, |it| it.pinned_domain_cert = Some(all.shown.certificate.clone()))
    });
    let (mut pledge, first) = bench.resume();
    bench.run_to_wait(&mut pledge, first);
    assert_eq!(bench.done(), [IMPRINTING, joining()].concat());
    assert_eq!(bench.inventory.anchors, [bench.registrar.authority.certificate.clone()]);
    // A server of the same domain whose certificate is another one's is no authority over it.
    let foreign = Identity::root("foreign").certificate;
    bench.inventory.anchors = vec![foreign];
    bench.inventory.keys = bench.keys.iter().map(TestKey::public).collect();
    let resumed = Pledge::resume("", Default::default(), bench.inventory.clone(), bench.moment());
    assert!(matches!(resumed, Err(Failure::Ldevid(_))));
}

#[test]
fn an_enrolment_that_is_refused_after_a_voucher_is_told_as_ever() {
    let mut bench = Bench::untouched();
    bench.says(est::SIMPLE_ENROLL_PATH, text(403, "no"));
    let (mut pledge, first) = bench.resume();
    let wait = bench.run_to_wait(&mut pledge, first);
    assert!(bench.done().ends_with("simpleenroll, enrollstatus, wait"));
    bench.sleep(&mut pledge, wait);
    assert!(bench.done().starts_with("connect with IDevID, cacerts, csrattrs"));
    assert_eq!(pledge.stage(), Stage::Enrolled);
    assert_eq!(bench.registrar.appeals.len(), 1);
    assert_eq!(bench.registrar.told_of_vouchers.len(), 1);
}

#[test]
fn a_key_store_that_cannot_sign_is_tried_again() {
    let mut bench = Bench::untouched();
    let (mut pledge, first) = bench.resume();
    let input = bench.perform(first);
    let output = pledge.step(bench.moment(), input).unwrap();
    assert!(matches!(output, Output::SignVoucherRequest(_)));
    let wait = pledge.step(bench.moment(), Input::Failed("locked".into())).unwrap();
    assert_eq!(pledge.trouble(), Some(&Trouble::Device("locked".into())));
    bench.sleep(&mut pledge, wait);
    assert_eq!(pledge.stage(), Stage::Enrolled);
}

#[test]
fn a_server_without_a_certificate_is_none() {
    let mut bench = Bench::untouched();
    bench.server.clear();
    let (mut pledge, first) = bench.resume();
    bench.run_to_wait(&mut pledge, first);
    assert_eq!(bench.done(), "connect to anybody, wait");
    let moment = Moment { now: 0, random: 0 };
    assert!(pledge.step(moment, Input::Stored).is_err());
}

/// What others published: the voucher of RFC 8995 appendix C, for the pledge and the registrar of it.
#[test]
fn the_voucher_of_rfc8995_is_accepted() {
    let path = "vectors/onboarding/rfc8995";
    let Some(folder) = corpus("the_voucher_of_rfc8995_is_accepted", path) else { return };
    let certificate = |name: &str| pem(&folder.join(name));
    let message = |name: &str| {
        let text = std::fs::read_to_string(folder.join(name)).unwrap();
        let body: String = text.lines().filter(|line| !line.starts_with('-')).collect();
        est::decode_body(body.as_bytes()).unwrap()
    };
    let request = cms::verify(&message("vr_00-D0-E5-F2-00-02.b64"), None, &[]).unwrap();
    let asks = VoucherRequest::from_json(&request.content).unwrap();
    let body = message("voucher_00-D0-E5-F2-00-02.b64");
    let content_type = voucher::MEDIA_TYPE.into();
    let answer = Answer { status: 200, content_type, body, ..Answer::default() };
    let (vendor, registrar) = (certificate("vendor.crt"), certificate("jrc_prime256v1.crt"));
    let judge = |asks: &VoucherRequest, server: &Certificate| {
        check_voucher(
            &answer,
            asks,
            std::slice::from_ref(server),
            std::slice::from_ref(&vendor),
            &request.signer,
        )
    };
    assert_eq!(judge(&asks, &registrar), Ok(registrar.clone()));
    let other = VoucherRequest { nonce: Nonce::from_octets(&[1; 16]), ..asks.clone() };
    assert_eq!(judge(&other, &registrar), Err(VoucherRejected::Nonce));
    let stranger = certificate("ownerca_secp384r1.crt");
    assert!(matches!(judge(&asks, &stranger), Err(VoucherRejected::OtherDomain(_))));
}

fn pem(path: &Path) -> Certificate {
    Certificate::from_pem(&std::fs::read_to_string(path).unwrap()).unwrap()
}
