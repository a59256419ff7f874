//! Certificates and their keys, in memory.
use crate::key::Key;
use crate::random::Random;
use fleet::door::ToSign;
use fleet::refusal::{Refusal, Sort};
use wire::certificate::profile::{IssueRefused, Profile, Validity, issue};
use wire::{Certificate, SignFailed, cms, oid};

/// A certificate and its key.
pub(crate) struct Authority {
    pub(crate) certificate: Certificate,
    pub(crate) key: Key,
}

impl Authority {
    pub(crate) fn root(name: &str, now: i64, random: &mut Random) -> Result<Self, IssueRefused> {
        let key = Key::new(random);
        let profile = Profile::Root { common_name: name.into(), organisation: name.into() };
        let certificate = issue(&profile, key.public(), None, random.bytes(), since(now), &key)?;
        Ok(Self { certificate, key })
    }

    /// Somebody under this authority.
    pub(crate) fn under(
        &self,
        profile: &Profile,
        now: i64,
        random: &mut Random,
    ) -> Result<Self, IssueRefused> {
        let key = Key::new(random);
        let issuer = Some(&self.certificate);
        let certificate = issue(profile, key.public(), issuer, random.bytes(), since(now), &self.key)?;
        Ok(Self { certificate, key })
    }

    /// What a door wants signed.
    ///
    /// # Errors
    /// `not-signed`.
    pub(crate) fn sign(&self, to_sign: &ToSign) -> Result<Certificate, Refusal> {
        let ToSign { profile, key, serial, validity } = to_sign;
        issue(profile, key, Some(&self.certificate), *serial, *validity, &self.key).map_err(not_signed)
    }

    /// A voucher or a voucher-request; the certificates `above` go along.
    pub(crate) fn sign_json(&self, json: &[u8], above: &[Certificate]) -> Result<Vec<u8>, SignFailed> {
        let Self { certificate, key } = self;
        cms::sign(oid::ANIMA_JSON_VOUCHER, json, certificate, above, key, None, false)
    }
}

fn since(now: i64) -> Validity {
    Validity { not_before: now, not_after: None }
}

pub(crate) fn not_signed(why: impl ToString) -> Refusal {
    Refusal::new(Sort::Failed, "not-signed", why.to_string())
}
