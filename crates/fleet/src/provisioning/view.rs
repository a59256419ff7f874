//! What the faces and the factory's line ask of births.
//!
//! [`Want`] and [`Bear`] are asked by the door for the line and are in no table.
use super::product::Product;
use super::rules::{Command, State};
use super::{Birth, store};
use crate::operation::{Kind, Operation};
use crate::page::{self, Page};
use crate::permission::Permission;
use crate::refusal::{Refusal, Sort};
use crate::room::{Cx, Room};
use crate::text::{Cursor, Label};
use crate::time::Shown;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A birth.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct BirthView {
    /// The device's serial number.
    pub serial_number: String,
    /// Its product.
    pub product: String,
    /// Whether it has its IDevID.
    pub born: bool,
    /// When it got it; 1970 while it has none.
    pub born_at: Shown,
    /// SHA-256 of its key.
    pub key: String,
    /// The IDevID as PEM; empty while it is being signed.
    pub certificate: String,
    /// The signed birth record as PEM, by which an operator can expect the device.
    pub record: String,
}

fn view(serial_number: String, state: State) -> BirthView {
    BirthView {
        serial_number,
        product: state.product,
        born: state.certificate.is_some(),
        born_at: Shown(state.born_at),
        key: state.key,
        certificate: state.certificate.unwrap_or_default(),
        record: state.record,
    }
}

/// Show the birth of a device
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Show {
    /// The device's serial number
    #[schemars(example = &"lamp-0001")]
    pub serial_number: Label,
}

impl Operation for Show {
    const NAME: &'static str = "birth show";
    const KIND: Kind = Kind::Read;
    const NEEDS: Permission = Permission::View;
    type Answer = BirthView;

    fn run(&self, cx: &mut Cx) -> Result<BirthView, Refusal> {
        let subject = cx.subject("", &self.serial_number);
        match Birth::load(cx.tx, &subject)? {
            Some((state, _)) => Ok(view(subject.id, state)),
            None => {
                let detail = format!("no device was born with the serial number `{}`", self.serial_number);
                Err(Refusal::new(Sort::NotFound, "birth-unknown", detail))
            }
        }
    }
}

/// List births by serial number
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// Continue after this serial number
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Cursor>,
    /// At most so many
    #[serde(default = "page::usual")]
    #[schemars(range(min = 1, max = 500))]
    pub limit: u16,
}

impl Operation for List {
    const NAME: &'static str = "birth list";
    const KIND: Kind = Kind::Read;
    const NEEDS: Permission = Permission::View;
    type Answer = Page<BirthView>;

    fn run(&self, cx: &mut Cx) -> Result<Page<BirthView>, Refusal> {
        let limit = page::checked(self.limit)?;
        let (organisation, after) = (cx.session.organisation.as_str(), page::after(self.after.as_ref()));
        let found = store::birth_list(cx.tx, organisation, after, limit + 1)?;
        let items = found.into_iter().map(|(serial_number, state)| view(serial_number, state)).collect();
        Ok(Page::new(items, limit, |b: &BirthView| b.serial_number.clone()))
    }
}

/// The factory's line wants an IDevID for a key
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Want {
    /// The product
    pub product: String,
    /// The device's serial number
    pub serial_number: Label,
    /// SHA-256 of its key, as hexadecimal digits
    pub key: String,
}

/// What the line is told.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// The device was born with this key before.
    Again {
        /// The IDevID as PEM.
        certificate: String,
    },
    /// The hub shall sign one.
    Sign(Work),
}

/// An IDevID to be signed, outside of the transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Work {
    /// The product.
    pub product: String,
    /// The device's serial number.
    pub serial_number: String,
    /// SHA-256 of its key, as hexadecimal digits.
    pub key: String,
    /// The kind of hardware.
    pub hardware_type: String,
    /// Where its description is; empty when it has none.
    pub mud_url: String,
    /// Where its manufacturer's service is; empty when it has none.
    pub masa_url: String,
    /// The certificate's serial number.
    pub serial: [u8; 16],
    /// Since when it is good, in milliseconds since 1970.
    pub not_before: i64,
}

impl Operation for Want {
    const NAME: &'static str = "birth want";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Operate;
    type Answer = Decision;

    fn run(&self, cx: &mut Cx) -> Result<Decision, Refusal> {
        let now = cx.sound_now()?;
        let subject = cx.subject("", &self.serial_number);
        let command = Command::Want { product: self.product.clone(), key: self.key.clone() };
        // A device that was born is answered again, whatever became of its product.
        let (born, _) = Birth::load(cx.tx, &subject)?.unwrap_or_default();
        if let (Some(certificate), true) =
            (born.certificate, born.key == self.key && born.product == self.product)
        {
            return Ok(Decision::Again { certificate });
        }
        let product = cx.subject("", &self.product);
        let offered = Product::load(cx.tx, &product)?.filter(|(state, _)| !state.discontinued);
        let Some(template) = offered.and_then(|(state, _)| state.template) else {
            let detail = format!("no product `{}` is offered; `product list` shows them", self.product);
            return Err(Refusal::new(Sort::NotFound, "product-unknown", detail));
        };
        cx.change::<Birth>(&subject, command)?;
        Ok(Decision::Sign(Work {
            product: self.product.clone(),
            serial_number: subject.id,
            key: self.key.clone(),
            hardware_type: template.hardware_type,
            mud_url: template.mud_url,
            masa_url: template.masa_url,
            serial: cx.draw_serial(),
            not_before: now.0,
        }))
    }
}

/// An IDevID was signed
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bear {
    /// The product
    pub product: String,
    /// The device's serial number
    pub serial_number: String,
    /// SHA-256 of its key, as hexadecimal digits
    pub key: String,
    /// The IDevID as PEM
    pub certificate: String,
    /// The signed birth record as PEM
    pub record: String,
}

impl Operation for Bear {
    const NAME: &'static str = "birth bear";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Operate;
    /// The IDevID that counts: of two that were signed at once, the first one kept.
    type Answer = String;

    fn run(&self, cx: &mut Cx) -> Result<String, Refusal> {
        let subject = cx.subject("", &self.serial_number);
        let (product, key) = (self.product.clone(), self.key.clone());
        let (certificate, record) = (self.certificate.clone(), self.record.clone());
        let command = Command::Bear { product, key, certificate, record };
        let state = cx.change::<Birth>(&subject, command)?;
        Ok(state.certificate.unwrap_or_default())
    }
}
