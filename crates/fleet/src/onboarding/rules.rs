//! The rules of joining. Pure.
use crate::limits::DEVICE_LDEVIDS_MAX;
use crate::refusal::Sort;
use crate::room::Reason;
use crate::time::Millis;
use crate::words;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use wire::control::LDEVID_ENDED;

/// What a device showed when it first asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Introduction {
    /// The anchor that vouches for its maker.
    pub anchor: String,
    /// `serialNumber` of its IDevID.
    pub serial_number: String,
    /// SHA-256 of its IDevID's public key, as hexadecimal digits.
    pub key: String,
    /// The MUD URL in its IDevID (RFC 8520 section 11); empty when there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub mud_url: String,
    /// Who must sign that description, if its IDevID says so (id-pe-mudsigner, RFC 8520 section 11): the
    /// subject of a certificate; empty when it does not.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub mud_signer: String,
}

impl Introduction {
    /// Whether both are of one IDevID: its maker, its serial number and its key say that.
    pub fn same_idevid(&self, other: &Introduction) -> bool {
        let of = |i: &Introduction| (i.anchor.clone(), i.serial_number.clone(), i.key.clone());
        of(self) == of(other)
    }
}

/// A certificate that is good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ldevid {
    /// SHA-256 of its public key, as hexadecimal digits.
    pub key: String,
    /// Since when.
    pub not_before: Millis,
    /// Until when.
    pub not_after: Millis,
    /// The certificate as PEM.
    pub certificate: String,
}

/// A voucher that the device's maker issued, for the nonce that it sent last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Voucher {
    /// The nonce, as its text stood in the request.
    pub nonce: String,
    /// The domain that it names: RFC 8995 section 5.8.2, as hexadecimal digits.
    pub domain_id: String,
    /// The voucher itself: CMS as base64.
    pub voucher: String,
    /// What the device said of it.
    pub verdict: Verdict,
    /// Why it refused it, in its own words.
    pub reason: String,
    /// What the maker's service says of all vouchers of this device, if it said so.
    pub log: Option<LogSummary>,
}

/// What a MASA's audit log says, as far as RFC 8995 section 5.8.3 makes something of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LogSummary {
    /// The voucher that was just issued stands in it.
    pub complete: bool,
    /// Vouchers that it lists.
    pub vouchers: u64,
    /// Of these, vouchers without a nonce: whoever has one can take the device over after a reset.
    pub without_nonce: u64,
    /// Vouchers that it leaves out.
    pub left_out: u64,
    /// Domains other than this one that the device was told to trust, as hexadecimal digits; not all of
    /// many.
    pub other_domains: Vec<String>,
}

words! {
    /// What a device says of its voucher (RFC 8995 section 5.7).
    pub enum Verdict {
        /// Nothing yet.
        Open = "open",
        /// It is good.
        Accepted = "accepted",
        /// It is not.
        Refused = "refused",
    }
}

words! {
    /// How a device's joining failed, by its own word or by what its request says.
    pub enum Trouble {
        /// It refused its voucher, or its request shows that somebody stands between.
        VoucherRefused = "voucher-refused",
        /// Its enrolment failed.
        EnrolmentFailed = "enrolment-failed",
    }
}

/// What is true of a device's joining.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// What it showed when it first asked.
    pub introduction: Option<Introduction>,
    /// A person or a rule let it join.
    pub admitted: bool,
    /// It reported that it is enrolled.
    pub enrolled: bool,
    /// What it showed was revoked once: no rule admits it any more, only a person.
    pub barred: bool,
    /// Its voucher, when it joins by one.
    pub voucher: Option<Voucher>,
    /// The key that it wants a certificate for, as SHA-256 in hexadecimal digits.
    pub wanted: Option<String>,
    /// Its good certificates by serial number, in hexadecimal digits.
    pub ldevids: BTreeMap<String, Ldevid>,
    /// A certificate of this domain that it showed and that nobody here knew, with its serial number.
    pub ahead: Option<(String, Ldevid)>,
    /// Since when the youngest certificate is good that was ever shown so, or revoked: one that is not younger
    /// is over.
    pub youngest: Millis,
    /// How its joining failed last, and why; until it succeeds, or a person settles that.
    pub trouble: Option<(Trouble, String)>,
}

impl State {
    /// Whether it is enrolled with a certificate that is still good: then it has no need of its IDevID. One
    /// that was dark until all of them had ended enrols again as it did first, if it is still admitted.
    pub fn is_enrolled(&self, now: Millis) -> bool {
        self.enrolled && self.ldevids.values().any(|it| now < it.not_after)
    }

    /// Whether a certificate that no row knows may be good: it waits already, or it is younger than every one
    /// that was known; otherwise it was superseded or revoked, whoever did it. Certificates tell seconds (RFC
    /// 5280 section 4.1.2.5).
    pub fn may_be_ahead(&self, serial: &str, not_before: Millis) -> bool {
        let second = |time: Millis| time.0.div_euclid(1000);
        let waits = self.ahead.as_ref().is_some_and(|(known, _)| known == serial);
        let mut known = self.ldevids.values().map(|known| known.not_before).chain([self.youngest]);
        waits || known.all(|since| second(since) < second(not_before))
    }
}

/// What may be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// It asked for the first time, with a good IDevID.
    Introduce(Introduction),
    /// A person or a rule lets it join.
    Admit,
    /// Its maker's service issued a voucher.
    KeepVoucher {
        /// The nonce that it is for.
        nonce: String,
        /// The domain that it names.
        domain_id: String,
        /// The voucher: CMS as base64.
        voucher: String,
    },
    /// Its maker's service said which vouchers it issued.
    KeepLog(LogSummary),
    /// It says what it thinks of its voucher.
    ReportVoucher {
        /// Whether it accepts it.
        good: bool,
        /// In its own words.
        reason: String,
    },
    /// It wants a certificate for this key.
    Want {
        /// SHA-256 of the key, as hexadecimal digits.
        key: String,
    },
    /// The hub signed one.
    Issue {
        /// The certificate's serial number, as hexadecimal digits.
        serial: String,
        /// The certificate.
        ldevid: Ldevid,
    },
    /// It showed a certificate of this domain that nobody here knows: it is ahead of the restored state.
    ShowAhead {
        /// The certificate's serial number, as hexadecimal digits.
        serial: String,
        /// `serialNumber` of its subject.
        serial_number: String,
        /// The certificate.
        ldevid: Ldevid,
    },
    /// A person or a rule takes the certificate that it showed for one of this hub's.
    Adopt,
    /// It says how its enrolment went.
    Report {
        /// Whether it went well.
        good: bool,
        /// In its own words.
        reason: String,
        /// Whether it said so over a connection with its LDevID.
        matched: bool,
    },
    /// Its request for a voucher says that it is near another registrar's certificate.
    MeetRelay {
        /// What shows it, with the clause.
        reason: String,
    },
    /// A person has looked at how its joining failed.
    Settle {
        /// What they found.
        why: String,
    },
    /// End every certificate.
    Revoke {
        /// Why.
        why: String,
    },
}

/// *Stored.* What happened: add variants, never change one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Event {
    /// It asked for the first time.
    Introduced {
        /// What it showed.
        introduction: Introduction,
    },
    /// It may join.
    Admitted,
    /// Its maker's service issued a voucher.
    VoucherObtained {
        /// The nonce that it is for.
        nonce: String,
        /// The domain that it names; empty when it could not be read.
        domain_id: String,
        /// The voucher: CMS as base64.
        voucher: String,
    },
    /// Its maker's service said which vouchers it issued (RFC 8995 section 5.8).
    AuditLogRead {
        /// What it said.
        log: LogSummary,
    },
    /// It accepted its voucher, by its own word.
    VoucherAccepted,
    /// It refused its voucher, by its own word.
    VoucherRefused {
        /// In its own words.
        reason: String,
    },
    /// It wants a certificate for this key.
    Wanted {
        /// SHA-256 of the key.
        key: String,
    },
    /// It has one certificate more.
    Issued {
        /// The certificate's serial number.
        serial: String,
        /// SHA-256 of its key.
        key: String,
        /// Since when it is good.
        not_before: Millis,
        /// Until when it is good.
        not_after: Millis,
        /// The certificate as PEM.
        certificate: String,
    },
    /// It showed a certificate of this domain that nobody here knew.
    ShownAhead {
        /// The certificate's serial number.
        serial: String,
        /// `serialNumber` of its subject.
        serial_number: String,
        /// SHA-256 of its key.
        key: String,
        /// Since when it is good.
        not_before: Millis,
        /// Until when it is good.
        not_after: Millis,
        /// The certificate as PEM.
        certificate: String,
    },
    /// The certificate that it showed is good here.
    Adopted {
        /// The certificate's serial number.
        serial: String,
    },
    /// A newer certificate took its place.
    Superseded {
        /// The certificate's serial number.
        serial: String,
    },
    /// It is enrolled, by its own word over a connection with its LDevID.
    Enrolled,
    /// It is enrolled, by its own word over a connection with its IDevID (RFC 8995 section 5.9.4 wants
    /// the difference kept).
    EnrolledUnmatched,
    /// Its enrolment failed, by its own word.
    EnrolmentFailed {
        /// In its own words.
        reason: String,
    },
    /// Its joining failed: a person should look.
    Troubled {
        /// How.
        trouble: Trouble,
        /// Why: its own words, or what its request shows.
        reason: String,
    },
    /// A person has looked at how its joining failed.
    TroubleSettled {
        /// What they found.
        why: String,
    },
    /// Its certificates ended, and what it showed no longer counts.
    Revoked {
        /// The certificates' serial numbers.
        serials: Vec<String>,
        /// Why.
        why: String,
        /// Since when the youngest of them is good.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        youngest: Option<Millis>,
    },
}

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It never showed an IDevID.
    NotIntroduced,
    /// It showed another IDevID before.
    AnotherIdevid,
    /// Nobody admitted it.
    NotAdmitted,
    /// It was admitted before.
    Admitted,
    /// The certificate is for a key that it did not ask for.
    NotWanted,
    /// It has no certificate to be enrolled with.
    NothingIssued,
    /// It got no voucher here.
    NoVoucher,
    /// The certificate that it showed is older than one that is known, so it is over.
    LdevidEnded,
    /// It showed no certificate that nobody here knew.
    NotAhead,
    /// Its joining did not fail, or that is settled.
    NoTrouble,
}

impl Reason for Refusal {
    fn code(&self) -> &'static str {
        match self {
            Refusal::NotIntroduced => "not-introduced",
            Refusal::AnotherIdevid => "another-idevid",
            Refusal::NotAdmitted => "not-admitted",
            Refusal::Admitted => "already-admitted",
            Refusal::NotWanted => "key-not-wanted",
            Refusal::NothingIssued => "nothing-issued",
            Refusal::NoVoucher => "no-voucher",
            Refusal::LdevidEnded => LDEVID_ENDED,
            Refusal::NotAhead => "not-ahead",
            Refusal::NoTrouble => "nothing-to-settle",
        }
    }

    fn sort(&self) -> Sort {
        match self {
            Refusal::NotIntroduced | Refusal::NoVoucher => Sort::NotFound,
            Refusal::AnotherIdevid | Refusal::LdevidEnded => Sort::NotPermitted,
            _ => Sort::Conflict,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Refusal::NotIntroduced => "the device has not shown an IDevID yet; it has to ask first",
            Refusal::AnotherIdevid => {
                "the device showed another IDevID before; if it was given a new identity, retire it and claim it"
            }
            Refusal::NotAdmitted => "nobody has admitted the device; `onboarding admit` does",
            Refusal::Admitted => "the device was admitted before",
            Refusal::NotWanted => "the device did not ask for a certificate for this key",
            Refusal::NothingIssued => "the device has no certificate; it has to enrol before it reports success",
            Refusal::NoVoucher => "the device got no voucher here that it could speak of",
            Refusal::LdevidEnded => "the certificate that was shown is not a good one of this domain (any more)",
            Refusal::NotAhead => {
                "the device has shown no certificate that this hub does not know; there is nothing to adopt"
            }
            Refusal::NoTrouble => "nothing failed in the device's joining that is not settled",
        })
    }
}

/// What happens when `command` is asked of a device in `state`.
///
/// # Errors
/// Why not.
pub fn decide(state: &State, command: Command, _now: Millis) -> Result<Vec<Event>, Refusal> {
    match command {
        Command::Introduce(introduction) => match &state.introduction {
            None => Ok(vec![Event::Introduced { introduction }]),
            Some(known) if known.same_idevid(&introduction) => Ok(vec![]),
            Some(_) => Err(Refusal::AnotherIdevid),
        },
        Command::Revoke { why } if state.introduction.is_some() || state.ahead.is_some() => {
            let ahead = state.ahead.iter().map(|(serial, ldevid)| (serial, ldevid));
            let ended = state.ldevids.iter().chain(ahead);
            let youngest = ended.clone().map(|(_, ldevid)| ldevid.not_before).max();
            let serials = ended.map(|(serial, _)| serial.clone()).collect();
            Ok(vec![Event::Revoked { serials, why, youngest }])
        }
        Command::Revoke { .. } => Ok(vec![]),
        Command::ShowAhead { serial, serial_number, ldevid } => {
            show_ahead(state, serial, serial_number, ldevid)
        }
        Command::Settle { .. } if state.trouble.is_none() => Err(Refusal::NoTrouble),
        Command::Settle { why } => Ok(vec![Event::TroubleSettled { why }]),
        _ if state.introduction.is_none() => Err(Refusal::NotIntroduced),
        Command::MeetRelay { reason } => Ok(troubled(state, Trouble::VoucherRefused, &reason)),
        Command::Admit if state.admitted => Err(Refusal::Admitted),
        Command::Admit => Ok(vec![Event::Admitted]),
        _ if !state.admitted => Err(Refusal::NotAdmitted),
        Command::KeepVoucher { nonce, domain_id, voucher } => Ok(match &state.voucher {
            // Of two that came for one nonce, the first one counts.
            Some(known) if known.nonce == nonce => vec![],
            _ => vec![Event::VoucherObtained { nonce, domain_id, voucher }],
        }),
        Command::KeepLog(log) => match &state.voucher {
            None => Err(Refusal::NoVoucher),
            Some(known) if known.log.as_ref() == Some(&log) => Ok(vec![]),
            Some(_) => Ok(vec![Event::AuditLogRead { log }]),
        },
        Command::ReportVoucher { good, reason } => match &state.voucher {
            None => Err(Refusal::NoVoucher),
            Some(known) if known.verdict != Verdict::Open => Ok(vec![]),
            Some(_) if good => Ok(vec![Event::VoucherAccepted]),
            Some(_) => {
                let mut events = troubled(state, Trouble::VoucherRefused, &reason);
                events.insert(0, Event::VoucherRefused { reason });
                Ok(events)
            }
        },
        Command::Want { key } if state.wanted.as_ref() == Some(&key) => Ok(vec![]),
        Command::Want { key } => Ok(vec![Event::Wanted { key }]),
        Command::Issue { serial, ldevid } => issue(state, serial, ldevid),
        Command::Adopt => adopt(state),
        Command::Report { good: true, .. } if state.enrolled => {
            let settled = || Event::TroubleSettled { why: "it reports success".into() };
            Ok(state.trouble.iter().map(|_| settled()).collect())
        }
        Command::Report { good: true, .. } if state.ldevids.is_empty() => Err(Refusal::NothingIssued),
        Command::Report { good: true, matched: true, .. } => Ok(vec![Event::Enrolled]),
        Command::Report { good: true, matched: false, .. } => Ok(vec![Event::EnrolledUnmatched]),
        Command::Report { good: false, reason, .. } => {
            let mut events = troubled(state, Trouble::EnrolmentFailed, &reason);
            if !events.is_empty() {
                events.insert(0, Event::EnrolmentFailed { reason });
            }
            Ok(events)
        }
    }
}

/// Said once, however often the device says it.
fn troubled(state: &State, trouble: Trouble, reason: &str) -> Vec<Event> {
    let reason = if reason.is_empty() { "it did not say why" } else { reason };
    match &state.trouble {
        Some((known, why)) if (*known, why.as_str()) == (trouble, reason) => vec![],
        _ => vec![Event::Troubled { trouble, reason: reason.into() }],
    }
}

/// Two certificates may be good at once: the device must not be without one while it takes up a new
/// one.
fn issue(state: &State, serial: String, ldevid: Ldevid) -> Result<Vec<Event>, Refusal> {
    if state.wanted.as_ref() != Some(&ldevid.key) {
        // Of two that were signed for one request at once, the first one counts.
        let kept = state.ldevids.values().any(|known| known.key == ldevid.key);
        return if kept { Ok(vec![]) } else { Err(Refusal::NotWanted) };
    }
    let mut events = superseded(state, &ldevid.key);
    let Ldevid { key, not_before, not_after, certificate } = ldevid;
    events.push(Event::Issued { serial, key, not_before, not_after, certificate });
    Ok(events)
}

/// What makes room for a certificate for `key`.
fn superseded(state: &State, key: &str) -> Vec<Event> {
    // One key has one good certificate; and of the others the one that was issued first makes room.
    let (same, others): (Vec<_>, Vec<_>) = state.ldevids.iter().partition(|(_, l)| l.key == key);
    let mut superseded: Vec<&String> = same.into_iter().map(|(serial, _)| serial).collect();
    if others.len() >= DEVICE_LDEVIDS_MAX {
        superseded.extend(others.into_iter().min_by_key(|(_, l)| l.not_before).map(|(serial, _)| serial));
    }
    superseded.into_iter().map(|serial| Event::Superseded { serial: serial.clone() }).collect()
}

fn show_ahead(
    state: &State,
    serial: String,
    serial_number: String,
    ldevid: Ldevid,
) -> Result<Vec<Event>, Refusal> {
    if state.ahead.as_ref().is_some_and(|(known, _)| *known == serial) {
        return Ok(vec![]);
    }
    if !state.may_be_ahead(&serial, ldevid.not_before) {
        return Err(Refusal::LdevidEnded);
    }
    let Ldevid { key, not_before, not_after, certificate } = ldevid;
    Ok(vec![Event::ShownAhead { serial, serial_number, key, not_before, not_after, certificate }])
}

/// It came with the certificate, so it is enrolled (RFC 8995 section 5.9.4), whatever was heard of that.
fn adopt(state: &State) -> Result<Vec<Event>, Refusal> {
    let (serial, ldevid) = state.ahead.as_ref().ok_or(Refusal::NotAhead)?;
    let mut events = superseded(state, &ldevid.key);
    events.push(Event::Adopted { serial: serial.clone() });
    events.extend((!state.enrolled).then_some(Event::Enrolled));
    Ok(events)
}

/// Whether it rests on the time being right.
pub fn rests_on_time(event: &Event) -> bool {
    matches!(
        event,
        Event::Issued { .. } | Event::Adopted { .. } | Event::Superseded { .. } | Event::Revoked { .. }
    )
}

/// What an event does.
pub fn apply(state: &mut State, event: &Event) {
    match event {
        Event::Introduced { introduction } => state.introduction = Some(introduction.clone()),
        Event::Admitted => state.admitted = true,
        Event::VoucherObtained { nonce, domain_id, voucher } => {
            let (nonce, domain_id, voucher) = (nonce.clone(), domain_id.clone(), voucher.clone());
            let (verdict, reason) = (Verdict::Open, String::new());
            state.voucher = Some(Voucher { nonce, domain_id, voucher, verdict, reason, log: None });
        }
        Event::AuditLogRead { log } => {
            if let Some(voucher) = &mut state.voucher {
                voucher.log = Some(log.clone());
            }
        }
        Event::VoucherAccepted => {
            judged(state, Verdict::Accepted, "");
            state.trouble.take_if(|(trouble, _)| *trouble == Trouble::VoucherRefused);
        }
        Event::VoucherRefused { reason } => judged(state, Verdict::Refused, reason),
        Event::Wanted { key } => state.wanted = Some(key.clone()),
        Event::Issued { serial, key, not_before, not_after, certificate } => {
            let (not_before, not_after) = (*not_before, *not_after);
            let ldevid = Ldevid { key: key.clone(), not_before, not_after, certificate: certificate.clone() };
            state.ldevids.insert(serial.clone(), ldevid);
            (state.wanted, state.ahead) = (None, None);
        }
        Event::ShownAhead { serial, key, not_before, not_after, certificate, .. } => {
            let (not_before, not_after) = (*not_before, *not_after);
            let ldevid = Ldevid { key: key.clone(), not_before, not_after, certificate: certificate.clone() };
            (state.ahead, state.youngest) = (Some((serial.clone(), ldevid)), not_before);
        }
        Event::Adopted { .. } => {
            let wanted = state.ahead.as_ref().map(|(_, ldevid)| ldevid.key.clone());
            if state.wanted == wanted {
                state.wanted = None;
            }
            state.ldevids.extend(state.ahead.take());
        }
        Event::Superseded { serial } => {
            state.ldevids.remove(serial);
        }
        Event::Enrolled | Event::EnrolledUnmatched => (state.enrolled, state.trouble) = (true, None),
        // What a person should see of it is an event of its own.
        Event::EnrolmentFailed { .. } => {}
        Event::Troubled { trouble, reason } => state.trouble = Some((*trouble, reason.clone())),
        Event::TroubleSettled { .. } => state.trouble = None,
        Event::Revoked { youngest, .. } => {
            *state = State {
                barred: true,
                youngest: state.youngest.max(youngest.unwrap_or_default()),
                ..State::default()
            };
        }
    }
}

fn judged(state: &mut State, verdict: Verdict, reason: &str) {
    if let Some(voucher) = &mut state.voucher {
        voucher.verdict = verdict;
        voucher.reason = reason.into();
    }
}
