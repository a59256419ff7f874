//! What a server's answers mean.
use super::check::{LdevidRefused, check_anchors, check_issued};
use super::message::{Answer, Output, Trouble, shortened};
use super::pledge::{Moment, Pledge};
use super::retry::asked_for;
use super::state::{Application, Errand, Storing, Talk};
use crate::limits::PENDING_HOURS_MAX;
use wire::Certificate;
use wire::est::{self, CsrAttributes};

const HOUR_MILLIS: u64 = 60 * 60 * 1000;

impl Pledge {
    pub(super) fn answered(&mut self, moment: Moment, talk: Talk, answer: &Answer) -> Output {
        self.learn_time(moment, answer.date_millis);
        if let Talk::Failure(trouble) = talk {
            return self.after_refusal(moment, trouble);
        }
        // Too slow, too often, or the server's own failure: all may pass by themselves.
        if matches!(answer.status, 408 | 429 | 500..=599) {
            return self.server_failed(moment, talk, answer);
        }
        self.failures = 0;
        match (talk, answer.status) {
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
                    Talk::Success => self.after_refusal(moment, trouble),
                    _ => self.refuse(trouble),
                }
            }
        }
    }

    fn server_failed(&mut self, moment: Moment, talk: Talk, answer: &Answer) -> Output {
        let trouble = Trouble::ServerFailed(answer.status, self.path(&talk));
        let errand = match talk {
            Talk::Application(application) => Errand::Apply(application),
            _ => self.next_errand(),
        };
        let least = answer.retry_after_seconds.map_or(0, |asked| asked_for(Some(asked), moment.random));
        self.again_after(moment, errand, trouble, least)
    }

    fn anchors_came(&mut self, moment: Moment, answer: &Answer) -> Output {
        let checked = certificates(est::CA_CERTS_PATH, answer)
            .and_then(|distributed| Ok(check_anchors(distributed, &self.anchor)?));
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
        if moment.now.saturating_sub(since) >= PENDING_HOURS_MAX * HOUR_MILLIS {
            return self.refuse(Trouble::NotAdmitted);
        }
        let wait = asked_for(answer.retry_after_seconds, moment.random);
        let again = Errand::Apply(Application { pending_since: Some(since), ..application });
        self.pause(moment, wait, again, Trouble::Pending)
    }
}

/// The DER of an answer's body.
fn body(path: &'static str, answer: &Answer, wanted: &'static str) -> Result<Vec<u8>, Trouble> {
    let essence = |text: &str| text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if essence(&answer.content_type) != essence(wanted) {
        let found = shortened(&answer.content_type);
        return Err(Trouble::MediaType { path, found, wanted });
    }
    est::decode_body(&answer.body).map_err(|why| Trouble::Unreadable(path, why))
}

fn certificates(path: &'static str, answer: &Answer) -> Result<Vec<Certificate>, Trouble> {
    let der = body(path, answer, est::PKCS7)?;
    est::read_certs_only(&der).map_err(|why| Trouble::Unreadable(path, why))
}
