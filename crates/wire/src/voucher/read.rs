//! JSON to vouchers and voucher-requests.
use super::{Assertion, Nonce, Voucher, VoucherRefused, VoucherRequest};
use crate::certificate::Certificate;
use crate::date_time;
use crate::json::{JsonRefused, Object, Value, parse_object};
use crate::limits::{SERIAL_NUMBER_BYTES_MAX, VOUCHER_BYTES_MAX};
use base64ct::{Base64, Encoding};

pub(super) const VOUCHER: &str = "ietf-voucher:voucher";
pub(super) const VOUCHER_REQUEST: &str = "ietf-voucher-request:voucher";

impl Voucher {
    /// Reads a voucher in JSON.
    ///
    /// # Errors
    /// [`VoucherRefused`]: whoever made it is to blame.
    pub fn from_json(text: &[u8]) -> Result<Self, VoucherRefused> {
        let fields = container(text, VOUCHER)?;
        let voucher = Self {
            created_on: moment(&fields, "created-on")?,
            expires_on: moment(&fields, "expires-on")?,
            assertion: assertion(&fields)?,
            serial_number: serial_number(&fields)?,
            idevid_issuer: binary(&fields, "idevid-issuer")?,
            pinned_domain_cert: certificate(&fields, "pinned-domain-cert")?,
            domain_cert_revocation_checks: fields.optional(
                "domain-cert-revocation-checks",
                "true or false",
                Value::as_bool,
            )?,
            nonce: nonce(&fields)?,
            last_renewal_date: moment(&fields, "last-renewal-date")?,
        };
        voucher.check_rules()?;
        Ok(voucher)
    }

    /// The `must` statements of the YANG module, RFC 8366 section 5.3.
    pub(super) fn check_rules(&self) -> Result<(), VoucherRefused> {
        if self.expires_on.is_some() && self.nonce.is_some() {
            return Err(VoucherRefused::Rule("a voucher has expires-on or a nonce, not both"));
        }
        if self.last_renewal_date.is_some() && self.expires_on.is_none() {
            return Err(VoucherRefused::Rule("last-renewal-date needs expires-on"));
        }
        Ok(())
    }
}

impl VoucherRequest {
    /// Reads a voucher-request in JSON.
    ///
    /// # Errors
    /// [`VoucherRefused`]: whoever made it is to blame.
    pub fn from_json(text: &[u8]) -> Result<Self, VoucherRefused> {
        let fields = container(text, VOUCHER_REQUEST)?;
        Ok(Self {
            created_on: moment(&fields, "created-on")?,
            assertion: assertion(&fields)?,
            serial_number: serial_number(&fields)?,
            idevid_issuer: binary(&fields, "idevid-issuer")?,
            nonce: nonce(&fields)?,
            prior_signed_voucher_request: binary(&fields, "prior-signed-voucher-request")?,
            proximity_registrar_cert: certificate(&fields, "proximity-registrar-cert")?,
        })
    }
}

/// The fields of the container, which must be all there is.
fn container(text: &[u8], name: &'static str) -> Result<Object, VoucherRefused> {
    let mut top = parse_object(text, VOUCHER_BYTES_MAX)?.0;
    match (top.remove(name), top.is_empty()) {
        (Some(Value::Object(fields)), true) => Ok(fields),
        _ => Err(VoucherRefused::Container(name)),
    }
}

fn moment(fields: &Object, field: &str) -> Result<Option<i64>, JsonRefused> {
    let wanted = "a date and time as in RFC 3339, of the years 1970 to 9999";
    fields.optional(field, wanted, |value| date_time::parse(value.as_text()?))
}

/// YANG's binary in JSON: base64 (RFC 8995 section 5).
fn binary(fields: &Object, field: &str) -> Result<Option<Vec<u8>>, JsonRefused> {
    fields.optional(field, "base64", |value| Base64::decode_vec(value.as_text()?).ok())
}

fn certificate(fields: &Object, field: &'static str) -> Result<Option<Certificate>, VoucherRefused> {
    let der = binary(fields, field)?;
    let read = der.map(|der| Certificate::from_der(&der)).transpose();
    read.map_err(|refused| VoucherRefused::Certificate { field, refused })
}

fn assertion(fields: &Object) -> Result<Option<Assertion>, JsonRefused> {
    let wanted = "verified, logged, proximity or agent-proximity";
    fields.optional("assertion", wanted, |value| Assertion::from_word(value.as_text()?))
}

fn serial_number(fields: &Object) -> Result<String, JsonRefused> {
    let fits = |text: &&str| !text.is_empty() && text.len() <= SERIAL_NUMBER_BYTES_MAX;
    let wanted = "a text of 1 to 256 bytes";
    fields.required("serial-number", wanted, |value| value.as_text().filter(fits).map(str::to_owned))
}

fn nonce(fields: &Object) -> Result<Option<Nonce>, JsonRefused> {
    fields.optional("nonce", "base64 of 8 to 32 octets", |value| Nonce::from_text(value.as_text()?))
}
