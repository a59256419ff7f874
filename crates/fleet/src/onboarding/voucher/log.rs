//! The audit log of the maker's service: RFC 8995 sections 5.8 and 5.8.3. It is read for people; no rule
//! acts on it yet, and a log that cannot be had keeps no device from joining.
use super::view::{KeepLog, Want};
use crate::audit::view::hex;
use crate::door::{Outgoing, Reply, Step, voucher_answer};
use crate::limits::LOG_DOMAINS_MAX;
use crate::onboarding::rules::LogSummary;
use crate::refusal::Refusal;
use std::collections::BTreeSet;
use wire::audit_log::{AuditLog, MEDIA_TYPE};
use wire::limits::AUDIT_LOG_BYTES_MAX;

/// The last segment of the path (RFC 8995 section 5.8), under the service's own.
const PATH: &str = "/requestauditlog";

/// Asks for the log with the request that got `voucher`, then hands the voucher on. RFC 8995 section 5.8
/// asks once the pledge has reported; here it is before that, while the request is at hand.
pub fn ask(service: &str, outgoing: Outgoing, want: Want, domain_id: String, voucher: String) -> Step {
    if domain_id.is_empty() {
        // A voucher of a form that is not read here: there is nothing to compare the log with.
        return voucher_answer(&voucher);
    }
    let url = format!("{service}{PATH}");
    let outgoing = Outgoing { url, accept: MEDIA_TYPE, reply_bytes_max: AUDIT_LOG_BYTES_MAX, ..outgoing };
    let then = move |reply: Result<Reply, Refusal>| {
        let log = reply.ok().filter(|reply| reply.status == 200);
        match log.and_then(|reply| AuditLog::from_json(&reply.body).ok()) {
            Some(log) => {
                let keep = KeepLog { log: summary(&log, &domain_id, &want.nonce), want };
                Step::Run(Box::new(keep), Box::new(move |_| voucher_answer(&voucher)))
            }
            None => voucher_answer(&voucher),
        }
    };
    Step::Ask(Box::new(outgoing), Box::new(then))
}

/// What RFC 8995 section 5.8.3 looks at, for the domain and the nonce of a voucher.
pub(in crate::onboarding) fn summary(log: &AuditLog, domain_id: &str, nonce: &str) -> LogSummary {
    let of_domain = |event: &wire::audit_log::AuditEvent| hex(&event.domain_id) == domain_id;
    let others: BTreeSet<String> =
        log.events.iter().filter(|event| !of_domain(event)).map(|event| hex(&event.domain_id)).collect();
    let truncation = log.truncation;
    let left_out = [truncation.nonced_duplicates, truncation.nonceless_duplicates, truncation.arbitrary]
        .into_iter()
        .fold(0, u64::saturating_add);
    LogSummary {
        complete: log.events.iter().any(|event| of_domain(event) && event.nonce.as_deref() == Some(nonce)),
        vouchers: log.events.len() as u64,
        without_nonce: log.events.iter().filter(|event| event.nonce.is_none()).count() as u64,
        left_out: left_out.min(i64::MAX.unsigned_abs()),
        other_domains: others.into_iter().take(LOG_DOMAINS_MAX).collect(),
    }
}
