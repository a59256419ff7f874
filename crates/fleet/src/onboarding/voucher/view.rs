//! What the registrar's door asks of vouchers. It asks for a device: none of it is in a table.
use crate::onboarding::Onboarding;
use crate::onboarding::anchor::store::anchor_find;
use crate::onboarding::rules::{Command, Introduction, LogSummary};
use crate::onboarding::view::{already_enrolled, anchor_removed, introduced, introduced_before};
use crate::operation::{Kind, Operation};
use crate::permission::Permission;
use crate::refusal::Refusal;
use crate::room::{Cx, Room};
use crate::time::Millis;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wire::Certificate;

/// A device wants a voucher (RFC 8995 section 5.2)
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Want {
    /// Who asks
    pub introduction: Introduction,
    /// The nonce of its request
    pub nonce: String,
}

/// What a device that wants a voucher is told.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// Nobody has admitted it: ask again later.
    Wait,
    /// The voucher for this nonce is here already.
    Again {
        /// It: CMS as base64.
        voucher: String,
    },
    /// The maker's service shall be asked.
    Ask {
        /// The authorities that its server is believed by, each as PEM.
        servers: Vec<String>,
        /// When it is asked.
        now: Millis,
    },
}

impl Operation for Want {
    const NAME: &'static str = "onboarding want-voucher";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Operate;
    type Answer = Decision;

    fn run(&self, cx: &mut Cx) -> Result<Decision, Refusal> {
        let now = cx.sound_now()?;
        let subject = introduced(cx, self.introduction.clone())?;
        let (state, _) = Onboarding::load(cx.tx, &subject)?.unwrap_or_default();
        if !state.admitted {
            return Ok(Decision::Wait);
        }
        if state.is_enrolled(now) {
            return Err(already_enrolled());
        }
        if let Some(known) = state.voucher.filter(|known| known.nonce == self.nonce) {
            return Ok(Decision::Again { voucher: known.voucher });
        }
        let (organisation, anchor) = (cx.session.organisation.to_string(), &self.introduction.anchor);
        let trusted = anchor_find(cx.tx, &organisation, anchor)?.ok_or_else(|| anchor_removed(anchor))?;
        let servers = trusted.server_authorities().iter().map(Certificate::to_pem).collect();
        Ok(Decision::Ask { servers, now })
    }
}

/// The maker's service issued a voucher
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Keep {
    /// What was asked for
    pub want: Want,
    /// The domain that it names, as the service's audit log says it (RFC 8995 section 5.8.2), as hexadecimal
    /// digits; empty when the voucher cannot be read here
    pub domain_id: String,
    /// The voucher: CMS as base64
    pub voucher: String,
}

impl Operation for Keep {
    const NAME: &'static str = "onboarding keep-voucher";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Operate;
    /// The voucher that counts: of two that came for one nonce at once, the first one kept.
    type Answer = String;

    fn run(&self, cx: &mut Cx) -> Result<String, Refusal> {
        let subject = introduced_before(cx, &self.want.introduction)?;
        let (nonce, domain_id) = (self.want.nonce.clone(), self.domain_id.clone());
        let keep = Command::KeepVoucher { nonce, domain_id, voucher: self.voucher.clone() };
        let state = cx.change::<Onboarding>(&subject, keep)?;
        Ok(state.voucher.map(|kept| kept.voucher).unwrap_or_default())
    }
}

/// The maker's service said which vouchers it issued (RFC 8995 section 5.8)
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeepLog {
    /// The voucher that it was asked about
    pub want: Want,
    /// What it said
    pub log: LogSummary,
}

impl Operation for KeepLog {
    const NAME: &'static str = "onboarding keep-log";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Operate;
    type Answer = bool;

    fn run(&self, cx: &mut Cx) -> Result<bool, Refusal> {
        let subject = introduced_before(cx, &self.want.introduction)?;
        cx.change::<Onboarding>(&subject, Command::KeepLog(self.log.clone()))?;
        Ok(true)
    }
}

/// A pledge's request says that it is near another registrar's certificate (RFC 8995 section 5.2)
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MeetRelay {
    /// Who signed the request, and showed the same in the TLS handshake
    pub introduction: Introduction,
    /// What its request says
    pub reason: String,
}

impl Operation for MeetRelay {
    const NAME: &'static str = "onboarding meet-relay";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Operate;
    type Answer = bool;

    fn run(&self, cx: &mut Cx) -> Result<bool, Refusal> {
        let subject = introduced(cx, self.introduction.clone())?;
        cx.change::<Onboarding>(&subject, Command::MeetRelay { reason: self.reason.clone() })?;
        Ok(true)
    }
}

/// A device says what it thinks of its voucher (RFC 8995 section 5.7)
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// Who says it
    pub introduction: Introduction,
    /// Whether it accepts the voucher
    pub good: bool,
    /// In its own words
    pub reason: String,
}

impl Operation for Report {
    const NAME: &'static str = "onboarding report-voucher";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Operate;
    type Answer = bool;

    fn run(&self, cx: &mut Cx) -> Result<bool, Refusal> {
        let subject = introduced_before(cx, &self.introduction)?;
        let report = Command::ReportVoucher { good: self.good, reason: self.reason.clone() };
        cx.change::<Onboarding>(&subject, report)?;
        Ok(true)
    }
}
