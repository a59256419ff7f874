//! What the faces show and ask of accounts.
use super::rules::{Command, Credential, CredentialKind, Ended, State};
use super::{Account, secret, secret_hash, store};
use crate::id::Id;
use crate::limits::{LINK_MINUTES_MAX, SESSION_HOURS_MAX, TOKEN_DAYS_MAX};
use crate::operation::{Kind, Operation};
use crate::page::{self, Page};
use crate::permission::Permission;
use crate::refusal::{Refusal, Sort};
use crate::room::{Cx, Room};
use crate::text::{Cursor, Label, Slug};
use crate::time::{Millis, Shown};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An account.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct AccountView {
    /// Its name.
    pub account: String,
    /// What it may do.
    pub permission: Permission,
    /// It may do nothing until it is enabled again.
    pub disabled: bool,
}

/// An account with its credentials.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct AccountDetail {
    /// Its name.
    pub account: String,
    /// What it may do.
    pub permission: Permission,
    /// It may do nothing until it is enabled again.
    pub disabled: bool,
    /// Its tokens, links and sessions.
    pub credentials: Vec<CredentialView>,
}

/// A credential, without its secret.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct CredentialView {
    /// Its id.
    pub id: Id,
    /// What sort of proof it is.
    pub kind: CredentialKind,
    /// What it is for.
    pub label: String,
    /// Since when.
    pub issued_at: Shown,
    /// Until when.
    pub expires_at: Shown,
}

/// A new credential. The secret is shown this once.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct Issued {
    /// Its account.
    pub account: String,
    /// Its id, for revoking it.
    pub id: Id,
    /// The secret. Nobody can show it again.
    pub secret: String,
    /// Until when it is good.
    pub expires_at: Shown,
}

fn view(account: &Slug, state: &State) -> AccountView {
    AccountView {
        account: account.to_string(),
        permission: state.permission.unwrap_or(Permission::View),
        disabled: state.disabled,
    }
}

fn change(cx: &mut Cx, account: &Slug, command: Command) -> Result<AccountView, Refusal> {
    let subject = cx.subject("", account);
    Ok(view(account, &cx.change::<Account>(&subject, command)?))
}

/// Nobody takes the ladder away from under the own feet.
fn not_oneself(cx: &Cx, account: &Slug) -> Result<(), Refusal> {
    if cx.session.actor != account.as_str() {
        return Ok(());
    }
    let detail = "this would lock you out; ask another administrator";
    Err(Refusal::new(Sort::Conflict, "own-account", detail))
}

fn issue(
    cx: &mut Cx,
    account: &str,
    kind: CredentialKind,
    label: &str,
    seconds: i64,
) -> Result<Issued, Refusal> {
    let now = cx.sound_now()?;
    let (id, secret) = (cx.draw_id(), secret(cx.draw()));
    let expires_at = now.plus_seconds(seconds);
    let hash = secret_hash(&secret);
    let credential = Credential { kind, hash, label: label.into(), issued_at: now, expires_at };
    let subject = cx.subject("", account);
    cx.change::<Account>(&subject, Command::Issue(id, credential))?;
    Ok(Issued { account: account.into(), id, secret, expires_at: Shown(expires_at) })
}

/// Add an account
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Add {
    /// Its name
    #[schemars(example = &"alice")]
    pub account: Slug,
    /// What it may do
    pub permission: Permission,
}

impl Operation for Add {
    const NAME: &'static str = "account add";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Administer;
    type Answer = AccountView;

    fn run(&self, cx: &mut Cx) -> Result<AccountView, Refusal> {
        change(cx, &self.account, Command::Add(self.permission))
    }
}

/// Change what an account may do
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SetPermission {
    /// Its name
    #[schemars(example = &"alice")]
    pub account: Slug,
    /// What it may do from now on
    pub permission: Permission,
}

impl Operation for SetPermission {
    const NAME: &'static str = "account set-permission";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Administer;
    type Answer = AccountView;

    fn run(&self, cx: &mut Cx) -> Result<AccountView, Refusal> {
        not_oneself(cx, &self.account)?;
        change(cx, &self.account, Command::SetPermission(self.permission))
    }
}

/// Disable an account and end its credentials
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Disable {
    /// Its name
    #[schemars(example = &"alice")]
    pub account: Slug,
}

impl Operation for Disable {
    const NAME: &'static str = "account disable";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Administer;
    type Answer = AccountView;

    fn run(&self, cx: &mut Cx) -> Result<AccountView, Refusal> {
        not_oneself(cx, &self.account)?;
        change(cx, &self.account, Command::Disable)
    }
}

/// Enable an account that was disabled
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Enable {
    /// Its name
    #[schemars(example = &"alice")]
    pub account: Slug,
}

impl Operation for Enable {
    const NAME: &'static str = "account enable";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Administer;
    type Answer = AccountView;

    fn run(&self, cx: &mut Cx) -> Result<AccountView, Refusal> {
        change(cx, &self.account, Command::Enable)
    }
}

/// List accounts by name
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// Continue after this account
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Cursor>,
    /// At most so many
    #[serde(default = "page::usual")]
    #[schemars(range(min = 1, max = 500))]
    pub limit: u16,
}

impl Operation for List {
    const NAME: &'static str = "account list";
    const KIND: Kind = Kind::Read;
    const NEEDS: Permission = Permission::Administer;
    type Answer = Page<AccountView>;

    fn run(&self, cx: &mut Cx) -> Result<Page<AccountView>, Refusal> {
        let limit = page::checked(self.limit)?;
        let after = page::after(self.after.as_ref());
        let found = store::account_list(cx.tx, cx.session.organisation.as_str(), after, limit + 1)?;
        let items = found.into_iter().map(|(account, permission, disabled)| AccountView {
            account,
            permission,
            disabled,
        });
        Ok(Page::new(items.collect(), limit, |a| a.account.clone()))
    }
}

/// Show an account and its credentials
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Show {
    /// Its name
    #[schemars(example = &"alice")]
    pub account: Slug,
}

impl Operation for Show {
    const NAME: &'static str = "account show";
    const KIND: Kind = Kind::Read;
    const NEEDS: Permission = Permission::Administer;
    type Answer = AccountDetail;

    fn run(&self, cx: &mut Cx) -> Result<AccountDetail, Refusal> {
        let subject = cx.subject("", &self.account);
        let (state, _) = Account::load(cx.tx, &subject)?.unwrap_or_default();
        let Some(permission) = state.permission else {
            let detail = format!("no account is called `{}`; `account list` shows them", self.account);
            return Err(Refusal::new(Sort::NotFound, "account-unknown", detail));
        };
        let credentials = state.credentials.into_iter().map(|(id, c)| CredentialView {
            id,
            kind: c.kind,
            label: c.label,
            issued_at: Shown(c.issued_at),
            expires_at: Shown(c.expires_at),
        });
        Ok(AccountDetail {
            account: self.account.to_string(),
            permission,
            disabled: state.disabled,
            credentials: credentials.collect(),
        })
    }
}

/// Issue a token for programs; its secret is shown once
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IssueToken {
    /// Whose token
    #[schemars(example = &"alice")]
    pub account: Slug,
    /// What it is for
    #[schemars(example = &"nightly report")]
    pub label: Label,
    /// How long it is good
    #[serde(default = "token_days")]
    #[schemars(range(min = 1, max = 366))]
    pub days: u16,
}

fn token_days() -> u16 {
    90
}

impl Operation for IssueToken {
    const NAME: &'static str = "token issue";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Administer;
    const SECRET: bool = true;
    type Answer = Issued;

    fn run(&self, cx: &mut Cx) -> Result<Issued, Refusal> {
        if !(1..=TOKEN_DAYS_MAX).contains(&self.days) {
            let detail = format!("`days` is {}; write 1 to {TOKEN_DAYS_MAX}", self.days);
            return Err(Refusal::new(Sort::Malformed, "days-out-of-range", detail));
        }
        let seconds = i64::from(self.days) * 86_400;
        issue(cx, self.account.as_str(), CredentialKind::Token, self.label.as_str(), seconds)
    }
}

/// Issue a one-time link that signs a person in; its secret is shown once
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IssueLink {
    /// Who shall sign in
    #[schemars(example = &"alice")]
    pub account: Slug,
}

impl Operation for IssueLink {
    const NAME: &'static str = "link issue";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Administer;
    const SECRET: bool = true;
    type Answer = Issued;

    fn run(&self, cx: &mut Cx) -> Result<Issued, Refusal> {
        issue(cx, self.account.as_str(), CredentialKind::Link, "sign-in link", LINK_MINUTES_MAX * 60)
    }
}

/// End a token, a link or a session at once
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Revoke {
    /// Whose credential
    #[schemars(example = &"alice")]
    pub account: Slug,
    /// Its id, from `account show`
    #[schemars(example = &"0190163d-8694-739b-aea5-966c26f8ad91")]
    pub id: Id,
}

impl Operation for Revoke {
    const NAME: &'static str = "credential revoke";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Administer;
    type Answer = AccountView;

    fn run(&self, cx: &mut Cx) -> Result<AccountView, Refusal> {
        change(cx, &self.account, Command::End(self.id, Ended::Revoked))
    }
}

/// Sign in with a one-time link; the link is gone afterwards
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StartSession {}

impl Operation for StartSession {
    const NAME: &'static str = "session start";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::View;
    const BY_LINK: bool = true;
    const SECRET: bool = true;
    type Answer = Issued;

    fn run(&self, cx: &mut Cx) -> Result<Issued, Refusal> {
        let actor = cx.session.actor.clone();
        end_own(cx, Ended::Redeemed)?;
        issue(cx, &actor, CredentialKind::Session, "browser", SESSION_HOURS_MAX * 3_600)
    }
}

/// Sign out: end the session or token that asks
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EndSession {}

impl Operation for EndSession {
    const NAME: &'static str = "session end";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::View;
    type Answer = Who;

    fn run(&self, cx: &mut Cx) -> Result<Who, Refusal> {
        end_own(cx, Ended::SignedOut)?;
        Ok(who(cx))
    }
}

fn end_own(cx: &mut Cx, why: Ended) -> Result<(), Refusal> {
    let Some(credential) = cx.session.credential else {
        return Err(Refusal::new(Sort::Conflict, "no-session", "the hub's own work has no session to end"));
    };
    let subject = cx.subject("", &cx.session.actor);
    cx.change::<Account>(&subject, Command::End(credential.id, why))?;
    Ok(())
}

/// Show who asks, and what they may do
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ShowSession {}

/// Who asks.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct Who {
    /// The account.
    pub account: String,
    /// Its organisation.
    pub organisation: String,
    /// What it may do.
    pub permission: Permission,
    /// The hub's time.
    pub now: Shown,
}

fn who(cx: &Cx) -> Who {
    let now: Millis = cx.now;
    Who {
        account: cx.session.actor.clone(),
        organisation: cx.session.organisation.to_string(),
        permission: cx.session.permission,
        now: Shown(now),
    }
}

impl Operation for ShowSession {
    const NAME: &'static str = "session show";
    const KIND: Kind = Kind::Read;
    const NEEDS: Permission = Permission::View;
    type Answer = Who;

    fn run(&self, cx: &mut Cx) -> Result<Who, Refusal> {
        Ok(who(cx))
    }
}
