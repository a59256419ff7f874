//! What the faces and the MASA's door ask of vouchers.
//!
//! [`Find`], [`Issue`] and [`Log`] are asked by the door for a registrar and are in no table.
use super::VoucherLog;
use super::rules::{Command, State, Voucher, known};
use crate::operation::{Kind, Operation};
use crate::permission::Permission;
use crate::provisioning::Birth;
use crate::refusal::{Refusal, Sort};
use crate::room::{Cx, Reason, Room};
use crate::text::Label;
use crate::time::{Millis, Shown};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The vouchers of one device.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct VouchersView {
    /// The device's serial number.
    pub serial_number: String,
    /// The vouchers, oldest first.
    pub vouchers: Vec<VoucherView>,
    /// Older ones that are not kept.
    pub dropped: i64,
}

/// A voucher that was issued.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct VoucherView {
    /// When.
    pub issued_at: Shown,
    /// The domain that the device was told to trust.
    pub domain_id: String,
    /// The nonce that the device sent.
    pub nonce: String,
    /// The voucher itself: CMS as base64.
    pub voucher: String,
}

/// Show which domains a device was told to trust
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Show {
    /// The device's serial number
    #[schemars(example = &"lamp-0001")]
    pub serial_number: Label,
}

impl Operation for Show {
    const NAME: &'static str = "voucher show";
    const KIND: Kind = Kind::Read;
    const NEEDS: Permission = Permission::View;
    type Answer = VouchersView;

    fn run(&self, cx: &mut Cx) -> Result<VouchersView, Refusal> {
        let subject = cx.subject("", &self.serial_number);
        let (state, _) = VoucherLog::load(cx.tx, &subject)?.unwrap_or_default();
        let vouchers = state.vouchers.into_values().map(|v| VoucherView {
            issued_at: Shown(v.issued_at),
            domain_id: v.domain_id,
            nonce: v.nonce,
            voucher: v.voucher,
        });
        Ok(VouchersView { serial_number: subject.id, vouchers: vouchers.collect(), dropped: state.dropped })
    }
}

/// A registrar asks for a voucher for a device that was born here
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Find {
    /// The device's serial number, from the IDevID that signed its request
    pub serial_number: String,
    /// SHA-256 of the IDevID's key, as hexadecimal digits
    pub key: String,
    /// The nonce that the device sent
    pub nonce: String,
    /// The domain that it shall trust
    pub domain_id: String,
}

/// What the MASA is to do.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// A voucher for this nonce was issued to this domain.
    Again {
        /// It: CMS as base64.
        voucher: String,
    },
    /// A voucher shall be signed.
    Sign {
        /// When it is made.
        now: Millis,
    },
}

impl Operation for Find {
    const NAME: &'static str = "voucher find";
    // It is the first half of issuing: it has to see what the writer sees.
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Operate;
    type Answer = Decision;

    fn run(&self, cx: &mut Cx) -> Result<Decision, Refusal> {
        let now = cx.sound_now()?;
        let state = log_of(cx, &self.serial_number, &self.key)?;
        match known(&state, &self.nonce, &self.domain_id) {
            Ok(Some(voucher)) => Ok(Decision::Again { voucher: voucher.voucher.clone() }),
            Ok(None) => Ok(Decision::Sign { now }),
            Err(why) => Err(Refusal::new(why.sort(), why.code(), why.to_string())),
        }
    }
}

/// The vouchers of a device that was born here with this key.
fn log_of(cx: &mut Cx, serial_number: &str, key: &str) -> Result<State, Refusal> {
    let subject = cx.subject("", serial_number);
    let born = Birth::load(cx.tx, &subject)?
        .is_some_and(|(birth, _)| birth.key == key && birth.certificate.is_some());
    if !born {
        // RFC 8995 section 5.6: 404 for a device that is not known to the MASA.
        let detail =
            format!("no device `{serial_number}` was born here with the key that signed the request");
        return Err(Refusal::new(Sort::NotFound, "device-not-born-here", detail));
    }
    Ok(VoucherLog::load(cx.tx, &subject)?.unwrap_or_default().0)
}

/// A voucher was signed
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Issue {
    /// What was asked
    pub find: Find,
    /// When it was made
    pub issued_at: Millis,
    /// The voucher: CMS as base64
    pub voucher: String,
}

impl Operation for Issue {
    const NAME: &'static str = "voucher issue";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Operate;
    /// The voucher that counts: of two that were signed at once, the first one kept.
    type Answer = String;

    fn run(&self, cx: &mut Cx) -> Result<String, Refusal> {
        let Find { serial_number, nonce, domain_id, .. } = self.find.clone();
        let subject = cx.subject("", serial_number);
        let voucher = self.voucher.clone();
        let voucher = Voucher { nonce, domain_id, issued_at: self.issued_at, voucher };
        let state = cx.change::<VoucherLog>(&subject, Command::Issue(voucher))?;
        let kept = state.vouchers.into_values().find(|v| v.nonce == self.find.nonce);
        Ok(kept.map(|v| v.voucher).unwrap_or_default())
    }
}

/// A registrar asks for the log of a device that it was an owner of
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// The device's serial number
    pub serial_number: String,
    /// SHA-256 of the IDevID's key, as hexadecimal digits
    pub key: String,
    /// Who asks
    pub domain_id: String,
}

/// What the log says.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Logged {
    /// When, to which domain, with which nonce; oldest first.
    pub vouchers: Vec<(Millis, String, String)>,
    /// Older ones that are not kept.
    pub dropped: i64,
}

impl Operation for Log {
    const NAME: &'static str = "voucher log";
    const KIND: Kind = Kind::Read;
    const NEEDS: Permission = Permission::Operate;
    type Answer = Logged;

    fn run(&self, cx: &mut Cx) -> Result<Logged, Refusal> {
        let state = log_of(cx, &self.serial_number, &self.key)?;
        // RFC 8995 section 5.8: 404 for who was never an owner.
        if !state.vouchers.values().any(|v| v.domain_id == self.domain_id) {
            let detail = "no voucher of this device was ever issued to this domain";
            return Err(Refusal::new(Sort::NotFound, "never-an-owner", detail));
        }
        let vouchers = state.vouchers.into_values().map(|v| (v.issued_at, v.domain_id, v.nonce));
        Ok(Logged { vouchers: vouchers.collect(), dropped: state.dropped })
    }
}
