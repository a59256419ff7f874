//! **Accounts**: who may ask, and with which proof.
//!
//! Charter: administrative control ("who may do what") and operational security. An account has one
//! permission (`view` < `operate` < `administer`) and holds credentials: tokens for programs,
//! one-time links that sign a person in, and the sessions that such a link starts.
//!
//! | from | command | to |
//! |---|---|---|
//! | - | add | enabled |
//! | enabled | set permission | enabled |
//! | enabled | issue (token, link, session) | enabled, one credential more |
//! | enabled | end (revoked, redeemed, signed out, expired) | enabled, one credential less |
//! | enabled | disable | disabled, no credential |
//! | disabled | enable | enabled |
//!
//! Absent: passwords, and the secret of any credential: only its SHA-256 is stored, and the secret
//! itself is answered once. The bearer form on the API is that of RFC 6750.
pub mod rules;
pub mod scripts;
pub mod store;
pub mod view;

#[cfg(test)]
mod tests;

use crate::audit::store::journal_newest;
use crate::permission::{Session, Shown};
use crate::refusal::{Refusal, Sort};
use crate::time::Millis;
use crate::tx::Tx;
use sha2::{Digest, Sha256};

/// The room.
pub struct Account;

/// What a credential's secret looks like: `steward_` and 64 hexadecimal digits.
const SECRET_PREFIX: &str = "steward_";

/// The text of a secret of 32 random bytes. The prefix lets people and scanners know it when it leaks.
pub fn secret(random: [u8; 32]) -> String {
    format!("{SECRET_PREFIX}{}", crate::audit::view::hex(&random))
}

/// What is stored of a secret.
pub fn secret_hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

/// Who holds `secret`, if it is good now. What had expired when the newest journal entry was written is not
/// good again because the clock was set back.
///
/// # Errors
/// `not-signed-in`, the same for every reason, so that nobody learns which secret once was good.
pub fn authenticate(tx: &mut dyn Tx, secret: &str, now: Millis) -> Result<Session, Refusal> {
    let found = match secret.starts_with(SECRET_PREFIX) {
        true => store::credential_find(tx, &secret_hash(secret))?,
        false => None,
    };
    let now = now.max(journal_newest(tx)?);
    let good = found.filter(|c| !c.disabled && now < c.expires_at);
    let Some(holder) = good else { return Err(not_signed_in()) };
    Ok(Session {
        actor: holder.account,
        organisation: holder.organisation,
        permission: holder.permission,
        credential: Some(Shown { kind: holder.kind, id: holder.id }),
    })
}

/// Whether `session` may still do what it was let through for. The writer asks before each command: the
/// credential may have ended while the request was on its way. `now` is not before the newest journal entry.
///
/// # Errors
/// `not-signed-in` or `not-permitted`.
pub fn confirm(tx: &mut dyn Tx, session: &Session, now: Millis) -> Result<(), Refusal> {
    let Some(shown) = session.credential else { return Ok(()) };
    let (organisation, account) = (session.organisation.as_str(), session.actor.as_str());
    let found = store::credential_of(tx, organisation, account, shown.id)?;
    match found.filter(|holder| !holder.disabled && now < holder.expires_at) {
        Some(holder) if holder.permission >= session.permission => Ok(()),
        Some(holder) => {
            let detail = format!("the account's permission is `{}` now", holder.permission);
            Err(Refusal::new(Sort::NotPermitted, "not-permitted", detail))
        }
        None => Err(not_signed_in()),
    }
}

/// Nobody known asks.
pub fn not_signed_in() -> Refusal {
    let detail = "sign in first: send `Authorization: Bearer TOKEN`, or open a one-time link in a browser; \
                  a credential that was sent is unknown, ended or expired";
    Refusal::new(Sort::NotSignedIn, "not-signed-in", detail)
}
