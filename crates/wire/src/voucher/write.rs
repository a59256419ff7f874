//! Vouchers and voucher-requests to JSON.
use super::read::{VOUCHER, VOUCHER_REQUEST};
use super::{Voucher, VoucherRefused, VoucherRequest};
use crate::date_time;
use crate::json::JsonRefused;
use crate::limits::SERIAL_NUMBER_BYTES_MAX;
use base64ct::{Base64, Encoding};
use serde_json::{Map, Value};

impl Voucher {
    /// The voucher in JSON.
    ///
    /// # Errors
    /// [`VoucherRefused`] for what no reader would take: a time outside of the years 1970 to
    /// 9999, no serial number or too long a one, or a rule that is broken.
    pub fn to_json(&self) -> Result<Vec<u8>, VoucherRefused> {
        self.check_rules()?;
        let mut fields = Fields::for_pledge(&self.serial_number)?;
        fields.moment("created-on", self.created_on)?;
        fields.moment("expires-on", self.expires_on)?;
        fields.moment("last-renewal-date", self.last_renewal_date)?;
        fields.text("assertion", self.assertion.map(|it| it.word()));
        fields.text("nonce", self.nonce.as_ref().map(|it| it.text()));
        fields.binary("idevid-issuer", self.idevid_issuer.as_deref());
        fields.binary("pinned-domain-cert", self.pinned_domain_cert.as_ref().map(|it| it.der()));
        fields.put("domain-cert-revocation-checks", self.domain_cert_revocation_checks.map(Value::Bool));
        Ok(fields.within(VOUCHER))
    }
}

impl VoucherRequest {
    /// The voucher-request in JSON.
    ///
    /// # Errors
    /// [`VoucherRefused`] for what no reader would take: a time outside of the years 1970 to
    /// 9999, no serial number or too long a one.
    pub fn to_json(&self) -> Result<Vec<u8>, VoucherRefused> {
        let mut fields = Fields::for_pledge(&self.serial_number)?;
        fields.moment("created-on", self.created_on)?;
        fields.text("assertion", self.assertion.map(|it| it.word()));
        fields.text("nonce", self.nonce.as_ref().map(|it| it.text()));
        fields.binary("idevid-issuer", self.idevid_issuer.as_deref());
        fields.binary("prior-signed-voucher-request", self.prior_signed_voucher_request.as_deref());
        fields.binary("proximity-registrar-cert", self.proximity_registrar_cert.as_ref().map(|it| it.der()));
        Ok(fields.within(VOUCHER_REQUEST))
    }
}

/// The fields of a container. A field without a value is left out.
struct Fields(Map<String, Value>);

impl Fields {
    fn for_pledge(serial_number: &str) -> Result<Self, JsonRefused> {
        let field = "serial-number";
        if serial_number.is_empty() || serial_number.len() > SERIAL_NUMBER_BYTES_MAX {
            return Err(JsonRefused::Field { field: field.into(), wanted: "a text of 1 to 256 bytes" });
        }
        let mut fields = Self(Map::new());
        fields.text(field, Some(serial_number));
        Ok(fields)
    }

    fn put(&mut self, field: &str, value: Option<Value>) {
        self.0.extend(value.map(|value| (field.to_owned(), value)));
    }

    fn text(&mut self, field: &str, value: Option<&str>) {
        self.put(field, value.map(Value::from));
    }

    fn binary(&mut self, field: &str, value: Option<&[u8]>) {
        self.put(field, value.map(|octets| Value::from(Base64::encode_string(octets))));
    }

    fn moment(&mut self, field: &str, millis: Option<i64>) -> Result<(), JsonRefused> {
        let Some(millis) = millis else { return Ok(()) };
        let wanted = "a time of the years 1970 to 9999";
        let refused = || JsonRefused::Field { field: field.into(), wanted };
        self.put(field, Some(Value::from(date_time::format(millis).ok_or_else(refused)?)));
        Ok(())
    }

    fn within(self, container: &str) -> Vec<u8> {
        let top = Map::from_iter([(container.to_owned(), Value::Object(self.0))]);
        Value::Object(top).to_string().into_bytes()
    }
}
