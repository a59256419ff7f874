//! The machine alone: a device in memory, a registrar in memory, and a clock that a test moves.
use crate::registrar::{Asked, Registrar, der, text};
use crate::support::{Identity, LIFE, SERIAL_NUMBER, START, TestKey, idevid, ldevid};
use agent::limits::DOUBTS_MAX;
use agent::machine::{
    Answer, Change, Failure, FirstTrust, Identity as Shown, Imprint, Input, Inventory, Moment, Output,
    Pledge, Stage, Timers, Trouble, Trust,
};
use proptest::prelude::*;
use wire::certificate::profile::Profile;
use wire::est::{self, CsrAttribute, CsrAttributes};
use wire::status;
use wire::{Certificate, Signer, cms, csr, oid};

/// A device whose disk and network work, unless a test says otherwise.
pub struct Bench {
    pub registrar: Registrar,
    pub idevid: Identity,
    pub keys: Vec<TestKey>,
    /// What is shown to the device.
    pub server: Vec<Certificate>,
    pub inventory: Inventory,
    pub imprint: Option<Imprint>,
    pub shown: Option<Certificate>,
    /// Whoever shows this is not answered: the connection is closed.
    pub unheard: Vec<Certificate>,
    pub now: u64,
    pub random: u128,
    pub log: Vec<String>,
}

impl Bench {
    pub fn new() -> Self {
        let registrar = Registrar::new(START);
        let idevid = registrar.maker.issue(&idevid());
        let inventory = Inventory {
            idevid: idevid.certificate.clone(),
            trust: FirstTrust::Domain(registrar.authority.certificate.clone()),
            anchors: Vec::new(),
            ldevid: None,
            keys: Vec::new(),
            told: false,
        };
        let server = vec![registrar.shown.certificate.clone()];
        Self {
            registrar,
            idevid,
            keys: Vec::new(),
            server,
            inventory,
            imprint: None,
            shown: None,
            unheard: Vec::new(),
            now: 7,
            random: 0,
            log: Vec::new(),
        }
    }

    /// A device that knows its manufacturer only.
    pub fn untouched() -> Self {
        let mut bench = Self::new();
        let masa = bench.registrar.maker.certificate.clone();
        bench.inventory.trust = FirstTrust::Manufacturer { masa, pinned: None };
        bench
    }

    /// A device that does, or does not, know its domain.
    pub fn that(is_untouched: bool) -> Self {
        if is_untouched { Self::untouched() } else { Self::new() }
    }

    pub fn moment(&self) -> Moment {
        Moment { now: self.now, random: self.random }
    }

    pub fn resume(&mut self) -> (Pledge, Output) {
        self.inventory.keys = self.keys.iter().map(TestKey::public).collect();
        let timers = Timers { backoff_min: 1000, backoff_max: 8000, put_off: 100_000, start_spread: 0 };
        Pledge::resume("https://registrar", timers, self.inventory.clone(), self.moment()).unwrap()
    }

    /// Does one output, as a shell would.
    pub fn perform(&mut self, output: Output) -> Input {
        self.log.push(brief(&output));
        match output {
            Output::Connect { registrar, trust, identity } => {
                assert_eq!(registrar, "https://registrar");
                match (trust, self.inventory.trust.domain()) {
                    (Trust::Anchors(anchors), Some(domain)) => assert!(anchors.contains(domain)),
                    (trust, domain) => assert_eq!((trust, domain), (Trust::Provisional, None)),
                }
                self.shown = Some(match identity {
                    Shown::Idevid => self.idevid.certificate.clone(),
                    Shown::Ldevid(certificate) => *certificate,
                });
                Input::Connected(self.server.clone())
            }
            Output::SignVoucherRequest(json) => {
                let Identity { key, certificate } = &self.idevid;
                let kind = oid::ANIMA_JSON_VOUCHER;
                Input::Signed(cms::sign(kind, &json, certificate, &[], key, None, false).unwrap())
            }
            Output::Send(_) if self.shown.as_ref().is_some_and(|it| self.unheard.contains(it)) => {
                Input::Lost("closed".into())
            }
            Output::Send(request) => {
                let body = request.content.map(|(_, body)| body).unwrap_or_default();
                let asked = Asked {
                    path: request.path.into(),
                    accept: request.accept.unwrap_or_default().into(),
                    body,
                    peer: self.shown.clone(),
                };
                Input::Answered(self.registrar.answer(asked))
            }
            Output::MakeKey => {
                self.keys.push(TestKey::new());
                Input::KeyMade(self.keys.last().unwrap().public())
            }
            Output::MakeCsr { key, subject } => {
                let signer = self.keys.iter().find(|one| one.public() == key).unwrap();
                Input::CsrMade(csr::make(&subject, None, signer).unwrap())
            }
            Output::Store(change) => {
                self.store(change);
                Input::Stored
            }
            Output::Wait(until) => {
                self.shown = None;
                self.registrar.now += i64::try_from(until - self.now).unwrap();
                self.now = until;
                Input::Woken
            }
            Output::GiveUp(failure) => panic!("given up: {failure}"),
        }
    }

    fn store(&mut self, change: Change) {
        match change {
            Change::Imprint(imprint) => {
                let FirstTrust::Manufacturer { pinned, .. } = &mut self.inventory.trust else { panic!() };
                *pinned = Some(Box::new(imprint.pinned.clone()));
                self.imprint = Some(*imprint);
            }
            Change::Anchors(anchors) => self.inventory.anchors = anchors,
            Change::Ldevid(ldevid) => {
                assert!(self.keys.iter().any(|key| key.public() == *ldevid.public_key()));
                (self.inventory.ldevid, self.inventory.told) = (Some(*ldevid), false);
            }
            Change::OnlyKey(only) => self.keys.retain(|key| key.public() == only),
            Change::Told(ldevid) => self.inventory.told = self.inventory.ldevid == Some(*ldevid),
        }
    }

    /// A device that has just got its LDevID, and with which nobody speaks who is shown that: it waits to try again.
    fn unheard_with_its_ldevid(&mut self) -> (Pledge, Output) {
        let (mut pledge, mut output) = self.resume();
        while !matches!(output, Output::Connect { identity: Shown::Ldevid(_), .. }) {
            let input = self.perform(output);
            output = pledge.step(self.moment(), input).unwrap();
        }
        self.unheard.extend(pledge.ldevid().cloned());
        let wait = self.run_to_wait(&mut pledge, output);
        (pledge, wait)
    }

    /// Goes on until the next wait, which is not done.
    pub fn run_to_wait(&mut self, pledge: &mut Pledge, mut output: Output) -> Output {
        for _ in 0..100 {
            if matches!(output, Output::Wait(_) | Output::GiveUp(_)) {
                self.log.push(brief(&output));
                return output;
            }
            let input = self.perform(output);
            output = pledge.step(self.moment(), input).unwrap();
        }
        panic!("no wait: {:?}", self.log);
    }

    /// Sleeps through a wait, and goes on until the next.
    pub fn sleep(&mut self, pledge: &mut Pledge, wait: Output) -> Output {
        let input = self.perform(wait);
        self.log.pop();
        let output = pledge.step(self.moment(), input).unwrap();
        self.run_to_wait(pledge, output)
    }

    pub fn says(&mut self, path: &'static str, answer: Answer) {
        self.registrar.instead.push_back((path, answer));
    }

    /// What was done since the last time.
    pub fn done(&mut self) -> String {
        std::mem::take(&mut self.log).join(", ")
    }
}

/// An output in a few words.
pub fn brief(output: &Output) -> String {
    match output {
        Output::Connect { trust: Trust::Provisional, .. } => "connect to anybody".into(),
        Output::Connect { identity: Shown::Idevid, .. } => "connect with IDevID".into(),
        Output::Connect { .. } => "connect with LDevID".into(),
        Output::Send(request) => request.path.rsplit('/').next().unwrap().into(),
        Output::SignVoucherRequest(_) => "sign".into(),
        Output::MakeKey => "make key".into(),
        Output::MakeCsr { .. } => "make csr".into(),
        Output::Store(Change::Imprint(_)) => "store pinned".into(),
        Output::Store(Change::Anchors(_)) => "store anchors".into(),
        Output::Store(Change::Ldevid(_)) => "store ldevid".into(),
        Output::Store(Change::OnlyKey(_)) => "only key".into(),
        Output::Store(Change::Told(_)) => "store told".into(),
        Output::Wait(_) => "wait".into(),
        Output::GiveUp(_) => "give up".into(),
    }
}

pub const JOINING: &str = "connect with IDevID, cacerts, store anchors, csrattrs, make key, make csr, \
                       simpleenroll, store ldevid, connect with LDevID, enrollstatus, only key, store told, \
                       wait";
const TWO_THIRDS: u64 = LIFE as u64 / 3 * 2;

pub fn until(output: &Output) -> u64 {
    match output {
        Output::Wait(until) => *until,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_device_joins_and_renews() {
    let mut bench = Bench::new();
    let (mut pledge, first) = bench.resume();
    assert_eq!(pledge.stage(), Stage::Joining);
    let rest = bench.run_to_wait(&mut pledge, first);
    assert_eq!(bench.done(), JOINING);
    assert_eq!((pledge.stage(), pledge.trouble()), (Stage::Enrolled, None));
    assert_eq!(until(&rest), bench.now + TWO_THIRDS);
    let held = pledge.ldevid().unwrap().clone();

    let rest = bench.sleep(&mut pledge, rest);
    let renewing = "connect with LDevID, cacerts, csrattrs, make key, make csr, simplereenroll, \
                    store ldevid, connect with LDevID, enrollstatus, only key, store told, wait";
    assert_eq!(bench.done(), renewing);
    let renewed = pledge.ldevid().unwrap().clone();
    assert_ne!(renewed.public_key(), held.public_key());
    assert_eq!(renewed.subject(), held.subject());
    assert_eq!(until(&rest), bench.now + TWO_THIRDS);
    assert_eq!(bench.keys.len(), 1);
    let reenrolled =
        bench.registrar.asked.iter().find(|asked| asked.path == est::SIMPLE_REENROLL_PATH).unwrap();
    assert_eq!(reenrolled.peer.as_ref(), Some(&held));
    let request = csr::Csr::from_der(&est::decode_body(&reenrolled.body).unwrap()).unwrap();
    assert_eq!(request.subject(), held.subject());
    assert!(bench.registrar.told.iter().all(|status| status.good) && bench.registrar.told.len() == 2);
}

#[test]
fn waiting_for_admission_repeats_the_same_request() {
    let mut bench = Bench::new();
    for seconds in [Some(5), Some(0), Some(86_400), None] {
        let answer = Answer { retry_after_seconds: seconds, ..text(202, "later") };
        bench.says(est::SIMPLE_ENROLL_PATH, answer);
    }
    let (mut pledge, first) = bench.resume();
    let mut wait = bench.run_to_wait(&mut pledge, first);
    for expect in [5_000, 1_000, 60_000, 60_000] {
        assert_eq!(until(&wait) - bench.now, expect);
        assert_eq!(pledge.trouble(), Some(&Trouble::Pending));
        wait = bench.sleep(&mut pledge, wait);
    }
    assert_eq!(pledge.stage(), Stage::Enrolled);
    let asked = bench.registrar.asked.iter().filter(|asked| asked.path == est::SIMPLE_ENROLL_PATH);
    let bodies: Vec<&[u8]> = asked.map(|asked| asked.body.as_slice()).collect();
    assert!(bodies.len() == 5 && bodies.windows(2).all(|pair| pair[0] == pair[1]));
    assert_eq!(bench.keys.len(), 1);
}

#[test]
fn nobody_is_waited_for_longer_than_four_days() {
    let mut bench = Bench::new();
    let (mut pledge, first) = bench.resume();
    let began = bench.now;
    let mut wait = first;
    for _ in 0..6000 {
        if !bench.registrar.told.is_empty() {
            break;
        }
        bench.says(est::SIMPLE_ENROLL_PATH, text(202, "later"));
        wait = match wait {
            Output::Wait(_) => bench.sleep(&mut pledge, wait),
            first => bench.run_to_wait(&mut pledge, first),
        };
    }
    assert_eq!(pledge.trouble(), Some(&Trouble::NotAdmitted));
    assert_eq!((bench.now - began) / 3_600_000, 96);
    let told = &bench.registrar.told[0];
    assert!(!told.good && told.reason.as_deref().unwrap().contains("96 hours"));
}

#[test]
fn refusals_are_told_on_the_same_connection_and_bounded() {
    let mut bench = Bench::new();
    for _ in 0..5 {
        bench.says(est::SIMPLE_ENROLL_PATH, text(403, "not\u{7}you\n"));
    }
    let (mut pledge, first) = bench.resume();
    let mut output = bench.run_to_wait(&mut pledge, first);
    let attempt = "cacerts, csrattrs, make csr, simpleenroll, enrollstatus";
    let first = "connect with IDevID, cacerts, store anchors, csrattrs, make key, make csr, simpleenroll, \
                 enrollstatus, wait";
    assert_eq!(bench.done(), first);
    for expect in [500, 1000, 2000, 4000] {
        assert_eq!(until(&output) - bench.now, expect);
        output = bench.sleep(&mut pledge, output);
        let end = if expect == 4000 { "give up" } else { "wait" };
        assert_eq!(bench.done(), format!("connect with IDevID, {attempt}, {end}"));
    }
    let words = "not you".into();
    let last = Trouble::Refused { path: est::SIMPLE_ENROLL_PATH, status: 403, words };
    assert_eq!(output, Output::GiveUp(Failure::Refused { tries: 5, last }));
    assert_eq!(pledge.stage(), Stage::GivenUp);
    assert_eq!(bench.registrar.told.len(), 5);
    assert!(
        bench.registrar.told.iter().all(|told| !told.good && told.reason.as_deref().unwrap().contains("403"))
    );
}

#[test]
fn a_failing_server_is_asked_again_for_ever() {
    let mut bench = Bench::new();
    for _ in 0..40 {
        bench.says(est::SIMPLE_ENROLL_PATH, text(500, "oh"));
    }
    let slow = Answer { retry_after_seconds: Some(30), ..text(503, "busy") };
    bench.says(est::SIMPLE_ENROLL_PATH, slow);
    let (mut pledge, first) = bench.resume();
    let mut wait = bench.run_to_wait(&mut pledge, first);
    for number in 0..40_u32 {
        assert_eq!(until(&wait) - bench.now, (500 << number.min(3)).min(4000), "{number}");
        assert_eq!(pledge.trouble(), Some(&Trouble::ServerFailed(500, est::SIMPLE_ENROLL_PATH)));
        wait = bench.sleep(&mut pledge, wait);
    }
    assert_eq!(until(&wait) - bench.now, 30_000);
    let rest = bench.sleep(&mut pledge, wait);
    assert_eq!((pledge.stage(), bench.keys.len()), (Stage::Enrolled, 1));
    // What went well in between is not held against it.
    bench.says(est::CA_CERTS_PATH, text(500, "oh"));
    let wait = bench.sleep(&mut pledge, rest);
    assert_eq!(until(&wait) - bench.now, 500);
}

/// What a device makes of one wrong answer in its first attempt: what it tells, in part. It joins
/// afterwards, because the next answer is right.
fn check_wrong(path: &'static str, answer: Answer, expect: &str) {
    let mut bench = Bench::new();
    bench.says(path, answer);
    let (mut pledge, first) = bench.resume();
    let wait = bench.run_to_wait(&mut pledge, first);
    assert!(bench.done().ends_with("enrollstatus, wait"), "{expect}");
    let told = bench.registrar.told[0].clone();
    assert!(!told.good);
    let reason = told.reason.unwrap();
    assert!(reason.contains(expect), "{reason}");
    assert!(bench.inventory.ldevid.is_none());
    bench.sleep(&mut pledge, wait);
    assert_eq!(pledge.stage(), Stage::Enrolled);
}

#[test]
fn wrong_anchors_are_refused() {
    let foreign = Identity::root("foreign");
    let issuer = foreign.certificate.clone();
    let all = |list: &[Certificate]| der(est::PKCS7, &est::certs_only(list));
    check_wrong(est::CA_CERTS_PATH, all(&[issuer]), "none of the distributed anchors");
    check_wrong(est::CA_CERTS_PATH, all(&[]), "none of the distributed anchors");
    check_wrong(est::CA_CERTS_PATH, text(200, "hello"), "`text/plain`, not `application/pkcs7-mime`");
    let garbage = Answer { content_type: est::PKCS7.into(), ..text(200, "!") };
    check_wrong(est::CA_CERTS_PATH, garbage, "not base64");
    check_wrong(est::CA_CERTS_PATH, text(302, "elsewhere"), "with 302: elsewhere");
}

#[test]
fn anchors_that_nobody_vouches_for_are_left_out() {
    let mut bench = Bench::new();
    let profile = Profile::Intermediate { common_name: "below".into(), organisation: "Test".into() };
    let below = bench.registrar.authority.issue(&profile).certificate;
    let own = bench.registrar.authority.certificate.clone();
    let foreign = Identity::root("foreign").certificate;
    let leaf = bench.registrar.authority.issue(&ldevid()).certificate;
    let answer = der(est::PKCS7, &est::certs_only(&[foreign, below.clone(), leaf, own.clone()]));
    bench.says(est::CA_CERTS_PATH, answer);
    let (mut pledge, first) = bench.resume();
    bench.run_to_wait(&mut pledge, first);
    let stored = &bench.inventory.anchors;
    assert!(stored.len() == 2 && stored.contains(&below) && stored.contains(&own));
}

#[test]
fn attributes_that_cannot_be_met_are_told() {
    let wants = |list: Vec<CsrAttribute>| der(est::CSR_ATTRS, &CsrAttributes(list).to_der());
    let linking = wants(vec![CsrAttribute::Oid(oid::CHALLENGE_PASSWORD)]);
    check_wrong(est::CSR_ATTRS_PATH, linking, "want what this device cannot give");
    check_wrong(est::CSR_ATTRS_PATH, Answer { body: vec![0], ..wants(vec![]) }, "not base64");
    check_wrong(est::CSR_ATTRS_PATH, text(403, "no"), "csrattrs with 403: no");
    // RFC 8951 section 4: these mean that there are none.
    for answer in [text(404, ""), text(204, ""), wants(vec![])] {
        let mut bench = Bench::new();
        bench.says(est::CSR_ATTRS_PATH, answer);
        let (mut pledge, first) = bench.resume();
        bench.run_to_wait(&mut pledge, first);
        assert_eq!(bench.done(), JOINING);
    }
}

#[test]
fn wrong_certificates_are_refused() {
    let (domain, foreign) = (Identity::root("domain"), Identity::root("foreign"));
    let all = |list: &[Certificate]| der(est::PKCS7_CERTS_ONLY, &est::certs_only(list));
    let other_key = domain.certify(&ldevid(), &TestKey::new().public(), START, LIFE);
    check_wrong(est::SIMPLE_ENROLL_PATH, all(&[other_key]), "not for the device's key");
    check_wrong(est::SIMPLE_ENROLL_PATH, all(&[]), "not for the device's key");
    check_wrong(est::SIMPLE_ENROLL_PATH, text(200, ""), "`text/plain`");

    let check = |issuer: Option<&Identity>, profile: &Profile, expect: &str| {
        let mut bench = Bench::new();
        // The key is made first, so that a wrong certificate for it can be prepared.
        bench.keys.push(TestKey::new());
        let own = bench.registrar.authority.clone();
        let wrong = issuer.unwrap_or(&own).certify(profile, &bench.keys[0].public(), START, LIFE);
        bench.says(est::SIMPLE_ENROLL_PATH, all(&[wrong]));
        let (mut pledge, first) = bench.resume();
        bench.run_to_wait(&mut pledge, first);
        let reason = bench.registrar.told[0].reason.clone().unwrap();
        assert!(reason.contains(expect), "{reason}");
        assert!(bench.inventory.ldevid.is_none());
    };
    check(Some(&foreign), &ldevid(), "not of this domain");
    let other = Profile::LdevId { serial_number: "another".into(), device_id: "lamp-7".into() };
    check(None, &other, "serialNumber is not the device's");
    let server = Profile::Server { common_name: "s".into(), dns_names: vec![], addresses: vec![] };
    check(None, &server, "not of this domain");
}

#[test]
fn a_key_is_on_the_disk_before_its_request_leaves_and_used_again() {
    let mut bench = Bench::new();
    let (mut pledge, mut output) = bench.resume();
    // The answer to the first request is lost with the device's power.
    loop {
        let is_enrolling =
            matches!(&output, Output::Send(request) if request.path == est::SIMPLE_ENROLL_PATH);
        let input = bench.perform(output);
        if is_enrolling {
            break;
        }
        output = pledge.step(bench.moment(), input).unwrap();
    }
    assert_eq!(bench.keys.len(), 1);
    bench.done();
    let (mut pledge, first) = bench.resume();
    bench.run_to_wait(&mut pledge, first);
    let again = JOINING.replace("store anchors, ", "").replace("make key, ", "");
    assert_eq!(bench.done(), again);
    assert_eq!((bench.keys.len(), bench.registrar.issued.len()), (1, 1));
}

#[test]
fn an_enrolled_device_resumes_and_asks_only_how_old_it_is() {
    let mut bench = Bench::new();
    let (mut pledge, first) = bench.resume();
    bench.run_to_wait(&mut pledge, first);
    bench.done();
    // Power is off for half of the certificate's life; our clock begins anew.
    bench.registrar.now += LIFE / 2;
    bench.now = 0;
    let (mut pledge, start) = bench.resume();
    assert_eq!(pledge.stage(), Stage::Enrolled);
    let rest = bench.sleep(&mut pledge, start);
    assert_eq!(bench.done(), "connect with LDevID, cacerts, wait");
    assert_eq!(until(&rest), TWO_THIRDS - LIFE as u64 / 2);
    // A while later it is due.
    bench.registrar.now += LIFE / 4;
    let (mut pledge, start) = bench.resume();
    bench.sleep(&mut pledge, start);
    assert!(bench.done().contains("simplereenroll, store ldevid"));
    assert_eq!(pledge.stage(), Stage::Enrolled);
}

#[test]
fn an_old_key_is_not_taken_for_a_new_one() {
    let mut bench = Bench::new();
    let (mut pledge, first) = bench.resume();
    let rest = bench.run_to_wait(&mut pledge, first);
    let old = bench.keys[0].public();
    // The power goes before the old key is away.
    let mut output = pledge.step(Moment { now: until(&rest), random: 0 }, Input::Woken).unwrap();
    while !matches!(output, Output::Store(Change::OnlyKey(_))) {
        let input = bench.perform(output);
        output = pledge.step(bench.moment(), input).unwrap();
    }
    assert_eq!(bench.keys.len(), 2);
    let (mut pledge, first) = bench.resume();
    let rest = bench.run_to_wait(&mut pledge, first);
    assert_eq!(bench.keys.len(), 1);
    bench.sleep(&mut pledge, rest);
    assert_eq!((pledge.stage(), bench.registrar.issued.len()), (Stage::Enrolled, 3));
    let keys: Vec<_> = bench.registrar.issued.iter().map(Certificate::public_key).collect();
    assert!(keys[0] == &old && keys[1] != keys[0] && keys[2] != keys[1] && keys[2] != keys[0]);
}

#[test]
fn a_refused_renewal_is_put_off_and_an_ended_certificate_is_asked_for_anew() {
    let mut bench = Bench::new();
    let (mut pledge, first) = bench.resume();
    let mut wait = bench.run_to_wait(&mut pledge, first);
    for _ in 0..5 {
        bench.says(est::SIMPLE_REENROLL_PATH, text(409, "not now"));
        wait = bench.sleep(&mut pledge, wait);
    }
    assert_eq!(until(&wait) - bench.now, 100_000);
    assert_eq!(pledge.stage(), Stage::Enrolled);
    bench.says(est::SIMPLE_REENROLL_PATH, text(409, "not now"));
    wait = bench.sleep(&mut pledge, wait);
    assert_eq!(until(&wait) - bench.now, 500);
    // From now on it is answered 500 until the certificate has ended: then the IDevID is shown.
    bench.done();
    while !bench.done().contains("IDevID") {
        bench.registrar.now += LIFE / 50;
        bench.says(est::CA_CERTS_PATH, text(500, "oh"));
        wait = bench.sleep(&mut pledge, wait);
        assert!(bench.registrar.now < START + 3 * LIFE);
    }
    bench.registrar.instead.clear();
    bench.sleep(&mut pledge, wait);
    assert!(bench.registrar.now >= START + LIFE);
    assert_eq!((pledge.stage(), bench.registrar.issued.len()), (Stage::Enrolled, 2));
}

const CLOSED: &str = "connect with LDevID, cacerts, wait";

/// A device that was revoked, or whose LDevID ended while it was dark, is closed out without a word.
#[test]
fn a_device_that_nobody_answers_asks_anew_with_its_idevid() {
    let mut bench = Bench::new();
    let (mut pledge, first) = bench.resume();
    bench.run_to_wait(&mut pledge, first);
    bench.unheard.extend(pledge.ldevid().cloned());
    let (mut pledge, mut wait) = bench.resume();
    bench.done();
    for _ in 0..DOUBTS_MAX {
        wait = bench.sleep(&mut pledge, wait);
        assert_eq!(bench.done(), CLOSED);
    }
    // Somebody has to admit it again; meanwhile it stays with its IDevID.
    bench.says(est::SIMPLE_ENROLL_PATH, text(202, "later"));
    wait = bench.sleep(&mut pledge, wait);
    let asking = "connect with IDevID, cacerts, csrattrs, make key, make csr, simpleenroll, wait";
    assert_eq!(bench.done(), asking);
    bench.sleep(&mut pledge, wait);
    let joining = "connect with IDevID, simpleenroll, store ldevid, connect with LDevID, enrollstatus, \
                   only key, store told, wait";
    assert_eq!(bench.done(), joining);
    assert_eq!((pledge.stage(), pledge.trouble()), (Stage::Enrolled, None));
}

/// The hub was not itself for a while: who is enrolled goes back to its LDevID.
#[test]
fn an_idevid_that_is_refused_is_not_insisted_on() {
    let mut bench = Bench::new();
    let (mut pledge, first) = bench.resume();
    bench.run_to_wait(&mut pledge, first);
    bench.unheard.extend(pledge.ldevid().cloned());
    let (mut pledge, mut wait) = bench.resume();
    for _ in 0..DOUBTS_MAX {
        wait = bench.sleep(&mut pledge, wait);
    }
    bench.done();
    bench.says(est::SIMPLE_ENROLL_PATH, text(409, "already-enrolled"));
    wait = bench.sleep(&mut pledge, wait);
    assert!(bench.done().ends_with("simpleenroll, enrollstatus, wait"));
    // Nobody answers: for a while that is not tried again, however often there is no word.
    let refused_at = bench.now;
    while bench.now < refused_at + 90_000 {
        wait = bench.sleep(&mut pledge, wait);
        assert_eq!(bench.done(), CLOSED, "{}", bench.now);
    }
    for _ in 0..4 {
        bench.says(est::SIMPLE_ENROLL_PATH, text(409, "already-enrolled"));
        while !bench.done().contains("IDevID") {
            wait = bench.sleep(&mut pledge, wait);
        }
    }
    assert!(bench.now > refused_at + 4 * 100_000);
    bench.unheard.clear();
    bench.sleep(&mut pledge, wait);
    assert_eq!(bench.done(), CLOSED, "its LDevID is young and good");
    assert_eq!((pledge.stage(), pledge.trouble()), (Stage::Enrolled, None));
}

/// Who is answered with neither identity tries both in turn.
#[test]
fn who_is_answered_with_no_identity_tries_both_in_turn() {
    let mut bench = Bench::new();
    let (mut pledge, first) = bench.resume();
    let mut wait = bench.run_to_wait(&mut pledge, first);
    bench.unheard = vec![pledge.ldevid().unwrap().clone(), bench.idevid.certificate.clone()];
    bench.done();
    for shown in ["LDevID", "IDevID", "LDevID", "IDevID"] {
        for _ in 0..DOUBTS_MAX {
            wait = bench.sleep(&mut pledge, wait);
            assert_eq!(bench.done(), format!("connect with {shown}, cacerts, wait"));
        }
    }
    bench.unheard.pop();
    for _ in 0..=DOUBTS_MAX {
        wait = bench.sleep(&mut pledge, wait);
    }
    assert_eq!((pledge.stage(), bench.registrar.issued.len()), (Stage::Enrolled, 2));
}

/// No connection at all says nothing of the certificate: the hub, or what is before it, is not there.
#[test]
fn an_outage_is_no_revocation() {
    let mut bench = Bench::new();
    let (mut pledge, first) = bench.resume();
    let mut wait = bench.run_to_wait(&mut pledge, first);
    for _ in 0..10 * DOUBTS_MAX {
        bench.now = until(&wait);
        let output = pledge.step(bench.moment(), Input::Woken).unwrap();
        assert_eq!(brief(&output), "connect with LDevID");
        wait = pledge.step(bench.moment(), Input::Lost("refused".into())).unwrap();
    }
}

/// The hub may say so itself, if the certificate ended between the connection and the request.
#[test]
fn an_ldevid_that_the_hub_calls_over_is_asked_for_anew() {
    let check = |status, words: &str, expect: &str| {
        let mut bench = Bench::new();
        let (mut pledge, first) = bench.resume();
        let wait = bench.run_to_wait(&mut pledge, first);
        bench.done();
        bench.says(est::SIMPLE_REENROLL_PATH, text(status, words));
        let wait = bench.sleep(&mut pledge, wait);
        bench.done();
        bench.sleep(&mut pledge, wait);
        assert!(bench.done().starts_with(&format!("connect with {expect}, ")), "{status} {words}");
        assert_eq!((pledge.stage(), bench.registrar.issued.len()), (Stage::Enrolled, 2));
    };
    check(403, "ldevid-ended: it is not good any more", "IDevID");
    check(403, "enrol-again: it is not known", "IDevID");
    check(403, "not-permitted: ldevid-ended", "LDevID");
    check(409, "ldevid-ended: it is not good any more", "LDevID");
    check(503, "ldevid-ended: it is not good any more", "LDevID");
}

/// A key that was made to ask anew goes with all others once the certificate before turns out to be good.
#[test]
fn a_key_that_is_gone_is_not_asked_for_again() {
    let mut bench = Bench::new();
    let (mut pledge, mut wait) = bench.unheard_with_its_ldevid();
    bench.says(est::SIMPLE_ENROLL_PATH, text(409, "already-enrolled"));
    for _ in 0..DOUBTS_MAX {
        wait = bench.sleep(&mut pledge, wait);
    }
    bench.unheard.clear();
    bench.done();
    wait = bench.sleep(&mut pledge, wait);
    assert_eq!(bench.done(), "connect with LDevID, enrollstatus, only key, store told, wait");
    bench.sleep(&mut pledge, wait);
    assert!(bench.done().contains("csrattrs, make key, make csr, simplereenroll"));
    assert_eq!((pledge.stage(), bench.registrar.issued.len()), (Stage::Enrolled, 2));
}

/// A certificate that was never told of and that nobody answers is asked for anew too.
#[test]
fn an_ldevid_that_is_refused_from_the_beginning_is_asked_for_anew() {
    let mut bench = Bench::new();
    let (mut pledge, mut wait) = bench.unheard_with_its_ldevid();
    for _ in 0..DOUBTS_MAX {
        wait = bench.sleep(&mut pledge, wait);
    }
    assert_eq!((pledge.stage(), bench.registrar.issued.len()), (Stage::Enrolled, 2));
}

#[test]
fn one_wrong_date_ends_nothing() {
    let mut bench = Bench::new();
    let (mut pledge, first) = bench.resume();
    let mut wait = bench.run_to_wait(&mut pledge, first);
    let ahead = Some(bench.registrar.now + 100 * LIFE);
    bench.says(est::CA_CERTS_PATH, Answer { date_millis: ahead, ..text(500, "oh") });
    bench.says(est::SIMPLE_ENROLL_PATH, text(409, "already-enrolled"));
    wait = bench.sleep(&mut pledge, wait);
    wait = bench.sleep(&mut pledge, wait);
    bench.sleep(&mut pledge, wait);
    assert_eq!((pledge.stage(), pledge.trouble()), (Stage::Enrolled, None));
    let renewed = bench.registrar.asked.iter().find(|asked| asked.path == est::SIMPLE_REENROLL_PATH);
    assert!(renewed.is_some(), "by its LDevID, as ever");
}

#[test]
fn a_server_that_knows_no_telemetry_is_good_enough() {
    let mut bench = Bench::new();
    bench.says(status::ENROLL_STATUS_PATH, text(500, "oh"));
    bench.says(status::ENROLL_STATUS_PATH, text(403, "no"));
    bench.says(status::ENROLL_STATUS_PATH, text(404, "what?"));
    let (mut pledge, first) = bench.resume();
    let wait = bench.run_to_wait(&mut pledge, first);
    let wait = bench.sleep(&mut pledge, wait);
    assert_eq!(pledge.stage(), Stage::Joining);
    bench.done();
    bench.sleep(&mut pledge, wait);
    assert_eq!(bench.done(), "connect with LDevID, enrollstatus, only key, store told, wait");
    assert_eq!(pledge.stage(), Stage::Enrolled);
}

#[test]
fn a_full_disk_is_tried_again() {
    let mut bench = Bench::new();
    let (mut pledge, mut output) = bench.resume();
    let mut failed = Vec::new();
    while pledge.stage() != Stage::Enrolled {
        let name = brief(&output);
        let local = name.starts_with("store") || name.starts_with("make") || name == "only key";
        let input = if local && !failed.contains(&name) {
            failed.push(name);
            Input::Failed("the disk is full".into())
        } else {
            bench.perform(output)
        };
        output = pledge.step(bench.moment(), input).unwrap();
    }
    let all = ["store anchors", "make key", "make csr", "store ldevid", "only key", "store told"];
    assert_eq!(failed, all);
    assert_eq!(bench.registrar.issued.len(), 1);
}

#[test]
fn what_cannot_be_used_is_named() {
    let check = |spoil: &dyn Fn(&mut Bench), expect: &str| {
        let mut bench = Bench::new();
        let (mut pledge, first) = bench.resume();
        bench.run_to_wait(&mut pledge, first);
        spoil(&mut bench);
        bench.inventory.keys = bench.keys.iter().map(TestKey::public).collect();
        let made = Pledge::resume("", Timers::default(), bench.inventory.clone(), bench.moment());
        let failure = made.map(drop).unwrap_err().to_string();
        assert!(failure.contains(expect), "{failure}");
    };
    check(&|bench| bench.inventory.idevid = Identity::root("x").certificate, "no serialNumber");
    check(
        &|bench| bench.inventory.trust = FirstTrust::Domain(bench.idevid.certificate.clone()),
        "not the certificate of an authority",
    );
    check(&|bench| bench.keys.clear(), "not for the device's key");
    check(
        &|bench| bench.inventory.trust = FirstTrust::Domain(Identity::root("x").certificate),
        "not of this domain",
    );
}

proptest! {
    /// Whatever comes, in whatever order: no panic; a misplaced input changes nothing; no more than one
    /// certificate is ever held without its key.
    #[test]
    fn any_order_of_inputs_is_taken(is_untouched in any::<bool>(), choices in proptest::collection::vec((0..13_u8, any::<u128>()), 0..60)) {
        let mut bench = Bench::that(is_untouched);
        let (mut pledge, mut output) = bench.resume();
        for (choice, random) in choices {
            let input = chosen(&mut bench, choice, &output);
            let moment = Moment { now: bench.now, random };
            let before = format!("{pledge:?}");
            match pledge.step(moment, input) {
                Ok(next) => output = next,
                Err(_) => prop_assert_eq!(format!("{:?}", pledge), before),
            }
            bench.log.clear();
        }
    }
}

/// Mostly the right input, sometimes any other.
fn chosen(bench: &mut Bench, choice: u8, output: &Output) -> Input {
    match choice {
        0 => Input::Connected(Vec::new()),
        1 => Input::Lost("cut".into()),
        2 => Input::Answered(text(400, "no")),
        3 => Input::Answered(Answer { date_millis: Some(i64::MIN), ..text(202, "") }),
        4 => {
            bench.keys.push(TestKey::new());
            Input::KeyMade(bench.keys.last().unwrap().public())
        }
        5 => Input::CsrMade(vec![0x30]),
        6 => Input::Failed("full".into()),
        7 => Input::Woken,
        8 => Input::Signed(vec![0x30]),
        _ if matches!(output, Output::GiveUp(_)) => Input::Stored,
        _ => bench.perform(output.clone()),
    }
}

#[test]
fn a_request_names_the_device() {
    let mut bench = Bench::new();
    let (mut pledge, first) = bench.resume();
    bench.run_to_wait(&mut pledge, first);
    let enrolled = bench.registrar.asked.iter().find(|asked| asked.path == est::SIMPLE_ENROLL_PATH).unwrap();
    let request = csr::Csr::from_der(&est::decode_body(&enrolled.body).unwrap()).unwrap();
    assert_eq!(request.serial_number().as_deref(), Some(SERIAL_NUMBER));
    assert_eq!(enrolled.peer.as_ref(), Some(&bench.idevid.certificate));
    assert_eq!(bench.keys[0].public_point().as_slice(), request.public_key().point());
}
