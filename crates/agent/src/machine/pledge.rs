//! The machine: what is held, and the step from one state to the next.
use super::check::{LdevidRefused, check_anchors, check_issued};
use super::message::{
    Change, Failure, FirstTrust, Identity, Input, Inventory, Output, Request, Trouble, Trust, shortened,
};
use super::retry::{Timers, upto};
use super::state::{Appeal, Application, Errand, State, Storing, Talk};
use crate::limits::{DOUBTS_MAX, REFUSALS_MAX};
use wire::csr::Csr;
use wire::est::{self, CsrAttributes};
use wire::status::{self, Status};
use wire::voucher;
use wire::{Certificate, PublicKey};

/// What a step may know of the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Milliseconds of a monotonic clock, counted from anywhere, the same for a pledge's whole life.
    pub now: u64,
    /// A fresh random number, from a cryptographic generator: nonces are made of it.
    pub random: u128,
}

/// How far a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It has no certificate of the domain, or the registrar does not know yet that it arrived.
    Joining,
    /// It has one, and has told so.
    Enrolled,
    /// Only a person can help.
    GivenUp,
    /// It was told to wipe itself, and has done so: its life is over.
    Wiped,
}

/// An input for which the state does not wait; the state stays as it was. Whoever called is to blame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{input} came while {state} is waited for")]
pub struct Misplaced {
    /// What came.
    pub input: &'static str,
    /// What is waited for.
    pub state: &'static str,
}

/// A device that joins a domain, and stays in it: a pledge until it is enrolled (RFC 8995 section
/// 1.2), an EST client for ever (RFC 7030).
#[derive(Clone, Debug)]
pub struct Pledge {
    registrar: String,
    timers: Timers,
    pub(super) idevid: Certificate,
    pub(super) serial_number: String,
    pub(super) trust: FirstTrust,
    anchors: Vec<Certificate>,
    /// Whether the registrar may still have to hear that its voucher was accepted.
    pub(super) imprint_untold: bool,
    /// The certificate in use.
    ldevid: Option<Certificate>,
    /// The key that the next certificate is for.
    pub(super) pending: Option<PublicKey>,
    /// Whether the registrar knows that `ldevid` arrived.
    told: bool,
    /// The hub does not know `ldevid` (any more): the next certificate is asked for with the IDevID.
    lapsed: bool,
    /// The IDevID is shown in place of `ldevid`, until a new certificate is there or that is refused.
    anew: bool,
    /// Before this moment that is not tried again.
    anew_from: u64,
    /// Connections in a row that a server of the domain ended before it said anything, with the identity that is
    /// shown now: it refuses whom it does not know without a word.
    pub(super) doubts: u32,
    stage: Stage,
    pub(super) state: State,
    /// Since when `ldevid` is held, by the monotonic clock.
    held_since: u64,
    /// The server's clock (Unix milliseconds) at a moment of ours.
    server_clock: Option<(u64, i64)>,
    /// Failures in a row that may pass by themselves.
    pub(super) failures: u32,
    /// Refusals in a row.
    pub(super) refusals: u32,
    trouble: Option<Trouble>,
}

impl Pledge {
    /// A device as it starts, for the first time or again, and the first thing to do. `registrar` is
    /// handed back with every [`Output::Connect`].
    ///
    /// # Errors
    /// [`Failure`] when what the device has cannot be used.
    pub fn resume(
        registrar: &str,
        timers: Timers,
        inventory: Inventory,
        moment: Moment,
    ) -> Result<(Self, Output), Failure> {
        let Inventory { idevid, trust, anchors, ldevid, keys, told } = inventory;
        let serial_number = idevid.serial_number().ok_or(Failure::NoSerialNumber)?;
        if matches!(&trust, FirstTrust::Domain(domain) if !domain.is_authority()) {
            return Err(Failure::AnchorIsNoAuthority);
        }
        let told = told && ldevid.is_some();
        // While it is not told, keys beside the certificate's own are older ones.
        let is_pending = |key: &&PublicKey| match &ldevid {
            Some(ldevid) => told && ldevid.public_key() != *key,
            None => true,
        };
        let pending = keys.iter().find(is_pending).cloned();
        // Those of a domain that the device was to join before are not believed any more.
        let believed = |domain: &Certificate| check_anchors(anchors, domain).ok();
        let anchors = trust.domain().and_then(believed).unwrap_or_default();
        let is_imprinted = matches!(trust, FirstTrust::Manufacturer { pinned: Some(_), .. });
        let mut pledge = Self {
            registrar: registrar.into(),
            timers,
            idevid,
            serial_number,
            imprint_untold: is_imprinted && anchors.is_empty() && ldevid.is_none(),
            trust,
            anchors,
            ldevid: None,
            pending,
            told,
            lapsed: false,
            anew: false,
            anew_from: 0,
            doubts: 0,
            stage: if told { Stage::Enrolled } else { Stage::Joining },
            state: State::Over,
            held_since: moment.now,
            server_clock: None,
            failures: 0,
            refusals: 0,
            trouble: None,
        };
        if let Some(ldevid) = ldevid {
            pledge.hold(ldevid, &keys).map_err(Failure::Ldevid)?;
        }
        let output = pledge.start(moment);
        Ok((pledge, output))
    }

    /// Takes up a stored certificate, if it is the device's and its key is there.
    fn hold(&mut self, ldevid: Certificate, keys: &[PublicKey]) -> Result<(), LdevidRefused> {
        let key = keys.iter().find(|key| *key == ldevid.public_key()).ok_or(LdevidRefused::OtherKey)?;
        let held = check_issued(std::slice::from_ref(&ldevid), key, &self.trusted(), &self.serial_number)?;
        self.ldevid = Some(held);
        Ok(())
    }

    fn start(&mut self, moment: Moment) -> Output {
        if !self.told {
            return self.open(self.next_errand());
        }
        // How old the certificate is, only the server can say: power may have been off for long.
        let until = moment.now.saturating_add(upto(moment.random, self.timers.start_spread));
        self.state = State::Pausing(until, Errand::Begin);
        Output::Wait(until)
    }

    /// How far the device is.
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// What went wrong last, until something goes well: for a log.
    pub fn trouble(&self) -> Option<&Trouble> {
        self.trouble.as_ref()
    }

    /// The certificate that the device uses in its domain.
    pub fn ldevid(&self) -> Option<&Certificate> {
        self.ldevid.as_ref()
    }

    /// Takes how the last output went, and says what to do next.
    ///
    /// # Errors
    /// [`Misplaced`] for an input that answers another output; nothing has changed then.
    pub fn step(&mut self, moment: Moment, input: Input) -> Result<Output, Misplaced> {
        let state = std::mem::replace(&mut self.state, State::Over);
        match (state, input) {
            (State::Opening(errand), Input::Connected(server)) => Ok(self.opened(moment, errand, server)),
            (State::Opening(errand), Input::Lost(why)) => Ok(self.lost(moment, errand, &why)),
            (State::Talking(talk), Input::Answered(answer)) => Ok(self.answered(moment, talk, &answer)),
            (State::Talking(talk), Input::Lost(why)) => Ok(self.unanswered(moment, talk, &why)),
            (State::MakingKey(attributes), Input::KeyMade(key)) => {
                self.pending = Some(key);
                Ok(self.make_csr(attributes))
            }
            (State::MakingCsr(attributes), Input::CsrMade(csr)) => {
                Ok(self.check_csr(moment, &attributes, csr))
            }
            (State::Signing(asks, server), Input::Signed(signed)) => {
                let appeal = Appeal { asks: *asks, signed, server, pending_since: None };
                Ok(self.ask(Talk::Voucher(Box::new(appeal))))
            }
            (State::Storing(storing), Input::Stored) => Ok(self.stored(moment, storing)),
            (
                State::MakingKey(_) | State::MakingCsr(_) | State::Signing(..) | State::Storing(_),
                Input::Failed(why),
            ) => Ok(self.again(moment, self.next_errand(), Trouble::Device(shortened(&why)))),
            (State::Pausing(until, errand), Input::Woken) if moment.now >= until => Ok(self.open(errand)),
            (State::Resting(until), Input::Woken) if moment.now >= until => Ok(self.open(Errand::Begin)),
            (State::Pausing(..) | State::Resting(_), Input::Lapsed) if self.told && !self.lapsed => {
                self.lapsed = true;
                Ok(self.open(Errand::Begin))
            }
            (state @ (State::Pausing(until, _) | State::Resting(until)), Input::Lapsed) => {
                self.state = state;
                Ok(Output::Wait(until))
            }
            (state @ (State::Pausing(until, _) | State::Resting(until)), Input::Woken) => {
                self.state = state;
                Ok(Output::Wait(until))
            }
            (state, input) => {
                let misplaced = Misplaced { input: input.name(), state: state.waits_for() };
                self.state = state;
                Err(misplaced)
            }
        }
    }

    /// What is to be done over the next connection when nothing is under way.
    pub(super) fn next_errand(&self) -> Errand {
        match &self.ldevid {
            Some(_) if !self.told && !self.asks_anew() => Errand::Tell,
            None if self.imprint_untold => Errand::Imprinted,
            _ => Errand::Begin,
        }
    }

    /// The anchors that a server or a certificate is believed by.
    pub fn trusted(&self) -> Vec<Certificate> {
        let domain = self.trust.domain();
        let distributed = self.anchors.iter().filter(|anchor| Some(*anchor) != domain);
        domain.into_iter().chain(distributed).cloned().collect()
    }

    fn open(&mut self, errand: Errand) -> Output {
        self.state = State::Opening(errand);
        // RFC 7030 section 3.3.2: "When requesting an enroll operation, the client MAY use a client
        // certificate issued by a third party to authenticate itself."
        let identity = match &self.ldevid {
            Some(ldevid) if !self.asks_anew() => Identity::Ldevid(Box::new(ldevid.clone())),
            _ => Identity::Idevid,
        };
        let trust = match self.trust.domain() {
            Some(_) => Trust::Anchors(self.trusted()),
            None => Trust::Provisional,
        };
        Output::Connect { registrar: self.registrar.clone(), trust, identity }
    }

    // RFC 7030 section 4.1.1 asks for a new session after cacerts when the server was not yet
    // authenticated. This one was, in the handshake or by a voucher.
    fn opened(&mut self, moment: Moment, errand: Errand, server: Vec<Certificate>) -> Output {
        match errand {
            Errand::Begin if self.trust.domain().is_none() => self.appeal(moment, server),
            // RFC 8995 section 5: a later connection has to show the same certificates. What shows
            // others is another server, and begins another attempt.
            Errand::Appeal(appeal) if appeal.server != server => self.appeal(moment, server),
            Errand::Appeal(appeal) => self.ask(Talk::Voucher(appeal)),
            Errand::Imprinted => self.ask(Talk::Imprinted),
            Errand::Begin => self.ask(Talk::Anchors),
            Errand::Apply(application) => self.ask(Talk::Application(application)),
            Errand::Tell => self.ask(Talk::Success),
        }
    }

    pub(super) fn ask(&mut self, talk: Talk) -> Output {
        let content = match &talk {
            Talk::Voucher(appeal) => Some((voucher::MEDIA_TYPE, appeal.signed.clone())),
            Talk::Anchors | Talk::Attributes => None,
            Talk::Application(application) => {
                Some((est::PKCS10, est::encode_body(&application.csr).into_bytes()))
            }
            Talk::Success | Talk::Imprinted => Some((status::MEDIA_TYPE, Status::success().to_json())),
            Talk::Failure(trouble) | Talk::Rejected(trouble) => {
                Some((status::MEDIA_TYPE, Status::failure(&trouble.words()).to_json()))
            }
        };
        // RFC 8995 section 5.2: what kind of voucher is understood.
        let accept = matches!(talk, Talk::Voucher(_)).then_some(voucher::MEDIA_TYPE);
        let request = Request { path: self.path(&talk), accept, content };
        self.state = State::Talking(talk);
        Output::Send(request)
    }

    /// Where something is asked.
    pub(super) fn path(&self, talk: &Talk) -> &'static str {
        match talk {
            Talk::Voucher(_) => voucher::REQUEST_PATH,
            Talk::Imprinted | Talk::Rejected(_) => status::VOUCHER_STATUS_PATH,
            Talk::Anchors => est::CA_CERTS_PATH,
            Talk::Attributes => est::CSR_ATTRS_PATH,
            Talk::Application(_) => self.application_path(),
            Talk::Success | Talk::Failure(_) => status::ENROLL_STATUS_PATH,
        }
    }

    pub(super) fn application_path(&self) -> &'static str {
        let renews = self.ldevid.is_some() && !self.asks_anew();
        if renews { est::SIMPLE_REENROLL_PATH } else { est::SIMPLE_ENROLL_PATH }
    }

    pub(super) fn store(&mut self, storing: Storing) -> Output {
        let change = match &storing {
            Storing::Imprint(imprint) => Change::Imprint(imprint.clone()),
            Storing::Anchors(anchors) => Change::Anchors(anchors.clone()),
            Storing::Ldevid(ldevid) => Change::Ldevid(ldevid.clone()),
            Storing::OnlyKey => match &self.ldevid {
                Some(ldevid) => Change::OnlyKey(ldevid.public_key().clone()),
                None => return self.open(Errand::Begin),
            },
            Storing::Told => match &self.ldevid {
                Some(ldevid) => Change::Told(Box::new(ldevid.clone())),
                None => return self.open(Errand::Begin),
            },
        };
        self.state = State::Storing(storing);
        Output::Store(change)
    }

    fn stored(&mut self, moment: Moment, storing: Storing) -> Output {
        match storing {
            Storing::Imprint(imprint) => self.imprinted(imprint.pinned),
            Storing::Anchors(anchors) => {
                self.anchors = anchors;
                self.after_anchors(moment)
            }
            Storing::Ldevid(ldevid) => {
                (self.ldevid, self.pending, self.told) = (Some(*ldevid), None, false);
                (self.held_since, self.refusals) = (moment.now, 0);
                (self.lapsed, self.anew, self.doubts) = (false, false, 0);
                // RFC 8995 section 5.9.4: success is told over a new session with the new identity.
                self.open(Errand::Tell)
            }
            Storing::OnlyKey => {
                self.pending = None;
                self.store(Storing::Told)
            }
            Storing::Told => {
                (self.told, self.stage) = (true, Stage::Enrolled);
                self.rest(moment)
            }
        }
    }

    /// After the anchors: a certificate that is young enough stays, whatever the anchors are.
    pub(super) fn after_anchors(&mut self, moment: Moment) -> Output {
        match &self.ldevid {
            Some(ldevid) if !self.asks_anew() && !self.is_due(ldevid, moment) => self.rest(moment),
            _ => self.ask(Talk::Attributes),
        }
    }

    /// With the attributes: a key that was made before and is not yet certified is used.
    pub(super) fn prepare(&mut self, attributes: CsrAttributes) -> Output {
        if self.pending.is_some() {
            return self.make_csr(attributes);
        }
        self.state = State::MakingKey(attributes);
        Output::MakeKey
    }

    fn make_csr(&mut self, attributes: CsrAttributes) -> Output {
        let Some(key) = self.pending.clone() else { return self.open(self.next_errand()) };
        let subject = match &self.ldevid {
            // RFC 7030 section 4.2.2: subject and subjectAltName are those of the certificate.
            _ if self.asks_anew() => self.idevid.subject(),
            Some(held) if held.dns_names().is_empty() && held.addresses().is_empty() => held.subject(),
            Some(_) => return self.refuse(LdevidRefused::AlternativeNames.into()),
            None => self.idevid.subject(),
        };
        let subject = subject.clone();
        self.state = State::MakingCsr(attributes);
        Output::MakeCsr { key, subject }
    }

    // RFC 8995 section 5.9.2: the request has to be as csrattrs says.
    fn check_csr(&mut self, moment: Moment, attributes: &CsrAttributes, csr: Vec<u8>) -> Output {
        let read = match Csr::from_der(&csr) {
            Ok(read) => read,
            Err(why) => return self.again(moment, self.next_errand(), Trouble::Device(why.to_string())),
        };
        let unmet = attributes.unmet_by(&read);
        if !unmet.is_empty() {
            return self.refuse(Trouble::Attributes(unmet));
        }
        self.ask(Talk::Application(Application { csr, pending_since: None }))
    }

    pub(super) fn lost(&mut self, moment: Moment, errand: Errand, why: &str) -> Output {
        self.again(moment, errand, Trouble::Lost(shortened(why)))
    }

    fn unanswered(&mut self, moment: Moment, talk: Talk, why: &str) -> Output {
        self.doubts = self.doubts.saturating_add(1);
        match talk {
            Talk::Application(application) => self.lost(moment, Errand::Apply(application), why),
            Talk::Voucher(appeal) => self.lost(moment, Errand::Appeal(appeal), why),
            Talk::Failure(trouble) | Talk::Rejected(trouble) => self.after_refusal(moment, trouble),
            _ => self.lost(moment, self.next_errand(), why),
        }
    }

    /// Something failed that may pass by itself: the same errand again, after a backoff.
    pub(super) fn again(&mut self, moment: Moment, errand: Errand, trouble: Trouble) -> Output {
        self.again_after(moment, errand, trouble, 0)
    }

    /// As [`again`](Self::again), after `least` milliseconds or more.
    pub(super) fn again_after(
        &mut self,
        moment: Moment,
        errand: Errand,
        trouble: Trouble,
        least: u64,
    ) -> Output {
        self.failures = self.failures.saturating_add(1);
        let wait = self.timers.backoff(self.failures, moment.random).max(least);
        self.pause(moment, wait, errand, trouble)
    }

    /// Something was refused: it is told on the same connection (RFC 8995 section 5.9.4).
    pub(super) fn refuse(&mut self, trouble: Trouble) -> Output {
        self.ask(Talk::Failure(trouble))
    }

    /// A refusal was told, or could not be: from the beginning, a few times.
    pub(super) fn after_refusal(&mut self, moment: Moment, trouble: Trouble) -> Output {
        if std::mem::take(&mut self.anew) {
            // The LDevID is shown again, and the clock by which it may have seemed over is forgotten.
            (self.doubts, self.server_clock) = (0, None);
            self.anew_from = moment.now.saturating_add(self.timers.put_off);
            return self.again(moment, self.next_errand(), trouble);
        }
        self.refusals = self.refusals.saturating_add(1);
        let errand = self.next_errand();
        // RFC 8995 section 5.6.2: without a domain, attempts are repeated for ever. Who refused may be
        // anybody.
        if self.refusals < REFUSALS_MAX || self.trust.domain().is_none() {
            let wait = self.timers.backoff(self.refusals, moment.random);
            return self.pause(moment, wait, errand, trouble);
        }
        if self.told {
            self.refusals = 0;
            return self.pause(moment, self.timers.put_off, errand, trouble);
        }
        self.give_up(Failure::Refused { tries: self.refusals, last: trouble })
    }

    pub(super) fn pause(&mut self, moment: Moment, wait: u64, errand: Errand, trouble: Trouble) -> Output {
        self.trouble = Some(trouble);
        let errand = if self.turns(moment) { self.next_errand() } else { errand };
        let until = moment.now.saturating_add(wait);
        self.state = State::Pausing(until, errand);
        Output::Wait(until)
    }

    fn give_up(&mut self, failure: Failure) -> Output {
        (self.stage, self.state) = (Stage::GivenUp, State::Over);
        Output::GiveUp(failure)
    }

    /// Nothing to do until two thirds of the certificate's life are over. At least a sixth of it
    /// passes, so that a server whose clock and certificates disagree makes no busy loop.
    fn rest(&mut self, moment: Moment) -> Output {
        let Some(ldevid) = &self.ldevid else { return self.open(Errand::Begin) };
        self.trouble = None;
        let life = life(ldevid);
        let wait = (life / 3 * 2).saturating_sub(self.age(ldevid, moment)).max(life / 6);
        let until = moment.now.saturating_add(wait);
        self.state = State::Resting(until);
        Output::Wait(until)
    }

    fn is_due(&self, ldevid: &Certificate, moment: Moment) -> bool {
        self.age(ldevid, moment) >= life(ldevid) / 3 * 2
    }

    /// How old a certificate is, in milliseconds: by the server's clock when it told it, counted on
    /// by ours; else since it came.
    fn age(&self, ldevid: &Certificate, moment: Moment) -> u64 {
        let Some((at, date)) = self.server_clock else { return moment.now.saturating_sub(self.held_since) };
        let then = u64::try_from(date.saturating_sub(ldevid.not_before())).unwrap_or(0);
        then.saturating_add(moment.now.saturating_sub(at))
    }

    pub(super) fn learn_time(&mut self, moment: Moment, date_millis: Option<i64>) {
        self.server_clock = date_millis.map(|date| (moment.now, date)).or(self.server_clock);
    }

    /// Whether the other identity is shown from now on: nobody answers to this one, or the LDevID is over. What
    /// the server's clock says decides nothing for good, and nothing is given up: it may be wrong, and a hub may
    /// be out of order.
    fn turns(&mut self, moment: Moment) -> bool {
        let Some(held) = self.ldevid.as_ref().filter(|_| !self.lapsed) else { return false };
        let wanted = match self.anew {
            true => self.doubts >= DOUBTS_MAX,
            false => {
                let is_over = self.age(held, moment) >= life(held);
                moment.now >= self.anew_from && (is_over || self.doubts >= DOUBTS_MAX)
            }
        };
        if wanted {
            (self.anew, self.doubts) = (!self.anew, 0);
        }
        wanted
    }

    /// Whether the next certificate is asked for with the IDevID, as the first one was.
    pub(super) fn asks_anew(&self) -> bool {
        self.ldevid.is_some() && (self.lapsed || self.anew)
    }

    /// The certificate in use, unless it is known that the hub does not know it.
    pub fn good_ldevid(&self) -> Option<&Certificate> {
        self.ldevid.as_ref().filter(|_| !self.lapsed)
    }

    /// What the current anchors are.
    pub(super) fn distributed(&self) -> &[Certificate] {
        &self.anchors
    }
}

/// How long a certificate is good, in milliseconds; never 0.
fn life(certificate: &Certificate) -> u64 {
    let life = certificate.not_after().saturating_sub(certificate.not_before());
    u64::try_from(life).unwrap_or(0).max(1)
}

impl Input {
    fn name(&self) -> &'static str {
        match self {
            Self::Connected(_) => "a connection",
            Self::Lost(_) => "the loss of a connection",
            Self::Answered(_) => "an answer",
            Self::KeyMade(_) => "a key",
            Self::CsrMade(_) => "a certification request",
            Self::Signed(_) => "a signed voucher-request",
            Self::Stored => "the disk's word",
            Self::Failed(_) => "a failure of the device",
            Self::Woken => "the passing of time",
            Self::Lapsed => "the end of the certificate",
        }
    }
}
