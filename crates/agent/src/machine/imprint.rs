//! From a provisional connection to a domain: RFC 8995 sections 5.1 to 5.7.
use super::message::{Answer, FirstTrust, Imprint, Output, Trouble};
use super::pledge::{Moment, Pledge};
use super::state::{Appeal, Errand, State, Storing, Talk};
use super::voucher::check_voucher;
use wire::Certificate;
use wire::voucher::{Assertion, Nonce, VoucherRequest};

impl Pledge {
    /// Begins an attempt at the server that showed `server`, with a nonce of its own. RFC 8995 section
    /// 5.2; created-on stays out because no clock of the device counts.
    pub(super) fn appeal(&mut self, moment: Moment, server: Vec<Certificate>) -> Output {
        let Some(registrar) = server.first() else {
            return self.lost(moment, Errand::Begin, "the server showed no certificate");
        };
        let asks = VoucherRequest {
            assertion: Some(Assertion::Proximity),
            nonce: Nonce::from_octets(&moment.random.to_be_bytes()),
            proximity_registrar_cert: Some(registrar.clone()),
            ..VoucherRequest::new(&self.serial_number)
        };
        match asks.to_json() {
            Ok(json) => {
                self.state = State::Signing(Box::new(asks), server);
                Output::SignVoucherRequest(json)
            }
            Err(why) => self.again(moment, Errand::Begin, Trouble::Device(why.to_string())),
        }
    }

    pub(super) fn voucher_came(&mut self, appeal: Appeal, answer: &Answer) -> Output {
        match check_voucher(answer, &appeal.asks, &appeal.server, self.trust.masa(), &self.idevid) {
            Ok(pinned) => {
                let imprint = Imprint { pinned, voucher: answer.body.clone(), request: appeal.signed };
                self.store(Storing::Imprint(Box::new(imprint)))
            }
            // RFC 8995 section 5.6.2: told before the connection is closed, which the wait does.
            Err(why) => self.ask(Talk::Rejected(why.into())),
        }
    }

    /// The disk has it: the connection is provisional no longer, and is used on.
    pub(super) fn imprinted(&mut self, domain: Certificate) -> Output {
        if let FirstTrust::Manufacturer { pinned, .. } = &mut self.trust {
            *pinned = Some(Box::new(domain));
        }
        (self.imprint_untold, self.refusals) = (true, 0);
        self.ask(Talk::Imprinted)
    }

    pub(super) fn told_of_voucher(&mut self) -> Output {
        self.imprint_untold = false;
        self.ask(Talk::Anchors)
    }
}
