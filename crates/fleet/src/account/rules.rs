//! The rules of accounts and their credentials. Pure.
use crate::id::Id;
use crate::limits::ACCOUNT_CREDENTIALS_MAX;
use crate::permission::Permission;
use crate::refusal::Sort;
use crate::room::Reason;
use crate::time::Millis;
use crate::words;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

words! {
    /// What sort of proof a credential is.
    pub enum CredentialKind {
        /// For programs: sent with every request.
        Token = "token",
        /// For a person: opened once in a browser, it starts a session and is gone.
        Link = "link",
        /// A browser's session: a cookie.
        Session = "session",
    }
}

words! {
    /// Why a credential ended.
    pub enum Ended {
        /// Somebody took it back.
        Revoked = "revoked",
        /// A link was opened.
        Redeemed = "redeemed",
        /// A person signed out.
        SignedOut = "signed-out",
        /// Its time was over.
        Expired = "expired",
        /// Its account was disabled.
        Disabled = "disabled",
    }
}

/// A credential: everything but its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// What sort of proof it is.
    pub kind: CredentialKind,
    /// SHA-256 of the secret.
    pub hash: [u8; 32],
    /// What it is for, in a person's words.
    pub label: String,
    /// Since when.
    pub issued_at: Millis,
    /// Until when.
    pub expires_at: Millis,
}

/// What is true of an account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// What it may do; `None` when nobody has added it.
    pub permission: Option<Permission>,
    /// It may do nothing until it is enabled again.
    pub disabled: bool,
    /// Its credentials, by id.
    pub credentials: BTreeMap<Id, Credential>,
}

/// What may be asked of an account.
#[derive(Clone, Debug)]
pub enum Command {
    /// Let it exist.
    Add(Permission),
    /// Change what it may do.
    SetPermission(Permission),
    /// Let it do nothing, and end its credentials.
    Disable,
    /// Let it do its work again.
    Enable,
    /// Give it a credential.
    Issue(Id, Credential),
    /// Take a credential from it.
    End(Id, Ended),
}

/// *Stored.* What happened to an account: add variants, never change one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Event {
    /// It exists.
    Added {
        /// What it may do.
        permission: Permission,
    },
    /// It may do something else.
    PermissionSet {
        /// What it may do.
        permission: Permission,
    },
    /// It may do nothing.
    AccountDisabled,
    /// It may do its work again.
    AccountEnabled,
    /// It has one credential more.
    CredentialIssued {
        /// The credential's id.
        id: Id,
        /// What sort of proof it is.
        kind: CredentialKind,
        /// SHA-256 of the secret, as hexadecimal digits.
        #[serde(with = "hex_digest")]
        hash: [u8; 32],
        /// What it is for.
        label: String,
        /// Since when.
        issued_at: Millis,
        /// Until when.
        expires_at: Millis,
    },
    /// It has one credential less.
    CredentialEnded {
        /// The credential's id.
        id: Id,
        /// Why.
        why: Ended,
    },
}

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Nobody has added it.
    Unknown,
    /// It was added before.
    Known,
    /// It is disabled.
    Disabled,
    /// It is enabled.
    Enabled,
    /// It holds as many credentials as one account may.
    TooManyCredentials,
    /// It holds no such credential.
    CredentialUnknown,
}

impl Reason for Refusal {
    fn code(&self) -> &'static str {
        match self {
            Refusal::Unknown => "account-unknown",
            Refusal::Known => "account-known",
            Refusal::Disabled => "account-disabled",
            Refusal::Enabled => "account-enabled",
            Refusal::TooManyCredentials => "too-many-credentials",
            Refusal::CredentialUnknown => "credential-unknown",
        }
    }
    fn sort(&self) -> Sort {
        match self {
            Refusal::Unknown | Refusal::CredentialUnknown => Sort::NotFound,
            Refusal::TooManyCredentials => Sort::TooMuch,
            _ => Sort::Conflict,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Refusal::Unknown => f.write_str("no account has this name; `account list` shows them"),
            Refusal::Known => f.write_str("an account of this name exists already"),
            Refusal::Disabled => f.write_str("the account is disabled; enable it first"),
            Refusal::Enabled => f.write_str("the account is not disabled"),
            Refusal::TooManyCredentials => {
                write!(f, "the account holds {ACCOUNT_CREDENTIALS_MAX} credentials; revoke some first")
            }
            Refusal::CredentialUnknown => f.write_str("the account holds no credential of this id"),
        }
    }
}

/// What happens when `command` is asked of an account in `state` at `now`.
///
/// # Errors
/// Why not.
pub fn decide(state: &State, command: Command, now: Millis) -> Result<Vec<Event>, Refusal> {
    match (command, state.permission) {
        (Command::Add(permission), None) => Ok(vec![Event::Added { permission }]),
        (Command::Add(_), Some(_)) => Err(Refusal::Known),
        (_, None) => Err(Refusal::Unknown),
        (Command::SetPermission(wanted), Some(has)) if wanted == has => Ok(vec![]),
        (Command::SetPermission(permission), Some(_)) => Ok(vec![Event::PermissionSet { permission }]),
        (Command::Disable, _) if state.disabled => Err(Refusal::Disabled),
        (Command::Disable, _) => Ok(disable(state)),
        (Command::Enable, _) if state.disabled => Ok(vec![Event::AccountEnabled]),
        (Command::Enable, _) => Err(Refusal::Enabled),
        (Command::Issue(..), _) if state.disabled => Err(Refusal::Disabled),
        (Command::Issue(id, credential), _) => issue(state, id, credential, now),
        (Command::End(id, why), _) if state.credentials.contains_key(&id) => {
            Ok(vec![Event::CredentialEnded { id, why }])
        }
        (Command::End(..), _) => Err(Refusal::CredentialUnknown),
    }
}

fn disable(state: &State) -> Vec<Event> {
    let ended = state.credentials.keys().map(|id| Event::CredentialEnded { id: *id, why: Ended::Disabled });
    ended.chain([Event::AccountDisabled]).collect()
}

/// Expired credentials make room first: they are ended when the next one is issued.
fn issue(state: &State, id: Id, credential: Credential, now: Millis) -> Result<Vec<Event>, Refusal> {
    let expired = state.credentials.iter().filter(|(_, c)| c.expires_at <= now);
    let mut events: Vec<Event> =
        expired.map(|(id, _)| Event::CredentialEnded { id: *id, why: Ended::Expired }).collect();
    if state.credentials.len() - events.len() >= ACCOUNT_CREDENTIALS_MAX {
        return Err(Refusal::TooManyCredentials);
    }
    let Credential { kind, hash, label, issued_at, expires_at } = credential;
    events.push(Event::CredentialIssued { id, kind, hash, label, issued_at, expires_at });
    Ok(events)
}

/// Whether it rests on the time being right. A person may always sign out.
pub fn rests_on_time(event: &Event) -> bool {
    match event {
        Event::CredentialIssued { .. } | Event::AccountDisabled => true,
        Event::CredentialEnded { why, .. } => *why != Ended::SignedOut,
        Event::Added { .. } | Event::PermissionSet { .. } | Event::AccountEnabled => false,
    }
}

/// What an event does to an account.
pub fn apply(state: &mut State, event: &Event) {
    match event {
        Event::Added { permission } | Event::PermissionSet { permission } => {
            state.permission = Some(*permission);
        }
        Event::AccountDisabled => state.disabled = true,
        Event::AccountEnabled => state.disabled = false,
        Event::CredentialIssued { id, kind, hash, label, issued_at, expires_at } => {
            let (kind, hash, label) = (*kind, *hash, label.clone());
            let credential = Credential { kind, hash, label, issued_at: *issued_at, expires_at: *expires_at };
            state.credentials.insert(*id, credential);
        }
        Event::CredentialEnded { id, .. } => {
            state.credentials.remove(id);
        }
    }
}

/// A SHA-256 as 64 hexadecimal digits.
mod hex_digest {
    use crate::audit::view::hex;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};
    use wire::digest::from_hex;

    pub fn serialize<S: Serializer>(hash: &[u8; 32], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&hex(hash))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<[u8; 32], D::Error> {
        let text = String::deserialize(from)?;
        from_hex(&text).ok_or_else(|| D::Error::custom("64 lower-case hexadecimal digits are expected"))
    }
}
