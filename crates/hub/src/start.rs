//! What a hub does before its first request: there is an administrator, and a token for the
//! ready-file.
use crate::desk::Desk;
use fleet::account::rules::CredentialKind;
use fleet::account::view::{Add, IssueToken, Revoke, Show};
use fleet::audit::clock::view::Accept;
use fleet::limits::TOKEN_DAYS_MAX;
use fleet::onboarding::restoration::view::Note;
use fleet::operation::Operation;
use fleet::permission::{Permission, Session};
use fleet::refusal::{Refusal, Sort};
use fleet::text::{Label, Slug};
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use std::path::PathBuf;

/// The account that a new hub has.
const ADMINISTRATOR: &str = "admin";
/// What its token is for; the one of the start before is revoked.
const LABEL: &str = "ready-file";

/// What a ready-file says.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ready {
    /// Where people and programs reach the hub.
    pub people: String,
    /// Where devices reach the hub.
    pub devices: String,
    /// The certificate to believe.
    pub ca: PathBuf,
    /// The manufacturer's authority, for operators to trust as an anchor.
    pub factory: PathBuf,
    /// A token of the account `admin`, good until the next start; empty when that account is disabled or
    /// holds too many credentials, or the clock is behind the journal.
    pub token: String,
}

/// Makes sure that there is an administrator, and issues a token for it. What people did to that account
/// does not keep the hub from starting: then there is no token.
///
/// # Errors
/// A refusal of the rules or the store.
pub async fn administrator_token(desk: &Desk, organisation: &Slug) -> Result<String, Refusal> {
    let session = Session::of_hub("start", organisation.clone());
    let add = parse::<Add>(json!({"account": ADMINISTRATOR, "permission": Permission::Administer}))?;
    match desk.own(&session, add).await {
        Ok(_) => {}
        Err(known) if known.code == "account-known" => {}
        Err(refusal) => return Err(refusal),
    }
    let show = parse::<Show>(json!({"account": ADMINISTRATOR}))?;
    let shown = desk.own(&session, show).await?;
    for id in old_tokens(&shown) {
        let revoke = parse::<Revoke>(json!({"account": ADMINISTRATOR, "id": id}))?;
        match desk.own(&session, revoke).await {
            Err(refusal) if refusal.code != "clock-behind" => return Err(refusal),
            _ => {}
        }
    }
    let issue = json!({"account": ADMINISTRATOR, "label": LABEL, "days": TOKEN_DAYS_MAX});
    let issue = parse::<IssueToken>(issue)?;
    match desk.own(&session, issue).await {
        Ok(issued) => Ok(issued["secret"].as_str().unwrap_or_default().to_string()),
        Err(no) if ["account-disabled", "too-many-credentials", "clock-behind"].contains(&no.code) => {
            tracing::warn!(code = no.code, "the ready-file has no token: {}", no.detail);
            Ok(String::new())
        }
        Err(refusal) => Err(refusal),
    }
}

/// Notes that the state was restored from a backup: what came after that is forgotten.
///
/// # Errors
/// A refusal of the rules or the store.
pub async fn note_restoration(desk: &Desk, organisation: &Slug) -> Result<(), Refusal> {
    desk.own(&Session::of_hub("start", organisation.clone()), Note {}).await.map(drop)
}

/// Accepts the clock for whoever starts the hub: the journal may lock everybody else out. A clock that is not
/// behind needs no acceptance.
///
/// # Errors
/// A refusal of the store.
pub async fn accept_clock(desk: &Desk, organisation: &Slug, why: Label) -> Result<(), Refusal> {
    match desk.own(&Session::of_hub("start", organisation.clone()), Accept { why }).await {
        Err(refusal) if refusal.code != "clock-not-behind" => Err(refusal),
        _ => Ok(()),
    }
}

fn old_tokens(shown: &Json) -> Vec<Json> {
    let credentials = shown["credentials"].as_array().into_iter().flatten();
    let old = credentials.filter(|c| c["label"] == LABEL && c["kind"] == CredentialKind::Token.as_str());
    old.map(|c| c["id"].clone()).collect()
}

fn parse<O: Operation>(json: Json) -> Result<O, Refusal> {
    serde_json::from_value(json)
        .map_err(|why| Refusal::new(Sort::Malformed, "bad-arguments", why.to_string()))
}
