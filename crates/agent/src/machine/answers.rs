//! What a server's answers mean.
use super::check::{AnchorsRefused, LdevidRefused, check_anchors, check_issued};
use super::message::{Answer, Output, Trouble, shortened};
use super::pledge::{Moment, Pledge};
use super::retry::asked_for;
use super::state::{Appeal, Application, Errand, Storing, Talk};
use crate::limits::{DOUBTS_MAX, PENDING_HOURS_MAX};
use wire::Certificate;
use wire::control::{ENROL_AGAIN, LDEVID_ENDED};
use wire::est::{self, CsrAttributes};

const HOUR_MILLIS: u64 = 60 * 60 * 1000;

impl Pledge {
    pub(super) fn answered(&mut self, moment: Moment, talk: Talk, answer: &Answer) -> Output {
        if self.trust.domain().is_some() {
            self.learn_time(moment, answer.date_millis);
        }
        self.doubts = 0;
        if let Some(words) = no_longer_good(answer).filter(|_| !self.asks_anew()) {
            self.doubts = DOUBTS_MAX;
            let trouble = Trouble::Refused { path: self.path(&talk), status: answer.status, words };
            return self.again(moment, self.next_errand(), trouble);
        }
        match talk {
            Talk::Failure(trouble) | Talk::Rejected(trouble) => return self.after_refusal(moment, trouble),
            // RFC 8995 section 5.7: "The client ignores any response."
            Talk::Imprinted => return self.told_of_voucher(),
            _ => {}
        }
        // Too slow, too often, or the server's own failure: all may pass by themselves.
        if matches!(answer.status, 408 | 429 | 500..=599) {
            return self.server_failed(moment, talk, answer);
        }
        self.failures = 0;
        match (talk, answer.status) {
            (Talk::Voucher(appeal), 200) => self.voucher_came(*appeal, answer),
            (Talk::Voucher(appeal), 202) => self.appeal_put_off(moment, *appeal, answer),
            (Talk::Anchors, 200) => self.anchors_came(moment, answer),
            (Talk::Attributes, 200) => self.attributes_came(answer),
            // RFC 8951 section 4: there are none.
            (Talk::Attributes, 204 | 404) => self.prepare(CsrAttributes::default()),
            (Talk::Application(_), 200) => self.certificate_came(answer),
            (Talk::Application(application), 202) => self.put_off(moment, application, answer),
            // RFC 8995 section 5.9.4: the server may know nothing of this telemetry.
            (Talk::Success, 200..=299 | 404) => self.store(Storing::OnlyKey),
            (talk, status) => {
                let words = shortened(&String::from_utf8_lossy(&answer.body));
                let trouble = Trouble::Refused { path: self.path(&talk), status, words };
                match talk {
                    Talk::Success | Talk::Voucher(_) => self.after_refusal(moment, trouble),
                    _ => self.refuse(trouble),
                }
            }
        }
    }

    fn server_failed(&mut self, moment: Moment, talk: Talk, answer: &Answer) -> Output {
        let trouble = Trouble::ServerFailed(answer.status, self.path(&talk));
        let errand = match talk {
            Talk::Application(application) => Errand::Apply(application),
            Talk::Voucher(appeal) => Errand::Appeal(appeal),
            _ => self.next_errand(),
        };
        let least = answer.retry_after_seconds.map_or(0, |asked| asked_for(Some(asked), moment.random));
        self.again_after(moment, errand, trouble, least)
    }

    fn anchors_came(&mut self, moment: Moment, answer: &Answer) -> Output {
        let checked = certificates(est::CA_CERTS_PATH, answer).and_then(|distributed| {
            let domain = self.trust.domain().ok_or(AnchorsRefused)?;
            Ok(check_anchors(distributed, domain)?)
        });
        match checked {
            Ok(anchors) if anchors == self.distributed() => self.after_anchors(moment),
            Ok(anchors) => self.store(Storing::Anchors(anchors)),
            Err(trouble) => self.refuse(trouble),
        }
    }

    fn attributes_came(&mut self, answer: &Answer) -> Output {
        let der = body(est::CSR_ATTRS_PATH, answer, est::CSR_ATTRS);
        let read = der.and_then(|der| {
            CsrAttributes::from_der(&der).map_err(|why| Trouble::Unreadable(est::CSR_ATTRS_PATH, why))
        });
        match read {
            Ok(attributes) => self.prepare(attributes),
            Err(trouble) => self.refuse(trouble),
        }
    }

    fn certificate_came(&mut self, answer: &Answer) -> Output {
        let path = self.application_path();
        let checked = certificates(path, answer).and_then(|issued| {
            let key = self.pending.as_ref().ok_or(Trouble::Ldevid(LdevidRefused::OtherKey))?;
            Ok(check_issued(&issued, key, &self.trusted(), &self.serial_number)?)
        });
        match checked {
            Ok(ldevid) => self.store(Storing::Ldevid(Box::new(ldevid))),
            Err(trouble) => self.refuse(trouble),
        }
    }

    /// RFC 7030 section 4.2.3: the same request again, after at least the time that the server asks
    /// for, which RFC 8995 section 5.6 bounds.
    fn put_off(&mut self, moment: Moment, application: Application, answer: &Answer) -> Output {
        let since = application.pending_since.unwrap_or(moment.now);
        if is_too_late(moment, since) {
            return self.refuse(Trouble::NotAdmitted);
        }
        let again = Errand::Apply(Application { pending_since: Some(since), ..application });
        self.wait_as_asked(moment, again, answer)
    }

    /// RFC 8995 section 5.6: as for a certificate, and it "MUST resend the same voucher-request".
    fn appeal_put_off(&mut self, moment: Moment, appeal: Appeal, answer: &Answer) -> Output {
        let since = appeal.pending_since.unwrap_or(moment.now);
        if is_too_late(moment, since) {
            return self.after_refusal(moment, Trouble::NotAdmitted);
        }
        let again = Errand::Appeal(Box::new(Appeal { pending_since: Some(since), ..appeal }));
        self.wait_as_asked(moment, again, answer)
    }

    fn wait_as_asked(&mut self, moment: Moment, again: Errand, answer: &Answer) -> Output {
        let wait = asked_for(answer.retry_after_seconds, moment.random);
        self.pause(moment, wait, again, Trouble::Pending)
    }
}

/// The hub's words, if it says that it does not know the LDevID that was shown (any more).
fn no_longer_good(answer: &Answer) -> Option<String> {
    let words = shortened(&String::from_utf8_lossy(&answer.body));
    let says_so = matches!(words.split(':').next(), Some(ENROL_AGAIN | LDEVID_ENDED));
    (answer.status == 403 && says_so).then_some(words)
}

fn is_too_late(moment: Moment, since: u64) -> bool {
    moment.now.saturating_sub(since) >= PENDING_HOURS_MAX * HOUR_MILLIS
}

/// Whether a `Content-Type` names a media type; its parameters are not looked at.
pub(super) fn is_of_type(content_type: &str, wanted: &str) -> bool {
    let essence = |text: &str| text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence(content_type) == essence(wanted)
}

/// The DER of an answer's body.
fn body(path: &'static str, answer: &Answer, wanted: &'static str) -> Result<Vec<u8>, Trouble> {
    if !is_of_type(&answer.content_type, wanted) {
        let found = shortened(&answer.content_type);
        return Err(Trouble::MediaType { path, found, wanted });
    }
    est::decode_body(&answer.body).map_err(|why| Trouble::Unreadable(path, why))
}

fn certificates(path: &'static str, answer: &Answer) -> Result<Vec<Certificate>, Trouble> {
    let der = body(path, answer, est::PKCS7)?;
    est::read_certs_only(&der).map_err(|why| Trouble::Unreadable(path, why))
}
